//! UserInfo (OpenID Connect Core §5.3, oidc.md §17): live claims for an access token.

use pid_core::Timestamp;
use pid_jose::{KeySet, Signed, Typ, check_signature};
use pid_oidc::bearer::{BearerError, check_userinfo};
use pid_oidc::claims_request::Place;
use pid_oidc::dpop::{Proof, Scheme, check_presentation};
use pid_store::{ReadTx, grants, protocol, users};

use crate::Error;
use crate::env::{Env, Snapshot};
use crate::presented::validated;
use crate::protocol::released_claims;

/// The claims, or the refusal of RFC 6750 §3.1.
pub type Outcome = Result<serde_json::Map<String, serde_json::Value>, BearerError>;

/// Checks the signature of an access token: pure, so its answer may be kept.
pub fn check_token(keys: &KeySet, token: &str) -> Result<Signed, BearerError> {
    check_signature(token, Typ::AccessToken, |kid| keys.verifying(kid)).map_err(|_| BearerError::invalid_token())
}

/// Reads the claims that a token opens, sent as a bearer token or with the proof of its key. Whether it was revoked, and
/// whether its person may sign in, is asked now.
pub fn claims(
    tx: &ReadTx<'_>,
    now: Timestamp,
    env: &Env,
    site: &Snapshot,
    signed: &Signed,
    proof: Option<&Proof>,
) -> Result<Outcome, Error> {
    let issuer = env.app_url.origin.as_str();
    let token = validated(signed, env, now).filter(|token| token.exp > now.secs());
    let Some(token) = token else { return Ok(Err(BearerError::invalid_token())) };
    let scheme = if proof.is_some() { Scheme::Dpop } else { Scheme::Bearer };
    let bound_to = token.cnf.as_ref().map(|cnf| cnf.jkt.as_str());
    if let Err(error) = check_presentation(scheme, bound_to, proof) {
        return Ok(Err(BearerError::Error(error)));
    }
    if let Err(error) = check_userinfo(&token, issuer) {
        return Ok(Err(error));
    }
    let grant = grants::of_access_token(tx, &token.jti)?.filter(|g| g.revoked_at.is_none());
    let Some(grant) = grant else { return Ok(Err(BearerError::invalid_token())) };
    protocol::announce_claimed(tx, &grant.user_id)?;
    protocol::announce_claim_mapping(tx, &grant.client_id)?;
    let user = users::by_id(tx, &grant.user_id)?.filter(|u| !u.disabled && u.id.as_str() == token.sub);
    let Some(user) = user else { return Ok(Err(BearerError::invalid_token())) };
    let mapping = protocol::claim_mapping(tx, &grant.client_id)?;
    Ok(Ok(released_claims(tx, site, mapping.as_deref(), &user, &grant, &token.scope, Place::Userinfo, issuer)?))
}
