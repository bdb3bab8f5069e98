//! PostgreSQL 15 and later: the same synchronous rules, each on a connection of its own from a bounded pool.
//!
//! Rules block on the connection from a blocking thread, so a dropped request doesn't stop its rule half-way.
//! Writes are SERIALIZABLE; what loses against another transaction runs again. Of several that fight over the same rows one
//! gets through each time, so the tries are more than the connections.

use std::cell::Cell;
use std::error::Error as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use deadpool_postgres::{Manager, ManagerConfig, Object, Pool, RecyclingMethod, Runtime};
use tokio::runtime::Handle;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::{Format, FromSql, IsNull, ToSql, Type};

use crate::postgres_tls::{Reach, reach};
use crate::{OpenError, ReadTx, Row, StoreError, Value, WriteTx};

/// Twice the connections of a process (`Options::connections`), for a neighbour or two.
const RETRIES: u32 = 20;
/// What our connections say who they are.
const APPLICATION: &str = "pocket-id";
/// No statement of ours runs long enough for compiling it to pay, whatever an estimate says. Said in each transaction, since
/// a pooler gives each another connection.
const READ: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL jit = off";
const WRITE: &str = "BEGIN ISOLATION LEVEL SERIALIZABLE; SET LOCAL jit = off";

/// The engine.
#[derive(Clone)]
pub(crate) struct Postgres {
    pool: Pool,
    prepare: bool,
    /// Shared with each closure at work, which holds a clone of the engine.
    at_work: Arc<()>,
}

/// A connection inside a transaction, with what happened to it.
pub(crate) struct Session {
    client: Object,
    handle: Handle,
    prepare: bool,
    /// The transaction lost against another one.
    conflict: Cell<bool>,
    /// The connection is gone.
    lost: Cell<bool>,
}

impl Postgres {
    /// Makes the pool and checks that the server answers.
    pub(crate) async fn open(url: &str, connections: usize) -> Result<Self, OpenError> {
        let Reach { mut config, tls, prepare } = reach(url)?;
        if config.get_application_name().is_none() {
            config.application_name(APPLICATION);
        }
        let manager = Manager::from_config(config, tls, ManagerConfig { recycling_method: RecyclingMethod::Fast });
        let wait = Some(Duration::from_secs(10));
        let pool = Pool::builder(manager)
            .max_size(connections)
            .runtime(Runtime::Tokio1)
            .wait_timeout(wait)
            .create_timeout(wait)
            .build()
            .map_err(|e| OpenError::Failed(e.to_string()))?;
        let client = pool.get().await.map_err(|e| OpenError::Failed(text(&e)))?;
        let row = client.query_one("SHOW server_version_num", &[]).await.map_err(|e| OpenError::Failed(text(&e)))?;
        let version: i64 = row.get::<_, String>(0).parse().unwrap_or(0);
        if version < 150_000 {
            return Err(OpenError::Unsupported("PostgreSQL 15 or later is needed".to_owned()));
        }
        Ok(Self { pool, prepare, at_work: Arc::new(()) })
    }

    /// Whether anybody else is connected who says that it is this program.
    pub(crate) async fn is_in_use(url: &str) -> Result<bool, OpenError> {
        let this = Self::open(url, 1).await?;
        let client = this.client().await?;
        // A connection string may give them another name: then this one has it, too.
        let others = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() \
            AND application_name IN ($1, current_setting('application_name')) AND pid <> pg_backend_pid()";
        let row = client.query_one(others, &[&APPLICATION]).await.map_err(|e| OpenError::Failed(text(&e)))?;
        Ok(row.get::<_, i64>(0) > 0)
    }

    /// A connection for the migrations.
    pub(crate) async fn client(&self) -> Result<Object, OpenError> {
        self.pool.get().await.map_err(|e| OpenError::Failed(text(&e)))
    }

    async fn session(&self) -> Result<Session, StoreError> {
        let client = self.pool.get().await.map_err(|e| StoreError::Unavailable { reason: text(&e) })?;
        Ok(Session {
            client,
            handle: Handle::current(),
            prepare: self.prepare,
            conflict: Cell::new(false),
            lost: Cell::new(false),
        })
    }

    /// Runs a rule in a read-only transaction on the primary.
    pub(crate) async fn read<T, E, F>(&self, rule: F) -> Result<T, E>
    where
        F: Fn(&ReadTx<'_>) -> Result<T, E> + Send + Sync + 'static,
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        self.run(READ, move |session| rule(&ReadTx::postgres(session))).await
    }

    /// Runs a rule in a serializable transaction.
    pub(crate) async fn write<T, E, F>(&self, rule: F) -> Result<T, E>
    where
        F: Fn(&WriteTx<'_>) -> Result<T, E> + Send + Sync + 'static,
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        self.run(WRITE, move |session| rule(&WriteTx::postgres(session))).await
    }

