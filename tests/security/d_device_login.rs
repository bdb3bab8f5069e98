//! Section D: signing in with another device; with what sections E and F say of it.

use http::Method;
use pid_tests::{Agent, Person, RelyingParty, Reply, TestApp};
use serde_json::{Value, json};

const REQUESTS: &str = "/api/device-login/requests";
const LOOK: &str = "/api/device-login/verification";
const DECIDE: &str = "/api/device-login/verification/decision";

async fn ask(browser: &Agent) -> Value {
    browser.send(browser.request(Method::POST, REQUESTS)).await.expect(201).json()
}

fn exchange_path(request: &Value) -> String {
    format!("{REQUESTS}/{}/exchange", request["id"].as_str().unwrap())
}

async fn exchange(browser: &Agent, request: &Value) -> Reply {
    browser.send(browser.request(Method::POST, &exchange_path(request))).await
}

fn approval(request: &Value) -> Value {
    json!({ "code": request["userCode"], "decision": "approve", "number": request["number"] })
}

async fn approve(person: &mut Person, body: &Value) -> Reply {
    person.reauthenticate().await.expect(204);
    person.agent.post(DECIDE, body).await
}

/// A browser that somebody let in.
async fn let_in(app: &TestApp, person: &mut Person, with_number: bool) -> Agent {
    let browser = app.agent();
    let request = ask(&browser).await;
    let mut body = approval(&request);
    if !with_number {
        body.as_object_mut().unwrap().remove("number");
    }
    approve(person, &body).await.expect(204);
    exchange(&browser, &request).await.expect(200);
    browser
}

