//! Folders for the time of a piece of work. What a killed process leaves of them is found by its lock, which ended with it.

use std::fs::{File, TryLockError};
use std::io;
use std::path::Path;
use std::time::Duration;

use tempfile::TempDir;

const LOCK: &str = ".lock";
/// A folder without a lock is one that is just being made, or of a version that had none.
const OLD: Duration = Duration::from_secs(24 * 3600);

/// A folder that is removed with this.
pub struct Work {
    dir: TempDir,
    _lock: File,
}

impl Work {
    /// Makes one, and removes those that nobody works in any more.
    ///
    /// # Errors
    /// What the system says.
    pub fn begin(parent: &Path, prefix: &str) -> io::Result<Self> {
        sweep(parent, prefix);
        let dir = tempfile::Builder::new().prefix(prefix).tempdir_in(parent)?;
        let lock = File::create_new(dir.path().join(LOCK))?;
        // Where a file system has no locks, what a crash leaves stays until it is old.
        let _ = lock.try_lock();
        Ok(Self { dir, _lock: lock })
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.dir.path()
    }
}

fn sweep(parent: &Path, prefix: &str) {
    for entry in std::fs::read_dir(parent).into_iter().flatten().flatten() {
        let is_ours =
            entry.file_name().to_string_lossy().starts_with(prefix) && entry.file_type().is_ok_and(|t| t.is_dir());
        if is_ours && is_left(&entry.path()) && std::fs::remove_dir_all(entry.path()).is_ok() {
            tracing::info!(path = %entry.path().display(), "removed what was left of work that was broken off");
        }
    }
}

fn is_left(folder: &Path) -> bool {
    match File::open(folder.join(LOCK)) {
        Ok(lock) => !matches!(lock.try_lock(), Err(TryLockError::WouldBlock)),
        Err(_) => {
            std::fs::metadata(folder).and_then(|m| m.modified()).is_ok_and(|at| at.elapsed().is_ok_and(|age| age > OLD))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_works_in_goes_and_the_rest_stays() {
        let parent = tempfile::tempdir().unwrap();
        let working = Work::begin(parent.path(), ".w-").unwrap();
        // As a killed process leaves it: with a lock file that nobody holds.
        let left = parent.path().join(".w-left");
        std::fs::create_dir(&left).unwrap();
        std::fs::write(left.join(LOCK), "").unwrap();
        let (young, other) = (parent.path().join(".w-young"), parent.path().join("w-other"));
        std::fs::create_dir(&young).unwrap();
        std::fs::create_dir(&other).unwrap();
        let second = Work::begin(parent.path(), ".w-").unwrap();
        assert!(
            working.path().exists() && second.path().exists() && young.exists() && other.exists() && !left.exists()
        );
        let path = working.path().to_owned();
        drop(working);
        assert!(!path.exists());
    }
}
