//! `pocket-id export`: moving out, or back, to Pocket ID (ops.md §2, §5).

use std::io::{Cursor, Write as _};
use std::path::Path;

use clap::Args;
use pid_core::progress::{Progress, Unit};
use pid_flows::export::{self, Keys, Leaving};
use pid_flows::keys::KeySealer;
use pid_jose::{Zeroizing, derive};
use pid_store::{Db, ReadTx, Target};

use super::progress::Shown;
use super::{ctx, note, open};
use crate::config::Config;
use crate::{app, encryption_key};

/// Where to.
#[derive(Debug, Args)]
pub struct Export {
    /// The archive to write; `-` is standard output.
    #[arg(long, short, value_name = "FILE", default_value = "pocket-id-export.zip")]
    path: String,
}

/// Exports, and gives what to print. The server may run meanwhile.
///
/// # Errors
/// A sentence that says what went wrong; then no archive was written.
pub async fn run(config: &Config, command: &Export) -> Result<Option<String>, String> {
    // What the environment says is for here; the archive takes what is stored.
    let db = open(&Config { settings: None, ..config.clone() }).await?;
    let shown = Shown::of("Opening the database");
    let progress = shown.progress();
    let read = read(config, &db, progress).await;
    db.close().await;
    let Leaving { mut data, elsewhere, report } = read?;
    let files = app::files(config);
    progress.count("Copying pictures", Unit::Files, elsewhere.len() as u64);
    for (name, placed) in progress.each(elsewhere) {
        let bytes = files.read(&placed).await.map_err(|e| format!("{e}. No archive was written."))?;
        data.files.insert(name, bytes.to_vec());
    }
    let archive = pid_upstream::write_archive(Cursor::new(Vec::new()), &data, ctx().now, progress);
    let archive = archive.map_err(|e| format!("{e}."))?;
    drop(shown);
    note(&report.to_string());
    if config.encryption_key.is_none()
        && let Target::Sqlite(path) = &config.database
    {
        let file = encryption_key::key_file(path);
        note(&format!(
            "The key in {} goes with it: start Pocket ID with ENCRYPTION_KEY_FILE naming a copy of it.",
            file.display()
        ));
    }
    store(&command.path, archive.get_ref())?;
    Ok((command.path != "-").then(|| format!("Exported data to {}", command.path)))
}

async fn read(config: &Config, db: &Db, progress: &Progress) -> Result<Leaving, String> {
    let encryption_key = encryption_key::existing_key(config, db).await.map_err(|e| e.to_string())?;
    let signup_token_key = *derive(&encryption_key, "signup-tokens").map_err(|e| format!("{e}."))?;
    let scim_token_key = *derive(&encryption_key, "scim-tokens").map_err(|e| format!("{e}."))?;
    let sealer = KeySealer::new(&encryption_key).map_err(|e| format!("{}.", e.message))?;
    let keys = Keys { encryption_key: Zeroizing::new(encryption_key), sealer, signup_token_key, scim_token_key };
    let (ctx, progress) = (ctx(), progress.clone());
    db.read(move |tx: &ReadTx<'_>| export::read(tx, &ctx, &keys, &progress))
        .await
        .map_err(|e| format!("{}.", e.message))
}

/// Writes a file that only its owner can read, whole or not at all: it has secrets in it.
fn store(path: &str, archive: &[u8]) -> Result<(), String> {
    let trouble = |e: std::io::Error| format!("The archive {path} can't be written: {e}.");
    if path == "-" {
        let mut out = std::io::stdout().lock();
        return out.write_all(archive).and_then(|()| out.flush()).map_err(trouble);
    }
    let folder = Path::new(path).parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(folder).map_err(trouble)?;
    file.write_all(archive).and_then(|()| file.as_file().sync_all()).map_err(trouble)?;
    file.persist(path).map(drop).map_err(|e| trouble(e.error))
}
