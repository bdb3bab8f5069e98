//! Browser sessions: beginning, renewing, showing and removing them.

use pid_core::places::Place;
use pid_core::secret::{Secret, sha256};
use pid_core::sessions::{BeganBy, Session};
use pid_core::users::User;
use pid_core::{Ctx, Entropy, SessionId, UserId, handle};
use pid_store::sessions::OpenSession;
use pid_store::{ReadTx, WriteTx, sessions, users};

use crate::access::{SignedIn, idle_since};
use crate::roles::{ManagedUser, ReadsPeople};
use crate::{Code, Error, sign_out};

/// A new session and the value of its cookie, which is nowhere else.
#[derive(Clone, Debug)]
pub struct NewSession {
    /// The session.
    pub session: Session,
    /// The cookie's value.
    pub cookie: Secret,
    /// The cookie's lifetime, seconds.
    pub max_age_secs: i64,
}

/// Begins a session. Always a new cookie (security case 61). When the same person signs in again in the same browser,
/// their session goes on under its `sid`: the clients know it, and one sign-out must reach them all. Another person's
/// session is over in this browser; it stays in their list as long as an app lives on it.
pub fn begin(
    tx: &WriteTx<'_>,
    ctx: &Ctx,
    entropy: &Entropy,
    user: &User,
    began_by: BeganBy,
    interaction_id: Option<String>,
    previous: Option<&Secret>,
    session_minutes: i64,
) -> Result<NewSession, Error> {
    let old = match previous {
        Some(cookie) => sessions::live_by_cookie(tx, cookie.expose(), ctx.now, idle_since(0, ctx.now))?,
        None => None,
    };
    let previous = match old {
        Some(other) if other.user_id != user.id => {
            sessions::expire(tx, &other.id, ctx.now)?;
            None
        }
        own => own,
    };
    let id = previous.as_ref().map_or_else(|| SessionId::generate_at(entropy, ctx.now), |old| old.id.clone());
    let cookie = handle::make(id.as_str(), 0, &entropy.bytes());
    let hash = sha256(cookie.as_bytes());
    let session = Session {
        id,
        user_id: user.id.clone(),
        began_by,
        auth_time: ctx.now,
        interaction_id,
        created_at: ctx.now,
        expires_at: ctx.now.plus_minutes(session_minutes),
    };
    if previous.is_some() {
        sessions::continue_with(tx, &session, &hash, &ctx.ip_address, &ctx.user_agent)?;
    } else {
        sessions::insert(tx, &session, &hash, &ctx.ip_address, &ctx.user_agent)?;
    }
    Ok(NewSession { session, cookie: Secret::new(cookie), max_age_secs: session_minutes * 60 })
}

/// Gives a session a new cookie: after a step-up, what was known of the old one is worth nothing (security case 61).
pub fn renew(tx: &WriteTx<'_>, ctx: &Ctx, entropy: &Entropy, session: &Session) -> Result<NewSession, Error> {
    let cookie = handle::make(session.id.as_str(), 0, &entropy.bytes());
    sessions::rotate(tx, &session.id, &sha256(cookie.as_bytes()))?;
    let max_age_secs = session.expires_at.secs_since(ctx.now).max(1);
    Ok(NewSession { session: session.clone(), cookie: Secret::new(cookie), max_age_secs })
}

/// A session as its owner or an administrator sees it.
#[derive(Clone, Debug)]
pub struct Shown {
    /// The session.
    pub open: OpenSession,
    /// Where it came from, in words.
    pub place: Place,
    /// Whether it is the one that asks.
    pub is_current: bool,
    /// Whether its cookie still signs in. If not, apps live on it.
    pub is_active: bool,
}

fn list(
    tx: &ReadTx<'_>,
    ctx: &Ctx,
    idle_minutes: i64,
    user: &UserId,
    current: Option<&SessionId>,
) -> Result<Vec<Shown>, Error> {
    let now = ctx.now;
    let since = idle_since(idle_minutes, now);
    let open = sessions::open_of_user(tx, user, now, since)?;
    Ok(open
        .into_iter()
        .map(|open| Shown {
            place: ctx.places.of(&open.ip_address),
            is_current: current == Some(&open.session.id),
            is_active: open.session.expires_at > now && open.last_seen_at > since,
            open,
        })
        .collect())
}

/// One's own sessions, the latest used first.
pub fn list_own(tx: &ReadTx<'_>, ctx: &Ctx, idle_minutes: i64, who: &SignedIn) -> Result<Vec<Shown>, Error> {
    list(tx, ctx, idle_minutes, &who.user().id, who.session().map(|s| &s.id))
}

/// A person's sessions.
pub fn list_of(
    tx: &ReadTx<'_>,
    ctx: &Ctx,
    idle_minutes: i64,
    _: &ReadsPeople,
    user: &UserId,
) -> Result<Vec<Shown>, Error> {
    find_user(tx, user)?;
    list(tx, ctx, idle_minutes, user, None)
}

fn find_user(tx: &ReadTx<'_>, id: &UserId) -> Result<User, Error> {
    users::by_id(tx, id)?.ok_or_else(|| Error::new(Code::UserNotFound))
}

fn remove(tx: &WriteTx<'_>, ctx: &Ctx, user: &UserId, id: &SessionId, actor: Option<&UserId>) -> Result<(), Error> {
    let mine = sessions::by_id(tx, id)?.is_some_and(|s| s.user_id == *user);
    if mine && sign_out::session(tx, ctx, id, user, actor, None)? { Ok(()) } else { Err(Error::not_found("Session")) }
}

/// Removes one of one's own sessions. Tells whether it was the one that asked.
pub fn remove_own(tx: &WriteTx<'_>, ctx: &Ctx, who: &SignedIn, id: &SessionId) -> Result<bool, Error> {
    remove(tx, ctx, &who.user().id, id, None)?;
    Ok(who.session().is_some_and(|s| s.id == *id))
}

/// Removes all of one's own sessions but the one that asks.
pub fn remove_others(tx: &WriteTx<'_>, ctx: &Ctx, who: &SignedIn) -> Result<(), Error> {
    sign_out::everywhere(tx, ctx, &who.user().id, who.session().map(|s| &s.id), None)
}

/// Removes a session of a person.
pub fn remove_of(tx: &WriteTx<'_>, ctx: &Ctx, target: &ManagedUser<'_>, id: &SessionId) -> Result<(), Error> {
    remove(tx, ctx, &target.user().id, id, Some(&target.by().id))
}

/// Removes all sessions of a person.
pub fn remove_all_of(tx: &WriteTx<'_>, ctx: &Ctx, target: &ManagedUser<'_>) -> Result<(), Error> {
    sign_out::everywhere(tx, ctx, &target.user().id, None, Some(&target.by().id))
}
