//! Authorization requests that clients pushed (RFC 9126).

use pid_core::{ClientId, Timestamp};

use crate::{ReadTx, StoreError, WriteTx, params, statements};

statements! {
    INSERT = "INSERT INTO pushed_requests (name_hash, client_id, parameters, expires_at) VALUES ($1, $2, $3, $4)";
    BY_NAME = "SELECT client_id, parameters, expires_at, used_at FROM pushed_requests WHERE name_hash = $1";
    TAKE = "UPDATE pushed_requests SET used_at = $2 WHERE name_hash = $1 AND used_at IS NULL";
    PURGE = "DELETE FROM pushed_requests WHERE expires_at < $1";
}

/// A pushed request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pushed {
    /// Who pushed it.
    pub client_id: ClientId,
    /// Its parameters, a JSON list of pairs.
    pub parameters: String,
    /// Until when it is good.
    pub expires_at: Timestamp,
    /// When it was brought to `/authorize`.
    pub used_at: Option<Timestamp>,
}

/// Stores a request under the hash of its name.
pub fn insert(tx: &WriteTx<'_>, name_hash: &[u8; 32], pushed: &Pushed) -> Result<(), StoreError> {
    tx.execute(
        &INSERT,
        params![
            name_hash.to_vec(),
            pushed.client_id.as_str(),
            pushed.parameters.as_str(),
            pushed.expires_at.millis()
        ],
    )?;
    Ok(())
}

/// A request by the hash of its name, used ones included.
pub fn by_name(tx: &ReadTx<'_>, name_hash: &[u8; 32]) -> Result<Option<Pushed>, StoreError> {
    let Some(row) = tx.query_opt(&BY_NAME, params![name_hash.to_vec()])? else { return Ok(None) };
    Ok(Some(Pushed {
        client_id: ClientId::new(row.get::<String>(0)?),
        parameters: row.get(1)?,
        expires_at: Timestamp::from_millis(row.get(2)?),
        used_at: row.get::<Option<i64>>(3)?.map(Timestamp::from_millis),
    }))
}

/// Uses a request up: exactly one caller gets `true`.
pub fn take(tx: &WriteTx<'_>, name_hash: &[u8; 32], now: Timestamp) -> Result<bool, StoreError> {
    Ok(tx.execute(&TAKE, params![name_hash.to_vec(), now.millis()])? == 1)
}

/// Removes what expired before a moment.
pub fn purge(tx: &WriteTx<'_>, before: Timestamp) -> Result<u64, StoreError> {
    tx.execute(&PURGE, params![before.millis()])
}
