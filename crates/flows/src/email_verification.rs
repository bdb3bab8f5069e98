//! Proving that an address is one's own (api.md §23.6).

use pid_core::audit::Event;
use pid_core::secret::{Secret, sha256};
use pid_core::settings::Settings;
use pid_core::users::User;
use pid_core::{Ctx, FieldCode, Timestamp};
use pid_store::sessions::OpenSession;
use pid_store::{ReadTx, WriteTx, email_verifications, sessions, signup_approvals, users};

use crate::access::{Credentials, SignedIn, idle_since};
use crate::audit::Note;
use crate::budget::{PROOF_OF_ADDRESS, VERIFY_EMAIL, VERIFY_NEWCOMER, address_subject};
use crate::env::Env;
use crate::mail::{self, By, Mail, Message, Sealed};
use crate::{Code, Error, Saying, signup};

/// How long a proof lives, seconds.
pub(crate) const LIFE_SECS: i64 = 24 * 3600;

/// Who wants to prove their address: the caller, who may have signed up and wait for that very proof.
pub fn asking(tx: &ReadTx<'_>, creds: &Credentials, now: Timestamp) -> Result<User, Error> {
    match creds.newcomer(tx, now)? {
        Some(newcomer) => Ok(newcomer.user().clone()),
        None => Ok(creds.signed_in(tx, now)?.user().clone()),
    }
}

/// Sends somebody a link that proves their address; the one before is worth nothing any more.
pub fn request(
    tx: &WriteTx<'_>,
    ctx: &Ctx,
    env: &Env,
    settings: &Settings,
    user: &User,
    limited: bool,
) -> Result<(), Error> {
    if user.email.is_none() {
        return Err(Error::new(Code::UserEmailNotSet));
    }
    if !settings.sends_mail() {
        return Err(Error::new(Code::MailNotConfigured));
    }
    if limited {
        PROOF_OF_ADDRESS.check(tx, user.id.as_str(), ctx.now)?;
        PROOF_OF_ADDRESS.fail(tx, user.id.as_str(), ctx.now)?;
    }
    send_link(tx, ctx, env, settings, user)
}

/// Puts the link into the outbox, if there is an address.
pub(crate) fn send_link(tx: &WriteTx<'_>, ctx: &Ctx, env: &Env, settings: &Settings, user: &User) -> Result<(), Error> {
    let Some(email) = &user.email else { return Ok(()) };
    let token = Secret::new(ctx.stream("email verification").text(pid_core::entropy::ALPHANUMERIC, 32));
    let expires_at = ctx.now.plus_secs(LIFE_SECS);
    email_verifications::put(tx, &user.id, &sha256(token.expose().as_bytes()), email, expires_at)?;
    let message = Message::Verify { token: Sealed::new(env, &token)?, by: Some(By::of(ctx)) };
    // Whose address it is, is not known yet: a stranger's words must not reach it.
    let letter = Mail::to(user, message).map(Mail::nameless);
    mail::send(tx, ctx, settings, letter).map(drop)
}

/// Uses a proof: the address is the caller's own. A wrong one is counted.
pub fn verify(
    tx: &WriteTx<'_>,
    ctx: &Ctx,
    who: &SignedIn,
    token: &str,
    limited: bool,
) -> Result<Result<(), Error>, Error> {
    if token.is_empty() {
        return Err(Error::field("token", FieldCode::Required, "must not be empty"));
    }
    let user = who.user();
    if limited {
        VERIFY_EMAIL.check(tx, user.id.as_str(), ctx.now)?;
    }
    let proven = email_verifications::email(tx, &user.id, &sha256(token.as_bytes()), ctx.now)?;
    // An address that has changed since is another one.
    if proven.is_none() || proven != user.email {
        if limited {
            VERIFY_EMAIL.fail(tx, user.id.as_str(), ctx.now)?;
        }
        return Ok(Err(Error::new(Code::InvalidEmailVerificationToken)));
    }
    prove(tx, ctx, user)?;
    Ok(Ok(()))
}

