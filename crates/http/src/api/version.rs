//! The version (api.md §24.3): the level of the contract that clients gate on, and our own beside it.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{Uri, header};
use serde_json::json;

use crate::error::ApiError;
use crate::extract::{Creds, RequestCtx, cache_control};
use crate::state::App;

/// The release whose API this server speaks.
pub const CONTRACT: &str = "2.14.0";
/// Our own version.
pub const OWN: &str = env!("CARGO_PKG_VERSION");

/// `GET /api/version/current`.
pub async fn current(
    State(app): State<App>,
    RequestCtx(ctx): RequestCtx,
    Creds(creds): Creds,
) -> Result<Response, ApiError> {
    app.db().read(move |tx| creds.signed_in(tx, ctx.now).map(|_| ())).await?;
    Ok(axum::Json(json!({ "currentVersion": CONTRACT, "serverVersion": OWN })).into_response())
}

/// `GET /api/version/latest`: nothing is asked of anybody, so the level is always the latest that is known.
pub async fn latest(uri: Uri) -> Response {
    let cached = [(header::CACHE_CONTROL, cache_control(&uri, "public, max-age=300, stale-while-revalidate=900"))];
    (cached, axum::Json(json!({ "latestVersion": CONTRACT, "serverVersion": OWN }))).into_response()
}
