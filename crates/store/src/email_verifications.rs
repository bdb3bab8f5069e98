//! Proofs of addresses that are on their way, by hash.

use pid_core::{Timestamp, UserId};

use crate::{ReadTx, StoreError, WriteTx, params, statements};

statements! {
    PUT = "INSERT INTO email_verifications (user_id, token_hash, email, expires_at) VALUES ($1, $2, $3, $4) \
        ON CONFLICT (user_id) DO UPDATE SET token_hash = $2, email = $3, expires_at = $4";
    EMAIL = "SELECT email FROM email_verifications WHERE user_id = $1 AND token_hash = $2 AND expires_at > $3";
    BY_TOKEN = "SELECT user_id FROM email_verifications WHERE token_hash = $1 AND expires_at > $2";
    DELETE = "DELETE FROM email_verifications WHERE user_id = $1";
    PURGE = "DELETE FROM email_verifications WHERE expires_at < $1";
}

/// Stores a proof; the one before is worth nothing any more.
pub fn put(
    tx: &WriteTx<'_>,
    user: &UserId,
    token_hash: &[u8; 32],
    email: &str,
    expires_at: Timestamp,
) -> Result<(), StoreError> {
    tx.execute(&PUT, params![user.as_str(), token_hash.to_vec(), email, expires_at.millis()])?;
    Ok(())
}

/// The address that a proof of this person's is about.
pub fn email(
    tx: &ReadTx<'_>,
    user: &UserId,
    token_hash: &[u8; 32],
    now: Timestamp,
) -> Result<Option<String>, StoreError> {
    let row = tx.query_opt(&EMAIL, params![user.as_str(), token_hash.to_vec(), now.millis()])?;
    row.map(|row| row.get(0)).transpose()
}

/// Whose a proof is.
pub fn owner(tx: &ReadTx<'_>, token_hash: &[u8; 32], now: Timestamp) -> Result<Option<UserId>, StoreError> {
    let row = tx.query_opt(&BY_TOKEN, params![token_hash.to_vec(), now.millis()])?;
    row.map(|row| row.get::<String>(0).map(UserId::new)).transpose()
}

/// Uses a proof up.
pub fn delete(tx: &WriteTx<'_>, user: &UserId) -> Result<(), StoreError> {
    tx.execute(&DELETE, params![user.as_str()])?;
    Ok(())
}

/// Forgets proofs that expired before a moment.
pub fn purge(tx: &WriteTx<'_>, before: Timestamp) -> Result<u64, StoreError> {
    tx.execute(&PURGE, params![before.millis()])
}
