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