    async fn run<T, E, F>(&self, begin: &'static str, rule: F) -> Result<T, E>
    where
        F: Fn(&Session) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        let this = self.clone();
        let task = tokio::task::spawn_blocking(move || {
            let handle = Handle::current();
            let mut attempt = 0;
            loop {
                let session = handle.block_on(this.session())?;
                let ended = session.transaction(begin, &rule);
                let again = session.conflict.get() || (session.lost.get() && !matches!(ended, Ended::Unknown));
                if session.lost.get() || !matches!(ended, Ended::Committed(_) | Ended::RolledBack(_)) {
                    // Not back into the pool: nobody knows what state it is in.
                    drop(Object::take(session.client));
                }
                match ended {
                    Ended::Committed(value) => return Ok(value),
                    _ if again && attempt < RETRIES => {
                        attempt += 1;
                        std::thread::sleep(jitter(attempt));
                    }
                    Ended::RolledBack(error) => return Err(error),
                    Ended::Failed(error) => return Err(error.into()),
                    Ended::Unknown => {
                        let reason = "the connection broke during the commit".to_owned();
                        return Err(StoreError::Unavailable { reason }.into());
                    }
                }
            }
        });
        task.await.unwrap_or_else(|e| Err(StoreError::Other(format!("a transaction's thread failed: {e}")).into()))
    }

    /// Prepares a statement without running it.
    pub(crate) async fn prepare(&self, sql: &str) -> Result<(), StoreError> {
        let client = self.pool.get().await.map_err(|e| StoreError::Unavailable { reason: text(&e) })?;
        client.prepare(sql).await.map(|_| ()).map_err(|e| StoreError::Other(text(&e)))
    }

