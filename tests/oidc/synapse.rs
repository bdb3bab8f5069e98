//! A real Matrix homeserver, signed out by the back channel: the access token of the person's app is dead afterwards.

use std::time::Duration;

use http::Method;
use pid_testkit::synapse::Site;
use pid_tests::{Agent, Reply, TestApp};
use serde_json::{Value, json};

/// Cookies for a site of plain http that marks them `Secure`.
#[derive(Default)]
struct Cookies(Vec<String>);

impl Cookies {
    fn keep(&mut self, reply: &Reply) {
        for cookie in reply.headers.get_all("set-cookie") {
            self.0.push(cookie.to_str().unwrap().split(';').next().unwrap().to_owned());
        }
    }

    async fn get(&self, agent: &Agent, url: &str) -> Reply {
        agent.send(agent.request(Method::GET, url).header("cookie", self.0.join("; "))).await
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_067_a_matrix_session_ends_with_ours() {
    let app = TestApp::start().await;
    let mut tim = app.person("tim").await;
    let site = Site::reserve().unwrap();
    let body = json!({
        "name": "Matrix", "callbackURLs": [site.redirect_uri()], "logoutCallbackURLs": [site.backchannel_logout_url()],
        "pkceEnabled": true,
    });
    let client = app.client(body).await;
    assert_eq!(client["backchannelLogoutURL"], site.backchannel_logout_url(), "taken over");
    let (id, secret) = (client["id"].as_str().unwrap().to_owned(), client["secret"].as_str().unwrap().to_owned());
    let issuer = app.url().to_owned();
    let synapse = tokio::task::spawn_blocking(move || site.start(&issuer, &id, &secret)).await.unwrap().unwrap();

    let mut tokens = Vec::new();
    let mut browsers = Vec::new();
    for _ in 0..2 {
        let (matrix, mut cookies) = (Agent::new(&synapse.site().origin()), Cookies::default());
        let away = matrix.get(&synapse.site().sign_in_url()).await.expect(302);
        cookies.keep(&away);
        let reply = tim.agent.get(&away.location()).await;
        let back = tim.follow(reply).await.expect(303).location();
        let done = cookies.get(&matrix, &back).await;
        assert_eq!(done.status, 302, "{} {}", done.text(), synapse.log());
        let token = done.redirected("loginToken").expect("a login token");
        let body = json!({ "type": "m.login.token", "token": token });
        let signed_in: Value = matrix.post("/_matrix/client/v3/login", &body).await.expect(200).json();
        assert_eq!(signed_in["user_id"], "@tim:localhost");
        tokens.push((matrix, signed_in["access_token"].as_str().unwrap().to_owned()));
        browsers.push(std::mem::replace(&mut tim.agent, app.agent()));
    }
    let whoami = async |n: usize| {
        let (matrix, token) = &tokens[n];
        let request = matrix.request(Method::GET, "/_matrix/client/v3/account/whoami").bearer_auth(token);
        matrix.send(request).await
    };
    whoami(0).await.expect(200);
    whoami(1).await.expect(200);
    browsers[0].post("/api/webauthn/logout", &json!({})).await.expect(204);
    let mut answer = whoami(0).await;
    for _ in 0..500 {
        if answer.status != 200 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
        answer = whoami(0).await;
    }
    assert_eq!(answer.status, 401, "{}", synapse.log());
    assert_eq!(answer.json()["errcode"], "M_UNKNOWN_TOKEN");
    whoami(1).await.expect(200);
}
