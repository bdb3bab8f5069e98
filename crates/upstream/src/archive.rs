//! The export archive, a ZIP file (ops.md §5.1). It may come from anywhere, so it is refused whole if anything about it is
//! not as it should be, before anything is done (security case 86).

use std::collections::BTreeMap;
use std::io::{Read, Seek, Write};

use pid_core::Timestamp;
use pid_core::progress::{Progress, Unit};
use zip::result::ZipError;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipArchive, ZipWriter};

use crate::data::Data;
use crate::{files, francis, json, schema};

const DATABASE: &str = "database.json";
const ACTORS: &str = "francis.bin";
const UPLOADS: &str = "uploads/";

/// What an archive may hold at most.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes of the archive itself.
    pub archive: u64,
    /// Entries.
    pub entries: usize,
    /// Bytes of `database.json`.
    pub database: u64,
    /// Bytes of any other file: no larger one is taken there.
    pub file: u64,
    /// Bytes of all together.
    pub total: u64,
    /// How much larger than in the archive a file of more than a megabyte may be; `database.json` four times that.
    pub ratio: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            archive: files::MAX_BYTES,
            entries: files::MAX_FILES,
            database: 1024 * 1024 * 1024,
            file: files::MAX_FILE,
            total: files::MAX_BYTES,
            ratio: 200,
        }
    }
}

/// Why an archive is refused, for the operator.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// No ZIP file, or a damaged one.
    #[error("The archive is not a ZIP file, or it is damaged: {0}")]
    Zip(String),
    /// Nothing of Pocket ID.
    #[error("The archive has no database.json: it is no export of Pocket ID")]
    NoDatabase,
    /// `database.json` is something else.
    #[error("The archive's database.json can't be read: {0}")]
    Database(String),
    /// `francis.bin` is something else.
    #[error("The archive's francis.bin can't be read: {0}")]
    Actors(String),
    /// From before there were exports.
    #[error("The archive's schema version {0} is older than any that was ever exported")]
    Version(u64),
    /// A name that leads out of the archive, or can be read in two ways.
    #[error("The archive has an entry with the name {0:?}, which is not allowed")]
    Name(String),
    /// Two entries of one name, or in one place.
    #[error("The archive has entries of the same name, or that lie over each other")]
    Duplicate,
    /// A link.
    #[error("The archive's entry {0:?} is a link")]
    Link(String),
    /// More than [`Limits`] allow.
    #[error("The archive is too large: {0}")]
    TooLarge(String),
}

impl From<ZipError> for ArchiveError {
    fn from(error: ZipError) -> Self {
        Self::Zip(error.to_string())
    }
}

/// Reads an archive.
///
/// # Errors
/// [`ArchiveError`].
pub fn read(mut source: impl Read + Seek, limits: &Limits) -> Result<Data, ArchiveError> {
    let too_large = |what: &str, most: u64| ArchiveError::TooLarge(format!("{what}, at most {most} are taken"));
    let length = source.seek(std::io::SeekFrom::End(0)).map_err(|e| ArchiveError::Zip(e.to_string()))?;
    if length > limits.archive {
        return Err(too_large(&format!("it has {length} bytes"), limits.archive));
    }
    let mut archive = ZipArchive::new(source)?;
    if archive.len() > limits.entries {
        return Err(too_large(&format!("it has {} entries", archive.len()), limits.entries as u64));
    }
    if archive.has_duplicate_names() || archive.has_overlapping_entries()? {
        return Err(ArchiveError::Duplicate);
    }
    let (mut database, mut actors) = (None, None);
    let (mut found, mut unread, mut left) = (BTreeMap::new(), Vec::new(), limits.total);
    for at in 0..archive.len() {
        let mut entry = archive.by_index(at)?;
        let name = checked_name(entry.name_raw())?;
        if entry.is_symlink() {
            return Err(ArchiveError::Link(name));
        }
        if entry.is_dir() {
            continue;
        }
        let most = if name == DATABASE { limits.database } else { limits.file };
        let (size, packed) = (entry.size(), entry.compressed_size());
        // Rows are alike, so a long log packs well.
        let ratio = if name == DATABASE { limits.ratio * 4 } else { limits.ratio };
        let is_bomb = size > 1024 * 1024 && size / packed.max(1) > ratio;
        if size > most.min(left) || is_bomb {
            return Err(too_large(&format!("{name:?} unpacks from {packed} to {size} bytes"), most.min(left)));
        }
        let known = name == DATABASE || name == ACTORS || name.starts_with(UPLOADS);
        if !known {
            unread.push(format!("the file {name} of the archive"));
            continue;
        }
        let mut content = Vec::new();
        // What an entry says of its size need not be true.
        let n = entry
            .by_ref()
            .take(size + 1)
            .read_to_end(&mut content)
            .map_err(|e| ArchiveError::Zip(format!("{name}: {e}")))?;
        if n as u64 != size {
            return Err(ArchiveError::Zip(format!("{name} has not the size that is written")));
        }
        left -= size;
        match name.strip_prefix(UPLOADS) {
            Some(path) => drop(found.insert(path.to_owned(), content)),
            None if name == DATABASE => database = Some(content),
            None => actors = Some(content),
        }
    }
    let database = database.ok_or(ArchiveError::NoDatabase)?;
    let mut data = json::read(&database).map_err(|e| ArchiveError::Database(e.to_string()))?;
    if data.version < schema::OLDEST {
        return Err(ArchiveError::Version(data.version));
    }
    if let Some(actors) = actors {
        data.actors = Some(francis::read(&actors).map_err(|e| ArchiveError::Actors(e.to_string()))?);
    }
    // The original program doesn't write these tables; whoever did meant nothing by them.
    data.tables.retain(|name, _| !name.starts_with("francis_") && name != "schema_migrations" && name != "storage");
    (data.files, data.unread) = (found, unread);
    Ok(data)
}

