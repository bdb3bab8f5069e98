//! "This wasn't me": ending a sign-in by the link in a letter about it (ours).

use axum::extract::State;
use http::StatusCode;
use pid_core::FieldCode;
use pid_flows::{Error, disown};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::error::ApiError;
use crate::extract::{Json, RequestCtx};
use crate::state::App;

/// What the link carries.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(rename = "DisownInput", extend("required" = ["token"]))]
pub struct Link {
    token: String,
}

/// `POST /api/sessions/disown`. Done again it does nothing.
pub async fn disown(
    State(app): State<App>,
    RequestCtx(ctx): RequestCtx,
    Json(link): Json<Link>,
) -> Result<StatusCode, ApiError> {
    if link.token.is_empty() {
        return Err(Error::field("token", FieldCode::Required, "must not be empty").into());
    }
    let env = app.env().clone();
    app.db().write(move |tx| disown::act(tx, &ctx, &env, &link.token)).await?;
    Ok(StatusCode::NO_CONTENT)
}
