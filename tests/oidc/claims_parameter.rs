//! The `claims` parameter (OpenID Connect Core §5.5).

use pid_tests::{Jwt, Person, RelyingParty, TestApp, Tokens};
use serde_json::{Value, json};

/// A person in the group `crew` with a custom claim, and an application.
async fn set_up(body: Value) -> (TestApp, Person, RelyingParty) {
    let app = TestApp::start().await;
    let tim = app.person("tim").await;
    let script = app.script();
    let group =
        script.post("/api/user-groups", &json!({ "name": "crew", "friendlyName": "Crew" })).await.expect(201).id();
    script.put(&format!("/api/user-groups/{group}/users"), &json!({ "userIds": [tim.id()] })).await.expect(200);
    let claims = json!([{ "key": "nextcloud_username", "value": "tim.old" }]);
    script.put(&format!("/api/custom-claims/user/{}", tim.id()), &claims).await.expect(200);
    let rp = RelyingParty::register(&app, body).await;
    (app, tim, rp)
}

async fn sign_in(rp: &RelyingParty, tim: &mut Person, scope: &str, claims: &Value) -> Tokens {
    let asking = rp.asks(scope).with("claims", &claims.to_string());
    let code = rp.code(tim, &asking).await;
    rp.redeem(&asking, &code).await.into()
}

