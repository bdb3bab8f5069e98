//! OAuth clients (api.md §16).

use pid_core::audit::Event;
use pid_core::clients::{AuthMethod, Client, ClientSecret};
use pid_core::forward_auth::ForwardAuth;
use pid_core::groups::Group;
use pid_core::list::{ListRequest, Page};
use pid_core::{ClientId, Ctx, GroupId};
use pid_store::files;
use pid_store::{ReadTx, StoreError, WriteTx, clients, groups};
use serde_json::Value;

use crate::access::Admin;
use crate::audit::Note;
use crate::change::{Change, check_version};
use crate::client_input::{self, ClientInput, blank};
use crate::declared::{self, Kind, Part};
use crate::keys::{self, KeySealer};
use crate::roles::ReadsAll;
use crate::{Code, Error, client_logos, forward_auth, sign_out};

/// A client with its secrets and allowed groups.
#[derive(Clone, Debug)]
pub struct ClientDetails {
    /// The client.
    pub client: Client,
    /// Its secrets.
    pub secrets: Vec<ClientSecret>,
    /// Its allowed groups.
    pub groups: Vec<Group>,
    /// How it is protected, for a client of the type `proxy`; the groups of its rules by name.
    pub forward_auth: Option<ForwardAuth>,
}

pub(crate) fn find(tx: &ReadTx<'_>, id: &ClientId) -> Result<Client, Error> {
    clients::by_id(tx, id)?.ok_or_else(|| Error::not_found("OIDC client"))
}

fn details(tx: &ReadTx<'_>, client: Client) -> Result<ClientDetails, Error> {
    Ok(ClientDetails {
        secrets: clients::secrets(tx, &client.id)?,
        groups: groups::of_client(tx, &client.id)?,
        forward_auth: forward_auth::of(tx, &client.id)?,
        client,
    })
}

pub(crate) fn record(
    tx: &WriteTx<'_>,
    ctx: &Ctx,
    admin: &Admin,
    event: Event,
    client: &Client,
    changed: impl FnOnce(Note) -> Note,
) -> Result<(), Error> {
    let note = Note::about(&[("clientName", client.name.as_str()), ("clientID", client.id.as_str())]);
    // A stream of its own: the entry's id can be read, and a secret may have been drawn from the other.
    changed(note).record(tx, ctx, &ctx.stream("audit"), event, None, Some(&admin.user().id))
}

/// What the audit log tells of a client, by the names of the API.
pub(crate) fn audited(client: &Client) -> serde_json::Value {
    let c = client;
    serde_json::json!({
        "name": c.name,
        "description": c.description,
        "callbackURLs": c.callback_urls,
        "logoutCallbackURLs": c.logout_callback_urls,
        "launchURL": c.launch_url,
        "isPublic": c.is_public,
        "pkceEnabled": c.pkce_enabled,
        "requiresReauthentication": c.requires_reauthentication,
        "requiresPushedAuthorizationRequests": c.requires_pushed_authorization_requests,
        "skipConsent": c.skip_consent,
        "isGroupRestricted": c.is_group_restricted,
        "idTokenSignedResponseAlg": c.signing_alg,
        "accessTokenDurationMinutes": c.access_token_minutes,
        "refreshTokenDurationMinutes": c.refresh_token_minutes,
        "idTokenDurationMinutes": c.id_token_minutes,
        "claimMapping": c.claim_mapping,
        "federatedIdentities": c.federated_identities,
        "tokenEndpointAuthMethod": c.auth_method.map(AuthMethod::as_str),
        "jwks": c.jwks,
        "jwksUri": c.jwks_uri,
        "dpopBoundAccessTokens": c.dpop_bound_access_tokens,
        "backchannelLogoutURL": c.backchannel_logout_url,
        "backchannelLogoutSessionRequired": c.backchannel_logout_session_required,
    })
}

fn names(groups: &[Group]) -> Vec<&str> {
    groups.iter().map(|group| group.name.as_str()).collect()
}

/// A page of clients with their numbers of allowed groups.
pub fn list(
    tx: &ReadTx<'_>,
    _: &ReadsAll,
    request: &ListRequest,
) -> Result<Page<(Client, Vec<ClientSecret>, i64)>, Error> {
    let page = clients::list(tx, request)?;
    let (total, number, limit) = (page.total, page.page, page.limit);
    let items: Result<Vec<_>, Error> =
        page.items.into_iter().map(|(c, n)| Ok((c.clone(), clients::secrets(tx, &c.id)?, n))).collect();
    Ok(Page { items: items?, total, page: number, limit })
}

/// A client by id.
pub fn get(tx: &ReadTx<'_>, _: &ReadsAll, id: &ClientId) -> Result<ClientDetails, Error> {
    details(tx, find(tx, id)?)
}

/// What everybody may know of a client.
pub fn meta(tx: &ReadTx<'_>, id: &ClientId) -> Result<Client, Error> {
    find(tx, id)
}

