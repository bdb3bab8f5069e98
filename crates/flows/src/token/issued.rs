//! What a good grant is answered with: tokens as they will be signed, and their place in the family.

use aws_lc_rs::hmac;
use pid_core::secret::sha256;
use pid_core::users::User;
use pid_core::{Ctx, GrantId, Timestamp, handle};
use pid_jose::{Alg, KeySet, Typ, sign};
use pid_oidc::cimd::CimdGrant;
use pid_oidc::claims::{AccessToken, IdToken, at_hash};
use pid_oidc::claims_request::Place;
use pid_oidc::dpop::refresh_binding;
use pid_oidc::resource::Target;
use pid_oidc::token::{TokenResponse, TokenType};
use pid_oidc::{ScopeSet, scope};
use pid_store::grants::{self, Grant};
use pid_store::protocol::ProtocolClient;
use pid_store::{ReadTx, WriteTx, apis};

use super::Outcome;
use crate::env::{Env, Snapshot};
use crate::protocol::{lifetimes, released_claims};
use crate::{Error, cimd};

/// What will be signed, after the commit.
#[derive(Debug)]
pub struct Unsigned {
    /// Of the client.
    pub(super) alg: Option<Alg>,
    /// Of the API, if that has one of its own.
    pub(super) api_alg: Option<Alg>,
    pub(super) subject: String,
    pub(super) client_id: String,
    pub(super) target: Target,
    pub(super) token_id: String,
    pub(super) issued_at: i64,
    pub(super) access_secs: i64,
    pub(super) jkt: Option<String>,
    pub(super) id_token: Option<IdToken>,
    pub(super) refresh_token: Option<String>,
}

/// A grant that was found good: tokens may be issued.
pub(super) struct Good<'a> {
    pub(super) client: &'a ProtocolClient,
    pub(super) grant: &'a Grant,
    pub(super) user: &'a User,
    pub(super) scopes: ScopeSet,
    pub(super) site: &'a Snapshot,
    /// The key that the access token is bound to.
    pub(super) jkt: Option<String>,
}

/// Records the refresh token at its place in the family, and what comes with it.
pub(super) fn issue(tx: &WriteTx<'_>, ctx: &Ctx, env: &Env, good: Good<'_>, sequence: u32) -> Result<Outcome, Error> {
    let (client, grant) = (good.client, good.grant);
    let token_id = ctx.entropy().uuid_at(ctx.now);
    let life = lifetimes(client);
    let (access_expires, refresh_expires) = (ctx.now.plus_secs(life.access), ctx.now.plus_secs(life.refresh));
    let refresh_token = derive_refresh_token(env, &grant.id, sequence);
    let row = grants::RefreshToken {
        grant_id: grant.id.clone(),
        sequence,
        jti: token_id.clone(),
        expires_at: refresh_expires,
        used_at: None,
        used_with: None,
    };
    grants::insert_refresh(tx, &sha256(refresh_token.as_bytes()), &row)?;
    // A code is bound for its client; a refresh token only if nothing else protects it.
    let bound = refresh_binding(client.is_public, grant.dpop_jkt.as_deref(), good.jkt.as_deref());
    grants::extend(tx, &grant.id, refresh_expires.max(access_expires), bound.as_deref())?;
    let refresh = Refresh { token: refresh_token, sequence, token_id, at: ctx.now };
    unsigned(tx, ctx, env, good, refresh)
}

/// A refresh token that exists, and what came with it.
pub(super) struct Refresh {
    pub(super) token: String,
    pub(super) sequence: u32,
    pub(super) token_id: String,
    pub(super) at: Timestamp,
}

