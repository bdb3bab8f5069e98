//! A file that declares settings, groups, people and clients: `--config`, `pocket-id apply`, `pocket-id config export`.

use std::path::PathBuf;

use pid_tests::{Agent, on_postgres};
use serde_json::{Value, json};

use crate::program::{Program, names};

fn run(program: &Program, arguments: &[&str]) -> (Option<i32>, String) {
    let output = program.run(arguments);
    let text = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    assert!(!text.contains("panicked"), "{text}");
    (output.status.code(), text)
}

#[track_caller]
fn exits(program: &Program, code: i32, arguments: &[&str]) -> String {
    let (found, text) = run(program, arguments);
    assert_eq!(found, Some(code), "{arguments:?}: {text}");
    text
}

fn write(program: &Program, name: &str, text: &str) -> PathBuf {
    let path = program.dir().join(name);
    std::fs::write(&path, text).unwrap();
    path
}

const CLUB: &str = r#"
[settings]
appName = "Club"
sessionDuration = 120
allowUserSignups = "withToken"
signupDefaultUserGroupIDs = ["members"]
smtpHost = "mail.example.com"
smtpPassword = { file = "smtp" }

[[groups]]
name = "members"
friendlyName = "Members"

[[groups]]
name = "board"
roles = ["auditor"]
customClaims = { floor = "3" }

[[users]]
username = "ada"
email = "ada@example.com"
firstName = "Ada"
lastName = "Lovelace"
isAdmin = true
groups = ["members", "board"]

[[users]]
username = "bob"
email = "bob@example.com"
customClaims = { badge = "17" }

[[clients]]
id = "wiki"
name = "Wiki"
callbackURLs = ["https://wiki.example.com/cb"]
groups = ["members"]
idTokenSignedResponseAlg = "ES256"
secret = { file = "secrets/wiki" }

[[clients]]
id = "door"
name = "Door"
clientType = "proxy"
forwardAuth = { hosts = ["https://door.example.com"], rules = [{ path = "/admin", groups = ["board"] }] }
"#;

async fn list(script: &Agent, path: &str) -> Vec<Value> {
    script.get(path).await.expect(200).json()["data"].as_array().unwrap().clone()
}

async fn entries(program: &Program) -> usize {
    program.script().get("/api/audit-logs/all").await.expect(200).json()["pagination"]["totalItems"].as_u64().unwrap()
        as usize
}

fn named<'a>(all: &'a [Value], key: &str, name: &str) -> &'a Value {
    all.iter().find(|one| one[key] == name).unwrap_or_else(|| panic!("no {name} in {all:#?}"))
}

