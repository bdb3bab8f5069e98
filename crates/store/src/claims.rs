//! Custom claims of people and groups.

use pid_core::claims::CustomClaim;
use pid_core::{GroupId, UserId};

use crate::{ReadTx, StoreError, WriteTx, params, statements};

statements! {
    OF_USER = "SELECT key, value FROM user_claims WHERE user_id = $1 ORDER BY key";
    OF_GROUP = "SELECT key, value FROM group_claims WHERE group_id = $1 ORDER BY key";
    CLEAR_USER = "DELETE FROM user_claims WHERE user_id = $1";
    CLEAR_GROUP = "DELETE FROM group_claims WHERE group_id = $1";
    PUT_USER = "INSERT INTO user_claims (user_id, key, value) VALUES ($1, $2, $3)";
    PUT_GROUP = "INSERT INTO group_claims (group_id, key, value) VALUES ($1, $2, $3)";
    SUGGESTIONS = "SELECT key, count(*) AS uses FROM (SELECT key FROM user_claims UNION ALL SELECT key FROM group_claims) AS claims \
        GROUP BY key ORDER BY uses DESC, key LIMIT 200";
}

/// A person's claims by key.
pub fn of_user(tx: &ReadTx<'_>, id: &UserId) -> Result<Vec<CustomClaim>, StoreError> {
    let rows = tx.query(&OF_USER, params![id.as_str()])?;
    rows.iter().map(|r| Ok(CustomClaim { key: r.get(0)?, value: r.get(1)? })).collect()
}

/// A group's claims by key.
pub fn of_group(tx: &ReadTx<'_>, id: &GroupId) -> Result<Vec<CustomClaim>, StoreError> {
    let rows = tx.query(&OF_GROUP, params![id.as_str()])?;
    rows.iter().map(|r| Ok(CustomClaim { key: r.get(0)?, value: r.get(1)? })).collect()
}

/// Replaces a person's claims.
pub fn set_of_user(tx: &WriteTx<'_>, id: &UserId, claims: &[CustomClaim]) -> Result<(), StoreError> {
    tx.execute(&CLEAR_USER, params![id.as_str()])?;
    for c in claims {
        tx.execute(&PUT_USER, params![id.as_str(), c.key.as_str(), c.value.as_str()])?;
    }
    Ok(())
}

/// Replaces a group's claims.
pub fn set_of_group(tx: &WriteTx<'_>, id: &GroupId, claims: &[CustomClaim]) -> Result<(), StoreError> {
    tx.execute(&CLEAR_GROUP, params![id.as_str()])?;
    for c in claims {
        tx.execute(&PUT_GROUP, params![id.as_str(), c.key.as_str(), c.value.as_str()])?;
    }
    Ok(())
}

/// Keys in use anywhere, the most used first.
pub fn suggestions(tx: &ReadTx<'_>) -> Result<Vec<String>, StoreError> {
    tx.query(&SUGGESTIONS, params![])?.iter().map(|r| r.get(0)).collect()
}
