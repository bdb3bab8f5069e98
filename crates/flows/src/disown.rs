//! "This wasn't me": the link in a letter about a sign-in, which ends what began with it. It works without being signed in,
//! for whoever reads the letter; opening it changes nothing, since programs open links in mails too.
//!
//! The link carries the session, an end and a MAC: nothing is stored for letters that nobody answers. Used again it ends
//! what is left.

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use pid_core::audit::Event;
use pid_core::secret::Secret;
use pid_core::{Ctx, SessionId, Timestamp};
use pid_store::passkeys::{self, Passkey};
use pid_store::sessions::{self, OpenSession};
use pid_store::{ReadTx, WriteTx};

use crate::env::Env;
use crate::{Error, Saying, audit, sign_out};

/// How long a link works, seconds.
const LIFE_SECS: i64 = 7 * 24 * 3600;

/// What the link of a session carries.
pub fn token(env: &Env, session: &SessionId, signed_in_at: Timestamp) -> Secret {
    let end = signed_in_at.secs() + LIFE_SECS;
    let mac = URL_SAFE_NO_PAD.encode(hmac::sign(&key(env), signed(session.as_str(), end).as_bytes()));
    Secret::new(format!("{session}.{end}.{mac}"))
}

fn key(env: &Env) -> hmac::Key {
    hmac::Key::new(hmac::HMAC_SHA256, &env.disown_key)
}

fn signed(session: &str, end: i64) -> String {
    format!("disown {session} {end}")
}

fn over() -> Error {
    Error::say(Saying::BadLink, &[])
}

/// The session that a link is about, and when it began.
fn read(env: &Env, token: &str, now: Timestamp) -> Result<(SessionId, Timestamp), Error> {
    let mut parts = token.splitn(3, '.');
    let (Some(session), Some(end), Some(mac)) = (parts.next(), parts.next(), parts.next()) else { return Err(over()) };
    let (Ok(end), Ok(mac)) = (end.parse::<i64>(), URL_SAFE_NO_PAD.decode(mac)) else { return Err(over()) };
    hmac::verify(&key(env), signed(session, end).as_bytes(), &mac).map_err(|_| over())?;
    if now.secs() >= end {
        return Err(over());
    }
    Ok((SessionId::new(session), Timestamp::from_secs(end - LIFE_SECS)))
}

/// What a link is about.
#[derive(Clone, Debug)]
pub struct SignIn {
    /// The sign-in; `None` if nothing of it is left.
    pub open: Option<OpenSession>,
    /// Passkeys that were added to the account since.
    pub passkeys: Vec<Passkey>,
}

/// The sign-in that a link is about.
pub fn look(tx: &ReadTx<'_>, ctx: &Ctx, env: &Env, token: &str) -> Result<SignIn, Error> {
    let (id, since) = read(env, token, ctx.now)?;
    let mut passkeys = match sessions::by_id(tx, &id)? {
        Some(session) => passkeys::by_user(tx, &session.user_id)?,
        None => Vec::new(),
    };
    passkeys.retain(|passkey| passkey.created_at >= since);
    Ok(SignIn { open: sessions::begun_with(tx, &id, since)?.into_iter().next(), passkeys })
}

/// Ends what began with a sign-in: the session and all that began since from its device or by its leave, with all grants
/// that came from them, also if they are signed out already: `offline_access` outlives that.
pub fn act(tx: &WriteTx<'_>, ctx: &Ctx, env: &Env, token: &str) -> Result<(), Error> {
    let (id, since) = read(env, token, ctx.now)?;
    let all = sessions::begun_with(tx, &id, since)?;
    let Some(first) = all.first() else { return Ok(()) };
    let user = &first.session.user_id;
    for open in &all {
        sign_out::disowned(tx, ctx, &open.session.id, user)?;
    }
    let number = all.len().to_string();
    let data =
        [("sessionID", id.as_str()), ("sessionAddress", first.ip_address.as_str()), ("sessions", number.as_str())];
    audit::record(tx, ctx, &ctx.stream("disowned"), Event::SignInDisowned, Some(user), None, &data)
}
