//! The token endpoint (oidc.md §13): everything in one write transaction, signing outside of it.

mod issued;

use pid_core::Ctx;
use pid_core::audit::Event;
use pid_core::users::User;
use pid_jose::Alg;
use pid_oidc::authorize::{ClientView, Consent, check_grant_consent};
use pid_oidc::cimd::CimdGrant;
use pid_oidc::client_credentials::{self, ClientCredentialsRequest};
use pid_oidc::dpop::{Binding, Proof};
use pid_oidc::pkce::Challenge;
use pid_oidc::resource::{Resource, Target, check_selection, for_user};
use pid_oidc::token::{
    CodeRefusal, CodeRequest, CodeView, RefreshRefusal, RefreshRequest, RefreshUse, RefreshView, Rotation,
    TokenRequest, check_code, check_refresh, narrow_scope, unknown_code, unknown_refresh_token,
};
use pid_oidc::{ErrorCode, OAuthError, ScopeSet, scope};
use pid_store::grants::{self, Grant, RevokedBy};
use pid_store::protocol::ProtocolClient;
use pid_store::{ReadTx, StoreError, WriteTx, protocol, users};

pub use self::issued::Unsigned;
use self::issued::{Good, Refresh, api_alg, derive_refresh_token, issue, unsigned};
use crate::client_auth::{Authenticated, Presented, admit};
use crate::env::{Env, Snapshot};
use crate::import::refresh_token;
use crate::protocol::{announce_client, lifetimes, user_view};
use crate::{Error, audit, cimd, device, resource};

/// What became of a token request. A refusal commits: a reused code or token revokes its family.
#[derive(Debug)]
pub enum Outcome {
    /// Tokens to sign.
    Issued(Box<Unsigned>),
    /// The error of RFC 6749 §5.2.
    Refused(OAuthError),
}

/// Whether a request may be answered by `Db::write_guarded`. What is redeemed or refreshed is a family of tokens, whose row is
/// written (`grants::extend`). Whoever takes away what it hangs on (a session, a consent, a membership, a person's account) revokes
/// the families that hang on it, which writes that row, and a deletion reaches it through foreign keys; and a family comes to be in
/// a serializable transaction, so none is overlooked. The code, the refresh token and what counts once are taken by writing their
/// rows, as are the budgets of those who guess. What is read beyond is as of one moment.
pub fn is_guarded(request: &TokenRequest) -> bool {
    matches!(request, TokenRequest::AuthorizationCode(_) | TokenRequest::RefreshToken(_))
}

/// Answers a token request.
pub fn exchange(
    tx: &WriteTx<'_>,
    ctx: &Ctx,
    env: &Env,
    site: &Snapshot,
    presented: &Presented,
    request: &TokenRequest,
    limited: bool,
) -> Result<Outcome, Error> {
    let credentials = presented.credentials();
    announce_client(tx, credentials.client_id(), credentials.secret().is_some())?;
    match request {
        TokenRequest::AuthorizationCode(request) => grants::announce_code(tx, &request.code)?,
        TokenRequest::RefreshToken(request) => grants::announce_refresh(tx, &request.refresh_token)?,
        TokenRequest::DeviceCode(_) | TokenRequest::ClientCredentials(_) => {}
    }
    let client = match admit(tx, ctx, presented, limited)? {
        Ok(found) => found,
        Err(error) => return Ok(Outcome::Refused(error)),
    };
    let needed = match request {
        TokenRequest::AuthorizationCode(_) => Some(CimdGrant::AuthorizationCode),
        TokenRequest::RefreshToken(_) => Some(CimdGrant::RefreshToken),
        TokenRequest::DeviceCode(_) => Some(CimdGrant::DeviceCode),
        // Refused to public clients, as those all are.
        TokenRequest::ClientCredentials(_) => None,
    };
    if needed.is_some_and(|grant| !cimd::may(&client.client, grant)) {
        return Ok(Outcome::Refused(cimd::undeclared()));
    }
    let key = Key { proof: presented.proof(), required: client.client.dpop_bound };
    match request {
        TokenRequest::AuthorizationCode(request) => redeem(tx, ctx, env, site, &client, key, request),
        TokenRequest::RefreshToken(request) => refresh(tx, ctx, env, site, &client, key, request),
        TokenRequest::DeviceCode(request) => device::poll(tx, ctx, env, site, &client, key, request),
        TokenRequest::ClientCredentials(request) => for_itself(tx, ctx, site, &client.client, key, request),
    }
}

