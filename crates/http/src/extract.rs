//! What handlers take from a request: its context, credentials, JSON body, list options.

use axum::body::HttpBody as _;
use axum::extract::{self, FromRequest, FromRequestParts, Request};
use axum_extra::extract::CookieJar;
use http::request::Parts;
use http::{HeaderMap, header};
use http_body_util::BodyExt as _;
use pid_core::api_keys::Purpose;
use pid_core::list::ListRequest;
use pid_core::secret::Secret;
use pid_core::{Ctx, FieldCode, Timestamp};
use pid_flows::access::Credentials;
use pid_flows::{Code, Error};
use pid_store::ReadTx;
use serde::de::DeserializeOwned;

use crate::cookies;
use crate::error::ApiError;
use crate::json;
use crate::middleware::client_ip::{ClientIp, UnknownProxy};
use crate::state::{App, seed};

/// The request's [`Ctx`].
pub struct RequestCtx(pub Ctx);

impl FromRequestParts<App> for RequestCtx {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Self::Rejection> {
        let ip_address = parts.extensions.get::<ClientIp>().map(|ip| ip.0.to_string()).unwrap_or_default();
        let user_agent = parts.headers.get(header::USER_AGENT).map(|v| String::from_utf8_lossy(v.as_bytes()));
        let user_agent = user_agent.map(|ua| ua.chars().filter(|c| !c.is_control()).take(512).collect());
        let now: Timestamp = app.clock().now();
        let places = app.places().clone();
        Ok(Self(Ctx { now, seed: seed(), ip_address, user_agent: user_agent.unwrap_or_default(), places }))
    }
}

/// Whether set-up asks this request for the code that the start printed: its address is public, or hidden by a proxy
/// that is not trusted.
pub struct NeedsSetupCode(pub bool);

impl FromRequestParts<App> for NeedsSetupCode {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self, Self::Rejection> {
        let ip_address = parts.extensions.get::<ClientIp>().map(|ip| ip.0.to_string()).unwrap_or_default();
        let hidden = parts.extensions.get::<UnknownProxy>().is_some();
        Ok(Self(hidden || pid_flows::setup::is_public(&ip_address)))
    }
}

/// The request's credentials, unchecked: the rule checks them inside its transaction.
pub struct Creds(pub Credentials);

impl FromRequestParts<App> for Creds {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Self::Rejection> {
        let jar = CookieJar::from_headers(&parts.headers);
        let cookie = jar.get(cookies::session_name(app.env())).map(|c| c.value().to_owned());
        let session = cookie.or_else(|| authorization_value(&parts.headers)).map(Secret::new);
        if let Some(cookie) = &session {
            app.seen().session(cookie, app.clock().now());
        }
        let api_key = parts.headers.get("x-api-key").and_then(|v| v.to_str().ok()).map(Secret::new);
        let purpose = Purpose::of(parts.method.as_str(), parts.uri.path());
        let idle_minutes = app.settings().idle_minutes();
        Ok(Self(Credentials { session, api_key, static_api_key: app.env().static_api_key, purpose, idle_minutes }))
    }
}

/// The part of `Authorization` after the first space, whatever the scheme word (api.md §6.1).
fn authorization_value(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    value.split_once(' ').map(|(_, rest)| rest.trim().to_owned())
}

/// An administrator's credentials, looked at before the body is: who may not write gets 401 or 403 whatever they sent
/// (api.md §6.3), and a stranger's upload is not read. The rule checks again, inside its own transaction.
pub struct AdminCreds(pub Credentials);

/// As [`AdminCreds`], of an administrator or user manager.
pub struct ManagerCreds(pub Credentials);

/// As [`AdminCreds`], of anybody who is signed in.
pub struct UserCreds(pub Credentials);

/// As [`AdminCreds`], of anybody with a browser session.
pub struct SessionCreds(pub Credentials);

/// As [`SessionCreds`], or of somebody who signed up and waits for approval: who may add a passkey.
pub struct NewcomerCreds(pub Credentials);

impl FromRequestParts<App> for AdminCreds {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        checked(parts, app, |creds, tx, now| creds.admin(tx, now).map(drop)).await.map(Self)
    }
}

impl FromRequestParts<App> for ManagerCreds {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        checked(parts, app, |creds, tx, now| creds.manages_people(tx, now).map(drop)).await.map(Self)
    }
}

impl FromRequestParts<App> for UserCreds {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        checked(parts, app, |creds, tx, now| creds.signed_in(tx, now).map(drop)).await.map(Self)
    }
}

