//! One story on each engine.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use pid_core::users::User;
use pid_core::{Timestamp, UserId};
use pid_store::{Db, Engine, Row, StoreError, Value, instance, users};

use crate::{Fixture, insert, user};

#[tokio::test(flavor = "multi_thread")]
async fn every_statement_fits_the_schema_of_both_engines() {
    let statements = pid_store::all_statements();
    for fixture in Fixture::all().await {
        let lists: Vec<String> =
            pid_store::all_lists().iter().flat_map(|l| l.statements(fixture.db.engine())).collect();
        assert!(statements.len() > 100 && lists.len() > 100, "{} and {}", statements.len(), lists.len());
        fixture.db.prepare_all(&statements).await.unwrap();
        for sql in &lists {
            fixture.db.prepare(sql).await.unwrap_or_else(|e| panic!("{e}: {sql}"));
        }
        // The test can fail.
        assert!(fixture.db.prepare("SELECT nothing FROM users").await.is_err());
    }
}

/// A statement that is not declared by `statements!` would escape the test above; the macro alone can make one, and
/// SQL assembled at run time is for lists, and for backups, which copy tables whatever they hold; the
/// doctor asks each engine for what only it knows.
#[test]
fn only_lists_assemble_their_sql() {
    let mut paths = vec![std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
    let mut looked_at = 0;
    while let Some(path) = paths.pop() {
        if path.is_dir() {
            paths.extend(std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()));
            continue;
        }
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let text = std::fs::read_to_string(&path).unwrap();
        looked_at += 1;
        if !["lists.rs", "tx.rs", "backup.rs", "doctor.rs"].contains(&name.as_str()) {
            assert!(!text.contains("query_dynamic"), "{name} assembles SQL: declare it with statements! or as a list");
        }
    }
    assert!(looked_at > 20);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outcome_commits_and_an_error_rolls_back() {
    for mut fixture in Fixture::all().await {
        fixture.db.write(|tx| insert(tx, "ann")).await.unwrap();
        let failed: Result<(), StoreError> = fixture
            .db
            .write(|tx| {
                insert(tx, "bob")?;
                Err(StoreError::NoRow)
            })
            .await;
        assert_eq!(failed, Err(StoreError::NoRow));
        // A reader that begins after the writer's answer sees the write; types survive the round trip.
        let ann = fixture.db.read(|tx| users::by_username(tx, "ANN")).await.unwrap().unwrap();
        assert_eq!(ann, user("ann"));
        assert!(!fixture.has("bob").await);
        fixture.reopen().await;
        assert!(fixture.has("ann").await && !fixture.has("bob").await);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn broken_constraints_are_named_alike() {
    for fixture in Fixture::all().await {
        let db = &fixture.db;
        db.write(|tx| insert(tx, "ann")).await.unwrap();
        let taken = db.write(|tx| users::insert(tx, &User { id: UserId::new("x"), email: None, ..user("Ann") })).await;
        assert_eq!(taken, Err(StoreError::UniqueViolation { constraint: "users_username_key".to_owned() }));
        let taken =
            db.write(|tx| users::insert(tx, &User { email: Some("ANN@example.com".to_owned()), ..user("carl") })).await;
        assert_eq!(taken, Err(StoreError::UniqueViolation { constraint: "users_email_key".to_owned() }));
        let orphan = db
            .write(|tx| {
                let now = Timestamp::from_secs(1);
                pid_store::login_codes::insert(
                    tx,
                    "id",
                    &[1; 32],
                    &UserId::new("nobody"),
                    "admin",
                    now,
                    now,
                    None,
                    None,
                )
            })
            .await;
        assert_eq!(orphan, Err(StoreError::ForeignKeyViolation));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn case_100_a_panic_is_an_error_of_its_own_transaction_only() {
    for fixture in Fixture::all().await {
        let db = &fixture.db;
        let write: Result<(), StoreError> = db
            .write(|tx| {
                insert(tx, "ann")?;
                panic!("on purpose")
            })
            .await;
        assert!(matches!(write, Err(StoreError::Other(_))), "{write:?}");
        for _ in 0..20 {
            let read: Result<(), StoreError> = db.read(|_| panic!("on purpose")).await;
            assert!(matches!(read, Err(StoreError::Other(_))), "{read:?}");
        }
        assert!(!fixture.has("ann").await);
        db.write(|tx| insert(tx, "ann")).await.unwrap();
        assert!(fixture.has("ann").await);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_fifty_parallel_firsts_one_wins() {
    for fixture in Fixture::all().await {
        let mut tasks = tokio::task::JoinSet::new();
        for i in 0..50 {
            let db = fixture.db.clone();
            tasks.spawn(
                async move { db.write(move |tx| instance::put_new(tx, "first", &i.to_string())).await.unwrap() },
            );
        }
        assert_eq!(tasks.join_all().await.into_iter().filter(|won| *won).count(), 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn read_modify_write_loses_no_acknowledged_step() {
    for fixture in Fixture::all().await {
        fixture.db.write(|tx| insert(tx, "ann")).await.unwrap();
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..8 {
            tasks.spawn(increment_five_times(fixture.db.clone()));
        }
        let done: i64 = tasks.join_all().await.into_iter().sum();
        let ann = fixture.db.read(|tx| users::by_username(tx, "ann")).await.unwrap().unwrap();
        assert_eq!(ann.last_name.parse::<i64>().unwrap(), done);
        assert!(done > 0);
        if fixture.db.engine() == Engine::Sqlite {
            assert_eq!(done, 40);
        }
    }
}

/// Gives how many steps were acknowledged.
async fn increment_five_times(db: Db) -> i64 {
    let mut done = 0;
    for _ in 0..5 {
        let outcome = db.write(|tx| {
            let mut ann = users::by_username(tx, "ann")?.ok_or(StoreError::NoRow)?;
            let n: i64 = ann.last_name.parse().unwrap_or(0);
            ann.last_name = (n + 1).to_string();
            users::update(tx, &ann, Timestamp::from_secs(2))
        });
        match outcome.await {
            Ok(true) => done += 1,
            // The tries may not be enough for eight writers of one row: honest, and nothing was done.
            Err(StoreError::Conflict) => {}
            other => panic!("{other:?}"),
        }
    }
    done
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_request_does_not_stop_its_write() {
    for fixture in Fixture::all().await {
        let (started, has_started) = std::sync::mpsc::channel();
        let (go, may_go) = std::sync::mpsc::channel::<()>();
        let may_go = std::sync::Mutex::new(may_go);
        let write = fixture.db.clone();
        let request = tokio::spawn(async move {
            write
                .write(move |tx| {
                    started.send(()).unwrap();
                    may_go.lock().unwrap().recv().unwrap();
                    insert(tx, "ann")
                })
                .await
        });
        tokio::task::spawn_blocking(move || has_started.recv().unwrap()).await.unwrap();
        request.abort();
        assert!(request.await.unwrap_err().is_cancelled());
        go.send(()).unwrap();
        // The next write is done after it on SQLite; on PostgreSQL it may take a moment.
        fixture.db.write(|tx| insert(tx, "bob")).await.unwrap();
        for _ in 0..500 {
            if fixture.has("ann").await {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        assert!(fixture.has("ann").await);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_sees_one_state_and_cannot_write() {
    for fixture in Fixture::all().await {
        let db = fixture.db.clone();
        db.write(|tx| insert(tx, "ann")).await.unwrap();
        let refused = db.read(|tx| tx.query_dynamic("DELETE FROM users RETURNING id", &[])).await;
        assert!(refused.is_err());
        assert!(fixture.has("ann").await);

        // A write that commits in the middle of a read is not seen by it.
        let (began, has_begun) = std::sync::mpsc::channel();
        let (go, may_go) = std::sync::mpsc::channel::<()>();
        let may_go = std::sync::Mutex::new(may_go);
        let reader = db.clone();
        let read = tokio::task::spawn(async move {
            reader
                .read(move |tx| {
                    let before = users::by_username(tx, "bob")?.is_some();
                    began.send(()).unwrap();
                    may_go.lock().unwrap().recv().unwrap();
                    Ok::<_, StoreError>((before, users::by_username(tx, "bob")?.is_some()))
                })
                .await
        });
        tokio::task::spawn_blocking(move || has_begun.recv().unwrap()).await.unwrap();
        db.write(|tx| insert(tx, "bob")).await.unwrap();
        go.send(()).unwrap();
        assert_eq!(read.await.unwrap().unwrap(), (false, false));
        assert!(fixture.has("bob").await);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn values_survive_the_round_trip() {
    let values = [
        Value::Null,
        Value::from(i64::MIN),
        Value::from(i64::MAX),
        Value::from("Zoë \u{1F511} \u{feff} 'quoted' \\ % _"),
        Value::from(""),
        Value::from((0..=255).collect::<Vec<u8>>()),
        Value::from(Vec::new()),
    ];
    for fixture in Fixture::all().await {
        for value in values.clone() {
            let sql = match &value {
                Value::Blob(_) if fixture.db.engine() == Engine::Postgres => "SELECT CAST($1 AS BYTEA)",
                Value::Blob(_) => "SELECT CAST($1 AS BLOB)",
                Value::Int(_) => "SELECT CAST($1 AS BIGINT)",
                _ => "SELECT CAST($1 AS TEXT)",
            };
            let asked = value.clone();
            let rows = fixture.db.read(move |tx| tx.query_dynamic(sql, std::slice::from_ref(&asked))).await.unwrap();
            let [row] = rows.as_slice() else { panic!("{rows:?}") };
            match value {
                Value::Null => assert_eq!(row.get::<Option<String>>(0).unwrap(), None),
                Value::Int(n) => assert_eq!(row.get::<i64>(0).unwrap(), n),
                Value::Text(text) => assert_eq!(row.get::<String>(0).unwrap(), text),
                Value::Blob(bytes) => assert_eq!(row.get::<Vec<u8>>(0).unwrap(), bytes),
                Value::Bool(_) => unreachable!(),
            }
            // A wrong type or index is an error of its own, not a panic.
            assert!(Row::get::<i64>(row, 7).is_err());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn case_027_a_text_with_nul_is_refused_alike() {
    for fixture in Fixture::all().await {
        let found = fixture.db.read(|tx| users::by_username(tx, "a\0b")).await;
        assert_eq!(found, Err(StoreError::NulCharacter));
        let stored = fixture.db.write(|tx| insert(tx, "a\0b")).await;
        assert_eq!(stored, Err(StoreError::NulCharacter));
        let rows = fixture.db.read(|tx| tx.query_dynamic("SELECT 1 WHERE $1 = 'x'", &[Value::from("\0")])).await;
        assert_eq!(rows, Err(StoreError::NulCharacter));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_closed_store_is_unavailable_and_what_waited_is_done() {
    for mut fixture in Fixture::all().await {
        let mut tasks = tokio::task::JoinSet::new();
        let done = Arc::new(AtomicUsize::new(0));
        for i in 0..20 {
            let (db, done) = (fixture.db.clone(), Arc::clone(&done));
            tasks.spawn(async move {
                if db.write(move |tx| instance::put_new(tx, &format!("row {i}"), "x")).await.is_ok() {
                    done.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        fixture.db.close().await;
        tasks.join_all().await;
        let closed = fixture.db.write(|tx| insert(tx, "late")).await;
        assert!(matches!(closed, Err(StoreError::Unavailable { .. })), "{closed:?}");
        let closed = fixture.db.read(|tx| users::by_username(tx, "late")).await;
        assert!(matches!(closed, Err(StoreError::Unavailable { .. })), "{closed:?}");

        fixture.reopen().await;
        let sql = "SELECT count(*) FROM instance WHERE value = 'x'";
        let rows = fixture.db.read(move |tx| tx.query_dynamic(sql, &[])).await.unwrap();
        let stored: i64 = rows[0].get(0).unwrap();
        assert_eq!(usize::try_from(stored).unwrap(), done.load(Ordering::Relaxed));
    }
}

/// Those who must wait for others are told of as such: on SQLite for the one who writes, on PostgreSQL for a connection.
#[tokio::test(flavor = "multi_thread")]
async fn waiting_for_a_turn_is_measured() {
    for fixture in Fixture::all().await {
        let [_, before] = fixture.db.waited();
        let mut writers = tokio::task::JoinSet::new();
        for _ in 0..60 {
            let db = fixture.db.clone();
            writers.spawn(async move {
                db.write(|_| {
                    std::thread::sleep(std::time::Duration::from_millis(10));
                    Ok::<_, StoreError>(())
                })
                .await
            });
        }
        writers.join_all().await.into_iter().for_each(Result::unwrap);
        let [_, after] = fixture.db.waited();
        assert_eq!(after.count - before.count, 60);
        // Ten at a time at most, so that some wait for fifty milliseconds and the last ones longer.
        let long = |waited: &pid_store::Waited| waited.count - waited.classes[2].1;
        assert!(long(&after) - long(&before) >= 20, "{before:?} {after:?}");
        assert!(after.seconds - before.seconds > 0.5, "{before:?} {after:?}");
    }
}
