//! Configuration from the environment (ops.md §1): one table, from which come the parser and all that is written about it.

mod files;
mod network;
mod notes;
mod otlp;
mod reader;
mod table;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use ipnet::{IpNet, Ipv6Net};
use pid_core::settings::Settings;
use pid_flows::env::AppUrl;
use pid_integrations::files::Places;
use pid_integrations::geo::Source;
use pid_store::Target;

use crate::declared::Wanted;
use crate::otlp as otlp_to;
use files::files;
use network::{address, local_ranges, peers, prometheus, socket_mode, targets, tls};
pub use notes::notes;
pub use reader::environment;
use reader::{Reader, boolean};
use table::DOWNLOAD;
pub use table::{VARIABLES, Variable, example, help, reference};

/// The checked configuration.
#[derive(Clone, Debug)]
pub struct Config {
    /// `APP_URL`.
    pub app_url: AppUrl,
    /// `INTERNAL_APP_URL`, else the origin of `APP_URL`.
    pub internal_url: String,
    /// `HOST`.
    pub host: IpAddr,
    /// `PORT`; 0 picks a free one.
    pub port: u16,
    /// `ENCRYPTION_KEY`, if set.
    pub encryption_key: Option<Vec<u8>>,
    /// `DB_CONNECTION_STRING`.
    pub database: Target,
    /// `STATIC_API_KEY`, if set.
    pub static_api_key: Option<String>,
    /// The application configuration, where `UI_CONFIG_DISABLED` says that it comes from the environment.
    pub settings: Option<Settings>,
    /// `LOG_LEVEL`.
    pub log_level: String,
    /// `LOG_JSON`.
    pub log_json: bool,
    /// `TRUST_PROXY`.
    pub trusted_proxies: Vec<IpNet>,
    /// `FORWARD_AUTH_SECRET`, if set.
    pub forward_auth_secret: Option<String>,
    /// `TRUSTED_PLATFORM`.
    pub platform_header: Option<http::HeaderName>,
    /// `ALLOW_INSECURE_CALLBACK_URLS`.
    pub allow_insecure_callbacks: bool,
    /// `DISABLE_RATE_LIMITING`.
    pub rate_limiting: bool,
    /// `ALLOWED_PRIVATE_TARGETS`.
    pub allowed_targets: Vec<IpNet>,
    /// `DENIED_TARGETS`.
    pub denied_targets: Vec<IpNet>,
    /// `LOCAL_IPV6_RANGES`.
    pub local_ipv6_ranges: Vec<Ipv6Net>,
    /// `GEOLITE_DB_PATH`, and `GEOLITE_DB_URL` with `MAXMIND_LICENSE_KEY`.
    pub places: Source,
    /// `AUDIT_LOG_RETENTION_DAYS`.
    pub audit_days: i64,
    /// `DB_MAX_CONNECTIONS`.
    pub max_connections: usize,
    /// `BACKUP_PATH` and what goes with it.
    pub backups: Option<Backups>,
    /// `BACKUP_PASSPHRASE`.
    pub backup_passphrase: Option<String>,
    /// `UNIX_SOCKET`.
    pub unix_socket: Option<PathBuf>,
    /// `UNIX_SOCKET_MODE`.
    pub unix_socket_mode: Option<u32>,
    /// `SYSTEMD_SOCKET`.
    pub systemd_socket: bool,
    /// `PROXY_PROTOCOL`; `None`: nobody speaks it.
    pub proxy_protocol: Option<Vec<IpNet>>,
    /// `TLS_CERT` and `TLS_KEY`, or their files.
    pub tls: Option<pid_http::tls::Source>,
    /// Where Prometheus asks, if it does.
    pub prometheus: Option<std::net::SocketAddr>,
    /// What goes to collectors.
    pub otlp: otlp_to::Wanted,
    /// `SHUTDOWN_DELAY_SECONDS`.
    pub shutdown_delay: u64,
    /// The file of `--config`, if there is one.
    pub declared: Option<Wanted>,
    /// `FILE_BACKEND`, `UPLOAD_PATH` and the bucket.
    pub files: Places,
    /// Whether clean-up, outbox and the like run: not in a restore drill, whose copy must send nothing.
    pub jobs: bool,
}

