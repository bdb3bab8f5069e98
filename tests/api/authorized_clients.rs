//! `/api/oidc/users/…/clients`, `…/authorized-clients` and the preview (api.md §16.11–16.13).

use pid_tests::{Agent, TestApp};
use serde_json::{Value, json};

/// Authorizes a client that skips consent: with a session one request gives the code.
async fn authorize(agent: &Agent, client: &Value) {
    let query = format!(
        "client_id={}&response_type=code&scope=openid+profile&redirect_uri=https://app.example/cb&state=s",
        client["id"].as_str().unwrap()
    );
    let answer = agent.get(&format!("/authorize?{query}")).await;
    assert!(answer.redirected("code").is_some(), "{}", answer.location());
}

fn names(list: &Value, at: impl Fn(&Value) -> &Value) -> Vec<String> {
    list["data"].as_array().unwrap().iter().map(|e| at(e).as_str().unwrap().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn people_see_what_they_may_use_and_have_used() {
    let app = TestApp::start().await;
    app.admin().await;
    let tim = app.person("tim").await;
    let wiki = app.client(json!({ "name": "Wiki", "skipConsent": true, "launchURL": "https://wiki.example" })).await;
    app.client(json!({ "name": "Blog" })).await;
    app.client(json!({ "name": "Closed", "isGroupRestricted": true })).await;
    let usable = tim.agent.get("/api/oidc/users/me/clients").await.expect(200).json();
    assert_eq!(names(&usable, |c| &c["name"]), ["Blog", "Wiki"]);
    assert_eq!(usable["data"][0]["lastUsedAt"], Value::Null);

    authorize(&tim.agent, &wiki).await;
    for direction in ["asc", "desc"] {
        let path = format!("/api/oidc/users/me/clients?sort[column]=lastUsedAt&sort[direction]={direction}");
        assert_eq!(names(&tim.agent.get(&path).await.json(), |c| &c["name"]), ["Wiki", "Blog"], "{direction}");
    }
    let own =
        tim.agent.get("/api/oidc/users/me/authorized-clients?filters[hasLaunchURL]=true").await.expect(200).json();
    assert_eq!(own["data"][0]["scope"], "openid profile");
    assert_eq!(own["data"][0]["client"]["name"], "Wiki");
    let of = app.script().get(&format!("/api/oidc/users/{}/authorized-clients", tim.id())).await.expect(200).json();
    assert_eq!(of, own);

    let withdraw = format!("/api/oidc/users/me/authorized-clients/{}", wiki["id"].as_str().unwrap());
    tim.agent.delete(&withdraw).await.expect(204);
    tim.agent.delete(&withdraw).await.refused(404, "not_found");
    let own = tim.agent.get("/api/oidc/users/me/authorized-clients").await.expect(200).json();
    assert_eq!(own["data"], json!([]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_preview_shows_what_a_client_would_be_told() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let tim = app.person("tim").await;
    let client = app.client(json!({})).await;
    let path = |scopes: &str| {
        format!("/api/oidc/clients/{}/preview/{}?scopes={scopes}", client["id"].as_str().unwrap(), tim.id())
    };
    let shown = admin.agent.get(&path("openid%20email%20nonsense")).await.expect(200).json();
    assert_eq!(shown["idToken"]["aud"], json!([client["id"]]));
    assert_eq!(shown["idToken"]["email"], "tim@example.com");
    assert_eq!(shown["idToken"].get("given_name"), None);
    assert_eq!(shown["accessToken"]["scope"], "openid email");
    assert_eq!(shown["userInfo"], json!({ "sub": tim.id(), "email": "tim@example.com", "email_verified": false }));
    admin.agent.get(&path("")).await.refused(400, "validation_failed");
    tim.agent.get(&path("openid")).await.refused(403, "forbidden");
    let closed = app.client(json!({ "isGroupRestricted": true })).await;
    let path = format!("/api/oidc/clients/{}/preview/{}?scopes=openid", closed["id"].as_str().unwrap(), tim.id());
    admin.agent.get(&path).await.refused(403, "oidc_access_denied");
}
