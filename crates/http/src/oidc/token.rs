//! `/api/oidc/token` (RFC 6749 §3.2).

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use pid_flows::token::{self, Outcome};
use pid_flows::{Code, Error};
use pid_oidc::token::{TokenRequest, TokenResponse};

use crate::oidc::client_request::ClientRequest;
use crate::oidc::{fault, never_stored, oauth_error};
use crate::state::App;

/// `POST /api/oidc/token`.
pub async fn token(State(app): State<App>, ClientRequest { ctx, form, presented }: ClientRequest) -> Response {
    let request = match TokenRequest::parse(&form) {
        Ok(request) => request,
        Err(error) => return oauth_error(&error),
    };
    if !app.keys().is_ready() {
        // Before anything is consumed: the code stays good.
        return fault(&Error::with(Code::Unavailable, "The signing key is still being made. Try again in a moment"));
    }
    let (env, site, limited) = (app.env().clone(), app.snapshot(), app.limiter().is_on());
    let outcome = app.db().write(move |tx| token::exchange(tx, &ctx, &env, &site, &presented, &request, limited)).await;
    let unsigned = match outcome {
        Ok(Outcome::Issued(unsigned)) => unsigned,
        Ok(Outcome::Refused(error)) => return oauth_error(&error),
        Err(error) => return fault(&error),
    };
    match sign(&app, &unsigned).await {
        Ok(tokens) => never_stored(axum::Json(tokens).into_response()),
        Err(error) => fault(&error),
    }
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
