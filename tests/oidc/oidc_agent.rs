//! `oidc-agent`: a command line that gets its tokens by the device grant, as another house's program understands it.

use pid_testkit::oidc_agent::OidcAgent;
use pid_tests::{RelyingParty, TestApp};
use serde_json::{Value, json};
use tokio::task::block_in_place;

const SCOPE: &str = "openid email offline_access";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn oidc_agent_keeps_a_command_line_in_tokens() {
    let app = TestApp::start().await;
    let tim = app.person("tim").await;
    let agent = block_in_place(OidcAgent::start).unwrap();
    for public in [true, false] {
        let account = if public { "public" } else { "confidential" };
        let rp = RelyingParty::register(&app, json!({ "isPublic": public, "callbackURLs": [] })).await;
        let mut making = agent.begin(account, app.url(), &rp.id, rp.secret.as_deref(), SCOPE).unwrap();
        let (code, said) = block_in_place(|| making.code()).unwrap();
        assert!(said.contains(&format!("{}/device\n", app.url())), "{said}");
        tim.agent.post(&format!("/api/oidc/device/verify?code={code}"), &Value::Null).await.expect(204);
        block_in_place(|| making.finish()).unwrap();

        let token = |more: &[&str]| block_in_place(|| agent.token(account, more)).unwrap();
        let first = token(&[]);
        let told = rp.userinfo(&first).await.expect(200).json();
        assert_eq!((&told["sub"], &told["email"]), (&json!(tim.id()), &json!("tim@example.com")));
        // It refreshes and keeps what it is given instead, so the family must not look stolen.
        let newer = token(&["--force-new"]);
        assert_ne!(newer, first);
        let less = rp.verify(&token(&["--force-new", "--scope", "openid"])).await;
        assert_eq!(less.claims["scope"], "openid");
        let id = rp.verify(&token(&["--id-token"])).await;
        assert_eq!((&id.claims["sub"], &id.claims["aud"]), (&json!(tim.id()), &json!([rp.id])));
        let last = token(&["--force-new"]);
        assert_eq!(rp.verify(&last).await.claims["scope"], SCOPE);
        // With the account it ends its tokens.
        assert!(rp.is_alive(&last).await);
        block_in_place(|| agent.delete(account)).unwrap();
        assert!(!rp.is_alive(&last).await);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn oidc_agent_understands_a_refusal() {
    let app = TestApp::start().await;
    let tim = app.person("tim").await;
    let rp = RelyingParty::register(&app, json!({ "isPublic": true, "callbackURLs": [] })).await;
    let agent = block_in_place(OidcAgent::start).unwrap();
    let mut making = agent.begin("home", app.url(), &rp.id, None, SCOPE).unwrap();
    let (code, _) = block_in_place(|| making.code()).unwrap();
    tim.agent.post(&format!("/api/oidc/device/deny?code={code}"), &Value::Null).await.expect(204);
    let refused = block_in_place(|| making.finish()).unwrap_err().to_string();
    assert!(refused.contains("denied"), "{refused}");
    block_in_place(|| agent.token("home", &[])).unwrap_err();
}
