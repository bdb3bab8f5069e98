//! How one client is told the claims of a person: some renamed, some left out, some constants added, groups in the form
//! that it understands. No scripting: what an admin writes is data.
//!
//! A mapping works on what scopes and claims released; it can't release more. It never touches the protocol's own claims,
//! and neither `sub` nor the pair `email` and `email_verified` can be given another value, because applications decide
//! by them whose account it is.

use crate::claims::{UserView, is_protected};
use crate::claims_request::standard_scope;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// Most entries of each kind.
pub const MAX_ENTRIES: usize = 50;
/// Longest name, pattern or constant (as JSON) in bytes.
pub const MAX_LENGTH: usize = 2048;

/// A client's mapping. In JSON: `{"rename": {"from": "to"}, "drop": ["claim"], "constants": {"claim": value},
/// "groups": {"format": "names" | "ids", "filter": ["app-*"]}}`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ClaimMapping {
    /// Old name to new name.
    pub rename: BTreeMap<String, String>,
    /// Claims that are left out.
    pub drop: Vec<String>,
    /// Claims with a value of their own.
    pub constants: Map<String, Value>,
    /// How groups are written.
    pub groups: GroupFormat,
}

/// How groups are written.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GroupFormat {
    /// What stands for a group.
    pub format: GroupName,
    /// Patterns of names with `*` for any characters; a group counts if one fits. Empty: all count.
    pub filter: Vec<String>,
}

/// What stands for a group.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum GroupName {
    /// Its machine name.
    #[default]
    Names,
    /// Its id, which stays when the name changes.
    Ids,
}

/// Why a mapping can't be saved.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MappingError {
    /// More than [`MAX_ENTRIES`] of a kind, or longer than [`MAX_LENGTH`].
    #[error("a claim mapping has at most 50 entries of each kind, and none longer than 2048 bytes")]
    TooLarge,
    /// The claim's value belongs to the protocol or to the account.
    #[error("the claim '{0}' can't be renamed, dropped or given another value")]
    Protected(String),
    /// Two entries give the same claim.
    #[error("two entries give the claim '{0}'")]
    Twice(String),
}

/// True if a mapping may give a claim this name.
fn can_be_given(claim: &str) -> bool {
    let account = matches!(claim, "email" | "email_verified");
    !claim.is_empty() && !account && (standard_scope(claim).is_some() || !is_protected(claim))
}

/// True if a mapping may take a claim away.
fn can_be_taken(claim: &str) -> bool {
    !claim.is_empty() && (standard_scope(claim).is_some() || !is_protected(claim))
}

impl ClaimMapping {
    /// Checks a mapping before it is saved.
    ///
    /// # Errors
    /// [`MappingError`].
    pub fn validate(&self) -> Result<(), MappingError> {
        let counts = [self.rename.len(), self.drop.len(), self.constants.len(), self.groups.filter.len()];
        let texts = self.rename.iter().flat_map(|(from, to)| [from, to]).chain(&self.drop).chain(&self.groups.filter);
        let long = texts.chain(self.constants.keys()).any(|text| text.len() > MAX_LENGTH)
            || self.constants.values().any(|value| value.to_string().len() > MAX_LENGTH);
        if long || counts.into_iter().any(|count| count > MAX_ENTRIES) {
            return Err(MappingError::TooLarge);
        }
        let taken = self.rename.keys().chain(&self.drop).find(|claim| !can_be_taken(claim));
        let given = self.rename.values().chain(self.constants.keys()).find(|claim| !can_be_given(claim));
        if let Some(claim) = taken.or(given) {
            return Err(MappingError::Protected(claim.clone()));
        }
        let targets: Vec<&String> = self.rename.values().chain(self.constants.keys()).collect();
        match targets.iter().enumerate().find(|(place, claim)| targets[..*place].contains(claim)) {
            Some((_, claim)) => Err(MappingError::Twice((*claim).clone())),
            None => Ok(()),
        }
    }

