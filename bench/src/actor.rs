//! A person with a browser and a passkey, and the applications that they use.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use pid_testkit::authenticator::SoftAuthenticator;
use serde_json::{Value, json};

use crate::Result;
use crate::operation::{Alg, Operation};
use crate::proof::Prover;
use crate::wire::{Reply, Wire};

/// The callback of every client, and as it stands in a query.
pub const CALLBACK: &str = "https://app.example/cb";
const CALLBACK_QUERY: &str = "https%3A%2F%2Fapp.example%2Fcb";
/// The host of the app behind a proxy.
pub const HOST: &str = "paperless.example";
/// PKCE (RFC 7636 appendix B).
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
/// What a browser calls itself; it is kept with each audit row.
const USER_AGENT: &str =
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36";

/// A client that an actor signs in to.
#[derive(Debug)]
pub struct App {
    /// What its tokens are signed with.
    pub alg: Alg,
    /// Its id.
    pub id: String,
    /// `Authorization` at the token endpoint.
    pub authorization: String,
}

impl App {
    /// A confidential client.
    pub fn new(alg: Alg, id: &str, secret: &str) -> Self {
        Self { alg, id: id.to_owned(), authorization: format!("Basic {}", STANDARD.encode(format!("{id}:{secret}"))) }
    }
}

/// Somebody who uses the server.
pub struct Actor {
    wire: Wire,
    /// Where the server listens that they talk to.
    address: SocketAddr,
    /// The port by which the installation is known.
    known_port: u16,
    number: u32,
    requests: u32,
    passkey: SoftAuthenticator,
    apps: Arc<[App]>,
    /// `access_token=…`, once signed in.
    session: String,
    /// The newest answer of the token endpoint, by algorithm.
    tokens: HashMap<&'static str, Tokens>,
    /// The key that bound tokens are bound to.
    prover: Prover,
    /// What a device of theirs polls with.
    device_code: Option<String>,
    /// The cookie of their session at an app behind a proxy.
    door: String,
}

#[derive(Clone, Debug)]
struct Tokens {
    access: String,
    refresh: String,
}

impl Actor {
    /// Somebody new, without an account yet.
    pub async fn new(address: SocketAddr, number: u32, apps: Arc<[App]>) -> Result<Self> {
        Ok(Self {
            wire: Wire::open(address).await?,
            address,
            known_port: address.port(),
            number,
            requests: 0,
            passkey: SoftAuthenticator::new(-7),
            apps,
            session: String::new(),
            tokens: HashMap::new(),
            prover: Prover::new()?,
            device_code: None,
            door: String::new(),
        })
    }

    /// Talks to this replica from now on.
    pub fn move_to(&mut self, address: SocketAddr) {
        self.address = address;
    }

    /// Connects anew.
    pub async fn reconnect(&mut self) -> Result<()> {
        self.wire = Wire::open(self.address).await?;
        Ok(())
    }

    /// A request with what every request has. Each comes from another address, since the limiter counts by address.
    pub fn request(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: String,
    ) -> Request<Full<Bytes>> {
        self.requests += 1;
        let [_, a, b, c] = self.requests.wrapping_mul(16).wrapping_add(self.number).to_be_bytes();
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", format!("localhost:{}", self.known_port))
            .header("user-agent", USER_AGENT)
            .header("x-forwarded-for", format!("10.{a}.{b}.{c}"));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(body.into()).unwrap_or_default()
    }

    /// `GET`.
    pub async fn get(&mut self, path: &str, headers: &[(&str, &str)]) -> Result<Reply> {
        let request = self.request("GET", path, headers, String::new());
        self.wire.send(request).await
    }

    /// `POST` with JSON, as a page of the server sends it.
    pub async fn post(&mut self, path: &str, cookie: &str, body: &Value) -> Result<Reply> {
        let headers = [("content-type", "application/json"), ("sec-fetch-site", "same-origin"), ("cookie", cookie)];
        let request = self.request("POST", path, &headers, body.to_string());
        self.wire.send(request).await
    }

