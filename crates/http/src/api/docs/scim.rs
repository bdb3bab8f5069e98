use pid_flows::Code;
use pid_flows::scim::ScimInput;

use crate::api::scim::ScimProviderDto;
use crate::openapi::{Access, Operation};

fn op(id: &'static str, summary: &'static str) -> Operation {
    Operation::new("SCIM", id, summary).path("id", "The provider's id.")
}

pub fn of_client() -> Operation {
    Operation::new("SCIM", "getScimProviderOfClient", "Get a client's SCIM provider")
        .path("id", "The client's id.")
        .access(Access::Auditor)
        .answers::<ScimProviderDto>(200)
        .versioned()
        .refuses(&[Code::NotFound])
}

pub fn create() -> Operation {
    op("createScimProvider", "Create a SCIM provider")
        .about("A client has one at most. The people who may enter the client, and its groups, are written there from now on.")
        .takes::<ScimInput>()
        .answers::<ScimProviderDto>(201)
        .versioned()
        .refuses(&[Code::NotFound, Code::AlreadyInUse])
}

pub fn replace() -> Operation {
    op("replaceScimProvider", "Replace a SCIM provider")
        .about("An absent token is none. With another address the token has to be given again, and what was written to the old one is left there.")
        .takes::<ScimInput>()
        .answers::<ScimProviderDto>(200)
        .guarded()
        .refuses(&[Code::NotFound, Code::AlreadyInUse])
}

pub fn patch() -> Operation {
    op("patchScimProvider", "Change a SCIM provider")
        .patches::<ScimInput>()
        .answers::<ScimProviderDto>(200)
        .guarded()
        .refuses(&[Code::NotFound, Code::AlreadyInUse])
}

pub fn delete() -> Operation {
    op("deleteScimProvider", "Delete a SCIM provider")
        .about("What was written there is left there.")
        .nothing(204)
        .conditional()
        .refuses(&[Code::NotFound])
}

pub fn sync() -> Operation {
    op("syncScimProvider", "Provision at once")
        .about("Compares everything and answers when that is done. It goes on if nobody waits.")
        .query("anyway", "`true`: even if more than a fifth of the people or groups would leave.", &["true", "false"])
        .nothing(200)
        .refuses(&[
            Code::NotFound,
            Code::ScimSyncFailed,
            Code::ScimSyncIncomplete,
            Code::ScimSyncHeld,
            Code::ScimSyncRunning,
        ])
}
