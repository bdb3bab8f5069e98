//! `/api/device-login/…` (api.md §23.2).

use std::time::{Duration, Instant};

use http::Method;
use pid_tests::{Agent, Person, Reply, TestApp};
use serde_json::{Value, json};

const REQUESTS: &str = "/api/device-login/requests";
const LOOK: &str = "/api/device-login/verification";
const DECIDE: &str = "/api/device-login/verification/decision";

async fn ask(browser: &Agent) -> Value {
    browser.send(browser.request(Method::POST, REQUESTS)).await.expect(201).json()
}

async fn exchange(browser: &Agent, request: &Value) -> Reply {
    let path = format!("{REQUESTS}/{}/exchange", request["id"].as_str().unwrap());
    browser.send(browser.request(Method::POST, &path)).await
}

/// Asks on until it is decided, as a page does.
async fn wait(browser: &Agent, request: &Value) -> Reply {
    loop {
        let reply = exchange(browser, request).await;
        if reply.status != 202 {
            return reply;
        }
    }
}

fn decision(request: &Value, decision: &str) -> Value {
    json!({ "code": request["userCode"], "decision": decision, "number": request["number"] })
}

async fn approve(person: &mut Person, body: &Value) -> Reply {
    person.reauthenticate().await.expect(204);
    person.agent.post(DECIDE, body).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_browser_is_let_in_from_another() {
    let app = TestApp::start().await;
    let mut tim = app.person("tim").await;
    let browser =
        app.agent().with_header("user-agent", "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0");
    let reply = browser.send(browser.request(Method::POST, REQUESTS)).await.expect(201);
    let request = reply.json();
    let code = request["id"].as_str().unwrap();
    assert!(code.starts_with('P') && code.len() == 8, "{code}");
    assert!(code.bytes().all(|b| pid_core::entropy::LOGIN_CODE.contains(&b)), "{code}");
    assert_eq!(request["userCode"], code);
    assert_eq!(request["verificationUri"], format!("{}/device", app.url()));
    assert_eq!(request["verificationUriComplete"], format!("{}/device?user_code={code}", app.url()));
    assert_eq!(request["interval"], 3);
    assert!((11..=99).contains(&request["number"].as_i64().unwrap()));
    assert!(request["qrCode"].as_str().unwrap().starts_with("<svg"));
    let cookie = reply.header("set-cookie").unwrap();
    assert!(cookie.starts_with("device_login_token="), "{cookie}");
    for part in
        [format!("Path={REQUESTS}/{code}/exchange"), "HttpOnly".into(), "SameSite=Lax".into(), "Max-Age=900".into()]
    {
        assert!(cookie.contains(&part), "{part}: {cookie}");
    }

    // Typed as it is read aloud.
    let typed = format!(" {}-{} ", code[..4].to_lowercase(), &code[4..]);
    let shown = tim.agent.post(LOOK, &json!({ "code": typed })).await.expect(200).json();
    assert_eq!(
        shown,
        json!({
            "userCode": code, "device": "Firefox on Linux", "ipAddress": "127.0.0.1", "country": "Internal Network",
            "city": "LAN", "expiresAt": request["expiresAt"],
        }),
        "and no number: who decides has to see it on the other device"
    );
    // Woken at once, not at the next look.
    let waiting = tokio::spawn({
        let (browser, request) = (browser.clone(), request.clone());
        async move { exchange(&browser, &request).await }
    });
    tim.reauthenticate().await.expect(204);
    while app.app().waits().count() == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let asked = Instant::now();
    assert_eq!(tim.agent.post(DECIDE, &decision(&request, "approve")).await.expect(204).body, b"");
    let signed_in = waiting.await.unwrap().expect(200);
    assert!(asked.elapsed() < Duration::from_millis(1500), "{:?}", asked.elapsed());
    assert_eq!(signed_in.json()["username"], "tim");
    assert_eq!(browser.get("/api/users/me").await.expect(200).json()["id"], tim.id());
    let log = &app.events("REMOTE_SIGN_IN").await[0];
    assert_eq!(
        (&log["device"], &log["userID"], &log["data"]),
        (&json!("Firefox on Linux"), &json!(tim.id()), &json!({}))
    );
    let sessions = browser.get("/api/sessions").await.expect(200).json();
    assert!(sessions.as_array().unwrap().iter().any(|s| s["signInMethod"] == "device" && s["isCurrent"] == true));
    // Once is all.
    exchange(&browser, &request).await.refused(401, "device_login_expired");
    tim.agent.post(LOOK, &json!({ "code": code })).await.refused(401, "device_login_expired");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_browser_is_kept_out() {
    let app = TestApp::start().await;
    let (tim, browser) = (app.person("tim").await, app.agent());
    let request = ask(&browser).await;
    // No passkey is needed for that, and no number.
    let deny = json!({ "code": request["userCode"], "decision": "deny" });
    tim.agent.post(DECIDE, &deny).await.expect(204);
    exchange(&browser, &request).await.refused(403, "device_login_denied");
    assert_eq!(browser.cookie("access_token"), None);
    tim.agent.post(DECIDE, &deny).await.refused(401, "device_login_expired");
    assert_eq!(app.events("REMOTE_SIGN_IN_DENIED").await.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_minutes_are_the_end() {
    let app = TestApp::start().await;
    let mut tim = app.person("tim").await;
    let browser = app.agent();
    let (late, request) = (ask(&browser).await, ask(&browser).await);
    app.advance(299);
    approve(&mut tim, &decision(&request, "approve")).await.expect(204);
    exchange(&browser, &request).await.expect(200);
    app.advance(1);
    exchange(&browser, &late).await.refused(401, "device_login_expired");
    approve(&mut tim, &decision(&late, "approve")).await.refused(401, "device_login_expired");
    // An approval that nobody fetched is over then, too.
    let unfetched = ask(&browser).await;
    approve(&mut tim, &decision(&unfetched, "approve")).await.expect(204);
    app.advance(300);
    exchange(&browser, &unfetched).await.refused(401, "device_login_expired");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bad_values_are_named() {
    let app = TestApp::start().await;
    let tim = app.person("tim").await;
    tim.agent.post(LOOK, &json!({})).await.invalid(&["code required"]);
    tim.agent.post(DECIDE, &json!({ "decision": "deny" })).await.invalid(&["code required"]);
    tim.agent.post(DECIDE, &json!({ "code": "PAAAAAAA" })).await.invalid(&["decision required"]);
    tim.agent.post(DECIDE, &json!({ "code": "PAAAAAAA", "decision": "maybe" })).await.invalid(&["decision oneof"]);
    let text = json!({ "code": "PAAAAAAA", "decision": "approve", "number": "many" });
    tim.agent.post(DECIDE, &text).await.refused(400, "invalid_request_body");
    for code in ["PAAAAAAA", "EAAAAAAA", "nonsense"] {
        tim.agent.post(LOOK, &json!({ "code": code })).await.refused(401, "device_login_expired");
    }
    app.script().post(LOOK, &json!({ "code": "PAAAAAAA" })).await.refused(403, "api_key_auth_not_allowed");
    let browser = app.agent();
    for id in ["PAAAAAAA", "nobody", "%C3%A4"] {
        let path = format!("{REQUESTS}/{id}/exchange");
        browser.send(browser.request(Method::POST, &path)).await.refused(401, "device_login_expired");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_browser_that_goes_away_is_waited_for_no_more() {
    let app = TestApp::start().await;
    let browser = app.agent();
    let request = ask(&browser).await;
    let waiting = tokio::spawn({
        let (browser, request) = (browser.clone(), request.clone());
        async move { exchange(&browser, &request).await }
    });
    let count = async |wanted: usize| {
        for _ in 0..400 {
            if app.app().waits().count() == wanted {
                return;
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        panic!("{} wait, not {wanted}", app.app().waits().count());
    };
    count(1).await;
    waiting.abort();
    count(0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_stops_keeps_nobody_waiting() {
    let mut app = TestApp::start().await;
    let mut tim = app.person("tim").await;
    let browser = app.agent();
    let request = ask(&browser).await;
    let waiting = tokio::spawn({
        let (browser, request) = (browser.clone(), request.clone());
        async move { exchange(&browser, &request).await }
    });
    while app.app().waits().count() == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let begin = Instant::now();
    app.restart().await;
    assert!(begin.elapsed() < Duration::from_secs(4), "{:?}", begin.elapsed());
    waiting.await.unwrap().expect(202);
    // The request survives the restart.
    approve(&mut tim, &decision(&request, "approve")).await.expect(204);
    wait(&browser, &request).await.expect(200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_replica_s_decision_is_found() {
    if !pid_tests::on_postgres() {
        return;
    }
    let app = TestApp::start().await;
    let mut tim = app.person("tim").await;
    let replica = app.replica().await;
    let browser = Agent::new(&replica.listens_at());
    let request = ask(&browser).await;
    let waiting = tokio::spawn({
        let (browser, request) = (browser.clone(), request.clone());
        async move { wait(&browser, &request).await }
    });
    tim.reauthenticate().await.expect(204);
    while replica.app().waits().count() == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let decided = Instant::now();
    tim.agent.post(DECIDE, &decision(&request, "approve")).await.expect(204);
    waiting.await.unwrap().expect(200);
    assert!(decided.elapsed() < Duration::from_secs(5), "{:?}", decided.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_over_is_forgotten() {
    let app = TestApp::start().await;
    ask(&app.agent()).await;
    app.script().post("/api/signup-tokens", &json!({ "usageLimit": 1, "ttl": "1h" })).await.expect(201);
    let kept = || {
        let stored = app.stored();
        ["device_logins: ", "signup_tokens: "].map(|table| stored.lines().filter(|l| l.starts_with(table)).count())
    };
    // Each an hour after its end; who cleans up does so for half an hour.
    for (secs, rows) in [(1700, [1, 1]), (2202, [0, 1]), (3600, [0, 0])] {
        app.advance(secs);
        pid_jobs::clean_up(app.app(), 90).await.unwrap();
        assert_eq!(kept(), rows, "{secs}");
    }
}
