//! Login codes: a second way in for people whose passkey is elsewhere (api.md §23.1).
//!
//! A code is shown once and stored by hash. It is read aloud and typed, so case, blanks and dashes don't
//! matter and look-alikes are folded. Guessing is bounded per address and globally; an unknown code, a used
//! one and an expired one are answered alike.

use pid_core::audit::Event;
use pid_core::entropy::LOGIN_CODE as ALPHABET;
use pid_core::notices::Notice;
use pid_core::secret::{Secret, sha256};
use pid_core::sessions::BeganBy;
use pid_core::settings::Settings;
use pid_core::users::User;
use pid_core::validate::{is_email, nfc};
use pid_core::{Ctx, FieldCode, Fields, Seed, SessionId, Timestamp, UserId};
use pid_store::{WriteTx, audit as audit_log, login_codes, outbox, passkeys, settings, users};
use serde::{Deserialize, Serialize};

use crate::access::{SessionUser, has_fresh_proof};
use crate::budget::{
    LOGIN_CODE, LOGIN_CODE_ELSEWHERE, LOGIN_CODE_GLOBAL, MAIL_FROM_ADDRESS, MAIL_TO_PERSON, MAIL_TO_PERSON_IN_ALL,
    address_subject,
};
use crate::env::Env;
use crate::mail::{self, By, Mail, Message, Sealed};
use crate::roles::{ManagedUser, ManagesPeople};
use crate::sessions::{NewSession, begin};
use crate::{Code, Error, audit, signup};

/// Lifetime when none is asked for, seconds.
pub const DEFAULT_TTL_SECS: i64 = 15 * 60;
/// The longest lifetime, seconds.
pub const MAX_TTL_SECS: i64 = 31 * 24 * 3600;

/// Makes a code for another person: six characters up to fifteen minutes, twelve beyond.
pub fn create_by_admin(tx: &WriteTx<'_>, ctx: &Ctx, target: &ManagedUser<'_>, ttl_secs: i64) -> Result<Secret, Error> {
    if target.user().id != target.by().id {
        tell_of_code(tx, ctx, target.user())?;
    }
    made_by_admin(tx, ctx, target, ttl_secs)
}

fn made_by_admin(tx: &WriteTx<'_>, ctx: &Ctx, target: &ManagedUser<'_>, ttl_secs: i64) -> Result<Secret, Error> {
    let user = target.user();
    if ttl_secs <= 1 || ttl_secs > MAX_TTL_SECS {
        return Err(Error::field("ttl", FieldCode::Ttl, "must be more than one second and at most 31 days"));
    }
    let actor = Some(&target.by().id).filter(|actor| **actor != user.id);
    // A code for oneself is no code of an admin: it must not open the way to new passkeys (security case 58).
    let made_by = if actor.is_some() { "admin" } else { "self" };
    create(tx, ctx, user, made_by, actor, ttl_secs, Bound::Anywhere)
}

/// Tells a person that somebody else made a code by which one signs in as them, and that they don't see.
fn tell_of_code(tx: &WriteTx<'_>, ctx: &Ctx, user: &User) -> Result<(), Error> {
    let message = Message::CodeMade { at: ctx.now };
    mail::tell(tx, ctx, &settings::load(tx)?, user, Notice::LoginCode, message)
}

/// Makes a code for another person and sends it to their address.
pub fn mail_by_admin(
    tx: &WriteTx<'_>,
    ctx: &Ctx,
    env: &Env,
    settings: &Settings,
    who: &ManagesPeople,
    id: &UserId,
    ttl_secs: i64,
) -> Result<(), Error> {
    if !settings.mails_codes_by_admins() {
        return Err(Error::new(Code::OneTimeAccessDisabled));
    }
    let target = who.person(tx, id)?;
    let user = target.user();
    if user.email.is_none() {
        return Err(Error::new(Code::UserEmailNotSet));
    }
    if !settings.sends_mail() {
        return Err(Error::new(Code::MailNotConfigured));
    }
    let code = made_by_admin(tx, ctx, &target, ttl_secs)?;
    send_code(tx, ctx, env, settings, user, &code, ttl_secs, None)
}