/// From nothing to everything at the start, and nothing at the next one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_installation_is_what_its_file_says() {
    let mut program = Program::configured();
    write(&program, "smtp", "mail-password\n");
    let file = write(&program, "club.toml", CLUB);
    let start = ["--config", file.to_str().unwrap()];
    program.start_with(&start).await;
    program.ready().await;
    let script = program.script();
    let settings = script.get("/api/application-configuration/all").await.expect(200).json();
    let value = |key: &str| named(settings.as_array().unwrap(), "key", key)["value"].clone();
    assert_eq!((value("appName"), value("sessionDuration")), (json!("Club"), json!("120")));
    assert_eq!(value("smtpPassword"), "XXXXXXXXXX");
    let groups = list(&script, "/api/user-groups").await;
    let members = named(&groups, "name", "members");
    assert_eq!(value("signupDefaultUserGroupIDs"), json!([members["id"]]).to_string());
    assert_eq!(named(&groups, "name", "board")["customClaims"], json!([{ "key": "floor", "value": "3" }]));
    let users = list(&script, "/api/users").await;
    let ada = named(&users, "username", "ada");
    assert_eq!((&ada["isAdmin"], &ada["displayName"]), (&json!(true), &json!("Ada Lovelace")));
    assert_eq!(ada["userGroups"].as_array().unwrap().len(), 2);
    let wiki = script.get("/api/oidc/clients/wiki").await.expect(200).json();
    assert_eq!((&wiki["isGroupRestricted"], wiki["allowedUserGroups"].as_array().unwrap().len()), (&json!(true), 1));
    assert_eq!(
        script.get("/api/oidc/clients/door").await.expect(200).json()["forwardAuth"]["rules"][0]["groups"],
        json!(["board"])
    );

    // The secret was made, nobody else can read it, and it works.
    let path = program.dir().join("secrets/wiki");
    #[cfg(unix)]
    assert_eq!(crate::program::mode(&path), 0o600);
    let secret = std::fs::read_to_string(&path).unwrap();
    let introspector = program.agent();
    let introspect = async |secret: &str| {
        let form = [("token", "nonsense"), ("client_id", "wiki"), ("client_secret", secret)];
        introspector.post_form("/api/oidc/introspect", &form).await.status.as_u16()
    };
    assert_eq!((introspect(&secret).await, introspect("another").await), (200, 401));
    // Nobody is named in the audit log, but what did it is.
    let log = list(&script, "/api/audit-logs/all?pagination[limit]=100").await;
    let made = log.iter().find(|entry| entry["event"] == "CLIENT_CREATED").unwrap();
    assert!(made["actorUsername"].as_str().is_none_or(str::is_empty), "{made}");
    assert!(log.iter().any(|entry| entry["event"] == "USER_CREATED" && entry["username"] == "ada"), "{log:#?}");

    // Again: nothing is done, and nothing written down.
    let before = entries(&program).await;
    assert_eq!(exits(&program, 0, &["apply", file.to_str().unwrap(), "--dry-run"]), "Everything is as declared.\n");
    assert_eq!(exits(&program, 0, &["apply", file.to_str().unwrap()]), "Everything is as declared.\n");
    program.stop();
    program.start_with(&start).await;
    assert_eq!(entries(&program).await, before);
    assert_eq!(introspect(&secret).await, 200);
    program.stop();

    // A file that can't be, at the start: all that is wrong, and no server.
    write(&program, "club.toml", "[settings]\nappNmae = \"x\"\n[[users]]\nusername = \"a\"\ncolour = 1\n");
    let said = program.refuses_with(&start);
    assert!(said.contains("settings.appNmae") && said.contains("there is no colour"), "{said}");
}

