//! User groups (api.md §14).

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{StatusCode, header};
use pid_core::GroupId;
use pid_flows::access::Credentials;
use pid_flows::change::Change;
use pid_flows::groups::{self, GroupDetails, GroupInput};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::api::dto::{GroupDto, GroupMinimalDto, PageDto};
use crate::error::ApiError;
use crate::extract::{
    AdminCreds, Creds, IfMatch, Json, ListQuery, ManagerCreds, MergePatch, Path, RequestCtx, etag, required,
};
use crate::state::App;

fn answer(status: StatusCode, details: GroupDetails) -> Response {
    let tag = etag(details.group.version);
    (status, [(header::ETAG, tag)], axum::Json(GroupDto::new(details))).into_response()
}

/// `GET /api/user-groups`.
pub async fn list(
    State(app): State<App>,
    RequestCtx(ctx): RequestCtx,
    Creds(creds): Creds,
    ListQuery(request): ListQuery,
) -> Result<Response, ApiError> {
    let page = app.db().read(move |tx| groups::list(tx, &creds.reads_people(tx, ctx.now)?, &request)).await?;
    let page = page.map(|(group, claims, members)| GroupMinimalDto::new(&group, claims, members));
    Ok(axum::Json(PageDto::from(page)).into_response())
}

/// `GET /api/user-groups/{id}`.
pub async fn get(
    State(app): State<App>,
    RequestCtx(ctx): RequestCtx,
    Creds(creds): Creds,
    Path(id): Path<String>,
) -> Result<Response, ApiError> {
    let id = GroupId::new(id);
    let found = app.db().read(move |tx| groups::get(tx, &creds.reads_people(tx, ctx.now)?, &id)).await?;
    Ok(answer(StatusCode::OK, found))
}

/// `POST /api/user-groups`.
pub async fn create(
    State(app): State<App>,
    RequestCtx(ctx): RequestCtx,
    ManagerCreds(creds): ManagerCreds,
    Json(input): Json<GroupInput>,
) -> Result<Response, ApiError> {
    let made = app
        .db()
        .write(move |tx| {
            let who = creds.manages_people(tx, ctx.now)?;
            groups::create(tx, &ctx, &who, &input)
        })
        .await?;
    Ok(answer(StatusCode::CREATED, made))
}

async fn change(
    app: App,
    ctx: pid_core::Ctx,
    creds: Credentials,
    id: String,
    change: Change<GroupInput>,
    if_match: Option<i64>,
) -> Result<Response, ApiError> {
    let (settings, id) = (app.settings(), GroupId::new(id));
    let changed = app
        .db()
        .write(move |tx| {
            let who = creds.manages_people(tx, ctx.now)?;
            groups::update(tx, &ctx, &settings, &who.group(tx, &id)?, &change, if_match)
        })
        .await?;
    Ok(answer(StatusCode::OK, changed))
}

/// `PUT /api/user-groups/{id}`.
pub async fn replace(
    State(app): State<App>,
    RequestCtx(ctx): RequestCtx,
    ManagerCreds(creds): ManagerCreds,
    Path(id): Path<String>,
    IfMatch(version): IfMatch,
    Json(input): Json<GroupInput>,
) -> Result<Response, ApiError> {
    change(app, ctx, creds, id, Change::Replace(input), version).await
}

/// `PATCH /api/user-groups/{id}`.
pub async fn patch(
    State(app): State<App>,
    RequestCtx(ctx): RequestCtx,
    ManagerCreds(creds): ManagerCreds,
    Path(id): Path<String>,
    IfMatch(version): IfMatch,
    MergePatch(patch): MergePatch,
) -> Result<Response, ApiError> {
    change(app, ctx, creds, id, Change::Merge(patch), version).await
}

/// `DELETE /api/user-groups/{id}`.
pub async fn delete(
    State(app): State<App>,
    RequestCtx(ctx): RequestCtx,
    Creds(creds): Creds,
    Path(id): Path<String>,
    IfMatch(version): IfMatch,
) -> Result<StatusCode, ApiError> {
    let (settings, id) = (app.settings(), GroupId::new(id));
    app.db()
        .write(move |tx| {
            let who = creds.manages_people(tx, ctx.now)?;
            groups::delete(tx, &ctx, &settings, &who.group(tx, &id)?, version)
        })
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Ids of people.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct UserIds {
    user_ids: Option<Vec<String>>,
}

/// `PUT /api/user-groups/{id}/users`.
pub async fn set_members(
    State(app): State<App>,
    RequestCtx(ctx): RequestCtx,
    ManagerCreds(creds): ManagerCreds,
    Path(id): Path<String>,
    IfMatch(version): IfMatch,
    Json(body): Json<UserIds>,
) -> Result<Response, ApiError> {
    let users = required("userIds", body.user_ids)?;
    let id = GroupId::new(id);
    let changed = app
        .db()
        .write(move |tx| {
            let who = creds.manages_people(tx, ctx.now)?;
            groups::set_members(tx, &ctx, &who.group(tx, &id)?, &users, version)
        })
        .await?;
    Ok(answer(StatusCode::OK, changed))
}

/// Ids of clients.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClientIds {
    oidc_client_ids: Option<Vec<String>>,
}

/// `PUT /api/user-groups/{id}/allowed-oidc-clients`: for administrators, as the same on the client's side is.
pub async fn set_clients(
    State(app): State<App>,
    RequestCtx(ctx): RequestCtx,
    AdminCreds(creds): AdminCreds,
    Path(id): Path<String>,
    IfMatch(version): IfMatch,
    Json(body): Json<ClientIds>,
) -> Result<Response, ApiError> {
    let clients = required("oidcClientIds", body.oidc_client_ids)?;
    let id = GroupId::new(id);
    let changed = app
        .db()
        .write(move |tx| {
            let admin = creds.admin(tx, ctx.now)?;
            groups::set_clients(tx, &ctx, &admin, &id, &clients, version)
        })
        .await?;
    Ok(answer(StatusCode::OK, changed))
}
