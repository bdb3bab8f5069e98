//! The original program's SQLite file. A copy of it is read, so that the file itself, its log and its folder stay as they
//! are, whatever state they are in.

use std::path::{Path, PathBuf};

use pid_core::progress::{Progress, Unit};
use rusqlite::types::ValueRef;
use rusqlite::{Connection, OpenFlags};

use crate::data::{Cell, Data, Table};
use crate::{SourceError, complete};

/// Whether a file is a database of the original program. Nothing is touched.
#[must_use]
pub fn looks_like_it(path: &Path) -> bool {
    let uri =
        format!("file:{}?mode=ro&immutable=1", path.display().to_string().replace('?', "%3f").replace('#', "%23"));
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI;
    Connection::open_with_flags(uri, flags).is_ok_and(|conn| is_theirs(&conn))
}

fn is_theirs(conn: &Connection) -> bool {
    let sql = "SELECT count(*) FROM sqlite_master WHERE name IN ('oidc_clients', 'schema_migrations', 'users')";
    conn.query_row(sql, [], |row| row.get::<_, i64>(0)).is_ok_and(|n| n == 3)
}

/// Reads everything, the files that are kept in the database included.
///
/// # Errors
/// It isn't such a file, can't be read, is damaged, or changes while it is read.
pub fn read(path: &Path, progress: &Progress) -> Result<Data, SourceError> {
    let said = |error: rusqlite::Error| SourceError(format!("{}: {error}", path.display()));
    let folder = tempfile::tempdir().map_err(|e| SourceError(format!("no temporary folder can be made: {e}")))?;
    let copy = copy(path, folder.path())?;
    let conn = Connection::open(&copy).map_err(said)?;
    if !is_theirs(&conn) {
        return Err(SourceError(format!("{} is not a database of Pocket ID", path.display())));
    }
    let verdict: String = conn.query_row("PRAGMA quick_check", [], |row| row.get(0)).map_err(said)?;
    if verdict != "ok" {
        return Err(SourceError(format!("{} is damaged: {verdict}", path.display())));
    }
    let mut data = Data { provider: "sqlite".to_owned(), ..Data::default() };
    let (version, is_dirty) = version(&conn).map_err(said)?;
    data.version = version;
    if is_dirty {
        return Err(SourceError(
            "a migration of this database was interrupted: start the release that made it once".to_owned(),
        ));
    }
    let names = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'";
    let mut names = conn.prepare(names).map_err(said)?;
    let names: Result<Vec<String>, _> = names.query_map([], |row| row.get(0)).map_err(said)?.collect();
    let names = names.map_err(said)?;
    let count = |name: &String| {
        conn.query_row(&format!("SELECT count(*) FROM {}", quoted(name)), [], |row| row.get::<_, i64>(0))
    };
    let rows: i64 = names.iter().map(count).sum::<Result<i64, _>>().map_err(said)?;
    progress.count("Reading the other database", Unit::Rows, rows.unsigned_abs());
    for name in names {
        let table = table(&conn, &name, progress).map_err(said)?;
        data.tables.insert(name, table);
    }
    complete(data)
}

fn version(conn: &Connection) -> rusqlite::Result<(u64, bool)> {
    conn.query_row("SELECT version, dirty FROM schema_migrations LIMIT 1", [], |row| {
        Ok((row.get::<_, i64>(0)?.unsigned_abs(), row.get::<_, bool>(1)?))
    })
}

/// What SQLite keeps beside a file, as it ends: its log, or what takes an interrupted transaction back.
const BESIDE: [&str; 3] = ["", "-wal", "-journal"];

