//! OIDC clients (api.md §16).

use axum::extract::multipart::{Multipart, MultipartRejection};
use axum::extract::{FromRequest, Request, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode, Uri, header};
use pid_core::Timestamp;
use pid_core::clients::{AuthMethod, BackchannelSource, Client, ClientSecret, FederatedIdentity};
use pid_core::forward_auth::ForwardAuth;
use pid_core::ids::client_id_from_path;
use pid_flows::access::Credentials;
use pid_flows::change::Change;
use pid_flows::client_input::ClientInput;
use pid_flows::client_secrets;
use pid_flows::clients::{self, ClientDetails};
use pid_flows::{Error, client_logos};
use pid_integrations::images::{MAX_UPLOAD, Purpose};
use pid_jose::Alg;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::api::dto::{ClientMetaDto, GroupMinimalDto, PageDto};
use crate::api::pictures::{self, Variant};
use crate::api::remote_logos::RemoteLogos;
use crate::api::users::GroupIds;
use crate::error::ApiError;
use crate::extract::{
    AdminCreds, Creds, IfMatch, Json, JsonOrNothing, ListQuery, MergePatch, Path, Query, RequestCtx, cache_control,
    etag, json_object, required,
};
use crate::files::{self, Folder};
use crate::state::App;

/// A secret as it may be seen (api.md §11.6).
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "ClientSecret")]
pub struct SecretDto {
    id: String,
    prefix: String,
    created_at: Timestamp,
    expires_at: Option<Timestamp>,
    is_active: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<String>,
}

impl SecretDto {
    fn new(s: ClientSecret, now: Timestamp) -> Self {
        let is_active = s.is_active(now);
        Self { id: s.id, prefix: s.prefix, created_at: s.created_at, expires_at: s.expires_at, is_active, secret: None }
    }
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "ClientCredentials")]
struct CredentialsDto {
    secrets: Vec<SecretDto>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    federated_identities: Vec<FederatedIdentity>,
}

/// A client (api.md §11.6).
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "Client")]
pub struct ClientDto {
    #[serde(flatten)]
    meta: ClientMetaDto,
    #[serde(rename = "callbackURLs")]
    callback_urls: Vec<String>,
    #[serde(rename = "logoutCallbackURLs")]
    logout_callback_urls: Vec<String>,
    is_public: bool,
    pkce_enabled: bool,
    requires_pushed_authorization_requests: bool,
    skip_consent: bool,
    is_group_restricted: bool,
    credentials: CredentialsDto,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pkce_supported: bool,
    access_token_duration_minutes: i64,
    refresh_token_duration_minutes: i64,
    // Ours are left out when they say nothing, so that scripts which know the contract alone see what they know.
    #[serde(rename = "backchannelLogoutURL", skip_serializing_if = "Option::is_none")]
    backchannel_logout_url: Option<String>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    backchannel_logout_session_required: bool,
    /// Taken over from the logout callbacks, where it also stays.
    #[serde(rename = "backchannelLogoutURLTakenOver", skip_serializing_if = "std::ops::Not::not")]
    backchannel_logout_url_taken_over: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    id_token_signed_response_alg: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    id_token_duration_minutes: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    claim_mapping: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    token_endpoint_auth_method: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    jwks: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    jwks_uri: Option<String>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    dpop_bound_access_tokens: bool,
    /// The hosts and rules of a client of the type `proxy`.
    #[serde(skip_serializing_if = "Option::is_none")]
    forward_auth: Option<ForwardAuth>,
    #[serde(skip_serializing_if = "Option::is_none")]
    allowed_user_groups: Option<Vec<GroupMinimalDto>>,
    /// Entries of both lists whose stars in the host reach over dots. They came with an import; a mark ends with its entry.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    legacy_wildcards: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    allowed_user_groups_count: Option<i64>,
}

