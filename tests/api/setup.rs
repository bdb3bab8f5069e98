//! `/api/signup/setup` (api.md §23.3).

use pid_tests::TestApp;
use serde_json::{Value, json};

const PATH: &str = "/api/signup/setup";

fn ada() -> Value {
    json!({ "username": "ada", "email": "ada@example.com", "firstName": " Ada ", "lastName": "Lovelace" })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_person_becomes_the_administrator() {
    let app = TestApp::start().await;
    let mut admin = app.admin().await;
    assert_eq!(admin.user["isAdmin"], true);
    admin.sign_in().await.expect(200);
    let tim = app.person("tim").await;
    assert_eq!(tim.user["isAdmin"], false);
    let client = app.client(json!({})).await;
    assert_eq!(client["secret"].as_str().unwrap().len(), 32);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn set_up_answers_the_user_and_signs_in() {
    let mut app = TestApp::start().await;
    let browser = app.agent();
    assert_eq!(browser.get(PATH).await.expect(204).body, b"");
    let made = browser.post(PATH, &ada()).await.expect(200).json();
    assert_eq!(
        made,
        json!({
            "id": made["id"], "username": "ada", "email": "ada@example.com", "emailVerified": false, "firstName": "Ada",
            "lastName": "Lovelace", "displayName": "Ada Lovelace", "isAdmin": true, "locale": null, "customClaims": [],
            "userGroups": [], "ldapId": null, "disabled": false,
        })
    );
    assert_eq!(browser.get("/api/users/me").await.expect(200).json(), made);
    app.restart().await;
    app.agent().get(PATH).await.refused(404, "setup_not_available");
    app.agent().post(PATH, &ada()).await.refused(409, "setup_already_completed");
    browser.get("/api/users/me").await.expect(200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bad_values_leave_set_up_open() {
    let app = TestApp::start().await;
    let browser = app.agent();
    browser.post(PATH, &json!({})).await.invalid(&["username required", "email required"]);
    let bad = json!({ "username": "a b", "email": "ada@localhost", "firstName": "x".repeat(51), "lastName": "a\nb" });
    browser.post(PATH, &bad).await.invalid(&[
        "username invalid_format",
        "firstName too_long",
        "lastName invalid_format",
        "email invalid_format",
    ]);
    let form = browser.request(http::Method::POST, PATH).header("content-type", "text/plain").body(ada().to_string());
    browser.send(form).await.refused(400, "invalid_request_body");
    browser.get(PATH).await.expect(204);
    browser.post(PATH, &ada()).await.expect(200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_defaults_hold_for_the_first_person_too() {
    let app = TestApp::start().await;
    let script = app.script();
    let group = script.post("/api/user-groups", &json!({ "name": "staff", "friendlyName": "Staff" })).await.id();
    let settings = json!({
        "signupDefaultUserGroupIDs": json!([group]).to_string(), "requireUserEmail": "false",
        "signupDefaultCustomClaims": json!([{ "key": "level", "value": "1" }]).to_string(),
    });
    script.patch("/api/application-configuration", &settings, None).await.expect(200);
    let browser = app.agent();
    browser.post(PATH, &json!({ "username": "ada" })).await.expect(200);
    let me = browser.get("/api/users/me").await.json();
    assert_eq!((&me["email"], &me["displayName"]), (&Value::Null, &json!("")));
    assert_eq!(me["userGroups"][0]["name"], "staff");
    assert_eq!(me["customClaims"], json!([{ "key": "level", "value": "1" }]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn from_a_public_address_the_printed_code_is_asked_for() {
    let mut app = TestApp::start_with(&[("TRUST_PROXY", "127.0.0.1")]).await;
    let outside = app.agent().with_header("x-forwarded-for", "203.0.113.7");
    outside.get(PATH).await.expect(204);
    outside.post(PATH, &ada()).await.refused(403, "setup_code_required");
    let with_code = |code: &str| {
        let mut body = ada();
        body["setupCode"] = json!(code);
        body
    };
    for _ in 0..10 {
        outside.post(PATH, &with_code("WRONG")).await.refused(403, "setup_code_required");
    }
    outside.post(PATH, &with_code("WRONG")).await.refused(429, "rate_limited");
    // Guesses are counted in the store, per address; a new start prints another code.
    let first = app.setup_code().to_owned();
    app.restart().await;
    let outside = app.agent().with_header("x-forwarded-for", "203.0.113.7");
    outside.post(PATH, &with_code(app.setup_code())).await.refused(429, "rate_limited");
    app.advance(600);
    outside.post(PATH, &with_code(&first)).await.refused(403, "setup_code_required");
    // Typed as it is read: in small letters, in groups.
    let code = app.setup_code().to_lowercase();
    outside.post(PATH, &with_code(&format!(" {}-{} ", &code[..6], &code[6..]))).await.expect(200);
}
