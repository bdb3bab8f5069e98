//! The authorization endpoint (oidc.md §8, §9): decide in a read transaction; whatever needs a write decides again
//! inside it, so that no answer is stale.

use pid_core::audit::Event;
use pid_core::secret::{Secret, sha256};
use pid_core::sessions::Session;
use pid_core::users::User;
use pid_core::{Ctx, GrantId, InteractionId, Timestamp, UserId, handle};
use pid_oidc::authorize::{
    self, AuthorizationRequest, ClientError, ClientView, Consent, Decision, Facts, InteractionView, Issue, Policy,
    Refusal, Rejection, Requirements, SessionView, UserView, ValidRequest,
};
use pid_oidc::cimd::CimdGrant;
use pid_oidc::consent::{Need, further_needs};
use pid_oidc::par::{Arrival as Way, Reference, check_arrival};
use pid_oidc::response::{self, Delivery};
use pid_oidc::{ErrorCode, OAuthError, Params, acr};
use pid_store::grants::{self, Grant};
use pid_store::interactions::{self, Interaction};
use pid_store::protocol::ProtocolClient;
use pid_store::{ReadTx, WriteTx};

use crate::access::Credentials;
use crate::diagnosis::shown_id;
use crate::env::{Env, Snapshot};
use crate::protocol::{announce_client, claims_view, client, hint_claims, lifetimes, session_view, user_view};
use crate::{Error, audit, cimd, par, resource};

/// An interaction lives this long, seconds.
pub const INTERACTION_SECS: i64 = 3600;

/// What arrived at `/authorize`.
#[derive(Clone, Debug)]
pub struct Arrival {
    /// The request, as it was sent.
    pub asked: Asked,
    /// The value of the cookie that binds interactions to this browser: the one that came, or a new one.
    pub browser: Secret,
    /// Who is signed in, unchecked.
    pub credentials: Credentials,
}

/// The ways in which a request comes.
#[derive(Clone, Debug)]
pub enum Asked {
    /// Query and body together, those of a request object that was accepted among them.
    Parameters(Params),
    /// What stands beside a request object that was refused: it may say whom to tell.
    Faulty(Params, OAuthError),
    /// The name of a request that was pushed before.
    Pushed(Reference),
    /// From an interaction that it began before.
    Resumed(InteractionId),
}

/// Where the browser goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// To the client, with a code.
    Deliver(Delivery),
    /// To the client, with an error.
    Refuse(Delivery, Box<Refused>),
    /// To the interaction page.
    Interact(InteractionId),
    /// To our error page.
    Page(OAuthError),
    /// To our error page, which offers the way back to the client: there the request is cancelled.
    Denied(Box<Refused>, InteractionId),
}

/// What was refused: for whoever looks for the cause.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// Why.
    pub error: OAuthError,
    /// The request.
    pub params: Params,
    /// Who is signed in.
    pub person: Option<UserId>,
    /// The id that was put beside the sentence, for whoever reads it.
    pub shown: Option<String>,
}

impl Refused {
    /// With an id, unless the answer is one that apps ask for silently: those show nobody a sentence.
    fn new(error: OAuthError, params: Params, person: Option<UserId>) -> Self {
        let silent = [ErrorCode::LoginRequired, ErrorCode::ConsentRequired, ErrorCode::InteractionRequired];
        let client_id = params.first("client_id").unwrap_or_default();
        let shown = (!silent.contains(&error.code())).then(|| shown_id(client_id, person.as_ref(), &error));
        Self { error, params, person, shown }
    }

    /// The error as the client is told it.
    fn told(&self) -> OAuthError {
        match &self.shown {
            Some(id) => self.error.clone().with_reference(id),
            None => self.error.clone(),
        }
    }
}