/// The tokens that belong to a refresh token.
pub(super) fn unsigned(
    tx: &ReadTx<'_>,
    ctx: &Ctx,
    env: &Env,
    good: Good<'_>,
    refresh: Refresh,
) -> Result<Outcome, Error> {
    let Good { client, grant, user, scopes, site, jkt } = good;
    let (issued_at, life) = (refresh.at.secs(), lifetimes(client));
    let id_token = if scopes.contains(scope::OPENID) {
        Some(IdToken {
            issuer: env.app_url.origin.clone(),
            client_id: client.id.to_string(),
            issued_at,
            seconds: life.id_token,
            auth_time: grant.auth_time.secs(),
            requested_at: grant.requested_at.secs(),
            id: ctx.stream("id token").uuid(),
            // OpenID Connect Core §12.2: a refreshed ID token should not have a nonce.
            nonce: grant.nonce.clone().filter(|_| refresh.sequence == 0),
            at_hash: None,
            acr: grant.acr.clone(),
            amr: grant.amr.clone(),
            sid: Some(grant.session_id.to_string()),
            user: released_claims(
                tx,
                site,
                client.claim_mapping.as_deref(),
                user,
                grant,
                &scopes,
                Place::IdToken,
                &env.app_url.origin,
            )?,
        })
    } else {
        None
    };
    Ok(Outcome::Issued(Box::new(Unsigned {
        alg: client.signing_alg.as_deref().and_then(Alg::parse),
        api_alg: api_alg(tx, grant.resource.as_deref())?,
        subject: user.id.to_string(),
        client_id: client.id.to_string(),
        target: Target { resource: grant.resource.clone(), scopes },
        token_id: refresh.token_id,
        issued_at,
        access_secs: life.access,
        jkt,
        id_token,
        // It is kept all the same: the access token hangs on it.
        refresh_token: cimd::may(client, CimdGrant::RefreshToken).then_some(refresh.token),
    })))
}

/// The algorithm that an API reads, if it has one of its own.
pub(super) fn api_alg(tx: &ReadTx<'_>, resource: Option<&str>) -> Result<Option<Alg>, Error> {
    let Some(resource) = resource else { return Ok(None) };
    Ok(apis::signing_alg(tx, resource)?.as_deref().and_then(Alg::parse))
}

/// A refresh token is derived from its family and place, so that a repeated answer could be given again without
/// anything being stored in clear.
pub(super) fn derive_refresh_token(env: &Env, grant: &GrantId, sequence: u32) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, &env.refresh_token_key);
    let tag = hmac::sign(&key, format!("{grant} {sequence}").as_bytes());
    let mut secret = [0; 32];
    secret.copy_from_slice(tag.as_ref());
    format!("pocket_id_rt_{}", handle::make(grant.as_str(), sequence, &secret))
}

impl Unsigned {
    /// Signs: no transaction is open.
    pub fn sign(&self, env: &Env, keys: &KeySet) -> Result<TokenResponse, Error> {
        let signing = |alg| {
            keys.signing(alg).ok_or_else(|| {
                Error::with(crate::Code::Unavailable, "The signing key is still being made. Try again in a moment")
            })
        };
        let (key, api_key) = (signing(self.alg)?, signing(self.api_alg.or(self.alg))?);
        let issuer = env.app_url.origin.as_str();
        let access = AccessToken::new(
            issuer,
            &self.subject,
            &self.client_id,
            &self.target.scopes,
            self.token_id.as_str(),
            self.issued_at,
            self.access_secs,
        )
        .bound_to(self.jkt.clone());
        let access = match &self.target.resource {
            Some(resource) => access.for_resource(resource.as_str()),
            None => access,
        };
        let access_token = sign(api_key, Typ::AccessToken, &access).map_err(Error::internal)?;
        let id_token = match &self.id_token {
            Some(claims) => {
                let claims = IdToken { at_hash: at_hash(key.alg().as_str(), &access_token), ..claims.clone() };
                Some(sign(key, Typ::Jwt, &claims).map_err(Error::internal)?)
            }
            None => None,
        };
        Ok(TokenResponse {
            access_token,
            token_type: if self.jkt.is_some() { TokenType::Dpop } else { TokenType::Bearer },
            expires_in: self.access_secs,
            scope: self.target.scopes.clone(),
            refresh_token: self.refresh_token.clone(),
            id_token,
        })
    }
}
