//! A Nextcloud with the app `user_oidc`, as far as an OpenID provider sees it: it does step for step what that app does, is
//! strict where that is strict, and has its one known URL for back-channel logout. It runs as a real server on loopback; its
//! sessions are its own.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::missing_panics_doc, reason = "a test may stop with a panic")]

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::{Form, Path, Query, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use http::{HeaderMap, StatusCode, header};
use openidconnect::core::{CoreJsonWebKeySet, CoreJwsSigningAlgorithm};
use openidconnect::{CsrfToken, JsonWebKey as _};
use pid_core::secret::sha256;
use serde_json::{Map, Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::jwt::Jwt;

/// The name that an administrator gave the provider: a part of the back-channel logout URL.
const PROVIDER: &str = "Pocket-ID";
const LOGOUT_EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";
/// How long key sets are kept, seconds.
const KEEP_KEYS_SECS: i64 = 3600;

/// What an administrator types into user_oidc.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Client ID.
    pub client_id: String,
    /// Client secret.
    pub client_secret: String,
    /// Scope.
    pub scope: String,
    /// User ID mapping.
    pub uid_claim: String,
    /// "Send ID token hint on logout".
    pub send_hint: bool,
}

/// Somebody who is signed in at this Nextcloud.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// The user id.
    pub uid: String,
    /// Groups; what the token doesn't have is taken away.
    pub groups: Vec<String>,
    /// Display name.
    pub name: String,
    /// Mail address.
    pub email: String,
}

#[derive(Clone)]
struct Session {
    account: Account,
    sid: Option<String>,
    sub: String,
    tokens: Value,
}

#[derive(Default)]
struct Memory {
    settings: Option<Settings>,
    /// Between login and callback, by `state`: browser, nonce, verifier, when.
    pending: HashMap<String, (String, String, String, i64)>,
    /// By the browser's cookie.
    sessions: HashMap<String, Session>,
    keys: Option<(CoreJsonWebKeySet, i64)>,
}

struct Inner {
    base: String,
    issuer: String,
    now: Box<dyn Fn() -> i64 + Send + Sync>,
    http: reqwest::Client,
    memory: Mutex<Memory>,
}

/// A running Nextcloud.
pub struct Nextcloud {
    inner: Arc<Inner>,
    task: JoinHandle<()>,
}

/// A refusal as user_oidc's pages show it.
struct Refused(StatusCode, String);

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        (self.0, self.1).into_response()
    }
}

fn forbidden(why: impl Into<String>) -> Refused {
    Refused(StatusCode::FORBIDDEN, why.into())
}

fn random(length: usize) -> String {
    let letters = |text: String| text.chars().filter(char::is_ascii_alphanumeric).collect::<String>();
    let mut text = String::new();
    while text.len() < length {
        text.push_str(&letters(CsrfToken::new_random().into_secret()));
    }
    text.truncate(length);
    text
}

impl Inner {
    fn now(&self) -> i64 {
        (self.now)()
    }

    fn settings(&self) -> Settings {
        self.memory.lock().unwrap().settings.clone().expect("an administrator set it up")
    }

    fn redirect_uri(&self) -> String {
        format!("{}/apps/user_oidc/code", self.base)
    }

    async fn json(&self, url: &str) -> Value {
        self.http.get(url).send().await.expect("an answer").json().await.expect("JSON")
    }

    async fn discovery(&self) -> Value {
        let found = self.json(&format!("{}/.well-known/openid-configuration", self.issuer)).await;
        for needed in ["response_types_supported", "subject_types_supported", "id_token_signing_alg_values_supported"] {
            assert!(found[needed].is_array(), "the administrator's form wants {needed}");
        }
        found
    }

    /// The keys as they were when they were last fetched, for an hour. A key that is not among them is an error: nothing is
    /// fetched anew for it.
    async fn keys(&self, jwks_uri: &str) -> CoreJsonWebKeySet {
        let kept = self.memory.lock().unwrap().keys.clone();
        if let Some((keys, at)) = kept
            && self.now() - at < KEEP_KEYS_SECS
        {
            return keys;
        }
        let keys: CoreJsonWebKeySet = serde_json::from_value(self.json(jwks_uri).await).expect("a key set");
        self.memory.lock().unwrap().keys = Some((keys.clone(), self.now()));
        keys
    }

