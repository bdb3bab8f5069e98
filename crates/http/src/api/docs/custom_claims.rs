use pid_core::claims::CustomClaim;
use pid_flows::Code;

use crate::api::custom_claims::ClaimBody;
use crate::openapi::{Access, Operation};

fn op(id: &'static str, summary: &'static str) -> Operation {
    Operation::new("Custom claims", id, summary)
}

pub fn suggestions() -> Operation {
    op("listCustomClaimSuggestions", "List claim names in use")
        .access(Access::ManagerOrAuditor)
        .about("The most used come first.")
        .answers::<Vec<String>>(200)
}

fn set(operation: Operation) -> Operation {
    operation
        .about("Replaces the whole set; an empty list clears it. Values that parse as JSON are released as that JSON.")
        .takes::<Vec<ClaimBody>>()
        .answers::<Vec<CustomClaim>>(200)
        .guarded()
        .refuses(&[Code::ReservedClaim, Code::DuplicateClaim])
}

pub fn set_of_user() -> Operation {
    set(op("setClaimsOfUser", "Set a user's custom claims").path("id", "The user's id."))
        .access(Access::Manager)
        .refuses(&[Code::UserNotFound])
        .refuses(&[Code::Declared])
}

pub fn set_of_group() -> Operation {
    set(op("setClaimsOfUserGroup", "Set a group's custom claims").path("id", "The group's id."))
        .access(Access::Manager)
        .refuses(&[Code::Declared])
}
