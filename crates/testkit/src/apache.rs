//! A real Apache with `mod_auth_openidc` (Debian's packages) as the application that people sign in to.
//!
//! | path | what it is |
//! |---|---|
//! | `/protected/` | needs a sign-in; shows the claims, see [`claims`] |
//! | `/protected/redirect` | the module's redirect URI: callback, logout, session information |
//! | `/bye` | open to all: where a logout ends |

use std::{
    collections::BTreeMap,
    fmt::Write,
    fs,
    net::{Ipv4Addr, SocketAddr},
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::Path,
    process::Command,
    time::Duration,
};

use tempfile::TempDir;

use crate::process::{Error, Process, free_port};

const PROGRAM: &str = "/usr/sbin/apache2";
const MODULES: &str = "/usr/lib/apache2/modules";

/// How the application asks the provider.
#[derive(Clone, Debug)]
pub struct Config {
    /// The discovery document, `…/.well-known/openid-configuration`.
    pub metadata_url: String,
    pub client_id: String,
    /// `None` for a public client.
    pub client_secret: Option<String>,
    /// Scopes, separated by spaces.
    pub scopes: String,
    /// PKCE with S256.
    pub pkce: bool,
    /// How it authenticates at the token endpoint; `None` leaves the choice to the module
    /// (`client_secret_basic` first).
    pub token_auth: Option<String>,
    /// More directives, a line each, such as `OIDCAuthRequestParams prompt=login`.
    pub extra: Vec<String>,
}

impl Config {
    /// A confidential client with PKCE that asks for `openid profile email groups`.
    #[must_use]
    pub fn new(metadata_url: &str, client_id: &str, client_secret: &str) -> Self {
        Self {
            metadata_url: metadata_url.to_owned(),
            client_id: client_id.to_owned(),
            client_secret: Some(client_secret.to_owned()),
            scopes: "openid profile email groups".to_owned(),
            pkce: true,
            token_auth: None,
            extra: Vec::new(),
        }
    }
}

/// The addresses of an application. They are known before it runs, because the provider must know the client's callback
/// before the application can know the client's id.
#[derive(Clone, Debug)]
pub struct Site {
    port: u16,
}

impl Site {
    /// Reserves a port of 127.0.0.1.
    ///
    /// # Errors
    /// When none is free.
    pub fn reserve() -> Result<Self, Error> {
        free_port().map(|port| Self { port }).map_err(|e| Error::new(format!("apache: {e}")))
    }

