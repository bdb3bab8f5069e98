//! Signing up: by oneself or with an administrator's token (api.md §23.4), perhaps waiting for approval.
//!
//! Every rule of the configuration holds for every sign-up; a token only opens the door. Who may not sign up learns nothing
//! about who else has an account (security case 103), and who may is slowed down.

use pid_core::audit::Event;
use pid_core::notices::Notice;
use pid_core::secret::Secret;
use pid_core::sessions::BeganBy;
use pid_core::settings::{Settings, Signups};
use pid_core::users::User;
use pid_core::validate::{key, nfc};
use pid_core::{Ctx, Entropy, FieldCode, Fields, Timestamp, UserId};
use pid_store::signup_approvals::Waits;
use pid_store::{ReadTx, WriteTx, sessions, settings, signup_approvals, signup_tokens, users};
use schemars::JsonSchema;

use crate::access::{SessionUser, idle_since};
use crate::audit::Note;
use crate::budget::{APPROVAL_NOTICE, SIGNUP, address_subject};
use crate::env::Env;
use crate::error::unique_user;
use crate::mail::{self, Message};
use crate::roles::{Joinable, ReadsPeople};
use crate::sessions::{NewSession, begin};
use crate::signup_tokens::{short, usable};
use crate::users::{UserDetails, give_defaults};
use crate::{Code, Error, Saying, audit, email_verification, sign_out};

/// What somebody who signs up typed. Anything else that they send is passed over.
#[derive(Clone, Debug, Default, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(extend("required" = ["username"]))]
pub struct SignupInput {
    /// 1–50 characters, by the rules of users (api.md §13.3).
    pub username: String,
    /// Required if the configuration says so, or if it limits the domains.
    pub email: Option<String>,
    /// At most 50 characters.
    pub first_name: String,
    /// At most 50 characters.
    pub last_name: String,
    /// An administrator's invitation.
    pub token: String,
    /// The language of the page that asks (BCP 47); not of the body.
    #[serde(skip)]
    pub locale: Option<String>,
}

/// What became of a sign-up.
#[derive(Debug)]
pub enum Signup {
    /// The account exists. Its session is good for the first passkey alone while it waits for approval.
    Done(Box<(UserDetails, NewSession)>),
    /// Nothing was made; the attempt is counted.
    Refused(Error),
}

/// What a person says of themselves, read and checked: at set-up and at sign-up.
pub(crate) struct Introduction {
    username: String,
    email: Option<String>,
    first_name: String,
    last_name: String,
}

impl Introduction {
    /// Reads it. `domains`: those whose addresses are taken; empty: all.
    pub(crate) fn check(
        settings: &Settings,
        domains: &[String],
        username: &str,
        email: Option<&str>,
        first_name: &str,
        last_name: &str,
    ) -> Result<Self, Error> {
        let email = email.map(nfc);
        let (first_name, last_name) = (nfc(first_name.trim()), nfc(last_name.trim()));
        let mut fields = Fields::new();
        fields.username("username", username);
        fields.length("firstName", &first_name, 0, 50);
        fields.length("lastName", &last_name, 0, 50);
        match &email {
            Some(email) => {
                fields.email("email", email);
                if !domains.is_empty() && !is_of(email, domains) {
                    fields.refuse("email", FieldCode::InvalidValue, "must be an address of a domain that may sign up");
                }
            }
            None if settings.require_user_email() || !domains.is_empty() => {
                fields.refuse("email", FieldCode::Required, "must not be empty");
            }
            None => {}
        }
        fields.finish()?;
        Ok(Self { username: nfc(username), email, first_name, last_name })
    }

    /// The account.
    pub(crate) fn account(self, ctx: &Ctx, settings: &Settings, entropy: &Entropy) -> User {
        let mut user = User {
            id: UserId::generate(entropy),
            username: self.username,
            email: self.email,
            email_verified: settings.emails_verified(),
            first_name: self.first_name,
            last_name: self.last_name,
            display_name: String::new(),
            is_admin: false,
            roles: pid_core::roles::Roles::NONE,
            disabled: false,
            locale: None,
            ldap_id: None,
            created_at: ctx.now,
            updated_at: ctx.now,
            version: 1,
        };
        user.display_name = user.full_name();
        user
    }
}

fn is_of(email: &str, domains: &[String]) -> bool {
    let domain = email.rsplit_once('@').map(|(_, domain)| key(domain));
    domain.is_some_and(|domain| domains.iter().any(|allowed| key(allowed) == domain))
}

