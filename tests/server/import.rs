//! Moving in from Pocket ID with the real binary: `pocket-id import` (ops.md §2, §5).

use std::path::Path;

use pid_jose::Alg;
use pid_testkit::authenticator::SoftAuthenticator;
use pid_tests::upstream::{
    ANN, BOB, FAR_AWAY, KEY, LONG_AGO, Upstream, client, column, installation, refresh_token, sealed_key, soft_passkey,
    user,
};
use pid_tests::{Agent, PNG};
use serde_json::{Value, json};

use crate::program::{Program, names};

pub fn write(program: &Program, name: &str, content: &[u8]) -> String {
    let path = program.dir().join(name);
    std::fs::write(&path, content).unwrap();
    path.display().to_string()
}

/// Runs a command; gives its code and what it wrote.
pub fn run(program: &Program, arguments: &[&str]) -> (Option<i32>, String, String) {
    let output = program.run(arguments);
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

pub async fn sign_in(program: &Program, passkey: &mut SoftAuthenticator) -> Agent {
    let agent = program.agent();
    let options = agent.get("/api/webauthn/login/start").await.expect(200).json();
    let response = passkey.authenticate(&options, &program.url());
    agent.post("/api/webauthn/login/finish", &response).await.expect(200);
    agent
}

pub async fn token(program: &Program, secret: &str, more: &[(&str, &str)]) -> pid_tests::Reply {
    let own = [("client_id", "app"), ("client_secret", secret)];
    let form: Vec<(&str, &str)> = own.iter().chain(more).copied().collect();
    program.agent().post_form("/api/oidc/token", &form).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_moves_in_and_works() {
    let mut program = Program::configured();
    let (upstream, mut passkey) = installation(&program.url());
    let path = write(&program, "pocket-id-export.zip", &upstream.archive());

    let (code, out, err) = run(&program, &["import", "--dry-run"]);
    assert_eq!((code, err.as_str()), (Some(0), ""), "{out}");
    for part in [
        "2 people",
        "1 passkeys",
        "client secrets",
        "live sign-ins",
        "Provisioning by SCIM",
        "smtpTls",
        "legacy wildcard",
        "dry run",
    ] {
        assert!(out.replace("  ", " ").contains(part), "{part}: {out}");
    }
    assert!(!out.contains("mail-pass"), "{out}");
    assert_eq!(names(program.dir()), ["pocket-id-export.zip"], "a dry run touches nothing");

    let (code, out, err) = run(&program, &["import", "-p", &path, "-y"]);
    assert_eq!((code, out.as_str()), (Some(0), "Import completed successfully.\n"), "{err}");
    program.start().await;
    program.ready().await;

    // The passkey, with the person's id.
    let agent = sign_in(&program, &mut passkey).await;
    let me = agent.get("/api/users/me").await.expect(200).json();
    assert_eq!((me["id"].as_str(), me["isAdmin"].as_bool()), (Some(ANN), Some(true)), "{me}");
    assert_eq!(me["customClaims"], json!([{ "key": "dept", "value": "eng" }]));
    assert_eq!(me["userGroups"][0]["name"], "team");
    let passkeys = agent.get("/api/webauthn/credentials").await.expect(200).json();
    assert_eq!((passkeys[0]["name"].as_str(), passkeys[0]["backupState"].as_bool()), (Some("Laptop"), Some(true)));

    // The published key, and the instance's picture and name.
    let jwks = agent.get("/.well-known/jwks.json").await.expect(200).json();
    assert_eq!(jwks["keys"][0]["kid"], "old-key-1");
    let settings = agent.get("/api/application-configuration").await.expect(200).json();
    assert!(settings.as_array().unwrap().iter().any(|s| s["key"] == "appName" && s["value"] == "Moved"), "{settings}");
    for path in [
        &format!("/api/users/{BOB}/profile-picture.png"),
        "/api/oidc/clients/app/logo",
        "/api/application-images/logo?light=true",
    ] {
        assert_eq!(agent.get(path).await.expect(200).header("content-type"), Some("image/png"), "{path}");
    }

    // Secrets: ours at once, theirs too, and from then on under our hash.
    let itself = [("grant_type", "client_credentials"), ("resource", "https://orders.example")];
    let issued = token(&program, "a-secret-of-two-dozen-bytes", &itself).await.expect(200).json();
    assert_eq!(issued["scope"], "read:orders");
    token(&program, "an old secret of another time", &itself).await.oauth_error(401, "invalid_client");
    for _ in 0..2 {
        token(&program, "an old secret of old times", &itself).await.expect(200);
    }
    let secrets = agent.get("/api/oidc/clients/app/secrets").await.expect(200).json();
    let prefixes: Vec<&str> = secrets.as_array().unwrap().iter().filter_map(|s| s["prefix"].as_str()).collect();
    assert_eq!(prefixes, ["a-se", "an o"], "hashed anew");

    // An app that was signed in stays so; what was rotated there is a theft here.
    let (living, _) = refresh_token(KEY, [2; 32]);
    let refresh =
        |token: &str| [("grant_type", "refresh_token"), ("refresh_token", token)].map(|(a, b)| (a, b.to_owned()));
    let asked = refresh(&living);
    let asked: Vec<(&str, &str)> = asked.iter().map(|(a, b)| (*a, b.as_str())).collect();
    let tokens = token(&program, "a-secret-of-two-dozen-bytes", &asked).await.expect(200).json();
    assert!(tokens["id_token"].is_string() && tokens["scope"] == "openid profile", "{tokens}");
    let next = tokens["refresh_token"].as_str().unwrap();
    let ours = [("grant_type", "refresh_token"), ("refresh_token", next)];
    let next = token(&program, "a-secret-of-two-dozen-bytes", &ours).await.expect(200).json();
    let (stolen, _) = refresh_token(KEY, [1; 32]);
    let theft = [("grant_type", "refresh_token"), ("refresh_token", stolen.as_str())];
    token(&program, "a-secret-of-two-dozen-bytes", &theft).await.oauth_error(400, "invalid_grant");
    let last = [("grant_type", "refresh_token"), ("refresh_token", next["refresh_token"].as_str().unwrap())];
    token(&program, "a-secret-of-two-dozen-bytes", &last).await.oauth_error(400, "invalid_grant");

    // Callback addresses mean what they meant.
    let ask = |callback: &str| {
        let query = [
            ("response_type", "code"),
            ("client_id", "app"),
            ("redirect_uri", callback),
            ("scope", "openid"),
            ("state", "s"),
        ];
        format!("/authorize?{}", url::form_urlencoded::Serializer::new(String::new()).extend_pairs(query).finish())
    };
    for good in ["https://app.example/any/path", "https://a.b.apps.example/cb"] {
        agent.get(&ask(good)).await.redirected("code").unwrap_or_else(|| panic!("{good}"));
    }
    for bad in ["https://app.example.evil/any", "https://apps.example/cb"] {
        assert_eq!(agent.get(&ask(bad)).await.redirected("code"), None, "{bad}");
    }

    // The marks are shown, and end with their entry.
    let scim = agent.get("/api/oidc/clients/app/scim-service-provider").await.expect(200).json();
    assert_eq!((&scim["endpoint"], &scim["token"]), (&json!("https://scim.example"), &json!("XXXXXXXXXX")));
    let app = agent.get("/api/oidc/clients/app").await.expect(200).json();
    assert_eq!(app["legacyWildcards"], json!(["https://*.apps.example/cb"]));
    for (callbacks, marks) in [
        (json!(["https://x.example", "https://*.apps.example/cb"]), json!(["https://*.apps.example/cb"])),
        (json!(["https://x.example"]), Value::Null),
        (json!(["https://*.apps.example/cb"]), Value::Null),
    ] {
        let changed =
            agent.patch("/api/oidc/clients/app", &json!({ "callbackURLs": callbacks }), None).await.expect(200).json();
        assert_eq!(changed["legacyWildcards"], marks);
    }

    // Keys of scripts, the log, invitations, codes.
    let script = program.agent().with_header("x-api-key", "an-api-key-of-32-characters-long");
    assert_eq!(script.get("/api/users/me").await.expect(200).json()["username"], "ann");
    let log = agent.get("/api/audit-logs/all?search=Norway&limit=5").await;
    let log = if log.status == 200 { log.json() } else { agent.get("/api/audit-logs/all").await.expect(200).json() };
    assert!(log["data"].is_array(), "{log}");
    let log =
        agent.get("/api/audit-logs/all?filters[clientName]=App%20app&filters[event]=SIGN_IN").await.expect(200).json();
    assert_eq!(
        (log["data"][0]["city"].as_str(), log["pagination"]["totalItems"].as_i64()),
        (Some("Oslo"), Some(1)),
        "{log}"
    );
    let invitations = agent.get("/api/signup-tokens").await.expect(200).json();
    assert_eq!(
        (invitations["data"][0]["token"].as_str(), invitations["data"][0]["usageCount"].as_i64()),
        (Some("AbCdEfGhIjKlMnOp"), Some(1))
    );
    let bob = program.agent().post("/api/one-time-access-token/AbC123", &json!({})).await.expect(200).json();
    assert_eq!(bob["id"], BOB);

    // A server that runs is not overwritten by accident.
    let (code, _, err) = run(&program, &["import", "-p", &path, "-y"]);
    assert_eq!(code, Some(1));
    assert!(err.contains("server is connected") && err.contains("--forcefully-acquire-lock"), "{err}");
    agent.get("/api/users/me").await.expect(200);
    let (code, _, err) = run(&program, &["import", "-p", &path, "-y", "--forcefully-acquire-lock"]);
    assert_eq!(code, Some(0), "{err}");
    agent.get("/api/users/me").await.expect(401);
    sign_in(&program, &mut passkey).await;
    // It goes on with a key of its own if none comes, and with its static one.
    let (code, _, err) = run(&program, &["import", "-p", &path, "-y", "--forcefully-acquire-lock", "--without-keys"]);
    assert_eq!(code, Some(0), "{err}");
    let mut tries = 0;
    loop {
        let jwks = program.agent().get("/.well-known/jwks.json").await;
        if jwks.status == 200 && jwks.json()["keys"][0]["kid"] != "old-key-1" {
            break;
        }
        tries += 1;
        assert!(tries < 3000, "it gets no key: {}", program.log());
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    program.ready().await;
    program.script().get("/api/users").await.expect(200);
    program.stop();
}

/// Whatever is refused, what was here stays.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_086_a_refused_archive_leaves_everything_as_it_was() {
    let mut program = Program::configured();
    program.start().await;
    program.set_up().await;
    program.stop();
    let (upstream, _) = installation(&program.url());
    let good = upstream.archive();
    let mut other_key = upstream.clone();
    other_key.tables["kv"][1]["value"] = json!(sealed_key("another-encryption-key", "instance-1", Alg::ES256, "k"));
    let escaping = Upstream::default().upload("../../escape", b"x").archive();
    let too_old = Upstream { version: 20_200_101_000_000, ..Upstream::default() };
    for (what, content, word) in [
        ("half an archive", good[..good.len() / 2].to_vec(), "ZIP"),
        ("no archive", b"hello".to_vec(), "ZIP"),
        ("a way out", escaping, "escape"),
        ("the wrong key", other_key.archive(), "--source-key-file"),
        ("an old schema", too_old.archive(), "older"),
    ] {
        let path = write(&program, "bad.zip", &content);
        for dry in [true, false] {
            let (code, out, err) = run(&program, &["import", "-p", &path, if dry { "--dry-run" } else { "-y" }]);
            assert_eq!((code, out.as_str()), (Some(1), ""), "{what}");
            assert!(err.contains("Error: ") && err.contains(word) && !err.contains("panicked"), "{what}: {err}");
        }
    }
    let (code, _, err) = run(&program, &["import", "-p", "nowhere.zip", "-y"]);
    assert_eq!(code, Some(1));
    assert!(err.contains("nowhere.zip"), "{err}");
    let path = write(&program, "good.zip", &good);
    // Without an answer, with a no, and with standard input taken.
    let (code, out, err) = run(&program, &["import", "-p", &path]);
    assert_eq!(code, Some(1), "{err}");
    assert!(
        out.contains("Database: ")
            && out.contains("Uploads Path: ")
            && out.ends_with("Do you want to continue? [y/N]: "),
        "{out}"
    );
    let (code, _, err) = run(&program, &["import", "-p", "-"]);
    assert_eq!(code, Some(1));
    assert!(err.contains("--yes"), "{err}");
    program.start().await;
    let users = program.script().get("/api/users").await.expect(200).json();
    let names: Vec<&str> = users["data"].as_array().unwrap().iter().map(|u| u["username"].as_str().unwrap()).collect();
    assert!(names.contains(&"admin") && !names.contains(&"ann"), "{names:?}");
    program.stop();
    // The wrong key can be named by a file, or done without.
    let path = write(&program, "other.zip", &other_key.archive());
    let key = write(&program, "other.key", b"another-encryption-key");
    let (code, out, err) = run(&program, &["import", "-p", &path, "-y", "--source-key-file", &key]);
    assert_eq!((code, out.as_str()), (Some(0), "Import completed successfully.\n"), "{err}");
    let (code, out, err) = run(&program, &["import", "-p", &path, "--without-keys", "--dry-run"]);
    assert_eq!(code, Some(0), "{err}");
    assert!(out.contains("signing key stays there"), "{out}");
}

/// A refused first import leaves nothing behind, so that the right key is not the wrong one afterwards.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_first_import_with_the_wrong_key_can_be_repeated() {
    let mut program = Program::configured();
    let (upstream, _) = installation(&program.url());
    write(&program, "in.zip", &upstream.archive());
    program.set("ENCRYPTION_KEY", "another-encryption-key");
    let (code, _, err) = run(&program, &["import", "-p", "in.zip", "-y"]);
    assert_eq!(code, Some(1));
    assert!(err.contains("--source-key-file"), "{err}");
    program.set("ENCRYPTION_KEY", KEY);
    // Whoever is asked has seen what would come.
    let (code, out, err) = run(&program, &["import", "-p", "in.zip"]);
    assert_eq!(code, Some(1));
    assert!(out.contains("Do you want to continue?") && err.contains("2  people"), "{out}{err}");
    assert_eq!(names(program.dir()), ["in.zip"], "nothing was made");
    let (code, _, err) = run(&program, &["import", "-p", "in.zip", "-y"]);
    assert_eq!(code, Some(0), "{err}");
}

/// Killed at any moment, an import leaves the old or the new (security case 106).
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_106_a_killed_import_leaves_the_old_or_the_new() {
    let mut program = Program::configured();
    program.start().await;
    program.set_up().await;
    program.stop();
    let (mut upstream, _) = installation(&program.url());
    for i in 0..3000 {
        let row = json!({ "id": format!("b2a0c7f2-0d0e-4b6c-9e44-{i:012}"), "created_at": FAR_AWAY, "event": "SIGN_IN", "user_agent": "x", "data": column(&json!({})), "user_id": ANN });
        upstream = upstream.row("audit_logs", row);
    }
    let path = write(&program, "big.zip", &upstream.archive());
    let mut seen = [0, 0];
    for round in 0..8_u64 {
        program.run_and_kill(&["import", "-p", &path, "-y"], std::time::Duration::from_millis(20 + 40 * round));
        program.start().await;
        let users = program.script().get("/api/users?limit=100").await.expect(200).json();
        let has = |name: &str| users["data"].as_array().unwrap().iter().any(|u| u["username"] == name);
        assert_ne!(has("admin"), has("ann"), "one of both, whole");
        if has("ann") {
            let log = program.script().get("/api/audit-logs/all?filters[event]=SIGN_IN").await.expect(200).json();
            assert_eq!(log["pagination"]["totalItems"], 3001);
        }
        seen[usize::from(has("ann"))] += 1;
        program.stop();
    }
    assert!(seen[0] > 0, "killed too late to show anything: {seen:?}");
    let (code, _, err) = run(&program, &["import", "-p", &path, "-y"]);
    assert_eq!(code, Some(0), "{err}");
}

/// Archives of 2.0 to 2.12 keep things elsewhere (ops.md §5.6).
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn archives_of_older_releases_are_read() {
    let mut program = Program::configured();
    let (_, credential) = soft_passkey(ANN, "b2a0c7f2-0d0e-4b6c-9e44-0f6ad7a3f004", &program.url());
    let without = |mut row: Value, names: &[&str]| {
        names.iter().for_each(|name| drop(row.as_object_mut().unwrap().remove(*name)));
        row
    };
    let mut app = without(
        client("app", &["https://app.example/cb"], &json!([])),
        &[
            "description",
            "client_type",
            "metadata_expires_at",
            "metadata_grant_types",
            "skip_consent",
            "pkce_supported",
            "access_token_duration_minutes",
            "refresh_token_duration_minutes",
            "requires_pushed_authorization_requests",
            "credentials",
        ],
    );
    app["secret"] = json!(bcrypt::hash("an old secret of old times", 4).unwrap());
    app["callback_urls"] = json!("[\"https://app.example/cb\"]");
    app["logout_callback_urls"] = Value::Null;
    let mut old = Upstream { version: 20_251_229_173_100, actors: None, ..Upstream::default() }
        .row("users", without(user(ANN, "ann", true), &["email_verified"]))
        .row("webauthn_credentials", credential)
        .row("oidc_clients", app)
        .row("user_authorized_oidc_clients", json!({ "scope": "openid email", "user_id": ANN, "client_id": "app", "last_used_at": LONG_AGO }))
        .row("kv", json!({ "key": "jwt_private_key.json", "value": sealed_key(KEY, "instance-0", Alg::ES256, "older-key") }))
        .row("signup_tokens", json!({ "id": "b2a0c7f2-0d0e-4b6c-9e44-0f6ad7a3f060", "created_at": LONG_AGO, "token": "QbCdEfGhIjKlMnOp", "expires_at": FAR_AWAY, "usage_limit": 1, "usage_count": 0 }))
        .row("one_time_access_tokens", json!({ "id": "o1", "created_at": LONG_AGO, "token": "ABC234", "expires_at": FAR_AWAY, "user_id": ANN, "device_token": null }))
        .row("oidc_refresh_tokens", json!({ "id": "r1", "token": "x", "expires_at": FAR_AWAY }));
    for (key, value) in [
        ("instanceId", "instance-0"),
        ("appName", "Old"),
        ("emailsVerified", "true"),
        ("ldapAttributeAdminGroup", "admins"),
    ] {
        old = old.row("app_config_variables", json!({ "key": key, "value": value }));
    }
    let path = write(&program, "old.zip", &old.archive());
    let (code, out, err) = run(&program, &["import", "-p", &path, "--dry-run"]);
    assert_eq!(code, Some(0), "{err}");
    assert!(
        out.contains("Pocket ID 2.0.0") && out.contains("from before 2.10") && !out.contains("doesn't know"),
        "{out}"
    );
    let (code, _, err) = run(&program, &["import", "-p", &path, "-y"]);
    assert_eq!(code, Some(0), "{err}");
    program.start().await;
    program.ready().await;
    let agent = program.agent();
    let me = agent.post("/api/one-time-access-token/abc234", &json!({})).await.expect(200).json();
    assert_eq!((me["username"].as_str(), me["emailVerified"].as_bool()), (Some("ann"), Some(true)), "{me}");
    token(&program, "an old secret of old times", &[("grant_type", "client_credentials")]).await.expect(200);
    let jwks = agent.get("/.well-known/jwks.json").await.expect(200).json();
    assert_eq!(jwks["keys"][0]["kid"], "older-key");
    let settings = program.script().get("/api/application-configuration/all").await.expect(200).json();
    let value = |key: &str| settings.as_array().unwrap().iter().find(|s| s["key"] == key).unwrap()["value"].clone();
    assert_eq!((value("appName"), value("ldapAdminGroupName")), (json!("Old"), json!("admins")));
    let consented = program.script().get(&format!("/api/oidc/users/{ANN}/authorized-clients")).await.expect(200).json();
    assert_eq!(consented["data"][0]["client"]["id"], "app", "{consented}");
    program.stop();
    // 2.12 froze settings and invitations into facts, and had no francis.bin. What a newer one adds is named.
    let mut frozen = Upstream { version: 20_260_727_120_000, actors: None, ..Upstream::default() }
        .row("users", user(ANN, "ann", true))
        .row("kv", json!({ "key": "config_migrated", "value": "{\"appName\":\"Frozen\"}" }))
        .row("kv", json!({ "key": "signup_tokens_migrated", "value": "[{\"id\":\"a\",\"token\":\"RbCdEfGhIjKlMnOp\",\"expiresAt\":4070908800,\"usageLimit\":2,\"usageCount\":0,\"createdAt\":1767323045,\"userGroupIds\":[]}]" }));
    let path = write(&program, "frozen.zip", &frozen.archive());
    let (code, out, err) = run(&program, &["import", "-p", &path, "--dry-run"]);
    assert_eq!(code, Some(0), "{err}");
    assert!(out.contains("2.12 lack") && out.contains("1  sign-up tokens") && out.contains("1  settings"), "{out}");
    frozen.version = 20_270_101_000_000;
    frozen = frozen
        .row("robots", json!({ "id": 1 }))
        .row("users", json!({ "id": BOB, "username": "bob", "star_sign": "lion" }));
    let path = write(&program, "newer.zip", &frozen.archive());
    let (code, out, err) = run(&program, &["import", "-p", &path, "--dry-run"]);
    assert_eq!(code, Some(0), "{err}");
    for part in ["newer than 2.14", "the table robots", "the column users.star_sign", "2  people"] {
        assert!(out.contains(part), "{part}: {out}");
    }
    // Nobody is asked whether to do without it, so it must be said.
    let (code, _, err) = run(&program, &["import", "-p", &path, "-y"]);
    assert_eq!(code, Some(1));
    assert!(err.contains("--accept-unknown") && err.contains("the table robots"), "{err}");
    let (code, _, err) = run(&program, &["import", "-p", &path, "-y", "--accept-unknown"]);
    assert_eq!(code, Some(0), "{err}");
}

/// Its SQLite file, read as it lies there, with a log that was not folded in.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_is_read_where_it_lies_and_stays_as_it_was() {
    let mut program = Program::configured();
    let (upstream, mut passkey) = installation(&program.url());
    let old = program.dir().join("old");
    std::fs::create_dir_all(old.join("uploads/profile-pictures")).unwrap();
    std::fs::write(old.join(format!("uploads/profile-pictures/{BOB}.png")), PNG).unwrap();
    let live = rusqlite::Connection::open(old.join("live.db")).unwrap();
    live.pragma_update(None, "journal_mode", "WAL").unwrap();
    live.execute_batch("CREATE TABLE schema_migrations (version uint64, dirty bool)").unwrap();
    live.execute("INSERT INTO schema_migrations VALUES (?1, 0)", [upstream.version as i64]).unwrap();
    upstream.fill_sqlite(&live);
    for suffix in ["", "-wal"] {
        let name = |base: &str| old.join(format!("{base}{suffix}"));
        std::fs::copy(name("live.db"), name("pocket-id.db")).unwrap();
    }
    drop(live);
    for name in ["live.db", "live.db-wal", "live.db-shm"] {
        let _ = std::fs::remove_file(old.join(name));
    }
    let before = contents(&old);
    let from = old.join("pocket-id.db").display().to_string();
    for (arguments, word) in
        [(&["import", "--from", &from, "--dry-run"][..], "dry run"), (&["import", "--from", &from, "-y"], "completed")]
    {
        let (code, out, err) = run(&program, arguments);
        assert_eq!(code, Some(0), "{err}");
        assert!(out.contains(word), "{out}");
    }
    assert_eq!(contents(&old), before, "nothing of it was touched");
    program.start().await;
    program.ready().await;
    let agent = sign_in(&program, &mut passkey).await;
    assert_eq!(agent.get("/api/users/me").await.expect(200).json()["id"], ANN);
    token(&program, "a-secret-of-two-dozen-bytes", &[("grant_type", "client_credentials")]).await.expect(200);
    let (living, _) = refresh_token(KEY, [2; 32]);
    token(&program, "a-secret-of-two-dozen-bytes", &[("grant_type", "refresh_token"), ("refresh_token", &living)])
        .await
        .expect(200);
    agent.get(&format!("/api/users/{BOB}/profile-picture.png")).await.expect(200);
    program.stop();
    // What is none of its databases is refused, and so is the target itself.
    let own = program.data().join("pocket-id.db").display().to_string();
    let (code, _, err) = run(&program, &["import", "--from", &write(&program, "notes.db", b"notes"), "-y"]);
    assert_eq!(code, Some(1), "{err}");
    if program.database().is_none() {
        let (code, _, err) = run(&program, &["import", "--from", &own, "-y"]);
        assert_eq!(code, Some(1));
        assert!(err.contains("very database"), "{err}");
    }
    // Starting on the old data says what to run, and touches nothing.
    program.set("DB_CONNECTION_STRING", &from);
    let said = program.refuses();
    let new = old.join("pocket-id-new.db").display().to_string();
    for part in [
        "database of Pocket ID",
        "Nothing was touched",
        &format!("DB_CONNECTION_STRING={new} pocket-id import --from {from}"),
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    let (code, _, err) = run(&program, &["import", "--from", &write(&program, "x.db", b""), "-y"]);
    assert_eq!(code, Some(1), "{err}");
    assert_eq!(contents(&old), before);
}

/// Files in the database are newer than a folder that nobody named.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_folder_that_was_found_fills_what_the_database_lacks() {
    let program = Program::configured();
    let at = |name: &str| format!("profile-pictures/{name}.png");
    let upstream = Upstream::default()
        .row("users", user(ANN, "ann", true))
        .row("users", user(BOB, "bob", false))
        .row("oidc_clients", client("app", &[], &json!([])));
    let uploads = program.dir().join("uploads");
    std::fs::create_dir_all(uploads.join("profile-pictures")).unwrap();
    std::fs::write(uploads.join(at(ANN)), PNG).unwrap();
    std::fs::write(uploads.join(at(BOB)), b"an old one, not even a picture").unwrap();
    let conn = rusqlite::Connection::open(program.dir().join("old.db")).unwrap();
    conn.execute_batch("CREATE TABLE schema_migrations (version uint64, dirty bool)").unwrap();
    conn.execute("INSERT INTO schema_migrations VALUES (?1, 0)", [upstream.version as i64]).unwrap();
    upstream.fill_sqlite(&conn);
    conn.execute_batch("CREATE TABLE storage (path TEXT, data BLOB)").unwrap();
    conn.execute("INSERT INTO storage VALUES (?1, ?2)", (at(BOB), PNG)).unwrap();
    drop(conn);
    let asked = ["import", "--from", "old.db", "--dry-run"];
    let (code, out, err) = run(&program, &asked);
    assert_eq!(code, Some(0), "{err}");
    assert!(out.contains("2  pictures") && err.contains("--uploads"), "{out}{err}");
    let (code, out, err) = run(&program, &[&asked[..], &["--uploads", "uploads"]].concat());
    assert_eq!(code, Some(0), "{err}");
    assert!(out.contains("1  pictures") && out.contains("can't be taken over"), "{out}");
}