/// Backups by the clock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backups {
    /// Where.
    pub folder: PathBuf,
    /// How often.
    pub every_hours: i64,
    /// How many.
    pub keep: usize,
}

/// Characters of a passphrase, at least.
pub const SHORTEST_PASSPHRASE: usize = 12;

impl Config {
    /// Reads and checks everything.
    ///
    /// # Errors
    /// One sentence for each bad value, all at once.
    pub fn read(env: &BTreeMap<String, String>) -> Result<Self, Vec<String>> {
        let mut r = Reader { env, errors: Vec::new() };
        let fallback = AppUrl { origin: String::new(), host: String::new(), https: false };
        let app_url = r.text("APP_URL").unwrap_or_default();
        let app_url = AppUrl::parse(&app_url).unwrap_or_else(|| {
            r.errors.push(format!("APP_URL must be an http or https address without a path, not \"{app_url}\"."));
            fallback
        });
        let internal_url = match r.text("INTERNAL_APP_URL") {
            None => app_url.origin.clone(),
            Some(text) => match AppUrl::parse(&text) {
                Some(url) => url.origin,
                None => {
                    r.errors.push(format!("INTERNAL_APP_URL must be an address without a path, not \"{text}\"."));
                    String::new()
                }
            },
        };
        let host = address(&mut r, "HOST");
        let port = r.number("PORT", "from 0 to 65535", |_: &u16| true);
        let encryption_key = r.file("ENCRYPTION_KEY").or_else(|| r.text("ENCRYPTION_KEY").map(String::into_bytes));
        if encryption_key.as_ref().is_some_and(|k| k.len() < 16) {
            r.errors.push("ENCRYPTION_KEY must have at least 16 bytes.".to_owned());
        }
        let static_api_key = r.text("STATIC_API_KEY");
        if static_api_key.as_ref().is_some_and(|k| k.chars().count() < 16) {
            r.errors.push("STATIC_API_KEY must have at least 16 characters.".to_owned());
        }
        if r.env.get("ALLOW_DOWNGRADE").is_some_and(|text| boolean(text) == Some(true)) {
            r.errors.push(
                "ALLOW_DOWNGRADE can't be had: a database goes back by its copy from before the upgrade, which lies beside it \
                 (before-v….db), or by a backup. Remove the variable."
                    .to_owned(),
            );
        }
        let forward_auth_secret = r.text("FORWARD_AUTH_SECRET");
        if forward_auth_secret.as_ref().is_some_and(|k| k.chars().count() < 16) {
            r.errors.push("FORWARD_AUTH_SECRET must have at least 16 characters.".to_owned());
        }
        let settings = settings(&mut r);
        let database = Target::parse(&r.text("DB_CONNECTION_STRING").unwrap_or_default());
        let log_level = r.text("LOG_LEVEL").unwrap_or_default().to_lowercase();
        if !["debug", "info", "warn", "error"].contains(&log_level.as_str()) {
            r.errors.push(format!("LOG_LEVEL must be debug, info, warn or error, not \"{log_level}\"."));
        }
        let trusted_proxies = peers(&mut r, "TRUST_PROXY");
        let platform_header = r.text("TRUSTED_PLATFORM").and_then(|text| match text.parse() {
            Ok(name) => Some(name),
            Err(_) => {
                r.errors.push(format!("TRUSTED_PLATFORM must be the name of a header, not \"{text}\"."));
                None
            }
        });
        let config = Self {
            app_url,
            internal_url,
            host,
            port,
            encryption_key,
            database,
            static_api_key,
            forward_auth_secret,
            settings,
            log_level,
            log_json: r.flag("LOG_JSON"),
            trusted_proxies,
            platform_header,
            allow_insecure_callbacks: r.flag("ALLOW_INSECURE_CALLBACK_URLS"),
            rate_limiting: !r.flag("DISABLE_RATE_LIMITING"),
            allowed_targets: targets(&mut r, "ALLOWED_PRIVATE_TARGETS"),
            denied_targets: targets(&mut r, "DENIED_TARGETS"),
            local_ipv6_ranges: local_ranges(&mut r),
            places: places(&mut r),
            audit_days: r.number("AUDIT_LOG_RETENTION_DAYS", "from 1", |n: &i64| *n > 0),
            max_connections: r.number("DB_MAX_CONNECTIONS", "from 1 to 1000", |n: &usize| (1..=1000).contains(n)),
            unix_socket: r.text("UNIX_SOCKET").map(PathBuf::from),
            unix_socket_mode: socket_mode(&mut r),
            systemd_socket: r.flag("SYSTEMD_SOCKET"),
            proxy_protocol: Some(peers(&mut r, "PROXY_PROTOCOL")).filter(|listed| !listed.is_empty()),
            tls: tls(&mut r),
            prometheus: prometheus(&mut r),
            backups: backups(&mut r),
            backup_passphrase: passphrase(&mut r),
            otlp: otlp::otlp(&mut r),
            shutdown_delay: r.number("SHUTDOWN_DELAY_SECONDS", "from 0 to 300", |n: &u64| *n <= 300),
            declared: None,
            files: files(&mut r),
            jobs: true,
        };
        if config.unix_socket.is_some() && config.systemd_socket {
            r.errors.push("UNIX_SOCKET and SYSTEMD_SOCKET exclude each other.".to_owned());
        }
        if config.unix_socket.is_some() && config.proxy_protocol.is_some() {
            r.errors.push("UNIX_SOCKET and PROXY_PROTOCOL exclude each other.".to_owned());
        }
        if r.errors.is_empty() { Ok(config) } else { Err(r.errors) }
    }

