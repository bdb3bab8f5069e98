//! Signing out.

use super::Layout;
use askama::Template;

/// `/logout`: asks before signing out.
#[derive(Debug, Template)]
#[template(path = "logout.html")]
pub struct LogoutPage {
    /// What every page needs; `user` is whom it asks.
    pub layout: Layout,
}

impl LogoutPage {
    fn username(&self) -> &str {
        self.layout.user.as_ref().map_or("", |user| user.username.as_str())
    }
}
