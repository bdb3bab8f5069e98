//! The environment.

use crate::program::Program;

#[test]
fn bad_values_are_told_all_at_once() {
    let mut program = Program::bare()
        .with("APP_URL", "https://id.example.com/path")
        .with("PORT", "99999")
        .with("HOST", "not an address")
        .with("LOG_LEVEL", "loud")
        .with("LOG_JSON", "yes")
        .with("TRUST_PROXY", "10.0.0.0/8, nonsense")
        .with("ENCRYPTION_KEY", "short-secret")
        .with("STATIC_API_KEY_FILE", "/no/such/file");
    let said = program.refuses();
    let errors: Vec<&str> = said.lines().filter(|l| l.starts_with("config error: ")).collect();
    assert_eq!(errors.len(), 8, "{said}");
    let names =
        ["APP_URL", "PORT", "HOST", "LOG_LEVEL", "LOG_JSON", "TRUST_PROXY", "ENCRYPTION_KEY", "STATIC_API_KEY_FILE"];
    for name in names {
        assert!(errors.iter().any(|e| e.contains(name) && e.ends_with('.')), "{name}: {said}");
    }
    assert!(!said.contains("short-secret"), "{said}");
    assert!(!program.data().exists(), "nothing is made by a start that can't be");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dot_env_file_lies_below_the_environment() {
    let mut program = Program::configured();
    let (key, other) = ("from-the-dot-env-file", "a-key-in-the-environment");
    std::fs::write(program.dir().join(".env"), format!("# comment\nexport STATIC_API_KEY=\"{key}\"\nLOG_JSON=true\n"))
        .unwrap();
    program.unset("STATIC_API_KEY");
    program.start().await;
    let ask = |key: &str| program.agent().with_header("x-api-key", key);
    ask(key).get("/api/users").await.expect(200);
    let log = program.stop();
    assert!(log.lines().any(|l| l.starts_with('{') && l.contains("listening")), "{log}");

    program.set("STATIC_API_KEY", other);
    program.start().await;
    let ask = |key: &str| program.agent().with_header("x-api-key", key);
    ask(key).get("/api/users").await.refused(401, "not_signed_in");
    ask(other).get("/api/users").await.expect(200);
    program.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn secrets_come_from_files() {
    let mut program = Program::configured();
    std::fs::write(program.dir().join("api-key"), "key-from-a-file-0123\n").unwrap();
    program.set("STATIC_API_KEY", "loses-against-the-file");
    program.set("STATIC_API_KEY_FILE", "api-key");
    if let Some(database) = program.database() {
        let url = format!("{}\n", database.url());
        std::fs::write(program.dir().join("database"), url).unwrap();
    } else {
        std::fs::write(program.dir().join("database"), "elsewhere/mine.db\n").unwrap();
    }
    program.unset("DB_CONNECTION_STRING");
    program.set("DB_CONNECTION_STRING_FILE", "database");
    program.start().await;
    program.agent().with_header("x-api-key", "key-from-a-file-0123").get("/api/users").await.expect(200);
    assert_eq!(program.dir().join("elsewhere/mine.db").exists(), program.database().is_none());
    assert!(!program.data().exists());
    program.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn host_is_where_it_listens() {
    let mut program = Program::configured();
    program.set("HOST", "127.0.0.2");
    let port = program.port();
    program.spawn().wait_for_line("is ready", std::time::Duration::from_secs(60)).unwrap();
    pid_tests::Agent::new(&format!("http://127.0.0.2:{port}")).get("/healthz").await.expect(204);
    assert!(std::net::TcpStream::connect(("127.0.0.1", port)).is_err());
    // The health check looks where it listens.
    assert!(program.run(&["healthcheck"]).status.success());
    program.stop();
}

/// Passkeys are bound to the host of `APP_URL`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_host_names_who_would_be_locked_out() {
    let mut program = Program::configured();
    program.start().await;
    let agent = program.set_up().await;
    let url = program.url();
    assert!(!program.stop().contains("Locked out"));

    // Nobody has a passkey yet: the host may change.
    program.set("APP_URL", format!("http://id.localhost:{}", program.port()));
    program.start().await;
    assert!(!program.stop().contains("Locked out"));
    program.set("APP_URL", url.clone());
    program.start().await;
    program.add_passkey(&agent).await;
    program.stop();

    program.set("APP_URL", format!("http://id.localhost:{}", program.port()));
    program.start().await;
    let log = program.stop();
    let warning = log.lines().find(|l| l.contains("Locked out")).unwrap_or_else(|| panic!("no warning:\n{log}"));
    for part in ["admin", "id.localhost", "registered for localhost"] {
        assert!(warning.contains(part), "{part}: {warning}");
    }
    // The same host, back again or on another port, locks out nobody.
    for same in [url, "http://localhost:9".to_owned()] {
        program.set("APP_URL", same);
        program.start().await;
        assert!(!program.stop().contains("Locked out"));
    }
}
