//! What happens with a valid request, given who is signed in (OpenID Connect Core §3.1.2.3–§3.1.2.5, oidc.md §9).

use super::interaction::{InteractionView, Requirements, Step};
use super::{ClientView, ValidRequest, not_allowed};
use crate::acr::{self, AcrRequest, AcrVerdict};
use crate::claims_request::ClaimsRequest;
use crate::consent::Need;
use crate::error::{ErrorCode, OAuthError};
use crate::scope::{self, ScopeSet};

/// The browser's session. Times are seconds since the epoch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionView {
    /// Who is signed in.
    pub user_id: String,
    /// The session's public id.
    pub sid: String,
    /// When the person last proved who they are.
    pub auth_time: i64,
    /// How they did (RFC 8176).
    pub amr: Vec<String>,
    /// It began by a code that the person made for themselves: it proves nothing where a fresh proof is asked for.
    pub limited: bool,
}

/// What a decision needs to know of a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserView {
    /// The user.
    pub id: String,
    /// May not sign in.
    pub disabled: bool,
    /// Ids of the user's groups.
    pub group_ids: Vec<String>,
}

/// The recorded consent of one user for one client. An existing record without keys is a consent too.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Consent {
    /// See [`crate::consent`].
    pub keys: Vec<String>,
}

impl Consent {
    /// True if nothing new is asked for. Permissions of APIs are [`Need`]s.
    #[must_use]
    pub fn covers(&self, scopes: &ScopeSet) -> bool {
        scopes.iter().filter(|s| scope::IDENTITY.contains(s)).all(|scope| self.keys.iter().any(|key| key == scope))
    }

    /// True if it covers the scopes and every claim that the client can't do without.
    #[must_use]
    pub fn is_enough(&self, scopes: &ScopeSet, needs: &[Need]) -> bool {
        self.covers(scopes) && needs.iter().all(|need| need.voluntary || need.is_covered(&self.keys))
    }

    /// The record with single claims that the person agreed to as well.
    #[must_use]
    pub fn with(mut self, needs: &[Need]) -> Self {
        for need in needs {
            if !need.is_covered(&self.keys) {
                self.keys.push(need.key.clone());
            }
        }
        self
    }

    /// The record after an authorization: it grows and never shrinks by a narrower request.
    #[must_use]
    pub fn merged(&self, scopes: &ScopeSet) -> Self {
        let mut keys = self.keys.clone();
        let new = |scope: &&str| scope::IDENTITY.contains(scope) && !self.keys.iter().any(|key| key == scope);
        keys.extend(scopes.iter().filter(new).map(str::to_owned));
        Self { keys }
    }
}

/// What is known when a request is decided.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// The browser's session, if it is valid.
    pub session: Option<&'a SessionView>,
    /// The user of that session.
    pub user: Option<&'a UserView>,
    /// That user's recorded consent for the client.
    pub consent: Option<&'a Consent>,
    /// The interaction that the request resumes.
    pub interaction: Option<&'a InteractionView>,
    /// `sub` of the request's `id_token_hint` after signature and issuer were verified (its expiry doesn't matter).
    /// `None` with a hint in the request means that it could not be verified.
    pub hint_subject: Option<&'a str>,
    /// What the `claims` parameter asks for beyond the scopes, for the user of the session.
    pub needs: &'a [Need],
    /// Seconds since the epoch.
    pub now: i64,
}

impl Facts<'_> {
    /// Nobody is signed in and nothing is remembered.
    #[must_use]
    pub const fn none(now: i64) -> Self {
        Self { session: None, user: None, consent: None, interaction: None, hint_subject: None, needs: &[], now }
    }
}

/// What to do with a request. The four steps carry everything that is outstanding, the named one first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// Somebody must sign in.
    SignIn(Requirements),
    /// The account must be chosen.
    SelectAccount(Requirements),
    /// The user must prove themselves again.
    Reauthenticate(Requirements),
    /// The user must agree.
    Consent(Requirements),
    /// A code may be issued.
    Issue(Issue),
    /// Nothing will be issued.
    Refuse(Refusal),
}

