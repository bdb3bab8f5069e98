//! A client's back-channel logout, as its page shows it.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use pid_core::Timestamp;
use pid_core::ids::client_id_from_path;
use pid_flows::backchannel_logout::{self, Delivery};
use pid_flows::outbox::LOGOUT_TEST;
use pid_store::WriteTx;
use schemars::JsonSchema;
use serde::Serialize;

use crate::error::ApiError;
use crate::extract::{Creds, Path, RequestCtx};
use crate::outbox::post_logout_token;
use crate::state::App;

/// A delivery on the wire.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "LogoutDelivery")]
pub struct DeliveryDto {
    id: String,
    /// `logout` or `test`.
    #[schemars(extend("enum" = ["logout", "test"]))]
    kind: &'static str,
    /// `waiting`, `delivered`, `failed` or `dropped`.
    #[schemars(extend("enum" = ["waiting", "delivered", "failed", "dropped"]))]
    state: &'static str,
    attempts: i64,
    created_at: Timestamp,
    attempted_at: Option<Timestamp>,
    next_attempt_at: Option<Timestamp>,
    /// The HTTP status of the last answer.
    status: Option<i64>,
    /// The kind of the last failure; never what the other side said.
    failure: Option<String>,
    #[serde(rename = "userID")]
    user_id: String,
    #[serde(rename = "sessionID")]
    session_id: String,
}

impl From<Delivery> for DeliveryDto {
    fn from(delivery: Delivery) -> Self {
        let entry = delivery.entry;
        Self {
            kind: if entry.kind == LOGOUT_TEST { "test" } else { "logout" },
            state: entry.state.as_str(),
            attempts: entry.attempts,
            created_at: entry.created_at,
            attempted_at: entry.attempted_at,
            next_attempt_at: entry.due_at,
            status: entry.status,
            failure: entry.failure,
            user_id: delivery.notice.user_id,
            session_id: delivery.notice.session_id,
            id: entry.id,
        }
    }
}

/// `GET /api/oidc/clients/{id}/backchannel-logout/deliveries`: the latest 50, the newest first.
pub async fn deliveries(
    State(app): State<App>,
    RequestCtx(ctx): RequestCtx,
    Creds(creds): Creds,
    Path(id): Path<String>,
) -> Result<Response, ApiError> {
    let id = client_id_from_path(&id);
    let found =
        app.db().read(move |tx| backchannel_logout::deliveries(tx, &creds.reads_all(tx, ctx.now)?, &id)).await?;
    Ok(axum::Json(found.into_iter().map(DeliveryDto::from).collect::<Vec<_>>()).into_response())
}

/// `POST /api/oidc/clients/{id}/backchannel-logout/test`: sends a logout token about a session that nobody has, at once,
/// and answers with what became of it.
pub async fn test(
    State(app): State<App>,
    RequestCtx(ctx): RequestCtx,
    Creds(creds): Creds,
    Path(id): Path<String>,
) -> Result<Response, ApiError> {
    let id = client_id_from_path(&id);
    let asked = ctx.clone();
    let asking = creds.clone();
    let test =
        app.db().read(move |tx| backchannel_logout::test(tx, &asked, &asking.admin(tx, asked.now)?, &id)).await?;
    let token = test.token(&ctx, app.env(), &app.keys())?;
    let answer = post_logout_token(&app, test.url(), &token).await;
    let keep =
        move |tx: &WriteTx<'_>| backchannel_logout::keep_test(tx, &ctx, &creds.admin(tx, ctx.now)?, &test, &answer);
    let kept = app.db().write(keep).await?;
    Ok(axum::Json(DeliveryDto::from(kept)).into_response())
}