/// All files below a folder with their bytes.
pub fn contents(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut out = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            out.extend(contents(&path));
        } else {
            out.push((path.display().to_string(), std::fs::read(&path).unwrap()));
        }
    }
    out.sort();
    out
}

/// Its PostgreSQL database, read in a transaction that can't write.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_postgres_database_is_read_and_stays_as_it_was() {
    if !pid_testkit::postgres::available() {
        return;
    }
    let mut program = Program::configured();
    let (upstream, mut passkey) = installation(&program.url());
    let source = pid_testkit::postgres::fresh_database();
    let (client, connection) = tokio_postgres::connect(source.url(), tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    client.batch_execute(&upstream.postgres_script()).await.unwrap();
    let before = source.dump();
    let (code, out, err) = run(&program, &["import", "--from", source.url(), "-y"]);
    assert_eq!((code, out.as_str()), (Some(0), "Import completed successfully.\n"), "{err}");
    assert!(err.contains("--uploads"), "{err}");
    assert_eq!(source.dump(), before);
    program.start().await;
    program.ready().await;
    let agent = sign_in(&program, &mut passkey).await;
    let me = agent.get("/api/users/me").await.expect(200).json();
    assert_eq!((me["id"].as_str(), me["customClaims"][0]["value"].as_str()), (Some(ANN), Some("eng")), "{me}");
    token(&program, "an old secret of old times", &[("grant_type", "client_credentials")]).await.expect(200);
    let (living, _) = refresh_token(KEY, [2; 32]);
    let asked = [("grant_type", "refresh_token"), ("refresh_token", living.as_str())];
    token(&program, "a-secret-of-two-dozen-bytes", &asked).await.expect(200);
    let settings = program.script().get("/api/application-configuration/all").await.expect(200).json();
    assert!(settings.as_array().unwrap().iter().any(|s| s["key"] == "appName" && s["value"] == "Moved"), "{settings}");
    program.stop();
    // Starting on it says what to run, without its password, and touches nothing.
    program.set("DB_CONNECTION_STRING", source.url());
    let said = program.refuses();
    assert!(said.contains("database of Pocket ID") && said.contains("pocket-id import --from postgres://"), "{said}");
    assert_eq!(source.dump(), before);
    let (code, _, err) = run(&program, &["import", "--from", source.url(), "-y"]);
    assert_eq!(code, Some(1));
    assert!(err.contains("very database"), "{err}");
}
