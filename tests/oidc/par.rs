//! Pushed authorization requests (RFC 9126, oidc.md §10).

use pid_tests::{Person, RelyingParty, Reply, Signer, TestApp, unsigned};
use serde_json::json;

/// Pushes a request.
async fn push(rp: &RelyingParty, asking: &pid_tests::Asking) -> Reply {
    let form = asking.form().iter().map(|(name, value)| (name.as_str(), value.as_str()));
    // A public client names itself once.
    let form: Vec<_> = form.filter(|(name, _)| rp.secret.is_some() || *name != "client_id").collect();
    rp.post("/api/oidc/par", &form).await
}

/// Where a browser goes with the name of a pushed request.
fn place(rp: &RelyingParty, name: &str) -> String {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    format!("/authorize?{}", query.append_pair("client_id", &rp.id).append_pair("request_uri", name).finish())
}

async fn pushed(rp: &RelyingParty, asking: &pid_tests::Asking) -> String {
    let reply = push(rp, asking).await.expect(201);
    assert_eq!(reply.header("cache-control"), Some("no-store"));
    let answer = reply.json();
    assert_eq!(answer["expires_in"], 90);
    let name = answer["request_uri"].as_str().unwrap();
    let random = name.strip_prefix("urn:ietf:params:oauth:request_uri:").unwrap();
    assert_eq!(random.len(), 43);
    name.to_owned()
}

