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