    /// Signature, key id, issuer byte for byte, expiry without leeway, audience.
    async fn verify(&self, token: &str, discovery: &Value) -> Result<Map<String, Value>, String> {
        let Jwt { header, claims } = Jwt::unverified(token);
        let keys = self.keys(discovery["jwks_uri"].as_str().expect("an address")).await;
        let kid = header["kid"].as_str().ok_or("\"kid\" empty, unable to lookup correct key")?;
        let key = keys.keys().iter().find(|k| k.key_id().is_some_and(|id| **id == *kid));
        let key = key.ok_or("No matching key found in JWKS")?;
        let alg: CoreJwsSigningAlgorithm =
            serde_json::from_value(header["alg"].clone()).map_err(|_| "Algorithm not supported")?;
        let (message, signature) = token.rsplit_once('.').ok_or("Wrong number of segments")?;
        let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| "Invalid signature encoding")?;
        key.verify_signature(&alg, message.as_bytes(), &signature).map_err(|_| "Signature verification failed")?;
        let claims = claims.as_object().ok_or("no object")?.clone();
        if claims.get("iss") != Some(&discovery["issuer"]) {
            return Err("The issuer does not match the one from the discovery endpoint".to_owned());
        }
        if claims.get("exp").and_then(Value::as_i64).is_none_or(|exp| exp < self.now()) {
            return Err("The received token is expired.".to_owned());
        }
        let client = self.settings().client_id;
        let is_ours = match claims.get("aud") {
            Some(Value::String(aud)) => *aud == client,
            Some(Value::Array(all)) => all.contains(&json!(client)),
            _ => false,
        };
        if is_ours { Ok(claims) } else { Err("The audience does not match ours".to_owned()) }
    }

    /// The browser's session cookie, or a new one.
    fn browser(headers: &HeaderMap) -> String {
        let cookies = headers.get(header::COOKIE).and_then(|c| c.to_str().ok()).unwrap_or_default();
        let own = cookies.split("; ").find_map(|c| c.strip_prefix("oc_session="));
        own.map_or_else(|| random(26), str::to_owned)
    }

    async fn token(&self, discovery: &Value, form: &[(&str, &str)]) -> Result<Value, Refused> {
        let settings = self.settings();
        // Post wins wherever it is advertised.
        let methods = discovery["token_endpoint_auth_methods_supported"].as_array().expect("methods");
        assert!(methods.contains(&json!("client_secret_post")));
        let mut form = form.to_vec();
        form.extend([("client_id", settings.client_id.as_str()), ("client_secret", &settings.client_secret)]);
        let endpoint = discovery["token_endpoint"].as_str().expect("an address");
        let answer = self.http.post(endpoint).form(&form).send().await.expect("an answer");
        let status = answer.status();
        let body: Value = answer.json().await.expect("JSON");
        if status.is_success() {
            return Ok(body);
        }
        Err(forbidden(body["error_description"].as_str().or(body["error"].as_str()).unwrap_or_default()))
    }

    /// The address that single logout goes to: glued together without any encoding.
    fn end_session(&self, discovery: &Value, hint: Option<&str>) -> String {
        let endpoint = discovery["end_session_endpoint"].as_str().expect("an address");
        let hint = hint.map(|hint| format!("&id_token_hint={hint}")).unwrap_or_default();
        let client = self.settings().client_id;
        format!("{endpoint}?post_logout_redirect_uri={}/&client_id={client}{hint}", self.base)
    }
}

fn found(location: &str, browser: &str) -> Response {
    let cookie = format!("oc_session={browser}; Path=/; HttpOnly");
    (StatusCode::FOUND, [(header::LOCATION, location.to_owned()), (header::SET_COOKIE, cookie)]).into_response()
}

async fn login(State(app): State<Arc<Inner>>, headers: HeaderMap) -> Response {
    let (settings, discovery) = (app.settings(), app.discovery().await);
    let (state, nonce, verifier) = (random(32), random(32), random(128));
    let mut claims = json!({ "email": null, "name": null, "quota": null, "groups": null, "custom.nick | name": null });
    if settings.uid_claim != "sub" {
        claims[&settings.uid_claim] = json!({ "essential": true });
    }
    let claims = json!({ "id_token": claims, "userinfo": claims }).to_string();
    assert!(discovery["code_challenge_methods_supported"].as_array().expect("methods").contains(&json!("S256")));
    let challenge = URL_SAFE_NO_PAD.encode(sha256(verifier.as_bytes()));
    let query = url::form_urlencoded::Serializer::new(String::new())
        .append_pair("client_id", &settings.client_id)
        .append_pair("response_type", "code")
        .append_pair("scope", &settings.scope)
        .append_pair("redirect_uri", &app.redirect_uri())
        .append_pair("claims", &claims)
        .append_pair("state", &state)
        .append_pair("nonce", &nonce)
        .append_pair("code_challenge", &challenge)
        .append_pair("code_challenge_method", "S256")
        .finish();
    let browser = Inner::browser(&headers);
    app.memory.lock().unwrap().pending.insert(state, (browser.clone(), nonce, verifier, app.now()));
    found(&format!("{}?{query}", discovery["authorization_endpoint"].as_str().expect("an address")), &browser)
}