/// Creates a client. A confidential one has no secret yet.
pub fn create(
    tx: &WriteTx<'_>,
    ctx: &Ctx,
    sealer: &KeySealer,
    admin: &Admin,
    input: &ClientInput,
) -> Result<ClientDetails, Error> {
    client_input::check(input)?;
    let entropy = ctx.entropy();
    let id = if input.id.is_empty() { ClientId::generate(&entropy) } else { ClientId::new(input.id.as_str()) };
    let client_type = client_input::created_as(input)?;
    let mut client = client_input::merged(blank(id, client_type, ctx.now), input);
    let protection = forward_auth::apply(tx, &mut client, input.forward_auth.as_ref())?;
    let by = Some(&admin.user().id).filter(|_| !tx.declares());
    clients::insert(tx, &client, by).map_err(|e| match e {
        StoreError::UniqueViolation { .. } => Error::new(Code::ClientIdAlreadyExists),
        other => other.into(),
    })?;
    forward_auth::store(tx, &client.id, protection.as_ref())?;
    keys::ensure(tx, ctx, sealer, admin, client.signing_alg.as_deref())?;
    let nothing = audited(&blank(client.id.clone(), client_type, ctx.now));
    let details = details(tx, client)?;
    let made = forward_auth::audited(audited(&details.client), details.forward_auth.as_ref());
    record(tx, ctx, admin, Event::ClientCreated, &details.client, |note| note.changes(&nothing, &made))?;
    Ok(details)
}

/// Changes a client. Lifting the group restriction clears the allowed groups. Secrets and logos stay.
pub fn update(
    tx: &WriteTx<'_>,
    ctx: &Ctx,
    sealer: &KeySealer,
    admin: &Admin,
    id: &ClientId,
    change: &Change<ClientInput>,
    if_match: Option<i64>,
) -> Result<ClientDetails, Error> {
    let current = find(tx, id)?;
    check_version(if_match, current.version)?;
    declared::check(tx, Kind::Client, id.as_str(), Part::Fields)?;
    let known = forward_auth::of(tx, id)?;
    let mut input = change.apply(&ClientInput { forward_auth: known.clone(), ..client_input::input_of(&current) })?;
    input.id = String::new();
    client_input::check(&input)?;
    let before = current.longest_signed_minutes();
    let seen = forward_auth::audited(audited(&current), known.as_ref());
    let mut next = client_input::merged(current, &input);
    let protection = forward_auth::apply(tx, &mut next, input.forward_auth.as_ref())?;
    if next.longest_signed_minutes() < before {
        keys::remember_lifetime(tx, before, ctx.now)?;
    }
    clients::update(tx, &next, ctx.now)?;
    forward_auth::store(tx, id, protection.as_ref())?;
    keys::ensure(tx, ctx, sealer, admin, next.signing_alg.as_deref())?;
    let allowed = groups::of_client(tx, id)?;
    if !next.is_group_restricted {
        groups::disallow_all(tx, id)?;
    }
    let ended = sign_out::lost_at_client(tx, ctx, id)?;
    let details = details(tx, find(tx, id)?)?;
    let now = forward_auth::audited(audited(&next), details.forward_auth.as_ref());
    record(tx, ctx, admin, Event::ClientUpdated, &next, |note| {
        note.changes(&seen, &now)
            .set("allowedUserGroups", &names(&allowed), &names(&details.groups))
            .count("endedAccess", ended)
    })?;
    Ok(details)
}

/// What a change would make of a client, as the audit log tells of it: before and after.
pub(crate) fn outcome(tx: &ReadTx<'_>, id: &ClientId, input: &ClientInput) -> Result<(Value, Value), Error> {
    let current = find(tx, id)?;
    let before = forward_auth::audited(audited(&current), forward_auth::of(tx, id)?.as_ref());
    let input = ClientInput { id: String::new(), ..input.clone() };
    client_input::check(&input)?;
    let mut next = client_input::merged(current, &input);
    let protection = forward_auth::apply(tx, &mut next, input.forward_auth.as_ref())?;
    let protection = protection.map(|settings| forward_auth::with_names(tx, settings)).transpose()?;
    Ok((before, forward_auth::audited(audited(&next), protection.as_ref())))
}

/// Deletes a client with its grants, consents and logos.
pub fn delete(tx: &WriteTx<'_>, ctx: &Ctx, admin: &Admin, id: &ClientId, if_match: Option<i64>) -> Result<(), Error> {
    let client = find(tx, id)?;
    check_version(if_match, client.version)?;
    declared::check(tx, Kind::Client, id.as_str(), Part::Fields)?;
    for dark in [false, true] {
        files::delete(tx, &client_logos::path(id, dark), ctx.now)?;
    }
    sign_out::client(tx, ctx, id)?;
    keys::remember_lifetime(tx, client.longest_signed_minutes(), ctx.now)?;
    clients::delete(tx, id)?;
    record(tx, ctx, admin, Event::ClientDeleted, &client, |note| note)
}

/// Replaces the allowed groups; unknown ids are passed over. Whether the client is restricted stays as it is.
pub fn set_groups(
    tx: &WriteTx<'_>,
    ctx: &Ctx,
    admin: &Admin,
    id: &ClientId,
    group_ids: &[String],
    if_match: Option<i64>,
) -> Result<ClientDetails, Error> {
    let client = find(tx, id)?;
    check_version(if_match, client.version)?;
    declared::check(tx, Kind::Client, id.as_str(), Part::Groups)?;
    let before = groups::of_client(tx, id)?;
    for group in before.iter().filter(|g| !group_ids.iter().any(|w| w == g.id.as_str())) {
        groups::set_allowed(tx, id, &group.id, false, ctx.now)?;
    }
    for group in group_ids {
        groups::set_allowed(tx, id, &GroupId::new(group.as_str()), true, ctx.now)?;
    }
    let ended = sign_out::lost_at_client(tx, ctx, id)?;
    let details = details(tx, find(tx, id)?)?;
    let changed = |note: Note| {
        note.set("allowedUserGroups", &names(&before), &names(&details.groups)).count("endedAccess", ended)
    };
    record(tx, ctx, admin, Event::ClientUpdated, &client, changed)?;
    Ok(details)
}
