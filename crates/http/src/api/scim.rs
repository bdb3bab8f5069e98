//! SCIM providers (api.md §24.1).

use std::time::Duration;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{StatusCode, header};
use pid_core::Timestamp;
use pid_core::ids::client_id_from_path;
use pid_flows::change::Change;
use pid_flows::scim::{self, Report, ScimInput, Shown, run};
use pid_flows::{Code, Error};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::api::dto::ClientMetaDto;
use crate::error::ApiError;
use crate::extract::{AdminCreds, Creds, IfMatch, Json, MergePatch, Path, Query, RequestCtx, etag};
use crate::scim::provision;
use crate::state::App;

/// How long a run that is asked for waits for another one to end.
const WAIT: Duration = Duration::from_secs(20);
/// Between two looks whether it has.
const LOOK: Duration = Duration::from_millis(250);

/// A provider (api.md §11.12).
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "ScimProvider")]
pub struct ScimProviderDto {
    id: String,
    endpoint: String,
    /// Empty, or what stands for it: the token itself is never shown.
    token: &'static str,
    /// When the last run ended in which everything succeeded.
    last_synced_at: Option<Timestamp>,
    oidc_client: ClientMetaDto,
    created_at: Timestamp,
    /// Ours: see the input.
    deactivate_instead_of_delete: bool,
    /// Ours: how it goes.
    sync: SyncDto,
}

/// How provisioning goes.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "ScimSync")]
pub struct SyncDto {
    /// Since when a run is under way, if one is.
    running_since: Option<Timestamp>,
    /// When the next one begins, if nothing changes.
    next_at: Timestamp,
    /// Whether something has changed here since the last run began.
    changes_wait: bool,
    /// The last run.
    last: Option<Report>,
}

impl ScimProviderDto {
    fn new(shown: Shown, now: Timestamp) -> Self {
        let running = shown.is_running(now);
        Self {
            token: shown.token(),
            oidc_client: ClientMetaDto::new(&shown.client),
            sync: SyncDto {
                running_since: shown.provider.started_at.filter(|_| running),
                next_at: shown.next_at(),
                changes_wait: shown.provider.first_change_at.is_some(),
                last: shown.report,
            },
            id: shown.provider.id,
            endpoint: shown.provider.endpoint,
            last_synced_at: shown.provider.last_synced_at,
            created_at: shown.provider.created_at,
            deactivate_instead_of_delete: shown.provider.deactivates,
        }
    }
}

fn answer(status: StatusCode, shown: Shown, now: Timestamp) -> Response {
    let tag = etag(shown.provider.version);
    (status, [(header::ETAG, tag)], axum::Json(ScimProviderDto::new(shown, now))).into_response()
}

/// `GET /api/oidc/clients/{id}/scim-service-provider`.
pub async fn of_client(
    State(app): State<App>,
    RequestCtx(ctx): RequestCtx,
    Creds(creds): Creds,
    Path(id): Path<String>,
) -> Result<Response, ApiError> {
    let (id, now) = (client_id_from_path(&id), ctx.now);
    let shown = app.db().read(move |tx| scim::of_client(tx, &creds.reads_all(tx, ctx.now)?, &id)).await?;
    Ok(answer(StatusCode::OK, shown, now))
}

/// `POST /api/scim/service-provider`.
pub async fn create(
    State(app): State<App>,
    RequestCtx(ctx): RequestCtx,
    AdminCreds(creds): AdminCreds,
    Json(input): Json<ScimInput>,
) -> Result<Response, ApiError> {
    let (env, now) = (app.env().clone(), ctx.now);
    let shown = app.db().write(move |tx| scim::create(tx, &ctx, &env, &creds.admin(tx, ctx.now)?, &input)).await?;
    Ok(answer(StatusCode::CREATED, shown, now))
}

async fn change(
    app: App,
    RequestCtx(ctx): RequestCtx,
    AdminCreds(creds): AdminCreds,
    id: String,
    version: Option<i64>,
    change: Change<ScimInput>,
) -> Result<Response, ApiError> {
    let (env, now) = (app.env().clone(), ctx.now);
    let shown = app
        .db()
        .write(move |tx| scim::update(tx, &ctx, &env, &creds.admin(tx, ctx.now)?, &id, &change, version))
        .await?;
    Ok(answer(StatusCode::OK, shown, now))
}

/// `PUT /api/scim/service-provider/{id}`.
pub async fn replace(
    State(app): State<App>,
    ctx: RequestCtx,
    creds: AdminCreds,
    Path(id): Path<String>,
    IfMatch(version): IfMatch,
    Json(input): Json<ScimInput>,
) -> Result<Response, ApiError> {
    change(app, ctx, creds, id, version, Change::Replace(input)).await
}

/// `PATCH /api/scim/service-provider/{id}`.
pub async fn patch(
    State(app): State<App>,
    ctx: RequestCtx,
    creds: AdminCreds,
    Path(id): Path<String>,
    IfMatch(version): IfMatch,
    MergePatch(patch): MergePatch,
) -> Result<Response, ApiError> {
    change(app, ctx, creds, id, version, Change::Merge(patch)).await
}

/// `DELETE /api/scim/service-provider/{id}`.
pub async fn delete(
    State(app): State<App>,
    RequestCtx(ctx): RequestCtx,
    Creds(creds): Creds,
    Path(id): Path<String>,
    IfMatch(version): IfMatch,
) -> Result<StatusCode, ApiError> {
    app.db().write(move |tx| scim::delete(tx, &ctx, &creds.admin(tx, ctx.now)?, &id, version)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// How a run is asked for.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct SyncAsked {
    anyway: bool,
}

/// `POST /api/scim/service-provider/{id}/sync`: a full run, which goes on even if nobody waits for its end.
pub async fn sync(
    State(app): State<App>,
    RequestCtx(ctx): RequestCtx,
    AdminCreds(creds): AdminCreds,
    Path(id): Path<String>,
    Query(SyncAsked { anyway }): Query<SyncAsked>,
) -> Result<StatusCode, ApiError> {
    let asked = id.clone();
    let cause = app.db().read(move |tx| run::asked(tx, &creds.admin(tx, ctx.now)?, &asked, anyway)).await?;
    let (until, again) = (tokio::time::Instant::now() + WAIT, app.clone());
    loop {
        let (app, id, cause) = (app.clone(), id.clone(), cause.clone());
        let ended = tokio::spawn(async move { provision(&app, &id, cause).await }).await.map_err(Error::internal)??;
        match ended {
            Some(report) => return run::refusal(&report).map_or(Ok(StatusCode::OK), |refusal| Err(refusal.into())),
            None if tokio::time::Instant::now() < until && !again.waits().has_ended() => tokio::time::sleep(LOOK).await,
            None => return Err(Code::ScimSyncRunning.into()),
        }
    }
}
