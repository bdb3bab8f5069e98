//! The archive: a ZIP file with two entries, or three, whose names are known. Anything else is refused, so no name leads
//! anywhere, and nothing unpacks to more than was said (security cases 86, 109).

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read as _, Write as _};
use std::path::{Path, PathBuf};

use aws_lc_rs::digest::{Context, SHA256};
use pid_core::progress::{Progress, Unit};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipArchive, ZipWriter};

use super::{BackupError, DATABASE, FORMAT, KEY, Manifest, file_error, private_file};

const MANIFEST: &str = "manifest.json";
/// No manifest and no key is larger.
const SMALL: u64 = 64 * 1024;

/// What an archive may hold at most.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// How much larger than the archive its database may be, once it has more than [`Limits::free`] bytes.
    pub ratio: u64,
    /// Bytes that a database may have in any case.
    pub free: u64,
}

impl Default for Limits {
    fn default() -> Self {
        // Databases pack three to ten times.
        Self { ratio: 60, free: 16 << 20 }
    }
}

/// An archive that was unpacked.
#[derive(Debug)]
pub struct Opened {
    /// What it says of itself.
    pub manifest: Manifest,
    /// Where its database is now.
    pub database: PathBuf,
    /// The encryption key that came with it.
    pub key: Option<Vec<u8>>,
}

fn refused(why: impl std::fmt::Display) -> BackupError {
    BackupError::Archive(why.to_string())
}

/// Length and SHA-256 of a file.
pub(super) fn hash(path: &Path, progress: &Progress) -> io::Result<(u64, String)> {
    let mut to = Hashing { hash: Context::new(&SHA256), bytes: 0, to: io::sink() };
    let from = File::open(path)?;
    progress.count("Hashing", Unit::Bytes, from.metadata()?.len());
    io::copy(&mut progress.reading(from), &mut to)?;
    Ok((to.bytes, to.hex()))
}

/// Hashes what goes through.
struct Hashing<W> {
    hash: Context,
    bytes: u64,
    to: W,
}

impl<W> Hashing<W> {
    fn hex(self) -> String {
        self.hash.finish().as_ref().iter().map(|b| format!("{b:02x}")).collect()
    }
}

impl<W: io::Write> io::Write for Hashing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let n = self.to.write(bytes)?;
        self.hash.update(&bytes[..n]);
        self.bytes += n as u64;
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

pub(super) fn write(
    to: &Path,
    manifest: &Manifest,
    database: &Path,
    key: Option<&[u8]>,
    progress: &Progress,
) -> Result<(), BackupError> {
    let trouble = file_error(to);
    let mut archive = ZipWriter::new(BufWriter::new(private_file(to).map_err(&trouble)?));
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Deflated).large_file(true);
    let text = serde_json::to_vec_pretty(manifest).map_err(refused)?;
    let small = [(MANIFEST, Some(text.as_slice())), (KEY, key)];
    for (name, content) in small.into_iter().filter_map(|(name, content)| Some((name, content?))) {
        archive.start_file(name, options).map_err(refused)?;
        archive.write_all(content).map_err(&trouble)?;
    }
    archive.start_file(DATABASE, options).map_err(refused)?;
    progress.count("Packing", Unit::Bytes, manifest.bytes);
    let database = File::open(database).map_err(file_error(database))?;
    io::copy(&mut progress.reading(database), &mut archive).map_err(&trouble)?;
    archive.finish().map_err(refused)?.flush().map_err(&trouble)
}

pub(super) fn read(from: &Path, into: &Path, limits: &Limits, progress: &Progress) -> Result<Opened, BackupError> {
    let trouble = file_error(from);
    let file = File::open(from).map_err(&trouble)?;
    let length = file.metadata().map_err(&trouble)?.len();
    let mut archive =
        ZipArchive::new(BufReader::new(file)).map_err(|_| refused("it is no backup, or it is damaged"))?;
    if archive.has_duplicate_names() || archive.has_overlapping_entries().map_err(refused)? {
        return Err(refused("entries come twice"));
    }
    for at in 0..archive.len() {
        let entry = archive.by_index_raw(at).map_err(refused)?;
        let name = String::from_utf8_lossy(entry.name_raw()).into_owned();
        if ![MANIFEST, KEY, DATABASE].contains(&name.as_str()) || entry.is_dir() || entry.is_symlink() {
            return Err(refused(format!("it has an entry {name:?}, so it is no backup of this program")));
        }
    }
    let mut small = |name: &str| -> Result<Option<Vec<u8>>, BackupError> {
        let Ok(entry) = archive.by_name(name) else { return Ok(None) };
        let mut content = Vec::new();
        entry.take(SMALL + 1).read_to_end(&mut content).map_err(refused)?;
        if content.len() as u64 > SMALL { Err(refused(format!("{name} is too large"))) } else { Ok(Some(content)) }
    };
    let text = small(MANIFEST)?.ok_or_else(|| refused("it has no manifest, so it is no backup of this program"))?;
    let manifest: Manifest =
        serde_json::from_slice(&text).map_err(|e| refused(format!("its manifest can't be read: {e}")))?;
    let key = small(KEY)?;
    if manifest.program != "pocket-id-rs" || manifest.format == 0 {
        return Err(refused("it is no backup of this program"));
    }
    if manifest.format > FORMAT {
        return Err(refused(format!("version {} of this program made it. Use that, or a newer one", manifest.version)));
    }
    if manifest.bytes > limits.free && manifest.bytes / length.max(1) > limits.ratio {
        return Err(refused(format!("it would unpack from {length} to {} bytes", manifest.bytes)));
    }
    let database = into.join(DATABASE);
    let entry = archive.by_name(DATABASE).map_err(|_| refused("it has no database"))?;
    let mut to =
        Hashing { hash: Context::new(&SHA256), bytes: 0, to: private_file(&database).map_err(file_error(&database))? };
    progress.count("Unpacking", Unit::Bytes, manifest.bytes);
    // What an entry says of its size need not be true.
    io::copy(&mut progress.reading(entry.take(manifest.bytes + 1)), &mut to)
        .map_err(|e| refused(format!("it is damaged: {e}")))?;
    to.to.sync_all().map_err(file_error(&database))?;
    if to.bytes != manifest.bytes || to.hex() != manifest.sha256 {
        return Err(refused("its database is not the one that its manifest is about"));
    }
    Ok(Opened { manifest, database, key })
}
