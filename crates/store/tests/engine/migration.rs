//! Schema versions: newer ones are refused, and of several replicas one migrates.

use pid_store::{Db, Engine, OpenError, Target};
use pid_testkit::postgres::{available, fresh_database};

use crate::{Fixture, options};

#[tokio::test(flavor = "multi_thread")]
async fn case_107_a_newer_schema_is_refused() {
    for fixture in Fixture::all().await {
        let later = "INSERT INTO refinery_schema_history (version, name, applied_on, checksum) \
            VALUES (999, 'later', '2030-01-01T00:00:00Z', '1') RETURNING version";
        fixture.db.write(move |tx| tx.query_dynamic(later, &[])).await.unwrap();
        fixture.db.close().await;
        let before = match fixture.db.engine() {
            Engine::Sqlite => Some(std::fs::read(fixture.path()).unwrap()),
            Engine::Postgres => None,
        };
        let refused = Db::open(&fixture.target, options()).await.err().unwrap();
        assert!(matches!(refused, OpenError::Newer { found: 999, .. }), "{refused}");
        assert!(refused.to_string().contains("999"), "{refused}");
        if let Some(before) = before {
            assert_eq!(std::fs::read(fixture.path()).unwrap(), before);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_several_replicas_one_migrates() {
    if !available() {
        return;
    }
    let database = fresh_database();
    let target = Target::Postgres(database.url().to_owned());
    let mut starts = tokio::task::JoinSet::new();
    for _ in 0..4 {
        let target = target.clone();
        starts.spawn(async move { Db::open(&target, options()).await });
    }
    for db in starts.join_all().await {
        let db = db.unwrap();
        db.prepare_all(&pid_store::all_statements()).await.unwrap();
        db.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_waits_for_the_replica_that_migrates_and_outlives_one_that_died() {
    if !available() {
        return;
    }
    let database = fresh_database();
    let (client, connection) = tokio_postgres::connect(database.url(), tokio_postgres::NoTls).await.unwrap();
    let driver = tokio::spawn(connection);
    let now = (options().now_millis)();
    client
        .batch_execute(&format!(
            "CREATE TABLE migration_lease (id BIGINT NOT NULL PRIMARY KEY, held_until BIGINT NOT NULL); \
             INSERT INTO migration_lease VALUES (1, {})",
            now + 60_000
        ))
        .await
        .unwrap();
    let target = Target::Postgres(database.url().to_owned());
    let start = tokio::spawn(async move { Db::open(&target, options()).await });
    // It is connected and asks for the lease; the schema stays as it is.
    let waits = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'UPDATE migration_lease%'";
    for _ in 0..1000 {
        if client.query_one(waits, &[]).await.unwrap().get::<_, i64>(0) > 0 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    assert!(client.query_one(waits, &[]).await.unwrap().get::<_, i64>(0) > 0);
    assert!(!start.is_finished());
    let made = "SELECT to_regclass('users') IS NOT NULL";
    assert!(!client.query_one(made, &[]).await.unwrap().get::<_, bool>(0));
    // The lease of one that died runs out.
    client.execute("UPDATE migration_lease SET held_until = $1", &[&(now - 1)]).await.unwrap();
    start.await.unwrap().unwrap().close().await;
    assert!(client.query_one(made, &[]).await.unwrap().get::<_, bool>(0));
    drop(client);
    let _ = driver.await;
}
