//! The outbox: what waits to be sent to others, and what became of it.

use pid_core::{ClientId, Timestamp};

use crate::{ReadTx, Row, StoreError, WriteTx, params, statements};

statements! {
    IS_WAITING = "SELECT 1 FROM outbox WHERE subject = $1 AND kind = $2 AND due_at IS NOT NULL";
    INSERT = "INSERT INTO outbox (id, kind, subject, client_id, payload, state, attempts, created_at, attempted_at, due_at, status, failure) \
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)";
    NEXT_DUE = "SELECT min(due_at) FROM outbox WHERE due_at IS NOT NULL";
    // New ones before those that failed already, so that a dead receiver delays nobody.
    CLAIM = "UPDATE outbox SET attempts = attempts + 1, attempted_at = $1, due_at = $2 \
        WHERE id IN (SELECT id FROM outbox WHERE due_at <= $1 ORDER BY attempts, due_at, id LIMIT $3) \
        RETURNING id, kind, subject, client_id, payload, state, attempts, created_at, attempted_at, due_at, status, failure";
    DONE = "UPDATE outbox SET state = $2, due_at = NULL, status = $3, failure = $4 WHERE id = $1 AND due_at IS NOT NULL";
    AGAIN = "UPDATE outbox SET due_at = $3, status = $4, failure = $5 WHERE id = $1 AND attempts = $2 AND due_at IS NOT NULL";
    OF_CLIENT = "SELECT id, kind, subject, client_id, payload, state, attempts, created_at, attempted_at, due_at, status, failure \
        FROM outbox WHERE client_id = $1 ORDER BY created_at DESC, id LIMIT $2";
    WAITING = "SELECT id, payload FROM outbox WHERE due_at IS NOT NULL ORDER BY due_at";
    DEPTH = "SELECT count(*), min(created_at) FROM outbox WHERE due_at IS NOT NULL";
    REWRITE = "UPDATE outbox SET payload = $2 WHERE id = $1";
    FORGET = "DELETE FROM outbox WHERE id = $1";
    PURGE = "DELETE FROM outbox WHERE due_at IS NULL AND created_at < $1";
}

/// What became of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It waits for its first or next attempt, or one is under way.
    Waiting,
    /// The receiver has taken it.
    Delivered,
    /// Given up.
    Failed,
    /// There is nobody to deliver it to any more.
    Dropped,
}

impl State {
    const ALL: [(Self, &str); 4] =
        [(Self::Waiting, "waiting"), (Self::Delivered, "delivered"), (Self::Failed, "failed"), (Self::Dropped, "dropped")];

    /// The name in the store and on the wire.
    pub fn as_str(self) -> &'static str {
        Self::ALL.iter().find(|(s, _)| *s == self).map_or("waiting", |(_, name)| name)
    }

    fn parse(text: &str) -> Self {
        Self::ALL.iter().find(|(_, name)| *name == text).map_or(Self::Waiting, |(s, _)| *s)
    }
}

/// An entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// UUID.
    pub id: String,
    /// What it is.
    pub kind: String,
    /// What it is about.
    pub subject: String,
    /// The client that it goes to.
    pub client_id: ClientId,
    /// A JSON object.
    pub payload: String,
    /// What became of it.
    pub state: State,
    /// Attempts so far, the one under way included.
    pub attempts: i64,
    /// When it was written.
    pub created_at: Timestamp,
    /// When the last attempt began.
    pub attempted_at: Option<Timestamp>,
    /// When the next attempt is due.
    pub due_at: Option<Timestamp>,
    /// HTTP status of the last answer.
    pub status: Option<i64>,
    /// Kind of the last failure.
    pub failure: Option<String>,
}

fn entry(row: &Row) -> Result<Entry, StoreError> {
    Ok(Entry {
        id: row.get(0)?,
        kind: row.get(1)?,
        subject: row.get(2)?,
        client_id: ClientId::new(row.get::<String>(3)?),
        payload: row.get(4)?,
        state: State::parse(&row.get::<String>(5)?),
        attempts: row.get(6)?,
        created_at: Timestamp::from_millis(row.get(7)?),
        attempted_at: row.get::<Option<i64>>(8)?.map(Timestamp::from_millis),
        due_at: row.get::<Option<i64>>(9)?.map(Timestamp::from_millis),
        status: row.get(10)?,
        failure: row.get(11)?,
    })
}

