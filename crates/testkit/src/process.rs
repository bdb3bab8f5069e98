//! Child processes that a test starts and must not leave behind, and free ports for them.
//!
//! A [`Process`] writes its output to a log file, can be waited for by port or by line, and is stopped by its own
//! process id when the guard drops: first `TERM`, then, if it stays, `KILL`.

use std::{
    fmt, fs,
    io::{self, Read, Seek, SeekFrom},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio},
    sync::atomic::{AtomicU16, Ordering},
    thread,
    time::{Duration, Instant},
};

/// How long a child may take to leave after `TERM` before it is killed.
const GRACE: Duration = Duration::from_secs(5);
/// How often a wait looks again.
const STEP: Duration = Duration::from_millis(20);

/// What went wrong with a child process; the text names the program and shows the end of its log.
pub struct Error(String);

impl Error {
    pub(crate) fn new(text: String) -> Self {
        Self(text)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The same as `Display`, so that `unwrap()` in a test prints a readable text.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Error {}

/// A running child process with its log; stopped when dropped.
pub struct Process {
    name: String,
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts `command` with standard output and error appended to the file `log`, and an empty standard input.
    ///
    /// # Errors
    /// When the log can't be created or the program can't be started.
    pub fn spawn(command: &mut Command, log: impl Into<PathBuf>) -> Result<Self, Error> {
        let log = log.into();
        let (file, again) = (open(&log)?, open(&log)?);
        Self::start(command.stdin(Stdio::null()).stdout(again).stderr(file), log)
    }

    /// Starts `command` with its standard input and output in the caller's hands, and only errors in the file `log`.
    ///
    /// # Errors
    /// As [`Process::spawn`].
    pub fn spawn_piped(
        command: &mut Command,
        log: impl Into<PathBuf>,
    ) -> Result<(Self, ChildStdin, ChildStdout), Error> {
        let log = log.into();
        let file = open(&log)?;
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(file);
        let mut process = Self::start(command, log)?;
        match (process.child.stdin.take(), process.child.stdout.take()) {
            (Some(input), Some(output)) => Ok((process, input, output)),
            _ => Err(process.error("has no pipes")),
        }
    }

    fn start(command: &mut Command, log: PathBuf) -> Result<Self, Error> {
        let name = command.get_program().to_string_lossy().into_owned();
        let child = command.spawn().map_err(|e| Error(format!("{name} does not start: {e}")))?;
        Ok(Self { name, child, log })
    }

    /// The process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// The file that takes its output.
    #[must_use]
    pub fn log_path(&self) -> &Path {
        &self.log
    }

    /// Everything that it has written so far.
    #[must_use]
    pub fn log(&self) -> String {
        fs::read(&self.log).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
    }

    /// The exit status if it has ended.
    pub fn exited(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// Waits until something accepts connections on `address`.
    ///
    /// # Errors
    /// When the process ends or `limit` passes first.
    pub fn wait_for_port(&mut self, address: SocketAddr, limit: Duration) -> Result<(), Error> {
        self.wait(limit, &format!("listen on {address}"), |_| {
            TcpStream::connect_timeout(&address, STEP * 10).ok().map(drop)
        })
    }

    /// Waits until something accepts connections on a socket of the file system.
    ///
    /// # Errors
    /// When the process ends or `limit` passes first.
    pub fn wait_for_socket(&mut self, path: &Path, limit: Duration) -> Result<(), Error> {
        self.wait(limit, &format!("listen on {}", path.display()), |_| UnixStream::connect(path).ok().map(drop))
    }

    /// Waits until a line of the log contains `text`, and returns that line.
    ///
    /// # Errors
    /// When the process ends or `limit` passes first.
    pub fn wait_for_line(&mut self, text: &str, limit: Duration) -> Result<String, Error> {
        self.wait(limit, &format!("print {text:?}"), |log| log.lines().find(|l| l.contains(text)).map(str::to_owned))
    }

    /// Waits until the process ends by itself.
    ///
    /// # Errors
    /// When `limit` passes first.
    pub fn wait_for_exit(&mut self, limit: Duration) -> Result<ExitStatus, Error> {
        let end = Instant::now() + limit;
        loop {
            if let Some(status) = self.exited() {
                return Ok(status);
            }
            if Instant::now() >= end {
                return Err(self.error(&format!("did not end within {limit:?}")));
            }
            thread::sleep(STEP);
        }
    }

    /// Asks the process to end (`TERM`), kills it if it does not within five seconds, and returns its status.
    pub fn stop(&mut self) -> Option<ExitStatus> {
        if self.exited().is_none() {
            self.signal("TERM");
            if self.wait_for_exit(GRACE).is_err() {
                self.kill();
            }
        }
        self.exited()
    }

    /// Sends a signal by its name, for example `TERM` or `INT`.
    pub fn signal(&mut self, name: &str) {
        // Not to another process that got the same id.
        if self.exited().is_none() {
            // The standard library can only KILL, and this crate has no unsafe code: the shell sends the signal.
            let _ = Command::new("sh")
                .args(["-c", "kill -s \"$1\" \"$2\"", "sh", name, &self.id().to_string()])
                .stderr(Stdio::null())
                .status();
        }
    }

    /// Kills the process at once (`KILL`), as a power cut would.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    fn wait<T>(&mut self, limit: Duration, what: &str, mut ready: impl FnMut(&str) -> Option<T>) -> Result<T, Error> {
        let end = Instant::now() + limit;
        loop {
            // Asked before the look, so that what it wrote last is seen.
            let status = self.exited();
            if let Some(found) = ready(&self.log()) {
                return Ok(found);
            }
            if let Some(status) = status {
                return Err(self.error(&format!("ended ({status}) before it would {what}")));
            }
            if Instant::now() >= end {
                return Err(self.error(&format!("did not {what} within {limit:?}")));
            }
            thread::sleep(STEP);
        }
    }

    fn error(&self, what: &str) -> Error {
        Error(format!("{} {what}; its log ends:\n{}", self.name, tail(&self.log, 4096)))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.stop();
    }
}

fn open(log: &Path) -> Result<fs::File, Error> {
    fs::File::options()
        .create(true)
        .append(true)
        .open(log)
        .map_err(|e| Error(format!("no log at {}: {e}", log.display())))
}

/// The last `limit` bytes of a file as text.
fn tail(path: &Path, limit: u64) -> String {
    let read = || -> io::Result<Vec<u8>> {
        let mut file = fs::File::open(path)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(limit)))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    read().map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_else(|e| format!("(no log: {e})"))
}

/// A TCP port of 127.0.0.1 on which nothing listens.
///
/// Ports lie between 20000 and 31999, below the range that the kernel hands out for outgoing connections, and no port
/// comes twice from one process, so that parallel tests don't meet.
///
/// # Errors
/// When every port of the range is taken.
pub fn free_port() -> io::Result<u16> {
    const FIRST: u16 = 20_000;
    const COUNT: u16 = 12_000;
    static NEXT: AtomicU16 = AtomicU16::new(0);
    // Each process begins elsewhere.
    let start = std::process::id().wrapping_mul(97) % u32::from(COUNT);
    for _ in 0..COUNT {
        let step = u32::from(NEXT.fetch_add(1, Ordering::Relaxed));
        let offset = u16::try_from((start + step) % u32::from(COUNT)).unwrap_or_default();
        let port = FIRST + offset;
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return Ok(port);
        }
    }
    Err(io::Error::new(io::ErrorKind::AddrInUse, "no free port between 20000 and 31999"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_secs(10);

    fn sh(script: &str) -> (tempfile::TempDir, Process) {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("log");
        let process = Process::spawn(Command::new("sh").args(["-c", script]), log).unwrap();
        (dir, process)
    }

    #[test]
    fn a_line_of_the_log_is_waited_for() {
        let (_dir, mut process) = sh("sleep 0.1; echo ready on 7; exec sleep 60");
        assert_eq!(process.wait_for_line("ready", LIMIT).unwrap(), "ready on 7");
    }

    #[test]
    fn an_early_end_is_told_with_the_log() {
        let (_dir, mut process) = sh("echo no such thing >&2; exit 3");
        let error = process.wait_for_line("ready", LIMIT).unwrap_err().to_string();
        assert!(error.contains("exit status: 3"), "{error}");
        assert!(error.contains("no such thing"), "{error}");
    }

    #[test]
    fn a_deadline_is_kept() {
        let (_dir, mut process) = sh("exec sleep 60");
        let before = Instant::now();
        let error = process.wait_for_line("ready", Duration::from_millis(200)).unwrap_err();
        assert!(error.to_string().contains("within 200ms"), "{error}");
        assert!(before.elapsed() < LIMIT);
    }

    #[test]
    fn a_dropped_process_is_gone() {
        let (_dir, process) = sh("exec sleep 60");
        let proc = PathBuf::from(format!("/proc/{}", process.id()));
        assert!(proc.exists());
        drop(process);
        assert!(!proc.exists());
    }

    #[test]
    fn a_process_that_ignores_term_is_killed() {
        let (_dir, mut process) = sh("trap '' TERM; echo ready; while :; do sleep 1; done");
        process.wait_for_line("ready", LIMIT).unwrap();
        let status = process.stop().unwrap();
        assert!(!status.success());
    }

    #[test]
    fn free_ports_differ_and_can_be_bound() {
        let (a, b) = (free_port().unwrap(), free_port().unwrap());
        assert_ne!(a, b);
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, a)).unwrap();
        let (_dir, mut process) = sh("exec sleep 60");
        let address = listener.local_addr().unwrap();
        process.wait_for_port(address, LIMIT).unwrap();
    }
}
