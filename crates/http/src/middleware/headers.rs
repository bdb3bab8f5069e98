//! The outermost layer: request id, panic net, default headers, and the envelope of API errors.

use std::panic::AssertUnwindSafe;

use axum::body::Body;
use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt as _;
use http::{HeaderName, HeaderValue, StatusCode, header};
use pid_flows::Code;
use tracing::field::Empty;
use tracing::{Instrument as _, Span};

use crate::error::{ApiError, envelope};
use crate::i18n::Asked;
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

/// What is answered there is shown on the hosts of apps.
const FORWARD_AUTH: &str = "/api/forward-auth";

/// Pages whose address may carry a code or a state: they never tell other sites where one was.
pub(super) fn is_sensitive(path: &str) -> bool {
    const PATHS: [&str; 13] = [
        "/login",
        "/lc",
        "/st/",
        "/signup",
        "/setup",
        "/interaction",
        "/authorize",
        "/logout",
        "/api/oidc",
        "/device",
        "/not-me",
        "/verify-email",
        FORWARD_AUTH,
    ];
    PATHS.iter().any(|p| path.starts_with(p))
}

/// A path for the log: without the login code or sign-up token that it may end in (security case 46).
fn without_code(path: &str) -> &str {
    let secret = ["/lc/", "/st/", "/api/one-time-access-token/"].iter().find(|base| path.starts_with(**base));
    let older = path
        .strip_prefix("/login/")
        .is_some_and(|rest| !["alternative", "setup", "email"].iter().any(|known| rest.starts_with(known)));
    secret.map_or(if older { "/login/" } else { path }, |base| &path[..base.len()])
}

/// The span of a request: of the API and the protocol with what a collector wants to know, if one gets it.
fn span(app: &App, request: &Request, id: &str, path: &str) -> Span {
    let (method, shown) = (request.method(), without_code(path));
    let is_traced = ["/api/", "/.well-known/", "/authorize"].iter().any(|start| path.starts_with(start));
    let Some(tie) = app.traces().filter(|_| is_traced) else {
        return tracing::info_span!("request", id = %id, method = %method, path = %shown);
    };
    let route = request.extensions().get::<MatchedPath>().map_or("", MatchedPath::as_str);
    let span = tracing::info_span!(
        "exchange",
        id = %id,
        method = %method,
        path = %shown,
        otel.name = %format!("{method} {route}"),
        otel.kind = "server",
        otel.status_code = Empty,
        http.request.method = %method,
        http.route = route,
        http.response.status_code = Empty,
    );
    tie(&span, request.headers());
    span
}

/// Runs the inner service under a request id and dresses its response.
pub async fn layer(State(app): State<App>, mut request: Request, next: Next) -> Response {
    let id = pid_core::Entropy::new(crate::state::seed()).uuid();
    let path = request.uri().path().to_owned();
    let sensitive = is_sensitive(&path);
    let asked = Asked::of(request.headers());
    request.extensions_mut().insert(RequestId(id.clone()));
    let span = span(&app, &request, &id, &path);
    let outcome = AssertUnwindSafe(next.run(request).instrument(span.clone())).catch_unwind().await;
    let mut response = outcome.unwrap_or_else(|_| {
        span.in_scope(|| tracing::error!("a handler panicked"));
        ApiError::from(Code::Internal).into_response()
    });
    if let Some(ApiError(error)) = response.extensions_mut().remove::<ApiError>() {
        span.in_scope(|| tracing::debug!(code = error.code.as_str(), "refused"));
        if is_page(&path) || response.extensions().get::<ForPerson>().is_some() {
            response = fault(&app, &path, &error, &id, asked.words(None));
        } else {
            *response.body_mut() = Body::from(envelope(&error, asked.accepted(), &id));
            response.headers_mut().insert(header::CONTENT_TYPE, JSON_UTF_8);
        }
    }
    span.record("http.response.status_code", response.status().as_u16());
    if response.status().is_server_error() {
        span.record("otel.status_code", "ERROR");
    }
    let unread = response.status() == StatusCode::PAYLOAD_TOO_LARGE;
    let headers = response.headers_mut();
    if unread || app.is_stopping() {
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
    // What holds for our host need not hold for another.
    if app.env().app_url.https && !path.starts_with(FORWARD_AUTH) {
        headers.entry(header::STRICT_TRANSPORT_SECURITY).or_insert(HSTS);
    }
    if let Ok(id) = HeaderValue::from_str(&id) {
        headers.insert(X_REQUEST_ID.clone(), id);
    }
    response
}
