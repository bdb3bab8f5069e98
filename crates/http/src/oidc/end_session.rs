//! `/api/oidc/end-session` (OpenID Connect RP-Initiated Logout 1.0) and the confirmation behind it.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum_extra::extract::CookieJar;
use http::{HeaderValue, Method, StatusCode, Uri, header};
use pid_flows::diagnosis::Exchange;
use pid_flows::end_session::{self, Outcome};
use pid_oidc::logout::EndSessionRequest;
use pid_oidc::{OAuthError, Params};

use crate::cookies;
use crate::diagnosis;
use crate::extract::{Creds, RequestCtx};
use crate::oidc::{Form, never_stored};
use crate::pages::logout::wish_query;
use crate::state::App;

fn to(location: &str) -> Response {
    match HeaderValue::from_str(location) {
        Ok(location) => never_stored((StatusCode::FOUND, [(header::LOCATION, location)]).into_response()),
        Err(_) => to("/logout"),
    }
}

/// `GET` and `POST /api/oidc/end-session`.
pub async fn end_session(
    State(app): State<App>,
    RequestCtx(ctx): RequestCtx,
    Creds(credentials): Creds,
    jar: CookieJar,
    method: Method,
    uri: Uri,
    Form(form): Form,
) -> Response {
    let read = move || -> Result<EndSessionRequest, OAuthError> {
        let params = if method == Method::POST {
            form?
        } else {
            Params::parse(uri.query().unwrap_or_default()).map_err(OAuthError::from)?
        };
        EndSessionRequest::parse(&params)
    };
    // A request that can't be read asks for nothing: the person is asked whether to sign out.
    let request = match read() {
        Ok(request) => request,
        Err(_) => return to("/logout"),
    };
    let (env, keys) = (app.env().clone(), app.keys());
    let (now, asked) = (ctx.clone(), request.clone());
    let outcome = app.db().write(move |tx| end_session::end_session(tx, &now, &env, &keys, &credentials, &asked)).await;
    if outcome.as_ref().is_ok_and(|outcome| outcome.falls_short_of(&request)) {
        diagnosis::note(&app, &ctx.ip_address, ctx.now, Exchange::Logout(request), None);
    }
    match outcome {
        Ok(Outcome::Confirm(wish)) => to(&format!("/logout{}", wish_query(&wish))),
        Ok(Outcome::SignedOut(target)) => {
            let jar = jar.add(cookies::no_session(app.env()));
            (jar, to(target.as_deref().unwrap_or("/logout"))).into_response()
        }
        Err(error) => crate::oidc::fault_page(error),
    }
}
