//! What clients may ask of APIs (RFC 8707, oidc.md §23), as the protocol's decisions see it.

use pid_core::apis::{Api, Permission};
use pid_oidc::resource::ApiView;
use pid_oidc::{Params, ScopeSet, scope};
use pid_store::ReadTx;
use pid_store::apis;
use pid_store::protocol::ProtocolClient;

use crate::Error;

/// Every API that a client reaches.
pub(crate) fn of_client(tx: &ReadTx<'_>, client: &ProtocolClient) -> Result<Vec<ApiView>, Error> {
    apis::of_client(tx, &client.id)?.iter().map(|api| view(tx, client, api)).collect()
}

/// One API as a client may use it; `None` if there is no such API.
pub(crate) fn by_name(tx: &ReadTx<'_>, client: &ProtocolClient, resource: &str) -> Result<Option<ApiView>, Error> {
    apis::by_resource(tx, resource)?.map(|api| view(tx, client, &api)).transpose()
}

fn view(tx: &ReadTx<'_>, client: &ProtocolClient, api: &Api) -> Result<ApiView, Error> {
    let access = apis::access(tx, &client.id, &api.id)?;
    let keys = |held: &dyn Fn(&Permission) -> bool| -> Vec<String> {
        api.permissions.iter().filter(|p| held(p)).map(|p| p.key.clone()).collect()
    };
    let by_document = api.allow_cimd_clients && client.client_type == "cimd";
    let for_users = (access.user_delegated || by_document)
        .then(|| keys(&|p| access.user_permissions.contains(&p.id) || (by_document && p.allowed_for_cimd_clients)));
    let for_client = access.client.then(|| keys(&|p| access.client_permissions.contains(&p.id)));
    Ok(ApiView { resource: api.resource.clone(), for_users, for_client })
}

/// Whether a request may be about an API, so that they need to be read.
pub(crate) fn is_concerned(params: &Params) -> bool {
    params.first("resource").is_some()
        || ScopeSet::parse(params.first("scope").unwrap_or_default())
            .is_ok_and(|scopes| scopes.iter().any(|s| !scope::IDENTITY.contains(&s)))
}
