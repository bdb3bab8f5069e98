//! Login codes: a second way in for people whose passkey is elsewhere (api.md §23.1).
//!
//! A code is shown once and stored by hash. It is read aloud and typed, so case, blanks and dashes don't
//! matter and look-alikes are folded. Guessing is bounded per address and globally; an unknown code, a used
//! one and an expired one are answered alike.

use pid_core::audit::Event;
use pid_core::entropy::LOGIN_CODE as ALPHABET;
use pid_core::secret::{Secret, sha256};
use pid_core::sessions::BeganBy;
use pid_core::users::User;
use pid_core::{Ctx, FieldCode, SessionId, Timestamp, UserId};
use pid_store::{WriteTx, login_codes, passkeys, users};

use crate::access::{Admin, SessionUser, has_fresh_proof};
use crate::budget::{LOGIN_CODE, LOGIN_CODE_GLOBAL, address_subject};
use crate::sessions::{NewSession, begin};
use crate::{Code, Error, audit};

/// Lifetime when none is asked for, seconds.
pub const DEFAULT_TTL_SECS: i64 = 15 * 60;
/// The longest lifetime, seconds.
pub const MAX_TTL_SECS: i64 = 31 * 24 * 3600;

/// Makes a code for another person: six characters up to fifteen minutes, twelve beyond.
pub fn create_by_admin(
    tx: &WriteTx<'_>,
    ctx: &Ctx,
    admin: &Admin,
    id: &UserId,
    ttl_secs: i64,
) -> Result<Secret, Error> {
    if ttl_secs <= 1 || ttl_secs > MAX_TTL_SECS {
        return Err(Error::field("ttl", FieldCode::Ttl, "must be more than one second and at most 31 days"));
    }
    let user = users::by_id(tx, id)?.ok_or_else(|| Error::new(Code::UserNotFound))?;
    let actor = Some(&admin.user().id).filter(|actor| **actor != user.id);
    // A code for oneself is no code of an admin: it must not open the way to new passkeys (security case 58).
    let made_by = if actor.is_some() { "admin" } else { "self" };
    create(tx, ctx, &user, made_by, actor, ttl_secs, None)
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
    let code = create(tx, ctx, user, "self", None, ttl_secs, Some(&session.id))?;
    Ok((code, ctx.now.plus_secs(ttl_secs)))
}

/// Makes a code from the command line, for recovery: valid for an hour.
pub fn create_by_cli(tx: &WriteTx<'_>, ctx: &Ctx, username_or_email: &str) -> Result<Secret, Error> {
    let user = match users::by_username(tx, username_or_email)? {
        Some(user) => user,
        None => users::by_email(tx, username_or_email)?.ok_or_else(|| Error::new(Code::UserNotFound))?,
    };
    create(tx, ctx, &user, "cli", None, 3600, None)
}

fn create(
    tx: &WriteTx<'_>,
    ctx: &Ctx,
    user: &User,
    made_by: &str,
    actor: Option<&UserId>,
    ttl_secs: i64,
    session: Option<&SessionId>,
) -> Result<Secret, Error> {
    let entropy = ctx.entropy();
    let code = entropy.text(ALPHABET, if ttl_secs <= DEFAULT_TTL_SECS { 6 } else { 12 });
    let expires_at = ctx.now.plus_secs(ttl_secs);
    let hash = sha256(code.as_bytes());
    login_codes::insert(tx, &entropy.uuid(), &hash, &user.id, made_by, ctx.now, expires_at, session)?;
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
    /// The person is disabled; the code stays good.
    Disabled,
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
    let Some((user_id, made_by)) = taken else {
        if at.limited {
            LOGIN_CODE.fail(tx, &subject, ctx.now)?;
            LOGIN_CODE_GLOBAL.fail(tx, "all", ctx.now)?;
        }
        match login_codes::known(tx, &hash)? {
            Some((user, true)) => refused(Some(&user), "the code was used before")?,
            Some((user, false)) => refused(Some(&user), "the code has expired")?,
            None => refused(None, "the code is not known")?,
        }
        return Ok(Exchange::Invalid);
    };
    let user = users::by_id(tx, &user_id)?.ok_or_else(|| Error::new(Code::TokenInvalidOrExpired))?;
    if user.disabled {
        login_codes::give_back(tx, &hash)?;
        refused(Some(&user.id), "the account is disabled")?;
        return Ok(Exchange::Disabled);
    }
    let began_by = match made_by.as_str() {
        "admin" => BeganBy::AdminCode,
        "cli" => BeganBy::CliCode,
        "mail" => BeganBy::MailCode,
        _ => BeganBy::SelfCode,
    };
    let interaction = at.interaction_id.clone();
    let session = begin(tx, ctx, &entropy, &user, began_by, interaction, at.previous.as_ref(), at.session_minutes)?;
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
