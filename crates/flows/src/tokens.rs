//! Tokens that come back: what they are worth (RFC 7662), and giving them up (RFC 7009).

use std::borrow::Cow;

use pid_core::{ClientId, Ctx, GrantId, Timestamp, UserId};
use pid_jose::{Expected, Signed};
use pid_oidc::claims::AccessToken;
use pid_oidc::client_auth::Credentials;
use pid_oidc::introspect::{self, Caller, Hint, Introspection, IntrospectionRequest, TokenView};
use pid_oidc::replay::ReplayKey;
use pid_oidc::revoke::{self, Effect, RevocationRequest, TokenFound};
use pid_oidc::{OAuthError, ScopeSet, client_credentials};
use pid_store::grants::{self, Grant, RefreshToken, RevokedBy};
use pid_store::{ReadTx, WriteTx, protocol, used_tokens, users};

use crate::Error;
use crate::client_auth::{authenticate, count_failure};
use crate::env::Env;

/// Who asks for introspection.
#[derive(Debug)]
pub enum Asking {
    /// A client, with any method of authentication.
    Client(Credentials),
    /// Whoever has this access token, whose signature is good.
    Bearer(Signed),
}

/// What becomes of an introspection request.
#[derive(Debug)]
pub enum Answer {
    /// RFC 7662 §2.2.
    Told(Box<Introspection>),
    /// The client is not who it says.
    Refused(OAuthError),
    /// The bearer token is not good, or is the one that is asked about.
    BadBearer,
}

/// A token of ours.
enum Found {
    Access { token: Box<AccessToken<'static>>, grant: Option<Grant> },
    Refresh { token: RefreshToken, grant: Box<Grant> },
}

fn validated(signed: &Signed, env: &Env, now: Timestamp) -> Option<AccessToken<'static>> {
    let issuer = env.app_url.origin.as_str();
    let expected = Expected { issuer, audience: None, now: now.secs(), leeway: 60, ignore_expiry: false };
    let claims = signed.validate(&expected).ok()?;
    serde_json::from_value::<AccessToken<'static>>(serde_json::Value::Object(claims.clone())).ok()
}

/// Looks a token up: a signed one is an access token, everything else a refresh token or nothing.
fn find(
    tx: &ReadTx<'_>,
    env: &Env,
    now: Timestamp,
    text: &str,
    signed: Option<&Signed>,
) -> Result<Option<Found>, Error> {
    if let Some(signed) = signed {
        let Some(token) = validated(signed, env, now) else { return Ok(None) };
        let grant = if is_of_client(&token) { None } else { grants::of_access_token(tx, &token.jti)? };
        return Ok(Some(Found::Access { token: Box::new(token), grant }));
    }
    let Some(token) = grants::refresh(tx, text)? else { return Ok(None) };
    let grant = grants::by_id(tx, &token.grant_id)?;
    Ok(grant.map(|grant| Found::Refresh { token, grant: Box::new(grant) }))
}

/// True if the token speaks for a client itself.
fn is_of_client(token: &AccessToken<'_>) -> bool {
    token.sub == client_credentials::subject(&token.client_id)
}

/// What is remembered of a client's own access token once it was given back.
fn given_back(token: &AccessToken<'_>) -> ReplayKey {
    ReplayKey::new("revoked", &token.client_id, &token.jti, token.exp)
}

fn view(tx: &ReadTx<'_>, found: &Found) -> Result<TokenView, Error> {
    match found {
        Found::Access { token, grant } => access_view(tx, token, grant.as_ref()),
        Found::Refresh { token, grant } => refresh_view(tx, token, grant),
    }
}

fn access_view(tx: &ReadTx<'_>, token: &AccessToken<'_>, grant: Option<&Grant>) -> Result<TokenView, Error> {
    let (username, subject_ended, ended) = if is_of_client(token) {
        let client = protocol::client(tx, &ClientId::new(token.client_id.as_ref()))?;
        let ended = used_tokens::is_used(tx, &given_back(token).key)?;
        (None, client.is_none_or(|client| client.is_public), ended)
    } else {
        let user = users::by_id(tx, &UserId::new(token.sub.as_ref()))?;
        let ended = grant.is_none_or(|grant| grant.revoked_at.is_some());
        let subject_ended = user.as_ref().is_none_or(|user| user.disabled);
        (user.map(|user| user.username), subject_ended, ended)
    };
    Ok(TokenView {
        kind: Hint::AccessToken,
        client_id: token.client_id.to_string(),
        subject: token.sub.to_string(),
        username,
        subject_ended,
        scopes: token.scope.clone(),
        audience: token.aud.iter().map(Cow::to_string).collect(),
        issued_at: token.iat,
        expires_at: token.exp,
        ended,
        id: Some(token.jti.to_string()),
        jkt: token.cnf.as_ref().map(|cnf| cnf.jkt.clone()),
        auth_time: grant.map(|grant| grant.auth_time.secs()),
        acr: grant.and_then(|grant| grant.acr.clone()),
    })
}

