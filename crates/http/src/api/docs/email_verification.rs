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

pub fn verify_newcomer() -> Operation {
    Operation::new("Sign-up", "verifyNewcomer", "Prove the address of an account that waits for it")
        .about("By the link that was sent at sign-up, in the browser in which one signed up: where mail domains are limited, nobody signs in before. Elsewhere the proof would vouch for somebody else's passkey.")
        .access(Access::Public)
        .takes::<Proof>()
        .nothing(204)
        .refuses(&[Code::InvalidEmailVerificationToken, Code::NotSignedIn])
}

pub fn disown() -> Operation {
    Operation::new("Sign-up", "disownSignup", "Say that an account was not made by oneself")
        .about("By the link that was sent at sign-up, without being signed in: deletes the account, whose address was never proven.")
        .access(Access::Public)
        .takes::<Proof>()
        .nothing(204)
        .refuses(&[Code::InvalidEmailVerificationToken])
}
