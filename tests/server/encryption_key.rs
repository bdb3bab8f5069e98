//! The encryption key: made only together with a new SQLite database, and known again.

use crate::program::{Program, mode, names};
use pid_tests::on_postgres;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_data_or_postgresql_a_missing_key_ends_the_start() {
    if on_postgres() {
        let mut program = Program::configured();
        program.unset("ENCRYPTION_KEY");
        let said = program.refuses();
        assert!(said.contains("ENCRYPTION_KEY is not set") && said.contains("PostgreSQL"), "{said}");
        return;
    }
    let mut program = Program::bare();
    program.start().await;
    program.ready().await;
    program.stop();
    let key = program.data().join("encryption.key");
    let kept = std::fs::read(&key).unwrap();
    std::fs::remove_file(&key).unwrap();
    let said = program.refuses();
    assert!(said.contains("ENCRYPTION_KEY is not set"), "{said}");
    assert_eq!(names(&program.data()), ["pocket-id.db"], "no new key is made for old data");

    // A key file that was cut short is told as such.
    std::fs::write(&key, "short").unwrap();
    let said = program.refuses();
    assert!(said.contains("encryption.key") && said.contains("fewer than 16 bytes"), "{said}");

    // The right key, wherever it comes from, opens the data again.
    std::fs::write(&key, &kept).unwrap();
    program.start().await;
    program.stop();
    std::fs::rename(&key, program.dir().join("elsewhere")).unwrap();
    program.set("ENCRYPTION_KEY_FILE", "elsewhere");
    program.start().await;
    program.agent().get("/readyz").await.expect(204);
    program.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_key_is_said() {
    let mut program = Program::configured();
    program.start().await;
    program.ready().await;
    program.stop();
    program.set("ENCRYPTION_KEY", "another-encryption-key");
    let said = program.refuses();
    assert!(said.contains("encryption key is not the one"), "{said}");
    assert!(!said.contains("another-encryption-key"), "{said}");
    program.set("ENCRYPTION_KEY", "test-encryption-key");
    program.start().await;
    program.agent().get("/readyz").await.expect(204);
    program.stop();
}

/// Raw bytes: a newline at the end of the file is part of the key (ops.md §1.1).
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_newline_of_a_key_file_counts() {
    let mut program = Program::configured();
    program.unset("ENCRYPTION_KEY");
    std::fs::write(program.dir().join("key"), "0123456789abcdef\n").unwrap();
    program.set("ENCRYPTION_KEY_FILE", "key");
    program.start().await;
    program.ready().await;
    program.stop();
    program.unset("ENCRYPTION_KEY_FILE");
    program.set("ENCRYPTION_KEY", "0123456789abcdef");
    assert!(program.refuses().contains("encryption key is not the one"));
    program.set("ENCRYPTION_KEY", "0123456789abcdef\n");
    program.start().await;
    program.stop();
}

/// With a key of one's own no key file is made.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_given_key_leaves_no_file() {
    if on_postgres() {
        return;
    }
    let mut program = Program::configured();
    program.start().await;
    program.stop();
    assert_eq!(names(&program.data()), ["pocket-id.db"]);
    assert_eq!(mode(&program.data()), 0o700);
}

/// Everything that is sealed can be opened with the new key and no more with the old one (ops.md §2).
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rotation_seals_everything_anew() {
    let mut program = Program::configured();
    program.start().await;
    program.ready().await;
    program.set_up().await;
    let script = program.script();
    let body = serde_json::json!({ "usageLimit": 1 });
    let token = script.post("/api/signup-tokens", &body).await.expect(201).json();
    let keys = program.agent().get("/.well-known/jwks.json").await.expect(200).json();
    let rotate = ["encryption-key-rotate", "--yes", "--new-key", "the-next-encryption-key"];
    let output = program.run(&rotate);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1));
    assert!(said.contains("Stop it first"), "{said}");
    program.stop();

    for (arguments, why) in [
        (&["encryption-key-rotate", "--yes"][..], "Name the new key"),
        (&["encryption-key-rotate", "--yes", "--new-key", "short"], "at least 16 bytes"),
        (&["encryption-key-rotate", "--yes", "--new-key", "test-encryption-key"], "is the old one"),
        (&["encryption-key-rotate", "--new-key", "the-next-encryption-key"], "no answer"),
    ] {
        let output = program.run(arguments);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
        assert!(said.contains(why), "{arguments:?}: {said}");
    }
    let output = program.run(&rotate);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.contains("1 signing keys, 1 sign-up tokens") && !said.contains("the-next"), "{said}");
    assert!(program.refuses().contains("encryption key is not the one"));

    program.set("ENCRYPTION_KEY", "the-next-encryption-key");
    program.start().await;
    program.ready().await;
    assert_eq!(program.agent().get("/.well-known/jwks.json").await.expect(200).json(), keys);
    // The list opens each token to show it.
    let tokens = program.script().get("/api/signup-tokens").await.expect(200).json();
    assert_eq!(tokens["data"][0]["token"], token["token"], "{tokens}");
    assert!(program.log().lines().all(|line| !line.contains("ERROR")), "{}", program.log());
    program.stop();
}

/// Where the key lies beside the database it is replaced there, and a rotation that was cut off between the database and
/// the file is ended by the next start.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rotation_replaces_its_own_key_file() {
    if on_postgres() {
        return;
    }
    let mut program = Program::bare();
    program.start().await;
    program.ready().await;
    program.stop();
    let file = program.data().join("encryption.key");
    let before = std::fs::read(&file).unwrap();
    let output = program.run(&["encryption-key-rotate", "--yes"]);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let after = std::fs::read(&file).unwrap();
    assert_ne!(before, after);
    assert_eq!(names(&program.data()), ["encryption.key", "pocket-id.db"]);
    assert_eq!(mode(&file), 0o600);
    program.start().await;
    program.ready().await;
    program.stop();

    // As if it had been killed after its transaction.
    std::fs::rename(&file, program.data().join("encryption.key.next")).unwrap();
    std::fs::write(&file, &before).unwrap();
    program.start().await;
    program.ready().await;
    program.stop();
    assert_eq!(std::fs::read(&file).unwrap(), after);
    // And before it: the key that waits is none, and is left alone.
    std::fs::write(program.data().join("encryption.key.next"), &before).unwrap();
    program.start().await;
    program.ready().await;
    program.stop();
    assert_eq!(std::fs::read(&file).unwrap(), after);
}
