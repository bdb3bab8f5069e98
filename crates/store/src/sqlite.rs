//! SQLite: one writer thread with group commit, read-only connections for reads.
//!
//! A commit with `synchronous=FULL` waits for the disk, so jobs that wait at the same time share one: each
//! runs inside a savepoint of its own, and all are answered after the commit. A lone job waits for nobody.
//!
//! Reads run on the calling thread: a point select takes 2–4 µs, less than a hop to another thread.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rusqlite::types::{ToSql, ToSqlOutput, ValueRef};
use rusqlite::{Connection, OpenFlags};
use tokio::sync::oneshot;

use crate::{OpenError, ReadTx, Row, StoreError, Value, WriteTx, migrate};

/// Marks our files ("PkId"), so that a foreign database is never touched.
const APPLICATION_ID: i64 = 0x506b_4964;
/// Bytes of a page of a new file. A commit writes each page that it touched, and most of a sign-in's rows go to pages of
/// their own: small pages write less.
const PAGE_SIZE: i64 = 1024;
/// Pages in the log before they are folded into the file: the more, the more often a page changed meanwhile.
const LOG_PAGES: i64 = 8000;
/// Jobs in one commit, at most.
const GROUP_JOBS: usize = 64;
/// How long a group may gather, from its first job.
const GROUP_TIME: Duration = Duration::from_millis(2);
/// What a reader may keep of the file, KiB: the two indexes that a search in an order reads, of 100,000 people; with less,
/// each pushes out the other. A small file fills little.
const READER_CACHE_KIB: i64 = 24_000;
/// Read connections that are kept open when idle.
const IDLE_READERS: usize = 4;

/// The engine.
pub(crate) struct Sqlite {
    path: PathBuf,
    jobs: Mutex<Option<mpsc::Sender<Box<dyn Job>>>>,
    writer: Mutex<Option<JoinHandle<()>>>,
    readers: Mutex<Vec<Connection>>,
}

/// A unit of work for the writer.
trait Job: Send {
    /// Runs inside a savepoint. Tells whether the savepoint is kept.
    fn run(&mut self, conn: &Connection) -> bool;
    /// Answers after the commit (`None`), or when the group was lost.
    fn answer(self: Box<Self>, lost: Option<StoreError>);
}

struct Closure<T, E, F> {
    rule: F,
    outcome: Option<Result<T, E>>,
    reply: oneshot::Sender<Result<T, E>>,
}

