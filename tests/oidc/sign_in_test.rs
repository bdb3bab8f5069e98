//! Test sign-in: it says what a real one says, names the step that fails, and leaves nothing behind.

use pid_tests::{RelyingParty, Reply, TestApp};
use serde_json::{Value, json};

async fn test(app: &TestApp, client: &str, user: &str, query: &str) -> Reply {
    app.script().get(&format!("/api/oidc/clients/{client}/test-sign-in/{user}{query}")).await
}

/// The names of the steps, and the problem of the last.
fn steps(answer: &Value) -> (Vec<&str>, Option<&str>) {
    let steps = answer["steps"].as_array().unwrap();
    assert!(steps.iter().rev().skip(1).all(|step| step["problem"].is_null()), "{answer}");
    let names = steps.iter().map(|step| step["name"].as_str().unwrap()).collect();
    (names, steps.last().unwrap()["problem"].as_str())
}

fn facts<'a>(answer: &'a Value, step: &str, name: &str) -> Vec<&'a str> {
    let steps = answer["steps"].as_array().unwrap();
    let step = steps.iter().find(|found| found["name"] == step).unwrap();
    let facts = step["facts"].as_array().unwrap().iter();
    facts.filter(|fact| fact["name"] == name).map(|fact| fact["value"].as_str().unwrap()).collect()
}

const ALL: [&str; 6] = ["request", "person", "code", "token", "idToken", "userInfo"];

#[tokio::test]
async fn it_says_what_a_real_sign_in_says_and_keeps_nothing() {
    let app = TestApp::start().await;
    app.admin().await;
    let mut tim = app.person("tim").await;
    let script = app.script();
    let body = json!({ "name": "Nextcloud", "pkceEnabled": true, "requiresReauthentication": true });
    let rp = RelyingParty::register(&app, body).await;
    script.put(&format!("/api/custom-claims/user/{}", tim.id()), &json!([{ "key": "quota", "value": "5 GB" }])).await;
    let kept = async || {
        let log = script.get("/api/audit-logs/all").await.expect(200).json()["pagination"]["totalItems"].clone();
        let sessions = script.get(&format!("/api/users/{}/sessions", tim.id())).await.text();
        let apps = script.get(&format!("/api/oidc/users/{}/authorized-clients", tim.id())).await.text();
        let client = script.get(&format!("/api/oidc/clients/{}", rp.id)).await.text();
        (log, sessions, apps, client)
    };
    let before = kept().await;
    let answer = test(&app, &rp.id, tim.id(), "").await.expect(200).json();
    assert_eq!(steps(&answer), (ALL.to_vec(), None), "{answer}");
    assert_eq!(facts(&answer, "request", "code_challenge_method"), ["S256"]);
    assert_eq!(facts(&answer, "person", "asks"), ["reauthenticate", "consent"]);
    assert_eq!(facts(&answer, "token", "leavesOut"), ["client_secret"]);
    assert_eq!(facts(&answer, "code", "redirect_uri"), [rp.callback.as_str()]);
    assert_eq!(answer["userInfo"]["quota"], "5 GB");
    assert_eq!(answer["addresses"], json!([]));
    assert_eq!(kept().await, before);
    // No token or code is in the answer, and the secret of the transaction is good for nothing: there is still one.
    assert!(!answer.to_string().contains("pocket_id_"), "{answer}");

    let tokens = rp.sign_in(&mut tim, "openid profile email groups").await;
    let real = rp.userinfo(tokens.access()).await.expect(200).json();
    assert_eq!(answer["userInfo"], real);
    let id_token = rp.verify(tokens.id()).await.claims;
    for claim in ["sub", "iss", "aud", "email", "name", "groups", "amr"] {
        assert_eq!(answer["idToken"][claim], id_token[claim], "{claim}");
    }
    // Whoever has agreed is not asked again.
    let again = test(&app, &rp.id, tim.id(), "").await.expect(200).json();
    assert_eq!(facts(&again, "person", "asks"), ["reauthenticate"]);
}

