//! Clients that sign (RFC 7523, OpenID Connect Core §9), and issuers that vouch for workloads (oidc.md §14.3).

use pid_tests::{Agent, JWT_BEARER, Publisher, RelyingParty, Reply, Signer, TestApp, random};
use serde_json::{Value, json};

fn now(app: &TestApp) -> i64 {
    app.app().clock().now().secs()
}

fn claims(app: &TestApp, id: &str) -> Value {
    let now = now(app);
    json!({ "iss": id, "sub": id, "aud": app.url(), "iat": now, "exp": now + 60, "jti": random() })
}

fn with(mut claims: Value, name: &str, value: &Value) -> Value {
    claims[name] = value.clone();
    claims
}

async fn post(agent: &Agent, path: &str, assertion: &str, form: &[(&str, &str)]) -> Reply {
    let assertion = [("client_assertion_type", JWT_BEARER), ("client_assertion", assertion)];
    agent.post_form(path, &[form, &assertion].concat()).await
}

/// Whether an assertion authenticates: introspection asks for nothing else.
async fn accepted(app: &TestApp, assertion: &str) -> Reply {
    post(&app.agent(), "/api/oidc/introspect", assertion, &[("token", "x")]).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_signs_with_a_registered_key() {
    let app = TestApp::start().await;
    let mut tim = app.person("tim").await;
    let key = Signer::new("k1");
    let rp = RelyingParty::register(&app, json!({ "jwks": key.jwks() })).await;
    let asking = rp.asks("openid");
    let code = rp.code(&mut tim, &asking).await;
    let form = [
        ("grant_type", "authorization_code"),
        ("code", code.as_str()),
        ("redirect_uri", &rp.callback),
        ("code_verifier", &asking.verifier),
    ];
    let assertion = key.sign(&claims(&app, &rp.id));
    let tokens = post(&rp.agent, "/api/oidc/token", &assertion, &form).await.expect(200).json();
    let refresh = tokens["refresh_token"].as_str().unwrap().to_owned();
    let form = [("grant_type", "refresh_token"), ("refresh_token", refresh.as_str())];
    post(&rp.agent, "/api/oidc/token", &assertion, &form).await.oauth_error(401, "invalid_client");
    let first = key.sign(&claims(&app, &rp.id));
    let next = post(&rp.agent, "/api/oidc/token", &first, &form).await.expect(200).json();
    // The same client asks again with a new assertion, since the answer got lost: the same successor.
    let second = key.sign(&claims(&app, &rp.id));
    let again = post(&rp.agent, "/api/oidc/token", &second, &form).await.expect(200).json();
    assert_eq!(next["refresh_token"], again["refresh_token"]);
    // Every endpoint that knows clients knows this method, by its own address as well.
    let here = with(claims(&app, &rp.id), "aud", &json!(format!("{}/api/oidc/introspect", app.url())));
    let form = [("token", next["access_token"].as_str().unwrap())];
    let told = post(&rp.agent, "/api/oidc/introspect", &key.sign(&here), &form).await.expect(200);
    assert_eq!(told.json()["active"], true);
    post(&rp.agent, "/api/oidc/introspect", &key.sign(&here), &[("token", "x")])
        .await
        .oauth_error(401, "invalid_client");
    let form = [("token", next["refresh_token"].as_str().unwrap())];
    post(&rp.agent, "/api/oidc/revoke", &key.sign(&claims(&app, &rp.id)), &form).await.expect(200);
    // Its secret counts as well, unless it may use nothing but its key.
    rp.introspect("x").await.expect(200);
    let path = format!("/api/oidc/clients/{}", rp.id);
    let pinned = json!({ "tokenEndpointAuthMethod": "private_key_jwt" });
    app.script().patch(&path, &pinned, None).await.expect(200);
    let refused = rp.introspect("x").await.oauth_error(401, "invalid_client");
    assert!(refused.text().contains("private_key_jwt"), "{}", refused.text());
    accepted(&app, &key.sign(&claims(&app, &rp.id))).await.expect(200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_may_be_published_and_changed() {
    let app = TestApp::start().await;
    let (old, new) = (Signer::new("old"), Signer::new("new"));
    let shelf = Publisher::start(old.jwks()).await;
    let rp = RelyingParty::register(&app, json!({ "jwksUri": shelf.url() })).await;
    for _ in 0..3 {
        accepted(&app, &old.sign(&claims(&app, &rp.id))).await.expect(200);
    }
    assert_eq!(shelf.asked(), 1, "the set is kept");
    shelf.publish(new.jwks());
    // Nobody can make us ask for the set at every request.
    for _ in 0..3 {
        accepted(&app, &new.sign(&claims(&app, &rp.id))).await.oauth_error(401, "invalid_client");
    }
    assert_eq!(shelf.asked(), 1);
    app.advance(11);
    accepted(&app, &new.sign(&claims(&app, &rp.id))).await.expect(200);
    accepted(&app, &old.sign(&claims(&app, &rp.id))).await.oauth_error(401, "invalid_client");
    assert_eq!(shelf.asked(), 2);
    // A stranger's bad signature while the address fails takes no good keys away.
    shelf.publish(json!("out of order"));
    app.advance(11);
    accepted(&app, &old.sign(&claims(&app, &rp.id))).await.oauth_error(401, "invalid_client");
    assert_eq!(shelf.asked(), 3);
    accepted(&app, &new.sign(&claims(&app, &rp.id))).await.expect(200);
    accepted(&app, &old.sign(&claims(&app, &rp.id))).await.oauth_error(401, "invalid_client");
    assert_eq!(shelf.asked(), 3, "and it is not asked again at once");
    app.advance(16 * 60);
    drop(shelf);
    let gone = accepted(&app, &new.sign(&claims(&app, &rp.id))).await.oauth_error(401, "invalid_client");
    assert!(gone.text().contains("no connection could be made"), "{}", gone.text());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_issuer_vouches_for_a_workload() {
    let app = TestApp::start().await;
    let cluster = Signer::new("c");
    let shelf = Publisher::start(cluster.jwks()).await;
    let identity = |subject: &str, once: bool| json!({ "issuer": shelf.issuer(), "subject": subject, "audience": "api://pocket-id", "replayProtection": once });
    let one = RelyingParty::register(
        &app,
        json!({ "name": "One", "credentials": { "federatedIdentities": [identity("system:one", false)] } }),
    )
    .await;
    let two = RelyingParty::register(
        &app,
        json!({ "name": "Two", "credentials": { "federatedIdentities": [identity("system:two", true)] } }),
    )
    .await;
    let token = |subject: &str| {
        let claims = json!({ "iss": shelf.issuer(), "sub": subject, "aud": ["api://pocket-id"], "exp": now(&app) + 3600,
            "jti": "same for both" });
        cluster.sign(&claims)
    };
    let form = |id: &str| vec![("token".to_owned(), "x".to_owned()), ("client_id".to_owned(), id.to_owned())];
    let asked = |id: &str, token: String| {
        let mut form = form(id);
        form.push(("client_assertion_type".to_owned(), JWT_BEARER.to_owned()));
        form.push(("client_assertion".to_owned(), token));
        let agent = app.agent();
        async move { agent.post_form("/api/oidc/introspect", &form).await }
    };
    // A token in a file is read again and again; where it may be used once it is.
    for _ in 0..2 {
        asked(&one.id, token("system:one")).await.expect(200);
    }
    asked(&two.id, token("system:two")).await.expect(200);
    asked(&two.id, token("system:two")).await.oauth_error(401, "invalid_client");
    // Issuer and subject together name the client, whatever the form says.
    asked(&one.id, token("system:two")).await.oauth_error(401, "invalid_client");
    asked(&two.id, token("system:one")).await.oauth_error(401, "invalid_client");
    assert_eq!(shelf.asked(), 1);
    // The trust ends with the entry.
    let none = json!({ "credentials": { "federatedIdentities": [] } });
    app.script().patch(&format!("/api/oidc/clients/{}", one.id), &none, None).await.expect(200);
    asked(&one.id, token("system:one")).await.oauth_error(401, "invalid_client");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_032_assertions_of_others_are_refused() {
    let app = TestApp::start().await;
    let (key, other) = (Signer::new("k"), Signer::new("k"));
    let rp = RelyingParty::register(&app, json!({ "jwks": key.jwks() })).await;
    let mallory = RelyingParty::register(&app, json!({ "name": "Mallory", "jwks": other.jwks() })).await;
    let good = || claims(&app, &rp.id);
    accepted(&app, &key.sign(&good())).await.expect(200);
    for assertion in [
        other.sign(&good()),
        key.sign(&with(good(), "aud", &json!("https://other.example"))),
        key.sign(&with(good(), "aud", &json!([app.url(), "https://other.example"]))),
        key.sign(&with(good(), "exp", &json!(now(&app) + 3600))),
        key.sign(&with(good(), "exp", &json!(now(&app) - 60))),
        key.sign(&with(good(), "iss", &json!(mallory.id))),
        key.sign(&with(good(), "sub", &json!(mallory.id))),
        key.sign(&with(good(), "jti", &Value::Null)),
        key.sign_with(json!({ "typ": "dpop+jwt" }), &good()),
        "x.y.z".to_owned(),
    ] {
        accepted(&app, &assertion).await.oauth_error(401, "invalid_client");
    }
    // Its own assertion for another client.
    let forged = other.sign(&claims(&app, &mallory.id));
    let form = [("token", "x"), ("client_id", rp.id.as_str())];
    post(&app.agent(), "/api/oidc/introspect", &forged, &form).await.oauth_error(401, "invalid_client");
    // Two of one: exactly one is first.
    let once = key.sign(&good());
    let both = tokio::join!(accepted(&app, &once), accepted(&app, &once));
    let mut statuses = [both.0.status.as_u16(), both.1.status.as_u16()];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 401]);
    // Two methods at once, and an unknown type.
    let agent = app.agent();
    let assertion = key.sign(&good());
    let form = [("client_assertion_type", JWT_BEARER), ("client_assertion", &assertion), ("client_secret", "x")];
    agent.post_form("/api/oidc/token", &form).await.oauth_error(400, "invalid_request");
    let form = [("client_assertion_type", "urn:other"), ("client_assertion", &assertion)];
    agent.post_form("/api/oidc/token", &form).await.oauth_error(400, "invalid_request");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_and_methods_are_checked_when_they_are_saved() {
    let app = TestApp::start().await;
    let script = app.script();
    let key = Signer::new("k");
    let client = app.client(json!({})).await;
    let path = format!("/api/oidc/clients/{}", client["id"].as_str().unwrap());
    let private = json!({ "keys": [{ "kty": "EC", "crv": "P-256", "x": "a", "y": "b", "d": "c", "kid": "k" }] });
    for (body, refused) in [
        (json!({ "jwks": private }), "jwks invalid_format"),
        (json!({ "jwks": { "keys": [] } }), "jwks invalid_format"),
        (json!({ "jwks": "nonsense" }), "jwks invalid_format"),
        (json!({ "jwks": key.jwks(), "jwksUri": "https://a.example/jwks" }), "jwksUri invalid_value"),
        (json!({ "jwksUri": "/jwks" }), "jwksUri invalid_format"),
        (json!({ "jwksUri": "https://user:pw@a.example/jwks" }), "jwksUri invalid_format"),
        (json!({ "tokenEndpointAuthMethod": "tls_client_auth" }), "tokenEndpointAuthMethod oneof"),
        (json!({ "tokenEndpointAuthMethod": "none" }), "tokenEndpointAuthMethod invalid_value"),
    ] {
        script.patch(&path, &body, None).await.invalid(&[refused]);
    }
    let stored = script.patch(&path, &json!({ "jwks": key.jwks() }), None).await.expect(200).json();
    assert_eq!(stored["jwks"], key.jwks());
    // An address takes the place of keys; a script that knows neither leaves them.
    let body = json!({ "jwksUri": "https://a.example/jwks", "tokenEndpointAuthMethod": "private_key_jwt" });
    let stored = script.patch(&path, &body, None).await.expect(200).json();
    assert_eq!((stored.get("jwks"), &stored["jwksUri"]), (None, &json!("https://a.example/jwks")));
    let kept = script.put(&path, &json!({ "name": "App" })).await.expect(200).json();
    assert_eq!((&kept["jwksUri"], &kept["tokenEndpointAuthMethod"]), (&stored["jwksUri"], &json!("private_key_jwt")));
    // Public clients have no other method than none; who makes one public doesn't lock it out.
    let public = script.put(&path, &json!({ "name": "App", "isPublic": true })).await.expect(200).json();
    assert_eq!(public.get("tokenEndpointAuthMethod"), None);
    let cleared = json!({ "jwks": "", "jwksUri": "", "requirePkce": true });
    let cleared = script.put(&path, &with(cleared, "name", &json!("App"))).await.expect(200).json();
    assert_eq!((cleared.get("jwksUri"), &cleared["pkceEnabled"]), (None, &json!(true)));
}