impl FromRequestParts<App> for SessionCreds {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        checked(parts, app, |creds, tx, now| creds.session_user(tx, now).map(drop)).await.map(Self)
    }
}

impl FromRequestParts<App> for NewcomerCreds {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        let check = |creds: &Credentials, tx: &ReadTx<'_>, now| match creds.newcomer(tx, now)? {
            Some(_) => Ok(()),
            None => creds.session_user(tx, now).map(drop),
        };
        checked(parts, app, check).await.map(Self)
    }
}

async fn checked(
    parts: &mut Parts,
    app: &App,
    check: fn(&Credentials, &ReadTx<'_>, Timestamp) -> Result<(), Error>,
) -> Result<Credentials, ApiError> {
    let Ok(Creds(creds)) = Creds::from_request_parts(parts, app).await;
    let (seen, now) = (creds.clone(), app.clock().now());
    app.db().read(move |tx| check(&seen, tx, now)).await?;
    Ok(creds)
}

/// Parameters of the path. What is no text, or has a NUL in it, names nothing.
pub struct Path<T>(pub T);

impl<T: DeserializeOwned + Send> FromRequestParts<App> for Path<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        if parts.uri.path().contains("%00") {
            return Err(Code::NotFound.into());
        }
        let path = extract::Path::<T>::from_request_parts(parts, app).await;
        path.map(|found| Self(found.0)).map_err(|_| Code::NotFound.into())
    }
}

/// Parameters of the query, each given once.
pub struct Query<T>(pub T);

impl<T: DeserializeOwned + Send> FromRequestParts<App> for Query<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self, ApiError> {
        let query = serde_urlencoded::from_str(parts.uri.query().unwrap_or_default());
        query.map(Self).map_err(|e| {
            Error::with(Code::ValidationFailed, format!("The parameters of the address can't be used: {e}")).into()
        })
    }
}

/// A body as it came, of at most [`JSON_LIMIT`] bytes.
pub struct Raw(pub bytes::Bytes);

impl FromRequest<App> for Raw {
    type Rejection = ApiError;

    async fn from_request(request: Request, _: &App) -> Result<Self, ApiError> {
        limited_body(request, JSON_LIMIT).await.map(Self)
    }
}

/// The largest JSON body, bytes.
pub const JSON_LIMIT: usize = 1024 * 1024;

/// A JSON body by the rules of api.md §3: the content type is mandatory (that is part of the defence
/// against cross-site requests), unknown fields are ignored, the last of duplicates wins, `null` equals
/// absent, and a wrong type is `invalid_request_body`.
pub struct Json<T>(pub T);

impl<T: DeserializeOwned> FromRequest<App> for Json<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, _: &App) -> Result<Self, ApiError> {
        from_value(json_value(request).await?).map(Self)
    }
}

/// A merge patch (RFC 7396): the object as it came, `null`s included.
pub struct MergePatch(pub serde_json::Map<String, serde_json::Value>);

impl FromRequest<App> for MergePatch {
    type Rejection = ApiError;

    async fn from_request(request: Request, _: &App) -> Result<Self, ApiError> {
        match json_value(request).await? {
            serde_json::Value::Object(map) => Ok(Self(map)),
            _ => Err(Error::with(Code::InvalidRequestBody, "A merge patch is a JSON object").into()),
        }
    }
}

fn from_value<T: DeserializeOwned>(value: serde_json::Value) -> Result<T, ApiError> {
    json::from_value(value).map_err(|e| invalid_body(&e))
}

fn invalid_body(cause: &dyn std::fmt::Display) -> ApiError {
    // serde's texts name fields and types, never values of other people.
    Error::with(Code::InvalidRequestBody, format!("The request body can't be used: {cause}")).into()
}

/// A JSON body by the rules of [`Json`], or none at all, whatever its content type.
pub struct JsonOrNothing<T>(pub T);

impl<T: DeserializeOwned + Default> FromRequest<App> for JsonOrNothing<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, _: &App) -> Result<Self, ApiError> {
        let is_json = must_be_json(request.headers());
        let bytes = limited_body(request, JSON_LIMIT).await?;
        if bytes.is_empty() {
            return Ok(Self(T::default()));
        }
        is_json?;
        from_value(first_value(&bytes)?).map(Self)
    }
}