impl ClientDto {
    fn new(c: Client, secrets: Vec<ClientSecret>, now: Timestamp) -> Self {
        Self {
            meta: ClientMetaDto::new(&c),
            legacy_wildcards: c.living_legacy_wildcards(),
            callback_urls: c.callback_urls,
            logout_callback_urls: c.logout_callback_urls,
            is_public: c.is_public,
            pkce_enabled: c.pkce_enabled,
            requires_pushed_authorization_requests: c.requires_pushed_authorization_requests,
            skip_consent: c.skip_consent,
            is_group_restricted: c.is_group_restricted,
            credentials: CredentialsDto {
                secrets: secrets.into_iter().map(|s| SecretDto::new(s, now)).collect(),
                federated_identities: c.federated_identities,
            },
            pkce_supported: c.pkce_supported,
            access_token_duration_minutes: c.access_token_minutes,
            refresh_token_duration_minutes: c.refresh_token_minutes,
            id_token_signed_response_alg: c.signing_alg,
            id_token_duration_minutes: c.id_token_minutes,
            claim_mapping: c.claim_mapping.as_deref().and_then(|mapping| serde_json::from_str(mapping).ok()),
            token_endpoint_auth_method: c.auth_method.map(AuthMethod::as_str),
            jwks: c.jwks.as_deref().and_then(|keys| serde_json::from_str(keys).ok()),
            jwks_uri: c.jwks_uri,
            dpop_bound_access_tokens: c.dpop_bound_access_tokens,
            backchannel_logout_url: c.backchannel_logout_url,
            backchannel_logout_session_required: c.backchannel_logout_session_required,
            backchannel_logout_url_taken_over: c.backchannel_logout_source == BackchannelSource::TakenOver,
            forward_auth: None,
            allowed_user_groups: None,
            allowed_user_groups_count: None,
        }
    }

    fn with_groups(details: ClientDetails, now: Timestamp) -> Self {
        let groups = details.groups.iter().map(|g| GroupMinimalDto::new(g, Vec::new(), 0)).collect();
        Self {
            allowed_user_groups: Some(groups),
            forward_auth: details.forward_auth,
            ..Self::new(details.client, details.secrets, now)
        }
    }
}

fn answer(status: StatusCode, details: ClientDetails, now: Timestamp) -> Response {
    let tag = etag(details.client.version);
    (status, [(header::ETAG, tag)], axum::Json(ClientDto::with_groups(details, now))).into_response()
}

/// Whoever is the first to want an algorithm brings a key: at once here; other replicas see the version row.
pub(crate) async fn load_new_key(app: &App, signing_alg: Option<&str>) -> Result<(), Error> {
    match signing_alg.and_then(Alg::parse) {
        Some(alg) if !app.keys().algs().contains(&alg) => app.reload_snapshot().await,
        _ => Ok(()),
    }
}

/// `GET /api/oidc/clients`.
pub async fn list(
    State(app): State<App>,
    RequestCtx(ctx): RequestCtx,
    Creds(creds): Creds,
    ListQuery(request): ListQuery,
) -> Result<Response, ApiError> {
    let now = ctx.now;
    let page = app.db().read(move |tx| clients::list(tx, &creds.reads_all(tx, ctx.now)?, &request)).await?;
    let page = page.map(|(client, secrets, groups)| ClientDto {
        allowed_user_groups_count: Some(groups),
        ..ClientDto::new(client, secrets, now)
    });
    Ok(axum::Json(PageDto::from(page)).into_response())
}

/// A whole client. `null` means absent (api.md §3), but for fields that are not of the contract it clears: an absent one
/// leaves things as they are.
pub struct ClientBody(ClientInput);

impl FromRequest<App> for ClientBody {
    type Rejection = ApiError;

    async fn from_request(request: Request, _: &App) -> Result<Self, ApiError> {
        json_object(request, null_clears).await.map(Self)
    }
}

