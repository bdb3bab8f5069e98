//! `/api/oidc/token` (RFC 6749 §3.2).

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use pid_core::Ctx;
use pid_flows::client_auth::Presented;
use pid_flows::token::{self, Outcome};
use pid_flows::{Code, Error};
use pid_oidc::token::{TokenRequest, TokenResponse};
use pid_oidc::{OAuthError, Params};
use pid_store::WriteTx;

use crate::oidc::client_request::ClientRequest;
use crate::oidc::{fault, never_stored, oauth_error};
use crate::state::App;

/// `POST /api/oidc/token`.
pub async fn token(State(app): State<App>, request: ClientRequest) -> Response {
    let grant_type = request.form.get("grant_type").ok().flatten().map(str::to_owned);
    let ClientRequest { ctx, form, presented, sent } = request;
    let (outcome, response) = match answer(&app, ctx, &form, presented).await {
        Ok(response) => ("issued", response),
        Err(Refusal::Protocol(error)) => {
            sent.refused(&app, form, &error);
            (error.code().as_str(), oauth_error(&error))
        }
        Err(Refusal::Fault(error)) => ("fault", fault(&error)),
    };
    if let Some(metrics) = app.metrics() {
        metrics.token(grant_type.as_deref(), outcome);
    }
    response
}

/// Why there are no tokens.
enum Refusal {
    Protocol(OAuthError),
    Fault(Error),
}

async fn answer(app: &App, ctx: Ctx, form: &Params, presented: Presented) -> Result<Response, Refusal> {
    let request = TokenRequest::parse(form).map_err(Refusal::Protocol)?;
    if !app.keys().is_ready() {
        // Before anything is consumed: the code stays good.
        let wait = "The signing key is still being made. Try again in a moment";
        return Err(Refusal::Fault(Error::with(Code::Unavailable, wait)));
    }
    let (env, site, limited) = (app.env().clone(), app.snapshot(), app.limiter().is_on());
    let guarded = token::is_guarded(&request);
    let exchange = move |tx: &WriteTx<'_>| token::exchange(tx, &ctx, &env, &site, &presented, &request, limited);
    let outcome = if guarded { app.db().write_guarded(exchange).await } else { app.db().write(exchange).await };
    let unsigned = match outcome.map_err(Refusal::Fault)? {
        Outcome::Issued(unsigned) => unsigned,
        Outcome::Refused(error) => return Err(Refusal::Protocol(error)),
    };
    let tokens = sign(app, &unsigned).await.map_err(Refusal::Fault)?;
    Ok(never_stored(axum::Json(tokens).into_response()))
}

/// Signs with the keys in force. Another replica may have made the first key of the client's algorithm a moment ago: then
/// they are loaded anew.
async fn sign(app: &App, unsigned: &token::Unsigned) -> Result<TokenResponse, Error> {
    match unsigned.sign(app.env(), &app.keys()) {
        Err(error) if error.code == Code::Unavailable => {
            app.reload_snapshot().await?;
            unsigned.sign(app.env(), &app.keys())
        }
        signed => signed,
    }
}
