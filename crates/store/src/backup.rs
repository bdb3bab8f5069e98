//! Backups: everything as of one moment in an SQLite file, from either engine, and back. Whatever comes back may come from
//! anywhere, so it is looked at before it is used (security cases 86, 109).

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use pid_core::files::{Place, Placed};
use pid_core::progress::{Progress, Unit};
use rusqlite::types::ValueRef;
use rusqlite::{Connection, OpenFlags};

use crate::sqlite::{make_private, refuse_foreign};
use crate::{Engine, OpenError, ReadTx, StoreError, Value, WriteTx, migrate};

/// Tables of the database and not of its data.
const NOT_DATA: [&str; 2] = ["refinery_schema_history", "migration_lease"];
/// Rows that are read at once.
const PAGE: usize = 500;
/// Steps of SQLite's machine between two looks at a file that grows.
const STEPS: i32 = 20_000;

/// What a file holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contents {
    /// The version of its schema.
    pub schema: i64,
    /// Rows by table.
    pub rows: BTreeMap<String, i64>,
}

/// Why a file is no backup that can be used.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// It is not our database, or can't be read.
    #[error("{0}")]
    Open(#[from] OpenError),
    /// It is damaged, or was made by somebody else.
    #[error("the database in it is not one that this program made, or it is damaged: {0}")]
    Damaged(String),
    /// The store.
    #[error("{0}")]
    Store(#[from] StoreError),
}

fn damaged(error: impl std::fmt::Display) -> BackupError {
    BackupError::Damaged(error.to_string())
}

fn trouble(error: impl std::fmt::Display) -> StoreError {
    StoreError::Other(error.to_string())
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A table as both engines have it.
struct Table {
    name: String,
    /// Names, and whether the type is BOOLEAN, which PostgreSQL tells from numbers.
    columns: Vec<(String, bool)>,
    /// Where the columns of the primary key are.
    key: Vec<usize>,
}

/// The tables with data, each after those that it refers to.
fn tables(conn: &Connection) -> rusqlite::Result<Vec<Table>> {
    let names = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name";
    let names: Vec<String> = conn.prepare(names)?.query_map([], |r| r.get(0))?.collect::<Result<_, _>>()?;
    let mut left: Vec<(Table, BTreeSet<String>)> = Vec::new();
    for name in names.into_iter().filter(|name| !NOT_DATA.contains(&name.as_str())) {
        let mut columns = Vec::new();
        let mut key: Vec<(i64, usize)> = Vec::new();
        let mut info = conn.prepare("SELECT name, type, pk FROM pragma_table_info(?1) ORDER BY cid")?;
        let mut rows = info.query([&name])?;
        while let Some(row) = rows.next()? {
            let place: i64 = row.get(2)?;
            if place > 0 {
                key.push((place, columns.len()));
            }
            columns.push((row.get(0)?, row.get::<_, String>(1)? == "BOOLEAN"));
        }
        key.sort_unstable();
        let refers: BTreeSet<String> = conn
            .prepare("SELECT \"table\" FROM pragma_foreign_key_list(?1)")?
            .query_map([&name], |r| r.get(0))?
            .collect::<Result<_, _>>()?;
        let key = key.into_iter().map(|(_, at)| at).collect();
        left.push((Table { name, columns, key }, refers));
    }
    let mut out: Vec<Table> = Vec::new();
    while !left.is_empty() {
        let known: BTreeSet<String> = out.iter().map(|table| table.name.clone()).collect();
        let (ready, waiting): (Vec<_>, Vec<_>) = left
            .into_iter()
            .partition(|(table, refers)| refers.iter().all(|to| *to == table.name || known.contains(to)));
        // A circle, which our schema doesn't have: PostgreSQL will say so.
        let stuck = ready.is_empty();
        out.extend(ready.into_iter().map(|(table, _)| table));
        left = waiting;
        if stuck {
            out.extend(left.drain(..).map(|(table, _)| table));
        }
    }
    Ok(out)
}

impl Table {
    fn columns(&self) -> String {
        self.columns.iter().map(|(name, _)| quoted(name)).collect::<Vec<_>>().join(", ")
    }

    /// Reads a page of rows after one.
    fn page(&self, after: bool) -> String {
        let key: Vec<String> = self.key.iter().map(|at| quoted(&self.columns[*at].0)).collect();
        let (key, places) = (key.join(", "), self.places(self.key.len()));
        let from = if after { format!(" WHERE ({key}) > ({places})") } else { String::new() };
        format!("SELECT {} FROM {}{from} ORDER BY {key} LIMIT {PAGE}", self.columns(), quoted(&self.name))
    }

    fn places(&self, n: usize) -> String {
        (1..=n).map(|i| format!("${i}")).collect::<Vec<_>>().join(", ")
    }

    fn insert(&self) -> String {
        let places = self.places(self.columns.len());
        format!("INSERT INTO {} ({}) VALUES ({places})", quoted(&self.name), self.columns())
    }
}

/// Copies an SQLite database as of one moment, while it is written to.
pub(crate) fn copy_file(from: &Path, to: &Path, progress: &Progress) -> Result<(), StoreError> {
    make_private(to).map_err(trouble)?;
    let conn = Connection::open_with_flags(from, OpenFlags::SQLITE_OPEN_READ_WRITE).map_err(trouble)?;
    conn.busy_timeout(std::time::Duration::from_secs(30)).map_err(trouble)?;
    let number = |pragma: &str| conn.pragma_query_value(None, pragma, |row| row.get::<_, i64>(0)).map_err(trouble);
    let bytes = (number("page_count")? - number("freelist_count")?) * number("page_size")?;
    progress.count("Copying the database", Unit::Bytes, bytes.unsigned_abs());
    let (seen, file) = (progress.clone(), to.to_owned());
    let look = move || {
        seen.reach(std::fs::metadata(&file).map(|m| m.len()).unwrap_or_default());
        false
    };
    conn.progress_handler(STEPS, Some(look)).map_err(trouble)?;
    conn.execute("VACUUM INTO ?1", [to.display().to_string()]).map(drop).map_err(trouble)
}

/// Copies every row of a transaction's moment into a file that has the schema already. May run again.
pub(crate) fn copy_rows(tx: &ReadTx<'_>, to: &Path, progress: &Progress) -> Result<(), StoreError> {
    let conn = Connection::open(to).map_err(trouble)?;
    conn.execute_batch("PRAGMA foreign_keys = OFF; PRAGMA synchronous = OFF; BEGIN").map_err(trouble)?;
    let all = tables(&conn).map_err(trouble)?;
    let mut rows: i64 = 0;
    for table in &all {
        let count = tx.query_dynamic(&format!("SELECT count(*) FROM {}", quoted(&table.name)), &[])?;
        rows += count.first().map_or(Ok(0), |row| row.get(0))?;
    }
    progress.count("Copying the database", Unit::Rows, rows.unsigned_abs());
    for table in all {
        conn.execute(&format!("DELETE FROM {}", quoted(&table.name)), []).map_err(trouble)?;
        let mut insert = conn.prepare(&table.insert().replace('$', "?")).map_err(trouble)?;
        let mut last: Option<Vec<Value>> = None;
        loop {
            let rows = tx.query_dynamic(&table.page(last.is_some()), last.as_deref().unwrap_or_default())?;
            for row in progress.each(&rows) {
                insert.execute(rusqlite::params_from_iter(&row.0)).map_err(trouble)?;
            }
            let Some(end) = rows.last().filter(|_| rows.len() == PAGE) else { break };
            last = Some(table.key.iter().map(|at| end.0[*at].clone()).collect());
        }
    }
    conn.execute_batch("COMMIT; PRAGMA journal_mode = DELETE").map_err(trouble)
}

/// The uploads of a copy whose bytes are elsewhere.
///
/// # Errors
/// The file can't be read.
pub fn elsewhere(copy: &Path) -> Result<Vec<(String, Placed)>, StoreError> {
    let conn = Connection::open(copy).map_err(trouble)?;
    let all = "SELECT path, place, place_key, length, sha256 FROM files WHERE place <> '' ORDER BY path";
    let mut statement = conn.prepare(all).map_err(trouble)?;
    let mut rows = statement.query([]).map_err(trouble)?;
    let mut found = Vec::new();
    while let Some(row) = rows.next().map_err(trouble)? {
        let read = || -> rusqlite::Result<(String, String, String, i64, String)> {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?))
        };
        let (path, place, key, length, sha256) = read().map_err(trouble)?;
        let place = Place::parse(&place).ok_or_else(|| trouble(format!("there is no place {place:?} for files")))?;
        found.push((path, Placed { place, key, length: length.unsigned_abs(), sha256 }));
    }
    Ok(found)
}

