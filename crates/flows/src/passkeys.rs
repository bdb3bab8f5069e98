//! Passkeys: registering, signing in, proving again, renaming, removing (api.md §22).
//!
//! A ceremony begins with a challenge row bound to kind and browser and ends with any attempt that names
//! it: the row is deleted first, whatever comes of the attempt. So an attempt's refusal is an outcome that
//! commits, not an error that would roll the deletion back.

use pid_core::audit::Event;
use pid_core::notices::Notice;
use pid_core::passkeys::Traits;
use pid_core::secret::{Secret, sha256};
use pid_core::sessions::{BeganBy, Session};
use pid_core::settings::Settings;
use pid_core::users::User;
use pid_core::validate::nfc;
use pid_core::{Ctx, Entropy, Fields, PasskeyId, Timestamp, UserId};
use pid_store::passkeys::{self, Ceremony, Challenge, Passkey};
use pid_store::{ReadTx, StoreError, WriteTx, sessions, settings, users};
use pid_webauthn::{
    AssertionResponse, AuthDataError, RegistrationResponse, RelyingParty, WireError, assert, models, options, register,
};

use crate::access::{MayEnrol, SessionUser, SignedIn};
use crate::audit::Note;
use crate::budget::{PASSKEY_LOGIN, REAUTHENTICATE, address_subject};
use crate::change::check_version;
use crate::env::Env;
use crate::login_codes::SignInAt;
use crate::mail::{self, By, Message};
use crate::roles::{ManagedUser, ReadsPeople};
use crate::sessions::{NewSession, begin, renew};
use crate::{Code, Error, Saying, audit, passkey_policy, signup};

/// How long a ceremony may take, seconds.
pub const CEREMONY_SECS: i64 = 5 * 60;
/// How long a re-authentication proof counts, seconds.
pub const REAUTHENTICATION_SECS: i64 = 3 * 60;

/// Creation options for a person (WebAuthn L3 §5.4), and the challenge row behind them.
pub fn register_start(
    tx: &WriteTx<'_>,
    ctx: &Ctx,
    env: &Env,
    settings: &Settings,
    who: &MayEnrol,
    browser: &Secret,
) -> Result<serde_json::Value, Error> {
    let entropy = ctx.entropy();
    let user = who.who().user();
    let existing = passkeys::by_user(tx, &user.id)?;
    let challenge = entropy.bytes_at(ctx.now);
    let row = Challenge {
        kind: Ceremony::Register,
        user_id: Some(user.id.clone()),
        expires_at: ctx.now.plus_secs(CEREMONY_SECS),
    };
    passkeys::insert_challenge(tx, &challenge, &sha256(browser.expose().as_bytes()), &row)?;
    let exclude: Vec<options::Descriptor> =
        existing.into_iter().map(|p| options::Descriptor { id: p.credential_id, transports: p.transports }).collect();
    let policy = settings.passkey_policy();
    Ok(options::creation(&options::Creation {
        rp_name: settings.app_name(),
        rp_id: &env.app_url.host,
        user_handle: user.id.as_str().as_bytes(),
        user_name: &user.username,
        user_display_name: &user.shown_name(),
        challenge: &challenge,
        timeout_secs: CEREMONY_SECS,
        exclude: &exclude,
        attachment: policy.attachment.as_deref(),
        user_verification: settings.user_verification(),
        wants_model: policy.names_models(),
    }))
}

/// Request options for anybody (WebAuthn L3 §5.5), and the challenge row behind them. Also starts a re-authentication. For
/// `Db::write_guarded`: it reads nothing.
pub fn login_start(
    tx: &WriteTx<'_>,
    ctx: &Ctx,
    env: &Env,
    settings: &Settings,
    browser: &Secret,
) -> Result<serde_json::Value, Error> {
    let entropy = ctx.entropy();
    let challenge = entropy.bytes_at(ctx.now);
    let row = Challenge { kind: Ceremony::Authenticate, user_id: None, expires_at: ctx.now.plus_secs(CEREMONY_SECS) };
    passkeys::insert_challenge(tx, &challenge, &sha256(browser.expose().as_bytes()), &row)?;
    Ok(options::request(&env.app_url.host, &challenge, CEREMONY_SECS, settings.user_verification()))
}

/// An attempt's outcome. Both kinds commit: the challenge is consumed either way.
pub type Attempt<T> = Result<T, Error>;

fn unreadable(error: &WireError) -> Error {
    Error::say(Saying::PasskeyAnswer, &[("reason", &error.to_string())])
}

