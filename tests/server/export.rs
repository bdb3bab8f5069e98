//! Moving out to Pocket ID, and back: `pocket-id export` (ops.md §2, §5).

use std::io::Cursor;

use pid_tests::PNG;
use pid_tests::upstream::installation;
use pid_upstream::{Data, Limits, read_archive};
use serde_json::json;

use crate::import::{run, sign_in, token, write};
use crate::program::Program;

fn read(archive: Vec<u8>) -> Data {
    read_archive(Cursor::new(archive), &Limits::default()).unwrap()
}

/// A table's rows as text, so that they can be compared.
fn rows(data: &Data, table: &str) -> Vec<String> {
    let columns: Vec<String> = data.tables.get(table).map(|t| t.columns.clone()).unwrap_or_default();
    let mut rows: Vec<String> = data
        .rows(table)
        .map(|row| {
            let mut cells: Vec<String> = columns.iter().map(|name| format!("{name}={:?}", row.text(name))).collect();
            cells.sort();
            cells.join(" ")
        })
        .collect();
    rows.sort();
    rows
}

/// What came from there goes back as it came.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_came_goes_back() {
    let program = Program::configured();
    let (upstream, _) = installation(&program.url());
    let path = write(&program, "in.zip", &upstream.archive());
    let (code, _, err) = run(&program, &["import", "-p", &path, "-y"]);
    assert_eq!(code, Some(0), "{err}");
    let (code, out, err) = run(&program, &["export", "-p", "out.zip"]);
    assert_eq!((code, out.as_str()), (Some(0), "Exported data to out.zip\n"), "{err}");
    for part in ["Goes:", "2  people", "Has no place there:", "refresh tokens"] {
        assert!(err.contains(part), "{part}: {err}");
    }
    let file = program.dir().join("out.zip");
    #[cfg(unix)]
    assert_eq!(crate::program::mode(&file), 0o600);
    let archive = std::fs::read(&file).unwrap();
    let (there, back) = (read(upstream.archive()), read(archive));
    assert_eq!((back.version, back.provider.as_str()), (20_260_814_120_000, "sqlite"));
    for table in [
        "users",
        "user_groups",
        "user_authorized_oidc_clients",
        "oidc_clients_allowed_user_groups",
        "webauthn_credentials",
        "api_keys",
        "audit_logs",
    ] {
        let (there, back) = (rows(&there, table), rows(&back, table));
        assert_eq!(there, back, "{table}");
    }
    let users: Vec<_> =
        back.rows("users").map(|row| (row.text("username"), row.text("email"), row.flag("is_admin"))).collect();
    assert_eq!(users.len(), 2);
    let client = back.rows("oidc_clients").next().unwrap();
    let secrets = client.json("credentials").unwrap().unwrap()["secrets"].clone();
    let before = there.rows("oidc_clients").next().unwrap().json("credentials").unwrap().unwrap()["secrets"].clone();
    assert_eq!(secrets, before);
    assert_eq!(
        client.strings("callback_urls").unwrap(),
        ["https://app.example", "https://app.example/**", "https://*.apps.example/cb"]
    );
    assert_eq!(client.json("metadata_grant_types"), Ok(None));
    let config = back.actors("AppConfig").next().unwrap();
    assert_eq!(
        (config.text("AppName"), config.text("SmtpPassword"), config.fields.len()),
        (Some("Moved"), Some("mail-pass"), 47)
    );
    assert_eq!(back.actors("SignupToken").next().unwrap().id, "AbCdEfGhIjKlMnOp");
    assert_eq!(back.fact("instance_id").as_deref(), Some("instance-1"));
    let key = back.fact("jwt_private_key.json").unwrap();
    let provider = back.rows("scim_service_providers").next().unwrap();
    let token = provider.text("token").unwrap();
    let token = pid_upstream::keys::open_string(b"test-encryption-key", &token).unwrap();
    let client = (provider.text("endpoint"), provider.text("oidc_client_id"));
    assert_eq!((&token[..], client), (&b"scim-bearer"[..], (Some("https://scim.example".into()), Some("app".into()))));
    let jwk = pid_upstream::keys::open_signing_key(b"test-encryption-key", "instance-1", &key).unwrap();
    assert!(String::from_utf8_lossy(&jwk).contains("old-key-1"));
    let files: Vec<&String> = back.files.keys().collect();
    assert_eq!(
        files,
        [
            "application-images/logoLight.png",
            "oidc-client-images/app.png",
            "profile-pictures/b2a0c7f2-0d0e-4b6c-9e44-0f6ad7a3f002.png"
        ]
    );
    // Once more around, nothing changes.
    let (code, _, err) = run(&program, &["import", "-p", "out.zip", "-y"]);
    assert_eq!(code, Some(0), "{err}");
    let (code, _, err) = run(&program, &["export", "-p", "again.zip"]);
    assert_eq!(code, Some(0), "{err}");
    let again = read(std::fs::read(program.dir().join("again.zip")).unwrap());
    // What is sealed is never the same twice.
    for table in back.tables.keys().filter(|table| !["kv", "scim_service_providers"].contains(&table.as_str())) {
        assert_eq!(rows(&back, table), rows(&again, table), "{table}");
    }
    assert_eq!((&back.files, &back.actors), (&again.files, &again.actors));
}

