//! The application configuration.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use pid_core::KeyState;
use pid_core::claims::CustomClaim;
use pid_core::groups::Group;
use pid_core::settings::Settings;
use pid_core::settings::setting;
use pid_flows::declared;
use pid_flows::{audit_stream, keys, ldap};
use pid_jose::rotation::LEAD;
use pid_oidc::named_scope::NamedScope;
use pid_store::instance::Cached;
use pid_store::keys::StoredKey;
use pid_webauthn::models::{MODELS, Model};

use super::images::ImageView;
use super::ldap::LdapView;
use super::{Choices, default_groups};
use crate::pages::DeclaredHere;
use crate::pages::{Layout, PageError, PageRequest, When, key, page};
use crate::state::App;

/// The accent colours that are offered by name; any other is typed.
const ACCENTS: [(&str, &str); 8] = [
    ("default", key("accent-default")),
    ("oklch(0.58 0.2 10)", key("accent-rose")),
    ("oklch(0.62 0.18 45)", key("accent-orange")),
    ("oklch(0.62 0.14 75)", key("accent-amber")),
    ("oklch(0.55 0.15 145)", key("accent-green")),
    ("oklch(0.55 0.1 190)", key("accent-teal")),
    ("oklch(0.55 0.18 255)", key("accent-blue")),
    ("oklch(0.55 0.2 300)", key("accent-purple")),
];

/// `/settings/admin/application-configuration`.
#[derive(Debug, Template)]
#[template(path = "admin/application_configuration.html")]
pub struct ConfigurationPage {
    /// What every page needs.
    pub layout: Layout,
    /// The version of the settings, sent as `If-Match`.
    pub version: i64,
    /// The name of this installation.
    pub app_name: String,
    /// Minutes.
    pub session_duration: String,
    /// Minutes; 0: off.
    pub session_idle: String,
    /// Where people land who have signed in.
    pub home_page: String,
    /// Whether a sign-out ends grants with `offline_access` too.
    pub offline_ends: bool,
    /// Whether people change their own details.
    pub own_account_edit: bool,
    /// Whether pages stand still.
    pub disable_animations: bool,
    /// A colour or `default`.
    pub accent: String,
    /// Whether an address is required.
    pub require_email: bool,
    /// Whether addresses count as proven from the start.
    pub emails_verified: bool,
    /// Which passkeys are allowed.
    pub passkeys: PasskeyPolicyView,
    /// The settings, for the card about mail.
    pub mail: Arc<Settings>,
    /// The mail server's password as it may be shown.
    pub smtp_password: String,
    /// It comes from the environment, and can't be changed here.
    pub fixed: bool,
    /// Every client must push its requests.
    pub require_par: bool,
    /// PKCE's method `plain` is taken.
    pub plain_pkce: bool,
    /// Seconds.
    pub refresh_grace: String,
    /// Days; 0: off.
    pub rotation_days: String,
    /// Who is offered to sign up: `disabled`, `withToken` or `open`.
    pub signups: String,
    /// Whether who signs up waits for approval.
    pub needs_approval: bool,
    /// Whose addresses may sign up.
    pub signup_domains: Vec<String>,
    /// The groups that a new account gets.
    pub default_groups: Choices,
    /// The claims that a new account gets.
    pub default_claims: Vec<CustomClaim>,
    /// The scopes that an administrator defined.
    pub named_scopes: Vec<NamedScope>,
    /// Whose metadata documents are read: patterns of addresses, at least one row.
    pub metadata_urls: Vec<String>,
    /// Where the audit log is sent to.
    pub stream_url: String,
    /// The mask of what signs it, or nothing.
    pub stream_secret: String,
    /// How that goes.
    pub stream: StreamView,
    /// The directory.
    pub ldap: LdapView,
    /// The application images.
    pub images: Vec<ImageView>,
    /// The signing keys, the newest first.
    pub keys: Vec<KeyView>,
}

