//! Files in a folder that only their owner can read.

use std::fs::{self, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use pid_core::files::Place;

use super::{FilesError, LARGEST};

#[derive(Clone)]
pub(super) struct Disk(PathBuf);

/// Reading and writing take time, so they are done beside the requests.
async fn beside<T: Send + 'static>(
    path: PathBuf,
    work: fn(&Path, Bytes) -> io::Result<T>,
    bytes: Bytes,
) -> Result<T, FilesError> {
    let shown = path.display().to_string();
    let done = tokio::task::spawn_blocking(move || work(&path, bytes)).await.map_err(io::Error::other);
    done.flatten().map_err(|cause| FilesError::Disk { path: shown, cause })
}

impl Disk {
    pub(super) fn new(folder: PathBuf) -> Self {
        Self(folder)
    }

    pub(super) async fn put(&self, key: &str, bytes: Bytes) -> Result<(), FilesError> {
        beside(self.0.join(key), write, bytes).await
    }

    pub(super) async fn get(&self, key: &str) -> Result<Bytes, FilesError> {
        let found = beside(self.0.join(key), |path, _| read(path), Bytes::new()).await;
        missing(found, key)
    }

    pub(super) async fn remove(&self, key: &str) -> Result<(), FilesError> {
        match beside(self.0.join(key), |path, _| fs::remove_file(path), Bytes::new()).await {
            Err(FilesError::Disk { cause, .. }) if cause.kind() == io::ErrorKind::NotFound => Ok(()),
            other => other,
        }
    }
}

fn missing<T>(found: Result<T, FilesError>, key: &str) -> Result<T, FilesError> {
    match found {
        Err(FilesError::Disk { cause, .. }) if cause.kind() == io::ErrorKind::NotFound => {
            Err(FilesError::Missing(Place::Filesystem, key.to_owned()))
        }
        other => other,
    }
}

fn read(path: &Path) -> io::Result<Bytes> {
    let mut content = Vec::new();
    fs::File::open(path)?.take(LARGEST as u64).read_to_end(&mut content)?;
    Ok(content.into())
}

/// Whole or not at all, and on disk.
#[allow(clippy::needless_pass_by_value, reason = "it is handed to another thread")]
fn write(path: &Path, bytes: Bytes) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut made = fs::DirBuilder::new();
    made.recursive(true);
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    {
        std::os::unix::fs::DirBuilderExt::mode(&mut made, 0o700);
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    }
    made.create(folder)?;
    let unfinished = path.with_extension("tmp");
    let mut file = options.open(&unfinished)?;
    file.write_all(&bytes)?;
    file.sync_all()?;
    fs::rename(&unfinished, path)?;
    fs::File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_kept_comes_back_and_goes() {
        let folder = std::env::temp_dir().join(format!("pocket-id-disk-{}", std::process::id()));
        let disk = Disk::new(folder.join("uploads"));
        disk.put("a/b.png", Bytes::from_static(b"one")).await.unwrap();
        assert_eq!(disk.get("a/b.png").await.unwrap(), "one");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let mode = |path: &str| fs::metadata(folder.join(path)).unwrap().permissions().mode() & 0o777;
            assert_eq!((mode("uploads"), mode("uploads/a"), mode("uploads/a/b.png")), (0o700, 0o700, 0o600));
        }
        assert_eq!(fs::read_dir(folder.join("uploads/a")).unwrap().count(), 1, "nothing unfinished");
        disk.remove("a/b.png").await.unwrap();
        disk.remove("a/b.png").await.unwrap();
        assert!(matches!(disk.get("a/b.png").await, Err(FilesError::Missing(Place::Filesystem, _))));
        fs::remove_dir_all(folder).unwrap();
    }
}
