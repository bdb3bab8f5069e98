//! `pocket-id doctor`, `config check`, `completion`: what an operator asks the program for.

use pid_testkit::process::free_port;
use pid_tests::on_postgres;
use serde_json::Value;

use crate::program::Program;

fn examined(program: &Program) -> (Option<i32>, Value) {
    let output = program.run(&["doctor", "--json"]);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let all = serde_json::from_str(&said).unwrap_or_else(|e| {
        panic!("{e}: {said}\n{}", String::from_utf8_lossy(&output.stderr));
    });
    (output.status.code(), all)
}

fn codes(all: &Value) -> Vec<&str> {
    all.as_array().unwrap().iter().map(|finding| finding["code"].as_str().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn doctor_finds_what_is_wrong() {
    let mut program = Program::configured();
    // No file, or a database that nobody has decided the key of.
    let (code, all) = examined(&program);
    assert_eq!(code, Some(1), "{all:#}");
    let first = if on_postgres() { "key-wrong" } else { "database-failed" };
    assert!(codes(&all).contains(&first), "{all:#}");

    program.start().await;
    let admin = program.set_up().await;
    program.add_passkey(&admin).await;
    program.ready().await;
    let (code, all) = examined(&program);
    let found = codes(&all);
    for code in ["address-good", "reach-good", "database-good", "passkeys-good", "signing-good", "key-fits"] {
        assert!(found.contains(&code), "{code}: {all:#}");
    }
    assert_eq!((code, found.contains(&"files-good")), (Some(0), !on_postgres()), "{all:#}");
    let output = program.run(&["doctor"]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.lines().any(|l| l.starts_with("[ok]") && l.contains("Passkeys: ")), "{text}");
    assert!(text.lines().any(|l| l.starts_with("[warning]") && l.contains("Limits: ")), "{text}");
    program.stop();

    // Not running: apps would not reach it, but that is no fault of the data.
    let (code, all) = examined(&program);
    assert_eq!((code, codes(&all).contains(&"reach-failed")), (Some(0), true), "{all:#}");

    // Another host than the passkeys'.
    program.set("APP_URL", "https://id.example.invalid");
    let (code, all) = examined(&program);
    assert_eq!((code, codes(&all).contains(&"passkeys-other")), (Some(1), true), "{all:#}");
    program.set("APP_URL", "http://id.example.invalid");
    let (_, all) = examined(&program);
    assert!(codes(&all).contains(&"address-insecure"), "{all:#}");
    program.set("APP_URL", program.url());

    program.set("ENCRYPTION_KEY", "another-encryption-key");
    let (code, all) = examined(&program);
    assert_eq!((code, codes(&all).contains(&"key-wrong")), (Some(1), true), "{all:#}");
    assert!(!all.to_string().contains("another-encryption-key"));
    program.set("ENCRYPTION_KEY", "test-encryption-key");

    if on_postgres() {
        let port = free_port().unwrap();
        program.set("DB_CONNECTION_STRING", format!("postgres://pocket:hunter2@127.0.0.1:{port}/x"));
    } else {
        use std::os::unix::fs::PermissionsExt as _;
        let open = |mode| std::fs::Permissions::from_mode(mode);
        let file = program.data().join("pocket-id.db");
        std::fs::set_permissions(program.data(), open(0o755)).unwrap();
        std::fs::set_permissions(&file, open(0o644)).unwrap();
        let (_, all) = examined(&program);
        assert!(codes(&all).contains(&"files-open"), "{all:#}");
        // Damage in the middle: the first page still tells that it is ours.
        let mut bytes = std::fs::read(&file).unwrap();
        let half = bytes.len() / 2;
        bytes[half..].fill(0x5a);
        std::fs::write(&file, bytes).unwrap();
    }
    let (code, all) = examined(&program);
    assert_eq!(code, Some(1), "{all:#}");
    assert!(codes(&all).iter().any(|code| code.starts_with("database-")), "{all:#}");
    assert!(!all.to_string().contains("hunter2"), "{all:#}");
}

#[test]
fn config_check_tells_errors_and_notes() {
    let good = Program::configured().with("ACTORS_PORT", "1414");
    let output = good.run(&["config", "check"]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{text}");
    assert!(text.contains("note: ACTORS_PORT has no effect") && text.contains("The configuration is good"), "{text}");
    assert!(!text.contains("test-encryption-key"), "{text}");

    let bad = Program::configured().with("PORT", "x").with("LOG_LEVEL", "loud");
    let output = bad.run(&["config", "check", "--json"]);
    let said: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((output.status.code(), &said["ok"]), (Some(1), &Value::Bool(false)));
    assert_eq!(said["errors"].as_array().unwrap().len(), 2, "{said}");
    assert!(!bad.data().exists(), "nothing is started");
}

#[test]
fn completions_name_our_commands() {
    let program = Program::bare().with("PORT", "nonsense");
    for shell in ["bash", "zsh", "fish", "powershell"] {
        let output = program.run(&["completion", shell]);
        let text = String::from_utf8(output.stdout).unwrap();
        assert_eq!(output.status.code(), Some(0), "{shell}");
        assert!(text.contains("one-time-access-token") && text.contains("doctor"), "{shell}: {text}");
    }
    assert_eq!(program.run(&["completion", "tcsh"]).status.code(), Some(1));
}
