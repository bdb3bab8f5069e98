//! Uploads that are kept beside the database: in a folder, or in a bucket of a server that speaks S3. A key is used once and its
//! bytes never change, so what was read once can be kept, and a hash tells whether what comes back is what was given.

mod disk;
mod s3;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use aws_lc_rs::digest::{SHA256, digest};
use bytes::Bytes;
use pid_core::files::{Backend, Place, Placed};

use crate::fetch::{FetchError, Fetcher};
use disk::Disk;
use s3::Bucket;
pub use s3::{S3, Wanted};

/// No file is larger, bytes. Uploads are far smaller.
const LARGEST: usize = 64 << 20;
/// What of them is held in memory, bytes.
const HELD: usize = 8 << 20;

/// Where files are, and where new ones go.
#[derive(Clone, Debug, Default)]
pub struct Places {
    /// Where new ones go.
    pub backend: Backend,
    /// The folder for those on disk.
    pub folder: PathBuf,
    /// The bucket, if there is one.
    pub s3: Option<S3>,
}

/// Why a file can't be had or kept: a clause for the operator. It never has anything of the file or of a credential in it.
#[derive(Debug, thiserror::Error)]
pub enum FilesError {
    /// It is not there.
    #[error("{place} has no {key}", place = .0.as_str(), key = .1)]
    Missing(Place, String),
    /// It is there, but it is not what was given.
    #[error("{key} in {place} is not what was stored there", place = .0.as_str(), key = .1)]
    Damaged(Place, String),
    /// A name that none of ours has.
    #[error("{0:?} is no name of a file")]
    Key(String),
    /// The disk.
    #[error("{path}: {cause}")]
    Disk {
        /// Which file.
        path: String,
        /// What the system said.
        cause: std::io::Error,
    },
    /// The S3 server is not reached.
    #[error("the S3 server can't be asked: {0}")]
    Unreached(#[from] FetchError),
    /// The S3 server refuses.
    #[error("the S3 server answers {status}{code}")]
    Refused {
        /// The status.
        status: u16,
        /// Its own word for why, with a blank before it; may be empty.
        code: String,
    },
    /// Nothing says which bucket.
    #[error("files are in S3, but S3_BUCKET is not set")]
    NoBucket,
}

/// The files.
#[derive(Clone)]
pub struct Files(Arc<Inner>);

struct Inner {
    backend: Backend,
    disk: Disk,
    bucket: Option<Bucket>,
    held: Mutex<HashMap<String, Bytes>>,
}

impl Files {
    /// The files of these places. An S3 server is asked by `fetcher`, and named by whoever runs this.
    #[must_use]
    pub fn new(places: Places, fetcher: Fetcher) -> Self {
        let bucket = places.s3.map(|s3| Bucket::new(s3, fetcher));
        let disk = Disk::new(places.folder);
        Self(Arc::new(Inner { backend: places.backend, disk, bucket, held: Mutex::default() }))
    }

    /// Where new files go.
    #[must_use]
    pub fn backend(&self) -> Backend {
        self.0.backend
    }

    fn bucket(&self) -> Result<&Bucket, FilesError> {
        self.0.bucket.as_ref().ok_or(FilesError::NoBucket)
    }

    /// The key of a new file at a place, from a folder of ours and a name that nobody had.
    #[must_use]
    pub fn key(&self, place: Place, folder: &str, name: &str) -> String {
        match (place, &self.0.bucket) {
            (Place::S3, Some(bucket)) => bucket.key(&format!("{folder}/{name}")),
            _ => format!("{folder}/{name}"),
        }
    }

    /// Keeps bytes under a new key. They are there for good when this returns.
    ///
    /// # Errors
    /// [`FilesError`].
    pub async fn put(
        &self,
        place: Place,
        key: String,
        content_type: &str,
        bytes: &Bytes,
    ) -> Result<Placed, FilesError> {
        checked(&key)?;
        let hash = digest(&SHA256, bytes);
        match place {
            Place::Filesystem => self.0.disk.put(&key, bytes.clone()).await?,
            Place::S3 => self.bucket()?.put(&key, content_type, bytes.clone(), hash.as_ref()).await?,
        }
        Ok(Placed { place, key, length: bytes.len() as u64, sha256: hex(hash.as_ref()) })
    }

    /// The bytes of a file, which are those that were given.
    ///
    /// # Errors
    /// [`FilesError`].
    pub async fn get(&self, placed: &Placed) -> Result<Bytes, FilesError> {
        // By their hash: what is held was checked.
        if let Some(bytes) = self.held().get(&placed.sha256) {
            return Ok(bytes.clone());
        }
        let bytes = self.read(placed).await?;
        let mut held = self.held();
        if bytes.len() <= HELD / 8 {
            if held.values().map(Bytes::len).sum::<usize>() + bytes.len() > HELD {
                held.clear();
            }
            held.insert(placed.sha256.clone(), bytes.clone());
        }
        Ok(bytes)
    }

    /// As [`Files::get`], but always from where they are.
    ///
    /// # Errors
    /// [`FilesError`].
    pub async fn read(&self, placed: &Placed) -> Result<Bytes, FilesError> {
        checked(&placed.key)?;
        let bytes = match placed.place {
            Place::Filesystem => self.0.disk.get(&placed.key).await?,
            Place::S3 => self.bucket()?.get(&placed.key).await?,
        };
        let same = bytes.len() as u64 == placed.length && hex(digest(&SHA256, &bytes).as_ref()) == placed.sha256;
        if same { Ok(bytes) } else { Err(FilesError::Damaged(placed.place, placed.key.clone())) }
    }

    /// Removes a file; one that is not there is fine.
    ///
    /// # Errors
    /// [`FilesError`].
    pub async fn remove(&self, place: Place, key: &str) -> Result<(), FilesError> {
        checked(key)?;
        match place {
            Place::Filesystem => self.0.disk.remove(key).await,
            Place::S3 => self.bucket()?.remove(key).await,
        }
    }

    fn held(&self) -> std::sync::MutexGuard<'_, HashMap<String, Bytes>> {
        self.0.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A key may come from an archive that somebody else made: it leads nowhere else.
fn checked(key: &str) -> Result<(), FilesError> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let good = |part: &str| !part.is_empty() && !part.starts_with('.') && part.chars().all(plain);
    if key.len() <= 512 && key.split('/').all(good) {
        Ok(())
    } else {
        Err(FilesError::Key(key.chars().take(100).collect()))
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_lead_nowhere_else() {
        for good in ["profile-pictures/0a.png", "a/b/c.d", "x"] {
            assert!(checked(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "/a",
            "a//b",
            "../a",
            "a/../b",
            "a/.b",
            ".a",
            "a\\b",
            "a b",
            "a%2e",
            "a/",
            "ä",
            "a\0b",
            &"x".repeat(513),
        ] {
            assert!(checked(bad).is_err(), "{bad:?}");
        }
    }
}
