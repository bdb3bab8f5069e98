//! The device authorization grant (RFC 8628, oidc.md §21): a device asks, a person types its code and decides by a click,
//! and the device, which keeps asking, gets tokens.

use pid_core::audit::Event;
use pid_core::secret::{Secret, sha256};
use pid_core::{Ctx, GrantId, Timestamp, handle};
use pid_oidc::authorize::{ClientView, Consent};
use pid_oidc::cimd::CimdGrant;
use pid_oidc::consent::{Need, further_needs};
use pid_oidc::device::{
    Approval, ApprovalFacts, DeviceRequest, DeviceResponse, DeviceState, DeviceTokenRequest, DeviceView, EntryError,
    INTERVAL, LIFETIME, Poll, RANDOM_LENGTH, UserCode, approve, check_entry, poll as judge, unknown,
};
use pid_oidc::pkce::Challenge;
use pid_oidc::resource::Target;
use pid_oidc::{OAuthError, Params, ScopeSet};
use pid_store::device_authorizations::{self as devices, DeviceAuthorization};
use pid_store::grants::{self, Grant, RevokedBy};
use pid_store::protocol::ProtocolClient;
use pid_store::{ReadTx, WriteTx, sessions};

use crate::access::SessionUser;
use crate::budget::{USER_CODE, USER_CODE_GLOBAL, address_subject};
use crate::client_auth::{Authenticated, Presented, admit};
use crate::env::{Env, Snapshot};
use crate::protocol::{client, session_view, user_view};
use crate::scope_words::Words;
use crate::token::{First, Key, Outcome, first_tokens, kill};
use crate::{Code, Error, Saying, audit, cimd, resource, scope_words};

/// Begins a device authorization (RFC 8628 §3.1).
pub fn begin(
    tx: &WriteTx<'_>,
    ctx: &Ctx,
    env: &Env,
    site: &Snapshot,
    presented: &Presented,
    form: &Params,
    limited: bool,
) -> Result<Result<DeviceResponse, OAuthError>, Error> {
    let mut found = match admit(tx, ctx, presented, limited)? {
        Ok(found) => found,
        Err(error) => return Ok(Err(error)),
    };
    if !cimd::may(&found.client, CimdGrant::DeviceCode) {
        return Ok(Err(cimd::undeclared()));
    }
    if resource::is_concerned(form) {
        found.view.apis = resource::of_client(tx, &found.client)?;
    }
    let read = DeviceRequest::parse(form, found.client.id.as_str(), site.settings.allow_plain_pkce())
        .and_then(|request| Ok((request.target(&found.view, site.scopes.user_scopes())?, request)));
    let (target, request) = match read {
        Ok(read) => read,
        Err(error) => return Ok(Err(error)),
    };
    let entropy = ctx.entropy();
    let user_code = loop {
        let code = UserCode::new(&entropy.text(pid_oidc::device::ALPHABET, RANDOM_LENGTH));
        if devices::by_user_code(tx, &hash(&code))?.is_none() {
            break code;
        }
    };
    let id = entropy.uuid_at(ctx.now);
    let device_code = format!("pocket_id_dc_{}", handle::make(&id, 0, &entropy.bytes()));
    let row = DeviceAuthorization {
        id,
        client_id: found.client.id,
        scopes: target.scopes.to_string(),
        resource: target.resource,
        nonce: request.nonce,
        challenge: request.challenge.map(|c| (c.value().to_owned(), c.method().as_str().to_owned())),
        ip_address: ctx.ip_address.clone(),
        user_agent: ctx.user_agent.clone(),
        state: DeviceState::Pending.as_str().to_owned(),
        requested_at: ctx.now,
        expires_at: ctx.now.plus_secs(LIFETIME),
        polled_at: None,
        interval_secs: INTERVAL,
        grant_id: None,
    };
    devices::insert(tx, &row, &sha256(device_code.as_bytes()), &hash(&user_code))?;
    Ok(Ok(DeviceResponse::new(device_code, &user_code, &env.app_url.origin)))
}

