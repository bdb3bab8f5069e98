//! A program in another language that a test talks to line by line: JSON in, JSON out. `./test` installs what the programs
//! need, JavaScript's below `target/node` and Python's below `target/python`.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, Command};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use crate::process::{Error, Process};

/// How long an answer may take.
const LIMIT: Duration = Duration::from_secs(60);

/// A running program; stopped when dropped.
pub struct Program {
    name: String,
    input: ChildStdin,
    lines: Receiver<String>,
    process: Process,
    _root: TempDir,
}

/// The root of the workspace.
fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The Python that has the packages which `./test` installs.
pub(crate) fn python() -> Result<PathBuf, Error> {
    installed("target/python/bin/python")
}

/// A program of `tests/python`.
pub(crate) fn python_source(program: &str) -> PathBuf {
    workspace().join("tests/python").join(program)
}

/// A program that `./test` installs below `target`.
///
/// # Errors
/// When it is not there.
pub fn installed(path: &str) -> Result<PathBuf, Error> {
    let path = workspace().join(path);
    if path.exists() { Ok(path) } else { Err(Error::new(format!("no {}: run ./test once", path.display()))) }
}

impl Program {
    /// Starts a program of `tests/node` with the packages that it imports beside it.
    ///
    /// # Errors
    /// When Node is not installed or does not start.
    pub fn node(program: &str) -> Result<Self, Error> {
        let failed = |e: std::io::Error| Error::new(format!("{program}: {e}"));
        let node = installed("target/node/node")?;
        let root = tempfile::tempdir().map_err(failed)?;
        // Imports are looked for beside the file.
        let copy = root.path().join(program);
        std::fs::copy(workspace().join("tests/node").join(program), &copy).map_err(failed)?;
        std::os::unix::fs::symlink(workspace().join("target/node/node_modules"), root.path().join("node_modules"))
            .map_err(failed)?;
        Self::start(program, Command::new(node).arg(copy), root)
    }

    /// Starts a program of `tests/python`.
    ///
    /// # Errors
    /// When Python's packages are not installed or it does not start.
    pub fn python(program: &str) -> Result<Self, Error> {
        let root = tempfile::tempdir().map_err(|e| Error::new(format!("{program}: {e}")))?;
        Self::start(program, Command::new(python()?).arg(python_source(program)), root)
    }

    fn start(name: &str, command: &mut Command, root: TempDir) -> Result<Self, Error> {
        let (process, input, output) = Process::spawn_piped(command, root.path().join("log"))?;
        let (sender, lines) = channel();
        // A pipe can't be read with a time limit; a channel can. The thread ends with the program.
        std::thread::spawn(move || {
            BufReader::new(output).lines().map_while(Result::ok).try_for_each(|l| sender.send(l))
        });
        Ok(Self { name: name.to_owned(), input, lines, process, _root: root })
    }

    /// Sends a line and waits for the answer to it.
    ///
    /// # Errors
    /// When the program is gone, takes longer than a minute or answers something else than JSON; with its log.
    pub fn call(&mut self, request: &Value) -> Result<Value, Error> {
        writeln!(self.input, "{request}").map_err(|e| self.failed(&e.to_string()))?;
        let line = self.lines.recv_timeout(LIMIT).map_err(|e| self.failed(&e.to_string()))?;
        serde_json::from_str(&line).map_err(|e| self.failed(&format!("{e}: {line:?}")))
    }

    fn failed(&self, what: &str) -> Error {
        Error::new(format!("{}: {what}\n{}", self.name, self.process.log()))
    }
}
