//! Signing in to a client: the steps between `/authorize` and its answer.

use super::{Layout, PasskeyProblem};
use askama::Template;

/// The step of an interaction that the page shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Nobody is bound yet.
    Authenticate,
    /// The client wants the account chosen.
    SelectAccount,
    /// The client wants a fresh passkey proof.
    Reauthenticate,
    /// The person has not agreed to what the client wants to see.
    Consent,
}

impl Step {
    /// The step's name in the API.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Authenticate => "authenticate",
            Self::SelectAccount => "select_account",
            Self::Reauthenticate => "reauthenticate",
            Self::Consent => "consent",
        }
    }
}

/// A client as people see it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientView {
    /// Its id.
    pub id: String,
    /// Its name; for a client known by a metadata document the host of its URL.
    pub name: String,
    /// Whether it has a logo.
    pub has_logo: bool,
    /// Whether it has another logo for dark pages.
    pub has_dark_logo: bool,
}

/// Something that the client wants to see or do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ScopeView {
    /// `email`.
    Email,
    /// `profile`.
    Profile,
    /// `groups`.
    Groups,
    /// A scope of an API, by its friendly name and description; the key and an empty description if it has none.
    Other {
        /// The friendly name or the key.
        name: String,
        /// Its description, may be empty.
        description: String,
    },
}

impl ScopeView {
    /// The scopes that a page shows of those requested: `openid` and `offline_access` are not among them.
    #[must_use]
    pub fn from_standard(scope: &str) -> Option<Self> {
        match scope {
            "email" => Some(Self::Email),
            "profile" => Some(Self::Profile),
            "groups" => Some(Self::Groups),
            "openid" | "offline_access" => None,
            other => Some(Self::Other { name: other.to_owned(), description: String::new() }),
        }
    }

    fn icon(&self) -> &'static str {
        match self {
            Self::Email => "mail",
            Self::Profile => "user",
            Self::Groups => "users",
            Self::Other { .. } => "api",
        }
    }

    fn title<'a>(&'a self, layout: &'a Layout) -> &'a str {
        match self {
            Self::Email => layout.t("scope-email"),
            Self::Profile => layout.t("scope-profile"),
            Self::Groups => layout.t("scope-groups"),
            Self::Other { name, .. } => name,
        }
    }

    fn description<'a>(&'a self, layout: &'a Layout) -> &'a str {
        match self {
            Self::Email => layout.t("scope-email-text"),
            Self::Profile => layout.t("scope-profile-text"),
            Self::Groups => layout.t("scope-groups-text"),
            Self::Other { description, .. } if description.is_empty() => layout.t("scope-other-text"),
            Self::Other { description, .. } => description,
        }
    }
}

/// `/interaction?interaction={id}`. With nobody in `layout.user` the button signs in by passkey first, whatever the
/// step.
#[derive(Debug, Template)]
#[template(path = "interaction.html")]
pub struct InteractionPage {
    /// What every page needs.
    pub layout: Layout,
    /// The interaction's id.
    pub id: String,
    /// Who asks.
    pub client: ClientView,
    /// The current step.
    pub step: Step,
    /// What it asks for; shown with [`Step::Consent`].
    pub scopes: Vec<ScopeView>,
    /// Where `Cancel` leads: a link, so it works without scripts.
    pub cancel_url: String,
    /// `?redirect=…` with this page, encoded, for the other methods.
    pub query: String,
}

impl InteractionPage {
    fn shows_account(&self) -> bool {
        self.step == Step::SelectAccount && self.layout.user.is_some()
    }

    fn shows_scopes(&self) -> bool {
        self.step == Step::Consent && self.layout.user.is_some()
    }
}

/// `/interaction/error?error={text}`: what may not go back to the client.
#[derive(Debug, Template)]
#[template(path = "interaction_error.html")]
pub struct InteractionErrorPage {
    /// What every page needs.
    pub layout: Layout,
    /// What happened; empty shows a general sentence.
    pub message: String,
    /// Where `Go back` leads.
    pub back_url: String,
}
