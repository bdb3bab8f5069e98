//! Logos that are named by their address: fetched before the client is written, and stored in the same transaction
//! (api.md §16.8).

use std::time::Duration;

use http::{HeaderValue, StatusCode, header};
use pid_core::Ctx;
use pid_core::files::Content;
use pid_core::ids::ClientId;
use pid_flows::access::Admin;
use pid_flows::change::Change;
use pid_flows::client_input::{self, ClientInput};
use pid_flows::{Code, Error, Saying, client_logos};
use pid_integrations::fetch::{FetchError, Limits, NamedBy, Request, Response};
use pid_integrations::images::{self, MAX_UPLOAD, Purpose};
use pid_store::WriteTx;
use serde_json::{Map, Value};

use crate::api::pictures;
use crate::error::ApiError;
use crate::files::{self, Folder};
use crate::state::App;

/// A logo may cost this much.
const LIMITS: Limits = Limits { time: Duration::from_secs(15), body: Some(MAX_UPLOAD), redirects: 10 };

/// A logo's media type, and its bytes or where they are.
type Kept = (&'static str, Content);

/// The logos that came with a client.
pub(crate) struct RemoteLogos {
    light: Option<Kept>,
    dark: Option<Kept>,
}

impl RemoteLogos {
    /// Fetches those that a new client, or all of a client, names.
    pub async fn of(app: &App, input: &ClientInput) -> Result<Self, ApiError> {
        Self::fetched(app, input.logo_url.as_deref(), input.dark_logo_url.as_deref()).await
    }

    /// Fetches those that a change names.
    pub async fn of_change(app: &App, change: &Change<ClientInput>) -> Result<Self, ApiError> {
        match change {
            Change::Replace(input) => Self::of(app, input).await,
            Change::Merge(patch) => Self::fetched(app, text(patch, "logoUrl"), text(patch, "darkLogoUrl")).await,
        }
    }

    async fn fetched(app: &App, light: Option<&str>, dark: Option<&str>) -> Result<Self, ApiError> {
        let (light, dark) = tokio::join!(logo(app, light), logo(app, dark));
        Ok(Self { light: light?, dark: dark? })
    }

    /// Stores them with the client that was just written. Tells whether there was any.
    pub fn store(&self, tx: &WriteTx<'_>, ctx: &Ctx, admin: &Admin, id: &ClientId) -> Result<bool, Error> {
        let all = [(false, &self.light), (true, &self.dark)];
        let mut any = false;
        for (dark, (content_type, content)) in all.iter().filter_map(|(dark, logo)| Some((*dark, logo.as_ref()?))) {
            client_logos::set(tx, ctx, admin, id, dark, content_type, content)?;
            any = true;
        }
        Ok(any)
    }
}

fn text<'a>(patch: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    patch.get(name).and_then(Value::as_str)
}

async fn logo(app: &App, url: Option<&str>) -> Result<Option<Kept>, ApiError> {
    // What is no address at all is refused with the other fields.
    let Some(url) = url.filter(|url| client_input::is_logo_url(url)) else { return Ok(None) };
    // Whoever administers this may still not read our network through it.
    let mut request = Request::get(url, NamedBy::Outsider, LIMITS);
    request.headers.insert(header::ACCEPT, HeaderValue::from_static("image/*"));
    let answer = app.fetcher().send(request).await.map_err(|error| match error {
        FetchError::TooLarge => Error::new(Code::LogoTooLarge).detail("max_size", "2.00 MB"),
        other => failed(&other.to_string()),
    })?;
    if answer.status != StatusCode::OK {
        return Err(failed(&format!("the address answers with status {}", answer.status.as_u16())).into());
    }
    let name = file_name(&answer);
    let made = pictures::written(move || images::named(Purpose::Logo, &name, &answer.body)).await?;
    let made = made.map_err(|why| Error::say(Saying::BadLogo, &[("reason", &why.to_string())]))?;
    let content = files::keep(app, Folder::ClientLogos, made.content_type, made.content).await?;
    Ok(Some((made.content_type, content)))
}

fn failed(why: &str) -> Error {
    Error::say(Saying::NoLogo, &[("reason", why)])
}

/// A name that says the type: that of the address if it says one, else that of the content.
fn file_name(answer: &Response) -> String {
    let last = answer.url.path_segments().and_then(|mut segments| segments.next_back()).unwrap_or_default();
    let named = last.rsplit_once('.').is_some_and(|(_, extension)| Purpose::Logo.takes(extension));
    let content_type = answer.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let mime = content_type.and_then(|value| value.split(';').next()).unwrap_or_default().trim().to_ascii_lowercase();
    let extension = match mime.as_str() {
        _ if named => return last.to_owned(),
        "image/svg+xml" => "svg",
        "image/jpeg" => "jpg",
        "image/x-icon" | "image/vnd.microsoft.icon" => "ico",
        other => other.strip_prefix("image/").unwrap_or_default(),
    };
    format!("logo.{extension}")
}
