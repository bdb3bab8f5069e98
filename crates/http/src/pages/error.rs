//! Pages for when something is not there or went wrong.
//!
//! A handler of a page answers with `PageError`. What refuses before any handler runs (limits, cross-site protection, the
//! panic net) speaks `ApiError`; on the way out the outermost middleware turns it into a page by [`fault`] where a person
//! waits for one.

use super::{Accent, Layout, Words, page};
use crate::state::App;
use askama::Template;
use axum::response::Response;
use http::{HeaderValue, StatusCode, header};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use pid_flows::{Code, Error};

/// What went wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Problem {
    /// 404.
    NotFound,
    /// 403.
    Forbidden,
    /// 403: a session that only signs in to apps.
    Limited,
    /// 429, with the seconds to wait.
    TooMany(u64),
    /// 503: the store or a key is not ready.
    Unavailable,
    /// 500: unexpected.
    Internal,
    /// Something with its own sentence.
    Other(StatusCode, String),
}

impl Problem {
    /// What a refusal is for a person, in these words.
    #[must_use]
    pub fn of(error: &Error, words: &Words) -> Self {
        match error.code {
            Code::RateLimited => Self::TooMany(error.retry_after.unwrap_or(1)),
            Code::Unavailable => Self::Unavailable,
            Code::Internal => Self::Internal,
            Code::Forbidden => Self::Forbidden,
            Code::LimitedSession => Self::Limited,
            code if code.status() == 404 => Self::NotFound,
            code => {
                let status = StatusCode::from_u16(code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
                Self::Other(status, words.sentence(&words.refusal(error)))
            }
        }
    }
}

/// Marks a refusal at an address of the API that a person's browser was sent to: they get a page.
#[derive(Clone, Copy, Debug)]
pub struct ForPerson;

/// Whether a refusal at this address is for a person, not for a script.
#[must_use]
pub fn is_page(path: &str) -> bool {
    !["/api", "/.well-known", "/assets", "/health", "/readyz"]
        .iter()
        .any(|base| path.strip_prefix(base).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')))
}

/// The page of a refusal of which only the address is known.
pub fn fault(app: &App, path: &str, error: &Error, request_id: &str, words: &'static Words) -> Response {
    let settings = app.settings();
    let mut layout = Layout::new(settings.app_name(), path);
    layout.accent = Accent::parse(settings.accent_color());
    layout.images = app.images();
    layout.words = words;
    ErrorPage { problem: Problem::of(error, words), layout, request_id: request_id.to_owned() }.answer()
}

/// The page for a [`Problem`].
#[derive(Debug, Template)]
#[template(path = "error.html")]
pub struct ErrorPage {
    /// What every page needs.
    pub layout: Layout,
    /// What went wrong.
    pub problem: Problem,
    /// The request's id, shown for 500 so that an administrator finds it in the log.
    pub request_id: String,
}

impl ErrorPage {
    /// The answer with its status.
    pub fn answer(&self) -> Response {
        let mut response = page(self.status(), self);
        if let Problem::TooMany(secs) = self.problem {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(secs));
        }
        response
    }

    fn shows_id(&self) -> bool {
        self.problem == Problem::Internal && !self.request_id.is_empty()
    }

    fn is_limited(&self) -> bool {
        self.problem == Problem::Limited
    }

    /// Whether it may go well the next time.
    fn may_pass(&self) -> bool {
        matches!(self.problem, Problem::Unavailable | Problem::TooMany(_) | Problem::Internal)
    }

    /// Where a sign-in of its own leads back to.
    fn here(&self) -> String {
        utf8_percent_encode(&self.layout.path, NON_ALPHANUMERIC).to_string()
    }

    /// The status to answer with.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        match self.problem {
            Problem::NotFound => StatusCode::NOT_FOUND,
            Problem::Forbidden | Problem::Limited => StatusCode::FORBIDDEN,
            Problem::TooMany(_) => StatusCode::TOO_MANY_REQUESTS,
            Problem::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            Problem::Internal => StatusCode::INTERNAL_SERVER_ERROR,
            Problem::Other(status, _) => status,
        }
    }

    fn icon(&self) -> &'static str {
        match self.problem {
            Problem::NotFound => "compass",
            Problem::Forbidden | Problem::Limited => "lock",
            Problem::TooMany(_) | Problem::Unavailable => "clock",
            Problem::Internal | Problem::Other(..) => "alert",
        }
    }

    fn title(&self) -> &str {
        match self.problem {
            Problem::NotFound => self.layout.t("error-not-found"),
            Problem::Forbidden => self.layout.t("error-forbidden"),
            Problem::Limited => self.layout.t("error-limited"),
            Problem::TooMany(_) => self.layout.t("error-too-many"),
            Problem::Unavailable => self.layout.t("error-unavailable"),
            Problem::Internal | Problem::Other(..) => self.layout.t("error-title"),
        }
    }

    fn text(&self) -> String {
        match &self.problem {
            Problem::NotFound => self.layout.t("error-not-found-text").to_owned(),
            Problem::Forbidden => self.layout.t("error-forbidden-text").to_owned(),
            Problem::Limited => self.layout.t("error-limited-text").to_owned(),
            Problem::TooMany(seconds) => {
                self.layout.tn("error-too-many-text", &usize::try_from(*seconds).unwrap_or(usize::MAX))
            }
            Problem::Unavailable => self.layout.t("error-unavailable-text").to_owned(),
            Problem::Internal => self.layout.t("error-internal-text").to_owned(),
            Problem::Other(_, text) => text.clone(),
        }
    }
}
