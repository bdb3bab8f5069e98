//! Real reverse proxies (Debian's Caddy, nginx and HAProxy, Traefik and Envoy of a package registry) on loopback, in front of an
//! app.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;

use crate::process::{Error, Process};
use crate::program::installed;

/// Which.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `caddy`.
    Caddy,
    /// `nginx`.
    Nginx,
    /// `haproxy`.
    Haproxy,
    /// `traefik`; its entry point is called `websecure`.
    Traefik,
    /// `envoy`.
    Envoy,
}

/// Where `./test` puts what Python's registry has.
fn of_registry(name: &str) -> Result<String, Error> {
    Ok(installed(&format!("target/proxies/bin/{name}"))?.display().to_string())
}

/// A running proxy; stopped and removed when dropped.
pub struct Proxy {
    process: Process,
    root: TempDir,
}

impl Proxy {
    /// Starts one that listens on a port, with what is specific to the app (for nginx: what is inside of `http`) and files
    /// beside it; `FOLDER` in the configuration stands for where they are.
    ///
    /// # Errors
    /// When it is not installed or refuses its configuration; with its log.
    pub fn start(kind: Kind, port: u16, configuration: &str, files: &[(&str, &str)]) -> Result<Self, Error> {
        let failed = |e: std::io::Error| Error::new(format!("{kind:?}: {e}"));
        let root = tempfile::Builder::new().prefix("pid-proxy-").tempdir().map_err(failed)?;
        fs::set_permissions(root.path(), fs::Permissions::from_mode(0o755)).map_err(failed)?;
        let at = root.path().display().to_string();
        for (name, text) in files {
            fs::write(root.path().join(name), text).map_err(failed)?;
        }
        let own = |path: &str| path.to_owned();
        let listens = format!("--entrypoints.websecure.address=127.0.0.1:{port}");
        let (program, arguments, text) = match kind {
            Kind::Traefik => (
                of_registry("traefik")?,
                vec![
                    "--global.checknewversion=false",
                    "--global.sendanonymoususage=false",
                    "--log.level=ERROR",
                    &listens,
                    "--providers.file.filename",
                ],
                configuration.to_owned(),
            ),
            Kind::Envoy => (
                of_registry("envoy")?,
                vec!["--use-dynamic-base-id", "--concurrency", "1", "--log-level", "error", "-c"],
                configuration.to_owned(),
            ),
            Kind::Caddy => (
                own("/usr/bin/caddy"),
                vec!["run", "--adapter", "caddyfile", "--config"],
                format!("{{\n\tadmin off\n\tauto_https off\n}}\n{configuration}"),
            ),
            Kind::Nginx => (
                own("/usr/sbin/nginx"),
                vec!["-e", "stderr", "-c"],
                format!(
                    "daemon off;\nmaster_process off;\npid {at}/pid;\nerror_log stderr;\nevents {{}}\nhttp {{\naccess_log off;\n\
                     client_body_temp_path {at}/a;\nproxy_temp_path {at}/b;\nfastcgi_temp_path {at}/c;\nuwsgi_temp_path {at}/d;\n\
                     scgi_temp_path {at}/e;\n{configuration}\n}}\n"
                ),
            ),
            Kind::Haproxy => (
                own("/usr/sbin/haproxy"),
                vec!["-db", "-f"],
                format!(
                    "defaults\n\ttimeout connect 5s\n\ttimeout client 30s\n\ttimeout server 30s\n\n{configuration}"
                ),
            ),
        };
        // Traefik and Envoy go by the end of the name.
        let file = root.path().join("configuration.yaml");
        fs::write(&file, text.replace("FOLDER", &at)).map_err(failed)?;
        let mut command = Command::new(program);
        command.args(arguments).arg(&file).env("HOME", root.path()).env("XDG_DATA_HOME", root.path());
        let mut process = Process::spawn(&mut command, root.path().join("log.txt"))?;
        process.wait_for_port(SocketAddr::from((Ipv4Addr::LOCALHOST, port)), Duration::from_secs(20))?;
        Ok(Self { process, root })
    }

    /// What `FOLDER` stands for.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.root.path()
    }

    /// What it has logged.
    #[must_use]
    pub fn log(&self) -> String {
        self.process.log()
    }
}
