//! The command line (ops.md §2).

pub mod healthcheck;
pub mod key_rotate;
pub mod one_time_access;
pub mod server;

use clap::{Parser, Subcommand};
use pid_core::Ctx;
use pid_http::state::{Clock, seed};
use pid_store::{Db, Options, Target};

use crate::config::Config;

/// An OpenID Connect provider whose only regular credential is a passkey.
#[derive(Debug, Parser)]
#[command(name = "pocket-id", version, about, after_help = crate::config::help())]
pub struct Cli {
    /// What to do; without it the server starts.
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Starts the server (the default).
    Server,
    /// Prints the version.
    Version,
    /// Asks a running server whether it is healthy; exit code 0 if so.
    Healthcheck {
        /// The address to ask instead of the configured port of this machine.
        #[arg(long, short)]
        endpoint: Option<String>,
        /// Says what was asked and answered.
        #[arg(long, short)]
        verbose: bool,
    },
    /// Publishes the next signing key, which signs after 24 hours; or switches at once; or revokes a key.
    KeyRotate(key_rotate::KeyRotate),
    /// Makes a login code, valid for an hour, for somebody who has lost their passkey.
    OneTimeAccessToken {
        /// Whose: a username or an e-mail address.
        username_or_email: String,
    },
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

/// Who acts: the operator, now.
fn ctx() -> Ctx {
    let now = Clock::default().now();
    Ctx { now, seed: seed(), ip_address: String::new(), user_agent: "command line".to_owned() }
}
