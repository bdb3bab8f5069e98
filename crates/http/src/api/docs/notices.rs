use pid_flows::Code;

use crate::api::notices::NoticesDto;
use crate::openapi::{Access, Operation};

fn op(id: &'static str, summary: &'static str) -> Operation {
    Operation::new("Users", id, summary)
}

pub fn get() -> Operation {
    op("getNotices", "Get which mails about their account the caller gets")
        .access(Access::User)
        .answers::<NoticesDto>(200)
}

pub fn patch() -> Operation {
    op("changeNotices", "Change which mails about their account the caller gets")
        .about("Nobody does without those about passkeys and the address: whoever took an account over would switch them off first. To switch off those about sign-ins takes what adding a passkey takes, and is told by mail. What the configuration switches off is sent to nobody.")
        .access(Access::Session)
        .patches::<NoticesDto>()
        .answers::<NoticesDto>(200)
        .refuses(&[Code::ReauthenticationRequired])
}

pub fn seen() -> Operation {
    op("dismissNotices", "Dismiss what happened to the account")
        .about("Where a passkey is left that is older than what happened, it takes a session that began by one.")
        .access(Access::Session)
        .nothing(204)
        .refuses(&[Code::OlderPasskeyRequired])
}
