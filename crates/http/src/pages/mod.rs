//! The pages: one file per feature, each with plain view structs that are askama templates.
//!
//! A view holds only data (text, flags, small lists), so a test renders it without a server. Handlers read what a
//! view needs in one transaction, fill it in and answer with [`page`]. Pages read and the API writes (design §5):
//! forms carry `data-api` and the script turns them into JSON calls. How forms, tables and dialogs are marked up
//! is told in `templates/README.md`.

pub mod account;
pub mod admin;
pub mod api_docs;
pub mod apps;
pub mod audit_logs;
pub mod device;
pub mod disown;
mod drawings;
pub mod error;
pub mod forward_auth;
pub mod home;
mod icons;
pub mod interaction;
pub mod login;
pub mod logout;
pub mod manifest;
pub mod passkey_check;
pub mod passkeys;
pub mod request;
pub mod sessions;
pub mod setup;
pub mod signup;

use askama::Template;
use axum::response::{Html as HtmlBody, IntoResponse, Response};
use http::StatusCode;
use pid_core::Timestamp;
use pid_core::application_images::{ApplicationImages, Image};
use pid_core::roles::Powers;
use pid_flows::declared::{Part, Parts};

pub use crate::assets::{Accent, asset};
pub use crate::i18n::{Html, Words, key, words};
pub use drawings::drawing;
use icons::logo;
pub use icons::{icon, mark};
pub use request::{PageError, PageRequest, redirect};

/// Renders a view as the answer. A template that fails (none should) becomes a plain 500.
pub fn page(status: StatusCode, view: &impl Template) -> Response {
    match view.render() {
        Ok(html) => (status, HtmlBody(html)).into_response(),
        Err(error) => {
            tracing::error!(%error, "a page could not be rendered");
            (StatusCode::INTERNAL_SERVER_ERROR, "An unknown error occurred").into_response()
        }
    }
}

/// The theme that a person chose, kept in the cookie `theme` (`light`, `dark`; anything else follows the system),
/// so that the first paint is right.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Theme {
    /// As the system has it.
    #[default]
    System,
    /// Always light.
    Light,
    /// Always dark.
    Dark,
}

impl Theme {
    /// From the value of the cookie `theme`.
    #[must_use]
    pub fn from_cookie(value: &str) -> Self {
        match value {
            "light" => Self::Light,
            "dark" => Self::Dark,
            _ => Self::System,
        }
    }

    /// The value of `data-theme`, empty for the system's.
    #[must_use]
    pub fn attribute(self) -> &'static str {
        match self {
            Self::System => "",
            Self::Light => "light",
            Self::Dark => "dark",
        }
    }
}

/// Who is signed in, as far as every page shows it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ShellUser {
    /// The user's id.
    pub id: String,
    /// The username, shown when there is no display name.
    pub username: String,
    /// The display name, may be empty.
    pub display_name: String,
    /// The e-mail address, may be empty.
    pub email: String,
    /// What they may do: what of the administration is shown.
    pub powers: Powers,
}

impl ShellUser {
    /// The display name, or the username.
    #[must_use]
    pub fn name(&self) -> &str {
        if self.display_name.is_empty() { &self.username } else { &self.display_name }
    }

    /// One or two letters for the round picture.
    #[must_use]
    pub fn initials(&self) -> String {
        initials(self.name())
    }
}

/// The first letters of the first and the last word, upper-cased.
#[must_use]
pub fn initials(name: &str) -> String {
    let mut words = name.split_whitespace().filter_map(|word| word.chars().find(|c| c.is_alphanumeric()));
    let first = words.next();
    first.into_iter().chain(words.next_back()).flat_map(char::to_uppercase).collect()
}

/// One of eight colours for the letters of something without a picture: always the same for the same name.
#[must_use]
pub fn hue(name: &str) -> u32 {
    // FNV-1a; its middle bits are mixed well.
    let hash = name.bytes().fold(2_166_136_261_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(16_777_619));
    (hash >> 13) % 8
}

/// Why passkeys can't work at the address that the browser shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PasskeyProblem {
    /// Plain http on another host than localhost: browsers offer no passkeys there.
    InsecureAddress {
        /// The address of this page, for example `http://192.168.1.5:1411`.
        address: String,
    },
    /// The page was opened at another address than `APP_URL`, which passkeys are bound to.
    OtherAddress {
        /// The address of this page.
        address: String,
    },
}

/// A moment for people and machines.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct When {
    /// RFC 3339, for `<time datetime>`; the script rewrites the text in the reader's own zone.
    pub iso: String,
    /// The day for a reader without scripts, for example `2026-06-03`.
    pub text: String,
}

impl From<Timestamp> for When {
    fn from(moment: Timestamp) -> Self {
        let iso = moment.to_string();
        Self { text: iso.split('T').next().unwrap_or_default().to_owned(), iso }
    }
}

