//! Login codes, by hash.

use pid_core::{GroupId, SessionId, Timestamp, UserId};

use crate::roles::maker_may;
use crate::{ReadTx, StoreError, WriteTx, params, statements};

statements! {
    INSERT = "INSERT INTO login_codes (id, code_hash, user_id, made_by, created_at, expires_at, session_id, device_hash) \
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
    DROP_SELF_MADE = "DELETE FROM login_codes WHERE user_id = $1 AND made_by = 'self' AND used_at IS NULL";
    DROP_OF_USER = "DELETE FROM login_codes WHERE user_id = $1 AND used_at IS NULL";
    DROP_UNLESS_ADMIN = "DELETE FROM login_codes WHERE user_id = $1 AND used_at IS NULL \
        AND EXISTS (SELECT 1 FROM users WHERE users.id = login_codes.user_id AND NOT users.is_admin)";
    DROP_OF_MEMBERS = "DELETE FROM login_codes WHERE used_at IS NULL \
        AND user_id IN (SELECT user_id FROM user_group_members WHERE group_id = $1)";
    DROP_IF_GIVEN = "DELETE FROM login_codes WHERE user_id = $1 AND used_at IS NULL \
        AND EXISTS (SELECT 1 FROM user_groups WHERE id = $2 AND roles <> '')";
    TAKE = concat!(
        "UPDATE login_codes SET used_at = $2 WHERE code_hash = $1 AND used_at IS NULL AND expires_at > $2 AND ", maker_may!(),
        " RETURNING user_id, made_by, device_hash"
    );
    MADE_BY = "UPDATE login_codes SET maker_id = $2 WHERE id = $1 AND EXISTS (SELECT 1 FROM users WHERE users.id = $2 AND NOT users.is_admin)";
    GIVE_BACK = "UPDATE login_codes SET used_at = NULL WHERE code_hash = $1";
    KNOWN = "SELECT user_id, used_at FROM login_codes WHERE code_hash = $1";
    PURGE = "DELETE FROM login_codes WHERE expires_at < $1";
}

/// Stores a code. `made_by`: `admin`, `cli`, `mail` or `self`; `session`: that of a person who made it for themselves;
/// `device`: the hash of what the browser has that alone may use it.
pub fn insert(
    tx: &WriteTx<'_>,
    id: &str,
    code_hash: &[u8; 32],
    user: &UserId,
    made_by: &str,
    now: Timestamp,
    expires_at: Timestamp,
    session: Option<&SessionId>,
    device: Option<[u8; 32]>,
) -> Result<(), StoreError> {
    tx.execute(
        &INSERT,
        params![
            id,
            code_hash.to_vec(),
            user.as_str(),
            made_by,
            now.millis(),
            expires_at.millis(),
            session.map(SessionId::as_str),
            device.map(|hash| hash.to_vec())
        ],
    )?;
    Ok(())
}

/// Binds a code to who made it for somebody else, unless an administrator did: it ends when they manage people no more.
pub fn made_by(tx: &WriteTx<'_>, id: &str, maker: &UserId) -> Result<(), StoreError> {
    tx.execute(&MADE_BY, params![id, maker.as_str()])?;
    Ok(())
}

/// Forgets the unused codes that a person made for themselves.
pub fn drop_self_made(tx: &WriteTx<'_>, user: &UserId) -> Result<(), StoreError> {
    tx.execute(&DROP_SELF_MADE, params![user.as_str()])?;
    Ok(())
}

/// Forgets a person's unused codes: whoever made them made them for somebody who could do less.
pub(crate) fn drop_of_user(tx: &WriteTx<'_>, user: &UserId) -> Result<(), StoreError> {
    tx.execute(&DROP_OF_USER, params![user.as_str()])?;
    Ok(())
}

/// Forgets the unused codes of somebody who is about to become an administrator, if they are none yet.
pub(crate) fn drop_unless_admin(tx: &WriteTx<'_>, user: &UserId) -> Result<(), StoreError> {
    tx.execute(&DROP_UNLESS_ADMIN, params![user.as_str()])?;
    Ok(())
}

/// Forgets the unused codes of all who are in a group, which gives more than before.
pub(crate) fn drop_of_members(tx: &WriteTx<'_>, group: &GroupId) -> Result<(), StoreError> {
    tx.execute(&DROP_OF_MEMBERS, params![group.as_str()])?;
    Ok(())
}

/// Forgets the unused codes of somebody who came into a group, if it gives anything.
pub(crate) fn drop_if_given(tx: &WriteTx<'_>, user: &UserId, group: &GroupId) -> Result<(), StoreError> {
    tx.execute(&DROP_IF_GIVEN, params![user.as_str(), group.as_str()])?;
    Ok(())
}

/// A code that was taken.
#[derive(Clone, Debug)]
pub struct Taken {
    /// Whom it signs in.
    pub user_id: UserId,
    /// Who made it.
    pub made_by: String,
    /// The hash of what the browser has that alone may use it.
    pub device: Option<Vec<u8>>,
}

/// Takes a code: it works once.
pub fn take(tx: &WriteTx<'_>, code_hash: &[u8; 32], now: Timestamp) -> Result<Option<Taken>, StoreError> {
    let rows = tx.query_returning(&TAKE, params![code_hash.to_vec(), now.millis()])?;
    let taken = |r: &crate::Row| {
        Ok(Taken { user_id: UserId::new(r.get::<String>(0)?), made_by: r.get(1)?, device: r.get(2)? })
    };
    rows.first().map(taken).transpose()
}

/// Makes a code that was taken as good as it was.
pub fn give_back(tx: &WriteTx<'_>, code_hash: &[u8; 32]) -> Result<(), StoreError> {
    tx.execute(&GIVE_BACK, params![code_hash.to_vec()])?;
    Ok(())
}

/// Whose a code was that can't be taken, and whether it was used.
pub fn known(tx: &ReadTx<'_>, code_hash: &[u8; 32]) -> Result<Option<(UserId, bool)>, StoreError> {
    let row = tx.query_opt(&KNOWN, params![code_hash.to_vec()])?;
    row.map(|r| Ok((UserId::new(r.get::<String>(0)?), r.get::<Option<i64>>(1)?.is_some()))).transpose()
}

/// Forgets codes that expired before a moment.
pub fn purge(tx: &WriteTx<'_>, before: Timestamp) -> Result<u64, StoreError> {
    tx.execute(&PURGE, params![before.millis()])
}