/// Takes the ceremony that a response answers. Any attempt that names it consumes it, also one of another kind.
fn take(
    tx: &WriteTx<'_>,
    ctx: &Ctx,
    browser: &Secret,
    challenge: Option<Vec<u8>>,
    kind: Ceremony,
) -> Result<Option<(Vec<u8>, Challenge)>, Error> {
    let Some(challenge) = challenge else { return Ok(None) };
    let row = passkeys::take_challenge(tx, &challenge, &sha256(browser.expose().as_bytes()))?;
    Ok(row.filter(|r| r.kind == kind && r.expires_at > ctx.now).map(|r| (challenge, r)))
}

/// How the authenticator is attached: as the browser says, else as its transports tell.
fn attachment(response: &RegistrationResponse, transports: &[String]) -> Option<&'static str> {
    response.attachment().or_else(|| match transports {
        [] => None,
        list if list.iter().any(|transport| transport == "internal") => Some("platform"),
        _ => Some("cross-platform"),
    })
}

/// Verifies a registration and stores the passkey.
pub fn register_finish(
    tx: &WriteTx<'_>,
    ctx: &Ctx,
    env: &Env,
    settings: &Settings,
    who: &MayEnrol,
    browser: &Secret,
    body: &[u8],
) -> Result<Attempt<Passkey>, Error> {
    let user = who.who().user();
    let response = match RegistrationResponse::parse(body) {
        Ok(response) => response,
        Err(error) => return Ok(Err(unreadable(&error))),
    };
    let Some((challenge, row)) = take(tx, ctx, browser, response.challenge(), Ceremony::Register)? else {
        return Ok(Err(Error::new(Code::InvalidWebauthnSession)));
    };
    if row.user_id.as_ref() != Some(&user.id) {
        return Ok(Err(Error::new(Code::InvalidWebauthnSession)));
    }
    let (policy, origins) = (settings.passkey_policy(), env.origins(settings));
    let origins: Vec<&str> = origins.iter().map(String::as_str).collect();
    let rp = RelyingParty { id: &env.app_url.host, origins: &origins, user_verification: policy.verified };
    let made = match register::verify(&rp, &challenge, &response) {
        Ok(made) => made,
        Err(register::RegisterError::AuthData(AuthDataError::UserVerified)) => {
            return Ok(Err(Error::new(Code::PasskeyUserVerificationRequired)));
        }
        Err(error) => {
            return Ok(Err(Error::say(Saying::PasskeyAnswer, &[("reason", &error.to_string())])));
        }
    };
    let (aaguid, attachment) = (made.aaguid(), attachment(&response, made.transports()));
    let traits = Traits {
        user_verified: made.user_verified(),
        backup_eligible: made.backup_eligible(),
        attachment,
        aaguid: &aaguid,
    };
    if let Err(reason) = policy.judge(&traits) {
        return Ok(Err(Error::new(passkey_policy::refusal(reason))));
    }
    if passkeys::by_credential_id(tx, made.credential_id())?.is_some() {
        return Ok(Err(Error::new(Code::PasskeyAlreadyRegistered)));
    }
    let entropy = ctx.entropy();
    let passkey = Passkey {
        id: PasskeyId::generate(&entropy),
        user_id: user.id.clone(),
        name: default_name(&aaguid),
        credential_id: made.credential_id().to_vec(),
        public_key: made.public_key().to_vec(),
        alg: made.alg(),
        aaguid,
        sign_count: i64::from(made.sign_count()),
        transports: made.transports().to_vec(),
        attestation_type: made.attestation_format().to_owned(),
        user_verified: made.user_verified(),
        backup_eligible: made.backup_eligible(),
        backup_state: made.backup_state(),
        created_at: ctx.now,
        last_used_at: None,
        version: 1,
        attachment: attachment.map(str::to_owned),
    };
    passkeys::insert(tx, &passkey).map_err(duplicate)?;
    record(tx, ctx, &entropy, Event::PasskeyAdded, &passkey, None)?;
    // Who has just made the account knows.
    if !matches!(who.who().session().began_by, BeganBy::Setup | BeganBy::Signup) {
        let message = Message::PasskeyAdded { by: By::of(ctx), passkey: passkey.name.clone() };
        mail::tell(tx, ctx, settings, user, Notice::Passkey, message)?;
    }
    Ok(Ok(passkey))
}

/// "`<authenticator>` Passkey" for well-known models, else "New Passkey".
fn default_name(aaguid: &str) -> String {
    match models::model(aaguid) {
        Some(model) => format!("{} Passkey", model.name),
        None => "New Passkey".to_owned(),
    }
}

