//! Why sign-ins failed: a few of the latest faults of each client, and of no client that is known.

use pid_core::{ClientId, Timestamp};

use crate::{ReadTx, Row, StoreError, WriteTx, params, statements};

statements! {
    PUT = "INSERT INTO diagnoses (id, client_id, code, facts, times, first_at, last_at) VALUES ($1, $2, $3, $4, $5, $6, $6) \
        ON CONFLICT (id) DO UPDATE SET client_id = $2, code = $3, facts = $4, times = diagnoses.times + $5, last_at = $6";
    // All but the newest go.
    TRIM = "DELETE FROM diagnoses WHERE client_id = $1 AND id NOT IN \
        (SELECT id FROM diagnoses WHERE client_id = $1 ORDER BY last_at DESC, id LIMIT $2)";
    TRIM_UNKNOWN = "DELETE FROM diagnoses WHERE client_id IS NULL AND id NOT IN \
        (SELECT id FROM diagnoses WHERE client_id IS NULL ORDER BY last_at DESC, id LIMIT $1)";
    OF_CLIENT = "SELECT id, client_id, code, facts, times, first_at, last_at FROM diagnoses WHERE client_id = $1 ORDER BY last_at DESC, id LIMIT $2";
    LATEST = "SELECT id, client_id, code, facts, times, first_at, last_at FROM diagnoses WHERE last_at >= $1 ORDER BY last_at DESC LIMIT $2";
    BY_ID = "SELECT id, client_id, code, facts, times, first_at, last_at FROM diagnoses WHERE id = $1";
    CLEAR = "DELETE FROM diagnoses WHERE client_id = $1";
    PURGE = "DELETE FROM diagnoses WHERE last_at < $1";

    KNOWN_CLIENTS = "SELECT id, name FROM clients ORDER BY id LIMIT $1";
    SECRET_OF = "SELECT clients.name FROM client_secrets JOIN clients ON clients.id = client_secrets.client_id \
        WHERE client_secrets.hash = $1 AND client_secrets.algorithm = 'sha256' LIMIT 1";
    GROUP_NAMES = "SELECT user_groups.name FROM client_groups JOIN user_groups ON user_groups.id = client_groups.group_id \
        WHERE client_groups.client_id = $1 ORDER BY user_groups.name LIMIT 20";
    OF_INTERACTION = "SELECT client_id, expires_at FROM interactions WHERE id = $1";
    GRANTS = "SELECT grants.user_id, users.username, grants.scopes, grants.created_at, authorization_codes.used_at, authorization_codes.expires_at \
        FROM grants JOIN users ON users.id = grants.user_id JOIN authorization_codes ON authorization_codes.grant_id = grants.id \
        WHERE grants.client_id = $1 ORDER BY grants.id DESC LIMIT $2";
}

/// A fault that was seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Of the fault, as people read it to each other.
    pub id: String,
    /// Whose; `None`: of no client that is known.
    pub client_id: Option<ClientId>,
    /// The name of the diagnosis.
    pub code: String,
    /// JSON: what is quoted, and the remedy.
    pub facts: String,
    /// How often it was seen.
    pub times: i64,
    /// When it was seen first.
    pub first_at: Timestamp,
    /// When it was seen last.
    pub last_at: Timestamp,
}

fn entry(row: &Row) -> Result<Entry, StoreError> {
    Ok(Entry {
        id: row.get(0)?,
        client_id: row.get::<Option<String>>(1)?.map(ClientId::new),
        code: row.get(2)?,
        facts: row.get(3)?,
        times: row.get(4)?,
        first_at: Timestamp::from_millis(row.get(5)?),
        last_at: Timestamp::from_millis(row.get(6)?),
    })
}

/// Adds a fault, or counts it once more: `times` more often, last at `last_at`.
pub fn put(tx: &WriteTx<'_>, e: &Entry) -> Result<(), StoreError> {
    let client = e.client_id.as_ref().map(|id| id.as_str().to_owned());
    tx.execute(
        &PUT,
        params![e.id.as_str(), client, e.code.as_str(), e.facts.as_str(), e.times, e.last_at.millis()],
    )?;
    Ok(())
}