/// Everything that was read to decide a request.
pub(crate) struct Case {
    pub client: ProtocolClient,
    pub client_view: ClientView,
    pub request: ValidRequest,
    pub raw: Params,
    pub interaction: Option<Interaction>,
    pub session: Option<Session>,
    pub user: Option<User>,
    session_view: Option<SessionView>,
    user_view: Option<UserView>,
    pub consent: Option<Consent>,
    pub needs: Vec<Need>,
    hint_subject: Option<String>,
}

/// The client of a request, with its APIs if the request may be about one.
pub(crate) fn client_for(
    tx: &ReadTx<'_>,
    sent: &AuthorizationRequest,
) -> Result<Option<(ProtocolClient, ClientView)>, Error> {
    let mut found = client(tx, sent.client_id())?;
    if let Some((client, view)) = &mut found
        && resource::is_concerned(sent.params())
    {
        view.apis = resource::of_client(tx, client)?;
    }
    Ok(found)
}

/// What this deployment allows.
pub(crate) fn policy<'a>(env: &Env, site: &'a Snapshot) -> Policy<'a> {
    Policy {
        allow_insecure_callbacks: env.allow_insecure_callbacks,
        allow_plain_pkce: site.settings.allow_plain_pkce(),
        user_scopes: site.scopes.user_scopes(),
    }
}

/// Reads a request, or answers why it goes no further.
pub(crate) fn open_case(
    tx: &ReadTx<'_>,
    now: Timestamp,
    env: &Env,
    site: &Snapshot,
    arrival: &Arrival,
) -> Result<Result<Case, Answer>, Error> {
    arrival.credentials.announce(tx, now)?;
    if let Asked::Parameters(params) = &arrival.asked
        && let Some(id) = params.first("client_id")
    {
        announce_client(tx, id, false)?;
    }
    let interaction = match &arrival.asked {
        Asked::Resumed(id) => match interactions::live(tx, id, &browser_hash(&arrival.browser), now)? {
            Some(found) => Some(found),
            None => return Ok(Err(Answer::Page(gone()))),
        },
        _ => None,
    };
    let (raw, way, fault) = match &arrival.asked {
        Asked::Parameters(params) => (Some(params.clone()), Way::Plain, None),
        Asked::Faulty(params, fault) => (Some(params.clone()), Way::Plain, Some(fault.clone())),
        Asked::Pushed(reference) => (par::parameters(tx, reference)?, Way::Pushed, None),
        Asked::Resumed(_) => (interaction.as_ref().and_then(|i| stored_params(&i.parameters)), Way::Resumed, None),
    };
    let Some(raw) = raw else { return Ok(Err(Answer::Page(gone()))) };
    let sent = match AuthorizationRequest::new(raw.clone()) {
        Ok(sent) => sent,
        Err(error) => return Ok(Err(Answer::Page(error))),
    };
    let found = client_for(tx, &sent)?;
    let unusable = found.as_ref().map(|(client, _)| cimd::check(site, client));
    if let Some(Err(error)) = unusable {
        return Ok(Err(Answer::Page(error)));
    }
    let undeclared = found
        .as_ref()
        .is_some_and(|(client, _)| !cimd::may(client, CimdGrant::AuthorizationCode))
        .then(cimd::undeclared);
    let must_push = found.as_ref().is_some_and(|(c, _)| c.requires_pushed) || site.settings.require_pushed_requests();
    let fault = fault.or(undeclared).or_else(|| check_arrival(way, must_push).err());
    let request = match sent.with_fault(fault).validate(found.as_ref().map(|(_, view)| view), policy(env, site)) {
        Ok(request) => request,
        Err(Rejection::Page(error)) => return Ok(Err(Answer::Page(error))),
        Err(Rejection::Client(error)) => {
            let refused = Refused::new(error.error.clone(), raw, None);
            let told = ClientError { error: refused.told(), ..*error };
            return Ok(Err(Answer::Refuse(response::rejection(&told, &env.app_url.origin), Box::new(refused))));
        }
    };
    let Some((client, client_view)) = found else { return Ok(Err(Answer::Page(gone()))) };
    let who = arrival.credentials.optional_session(tx, now)?;
    let (session, user) = match &who {
        Some(who) => (Some(who.session().clone()), Some(who.user().clone())),
        None => (None, None),
    };
    let user_view = user.as_ref().map(|u| user_view(tx, u, &client_view)).transpose()?;
    let consent = match &user {
        Some(user) => grants::consent(tx, &user.id, &client.id)?.map(|keys| Consent { keys }),
        None => None,
    };
    let needs = match (&request.claims, &user) {
        (Some(claims), Some(user)) => {
            claims.needs(&request.scopes, site.scopes.all(), &claims_view(tx, user)?.custom_claim_names())
        }
        _ => Vec::new(),
    };
    let needs = [needs, further_needs(&request.target(), site.scopes.user_scopes())].concat();
    let hint_subject = request.id_token_hint.as_deref().and_then(|hint| {
        let claims = hint_claims(&site.keys, &env.app_url.origin, hint, now.secs())?;
        claims.get("sub").and_then(|sub| sub.as_str()).map(str::to_owned)
    });
    Ok(Ok(Case {
        session_view: session.as_ref().map(session_view),
        client,
        client_view,
        request,
        raw,
        interaction,
        session,
        user,
        user_view,
        consent,
        needs,
        hint_subject,
    }))
}

