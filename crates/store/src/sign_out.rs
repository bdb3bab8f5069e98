//! The end of access: which clients are told, which grants are revoked, who lost access through a group.

use pid_core::{ClientId, SessionId, Timestamp, UserId};

use crate::grants::RevokedBy;
use crate::{ReadTx, Row, StoreError, Value, WriteTx, device_logins, login_codes, params, statements};

/// A client that was told of a session's end, or that has forgotten the session, is not told again. One whose grant was
/// killed for reuse, or that gave its tokens back, still has its own session.
macro_rules! tell {
    ($whose:literal) => {
        concat!(
            "SELECT DISTINCT grants.client_id, grants.session_id, grants.user_id, clients.backchannel_logout_url, clients.signing_alg \
             FROM grants JOIN clients ON clients.id = grants.client_id WHERE ",
            $whose,
            " AND clients.backchannel_logout_url IS NOT NULL \
             AND (grants.revoked_at IS NULL OR grants.revoked_by IN ('code_reuse', 'refresh_reuse', 'client')) \
             AND NOT EXISTS (SELECT 1 FROM sessions WHERE sessions.id = grants.session_id AND sessions.ended_at IS NOT NULL)"
        )
    };
}

macro_rules! lost {
    ($whose:literal) => {
        concat!(
            "SELECT DISTINCT grants.user_id, grants.client_id FROM grants JOIN clients ON clients.id = grants.client_id WHERE ",
            $whose,
            " AND grants.revoked_at IS NULL AND clients.is_group_restricted AND NOT EXISTS (SELECT 1 FROM client_groups \
             JOIN user_group_members ON user_group_members.group_id = client_groups.group_id \
             WHERE client_groups.client_id = grants.client_id AND user_group_members.user_id = grants.user_id)"
        )
    };
}

statements! {
    TELL_SESSION = tell!("grants.user_id = (SELECT user_id FROM sessions WHERE id = $1) AND grants.session_id = $1");
    TELL_USER = tell!("grants.user_id = $1 AND grants.session_id <> $2");
    TELL_CLIENT = tell!("grants.client_id = $1");
    TELL_USER_AT_CLIENT = tell!("grants.user_id = $1 AND grants.client_id = $2");

    // A grant whose code was not redeemed yet is worth no more than the session, whatever its scopes.
    REVOKE_SESSION_BUT_OFFLINE = "UPDATE grants SET revoked_at = $2, revoked_by = $3 \
        WHERE user_id = (SELECT user_id FROM sessions WHERE id = $1) AND session_id = $1 AND revoked_at IS NULL \
        AND NOT (' ' || scopes || ' ' LIKE '% offline_access %' \
        AND EXISTS (SELECT 1 FROM refresh_tokens WHERE refresh_tokens.grant_id = grants.id))";
    REVOKE_SESSION = "UPDATE grants SET revoked_at = $2, revoked_by = $3 \
        WHERE user_id = (SELECT user_id FROM sessions WHERE id = $1) AND session_id = $1 AND revoked_at IS NULL";
    REVOKE_USER = "UPDATE grants SET revoked_at = $2, revoked_by = $3 WHERE user_id = $1 AND session_id <> $4 AND revoked_at IS NULL";
    REVOKE_CLIENT = "UPDATE grants SET revoked_at = $2, revoked_by = $3 WHERE client_id = $1 AND revoked_at IS NULL";
    REVOKE_USER_AT_CLIENT = "UPDATE grants SET revoked_at = $2, revoked_by = $3 WHERE user_id = $1 AND client_id = $4 AND revoked_at IS NULL";

    END_SESSION = "UPDATE sessions SET ended_at = $2 WHERE id = $1 AND ended_at IS NULL";
    END_USER = "UPDATE sessions SET ended_at = $2 WHERE user_id = $1 AND id <> $3 AND ended_at IS NULL";
    DROP_PROOFS_OF_SESSION = "DELETE FROM reauthentications WHERE session_id = $1";
    DROP_PROOFS_OF_USER = "DELETE FROM reauthentications WHERE user_id = $1 AND session_id <> $2";
    DROP_CODES_OF_SESSION = "DELETE FROM login_codes WHERE session_id = $1 AND used_at IS NULL";
    DROP_CODES_OF_USER = "DELETE FROM login_codes WHERE user_id = $1 AND used_at IS NULL AND coalesce(session_id, '') <> $2";
    DROP_INTERACTIONS_OF_USER = "DELETE FROM interactions WHERE user_id = $1";

    LOST_BY_USER = lost!("grants.user_id = $1");
    LOST_AT_CLIENT = lost!("grants.client_id = $1");
}

/// A client that must be told that a session has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToTell {
    /// The client.
    pub client_id: ClientId,
    /// `sid` as the client knows it.
    pub session_id: SessionId,
    /// `sub`.
    pub user_id: UserId,
    /// Where it wants to be told.
    pub url: String,
    /// The algorithm of its tokens; `None`: the default.
    pub signing_alg: Option<String>,
}

