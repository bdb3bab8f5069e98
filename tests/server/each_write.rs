//! Work that replaces everything, killed at each of its writes: the old or the new is there, whole (security case 106).

use std::path::Path;

use pid_tests::on_postgres;
use pid_tests::upstream::installation;
use serde_json::json;

use crate::import::{contents, run, write};
use crate::program::Program;

/// The system calls by which SQLite and we write, and how many of them are passed over from one kill to the next.
const WRITES: [(&str, usize); 9] = [
    ("pwrite64", 23),
    ("write", 3),
    ("ftruncate", 1),
    ("fdatasync", 1),
    ("fsync", 1),
    ("link", 1),
    ("linkat", 1),
    ("rename", 1),
    ("unlink", 1),
];

/// Makes a folder what it was.
fn put_back(folder: &Path, files: &[(String, Vec<u8>)]) {
    std::fs::remove_dir_all(folder).unwrap();
    for (path, content) in files {
        std::fs::create_dir_all(Path::new(path).parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }
}

/// Killed at each of its writes, flushes and renames in turn (of the many writes of pages at some): an import leaves the
/// old or the new, whole.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_106_an_import_killed_at_each_write_leaves_the_old_or_the_new() {
    if on_postgres() {
        return;
    }
    let mut program = Program::configured();
    program.start().await;
    program.ready().await;
    program.set_up().await;
    program.stop();
    let (upstream, _) = installation(&program.url());
    let path = write(&program, "in.zip", &upstream.archive());
    let before = contents(&program.data());
    let (mut old, mut new) = (0, 0);
    for (call, step) in WRITES {
        for n in (1..).step_by(step) {
            put_back(&program.data(), &before);
            let ended = program.run_and_kill_at(&["import", "-p", &path, "-y"], call, n);
            let conn = rusqlite::Connection::open(program.data().join("pocket-id.db")).unwrap();
            let has = |sql: &str| conn.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap() > 0;
            let seen = [
                has("SELECT count(*) FROM users WHERE username = 'ann'"),
                has("SELECT 1 - count(*) FROM users WHERE username = 'admin'"),
                has("SELECT count(*) FROM settings WHERE value = 'Moved'"),
                has("SELECT count(*) FROM signing_keys WHERE kid = 'old-key-1'"),
                has("SELECT count(*) FROM files WHERE path LIKE 'oidc-client-images/%'"),
                has("SELECT count(*) FROM imported_refresh_tokens"),
            ];
            assert!(seen == [true; 6] || seen == [false; 6], "{call} {n}: {seen:?}");
            let verdict: String = conn.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
            assert_eq!(verdict, "ok");
            if ended {
                assert!(seen[0], "{call} {n}: it ended well");
                break;
            }
            *(if seen[0] { &mut new } else { &mut old }) += 1;
        }
    }
    assert!(old > 10 && new > 0, "killed before its moment {old} times, after it {new} times");
}

/// Killed at each of its writes, flushes and renames in turn (of the many writes of pages at some), a restore leaves the
/// old or the new, whole.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_106_a_restore_killed_at_each_write_leaves_the_old_or_the_new() {
    let mut program = Program::configured();
    program.start().await;
    program.ready().await;
    program.set_up().await;
    let path = program.dir().join("backup.zip");
    let (code, _, said) = run(&program, &["backup", "--path", path.to_str().unwrap()]);
    assert_eq!(code, Some(0), "{said}");
    let later = json!({ "username": "later", "firstName": "later", "email": "later@example.com" });
    program.script().post("/api/users", &later).await.expect(201);
    program.stop();
    let before = program.database().is_none().then(|| contents(&program.data()));
    let calls = if before.is_some() { &WRITES[..] } else { &[("sendto", 9)] };
    let (mut old, mut new) = (0, 0);
    for (call, step) in calls {
        for n in (1..).step_by(*step) {
            if let Some(before) = &before {
                put_back(&program.data(), before);
            }
            let ended = program.run_and_kill_at(&["restore", "--yes", "--path", path.to_str().unwrap()], call, n);
            let seen = match program.database() {
                Some(database) => {
                    let all = database.dump();
                    [all.contains("later@example.com"), !all.contains("BACKUP_RESTORED")]
                }
                None => {
                    let conn = rusqlite::Connection::open(program.data().join("pocket-id.db")).unwrap();
                    let verdict: String = conn.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
                    assert_eq!(verdict, "ok", "{call} {n}");
                    let has = |sql: &str| conn.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap() > 0;
                    [
                        has("SELECT count(*) FROM users WHERE username = 'later'"),
                        !has("SELECT count(*) FROM audit_logs WHERE event = 'BACKUP_RESTORED'"),
                    ]
                }
            };
            assert_eq!(seen[0], seen[1], "{call} {n}");
            if ended {
                assert!(!seen[0], "{call} {n}: it ended well");
                break;
            }
            *(if seen[0] { &mut old } else { &mut new }) += 1;
        }
    }
    assert!(old > 5, "killed before its moment {old} times, after it {new} times");
}
