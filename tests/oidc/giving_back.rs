//! Revocation (RFC 7009) and introspection (RFC 7662).

use http::Method;
use pid_tests::{RelyingParty, TestApp, Tokens};
use serde_json::{Value, json};

const INACTIVE: &str = "{\"active\":false}";

async fn worth(rp: &RelyingParty, token: &str) -> Value {
    rp.introspect(token).await.expect(200).json()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_is_told_to_its_client() {
    let app = TestApp::start().await;
    let mut tim = app.person("tim").await;
    let rp = RelyingParty::register(&app, json!({})).await;
    let tokens = rp.sign_in(&mut tim, "openid profile email").await;
    let claims = rp.verify(tokens.access()).await.claims;
    let told = worth(&rp, tokens.access()).await;
    for same in ["iss", "sub", "aud", "client_id", "exp", "iat", "jti", "scope"] {
        assert_eq!(told[same], claims[same], "{same}");
    }
    assert_eq!(
        (&told["active"], &told["token_type"], &told["username"]),
        (&json!(true), &json!("Bearer"), &json!("tim"))
    );
    let told = worth(&rp, tokens.refresh()).await;
    assert_eq!((&told["active"], &told["sub"], &told["client_id"]), (&json!(true), &json!(tim.id()), &json!(rp.id)));
    assert_eq!(told["exp"].as_i64().unwrap() - told["iat"].as_i64().unwrap(), 30 * 24 * 3600);
    assert!(told.get("token_type").is_none() && told.get("jti").is_none());

    let of_scope = |scope: &'static str| {
        let (rp, token) = (rp.clone(), tokens.access().to_owned());
        async move { rp.post("/api/oidc/introspect", &[("token", &token), ("scope", scope)]).await.expect(200).json() }
    };
    assert_eq!(of_scope("email").await["active"], true);
    assert_eq!(of_scope("email groups").await["active"], false);

    let next = Tokens::from(rp.refresh(tokens.refresh()).await);
    for old in [tokens.access(), tokens.refresh()] {
        assert_eq!(worth(&rp, old).await, json!({ "active": false }), "rotated");
    }
    app.advance(3601);
    assert_eq!(worth(&rp, next.access()).await["active"], false, "expired");
    assert_eq!(worth(&rp, next.refresh()).await["active"], true);
    app.script().patch(&format!("/api/users/{}", tim.id()), &json!({ "disabled": true }), None).await.expect(200);
    assert_eq!(worth(&rp, next.refresh()).await["active"], false);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_proves_nothing_learns_nothing() {
    let app = TestApp::start().await;
    let mut tim = app.person("tim").await;
    let rp = RelyingParty::register(&app, json!({})).await;
    let public = RelyingParty::register(&app, json!({ "isPublic": true })).await;
    let (one, two) = (rp.sign_in(&mut tim, "openid").await, rp.sign_in(&mut tim, "openid").await);
    let own = public.sign_in(&mut tim, "openid").await;
    let path = "/api/oidc/introspect";
    let agent = app.agent();
    let bearer = |token: &str, about: &str| {
        let request = agent.request(Method::POST, path).bearer_auth(token).form(&[("token", about)]);
        agent.send(request)
    };
    agent.post_form(path, &[("token", one.access())]).await.oauth_error(400, "invalid_request");
    rp.post(path, &[]).await.oauth_error(400, "invalid_request");
    public.introspect(own.access()).await.oauth_error(401, "invalid_client");
    let wrong = RelyingParty { secret: Some("wrong".to_owned()), ..rp.clone() };
    let refused = wrong.introspect(one.access()).await.oauth_error(401, "invalid_client");
    assert!(refused.header("www-authenticate").unwrap().starts_with("Basic"));
    // One's own access token opens the others of its client, never itself.
    assert_eq!(bearer(one.access(), two.access()).await.expect(200).json()["active"], true);
    let refused = bearer(one.access(), one.access()).await.oauth_error(401, "invalid_token");
    assert!(refused.header("www-authenticate").unwrap().starts_with("Bearer"));
    bearer(one.id(), two.access()).await.oauth_error(401, "invalid_token");
    bearer("nonsense", two.access()).await.oauth_error(401, "invalid_token");
    assert_eq!(bearer(own.access(), two.access()).await.expect(200).text(), INACTIVE);
    rp.revoke(one.refresh()).await.expect(200);
    bearer(one.access(), two.access()).await.oauth_error(401, "invalid_token");
    // The other methods of authentication count as well.
    let post =
        [("token", two.access()), ("client_id", rp.id.as_str()), ("client_secret", rp.secret.as_deref().unwrap())];
    let reply = agent.post_form(path, &post).await.expect(200);
    assert_eq!((reply.json()["active"].clone(), reply.header("cache-control")), (json!(true), Some("no-store")));
    for nonsense in ["x", "pocket_id_rt_x", "a.b.c", &"x".repeat(20_000), two.id()] {
        assert_eq!(rp.introspect(nonsense).await.expect(200).text(), INACTIVE);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_gives_tokens_back() {
    let mut app = TestApp::start().await;
    let mut tim = app.person("tim").await;
    let rp = RelyingParty::register(&app, json!({})).await;
    let public = RelyingParty::register(&app, json!({ "isPublic": true })).await;
    for rp in [&rp, &public] {
        // An access token alone: its client may still refresh.
        let tokens = rp.sign_in(&mut tim, "openid").await;
        rp.revoke(tokens.access()).await.expect(200);
        assert!(!rp.is_alive(tokens.access()).await);
        let tokens = Tokens::from(rp.refresh(tokens.refresh()).await);
        assert!(rp.is_alive(tokens.access()).await);
        // A refresh token, even a rotated one: all of the family.
        let next = Tokens::from(rp.refresh(tokens.refresh()).await);
        let hint = [("token", tokens.refresh()), ("token_type_hint", "access_token")];
        rp.post("/api/oidc/revoke", &hint).await.expect(200);
        assert!(!rp.is_alive(next.access()).await);
        rp.refresh(next.refresh()).await.oauth_error(400, "invalid_grant");
        rp.revoke(next.refresh()).await.expect(200);
    }
    let tokens = rp.sign_in(&mut tim, "openid").await;
    rp.revoke(tokens.access()).await.expect(200);
    app.restart().await;
    let rp = RelyingParty { agent: app.agent(), ..rp };
    assert!(!rp.is_alive(tokens.access()).await);
    rp.post("/api/oidc/revoke", &[]).await.oauth_error(400, "invalid_request");
    let id = [("token", tokens.id()), ("token_type_hint", "id_token")];
    rp.post("/api/oidc/revoke", &id).await.oauth_error(400, "unsupported_token_type");
    rp.revoke("nonsense").await.expect(200);
    let wrong = RelyingParty { secret: Some("wrong".to_owned()), ..rp.clone() };
    wrong.revoke(tokens.refresh()).await.oauth_error(401, "invalid_client");
    rp.refresh(tokens.refresh()).await.expect(200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_037_others_tokens_are_none_of_its_business() {
    let app = TestApp::start().await;
    let mut tim = app.person("tim").await;
    let owner = RelyingParty::register(&app, json!({ "name": "Owner" })).await;
    let thief = RelyingParty::register(&app, json!({ "name": "Thief" })).await;
    let tokens = owner.sign_in(&mut tim, "openid").await;
    for token in [tokens.access(), tokens.refresh()] {
        assert_eq!(thief.introspect(token).await.expect(200).text(), INACTIVE);
        let reply = thief.revoke(token).await.expect(200);
        assert_eq!(reply.text(), "", "the same answer as for one that it has");
    }
    assert!(owner.is_alive(tokens.access()).await);
    owner.refresh(tokens.refresh()).await.expect(200);
}
