//! Section A at registration: addresses that a client may not have.

use pid_tests::TestApp;
use serde_json::json;

/// Every list of addresses refuses an entry, on creation and on change, and keeps what it had.
async fn refused_as_callback(app: &TestApp, entry: &str) {
    let script = app.script();
    let bad = json!({ "name": "Bad", "callbackURLs": ["https://ok.example/cb", entry] });
    script.post("/api/oidc/clients", &bad).await.invalid(&["callbackURLs[1] callback_url_pattern"]);
    let path = "/api/oidc/clients/kept";
    script.put(path, &bad).await.invalid(&["callbackURLs[1] callback_url_pattern"]);
    let patch = json!({ "callbackURLs": [entry] });
    script.patch(path, &patch, None).await.invalid(&["callbackURLs[0] callback_url_pattern"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_004_response_parameters_and_fragments_can_t_be_registered() {
    let mut app = TestApp::start().await;
    let kept = app.client(json!({ "id": "kept", "isPublic": true })).await;
    for query in ["code=x", "state=x", "iss=x", "error=x", "a=b&state=x", "%63ode=x", "st%61te", "code"] {
        refused_as_callback(&app, &format!("https://app.example/cb?{query}")).await;
    }
    for entry in ["https://app.example/cb#", "https://app.example/cb#x", "https://app.example/#/cb?code=1", "#"] {
        refused_as_callback(&app, entry).await;
    }
    app.restart().await;
    assert_eq!(app.script().get("/api/oidc/clients/kept").await.json()["callbackURLs"], kept["callbackURLs"]);
    assert_eq!(app.script().get("/api/oidc/clients").await.json()["pagination"]["totalItems"], 1);
    // Another query is part of the address.
    app.client(json!({ "isPublic": true, "callbackURLs": ["https://app.example/cb?tenant=1"] })).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_005_dangerous_schemes_can_t_be_registered() {
    let app = TestApp::start().await;
    app.client(json!({ "id": "kept", "isPublic": true })).await;
    let script = app.script();
    for entry in [
        "javascript:alert(1)",
        "JaVaScRiPt:alert(1)",
        "javascript://app.example/%0aalert(1)",
        " javascript:alert(1)",
        "\tjavascript:alert(1)",
        "java\tscript:alert(1)",
        "java\nscript:alert(1)",
        "\u{1}javascript:alert(1)",
        "data:text/html,<script>alert(1)</script>",
        "DATA:text/html;base64,PHNjcmlwdD4=",
        "vbscript:msgbox(1)",
        "file:///etc/passwd",
        "FILE://host/share",
        "blob:https://app.example/0",
        "https://app.example/cb\r\nSet-Cookie: a=b",
        "https://app.example/\u{0}",
        " https://app.example/cb",
        "https://app.example/cb ",
    ] {
        refused_as_callback(&app, entry).await;
        for (name, value) in [("logoutCallbackURLs", json!([entry])), ("launchURL", json!(entry))] {
            let refused = script.patch("/api/oidc/clients/kept", &json!({ name: value }), None).await;
            let field = refused.refused(400, "validation_failed").json()["details"]["fields"][0]["field"].clone();
            assert!(field.as_str().unwrap().starts_with(name), "{entry:?}: {field}");
        }
    }
    let kept = script.get("/api/oidc/clients/kept").await.json();
    assert_eq!((&kept["callbackURLs"], &kept["launchURL"]), (&json!(["https://app.example/cb"]), &json!(null)));
}