    /// Does one thing.
    pub async fn act(&mut self, operation: Operation) -> Result<()> {
        match operation {
            Operation::SignIn(alg) => self.enter(alg).await,
            Operation::Passkey(alg) => {
                self.sign_in().await?;
                self.enter(alg).await
            }
            Operation::Refresh(alg) => self.refresh(alg).await,
            Operation::Pushed(alg) => self.push_and_enter(alg).await,
            Operation::Dpop(alg) => self.refresh_bound(alg).await,
            Operation::ClientCredentials(alg) => {
                self.client(alg, "/api/oidc/token", "grant_type=client_credentials", &[]).await?.expect(200).map(drop)
            }
            Operation::DevicePoll => self.poll().await,
            Operation::Introspect => {
                let tokens = self.tokens.get(Alg::RS256.as_str()).ok_or("no access token yet")?;
                let form = format!("token={}", tokens.access);
                let told = self.client(Alg::RS256, "/api/oidc/introspect", &form, &[]).await?.expect(200)?.json()?;
                if told["active"] == true { Ok(()) } else { Err("the token is not active".into()) }
            }
            Operation::UserInfo => {
                let tokens = self.tokens.get(Alg::RS256.as_str()).ok_or("no access token yet")?;
                let bearer = format!("Bearer {}", tokens.access);
                self.get("/api/oidc/userinfo", &[("authorization", &bearer)]).await?.expect(200).map(drop)
            }
            Operation::Jwks => self.get("/.well-known/jwks.json", &[]).await?.expect(200).map(drop),
            Operation::Discovery => self.get("/.well-known/openid-configuration", &[]).await?.expect(200).map(drop),
            Operation::Verdict => {
                let door = self.door.clone();
                self.ask("/documents/42", &door).await?.expect(200).map(drop)
            }
            Operation::LoginPage => self.get("/login", &[("accept", "text/html")]).await?.expect(200).map(drop),
        }
    }

    /// Takes a login code and registers a passkey.
    pub async fn enrol(&mut self, code: &str) -> Result<()> {
        let reply = self.post(&format!("/api/one-time-access-token/{code}"), "", &json!({})).await?.expect(200)?;
        self.session = reply.cookie("access_token")?;
        let session = self.session.clone();
        let reply = self.get("/api/webauthn/register/start", &[("cookie", &session)]).await?.expect(200)?;
        let cookies = format!("{session}; {}", reply.cookie("session")?);
        let response = self.passkey.register(&reply.json()?, &self.origin());
        self.post("/api/webauthn/register/finish", &cookies, &response).await?.expect(200)?;
        self.sign_in().await
    }

    /// Agrees to what a client asks for, so that the next sign-in to it is one redirect.
    pub async fn consent(&mut self, alg: Alg) -> Result<()> {
        let (path, session) = (self.authorize_path(alg)?, self.session.clone());
        let reply = self.get(&path, &[("cookie", &session)]).await?;
        if reply.status == 303 {
            // Agreed to in another browser.
            return self.redeem(alg, &reply.redirected("code")?).await;
        }
        let reply = reply.expect(302)?;
        let cookies = format!("{session}; {}", reply.cookie("session")?);
        let path = format!("/api/oidc/interactions/{}/complete", reply.redirected("interaction")?);
        let done = self.post(&path, &cookies, &json!({ "step": "consent" })).await?.expect(200)?.json()?;
        let path = done["redirectUrl"].as_str().ok_or("the interaction is not complete")?.to_owned();
        let reply = self.get(&path, &[("cookie", &cookies)]).await?.expect(303)?;
        self.redeem(alg, &reply.redirected("code")?).await
    }

    /// What a proxy asks about a request to [`HOST`].
    async fn ask(&mut self, uri: &str, cookies: &str) -> Result<Reply> {
        let told = [
            ("x-forwarded-method", "GET"),
            ("x-forwarded-host", HOST),
            ("x-forwarded-uri", uri),
            ("accept", "text/html"),
            ("cookie", cookies),
        ];
        self.get("/api/forward-auth", &told).await
    }

