//! Who runs a job now.

use pid_core::Timestamp;

use crate::{ReadTx, StoreError, WriteTx, params, statements};

statements! {
    MAKE = "INSERT INTO leases (name, holder, held_until) VALUES ($1, '', 0) ON CONFLICT (name) DO NOTHING";
    TAKE = "UPDATE leases SET holder = $2, held_until = $4 WHERE name = $1 AND held_until < $3";
    KEEP = "UPDATE leases SET held_until = $3 WHERE name = $1 AND holder = $2";
    QUEUE = "UPDATE leases SET held_until = held_until WHERE name = $1";
    HELD = "SELECT 1 FROM leases WHERE name = $1 AND held_until >= $2";
}

/// Takes a job's lease until a moment. Tells whether it was free.
pub fn take(
    tx: &WriteTx<'_>,
    name: &str,
    holder: &str,
    now: Timestamp,
    until: Timestamp,
) -> Result<bool, StoreError> {
    tx.execute(&MAKE, params![name])?;
    Ok(tx.execute(&TAKE, params![name, holder, now.millis(), until.millis()])? == 1)
}

/// Waits until no other transaction that asked for this is open, on every replica. Where transactions don't wait for each other
/// (PostgreSQL) this one then begins anew, and sees what the other did.
pub fn queue(tx: &WriteTx<'_>, name: &str) -> Result<(), StoreError> {
    tx.execute(&MAKE, params![name])?;
    tx.execute(&QUEUE, params![name])?;
    Ok(())
}

/// Holds a lease until another moment, a past one to give it back. Tells whether it was still held.
pub fn keep(tx: &WriteTx<'_>, name: &str, holder: &str, until: Timestamp) -> Result<bool, StoreError> {
    Ok(tx.execute(&KEEP, params![name, holder, until.millis()])? == 1)
}

/// Whether anybody holds a lease.
pub fn is_held(tx: &ReadTx<'_>, name: &str, now: Timestamp) -> Result<bool, StoreError> {
    Ok(tx.query_opt(&HELD, params![name, now.millis()])?.is_some())
}
