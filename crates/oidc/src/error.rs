//! Protocol errors: a registered code, a sentence for the developer of the client, and perhaps a hint.
//!
//! One type serves the three ways an error leaves the server: the JSON body of RFC 6749 §5.2, the parameters of
//! an error redirect (RFC 6749 §4.1.2.1), and the text of our own error page when nothing may be sent to the
//! client. The code decides the status, so no handler chooses one.

use serde::Serialize;
use std::borrow::Cow;
use std::fmt;

macro_rules! codes {
    ($($(#[$doc:meta])* $variant:ident = $name:literal, $status:literal;)*) => {
        /// A registered error code. The name on the wire is that of its specification.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum ErrorCode { $($(#[$doc])* $variant,)* }

        impl ErrorCode {
            /// The value of the `error` parameter.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// The HTTP status of a JSON error response with this code.
            #[must_use]
            pub const fn status(self) -> u16 {
                match self { $(Self::$variant => $status,)* }
            }

            /// Every code, for tests and documentation.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];
        }
    };
}

codes! {
    /// RFC 6749 §4.1.2.1, §5.2.
    InvalidRequest = "invalid_request", 400;
    /// RFC 6749 §5.2: client authentication failed.
    InvalidClient = "invalid_client", 401;
    /// RFC 6749 §5.2: code or refresh token is not good for this client.
    InvalidGrant = "invalid_grant", 400;
    /// RFC 6749 §5.2.
    UnauthorizedClient = "unauthorized_client", 400;
    /// RFC 6749 §5.2.
    UnsupportedGrantType = "unsupported_grant_type", 400;
    /// RFC 6749 §4.1.2.1.
    UnsupportedResponseType = "unsupported_response_type", 400;
    /// OAuth 2.0 Multiple Response Types (as deployed): a `response_mode` we don't know.
    UnsupportedResponseMode = "unsupported_response_mode", 400;
    /// RFC 6749 §5.2.
    InvalidScope = "invalid_scope", 400;
    /// RFC 6749 §4.1.2.1.
    AccessDenied = "access_denied", 403;
    /// RFC 6749 §4.1.2.1.
    ServerError = "server_error", 500;
    /// RFC 6749 §4.1.2.1.
    TemporarilyUnavailable = "temporarily_unavailable", 503;
    /// OpenID Connect Core §3.1.2.6.
    LoginRequired = "login_required", 400;
    /// OpenID Connect Core §3.1.2.6.
    ConsentRequired = "consent_required", 400;
    /// OpenID Connect Core §3.1.2.6.
    InteractionRequired = "interaction_required", 400;
    /// OpenID Connect Core §3.1.2.6.
    RequestNotSupported = "request_not_supported", 400;
    /// OpenID Connect Core §3.1.2.6.
    RequestUriNotSupported = "request_uri_not_supported", 400;
    /// OpenID Connect Core §3.1.2.6.
    RegistrationNotSupported = "registration_not_supported", 400;
    /// RFC 8707 §2.
    InvalidTarget = "invalid_target", 400;
    /// RFC 9101 §7, RFC 9126 §2.3: a pushed request that is unknown, used or expired.
    InvalidRequestUri = "invalid_request_uri", 400;
    /// RFC 9101 §7.
    InvalidRequestObject = "invalid_request_object", 400;
    /// RFC 8628 §3.5: nobody decided yet.
    AuthorizationPending = "authorization_pending", 400;
    /// RFC 8628 §3.5: the same, asked for too often.
    SlowDown = "slow_down", 400;
    /// RFC 8628 §3.5: the device code.
    ExpiredToken = "expired_token", 400;
    /// OpenID Connect Core Unmet Authentication Requirements 1.0 §2.
    UnmetAuthenticationRequirements = "unmet_authentication_requirements", 400;
    /// RFC 7009 §2.2.1.
    UnsupportedTokenType = "unsupported_token_type", 400;
    /// RFC 9449 §5.
    InvalidDpopProof = "invalid_dpop_proof", 400;
    /// RFC 9449 §8: the answer brings the nonce.
    UseDpopNonce = "use_dpop_nonce", 400;
    /// RFC 6750 §3.1.
    InvalidToken = "invalid_token", 401;
    /// RFC 6750 §3.1.
    InsufficientScope = "insufficient_scope", 403;
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A protocol error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OAuthError {
    code: ErrorCode,
    description: Cow<'static, str>,
    hint: Option<Cow<'static, str>>,
    challenge: Option<&'static str>,
}

/// The JSON body of RFC 6749 §5.2.
#[derive(Debug, Clone, Serialize, PartialEq, Eq)]
pub struct ErrorBody {
    /// The code.
    pub error: &'static str,
    /// A sentence in printable ASCII.
    pub error_description: String,
}

impl OAuthError {
    /// An error with a sentence that says what is wrong and, where it helps, what to do.
    #[must_use]
    pub fn new(code: ErrorCode, description: impl Into<Cow<'static, str>>) -> Self {
        Self { code, description: description.into(), hint: None, challenge: None }
    }

    /// Adds a second sentence: the detail that a person needs to repair it.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<Cow<'static, str>>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Adds an id to the sentence, by which an administrator finds what happened.
    #[must_use]
    pub fn with_reference(mut self, id: &str) -> Self {
        self.description = format!("{} (ID {id})", self.description).into();
        self
    }

    /// Adds the `WWW-Authenticate` value that a 401 must carry (RFC 6749 §5.2).
    #[must_use]
    pub fn with_challenge(mut self, challenge: &'static str) -> Self {
        self.challenge = Some(challenge);
        self
    }

    /// `invalid_request`.
    #[must_use]
    pub fn invalid_request(description: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorCode::InvalidRequest, description)
    }

    /// `invalid_grant`.
    #[must_use]
    pub fn invalid_grant(description: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorCode::InvalidGrant, description)
    }

    /// The code.
    #[must_use]
    pub const fn code(&self) -> ErrorCode {
        self.code
    }

    /// The HTTP status of a JSON answer.
    #[must_use]
    pub const fn status(&self) -> u16 {
        self.code.status()
    }

    /// The value for `WWW-Authenticate`, when the answer needs one.
    #[must_use]
    pub const fn challenge(&self) -> Option<&'static str> {
        self.challenge
    }

    /// `error_description`: description and hint in the characters that RFC 6749 §5.2 allows.
    #[must_use]
    pub fn wire_description(&self) -> String {
        let mut text = wire_text(&self.description);
        if let Some(hint) = &self.hint {
            text.push(' ');
            text.push_str(&wire_text(hint));
        }
        text
    }

    /// The text for our own error page: the hint if there is one, else the description (verbatim; escape it).
    #[must_use]
    pub fn page_text(&self) -> &str {
        self.hint.as_deref().unwrap_or(&self.description)
    }

    /// The JSON body.
    #[must_use]
    pub fn body(&self) -> ErrorBody {
        ErrorBody { error: self.code.as_str(), error_description: self.wire_description() }
    }
}

