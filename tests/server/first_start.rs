//! A start with nothing.

use std::time::Duration;

use crate::program::{Program, mode, names};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_needed_but_the_program() {
    let mut program = Program::bare();
    program.start().await;
    let log = program.log();
    let line = log.lines().find(|l| l.contains("is ready")).unwrap();
    assert_eq!(line, "Pocket ID is ready. Open http://localhost:1411 in your browser.");
    assert!(log.lines().any(|l| l.contains("Nobody is set up yet")), "{log}");

    let data = program.data();
    assert_eq!(mode(&data), 0o700);
    assert_eq!(names(&data), ["encryption.key", "pocket-id.db", "pocket-id.db-shm", "pocket-id.db-wal"]);
    for file in names(&data) {
        assert_eq!(mode(&data.join(&file)), 0o600, "{file}");
    }
    let key = std::fs::read(data.join("encryption.key")).unwrap();
    assert!(key.len() >= 32);
    // Ours, and marked in the file itself before anything else: "PkId" (the file format's offset 68).
    let file = std::fs::read(data.join("pocket-id.db")).unwrap();
    assert_eq!(&file[68..72], b"PkId");

    program.agent().get("/").await.expect(302);
    program.ready().await;
    program.stop();
    assert_eq!(names(&data), ["encryption.key", "pocket-id.db"]);

    // The second start finds everything, makes nothing new, and is ready at once.
    program.start().await;
    program.agent().get("/readyz").await.expect(204);
    assert_eq!(std::fs::read(data.join("encryption.key")).unwrap(), key);
    program.stop();
}

/// The RSA key is made off the path to healthy: what needs it waits, and says so.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn healthy_comes_before_ready() {
    let mut program = Program::configured();
    program.start().await;
    let agent = program.agent();
    let waits = ["/readyz", "/.well-known/jwks.json", "/.well-known/openid-configuration"];
    let mut ready = false;
    for _ in 0..3000 {
        agent.get("/healthz").await.expect(204);
        let is_ready = agent.get("/readyz").await.status == 204;
        for path in waits {
            let answer = agent.get(path).await;
            if !answer.status.is_success() {
                let answer = answer.expect(503);
                assert!(!is_ready, "{path} is not there although it is ready");
                assert!(answer.header("retry-after").is_some(), "{path}");
                assert!(answer.text().contains("signing key"), "{path}: {}", answer.text());
            }
        }
        let form = [("grant_type", "authorization_code"), ("code", "x"), ("client_id", "y"), ("redirect_uri", "z")];
        let token = agent.post_form("/api/oidc/token", &form).await;
        if token.status == 503 {
            assert!(!is_ready);
            token.oauth_error(503, "temporarily_unavailable");
        }
        if is_ready {
            ready = true;
            break;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(ready, "{}", program.log());
    let jwks = agent.get("/.well-known/jwks.json").await.expect(200).json();
    let keys = jwks["keys"].as_array().unwrap();
    assert_eq!(keys.len(), 1);
    assert_eq!((keys[0]["kty"].as_str(), keys[0]["alg"].as_str()), (Some("RSA"), Some("RS256")));
    let kid = keys[0]["kid"].clone();
    program.stop();
    program.start().await;
    let jwks = agent.get("/.well-known/jwks.json").await.expect(200).json();
    assert_eq!(jwks["keys"][0]["kid"], kid);
    program.stop();
}

/// Several replicas that start at once on an empty database agree on one key.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_108_replicas_agree_on_one_key() {
    if !pid_tests::on_postgres() {
        return;
    }
    let mut first = Program::configured();
    let url = first.database().unwrap().url().to_owned();
    let mut second = Program::configured().with("DB_CONNECTION_STRING", url);
    first.spawn();
    second.spawn();
    let mut kids = Vec::new();
    for program in [&mut first, &mut second] {
        program.process().wait_for_line("is ready", Duration::from_secs(60)).unwrap();
        program.ready().await;
    }
    for program in [&mut first, &mut second] {
        let jwks = program.agent().get("/.well-known/jwks.json").await.expect(200).json();
        assert_eq!(jwks["keys"].as_array().unwrap().len(), 1, "{jwks}");
        kids.push(jwks["keys"][0]["kid"].clone());
        program.stop();
    }
    assert_eq!(kids[0], kids[1]);
}

/// A database of another program, at the same default path: the original Pocket ID's, say.
#[test]
fn a_foreign_database_is_left_untouched() {
    for with_key in [false, true] {
        for (tables, says) in [
            (
                "CREATE TABLE oidc_clients (id TEXT); CREATE TABLE schema_migrations (version INT)",
                ["Pocket ID", "Nothing was touched"],
            ),
            ("CREATE TABLE notes (id TEXT)", ["another program", "left untouched"]),
        ] {
            let mut program = Program::bare();
            if with_key {
                program.set("ENCRYPTION_KEY", "test-encryption-key");
            }
            std::fs::create_dir(program.data()).unwrap();
            let file = program.data().join("pocket-id.db");
            rusqlite::Connection::open(&file).unwrap().execute_batch(tables).unwrap();
            let before =
                (std::fs::read(&file).unwrap(), mode(&file), std::fs::metadata(&file).unwrap().modified().unwrap());
            let said = program.refuses();
            assert!(says.iter().all(|says| said.contains(says)), "{said}");
            assert!(said.contains("DB_CONNECTION_STRING"), "{said}");
            let after =
                (std::fs::read(&file).unwrap(), mode(&file), std::fs::metadata(&file).unwrap().modified().unwrap());
            assert_eq!(before, after);
            assert_eq!(names(&program.data()), ["pocket-id.db"], "no log, no key is left beside it");
        }
    }
}
