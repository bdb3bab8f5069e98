//! APIs, their permissions, and clients' access to them (api.md §17).

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{StatusCode, header};
use pid_core::apis::{Api, ApiAccess, Permission};
use pid_core::ids::client_id_from_path;
use pid_core::{ApiId, PermissionId, Timestamp};
use pid_flows::access::Credentials;
use pid_flows::apis::{self, AccessInput, ApiInput, PermissionInput, Reach};
use pid_flows::change::Change;
use pid_store::apis::AccessClient;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::api::dto::PageDto;
use crate::api::oidc_clients::load_new_key;
use crate::error::ApiError;
use crate::extract::{AdminCreds, Creds, IfMatch, Json, ListQuery, MergePatch, Path, RequestCtx, etag};
use crate::state::App;

/// An API (api.md §11.7).
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "Api")]
pub struct ApiDto {
    id: String,
    name: String,
    resource: String,
    created_at: Timestamp,
    permissions: Vec<PermissionDto>,
    allow_cimd_clients: bool,
    // Ours are left out when they say nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    access_token_signing_alg: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    resource_server_client_id: Option<String>,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "ApiPermission")]
pub struct PermissionDto {
    id: String,
    key: String,
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    allowed_for_cimd_clients: bool,
}

impl From<Permission> for PermissionDto {
    fn from(p: Permission) -> Self {
        Self {
            id: p.id.into_string(),
            key: p.key,
            name: p.name,
            description: p.description,
            allowed_for_cimd_clients: p.allowed_for_cimd_clients,
        }
    }
}

impl From<Api> for ApiDto {
    fn from(api: Api) -> Self {
        Self {
            id: api.id.into_string(),
            name: api.name,
            resource: api.resource,
            created_at: api.created_at,
            permissions: api.permissions.into_iter().map(PermissionDto::from).collect(),
            allow_cimd_clients: api.allow_cimd_clients,
            access_token_signing_alg: api.signing_alg,
            resource_server_client_id: api.resource_server.map(pid_core::ClientId::into_string),
        }
    }
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "AccessClient")]
pub struct AccessClientDto {
    id: String,
    name: String,
    #[schemars(extend("enum" = ["standard", "cimd", "proxy"]))]
    client_type: String,
    is_public: bool,
    has_logo: bool,
    has_dark_logo: bool,
}

impl From<AccessClient> for AccessClientDto {
    fn from(c: AccessClient) -> Self {
        Self {
            id: c.id.into_string(),
            name: c.name,
            client_type: c.client_type,
            is_public: c.is_public,
            has_logo: c.has_logo,
            has_dark_logo: c.has_dark_logo,
        }
    }
}

/// A client's access, and whose or to what.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "ApiAccess")]
pub struct ReachDto {
    #[serde(skip_serializing_if = "Option::is_none")]
    client: Option<AccessClientDto>,
    #[serde(skip_serializing_if = "Option::is_none")]
    api: Option<ApiDto>,
    #[serde(flatten)]
    access: AccessInput,
    cimd_granted_access: bool,
    cimd_granted_permission_ids: Vec<String>,
}

fn texts(ids: Vec<PermissionId>) -> Vec<String> {
    ids.into_iter().map(String::from).collect()
}

fn access_dto(access: ApiAccess) -> AccessInput {
    AccessInput {
        user_delegated_access: access.user_delegated,
        client_access: access.client,
        user_delegated_permission_ids: texts(access.user_permissions),
        client_permission_ids: texts(access.client_permissions),
    }
}

impl ReachDto {
    fn new(client: Option<AccessClient>, api: Option<Api>, reach: Reach) -> Self {
        Self {
            client: client.map(AccessClientDto::from),
            api: api.map(ApiDto::from),
            access: access_dto(reach.access),
            cimd_granted_access: reach.cimd,
            cimd_granted_permission_ids: texts(reach.cimd_permissions),
        }
    }
}

fn answer(status: StatusCode, api: Api) -> Response {
    let tag = etag(api.version);
    (status, [(header::ETAG, tag)], axum::Json(ApiDto::from(api))).into_response()
}

/// `GET /api/apis`.
pub async fn list(
    State(app): State<App>,
    RequestCtx(ctx): RequestCtx,
    Creds(creds): Creds,
    ListQuery(request): ListQuery,
) -> Result<Response, ApiError> {
    let page = app.db().read(move |tx| apis::list(tx, &creds.reads_all(tx, ctx.now)?, &request)).await?;
    Ok(axum::Json(PageDto::from(page.map(ApiDto::from))).into_response())
}

/// `POST /api/apis`.
pub async fn create(
    State(app): State<App>,
    RequestCtx(ctx): RequestCtx,
    AdminCreds(creds): AdminCreds,
    Json(input): Json<ApiInput>,
) -> Result<Response, ApiError> {
    let (env, sealer) = (app.env().clone(), app.sealer().clone());
    let made = app
        .db()
        .write(move |tx| {
            let admin = creds.admin(tx, ctx.now)?;
            apis::create(tx, &ctx, &env.app_url.origin, &sealer, &admin, &input)
        })
        .await?;
    load_new_key(&app, made.signing_alg.as_deref()).await?;
    Ok(answer(StatusCode::CREATED, made))
}