/// What every page needs besides its own data.
#[derive(Clone, Debug)]
pub struct Layout {
    /// The language's words.
    pub words: &'static Words,
    /// The configured name of this installation.
    pub app_name: String,
    /// The configured accent colour, `None` for our own.
    pub accent: Option<Accent>,
    /// Which images stand in for our own drawings.
    pub images: ApplicationImages,
    /// The chosen theme.
    pub theme: Theme,
    /// Who is signed in.
    pub user: Option<ShellUser>,
    /// The path of this page, to mark the current entry of the navigation.
    pub path: String,
    /// The version shown at the foot of the settings.
    pub version: &'static str,
    /// The origin that passkeys are bound to, `APP_URL`; empty if they can't work there either.
    pub passkeys_at: String,
    /// Further origins at which they work, parted by blanks.
    pub passkeys_related: String,
    /// Why passkeys can't work here, as far as the server sees it; shown by the pages that need one.
    pub passkey_problem: Option<PasskeyProblem>,
    /// Whether the configuration switches motion off.
    pub still: bool,
    /// Why who looks can change nothing on this page, if they can't: a key of the catalogue.
    pub only_reads: Option<&'static str>,
    /// What a file declares of this page.
    pub declared: DeclaredHere,
}

/// What a file declares of what a page shows: there nothing can be changed.
#[derive(Clone, Debug, Default)]
pub struct DeclaredHere {
    /// Addresses of the API to which forms and buttons send what would be refused. One that ends with a slash stands for all
    /// below it.
    pub addresses: Vec<String>,
    /// Keys of the configuration.
    pub settings: Vec<String>,
}

impl DeclaredHere {
    /// Of something with parts: the addresses of those that are declared.
    pub fn of(parts: &Parts, all: &[(Part, String)]) -> Self {
        let addresses = all.iter().filter(|(part, _)| parts.has(*part)).map(|(_, address)| address.clone()).collect();
        Self { addresses, settings: Vec::new() }
    }

    /// Whether anything is.
    #[must_use]
    pub fn any(&self) -> bool {
        !self.addresses.is_empty() || !self.settings.is_empty()
    }
}

impl Layout {
    /// A layout with the defaults: English, our accent, nobody signed in.
    #[must_use]
    pub fn new(app_name: impl Into<String>, path: impl Into<String>) -> Self {
        Self {
            words: words("en"),
            app_name: app_name.into(),
            accent: None,
            images: ApplicationImages::default(),
            theme: Theme::default(),
            user: None,
            path: path.into(),
            version: env!("CARGO_PKG_VERSION"),
            passkeys_at: String::new(),
            passkeys_related: String::new(),
            passkey_problem: None,
            still: false,
            only_reads: None,
            declared: DeclaredHere::default(),
        }
    }

    /// What who is signed in may do.
    #[must_use]
    pub fn powers(&self) -> Powers {
        self.user.as_ref().map(|user| user.powers).unwrap_or_default()
    }

    /// Says, to others than administrators, that they can change nothing on this page.
    pub fn only_admins_change(&mut self) {
        self.changes_if(self.powers().is_admin, key("only-reads-page"));
    }

    /// Says why nothing can be changed on this page, unless it can: to auditors that they only read, to others `why`.
    pub fn changes_if(&mut self, may: bool, why: &'static str) {
        let auditor = !self.powers().manage_people();
        self.only_reads = (!may).then_some(if auditor { key("only-reads-auditor") } else { why });
    }

    /// A message without arguments.
    #[must_use]
    pub fn t<'a>(&'a self, key: &'a str) -> &'a str {
        self.words.get(key)
    }

    /// A message with named arguments.
    #[must_use]
    pub fn tf(&self, key: &str, arguments: &[(&str, &str)]) -> String {
        self.words.with(key, arguments)
    }

    /// A message with a number `n`.
    #[must_use]
    pub fn tn(&self, key: &str, n: &usize) -> String {
        self.words.count(key, *n)
    }

    /// A message with markup of ours; the arguments are escaped.
    #[must_use]
    pub fn th(&self, key: &str, arguments: &[(&str, &str)]) -> Html {
        self.words.html(key, arguments)
    }

    /// The address of this page, if passkeys can't work here at all.
    #[must_use]
    pub fn insecure_address(&self) -> Option<&str> {
        match &self.passkey_problem {
            Some(PasskeyProblem::InsecureAddress { address }) => Some(address),
            _ => None,
        }
    }

    /// The address of this page, if passkeys belong to another one; else empty.
    #[must_use]
    pub fn other_address(&self) -> &str {
        match &self.passkey_problem {
            Some(PasskeyProblem::OtherAddress { address }) => address,
            _ => "",
        }
    }

    /// The logo of this installation, or our mark. Decorative unless it gets a name.
    #[must_use]
    pub fn logo(&self, name: &str) -> Html {
        logo(&self.images, name)
    }

    /// Where the favicon is, if it isn't ours.
    #[must_use]
    pub fn favicon(&self) -> Option<String> {
        self.images.url(Image::Favicon)
    }

    /// Where the picture beside the sign-in pages is, if it isn't ours.
    #[must_use]
    pub fn background(&self) -> Option<String> {
        self.images.url(Image::Background)
    }

    /// Whether who has no picture is shown a common one.
    #[must_use]
    pub fn has_default_picture(&self) -> bool {
        self.images.has(Image::DefaultPicture)
    }

    /// The URL of a script bundle in this language: `auth` or `settings`.
    #[must_use]
    pub fn script(&self, entry: &str) -> &'static str {
        asset(&format!("{entry}-{}.js", self.words.language()))
    }

    /// Whether the page is `href` or below it.
    #[must_use]
    pub fn at(&self, href: &str) -> bool {
        self.path == href || self.path.strip_prefix(href).is_some_and(|rest| rest.starts_with('/'))
    }
}
