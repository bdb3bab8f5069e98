//! A PostgreSQL server of a test's own that takes connections over TLS only, with a password.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::process::{Error, Process, free_port};

const PROGRAMS: &str = "/usr/lib/postgresql/15/bin";
/// A start under load of other tests may take this long.
const LIMIT: Duration = Duration::from_secs(60);
/// What its role must know.
const PASSWORD: &str = "hunter2-of-postgres";

/// The server; stopped, and its data removed, when dropped.
pub struct TlsPostgres {
    _process: Process,
    dir: tempfile::TempDir,
    port: u16,
}

fn is_root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|me| std::os::unix::fs::MetadataExt::uid(&me) == 0)
}

/// PostgreSQL refuses to run as root.
fn as_nobody_special(program: &str) -> Command {
    let path = format!("{PROGRAMS}/{program}");
    if !is_root() {
        return Command::new(path);
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid=postgres", "--regid=postgres", "--init-groups", &path]);
    command
}

fn run(command: &mut Command) -> Result<(), Error> {
    let output = command.output().map_err(|e| Error::new(format!("{command:?}: {e}")))?;
    let said = String::from_utf8_lossy(&output.stderr);
    if output.status.success() { Ok(()) } else { Err(Error::new(format!("{command:?}: {said}"))) }
}

impl TlsPostgres {
    /// Starts a server whose certificate is for `localhost`.
    ///
    /// # Errors
    /// When PostgreSQL is not installed or does not start.
    pub fn start() -> Result<Self, Error> {
        let io = |e: std::io::Error| Error::new(format!("PostgreSQL with TLS: {e}"));
        let dir = tempfile::tempdir().map_err(io)?;
        let at = dir.path();
        let pair = rcgen::generate_simple_self_signed(["localhost".to_owned()])
            .map_err(|e| Error::new(format!("no certificate: {e}")))?;
        let other = rcgen::generate_simple_self_signed(["localhost".to_owned()])
            .map_err(|e| Error::new(format!("no certificate: {e}")))?;
        for (name, content) in [
            ("server.crt", pair.cert.pem()),
            ("server.key", pair.signing_key.serialize_pem()),
            ("other.crt", other.cert.pem()),
            ("password", PASSWORD.to_owned()),
            ("hba", "hostssl all all 127.0.0.1/32 scram-sha-256\n".to_owned()),
        ] {
            let path = at.join(name);
            std::fs::write(&path, content).map_err(io)?;
            std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).map_err(io)?;
        }
        if is_root() {
            run(Command::new("chown").args(["-R", "postgres:"]).arg(at))?;
        }
        let data = at.join("data");
        run(as_nobody_special("initdb")
            .current_dir("/")
            .args(["--username=pocket", "--auth=scram-sha-256", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync"])
            .arg(format!("--pgdata={}", data.display()))
            .arg(format!("--pwfile={}", at.join("password").display())))?;
        let port = free_port().map_err(io)?;
        let mut command = as_nobody_special("postgres");
        command.current_dir("/").arg("-D").arg(&data).args(["-h", "127.0.0.1", "-p", &port.to_string()]);
        command.arg("-k").arg(at);
        for setting in ["ssl=on", "fsync=off", "max_connections=30"] {
            command.args(["-c", setting]);
        }
        for (setting, file) in [("ssl_cert_file", "server.crt"), ("ssl_key_file", "server.key"), ("hba_file", "hba")] {
            command.arg("-c").arg(format!("{setting}={}", at.join(file).display()));
        }
        let mut process = Process::spawn(&mut command, std::env::temp_dir().join(format!("postgres-tls-{port}.log")))?;
        process.wait_for_port(SocketAddr::from((Ipv4Addr::LOCALHOST, port)), LIMIT)?;
        // The port opens a moment before anybody is let in.
        process.wait_for_line("ready to accept connections", LIMIT)?;
        let _ = std::fs::remove_file(process.log_path());
        Ok(Self { _process: process, dir, port })
    }

    /// A connection string for a host, with parameters.
    #[must_use]
    pub fn url(&self, host: &str, parameters: &str) -> String {
        format!("postgres://pocket:{PASSWORD}@{host}:{}/postgres?{parameters}", self.port)
    }

    /// The certificate that the server shows, which vouches for itself.
    #[must_use]
    pub fn authority(&self) -> PathBuf {
        self.file("server.crt")
    }

    /// A certificate for the same name that the server doesn't have.
    #[must_use]
    pub fn another_authority(&self) -> PathBuf {
        self.file("other.crt")
    }

    /// A certificate's file, readable by us.
    fn file(&self, name: &str) -> PathBuf {
        Path::new(self.dir.path()).join(name)
    }
}
