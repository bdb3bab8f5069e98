//! A connection inside a transaction, with what happened to it.

use std::cell::{Cell, RefCell};
use std::error::Error as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, PoisonError};

use tokio_postgres::error::SqlState;

use super::connection::{Connection, Kept};
use super::text;
use super::value::Column;
use crate::{Row, StoreError, Value};

/// How much a transaction is kept apart from others. No statement of ours runs long enough for compiling it to pay, whatever an
/// estimate says. Said in each transaction, since a pooler gives each another connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Isolation {
    /// Reads one consistent state, and nothing else.
    Read,
    /// Reads one consistent state, and fails if somebody else changes a row that it changes.
    Guarded,
    /// As if it ran alone. PostgreSQL watches what is read: of a small table that is all of it, unless an index leads there.
    Serializable,
}

impl Isolation {
    fn begin(self) -> &'static str {
        match self {
            Self::Read => "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL jit = off",
            Self::Guarded => "BEGIN ISOLATION LEVEL REPEATABLE READ; SET LOCAL jit = off",
            Self::Serializable => {
                "BEGIN ISOLATION LEVEL SERIALIZABLE; SET LOCAL jit = off; SET LOCAL enable_seqscan = off"
            }
        }
    }
}

/// How a transaction ended.
pub(super) enum Ended<T, E> {
    Committed(T),
    /// The rule refused; nothing was done.
    RolledBack(E),
    /// The engine failed before the commit; nothing was done.
    Failed(StoreError),
    /// The connection broke during the commit.
    Unknown,
}

struct Announced {
    sql: &'static str,
    params: Vec<Value>,
    rows: Kept,
}

/// A connection inside a transaction.
pub(crate) struct Session {
    connection: Connection,
    isolation: Isolation,
    /// The transaction is to be begun before the next statement, or was.
    begun: Cell<bool>,
    /// What will be asked, and its answers.
    announced: RefCell<Vec<Announced>>,
    /// A statement failed, so that nothing can be committed.
    failed: Cell<bool>,
    /// The transaction lost against another one.
    conflict: Cell<bool>,
    /// The connection is gone.
    lost: Cell<bool>,
}

impl Session {
    pub(super) fn new(connection: Connection, isolation: Isolation) -> Self {
        connection.rest();
        let no = || Cell::new(false);
        Self {
            connection,
            isolation,
            begun: no(),
            announced: RefCell::default(),
            failed: no(),
            conflict: no(),
            lost: no(),
        }
    }

    /// Whether it lost against another transaction.
    pub(super) fn conflict(&self) -> bool {
        self.conflict.get()
    }

    /// The connection, if it is good for other transactions.
    pub(super) fn into_connection(self) -> Option<Connection> {
        (!self.lost.get()).then_some(self.connection)
    }

    /// Whether the connection is gone.
    pub(super) fn lost(&self) -> bool {
        self.lost.get()
    }

    /// Runs a rule, then commits or rolls back.
    pub(super) fn transaction<T, E: From<StoreError>>(&self, rule: &impl Fn(&Self) -> Result<T, E>) -> Ended<T, E> {
        let outcome = catch_unwind(AssertUnwindSafe(|| rule(self)))
            .unwrap_or_else(|_| Err(StoreError::Other("a transaction panicked".to_owned()).into()));
        match outcome {
            Ok(value) if !self.failed.get() => self.commit(value),
            Ok(_) => {
                self.roll_back();
                let text = "a rule went on after one of its statements had failed".to_owned();
                Ended::Failed(if self.conflict.get() { StoreError::Conflict } else { StoreError::Other(text) })
            }
            Err(error) => {
                self.roll_back();
                Ended::RolledBack(error)
            }
        }
    }

    fn commit<T, E>(&self, value: T) -> Ended<T, E> {
        if self.isolation == Isolation::Read || !self.begun.get() {
            // What was read is good, however this ends.
            self.end("COMMIT");
            return Ended::Committed(value);
        }
        match self.connection.batch("COMMIT").map_err(|e| self.error(&e)) {
            Ok(()) => Ended::Committed(value),
            Err(_) if self.lost.get() => Ended::Unknown,
            Err(error) => Ended::Failed(error),
        }
    }