    /// `http://127.0.0.1:port`: another site than `localhost`, as applications are.
    #[must_use]
    pub fn origin(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The page that needs a sign-in.
    #[must_use]
    pub fn protected_url(&self) -> String {
        self.origin() + "/protected/"
    }

    /// The callback URL to register.
    #[must_use]
    pub fn redirect_uri(&self) -> String {
        self.origin() + "/protected/redirect"
    }

    /// The logout callback URL to register.
    #[must_use]
    pub fn bye_url(&self) -> String {
        self.origin() + "/bye"
    }

    /// Signs out here, then at the provider (RP-initiated logout with `id_token_hint`), and ends at `/bye`.
    #[must_use]
    pub fn logout_url(&self) -> String {
        let bye: String = url::form_urlencoded::byte_serialize(self.bye_url().as_bytes()).collect();
        format!("{}?logout={bye}", self.redirect_uri())
    }

    /// Where a provider posts logout tokens (OpenID Connect Back-Channel Logout 1.0).
    #[must_use]
    pub fn backchannel_logout_url(&self) -> String {
        self.redirect_uri() + "?logout=backchannel"
    }

    /// The session as JSON: `access_token`, `id_token`, `userinfo`, `refresh_token`, …
    #[must_use]
    pub fn info_url(&self) -> String {
        self.redirect_uri() + "?info=json"
    }

    /// Starts Apache on the reserved port.
    ///
    /// # Errors
    /// When it is not installed or refuses its configuration; with its log.
    pub fn start(self, config: &Config) -> Result<Apache, Error> {
        let failed = |e: std::io::Error| Error::new(format!("apache: {e}"));
        let root = tempfile::Builder::new().prefix("pid-apache-").tempdir().map_err(failed)?;
        let folder = root.path();
        let owner = fs::metadata(folder).map_err(failed)?.uid();
        // Apache started as root serves as www-data, which must be able to read.
        fs::set_permissions(folder, fs::Permissions::from_mode(0o755)).map_err(failed)?;
        fs::create_dir_all(folder.join("site/protected")).map_err(failed)?;
        fs::write(folder.join("site/protected/index.html"), PROTECTED).map_err(failed)?;
        fs::write(folder.join("site/bye"), BYE).map_err(failed)?;
        let file = folder.join("apache.conf");
        fs::write(&file, self.directives(config, folder, owner == 0)).map_err(failed)?;

        let mut command = Command::new(PROGRAM);
        // One process in the foreground: to stop it is to stop all of it.
        command.arg("-X").arg("-d").arg(folder).arg("-f").arg(&file).env_clear();
        let mut process = Process::spawn(&mut command, folder.join("log.txt"))?;
        process.wait_for_port(SocketAddr::from((Ipv4Addr::LOCALHOST, self.port)), Duration::from_secs(20))?;
        Ok(Apache { site: self, process, _root: root })
    }

    fn directives(&self, config: &Config, root: &Path, as_root: bool) -> String {
        let mut text = String::new();
        let mut line = |directive: &str| {
            text.push_str(directive);
            text.push('\n');
        };
        for module in MODULES_NEEDED {
            line(&format!("LoadModule {module}_module {MODULES}/mod_{module}.so"));
        }
        if as_root {
            line("User www-data\nGroup www-data");
        }
        let at = root.display();
        line(&format!("Listen 127.0.0.1:{}", self.port));
        line(&format!("ServerName {}", self.origin()));
        line(&format!("DefaultRuntimeDir {at}\nPidFile {at}/apache.pid\nDocumentRoot {at}/site"));
        line("ErrorLog /dev/stderr\nLogLevel warn auth_openidc:info\nUseCanonicalName On");
        line(&format!(
            "<Directory {at}/site>\nForceType 'text/html; charset=utf-8'\nRequire all granted\n</Directory>"
        ));
        line(&format!("OIDCProviderMetadataURL {}", quoted(&config.metadata_url)));
        line(&format!("OIDCClientID {}", quoted(&config.client_id)));
        if let Some(secret) = &config.client_secret {
            line(&format!("OIDCClientSecret {}", quoted(secret)));
        }
        if let Some(method) = &config.token_auth {
            line(&format!("OIDCProviderTokenEndpointAuth {method}"));
        }
        line(&format!("OIDCScope {}", quoted(&config.scopes)));
        if config.pkce {
            line("OIDCPKCEMethod S256");
        }
        line(&format!("OIDCRedirectURI {}", self.redirect_uri()));
        line(&format!("OIDCDefaultLoggedOutURL {}", self.bye_url()));
        line("OIDCCryptoPassphrase only-for-this-test\nOIDCRemoteUserClaim sub");
        line("OIDCInfoHook iat access_token access_token_expires id_token userinfo refresh_token session");
        for directive in &config.extra {
            line(directive);
        }
        line("<Location /protected>\nAuthType openid-connect\nRequire valid-user");
        line("Options +Includes\nSetOutputFilter INCLUDES\nDirectoryIndex index.html\n</Location>");
        text
    }
}

/// A running Apache; stopped and removed when dropped.
pub struct Apache {
    site: Site,
    process: Process,
    _root: TempDir,
}

impl Apache {
    /// Its addresses.
    #[must_use]
    pub fn site(&self) -> &Site {
        &self.site
    }

    /// What it and the module have logged.
    #[must_use]
    pub fn log(&self) -> String {
        self.process.log()
    }
}

/// The claims on the text of `/protected/` (the element `#claims`), by name: `sub`, `email`, `groups` (joined by commas), …
#[must_use]
pub fn claims(text: &str) -> BTreeMap<String, String> {
    text.lines()
        .filter_map(|line| line.trim().strip_prefix("OIDC_CLAIM_")?.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

/// A directive's argument (the language knows no other escapes).
fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        let escape = if matches!(c, '"' | '\\') { "\\" } else { "" };
        let _ = write!(quoted, "{escape}{c}");
    }
    quoted + "\""
}

const MODULES_NEEDED: &[&str] =
    &["mpm_event", "authz_core", "authn_core", "authz_user", "dir", "include", "auth_openidc"];

const PROTECTED: &str = "<!doctype html><html lang=\"en\"><title>Protected</title><link rel=\"icon\" href=\"data:,\">
<h1>Signed in</h1>
<pre id=\"claims\"><!--#printenv --></pre>
";

const BYE: &str =
    "<!doctype html><html lang=\"en\"><title>Bye</title><link rel=\"icon\" href=\"data:,\"><h1>Bye</h1>\n";