/// `GET /api/apis/{id}`.
pub async fn get(
    State(app): State<App>,
    RequestCtx(ctx): RequestCtx,
    Creds(creds): Creds,
    Path(id): Path<String>,
) -> Result<Response, ApiError> {
    let id = ApiId::new(id);
    let found = app.db().read(move |tx| apis::get(tx, &creds.reads_all(tx, ctx.now)?, &id)).await?;
    Ok(answer(StatusCode::OK, found))
}

async fn change(
    app: App,
    ctx: pid_core::Ctx,
    creds: Credentials,
    id: String,
    change: Change<ApiInput>,
    if_match: Option<i64>,
) -> Result<Response, ApiError> {
    let (id, sealer) = (ApiId::new(id), app.sealer().clone());
    let changed = app
        .db()
        .write(move |tx| {
            let admin = creds.admin(tx, ctx.now)?;
            apis::update(tx, &ctx, &sealer, &admin, &id, &change, if_match)
        })
        .await?;
    load_new_key(&app, changed.signing_alg.as_deref()).await?;
    Ok(answer(StatusCode::OK, changed))
}

/// `PUT /api/apis/{id}`.
pub async fn replace(
    State(app): State<App>,
    RequestCtx(ctx): RequestCtx,
    AdminCreds(creds): AdminCreds,
    Path(id): Path<String>,
    IfMatch(version): IfMatch,
    Json(input): Json<ApiInput>,
) -> Result<Response, ApiError> {
    change(app, ctx, creds, id, Change::Replace(input), version).await
}

/// `PATCH /api/apis/{id}`.
pub async fn patch(
    State(app): State<App>,
    RequestCtx(ctx): RequestCtx,
    AdminCreds(creds): AdminCreds,
    Path(id): Path<String>,
    IfMatch(version): IfMatch,
    MergePatch(patch): MergePatch,
) -> Result<Response, ApiError> {
    change(app, ctx, creds, id, Change::Merge(patch), version).await
}

/// `DELETE /api/apis/{id}`.
pub async fn delete(
    State(app): State<App>,
    RequestCtx(ctx): RequestCtx,
    Creds(creds): Creds,
    Path(id): Path<String>,
    IfMatch(version): IfMatch,
) -> Result<StatusCode, ApiError> {
    let id = ApiId::new(id);
    app.db()
        .write(move |tx| {
            let admin = creds.admin(tx, ctx.now)?;
            apis::delete(tx, &ctx, &admin, &id, version)
        })
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// A whole set of permissions.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(rename = "PermissionsInput")]
pub struct Permissions {
    permissions: Vec<PermissionInput>,
}

/// `PUT /api/apis/{id}/permissions`.
pub async fn set_permissions(
    State(app): State<App>,
    RequestCtx(ctx): RequestCtx,
    AdminCreds(creds): AdminCreds,
    Path(id): Path<String>,
    IfMatch(version): IfMatch,
    Json(body): Json<Permissions>,
) -> Result<Response, ApiError> {
    let id = ApiId::new(id);
    let changed = app
        .db()
        .write(move |tx| {
            let admin = creds.admin(tx, ctx.now)?;
            apis::set_permissions(tx, &ctx, &admin, &id, &body.permissions, version)
        })
        .await?;
    Ok(answer(StatusCode::OK, changed))
}

/// What clients known by a metadata document get.
#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct CimdAccess {
    enabled: bool,
    permission_ids: Vec<String>,
}

/// `GET /api/apis/{id}/cimd-access`: as it is put.
pub async fn cimd_access(
    State(app): State<App>,
    RequestCtx(ctx): RequestCtx,
    Creds(creds): Creds,
    Path(id): Path<String>,
) -> Result<Response, ApiError> {
    let id = ApiId::new(id);
    let api = app.db().read(move |tx| apis::get(tx, &creds.reads_all(tx, ctx.now)?, &id)).await?;
    let opened = api.permissions.into_iter().filter(|p| p.allowed_for_cimd_clients);
    let access =
        CimdAccess { enabled: api.allow_cimd_clients, permission_ids: opened.map(|p| p.id.into_string()).collect() };
    Ok(([(header::ETAG, etag(api.version))], axum::Json(access)).into_response())
}

/// `PUT /api/apis/{id}/cimd-access`.
pub async fn set_cimd_access(
    State(app): State<App>,
    RequestCtx(ctx): RequestCtx,
    AdminCreds(creds): AdminCreds,
    Path(id): Path<String>,
    IfMatch(version): IfMatch,
    Json(body): Json<CimdAccess>,
) -> Result<Response, ApiError> {
    let id = ApiId::new(id);
    let changed = app
        .db()
        .write(move |tx| {
            let admin = creds.admin(tx, ctx.now)?;
            apis::set_cimd_access(tx, &ctx, &admin, &id, body.enabled, &body.permission_ids, version)
        })
        .await?;
    Ok(answer(StatusCode::OK, changed))
}

