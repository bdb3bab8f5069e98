//! Beginning and ending browser sessions.

use pid_core::secret::{Secret, sha256};
use pid_core::sessions::{BeganBy, Session};
use pid_core::users::User;
use pid_core::{Ctx, Entropy, SessionId, handle};
use pid_store::{WriteTx, sessions};

use crate::Error;

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

/// Begins a session. Always a new id and a new cookie (security case 61); the session that the browser had
/// before, if any, is ended.
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
    if let Some(previous) = previous
        && let Some(old) = sessions::live_by_cookie(tx, previous.expose(), ctx.now)?
    {
        // The new session takes over the browser. Grants of the old one stay, they know it by id.
        sessions::end(tx, &old.id, ctx.now)?;
    }
    let id = SessionId::generate_at(entropy, ctx.now);
    let cookie = handle::make(id.as_str(), 0, &entropy.bytes());
    let session = Session {
        id,
        user_id: user.id.clone(),
        began_by,
        auth_time: ctx.now,
        interaction_id,
        created_at: ctx.now,
        expires_at: ctx.now.plus_minutes(session_minutes),
    };
    sessions::insert(tx, &session, &sha256(cookie.as_bytes()), &ctx.ip_address, &ctx.user_agent)?;
    Ok(NewSession { session, cookie: Secret::new(cookie), max_age_secs: session_minutes * 60 })
}

/// Gives a session a new cookie: after a step-up, what was known of the old one is worth nothing (security case 61).
pub fn renew(tx: &WriteTx<'_>, ctx: &Ctx, entropy: &Entropy, session: &Session) -> Result<NewSession, Error> {
    let cookie = handle::make(session.id.as_str(), 0, &entropy.bytes());
    sessions::rotate(tx, &session.id, &sha256(cookie.as_bytes()))?;
    let max_age_secs = session.expires_at.secs_since(ctx.now).max(1);
    Ok(NewSession { session: session.clone(), cookie: Secret::new(cookie), max_age_secs })
}