fn prove(tx: &WriteTx<'_>, ctx: &Ctx, user: &User) -> Result<(), Error> {
    email_verifications::delete(tx, &user.id)?;
    users::update(tx, &User { email_verified: true, ..user.clone() }, ctx.now)?;
    let note = Note::default().change("emailVerified", "false", "true");
    note.record(tx, ctx, &ctx.stream("email verified"), Event::UserUpdated, Some(&user.id), None)
}

/// Whose proof this is, if they signed up and can't sign in before they have used it; known to who reads the letter.
fn newcomer(tx: &ReadTx<'_>, ctx: &Ctx, token: &str) -> Result<Option<User>, Error> {
    let hash = sha256(token.as_bytes());
    let Some(id) = email_verifications::owner(tx, &hash, ctx.now)? else { return Ok(None) };
    let Some(user) = users::by_id(tx, &id)? else { return Ok(None) };
    let waits = user.disabled && signup_approvals::of(tx, &id)?.for_address;
    let proven = email_verifications::email(tx, &id, &hash, ctx.now)?;
    Ok(Some(user).filter(|user| waits && proven == user.email))
}

/// Somebody who signed up and waits for the proof of their address, as who opens its link sees them.
#[derive(Clone, Debug)]
pub struct Newcomer {
    /// The account.
    pub user: User,
    /// Whether they signed up in the browser that asks.
    pub is_here: bool,
    /// Where they signed up, unless they have signed out there.
    pub browser: Option<OpenSession>,
}

/// Whose proof this is, if they signed up and can't sign in before they have used it.
pub fn look(tx: &ReadTx<'_>, ctx: &Ctx, creds: &Credentials, token: &str) -> Result<Option<Newcomer>, Error> {
    let Some(user) = newcomer(tx, ctx, token)? else { return Ok(None) };
    let is_here = is_here(tx, ctx, creds, &user)?;
    let browser = sessions::open_of_user(tx, &user.id, ctx.now, idle_since(0, ctx.now))?.pop();
    Ok(Some(Newcomer { user, is_here, browser }))
}

fn is_here(tx: &ReadTx<'_>, ctx: &Ctx, creds: &Credentials, user: &User) -> Result<bool, Error> {
    Ok(creds.newcomer(tx, ctx.now)?.is_some_and(|who| who.user().id == user.id))
}

/// The proof of somebody who signed up and waits for it, or a refusal. A wrong one is counted.
fn proof(tx: &WriteTx<'_>, ctx: &Ctx, token: &str, limited: bool) -> Result<Result<User, Error>, Error> {
    if token.is_empty() {
        return Err(Error::field("token", FieldCode::Required, "must not be empty"));
    }
    let subject = address_subject(&ctx.ip_address);
    if limited {
        VERIFY_NEWCOMER.check(tx, &subject, ctx.now)?;
    }
    let Some(user) = newcomer(tx, ctx, token)? else {
        if limited {
            VERIFY_NEWCOMER.fail(tx, &subject, ctx.now)?;
        }
        return Ok(Err(Error::new(Code::InvalidEmailVerificationToken)));
    };
    Ok(Ok(user))
}

/// Uses the proof of somebody who signed up and waits for it, in the browser in which they signed up alone: elsewhere it
/// would vouch for a stranger's passkey, for anybody can sign up with another's address. A wrong one is counted.
pub fn verify_newcomer(
    tx: &WriteTx<'_>,
    ctx: &Ctx,
    creds: &Credentials,
    token: &str,
    limited: bool,
) -> Result<Result<(), Error>, Error> {
    let user = match proof(tx, ctx, token, limited)? {
        Ok(user) => user,
        Err(refusal) => return Ok(Err(refusal)),
    };
    if !is_here(tx, ctx, creds, &user)? {
        return Err(Error::say(Saying::OtherBrowser, &[]));
    }
    prove(tx, ctx, &user)?;
    signup::address_proven(tx, ctx, &user)?;
    Ok(Ok(()))
}

/// Deletes an account that was made with the address of somebody else, who says so by the proof.
pub fn disown(tx: &WriteTx<'_>, ctx: &Ctx, token: &str, limited: bool) -> Result<Result<(), Error>, Error> {
    match proof(tx, ctx, token, limited)? {
        Ok(user) => signup::forget(tx, ctx, &user, "disowned by who reads mail at the address").map(Ok),
        Err(refusal) => Ok(Err(refusal)),
    }
}
