use pid_flows::Code;

use crate::api::backchannel_logout::DeliveryDto;
use crate::openapi::{Access, Operation};

fn op(id: &'static str, summary: &'static str) -> Operation {
    Operation::new("Back-channel logout", id, summary).path("id", "The client's id.")
}

pub fn deliveries() -> Operation {
    op("listLogoutDeliveries", "List a client's latest logout notices")
        .access(Access::Auditor)
        .answers::<Vec<DeliveryDto>>(200)
}

pub fn test() -> Operation {
    op("testBackchannelLogout", "Send a client a logout notice about a session that nobody has")
        .answers::<DeliveryDto>(200)
        .refuses(&[Code::ValidationFailed])
}
