//! Sign-up tokens, by hash.

use pid_core::list::{ListRequest, Page};
use pid_core::{GroupId, SignupTokenId, Timestamp, UserId};

use crate::lists::ListSpec;
use crate::roles::maker_may;
use crate::{ReadTx, Row, StoreError, WriteTx, params, statements};

macro_rules! columns {
    () => {
        "id, sealed_token, usage_limit, usage_count, created_at, expires_at"
    };
}

statements! {
    RESEAL = "UPDATE signup_tokens SET sealed_token = $2 WHERE id = $1";
    INSERT = "INSERT INTO signup_tokens (id, token_hash, sealed_token, usage_limit, usage_count, created_at, expires_at) VALUES ($1, $2, $3, $4, $5, $6, $7)";
    ADD_GROUP = "INSERT INTO signup_token_groups (token_id, group_id) SELECT $1, user_groups.id FROM user_groups \
        WHERE user_groups.id = $2 ON CONFLICT (token_id, group_id) DO NOTHING";
    USABLE = concat!("SELECT ", columns!(), " FROM signup_tokens WHERE token_hash = $1 AND usage_count < usage_limit AND expires_at > $2 AND ", maker_may!());
    TAKE = concat!("UPDATE signup_tokens SET usage_count = usage_count + 1 WHERE id = $1 AND usage_count < usage_limit AND expires_at > $2 AND ", maker_may!());
    MADE_BY = "UPDATE signup_tokens SET maker_id = $2 WHERE id = $1 AND EXISTS (SELECT 1 FROM users WHERE users.id = $2 AND NOT users.is_admin)";
    DELETE = "DELETE FROM signup_tokens WHERE id = $1";
    LEADING_TO = "SELECT token_id FROM signup_token_groups WHERE group_id = $1 ORDER BY token_id";
    LEADING_ONLY_TO = "SELECT token_id FROM signup_token_groups WHERE group_id = $1 AND NOT EXISTS (SELECT 1 \
        FROM signup_token_groups AS others WHERE others.token_id = signup_token_groups.token_id AND others.group_id <> $1) \
        ORDER BY token_id";
    PURGE = "DELETE FROM signup_tokens WHERE expires_at < $1";
}

/// The list of tokens that have not expired, and whose makers still may invite.
pub static LIST: ListSpec = ListSpec {
    columns: columns!(),
    from: "signup_tokens",
    // A list's parameter is text.
    base: Some(concat!("expires_at > CAST(CAST($1 AS TEXT) AS BIGINT) AND ", maker_may!())),
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

pub(crate) fn from_row(row: &Row) -> Result<SignupToken, StoreError> {
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

/// Binds a token to who made it, unless an administrator did: it ends when they manage people no more.
pub fn made_by(tx: &WriteTx<'_>, id: &SignupTokenId, maker: &UserId) -> Result<(), StoreError> {
    tx.execute(&MADE_BY, params![id.as_str(), maker.as_str()])?;
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

fn ids(rows: &[Row]) -> Result<Vec<SignupTokenId>, StoreError> {
    rows.iter().map(|row| Ok(SignupTokenId::new(row.get::<String>(0)?))).collect()
}

/// The tokens that lead to a group.
pub fn leading_to(tx: &ReadTx<'_>, group: &GroupId) -> Result<Vec<SignupTokenId>, StoreError> {
    ids(&tx.query(&LEADING_TO, params![group.as_str()])?)
}

/// The tokens that lead to a group and to no other.
pub fn leading_only_to(tx: &ReadTx<'_>, group: &GroupId) -> Result<Vec<SignupTokenId>, StoreError> {
    ids(&tx.query(&LEADING_ONLY_TO, params![group.as_str()])?)
}

/// Forgets tokens that expired before a moment.
pub fn purge(tx: &WriteTx<'_>, before: Timestamp) -> Result<u64, StoreError> {
    tx.execute(&PURGE, params![before.millis()])
}

/// Stores a value that was sealed anew.
pub fn reseal(tx: &WriteTx<'_>, id: &SignupTokenId, sealed: Vec<u8>) -> Result<(), StoreError> {
    tx.execute(&RESEAL, params![id.as_str(), sealed])?;
    Ok(())
}
