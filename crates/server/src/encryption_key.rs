//! The encryption key: set, or a file that was made together with a new SQLite database; and the folder that it lies in.

use std::path::{Path, PathBuf};

use pid_core::Entropy;
use pid_flows::Error;
use pid_http::state::seed;
use pid_store::{Db, Options, Target, instance};

use crate::app::StartError;
use crate::config::Config;

const KEY_CHECK: &str = "key_check";
/// The file of a key that was made with its database.
const KEY_FILE: &str = "encryption.key";

/// Makes the data folder, and finds the encryption key or, only together with a new SQLite database, makes one.
pub(crate) fn prepare_data(config: &Config) -> Result<Vec<u8>, StartError> {
    make_data_dir(config)?;
    let key = find_key(config)?;
    key.keep()?;
    Ok(key.bytes)
}

pub(crate) fn make_data_dir(config: &Config) -> Result<(), StartError> {
    match config.data_dir() {
        Some(dir) if !dir.exists() => {
            make_private_dir(&dir).map_err(|cause| StartError::DataFolder { path: dir.display().to_string(), cause })
        }
        _ => Ok(()),
    }
}

/// An encryption key, and the file for it if it was made just now.
pub(crate) struct DataKey {
    pub(crate) bytes: Vec<u8>,
    file: Option<PathBuf>,
}

impl DataKey {
    /// Writes a new key down, but never over another that somebody made in the meantime.
    fn keep(&self) -> Result<(), StartError> {
        let Some(file) = &self.file else { return Ok(()) };
        let exists = if file.exists() { Err(std::io::ErrorKind::AlreadyExists.into()) } else { Ok(()) };
        let kept = exists.and_then(|()| write_private(file, &self.bytes));
        kept.map_err(|cause| StartError::DataFolder { path: file.display().to_string(), cause })
    }
}

/// Finds the encryption key or, only for a new SQLite database, makes one. Nothing is touched.
///
/// # Errors
/// [`StartError`].
pub(crate) fn find_key(config: &Config) -> Result<DataKey, StartError> {
    // Said before anything about keys: whoever starts us on another program's data needs that sentence.
    config.database.refuse_foreign()?;
    let known = |bytes| DataKey { bytes, file: None };
    if let Some(key) = &config.encryption_key {
        return Ok(known(key.clone()));
    }
    let Target::Sqlite(path) = &config.database else { return Err(StartError::NoKey) };
    let file = key_file(path);
    let trouble = |cause| StartError::DataFolder { path: file.display().to_string(), cause };
    match std::fs::read(&file) {
        Ok(key) if key.len() >= 16 => return Ok(known(key)),
        Ok(_) => return Err(StartError::KeyFile { path: file.display().to_string() }),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {}
        Err(e) => return Err(trouble(e)),
    }
    if !config.database.is_new_file() {
        return Err(StartError::NoKey);
    }
    Ok(DataKey { bytes: Entropy::new(seed()).token().into_bytes(), file: Some(file) })
}

/// The encryption key of a database that the server was started on, for the command line: what the key of an empty one is,
/// is not for it to decide.
///
/// # Errors
/// [`StartError`].
pub(crate) async fn existing_key(config: &Config, db: &Db) -> Result<Vec<u8>, StartError> {
    if db.read(|tx| instance::get(tx, KEY_CHECK).map_err(Error::from)).await?.is_none() {
        return Err(StartError::NeverStarted);
    }
    let encryption_key = prepare_data(config)?;
    settle_key(config, db, encryption_key).await
}

/// The database that an import is about to fill; it may be new. `key` is what [`find_key`] found.
///
/// # Errors
/// [`StartError`].
pub(crate) async fn open_for_import(config: &Config, options: Options, key: &DataKey) -> Result<Db, StartError> {
    make_data_dir(config)?;
    key.keep()?;
    let db = Db::open(&config.database, options).await?;
    match check_key(&db, &key.bytes).await {
        Ok(()) => Ok(db),
        Err(error) => {
            db.close().await;
            Err(error)
        }
    }
}

/// Where the key of a file is that was made with it.
pub(crate) fn key_file(database: &Path) -> PathBuf {
    database.with_file_name(KEY_FILE)
}

/// The encryption key that is set, or that lies beside the database.
pub(crate) fn known_key(config: &Config) -> Option<Vec<u8>> {
    config.encryption_key.clone().or_else(|| match &config.database {
        Target::Sqlite(path) => std::fs::read(key_file(path)).ok().filter(|key| key.len() >= 16),
        Target::Postgres(_) => None,
    })
}

fn make_private_dir(dir: &Path) -> std::io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(dir)
}

/// Writes a file that only its owner can read, whole or not at all, and waits until it is on disk.
pub(crate) fn write_private(path: &Path, content: &[u8]) -> std::io::Result<()> {
    use std::io::Write as _;
    let unfinished = path.with_extension("key.new");
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&unfinished)?;
    file.write_all(content)?;
    file.sync_all()?;
    std::fs::rename(&unfinished, path)?;
    // The name as well: losing the key after data was stored under it would lose the data.
    let dir = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    std::fs::File::open(dir)?.sync_all()
}

/// What tells whether a key is that of a database.
pub(crate) fn key_tag(encryption_key: &[u8]) -> Result<String, Error> {
    let tag = pid_jose::derive(encryption_key, "key-check").map_err(Error::internal)?;
    Ok(tag.iter().map(|b| format!("{b:02x}")).collect())
}

/// Says that a database's key is another one from now on.
pub(crate) fn put_key_tag(tx: &pid_store::WriteTx<'_>, tag: &str) -> Result<(), Error> {
    Ok(instance::put(tx, KEY_CHECK, tag)?)
}

/// Where a key waits that a rotation is about to make the key.
pub(crate) fn next_key_file(file: &Path) -> PathBuf {
    file.with_extension("key.next")
}

/// Puts the key that waits in the place of the old one.
pub(crate) fn adopt_next_key(file: &Path) -> std::io::Result<()> {
    std::fs::rename(next_key_file(file), file)?;
    let dir = file.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    std::fs::File::open(dir)?.sync_all()
}

/// Compares the key with the database's. A rotation that was cut off between its transaction and its file ends here.
pub(crate) async fn settle_key(config: &Config, db: &Db, key: Vec<u8>) -> Result<Vec<u8>, StartError> {
    let error = match check_key(db, &key).await {
        Ok(()) => return Ok(key),
        Err(error) => error,
    };
    if let (StartError::WrongKey, Target::Sqlite(path), None) = (&error, &config.database, &config.encryption_key) {
        let file = key_file(path);
        if let Ok(next) = std::fs::read(next_key_file(&file))
            && check_key(db, &next).await.is_ok()
        {
            adopt_next_key(&file)
                .map_err(|cause| StartError::DataFolder { path: file.display().to_string(), cause })?;
            return Ok(next);
        }
    }
    Err(error)
}

/// Compares the key with the value that was stored when the database was made. PostgreSQL and older files get theirs
/// on the first start.
pub(crate) async fn check_key(db: &Db, encryption_key: &[u8]) -> Result<(), StartError> {
    let tag = key_tag(encryption_key)?;
    let expected = tag.clone();
    let stored = db
        .write(move |tx| -> Result<Option<String>, Error> {
            instance::put_new(tx, KEY_CHECK, &tag)?;
            instance::put_new(tx, "instance_id", &Entropy::new(seed()).uuid())?;
            Ok(instance::get(tx, KEY_CHECK)?)
        })
        .await?;
    if stored.as_deref() == Some(expected.as_str()) { Ok(()) } else { Err(StartError::WrongKey) }
}
