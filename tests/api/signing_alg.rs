//! `idTokenSignedResponseAlg` of a client: what its tokens are signed with, and the key that this needs.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use pid_tests::{Agent, TestApp};
use serde_json::{Value, json};

async fn key_of(agent: &Agent, alg: &str) -> Option<Value> {
    let keys = agent.get("/.well-known/jwks.json").await.expect(200).json();
    keys["keys"].as_array().unwrap().iter().find(|key| key["alg"] == alg).cloned()
}

/// A code flow with a session; the tokens' headers must name the algorithm and a published key of it.
async fn sign_in(browser: &Agent, client: &Value, secret: &str, alg: &str) {
    let id = client["id"].as_str().unwrap();
    let query = format!("client_id={id}&redirect_uri=https://app.example/cb&response_type=code&scope=openid%20email");
    let code = browser.get(&format!("/authorize?{query}")).await.expect(303).redirected("code").unwrap();
    let form = [
        ("grant_type", "authorization_code"),
        ("client_id", id),
        ("client_secret", secret),
        ("code", &code),
        ("redirect_uri", "https://app.example/cb"),
    ];
    let tokens = browser.post_form("/api/oidc/token", &form).await.expect(200).json();
    let key = key_of(browser, alg).await.expect("a published key");
    for name in ["id_token", "access_token"] {
        let header = tokens[name].as_str().unwrap().split('.').next().unwrap();
        let header: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(header).unwrap()).unwrap();
        assert_eq!((&header["alg"], &header["kid"]), (&json!(alg), &key["kid"]), "{name}");
    }
    let bearer = format!("Bearer {}", tokens["access_token"].as_str().unwrap());
    let request = browser.request(http::Method::GET, "/api/oidc/userinfo").header("authorization", bearer);
    browser.send(request).await.expect(200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_client_that_wants_an_algorithm_brings_its_key() {
    let mut app = TestApp::start().await;
    let admin = app.admin().await;
    assert_eq!(key_of(&admin.agent, "ES256").await, None);
    let client = app.client(json!({ "skipConsent": true, "idTokenSignedResponseAlg": "ES256" })).await;
    assert_eq!(client["idTokenSignedResponseAlg"], "ES256");
    let secret = client["secret"].as_str().unwrap().to_owned();
    sign_in(&admin.agent, &client, &secret, "ES256").await;

    // Another client takes the key that is there; it is there after a restart too.
    let key = key_of(&admin.agent, "ES256").await;
    app.client(json!({ "idTokenSignedResponseAlg": "ES256" })).await;
    app.restart().await;
    assert_eq!(key_of(&admin.agent, "ES256").await, key);
    let discovery = admin.agent.get("/.well-known/openid-configuration").await.expect(200).json();
    assert_eq!(discovery["id_token_signing_alg_values_supported"], json!(["RS256", "ES256"]));

    let path = format!("/api/oidc/clients/{}", client["id"].as_str().unwrap());
    app.script().patch(&path, &json!({ "idTokenSignedResponseAlg": "EdDSA" }), None).await.expect(200);
    sign_in(&admin.agent, &client, &secret, "EdDSA").await;
    let cleared = app.script().patch(&path, &json!({ "idTokenSignedResponseAlg": null }), None).await.expect(200);
    assert_eq!(cleared.json().get("idTokenSignedResponseAlg"), None);
    sign_in(&admin.agent, &client, &secret, "RS256").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn other_algorithms_are_refused() {
    let app = TestApp::start().await;
    for alg in ["none", "HS256", "es256", "PS256", "ES512"] {
        let body = json!({ "name": "App", "idTokenSignedResponseAlg": alg });
        app.script().post("/api/oidc/clients", &body).await.refused(400, "validation_failed");
    }
    assert_eq!(key_of(&app.agent(), "ES512").await, None);
}