    /// Enters the app behind a proxy.
    pub async fn enter_proxied(&mut self) -> Result<()> {
        let away = self.ask("/", "").await?.expect(302)?;
        let browser = away.cookie("pocket-id-sign-in")?;
        let path = away.header("location").split_once("/authorize").map(|(_, query)| format!("/authorize{query}"));
        let (path, session) = (path.ok_or("no way to sign in")?, self.session.clone());
        let back = self.get(&path, &[("cookie", &session)]).await?.expect(303)?;
        let callback = back.header("location").split_once(HOST).map(|(_, uri)| uri.to_owned()).ok_or("no way back")?;
        self.door = self.ask(&callback, &browser).await?.expect(302)?.cookie("pocket-id-app")?;
        Ok(())
    }

    /// `access_token=…` of this browser.
    pub fn session(&self) -> &str {
        &self.session
    }

    /// The id of a client that nobody has agreed to.
    pub fn unused_app(&self) -> Result<&str> {
        Ok(&self.apps.get(Alg::ALL.len()).ok_or("every client is in use")?.id)
    }

    /// Comes from a client for the first time: the page that asks for consent, and the cookies that it is shown to.
    pub async fn begin_interaction(&mut self) -> Result<(String, String)> {
        let (path, session) = (authorize_path(self.unused_app()?), self.session.clone());
        let reply = self.get(&path, &[("cookie", &session)]).await?.expect(302)?;
        let cookies = format!("{session}; {}", reply.cookie("session")?);
        Ok((format!("/interaction?interaction={}", reply.redirected("interaction")?), cookies))
    }

    /// Signs in to a public client that needs no consent.
    pub async fn visit(&mut self, client_id: &str) -> Result<()> {
        let (path, session) = (authorize_path(client_id), self.session.clone());
        let code = self.get(&path, &[("cookie", &session)]).await?.expect(303)?.redirected("code")?;
        let form = format!(
            "grant_type=authorization_code&code={code}&redirect_uri={CALLBACK_QUERY}&code_verifier={VERIFIER}&client_id={client_id}"
        );
        let headers = [("content-type", "application/x-www-form-urlencoded")];
        let request = self.request("POST", "/api/oidc/token", &headers, form);
        self.wire.send(request).await?.expect(200).map(drop)
    }

    /// Signs out in the browser.
    pub async fn sign_out(&mut self) -> Result<()> {
        let session = self.session.clone();
        self.post("/api/webauthn/logout", &session, &json!({})).await?.expect(204).map(drop)
    }

    fn origin(&self) -> String {
        format!("http://localhost:{}", self.known_port)
    }

    fn app(&self, alg: Alg) -> Result<&App> {
        Ok(self.apps.iter().find(|app| app.alg == alg).ok_or("no client with this algorithm")?)
    }

    fn authorize_path(&self, alg: Alg) -> Result<String> {
        Ok(authorize_path(&self.app(alg)?.id))
    }

    /// A passkey sign-in in a browser without cookies.
    pub async fn sign_in(&mut self) -> Result<()> {
        let reply = self.get("/api/webauthn/login/start", &[]).await?.expect(200)?;
        let response = self.passkey.authenticate(&reply.json()?, &self.origin());
        let cookie = reply.cookie("session")?;
        let reply = self.post("/api/webauthn/login/finish", &cookie, &response).await?.expect(200)?;
        self.session = reply.cookie("access_token")?;
        Ok(())
    }

    /// Authorize and token.
    async fn enter(&mut self, alg: Alg) -> Result<()> {
        let (path, session) = (self.authorize_path(alg)?, self.session.clone());
        let reply = self.get(&path, &[("cookie", &session)]).await?.expect(303)?;
        self.redeem(alg, &reply.redirected("code")?).await
    }

    async fn redeem(&mut self, alg: Alg, code: &str) -> Result<()> {
        self.token(
            alg,
            format!("grant_type=authorization_code&code={code}&redirect_uri={CALLBACK_QUERY}&code_verifier={VERIFIER}"),
        )
        .await
    }