impl<T, E, F> Job for Closure<T, E, F>
where
    F: Fn(&WriteTx<'_>) -> Result<T, E> + Send,
    T: Send,
    E: From<StoreError> + Send,
{
    fn run(&mut self, conn: &Connection) -> bool {
        let outcome = catch_unwind(AssertUnwindSafe(|| (self.rule)(&WriteTx::sqlite(conn))))
            .unwrap_or_else(|_| Err(StoreError::Other("a write panicked".to_owned()).into()));
        let keep = outcome.is_ok();
        self.outcome = Some(outcome);
        keep
    }

    fn answer(self: Box<Self>, lost: Option<StoreError>) {
        let answer = match (lost, self.outcome) {
            (None, Some(outcome)) => outcome,
            (Some(error), _) => Err(error.into()),
            (None, None) => Err(unavailable("the write was not run").into()),
        };
        // A caller that has gone away doesn't undo what was committed.
        let _ = self.reply.send(answer);
    }
}

impl Sqlite {
    /// Opens or creates the file, migrates it, and starts the writer.
    pub(crate) fn open(path: &Path, now_millis: i64) -> Result<Self, OpenError> {
        let new = is_new(path);
        if new {
            make_private(path)?;
        } else {
            refuse_foreign(path)?;
        }
        let mut conn = Connection::open(path).map_err(failed)?;
        conn.busy_timeout(Duration::from_secs(5)).map_err(failed)?;
        if new {
            // Before WAL, so that the mark is in the file itself whatever happens to the log.
            conn.pragma_update(None, "page_size", PAGE_SIZE).map_err(failed)?;
            conn.pragma_update(None, "application_id", APPLICATION_ID).map_err(failed)?;
        }
        conn.pragma_update(None, "journal_mode", "WAL").map_err(failed)?;
        configure(&conn).map_err(failed)?;
        conn.pragma_update(None, "synchronous", "FULL").map_err(failed)?;
        conn.pragma_update(None, "wal_autocheckpoint", LOG_PAGES).map_err(failed)?;
        migrate::sqlite(&mut conn, path, now_millis)?;
        let (sender, receiver) = mpsc::channel();
        let writer = std::thread::Builder::new()
            .name("sqlite-writer".to_owned())
            .spawn(move || write_loop(&conn, &receiver))
            .map_err(|e| OpenError::Failed(e.to_string()))?;
        Ok(Self {
            path: path.to_owned(),
            jobs: Mutex::new(Some(sender)),
            writer: Mutex::new(Some(writer)),
            readers: Mutex::new(Vec::new()),
        })
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Hands a rule to the writer and waits for its commit.
    pub(crate) async fn write<T, E, F>(&self, rule: F) -> Result<T, E>
    where
        F: Fn(&WriteTx<'_>) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let sender = lock(&self.jobs).clone();
        let job = Box::new(Closure { rule, outcome: None, reply });
        let sent = sender.is_some_and(|s| s.send(job).is_ok());
        if !sent {
            return Err(unavailable("the writer has stopped").into());
        }
        answer.await.unwrap_or_else(|_| Err(unavailable("the writer has stopped").into()))
    }

    /// Runs a rule in a read transaction, on this thread.
    pub(crate) fn read<T, E, F>(&self, rule: F) -> Result<T, E>
    where
        F: Fn(&ReadTx<'_>) -> Result<T, E>,
        E: From<StoreError>,
    {
        if lock(&self.jobs).is_none() {
            return Err(unavailable("the store is closed").into());
        }
        let pooled = lock(&self.readers).pop();
        let conn = match pooled {
            Some(conn) => conn,
            None => self.reader().map_err(|e| StoreError::from(&e))?,
        };
        let outcome = (|| {
            cached(&conn, "BEGIN")?;
            let outcome = catch_unwind(AssertUnwindSafe(|| rule(&ReadTx::sqlite(&conn))))
                .unwrap_or_else(|_| Err(StoreError::Other("a read panicked".to_owned()).into()));
            cached(&conn, "COMMIT")?;
            outcome
        })();
        // A connection whose transaction could not end is not used again, and none is kept after the end.
        if conn.is_autocommit() && lock(&self.jobs).is_some() {
            let mut readers = lock(&self.readers);
            if readers.len() < IDLE_READERS {
                readers.push(conn);
            }
        }
        outcome
    }

    /// Prepares a statement without running it.
    pub(crate) fn prepare(&self, sql: &str) -> Result<(), StoreError> {
        let conn = self.reader().map_err(|e| StoreError::from(&e))?;
        conn.prepare(&crate::statement::numbered(sql)).map(|_| ()).map_err(|e| StoreError::from(&e))
    }

    fn reader(&self) -> rusqlite::Result<Connection> {
        let conn = Connection::open_with_flags(&self.path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        conn.busy_timeout(Duration::from_secs(5))?;
        configure(&conn)?;
        conn.pragma_update(None, "cache_size", -READER_CACHE_KIB)?;
        conn.pragma_update(None, "query_only", true)?;
        Ok(conn)
    }

    /// Lets the writer finish what waits and closes the file.
    pub(crate) fn close(&self) {
        // Readers first: the last connection to close folds the log into the file, and only a writer can.
        lock(&self.readers).clear();
        drop(lock(&self.jobs).take());
        if let Some(writer) = lock(&self.writer).take() {
            let _ = writer.join();
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn unavailable(reason: &str) -> StoreError {
    StoreError::Unavailable { reason: reason.to_owned() }
}

#[allow(clippy::needless_pass_by_value, reason = "it is what map_err hands over")]
fn failed(error: rusqlite::Error) -> OpenError {
    OpenError::Failed(error.to_string())
}

fn configure(conn: &Connection) -> rusqlite::Result<()> {
    conn.set_prepared_statement_cache_capacity(256);
    conn.pragma_update(None, "foreign_keys", true)?;
    conn.pragma_update(None, "temp_store", "MEMORY")?;
    conn.pragma_update(None, "cache_size", -4000)
}

/// Whether there is no database yet: no file, or an empty one.
pub(crate) fn is_new(path: &Path) -> bool {
    std::fs::metadata(path).map_or_else(|e| e.kind() == std::io::ErrorKind::NotFound, |m| m.is_file() && m.len() == 0)
}

/// Makes an empty file that only its owner can read, or makes an empty one so. SQLite gives -wal and -shm the same mode.
pub(crate) fn make_private(path: &Path) -> Result<(), OpenError> {
    let trouble = |e: std::io::Error| OpenError::Failed(format!("{}: {e}", path.display()));
    let mut options = std::fs::OpenOptions::new();
    options.create(true).append(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = options.open(path).map_err(trouble)?;
    #[cfg(unix)]
    file.set_permissions(std::os::unix::fs::PermissionsExt::from_mode(0o600)).map_err(trouble)?;
    #[cfg(not(unix))]
    drop(file);
    Ok(())
}

/// Looks at an existing file read-only; `immutable` keeps SQLite from making a -wal beside it.
pub(crate) fn refuse_foreign(path: &Path) -> Result<(), OpenError> {
    let foreign = |what: &'static str| OpenError::Foreign { path: path.display().to_string(), what };
    let mut header = [0; 72];
    let read = std::fs::File::open(path).and_then(|mut f| std::io::Read::read_exact(&mut f, &mut header));
    match read {
        Ok(()) if header.starts_with(b"SQLite format 3\0") => {}
        Ok(()) => return Err(foreign(" (it is not an SQLite database)")),
        Err(e) if e.kind() == std::io::ErrorKind::UnexpectedEof => {
            return Err(foreign(" (it is not an SQLite database)"));
        }
        Err(e) => return Err(OpenError::Failed(format!("{}: {e}", path.display()))),
    }
    let id = i64::from(u32::from_be_bytes([header[68], header[69], header[70], header[71]]));
    if id == APPLICATION_ID {
        return Ok(());
    }
    let uri =
        format!("file:{}?mode=ro&immutable=1", path.display().to_string().replace('?', "%3f").replace('#', "%23"));
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI;
    let theirs = Connection::open_with_flags(uri, flags).and_then(|conn| {
        conn.query_row(
            "SELECT count(*) FROM sqlite_master WHERE name IN ('oidc_clients', 'schema_migrations')",
            [],
            |r| r.get::<_, i64>(0),
        )
    });
    match theirs {
        Ok(n) if n == 2 || has_their_log(path) => Err(OpenError::Upstream {
            source_: path.display().to_string(),
            target: path.with_file_name("pocket-id-new.db").display().to_string(),
        }),
        _ => Err(foreign("")),
    }
}

/// Whether the log beside a file tells of Pocket ID's tables: it may not have been folded in when that program was killed.
fn has_their_log(path: &Path) -> bool {
    let mut log = path.as_os_str().to_owned();
    log.push("-wal");
    let mut start = Vec::new();
    let read = std::fs::File::open(log)
        .and_then(|file| std::io::Read::read_to_end(&mut std::io::Read::take(file, 16 << 20), &mut start));
    let tells = |name: &[u8]| start.windows(name.len()).any(|window| window == name);
    read.is_ok() && tells(b"oidc_clients") && tells(b"schema_migrations")
}

/// Whether another process has the file open: then it can't be had alone.
pub(crate) fn is_in_use(path: &Path) -> Result<bool, OpenError> {
    if is_new(path) {
        return Ok(false);
    }
    let conn = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE).map_err(failed)?;
    conn.busy_timeout(Duration::ZERO).map_err(failed)?;
    conn.pragma_update(None, "locking_mode", "EXCLUSIVE").map_err(failed)?;
    let look = conn.query_row("SELECT count(*) FROM sqlite_master", [], |row| row.get::<_, i64>(0));
    match look {
        Ok(_) => Ok(false),
        Err(e) if e.sqlite_error_code() == Some(rusqlite::ErrorCode::DatabaseBusy) => Ok(true),
        Err(e) => Err(failed(e)),
    }
}

fn write_loop(conn: &Connection, jobs: &mpsc::Receiver<Box<dyn Job>>) {
    while let Ok(first) = jobs.recv() {
        let mut group: Vec<Box<dyn Job>> = vec![first];
        if let Err(error) = cached(conn, "BEGIN IMMEDIATE") {
            // Somebody else holds the file, beyond the busy timeout. Who came meanwhile has waited as well.
            tracing::warn!(%error, "the database can't be written");
            group.extend(jobs.try_iter());
            group.into_iter().for_each(|job| job.answer(Some(unavailable(&error.to_string()))));
            continue;
        }
        match run_group(conn, jobs, &mut group) {
            Ok(()) => group.into_iter().for_each(|job| job.answer(None)),
            Err(error) => {
                // No job of the group was done. Each gets one more chance, alone, so that one job that
                // fills the disk doesn't refuse the others.
                tracing::warn!(%error, jobs = group.len(), "a commit failed; its jobs run again, one by one");
                roll_back(conn);
                for mut job in group {
                    let lost = run_alone(conn, job.as_mut()).err();
                    job.answer(lost);
                }
            }
        }
    }
}

/// Runs the first job and those that come while the group gathers, in the transaction that has begun, then commits.
fn run_group(
    conn: &Connection,
    jobs: &mpsc::Receiver<Box<dyn Job>>,
    group: &mut Vec<Box<dyn Job>>,
) -> Result<(), StoreError> {
    let began = Instant::now();
    let mut next = 0;
    loop {
        if let Some(job) = group.get_mut(next) {
            run_in_savepoint(conn, job.as_mut())?;
            next += 1;
        }
        if group.len() >= GROUP_JOBS || began.elapsed() >= GROUP_TIME {
            break;
        }
        match jobs.try_recv() {
            Ok(job) => group.push(job),
            Err(_) => break,
        }
    }
    cached(conn, "COMMIT")
}

fn run_alone(conn: &Connection, job: &mut dyn Job) -> Result<(), StoreError> {
    let outcome = cached(conn, "BEGIN IMMEDIATE")
        .and_then(|()| run_in_savepoint(conn, job))
        .and_then(|()| cached(conn, "COMMIT"))
        .map_err(|e| unavailable(&e.to_string()));
    if outcome.is_err() {
        roll_back(conn);
    }
    outcome
}

/// SQLite itself ends a whole transaction on FULL, IOERR and NOMEM: then nothing of the group is left.
fn run_in_savepoint(conn: &Connection, job: &mut dyn Job) -> Result<(), StoreError> {
    cached(conn, "SAVEPOINT job")?;
    let keep = job.run(conn);
    if conn.is_autocommit() {
        return Err(unavailable("SQLite ended the transaction"));
    }
    if !keep {
        cached(conn, "ROLLBACK TO job")?;
    }
    cached(conn, "RELEASE job")
}

fn roll_back(conn: &Connection) {
    if !conn.is_autocommit() {
        let _ = conn.execute_batch("ROLLBACK");
    }
}

fn cached(conn: &Connection, sql: &str) -> Result<(), StoreError> {
    let outcome = conn.prepare_cached(sql).and_then(|mut s| s.execute([]).map(|_| ()));
    outcome.map_err(|e| StoreError::from(&e))
}

impl ToSql for Value {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(match self {
            Self::Null => ToSqlOutput::Borrowed(ValueRef::Null),
            Self::Bool(v) => ToSqlOutput::Borrowed(ValueRef::Integer(i64::from(*v))),
            Self::Int(v) => ToSqlOutput::Borrowed(ValueRef::Integer(*v)),
            Self::Text(v) => ToSqlOutput::Borrowed(ValueRef::Text(v.as_bytes())),
            Self::Blob(v) => ToSqlOutput::Borrowed(ValueRef::Blob(v)),
        })
    }
}

pub(crate) fn query(conn: &Connection, sql: &str, params: &[Value]) -> Result<Vec<Row>, StoreError> {
    let run = || {
        let mut statement = conn.prepare_cached(sql)?;
        let columns = statement.column_count();
        let mut rows = statement.query(rusqlite::params_from_iter(params))?;
        let mut out = Vec::new();
        while let Some(row) = rows.next()? {
            let mut values = Vec::with_capacity(columns);
            for i in 0..columns {
                values.push(match row.get_ref(i)? {
                    ValueRef::Null => Value::Null,
                    ValueRef::Integer(v) => Value::Int(v),
                    ValueRef::Text(v) => Value::Text(String::from_utf8_lossy(v).into_owned()),
                    ValueRef::Blob(v) => Value::Blob(v.to_vec()),
                    #[allow(clippy::cast_possible_truncation, reason = "no column of ours holds a REAL")]
                    ValueRef::Real(v) => Value::Int(v as i64),
                });
            }
            out.push(Row(values));
        }
        Ok(out)
    };
    run().map_err(|e: rusqlite::Error| StoreError::from(&e))
}

pub(crate) fn execute(conn: &Connection, sql: &str, params: &[Value]) -> Result<u64, StoreError> {
    let run = || conn.prepare_cached(sql)?.execute(rusqlite::params_from_iter(params));
    run().map(|n| n as u64).map_err(|e: rusqlite::Error| StoreError::from(&e))
}

impl From<&rusqlite::Error> for StoreError {
    fn from(error: &rusqlite::Error) -> Self {
        use rusqlite::ffi;
        let rusqlite::Error::SqliteFailure(code, message) = error else { return Self::Other(error.to_string()) };
        let message = message.clone().unwrap_or_else(|| error.to_string());
        match code.extended_code {
            ffi::SQLITE_CONSTRAINT_UNIQUE | ffi::SQLITE_CONSTRAINT_PRIMARYKEY | ffi::SQLITE_CONSTRAINT_ROWID => {
                // "UNIQUE constraint failed: users.username_key"
                let columns = message.rsplit_once(": ").map_or(message.as_str(), |(_, columns)| columns);
                Self::UniqueViolation { constraint: columns.replace('.', "_") }
            }
            ffi::SQLITE_CONSTRAINT_FOREIGNKEY => Self::ForeignKeyViolation,
            _ => match code.code {
                rusqlite::ErrorCode::DatabaseBusy
                | rusqlite::ErrorCode::DatabaseLocked
                | rusqlite::ErrorCode::DiskFull
                | rusqlite::ErrorCode::SystemIoFailure
                | rusqlite::ErrorCode::OutOfMemory
                | rusqlite::ErrorCode::ReadOnly
                | rusqlite::ErrorCode::CannotOpen
                | rusqlite::ErrorCode::DatabaseCorrupt
                | rusqlite::ErrorCode::NotADatabase => Self::Unavailable { reason: message },
                _ => Self::Other(message),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use rusqlite::Connection;

    /// What `.cargo/config.toml` asks for is what was built.
    #[test]
    fn sqlite_is_built_without_the_locks_of_the_whole_process() {
        let db = Connection::open_in_memory().unwrap();
        let mut options = db.prepare("PRAGMA compile_options").unwrap();
        let options: Vec<String> = options.query_map([], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap();
        assert!(options.iter().any(|option| option == "THREADSAFE=1"), "{options:?}");
        for unwanted in ["ENABLE_MEMORY_MANAGEMENT", "ENABLE_API_ARMOR", "ENABLE_LOAD_EXTENSION", "ENABLE_FTS5"] {
            assert!(!options.iter().any(|option| option == unwanted), "{unwanted}: {options:?}");
        }
    }
}
