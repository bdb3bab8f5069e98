//! `/api/oidc/par` (RFC 9126).

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use pid_flows::par::{self, Pushing};
use pid_oidc::par::pushed;

use crate::oidc::client_request::ClientRequest;
use crate::oidc::{fault, never_stored, oauth_error, request_object};
use crate::state::App;

/// `POST /api/oidc/par`.
pub async fn par(State(app): State<App>, request: ClientRequest) -> Response {
    let ClientRequest { ctx, form, presented, sent } = request;
    let pushing = match pushed(&form, presented.credentials().client_id()) {
        Ok(params) => match request_object::resolve(&app, ctx.now, &params, true).await {
            Ok(Ok(merged)) => Pushing::Parameters(merged.unwrap_or(params)),
            Ok(Err(error)) => Pushing::Faulty(error),
            Err(error) => return fault(&error),
        },
        Err(error) => Pushing::Faulty(error),
    };
    let (env, site, limited) = (app.env().clone(), app.snapshot(), app.limiter().is_on());
    match app.db().write_guarded(move |tx| par::push(tx, &ctx, &env, &site, &presented, &pushing, limited)).await {
        Ok(Ok(answer)) => never_stored((StatusCode::CREATED, axum::Json(answer)).into_response()),
        Ok(Err(error)) => {
            sent.refused(&app, form, &error);
            oauth_error(&error)
        }
        Err(error) => fault(&error),
    }
}
