//! How an app failed to prove who it is. The facts say which disguise of a secret fits, never the secret.

use super::{Code, Finding, Remedy};
use crate::Timestamp;

/// What was found when the secret that was sent was held against those of the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Secret {
    /// The request brings none.
    Missing,
    /// The client has none.
    ClientHasNone,
    /// It fits one whose time was over at this moment.
    Expired(Timestamp),
    /// It fits once it is decoded once more, or once less.
    Encoded,
    /// It fits without what stands around it.
    Blank,
    /// It is that of the client with this name.
    Foreign(String),
    /// It fits nothing.
    Wrong,
}

/// Explains a secret that was refused.
#[must_use]
pub fn secret(found: &Secret) -> Finding {
    let finding = match found {
        Secret::Missing => Finding::new(Code::SecretMissing),
        Secret::ClientHasNone => Finding::new(Code::SecretNone),
        Secret::Expired(at) => Finding::new(Code::SecretExpired).quote("when", at.to_string()),
        Secret::Encoded => Finding::new(Code::SecretEncoded),
        Secret::Blank => Finding::new(Code::SecretBlank),
        Secret::Foreign(name) => Finding::new(Code::SecretForeign).quote("name", name),
        Secret::Wrong => Finding::new(Code::SecretWrong),
    };
    finding.remedy(Remedy::Credentials)
}

/// What an app signed to prove who it is, or to ask for something.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Signed<'a> {
    /// `iss`.
    pub issuer: &'a str,
    /// `aud`.
    pub audiences: &'a [String],
    /// `iat` or `nbf`, whichever is later, seconds.
    pub begins: Option<i64>,
    /// `exp`, seconds.
    pub ends: Option<i64>,
    /// The header's algorithm.
    pub algorithm: &'a str,
    /// Whether it is an algorithm that may be.
    pub algorithm_is_allowed: bool,
    /// Whether `iss` is the client, or one who vouches for it.
    pub issuer_is_known: bool,
    /// The client.
    pub client_id: &'a str,
    /// Who we are.
    pub us: Us<'a>,
    /// Now, seconds.
    pub now: i64,
    /// What the check said, for what is told by nothing else.
    pub reason: &'a str,
}

/// Who we are, for those who address us.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Us<'a> {
    /// The issuer.
    pub issuer: &'a str,
    /// The base of our addresses for servers.
    pub internal: &'a str,
}

/// By how much clocks may differ without anybody's noticing, seconds.
const LEEWAY: i64 = 30;

impl Us<'_> {
    /// How an address that should be the issuer's misses it; `None` if it is one of ours.
    #[must_use]
    pub fn missed(&self, sent: &str) -> Option<Finding> {
        let bare = sent.trim_end_matches('/');
        let finding = |code| Finding::new(code).quote("sent", sent).quote("expected", self.issuer);
        if sent == self.issuer || sent.starts_with(&format!("{}/api/", self.issuer)) {
            None
        } else if bare == self.issuer {
            Some(finding(Code::IssuerSlash))
        } else if self.internal != self.issuer && (bare == self.internal || host(bare) == host(self.internal)) {
            Some(finding(Code::IssuerInternal))
        } else if path(bare) == path(self.issuer) && host(bare).split(':').next() == host(self.issuer).split(':').next()
        {
            // Another scheme or port of our own host.
            Some(finding(Code::IssuerInternal))
        } else {
            Some(finding(Code::AssertionAudience))
        }
    }
}

fn host(address: &str) -> &str {
    address.split_once("://").map_or(address, |(_, rest)| rest).split('/').next().unwrap_or_default()
}

fn path(address: &str) -> &str {
    let rest = address.split_once("://").map_or(address, |(_, rest)| rest);
    rest.find('/').map_or("", |at| &rest[at..])
}

/// Explains a client assertion that was refused.
#[must_use]
pub fn assertion(facts: &Signed<'_>) -> Finding {
    let reason = || Finding::new(Code::AssertionRefused).quote("reason", facts.reason);
    if !facts.issuer_is_known {
        return Finding::new(Code::AssertionIssuer).quote("sent", facts.issuer).quote("expected", facts.client_id);
    }
    if !facts.algorithm_is_allowed {
        return Finding::new(Code::AssertionAlgorithm).quote("sent", facts.algorithm);
    }
    if let Some(finding) = clock(facts.begins, facts.ends, facts.now) {
        return finding;
    }
    if let Some(finding) = facts.audiences.iter().find_map(|sent| facts.us.missed(sent)) {
        return finding;
    }
    reason()
}

/// Explains a clock that is wrong, if it is.
#[must_use]
pub fn clock(begins: Option<i64>, ends: Option<i64>, now: i64) -> Option<Finding> {
    if let Some(ahead) = begins.map(|at| at.saturating_sub(now)).filter(|ahead| *ahead > LEEWAY) {
        return Some(Finding::new(Code::AssertionAhead).quote("seconds", ahead.to_string()));
    }
    let behind = ends.map(|at| now.saturating_sub(at)).filter(|behind| *behind >= LEEWAY)?;
    Some(Finding::new(Code::AssertionBehind).quote("seconds", behind.to_string()))
}
