//! Tokens of ours that somebody presents: found, and what is known of them.

use std::borrow::Cow;

use pid_core::{ClientId, Timestamp, UserId};
use pid_jose::{Expected, Signed};
use pid_oidc::claims::AccessToken;
use pid_oidc::introspect::{Hint, TokenView};
use pid_oidc::replay::ReplayKey;
use pid_oidc::{ScopeSet, client_credentials};
use pid_store::grants::{self, Grant, RefreshToken};
use pid_store::{ReadTx, protocol, used_tokens, users};

use crate::Error;
use crate::env::Env;
use crate::import::refresh_token;

/// A token of ours.
pub(crate) enum Found {
    Access { token: Box<AccessToken<'static>>, grant: Option<Box<Grant>> },
    Refresh { token: RefreshToken, grant: Box<Grant> },
}

/// The claims of an access token whose signature is good; `None` if it is not ours or is over.
pub(crate) fn validated(signed: &Signed, env: &Env, now: Timestamp) -> Option<AccessToken<'static>> {
    let issuer = env.app_url.origin.as_str();
    // Another replica's clock may be ahead of ours; whoever decides by it judges expiry without that tolerance.
    let expected = Expected { issuer, audience: None, now: now.secs(), leeway: 60, ignore_expiry: false };
    let claims = signed.validate(&expected).ok()?;
    serde_json::from_value::<AccessToken<'static>>(serde_json::Value::Object(claims.clone())).ok()
}

/// Looks a token up: a signed one is an access token, everything else a refresh token or nothing.
pub(crate) fn find(
    tx: &ReadTx<'_>,
    env: &Env,
    now: Timestamp,
    text: &str,
    signed: Option<&Signed>,
) -> Result<Option<Found>, Error> {
    if let Some(signed) = signed {
        let Some(token) = validated(signed, env, now) else { return Ok(None) };
        let grant = if is_of_client(&token) { None } else { grants::of_access_token(tx, &token.jti)? };
        return Ok(Some(Found::Access { token: Box::new(token), grant: grant.map(Box::new) }));
    }
    let Some(token) = refresh_token(tx, env, text)? else { return Ok(None) };
    let grant = grants::by_id(tx, &token.grant_id)?;
    Ok(grant.map(|grant| Found::Refresh { token, grant: Box::new(grant) }))
}

/// True if the token speaks for a client itself.
pub(crate) fn is_of_client(token: &AccessToken<'_>) -> bool {
    token.sub == client_credentials::subject(&token.client_id)
}

/// What is remembered of a client's own access token once it was given back.
pub(crate) fn given_back(token: &AccessToken<'_>) -> ReplayKey {
    ReplayKey::new("revoked", &token.client_id, &token.jti, token.exp)
}

/// What is known of it.
pub(crate) fn view(tx: &ReadTx<'_>, found: &Found) -> Result<TokenView, Error> {
    match found {
        Found::Access { token, grant } => access_view(tx, token, grant.as_deref()),
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
        (user.filter(|_| token.scope.contains("profile")).map(|user| user.username), subject_ended, ended)
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
    let scopes = ScopeSet::parse(&grant.scopes).map_err(Error::internal)?;
    Ok(TokenView {
        kind: Hint::RefreshToken,
        client_id: grant.client_id.to_string(),
        subject: grant.user_id.to_string(),
        subject_ended: user.as_ref().is_none_or(|user| user.disabled),
        username: user.filter(|_| scopes.contains("profile")).map(|user| user.username),
        scopes,
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
