//! What a client would be told about a person, without signing them in (oidc.md §24).

use pid_core::{ClientId, Ctx, FieldCode, UserId};
use pid_oidc::ScopeSet;
use pid_oidc::claims::{AccessToken, IdToken};
use pid_store::{ReadTx, users};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::env::{Env, Snapshot};
use crate::protocol::{claims_view, client, lifetimes, mapped, scope_claims, user_view};
use crate::roles::ReadsAll;
use crate::{Code, Error};

/// The claims as they would be now.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Preview {
    id_token: Value,
    access_token: Value,
    user_info: Map<String, Value>,
}

/// Computes the claims by the code that makes the real ones. `amr` is that of the caller's session.
pub fn preview(
    tx: &ReadTx<'_>,
    ctx: &Ctx,
    env: &Env,
    site: &Snapshot,
    _: &ReadsAll,
    amr: Vec<String>,
    client_id: &ClientId,
    user_id: &UserId,
    scopes: &str,
) -> Result<Preview, Error> {
    if scopes.trim().is_empty() {
        return Err(Error::field("scopes", FieldCode::Required, "must name at least one scope, for example openid"));
    }
    let (client, client_view) = client(tx, client_id.as_str())?.ok_or_else(|| Error::not_found("OIDC client"))?;
    let user = users::by_id(tx, user_id)?.ok_or_else(|| Error::new(Code::UserNotFound))?;
    if client_view.check_grant_user(Some(&user_view(tx, &user, &client_view)?)).is_err() {
        return Err(Error::new(Code::OidcAccessDenied));
    }
    let scopes = ScopeSet::parse(scopes)
        .map_err(|_| Error::field("scopes", FieldCode::InvalidFormat, "must be scopes separated by spaces"))?
        .retain(|scope| site.scopes.user_scopes().contains(scope));
    let (issuer, entropy, now) = (env.app_url.origin.as_str(), ctx.entropy(), ctx.now.secs());
    let view = claims_view(tx, &user)?;
    let claims = mapped(client.claim_mapping.as_deref(), &view, scope_claims(&view, site, &scopes, issuer));
    let life = lifetimes(&client);
    let id_token = IdToken {
        issuer: issuer.to_owned(),
        client_id: client.id.to_string(),
        issued_at: now,
        seconds: life.id_token,
        auth_time: now,
        requested_at: now,
        id: entropy.uuid(),
        nonce: None,
        at_hash: None,
        acr: None,
        amr,
        sid: None,
        user: claims.clone(),
    };
    let token_id = entropy.uuid();
    let access_token =
        AccessToken::new(issuer, user.id.as_str(), client.id.as_str(), &scopes, &token_id, now, life.access);
    Ok(Preview {
        id_token: serde_json::to_value(id_token).map_err(Error::internal)?,
        access_token: serde_json::to_value(access_token).map_err(Error::internal)?,
        user_info: claims,
    })
}
