//! `/api/oidc/introspect` (RFC 7662).

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, header};
use pid_flows::tokens::{self, Answer, Asking};
use pid_flows::{client_auth, userinfo};
use pid_jose::KeySet;
use pid_oidc::OAuthError;
use pid_oidc::bearer::BearerError;
use pid_oidc::client_auth::Credentials;
use pid_oidc::introspect::IntrospectionRequest;

use crate::extract::RequestCtx;
use crate::oidc::{Form, authorization, fault, never_stored, oauth_error};
use crate::state::App;

/// The token of an `Authorization: Bearer` header.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = authorization(headers)?.trim().split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

fn bad_bearer() -> Response {
    let error = BearerError::invalid_token();
    let mut response = oauth_error(&OAuthError::new(
        pid_oidc::ErrorCode::InvalidToken,
        "The bearer token is invalid, or is the one that is asked about.",
    ));
    if let Ok(challenge) = HeaderValue::from_str(&error.challenge()) {
        response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
    }
    response
}

/// Who asks, as far as it can be told without the store.
fn asking(headers: &HeaderMap, form: &pid_oidc::Params, keys: &KeySet) -> Result<Asking, Box<Response>> {
    match bearer(headers) {
        Some(token) => userinfo::check_token(keys, token).map(Asking::Bearer).map_err(|_| bad_bearer().into()),
        None => Credentials::read(authorization(headers), form)
            .map(Asking::Client)
            .map_err(|error| oauth_error(&error).into()),
    }
}

/// `POST /api/oidc/introspect`.
pub async fn introspect(
    State(app): State<App>,
    RequestCtx(ctx): RequestCtx,
    headers: HeaderMap,
    Form(form): Form,
) -> Response {
    let keys = app.keys();
    let form = match form {
        Ok(form) => form,
        Err(error) => return oauth_error(&error),
    };
    let request = match IntrospectionRequest::parse(&form) {
        Ok(request) => request,
        Err(error) => return oauth_error(&error),
    };
    let asking = match asking(&headers, &form, &keys) {
        Ok(asking) => Arc::new(asking),
        Err(refused) => return *refused,
    };
    let signed = userinfo::check_token(&keys, &request.token).ok();
    let (env, limited) = (app.env().clone(), app.limiter().is_on());
    let (asked, now) = (Arc::clone(&asking), ctx.clone());
    let answer =
        app.db().read(move |tx| tokens::introspect(tx, &now, &env, &asked, &request, signed.as_ref(), limited)).await;
    match answer {
        Ok(Answer::Told(told)) => never_stored(axum::Json(told).into_response()),
        Ok(Answer::BadBearer) => bad_bearer(),
        Ok(Answer::Refused(error)) => {
            // The one thing that is written: wrong secrets are counted.
            if let (Asking::Client(credentials), true) = (&*asking, limited) {
                let credentials = credentials.clone();
                if let Err(error) = app.db().write(move |tx| client_auth::count_failure(tx, &ctx, &credentials)).await {
                    return fault(&error);
                }
            }
            oauth_error(&error)
        }
        Err(error) => fault(&error),
    }
}
