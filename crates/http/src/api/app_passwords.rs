//! App passwords: for programs that use an app behind a proxy, where nobody can use a passkey.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use pid_core::Timestamp;
use pid_flows::forward_auth::app_passwords;
use pid_store::forward_auth::AppPassword;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::error::ApiError;
use crate::extract::{Creds, Json, Path, RequestCtx, SessionCreds};
use crate::state::App;

/// An app password as it may be seen.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "AppPassword")]
pub struct AppPasswordDto {
    id: String,
    name: String,
    client_id: String,
    client_name: String,
    created_at: Timestamp,
    last_used_at: Option<Timestamp>,
}

impl From<AppPassword> for AppPasswordDto {
    fn from(p: AppPassword) -> Self {
        Self {
            id: p.id,
            name: p.name,
            client_id: p.client_id.into_string(),
            client_name: p.client_name,
            created_at: p.created_at,
            last_used_at: p.last_used_at,
        }
    }
}

/// An app password with its value, which is shown once.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "NewAppPassword")]
pub struct NewAppPasswordDto {
    app_password: AppPasswordDto,
    secret: String,
}

/// What a new app password is for.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(rename = "AppPasswordInput", extend("required" = ["name", "clientId"]))]
pub struct AppPasswordBody {
    /// What will use it, 1–50 characters.
    name: String,
    /// The app that it lets into: a client of the type `proxy` that takes app passwords.
    client_id: String,
}

/// `GET /api/app-passwords`.
pub async fn list(
    State(app): State<App>,
    RequestCtx(ctx): RequestCtx,
    Creds(creds): Creds,
) -> Result<Response, ApiError> {
    let found = app.db().read(move |tx| app_passwords::list(tx, &creds.signed_in(tx, ctx.now)?)).await?;
    Ok(axum::Json(found.into_iter().map(AppPasswordDto::from).collect::<Vec<_>>()).into_response())
}

/// `POST /api/app-passwords`.
pub async fn create(
    State(app): State<App>,
    RequestCtx(ctx): RequestCtx,
    SessionCreds(creds): SessionCreds,
    Json(body): Json<AppPasswordBody>,
) -> Result<Response, ApiError> {
    let made = app
        .db()
        .write(move |tx| {
            let who = creds.session_user(tx, ctx.now)?;
            app_passwords::create(tx, &ctx, &who, &body.client_id, &body.name)
        })
        .await?;
    let (app_password, secret) = (made.0.into(), made.1.expose().to_owned());
    Ok((StatusCode::CREATED, axum::Json(NewAppPasswordDto { app_password, secret })).into_response())
}

/// `DELETE /api/app-passwords/{id}`.
pub async fn delete(
    State(app): State<App>,
    RequestCtx(ctx): RequestCtx,
    Creds(creds): Creds,
    Path(id): Path<String>,
) -> Result<StatusCode, ApiError> {
    app.db()
        .write(move |tx| {
            let who = creds.signed_in(tx, ctx.now)?;
            app_passwords::delete(tx, &ctx, &who, &id)
        })
        .await?;
    Ok(StatusCode::NO_CONTENT)
}