impl Case {
    fn refused(&self, error: OAuthError) -> Box<Refused> {
        let person = self.user.as_ref().map(|user| user.id.clone());
        Box::new(Refused::new(error, self.raw.clone(), person))
    }

    fn told(&self, error: OAuthError, env: &Env) -> Answer {
        let refused = self.refused(error);
        Answer::Refuse(response::refusal(&self.request, &refused.told(), &env.app_url.origin), refused)
    }

    fn decide(&self, now: Timestamp) -> Decision {
        let interaction = self.interaction.as_ref().map(interaction_view);
        authorize::decide(
            &self.request,
            &self.client_view,
            &Facts {
                session: self.session_view.as_ref(),
                user: self.user_view.as_ref(),
                consent: self.consent.as_ref(),
                interaction: interaction.as_ref(),
                hint_subject: self.hint_subject.as_deref(),
                needs: &self.needs,
                now: now.secs(),
            },
        )
    }
}

/// Answers a request that needs no write: refusals. `None` means that [`act`] must run.
pub fn look(
    tx: &ReadTx<'_>,
    now: Timestamp,
    env: &Env,
    site: &Snapshot,
    arrival: &Arrival,
) -> Result<Option<Answer>, Error> {
    if matches!(arrival.asked, Asked::Pushed(_)) {
        // It is used up, whatever the answer is.
        return Ok(None);
    }
    let case = match open_case(tx, now, env, site, arrival)? {
        Ok(case) => case,
        Err(answer) => return Ok(Some(answer)),
    };
    Ok(match case.decide(now) {
        Decision::Refuse(Refusal::Client(error)) => Some(case.told(error, env)),
        _ => None,
    })
}

/// Decides in this transaction and does what follows: issues the code, or keeps the request for the pages.
pub fn act(tx: &WriteTx<'_>, ctx: &Ctx, env: &Env, site: &Snapshot, arrival: &Arrival) -> Result<Answer, Error> {
    if let Asked::Pushed(reference) = &arrival.asked
        && let Err(error) = par::take(tx, reference, ctx.now)?
    {
        return Ok(Answer::Page(error));
    }
    let case = match open_case(tx, ctx.now, env, site, arrival)? {
        Ok(case) => case,
        Err(answer) => return Ok(answer),
    };
    match case.decide(ctx.now) {
        Decision::Refuse(Refusal::Client(error)) => Ok(case.told(error, env)),
        Decision::Refuse(Refusal::Page(error)) => {
            // Whoever comes back with this request still owes what it asks for.
            let id = match &case.interaction {
                Some(known) => known.id.clone(),
                None => wait(tx, ctx, arrival, &case, asked_for(&case.request))?,
            };
            Ok(Answer::Denied(case.refused(error), id))
        }
        Decision::Issue(terms) => issue(tx, ctx, env, &case, &terms),
        Decision::SignIn(owed)
        | Decision::SelectAccount(owed)
        | Decision::Reauthenticate(owed)
        | Decision::Consent(owed) => Ok(Answer::Interact(wait(tx, ctx, arrival, &case, owed)?)),
    }
}