/// Why an assertion proves nothing: what the person may know, and what the audit log knows.
struct Refusal {
    error: Error,
    reason: String,
    user: Option<UserId>,
}

impl Refusal {
    fn new(error: Error, reason: impl Into<String>) -> Box<Self> {
        Box::new(Self { error, reason: reason.into(), user: None })
    }

    fn of(user: &UserId, code: Code, reason: impl Into<String>) -> Box<Self> {
        Box::new(Self { error: Error::new(code), reason: reason.into(), user: Some(user.clone()) })
    }

    /// Writes it down. Gives what the person may know.
    fn record(self, tx: &WriteTx<'_>, ctx: &Ctx, method: &str) -> Result<Error, Error> {
        let data = [("method", method), ("reason", self.reason.as_str())];
        audit::failed(tx, ctx, Event::SignInFailed, self.user.as_ref(), &data)?;
        Ok(self.error)
    }
}

/// Verifies an assertion with the credential that it names.
fn prove(
    tx: &WriteTx<'_>,
    ctx: &Ctx,
    env: &Env,
    settings: &Settings,
    browser: &Secret,
    body: &[u8],
) -> Result<Result<(User, Passkey), Box<Refusal>>, Error> {
    let response = match AssertionResponse::parse(body) {
        Ok(response) => response,
        Err(error) => return Ok(Err(Refusal::new(unreadable(&error), error.to_string()))),
    };
    passkeys::announce_owner(tx, response.credential_id())?;
    let Some((challenge, _)) = take(tx, ctx, browser, response.challenge(), Ceremony::Authenticate)? else {
        return Ok(Err(Refusal::new(Error::new(Code::InvalidWebauthnSession), "there is no such ceremony")));
    };
    let Some((mut passkey, user)) = passkeys::with_owner(tx, response.credential_id())? else {
        // The page lets the browser forget it (WebAuthn L3 §5.1.10). Whoever knows a credential's id may know that it is gone.
        let error = Error::new(Code::WebauthnAuthenticationFailed).detail("reason", "unknown_credential");
        return Ok(Err(Refusal::new(error, "the passkey is not known")));
    };
    let (policy, origins) = (settings.passkey_policy().at_use(), env.origins(settings));
    let origins: Vec<&str> = origins.iter().map(String::as_str).collect();
    let rp = RelyingParty { id: &env.app_url.host, origins: &origins, user_verification: policy.verified };
    let stored = assert::StoredCredential {
        credential_id: &passkey.credential_id,
        public_key: &passkey.public_key,
        sign_count: u32::try_from(passkey.sign_count).unwrap_or(u32::MAX),
        backup_eligible: passkey.backup_eligible,
        user_handle: user.id.as_str().as_bytes(),
    };
    let verified = match assert::verify(&rp, &challenge, &stored, &response) {
        Ok(verified) => verified,
        Err(error @ assert::AssertError::AuthData(AuthDataError::UserVerified)) => {
            return Ok(Err(Refusal::of(&user.id, Code::PasskeyUserVerificationRequired, error.to_string())));
        }
        Err(error) => return Ok(Err(Refusal::of(&user.id, Code::WebauthnAuthenticationFailed, error.to_string()))),
    };
    if verified.counter_regressed() {
        tracing::warn!(passkey = %passkey.id, "a signature counter went back: the authenticator may have been copied");
    }
    passkey.sign_count = i64::from(verified.sign_count());
    passkey.backup_state = verified.backup_state();
    passkey.user_verified = verified.user_verified();
    if let Err(reason) = policy.judge(&passkey.traits()) {
        let why = format!("the passkey is not allowed: {reason:?}");
        return Ok(Err(Refusal::of(&user.id, passkey_policy::refusal(reason), why)));
    }
    passkeys::used(tx, &passkey, ctx.now)?;
    Ok(Ok((user, passkey)))
}