async fn callback(
    State(app): State<Arc<Inner>>,
    Query(query): Query<HashMap<String, String>>,
    headers: HeaderMap,
) -> Result<Response, Refused> {
    if let Some(error) = query.get("error") {
        let text = query.get("error_description").unwrap_or(error);
        return Err(Refused(
            StatusCode::BAD_REQUEST,
            format!("The identity provider failed to authenticate the user. {text}"),
        ));
    }
    let pending = query.get("state").and_then(|state| app.memory.lock().unwrap().pending.remove(state));
    let (browser, nonce, verifier, at) = pending.ok_or_else(|| forbidden("The received state does not match"))?;
    if browser != Inner::browser(&headers) || app.now() - at > 300 {
        return Err(forbidden("The received state does not match"));
    }
    let discovery = app.discovery().await;
    let code = query.get("code").ok_or_else(|| forbidden("no code"))?;
    let redirect_uri = app.redirect_uri();
    let form = [
        ("code", code.as_str()),
        ("redirect_uri", &redirect_uri),
        ("grant_type", "authorization_code"),
        ("code_verifier", &verifier),
    ];
    let tokens = app.token(&discovery, &form).await?;
    assert!(tokens["expires_in"].is_i64(), "the token store needs a number: {tokens}");
    let id_token = tokens["id_token"].as_str().ok_or_else(|| forbidden("no ID token"))?;
    let claims = app.verify(id_token, &discovery).await.map_err(forbidden)?;
    if claims.get("azp").is_some_and(|azp| *azp != app.settings().client_id) {
        return Err(forbidden("The authorized party does not match ours"));
    }
    if claims.get("nonce").is_some_and(|n| *n != nonce) {
        return Err(forbidden("The nonce does not match"));
    }
    let text = |name: &str| claims.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let uid = text(&app.settings().uid_claim);
    if uid.is_empty() {
        return Err(Refused(StatusCode::BAD_REQUEST, "Failed to provision the user".to_owned()));
    }
    let groups = claims.get("groups").and_then(Value::as_array).into_iter().flatten();
    let groups = groups.filter_map(Value::as_str).map(str::to_owned).collect();
    let session = Session {
        account: Account { uid, groups, name: text("name"), email: text("email") },
        sid: claims.get("sid").and_then(Value::as_str).map(str::to_owned),
        sub: text("sub"),
        tokens,
    };
    app.memory.lock().unwrap().sessions.insert(browser.clone(), session);
    Ok(found(&format!("{}/apps/files/", app.base), &browser))
}

/// Whom the browser's session is of.
async fn whoami(State(app): State<Arc<Inner>>, headers: HeaderMap) -> Response {
    let memory = app.memory.lock().unwrap();
    match memory.sessions.get(&Inner::browser(&headers)) {
        Some(session) => axum::Json(json!({ "uid": session.account.uid })).into_response(),
        None => StatusCode::UNAUTHORIZED.into_response(),
    }
}

async fn single_logout(State(app): State<Arc<Inner>>, headers: HeaderMap) -> Response {
    let browser = Inner::browser(&headers);
    let ended = app.memory.lock().unwrap().sessions.remove(&browser);
    let hint = ended.filter(|_| app.settings().send_hint).map(|s| s.tokens["id_token"].as_str().unwrap().to_owned());
    found(&app.end_session(&app.discovery().await, hint.as_deref()), &browser)
}

async fn backchannel_logout(
    State(app): State<Arc<Inner>>,
    Path(provider): Path<String>,
    Form(form): Form<HashMap<String, String>>,
) -> Response {
    let refuse = |text: &str| {
        (StatusCode::BAD_REQUEST, axum::Json(json!({ "error": "invalid_request", "error_description": text })))
            .into_response()
    };
    if provider != PROVIDER {
        return refuse("provider not found");
    }
    let discovery = app.discovery().await;
    // A token that can't be decoded is an exception that nobody catches.
    let Some(token) = form.get("logout_token") else { return StatusCode::INTERNAL_SERVER_ERROR.into_response() };
    let claims = match app.verify(token, &discovery).await {
        Ok(claims) => claims,
        Err(_) => return StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    };
    for needed in ["iss", "aud", "iat", "exp", "jti", "events"] {
        if !claims.contains_key(needed) {
            return refuse(&format!("missing {needed}"));
        }
    }
    if !claims["events"][LOGOUT_EVENT].is_object() || claims.contains_key("nonce") {
        return refuse("no logout token");
    }
    let (sid, sub) = (claims.get("sid").and_then(Value::as_str), claims.get("sub").and_then(Value::as_str));
    app.memory.lock().unwrap().sessions.retain(|_, session| {
        let is_meant = match (sid, sub) {
            (Some(sid), sub) => session.sid.as_deref() == Some(sid) && sub.is_none_or(|sub| sub == session.sub),
            (None, Some(sub)) => session.sub == sub,
            (None, None) => false,
        };
        !is_meant
    });
    axum::Json(json!([])).into_response()
}

