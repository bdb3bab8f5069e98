use pid_flows::Code;
use pid_flows::apis::{AccessInput, ApiInput};

use super::oidc_clients::FLAGS;
use crate::api::apis::{AccessClientDto, ApiDto, CimdAccess, Permissions, ReachDto};
use crate::openapi::{Access, Columns, Operation};

fn op(id: &'static str, summary: &'static str) -> Operation {
    Operation::new("APIs", id, summary).path("id", "The API's id.").path("client", "The client's id.")
}

const APIS: Columns = Columns { search: "name or resource", sort: &["createdAt", "name", "resource"], filters: &[] };

const CLIENTS: Columns = Columns {
    search: "the client's name",
    sort: &[
        "createdAt",
        "name",
        "pkceEnabled",
        "requiresReauthentication",
        "requiresPushedAuthorizationRequests",
        "skipConsent",
        "isGroupRestricted",
        "pkceSupported",
        "clientType",
    ],
    filters: FLAGS,
};

pub fn list() -> Operation {
    op("listApis", "List APIs").access(Access::Auditor).lists::<ApiDto>(APIS)
}

pub fn create() -> Operation {
    op("createApi", "Create an API")
        .about("A resource server (RFC 8707) that tokens can be asked for.")
        .takes::<ApiInput>()
        .answers::<ApiDto>(201)
        .versioned()
        .refuses(&[Code::AlreadyInUse])
}

pub fn get() -> Operation {
    op("getApi", "Get an API").access(Access::Auditor).answers::<ApiDto>(200).versioned()
}

pub fn replace() -> Operation {
    op("replaceApi", "Replace an API").about("The resource stays.").takes::<ApiInput>().answers::<ApiDto>(200).guarded()
}

pub fn patch() -> Operation {
    op("updateApi", "Change parts of an API").patches::<ApiInput>().answers::<ApiDto>(200).guarded()
}

pub fn delete() -> Operation {
    op("deleteApi", "Delete an API").about("With its permissions and all grants of them.").nothing(204).conditional()
}

pub fn set_permissions() -> Operation {
    op("setPermissionsOfApi", "Set an API's permissions")
        .about("Replaces the whole set, matched by key: kept ones keep their grants.")
        .takes::<Permissions>()
        .answers::<ApiDto>(200)
        .guarded()
}

pub fn cimd_access() -> Operation {
    op("getCimdAccessOfApi", "Get what clients that are known by a metadata document may do with an API")
        .access(Access::Auditor)
        .about("The `ETag` is the API's.")
        .answers::<CimdAccess>(200)
        .versioned()
}

pub fn set_cimd_access() -> Operation {
    op("setCimdAccessOfApi", "Open an API to clients that are known by a metadata document")
        .takes::<CimdAccess>()
        .answers::<ApiDto>(200)
        .guarded()
}

pub fn clients() -> Operation {
    op("listClientsOfApi", "List the clients that may use an API").access(Access::Auditor).lists::<ReachDto>(CLIENTS)
}

pub fn assignable_clients() -> Operation {
    op("listAssignableClientsOfApi", "List the clients that may not use an API yet")
        .access(Access::Auditor)
        .lists::<AccessClientDto>(CLIENTS)
}

pub fn access() -> Operation {
    op("getAccessOfClient", "Get what a client may do with an API")
        .access(Access::Auditor)
        .about("What was granted to it; the `ETag` is the API's.")
        .answers::<AccessInput>(200)
        .versioned()
}

pub fn set_access() -> Operation {
    op("setAccessOfClient", "Set what a client may do with an API")
        .about("It is part of the API: `If-Match` names the API's version.")
        .takes::<AccessInput>()
        .answers::<AccessInput>(200)
        .guarded()
}

pub fn remove_access() -> Operation {
    op("removeAccessOfClient", "Take an API from a client")
        .about("`If-Match` names the API's version.")
        .nothing(204)
        .conditional()
}

pub fn of_client() -> Operation {
    op("listApisOfClient", "List the APIs that a client may use").access(Access::Auditor).answers::<Vec<ReachDto>>(200)
}

pub fn assignable() -> Operation {
    op("listAssignableApisOfClient", "List the APIs that a client may not use yet")
        .access(Access::Auditor)
        .lists::<ApiDto>(APIS)
}
