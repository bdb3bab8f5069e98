//! Who signed up and waits for an administrator's approval.

use pid_core::{Timestamp, UserId};

use crate::{ReadTx, StoreError, WriteTx, params, statements};

statements! {
    INSERT = "INSERT INTO signup_approvals (user_id, requested_at) VALUES ($1, $2)";
    WAITS = "SELECT 1 FROM signup_approvals WHERE user_id = $1";
    DELETE = "DELETE FROM signup_approvals WHERE user_id = $1";
}

/// Marks somebody as waiting.
pub fn insert(tx: &WriteTx<'_>, user: &UserId, now: Timestamp) -> Result<(), StoreError> {
    tx.execute(&INSERT, params![user.as_str(), now.millis()])?;
    Ok(())
}

/// Whether somebody waits.
pub fn waits(tx: &ReadTx<'_>, user: &UserId) -> Result<bool, StoreError> {
    Ok(tx.query_opt(&WAITS, params![user.as_str()])?.is_some())
}

/// Ends the waiting, if there was any.
pub fn end(tx: &WriteTx<'_>, user: &UserId) -> Result<(), StoreError> {
    tx.execute(&DELETE, params![user.as_str()])?;
    Ok(())
}