/// Copies the file and what is beside it. All must be the same before and after.
fn copy(path: &Path, folder: &Path) -> Result<PathBuf, SourceError> {
    let with = |path: &Path, suffix: &str| {
        let mut name = path.as_os_str().to_owned();
        name.push(suffix);
        PathBuf::from(name)
    };
    let looks = |path: &Path| std::fs::metadata(path).ok().map(|m| (m.len(), m.modified().ok()));
    // It lies beside the file itself, not beside a link to it.
    let own = std::fs::canonicalize(path).map_err(|e| SourceError(format!("{}: {e}", path.display())))?;
    let (from, to) = (BESIDE.map(|suffix| with(&own, suffix)), folder.join("copy.db"));
    let before = from.each_ref().map(|path| looks(path));
    for (from, suffix) in from.iter().zip(BESIDE) {
        match std::fs::copy(from, with(&to, suffix)) {
            Ok(_) => {}
            Err(e) if e.kind() == std::io::ErrorKind::NotFound && !suffix.is_empty() => {}
            Err(e) => return Err(SourceError(format!("{}: {e}", from.display()))),
        }
    }
    if from.each_ref().map(|path| looks(path)) != before {
        return Err(SourceError(format!("{} changes while it is read: stop its server first", path.display())));
    }
    Ok(to)
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn table(conn: &Connection, name: &str, progress: &Progress) -> rusqlite::Result<Table> {
    let mut statement = conn.prepare(&format!("SELECT * FROM {}", quoted(name)))?;
    let columns: Vec<String> = statement.column_names().into_iter().map(str::to_owned).collect();
    let mut rows = statement.query([])?;
    let mut out = Table { columns, rows: Vec::new() };
    while let Some(row) = rows.next()? {
        let mut cells = Vec::with_capacity(out.columns.len());
        for at in 0..out.columns.len() {
            cells.push(match row.get_ref(at)? {
                ValueRef::Null => Cell::Null,
                ValueRef::Integer(n) => Cell::Int(n),
                ValueRef::Real(n) => Cell::Text(n.to_string()),
                ValueRef::Text(text) => Cell::Text(String::from_utf8_lossy(text).into_owned()),
                ValueRef::Blob(bytes) => Cell::Bytes(bytes.to_vec()),
            });
        }
        out.rows.push(cells);
        progress.add(1);
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn database(path: &Path, journal: &str, version: u64) -> Connection {
        let conn = Connection::open(path).unwrap();
        conn.pragma_update(None, "journal_mode", journal).unwrap();
        let script = format!(
            "CREATE TABLE schema_migrations (version uint64, dirty bool); INSERT INTO schema_migrations VALUES ({version}, 0);
             CREATE TABLE oidc_clients (id TEXT); CREATE TABLE users (id TEXT); INSERT INTO users VALUES ('ann');"
        );
        conn.execute_batch(&script).unwrap();
        conn
    }

    fn people(path: &Path) -> usize {
        read(path, &Progress::default()).unwrap().rows("users").count()
    }

    #[cfg(unix)]
    #[test]
    fn a_link_leads_to_the_log_as_well() {
        let dir = tempfile::tempdir().unwrap();
        let (file, link) = (dir.path().join("a.db"), dir.path().join("link.db"));
        let conn = database(&file, "WAL", crate::VERSION);
        conn.execute_batch("PRAGMA wal_checkpoint(TRUNCATE); INSERT INTO users VALUES ('bob')").unwrap();
        std::os::unix::fs::symlink("a.db", &link).unwrap();
        assert_eq!((people(&file), people(&link)), (2, 2));
    }

    #[test]
    fn an_interrupted_transaction_is_taken_back() {
        let dir = tempfile::tempdir().unwrap();
        let (live, left) = (dir.path().join("live.db"), dir.path().join("left.db"));
        let conn = database(&live, "DELETE", crate::VERSION);
        conn.execute_batch("PRAGMA cache_size = 2; BEGIN; DELETE FROM users").unwrap();
        for _ in 0..500 {
            conn.execute("INSERT INTO users VALUES (hex(randomblob(500)))", []).unwrap();
        }
        // As a crash would leave it: some pages are written, and the journal is there.
        for suffix in ["", "-journal"] {
            let name = |base: &Path| PathBuf::from(format!("{}{suffix}", base.display()));
            std::fs::copy(name(&live), name(&left)).unwrap();
        }
        assert_eq!(people(&left), 1);
    }

    #[test]
    fn what_is_older_than_any_export_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("a.db");
        drop(database(&file, "DELETE", 20_250_101_000_000));
        let said = read(&file, &Progress::default()).unwrap_err().to_string();
        assert!(said.contains("20250101000000") && said.contains("2.0"), "{said}");
    }
}