/// Puts the bytes of an upload into a copy, or into another file that nobody has open. A copy that a power cut breaks is made
/// anew, so it need not be on disk.
///
/// # Errors
/// The file can't be written.
pub fn bring(copy: &Path, path: &str, bytes: &[u8], is_copy: bool) -> Result<(), StoreError> {
    let conn = Connection::open(copy).map_err(trouble)?;
    conn.pragma_update(None, "synchronous", if is_copy { "OFF" } else { "FULL" }).map_err(trouble)?;
    let here = "UPDATE files SET content = ?2, length = ?3, place = '', place_key = '', sha256 = '' WHERE path = ?1";
    let length = i64::try_from(bytes.len()).unwrap_or(i64::MAX);
    conn.execute(here, rusqlite::params![path, bytes, length]).map(drop).map_err(trouble)
}

/// What waits to be removed elsewhere by a file that was a database: place and key.
///
/// # Errors
/// The file can't be read.
pub fn removals(file: &Path) -> Result<Vec<(Place, String)>, StoreError> {
    let conn = read_only(file).map_err(trouble)?;
    let mut statement = conn.prepare("SELECT place, place_key FROM file_removals").map_err(trouble)?;
    let rows = statement.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get(1)?))).map_err(trouble)?;
    let rows: Vec<(String, String)> = rows.collect::<Result<_, _>>().map_err(trouble)?;
    Ok(rows.into_iter().filter_map(|(place, key)| Some((Place::parse(&place)?, key))).collect())
}

