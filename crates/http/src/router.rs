//! The table of contents: every route once.

use axum::extract::Request;
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use http::{Method, StatusCode, Uri, header};
use serde_json::json;

use crate::middleware::{client_ip, csrf, headers, limit};
use crate::state::App;

/// All routes with their layers.
pub fn router(app: App) -> Router {
    let management = management().route_layer(csrf::layer(&app.env().app_url));
    Router::new()
        .merge(management)
        .merge(protocol())
        .route_layer(from_fn_with_state(app.clone(), limit::layer))
        .merge(pages())
        .route("/healthz", get(|| async { StatusCode::NO_CONTENT }))
        .fallback(unknown)
        .method_not_allowed_fallback(unknown)
        .layer(from_fn(trailing_slash))
        .layer(from_fn_with_state(app.clone(), client_ip::layer))
        .layer(from_fn_with_state(app.clone(), headers::layer))
        .with_state(app)
}

/// The management API (api.md §12): cookie-authenticated, so protected against cross-site requests.
fn management() -> Router<App> {
    Router::new()
}

/// OAuth 2.0 and OpenID Connect (oidc.md §1).
fn protocol() -> Router<App> {
    Router::new()
}

/// Pages (ui.md §1.2) and their assets.
fn pages() -> Router<App> {
    Router::new()
}

/// Unknown paths and wrong methods: the contract's 404.
async fn unknown(uri: Uri) -> Response {
    let path = uri.path();
    if path.starts_with("/api/") || path == "/api" || path.starts_with("/.well-known/") {
        return (StatusCode::NOT_FOUND, Json(json!({ "error": "API endpoint not found" }))).into_response();
    }
    StatusCode::NOT_FOUND.into_response()
}

/// A known route plus `/` is redirected to the route: 301 for GET and HEAD, 307 otherwise (api.md §1).
async fn trailing_slash(request: Request, next: Next) -> Response {
    let path = request.uri().path();
    if path.len() > 1 && path.ends_with('/') && !path.starts_with("//") {
        let bare = path.trim_end_matches('/');
        let target = match request.uri().query() {
            Some(query) => format!("{bare}?{query}"),
            None => bare.to_owned(),
        };
        if !bare.is_empty() && !bare.contains("//") && !bare.contains('\\') {
            let status = match *request.method() {
                Method::GET | Method::HEAD => StatusCode::MOVED_PERMANENTLY,
                _ => StatusCode::TEMPORARY_REDIRECT,
            };
            return (status, [(header::LOCATION, target)]).into_response();
        }
    }
    next.run(request).await
}
