//! `pocket-id backup`: everything as of now in one file, while the server serves.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use clap::Args;
use pid_core::progress::Progress;
use pid_jobs::backup::{self, Made};
use pid_jose::Zeroizing;
use pid_jose::stream::FileSecret;
use pid_store::Target;

use super::progress::Shown;
use super::{ctx, note, open};
use crate::config::Config;
use crate::{app, encryption_key};

/// Where to, and how.
#[derive(Debug, Args)]
pub struct Backup {
    /// A file, or a folder that gets one with the time in its name; `-` is standard output.
    #[arg(long, short, value_name = "PATH", default_value = ".")]
    path: String,
    /// Seals it with the passphrase in this file. Default: what BACKUP_PASSPHRASE says.
    #[arg(long, value_name = "FILE", conflicts_with = "sealed")]
    passphrase_file: Option<PathBuf>,
    /// Seals it with the encryption key, whatever BACKUP_PASSPHRASE says.
    #[arg(long)]
    sealed: bool,
}

/// Makes a backup, and gives what to print.
///
/// # Errors
/// A sentence that says what went wrong; then there is no file.
pub async fn run(config: &Config, command: &Backup) -> Result<Option<String>, String> {
    let db = open(&Config { settings: None, ..config.clone() }).await?;
    let shown = Shown::of("Opening the database");
    let made = make(config, command, &db, shown.progress()).await;
    drop(shown);
    db.close().await;
    let (path, made) = made?;
    note(&about_key(config, &made));
    if !made.manifest.missing_files.is_empty() {
        note(&format!(
            "These pictures are not in it, since they are not where they should be: {}.",
            made.manifest.missing_files.join(", ")
        ));
    }
    Ok(path.map(|path| {
        let rows: i64 = made.manifest.rows.values().sum();
        format!("Backed up {rows} rows to {} ({} bytes)", path.display(), made.bytes)
    }))
}

async fn make(
    config: &Config,
    command: &Backup,
    db: &pid_store::Db,
    progress: &Progress,
) -> Result<(Option<PathBuf>, Made), String> {
    let key = encryption_key::existing_key(config, db).await.map_err(|e| e.to_string())?;
    let now = ctx().now;
    let secret = if command.sealed {
        Some(FileSecret::Key(Zeroizing::new(key)))
    } else {
        passphrase(config, command.passphrase_file.as_deref())?
    };
    let name = backup::file_name(now, secret.is_some());
    let files = app::files(config);
    let sentence = |error: backup::BackupError| format!("{error}.");
    let beside = key_beside(config);
    if command.path == "-" {
        let folder = tempfile::tempdir().map_err(|e| format!("No temporary folder can be made: {e}."))?;
        let to = folder.path().join(name);
        let made = backup::make(db, &files, &to, secret, beside, now, progress).await.map_err(sentence)?;
        let mut file = std::fs::File::open(&to).map_err(|e| format!("{e}."))?;
        let mut out = std::io::stdout().lock();
        let copied = std::io::copy(&mut file, &mut out).and_then(|_| out.flush());
        copied.map_err(|e| format!("The backup can't be written: {e}."))?;
        return Ok((None, made));
    }
    let path = Path::new(&command.path);
    let to = if path.is_dir() { path.join(name) } else { path.to_owned() };
    let made = backup::make(db, &files, &to, secret, beside, now, progress).await.map_err(sentence)?;
    Ok((Some(to), made))
}

/// The passphrase of a file, or the one that is configured.
pub(super) fn passphrase(config: &Config, file: Option<&Path>) -> Result<Option<FileSecret>, String> {
    let text = match file {
        None => config.backup_passphrase.clone(),
        Some(path) => {
            let text = std::fs::read_to_string(path);
            let text = text.map_err(|e| format!("The passphrase file {} can't be read: {e}.", path.display()))?;
            let text = text.trim().to_owned();
            if text.chars().count() < crate::config::SHORTEST_PASSPHRASE {
                return Err(format!("The passphrase in {} is too short.", path.display()));
            }
            Some(text)
        }
    };
    Ok(text.map(|text| FileSecret::Passphrase(Zeroizing::new(text))))
}

/// The key that lies beside the database, which a backup can take along.
pub(crate) fn key_beside(config: &Config) -> Option<Vec<u8>> {
    match &config.database {
        Target::Sqlite(path) if config.encryption_key.is_none() => std::fs::read(encryption_key::key_file(path)).ok(),
        _ => None,
    }
}

fn about_key(config: &Config, made: &Made) -> String {
    match (&config.database, made.has_key) {
        (_, true) => "The encryption key is in it.".to_owned(),
        (Target::Sqlite(path), false) if config.encryption_key.is_none() => format!(
            "The encryption key is not in it: keep a copy of {}. With a passphrase the key goes along.",
            encryption_key::key_file(path).display()
        ),
        _ => "The encryption key is not in it: keep ENCRYPTION_KEY somewhere else.".to_owned(),
    }
}
