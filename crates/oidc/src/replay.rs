//! What may be used once: the `jti` of client assertions and DPoP proofs (RFC 7523 §3, RFC 9449 §11.1).
//!
//! A `jti` is unique only for the one who made it, so the key that the store keeps has both.

use aws_lc_rs::digest;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

/// Longest `jti` in bytes.
pub const MAX_JTI: usize = 512;

/// What the store remembers of a token that may be used once. The first to insert `key` wins; the row can go at
/// `expires_at`, because the token itself is refused from then on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplayKey {
    /// 43 characters, the same for the same token and no other.
    pub key: String,
    /// Seconds since the epoch.
    pub expires_at: i64,
}

impl ReplayKey {
    /// The key of a `jti` of one maker; `purpose` keeps kinds of tokens apart.
    #[must_use]
    pub fn new(purpose: &str, maker: &str, jti: &str, expires_at: i64) -> Self {
        let mut hash = digest::Context::new(&digest::SHA256);
        for part in [purpose, maker, jti] {
            // Lengths first: no two lists of parts become the same bytes.
            hash.update(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
            hash.update(part.as_bytes());
        }
        Self { key: URL_SAFE_NO_PAD.encode(hash.finish()), expires_at }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_tell_makers_and_purposes_apart() {
        let key = |purpose, maker, jti| ReplayKey::new(purpose, maker, jti, 1).key;
        assert_eq!(key("a", "b", "c"), key("a", "b", "c"));
        assert_eq!(key("a", "b", "c").len(), 43);
        for other in
            [key("x", "b", "c"), key("a", "x", "c"), key("a", "b", "x"), key("a", "bc", ""), key("ab", "", "c")]
        {
            assert_ne!(other, key("a", "b", "c"));
        }
    }
}
