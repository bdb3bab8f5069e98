//! The handle that everything above uses.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use pid_core::progress::Progress;
use pid_core::settings::Settings;
use tokio::sync::Notify;
use tracing::{Instrument as _, Span};

use crate::postgres::{self, Postgres};
use crate::sqlite::{self, Sqlite};
use crate::turns::{Turn, Turns};
use crate::{OpenError, ReadTx, Statement, StoreError, Waited, WriteTx, backup, migrate};

/// Where the data is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// A file.
    Sqlite(PathBuf),
    /// A connection string `postgres://…`.
    Postgres(String),
}

impl Target {
    /// Reads `DB_CONNECTION_STRING`: `postgres://` or `postgresql://` is PostgreSQL, anything else a file
    /// (with or without `file:`; parameters after `?` are of the original program and ignored).
    pub fn parse(text: &str) -> Self {
        if text.starts_with("postgres://") || text.starts_with("postgresql://") {
            Self::Postgres(text.to_owned())
        } else {
            let path = text.strip_prefix("file:").unwrap_or(text);
            Self::Sqlite(PathBuf::from(path.split('?').next().unwrap_or(path)))
        }
    }

    /// Whether opening it makes a new SQLite database.
    pub fn is_new_file(&self) -> bool {
        matches!(self, Self::Sqlite(path) if sqlite::is_new(path))
    }

    /// Refuses a file of another program, without touching it. A server's database is looked at when it is opened.
    ///
    /// # Errors
    /// [`OpenError::Foreign`], [`OpenError::Upstream`], or a file that can't be read.
    pub fn refuse_foreign(&self) -> Result<(), OpenError> {
        match self {
            Self::Sqlite(path) if !sqlite::is_new(path) => sqlite::refuse_foreign(path),
            _ => Ok(()),
        }
    }

    /// Whether another process has it open, a server above all.
    ///
    /// # Errors
    /// It can't be asked.
    pub async fn is_in_use(&self) -> Result<bool, OpenError> {
        match self {
            Self::Sqlite(path) => sqlite::is_in_use(path),
            Self::Postgres(url) => Postgres::is_in_use(url).await,
        }
    }
}

impl std::fmt::Display for Target {
    /// The place, without a password.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Sqlite(path) => write!(f, "{}", path.display()),
            Self::Postgres(url) => f.write_str(&postgres::without_password(url)),
        }
    }
}

/// Which engine is at work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    /// One file, one process.
    Sqlite,
    /// A server, any number of replicas.
    Postgres,
}

/// How to open.
#[derive(Clone, Debug)]
pub struct Options {
    /// PostgreSQL connections of this process, at most.
    pub connections: usize,
    /// Tells Unix milliseconds, for leases and names of copies.
    pub now_millis: fn() -> i64,
    /// Settings that come from the environment, not from the store.
    pub settings: Option<Settings>,
}

/// The store. Cheap to clone.
#[derive(Clone)]
pub struct Db {
    backend: Arc<Backend>,
    outbox: Arc<Notify>,
    settings: Option<Arc<Settings>>,
    reads: Arc<Turns>,
    writes: Arc<Turns>,
}

enum Backend {
    Sqlite(Sqlite),
    Postgres(Postgres),
}

impl Drop for Backend {
    fn drop(&mut self) {
        self.close();
    }
}

impl Backend {
    fn close(&self) {
        match self {
            Self::Sqlite(engine) => engine.close(),
            Self::Postgres(engine) => engine.close(),
        }
    }
}

impl Db {
    /// Opens the store and migrates it.
    pub async fn open(target: &Target, options: Options) -> Result<Self, OpenError> {
        let backend = match target {
            Target::Sqlite(path) => Backend::Sqlite(Sqlite::open(path, (options.now_millis)())?),
            Target::Postgres(url) => {
                let engine = Postgres::open(url, options.connections.max(1)).await?;
                let mut client = engine.client().await?;
                migrate::postgres(&mut client, url, options.now_millis).await?;
                drop(client);
                Backend::Postgres(engine)
            }
        };
        let settings = options.settings.map(Arc::new);
        let (outbox, reads, writes) = Default::default();
        Ok(Self { backend: Arc::new(backend), outbox, settings, reads, writes })
    }

    /// Which engine is at work.
    pub fn engine(&self) -> Engine {
        match *self.backend {
            Backend::Sqlite(_) => Engine::Sqlite,
            Backend::Postgres(_) => Engine::Postgres,
        }
    }

    /// The file that holds the data, if it is one.
    pub fn file(&self) -> Option<&Path> {
        match &*self.backend {
            Backend::Sqlite(engine) => Some(engine.path()),
            Backend::Postgres(_) => None,
        }
    }

    /// Copies everything, as of one moment, into a new SQLite file with today's schema.
    ///
    /// # Errors
    /// [`StoreError`]; what the file holds then is worth nothing.
    pub async fn copy_to(&self, path: &Path, now_millis: i64, progress: &Progress) -> Result<(), StoreError> {
        let to = path.to_owned();
        let from = self.file().map(Path::to_owned);
        let counted = progress.clone();
        let made = tokio::task::spawn_blocking(move || match from {
            Some(from) => backup::copy_file(&from, &to, &counted),
            None => Sqlite::open(&to, now_millis).map(|new| new.close()).map_err(|e| StoreError::Other(e.to_string())),
        });
        made.await.map_err(|e| StoreError::Other(e.to_string()))??;
        let (to, progress) = (path.to_owned(), progress.clone());
        match &*self.backend {
            Backend::Sqlite(_) => Ok(()),
            Backend::Postgres(engine) => engine.read(move |tx| backup::copy_rows(tx, &to, &progress)).await,
        }
    }

