//! Requests as objects: unsigned (OpenID Connect Core §6.1) and signed (RFC 9101).

use pid_tests::{Asking, Publisher, RelyingParty, Signer, TestApp, unsigned};
use serde_json::{Value, json};

/// The parameters of a request as claims.
fn claims(app: &TestApp, rp: &RelyingParty, asking: &Asking) -> Value {
    let mut claims = json!({ "iss": rp.id, "aud": app.url(), "exp": app.app().clock().now().secs() + 60 });
    for (name, value) in asking.form() {
        claims[name] = json!(value);
    }
    claims
}

/// A request with its object and as little as may stand beside it.
fn path(rp: &RelyingParty, object: &str, more: &[(&str, &str)]) -> String {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    query.append_pair("client_id", &rp.id).append_pair("request", object).extend_pairs(more);
    format!("/authorize?{}", query.finish())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_signed_object_alone_counts() {
    let app = TestApp::start().await;
    let key = Signer::new("k");
    let shelf = Publisher::start(key.jwks()).await;
    let mut tim = app.person("tim").await;
    for keys in [json!({ "name": "Here", "jwks": key.jwks() }), json!({ "name": "There", "jwksUri": shelf.url() })] {
        let rp = RelyingParty::register(&app, keys).await;
        rp.sign_in(&mut tim, "openid").await;
        let asking = rp.asks("openid");
        let token = key.sign_with(json!({ "typ": "oauth-authz-req+jwt" }), &claims(&app, &rp, &asking));
        // State and nonce of the object come back; those beside it would have to be the same.
        let reply = tim.agent.get(&path(&rp, &token, &[])).await;
        let code = rp.code_in(&reply, &asking);
        let tokens = rp.redeem(&asking, &code).await.expect(200).json();
        let id = rp.verify(tokens["id_token"].as_str().unwrap()).await;
        assert_eq!(id.claims["nonce"], json!(asking.nonce));
        let beside = [("scope", "openid"), ("response_type", "code")];
        assert!(tim.agent.get(&path(&rp, &token, &beside)).await.redirected("code").is_some());

        // An object that expires while the person signs in has done its work.
        let more = rp.asks("openid email");
        let token = key.sign(&claims(&app, &rp, &more));
        let waiting = tim.agent.get(&path(&rp, &token, &[])).await;
        app.advance(300);
        let reply = tim.follow(waiting).await;
        rp.code_in(&reply, &more);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unsigned_object_carries_parameters() {
    let app = TestApp::start().await;
    let rp = RelyingParty::register(&app, json!({})).await;
    let mut tim = app.person("tim").await;
    rp.sign_in(&mut tim, "openid").await;
    let asking = rp.asks("openid");
    let object = unsigned(&json!({ "state": asking.state, "nonce": asking.nonce }));
    let outside = asking.clone().without("nonce").with("state", "another").with("request", &object);
    let reply = tim.agent.get(&outside.path()).await;
    let code = rp.code_in(&reply, &asking);
    let tokens = rp.redeem(&asking, &code).await.expect(200).json();
    assert_eq!(rp.verify(tokens["id_token"].as_str().unwrap()).await.claims["nonce"], json!(asking.nonce));
    // Without `openid` there is no such thing, and the parameter means nothing.
    let plain = rp.asks("email").with("request", &object);
    let reply = tim.agent.get(&plain.path()).await;
    assert!(reply.interaction().is_some(), "a new scope to agree to");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_019_objects_are_refused_where_they_must_be() {
    let app = TestApp::start().await;
    let (key, other) = (Signer::new("k"), Signer::new("k"));
    let rp = RelyingParty::register(&app, json!({ "jwks": key.jwks() })).await;
    let keyless = RelyingParty::register(&app, json!({ "name": "Keyless" })).await;
    let mut tim = app.person("tim").await;
    rp.sign_in(&mut tim, "openid").await;
    let told = |reply: &pid_tests::Reply, state: Option<&str>, error: &str| {
        assert_eq!(reply.redirected("error").as_deref(), Some(error), "{}", reply.location());
        assert_eq!(reply.redirected("state").as_deref(), state);
    };
    let asking = rp.asks("openid");
    let good = claims(&app, &rp, &asking);
    let with = |name: &str, value: Value| {
        let mut claims = good.clone();
        claims[name] = value;
        claims
    };
    let now = app.app().clock().now().secs();
    let beside = asking.clone().with("state", "s");
    for object in [
        unsigned(&good),
        other.sign(&good),
        key.sign(&with("aud", json!("https://other.example"))),
        key.sign(&with("iss", json!("other"))),
        key.sign(&with("client_id", json!("other"))),
        key.sign(&with("exp", json!(now - 61))),
        key.sign(&with("nbf", json!(now + 120))),
        key.sign(&with("sub", json!(rp.id))),
        key.sign(&with("request_uri", json!("urn:x"))),
        key.sign_with(json!({ "typ": "at+jwt" }), &good),
        key.sign(&with("state", json!("not what stands beside it"))),
        "not an object".to_owned(),
    ] {
        let request = beside.clone().with("request", &object);
        told(&tim.agent.get(&request.path()).await, Some("s"), "invalid_request_object");
        // Where nobody may be told the person is.
        let nowhere = request.with("redirect_uri", "https://evil.example/cb");
        assert!(tim.agent.get(&nowhere.path()).await.error_page().contains("not registered"));
    }
    // A client without keys can't sign, and an object can't lead elsewhere than the client may.
    let signed = keyless.asks("openid").with("request", &key.sign(&json!({ "client_id": keyless.id })));
    told(&tim.agent.get(&signed.path()).await, Some(signed.state.as_str()), "invalid_request_object");
    let away = keyless.asks("openid").with("request", &unsigned(&json!({ "redirect_uri": "https://evil.example/" })));
    assert!(tim.agent.get(&away.path()).await.error_page().contains("not registered"));
    let both = asking.with("request", &key.sign(&good)).with("request_uri", "https://app.example/r");
    told(&tim.agent.get(&both.path()).await, Some(both.state.as_str()), "invalid_request");
}
