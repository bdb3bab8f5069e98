//! Is the process alive, and can it serve? Orchestrators ask; nobody needs to be signed in, and no limit applies.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{StatusCode, header};
use pid_flows::setup;

use crate::state::App;

/// `GET /healthz`, and `GET /health`: 204 as long as the process answers, whatever the store does (api.md §24.4).
pub async fn health() -> StatusCode {
    StatusCode::NO_CONTENT
}

/// `GET /readyz`: 204 when the store answers and there is a key to sign with, else 503 and why. A start is healthy
/// before it is ready: the first RSA key takes a moment.
pub async fn ready(State(app): State<App>) -> Response {
    let wait = |why: &'static str| {
        (StatusCode::SERVICE_UNAVAILABLE, [(header::RETRY_AFTER, "1")], format!("{why}\n")).into_response()
    };
    // Before anything is closed, so that a proxy sends its next requests elsewhere.
    if app.is_stopping() {
        return wait("The server is stopping.");
    }
    if !app.keys().is_ready() {
        return wait("The signing key is still being made.");
    }
    match app.db().read(setup::is_open).await {
        Ok(_) => StatusCode::NO_CONTENT.into_response(),
        Err(_) => wait("The database is not available."),
    }
}