    /// The folder of the SQLite file, which may have to be made.
    pub fn data_dir(&self) -> Option<PathBuf> {
        match &self.database {
            Target::Sqlite(path) => path.parent().filter(|p| !p.as_os_str().is_empty()).map(Path::to_owned),
            Target::Postgres(_) => None,
        }
    }
}

/// The application configuration from the environment, if it comes from there.
fn settings(r: &mut Reader<'_>) -> Option<Settings> {
    if !r.flag("UI_CONFIG_DISABLED") {
        return None;
    }
    let found = pid_flows::settings::from_environment(|setting| r.set(&setting.variable(), setting.secret));
    match found {
        Ok(settings) => Some(settings),
        Err(errors) => {
            r.errors.extend(errors);
            None
        }
    }
}

fn backups(r: &mut Reader<'_>) -> Option<Backups> {
    let every_hours = r.number("BACKUP_INTERVAL_HOURS", "from 1 to 8760", |n: &i64| (1..=8760).contains(n));
    let keep = r.number("BACKUP_KEEP", "from 1", |n: &usize| *n > 0);
    r.text("BACKUP_PATH").map(|folder| Backups { folder: folder.into(), every_hours, keep })
}

fn passphrase(r: &mut Reader<'_>) -> Option<String> {
    let text = r.text("BACKUP_PASSPHRASE");
    if text.as_ref().is_some_and(|text| text.chars().count() < SHORTEST_PASSPHRASE) {
        r.errors.push(format!("BACKUP_PASSPHRASE must have at least {SHORTEST_PASSPHRASE} characters."));
    }
    text
}

/// Downloads happen with a licence key, or from an address that was set.
fn places(r: &mut Reader<'_>) -> Source {
    let path = r.text("GEOLITE_DB_PATH").unwrap_or_default().into();
    let (key, url) = (r.text("MAXMIND_LICENSE_KEY"), r.text("GEOLITE_DB_URL").unwrap_or_default());
    let downloads = key.is_some() || url != DOWNLOAD;
    let escaped: String = url::form_urlencoded::byte_serialize(key.unwrap_or_default().as_bytes()).collect();
    let url = url.replace("%s", &escaped);
    let is_address = |text: &str| url::Url::parse(text).is_ok_and(|url| matches!(url.scheme(), "http" | "https"));
    if downloads && !is_address(&url) {
        // Not repeated: the key is in it.
        r.errors.push("GEOLITE_DB_URL must be an http or https address.".to_owned());
    }
    Source { path, url: downloads.then_some(url) }
}
