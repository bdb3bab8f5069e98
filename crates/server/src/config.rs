//! Configuration from the environment: one table, from which come the parser, `--help`, `docs/configuration.md` and
//! `.env.example` (ops.md §1).

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use ipnet::IpNet;
use pid_core::settings::{SETTINGS, Settings};
use pid_flows::env::AppUrl;
use pid_store::Target;

/// One variable.
#[derive(Clone, Copy, Debug)]
pub struct Variable {
    /// The name.
    pub name: &'static str,
    /// What a value looks like.
    pub kind: &'static str,
    /// The value when nothing is set; empty: none.
    pub default: &'static str,
    /// Whether `NAME_FILE` may name a file with the value.
    pub file: bool,
    /// Whether the value is never shown.
    pub secret: bool,
    /// What it does.
    pub doc: &'static str,
}

const fn v(name: &'static str, kind: &'static str, default: &'static str, doc: &'static str) -> Variable {
    Variable { name, kind, default, file: false, secret: false, doc }
}

impl Variable {
    const fn secret_file(mut self) -> Self {
        self.file = true;
        self.secret = true;
        self
    }
}

/// All variables.
pub const VARIABLES: &[Variable] = &[
    v("APP_URL", "URL", "http://localhost:1411", "The public address, without a path. Issuer, passkey host and base of all links."),
    v("INTERNAL_APP_URL", "URL", "", "Base of the addresses that servers (not browsers) call, in the discovery documents. Default: APP_URL."),
    v("HOST", "IP address", "0.0.0.0", "The address to listen on."),
    v("PORT", "number", "1411", "The port to listen on."),
    v("ENCRYPTION_KEY", "at least 16 bytes", "", "Encrypts private keys at rest. With a new SQLite database a key file is made if this is not set; otherwise it must be set. A file is read as raw bytes, newline included.").secret_file(),
    v("DB_CONNECTION_STRING", "path or postgres:// URL", "data/pocket-id.db", "Where the data is: an SQLite file, or PostgreSQL 15 and later.").secret_file(),
    v("STATIC_API_KEY", "at least 16 characters", "", "An API key with the rights of an administrator, for scripts.").secret_file(),
    v("UI_CONFIG_DISABLED", "boolean", "false", "Whether the application configuration comes from the variables below and can't be changed by page or API."),
    v("LOG_LEVEL", "debug, info, warn or error", "info", "How much is logged."),
    v("LOG_JSON", "boolean", "false", "Whether log lines are JSON."),
    v("TRUST_PROXY", "boolean or list of addresses and CIDRs", "false", "Which peers may name the client's address in X-Forwarded-For and X-Real-IP. true: all."),
    v("TRUSTED_PLATFORM", "header name", "", "A header that names the client's address and wins, like CF-Connecting-IP."),
    v("ALLOW_INSECURE_CALLBACK_URLS", "boolean", "true", "Whether http callback URLs are accepted beyond the own machine."),
    v("DISABLE_RATE_LIMITING", "boolean", "false", "Turns off all limits, those against guessing included."),
    v("ALLOWED_PRIVATE_TARGETS", "list of addresses and CIDRs", "", "Addresses that the server may call although they are private and somebody other than an administrator named them (or though they are link-local)."),
    v("DENIED_TARGETS", "list of addresses and CIDRs", "", "Addresses that the server never calls, whoever named them. Stronger than ALLOWED_PRIVATE_TARGETS."),
    v("AUDIT_LOG_RETENTION_DAYS", "number", "90", "How long audit entries are kept."),
];

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
    /// `AUDIT_LOG_RETENTION_DAYS`.
    pub audit_days: i64,
}

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
        let host = r.text("HOST").unwrap_or_default();
        let host = match host.as_str() {
            "localhost" => IpAddr::from([127, 0, 0, 1]),
            text => text.trim_start_matches('[').trim_end_matches(']').parse().unwrap_or_else(|_| {
                r.errors.push(format!("HOST must be an IP address, not \"{text}\"."));
                IpAddr::from([127, 0, 0, 1])
            }),
        };
        let port = r.number("PORT", "from 0 to 65535", |_: &u16| true);
        let encryption_key = r.file("ENCRYPTION_KEY").or_else(|| r.text("ENCRYPTION_KEY").map(String::into_bytes));
        if encryption_key.as_ref().is_some_and(|k| k.len() < 16) {
            r.errors.push("ENCRYPTION_KEY must have at least 16 bytes.".to_owned());
        }
        let static_api_key = r.text("STATIC_API_KEY");
        if static_api_key.as_ref().is_some_and(|k| k.chars().count() < 16) {
            r.errors.push("STATIC_API_KEY must have at least 16 characters.".to_owned());
        }
        let settings = settings(&mut r);
        let database = Target::parse(&r.text("DB_CONNECTION_STRING").unwrap_or_default());
        let log_level = r.text("LOG_LEVEL").unwrap_or_default().to_lowercase();
        if !["debug", "info", "warn", "error"].contains(&log_level.as_str()) {
            r.errors.push(format!("LOG_LEVEL must be debug, info, warn or error, not \"{log_level}\"."));
        }
        let trusted_proxies = proxies(&mut r);
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
            settings,
            log_level,
            log_json: r.flag("LOG_JSON"),
            trusted_proxies,
            platform_header,
            allow_insecure_callbacks: r.flag("ALLOW_INSECURE_CALLBACK_URLS"),
            rate_limiting: !r.flag("DISABLE_RATE_LIMITING"),
            allowed_targets: targets(&mut r, "ALLOWED_PRIVATE_TARGETS"),
            denied_targets: targets(&mut r, "DENIED_TARGETS"),
            audit_days: r.number("AUDIT_LOG_RETENTION_DAYS", "from 1", |n: &i64| *n > 0),
        };
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

