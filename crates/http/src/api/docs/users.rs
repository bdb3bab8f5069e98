use pid_flows::Code;
use pid_flows::users::UserInput;

use crate::api::dto::{GroupDto, UserDto};
use crate::api::users::GroupIds;
use crate::openapi::{Access, Columns, Operation};

fn op(id: &'static str, summary: &'static str) -> Operation {
    Operation::new("Users", id, summary).path("id", "The user's id.")
}

const REFUSED: &[Code] = &[Code::AlreadyInUse, Code::LastAdmin];

pub fn list() -> Operation {
    op("listUsers", "List users").access(Access::ManagerOrAuditor).lists::<UserDto>(Columns {
        search: "email, first name, last name or username",
        sort: &[
            "createdAt",
            "username",
            "email",
            "emailVerified",
            "firstName",
            "lastName",
            "displayName",
            "isAdmin",
            "disabled",
        ],
        filters: &["emailVerified", "isAdmin", "disabled"],
    })
}

pub fn create() -> Operation {
    op("createUser", "Create a user")
        .access(Access::Manager)
        .about("Without groups the user gets the configured default groups; default claims always apply.")
        .takes::<UserInput>()
        .answers::<UserDto>(201)
        .versioned()
        .refuses(&[Code::AlreadyInUse, Code::ReservedClaim, Code::DuplicateClaim])
}

pub fn get() -> Operation {
    op("getUser", "Get a user")
        .access(Access::ManagerOrAuditor)
        .answers::<UserDto>(200)
        .versioned()
        .refuses(&[Code::UserNotFound])
}

pub fn replace() -> Operation {
    op("replaceUser", "Replace a user")
        .access(Access::Manager)
        .about("Sets everything: what is absent becomes empty or false. For single members use PATCH.")
        .takes::<UserInput>()
        .answers::<UserDto>(200)
        .guarded()
        .refuses(REFUSED)
        .refuses(&[Code::UserNotFound])
        .refuses(&[Code::Declared])
}

pub fn patch() -> Operation {
    op("updateUser", "Change parts of a user")
        .access(Access::Manager)
        .patches::<UserInput>()
        .answers::<UserDto>(200)
        .guarded()
        .refuses(REFUSED)
        .refuses(&[Code::UserNotFound])
        .refuses(&[Code::Declared])
}

pub fn delete() -> Operation {
    op("deleteUser", "Delete a user")
        .access(Access::Manager)
        .about("Ends the user's sessions, grants, passkeys and API keys. Entries of the audit log stay.")
        .nothing(204)
        .conditional()
        .refuses(&[Code::UserNotFound, Code::LastAdmin, Code::LdapUserUpdate])
        .refuses(&[Code::Declared])
}

pub fn groups() -> Operation {
    op("listGroupsOfUser", "List a user's groups")
        .access(Access::ManagerOrAuditor)
        .answers::<Vec<GroupDto>>(200)
        .refuses(&[Code::UserNotFound])
}

pub fn set_groups() -> Operation {
    op("setGroupsOfUser", "Set a user's groups")
        .access(Access::Manager)
        .about("Replaces all memberships. Unknown ids are passed over.")
        .takes::<GroupIds>()
        .answers::<UserDto>(200)
        .guarded()
        .refuses(&[Code::UserNotFound])
        .refuses(&[Code::Declared])
}

pub fn me() -> Operation {
    op("getMe", "Get the caller's own account").access(Access::User).answers::<UserDto>(200).versioned()
}

pub fn replace_me() -> Operation {
    op("replaceMe", "Replace the caller's own account")
        .about("Rights, groups and the state of the address are passed over. Only the locale is stored where people may not edit their accounts.")
        .access(Access::User)
        .takes::<UserInput>()
        .answers::<UserDto>(200)
        .guarded()
        .refuses(&[Code::AlreadyInUse])
}

pub fn patch_me() -> Operation {
    op("updateMe", "Change parts of the caller's own account")
        .access(Access::User)
        .patches::<UserInput>()
        .answers::<UserDto>(200)
        .guarded()
        .refuses(&[Code::AlreadyInUse])
}
