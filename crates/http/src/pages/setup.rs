//! The first run, and the first passkey.

use super::error::Problem;
use super::signup::newcomer;
use super::{Layout, PageError, PageRequest, page, redirect};
use crate::extract::NeedsSetupCode;
use crate::state::App;
use askama::Template;
use axum::extract::State;
use axum::response::Response;
use http::StatusCode;

/// `/signup/setup`: the first administrator.
#[derive(Debug, Template)]
#[template(path = "setup.html")]
pub struct SetupPage {
    /// What every page needs.
    pub layout: Layout,
    /// Asked from an address that is neither loopback nor private: the form wants the code that the start printed
    /// (sent as `setupCode`).
    pub needs_code: bool,
    /// Whether an e-mail address is required.
    pub require_email: bool,
}

/// `/signup/add-passkey`.
#[derive(Debug, Template)]
#[template(path = "add_passkey.html")]
pub struct AddPasskeyPage {
    /// What every page needs.
    pub layout: Layout,
    /// Where to go afterwards.
    pub next: &'static str,
}

/// `GET /signup/setup`, until there is somebody.
pub async fn first_run(
    State(app): State<App>,
    NeedsSetupCode(needs_code): NeedsSetupCode,
    request: PageRequest,
) -> Result<Response, PageError> {
    if request.session.is_some() {
        return Ok(redirect("/settings"));
    }
    if !app.setup_is_open().await.map_err(|e| request.refuse(&e))? {
        return Err(request.problem(Problem::NotFound));
    }
    let view = SetupPage { needs_code, require_email: app.settings().require_user_email(), layout: request.layout };
    Ok(page(StatusCode::OK, &view))
}

/// `GET /setup`, and `/login/setup` of old.
pub async fn alias(State(app): State<App>, request: PageRequest) -> Result<Response, PageError> {
    if app.setup_is_open().await.map_err(|e| request.refuse(&e))? {
        return Ok(redirect("/signup/setup"));
    }
    if request.session.is_some() { Ok(redirect("/settings")) } else { Err(request.problem(Problem::NotFound)) }
}

/// `GET /signup/add-passkey`: also for who has to wait for approval.
pub async fn add_passkey(State(app): State<App>, request: PageRequest) -> Result<Response, PageError> {
    let next = if newcomer(&app, &request).await?.is_some() {
        "/signup/waiting"
    } else {
        request.signed_in()?;
        "/settings/account"
    };
    Ok(page(StatusCode::OK, &AddPasskeyPage { next, layout: request.layout }))
}
