//! The token endpoint (oidc.md §13): everything in one write transaction, signing outside of it.

use aws_lc_rs::hmac;
use pid_core::audit::Event;
use pid_core::secret::{equal, sha256};
use pid_core::users::User;
use pid_core::{Ctx, GrantId, handle};
use pid_jose::{Alg, KeySet, Typ, sign};
use pid_oidc::authorize::{Consent, check_grant_consent};
use pid_oidc::claims::{AccessToken, IdToken, at_hash};
use pid_oidc::claims_request::Place;
use pid_oidc::client_auth::Credentials;
use pid_oidc::pkce::Challenge;
use pid_oidc::token::{
    CodeRefusal, CodeRequest, CodeView, RefreshRefusal, RefreshRequest, RefreshUse, RefreshView, Rotation,
    TokenRequest, TokenResponse, TokenType, check_code, check_refresh, narrow_scope, unknown_code,
    unknown_refresh_token,
};
use pid_oidc::{OAuthError, ScopeSet, scope};
use pid_store::grants::{self, Grant, RevokedBy};
use pid_store::protocol::{self, ProtocolClient};
use pid_store::{ReadTx, WriteTx, users};

use crate::budget::{CLIENT_SECRET, address_subject};
use crate::env::Env;
use crate::protocol::{client, released_claims, user_view};
use crate::{Error, audit};

/// What became of a token request. A refusal commits: a reused code or token revokes its family.
#[derive(Debug)]
pub enum Outcome {
    /// Tokens to sign.
    Issued(Box<Unsigned>),
    /// The error of RFC 6749 §5.2.
    Refused(OAuthError),
}

/// What will be signed, after the commit.
#[derive(Debug)]
pub struct Unsigned {
    alg: Option<Alg>,
    user_id: String,
    client_id: String,
    scopes: ScopeSet,
    token_id: String,
    issued_at: i64,
    access_secs: i64,
    id_token: Option<IdToken>,
    refresh_token: String,
}

/// Authenticates a client (RFC 6749 §2.3). `Err` inside is the answer for the client. Wrong secrets are counted
/// per client and address.
pub(crate) fn authenticate_client(
    tx: &WriteTx<'_>,
    ctx: &Ctx,
    credentials: &Credentials,
    limited: bool,
) -> Result<Result<(ProtocolClient, pid_oidc::authorize::ClientView), OAuthError>, Error> {
    let Some((found, view)) = client(tx, credentials.client_id())? else {
        return Ok(Err(credentials.refused()));
    };
    if found.is_public {
        return Ok(Ok((found, view)));
    }
    let Some(secret) = credentials.secret() else { return Ok(Err(credentials.refused())) };
    let subject = format!("{} {}", address_subject(&ctx.ip_address), found.id);
    if limited {
        CLIENT_SECRET.check(tx, &subject, ctx.now)?;
    }
    let hash = sha256(secret.expose().as_bytes());
    let good = protocol::client_secrets(tx, &found.id)?
        .into_iter()
        .any(|s| s.algorithm == "sha256" && s.expires_at.is_none_or(|t| t > ctx.now) && equal(&s.hash, &hash));
    if good {
        return Ok(Ok((found, view)));
    }
    if limited {
        CLIENT_SECRET.fail(tx, &subject, ctx.now)?;
    }
    Ok(Err(credentials.refused()))
}

/// Answers a token request.
pub fn exchange(
    tx: &WriteTx<'_>,
    ctx: &Ctx,
    env: &Env,
    credentials: &Credentials,
    request: &TokenRequest,
    limited: bool,
) -> Result<Outcome, Error> {
    let (client, view) = match authenticate_client(tx, ctx, credentials, limited)? {
        Ok(found) => found,
        Err(error) => return Ok(Outcome::Refused(error)),
    };
    match request {
        TokenRequest::AuthorizationCode(request) => redeem(tx, ctx, env, &client, &view, request),
        TokenRequest::RefreshToken(request) => refresh(tx, ctx, env, &client, &view, request),
    }
}