fn to_tell(row: &Row) -> Result<ToTell, StoreError> {
    Ok(ToTell {
        client_id: ClientId::new(row.get::<String>(0)?),
        session_id: SessionId::new(row.get::<String>(1)?),
        user_id: UserId::new(row.get::<String>(2)?),
        url: row.get(3)?,
        signing_alg: row.get(4)?,
    })
}

/// Whose access ends.
#[derive(Clone, Copy, Debug)]
pub enum Whose<'a> {
    /// One session.
    Session(&'a SessionId),
    /// All sessions of a person, but perhaps one.
    User(&'a UserId, Option<&'a SessionId>),
    /// Everybody's at one client.
    Client(&'a ClientId),
    /// One person's at one client; their sessions with us stay.
    UserAtClient(&'a UserId, &'a ClientId),
}

/// The id of the session that is kept, or text that is no session's.
fn text(kept: Option<&SessionId>) -> &str {
    kept.map_or("-", SessionId::as_str)
}

/// The clients to be told. Asked before the end, which they are found by.
pub fn clients_to_tell(tx: &ReadTx<'_>, whose: Whose<'_>) -> Result<Vec<ToTell>, StoreError> {
    let rows = match whose {
        Whose::Session(id) => tx.query(&TELL_SESSION, params![id.as_str()])?,
        Whose::User(id, kept) => tx.query(&TELL_USER, params![id.as_str(), text(kept)])?,
        Whose::Client(id) => tx.query(&TELL_CLIENT, params![id.as_str()])?,
        Whose::UserAtClient(user, client) => {
            tx.query(&TELL_USER_AT_CLIENT, params![user.as_str(), client.as_str()])?
        }
    };
    rows.iter().map(to_tell).collect()
}

/// Revokes grants with their codes and tokens. With `keep_offline`, those of one session that were granted
/// `offline_access` stay.
pub fn revoke(
    tx: &WriteTx<'_>,
    whose: Whose<'_>,
    by: RevokedBy,
    keep_offline: bool,
    now: Timestamp,
) -> Result<u64, StoreError> {
    let [at, by] = [Value::from(now.millis()), Value::from(by.as_str())];
    match whose {
        Whose::Session(id) => {
            let statement = if keep_offline { &REVOKE_SESSION_BUT_OFFLINE } else { &REVOKE_SESSION };
            tx.execute(statement, &[id.as_str().into(), at, by])
        }
        Whose::User(id, kept) => tx.execute(&REVOKE_USER, &[id.as_str().into(), at, by, text(kept).into()]),
        Whose::Client(id) => tx.execute(&REVOKE_CLIENT, &[id.as_str().into(), at, by]),
        Whose::UserAtClient(user, client) => {
            tx.execute(&REVOKE_USER_AT_CLIENT, &[user.as_str().into(), at, by, client.as_str().into()])
        }
    }
}

/// Ends a session with its proofs, the login codes made from it and the browsers about to be let in from it. Tells
/// whether it was live.
pub fn end_session(tx: &WriteTx<'_>, id: &SessionId, now: Timestamp) -> Result<bool, StoreError> {
    tx.execute(&DROP_PROOFS_OF_SESSION, params![id.as_str()])?;
    tx.execute(&DROP_CODES_OF_SESSION, params![id.as_str()])?;
    device_logins::deny_of_session(tx, id)?;
    Ok(tx.execute(&END_SESSION, params![id.as_str(), now.millis()])? == 1)
}

/// Ends all sessions of a person, but perhaps one, with proofs, the unused login codes that they made, the browsers about
/// to be let in by them and, if none is kept, interactions. With `all_codes` those go too that others made for them. Gives the number of sessions.
pub fn end_sessions_of(
    tx: &WriteTx<'_>,
    user: &UserId,
    kept: Option<&SessionId>,
    all_codes: bool,
    now: Timestamp,
) -> Result<u64, StoreError> {
    tx.execute(&DROP_PROOFS_OF_USER, params![user.as_str(), text(kept)])?;
    if all_codes {
        tx.execute(&DROP_CODES_OF_USER, params![user.as_str(), text(kept)])?;
    } else {
        login_codes::drop_self_made(tx, user)?;
    }
    device_logins::deny_of_user(tx, user)?;
    if kept.is_none() {
        tx.execute(&DROP_INTERACTIONS_OF_USER, params![user.as_str()])?;
    }
    tx.execute(&END_USER, params![user.as_str(), now.millis(), text(kept)])
}

/// Where somebody has grants though no group of theirs lets them in any more: one person's, or those at one client.
pub fn lost_access(
    tx: &ReadTx<'_>,
    user: Option<&UserId>,
    client: Option<&ClientId>,
) -> Result<Vec<(UserId, ClientId)>, StoreError> {
    let mut rows = Vec::new();
    if let Some(user) = user {
        rows.extend(tx.query(&LOST_BY_USER, params![user.as_str()])?);
    }
    if let Some(client) = client {
        rows.extend(tx.query(&LOST_AT_CLIENT, params![client.as_str()])?);
    }
    rows.iter().map(|r| Ok((UserId::new(r.get::<String>(0)?), ClientId::new(r.get::<String>(1)?)))).collect()
}
