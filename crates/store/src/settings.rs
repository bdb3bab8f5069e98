//! Stored settings: only those that differ from their default. Where they come from the environment, what is stored waits.

use pid_core::settings::Settings;

use crate::instance::{Cached, raise};
use crate::{ReadTx, StoreError, WriteTx, params, statements};

statements! {
    ALL_ROWS = "SELECT key, value FROM settings ORDER BY key";
    PUT = "INSERT INTO settings (key, value) VALUES ($1, $2) ON CONFLICT (key) DO UPDATE SET value = $2";
    DELETE = "DELETE FROM settings WHERE key = $1";
}

/// The settings in force.
pub fn load(tx: &ReadTx<'_>) -> Result<Settings, StoreError> {
    if let Some(fixed) = tx.fixed_settings() {
        return Ok(fixed.clone());
    }
    let rows = tx.query(&ALL_ROWS, params![])?;
    let pairs: Result<Vec<(String, String)>, StoreError> = rows.iter().map(|r| Ok((r.get(0)?, r.get(1)?))).collect();
    Ok(Settings::new(pairs?))
}

/// Stores values; `None` returns a key to its default.
pub fn save(tx: &WriteTx<'_>, changes: &[(&str, Option<&str>)]) -> Result<(), StoreError> {
    for (key, value) in changes {
        match value {
            Some(value) => tx.execute(&PUT, params![*key, *value])?,
            None => tx.execute(&DELETE, params![*key])?,
        };
    }
    raise(tx, Cached::Settings)
}