fn refresh_view(tx: &ReadTx<'_>, token: &RefreshToken, grant: &Grant) -> Result<TokenView, Error> {
    let user = users::by_id(tx, &grant.user_id)?;
    Ok(TokenView {
        kind: Hint::RefreshToken,
        client_id: grant.client_id.to_string(),
        subject: grant.user_id.to_string(),
        subject_ended: user.as_ref().is_none_or(|user| user.disabled),
        username: user.map(|user| user.username),
        scopes: ScopeSet::parse(&grant.scopes).map_err(Error::internal)?,
        audience: vec![grant.resource.clone().unwrap_or_else(|| grant.client_id.to_string())],
        issued_at: Timestamp::of_uuid(&token.jti).unwrap_or(grant.created_at).secs(),
        expires_at: token.expires_at.secs(),
        ended: token.used_at.is_some() || grant.revoked_at.is_some(),
        id: None,
        jkt: None,
        auth_time: Some(grant.auth_time.secs()),
        acr: grant.acr.clone(),
    })
}

/// Answers what a token is worth (RFC 7662). `signed` is the token with its signature checked, if it has a good one.
pub fn introspect(
    tx: &ReadTx<'_>,
    ctx: &Ctx,
    env: &Env,
    asking: &Asking,
    request: &IntrospectionRequest,
    signed: Option<&Signed>,
    limited: bool,
) -> Result<Answer, Error> {
    let client_id = match asking {
        Asking::Client(credentials) => match authenticate(tx, ctx, credentials, limited)? {
            // Whoever has proven nothing learns nothing.
            Ok(found) if found.client.is_public => return Ok(Answer::Refused(credentials.refused())),
            Ok(found) => found.client.id.to_string(),
            Err(error) => return Ok(Answer::Refused(error)),
        },
        Asking::Bearer(bearer) => {
            let asked = signed.and_then(|signed| validated(signed, env, ctx.now));
            match own_token(tx, ctx, env, bearer)? {
                Some(token) if asked.is_none_or(|asked| asked.jti != token.jti) => token.client_id.to_string(),
                _ => return Ok(Answer::BadBearer),
            }
        }
    };
    let found = if request.is_plausible() { find(tx, env, ctx.now, &request.token, signed)? } else { None };
    let seen = found.as_ref().map(|found| view(tx, found)).transpose()?;
    let caller = Caller { client_id: &client_id, is_public: false, serves: &[] };
    let issuer = env.app_url.origin.as_str();
    Ok(Answer::Told(Box::new(introspect::introspect(request, caller, seen.as_ref(), issuer, ctx.now.secs()))))
}

/// The caller's own access token, if it is good now and not bound to a key, which a bearer doesn't show.
fn own_token(tx: &ReadTx<'_>, ctx: &Ctx, env: &Env, bearer: &Signed) -> Result<Option<AccessToken<'static>>, Error> {
    let Some(found) = find(tx, env, ctx.now, "", Some(bearer))? else { return Ok(None) };
    let seen = view(tx, &found)?;
    let good = !seen.ended && !seen.subject_ended && ctx.now.secs() < seen.expires_at && seen.jkt.is_none();
    Ok(match found {
        Found::Access { token, .. } if good => Some(*token),
        _ => None,
    })
}

/// Gives a token up (RFC 7009): a refresh token with its family, an access token alone. What isn't the client's stays as
/// it is, and the answer is the same.
pub fn revoke(
    tx: &WriteTx<'_>,
    ctx: &Ctx,
    env: &Env,
    credentials: &Credentials,
    request: &RevocationRequest,
    signed: Option<&Signed>,
    limited: bool,
) -> Result<Result<(), OAuthError>, Error> {
    let client = match authenticate(tx, ctx, credentials, limited)? {
        Ok(found) => found.client,
        Err(error) => {
            if limited {
                count_failure(tx, ctx, credentials)?;
            }
            return Ok(Err(error));
        }
    };
    let found = if request.is_plausible() { find(tx, env, ctx.now, &request.token, signed)? } else { None };
    let known = found.as_ref().map(|found| match found {
        Found::Access { token, .. } => {
            TokenFound::Access { client_id: token.client_id.to_string(), id: token.jti.to_string() }
        }
        Found::Refresh { grant, .. } => {
            TokenFound::Refresh { client_id: grant.client_id.to_string(), grant_id: grant.id.to_string() }
        }
    });
    match revoke::decide(client.id.as_str(), known.as_ref()) {
        Effect::Nothing => {}
        Effect::Access(id) => match &found {
            Some(Found::Access { token, .. }) if is_of_client(token) => {
                let key = given_back(token);
                used_tokens::take(tx, &key.key, Timestamp::from_secs(key.expires_at))?;
            }
            _ => grants::end_access_token(tx, &id, ctx.now)?,
        },
        Effect::Family(id) => {
            grants::revoke(tx, &GrantId::new(id), RevokedBy::Client, ctx.now)?;
        }
    }
    Ok(Ok(()))
}
