//! Browser sessions and re-authentication proofs.

use pid_core::sessions::{BeganBy, Session};
use pid_core::handle::{self, Handle};
use pid_core::users::User;
use pid_core::{PasskeyId, SessionId, Timestamp, UserId};

use crate::users::user_columns;
use crate::{ReadTx, Row, StoreError, WriteTx, params, statements, users};

/// The columns of a session in the order of [`session_at`].
macro_rules! columns {
    () => {
        "sessions.id, sessions.user_id, began_by, auth_time, interaction_id, sessions.created_at, expires_at"
    };
}

statements! {
    INSERT = "INSERT INTO sessions (id, token_hash, user_id, began_by, amr, auth_time, interaction_id, ip_address, user_agent, created_at, expires_at, last_seen_at) \
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $10)";
    LIVE_BY_COOKIE = concat!("SELECT ", columns!(), " FROM sessions \
        WHERE id = $1 AND token_hash = $2 AND ended_at IS NULL AND expires_at > $3 AND last_seen_at > $4");
    LIVE_WITH_PERSON = concat!("SELECT ", user_columns!(), ", ", columns!(), " FROM sessions JOIN users ON users.id = sessions.user_id \
        WHERE sessions.id = $1 AND token_hash = $2 AND ended_at IS NULL AND expires_at > $3 AND last_seen_at > $4");
    OF_DISABLED = "SELECT 1 FROM sessions JOIN users ON users.id = sessions.user_id \
        WHERE sessions.id = $1 AND sessions.token_hash = $2 AND sessions.expires_at > $3 AND users.disabled";
    SET_PASSKEY = "UPDATE sessions SET passkey_id = $2 WHERE id = $1";
    PASSKEY = "SELECT passkey_id FROM sessions WHERE id = $1";
    ROTATE = "UPDATE sessions SET token_hash = $2 WHERE id = $1 AND ended_at IS NULL";
    EXPIRE = "UPDATE sessions SET expires_at = $2 WHERE id = $1 AND expires_at > $2";
    CONTINUE = "UPDATE sessions SET token_hash = $2, began_by = $3, amr = $4, auth_time = $5, interaction_id = $6, ip_address = $7, user_agent = $8, passkey_id = NULL, \
        first_seen_at = coalesce(first_seen_at, created_at), created_at = $5, expires_at = $9, last_seen_at = $5 WHERE id = $1";
    SEEN = "UPDATE sessions SET last_seen_at = $3 WHERE id = $1 AND token_hash = $2 AND ended_at IS NULL AND expires_at > $3 \
        AND last_seen_at > $4 AND last_seen_at < $3";
    // Expired ones too, as long as an app lives on them.
    OPEN_OF_USER = "SELECT id, user_id, began_by, auth_time, interaction_id, created_at, expires_at, coalesce(first_seen_at, created_at), last_seen_at, \
        ip_address, user_agent FROM sessions WHERE user_id = $1 AND ended_at IS NULL AND (expires_at > $2 AND last_seen_at > $3 OR EXISTS \
        (SELECT 1 FROM grants WHERE grants.user_id = sessions.user_id AND grants.session_id = sessions.id AND grants.revoked_at IS NULL AND grants.expires_at > $2)) \
        ORDER BY last_seen_at DESC, id";
    BY_ID = "SELECT id, user_id, began_by, auth_time, interaction_id, created_at, expires_at FROM sessions WHERE id = $1";
    // What a session gives away can't be told apart from what its owner gave: both are counted.
    BEGUN_WITH = "SELECT id, user_id, began_by, auth_time, interaction_id, created_at, expires_at, coalesce(first_seen_at, created_at), last_seen_at, \
        ip_address, user_agent FROM sessions WHERE user_id = $3 \
        AND (id = $1 OR created_at >= $2 AND (began_by IN ('self_code', 'device', 'device_without_number') OR EXISTS (SELECT 1 FROM sessions AS one \
        WHERE one.id = $1 AND one.ip_address = sessions.ip_address AND one.user_agent = sessions.user_agent))) \
        AND (ended_at IS NULL OR EXISTS (SELECT 1 FROM grants \
        WHERE grants.user_id = sessions.user_id AND grants.session_id = sessions.id AND grants.revoked_at IS NULL)) \
        ORDER BY CASE WHEN id = $1 THEN 0 ELSE 1 END, created_at";
    PURGE = "DELETE FROM sessions WHERE expires_at < $1 AND NOT EXISTS \
        (SELECT 1 FROM grants WHERE grants.user_id = sessions.user_id AND grants.session_id = sessions.id AND grants.revoked_at IS NULL AND grants.expires_at >= $1)";
    INSERT_REAUTH = "INSERT INTO reauthentications (token_hash, session_id, user_id, authenticated_at, expires_at) VALUES ($1, $2, $3, $4, $5)";
    TAKE_REAUTH = "UPDATE reauthentications SET used_at = $4 \
        WHERE token_hash = $1 AND session_id = $2 AND user_id = $3 AND used_at IS NULL AND expires_at > $4 RETURNING authenticated_at";
    LATEST_REAUTH = "SELECT max(authenticated_at) FROM reauthentications WHERE session_id = $1 AND user_id = $2";
    PURGE_REAUTH = "DELETE FROM reauthentications WHERE expires_at < $1";
}