/// Signs in with a passkey. Failures are counted per address; a success costs nothing.
///
/// For `Db::write_guarded`: it writes the passkey's row, as do those who remove the passkey or disable its owner
/// (`sign_out::user`); the challenge is taken by deleting its row, a deletion of the owner meets the new session's foreign key, and
/// failures are counted by writing their budget. Two sign-ins at once from a new device may both tell of it.
pub fn login_finish(
    tx: &WriteTx<'_>,
    ctx: &Ctx,
    env: &Env,
    settings: &Settings,
    at: &SignInAt,
    browser: &Secret,
    body: &[u8],
) -> Result<Attempt<(User, NewSession)>, Error> {
    let subject = address_subject(&ctx.ip_address);
    if at.limited {
        PASSKEY_LOGIN.check(tx, &subject, ctx.now)?;
    }
    let entropy = ctx.entropy();
    let proven = match prove(tx, ctx, env, settings, browser, body)? {
        Ok((user, _)) if user.disabled => {
            let refusal = Refusal::new(signup::refusal(tx, &user.id)?, "the account is disabled");
            Err(Box::new(Refusal { user: Some(user.id), ..*refusal }))
        }
        other => other,
    };
    let (user, passkey) = match proven {
        Ok(proven) => proven,
        Err(refusal) => {
            if at.limited {
                PASSKEY_LOGIN.fail(tx, &subject, ctx.now)?;
            }
            return Ok(Err(refusal.record(tx, ctx, "passkey")?));
        }
    };
    let interaction = at.interaction_id.clone();
    let previous = at.previous.as_ref();
    let session = begin(tx, ctx, &entropy, &user, BeganBy::Passkey, interaction, previous, at.session_minutes)?;
    sessions::set_passkey(tx, &session.session.id, &passkey.id)?;
    mail::of_new_device(tx, ctx, settings, &user, &session.session)?;
    audit::record(tx, ctx, &entropy, Event::SignIn, Some(&user.id), None, &[])?;
    Ok(Ok((user, session)))
}

/// Proves again who is signed in, with one of their own passkeys. Gives the value of the proof's cookie, and the session
/// under a new cookie.
pub fn reauthenticate(
    tx: &WriteTx<'_>,
    ctx: &Ctx,
    env: &Env,
    settings: &Settings,
    who: &SessionUser,
    browser: &Secret,
    body: &[u8],
    limited: bool,
) -> Result<Attempt<(Secret, NewSession)>, Error> {
    let subject = address_subject(&ctx.ip_address);
    if limited {
        REAUTHENTICATE.check(tx, &subject, ctx.now)?;
    }
    let proven = prove(tx, ctx, env, settings, browser, body)?.and_then(|(user, _)| {
        let refused =
            || Refusal::new(Error::new(Code::WebauthnAuthenticationFailed), "the passkey is another person's");
        if user.id == who.user().id { Ok(()) } else { Err(refused()) }
    });
    if let Err(refusal) = proven {
        if limited {
            REAUTHENTICATE.fail(tx, &subject, ctx.now)?;
        }
        // It is about whoever is signed in, whosever the passkey is.
        let refusal = Refusal { user: Some(who.user().id.clone()), ..*refusal };
        return Ok(Err(refusal.record(tx, ctx, "reauthentication")?));
    }
    let entropy = ctx.entropy();
    let proof = give_proof(tx, &entropy, who.session(), ctx.now, ctx.now)?;
    Ok(Ok((proof, renew(tx, ctx, &entropy, who.session())?)))
}

/// Without an assertion, a passkey sign-in of at most a minute ago is the proof (oidc.md §5.1).
pub fn reauthenticate_by_session(tx: &WriteTx<'_>, ctx: &Ctx, who: &SessionUser) -> Result<Secret, Error> {
    let session = who.session();
    if session.began_by == BeganBy::Passkey && ctx.now.secs_since(session.auth_time) <= 60 {
        // The proof is as old as the sign-in: it can't stand for a ceremony inside a later interaction.
        return give_proof(tx, &ctx.entropy(), session, session.auth_time, ctx.now);
    }
    Err(Error::new(Code::ReauthenticationRequired))
}

fn give_proof(
    tx: &WriteTx<'_>,
    entropy: &Entropy,
    session: &Session,
    at: Timestamp,
    now: Timestamp,
) -> Result<Secret, Error> {
    let token = entropy.token();
    let expires_at = now.plus_secs(REAUTHENTICATION_SECS);
    sessions::insert_reauthentication(tx, &sha256(token.as_bytes()), session, at, expires_at)?;
    Ok(Secret::new(token))
}

/// A person's own passkeys.
pub fn list_own(tx: &ReadTx<'_>, who: &SignedIn) -> Result<Vec<Passkey>, Error> {
    Ok(passkeys::by_user(tx, &who.user().id)?)
}

/// Another person's passkeys.
pub fn list_of(tx: &ReadTx<'_>, _: &ReadsPeople, user: &UserId) -> Result<Vec<Passkey>, Error> {
    users::by_id(tx, user)?.ok_or_else(|| Error::new(Code::UserNotFound))?;
    Ok(passkeys::by_user(tx, user)?)
}

/// One's own passkey.
pub fn get(tx: &ReadTx<'_>, who: &SignedIn, id: &PasskeyId) -> Result<Passkey, Error> {
    find(tx, &who.user().id, id)
}

