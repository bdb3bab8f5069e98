//! Backups, and what is brought back from them (security cases 86, 109).

use std::io::{Cursor, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use pid_testkit::authenticator::SoftAuthenticator;
use pid_testkit::postgres::{Database, fresh_database};
use pid_tests::{Agent, on_postgres};
use serde_json::{Value, json};
use zip::write::SimpleFileOptions;
use zip::{ZipArchive, ZipWriter};

use crate::program::{Program, names};

/// How long something may take that happens by itself.
const LIMIT: Duration = Duration::from_secs(60);

fn run(program: &Program, arguments: &[&str]) -> (Option<i32>, String) {
    let output = program.run(arguments);
    let text = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    assert!(!text.contains("panicked"), "{text}");
    (output.status.code(), text)
}

fn done(program: &Program, arguments: &[&str]) -> String {
    let (code, text) = run(program, arguments);
    assert_eq!(code, Some(0), "{arguments:?}: {text}");
    text
}

fn refused(program: &Program, arguments: &[&str], why: &str) {
    let (code, text) = run(program, arguments);
    assert_eq!(code, Some(1), "{arguments:?}: {text}");
    assert!(text.contains(why), "{arguments:?}: {text}");
}

async fn add_user(script: &Agent, name: &str) -> String {
    let body = json!({ "username": name, "firstName": name, "email": format!("{name}@example.com") });
    script.post("/api/users", &body).await.expect(201).id()
}

async fn usernames(program: &Program) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for page in 1.. {
        let path = format!("/api/users?pagination[limit]=100&pagination[page]={page}");
        let all = program.script().get(&path).await.expect(200).json();
        let some = all["data"].as_array().unwrap();
        names.extend(some.iter().map(|u| u["username"].as_str().unwrap().to_owned()));
        // A page beyond the last would be the last again.
        if all["pagination"]["totalPages"].as_u64().unwrap() <= page {
            break;
        }
    }
    names.retain(|name| !name.starts_with("static-api-user"));
    names.sort();
    names
}

async fn sign_in(program: &Program, passkey: &mut SoftAuthenticator) -> Agent {
    let agent = program.agent();
    let options = agent.get("/api/webauthn/login/start").await.expect(200).json();
    let response = passkey.authenticate(&options, &program.url());
    agent.post("/api/webauthn/login/finish", &response).await.expect(200);
    agent
}

/// What is stored, whatever the engine, but for what a start writes.
fn stored(program: &Program) -> Vec<u8> {
    match program.database() {
        Some(database) => database.dump().into_bytes(),
        None => std::fs::read(program.data().join("pocket-id.db")).unwrap(),
    }
}

fn entries(archive: &Path) -> Vec<(String, Vec<u8>)> {
    let mut zip = ZipArchive::new(std::fs::File::open(archive).unwrap()).unwrap();
    let mut all = Vec::new();
    for at in 0..zip.len() {
        let mut entry = zip.by_index(at).unwrap();
        let mut content = Vec::new();
        entry.read_to_end(&mut content).unwrap();
        all.push((entry.name().unwrap().into_owned(), content));
    }
    all
}