    fn roll_back(&self) {
        self.end("ROLLBACK");
    }

    /// Ends a transaction of which nothing is left, without waiting for the answer.
    fn end(&self, sql: &'static str) {
        self.connection.drop_queue();
        if self.connection.has_sent() && !self.lost.get() {
            self.connection.send_batch(sql);
        }
    }

    /// Begins the transaction, with the first statement.
    fn begin(&self) {
        if !self.begun.replace(true) {
            self.connection.queue_batch(self.isolation.begin());
        }
    }

    pub(crate) fn query(&self, sql: &str, params: &[Value]) -> Result<Vec<Row>, StoreError> {
        self.begin();
        let announced = self.announced.borrow().iter().position(|known| known.sql == sql && known.params == params);
        let rows = match announced {
            Some(index) => {
                let known = self.announced.borrow_mut().swap_remove(index);
                self.connection.settle().map_err(|e| self.error(&e))?;
                std::mem::take(&mut *known.rows.lock().unwrap_or_else(PoisonError::into_inner))
            }
            None => self.connection.query(sql, params).map_err(|e| self.error(&e))?,
        };
        rows.iter()
            .map(|row| {
                let values: Result<Vec<Value>, _> =
                    (0..row.len()).map(|i| row.try_get::<_, Column>(i).map(|c| c.0)).collect();
                values.map(Row).map_err(|e| StoreError::Other(text(&e)))
            })
            .collect()
    }

    pub(crate) fn execute(&self, sql: &str, params: &[Value]) -> Result<u64, StoreError> {
        self.begin();
        self.connection.execute(sql, params).map_err(|e| self.error(&e))
    }

    /// Asks with the next statement what will be asked by and by.
    pub(crate) fn announce(&self, sql: &'static str, params: &[Value]) -> Result<(), StoreError> {
        self.begin();
        let rows = self.connection.queue_query(sql, params).map_err(|e| self.error(&e))?;
        let mut announced = self.announced.borrow_mut();
        // One that was not asked for in the end may be outdated.
        announced.retain(|known| known.sql != sql || known.params != params);
        announced.push(Announced { sql, params: params.to_vec(), rows });
        Ok(())
    }

    /// Runs a statement with the next one, or with the commit. `changes` hears if it changed anything.
    pub(crate) fn queue(
        &self,
        sql: &'static str,
        params: &[Value],
        changes: Option<Arc<AtomicBool>>,
    ) -> Result<(), StoreError> {
        self.begin();
        self.connection.queue_statement(sql, params, changes).map_err(|e| self.error(&e))
    }

    fn error(&self, error: &tokio_postgres::Error) -> StoreError {
        self.failed.set(true);
        if error.is_closed() {
            self.lost.set(true);
            return StoreError::Unavailable { reason: text(error) };
        }
        let Some(db) = error.as_db_error() else {
            // No answer of the server: the connection, or a value that can't be sent.
            if error.source().is_some_and(|s| s.is::<std::io::Error>()) {
                self.lost.set(true);
                return StoreError::Unavailable { reason: text(error) };
            }
            return StoreError::Other(text(error));
        };
        let constraint = db.constraint().unwrap_or_default().to_owned();
        match db.code() {
            &SqlState::UNIQUE_VIOLATION => StoreError::UniqueViolation { constraint },
            &SqlState::FOREIGN_KEY_VIOLATION => StoreError::ForeignKeyViolation,
            &SqlState::T_R_SERIALIZATION_FAILURE | &SqlState::T_R_DEADLOCK_DETECTED => {
                self.conflict.set(true);
                StoreError::Conflict
            }
            code if ["08", "53", "57"].iter().any(|class| code.code().starts_with(class)) => {
                self.lost.set(code.code().starts_with("08") || code.code().starts_with("57P"));
                StoreError::Unavailable { reason: text(error) }
            }
            code if code == &SqlState::READ_ONLY_SQL_TRANSACTION => StoreError::Unavailable { reason: text(error) },
            _ => StoreError::Other(text(error)),
        }
    }
}
