use pid_flows::Code;
use pid_flows::setup::SetupInput;

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
