//! Signing keys at rest: a set, not one.

use pid_core::{KeyState, Timestamp};

use crate::instance::{Cached, raise};
use crate::{ReadTx, Row, StoreError, WriteTx, params, statements};

statements! {
    ALL_ROWS = "SELECT kid, alg, state, public_jwk, sealed_private, created_at, activated_at, retired_at, publish_until FROM signing_keys ORDER BY created_at, kid";
    INSERT = "INSERT INTO signing_keys (kid, alg, state, public_jwk, sealed_private, created_at, activated_at, retired_at, publish_until) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)";
    SET_STATE = "UPDATE signing_keys SET state = $2, activated_at = $3, retired_at = $4, publish_until = $5 WHERE kid = $1";
    RESEAL = "UPDATE signing_keys SET sealed_private = $2 WHERE kid = $1";
    DELETE = "DELETE FROM signing_keys WHERE kid = $1";
}

/// A key as it is stored: the private part sealed under the encryption key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredKey {
    /// JWK `kid`.
    pub kid: String,
    /// JWS algorithm name.
    pub alg: String,
    /// Where it is in its life.
    pub state: KeyState,
    /// The public JWK as JSON.
    pub public_jwk: String,
    /// The private key, sealed.
    pub sealed_private: Vec<u8>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it began to sign.
    pub activated_at: Option<Timestamp>,
    /// When it stopped signing.
    pub retired_at: Option<Timestamp>,
    /// Until when a retired key is published.
    pub publish_until: Option<Timestamp>,
}

fn key(row: &Row) -> Result<StoredKey, StoreError> {
    Ok(StoredKey {
        kid: row.get(0)?,
        alg: row.get(1)?,
        state: KeyState::parse(&row.get::<String>(2)?),
        public_jwk: row.get(3)?,
        sealed_private: row.get(4)?,
        created_at: Timestamp::from_millis(row.get(5)?),
        activated_at: row.get::<Option<i64>>(6)?.map(Timestamp::from_millis),
        retired_at: row.get::<Option<i64>>(7)?.map(Timestamp::from_millis),
        publish_until: row.get::<Option<i64>>(8)?.map(Timestamp::from_millis),
    })
}

/// All keys, oldest first.
pub fn all(tx: &ReadTx<'_>) -> Result<Vec<StoredKey>, StoreError> {
    tx.query(&ALL_ROWS, params![])?.iter().map(key).collect()
}

/// Stores a new key.
pub fn insert(tx: &WriteTx<'_>, key: &StoredKey) -> Result<(), StoreError> {
    tx.execute(
        &INSERT,
        params![
            key.kid.as_str(),
            key.alg.as_str(),
            key.state.as_str(),
            key.public_jwk.as_str(),
            key.sealed_private.clone(),
            key.created_at.millis(),
            key.activated_at.map(Timestamp::millis),
            key.retired_at.map(Timestamp::millis),
            key.publish_until.map(Timestamp::millis)
        ],
    )?;
    raise(tx, Cached::Keys)
}

/// Stores how far a key is in its life.
pub fn set_state(tx: &WriteTx<'_>, key: &StoredKey) -> Result<(), StoreError> {
    let times = [key.activated_at, key.retired_at, key.publish_until].map(|t| t.map(Timestamp::millis));
    let [activated_at, retired_at, publish_until] = times;
    let values = params![key.kid.as_str(), key.state.as_str(), activated_at, retired_at, publish_until];
    tx.execute(&SET_STATE, values)?;
    raise(tx, Cached::Keys)
}

/// Stores a private part that was sealed anew.
pub fn reseal(tx: &WriteTx<'_>, kid: &str, sealed: Vec<u8>) -> Result<(), StoreError> {
    tx.execute(&RESEAL, params![kid, sealed])?;
    raise(tx, Cached::Keys)
}

/// Removes a key.
pub fn delete(tx: &WriteTx<'_>, kid: &str) -> Result<(), StoreError> {
    tx.execute(&DELETE, params![kid])?;
    raise(tx, Cached::Keys)
}
