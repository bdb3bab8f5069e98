//! `pocket-id files copy`: from one backend of uploaded files to another, while servers serve.

use clap::{Subcommand, ValueEnum};
use pid_core::files::{Backend, Place, backend_name};
use pid_http::files::copy;
use pid_http::state::Clock;

use super::progress::Shown;
use super::{note, open};
use crate::app;
use crate::config::Config;

/// What to do with uploaded files.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Copies every uploaded picture to where new ones go, or to another place. Servers may run; run it again at any time.
    Copy {
        /// Where to. Default: what FILE_BACKEND says.
        #[arg(long, value_name = "BACKEND")]
        to: Option<To>,
    },
}

/// A backend.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum To {
    /// Rows of the database.
    Database,
    /// The folder UPLOAD_PATH.
    Filesystem,
    /// The bucket S3_BUCKET.
    S3,
}

impl From<To> for Backend {
    fn from(to: To) -> Self {
        match to {
            To::Database => None,
            To::Filesystem => Some(Place::Filesystem),
            To::S3 => Some(Place::S3),
        }
    }
}

/// Copies, and gives what to print.
///
/// # Errors
/// A sentence: what could not be copied stays where it was.
pub async fn run(config: &Config, command: &Command) -> Result<String, String> {
    let Command::Copy { to } = command;
    let to = to.map_or(config.files.backend, Backend::from);
    let db = open(config).await?;
    let shown = Shown::of("Copying pictures");
    let done = copy(&db, &app::files(config), to, || Clock::default().now(), shown.progress()).await;
    drop(shown);
    db.close().await;
    let done = done.map_err(|error| format!("{error}. What was copied before is there; run it again."))?;
    for (path, why) in &done.failed {
        note(&format!("{path} stays where it is: {why}."));
    }
    let name = backend_name(to);
    let summary = format!("Copied {} files to {name}; {} were there already.", done.copied, done.there);
    if !done.failed.is_empty() {
        return Err(format!("{summary} {} could not be read.", done.failed.len()));
    }
    if done.changed > 0 {
        return Err(format!("{summary} {} changed meanwhile: run it again.", done.changed));
    }
    let rest = if config.files.backend == to {
        ""
    } else {
        " New ones still go to where FILE_BACKEND says: change that, too."
    };
    Ok(format!("{summary}{rest}"))
}
