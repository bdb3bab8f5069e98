//! Who may enter where: every operation of the OpenAPI document for every kind of caller (security case 76). An operation
//! without a row here fails the test, and so does a row without an operation, or one that the document describes otherwise.

use std::collections::BTreeMap;

use http::Method;
use pid_tests::{Agent, Person, TestApp};
use serde_json::{Value, json};

/// Who is admitted, and the status that they get for names that don't exist and a body that says nothing.
#[derive(Clone, Copy)]
enum Access {
    /// Everybody.
    Public(u16),
    /// Who is signed in, by session or key.
    User(u16),
    /// Who has a browser session.
    Session(u16),
    /// Administrators, by session or key.
    Admin(u16),
    /// Administrators and auditors, by session or key.
    Auditor(u16),
    /// Administrators and user managers, by session or key.
    Manager(u16),
    /// Administrators, user managers and auditors, by session or key.
    ManagerOrAuditor(u16),
    /// The owner gets this; others who are signed in find nothing.
    Own(u16),
    /// As before, but keys are refused.
    OwnSession(u16),
}
use Access::{Admin, Auditor, Manager, ManagerOrAuditor, Own, OwnSession, Public, Session, User};

/// In the order in which they are called. The owner is last, since they may delete what is theirs.
const CALLERS: [&str; 17] = [
    "nobody",
    "another person",
    "administrator",
    "static key",
    "administrator's key",
    "administrator's key that only reads",
    "administrator's key for users",
    "expired key",
    "disabled person",
    "key of a disabled person",
    "who came by a code of their own",
    "user manager",
    "user manager's key",
    "auditor",
    "auditor's key",
    "member of the user managers",
    "owner",
];

/// What a key for users may enter.
const OF_USERS: [&str; 4] = ["/api/users", "/api/user-groups", "/api/custom-claims", "/api/signup-tokens"];

/// What a session may do that began by a code of one's own (`ClientOnly`).
const FOR_LIMITED: [(&str, &str); 2] = [("GET", "/api/users/me"), ("POST", "/api/webauthn/logout")];

impl Access {
    fn expected(self, method: &str, route: &str) -> [u16; 17] {
        let if_so = |so: bool, status: u16| if so { status } else { 403 };
        let limited = |s| if_so(FOR_LIMITED.contains(&(method, route)), s);
        let reading = |s| if_so(method == "GET", s);
        let of_users = |s| if_so(OF_USERS.iter().any(|root| route.starts_with(root)), s);
        match self {
            Public(s) => [s; 17],
            User(s) => [401, s, s, s, s, reading(s), of_users(s), 401, 403, 403, limited(s), s, s, s, s, s, s],
            Session(s) => [401, s, s, 403, 403, 403, 403, 403, 403, 403, 403, s, 403, s, 403, s, s],
            Admin(_) | Auditor(_) | Manager(_) | ManagerOrAuditor(_) => self.of_administration(reading, of_users),
            Own(s) => {
                [401, 404, 404, 404, 404, reading(404), of_users(404), 401, 403, 403, 403, 404, 404, 404, 404, 404, s]
            }
            OwnSession(s) => [401, 404, 404, 403, 403, 403, 403, 403, 403, 403, 403, 404, 403, 404, 403, 404, s],
        }
    }

    fn of_administration(self, reading: impl Fn(u16) -> u16, of_users: impl Fn(u16) -> u16) -> [u16; 17] {
        let (s, manager, auditor) = match self {
            Auditor(s) => (s, 403, s),
            Manager(s) => (s, s, 403),
            ManagerOrAuditor(s) => (s, s, s),
            Admin(s) | Public(s) | User(s) | Session(s) | Own(s) | OwnSession(s) => (s, 403, 403),
        };
        let of_roles = [manager, manager, auditor, auditor, manager];
        let [a, b, c, d, e] = of_roles;
        [401, 403, s, s, s, reading(s), of_users(s), 401, 403, 403, 403, a, b, c, d, e, 403]
    }

    /// The class as the document says it.
    fn class(self) -> &'static str {
        match self {
            Public(_) => "public",
            User(_) | Own(_) => "user",
            Session(_) | OwnSession(_) => "session",
            Admin(_) => "admin",
            Auditor(_) => "auditor",
            Manager(_) => "user-manager",
            ManagerOrAuditor(_) => "user-manager-or-auditor",
        }
    }
}

