//! Tokens as a relying party reads them.
#![allow(clippy::expect_used, clippy::missing_panics_doc, reason = "a test may stop with a panic")]

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::Value;

/// Header and claims of a token.
#[derive(Clone, Debug)]
pub struct Jwt {
    /// The JOSE header.
    pub header: Value,
    /// The claims.
    pub claims: Value,
}

impl Jwt {
    /// Reads a token without looking at its signature.
    #[must_use]
    pub fn unverified(token: &str) -> Self {
        let part = |index: usize| {
            let bytes = URL_SAFE_NO_PAD.decode(token.split('.').nth(index).expect("three parts")).expect("base64url");
            serde_json::from_slice(&bytes).expect("JSON")
        };
        Self { header: part(0), claims: part(1) }
    }
}
