//! `prompt`, `max_age` and `id_token_hint` (oidc.md §9.3, §9.5; OpenID Connect Core §3.1.2.1).

use pid_tests::{Asking, Person, RelyingParty, TestApp};
use serde_json::json;

use crate::authorize::told;

/// The steps that a request asks of a person.
async fn steps(person: &Person, asking: &Asking) -> Vec<String> {
    let reply = person.agent.get(&asking.path()).await.expect(302);
    let path = format!("/api/oidc/interactions/{}", reply.interaction().unwrap());
    let steps = person.agent.get(&path).await.expect(200).json()["requiredSteps"].clone();
    steps.as_array().unwrap().iter().map(|s| s.as_str().unwrap().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn prompt_none_shows_nothing() {
    let app = TestApp::start().await;
    let mut tim = app.person("tim").await;
    let rp = RelyingParty::register(&app, json!({})).await;
    let silent = || rp.asks("openid").with("prompt", "none");

    let asking = silent();
    told(&app.agent().get(&asking.path()).await, &rp, Some(&asking.state), "login_required");
    told(&tim.agent.get(&asking.path()).await, &rp, Some(&asking.state), "consent_required");
    rp.sign_in(&mut tim, "openid").await;
    rp.code_in(&tim.agent.get(&asking.path()).await, &asking);
    let fragment = silent().with("response_mode", "fragment");
    assert!(tim.agent.get(&fragment.path()).await.expect(303).location().contains("#code="));
    let more = silent().with("scope", "openid email");
    told(&tim.agent.get(&more.path()).await, &rp, Some(&more.state), "consent_required");
    let fresh = silent().with("max_age", "0");
    told(&tim.agent.get(&fresh.path()).await, &rp, Some(&fresh.state), "login_required");
    for other in ["login", "consent", "select_account"] {
        let both = silent().with("prompt", &format!("none {other}"));
        told(&tim.agent.get(&both.path()).await, &rp, Some(&both.state), "invalid_request");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_prompt_has_its_step() {
    let app = TestApp::start().await;
    let mut tim = app.person("tim").await;
    let rp = RelyingParty::register(&app, json!({ "skipConsent": true })).await;
    rp.sign_in(&mut tim, "openid").await;
    for (prompt, expected) in [
        ("login", vec!["reauthenticate"]),
        ("consent", vec!["consent"]),
        ("select_account", vec!["select_account"]),
        ("consent login", vec!["reauthenticate", "consent"]),
        ("login select_account consent", vec!["select_account", "reauthenticate", "consent"]),
    ] {
        let asking = rp.asks("openid").with("prompt", prompt);
        assert_eq!(steps(&tim, &asking).await, expected, "{prompt}");
        rp.code(&mut tim, &asking).await;
        tim.agent.get(&rp.asks("openid").path()).await.expect(303);
    }
    // Without `openid` the parameter isn't defined; what can't be understood is no error then.
    let plain = rp.asks("email").with("prompt", "whatever");
    rp.code(&mut tim, &plain).await;
    // Somebody signed out owes the same and their sign-in.
    tim.agent = app.agent();
    let all = rp.asks("openid").with("prompt", "login select_account consent");
    assert_eq!(steps(&tim, &all).await, ["authenticate", "select_account", "reauthenticate", "consent"]);
    rp.code(&mut tim, &all).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fresh_proof_becomes_auth_time() {
    let app = TestApp::start().await;
    let mut tim = app.person("tim").await;
    let rp = RelyingParty::register(&app, json!({})).await;
    let tokens = rp.sign_in(&mut tim, "openid").await;
    let first = rp.verify(tokens.id()).await.claims;
    assert_eq!(first["amr"], json!(["otp"]), "a login code");

    app.advance(600);
    let claims = async |tim: &mut Person, asking: Asking| {
        let code = rp.code(tim, &asking).await;
        let tokens = rp.redeem(&asking, &code).await.expect(200).json();
        rp.verify(tokens["id_token"].as_str().unwrap()).await.claims
    };
    let plain = claims(&mut tim, rp.asks("openid")).await;
    assert_eq!(plain["auth_time"], first["auth_time"], "the session's");
    assert_eq!(plain["sid"], first["sid"]);
    assert!(plain["rat"].as_i64() >= first["rat"].as_i64().map(|t| t + 600), "when the client asked");

    let proven = claims(&mut tim, rp.asks("openid").with("prompt", "login")).await;
    assert!(proven["auth_time"].as_i64() >= first["auth_time"].as_i64().map(|t| t + 600), "{proven}");
    assert_eq!(proven["amr"], json!(["phr"]), "a passkey");

    // The proof was for that request; the session is as old as it was.
    let later = claims(&mut tim, rp.asks("openid").with("max_age", "3600")).await;
    assert_eq!(later["auth_time"], first["auth_time"]);
    assert_eq!(steps(&tim, &rp.asks("openid").with("max_age", "60")).await, ["reauthenticate"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn max_age_limits_the_age_of_the_sign_in() {
    let app = TestApp::start().await;
    let mut tim = app.person("tim").await;
    let rp = RelyingParty::register(&app, json!({})).await;
    tim.sign_in().await.expect(200);
    rp.sign_in(&mut tim, "openid").await;
    rp.code(&mut tim, &rp.asks("openid").with("max_age", "300")).await;
    tim.agent.get(&rp.asks("openid").with("max_age", "300").path()).await.expect(303);
    tim.agent.get(&rp.asks("openid").with("max_age", &"9".repeat(40)).path()).await.expect(303);
    app.advance(301);
    let old = rp.asks("openid").with("max_age", "300");
    assert_eq!(steps(&tim, &old).await, ["reauthenticate"]);
    let silent = old.clone().with("prompt", "none");
    told(&tim.agent.get(&silent.path()).await, &rp, Some(&silent.state), "login_required");
    rp.code(&mut tim, &old).await;
    // The page may take its time: a sign-in that the request caused is recent enough.
    tim.agent = app.agent();
    let asking = rp.asks("openid").with("max_age", "60");
    let reply = tim.agent.get(&asking.path()).await;
    let id = reply.interaction().unwrap();
    tim.sign_in_for(&id).await.expect(200);
    app.advance(120);
    rp.code_in(&tim.follow(reply).await, &asking);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hint_names_the_person() {
    let app = TestApp::start().await;
    let (mut tim, mut ann) = (app.person("tim").await, app.person("ann").await);
    let rp = RelyingParty::register(&app, json!({})).await;
    let own = rp.sign_in(&mut tim, "openid").await.id().to_owned();
    let other = rp.sign_in(&mut ann, "openid").await.id().to_owned();
    let silent = |hint: &str| rp.asks("openid").with("prompt", "none").with("id_token_hint", hint);
    for days in [0, 60] {
        app.advance(days * 24 * 3600);
        if days > 0 {
            tim.sign_in().await.expect(200);
        }
        let asking = silent(&own);
        rp.code_in(&tim.agent.get(&asking.path()).await, &asking);
        let asking = silent(&other);
        told(&tim.agent.get(&asking.path()).await, &rp, Some(&asking.state), "login_required");
    }
    // Only with `openid`.
    rp.code(&mut tim, &rp.asks("email").with("id_token_hint", "junk")).await;
}
