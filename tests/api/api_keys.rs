//! `/api/api-keys` (api.md §18).

use pid_tests::{Agent, TestApp};
use serde_json::{Value, json};

const FAR: &str = "2099-01-01T00:00:00Z";

async fn make(agent: &Agent, body: Value) -> (String, String) {
    let made = agent.post("/api/api-keys", &body).await.expect(201).json();
    (made["apiKey"]["id"].as_str().unwrap().to_owned(), made["token"].as_str().unwrap().to_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_acts_as_its_owner_until_it_is_deleted() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let made =
        admin.agent.post("/api/api-keys", &json!({ "name": "build", "expiresAt": FAR })).await.expect(201).json();
    let token = made["token"].as_str().unwrap();
    assert_eq!(token.len(), 32);
    let key = &made["apiKey"];
    assert_eq!(
        key,
        &json!({
            "id": key["id"], "name": "build", "description": null, "expiresAt": FAR, "lastUsedAt": null,
            "createdAt": key["createdAt"], "expirationEmailSent": false, "scopes": []
        })
    );

    let script = app.agent().with_header("x-api-key", token);
    assert_eq!(script.get("/api/users/me").await.expect(200).json()["id"], admin.id());
    script.get("/api/users").await.expect(200);
    app.app().seen().write(app.app()).await.unwrap();
    let listed = script.get("/api/api-keys").await.expect(200).json();
    assert_eq!(listed["pagination"]["totalItems"], 1);
    assert!(listed["data"][0]["lastUsedAt"].is_string());
    assert!(!listed.to_string().contains(token));

    script.delete(&format!("/api/api-keys/{}", key["id"].as_str().unwrap())).await.expect(204);
    script.get("/api/users/me").await.refused(401, "not_signed_in");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_are_made_and_renewed_from_a_session_only() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let soon = pid_core::Timestamp::from_millis(app.app().clock().now().millis() + 3_600_000).to_string();
    let (id, token) = make(&admin.agent, json!({ "name": "short", "description": "", "expiresAt": soon })).await;
    let script = app.agent().with_header("x-api-key", &token);
    script
        .post("/api/api-keys", &json!({ "name": "more", "expiresAt": FAR }))
        .await
        .refused(403, "api_key_auth_not_allowed");
    let renew = format!("/api/api-keys/{id}/renew");
    admin.agent.post(&renew, &json!({ "expiresAt": FAR })).await.refused(409, "api_key_not_expired");

    app.advance(3601);
    script.get("/api/users/me").await.refused(401, "not_signed_in");
    admin_again(&app).await.post(&renew, &json!({ "expiresAt": FAR })).await.refused(404, "api_key_not_found");
    let mut admin = admin;
    admin.sign_in().await.expect(200);
    let renewed = admin.agent.post(&renew, &json!({ "expiresAt": FAR })).await.expect(200).json();
    script.get("/api/users/me").await.refused(401, "not_signed_in");
    let script = app.agent().with_header("x-api-key", renewed["token"].as_str().unwrap());
    script.get("/api/users/me").await.expect(200);
}

/// Another person's session.
async fn admin_again(app: &TestApp) -> Agent {
    app.person("other").await.agent
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn scopes_limit_a_key() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let (_, reads) = make(&admin.agent, json!({ "name": "reads", "expiresAt": FAR, "scopes": ["read-only"] })).await;
    let (_, clients) = make(&admin.agent, json!({ "name": "clients", "expiresAt": FAR, "scopes": ["clients"] })).await;
    let reads = app.agent().with_header("x-api-key", &reads);
    let clients = app.agent().with_header("x-api-key", &clients);
    let client = json!({ "name": "App", "callbackURLs": [] });
    reads.get("/api/users").await.expect(200);
    reads.post("/api/oidc/clients", &client).await.refused(403, "api_key_scope_insufficient");
    clients.post("/api/oidc/clients", &client).await.expect(201);
    clients.get("/api/users").await.refused(403, "api_key_scope_insufficient");
    clients.get("/api/application-configuration/all").await.refused(403, "api_key_scope_insufficient");
    let wrong = json!({ "name": "wrong", "expiresAt": FAR, "scopes": ["everything"] });
    admin.agent.post("/api/api-keys", &wrong).await.refused(400, "invalid_request_body");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_that_were_never_used_come_before_every_use() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let (_, used) = make(&admin.agent, json!({ "name": "used", "expiresAt": FAR })).await;
    make(&admin.agent, json!({ "name": "new", "expiresAt": FAR })).await;
    app.agent().with_header("x-api-key", &used).get("/api/users/me").await.expect(200);
    app.app().seen().write(app.app()).await.unwrap();
    for (direction, first) in [("asc", "new"), ("desc", "used")] {
        let path = format!("/api/api-keys?sort[column]=lastUsedAt&sort[direction]={direction}");
        assert_eq!(admin.agent.get(&path).await.expect(200).json()["data"][0]["name"], first, "{direction}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bad_keys_are_refused() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let refused =
        admin.agent.post("/api/api-keys", &json!({ "name": "ab" })).await.refused(400, "validation_failed").json();
    let fields: Vec<&str> =
        refused["details"]["fields"].as_array().unwrap().iter().map(|f| f["field"].as_str().unwrap()).collect();
    assert_eq!(fields, ["name", "expiresAt"]);
    let past = json!({ "name": "past", "expiresAt": "2001-01-01T00:00:00Z" });
    admin.agent.post("/api/api-keys", &past).await.refused(400, "invalid_api_key_expiration");
    app.agent().with_header("x-api-key", "no such key").get("/api/users").await.refused(401, "not_signed_in");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disabled_owner_s_key_is_refused() {
    let app = TestApp::start().await;
    app.admin().await;
    let tim = app.person("tim").await;
    let (_, token) = make(&tim.agent, json!({ "name": "tim", "expiresAt": FAR })).await;
    let script = app.agent().with_header("x-api-key", &token);
    script.get("/api/users/me").await.expect(200);
    script.get("/api/users").await.refused(403, "forbidden");
    let path = format!("/api/users/{}", tim.id());
    app.script().patch(&path, &json!({ "disabled": true }), None).await.expect(200);
    script.get("/api/users/me").await.refused(403, "user_disabled");
}
