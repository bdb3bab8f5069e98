//! Every management write leaves an entry: who, what, and before → after. What is secret is named, never shown.

use std::collections::BTreeSet;

use pid_tests::{PNG, Receiver, RelyingParty, TestApp};
use serde_json::{Value, json};

/// The entries that were not there before.
struct Log<'a> {
    app: &'a TestApp,
    seen: BTreeSet<String>,
}

impl<'a> Log<'a> {
    async fn of(app: &'a TestApp) -> Self {
        let mut log = Self { app, seen: BTreeSet::new() };
        log.new_entries().await;
        log
    }

    async fn new_entries(&mut self) -> Vec<Value> {
        let path = "/api/audit-logs/all?sort[column]=createdAt&sort[direction]=desc&pagination[limit]=100";
        let page = self.app.script().get(path).await.expect(200).json();
        let entries = page["data"].as_array().unwrap().clone();
        entries.into_iter().filter(|e| self.seen.insert(e["id"].as_str().unwrap().to_owned())).collect()
    }

    /// One write made one entry: about this person (or nobody), by this actor (or themselves), saying exactly this.
    async fn says(&mut self, event: &str, user: &str, actor: &str, data: Value) {
        let entries = self.new_entries().await;
        let [entry] = entries.as_slice() else { panic!("{event}: not one entry but {entries:#?}") };
        assert_eq!(entry["event"], event, "{entry}");
        assert_eq!(entry["data"], data, "{event}");
        assert_eq!((&entry["username"], &entry["actorUsername"]), (&json!(user), &json!(actor)), "{event}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn people_groups_and_claims() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let by = &admin.agent;
    let mut log = Log::of(&app).await;

    let body = json!({ "username": "tim", "email": "tim@example.com", "firstName": "Tim", "lastName": "", "displayName": "Tim" });
    let tim = by.post("/api/users", &body).await.expect(201).json();
    let tim = tim["id"].as_str().unwrap();
    let data =
        json!({ "username": "→ tim", "email": "→ tim@example.com", "firstName": "→ Tim", "displayName": "→ Tim" });
    log.says("USER_CREATED", "tim", "admin", data).await;

    let change = json!({ "firstName": "Tom", "lastName": "Test", "isAdmin": true, "email": "tom@example.com" });
    by.patch(&format!("/api/users/{tim}"), &change, None).await.expect(200);
    let data = json!({
        "firstName": "Tim → Tom", "lastName": "→ Test", "isAdmin": "false → true",
        "email": "tim@example.com → tom@example.com"
    });
    log.says("USER_UPDATED", "tim", "admin", data).await;
    by.patch("/api/users/me", &json!({ "lastName": "" }), None).await.expect(200);
    log.says("USER_UPDATED", "admin", "", json!({ "lastName": "Admin →" })).await;

    let group = by.post("/api/user-groups", &json!({ "name": "ops", "friendlyName": "Ops" })).await.expect(201).id();
    let about = |more: Value| {
        let mut data = json!({ "group": "ops", "groupID": group });
        data.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        data
    };
    log.says("GROUP_CREATED", "", "admin", about(json!({ "name": "→ ops", "friendlyName": "→ Ops" }))).await;
    by.put(&format!("/api/users/{tim}/user-groups"), &json!({ "userGroupIds": [group] })).await.expect(200);
    log.says("USER_UPDATED", "tim", "admin", json!({ "groups": "+ops" })).await;
    let members = format!("/api/user-groups/{group}/users");
    by.put(&members, &json!({ "userIds": [admin.id()] })).await.expect(200);
    log.says("GROUP_UPDATED", "", "admin", about(json!({ "members": "+admin, −tim" }))).await;
    by.patch(&format!("/api/user-groups/{group}"), &json!({ "friendlyName": "Operations" }), None).await.expect(200);
    log.says("GROUP_UPDATED", "", "admin", about(json!({ "friendlyName": "Ops → Operations" }))).await;

    let path = format!("/api/custom-claims/user/{tim}");
    by.put(&path, &json!([{ "key": "desk", "value": "4" }, { "key": "car", "value": "no" }])).await.expect(200);
    log.says("USER_UPDATED", "tim", "admin", json!({ "customClaims": "+car=no, +desk=4" })).await;
    by.put(&path, &json!([{ "key": "desk", "value": "5" }, { "key": "car", "value": "no" }])).await.expect(200);
    log.says("USER_UPDATED", "tim", "admin", json!({ "customClaims": "+desk=5, −desk=4" })).await;
    by.put(&format!("/api/custom-claims/user-group/{group}"), &json!([{ "key": "k", "value": "v" }])).await.expect(200);
    log.says("GROUP_UPDATED", "", "admin", about(json!({ "customClaims": "+k=v" }))).await;

    by.put_file(&format!("/api/users/{tim}/profile-picture"), "a.png", PNG).await.expect(204);
    log.says("USER_UPDATED", "tim", "admin", json!({ "profilePicture": "none → set" })).await;
    by.put_file(&format!("/api/users/{tim}/profile-picture"), "a.png", PNG).await.expect(204);
    log.says("USER_UPDATED", "tim", "admin", json!({ "profilePicture": "set → replaced" })).await;
    by.delete(&format!("/api/users/{tim}/profile-picture")).await.expect(204);
    log.says("USER_UPDATED", "tim", "admin", json!({ "profilePicture": "set → none" })).await;

    let body = json!({ "usageLimit": 3, "ttl": "1h", "userGroupIds": [group] });
    let token = by.post("/api/signup-tokens", &body).await.expect(201).json();
    let (id, value) = (token["id"].as_str().unwrap(), token["token"].as_str().unwrap());
    let data = json!({
        "signupTokenID": id, "signupToken": format!("{}…{}", &value[..3], &value[12..]), "usageLimit": "→ 3",
        "expiresAt": format!("→ {}", token["expiresAt"].as_str().unwrap()), "groups": "+ops",
    });
    log.says("SIGNUP_TOKEN_CREATED", "", "admin", data).await;
    by.delete(&format!("/api/signup-tokens/{id}")).await.expect(204);
    log.says("SIGNUP_TOKEN_DELETED", "", "admin", json!({ "signupTokenID": id })).await;

    by.delete(&format!("/api/user-groups/{group}")).await.expect(204);
    log.says("GROUP_DELETED", "", "admin", about(json!({}))).await;
    by.delete(&format!("/api/users/{tim}")).await.expect(204);
    log.says("USER_DELETED", "tim", "admin", json!({ "username": "tim", "userID": tim })).await;
    // A script is somebody, too.
    app.script().post("/api/user-groups", &json!({ "name": "dev", "friendlyName": "Dev" })).await.expect(201);
    let entries = log.new_entries().await;
    assert!(entries[0]["actorUsername"].as_str().unwrap().starts_with("static-api-user-"), "{entries:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_and_their_secrets() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let by = &admin.agent;
    let receiver = Receiver::start().await;
    let group = by.post("/api/user-groups", &json!({ "name": "ops", "friendlyName": "Ops" })).await.expect(201).id();
    let mut log = Log::of(&app).await;

    let body = json!({ "id": "wiki", "name": "Wiki", "callbackURLs": ["https://wiki.example/cb"], "isPublic": false });
    by.post("/api/oidc/clients", &body).await.expect(201);
    let about = |more: Value| {
        let mut data = json!({ "clientName": "Wiki", "clientID": "wiki" });
        data.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        data
    };
    let data = about(json!({ "name": "→ Wiki", "callbackURLs": "+https://wiki.example/cb" }));
    log.says("CLIENT_CREATED", "", "admin", data).await;
    let change = json!({
        "callbackURLs": ["https://wiki.example/new"], "description": "Notes", "skipConsent": true,
        "accessTokenDurationMinutes": 5, "isGroupRestricted": true, "backchannelLogoutURL": receiver.url("/out"),
    });
    by.patch("/api/oidc/clients/wiki", &change, None).await.expect(200);
    let data = about(json!({
        "callbackURLs": "+https://wiki.example/new, −https://wiki.example/cb", "description": "→ Notes",
        "skipConsent": "false → true", "accessTokenDurationMinutes": "60 → 5", "isGroupRestricted": "false → true",
        "backchannelLogoutURL": format!("→ {}", receiver.url("/out")),
    }));
    log.says("CLIENT_UPDATED", "", "admin", data).await;

    let groups = json!({ "userGroupIds": [group] });
    by.put("/api/oidc/clients/wiki/allowed-user-groups", &groups).await.expect(200);
    log.says("CLIENT_UPDATED", "", "admin", about(json!({ "allowedUserGroups": "+ops" }))).await;
    let clients = format!("/api/user-groups/{group}/allowed-oidc-clients");
    by.put(&clients, &json!({ "oidcClientIds": [] })).await.expect(200);
    let data = json!({ "group": "ops", "groupID": group, "allowedClients": "−Wiki" });
    log.says("GROUP_UPDATED", "", "admin", data).await;

    let mut secrets = Vec::new();
    let secret = by.post("/api/oidc/clients/wiki/secrets", &json!({})).await.expect(201).json();
    secrets.push(secret["secret"].as_str().unwrap().to_owned());
    let first = secret["id"].as_str().unwrap().to_owned();
    log.says("CLIENT_SECRET_CREATED", "", "admin", about(json!({ "secretIDs": format!("+{first}") }))).await;
    by.delete(&format!("/api/oidc/clients/wiki/secrets/{first}")).await.expect(204);
    log.says("CLIENT_SECRET_DELETED", "", "admin", about(json!({ "secretIDs": format!("−{first}") }))).await;
    let own = json!({ "secret": "a-secret-of-their-own-0815" });
    by.post("/api/oidc/clients/wiki/secrets", &own).await.expect(201);
    secrets.push("a-secret-of-their-own-0815".to_owned());
    log.new_entries().await;
    let replaced = by.post("/api/oidc/clients/wiki/secret", &json!({})).await.expect(200).json();
    secrets.push(replaced["secret"].as_str().unwrap().to_owned());
    let entries = log.new_entries().await;
    assert_eq!(entries.len(), 1);
    let ids = entries[0]["data"]["secretIDs"].as_str().unwrap();
    assert!(ids.starts_with('+') && ids.contains(", −"), "one came, one went: {ids}");

    by.upload("/api/oidc/clients/wiki/logo", "a.png", PNG).await.expect(204);
    log.says("CLIENT_UPDATED", "", "admin", about(json!({ "logo": "none → set" }))).await;
    by.delete("/api/oidc/clients/wiki/logo").await.expect(204);
    log.says("CLIENT_UPDATED", "", "admin", about(json!({ "logo": "set → none" }))).await;
    by.post("/api/oidc/clients/wiki/backchannel-logout/test", &json!({})).await.expect(200);
    let data = about(json!({ "url": receiver.url("/out"), "state": "delivered", "status": "→ 200" }));
    log.says("LOGOUT_NOTICE_TESTED", "", "admin", data).await;
    // A first key of an algorithm is an entry of its own.
    by.patch("/api/oidc/clients/wiki", &json!({ "idTokenSignedResponseAlg": "EdDSA" }), None).await.expect(200);
    let mut events: Vec<Value> = log.new_entries().await.into_iter().map(|e| e["event"].clone()).collect();
    events.sort_by_key(ToString::to_string);
    assert_eq!(events, ["CLIENT_UPDATED", "SIGNING_KEY_CREATED"]);
    by.delete("/api/oidc/clients/wiki").await.expect(204);
    log.says("CLIENT_DELETED", "", "admin", about(json!({}))).await;

    let everything = by.get("/api/audit-logs/export?format=ndjson").await.expect(200).text();
    assert!(everything.contains("CLIENT_SECRET_CREATED"));
    for secret in secrets {
        assert!(!everything.contains(&secret), "a secret is in the log");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn apis_and_access_to_them() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let by = &admin.agent;
    let client = app.client(json!({ "name": "Shop" })).await;
    let client = client["id"].as_str().unwrap();
    let mut log = Log::of(&app).await;

    let made = json!({ "name": "Orders", "resource": "https://orders.example" });
    let api = by.post("/api/apis", &made).await.expect(201).id();
    let about = |name: &str, more: Value| {
        let mut data = json!({ "api": name, "apiID": api, "resource": "https://orders.example" });
        data.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        data
    };
    log.says("API_CREATED", "", "admin", about("Orders", json!({ "name": "→ Orders" }))).await;
    let path = format!("/api/apis/{api}");
    by.patch(&path, &json!({ "name": "Sales" }), None).await.expect(200);
    log.says("API_UPDATED", "", "admin", about("Sales", json!({ "name": "Orders → Sales" }))).await;
    let permissions =
        json!({ "permissions": [{ "key": "read", "name": "Read" }, { "key": "write", "name": "Write" }] });
    let api_now = by.put(&format!("{path}/permissions"), &permissions).await.expect(200).json();
    let data = about("Sales", json!({ "permissions": "+read (Read), +write (Write)" }));
    log.says("API_UPDATED", "", "admin", data).await;
    let fewer = json!({ "permissions": [{ "key": "read", "name": "Look" }] });
    by.put(&format!("{path}/permissions"), &fewer).await.expect(200);
    let data = about("Sales", json!({ "permissions": "+read (Look), −read (Read), −write (Write)" }));
    log.says("API_UPDATED", "", "admin", data).await;
    let read = api_now["permissions"][0]["id"].as_str().unwrap();
    let open = json!({ "enabled": true, "permissionIds": [read] });
    by.put(&format!("{path}/cimd-access"), &open).await.expect(200);
    let data = about("Sales", json!({ "allowCimdClients": "false → true", "cimdPermissions": "+read" }));
    log.says("API_UPDATED", "", "admin", data).await;

    let access = json!({ "userDelegatedPermissionIds": [read], "clientAccess": true });
    by.put(&format!("{path}/clients/{client}"), &access).await.expect(200);
    let with_client = |mut more: Value| {
        more.as_object_mut()
            .unwrap()
            .extend([("clientName".to_owned(), json!("Shop")), ("clientID".to_owned(), json!(client))]);
        about("Sales", more)
    };
    let data = with_client(json!({
        "userDelegatedAccess": "false → true", "userDelegatedPermissions": "+read", "clientAccess": "false → true"
    }));
    log.says("API_ACCESS_CHANGED", "", "admin", data).await;
    by.delete(&format!("{path}/clients/{client}")).await.expect(204);
    let data = with_client(json!({
        "userDelegatedAccess": "true → false", "userDelegatedPermissions": "−read", "clientAccess": "true → false"
    }));
    log.says("API_ACCESS_CHANGED", "", "admin", data).await;
    by.delete(&path).await.expect(204);
    log.says("API_DELETED", "", "admin", about("Sales", json!({}))).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_codes_sessions_and_settings() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let by = &admin.agent;
    let mut tim = app.person("tim").await;
    let mut log = Log::of(&app).await;

    let body = json!({ "name": "Backup", "expiresAt": "2100-01-01T00:00:00Z", "scopes": ["read-only"] });
    let key = by.post("/api/api-keys", &body).await.expect(201).json();
    let id = key["apiKey"]["id"].as_str().unwrap();
    let data = json!({
        "apiKeyName": "Backup", "apiKeyID": id, "expiresAt": "→ 2100-01-01T00:00:00Z", "scopes": "+read-only"
    });
    log.says("API_KEY_CREATED", "admin", "", data).await;
    let change = json!({ "name": "Copy", "description": "Nightly" });
    by.patch(&format!("/api/api-keys/{id}"), &change, None).await.expect(200);
    let data = json!({ "apiKeyName": "Copy", "apiKeyID": id, "name": "Backup → Copy", "description": "→ Nightly" });
    log.says("API_KEY_UPDATED", "admin", "", data).await;
    by.delete(&format!("/api/api-keys/{id}")).await.expect(204);
    log.says("API_KEY_DELETED", "admin", "", json!({ "apiKeyName": "Copy", "apiKeyID": id })).await;

    let path = format!("/api/users/{}/one-time-access-token", tim.id());
    let code = by.post(&path, &json!({ "ttl": 60 })).await.expect(201).json()["token"].as_str().unwrap().to_owned();
    let entries = log.new_entries().await;
    assert_eq!((entries.len(), &entries[0]["event"]), (1, &json!("LOGIN_CODE_CREATED")));
    assert_eq!((&entries[0]["username"], &entries[0]["actorUsername"]), (&json!("tim"), &json!("admin")));
    assert_eq!(entries[0]["data"]["madeBy"], "admin");
    assert!(entries[0]["data"]["expiresAt"].is_string());

    let settings = "/api/application-configuration";
    let change = json!({ "appName": "Club", "smtpPassword": "smtp-secret-1", "ldapBindPassword": "ldap-secret-1" });
    by.patch(settings, &change, None).await.expect(200);
    let data = json!({ "appName": "Pocket ID → Club", "smtpPassword": "changed", "ldapBindPassword": "changed" });
    log.says("CONFIGURATION_UPDATED", "", "admin", data).await;
    by.put_file("/api/application-images/background", "b.png", PNG).await.expect(204);
    let data = json!({ "image": "background", "background": "none → set" });
    log.says("CONFIGURATION_UPDATED", "", "admin", data).await;
    by.delete("/api/application-images/background").await.expect(204);
    let data = json!({ "image": "background", "background": "set → none" });
    log.says("CONFIGURATION_UPDATED", "", "admin", data).await;

    let client = app.client(json!({ "id": "wiki", "name": "Wiki" })).await;
    log.new_entries().await;
    let about = |more: Value| {
        let mut data = json!({ "clientName": "Wiki", "clientID": "wiki" });
        data.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        data
    };
    let body = json!({ "endpoint": "http://127.0.0.1:1/scim", "token": "scim-secret-1", "oidcClientId": client["id"] });
    let provider = by.post("/api/scim/service-provider", &body).await.expect(201).id();
    let data = about(json!({ "endpoint": "→ http://127.0.0.1:1", "token": "none → set" }));
    log.says("SCIM_PROVIDER_CREATED", "", "admin", data).await;
    let provider = format!("/api/scim/service-provider/{provider}");
    let change =
        json!({ "endpoint": "http://127.0.0.1:2/scim", "token": "scim-secret-2", "deactivateInsteadOfDelete": true });
    by.patch(&provider, &change, None).await.expect(200);
    let data = about(json!({ "endpoint": "http://127.0.0.1:1 → http://127.0.0.1:2", "token": "set → replaced",
        "deactivateInsteadOfDelete": "false → true" }));
    log.says("SCIM_PROVIDER_UPDATED", "", "admin", data).await;
    by.post(&format!("{provider}/sync"), &json!({})).await.expect(502);
    log.says("SCIM_SYNC_FAILED", "", "admin", about(json!({ "failure": "connection_failed" }))).await;
    by.delete(&provider).await.expect(204);
    log.says("SCIM_PROVIDER_DELETED", "", "admin", about(json!({ "endpoint": "http://127.0.0.1:2 →" }))).await;

    let keys = by.post("/api/signing-keys/rotate", &json!({ "alg": "RS256" })).await.json();
    let entries = log.new_entries().await;
    assert_eq!((entries.len(), &entries[0]["event"]), (1, &json!("SIGNING_KEY_CREATED")), "{keys}");
    assert_eq!((&entries[0]["actorUsername"], &entries[0]["data"]["algorithm"]), (&json!("admin"), &json!("RS256")));
    let kid = entries[0]["data"]["keyID"].as_str().unwrap();
    by.delete(&format!("/api/signing-keys/{kid}")).await;
    let events: Vec<Value> = log.new_entries().await.into_iter().map(|e| e["event"].clone()).collect();
    assert!(events.contains(&json!("SIGNING_KEY_REVOKED")), "{events:?}");

    let passkey = tim.agent.get("/api/webauthn/credentials").await.expect(200).json()[0].clone();
    let passkey_id = passkey["id"].as_str().unwrap();
    tim.agent
        .patch(&format!("/api/webauthn/credentials/{passkey_id}"), &json!({ "name": "Blue" }), None)
        .await
        .expect(200);
    let entries = log.new_entries().await;
    assert_eq!(entries[0]["data"]["name"], format!("{} → Blue", passkey["name"].as_str().unwrap()));
    let sessions = by.get(&format!("/api/users/{}/sessions", tim.id())).await.expect(200).json();
    let session = sessions[0]["id"].as_str().unwrap();
    by.delete(&format!("/api/users/{}/sessions/{session}", tim.id())).await.expect(204);
    log.says("SIGN_OUT", "tim", "admin", json!({ "sessionID": session })).await;
    tim.sign_in().await.expect(200);
    log.says("SIGN_IN", "tim", "", json!({})).await;
    by.delete(&format!("/api/users/{}/sessions", tim.id())).await.expect(204);
    log.says("SIGN_OUT_EVERYWHERE", "tim", "admin", json!({ "sessions": "1" })).await;
    by.delete(&format!("/api/users/{}/webauthn-credentials/{passkey_id}", tim.id())).await.expect(204);
    let entries = log.new_entries().await;
    assert_eq!(entries[0]["event"], "PASSKEY_REMOVED");
    assert_eq!(entries[0]["data"]["actorUsername"], "admin");
    assert_eq!(entries[0]["data"]["passkeyName"], "Blue");

    let everything = by.get("/api/audit-logs/export?format=csv").await.expect(200).text();
    for secret in [key["token"].as_str().unwrap(), &code, "smtp-secret-1", "ldap-secret-1", TestApp::API_KEY] {
        assert!(!everything.contains(secret), "a secret is in the log");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn long_lists_are_counted() {
    let app = TestApp::start().await;
    let script = app.script();
    let group =
        script.post("/api/user-groups", &json!({ "name": "all", "friendlyName": "All" })).await.expect(201).id();
    let mut ids = Vec::new();
    for n in 0..25 {
        let body =
            json!({ "username": format!("person{n:02}"), "email": format!("p{n}@example.com"), "displayName": "P" });
        ids.push(script.post("/api/users", &body).await.expect(201).id());
    }
    let mut log = Log::of(&app).await;
    script.put(&format!("/api/user-groups/{group}/users"), &json!({ "userIds": ids })).await.expect(200);
    let entries = log.new_entries().await;
    let members = entries[0]["data"]["members"].as_str().unwrap();
    assert!(members.starts_with("+person00, +person01") && members.ends_with("+person19, … 5 more"), "{members}");
    // An address of two thousand characters doesn't fill the log.
    let long = format!("https://app.example/{}", "x".repeat(1500));
    let client = app.client(json!({ "callbackURLs": [long] })).await;
    let entry = &app.events("CLIENT_CREATED").await[0];
    assert!(entry["data"]["callbackURLs"].as_str().unwrap().chars().count() < 100, "{client}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn failed_sign_ins_say_why_and_are_bounded() {
    let app = TestApp::start_with(&[("DISABLE_RATE_LIMITING", "true")]).await;
    let admin = app.admin().await;
    let tim = app.person("tim").await;
    let path = format!("/api/users/{}/one-time-access-token", tim.id());
    let code = admin.agent.post(&path, &json!({})).await.expect(201).json()["token"].as_str().unwrap().to_owned();
    let exchange = format!("/api/one-time-access-token/{code}");
    let wrong = "/api/one-time-access-token/WRONG1";
    let stranger = app.agent();
    let mut log = Log::of(&app).await;
    let failed = |reason: &str| json!({ "method": "login_code", "reason": reason });

    stranger.post(wrong, &json!({})).await.refused(401, "token_invalid_or_expired");
    log.says("SIGN_IN_FAILED", "", "", failed("the code is not known")).await;
    let disable = |disabled: bool| json!({ "disabled": disabled });
    let account = format!("/api/users/{}", tim.id());
    admin.agent.patch(&account, &disable(true), None).await.expect(200);
    log.new_entries().await;
    stranger.post(&exchange, &json!({})).await.refused(403, "user_disabled");
    log.says("SIGN_IN_FAILED", "tim", "", failed("the account is disabled")).await;
    // The code was kept, and works once.
    admin.agent.patch(&account, &disable(false), None).await.expect(200);
    app.agent().post(&exchange, &json!({})).await.expect(200);
    log.new_entries().await;
    stranger.post(&exchange, &json!({})).await.refused(401, "token_invalid_or_expired");
    log.says("SIGN_IN_FAILED", "tim", "", failed("the code was used before")).await;

    // A passkey that is not known here any more.
    let mut gone = app.person("gone").await;
    app.script().delete(&format!("/api/users/{}", gone.id())).await.expect(204);
    log.new_entries().await;
    gone.sign_in().await.refused(401, "webauthn_authentication_failed");
    let data = json!({ "method": "passkey", "reason": "the passkey is not known" });
    log.says("SIGN_IN_FAILED", "", "", data).await;

    // So many of one address within an hour; the others are told of by one entry when it is over.
    for _ in 0..30 {
        stranger.post(wrong, &json!({})).await.expect(401);
    }
    let entries = log.new_entries().await;
    assert_eq!(entries.len(), 16, "four were there already");
    assert_eq!(entries.iter().filter(|e| e["data"]["further"].is_string()).count(), 1);
    app.advance(3601);
    pid_jobs::clean_up(app.app(), 90).await.expect("it cleans up");
    let entries = log.new_entries().await;
    let [summary] = entries.as_slice() else { panic!("{entries:#?}") };
    assert_eq!((&summary["event"], &summary["ipAddress"]), (&json!("SIGN_IN_FAILED"), &json!("127.0.0.1")));
    assert_eq!(summary["data"]["failures"], "14");
    stranger.post(wrong, &json!({})).await.expect(401);
    log.says("SIGN_IN_FAILED", "", "", failed("the code is not known")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_that_prove_nothing_and_tokens_given_up() {
    let app = TestApp::start().await;
    let client = app.client(json!({ "name": "Wiki" })).await;
    let id = client["id"].as_str().unwrap();
    let mut log = Log::of(&app).await;
    let form = [("client_id", id), ("client_secret", "wrong"), ("grant_type", "client_credentials")];
    app.agent().post_form("/api/oidc/token", &form).await.oauth_error(401, "invalid_client");
    let entries = log.new_entries().await;
    let [entry] = entries.as_slice() else { panic!("{entries:#?}") };
    assert_eq!(
        (&entry["event"], &entry["data"]["clientName"]),
        (&json!("CLIENT_AUTHENTICATION_FAILED"), &json!("Wiki"))
    );
    assert_eq!((&entry["data"]["clientID"], &entry["data"]["method"]), (&json!(id), &json!("client_secret_post")));
    assert!(!entry.to_string().contains("wrong\""), "{entry}");
    let unknown = [("client_id", "nobody"), ("client_secret", "x"), ("grant_type", "client_credentials")];
    app.agent().post_form("/api/oidc/token", &unknown).await.oauth_error(401, "invalid_client");
    assert_eq!(log.new_entries().await, Vec::<Value>::new());

    let mut tim = app.person("tim").await;
    let rp = RelyingParty::register(&app, json!({ "name": "Chat" })).await;
    let first = rp.sign_in(&mut tim, "openid").await;
    log.new_entries().await;
    let about = |mut more: Value| {
        more.as_object_mut()
            .unwrap()
            .extend([("clientName".to_owned(), json!("Chat")), ("clientID".to_owned(), json!(rp.id))]);
        more
    };
    rp.revoke(first.access()).await.expect(200);
    log.says("TOKEN_REVOKED", "tim", "", about(json!({ "token": "access_token" }))).await;
    rp.revoke(first.refresh()).await.expect(200);
    log.says("TOKEN_REVOKED", "tim", "", about(json!({ "token": "refresh_token" }))).await;
    rp.revoke(first.refresh()).await.expect(200);
    assert_eq!(log.new_entries().await, Vec::<Value>::new(), "it was over already");
    let second = rp.sign_in(&mut tim, "openid").await;
    log.new_entries().await;
    tim.agent.delete(&format!("/api/oidc/users/me/authorized-clients/{}", rp.id)).await.expect(204);
    log.says("CONSENT_WITHDRAWN", "tim", "", about(json!({}))).await;
    let restricted = json!({ "isGroupRestricted": true });
    app.script().patch(&format!("/api/oidc/clients/{}", rp.id), &restricted, None).await.expect(200);
    let entries = log.new_entries().await;
    assert_eq!(entries[0]["data"]["isGroupRestricted"], "false → true");
    assert_eq!(entries[0]["data"].get("endedAccess"), None, "the consent was withdrawn already");
    let open = json!({ "isGroupRestricted": false });
    app.script().patch(&format!("/api/oidc/clients/{}", rp.id), &open, None).await.expect(200);
    let third = rp.sign_in(&mut tim, "openid").await;
    log.new_entries().await;
    app.script().patch(&format!("/api/oidc/clients/{}", rp.id), &restricted, None).await.expect(200);
    assert_eq!(log.new_entries().await[0]["data"]["endedAccess"], "1");
    assert!(!rp.is_alive(third.access()).await);
    let out = format!("/api/oidc/end-session?id_token_hint={}", second.id());
    tim.agent.get(&out).await;
    let entries = log.new_entries().await;
    assert_eq!((&entries[0]["event"], &entries[0]["data"]["clientName"]), (&json!("SIGN_OUT"), &json!("Chat")));
    assert!(entries[0]["data"]["sessionID"].is_string());
}
