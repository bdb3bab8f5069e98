//! Configuration from the environment (ops.md §1): one table, from which come the parser and all that is written about it.

mod files;
mod otlp;
mod table;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use ipnet::{IpNet, Ipv6Net};
use pid_core::settings::{SETTINGS, Settings};
use pid_flows::env::AppUrl;
use pid_integrations::files::Places;
use pid_integrations::geo::Source;
use pid_store::Target;

use crate::declared::Wanted;
use crate::otlp as otlp_to;
use files::files;
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

/// The environment as text, a `.env` file below it.
pub fn environment(dir: &Path) -> Result<BTreeMap<String, String>, Vec<String>> {
    let mut out = match std::fs::read_to_string(dir.join(".env")) {
        Ok(text) => dot_env(&text),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => BTreeMap::new(),
        Err(e) => return Err(vec![format!("The file .env can't be read: {e}.")]),
    };
    out.extend(std::env::vars_os().filter_map(|(k, v)| Some((k.into_string().ok()?, v.into_string().ok()?))));
    Ok(out)
}

fn dot_env(text: &str) -> BTreeMap<String, String> {
    text.lines()
        .filter_map(|line| {
            let line = line.trim();
            let line = line.strip_prefix("export ").unwrap_or(line);
            let (name, value) = line.split_once('=').filter(|_| !line.starts_with('#'))?;
            let value = value.trim();
            let quoted = |q: char| value.strip_prefix(q).and_then(|v| v.strip_suffix(q));
            let bare = || value.split(" #").next().unwrap_or(value).trim_end();
            let value = quoted('"').or_else(|| quoted('\'')).unwrap_or_else(bare);
            Some((name.trim().to_owned(), value.to_owned()))
        })
        .collect()
}

/// Variables of Pocket ID that are accepted and mean nothing here, and why.
const WITHOUT_EFFECT: &[(&str, &str)] = &[
    ("APP_ENV", ""),
    ("ANALYTICS_DISABLED", ""),
    ("PUID", ""),
    ("PGID", ""),
    ("ACTORS_HOST", "there are no actors that need a port"),
    ("ACTORS_PORT", "there are no actors that need a port"),
    ("VERSION_CHECK_DISABLED", ""),
    ("LOG_QUERY_ARGS", "values of statements are never logged"),
];

/// Variables of older versions of Pocket ID, and what they are called now.
const RENAMED: &[(&str, &str)] = &[
    ("PUBLIC_APP_URL", "APP_URL"),
    ("PUBLIC_UI_CONFIG_DISABLED", "UI_CONFIG_DISABLED"),
    ("BACKEND_PORT", "PORT"),
    ("CADDY_PORT", "PORT"),
    ("DB_PATH", "DB_CONNECTION_STRING"),
    ("SQLITE_DB_PATH", "DB_CONNECTION_STRING"),
    ("POSTGRES_CONNECTION_STRING", "DB_CONNECTION_STRING"),
    ("LDAP_ATTRIBUTE_ADMIN_GROUP", "LDAP_ADMIN_GROUP_NAME"),
];