fn redeem(
    tx: &WriteTx<'_>,
    ctx: &Ctx,
    env: &Env,
    client: &ProtocolClient,
    view: &pid_oidc::authorize::ClientView,
    request: &CodeRequest,
) -> Result<Outcome, Error> {
    let Some(code) = grants::code(tx, &request.code)? else { return Ok(Outcome::Refused(unknown_code())) };
    let Some(grant) = grants::by_id(tx, &code.grant_id)? else { return Ok(Outcome::Refused(unknown_code())) };
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
    if grant.revoked_at.is_some() {
        return Ok(Outcome::Refused(unknown_code()));
    }
    let scopes = ScopeSet::parse(&grant.scopes).map_err(Error::internal)?;
    let user = match grant_user(tx, view, &grant, &scopes)? {
        Ok(user) => user,
        Err(error) => return Ok(Outcome::Refused(error)),
    };
    if !grants::take_code(tx, &grant.id, ctx.now)? {
        return Ok(Outcome::Refused(unknown_code()));
    }
    issue(tx, ctx, env, client, &grant, &user, scopes, 0)
}

fn refresh(
    tx: &WriteTx<'_>,
    ctx: &Ctx,
    env: &Env,
    client: &ProtocolClient,
    view: &pid_oidc::authorize::ClientView,
    request: &RefreshRequest,
) -> Result<Outcome, Error> {
    let Some(token) = grants::refresh(tx, &request.refresh_token)? else {
        return Ok(Outcome::Refused(unknown_refresh_token()));
    };
    let Some(grant) = grants::by_id(tx, &token.grant_id)? else {
        return Ok(Outcome::Refused(unknown_refresh_token()));
    };
    let seen = RefreshView {
        client_id: grant.client_id.to_string(),
        expires_at: token.expires_at.secs(),
        rotation: token.used_at.map(|at| Rotation { at: at.secs(), client_proof: String::new(), successor_used: true }),
        revoked: grant.revoked_at.is_some(),
    };
    // Without a window of grace every reuse is theft.
    match check_refresh(&seen, client.id.as_str(), "", ctx.now.secs(), 0) {
        Ok(RefreshUse::Rotate | RefreshUse::Repeat) => {}
        Err(refusal) => {
            if refusal == RefreshRefusal::WrongClient {
                report_foreign(tx, ctx, client, &grant)?;
            }
            if refusal.kills_family() {
                kill(tx, ctx, client, &grant, RevokedBy::RefreshReuse)?;
            }
            return Ok(Outcome::Refused(refusal.error()));
        }
    }
    let granted = ScopeSet::parse(&grant.scopes).map_err(Error::internal)?;
    let user = match grant_user(tx, view, &grant, &granted)? {
        Ok(user) => user,
        Err(error) => return Ok(Outcome::Refused(error)),
    };
    let scopes = match narrow_scope(request.scope.as_ref(), &granted) {
        Ok(scopes) => scopes,
        Err(error) => return Ok(Outcome::Refused(error)),
    };
    if !grants::take_refresh(tx, &grant.id, token.sequence, ctx.now)? {
        return Ok(Outcome::Refused(unknown_refresh_token()));
    }
    issue(tx, ctx, env, client, &grant, &user, scopes, token.sequence + 1)
}

/// The grant's person, who must still be allowed in and still agree.
fn grant_user(
    tx: &ReadTx<'_>,
    view: &pid_oidc::authorize::ClientView,
    grant: &Grant,
    scopes: &ScopeSet,
) -> Result<Result<User, OAuthError>, Error> {
    let user = users::by_id(tx, &grant.user_id)?;
    let seen = user.as_ref().map(|u| user_view(tx, u, view)).transpose()?;
    let consent = grants::consent(tx, &grant.user_id, &grant.client_id)?.map(|keys| Consent { keys });
    let checked = view.check_grant_user(seen.as_ref()).and_then(|()| check_grant_consent(consent.as_ref(), scopes));
    match (checked, user) {
        (Ok(()), Some(user)) => Ok(Ok(user)),
        (Err(error), _) => Ok(Err(error)),
        (Ok(()), None) => Ok(Err(unknown_code())),
    }
}

