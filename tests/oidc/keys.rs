//! Signing keys as relying parties see them (oidc.md §4).

use pid_tests::{RelyingParty, TestApp};
use serde_json::json;

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