/// A JSON object by the rules of [`Json`] after `change` has seen it as it came, `null`s included.
pub async fn json_object<T: DeserializeOwned>(
    request: Request,
    change: impl Fn(&mut serde_json::Map<String, serde_json::Value>),
) -> Result<T, ApiError> {
    let mut value = json_value(request).await?;
    if let serde_json::Value::Object(object) = &mut value {
        change(object);
    }
    from_value(value)
}

async fn json_value(request: Request) -> Result<serde_json::Value, ApiError> {
    must_be_json(request.headers())?;
    let bytes = limited_body(request, JSON_LIMIT).await?;
    first_value(&bytes)
}

fn must_be_json(headers: &HeaderMap) -> Result<(), ApiError> {
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
    let media_type = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let is_json = media_type == "application/json"
        || media_type.strip_prefix("application/").is_some_and(|rest| rest.ends_with("+json"));
    if is_json {
        return Ok(());
    }
    Err(Error::with(Code::InvalidRequestBody, "Send JSON with the header Content-Type: application/json").into())
}

/// The first value counts; what follows is ignored (api.md §3.3).
fn first_value(bytes: &[u8]) -> Result<serde_json::Value, ApiError> {
    match serde_json::Deserializer::from_slice(bytes).into_iter::<serde_json::Value>().next() {
        Some(Ok(value)) => Ok(value),
        Some(Err(e)) => Err(invalid_body(&e)),
        None => Err(Error::with(Code::InvalidRequestBody, "The request body is empty; send JSON").into()),
    }
}

/// Reads a body of at most `limit` bytes.
pub async fn limited_body(request: Request, limit: usize) -> Result<bytes::Bytes, ApiError> {
    // A body that says beforehand that it is too large is not read at all.
    if request.body().size_hint().lower() > limit as u64 {
        return Err(Code::PayloadTooLarge.into());
    }
    match http_body_util::Limited::new(request.into_body(), limit).collect().await {
        Ok(body) => Ok(body.to_bytes()),
        Err(e) if e.is::<http_body_util::LengthLimitError>() => Err(Code::PayloadTooLarge.into()),
        Err(_) => Err(Error::with(Code::InvalidRequestBody, "The request body ended early").into()),
    }
}

/// A list that must be given, and may be empty (api.md §3.6).
pub fn required<T>(field: &str, list: Option<Vec<T>>) -> Result<Vec<T>, Error> {
    list.ok_or_else(|| Error::field(field, FieldCode::Required, "must be a list, which may be empty"))
}

/// The options of a list (api.md §9.1).
pub struct ListQuery(pub ListRequest);

impl FromRequestParts<App> for ListQuery {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self, Self::Rejection> {
        let pairs: Vec<(String, String)> =
            serde_urlencoded::from_str(parts.uri.query().unwrap_or_default()).unwrap_or_default();
        Ok(Self(ListRequest::from_query(pairs.iter().map(|(k, v)| (k.as_str(), v.as_str())))))
    }
}

/// What no version equals.
const NO_VERSION: i64 = -1;

/// The version that `If-Match` asks for (RFC 9110 §13.1.1): our strong ETags are `"<version>"`. `*` and
/// an absent header ask for nothing; what is no ETag of ours can't match.
pub struct IfMatch(pub Option<i64>);

impl FromRequestParts<App> for IfMatch {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self, Self::Rejection> {
        let Some(value) = parts.headers.get(header::IF_MATCH) else { return Ok(Self(None)) };
        let text = value.to_str().unwrap_or_default().trim();
        if text == "*" {
            return Ok(Self(None));
        }
        let version = text.strip_prefix('"').and_then(|t| t.strip_suffix('"')).and_then(|t| t.parse().ok());
        Ok(Self(Some(version.unwrap_or(NO_VERSION))))
    }
}

/// `Cache-Control` of what may be cached, unless the address has the parameter `skipCache` (api.md §2.2) or, as older
/// pages write it, `skip-cache`.
pub fn cache_control(uri: &http::Uri, cached: &'static str) -> http::HeaderValue {
    let mut names = uri.query().unwrap_or_default().split('&').map(|p| p.split('=').next().unwrap_or_default());
    let skip = names.any(|name| matches!(name, "skipCache" | "skip-cache"));
    http::HeaderValue::from_static(if skip { "private, no-store" } else { cached })
}

/// The strong ETag of a version.
pub fn etag(version: i64) -> http::HeaderValue {
    http::HeaderValue::from_str(&format!("\"{version}\"")).unwrap_or_else(|_| http::HeaderValue::from_static("\"0\""))
}
