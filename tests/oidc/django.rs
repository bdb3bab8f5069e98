//! A Django site with mozilla-django-oidc: signing in, the session that is renewed without a word, and both ways out.

use pid_testkit::django::{Django, Settings, Site};
use pid_tests::{Agent, Person, Reply, TestApp};
use serde_json::{Value, json};
use tokio::task::block_in_place;

/// A site whose secret is sent as `basic` says and whose ID tokens are signed by `alg`.
async fn start(app: &TestApp, basic: bool, alg: &str) -> Django {
    let site = Site::reserve().unwrap();
    let body = json!({ "name": "Django", "callbackURLs": [site.url("/oidc/callback/")], "pkceEnabled": true,
        "logoutCallbackURLs": [site.url("/bye")], "idTokenSignedResponseAlg": alg });
    let client = app.client(body).await;
    let provider = app.agent().get("/.well-known/openid-configuration").await.expect(200).json();
    let (client_id, client_secret) = (client["id"].as_str().unwrap(), client["secret"].as_str().unwrap());
    let settings = Settings { provider: &provider, client_id, client_secret, basic, alg };
    block_in_place(|| site.start(&settings)).unwrap()
}

/// From a page that sends the browser to the provider back to the site; gives what the site answers.
async fn there_and_back(site: &Django, person: &mut Person, page: &str) -> Reply {
    let away = person.agent.get(&site.url(page)).await.expect(302).location();
    let reply = person.agent.get(&away).await;
    let back = person.follow(reply).await.expect(303).location();
    assert!(back.starts_with(&site.url("/oidc/callback/?")), "{back}");
    person.agent.get(&back).await
}

/// Whom the site believes to see.
async fn seen(site: &Django, agent: &Agent) -> Option<Value> {
    let reply = agent.get(&site.url("/whoami")).await;
    (reply.status != 401).then(|| reply.expect(200).json()["email"].clone())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn django_signs_people_in_and_out() {
    let app = TestApp::start().await;
    let mut tim = app.person("tim").await;
    for (basic, alg) in [(false, "RS256"), (true, "ES256")] {
        let site = start(&app, basic, alg).await;
        tim.sign_in().await.expect(200);
        assert_eq!(seen(&site, &tim.agent).await, None);
        let done = there_and_back(&site, &mut tim, "/oidc/authenticate/").await;
        assert_eq!((done.status.as_u16(), done.header("location")), (302, Some("/whoami")), "{}", site.log());
        assert_eq!(seen(&site, &tim.agent).await, Some(json!("tim@example.com")));
        // Out of the site, and out of the provider with it.
        let out = tim.agent.post(&site.url("/oidc/logout/"), &Value::Null).await.expect(302).location();
        assert_eq!(seen(&site, &tim.agent).await, None);
        tim.agent.get("/api/users/me").await.expect(200);
        assert_eq!(tim.agent.get(&out).await.expect(302).location(), site.url("/bye"));
        tim.agent.get("/api/users/me").await.expect(401);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn django_renews_its_session_only_while_ours_lasts() {
    let app = TestApp::start().await;
    let mut tim = app.person("tim").await;
    let site = start(&app, false, "RS256").await;
    there_and_back(&site, &mut tim, "/oidc/authenticate/").await.expect(302);
    for _ in 0..2 {
        let away = tim.agent.get(&site.url("/page")).await.expect(302);
        assert_eq!(away.redirected("prompt").as_deref(), Some("none"));
        let back = tim.agent.get(&away.location()).await.expect(303);
        assert!(back.redirected("code").is_some(), "{}", back.location());
        let done = tim.agent.get(&back.location()).await;
        assert_eq!((done.status.as_u16(), done.header("location")), (302, Some("/page")), "{}", site.log());
    }
    assert_eq!(seen(&site, &tim.agent).await, Some(json!("tim@example.com")));
    tim.agent.post("/api/webauthn/logout", &json!({})).await.expect(204);
    let away = tim.agent.get(&site.url("/page")).await.expect(302);
    let back = tim.agent.get(&away.location()).await.expect(303);
    assert_eq!(back.redirected("error").as_deref(), Some("login_required"));
    assert_eq!(tim.agent.get(&back.location()).await.expect(302).location(), "/failed");
    assert_eq!(seen(&site, &tim.agent).await, None);
}
