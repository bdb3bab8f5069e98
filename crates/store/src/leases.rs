//! Who runs a job now.

use pid_core::Timestamp;

use crate::{StoreError, WriteTx, params, statements};

statements! {
    MAKE = "INSERT INTO leases (name, holder, held_until) VALUES ($1, '', 0) ON CONFLICT (name) DO NOTHING";
    TAKE = "UPDATE leases SET holder = $2, held_until = $4 WHERE name = $1 AND held_until < $3";
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
