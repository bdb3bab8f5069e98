//! The outermost layer: request id, panic net, default headers, and the envelope of API errors.

use std::panic::AssertUnwindSafe;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt as _;
use http::{HeaderName, HeaderValue, StatusCode, header};
use pid_flows::Code;
use tracing::Instrument as _;

use crate::error::{ApiError, envelope};
use crate::pages::error::{ForPerson, fault, is_page};
use crate::state::App;

/// The request's id: a fresh UUID v4, never taken from the client.
#[derive(Clone, Debug)]
pub struct RequestId(pub String);

static X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The policy of every page: our own scripts and styles, pictures from anywhere, never framed.
const CSP: HeaderValue = HeaderValue::from_static(
    "default-src 'self'; base-uri 'self'; object-src 'none'; frame-ancestors 'none'; form-action 'self'; img-src * data: blob:",
);
const CLOSE: HeaderValue = HeaderValue::from_static("close");
const JSON: HeaderValue = HeaderValue::from_static("application/json");
const JSON_UTF_8: HeaderValue = HeaderValue::from_static("application/json; charset=utf-8");
const NO_STORE: HeaderValue = HeaderValue::from_static("private, no-store");
const NOSNIFF: HeaderValue = HeaderValue::from_static("nosniff");
const SAME_ORIGIN: HeaderValue = HeaderValue::from_static("same-origin");
const NO_REFERRER: HeaderValue = HeaderValue::from_static("no-referrer");
const HSTS: HeaderValue = HeaderValue::from_static("max-age=31536000");

/// Pages whose address may carry a code or a state: they never tell other sites where one was.
fn is_sensitive(path: &str) -> bool {
    ["/login", "/lc", "/st/", "/signup", "/setup", "/interaction", "/authorize", "/logout", "/api/oidc", "/device"]
        .iter()
        .any(|p| path.starts_with(p))
}

/// A path for the log: without the login code or sign-up token that it may end in (security case 46).
fn without_code(path: &str) -> &str {
    let secret = ["/lc/", "/st/", "/api/one-time-access-token/"].iter().find(|base| path.starts_with(**base));
    secret.map_or(path, |base| &path[..base.len()])
}

/// Runs the inner service under a request id and dresses its response.
pub async fn layer(State(app): State<App>, mut request: Request, next: Next) -> Response {
    let id = pid_core::Entropy::new(crate::state::seed()).uuid();
    let path = request.uri().path().to_owned();
    let sensitive = is_sensitive(&path);
    request.extensions_mut().insert(RequestId(id.clone()));
    let span = tracing::info_span!("request", id = %id, method = %request.method(), path = %without_code(&path));
    let outcome = AssertUnwindSafe(next.run(request).instrument(span.clone())).catch_unwind().await;
    let mut response = outcome.unwrap_or_else(|_| {
        span.in_scope(|| tracing::error!("a handler panicked"));
        ApiError::from(Code::Internal).into_response()
    });
    if let Some(ApiError(error)) = response.extensions_mut().remove::<ApiError>() {
        span.in_scope(|| tracing::debug!(code = error.code.as_str(), "refused"));
        if is_page(&path) || response.extensions().get::<ForPerson>().is_some() {
            response = fault(&app, &path, &error, &id);
        } else {
            *response.body_mut() = Body::from(envelope(&error, &id));
            response.headers_mut().insert(header::CONTENT_TYPE, JSON_UTF_8);
        }
    }
    let unread = response.status() == StatusCode::PAYLOAD_TOO_LARGE;
    let headers = response.headers_mut();
    if unread {
        // Its body is not read to the end, so the connection can't go on: RFC 9112 §9.6 wants that said, or a client
        // sends its next request into the void.
        headers.insert(header::CONNECTION, CLOSE);
    }
    if headers.get(header::CONTENT_TYPE) == Some(&JSON) {
        headers.insert(header::CONTENT_TYPE, JSON_UTF_8);
    }
    headers.entry(header::CACHE_CONTROL).or_insert(NO_STORE);
    headers.entry(header::CONTENT_SECURITY_POLICY).or_insert(CSP);
    headers.entry(header::X_CONTENT_TYPE_OPTIONS).or_insert(NOSNIFF);
    headers.entry(header::REFERRER_POLICY).or_insert(if sensitive { NO_REFERRER } else { SAME_ORIGIN });
    if app.env().app_url.https {
        headers.entry(header::STRICT_TRANSPORT_SECURITY).or_insert(HSTS);
    }
    if let Ok(id) = HeaderValue::from_str(&id) {
        headers.insert(X_REQUEST_ID.clone(), id);
    }
    response
}