    pub(crate) fn close(&self) {
        self.pool.close();
        // A closure outlives the request that was dropped; the runtime must not end under it.
        let until = std::time::Instant::now() + Duration::from_secs(5);
        while Arc::strong_count(&self.at_work) > 1 && std::time::Instant::now() < until {
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}

/// How a transaction ended.
enum Ended<T, E> {
    Committed(T),
    /// The rule refused; nothing was done.
    RolledBack(E),
    /// The engine failed before the commit; nothing was done.
    Failed(StoreError),
    /// The connection broke during the commit.
    Unknown,
}

impl Session {
    fn transaction<T, E: From<StoreError>>(
        &self,
        begin: &'static str,
        rule: &impl Fn(&Self) -> Result<T, E>,
    ) -> Ended<T, E> {
        if let Err(error) = self.batch(begin) {
            return Ended::Failed(error);
        }
        let outcome = catch_unwind(AssertUnwindSafe(|| rule(self)))
            .unwrap_or_else(|_| Err(StoreError::Other("a transaction panicked".to_owned()).into()));
        match outcome {
            Ok(value) if !self.conflict.get() && !self.lost.get() => match self.batch("COMMIT") {
                Ok(()) => Ended::Committed(value),
                Err(_) if self.lost.get() => Ended::Unknown,
                Err(error) => Ended::Failed(error),
            },
            Ok(_) => {
                let _ = self.batch("ROLLBACK");
                Ended::Failed(StoreError::Conflict)
            }
            Err(error) => match self.batch("ROLLBACK") {
                Ok(()) => Ended::RolledBack(error),
                Err(_) => {
                    self.lost.set(true);
                    Ended::RolledBack(error)
                }
            },
        }
    }

    fn batch(&self, sql: &str) -> Result<(), StoreError> {
        self.handle.block_on(self.client.batch_execute(sql)).map_err(|e| self.error(&e))
    }

    pub(crate) fn query(&self, sql: &str, params: &[Value]) -> Result<Vec<Row>, StoreError> {
        let rows = self.handle.block_on(async {
            if self.prepare {
                let statement = self.client.prepare_cached(sql).await?;
                self.client.query(&statement, &untyped(params)).await
            } else {
                self.client.query_typed(sql, &typed(params)).await
            }
        });
        let rows = rows.map_err(|e| self.error(&e))?;
        rows.iter()
            .map(|row| {
                let values: Result<Vec<Value>, _> =
                    (0..row.len()).map(|i| row.try_get::<_, Column>(i).map(|c| c.0)).collect();
                values.map(Row).map_err(|e| StoreError::Other(text(&e)))
            })
            .collect()
    }

    pub(crate) fn execute(&self, sql: &str, params: &[Value]) -> Result<u64, StoreError> {
        let changed = self.handle.block_on(async {
            if self.prepare {
                let statement = self.client.prepare_cached(sql).await?;
                self.client.execute(&statement, &untyped(params)).await
            } else {
                self.client.execute_typed(sql, &typed(params)).await
            }
        });
        changed.map_err(|e| self.error(&e))
    }

    fn error(&self, error: &tokio_postgres::Error) -> StoreError {
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

fn untyped(params: &[Value]) -> Vec<&(dyn ToSql + Sync)> {
    params.iter().map(|p| p as &(dyn ToSql + Sync)).collect()
}

/// Parameters with their types, for statements that are not prepared under a name. Our columns have these four types
/// only; a test looks at every statement.
fn typed(params: &[Value]) -> Vec<(&(dyn ToSql + Sync), Type)> {
    let ty = |p: &Value| match p {
        // The server infers it.
        Value::Null => Type::UNKNOWN,
        Value::Bool(_) => Type::BOOL,
        Value::Int(_) => Type::INT8,
        Value::Text(_) => Type::TEXT,
        Value::Blob(_) => Type::BYTEA,
    };
    params.iter().map(|p| (p as &(dyn ToSql + Sync), ty(p))).collect()
}

/// A connection string without what must not be shown. As for the driver, the first `@` ends the password, whatever is in
/// that.
pub(crate) fn without_password(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return "postgres://…".to_owned() };
    let (credentials, place) =
        rest.split_once('@').map_or((None, rest), |(credentials, place)| (Some(credentials), place));
    let user = credentials.map(|credentials| credentials.split(':').next().unwrap_or_default());
    let shown = place.split('?').next().unwrap_or_default();
    // Not what it seems to be: a password with an `@`, or an `@` in a parameter.
    if place.contains('@') || shown.contains(['&', '=']) || user.is_some_and(|user| user.contains(['/', '?'])) {
        return format!("{scheme}://…");
    }
    let user = user.filter(|user| !user.is_empty()).map(|user| format!("{user}@")).unwrap_or_default();
    format!("{scheme}://{user}{shown}")
}

/// Half a millisecond to some twenty, half of it by chance: all tries together stay below half a second.
fn jitter(attempt: u32) -> Duration {
    let mut byte = [0_u8];
    let random = if aws_lc_rs::rand::fill(&mut byte).is_ok() { u64::from(byte[0]) } else { 128 };
    let most = 1000 << attempt.min(4);
    Duration::from_micros(most / 2 + most * random / 512)
}

fn text(error: &dyn std::error::Error) -> String {
    let mut out = error.to_string();
    let mut cause = error.source();
    while let Some(e) = cause {
        out.push_str(": ");
        out.push_str(&e.to_string());
        cause = e.source();
    }
    out
}

impl ToSql for Value {
    fn to_sql(&self, ty: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        match self {
            Self::Null => Ok(IsNull::Yes),
            Self::Bool(v) => v.to_sql(ty, out),
            Self::Int(v) => match *ty {
                Type::INT2 => i16::try_from(*v)?.to_sql(ty, out),
                Type::INT4 => i32::try_from(*v)?.to_sql(ty, out),
                _ => v.to_sql(ty, out),
            },
            Self::Text(v) => v.to_sql(ty, out),
            Self::Blob(v) => v.to_sql(ty, out),
        }
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    fn encode_format(&self, _: &Type) -> Format {
        Format::Binary
    }

    fn to_sql_checked(
        &self,
        ty: &Type,
        out: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        let fits = match self {
            Self::Null => true,
            Self::Bool(_) => *ty == Type::BOOL,
            Self::Int(_) => matches!(*ty, Type::INT2 | Type::INT4 | Type::INT8),
            Self::Text(_) => matches!(*ty, Type::TEXT | Type::VARCHAR | Type::BPCHAR | Type::NAME),
            Self::Blob(_) => *ty == Type::BYTEA,
        };
        if fits { self.to_sql(ty, out) } else { Err(format!("a value does not fit the column type {ty}").into()) }
    }
}

struct Column(Value);

impl<'a> FromSql<'a> for Column {
    fn from_sql(ty: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn std::error::Error + Sync + Send>> {
        Ok(Self(match *ty {
            Type::BOOL => Value::Bool(bool::from_sql(ty, raw)?),
            Type::INT2 => Value::Int(i16::from_sql(ty, raw)?.into()),
            Type::INT4 => Value::Int(i32::from_sql(ty, raw)?.into()),
            Type::INT8 => Value::Int(i64::from_sql(ty, raw)?),
            Type::BYTEA => Value::Blob(Vec::from_sql(ty, raw)?),
            Type::TEXT | Type::VARCHAR | Type::BPCHAR | Type::NAME => Value::Text(String::from_sql(ty, raw)?),
            _ => return Err(format!("a column has the type {ty}, which no table of ours uses").into()),
        }))
    }

    fn from_sql_null(_: &Type) -> Result<Self, Box<dyn std::error::Error + Sync + Send>> {
        Ok(Self(Value::Null))
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn no_password_is_shown() {
        for (url, shown) in [
            ("postgres://h/d", "postgres://h/d"),
            ("postgres://ann:secret@h:5432/d?sslmode=disable", "postgres://ann@h:5432/d"),
            ("postgresql://ann@h/d?password=secret", "postgresql://ann@h/d"),
            ("postgres://:secret@h/d", "postgres://h/d"),
            ("postgres://ann:a/secret@h/d", "postgres://ann@h/d"),
            ("postgres://ann:a?secret@h/d", "postgres://ann@h/d"),
            ("postgres://ann:a@secret@h/d", "postgres://…"),
            ("postgres://h/d?user=a@b&password=secret", "postgres://…"),
            ("postgres://h:5432/d?user=a@b&password=secret", "postgres://…"),
            ("postgres://h/d?password=secret@x", "postgres://…"),
            ("host=h password=secret", "postgres://…"),
        ] {
            assert_eq!(super::without_password(url), shown, "{url}");
        }
    }
}
