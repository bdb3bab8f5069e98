//! Section L: failure, enumeration and comparison.

use http::Method;
use pid_tests::{Agent, Person, RelyingParty, Reply, TestApp};
use serde_json::{Value, json};

async fn code_of(app: &TestApp, person: &Person) -> String {
    let path = format!("/api/users/{}/one-time-access-token", person.id());
    app.script().post(&path, &json!({})).await.expect(201).json()["token"].as_str().unwrap().to_owned()
}

async fn exchange(agent: &Agent, code: &str) -> Reply {
    agent.send(agent.request(Method::POST, &format!("/api/one-time-access-token/{code}"))).await
}

/// What a caller can tell one refusal from another by.
fn face(reply: &Reply) -> (u16, Value, Vec<String>) {
    let mut body = reply.json();
    body.as_object_mut().unwrap().remove("request_id");
    let mut names: Vec<String> = reply.headers.keys().map(|name| name.as_str().to_owned()).collect();
    names.sort();
    (reply.status.as_u16(), body, names)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_101_without_the_store_nobody_gets_in_and_nothing_is_lost() {
    let mut app = TestApp::start().await;
    let mut tim = app.person("tim").await;
    let code = code_of(&app, &tim).await;
    let assertion = {
        let options = tim.agent.get("/api/webauthn/login/start").await.expect(200).json();
        tim.passkey.authenticate(&options, app.url())
    };
    let before = app.stored();
    {
        let _fault = app.break_store();
        let (browser, script) = (app.agent(), app.script());
        let group = json!({ "name": "staff", "friendlyName": "Staff" });
        let (right, wrong, passkey, write, start) = tokio::join!(
            exchange(&browser, &code),
            exchange(&browser, "WRONG1"),
            tim.agent.post("/api/webauthn/login/finish", &assertion),
            script.post("/api/user-groups", &group),
            browser.get("/api/webauthn/login/start"),
        );
        for refused in [right, wrong, passkey, write, start] {
            let refused = refused.refused(503, "service_unavailable");
            assert_eq!(refused.header("set-cookie"), None);
            assert!(!refused.text().to_lowercase().contains("sql"), "{}", refused.text());
        }
        assert_eq!(browser.cookie("access_token"), None);
        // What needs no store goes on.
        browser.get("/healthz").await.expect(204);
        browser.get("/.well-known/jwks.json").await.expect(200);
        browser.get("/api/version/latest").await.expect(200);
    }
    assert_eq!(app.stored(), before, "nothing was counted, taken or begun");
    app.restart().await;
    exchange(&app.agent(), &code).await.expect(200);
    tim.sign_in().await.expect(200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_102_guessing_delays_and_locks_no_passkey_out() {
    let app = TestApp::start().await;
    let mut tim = app.person("tim").await;
    // Codes that are guessed at the person's own address don't touch their passkey.
    while exchange(&app.agent(), "WRONG1").await.status != 429 {}
    tim.sign_in().await.expect(200);
    // Nor does it lock, if somebody fails with the very passkey there: it takes a moment.
    let wait: i64 = loop {
        let options = app.agent();
        let asked = options.get("/api/webauthn/login/start").await.expect(200).json();
        let bad = tim.passkey.authenticate(&asked, "https://evil.example");
        let reply = options.post("/api/webauthn/login/finish", &bad).await;
        if reply.status == 429 {
            break reply.header("retry-after").unwrap().parse().unwrap();
        }
        assert_eq!(reply.status, 401, "{}", reply.text());
    };
    assert!((1..=5).contains(&wait), "{wait}");
    tim.sign_in().await.refused(429, "rate_limited");
    app.advance(wait);
    tim.sign_in().await.expect(200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_105_a_clock_that_jumps_leaves_tokens_and_limits_sane() {
    let app = TestApp::start().await;
    let mut tim = app.person("tim").await;
    let rp = RelyingParty::register(&app, json!({ "name": "Wiki" })).await;
    let tokens = rp.sign_in(&mut tim, "openid offline_access").await;
    // An hour back: sessions and refresh tokens live on, a token of the future is none yet.
    app.advance(-3600);
    tim.agent.get("/api/users/me").await.expect(200);
    assert!(!rp.is_alive(tokens.access()).await);
    let refreshed = rp.refresh(tokens.refresh()).await.expect(200).json();
    let access = refreshed["access_token"].as_str().unwrap();
    assert!(rp.is_alive(access).await);
    // A limit is not forgotten by a jump back.
    while exchange(&app.agent(), "WRONG1").await.status != 429 {}
    app.advance(-60);
    assert_eq!(exchange(&app.agent(), "WRONG1").await.status, 429);
    // An hour ahead of the start: what was issued before is over, the refresh token goes on, the limit has ended.
    app.advance(2 * 3600 + 60);
    assert!(!rp.is_alive(access).await && !rp.is_alive(tokens.access()).await);
    rp.refresh(refreshed["refresh_token"].as_str().unwrap()).await.expect(200);
    assert_eq!(exchange(&app.agent(), "WRONG1").await.status, 401);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_103_a_code_s_refusal_doesn_t_say_why() {
    let app = TestApp::start_with(&[("DISABLE_RATE_LIMITING", "true")]).await;
    let (tim, ann) = (app.person("tim").await, app.person("ann").await);
    let used = code_of(&app, &tim).await;
    exchange(&app.agent(), &used).await.expect(200);
    let of_deleted = code_of(&app, &ann).await;
    app.script().delete(&format!("/api/users/{}", ann.id())).await.expect(204);
    let expired = code_of(&app, &tim).await;
    app.advance(901);
    let unknown = face(&exchange(&app.agent(), "ABCDEF").await);
    assert_eq!((unknown.0, &unknown.1["code"]), (401, &json!("token_invalid_or_expired")));
    let long = "x".repeat(500);
    for code in [used.as_str(), &of_deleted, &expired, "ABCDEFGHJKMN", "short", &long, "%20", "ÄÖÜ"] {
        assert_eq!(face(&exchange(&app.agent(), code).await), unknown, "{code}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_103_a_passkey_s_refusal_doesn_t_say_whether_it_is_known() {
    let app = TestApp::start_with(&[("DISABLE_RATE_LIMITING", "true")]).await;
    let (mut tim, mut gone) = (app.person("tim").await, app.person("gone").await);
    app.script().delete(&format!("/api/users/{}", gone.id())).await.expect(204);
    let browser = app.agent();
    let options = async || browser.get("/api/webauthn/login/start").await.expect(200).json();
    // Whoever asks gets the same options, and no list of credentials.
    let keys = |options: &Value| options.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    let anonymous = options().await;
    assert_eq!(keys(&anonymous), keys(&tim.agent.get("/api/webauthn/login/start").await.json()));
    assert!(!anonymous.to_string().contains("allowCredentials"));

    let of_deleted = gone.passkey.authenticate(&options().await, app.url());
    let mut bad_signature = tim.passkey.authenticate(&options().await, app.url());
    let signature = bad_signature["response"]["signature"].as_str().unwrap();
    let flipped = if signature.contains("AA") {
        signature.replacen("AA", "AB", 1)
    } else {
        format!("{}AAA", &signature[..signature.len() - 3])
    };
    bad_signature["response"]["signature"] = json!(flipped);
    let mut other_person = tim.passkey.authenticate(&options().await, app.url());
    other_person["response"]["userHandle"] = json!("AAAA");
    let mut unknown = tim.passkey.authenticate(&options().await, app.url());
    unknown["id"] = json!("AAAAAAAAAAAAAAAAAAAAAA");
    unknown["rawId"] = unknown["id"].clone();
    let unknown = face(&browser.post("/api/webauthn/login/finish", &unknown).await);
    assert_eq!((unknown.0, &unknown.1["code"]), (401, &json!("webauthn_authentication_failed")));
    let deleted = face(&browser.post("/api/webauthn/login/finish", &of_deleted).await);
    assert_eq!(deleted, unknown);
    // The page lets a browser forget what nobody knows (WebAuthn L3 §5.1.10), so that is said: of an id that can't be guessed,
    // whoever it belonged to. All else is one refusal.
    let mut known = unknown.clone();
    known.1.as_object_mut().unwrap().remove("details");
    for (what, response) in [("bad signature", bad_signature), ("other person", other_person)] {
        assert_eq!(face(&browser.post("/api/webauthn/login/finish", &response).await), known, "{what}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_103_strangers_learn_of_no_person() {
    let app = TestApp::start().await;
    let tim = app.person("tim").await;
    let (known, unknown) = (tim.id().to_owned(), "ffffffff-0000-4000-8000-000000000000");
    for tail in ["", "/groups", "/webauthn-credentials"] {
        let ask = async |agent: &Agent, id: &str| face(&agent.get(&format!("/api/users/{id}{tail}")).await);
        let (nobody, eve) = (app.agent(), app.person(&format!("eve{}", tail.len())).await.agent);
        assert_eq!(ask(&nobody, &known).await, ask(&nobody, unknown).await, "{tail}");
        assert_eq!(ask(&eve, &known).await, ask(&eve, unknown).await, "{tail}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_104_secrets_are_stored_as_hashes_and_match_whole() {
    let app = TestApp::start_with(&[("DISABLE_RATE_LIMITING", "true")]).await;
    let mut tim = app.person("tim").await;
    let client = app.client(json!({ "id": "app" })).await;
    let key = tim
        .agent
        .post("/api/api-keys", &json!({ "name": "key", "expiresAt": "2099-01-01T00:00:00Z" }))
        .await
        .expect(201)
        .json();
    let code = code_of(&app, &tim).await;
    tim.reauthenticate().await.expect(204);
    let secrets = [
        ("client secret", client["secret"].as_str().unwrap().to_owned()),
        ("API key", key["token"].as_str().unwrap().to_owned()),
        ("static API key", TestApp::API_KEY.to_owned()),
        ("login code", code),
        ("session", tim.agent.cookie("access_token").unwrap()),
        ("ceremony", tim.agent.cookie("session").unwrap()),
        ("proof", tim.agent.cookie("reauthentication_token").unwrap()),
    ];
    let stored = app.stored();
    for (what, secret) in &secrets {
        assert!(!stored.contains(secret.as_str()), "the {what} is stored as it is");
    }
    // Neither a part, nor more, nor another case, nor what is stored is as good as a key.
    for key in [&secrets[1].1, &secrets[2].1] {
        let hash: String = pid_core::secret::sha256(key.as_bytes()).iter().map(|b| format!("{b:02x}")).collect();
        for near in [
            &key[..key.len() - 1],
            &key[1..],
            &format!("{key}x"),
            &key.to_uppercase(),
            &key.to_lowercase().replace(['0', '1'], "z"),
            &hash,
            "",
            "*",
            "%",
        ] {
            if near != key {
                app.agent().with_header("x-api-key", near).get("/api/users/me").await.refused(401, "not_signed_in");
            }
        }
        app.agent().with_header("x-api-key", key).get("/api/users/me").await.expect(200);
    }
}
