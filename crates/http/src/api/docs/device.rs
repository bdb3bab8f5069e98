use pid_flows::Code;

use crate::oidc::device::DeviceDto;
use crate::openapi::{Access, Operation};

fn op(id: &'static str, summary: &'static str) -> Operation {
    Operation::new("Device authorization", id, summary)
        .access(Access::Session)
        .needs_query("code", "The code that the device shows.")
        .refuses(&[Code::OidcInvalidDeviceCode, Code::OidcDeviceCodeExpired, Code::OidcAccessDenied])
}

pub fn info() -> Operation {
    op("getDevice", "Get what a device asks for").answers::<DeviceDto>(200)
}

pub fn verify() -> Operation {
    op("approveDevice", "Let a device sign in").nothing(204).refuses(&[Code::ReauthenticationRequired])
}

pub fn deny() -> Operation {
    op("denyDevice", "Refuse a device").nothing(204)
}
