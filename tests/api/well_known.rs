//! What browsers and password managers look up about passkeys.

use pid_tests::TestApp;
use serde_json::json;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn password_managers_find_where_passkeys_are_managed() {
    let app = TestApp::start().await;
    let found = app.agent().get("/.well-known/passkey-endpoints").await.expect(200);
    assert_eq!(found.header("content-type"), Some("application/json; charset=utf-8"));
    let account = format!("{}/settings/account", app.url());
    assert_eq!(found.json(), json!({ "enroll": account, "manage": account }));
    let there = app.agent().get("/settings/account").await.expect(302);
    assert!(there.location().starts_with("/"), "a page of ours");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn related_origins_are_told_while_they_are_set() {
    let app = TestApp::start().await;
    const PATH: &str = "/.well-known/webauthn";
    app.agent().get(PATH).await.expect(404);
    let set = async |list: &str| {
        let values = json!({ "webauthnRelatedOrigins": list });
        app.script().patch("/api/application-configuration", &values, None).await.expect(200);
    };
    set("[\"https://id.lan\",\"https://id.lan:8443\"]").await;
    let found = app.agent().get(PATH).await.expect(200);
    assert_eq!(found.header("content-type"), Some("application/json; charset=utf-8"));
    assert_eq!(found.json(), json!({ "origins": ["https://id.lan", "https://id.lan:8443"] }));
    // No other address is asked for: what is taken out counts no more.
    assert!(found.header("cache-control").unwrap().contains("no-store"));
    set("[]").await;
    app.agent().get(PATH).await.expect(404);
}
