//! Uploads on their way to where they are kept, and back. Bytes that are kept beside the database are there before the
//! transaction that names them, and a note of them before that: whatever breaks in between, the job that removes what is
//! nobody's knows of them.

use bytes::Bytes;
use pid_core::Timestamp;
use pid_core::files::{Backend, Content};
use pid_core::progress::{Progress, Unit};
use pid_flows::{Error, Saying};
use pid_integrations::files::{Files, FilesError};
use pid_store::files as store;
use pid_store::{Db, ReadTx, WriteTx};

use crate::state::{App, seed};

/// Where pictures of a kind are kept: a folder of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Folder {
    /// Those that make an installation one's own.
    ApplicationImages,
    /// Clients' logos.
    ClientLogos,
    /// People's pictures.
    ProfilePictures,
}

impl Folder {
    fn name(self) -> &'static str {
        match self {
            Self::ApplicationImages => "application-images",
            Self::ClientLogos => "oidc-client-images",
            Self::ProfilePictures => "profile-pictures",
        }
    }

    /// The folder of a row's path; such as are not known are nobody's in particular.
    fn of(path: &str) -> &'static str {
        let all = [Self::ApplicationImages, Self::ClientLogos, Self::ProfilePictures];
        let first = path.split('/').next().unwrap_or_default();
        all.into_iter().map(Self::name).find(|name| *name == first).unwrap_or("files")
    }
}

fn extension(content_type: &str) -> &'static str {
    match content_type {
        "image/png" => "png",
        "image/jpeg" => "jpg",
        "image/svg+xml" => "svg",
        "image/webp" => "webp",
        "image/gif" => "gif",
        "image/x-icon" => "ico",
        _ => "bin",
    }
}

/// What somebody is told whose picture can't be kept or had; the operator reads more in the log.
pub(crate) fn unavailable(error: &FilesError) -> Error {
    tracing::error!(%error, "a file can't be kept or had");
    Error::say(Saying::FilesUnavailable, &[])
}

/// Keeps bytes where new files go, for a row that the next transaction writes.
///
/// # Errors
/// `service_unavailable`.
pub async fn keep(app: &App, folder: Folder, content_type: &str, bytes: Vec<u8>) -> Result<Content, Error> {
    let now = app.clock().now();
    match put(app.db(), app.files(), app.files().backend(), folder.name(), content_type, bytes, now).await {
        Ok(content) => Ok(content),
        Err(Trouble::Store(error)) => Err(error),
        Err(Trouble::Files(error)) => Err(unavailable(&error)),
    }
}

/// The bytes of a file.
///
/// # Errors
/// `service_unavailable`.
pub async fn load(app: &App, content: Content) -> Result<Bytes, Error> {
    match content {
        Content::Here(bytes) => Ok(bytes.into()),
        Content::There(placed) => app.files().get(&placed).await.map_err(|error| unavailable(&error)),
    }
}

/// Why something was not copied: a clause.
#[derive(Debug, thiserror::Error)]
pub enum Trouble {
    /// The database.
    #[error("{}", .0.message)]
    Store(#[from] Error),
    /// Where files are.
    #[error("{0}")]
    Files(#[from] FilesError),
}

async fn put(
    db: &Db,
    files: &Files,
    to: Backend,
    folder: &str,
    content_type: &str,
    bytes: Vec<u8>,
    now: Timestamp,
) -> Result<Content, Trouble> {
    let Some(place) = to else { return Ok(Content::Here(bytes)) };
    let name = format!("{}.{}", pid_core::Entropy::new(seed()).uuid(), extension(content_type));
    let key = files.key(place, folder, &name);
    let noted = key.clone();
    db.write(move |tx: &WriteTx<'_>| store::intend(tx, place, &noted, now).map_err(Error::from)).await?;
    Ok(Content::There(files.put(place, key, content_type, &bytes.into()).await?))
}

/// What a copy did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Copied {
    /// Files that are at their new place.
    pub copied: usize,
    /// Files that were there already.
    pub there: usize,
    /// Files that changed or went meanwhile: the next copy finds them.
    pub changed: usize,
    /// What could not be copied, and why.
    pub failed: Vec<(String, String)>,
}

/// Copies every file to a backend, one after the other, while servers serve: each is read back before its row says that it is
/// there, and what it leaves is removed an hour later. What can't be read stays as it is. It may be run again at any time.
///
/// # Errors
/// The database, or a backend that takes nothing.
pub async fn copy(
    db: &Db,
    files: &Files,
    to: Backend,
    now: impl Fn() -> Timestamp,
    progress: &Progress,
) -> Result<Copied, Trouble> {
    let (mut done, mut last) = (Copied::default(), String::new());
    let places = db.read(|tx: &ReadTx<'_>| store::places(tx).map_err(Error::from)).await?;
    progress.count("Copying pictures", Unit::Files, places.iter().map(|(_, n)| n.unsigned_abs()).sum());
    loop {
        let after = last.clone();
        let page = db.read(move |tx: &ReadTx<'_>| store::after(tx, &after).map_err(Error::from)).await?;
        let Some((end, _)) = page.last() else { return Ok(done) };
        last.clone_from(end);
        for (path, at) in page {
            if at == to {
                done.there += 1;
            } else {
                one(db, files, to, path, now(), &mut done).await?;
            }
            progress.add(1);
        }
    }
}

async fn one(
    db: &Db,
    files: &Files,
    to: Backend,
    path: String,
    now: Timestamp,
    done: &mut Copied,
) -> Result<(), Trouble> {
    let wanted = path.clone();
    let Some(file) = db.read(move |tx: &ReadTx<'_>| store::get(tx, &wanted).map_err(Error::from)).await? else {
        done.changed += 1;
        return Ok(());
    };
    let bytes = match &file.content {
        Content::Here(bytes) => bytes.clone(),
        Content::There(placed) => match files.read(placed).await {
            Ok(bytes) => bytes.to_vec(),
            Err(error) => {
                done.failed.push((path, error.to_string()));
                return Ok(());
            }
        },
    };
    let content = put(db, files, to, Folder::of(&path), &file.content_type, bytes, now).await?;
    if let Content::There(placed) = &content {
        // Not what was sent, but what is there.
        files.read(placed).await?;
    }
    let moved =
        db.write(move |tx: &WriteTx<'_>| store::moved(tx, &path, &file, &content, now).map_err(Error::from)).await?;
    *(if moved { &mut done.copied } else { &mut done.changed }) += 1;
    Ok(())
}

/// Removes what is nobody's, as far as it is due. Several replicas may do it at once. Tells how many are gone.
///
/// # Errors
/// The database. What can't be removed is tried again in an hour.
pub async fn remove_due(app: &App) -> Result<usize, Error> {
    let (now, mut gone) = (app.clock().now(), 0);
    loop {
        let due = app.db().read(move |tx: &ReadTx<'_>| store::due(tx, now).map_err(Error::from)).await?;
        let (wanted, before) = (due.len(), gone);
        for (place, key) in due {
            if let Err(error) = app.files().remove(place, &key).await {
                tracing::warn!(%error, "a file that is nobody's any more can't be removed; it is tried again");
                continue;
            }
            app.db().write(move |tx: &WriteTx<'_>| store::removed(tx, place, &key).map_err(Error::from)).await?;
            gone += 1;
        }
        // Those that can't be removed would come again.
        if gone - before < wanted || wanted == 0 {
            return Ok(gone);
        }
    }
}
