//! Roles besides administrator, given by person or by group: what is told of them, when they count, and what an auditor
//! doesn't see. Whom a user manager doesn't reach is told by security case 75, and who enters where by `access.rs`.

use pid_tests::{Agent, Person, TestApp};
use serde_json::{Value, json};

fn path(person: &Person) -> String {
    format!("/api/users/{}", person.id())
}

async fn group(app: &TestApp, name: &str, roles: &[&str]) -> String {
    let body = json!({ "name": name, "friendlyName": name, "roles": roles });
    app.script().post("/api/user-groups", &body).await.expect(201).id()
}

async fn join(app: &TestApp, group: &str, people: &[&Person]) {
    let ids: Vec<&str> = people.iter().map(|person| person.id()).collect();
    let path = format!("/api/user-groups/{group}/users");
    app.script().put(&path, &json!({ "userIds": ids })).await.expect(200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_role_counts_from_the_next_request_on_and_no_longer() {
    let mut app = TestApp::start().await;
    let (tim, eve) = (app.person("tim").await, app.person("eve").await);
    let may = async |person: &Person| {
        let (people, clients) =
            (person.agent.get("/api/users").await.status, person.agent.get("/api/oidc/clients").await.status);
        (people.as_u16(), clients.as_u16())
    };
    assert_eq!(may(&tim).await, (403, 403));
    app.give(&tim, &["user-manager"]).await;
    assert_eq!(may(&tim).await, (200, 403));
    app.give(&tim, &["auditor"]).await;
    assert_eq!(may(&tim).await, (200, 200));
    app.restart().await;
    assert_eq!(may(&tim).await, (200, 200), "it is stored");
    app.give(&tim, &[]).await;
    assert_eq!(may(&tim).await, (403, 403));

    let auditors = group(&app, "auditors", &["auditor"]).await;
    join(&app, &auditors, &[&tim, &eve]).await;
    assert_eq!((may(&tim).await, may(&eve).await), ((200, 200), (200, 200)));
    // One's own account tells what counts; to others it tells what is one's own.
    let me = tim.agent.get("/api/users/me").await.expect(200).json();
    assert_eq!(me["roles"], json!(["auditor"]), "{me}");
    assert!(app.script().get(&path(&tim)).await.expect(200).json().get("roles").is_none());
    let saved = tim.agent.patch("/api/users/me", &json!({ "locale": "de" }), None).await.expect(200).json();
    assert_eq!(saved["roles"], json!(["auditor"]));
    assert!(app.script().get(&path(&tim)).await.expect(200).json().get("roles").is_none(), "nothing was given by that");
    join(&app, &auditors, &[&eve]).await;
    assert_eq!((may(&tim).await, may(&eve).await), ((403, 403), (200, 200)));
    let change = json!({ "roles": ["user-manager"] });
    app.script().patch(&format!("/api/user-groups/{auditors}"), &change, None).await.expect(200);
    assert_eq!(may(&eve).await, (200, 403));
    // What one has by two ways is lost when both are.
    app.give(&eve, &["user-manager"]).await;
    app.script().delete(&format!("/api/user-groups/{auditors}")).await.expect(204);
    assert_eq!(may(&eve).await, (200, 403));
    app.give(&eve, &[]).await;
    assert_eq!(may(&eve).await, (403, 403));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn roles_are_told_kept_and_written_down() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let by = &admin.agent;
    let tim = app.person("tim").await;
    assert!(by.get(&path(&tim)).await.json().get("roles").is_none(), "the contract's members, and no more");
    // In whatever order, and as often as one likes.
    let given = json!({ "roles": ["auditor", "user-manager", "auditor"] });
    let changed = by.patch(&path(&tim), &given, None).await.expect(200).json();
    assert_eq!(changed["roles"], json!(["user-manager", "auditor"]));
    assert_eq!(tim.agent.get("/api/users/me").await.json()["roles"], changed["roles"]);
    let entries = app.events("USER_UPDATED").await;
    assert_eq!(entries[0]["data"]["roles"], "+auditor, +user-manager");
    assert_eq!((&entries[0]["username"], &entries[0]["actorUsername"]), (&json!("tim"), &json!("admin")));

    // A client of Pocket ID's API doesn't know them: what it sends leaves them as they are.
    let whole = json!({ "username": "tim", "email": "tim@example.com", "firstName": "Tom", "isAdmin": false });
    assert_eq!(by.put(&path(&tim), &whole).await.expect(200).json()["roles"], changed["roles"]);
    let less = json!({ "username": "tim", "email": "tim@example.com", "roles": ["auditor"] });
    assert_eq!(by.put(&path(&tim), &less).await.expect(200).json()["roles"], json!(["auditor"]));
    assert_eq!(app.events("USER_UPDATED").await[0]["data"]["roles"], "−user-manager");
    let refused = by.patch(&path(&tim), &json!({ "roles": ["emperor"] }), None).await;
    refused.refused(400, "invalid_request_body");
    by.put(&path(&tim), &json!({ "username": "tim", "roles": "auditor" })).await.refused(400, "invalid_request_body");

    let made = json!({ "username": "ann", "email": "ann@example.com", "roles": ["auditor"] });
    let ann = by.post("/api/users", &made).await.expect(201).json();
    assert_eq!(ann["roles"], json!(["auditor"]));
    assert_eq!(app.events("USER_CREATED").await[0]["data"]["roles"], "+auditor");

    let staff = by.post("/api/user-groups", &json!({ "name": "staff", "friendlyName": "Staff" })).await.expect(201);
    assert!(staff.json().get("roles").is_none());
    let staff = format!("/api/user-groups/{}", staff.id());
    let given = by.patch(&staff, &json!({ "roles": ["auditor"] }), None).await.expect(200);
    assert_eq!(given.json()["roles"], json!(["auditor"]));
    assert_eq!(app.events("GROUP_UPDATED").await[0]["data"]["roles"], "+auditor");
    let kept = by.put(&staff, &json!({ "name": "crew", "friendlyName": "Crew" })).await.expect(200).json();
    assert_eq!((&kept["name"], &kept["roles"]), (&json!("crew"), &json!(["auditor"])));
    // A role is part of the resource: who read it before is told.
    let stale = by.patch(&staff, &json!({ "roles": [] }), Some("\"1\"")).await;
    stale.refused(412, "version_mismatch");
    let groups = by.get("/api/user-groups").await.expect(200).json();
    assert_eq!(groups["data"][0]["roles"], json!(["auditor"]));
}

/// Everything that an auditor may read, of what there is.
async fn everything(app: &TestApp, agent: &Agent) -> String {
    let document = app.agent().get("/api/openapi.json").await.expect(200).json();
    let first = async |list: &str| {
        let found = app.script().get(list).await.expect(200).json();
        found["data"][0]["id"].as_str().expect("one of them").to_owned()
    };
    let (user, group) = (first("/api/users").await, first("/api/user-groups").await);
    let (client, api) = (first("/api/oidc/clients").await, first("/api/apis").await);
    let mut said = String::new();
    let mut read = 0;
    for (path, methods) in document["paths"].as_object().expect("paths") {
        let access = &methods["get"]["x-access"];
        if access != "auditor" && access != "user-manager-or-auditor" {
            continue;
        }
        let id = match path.as_str() {
            path if path.starts_with("/api/users/") || path.starts_with("/api/oidc/users/") => &user,
            path if path.starts_with("/api/user-groups/") => &group,
            path if path.starts_with("/api/apis/") => &api,
            _ => &client,
        };
        let path = path.replace("{id}", id).replace("{client}", &client).replace("{user}", &user);
        let query = if path.contains("/preview/") { "?scopes=openid%20profile" } else { "" };
        let reply = agent.get(&format!("{path}{query}")).await;
        let status = reply.status.as_u16();
        assert!([200, 404].contains(&status), "{path}: {status} {}", reply.text());
        read += usize::from(status == 200);
        said += &reply.text();
    }
    assert!(read > 25, "only {read} were read");
    for page in ["users", "user-groups", "oidc-clients", "apis", "api-keys", "application-configuration"] {
        said += &agent.get(&format!("/settings/admin/{page}")).await.expect(200).text();
    }
    for (page, id) in [("users", &user), ("user-groups", &group), ("oidc-clients", &client), ("apis", &api)] {
        said += &agent.get(&format!("/settings/admin/{page}/{id}")).await.expect(200).text();
    }
    said + &agent.get("/settings/audit-log/global").await.expect(200).text()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_078_an_auditor_reads_everything_but_secrets() {
    let app = TestApp::start().await;
    app.admin().await;
    let auditor = app.person("auditor").await;
    app.give(&auditor, &["auditor"]).await;
    group(&app, "staff", &[]).await;
    let script = app.script();
    let mut secrets = vec!["smtp-s3cret".to_owned(), "stream-s3cret-of-16".to_owned(), "token-in-the-path".to_owned()];
    let configuration = json!({
        "smtpHost": "127.0.0.1", "smtpPassword": secrets[0], "auditStreamSecret": secrets[1],
        "auditStreamUrl": format!("http://127.0.0.1:9/{}", secrets[2]), "ldapBindPassword": "ldap-s3cret",
    });
    secrets.push("ldap-s3cret".to_owned());
    script.patch("/api/application-configuration", &configuration, None).await.expect(200);
    secrets.push(app.client(json!({})).await["secret"].as_str().unwrap().to_owned());
    script.post("/api/apis", &json!({ "name": "Notes", "resource": "https://notes.example" })).await.expect(201);
    let token = script.post("/api/signup-tokens", &json!({ "usageLimit": 1 })).await.expect(201).json();
    secrets.push(token["token"].as_str().unwrap().to_owned());
    let code = script.post(&format!("{}/one-time-access-token", path(&auditor)), &json!({})).await.expect(201).json();
    secrets.push(code["token"].as_str().unwrap().to_owned());
    let key = json!({ "name": "mine", "expiresAt": "2099-01-01T00:00:00Z" });
    let key = auditor.agent.post("/api/api-keys", &key).await.expect(201).json();
    secrets.push(key["token"].as_str().unwrap().to_owned());

    let said = everything(&app, &auditor.agent).await;
    for secret in &secrets {
        assert!(!said.contains(secret.as_str()), "{secret} is told");
    }
    // Where something leads, and no more of its address.
    let configured = async |agent: &Agent, key: &str| {
        let all = agent.get("/api/application-configuration/all").await.expect(200).json();
        let found = all.as_array().unwrap().iter().find(|setting| setting["key"] == key);
        found.unwrap()["value"].as_str().unwrap().to_owned()
    };
    assert_eq!(configured(&auditor.agent, "auditStreamUrl").await, "http://127.0.0.1:9/…");
    assert_eq!(configured(&script, "auditStreamUrl").await, configuration["auditStreamUrl"].as_str().unwrap());
    // Enough of a sign-up token to tell it from others.
    let listed = auditor.agent.get("/api/signup-tokens").await.expect(200).json();
    let shown = listed["data"][0]["token"].as_str().unwrap();
    assert!(shown.contains('…') && shown.chars().count() == 8, "{shown}");
    assert_eq!(script.get("/api/signup-tokens").await.json()["data"][0]["token"], token["token"]);
    // The key of an auditor reads as they do, and no more after the role is gone.
    let key = app.agent().with_header("x-api-key", key["token"].as_str().unwrap());
    key.get("/api/audit-logs/export?format=csv").await.expect(200);
    key.post("/api/user-groups", &json!({ "name": "x1", "friendlyName": "x1" })).await.refused(403, "forbidden");
    app.give(&auditor, &[]).await;
    key.get("/api/audit-logs/export?format=csv").await.refused(403, "forbidden");
}

/// The daily work of a user manager.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_manager_does_what_they_are_there_for() {
    let app = TestApp::start().await;
    app.admin().await;
    let manager = app.person("manager").await;
    app.give(&manager, &["user-manager"]).await;
    let by = &manager.agent;
    let group =
        by.post("/api/user-groups", &json!({ "name": "staff", "friendlyName": "Staff" })).await.expect(201).id();
    let body = json!({ "username": "ann", "email": "ann@example.com", "userGroupIds": [group] });
    let ann = by.post("/api/users", &body).await.expect(201).json();
    assert_eq!(ann["userGroups"][0]["id"], group.as_str());
    let ann = format!("/api/users/{}", ann["id"].as_str().unwrap());
    by.patch(&ann, &json!({ "firstName": "Ann", "isAdmin": false, "roles": [] }), None).await.expect(200);
    by.put(&format!("{ann}/user-groups"), &json!({ "userGroupIds": [] })).await.expect(200);
    by.put(&format!("/api/custom-claims{}", ann.replace("/api/users", "/user")), &json!([])).await.expect(200);
    let code = by.post(&format!("{ann}/one-time-access-token"), &json!({})).await.expect(201).json();
    let code = format!("/api/one-time-access-token/{}", code["token"].as_str().unwrap());
    let agent = app.agent();
    agent.post(&code, &json!({})).await.expect(200);
    by.delete(&format!("{ann}/sessions")).await.expect(204);
    agent.get("/api/users/me").await.refused(401, "not_signed_in");
    assert_eq!(app.events("LOGIN_CODE_CREATED").await[0]["actorUsername"], "manager");
    let token = json!({ "usageLimit": 1, "userGroupIds": [group] });
    let token = by.post("/api/signup-tokens", &token).await.expect(201).json();
    assert_eq!(by.get("/api/signup-tokens").await.json()["data"][0]["token"], token["token"]);
    let guest = json!({ "username": "guest", "email": "guest@example.com", "token": token["token"] });
    let guest = app.agent().post("/api/signup", &guest).await.expect(201).json();
    assert_eq!(guest["userGroups"][0]["id"], group.as_str());
    by.delete(&format!("/api/signup-tokens/{}", token["id"].as_str().unwrap())).await.expect(204);
    by.delete(&ann).await.expect(204);
    by.delete(&format!("/api/user-groups/{group}")).await.expect(204);
    assert_eq!(app.events("USER_DELETED").await[0]["actorUsername"], "manager");
    // Which clients list a group is said on the client's side as well, so it is for administrators.
    let clients: Value = json!({ "oidcClientIds": [] });
    by.put(&format!("/api/user-groups/{group}/allowed-oidc-clients"), &clients).await.refused(403, "forbidden");
}
