//! Backups: an archive with the whole database as of one moment, what was counted in it, and its hash; sealed if there is
//! a secret for that. It is made while the server serves, and looked through before it is called done.

mod archive;
pub mod schedule;
mod work;

use std::collections::BTreeMap;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use pid_core::Timestamp;
use pid_core::files::Place;
use pid_core::progress::{Progress, Unit};
use pid_integrations::files::{Files, FilesError};
use pid_jose::stream::{self, FileSecret};
use pid_store::Db;
use pid_store::backup::{self, Contents};
use serde::{Deserialize, Serialize};

pub use archive::{Limits, Opened};
pub use work::Work;

/// The format of archives.
const FORMAT: u32 = 1;
/// The database in an archive.
pub const DATABASE: &str = "pocket-id.db";
/// The encryption key in an archive: only where a passphrase seals it.
pub const KEY: &str = "encryption.key";

/// What an archive says of itself.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Manifest {
    /// `pocket-id-rs`.
    pub program: String,
    /// The format of the archive.
    pub format: u32,
    /// The version of the program that made it.
    pub version: String,
    /// The version of the database's schema.
    pub schema: i64,
    /// The moment that the database is of.
    pub created_at: Timestamp,
    /// Which engine it came from.
    pub engine: String,
    /// Bytes of the database.
    pub bytes: u64,
    /// SHA-256 of the database, hexadecimal.
    pub sha256: String,
    /// Rows by table.
    pub rows: BTreeMap<String, i64>,
    /// Uploads that were not where they should have been.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub missing_files: Vec<String>,
}

/// Why there is no backup, or why one can't be used. Each is a sentence for the operator.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// Files can't be read or written.
    #[error("{path}: {cause}")]
    File {
        /// Which.
        path: String,
        /// What the system said.
        cause: io::Error,
    },
    /// The archive is none of ours, or not whole.
    #[error("The archive can't be used: {0}")]
    Archive(String),
    /// It is sealed, and nothing was given to open it with.
    #[error("The archive is sealed {}", to_open(.passphrase))]
    Sealed {
        /// Whether a passphrase opens it.
        passphrase: bool,
    },
    /// What is in it.
    #[error("The archive can't be used: {0}")]
    Database(#[from] backup::BackupError),
    /// Uploads that are kept beside the database.
    #[error("The uploaded files can't be read: {0}")]
    Files(#[from] FilesError),
    /// The database that is backed up.
    #[error("The database can't be copied: {0}")]
    Copy(String),
}

/// What was made.
#[derive(Clone, Debug)]
pub struct Made {
    /// Bytes of the archive.
    pub bytes: u64,
    /// What it says of itself.
    pub manifest: Manifest,
    /// Whether the encryption key is in it.
    pub has_key: bool,
}

fn to_open(passphrase: &bool) -> &'static str {
    if *passphrase {
        "with a passphrase: give it by --passphrase-file or BACKUP_PASSPHRASE"
    } else {
        "with the encryption key of the installation that it is of: set ENCRYPTION_KEY to that"
    }
}

fn file_error(path: &Path) -> impl Fn(io::Error) -> BackupError {
    move |cause| BackupError::File { path: path.display().to_string(), cause }
}

