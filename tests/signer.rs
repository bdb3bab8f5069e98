//! Somebody who signs: a client with keys of its own, or an issuer that vouches for one.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::State;
use axum::routing::get;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use pid_jose::{Alg, SigningKey, sign_as_peer, thumbprint};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// The parameter that goes with an assertion.
pub const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// A private key and what is made with it.
pub struct Signer {
    key: SigningKey,
    kid: String,
}

impl Signer {
    /// A new ES256 key.
    ///
    /// # Panics
    /// If no key can be made.
    #[must_use]
    pub fn new(kid: &str) -> Self {
        Self::of(Alg::ES256, kid)
    }

    /// A new key.
    ///
    /// # Panics
    /// If no key can be made.
    #[must_use]
    pub fn of(alg: Alg, kid: &str) -> Self {
        Self { key: SigningKey::generate(alg, kid).expect("a key").0, kid: kid.to_owned() }
    }

    /// Its public key alone in a set.
    #[must_use]
    pub fn jwks(&self) -> Value {
        json!({ "keys": [self.key.public_jwk()] })
    }

    /// The thumbprint of its key.
    #[must_use]
    pub fn jkt(&self) -> String {
        thumbprint(self.key.public_jwk())
    }

    /// A signed token with more members in its header.
    ///
    /// # Panics
    /// If it can't be signed.
    #[must_use]
    pub fn sign_with(&self, header: Value, claims: &Value) -> String {
        let mut header = header;
        header["kid"] = json!(self.kid);
        sign_as_peer(&self.key, &header, claims).expect("a token")
    }

    /// A signed token.
    #[must_use]
    pub fn sign(&self, claims: &Value) -> String {
        self.sign_with(json!({}), claims)
    }

    /// A proof for a request at a moment (RFC 9449 §4.2), with more claims.
    ///
    /// # Panics
    /// If it can't be signed.
    #[must_use]
    pub fn proof(&self, method: &str, url: &str, now: i64, more: &Value) -> String {
        let mut claims = json!({ "jti": random(), "htm": method, "htu": url, "iat": now });
        for (name, value) in more.as_object().into_iter().flatten() {
            claims[name] = value.clone();
        }
        let header = json!({ "typ": "dpop+jwt", "jwk": self.key.public_jwk() });
        sign_as_peer(&self.key, &header, &claims).expect("a proof")
    }
}

/// A token that nobody signed (RFC 7518 §3.6).
#[must_use]
pub fn unsigned(claims: &Value) -> String {
    let part = |json: &str| URL_SAFE_NO_PAD.encode(json);
    format!("{}.{}.", part(r#"{"alg":"none"}"#), part(&claims.to_string()))
}

/// A text that nobody else has.
///
/// # Panics
/// Without a source of randomness.
#[must_use]
pub fn random() -> String {
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&pid_http::state::seed().0[..16]);
    URL_SAFE_NO_PAD.encode(bytes)
}

#[derive(Default)]
struct Shelf {
    keys: Mutex<Value>,
    asked: AtomicUsize,
}

/// Publishes a key set on loopback.
pub struct Publisher {
    shelf: Arc<Shelf>,
    base: String,
    task: JoinHandle<()>,
}

async fn give(State(shelf): State<Arc<Shelf>>) -> axum::Json<Value> {
    shelf.asked.fetch_add(1, Ordering::Relaxed);
    axum::Json(shelf.keys.lock().unwrap().clone())
}

impl Publisher {
    /// Starts one.
    ///
    /// # Panics
    /// Without a free port.
    pub async fn start(keys: Value) -> Self {
        let shelf = Arc::new(Shelf { keys: Mutex::new(keys), asked: AtomicUsize::new(0) });
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let base = format!("http://{}", listener.local_addr().expect("an address"));
        let router = Router::new().route("/.well-known/jwks.json", get(give)).with_state(shelf.clone());
        let task = tokio::spawn(async move { axum::serve(listener, router).await.expect("it serves") });
        Self { shelf, base, task }
    }

    /// As an issuer.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.base
    }

    /// Where the set is.
    #[must_use]
    pub fn url(&self) -> String {
        format!("{}/.well-known/jwks.json", self.base)
    }

    /// Publishes another set.
    ///
    /// # Panics
    /// After a panic elsewhere.
    pub fn publish(&self, keys: Value) {
        *self.shelf.keys.lock().unwrap() = keys;
    }

    /// How often it was asked.
    #[must_use]
    pub fn asked(&self) -> usize {
        self.shelf.asked.load(Ordering::Relaxed)
    }
}

impl Drop for Publisher {
    fn drop(&mut self) {
        self.task.abort();
    }
}
