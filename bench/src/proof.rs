//! Proofs of a key, as clients make them (RFC 9449 §4.2).

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as B64;
use serde_json::json;

use crate::Result;

/// A key of a client.
pub struct Prover {
    key: EcdsaKeyPair,
    random: SystemRandom,
    header: String,
    count: u64,
    /// The newest of the server's nonces.
    pub nonce: String,
}

impl Prover {
    /// A new ES256 key.
    pub fn new() -> Result<Self> {
        let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING)?;
        // An uncompressed point: a mark, then both coordinates.
        let point = key.public_key().as_ref();
        let jwk = json!({ "kty": "EC", "crv": "P-256", "x": B64.encode(&point[1..33]), "y": B64.encode(&point[33..]) });
        let header = B64.encode(json!({ "typ": "dpop+jwt", "alg": "ES256", "jwk": jwk }).to_string());
        Ok(Self { key, random: SystemRandom::new(), header, count: 0, nonce: String::new() })
    }

    /// A proof that nobody has seen, for a `POST` to this address, with the server's nonce, which stands for the time.
    pub fn prove(&mut self, url: &str) -> Result<String> {
        self.count += 1;
        let jti = format!("proof number {}", self.count);
        let claims = json!({ "jti": jti, "htm": "POST", "htu": url, "iat": 0, "nonce": self.nonce });
        let message = format!("{}.{}", self.header, B64.encode(claims.to_string()));
        let signature = self.key.sign(&self.random, message.as_bytes())?;
        Ok(format!("{message}.{}", B64.encode(signature)))
    }
}
