//! Proving one's address (api.md §23.6).

use axum::extract::State;
use http::StatusCode;
use pid_flows::email_verification;
use pid_store::WriteTx;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::error::ApiError;
use crate::extract::{Creds, Json, RequestCtx, UserCreds};
use crate::state::App;

/// `POST /api/users/me/send-email-verification`.
pub async fn request(
    State(app): State<App>,
    RequestCtx(ctx): RequestCtx,
    Creds(creds): Creds,
) -> Result<StatusCode, ApiError> {
    let (env, settings, limited) = (app.env().clone(), app.settings(), app.limiter().is_on());
    app.db()
        .write(move |tx| {
            let who = email_verification::asking(tx, &creds, ctx.now)?;
            email_verification::request(tx, &ctx, &env, &settings, &who, limited)
        })
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// What the link carries.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(rename = "VerifyEmailInput", extend("required" = ["token"]))]
pub struct Proof {
    token: String,
}

/// `POST /api/users/me/verify-email`.
pub async fn verify(
    State(app): State<App>,
    RequestCtx(ctx): RequestCtx,
    UserCreds(creds): UserCreds,
    Json(proof): Json<Proof>,
) -> Result<StatusCode, ApiError> {
    let limited = app.limiter().is_on();
    let outcome = app
        .db()
        .write(move |tx| {
            let who = creds.signed_in(tx, ctx.now)?;
            email_verification::verify(tx, &ctx, &who, &proof.token, limited)
        })
        .await?;
    outcome?;
    Ok(StatusCode::NO_CONTENT)
}

/// `POST /api/signup/verify-email`: for who signed up in this browser and waits for that proof.
pub async fn verify_newcomer(
    State(app): State<App>,
    RequestCtx(ctx): RequestCtx,
    Creds(creds): Creds,
    Json(proof): Json<Proof>,
) -> Result<StatusCode, ApiError> {
    let limited = app.limiter().is_on();
    let rule = move |tx: &WriteTx<'_>| email_verification::verify_newcomer(tx, &ctx, &creds, &proof.token, limited);
    app.db().write(rule).await??;
    Ok(StatusCode::NO_CONTENT)
}

/// `POST /api/signup/disown`: for who gets the letter and has not signed up.
pub async fn disown(
    State(app): State<App>,
    RequestCtx(ctx): RequestCtx,
    Json(proof): Json<Proof>,
) -> Result<StatusCode, ApiError> {
    let limited = app.limiter().is_on();
    let rule = move |tx: &WriteTx<'_>| email_verification::disown(tx, &ctx, &proof.token, limited);
    app.db().write(rule).await??;
    Ok(StatusCode::NO_CONTENT)
}
