//! A person's own account.

use super::{Layout, PasskeyProblem, When};
use askama::Template;

/// A passkey in a list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PasskeyView {
    /// Its id in the API.
    pub id: String,
    /// Its name.
    pub name: String,
    /// When it was added.
    pub added: When,
    /// When it was last used, if ever.
    pub last_used: Option<When>,
    /// Whether the provider keeps copies on several devices.
    pub synced: bool,
}

/// `/settings/account`.
#[derive(Debug, Template)]
#[template(path = "account.html")]
pub struct AccountPage {
    /// What every page needs.
    pub layout: Layout,
    /// The version of the user's record, sent as `If-Match`.
    pub version: String,
    /// The fields of the form.
    pub username: String,
    /// May be empty.
    pub email: String,
    /// May be empty.
    pub first_name: String,
    /// May be empty.
    pub last_name: String,
    /// May be empty.
    pub display_name: String,
    /// Whether an e-mail address is required.
    pub require_email: bool,
    /// Whether the person may change their own details.
    pub can_edit: bool,
    /// Newest first.
    pub passkeys: Vec<PasskeyView>,
}
