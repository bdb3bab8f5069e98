//! Signing up, and waiting for approval.

use super::{Layout, PageError, PageRequest, login, page, redirect};
use crate::state::App;
use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;
use http::StatusCode;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use pid_core::settings::Signups;
use pid_flows::access::SessionUser;
use pid_flows::{Code, Error, signup, signup_tokens};

/// Why there is no form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Closed {
    /// Nobody signs up by themselves.
    Disabled,
    /// A token is needed.
    NeedsToken,
    /// The token has expired, is used up, or is none.
    BadToken,
}

/// `/signup`.
#[derive(Debug, Template)]
#[template(path = "signup.html")]
pub struct SignupPage {
    /// What every page needs.
    pub layout: Layout,
    /// Why there is no form, if there is none.
    pub closed: Option<Closed>,
    /// The invitation; may be empty.
    pub token: String,
    /// Whether an e-mail address is required.
    pub require_email: bool,
    /// The domains whose addresses are taken, in words; empty: all.
    pub domains: String,
    /// Whether an administrator has to approve the account.
    pub needs_approval: bool,
}

impl SignupPage {
    fn closed_text(&self) -> &str {
        match self.closed {
            Some(Closed::BadToken) => self.layout.t("signup-bad-token"),
            Some(Closed::NeedsToken) => self.layout.t("signup-needs-token"),
            _ => self.layout.t("signup-disabled"),
        }
    }

    fn email_hint(&self) -> String {
        if self.domains.is_empty() {
            return String::new();
        }
        self.layout.tf("signup-domains-only", &[("domains", &self.domains)])
    }
}

/// `/signup/waiting`.
#[derive(Debug, Template)]
#[template(path = "signup_waiting.html")]
pub struct WaitingPage {
    /// What every page needs.
    pub layout: Layout,
    /// Whose account waits.
    pub username: String,
    /// The address to be proven first; may be empty.
    pub address: String,
}

/// `/signup/verified`.
#[derive(Debug, Template)]
#[template(path = "signup_verified.html")]
pub struct VerifiedPage {
    /// What every page needs.
    pub layout: Layout,
}

/// `GET /signup/verified`: after who signed up has proven their address.
pub async fn verified(State(app): State<App>, request: PageRequest) -> Result<Response, PageError> {
    if request.session.is_some() {
        return Ok(redirect("/settings/account?emailVerificationState=success"));
    }
    if newcomer(&app, &request).await?.is_some() {
        return Ok(redirect("/signup/waiting"));
    }
    Ok(page(StatusCode::OK, &VerifiedPage { layout: request.layout }))
}

/// Who waits for approval in this browser.
pub(super) async fn newcomer(app: &App, request: &PageRequest) -> Result<Option<SessionUser>, PageError> {
    if request.credentials.session.is_none() {
        return Ok(None);
    }
    request.read(app, |tx, creds, ctx| creds.newcomer(tx, ctx.now)).await
}

/// `GET /signup`, with `?token=` from an invitation.
pub async fn sign_up(State(app): State<App>, request: PageRequest) -> Result<Response, PageError> {
    if request.session.is_some() {
        return Ok(redirect("/settings"));
    }
    if let Some(answer) = login::elsewhere(&app, &request).await? {
        return Ok(answer);
    }
    let settings = app.settings();
    let token = request.param("token").unwrap_or_default();
    let closed = if token.is_empty() {
        match settings.signups() {
            Signups::Open => None,
            Signups::WithToken => Some(Closed::NeedsToken),
            Signups::Disabled => Some(Closed::Disabled),
        }
    } else {
        let asked = token.clone();
        let usable = request.read(&app, move |tx, _, ctx| signup_tokens::usable(tx, &asked, ctx.now)).await?;
        usable.is_none().then_some(Closed::BadToken)
    };
    let domains = settings.signup_domains();
    let view = SignupPage {
        closed,
        token,
        require_email: settings.require_user_email() || !domains.is_empty(),
        domains: domains.join(", "),
        needs_approval: settings.signup_needs_approval(),
        layout: request.layout,
    };
    Ok(page(StatusCode::OK, &view))
}

/// `GET /st/{token}`: an invitation's link.
pub async fn token_link(Path(token): Path<String>) -> Response {
    redirect(&format!("/signup?token={}", utf8_percent_encode(&token, NON_ALPHANUMERIC)))
}

/// `GET /signup/waiting`: who signed up and waits for approval; once that is given, the way in.
pub async fn waiting(State(app): State<App>, request: PageRequest) -> Result<Response, PageError> {
    if request.session.is_some() {
        return Ok(redirect("/settings"));
    }
    let Some(who) = newcomer(&app, &request).await? else {
        return Err(request.refuse(&Error::new(Code::NotSignedIn)));
    };
    let asked = who.clone();
    let for_address = request.read(&app, move |tx, _, _| signup::waits_for_address(tx, &asked)).await?;
    let address = who.user().email.clone().filter(|_| for_address).unwrap_or_default();
    let view = WaitingPage { username: who.user().username.clone(), address, layout: request.layout };
    Ok(page(StatusCode::OK, &view))
}
