//! The folder of uploaded files, beside a database that is read directly.

use std::collections::BTreeMap;
use std::path::Path;

use crate::SourceError;

/// The largest file that is read, bytes: no larger one could be exported and imported there.
pub(crate) const MAX_FILE: u64 = 50 * 1024 * 1024;
/// The most files, and the most bytes of them.
pub(crate) const MAX_FILES: usize = 300_000;
pub(crate) const MAX_BYTES: u64 = 4 * 1024 * 1024 * 1024;
const MAX_DEPTH: usize = 8;

/// Reads all files below a folder by their path within it. Links are not followed, so nothing from elsewhere is read.
///
/// # Errors
/// The folder can't be read, or holds more than can be.
pub fn read(folder: &Path) -> Result<BTreeMap<String, Vec<u8>>, SourceError> {
    let mut out = BTreeMap::new();
    let mut total = 0;
    walk(folder, "", 0, &mut out, &mut total)?;
    Ok(out)
}

fn walk(
    folder: &Path,
    prefix: &str,
    depth: usize,
    out: &mut BTreeMap<String, Vec<u8>>,
    total: &mut u64,
) -> Result<(), SourceError> {
    let trouble = |path: &Path, why: &dyn std::fmt::Display| SourceError(format!("{}: {why}", path.display()));
    if depth > MAX_DEPTH {
        return Err(trouble(folder, &"there are too many folders inside each other"));
    }
    for entry in std::fs::read_dir(folder).map_err(|e| trouble(folder, &e))? {
        let entry = entry.map_err(|e| trouble(folder, &e))?;
        let path = entry.path();
        let Ok(name) = entry.file_name().into_string() else { continue };
        let kind = entry.file_type().map_err(|e| trouble(&path, &e))?;
        let inner = format!("{prefix}{name}");
        if kind.is_dir() {
            walk(&path, &format!("{inner}/"), depth + 1, out, total)?;
        } else if kind.is_file() {
            let size = entry.metadata().map_err(|e| trouble(&path, &e))?.len();
            *total += size;
            if size > MAX_FILE || *total > MAX_BYTES || out.len() >= MAX_FILES {
                return Err(trouble(&path, &"there is more here than can be taken over"));
            }
            out.insert(inner, std::fs::read(&path).map_err(|e| trouble(&path, &e))?);
        }
    }
    Ok(())
}