const ROUTES: &[(&str, &str, Access)] = &[
    ("GET", "/api/users", ManagerOrAuditor(200)),
    ("POST", "/api/users", Manager(400)),
    ("GET", "/api/users/me", User(200)),
    ("PUT", "/api/users/me", User(400)),
    ("PATCH", "/api/users/me", User(400)),
    ("GET", "/api/users/{id}", ManagerOrAuditor(404)),
    ("PUT", "/api/users/{id}", Manager(404)),
    ("PATCH", "/api/users/{id}", Manager(404)),
    ("DELETE", "/api/users/{id}", Manager(404)),
    ("GET", "/api/users/{id}/groups", ManagerOrAuditor(404)),
    ("PUT", "/api/users/{id}/user-groups", Manager(400)),
    ("GET", "/api/users/{id}/webauthn-credentials", ManagerOrAuditor(404)),
    ("DELETE", "/api/users/{id}/webauthn-credentials/{credential}", Manager(404)),
    ("POST", "/api/users/{id}/one-time-access-token", Manager(404)),
    ("GET", "/api/users/{id}/profile-picture.png", Public(400)),
    ("PUT", "/api/users/{id}/profile-picture", Manager(400)),
    ("DELETE", "/api/users/{id}/profile-picture", Manager(400)),
    ("PUT", "/api/users/me/profile-picture", User(400)),
    ("DELETE", "/api/users/me/profile-picture", User(204)),
    ("POST", "/api/users/me/one-time-access-token", Session(401)),
    ("GET", "/api/users/{id}/sessions", ManagerOrAuditor(404)),
    ("DELETE", "/api/users/{id}/sessions", Manager(404)),
    ("DELETE", "/api/users/{id}/sessions/{session}", Manager(404)),
    ("GET", "/api/sessions", User(200)),
    ("DELETE", "/api/sessions", User(204)),
    ("DELETE", "/api/sessions/{id}", User(404)),
    ("GET", "/api/user-groups", ManagerOrAuditor(200)),
    ("POST", "/api/user-groups", Manager(400)),
    ("GET", "/api/user-groups/{id}", ManagerOrAuditor(404)),
    ("PUT", "/api/user-groups/{id}", Manager(404)),
    ("PATCH", "/api/user-groups/{id}", Manager(404)),
    ("DELETE", "/api/user-groups/{id}", Manager(404)),
    ("PUT", "/api/user-groups/{id}/users", Manager(400)),
    ("PUT", "/api/user-groups/{id}/allowed-oidc-clients", Admin(400)),
    ("GET", "/api/custom-claims/suggestions", ManagerOrAuditor(200)),
    ("PUT", "/api/custom-claims/user/{id}", Manager(400)),
    ("PUT", "/api/custom-claims/user-group/{id}", Manager(400)),
    ("GET", "/api/oidc/clients", Auditor(200)),
    ("POST", "/api/oidc/clients", Admin(400)),
    ("GET", "/api/oidc/clients/{id}", Auditor(404)),
    ("PUT", "/api/oidc/clients/{id}", Admin(404)),
    ("PATCH", "/api/oidc/clients/{id}", Admin(404)),
    ("DELETE", "/api/oidc/clients/{id}", Admin(404)),
    ("GET", "/api/oidc/clients/{id}/meta", Public(404)),
    ("PUT", "/api/oidc/clients/{id}/allowed-user-groups", Admin(400)),
    ("GET", "/api/oidc/clients/{id}/secrets", Auditor(404)),
    ("POST", "/api/oidc/clients/{id}/secrets", Admin(404)),
    ("DELETE", "/api/oidc/clients/{id}/secrets/{secret}", Admin(404)),
    ("POST", "/api/oidc/clients/{id}/secret", Admin(404)),
    ("GET", "/api/oidc/clients/{id}/logo", Public(404)),
    ("POST", "/api/oidc/clients/{id}/logo", Admin(400)),
    ("DELETE", "/api/oidc/clients/{id}/logo", Admin(404)),
    ("GET", "/api/application-images/logo", Public(404)),
    ("PUT", "/api/application-images/logo", Admin(400)),
    ("DELETE", "/api/application-images/logo", Admin(404)),
    ("GET", "/api/application-images/email", Public(200)),
    ("PUT", "/api/application-images/email", Admin(400)),
    ("DELETE", "/api/application-images/email", Admin(404)),
    ("GET", "/api/application-images/favicon", Public(200)),
    ("PUT", "/api/application-images/favicon", Admin(400)),
    ("DELETE", "/api/application-images/favicon", Admin(404)),
    ("GET", "/api/application-images/background", Public(404)),
    ("PUT", "/api/application-images/background", Admin(400)),
    ("DELETE", "/api/application-images/background", Admin(404)),
    ("GET", "/api/application-images/default-profile-picture", Auditor(404)),
    ("PUT", "/api/application-images/default-profile-picture", Admin(400)),
    ("DELETE", "/api/application-images/default-profile-picture", Admin(404)),
    ("GET", "/api/oidc/clients/{id}/preview/{user}", Auditor(400)),
    ("GET", "/api/oidc/clients/{id}/test-sign-in/{user}", Auditor(404)),
    ("POST", "/api/oidc/clients/{id}/backchannel-logout/test", Admin(404)),
    ("GET", "/api/oidc/clients/{id}/backchannel-logout/deliveries", Auditor(404)),
    ("GET", "/api/oidc/users/me/clients", User(200)),
    ("GET", "/api/oidc/users/me/authorized-clients", User(200)),
    ("DELETE", "/api/oidc/users/me/authorized-clients/{client}", User(404)),
    ("GET", "/api/oidc/users/{id}/authorized-clients", ManagerOrAuditor(404)),
    ("GET", "/api/app-passwords", User(200)),
    ("POST", "/api/app-passwords", Session(400)),
    ("DELETE", "/api/app-passwords/{id}", User(404)),
    ("GET", "/api/apis", Auditor(200)),
    ("POST", "/api/apis", Admin(400)),
    ("GET", "/api/apis/{id}", Auditor(404)),
    ("PUT", "/api/apis/{id}", Admin(404)),
    ("PATCH", "/api/apis/{id}", Admin(404)),
    ("DELETE", "/api/apis/{id}", Admin(404)),
    ("PUT", "/api/apis/{id}/permissions", Admin(404)),
    ("GET", "/api/apis/{id}/cimd-access", Auditor(404)),
    ("PUT", "/api/apis/{id}/cimd-access", Admin(404)),
    ("GET", "/api/apis/{id}/clients", Auditor(404)),
    ("GET", "/api/apis/{id}/assignable-clients", Auditor(404)),
    ("GET", "/api/apis/{id}/clients/{client}", Auditor(404)),
    ("PUT", "/api/apis/{id}/clients/{client}", Admin(404)),
    ("DELETE", "/api/apis/{id}/clients/{client}", Admin(404)),
    ("GET", "/api/api-access/{client}/apis", Auditor(404)),
    ("GET", "/api/api-access/{client}/assignable-apis", Auditor(404)),
    ("GET", "/api/application-configuration", Public(200)),
    ("GET", "/api/application-configuration/all", Auditor(200)),
    ("PUT", "/api/application-configuration", Admin(400)),
    ("PATCH", "/api/application-configuration", Admin(200)),
    ("GET", "/api/audit-logs", User(200)),
    ("GET", "/api/audit-logs/all", Auditor(200)),
    ("GET", "/api/audit-logs/export", Auditor(200)),
    ("GET", "/api/audit-logs/stream", Auditor(200)),
    ("GET", "/api/audit-logs/filters/client-names", Auditor(200)),
    ("GET", "/api/audit-logs/filters/users", Auditor(200)),
    ("GET", "/api/doctor", Auditor(200)),
    ("GET", "/api/signing-keys", Auditor(200)),
    ("POST", "/api/signing-keys/rotate", Admin(200)),
    ("DELETE", "/api/signing-keys/{kid}", Admin(404)),
    ("GET", "/api/version/current", User(200)),
    ("GET", "/api/version/latest", Public(200)),
    ("GET", "/api/openapi.json", Public(200)),
    ("POST", "/api/users/{id}/one-time-access-email", Manager(403)),
    ("POST", "/api/one-time-access-email", Public(403)),
    ("POST", "/api/users/me/send-email-verification", User(409)),
    ("POST", "/api/users/me/verify-email", User(400)),
    ("POST", "/api/application-configuration/passkey-policy/dry-run", Admin(200)),
    ("POST", "/api/signup/verify-email", Public(400)),
    ("POST", "/api/signup/disown", Public(400)),
    ("GET", "/api/users/me/notices", User(200)),
    ("PATCH", "/api/users/me/notices", Session(200)),
    ("POST", "/api/users/me/notices/seen", Session(204)),
    ("POST", "/api/sessions/disown", Public(400)),
    ("POST", "/api/application-configuration/test-email", Admin(409)),
    ("POST", "/api/application-configuration/sync-ldap", Admin(409)),
    ("POST", "/api/application-configuration/ldap/test", Admin(400)),
    ("POST", "/api/application-configuration/ldap/dry-run", Admin(400)),
    ("GET", "/api/application-configuration/ldap/runs", Auditor(200)),
    ("GET", "/api/application-configuration/ldap/runs/{id}", Auditor(404)),
    ("GET", "/api/application-configuration/ldap/runs/{id}/entries", Auditor(404)),
    ("POST", "/api/application-configuration/ldap/runs/{id}/confirm", Admin(409)),
    ("GET", "/api/oidc/clients/{id}/diagnoses", Auditor(404)),
    ("DELETE", "/api/oidc/clients/{id}/diagnoses", Admin(404)),
    ("GET", "/api/oidc/diagnoses", Auditor(200)),
    ("GET", "/api/oidc/clients/{id}/scim-service-provider", Auditor(404)),
    ("POST", "/api/scim/service-provider", Admin(400)),
    ("PUT", "/api/scim/service-provider/{id}", Admin(404)),
    ("PATCH", "/api/scim/service-provider/{id}", Admin(404)),
    ("DELETE", "/api/scim/service-provider/{id}", Admin(404)),
    ("POST", "/api/scim/service-provider/{id}/sync", Admin(404)),
    ("GET", "/api/signup/setup", Public(404)),
    ("POST", "/api/signup/setup", Public(409)),
    ("POST", "/api/one-time-access-token/{token}", Public(401)),
    ("POST", "/api/signup", Public(400)),
    ("GET", "/api/signup-tokens", ManagerOrAuditor(200)),
    ("POST", "/api/signup-tokens", Manager(400)),
    ("DELETE", "/api/signup-tokens/{id}", Manager(204)),
    ("POST", "/api/device-login/requests", Public(201)),
    ("POST", "/api/device-login/requests/{id}/exchange", Public(401)),
    ("POST", "/api/device-login/verification", Session(400)),
    ("POST", "/api/device-login/verification/decision", Session(400)),
    ("GET", "/api/oidc/interactions/{id}", Public(404)),
    ("POST", "/api/oidc/interactions/{id}/complete", Public(400)),
    ("POST", "/api/oidc/clients/{id}/refresh", Admin(404)),
    ("GET", "/api/oidc/device/info", Session(400)),
    ("POST", "/api/oidc/device/verify", Session(400)),
    ("POST", "/api/oidc/device/deny", Session(400)),
    ("GET", "/api/api-keys", User(200)),
    ("POST", "/api/api-keys", Session(400)),
    ("POST", "/api/api-keys/{id}/renew", OwnSession(400)),
    ("GET", "/api/api-keys/{id}", Own(200)),
    ("PATCH", "/api/api-keys/{id}", Own(200)),
    ("DELETE", "/api/api-keys/{id}", Own(204)),
    ("POST", "/api/webauthn/login/finish", Public(400)),
    ("GET", "/api/webauthn/login/start", Public(200)),
    ("GET", "/api/webauthn/register/start", Session(200)),
    ("POST", "/api/webauthn/register/finish", Session(400)),
    ("POST", "/api/webauthn/reauthenticate", Session(400)),
    ("GET", "/api/webauthn/credentials", User(200)),
    ("GET", "/api/webauthn/credentials/{id}", Own(200)),
    ("PATCH", "/api/webauthn/credentials/{id}", OwnSession(200)),
    ("DELETE", "/api/webauthn/credentials/{id}", OwnSession(204)),
    ("POST", "/api/webauthn/logout", User(204)),
];