fn session(row: &Row) -> Result<Session, StoreError> {
    session_at(row, 0)
}

fn session_at(row: &Row, at: usize) -> Result<Session, StoreError> {
    let began_by: String = row.get(at + 2)?;
    Ok(Session {
        id: SessionId::new(row.get::<String>(at)?),
        user_id: UserId::new(row.get::<String>(at + 1)?),
        began_by: BeganBy::parse(&began_by).unwrap_or(BeganBy::SelfCode),
        auth_time: Timestamp::from_millis(row.get(at + 3)?),
        interaction_id: row.get(at + 4)?,
        created_at: Timestamp::from_millis(row.get(at + 5)?),
        expires_at: Timestamp::from_millis(row.get(at + 6)?),
    })
}

/// The Authentication Method References as a JSON list.
fn amr(session: &Session) -> String {
    session.began_by.amr().map_or_else(|| "[]".to_owned(), |method| format!("[\"{method}\"]"))
}

/// Stores a new session under the hash of its cookie's value.
pub fn insert(
    tx: &WriteTx<'_>,
    session: &Session,
    token_hash: &[u8; 32],
    ip_address: &str,
    user_agent: &str,
) -> Result<(), StoreError> {
    let amr = amr(session);
    tx.queue(
        &INSERT,
        params![
            session.id.as_str(),
            token_hash.to_vec(),
            session.user_id.as_str(),
            session.began_by.as_str(),
            amr,
            session.auth_time.millis(),
            session.interaction_id.clone(),
            ip_address,
            user_agent,
            session.created_at.millis(),
            session.expires_at.millis()
        ],
    )
}

/// Continues a session by a new sign-in of the same person: new cookie, new times, the same `sid`, which the clients
/// know.
pub fn continue_with(
    tx: &WriteTx<'_>,
    session: &Session,
    token_hash: &[u8; 32],
    ip_address: &str,
    user_agent: &str,
) -> Result<(), StoreError> {
    let amr = amr(session);
    tx.queue(
        &CONTINUE,
        params![
            session.id.as_str(),
            token_hash.to_vec(),
            session.began_by.as_str(),
            amr,
            session.auth_time.millis(),
            session.interaction_id.clone(),
            ip_address,
            user_agent,
            session.expires_at.millis()
        ],
    )
}

/// The session of a cookie if it has neither ended nor expired, and was seen after `idle_since`.
pub fn live_by_cookie(
    tx: &ReadTx<'_>,
    cookie: &str,
    now: Timestamp,
    idle_since: Timestamp,
) -> Result<Option<Session>, StoreError> {
    let Some(handle) = handle::read(cookie) else { return Ok(None) };
    let found = tx.query_opt(
        &LIVE_BY_COOKIE,
        params![handle.id, handle.hash.to_vec(), now.millis(), idle_since.millis()],
    )?;
    found.as_ref().map(session).transpose()
}

/// Says that the session of a cookie, and whose it is, will be asked for.
pub fn announce_live(tx: &ReadTx<'_>, cookie: &str, now: Timestamp, idle_since: Timestamp) -> Result<(), StoreError> {
    let Some(handle) = handle::read(cookie) else { return Ok(()) };
    tx.announce(&LIVE_WITH_PERSON, params![handle.id, handle.hash.to_vec(), now.millis(), idle_since.millis()])
}

/// The same, and whose it is.
pub fn live_with_person(
    tx: &ReadTx<'_>,
    cookie: &str,
    now: Timestamp,
    idle_since: Timestamp,
) -> Result<Option<(Session, User)>, StoreError> {
    let Some(handle) = handle::read(cookie) else { return Ok(None) };
    let found = tx.query_opt(
        &LIVE_WITH_PERSON,
        params![handle.id, handle.hash.to_vec(), now.millis(), idle_since.millis()],
    )?;
    found.map(|row| Ok((session_at(&row, users::COLUMNS)?, users::from_row(&row)?))).transpose()
}

/// Whether a cookie is of an unexpired session, ended or not, of somebody who is disabled.
pub fn is_of_disabled(tx: &ReadTx<'_>, cookie: &str, now: Timestamp) -> Result<bool, StoreError> {
    let Some(handle) = handle::read(cookie) else { return Ok(false) };
    Ok(tx.query_opt(&OF_DISABLED, params![handle.id, handle.hash.to_vec(), now.millis()])?.is_some())
}

/// Puts a live session under the hash of a new cookie; the old cookie is worth nothing from now on.
pub fn rotate(tx: &WriteTx<'_>, id: &SessionId, token_hash: &[u8; 32]) -> Result<(), StoreError> {
    tx.execute(&ROTATE, params![id.as_str(), token_hash.to_vec()])?;
    Ok(())
}

/// Notes by which passkey a session began.
pub fn set_passkey(tx: &WriteTx<'_>, id: &SessionId, passkey: &PasskeyId) -> Result<(), StoreError> {
    tx.queue(&SET_PASSKEY, params![id.as_str(), passkey.as_str()])
}

