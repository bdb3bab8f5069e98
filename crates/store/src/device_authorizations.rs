//! Devices that wait for a person (RFC 8628).

use pid_core::{ClientId, GrantId, Timestamp, handle};

use crate::{ReadTx, Row, StoreError, WriteTx, params, statements};

macro_rules! columns {
    () => {
        "id, client_id, scopes, resource, nonce, code_challenge, code_challenge_method, ip_address, user_agent, state, requested_at, expires_at, \
         polled_at, interval_secs, grant_id"
    };
}

statements! {
    INSERT = "INSERT INTO device_authorizations (id, device_code_hash, user_code_hash, client_id, scopes, resource, nonce, code_challenge, \
        code_challenge_method, ip_address, user_agent, state, requested_at, expires_at, interval_secs) \
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)";
    BY_DEVICE_CODE = concat!("SELECT ", columns!(), " FROM device_authorizations WHERE id = $1 AND device_code_hash = $2");
    BY_USER_CODE = concat!("SELECT ", columns!(), " FROM device_authorizations WHERE user_code_hash = $1");
    POLLED = "UPDATE device_authorizations SET polled_at = $2, interval_secs = $3 WHERE id = $1";
    DECIDE = "UPDATE device_authorizations SET state = $2, grant_id = $3 WHERE id = $1 AND state = 'pending'";
    REDEEM = "UPDATE device_authorizations SET state = 'redeemed' WHERE id = $1 AND state = 'approved'";
    PURGE = "DELETE FROM device_authorizations WHERE expires_at < $1 AND grant_id IS NULL";
}

/// A device that wants to act for somebody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceAuthorization {
    /// A UUID that begins with the time.
    pub id: String,
    /// Whose device it is.
    pub client_id: ClientId,
    /// What is asked for, space separated.
    pub scopes: String,
    /// The API.
    pub resource: Option<String>,
    /// Comes back in the ID token.
    pub nonce: Option<String>,
    /// `code_challenge` and its method (RFC 7636 §4.3).
    pub challenge: Option<(String, String)>,
    /// Where the device asked from.
    pub ip_address: String,
    /// With what.
    pub user_agent: String,
    /// `pending`, `approved`, `denied` or `redeemed`.
    pub state: String,
    /// When it was asked for.
    pub requested_at: Timestamp,
    /// Until when its codes are good.
    pub expires_at: Timestamp,
    /// When the device last asked for tokens.
    pub polled_at: Option<Timestamp>,
    /// Seconds that it should wait.
    pub interval_secs: i64,
    /// What was approved.
    pub grant_id: Option<GrantId>,
}

fn from_row(row: &Row) -> Result<DeviceAuthorization, StoreError> {
    let challenge = match (row.get::<Option<String>>(5)?, row.get::<Option<String>>(6)?) {
        (Some(challenge), Some(method)) => Some((challenge, method)),
        _ => None,
    };
    Ok(DeviceAuthorization {
        id: row.get(0)?,
        client_id: ClientId::new(row.get::<String>(1)?),
        scopes: row.get(2)?,
        resource: row.get(3)?,
        nonce: row.get(4)?,
        challenge,
        ip_address: row.get(7)?,
        user_agent: row.get(8)?,
        state: row.get(9)?,
        requested_at: Timestamp::from_millis(row.get(10)?),
        expires_at: Timestamp::from_millis(row.get(11)?),
        polled_at: row.get::<Option<i64>>(12)?.map(Timestamp::from_millis),
        interval_secs: row.get(13)?,
        grant_id: row.get::<Option<String>>(14)?.map(GrantId::new),
    })
}

/// Stores a new one with the hashes of its two codes.
pub fn insert(
    tx: &WriteTx<'_>,
    d: &DeviceAuthorization,
    device_code_hash: &[u8; 32],
    user_code_hash: &[u8; 32],
) -> Result<(), StoreError> {
    tx.execute(
        &INSERT,
        params![
            d.id.as_str(),
            device_code_hash.to_vec(),
            user_code_hash.to_vec(),
            d.client_id.as_str(),
            d.scopes.as_str(),
            d.resource.clone(),
            d.nonce.clone(),
            d.challenge.as_ref().map(|(challenge, _)| challenge.clone()),
            d.challenge.as_ref().map(|(_, method)| method.clone()),
            d.ip_address.as_str(),
            d.user_agent.as_str(),
            d.state.as_str(),
            d.requested_at.millis(),
            d.expires_at.millis(),
            d.interval_secs
        ],
    )?;
    Ok(())
}

/// By the code that the device has. It names its row: [`handle`].
pub fn by_device_code(tx: &ReadTx<'_>, code: &str) -> Result<Option<DeviceAuthorization>, StoreError> {
    let Some(handle) = handle::read(code) else { return Ok(None) };
    tx.query_opt(&BY_DEVICE_CODE, params![handle.id.as_str(), handle.hash.to_vec()])?.as_ref().map(from_row).transpose()
}

/// By the hash of the code that a person types.
pub fn by_user_code(tx: &ReadTx<'_>, hash: &[u8; 32]) -> Result<Option<DeviceAuthorization>, StoreError> {
    tx.query_opt(&BY_USER_CODE, params![hash.to_vec()])?.as_ref().map(from_row).transpose()
}

/// Notes that the device asked, and how long it should wait from now on.
pub fn polled(tx: &WriteTx<'_>, id: &str, interval_secs: i64, now: Timestamp) -> Result<(), StoreError> {
    tx.execute(&POLLED, params![id, now.millis(), interval_secs])?;
    Ok(())
}

/// Writes down what a person decided: the grant, or nothing. Exactly one caller gets `true`.
pub fn decide(tx: &WriteTx<'_>, id: &str, grant: Option<&GrantId>) -> Result<bool, StoreError> {
    let state = if grant.is_some() { "approved" } else { "denied" };
    Ok(tx.execute(&DECIDE, params![id, state, grant.map(GrantId::as_str)])? == 1)
}

/// Takes what was approved: exactly one caller gets `true`.
pub fn redeem(tx: &WriteTx<'_>, id: &str) -> Result<bool, StoreError> {
    Ok(tx.execute(&REDEEM, params![id])? == 1)
}

/// Removes what expired before a moment without having been approved; the rest goes with its grant.
pub fn purge(tx: &WriteTx<'_>, before: Timestamp) -> Result<u64, StoreError> {
    tx.execute(&PURGE, params![before.millis()])
}
