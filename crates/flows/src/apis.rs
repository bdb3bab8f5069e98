//! APIs, their permissions, and clients' access to them (api.md §17).

use std::collections::BTreeSet;

use pid_core::apis::{Api, ApiAccess, Permission, is_reserved_scope, is_scope_token};
use pid_core::audit::Event;
use pid_core::clients::Client;
use pid_core::list::{ListRequest, Page};
use pid_core::validate::nfc;
use pid_core::{ApiId, ClientId, Ctx, FieldCode, Fields, PermissionId};
use pid_store::apis::{self, AccessClient};
use pid_store::{ReadTx, StoreError, WriteTx, clients, settings};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Error;
use crate::access::Admin;
use crate::audit::Note;
use crate::change::{Change, check_version};
use crate::client_input::SIGNING_ALGS;
use crate::env::NamedScopes;
use crate::keys::{self, KeySealer};
use crate::roles::ReadsAll;

/// What an administrator says of an API.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(extend("required" = ["name"]))]
pub struct ApiInput {
    /// 1–50 characters.
    pub name: String,
    /// On creation only.
    #[serde(skip_serializing)]
    pub resource: String,
    /// `RS256`, `ES256` or `EdDSA`: signs access tokens for it. Absent: as before; empty: as the client's tokens.
    #[serde(skip_serializing)]
    pub access_token_signing_alg: Option<String>,
    /// The client as which the API itself may introspect tokens for it. Absent: as before; empty: none.
    #[serde(skip_serializing)]
    pub resource_server_client_id: Option<String>,
}

/// A permission as it is sent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(extend("required" = ["key", "name"]))]
pub struct PermissionInput {
    /// A scope token of 1–128 characters.
    pub key: String,
    /// 1–50 characters.
    pub name: String,
    /// At most 200 characters.
    pub description: Option<String>,
}

/// A client's access as it is sent. Any permission implies access of its kind.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(rename = "ApiAccessGrant")]
pub struct AccessInput {
    /// For people.
    pub user_delegated_access: bool,
    /// For the client itself.
    pub client_access: bool,
    /// Permissions for people; unknown ids are passed over.
    pub user_delegated_permission_ids: Vec<String>,
    /// Permissions for the client itself; unknown ids are passed over.
    pub client_permission_ids: Vec<String>,
}

/// A client's access to an API, explicit and by the API's openness to metadata documents.
#[derive(Clone, Debug)]
pub struct Reach {
    /// What was granted.
    pub access: ApiAccess,
    /// Whether the API is open to this client because it is known by a metadata document.
    pub cimd: bool,
    /// The permissions that come with that.
    pub cimd_permissions: Vec<PermissionId>,
}

fn find(tx: &ReadTx<'_>, id: &ApiId) -> Result<Api, Error> {
    apis::by_id(tx, id)?.ok_or_else(|| Error::not_found("API"))
}

fn find_client(tx: &ReadTx<'_>, id: &ClientId) -> Result<Client, Error> {
    clients::by_id(tx, id)?.ok_or_else(|| Error::not_found("OIDC client"))
}

fn record(
    tx: &WriteTx<'_>,
    ctx: &Ctx,
    admin: &Admin,
    event: Event,
    api: &Api,
    changed: impl FnOnce(Note) -> Note,
) -> Result<(), Error> {
    let note = Note::about(&[("api", &api.name), ("apiID", api.id.as_str()), ("resource", &api.resource)]);
    changed(note).record(tx, ctx, &ctx.entropy(), event, None, Some(&admin.user().id))
}

/// What the audit log tells of an API, by the names of the REST API.
fn audited(api: &Api) -> serde_json::Value {
    let in_words = |p: &Permission| match &p.description {
        Some(description) => format!("{} ({}: {description})", p.key, p.name),
        None => format!("{} ({})", p.key, p.name),
    };
    let for_cimd = api.permissions.iter().filter(|p| p.allowed_for_cimd_clients);
    serde_json::json!({
        "name": api.name,
        "accessTokenSigningAlg": api.signing_alg,
        "resourceServerClientId": api.resource_server.as_ref().map(ClientId::as_str),
        "permissions": api.permissions.iter().map(in_words).collect::<Vec<_>>(),
        "allowCimdClients": api.allow_cimd_clients,
        "cimdPermissions": for_cimd.map(|p| &p.key).collect::<Vec<_>>(),
    })
}

