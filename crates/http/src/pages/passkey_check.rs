//! What this browser and this address can do with passkeys, in words.

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use pid_integrations::device;

use super::{Layout, PageRequest, key, page};
use crate::state::App;

/// `/passkey-check`.
#[derive(Debug, Template)]
#[template(path = "passkey_check.html")]
pub struct PasskeyCheckPage {
    /// What every page needs.
    pub layout: Layout,
    /// The host that passkeys are bound to: RP ID.
    pub rp_id: String,
    /// The browser in words, by what it says of itself.
    pub browser: String,
    /// What was looked at here, before any script runs.
    pub rows: Vec<Row>,
}

/// Something to look at. What it is found to be says which of its sentences holds.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// What the script calls it.
    pub name: &'static str,
    /// What people call it.
    pub title: &'static str,
    /// Good.
    pub yes: &'static str,
    /// Bad, and what to do.
    pub no: &'static str,
    /// What the server sees; `None`: only the browser can tell.
    pub seen: Option<bool>,
    /// Without it passkeys don't work here at all.
    pub needed: bool,
}

impl Row {
    fn state(&self) -> &'static str {
        match (self.seen, self.needed) {
            (None, _) => "unknown",
            (Some(true), _) => "yes",
            (Some(false), true) => "no",
            (Some(false), false) => "lacking",
        }
    }
}

/// `GET /passkey-check`: for everybody, signed in or not.
pub async fn check(State(app): State<App>, request: PageRequest) -> Response {
    let layout = request.layout;
    let right = layout.passkey_problem.is_none();
    let web_view = device::is_web_view(&request.ctx.user_agent);
    let secure = if layout.insecure_address().is_some() { Some(false) } else { right.then_some(true) };
    let row = |name, title, yes, no, seen, needed| Row { name, title, yes, no, seen, needed };
    let rows = vec![
        row("secure", key("check-secure"), key("check-secure-yes"), key("check-secure-no"), secure, true),
        row("address", key("check-address"), key("check-address-yes"), key("check-address-no"), Some(right), true),
        row("view", key("check-view"), key("check-view-yes"), key("check-view-no"), Some(!web_view), false),
        row("webauthn", key("check-webauthn"), key("check-webauthn-yes"), key("check-webauthn-no"), None, true),
        row("platform", key("check-platform"), key("check-platform-yes"), key("check-platform-no"), None, false),
        row("autofill", key("check-autofill"), key("check-autofill-yes"), key("check-autofill-no"), None, false),
        row("hybrid", key("check-hybrid"), key("check-hybrid-yes"), key("check-hybrid-no"), None, false),
        row("signal", key("check-signal"), key("check-signal-yes"), key("check-signal-no"), None, false),
    ];
    let view = PasskeyCheckPage {
        rp_id: app.env().app_url.host.clone(),
        browser: device::in_words(&request.ctx.user_agent),
        rows,
        layout,
    };
    page(StatusCode::OK, &view)
}
