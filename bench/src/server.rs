//! The server under test: the real binary, as a process of its own.

use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};
use std::{env, io};

use pid_testkit::postgres::{Database, fresh_database_on};
use pid_testkit::process::{Process, free_port};
use tempfile::TempDir;

use crate::Result;
use crate::options::Options;

/// The static API key of the server.
pub const API_KEY: &str = "bench-api-key-0123456789";

/// A cargo command on this workspace, without the network.
pub fn cargo(command: &str) -> Command {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args([command, "--offline", "--manifest-path", concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml")]);
    cargo
}

/// Builds the server in the bench's own profile, if it is not there yet, and tells where it is.
pub fn build() -> Result<PathBuf> {
    let mut cargo = cargo("build");
    cargo.args(["--quiet", "-p", "pocket-id", "--bin", "pocket-id"]);
    if !cfg!(debug_assertions) {
        cargo.arg("--release");
    }
    if !cargo.status()?.success() {
        return Err("the server could not be built without the network: run `cargo build --release` first".into());
    }
    let binary = env::current_exe()?.with_file_name("pocket-id");
    if binary.exists() { Ok(binary) } else { Err(format!("{} is not there", binary.display()).into()) }
}

/// Where a server keeps its data; removed when dropped.
pub struct Home {
    dir: TempDir,
    address: SocketAddr,
    database: Option<Database>,
}

impl Home {
    /// An empty one. It lies beside the binaries: a temporary folder may be in memory, and then no write would cost.
    pub fn new(options: &Options) -> Result<Self> {
        let beside = env::current_exe()?;
        let dir = tempfile::tempdir_in(beside.parent().unwrap_or(Path::new(".")))?;
        let database = options.is_postgres().then(|| fresh_database_on(options.url.as_deref().unwrap_or_default()));
        Ok(Self { dir, address: SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()?)), database })
    }

    /// The folder.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }
}

/// A running server; stopped when dropped.
pub struct Server {
    process: Process,
    /// Where it listens.
    pub address: SocketAddr,
    /// From its start to the first answer that it is healthy.
    pub healthy_after: Duration,
    /// From its start to the first JWKS: then it can sign.
    pub ready_after: Duration,
    began: Instant,
}

impl Server {
    /// Starts it and waits until it is healthy.
    pub fn start(binary: &Path, home: &Home) -> Result<Self> {
        Self::start_at(binary, home, home.address)
    }

    /// Starts another one on the same database, which listens elsewhere and is known by the same address.
    pub fn start_replica(binary: &Path, home: &Home) -> Result<Self> {
        Self::start_at(binary, home, SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()?)))
    }

    fn start_at(binary: &Path, home: &Home, address: SocketAddr) -> Result<Self> {
        let mut command = Command::new(binary);
        command.env_clear().current_dir(home.dir());
        command.env("APP_URL", format!("http://localhost:{}", home.address.port()));
        command.env("HOST", "127.0.0.1").env("PORT", address.port().to_string());
        command.env("STATIC_API_KEY", API_KEY);
        // The limiter stays on; each request names another address, as a proxy would.
        command.env("TRUST_PROXY", "127.0.0.1");
        if let Some(database) = &home.database {
            command.env("DB_CONNECTION_STRING", database.url()).env("ENCRYPTION_KEY", "bench-encryption-key");
        }
        let began = Instant::now();
        let process = Process::spawn(&mut command, home.dir().join(format!("log-{}", address.port())))?;
        let mut server = Self { process, address, healthy_after: Duration::ZERO, ready_after: Duration::ZERO, began };
        server.healthy_after = server.wait("/healthz", "204")?;
        server.ready_after = server.wait("/.well-known/jwks.json", "200")?;
        Ok(server)
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// Stops it, as an operator would.
    pub fn stop(mut self) {
        self.process.stop();
    }

    /// The time since the start at which a path has answered with a status.
    fn wait(&mut self, path: &str, status: &str) -> Result<Duration> {
        let end = self.began + Duration::from_secs(30);
        while Instant::now() < end {
            if ask(self.address, path).is_ok_and(|answer| answer.split(' ').nth(1) == Some(status)) {
                return Ok(self.began.elapsed());
            }
            if let Some(status) = self.process.exited() {
                return Err(format!("the server ended ({status}):\n{}", self.process.log()).into());
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        Err(format!("{path} did not answer {status} within 30 seconds:\n{}", self.process.log()).into())
    }
}

fn ask(address: SocketAddr, path: &str) -> io::Result<String> {
    use io::{Read as _, Write as _};
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}