fn id_token(tokens: &Tokens) -> Value {
    Jwt::unverified(tokens.id()).claims
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_asked_for_and_agreed_to_is_released_where_it_was_asked_for() {
    let (app, mut tim, rp) = set_up(json!({})).await;
    let discovery = app.agent().get("/.well-known/openid-configuration").await.expect(200).json();
    assert_eq!(discovery["claims_parameter_supported"], true);
    let claims = json!({
        "id_token": { "groups": null, "quota": null, "custom.nick | name": null, "nextcloud_username": { "essential": true } },
        "userinfo": { "groups": { "essential": false, "unknown": 1 }, "email": "wrong" }, "other": 7,
    });
    // The page lists what goes beyond the scopes.
    let asking = rp.asks("openid email").with("claims", &claims.to_string());
    let id = tim.agent.get(&asking.path()).await.interaction().expect("consent");
    let shown = tim.agent.get(&format!("/api/oidc/interactions/{id}")).await.expect(200).json();
    assert_eq!(
        (&shown["scopes"], &shown["claims"]),
        (&json!(["openid", "email"]), &json!(["groups", "nextcloud_username"]))
    );
    let page = tim.agent.get(&format!("/interaction?interaction={id}")).await.expect(200).text();
    assert!(page.contains("nextcloud_username") && page.contains("Groups"), "{page}");

    let tokens = sign_in(&rp, &mut tim, "openid email", &claims).await;
    let seen = id_token(&tokens);
    assert_eq!((&seen["groups"], &seen["nextcloud_username"]), (&json!(["crew"]), &json!("tim.old")));
    assert_eq!((&seen["quota"], &seen["name"]), (&Value::Null, &Value::Null), "nothing else");
    let info = rp.userinfo(tokens.access()).await.expect(200).json();
    assert_eq!((&info["groups"], &info["nextcloud_username"]), (&json!(["crew"]), &Value::Null));
    // Agreed to once; kept through refreshes; not for a request that doesn't ask.
    let asking = rp.asks("openid email").with("claims", &claims.to_string()).with("prompt", "none");
    let code = rp.code(&mut tim, &asking).await;
    let next = Tokens::from(rp.redeem(&asking, &code).await);
    let refreshed = Tokens::from(rp.refresh(next.refresh()).await);
    assert_eq!(id_token(&refreshed)["groups"], json!(["crew"]));
    assert_eq!(rp.userinfo(refreshed.access()).await.json()["groups"], json!(["crew"]));
    let plain = rp.sign_in(&mut tim, "openid email").await;
    assert_eq!(id_token(&plain)["groups"], Value::Null);
    // Consent that is taken back ends it.
    let agreed = tim.agent.get("/api/oidc/users/me/authorized-clients").await.expect(200).json();
    assert_eq!(agreed["data"][0]["scope"], "openid email groups nextcloud_username");
    tim.agent.delete(&format!("/api/oidc/users/me/authorized-clients/{}", rp.id)).await.expect(204);
    rp.refresh(refreshed.refresh()).await.oauth_error(400, "invalid_grant");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_voluntary_is_left_out_and_what_is_essential_is_asked_for() {
    let (_app, mut tim, rp) = set_up(json!({})).await;
    rp.sign_in(&mut tim, "openid profile").await;
    let voluntary = json!({ "id_token": { "groups": null } });
    let silent = rp.asks("openid profile").with("claims", &voluntary.to_string()).with("prompt", "none");
    let code = rp.code(&mut tim, &silent).await;
    assert_eq!(id_token(&rp.redeem(&silent, &code).await.into())["groups"], Value::Null);

    let essential = json!({ "id_token": { "groups": { "essential": true } } });
    let silent = rp.asks("openid profile").with("claims", &essential.to_string()).with("prompt", "none");
    let refused = tim.agent.get(&silent.path()).await;
    assert_eq!(refused.redirected("error").as_deref(), Some("consent_required"));
    assert_eq!(id_token(&sign_in(&rp, &mut tim, "openid profile", &essential).await)["groups"], json!(["crew"]));
    // From now on the voluntary one is covered, as it would be by the scope.
    assert_eq!(id_token(&sign_in(&rp, &mut tim, "openid profile", &voluntary).await)["groups"], json!(["crew"]));
    // A value that isn't the person's is nobody's.
    let other = json!({ "id_token": { "groups": { "value": ["pirates"] } } });
    assert_eq!(id_token(&sign_in(&rp, &mut tim, "openid", &other).await)["groups"], Value::Null);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_skips_consent_has_them_at_once() {
    let (_app, mut tim, rp) = set_up(json!({ "skipConsent": true })).await;
    tim.sign_in().await.expect(200);
    let claims = json!({ "id_token": { "groups": null }, "userinfo": { "email": null } });
    for _ in 0..2 {
        let asking = rp.asks("openid").with("claims", &claims.to_string()).with("prompt", "none");
        let code = rp.code(&mut tim, &asking).await;
        let tokens = Tokens::from(rp.redeem(&asking, &code).await);
        assert_eq!(id_token(&tokens)["groups"], json!(["crew"]));
        let info = rp.userinfo(tokens.access()).await.json();
        assert_eq!((&info["email"], &info["email_verified"]), (&tim.user["email"], &Value::Null));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_that_can_t_be_met_are_refused_with_their_code() {
    let (_app, mut tim, rp) = set_up(json!({})).await;
    rp.sign_in(&mut tim, "openid").await;
    for (claims, error) in [
        ("{", "invalid_request"),
        ("[]", "invalid_request"),
        (r#"{"id_token":{"sub":{"value":"somebody-else"}}}"#, "login_required"),
        (r#"{"userinfo":{"sub":{"value":"somebody-else"}}}"#, "login_required"),
        (r#"{"id_token":{"acr":{"essential":true,"values":["urn:none:such"]}}}"#, "unmet_authentication_requirements"),
    ] {
        let reply = tim.agent.get(&rp.asks("openid").with("claims", claims).path()).await;
        assert_eq!(reply.redirected("error").as_deref(), Some(error), "{claims}: {}", reply.location());
    }
    // Voluntarily, it may be unmet; and what nobody knows is passed over.
    let own =
        json!({ "id_token": { "sub": { "value": tim.id() }, "acr": { "values": ["urn:none:such"] }, "iss": null } });
    let tokens = sign_in(&rp, &mut tim, "openid", &own).await;
    assert_eq!((&id_token(&tokens)["sub"], &id_token(&tokens)["acr"]), (&json!(tim.id()), &json!("0")));
    for claims in ["{}", r#"{"id_token":null,"userinfo":3}"#] {
        let asking = rp.asks("openid").with("claims", claims);
        rp.code(&mut tim, &asking).await;
    }
    // Twice is one too many; without `openid` it isn't defined and does nothing.
    let twice = rp.asks("openid").and("claims", "{}").and("claims", "{}");
    assert_eq!(tim.agent.get(&twice.path()).await.redirected("error").as_deref(), Some("invalid_request"));
    let asking = rp.asks("email").with("claims", "{");
    rp.code(&mut tim, &asking).await;
}