/// By which passkey a session began, if by one.
pub fn passkey(tx: &ReadTx<'_>, id: &SessionId) -> Result<Option<PasskeyId>, StoreError> {
    let found = tx.query_opt(&PASSKEY, params![id.as_str()])?.map(|row| row.get::<Option<String>>(0)).transpose()?;
    Ok(found.flatten().map(PasskeyId::new))
}

/// Ends a session's cookie, and that alone.
pub fn expire(tx: &WriteTx<'_>, id: &SessionId, now: Timestamp) -> Result<(), StoreError> {
    tx.execute(&EXPIRE, params![id.as_str(), now.millis()])?;
    Ok(())
}

/// A session by `sid`, ended or expired ones included.
pub fn by_id(tx: &ReadTx<'_>, id: &SessionId) -> Result<Option<Session>, StoreError> {
    tx.query_opt(&BY_ID, params![id.as_str()])?.as_ref().map(session).transpose()
}

/// Notes that a session was used. One that was idle for too long stays so.
pub fn seen(tx: &WriteTx<'_>, cookie: &Handle, at: Timestamp, idle_since: Timestamp) -> Result<(), StoreError> {
    let (at, idle_since) = (at.millis(), idle_since.millis());
    tx.execute(&SEEN, params![cookie.id.as_str(), cookie.hash.to_vec(), at, idle_since])?;
    Ok(())
}

/// A session as its owner sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenSession {
    /// The session.
    pub session: Session,
    /// When this browser first signed in.
    pub first_seen_at: Timestamp,
    /// When it was last used, to the minute.
    pub last_seen_at: Timestamp,
    /// Where the latest sign-in came from.
    pub ip_address: String,
    /// What it said of itself.
    pub user_agent: String,
}

/// A person's sessions that have not ended, the latest used first.
pub fn open_of_user(
    tx: &ReadTx<'_>,
    user: &UserId,
    now: Timestamp,
    idle_since: Timestamp,
) -> Result<Vec<OpenSession>, StoreError> {
    let rows = tx.query(&OPEN_OF_USER, params![user.as_str(), now.millis(), idle_since.millis()])?;
    rows.iter().map(open).collect()
}

fn open(row: &Row) -> Result<OpenSession, StoreError> {
    Ok(OpenSession {
        session: session(row)?,
        first_seen_at: Timestamp::from_millis(row.get(7)?),
        last_seen_at: Timestamp::from_millis(row.get(8)?),
        ip_address: row.get(9)?,
        user_agent: row.get(10)?,
    })
}

/// A session, and those of the same person that began at a moment or later and came from the same device, or by what a
/// session gives away: a code of one's own, the approval of another device. Those alone of which something is left: the
/// session itself, or grants that outlived it.
pub fn begun_with(tx: &ReadTx<'_>, id: &SessionId, since: Timestamp) -> Result<Vec<OpenSession>, StoreError> {
    let Some(Session { user_id, .. }) = by_id(tx, id)? else { return Ok(Vec::new()) };
    tx.query(&BEGUN_WITH, params![id.as_str(), since.millis(), user_id.as_str()])?.iter().map(open).collect()
}

/// Stores a proof of a fresh passkey ceremony under the hash of its cookie's value.
pub fn insert_reauthentication(
    tx: &WriteTx<'_>,
    token_hash: &[u8; 32],
    session: &Session,
    authenticated_at: Timestamp,
    expires_at: Timestamp,
) -> Result<(), StoreError> {
    tx.execute(
        &INSERT_REAUTH,
        params![
            token_hash.to_vec(),
            session.id.as_str(),
            session.user_id.as_str(),
            authenticated_at.millis(),
            expires_at.millis()
        ],
    )?;
    Ok(())
}

/// Takes a proof: it works once, for its own session and person. Gives the moment of the ceremony.
pub fn take_reauthentication(
    tx: &WriteTx<'_>,
    token_hash: &[u8; 32],
    session: &Session,
    now: Timestamp,
) -> Result<Option<Timestamp>, StoreError> {
    let taken = tx.query_returning(
        &TAKE_REAUTH,
        params![token_hash.to_vec(), session.id.as_str(), session.user_id.as_str(), now.millis()],
    )?;
    taken.first().map(|r| Ok(Timestamp::from_millis(r.get(0)?))).transpose()
}

/// When this session's person last re-authenticated, if ever.
pub fn latest_reauthentication(tx: &ReadTx<'_>, session: &Session) -> Result<Option<Timestamp>, StoreError> {
    let row = tx.query_one(&LATEST_REAUTH, params![session.id.as_str(), session.user_id.as_str()])?;
    Ok(row.get::<Option<i64>>(0)?.map(Timestamp::from_millis))
}

/// Removes sessions that expired before a moment and that no live grant refers to, and old proofs.
pub fn purge(tx: &WriteTx<'_>, before: Timestamp) -> Result<u64, StoreError> {
    let sessions = tx.execute(&PURGE, params![before.millis()])?;
    Ok(sessions + tx.execute(&PURGE_REAUTH, params![before.millis()])?)
}
