//! Who signed up and waits, disabled: for an administrator's approval, for the proof of their address, or for both.

use pid_core::users::User;
use pid_core::{Timestamp, UserId};

use crate::users::{from_row, user_columns};
use crate::{ReadTx, StoreError, WriteTx, params, statements};

statements! {
    INSERT = "INSERT INTO signup_approvals (user_id, requested_at, for_approval, for_address) VALUES ($1, $2, $3, $4)";
    WAITS = "SELECT for_approval, for_address FROM signup_approvals WHERE user_id = $1";
    PROVEN = "UPDATE signup_approvals SET for_address = FALSE WHERE user_id = $1";
    DELETE = "DELETE FROM signup_approvals WHERE user_id = $1";
    COUNT = "SELECT count(*) FROM signup_approvals WHERE for_approval = TRUE";
    // Both values of the first column, so that the index is walked from the oldest.
    UNPROVEN = concat!("SELECT ", user_columns!(), " FROM signup_approvals JOIN users ON users.id = signup_approvals.user_id \
        WHERE signup_approvals.for_approval IN (TRUE, FALSE) AND signup_approvals.requested_at < $1 AND signup_approvals.for_address = TRUE \
        AND NOT users.email_verified AND NOT EXISTS (SELECT 1 FROM email_verifications WHERE email_verifications.user_id = users.id AND email_verifications.expires_at > $2) LIMIT $3");
    FIRST = concat!("SELECT ", user_columns!(), " FROM signup_approvals JOIN users ON users.id = signup_approvals.user_id \
        WHERE signup_approvals.for_approval = TRUE ORDER BY signup_approvals.requested_at LIMIT $1");
}

/// What somebody waits for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Waits {
    /// An administrator's approval.
    pub for_approval: bool,
    /// The proof of their address.
    pub for_address: bool,
}

impl Waits {
    /// Whether there is anything to wait for.
    #[must_use]
    pub fn any(self) -> bool {
        self.for_approval || self.for_address
    }
}

/// Marks somebody as waiting.
pub fn insert(tx: &WriteTx<'_>, user: &UserId, waits: Waits, now: Timestamp) -> Result<(), StoreError> {
    tx.execute(&INSERT, params![user.as_str(), now.millis(), waits.for_approval, waits.for_address])?;
    Ok(())
}

/// What somebody waits for, if they do.
pub fn of(tx: &ReadTx<'_>, user: &UserId) -> Result<Waits, StoreError> {
    let row = tx.query_opt(&WAITS, params![user.as_str()])?;
    let waits = row.map(|row| Ok::<_, StoreError>(Waits { for_approval: row.get(0)?, for_address: row.get(1)? }));
    Ok(waits.transpose()?.unwrap_or_default())
}

/// Notes that somebody has proven their address.
pub fn proven(tx: &WriteTx<'_>, user: &UserId) -> Result<(), StoreError> {
    tx.execute(&PROVEN, params![user.as_str()])?;
    Ok(())
}

/// Ends the waiting, if there was any.
pub fn end(tx: &WriteTx<'_>, user: &UserId) -> Result<(), StoreError> {
    tx.execute(&DELETE, params![user.as_str()])?;
    Ok(())
}

/// Who waits for an administrator: how many, and the first of them.
pub fn for_approval(tx: &ReadTx<'_>, limit: i64) -> Result<(i64, Vec<User>), StoreError> {
    let count = tx.query_one(&COUNT, params![])?.get(0)?;
    Ok((count, tx.query(&FIRST, params![limit])?.iter().map(from_row).collect::<Result<_, _>>()?))
}

/// Who signed up before a moment and has not proven their address, nor can by a link that still works; the first `limit`
/// of them.
pub fn unproven(tx: &ReadTx<'_>, before: Timestamp, now: Timestamp, limit: i64) -> Result<Vec<User>, StoreError> {
    tx.query(&UNPROVEN, params![before.millis(), now.millis(), limit])?.iter().map(from_row).collect()
}