/// `GET /api/apis/{id}/clients`.
pub async fn clients(
    State(app): State<App>,
    RequestCtx(ctx): RequestCtx,
    Creds(creds): Creds,
    Path(id): Path<String>,
    ListQuery(request): ListQuery,
) -> Result<Response, ApiError> {
    let id = ApiId::new(id);
    let page = app.db().read(move |tx| apis::clients(tx, &creds.reads_all(tx, ctx.now)?, &id, &request)).await?;
    let page = page.map(|(client, reach)| ReachDto::new(Some(client), None, reach));
    Ok(axum::Json(PageDto::from(page)).into_response())
}

/// `GET /api/apis/{id}/assignable-clients`.
pub async fn assignable_clients(
    State(app): State<App>,
    RequestCtx(ctx): RequestCtx,
    Creds(creds): Creds,
    Path(id): Path<String>,
    ListQuery(request): ListQuery,
) -> Result<Response, ApiError> {
    let id = ApiId::new(id);
    let page =
        app.db().read(move |tx| apis::assignable_clients(tx, &creds.reads_all(tx, ctx.now)?, &id, &request)).await?;
    Ok(axum::Json(PageDto::from(page.map(AccessClientDto::from))).into_response())
}

/// `GET /api/apis/{id}/clients/{clientId}`: what was granted, as it is put.
pub async fn access(
    State(app): State<App>,
    RequestCtx(ctx): RequestCtx,
    Creds(creds): Creds,
    Path((id, client)): Path<(String, String)>,
) -> Result<Response, ApiError> {
    let (id, client) = (ApiId::new(id), client_id_from_path(&client));
    let (api, reach) =
        app.db().read(move |tx| apis::reach_of(tx, &creds.reads_all(tx, ctx.now)?, &id, &client)).await?;
    Ok(access_answer(reach.access, api.version))
}

fn access_answer(access: ApiAccess, version: i64) -> Response {
    ([(header::ETAG, etag(version))], axum::Json(access_dto(access))).into_response()
}

/// `PUT /api/apis/{id}/clients/{clientId}`.
pub async fn set_access(
    State(app): State<App>,
    RequestCtx(ctx): RequestCtx,
    AdminCreds(creds): AdminCreds,
    Path((id, client)): Path<(String, String)>,
    IfMatch(version): IfMatch,
    Json(input): Json<AccessInput>,
) -> Result<Response, ApiError> {
    let (id, client) = (ApiId::new(id), client_id_from_path(&client));
    let (stored, version) = app
        .db()
        .write(move |tx| {
            let admin = creds.admin(tx, ctx.now)?;
            apis::set_access(tx, &ctx, &admin, &id, &client, &input, version)
        })
        .await?;
    Ok(access_answer(stored, version))
}

/// `DELETE /api/apis/{id}/clients/{clientId}`.
pub async fn remove_access(
    State(app): State<App>,
    RequestCtx(ctx): RequestCtx,
    Creds(creds): Creds,
    Path((id, client)): Path<(String, String)>,
    IfMatch(version): IfMatch,
) -> Result<StatusCode, ApiError> {
    let (id, client) = (ApiId::new(id), client_id_from_path(&client));
    app.db()
        .write(move |tx| {
            let admin = creds.admin(tx, ctx.now)?;
            apis::remove_access(tx, &ctx, &admin, &id, &client, version)
        })
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// `GET /api/api-access/{clientId}/apis`.
pub async fn of_client(
    State(app): State<App>,
    RequestCtx(ctx): RequestCtx,
    Creds(creds): Creds,
    Path(client): Path<String>,
) -> Result<Response, ApiError> {
    let client = client_id_from_path(&client);
    let found = app.db().read(move |tx| apis::of_client(tx, &creds.reads_all(tx, ctx.now)?, &client)).await?;
    let list: Vec<ReachDto> = found.into_iter().map(|(api, reach)| ReachDto::new(None, Some(api), reach)).collect();
    Ok(axum::Json(list).into_response())
}

/// `GET /api/api-access/{clientId}/assignable-apis`.
pub async fn assignable(
    State(app): State<App>,
    RequestCtx(ctx): RequestCtx,
    Creds(creds): Creds,
    Path(client): Path<String>,
    ListQuery(request): ListQuery,
) -> Result<Response, ApiError> {
    let client = client_id_from_path(&client);
    let page = app.db().read(move |tx| apis::assignable(tx, &creds.reads_all(tx, ctx.now)?, &client, &request)).await?;
    Ok(axum::Json(PageDto::from(page.map(ApiDto::from))).into_response())
}