/// Writes down how an API differs from what it was.
fn record_change(tx: &WriteTx<'_>, ctx: &Ctx, admin: &Admin, before: &Api) -> Result<Api, Error> {
    let after = find(tx, &before.id)?;
    record(tx, ctx, admin, Event::ApiUpdated, &after, |note| note.changes(&audited(before), &audited(&after)))?;
    Ok(after)
}

/// The resource indicator as it is stored and compared: without trailing slashes.
#[must_use]
pub fn normal_resource(text: &str) -> String {
    nfc(text).trim_end_matches('/').to_owned()
}

fn check_resource(fields: &mut Fields, resource: &str, issuer: &str) {
    let scheme = resource.split_once(':').map(|(scheme, _)| scheme.to_ascii_lowercase()).unwrap_or_default();
    let has_scheme = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b));
    let after = resource.len() > scheme.len() + 1;
    fields.length("resource", resource, 1, 350);
    if !(has_scheme && after) || url::Url::parse(resource).is_err() {
        fields.refuse(
            "resource",
            FieldCode::InvalidFormat,
            "must be an absolute URI, for example https://api.example.com",
        );
    }
    if resource.contains('#') || resource.chars().any(char::is_whitespace) {
        fields.refuse("resource", FieldCode::InvalidFormat, "must not have a fragment or white space");
    }
    if matches!(scheme.as_str(), "javascript" | "data") {
        fields.refuse("resource", FieldCode::InvalidFormat, "must not use this scheme");
    }
    if normal_resource(resource).eq_ignore_ascii_case(issuer) {
        fields.refuse("resource", FieldCode::Reserved, "must not be the address of this server");
    }
}

/// Takes over how the API reads tokens.
fn decide_reading(tx: &ReadTx<'_>, api: &mut Api, input: &ApiInput, fields: &mut Fields) -> Result<(), Error> {
    if let Some(alg) = &input.access_token_signing_alg {
        if !alg.is_empty() && !SIGNING_ALGS.iter().any(|known| known.as_str() == alg) {
            fields.refuse("accessTokenSigningAlg", FieldCode::Oneof, "must be RS256, ES256 or EdDSA");
        }
        api.signing_alg = Some(alg.clone()).filter(|alg| !alg.is_empty());
    }
    if let Some(id) = &input.resource_server_client_id {
        let client = Some(ClientId::new(id.as_str())).filter(|_| !id.is_empty());
        let known = client.as_ref().map(|id| clients::by_id(tx, id)).transpose()?.flatten();
        if client.is_some() && known.is_none_or(|client| client.is_public) {
            let why = "must be the ID of a client that can prove itself, or empty";
            fields.refuse("resourceServerClientId", FieldCode::InvalidValue, why);
        }
        api.resource_server = client;
    }
    Ok(())
}

/// A page of APIs.
pub fn list(tx: &ReadTx<'_>, _: &ReadsAll, request: &ListRequest) -> Result<Page<Api>, Error> {
    Ok(apis::list(tx, request)?)
}

/// An API by id.
pub fn get(tx: &ReadTx<'_>, _: &ReadsAll, id: &ApiId) -> Result<Api, Error> {
    find(tx, id)
}

/// Creates an API, without permissions yet.
pub fn create(
    tx: &WriteTx<'_>,
    ctx: &Ctx,
    issuer: &str,
    sealer: &KeySealer,
    admin: &Admin,
    input: &ApiInput,
) -> Result<Api, Error> {
    let mut fields = Fields::new();
    let name = nfc(&input.name);
    fields.length("name", &name, 1, 50);
    check_resource(&mut fields, &input.resource, issuer);
    let mut api = Api {
        id: ApiId::generate(&ctx.entropy()),
        name,
        resource: normal_resource(&input.resource),
        allow_cimd_clients: false,
        signing_alg: None,
        resource_server: None,
        permissions: Vec::new(),
        created_at: ctx.now,
        version: 1,
    };
    decide_reading(tx, &mut api, input, &mut fields)?;
    fields.finish()?;
    apis::insert(tx, &api).map_err(|e| match e {
        StoreError::UniqueViolation { .. } => Error::already_in_use("resource"),
        other => other.into(),
    })?;
    keys::ensure(tx, ctx, sealer, admin, api.signing_alg.as_deref())?;
    let nothing = serde_json::json!({ "permissions": [], "cimdPermissions": [], "allowCimdClients": false });
    record(tx, ctx, admin, Event::ApiCreated, &api, |note| note.changes(&nothing, &audited(&api)))?;
    Ok(api)
}

