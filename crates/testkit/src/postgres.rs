//! A PostgreSQL database for one test, on the server that `./test` started.
//!
//! The server's address comes from `TEST_POSTGRES_URL` (`postgres://user@host:port/postgres`, a role that may create
//! databases). Functions here are synchronous and may be called inside or outside an async runtime.

use std::{env, fmt, future::Future, thread};

use tokio_postgres::{Client, NoTls};
use url::Url;

/// The variable that names the server for tests.
pub const SERVER_VARIABLE: &str = "TEST_POSTGRES_URL";

/// A database of its own for one test; dropped, with whatever is still connected to it, when the guard drops.
pub struct Database {
    url: String,
    name: String,
    server: Url,
}

impl Database {
    /// The connection string, `postgres://…/name`.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The database's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Ends every connection and lets no new one in, as when the server is gone.
    ///
    /// # Panics
    /// When the server refuses.
    pub fn cut_off(&self) {
        let statement = format!(
            "ALTER DATABASE \"{0}\" ALLOW_CONNECTIONS false; \
             SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{0}'",
            self.name
        );
        check(on_server(&self.server, async move |client| client.batch_execute(&statement).await));
    }

    /// Lets connections in again.
    ///
    /// # Panics
    /// When the server refuses.
    pub fn let_in(&self) {
        let statement = format!("ALTER DATABASE \"{}\" ALLOW_CONNECTIONS true", self.name);
        check(on_server(&self.server, async move |client| client.batch_execute(&statement).await));
    }

    /// Everything that is stored, as text: a line per row.
    ///
    /// # Panics
    /// When the database can't be read.
    #[must_use]
    pub fn dump(&self) -> String {
        let url = Url::parse(&self.url).unwrap_or_else(|e| panic!("{}: {e}", self.url));
        let mut out = String::new();
        let tables = "SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY tablename";
        check(on_server(&url, async |client| {
            for table in client.query(tables, &[]).await? {
                let name: String = table.get(0);
                for row in client.query(&format!("SELECT t::text FROM \"{name}\" t"), &[]).await? {
                    out.push_str(&format!("{name}: {}\n", row.get::<_, String>(0)));
                }
            }
            Ok(())
        }));
        out
    }
}

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Database").field(&self.name).finish()
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let statement = format!("DROP DATABASE IF EXISTS \"{}\" WITH (FORCE)", self.name);
        // A server that is gone has no database to drop, and a panic in a drop would hide the test's own.
        let _ = on_server(&self.server, async move |client| client.batch_execute(&statement).await);
    }
}

/// Whether a PostgreSQL server for tests is named.
#[must_use]
pub fn available() -> bool {
    env::var_os(SERVER_VARIABLE).is_some()
}

/// Creates an empty database.
///
/// # Panics
/// With a sentence that says what to do, when `TEST_POSTGRES_URL` is missing or its server refuses.
#[must_use]
pub fn fresh_database() -> Database {
    create(server(), None)
}

/// Creates an empty database on the server of a connection string, for programs that get it another way.
///
/// # Panics
/// When the text is no URL or the server refuses.
#[must_use]
pub fn fresh_database_on(server: &str) -> Database {
    create(Url::parse(server).unwrap_or_else(|e| panic!("not a URL ({e}): {server}")), None)
}

/// Creates a database as a copy of a prepared one, which costs a fraction of preparing each.
///
/// The first caller with a `key` makes the template and runs `prepare` with its URL; later callers, in any process,
/// copy it. The key must change whenever what `prepare` does changes (a hash of the migrations, for example), because
/// the template stays on the server. `prepare` must close its connections: PostgreSQL copies no database in use.
///
/// # Panics
/// As [`fresh_database`], and when `prepare` panics.
#[must_use]
pub fn fresh_database_like(key: &str, prepare: impl FnOnce(&str) + Send) -> Database {
    let template = format!("pid_template_{key}");
    assert!(
        template.len() < 64 && template.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_'),
        "a template's key is a short word, not {key:?}"
    );
    let server = server();
    let url = database_url(&server, &template);
    let name = template.clone();
    check(on_server(&server, async move |client| {
        // One process prepares, the others wait; the lock ends with the connection.
        client.execute("SELECT pg_advisory_lock(hashtext($1))", &[&name]).await?;
        let made = client.query_opt("SELECT 1 FROM pg_database WHERE datname = $1 AND datistemplate", &[&name]).await?;
        if made.is_none() {
            // Left half-made by a process that died.
            client.batch_execute(&format!("DROP DATABASE IF EXISTS \"{name}\" WITH (FORCE)")).await?;
            client.batch_execute(&format!("CREATE DATABASE \"{name}\"")).await?;
            thread::scope(|scope| {
                if let Err(panic) = scope.spawn(move || prepare(&url)).join() {
                    std::panic::resume_unwind(panic);
                }
            });
            client.batch_execute(&format!("ALTER DATABASE \"{name}\" IS_TEMPLATE true")).await?;
        }
        Ok(())
    }));
    create(server, Some(template))
}

