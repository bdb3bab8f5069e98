//! Signing in: by passkey, and the other methods.

use super::disown::SignInView;
use super::{Layout, PageError, PageRequest, page, redirect};
use crate::state::App;
use askama::Template;
use axum::extract::{Path, State};
use axum::response::{IntoResponse as _, Response};
use http::StatusCode;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use pid_core::settings::Signups;
use pid_flows::email_verification::{self, Newcomer};
use pid_oidc::return_path;

/// `/login`.
#[derive(Debug, Template)]
#[template(path = "login.html")]
pub struct LoginPage {
    /// What every page needs.
    pub layout: Layout,
    /// Where to go afterwards: a checked path on this origin.
    pub next: String,
    /// The query of this page with its `?`, or nothing; the links to other methods keep it.
    pub query: String,
    /// Whether everybody may sign up.
    pub open_signup: bool,
}

/// `/login/alternative`.
#[derive(Debug, Template)]
#[template(path = "login_alternative.html")]
pub struct AlternativePage {
    /// What every page needs.
    pub layout: Layout,
    /// Whether codes are sent by mail to whoever asks.
    pub mails_codes: bool,
    /// The query of this page with its `?`, or nothing.
    pub query: String,
}

/// `/login/alternative/email`.
#[derive(Debug, Template)]
#[template(path = "login_email.html")]
pub struct EmailPage {
    /// What every page needs.
    pub layout: Layout,
    /// Whether somebody has just asked for a mail.
    pub sent: bool,
    /// Where the sign-in leads, if somewhere: a checked path on this origin.
    pub redirect: String,
    /// This page after somebody has asked.
    pub then: String,
    /// The query of this page with its `?`, or nothing.
    pub query: String,
}

/// `/verify-email`.
#[derive(Debug, Template)]
#[template(path = "verify_email.html")]
pub struct VerifyEmailPage {
    /// What every page needs.
    pub layout: Layout,
    /// The proof from the link.
    pub token: String,
    /// The address that it should prove.
    pub address: String,
    /// Whether it is of somebody who can't sign in before.
    pub is_newcomer: bool,
    /// The account's name, if it was made in another browser: it may be a stranger's, so that nothing is proven here.
    pub elsewhere: Option<String>,
    /// Where it was made, if that is known.
    pub browser: Option<SignInView>,
}

/// `/login/alternative/device`.
#[derive(Debug, Template)]
#[template(path = "login_device.html")]
pub struct DevicePage {
    /// What every page needs.
    pub layout: Layout,
    /// Where the code is typed on the other device.
    pub device_url: String,
    /// Where to go afterwards: a checked path on this origin.
    pub next: String,
    /// The query of this page with its `?`, or nothing.
    pub query: String,
}

