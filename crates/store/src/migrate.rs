//! Migrations: forward only, by refinery, embedded from `migrations/`. A test compares the schemas of both
//! engines.

use std::path::Path;
use std::time::Duration;

use deadpool_postgres::Object;
use rusqlite::Connection;

use crate::OpenError;

mod embedded {
    pub(crate) mod sqlite {
        refinery::embed_migrations!("migrations/sqlite");
    }
    pub(crate) mod postgres {
        refinery::embed_migrations!("migrations/postgres");
    }
}

fn known(runner: &refinery::Runner) -> i64 {
    runner.get_migrations().iter().map(|m| i64::from(m.version())).max().unwrap_or(0)
}

fn failed(error: impl std::fmt::Display) -> OpenError {
    OpenError::Failed(error.to_string())
}

/// Migrates a file. Before an older schema is changed, a verified copy is put beside it.
pub(crate) fn sqlite(conn: &mut Connection, path: &Path, new: bool, now_millis: i64) -> Result<(), OpenError> {
    let runner = embedded::sqlite::migrations::runner().set_abort_missing(false);
    let known = known(&runner);
    let has_history: bool = conn
        .query_row("SELECT count(*) FROM sqlite_master WHERE name = 'refinery_schema_history'", [], |r| {
            r.get::<_, i64>(0)
        })
        .map_err(failed)?
        > 0;
    let found: i64 = if has_history {
        conn.query_row("SELECT coalesce(max(version), 0) FROM refinery_schema_history", [], |r| r.get(0))
            .map_err(failed)?
    } else {
        0
    };
    if found > known {
        return Err(OpenError::Newer { found, known });
    }
    if found == known {
        return Ok(());
    }
    if !new && found > 0 {
        copy(conn, path, found, now_millis)?;
    }
    runner.set_grouped(false).run(conn).map(|_| ()).map_err(failed)
}

/// `VACUUM INTO` beside the file, then an integrity check of the copy.
fn copy(conn: &Connection, path: &Path, version: i64, now_millis: i64) -> Result<(), OpenError> {
    let target = path.with_extension(format!("before-v{}-{now_millis}.db", version + 1));
    conn.execute("VACUUM INTO ?1", [target.display().to_string()]).map_err(failed)?;
    let copy = Connection::open(&target).map_err(failed)?;
    let verdict: String = copy.query_row("PRAGMA integrity_check", [], |r| r.get(0)).map_err(failed)?;
    if verdict == "ok" {
        tracing::info!(copy = %target.display(), "copied the database before its migration");
        Ok(())
    } else {
        Err(OpenError::Failed(format!("the copy before the migration is not intact: {verdict}")))
    }
}

/// Migrates a server's database under a lease row, so that of several replicas one does it and the others
/// wait.
pub(crate) async fn postgres(client: &mut Object, now_millis: impl Fn() -> i64) -> Result<(), OpenError> {
    let runner = embedded::postgres::migrations::runner().set_abort_missing(false);
    let known = known(&runner);
    let lease =
        "CREATE TABLE IF NOT EXISTS migration_lease (id BIGINT NOT NULL PRIMARY KEY, held_until BIGINT NOT NULL)";
    // Two first starts at once may both try to create the table; the loser finds it.
    if client.batch_execute(lease).await.is_err() {
        client.batch_execute(lease).await.map_err(failed)?;
    }
    client
        .execute("INSERT INTO migration_lease (id, held_until) VALUES (1, 0) ON CONFLICT (id) DO NOTHING", &[])
        .await
        .map_err(failed)?;
    let mut waits = 0;
    loop {
        if found(client).await? > known {
            let found = found(client).await?;
            return Err(OpenError::Newer { found, known });
        }
        if found(client).await? == known {
            return Ok(());
        }
        let now = now_millis();
        let taken = client
            .execute(
                "UPDATE migration_lease SET held_until = $1 WHERE id = 1 AND held_until < $2",
                &[&(now + 120_000), &now],
            )
            .await
            .map_err(failed)?;
        if taken == 1 {
            break;
        }
        waits += 1;
        if waits > 600 {
            return Err(OpenError::Failed("another instance has been migrating the database for too long".to_owned()));
        }
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
    let outcome = runner.set_grouped(false).run_async(&mut ***client).await;
    client.execute("UPDATE migration_lease SET held_until = 0 WHERE id = 1", &[]).await.map_err(failed)?;
    outcome.map(|_| ()).map_err(failed)
}

async fn found(client: &Object) -> Result<i64, OpenError> {
    let has_history = client
        .query_one("SELECT to_regclass('refinery_schema_history') IS NOT NULL", &[])
        .await
        .map_err(failed)?
        .get::<_, bool>(0);
    if !has_history {
        return Ok(0);
    }
    let row = client
        .query_one("SELECT coalesce(max(version), 0)::BIGINT FROM refinery_schema_history", &[])
        .await
        .map_err(failed)?;
    Ok(row.get(0))
}
