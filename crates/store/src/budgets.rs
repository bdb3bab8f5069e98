//! Budgets for guessing (login codes, failed passkeys): rows, so that they hold across replicas.

use pid_core::Timestamp;

use crate::{ReadTx, StoreError, WriteTx, params, statements};

statements! {
    GET = "SELECT full_at FROM guess_budgets WHERE scope = $1 AND subject = $2";
    PUT = "INSERT INTO guess_budgets (scope, subject, full_at) VALUES ($1, $2, $3) ON CONFLICT (scope, subject) DO UPDATE SET full_at = $3";
    PURGE = "DELETE FROM guess_budgets WHERE full_at < $1";
}

/// When a bucket will be full again; `None` if it is full.
pub fn full_at(tx: &ReadTx<'_>, scope: &str, subject: &str) -> Result<Option<Timestamp>, StoreError> {
    tx.query_opt(&GET, params![scope, subject])?.map(|r| Ok(Timestamp::from_millis(r.get(0)?))).transpose()
}

/// Sets when a bucket will be full again.
pub fn set_full_at(tx: &WriteTx<'_>, scope: &str, subject: &str, at: Timestamp) -> Result<(), StoreError> {
    tx.execute(&PUT, params![scope, subject, at.millis()])?;
    Ok(())
}

/// Forgets buckets that are full.
pub fn purge(tx: &WriteTx<'_>, now: Timestamp) -> Result<u64, StoreError> {
    tx.execute(&PURGE, params![now.millis()])
}
