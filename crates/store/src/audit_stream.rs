//! What the stream of the audit log has still to deliver: a row for each entry, from the entry's own transaction until
//! somebody has taken it.

use pid_core::Timestamp;
use pid_core::audit::Entry;

use crate::audit::from_row;
use crate::{ReadTx, StoreError, WriteTx, params, statements};

statements! {
    // Nothing waits where there is no stream.
    PUT = "INSERT INTO audit_stream (entry_at, entry_id) SELECT CAST($1 AS BIGINT), CAST($2 AS TEXT) \
        WHERE EXISTS (SELECT 1 FROM settings WHERE key = 'auditStreamUrl')";
    // Where the settings come from the environment, they say whether there is one.
    PUT_ALWAYS = "INSERT INTO audit_stream (entry_at, entry_id) VALUES ($1, $2)";
    OLDEST = "SELECT min(entry_at) FROM audit_stream WHERE entry_at >= 0";
    WAITING = "SELECT count(*) FROM audit_stream WHERE entry_at >= 0";
    NEXT = "SELECT id, created_at, event, user_id, username, actor_username, ip_address, user_agent, country, city, data \
        FROM audit_stream JOIN audit_logs ON created_at = entry_at AND id = entry_id \
        WHERE entry_at >= 0 ORDER BY entry_at, entry_id LIMIT $1";
    TAKEN = "DELETE FROM audit_stream WHERE entry_at = $1 AND entry_id = $2";
    FORGET = "DELETE FROM audit_stream WHERE entry_at >= 0";
    PURGE = "DELETE FROM audit_stream WHERE entry_at < $1";
}

/// Lets an entry wait for the stream, if there is one: the job is woken when the transaction has committed.
pub(crate) fn put(tx: &WriteTx<'_>, at: Timestamp, id: &str) -> Result<(), StoreError> {
    let put = match tx.fixed_settings() {
        Some(settings) if settings.get("auditStreamUrl").is_empty() => return Ok(()),
        Some(_) => &PUT_ALWAYS,
        None => &PUT,
    };
    tx.queue_to_outbox(put, params![at.millis(), id])
}

/// Whether any entry waits.
pub fn any(tx: &ReadTx<'_>) -> Result<bool, StoreError> {
    Ok(tx.query_one(&OLDEST, params![])?.get::<Option<i64>>(0)?.is_some())
}

/// How many entries wait.
pub fn waiting(tx: &ReadTx<'_>) -> Result<i64, StoreError> {
    tx.query_one(&WAITING, params![])?.get(0)
}

/// The oldest entries that wait.
pub fn next(tx: &ReadTx<'_>, limit: i64) -> Result<Vec<Entry>, StoreError> {
    tx.query(&NEXT, params![limit])?.iter().map(from_row).collect()
}

/// Somebody has taken an entry.
pub fn taken(tx: &WriteTx<'_>, entry: &Entry) -> Result<(), StoreError> {
    tx.execute(&TAKEN, params![entry.created_at.millis(), entry.id.as_str()])?;
    Ok(())
}

/// Nobody wants what waits.
pub fn forget(tx: &WriteTx<'_>) -> Result<(), StoreError> {
    tx.execute(&FORGET, params![])?;
    Ok(())
}

/// Forgets what waits of entries that are older than a moment, which are removed.
pub(crate) fn purge(tx: &WriteTx<'_>, before: Timestamp) -> Result<(), StoreError> {
    tx.execute(&PURGE, params![before.millis()])?;
    Ok(())
}
