use crate::api::app_passwords::{AppPasswordBody, AppPasswordDto, NewAppPasswordDto};
use crate::openapi::{Access, Operation};

fn op(id: &'static str, summary: &'static str) -> Operation {
    Operation::new("App passwords", id, summary).access(Access::User).path("id", "The password's id.")
}

pub fn list() -> Operation {
    op("listAppPasswords", "List the caller's app passwords").answers::<Vec<AppPasswordDto>>(200)
}

pub fn create() -> Operation {
    op("createAppPassword", "Create an app password")
        .about("Programs send it with the username (HTTP Basic) to an app behind a proxy. It is shown this once.")
        .access(Access::Session)
        .takes::<AppPasswordBody>()
        .answers::<NewAppPasswordDto>(201)
}

pub fn delete() -> Operation {
    op("deleteAppPassword", "Delete an app password").about("It lets nobody in any more.").nothing(204)
}
