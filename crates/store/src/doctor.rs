//! What an administrator wants to know of the database when something is wrong.

use pid_core::Timestamp;

use crate::{Engine, ReadTx, StoreError, WriteTx, instance, params, statements};

statements! {
    NEWEST = "SELECT created_at FROM audit_logs ORDER BY created_at DESC, id DESC LIMIT 1";
    LATE = "SELECT count(*) FROM outbox WHERE due_at < $1";
}

/// What the database says of itself.
#[derive(Clone, Debug)]
pub struct Facts {
    /// Which engine it is.
    pub engine: Engine,
    /// How large it is, bytes.
    pub bytes: i64,
    /// What time it is for the database's server; a file has no clock.
    pub clock: Option<Timestamp>,
    /// When the newest entry of the audit log was written.
    pub newest: Option<Timestamp>,
    /// What has been due for sending since a moment.
    pub late: i64,
}

/// Looks. `late` is the moment since which nothing should have been due.
pub fn facts(tx: &ReadTx<'_>, late: Timestamp) -> Result<Facts, StoreError> {
    let engine = tx.engine();
    let (size, clock) = match engine {
        Engine::Sqlite => ("SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()", None),
        Engine::Postgres => (
            "SELECT pg_database_size(current_database())::BIGINT",
            Some("SELECT (extract(epoch FROM clock_timestamp()) * 1000)::BIGINT"),
        ),
    };
    let number = |sql: &str| tx.query_dynamic(sql, params![])?.first().ok_or(StoreError::NoRow)?.get::<i64>(0);
    Ok(Facts {
        engine,
        bytes: number(size)?,
        clock: clock.map(number).transpose()?.map(Timestamp::from_millis),
        newest: tx.query_opt(&NEWEST, params![])?.map(|row| row.get(0)).transpose()?.map(Timestamp::from_millis),
        late: tx.query_one(&LATE, params![late.millis()])?.get(0)?,
    })
}

/// What SQLite finds wrong in its file, read whole; nothing if all is well. PostgreSQL looks after that itself.
pub fn damage(tx: &ReadTx<'_>) -> Result<Option<String>, StoreError> {
    if tx.engine() == Engine::Postgres {
        return Ok(None);
    }
    let verdict: String = tx.query_dynamic("PRAGMA quick_check(1)", params![])?.first().ok_or(StoreError::NoRow)?.get(0)?;
    Ok((verdict != "ok").then_some(verdict))
}

/// Writes something that nobody needs: proof that writing works.
pub fn try_to_write(tx: &WriteTx<'_>, now: Timestamp) -> Result<(), StoreError> {
    instance::put(tx, "doctor_at", &now.millis().to_string())
}
