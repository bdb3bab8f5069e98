//! A real PgBouncer (Debian's) in transaction mode in front of a test's database.

use std::fs::Permissions;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::process::Command;
use std::time::Duration;

use url::Url;

use crate::process::{Error, Process, free_port};

/// The pooler; stopped when dropped.
pub struct PgBouncer {
    process: Process,
    url: String,
    _dir: tempfile::TempDir,
}

impl PgBouncer {
    /// Starts one with a number of connections to a database, which it lends for a transaction each.
    ///
    /// # Errors
    /// When it is not installed or does not start; with its log.
    pub fn start(database: &str, connections: usize) -> Result<Self, Error> {
        let failed = |e: &dyn std::fmt::Display| Error::new(format!("PgBouncer: {e}"));
        let to = Url::parse(database).map_err(|e| failed(&e))?;
        let (host, port) = (to.host_str().unwrap_or("127.0.0.1"), to.port().unwrap_or(5432));
        let (user, name) = (to.username(), to.path().trim_start_matches('/'));
        let dir = tempfile::tempdir().map_err(|e| failed(&e))?;
        std::fs::set_permissions(dir.path(), Permissions::from_mode(0o755)).map_err(|e| failed(&e))?;
        let listens = free_port().map_err(|e| failed(&e))?;
        let configuration = format!(
            "[databases]\n{name} = host={host} port={port} user={user}\n\n[pgbouncer]\nlisten_addr = 127.0.0.1\n\
             listen_port = {listens}\nunix_socket_dir =\nauth_type = any\npool_mode = transaction\n\
             default_pool_size = {connections}\n"
        );
        let file = dir.path().join("pgbouncer.ini");
        std::fs::write(&file, configuration).map_err(|e| failed(&e))?;
        let mut command = Command::new("/usr/sbin/pgbouncer");
        // It refuses to run as root.
        if std::fs::metadata("/proc/self").is_ok_and(|me| me.uid() == 0) {
            command.args(["-u", "postgres"]);
        }
        let mut process = Process::spawn(command.arg(&file), dir.path().join("log"))?;
        process.wait_for_port(SocketAddr::from((Ipv4Addr::LOCALHOST, listens)), Duration::from_secs(20))?;
        Ok(Self { process, url: format!("postgres://{user}@127.0.0.1:{listens}/{name}"), _dir: dir })
    }

    /// The connection string of the same database through it.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// What it has logged.
    #[must_use]
    pub fn log(&self) -> String {
        self.process.log()
    }
}