/// The folder of a file.
fn folder(path: &Path) -> &Path {
    path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Makes a backup in a file, whole or not at all. `key` goes with it if a passphrase seals it.
///
/// # Errors
/// [`BackupError`]; then there is no file.
pub async fn make(
    db: &Db,
    files: &Files,
    to: &Path,
    secret: Option<FileSecret>,
    key: Option<Vec<u8>>,
    now: Timestamp,
    progress: &Progress,
) -> Result<Made, BackupError> {
    let work = Work::begin(folder(to), ".pocket-id-backup-").map_err(file_error(to))?;
    let copy = work.path().join(DATABASE);
    db.copy_to(&copy, now.millis(), progress).await.map_err(|error| BackupError::Copy(error.to_string()))?;
    let missing_files = gather(&copy, files, progress).await?;
    let (engine, to) = (backup::engine_name(db.engine()).to_owned(), to.to_owned());
    let progress = progress.clone();
    let pack = move || -> Result<Made, BackupError> {
        progress.begin("Checking the copy");
        let Contents { schema, rows } = backup::examine(&copy)?;
        let (bytes, sha256) = archive::hash(&copy, &progress).map_err(file_error(&copy))?;
        let manifest = Manifest {
            program: "pocket-id-rs".to_owned(),
            format: FORMAT,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            schema,
            created_at: now,
            engine,
            bytes,
            sha256,
            rows,
            missing_files,
        };
        let key = key.filter(|_| secret.as_ref().is_some_and(FileSecret::is_passphrase));
        let mut packed = work.path().join("archive.zip");
        archive::write(&packed, &manifest, &copy, key.as_deref(), &progress)?;
        if let Some(secret) = &secret {
            let sealed = work.path().join("archive.sealed");
            let trouble = file_error(&sealed);
            let from = std::fs::File::open(&packed).map_err(&trouble)?;
            progress.count("Sealing", Unit::Bytes, from.metadata().map_err(&trouble)?.len());
            let mut from = progress.reading(io::BufReader::new(from));
            let mut into = io::BufWriter::new(private_file(&sealed).map_err(&trouble)?);
            stream::seal_file(secret, &mut from, &mut into).map_err(|e| BackupError::Copy(e.to_string()))?;
            into.flush().map_err(&trouble)?;
            packed.clone_from(&sealed);
        }
        let file = std::fs::File::open(&packed).map_err(file_error(&packed))?;
        let bytes = file.sync_all().and_then(|()| file.metadata()).map_err(file_error(&packed))?.len();
        std::fs::rename(&packed, &to).map_err(file_error(&to))?;
        std::fs::File::open(folder(&to)).and_then(|folder| folder.sync_all()).map_err(file_error(&to))?;
        Ok(Made { bytes, manifest, has_key: key.is_some() })
    };
    tokio::task::spawn_blocking(pack).await.map_err(|e| BackupError::Copy(e.to_string()))?
}

/// Brings what is kept elsewhere into the copy of the database, so that a backup is whole by itself. Gives what is not where it
/// should be: for a lost picture there are still backups.
async fn gather(copy: &Path, files: &Files, progress: &Progress) -> Result<Vec<String>, BackupError> {
    let (mut missing, elsewhere) = (Vec::new(), backup::elsewhere(copy).map_err(copy_error)?);
    progress.count("Copying pictures", Unit::Files, elsewhere.len() as u64);
    for (path, placed) in progress.each(elsewhere) {
        match files.read(&placed).await {
            Ok(bytes) => backup::bring(copy, &path, &bytes, true).map_err(copy_error)?,
            Err(FilesError::Missing(..) | FilesError::Damaged(..)) => missing.push(path),
            Err(error) => return Err(error.into()),
        }
    }
    backup::forget_removals(copy).map_err(copy_error)?;
    if !missing.is_empty() {
        tracing::warn!(?missing, "uploads are not in the backup, since they are not where they should be");
    }
    Ok(missing)
}

/// Brings what is kept elsewhere into a database that was replaced and is kept, so that it needs nothing else should it come back.
/// Gives what nothing needs there any more, and the pictures that could not be had, which stay.
///
/// # Errors
/// The file can't be read or written.
pub async fn make_whole(
    kept: &Path,
    files: &Files,
    progress: &Progress,
) -> Result<(Vec<(Place, String)>, Vec<String>), BackupError> {
    if !backup::knows_elsewhere(kept).map_err(copy_error)? {
        return Ok(Default::default());
    }
    let (mut free, mut stay) = (backup::removals(kept).map_err(copy_error)?, Vec::new());
    let elsewhere = backup::elsewhere(kept).map_err(copy_error)?;
    progress.count("Keeping the old pictures", Unit::Files, elsewhere.len() as u64);
    for (path, placed) in progress.each(elsewhere) {
        match files.read(&placed).await {
            Ok(bytes) => {
                backup::bring(kept, &path, &bytes, false).map_err(copy_error)?;
                free.push((placed.place, placed.key));
            }
            Err(error) => stay.push(format!("{path} ({error})")),
        }
    }
    Ok((free, stay))
}

#[allow(clippy::needless_pass_by_value, reason = "it maps errors")]
fn copy_error(error: pid_store::StoreError) -> BackupError {
    BackupError::Copy(error.to_string())
}

fn private_file(path: &Path) -> io::Result<std::fs::File> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// Unpacks a backup into a folder of ours and looks through it; nothing else is touched.
///
/// # Errors
/// [`BackupError`]: it is refused whole.
pub fn open(
    from: &Path,
    secrets: &[FileSecret],
    into: &Path,
    limits: &Limits,
    progress: &Progress,
) -> Result<Opened, BackupError> {
    let mut packed = from.to_owned();
    let trouble = file_error(from);
    let mut head = Vec::new();
    let mut file = std::fs::File::open(from).map_err(&trouble)?;
    io::Read::read_to_end(&mut io::Read::take(&mut file, stream::MAGIC.len() as u64 + 1), &mut head)
        .map_err(&trouble)?;
    if let Some(passphrase) = stream::wants_passphrase(&head) {
        packed = into.join("archive.zip");
        unseal(from, &packed, secrets, passphrase, progress)?;
    }
    let opened = archive::read(&packed, into, limits, progress)?;
    if packed != from {
        std::fs::remove_file(&packed).map_err(file_error(&packed))?;
    }
    progress.begin("Checking the backup");
    let contents = backup::examine(&opened.database)?;
    if contents.schema != opened.manifest.schema || contents.rows != opened.manifest.rows {
        return Err(BackupError::Archive("its database holds something else than its manifest says".to_owned()));
    }
    Ok(opened)
}

fn unseal(
    from: &Path,
    to: &Path,
    secrets: &[FileSecret],
    passphrase: bool,
    progress: &Progress,
) -> Result<(), BackupError> {
    let trouble = file_error(from);
    let mut outcome = Err(BackupError::Sealed { passphrase });
    for secret in secrets.iter().filter(|secret| secret.is_passphrase() == passphrase) {
        let sealed = std::fs::File::open(from).map_err(&trouble)?;
        progress.count("Opening what is sealed", Unit::Bytes, sealed.metadata().map_err(&trouble)?.len());
        let mut sealed = progress.reading(io::BufReader::new(sealed));
        let _ = std::fs::remove_file(to);
        let mut plain = io::BufWriter::new(private_file(to).map_err(file_error(to))?);
        match stream::open_file(secret, &mut sealed, &mut plain) {
            Ok(()) => return plain.flush().map_err(file_error(to)),
            Err(error) => outcome = Err(BackupError::Archive(error.to_string())),
        }
    }
    outcome
}

/// The name of an archive that is made now.
#[must_use]
pub fn file_name(now: Timestamp, sealed: bool) -> String {
    // Without what some file systems don't let names have; the order of names is that of time.
    let stamp = now.to_string().replace(':', "-");
    format!("{PREFIX}{stamp}.zip{}", if sealed { ".sealed" } else { "" })
}

const PREFIX: &str = "pocket-id-backup-";

/// The archives in a folder, the oldest first.
///
/// # Errors
/// The folder can't be read.
pub fn archives(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with(PREFIX) && (name.ends_with(".zip") || name.ends_with(".zip.sealed")) {
            found.push(entry.path());
        }
    }
    found.sort();
    Ok(found)
}