/// What a person is shown before they decide.
#[derive(Clone, Debug)]
pub struct Status {
    /// The code, as it stands on the device.
    pub user_code: String,
    /// Requested scopes.
    pub scopes: Vec<String>,
    /// What they mean.
    pub words: Words,
    /// Whose device it is.
    pub client: ProtocolClient,
    /// Where the device asked from.
    pub ip_address: String,
    /// With what.
    pub user_agent: String,
    /// Whether there is something that this person has not agreed to before.
    pub consent_required: bool,
    /// Whether the client wants a fresh passkey ceremony.
    pub reauthentication_required: bool,
}

/// A device that waits, with what it wants.
struct Waiting {
    row: DeviceAuthorization,
    view: DeviceView,
    client: ProtocolClient,
    client_view: ClientView,
    target: Target,
    needs: Vec<Need>,
}

fn device_view(row: &DeviceAuthorization) -> DeviceView {
    DeviceView {
        client_id: row.client_id.to_string(),
        state: DeviceState::parse(&row.state),
        requested_at: row.requested_at.secs(),
        expires_at: row.expires_at.secs(),
        polled_at: row.polled_at.map(Timestamp::secs),
        interval: row.interval_secs,
        challenge: row.challenge.clone().and_then(|(value, method)| Challenge::from_stored(&method, value)),
    }
}

fn find(tx: &ReadTx<'_>, site: &Snapshot, typed: &str, now: Timestamp) -> Result<Waiting, Error> {
    let row = match UserCode::parse(typed) {
        Some(code) => devices::by_user_code(tx, &hash(&code))?,
        None => None,
    };
    let view = row.as_ref().map(device_view);
    let view = check_entry(view.as_ref(), now.secs()).cloned().map_err(|error| {
        Error::new(match error {
            EntryError::Unknown => Code::OidcInvalidDeviceCode,
            EntryError::Expired => Code::OidcDeviceCodeExpired,
        })
    })?;
    let row = row.ok_or_else(|| Error::new(Code::OidcInvalidDeviceCode))?;
    let found = client(tx, row.client_id.as_str())?.ok_or_else(|| Error::new(Code::OidcInvalidDeviceCode))?;
    let scopes = ScopeSet::parse(&row.scopes).map_err(Error::internal)?;
    let target = Target { resource: row.resource.clone(), scopes };
    let needs = further_needs(&target, site.scopes.user_scopes());
    Ok(Waiting { row, view, client: found.0, client_view: found.1, target, needs })
}

/// Refuses whoever has guessed too often.
pub(crate) fn check_budget(tx: &ReadTx<'_>, ctx: &Ctx, who: &SessionUser) -> Result<(), Error> {
    USER_CODE.check(tx, &address_subject(&ctx.ip_address), ctx.now)?;
    USER_CODE.check(tx, who.user().id.as_str(), ctx.now)?;
    USER_CODE_GLOBAL.check(tx, "all", ctx.now)
}

/// Counts a code that was not good: per address, per person, and for everybody.
///
/// # Errors
/// As of a code that can't be tried any more, for those that were tried at the same time.
pub fn count_failure(tx: &WriteTx<'_>, ctx: &Ctx, who: &SessionUser) -> Result<(), Error> {
    check_budget(tx, ctx, who)?;
    USER_CODE.fail(tx, &address_subject(&ctx.ip_address), ctx.now)?;
    USER_CODE.fail(tx, who.user().id.as_str(), ctx.now)?;
    USER_CODE_GLOBAL.fail(tx, "all", ctx.now)
}

/// Whether a refusal counts as a guess.
pub fn is_guess(error: &Error) -> bool {
    matches!(error.code, Code::OidcInvalidDeviceCode)
}

