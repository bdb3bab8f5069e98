//! A real server that speaks S3, on a free port of 127.0.0.1: s3s-fs, which keeps objects as files and checks every signature.
//! `./test` installs it below `target/s3`.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;

use crate::process::{Error, Process, free_port};
use crate::program::installed;

/// The bucket that is there.
pub const BUCKET: &str = "pictures";
/// Who may use it.
pub const KEY_ID: &str = "test-key-id";
/// Their secret.
pub const SECRET: &str = "test-secret-key";

/// A running server; stopped and removed when dropped.
pub struct S3 {
    port: u16,
    process: Option<Process>,
    root: TempDir,
}

impl S3 {
    /// Starts one with an empty bucket.
    ///
    /// # Errors
    /// When it is not installed or does not start; with its log.
    pub fn start() -> Result<Self, Error> {
        let failed = |e: std::io::Error| Error::new(format!("s3s-fs: {e}"));
        let root = tempfile::tempdir().map_err(failed)?;
        std::fs::create_dir_all(root.path().join("data").join(BUCKET)).map_err(failed)?;
        let mut server = Self { port: free_port().map_err(failed)?, process: None, root };
        server.resume()?;
        Ok(server)
    }

    /// Starts it again with what it has.
    ///
    /// # Errors
    /// When it does not start; with its log.
    pub fn resume(&mut self) -> Result<(), Error> {
        let mut command = Command::new(installed("target/s3/bin/s3s-fs")?);
        command
            .args(["--host", "127.0.0.1", "--port", &self.port.to_string()])
            .args(["--access-key", KEY_ID, "--secret-key", SECRET])
            .arg(self.root.path().join("data"));
        let mut process = Process::spawn(&mut command, self.root.path().join("log"))?;
        process.wait_for_port(SocketAddr::from((Ipv4Addr::LOCALHOST, self.port)), Duration::from_secs(60))?;
        self.process = Some(process);
        Ok(())
    }

    /// Stops it; what it has stays.
    pub fn pause(&mut self) {
        self.process = None;
    }

    /// The folder in which a bucket's objects are files.
    #[must_use]
    pub fn folder(&self) -> PathBuf {
        self.root.path().join("data").join(BUCKET)
    }

    /// What makes `pocket-id` use it, with a prefix.
    #[must_use]
    pub fn variables(&self, prefix: &str) -> Vec<(&'static str, String)> {
        vec![
            ("S3_ENDPOINT", format!("http://127.0.0.1:{}", self.port)),
            ("S3_BUCKET", BUCKET.to_owned()),
            ("S3_REGION", "eu-central-1".to_owned()),
            ("S3_ACCESS_KEY_ID", KEY_ID.to_owned()),
            ("S3_SECRET_ACCESS_KEY", SECRET.to_owned()),
            ("S3_FORCE_PATH_STYLE", "true".to_owned()),
            ("S3_PREFIX", prefix.to_owned()),
        ]
    }

    /// What it has said.
    #[must_use]
    pub fn log(&self) -> String {
        self.process.as_ref().map(Process::log).unwrap_or_default()
    }
}

/// The files below a folder, as paths from it, sorted; hidden ones are the server's own.
#[must_use]
pub fn objects(folder: &Path) -> Vec<String> {
    fn walk(folder: &Path, root: &Path, out: &mut Vec<String>) {
        let Ok(entries) = std::fs::read_dir(folder) else { return };
        for path in entries.flatten().map(|entry| entry.path()) {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if path.is_dir() {
                walk(&path, root, out);
            } else if !name.starts_with('.') {
                out.push(path.strip_prefix(root).unwrap_or(&path).display().to_string());
            }
        }
    }
    let mut out = Vec::new();
    walk(folder, folder, &mut out);
    out.sort();
    out
}
