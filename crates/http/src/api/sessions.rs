//! Sessions: where people are signed in, and its end.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum_extra::extract::CookieJar;
use http::StatusCode;
use pid_core::{SessionId, Timestamp, UserId};
use pid_flows::sessions::{self, Shown};
use pid_integrations::device;
use schemars::JsonSchema;
use serde::Serialize;

use crate::cookies;
use crate::error::ApiError;
use crate::extract::{Creds, Path, RequestCtx};
use crate::state::App;

/// A session on the wire.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "Session")]
pub struct SessionDto {
    id: String,
    /// The browser and the system in words.
    device: String,
    ip_address: String,
    country: String,
    city: String,
    /// How the latest sign-in was made: `passkey`, `setup`, `signup`, `admin_code`, `cli_code`, `mail_code`,
    /// `self_code`, `device`.
    #[schemars(extend("examples" = ["passkey"]))]
    sign_in_method: &'static str,
    first_seen_at: Timestamp,
    signed_in_at: Timestamp,
    last_seen_at: Timestamp,
    expires_at: Timestamp,
    /// The session that asks.
    is_current: bool,
    /// Whether it still signs in here. If not, apps live on it.
    is_active: bool,
    /// Whether it only signs in to apps.
    is_limited: bool,
}

impl From<Shown> for SessionDto {
    fn from(shown: Shown) -> Self {
        let session = shown.open.session;
        Self {
            device: device::in_words(&shown.open.user_agent),
            ip_address: shown.open.ip_address,
            country: shown.place.country,
            city: shown.place.city,
            sign_in_method: session.began_by.as_str(),
            first_seen_at: shown.open.first_seen_at,
            signed_in_at: session.created_at,
            last_seen_at: shown.open.last_seen_at,
            expires_at: session.expires_at,
            is_current: shown.is_current,
            is_active: shown.is_active,
            is_limited: session.is_limited(),
            id: session.id.into_string(),
        }
    }
}

fn list(sessions: Vec<Shown>) -> Response {
    axum::Json(sessions.into_iter().map(SessionDto::from).collect::<Vec<_>>()).into_response()
}

/// `GET /api/sessions`: one's own.
pub async fn list_own(
    State(app): State<App>,
    RequestCtx(ctx): RequestCtx,
    Creds(creds): Creds,
) -> Result<Response, ApiError> {
    let rule = move |tx: &pid_store::ReadTx<'_>| {
        sessions::list_own(tx, &ctx, creds.idle_minutes, &creds.signed_in(tx, ctx.now)?)
    };
    Ok(list(app.db().read(rule).await?))
}

/// `DELETE /api/sessions`: all one's own but the one that asks.
pub async fn remove_others(
    State(app): State<App>,
    RequestCtx(ctx): RequestCtx,
    Creds(creds): Creds,
) -> Result<StatusCode, ApiError> {
    app.db().write(move |tx| sessions::remove_others(tx, &ctx, &creds.signed_in(tx, ctx.now)?)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// `DELETE /api/sessions/{id}`: one of one's own; that of this browser too, which is then signed out.
pub async fn remove_own(
    State(app): State<App>,
    RequestCtx(ctx): RequestCtx,
    Creds(creds): Creds,
    jar: CookieJar,
    Path(id): Path<String>,
) -> Result<Response, ApiError> {
    let id = SessionId::new(id);
    let was_current =
        app.db().write(move |tx| sessions::remove_own(tx, &ctx, &creds.signed_in(tx, ctx.now)?, &id)).await?;
    let jar = if was_current { jar.add(cookies::no_session(app.env())) } else { jar };
    Ok((StatusCode::NO_CONTENT, jar).into_response())
}

/// `GET /api/users/{id}/sessions`.
pub async fn list_of(
    State(app): State<App>,
    RequestCtx(ctx): RequestCtx,
    Creds(creds): Creds,
    Path(user): Path<String>,
) -> Result<Response, ApiError> {
    let user = UserId::new(user);
    let rule = move |tx: &pid_store::ReadTx<'_>| {
        sessions::list_of(tx, &ctx, creds.idle_minutes, &creds.reads_people(tx, ctx.now)?, &user)
    };
    Ok(list(app.db().read(rule).await?))
}

/// `DELETE /api/users/{id}/sessions`.
pub async fn remove_all_of(
    State(app): State<App>,
    RequestCtx(ctx): RequestCtx,
    Creds(creds): Creds,
    Path(user): Path<String>,
) -> Result<StatusCode, ApiError> {
    let user = UserId::new(user);
    app.db()
        .write(move |tx| {
            let who = creds.manages_people(tx, ctx.now)?;
            sessions::remove_all_of(tx, &ctx, &who.person(tx, &user)?)
        })
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// `DELETE /api/users/{id}/sessions/{sessionId}`.
pub async fn remove_of(
    State(app): State<App>,
    RequestCtx(ctx): RequestCtx,
    Creds(creds): Creds,
    Path((user, id)): Path<(String, String)>,
) -> Result<StatusCode, ApiError> {
    let (user, id) = (UserId::new(user), SessionId::new(id));
    app.db()
        .write(move |tx| {
            let who = creds.manages_people(tx, ctx.now)?;
            sessions::remove_of(tx, &ctx, &who.person(tx, &user)?, &id)
        })
        .await?;
    Ok(StatusCode::NO_CONTENT)
}
