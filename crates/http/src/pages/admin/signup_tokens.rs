//! Sign-up tokens in the dialogs of the page of people.

use pid_core::list::{ListRequest, Page};
use pid_flows::signup_tokens::Shown;

use crate::pages::{Layout, When};

/// A token in the list.
#[derive(Clone, Debug)]
pub struct TokenRow {
    /// Its id.
    pub id: String,
    /// Enough of it to tell it from others.
    pub short: String,
    /// What is handed on, by who may invite into all of its groups.
    pub link: Option<String>,
    /// When it ends.
    pub expires: When,
    /// The groups that it leads to, in words.
    pub groups: String,
    used: i64,
    limit: i64,
}

impl TokenRow {
    /// The rows of a page of tokens.
    #[must_use]
    pub fn list(origin: &str, page: Page<Shown>) -> Vec<Self> {
        let row = |shown: Shown| Self {
            short: shown.short,
            link: shown.token.map(|token| format!("{origin}/st/{}", token.expose())),
            expires: shown.stored.expires_at.into(),
            groups: shown.groups.into_iter().map(|g| g.friendly_name).collect::<Vec<_>>().join(", "),
            used: shown.stored.usage_count,
            limit: shown.stored.usage_limit,
            id: shown.stored.id.into_string(),
        };
        page.items.into_iter().map(row).collect()
    }

    pub(crate) fn used_up(&self) -> bool {
        self.used >= self.limit
    }

    pub(crate) fn usage(&self, layout: &Layout) -> String {
        layout.tf("used-of", &[("used", &self.used.to_string()), ("limit", &self.limit.to_string())])
    }
}

/// What the dialog asks for: the latest first.
#[must_use]
pub fn latest() -> ListRequest {
    ListRequest { limit: 100, sort: Some(("createdAt".to_owned(), true)), ..ListRequest::default() }
}
