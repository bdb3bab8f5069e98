use pid_flows::Code;

use crate::api::device_login::{DecisionBody, RequestDto, VerificationBody, WaitingDto};
use crate::api::dto::UserDto;
use crate::openapi::{Access, Operation};

fn op(id: &'static str, summary: &'static str) -> Operation {
    Operation::new("Device login", id, summary).path("id", "The request's id.")
}

pub fn create() -> Operation {
    op("createDeviceLogin", "Ask to be let in from another device")
        .about("The code is for people; what signs in is the cookie of this answer.")
        .access(Access::Public)
        .answers::<RequestDto>(201)
}

pub fn exchange() -> Operation {
    op("exchangeDeviceLogin", "Sign in once another device has let this browser in")
        .about("Waits up to 25 seconds for a decision: 202 means ask again, 200 comes with the session's cookie.")
        .access(Access::Public)
        .of_browser()
        .query("interaction", "The interaction that the sign-in is for.", &[])
        .answers::<UserDto>(200)
        .nothing(202)
        .refuses(&[Code::DeviceLoginExpired, Code::DeviceLoginDenied, Code::UserDisabled])
}

pub fn verification() -> Operation {
    op("getDeviceLogin", "Get the browser that waits under a code")
        .access(Access::Session)
        .takes::<VerificationBody>()
        .answers::<WaitingDto>(200)
        .refuses(&[Code::DeviceLoginExpired])
}

pub fn decision() -> Operation {
    op("decideDeviceLogin", "Let a waiting browser in, or keep it out")
        .about("Letting in needs the proof's cookie of a passkey, at most a minute old, and uses it up. Three wrong numbers keep the browser out.")
        .access(Access::Session)
        .of_browser()
        .takes::<DecisionBody>()
        .nothing(204)
        .refuses(&[
            Code::DeviceLoginExpired,
            Code::DeviceLoginDenied,
            Code::DeviceLoginNumberMismatch,
            Code::ReauthenticationRequired,
        ])
}
