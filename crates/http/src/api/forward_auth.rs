//! `/api/forward-auth`: a reverse proxy asks whether a request to an app may pass (security cases 88–93).
//!
//! | address | who asks | what it can be told |
//! |---|---|---|
//! | `/api/forward-auth` | Caddy, Traefik, HAProxy, and nginx for what it shows people | the answer for the browser itself |
//! | `/api/forward-auth/nginx` | nginx's `auth_request` | 200, 401 or 403; nothing happens |
//! | `/api/forward-auth/envoy/…` | Envoy's `ext_authz`: the path follows the prefix | as the first |
//!
//! 200 lets the request pass, with what the app is told of the person in headers. Anything else is for the browser.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, Once, PoisonError};

use axum::extract::{ConnectInfo, FromRequestParts as _, State};
use axum::response::{IntoResponse as _, Response};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use cookie::time::Duration;
use cookie::{Cookie, SameSite};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use pid_core::forward_auth::{CALLBACK_PATH, Dialect, Headers, Origin, SIGN_OUT_PATH, Target, values};
use pid_core::secret::{Secret, equal, sha256};
use pid_core::{Entropy, Timestamp};
use pid_flows::forward_auth::hand_over::{self, Arrival, HandedOver};
use pid_flows::forward_auth::{
    self, COOKIES, Cookies, Question, Verdict, Visitor, assertion, browser_cookie, session_cookie,
};
use pid_flows::{Code, Error};
use pid_store::forward_auth::ProxiedApp;

use crate::error::ApiError;
use crate::extract::RequestCtx;
use crate::i18n::Asked;
use crate::middleware::client_ip::ClientIp;
use crate::oidc::never_stored;
use crate::pages::forward_auth::{Door, DoorPage};
use crate::state::{App, seed};

/// Below it Envoy puts the path that was asked for.
const ENVOY: &str = "/api/forward-auth/envoy";

/// What the browser is told comes from here.
pub async fn ask(State(app): State<App>, parts: Parts) -> Response {
    Asking { app: &app, parts: &parts, only_asks: false }.answer(Dialect::Headers).await
}

/// For nginx, which takes 2xx, 401 and 403, and shows people what [`ask`] answers.
pub async fn ask_nginx(State(app): State<App>, parts: Parts) -> Response {
    Asking { app: &app, parts: &parts, only_asks: true }.answer(Dialect::Headers).await
}

/// For Envoy, which repeats method, host and path of the request.
pub async fn ask_envoy(State(app): State<App>, parts: Parts) -> Response {
    let uri = parts.uri.path_and_query().map(|uri| uri.as_str()).unwrap_or_default();
    let host = parts.headers.get(header::HOST).map(HeaderValue::as_bytes);
    let host = host.or_else(|| parts.uri.authority().map(|host| host.as_str().as_bytes())).unwrap_or_default();
    let dialect =
        Dialect::Direct { method: parts.method.as_str(), host, uri: uri.strip_prefix(ENVOY).unwrap_or_default() };
    Asking { app: &app, parts: &parts, only_asks: false }.answer(dialect).await
}

struct Sent<'a>(&'a HeaderMap);

impl Headers for Sent<'_> {
    fn values<'a>(&'a self, name: &'static str) -> impl Iterator<Item = &'a [u8]> {
        self.0.get_all(name).iter().map(HeaderValue::as_bytes)
    }
}

/// One question.
#[derive(Clone, Copy)]
struct Asking<'a> {
    app: &'a App,
    parts: &'a Parts,
    /// Nothing may happen but an answer.
    only_asks: bool,
}