/// Signs somebody up and in. `limited`: whether attempts are counted.
pub fn sign_up(
    tx: &WriteTx<'_>,
    ctx: &Ctx,
    env: &Env,
    input: &SignupInput,
    previous: Option<&Secret>,
    limited: bool,
) -> Result<Signup, Error> {
    let subject = address_subject(&ctx.ip_address);
    if limited {
        SIGNUP.check(tx, &subject, ctx.now)?;
    }
    let settings = settings::load(tx)?;
    if input.token.is_empty() && settings.signups() != Signups::Open {
        return Err(Error::new(Code::OpenSignupDisabled));
    }
    let (username, email) = (input.username.as_str(), input.email.as_deref());
    let domains = settings.signup_domains();
    let person = Introduction::check(&settings, &domains, username, email, &input.first_name, &input.last_name)?;
    // From here on an answer tells something about tokens or accounts, so it costs.
    if limited {
        SIGNUP.fail(tx, &subject, ctx.now)?;
    }
    let invitation = match input.token.as_str() {
        "" => None,
        token => match usable(tx, token, ctx.now)? {
            Some(found) => Some(found),
            None => return Ok(Signup::Refused(unusable())),
        },
    };
    let unproven = unproven(tx, &person)?;
    if let Some(taken) = taken(tx, &person, unproven.as_ref())? {
        return Ok(Signup::Refused(taken));
    }
    // Counted last and in this transaction: a sign-up that fails costs no use, and of many at once none goes over.
    if let Some(token) = &invitation
        && !signup_tokens::take(tx, &token.id, ctx.now)?
    {
        return Ok(Signup::Refused(unusable()));
    }
    let groups = Joinable::of_signup(tx, &settings, invitation.as_ref())?;
    let entropy = ctx.entropy();
    let mut user = User { locale: input.locale.clone(), ..person.account(ctx, &settings, &entropy) };
    let proves = settings.sends_mail() && user.email.is_some() && !user.email_verified;
    // Anybody can type an address of a domain that may sign up; whoever reads its mail has one.
    let waits = Waits { for_approval: settings.signup_needs_approval(), for_address: proves && !domains.is_empty() };
    user.disabled = waits.any();
    if let Some(other) = &unproven {
        forget(tx, ctx, other, "somebody else signed up with the address")?;
    }
    users::insert(tx, &user).map_err(unique_user)?;
    if user.disabled {
        signup_approvals::insert(tx, &user.id, waits, ctx.now)?;
    }
    if waits.for_address || proves && settings.verifies_email() {
        email_verification::send_link(tx, ctx, env, &settings, &user)?;
    }
    if waits.for_approval && !waits.for_address {
        tell_admins(tx, ctx, &settings, &user)?;
    }
    give_defaults(tx, ctx, &settings, &user.id, &groups)?;
    // The proof counts in this browser alone, so its session lives as long; once proven, it is like any other.
    let minutes = settings.session_minutes();
    let minutes = if waits.for_address { minutes.max(email_verification::LIFE_SECS / 60) } else { minutes };
    let session = begin(tx, ctx, &entropy, &user, BeganBy::Signup, None, previous, minutes)?;
    let token = short(&input.token);
    let how = if invitation.is_some() { ("signupToken", token.as_str()) } else { ("method", "open_signup") };
    audit::record(tx, ctx, &entropy, Event::AccountCreated, Some(&user.id), None, &[how])?;
    Ok(Signup::Done(Box::new((crate::users::details(tx, user)?, session))))
}

fn unusable() -> Error {
    Error::say(Saying::BadSignupToken, &[])
}

/// Whose account has the address without ever having proven it: it makes way, or anybody could keep others out.
fn unproven(tx: &ReadTx<'_>, person: &Introduction) -> Result<Option<User>, Error> {
    let Some(email) = &person.email else { return Ok(None) };
    match users::by_email(tx, email)? {
        Some(user) if user.disabled && !user.email_verified && signup_approvals::of(tx, &user.id)?.for_address => {
            Ok(Some(user))
        }
        _ => Ok(None),
    }
}

/// Which of address and name is taken, the address first (api.md §13.3), but by who makes way.
fn taken(tx: &ReadTx<'_>, person: &Introduction, unproven: Option<&User>) -> Result<Option<Error>, Error> {
    let stays = |user: User| unproven.is_none_or(|other| other.id != user.id);
    if let Some(email) = &person.email
        && users::by_email(tx, email)?.is_some_and(stays)
    {
        return Ok(Some(Error::already_in_use("email")));
    }
    let name_is_taken = users::by_username(tx, &person.username)?.is_some_and(stays);
    Ok(name_is_taken.then(|| Error::already_in_use("username")))
}