async fn consented(app: &TestApp, rp: &RelyingParty) -> Person {
    let mut tim = app.person("tim").await;
    rp.sign_in(&mut tim, "openid").await;
    tim
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pushed_request_is_good_once() {
    let app = TestApp::start().await;
    let rp = RelyingParty::register(&app, json!({})).await;
    let tim = consented(&app, &rp).await;
    let asking = rp.asks("openid");
    let name = pushed(&rp, &asking).await;
    // What the browser says beside it doesn't count.
    let noisy = format!("{}&state=other&scope=email&redirect_uri=https%3A%2F%2Fevil.example%2F", place(&rp, &name));
    let reply = tim.agent.get(&noisy).await;
    let code = rp.code_in(&reply, &asking);
    rp.redeem(&asking, &code).await.expect(200);
    assert!(tim.agent.get(&place(&rp, &name)).await.error_page().contains("no longer valid"));

    // Two browsers at once: one is first.
    let name = pushed(&rp, &rp.asks("openid")).await;
    let path = place(&rp, &name);
    let both = tokio::join!(tim.agent.get(&path), tim.agent.get(&path));
    let codes = [both.0.redirected("code"), both.1.redirected("code")];
    assert_eq!(codes.iter().flatten().count(), 1);

    // Too late; a name that is nobody's; another client's. None of them tells anybody but the person.
    let name = pushed(&rp, &rp.asks("openid")).await;
    let other = RelyingParty::register(&app, json!({ "name": "Other" })).await;
    assert!(tim.agent.get(&place(&other, &name)).await.error_page().contains("another client"));
    app.advance(91);
    assert!(tim.agent.get(&place(&rp, &name)).await.error_page().contains("no longer valid"));
    let nobody = format!("urn:ietf:params:oauth:request_uri:{}", "a".repeat(43));
    for name in [nobody.as_str(), "urn:ietf:params:oauth:request_uri:x"] {
        assert!(tim.agent.get(&place(&rp, name)).await.error_page().contains("no longer valid"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn consent_comes_long_after_the_push() {
    let app = TestApp::start().await;
    let rp = RelyingParty::register(&app, json!({ "requiresPushedAuthorizationRequests": true })).await;
    let mut tim = app.person("tim").await;
    let asking = rp.asks("openid email").with("max_age", "3600");
    let name = pushed(&rp, &asking).await;
    let waiting = tim.agent.get(&place(&rp, &name)).await;
    assert!(waiting.interaction().is_some());
    app.advance(600);
    let reply = tim.follow(waiting).await;
    let code = rp.code_in(&reply, &asking);
    rp.redeem(&asking, &code).await.expect(200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_or_everybody_must_push() {
    let app = TestApp::start().await;
    let rp = RelyingParty::register(&app, json!({})).await;
    let tim = consented(&app, &rp).await;
    let script = app.script();
    let refused = |reply: &Reply| {
        assert_eq!(reply.redirected("error").as_deref(), Some("invalid_request"), "{}", reply.location());
        assert!(reply.redirected("error_description").unwrap().contains("must be pushed"));
        assert!(reply.redirected("state").is_some() && reply.redirected("iss").is_some());
    };
    let path = format!("/api/oidc/clients/{}", rp.id);
    script.patch(&path, &json!({ "requiresPushedAuthorizationRequests": true }), None).await.expect(200);
    refused(&tim.agent.get(&rp.asks("openid").path()).await);
    refused(&tim.agent.post_form("/authorize", rp.asks("openid").form()).await);
    let name = pushed(&rp, &rp.asks("openid")).await;
    // In a form as well as in the query.
    let form = [("client_id", rp.id.as_str()), ("request_uri", name.as_str())];
    assert!(tim.agent.post_form("/authorize", &form).await.redirected("code").is_some());

    script.patch(&path, &json!({ "requiresPushedAuthorizationRequests": false }), None).await.expect(200);
    let discovery = "/.well-known/openid-configuration";
    assert_eq!(script.get(discovery).await.json()["require_pushed_authorization_requests"], false);
    let everybody = json!({ "requirePushedAuthorizationRequests": "true" });
    script.patch("/api/application-configuration", &everybody, None).await.expect(200);
    assert_eq!(script.get(discovery).await.json()["require_pushed_authorization_requests"], true);
    refused(&tim.agent.get(&rp.asks("openid").path()).await);
    let name = pushed(&rp, &rp.asks("openid")).await;
    assert!(tim.agent.get(&place(&rp, &name)).await.redirected("code").is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bad_request_is_refused_when_it_is_pushed() {
    let app = TestApp::start().await;
    let rp = RelyingParty::register(&app, json!({})).await;
    let public = RelyingParty::register(&app, json!({ "name": "SPA", "isPublic": true })).await;
    pushed(&public, &public.asks("openid")).await;
    for (asking, error) in [
        (rp.asks("openid").with("redirect_uri", "https://evil.example/cb"), "invalid_request"),
        (rp.asks("openid").without("redirect_uri"), "invalid_request"),
        (rp.asks("openid").with("response_type", "token"), "unsupported_response_type"),
        (rp.asks("openid").with("prompt", "none login"), "invalid_request"),
        (rp.asks("openid").with("resource", "relative"), "invalid_target"),
        (rp.asks("openid").with("request_uri", "urn:x"), "invalid_request"),
        (rp.asks("openid").with("request", "x"), "invalid_request_object"),
        (rp.asks("openid").with("request", &unsigned(&json!({ "request_uri": "urn:x" }))), "invalid_request_object"),
        (rp.asks("openid").with("client_id", &public.id), "invalid_request"),
        (rp.asks("openid").with("dpop_jkt", "short"), "invalid_request"),
    ] {
        push(&rp, &asking).await.oauth_error(400, error);
    }
    push(&public, &public.asks("openid").without_pkce()).await.oauth_error(400, "invalid_request");
    let form = rp.asks("openid");
    app.agent().post_form("/api/oidc/par", form.form()).await.oauth_error(401, "invalid_client");
    let wrong = RelyingParty { secret: Some("wrong".to_owned()), ..rp.clone() };
    push(&wrong, &form).await.oauth_error(401, "invalid_client");
    app.agent().get("/api/oidc/par").await.expect(404);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_signed_request_may_be_pushed_by_a_client_that_signs() {
    let app = TestApp::start().await;
    let key = Signer::new("k");
    let rp = RelyingParty::register(&app, json!({ "jwks": key.jwks() })).await;
    let tim = consented(&app, &rp).await;
    let asking = rp.asks("openid");
    let mut claims = json!({ "iss": rp.id, "aud": app.url(), "exp": app.app().clock().now().secs() + 60 });
    for (name, value) in asking.form() {
        claims[name] = json!(value);
    }
    let answer = rp.post("/api/oidc/par", &[("request", &key.sign(&claims))]).await.expect(201).json();
    let reply = tim.agent.get(&place(&rp, answer["request_uri"].as_str().unwrap())).await;
    rp.code_in(&reply, &asking);
}