/// Whether a file's schema knows of uploads that are elsewhere.
///
/// # Errors
/// The file can't be read.
pub fn knows_elsewhere(file: &Path) -> Result<bool, StoreError> {
    let conn = read_only(file).map_err(trouble)?;
    let known = "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'file_removals')";
    conn.query_row(known, [], |row| row.get(0)).map_err(trouble)
}

/// What waits to be removed elsewhere is no business of a copy.
///
/// # Errors
/// The file can't be written.
pub fn forget_removals(copy: &Path) -> Result<(), StoreError> {
    let conn = Connection::open(copy).map_err(trouble)?;
    conn.execute("DELETE FROM file_removals", []).map(drop).map_err(trouble)
}

/// Replaces everything in a database by what a file holds, whose schema is the same. The caches of every replica notice, and what
/// only the replaced rows had elsewhere is removed like anything that is nobody's.
pub fn load(tx: &WriteTx<'_>, from: &Path, progress: &Progress) -> Result<(), StoreError> {
    let conn = read_only(from).map_err(trouble)?;
    let before = crate::instance::versions(tx)?;
    let left = "SELECT place, place_key FROM files WHERE place <> '' UNION SELECT place, place_key FROM file_removals";
    let left = tx.query_dynamic(left, &[])?;
    let all = tables(&conn).map_err(trouble)?;
    progress.count(
        "Storing everything",
        Unit::Rows,
        counts(&conn, &all).map_err(trouble)?.values().sum::<i64>().unsigned_abs(),
    );
    for table in all.iter().rev() {
        tx.execute_dynamic(&format!("DELETE FROM {}", quoted(&table.name)), &[])?;
    }
    for table in &all {
        let insert = table.insert();
        let select = format!("SELECT {} FROM {}", table.columns(), quoted(&table.name));
        let mut select = conn.prepare(&select).map_err(trouble)?;
        let mut rows = select.query([]).map_err(trouble)?;
        while let Some(row) = rows.next().map_err(trouble)? {
            let mut values = Vec::with_capacity(table.columns.len());
            for (at, (_, is_boolean)) in table.columns.iter().enumerate() {
                values.push(match row.get_ref(at).map_err(trouble)? {
                    ValueRef::Null => Value::Null,
                    ValueRef::Integer(v) if *is_boolean => Value::Bool(v != 0),
                    ValueRef::Integer(v) => Value::Int(v),
                    ValueRef::Text(v) => Value::Text(String::from_utf8_lossy(v).into_owned()),
                    ValueRef::Blob(v) => Value::Blob(v.to_vec()),
                    ValueRef::Real(_) => return Err(trouble("a column of ours holds no fractions")),
                });
            }
            tx.execute_dynamic(&insert, &values)?;
            progress.add(1);
        }
    }
    for row in left {
        let remove = "INSERT INTO file_removals (place, place_key, due_at) VALUES ($1, $2, 0) ON CONFLICT (place, place_key) DO NOTHING";
        tx.execute_dynamic(remove, &row.0)?;
    }
    crate::instance::raise_over(tx, &before)
}