/// What was made here works after it went out and came in elsewhere.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_made_here_can_go() {
    let mut program = Program::configured();
    let (code, _, err) = run(&program, &["export", "-p", "x.zip"]);
    assert_eq!(code, Some(1));
    assert!(err.contains("There is no database") || err.contains("has not been started"), "{err}");
    program.start().await;
    program.ready().await;
    let agent = program.set_up().await;
    let mut passkey = program.add_passkey(&agent).await;
    let client = json!({ "name": "App", "id": "app", "callbackURLs": ["https://app.example/cb"], "idTokenSignedResponseAlg": "ES256" });
    agent.post("/api/oidc/clients", &client).await.expect(201);
    let secret = agent.post("/api/oidc/clients/app/secrets", &json!({})).await.expect(201).json();
    let secret = secret["secret"].as_str().unwrap().to_owned();
    agent.upload("/api/oidc/clients/app/logo", "logo.png", PNG).await.expect(204);
    let me = agent.get("/api/users/me").await.expect(200).json();
    // Made by a user that does not go.
    let client = json!({ "name": "Scripted", "id": "scripted", "callbackURLs": ["https://app.example/cb"] });
    program.script().post("/api/oidc/clients", &client).await.expect(201);
    // While it serves.
    let output = program.run(&["export", "-p", "-"]);
    assert!(output.status.success() && output.stdout.starts_with(b"PK"), "{output:?}");
    let report = String::from_utf8(output.stderr).unwrap();
    assert!(report.contains("choose an algorithm") && report.contains("one signing key"), "{report}");
    let makers: Vec<_> = read(output.stdout.clone())
        .rows("oidc_clients")
        .map(|row| (row.text("id").unwrap(), row.text("created_by_id")))
        .collect();
    let admin = me["id"].as_str().map(str::to_owned);
    assert_eq!(makers, [("app".to_owned(), admin), ("scripted".to_owned(), None)]);
    program.stop();
    let path = write(&program, "moved.zip", &output.stdout);
    let mut elsewhere = Program::configured();
    elsewhere.set("APP_URL", program.url());
    let (code, _, err) = run(&elsewhere, &["import", "-p", &path, "-y"]);
    assert_eq!(code, Some(0), "{err}");
    // Passkeys are for the address of before.
    program.set("DB_CONNECTION_STRING", elsewhere.connection());
    program.start().await;
    program.ready().await;
    let agent = sign_in(&program, &mut passkey).await;
    assert_eq!(agent.get("/api/users/me").await.expect(200).json()["id"], me["id"]);
    token(&program, &secret, &[("grant_type", "client_credentials")]).await.expect(200);
    agent.get("/api/oidc/clients/app/logo").await.expect(200);
    program.stop();
}
