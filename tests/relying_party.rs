//! An application that signs people in. It asks with PKCE, state and nonce, redeems the code, and believes a token only
//! after another implementation has verified its signature with the published keys.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use http::Method;
use openidconnect::core::{CoreJsonWebKeySet, CoreJwsSigningAlgorithm};
use openidconnect::{CsrfToken, JsonWebKey as _, Nonce, PkceCodeChallenge};
use serde_json::Value;

use pid_testkit::jwt::Jwt;

use crate::{Agent, Person, Reply, TestApp};

/// A registered application.
#[derive(Clone)]
pub struct RelyingParty {
    /// `client_id`.
    pub id: String,
    /// Its secret, unless it is public.
    pub secret: Option<String>,
    /// Where its answers go.
    pub callback: String,
    /// How it reaches the provider itself, not through a browser.
    pub agent: Agent,
    /// The provider.
    pub issuer: String,
}

/// An authorization request; a test may change its parameters.
#[derive(Clone)]
pub struct Asking {
    parameters: Vec<(String, String)>,
    /// `code_verifier`.
    pub verifier: String,
    /// `state`.
    pub state: String,
    /// `nonce`.
    pub nonce: String,
}

/// The answer of the token endpoint.
#[derive(Clone, Debug)]
pub struct Tokens(pub Value);

impl Asking {
    /// With a parameter in place of one of that name, if there is one.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self = self.without(name);
        self.and(name, value)
    }

    /// With one more parameter, even if it is there already.
    #[must_use]
    pub fn and(mut self, name: &str, value: &str) -> Self {
        self.parameters.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Without a parameter.
    #[must_use]
    pub fn without(mut self, name: &str) -> Self {
        self.parameters.retain(|(known, _)| known != name);
        self
    }

    /// Without PKCE.
    #[must_use]
    pub fn without_pkce(self) -> Self {
        self.without("code_challenge").without("code_challenge_method")
    }

    /// The parameters, for a form.
    #[must_use]
    pub fn form(&self) -> &[(String, String)] {
        &self.parameters
    }

    /// The path with the query.
    #[must_use]
    pub fn path(&self) -> String {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        format!("/authorize?{}", query.extend_pairs(&self.parameters).finish())
    }
}

impl Tokens {
    /// The access token.
    #[must_use]
    pub fn access(&self) -> &str {
        self.0["access_token"].as_str().expect("an access token")
    }

    /// The refresh token.
    #[must_use]
    pub fn refresh(&self) -> &str {
        self.0["refresh_token"].as_str().expect("a refresh token")
    }

    /// The ID token.
    #[must_use]
    pub fn id(&self) -> &str {
        self.0["id_token"].as_str().expect("an ID token")
    }
}

impl From<Reply> for Tokens {
    /// The tokens of a successful answer.
    fn from(reply: Reply) -> Self {
        Self(reply.expect(200).json())
    }
}

impl RelyingParty {
    /// Registers an application: `body` as for [`TestApp::client`].
    pub async fn register(app: &TestApp, body: Value) -> Self {
        let client = app.client(body).await;
        Self {
            id: client["id"].as_str().expect("an id").to_owned(),
            secret: client["secret"].as_str().map(str::to_owned),
            callback: client["callbackURLs"][0].as_str().unwrap_or_default().to_owned(),
            agent: app.agent(),
            issuer: app.url().to_owned(),
        }
    }

    /// The same application with its own line to another server of the same instance.
    #[must_use]
    pub fn at(&self, server: &str) -> Self {
        Self { agent: Agent::new(server), ..self.clone() }
    }

    /// A request for scopes, with PKCE, state and nonce.
    #[must_use]
    pub fn asks(&self, scope: &str) -> Asking {
        let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
        let (state, nonce) = (CsrfToken::new_random(), Nonce::new_random());
        let parameters = [
            ("response_type", "code"),
            ("client_id", &self.id),
            ("redirect_uri", &self.callback),
            ("scope", scope),
            ("state", state.secret()),
            ("nonce", nonce.secret()),
            ("code_challenge", challenge.as_str()),
            ("code_challenge_method", "S256"),
        ];
        Asking {
            parameters: parameters.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
            verifier: verifier.into_secret(),
            state: state.into_secret(),
            nonce: nonce.secret().clone(),
        }
    }

