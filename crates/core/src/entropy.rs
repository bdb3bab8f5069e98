//! Randomness as a value.
//!
//! The edge draws one [`Seed`] per request from the system; a rule expands it with HMAC-SHA-256
//! in counter mode. A rule that the store runs again (a retried transaction) therefore makes the
//! same ids and secrets, and a test that fixes the seed sees the same values each time.

use std::cell::Cell;

use crate::Timestamp;
use aws_lc_rs::hmac;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

/// 256 random bits from the system's source. Never shown: `Debug` redacts.
#[derive(Clone, Copy)]
pub struct Seed(pub [u8; 32]);

impl std::fmt::Debug for Seed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Seed(..)")
    }
}

/// A stream of bytes drawn from a [`Seed`]; computationally indistinguishable from random as long
/// as the seed is secret.
pub struct Entropy {
    key: hmac::Key,
    counter: Cell<u64>,
}

/// Letters and digits: the alphabet of client secrets and tokens that people may copy.
pub const ALPHANUMERIC: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

/// The alphabet of login codes: no `i l o I L O` (api.md §4.6), and one case, so that a code can be
/// read aloud; input folds case.
pub const LOGIN_CODE: &[u8] = b"ABCDEFGHJKMNPQRSTUVWXYZ0123456789";

impl Entropy {
    /// Starts the stream of a seed.
    pub fn new(seed: Seed) -> Self {
        Self { key: hmac::Key::new(hmac::HMAC_SHA256, &seed.0), counter: Cell::new(0) }
    }

    /// The next `N` bytes.
    pub fn bytes<const N: usize>(&self) -> [u8; N] {
        let mut out = [0; N];
        for chunk in out.chunks_mut(32) {
            let n = self.counter.get();
            self.counter.set(n + 1);
            let block = hmac::sign(&self.key, &n.to_be_bytes());
            chunk.copy_from_slice(&block.as_ref()[..chunk.len()]);
        }
        out
    }

    /// A UUID v4 in lower case (RFC 9562 §5.4).
    pub fn uuid(&self) -> String {
        uuid::Builder::from_random_bytes(self.bytes()).into_uuid().to_string()
    }

    /// A UUID v7 in lower case (RFC 9562 §5.7): random, but beginning with the time, so that rows made together lie
    /// together in the store and a commit writes few pages.
    pub fn uuid_at(&self, now: Timestamp) -> String {
        let millis = now.millis().unsigned_abs();
        uuid::Builder::from_unix_timestamp_millis(millis, &self.bytes()).into_uuid().to_string()
    }

    /// 32 bytes of which the first six are the time and 208 bits are random, for what is a row's key itself.
    pub fn bytes_at(&self, now: Timestamp) -> [u8; 32] {
        let mut out = self.bytes();
        out[..6].copy_from_slice(&now.millis().to_be_bytes()[2..]);
        out
    }

    /// A 256-bit token as 43 characters of base64url.
    pub fn token(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.bytes::<32>())
    }

    /// `len` characters of an alphabet (at most 256 long), without bias.
    pub fn text(&self, alphabet: &[u8], len: usize) -> String {
        let limit = 256 - 256 % alphabet.len();
        let mut out = String::with_capacity(len);
        while out.len() < len {
            for b in self.bytes::<32>() {
                if usize::from(b) < limit && out.len() < len {
                    out.push(char::from(alphabet[usize::from(b) % alphabet.len()]));
                }
            }
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_one_stream_and_never_repeats() {
        let (a, b) = (Entropy::new(Seed([7; 32])), Entropy::new(Seed([7; 32])));
        assert_eq!(a.uuid(), b.uuid());
        assert_eq!(a.token(), b.token());
        assert_ne!(a.token(), a.token());
        assert_ne!(Entropy::new(Seed([8; 32])).token(), Entropy::new(Seed([7; 32])).token());
    }

    #[test]
    fn text_keeps_to_its_alphabet() {
        let text = Entropy::new(Seed([1; 32])).text(LOGIN_CODE, 500);
        assert_eq!(text.len(), 500);
        assert!(text.bytes().all(|b| LOGIN_CODE.contains(&b)));
        assert!(LOGIN_CODE.iter().all(|c| text.as_bytes().contains(c)), "every character occurs");
    }
}
