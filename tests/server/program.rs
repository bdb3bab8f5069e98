//! The program in a folder of its own.

use std::collections::BTreeMap;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use pid_testkit::authenticator::SoftAuthenticator;
use pid_testkit::postgres::{Database, fresh_database};
use pid_testkit::process::{Process, free_port};
use pid_tests::{Agent, on_postgres};
use serde_json::{Value, json};

/// A start under load of other tests may take this long before it counts as stuck.
const LIMIT: Duration = Duration::from_secs(60);

/// The binary that cargo built with this test.
pub const BINARY: &str = env!("CARGO_BIN_EXE_pocket-id");

/// A working directory, an environment and, while it runs, the process.
pub struct Program {
    binary: PathBuf,
    process: Option<Process>,
    environment: BTreeMap<String, String>,
    dir: tempfile::TempDir,
    port: u16,
    starts: u32,
    // After the process, so that nobody is connected when it is dropped.
    database: Option<Database>,
}

impl Program {
    /// The static API key of [`Program::configured`].
    pub const API_KEY: &str = "test-api-key-0123456789";

    /// Nothing is configured but the port, and that nobody else can reach it.
    pub fn bare() -> Self {
        let port = free_port().unwrap();
        let program = Self {
            binary: BINARY.into(),
            process: None,
            environment: BTreeMap::new(),
            dir: tempfile::tempdir().unwrap(),
            port,
            starts: 0,
            database: None,
        };
        program.with("PORT", port.to_string()).with("HOST", "127.0.0.1")
    }

    /// With the address that it is reached at, keys, and a database on the engine of this run.
    pub fn configured() -> Self {
        let mut program = Self::bare();
        program.database = on_postgres().then(fresh_database);
        if let Some(database) = &program.database {
            let url = database.url().to_owned();
            program = program.with("DB_CONNECTION_STRING", url);
        }
        let url = program.url();
        program
            .with("APP_URL", url)
            .with("ENCRYPTION_KEY", "test-encryption-key")
            .with("STATIC_API_KEY", Self::API_KEY)
            .with("DISABLE_RATE_LIMITING", "true")
    }

    /// Another build of it from the next start on.
    pub fn becomes(&mut self, binary: impl Into<PathBuf>) {
        self.binary = binary.into();
    }

