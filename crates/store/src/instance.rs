//! Facts about this installation, and the counters that tell caches to reload.

use crate::{ReadTx, StoreError, WriteTx, params, statements};

statements! {
    GET = "SELECT value FROM instance WHERE key = $1";
    PUT_NEW = "INSERT INTO instance (key, value) VALUES ($1, $2) ON CONFLICT (key) DO NOTHING";
    PUT = "INSERT INTO instance (key, value) VALUES ($1, $2) ON CONFLICT (key) DO UPDATE SET value = $2";
    VERSIONS = "SELECT name, version FROM versions ORDER BY name";
    VERSION = "SELECT version FROM versions WHERE name = $1";
    RAISE = "INSERT INTO versions (name, version) VALUES ($1, 1) ON CONFLICT (name) DO UPDATE SET version = versions.version + 1";
    RAISE_OVER = "INSERT INTO versions (name, version) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE \
        SET version = CASE WHEN versions.version < $2 THEN $2 ELSE versions.version + 1 END";
    FORGET = "DELETE FROM instance WHERE key = $1";
}

/// A fact by name.
pub fn get(tx: &ReadTx<'_>, key: &str) -> Result<Option<String>, StoreError> {
    tx.query_opt(&GET, params![key])?.map(|r| r.get(0)).transpose()
}

/// Stores a fact unless it is there already. Tells whether this call stored it: the race for
/// "first" is decided here.
pub fn put_new(tx: &WriteTx<'_>, key: &str, value: &str) -> Result<bool, StoreError> {
    Ok(tx.execute(&PUT_NEW, params![key, value])? == 1)
}

/// Stores a fact.
pub fn put(tx: &WriteTx<'_>, key: &str, value: &str) -> Result<(), StoreError> {
    tx.execute(&PUT, params![key, value])?;
    Ok(())
}

/// What is cached: raised by the transaction that changes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cached {
    /// The application configuration.
    Settings,
    /// The signing keys.
    Keys,
    /// The application images.
    Images,
}

impl Cached {
    /// The name of the version row.
    pub fn name(self) -> &'static str {
        match self {
            Self::Settings => "settings",
            Self::Keys => "keys",
            Self::Images => "images",
        }
    }
}

/// Tells every replica that a cached family changed.
pub fn raise(tx: &WriteTx<'_>, what: Cached) -> Result<(), StoreError> {
    tx.execute(&RAISE, params![what.name()])?;
    Ok(())
}

/// Tells every replica that everything changed: no version stays, or becomes again, what one of them knows.
pub(crate) fn raise_over(tx: &WriteTx<'_>, before: &[(String, i64)]) -> Result<(), StoreError> {
    for (name, version) in before {
        tx.execute(&RAISE_OVER, params![name.as_str(), *version + 1])?;
    }
    [Cached::Settings, Cached::Keys, Cached::Images].into_iter().try_for_each(|what| raise(tx, what))
}

/// Forgets a fact.
pub fn forget(tx: &WriteTx<'_>, key: &str) -> Result<(), StoreError> {
    tx.execute(&FORGET, params![key])?;
    Ok(())
}

/// The version of one cached family; 0 if it was never changed.
pub fn version(tx: &ReadTx<'_>, what: Cached) -> Result<i64, StoreError> {
    tx.query_opt(&VERSION, params![what.name()])?.map_or(Ok(0), |row| row.get(0))
}

/// The versions of the cached families as one comparable value.
pub fn versions(tx: &ReadTx<'_>) -> Result<Vec<(String, i64)>, StoreError> {
    tx.query(&VERSIONS, params![])?.iter().map(|r| Ok((r.get(0)?, r.get(1)?))).collect()
}
