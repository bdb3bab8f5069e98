//! Synchronising with a directory (api.md §20.6), and ours: trying it out, looking first, and the reports.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use pid_core::Timestamp;
use pid_core::ldap::Directory;
use pid_flows::ldap::Counts;
use pid_flows::ldap::runs::{self, Cause, Removal, Report};
use pid_flows::settings::{self, Scope};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::api::dto::PageDto;
use crate::error::ApiError;
use crate::extract::{AdminCreds, Creds, Json, ListQuery, Path, RequestCtx};
use crate::ldap::{self, Ended};
use crate::state::App;

/// A synchronisation, under way or over.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "LdapRun")]
pub struct RunDto {
    id: String,
    /// It changed nothing.
    dry_run: bool,
    /// An administrator asked for it; otherwise its hour had come.
    by_hand: bool,
    /// `stopped`: nothing was changed, since more would go than may without being asked.
    #[schemars(extend("enum" = ["running", "done", "stopped", "failed"]))]
    state: String,
    /// What it does, or did last.
    #[schemars(extend("enum" = ["reading", "people", "groups", "pictures"]))]
    phase: String,
    started_at: Timestamp,
    ended_at: Option<Timestamp>,
    /// Why it failed, with the directory's own words.
    failure: Option<String>,
    /// What it did so far; of a dry run and of one that stopped, what it would have done.
    counts: Counts,
    /// What would go, of one that stopped.
    removal: Option<RemovalDto>,
    /// Whether it stopped and may be confirmed.
    may_be_confirmed: bool,
}

/// What would go.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "LdapRemoval")]
pub struct RemovalDto {
    /// People who would be disabled or deleted.
    users: usize,
    /// Groups that would be deleted.
    groups: usize,
    /// Memberships that would end.
    members: usize,
    /// Administrators who would be none any more.
    admins: usize,
}

impl From<Removal> for RemovalDto {
    fn from(r: Removal) -> Self {
        Self { users: r.users, groups: r.groups, members: r.members, admins: r.admins }
    }
}

impl From<Report> for RunDto {
    fn from(report: Report) -> Self {
        let run = report.run;
        Self {
            id: run.id,
            dry_run: run.dry,
            by_hand: run.by_hand,
            failure: run.failure.filter(|_| run.state == "failed"),
            state: run.state,
            phase: run.phase,
            started_at: run.started_at,
            ended_at: run.ended_at,
            counts: report.counts,
            removal: report.stopped_at.map(RemovalDto::from),
            may_be_confirmed: report.may_be_confirmed,
        }
    }
}

/// What a run did about an entry.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "LdapRunEntry")]
pub struct EntryDto {
    #[schemars(extend("enum" = ["user", "group"]))]
    kind: String,
    #[schemars(extend("enum" = ["created", "changed", "enabled", "disabled", "deleted", "skipped"]))]
    action: String,
    /// The username or the group's name; of what has none here, its name in the directory.
    name: String,
    /// The id of the account or group.
    subject_id: Option<String>,
    /// Why it was passed over, in a word; or what changed.
    detail: String,
}

impl From<pid_store::ldap::Entry> for EntryDto {
    fn from(e: pid_store::ldap::Entry) -> Self {
        Self { kind: e.kind, action: e.action, name: e.name, subject_id: e.subject_id, detail: e.detail }
    }
}

/// What a test of the connection found.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "LdapCheck")]
pub struct CheckDto {
    /// The name of an entry that the search for people found.
    first_user: Option<String>,
    /// The name of an entry that the search for groups found.
    first_group: Option<String>,
}

/// `POST /api/application-configuration/sync-ldap`: takes everything over, and answers when that is done.
pub async fn sync(
    State(app): State<App>,
    RequestCtx(ctx): RequestCtx,
    Creds(creds): Creds,
) -> Result<StatusCode, ApiError> {
    let who = creds.clone();
    app.db().read(move |tx| who.admin(tx, ctx.now).map(drop)).await?;
    let directory = ldap::directory(&app)?;
    ldap::run(&app, directory, Cause::ByHand, Some(creds)).await?.check()?;
    Ok(StatusCode::NO_CONTENT)
}