/// Which passkeys are allowed, and where they work.
#[derive(Clone, Debug)]
pub struct PasskeyPolicyView {
    /// `required` or `preferred`.
    pub verification: String,
    /// Whether passkeys that are copied between devices are allowed.
    pub synced: bool,
    /// `any`, `platform` or `cross-platform`.
    pub attachment: String,
    /// The models that are allowed.
    pub allowed: Vec<String>,
    /// The models that are not.
    pub denied: Vec<String>,
    /// Whether it holds for passkeys that exist.
    pub at_sign_in: bool,
    /// Further origins.
    pub related: Vec<String>,
}

impl PasskeyPolicyView {
    fn new(settings: &Settings) -> Self {
        let policy = settings.passkey_policy();
        Self {
            verification: settings.user_verification().to_owned(),
            synced: policy.synced,
            attachment: settings.get("webauthnAuthenticatorAttachment").to_owned(),
            allowed: policy.allowed,
            denied: policy.denied,
            at_sign_in: policy.at_sign_in,
            related: settings.related_origins(),
        }
    }
}

/// How the stream of the audit log goes.
#[derive(Clone, Debug)]
pub struct StreamView {
    delivered: Option<When>,
    failed: Option<(When, String)>,
    waiting: i64,
}

impl StreamView {
    fn new(status: audit_stream::Status, waiting: i64) -> Self {
        let failed = status.failed_at.map(|at| (at.into(), status.failure.unwrap_or_default()));
        Self { delivered: status.delivered_at.map(When::from), failed, waiting }
    }
}

/// A signing key in the list.
#[derive(Clone, Debug)]
pub struct KeyView {
    kid: String,
    alg: String,
    state: KeyState,
    /// What its state means in words, before [`KeyView::when`].
    what: &'static str,
    when: When,
}

impl KeyView {
    fn new(stored: StoredKey) -> Self {
        let (what, when) = match stored.state {
            KeyState::Next => (key("signs-from"), stored.created_at.plus_secs(LEAD)),
            KeyState::Active => (key("signs-since"), stored.activated_at.unwrap_or(stored.created_at)),
            KeyState::Retired => (key("signed-until"), stored.retired_at.unwrap_or(stored.created_at)),
            KeyState::Revoked => (key("revoked-at"), stored.retired_at.unwrap_or(stored.created_at)),
        };
        Self { kid: stored.kid, alg: stored.alg, state: stored.state, what, when: when.into() }
    }

    fn badge(&self) -> (&'static str, &'static str) {
        match self.state {
            KeyState::Next => ("badge", key("key-next")),
            KeyState::Active => ("badge badge-ok", key("key-active")),
            KeyState::Retired => ("badge", key("key-retired")),
            KeyState::Revoked => ("badge badge-warn", key("key-revoked")),
        }
    }

    fn can_be_revoked(&self) -> bool {
        self.state != KeyState::Revoked
    }
}

impl ConfigurationPage {
    /// A key is replaced once: while its successor waits there is nothing to ask for.
    fn can_be_rotated(&self, key: &KeyView) -> bool {
        let waits = self.keys.iter().any(|other| other.alg == key.alg && other.state == KeyState::Next);
        key.state == KeyState::Active && !waits
    }

    fn is_on(&self, name: &str) -> bool {
        self.mail.get(name) == "true"
    }

    fn tls_options(&self) -> [(&'static str, &'static str); 3] {
        [("none", key("tls-none")), ("starttls", key("tls-starttls")), ("tls", key("tls-tls"))]
    }

    fn accents(&self) -> Vec<(&'static str, &'static str, bool)> {
        ACCENTS.iter().map(|(value, word)| (*value, *word, *value == self.accent)).collect()
    }

    /// The pages that are offered, and the one that is set if it is another: value, word, whether it is set.
    fn home_pages(&self) -> Vec<(&str, &'static str, bool)> {
        let offered = [("/settings/account", key("my-account")), ("/settings/apps", key("my-apps"))];
        let mut all: Vec<_> = offered.iter().map(|(value, word)| (*value, *word, *value == self.home_page)).collect();
        if !all.iter().any(|(_, _, on)| *on) {
            all.push((&self.home_page, "", true));
        }
        all
    }

    fn verifications(&self) -> [(&'static str, &'static str); 2] {
        [("required", key("verification-required")), ("preferred", key("verification-preferred"))]
    }

