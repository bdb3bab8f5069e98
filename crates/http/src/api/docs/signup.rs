use pid_flows::Code;
use pid_flows::setup::SetupInput;
use pid_flows::signup::SignupInput;

use crate::api::dto::UserDto;
use crate::openapi::{Access, Operation};

fn op(id: &'static str, summary: &'static str) -> Operation {
    Operation::new("Sign-up", id, summary).access(Access::Public)
}

pub fn setup_state() -> Operation {
    op("getSetup", "Ask whether set-up is open").nothing(204).refuses(&[Code::SetupNotAvailable])
}

pub fn setup() -> Operation {
    op("completeSetup", "Create the first administrator")
        .about("Signs them in by a cookie.")
        .takes::<SetupInput>()
        .answers::<UserDto>(200)
        .refuses(&[Code::SetupAlreadyCompleted, Code::SetupCodeRequired, Code::AlreadyInUse])
}

pub fn sign_up() -> Operation {
    op("signUp", "Sign up")
        .about("By oneself where that is open, else with an administrator's token. Signs in by a cookie; where an administrator must approve, that session is good for a first passkey alone.")
        .takes::<SignupInput>()
        .answers::<UserDto>(201)
        .refuses(&[
            Code::OpenSignupDisabled,
            Code::TokenInvalidOrExpired,
            Code::AlreadyInUse,
            Code::ReservedClaim,
            Code::DuplicateClaim,
        ])
}