impl fmt::Display for OAuthError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.description)?;
        self.hint.as_ref().map_or(Ok(()), |hint| write!(f, " {hint}"))
    }
}

impl std::error::Error for OAuthError {}

/// Keeps a text within `%x20-21 / %x23-5B / %x5D-7E` (RFC 6749 §5.2) and within a length that fits a header.
fn wire_text(text: &str) -> String {
    text.chars()
        .take(500)
        .map(|c| match c {
            '"' => '\'',
            '\\' => '/',
            ' '..='~' => c,
            _ => '?',
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn body_has_the_two_members_of_rfc_6749() {
        let error = OAuthError::invalid_grant("The code is expired.").with_hint("Start again.");
        assert_eq!(
            serde_json::to_string(&error.body()).unwrap(),
            r#"{"error":"invalid_grant","error_description":"The code is expired. Start again."}"#
        );
        assert_eq!(error.status(), 400);
        assert_eq!(error.page_text(), "Start again.");
    }

    #[test]
    fn description_stays_within_the_allowed_characters() {
        let error = OAuthError::invalid_request("say \"no\" \\ to\r\nheaders – ü");
        assert_eq!(error.wire_description(), "say 'no' / to??headers ? ?");
        let long = OAuthError::invalid_request("x".repeat(100_000));
        assert_eq!(long.wire_description().len(), 500);
    }

    #[test]
    fn statuses_follow_the_code() {
        for (code, status) in [
            (ErrorCode::InvalidClient, 401),
            (ErrorCode::InvalidToken, 401),
            (ErrorCode::AccessDenied, 403),
            (ErrorCode::InsufficientScope, 403),
            (ErrorCode::UnsupportedGrantType, 400),
            (ErrorCode::ServerError, 500),
            (ErrorCode::TemporarilyUnavailable, 503),
        ] {
            assert_eq!(code.status(), status, "{code}");
        }
        let mut names: Vec<_> = ErrorCode::ALL.iter().map(|c| c.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), ErrorCode::ALL.len(), "each code has its own name");
    }
}