    fn models(&self) -> &'static [Model] {
        MODELS
    }

    fn attachments(&self) -> [(&'static str, &'static str); 3] {
        [("any", key("any-passkey")), ("platform", key("device-passkeys")), ("cross-platform", key("security-keys"))]
    }

    fn signup_modes(&self) -> [(&'static str, &'static str); 3] {
        [("disabled", key("signups-disabled")), ("withToken", key("signups-with-token")), ("open", key("signups-open"))]
    }

    fn accent_is_own(&self) -> bool {
        !ACCENTS.iter().any(|(value, _)| *value == self.accent)
    }
}

/// The patterns of the setting; there is always a row to write in.
fn metadata_urls(setting: &str) -> Vec<String> {
    let stored: Vec<String> = serde_json::from_str(setting).unwrap_or_default();
    if stored.is_empty() { vec![String::new()] } else { stored }
}

/// `GET /settings/admin/application-configuration`.
pub async fn configuration(State(app): State<App>, mut request: PageRequest) -> Result<Response, PageError> {
    let defaults = app.settings().default_group_ids();
    let read = request.read(&app, move |tx, creds, ctx| {
        let who = creds.reads_all(tx, ctx.now)?;
        // Nobody gets roles by signing up.
        let may_choose = |group: &Group| group.roles.is_none() || defaults.iter().any(|id| id == group.id.as_str());
        let groups = default_groups(tx, who.people(), &defaults, may_choose)?;
        let runs = ldap::runs::list(tx, ctx.now, &who)?;
        Ok((keys::list(tx, &who)?, audit_stream::look(tx, &who)?, groups, runs, declared::settings(tx)?))
    });
    let (stored, (status, waiting), default_groups, runs, declared) = read.await?;
    request.layout.declared = DeclaredHere { addresses: Vec::new(), settings: declared };
    request.layout.only_admins_change();
    let snapshot = app.snapshot();
    let settings = &snapshot.settings;
    let on = |name: &str| settings.get(name) == "true";
    let is_admin = request.layout.powers().is_admin;
    let value = if is_admin { pid_flows::settings::shown } else { pid_flows::settings::shown_to_readers };
    let shown = |name: &str| setting(name).map(|setting| value(setting, settings)).unwrap_or_default();
    let view = ConfigurationPage {
        version: snapshot.version(Cached::Settings),
        app_name: settings.app_name().to_owned(),
        session_duration: settings.get("sessionDuration").to_owned(),
        session_idle: settings.get("sessionIdleTimeout").to_owned(),
        home_page: settings.home_page().to_owned(),
        offline_ends: settings.sign_out_ends_offline_access(),
        own_account_edit: on("allowOwnAccountEdit"),
        disable_animations: on("disableAnimations"),
        accent: settings.get("accentColor").to_owned(),
        require_email: on("requireUserEmail"),
        emails_verified: on("emailsVerified"),
        passkeys: PasskeyPolicyView::new(settings),
        require_par: settings.require_pushed_requests(),
        plain_pkce: settings.allow_plain_pkce(),
        refresh_grace: settings.get("refreshTokenGraceSeconds").to_owned(),
        rotation_days: settings.get("signingKeyRotationDays").to_owned(),
        signups: settings.get("allowUserSignups").to_owned(),
        needs_approval: settings.signup_needs_approval(),
        signup_domains: settings.signup_domains(),
        default_groups,
        default_claims: settings.default_claims(),
        named_scopes: snapshot.scopes.all().to_vec(),
        metadata_urls: metadata_urls(settings.get("cimdUrlAllowlist")),
        mail: Arc::clone(settings),
        smtp_password: shown("smtpPassword"),
        fixed: settings.are_fixed(),
        stream_url: shown(audit_stream::URL),
        stream_secret: shown(audit_stream::SECRET),
        stream: StreamView::new(status, waiting),
        ldap: LdapView::new(settings, runs),
        images: ImageView::all(&snapshot.images),
        keys: stored.into_iter().map(KeyView::new).collect(),
        layout: request.layout,
    };
    Ok(page(StatusCode::OK, &view))
}
