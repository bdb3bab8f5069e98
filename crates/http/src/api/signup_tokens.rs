//! Sign-up tokens (api.md §23.5).

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use pid_core::{SignupTokenId, Timestamp};
use pid_flows::signup_tokens::{self, Shown};
use pid_integrations::qr;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::api::dto::{GroupMinimalDto, PageDto, Ttl};
use crate::error::ApiError;
use crate::extract::{Creds, Json, ListQuery, ManagerCreds, Path, RequestCtx};
use crate::state::App;

/// A token (api.md §11.11).
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "SignupToken")]
pub struct SignupTokenDto {
    id: String,
    /// The value; shortened for auditors, and for user managers where a group is beyond their rights.
    token: String,
    expires_at: Timestamp,
    /// How many may sign up.
    usage_limit: i64,
    /// How many did.
    usage_count: i64,
    /// The groups that who signs up gets.
    user_groups: Vec<GroupMinimalDto>,
    created_at: Timestamp,
    /// Where to sign up, for who made it; ours.
    #[serde(skip_serializing_if = "Option::is_none")]
    link: Option<String>,
    /// The link as a QR code, an SVG; ours.
    #[serde(skip_serializing_if = "Option::is_none")]
    qr_code: Option<String>,
}

impl From<Shown> for SignupTokenDto {
    fn from(shown: Shown) -> Self {
        Self {
            id: shown.stored.id.into_string(),
            token: shown.token.map_or(shown.short, |token| token.expose().to_owned()),
            expires_at: shown.stored.expires_at,
            usage_limit: shown.stored.usage_limit,
            usage_count: shown.stored.usage_count,
            user_groups: shown.groups.iter().map(|g| GroupMinimalDto::new(g, Vec::new(), 0)).collect(),
            created_at: shown.stored.created_at,
            link: None,
            qr_code: None,
        }
    }
}

/// What a new token shall be.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(rename = "SignupTokenInput", extend("required" = ["usageLimit"]))]
pub struct CreateBody {
    ttl: Ttl,
    /// How many may sign up.
    #[schemars(range(min = 1, max = 100))]
    usage_limit: i64,
    /// The groups that who signs up gets; none: the default ones. Unknown ids are passed over.
    user_group_ids: Vec<String>,
}

/// `POST /api/signup-tokens`.
pub async fn create(
    State(app): State<App>,
    RequestCtx(ctx): RequestCtx,
    ManagerCreds(creds): ManagerCreds,
    Json(body): Json<CreateBody>,
) -> Result<Response, ApiError> {
    let (env, ttl) = (app.env().clone(), body.ttl.secs_or(signup_tokens::DEFAULT_TTL_SECS));
    let made = app
        .db()
        .write(move |tx| {
            let who = creds.manages_people(tx, ctx.now)?;
            signup_tokens::create(tx, &ctx, &env, &who, ttl, body.usage_limit, &body.user_group_ids)
        })
        .await?;
    let dto = SignupTokenDto::from(made);
    let link = format!("{}/st/{}", app.env().app_url.origin, dto.token);
    let dto = SignupTokenDto { qr_code: qr::svg(&link), link: Some(link), ..dto };
    Ok((StatusCode::CREATED, axum::Json(dto)).into_response())
}

/// `GET /api/signup-tokens`: those that have not expired.
pub async fn list(
    State(app): State<App>,
    RequestCtx(ctx): RequestCtx,
    Creds(creds): Creds,
    ListQuery(request): ListQuery,
) -> Result<Response, ApiError> {
    let env = app.env().clone();
    let read = move |tx: &pid_store::ReadTx<'_>| {
        signup_tokens::list(tx, ctx.now, &env, &creds.reads_people(tx, ctx.now)?, &request)
    };
    let page = app.db().read(read).await?;
    Ok(axum::Json(PageDto::from(page.map(SignupTokenDto::from))).into_response())
}

/// `DELETE /api/signup-tokens/{id}`: 204, also of what is not there.
pub async fn delete(
    State(app): State<App>,
    RequestCtx(ctx): RequestCtx,
    Creds(creds): Creds,
    Path(id): Path<String>,
) -> Result<StatusCode, ApiError> {
    let id = SignupTokenId::new(id);
    app.db()
        .write(move |tx| {
            let who = creds.manages_people(tx, ctx.now)?;
            signup_tokens::delete(tx, &ctx, &who, &id)
        })
        .await?;
    Ok(StatusCode::NO_CONTENT)
}
