//! What is wrong with this installation. Not in the contract.

use axum::extract::State;
use axum::response::{IntoResponse, Response};

use crate::doctor::{FindingDto, Here, examine_app};
use crate::error::ApiError;
use crate::extract::{Creds, RequestCtx};
use crate::i18n::Asked;
use crate::state::App;

/// `GET /api/doctor`: looks at everything, and tells in the language that the request asks for.
pub async fn examine(
    State(app): State<App>,
    RequestCtx(ctx): RequestCtx,
    Creds(creds): Creds,
    headers: http::HeaderMap,
    here: Here,
) -> Result<Response, ApiError> {
    app.db().read(move |tx| creds.reads_all(tx, ctx.now).map(drop)).await?;
    let words = Asked::of(&headers).accepted();
    let found = Box::pin(examine_app(&app, here)).await;
    let found: Vec<FindingDto> = found.iter().map(|finding| FindingDto::new(finding, words)).collect();
    Ok(axum::Json(found).into_response())
}
