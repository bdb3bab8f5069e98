//! Scopes (RFC 6749 §3.3).

use crate::error::{ErrorCode, OAuthError};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::collections::HashSet;
use std::fmt;

/// `openid`: an ID token is wanted.
pub const OPENID: &str = "openid";
/// `profile`: names, picture and custom claims.
pub const PROFILE: &str = "profile";
/// `email`: address and whether it is verified.
pub const EMAIL: &str = "email";
/// `groups`: names of the user's groups.
pub const GROUPS: &str = "groups";
/// `offline_access`: known and granted, but refresh tokens are issued without it too.
pub const OFFLINE_ACCESS: &str = "offline_access";

/// The scopes that every client may ask for.
pub const IDENTITY: [&str; 5] = [OPENID, PROFILE, EMAIL, GROUPS, OFFLINE_ACCESS];

/// Most scopes in one request, repeated ones included.
pub const MAX_SCOPES: usize = 1000;

/// Scopes in the order they were asked for, each once.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ScopeSet(Vec<String>);

impl ScopeSet {
    /// Reads a space-separated list. A scope that is named twice is kept once (some clients send `openid` twice).
    ///
    /// # Errors
    /// `invalid_scope` above [`MAX_SCOPES`] items.
    pub fn parse(text: &str) -> Result<Self, OAuthError> {
        let mut seen = HashSet::new();
        let mut list = Vec::new();
        for (count, item) in text.split(' ').filter(|item| !item.is_empty()).enumerate() {
            if count == MAX_SCOPES {
                return Err(OAuthError::new(ErrorCode::InvalidScope, "The request names more than 1000 scopes."));
            }
            if seen.insert(item) {
                list.push(item.to_owned());
            }
        }
        Ok(Self(list))
    }

    /// A set from single names; empty ones and repetitions are left out.
    pub fn from_names<S: Into<String>>(names: impl IntoIterator<Item = S>) -> Self {
        let mut list: Vec<String> = Vec::new();
        for name in names {
            let name = name.into();
            if !name.is_empty() && !list.contains(&name) {
                list.push(name);
            }
        }
        Self(list)
    }

    /// Those scopes that the predicate knows, in the same order. At `/authorize` unknown ones are dropped silently.
    #[must_use]
    pub fn retain(mut self, known: impl Fn(&str) -> bool) -> Self {
        self.0.retain(|scope| known(scope));
        self
    }

    /// Only the [`IDENTITY`] scopes.
    #[must_use]
    pub fn identity(self) -> Self {
        self.retain(|scope| IDENTITY.contains(&scope))
    }

    /// True if the scope is in the set.
    #[must_use]
    pub fn contains(&self, scope: &str) -> bool {
        self.0.iter().any(|s| s == scope)
    }

    /// True if each scope of `self` is in `other`.
    #[must_use]
    pub fn is_subset(&self, other: &Self) -> bool {
        self.0.iter().all(|scope| other.contains(scope))
    }

    /// True without any scope.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The scopes in order.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    /// The scopes as a slice.
    #[must_use]
    pub fn as_slice(&self) -> &[String] {
        &self.0
    }
}

impl fmt::Display for ScopeSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join(" "))
    }
}

impl Serialize for ScopeSet {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ScopeSet {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_order_and_drops_repetitions() {
        let scopes = ScopeSet::parse("email openid  profile openid").unwrap();
        assert_eq!(scopes.to_string(), "email openid profile");
        assert_eq!(serde_json::to_string(&scopes).unwrap(), r#""email openid profile""#);
        assert!(ScopeSet::parse("").unwrap().is_empty());
        assert!(ScopeSet::parse("openid").unwrap().is_subset(&scopes));
        assert!(!scopes.is_subset(&ScopeSet::parse("openid email").unwrap()));
    }

    #[test]
    fn case_023_scope_lists_unknown_repeated_and_huge() {
        let scopes = ScopeSet::parse("openid name sub groups email_verified openid").unwrap().identity();
        assert_eq!(scopes.to_string(), "openid groups");
        let ten_thousand = (0..10_000).map(|i| format!("s{i}")).collect::<Vec<_>>().join(" ");
        assert_eq!(ScopeSet::parse(&ten_thousand).unwrap_err().code(), ErrorCode::InvalidScope);
        assert_eq!(ScopeSet::parse(&"openid ".repeat(10_000)).unwrap_err().code(), ErrorCode::InvalidScope);
        assert_eq!(ScopeSet::parse(&"openid ".repeat(1000)).unwrap().as_slice(), ["openid"]);
        assert!(ScopeSet::parse("OpenID open\tid \"openid\"").unwrap().identity().is_empty());
    }
}
