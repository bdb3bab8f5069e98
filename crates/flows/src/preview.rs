//! What a client would be told about a person, without signing them in (oidc.md §24).

use pid_core::{ClientId, Ctx, FieldCode, UserId};
use pid_oidc::ScopeSet;
use pid_oidc::claims::{AccessToken, IdToken, user_claims};
use pid_store::{ReadTx, users};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::access::Admin;
use crate::env::Env;
use crate::protocol::{claims_view, client, user_view};
use crate::{Code, Error};

/// The claims as they would be now.
#[derive(Debug, Serialize)]
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
    _: &Admin,
    amr: Vec<String>,
    client_id: &ClientId,
    user_id: &UserId,
    scopes: &str,
) -> Result<Preview, Error> {
    if scopes.trim().is_empty() {
        return Err(Error::field("scopes", FieldCode::Required, "must name at least one scope, for example openid"));
    }
    let (client, view) = client(tx, client_id.as_str())?.ok_or_else(|| Error::not_found("OIDC client"))?;
    let user = users::by_id(tx, user_id)?.ok_or_else(|| Error::new(Code::UserNotFound))?;
    if view.check_grant_user(Some(&user_view(tx, &user, &view)?)).is_err() {
        return Err(Error::new(Code::OidcAccessDenied));
    }
    let scopes = ScopeSet::parse(scopes)
        .map_err(|_| Error::field("scopes", FieldCode::InvalidFormat, "must be scopes separated by spaces"))?
        .identity();
    let (issuer, entropy, now) = (env.app_url.origin.as_str(), ctx.entropy(), ctx.now.secs());
    let claims = user_claims(&claims_view(tx, &user)?, &scopes, issuer);
    let id_token = IdToken {
        issuer: issuer.to_owned(),
        client_id: client.id.to_string(),
        issued_at: now,
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
    let lifetime = client.access_token_minutes * 60;
    let access_token =
        AccessToken::new(issuer, user.id.as_str(), client.id.as_str(), &scopes, &token_id, now, lifetime);
    Ok(Preview {
        id_token: serde_json::to_value(id_token).map_err(Error::internal)?,
        access_token: serde_json::to_value(access_token).map_err(Error::internal)?,
        user_info: claims,
    })
}
