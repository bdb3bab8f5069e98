//! `/api/oidc/revoke` (RFC 7009).

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use pid_flows::{revoke, userinfo};
use pid_oidc::revoke::RevocationRequest;

use crate::oidc::client_request::ClientRequest;
use crate::oidc::{fault, never_stored, oauth_error};
use crate::state::App;

/// `POST /api/oidc/revoke`.
pub async fn revoke(State(app): State<App>, request: ClientRequest) -> Response {
    let ClientRequest { ctx, form, presented, sent } = request;
    let request = match RevocationRequest::parse(&form) {
        Ok(request) => request,
        Err(error) => {
            sent.refused(&app, form, &error);
            return oauth_error(&error);
        }
    };
    let signed = userinfo::check_token(&app.keys(), &request.token).ok();
    let (env, limited) = (app.env().clone(), app.limiter().is_on());
    let done =
        app.db().write(move |tx| revoke::revoke(tx, &ctx, &env, &presented, &request, signed.as_ref(), limited)).await;
    match done {
        Ok(Ok(())) => never_stored(StatusCode::OK.into_response()),
        Ok(Err(error)) => {
            sent.refused(&app, form, &error);
            oauth_error(&error)
        }
        Err(error) => fault(&error),
    }
}
