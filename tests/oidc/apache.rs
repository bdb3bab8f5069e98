//! Debian's Apache with `mod_auth_openidc`, signed out by the back channel: its own session is dead afterwards.

use std::time::Duration;

use pid_testkit::apache::{Config, Site};
use pid_tests::TestApp;
use serde_json::json;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_067_apache_s_own_session_ends_with_ours() {
    let app = TestApp::start().await;
    let mut tim = app.person("tim").await;
    let site = Site::reserve().unwrap();
    let body = json!({
        "name": "Apache", "callbackURLs": [site.redirect_uri()], "logoutCallbackURLs": [site.bye_url(), site.backchannel_logout_url()],
    });
    let client = app.client(body).await;
    assert_eq!(client["backchannelLogoutURL"], site.backchannel_logout_url(), "taken over");
    let metadata = format!("{}/.well-known/openid-configuration", app.url());
    let config = Config::new(&metadata, client["id"].as_str().unwrap(), client["secret"].as_str().unwrap());
    let apache = site.start(&config).unwrap();
    let protected = apache.site().protected_url();

    let mut browsers = Vec::new();
    for _ in 0..2 {
        let away = tim.agent.get(&protected).await.expect(302).location();
        let reply = tim.agent.get(&away).await;
        let back = tim.follow(reply).await.expect(303).location();
        tim.agent.get(&back).await.expect(302);
        tim.agent.get(&protected).await.expect(200);
        browsers.push(std::mem::replace(&mut tim.agent, app.agent()));
    }
    browsers[0].post("/api/webauthn/logout", &json!({})).await.expect(204);
    let mut status = 200;
    for _ in 0..500 {
        status = browsers[0].get(&protected).await.status.as_u16();
        if status != 200 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(status, 302, "{}", apache.log());
    // The other browser's session is another one.
    browsers[1].get(&protected).await.expect(200);
}
