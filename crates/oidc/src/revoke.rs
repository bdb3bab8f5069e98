//! Token revocation (RFC 7009): a client gives a token back.
//!
//! A token that the client doesn't have is none of its business: the answer is the same 200 and nothing changes.

use crate::error::{ErrorCode, OAuthError};
use crate::introspect::{Hint, MAX_TOKEN};
use crate::params::Params;
use std::fmt;

/// A revocation request, without its client authentication.
#[derive(Clone, PartialEq, Eq)]
pub struct RevocationRequest {
    /// The token.
    pub token: String,
    /// Where to look first.
    pub hint: Option<Hint>,
}

impl RevocationRequest {
    /// Reads a form.
    ///
    /// # Errors
    /// `invalid_request` if `token` is missing or something is repeated; `unsupported_token_type` for an ID token by
    /// name, which can't be revoked (RFC 7009 §2.2.1). Other unknown hints are ignored.
    pub fn parse(form: &Params) -> Result<Self, OAuthError> {
        let token = form.require("token")?.to_owned();
        let hint = form.get("token_type_hint")?;
        if hint == Some("id_token") {
            return Err(OAuthError::new(
                ErrorCode::UnsupportedTokenType,
                "An ID token can't be revoked: it is a statement about a past sign-in.",
            ));
        }
        Ok(Self { token, hint: hint.and_then(Hint::parse) })
    }

    /// False for a text that no token of ours can be.
    #[must_use]
    pub fn is_plausible(&self) -> bool {
        self.token.len() <= MAX_TOKEN && self.token.bytes().all(|b| b.is_ascii_graphic())
    }
}

impl fmt::Debug for RevocationRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RevocationRequest(…)")
    }
}

/// A token that exists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TokenFound {
    /// An access token by its `jti`.
    Access {
        /// The client that it was issued to.
        client_id: String,
        /// Its id.
        id: String,
    },
    /// A refresh token, used or not.
    Refresh {
        /// The client that it was issued to.
        client_id: String,
        /// Its family.
        grant_id: String,
    },
}

/// What a revocation ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Nothing.
    Nothing,
    /// This access token alone: the client may still refresh.
    Access(String),
    /// The family, with its access tokens (RFC 7009 §2.1).
    Family(String),
}

/// Decides for a client that authenticated (or a public one that named itself: it has the token, which is all that it
/// could use it for).
#[must_use]
pub fn decide(client_id: &str, found: Option<&TokenFound>) -> Effect {
    match found {
        Some(TokenFound::Access { client_id: owner, id }) if owner == client_id => Effect::Access(id.clone()),
        Some(TokenFound::Refresh { client_id: owner, grant_id }) if owner == client_id => {
            Effect::Family(grant_id.clone())
        }
        _ => Effect::Nothing,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_037_only_ones_own_tokens_can_be_given_back() {
        let access = TokenFound::Access { client_id: "app".into(), id: "j".into() };
        let refresh = TokenFound::Refresh { client_id: "app".into(), grant_id: "g".into() };
        assert_eq!(decide("app", Some(&access)), Effect::Access("j".into()));
        assert_eq!(decide("app", Some(&refresh)), Effect::Family("g".into()));
        for found in [Some(&access), Some(&refresh), None] {
            assert_eq!(decide("other", found), Effect::Nothing);
        }
    }

    #[test]
    fn requests_are_read() {
        let parse = |form: &str| RevocationRequest::parse(&Params::parse(form).unwrap());
        assert_eq!(parse("token=t&token_type_hint=refresh_token").unwrap().hint, Some(Hint::RefreshToken));
        assert_eq!(parse("token=t&token_type_hint=whatever").unwrap().hint, None);
        for (form, code) in [
            ("", ErrorCode::InvalidRequest),
            ("token=a&token=a", ErrorCode::InvalidRequest),
            ("token=a&token_type_hint=id_token", ErrorCode::UnsupportedTokenType),
        ] {
            assert_eq!(parse(form).unwrap_err().code(), code, "{form}");
        }
        assert!(!parse("token=a%20b").unwrap().is_plausible());
        assert!(!format!("{:?}", parse("token=secret").unwrap()).contains("secret"));
    }
}
