//! `/api/oidc/userinfo` (OpenID Connect Core §5.3).

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, Method, Uri};
use pid_core::secret::Secret;
use pid_flows::client_auth::use_up_proof;
use pid_flows::diagnosis::Exchange;
use pid_flows::userinfo::{self, Outcome};
use pid_oidc::bearer::{BearerError, extract};
use pid_oidc::dpop::{self, Proof};
use pid_oidc::{OAuthError, Params};
use pid_store::WriteTx;

use crate::diagnosis;
use crate::extract::RequestCtx;
use crate::oidc::client_request::proof;
use crate::oidc::{Form, authorization, bearer_error, dpop_error, fault, never_stored};
use crate::state::App;

/// `GET` and `POST /api/oidc/userinfo`.
pub async fn userinfo(
    State(app): State<App>,
    RequestCtx(ctx): RequestCtx,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    Form(form): Form,
) -> Response {
    let noted = |token: Option<&str>, error: &BearerError| {
        let error = match error {
            BearerError::Error(error) => Some(error.clone()),
            BearerError::Missing => None,
        };
        let exchange = Exchange::UserInfo { token: token.map(Secret::new), error };
        diagnosis::note(&app, &ctx.ip_address, ctx.now, exchange, None);
    };
    if let Some(token) = authorization(&headers).and_then(dpop::presented) {
        let refused = |error: BearerError| {
            noted(Some(token), &error);
            match &error {
                BearerError::Error(error) => dpop_error(error),
                BearerError::Missing => bearer_error(&error),
            }
        };
        return match proof(&app, &ctx, &headers, method.as_str(), uri.path(), Some(token)) {
            Ok(Some(proof)) => bound(&app, &ctx, token, proof, refused).await,
            Ok(None) => refused(BearerError::Error(OAuthError::new(
                pid_oidc::ErrorCode::InvalidDpopProof,
                "The request needs a DPoP proof of the access token's key.",
            ))),
            Err(error) => refused(BearerError::Error(error)),
        };
    }
    let (form, query) = (form.ok(), uri.query().and_then(|q| Params::parse(q).ok()));
    let token = match extract(authorization(&headers), form.as_ref(), query.as_ref()) {
        Ok(token) => token,
        Err(error) => {
            noted(None, &error);
            return bearer_error(&error);
        }
    };
    let refused = |error: BearerError| {
        noted(Some(token), &error);
        bearer_error(&error)
    };
    let signed = match userinfo::check_token(&app.keys(), token) {
        Ok(signed) => signed,
        Err(error) => return refused(error),
    };
    let (env, site, now) = (app.env().clone(), app.snapshot(), ctx.now);
    answer(app.db().read(move |tx| userinfo::claims(tx, now, &env, &site, &signed, None)).await, refused)
}

/// A token that is sent with the proof of its key (RFC 9449 §7.1). The proof is used up by a write.
async fn bound(
    app: &App,
    ctx: &pid_core::Ctx,
    token: &str,
    proof: Proof,
    refused: impl Fn(BearerError) -> Response,
) -> Response {
    let signed = match userinfo::check_token(&app.keys(), token) {
        Ok(signed) => signed,
        Err(error) => return refused(error),
    };
    let (env, site, now) = (app.env().clone(), app.snapshot(), ctx.now);
    let read = move |tx: &WriteTx<'_>| match use_up_proof(tx, &proof)? {
        Ok(()) => userinfo::claims(tx, now, &env, &site, &signed, Some(&proof)),
        Err(error) => Ok(Err(BearerError::Error(error))),
    };
    answer(app.db().write(read).await, refused)
}

fn answer(outcome: Result<Outcome, pid_flows::Error>, refused: impl Fn(BearerError) -> Response) -> Response {
    match outcome {
        Ok(Ok(claims)) => never_stored(axum::Json(claims).into_response()),
        Ok(Err(error)) => refused(error),
        Err(error) => fault(&error),
    }
}
