//! Signing in: by passkey, and the other methods.

use super::{Layout, PasskeyProblem};
use askama::Template;

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
