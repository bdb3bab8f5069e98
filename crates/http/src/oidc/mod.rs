//! The OAuth 2.0 and OpenID Connect endpoints (oidc.md §1).

pub mod authorize;
pub mod cimd;
pub mod client_request;
pub mod device;
pub mod end_session;
pub mod form_post;
pub mod interactions;
pub mod introspect;
pub mod metadata;
pub mod par;
mod request_object;
pub mod revoke;
pub mod token;
pub mod userinfo;

use axum::body::{Body, Bytes};
use axum::extract::{FromRequest, Multipart, Request, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use pid_flows::Code;
use pid_oidc::bearer::BearerError;
use pid_oidc::dpop;
use pid_oidc::{ErrorCode, OAuthError, Params};

use crate::error::ApiError;
use crate::extract::limited_body;
use crate::pages::error::ForPerson;
use crate::state::App;

/// The largest body of a form, bytes. What it says is limited further by [`Params`].
const FORM_LIMIT: usize = 1024 * 1024;

/// The parameters of a body, urlencoded or multipart (oidc.md §8, §13). None without a body, and with methods that have
/// none. Another content type is told so.
pub struct Form(pub Result<Params, OAuthError>);

impl FromRequest<App> for Form {
    type Rejection = Response;

    async fn from_request(request: Request, app: &App) -> Result<Self, Self::Rejection> {
        if request.method() != Method::POST {
            return Ok(Self(Ok(Params::default())));
        }
        let content_type = request.headers().get(header::CONTENT_TYPE).cloned();
        match limited_body(request, FORM_LIMIT).await {
            Ok(body) => Ok(Self(read_form(content_type, body, app).await)),
            Err(ApiError(error)) => {
                let mut response = oauth_error(&OAuthError::invalid_request(error.message));
                *response.status_mut() = StatusCode::from_u16(error.code.status()).unwrap_or(StatusCode::BAD_REQUEST);
                Err(response)
            }
        }
    }
}

async fn read_form(content_type: Option<HeaderValue>, body: Bytes, app: &App) -> Result<Params, OAuthError> {
    let media_type = content_type.as_ref().and_then(|v| v.to_str().ok()).unwrap_or_default();
    let media_type = media_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    match media_type.as_str() {
        _ if body.is_empty() => Ok(Params::default()),
        "application/x-www-form-urlencoded" => Ok(Params::parse(body)?),
        "multipart/form-data" => multipart(content_type, body, app).await,
        _ => Err(OAuthError::invalid_request("Send a form: Content-Type: application/x-www-form-urlencoded.")),
    }
}

async fn multipart(content_type: Option<HeaderValue>, body: Bytes, app: &App) -> Result<Params, OAuthError> {
    let malformed = || OAuthError::invalid_request("The multipart form is malformed.");
    let mut request = Request::new(Body::from(body));
    request.headers_mut().extend(content_type.map(|value| (header::CONTENT_TYPE, value)));
    let mut parts = Multipart::from_request(request, app).await.map_err(|_| malformed())?;
    let mut pairs = Vec::new();
    while let Some(part) = parts.next_field().await.map_err(|_| malformed())? {
        let name = part.name().unwrap_or_default().to_owned();
        pairs.push((name, part.text().await.map_err(|_| malformed())?));
    }
    Ok(Params::from_pairs(pairs)?)
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

/// The refusal of a bearer token (RFC 6750 §3).
pub(crate) fn bearer_error(error: &BearerError) -> Response {
    let status = StatusCode::from_u16(error.status()).unwrap_or(StatusCode::UNAUTHORIZED);
    let mut response = match error.body() {
        Some(body) => (status, axum::Json(body)).into_response(),
        None => status.into_response(),
    };
    if let Ok(challenge) = HeaderValue::from_str(&error.challenge()) {
        response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
    }
    never_stored(response)
}

/// The refusal of a token with the proof of its key (RFC 9449 §7.1).
pub(crate) fn dpop_error(error: &OAuthError) -> Response {
    let mut response = (StatusCode::UNAUTHORIZED, axum::Json(error.body())).into_response();
    if let Ok(challenge) = HeaderValue::from_str(&dpop::challenge(error)) {
        response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
    }
    never_stored(response)
}

/// Gives whoever sends a proof of a key the nonce for the next one (RFC 9449 §8.2).
pub async fn dpop_nonce(State(app): State<App>, request: Request, next: axum::middleware::Next) -> Response {
    let asked = request.headers().contains_key("dpop");
    let mut response = next.run(request).await;
    if asked && let Ok(nonce) = HeaderValue::from_str(&app.env().dpop_nonces.current(app.clock().now().secs())) {
        response.headers_mut().insert("dpop-nonce", nonce);
    }
    response
}

/// A fault of ours in the words of OAuth: 503 when the store or the key is not there, 429 with `Retry-After`, else 500.
pub(crate) fn fault(error: &pid_flows::Error) -> Response {
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

const CORS: [(HeaderName, HeaderValue); 4] = [
    (header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*")),
    (header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, POST")),
    (header::ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static("Authorization, Content-Type, DPoP")),
    (header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static("WWW-Authenticate, DPoP-Nonce")),
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
