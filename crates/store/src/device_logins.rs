//! Browsers that wait until somebody lets them in from another device.

use pid_core::{SessionId, Timestamp, UserId};

use crate::{ReadTx, StoreError, WriteTx, params, statements};

statements! {
    INSERT = "INSERT INTO device_logins (code_hash, token_hash, number, wrong_numbers, ip_address, user_agent, state, created_at, expires_at, matched) \
        VALUES ($1, $2, $3, $4, $5, $6, 'pending', $7, $8, $9)";
    PENDING = "SELECT number, wrong_numbers, ip_address, user_agent, expires_at FROM device_logins \
        WHERE code_hash = $1 AND state = 'pending' AND expires_at > $2";
    EXISTS = "SELECT 1 FROM device_logins WHERE code_hash = $1";
    STATE = "SELECT state FROM device_logins WHERE code_hash = $1 AND token_hash = $2 AND expires_at > $3";
    WRONG = "UPDATE device_logins SET wrong_numbers = wrong_numbers + 1 WHERE code_hash = $1 AND state = 'pending'";
    APPROVE = "UPDATE device_logins SET state = 'approved', user_id = $2, session_id = $3, matched = $4 WHERE code_hash = $1 AND state = 'pending' AND expires_at > $5";
    DENY = "UPDATE device_logins SET state = 'denied' WHERE code_hash = $1 AND state = 'pending' AND expires_at > $2";
    TAKE = "UPDATE device_logins SET state = 'used' WHERE code_hash = $1 AND token_hash = $2 AND state = 'approved' AND expires_at > $3 \
        RETURNING user_id, matched";
    DENY_OF_SESSION = "UPDATE device_logins SET state = 'denied' WHERE session_id = $1 AND state = 'approved'";
    DENY_OF_USER = "UPDATE device_logins SET state = 'denied' WHERE user_id = $1 AND state = 'approved'";
    PURGE = "DELETE FROM device_logins WHERE expires_at < $1";
}

/// A browser that wants to be let in, as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewDeviceLogin<'a> {
    /// SHA-256 of the code that people read or scan.
    pub code_hash: [u8; 32],
    /// SHA-256 of the browser's cookie.
    pub token_hash: [u8; 32],
    /// The number that it shows.
    pub number: i64,
    /// Where it is.
    pub ip_address: &'a str,
    /// What it is.
    pub user_agent: &'a str,
    /// When it asked.
    pub created_at: Timestamp,
    /// Until when it may be let in.
    pub expires_at: Timestamp,
}

/// A browser that waits, for whoever may let it in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pending {
    /// The number that it shows.
    pub number: i64,
    /// How often another number was typed.
    pub wrong_numbers: i64,
    /// Where it is.
    pub ip_address: String,
    /// What it is.
    pub user_agent: String,
    /// Until when it may be let in.
    pub expires_at: Timestamp,
}

/// What became of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Nobody has decided.
    Pending,
    /// Somebody let it in.
    Approved,
    /// Somebody refused.
    Denied,
    /// It is in.
    Used,
}

/// Stores a new request.
pub fn insert(tx: &WriteTx<'_>, new: &NewDeviceLogin<'_>) -> Result<(), StoreError> {
    tx.execute(
        &INSERT,
        params![
            new.code_hash.to_vec(),
            new.token_hash.to_vec(),
            new.number,
            0_i64,
            new.ip_address,
            new.user_agent,
            new.created_at.millis(),
            new.expires_at.millis(),
            false
        ],
    )?;
    Ok(())
}

/// Whether a code is taken, perhaps by a request that is over.
pub fn exists(tx: &ReadTx<'_>, code_hash: &[u8; 32]) -> Result<bool, StoreError> {
    Ok(tx.query_opt(&EXISTS, params![code_hash.to_vec()])?.is_some())
}

/// The browser that waits under a code.
pub fn pending(tx: &ReadTx<'_>, code_hash: &[u8; 32], now: Timestamp) -> Result<Option<Pending>, StoreError> {
    let found = tx.query_opt(&PENDING, params![code_hash.to_vec(), now.millis()])?;
    found
        .map(|row| {
            Ok(Pending {
                number: row.get(0)?,
                wrong_numbers: row.get(1)?,
                ip_address: row.get(2)?,
                user_agent: row.get(3)?,
                expires_at: Timestamp::from_millis(row.get(4)?),
            })
        })
        .transpose()
}

/// What became of the request with this code and cookie; `None` if there is none that counts.
pub fn state(
    tx: &ReadTx<'_>,
    code_hash: &[u8; 32],
    token_hash: &[u8; 32],
    now: Timestamp,
) -> Result<Option<State>, StoreError> {
    let found = tx.query_opt(&STATE, params![code_hash.to_vec(), token_hash.to_vec(), now.millis()])?;
    found
        .map(|row| {
            Ok(match row.get::<String>(0)?.as_str() {
                "pending" => State::Pending,
                "approved" => State::Approved,
                "denied" => State::Denied,
                _ => State::Used,
            })
        })
        .transpose()
}

/// Counts a number that is not the one shown.
pub fn wrong_number(tx: &WriteTx<'_>, code_hash: &[u8; 32]) -> Result<(), StoreError> {
    tx.execute(&WRONG, params![code_hash.to_vec()])?;
    Ok(())
}

/// Lets a waiting browser in. Exactly one decision gets `true`.
pub fn approve(
    tx: &WriteTx<'_>,
    code_hash: &[u8; 32],
    user: &UserId,
    session: &SessionId,
    matched: bool,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let row = params![code_hash.to_vec(), user.as_str(), session.as_str(), matched, now.millis()];
    Ok(tx.execute(&APPROVE, row)? == 1)
}

/// Keeps a waiting browser out. Exactly one decision gets `true`.
pub fn deny(tx: &WriteTx<'_>, code_hash: &[u8; 32], now: Timestamp) -> Result<bool, StoreError> {
    Ok(tx.execute(&DENY, params![code_hash.to_vec(), now.millis()])? == 1)
}

/// Takes an approval: it works once. Gives who approved and whether by the number.
pub fn take(
    tx: &WriteTx<'_>,
    code_hash: &[u8; 32],
    token_hash: &[u8; 32],
    now: Timestamp,
) -> Result<Option<(UserId, bool)>, StoreError> {
    let taken = tx.query_returning(&TAKE, params![code_hash.to_vec(), token_hash.to_vec(), now.millis()])?;
    taken.first().map(|r| Ok((UserId::new(r.get::<String>(0)?), r.get(1)?))).transpose()
}

/// Takes back what was approved from a session and is not in yet.
pub fn deny_of_session(tx: &WriteTx<'_>, session: &SessionId) -> Result<(), StoreError> {
    tx.execute(&DENY_OF_SESSION, params![session.as_str()])?;
    Ok(())
}

/// Takes back what a person approved and is not in yet.
pub fn deny_of_user(tx: &WriteTx<'_>, user: &UserId) -> Result<(), StoreError> {
    tx.execute(&DENY_OF_USER, params![user.as_str()])?;
    Ok(())
}

/// Forgets requests that expired before a moment.
pub fn purge(tx: &WriteTx<'_>, before: Timestamp) -> Result<u64, StoreError> {
    tx.execute(&PURGE, params![before.millis()])
}
