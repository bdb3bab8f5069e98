//! Section D: login codes.

use http::Method;
use pid_tests::{Agent, Person, RelyingParty, Reply, TestApp};
use serde_json::json;

async fn code_of(app: &TestApp, person: &Person) -> String {
    let path = format!("/api/users/{}/one-time-access-token", person.id());
    app.script().post(&path, &json!({})).await.expect(201).json()["token"].as_str().unwrap().to_owned()
}

async fn exchange(agent: &Agent, code: &str) -> Reply {
    agent.send(agent.request(Method::POST, &format!("/api/one-time-access-token/{code}"))).await
}

/// The n-th wrong code.
fn wrong(n: usize) -> String {
    format!("{n:06}")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_042_guesses_from_one_address_run_out() {
    let mut app = TestApp::start().await;
    let mut tim = app.person("tim").await;
    // Successes cost nothing: an office behind one address signs in at nine.
    for _ in 0..8 {
        let code = code_of(&app, &tim).await;
        exchange(&app.agent(), &code).await.expect(200);
    }
    let code = code_of(&app, &tim).await;
    for n in 0..5 {
        exchange(&app.agent(), &wrong(n)).await.refused(401, "token_invalid_or_expired");
    }
    let limited = exchange(&app.agent(), &wrong(5)).await.refused(429, "rate_limited");
    let wait: i64 = limited.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=10).contains(&wait), "{wait}");
    // Now the right code is worth nothing either: else the limit would tell which one it is.
    exchange(&app.agent(), &code).await.refused(429, "rate_limited");
    assert!(app.stored().contains("login-code"), "the attempts are rows");
    app.restart().await;
    exchange(&app.agent(), &code).await.refused(429, "rate_limited");
    // Nobody is locked out by it who has a passkey (case 102).
    tim.sign_in().await.expect(200);
    app.advance(wait);
    exchange(&app.agent(), &code).await.expect(200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_042_guesses_from_everywhere_run_out() {
    let mut app = TestApp::start_with(&[("TRUST_PROXY", "127.0.0.1")]).await;
    let mut tim = app.person("tim").await;
    let code = code_of(&app, &tim).await;
    let from = |app: &TestApp, address: &str| app.agent().with_header("x-forwarded-for", address);
    // Addresses of one /64 count as one.
    for n in 0..5 {
        exchange(&from(&app, &format!("2001:db8:0:1::{n}")), &wrong(n)).await.refused(401, "token_invalid_or_expired");
    }
    exchange(&from(&app, "2001:db8:0:1:ffff::1"), &code).await.refused(429, "rate_limited");
    let mut guesses = 5;
    loop {
        let reply = exchange(&from(&app, &format!("2001:db8:{guesses:x}::1")), &wrong(guesses)).await;
        if reply.status == 429 {
            break;
        }
        reply.refused(401, "token_invalid_or_expired");
        guesses += 1;
        assert!(guesses < 1000, "a thousand addresses guess without end");
    }
    assert!(guesses >= 300, "only {guesses} guesses were let through");
    app.restart().await;
    // What is allowed by the second comes back while that takes, and no more.
    let mut more = 0;
    let last = loop {
        let reply = exchange(&from(&app, &format!("2001:db8:ffff:{more:x}::1")), &wrong(more)).await;
        if reply.status == 429 {
            break reply;
        }
        more += 1;
        assert!(more < 100, "a restart forgets who has guessed");
    };
    let wait: i64 = last.header("retry-after").unwrap().parse().unwrap();
    tim.agent = tim.agent.with_header("x-forwarded-for", "198.51.100.2");
    tim.sign_in().await.expect(200);
    app.advance(wait);
    exchange(&from(&app, "198.51.100.1"), &code).await.expect(200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_046_a_code_works_once_even_in_parallel() {
    let mut app = TestApp::start().await;
    let tim = app.person("tim").await;
    let code = code_of(&app, &tim).await;
    // The limit would hide the losers: each comes in before the others have failed, or is limited.
    let tasks: Vec<_> = (0..20)
        .map(|_| {
            let (agent, code) = (app.agent(), code.clone());
            tokio::spawn(async move { exchange(&agent, &code).await.status.as_u16() })
        })
        .collect();
    let mut statuses = Vec::new();
    for task in tasks {
        statuses.push(task.await.unwrap());
    }
    assert_eq!(statuses.iter().filter(|s| **s == 200).count(), 1, "{statuses:?}");
    assert!(statuses.iter().all(|s| [200, 401, 429].contains(s)), "{statuses:?}");
    app.restart().await;
    app.advance(600);
    exchange(&app.agent(), &code).await.refused(401, "token_invalid_or_expired");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_046_late_codes_and_codes_of_disabled_people_are_refused() {
    let mut app = TestApp::start().await;
    let tim = app.person("tim").await;
    let late = code_of(&app, &tim).await;
    app.advance(900);
    exchange(&app.agent(), &late).await.refused(401, "token_invalid_or_expired");
    let code = code_of(&app, &tim).await;
    app.script().patch(&format!("/api/users/{}", tim.id()), &json!({ "disabled": true }), None).await.expect(200);
    let browser = app.agent();
    exchange(&browser, &code).await.refused(403, "user_disabled");
    assert_eq!(browser.cookie("access_token"), None);
    app.restart().await;
    exchange(&app.agent(), &code).await.refused(403, "user_disabled");
    app.script().delete(&format!("/api/users/{}", tim.id())).await.expect(204);
    exchange(&app.agent(), &code).await.refused(401, "token_invalid_or_expired");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_046_a_code_signs_in_its_own_person_whoever_was_there() {
    let app = TestApp::start().await;
    let (ann, tim) = (app.person("ann").await, app.person("tim").await);
    let code = code_of(&app, &ann).await;
    let before = tim.agent.cookie("access_token").unwrap();
    exchange(&tim.agent, &code).await.expect(200);
    assert_eq!(tim.agent.get("/api/users/me").await.json()["username"], "ann");
    // The session that this browser had is over.
    let thief = app.agent();
    thief.set_cookie("access_token", &before);
    thief.get("/api/users/me").await.refused(401, "not_signed_in");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_046_codes_leak_nowhere() {
    let app = TestApp::start().await;
    let tim = app.person("tim").await;
    let path = format!("/api/users/{}/one-time-access-token", tim.id());
    let made = app.script().post(&path, &json!({ "ttl": "1h" })).await.expect(201);
    assert_eq!(made.header("cache-control"), Some("private, no-store"));
    let code = made.json()["token"].as_str().unwrap().to_owned();
    assert!(!app.stored().contains(&code), "only its hash is stored");
    let link = app.agent().get(&format!("/lc/{code}")).await;
    assert_eq!(link.header("referrer-policy"), Some("no-referrer"));
    assert!(link.header("cache-control").unwrap().contains("no-store"));
    let used = exchange(&app.agent(), &code).await.expect(200);
    assert!(!used.text().contains(&code));
    assert!(!app.stored().contains(&code), "nor is it in the audit log");
}

/// A code that a person makes for themselves, and the browser that signed in with it.
async fn by_own_code(app: &TestApp, person: &mut Person) -> Agent {
    person.sign_in().await.expect(200);
    let made = person.agent.post("/api/users/me/one-time-access-token", &json!({})).await.expect(201).json();
    let agent = app.agent();
    exchange(&agent, made["token"].as_str().unwrap()).await.expect(200);
    agent
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_045_a_code_of_one_s_own_signs_in_to_apps_and_does_nothing_else() {
    let mut app = TestApp::start().await;
    let mut ada = app.admin().await;
    let phone = by_own_code(&app, &mut ada).await;
    assert_eq!(phone.get("/api/users/me").await.expect(200).json()["username"], ada.user["username"]);
    for path in ["/", "/settings", "/settings/account", "/settings/admin/users", "/settings/admin/oidc-clients"] {
        let page = phone.get(path).await.expect(403);
        assert!(page.text().contains("Only for signing in to apps"), "{path}: {}", page.text());
    }
    // The page says what to do, and there the sign-in is offered.
    phone.get("/login?redirect=%2Fsettings%2Faccount").await.expect(200);
    phone.get("/api/webauthn/register/start").await.refused(403, "limited_session");
    let own = "/api/users/me/one-time-access-token";
    phone.post(own, &json!({})).await.refused(403, "limited_session");

    // It signs in to an app.
    let rp = RelyingParty::register(&app, json!({})).await;
    let desk = std::mem::replace(&mut ada.agent, phone);
    let tokens = rp.sign_in(&mut ada, "openid profile").await;
    assert!(rp.is_alive(tokens.access()).await);
    // But never where a fresh sign-in is asked for: that needs the person themselves.
    for (name, value) in [("prompt", "login"), ("max_age", "0")] {
        let reply = ada.agent.get(&rp.asks("openid").with(name, value).path()).await;
        assert!(reply.redirected("code").is_none() && reply.interaction().is_some(), "{name}: {}", reply.location());
    }
    let silent = rp.asks("openid").with("prompt", "none").with("max_age", "0");
    assert_eq!(ada.agent.get(&silent.path()).await.redirected("error").as_deref(), Some("login_required"));

    // The session that it was made from ends: what came of the code goes on, as another device does, and is seen there.
    let sessions = desk.get("/api/sessions").await.expect(200).json();
    let limited = sessions.as_array().unwrap().iter().find(|s| s["isLimited"] == true).expect("the phone").clone();
    assert_eq!(limited["signInMethod"], "self_code");
    desk.delete(&format!("/api/sessions/{}", limited["id"].as_str().unwrap())).await.expect(204);
    app.restart().await;
    ada.agent.get("/api/users/me").await.expect(401);
    assert!(!rp.is_alive(tokens.access()).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_046_a_code_of_one_s_own_needs_a_fresh_passkey_lives_shortly_and_is_one() {
    let app = TestApp::start().await;
    let mut tim = app.person("tim").await;
    let own = "/api/users/me/one-time-access-token";
    tim.sign_in().await.expect(200);
    app.advance(5 * 60 + 1);
    tim.agent.post(own, &json!({})).await.refused(401, "reauthentication_required");
    tim.reauthenticate().await.expect(204);
    let mut made = Vec::new();
    for ttl in ["1h", "5m"] {
        let answer = tim.agent.post(own, &json!({ "ttl": ttl })).await.expect(201).json();
        made.push(answer["token"].as_str().unwrap().to_owned());
    }
    // One live code per person: the first is gone. A key of a script makes none.
    exchange(&app.agent(), &made[0]).await.refused(401, "token_invalid_or_expired");
    app.script().post(own, &json!({})).await.refused(403, "api_key_auth_not_allowed");
    exchange(&app.agent(), &made[1]).await.expect(200);
    exchange(&app.agent(), &made[1]).await.refused(401, "token_invalid_or_expired");
    // At most fifteen minutes, whatever is asked for.
    let long = tim.agent.post(own, &json!({ "ttl": "24h" })).await.expect(201).json();
    app.advance(15 * 60 + 1);
    exchange(&app.agent(), long["token"].as_str().unwrap()).await.refused(401, "token_invalid_or_expired");
    // It ends with the session that made it.
    tim.sign_in().await.expect(200);
    let code = tim.agent.post(own, &json!({})).await.expect(201).json()["token"].as_str().unwrap().to_owned();
    tim.agent.post("/api/webauthn/logout", &json!({})).await.expect(204);
    exchange(&app.agent(), &code).await.refused(401, "token_invalid_or_expired");
}