#[tokio::test]
async fn every_operation_has_a_row() {
    let app = TestApp::start().await;
    let document = app.agent().get("/api/openapi.json").await.expect(200).json();
    let mut described = BTreeMap::new();
    for (path, methods) in document["paths"].as_object().expect("paths") {
        for (method, one) in methods.as_object().expect("methods") {
            described.insert((method.to_uppercase(), path.clone()), one["x-access"].as_str().unwrap().to_owned());
        }
    }
    let rows: BTreeMap<_, _> = ROUTES
        .iter()
        .map(|(method, path, access)| (((*method).to_owned(), (*path).to_owned()), access.class().to_owned()))
        .collect();
    assert_eq!(rows.len(), ROUTES.len(), "a row is given twice");
    let missing: Vec<_> = described.iter().filter(|(at, access)| rows.get(*at) != Some(access)).collect();
    let stale: Vec<_> = rows.keys().filter(|at| !described.contains_key(*at)).collect();
    assert!(missing.is_empty() && stale.is_empty(), "no such row: {missing:?}; no such operation: {stale:?}");
}

/// A path with names that don't exist, save what belongs to the owner.
fn concrete(path: &str, passkey: &str, key: &str) -> String {
    let path = path.replace("/credentials/{id}", &format!("/credentials/{passkey}"));
    let path = path.replace("/api-keys/{id}", &format!("/api-keys/{key}"));
    let parts: Vec<&str> = path.split('/').map(|part| if part.starts_with('{') { "nobody" } else { part }).collect();
    parts.join("/")
}

