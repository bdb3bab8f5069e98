//! How a client is told the claims of people, as its page edits it: the tab `Claims`.

use pid_core::clients::Client;
use pid_oidc::claim_mapping::{ClaimMapping, GroupName};
use serde_json::Value;

use crate::pages::key;

/// What applications may be told of everybody, by the usual scopes.
const STANDARD: [&str; 9] = [
    "preferred_username",
    "name",
    "given_name",
    "family_name",
    "display_name",
    "email",
    "email_verified",
    "picture",
    "groups",
];

/// The mapping in the rows of its form.
#[derive(Clone, Debug)]
pub struct MappingView {
    /// Old and new names.
    pub rename: Vec<(String, String)>,
    /// Claims that are left out.
    pub drop: Vec<String>,
    /// Claims and their values, as they are typed.
    pub constants: Vec<(String, String)>,
    /// Which groups count; empty: all.
    pub filter: Vec<String>,
    /// Names of claims that are in use here.
    pub known: Vec<String>,
    format: GroupName,
}

impl MappingView {
    /// The mapping of a client; `custom` are the keys of custom claims in use.
    #[must_use]
    pub fn new(client: &Client, custom: Vec<String>) -> Self {
        let stored = client.claim_mapping.as_deref().and_then(|mapping| serde_json::from_str(mapping).ok());
        let mapping: ClaimMapping = stored.unwrap_or_default();
        let mut known: Vec<String> = STANDARD.map(str::to_owned).into();
        known.extend(custom.into_iter().filter(|claim| !STANDARD.contains(&claim.as_str())));
        Self {
            rename: mapping.rename.into_iter().collect(),
            drop: mapping.drop,
            constants: mapping.constants.into_iter().map(|(claim, value)| (claim, typed(&value))).collect(),
            filter: mapping.groups.filter,
            known,
            format: mapping.groups.format,
        }
    }

    /// What may stand for a group: a value, a word, and whether it is chosen.
    #[must_use]
    pub fn formats(&self) -> [(&'static str, &'static str, bool); 2] {
        [
            ("names", key("groups-as-names"), self.format == GroupName::Names),
            ("ids", key("groups-as-ids"), self.format == GroupName::Ids),
        ]
    }
}

/// A constant as it is typed: a text stands for itself unless it could be read as JSON (`values.js` reads it back).
fn typed(value: &Value) -> String {
    match value {
        Value::String(text)
            if serde_json::from_str::<Value>(text).is_err() && text.trim() == text && !text.is_empty() =>
        {
            text.clone()
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pid_oidc::claims_request::standard_scope;
    use serde_json::json;

    #[test]
    fn constants_can_be_typed_again() {
        for (value, shown) in [
            (json!("acme"), "acme"),
            (json!("two words"), "two words"),
            (json!("5"), "\"5\""),
            (json!(""), "\"\""),
            (json!(" x"), "\" x\""),
            (json!(5), "5"),
            (json!(true), "true"),
            (json!(["a", 1]), "[\"a\",1]"),
            (json!({"id": 1}), "{\"id\":1}"),
        ] {
            assert_eq!(typed(&value), shown);
            assert_eq!(serde_json::from_str(shown).unwrap_or_else(|_| Value::from(shown)), value);
        }
    }

    #[test]
    fn what_is_offered_is_what_scopes_release() {
        assert!(STANDARD.iter().all(|claim| standard_scope(claim).is_some()));
    }
}
