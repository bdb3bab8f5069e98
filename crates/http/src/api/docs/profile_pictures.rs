use pid_flows::Code;

use super::PICTURES;
use crate::openapi::{Access, Operation};

fn op(id: &'static str, summary: &'static str) -> Operation {
    Operation::new("Profile pictures", id, summary)
        .path("id", "The user's id.")
        .refuses(&[Code::ValidationFailed, Code::UserNotFound])
}

pub fn get() -> Operation {
    op("getProfilePicture", "Get a user's picture")
        .about("Their own, else the instance's default, else their initials.")
        .access(Access::Public)
        .file(PICTURES)
        .cached()
}

pub fn set() -> Operation {
    op("setProfilePicture", "Upload a user's picture").access(Access::Manager).uploads().nothing(204)
}

pub fn delete() -> Operation {
    op("deleteProfilePicture", "Delete a user's picture").access(Access::Manager).nothing(204).conditional()
}

pub fn set_own() -> Operation {
    op("setOwnProfilePicture", "Upload the caller's own picture").access(Access::User).uploads().nothing(204)
}

pub fn delete_own() -> Operation {
    op("deleteOwnProfilePicture", "Delete the caller's own picture").access(Access::User).nothing(204).conditional()
}
