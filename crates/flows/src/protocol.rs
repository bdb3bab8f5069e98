//! From stored rows to what the protocol's decisions look at.

use pid_core::ClientId;
use pid_core::clients::ClientType;
use pid_core::forward_auth::HAND_OVER_SECS;
use pid_core::sessions::Session;
use pid_core::users::User;
use pid_jose::{Expected, KeySet, Typ, check_signature};
use pid_oidc::authorize::{ClientView, SessionView, UserView};
use pid_oidc::claim_mapping::ClaimMapping;
use pid_oidc::claims;
use pid_oidc::claims_request::{ClaimsRequest, Place};
use pid_oidc::lifetimes::{self, Lifetimes};
use pid_oidc::redirect_uri::{Pattern, Purpose};
use pid_oidc::{ScopeSet, named_scope, scope};
use pid_store::ReadTx;
use pid_store::grants::{self, Grant};
use pid_store::protocol::{self, ProtocolClient};

use serde_json::{Map, Value};

use crate::Error;
use crate::env::Snapshot;

/// No id of a client is longer; an endless one need not reach the store.
const LONGEST_ID: usize = 2048;

/// Says that a client will be asked for, perhaps with its secrets.
pub(crate) fn announce_client(tx: &ReadTx<'_>, id: &str, with_secrets: bool) -> Result<(), Error> {
    if id.len() > LONGEST_ID {
        return Ok(());
    }
    Ok(protocol::announce_client(tx, &ClientId::new(id), with_secrets)?)
}

/// A client with its view.
pub(crate) fn client(tx: &ReadTx<'_>, id: &str) -> Result<Option<(ProtocolClient, ClientView)>, Error> {
    if id.len() > LONGEST_ID {
        return Ok(None);
    }
    let Some(client) = protocol::client(tx, &ClientId::new(id))? else { return Ok(None) };
    let view = client_view(&client);
    Ok(Some((client, view)))
}

pub(crate) fn client_view(client: &ProtocolClient) -> ClientView {
    ClientView {
        id: client.id.to_string(),
        redirect_uris: Pattern::parse_marked(Purpose::Redirect, &client.callback_urls, &client.legacy_wildcards).0,
        is_public: client.is_public,
        pkce_required: client.pkce_enabled || client.is_public,
        requires_reauthentication: client.requires_reauthentication,
        skip_consent: client.skip_consent,
        allowed_groups: client.allowed_groups.clone(),
        apis: Vec::new(),
    }
}

/// Whether a client pushes its requests and binds its tokens: then it is held to more (FAPI 2.0 Security Profile).
pub(crate) fn is_of_high_security(client: &ProtocolClient) -> bool {
    client.requires_pushed && client.dpop_bound
}

/// How long codes and tokens of a client are good for.
pub(crate) fn lifetimes(client: &ProtocolClient) -> Lifetimes {
    let life = Lifetimes::of(lifetimes::Settings {
        access_minutes: client.access_token_minutes,
        refresh_minutes: client.refresh_token_minutes,
        id_token_minutes: client.id_token_minutes,
        high_security: is_of_high_security(client),
    });
    // There the code comes to ourselves, with the very next request.
    let code = if client.client_type == ClientType::Proxy.as_str() { HAND_OVER_SECS } else { life.code };
    Lifetimes { code, ..life }
}

pub(crate) fn session_view(session: &Session) -> SessionView {
    SessionView {
        user_id: session.user_id.to_string(),
        sid: session.id.to_string(),
        auth_time: session.auth_time.secs(),
        amr: session.amr(),
        limited: session.is_limited(),
    }
}

/// Groups are read only if the client is restricted to some.
pub(crate) fn user_view(tx: &ReadTx<'_>, user: &User, client: &ClientView) -> Result<UserView, Error> {
    let group_ids = if client.allowed_groups.is_some() { protocol::group_ids(tx, &user.id)? } else { Vec::new() };
    Ok(UserView { id: user.id.to_string(), disabled: user.disabled, group_ids })
}

/// A person as claims show them, now.
pub(crate) fn claims_view(tx: &ReadTx<'_>, user: &User) -> Result<claims::UserView, Error> {
    let protocol::Claimed { groups, own } = protocol::claimed(tx, &user.id)?;
    Ok(claims::UserView {
        id: user.id.to_string(),
        username: user.username.clone(),
        email: user.email.clone(),
        email_verified: user.email_verified,
        first_name: user.first_name.clone(),
        last_name: user.last_name.clone(),
        display_name: user.display_name.clone(),
        groups: groups
            .into_iter()
            .map(|(id, name, custom_claims)| claims::GroupView { id, name, custom_claims })
            .collect(),
        custom_claims: own,
    })
}

/// The claims of a person that scopes release, those that an administrator defined among them.
pub(crate) fn scope_claims(
    view: &claims::UserView,
    site: &Snapshot,
    scopes: &ScopeSet,
    app_url: &str,
) -> Map<String, Value> {
    let mut released = claims::user_claims(view, scopes, app_url);
    if site.scopes.names().iter().any(|name| scopes.contains(name)) {
        let further = named_scope::release(scopes, site.scopes.all(), &everything(view, app_url));
        further.into_iter().for_each(|(name, value)| {
            released.entry(name).or_insert(value);
        });
    }
    released
}

/// All that could be said of a person, by any scope.
fn everything(view: &claims::UserView, app_url: &str) -> Map<String, Value> {
    claims::user_claims(view, &ScopeSet::from_names(scope::IDENTITY), app_url)
}

/// Claims as a client with this mapping is told them.
pub(crate) fn mapped(
    mapping: Option<&str>,
    view: &claims::UserView,
    released: Map<String, Value>,
) -> Map<String, Value> {
    match mapping.and_then(|json| serde_json::from_str::<ClaimMapping>(json).ok()) {
        Some(mapping) => mapping.apply(released, view),
        None => released,
    }
}

/// The claims of a person that the scopes of a grant release, and those that its `claims` parameter asks for beyond them,
/// as far as the person agreed (OpenID Connect Core §5.5), as the client is told them.
pub(crate) fn released_claims(
    tx: &ReadTx<'_>,
    site: &Snapshot,
    mapping: Option<&str>,
    user: &User,
    grant: &Grant,
    scopes: &ScopeSet,
    place: Place,
    app_url: &str,
) -> Result<Map<String, Value>, Error> {
    let view = claims_view(tx, user)?;
    let mut released = scope_claims(&view, site, scopes, app_url);
    if let Some(request) = grant.claims.as_deref().and_then(|text| ClaimsRequest::parse(text).ok()) {
        let recorded = grants::consent(tx, &grant.user_id, &grant.client_id)?.unwrap_or_default();
        for (name, value) in request.release(place, &everything(&view, app_url), &recorded, site.scopes.all()) {
            released.entry(name).or_insert(value);
        }
    }
    Ok(mapped(mapping, &view, released))
}

/// The claims of an ID token of ours that comes back as a hint. Its expiry doesn't matter, retired keys count.
pub(crate) fn hint_claims(
    keys: &KeySet,
    issuer: &str,
    token: &str,
    now: i64,
) -> Option<serde_json::Map<String, serde_json::Value>> {
    let signed = check_signature(token, Typ::Jwt, |kid| keys.verifying(kid)).ok()?;
    let expected = Expected { issuer, audience: None, now, leeway: 60, ignore_expiry: true };
    let claims = signed.validate(&expected).ok()?;
    let is_id_token = claims.get("type").and_then(|t| t.as_str()) == Some(claims::ID_TOKEN_TYPE);
    is_id_token.then(|| claims.clone())
}
