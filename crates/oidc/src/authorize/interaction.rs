//! The pages between a request and its answer: which steps are outstanding, and what a completed step changes
//! (oidc.md §9.1, §11).

use super::decision::{Consent, SessionView, Times, demands};
use super::{ClientView, ValidRequest};
use crate::consent::Need;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A step of an interaction. They always come in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// Sign in.
    Authenticate,
    /// Choose the account.
    SelectAccount,
    /// Prove it again with a passkey.
    Reauthenticate,
    /// Agree to what the client asks for.
    Consent,
}

impl Step {
    /// The name on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Authenticate => "authenticate",
            Self::SelectAccount => "select_account",
            Self::Reauthenticate => "reauthenticate",
            Self::Consent => "consent",
        }
    }
}

/// The outstanding steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Requirements {
    /// Sign in.
    pub authenticate: bool,
    /// Choose the account.
    pub select_account: bool,
    /// Prove it again.
    pub reauthenticate: bool,
    /// Agree.
    pub consent: bool,
}

impl Requirements {
    /// The outstanding steps in order.
    #[must_use]
    pub fn steps(self) -> Vec<Step> {
        [
            (self.authenticate, Step::Authenticate),
            (self.select_account, Step::SelectAccount),
            (self.reauthenticate, Step::Reauthenticate),
            (self.consent, Step::Consent),
        ]
        .into_iter()
        .filter_map(|(required, step)| required.then_some(step))
        .collect()
    }

    /// The next step.
    #[must_use]
    pub fn current(self) -> Option<Step> {
        self.steps().first().copied()
    }
}

/// What is remembered between the pages. Times are seconds since the epoch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InteractionView {
    /// The user it is bound to, once one signed in.
    pub user_id: Option<String>,
    /// What is outstanding for that user.
    pub outstanding: Requirements,
    /// When the client asked.
    pub requested_at: i64,
    /// When the user proved themselves again *inside this interaction*.
    pub reauthenticated_at: Option<i64>,
}

/// The interaction to remember when [`super::decide`] asks for a page and there is none yet.
#[must_use]
pub fn begin(outstanding: Requirements, session: Option<&SessionView>, now: i64) -> InteractionView {
    InteractionView {
        // Somebody who must still sign in is nobody yet.
        user_id: session.filter(|_| !outstanding.authenticate).map(|session| session.user_id.clone()),
        outstanding,
        requested_at: now,
        reauthenticated_at: None,
    }
}

/// What is known when a step is completed.
#[derive(Debug, Clone, Copy)]
pub struct StepFacts<'a> {
    /// The browser's session.
    pub session: &'a SessionView,
    /// The user's recorded consent for the client.
    pub consent: Option<&'a Consent>,
    /// What the `claims` parameter asks for beyond the scopes.
    pub needs: &'a [Need],
    /// When a passkey ceremony made for this interaction was completed (or the passkey sign-in inside it), for
    /// [`Step::Reauthenticate`]. An older proof isn't one.
    pub reauthenticated_at: Option<i64>,
    /// Seconds since the epoch.
    pub now: i64,
}

/// Why a step was not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum StepError {
    /// Another step is due.
    #[error("the step '{given}' is not due; expected '{expected}'", given = given.as_str(), expected = expected.as_str())]
    Unexpected {
        /// The step that is due.
        expected: Step,
        /// The step that was sent.
        given: Step,
    },
    /// No fresh proof came with [`Step::Reauthenticate`].
    #[error("a fresh passkey ceremony is needed")]
    NotReauthenticated,
}

/// Completes a step. If nothing is outstanding, nothing changes. If another user than the bound one is signed in,
/// the interaction becomes theirs first: authentication is done, consent and proof start anew.
///
/// Recording the consent itself is up to the caller, when [`Step::Consent`] is accepted.
///
/// # Errors
/// [`StepError`]; the interaction stays as it was.
pub fn advance(
    interaction: &InteractionView,
    step: Step,
    request: &ValidRequest,
    client: &ClientView,
    facts: StepFacts<'_>,
) -> Result<InteractionView, StepError> {
    let mut next = interaction.clone();
    let bound_to_other = next.user_id.as_deref().is_some_and(|user| user != facts.session.user_id);
    if bound_to_other {
        rebind(&mut next, request, client, facts);
    }
    let Some(expected) = next.outstanding.current() else { return Ok(next) };
    // Signing in as somebody else is what `authenticate` and `select_account` are for.
    if bound_to_other && step == Step::Authenticate {
        return Ok(next);
    }
    if expected != step {
        return Err(StepError::Unexpected { expected, given: step });
    }
    match step {
        Step::Authenticate => rebind(&mut next, request, client, facts),
        Step::SelectAccount => {
            next.outstanding.select_account = false;
            rebind(&mut next, request, client, facts);
        }
        Step::Reauthenticate => {
            let proof = facts.reauthenticated_at.filter(|at| *at >= next.requested_at);
            next.reauthenticated_at = Some(proof.ok_or(StepError::NotReauthenticated)?);
            next.outstanding.reauthenticate = false;
        }
        Step::Consent => next.outstanding.consent = false,
    }
    Ok(next)
}

/// Binds the signed-in user and adds what this user still owes. `select_account` stays as it is.
fn rebind(next: &mut InteractionView, request: &ValidRequest, client: &ClientView, facts: StepFacts<'_>) {
    if next.user_id.as_deref() != Some(&facts.session.user_id) {
        next.reauthenticated_at = None;
    }
    next.user_id = Some(facts.session.user_id.clone());
    let owed = demands(
        request,
        client,
        facts.session,
        facts.consent,
        facts.needs,
        Times { now: facts.now, requested_at: next.requested_at, reauthenticated_at: next.reauthenticated_at },
    );
    next.outstanding = Requirements {
        authenticate: owed.authenticate,
        select_account: next.outstanding.select_account,
        reauthenticate: owed.reauthenticate,
        consent: owed.consent || request.prompt.consent,
    };
}
