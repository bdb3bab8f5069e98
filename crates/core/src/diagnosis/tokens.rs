//! Codes, refresh tokens and access tokens that were refused, and notices that were not taken.

use super::{Code, Finding};

/// What is known of a code that was refused. Times are seconds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AuthorizationCode<'a> {
    /// There is none.
    Unknown,
    /// Of the client with this name.
    Foreign(&'a str),
    /// Redeemed so long ago.
    Used(i64),
    /// Expired so long ago.
    Expired(i64),
    /// The addresses of token and authorization request.
    Callback(&'a str, &'a str),
    /// PKCE: whether the sign-in began with it, and whether there is a verifier.
    Verifier {
        /// There was a `code_challenge`.
        challenged: bool,
        /// There is a `code_verifier`.
        sent: bool,
    },
    /// The sign-in is over.
    Ended,
}

/// Explains a code that was refused.
#[must_use]
pub fn code(facts: &AuthorizationCode<'_>) -> Finding {
    match facts {
        AuthorizationCode::Unknown => Finding::new(Code::CodeUnknown),
        AuthorizationCode::Foreign(name) => Finding::new(Code::CodeForeign).quote("name", name),
        AuthorizationCode::Used(ago) => Finding::new(Code::CodeUsed).quote("seconds", ago.to_string()),
        AuthorizationCode::Expired(ago) => Finding::new(Code::CodeExpired).quote("seconds", ago.to_string()),
        AuthorizationCode::Callback(sent, expected) => {
            Finding::new(Code::CodeCallback).quote("sent", sent).quote("expected", expected)
        }
        AuthorizationCode::Verifier { challenged: false, .. } => Finding::new(Code::VerifierUnasked),
        AuthorizationCode::Verifier { sent: false, .. } => Finding::new(Code::VerifierMissing),
        AuthorizationCode::Verifier { .. } => Finding::new(Code::VerifierWrong),
        AuthorizationCode::Ended => Finding::new(Code::GrantEnded),
    }
}

/// What is known of a refresh token that was refused. Times are seconds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RefreshToken<'a> {
    /// There is none.
    Unknown,
    /// Of the client with this name.
    Foreign(&'a str),
    /// Exchanged so long ago.
    Used(i64),
    /// Expired so long ago.
    Expired(i64),
    /// The sign-in is over.
    Ended,
}

/// Explains a refresh token that was refused.
#[must_use]
pub fn refresh(facts: &RefreshToken<'_>) -> Finding {
    match facts {
        RefreshToken::Unknown => Finding::new(Code::RefreshUnknown),
        RefreshToken::Foreign(name) => Finding::new(Code::RefreshForeign).quote("name", name),
        RefreshToken::Used(ago) => Finding::new(Code::RefreshUsed).quote("seconds", ago.to_string()),
        RefreshToken::Expired(ago) => Finding::new(Code::RefreshExpired).quote("seconds", ago.to_string()),
        RefreshToken::Ended => Finding::new(Code::GrantEnded),
    }
}

/// What an access token that was refused says of itself; nobody has to believe it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AccessToken<'a> {
    /// Something was sent.
    pub sent: bool,
    /// It can be read as a signed token.
    pub is_signed: bool,
    /// `iss`.
    pub issuer: &'a str,
    /// It is an ID token.
    pub is_identity: bool,
    /// Seconds since it expired, if it did.
    pub expired_for: Option<i64>,
    /// A key of ours has signed it.
    pub is_ours: bool,
    /// Its scope has `openid`.
    pub has_openid: bool,
}

/// Explains an access token that was refused.
#[must_use]
pub fn access(facts: &AccessToken<'_>, issuer: &str) -> Finding {
    if !facts.sent {
        return Finding::new(Code::TokenMissing);
    }
    if !facts.is_signed {
        return Finding::new(Code::TokenMalformed);
    }
    if facts.issuer != issuer {
        return Finding::new(Code::TokenForeign).quote("sent", facts.issuer).quote("expected", issuer);
    }
    if facts.is_identity {
        return Finding::new(Code::TokenOfIdentity);
    }
    if !facts.is_ours {
        return Finding::new(Code::TokenKey);
    }
    if let Some(ago) = facts.expired_for {
        return Finding::new(Code::TokenExpired).quote("seconds", ago.to_string());
    }
    Finding::new(if facts.has_openid { Code::TokenEnded } else { Code::OpenidMissing })
}

/// How a notice of a sign-out ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notice<'a> {
    /// With this HTTP status.
    Status(u16),
    /// Without an answer: the outbound client's name for the failure.
    Failure(&'a str),
}

/// Explains a notice that the app at this host did not take; `None` if it did.
#[must_use]
pub fn notice(host: &str, how: Notice<'_>) -> Option<Finding> {
    let with_status =
        |code, status: u16| Some(Finding::new(code).quote("host", host).quote("status", status.to_string()));
    let code = match how {
        Notice::Status(200..=299) => return None,
        Notice::Status(status @ 300..=399) => return with_status(Code::NoticeRedirect, status),
        Notice::Status(status @ 400..=499) => return with_status(Code::NoticeRefused, status),
        Notice::Status(status) => return with_status(Code::NoticeFailed, status),
        Notice::Failure("name_not_found") => Code::NoticeName,
        Notice::Failure("tls_failed") => Code::NoticeTls,
        Notice::Failure("timeout") => Code::NoticeTimeout,
        Notice::Failure("target_refused") => Code::NoticeBlocked,
        Notice::Failure(_) => Code::NoticeDown,
    };
    Some(Finding::new(code).quote("host", host))
}