/// What is declared is left alone by everybody else; the rest is free.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_declared_is_read_only() {
    let mut program = Program::configured();
    program.start().await;
    program.ready().await;
    write(&program, "smtp", "mail-password\n");
    let file = write(&program, "club.toml", CLUB);
    let file = file.to_str().unwrap();
    let said = exits(&program, 2, &["apply", file, "--dry-run"]);
    for part in [
        "+ group members",
        "~ setting appName: appName \"Pocket ID\" → \"Club\"",
        "+ user ada",
        "+ client wiki",
        "dry run",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    assert!(!said.contains("mail-password"), "{said}");
    let script = program.script();
    assert!(list(&script, "/api/oidc/clients").await.is_empty() && !program.dir().join("secrets").exists());
    exits(&program, 0, &["apply", file]);
    let users = list(&script, "/api/users").await;
    let groups = list(&script, "/api/user-groups").await;
    let id = |all: &[Value], key: &str, name: &str| named(all, key, name)["id"].as_str().unwrap().to_owned();
    let (ada, bob) = (id(&users, "username", "ada"), id(&users, "username", "bob"));
    let (members, board) = (id(&groups, "name", "members"), id(&groups, "name", "board"));
    for (method, path, body) in [
        ("PATCH", format!("/api/users/{ada}"), json!({ "firstName": "Eve" })),
        ("DELETE", format!("/api/users/{bob}"), json!(null)),
        ("PUT", format!("/api/users/{ada}/user-groups"), json!({ "userGroupIds": [members] })),
        ("PUT", format!("/api/user-groups/{board}/users"), json!({ "userIds": [] })),
        ("PUT", format!("/api/custom-claims/user/{bob}"), json!([])),
        ("PUT", format!("/api/custom-claims/user-group/{board}"), json!([])),
        ("PATCH", format!("/api/user-groups/{members}"), json!({ "friendlyName": "Others" })),
        ("DELETE", format!("/api/user-groups/{members}"), json!(null)),
        ("PUT", format!("/api/user-groups/{members}/allowed-oidc-clients"), json!({ "oidcClientIds": [] })),
        ("PATCH", "/api/oidc/clients/wiki".to_owned(), json!({ "name": "Other" })),
        ("PUT", "/api/oidc/clients/wiki/allowed-user-groups".to_owned(), json!({ "userGroupIds": [] })),
        ("POST", "/api/oidc/clients/wiki/secrets".to_owned(), json!({})),
        ("DELETE", "/api/oidc/clients/door".to_owned(), json!(null)),
        ("PATCH", "/api/application-configuration".to_owned(), json!({ "appName": "Other" })),
    ] {
        let reply = match method {
            "PATCH" => script.patch(&path, &body, None).await,
            "PUT" => script.put(&path, &body).await,
            "POST" => script.post(&path, &body).await,
            _ => script.delete(&path).await,
        };
        reply.refused(409, "declared");
    }
    assert_eq!(exits(&program, 0, &["apply", file, "--dry-run"]), "Everything is as declared.\n");
    // What the file doesn't say is free: other settings, bob's groups, claims of members, login codes, pictures.
    script
        .patch("/api/application-configuration", &json!({ "accentColor": "#123456", "appName": "Club" }), None)
        .await
        .expect(200);
    script.put(&format!("/api/users/{bob}/user-groups"), &json!({ "userGroupIds": [members] })).await.expect(200);
    script
        .put(&format!("/api/custom-claims/user-group/{members}"), &json!([{ "key": "a", "value": "b" }]))
        .await
        .expect(200);
    script.put_file(&format!("/api/users/{ada}/profile-picture"), "a.png", pid_tests::PNG).await.expect(204);
    let said = exits(&program, 0, &["one-time-access-token", "ada"]);
    let code = said.lines().find_map(|line| line.split("/lc/").nth(1)).unwrap().trim().to_owned();
    let own = program.agent();
    own.post(&format!("/api/one-time-access-token/{code}"), &json!({})).await.expect(200);
    // One's own name is the file's, too; the language is one's own.
    let me = own.patch("/api/users/me", &json!({ "firstName": "Eve", "locale": "de" }), None).await.expect(200).json();
    assert_eq!((&me["firstName"], &me["locale"]), (&json!("Ada"), &json!("de")));
    assert_eq!(exits(&program, 0, &["apply", file, "--dry-run"]), "Everything is as declared.\n");

    // Less is declared: what is gone from the file is free, still there, and gone with --prune.
    let less =
        CLUB.split("[[clients]]").next().unwrap().replace("appName = \"Club\"\n", "").replace(
            "[[users]]\nusername = \"bob\"\nemail = \"bob@example.com\"\ncustomClaims = { badge = \"17\" }\n",
            "",
        );
    write(&program, "club.toml", &less);
    exits(&program, 0, &["apply", file]);
    script.patch("/api/oidc/clients/wiki", &json!({ "name": "Other" }), None).await.expect(200);
    let said = exits(&program, 2, &["apply", file, "--dry-run", "--prune"]);
    for part in ["- client wiki", "- client door", "- user bob", "- setting appName"] {
        assert!(said.contains(part), "{part}: {said}");
    }
    script.get("/api/oidc/clients/wiki").await.expect(200);
    exits(&program, 0, &["apply", file, "--prune"]);
    assert!(list(&script, "/api/oidc/clients").await.is_empty());
    script.get(&format!("/api/users/{bob}")).await.refused(404, "user_not_found");
    script.get(&format!("/api/users/{ada}")).await.expect(200);
    assert_eq!(exits(&program, 0, &["apply", file, "--prune"]), "Everything is as declared.\n");
    program.stop();
}