    /// Sets a variable.
    pub fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.environment.insert(name.to_owned(), value.into());
        self
    }

    /// Sets a variable for the next start.
    pub fn set(&mut self, name: &str, value: impl Into<String>) {
        self.environment.insert(name.to_owned(), value.into());
    }

    /// Removes a variable for the next start.
    pub fn unset(&mut self, name: &str) {
        self.environment.remove(name);
    }

    /// What `DB_CONNECTION_STRING` says, or would say.
    pub fn connection(&self) -> String {
        let file = || self.data().join("pocket-id.db").display().to_string();
        self.database.as_ref().map_or_else(file, |database| database.url().to_owned())
    }

    /// Where it listens.
    pub fn url(&self) -> String {
        format!("http://localhost:{}", self.port)
    }

    /// The port that it listens on.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The working directory.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// The default data folder.
    pub fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    /// The PostgreSQL database, if any.
    pub fn database(&self) -> Option<&Database> {
        self.database.as_ref()
    }

    fn command(&self, wrapper: &[&str], arguments: &[&str]) -> Command {
        let binary = self.binary.to_str().unwrap();
        let all: Vec<&str> = wrapper.iter().copied().chain([binary]).chain(arguments.iter().copied()).collect();
        let mut command = Command::new(all[0]);
        command
            .stdin(std::process::Stdio::null())
            .args(&all[1..])
            .current_dir(self.dir.path())
            .env_clear()
            .envs(&self.environment);
        command
    }

    /// Starts it without waiting for anything.
    pub fn spawn(&mut self) -> &mut Process {
        self.spawn_by(&[])
    }

    /// Starts it by another program, for example with limits.
    pub fn spawn_by(&mut self, wrapper: &[&str]) -> &mut Process {
        self.starts += 1;
        let log = self.dir.path().join(format!("log-{}", self.starts));
        self.process.insert(Process::spawn(&mut self.command(wrapper, &[]), log).unwrap())
    }

    /// Starts it with options without waiting for anything.
    pub fn spawn_with(&mut self, arguments: &[&str]) -> &mut Process {
        self.starts += 1;
        let log = self.dir.path().join(format!("log-{}", self.starts));
        self.process.insert(Process::spawn(&mut self.command(&[], arguments), log).unwrap())
    }

    /// Starts it with options and waits until it says that it is there.
    pub async fn start_with(&mut self, arguments: &[&str]) {
        self.spawn_with(arguments).wait_for_line("is ready", LIMIT).unwrap();
        self.agent().get("/healthz").await.expect(204);
    }

    /// Starts it with options and demands that it ends by itself with code 1. Gives what it said.
    pub fn refuses_with(&mut self, arguments: &[&str]) -> String {
        let status = self.spawn_with(arguments).wait_for_exit(LIMIT).unwrap();
        let log = self.process.take().unwrap().log();
        assert_eq!(status.code(), Some(1), "{log}");
        assert!(!log.contains("panicked") && !log.contains("is ready"), "{log}");
        log
    }

    /// Starts it and waits until it says that it is there.
    pub async fn start(&mut self) {
        self.start_by(&[]).await;
    }

    /// As [`Program::start`], by another program.
    pub async fn start_by(&mut self, wrapper: &[&str]) {
        self.spawn_by(wrapper).wait_for_line("is ready", LIMIT).unwrap();
        self.agent().get("/healthz").await.expect(204);
    }

    /// Waits until it can sign.
    pub async fn ready(&self) {
        for _ in 0..3000 {
            if self.agent().get("/readyz").await.status == 204 {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("it does not get ready:\n{}", self.log());
    }

    /// The process.
    pub fn process(&mut self) -> &mut Process {
        self.process.as_mut().unwrap()
    }

    /// What it has written since its last start.
    pub fn log(&self) -> String {
        self.process.as_ref().map(Process::log).unwrap_or_default()
    }

    /// Asks it to end and demands that it does so in order: code 0, no panic. Gives its log.
    pub fn stop(&mut self) -> String {
        let mut process = self.process.take().unwrap();
        process.signal("TERM");
        let status = process.wait_for_exit(LIMIT).unwrap();
        let log = process.log();
        assert!(status.success(), "{status}:\n{log}");
        assert!(!log.contains("panicked"), "{log}");
        log
    }

    /// Kills it, as a power cut would.
    pub fn kill(&mut self) {
        self.process.take().unwrap().kill();
    }

    /// Starts it and demands that it ends by itself with code 1. Gives what it said.
    pub fn refuses(&mut self) -> String {
        self.refuses_by(&[])
    }

    /// As [`Program::refuses`], by another program.
    pub fn refuses_by(&mut self, wrapper: &[&str]) -> String {
        let status = self.spawn_by(wrapper).wait_for_exit(LIMIT).unwrap();
        let log = self.process.take().unwrap().log();
        assert_eq!(status.code(), Some(1), "{log}");
        assert!(!log.contains("panicked") && !log.contains("is ready"), "{log}");
        log
    }

    /// Runs a command to its end.
    pub fn run(&self, arguments: &[&str]) -> Output {
        self.command(&[], arguments).output().unwrap()
    }

    /// As [`Program::run`], by another program.
    pub fn run_by(&self, wrapper: &[&str], arguments: &[&str]) -> Output {
        self.command(wrapper, arguments).output().unwrap()
    }

    /// Runs a command and kills it after a while, if it has not ended by then.
    pub fn run_and_kill(&self, arguments: &[&str], after: Duration) {
        let mut child = self.command(&[], arguments).spawn().unwrap();
        std::thread::sleep(after);
        let _ = child.kill();
        child.wait().unwrap();
    }

    /// Runs a command, and kills it when one of its threads makes a system call for the `n`th time. Whether it came to its
    /// end before.
    pub fn run_and_kill_at(&self, arguments: &[&str], call: &str, n: usize) -> bool {
        let (which, what) = (format!("trace={call}"), format!("inject={call}:signal=KILL:when={n}"));
        let by = ["strace", "--follow-forks", "--quiet=all", "--output=/dev/null", "-e", &which, "-e", &what];
        let output = self.run_by(&by, arguments);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() || output.status.signal() == Some(9), "{} {said}", output.status);
        output.status.success()
    }

    /// A browser without cookies.
    pub fn agent(&self) -> Agent {
        Agent::new(&self.url())
    }

    /// A script with the static API key.
    pub fn script(&self) -> Agent {
        self.agent().with_header("x-api-key", Self::API_KEY)
    }

    /// The first administrator's browser, signed in.
    pub async fn set_up(&self) -> Agent {
        let agent = self.agent();
        agent.post("/api/signup/setup", &admin()).await.expect(200);
        agent
    }

    /// Adds a passkey to whom a browser is signed in as.
    pub async fn add_passkey(&self, agent: &Agent) -> SoftAuthenticator {
        let mut passkey = SoftAuthenticator::new(-7);
        let options = agent.get("/api/webauthn/register/start").await.expect(200).json();
        let response = passkey.register(&options, &self.environment["APP_URL"]);
        agent.post("/api/webauthn/register/finish", &response).await.expect(200);
        passkey
    }
}

/// The first administrator.
pub fn admin() -> Value {
    json!({ "username": "admin", "email": "admin@example.com", "firstName": "Ada", "lastName": "Admin" })
}

/// The permission bits of a file.
#[cfg(unix)]
pub fn mode(path: &Path) -> u32 {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::metadata(path).unwrap_or_else(|e| panic!("{}: {e}", path.display())).permissions().mode() & 0o777
}

/// The names in a folder, sorted.
pub fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        std::fs::read_dir(dir).unwrap().map(|e| e.unwrap().file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}
