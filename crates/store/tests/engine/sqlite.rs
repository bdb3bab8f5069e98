//! What SQLite alone promises: one writer, group commit, and a file that is ours.

use std::path::Path;
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

use pid_store::{Db, OpenError, StoreError, Target, instance};
use tokio::task::JoinHandle;

use crate::{Fixture, insert, options};

/// Holds the writer inside a write until the sender is used or dropped, so that other writes gather.
async fn hold(db: &Db) -> (Sender<()>, JoinHandle<Result<(), StoreError>>) {
    let (started, has_started) = channel();
    let (go, may_go) = channel::<()>();
    let may_go = std::sync::Mutex::new(may_go);
    let db = db.clone();
    let held = tokio::spawn(async move {
        db.write(move |_| {
            let _ = started.send(());
            let _ = may_go.lock().unwrap().recv();
            Ok(())
        })
        .await
    });
    tokio::task::spawn_blocking(move || has_started.recv().unwrap()).await.unwrap();
    (go, held)
}

/// Lets spawned tasks run until each has handed its write over: `spawn` order on one worker.
async fn settle() {
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
}

/// Commits in the log since its last reset: frames with a database size, of the salt in the header (the file format's
/// §4.1 and §4.2).
fn commits(path: &Path) -> usize {
    let wal = std::fs::read(format!("{}-wal", path.display())).unwrap();
    let word = |at: usize| u32::from_be_bytes(wal[at..at + 4].try_into().unwrap());
    let (page, salt) = (word(8) as usize, (word(16), word(20)));
    let frames = (32..wal.len()).step_by(24 + page).filter(|at| at + 24 + page <= wal.len());
    frames.filter(|at| (word(at + 8), word(at + 12)) == salt && word(at + 4) != 0).count()
}

#[tokio::test]
async fn writes_that_wait_share_a_commit_and_keep_a_savepoint_each() {
    let mut fixture = Fixture::sqlite().await;
    let (go, held) = hold(&fixture.db).await;
    let before = commits(&fixture.path());
    let mut tasks = Vec::new();
    for i in 0..60 {
        let db = fixture.db.clone();
        tasks.push(tokio::spawn(async move {
            db.write(move |tx| {
                instance::put_new(tx, &format!("row {i}"), "x")?;
                match i {
                    10 => Err(StoreError::NoRow),
                    20 => panic!("on purpose"),
                    _ => Ok(()),
                }
            })
            .await
        }));
    }
    settle().await;
    drop(go);
    held.await.unwrap().unwrap();
    let mut done = 0;
    for (i, task) in tasks.into_iter().enumerate() {
        let outcome = task.await.unwrap();
        assert_eq!(outcome.is_ok(), ![10, 20].contains(&i), "{i}: {outcome:?}");
        done += i32::from(outcome.is_ok());
    }
    // Each group gathers for two milliseconds at most, so on a busy machine there may be several; never one for each.
    let commits = commits(&fixture.path()) - before;
    assert!((1..30).contains(&commits), "{commits} commits for {done} writes");

    fixture.reopen().await;
    let sql = "SELECT key FROM instance WHERE value = 'x' ORDER BY key";
    let rows = fixture.db.read(move |tx| tx.query_dynamic(sql, &[])).await.unwrap();
    let keys: Vec<String> = rows.iter().map(|r| r.get(0).unwrap()).collect();
    assert_eq!(keys.len(), 58);
    assert!(!keys.iter().any(|k| k == "row 10" || k == "row 20"));
}

/// SQLite itself ends a transaction on a full disk or an I/O error. Here a write ends it by hand in the middle of a
/// group: the others must be done all the same, each once, and the guilty one must be told.
#[tokio::test]
async fn a_lost_transaction_takes_no_neighbour_with_it() {
    let mut fixture = Fixture::sqlite().await;
    let (go, held) = hold(&fixture.db).await;
    let mut tasks = Vec::new();
    for i in 0..9 {
        let db = fixture.db.clone();
        tasks.push(tokio::spawn(async move {
            db.write(move |tx| {
                // Were one done twice, the second time would fail.
                let sql = "INSERT INTO instance (key, value) VALUES ($1, 'x') RETURNING key";
                tx.query_dynamic(sql, &[pid_store::Value::from(format!("row {i}"))])?;
                if i == 4 {
                    tx.query_dynamic("ROLLBACK", &[])?;
                }
                Ok::<_, StoreError>(())
            })
            .await
        }));
    }
    settle().await;
    drop(go);
    held.await.unwrap().unwrap();
    for (i, task) in tasks.into_iter().enumerate() {
        let outcome = task.await.unwrap();
        match i {
            4 => assert!(matches!(outcome, Err(StoreError::Unavailable { .. })), "{outcome:?}"),
            _ => outcome.unwrap_or_else(|e| panic!("row {i}: {e}")),
        }
    }
    fixture.reopen().await;
    let sql = "SELECT count(*) FROM instance WHERE value = 'x' AND key <> 'row 4'";
    let rows = fixture.db.read(move |tx| tx.query_dynamic(sql, &[])).await.unwrap();
    assert_eq!(rows[0].get::<i64>(0).unwrap(), 8);
}