/// What a request asks for whoever it is.
fn asked_for(request: &ValidRequest) -> Requirements {
    Requirements {
        select_account: request.prompt.select_account,
        consent: request.prompt.consent,
        ..Requirements::default()
    }
}

/// Keeps the request: a new interaction, or the progress of the one that is resumed.
fn wait(
    tx: &WriteTx<'_>,
    ctx: &Ctx,
    arrival: &Arrival,
    case: &Case,
    owed: Requirements,
) -> Result<InteractionId, Error> {
    if let Some(known) = &case.interaction {
        let mut view = interaction_view(known);
        view.outstanding = owed;
        interactions::update(tx, &with_view(known.clone(), &view))?;
        return Ok(known.id.clone());
    }
    let view = authorize::begin(owed, case.session_view.as_ref(), ctx.now.secs());
    let blank = Interaction {
        id: InteractionId::generate_at(&ctx.entropy(), ctx.now),
        client_id: case.client.id.clone(),
        user_id: None,
        parameters: params_text(&case.raw),
        scopes: case.request.scopes.to_string(),
        authentication_required: false,
        account_selection_required: false,
        reauthentication_required: false,
        consent_required: false,
        requested_at: ctx.now,
        reauthenticated_at: None,
        expires_at: ctx.now.plus_secs(INTERACTION_SECS),
    };
    let interaction = with_view(blank, &view);
    interactions::insert(tx, &interaction, &browser_hash(&arrival.browser))?;
    Ok(interaction.id)
}

fn issue(tx: &WriteTx<'_>, ctx: &Ctx, env: &Env, case: &Case, terms: &Issue) -> Result<Answer, Error> {
    let (Some(user), Some(session)) = (&case.user, &case.session) else {
        return Err(Error::internal("a code was decided without a session"));
    };
    if let Some(interaction) = &case.interaction
        && !interactions::delete(tx, &interaction.id)?
    {
        return Ok(Answer::Page(gone()));
    }
    let entropy = ctx.entropy();
    if terms.consent_is_new {
        let consent = case.consent.clone().unwrap_or_default().merged(&case.request.scopes).with(&case.needs);
        grants::put_consent(tx, &user.id, &case.client.id, &consent.keys, ctx.now)?;
    } else {
        grants::use_consent(tx, &user.id, &case.client.id, ctx.now)?;
    }
    let code_secs = lifetimes(&case.client).code;
    let grant = Grant {
        id: GrantId::generate_at(&entropy, ctx.now),
        client_id: case.client.id.clone(),
        user_id: user.id.clone(),
        session_id: session.id.clone(),
        scopes: case.request.scopes.to_string(),
        nonce: case.request.nonce.clone(),
        acr: case.request.wants_acr.then(|| acr::of(&terms.amr).to_owned()),
        amr: terms.amr.clone(),
        auth_time: Timestamp::from_secs(terms.auth_time),
        requested_at: Timestamp::from_secs(terms.requested_at),
        created_at: ctx.now,
        expires_at: ctx.now.plus_secs(code_secs),
        revoked_at: None,
        resource: case.request.resource.clone(),
        dpop_jkt: case.request.dpop_jkt.clone(),
        claims: case.request.claims.as_ref().and_then(|_| case.raw.first("claims")).map(str::to_owned),
    };
    grants::insert(tx, &grant)?;
    let code = format!("pocket_id_ac_{}", handle::make(grant.id.as_str(), 0, &entropy.bytes()));
    let row = grants::Code {
        grant_id: grant.id,
        redirect_uri: case.request.redirect_uri.as_str().to_owned(),
        redirect_uri_sent: case.request.redirect_uri_sent,
        challenge: case.request.challenge.as_ref().map(|c| (c.value().to_owned(), c.method().as_str().to_owned())),
        expires_at: ctx.now.plus_secs(code_secs),
        used_at: None,
    };
    grants::insert_code(tx, &sha256(code.as_bytes()), &row)?;
    if case.request.challenge.is_some() && !case.client.pkce_enabled && !case.client.pkce_supported {
        pid_store::protocol::mark_pkce_supported(tx, &case.client.id)?;
    }
    let event = if terms.consent_is_new { Event::NewClientAuthorization } else { Event::ClientAuthorization };
    audit::record(tx, ctx, &entropy, event, Some(&user.id), None, &[("clientName", &case.client.name)])?;
    Ok(Answer::Deliver(response::success(&case.request, &code, &case.request.scopes, &env.app_url.origin)))
}