impl Asking<'_> {
    async fn answer(self, dialect: Dialect<'_>) -> Response {
        let app = self.app;
        if !self.is_trusted() {
            return self.refuse(&Error::new(Code::ProxyNotTrusted));
        }
        let target = match Target::read(dialect, &Sent(&self.parts.headers)) {
            Ok(target) => target,
            Err(why) => return self.refuse(&Error::new(Code::ProxyRequestUnclear).detail("reason", why.to_string())),
        };
        if app.env().app_url.origin.split_once("://").is_some_and(|(_, own)| own == target.host) {
            return self
                .refuse(&Error::new(Code::ProxyHostUnknown).detail("reason", "this is the provider's own address"));
        }
        let (now, cookies, basic) = (app.clock().now(), cookies(&self.parts.headers), basic(&self.parts.headers));
        let question = Arc::new(Question { target, cookies, basic });
        let asked = Arc::clone(&question);
        match app.db().read(move |tx| forward_auth::decide(tx, now, &asked)).await {
            Ok(verdict) => self.act(verdict, &question, now).await,
            Err(error) => self.refuse(&error),
        }
    }

    /// Only a peer of the operator's may say what was asked for: by its address, or by what it knows.
    fn is_trusted(self) -> bool {
        let peer =
            self.parts.extensions.get::<ConnectInfo<SocketAddr>>().map_or(IpAddr::from([0, 0, 0, 0]), |c| c.0.ip());
        let mut shown = self.parts.headers.get_all("x-forward-auth-secret").iter();
        let knows = match (&self.app.env().forward_auth_secret, shown.next(), shown.next()) {
            (Some(secret), Some(shown), None) => equal(&sha256(shown.as_bytes()), secret),
            _ => false,
        };
        let trusted = knows || self.app.proxies().trusts(peer.to_canonical());
        if !trusted {
            static SAID: Once = Once::new();
            SAID.call_once(|| {
                tracing::warn!(
                    "{peer} asks for verdicts (forward authentication), but TRUST_PROXY does not list it and it shows no \
                     FORWARD_AUTH_SECRET: it is refused. If it is your proxy, set TRUST_PROXY={peer}"
                );
            });
        }
        trusted
    }

    async fn act(self, verdict: Verdict, question: &Question, now: Timestamp) -> Response {
        match verdict {
            Verdict::UnknownHost => self.refuse(&Error::new(Code::ProxyHostUnknown)),
            Verdict::Ambiguous(_, why) => {
                self.refuse(&Error::new(Code::ProxyRequestUnclear).detail("reason", why.to_string()))
            }
            Verdict::Own(_) | Verdict::SignIn(_) if self.only_asks => StatusCode::UNAUTHORIZED.into_response(),
            Verdict::Own(proxied) => self.own(&proxied, question).await,
            Verdict::Pass(proxied, visitor) => {
                if let Some(password) = visitor.as_ref().and_then(|visitor| visitor.password.clone()) {
                    self.app.seen().app_password(password, now);
                }
                pass(self.app, &proxied, visitor.as_deref(), now).unwrap_or_else(|error| self.refuse(&error))
            }
            Verdict::SignIn(proxied) => self.sign_in(&proxied, question),
            Verdict::Denied(proxied, visitor) => self.denied(&proxied, &visitor),
        }
    }

    /// A person in a browser is sent to sign in; a script is told that it has to.
    fn sign_in(self, proxied: &ProxiedApp, question: &Question) -> Response {
        let headers = &self.parts.headers;
        if question.target.only_reads() && is_navigation(headers) {
            let entropy = Entropy::new(seed());
            let begun = hand_over::begin(self.app.env(), proxied, &question.target, &question.cookies, &entropy);
            let cookie =
                cookie(&proxied.origin, browser_cookie(&proxied.origin), &begun.browser, hand_over::BROWSER_SECS);
            return redirect(&begun.location, Some(&cookie));
        }
        let mut response = ApiError::from(Code::NotSignedIn).into_response();
        // A browser would ask its person for a password.
        if proxied.settings.app_passwords && !headers.contains_key("sec-fetch-mode") {
            response.headers_mut().insert(
                header::WWW_AUTHENTICATE,
                HeaderValue::from_static("Basic realm=\"app password\", charset=\"UTF-8\""),
            );
        }
        response
    }

    fn denied(self, proxied: &ProxiedApp, visitor: &Visitor) -> Response {
        let error = Error::new(Code::ProxyAccessDenied);
        if !is_navigation(&self.parts.headers) || self.only_asks {
            return ApiError(error).into_response();
        }
        let words = Asked::of(&self.parts.headers).words(visitor.user.locale.as_deref());
        DoorPage::new(
            self.app,
            words,
            Door::Denied {
                app: proxied.name.clone(),
                person: visitor.user.shown_name(),
                sign_out: format!("{}{SIGN_OUT_PATH}", proxied.origin.as_str()),
            },
        )
        .answer()
    }

    /// The addresses on an app's host that are ours.
    async fn own(self, proxied: &ProxiedApp, question: &Question) -> Response {
        let path = question.target.path.text.to_ascii_lowercase();
        match (path.trim_end_matches('/'), question.target.method.as_str()) {
            (CALLBACK_PATH, "GET") => self.arrive(proxied, question).await,
            (SIGN_OUT_PATH, "GET" | "HEAD") => redirect(&self.end_session(proxied), None),
            _ => ApiError::from(Code::NotFound).into_response(),
        }
    }

    /// The provider asks whether to sign out, and ends everything that hangs on the session, here as well.
    fn end_session(self, proxied: &ProxiedApp) -> String {
        let query = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("client_id", proxied.client_id.as_str())
            .append_pair("post_logout_redirect_uri", &format!("{}/", proxied.origin.as_str()))
            .finish();
        format!("{}/api/oidc/end-session?{query}", self.app.env().app_url.origin)
    }

    async fn arrive(self, proxied: &ProxiedApp, question: &Question) -> Response {
        let app = self.app;
        let ip = self.parts.extensions.get::<ClientIp>().map(|ip| ip.0);
        if let Err(secs) = ip.map_or(Ok(()), |ip| app.limiter().check(ip)) {
            return self.refuse(&Error { retry_after: Some(secs), ..Error::new(Code::RateLimited) });
        }
        let Ok(RequestCtx(ctx)) = RequestCtx::from_request_parts(&mut self.parts.clone(), app).await;
        let arrival = Arrival::read(question.target.query()).unwrap_or_default();
        let (env, host, cookies) = (app.env().clone(), question.target.host.clone(), question.cookies.clone());
        let done = app.db().write(move |tx| hand_over::redeem(tx, &ctx, &env, &host, &cookies, &arrival)).await;
        match done {
            Ok(HandedOver::In { cookie: value, max_age_secs, to }) => {
                redirect(&to, Some(&cookie(&proxied.origin, session_cookie(&proxied.origin), &value, max_age_secs)))
            }
            Ok(HandedOver::Again { to }) => redirect(&to, None),
            Ok(HandedOver::Lost { cancelled, to }) => {
                let words = Asked::of(&self.parts.headers).words(None);
                DoorPage::new(app, words, Door::Lost { app: proxied.name.clone(), cancelled, to }).answer()
            }
            Err(error) => self.refuse(&error),
        }
    }

    /// A refusal: a page for people, the envelope for scripts and proxies.
    fn refuse(self, error: &Error) -> Response {
        tracing::debug!(code = error.code.as_str(), details = ?error.details, "no verdict");
        if self.only_asks || !is_navigation(&self.parts.headers) {
            return ApiError(error.clone()).into_response();
        }
        DoorPage::new(self.app, Asked::of(&self.parts.headers).words(None), Door::Shut(error.clone())).answer()
    }
}

