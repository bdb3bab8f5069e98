//! What is wrong with this installation, and how to mend it: for `pocket-id doctor`, the API and the page. Each check is a
//! function; what it found is told by the catalogues.

mod stored;
mod uploads;

use std::borrow::Cow;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use axum::extract::{ConnectInfo, FromRequestParts};
use http::header;
use http::request::Parts;
use pid_core::Timestamp;
use pid_core::diagnosis;
use pid_core::ldap::Directory;
use pid_core::settings::Settings;
use pid_flows::Error;
use pid_flows::env::AppUrl;
use pid_integrations::fetch::{Fetcher, Limits, NamedBy, Request};
use pid_integrations::files::Files;
use pid_integrations::{ldap, mail};
use pid_store::Db;
use schemars::JsonSchema;
use serde::Serialize;

use crate::i18n::{Words, key};
use crate::middleware::client_ip::{Proxies, UnknownProxy};
use crate::state::App;

/// How long the own address may take to answer.
const ANSWER: Duration = Duration::from_secs(8);

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// All is well.
    Good,
    /// Worth knowing.
    Note,
    /// Works, but not as it should.
    Warning,
    /// Somebody can't sign in, or will not be able to.
    Problem,
}

impl Level {
    /// The key of its word.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Good => key("doctor-good"),
            Self::Note => key("doctor-note"),
            Self::Warning => key("doctor-warning"),
            Self::Problem => key("doctor-problem"),
        }
    }
}

/// What a check found.
#[derive(Clone, Debug)]
pub struct Finding {
    /// How bad it is.
    pub level: Level,
    /// The key of what was looked at, or its name.
    pub title: Cow<'static, str>,
    says: Cow<'static, str>,
    mend: Cow<'static, str>,
    arguments: Vec<(&'static str, String)>,
}

impl Finding {
    fn new(level: Level, title: &'static str, says: &'static str) -> Self {
        Self { level, title: title.into(), says: says.into(), mend: "".into(), arguments: Vec::new() }
    }

    /// Why sign-ins to an app failed, or, without a name, to one that nobody knows.
    fn of_app(name: Option<String>, found: diagnosis::Finding) -> Self {
        let says = format!("diagnosis-{}", found.code.as_str());
        let mend = format!("diagnosis-mend-{}", found.code.mend());
        let title = name.map_or(Cow::Borrowed(key("doctor-sign-ins")), Cow::Owned);
        Self { level: Level::Note, title, says: says.into(), mend: mend.into(), arguments: found.values }
    }

    fn mend(mut self, key: &'static str) -> Self {
        self.mend = key.into();
        self
    }

    #[allow(clippy::needless_pass_by_value, reason = "a number, a name or an error: whatever is at hand")]
    fn with(mut self, name: &'static str, value: impl ToString) -> Self {
        self.arguments.push((name, value.to_string()));
        self
    }

    fn told(&self, words: &Words, key: &str) -> String {
        let arguments: Vec<(&str, &str)> = self.arguments.iter().map(|(name, value)| (*name, value.as_str())).collect();
        words.with(key, &arguments)
    }

    /// What was found, in a sentence.
    #[must_use]
    pub fn says(&self, words: &Words) -> String {
        self.told(words, &self.says)
    }

    /// What to do about it, if anything.
    #[must_use]
    pub fn remedy(&self, words: &Words) -> Option<String> {
        (!self.mend.is_empty()).then(|| self.told(words, &self.mend))
    }

