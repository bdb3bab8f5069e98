//! Bearer tokens at a protected resource, here userinfo (RFC 6750).

use crate::claims::AccessToken;
use crate::error::{ErrorBody, ErrorCode, OAuthError};
use crate::params::Params;
use crate::scope;

/// Longest token that is looked at, in bytes.
const MAX_TOKEN: usize = 16 * 1024;

/// Why a request was refused (RFC 6750 §3.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BearerError {
    /// No token at all: the challenge says nothing more.
    Missing,
    /// The request is malformed, the token isn't good, or it doesn't reach far enough.
    Error(OAuthError),
}

impl BearerError {
    /// `invalid_token`: malformed, expired, revoked, or its user may not sign in.
    #[must_use]
    pub fn invalid_token() -> Self {
        Self::Error(OAuthError::new(ErrorCode::InvalidToken, "The access token is invalid, expired or revoked."))
    }

    /// The HTTP status.
    #[must_use]
    pub const fn status(&self) -> u16 {
        match self {
            Self::Missing => 401,
            Self::Error(error) => error.status(),
        }
    }

    /// The value of `WWW-Authenticate`.
    #[must_use]
    pub fn challenge(&self) -> String {
        match self {
            Self::Missing => "Bearer".to_owned(),
            Self::Error(error) => {
                let scope = if error.code() == ErrorCode::InsufficientScope { ", scope=\"openid\"" } else { "" };
                format!("Bearer error=\"{}\", error_description=\"{}\"{scope}", error.code(), error.wire_description())
            }
        }
    }

    /// The JSON body. A missing token has none, as RFC 6750 §3.1 wishes.
    #[must_use]
    pub fn body(&self) -> Option<ErrorBody> {
        match self {
            Self::Missing => None,
            Self::Error(error) => Some(error.body()),
        }
    }
}

/// Finds the token of a request (RFC 6750 §2): header, form or query, one of them.
///
/// # Errors
/// [`BearerError::Missing`]; `invalid_request` if there are several or one is repeated; `invalid_token` if it can't be one.
pub fn extract<'a>(
    authorization: Option<&'a str>,
    form: Option<&'a Params>,
    query: Option<&'a Params>,
) -> Result<&'a str, BearerError> {
    let header = authorization.and_then(|value| {
        let (scheme, token) = value.trim().split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
    });
    let parameter = |params: Option<&'a Params>| {
        params.map_or(Ok(None), |params| params.get("access_token")).map_err(BearerError::Error)
    };
    let mut found = [header, parameter(form)?, parameter(query)?].into_iter().flatten();
    let token = found.next().ok_or(BearerError::Missing)?;
    if found.next().is_some() {
        return Err(BearerError::Error(OAuthError::invalid_request("The access token was sent in more than one way.")));
    }
    // b64token
    let well_formed = (1..=MAX_TOKEN).contains(&token.len())
        && token
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~' | b'+' | b'/' | b'='));
    if well_formed { Ok(token) } else { Err(BearerError::invalid_token()) }
}

/// Whether a verified access token opens userinfo (oidc.md §17): it must be meant for us and have `openid`.
///
/// # Errors
/// `insufficient_scope`.
pub fn check_userinfo(token: &AccessToken<'_>, issuer: &str) -> Result<(), BearerError> {
    if token.is_for(issuer) && token.scope.contains(scope::OPENID) {
        return Ok(());
    }
    Err(BearerError::Error(OAuthError::new(
        ErrorCode::InsufficientScope,
        "The access token must have the scope 'openid'.",
    )))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scope::ScopeSet;

    #[test]
    fn finds_the_one_token() {
        let params = Params::parse("access_token=form.tok").unwrap();
        let empty = Params::default();
        assert_eq!(extract(Some("Bearer a.b.c"), None, None), Ok("a.b.c"));
        assert_eq!(extract(Some("bEARER  a.b-c_~+/="), Some(&empty), None), Ok("a.b-c_~+/="));
        assert_eq!(extract(None, Some(&params), None), Ok("form.tok"));
        assert_eq!(extract(Some("Basic x"), None, Some(&params)), Ok("form.tok"));
        assert_eq!(extract(None, Some(&empty), Some(&empty)), Err(BearerError::Missing));
        assert_eq!(extract(Some("Bearer"), None, None), Err(BearerError::Missing));
        let twice = Params::parse("access_token=a&access_token=a").unwrap();
        for result in [
            extract(Some("Bearer a"), Some(&params), None),
            extract(None, Some(&params), Some(&params)),
            extract(None, None, Some(&twice)),
        ] {
            assert_eq!(result.unwrap_err().status(), 400);
        }
        for token in ["Bearer a b", "Bearer \"x\"", "Bearer ü", &format!("Bearer {}", "a".repeat(MAX_TOKEN + 1))] {
            assert_eq!(extract(Some(token), None, None), Err(BearerError::invalid_token()));
        }
    }

    #[test]
    fn challenges_of_rfc_6750() {
        assert_eq!((BearerError::Missing.status(), BearerError::Missing.challenge().as_str()), (401, "Bearer"));
        assert_eq!(BearerError::Missing.body(), None);
        let invalid = BearerError::invalid_token();
        assert_eq!(invalid.status(), 401);
        assert_eq!(
            invalid.challenge(),
            r#"Bearer error="invalid_token", error_description="The access token is invalid, expired or revoked.""#
        );
        assert_eq!(invalid.body().unwrap().error, "invalid_token");
    }

    #[test]
    fn userinfo_needs_openid() {
        let token =
            |scopes: &str| AccessToken::new("https://id", "u", "app", &ScopeSet::parse(scopes).unwrap(), "j", 1, 60);
        assert_eq!(check_userinfo(&token("openid"), "https://id"), Ok(()));
        for scopes in ["", "email", "offline_access"] {
            let error = check_userinfo(&token(scopes), "https://id").unwrap_err();
            assert_eq!(error.status(), 403);
            assert!(error.challenge().ends_with(r#"scope="openid""#));
        }
        assert_eq!(check_userinfo(&token("openid"), "https://other").unwrap_err().status(), 403);
    }
}