/// The key that a request shows (RFC 9449), and whether it must.
#[derive(Clone, Copy)]
pub(crate) struct Key<'a> {
    proof: Option<&'a Proof>,
    required: bool,
}

impl Key<'_> {
    /// The key that the access token is bound to, if it may be issued.
    fn bind(self, bound_to: Option<&str>) -> Result<Option<String>, OAuthError> {
        Binding { proof: self.proof, required: self.required, bound_to }.check()
    }
}

/// A client's token for itself (RFC 6749 §4.4). Nothing is stored of it; only giving it back is remembered.
fn for_itself(
    tx: &ReadTx<'_>,
    ctx: &Ctx,
    site: &Snapshot,
    client: &ProtocolClient,
    key: Key<'_>,
    request: &ClientCredentialsRequest,
) -> Result<Outcome, Error> {
    let jkt = match key.bind(None) {
        Ok(jkt) => jkt,
        Err(error) => return Ok(Outcome::Refused(error)),
    };
    let api = match &request.resource {
        Some(name) => resource::by_name(tx, client, name.as_str())?,
        None => None,
    };
    let decided = client_credentials::decide(request, client.is_public, api.as_ref(), site.scopes.user_scopes());
    let target = match decided {
        Ok(target) => target,
        Err(error) => return Ok(Outcome::Refused(error)),
    };
    Ok(Outcome::Issued(Box::new(Unsigned {
        alg: client.signing_alg.as_deref().and_then(Alg::parse),
        api_alg: api_alg(tx, target.resource.as_deref())?,
        subject: client_credentials::subject(client.id.as_str()),
        client_id: client.id.to_string(),
        target,
        token_id: ctx.entropy().uuid_at(ctx.now),
        issued_at: ctx.now.secs(),
        access_secs: lifetimes(client).access,
        jkt,
        id_token: None,
        refresh_token: None,
    })))
}

fn redeem(
    tx: &WriteTx<'_>,
    ctx: &Ctx,
    env: &Env,
    site: &Snapshot,
    authenticated: &Authenticated,
    key: Key<'_>,
    request: &CodeRequest,
) -> Result<Outcome, Error> {
    let client = &authenticated.client;
    let Some((code, grant)) = grants::code(tx, &request.code)? else { return Ok(Outcome::Refused(unknown_code())) };
    let seen = CodeView {
        client_id: grant.client_id.to_string(),
        redirect_uri: code.redirect_uri.clone(),
        redirect_uri_sent: code.redirect_uri_sent,
        challenge: code.challenge.clone().and_then(|(value, method)| Challenge::from_stored(&method, value)),
        expires_at: code.expires_at.secs(),
        used: code.used_at.is_some(),
    };
    if let Err(refusal) = check_code(&seen, client.id.as_str(), request, ctx.now.secs()) {
        if refusal == CodeRefusal::WrongClient {
            report_foreign(tx, ctx, client, &grant)?;
        }
        if refusal.kills_family() {
            kill(tx, ctx, client, &grant, RevokedBy::CodeReuse)?;
        }
        return Ok(Outcome::Refused(refusal.error()));
    }
    let first = First { grant: &grant, resource: request.resource.as_ref(), unknown: unknown_code };
    first_tokens(tx, ctx, env, site, authenticated, key, first, || grants::take_code(tx, &grant.id, ctx.now))
}

/// What a code stands for that a client brings.
#[derive(Clone, Copy)]
pub(crate) struct First<'a> {
    pub grant: &'a Grant,
    /// The API that the request names.
    pub resource: Option<&'a Resource>,
    /// The answer to a code that is not good.
    pub unknown: fn() -> OAuthError,
}

