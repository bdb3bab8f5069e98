//! The hand-off between `/authorize` and its pages (oidc.md §11).

use pid_core::audit::Event;
use pid_core::secret::{Secret, sha256};
use pid_core::sessions::BeganBy;
use pid_core::users::User;
use pid_core::{Ctx, FieldCode, InteractionId, Timestamp};
use pid_oidc::authorize::{self, Consent, Step, StepError, StepFacts};
use pid_oidc::consent::outstanding;
use pid_store::protocol::ProtocolClient;
use pid_store::{ReadTx, WriteTx, grants, interactions, sessions};

use crate::access::SessionUser;
use crate::authorize::{Answer, Arrival, Case, interaction_view, open_case, with_view};
use crate::env::{Env, Snapshot};
use crate::protocol::session_view;
use crate::scope_words::Words;
use crate::{Code, Error, audit, scope_words};

/// What a page or script is told about an interaction.
#[derive(Clone, Debug)]
pub struct Status {
    /// Its id.
    pub id: InteractionId,
    /// Requested scopes.
    pub scopes: Vec<String>,
    /// Single claims beyond the scopes that the person has not agreed to.
    pub claims: Vec<String>,
    /// What they mean.
    pub words: Words,
    /// Who asks.
    pub client: ProtocolClient,
    /// What is outstanding, the next first.
    pub steps: Vec<Step>,
    /// Who is signed in in this browser.
    pub user: Option<User>,
}

fn unknown(answer: Answer) -> Error {
    match answer {
        Answer::Page(error) => Error::with(Code::NotFound, error.page_text()).detail("resource", "OIDC interaction"),
        _ => Error::not_found("OIDC interaction"),
    }
}

fn status(tx: &ReadTx<'_>, site: &Snapshot, case: &Case) -> Result<Status, Error> {
    let interaction = case.interaction.as_ref().ok_or_else(|| Error::not_found("OIDC interaction"))?;
    Ok(Status {
        words: scope_words::of(tx, site, &case.request.target())?,
        id: interaction.id.clone(),
        scopes: case.request.scopes.as_slice().to_vec(),
        claims: {
            let recorded = case.consent.as_ref().map(|consent| consent.keys.as_slice());
            outstanding(&case.needs, recorded)
                .into_iter()
                .filter(|need| !need.is_of_api() && !case.request.scopes.contains(&need.key))
                .map(|need| need.name().to_owned())
                .collect()
        },
        client: case.client.clone(),
        steps: interaction_view(interaction).outstanding.steps(),
        user: case.user.clone(),
    })
}

/// The state of an interaction of this browser.
pub fn get(tx: &ReadTx<'_>, now: Timestamp, env: &Env, site: &Snapshot, arrival: &Arrival) -> Result<Status, Error> {
    status(tx, site, &open_case(tx, now, env, site, arrival)?.map_err(unknown)?)
}

/// Completes a step for the signed-in person. Gives the interaction as it is then; nothing outstanding means that
/// the browser goes on to `/authorize?interaction=…`.
pub fn complete(
    tx: &WriteTx<'_>,
    ctx: &Ctx,
    env: &Env,
    site: &Snapshot,
    arrival: &Arrival,
    step: Step,
    reauthentication: Option<&Secret>,
) -> Result<Status, Error> {
    let who = arrival.credentials.session_user_or_limited(tx, ctx.now)?;
    let mut case = open_case(tx, ctx.now, env, site, arrival)?.map_err(unknown)?;
    let Some(interaction) = case.interaction.clone() else { return Err(Error::not_found("OIDC interaction")) };
    let before = interaction_view(&interaction);
    let reauthenticated_at = if step == Step::Reauthenticate {
        let proof = proof(tx, ctx, &who, &interaction.id, reauthentication)?;
        // After it, to the millisecond: a proof given just before the request was given for something else (security
        // case 21).
        proof.filter(|at| *at > interaction.requested_at).map(Timestamp::secs)
    } else {
        None
    };
    let session = session_view(who.session());
    let facts = StepFacts {
        session: &session,
        consent: case.consent.as_ref(),
        needs: &case.needs,
        reauthenticated_at,
        now: ctx.now.secs(),
    };
    let after = authorize::advance(&before, step, &case.request, &case.client_view, facts).map_err(|e| match e {
        StepError::Unexpected { .. } => Error::field("step", FieldCode::InvalidValue, &e.to_string()),
        StepError::NotReauthenticated if reauthentication.is_some() => Error::new(Code::ReauthenticationRequired),
        StepError::NotReauthenticated => {
            Error::field("reauthenticationToken", FieldCode::Required, "is missing: confirm with your passkey first")
        }
    })?;
    if step == Step::Consent && before.outstanding.consent {
        let known = case.consent.clone();
        let is_new = !known.as_ref().is_some_and(|c| c.is_enough(&case.request.scopes, &case.needs));
        let merged: Consent = known.unwrap_or_default().merged(&case.request.scopes).with(&case.needs);
        grants::put_consent(tx, &who.user().id, &case.client.id, &merged.keys, ctx.now)?;
        if is_new {
            let name = case.client.name.clone();
            audit::record(
                tx,
                ctx,
                &ctx.entropy(),
                Event::NewClientAuthorization,
                Some(&who.user().id),
                None,
                &[("clientName", &name)],
            )?;
        }
    }
    let interaction = with_view(interaction, &after);
    interactions::update(tx, &interaction)?;
    case.interaction = Some(interaction);
    status(tx, site, &case)
}

/// A fresh passkey proof: the cookie's, taken once; or the passkey sign-in made inside this very interaction
/// (security case 21).
fn proof(
    tx: &WriteTx<'_>,
    ctx: &Ctx,
    who: &SessionUser,
    id: &InteractionId,
    cookie: Option<&Secret>,
) -> Result<Option<Timestamp>, Error> {
    let session = who.session();
    if let Some(cookie) = cookie
        && let Some(at) = sessions::take_reauthentication(tx, &sha256(cookie.expose().as_bytes()), session, ctx.now)?
    {
        return Ok(Some(at));
    }
    let inside = session.began_by == BeganBy::Passkey && session.interaction_id.as_deref() == Some(id.as_str());
    Ok(inside.then_some(session.auth_time))
}