fn proxies(r: &mut Reader<'_>) -> Vec<IpNet> {
    let text = r.text("TRUST_PROXY").unwrap_or_default();
    if let Some(all) = boolean(&text) {
        let everybody = [IpNet::default(), IpNet::V6(ipnet::Ipv6Net::default())];
        return if all { everybody.to_vec() } else { Vec::new() };
    }
    networks(r, "TRUST_PROXY", &text, "true, false, or a list of IP addresses and CIDRs")
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

fn targets(r: &mut Reader<'_>, name: &str) -> Vec<IpNet> {
    let text = r.text(name).unwrap_or_default();
    networks(r, name, &text, "a list of IP addresses and CIDRs")
}

/// `docs/configuration.md`.
pub fn reference() -> String {
    let mut out = String::from(
        "# Configuration\n\nThe server is configured by environment variables. A file `.env` in the working directory is read first; the real \
         environment wins over it. A variable that is set but empty counts as not set. Where a file is possible, `NAME_FILE` names a file \
         with the value. Bad values end the start with one sentence each, all at once.\n\n\
         This page is generated from the table in `crates/server/src/config.rs`.\n\n\
         | Variable | Value | Default | File | Meaning |\n|---|---|---|---|---|\n",
    );
    for v in VARIABLES {
        let default = if v.default.is_empty() { "–".to_owned() } else { format!("`{}`", v.default) };
        let file = if v.file { "yes" } else { "–" };
        out.push_str(&format!("| `{}` | {} | {default} | {file} | {} |\n", v.name, v.kind, v.doc));
    }
    out.push_str(
        "\n## Application configuration\n\nWhat administrators set under *Application Configuration* comes from these variables instead where \
         `UI_CONFIG_DISABLED` is true; one that is not set has its default then. What was set before waits until the switch is off again.\n\n\
         | Variable | Setting | Value | Default | File |\n|---|---|---|---|---|\n",
    );
    for s in SETTINGS {
        let default = if s.default.is_empty() { "–".to_owned() } else { format!("`{}`", s.default) };
        let file = if s.secret { "yes" } else { "–" };
        out.push_str(&format!("| `{}` | `{}` | {} | {default} | {file} |\n", s.variable(), s.key, s.type_name()));
    }
    out
}

/// `.env.example`.
pub fn example() -> String {
    let mut out = String::from("# Copy to .env and uncomment what you need. docs/configuration.md says more.\n");
    for v in VARIABLES {
        out.push_str(&format!("\n# {}\n#{}={}\n", v.doc, v.name, v.default));
    }
    out
}

/// The variables for `--help`.
pub fn help() -> String {
    let width = VARIABLES.iter().map(|v| v.name.len()).max().unwrap_or(0);
    let mut out = String::from("Environment:\n");
    for v in VARIABLES {
        let default = if v.default.is_empty() { String::new() } else { format!(" [default: {}]", v.default) };
        out.push_str(&format!("  {:width$}  {}{default}\n", v.name, v.doc));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Result<Config, Vec<String>> {
        Config::read(&pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect())
    }

    #[test]
    fn nothing_set_is_a_good_configuration() {
        let c = read(&[]).unwrap();
        assert_eq!(c.app_url.origin, "http://localhost:1411");
        assert_eq!((c.port, c.audit_days, c.rate_limiting, c.allow_insecure_callbacks), (1411, 90, true, true));
        assert_eq!(c.database, Target::Sqlite("data/pocket-id.db".into()));
        assert_eq!(c.encryption_key, None);
        assert_eq!(read(&[("PORT", "")]).unwrap().port, 1411);
    }

    #[test]
    fn bad_values_are_told_all_at_once() {
        let errors = read(&[
            ("APP_URL", "https://a/b"),
            ("PORT", "99999"),
            ("LOG_JSON", "yes"),
            ("TRUST_PROXY", "10.0.0.0/8, nonsense"),
            ("ENCRYPTION_KEY", "short"),
            ("STATIC_API_KEY", "short"),
            ("LOG_LEVEL", "loud"),
            ("TRUSTED_PLATFORM", "not a header"),
            ("HOST", "example.com"),
            ("DENIED_TARGETS", "10.0.0.0/8, nas.local"),
        ])
        .unwrap_err();
        assert_eq!(errors.len(), 10, "{errors:#?}");
        assert!(errors.iter().all(|e| e.ends_with('.') && !e.contains("short\"")));
    }

    #[test]
    fn files_are_read_and_the_encryption_key_keeps_its_newline() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        std::fs::write(&path, "0123456789abcdef\n").unwrap();
        let path = path.to_str().unwrap();
        let c =
            read(&[("ENCRYPTION_KEY_FILE", path), ("STATIC_API_KEY_FILE", path), ("STATIC_API_KEY", "direct value")])
                .unwrap();
        assert_eq!(c.encryption_key.as_deref(), Some(&b"0123456789abcdef\n"[..]));
        assert_eq!(c.static_api_key.as_deref(), Some("0123456789abcdef"));
        assert!(read(&[("ENCRYPTION_KEY_FILE", "/nonexistent/key")]).is_err());
    }

    #[test]
    fn settings_come_from_the_environment_if_it_says_so() {
        assert!(read(&[("APP_NAME", "Club")]).unwrap().settings.is_none());
        let dir = tempfile::tempdir().unwrap();
        let password = dir.path().join("password");
        std::fs::write(&password, "secret\n").unwrap();
        let set = [
            ("UI_CONFIG_DISABLED", "true"),
            ("APP_NAME", "Club"),
            ("SIGNUP_DEFAULT_USER_GROUP_IDS", "[\"a\"]"),
            ("SMTP_PASSWORD_FILE", password.to_str().unwrap()),
        ];
        let settings = read(&set).unwrap().settings.unwrap();
        assert!(settings.are_fixed());
        assert_eq!((settings.app_name(), settings.get("smtpPassword")), ("Club", "secret"));
        assert_eq!((settings.default_group_ids(), settings.session_minutes()), (vec!["a".to_owned()], 60));
        let bad = [("UI_CONFIG_DISABLED", "true"), ("SMTP_TLS", "maybe"), ("HOME_PAGE_URL", "//evil"), ("PORT", "x")];
        let errors = read(&bad).unwrap_err();
        assert_eq!(errors.len(), 3, "{errors:#?}");
        assert!(errors.iter().any(|e| e == "SMTP_TLS must be one of: none, starttls, tls."), "{errors:#?}");
    }

    #[test]
    fn proxies_are_lists_or_booleans() {
        assert_eq!(read(&[("TRUST_PROXY", "true")]).unwrap().trusted_proxies.len(), 2);
        assert_eq!(read(&[("TRUST_PROXY", "127.0.0.1, 10.0.0.0/8,::1")]).unwrap().trusted_proxies.len(), 3);
    }

    #[test]
    fn dot_env_files() {
        let env = dot_env("# comment\nexport A=1\nB=\"two words\"\nC=three # note\nD='#4'\nnonsense\n");
        assert_eq!(env.get("A").map(String::as_str), Some("1"));
        assert_eq!(env.get("B").map(String::as_str), Some("two words"));
        assert_eq!(env.get("C").map(String::as_str), Some("three"));
        assert_eq!(env.get("D").map(String::as_str), Some("#4"));
        assert_eq!(env.len(), 4);
    }

    #[test]
    fn the_documents_are_those_of_the_table() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        for (file, text) in [("docs/configuration.md", reference()), (".env.example", example())] {
            let path = root.join(file);
            if std::env::var_os("UPDATE_DOCS").is_some() {
                std::fs::write(&path, &text).unwrap();
            }
            assert_eq!(std::fs::read_to_string(&path).unwrap_or_default(), text, "{file}: run with UPDATE_DOCS=1");
        }
    }
}