/// Sends a code to an address on request, if it is somebody's: for fifteen minutes, and for the browser alone that holds
/// `device`. Whoever asks learns nothing: neither whether there is such a person, nor whether they were written to
/// (security case 47).
pub fn mail_on_request(
    tx: &WriteTx<'_>,
    ctx: &Ctx,
    settings: &Settings,
    email: &str,
    redirect: Option<String>,
    device: &Secret,
    limited: bool,
) -> Result<(), Error> {
    if !settings.mails_codes_on_request() {
        return Err(Error::new(Code::OneTimeAccessDisabled));
    }
    let mut fields = Fields::new();
    if email.is_empty() {
        fields.refuse("email", FieldCode::Required, "must not be empty");
    } else if !is_email(email) {
        fields.refuse("email", FieldCode::InvalidFormat, "must be an email address like name@example.com");
    }
    fields.finish()?;
    if limited {
        let subject = address_subject(&ctx.ip_address);
        MAIL_FROM_ADDRESS.check(tx, &subject, ctx.now)?;
        MAIL_FROM_ADDRESS.fail(tx, &subject, ctx.now)?;
    }
    // Whose address it is, the job finds out: the answer has gone by then, so it can't tell by the time that it took.
    let request = Request {
        email: nfc(email),
        redirect: redirect.filter(|path| pid_oidc::return_path::check(path).is_some()),
        device: sha256(device.expose().as_bytes()),
        ip_address: ctx.ip_address.clone(),
        user_agent: ctx.user_agent.clone(),
        limited,
    };
    let id = ctx.stream("code by mail").uuid();
    Ok(outbox::insert(tx, &crate::outbox::entry(id, REQUEST, String::new(), &request, ctx.now)?)?)
}

/// The entry of a request for a code by mail in the outbox.
pub(crate) const REQUEST: &str = "login_code_request";

/// What somebody asked for who typed an address.
#[derive(Debug, Serialize, Deserialize)]
struct Request {
    email: String,
    redirect: Option<String>,
    /// The hash of what the browser has that asked.
    device: [u8; 32],
    ip_address: String,
    user_agent: String,
    limited: bool,
}

/// Answers a request for a code by mail, if the address is somebody's.
pub(crate) fn answer(
    tx: &WriteTx<'_>,
    ctx: &Ctx,
    env: &Env,
    settings: &Settings,
    entry: &outbox::Entry,
) -> Result<(), Error> {
    // One that a newer version wrote can't be answered; whoever asked asks again.
    let Ok(request) = serde_json::from_str::<Request>(&entry.payload) else { return Ok(()) };
    // The audit log tells who asked.
    let seed = Seed(ctx.stream(&entry.id).bytes());
    let ctx = &Ctx { seed, ip_address: request.ip_address, user_agent: request.user_agent, ..ctx.clone() };
    // Where addresses are proven, one that is not may be a stranger's (security case 73).
    let reachable = |user: &User| !user.disabled && (user.email_verified || !settings.verifies_email());
    let known = users::by_email(tx, &request.email)?.filter(|user| reachable(user) && settings.sends_mail());
    let Some(user) = known else { return Ok(()) };
    if request.limited {
        let by_address = format!("{} {}", user.id, address_subject(&ctx.ip_address));
        for (budget, subject) in [(MAIL_TO_PERSON, by_address.as_str()), (MAIL_TO_PERSON_IN_ALL, user.id.as_str())] {
            match budget.check(tx, subject, ctx.now) {
                Ok(()) => budget.fail(tx, subject, ctx.now)?,
                Err(error) if error.code == Code::RateLimited => return Ok(()),
                Err(error) => return Err(error),
            }
        }
    }
    let code = create(tx, ctx, &user, "mail", None, DEFAULT_TTL_SECS, Bound::Browser(request.device))?;
    send_code(tx, ctx, env, settings, &user, &code, DEFAULT_TTL_SECS, request.redirect)
}

fn send_code(
    tx: &WriteTx<'_>,
    ctx: &Ctx,
    env: &Env,
    settings: &Settings,
    user: &User,
    code: &Secret,
    ttl_secs: i64,
    redirect: Option<String>,
) -> Result<(), Error> {
    let message = Message::LoginCode { code: Sealed::new(env, code)?, minutes: ttl_secs / 60, redirect };
    let letter = Mail::to(user, message).map(|letter| letter.until(ctx.now.plus_secs(ttl_secs)));
    mail::send(tx, ctx, settings, letter).map(drop)
}