/// A person who was disabled, and their key.
async fn disabled(app: &TestApp) -> (Agent, Agent) {
    let person = app.person("disabled").await;
    let key = key_of(app, &person, "2099-01-01T00:00:00Z", &[]).await;
    app.script().patch(&format!("/api/users/{}", person.id()), &json!({ "disabled": true }), None).await.expect(200);
    (person.agent, key)
}

/// A script with a new key of a person.
async fn key_of(app: &TestApp, person: &Person, expires_at: &str, scopes: &[&str]) -> Agent {
    let key = json!({ "name": "script", "expiresAt": expires_at, "scopes": scopes });
    let made = person.agent.post("/api/api-keys", &key).await.expect(201).json();
    app.agent().with_header("x-api-key", made["token"].as_str().expect("a value"))
}

async fn limited(app: &TestApp) -> Agent {
    let mut person = app.person("limited").await;
    person.sign_in().await.expect(200);
    let made = person.agent.post("/api/users/me/one-time-access-token", &json!({})).await.expect(201).json();
    let agent = app.agent();
    let path = format!("/api/one-time-access-token/{}", made["token"].as_str().expect("a code"));
    agent.post(&path, &json!({})).await.expect(200);
    agent
}

async fn first_of(person: &Person, path: &str) -> String {
    let list = person.agent.get(path).await.expect(200).json();
    let list = if list.is_array() { list } else { list["data"].clone() };
    list[0]["id"].as_str().expect("one of them").to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_076_every_route_admits_whom_it_should() {
    let app = TestApp::start_with(&[("DISABLE_RATE_LIMITING", "true")]).await;
    let admin = app.admin().await;
    let open = json!({ "allowUserSignups": "open" });
    app.script().patch("/api/application-configuration", &open, None).await.expect(200);
    let (owner, other) = (app.person("owner").await, app.person("other").await);
    let expires = json!({ "name": "mine", "expiresAt": "2099-01-01T00:00:00Z" });
    owner.agent.post("/api/api-keys", &expires).await.expect(201);
    let passkey = first_of(&owner, "/api/webauthn/credentials").await;
    let key = first_of(&owner, "/api/api-keys").await;
    let limited = limited(&app).await;
    let soon = app.app().clock().now().plus_secs(2).to_string();
    let far = "2099-01-01T00:00:00Z";
    // Of another administrator, whose own sessions a key may end.
    let account = json!({ "username": "keeper", "email": "keeper@example.com", "isAdmin": true });
    let keeper = app.enter(app.script().post("/api/users", &account).await.expect(201).json()).await;
    let keys = [
        key_of(&app, &keeper, far, &[]).await,
        key_of(&app, &keeper, far, &["read-only"]).await,
        key_of(&app, &keeper, far, &["users"]).await,
        key_of(&app, &keeper, &soon, &[]).await,
    ];
    app.advance(3);
    let (disabled, disabled_key) = disabled(&app).await;
    let (manager, auditor) = (app.person("manager").await, app.person("auditor").await);
    app.give(&manager, &["user-manager"]).await;
    app.give(&auditor, &["auditor"]).await;
    // Of others with the same role: a key may end the sessions of whose it is.
    let (with_key, reader) = (app.person("manager-with-key").await, app.person("auditor-with-key").await);
    app.give(&with_key, &["user-manager"]).await;
    app.give(&reader, &["auditor"]).await;
    let manager_key = key_of(&app, &with_key, far, &[]).await;
    let auditor_key = key_of(&app, &reader, far, &[]).await;
    let member = app.person("member").await;
    let group = json!({ "name": "managers", "friendlyName": "Managers", "roles": ["user-manager"] });
    let group = app.script().post("/api/user-groups", &group).await.expect(201).json();
    let members = json!({ "userIds": [member.id()] });
    let path = format!("/api/user-groups/{}/users", group["id"].as_str().expect("an id"));
    app.script().put(&path, &members).await.expect(200);
    let [whole, reading, of_users, expired] = keys;
    let callers = [
        app.agent(),
        other.agent,
        admin.agent,
        app.script(),
        whole,
        reading,
        of_users,
        expired,
        disabled,
        disabled_key,
        limited,
        manager.agent,
        manager_key,
        auditor.agent,
        auditor_key,
        member.agent,
        owner.agent,
    ];

    let mut wrong = Vec::new();
    for (method, route, access) in ROUTES {
        let path = concrete(route, &passkey, &key);
        let body: Value = match *route {
            "/api/webauthn/credentials/{id}" => json!({ "name": "renamed" }),
            "/api/users/me" => json!({ "username": null }),
            _ => json!({}),
        };
        for ((agent, caller), expected) in callers.iter().zip(CALLERS).zip(access.expected(method, route)) {
            let mut request = agent.request(Method::from_bytes(method.as_bytes()).unwrap(), &path);
            if *method != "GET" {
                request = request.json(&body);
            }
            let reply = agent.send(request).await;
            if reply.status != expected {
                wrong.push(format!("{method} {route} by {caller}: {}, not {expected}: {}", reply.status, reply.text()));
            }
            if reply.status == 403 && caller.starts_with("who came") && !matches!(access, Public(_)) {
                assert_eq!(reply.json()["code"], "limited_session", "{method} {route}");
            }
            if reply.status == 403
                && caller.ends_with("only reads")
                && !matches!(access, Public(_) | Session(_) | OwnSession(_))
            {
                assert_eq!(reply.json()["code"], "api_key_scope_insufficient", "{method} {route}");
            }
            if reply.status.is_client_error() {
                assert!(reply.json()["code"].is_string(), "{method} {route} by {caller} is no route: {}", reply.text());
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The pages of the administration, as `router.rs` says them.
fn admin_pages() -> Vec<&'static str> {
    let source = include_str!("../../crates/http/src/router.rs");
    let paths = source.split(".route(").skip(1).filter_map(|route| route.split('"').nth(1));
    let of_admins = |path: &&str| path.starts_with("/settings/admin/") || *path == "/settings/audit-log/global";
    paths.filter(of_admins).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_of_the_administration_admit_whom_they_should() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let (manager, auditor) = (app.person("manager").await, app.person("auditor").await);
    app.give(&manager, &["user-manager"]).await;
    app.give(&auditor, &["auditor"]).await;
    let (tim, limited) = (app.person("tim").await, limited(&app).await);
    let pages = admin_pages();
    assert!(pages.len() > 10, "router.rs is read wrongly: {pages:?}");
    for page in pages {
        let path = page.replace("{id}", "nobody");
        let found = if path == page { 200 } else { 404 };
        let admitted = admin.agent.get(&path).await.expect(found);
        assert_eq!(admitted.header("content-type"), Some("text/html; charset=utf-8"), "{page}");
        assert_eq!(tim.agent.get(&path).await.expect(302).header("location"), Some("/settings"), "{page}");
        auditor.agent.get(&path).await.expect(found);
        let of_people = ["users", "user-groups", "api-keys"]
            .iter()
            .any(|part| path.starts_with(&format!("/settings/admin/{part}")));
        let seen = manager.agent.get(&path).await.expect(if of_people { found } else { 302 });
        assert_eq!(seen.header("location"), (!of_people).then_some("/settings"), "{page}");
        limited.get(&path).await.expect(403);
        let nobody = app.agent().get(&path).await.expect(302);
        assert!(nobody.header("location").unwrap().starts_with("/login?redirect="), "{page}");
        // What names nothing is answered, as a page, on either engine.
        for nonsense in ["%00", "%FF", "..%2F", "~%%%", "a?access=%00&search=%00&page=x"] {
            let answer = admin.agent.get(&page.replace("{id}", nonsense)).await;
            let status = answer.status.as_u16();
            assert!([200, 400, 404].contains(&status), "{page} {nonsense}: {status} {}", answer.text());
        }
    }
}
