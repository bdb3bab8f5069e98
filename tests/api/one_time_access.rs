//! `/api/users/{id}/one-time-access-token` and `/api/one-time-access-token/{token}` (api.md §23.1).

use pid_tests::{Agent, Reply, TestApp};
use serde_json::{Value, json};

async fn code(app: &TestApp, user: &str, body: Value) -> String {
    let made = app.script().post(&format!("/api/users/{user}/one-time-access-token"), &body).await.expect(201).json();
    let link = format!("{}/lc/{}", app.url(), made["token"].as_str().unwrap());
    assert_eq!(made["link"], link);
    assert!(made["qrCode"].as_str().unwrap().starts_with("<svg"));
    made["token"].as_str().unwrap().to_owned()
}

async fn exchange(agent: &Agent, code: &str) -> Reply {
    agent.send(agent.request(http::Method::POST, &format!("/api/one-time-access-token/{code}"))).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_code_signs_in_once() {
    let app = TestApp::start().await;
    let tim = app.person("tim").await;
    let code = code(&app, tim.id(), json!({})).await;
    assert!(code.len() == 6 && code.chars().all(|c| "ABCDEFGHJKMNPQRSTUVWXYZ0123456789".contains(c)), "{code}");
    let browser = app.agent();
    // No body and no content type are needed; case, blanks and dashes don't matter.
    let typed = format!("{}-%20{}", code[..3].to_lowercase(), &code[3..]);
    let signed_in = exchange(&browser, &typed).await.expect(200);
    assert_eq!(signed_in.json(), tim.user);
    assert_eq!(browser.get("/api/users/me").await.expect(200).json()["id"], tim.id());
    exchange(&app.agent(), &code).await.refused(401, "token_invalid_or_expired");
    let log = browser.get("/api/audit-logs?filters[event]=TOKEN_SIGN_IN").await.json();
    assert_eq!(log["pagination"]["totalItems"], 2, "the one of the harness and this one");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_code_lives_as_long_as_is_asked_for() {
    let app = TestApp::start().await;
    let tim = app.person("tim").await;
    for (ttl, length, lives) in [
        (json!({}), 6, 900),
        (json!({ "ttl": "" }), 6, 900),
        (json!({ "ttl": 0 }), 6, 900),
        (json!({ "ttl": "15m" }), 6, 900),
        (json!({ "ttl": 901 }), 12, 901),
        (json!({ "ttl": "1h30m" }), 12, 5400),
        (json!({ "ttl": 2 }), 6, 2),
    ] {
        let code = code(&app, tim.id(), ttl.clone()).await;
        assert_eq!(code.len(), length, "{ttl}");
        app.advance(lives - 1);
        exchange(&app.agent(), &code).await.expect(200);
        let late = self::code(&app, tim.id(), ttl.clone()).await;
        app.advance(lives);
        exchange(&app.agent(), &late).await.refused(401, "token_invalid_or_expired");
        app.advance(3600);
    }
    let path = format!("/api/users/{}/one-time-access-token", tim.id());
    let script = app.script();
    script.post(&path, &json!({ "ttl": "744h" })).await.expect(201);
    for ttl in [json!("744h1s"), json!(1), json!("1s"), json!("500ms"), json!(-5), json!("-1h"), json!(1e300)] {
        script.post(&path, &json!({ "ttl": ttl })).await.invalid(&["ttl ttl"]);
    }
    for ttl in [json!("1d"), json!(true), json!("soon"), json!([]), Value::Null] {
        script.post(&path, &json!({ "ttl": ttl })).await.refused(400, "invalid_request_body");
    }
    script.send(script.request(http::Method::POST, &path)).await.refused(400, "invalid_request_body");
    script.post("/api/users/nobody/one-time-access-token", &json!({})).await.refused(404, "user_not_found");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn several_codes_may_be_live_and_a_disabled_person_s_is_kept() {
    let app = TestApp::start().await;
    let (script, tim) = (app.script(), app.person("tim").await);
    let (one, two) = (code(&app, tim.id(), json!({})).await, code(&app, tim.id(), json!({})).await);
    exchange(&app.agent(), &two).await.expect(200);
    let path = format!("/api/users/{}", tim.id());
    script.patch(&path, &json!({ "disabled": true }), None).await.expect(200);
    exchange(&app.agent(), &one).await.refused(403, "user_disabled");
    script.patch(&path, &json!({ "disabled": false }), None).await.expect(200);
    exchange(&app.agent(), &one).await.expect(200);
}
