//! Pages for when something is not there or went wrong.

use super::Layout;
use askama::Template;
use http::StatusCode;

/// What went wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Problem {
    /// 404.
    NotFound,
    /// 403.
    Forbidden,
    /// 429, with the seconds to wait.
    TooMany(u64),
    /// 503: the store or a key is not ready.
    Unavailable,
    /// 500: unexpected.
    Internal,
    /// Something with its own sentence.
    Other(StatusCode, String),
}

/// The page for a [`Problem`].
#[derive(Debug, Template)]
#[template(path = "error.html")]
pub struct ErrorPage {
    /// What every page needs.
    pub layout: Layout,
    /// What went wrong.
    pub problem: Problem,
    /// The request's id, shown for 500 so that an administrator finds it in the log; may be empty.
    pub request_id: String,
}

impl ErrorPage {
    /// The status to answer with.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        match self.problem {
            Problem::NotFound => StatusCode::NOT_FOUND,
            Problem::Forbidden => StatusCode::FORBIDDEN,
            Problem::TooMany(_) => StatusCode::TOO_MANY_REQUESTS,
            Problem::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            Problem::Internal => StatusCode::INTERNAL_SERVER_ERROR,
            Problem::Other(status, _) => status,
        }
    }

    fn icon(&self) -> &'static str {
        match self.problem {
            Problem::NotFound => "compass",
            Problem::Forbidden => "lock",
            Problem::TooMany(_) | Problem::Unavailable => "clock",
            Problem::Internal | Problem::Other(..) => "alert",
        }
    }

    fn title(&self) -> &str {
        match self.problem {
            Problem::NotFound => self.layout.t("error-not-found"),
            Problem::Forbidden => self.layout.t("error-forbidden"),
            Problem::TooMany(_) => self.layout.t("error-too-many"),
            Problem::Unavailable => self.layout.t("error-unavailable"),
            Problem::Internal | Problem::Other(..) => self.layout.t("error-title"),
        }
    }

    fn text(&self) -> String {
        match &self.problem {
            Problem::NotFound => self.layout.t("error-not-found-text").to_owned(),
            Problem::Forbidden => self.layout.t("error-forbidden-text").to_owned(),
            Problem::TooMany(seconds) => {
                self.layout.tn("error-too-many-text", &usize::try_from(*seconds).unwrap_or(usize::MAX))
            }
            Problem::Unavailable => self.layout.t("error-unavailable-text").to_owned(),
            Problem::Internal => self.layout.t("error-internal-text").to_owned(),
            Problem::Other(_, text) => text.clone(),
        }
    }
}
