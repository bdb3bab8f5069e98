//! Migrations: forward only, by refinery, embedded from `migrations/`. A test compares the schemas of both
//! engines.

use std::path::Path;
use std::time::Duration;

use refinery::Runner;
use rusqlite::Connection;
use tokio_postgres::Client;
use tokio_postgres::types::Type;

use crate::OpenError;
use crate::postgres::without_password;
use crate::sqlite::make_private;

mod embedded {
    pub(crate) mod sqlite {
        refinery::embed_migrations!("migrations/sqlite");
    }
    pub(crate) mod postgres {
        refinery::embed_migrations!("migrations/postgres");
    }
}

fn failed(error: impl std::fmt::Display) -> OpenError {
    OpenError::Failed(error.to_string())
}

/// Compares what a database has with what this program knows. Gives the database's version if something is to be done.
fn pending(runner: &Runner, applied: &[i64]) -> Result<Option<i64>, OpenError> {
    let mut known: Vec<i64> = runner.get_migrations().iter().map(|m| i64::from(m.version())).collect();
    known.sort_unstable();
    let newest = known.last().copied().unwrap_or(0);
    let found = applied.iter().copied().max().unwrap_or(0);
    if found > newest {
        return Err(OpenError::Newer { found, known: newest });
    }
    if let Some(gap) = known.iter().find(|v| **v < found && !applied.contains(v)) {
        let text = format!("its schema has version {found} but lacks version {gap}: no released program made it");
        return Err(OpenError::Failed(text));
    }
    Ok((found < newest).then_some(found))
}

/// The version of a file's schema.
pub(crate) fn version(conn: &Connection) -> rusqlite::Result<i64> {
    conn.query_row("SELECT max(version) FROM refinery_schema_history", [], |r| r.get(0))
}

/// An empty database in memory, as the version with this schema made it.
pub(crate) fn empty(version: i64) -> Result<Connection, OpenError> {
    let runner = embedded::sqlite::migrations::runner();
    let known = runner.get_migrations().iter().map(|m| i64::from(m.version())).max().unwrap_or(0);
    if version > known {
        return Err(OpenError::Newer { found: version, known });
    }
    let target = i32::try_from(version).map_err(failed)?;
    let mut conn = Connection::open_in_memory().map_err(failed)?;
    conn.pragma_update(None, "foreign_keys", true).map_err(failed)?;
    runner.set_grouped(false).set_target(refinery::Target::Version(target)).run(&mut conn).map_err(failed)?;
    Ok(conn)
}

/// Migrates a file. Before an older schema is changed, a verified copy is put beside it.
pub(crate) fn sqlite(conn: &mut Connection, path: &Path, now_millis: i64) -> Result<(), OpenError> {
    migrate_file(embedded::sqlite::migrations::runner(), conn, path, now_millis)
}

fn migrate_file(runner: Runner, conn: &mut Connection, path: &Path, now_millis: i64) -> Result<(), OpenError> {
    let history = "SELECT count(*) FROM sqlite_master WHERE name = 'refinery_schema_history'";
    let has_history = conn.query_row(history, [], |r| r.get::<_, i64>(0)).map_err(failed)? > 0;
    let mut applied = Vec::new();
    if has_history {
        let mut rows = conn.prepare("SELECT version FROM refinery_schema_history").map_err(failed)?;
        let versions = rows.query_map([], |r| r.get(0)).map_err(failed)?;
        applied = versions.collect::<Result<Vec<i64>, _>>().map_err(failed)?;
    }
    let Some(found) = pending(&runner, &applied)? else { return Ok(()) };
    if found > 0 {
        copy(conn, path, found, now_millis)?;
    }
    // Each in a transaction of its own: what was interrupted goes on with the next start.
    runner.set_grouped(false).run(conn).map(|_| ()).map_err(failed)
}