fn zipped(entries: &[(String, Vec<u8>)]) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in entries {
        zip.start_file(name.as_str(), SimpleFileOptions::default()).unwrap();
        zip.write_all(content).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

/// Made while people sign up and in, it is of one moment; brought back, nobody is signed in, whoever was signed out since
/// stays out, and passkeys work.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_109_a_backup_under_load_comes_back_whole_and_signs_nobody_in() {
    let mut program = Program::configured();
    program.start().await;
    program.ready().await;
    let kept = program.set_up().await;
    let mut passkey = program.add_passkey(&kept).await;
    let signed_out = sign_in(&program, &mut passkey).await;
    let script = program.script();
    let key = json!({ "name": "deploy", "expiresAt": "2099-01-01T00:00:00Z" });
    let key = kept.post("/api/api-keys", &key).await.expect(201).json();
    let load = tokio::spawn({
        let script = script.clone();
        async move {
            let mut made = 0;
            while made < 400 {
                add_user(&script, &format!("load-{made:03}")).await;
                made += 1;
            }
        }
    });
    let mut path = PathBuf::new();
    for at in 0..3 {
        path = program.dir().join(format!("backup-{at}.zip"));
        let said = done(&program, &["backup", "--path", path.to_str().unwrap()]);
        assert!(said.contains("Backed up") && said.contains("encryption key is not in it"), "{said}");
    }
    let manifest: Value = serde_json::from_slice(&entries(&path)[0].1).unwrap();
    load.abort();
    // Since then: somebody came, a session and a key were ended.
    add_user(&script, "later").await;
    signed_out.post("/api/webauthn/logout", &json!({})).await;
    let id = key["apiKey"]["id"].as_str().unwrap();
    kept.delete(&format!("/api/api-keys/{id}")).await.expect(204);

    let arguments = ["restore", "--yes", "--path", path.to_str().unwrap()];
    refused(&program, &arguments, "Stop it first");
    let drilled = done(&program, &["restore", "--verify", "--path", path.to_str().unwrap()]);
    assert!(drilled.contains("is whole"), "{drilled}");
    assert!(usernames(&program).await.contains(&"later".to_owned()), "a drill changes nothing");
    program.stop();

    let said = done(&program, &arguments);
    assert!(
        said.contains("Nobody is signed in by it") && said.contains("API key") && said.contains("Restored"),
        "{said}"
    );
    program.start().await;
    program.ready().await;
    let found = usernames(&program).await;
    assert!(!found.contains(&"later".to_owned()));
    let people = manifest["rows"]["users"].as_i64().unwrap();
    assert_eq!(i64::try_from(found.len()).unwrap() + 1, people, "and the static key's own");
    // One moment: of those that were made one after the other none is missing before the last one.
    let last = found.iter().filter(|name| name.starts_with("load-")).count();
    assert!(found.iter().any(|name| name == "admin"));
    for at in 0..last {
        assert!(found.contains(&format!("load-{at:03}")), "{at} of {last}");
    }
    for agent in [&kept, &signed_out] {
        agent.get("/api/users/me").await.refused(401, "not_signed_in");
    }
    let back = sign_in(&program, &mut passkey).await;
    back.get("/api/users/me").await.expect(200);
    let events = script.get("/api/audit-logs/all?pagination[limit]=10").await.expect(200).json();
    assert!(events.to_string().contains("BACKUP_RESTORED"), "{events}");
    program.stop();
    if !on_postgres() {
        let beside = names(&program.data());
        assert!(beside.iter().any(|name| name.contains("before-restore-")), "{beside:?}");
        assert!(!beside.iter().any(|name| name.starts_with(".pocket-id")), "{beside:?}");
    }
}

/// Case 86, for our own archives: whatever is wrong with one, it is refused whole and the old data stays.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_109_what_is_no_whole_backup_is_refused_whole() {
    let mut program = Program::configured();
    program.start().await;
    program.ready().await;
    program.set_up().await;
    program.stop();
    let good = program.dir().join("good.zip");
    done(&program, &["backup", "--path", good.to_str().unwrap()]);
    let before = stored(&program);
    let all = entries(&good);
    assert_eq!(all.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["manifest.json", "pocket-id.db"]);
    let manifest: Value = serde_json::from_slice(&all[0].1).unwrap();
    let with = |edit: &dyn Fn(&mut Value)| {
        let mut manifest = manifest.clone();
        edit(&mut manifest);
        zipped(&[("manifest.json".to_owned(), manifest.to_string().into_bytes()), all[1].clone()])
    };
    let and = |name: &str, content: &[u8]| {
        let mut more = all.clone();
        more.push((name.to_owned(), content.to_vec()));
        zipped(&more)
    };
    // A database with the right hash that somebody has put something into.
    let tampered = |sql: &str| {
        let file = program.dir().join("tampered.db");
        std::fs::write(&file, &all[1].1).unwrap();
        let conn = rusqlite::Connection::open(&file).unwrap();
        conn.execute_batch(sql).unwrap();
        drop(conn);
        let content = std::fs::read(&file).unwrap();
        std::fs::remove_file(&file).unwrap();
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &content);
        let mut manifest = manifest.clone();
        manifest["bytes"] = content.len().into();
        manifest["sha256"] = digest.as_ref().iter().map(|b| format!("{b:02x}")).collect::<String>().into();
        zipped(&[("manifest.json".to_owned(), manifest.to_string().into_bytes()), ("pocket-id.db".to_owned(), content)])
    };
    let whole = std::fs::read(&good).unwrap();
    let mut flipped = whole.clone();
    let middle = flipped.len() / 2;
    flipped[middle] ^= 0x20;
    let bomb = {
        let zeros = vec![0; 40 << 20];
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &zeros);
        let mut manifest = manifest.clone();
        manifest["bytes"] = zeros.len().into();
        manifest["sha256"] = digest.as_ref().iter().map(|b| format!("{b:02x}")).collect::<String>().into();
        zipped(&[("manifest.json".to_owned(), manifest.to_string().into_bytes()), ("pocket-id.db".to_owned(), zeros)])
    };
    let bad: Vec<(&str, Vec<u8>, &str)> = vec![
        ("empty", Vec::new(), "no backup"),
        ("text", b"no backup at all".to_vec(), "no backup"),
        ("cut", whole[..whole.len() - 100].to_vec(), "can't be used"),
        ("flipped", flipped, "can't be used"),
        ("up", and("../evil", b"x"), "../evil"),
        ("absolute", and("/etc/evil", b"x"), "evil"),
        ("foreign", zipped(&[("database.json".to_owned(), b"{}".to_vec())]), "no backup of this program"),
        ("without", zipped(&all[1..]), "no manifest"),
        ("hash", with(&|m| m["sha256"] = "00".into()), "not the one that its manifest is about"),
        ("rows", with(&|m| m["rows"]["users"] = 99.into()), "something else than its manifest says"),
        ("format", with(&|m| m["format"] = 2.into()), "or a newer one"),
        ("program", with(&|m| m["program"] = "other".into()), "no backup of this program"),
        ("large", with(&|m| m["bytes"] = 1_u64.wrapping_shl(50).into()), "unpack"),
        ("bomb", bomb, "unpack"),
        (
            "newer",
            tampered("UPDATE refinery_schema_history SET version = 9999 WHERE version = 1"),
            "Start a newer version",
        ),
        (
            "trigger",
            tampered("CREATE TRIGGER evil AFTER INSERT ON users BEGIN DELETE FROM passkeys; END"),
            "tables are not those",
        ),
        ("orphan", tampered("PRAGMA foreign_keys = OFF; DELETE FROM users"), "not there"),
    ];
    for (name, content, why) in bad {
        let path = program.dir().join(format!("{name}.zip"));
        std::fs::write(&path, content).unwrap();
        refused(&program, &["restore", "--yes", "--path", path.to_str().unwrap()], why);
        assert!(stored(&program) == before, "{name} changed something");
        std::fs::remove_file(&path).unwrap();
    }
    let path = good.to_str().unwrap();
    program.set("ENCRYPTION_KEY", "another-encryption-key");
    refused(&program, &["restore", "--yes", "--path", path], "not that of the backup");
    refused(&program, &["restore", "--verify", "--path", path], "not that of the backup");
    program.set("ENCRYPTION_KEY", "test-encryption-key");
    refused(&program, &["restore", "--path", path], "There was no answer");
    refused(&program, &["restore", "--path", "-"], "add --yes");
    refused(&program, &["restore", "--yes", "--path", "nowhere.zip"], "nowhere.zip");
    assert!(stored(&program) == before);
    program.start().await;
    assert_eq!(usernames(&program).await, ["admin"]);
    program.stop();
}

