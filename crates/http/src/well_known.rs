//! What browsers and password managers look up about the passkeys of this site.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use serde_json::json;

use crate::state::App;

const AN_HOUR: [(header::HeaderName, HeaderValue); 1] =
    [(header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=3600"))];

/// `/.well-known/webauthn`: the origins that may use passkeys of this one, `APP_URL`'s (WebAuthn L3 §5.11). It isn't cached:
/// what is taken out counts no more. Without any there is no such document.
pub async fn related_origins(State(app): State<App>) -> Response {
    let origins = app.settings().related_origins();
    if origins.is_empty() {
        let none = json!({ "error": "No other origins are related to this one" });
        return (StatusCode::NOT_FOUND, axum::Json(none)).into_response();
    }
    axum::Json(json!({ "origins": origins })).into_response()
}

/// `/.well-known/passkey-endpoints`: where people add and manage their passkeys (W3C, A Well-Known URL for Relying Party
/// Passkey Endpoints).
pub async fn passkey_endpoints(State(app): State<App>) -> Response {
    let account = format!("{}/settings/account", app.env().app_url.origin);
    (AN_HOUR, axum::Json(json!({ "enroll": account, "manage": account }))).into_response()
}
