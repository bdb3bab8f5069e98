//! The first run, and the first passkey.

use super::{Layout, PasskeyProblem};
use askama::Template;

/// `/signup/setup`: the first administrator.
#[derive(Debug, Template)]
#[template(path = "setup.html")]
pub struct SetupPage {
    /// What every page needs.
    pub layout: Layout,
    /// Asked from an address that is neither loopback nor private: the form wants the code that the start printed
    /// (sent as `setupCode`).
    pub needs_code: bool,
    /// Whether an e-mail address is required.
    pub require_email: bool,
}

/// `/signup/add-passkey`.
#[derive(Debug, Template)]
#[template(path = "add_passkey.html")]
pub struct AddPasskeyPage {
    /// What every page needs.
    pub layout: Layout,
}
