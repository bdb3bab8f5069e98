//! `/api/oidc/userinfo` (OpenID Connect Core §5.3).

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, Uri};
use pid_flows::userinfo;
use pid_oidc::Params;
use pid_oidc::bearer::extract;

use crate::extract::RequestCtx;
use crate::oidc::{Form, authorization, bearer_error, fault, never_stored};
use crate::state::App;

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
        Err(error) => return bearer_error(&error),
    };
    let signed = match userinfo::check_token(&app.keys(), token) {
        Ok(signed) => signed,
        Err(error) => return bearer_error(&error),
    };
    let env = app.env().clone();
    match app.db().read(move |tx| userinfo::claims(tx, ctx.now, &env, &signed)).await {
        Ok(Ok(claims)) => never_stored(axum::Json(claims).into_response()),
        Ok(Err(error)) => bearer_error(&error),
        Err(error) => fault(&error),
    }
}
