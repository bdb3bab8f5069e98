//! Discovery and keys: bytes that are built once per change.

use std::sync::Arc;

use arc_swap::ArcSwapOption;
use axum::extract::{Extension, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use pid_core::diagnosis::{Code, Finding};
use pid_flows::env::Snapshot;
use pid_oidc::discovery::{Features, Instance, Metadata};

use crate::diagnosis;
use crate::middleware::client_ip::{ClientIp, UnknownProxy};
use crate::state::App;

/// The documents of one state of keys and settings.
#[derive(Debug)]
pub struct Documents {
    site: Arc<Snapshot>,
    discovery: Document,
    jwks: Document,
}

#[derive(Debug, Clone)]
struct Document {
    body: bytes::Bytes,
    etag: HeaderValue,
}

/// Where the documents are kept.
#[derive(Debug, Default)]
pub struct DocumentCache(ArcSwapOption<Documents>);

impl Document {
    fn new(body: Vec<u8>) -> Self {
        let hash = pid_core::secret::sha256(&body);
        let tag: String = hash[..12].iter().map(|b| format!("{b:02x}")).collect();
        let etag = HeaderValue::from_str(&format!("\"{tag}\"")).unwrap_or_else(|_| HeaderValue::from_static("\"\""));
        Self { body: body.into(), etag }
    }

    fn respond(&self, request: &HeaderMap) -> Response {
        let headers = [
            (header::CONTENT_TYPE, HeaderValue::from_static("application/json; charset=utf-8")),
            (header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=3600")),
            (header::ETAG, self.etag.clone()),
        ];
        if request.get(header::IF_NONE_MATCH).is_some_and(|v| v == self.etag) {
            return (StatusCode::NOT_MODIFIED, headers).into_response();
        }
        (headers, self.body.clone()).into_response()
    }
}

fn documents(app: &App) -> Option<Arc<Documents>> {
    let site = app.snapshot();
    if let Some(documents) = &*app.documents().0.load()
        && Arc::ptr_eq(&documents.site, &site)
    {
        return Some(Arc::clone(documents));
    }
    let env = app.env();
    let (keys, settings) = (&site.keys, &site.settings);
    let algs = keys.algs();
    let instance = Instance {
        app_url: &env.app_url.origin,
        internal_url: &env.internal_url,
        algorithms: &algs,
        named_scopes: site.scopes.names(),
        locales: &crate::i18n::TAGS,
        features: Features {
            plain_pkce: settings.allow_plain_pkce(),
            par_required: settings.require_pushed_requests(),
            cimd: !settings.cimd_allowlist().is_empty(),
        },
    };
    let metadata = Metadata::new(&instance).to_bytes().ok()?;
    let documents =
        Arc::new(Documents { discovery: Document::new(metadata), jwks: Document::new(keys.jwks().to_vec()), site });
    app.documents().0.store(Some(Arc::clone(&documents)));
    Some(documents)
}

fn not_ready() -> Response {
    let headers = [(header::RETRY_AFTER, "1"), (header::CACHE_CONTROL, "no-store")];
    let body = axum::Json(serde_json::json!({ "error": "The signing key is still being made. Try again in a moment" }));
    (StatusCode::SERVICE_UNAVAILABLE, headers, body).into_response()
}

/// The name by which we were asked, if it is none that apps should ask by. One that a proxy gives us counts for nothing:
/// only it knows how we were called.
fn other_name<'a>(app: &App, headers: &'a HeaderMap) -> Option<&'a str> {
    let env = app.env();
    let named =
        |origin: &str, host: &str| origin.split_once("://").is_some_and(|(_, name)| name.eq_ignore_ascii_case(host));
    let header = |name: &str| headers.get(name).and_then(|host| host.to_str().ok());
    let host = header("x-forwarded-host").or_else(|| header("host"))?;
    (!named(&env.app_url.origin, host) && !named(&env.internal_url, host)).then_some(host)
}

/// `/.well-known/openid-configuration` and `/.well-known/oauth-authorization-server` (OpenID Connect Discovery §4,
/// RFC 8414 §3).
pub async fn discovery(
    State(app): State<App>,
    ip: Option<Extension<ClientIp>>,
    hidden: Option<Extension<UnknownProxy>>,
    headers: HeaderMap,
) -> Response {
    if let (Some(_), Some(Extension(proxy))) = (hidden, &ip) {
        let finding = Finding::new(Code::ProxyUnknown).quote("sent", proxy.0.to_string());
        diagnosis::found_by(&app, Some(*proxy), finding);
    }
    if let Some(host) = other_name(&app, &headers) {
        let origin = &app.env().app_url.origin;
        let finding = Finding::new(Code::IssuerHost).quote("sent", host).quote("expected", origin);
        diagnosis::found_by(&app, ip.map(|ip| ip.0), finding);
    }
    if !app.keys().is_ready() {
        return not_ready();
    }
    documents(&app).map_or_else(not_ready, |d| d.discovery.respond(&headers))
}

/// `/.well-known/jwks.json` (RFC 7517 §5).
pub async fn jwks(State(app): State<App>, headers: HeaderMap) -> Response {
    if !app.keys().is_ready() {
        return not_ready();
    }
    documents(&app).map_or_else(not_ready, |d| d.jwks.respond(&headers))
}

/// Notes that an app asked for metadata of the issuer with a slash at its end.
pub(crate) fn asked_below_slash(app: &App, ip: Option<ClientIp>) {
    let origin = &app.env().app_url.origin;
    let finding = Finding::new(Code::IssuerSlash).quote("sent", format!("{origin}/")).quote("expected", origin);
    diagnosis::found_by(app, ip, finding);
}
