//! SCIM providers (api.md §24.1). This release provisions nobody, so there is none, and none can be made.

use axum::extract::State;
use http::StatusCode;
use pid_flows::{Code, Error};

use crate::error::ApiError;
use crate::extract::{Creds, Path, RequestCtx};
use crate::state::App;

async fn refuse(
    app: App,
    RequestCtx(ctx): RequestCtx,
    Creds(creds): Creds,
    why: Error,
) -> Result<StatusCode, ApiError> {
    app.db().read(move |tx| creds.admin(tx, ctx.now).map(drop)).await?;
    Err(why.into())
}

/// `GET /api/oidc/clients/{id}/scim-service-provider`, and what else names a provider.
pub async fn none(
    State(app): State<App>,
    ctx: RequestCtx,
    creds: Creds,
    Path(_): Path<String>,
) -> Result<StatusCode, ApiError> {
    refuse(app, ctx, creds, Error::not_found("SCIM service provider")).await
}

/// `POST /api/scim/service-provider`.
pub async fn create(State(app): State<App>, ctx: RequestCtx, creds: Creds) -> Result<StatusCode, ApiError> {
    refuse(app, ctx, creds, Error::new(Code::NotAvailable)).await
}