/// The terms on which a code is issued. Times are seconds since the epoch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issue {
    /// The user.
    pub user_id: String,
    /// The session that the grant belongs to.
    pub sid: String,
    /// `auth_time`: the latest proof, never in the future.
    pub auth_time: i64,
    /// How it was given (RFC 8176).
    pub amr: Vec<String>,
    /// When the client first asked.
    pub requested_at: i64,
    /// The recorded consent must grow (or be made): see [`Consent::merged`].
    pub consent_is_new: bool,
}

/// Who is told of a refusal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// Our own page says so; it may offer a way back to the client with the same error.
    Page(OAuthError),
    /// The client is told.
    Client(OAuthError),
}

/// Decides. Called again inside the transaction that issues the code, so the answer is never stale.
#[must_use]
pub fn decide(request: &ValidRequest, client: &ClientView, facts: &Facts<'_>) -> Decision {
    if request.id_token_hint.is_some() && facts.hint_subject.is_none() {
        return refuse(OAuthError::invalid_request("The 'id_token_hint' is not an ID token of this issuer."));
    }
    // A session whose user is gone is none.
    let signed_in = facts.session.zip(facts.user).filter(|(session, user)| session.user_id == user.id);
    let Some((session, user)) = signed_in else {
        return signed_out(request, client, facts);
    };
    if user.disabled {
        return deny(request, OAuthError::new(ErrorCode::AccessDenied, "Your account is disabled."));
    }
    if facts.hint_subject.is_some_and(|subject| request.id_token_hint.is_some() && subject != user.id) {
        return refuse(OAuthError::new(
            ErrorCode::LoginRequired,
            "Another user than that of the 'id_token_hint' is signed in.",
        ));
    }
    if let Some(Err(error)) = request.claims.as_ref().map(|claims| claims.check_subject(&user.id)) {
        return refuse(error);
    }
    if !client.admits(user) {
        return deny(request, not_allowed());
    }

    // What was proven or agreed by somebody else counts for nothing.
    let own = facts.interaction.filter(|interaction| interaction.user_id.as_deref() == Some(&user.id));
    let requested_at = facts.interaction.map_or(facts.now, |interaction| interaction.requested_at);
    let times = Times { now: facts.now, requested_at, reauthenticated_at: own.and_then(|own| own.reauthenticated_at) };
    let amr = if times.proven() { passkey() } else { session.amr.clone() };
    if let AcrVerdict::Unmet(error) = acr::judge(wanted_acr(request).as_ref(), &amr, !request.prompt.none) {
        return refuse(error);
    }
    let owed = demands(request, client, session, facts.consent, facts.needs, times);
    let reauthenticate = owed.reauthenticate || (!times.proven() && own.is_some_and(|i| i.outstanding.reauthenticate));
    let outstanding = Requirements {
        authenticate: session.limited && reauthenticate,
        select_account: facts.interaction.map_or(request.prompt.select_account, |i| i.outstanding.select_account),
        reauthenticate,
        consent: owed.consent || own.map_or(request.prompt.consent, |i| i.outstanding.consent),
    };
    if request.prompt.none && outstanding.consent {
        return refuse(OAuthError::new(ErrorCode::ConsentRequired, "The user has not agreed to this request yet."));
    }
    if request.prompt.none && outstanding.reauthenticate {
        return refuse(OAuthError::new(ErrorCode::LoginRequired, "The user must sign in again."));
    }
    match outstanding.current() {
        Some(Step::Authenticate) => Decision::SignIn(outstanding),
        Some(Step::SelectAccount) => Decision::SelectAccount(outstanding),
        Some(Step::Reauthenticate) => Decision::Reauthenticate(outstanding),
        Some(Step::Consent) => Decision::Consent(outstanding),
        None => Decision::Issue(Issue {
            user_id: user.id.clone(),
            sid: session.sid.clone(),
            auth_time: times.proof().map_or(session.auth_time, |at| at.max(session.auth_time)).min(facts.now),
            amr,
            requested_at,
            // A client that skips the page has what the person would have been asked for.
            consent_is_new: !facts.consent.is_some_and(|consent| {
                let all = client.skip_consent && !facts.needs.iter().all(|need| need.is_covered(&consent.keys));
                consent.is_enough(&request.scopes, facts.needs) && !all
            }),
        }),
    }
}