/// `/login/alternative/code`, also reached by `/lc` and `/lc/{code}`.
#[derive(Debug, Template)]
#[template(path = "login_code.html")]
pub struct CodePage {
    /// What every page needs.
    pub layout: Layout,
    /// A code from the link: filled in and, unless `asks`, sent at once. Empty without one.
    pub code: String,
    /// Whether the page says first where it signs in: the link of a code that somebody made for themselves.
    pub asks: bool,
    /// Where it signs in: the host.
    pub host: String,
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

/// The answer of a page for people who are not signed in: those who are go on to where they wanted, and while nobody
/// exists the first run comes first.
pub(super) async fn elsewhere(app: &App, request: &PageRequest) -> Result<Option<Response>, PageError> {
    if let Some(who) = &request.session {
        // Who may only sign in to apps comes here to sign in as themselves.
        return Ok((!who.session().is_limited()).then(|| redirect(&next(request))));
    }
    let open = app.setup_is_open().await.map_err(|e| request.refuse(&e))?;
    Ok(open.then(|| redirect("/setup")))
}

/// `GET /login`.
pub async fn login(State(app): State<App>, request: PageRequest) -> Result<Response, PageError> {
    if let Some(answer) = elsewhere(&app, &request).await? {
        return Ok(answer);
    }
    let view = LoginPage {
        next: next(&request),
        query: request.query_suffix(),
        open_signup: app.settings().signups() == Signups::Open,
        layout: request.layout,
    };
    Ok(page(StatusCode::OK, &view))
}

/// `GET /login/alternative`.
pub async fn alternative(State(app): State<App>, request: PageRequest) -> Result<Response, PageError> {
    if let Some(answer) = elsewhere(&app, &request).await? {
        return Ok(answer);
    }
    let mails_codes = app.settings().mails_codes_on_request() && app.settings().sends_mail();
    Ok(page(StatusCode::OK, &AlternativePage { mails_codes, query: request.query_suffix(), layout: request.layout }))
}

/// `GET /login/alternative/email`.
pub async fn email(State(app): State<App>, request: PageRequest) -> Result<Response, PageError> {
    if let Some(answer) = elsewhere(&app, &request).await? {
        return Ok(answer);
    }
    if !app.settings().mails_codes_on_request() || !app.settings().sends_mail() {
        return Err(request.unknown());
    }
    let query = request.query_without("sent");
    let view = EmailPage {
        sent: request.param("sent").is_some(),
        redirect: if request.param("redirect").is_some() { next(&request) } else { String::new() },
        then: format!("/login/alternative/email{query}{}sent=1", if query.is_empty() { '?' } else { '&' }),
        query,
        layout: request.layout,
    };
    Ok(page(StatusCode::OK, &view))
}

/// `GET /verify-email`: for whoever the link was sent to. A click verifies, since programs open links in mails too.
pub async fn verify_email(State(app): State<App>, request: PageRequest) -> Result<Response, PageError> {
    let token: String = request.param("token").unwrap_or_default().chars().take(64).collect();
    let asked = token.clone();
    let newcomer = request.read(&app, move |tx, creds, ctx| email_verification::look(tx, ctx, creds, &asked)).await?;
    let is_newcomer = newcomer.is_some();
    let (user, elsewhere, browser) = match newcomer {
        Some(Newcomer { user, is_here, browser }) => {
            let elsewhere = (!is_here).then(|| user.username.clone());
            (user, elsewhere, browser.map(|open| SignInView::new(&request.layout, &request.ctx, open)))
        }
        None => (request.signed_in()?.user().clone(), None, None),
    };
    let address = user.email.unwrap_or_default();
    let view = VerifyEmailPage { token, address, is_newcomer, elsewhere, browser, layout: request.layout };
    Ok(page(StatusCode::OK, &view))
}

/// `GET /login/alternative/device`.
pub async fn device(State(app): State<App>, request: PageRequest) -> Result<Response, PageError> {
    if let Some(answer) = elsewhere(&app, &request).await? {
        return Ok(answer);
    }
    let view = DevicePage {
        device_url: format!("{}/device", app.env().app_url.origin),
        next: next(&request),
        query: request.query_suffix(),
        layout: request.layout,
    };
    Ok(page(StatusCode::OK, &view))
}

/// `GET /login/alternative/code`: for everybody, since a code also changes who is signed in.
pub async fn code(State(app): State<App>, request: PageRequest) -> Response {
    let view = CodePage {
        code: request.param("code").unwrap_or_default().chars().take(24).collect(),
        asks: request.param("ask").is_some(),
        host: app.env().app_url.host.clone(),
        next: next(&request),
        query: request.query_without("code"),
        layout: request.layout,
    };
    page(StatusCode::OK, &view)
}

/// `GET /lc`.
pub async fn code_alias(request: PageRequest) -> Response {
    redirect(&format!("/login/alternative/code{}", request.query_suffix()))
}

/// `GET /login/email`: where older versions had it.
pub async fn email_alias(request: PageRequest) -> Response {
    redirect(&format!("/login/alternative/email{}", request.query_suffix()))
}

/// `GET /login/{token}`: where older versions had one-time links.
pub async fn older_link(Path(token): Path<String>, request: PageRequest) -> Response {
    let is_code = (6..=64).contains(&token.len()) && token.chars().all(|c| c.is_ascii_alphanumeric());
    if is_code { code_link(Path(token), request).await } else { request.unknown().into_response() }
}

/// `GET /lc/{code}`.
pub async fn code_link(Path(code): Path<String>, request: PageRequest) -> Response {
    let code = utf8_percent_encode(&code, NON_ALPHANUMERIC);
    let rest = request.query_without("code").replacen('?', "&", 1);
    redirect(&format!("/login/alternative/code?code={code}{rest}"))
}