impl Nextcloud {
    /// Starts one beside a provider. It isn't set up yet. `now` is its clock, in seconds since the epoch.
    pub async fn start(issuer: &str, now: impl Fn() -> i64 + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
        let inner = Arc::new(Inner {
            base: format!("http://{}", listener.local_addr().expect("an address")),
            issuer: issuer.to_owned(),
            now: Box::new(now),
            http: reqwest::Client::builder().redirect(reqwest::redirect::Policy::limited(5)).build().expect("a client"),
            memory: Mutex::default(),
        });
        let router = Router::new()
            .route("/apps/user_oidc/login/1", get(login))
            .route("/apps/user_oidc/code", get(callback))
            .route("/apps/user_oidc/sls", get(single_logout))
            .route("/apps/user_oidc/backchannel-logout/{provider}", post(backchannel_logout))
            .route("/whoami", get(whoami))
            .with_state(inner.clone());
        let task = tokio::spawn(async move { axum::serve(listener, router).await.expect("it serves") });
        Self { inner, task }
    }

    /// The client as the known guide registers it: the callback URL, and the back-channel URL under Logout Callback URLs.
    #[must_use]
    pub fn guide(&self) -> Value {
        json!({
            "name": "Nextcloud", "isPublic": false, "pkceEnabled": false,
            "callbackURLs": [self.inner.redirect_uri()],
            "logoutCallbackURLs": [format!("{}/apps/user_oidc/backchannel-logout/{PROVIDER}", self.inner.base)],
        })
    }

    /// What the administrator of this Nextcloud types in.
    pub fn set_up(&self, settings: Settings) {
        self.inner.memory.lock().unwrap().settings = Some(settings);
    }

    /// An address of it.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.inner.base)
    }

    /// The accounts that are signed in now.
    #[must_use]
    pub fn accounts(&self) -> Vec<Account> {
        self.inner.memory.lock().unwrap().sessions.values().map(|s| s.account.clone()).collect()
    }

    /// The tokens of the only session.
    #[must_use]
    pub fn tokens(&self) -> Value {
        let memory = self.inner.memory.lock().unwrap();
        assert_eq!(memory.sessions.len(), 1);
        memory.sessions.values().next().expect("a session").tokens.clone()
    }

    /// Uses a refresh token, as the token store does; the answer replaces the tokens of the session whole, if there is one still.
    ///
    /// # Errors
    /// What the person would read.
    pub async fn refresh(&self, tokens: &Value) -> Result<Value, String> {
        let refresh = tokens["refresh_token"].as_str().expect("a refresh token");
        let form = [("grant_type", "refresh_token"), ("refresh_token", refresh)];
        let discovery = self.inner.discovery().await;
        let tokens = self.inner.token(&discovery, &form).await.map_err(|e| e.1)?;
        let mut memory = self.inner.memory.lock().unwrap();
        if let Some(session) = memory.sessions.values_mut().next() {
            session.tokens = tokens.clone();
        }
        Ok(tokens)
    }

    /// Accepts an access token as bearer by its signature, or refuses.
    ///
    /// # Errors
    /// Why.
    pub async fn bearer_by_signature(&self, token: &str) -> Result<String, String> {
        let claims = self.inner.verify(token, &self.inner.discovery().await).await?;
        claims.get("sub").and_then(Value::as_str).map(str::to_owned).ok_or_else(|| "no user id".to_owned())
    }

    /// Accepts any token that userinfo accepts; gives the user id.
    pub async fn bearer_by_userinfo(&self, token: &str) -> Option<String> {
        let discovery = self.inner.discovery().await;
        let endpoint = discovery["userinfo_endpoint"].as_str().expect("an address");
        let answer = self.inner.http.get(endpoint).bearer_auth(token).send().await.expect("an answer");
        let claims: Value = answer.json().await.ok()?;
        claims[&self.inner.settings().uid_claim].as_str().map(str::to_owned)
    }

    /// A person revokes a device in Nextcloud's settings: its server ends the session at the provider, with a hint and
    /// without cookies. Gives the status in the end.
    pub async fn revoke_device(&self) -> u16 {
        let hint = self.tokens()["id_token"].as_str().expect("an ID token").to_owned();
        self.inner.memory.lock().unwrap().sessions.clear();
        let url = self.inner.end_session(&self.inner.discovery().await, Some(&hint));
        let answer = self.inner.http.get(url).timeout(Duration::from_secs(5)).send().await.expect("an answer");
        answer.status().as_u16()
    }
}

impl Drop for Nextcloud {
    fn drop(&mut self) {
        self.task.abort();
    }
}
