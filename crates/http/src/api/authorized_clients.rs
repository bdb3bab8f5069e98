//! Clients from a person's side (api.md §16.12, §16.13), and the preview of their claims (§16.11).

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use pid_core::ids::client_id_from_path;
use pid_core::{Timestamp, UserId};
use pid_flows::{authorized_clients, preview};
use pid_oidc::consent;
use pid_store::authorized_clients::PersonalClient;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::api::dto::{ClientMetaDto, PageDto};
use crate::error::ApiError;
use crate::extract::{Creds, ListQuery, Path, Query, RequestCtx};
use crate::state::App;

/// A client that somebody authorized.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "AuthorizedClient")]
pub struct AuthorizedClientDto {
    scope: String,
    client: ClientMetaDto,
    last_used_at: Option<Timestamp>,
}

/// A client that somebody may use.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "UsableClient")]
pub struct UsableClientDto {
    #[serde(flatten)]
    client: ClientMetaDto,
    last_used_at: Option<Timestamp>,
}

impl From<PersonalClient> for AuthorizedClientDto {
    fn from(c: PersonalClient) -> Self {
        let scope: Vec<&str> = c.consent.iter().map(|key| consent::name(key)).collect();
        Self { scope: scope.join(" "), last_used_at: c.last_used_at, client: c.into() }
    }
}

impl From<PersonalClient> for UsableClientDto {
    fn from(c: PersonalClient) -> Self {
        Self { last_used_at: c.last_used_at, client: c.into() }
    }
}

/// `GET /api/oidc/users/me/clients`: the launcher.
pub async fn usable(
    State(app): State<App>,
    RequestCtx(ctx): RequestCtx,
    Creds(creds): Creds,
    ListQuery(request): ListQuery,
) -> Result<Response, ApiError> {
    let page =
        app.db().read(move |tx| authorized_clients::usable(tx, &creds.signed_in(tx, ctx.now)?, &request)).await?;
    Ok(axum::Json(PageDto::from(page.map(UsableClientDto::from))).into_response())
}

/// `GET /api/oidc/users/me/authorized-clients`.
pub async fn own(
    State(app): State<App>,
    RequestCtx(ctx): RequestCtx,
    Creds(creds): Creds,
    ListQuery(request): ListQuery,
) -> Result<Response, ApiError> {
    let page = app.db().read(move |tx| authorized_clients::own(tx, &creds.signed_in(tx, ctx.now)?, &request)).await?;
    Ok(axum::Json(PageDto::from(page.map(AuthorizedClientDto::from))).into_response())
}

/// `GET /api/oidc/users/{id}/authorized-clients`.
pub async fn of(
    State(app): State<App>,
    RequestCtx(ctx): RequestCtx,
    Creds(creds): Creds,
    Path(user): Path<String>,
    ListQuery(request): ListQuery,
) -> Result<Response, ApiError> {
    let user = UserId::new(user);
    let page =
        app.db().read(move |tx| authorized_clients::of(tx, &creds.reads_people(tx, ctx.now)?, &user, &request)).await?;
    Ok(axum::Json(PageDto::from(page.map(AuthorizedClientDto::from))).into_response())
}

/// `DELETE /api/oidc/users/me/authorized-clients/{clientId}`.
pub async fn withdraw(
    State(app): State<App>,
    RequestCtx(ctx): RequestCtx,
    Creds(creds): Creds,
    Path(client): Path<String>,
) -> Result<StatusCode, ApiError> {
    let client = client_id_from_path(&client);
    app.db()
        .write(move |tx| {
            let who = creds.signed_in(tx, ctx.now)?;
            authorized_clients::withdraw(tx, &ctx, &who, &client)
        })
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The scopes of a preview, separated by spaces.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct PreviewQuery {
    scopes: String,
}

/// `GET /api/oidc/clients/{id}/preview/{userId}`.
pub async fn preview_claims(
    State(app): State<App>,
    RequestCtx(ctx): RequestCtx,
    Creds(creds): Creds,
    Path((client, user)): Path<(String, String)>,
    Query(query): Query<PreviewQuery>,
) -> Result<Response, ApiError> {
    let (client, user) = (client_id_from_path(&client), UserId::new(user));
    let (env, site) = (app.env().clone(), app.snapshot());
    let shown = app
        .db()
        .read(move |tx| {
            let who = creds.reads_all(tx, ctx.now)?;
            let amr = creds.optional_session(tx, ctx.now)?.map(|who| who.session().amr()).unwrap_or_default();
            preview::preview(tx, &ctx, &env, &site, &who, amr, &client, &user, &query.scopes)
        })
        .await?;
    Ok(axum::Json(shown).into_response())
}