/// What is set and does not do what somebody may think: one sentence each.
pub fn notes(env: &BTreeMap<String, String>) -> Vec<String> {
    let set = |name: &str| env.get(name).is_some_and(|value| !value.is_empty());
    let mut out = Vec::new();
    for (name, why) in WITHOUT_EFFECT.iter().filter(|(name, why)| !why.is_empty() && set(name)) {
        out.push(format!("{name} has no effect: {why}."));
    }
    for (name, known) in [
        ("OTEL_TRACES_EXPORTER", &["otlp", "console"][..]),
        ("OTEL_METRICS_EXPORTER", &["otlp", "prometheus", "console"]),
        ("OTEL_LOGS_EXPORTER", &["otlp", "console"]),
    ] {
        let values = env.get(name).map(String::as_str).unwrap_or_default().split(',').map(str::trim);
        for value in values.filter(|value| !value.is_empty() && *value != "none" && !known.contains(value)) {
            out.push(format!("{name}={value} has no effect: known are none, {}.", known.join(", ")));
        }
    }
    for name in ["", "TRACES_", "METRICS_", "LOGS_"].map(|signal| format!("OTEL_EXPORTER_OTLP_{signal}PROTOCOL")) {
        if env.get(&name).is_some_and(|value| value == "http/json") {
            out.push(format!("{name}=http/json: http/protobuf is spoken, which collectors take at the same address."));
        }
    }
    for (old, new) in RENAMED.iter().filter(|(old, _)| set(old)) {
        out.push(format!("{old} has no effect: it is called {new} now."));
    }
    if !set("UI_CONFIG_DISABLED") || boolean(&env["UI_CONFIG_DISABLED"]) == Some(false) {
        let ignored: Vec<String> = SETTINGS.iter().map(|s| s.variable()).filter(|name| set(name)).collect();
        if !ignored.is_empty() {
            out.push(format!("Without UI_CONFIG_DISABLED=true these have no effect: {}.", ignored.join(", ")));
        }
    }
    out
}

struct Reader<'a> {
    env: &'a BTreeMap<String, String>,
    errors: Vec<String>,
}

impl Reader<'_> {
    /// The value of a variable: set and not empty, else its file's content, else its default.
    fn text(&mut self, name: &str) -> Option<String> {
        let variable = VARIABLES.iter().find(|v| v.name == name);
        let set = self.set(name, variable.is_some_and(|v| v.file));
        set.or_else(|| variable.map(|v| v.default.to_owned()).filter(|d| !d.is_empty()))
    }

    /// The value of a variable that is set, by itself or, if that can be, by a file.
    fn set(&mut self, name: &str, by_file: bool) -> Option<String> {
        if by_file && let Some(bytes) = self.file(name) {
            return match String::from_utf8(bytes) {
                Ok(text) => Some(text.trim().to_owned()).filter(|t| !t.is_empty()),
                Err(_) => {
                    self.errors.push(format!("The file that {name}_FILE names is not UTF-8 text."));
                    None
                }
            };
        }
        self.env.get(name).filter(|v| !v.is_empty()).cloned()
    }

    /// The content of the file that `NAME_FILE` names.
    fn file(&mut self, name: &str) -> Option<Vec<u8>> {
        let path = self.env.get(&format!("{name}_FILE")).filter(|v| !v.is_empty())?;
        match std::fs::read(path) {
            Ok(bytes) => Some(bytes),
            Err(e) => {
                self.errors.push(format!("{name}_FILE names {path}, which can't be read: {e}."));
                None
            }
        }
    }

    fn flag(&mut self, name: &str) -> bool {
        let text = self.text(name).unwrap_or_default();
        match boolean(&text) {
            Some(flag) => flag,
            None => {
                self.errors.push(format!("{name} must be true or false, not \"{text}\"."));
                false
            }
        }
    }

    fn number<T: std::str::FromStr + Default>(&mut self, name: &str, range: &str, good: impl Fn(&T) -> bool) -> T {
        let text = self.text(name).unwrap_or_default();
        match text.parse::<T>() {
            Ok(n) if good(&n) => n,
            _ => {
                self.errors.push(format!("{name} must be a number {range}, not \"{text}\"."));
                T::default()
            }
        }
    }
}

/// Booleans as the original program reads them.
fn boolean(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "TRUE" | "true" | "True" => Some(true),
        "0" | "f" | "F" | "FALSE" | "false" | "False" => Some(false),
        _ => None,
    }
}

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

fn address(r: &mut Reader<'_>, name: &str) -> IpAddr {
    let text = r.text(name).unwrap_or_default();
    match text.as_str() {
        "localhost" => IpAddr::from([127, 0, 0, 1]),
        text => text.trim_start_matches('[').trim_end_matches(']').parse().unwrap_or_else(|_| {
            r.errors.push(format!("{name} must be an IP address, not \"{text}\"."));
            IpAddr::from([127, 0, 0, 1])
        }),
    }
}

