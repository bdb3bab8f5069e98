//! Pushed authorization requests (RFC 9126, oidc.md §10).

use pid_core::secret::sha256;
use pid_core::{ClientId, Ctx, Timestamp};
use pid_oidc::authorize::AuthorizationRequest;
use pid_oidc::dpop::code_binding;
use pid_oidc::par::{self, LIFETIME, PushedResponse, PushedView, Reference, RequestUri};
use pid_oidc::{OAuthError, Params};
use pid_store::pushed_requests::{self, Pushed};
use pid_store::{ReadTx, WriteTx};

use crate::Error;
use crate::authorize::{client_for, params_text, policy, stored_params};
use crate::client_auth::{Presented, admit};
use crate::env::{Env, Snapshot};

/// What is pushed.
#[derive(Clone, Debug)]
pub enum Pushing {
    /// Parameters, those of a request object that was accepted among them.
    Parameters(Params),
    /// A request object was refused, or something was pushed that may not be.
    Faulty(OAuthError),
}

/// Keeps a request for a moment and gives it a name (RFC 9126 §2.2). It is judged as at `/authorize`, so that whoever
/// sends a bad one is told at once. For `Db::write_guarded`: it is judged anew when it is used, and what counts once is taken by
/// writing its row.
pub fn push(
    tx: &WriteTx<'_>,
    ctx: &Ctx,
    env: &Env,
    site: &Snapshot,
    presented: &Presented,
    pushing: &Pushing,
    limited: bool,
) -> Result<Result<PushedResponse, OAuthError>, Error> {
    let client = match admit(tx, ctx, presented, limited)? {
        Ok(found) => found.client,
        Err(error) => return Ok(Err(error)),
    };
    let kept = match accept(tx, env, site, presented, pushing)? {
        Ok(params) => params,
        Err(error) => return Ok(Err(error)),
    };
    let name = RequestUri::new(&ctx.entropy().token());
    let row = Pushed {
        client_id: client.id,
        parameters: params_text(&kept),
        expires_at: ctx.now.plus_secs(LIFETIME),
        used_at: None,
    };
    pushed_requests::insert(tx, &hash(&name), &row)?;
    Ok(Ok(PushedResponse::new(&name)))
}

/// The parameters to keep: the key that came with the push among them, so that they are the whole request.
fn accept(
    tx: &ReadTx<'_>,
    env: &Env,
    site: &Snapshot,
    presented: &Presented,
    pushing: &Pushing,
) -> Result<Result<Params, OAuthError>, Error> {
    let params = match pushing {
        Pushing::Parameters(params) => params,
        Pushing::Faulty(error) => return Ok(Err(error.clone())),
    };
    let sent = match AuthorizationRequest::new(params.clone()) {
        Ok(sent) => sent,
        Err(error) => return Ok(Err(error)),
    };
    let found = client_for(tx, &sent)?;
    let request = match sent.validate(found.as_ref().map(|(_, view)| view), policy(env, site)) {
        Ok(request) => request,
        Err(rejection) => return Ok(Err(rejection.error().clone())),
    };
    let bound = match code_binding(request.dpop_jkt.as_deref(), presented.proof()) {
        Ok(bound) => bound,
        Err(error) => return Ok(Err(error)),
    };
    let others = params.iter().filter(|(name, _)| *name != "dpop_jkt");
    Ok(Params::from_pairs(others.chain(bound.as_deref().map(|jkt| ("dpop_jkt", jkt)))).map_err(OAuthError::from))
}

/// Uses a pushed request up. `Err` inside is for our own page.
pub(crate) fn take(tx: &WriteTx<'_>, reference: &Reference, now: Timestamp) -> Result<Result<(), OAuthError>, Error> {
    let found = pushed_requests::by_name(tx, &hash(&reference.name))?;
    let seen = found.as_ref().map(|row| PushedView {
        client_id: row.client_id.to_string(),
        expires_at: row.expires_at.secs(),
        used: row.used_at.is_some(),
    });
    if let Err(error) = par::check(seen.as_ref(), reference, now.secs()) {
        return Ok(Err(error));
    }
    let first = pushed_requests::take(tx, &hash(&reference.name), now)?;
    Ok(if first { Ok(()) } else { Err(par::unknown()) })
}

/// The parameters of a request that this client pushed.
pub(crate) fn parameters(tx: &ReadTx<'_>, reference: &Reference) -> Result<Option<Params>, Error> {
    let found = pushed_requests::by_name(tx, &hash(&reference.name))?;
    let found = found.filter(|row| row.client_id == ClientId::new(reference.client_id.as_str()));
    Ok(found.and_then(|row| stored_params(&row.parameters)))
}

fn hash(name: &RequestUri) -> [u8; 32] {
    sha256(name.as_str().as_bytes())
}
