//! `pocket-id apply`: what a file declares. The server may run or not.

use std::path::PathBuf;

use clap::Args;
use pid_flows::keys::KeySealer;

use super::progress::Shown;
use super::{ctx, open};
use crate::config::Config;
use crate::declared::{Wanted, apply, line};
use crate::encryption_key;

/// What to carry out, and how.
#[derive(Debug, Args)]
pub struct Apply {
    /// The file: .toml, .yaml or .json.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Removes what was declared once and is no more.
    #[arg(long)]
    prune: bool,
    /// Says what would change, and changes nothing. Exit code 2 if something would.
    #[arg(long)]
    dry_run: bool,
    /// Makes secrets of clients anew whose files are gone; the old ones end.
    #[arg(long)]
    new_secrets: bool,
}

/// What there is to print, and whether that is a drift that a dry run found.
///
/// # Errors
/// Sentences that say what is wrong; then nothing was changed.
pub async fn run(config: &Config, command: &Apply) -> Result<(String, bool), String> {
    let db = open(config).await?;
    let shown = Shown::of("Reading what is declared");
    let wanted = Wanted {
        file: command.file.clone(),
        prune: command.prune,
        new_secrets: command.new_secrets,
        dry_run: command.dry_run,
        leave_secrets: false,
        progress: shown.progress().clone(),
    };
    let done = async {
        let key = encryption_key::existing_key(config, &db).await.map_err(|e| vec![e.to_string()])?;
        let sealer = KeySealer::new(&key).map_err(|e| vec![format!("{}.", e.message)])?;
        apply(&db, &sealer, ctx(), &wanted).await
    };
    let done = done.await;
    drop(shown);
    db.close().await;
    let (done, _) = done.map_err(|errors| format!("{}\nNothing was changed.", errors.join("\n")))?;
    if done.is_empty() {
        return Ok(("Everything is as declared.".to_owned(), false));
    }
    let mut lines: Vec<String> = done.iter().map(line).collect();
    lines.push(if command.dry_run {
        format!("{} differences. This was a dry run: nothing was changed.", done.len())
    } else {
        format!("{} differences, which are no more.", done.len())
    });
    Ok((lines.join("\n"), command.dry_run))
}
