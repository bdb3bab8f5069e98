use pid_flows::Code;
use pid_flows::preview::Preview;

use crate::api::authorized_clients::{AuthorizedClientDto, UsableClientDto};
use crate::openapi::{Access, Columns, Operation};

fn op(id: &'static str, summary: &'static str) -> Operation {
    Operation::new("Authorized clients", id, summary)
        .path("id", "The user's id, or the client's where the path begins with clients.")
        .path("client", "The client's id.")
        .path("user", "The user's id.")
}

const AUTHORIZED: Columns = Columns { search: "", sort: &["lastUsedAt"], filters: &["hasLaunchURL"] };

pub fn usable() -> Operation {
    op("listMyClients", "List the clients that the caller may use").access(Access::User).lists::<UsableClientDto>(
        Columns {
            search: "",
            sort: &["createdAt", "name", "lastUsedAt", "clientType"],
            filters: &["hasLaunchURL", "requiresReauthentication", "clientType"],
        },
    )
}

pub fn own() -> Operation {
    op("listOwnAuthorizedClients", "List the clients that the caller has authorized")
        .access(Access::User)
        .lists::<AuthorizedClientDto>(AUTHORIZED)
}

pub fn of() -> Operation {
    op("listAuthorizedClientsOfUser", "List the clients that a user has authorized")
        .access(Access::ManagerOrAuditor)
        .lists::<AuthorizedClientDto>(AUTHORIZED)
        .refuses(&[Code::UserNotFound])
}

pub fn withdraw() -> Operation {
    op("withdrawAuthorization", "Withdraw the caller's consent from a client")
        .about("Ends the client's grants and tokens for the caller.")
        .access(Access::User)
        .nothing(204)
}

pub fn preview_claims() -> Operation {
    op("previewClaims", "Preview what a client would be told about a user")
        .access(Access::Auditor)
        .needs_query("scopes", "Scopes, separated by spaces.")
        .answers::<Preview>(200)
        .refuses(&[Code::UserNotFound, Code::OidcAccessDenied])
}
