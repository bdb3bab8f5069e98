//! Letting a device in: the code that it shows, what it wants, and a click (RFC 8628 §3.3).

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use pid_flows::Code;
use pid_flows::device::Status;
use pid_integrations::device::in_words;

use super::interaction::{ClientView, ScopeView};
use super::{Layout, PageError, PageRequest, page};
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
    /// Whether the passkey is asked for.
    pub needs_passkey: bool,
}

impl Asked {
    fn new(layout: &Layout, status: Status) -> Self {
        let (first, second) = status.user_code.split_at(status.user_code.len() / 2);
        let device = Some(in_words(&status.user_agent)).filter(|words| !words.is_empty());
        Self {
            code: format!("{first}-{second}"),
            scopes: ScopeView::list(&status.scopes, &status.words),
            client: status.client.into(),
            device: device.unwrap_or_else(|| layout.t("unknown-device").to_owned()),
            ip_address: status.ip_address,
            needs_passkey: status.reauthentication_required,
        }
    }
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
    /// Whether the person has to sign in first.
    pub signed_out: bool,
    /// `?redirect=…` with this page, encoded, for the other methods.
    pub query: String,
}

/// `GET /device`: for everybody; what the code is for is shown to who is signed in.
pub async fn device(State(app): State<App>, request: PageRequest) -> Result<Response, PageError> {
    let code: String = request.param("user_code").unwrap_or_default().chars().take(64).collect();
    let signed_out = request.signed_in().is_err();
    let (mut asked, mut problem) = (None, String::new());
    if !signed_out && !code.trim().is_empty() {
        match look(&app, &request.ctx, &request.credentials, code.clone()).await {
            Ok(status) => asked = Some(Asked::new(&request.layout, status)),
            Err(error) if matches!(error.code, Code::RateLimited | Code::Unavailable | Code::Internal) => {
                return Err(request.refuse(&error));
            }
            Err(error) => problem = request.layout.tf("device-problem", &[("error", &error.message)]),
        }
    }
    let view = DevicePage {
        query: format!("?redirect={}", utf8_percent_encode(&request.here(), NON_ALPHANUMERIC)),
        code,
        problem,
        asked,
        signed_out,
        layout: request.layout,
    };
    Ok(page(StatusCode::OK, &view))
}
