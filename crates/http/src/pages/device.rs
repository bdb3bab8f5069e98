//! Letting a device in: the code that it shows, what it wants, and a click (RFC 8628 §3.3; api.md §23.2).

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use pid_core::places::Place;
use pid_core::sessions::{BeganBy, Session};
use pid_flows::Code;
use pid_flows::device::Status;
use pid_flows::device_login::{LoginCode, Waiting};
use pid_integrations::device::in_words;

use super::interaction::{ClientView, ScopeView};
use super::{Layout, PageError, PageRequest, page};
use crate::api;
use crate::oidc::device::look;
use crate::state::App;

/// What a person decides on.
#[derive(Clone, Debug)]
pub struct Asked {
    /// The code, as it stands on the device.
    pub code: String,
    /// Whose device it is.
    pub client: ClientView,
    /// What it asks for.
    pub scopes: Vec<ScopeView>,
    /// The device in words.
    pub device: String,
    /// Where it asked from.
    pub ip_address: String,
    /// Where that is; may be empty.
    pub place: String,
    /// Whether the passkey is asked for.
    pub needs_passkey: bool,
}

impl Asked {
    fn new(request: &PageRequest, status: Status) -> Self {
        let layout = &request.layout;
        let (first, second) = status.user_code.split_at(status.user_code.len() / 2);
        Self {
            code: format!("{first}-{second}"),
            scopes: ScopeView::list(&status.scopes, &status.words),
            client: status.client.into(),
            device: words_for(layout, &status.user_agent),
            place: in_one(request.ctx.places.of(&status.ip_address)),
            ip_address: status.ip_address,
            needs_passkey: status.reauthentication_required,
        }
    }
}

/// A browser that waits to be let in.
#[derive(Clone, Debug)]
pub struct WaitingView {
    /// The code, as it stands there.
    pub code: String,
    /// The browser in words.
    pub device: String,
    /// Where it is.
    pub ip_address: String,
    /// Where that is; may be empty.
    pub place: String,
    /// Whether the person has just signed in by passkey, which is proof enough.
    pub proven: bool,
}

impl WaitingView {
    fn new(request: &PageRequest, waiting: Waiting) -> Self {
        let (first, second) = waiting.code.halves();
        let code = format!("{first}-{second}");
        let just_signed_in = |session: &Session| {
            session.began_by == BeganBy::Passkey && request.ctx.now.secs_since(session.auth_time) < SURELY_FRESH_SECS
        };
        Self {
            code,
            device: words_for(&request.layout, &waiting.user_agent),
            ip_address: waiting.ip_address,
            place: in_one(waiting.place),
            proven: request.session.as_ref().is_some_and(|who| just_signed_in(who.session())),
        }
    }
}

/// A sign-in as young as this is proof enough for a minute's limit when the number has been typed.
const SURELY_FRESH_SECS: i64 = 40;

fn in_one(place: Place) -> String {
    [place.city, place.country].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(", ")
}

fn words_for(layout: &Layout, user_agent: &str) -> String {
    let device = Some(in_words(user_agent)).filter(|words| !words.is_empty());
    device.unwrap_or_else(|| layout.t("unknown-device").to_owned())
}

/// `/device`.
#[derive(Debug, Template)]
#[template(path = "device.html")]
pub struct DevicePage {
    /// What every page needs.
    pub layout: Layout,
    /// The code from the link or as it was typed; may be empty.
    pub code: String,
    /// Why it leads nowhere, in words; may be empty.
    pub problem: String,
    /// What is decided, once code and person are known.
    pub asked: Option<Asked>,
    /// The browser that is let in, if the code is of that kind.
    pub waiting: Option<WaitingView>,
    /// Whether the person has to sign in first.
    pub signed_out: bool,
    /// `?redirect=…` with this page, encoded, for the other methods.
    pub query: String,
}

/// `GET /device`: for everybody; what the code is for is shown to who is signed in.
pub async fn device(State(app): State<App>, request: PageRequest) -> Result<Response, PageError> {
    let code: String = request.param("user_code").unwrap_or_default().chars().take(64).collect();
    let signed_out = request.signed_in().is_err();
    let (mut asked, mut waiting, mut problem) = (None, None, String::new());
    if !signed_out && !code.trim().is_empty() {
        let (ctx, creds) = (&request.ctx, &request.credentials);
        // One page takes both kinds of code; the first character tells which it is.
        let found = if LoginCode::parse(&code).is_some() {
            let found = api::device_login::look(&app, ctx, creds, code.clone()).await;
            found.map(|found| waiting = Some(WaitingView::new(&request, found)))
        } else {
            let found = look(&app, ctx, creds, code.clone()).await;
            found.map(|status| asked = Some(Asked::new(&request, status)))
        };
        match found {
            Ok(()) => {}
            Err(error) if matches!(error.code, Code::RateLimited | Code::Unavailable | Code::Internal) => {
                return Err(request.refuse(&error));
            }
            Err(error) => {
                problem = request.layout.tf("device-problem", &[("error", &request.layout.words.refusal(&error))]);
            }
        }
    }
    let view = DevicePage {
        query: format!("?redirect={}", utf8_percent_encode(&request.here(), NON_ALPHANUMERIC)),
        code,
        problem,
        asked,
        waiting,
        signed_out,
        layout: request.layout,
    };
    Ok(page(StatusCode::OK, &view))
}