/// Whether a person waits for a page, as far as the browser says: not a script, a picture or a WebSocket.
fn is_navigation(headers: &HeaderMap) -> bool {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    if headers.contains_key(header::UPGRADE) || headers.contains_key("x-requested-with") {
        return false;
    }
    match text("sec-fetch-mode") {
        Some(mode) => mode == "navigate",
        None => text("accept").is_some_and(|accept| accept.contains("text/html")),
    }
}

/// Our cookies among all.
fn cookies(headers: &HeaderMap) -> Cookies {
    let all = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let pairs = all.flat_map(|value| value.split(';')).filter_map(|pair| pair.trim().split_once('='));
    let ours = pairs.filter(|(name, _)| name.strip_prefix("__Host-").unwrap_or(name).starts_with(COOKIES));
    Cookies(ours.map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
}

/// Username and password (RFC 7617 §2).
fn basic(headers: &HeaderMap) -> Option<(String, Secret)> {
    let (scheme, value) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") || value.len() > 2000 {
        return None;
    }
    let pair = String::from_utf8(STANDARD.decode(value.trim()).ok()?).ok()?;
    let (username, password) = pair.split_once(':')?;
    Some((username.to_owned(), Secret::new(password)))
}

fn cookie(origin: &Origin, name: String, value: &Secret, max_age_secs: i64) -> Cookie<'static> {
    Cookie::build((name, value.expose().to_owned()))
        .path("/")
        .http_only(true)
        .secure(origin.https())
        .same_site(SameSite::Lax)
        .max_age(Duration::seconds(max_age_secs))
        .build()
}

fn redirect(location: &str, cookie: Option<&Cookie<'_>>) -> Response {
    let mut response = StatusCode::FOUND.into_response();
    let Ok(location) = HeaderValue::from_str(location) else { return ApiError::from(Code::Internal).into_response() };
    response.headers_mut().insert(header::LOCATION, location);
    if let Some(cookie) = cookie.and_then(|cookie| HeaderValue::from_str(&cookie.to_string()).ok()) {
        response.headers_mut().insert(header::SET_COOKIE, cookie);
    }
    never_stored(response)
}