/// The person doesn't want to: the client is told `access_denied` (RFC 6749 §4.1.2.1) and the interaction ends.
pub fn deny(tx: &WriteTx<'_>, ctx: &Ctx, env: &Env, site: &Snapshot, arrival: &Arrival) -> Result<Answer, Error> {
    let case = match open_case(tx, ctx.now, env, site, arrival)? {
        Ok(case) => case,
        Err(answer) => return Ok(answer),
    };
    if let Some(interaction) = &case.interaction {
        interactions::delete(tx, &interaction.id)?;
    }
    let error = OAuthError::new(ErrorCode::AccessDenied, "The request was cancelled.");
    Ok(case.told(error, env))
}

/// The answer to an interaction that is not (or no longer) there for this browser.
fn gone() -> OAuthError {
    OAuthError::invalid_request("This sign-in request has expired or was used already.")
        .with_hint("This sign-in request has expired or was used already. Go back to the app and sign in again.")
}

pub(crate) fn browser_hash(browser: &Secret) -> [u8; 32] {
    sha256(browser.expose().as_bytes())
}

pub(crate) fn params_text(params: &Params) -> String {
    let pairs: Vec<(&str, &str)> = params.iter().filter(|(name, _)| *name != "interaction").collect();
    serde_json::to_string(&pairs).unwrap_or_else(|_| "[]".to_owned())
}

pub(crate) fn stored_params(text: &str) -> Option<Params> {
    let pairs: Vec<(String, String)> = serde_json::from_str(text).ok()?;
    Params::from_pairs(pairs).ok()
}

/// An interaction as the decision sees it.
pub(crate) fn interaction_view(i: &Interaction) -> InteractionView {
    InteractionView {
        user_id: i.user_id.as_ref().map(ToString::to_string),
        outstanding: Requirements {
            authenticate: i.authentication_required,
            select_account: i.account_selection_required,
            reauthenticate: i.reauthentication_required,
            consent: i.consent_required,
        },
        requested_at: i.requested_at.secs(),
        reauthenticated_at: i.reauthenticated_at.map(Timestamp::secs),
    }
}

/// An interaction with its progress.
pub(crate) fn with_view(mut i: Interaction, view: &InteractionView) -> Interaction {
    i.user_id = view.user_id.clone().map(pid_core::UserId::new);
    i.authentication_required = view.outstanding.authenticate;
    i.account_selection_required = view.outstanding.select_account;
    i.reauthentication_required = view.outstanding.reauthenticate;
    i.consent_required = view.outstanding.consent;
    i.reauthenticated_at = view.reauthenticated_at.map(Timestamp::from_secs);
    i
}