/// A passphrase seals it, and then the key that lies beside the database goes along, so that the file alone is enough.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sealed_backup_is_enough_for_a_new_machine() {
    if on_postgres() {
        return;
    }
    let mut old = Program::bare();
    let url = old.url();
    old.set("APP_URL", url);
    old.set("STATIC_API_KEY", Program::API_KEY);
    old.start().await;
    old.ready().await;
    old.set_up().await;
    let phrase = old.dir().join("phrase");
    std::fs::write(&phrase, "correct horse battery\n").unwrap();
    let path = old.dir().join("backup.sealed");
    let said = done(&old, &["backup", "--path", path.to_str().unwrap(), "--passphrase-file", phrase.to_str().unwrap()]);
    assert!(said.contains("The encryption key is in it"), "{said}");
    old.stop();
    let content = std::fs::read(&path).unwrap();
    assert!(content.starts_with(b"pocket-id sealed 1\n") && !content.windows(6).any(|w| w == b"SQLite"));
    assert_eq!(crate::program::mode(&path), 0o600);

    let mut new = Program::bare();
    let url = new.url();
    new.set("APP_URL", url);
    new.set("STATIC_API_KEY", Program::API_KEY);
    let arguments = ["restore", "--yes", "--path", path.to_str().unwrap()];
    refused(&new, &arguments, "sealed with a passphrase");
    new.set("BACKUP_PASSPHRASE", "another passphrase");
    refused(&new, &arguments, "another one, or the file is damaged");
    assert!(!new.data().join("pocket-id.db").exists() && !new.data().join("encryption.key").exists());
    new.set("BACKUP_PASSPHRASE", "correct horse battery");
    done(&new, &arguments);
    new.start().await;
    new.ready().await;
    assert_eq!(usernames(&new).await, ["admin"]);
    new.stop();

    // With the encryption key, which then has to be known.
    let sealed = new.dir().join("by-key.sealed");
    done(&new, &["backup", "--sealed", "--path", sealed.to_str().unwrap()]);
    new.unset("BACKUP_PASSPHRASE");
    done(&new, &["restore", "--verify", "--path", sealed.to_str().unwrap()]);
    let third = Program::bare();
    refused(&third, &["restore", "--yes", "--path", sealed.to_str().unwrap()], "ENCRYPTION_KEY");
}