/// The directory that the settings would name with changed values, which are not saved.
async fn tried(app: &App, ctx: &pid_core::Ctx, creds: &Creds, body: Map<String, Value>) -> Result<Directory, ApiError> {
    let (values, creds, now) = (settings::values(body)?, creds.0.clone(), ctx.now);
    let settings = app
        .db()
        .read(move |tx| {
            creds.admin(tx, now)?;
            settings::tried(tx, &values, Scope::Named)
        })
        .await?;
    Ok(Directory::from_settings(&settings).map_err(pid_flows::Error::from)?)
}

/// `POST /api/application-configuration/ldap/test`: connection, certificate, bind and both searches.
pub async fn test(
    State(app): State<App>,
    RequestCtx(ctx): RequestCtx,
    AdminCreds(creds): AdminCreds,
    Json(body): Json<Map<String, Value>>,
) -> Result<axum::Json<CheckDto>, ApiError> {
    let directory = tried(&app, &ctx, &Creds(creds), body).await?;
    let found = pid_integrations::ldap::check(app.fetcher(), &directory).await;
    let found = found.map_err(|error| ldap::failed(&error.to_string()))?;
    Ok(axum::Json(CheckDto { first_user: found.person, first_group: found.group }))
}

async fn shown(app: &App, ctx: &pid_core::Ctx, creds: Creds, id: String) -> Result<RunDto, ApiError> {
    let now = ctx.now;
    let report = app.db().read(move |tx| runs::get(tx, now, &creds.0.reads_all(tx, now)?, &id)).await?;
    Ok(report.into())
}

/// `POST /api/application-configuration/ldap/dry-run`: what a synchronisation would do.
pub async fn dry_run(
    State(app): State<App>,
    RequestCtx(ctx): RequestCtx,
    AdminCreds(creds): AdminCreds,
    Json(body): Json<Map<String, Value>>,
) -> Result<axum::Json<RunDto>, ApiError> {
    let creds = Creds(creds);
    let directory = tried(&app, &ctx, &creds, body).await?;
    let ended = ldap::run(&app, directory, Cause::DryRun, Some(creds.0.clone())).await?;
    let run = ended.run.clone();
    // One that would stop is shown too.
    if let Ended { end: runs::End::Failed(_), .. } = ended {
        ended.check()?;
    }
    Ok(axum::Json(shown(&app, &ctx, creds, run).await?))
}

/// `GET /api/application-configuration/ldap/runs`: the latest 20, the newest first.
pub async fn list(
    State(app): State<App>,
    RequestCtx(ctx): RequestCtx,
    Creds(creds): Creds,
) -> Result<Response, ApiError> {
    let runs = app.db().read(move |tx| runs::list(tx, ctx.now, &creds.reads_all(tx, ctx.now)?)).await?;
    Ok(axum::Json(runs.into_iter().map(RunDto::from).collect::<Vec<_>>()).into_response())
}

/// `GET /api/application-configuration/ldap/runs/{id}`.
pub async fn get(
    State(app): State<App>,
    RequestCtx(ctx): RequestCtx,
    creds: Creds,
    Path(id): Path<String>,
) -> Result<axum::Json<RunDto>, ApiError> {
    Ok(axum::Json(shown(&app, &ctx, creds, id).await?))
}

/// `GET /api/application-configuration/ldap/runs/{id}/entries`.
pub async fn entries(
    State(app): State<App>,
    RequestCtx(ctx): RequestCtx,
    Creds(creds): Creds,
    Path(id): Path<String>,
    ListQuery(request): ListQuery,
) -> Result<Response, ApiError> {
    let page = app.db().read(move |tx| runs::entries(tx, &creds.reads_all(tx, ctx.now)?, &id, &request)).await?;
    Ok(axum::Json(PageDto::from(page.map(EntryDto::from))).into_response())
}

/// `POST /api/application-configuration/ldap/runs/{id}/confirm`: synchronises, though all that goes which that run stopped
/// at. If it is anything else by then, or the settings are others, it stops again.
pub async fn confirm(
    State(app): State<App>,
    RequestCtx(ctx): RequestCtx,
    AdminCreds(creds): AdminCreds,
    Path(id): Path<String>,
) -> Result<axum::Json<RunDto>, ApiError> {
    let who = creds.clone();
    app.db().read(move |tx| who.admin(tx, ctx.now).map(drop)).await?;
    let directory = ldap::directory(&app)?;
    let ended = ldap::run(&app, directory, Cause::Confirmed(id), Some(creds.clone())).await?.check()?;
    Ok(axum::Json(shown(&app, &ctx, Creds(creds), ended.run).await?))
}
