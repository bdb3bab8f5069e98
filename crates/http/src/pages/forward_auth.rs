//! What people see on the host of an app behind a proxy when they can't go in: the app itself never sees the request.

use askama::Template;
use axum::response::Response;
use http::{HeaderValue, StatusCode, header};
use pid_flows::Error;

use super::{Accent, Layout, Words, page};
use crate::oidc::never_stored;
use crate::state::App;

/// Why they can't.
#[derive(Clone, Debug)]
pub enum Door {
    /// They are signed in, and it is not for them.
    Denied {
        /// The app's name.
        app: String,
        /// Who they are.
        person: String,
        /// Where they sign out.
        sign_out: String,
    },
    /// The sign-in did not come to its end.
    Lost {
        /// The app's name.
        app: String,
        /// They cancelled it themselves.
        cancelled: bool,
        /// Where it begins again.
        to: String,
    },
    /// Nothing can be decided.
    Shut(Error),
}

/// The page for a [`Door`]. It stands on another host than ours, so its addresses are whole ones.
#[derive(Debug, Template)]
#[template(path = "forward_auth.html")]
pub struct DoorPage {
    /// What every page needs.
    pub layout: Layout,
    /// Our own address.
    pub home: String,
    /// What the page is about.
    pub door: Door,
}

impl DoorPage {
    /// In these words.
    pub fn new(app: &App, words: &'static Words, door: Door) -> Self {
        let settings = app.settings();
        let mut layout = Layout::new(settings.app_name(), "/");
        layout.accent = Accent::parse(settings.accent_color());
        layout.words = words;
        Self { layout, home: app.env().app_url.origin.clone(), door }
    }

    /// The answer with its status and a policy of its own.
    pub fn answer(&self) -> Response {
        let status = match &self.door {
            Door::Denied { .. } | Door::Lost { .. } => StatusCode::FORBIDDEN,
            Door::Shut(error) => StatusCode::from_u16(error.code.status()).unwrap_or(StatusCode::FORBIDDEN),
        };
        let mut response = never_stored(page(status, self));
        let policy = format!(
            "default-src 'none'; style-src {0}; img-src {0}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
            self.home
        );
        if let Ok(policy) = HeaderValue::from_str(&policy) {
            response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, policy);
        }
        if let Door::Shut(Error { retry_after: Some(secs), .. }) = &self.door {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(*secs));
        }
        response
    }

    fn icon(&self) -> &'static str {
        match &self.door {
            Door::Denied { .. } => "lock",
            Door::Lost { .. } => "clock",
            Door::Shut(_) => "alert",
        }
    }

    fn title(&self) -> String {
        match &self.door {
            Door::Denied { app, .. } => self.layout.tf("door-denied", &[("app", app)]),
            Door::Lost { .. } => self.layout.t("door-lost").to_owned(),
            Door::Shut(_) => self.layout.t("error-title").to_owned(),
        }
    }

    fn text(&self) -> String {
        match &self.door {
            Door::Denied { person, app, .. } => self.layout.tf("door-denied-text", &[("person", person), ("app", app)]),
            Door::Lost { app, cancelled: true, .. } => self.layout.tf("door-cancelled-text", &[("app", app)]),
            Door::Lost { app, .. } => self.layout.tf("door-lost-text", &[("app", app)]),
            Door::Shut(error) => self.layout.words.sentence(&self.layout.words.refusal(error)),
        }
    }

    /// What an administrator wants to know, in the words of the log.
    fn reason(&self) -> &str {
        match &self.door {
            Door::Shut(error) => error.details.iter().find(|(name, _)| *name == "reason").map_or("", |(_, why)| why),
            _ => "",
        }
    }
}
