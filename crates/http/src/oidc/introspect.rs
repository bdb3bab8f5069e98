//! `/api/oidc/introspect` (RFC 7662).

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, header};
use pid_core::Ctx;
use pid_flows::introspect::{self, Answer, Asking};
use pid_flows::{client_auth, userinfo};
use pid_jose::KeySet;
use pid_oidc::bearer::{BearerError, extract};
use pid_oidc::introspect::IntrospectionRequest;
use pid_oidc::{ErrorCode, OAuthError, Params};
use pid_store::WriteTx;

use crate::diagnosis::Sent;
use crate::extract::RequestCtx;
use crate::oidc::client_request::NotPresented;
use crate::oidc::{Form, authorization, bearer_error, client_request, fault, never_stored, oauth_error};
use crate::state::App;

const PATH: &str = "/api/oidc/introspect";

fn bad_bearer() -> Response {
    let text = "The bearer token is invalid, or is the one that is asked about.";
    bearer_error(&BearerError::Error(OAuthError::new(ErrorCode::InvalidToken, text)))
}

/// Who asks, as far as it can be told without the answer's transaction.
async fn asking(app: &App, ctx: &Ctx, headers: &HeaderMap, form: &Params, keys: &KeySet) -> Result<Asking, Response> {
    match extract(authorization(headers), None, None) {
        Ok(token) => userinfo::check_token(keys, token).map(Asking::Bearer).map_err(|_| bad_bearer()),
        Err(BearerError::Missing) => match client_request::present(app, ctx, headers, PATH, form).await {
            Ok(presented) => Ok(Asking::Client(presented.into())),
            Err(NotPresented::Protocol(error)) => {
                Sent::new(ctx, PATH, headers.get(header::AUTHORIZATION)).refused(app, form.clone(), &error);
                Err(oauth_error(&error))
            }
            Err(NotPresented::Fault(error)) => Err(fault(&error)),
        },
        Err(_) => Err(bad_bearer()),
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
    let asking = match asking(&app, &ctx, &headers, &form, &keys).await {
        Ok(asking) => Arc::new(asking),
        Err(refused) => return refused,
    };
    let signed = userinfo::check_token(&keys, &request.token).ok();
    let (env, limited) = (app.env().clone(), app.limiter().is_on());
    let (asked, now) = (Arc::clone(&asking), ctx.clone());
    let answer = match &*asking {
        // What may be used once is used up with the answer.
        Asking::Client(presented) if presented.counts_once() => {
            let presented = presented.clone();
            let with = move |tx: &WriteTx<'_>| match client_auth::use_up(tx, &presented)? {
                Ok(()) => introspect::introspect(tx, &now, &env, &asked, &request, signed.as_ref(), limited),
                Err(error) => Ok(Answer::Refused(error)),
            };
            app.db().write(with).await
        }
        _ => {
            app.db()
                .read(move |tx| introspect::introspect(tx, &now, &env, &asked, &request, signed.as_ref(), limited))
                .await
        }
    };
    match answer {
        Ok(Answer::Told(told)) => never_stored(axum::Json(told).into_response()),
        Ok(Answer::BadBearer) => bad_bearer(),
        Ok(Answer::Refused(error)) => {
            Sent::new(&ctx, PATH, headers.get(header::AUTHORIZATION)).refused(&app, form, &error);
            // The one thing that is written: who did not get in.
            if let Asking::Client(presented) = &*asking {
                let (presented, why) = (presented.clone(), error.clone());
                let count = move |tx: &WriteTx<'_>| client_auth::count_failure(tx, &ctx, &presented, &why, limited);
                if let Err(error) = app.db().write(count).await {
                    return fault(&error);
                }
            }
            oauth_error(&error)
        }
        Err(error) => fault(&error),
    }
}