fn kill(tx: &WriteTx<'_>, ctx: &Ctx, client: &ProtocolClient, grant: &Grant, by: RevokedBy) -> Result<(), Error> {
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

#[allow(clippy::too_many_arguments, reason = "the end of both grants; a struct would only rename them")]
fn issue(
    tx: &WriteTx<'_>,
    ctx: &Ctx,
    env: &Env,
    client: &ProtocolClient,
    grant: &Grant,
    user: &User,
    scopes: ScopeSet,
    sequence: u32,
) -> Result<Outcome, Error> {
    let entropy = ctx.entropy();
    let now = ctx.now.secs();
    let token_id = entropy.uuid_at(ctx.now);
    let access_expires = ctx.now.plus_minutes(client.access_token_minutes);
    let refresh_expires = ctx.now.plus_minutes(client.refresh_token_minutes);
    let refresh_token = derive_refresh_token(env, &grant.id, sequence);
    let row = grants::RefreshToken { grant_id: grant.id.clone(), sequence, expires_at: refresh_expires, used_at: None };
    grants::insert_refresh(tx, &sha256(refresh_token.as_bytes()), &token_id, &row)?;
    grants::extend(tx, &grant.id, refresh_expires.max(access_expires))?;
    let id_token = if scopes.contains(scope::OPENID) {
        Some(IdToken {
            issuer: env.app_url.origin.clone(),
            client_id: client.id.to_string(),
            issued_at: now,
            auth_time: grant.auth_time.secs(),
            requested_at: grant.requested_at.secs(),
            id: entropy.uuid(),
            // OpenID Connect Core §12.2: a refreshed ID token should not have a nonce.
            nonce: grant.nonce.clone().filter(|_| sequence == 0),
            at_hash: None,
            acr: grant.acr.clone(),
            amr: grant.amr.clone(),
            sid: Some(grant.session_id.to_string()),
            user: released_claims(tx, user, grant, &scopes, Place::IdToken, &env.app_url.origin)?,
        })
    } else {
        None
    };
    Ok(Outcome::Issued(Box::new(Unsigned {
        alg: client.signing_alg.as_deref().and_then(Alg::parse),
        user_id: user.id.to_string(),
        client_id: client.id.to_string(),
        scopes,
        token_id,
        issued_at: now,
        access_secs: client.access_token_minutes * 60,
        id_token,
        refresh_token,
    })))
}

/// A refresh token is derived from its family and place, so that a repeated answer could be given again without
/// anything being stored in clear.
fn derive_refresh_token(env: &Env, grant: &GrantId, sequence: u32) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, &env.refresh_token_key);
    let tag = hmac::sign(&key, format!("{grant} {sequence}").as_bytes());
    let mut secret = [0; 32];
    secret.copy_from_slice(tag.as_ref());
    format!("pocket_id_rt_{}", handle::make(grant.as_str(), sequence, &secret))
}

impl Unsigned {
    /// Signs: no transaction is open.
    pub fn sign(&self, env: &Env, keys: &KeySet) -> Result<TokenResponse, Error> {
        let key = keys.signing(self.alg).ok_or_else(|| {
            Error::with(crate::Code::Unavailable, "The signing key is still being made. Try again in a moment")
        })?;
        let issuer = env.app_url.origin.as_str();
        let access = AccessToken::new(
            issuer,
            &self.user_id,
            &self.client_id,
            &self.scopes,
            self.token_id.as_str(),
            self.issued_at,
            self.access_secs,
        );
        let access_token = sign(key, Typ::AccessToken, &access).map_err(Error::internal)?;
        let id_token = match &self.id_token {
            Some(claims) => {
                let claims = IdToken { at_hash: at_hash(key.alg().as_str(), &access_token), ..claims.clone() };
                Some(sign(key, Typ::Jwt, &claims).map_err(Error::internal)?)
            }
            None => None,
        };
        Ok(TokenResponse {
            access_token,
            token_type: TokenType::Bearer,
            expires_in: self.access_secs,
            scope: self.scopes.clone(),
            refresh_token: Some(self.refresh_token.clone()),
            id_token,
        })
    }
}
