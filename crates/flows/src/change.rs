//! Changing a resource: whole (PUT) or in parts (PATCH, RFC 7396), guarded by its version.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

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
        let Value::Object(mut state) = serde_json::to_value(current).map_err(Error::internal)? else {
            return Err(Error::internal("a resource is no object"));
        };
        for (name, value) in patch {
            match value {
                Value::Null => {
                    state.remove(name);
                }
                // Only nested objects merge; there is one, `credentials`, and it has one member.
                Value::Object(inner) => {
                    let nested = state.entry(name.clone()).or_insert_with(|| Value::Object(Map::new()));
                    if let Value::Object(nested) = nested {
                        for (k, v) in inner {
                            if v.is_null() {
                                nested.remove(k)
                            } else {
                                nested.insert(k.clone(), v.clone())
                            };
                        }
                    } else {
                        *nested = value.clone();
                    }
                }
                value => {
                    state.insert(name.clone(), value.clone());
                }
            }
        }
        serde_json::from_value(Value::Object(state))
            .map_err(|e| Error::with(Code::InvalidRequestBody, format!("The patch can't be used: {e}")))
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