fn null_clears(body: &mut Map<String, Value>) {
    for (name, value) in body {
        if !value.is_null() {
            continue;
        }
        let named = |known: &[&str]| known.iter().any(|known| name.eq_ignore_ascii_case(known));
        if named(&["backchannelLogoutURL", "tokenEndpointAuthMethod", "jwks", "jwksUri"]) {
            *value = Value::String(String::new());
        } else if named(&["idTokenDurationMinutes"]) {
            *value = Value::from(0);
        } else if named(&["claimMapping"]) {
            *value = Value::Object(Map::new());
        }
    }
}

/// `POST /api/oidc/clients/{id}/refresh`: fetches the metadata document of a client anew (api.md §16.10).
pub async fn refresh(
    State(app): State<App>,
    RequestCtx(ctx): RequestCtx,
    AdminCreds(creds): AdminCreds,
    Path(id): Path<String>,
) -> Result<Response, ApiError> {
    let (id, site) = (client_id_from_path(&id), app.snapshot());
    let (now, asking, wanted) = (ctx.now, creds.clone(), id.clone());
    let url =
        app.db().read(move |tx| pid_flows::cimd::refreshable(tx, &site, &asking.admin(tx, now)?, &wanted)).await?;
    let fetched = crate::oidc::cimd::refresh(&app, &ctx, &url, Some(creds.clone())).await?;
    fetched.map_err(|error| pid_flows::cimd::unusable(&error))?;
    let details = app.db().read(move |tx| clients::get(tx, &creds.reads_all(tx, now)?, &id)).await?;
    Ok(answer(StatusCode::OK, details, now))
}

/// `POST /api/oidc/clients`.
pub async fn create(
    State(app): State<App>,
    RequestCtx(ctx): RequestCtx,
    AdminCreds(creds): AdminCreds,
    ClientBody(input): ClientBody,
) -> Result<Response, ApiError> {
    let (now, sealer, logos) = (ctx.now, app.sealer().clone(), RemoteLogos::of(&app, &input).await?);
    let made = app
        .db()
        .write(move |tx| {
            let admin = creds.admin(tx, ctx.now)?;
            let made = clients::create(tx, &ctx, &sealer, &admin, &input)?;
            let with_logos = logos.store(tx, &ctx, &admin, &made.client.id)?;
            if with_logos { clients::get(tx, &creds.reads_all(tx, ctx.now)?, &made.client.id) } else { Ok(made) }
        })
        .await?;
    load_new_key(&app, made.client.signing_alg.as_deref()).await?;
    Ok(answer(StatusCode::CREATED, made, now))
}

/// `GET /api/oidc/clients/{id}`.
pub async fn get(
    State(app): State<App>,
    RequestCtx(ctx): RequestCtx,
    Creds(creds): Creds,
    Path(id): Path<String>,
) -> Result<Response, ApiError> {
    let (id, now) = (client_id_from_path(&id), ctx.now);
    let found = app.db().read(move |tx| clients::get(tx, &creds.reads_all(tx, ctx.now)?, &id)).await?;
    Ok(answer(StatusCode::OK, found, now))
}

/// `GET /api/oidc/clients/{id}/meta`.
pub async fn meta(State(app): State<App>, Path(id): Path<String>) -> Result<Response, ApiError> {
    let id = client_id_from_path(&id);
    let found = app.db().read(move |tx| clients::meta(tx, &id)).await?;
    Ok(axum::Json(ClientMetaDto::new(&found)).into_response())
}

async fn change(
    app: App,
    ctx: pid_core::Ctx,
    creds: Credentials,
    id: String,
    change: Change<ClientInput>,
    if_match: Option<i64>,
) -> Result<Response, ApiError> {
    let (id, now, sealer) = (client_id_from_path(&id), ctx.now, app.sealer().clone());
    let logos = RemoteLogos::of_change(&app, &change).await?;
    let changed = app
        .db()
        .write(move |tx| {
            let admin = creds.admin(tx, ctx.now)?;
            let changed = clients::update(tx, &ctx, &sealer, &admin, &id, &change, if_match)?;
            if logos.store(tx, &ctx, &admin, &id)? {
                clients::get(tx, &creds.reads_all(tx, ctx.now)?, &id)
            } else {
                Ok(changed)
            }
        })
        .await?;
    load_new_key(&app, changed.client.signing_alg.as_deref()).await?;
    Ok(answer(StatusCode::OK, changed, now))
}

