//! Who may do what.
//!
//! Permission is a value: [`SignedIn`], [`SessionUser`], [`Admin`] and [`MayEnrol`] can only be made here,
//! inside the transaction that uses them, so a rule that asks for one cannot be called without the check.

use pid_core::api_keys::{Purpose, Scope};
use pid_core::ids::STATIC_API_USER;
use pid_core::secret::{Secret, equal, sha256};
use pid_core::sessions::{BeganBy, Session};
use pid_core::users::User;
use pid_core::{Timestamp, UserId};
use pid_store::{ReadTx, api_keys, sessions, signup_approvals, users};

use crate::{Code, Error, Saying, signup};

/// What a request brought to prove who it is, unchecked.
#[derive(Clone, Debug, Default)]
pub struct Credentials {
    /// The session cookie's value; or, if and only if there is no such cookie, the part of
    /// `Authorization` after the scheme (api.md §6.1).
    pub session: Option<Secret>,
    /// `X-API-Key`.
    pub api_key: Option<Secret>,
    /// SHA-256 of the configured static API key.
    pub static_api_key: Option<[u8; 32]>,
    /// What the request wants to do: an API key's scopes must allow it.
    pub purpose: Purpose,
    /// Minutes after which an unused session counts no more; 0: never.
    pub idle_minutes: i64,
}

/// Since when a session must have been used. Its last use is known to the minute, so there is a minute of grace.
pub fn idle_since(idle_minutes: i64, now: Timestamp) -> Timestamp {
    if idle_minutes > 0 { now.plus_minutes(-idle_minutes - 1) } else { Timestamp::from_millis(i64::MIN) }
}

/// A signed-in person, by session or API key (class USER).
#[derive(Clone, Debug)]
pub struct SignedIn {
    user: User,
    session: Option<Session>,
}

/// A person signed in by a browser session (class USER-S).
#[derive(Clone, Debug)]
pub struct SessionUser {
    user: User,
    session: Session,
}

/// An administrator, by session or API key (class ADMIN).
#[derive(Clone, Debug)]
pub struct Admin {
    user: User,
}

/// A person who may add, rename or delete their passkeys now (security case 58).
#[derive(Clone, Debug)]
pub struct MayEnrol(SessionUser);

impl SignedIn {
    /// The person.
    pub fn user(&self) -> &User {
        &self.user
    }
    /// The session, unless an API key was used.
    pub fn session(&self) -> Option<&Session> {
        self.session.as_ref()
    }
}

impl SessionUser {
    /// The person.
    pub fn user(&self) -> &User {
        &self.user
    }
    /// The session.
    pub fn session(&self) -> &Session {
        &self.session
    }
}

impl Admin {
    /// Whoever runs this instance, by a file, as [`ManagesPeople::operator`](crate::roles::ManagesPeople::operator).
    pub(crate) fn operator(user: User) -> Self {
        Self { user }
    }

    /// The administrator.
    pub fn user(&self) -> &User {
        &self.user
    }
}

impl MayEnrol {
    /// The person and their session.
    pub fn who(&self) -> &SessionUser {
        &self.0
    }
}

/// A passkey proof counts for this long for changes to one's passkeys, seconds.
pub const ENROL_PROOF_SECS: i64 = 5 * 60;
/// A young session counts for this long, seconds.
pub const ENROL_SESSION_SECS: i64 = 15 * 60;

impl Credentials {
    /// Checks for a signed-in person by the order of api.md §6.3. A limited session is refused as such.
    pub fn signed_in(&self, tx: &ReadTx<'_>, now: Timestamp) -> Result<SignedIn, Error> {
        let who = self.signed_in_or_limited(tx, now)?;
        who.session.as_ref().map_or(Ok(()), unlimited)?;
        Ok(who)
    }

    /// As [`Credentials::signed_in`], for the few things that a limited session may do as well.
    pub fn signed_in_or_limited(&self, tx: &ReadTx<'_>, now: Timestamp) -> Result<SignedIn, Error> {
        if let Some((session, user)) = self.live_session(tx, now)? {
            return Ok(SignedIn { user: enabled(tx, user)?, session: Some(session) });
        }
        self.not_disabled(tx, now)?;
        let (user, scopes) = self.api_key_user(tx, now)?.ok_or_else(|| Error::new(Code::NotSignedIn))?;
        let user = enabled(tx, user)?;
        if !self.purpose.is_within(&scopes) {
            return Err(Error::new(Code::ApiKeyScopeInsufficient));
        }
        Ok(SignedIn { user, session: None })
    }

    /// Checks for a person with a browser session; an API key and a limited session are refused as such.
    pub fn session_user(&self, tx: &ReadTx<'_>, now: Timestamp) -> Result<SessionUser, Error> {
        let who = self.session_user_or_limited(tx, now)?;
        unlimited(&who.session)?;
        Ok(who)
    }

    /// As [`Credentials::session_user`], for the few things that a limited session may do as well.
    pub fn session_user_or_limited(&self, tx: &ReadTx<'_>, now: Timestamp) -> Result<SessionUser, Error> {
        if let Some((session, user)) = self.live_session(tx, now)? {
            return Ok(SessionUser { user: enabled(tx, user)?, session });
        }
        self.not_disabled(tx, now)?;
        Err(Error::new(if self.api_key.is_some() { Code::ApiKeyAuthNotAllowed } else { Code::NotSignedIn }))
    }