    /// A stable word for what was found.
    #[must_use]
    pub fn code(&self) -> &str {
        self.says.strip_prefix("doctor-").unwrap_or(&self.says)
    }
}

/// A finding as programs read it.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Finding")]
pub struct FindingDto {
    /// A stable word for what was found.
    code: String,
    level: Level,
    /// What was looked at.
    title: String,
    /// What was found.
    says: String,
    /// What to do about it.
    mend: Option<String>,
}

impl FindingDto {
    /// In a language.
    #[must_use]
    pub fn new(finding: &Finding, words: &Words) -> Self {
        Self {
            code: finding.code().to_owned(),
            level: finding.level,
            title: words.get(&finding.title).to_owned(),
            says: finding.says(words),
            mend: finding.remedy(words),
        }
    }
}

/// A request of somebody who looks: it came as everybody's requests come.
#[derive(Clone, Debug)]
pub struct Here {
    /// Who connected.
    pub peer: IpAddr,
    /// `Host`, may be empty.
    pub host: String,
    /// Whether a proxy that is not trusted named a client.
    pub hides_client: bool,
}

impl FromRequestParts<App> for Here {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self, Self::Rejection> {
        let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>().map_or(IpAddr::from([0, 0, 0, 0]), |c| c.0.ip());
        let host = parts.headers.get(header::HOST).and_then(|host| host.to_str().ok());
        let host = host.or(parts.uri.authority().map(|authority| authority.as_str())).unwrap_or_default();
        let hides_client = parts.extensions.get::<UnknownProxy>().is_some();
        Ok(Self { peer, host: host.to_ascii_lowercase(), hides_client })
    }
}

/// What is examined.
pub struct Subject {
    /// The store.
    pub db: Db,
    /// `APP_URL`.
    pub app_url: AppUrl,
    /// The settings in force.
    pub settings: Settings,
    /// The outbound client.
    pub fetcher: Fetcher,
    /// Where uploads are kept.
    pub files: Files,
    /// Which peers may name clients' addresses.
    pub proxies: Proxies,
    /// Whether there are limits against guessing.
    pub limits: bool,
    /// Whether we speak TLS ourselves, so that no proxy need be there.
    pub tls: bool,
    /// The moment.
    pub now: Timestamp,
    /// Whether the whole file is read in search of damage.
    pub deep: bool,
    /// The request of whoever looks, if one did.
    pub here: Option<Here>,
}

/// Examines a running instance.
pub async fn examine_app(app: &App, here: Here) -> Vec<Finding> {
    let subject = Subject {
        db: app.db().clone(),
        app_url: app.env().app_url.clone(),
        settings: Settings::clone(&app.settings()),
        fetcher: app.fetcher().clone(),
        files: app.files().clone(),
        proxies: app.proxies().clone(),
        limits: app.limiter().is_on(),
        tls: false,
        now: app.clock().now(),
        deep: false,
        here: Some(here),
    };
    examine(&subject).await
}

/// Examines everything.
pub async fn examine(subject: &Subject) -> Vec<Finding> {
    let mut out = vec![address(subject)];
    let (reached, mailed, listed, kept) =
        tokio::join!(reach(subject), mail(subject), directory(subject), uploads::examine(subject));
    out.push(reached);
    out.push(proxy(subject));
    let (file, data) = (subject.db.file().and_then(stored::files), stored::database(subject).await);
    out.extend(data);
    out.extend(file);
    out.extend(kept);
    out.push(mailed);
    out.extend(listed);
    if !subject.limits {
        let title = key("doctor-limits");
        out.push(Finding::new(Level::Warning, title, key("doctor-limits-off")).mend(key("doctor-limits-off-mend")));
    }
    out
}

/// The database can't even be opened.
#[must_use]
pub fn unopened(reason: &str) -> Finding {
    let finding = Finding::new(Level::Problem, key("doctor-database"), key("doctor-database-failed"));
    finding.mend(key("doctor-database-failed-mend")).with("reason", reason)
}

/// Whether the encryption key is that of the data.
#[must_use]
pub fn encryption_key(trouble: Option<&str>) -> Finding {
    let title = key("doctor-key");
    match trouble {
        None => Finding::new(Level::Good, title, key("doctor-key-fits")),
        Some(reason) => Finding::new(Level::Problem, title, key("doctor-key-wrong"))
            .mend(key("doctor-key-wrong-mend"))
            .with("reason", reason),
    }
}

fn address(subject: &Subject) -> Finding {
    let (title, url) = (key("doctor-address"), &subject.app_url);
    if !url.passkeys_work() {
        let finding = Finding::new(Level::Problem, title, key("doctor-address-insecure"));
        return finding.mend(key("doctor-address-insecure-mend")).with("url", &url.origin);
    }
    let named = url.origin.split_once("://").map_or("", |(_, name)| name);
    let here = subject.here.as_ref().map(|here| here.host.as_str()).filter(|host| !host.is_empty() && *host != named);
    let is_related = |host: &str| subject.settings.related_origins().iter().any(|o| o.ends_with(&format!("://{host}")));
    match here.filter(|host| !is_related(host)) {
        Some(host) => Finding::new(Level::Warning, title, key("doctor-address-other"))
            .mend(key("doctor-address-other-mend"))
            .with("here", host)
            .with("url", &url.origin),
        None => Finding::new(Level::Good, title, key("doctor-address-good")).with("url", &url.origin),
    }
}

/// Asks the public address for our own metadata, as an app does.
async fn reach(subject: &Subject) -> Finding {
    let (title, url) = (key("doctor-reach"), &subject.app_url.origin);
    let limits = Limits { time: ANSWER, body: Some(256 * 1024), redirects: 0 };
    let request = Request::get(format!("{url}/.well-known/openid-configuration"), NamedBy::Admin, limits);
    let trouble = |reason: String| {
        let finding = Finding::new(Level::Warning, title, key("doctor-reach-failed"));
        finding.mend(key("doctor-reach-failed-mend")).with("url", url).with("reason", reason)
    };
    let answer = match subject.fetcher.send(request).await {
        Ok(answer) => answer,
        Err(error) => return trouble(error.to_string()),
    };
    let document: serde_json::Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    match document["issuer"].as_str() {
        Some(issuer) if issuer == url => Finding::new(Level::Good, title, key("doctor-reach-good")).with("url", url),
        Some(issuer) => Finding::new(Level::Problem, title, key("doctor-reach-other"))
            .mend(key("doctor-reach-other-mend"))
            .with("url", url)
            .with("issuer", issuer.chars().take(200).collect::<String>()),
        None => trouble(format!("{}", answer.status.as_u16())),
    }
}

fn proxy(subject: &Subject) -> Finding {
    let title = key("doctor-proxy");
    if let Some(here) = subject.here.as_ref().filter(|here| here.hides_client) {
        let finding = Finding::new(Level::Warning, title, key("doctor-proxy-unknown"));
        return finding.mend(key("doctor-proxy-unknown-mend")).with("peer", here.peer.to_canonical());
    }
    let proxies = &subject.proxies;
    let trusts_all = proxies.trusted.iter().any(|net| net.prefix_len() == 0);
    if trusts_all {
        return Finding::new(Level::Note, title, key("doctor-proxy-all")).mend(key("doctor-proxy-all-mend"));
    }
    let believes = !proxies.trusted.is_empty() || proxies.platform_header.is_some();
    if subject.app_url.https && !believes && !subject.tls && subject.here.is_none() {
        return Finding::new(Level::Note, title, key("doctor-proxy-none")).mend(key("doctor-proxy-none-mend"));
    }
    Finding::new(Level::Good, title, key("doctor-proxy-good"))
}

async fn mail(subject: &Subject) -> Finding {
    let (title, settings) = (key("doctor-mail"), &subject.settings);
    if settings.get("smtpHost").trim().is_empty() {
        return Finding::new(Level::Note, title, key("doctor-mail-off"));
    }
    let tried = match crate::mail::server(&subject.app_url.host, settings) {
        Ok(server) => mail::try_server(&subject.fetcher, &server).await,
        Err(error) => Err(error),
    };
    let finding = match &tried {
        Ok(()) => Finding::new(Level::Good, title, key("doctor-mail-good")),
        Err(error) => Finding::new(Level::Warning, title, key("doctor-mail-failed"))
            .mend(key("doctor-mail-failed-mend"))
            .with("reason", error),
    };
    finding.with("host", settings.get("smtpHost"))
}

/// Asks the directory what an administrator's test asks; nothing where there is none.
async fn directory(subject: &Subject) -> Option<Finding> {
    if !subject.settings.ldap_enabled() {
        return None;
    }
    let title = key("doctor-directory");
    let host = subject.settings.get("ldapUrl").to_owned();
    let failed = |reason: String| {
        let finding = Finding::new(Level::Warning, title, key("doctor-directory-failed"));
        finding.mend(key("doctor-directory-failed-mend")).with("host", &host).with("reason", reason)
    };
    // Settings that lack something say so themselves.
    let directory = match Directory::from_settings(&subject.settings) {
        Ok(directory) => directory,
        Err(fields) => return Some(failed(Error::fields(fields).message)),
    };
    Some(match ldap::check(&subject.fetcher, &directory).await {
        Ok(_) => Finding::new(Level::Good, title, key("doctor-directory-good")).with("host", &host),
        Err(error) => failed(error.to_string()),
    })
}