    /// The span of a transaction, for a collector: only within that of a request, so that what is looked at by the clock makes
    /// none.
    fn span(&self, operation: &'static str) -> Span {
        if Span::current().metadata().is_none_or(|metadata| metadata.name() != "exchange") {
            return Span::none();
        }
        let system = match self.engine() {
            Engine::Sqlite => "sqlite",
            Engine::Postgres => "postgresql",
        };
        tracing::debug_span!("transaction", otel.name = operation, otel.kind = "client", db.system.name = system)
    }

    /// Runs a rule in a transaction that reads one consistent state.
    pub async fn read<T, E, F>(&self, rule: F) -> Result<T, E>
    where
        F: Fn(&ReadTx<'_>) -> Result<T, E> + Send + Sync + 'static,
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        let settings = self.settings.clone();
        let turn = Turn::asked(&self.reads);
        let rule = move |tx: &ReadTx<'_>| {
            turn.comes();
            settings.iter().for_each(|settings| tx.fix_settings(settings));
            rule(tx)
        };
        let span = self.span("read");
        match &*self.backend {
            Backend::Sqlite(engine) => span.in_scope(|| engine.read(rule)),
            Backend::Postgres(engine) => engine.read(rule).instrument(span).await,
        }
    }

    /// Runs a rule in a transaction that commits if and only if the rule answers `Ok`. The answer comes after
    /// the commit is on disk. A rule may run more than once: it must have no effect but through `tx`.
    pub async fn write<T, E, F>(&self, rule: F) -> Result<T, E>
    where
        F: Fn(&WriteTx<'_>) -> Result<T, E> + Send + Sync + 'static,
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        self.write_in(false, rule).await
    }

    /// As [`Db::write`], for rules that run often and say why they need less than to be serializable: each changes a row
    /// that whoever takes away what it relies on changes, too, and of two that change the same row one runs again. What else
    /// it reads is one consistent state, which another transaction may be about to change. PostgreSQL then doesn't watch what is
    /// read, which at the busy end of an index is what others read and write as well. On SQLite there is no difference.
    pub async fn write_guarded<T, E, F>(&self, rule: F) -> Result<T, E>
    where
        F: Fn(&WriteTx<'_>) -> Result<T, E> + Send + Sync + 'static,
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        self.write_in(true, rule).await
    }

    async fn write_in<T, E, F>(&self, guarded: bool, rule: F) -> Result<T, E>
    where
        F: Fn(&WriteTx<'_>) -> Result<T, E> + Send + Sync + 'static,
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        let settings = self.settings.clone();
        let turn = Turn::asked(&self.writes);
        let rule = move |tx: &WriteTx<'_>| {
            turn.comes();
            settings.iter().for_each(|settings| tx.fix_settings(settings));
            rule(tx).map(|value| (value, tx.fills_outbox()))
        };
        let span = self.span("write");
        let (value, fills_outbox) = match &*self.backend {
            Backend::Sqlite(engine) => engine.write(rule).instrument(span).await?,
            Backend::Postgres(engine) => engine.write(guarded, rule).instrument(span).await?,
        };
        if fills_outbox.load(Ordering::Relaxed) {
            self.outbox.notify_one();
        }
        Ok(value)
    }

    /// Waits until a transaction of this process has put something into the outbox. One that did since the last call
    /// counts.
    pub async fn outbox_filled(&self) {
        self.outbox.notified().await;
    }

    /// How long transactions of this process have waited for their turn: those that read, those that may write.
    pub fn waited(&self) -> [Waited; 2] {
        [self.reads.waited(), self.writes.waited()]
    }

    /// How many transactions of this process lost against others and were run again; on SQLite none ever does.
    pub fn repeats(&self) -> u64 {
        match &*self.backend {
            Backend::Sqlite(_) => 0,
            Backend::Postgres(engine) => engine.repeats(),
        }
    }

    /// Prepares a statement without running it: proof that it fits the schema.
    pub async fn prepare(&self, sql: &str) -> Result<(), StoreError> {
        match &*self.backend {
            Backend::Sqlite(engine) => engine.prepare(sql),
            Backend::Postgres(engine) => engine.prepare(sql).await,
        }
    }

    /// Prepares registered statements; the error names the first that doesn't fit.
    pub async fn prepare_all(&self, statements: &[&'static Statement]) -> Result<(), StoreError> {
        for statement in statements {
            self.prepare(statement.sql())
                .await
                .map_err(|e| StoreError::Other(format!("{}: {e}: {}", statement.name(), statement.sql())))?;
        }
        Ok(())
    }

    /// Lets waiting writes finish and closes the store. Later calls are answered as unavailable.
    pub async fn close(&self) {
        let backend = Arc::clone(&self.backend);
        let _ = tokio::task::spawn_blocking(move || backend.close()).await;
    }
}