    /// Checks for an administrator.
    pub fn admin(&self, tx: &ReadTx<'_>, now: Timestamp) -> Result<Admin, Error> {
        let who = self.signed_in(tx, now)?;
        if who.user.is_admin { Ok(Admin { user: who.user }) } else { Err(Error::new(Code::Forbidden)) }
    }

    /// The session if there is a live one of an enabled person, perhaps a limited one; nobody otherwise. For routes on
    /// which signing in is optional.
    pub fn optional_session(&self, tx: &ReadTx<'_>, now: Timestamp) -> Result<Option<SessionUser>, Error> {
        Ok(self
            .live_session(tx, now)?
            .filter(|(_, user)| !user.disabled)
            .map(|(session, user)| SessionUser { user, session }))
    }

    /// Who has just signed up in this browser and waits for approval, or for the proof of their address. Their session is good for their
    /// passkeys alone; it is like any other as soon as they are enabled.
    pub fn newcomer(&self, tx: &ReadTx<'_>, now: Timestamp) -> Result<Option<SessionUser>, Error> {
        match self.live_session(tx, now)? {
            Some((session, user)) if user.disabled && signup_approvals::of(tx, &user.id)?.any() => {
                Ok(Some(SessionUser { user, session }))
            }
            _ => Ok(None),
        }
    }

    /// Checks that this person may change their passkeys: a passkey proof of at most five minutes, or a
    /// session of at most fifteen that began by set-up, sign-up, approved device or a code made by an
    /// admin, the command line or mail. Never an API key (security case 58).
    pub fn may_enrol(&self, tx: &ReadTx<'_>, now: Timestamp) -> Result<MayEnrol, Error> {
        let who = match self.newcomer(tx, now)? {
            Some(newcomer) => newcomer,
            None => self.session_user(tx, now)?,
        };
        let s = &who.session;
        let fresh_proof = has_fresh_proof(tx, s, now)?;
        let young = s.began_by.may_enrol() && now.secs_since(s.created_at) <= ENROL_SESSION_SECS;
        if fresh_proof || young {
            Ok(MayEnrol(who))
        } else if s.began_by.may_enrol() {
            Err(Error::say(Saying::SignInTooOld, &[]))
        } else {
            Err(Error::new(Code::ReauthenticationRequired))
        }
    }

    /// Disabling ends all sessions; whoever still holds the cookie of one is told why (api.md §10.4).
    fn not_disabled(&self, tx: &ReadTx<'_>, now: Timestamp) -> Result<(), Error> {
        let Some(cookie) = &self.session else { return Ok(()) };
        let disabled = sessions::is_of_disabled(tx, cookie.expose(), now)?;
        if disabled { Err(Error::new(Code::UserDisabled)) } else { Ok(()) }
    }

    /// Says that it will be asked whose session this is.
    pub(crate) fn announce(&self, tx: &ReadTx<'_>, now: Timestamp) -> Result<(), Error> {
        let Some(cookie) = &self.session else { return Ok(()) };
        Ok(sessions::announce_live(tx, cookie.expose(), now, idle_since(self.idle_minutes, now))?)
    }

    fn live_session(&self, tx: &ReadTx<'_>, now: Timestamp) -> Result<Option<(Session, User)>, Error> {
        let Some(cookie) = &self.session else { return Ok(None) };
        let idle_since = idle_since(self.idle_minutes, now);
        Ok(sessions::live_with_person(tx, cookie.expose(), now, idle_since)?)
    }

    /// The owner of the API key and its scopes. The static key has none: no limits.
    fn api_key_user(&self, tx: &ReadTx<'_>, now: Timestamp) -> Result<Option<(User, Vec<Scope>)>, Error> {
        let Some(key) = &self.api_key else { return Ok(None) };
        let hash = sha256(key.expose().as_bytes());
        if self.static_api_key.as_ref().is_some_and(|configured| equal(&hash, configured)) {
            return Ok(users::by_id(tx, &UserId::new(STATIC_API_USER))?.map(|user| (user, Vec::new())));
        }
        // Found by its hash: how long the look-up takes says nothing about a key (security case 104).
        let Some(found) = api_keys::by_hash(tx, &hash)?.filter(|k| k.expires_at > now) else { return Ok(None) };
        Ok(users::by_id(tx, &found.user_id)?.map(|user| (user, found.scopes)))
    }
}

/// Whether the session's person used a passkey at most five minutes ago, in it or to begin it.
pub(crate) fn has_fresh_proof(tx: &ReadTx<'_>, session: &Session, now: Timestamp) -> Result<bool, Error> {
    let began = (session.began_by == BeganBy::Passkey).then_some(session.auth_time);
    let latest = began.max(sessions::latest_reauthentication(tx, session)?);
    Ok(latest.is_some_and(|t| now.secs_since(t) <= ENROL_PROOF_SECS))
}

/// A session from a self-made code signs in to apps and does nothing else.
fn unlimited(session: &Session) -> Result<(), Error> {
    if session.is_limited() { Err(Error::new(Code::LimitedSession)) } else { Ok(()) }
}

fn enabled(tx: &ReadTx<'_>, user: User) -> Result<User, Error> {
    if user.disabled { Err(signup::refusal(tx, &user.id)?) } else { Ok(user) }
}
