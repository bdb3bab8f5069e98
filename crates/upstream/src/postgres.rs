//! The original program's PostgreSQL database, read in one transaction that can't write.

use pid_core::progress::{Progress, Unit};
use tokio_postgres::tls::{MakeTlsConnect, TlsStream};
use tokio_postgres::{Client, Config, Socket};

use crate::data::{Data, Table};
use crate::{SourceError, complete};

/// Reads everything, the files that are kept in the database included. PostgreSQL itself turns rows into JSON, so that no
/// type of a column need be known here.
///
/// # Errors
/// The database can't be reached or read, or is none of that program.
pub async fn read<T>(config: &Config, tls: T, progress: &Progress) -> Result<Data, SourceError>
where
    T: MakeTlsConnect<Socket, Stream: TlsStream + Send + 'static>,
{
    let (client, connection) = config.connect(tls).await.map_err(|e| failed(&e))?;
    let driver = tokio::spawn(connection);
    let data = read_all(&client, progress).await;
    drop(client);
    let _ = driver.await;
    data
}

fn failed(error: &tokio_postgres::Error) -> SourceError {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    SourceError(format!("the PostgreSQL database can't be read: {text}"))
}

async fn read_all(client: &Client, progress: &Progress) -> Result<Data, SourceError> {
    let begin =
        "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL TIME ZONE 'UTC'; SET LOCAL bytea_output = 'hex'";
    client.batch_execute(begin).await.map_err(|e| failed(&e))?;
    let tables = "SELECT table_name::TEXT FROM information_schema.tables WHERE table_schema = current_schema() AND table_type = 'BASE TABLE'";
    let rows = client.query(tables, &[]).await.map_err(|e| failed(&e))?;
    let names: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
    let has = |name: &str| names.iter().any(|known| known == name);
    if !["users", "oidc_clients", "schema_migrations"].into_iter().all(has) {
        return Err(SourceError("the PostgreSQL database is not one of Pocket ID".to_owned()));
    }
    let mut data = Data { provider: "postgres".to_owned(), ..Data::default() };
    let counts = names.iter().map(|name| format!("(SELECT count(*) FROM \"{}\")", name.replace('"', "\"\"")));
    let count = format!("SELECT ({})::BIGINT", counts.collect::<Vec<_>>().join(" + "));
    let all: i64 = client.query_one(&count, &[]).await.map_err(|e| failed(&e))?.get(0);
    progress.count("Reading the other database", Unit::Rows, all.unsigned_abs());
    for name in names {
        let sql = format!("SELECT row_to_json(t)::TEXT FROM \"{}\" AS t", name.replace('"', "\"\""));
        let rows = client.query(&sql, &[]).await.map_err(|e| failed(&e))?;
        let rows: Vec<&str> = rows.iter().map(|row| row.get(0)).collect();
        let table: Table = serde_json::from_str(&format!("[{}]", rows.join(",")))
            .map_err(|e| SourceError(format!("the table {name} can't be read: {e}")))?;
        progress.add(table.rows.len() as u64);
        data.tables.insert(name, table);
    }
    client.batch_execute("COMMIT").await.map_err(|e| failed(&e))?;
    let state = data.rows("schema_migrations").next().map(|row| (row.int("version"), row.flag("dirty")));
    match state {
        Some((Some(version), false)) => data.version = version.unsigned_abs(),
        Some((_, true)) => {
            let text = "a migration of this database was interrupted: start the release that made it once";
            return Err(SourceError(text.to_owned()));
        }
        _ => return Err(SourceError("the version of the database's schema is missing".to_owned())),
    }
    complete(data)
}