/// A rule that refuses one thing stops all of it, and every refusal is told.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_file_changes_nothing() {
    let mut program = Program::configured();
    program.start().await;
    let bad = "groups:\n  - name: good\nusers:\n  - username: 'not a name!'\n    email: x@example.com\n  - username: ok\n    email: ok@example.com\n    \
        groups: [nowhere]\nclients:\n  - id: app\n    name: App\n    callbackURLs: ['javascript:alert(1)']\nsettings:\n  sessionDuration: never\n";
    let file = write(&program, "bad.yaml", bad);
    let said = exits(&program, 1, &["apply", file.to_str().unwrap()]);
    for part in [
        "users \"not a name!\"",
        "There is no group \"nowhere\"",
        "clients \"app\"",
        "settings: SessionDuration",
        "Nothing was changed",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    assert!(list(&program.script(), "/api/user-groups").await.is_empty());
    // The last administrator stays, whoever says what.
    program.set_up().await;
    let users = list(&program.script(), "/api/users").await;
    let id = named(&users, "username", "admin")["id"].as_str().unwrap().to_owned();
    let file = write(
        &program,
        "last.json",
        &json!({ "users": [{ "id": id, "username": "admin", "email": "admin@example.com" }] }).to_string(),
    );
    let said = exits(&program, 1, &["apply", file.to_str().unwrap()]);
    assert!(said.contains("last administrator"), "{said}");
    for (name, text) in [("a.txt", ""), ("broken.toml", "[settings\n"), ("list.yaml", "- a\n")] {
        let file = write(&program, name, text);
        exits(&program, 1, &["apply", file.to_str().unwrap()]);
    }
    program.stop();
}

/// A validator by other hands agrees with our reader, by the schema that we publish.
fn judged_by_schema(good: &[Value], bad: &[Value]) {
    const SCRIPT: &str = "import json, sys, jsonschema_rs\n\
        schema = jsonschema_rs.Draft202012Validator(json.load(open(sys.argv[1])))\n\
        print(json.dumps([schema.is_valid(one) for one in json.loads(sys.argv[2])]))";
    let schema = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/config.schema.json");
    let python = pid_testkit::program::installed("target/schemathesis/bin/python").unwrap();
    let all: Vec<&Value> = good.iter().chain(bad).collect();
    let all = serde_json::to_string(&all).unwrap();
    let output = std::process::Command::new(python).args(["-c", SCRIPT]).arg(schema).arg(all).output().unwrap();
    let said: Vec<bool> = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)));
    let wanted: Vec<bool> = good.iter().map(|_| true).chain(bad.iter().map(|_| false)).collect();
    assert_eq!(said, wanted);
}