/// Of the standard's exporters of metrics this one is here; what else is asked for is told, not an error.
fn prometheus(r: &mut Reader<'_>) -> Option<std::net::SocketAddr> {
    let wanted = r.text("OTEL_METRICS_EXPORTER").unwrap_or_default();
    let host = address(r, "OTEL_EXPORTER_PROMETHEUS_HOST");
    let port = r.number("OTEL_EXPORTER_PROMETHEUS_PORT", "from 0 to 65535", |_: &u16| true);
    wanted.split(',').any(|one| one.trim() == "prometheus").then_some((host, port).into())
}

fn socket_mode(r: &mut Reader<'_>) -> Option<u32> {
    let text = r.text("UNIX_SOCKET_MODE")?;
    let mode = u32::from_str_radix(&text, 8).ok().filter(|mode| *mode <= 0o777);
    if mode.is_none() {
        r.errors.push(format!("UNIX_SOCKET_MODE must be an octal number like 0660, not \"{text}\"."));
    }
    mode
}

/// Certificate and key, both as text or both as files.
fn tls(r: &mut Reader<'_>) -> Option<pid_http::tls::Source> {
    use pid_http::tls::Source;
    let set = |name: &str| r.env.get(name).filter(|value| !value.is_empty()).cloned();
    // A variable is one line in many places.
    let inline = [set("TLS_CERT"), set("TLS_KEY")].map(|text| text.map(|text| text.replace("\\n", "\n")));
    let files = [set("TLS_CERT_FILE"), set("TLS_KEY_FILE")];
    let source = match (inline, files) {
        ([None, None], [None, None]) => return None,
        ([Some(certificate), Some(key)], [None, None]) => Source::Inline { certificate, key },
        ([None, None], [Some(certificate), Some(key)]) => {
            Source::Files { certificate: certificate.into(), key: key.into() }
        }
        _ => {
            r.errors.push(
                "Set TLS_CERT and TLS_KEY, or TLS_CERT_FILE and TLS_KEY_FILE: one pair, and both of it.".to_owned(),
            );
            return None;
        }
    };
    if let Err(error) = source.config() {
        r.errors.push(format!("TLS can't be set up: {error}."));
    }
    Some(source)
}

fn peers(r: &mut Reader<'_>, name: &str) -> Vec<IpNet> {
    let text = r.text(name).unwrap_or_default();
    if let Some(all) = boolean(&text) {
        let everybody = [IpNet::default(), IpNet::V6(ipnet::Ipv6Net::default())];
        return if all { everybody.to_vec() } else { Vec::new() };
    }
    networks(r, name, &text, "true, false, or a list of IP addresses and CIDRs")
}

fn networks(r: &mut Reader<'_>, name: &str, text: &str, wanted: &str) -> Vec<IpNet> {
    let mut out = Vec::new();
    for entry in text.split(',').map(str::trim).filter(|e| !e.is_empty()) {
        match entry.parse::<IpNet>().or_else(|_| entry.parse::<IpAddr>().map(IpNet::from)) {
            Ok(net) => out.push(net),
            Err(_) => r.errors.push(format!("{name} must be {wanted}; \"{entry}\" is none.")),
        }
    }
    out
}

fn local_ranges(r: &mut Reader<'_>) -> Vec<Ipv6Net> {
    let text = r.text("LOCAL_IPV6_RANGES").unwrap_or_default();
    let mut out = Vec::new();
    for entry in text.split(',').map(str::trim).filter(|e| !e.is_empty()) {
        match entry.parse() {
            Ok(net) => out.push(net),
            Err(_) => r.errors.push(format!("LOCAL_IPV6_RANGES must be a list of IPv6 CIDRs; \"{entry}\" is none.")),
        }
    }
    out
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

fn targets(r: &mut Reader<'_>, name: &str) -> Vec<IpNet> {
    let text = r.text(name).unwrap_or_default();
    networks(r, name, &text, "a list of IP addresses and CIDRs")
}