fn create(server: Url, template: Option<String>) -> Database {
    let name = format!("pid_test_{}", random_word());
    let mut statement = format!("CREATE DATABASE \"{name}\"");
    if let Some(template) = template {
        statement.push_str(&format!(" TEMPLATE \"{template}\""));
    }
    check(on_server(&server, async move |client| client.batch_execute(&statement).await));
    Database { url: database_url(&server, &name), name, server }
}

fn server() -> Url {
    let value = env::var(SERVER_VARIABLE).unwrap_or_else(|_| {
        panic!(
            "{SERVER_VARIABLE} is not set: run ./test, or name a PostgreSQL server with a role that may create databases"
        )
    });
    Url::parse(&value).unwrap_or_else(|e| panic!("{SERVER_VARIABLE} is not a URL ({e}): {value}"))
}

fn database_url(server: &Url, name: &str) -> String {
    let mut url = server.clone();
    url.set_path(name);
    url.into()
}

fn check(result: Result<(), String>) {
    if let Err(error) = result {
        panic!("the PostgreSQL server of {SERVER_VARIABLE} fails: {error}");
    }
}

fn random_word() -> String {
    let mut bytes = [0_u8; 10];
    if aws_lc_rs::rand::fill(&mut bytes).is_err() {
        panic!("no randomness");
    }
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

/// Runs `work` with a connection to the server, on a thread of its own so that the caller's runtime, if any, is not
/// entered twice.
fn on_server<F>(server: &Url, work: F) -> Result<(), String>
where
    F: AsyncFnOnce(&Client) -> Result<(), tokio_postgres::Error> + Send,
{
    let run = async || {
        let (client, connection) = tokio_postgres::connect(server.as_str(), NoTls).await?;
        drive(connection, async { work(&client).await }).await
    };
    thread::scope(|scope| {
        let thread = scope.spawn(|| {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|e| e.to_string())?;
            runtime.block_on(run()).map_err(|e| explain(&e))
        });
        thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

/// Polls the connection beside the work that uses it.
async fn drive(
    connection: impl Future<Output = Result<(), tokio_postgres::Error>>,
    work: impl Future<Output = Result<(), tokio_postgres::Error>>,
) -> Result<(), tokio_postgres::Error> {
    tokio::pin!(connection, work);
    tokio::select! {
        result = &mut work => result,
        // The connection ended first: the work's own error says more.
        _ = &mut connection => work.await,
    }
}

/// The driver's text with the cause, which it leaves out.
fn explain(error: &tokio_postgres::Error) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        text.push_str(&format!(": {inner}"));
        cause = inner.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(url: &str, sql: &'static str) -> Result<(), String> {
        on_server(&Url::parse(url).unwrap(), async move |client| client.batch_execute(sql).await)
    }

    /// Without a server there is nothing to prove; `./test` always names one.
    macro_rules! needs_server {
        () => {
            if !available() {
                eprintln!("skipped: {SERVER_VARIABLE} is not set");
                return;
            }
        };
    }

    #[test]
    fn databases_are_apart_and_dropped() {
        needs_server!();
        let (a, b) = (fresh_database(), fresh_database());
        query(a.url(), "CREATE TABLE only_here (id int)").unwrap();
        assert!(query(b.url(), "SELECT * FROM only_here").is_err());
        let url = a.url().to_owned();
        drop(a);
        let error = query(&url, "SELECT 1").unwrap_err();
        assert!(error.contains("does not exist"), "{error}");
    }

    #[test]
    fn a_template_is_prepared_once_and_copied() {
        needs_server!();
        let key = random_word();
        let mut runs = 0;
        let mut copy = || {
            fresh_database_like(&key, |url| {
                runs += 1;
                query(url, "CREATE TABLE prepared (id int)").unwrap();
            })
        };
        let (a, b) = (copy(), copy());
        for database in [&a, &b] {
            query(database.url(), "INSERT INTO prepared VALUES (1)").unwrap();
        }
        assert_eq!(runs, 1);
        query(
            server().as_str(),
            Box::leak(format!("ALTER DATABASE pid_template_{key} IS_TEMPLATE false; ").into_boxed_str()),
        )
        .unwrap();
        query(server().as_str(), Box::leak(format!("DROP DATABASE pid_template_{key}").into_boxed_str())).unwrap();
    }

    #[tokio::test]
    async fn works_inside_a_runtime() {
        needs_server!();
        let database = fresh_database();
        let (client, connection) = tokio_postgres::connect(database.url(), NoTls).await.unwrap();
        tokio::spawn(connection);
        let row = client.query_one("SELECT current_database()", &[]).await.unwrap();
        assert_eq!(row.get::<_, String>(0), database.name());
        // Still connected: the drop ends that connection instead of failing.
        drop(database);
        assert!(client.query_one("SELECT 1", &[]).await.is_err());
    }
}