/// `PUT /api/oidc/clients/{id}`.
pub async fn replace(
    State(app): State<App>,
    RequestCtx(ctx): RequestCtx,
    AdminCreds(creds): AdminCreds,
    Path(id): Path<String>,
    IfMatch(version): IfMatch,
    ClientBody(input): ClientBody,
) -> Result<Response, ApiError> {
    change(app, ctx, creds, id, Change::Replace(input), version).await
}

/// `PATCH /api/oidc/clients/{id}`.
pub async fn patch(
    State(app): State<App>,
    RequestCtx(ctx): RequestCtx,
    AdminCreds(creds): AdminCreds,
    Path(id): Path<String>,
    IfMatch(version): IfMatch,
    MergePatch(mut patch): MergePatch,
) -> Result<Response, ApiError> {
    null_clears(&mut patch);
    change(app, ctx, creds, id, Change::Merge(patch), version).await
}

/// `DELETE /api/oidc/clients/{id}`.
pub async fn delete(
    State(app): State<App>,
    RequestCtx(ctx): RequestCtx,
    Creds(creds): Creds,
    Path(id): Path<String>,
    IfMatch(version): IfMatch,
) -> Result<StatusCode, ApiError> {
    let id = client_id_from_path(&id);
    app.db()
        .write(move |tx| {
            let admin = creds.admin(tx, ctx.now)?;
            clients::delete(tx, &ctx, &admin, &id, version)
        })
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// `PUT /api/oidc/clients/{id}/allowed-user-groups`.
pub async fn set_groups(
    State(app): State<App>,
    RequestCtx(ctx): RequestCtx,
    AdminCreds(creds): AdminCreds,
    Path(id): Path<String>,
    IfMatch(version): IfMatch,
    Json(body): Json<GroupIds>,
) -> Result<Response, ApiError> {
    let groups = required("userGroupIds", body.user_group_ids)?;
    let (id, now) = (client_id_from_path(&id), ctx.now);
    let changed = app
        .db()
        .write(move |tx| {
            let admin = creds.admin(tx, ctx.now)?;
            clients::set_groups(tx, &ctx, &admin, &id, &groups, version)
        })
        .await?;
    Ok(answer(StatusCode::OK, changed, now))
}

/// `GET /api/oidc/clients/{id}/secrets`.
pub async fn secrets(
    State(app): State<App>,
    RequestCtx(ctx): RequestCtx,
    Creds(creds): Creds,
    Path(id): Path<String>,
) -> Result<Response, ApiError> {
    let (id, now) = (client_id_from_path(&id), ctx.now);
    let found = app.db().read(move |tx| client_secrets::list(tx, &creds.reads_all(tx, ctx.now)?, &id)).await?;
    Ok(axum::Json(found.into_iter().map(|s| SecretDto::new(s, now)).collect::<Vec<_>>()).into_response())
}

/// The body of a request for a secret; an empty one asks for a random secret without end.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(rename = "ClientSecretInput")]
pub struct SecretBody {
    secret: Option<String>,
    expires_at: Option<Timestamp>,
}

/// The new and only secret, as releases before 2.14 answer it.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "ReplacedClientSecret")]
pub struct ReplacedSecretDto {
    secret: String,
}

async fn make_secret(
    app: App,
    ctx: pid_core::Ctx,
    creds: Credentials,
    id: String,
    body: SecretBody,
    replace: bool,
) -> Result<SecretDto, ApiError> {
    let (id, now) = (client_id_from_path(&id), ctx.now);
    let made = app
        .db()
        .write(move |tx| {
            let admin = creds.admin(tx, ctx.now)?;
            client_secrets::add(tx, &ctx, &admin, &id, body.secret.as_deref(), body.expires_at, replace)
        })
        .await?;
    Ok(SecretDto { secret: Some(made.value.expose().to_owned()), ..SecretDto::new(made.stored, now) })
}

/// `POST /api/oidc/clients/{id}/secrets`.
pub async fn add_secret(
    State(app): State<App>,
    RequestCtx(ctx): RequestCtx,
    AdminCreds(creds): AdminCreds,
    Path(id): Path<String>,
    JsonOrNothing(body): JsonOrNothing<SecretBody>,
) -> Result<Response, ApiError> {
    let made = make_secret(app, ctx, creds, id, body, false).await?;
    Ok((StatusCode::CREATED, axum::Json(made)).into_response())
}

/// `POST /api/oidc/clients/{id}/secret`: the route of releases before 2.14, which replaced the one secret.
pub async fn replace_secret(
    State(app): State<App>,
    RequestCtx(ctx): RequestCtx,
    AdminCreds(creds): AdminCreds,
    Path(id): Path<String>,
    JsonOrNothing(body): JsonOrNothing<SecretBody>,
) -> Result<Response, ApiError> {
    let made = make_secret(app, ctx, creds, id, body, true).await?;
    Ok(axum::Json(ReplacedSecretDto { secret: made.secret.unwrap_or_default() }).into_response())
}

/// `DELETE /api/oidc/clients/{id}/secrets/{secretId}`.
pub async fn delete_secret(
    State(app): State<App>,
    RequestCtx(ctx): RequestCtx,
    Creds(creds): Creds,
    Path((id, secret)): Path<(String, String)>,
    IfMatch(version): IfMatch,
) -> Result<StatusCode, ApiError> {
    let id = client_id_from_path(&id);
    app.db()
        .write(move |tx| {
            let admin = creds.admin(tx, ctx.now)?;
            client_secrets::delete(tx, &ctx, &admin, &id, &secret, version)
        })
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// `GET /api/oidc/clients/{id}/logo`.
pub async fn logo(
    State(app): State<App>,
    Path(id): Path<String>,
    Query(variant): Query<Variant>,
    uri: Uri,
    request: HeaderMap,
) -> Result<Response, ApiError> {
    let id = client_id_from_path(&id);
    let file = app.db().read(move |tx| client_logos::get(tx, &id, variant.is_dark())).await?;
    let caching = cache_control(&uri, "public, max-age=900, stale-while-revalidate=43200");
    pictures::shown(&app, file, caching, &request).await
}

/// `POST /api/oidc/clients/{id}/logo`.
pub async fn set_logo(
    State(app): State<App>,
    RequestCtx(ctx): RequestCtx,
    AdminCreds(creds): AdminCreds,
    Path(id): Path<String>,
    Query(variant): Query<Variant>,
    form: Result<Multipart, MultipartRejection>,
) -> Result<StatusCode, ApiError> {
    let picture = pictures::uploaded(form, Purpose::Logo, MAX_UPLOAD).await?;
    let (content_type, content) = (picture.content_type, picture.content);
    let content = files::keep(&app, Folder::ClientLogos, content_type, content).await?;
    let id = client_id_from_path(&id);
    app.db()
        .write(move |tx| {
            let admin = creds.admin(tx, ctx.now)?;
            client_logos::set(tx, &ctx, &admin, &id, variant.is_dark(), content_type, &content)
        })
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// `DELETE /api/oidc/clients/{id}/logo`.
pub async fn delete_logo(
    State(app): State<App>,
    RequestCtx(ctx): RequestCtx,
    Creds(creds): Creds,
    Path(id): Path<String>,
    Query(variant): Query<Variant>,
    IfMatch(version): IfMatch,
) -> Result<StatusCode, ApiError> {
    let id = client_id_from_path(&id);
    app.db()
        .write(move |tx| {
            let admin = creds.admin(tx, ctx.now)?;
            client_logos::delete(tx, &ctx, &admin, &id, variant.is_dark(), version)
        })
        .await?;
    Ok(StatusCode::NO_CONTENT)
}
