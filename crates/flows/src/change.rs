//! Changing a resource: whole (PUT) or in parts (PATCH, RFC 7396), guarded by its version.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use pid_core::Timestamp;
use pid_store::{ReadTx, files};

use crate::{Code, Error};

/// What a change says about the new state.
#[derive(Clone, Debug)]
pub enum Change<T> {
    /// All of it.
    Replace(T),
    /// A merge patch: `null` clears, arrays replace whole.
    Merge(Map<String, Value>),
}

impl<T: Serialize + DeserializeOwned + Clone> Change<T> {
    /// The new state, from the current one.
    pub fn apply(&self, current: &T) -> Result<T, Error> {
        let patch = match self {
            Self::Replace(new) => return Ok(new.clone()),
            Self::Merge(patch) => patch,
        };
        let mut state = serde_json::to_value(current).map_err(Error::internal)?;
        merge_object(&mut state, patch);
        serde_json::from_value(state)
            .map_err(|e| Error::with(Code::InvalidRequestBody, format!("The patch can't be used: {e}")))
    }
}

/// RFC 7396 §2.
fn merge(target: &mut Value, patch: &Value) {
    match patch {
        Value::Object(patch) => merge_object(target, patch),
        other => *target = other.clone(),
    }
}

fn merge_object(target: &mut Value, patch: &Map<String, Value>) {
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    let Value::Object(target) = target else { return };
    for (name, value) in patch {
        if value.is_null() {
            target.remove(name);
        } else {
            merge(target.entry(name.clone()).or_insert(Value::Null), value);
        }
    }
}

/// Refuses a change that was made from an older version (RFC 9110 §13.1.1).
pub fn check_version(if_match: Option<i64>, version: i64) -> Result<(), Error> {
    match if_match {
        Some(expected) if expected != version => {
            Err(Error::new(Code::VersionMismatch).detail("version", version.to_string()))
        }
        _ => Ok(()),
    }
}

/// The same for an uploaded file: its version is the moment at which it was stored, as its `ETag` has it.
pub fn check_file(tx: &ReadTx<'_>, if_match: Option<i64>, path: &str) -> Result<(), Error> {
    match if_match {
        None => Ok(()),
        wanted => check_version(wanted, files::stored_at(tx, path)?.map_or(0, Timestamp::millis)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn merged(mut target: Value, patch: &Value) -> Value {
        merge(&mut target, patch);
        target
    }

    /// RFC 7396, Appendix A.
    #[test]
    fn the_examples_of_the_rfc() {
        for (original, patch, result) in [
            (json!({ "a": "b" }), json!({ "a": "c" }), json!({ "a": "c" })),
            (json!({ "a": "b" }), json!({ "b": "c" }), json!({ "a": "b", "b": "c" })),
            (json!({ "a": "b" }), json!({ "a": null }), json!({})),
            (json!({ "a": "b", "b": "c" }), json!({ "a": null }), json!({ "b": "c" })),
            (json!({ "a": ["b"] }), json!({ "a": "c" }), json!({ "a": "c" })),
            (json!({ "a": "c" }), json!({ "a": ["b"] }), json!({ "a": ["b"] })),
            (json!({ "a": { "b": "c" } }), json!({ "a": { "b": "d", "c": null } }), json!({ "a": { "b": "d" } })),
            (json!({ "a": [{ "b": "c" }] }), json!({ "a": [1] }), json!({ "a": [1] })),
            (json!(["a", "b"]), json!(["c", "d"]), json!(["c", "d"])),
            (json!({ "a": "b" }), json!(["c"]), json!(["c"])),
            (json!({ "a": "foo" }), json!(null), json!(null)),
            (json!({ "a": "foo" }), json!("bar"), json!("bar")),
            (json!({ "e": null }), json!({ "a": 1 }), json!({ "e": null, "a": 1 })),
            (json!([1, 2]), json!({ "a": "b", "c": null }), json!({ "a": "b" })),
            (json!({}), json!({ "a": { "bb": { "ccc": null } } }), json!({ "a": { "bb": {} } })),
        ] {
            assert_eq!(merged(original.clone(), &patch), result, "{original} and {patch}");
        }
    }

    fn values() -> impl Strategy<Value = Value> {
        let leaf =
            prop_oneof![Just(Value::Null), any::<bool>().prop_map(Value::from), "[a-c]{0,2}".prop_map(Value::from)];
        leaf.prop_recursive(3, 24, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
                prop::collection::btree_map("[a-c]", inner, 0..4)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    fn has_null(value: &Value) -> bool {
        match value {
            Value::Null => true,
            Value::Object(map) => map.values().any(has_null),
            _ => false,
        }
    }

    proptest! {
        #[test]
        fn a_patch_twice_is_a_patch_once(target in values(), patch in values()) {
            let once = merged(target, &patch);
            prop_assert_eq!(merged(once.clone(), &patch), once);
        }

        #[test]
        fn a_patch_of_nothing_changes_no_object(target in values()) {
            prop_assume!(target.is_object());
            prop_assert_eq!(merged(target.clone(), &json!({})), target);
        }

        #[test]
        fn no_null_comes_out_of_a_patch(target in values(), patch in values()) {
            prop_assume!(!has_null(&target) && patch.is_object());
            prop_assert!(!has_null(&merged(target, &patch)));
        }

        #[test]
        fn what_a_patch_does_not_name_stays(target in values(), patch in values()) {
            if let (Value::Object(before), Value::Object(named)) = (&target, &patch) {
                let after = merged(target.clone(), &patch);
                for (name, value) in before.iter().filter(|(name, _)| !named.contains_key(*name)) {
                    prop_assert_eq!(&after[name], value);
                }
            }
        }
    }

    #[test]
    fn a_whole_state_is_taken_as_it_is_and_a_patch_is_read_strictly() {
        #[derive(Clone, Debug, Default, PartialEq, Serialize, serde::Deserialize)]
        #[serde(default)]
        struct State {
            name: String,
            tags: Vec<String>,
        }
        let current = State { name: "a".into(), tags: vec!["x".into()] };
        let new = State { name: "b".into(), tags: vec![] };
        assert_eq!(Change::Replace(new.clone()).apply(&current), Ok(new));
        let patch = |value: Value| match value {
            Value::Object(map) => Change::<State>::Merge(map).apply(&current),
            _ => unreachable!(),
        };
        assert_eq!(patch(json!({ "tags": null })), Ok(State { tags: vec![], ..current.clone() }));
        assert_eq!(patch(json!({ "unknown": 1 })), Ok(current.clone()));
        for wrong in [json!({ "name": 1 }), json!({ "tags": [null] }), json!({ "tags": {} })] {
            assert_eq!(patch(wrong).map_err(|e| e.code), Err(Code::InvalidRequestBody));
        }
    }
}
