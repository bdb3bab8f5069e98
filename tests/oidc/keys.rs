//! Signing keys as relying parties see them (oidc.md §4).

use pid_core::Ctx;
use pid_flows::keys::{self, Wish};
use pid_jose::Alg;
use pid_tests::{RelyingParty, TestApp};
use serde_json::{Value, json};

const DAY: i64 = 24 * 3600;

/// The ids in the JWKS.
async fn published(app: &TestApp) -> Vec<String> {
    let jwks = app.agent().get("/.well-known/jwks.json").await.expect(200).json();
    jwks["keys"].as_array().unwrap().iter().map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
}

/// The calendar's turn, as it comes every minute.
async fn turn(app: &TestApp) {
    pid_jobs::keys::turn(app.app()).await.unwrap();
}

fn states(list: &Value) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    list.as_array().unwrap().iter().map(|key| (text(&key["alg"]), text(&key["state"]))).collect()
}

fn state(alg: &str, state: &str) -> (String, String) {
    (alg.to_owned(), state.to_owned())
}

/// Security case 38: old tokens verify until they expire, the new key is known before it signs, nothing is restarted.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_038_a_key_is_rotated_while_tokens_live() {
    let app = TestApp::start().await;
    let script = app.script();
    let mut tim = app.person("tim").await;
    let rp = RelyingParty::register(&app, json!({ "accessTokenDurationMinutes": 3 * 24 * 60 })).await;
    let before = rp.sign_in(&mut tim, "openid").await;
    let old = rp.verify(before.id()).await.header["kid"].as_str().unwrap().to_owned();
    let etag = app.agent().get("/.well-known/jwks.json").await.expect(200).etag();

    let list = script.post("/api/signing-keys/rotate", &json!({})).await.expect(200).json();
    assert_eq!(states(&list), [state("RS256", "next"), state("RS256", "active")]);
    let next = list[0]["kid"].as_str().unwrap().to_owned();
    let again = script.post("/api/signing-keys/rotate", &json!({ "alg": "rs256" })).await.expect(200).json();
    assert_eq!(again, list, "one key waits at a time");
    assert_eq!(published(&app).await.len(), 2);
    assert_ne!(app.agent().get("/.well-known/jwks.json").await.expect(200).etag(), etag);

    app.advance(DAY - 60);
    turn(&app).await;
    let tokens = rp.sign_in(&mut tim, "openid").await;
    assert_eq!(rp.verify(tokens.id()).await.header["kid"], old, "it waits its day");
    app.advance(60);
    turn(&app).await;
    let tokens = rp.sign_in(&mut tim, "openid").await;
    for token in [tokens.id(), tokens.access()] {
        assert_eq!(rp.verify(token).await.header["kid"], next);
    }
    rp.userinfo(before.access()).await.expect(200);

    // Published until the last token has expired that the old key signed, known for hints long after.
    app.advance(3 * DAY);
    turn(&app).await;
    assert!(published(&app).await.contains(&old));
    app.advance(61);
    turn(&app).await;
    assert_eq!(published(&app).await, [next]);
    tim.sign_in().await.expect(200);
    let logout = format!("/api/oidc/end-session?id_token_hint={}", before.id());
    tim.agent.get(&logout).await.expect(302);
    tim.agent.get("/api/users/me").await.expect(401);
    app.advance(400 * DAY);
    turn(&app).await;
    let list = script.get("/api/signing-keys").await.expect(200).json();
    assert_eq!(states(&list), [state("RS256", "active")]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shortened_lifetime_and_a_deleted_client_keep_the_key_of_their_tokens_published() {
    let app = TestApp::start().await;
    let script = app.script();
    let rp = RelyingParty::register(&app, json!({ "accessTokenDurationMinutes": 10 * 24 * 60 })).await;
    let old = published(&app).await.remove(0);
    let path = format!("/api/oidc/clients/{}", rp.id);
    script.patch(&path, &json!({ "accessTokenDurationMinutes": 5 }), None).await.expect(200);
    script.delete(&path).await.expect(204);
    script.post("/api/signing-keys/rotate", &json!({ "now": true })).await.expect(200);
    app.advance(9 * DAY);
    turn(&app).await;
    assert!(published(&app).await.contains(&old));
    app.advance(DAY + 61);
    turn(&app).await;
    assert!(!published(&app).await.contains(&old));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leaked_key_ends_with_its_tokens() {
    let app = TestApp::start().await;
    let script = app.script();
    let mut tim = app.person("tim").await;
    let rp = RelyingParty::register(&app, json!({})).await;
    let tokens = rp.sign_in(&mut tim, "openid").await;
    let old = published(&app).await.remove(0);
    script.delete(&format!("/api/signing-keys/{old}")).await.expect(204);
    script.delete(&format!("/api/signing-keys/{old}")).await.refused(404, "not_found");
    assert!(!published(&app).await.contains(&old), "gone at once");
    assert!(!rp.is_alive(tokens.access()).await);
    let hint = format!("/api/oidc/end-session?id_token_hint={}", tokens.id());
    app.agent().get(&hint).await.expect(302);
    tim.agent.get("/api/users/me").await.expect(200);
    let tokens = rp.sign_in(&mut tim, "openid").await;
    assert_ne!(rp.verify(tokens.id()).await.header["kid"], old);
    let list = script.get("/api/signing-keys").await.expect(200).json();
    assert_eq!(states(&list), [state("RS256", "active"), state("RS256", "revoked")]);
    let events = script.get("/api/audit-logs/all").await.expect(200).text();
    assert!(events.contains("SIGNING_KEY_REVOKED") && events.contains(&old), "{events}");
}

/// Two rotations at once: whoever planned with what is not so any more plans again, and a key signs all the time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plan_that_has_become_another_does_nothing() {
    let app = TestApp::start().await;
    let ctx = Ctx {
        now: app.app().clock().now(),
        seed: pid_http::state::seed(),
        ip_address: String::new(),
        user_agent: "test".to_owned(),
        places: pid_core::places::Places::default(),
    };
    let first = published(&app).await.remove(0);
    for wish in [Wish::Rotate { alg: Alg::RS256, at_once: true }, Wish::Revoke { kid: first }] {
        // Planned while the next key waited, so none was prepared; somebody else activated it since.
        let ctx = ctx.clone();
        let done = app.app().db().write(move |tx| keys::carry_out(tx, &ctx, None, &wish, &[])).await.unwrap();
        assert_eq!(done, None);
    }
    let list = app.script().get("/api/signing-keys").await.expect(200).json();
    assert_eq!(states(&list), [state("RS256", "active")]);

    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let script = app.script();
        tasks.spawn(async move { script.post("/api/signing-keys/rotate", &json!({ "now": true })).await.status });
    }
    assert!(tasks.join_all().await.iter().all(|status| matches!(status.as_u16(), 200 | 503)));
    let list = app.script().get("/api/signing-keys").await.expect(200).json();
    assert_eq!(states(&list).iter().filter(|(_, state)| state == "active").count(), 1, "{list}");
    let events = app.events("SIGNING_KEY_CREATED").await;
    assert!(!events.is_empty() && events.iter().all(|e| e["actorUsername"].is_string()), "{events:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_are_replaced_by_age_when_the_setting_says_so() {
    let app = TestApp::start().await;
    let script = app.script();
    script.post("/api/signing-keys/rotate", &json!({ "alg": "EdDSA", "now": true })).await.expect(200);
    let first = published(&app).await;
    app.advance(1000 * DAY);
    turn(&app).await;
    assert_eq!(published(&app).await, first, "off by default");
    let setting = json!({ "signingKeyRotationDays": "90" });
    script.patch("/api/application-configuration", &setting, None).await.expect(200);
    turn(&app).await;
    assert_eq!(published(&app).await.len(), 4, "each algorithm has its next key");
    app.advance(DAY);
    turn(&app).await;
    let list = script.get("/api/signing-keys").await.expect(200).json();
    let active: Vec<&Value> = list.as_array().unwrap().iter().filter(|k| k["state"] == "active").collect();
    assert!(active.len() == 2 && active.iter().all(|k| !first.contains(&k["kid"].as_str().unwrap().to_owned())));
    for bad in ["RS384", "none", "HS256", ""] {
        let refused = script.post("/api/signing-keys/rotate", &json!({ "alg": bad })).await;
        refused.refused(400, "validation_failed");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_instance_publishes_one_rs256_key() {
    let mut app = TestApp::start().await;
    let jwks = app.agent().get("/.well-known/jwks.json").await.expect(200).json();
    assert_eq!(jwks["keys"].as_array().unwrap().len(), 1);
    let key = jwks["keys"][0].as_object().unwrap().clone();
    let mut names: Vec<&str> = key.keys().map(String::as_str).collect();
    names.sort_unstable();
    assert_eq!(names, ["alg", "e", "kid", "kty", "n", "use"]);
    assert_eq!(
        (&key["kty"], &key["alg"], &key["use"], &key["e"]),
        (&json!("RSA"), &json!("RS256"), &json!("sig"), &json!("AQAB"))
    );
    assert_eq!(key["kid"].as_str().unwrap().len(), 11, "8 random bytes in base64url");
    assert_eq!(key["n"].as_str().unwrap().len(), 342, "2048 bits");
    app.restart().await;
    assert_eq!(app.agent().get("/.well-known/jwks.json").await.expect(200).json(), jwks, "kept over a restart");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_may_have_tokens_of_another_algorithm() {
    let mut app = TestApp::start().await;
    let mut admin = app.admin().await;
    let plain = RelyingParty::register(&app, json!({})).await;
    let mut signed = Vec::new();
    for (alg, hash_length) in [("ES256", 16_usize), ("EdDSA", 32)] {
        let rp = RelyingParty::register(&app, json!({ "idTokenSignedResponseAlg": alg })).await;
        let tokens = rp.sign_in(&mut admin, "openid profile").await;
        for token in [tokens.id(), tokens.access()] {
            assert_eq!(rp.verify(token).await.header["alg"], alg);
        }
        let at_hash = rp.verify(tokens.id()).await.claims["at_hash"].as_str().unwrap().to_owned();
        assert_eq!(at_hash.len(), (hash_length * 8).div_ceil(6), "{alg}");
        signed.push((alg, rp, tokens));
    }
    let tokens = plain.sign_in(&mut admin, "openid").await;
    assert_eq!(plain.verify(tokens.id()).await.header["alg"], "RS256", "others keep the default");
    app.restart().await;
    for (alg, rp, tokens) in signed {
        rp.userinfo(tokens.access()).await.expect(200);
        assert_eq!(rp.verify(tokens.id()).await.header["alg"], alg);
    }
}
