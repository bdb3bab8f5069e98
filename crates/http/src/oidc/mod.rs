//! The OAuth 2.0 and OpenID Connect endpoints (oidc.md §1).

pub mod authorize;
pub mod end_session;
pub mod form_post;
pub mod interactions;
pub mod metadata;
pub mod token;
pub mod userinfo;

use axum::body::Bytes;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use pid_oidc::{ErrorCode, OAuthError, Params};

use crate::error::ApiError;
use crate::pages::error::ForPerson;

/// The largest form, bytes.
pub(crate) const FORM_LIMIT: usize = 1024 * 1024;

/// Reads a form body: urlencoded. Another content type is told so.
pub(crate) fn form(headers: &HeaderMap, body: &Bytes) -> Result<Params, OAuthError> {
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
    let media_type = content_type.split(';').next().unwrap_or_default().trim();
    if body.is_empty() || media_type.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
        return Ok(Params::parse(body)?);
    }
    Err(OAuthError::invalid_request("Send a form: Content-Type: application/x-www-form-urlencoded."))
}

pub(crate) fn authorization(headers: &HeaderMap) -> Option<&str> {
    headers.get(header::AUTHORIZATION).map(|v| v.to_str().unwrap_or("invalid"))
}

/// The JSON of RFC 6749 §5.2 with its status and challenge.
pub(crate) fn oauth_error(error: &OAuthError) -> Response {
    let status = StatusCode::from_u16(error.status()).unwrap_or(StatusCode::BAD_REQUEST);
    let mut response = (status, axum::Json(error.body())).into_response();
    if let Some(challenge) = error.challenge().and_then(|c| HeaderValue::from_str(c).ok()) {
        response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
    }
    never_stored(response)
}

/// A fault of ours in the words of OAuth: 503 when the store or the key is not there, 429 with `Retry-After`, else 500.
pub(crate) fn fault(error: &pid_flows::Error) -> Response {
    use pid_flows::Code;
    let oauth = match error.code {
        Code::Unavailable | Code::RateLimited => {
            OAuthError::new(ErrorCode::TemporarilyUnavailable, error.message.clone())
        }
        _ => OAuthError::new(ErrorCode::ServerError, error.message.clone()),
    };
    let mut response = oauth_error(&oauth);
    if error.code == Code::RateLimited {
        *response.status_mut() = StatusCode::TOO_MANY_REQUESTS;
        if let Some(secs) = error.retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(secs));
        }
    }
    response
}

/// `no-store` for answers with codes, tokens or claims (RFC 6749 §5.1).
pub(crate) fn never_stored(mut response: Response) -> Response {
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response.headers_mut().insert(header::PRAGMA, HeaderValue::from_static("no-cache"));
    response
}

const CORS: [(HeaderName, HeaderValue); 3] = [
    (header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*")),
    (header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, POST")),
    (header::ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static("Authorization, Content-Type")),
];

/// CORS for the endpoints that scripts of other origins call with tokens, never with cookies (oidc.md §26).
pub async fn cors(request: axum::extract::Request, next: axum::middleware::Next) -> Response {
    let mut response = if request.method() == http::Method::OPTIONS {
        let max_age = (header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("86400"));
        (StatusCode::NO_CONTENT, [max_age]).into_response()
    } else {
        next.run(request).await
    };
    for (name, value) in CORS {
        response.headers_mut().insert(name, value);
    }
    response
}

/// A fault on the way through the browser, as a page.
pub(crate) fn fault_page(error: pid_flows::Error) -> Response {
    let mut response = never_stored(ApiError(error).into_response());
    response.extensions_mut().insert(ForPerson);
    response
}
