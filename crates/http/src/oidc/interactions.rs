//! The interaction API (oidc.md §11), bound to the browser by the cookie that `/authorize` set.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum_extra::extract::CookieJar;
use pid_core::InteractionId;
use pid_core::secret::Secret;
use pid_flows::Error;
use pid_flows::access::Credentials;
use pid_flows::authorize::{Arrival, Asked};
use pid_flows::interaction::{self, Status};
use pid_flows::scope_words::ScopeWords;
use pid_oidc::authorize::Step;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::api::dto::ClientMetaDto;
use crate::cookies;
use crate::error::ApiError;
use crate::extract::{Creds, Json, Path, RequestCtx};
use crate::oidc::authorize::browser;
use crate::state::App;

/// An interaction on the wire (oidc.md §11.2).
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "Interaction")]
pub struct InteractionDto {
    id: String,
    scopes: Vec<String>,
    /// Single claims beyond the scopes; ours, and left out if there are none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    claims: Vec<String>,
    scope_info: Vec<ScopeInfo>,
    client: ClientMetaDto,
    #[serde(skip_serializing_if = "Option::is_none")]
    current_step: Option<Step>,
    required_steps: Vec<Step>,
}

/// A scope in words.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct ScopeInfo {
    key: String,
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
}

impl From<ScopeWords> for ScopeInfo {
    fn from(words: ScopeWords) -> Self {
        Self { key: words.key, name: words.name, description: words.description }
    }
}

impl InteractionDto {
    fn new(status: Status) -> Self {
        Self {
            id: status.id.into_string(),
            scopes: status.scopes,
            claims: status.claims,
            scope_info: status.words.scopes.into_iter().map(ScopeInfo::from).collect(),
            client: status.client.into(),
            current_step: status.steps.first().copied(),
            required_steps: status.steps,
        }
    }
}

/// What comes after a step: the next one, or the way back to the client.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "CompletedStep")]
pub struct Completed {
    #[serde(skip_serializing_if = "Option::is_none")]
    redirect_url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    interaction: Option<InteractionDto>,
}

/// What a page of an interaction brings to its rules.
pub(crate) fn arrival(app: &App, jar: &CookieJar, credentials: Credentials, id: String) -> Arrival {
    Arrival { asked: Asked::Resumed(InteractionId::new(id)), browser: browser(app, jar), credentials }
}

/// `GET /api/oidc/interactions/{id}`.
pub async fn get(
    State(app): State<App>,
    RequestCtx(ctx): RequestCtx,
    Creds(credentials): Creds,
    jar: CookieJar,
    Path(id): Path<String>,
) -> Result<Response, ApiError> {
    let arrival = arrival(&app, &jar, credentials, id);
    let (env, site) = (app.env().clone(), app.snapshot());
    let status = app.db().read(move |tx| interaction::get(tx, ctx.now, &env, &site, &arrival)).await?;
    Ok(axum::Json(InteractionDto::new(status)).into_response())
}

/// The step that is completed.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(rename = "CompleteInput")]
pub struct Complete {
    step: Step,
}

/// `POST /api/oidc/interactions/{id}/complete`.
pub async fn complete(
    State(app): State<App>,
    RequestCtx(ctx): RequestCtx,
    Creds(credentials): Creds,
    jar: CookieJar,
    Path(id): Path<String>,
    Json(body): Json<Complete>,
) -> Result<Response, ApiError> {
    let arrival = arrival(&app, &jar, credentials, id);
    let proof = jar.get(cookies::reauthentication_name(app.env())).map(|c| Secret::new(c.value()));
    let used = proof.is_some() && body.step == Step::Reauthenticate;
    let (env, site) = (app.env().clone(), app.snapshot());
    let status = app
        .db()
        .write(move |tx| -> Result<Status, Error> {
            interaction::complete(tx, &ctx, &env, &site, &arrival, body.step, proof.as_ref())
        })
        .await?;
    let body = if status.steps.is_empty() {
        Completed { redirect_url: Some(format!("/authorize?interaction={}", status.id)), interaction: None }
    } else {
        Completed { redirect_url: None, interaction: Some(InteractionDto::new(status)) }
    };
    let jar = if used { jar.add(cookies::no_reauthentication(app.env())) } else { jar };
    Ok((jar, axum::Json(body)).into_response())
}