/// Lets the request pass. Every header that the app may look at is set, empty if there is nothing to say, so that none of a
/// client's own is taken for ours.
fn pass(app: &App, proxied: &ProxiedApp, visitor: Option<&Visitor>, now: Timestamp) -> Result<Response, Error> {
    let mut response = StatusCode::OK.into_response();
    let settings = &proxied.settings;
    let said = match visitor {
        Some(visitor) => [
            values::value(&visitor.user.username),
            values::value(visitor.user.email.as_deref().unwrap_or_default()),
            values::value(&visitor.user.shown_name()),
            values::list(visitor.group_names()),
        ],
        None => Default::default(),
    };
    let names = [&settings.user_header, &settings.email_header, &settings.name_header, &settings.groups_header];
    for (name, value) in names.into_iter().zip(said).filter(|(name, _)| !name.is_empty()) {
        put(&mut response, name, &value)?;
    }
    if !settings.assertion_header.is_empty() {
        let token = match visitor {
            Some(visitor) => app.assertions().of(app, proxied, visitor, now)?,
            None => String::new(),
        };
        put(&mut response, &settings.assertion_header, &token)?;
    }
    Ok(response)
}

fn put(response: &mut Response, name: &str, value: &str) -> Result<(), Error> {
    let name = HeaderName::try_from(name).map_err(Error::internal)?;
    let value = HeaderValue::from_bytes(value.as_bytes()).map_err(Error::internal)?;
    response.headers_mut().insert(name, value);
    Ok(())
}

/// Assertions that were signed a moment ago, by what they say: a page of a hundred pictures costs one signature, and nobody
/// is told what was true before.
#[derive(Debug, Default)]
pub struct Assertions(Mutex<HashMap<[u8; 32], (Timestamp, String)>>);

impl Assertions {
    /// An assertion is given again for this long, seconds.
    const AGAIN_SECS: i64 = 60;
    /// As many as are kept.
    const MOST: usize = 10_000;

    fn of(&self, app: &App, proxied: &ProxiedApp, visitor: &Visitor, now: Timestamp) -> Result<String, Error> {
        let keys = app.keys();
        let key = assertion::key(&keys, proxied).ok_or_else(|| Error::new(Code::Unavailable))?;
        let claims = assertion::claims(app.env(), proxied, visitor);
        let mut said = serde_json::to_vec(&claims).map_err(Error::internal)?;
        said.extend_from_slice(key.kid().as_bytes());
        let said = sha256(&said);
        let is_fresh = |at: Timestamp| (0..Self::AGAIN_SECS).contains(&now.secs_since(at));
        if let Some((at, token)) = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&said)
            && is_fresh(*at)
        {
            return Ok(token.clone());
        }
        let token = assertion::signed(key, claims, now)?;
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= Self::MOST {
            known.retain(|_, (at, _)| is_fresh(*at));
        }
        if known.len() < Self::MOST {
            known.insert(said, (now, token.clone()));
        }
        Ok(token)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap())).collect()
    }

    #[test]
    fn case_093_only_people_who_wait_for_a_page_are_sent_away() {
        let html = ("accept", "text/html,application/xhtml+xml");
        for (sent, wanted) in [
            (vec![html], true),
            (vec![html, ("sec-fetch-mode", "navigate")], true),
            (vec![("sec-fetch-mode", "navigate")], true),
            (vec![html, ("sec-fetch-mode", "cors")], false),
            (vec![html, ("upgrade", "websocket")], false),
            (vec![html, ("x-requested-with", "XMLHttpRequest")], false),
            (vec![("accept", "application/json")], false),
            (vec![], false),
        ] {
            assert_eq!(is_navigation(&headers(&sent)), wanted, "{sent:?}");
        }
    }

    #[test]
    fn case_093_a_cookie_that_came_twice_is_none() {
        let sent = headers(&[(
            "cookie",
            "a=b; pocket-id-app=1; __Host-pocket-id-app=2; pocket-id-app-81=3; pocket-id-app-81=4",
        )]);
        let cookies = cookies(&sent);
        assert_eq!(cookies.0.len(), 4);
        assert_eq!(cookies.get("pocket-id-app"), Some("1"));
        assert_eq!(cookies.get("__Host-pocket-id-app"), Some("2"));
        assert_eq!(cookies.get("pocket-id-app-81"), None);
        assert_eq!(cookies.get("a"), None);
    }

    #[test]
    fn passwords_are_read_as_they_are_sent() {
        let read = |value: &str| {
            basic(&headers(&[("authorization", value)])).map(|(name, word)| (name, word.expose().to_owned()))
        };
        assert_eq!(read("Basic dGltOmE6Yg=="), Some(("tim".to_owned(), "a:b".to_owned())));
        assert_eq!(read("basic dGltOg=="), Some(("tim".to_owned(), String::new())));
        for bad in ["Bearer x", "Basic", "Basic !!", "Basic dGlt", "Basic /////w=="] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }
}
