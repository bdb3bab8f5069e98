//! `/api/oidc/token` (RFC 6749 §3.2).

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::HeaderMap;
use pid_flows::token::{self, Outcome};
use pid_oidc::OAuthError;
use pid_oidc::client_auth::Credentials;
use pid_oidc::token::TokenRequest;

use crate::extract::RequestCtx;
use crate::oidc::{Form, authorization, fault, never_stored, oauth_error};
use crate::state::App;

/// `POST /api/oidc/token`.
pub async fn token(
    State(app): State<App>,
    RequestCtx(ctx): RequestCtx,
    headers: HeaderMap,
    Form(form): Form,
) -> Response {
    let read = move || -> Result<(Credentials, TokenRequest), OAuthError> {
        let form = form?;
        let request = TokenRequest::parse(&form)?;
        Ok((Credentials::read(authorization(&headers), &form)?, request))
    };
    let (credentials, request) = match read() {
        Ok(read) => read,
        Err(error) => return oauth_error(&error),
    };
    let keys = app.keys();
    if !keys.is_ready() {
        // Before anything is consumed: the code stays good.
        return fault(&pid_flows::Error::with(
            pid_flows::Code::Unavailable,
            "The signing key is still being made. Try again in a moment",
        ));
    }
    let (env, limited) = (app.env().clone(), app.limiter().is_on());
    let outcome = app.db().write(move |tx| token::exchange(tx, &ctx, &env, &credentials, &request, limited)).await;
    let unsigned = match outcome {
        Ok(Outcome::Issued(unsigned)) => unsigned,
        Ok(Outcome::Refused(error)) => return oauth_error(&error),
        Err(error) => return fault(&error),
    };
    match unsigned.sign(app.env(), &keys) {
        Ok(tokens) => never_stored(axum::Json(tokens).into_response()),
        Err(error) => fault(&error),
    }
}