/// What is there is written as a file that changes nothing, in every format; and elsewhere it makes the same.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_there_is_written_as_a_file() {
    let mut program = Program::configured();
    program.start().await;
    program.ready().await;
    write(&program, "smtp", "mail-password\n");
    let file = write(&program, "club.toml", CLUB);
    exits(&program, 0, &["apply", file.to_str().unwrap()]);
    let script = program.script();
    let body = json!({
        "name": "Rich", "callbackURLs": ["https://rich.example/cb"], "launchURL": "https://rich.example", "isPublic": true,
        "accessTokenDurationMinutes": 5, "claimMapping": { "rename": { "email": "mail" } },
        "backchannelLogoutURL": "https://rich.example/logout", "dpopBoundAccessTokens": true, "requiresReauthentication": true,
    });
    script.post("/api/oidc/clients", &body).await.expect(201);
    let mut written = Vec::new();
    for name in ["out.toml", "out.yaml", "out.json"] {
        let said = exits(&program, 0, &["config", "export", "--path", name]);
        assert!(said.contains("smtpPassword is a secret") && said.contains("The client wiki has a secret"), "{said}");
        let text = std::fs::read_to_string(program.dir().join(name)).unwrap();
        assert!(!text.contains("mail-password") && text.contains("rich.example"), "{text}");
        assert_eq!(exits(&program, 0, &["apply", name, "--dry-run"]), "Everything is as declared.\n", "{text}");
        written.push(text);
    }
    judged_by_schema(
        &[serde_json::from_str(&written[2]).unwrap()],
        &[
            json!({ "settings": { "nope": 1 } }),
            json!({ "settings": { "smtpPassword": "x" } }),
            json!({ "users": [{ "username": "a", "colour": 1 }] }),
            json!({ "clients": [{ "id": "x" }] }),
            json!({ "clients": [{ "id": "x", "name": "y", "secret": "z" }] }),
        ],
    );
    let printed = exits(&program, 0, &["config", "export", "--format", "json"]);
    assert!(printed.contains("\"username\": \"ada\""), "{printed}");
    program.stop();

    let mut other = Program::configured();
    other.start().await;
    other.ready().await;
    write(&other, "out.toml", &written[0]);
    exits(&other, 0, &["apply", "out.toml"]);
    let there = |program: &Program| exits(program, 0, &["config", "export", "--format", "json"]);
    let json = |text: &str| {
        serde_json::from_str::<Value>(&text[text.find("{\n").unwrap()..text.rfind('}').unwrap() + 1]).unwrap()
    };
    assert_eq!(json(&there(&other)), json(&written[2]));
    other.stop();
}

/// A secret whose file is gone is not replaced unless somebody says so.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_secret_is_not_replaced_by_itself() {
    let mut program = Program::configured();
    program.start().await;
    program.ready().await;
    let file =
        write(&program, "c.toml", "[[clients]]\nid = \"app\"\nname = \"App\"\nsecret = { file = \"app-secret\" }\n");
    let file = file.to_str().unwrap();
    exits(&program, 0, &["apply", file]);
    let path = program.dir().join("app-secret");
    let first = std::fs::read_to_string(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    let said = exits(&program, 1, &["apply", file]);
    assert!(said.contains("--new-secrets") && !path.exists(), "{said}");
    exits(&program, 0, &["apply", file, "--new-secrets"]);
    assert_ne!(std::fs::read_to_string(&path).unwrap(), first);
    // Another one that somebody puts there takes its place; a short one is refused.
    std::fs::write(&path, "a-secret-of-ones-own\n").unwrap();
    assert!(exits(&program, 2, &["apply", file, "--dry-run"]).contains("~ client app: secret"));
    exits(&program, 0, &["apply", file]);
    let client = program.script().get("/api/oidc/clients/app/secrets").await.expect(200).json();
    assert_eq!((client.as_array().unwrap().len(), &client[0]["prefix"]), (1, &json!("a-se")));
    std::fs::write(&path, "short\n").unwrap();
    assert!(exits(&program, 1, &["apply", file]).contains("at least 16"));
    program.stop();
}

const APP: &str = "[[clients]]\nid = \"app\"\nname = \"App\"\nsecret = { file = \"secrets/app\" }\n";

async fn is_secret(program: &Program, client: &str, secret: &str) -> bool {
    let form = [("token", "nonsense"), ("client_id", client), ("client_secret", secret)];
    program.agent().post_form("/api/oidc/introspect", &form).await.status == 200
}

