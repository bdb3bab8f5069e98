//! `/api/oidc/device/…` (RFC 8628, oidc.md §21).

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum_extra::extract::CookieJar;
use http::StatusCode;
use pid_core::secret::Secret;
use pid_flows::Error;
use pid_flows::access::Credentials;
use pid_flows::device::{self, Status, Verdict};
use pid_store::WriteTx;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::api::dto::ClientMetaDto;
use crate::cookies;
use crate::error::ApiError;
use crate::extract::{Query, RequestCtx, SessionCreds};
use crate::oidc::client_request::ClientRequest;
use crate::oidc::interactions::ScopeInfo;
use crate::oidc::{fault, never_stored, oauth_error};
use crate::state::App;

/// `POST /api/oidc/device/authorize`.
pub async fn authorize(State(app): State<App>, request: ClientRequest) -> Response {
    let ClientRequest { ctx, form, presented, sent } = request;
    let (env, site, limited) = (app.env().clone(), app.snapshot(), app.limiter().is_on());
    let asked = form.clone();
    match app.db().write(move |tx| device::begin(tx, &ctx, &env, &site, &presented, &asked, limited)).await {
        Ok(Ok(answer)) => never_stored(axum::Json(answer).into_response()),
        Ok(Err(error)) => {
            sent.refused(&app, form, &error);
            oauth_error(&error)
        }
        Err(error) => fault(&error),
    }
}

/// A device that waits, on the wire (oidc.md §21.3).
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "Device")]
pub struct DeviceDto {
    scope: Vec<String>,
    scope_info: Vec<ScopeInfo>,
    authorization_required: bool,
    reauthentication_required: bool,
    client: ClientMetaDto,
}

impl From<Status> for DeviceDto {
    fn from(status: Status) -> Self {
        Self {
            scope: status.scopes,
            scope_info: status.words.scopes.into_iter().map(ScopeInfo::from).collect(),
            authorization_required: status.consent_required,
            reauthentication_required: status.reauthentication_required,
            client: status.client.into(),
        }
    }
}

/// The code that a person typed.
#[derive(Debug, Deserialize)]
pub struct Typed {
    #[serde(default)]
    code: String,
}

impl Typed {
    fn code(self) -> Result<String, Error> {
        if self.code.trim().is_empty() {
            return Err(Error::field("code", pid_core::FieldCode::Required, "must not be empty"));
        }
        Ok(self.code)
    }
}

/// What the device wants whose code a person typed. A wrong code is counted.
pub(crate) async fn look(app: &App, ctx: &pid_core::Ctx, creds: &Credentials, code: String) -> Result<Status, Error> {
    let limited = app.limiter().is_on();
    let (now, who, site) = (ctx.clone(), creds.clone(), app.snapshot());
    let found =
        app.db().read(move |tx| device::info(tx, &now, &site, &who.session_user(tx, now.now)?, &code, limited)).await;
    if let (Err(error), true) = (&found, limited)
        && device::is_guess(error)
    {
        let (ctx, creds) = (ctx.clone(), creds.clone());
        let count = move |tx: &WriteTx<'_>| device::count_failure(tx, &ctx, &creds.session_user(tx, ctx.now)?);
        app.db().write(count).await?;
    }
    found
}

/// `GET /api/oidc/device/info?code=`.
pub async fn info(
    State(app): State<App>,
    RequestCtx(ctx): RequestCtx,
    SessionCreds(creds): SessionCreds,
    Query(typed): Query<Typed>,
) -> Result<Response, ApiError> {
    let status = look(&app, &ctx, &creds, typed.code()?).await?;
    Ok(axum::Json(DeviceDto::from(status)).into_response())
}

/// `POST /api/oidc/device/verify?code=`: the device may.
pub async fn verify(
    state: State<App>,
    ctx: RequestCtx,
    creds: SessionCreds,
    jar: CookieJar,
    typed: Query<Typed>,
) -> Result<Response, ApiError> {
    decide(state, ctx, creds, jar, typed, Verdict::Allow).await
}

/// `POST /api/oidc/device/deny?code=`: the device may not. Ours.
pub async fn deny(
    state: State<App>,
    ctx: RequestCtx,
    creds: SessionCreds,
    jar: CookieJar,
    typed: Query<Typed>,
) -> Result<Response, ApiError> {
    decide(state, ctx, creds, jar, typed, Verdict::Deny).await
}

async fn decide(
    State(app): State<App>,
    RequestCtx(ctx): RequestCtx,
    SessionCreds(creds): SessionCreds,
    jar: CookieJar,
    Query(typed): Query<Typed>,
    verdict: Verdict,
) -> Result<Response, ApiError> {
    let code = typed.code()?;
    let (site, limited) = (app.snapshot(), app.limiter().is_on());
    let proof = jar.get(cookies::reauthentication_name(app.env())).map(|c| Secret::new(c.value()));
    let decided = app
        .db()
        .write(move |tx| {
            let who = creds.session_user(tx, ctx.now)?;
            device::decide(tx, &ctx, &site, &who, &code, verdict, proof.as_ref(), limited)
        })
        .await?;
    decided?;
    Ok(StatusCode::NO_CONTENT.into_response())
}