/// What a code is bound to.
#[derive(Clone, Copy)]
enum Bound<'a> {
    Anywhere,
    /// It ends with this session.
    Session(&'a SessionId),
    /// It works in the browser that has what this is the hash of.
    Browser([u8; 32]),
}

/// Makes a code for oneself, to sign in to apps on a device without the passkey: from a session, with a passkey proof of
/// at most five minutes if one has a passkey, for at most fifteen minutes. The one before is worth nothing any more.
pub fn create_own(tx: &WriteTx<'_>, ctx: &Ctx, who: &SessionUser, ttl_secs: i64) -> Result<(Secret, Timestamp), Error> {
    let (user, session) = (who.user(), who.session());
    if ttl_secs <= 1 {
        return Err(Error::field("ttl", FieldCode::Ttl, "must be more than one second"));
    }
    if !passkeys::by_user(tx, &user.id)?.is_empty() && !has_fresh_proof(tx, session, ctx.now)? {
        return Err(Error::new(Code::ReauthenticationRequired));
    }
    login_codes::drop_self_made(tx, &user.id)?;
    let ttl_secs = ttl_secs.min(DEFAULT_TTL_SECS);
    let code = create(tx, ctx, user, "self", None, ttl_secs, Bound::Session(&session.id))?;
    Ok((code, ctx.now.plus_secs(ttl_secs)))
}

/// Makes a code from the command line, for recovery: valid for an hour.
pub fn create_by_cli(tx: &WriteTx<'_>, ctx: &Ctx, username_or_email: &str) -> Result<Secret, Error> {
    let user = match users::by_username(tx, username_or_email)? {
        Some(user) => user,
        None => users::by_email(tx, username_or_email)?.ok_or_else(|| Error::new(Code::UserNotFound))?,
    };
    tell_of_code(tx, ctx, &user)?;
    create(tx, ctx, &user, "cli", None, 3600, Bound::Anywhere)
}

fn create(
    tx: &WriteTx<'_>,
    ctx: &Ctx,
    user: &User,
    made_by: &str,
    actor: Option<&UserId>,
    ttl_secs: i64,
    bound: Bound<'_>,
) -> Result<Secret, Error> {
    let entropy = ctx.entropy();
    let code = entropy.text(ALPHABET, if ttl_secs <= DEFAULT_TTL_SECS { 6 } else { 12 });
    let expires_at = ctx.now.plus_secs(ttl_secs);
    let hash = sha256(code.as_bytes());
    let (session, device) = match bound {
        Bound::Anywhere => (None, None),
        Bound::Session(session) => (Some(session), None),
        Bound::Browser(device) => (None, Some(device)),
    };
    let id = entropy.uuid();
    login_codes::insert(tx, &id, &hash, &user.id, made_by, ctx.now, expires_at, session, device)?;
    if let Some(maker) = actor {
        login_codes::made_by(tx, &id, maker)?;
    }
    let data = [("madeBy", made_by), ("expiresAt", &expires_at.to_string())];
    audit::record(tx, ctx, &entropy, Event::LoginCodeCreated, Some(&user.id), actor, &data)?;
    Ok(Secret::new(code))
}

/// What became of a code that was typed.
#[derive(Debug)]
pub enum Exchange {
    /// Signed in.
    SignedIn(Box<(User, NewSession)>),
    /// Unknown, used or expired; the attempt is counted.
    Invalid,
    /// The person is disabled, or waits for approval; the code stays good.
    Disabled(Error),
    /// Another browser has asked for it. It stays good; the attempt is counted.
    OtherBrowser,
}

/// Where a sign-in happens: the session that the browser had, the interaction it is for, whether guessing
/// is limited, and how long the new session lives.
#[derive(Clone, Debug, Default)]
pub struct SignInAt {
    /// The cookie's value before.
    pub previous: Option<Secret>,
    /// The interaction it is for.
    pub interaction_id: Option<String>,
    /// `false` with `DISABLE_RATE_LIMITING`.
    pub limited: bool,
    /// Minutes.
    pub session_minutes: i64,
    /// What this browser was given when it asked for a code by mail.
    pub device: Option<Secret>,
}

