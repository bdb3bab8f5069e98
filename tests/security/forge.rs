//! Tokens as an attacker makes them, and a key of the instance whose private half the tests know.

use base64::{Engine as _, engine::general_purpose::STANDARD, engine::general_purpose::URL_SAFE_NO_PAD};
use openidconnect::core::{CoreEdDsaPrivateSigningKey, CoreHmacKey, CoreJwsSigningAlgorithm};
use openidconnect::{JsonWebKeyId, PrivateSigningKey as _};
use pid_core::KeyState;
use pid_store::keys::StoredKey;
use pid_tests::TestApp;
use serde_json::Value;

/// The two parts of a token before its signature.
pub fn message(header: &Value, claims: &Value) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}", part(header), part(claims))
}

/// A token with any bytes as its signature.
pub fn signed(message: &str, signature: &[u8]) -> String {
    format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
}

/// HS256 with any bytes as its secret.
pub fn hs256(secret: &[u8], message: &str) -> String {
    let signature = CoreHmacKey::new(secret).sign(&CoreJwsSigningAlgorithm::HmacSha256, message.as_bytes());
    signed(message, &signature.unwrap())
}

/// An Ed25519 key.
pub struct Forge {
    key: CoreEdDsaPrivateSigningKey,
    /// Its id.
    pub kid: String,
}

impl Forge {
    /// A key of the attacker's own.
    pub fn new(kid: &str) -> Self {
        // PKCS #8 of an Ed25519 key (RFC 8410 §7) made of a fixed seed.
        let mut der = vec![0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20];
        der.extend([7; 32]);
        let (label, body) = ("PRIVATE KEY", STANDARD.encode(der));
        let pem = format!("-----BEGIN {label}-----\n{body}\n-----END {label}-----\n");
        let id = JsonWebKeyId::new(kid.to_owned());
        Self { key: CoreEdDsaPrivateSigningKey::from_ed25519_pem(&pem, Some(id)).unwrap(), kid: kid.to_owned() }
    }

    /// The public half.
    pub fn jwk(&self) -> Value {
        let mut jwk = serde_json::to_value(self.key.as_verification_key()).unwrap();
        jwk["alg"] = "EdDSA".into();
        jwk
    }

    /// Makes the key one of the instance's: retired, so that it verifies.
    pub async fn planted(app: &TestApp) -> Self {
        let forge = Self::new("known-to-the-test");
        let now = app.app().clock().now();
        let row = StoredKey {
            kid: forge.kid.clone(),
            alg: "EdDSA".to_owned(),
            state: KeyState::Retired,
            public_jwk: forge.jwk().to_string(),
            sealed_private: Vec::new(),
            created_at: now,
            activated_at: Some(now),
            retired_at: Some(now),
            publish_until: None,
        };
        app.app().db().write(move |tx| pid_store::keys::insert(tx, &row)).await.unwrap();
        app.app().reload_snapshot().await.unwrap();
        forge
    }

    /// A token with this key's good signature.
    pub fn token(&self, header: &Value, claims: &Value) -> String {
        let message = message(header, claims);
        let signature = self.key.sign(&CoreJwsSigningAlgorithm::EdDsa, message.as_bytes()).unwrap();
        signed(&message, &signature)
    }
}
