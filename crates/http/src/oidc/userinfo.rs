//! `/api/oidc/userinfo` (OpenID Connect Core §5.3).

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use pid_flows::userinfo;
use pid_oidc::Params;
use pid_oidc::bearer::{BearerError, extract};

use crate::extract::RequestCtx;
use crate::oidc::{Form, authorization, fault, never_stored};
use crate::state::App;

fn refused(error: &BearerError) -> Response {
    let status = StatusCode::from_u16(error.status()).unwrap_or(StatusCode::UNAUTHORIZED);
    let mut response = match error.body() {
        Some(body) => (status, axum::Json(body)).into_response(),
        None => status.into_response(),
    };
    if let Ok(challenge) = HeaderValue::from_str(&error.challenge()) {
        response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
    }
    never_stored(response)
}

/// `GET` and `POST /api/oidc/userinfo`.
pub async fn userinfo(
    State(app): State<App>,
    RequestCtx(ctx): RequestCtx,
    uri: Uri,
    headers: HeaderMap,
    Form(form): Form,
) -> Response {
    let (form, query) = (form.ok(), uri.query().and_then(|q| Params::parse(q).ok()));
    let token = match extract(authorization(&headers), form.as_ref(), query.as_ref()) {
        Ok(token) => token,
        Err(error) => return refused(&error),
    };
    let signed = match userinfo::check_token(&app.keys(), token) {
        Ok(signed) => signed,
        Err(error) => return refused(&error),
    };
    let env = app.env().clone();
    match app.db().read(move |tx| userinfo::claims(tx, ctx.now, &env, &signed)).await {
        Ok(Ok(claims)) => never_stored(axum::Json(claims).into_response()),
        Ok(Err(error)) => refused(&error),
        Err(error) => fault(&error),
    }
}
