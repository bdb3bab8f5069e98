//! The command line (ops.md §2).

pub mod apply;
pub mod backup;
pub mod config;
pub mod doctor;
pub mod encryption_key_rotate;
pub mod export;
pub mod files;
pub mod healthcheck;
pub mod import;
pub mod key_rotate;
pub mod one_time_access;
mod progress;
pub mod restore;
pub mod server;

use clap::{Parser, Subcommand};
use pid_core::Ctx;
use pid_core::places::Places;
use pid_http::state::{Clock, seed};
use pid_store::{Db, Options, Target};

use crate::config::Config;

/// An OpenID Connect provider whose only regular credential is a passkey.
#[derive(Debug, Parser)]
#[command(name = "pocket-id", version, about, after_help = crate::config::help())]
#[command(args_conflicts_with_subcommands = true)]
pub struct Cli {
    /// How the server starts.
    #[command(flatten)]
    pub start: server::Start,
    /// What to do; without it the server starts.
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Starts the server (the default).
    Server(server::Start),
    /// Prints the version.
    Version,
    /// Asks a running server whether it is healthy; exit code 0 if so.
    Healthcheck {
        /// The address to ask instead of the configured port of this machine.
        #[arg(long, short)]
        endpoint: Option<String>,
        /// The socket of the file system to ask. Default: UNIX_SOCKET.
        #[arg(long, value_name = "PATH", conflicts_with = "endpoint")]
        unix_socket: Option<std::path::PathBuf>,
        /// Says what was asked and answered.
        #[arg(long, short)]
        verbose: bool,
    },
    /// Takes everything over from Pocket ID: its export archive, its SQLite file or its PostgreSQL database.
    Import(import::Import),
    /// Writes everything into an archive that Pocket ID can import.
    Export(export::Export),
    /// Publishes the next signing key, which signs after 24 hours; or switches at once; or revokes a key.
    KeyRotate(key_rotate::KeyRotate),
    /// Puts everything as of now into one file, while the server serves.
    Backup(backup::Backup),
    /// Replaces everything by a backup, whole or not at all; with --verify only tries whether that would work.
    Restore(restore::Restore),
    /// Encrypts everything that is encrypted with another key. The server must be stopped.
    EncryptionKeyRotate(encryption_key_rotate::EncryptionKeyRotate),
    /// Examines the installation: what is wrong, and how to mend it. Exit code 1 if there is a problem.
    Doctor(doctor::Doctor),
    /// Looks after uploaded files.
    #[command(subcommand)]
    Files(files::Command),
    /// Makes settings, groups, people and clients what a file declares.
    Apply(apply::Apply),
    /// Looks at the configuration.
    #[command(subcommand)]
    Config(config::Command),
    /// Prints what a shell needs to complete commands and options.
    Completion {
        /// The shell.
        shell: clap_complete::Shell,
    },
    /// Makes a login code, valid for an hour, for somebody who has lost their passkey.
    OneTimeAccessToken {
        /// Whose: a username or an e-mail address.
        username_or_email: String,
    },
}

/// What a shell needs to complete our commands.
pub fn completion(shell: clap_complete::Shell) -> String {
    let mut out = Vec::new();
    clap_complete::generate(shell, &mut <Cli as clap::CommandFactory>::command(), "pocket-id", &mut out);
    String::from_utf8_lossy(&out).trim_end().to_owned()
}

/// Opens a database that is there, for a command beside the server.
async fn open(config: &Config) -> Result<Db, String> {
    if let Target::Sqlite(path) = &config.database
        && !path.exists()
    {
        return Err(format!("There is no database at {}.", path.display()));
    }
    let options =
        Options { connections: 1, now_millis: || Clock::default().now().millis(), settings: config.settings.clone() };
    Db::open(&config.database, options).await.map_err(|e| format!("{e}."))
}

/// Says something beside the answer of a command, which is standard output's.
fn note(text: &str) {
    use std::io::Write as _;
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// Asks; only `y` and `yes` are a yes.
///
/// # Errors
/// There is nobody to answer.
fn confirmed(question: &str) -> Result<bool, String> {
    use std::io::{BufRead as _, Write as _};
    let mut out = std::io::stdout();
    let _ = write!(out, "{question} [y/N]: ");
    let _ = out.flush();
    let mut answer = String::new();
    match std::io::stdin().lock().read_line(&mut answer) {
        Ok(0) => Err("There was no answer. Use --yes where nobody can answer.".to_owned()),
        Ok(_) => Ok(matches!(answer.trim().to_lowercase().as_str(), "y" | "yes")),
        Err(e) => Err(format!("The answer can't be read: {e}.")),
    }
}

/// Who acts: the operator, now.
pub(crate) fn ctx() -> Ctx {
    let now = Clock::default().now();
    Ctx {
        now,
        seed: seed(),
        ip_address: String::new(),
        user_agent: "command line".to_owned(),
        places: Places::default(),
    }
}
