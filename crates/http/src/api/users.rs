//! Users (api.md §13).

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{StatusCode, header};
use pid_core::UserId;
use pid_flows::access::Credentials;
use pid_flows::change::Change;
use pid_flows::users::{self, UserDetails, UserInput};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::api::dto::{GroupDto, GroupMinimalDto, PageDto, UserDto};
use crate::error::ApiError;
use crate::extract::{
    Creds, IfMatch, Json, ListQuery, ManagerCreds, MergePatch, Path, RequestCtx, UserCreds, etag, required,
};
use crate::state::App;

pub(crate) fn dto(details: UserDetails) -> UserDto {
    let groups = details.groups.iter().map(|g| GroupMinimalDto::new(g, Vec::new(), 0)).collect();
    UserDto::new(&details.user, details.claims, groups).awaiting_approval(details.awaits_approval)
}

fn answer(status: StatusCode, details: UserDetails) -> Response {
    let tag = etag(details.user.version);
    (status, [(header::ETAG, tag)], axum::Json(dto(details))).into_response()
}

/// `GET /api/users`.
pub async fn list(
    State(app): State<App>,
    RequestCtx(ctx): RequestCtx,
    Creds(creds): Creds,
    ListQuery(request): ListQuery,
) -> Result<Response, ApiError> {
    let page = app.db().read(move |tx| users::list(tx, &creds.reads_people(tx, ctx.now)?, &request)).await?;
    Ok(axum::Json(PageDto::from(page.map(dto))).into_response())
}

/// `POST /api/users`.
pub async fn create(
    State(app): State<App>,
    RequestCtx(ctx): RequestCtx,
    ManagerCreds(creds): ManagerCreds,
    Json(input): Json<UserInput>,
) -> Result<Response, ApiError> {
    let settings = app.settings();
    let made = app
        .db()
        .write(move |tx| {
            let who = creds.manages_people(tx, ctx.now)?;
            users::create(tx, &ctx, &settings, &who, &input)
        })
        .await?;
    Ok(answer(StatusCode::CREATED, made))
}

/// `GET /api/users/{id}`.
pub async fn get(
    State(app): State<App>,
    RequestCtx(ctx): RequestCtx,
    Creds(creds): Creds,
    Path(id): Path<String>,
) -> Result<Response, ApiError> {
    let id = UserId::new(id);
    let found = app.db().read(move |tx| users::get(tx, &creds.reads_people(tx, ctx.now)?, &id)).await?;
    Ok(answer(StatusCode::OK, found))
}

/// `GET /api/users/me`.
pub async fn me(
    State(app): State<App>,
    RequestCtx(ctx): RequestCtx,
    Creds(creds): Creds,
) -> Result<Response, ApiError> {
    let found = app.db().read(move |tx| users::me(tx, &creds.signed_in_or_limited(tx, ctx.now)?)).await?;
    Ok(answer(StatusCode::OK, found))
}

async fn change(
    app: App,
    ctx: pid_core::Ctx,
    creds: Credentials,
    id: String,
    change: Change<UserInput>,
    if_match: Option<i64>,
) -> Result<Response, ApiError> {
    let (settings, id) = (app.settings(), UserId::new(id));
    let changed = app
        .db()
        .write(move |tx| {
            let who = creds.manages_people(tx, ctx.now)?;
            users::update(tx, &ctx, &settings, &who.person(tx, &id)?, &change, if_match)
        })
        .await?;
    Ok(answer(StatusCode::OK, changed))
}

/// `PUT /api/users/{id}`.
pub async fn replace(
    State(app): State<App>,
    RequestCtx(ctx): RequestCtx,
    ManagerCreds(creds): ManagerCreds,
    Path(id): Path<String>,
    IfMatch(version): IfMatch,
    Json(input): Json<UserInput>,
) -> Result<Response, ApiError> {
    change(app, ctx, creds, id, Change::Replace(input), version).await
}

/// `PATCH /api/users/{id}`.
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

async fn change_me(
    app: App,
    ctx: pid_core::Ctx,
    creds: Credentials,
    change: Change<UserInput>,
    if_match: Option<i64>,
) -> Result<Response, ApiError> {
    let settings = app.settings();
    let changed = app
        .db()
        .write(move |tx| {
            let who = creds.signed_in(tx, ctx.now)?;
            users::update_me(tx, &ctx, &settings, &who, &change, if_match)
        })
        .await?;
    Ok(answer(StatusCode::OK, changed))
}

/// `PUT /api/users/me`.
pub async fn replace_me(
    State(app): State<App>,
    RequestCtx(ctx): RequestCtx,
    UserCreds(creds): UserCreds,
    IfMatch(version): IfMatch,
    Json(input): Json<UserInput>,
) -> Result<Response, ApiError> {
    change_me(app, ctx, creds, Change::Replace(input), version).await
}

/// `PATCH /api/users/me`.
pub async fn patch_me(
    State(app): State<App>,
    RequestCtx(ctx): RequestCtx,
    UserCreds(creds): UserCreds,
    IfMatch(version): IfMatch,
    MergePatch(patch): MergePatch,
) -> Result<Response, ApiError> {
    change_me(app, ctx, creds, Change::Merge(patch), version).await
}

/// `DELETE /api/users/{id}`.
pub async fn delete(
    State(app): State<App>,
    RequestCtx(ctx): RequestCtx,
    Creds(creds): Creds,
    Path(id): Path<String>,
    IfMatch(version): IfMatch,
) -> Result<StatusCode, ApiError> {
    let (settings, id) = (app.settings(), UserId::new(id));
    app.db()
        .write(move |tx| {
            let who = creds.manages_people(tx, ctx.now)?;
            users::delete(tx, &ctx, &settings, &who.person(tx, &id)?, version)
        })
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// `GET /api/users/{id}/groups`.
pub async fn groups(
    State(app): State<App>,
    RequestCtx(ctx): RequestCtx,
    Creds(creds): Creds,
    Path(id): Path<String>,
) -> Result<Response, ApiError> {
    let id = UserId::new(id);
    let found = app.db().read(move |tx| users::groups_of(tx, &creds.reads_people(tx, ctx.now)?, &id)).await?;
    Ok(axum::Json(found.iter().map(GroupDto::bare).collect::<Vec<_>>()).into_response())
}

/// Ids of groups.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct GroupIds {
    pub(crate) user_group_ids: Option<Vec<String>>,
}

/// `PUT /api/users/{id}/user-groups`.
pub async fn set_groups(
    State(app): State<App>,
    RequestCtx(ctx): RequestCtx,
    ManagerCreds(creds): ManagerCreds,
    Path(id): Path<String>,
    IfMatch(version): IfMatch,
    Json(body): Json<GroupIds>,
) -> Result<Response, ApiError> {
    let groups = required("userGroupIds", body.user_group_ids)?;
    let id = UserId::new(id);
    let changed = app
        .db()
        .write(move |tx| {
            let who = creds.manages_people(tx, ctx.now)?;
            users::set_groups(tx, &ctx, &who.person(tx, &id)?, &groups, version)
        })
        .await?;
    Ok(answer(StatusCode::OK, changed))
}