/// Changes an API; its resource never changes.
pub fn update(
    tx: &WriteTx<'_>,
    ctx: &Ctx,
    sealer: &KeySealer,
    admin: &Admin,
    id: &ApiId,
    change: &Change<ApiInput>,
    if_match: Option<i64>,
) -> Result<Api, Error> {
    let mut api = find(tx, id)?;
    check_version(if_match, api.version)?;
    let before = api.clone();
    let input = change.apply(&ApiInput { name: api.name.clone(), ..ApiInput::default() })?;
    let mut fields = Fields::new();
    fields.length("name", &input.name, 1, 50);
    decide_reading(tx, &mut api, &input, &mut fields)?;
    fields.finish()?;
    api.name = nfc(&input.name);
    apis::update(tx, &api, ctx.now)?;
    keys::ensure(tx, ctx, sealer, admin, api.signing_alg.as_deref())?;
    record_change(tx, ctx, admin, &before)
}

/// Deletes an API with its permissions and all access to it.
pub fn delete(tx: &WriteTx<'_>, ctx: &Ctx, admin: &Admin, id: &ApiId, if_match: Option<i64>) -> Result<(), Error> {
    let api = find(tx, id)?;
    check_version(if_match, api.version)?;
    apis::delete(tx, id)?;
    record(tx, ctx, admin, Event::ApiDeleted, &api, |note| note)
}

/// Replaces the permissions, matched by key: those that stay keep their ids and grants.
pub fn set_permissions(
    tx: &WriteTx<'_>,
    ctx: &Ctx,
    admin: &Admin,
    id: &ApiId,
    wanted: &[PermissionInput],
    if_match: Option<i64>,
) -> Result<Api, Error> {
    let api = find(tx, id)?;
    check_version(if_match, api.version)?;
    let taken = NamedScopes::parse(settings::load(tx)?.get("namedScopes")).unwrap_or_default();
    check_permissions(wanted, taken.names())?;
    // First, so that of two at once the second waits here and then sees the first.
    apis::update(tx, &api, ctx.now)?;
    for gone in api.permissions.iter().filter(|p| !wanted.iter().any(|w| nfc(&w.key) == p.key)) {
        apis::delete_permission(tx, id, &gone.id)?;
    }
    let entropy = ctx.entropy();
    for (place, input) in (0_i64..).zip(wanted) {
        let key = nfc(&input.key);
        let (name, description) = (nfc(&input.name), input.description.as_deref().map(nfc));
        match api.permissions.iter().find(|p| p.key == key) {
            Some(known) => {
                apis::update_permission(tx, &Permission { name, description, ..known.clone() }, place)?;
            }
            None => {
                let id_of_new = PermissionId::generate(&entropy);
                let new = Permission { id: id_of_new, key, name, description, allowed_for_cimd_clients: false };
                apis::insert_permission(tx, id, &new, place)?;
            }
        }
    }
    record_change(tx, ctx, admin, &api)
}

/// `taken` are the named scopes: a permission of such a name would be had by whoever asks for the scope.
fn check_permissions(wanted: &[PermissionInput], taken: &[String]) -> Result<(), Error> {
    let mut fields = Fields::new();
    if wanted.len() > 100 {
        fields.refuse("permissions", FieldCode::TooLong, "must have at most 100 entries");
    }
    let mut seen = BTreeSet::new();
    for (i, p) in wanted.iter().enumerate() {
        let at = |member: &str| format!("permissions[{i}].{member}");
        let key = nfc(&p.key);
        fields.length(&at("key"), &key, 1, 128);
        if !is_scope_token(&key) {
            let text = "must be a scope: printable ASCII without spaces, quotes and backslashes";
            fields.refuse(at("key"), FieldCode::InvalidFormat, text);
        }
        if is_reserved_scope(&key) {
            fields.refuse(at("key"), FieldCode::Reserved, "belongs to OpenID Connect");
        } else if taken.contains(&key) {
            fields.refuse(at("key"), FieldCode::Reserved, "is a scope of the configuration");
        }
        if !seen.insert(key) {
            fields.refuse(at("key"), FieldCode::Duplicate, "is given twice");
        }
        fields.length(&at("name"), &nfc(&p.name), 1, 50);
        fields.length(&at("description"), p.description.as_deref().unwrap_or_default(), 0, 200);
    }
    Ok(fields.finish()?)
}

