use pid_flows::Code;

use crate::api::disown::Link;
use crate::openapi::{Access, Operation};

pub fn disown() -> Operation {
    Operation::new("Sessions", "disownSignIn", "Say that a sign-in was not one's own")
        .about(
            "By the link in a letter about it, without being signed in: ends the session with all that apps got by it.",
        )
        .access(Access::Public)
        .takes::<Link>()
        .nothing(204)
        .refuses(&[Code::TokenInvalidOrExpired])
}