/// The first tokens of a grant, whatever kind of code it hangs on. The code is taken when everything else is good.
pub(crate) fn first_tokens(
    tx: &WriteTx<'_>,
    ctx: &Ctx,
    env: &Env,
    site: &Snapshot,
    authenticated: &Authenticated,
    key: Key<'_>,
    first: First<'_>,
    take: impl FnOnce() -> Result<bool, StoreError>,
) -> Result<Outcome, Error> {
    let Authenticated { client, view, .. } = authenticated;
    let First { grant, resource, unknown } = first;
    if grant.revoked_at.is_some() {
        return Ok(Outcome::Refused(unknown()));
    }
    let granted = target(grant)?;
    if let Err(error) = check_selection(grant.resource.as_deref(), resource) {
        return Ok(Outcome::Refused(error));
    }
    let user = match grant_user(tx, site, client, view, grant, &granted)? {
        Ok(user) => user,
        Err(error) => return Ok(Outcome::Refused(error)),
    };
    let jkt = match key.bind(grant.dpop_jkt.as_deref()) {
        Ok(jkt) => jkt,
        Err(error) => return Ok(Outcome::Refused(error)),
    };
    if !take()? {
        return Ok(Outcome::Refused(unknown()));
    }
    issue(tx, ctx, env, Good { client, grant, user: &user, scopes: granted.scopes, site, jkt }, 0)
}

fn refresh(
    tx: &WriteTx<'_>,
    ctx: &Ctx,
    env: &Env,
    site: &Snapshot,
    authenticated: &Authenticated,
    key: Key<'_>,
    request: &RefreshRequest,
) -> Result<Outcome, Error> {
    let Authenticated { client, view, proof } = authenticated;
    let Some(token) = refresh_token(tx, env, &request.refresh_token)? else {
        return Ok(Outcome::Refused(unknown_refresh_token()));
    };
    let Some(grant) = grants::by_id(tx, &token.grant_id)? else {
        return Ok(Outcome::Refused(unknown_refresh_token()));
    };
    let successor = match token.used_at {
        Some(_) => grants::refresh_at(tx, &grant.id, token.sequence + 1)?,
        None => None,
    };
    let seen = RefreshView {
        client_id: grant.client_id.to_string(),
        expires_at: token.expires_at.secs(),
        rotation: token.used_at.map(|at| Rotation {
            at: at.secs(),
            client_proof: token.used_with.clone().unwrap_or_default(),
            successor_used: successor.as_ref().is_none_or(|next| next.used_at.is_some()),
        }),
        revoked: grant.revoked_at.is_some(),
    };
    let used = match check_refresh(&seen, client.id.as_str(), proof, ctx.now.secs(), site.settings.refresh_grace_secs())
    {
        Ok(used) => used,
        Err(refusal) => {
            if refusal == RefreshRefusal::WrongClient {
                report_foreign(tx, ctx, client, &grant)?;
            }
            if refusal.kills_family() {
                kill(tx, ctx, client, &grant, RevokedBy::RefreshReuse)?;
            }
            return Ok(Outcome::Refused(refusal.error()));
        }
    };
    let granted = target(&grant)?;
    if let Err(error) = check_selection(grant.resource.as_deref(), request.resource.as_ref()) {
        return Ok(Outcome::Refused(error));
    }
    let user = match grant_user(tx, site, client, view, &grant, &granted)? {
        Ok(user) => user,
        Err(error) => return Ok(Outcome::Refused(error)),
    };
    let scopes = match narrow_scope(request.scope.as_ref(), &granted.scopes) {
        Ok(scopes) => scopes,
        Err(error) => return Ok(Outcome::Refused(error)),
    };
    let jkt = match key.bind(grant.dpop_jkt.as_deref()) {
        Ok(jkt) => jkt,
        Err(error) => return Ok(Outcome::Refused(error)),
    };
    let good = Good { client, grant: &grant, user: &user, scopes, site, jkt };
    if let (RefreshUse::Repeat, Some(next), Some(at)) = (used, successor, token.used_at) {
        // The answer got lost, or two tabs asked at once: the same again, as of the moment of the rotation.
        let refresh_token = derive_refresh_token(env, &grant.id, next.sequence);
        let refresh = Refresh { token: refresh_token, sequence: next.sequence, token_id: next.jti, at };
        return unsigned(tx, ctx, env, good, refresh);
    }
    if !grants::take_refresh(tx, &grant.id, token.sequence, proof, ctx.now)? {
        return Ok(Outcome::Refused(unknown_refresh_token()));
    }
    issue(tx, ctx, env, good, token.sequence + 1)
}

