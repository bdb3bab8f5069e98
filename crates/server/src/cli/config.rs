//! `pocket-id config`: is the environment understood, before anything is started with it? And the file that declares what is
//! there.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::Subcommand;
use pid_flows::declared;
use pid_store::ReadTx;

use super::{note, open};
use crate::config::{self, Config};
use crate::declared::Format;

/// What to do with the configuration.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Reads and checks every variable, files included, and starts nothing. Exit code 1 if one is bad.
    Check {
        /// Answers in JSON: ok, errors, notes.
        #[arg(long)]
        json: bool,
    },
    /// Writes the file that declares what is there now. Secrets are not in it.
    Export {
        /// Where to; the name says the format. Default: standard output.
        #[arg(long, short, value_name = "FILE")]
        path: Option<PathBuf>,
        /// The format of standard output.
        #[arg(long, default_value = "toml")]
        format: Format,
    },
    /// Prints the JSON Schema of such files, for editors.
    Schema,
}

/// The schema of declarations.
#[must_use]
pub fn schema() -> String {
    serde_json::to_string_pretty(&pid_flows::declared::schema()).unwrap_or_default()
}

/// Writes what is there, and gives what to print.
///
/// # Errors
/// A sentence that says what went wrong.
pub async fn run(config: &Config, command: &Command) -> Result<Option<String>, String> {
    let Command::Export { path, format } = command else { return Ok(None) };
    let format = match path {
        Some(path) => {
            Format::of(path).ok_or_else(|| format!("{} must be called .toml, .yaml or .json.", path.display()))?
        }
        None => *format,
    };
    let db = open(&Config { settings: None, ..config.clone() }).await?;
    let written = db.read(|tx: &ReadTx<'_>| declared::written(tx)).await;
    db.close().await;
    let (declaration, notes) = written.map_err(|e| format!("{}.", e.message))?;
    notes.iter().for_each(|text| note(text));
    let text = declared::content(&declaration).map_err(|e| format!("{}.", e.message)).and_then(|v| format.write(&v))?;
    let Some(path) = path else { return Ok(Some(text.trim_end().to_owned())) };
    std::fs::write(path, text).map_err(|e| format!("{} can't be written: {e}.", path.display()))?;
    Ok(Some(format!("Wrote {}", path.display())))
}

/// What the check says, and whether all is well.
pub fn check(env: Result<BTreeMap<String, String>, Vec<String>>, json: bool) -> (String, bool) {
    let notes = env.as_ref().map(config::notes).unwrap_or_default();
    let read = env.and_then(|env| Config::read(&env));
    let ok = read.is_ok();
    let errors = read.as_ref().err().cloned().unwrap_or_default();
    if json {
        return (serde_json::json!({ "ok": ok, "errors": errors, "notes": notes }).to_string(), ok);
    }
    let mut lines: Vec<String> = errors.iter().map(|e| format!("error: {e}")).collect();
    lines.extend(notes.iter().map(|n| format!("note: {n}")));
    if let Ok(config) = read {
        lines.push(format!("The configuration is good: {}, data in {}.", config.app_url.origin, config.database));
    }
    (lines.join("\n"), ok)
}
