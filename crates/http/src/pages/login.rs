//! Signing in: by passkey, and the other methods.

use super::{Layout, PageError, PageRequest, PasskeyProblem, page, redirect};
use crate::state::App;
use askama::Template;
use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use pid_oidc::return_path;

/// `/login`.
#[derive(Debug, Template)]
#[template(path = "login.html")]
pub struct LoginPage {
    /// What every page needs.
    pub layout: Layout,
    /// Where to go afterwards: a checked path on this origin.
    pub next: String,
    /// The query of this page with its `?`, or nothing; the link to other methods keeps it.
    pub query: String,
    /// Whether anyone may sign up, which shows the link.
    pub signups_open: bool,
}

/// `/login/alternative`.
#[derive(Debug, Template)]
#[template(path = "login_alternative.html")]
pub struct AlternativePage {
    /// What every page needs.
    pub layout: Layout,
    /// The query of this page with its `?`, or nothing.
    pub query: String,
}

/// `/login/alternative/code`, also reached by `/lc` and `/lc/{code}`.
#[derive(Debug, Template)]
#[template(path = "login_code.html")]
pub struct CodePage {
    /// What every page needs.
    pub layout: Layout,
    /// A code from the link: filled in and sent at once. Empty without one.
    pub code: String,
    /// Where to go afterwards: a checked path on this origin.
    pub next: String,
    /// The query for the way back with its `?` and without the code, or nothing.
    pub query: String,
}

/// Where a sign-in leads: `redirect`, if it stays on this origin (security case 12).
fn next(request: &PageRequest) -> String {
    let wanted = request.param("redirect").unwrap_or_default();
    return_path::check(&wanted).unwrap_or("/settings").to_owned()
}

/// `GET /login`.
pub async fn login(State(app): State<App>, request: PageRequest) -> Result<Response, PageError> {
    if request.session.is_some() {
        return Ok(redirect("/settings"));
    }
    if app.setup_is_open().await.map_err(|e| request.refuse(&e))? {
        return Ok(redirect("/setup"));
    }
    let signups_open = app.settings().get("allowUserSignups") == "open";
    let view = LoginPage { next: next(&request), query: request.query_suffix(), signups_open, layout: request.layout };
    Ok(page(StatusCode::OK, &view))
}
