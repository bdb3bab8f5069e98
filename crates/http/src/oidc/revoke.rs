//! `/api/oidc/revoke` (RFC 7009).

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode};
use pid_flows::{revoke, userinfo};
use pid_oidc::OAuthError;
use pid_oidc::client_auth::Credentials;
use pid_oidc::revoke::RevocationRequest;

use crate::extract::RequestCtx;
use crate::oidc::{Form, authorization, fault, never_stored, oauth_error};
use crate::state::App;

/// `POST /api/oidc/revoke`.
pub async fn revoke(
    State(app): State<App>,
    RequestCtx(ctx): RequestCtx,
    headers: HeaderMap,
    Form(form): Form,
) -> Response {
    let read = move || -> Result<(Credentials, RevocationRequest), OAuthError> {
        let form = form?;
        let request = RevocationRequest::parse(&form)?;
        Ok((Credentials::read(authorization(&headers), &form)?, request))
    };
    let (credentials, request) = match read() {
        Ok(read) => read,
        Err(error) => return oauth_error(&error),
    };
    let signed = userinfo::check_token(&app.keys(), &request.token).ok();
    let (env, limited) = (app.env().clone(), app.limiter().is_on());
    let done = app
        .db()
        .write(move |tx| revoke::revoke(tx, &ctx, &env, &credentials, &request, signed.as_ref(), limited))
        .await;
    match done {
        Ok(Ok(())) => never_stored(StatusCode::OK.into_response()),
        Ok(Err(error)) => oauth_error(&error),
        Err(error) => fault(&error),
    }
}
