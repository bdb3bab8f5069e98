//! A real Matrix homeserver, Synapse, that signs people in at an OpenID provider. `./test` installs it below `target/synapse`.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;

use crate::process::{Error, Process, free_port};

/// The addresses of a homeserver. They are known before it runs.
#[derive(Clone, Debug)]
pub struct Site {
    port: u16,
}

/// A running homeserver; stopped and removed when dropped.
pub struct Synapse {
    site: Site,
    process: Process,
    _root: TempDir,
}

fn python() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/synapse/bin/python")
}

impl Site {
    /// Reserves a port of 127.0.0.1.
    ///
    /// # Errors
    /// When none is free.
    pub fn reserve() -> Result<Self, Error> {
        free_port().map(|port| Self { port }).map_err(|e| Error::new(format!("synapse: {e}")))
    }

    /// `http://127.0.0.1:port`.
    #[must_use]
    pub fn origin(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The callback URL to register.
    #[must_use]
    pub fn redirect_uri(&self) -> String {
        self.origin() + "/_synapse/client/oidc/callback"
    }

    /// Where a provider posts logout tokens.
    #[must_use]
    pub fn backchannel_logout_url(&self) -> String {
        self.origin() + "/_synapse/client/oidc/backchannel_logout"
    }

    /// Where a Matrix client sends people to sign in; they come back to [`Site::client`] with a `loginToken`.
    #[must_use]
    pub fn sign_in_url(&self) -> String {
        format!("{}/_matrix/client/v3/login/sso/redirect/oidc-pid?redirectUrl={}", self.origin(), self.client())
    }

    /// The Matrix client that the homeserver trusts.
    #[must_use]
    pub fn client(&self) -> String {
        self.origin() + "/client"
    }

    /// Starts a homeserver on the reserved port, with an empty database, no federation, and the provider.
    ///
    /// # Errors
    /// When it is not installed or does not start; with its log.
    pub fn start(self, issuer: &str, client_id: &str, client_secret: &str) -> Result<Synapse, Error> {
        let failed = |e: std::io::Error| Error::new(format!("synapse: {e}"));
        let python = python();
        if !python.exists() {
            return Err(Error::new("Synapse is not installed: run ./test once".to_owned()));
        }
        let root = tempfile::Builder::new().prefix("pid-synapse-").tempdir().map_err(failed)?;
        let at = root.path();
        let port = self.port;
        let (origin, client) = (self.origin(), self.client());
        let config = format!(
            r#"server_name: localhost
public_baseurl: {origin}/
pid_file: {at}/pid
report_stats: false
trusted_key_servers: []
suppress_key_server_warning: true
signing_key_path: {at}/signing.key
media_store_path: {at}/media
macaroon_secret_key: only-for-this-test
form_secret: only-for-this-test
log_config: {at}/log.yaml
database: {{ name: sqlite3, args: {{ database: "{at}/homeserver.db" }} }}
listeners:
  - {{ port: {port}, bind_addresses: ["127.0.0.1"], type: http, tls: false, resources: [{{ names: [client] }}] }}
sso: {{ client_whitelist: ["{client}"] }}
oidc_providers:
  - idp_id: pid
    idp_name: Pocket ID
    issuer: "{issuer}"
    skip_verification: true
    client_id: "{client_id}"
    client_secret: "{client_secret}"
    scopes: [openid, profile, email]
    backchannel_logout_enabled: true
    user_mapping_provider:
      config: {{ subject_claim: sub, localpart_template: "{{{{ user.preferred_username }}}}", display_name_template: "{{{{ user.name }}}}" }}
"#,
            at = at.display(),
        );
        let log = "version: 1\nhandlers: { out: { class: logging.StreamHandler } }\nroot: { level: WARNING, handlers: [out] }\n\
                   loggers: { synapse.handlers.oidc: { level: INFO } }\ndisable_existing_loggers: false\n";
        fs::write(at.join("homeserver.yaml"), config).map_err(failed)?;
        fs::write(at.join("log.yaml"), log).map_err(failed)?;
        let run = |more: &[&str]| {
            let mut command = Command::new(&python);
            command
                .args(["-m", "synapse.app.homeserver", "-c"])
                .arg(at.join("homeserver.yaml"))
                .args(more)
                .current_dir(at);
            command
        };
        let made = run(&["--generate-keys"]).output().map_err(failed)?;
        if !made.status.success() {
            return Err(Error::new(format!("synapse: {}", String::from_utf8_lossy(&made.stderr))));
        }
        let mut process = Process::spawn(&mut run(&[]), at.join("log.txt"))?;
        process.wait_for_port(SocketAddr::from((Ipv4Addr::LOCALHOST, port)), Duration::from_secs(60))?;
        Ok(Synapse { site: self, process, _root: root })
    }
}

impl Synapse {
    /// Its addresses.
    #[must_use]
    pub fn site(&self) -> &Site {
        &self.site
    }

    /// What it has said.
    #[must_use]
    pub fn log(&self) -> String {
        self.process.log()
    }
}
