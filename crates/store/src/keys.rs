//! Signing keys at rest: a set, not one.

use pid_core::Timestamp;

use crate::instance::{Cached, raise};
use crate::{ReadTx, Row, StoreError, WriteTx, params, statements};

statements! {
    ALL_ROWS = "SELECT kid, alg, state, public_jwk, sealed_private, created_at, activated_at, retired_at FROM signing_keys ORDER BY created_at, kid";
    INSERT = "INSERT INTO signing_keys (kid, alg, state, public_jwk, sealed_private, created_at, activated_at, retired_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
}

/// Where a key is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyState {
    /// Published, not signing yet.
    Next,
    /// Signs.
    Active,
    /// Signs no more; published until its last token has expired, then kept for logout hints.
    Retired,
    /// Neither published nor trusted.
    Revoked,
}

impl KeyState {
    /// The stored form.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Next => "next",
            Self::Active => "active",
            Self::Retired => "retired",
            Self::Revoked => "revoked",
        }
    }

    fn parse(text: &str) -> Self {
        match text {
            "next" => Self::Next,
            "active" => Self::Active,
            "retired" => Self::Retired,
            // An unknown state must not make a key trusted.
            _ => Self::Revoked,
        }
    }
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
            key.retired_at.map(Timestamp::millis)
        ],
    )?;
    raise(tx, Cached::Keys)
}