/// Killed at whatever moment, a restore leaves the old or the new data.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_109_a_restore_that_is_killed_leaves_the_old_or_the_new_whole() {
    let mut program = Program::configured();
    program.start().await;
    program.ready().await;
    program.set_up().await;
    let script = program.script();
    let path = program.dir().join("backup.zip");
    done(&program, &["backup", "--path", path.to_str().unwrap()]);
    add_user(&script, "later").await;
    program.stop();
    let arguments = ["restore", "--yes", "--path", path.to_str().unwrap()];
    let began = std::time::Instant::now();
    // How long a whole one takes on this machine, so that the kills are spread over it.
    done(&program, &arguments);
    let whole = began.elapsed();
    program.start().await;
    add_user(&program.script(), "later").await;
    program.stop();
    let mut seen = [0, 0];
    for part in 1..=12 {
        program.run_and_kill(&arguments, whole * part / 11);
        program.start().await;
        let found = usernames(&program).await;
        assert!(found == ["admin"] || found == ["admin", "later"], "{found:?}");
        let is_new = found.len() == 1;
        seen[usize::from(is_new)] += 1;
        if is_new {
            add_user(&program.script(), "later").await;
        }
        program.stop();
        if !on_postgres() {
            let db = rusqlite::Connection::open(program.data().join("pocket-id.db")).unwrap();
            let verdict: String = db.query_row("PRAGMA integrity_check", [], |r| r.get(0)).unwrap();
            assert_eq!(verdict, "ok");
        }
    }
    assert!(seen[0] > 0, "{seen:?}");
}

/// From one engine to the other, and back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_moves_between_engines() {
    if !on_postgres() {
        return;
    }
    let mut from = Program::configured();
    from.start().await;
    from.ready().await;
    let admin = from.set_up().await;
    from.add_passkey(&admin).await;
    add_user(&from.script(), "tim").await;
    let keys = from.agent().get("/.well-known/jwks.json").await.expect(200).json();
    let path = from.dir().join("backup.zip");
    done(&from, &["backup", "--path", path.to_str().unwrap()]);
    from.stop();

    let mut file = Program::configured();
    file.unset("DB_CONNECTION_STRING");
    done(&file, &["restore", "--yes", "--path", path.to_str().unwrap()]);
    file.start().await;
    file.ready().await;
    assert_eq!(usernames(&file).await, ["admin", "tim"]);
    assert_eq!(file.agent().get("/.well-known/jwks.json").await.expect(200).json(), keys);
    add_user(&file.script(), "zoe").await;
    let back = file.dir().join("backup.zip");
    done(&file, &["backup", "--path", back.to_str().unwrap()]);
    file.stop();

    let database: Database = fresh_database();
    let mut server = Program::configured();
    server.set("DB_CONNECTION_STRING", database.url());
    done(&server, &["restore", "--yes", "--path", back.to_str().unwrap()]);
    server.start().await;
    server.ready().await;
    assert_eq!(usernames(&server).await, ["admin", "tim", "zoe"]);
    server.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn backups_by_the_clock_are_kept_as_many_as_wanted() {
    let mut program = Program::configured();
    let folder = program.dir().join("backups");
    std::fs::create_dir(&folder).unwrap();
    let old = ["2020-01-01T00-00-00Z", "2021-01-01T00-00-00Z", "2022-01-01T00-00-00Z"];
    for stamp in old {
        std::fs::write(folder.join(format!("pocket-id-backup-{stamp}.zip.sealed")), "old").unwrap();
    }
    std::fs::write(folder.join("notes.zip"), "somebody else's").unwrap();
    program.set("BACKUP_PATH", folder.display().to_string());
    program.set("BACKUP_KEEP", "2");
    program.set("BACKUP_PASSPHRASE", "correct horse battery");
    program.start().await;
    let until = std::time::Instant::now() + LIMIT;
    while !program.log().contains("removed an old backup") || names(&folder).len() != 3 {
        assert!(std::time::Instant::now() < until, "{:?}\n{}", names(&folder), program.log());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let found = names(&folder);
    assert_eq!(found[0], "notes.zip");
    assert_eq!(found[1], "pocket-id-backup-2022-01-01T00-00-00Z.zip.sealed");
    let newest = folder.join(&found[2]);
    program.ready().await;
    let all = program.script().get("/api/doctor").await.expect(200).json();
    assert!(all.to_string().contains("backup-good"), "{all:#}");
    program.stop();
    done(&program, &["restore", "--verify", "--path", newest.to_str().unwrap()]);
}