/// What a device wants, for the person whose session this is. A refusal that [`is_guess`] must be counted.
pub fn info(
    tx: &ReadTx<'_>,
    ctx: &Ctx,
    site: &Snapshot,
    who: &SessionUser,
    typed: &str,
    limited: bool,
) -> Result<Status, Error> {
    if limited {
        check_budget(tx, ctx, who)?;
    }
    let waiting = find(tx, site, typed, ctx.now)?;
    let user = user_view(tx, who.user(), &waiting.client_view)?;
    waiting.client_view.check_person(&user).map_err(|_| Error::new(Code::OidcAccessDenied))?;
    let consent = consent(tx, who, &waiting)?;
    Ok(Status {
        user_code: UserCode::parse(typed).map(|code| code.as_str().to_owned()).unwrap_or_default(),
        words: scope_words::of(tx, site, &waiting.target)?,
        consent_required: !consent.is_some_and(|c| c.is_enough(&waiting.target.scopes, &waiting.needs)),
        reauthentication_required: waiting.client.requires_reauthentication,
        scopes: waiting.target.scopes.as_slice().to_vec(),
        client: waiting.client,
        ip_address: waiting.row.ip_address,
        user_agent: waiting.row.user_agent,
    })
}

fn consent(tx: &ReadTx<'_>, who: &SessionUser, waiting: &Waiting) -> Result<Option<Consent>, Error> {
    Ok(grants::consent(tx, &who.user().id, &waiting.client.id)?.map(|keys| Consent { keys }))
}

/// What a person decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The device may act for them.
    Allow,
    /// It may not.
    Deny,
}

/// Carries out what a person decided. `Err` inside was counted as a guess.
pub fn decide(
    tx: &WriteTx<'_>,
    ctx: &Ctx,
    site: &Snapshot,
    who: &SessionUser,
    typed: &str,
    verdict: Verdict,
    reauthentication: Option<&Secret>,
    limited: bool,
) -> Result<Result<(), Error>, Error> {
    if limited {
        check_budget(tx, ctx, who)?;
    }
    let waiting = match find(tx, site, typed, ctx.now) {
        Ok(waiting) => waiting,
        Err(error) if is_guess(&error) => {
            if limited {
                count_failure(tx, ctx, who)?;
            }
            return Ok(Err(error));
        }
        Err(error) => return Err(error),
    };
    if verdict == Verdict::Deny {
        let first = devices::decide(tx, &waiting.row.id, None)?;
        if first {
            let data = [("clientName", waiting.client.name.as_str()), ("clientID", waiting.client.id.as_str())];
            let user = Some(&who.user().id);
            audit::record(tx, ctx, &ctx.entropy(), Event::DeviceCodeDenied, user, None, &data)?;
        }
        return taken(first);
    }
    still_usable(tx, &waiting)?;
    let session = session_view(who.session());
    let user = user_view(tx, who.user(), &waiting.client_view)?;
    let recorded = consent(tx, who, &waiting)?;
    let reauthenticated_at = match reauthentication {
        Some(cookie) if waiting.client.requires_reauthentication => {
            sessions::take_reauthentication(tx, &sha256(cookie.expose().as_bytes()), who.session(), ctx.now)?
        }
        _ => None,
    };
    let facts = ApprovalFacts {
        session: &session,
        user: &user,
        consent: recorded.as_ref(),
        needs: &waiting.needs,
        reauthenticated_at: reauthenticated_at.map(Timestamp::secs),
    };
    match approve(&waiting.view, &waiting.target.scopes, &waiting.client_view, facts) {
        Approval::Refused(_) => Err(Error::new(Code::OidcAccessDenied)),
        Approval::Reauthenticate => Err(Error::new(Code::ReauthenticationRequired)),
        Approval::Granted { auth_time, amr, consent_is_new } => {
            let terms = Terms { auth_time, amr, consent: recorded.unwrap_or_default(), consent_is_new };
            grant(tx, ctx, who, &waiting, terms)
        }
    }
}

fn taken(first: bool) -> Result<Result<(), Error>, Error> {
    if first { Ok(Ok(())) } else { Err(Error::new(Code::OidcInvalidDeviceCode)) }
}