/// What a grant is for.
fn target(grant: &Grant) -> Result<Target, Error> {
    let scopes = ScopeSet::parse(&grant.scopes).map_err(Error::internal)?;
    Ok(Target { resource: grant.resource.clone(), scopes })
}

/// The grant's person, who must still be allowed in and still agree.
fn grant_user(
    tx: &ReadTx<'_>,
    site: &Snapshot,
    client: &ProtocolClient,
    view: &ClientView,
    grant: &Grant,
    granted: &Target,
) -> Result<Result<User, OAuthError>, Error> {
    if let Err(error) = still_at_api(tx, site, client, granted)? {
        return Ok(Err(error));
    }
    if granted.scopes.contains(scope::OPENID) {
        protocol::announce_claimed(tx, &grant.user_id)?;
    }
    let (user, keys) = users::with_consent(tx, &grant.user_id, &grant.client_id)?.unzip();
    let seen = user.as_ref().map(|u| user_view(tx, u, view)).transpose()?;
    let consent = keys.flatten().map(|keys| Consent { keys });
    let checked = view
        .check_grant_user(seen.as_ref())
        .and_then(|()| check_grant_consent(consent.as_ref(), granted, site.scopes.user_scopes()));
    match (checked, user) {
        (Ok(()), Some(user)) => Ok(Ok(user)),
        (Err(error), _) => Ok(Err(error)),
        (Ok(()), None) => Ok(Err(unknown_code())),
    }
}

/// Whether the client still has at the API what was granted (oidc.md §13.3). That it lost all access is the end of the
/// grant, as RFC 6749 §5.2 has no `access_denied` here.
fn still_at_api(
    tx: &ReadTx<'_>,
    site: &Snapshot,
    client: &ProtocolClient,
    granted: &Target,
) -> Result<Result<(), OAuthError>, Error> {
    let Some(name) = &granted.resource else { return Ok(Ok(())) };
    let api = resource::by_name(tx, client, name)?;
    let checked = Resource::parse(name)
        .and_then(|name| for_user(&granted.scopes, Some(&name), api.as_ref(), site.scopes.user_scopes()));
    Ok(match checked {
        Ok(_) => Ok(()),
        Err(error) if error.code() == ErrorCode::AccessDenied => {
            Err(OAuthError::invalid_grant("The client has no access to the API of this grant any more."))
        }
        Err(error) => Err(error),
    })
}

pub(crate) fn kill(
    tx: &WriteTx<'_>,
    ctx: &Ctx,
    client: &ProtocolClient,
    grant: &Grant,
    by: RevokedBy,
) -> Result<(), Error> {
    if grants::revoke(tx, &grant.id, by, ctx.now)? {
        let event = if by == RevokedBy::CodeReuse { Event::CodeReuse } else { Event::RefreshReuse };
        let data = [("clientName", client.name.as_str())];
        audit::record(tx, ctx, &ctx.entropy(), event, Some(&grant.user_id), None, &data)?;
    }
    Ok(())
}

/// Writes down that a client presented what was issued to another: one of the two leaks (security case 35).
fn report_foreign(tx: &WriteTx<'_>, ctx: &Ctx, client: &ProtocolClient, grant: &Grant) -> Result<(), Error> {
    let data = [("clientName", client.name.as_str()), ("issuedTo", grant.client_id.as_str())];
    audit::record(tx, ctx, &ctx.entropy(), Event::ForeignGrant, Some(&grant.user_id), None, &data)
}
