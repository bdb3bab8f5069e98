//! `/api/custom-claims` (api.md §15).

use pid_tests::TestApp;
use serde_json::json;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn claims_are_replaced_as_a_set() {
    let app = TestApp::start().await;
    let (script, tim) = (app.script(), app.person("tim").await);
    let path = format!("/api/custom-claims/user/{}", tim.id());
    let before = script.get(&format!("/api/users/{}", tim.id())).await.etag();
    let set = json!([{ "key": "department", "value": "R&D <1>" }, { "key": "nested", "value": "{\"a\":[1]}" }]);
    assert_eq!(script.put(&path, &set).await.expect(200).json(), set);
    let read = script.get(&format!("/api/users/{}", tim.id())).await;
    assert_eq!(read.json()["customClaims"], set);
    assert_ne!(read.etag(), before, "the version rises, since the representation changed");
    let next = json!([{ "key": "department", "value": "Sales" }]);
    assert_eq!(script.put(&path, &next).await.expect(200).json(), next);
    assert_eq!(script.put(&path, &json!([])).await.expect(200).json(), json!([]));

    let group = script.post("/api/user-groups", &json!({ "name": "staff", "friendlyName": "Staff" })).await.id();
    let path = format!("/api/custom-claims/user-group/{group}");
    assert_eq!(script.put(&path, &next).await.expect(200).json(), next);
    assert_eq!(script.get(&format!("/api/user-groups/{group}")).await.json()["customClaims"], next);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bad_sets_are_refused_and_nothing_is_stored() {
    let app = TestApp::start().await;
    let (script, tim) = (app.script(), app.person("tim").await);
    let path = format!("/api/custom-claims/user/{}", tim.id());
    let kept = json!([{ "key": "kept", "value": "1" }]);
    script.put(&path, &kept).await.expect(200);
    let twice = json!([{ "key": "a", "value": "1" }, { "key": "a", "value": "2" }, { "key": "sub", "value": "3" }]);
    let refused = script.put(&path, &twice).await.refused(400, "duplicate_claim").json();
    assert_eq!(refused["details"]["key"], "a");
    assert_eq!(refused["details"]["fields"][0]["field"], "key");
    assert_eq!(refused["details"]["fields"][0]["code"], "duplicate");
    // Alike after normalisation is alike.
    let alike = json!([{ "key": "caf\u{e9}", "value": "1" }, { "key": "cafe\u{301}", "value": "2" }]);
    script.put(&path, &alike).await.refused(400, "duplicate_claim");
    // Of several bad claims the first is named.
    script.put(&path, &json!([{}, { "key": "a" }])).await.invalid(&["key required", "value required"]);
    script.put(&path, &json!([{ "key": "a", "value": "" }])).await.invalid(&["value required"]);
    script.put(&path, &json!([{ "key": "a\u{200b}", "value": "1" }])).await.invalid(&["key invalid_format"]);
    for body in [json!({ "key": "a", "value": "1" }), json!([{ "key": "a", "value": 1 }]), json!([["a", "1"]])] {
        script.put(&path, &body).await.refused(400, "invalid_request_body");
    }
    assert_eq!(script.get(&format!("/api/users/{}", tim.id())).await.json()["customClaims"], kept);
    script.put("/api/custom-claims/user/nobody", &kept).await.refused(404, "user_not_found");
    let refused = script.put("/api/custom-claims/user-group/none", &kept).await.refused(404, "not_found");
    assert_eq!(refused.json()["details"], json!({ "resource": "User group" }));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_protocol_s_names_are_reserved() {
    let app = TestApp::start().await;
    let (script, tim) = (app.script(), app.person("tim").await);
    let path = format!("/api/custom-claims/user/{}", tim.id());
    let reserved = "given_name family_name name email email_verified preferred_username display_name groups type sub iss aud \
        exp iat auth_time nonce acr amr azp client_id nbf jti sid";
    for key in reserved.split_whitespace() {
        let refused =
            script.put(&path, &json!([{ "key": key, "value": "1" }])).await.refused(400, "reserved_claim").json();
        assert_eq!(refused["details"]["key"], key);
        assert_eq!(refused["details"]["fields"][0]["code"], "reserved");
    }
    script.put(&path, &json!([{ "key": "picture", "value": "x" }, { "key": "Sub", "value": "1" }])).await.expect(200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn suggestions_begin_with_the_most_used() {
    let app = TestApp::start().await;
    let (script, tim) = (app.script(), app.person("tim").await);
    assert_eq!(script.get("/api/custom-claims/suggestions").await.expect(200).json(), json!([]));
    let group = script.post("/api/user-groups", &json!({ "name": "staff", "friendlyName": "Staff" })).await.id();
    let both = json!([{ "key": "rare", "value": "1" }, { "key": "usual", "value": "1" }]);
    script.put(&format!("/api/custom-claims/user/{}", tim.id()), &both).await.expect(200);
    script
        .put(&format!("/api/custom-claims/user-group/{group}"), &json!([{ "key": "usual", "value": "2" }]))
        .await
        .expect(200);
    assert_eq!(script.get("/api/custom-claims/suggestions").await.json(), json!(["usual", "rare"]));
}
