//! UserInfo (oidc.md §17; RFC 6750).

use http::Method;
use pid_tests::{RelyingParty, TestApp};
use serde_json::json;

const USERINFO: &str = "/api/oidc/userinfo";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_may_come_in_header_form_or_query() {
    let app = TestApp::start().await;
    let mut tim = app.person("tim").await;
    let rp = RelyingParty::register(&app, json!({})).await;
    let tokens = rp.sign_in(&mut tim, "openid").await;
    let (agent, token) = (app.agent(), tokens.access());
    let form = [("access_token", token)];
    let replies = [
        rp.userinfo(token).await,
        agent.send(agent.request(Method::POST, USERINFO).bearer_auth(token)).await,
        agent.send(agent.request(Method::GET, USERINFO).header("authorization", format!("bearer {token}"))).await,
        agent.post_form(USERINFO, &form).await,
        agent.get(&format!("{USERINFO}?access_token={token}")).await,
        agent.send(agent.request(Method::POST, USERINFO).bearer_auth(token).json(&json!({ "a": 1 }))).await,
    ];
    for reply in replies {
        let reply = reply.expect(200);
        assert_eq!(reply.json(), json!({ "sub": tim.id() }));
        assert!(reply.header("content-type").unwrap().starts_with("application/json"));
        assert_eq!(reply.header("cache-control"), Some("no-store"));
        assert_eq!(reply.header("access-control-allow-origin"), Some("*"));
    }
    let twice = agent.request(Method::POST, USERINFO).bearer_auth(token).form(&form);
    agent.send(twice).await.oauth_error(400, "invalid_request");
    agent.send(agent.request(Method::HEAD, USERINFO).bearer_auth(token)).await.expect(200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refusals_are_those_of_rfc_6750() {
    let app = TestApp::start().await;
    let mut tim = app.person("tim").await;
    let rp = RelyingParty::register(&app, json!({})).await;
    let missing = app.agent().get(USERINFO).await.expect(401);
    assert_eq!((missing.header("www-authenticate"), missing.body.len()), (Some("Bearer"), 0));
    let invalid = |reply: pid_tests::Reply| {
        let reply = reply.oauth_error(401, "invalid_token");
        assert!(reply.header("www-authenticate").unwrap().starts_with("Bearer error=\"invalid_token\""));
    };
    for token in ["x", "a.b.c", "not a token", "pocket_id_rt_abc", "..", "e30.e30.e30"] {
        invalid(rp.userinfo(token).await);
    }
    // A session's cookie is no access token.
    invalid(rp.userinfo(&tim.agent.cookie("access_token").unwrap()).await);
    for scope in ["", "email profile", "offline_access"] {
        let tokens = rp.sign_in(&mut tim, scope).await;
        let reply = rp.userinfo(tokens.access()).await.oauth_error(403, "insufficient_scope");
        assert!(reply.header("www-authenticate").unwrap().ends_with("scope=\"openid\""));
    }
    let tokens = rp.sign_in(&mut tim, "openid").await;
    app.advance(3599);
    rp.userinfo(tokens.access()).await.expect(200);
    app.advance(1);
    invalid(rp.userinfo(tokens.access()).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_speaks_of_the_person_as_they_are_now() {
    let mut app = TestApp::start().await;
    let (mut tim, mut ann) = (app.person("tim").await, app.person("ann").await);
    let rp = RelyingParty::register(&app, json!({})).await;
    let (tims, anns) = (rp.sign_in(&mut tim, "openid profile email").await, rp.sign_in(&mut ann, "openid").await);
    let script = app.script();
    let path = format!("/api/users/{}", tim.id());
    let change = json!({ "email": "new@example.com", "emailVerified": true, "lastName": "Tester" });
    script.patch(&path, &change, None).await.expect(200);
    let claims = rp.userinfo(tims.access()).await.expect(200).json();
    assert_eq!((&claims["email"], &claims["email_verified"]), (&json!("new@example.com"), &json!(true)));
    assert_eq!(claims["name"], "Tim Tester");

    script.patch(&path, &json!({ "disabled": true }), None).await.expect(200);
    rp.userinfo(tims.access()).await.oauth_error(401, "invalid_token");
    script.delete(&format!("/api/users/{}", ann.id())).await.expect(204);
    rp.userinfo(anns.access()).await.oauth_error(401, "invalid_token");
    app.restart().await;
    for tokens in [tims, anns] {
        rp.userinfo(tokens.access()).await.oauth_error(401, "invalid_token");
    }
}
