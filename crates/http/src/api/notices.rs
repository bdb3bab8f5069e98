//! What people are told about their own account (ours).

use std::collections::BTreeMap;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use pid_core::notices::Notice;
use pid_flows::notices::{self, Choice};
use pid_flows::{Code, Error};
use schemars::JsonSchema;
use serde::Serialize;

use crate::error::ApiError;
use crate::extract::{Creds, MergePatch, RequestCtx, SessionCreds};
use crate::state::App;

/// Which mails about one's own account one gets, as far as this instance sends them: what its configuration switches off
/// nobody gets, whatever stands here.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "Notices")]
pub struct NoticesDto {
    /// Sign-ins from devices that were never seen.
    new_device: bool,
    /// Login codes that were used, or that an administrator made.
    login_code: bool,
    /// API keys that will expire.
    api_key_expiry: bool,
    /// People who wait for approval; administrators only.
    #[serde(skip_serializing_if = "Option::is_none")]
    signup_approval: Option<bool>,
    /// Passkeys that were added or removed. Always true: nobody does without by their own choice.
    passkey: bool,
    /// That the account has another address; to the one before. Always true, and no configuration switches it off.
    address_change: bool,
}

impl From<Vec<Choice>> for NoticesDto {
    fn from(choices: Vec<Choice>) -> Self {
        let find = |notice: Notice| choices.iter().find(|choice| choice.notice == notice).map(|choice| choice.wanted);
        let wanted = |notice: Notice| find(notice).unwrap_or(true);
        Self {
            new_device: wanted(Notice::NewDevice),
            login_code: wanted(Notice::LoginCode),
            api_key_expiry: wanted(Notice::ApiKeyExpiry),
            signup_approval: find(Notice::SignupApproval),
            passkey: wanted(Notice::Passkey),
            address_change: wanted(Notice::AddressChange),
        }
    }
}

/// `GET /api/users/me/notices`.
pub async fn get(
    State(app): State<App>,
    RequestCtx(ctx): RequestCtx,
    Creds(creds): Creds,
) -> Result<Response, ApiError> {
    let settings = app.settings();
    let rule = move |tx: &pid_store::ReadTx<'_>| notices::choices(tx, &settings, &creds.signed_in(tx, ctx.now)?);
    Ok(axum::Json(NoticesDto::from(app.db().read(rule).await?)).into_response())
}

/// `PATCH /api/users/me/notices`: some of them; null is the default, which is on.
pub async fn patch(
    State(app): State<App>,
    RequestCtx(ctx): RequestCtx,
    SessionCreds(creds): SessionCreds,
    MergePatch(changes): MergePatch,
) -> Result<Response, ApiError> {
    let mut wanted = BTreeMap::new();
    for (name, value) in changes {
        let Some(value) = value.as_bool().or(value.is_null().then_some(true)) else {
            return Err(Error::with(Code::InvalidRequestBody, format!("\"{name}\" must be true or false")).into());
        };
        wanted.insert(name, value);
    }
    let settings = app.settings();
    let rule = move |tx: &pid_store::WriteTx<'_>| {
        notices::choose(tx, &ctx, &settings, &creds, &wanted)?;
        notices::choices(tx, &settings, &creds.signed_in(tx, ctx.now)?)
    };
    Ok(axum::Json(NoticesDto::from(app.db().write(rule).await?)).into_response())
}

/// `POST /api/users/me/notices/seen`: the caller has seen what happened.
pub async fn seen(
    State(app): State<App>,
    RequestCtx(ctx): RequestCtx,
    SessionCreds(creds): SessionCreds,
) -> Result<StatusCode, ApiError> {
    app.db().write(move |tx| notices::seen(tx, &ctx, &creds.session_user(tx, ctx.now)?)).await?;
    Ok(StatusCode::NO_CONTENT)
}