/// Replicas that start together make a secret once: in a folder that they share, and where each has its own.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replicas_that_start_together_make_a_secret_once() {
    if !on_postgres() {
        return;
    }
    const LIMIT: std::time::Duration = std::time::Duration::from_secs(60);
    let mut first = Program::configured();
    // Whoever is first at the database's schema would be first at everything.
    first.start().await;
    first.stop();
    let (connection, url) = (first.connection(), first.url());
    let mut second = Program::configured().with("DB_CONNECTION_STRING", connection).with("APP_URL", url);
    for (round, shared) in [false, true].repeat(4).into_iter().enumerate() {
        let client = format!("app{round}");
        let mut text =
            APP.replace("\"app\"", &format!("\"{client}\"")).replace("secrets/app", &format!("secrets/{client}"));
        text += &(0..30).map(|n| format!("\n[[groups]]\nname = \"g{round}-{n}\"\n")).collect::<String>();
        let file = write(&first, "app.toml", &text);
        let other = if shared { file.clone() } else { write(&second, "app.toml", &text) };
        first.spawn_with(&["--config", file.to_str().unwrap()]);
        second.spawn_with(&["--config", other.to_str().unwrap()]);
        first.process().wait_for_line("is ready", LIMIT).unwrap();
        second.process().wait_for_line("is ready", LIMIT).unwrap();
        let secrets: Vec<(&Program, String)> = [&first, &second]
            .into_iter()
            .filter_map(|program| {
                Some((program, std::fs::read_to_string(program.dir().join("secrets").join(&client)).ok()?))
            })
            .collect();
        assert_eq!(secrets.len(), 1, "{client}\n{}\n{}", first.log(), second.log());
        let (owner, secret) = &secrets[0];
        assert!(is_secret(&first, &client, secret).await && is_secret(&second, &client, secret).await);
        let log = first.log() + &second.log();
        assert_eq!(log.contains("another replica made it"), !shared, "{log}");
        let left = names(&owner.dir().join("secrets"));
        assert!(!left.iter().any(|name| name.contains(".new") || name.starts_with('.')), "{left:?}");
        // It is asked for by whoever applies the file there, and nothing else is at odds.
        for program in [&first, &second] {
            let code = i32::from(!shared && !std::ptr::eq(program, *owner));
            let said = exits(program, code, &["apply", if shared { file.to_str().unwrap() } else { "app.toml" }]);
            assert_eq!(said.contains("--new-secrets"), code == 1, "{said}");
        }
        first.stop();
        second.stop();
    }
}

/// A process that ends between the transaction and the file leaves the secret where the next one finds it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_secret_that_waits_is_found() {
    let mut program = Program::configured();
    program.start().await;
    program.ready().await;
    write(&program, "app.toml", APP);
    exits(&program, 0, &["apply", "app.toml"]);
    let (place, waiting) = (program.dir().join("secrets/app"), program.dir().join("secrets/app.new"));
    let secret = std::fs::read_to_string(&place).unwrap();
    std::fs::rename(&place, &waiting).unwrap();
    assert_eq!(exits(&program, 0, &["apply", "app.toml"]), "Everything is as declared.\n");
    assert!(!waiting.exists() && std::fs::read_to_string(&place).unwrap() == secret);
    // One that is not the client's goes, and the server starts without.
    std::fs::remove_file(&place).unwrap();
    std::fs::write(&waiting, "a-secret-of-another-start").unwrap();
    program.stop();
    program.start_with(&["--config", "app.toml"]).await;
    assert!(program.log().contains("there is no file secrets/app here"), "{}", program.log());
    assert!(!waiting.exists() && !place.exists() && is_secret(&program, "app", &secret).await);
    program.stop();
    // Where nothing can be written, that is said.
    #[cfg(unix)]
    {
        std::fs::remove_dir(program.dir().join("secrets")).unwrap();
        std::fs::write(program.dir().join("secrets"), "no folder").unwrap();
        write(&program, "app.toml", &APP.replace("\"app\"", "\"other\""));
        let said = program.refuses_with(&["--config", "app.toml"]);
        assert!(said.contains("clients \"other\": secrets/app can't be"), "{said}");
    }
}
