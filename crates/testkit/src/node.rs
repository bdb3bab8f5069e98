//! A program in JavaScript that a test talks to line by line. `./test` installs Node and what the programs need below
//! `target/node`.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, ChildStdout, Command};

use serde_json::Value;
use tempfile::TempDir;

use crate::process::{Error, Process};

/// A running program; stopped when dropped.
pub struct Node {
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    _process: Process,
    _root: TempDir,
}

fn installed() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/node")
}

impl Node {
    /// Starts a program of `tests/node` with the packages that it imports beside it.
    ///
    /// # Errors
    /// When Node is not installed or does not start.
    pub fn start(program: &str) -> Result<Self, Error> {
        let failed = |e: std::io::Error| Error::new(format!("node: {e}"));
        let root = tempfile::tempdir().map_err(failed)?;
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/node").join(program);
        // Imports are looked for beside the file.
        let copy = root.path().join(program);
        std::fs::copy(source, &copy).map_err(failed)?;
        std::os::unix::fs::symlink(installed().join("node_modules"), root.path().join("node_modules"))
            .map_err(failed)?;
        let mut command = Command::new(installed().join("node"));
        command.arg(&copy);
        let (process, input, output) = Process::spawn_piped(&mut command, root.path().join("log"))?;
        Ok(Self { input, output: BufReader::new(output), _process: process, _root: root })
    }

    /// Sends a line and waits for the answer to it.
    ///
    /// # Errors
    /// When the program is gone or answers something else than JSON.
    pub fn call(&mut self, request: &Value) -> Result<Value, Error> {
        let failed = |e: std::io::Error| Error::new(format!("node: {e}"));
        writeln!(self.input, "{request}").map_err(failed)?;
        let mut line = String::new();
        self.output.read_line(&mut line).map_err(failed)?;
        serde_json::from_str(&line).map_err(|e| Error::new(format!("node: {e}: {line:?}")))
    }
}
