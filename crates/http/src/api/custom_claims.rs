//! Custom claims (api.md §15).

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header;
use pid_core::claims::CustomClaim;
use pid_core::{GroupId, UserId};
use pid_flows::claims;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::error::ApiError;
use crate::extract::{Creds, IfMatch, Json, ManagerCreds, Path, RequestCtx, etag};
use crate::state::App;

/// A claim as it is sent; what is missing is empty, and refused with its field.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(extend("required" = ["key", "value"]))]
pub struct ClaimBody {
    key: String,
    value: String,
}

fn list(body: Vec<ClaimBody>) -> Vec<CustomClaim> {
    body.into_iter().map(|c| CustomClaim { key: c.key, value: c.value }).collect()
}

/// `GET /api/custom-claims/suggestions`.
pub async fn suggestions(
    State(app): State<App>,
    RequestCtx(ctx): RequestCtx,
    Creds(creds): Creds,
) -> Result<Response, ApiError> {
    let keys = app.db().read(move |tx| claims::suggestions(tx, &creds.reads_people(tx, ctx.now)?)).await?;
    Ok(axum::Json(keys).into_response())
}

/// `PUT /api/custom-claims/user/{userId}`.
pub async fn set_of_user(
    State(app): State<App>,
    RequestCtx(ctx): RequestCtx,
    ManagerCreds(creds): ManagerCreds,
    Path(id): Path<String>,
    IfMatch(version): IfMatch,
    Json(body): Json<Vec<ClaimBody>>,
) -> Result<Response, ApiError> {
    let (id, list) = (UserId::new(id), list(body));
    let (stored, version) = app
        .db()
        .write(move |tx| {
            let who = creds.manages_people(tx, ctx.now)?;
            claims::set_of_user(tx, &ctx, &who.person(tx, &id)?, &list, version)
        })
        .await?;
    Ok(([(header::ETAG, etag(version))], axum::Json(stored)).into_response())
}

/// `PUT /api/custom-claims/user-group/{userGroupId}`.
pub async fn set_of_group(
    State(app): State<App>,
    RequestCtx(ctx): RequestCtx,
    ManagerCreds(creds): ManagerCreds,
    Path(id): Path<String>,
    IfMatch(version): IfMatch,
    Json(body): Json<Vec<ClaimBody>>,
) -> Result<Response, ApiError> {
    let (id, list) = (GroupId::new(id), list(body));
    let (stored, version) = app
        .db()
        .write(move |tx| {
            let who = creds.manages_people(tx, ctx.now)?;
            claims::set_of_group(tx, &ctx, &who.group(tx, &id)?, &list, version)
        })
        .await?;
    Ok(([(header::ETAG, etag(version))], axum::Json(stored)).into_response())
}