fn read_only(path: &Path) -> rusqlite::Result<Connection> {
    let conn = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    // Nothing that a stranger put into the schema is run.
    conn.pragma_update(None, "trusted_schema", false)?;
    conn.pragma_update(None, "cell_size_check", true)?;
    Ok(conn)
}

/// What makes a schema what it is.
fn schema(conn: &Connection) -> rusqlite::Result<BTreeSet<(String, String, String)>> {
    let all = "SELECT type, name, coalesce(sql, '') FROM sqlite_schema WHERE name NOT LIKE 'sqlite_%' \
        AND name <> 'refinery_schema_history'";
    conn.prepare(all)?.query_map([], |r| Ok((r.get(0)?, r.get(1)?, r.get(2)?)))?.collect()
}

/// Looks through a file: that its schema is one that a version of this program made, up to the newest that this one knows,
/// and that all of it can be read.
///
/// # Errors
/// [`BackupError`].
pub fn examine(path: &Path) -> Result<Contents, BackupError> {
    refuse_foreign(path)?;
    let conn = read_only(path).map_err(damaged)?;
    let version = migrate::version(&conn).map_err(damaged)?;
    let expected = migrate::empty(version)?;
    if schema(&conn).map_err(damaged)? != schema(&expected).map_err(damaged)? {
        return Err(damaged(format!("its tables are not those of version {version}")));
    }
    let verdict: String = conn.query_row("PRAGMA integrity_check(1)", [], |r| r.get(0)).map_err(damaged)?;
    if verdict != "ok" {
        return Err(damaged(verdict));
    }
    if conn.prepare("PRAGMA foreign_key_check").and_then(|mut s| s.exists([])).map_err(damaged)? {
        return Err(damaged("rows refer to others that are not there"));
    }
    let all = tables(&conn).map_err(damaged)?;
    Ok(Contents { schema: version, rows: counts(&conn, &all).map_err(damaged)? })
}

/// Rows by table.
fn counts(conn: &Connection, tables: &[Table]) -> rusqlite::Result<BTreeMap<String, i64>> {
    let count = |name: &str| conn.query_row(&format!("SELECT count(*) FROM {}", quoted(name)), [], |r| r.get(0));
    tables.iter().map(|table| Ok((table.name.clone(), count(&table.name)?))).collect()
}

/// Puts a file that was examined in the place of a database, whole or not at all. Nobody may have that open. What was there
/// stays beside it under the name that is given back.
///
/// # Errors
/// A sentence.
pub fn replace_file(new: &Path, database: &Path, now_millis: i64) -> Result<Option<std::path::PathBuf>, OpenError> {
    let failed = |e: &dyn std::fmt::Display| OpenError::Failed(e.to_string());
    let mut kept = None;
    if !crate::sqlite::is_new(database) {
        refuse_foreign(database)?;
        // Its log is folded in and goes: it must not be taken for the new file's.
        let conn = Connection::open_with_flags(database, OpenFlags::SQLITE_OPEN_READ_WRITE).map_err(|e| failed(&e))?;
        conn.pragma_update(None, "locking_mode", "EXCLUSIVE").map_err(|e| failed(&e))?;
        conn.pragma_update(None, "journal_mode", "DELETE").map_err(|e| failed(&e))?;
        conn.close().map_err(|(_, e)| failed(&e))?;
        let beside = database.with_extension(format!("before-restore-{now_millis}.db"));
        // The same file by a second name, so that there is no moment without a database.
        if std::fs::hard_link(database, &beside).is_err() {
            make_private(&beside)?;
            std::fs::copy(database, &beside).map_err(|e| failed(&e))?;
        }
        kept = Some(beside);
    }
    std::fs::File::open(new).and_then(|file| file.sync_all()).map_err(|e| failed(&e))?;
    std::fs::rename(new, database).map_err(|e| failed(&e))?;
    let folder = database.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    std::fs::File::open(folder).and_then(|folder| folder.sync_all()).map_err(|e| failed(&e))?;
    Ok(kept)
}

/// What manifests call an engine.
#[must_use]
pub fn engine_name(engine: Engine) -> &'static str {
    match engine {
        Engine::Sqlite => "sqlite",
        Engine::Postgres => "postgres",
    }
}
