//! Scopes that an admin defines: a name, a description for the consent page, and the claims that they release.

use crate::claims::is_protected;
use crate::claims_request::standard_scope;
use crate::scope::ScopeSet;
use pid_core::apis::{is_reserved_scope, is_scope_token};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Longest name in bytes.
pub const MAX_NAME: usize = 128;
/// Most claims of one scope.
pub const MAX_CLAIMS: usize = 100;

/// A scope that an admin defined.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NamedScope {
    /// What clients ask for.
    pub name: String,
    /// What people read.
    pub description: String,
    /// Names of standard and custom claims.
    pub claims: Vec<String>,
}

/// Why a scope can't be defined so.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScopeDefinitionError {
    /// RFC 6749 §3.3.
    #[error("the name must be 1 to 128 characters without blanks, quotes and backslashes")]
    Name,
    /// It belongs to the protocol.
    #[error("the name belongs to OpenID Connect")]
    Reserved,
    /// Too many, or the same twice.
    #[error("a scope carries at most 100 claims, each once")]
    Claims,
    /// A claim that only we may give a value.
    #[error("the claim '{0}' belongs to the protocol and can't be part of a scope")]
    ProtectedClaim(String),
}

impl NamedScope {
    /// Checks a definition.
    ///
    /// # Errors
    /// [`ScopeDefinitionError`].
    pub fn validate(&self) -> Result<(), ScopeDefinitionError> {
        if self.name.len() > MAX_NAME || !is_scope_token(&self.name) {
            return Err(ScopeDefinitionError::Name);
        }
        if is_reserved_scope(&self.name) {
            return Err(ScopeDefinitionError::Reserved);
        }
        let repeated = self.claims.iter().enumerate().any(|(place, claim)| self.claims[..place].contains(claim));
        if self.claims.len() > MAX_CLAIMS || repeated || self.claims.iter().any(String::is_empty) {
            return Err(ScopeDefinitionError::Claims);
        }
        match self.claims.iter().find(|claim| !can_carry(claim)) {
            Some(claim) => Err(ScopeDefinitionError::ProtectedClaim(claim.clone())),
            None => Ok(()),
        }
    }

    /// True if the scope releases a claim.
    #[must_use]
    pub fn releases(&self, claim: &str) -> bool {
        can_carry(claim) && self.claims.iter().any(|name| name == claim)
    }
}

fn can_carry(claim: &str) -> bool {
    standard_scope(claim).is_some() || !is_protected(claim)
}

/// The claims that the named scopes among the granted ones release. `available` is everything that could be said of the
/// person, by any scope.
#[must_use]
pub fn release(granted: &ScopeSet, named: &[NamedScope], available: &Map<String, Value>) -> Map<String, Value> {
    let active = || named.iter().filter(|scope| granted.contains(&scope.name));
    let released = available.iter().filter(|(claim, _)| active().any(|scope| scope.releases(claim)));
    released.map(|(claim, value)| (claim.clone(), value.clone())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn scope(name: &str, claims: &[&str]) -> NamedScope {
        NamedScope {
            name: name.into(),
            description: String::new(),
            claims: claims.iter().map(|c| (*c).into()).collect(),
        }
    }

    #[test]
    fn definitions_are_checked() {
        assert_eq!(scope("work", &["team", "email", "groups"]).validate(), Ok(()));
        assert_eq!(scope("empty", &[]).validate(), Ok(()));
        for name in ["", "a b", "a\"b", "a\\b", "ü", &"x".repeat(129)] {
            assert_eq!(scope(name, &[]).validate(), Err(ScopeDefinitionError::Name), "{name}");
        }
        for name in ["openid", "Groups", "offline_access"] {
            assert_eq!(scope(name, &[]).validate(), Err(ScopeDefinitionError::Reserved), "{name}");
        }
        assert_eq!(scope("x", &["a", "a"]).validate(), Err(ScopeDefinitionError::Claims));
        assert_eq!(scope("x", &[""]).validate(), Err(ScopeDefinitionError::Claims));
        for claim in ["sub", "iss", "amr", "nonce", "sid", "cnf"] {
            assert_eq!(scope("x", &[claim]).validate(), Err(ScopeDefinitionError::ProtectedClaim(claim.into())));
        }
    }

    #[test]
    fn case_040_scopes_release_their_claims_and_no_protected_one() {
        let named = [scope("work", &["team", "email", "sub", "iss"]), scope("other", &["quota"])];
        let available = json!({"team": "x", "email": "a@b", "quota": 1, "sub": "u", "iss": "evil", "name": "A"});
        let granted = ScopeSet::parse("openid work").unwrap();
        let released = release(&granted, &named, available.as_object().unwrap());
        assert_eq!(Value::Object(released), json!({"team": "x", "email": "a@b"}));
    }
}