/// Keeps this many faults of a client, or of none that is known: those that were seen last.
pub fn trim(tx: &WriteTx<'_>, client: Option<&ClientId>, keep: i64) -> Result<(), StoreError> {
    match client {
        Some(client) => tx.execute(&TRIM, params![client.as_str(), keep])?,
        None => tx.execute(&TRIM_UNKNOWN, params![keep])?,
    };
    Ok(())
}

/// A client's faults, the latest first.
pub fn of_client(tx: &ReadTx<'_>, client: &ClientId, limit: i64) -> Result<Vec<Entry>, StoreError> {
    tx.query(&OF_CLIENT, params![client.as_str(), limit])?.iter().map(entry).collect()
}

/// The latest faults since a moment, of all clients and of none that is known.
pub fn latest(tx: &ReadTx<'_>, since: Timestamp, limit: i64) -> Result<Vec<Entry>, StoreError> {
    tx.query(&LATEST, params![since.millis(), limit])?.iter().map(entry).collect()
}

/// A fault by its id.
pub fn by_id(tx: &ReadTx<'_>, id: &str) -> Result<Option<Entry>, StoreError> {
    tx.query_opt(&BY_ID, params![id])?.as_ref().map(entry).transpose()
}

/// Forgets a client's faults.
pub fn clear(tx: &WriteTx<'_>, client: &ClientId) -> Result<u64, StoreError> {
    tx.execute(&CLEAR, params![client.as_str()])
}

/// Removes what was not seen since a moment.
pub fn purge(tx: &WriteTx<'_>, before: Timestamp) -> Result<u64, StoreError> {
    tx.execute(&PURGE, params![before.millis()])
}

/// Ids and names of clients, up to a number.
pub fn known_clients(tx: &ReadTx<'_>, limit: i64) -> Result<Vec<(String, String)>, StoreError> {
    tx.query(&KNOWN_CLIENTS, params![limit])?.iter().map(|row| Ok((row.get(0)?, row.get(1)?))).collect()
}

/// The name of the client that has a secret with this hash.
pub fn secret_of(tx: &ReadTx<'_>, hash: &[u8; 32]) -> Result<Option<String>, StoreError> {
    tx.query_opt(&SECRET_OF, params![hash.to_vec()])?.map(|row| row.get(0)).transpose()
}

/// The names of the groups that may enter a client, some of them.
pub fn group_names(tx: &ReadTx<'_>, client: &ClientId) -> Result<Vec<String>, StoreError> {
    tx.query(&GROUP_NAMES, params![client.as_str()])?.iter().map(|row| row.get(0)).collect()
}

/// Whose interaction this is, whatever browser began it, and when it ends.
pub fn of_interaction(tx: &ReadTx<'_>, id: &str) -> Result<Option<(ClientId, Timestamp)>, StoreError> {
    let Some(row) = tx.query_opt(&OF_INTERACTION, params![id])? else { return Ok(None) };
    Ok(Some((ClientId::new(row.get::<String>(0)?), Timestamp::from_millis(row.get(1)?))))
}

/// A sign-in to a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignIn {
    /// Whose.
    pub user_id: String,
    /// Their user name.
    pub username: String,
    /// What was granted.
    pub scopes: String,
    /// When the code was issued.
    pub at: Timestamp,
    /// When the code was redeemed, if it was.
    pub redeemed_at: Option<Timestamp>,
    /// Until when it could be.
    pub code_expires_at: Timestamp,
}

/// The latest sign-ins to a client, the newest first.
pub fn sign_ins(tx: &ReadTx<'_>, client: &ClientId, limit: i64) -> Result<Vec<SignIn>, StoreError> {
    let of = |row: &Row| -> Result<SignIn, StoreError> {
        Ok(SignIn {
            user_id: row.get(0)?,
            username: row.get(1)?,
            scopes: row.get(2)?,
            at: Timestamp::from_millis(row.get(3)?),
            redeemed_at: row.get::<Option<i64>>(4)?.map(Timestamp::from_millis),
            code_expires_at: Timestamp::from_millis(row.get(5)?),
        })
    };
    tx.query(&GRANTS, params![client.as_str(), limit])?.iter().map(of).collect()
}