fn signed_out(request: &ValidRequest, client: &ClientView, facts: &Facts<'_>) -> Decision {
    if request.prompt.none {
        return refuse(OAuthError::new(ErrorCode::LoginRequired, "Nobody is signed in."));
    }
    if facts.interaction.is_some_and(|interaction| interaction.user_id.is_some()) {
        return refuse(OAuthError::new(ErrorCode::LoginRequired, "The user who began this request has signed out."));
    }
    // What else is needed is known when we know who it is.
    Decision::SignIn(Requirements {
        authenticate: true,
        select_account: facts.interaction.map_or(request.prompt.select_account, |i| i.outstanding.select_account),
        reauthenticate: request.prompt.login || client.requires_reauthentication,
        consent: request.prompt.consent,
    })
}

fn refuse(error: OAuthError) -> Decision {
    Decision::Refuse(Refusal::Client(error))
}

/// Proving oneself again is always done with a passkey.
fn passkey() -> Vec<String> {
    vec![acr::PHISHING_RESISTANT.to_owned()]
}

/// The class of sign-in that the client can't do without.
fn wanted_acr(request: &ValidRequest) -> Option<AcrRequest> {
    request.claims.as_ref().and_then(ClaimsRequest::acr)
}

/// A denial stays with us, where it can be explained, unless no page may be shown.
fn deny(request: &ValidRequest, error: OAuthError) -> Decision {
    Decision::Refuse(if request.prompt.none { Refusal::Client(error) } else { Refusal::Page(error) })
}

/// The moments that freshness is judged by.
#[derive(Debug, Clone, Copy)]
pub(super) struct Times {
    pub now: i64,
    pub requested_at: i64,
    pub reauthenticated_at: Option<i64>,
}

impl Times {
    /// The proof given inside this interaction. An older one was given for something else.
    fn proof(self) -> Option<i64> {
        self.reauthenticated_at.filter(|at| *at >= self.requested_at)
    }

    fn proven(self) -> bool {
        self.proof().is_some()
    }
}

/// What a signed-in user owes by request, client and record. `prompt=consent` is not in it: it is owed once.
pub(super) fn demands(
    request: &ValidRequest,
    client: &ClientView,
    session: &SessionView,
    consent: Option<&Consent>,
    needs: &[Need],
    times: Times,
) -> Requirements {
    let too_old = request.max_age.is_some_and(|max_age| {
        // A sign-in that this request caused is recent enough however long the pages took; only `max_age=0`, which
        // means the same as `prompt=login`, wants its own proof.
        let age = times.now.saturating_sub(session.auth_time);
        let recent = session.auth_time >= times.requested_at || u64::try_from(age).is_ok_and(|age| age < max_age);
        max_age == 0 || !recent || session.limited
    });
    let steps_up = acr::judge(wanted_acr(request).as_ref(), &session.amr, true) == AcrVerdict::StepUp;
    let wants_proof = request.prompt.login || client.requires_reauthentication || too_old || steps_up;
    let reauthenticate = wants_proof && !times.proven();
    Requirements {
        // A limited session can't prove anything again: its person signs in with a passkey first.
        authenticate: session.limited && reauthenticate,
        select_account: false,
        reauthenticate,
        consent: !client.skip_consent && !consent.is_some_and(|consent| consent.is_enough(&request.scopes, needs)),
    }
}