    /// The claims as this client is told them. An entry that [`ClaimMapping::validate`] would refuse does nothing.
    #[must_use]
    pub fn apply(&self, mut claims: Map<String, Value>, user: &UserView) -> Map<String, Value> {
        if let Some(groups) = claims.get_mut("groups") {
            *groups = self.groups.write(user);
        }
        for claim in self.drop.iter().filter(|claim| can_be_taken(claim)) {
            claims.remove(claim);
        }
        let good = |from: &str, to: &str| can_be_taken(from) && can_be_given(to);
        let renamed: Vec<(String, Value)> = self
            .rename
            .iter()
            .filter(|(from, to)| good(from, to))
            .filter_map(|(from, to)| Some((to.clone(), claims.remove(from)?)))
            .collect();
        claims.extend(renamed);
        let constants = self.constants.iter().filter(|(claim, _)| can_be_given(claim));
        claims.extend(constants.map(|(claim, value)| (claim.clone(), value.clone())));
        claims
    }
}

impl GroupFormat {
    fn write(&self, user: &UserView) -> Value {
        let counts = |name: &str| self.filter.is_empty() || self.filter.iter().any(|pattern| fits(pattern, name));
        let mut groups: Vec<_> = user.groups.iter().filter(|group| counts(&group.name)).collect();
        groups.sort_by(|a, b| a.name.cmp(&b.name));
        let written = groups.into_iter().map(|group| match self.format {
            GroupName::Names => Value::from(group.name.as_str()),
            GroupName::Ids => Value::from(group.id.as_str()),
        });
        written.collect()
    }
}