/// Whether the client may still ask for this of its API, so that nobody approves what can't be redeemed.
fn still_usable(tx: &ReadTx<'_>, waiting: &Waiting) -> Result<(), Error> {
    let Some(name) = &waiting.target.resource else { return Ok(()) };
    let api = resource::by_name(tx, &waiting.client, name)?;
    match api.and_then(|api| api.for_users) {
        Some(_) => Ok(()),
        None => Err(Error::say(Saying::ApiWithdrawn, &[])),
    }
}

struct Terms {
    auth_time: i64,
    amr: Vec<String>,
    consent: Consent,
    consent_is_new: bool,
}

/// Records the consent and what it allows; the device fetches it.
fn grant(
    tx: &WriteTx<'_>,
    ctx: &Ctx,
    who: &SessionUser,
    waiting: &Waiting,
    terms: Terms,
) -> Result<Result<(), Error>, Error> {
    let (user, entropy) = (who.user(), ctx.entropy());
    if terms.consent_is_new {
        let consent = terms.consent.merged(&waiting.target.scopes).with(&waiting.needs);
        grants::put_consent(tx, &user.id, &waiting.client.id, &consent.keys, ctx.now)?;
    } else {
        grants::use_consent(tx, &user.id, &waiting.client.id, ctx.now)?;
    }
    let grant = Grant {
        id: GrantId::generate_at(&entropy, ctx.now),
        client_id: waiting.client.id.clone(),
        user_id: user.id.clone(),
        session_id: who.session().id.clone(),
        scopes: waiting.row.scopes.clone(),
        nonce: waiting.row.nonce.clone(),
        acr: None,
        amr: terms.amr,
        auth_time: Timestamp::from_secs(terms.auth_time),
        requested_at: waiting.row.requested_at,
        created_at: ctx.now,
        expires_at: ctx.now.plus_secs(LIFETIME),
        revoked_at: None,
        claims: None,
        resource: waiting.row.resource.clone(),
        dpop_jkt: None,
    };
    grants::insert(tx, &grant)?;
    let event = if terms.consent_is_new { Event::NewDeviceCodeAuthorization } else { Event::DeviceCodeAuthorization };
    audit::record(tx, ctx, &entropy, event, Some(&user.id), None, &[("clientName", &waiting.client.name)])?;
    taken(devices::decide(tx, &waiting.row.id, Some(&grant.id))?)
}

/// Answers a device that asks for its tokens (RFC 8628 §3.4, §3.5).
pub(crate) fn poll(
    tx: &WriteTx<'_>,
    ctx: &Ctx,
    env: &Env,
    site: &Snapshot,
    authenticated: &Authenticated,
    key: Key<'_>,
    request: &DeviceTokenRequest,
) -> Result<Outcome, Error> {
    let client = &authenticated.client;
    let row = devices::by_device_code(tx, &request.device_code)?;
    let view = row.as_ref().map(device_view);
    let verdict = judge(view.as_ref(), client.id.as_str(), request, ctx.now.secs());
    let Some(row) = row else { return Ok(Outcome::Refused(unknown())) };
    let granted = match &row.grant_id {
        Some(id) => grants::by_id(tx, id)?,
        None => None,
    };
    match (verdict, granted) {
        (Poll::Wait { error, interval }, _) => {
            devices::polled(tx, &row.id, interval, ctx.now)?;
            Ok(Outcome::Refused(error))
        }
        (Poll::Refuse(error), _) | (Poll::Replayed(error), None) => Ok(Outcome::Refused(error)),
        (Poll::Replayed(error), Some(grant)) => {
            kill(tx, ctx, client, &grant, RevokedBy::CodeReuse)?;
            Ok(Outcome::Refused(error))
        }
        (Poll::Issue, None) => Ok(Outcome::Refused(unknown())),
        (Poll::Issue, Some(grant)) => {
            let first = First { grant: &grant, resource: request.resource.as_ref(), unknown };
            first_tokens(tx, ctx, env, site, authenticated, key, first, || devices::redeem(tx, &row.id))
        }
    }
}

fn hash(code: &UserCode) -> [u8; 32] {
    sha256(code.as_str().as_bytes())
}
