//! Secrets that lie in files beside a declaration. One that is missing is made, once, whoever else starts at the same moment: it
//! waits beside its place (`NAME.new`) until the transaction has said whether it is the client's, and only then gets its name.
//! Replicas that share the folder share what waits; of those that don't the first one's counts.

use std::collections::BTreeMap;
use std::io::{self, ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use pid_core::entropy::ALPHANUMERIC;
use pid_core::settings::setting;
use pid_core::{ClientId, Entropy};
use pid_flows::Error;
use pid_flows::declared::{Declaration, Plan, Secret};
use pid_http::state::seed;
use pid_store::{Db, ReadTx, clients};
use serde_json::Value;

use super::Wanted;

/// Characters of a secret that is made.
const LENGTH: usize = 40;

/// A secret's file, from where the declaration is.
fn beside(file: &Path, name: &str) -> PathBuf {
    file.parent().unwrap_or(Path::new("")).join(name)
}

/// The files of clients' secrets, by client.
pub(super) fn files(wanted: &Wanted, declaration: &Declaration) -> BTreeMap<String, PathBuf> {
    let named = declaration.clients.iter().filter_map(|client| Some((client, client.secret.as_ref()?)));
    named.map(|(client, secret)| (client.client.id.clone(), beside(&wanted.file, &secret.file))).collect()
}

/// Where a secret waits.
fn waiting(path: &Path) -> PathBuf {
    path.with_added_extension("new")
}

fn read(path: &Path) -> Result<Option<String>, String> {
    match std::fs::read_to_string(path) {
        Ok(text) if text.trim().is_empty() => Err(format!("{} is empty.", path.display())),
        Ok(text) => Ok(Some(text.trim().to_owned())),
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(None),
        Err(e) => Err(format!("{} can't be read: {e}.", path.display())),
    }
}

/// The secret that waits beside a place, which nobody else can read; made if there is none.
fn made(path: &Path) -> Result<String, String> {
    let waiting = waiting(path);
    let make = || -> io::Result<()> {
        let folder = waiting.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        std::fs::create_dir_all(folder)?;
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        file.write_all(Entropy::new(seed()).text(ALPHANUMERIC, LENGTH).as_bytes())?;
        file.as_file().sync_all()?;
        match file.persist_noclobber(&waiting) {
            Err(e) if e.error.kind() != ErrorKind::AlreadyExists => Err(e.error),
            _ => std::fs::File::open(folder)?.sync_all(),
        }
    };
    if let Some(there) = read(&waiting)? {
        return Ok(there);
    }
    make().map_err(|e| format!("{} can't be written: {e}.", path.display()))?;
    read(&waiting)?.ok_or_else(|| format!("{} was taken away while it was made.", waiting.display()))
}

/// Reads the secrets, and makes those of clients that are missing.
pub(super) async fn plan(db: &Db, wanted: &Wanted, declaration: Declaration) -> Result<Plan, Vec<String>> {
    let (mut settings, mut secrets, mut errors) = (BTreeMap::new(), BTreeMap::new(), Vec::new());
    for (key, value) in &declaration.settings {
        let Some(name) = value.get("file").and_then(Value::as_str).filter(|_| setting(key).is_some()) else { continue };
        let path = beside(&wanted.file, name);
        match read(&path) {
            Ok(Some(value)) => _ = settings.insert(key.clone(), value),
            Ok(None) => errors.push(format!("settings.{key}: there is no file {}.", path.display())),
            Err(error) => errors.push(format!("settings.{key}: {error}")),
        }
    }
    for (id, path) in files(wanted, &declaration) {
        let secret = match read(&path) {
            Ok(Some(secret)) => Ok(Some(Secret::Given(secret))),
            Ok(None) if !wanted.dry_run && is_wanted(db, wanted, &id, &path).await? => {
                made(&path).map(|secret| Some(Secret::Made(secret)))
            }
            Ok(None) => Ok(None),
            Err(error) => Err(error),
        };
        match secret {
            Ok(secret) => secrets.extend(secret.map(|secret| (id, secret))),
            Err(error) => errors.push(format!("clients \"{id}\": {error}")),
        }
    }
    if !errors.is_empty() {
        return Err(errors);
    }
    let (prune, new_secrets, progress) = (wanted.prune, wanted.new_secrets, wanted.progress.clone());
    Ok(Plan { declaration, settings, secrets, new_secrets, prune, progress })
}

/// Whether a secret may be needed: the client has none, or one may be that which waits since a start that was cut off.
async fn is_wanted(db: &Db, wanted: &Wanted, id: &str, path: &Path) -> Result<bool, Vec<String>> {
    let id = ClientId::new(id);
    let has = db.read(move |tx: &ReadTx<'_>| clients::secrets(tx, &id).map_err(Error::from)).await;
    let has = has.map_err(|error| vec![format!("{}.", error.message)])?;
    Ok(wanted.new_secrets || has.is_empty() || waiting(path).exists())
}

/// Gives what was made its name, once it is the client's.
pub(super) fn keep(path: &Path) -> Result<(), String> {
    match std::fs::rename(waiting(path), path) {
        // Another replica that shares the folder did.
        Err(e) if e.kind() == ErrorKind::NotFound && path.exists() => Ok(()),
        other => other.map_err(|e| format!("{} can't be written: {e}. The secret waits in {0}.new.", path.display())),
    }
}

/// Removes what was made for nothing.
pub(super) fn discard(path: &Path) {
    let _ = std::fs::remove_file(waiting(path));
}