/// `VACUUM INTO` beside the file, then an integrity check of the copy.
fn copy(conn: &Connection, path: &Path, version: i64, now_millis: i64) -> Result<(), OpenError> {
    let target = path.with_extension(format!("before-v{}-{now_millis}.db", version + 1));
    // SQLite writes into an empty file, so the copy is private from its first byte.
    make_private(&target)?;
    conn.execute("VACUUM INTO ?1", [target.display().to_string()])
        .map_err(|e| OpenError::Failed(format!("the copy before the migration could not be made: {e}")))?;
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
pub(crate) async fn postgres(client: &mut Client, url: &str, now_millis: impl Fn() -> i64) -> Result<(), OpenError> {
    refuse_upstream(client, url).await?;
    let runner = embedded::postgres::migrations::runner();
    let lease =
        "CREATE TABLE IF NOT EXISTS migration_lease (id BIGINT NOT NULL PRIMARY KEY, held_until BIGINT NOT NULL)";
    // Two first starts at once may both try to create the table; the loser finds it.
    if client.batch_execute(lease).await.is_err() {
        client.batch_execute(lease).await.map_err(failed)?;
    }
    client
        .batch_execute("INSERT INTO migration_lease (id, held_until) VALUES (1, 0) ON CONFLICT (id) DO NOTHING")
        .await
        .map_err(failed)?;
    let mut waits = 0;
    loop {
        if pending(&runner, &applied(client).await?)?.is_none() {
            return Ok(());
        }
        let now = now_millis();
        let taken = client
            .execute_typed(
                "UPDATE migration_lease SET held_until = $1 WHERE id = 1 AND held_until < $2",
                &[(&(now + 120_000), Type::INT8), (&now, Type::INT8)],
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
    let outcome = runner.set_grouped(false).run_async(client).await;
    client.batch_execute("UPDATE migration_lease SET held_until = 0 WHERE id = 1").await.map_err(failed)?;
    outcome.map(|_| ()).map_err(failed)
}

/// Asks without a prepared statement, which a pooler would hand to somebody else.
async fn is_so(client: &Client, question: &str) -> Result<bool, OpenError> {
    let rows = client.query_typed(question, &[]).await.map_err(failed)?;
    Ok(rows.first().is_some_and(|row| row.get(0)))
}

/// Refuses a database of Pocket ID without touching it.
async fn refuse_upstream(client: &Client, url: &str) -> Result<(), OpenError> {
    let theirs = "SELECT to_regclass('oidc_clients') IS NOT NULL AND to_regclass('schema_migrations') IS NOT NULL \
        AND to_regclass('refinery_schema_history') IS NULL";
    if is_so(client, theirs).await? {
        let source_ = without_password(url);
        let target = match source_.rsplit_once('/') {
            Some((server, _)) if server.contains("//") && !server.ends_with('/') => format!("{server}/pocket_id_new"),
            _ => "postgres://…/pocket_id_new".to_owned(),
        };
        return Err(OpenError::Upstream { source_, target });
    }
    Ok(())
}

async fn applied(client: &Client) -> Result<Vec<i64>, OpenError> {
    let has_history = "SELECT to_regclass('refinery_schema_history') IS NOT NULL";
    if !is_so(client, has_history).await? {
        return Ok(Vec::new());
    }
    let versions = "SELECT version::BIGINT FROM refinery_schema_history";
    Ok(client.query_typed(versions, &[]).await.map_err(failed)?.iter().map(|r| r.get(0)).collect())
}

#[cfg(test)]
mod tests {
    use refinery::Migration;

    use super::*;

    fn runner(migrations: &[(&str, &str)]) -> Runner {
        let all: Vec<_> = migrations.iter().map(|(name, sql)| Migration::unapplied(name, sql).unwrap()).collect();
        Runner::new(&all)
    }

    const V1: (&str, &str) = ("V1__people", "CREATE TABLE people (name TEXT); INSERT INTO people VALUES ('ann');");
    const V2: (&str, &str) = ("V2__age", "ALTER TABLE people ADD COLUMN age BIGINT; DELETE FROM people;");
    const BROKEN: (&str, &str) = ("V2__age", "ALTER TABLE people ADD COLUMN age BIGINT; DELETE FROM nobody;");
    const V3: (&str, &str) = ("V3__more", "CREATE TABLE more (id TEXT);");

    struct File {
        dir: tempfile::TempDir,
        conn: Connection,
        millis: i64,
    }

    impl File {
        fn new() -> Self {
            let dir = tempfile::tempdir().unwrap();
            let conn = Connection::open(dir.path().join("x.db")).unwrap();
            conn.pragma_update(None, "journal_mode", "WAL").unwrap();
            Self { dir, conn, millis: 1_700_000_000_000 }
        }

        fn migrate(&mut self, migrations: &[(&str, &str)]) -> Result<(), OpenError> {
            self.millis += 1;
            migrate_file(runner(migrations), &mut self.conn, &self.dir.path().join("x.db"), self.millis)
        }

        fn copies(&self) -> Vec<std::path::PathBuf> {
            let all = std::fs::read_dir(self.dir.path()).unwrap().map(|e| e.unwrap().path());
            all.filter(|p| p.to_string_lossy().contains("before-")).collect()
        }

        fn count(&self, sql: &str) -> i64 {
            self.conn.query_row(sql, [], |r| r.get(0)).unwrap()
        }
    }

    #[test]
    fn an_older_file_is_copied_before_it_is_changed() {
        let mut file = File::new();
        file.migrate(&[V1]).unwrap();
        assert!(file.copies().is_empty(), "a new file needs no copy");
        file.migrate(&[V1]).unwrap();
        assert!(file.copies().is_empty(), "nothing was to be done");
        file.migrate(&[V1, V2]).unwrap();
        assert_eq!(file.count("SELECT count(*) FROM people"), 0);
        let copies = file.copies();
        assert_eq!(copies.len(), 1, "{copies:?}");
        let copy = Connection::open(&copies[0]).unwrap();
        assert_eq!(copy.query_row("SELECT name FROM people", [], |r| r.get::<_, String>(0)).unwrap(), "ann");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            assert_eq!(std::fs::metadata(&copies[0]).unwrap().permissions().mode() & 0o777, 0o600);
        }
    }

    #[test]
    fn case_107_a_migration_that_fails_changes_nothing_and_runs_again() {
        let mut file = File::new();
        file.migrate(&[V1]).unwrap();
        let error = file.migrate(&[V1, BROKEN, V3]).unwrap_err().to_string();
        assert!(error.contains("nobody"), "{error}");
        assert_eq!(file.count("SELECT count(*) FROM people"), 1);
        assert_eq!(file.count("SELECT count(*) FROM pragma_table_info('people') WHERE name = 'age'"), 0);
        assert_eq!(file.count("SELECT max(version) FROM refinery_schema_history"), 1);
        file.migrate(&[V1, V2, V3]).unwrap();
        assert_eq!(file.count("SELECT count(*) FROM refinery_schema_history"), 3);
        assert_eq!(file.count("SELECT count(*) FROM more"), 0);
    }

    #[test]
    fn newer_schemas_gaps_and_altered_migrations_are_refused() {
        let mut file = File::new();
        file.migrate(&[V1, V3]).unwrap();
        let newer = file.migrate(&[V1]).unwrap_err();
        assert!(matches!(newer, OpenError::Newer { found: 3, known: 1 }), "{newer}");
        let gap = file.migrate(&[V1, V2, V3]).unwrap_err().to_string();
        assert!(gap.contains("lacks version 2"), "{gap}");
        let altered = file.migrate(&[("V1__people", "CREATE TABLE others (id TEXT);"), V3, ("V4__x", "")]);
        assert!(altered.is_err());
        assert_eq!(file.count("SELECT count(*) FROM people"), 1);
    }
}
