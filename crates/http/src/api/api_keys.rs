//! API keys (api.md §18).

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{StatusCode, header};
use pid_core::api_keys::{ApiKey, Scope};
use pid_core::{ApiKeyId, Timestamp};
use pid_flows::api_keys::{self, ApiKeyInput, NewKey};
use pid_flows::change::Change;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::api::dto::PageDto;
use crate::error::ApiError;
use crate::extract::{Creds, IfMatch, Json, ListQuery, MergePatch, Path, RequestCtx, SessionCreds, UserCreds, etag};
use crate::state::App;

/// A key as it may be seen (api.md §11.9); `scopes` is ours.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "ApiKey")]
pub struct ApiKeyDto {
    id: String,
    name: String,
    description: Option<String>,
    expires_at: Timestamp,
    last_used_at: Option<Timestamp>,
    created_at: Timestamp,
    expiration_email_sent: bool,
    scopes: Vec<Scope>,
}

impl From<ApiKey> for ApiKeyDto {
    fn from(k: ApiKey) -> Self {
        Self {
            id: k.id.into_string(),
            name: k.name,
            description: k.description,
            expires_at: k.expires_at,
            last_used_at: k.last_used_at,
            created_at: k.created_at,
            expiration_email_sent: k.expiration_email_sent,
            scopes: k.scopes,
        }
    }
}

/// A key with its value, which is shown once.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "NewApiKey")]
pub struct NewApiKeyDto {
    api_key: ApiKeyDto,
    token: String,
}

fn shown_once(made: NewKey) -> Response {
    axum::Json(NewApiKeyDto { token: made.value.expose().to_owned(), api_key: made.key.into() }).into_response()
}

/// `GET /api/api-keys`.
pub async fn list(
    State(app): State<App>,
    RequestCtx(ctx): RequestCtx,
    Creds(creds): Creds,
    ListQuery(request): ListQuery,
) -> Result<Response, ApiError> {
    let page = app.db().read(move |tx| api_keys::list(tx, &creds.signed_in(tx, ctx.now)?, &request)).await?;
    Ok(axum::Json(PageDto::from(page.map(ApiKeyDto::from))).into_response())
}

fn answer(key: ApiKey) -> Response {
    ([(header::ETAG, etag(key.version))], axum::Json(ApiKeyDto::from(key))).into_response()
}

/// `GET /api/api-keys/{id}`.
pub async fn get(
    State(app): State<App>,
    RequestCtx(ctx): RequestCtx,
    Creds(creds): Creds,
    Path(id): Path<String>,
) -> Result<Response, ApiError> {
    let id = ApiKeyId::new(id);
    let found = app.db().read(move |tx| api_keys::get(tx, &creds.signed_in(tx, ctx.now)?, &id)).await?;
    Ok(answer(found))
}

/// `POST /api/api-keys`.
pub async fn create(
    State(app): State<App>,
    RequestCtx(ctx): RequestCtx,
    SessionCreds(creds): SessionCreds,
    Json(input): Json<ApiKeyInput>,
) -> Result<Response, ApiError> {
    let made = app
        .db()
        .write(move |tx| {
            let who = creds.session_user(tx, ctx.now)?;
            api_keys::create(tx, &ctx, &who, &input)
        })
        .await?;
    Ok((StatusCode::CREATED, shown_once(made)).into_response())
}

/// The body of a renewal.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(rename = "RenewInput", extend("required" = ["expiresAt"]))]
pub struct RenewBody {
    expires_at: Option<Timestamp>,
}

/// `POST /api/api-keys/{id}/renew`.
pub async fn renew(
    State(app): State<App>,
    RequestCtx(ctx): RequestCtx,
    SessionCreds(creds): SessionCreds,
    Path(id): Path<String>,
    Json(body): Json<RenewBody>,
) -> Result<Response, ApiError> {
    let id = ApiKeyId::new(id);
    let made = app
        .db()
        .write(move |tx| {
            let who = creds.session_user(tx, ctx.now)?;
            api_keys::renew(tx, &ctx, &who, &id, body.expires_at)
        })
        .await?;
    Ok(shown_once(made))
}

/// `PATCH /api/api-keys/{id}`.
pub async fn patch(
    State(app): State<App>,
    RequestCtx(ctx): RequestCtx,
    UserCreds(creds): UserCreds,
    Path(id): Path<String>,
    IfMatch(version): IfMatch,
    MergePatch(patch): MergePatch,
) -> Result<Response, ApiError> {
    let (id, change) = (ApiKeyId::new(id), Change::Merge(patch));
    let changed = app
        .db()
        .write(move |tx| {
            let who = creds.signed_in(tx, ctx.now)?;
            api_keys::update(tx, &ctx, &who, &id, &change, version)
        })
        .await?;
    Ok(answer(changed))
}

/// `DELETE /api/api-keys/{id}`.
pub async fn delete(
    State(app): State<App>,
    RequestCtx(ctx): RequestCtx,
    Creds(creds): Creds,
    Path(id): Path<String>,
    IfMatch(version): IfMatch,
) -> Result<StatusCode, ApiError> {
    let id = ApiKeyId::new(id);
    app.db()
        .write(move |tx| {
            let who = creds.signed_in(tx, ctx.now)?;
            api_keys::delete(tx, &ctx, &who, &id, version)
        })
        .await?;
    Ok(StatusCode::NO_CONTENT)
}
