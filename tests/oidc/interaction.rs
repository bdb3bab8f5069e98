//! The interaction API (oidc.md §11).

use pid_tests::{RelyingParty, TestApp};
use serde_json::json;

use crate::authorize::told;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_says_who_asks_for_what_and_what_is_outstanding() {
    let app = TestApp::start().await;
    let mut tim = app.person("tim").await;
    let body = json!({ "name": "Photos", "description": "Albums", "launchURL": "https://app.example" });
    let rp = RelyingParty::register(&app, body).await;
    let here = std::mem::replace(&mut tim.agent, app.agent());
    let asking = rp.asks("openid profile offline_access unknown").with("prompt", "consent");
    let reply = tim.agent.get(&asking.path()).await;
    let id = reply.interaction().unwrap();
    let path = format!("/api/oidc/interactions/{id}");
    let shown = tim.agent.get(&path).await.expect(200);
    assert_eq!(
        shown.json(),
        json!({
            "id": id,
            "scopes": ["openid", "profile", "offline_access"],
            "scopeInfo": [],
            "client": {
                "id": rp.id, "name": "Photos", "description": "Albums", "hasLogo": false, "hasDarkLogo": false,
                "launchURL": "https://app.example", "requiresReauthentication": false, "clientType": "standard"
            },
            "currentStep": "authenticate",
            "requiredSteps": ["authenticate", "consent"]
        })
    );
    assert_eq!(shown.header("cache-control"), Some("private, no-store"));
    assert_eq!(shown.header("access-control-allow-origin"), None);

    // Step by step.
    let complete = format!("{path}/complete");
    tim.agent.post(&complete, &json!({ "step": "authenticate" })).await.refused(401, "not_signed_in");
    tim.sign_in_for(&id).await.expect(200);
    let wrong = tim.agent.post(&complete, &json!({ "step": "consent" })).await.refused(400, "validation_failed").json();
    let message = wrong["details"]["fields"][0]["message"].as_str().unwrap();
    assert!(message.contains("consent") && message.contains("authenticate"), "{wrong}");
    for body in [json!({}), json!({ "step": "juggle" }), json!({ "step": 1 }), json!([])] {
        tim.agent.post(&complete, &body).await.refused(400, "invalid_request_body");
    }
    let next = tim.agent.post(&complete, &json!({ "step": "authenticate" })).await.expect(200).json();
    assert_eq!(next["interaction"]["currentStep"], "consent");
    assert_eq!(next["interaction"]["requiredSteps"], json!(["consent"]));
    let done = tim.agent.post(&complete, &json!({ "step": "consent" })).await.expect(200).json();
    assert_eq!(done, json!({ "redirectUrl": format!("/authorize?interaction={id}") }));
    let left = tim.agent.get(&path).await.expect(200).json();
    assert_eq!((left.get("currentStep"), &left["requiredSteps"]), (None, &json!([])));
    let again = tim.agent.post(&complete, &json!({ "step": "consent" })).await.expect(200).json();
    assert_eq!(again, done, "nothing outstanding: the same answer");

    // The stored request is what counts, not what comes with the resumption.
    let resumed = format!("/authorize?interaction={id}&client_id=other&redirect_uri=https://evil.example&state=evil");
    let answer = tim.agent.get(&resumed).await;
    rp.code_in(&answer, &asking);
    assert_eq!(answer.redirected("scope").as_deref(), Some("openid profile offline_access"));

    // It is gone with its answer.
    let used = tim.agent.get(&format!("/authorize?interaction={id}")).await.expect(302).error_page();
    assert!(used.contains("used already"), "{used}");
    let gone = tim.agent.get(&path).await.refused(404, "not_found").json();
    assert_eq!(gone["details"]["resource"], "OIDC interaction");
    tim.agent.post(&complete, &json!({ "step": "consent" })).await.refused(404, "not_found");
    here.get(&path).await.refused(404, "not_found");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_lives_an_hour() {
    let app = TestApp::start().await;
    let mut tim = app.person("tim").await;
    let rp = RelyingParty::register(&app, json!({})).await;
    let reply = tim.agent.get(&rp.asks("openid").path()).await;
    let id = reply.interaction().unwrap();
    app.advance(3590);
    tim.agent.get(&format!("/api/oidc/interactions/{id}")).await.expect(200);
    app.advance(11);
    tim.sign_in().await.expect(200);
    tim.agent.get(&format!("/api/oidc/interactions/{id}")).await.refused(404, "not_found");
    tim.agent
        .post(&format!("/api/oidc/interactions/{id}/complete"), &json!({ "step": "consent" }))
        .await
        .refused(404, "not_found");
    tim.agent.get(&format!("/authorize?interaction={id}")).await.expect(302).error_page();
    let unknown = "/api/oidc/interactions/00000000-0000-4000-8000-000000000000";
    tim.agent.get(unknown).await.refused(404, "not_found");
    tim.agent.get("/authorize?interaction=nonsense").await.expect(302).error_page();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_api_key_completes_nothing() {
    let app = TestApp::start().await;
    let tim = app.person("tim").await;
    let rp = RelyingParty::register(&app, json!({})).await;
    let id = tim.agent.get(&rp.asks("openid").path()).await.interaction().unwrap();
    let path = format!("/api/oidc/interactions/{id}/complete");
    app.script().post(&path, &json!({ "step": "consent" })).await.refused(403, "api_key_auth_not_allowed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_proof_is_needed_for_reauthentication() {
    let app = TestApp::start().await;
    let mut tim = app.person("tim").await;
    let rp = RelyingParty::register(&app, json!({})).await;
    let asking = rp.asks("openid").with("prompt", "login");
    let reply = tim.agent.get(&asking.path()).await;
    let path = format!("/api/oidc/interactions/{}/complete", reply.interaction().unwrap());
    let step = json!({ "step": "reauthenticate" });
    let missing = tim.agent.post(&path, &step).await.refused(400, "validation_failed").json();
    assert_eq!(missing["details"]["fields"][0]["field"], "reauthenticationToken");
    tim.agent.set_cookie("reauthentication_token", "invented");
    tim.agent.post(&path, &step).await.refused(401, "reauthentication_required");
    tim.reauthenticate().await.expect(204);
    let done = tim.agent.post(&path, &step).await.expect(200);
    assert!(done.header("set-cookie").is_some_and(|c| c.starts_with("reauthentication_token=;")), "used up");
    rp.code_in(&tim.follow(reply).await, &asking);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_person_starts_anew() {
    let app = TestApp::start().await;
    let (mut tim, mut ann) = (app.person("tim").await, app.person("ann").await);
    let rp = RelyingParty::register(&app, json!({})).await;
    rp.sign_in(&mut tim, "openid").await;

    // Tim has proven himself and agreed before; Ann takes over his browser: consent and proof are asked of her.
    let asking = rp.asks("openid").with("prompt", "login select_account");
    let reply = tim.agent.get(&asking.path()).await;
    let id = reply.interaction().unwrap();
    let path = format!("/api/oidc/interactions/{id}");
    let complete = format!("{path}/complete");
    tim.agent.post(&complete, &json!({ "step": "select_account" })).await.expect(200);
    tim.reauthenticate().await.expect(204);
    tim.agent.post(&complete, &json!({ "step": "reauthenticate" })).await.expect(200);
    ann.sign_in_at(&tim.agent).await.expect(200);
    ann.agent = tim.agent.clone();
    let left = ann.agent.post(&complete, &json!({ "step": "authenticate" })).await.expect(200).json();
    assert_eq!(left["interaction"]["requiredSteps"], json!(["reauthenticate", "consent"]));
    let code = rp.code_in(&ann.follow(reply).await, &asking);
    let tokens = rp.redeem(&asking, &code).await.expect(200).json();
    assert_eq!(rp.verify(tokens["id_token"].as_str().unwrap()).await.claims["sub"], ann.id());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_signs_out_meanwhile_ends_it() {
    let app = TestApp::start().await;
    let tim = app.person("tim").await;
    let rp = RelyingParty::register(&app, json!({})).await;
    let asking = rp.asks("openid");
    let id = tim.agent.get(&asking.path()).await.interaction().unwrap();
    tim.agent.post("/api/webauthn/logout", &json!({})).await.expect(204);
    let answer = tim.agent.get(&format!("/authorize?interaction={id}")).await;
    told(&answer, &rp, Some(&asking.state), "login_required");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cancelling_tells_the_client() {
    let app = TestApp::start().await;
    let tim = app.person("tim").await;
    let rp = RelyingParty::register(&app, json!({})).await;
    let asking = rp.asks("openid");
    let id = tim.agent.get(&asking.path()).await.interaction().unwrap();
    let path = format!("/interaction/cancel?interaction={id}");
    app.agent().get(&path).await.expect(302).error_page();
    told(&tim.agent.get(&path).await, &rp, Some(&asking.state), "access_denied");
    tim.agent.get(&path).await.expect(302).error_page();
    tim.agent.get(&format!("/api/oidc/interactions/{id}")).await.refused(404, "not_found");
    for broken in ["/interaction/cancel", "/interaction/cancel?interaction="] {
        assert!(tim.agent.get(broken).await.status.as_u16() < 500, "{broken}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_login_code_returns_to_the_same_interaction() {
    let app = TestApp::start().await;
    let mut tim = app.person("tim").await;
    let rp = RelyingParty::register(&app, json!({})).await;
    tim.agent = app.agent();
    let asking = rp.asks("openid");
    let reply = tim.agent.get(&asking.path()).await;
    let id = reply.interaction().unwrap();
    let path = format!("/api/users/{}/one-time-access-token", tim.id());
    let code = app.script().post(&path, &json!({})).await.expect(201).json()["token"].as_str().unwrap().to_owned();
    tim.agent.post(&format!("/api/one-time-access-token/{code}?interaction={id}"), &json!({})).await.expect(200);
    let complete = format!("/api/oidc/interactions/{id}/complete");
    tim.agent.post(&complete, &json!({ "step": "authenticate" })).await.expect(200);
    let code = rp.code_in(&tim.follow(reply).await, &asking);
    let tokens = rp.redeem(&asking, &code).await.expect(200).json();
    let claims = rp.verify(tokens["id_token"].as_str().unwrap()).await.claims;
    assert_eq!((&claims["sub"], &claims["amr"]), (&json!(tim.id()), &json!(["otp"])));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_tabs_have_two_interactions() {
    let app = TestApp::start().await;
    let mut tim = app.person("tim").await;
    let rp = RelyingParty::register(&app, json!({})).await;
    tim.agent = app.agent();
    let (one, two) = (rp.asks("openid"), rp.asks("openid email"));
    let (first, second) = (tim.agent.get(&one.path()).await, tim.agent.get(&two.path()).await);
    assert_ne!(first.interaction(), second.interaction());
    rp.code_in(&tim.follow(second).await, &two);
    rp.code_in(&tim.follow(first).await, &one);
}
