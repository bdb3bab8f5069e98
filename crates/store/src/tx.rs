//! Transactions as the rules see them: the same synchronous calls on both engines.

use std::cell::{Cell, OnceCell};
use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use pid_core::settings::Settings;

use crate::statement::numbered;
use crate::{Engine, Row, Statement, StoreError, Value, postgres, sqlite};

/// A transaction that reads.
pub struct ReadTx<'a> {
    inner: Inner<'a>,
    /// Settings that come from the environment, not from the store.
    settings: OnceCell<Arc<Settings>>,
}

/// A transaction that may write. Reads see its own writes.
pub struct WriteTx<'a> {
    read: ReadTx<'a>,
    /// Whether something to be sent was written: known when the transaction has committed.
    fills_outbox: Arc<AtomicBool>,
    /// Whether targets of provisioning have heard of a change.
    provisioned_change: Cell<bool>,
    /// Whether a file's declaration is being carried out.
    declares: Cell<bool>,
}

enum Inner<'a> {
    Sqlite(&'a rusqlite::Connection),
    Postgres(&'a postgres::Session),
}

impl<'a> Deref for WriteTx<'a> {
    type Target = ReadTx<'a>;
    fn deref(&self) -> &Self::Target {
        &self.read
    }
}

/// SQLite would take a NUL, PostgreSQL does not: neither gets one.
fn without_nul(params: &[Value]) -> Result<(), StoreError> {
    let has_nul = params.iter().any(|p| matches!(p, Value::Text(text) if text.contains('\0')));
    if has_nul { Err(StoreError::NulCharacter) } else { Ok(()) }
}

impl<'a> ReadTx<'a> {
    pub(crate) fn sqlite(conn: &'a rusqlite::Connection) -> Self {
        Self { inner: Inner::Sqlite(conn), settings: OnceCell::new() }
    }

    pub(crate) fn postgres(session: &'a postgres::Session) -> Self {
        Self { inner: Inner::Postgres(session), settings: OnceCell::new() }
    }

    /// Says that the settings are these, whatever is stored.
    pub(crate) fn fix_settings(&self, settings: &Arc<Settings>) {
        let _ = self.settings.set(Arc::clone(settings));
    }

    pub(crate) fn fixed_settings(&self) -> Option<&Settings> {
        self.settings.get().map(Arc::as_ref)
    }

    /// Whose transaction this is.
    pub(crate) fn engine(&self) -> Engine {
        match self.inner {
            Inner::Sqlite(_) => Engine::Sqlite,
            Inner::Postgres(_) => Engine::Postgres,
        }
    }

    /// All rows of an answer.
    pub fn query(&self, statement: &'static Statement, params: &[Value]) -> Result<Vec<Row>, StoreError> {
        without_nul(params)?;
        match &self.inner {
            Inner::Sqlite(conn) => sqlite::query(conn, statement.sqlite(), params),
            Inner::Postgres(session) => session.query(statement.sql(), params),
        }
    }

    /// Says what will be asked in this transaction, and changed by nothing in it before that. PostgreSQL is asked together with
    /// the next statement, so that several answers cost one round trip.
    pub fn announce(&self, statement: &'static Statement, params: &[Value]) -> Result<(), StoreError> {
        match &self.inner {
            Inner::Postgres(session) if without_nul(params).is_ok() => session.announce(statement.sql(), params),
            _ => Ok(()),
        }
    }

    /// The first row, if any.
    pub fn query_opt(&self, statement: &'static Statement, params: &[Value]) -> Result<Option<Row>, StoreError> {
        Ok(self.query(statement, params)?.into_iter().next())
    }

    /// The first row, which must exist.
    pub fn query_one(&self, statement: &'static Statement, params: &[Value]) -> Result<Row, StoreError> {
        self.query_opt(statement, params)?.ok_or(StoreError::NoRow)
    }

    /// A list query assembled from fixed fragments; values only ever come in as `params`.
    pub fn query_dynamic(&self, sql: &str, params: &[Value]) -> Result<Vec<Row>, StoreError> {
        without_nul(params)?;
        match &self.inner {
            Inner::Sqlite(conn) => sqlite::query(conn, &numbered(sql), params),
            Inner::Postgres(session) => session.query(sql, params),
        }
    }
}

impl<'a> WriteTx<'a> {
    pub(crate) fn sqlite(conn: &'a rusqlite::Connection) -> Self {
        Self::new(ReadTx::sqlite(conn))
    }

    pub(crate) fn postgres(session: &'a postgres::Session) -> Self {
        Self::new(ReadTx::postgres(session))
    }

    fn new(read: ReadTx<'a>) -> Self {
        let no = || Cell::new(false);
        Self { read, fills_outbox: Arc::default(), provisioned_change: no(), declares: no() }
    }

    /// Says that from here on a file's declaration is carried out, which may change what is declared.
    pub fn declare(&self) {
        self.declares.set(true);
    }

    /// Whether a file's declaration is being carried out.
    pub fn declares(&self) -> bool {
        self.declares.get()
    }

    /// Notes that something to be sent was written.
    pub(crate) fn fill_outbox(&self) {
        self.fills_outbox.store(true, Ordering::Relaxed);
    }

    pub(crate) fn fills_outbox(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.fills_outbox)
    }

    /// Notes that people or groups have changed. Tells whether it is the first time in this transaction.
    pub(crate) fn first_provisioned_change(&self) -> bool {
        !self.provisioned_change.replace(true)
    }

    /// Runs a statement; gives the number of rows it changed.
    pub fn execute(&self, statement: &'static Statement, params: &[Value]) -> Result<u64, StoreError> {
        without_nul(params)?;
        match &self.read.inner {
            Inner::Sqlite(conn) => sqlite::execute(conn, statement.sqlite(), params),
            Inner::Postgres(session) => session.execute(statement.sql(), params),
        }
    }

    /// Runs a statement of which the rule needs no answer. It is done when the next one is answered; if it fails, it fails
    /// the transaction, at the latest with its commit. PostgreSQL is sent it together with the next one, so it costs no
    /// round trip.
    pub fn queue(&self, statement: &'static Statement, params: &[Value]) -> Result<(), StoreError> {
        without_nul(params)?;
        match &self.read.inner {
            Inner::Sqlite(conn) => sqlite::execute(conn, statement.sqlite(), params).map(drop),
            Inner::Postgres(session) => session.queue(statement.sql(), params, None),
        }
    }

    /// As [`WriteTx::queue`], for a statement that has something to be sent if it changes anything.
    pub(crate) fn queue_to_outbox(&self, statement: &'static Statement, params: &[Value]) -> Result<(), StoreError> {
        without_nul(params)?;
        match &self.read.inner {
            Inner::Sqlite(conn) => {
                if sqlite::execute(conn, statement.sqlite(), params)? > 0 {
                    self.fill_outbox();
                }
                Ok(())
            }
            Inner::Postgres(session) => session.queue(statement.sql(), params, Some(self.fills_outbox())),
        }
    }

    /// Runs a statement assembled from fixed fragments and names of the schema; values only ever come in as `params`.
    pub(crate) fn execute_dynamic(&self, sql: &str, params: &[Value]) -> Result<u64, StoreError> {
        without_nul(params)?;
        match &self.read.inner {
            Inner::Sqlite(conn) => sqlite::execute(conn, &numbered(sql), params),
            Inner::Postgres(session) => session.execute(sql, params),
        }
    }

    /// Runs a statement with `RETURNING`.
    pub fn query_returning(&self, statement: &'static Statement, params: &[Value]) -> Result<Vec<Row>, StoreError> {
        self.query(statement, params)
    }
}