#[tokio::test]
async fn the_step_that_fails_is_named_with_the_reason() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let tim = app.person("tim").await;
    let script = app.script();
    let fails = async |client: &Value, user: &str, query: &str, step: &str, reason: &str| {
        let answer = test(&app, client["id"].as_str().unwrap(), user, query).await.expect(200).json();
        let (names, problem) = steps(&answer);
        assert_eq!(names.last(), Some(&step), "{answer}");
        assert!(problem.is_some_and(|text| text.contains(reason)), "{answer}");
    };
    let open = app.client(json!({})).await;
    fails(&open, tim.id(), "?redirectUri=https://other.example/cb", "request", "is not registered").await;
    fails(&open, tim.id(), "?scopes=profile", "idToken", "openid").await;
    let restricted = app.client(json!({ "isGroupRestricted": true })).await;
    fails(&restricted, tim.id(), "", "code", "not allowed").await;

    let made = script.get(&format!("/api/oidc/clients/{}", open["id"].as_str().unwrap())).await.expect(200).json();
    let secret = made["credentials"]["secrets"][0]["id"].as_str().or(made["clientSecrets"][0]["id"].as_str());
    let secret = secret.unwrap_or_else(|| panic!("{made}")).to_owned();
    let path = format!("/api/oidc/clients/{}/secrets/{secret}", open["id"].as_str().unwrap());
    script.delete(&path).await.expect(204);
    fails(&open, tim.id(), "", "token", "has no secret").await;

    script.patch(&format!("/api/users/{}", tim.id()), &json!({ "disabled": true }), None).await.expect(200);
    fails(&open, tim.id(), "", "person", "disabled").await;

    test(&app, open["id"].as_str().unwrap(), "nobody", "").await.refused(404, "user_not_found");
    test(&app, "nothing", admin.id(), "").await.expect(404);
    let stars = app.client(json!({ "callbackURLs": ["https://*.example.com/cb"] })).await;
    test(&app, stars["id"].as_str().unwrap(), admin.id(), "").await.refused(400, "validation_failed");
    tim.agent.get(&format!("/api/oidc/clients/{}/test-sign-in/{}", open["id"].as_str().unwrap(), admin.id())).await;
}

#[tokio::test]
async fn what_only_the_app_has_is_left_out_and_said() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let body = json!({ "requiresPushedAuthorizationRequests": true, "dpopBoundAccessTokens": true });
    let client = app.client(body).await;
    let answer = test(&app, client["id"].as_str().unwrap(), admin.id(), "").await.expect(200).json();
    assert_eq!(steps(&answer), (ALL.to_vec(), None), "{answer}");
    assert_eq!(facts(&answer, "request", "leavesOut"), ["pushed_authorization_request"]);
    assert_eq!(facts(&answer, "token", "leavesOut"), ["client_secret", "DPoP"]);
    // It still has to.
    let kept = app.script().get(&format!("/api/oidc/clients/{}", client["id"].as_str().unwrap())).await.json();
    assert_eq!(
        (&kept["requiresPushedAuthorizationRequests"], &kept["dpopBoundAccessTokens"]),
        (&json!(true), &json!(true))
    );
    let public = app.client(json!({ "isPublic": true })).await;
    let answer = test(&app, public["id"].as_str().unwrap(), admin.id(), "").await.expect(200).json();
    assert_eq!(steps(&answer), (ALL.to_vec(), None), "{answer}");
    assert_eq!(facts(&answer, "token", "token_endpoint_auth_method"), ["none"]);
}

#[tokio::test]
async fn the_app_s_own_addresses_are_asked() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let there = format!("{}/robots.txt", app.url());
    let client = app
        .client(json!({
            "callbackURLs": [there, format!("{}/nothing-here", app.url()), "https://*.example.com/cb", "app.example:///cb"],
            "launchURL": format!("http://127.0.0.1:{closed}/"),
        }))
        .await;
    let answer = test(&app, client["id"].as_str().unwrap(), admin.id(), "?addresses=true").await.expect(200).json();
    let found: Vec<_> = answer["addresses"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| (one["kind"].as_str().unwrap(), one["status"].as_u64(), one["problem"].as_str()))
        .collect();
    assert_eq!(
        found,
        [
            ("callback", Some(200), None),
            ("callback", Some(404), Some("there is nothing at this address (404)")),
            ("launch", None, Some("no connection could be made")),
        ]
    );
}