/// A name that leads nowhere but into the archive, and that every system reads alike.
fn checked_name(raw: &[u8]) -> Result<String, ArchiveError> {
    let refused = || ArchiveError::Name(String::from_utf8_lossy(raw).into_owned());
    let name = std::str::from_utf8(raw).map_err(|_| refused())?;
    let odd = |c: char| c == '\\' || c == ':' || c.is_control();
    // CIMD logos are named by a hash, so no name has a colon.
    let parts = name.strip_suffix('/').unwrap_or(name).split('/');
    if name.len() > 1024 || name.contains(odd) || parts.into_iter().any(|part| matches!(part, "" | "." | "..")) {
        return Err(refused());
    }
    Ok(name.to_owned())
}

/// Writes an archive.
///
/// # Errors
/// The target can't be written.
pub fn write<W: Write + Seek>(target: W, data: &Data, now: Timestamp, progress: &Progress) -> Result<W, ArchiveError> {
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Deflated);
    let mut archive = ZipWriter::new(target);
    progress.begin("Packing");
    let database = json::write(data).map_err(|e| ArchiveError::Database(e.to_string()))?;
    let actors = francis::write(data.actors.as_deref().unwrap_or_default(), now);
    let first = [(DATABASE.to_owned(), &database), (ACTORS.to_owned(), &actors)];
    let uploads = data.files.iter().map(|(path, content)| (format!("{UPLOADS}{path}"), content));
    let all: usize = database.len() + actors.len() + data.files.values().map(Vec::len).sum::<usize>();
    progress.count("Packing", Unit::Bytes, all as u64);
    for (name, content) in first.into_iter().chain(uploads) {
        archive.start_file(name, options)?;
        std::io::copy(&mut progress.reading(content.as_slice()), &mut archive)
            .map(drop)
            .map_err(|e| ArchiveError::Zip(e.to_string()))?;
    }
    Ok(archive.finish()?)
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;
    use crate::{Cell, Table};

    const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);

    fn zip(entries: &[(&str, &[u8])]) -> Vec<u8> {
        let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
        for (name, content) in entries {
            archive.start_file(*name, SimpleFileOptions::default()).unwrap();
            archive.write_all(content).unwrap();
        }
        archive.finish().unwrap().into_inner()
    }

    const EMPTY: &[u8] = br#"{"provider":"sqlite","version":20260814120000,"tables":{}}"#;

    fn refused(entries: &[(&str, &[u8])]) -> ArchiveError {
        let entries: Vec<_> = [(DATABASE, EMPTY)].into_iter().chain(entries.iter().copied()).collect();
        read(Cursor::new(zip(&entries)), &Limits::default()).unwrap_err()
    }

    fn sample() -> Vec<u8> {
        let mut data = Data { provider: "sqlite".to_owned(), version: schema::VERSION, ..Data::default() };
        let table =
            Table { rows: vec![vec![Cell::Text("a".to_owned()), Cell::Bytes(vec![1])]], ..Table::with(&["id", "key"]) };
        data.tables.insert("t".to_owned(), table);
        data.files.insert("profile-pictures/a.png".to_owned(), vec![7; 100]);
        write(Cursor::new(Vec::new()), &data, NOW, &Progress::default()).unwrap().into_inner()
    }

    #[test]
    fn an_archive_goes_out_and_comes_back() {
        let data = read(Cursor::new(sample()), &Limits::default()).unwrap();
        assert_eq!((data.version, data.actors.as_deref()), (schema::VERSION, Some(&[][..])));
        assert_eq!(data.rows("t").next().unwrap().bytes("key").unwrap(), [1]);
        assert_eq!(data.files["profile-pictures/a.png"], [7; 100]);
        let more: &[(&str, &[u8])] = &[(DATABASE, EMPTY), ("notes.txt", b"hi"), ("uploads/", b"")];
        assert_eq!(
            read(Cursor::new(zip(more)), &Limits::default()).unwrap().unread,
            ["the file notes.txt of the archive"]
        );
    }

    #[test]
    fn case_086_names_that_lead_elsewhere_are_refused() {
        for name in [
            "../x",
            "uploads/../../x",
            "/etc/passwd",
            "uploads//x",
            "uploads/./x",
            "uploads\\x",
            "C:/x",
            "uploads/a\0b",
            "uploads/a\nb",
        ] {
            assert!(matches!(refused(&[(name, b"x")]), ArchiveError::Name(_)), "{name}");
        }
    }

    #[test]
    fn case_086_links_and_duplicates_are_refused() {
        let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
        archive.start_file(DATABASE, SimpleFileOptions::default()).unwrap();
        archive.write_all(EMPTY).unwrap();
        archive.add_symlink("uploads/x", "/etc/passwd", SimpleFileOptions::default()).unwrap();
        let linked = archive.finish().unwrap().into_inner();
        assert!(matches!(read(Cursor::new(linked), &Limits::default()), Err(ArchiveError::Link(_))));
        // The library writes no duplicates, so a name is changed into another's.
        let twice = zip(&[(DATABASE, EMPTY), ("uploads/a", b"1"), ("uploads/b", b"2")]);
        let twice = replace(&twice, b"uploads/b", b"uploads/a");
        assert!(matches!(
            read(Cursor::new(twice), &Limits::default()),
            Err(ArchiveError::Duplicate | ArchiveError::Zip(_))
        ));
    }

    fn replace(bytes: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
        let mut out = bytes.to_vec();
        while let Some(at) = out.windows(from.len()).position(|w| w == from) {
            out[at..at + from.len()].copy_from_slice(to);
        }
        out
    }

    #[test]
    fn case_086_bombs_are_refused() {
        let zeros = vec![0; 3 * 1024 * 1024];
        assert!(matches!(refused(&[("uploads/x", &zeros)]), ArchiveError::TooLarge(_)), "a ratio of a thousand");
        let entries = [(DATABASE, EMPTY), ("uploads/a", b"12345".as_slice()), ("uploads/b", b"12345")];
        let with = |limits| read(Cursor::new(zip(&entries)), &limits).map(drop);
        assert!(with(Limits::default()).is_ok());
        for limits in [
            Limits { archive: 100, ..Limits::default() },
            Limits { entries: 2, ..Limits::default() },
            Limits { database: 10, ..Limits::default() },
            Limits { file: 4, ..Limits::default() },
            Limits { total: EMPTY.len() as u64 + 9, ..Limits::default() },
        ] {
            assert!(matches!(with(limits), Err(ArchiveError::TooLarge(_))), "{limits:?}");
        }
    }

    #[test]
    fn what_is_no_export_is_refused_with_its_reason() {
        let of = |entries: &[(&str, &[u8])]| read(Cursor::new(zip(entries)), &Limits::default()).unwrap_err();
        assert!(matches!(of(&[("a", b"")]), ArchiveError::NoDatabase));
        assert!(matches!(of(&[(DATABASE, b"{")]), ArchiveError::Database(_)));
        assert!(matches!(of(&[(DATABASE, br#"{"version":1,"tables":{}}"#)]), ArchiveError::Version(1)));
        assert!(matches!(refused(&[(ACTORS, b"x")]), ArchiveError::Actors(_)));
        assert!(matches!(read(Cursor::new(b"PK".to_vec()), &Limits::default()), Err(ArchiveError::Zip(_))));
    }

    /// Whatever happens to its bytes, an archive is read or refused.
    #[test]
    fn case_086_damaged_archives_never_bring_it_down() {
        let good = sample();
        for at in 0..good.len() {
            let _ = read(Cursor::new(&good[..at]), &Limits::default());
            for byte in [0, 1, 0x7f, 0xff] {
                let mut changed = good.clone();
                changed[at] = byte;
                let _ = read(Cursor::new(changed), &Limits::default());
            }
        }
    }
}