/// Opens or closes an API to clients known by a metadata document, with the permissions they get.
pub fn set_cimd_access(
    tx: &WriteTx<'_>,
    ctx: &Ctx,
    admin: &Admin,
    id: &ApiId,
    enabled: bool,
    permission_ids: &[String],
    if_match: Option<i64>,
) -> Result<Api, Error> {
    let before = find(tx, id)?;
    check_version(if_match, before.version)?;
    let mut api = before.clone();
    let mut fields = Fields::new();
    for (i, _) in permission_ids.iter().enumerate().filter(|(_, id)| id.is_empty()) {
        fields.refuse(format!("permissionIds[{i}]"), FieldCode::Required, "must not be empty");
    }
    fields.finish()?;
    api.allow_cimd_clients = enabled;
    for (place, permission) in (0_i64..).zip(&api.permissions) {
        let allowed = permission_ids.iter().any(|id| id == permission.id.as_str());
        apis::update_permission(tx, &Permission { allowed_for_cimd_clients: allowed, ..permission.clone() }, place)?;
    }
    apis::update(tx, &api, ctx.now)?;
    record_change(tx, ctx, admin, &before)
}

fn reach(tx: &ReadTx<'_>, api: &Api, client: &ClientId, client_type: &str) -> Result<Reach, Error> {
    let cimd = api.allow_cimd_clients && client_type == "cimd";
    let opened = |p: &&Permission| cimd && p.allowed_for_cimd_clients;
    Ok(Reach {
        access: apis::access(tx, client, &api.id)?,
        cimd,
        cimd_permissions: api.permissions.iter().filter(opened).map(|p| p.id.clone()).collect(),
    })
}

/// An API, and what a client reaches of it.
pub fn reach_of(tx: &ReadTx<'_>, _: &ReadsAll, id: &ApiId, client: &ClientId) -> Result<(Api, Reach), Error> {
    let (api, client) = (find(tx, id)?, find_client(tx, client)?);
    let reach = reach(tx, &api, &client.id, client.client_type.as_str())?;
    Ok((api, reach))
}

/// A page of the clients that reach an API.
pub fn clients(
    tx: &ReadTx<'_>,
    _: &ReadsAll,
    id: &ApiId,
    request: &ListRequest,
) -> Result<Page<(AccessClient, Reach)>, Error> {
    let api = find(tx, id)?;
    let page = apis::clients(tx, id, request)?;
    let (total, number, limit) = (page.total, page.page, page.limit);
    let with_reach = |c: AccessClient| {
        let reach = reach(tx, &api, &c.id, &c.client_type)?;
        Ok((c, reach))
    };
    let items = page.items.into_iter().map(with_reach).collect::<Result<_, Error>>()?;
    Ok(Page { items, total, page: number, limit })
}

/// A page of the clients that could be given access to an API.
pub fn assignable_clients(
    tx: &ReadTx<'_>,
    _: &ReadsAll,
    id: &ApiId,
    request: &ListRequest,
) -> Result<Page<AccessClient>, Error> {
    find(tx, id)?;
    Ok(apis::assignable_clients(tx, id, request)?)
}

/// The APIs that a client reaches, by name.
pub fn of_client(tx: &ReadTx<'_>, _: &ReadsAll, client: &ClientId) -> Result<Vec<(Api, Reach)>, Error> {
    let client = find_client(tx, client)?;
    let with_reach = |api: Api| {
        let reach = reach(tx, &api, &client.id, client.client_type.as_str())?;
        Ok((api, reach))
    };
    apis::of_client(tx, &client.id)?.into_iter().map(with_reach).collect()
}

/// A page of the APIs that a client could be given access to.
pub fn assignable(tx: &ReadTx<'_>, _: &ReadsAll, client: &ClientId, request: &ListRequest) -> Result<Page<Api>, Error> {
    find_client(tx, client)?;
    Ok(apis::assignable(tx, client, request)?)
}

