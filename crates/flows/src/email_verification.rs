//! Proving that an address is one's own (api.md §23.6).

use pid_core::audit::Event;
use pid_core::secret::{Secret, sha256};
use pid_core::settings::Settings;
use pid_core::users::User;
use pid_core::{Ctx, FieldCode};
use pid_store::{WriteTx, email_verifications, users};

use crate::access::SignedIn;
use crate::audit::Note;
use crate::budget::{PROOF_OF_ADDRESS, VERIFY_EMAIL};
use crate::env::Env;
use crate::mail::{self, Mail, Message, Sealed};
use crate::{Code, Error};

/// How long a proof lives, seconds.
const LIFE_SECS: i64 = 24 * 3600;

/// Sends the caller a link that proves their address; the one before is worth nothing any more.
pub fn request(
    tx: &WriteTx<'_>,
    ctx: &Ctx,
    env: &Env,
    settings: &Settings,
    who: &SignedIn,
    limited: bool,
) -> Result<(), Error> {
    let user = who.user();
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
    let message = Message::Verify { token: Sealed::new(env, &token)? };
    mail::send(tx, ctx, settings, Mail::to(user, message)).map(drop)
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
    email_verifications::delete(tx, &user.id)?;
    users::update(tx, &User { email_verified: true, ..user.clone() }, ctx.now)?;
    Note::default().change("emailVerified", "false", "true").record(
        tx,
        ctx,
        &ctx.entropy(),
        Event::UserUpdated,
        Some(&user.id),
        None,
    )?;
    Ok(Ok(()))
}
