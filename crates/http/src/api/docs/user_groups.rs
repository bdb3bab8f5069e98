use pid_flows::Code;
use pid_flows::groups::GroupInput;

use crate::api::dto::{GroupDto, GroupMinimalDto};
use crate::api::user_groups::{ClientIds, UserIds};
use crate::openapi::{Access, Columns, Operation};

fn op(id: &'static str, summary: &'static str) -> Operation {
    Operation::new("User groups", id, summary).path("id", "The group's id.")
}

pub fn list() -> Operation {
    op("listUserGroups", "List user groups").access(Access::ManagerOrAuditor).lists::<GroupMinimalDto>(Columns {
        search: "the name",
        sort: &["createdAt", "friendlyName", "name", "userCount"],
        filters: &[],
    })
}

pub fn get() -> Operation {
    op("getUserGroup", "Get a user group").access(Access::ManagerOrAuditor).answers::<GroupDto>(200).versioned()
}

pub fn create() -> Operation {
    op("createUserGroup", "Create a user group")
        .access(Access::Manager)
        .takes::<GroupInput>()
        .answers::<GroupDto>(201)
        .versioned()
        .refuses(&[Code::AlreadyInUse])
}

pub fn replace() -> Operation {
    op("replaceUserGroup", "Replace a user group")
        .access(Access::Manager)
        .takes::<GroupInput>()
        .answers::<GroupDto>(200)
        .guarded()
        .refuses(&[Code::AlreadyInUse, Code::LdapUserGroupUpdate])
        .refuses(&[Code::Declared])
}

pub fn patch() -> Operation {
    op("updateUserGroup", "Change parts of a user group")
        .access(Access::Manager)
        .patches::<GroupInput>()
        .answers::<GroupDto>(200)
        .guarded()
        .refuses(&[Code::AlreadyInUse, Code::LdapUserGroupUpdate])
        .refuses(&[Code::Declared])
}

pub fn delete() -> Operation {
    op("deleteUserGroup", "Delete a user group")
        .access(Access::Manager)
        .about("A client that is restricted to this group alone stays restricted, and admits nobody.")
        .nothing(204)
        .conditional()
        .refuses(&[Code::LdapUserGroupUpdate])
        .refuses(&[Code::Declared])
}

pub fn set_members() -> Operation {
    op("setMembersOfUserGroup", "Set a group's members")
        .access(Access::Manager)
        .about("Replaces all members. Unknown ids are passed over.")
        .takes::<UserIds>()
        .answers::<GroupDto>(200)
        .guarded()
        .refuses(&[Code::Declared])
}

pub fn set_clients() -> Operation {
    op("setClientsOfUserGroup", "Set the clients that list a group")
        .about("Replaces the set. It doesn't restrict a client that is open to everybody.")
        .takes::<ClientIds>()
        .answers::<GroupDto>(200)
        .guarded()
        .refuses(&[Code::Declared])
}
