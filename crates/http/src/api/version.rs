//! The version (api.md §24.3): the level of the contract that clients gate on, and our own beside it.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{Uri, header};
use schemars::JsonSchema;
use serde::Serialize;

use crate::error::ApiError;
use crate::extract::{Creds, RequestCtx, cache_control};
use crate::state::App;

/// The release whose API this server speaks.
pub const CONTRACT: &str = "2.14.0";
/// Our own version.
pub const OWN: &str = env!("CARGO_PKG_VERSION");

/// The version as clients ask for it.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CurrentVersion {
    current_version: &'static str,
    /// This program's own.
    server_version: &'static str,
}

/// The latest version that is known.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LatestVersion {
    latest_version: &'static str,
    /// This program's own.
    server_version: &'static str,
}

/// `GET /api/version/current`.
pub async fn current(
    State(app): State<App>,
    RequestCtx(ctx): RequestCtx,
    Creds(creds): Creds,
) -> Result<Response, ApiError> {
    app.db().read(move |tx| creds.signed_in(tx, ctx.now).map(|_| ())).await?;
    Ok(axum::Json(CurrentVersion { current_version: CONTRACT, server_version: OWN }).into_response())
}

/// `GET /api/version/latest`: nothing is asked of anybody, so the level is always the latest that is known.
pub async fn latest(uri: Uri) -> Response {
    let cached = [(header::CACHE_CONTROL, cache_control(&uri, "public, max-age=300, stale-while-revalidate=900"))];
    (cached, axum::Json(LatestVersion { latest_version: CONTRACT, server_version: OWN })).into_response()
}
