//! Signing keys: what there is, rotation without a restart, revocation. Not in the contract, which has one key.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use pid_core::{KeyState, Timestamp};
use pid_flows::keys::{self, Wish};
use pid_jose::rotation::LEAD;
use pid_store::keys::StoredKey;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::error::ApiError;
use crate::extract::{Creds, Json, Path, RequestCtx};
use crate::state::App;

/// A key as an administrator sees it; never its private part.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "SigningKey")]
pub struct SigningKeyDto {
    kid: String,
    alg: String,
    /// `next`, `active`, `retired` or `revoked`.
    #[schemars(extend("enum" = ["next", "active", "retired", "revoked"]))]
    state: &'static str,
    created_at: Timestamp,
    /// When it began to sign, or will at the earliest.
    signs_from: Option<Timestamp>,
    /// When it stopped.
    signed_until: Option<Timestamp>,
    /// Until when the JWKS shows it: its last token has expired then.
    published_until: Option<Timestamp>,
}

impl From<StoredKey> for SigningKeyDto {
    fn from(key: StoredKey) -> Self {
        let waits = (key.state == KeyState::Next).then(|| key.created_at.plus_secs(LEAD));
        Self {
            kid: key.kid,
            alg: key.alg,
            state: key.state.as_str(),
            created_at: key.created_at,
            signs_from: key.activated_at.or(waits),
            signed_until: key.retired_at,
            published_until: key.publish_until.filter(|_| key.state == KeyState::Retired),
        }
    }
}

/// `GET /api/signing-keys`: the newest first.
pub async fn list(
    State(app): State<App>,
    RequestCtx(ctx): RequestCtx,
    Creds(creds): Creds,
) -> Result<Response, ApiError> {
    let found = app.db().read(move |tx| keys::list(tx, &creds.reads_all(tx, ctx.now)?)).await?;
    Ok(axum::Json(found.into_iter().map(SigningKeyDto::from).collect::<Vec<_>>()).into_response())
}

/// The body of a rotation.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(rename = "RotateInput")]
pub struct RotateBody {
    /// The algorithm; the default one without.
    alg: Option<String>,
    /// Whether the new key signs from now on, which relying parties notice that keep the JWKS for a while.
    now: bool,
}

/// `POST /api/signing-keys/rotate`: publishes the next key, which signs after 24 hours, or at once with `now`. Answers
/// with the keys. If the next key waits already nothing is done.
pub async fn rotate(
    State(app): State<App>,
    RequestCtx(ctx): RequestCtx,
    Creds(creds): Creds,
    Json(body): Json<RotateBody>,
) -> Result<Response, ApiError> {
    let (who, now, name) = (creds.clone(), ctx.now, body.alg.unwrap_or_else(|| "RS256".to_owned()));
    let alg = app
        .db()
        .read(move |tx| {
            who.admin(tx, now)?;
            keys::rotatable(tx, &name)
        })
        .await?;
    let wish = Wish::Rotate { alg, at_once: body.now };
    crate::keys::carry_out(app.db(), app.sealer(), ctx.clone(), Some(creds.clone()), wish).await?;
    app.reload_snapshot().await?;
    list(State(app), RequestCtx(ctx), Creds(creds)).await
}

/// `DELETE /api/signing-keys/{kid}`: ends a key that leaked, and the tokens that it signed. The next key signs from now
/// on, or a new one.
pub async fn revoke(
    State(app): State<App>,
    RequestCtx(ctx): RequestCtx,
    Creds(creds): Creds,
    Path(kid): Path<String>,
) -> Result<Response, ApiError> {
    crate::keys::carry_out(app.db(), app.sealer(), ctx, Some(creds), Wish::Revoke { kid }).await?;
    app.reload_snapshot().await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}
