//! A real Django site whose people sign in by mozilla-django-oidc: `tests/python/django_site.py` on Django's own server.
//! `./test` installs both below `target/python`.

use std::net::{Ipv4Addr, SocketAddr};
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::process::{Error, Process, free_port};
use crate::program::{python, python_source};

/// The addresses of a site. They are known before it runs.
#[derive(Clone, Debug)]
pub struct Site {
    port: u16,
}

/// What a site knows of its provider.
#[derive(Clone, Debug)]
pub struct Settings<'a> {
    /// The provider's metadata.
    pub provider: &'a Value,
    /// `client_id`.
    pub client_id: &'a str,
    /// Its secret.
    pub client_secret: &'a str,
    /// Whether the secret is sent in the header instead of the form.
    pub basic: bool,
    /// What signs ID tokens.
    pub alg: &'a str,
}

/// A running site; stopped and removed when dropped.
pub struct Django {
    site: Site,
    process: Process,
    _root: TempDir,
}

impl Site {
    /// Reserves a port of 127.0.0.1.
    ///
    /// # Errors
    /// When none is free.
    pub fn reserve() -> Result<Self, Error> {
        free_port().map(|port| Self { port }).map_err(|e| Error::new(format!("django: {e}")))
    }

    /// The address of one of its pages.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        format!("http://localhost:{}{path}", self.port)
    }

    /// Starts a site on the reserved port, with an empty database.
    ///
    /// # Errors
    /// When Django is not installed or does not start; with its log.
    pub fn start(self, settings: &Settings<'_>) -> Result<Django, Error> {
        let failed = |e: std::io::Error| Error::new(format!("django: {e}"));
        let root = tempfile::tempdir().map_err(failed)?;
        let Settings { provider, client_id, client_secret, basic, alg } = settings;
        let site = json!({ "provider": provider, "client_id": client_id, "client_secret": client_secret, "basic": basic,
            "alg": alg, "database": root.path().join("site.db") });
        let python = python()?;
        let manage = |arguments: &[&str]| {
            let mut command = Command::new(&python);
            command.arg(python_source("django_site.py")).args(arguments).env("SITE", site.to_string());
            command
        };
        let log = root.path().join("log");
        let mut migrate = Process::spawn(&mut manage(&["migrate", "--verbosity=0"]), &log)?;
        if !migrate.wait_for_exit(Duration::from_secs(60))?.success() {
            return Err(Error::new(format!("django: {}", migrate.log())));
        }
        // Without the reloader there is one process, which the guard stops.
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, self.port));
        let mut process = Process::spawn(&mut manage(&["runserver", "--noreload", &address.to_string()]), log)?;
        process.wait_for_port(address, Duration::from_secs(60))?;
        Ok(Django { site: self, process, _root: root })
    }
}

impl Django {
    /// The address of one of its pages.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        self.site.url(path)
    }

    /// What it has said.
    #[must_use]
    pub fn log(&self) -> String {
        self.process.log()
    }
}