    /// PAR, authorize and token.
    async fn push_and_enter(&mut self, alg: Alg) -> Result<()> {
        let path = self.authorize_path(alg)?;
        let form = path.split_once('?').map(|(_, query)| query.to_owned()).unwrap_or_default();
        let pushed = self.client(alg, "/api/oidc/par", &form, &[]).await?.expect(201)?.json()?;
        let name = pushed["request_uri"].as_str().ok_or("no request_uri")?;
        let (path, session) =
            (format!("/authorize?client_id={}&request_uri={name}", self.app(alg)?.id), self.session.clone());
        let reply = self.get(&path, &[("cookie", &session)]).await?.expect(303)?;
        self.redeem(alg, &reply.redirected("code")?).await
    }

    async fn refresh_bound(&mut self, alg: Alg) -> Result<()> {
        let tokens = self.tokens.get(alg.as_str()).ok_or("no refresh token yet")?;
        let form = format!("grant_type=refresh_token&refresh_token={}", tokens.refresh);
        let url = format!("{}/api/oidc/token", self.origin());
        let proof = self.prover.prove(&url)?;
        let mut reply = self.client(alg, "/api/oidc/token", &form, &[("dpop", &proof)]).await?;
        reply.header("dpop-nonce").clone_into(&mut self.prover.nonce);
        if reply.status == 400 {
            // The first time there was no nonce yet.
            let proof = self.prover.prove(&url)?;
            reply = self.client(alg, "/api/oidc/token", &form, &[("dpop", &proof)]).await?;
        }
        let answer = reply.expect(200)?.json()?;
        if answer["token_type"] != "DPoP" {
            return Err("the token is not bound".into());
        }
        self.keep(alg, &answer)
    }

    /// Asks for a device whether somebody has decided, which nobody does.
    async fn poll(&mut self) -> Result<()> {
        let code = match &self.device_code {
            Some(code) => code.clone(),
            None => {
                let form = "scope=openid";
                let begun =
                    self.client(Alg::RS256, "/api/oidc/device/authorize", form, &[]).await?.expect(200)?.json()?;
                let code = begun["device_code"].as_str().ok_or("no device_code")?.to_owned();
                self.device_code.insert(code).clone()
            }
        };
        let form = format!("grant_type=urn:ietf:params:oauth:grant-type:device_code&device_code={code}");
        self.client(Alg::RS256, "/api/oidc/token", &form, &[]).await?.expect(400).map(drop)
    }

    async fn refresh(&mut self, alg: Alg) -> Result<()> {
        let tokens = self.tokens.get(alg.as_str()).ok_or("no refresh token yet")?;
        self.token(alg, format!("grant_type=refresh_token&refresh_token={}", tokens.refresh)).await
    }

    /// A request of a client in the back channel.
    async fn client(&mut self, alg: Alg, path: &str, form: &str, more: &[(&str, &str)]) -> Result<Reply> {
        let apps = Arc::clone(&self.apps);
        let app = apps.iter().find(|app| app.alg == alg).ok_or("no client with this algorithm")?;
        let usual =
            [("content-type", "application/x-www-form-urlencoded"), ("authorization", app.authorization.as_str())];
        let request = self.request("POST", path, &[&usual, more].concat(), form.to_owned());
        self.wire.send(request).await
    }

    async fn token(&mut self, alg: Alg, form: String) -> Result<()> {
        let answer = self.client(alg, "/api/oidc/token", &form, &[]).await?.expect(200)?.json()?;
        self.keep(alg, &answer)
    }

    /// Keeps the newest tokens.
    fn keep(&mut self, alg: Alg, answer: &Value) -> Result<()> {
        let text = |name: &str| answer[name].as_str().map(str::to_owned).ok_or_else(|| format!("no {name}"));
        text("id_token")?;
        let tokens = Tokens { access: text("access_token")?, refresh: text("refresh_token")? };
        self.tokens.insert(alg.as_str(), tokens);
        Ok(())
    }
}

fn authorize_path(client_id: &str) -> String {
    format!(
        "/authorize?response_type=code&client_id={client_id}&redirect_uri={CALLBACK_QUERY}&scope=openid%20profile%20email%20groups\
         &state=af0ifjsldkj&nonce=n-0S6_WzA2Mj&code_challenge={CHALLENGE}&code_challenge_method=S256"
    )
}
