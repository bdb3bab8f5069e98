use pid_flows::Code;

use crate::api::dto::UserDto;
use crate::api::one_time_access::{CreateBody, LoginCodeDto, MailBody};
use crate::openapi::{Access, Operation};

fn op(id: &'static str, summary: &'static str) -> Operation {
    Operation::new("Login codes", id, summary).path("id", "The user's id.").path("token", "The code.")
}

pub fn create() -> Operation {
    op("createLoginCode", "Create a login code for a user")
        .access(Access::Manager)
        .about("Six characters for up to 15 minutes, else twelve. Codes sign in once.")
        .takes::<CreateBody>()
        .answers::<LoginCodeDto>(201)
        .refuses(&[Code::UserNotFound, Code::UserDisabled])
}

pub fn create_own() -> Operation {
    op("createOwnLoginCode", "Create a login code for oneself")
        .about("For at most 15 minutes. A session that begins with it only signs in to apps.")
        .access(Access::Session)
        .takes::<CreateBody>()
        .answers::<LoginCodeDto>(201)
        .refuses(&[Code::ReauthenticationRequired])
}

pub fn exchange() -> Operation {
    op("exchangeLoginCode", "Sign in with a login code")
        .about("Answers with the session's cookie.")
        .access(Access::Public)
        .query("interaction", "The interaction that the sign-in is for.", &[])
        .answers::<UserDto>(200)
        .refuses(&[Code::TokenInvalidOrExpired, Code::DeviceCodeInvalid, Code::UserDisabled])
}

pub fn mail() -> Operation {
    op("mailLoginCode", "Send a login code to a user")
        .access(Access::Manager)
        .about("Where administrators may send login codes by mail.")
        .takes::<CreateBody>()
        .nothing(204)
        .refuses(&[Code::OneTimeAccessDisabled, Code::UserNotFound, Code::UserEmailNotSet, Code::MailNotConfigured])
}

pub fn mail_on_request() -> Operation {
    op("requestLoginCode", "Ask for a login code by mail")
        .about("The answer doesn't tell whether there is such an account. The code works in the browser that asked.")
        .access(Access::Public)
        .takes::<MailBody>()
        .nothing(204)
        .refuses(&[Code::OneTimeAccessDisabled])
}