/// Replaces a client's access to an API, which is part of the API. Gives what was stored, and the API's new version.
pub fn set_access(
    tx: &WriteTx<'_>,
    ctx: &Ctx,
    admin: &Admin,
    api: &ApiId,
    client: &ClientId,
    input: &AccessInput,
    if_match: Option<i64>,
) -> Result<(ApiAccess, i64), Error> {
    let (api, client) = (find(tx, api)?, find_client(tx, client)?);
    check_version(if_match, api.version)?;
    let known = |wanted: &[String]| -> Vec<PermissionId> {
        let of = |p: &&Permission| wanted.iter().any(|id| id == p.id.as_str());
        api.permissions.iter().filter(of).map(|p| p.id.clone()).collect()
    };
    let user_permissions = known(&input.user_delegated_permission_ids);
    // A client without a secret can't speak for itself.
    let client_permissions = if client.is_public { Vec::new() } else { known(&input.client_permission_ids) };
    let access = ApiAccess {
        user_delegated: input.user_delegated_access || !user_permissions.is_empty(),
        client: !client.is_public && (input.client_access || !client_permissions.is_empty()),
        client_id: client.id.clone(),
        api_id: api.id.clone(),
        user_permissions,
        client_permissions,
    };
    change_access(tx, ctx, admin, &api, &client, &access)?;
    Ok((access, api.version + 1))
}

/// Takes a client's access to an API away.
pub fn remove_access(
    tx: &WriteTx<'_>,
    ctx: &Ctx,
    admin: &Admin,
    api: &ApiId,
    client: &ClientId,
    if_match: Option<i64>,
) -> Result<(), Error> {
    let (api, client) = (find(tx, api)?, find_client(tx, client)?);
    check_version(if_match, api.version)?;
    change_access(tx, ctx, admin, &api, &client, &ApiAccess::none(client.id.clone(), api.id.clone()))
}

fn change_access(
    tx: &WriteTx<'_>,
    ctx: &Ctx,
    admin: &Admin,
    api: &Api,
    client: &Client,
    access: &ApiAccess,
) -> Result<(), Error> {
    // First, so that of two at once the second waits here and then sees the first.
    apis::touch(tx, &api.id, ctx.now)?;
    let before = apis::access(tx, &client.id, &api.id)?;
    apis::set_access(tx, access)?;
    let keys = |ids: &[PermissionId]| -> Vec<&str> {
        api.permissions.iter().filter(|p| ids.contains(&p.id)).map(|p| p.key.as_str()).collect()
    };
    let audited = |access: &ApiAccess| {
        serde_json::json!({
            "userDelegatedAccess": access.user_delegated,
            "userDelegatedPermissions": keys(&access.user_permissions),
            "clientAccess": access.client,
            "clientPermissions": keys(&access.client_permissions),
        })
    };
    record(tx, ctx, admin, Event::ApiAccessChanged, api, |note| {
        let note = note.with("clientName", &client.name).with("clientID", client.id.as_str());
        note.changes(&audited(&before), &audited(access))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Code;

    #[test]
    fn resources_are_absolute_uris_of_others() {
        let check = |text: &str| {
            let mut fields = Fields::new();
            check_resource(&mut fields, text, "https://id.example.com");
            fields.finish().err().map(|e| e[0].code)
        };
        for good in ["https://api.example.com", "urn:orders", "https://id.example.com/api", "app://x/"] {
            assert_eq!(check(good), None, "{good}");
        }
        for (bad, code) in [
            ("", FieldCode::Required),
            ("/relative", FieldCode::InvalidFormat),
            ("https://a.example/#", FieldCode::InvalidFormat),
            ("https://a.example/ b", FieldCode::InvalidFormat),
            ("javascript:alert(1)", FieldCode::InvalidFormat),
            ("https://ID.example.com///", FieldCode::Reserved),
        ] {
            assert_eq!(check(bad), Some(code), "{bad}");
        }
        let long = format!("https://a.example/{}", "x".repeat(350));
        assert_eq!(check(&long), Some(FieldCode::TooLong));
    }

    #[test]
    fn keys_are_scopes_once_each() {
        let p = |key: &str| PermissionInput { key: key.into(), name: "N".into(), description: None };
        let error = check_permissions(&[p("read:orders"), p("a b"), p("OpenID"), p("read:orders")], &[]).unwrap_err();
        let codes: Vec<_> = error.fields.iter().map(|f| (f.field.as_str(), f.code)).collect();
        assert_eq!(
            codes,
            [
                ("permissions[1].key", FieldCode::InvalidFormat),
                ("permissions[2].key", FieldCode::Reserved),
                ("permissions[3].key", FieldCode::Duplicate)
            ]
        );
        assert_eq!(error.code, Code::ValidationFailed);
    }
}