    /// Sends a person with a request to the provider, who does there what is asked of them. Gives the code that comes
    /// back with the right `state` and `iss`.
    pub async fn code(&self, person: &mut Person, asking: &Asking) -> String {
        let reply = person.agent.get(&asking.path()).await;
        let reply = person.follow(reply).await;
        self.code_in(&reply, asking)
    }

    /// The code in an answer of `/authorize`.
    pub fn code_in(&self, reply: &Reply, asking: &Asking) -> String {
        let location = reply.clone().expect(303).location();
        assert!(location.starts_with(&self.callback), "{location}");
        assert_eq!(reply.redirected("state"), Some(asking.state.clone()), "{location}");
        assert_eq!(reply.redirected("iss").as_deref(), Some(self.issuer.as_str()), "{location}");
        reply.redirected("code").unwrap_or_else(|| panic!("no code: {location}"))
    }

    /// A whole sign-in: request, what it takes of the person, code, tokens.
    pub async fn sign_in(&self, person: &mut Person, scope: &str) -> Tokens {
        let asking = self.asks(scope);
        let code = self.code(person, &asking).await;
        self.redeem(&asking, &code).await.into()
    }

    /// A token request, authenticated by Basic, or by `client_id` alone without a secret.
    pub async fn token(&self, form: &[(&str, &str)]) -> Reply {
        self.post("/api/oidc/token", form).await
    }

    /// Redeems a code.
    pub async fn redeem(&self, asking: &Asking, code: &str) -> Reply {
        let form = [
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", &self.callback),
            ("code_verifier", &asking.verifier),
        ];
        self.token(&form).await
    }

    /// Uses a refresh token.
    pub async fn refresh(&self, token: &str) -> Reply {
        self.token(&[("grant_type", "refresh_token"), ("refresh_token", token)]).await
    }

    /// A request to another endpoint of the back channel, authenticated as [`RelyingParty::token`] is.
    pub async fn post(&self, path: &str, form: &[(&str, &str)]) -> Reply {
        let request = self.agent.request(Method::POST, path);
        let mut form = form.to_vec();
        let request = match &self.secret {
            Some(secret) => request.basic_auth(encoded(&self.id), Some(encoded(secret))),
            None => {
                form.push(("client_id", &self.id));
                request
            }
        };
        self.agent.send(request.form(&form)).await
    }

    /// Gives a token back (RFC 7009).
    pub async fn revoke(&self, token: &str) -> Reply {
        self.post("/api/oidc/revoke", &[("token", token)]).await
    }

    /// Asks what a token is worth (RFC 7662).
    pub async fn introspect(&self, token: &str) -> Reply {
        self.post("/api/oidc/introspect", &[("token", token)]).await
    }

    /// Asks userinfo with a token in the header.
    pub async fn userinfo(&self, access_token: &str) -> Reply {
        self.agent.send(self.agent.request(Method::GET, "/api/oidc/userinfo").bearer_auth(access_token)).await
    }

    /// Whether an access token opens userinfo now.
    pub async fn is_alive(&self, access_token: &str) -> bool {
        self.userinfo(access_token).await.status == 200
    }

    /// Verifies a token with the published keys, by another implementation than the server's.
    pub async fn verify(&self, token: &str) -> Jwt {
        let jwks = self.agent.get("/.well-known/jwks.json").await.expect(200).json();
        let jwks: CoreJsonWebKeySet = serde_json::from_value(jwks).expect("a key set");
        let jwt = Jwt::unverified(token);
        let key = jwks.keys().iter().find(|k| k.key_id().is_some_and(|kid| jwt.header["kid"] == **kid));
        let key = key.unwrap_or_else(|| panic!("no key for {}", jwt.header));
        let alg: CoreJwsSigningAlgorithm = serde_json::from_value(jwt.header["alg"].clone()).expect("an algorithm");
        let (message, signature) = token.rsplit_once('.').expect("a signature");
        let signature = URL_SAFE_NO_PAD.decode(signature).expect("base64url");
        key.verify_signature(&alg, message.as_bytes(), &signature).unwrap_or_else(|e| panic!("{e}: {token}"));
        jwt
    }
}

/// Form-encoded, as RFC 6749 §2.3.1 wants it before base64.
fn encoded(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}