/// The n-th code that nobody has.
fn wrong(n: usize) -> Value {
    json!({ "code": format!("P{n:07}") })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_042_guesses_of_waiting_browsers_run_out() {
    let mut app = TestApp::start_with(&[("TRUST_PROXY", "127.0.0.1")]).await;
    let mut tim = app.person("tim").await;
    let request = ask(&app.agent().with_header("x-forwarded-for", "198.51.100.9")).await;
    let at = |person: &Person, address: &str| person.agent.clone().with_header("x-forwarded-for", address);
    // Per person, wherever they are; a guess by a decision counts as one by a look.
    for n in 0..4 {
        at(&tim, &format!("198.51.100.{n}")).post(LOOK, &wrong(n)).await.refused(401, "device_login_expired");
    }
    let deny = json!({ "code": "P0000004", "decision": "deny" });
    at(&tim, "198.51.100.4").post(DECIDE, &deny).await.refused(401, "device_login_expired");
    let right = json!({ "code": request["userCode"] });
    let limited = at(&tim, "198.51.100.5").post(LOOK, &right).await.refused(429, "rate_limited");
    let wait: i64 = limited.header("retry-after").unwrap().parse().unwrap();
    // The same budget as for codes of OAuth: one page takes both.
    tim.agent.get("/api/oidc/device/info?code=EAAAAAAA").await.refused(429, "rate_limited");
    app.restart().await;
    at(&tim, "198.51.100.5").post(LOOK, &right).await.refused(429, "rate_limited");
    app.advance(wait);
    at(&tim, "198.51.100.5").post(LOOK, &right).await.expect(200);

    // Per address, whoever is there.
    app.advance(600);
    let mut people = Vec::new();
    for n in 0..6 {
        people.push(app.person(&format!("guesser{n}")).await);
    }
    for (n, person) in people.iter().take(5).enumerate() {
        at(person, "203.0.113.1").post(LOOK, &wrong(n)).await.refused(401, "device_login_expired");
    }
    at(&people[5], "203.0.113.1").post(LOOK, &wrong(5)).await.refused(429, "rate_limited");
    at(&people[5], "203.0.113.2").post(LOOK, &wrong(5)).await.refused(401, "device_login_expired");
    // Nobody is locked out by it who has a passkey (case 102).
    tim.sign_in().await.expect(200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_042_requests_and_strangers_questions_run_out() {
    let app = TestApp::start().await;
    let browser = app.agent();
    let mut requests = Vec::new();
    for _ in 0..5 {
        requests.push(ask(&browser).await);
    }
    let limited = browser.send(browser.request(Method::POST, REQUESTS)).await.refused(429, "rate_limited");
    assert!(limited.header("retry-after").is_some() && limited.header("set-cookie").is_none());
    // Who asks about what isn't theirs runs out, and learns nothing about who waits.
    let stranger = app.agent();
    for n in 0..10 {
        exchange(&stranger, &requests[n % 5]).await.refused(401, "device_login_expired");
    }
    exchange(&stranger, &requests[0]).await.refused(429, "rate_limited");
    app.advance(10);
    ask(&browser).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_043_an_approval_is_one_browser_s_and_works_once() {
    let mut app = TestApp::start_with(&[("DISABLE_RATE_LIMITING", "true")]).await;
    let mut tim = app.person("tim").await;
    let reply = {
        let browser = app.agent();
        browser.send(browser.request(Method::POST, REQUESTS)).await.expect(201)
    };
    let request = reply.json();
    let cookie = reply.header("set-cookie").unwrap().split(';').next().unwrap().to_owned();
    approve(&mut tim, &approval(&request)).await.expect(204);
    // The code alone is worth nothing, nor is another request's cookie, a part of the right one or none.
    let (name, value) = cookie.split_once('=').unwrap();
    for foreign in ["", "x", &value[1..], &value.to_lowercase(), request["id"].as_str().unwrap()] {
        let thief = app.agent();
        thief.set_cookie(name, foreign);
        exchange(&thief, &request).await.refused(401, "device_login_expired");
    }
    let thief = app.agent();
    let own = ask(&thief).await;
    exchange(&thief, &request).await.refused(401, "device_login_expired");
    assert_ne!(own["id"], request["id"]);
    // Of many at once one is in.
    app.restart().await;
    let tasks: Vec<_> = (0..20)
        .map(|_| {
            let (agent, request) = (app.agent(), request.clone());
            agent.set_cookie(name, value);
            tokio::spawn(async move { exchange(&agent, &request).await.status.as_u16() })
        })
        .collect();
    let mut statuses = Vec::new();
    for task in tasks {
        statuses.push(task.await.unwrap());
    }
    statuses.sort_unstable();
    assert_eq!(statuses, [[200].as_slice(), &[401; 19]].concat());
    // At rest there are hashes.
    let stored = app.stored();
    assert!(!stored.contains(value) && !stored.contains(request["id"].as_str().unwrap()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_043_of_many_decisions_one_counts() {
    let app = TestApp::start_with(&[("DISABLE_RATE_LIMITING", "true")]).await;
    let mut tim = app.person("tim").await;
    let browser = app.agent();
    let request = ask(&browser).await;
    tim.reauthenticate().await.expect(204);
    let deny = json!({ "code": request["userCode"], "decision": "deny" });
    let tasks: Vec<_> = (0..10)
        .map(|n| {
            let (agent, body) = (tim.agent.clone(), if n % 2 == 0 { deny.clone() } else { approval(&request) });
            tokio::spawn(async move { agent.post(DECIDE, &body).await.status.as_u16() })
        })
        .collect();
    let mut done = 0;
    for task in tasks {
        let status = task.await.unwrap();
        assert!([204, 401].contains(&status), "{status}");
        done += usize::from(status == 204);
    }
    assert_eq!(done, 1);
    let end = exchange(&browser, &request).await.status.as_u16();
    assert!([200, 403].contains(&end), "{end}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_044_who_came_by_another_device_enters_what_they_may() {
    let app = TestApp::start().await;
    let mut tim = app.person("tim").await;
    let rp = RelyingParty::register(&app, json!({ "isGroupRestricted": true })).await;
    tim.agent = let_in(&app, &mut tim, true).await;
    let answer = tim.agent.get(&rp.asks("openid").path()).await;
    let answer = tim.follow(answer).await;
    assert!(answer.redirected("code").is_none(), "in no group: {}", answer.location());
    let open = RelyingParty::register(&app, json!({})).await;
    let tokens = open.sign_in(&mut tim, "openid").await;
    let claims = open.verify(tokens.id()).await.claims;
    assert_eq!(claims["amr"], json!(["otp"]), "no passkey was used on this device");
    // Where a passkey is asked for, its absence is not hidden.
    let silent = open.asks("openid").with("prompt", "none").with("max_age", "0");
    assert_eq!(tim.agent.get(&silent.path()).await.redirected("error").as_deref(), Some("login_required"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_045_who_lets_a_browser_in_has_to_see_it() {
    let app = TestApp::start_with(&[("DISABLE_RATE_LIMITING", "true")]).await;
    let mut tim = app.person("tim").await;
    let browser = app.agent();
    let request = ask(&browser).await;
    let number = request["number"].as_i64().unwrap();
    let shown = tim.agent.post(LOOK, &json!({ "code": request["userCode"] })).await.expect(200);
    assert!(shown.json().get("number").is_none());
    let page = tim.agent.get(&format!("/device?user_code={}", request["id"].as_str().unwrap())).await.expect(200);
    assert!(page.text().contains("127.0.0.1") && page.text().contains("LAN"), "{}", page.text());
    // Two may be mistyped; the third wrong number is the end.
    let guess = |n: i64| {
        let mut body = approval(&request);
        body["number"] = json!(n);
        body
    };
    approve(&mut tim, &guess(number + 1)).await.refused(400, "device_login_number_mismatch");
    approve(&mut tim, &guess(-number)).await.refused(400, "device_login_number_mismatch");
    assert_eq!(app.events("REMOTE_SIGN_IN_DENIED").await.len(), 0);
    approve(&mut tim, &guess(0)).await.refused(403, "device_login_denied");
    approve(&mut tim, &guess(number)).await.refused(401, "device_login_expired");
    exchange(&browser, &request).await.refused(403, "device_login_denied");
    assert_eq!(app.events("REMOTE_SIGN_IN_DENIED").await.len(), 1);
    // Two mistakes and then the right one.
    let request = ask(&browser).await;
    let mut wrong = approval(&request);
    wrong["number"] = json!(request["number"].as_i64().unwrap() + 1);
    approve(&mut tim, &wrong).await.refused(400, "device_login_number_mismatch");
    approve(&mut tim, &approval(&request)).await.expect(204);
    exchange(&browser, &request).await.expect(200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_045_a_session_that_only_signs_in_to_apps_lets_nobody_in() {
    let app = TestApp::start().await;
    let mut tim = app.person("tim").await;
    tim.sign_in().await.expect(200);
    let made = tim.agent.post("/api/users/me/one-time-access-token", &json!({})).await.expect(201).json();
    let phone = app.agent();
    let path = format!("/api/one-time-access-token/{}", made["token"].as_str().unwrap());
    phone.post(&path, &json!({})).await.expect(200);
    let request = ask(&app.agent()).await;
    phone.post(LOOK, &json!({ "code": request["userCode"] })).await.refused(403, "limited_session");
    phone.post(DECIDE, &approval(&request)).await.refused(403, "limited_session");
    app.script().post(DECIDE, &approval(&request)).await.refused(403, "api_key_auth_not_allowed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_046_a_disabled_person_s_approval_lets_nobody_in() {
    let app = TestApp::start().await;
    let mut tim = app.person("tim").await;
    let browser = app.agent();
    let request = ask(&browser).await;
    approve(&mut tim, &approval(&request)).await.expect(204);
    let path = format!("/api/users/{}", tim.id());
    app.script().patch(&path, &json!({ "disabled": true }), None).await.expect(200);
    exchange(&browser, &request).await.refused(403, "device_login_denied");
    app.script().patch(&path, &json!({ "disabled": false }), None).await.expect(200);
    exchange(&browser, &request).await.refused(403, "device_login_denied");
    // Nor does that of somebody who is gone.
    let request = ask(&browser).await;
    tim.sign_in().await.expect(200);
    approve(&mut tim, &approval(&request)).await.expect(204);
    app.script().delete(&path).await.expect(204);
    exchange(&browser, &request).await.refused(401, "device_login_expired");
    assert_eq!(browser.cookie("access_token"), None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_048_a_passkey_proof_lets_one_browser_in_and_only_while_fresh() {
    let app = TestApp::start_with(&[("DISABLE_RATE_LIMITING", "true")]).await;
    let mut tim = app.person("tim").await;
    tim.sign_in().await.expect(200);
    let (one, two) = (ask(&app.agent()).await, ask(&app.agent()).await);
    // A session is no proof, however young.
    tim.agent.post(DECIDE, &approval(&one)).await.refused(401, "reauthentication_required");
    approve(&mut tim, &approval(&one)).await.expect(204);
    tim.agent.post(DECIDE, &approval(&two)).await.refused(401, "reauthentication_required");
    // It is used up by what came to nothing as well.
    tim.reauthenticate().await.expect(204);
    let nonsense = json!({ "code": "PAAAAAAA", "decision": "approve" });
    tim.agent.post(DECIDE, &nonsense).await.refused(401, "device_login_expired");
    tim.agent.post(DECIDE, &approval(&two)).await.refused(401, "reauthentication_required");
    // It is the session's own: another person's, or another browser's of the same person, is none.
    let mut ann = app.person("ann").await;
    ann.reauthenticate().await.expect(204);
    let proof = ann.agent.cookie("reauthentication_token").unwrap();
    tim.agent.set_cookie("reauthentication_token", &proof);
    tim.agent.post(DECIDE, &approval(&two)).await.refused(401, "reauthentication_required");
    // Sixty seconds.
    for (age, status) in [(61, 401), (60, 204)] {
        tim.reauthenticate().await.expect(204);
        app.advance(age);
        tim.agent.post(DECIDE, &approval(&two)).await.expect(status);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_058_who_was_let_in_by_number_may_add_a_passkey_for_a_quarter_of_an_hour() {
    let app = TestApp::start_with(&[("DISABLE_RATE_LIMITING", "true")]).await;
    let mut tim = app.person("tim").await;
    let start = "/api/webauthn/register/start";
    let by_number = let_in(&app, &mut tim, true).await;
    app.advance(15 * 60);
    by_number.get(start).await.expect(200);
    app.advance(1);
    by_number.get(start).await.refused(401, "reauthentication_required");
    // A client that sends no number lets a browser in, as the contract has it. But nobody has proven to see that browser:
    // it could be anyone's, so it adds no passkey.
    tim.sign_in().await.expect(200);
    let without = let_in(&app, &mut tim, false).await;
    without.get("/api/users/me").await.expect(200);
    without.get(start).await.refused(401, "reauthentication_required");
    let sessions = without.get("/api/sessions").await.json();
    assert!(sessions.as_array().unwrap().iter().any(|s| s["signInMethod"] == "device_without_number"), "{sessions}");
    // With a passkey of the person it may.
    tim.agent = without;
    tim.reauthenticate().await.expect(204);
    tim.agent.get(start).await.expect(200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_061_the_session_of_before_is_over() {
    let app = TestApp::start().await;
    let (mut tim, ann) = (app.person("tim").await, app.person("ann").await);
    let before = ann.agent.cookie("access_token").unwrap();
    let request = ask(&ann.agent).await;
    approve(&mut tim, &approval(&request)).await.expect(204);
    exchange(&ann.agent, &request).await.expect(200);
    assert_eq!(ann.agent.get("/api/users/me").await.json()["username"], "tim");
    let thief = app.agent();
    thief.set_cookie("access_token", &before);
    thief.get("/api/users/me").await.refused(401, "not_signed_in");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_068_signing_out_keeps_out_who_was_let_in_but_is_not_in_yet() {
    let app = TestApp::start_with(&[("DISABLE_RATE_LIMITING", "true")]).await;
    let admin = app.admin().await;
    let mut tim = app.person("tim").await;
    let elsewhere = format!("/api/users/{}/sessions", tim.id());
    for end in ["others", "logout", "administrator"] {
        tim.sign_in().await.expect(200);
        let browser = app.agent();
        let (approved, pending) = (ask(&browser).await, ask(&browser).await);
        approve(&mut tim, &approval(&approved)).await.expect(204);
        match end {
            "others" => tim.agent.delete("/api/sessions").await.expect(204),
            "logout" => tim.agent.post("/api/webauthn/logout", &json!({})).await.expect(204),
            _ => admin.agent.delete(&elsewhere).await.expect(204),
        };
        exchange(&browser, &approved).await.refused(403, "device_login_denied");
        assert_eq!(browser.cookie("access_token"), None, "{end}");
        // What nobody has decided about is nobody's, and goes on.
        tim.sign_in().await.expect(200);
        approve(&mut tim, &approval(&pending)).await.expect(204);
        exchange(&browser, &pending).await.expect(200);
    }
}
