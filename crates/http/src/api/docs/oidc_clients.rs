use pid_flows::Code;
use pid_flows::client_input::ClientInput;

use super::PICTURES;
use crate::api::dto::ClientMetaDto;
use crate::api::oidc_clients::{ClientDto, ReplacedSecretDto, SecretBody, SecretDto};
use crate::api::users::GroupIds;
use crate::openapi::{Access, Columns, Operation};

fn op(id: &'static str, summary: &'static str) -> Operation {
    Operation::new("OIDC clients", id, summary)
        .path("id", "The client's id; one with other characters than letters, digits, `.`, `_` and `-` as `~` and its base64url form.")
        .path("secret", "The secret's id.")
}

/// What clients can be sorted and filtered by.
pub const FLAGS: &[&str] = &[
    "pkceEnabled",
    "requiresReauthentication",
    "requiresPushedAuthorizationRequests",
    "skipConsent",
    "isGroupRestricted",
    "pkceSupported",
    "clientType",
];

const REMOTE_LOGO: &[Code] = &[Code::LogoDownloadFailed, Code::LogoTypeNotSupported, Code::LogoTooLarge];

pub fn list() -> Operation {
    op("listClients", "List OIDC clients").access(Access::Auditor).lists::<ClientDto>(Columns {
        search: "the name",
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
            "allowedUserGroupsCount",
        ],
        filters: FLAGS,
    })
}

pub fn create() -> Operation {
    op("createClient", "Create an OIDC client")
        .about("A confidential client has no secret yet: create one at `/secrets`.")
        .takes::<ClientInput>()
        .answers::<ClientDto>(201)
        .versioned()
        .refuses(&[Code::ClientIdAlreadyExists])
        .refuses(REMOTE_LOGO)
}

pub fn get() -> Operation {
    op("getClient", "Get an OIDC client").access(Access::Auditor).answers::<ClientDto>(200).versioned()
}

pub fn replace() -> Operation {
    op("replaceClient", "Replace an OIDC client")
        .about("Sets every member of the contract: what is absent returns to its default. Members of this server alone stay when they are absent. Secrets and logos stay.")
        .takes::<ClientInput>()
        .answers::<ClientDto>(200)
        .guarded()
        .refuses(REMOTE_LOGO)
        .refuses(&[Code::Declared])
}

pub fn patch() -> Operation {
    op("updateClient", "Change parts of an OIDC client")
        .patches::<ClientInput>()
        .answers::<ClientDto>(200)
        .guarded()
        .refuses(REMOTE_LOGO)
        .refuses(&[Code::Declared])
}

pub fn delete() -> Operation {
    op("deleteClient", "Delete an OIDC client")
        .about("Ends its grants and tokens.")
        .nothing(204)
        .conditional()
        .refuses(&[Code::Declared])
}

pub fn meta() -> Operation {
    op("getClientMeta", "Get what everybody may know of a client").access(Access::Public).answers::<ClientMetaDto>(200)
}

pub fn refresh() -> Operation {
    op("refreshClient", "Fetch a client's metadata document anew")
        .about("For clients that are known by such a document.")
        .answers::<ClientDto>(200)
        .versioned()
        .refuses(&[Code::ValidationFailed])
}

pub fn set_groups() -> Operation {
    op("setAllowedGroupsOfClient", "Set a client's allowed groups")
        .about("Counts where the client is restricted to groups; a restricted client without any admits nobody.")
        .takes::<GroupIds>()
        .answers::<ClientDto>(200)
        .guarded()
        .refuses(&[Code::Declared])
}

pub fn secrets() -> Operation {
    op("listClientSecrets", "List a client's secrets")
        .access(Access::Auditor)
        .about("In the order in which they were made, expired ones too; never their values.")
        .answers::<Vec<SecretDto>>(200)
}

pub fn add_secret() -> Operation {
    op("createClientSecret", "Create a client secret")
        .about("The value is shown this once. Older secrets stay valid.")
        .may_take::<SecretBody>()
        .answers::<SecretDto>(201)
        .refuses(&[Code::Declared])
}

pub fn replace_secret() -> Operation {
    op("replaceClientSecret", "Replace all of a client's secrets")
        .about("As releases before 2.14 had it.")
        .may_take::<SecretBody>()
        .answers::<ReplacedSecretDto>(200)
        .refuses(&[Code::Declared])
}

pub fn delete_secret() -> Operation {
    op("deleteClientSecret", "Delete a client secret")
        .about("`If-Match` names the client's version.")
        .nothing(204)
        .conditional()
        .refuses(&[Code::Declared])
}

fn variant(operation: Operation) -> Operation {
    operation.query(
        "light",
        "Whether the logo for light backgrounds is meant; else that for dark ones.",
        &["true", "false"],
    )
}

pub fn logo() -> Operation {
    variant(op("getClientLogo", "Get a client's logo"))
        .access(Access::Public)
        .file(PICTURES)
        .cached()
        .refuses(&[Code::ImageNotFound])
}

pub fn set_logo() -> Operation {
    variant(op("setClientLogo", "Upload a client's logo")).uploads().nothing(204)
}

pub fn delete_logo() -> Operation {
    variant(op("deleteClientLogo", "Delete a client's logo")).nothing(204).conditional().refuses(&[Code::ImageNotFound])
}
