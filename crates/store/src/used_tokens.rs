//! Tokens that count once (the `jti` of assertions and proofs), and access tokens of clients that were given back.

use pid_core::Timestamp;

use crate::{ReadTx, StoreError, WriteTx, params, statements};

statements! {
    TAKE = "INSERT INTO used_tokens (key, expires_at) VALUES ($1, $2) ON CONFLICT (key) DO NOTHING";
    IS_USED = "SELECT 1 FROM used_tokens WHERE key = $1";
    PURGE = "DELETE FROM used_tokens WHERE expires_at < $1";
}

/// Takes a token by its key: exactly one caller gets `true` until it expires.
pub fn take(tx: &WriteTx<'_>, key: &str, expires_at: Timestamp) -> Result<bool, StoreError> {
    Ok(tx.execute(&TAKE, params![key, expires_at.millis()])? == 1)
}

/// Whether a token was taken.
pub fn is_used(tx: &ReadTx<'_>, key: &str) -> Result<bool, StoreError> {
    Ok(tx.query_opt(&IS_USED, params![key])?.is_some())
}

/// Removes what expired before a moment: the tokens themselves are refused since then.
pub fn purge(tx: &WriteTx<'_>, before: Timestamp) -> Result<u64, StoreError> {
    tx.execute(&PURGE, params![before.millis()])
}
