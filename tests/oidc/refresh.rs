//! Refresh tokens (oidc.md §13.3).

use pid_tests::{RelyingParty, TestApp, Tokens};
use serde_json::json;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_use_gives_a_successor() {
    let app = TestApp::start().await;
    let mut tim = app.person("tim").await;
    let rp = RelyingParty::register(&app, json!({})).await;
    let first = rp.sign_in(&mut tim, "openid profile").await;
    let change = json!({ "firstName": "Timothy" });
    app.script().patch(&format!("/api/users/{}", tim.id()), &change, None).await.expect(200);
    app.advance(120);
    let second = Tokens::from(rp.refresh(first.refresh()).await);
    assert_ne!(first.refresh(), second.refresh());
    assert_eq!(second.0["scope"], "openid profile");

    let (before, after) = (rp.verify(first.id()).await.claims, rp.verify(second.id()).await.claims);
    for same in ["iss", "sub", "aud", "auth_time", "amr", "sid", "rat", "type"] {
        assert_eq!(before[same], after[same], "{same}");
    }
    for other in ["jti", "iat", "exp", "at_hash"] {
        assert_ne!(before[other], after[other], "{other}");
    }
    assert_eq!(after.get("nonce"), None, "OpenID Connect Core §12.2");
    assert_eq!(after["given_name"], "Timothy", "claims of now");

    assert!(!rp.is_alive(first.access()).await, "the old access token went with the rotation");
    assert!(rp.is_alive(second.access()).await);
    // A chain of them.
    let mut tokens = second;
    for _ in 0..3 {
        tokens = rp.refresh(tokens.refresh()).await.into();
    }
    assert!(rp.is_alive(tokens.access()).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_scope_may_be_narrowed_for_once() {
    let app = TestApp::start().await;
    let mut tim = app.person("tim").await;
    let rp = RelyingParty::register(&app, json!({})).await;
    let first = rp.sign_in(&mut tim, "openid profile email").await;
    let with = async |tokens: &Tokens, scope: &str| {
        rp.token(&[("grant_type", "refresh_token"), ("refresh_token", tokens.refresh()), ("scope", scope)]).await
    };
    let narrow = Tokens::from(with(&first, "openid email").await);
    assert_eq!(narrow.0["scope"], "openid email");
    let claims = rp.userinfo(narrow.access()).await.expect(200).json();
    assert!(claims.get("email").is_some() && claims.get("name").is_none(), "{claims}");
    assert_eq!(rp.verify(narrow.id()).await.claims.get("name"), None);
    let plain = Tokens::from(with(&narrow, "email").await);
    assert_eq!(plain.0.get("id_token"), None);
    let whole = Tokens::from(with(&plain, "openid email profile orders:read").await);
    assert_eq!(whole.0["scope"], "openid email profile", "what was granted stays granted, what is unknown is dropped");
    with(&whole, "openid groups").await.oauth_error(400, "invalid_scope");
    rp.refresh(whole.refresh()).await.expect(200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_rotation_has_the_clients_lifetime_of_now() {
    let app = TestApp::start().await;
    let mut tim = app.person("tim").await;
    let body = json!({ "accessTokenDurationMinutes": 10, "refreshTokenDurationMinutes": 60 });
    let rp = RelyingParty::register(&app, body).await;
    let mut tokens = rp.sign_in(&mut tim, "openid").await;
    // Sliding: longer than one lifetime in all.
    for _ in 0..3 {
        app.advance(50 * 60);
        assert!(!rp.is_alive(tokens.access()).await);
        tokens = rp.refresh(tokens.refresh()).await.into();
        assert_eq!(tokens.0["expires_in"], 600);
    }
    let change = json!({ "accessTokenDurationMinutes": 5, "refreshTokenDurationMinutes": 20 });
    app.script().patch(&format!("/api/oidc/clients/{}", rp.id), &change, None).await.expect(200);
    app.advance(30 * 60);
    tokens = rp.refresh(tokens.refresh()).await.into();
    assert_eq!(tokens.0["expires_in"], 300);
    app.advance(20 * 60 + 1);
    let late = rp.refresh(tokens.refresh()).await.oauth_error(400, "invalid_grant").json();
    assert!(late["error_description"].as_str().unwrap().contains("expired"), "{late}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_survives_restarts_and_the_end_of_the_session() {
    let mut app = TestApp::start().await;
    let mut tim = app.person("tim").await;
    let rp = RelyingParty::register(&app, json!({})).await;
    let tokens = rp.sign_in(&mut tim, "openid").await;
    app.restart().await;
    app.advance(2 * 3600);
    tim.agent.get("/api/users/me").await.refused(401, "not_signed_in");
    let tokens = Tokens::from(rp.refresh(tokens.refresh()).await);
    assert!(rp.is_alive(tokens.access()).await);
}
