//! PostgreSQL 15 and later: the same synchronous rules, each on a connection of its own from a bounded pool.
//!
//! Rules block on the connection from a blocking thread, so a dropped request doesn't stop its rule half-way.
//! Writes are SERIALIZABLE, but for those that say why less is enough; what loses against another transaction runs again. Of
//! several that fight over the same rows one gets through each time, so the tries are more than the connections.

mod connection;
mod pool;
mod session;
mod value;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio_postgres::Client;
use tokio_postgres::types::Type;

use crate::postgres_tls::{Reach, reach};
use crate::{OpenError, ReadTx, StoreError, WriteTx};
use pool::Pool;
pub(crate) use session::Session;
use session::{Ended, Isolation};

/// Twice the connections of a process (`Options::connections`), for a neighbour or two.
const RETRIES: u32 = 20;
/// What our connections say who they are.
const APPLICATION: &str = "pocket-id";
/// How long it may take to be let in.
const PATIENCE: Duration = Duration::from_secs(10);
const NO_ANSWER: &str = "the database server does not answer";

/// The engine.
#[derive(Clone)]
pub(crate) struct Postgres {
    pool: Arc<Pool>,
    reach: Reach,
    /// Transactions that lost against others and were run again.
    repeats: Arc<AtomicU64>,
    /// Shared with each closure at work, which holds a clone of the engine.
    at_work: Arc<()>,
}

/// How a server is reached, and what we say who we are.
fn named(url: &str) -> Result<Reach, OpenError> {
    let mut reach = reach(url)?;
    if reach.config.get_application_name().is_none() {
        reach.config.application_name(APPLICATION);
    }
    Ok(reach)
}

/// A connection beside the pool. It ends when it is dropped.
async fn connect(reach: &Reach) -> Result<Client, OpenError> {
    let connecting = tokio::time::timeout(PATIENCE, reach.config.connect(reach.tls.clone()));
    let connected = connecting.await.map_err(|_| OpenError::Failed(NO_ANSWER.to_owned()))?;
    let (client, driver) = connected.map_err(|e| OpenError::Failed(text(&e)))?;
    tokio::spawn(driver);
    Ok(client)
}

impl Postgres {
    /// Checks that the server answers.
    pub(crate) async fn open(url: &str, connections: usize) -> Result<Self, OpenError> {
        let reach = named(url)?;
        // Not prepared under a name: a pooler may have lent the connection to somebody who has one by that.
        let rows = connect(&reach).await?.query_typed("SHOW server_version_num", &[]).await;
        let rows = rows.map_err(|e| OpenError::Failed(text(&e)))?;
        let version: i64 = rows.first().and_then(|row| row.get::<_, String>(0).parse().ok()).unwrap_or(0);
        if version < 150_000 {
            return Err(OpenError::Unsupported("PostgreSQL 15 or later is needed".to_owned()));
        }
        let pool = Arc::new(Pool::new(reach.clone(), connections));
        let this = Self { pool, reach, repeats: Arc::default(), at_work: Arc::default() };
        // So that others see that the database is in use.
        let begun = this.run(Isolation::Read, |session| session.query("SELECT 1::BIGINT", &[]).map(drop)).await;
        begun.map_err(|e: StoreError| OpenError::Failed(e.to_string()))?;
        Ok(this)
    }

    /// Whether anybody is connected who says that it is this program.
    pub(crate) async fn is_in_use(url: &str) -> Result<bool, OpenError> {
        let client = connect(&named(url)?).await?;
        // A connection string may give them another name: then this one has it, too.
        let others = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() \
            AND application_name IN ($1, current_setting('application_name')) AND pid <> pg_backend_pid()";
        let rows = client.query_typed(others, &[(&APPLICATION, Type::TEXT)]).await;
        let rows = rows.map_err(|e| OpenError::Failed(text(&e)))?;
        Ok(rows.first().is_some_and(|row| row.get::<_, i64>(0) > 0))
    }

    /// A connection for the migrations.
    pub(crate) async fn client(&self) -> Result<Client, OpenError> {
        connect(&self.reach).await
    }

    /// Runs a rule in a read-only transaction on the primary.
    pub(crate) async fn read<T, E, F>(&self, rule: F) -> Result<T, E>
    where
        F: Fn(&ReadTx<'_>) -> Result<T, E> + Send + Sync + 'static,
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        self.run(Isolation::Read, move |session| rule(&ReadTx::postgres(session))).await
    }

    /// Runs a rule in a transaction that writes.
    pub(crate) async fn write<T, E, F>(&self, guarded: bool, rule: F) -> Result<T, E>
    where
        F: Fn(&WriteTx<'_>) -> Result<T, E> + Send + Sync + 'static,
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        let isolation = if guarded { Isolation::Guarded } else { Isolation::Serializable };
        self.run(isolation, move |session| rule(&WriteTx::postgres(session))).await
    }

    async fn run<T, E, F>(&self, isolation: Isolation, rule: F) -> Result<T, E>
    where
        F: Fn(&Session) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        let turn = self.pool.turn().await?;
        let this = self.clone();
        let task = tokio::task::spawn_blocking(move || {
            let outcome = this.repeat(isolation, &rule);
            // A rule may hold what the runtime must outlive.
            drop((rule, turn));
            outcome
        });
        task.await.unwrap_or_else(|e| Err(StoreError::Other(format!("a transaction's thread failed: {e}")).into()))
    }

    fn repeat<T, E, F>(&self, isolation: Isolation, rule: &F) -> Result<T, E>
    where
        F: Fn(&Session) -> Result<T, E>,
        E: From<StoreError>,
    {
        let mut attempt = 0;
        loop {
            let session = Session::new(self.pool.take()?, isolation);
            let ended = session.transaction(rule);
            let (conflict, lost) = (session.conflict(), session.lost());
            match session.into_connection() {
                Some(connection) => self.pool.put(connection),
                None => self.pool.drop_idle(),
            }
            let again = conflict || (lost && !matches!(ended, Ended::Unknown));
            match ended {
                Ended::Committed(value) => return Ok(value),
                _ if again && attempt < RETRIES => {
                    attempt += 1;
                    self.repeats.fetch_add(u64::from(conflict), Ordering::Relaxed);
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
    }

    /// How many transactions lost against others and were run again.
    pub(crate) fn repeats(&self) -> u64 {
        self.repeats.load(Ordering::Relaxed)
    }

    /// Prepares a statement without running it.
    pub(crate) async fn prepare(&self, sql: &str) -> Result<(), StoreError> {
        let _turn = self.pool.turn().await?;
        let (pool, sql) = (Arc::clone(&self.pool), sql.to_owned());
        let task = tokio::task::spawn_blocking(move || {
            let connection = pool.take()?;
            let prepared = connection.prepare(&sql).map_err(|e| StoreError::Other(text(&e)));
            pool.put(connection);
            prepared
        });
        task.await.map_err(|e| StoreError::Other(e.to_string()))?
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