/// Exchanges a code for a session. A disabled person's code is kept.
pub fn exchange(tx: &WriteTx<'_>, ctx: &Ctx, at: &SignInAt, typed: &str) -> Result<Exchange, Error> {
    let subject = address_subject(&ctx.ip_address);
    if at.limited {
        LOGIN_CODE.check(tx, &subject, ctx.now)?;
        LOGIN_CODE_GLOBAL.check(tx, "all", ctx.now)?;
    }
    let code = normalise(typed);
    let hash = sha256(code.as_bytes());
    let taken = if matches!(code.len(), 6 | 12) { login_codes::take(tx, &hash, ctx.now)? } else { None };
    let entropy = ctx.entropy();
    let refused = |user: Option<&UserId>, reason| {
        audit::failed(tx, ctx, Event::SignInFailed, user, &[("method", "login_code"), ("reason", reason)])
    };
    let count = || {
        if at.limited {
            LOGIN_CODE.fail(tx, &subject, ctx.now)?;
            LOGIN_CODE_GLOBAL.fail(tx, "all", ctx.now)?;
        }
        Ok::<(), Error>(())
    };
    let Some(login_codes::Taken { user_id, made_by, device }) = taken else {
        count()?;
        match login_codes::known(tx, &hash)? {
            Some((user, true)) => refused(Some(&user), "the code was used before")?,
            Some((user, false)) => refused(Some(&user), "the code has expired")?,
            None => refused(None, "the code is not known")?,
        }
        return Ok(Exchange::Invalid);
    };
    let here = at.device.as_ref().map(|device| sha256(device.expose().as_bytes()));
    if device.is_some_and(|device| here.is_none_or(|here| here[..] != device[..])) {
        // Who knows it but has not asked for it has read somebody's mail: after a few attempts it is worth nothing.
        let name: String = hash.iter().map(|b| format!("{b:02x}")).collect();
        if LOGIN_CODE_ELSEWHERE.check(tx, &name, ctx.now).is_ok() {
            login_codes::give_back(tx, &hash)?;
            LOGIN_CODE_ELSEWHERE.fail(tx, &name, ctx.now)?;
        }
        count()?;
        refused(Some(&user_id), "another browser has asked for the code")?;
        return Ok(Exchange::OtherBrowser);
    }
    let user = users::by_id(tx, &user_id)?.ok_or_else(|| Error::new(Code::TokenInvalidOrExpired))?;
    if user.disabled {
        login_codes::give_back(tx, &hash)?;
        refused(Some(&user.id), "the account is disabled")?;
        return Ok(Exchange::Disabled(signup::refusal(tx, &user.id)?));
    }
    let began_by = match made_by.as_str() {
        "admin" => BeganBy::AdminCode,
        "cli" => BeganBy::CliCode,
        "mail" => BeganBy::MailCode,
        _ => BeganBy::SelfCode,
    };
    let interaction = at.interaction_id.clone();
    let session = begin(tx, ctx, &entropy, &user, began_by, interaction, at.previous.as_ref(), at.session_minutes)?;
    let settings = settings::load(tx)?;
    // Who asked for a code at a device of theirs knows, and their mailbox has just had a letter. A device that came in by
    // codes alone may be that of somebody who reads their mail.
    let is_usual =
        began_by == BeganBy::MailCode && audit_log::knows_passkey_at(tx, &user.id, &ctx.ip_address, &ctx.user_agent)?;
    if began_by == BeganBy::SelfCode {
        mail::of_new_device(tx, ctx, &settings, &user, &session.session)?;
    } else if !is_usual {
        let app = mail::app(tx, &session.session)?;
        let message = Message::CodeUsed { by: By::of(ctx), session: session.session.id.to_string(), app };
        mail::tell(tx, ctx, &settings, &user, Notice::LoginCode, message)?;
    }
    audit::record(tx, ctx, &entropy, Event::TokenSignIn, Some(&user.id), None, &[])?;
    Ok(Exchange::SignedIn(Box::new((user, session))))
}

/// What was meant: upper case, no blanks or dashes, `I`, `L` → `1`, `O` → `0`.
fn normalise(typed: &str) -> String {
    let folded = crate::setup::normalise_code(typed);
    folded
        .chars()
        .map(|c| match c {
            'I' | 'L' => '1',
            'O' => '0',
            c => c,
        })
        .take(64)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn typing_is_forgiven() {
        assert_eq!(normalise(" ab1-oIl "), "AB1011");
        assert!(normalise(&"x".repeat(10_000)).len() <= 64);
    }
}
