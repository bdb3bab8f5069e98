//! Proof Key for Code Exchange (RFC 7636).
//!
//! The challenge belongs to the code and never leaves it: a failed attempt changes nothing, and a verifier for a
//! code without a challenge is refused as well, because it means that somebody took the challenge away.

use crate::error::OAuthError;
use aws_lc_rs::{constant_time, digest};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

/// How a challenge is made from its verifier (RFC 7636 §4.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Method {
    /// `BASE64URL(SHA256(verifier))`.
    S256,
    /// The verifier itself. Only where a deployment allows it (RFC 9700 §2.1.1 advises against).
    Plain,
}

impl Method {
    /// The value of `code_challenge_method`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::S256 => "S256",
            Self::Plain => "plain",
        }
    }
}

/// A challenge that an authorization code is bound to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Challenge {
    method: Method,
    value: String,
}

impl Challenge {
    /// Reads `code_challenge` and `code_challenge_method` of an authorization request (RFC 7636 §4.3).
    /// `None` if the request doesn't use PKCE.
    ///
    /// # Errors
    /// `invalid_request`: a method without a challenge, an unknown method, `plain` (also by default, when the method
    /// is absent) unless allowed, a challenge that is not 43–128 unreserved characters.
    pub fn parse(challenge: Option<&str>, method: Option<&str>, allow_plain: bool) -> Result<Option<Self>, OAuthError> {
        let Some(value) = challenge else {
            return match method {
                None => Ok(None),
                Some(_) => {
                    Err(OAuthError::invalid_request("'code_challenge_method' was given without 'code_challenge'."))
                }
            };
        };
        let method = match method {
            Some("S256") => Method::S256,
            Some("plain") | None if allow_plain => Method::Plain,
            Some("plain") | None => {
                return Err(OAuthError::invalid_request(
                    "The PKCE method 'plain' is not accepted: send 'code_challenge_method=S256'.",
                ));
            }
            Some(_) => {
                return Err(OAuthError::invalid_request("The 'code_challenge_method' is unknown: use 'S256'."));
            }
        };
        if !well_formed(value) {
            return Err(OAuthError::invalid_request(
                "The 'code_challenge' must be 43 to 128 characters out of A-Z a-z 0-9 - . _ ~.",
            ));
        }
        Ok(Some(Self { method, value: value.to_owned() }))
    }

    /// A challenge as it was stored with the code. `None` for a method that is neither `S256` nor `plain`.
    #[must_use]
    pub fn from_stored(method: &str, value: String) -> Option<Self> {
        let method = match method {
            "S256" => Method::S256,
            "plain" => Method::Plain,
            _ => return None,
        };
        Some(Self { method, value })
    }

    /// The method.
    #[must_use]
    pub const fn method(&self) -> Method {
        self.method
    }

    /// The challenge itself.
    #[must_use]
    pub fn value(&self) -> &str {
        &self.value
    }

    fn accepts(&self, verifier: &str) -> bool {
        let derived = match self.method {
            Method::S256 => URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, verifier.as_bytes())),
            Method::Plain => verifier.to_owned(),
        };
        constant_time::verify_slices_are_equal(derived.as_bytes(), self.value.as_bytes()).is_ok()
    }
}

/// Checks the verifier of a token request against the challenge of the code (RFC 7636 §4.6), in constant time.
///
/// # Errors
/// `invalid_grant`: verifier missing, malformed, wrong, or sent although the code has no challenge.
pub fn verify(challenge: Option<&Challenge>, verifier: Option<&str>) -> Result<(), OAuthError> {
    match (challenge, verifier) {
        (None, None) => Ok(()),
        (None, Some(_)) => Err(OAuthError::invalid_grant(
            "A 'code_verifier' was sent, but the authorization request had no 'code_challenge'.",
        )),
        (Some(_), None) => Err(OAuthError::invalid_grant("The 'code_verifier' is missing.")),
        (Some(_), Some(verifier)) if !well_formed(verifier) => Err(OAuthError::invalid_grant(
            "The 'code_verifier' must be 43 to 128 characters out of A-Z a-z 0-9 - . _ ~.",
        )),
        (Some(challenge), Some(verifier)) if challenge.accepts(verifier) => Ok(()),
        _ => Err(OAuthError::invalid_grant("The 'code_verifier' does not match the 'code_challenge'.")),
    }
}

/// `43*128unreserved` (RFC 7636 §4.1).
fn well_formed(text: &str) -> bool {
    (43..=128).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorCode;
    use proptest::prelude::*;

    // RFC 7636 appendix B.
    const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

    fn s256() -> Challenge {
        Challenge::parse(Some(CHALLENGE), Some("S256"), false).unwrap().unwrap()
    }

    #[test]
    fn vector_of_rfc_7636_appendix_b() {
        assert_eq!(verify(Some(&s256()), Some(VERIFIER)), Ok(()));
    }

    #[test]
    fn case_016_pkce_refusals() {
        for (challenge, method) in [
            (Some(VERIFIER), Some("plain")),
            (Some(CHALLENGE), None),
            (Some(CHALLENGE), Some("s256")),
            (Some(CHALLENGE), Some("S512")),
            (None, Some("S256")),
            (Some("short"), Some("S256")),
            (Some("ü"), Some("S256")),
            (Some(concat!("E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-c", "=")), Some("S256")),
        ] {
            let error = Challenge::parse(challenge, method, false).unwrap_err();
            assert_eq!(error.code(), ErrorCode::InvalidRequest, "{challenge:?} {method:?}");
        }
        assert!(Challenge::parse(Some(&"a".repeat(129)), Some("S256"), false).is_err());

        let wrong = "x".repeat(43);
        let long = "x".repeat(129);
        let non_ascii = "ü".repeat(43);
        for verifier in [None, Some(&wrong), Some(&long), Some(&non_ascii), Some(&"short".to_owned())] {
            let error = verify(Some(&s256()), verifier.map(String::as_str)).unwrap_err();
            assert_eq!(error.code(), ErrorCode::InvalidGrant, "{verifier:?}");
        }
        assert_eq!(verify(Some(&s256()), Some(CHALLENGE)).unwrap_err().code(), ErrorCode::InvalidGrant);
        assert_eq!(verify(None, Some(VERIFIER)).unwrap_err().code(), ErrorCode::InvalidGrant, "downgrade");
        assert_eq!(verify(None, None), Ok(()));
    }

    #[test]
    fn plain_only_where_it_is_allowed() {
        let plain = Challenge::parse(Some(VERIFIER), None, true).unwrap().unwrap();
        assert_eq!(plain.method(), Method::Plain);
        assert_eq!(verify(Some(&plain), Some(VERIFIER)), Ok(()));
        assert!(verify(Some(&plain), Some(CHALLENGE)).is_err());
        assert_eq!(Challenge::from_stored("S256", CHALLENGE.into()), Some(s256()));
        assert_eq!(Challenge::from_stored("none", CHALLENGE.into()), None);
    }

    proptest! {
        #[test]
        fn only_its_own_verifier_opens_a_challenge(a in "[A-Za-z0-9._~-]{43,128}", b in "[A-Za-z0-9._~-]{43,128}") {
            let value = URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, a.as_bytes()));
            let challenge = Challenge::parse(Some(&value), Some("S256"), false).unwrap();
            prop_assert!(verify(challenge.as_ref(), Some(&a)).is_ok());
            prop_assert_eq!(verify(challenge.as_ref(), Some(&b)).is_ok(), a == b);
        }
    }
}
