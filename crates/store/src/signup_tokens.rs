//! Sign-up tokens, by hash.

use pid_core::list::{ListRequest, Page};
use pid_core::{SignupTokenId, Timestamp};

use crate::lists::ListSpec;
use crate::{ReadTx, Row, StoreError, WriteTx, params, statements};

macro_rules! columns {
    () => {
        "id, sealed_token, usage_limit, usage_count, created_at, expires_at"
    };
}

statements! {
    INSERT = "INSERT INTO signup_tokens (id, token_hash, sealed_token, usage_limit, usage_count, created_at, expires_at) VALUES ($1, $2, $3, $4, $5, $6, $7)";
    ADD_GROUP = "INSERT INTO signup_token_groups (token_id, group_id) SELECT $1, user_groups.id FROM user_groups \
        WHERE user_groups.id = $2 ON CONFLICT (token_id, group_id) DO NOTHING";
    USABLE = concat!("SELECT ", columns!(), " FROM signup_tokens WHERE token_hash = $1 AND usage_count < usage_limit AND expires_at > $2");
    TAKE = "UPDATE signup_tokens SET usage_count = usage_count + 1 WHERE id = $1 AND usage_count < usage_limit AND expires_at > $2";
    DELETE = "DELETE FROM signup_tokens WHERE id = $1";
    PURGE = "DELETE FROM signup_tokens WHERE expires_at < $1";
}

/// The list of tokens that have not expired.
pub static LIST: ListSpec = ListSpec {
    columns: columns!(),
    from: "signup_tokens",
    // A list's parameter is text.
    base: Some("expires_at > CAST(CAST($1 AS TEXT) AS BIGINT)"),
    search: &[],
    sort: &[
        ("createdAt", "created_at"),
        ("expiresAt", "expires_at"),
        ("usageLimit", "usage_limit"),
        ("usageCount", "usage_count"),
    ],
    filters: &[],
    order: "created_at, id",
};

/// What lets somebody sign up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignupToken {
    /// UUID.
    pub id: SignupTokenId,
    /// The value, sealed.
    pub sealed: Vec<u8>,
    /// How many may sign up.
    pub usage_limit: i64,
    /// How many did.
    pub usage_count: i64,
    /// When it was made.
    pub created_at: Timestamp,
    /// Until when it is good.
    pub expires_at: Timestamp,
}

fn from_row(row: &Row) -> Result<SignupToken, StoreError> {
    Ok(SignupToken {
        id: SignupTokenId::new(row.get::<String>(0)?),
        sealed: row.get(1)?,
        usage_limit: row.get(2)?,
        usage_count: row.get(3)?,
        created_at: Timestamp::from_millis(row.get(4)?),
        expires_at: Timestamp::from_millis(row.get(5)?),
    })
}

/// Stores a new token under the hash of its value, with the groups that it leads to; unknown ones are passed over.
pub fn insert(tx: &WriteTx<'_>, t: &SignupToken, hash: &[u8; 32], groups: &[String]) -> Result<(), StoreError> {
    tx.execute(
        &INSERT,
        params![
            t.id.as_str(),
            hash.to_vec(),
            t.sealed.clone(),
            t.usage_limit,
            t.usage_count,
            t.created_at.millis(),
            t.expires_at.millis()
        ],
    )?;
    for group in groups {
        tx.execute(&ADD_GROUP, params![t.id.as_str(), group.as_str()])?;
    }
    Ok(())
}

/// A page of the tokens that have not expired.
pub fn list(tx: &ReadTx<'_>, now: Timestamp, request: &ListRequest) -> Result<Page<SignupToken>, StoreError> {
    LIST.page(tx, request, Some(&now.millis().to_string()), from_row)
}

/// A token that has not expired and has uses left.
pub fn usable(tx: &ReadTx<'_>, hash: &[u8; 32], now: Timestamp) -> Result<Option<SignupToken>, StoreError> {
    tx.query_opt(&USABLE, params![hash.to_vec(), now.millis()])?.as_ref().map(from_row).transpose()
}

/// Takes one use. Tells whether there was one: of many at once no more get it than are left.
pub fn take(tx: &WriteTx<'_>, id: &SignupTokenId, now: Timestamp) -> Result<bool, StoreError> {
    Ok(tx.execute(&TAKE, params![id.as_str(), now.millis()])? == 1)
}

/// Deletes a token. Tells whether it existed.
pub fn delete(tx: &WriteTx<'_>, id: &SignupTokenId) -> Result<bool, StoreError> {
    Ok(tx.execute(&DELETE, params![id.as_str()])? == 1)
}

/// Forgets tokens that expired before a moment.
pub fn purge(tx: &WriteTx<'_>, before: Timestamp) -> Result<u64, StoreError> {
    tx.execute(&PURGE, params![before.millis()])
}