/// A COMMIT itself can fail: here on a foreign key whose check was put off.
#[tokio::test]
async fn a_commit_that_fails_refuses_the_guilty_write_only() {
    let mut fixture = Fixture::sqlite().await;
    let (go, held) = hold(&fixture.db).await;
    let guilty = fixture.db.clone();
    let guilty = tokio::spawn(async move {
        guilty
            .write(|tx| {
                tx.query_dynamic("PRAGMA defer_foreign_keys = ON", &[])?;
                tx.query_dynamic(
                    "INSERT INTO user_claims (user_id, key, value) VALUES ('nobody', 'a', 'b') RETURNING key",
                    &[],
                )
                .map(|_| ())
            })
            .await
    });
    let innocent = fixture.db.clone();
    let innocent = tokio::spawn(async move { innocent.write(|tx| insert(tx, "ann")).await });
    settle().await;
    drop(go);
    held.await.unwrap().unwrap();
    let refused = guilty.await.unwrap();
    assert!(matches!(refused, Err(StoreError::Unavailable { .. })), "{refused:?}");
    innocent.await.unwrap().unwrap();
    fixture.reopen().await;
    assert!(fixture.has("ann").await);
    let orphans = fixture.db.read(|tx| tx.query_dynamic("SELECT 1 FROM user_claims", &[])).await.unwrap();
    assert!(orphans.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn case_106_a_full_disk_refuses_and_keeps_what_was_there() {
    let fixture = Fixture::sqlite().await;
    fixture.db.write(|tx| insert(tx, "ann")).await.unwrap();
    // As good as a full disk: SQLite may not grow the file any more.
    fixture.db.write(|tx| tx.query_dynamic("PRAGMA max_page_count = 1", &[])).await.unwrap();
    let mut refused = false;
    for i in 0..2000 {
        let name = format!("u{i}{}", "x".repeat(900));
        if let Err(e) = fixture.db.write(move |tx| insert(tx, &name)).await {
            assert!(matches!(e, StoreError::Unavailable { .. }), "{e:?}");
            refused = true;
            break;
        }
    }
    assert!(refused);
    assert!(fixture.has("ann").await);
    fixture.db.write(|tx| tx.query_dynamic("PRAGMA max_page_count = 1000000", &[])).await.unwrap();
    fixture.db.write(|tx| insert(tx, "after")).await.unwrap();
}

#[tokio::test]
async fn the_durability_settings_are_in_force() {
    let fixture = Fixture::sqlite().await;
    for (pragma, expected) in
        [("PRAGMA synchronous", "2"), ("PRAGMA foreign_keys", "1"), ("PRAGMA journal_mode", "wal")]
    {
        let rows = fixture.db.write(move |tx| tx.query_dynamic(pragma, &[])).await.unwrap();
        let found = rows[0].get::<i64>(0).map(|n| n.to_string()).or_else(|_| rows[0].get::<String>(0)).unwrap();
        assert_eq!(found, expected, "{pragma}");
    }
}

#[cfg(unix)]
#[tokio::test]
async fn files_are_private_and_a_closed_store_is_one_file() {
    use std::os::unix::fs::PermissionsExt as _;
    let fixture = Fixture::sqlite().await;
    fixture.db.write(|tx| insert(tx, "ann")).await.unwrap();
    assert!(fixture.has("ann").await);
    let dir = fixture.path().parent().unwrap().to_owned();
    let names = || -> Vec<String> {
        let mut names: Vec<_> = std::fs::read_dir(&dir)
            .unwrap()
            .map(|e| {
                let e = e.unwrap();
                let mode = e.metadata().unwrap().permissions().mode() & 0o777;
                assert_eq!(mode, 0o600, "{:?}", e.file_name());
                e.file_name().to_string_lossy().into_owned()
            })
            .collect();
        names.sort();
        names
    };
    assert_eq!(names(), ["test.db", "test.db-shm", "test.db-wal"]);
    fixture.db.close().await;
    assert_eq!(names(), ["test.db"]);
}

async fn refusal(path: &Path) -> OpenError {
    Db::open(&Target::Sqlite(path.to_owned()), options()).await.err().unwrap()
}

#[tokio::test]
async fn a_foreign_file_is_refused_untouched() {
    let make =
        |sql: &'static str| move |path: &Path| rusqlite::Connection::open(path).unwrap().execute_batch(sql).unwrap();
    type Make = Box<dyn Fn(&Path)>;
    let files: [(&str, Make); 5] = [
        (
            "Pocket ID",
            Box::new(make("CREATE TABLE oidc_clients (id TEXT); CREATE TABLE schema_migrations (version INT)")),
        ),
        ("another program", Box::new(make("CREATE TABLE notes (id TEXT)"))),
        ("another program", Box::new(make("PRAGMA application_id = 7; CREATE TABLE users (id TEXT)"))),
        ("not an SQLite database", Box::new(|path| std::fs::write(path, "dear diary").unwrap())),
        ("not an SQLite database", Box::new(|path| std::fs::write(path, vec![0; 4096]).unwrap())),
    ];
    for (what, make) in files {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("pocket-id.db");
        make(&path);
        let before = std::fs::read(&path).unwrap();
        let refused = refusal(&path).await;
        assert!(matches!(&refused, OpenError::Foreign { .. } | OpenError::Upstream { .. }), "{refused}");
        assert!(refused.to_string().contains(what), "{refused}");
        assert_eq!(std::fs::read(&path).unwrap(), before);
        let beside: Vec<_> = std::fs::read_dir(dir.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
        assert_eq!(beside, ["pocket-id.db"]);
    }
}

/// A Pocket ID that was killed leaves a log beside its file; looking must not fold it in.
#[tokio::test]
async fn a_foreign_file_with_a_log_is_refused_untouched() {
    let dir = tempfile::tempdir().unwrap();
    let (live, copy) = (dir.path().join("live.db"), dir.path().join("copy.db"));
    let conn = rusqlite::Connection::open(&live).unwrap();
    conn.pragma_update(None, "journal_mode", "WAL").unwrap();
    conn.execute_batch("CREATE TABLE oidc_clients (id TEXT); CREATE TABLE schema_migrations (version INT)").unwrap();
    for suffix in ["", "-wal"] {
        std::fs::copy(format!("{}{suffix}", live.display()), format!("{}{suffix}", copy.display())).unwrap();
    }
    let log = format!("{}-wal", copy.display());
    let before = (std::fs::read(&copy).unwrap(), std::fs::read(&log).unwrap());
    assert!(!before.1.is_empty());
    let refused = refusal(&copy).await;
    assert!(matches!(&refused, OpenError::Upstream { .. }), "{refused}");
    assert_eq!((std::fs::read(&copy).unwrap(), std::fs::read(&log).unwrap()), before);
    assert!(!Path::new(&format!("{}-shm", copy.display())).exists());
}

#[tokio::test]
async fn what_cannot_be_opened_is_said() {
    let dir = tempfile::tempdir().unwrap();
    let refused = refusal(dir.path()).await.to_string();
    assert!(refused.contains("directory"), "{refused}");
    let refused = refusal(&dir.path().join("missing/x.db")).await.to_string();
    assert!(refused.contains("No such file"), "{refused}");
}

/// Another process in the middle of a write makes ours wait, not fail.
#[tokio::test(flavor = "multi_thread")]
async fn a_busy_file_is_waited_for() {
    let fixture = Fixture::sqlite().await;
    let other = rusqlite::Connection::open(fixture.path()).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let db = fixture.db.clone();
    let write = tokio::spawn(async move { db.write(|tx| insert(tx, "ann")).await });
    // Readers don't wait.
    assert!(!fixture.has("ann").await);
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(!write.is_finished());
    other.execute_batch("COMMIT").unwrap();
    write.await.unwrap().unwrap();
}