/// Tells administrators that somebody waits for them, a few times an hour at most: strangers sign up as they like.
fn tell_admins(tx: &WriteTx<'_>, ctx: &Ctx, settings: &Settings, user: &User) -> Result<(), Error> {
    match APPROVAL_NOTICE.check(tx, "all", ctx.now) {
        Ok(()) => APPROVAL_NOTICE.fail(tx, "all", ctx.now)?,
        Err(error) if error.code == Code::RateLimited => return Ok(()),
        Err(error) => return Err(error),
    }
    for admin in users::admins(tx, MOST_ADMINS)? {
        let message = Message::AwaitsApproval { username: user.username.clone(), user: user.id.to_string() };
        mail::tell(tx, ctx, settings, &admin, Notice::SignupApproval, message)?;
    }
    Ok(())
}

/// So many administrators are told.
const MOST_ADMINS: i64 = 20;

/// Who waits for an administrator: how many, and the first of them.
pub fn awaiting_approval(tx: &ReadTx<'_>, _: &ReadsPeople, limit: i64) -> Result<(i64, Vec<User>), Error> {
    Ok(signup_approvals::for_approval(tx, limit)?)
}

/// Whether somebody who signed up waits for the proof of their address.
pub fn waits_for_address(tx: &ReadTx<'_>, who: &SessionUser) -> Result<bool, Error> {
    Ok(signup_approvals::of(tx, &who.user().id)?.for_address)
}

/// Goes on after somebody who waits has proven their address: they may sign in, unless they wait for approval as well.
pub(crate) fn address_proven(tx: &WriteTx<'_>, ctx: &Ctx, user: &User) -> Result<(), Error> {
    let waits = signup_approvals::of(tx, &user.id)?;
    let settings = settings::load(tx)?;
    signup_approvals::proven(tx, &user.id)?;
    for open in sessions::open_of_user(tx, &user.id, ctx.now, idle_since(0, ctx.now))? {
        sessions::expire(tx, &open.session.id, open.session.created_at.plus_minutes(settings.session_minutes()))?;
    }
    if waits.for_approval {
        return tell_admins(tx, ctx, &settings, user);
    }
    signup_approvals::end(tx, &user.id)?;
    users::update(tx, &User { disabled: false, email_verified: true, ..user.clone() }, ctx.now)?;
    let note = Note::default().change("disabled", "true", "false");
    note.record(tx, ctx, &ctx.stream("enabled"), Event::UserUpdated, Some(&user.id), None)
}

/// Seconds after which an account whose address was not proven is deleted: its link has died, and the address may be that
/// of somebody who wants to sign up.
const UNPROVEN_SECS: i64 = 2 * 24 * 3600;
/// So many are deleted at once.
const UNPROVEN_AT_ONCE: i64 = 100;

/// Whether there are accounts to delete whose address was never proven.
pub fn any_unproven(tx: &ReadTx<'_>, now: Timestamp) -> Result<bool, Error> {
    Ok(!signup_approvals::unproven(tx, now.plus_secs(-UNPROVEN_SECS), now, 1)?.is_empty())
}

/// Deletes accounts that wait for the proof of their address and whose link has died.
pub fn forget_unproven(tx: &WriteTx<'_>, ctx: &Ctx) -> Result<(), Error> {
    let unproven = signup_approvals::unproven(tx, ctx.now.plus_secs(-UNPROVEN_SECS), ctx.now, UNPROVEN_AT_ONCE)?;
    unproven.iter().try_for_each(|user| forget(tx, ctx, user, "address not proven"))
}

/// Deletes an account whose address was never proven.
pub(crate) fn forget(tx: &WriteTx<'_>, ctx: &Ctx, user: &User, reason: &str) -> Result<(), Error> {
    sign_out::user(tx, ctx, &user.id)?;
    let data = [("username", user.username.as_str()), ("userID", user.id.as_str()), ("reason", reason)];
    audit::record(tx, ctx, &ctx.stream(user.id.as_str()), Event::UserDeleted, Some(&user.id), None, &data)?;
    users::delete(tx, &user.id)?;
    Ok(())
}

/// Why somebody who is disabled is refused: they wait for something, or an administrator disabled them.
pub(crate) fn refusal(tx: &ReadTx<'_>, user: &UserId) -> Result<Error, Error> {
    let waits = signup_approvals::of(tx, user)?;
    Ok(if waits.for_address {
        Error::say(Saying::AwaitsProof, &[]).detail("reason", "awaiting_verification")
    } else if waits.for_approval {
        Error::say(Saying::AwaitsApproval, &[]).detail("reason", "awaiting_approval")
    } else {
        Error::new(Code::UserDisabled)
    })
}