/// Renames one's own passkey.
pub fn rename(
    tx: &WriteTx<'_>,
    ctx: &Ctx,
    who: &MayEnrol,
    id: &PasskeyId,
    name: &str,
    if_match: Option<i64>,
) -> Result<Passkey, Error> {
    let name = nfc(name.trim());
    let mut fields = Fields::new();
    fields.length("name", &name, 1, 50);
    fields.finish()?;
    let user = &who.who().user().id;
    let before = find(tx, user, id)?;
    check_version(if_match, before.version)?;
    passkeys::rename(tx, id, user, &name)?;
    let passkey = find(tx, user, id)?;
    note(&passkey).change("name", &before.name, &name).record(
        tx,
        ctx,
        &ctx.entropy(),
        Event::PasskeyRenamed,
        Some(user),
        None,
    )?;
    Ok(passkey)
}

/// Deletes one's own passkey, also the last one: the page warns, the API allows it (security case 59), save for the last
/// administrator.
pub fn delete_own(
    tx: &WriteTx<'_>,
    ctx: &Ctx,
    who: &MayEnrol,
    id: &PasskeyId,
    if_match: Option<i64>,
) -> Result<(), Error> {
    let user = &who.who().user().id;
    let passkey = find(tx, user, id)?;
    check_version(if_match, passkey.version)?;
    keep_an_admin(tx, who.who().user(), id)?;
    passkeys::delete(tx, id, user)?;
    let message = Message::PasskeyRemoved { by: Some(By::of(ctx)), passkey: passkey.name.clone() };
    mail::tell(tx, ctx, &settings::load(tx)?, who.who().user(), Notice::Passkey, message)?;
    record(tx, ctx, &ctx.entropy(), Event::PasskeyRemoved, &passkey, None)
}

/// Deletes another person's passkey.
pub fn delete_of(
    tx: &WriteTx<'_>,
    ctx: &Ctx,
    target: &ManagedUser<'_>,
    id: &PasskeyId,
    if_match: Option<i64>,
) -> Result<(), Error> {
    let (owner, user) = (target.user(), &target.user().id);
    let passkey = find(tx, user, id)?;
    check_version(if_match, passkey.version)?;
    keep_an_admin(tx, owner, id)?;
    passkeys::delete(tx, id, user)?;
    let message = Message::PasskeyRemoved { by: None, passkey: passkey.name.clone() };
    mail::tell(tx, ctx, &settings::load(tx)?, owner, Notice::Passkey, message)?;
    record(tx, ctx, &ctx.entropy(), Event::PasskeyRemoved, &passkey, Some(target.by()))
}

/// Without their last passkey that may be used the last administrator could not sign in any more (security case 74).
fn keep_an_admin(tx: &ReadTx<'_>, owner: &User, gone: &PasskeyId) -> Result<(), Error> {
    let policy = settings::load(tx)?.passkey_policy().at_use();
    let is_last = owner.is_admin && !owner.disabled && !users::other_admin(tx, &owner.id, &policy)?;
    let mut good = passkeys::by_user(tx, &owner.id)?;
    good.retain(|passkey| policy.judge(&passkey.traits()).is_ok());
    if is_last && matches!(&good[..], [only] if only.id == *gone) {
        return Err(Error::say(Saying::LastPasskey, &[]));
    }
    Ok(())
}

fn find(tx: &ReadTx<'_>, user: &UserId, id: &PasskeyId) -> Result<Passkey, Error> {
    let mine = passkeys::by_user(tx, user)?;
    mine.into_iter().find(|p| p.id == *id).ok_or_else(|| Error::not_found("Passkey"))
}

fn record(
    tx: &WriteTx<'_>,
    ctx: &Ctx,
    entropy: &Entropy,
    event: Event,
    passkey: &Passkey,
    actor: Option<&User>,
) -> Result<(), Error> {
    let note = note(passkey);
    let note = match actor {
        Some(actor) => note.with("actorUserID", actor.id.as_str()).with("actorUsername", &actor.username),
        None => note,
    };
    note.record(tx, ctx, entropy, event, Some(&passkey.user_id), actor.map(|a| &a.id))
}

fn note(passkey: &Passkey) -> Note {
    let id: String = passkey.credential_id.iter().map(|b| format!("{b:02x}")).collect();
    Note::about(&[("credentialID", id.as_str()), ("passkeyName", passkey.name.as_str())])
}

/// A credential id that is taken in the same moment by a parallel registration.
fn duplicate(error: StoreError) -> Error {
    match error {
        StoreError::UniqueViolation { .. } => Error::new(Code::PasskeyAlreadyRegistered),
        other => other.into(),
    }
}
