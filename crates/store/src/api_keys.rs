//! API keys.

use pid_core::api_keys::ApiKey;
use pid_core::list::{ListRequest, Page};
use pid_core::{ApiKeyId, Timestamp, UserId};

use crate::lists::ListSpec;
use crate::{ReadTx, Row, StoreError, WriteTx, params, statements};

/// The columns of a key in the order of [`from_row`].
macro_rules! api_key_columns {
    () => {
        "id, user_id, name, description, scopes, expires_at, last_used_at, created_at, expiration_email_sent, version"
    };
}
pub(crate) use api_key_columns;

statements! {
    INSERT = "INSERT INTO api_keys (id, user_id, name, description, scopes, expires_at, created_at, expiration_email_sent, key_hash, version) \
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)";
    BY_ID = concat!("SELECT ", api_key_columns!(), " FROM api_keys WHERE id = $1 AND user_id = $2");
    BY_HASH = concat!("SELECT ", api_key_columns!(), " FROM api_keys WHERE key_hash = $1");
    RENEW = "UPDATE api_keys SET key_hash = $2, expires_at = $3, expiration_email_sent = $4, version = version + 1 WHERE id = $1";
    DESCRIBE = "UPDATE api_keys SET name = $2, description = $3, version = version + 1 WHERE id = $1";
    USED = "UPDATE api_keys SET last_used_at = $2 WHERE key_hash = $1 AND (last_used_at IS NULL OR last_used_at < $2)";
    EXPIRING = concat!("SELECT ", api_key_columns!(), " FROM api_keys WHERE expires_at > $1 AND expires_at < $2 AND expiration_email_sent = $3 LIMIT 500");
    TOLD = "UPDATE api_keys SET expiration_email_sent = $2 WHERE id = $1";
    DELETE = "DELETE FROM api_keys WHERE id = $1 AND user_id = $2";
}

/// The list of a person's keys.
pub static LIST: ListSpec = ListSpec {
    columns: api_key_columns!(),
    from: "api_keys",
    base: Some("user_id = $1"),
    search: &[],
    sort: &[
        ("createdAt", "created_at"),
        ("name", "name"),
        ("expiresAt", "expires_at"),
        // One order on both engines: never used is before every use.
        ("lastUsedAt", "coalesce(last_used_at, 0)"),
    ],
    filters: &[],
    order: "created_at, id",
};

pub(crate) fn from_row(row: &Row) -> Result<ApiKey, StoreError> {
    Ok(ApiKey {
        id: ApiKeyId::new(row.get::<String>(0)?),
        user_id: UserId::new(row.get::<String>(1)?),
        name: row.get(2)?,
        description: row.get(3)?,
        // A scope that this version doesn't know must not become a key without limits.
        scopes: serde_json::from_str(&row.get::<String>(4)?).map_err(|e| StoreError::Other(e.to_string()))?,
        expires_at: Timestamp::from_millis(row.get(5)?),
        last_used_at: row.get::<Option<i64>>(6)?.map(Timestamp::from_millis),
        created_at: Timestamp::from_millis(row.get(7)?),
        expiration_email_sent: row.get(8)?,
        version: row.get(9)?,
    })
}

/// A page of a person's keys.
pub fn list(tx: &ReadTx<'_>, user: &UserId, request: &ListRequest) -> Result<Page<ApiKey>, StoreError> {
    LIST.page(tx, request, Some(user.as_str()), from_row)
}

/// Stores a new key under the hash of its value.
pub fn insert(tx: &WriteTx<'_>, k: &ApiKey, hash: &[u8; 32]) -> Result<(), StoreError> {
    tx.execute(
        &INSERT,
        params![
            k.id.as_str(),
            k.user_id.as_str(),
            k.name.as_str(),
            k.description.clone(),
            serde_json::to_string(&k.scopes).map_err(|e| StoreError::Other(e.to_string()))?,
            k.expires_at.millis(),
            k.created_at.millis(),
            k.expiration_email_sent,
            hash.to_vec(),
            k.version
        ],
    )?;
    Ok(())
}

/// A key of a person.
pub fn by_id(tx: &ReadTx<'_>, id: &ApiKeyId, user: &UserId) -> Result<Option<ApiKey>, StoreError> {
    tx.query_opt(&BY_ID, params![id.as_str(), user.as_str()])?.as_ref().map(from_row).transpose()
}

/// A key by the hash of its value, expired ones included.
pub fn by_hash(tx: &ReadTx<'_>, hash: &[u8; 32]) -> Result<Option<ApiKey>, StoreError> {
    tx.query_opt(&BY_HASH, params![hash.to_vec()])?.as_ref().map(from_row).transpose()
}

/// Gives a key another value and end.
pub fn renew(tx: &WriteTx<'_>, id: &ApiKeyId, hash: &[u8; 32], expires_at: Timestamp) -> Result<(), StoreError> {
    tx.execute(&RENEW, params![id.as_str(), hash.to_vec(), expires_at.millis(), false])?;
    Ok(())
}

/// Stores a key's name and description.
pub fn describe(tx: &WriteTx<'_>, k: &ApiKey) -> Result<(), StoreError> {
    tx.execute(&DESCRIBE, params![k.id.as_str(), k.name.as_str(), k.description.clone()])?;
    Ok(())
}

/// Notes when a key was used, if there is such a key.
pub fn used(tx: &WriteTx<'_>, hash: &[u8; 32], at: Timestamp) -> Result<(), StoreError> {
    tx.execute(&USED, params![hash.to_vec(), at.millis()])?;
    Ok(())
}

/// Keys that expire between two moments, and whose owners were not told.
pub fn expiring(tx: &ReadTx<'_>, from: Timestamp, to: Timestamp) -> Result<Vec<ApiKey>, StoreError> {
    tx.query(&EXPIRING, params![from.millis(), to.millis(), false])?.iter().map(from_row).collect()
}

/// The owner was told that a key will expire.
pub fn told(tx: &WriteTx<'_>, id: &ApiKeyId) -> Result<(), StoreError> {
    tx.execute(&TOLD, params![id.as_str(), true])?;
    Ok(())
}

/// Deletes a key of a person. Tells whether it existed.
pub fn delete(tx: &WriteTx<'_>, id: &ApiKeyId, user: &UserId) -> Result<bool, StoreError> {
    Ok(tx.execute(&DELETE, params![id.as_str(), user.as_str()])? == 1)
}
