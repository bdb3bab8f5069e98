//! `oidc-agent` (Debian's `oidc-agent-cli`): a person's agent that gets tokens for a command line, here by the device grant.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Output};
use std::time::Duration;

use tempfile::TempDir;

use crate::process::{Error, Process};

/// How long one of its programs may take, seconds.
const LIMIT: &str = "60";

/// A running agent without accounts; stopped and removed when dropped.
pub struct OidcAgent {
    _process: Process,
    root: TempDir,
}

/// An account that is being made: `oidc-gen`, waiting for the person.
pub struct Making {
    process: Process,
}

impl OidcAgent {
    /// Starts an agent with a folder of its own.
    ///
    /// # Errors
    /// When it is not installed or does not start.
    pub fn start() -> Result<Self, Error> {
        let failed = |e: std::io::Error| Error::new(format!("oidc-agent: {e}"));
        let root = tempfile::tempdir().map_err(failed)?;
        fs::set_permissions(root.path(), Permissions::from_mode(0o700)).map_err(failed)?;
        let mut command = Command::new("oidc-agent");
        // On the console: otherwise it would go to the background, out of our hands.
        let socket = root.path().join("socket");
        command.args(["--console", "--always-allow-idtoken", "--socket-path"]).arg(&socket);
        command.env("OIDC_CONFIG_DIR", root.path());
        let mut process = Process::spawn(&mut command, root.path().join("agent.log"))?;
        process.wait_for_socket(&socket, Duration::from_secs(20))?;
        Ok(Self { _process: process, root })
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new("timeout");
        // Into a file they would not print before they end.
        command.args([LIMIT, "stdbuf", "-oL", program]);
        command.env("OIDC_SOCK", self.root.path().join("socket")).env("OIDC_CONFIG_DIR", self.root.path());
        // What it keeps is encrypted by this.
        command.env("OIDC_ENCRYPTION_PW", "only-for-this-test");
        command
    }

    /// Begins to make an account by the device grant, for a client that may have a secret.
    ///
    /// # Errors
    /// When `oidc-gen` does not start.
    pub fn begin(
        &self,
        account: &str,
        issuer: &str,
        client_id: &str,
        secret: Option<&str>,
        scope: &str,
    ) -> Result<Making, Error> {
        let mut command = self.command("oidc-gen");
        command.args(["--flow=device", "--pw-env", "--prompt=none", "--confirm-yes", "--no-url-call"]);
        command.arg(format!("--client-secret={}", secret.unwrap_or_default()));
        command.args(["--iss", issuer, "--client-id", client_id, "--scope", scope, account]);
        let process = Process::spawn(&mut command, self.root.path().join(format!("{account}.log")))?;
        Ok(Making { process })
    }

    /// What `oidc-token` prints for an account: its access token, unless `more` wants something else.
    ///
    /// # Errors
    /// When it can't be run, or what it says instead.
    pub fn token(&self, account: &str, more: &[&str]) -> Result<String, Error> {
        self.run("oidc-token", &[more, &[account]].concat())
    }

    /// Ends an account, with its refresh token.
    ///
    /// # Errors
    /// When it can't be run, or what it says instead.
    pub fn delete(&self, account: &str) -> Result<String, Error> {
        self.run("oidc-gen", &["--delete", "--pw-env", "--confirm-yes", account])
    }

    fn run(&self, program: &str, arguments: &[&str]) -> Result<String, Error> {
        let output = self.command(program).args(arguments).output();
        let Output { status, stdout, stderr } = output.map_err(|e| Error::new(format!("{program}: {e}")))?;
        let said = [&stdout, &stderr].map(|bytes| String::from_utf8_lossy(bytes).trim().to_owned());
        if status.success() { Ok(said[0].clone()) } else { Err(Error::new(said.join("\n"))) }
    }
}

impl Making {
    /// The code that the person is told to enter, and all that was said with it.
    ///
    /// # Errors
    /// When the provider did not give one.
    pub fn code(&mut self) -> Result<(String, String), Error> {
        let line = self.process.wait_for_line("enter the code:", Duration::from_secs(20))?;
        let code = line.rsplit(' ').next().unwrap_or_default().to_owned();
        Ok((code, self.process.log()))
    }

    /// Waits until the account is there. Gives what was said.
    ///
    /// # Errors
    /// When it was not made; with what was said.
    pub fn finish(mut self) -> Result<String, Error> {
        let status = self.process.wait_for_exit(Duration::from_secs(60))?;
        if status.success() { Ok(self.process.log()) } else { Err(Error::new(self.process.log())) }
    }
}