/// Whether a text fits a pattern in which `*` stands for any characters. The last star alone is ever taken back, so the
/// time is at most the product of the lengths.
fn fits(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
    let (mut p, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        if pattern.get(p) == Some(&b'*') {
            star = Some((p, t));
            p += 1;
        } else if pattern.get(p) == Some(&text[t]) {
            (p, t) = (p + 1, t + 1);
        } else if let Some((star_p, star_t)) = star {
            (p, t) = (star_p + 1, star_t + 1);
            star = Some((star_p, star_t + 1));
        } else {
            return false;
        }
    }
    pattern[p..].iter().all(|b| *b == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::claims::GroupView;
    use proptest::prelude::*;
    use serde_json::json;

    fn mapping(value: Value) -> ClaimMapping {
        serde_json::from_value(value).unwrap()
    }

    fn user() -> UserView {
        let group = |id: &str, name: &str| GroupView { id: id.into(), name: name.into(), custom_claims: vec![] };
        UserView {
            groups: vec![group("2", "app-users"), group("1", "app-admins"), group("3", "family")],
            ..UserView::default()
        }
    }

    fn apply(mapping_json: Value, claims: &Value) -> Value {
        let mapping = mapping(mapping_json);
        Value::Object(mapping.apply(claims.as_object().unwrap().clone(), &user()))
    }

    #[test]
    fn claims_are_renamed_dropped_and_added() {
        let claims = json!({"sub": "u", "preferred_username": "ada", "picture": "p", "name": "Ada", "quota": 5});
        assert_eq!(apply(json!({}), &claims), claims);
        assert_eq!(
            apply(
                json!({"rename": {"preferred_username": "username", "absent": "x"}, "drop": ["picture"], "constants": {"tenant": {"id": 1}}}),
                &claims
            ),
            json!({"sub": "u", "username": "ada", "name": "Ada", "quota": 5, "tenant": {"id": 1}})
        );
        // Names may be exchanged; a constant wins over what was released.
        assert_eq!(
            apply(json!({"rename": {"name": "quota", "quota": "name"}, "constants": {"picture": "none"}}), &claims),
            json!({"sub": "u", "preferred_username": "ada", "picture": "none", "name": 5, "quota": "Ada"})
        );
    }

    #[test]
    fn groups_are_written_as_wanted() {
        let groups = |mapping: Value| apply(mapping, &json!({"sub": "u", "groups": []}))["groups"].clone();
        assert_eq!(groups(json!({})), json!(["app-admins", "app-users", "family"]));
        assert_eq!(groups(json!({"groups": {"format": "ids"}})), json!(["1", "2", "3"]));
        assert_eq!(groups(json!({"groups": {"filter": ["app-*"]}})), json!(["app-admins", "app-users"]));
        assert_eq!(groups(json!({"groups": {"format": "ids", "filter": ["*admins", "fam*y"]}})), json!(["1", "3"]));
        assert_eq!(groups(json!({"groups": {"filter": ["none"]}})), json!([]));
        assert_eq!(
            apply(json!({"groups": {"format": "ids"}}), &json!({"sub": "u"})),
            json!({"sub": "u"}),
            "only if released"
        );
        assert_eq!(
            apply(json!({"rename": {"groups": "roles"}}), &json!({"groups": []}))["roles"],
            json!(["app-admins", "app-users", "family"])
        );
    }

    #[test]
    fn case_040_protected_claims_stay_as_they_are() {
        let claims = json!({"sub": "u", "email": "a@b", "email_verified": false, "team": "x"});
        for claim in [
            "sub",
            "iss",
            "aud",
            "exp",
            "nonce",
            "amr",
            "acr",
            "sid",
            "type",
            "email",
            "email_verified",
            "cnf",
            "scope",
            "",
        ] {
            for bad in [json!({"rename": {"team": claim}}), json!({"constants": {claim: true}})] {
                assert_eq!(mapping(bad.clone()).validate(), Err(MappingError::Protected(claim.into())), "{bad}");
                assert_eq!(apply(bad.clone(), &claims), claims, "{bad}");
            }
        }
        for claim in ["sub", "iss", "sid"] {
            let bad = json!({"drop": [claim]});
            assert!(mapping(bad.clone()).validate().is_err());
            assert_eq!(apply(bad, &claims), claims);
        }
        assert_eq!(
            mapping(json!({"drop": ["email", "email_verified"], "rename": {"email": "mail"}})).validate(),
            Ok(())
        );
    }

    #[test]
    fn mappings_are_checked() {
        assert_eq!(mapping(json!({"rename": {"a": "x", "b": "x"}})).validate(), Err(MappingError::Twice("x".into())));
        assert_eq!(
            mapping(json!({"rename": {"a": "x"}, "constants": {"x": 1}})).validate(),
            Err(MappingError::Twice("x".into()))
        );
        let many: Map<String, Value> = (0..51).map(|i| (format!("c{i}"), json!(i))).collect();
        assert_eq!(mapping(json!({ "constants": many })).validate(), Err(MappingError::TooLarge));
        assert_eq!(mapping(json!({"constants": {"x": "y".repeat(3000)}})).validate(), Err(MappingError::TooLarge));
        assert!(serde_json::from_value::<ClaimMapping>(json!({"script": "x"})).is_err());
        assert!(serde_json::from_value::<ClaimMapping>(json!({"groups": {"format": "objects"}})).is_err());
    }

    #[test]
    fn case_099_templates_are_data() {
        let claims = apply(json!({"constants": {"x": "{{ user.password }}"}}), &json!({"name": "${7*7}"}));
        assert_eq!(claims, json!({"x": "{{ user.password }}", "name": "${7*7}"}));
    }

    proptest! {
        /// A mapping says nothing that wasn't released and isn't a constant.
        #[test]
        fn a_mapping_releases_nothing(
            claims in prop::collection::btree_map("[a-f]", 0_u8..9, 0..6),
            rename in prop::collection::btree_map("[a-f]", "[a-f]", 0..4),
            drop in prop::collection::vec("[a-f]", 0..3),
        ) {
            let given: Map<String, Value> = claims.into_iter().map(|(name, value)| (name, json!(value))).collect();
            let mapping = ClaimMapping { rename, drop, ..ClaimMapping::default() };
            let told = mapping.apply(given.clone(), &user());
            prop_assert!(told.len() <= given.len());
            prop_assert!(told.values().all(|value| given.values().any(|other| other == value)));
        }

        #[test]
        fn patterns_agree_with_their_meaning(pattern in "[ab*]{0,8}", text in "[ab]{0,8}") {
            fn slow(pattern: &[u8], text: &[u8]) -> bool {
                match (pattern.first(), text.first()) {
                    (None, None) => true,
                    (Some(b'*'), _) => slow(&pattern[1..], text) || (!text.is_empty() && slow(pattern, &text[1..])),
                    (Some(a), Some(b)) if a == b => slow(&pattern[1..], &text[1..]),
                    _ => false,
                }
            }
            prop_assert_eq!(fits(&pattern, &text), slow(pattern.as_bytes(), text.as_bytes()));
        }
    }
}
