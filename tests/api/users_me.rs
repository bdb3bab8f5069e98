//! `/api/users/me` (api.md §13.2, §13.5).

use pid_tests::TestApp;
use serde_json::{Value, json};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn people_see_and_edit_themselves() {
    let app = TestApp::start().await;
    let tim = app.person("tim").await;
    let me = tim.agent.get("/api/users/me").await.expect(200);
    assert_eq!(me.json(), tim.user);
    let body = json!({ "username": "tom", "email": "tim@example.com", "firstName": "Tom", "locale": "fr" });
    let changed = tim.agent.put("/api/users/me", &body).await.expect(200).json();
    assert_eq!(
        (&changed["username"], &changed["firstName"], &changed["lastName"], &changed["locale"]),
        (&json!("tom"), &json!("Tom"), &json!(""), &json!("fr"))
    );
    tim.agent
        .patch("/api/users/me", &json!({ "lastName": "Test" }), Some(&me.etag()))
        .await
        .refused(412, "version_mismatch");
    let now = tim.agent.get("/api/users/me").await.etag();
    let patched = tim.agent.patch("/api/users/me", &json!({ "lastName": "Test" }), Some(&now)).await.expect(200).json();
    assert_eq!((&patched["firstName"], &patched["lastName"]), (&json!("Tom"), &json!("Test")));
    tim.agent.put("/api/users/me", &json!({})).await.invalid(&["username required", "email required"]);
    let key_user = app.script().get("/api/users/me").await.expect(200).json();
    assert_eq!(key_user["id"], "00000000-0000-0000-0000-000000000000");
    assert_eq!((&key_user["displayName"], &key_user["email"]), (&json!("Static API User"), &Value::Null));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_address_is_not_verified() {
    let app = TestApp::start().await;
    let tim = app.person("tim").await;
    let verify = async |verified: bool| {
        let path = format!("/api/users/{}", tim.id());
        app.script().patch(&path, &json!({ "emailVerified": verified }), None).await.expect(200);
    };
    let edit = async |body: Value| {
        tim.agent.patch("/api/users/me", &body, None).await.expect(200).json()["emailVerified"].clone()
    };
    verify(true).await;
    assert_eq!(edit(json!({ "firstName": "T" })).await, true);
    assert_eq!(edit(json!({ "email": "TIM@example.com" })).await, true, "the same address");
    assert_eq!(edit(json!({ "email": "tim@new.example" })).await, false);
    assert_eq!(edit(json!({ "emailVerified": true })).await, false, "nobody verifies themselves");
    app.script().patch("/api/application-configuration", &json!({ "emailsVerified": "true" }), None).await.expect(200);
    assert_eq!(edit(json!({ "email": "tim@other.example" })).await, true);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_self_editing_only_the_locale_changes() {
    let app = TestApp::start().await;
    let tim = app.person("tim").await;
    app.script()
        .patch("/api/application-configuration", &json!({ "allowOwnAccountEdit": "false" }), None)
        .await
        .expect(200);
    let body = json!({ "username": "tom", "email": "tom@example.com", "firstName": "Tom", "locale": "nl" });
    let changed = tim.agent.put("/api/users/me", &body).await.expect(200).json();
    let mut expected = tim.user.clone();
    expected["locale"] = json!("nl");
    assert_eq!(changed, expected);
    tim.agent.put("/api/users/me", &json!({ "locale": "nl" })).await.invalid(&["username required", "email required"]);
}
