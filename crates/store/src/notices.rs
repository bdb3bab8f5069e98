//! What people want to be told by mail, and when they last looked at what happened to their account.

use pid_core::audit::Entry;
use pid_core::{Timestamp, UserId};

use crate::{ReadTx, StoreError, WriteTx, audit, params, statements};

statements! {
    REFUSED = "SELECT refused FROM notice_choices WHERE user_id = $1";
    REFUSE = "INSERT INTO notice_choices (user_id, refused, seen_at) VALUES ($1, $2, 0) ON CONFLICT (user_id) DO UPDATE SET refused = $2";
    SEEN_AT = "SELECT seen_at FROM notice_choices WHERE user_id = $1";
    SEEN = "INSERT INTO notice_choices (user_id, refused, seen_at) VALUES ($1, '[]', $2) ON CONFLICT (user_id) DO UPDATE SET seen_at = $2";
    // Of other changes to the account, a new address and a silenced notice alone change who may sign in, or who hears of it.
    HAPPENED = "SELECT id, created_at, event, user_id, username, actor_username, ip_address, user_agent, country, city, data \
        FROM audit_logs WHERE user_id = $1 AND created_at > $2 AND created_at <= $3 \
        AND (event IN ('PASSKEY_ADDED', 'PASSKEY_REMOVED', 'LOGIN_CODE_CREATED', 'TOKEN_SIGN_IN', 'SIGN_IN_DISOWNED') \
        OR event = 'USER_UPDATED' AND (data LIKE '%\"email\":%' OR data LIKE '%\"notice %')) \
        ORDER BY created_at DESC, id DESC LIMIT $4";
}

/// The names of the notices that a person does without.
pub fn refused(tx: &ReadTx<'_>, user: &UserId) -> Result<Vec<String>, StoreError> {
    let row = tx.query_opt(&REFUSED, params![user.as_str()])?;
    let list = row.map(|row| row.get::<String>(0)).transpose()?.unwrap_or_default();
    Ok(serde_json::from_str(&list).unwrap_or_default())
}

/// Stores the names of the notices that a person does without.
pub fn refuse(tx: &WriteTx<'_>, user: &UserId, names: &[String]) -> Result<(), StoreError> {
    tx.execute(&REFUSE, params![user.as_str(), serde_json::to_string(names).unwrap_or_else(|_| "[]".to_owned())])?;
    Ok(())
}

/// Until when a person has seen what happened to their account.
pub fn seen_at(tx: &ReadTx<'_>, user: &UserId) -> Result<Timestamp, StoreError> {
    let row = tx.query_opt(&SEEN_AT, params![user.as_str()])?;
    Ok(Timestamp::from_millis(row.map(|row| row.get(0)).transpose()?.unwrap_or(0)))
}

/// Notes that a person has seen what happened until a moment.
pub fn seen(tx: &WriteTx<'_>, user: &UserId, until: Timestamp) -> Result<(), StoreError> {
    tx.execute(&SEEN, params![user.as_str(), until.millis()])?;
    Ok(())
}

/// Entries of the audit log after a moment and until another about who may sign in as a person, the newest first.
pub fn happened(
    tx: &ReadTx<'_>,
    user: &UserId,
    after: Timestamp,
    until: Timestamp,
    limit: i64,
) -> Result<Vec<Entry>, StoreError> {
    let rows = tx.query(&HAPPENED, params![user.as_str(), after.millis(), until.millis(), limit])?;
    rows.iter().map(audit::from_row).collect()
}
