use pid_flows::Code;

use crate::api::email_verification::Proof;
use crate::openapi::{Access, Operation};

fn op(id: &'static str, summary: &'static str) -> Operation {
    Operation::new("Users", id, summary).access(Access::User).nothing(204)
}

pub fn request() -> Operation {
    op("requestEmailVerification", "Send the caller a link that proves their address")
        .refuses(&[Code::UserEmailNotSet, Code::MailNotConfigured])
}

pub fn verify() -> Operation {
    op("verifyEmail", "Prove the caller's address").takes::<Proof>().refuses(&[Code::InvalidEmailVerificationToken])
}
