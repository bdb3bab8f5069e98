//! The engine's promises, on SQLite always and on PostgreSQL when `TEST_POSTGRES_URL` names a server.
#![allow(clippy::unwrap_used, reason = "a test may stop with a panic")]

use std::path::PathBuf;

use pid_core::users::User;
use pid_core::{Timestamp, UserId};
use pid_store::{Db, Engine, OpenError, Options, StoreError, Target, instance, users};

fn options() -> Options {
    Options { connections: 8, now_millis: || 1_700_000_000_000 }
}

struct Fixture {
    db: Db,
    _dir: tempfile::TempDir,
    path: PathBuf,
}

async fn sqlite() -> Fixture {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("test.db");
    let db = Db::open(&Target::Sqlite(path.clone()), options()).await.unwrap();
    Fixture { db, _dir: dir, path }
}

/// A fresh database on the test server, or `None` without a server.
async fn postgres(name: &str) -> Option<Db> {
    let server = std::env::var("TEST_POSTGRES_URL").ok()?;
    let (client, connection) = tokio_postgres::connect(&server, tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    let name = format!("store_{name}_{}", std::process::id());
    client.batch_execute(&format!("DROP DATABASE IF EXISTS {name}")).await.unwrap();
    client.batch_execute(&format!("CREATE DATABASE {name}")).await.unwrap();
    let mut url = url::Url::parse(&server).unwrap();
    url.set_path(&format!("/{name}"));
    Some(Db::open(&Target::Postgres(url.to_string()), options()).await.unwrap())
}

fn user(name: &str) -> User {
    User {
        id: UserId::new(format!("id-{name}")),
        username: name.to_owned(),
        email: Some(format!("{name}@example.com")),
        email_verified: false,
        first_name: String::new(),
        last_name: String::new(),
        display_name: String::new(),
        is_admin: false,
        disabled: false,
        locale: None,
        ldap_id: None,
        created_at: Timestamp::from_secs(1),
        updated_at: Timestamp::from_secs(1),
        version: 1,
    }
}

/// One story, told on each engine.
async fn story(db: Db) {
    db.prepare_all(&pid_store::all_statements()).await.unwrap();

    for sql in pid_store::all_lists().iter().flat_map(|l| l.statements()) {
        db.prepare(&sql).await.unwrap_or_else(|e| panic!("{e}: {sql}"));
    }

    // An outcome commits, an error rolls back.
    db.write(|tx| users::insert(tx, &user("ann"))).await.unwrap();
    let failed: Result<(), StoreError> = db
        .write(|tx| {
            users::insert(tx, &user("bob"))?;
            Err(StoreError::NoRow)
        })
        .await;
    assert_eq!(failed, Err(StoreError::NoRow));
    assert!(db.read(|tx| users::by_username(tx, "bob")).await.unwrap().is_none());

    // A reader that begins after the writer's answer sees the write; types survive the round trip.
    let ann = db.read(|tx| users::by_username(tx, "ANN")).await.unwrap().unwrap();
    assert_eq!(ann, user("ann"));

    // Uniqueness is named alike on both engines.
    let taken = db.write(|tx| users::insert(tx, &User { id: UserId::new("x"), email: None, ..user("Ann") })).await;
    assert_eq!(taken, Err(StoreError::UniqueViolation { constraint: "users_username_key".to_owned() }));
    let taken =
        db.write(|tx| users::insert(tx, &User { email: Some("ANN@example.com".to_owned()), ..user("carl") })).await;
    assert_eq!(taken, Err(StoreError::UniqueViolation { constraint: "users_email_key".to_owned() }));

    // A panic is an error of its own transaction only.
    let panicked: Result<(), StoreError> = db.write(|_| panic!("on purpose")).await;
    assert!(matches!(panicked, Err(StoreError::Other(_))));

    // Of fifty parallel firsts one wins.
    let mut tasks = tokio::task::JoinSet::new();
    for i in 0..50 {
        let db = db.clone();
        tasks.spawn(async move { db.write(move |tx| instance::put_new(tx, "first", &i.to_string())).await.unwrap() });
    }
    let wins = tasks.join_all().await.into_iter().filter(|won| *won).count();
    assert_eq!(wins, 1);

    // Read-modify-write under contention loses nothing (write skew is retried).
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let db = db.clone();
        tasks.spawn(async move {
            for _ in 0..5 {
                let outcome = db
                    .write(|tx| {
                        let mut ann = users::by_username(tx, "ann")?.ok_or(StoreError::NoRow)?;
                        let n: i64 = ann.last_name.parse().unwrap_or(0);
                        ann.last_name = (n + 1).to_string();
                        users::update(tx, &ann, Timestamp::from_secs(2))
                    })
                    .await;
                match outcome {
                    Ok(true) => {}
                    // Five retries may not be enough for eight writers of one row: honest, and nothing was done.
                    Err(StoreError::Conflict) => return 0,
                    other => panic!("{other:?}"),
                }
            }
            5
        });
    }
    let done: i64 = tasks.join_all().await.into_iter().sum();
    let ann = db.read(|tx| users::by_username(tx, "ann")).await.unwrap().unwrap();
    let counted: i64 = ann.last_name.parse().unwrap();
    assert!(counted >= done, "{counted} of {done} acknowledged increments");
    if db.engine() == Engine::Sqlite {
        assert_eq!(counted, 40);
    }

    // A read transaction can't write.
    let refused = db.read(|tx| tx.query_dynamic("DELETE FROM users RETURNING id", &[])).await;
    assert!(refused.is_err());
    assert!(db.read(users::any_person).await.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn story_on_sqlite() {
    let fixture = sqlite().await;
    story(fixture.db.clone()).await;
    // Acknowledged writes are there after a reopen.
    fixture.db.close().await;
    let again = Db::open(&Target::Sqlite(fixture.path.clone()), options()).await.unwrap();
    assert!(again.read(|tx| users::by_username(tx, "ann")).await.unwrap().is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn story_on_postgres() {
    if let Some(db) = postgres("story").await {
        story(db).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_refuses_and_keeps_what_was_there() {
    let fixture = sqlite().await;
    fixture.db.write(|tx| users::insert(tx, &user("ann"))).await.unwrap();
    // As good as a full disk: SQLite may not grow the file any more.
    fixture.db.write(|tx| tx.query_dynamic("PRAGMA max_page_count = 1", &[])).await.unwrap();
    let mut refused = false;
    for i in 0..2000 {
        let name = format!("u{i}{}", "x".repeat(900));
        if let Err(e) = fixture.db.write(move |tx| users::insert(tx, &user(&name))).await {
            assert!(matches!(e, StoreError::Unavailable { .. }), "{e:?}");
            refused = true;
            break;
        }
    }
    assert!(refused);
    assert!(fixture.db.read(|tx| users::by_username(tx, "ann")).await.unwrap().is_some());
    fixture.db.write(|tx| tx.query_dynamic("PRAGMA max_page_count = 1000000", &[])).await.unwrap();
    fixture.db.write(|tx| users::insert(tx, &user("after"))).await.unwrap();
}

#[tokio::test]
async fn a_foreign_database_is_refused_untouched() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("pocket-id.db");
    let theirs = rusqlite::Connection::open(&path).unwrap();
    theirs.execute_batch("CREATE TABLE oidc_clients (id TEXT); CREATE TABLE schema_migrations (version INT)").unwrap();
    drop(theirs);
    let before = std::fs::read(&path).unwrap();
    let refused = Db::open(&Target::Sqlite(path.clone()), options()).await.err().unwrap();
    assert!(matches!(&refused, OpenError::Foreign { .. }), "{refused}");
    assert!(refused.to_string().contains("Pocket ID"), "{refused}");
    assert_eq!(std::fs::read(&path).unwrap(), before);
    let beside: Vec<_> = std::fs::read_dir(dir.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(beside, ["pocket-id.db"]);
}

#[tokio::test]
async fn a_newer_schema_is_refused() {
    let fixture = sqlite().await;
    fixture.db.close().await;
    let conn = rusqlite::Connection::open(&fixture.path).unwrap();
    conn.execute_batch(
        "INSERT INTO refinery_schema_history (version, name, applied_on, checksum) VALUES (999, 'later', '2030-01-01T00:00:00Z', '1')",
    )
    .unwrap();
    drop(conn);
    let refused = Db::open(&Target::Sqlite(fixture.path.clone()), options()).await.err().unwrap();
    assert!(matches!(refused, OpenError::Newer { found: 999, .. }), "{refused}");
}

#[test]
fn the_two_schemas_differ_in_the_blob_type_only() {
    let dir = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("migrations");
    let statements = |engine: &str| -> Vec<(String, String)> {
        let mut files: Vec<_> = std::fs::read_dir(dir.join(engine)).unwrap().map(|e| e.unwrap().path()).collect();
        files.sort();
        let sql = |p: &PathBuf| {
            let text = std::fs::read_to_string(p).unwrap();
            text.lines().filter(|l| !l.trim_start().starts_with("--")).collect::<Vec<_>>().join("\n")
        };
        files.iter().map(|p| (p.file_name().unwrap().to_string_lossy().into_owned(), sql(p))).collect()
    };
    let ours: Vec<_> = statements("sqlite").into_iter().map(|(f, s)| (f, s.replace("BLOB", "BYTEA"))).collect();
    assert_eq!(ours, statements("postgres"));
    assert!(!ours.is_empty());
}