/// Stores an entry. One that is due wakes the job when the transaction has committed.
pub fn insert(tx: &WriteTx<'_>, e: &Entry) -> Result<(), StoreError> {
    tx.execute(
        &INSERT,
        params![
            e.id.as_str(),
            e.kind.as_str(),
            e.subject.as_str(),
            e.client_id.as_str(),
            e.payload.as_str(),
            e.state.as_str(),
            e.attempts,
            e.created_at.millis(),
            e.attempted_at.map(Timestamp::millis),
            e.due_at.map(Timestamp::millis),
            e.status,
            e.failure.clone()
        ],
    )?;
    if e.due_at.is_some() {
        tx.fill_outbox();
    }
    Ok(())
}

/// What waits: id and payload.
pub fn waiting(tx: &ReadTx<'_>) -> Result<Vec<(String, String)>, StoreError> {
    tx.query(&WAITING, params![])?.iter().map(|row| Ok((row.get(0)?, row.get(1)?))).collect()
}

/// How much waits, and since when the oldest of it.
pub fn depth(tx: &ReadTx<'_>) -> Result<(i64, Option<Timestamp>), StoreError> {
    let row = tx.query_one(&DEPTH, params![])?;
    Ok((row.get(0)?, row.get::<Option<i64>>(1)?.map(Timestamp::from_millis)))
}

/// Stores another payload.
pub fn rewrite(tx: &WriteTx<'_>, id: &str, payload: &str) -> Result<(), StoreError> {
    tx.execute(&REWRITE, params![id, payload])?;
    Ok(())
}

/// Whether an entry about a subject waits already.
pub fn is_waiting(tx: &ReadTx<'_>, kind: &str, subject: &str) -> Result<bool, StoreError> {
    Ok(tx.query_opt(&IS_WAITING, params![subject, kind])?.is_some())
}

/// When the next attempt of any entry is due.
pub fn next_due(tx: &ReadTx<'_>) -> Result<Option<Timestamp>, StoreError> {
    Ok(tx.query_one(&NEXT_DUE, params![])?.get::<Option<i64>>(0)?.map(Timestamp::from_millis))
}

/// Takes entries that are due, at most `limit`; nobody else gets them until `lost_at`.
pub fn claim(tx: &WriteTx<'_>, now: Timestamp, lost_at: Timestamp, limit: i64) -> Result<Vec<Entry>, StoreError> {
    tx.query_returning(&CLAIM, params![now.millis(), lost_at.millis(), limit])?.iter().map(entry).collect()
}

/// Ends an entry, whoever holds it by now. Tells whether it was still open.
pub fn end(
    tx: &WriteTx<'_>,
    id: &str,
    state: State,
    status: Option<i64>,
    failure: Option<&str>,
) -> Result<bool, StoreError> {
    Ok(tx.execute(&DONE, params![id, state.as_str(), status, failure.map(str::to_owned)])? == 1)
}

/// Plans the next attempt, unless somebody else has begun one.
pub fn again(
    tx: &WriteTx<'_>,
    e: &Entry,
    due_at: Timestamp,
    status: Option<i64>,
    failure: &str,
) -> Result<(), StoreError> {
    tx.execute(&AGAIN, params![e.id.as_str(), e.attempts, due_at.millis(), status, failure])?;
    Ok(())
}

/// A client's latest entries, the newest first.
pub fn of_client(tx: &ReadTx<'_>, client: &ClientId, limit: i64) -> Result<Vec<Entry>, StoreError> {
    tx.query(&OF_CLIENT, params![client.as_str(), limit])?.iter().map(entry).collect()
}

/// Forgets an entry.
pub fn forget(tx: &WriteTx<'_>, id: &str) -> Result<(), StoreError> {
    tx.execute(&FORGET, params![id])?;
    Ok(())
}

/// Forgets entries that are over and were written before a moment.
pub fn purge(tx: &WriteTx<'_>, before: Timestamp) -> Result<u64, StoreError> {
    tx.execute(&PURGE, params![before.millis()])
}
