//! Forward authentication: apps that speak no OpenID sit behind a reverse proxy, which asks before each request whether
//! it may pass.
//!
//! Nothing here reads a request or the store: [`target`] makes one canonical form of what a proxy says was asked for and
//! refuses what could be read in two ways, [`rules`] says who may go there, [`values`] what the app is told.

pub mod origin;
pub mod rules;
pub mod target;
pub mod values;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use origin::Origin;
pub use rules::{Access, Rule, Rules};
pub use target::{Dialect, Headers, Refusal, Target};

/// Below this path of a protected host we answer ourselves; the app never sees it.
pub const OWN_PATH: &str = "/.pocket-id";
/// Where the hand-over ends: the redirect URI on a protected host.
pub const CALLBACK_PATH: &str = "/.pocket-id/callback";
/// Where an app sends people who want to sign out.
pub const SIGN_OUT_PATH: &str = "/.pocket-id/sign-out";
/// A hand-over code must be used within this time, seconds.
pub const HAND_OVER_SECS: i64 = 30;
/// The most hosts of a client.
pub const MAX_HOSTS: usize = 50;
/// The most rules of a client.
pub const MAX_RULES: usize = 100;
/// How long a session on a host lasts unless it is said, minutes: a day.
pub const SESSION_MINUTES: i64 = 1440;

/// How a client of the type `proxy` is protected.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ForwardAuth {
    /// Addresses of the app as browsers know them, like `https://app.example.com`; at least one. A bare host name stands for https.
    pub hosts: Vec<String>,
    /// Paths with rules of their own. The longest that covers a path counts; without one, whoever may enter the client may go there.
    pub rules: Vec<Rule>,
    /// How long a session on the app's host lasts, minutes, 1–525,600. Signing out ends it earlier.
    pub session_minutes: i64,
    /// Whether programs may sign in with a username and an app password (HTTP Basic).
    pub app_passwords: bool,
    /// The header with the username. An empty name of a header leaves it out.
    pub user_header: String,
    /// The header with the e-mail address.
    pub email_header: String,
    /// The header with the name for people.
    pub name_header: String,
    /// The header with the groups, separated by commas.
    pub groups_header: String,
    /// The header with a signed JWT that says the same.
    pub assertion_header: String,
}

impl Default for ForwardAuth {
    fn default() -> Self {
        Self {
            hosts: Vec::new(),
            rules: Vec::new(),
            session_minutes: SESSION_MINUTES,
            app_passwords: false,
            user_header: "Remote-User".to_owned(),
            email_header: "Remote-Email".to_owned(),
            name_header: "Remote-Name".to_owned(),
            groups_header: "Remote-Groups".to_owned(),
            assertion_header: String::new(),
        }
    }
}

impl ForwardAuth {
    /// The names of all headers by their fields, those that are left out among them.
    pub fn headers(&self) -> [(&'static str, &str); 5] {
        [
            ("userHeader", self.user_header.as_str()),
            ("emailHeader", self.email_header.as_str()),
            ("nameHeader", self.name_header.as_str()),
            ("groupsHeader", self.groups_header.as_str()),
            ("assertionHeader", self.assertion_header.as_str()),
        ]
    }

    /// The addresses, as they were checked when they were saved.
    pub fn origins(&self) -> impl Iterator<Item = Origin> {
        self.hosts.iter().filter_map(|text| Origin::parse(text).ok())
    }

    /// The address of a host of which somebody asks by its key.
    pub fn origin(&self, key: &str) -> Option<Origin> {
        // Nearly always it is written so; nothing else need be parsed then.
        let written = |text: &&String| text.split_once("://").is_some_and(|(_, host)| host == key);
        let found = self.hosts.iter().filter(written).find_map(|text| Origin::parse(text).ok());
        found.filter(|origin| origin.key() == key).or_else(|| self.origins().find(|origin| origin.key() == key))
    }
}
