//! The device authorization grant (RFC 8628, oidc.md §21).

use pid_tests::{Person, RelyingParty, Reply, TestApp, Tokens};
use serde_json::{Value, json};

pub const GRANT: &str = "urn:ietf:params:oauth:grant-type:device_code";

/// Begins: the answer of the device authorization endpoint.
pub async fn begin(rp: &RelyingParty, form: &[(&str, &str)]) -> Value {
    let reply = rp.post("/api/oidc/device/authorize", form).await.expect(200);
    assert_eq!(reply.header("cache-control"), Some("no-store"));
    reply.json()
}

pub async fn poll(rp: &RelyingParty, answer: &Value) -> Reply {
    rp.token(&[("grant_type", GRANT), ("device_code", answer["device_code"].as_str().unwrap())]).await
}

pub async fn decide(person: &Person, what: &str, answer: &Value) -> Reply {
    let code = answer["user_code"].as_str().unwrap();
    person.agent.post(&format!("/api/oidc/device/{what}?code={code}"), &Value::Null).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_person_lets_a_device_in() {
    let app = TestApp::start().await;
    let rp = RelyingParty::register(&app, json!({ "name": "Television" })).await;
    let tim = app.person("tim").await;
    let answer = begin(&rp, &[("scope", "openid email unknown"), ("nonce", "n-1")]).await;
    assert_eq!((&answer["expires_in"], &answer["interval"]), (&json!(900), &json!(5)));
    let code = answer["user_code"].as_str().unwrap().to_owned();
    assert!(code.starts_with('E') && code.len() == 8, "{code}");
    assert_eq!(answer["verification_uri"], format!("{}/device", app.url()));
    assert_eq!(answer["verification_uri_complete"], format!("{}/device?user_code={code}", app.url()));
    assert!(answer["device_code"].as_str().unwrap().starts_with("pocket_id_dc_"));
    poll(&rp, &answer).await.oauth_error(400, "authorization_pending");

    // What it wants, however the code is typed.
    let typed = format!("/api/oidc/device/info?code=%20{}-{}", code[..4].to_lowercase(), &code[4..]);
    let info = tim.agent.get(&typed).await.expect(200).json();
    assert_eq!(info["scope"], json!(["openid", "email"]));
    assert_eq!((&info["authorizationRequired"], &info["reauthenticationRequired"]), (&json!(true), &json!(false)));
    assert_eq!((&info["client"]["name"], &info["scopeInfo"]), (&json!("Television"), &json!([])));
    decide(&tim, "verify", &answer).await.expect(204);
    decide(&tim, "verify", &answer).await.refused(400, "oidc_invalid_device_code");

    app.advance(5);
    let tokens = Tokens::from(poll(&rp, &answer).await);
    let id = rp.verify(tokens.id()).await;
    assert_eq!((&id.claims["sub"], &id.claims["nonce"]), (&json!(tim.id()), &json!("n-1")));
    assert_eq!(rp.userinfo(tokens.access()).await.expect(200).json()["email"], "tim@example.com");
    let next = Tokens::from(rp.refresh(tokens.refresh()).await);

    // The next time nothing is new, and still it takes a click.
    let again = begin(&rp, &[("scope", "openid email")]).await;
    let path = format!("/api/oidc/device/info?code={}", again["user_code"].as_str().unwrap());
    assert_eq!(tim.agent.get(&path).await.expect(200).json()["authorizationRequired"], false);
    let page = format!("/device?user_code={}", again["user_code"].as_str().unwrap());
    assert!(tim.agent.get(&page).await.expect(200).text().contains("Television"));
    poll(&rp, &again).await.oauth_error(400, "authorization_pending");
    decide(&tim, "verify", &again).await.expect(204);
    let events = [app.events("NEW_DEVICE_CODE_AUTHORIZATION").await, app.events("DEVICE_CODE_AUTHORIZATION").await];
    assert_eq!(events.each_ref().map(Vec::len), [1, 1]);
    assert_eq!(events[0][0]["data"]["clientName"], "Television");

    // A second redemption is a theft: everything of the family ends.
    poll(&rp, &answer).await.oauth_error(400, "invalid_grant");
    assert!(!rp.is_alive(next.access()).await);
    rp.refresh(next.refresh()).await.oauth_error(400, "invalid_grant");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_043_a_device_code_is_answered_as_the_rfc_wants() {
    let app = TestApp::start().await;
    let rp = RelyingParty::register(&app, json!({})).await;
    let other = RelyingParty::register(&app, json!({ "name": "Other" })).await;
    let tim = app.person("tim").await;
    // Too fast: the interval grows by five seconds each time.
    let answer = begin(&rp, &[("scope", "openid")]).await;
    poll(&rp, &answer).await.oauth_error(400, "authorization_pending");
    poll(&rp, &answer).await.oauth_error(400, "slow_down");
    app.advance(6);
    poll(&rp, &answer).await.oauth_error(400, "slow_down");
    app.advance(15);
    poll(&rp, &answer).await.oauth_error(400, "authorization_pending");
    // Another client's, a made-up one, none.
    poll(&other, &answer).await.oauth_error(400, "invalid_grant");
    poll(&rp, &json!({ "device_code": "pocket_id_dc_x.y" })).await.oauth_error(400, "invalid_grant");
    rp.token(&[("grant_type", GRANT)]).await.oauth_error(400, "invalid_request");
    // Refused by the person.
    decide(&tim, "deny", &answer).await.expect(204);
    poll(&rp, &answer).await.oauth_error(403, "access_denied");
    decide(&tim, "verify", &answer).await.refused(400, "oidc_invalid_device_code");
    // Approved for one client, polled by another; and twice at once by the right one.
    let answer = begin(&rp, &[("scope", "openid")]).await;
    decide(&tim, "verify", &answer).await.expect(204);
    poll(&other, &answer).await.oauth_error(400, "invalid_grant");
    let both = tokio::join!(poll(&rp, &answer), poll(&rp, &answer));
    let mut statuses = [both.0.status.as_u16(), both.1.status.as_u16()];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 400]);
    // Too late, whatever was decided.
    let (pending, approved) = (begin(&rp, &[("scope", "openid")]).await, begin(&rp, &[("scope", "openid")]).await);
    decide(&tim, "verify", &approved).await.expect(204);
    app.advance(901);
    poll(&rp, &pending).await.oauth_error(400, "expired_token");
    poll(&rp, &approved).await.oauth_error(400, "expired_token");
    decide(&tim, "verify", &pending).await.refused(400, "oidc_device_code_expired");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_044_the_device_grant_obeys_groups_and_reauthentication() {
    let app = TestApp::start().await;
    let script = app.script();
    let rp = RelyingParty::register(&app, json!({ "requiresReauthentication": true })).await;
    let (mut tim, eve) = (app.person("tim").await, app.person("eve").await);
    let path = format!("/api/oidc/clients/{}", rp.id);
    let group = script.post("/api/user-groups", &json!({ "name": "staff", "friendlyName": "Staff" })).await.id();
    script.put(&format!("/api/user-groups/{group}/users"), &json!({ "userIds": [tim.id()] })).await.expect(200);
    script.patch(&path, &json!({ "isGroupRestricted": true }), None).await.expect(200);
    script.put(&format!("{path}/allowed-user-groups"), &json!({ "userGroupIds": [group] })).await.expect(200);
    // A proof from before the device asked is no proof for this.
    tim.reauthenticate().await.expect(204);
    app.advance(2);
    let answer = begin(&rp, &[("scope", "openid")]).await;
    let info = format!("/api/oidc/device/info?code={}", answer["user_code"].as_str().unwrap());
    eve.agent.get(&info).await.refused(403, "oidc_access_denied");
    decide(&eve, "verify", &answer).await.refused(403, "oidc_access_denied");
    assert_eq!(tim.agent.get(&info).await.expect(200).json()["reauthenticationRequired"], true);
    decide(&tim, "verify", &answer).await.refused(401, "reauthentication_required");
    app.advance(30);
    tim.reauthenticate().await.expect(204);
    let proven_at = app.app().clock().now().secs();
    decide(&tim, "verify", &answer).await.expect(204);
    app.advance(10);
    let tokens = Tokens::from(poll(&rp, &answer).await);
    let auth_time = rp.verify(tokens.id()).await.claims["auth_time"].as_i64().unwrap();
    assert!((auth_time - proven_at).abs() <= 1, "{auth_time} {proven_at}");
    // Nobody but a person at a browser decides.
    let pending = begin(&rp, &[("scope", "openid")]).await;
    let code = pending["user_code"].as_str().unwrap();
    script
        .post(&format!("/api/oidc/device/verify?code={code}"), &Value::Null)
        .await
        .refused(403, "api_key_auth_not_allowed");
    app.agent().get(&format!("/api/oidc/device/info?code={code}")).await.refused(401, "not_signed_in");
    // Out of the group before the device comes back.
    tim.reauthenticate().await.expect(204);
    decide(&tim, "verify", &pending).await.expect(204);
    script.put(&format!("/api/user-groups/{group}/users"), &json!({ "userIds": [] })).await.expect(200);
    poll(&rp, &pending).await.oauth_error(400, "invalid_grant");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_068_signing_out_everywhere_takes_what_a_device_was_promised() {
    let app = TestApp::start().await;
    let rp = RelyingParty::register(&app, json!({})).await;
    let tim = app.person("tim").await;
    let answer = begin(&rp, &[("scope", "openid")]).await;
    decide(&tim, "verify", &answer).await.expect(204);
    tim.agent.post("/api/webauthn/logout", &Value::Null).await;
    poll(&rp, &answer).await.oauth_error(400, "invalid_grant");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn guesses_of_user_codes_are_counted() {
    let app = TestApp::start_with(&[("DISABLE_RATE_LIMITING", "false")]).await;
    let rp = RelyingParty::register(&app, json!({})).await;
    let tim = app.person("tim").await;
    let answer = begin(&rp, &[("scope", "openid")]).await;
    for _ in 0..3 {
        tim.agent.get("/api/oidc/device/info?code=EAAAAAAA").await.refused(400, "oidc_invalid_device_code");
    }
    assert!(tim.agent.get("/device?user_code=EAAAAAAA").await.expect(200).text().contains("Device code is invalid"));
    let guess = json!({ "user_code": "EBBBBBBB" });
    decide(&tim, "verify", &guess).await.refused(400, "oidc_invalid_device_code");
    // Whoever has guessed too often can't go on with the right one, by page, by look or by click.
    decide(&tim, "verify", &answer).await.refused(429, "rate_limited");
    let path = format!("/api/oidc/device/info?code={}", answer["user_code"].as_str().unwrap());
    assert!(tim.agent.get(&path).await.refused(429, "rate_limited").header("retry-after").is_some());
    tim.agent.get(&format!("/device?user_code={}", answer["user_code"].as_str().unwrap())).await.expect(429);
    app.advance(60);
    decide(&tim, "verify", &answer).await.expect(204);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn guesses_at_the_same_time_are_no_more_guesses() {
    let app = TestApp::start_with(&[("DISABLE_RATE_LIMITING", "false")]).await;
    let rp = RelyingParty::register(&app, json!({})).await;
    let tim = app.person("tim").await;
    let answer = begin(&rp, &[("scope", "openid")]).await;
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..30 {
        let agent = tim.agent.clone();
        tasks.spawn(async move { agent.get("/api/oidc/device/info?code=EAAAAAAA").await.status.as_u16() });
    }
    let statuses = tasks.join_all().await;
    assert_eq!(statuses.iter().filter(|status| **status == 400).count(), 5, "{statuses:?}");
    assert!(statuses.iter().all(|status| [400, 429].contains(status)), "{statuses:?}");
    // None of the others is owed: the next try is one step away.
    app.advance(11);
    decide(&tim, "verify", &answer).await.expect(204);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_device_request_is_checked_at_once() {
    let app = TestApp::start().await;
    let rp = RelyingParty::register(&app, json!({})).await;
    let public = RelyingParty::register(&app, json!({ "name": "TV", "isPublic": true })).await;
    begin(&public, &[("scope", "openid")]).await;
    let path = "/api/oidc/device/authorize";
    rp.post(path, &[("client_id", &public.id)]).await.oauth_error(400, "invalid_request");
    rp.post(path, &[("resource", "https://api.example")]).await.oauth_error(400, "invalid_target");
    rp.post(path, &[("code_challenge", "short"), ("code_challenge_method", "S256")])
        .await
        .oauth_error(400, "invalid_request");
    app.agent().post_form(path, &[("client_id", rp.id.as_str())]).await.oauth_error(401, "invalid_client");
    let tim = app.person("tim").await;
    tim.agent.get("/api/oidc/device/info").await.refused(400, "validation_failed");
    tim.agent.get("/api/oidc/device/info?code=PAAAAAAA").await.refused(400, "oidc_invalid_device_code");
    // With a challenge the device must know its verifier (security case 17).
    let asking = rp.asks("openid");
    let challenge = asking.form().iter().find(|(name, _)| name == "code_challenge").unwrap().1.clone();
    let form = [("scope", "openid"), ("code_challenge", challenge.as_str()), ("code_challenge_method", "S256")];
    let answer = begin(&rp, &form).await;
    decide(&tim, "verify", &answer).await.expect(204);
    poll(&rp, &answer).await.oauth_error(400, "invalid_grant");
    let code = answer["device_code"].as_str().unwrap();
    let form = [("grant_type", GRANT), ("device_code", code), ("code_verifier", &asking.verifier)];
    rp.token(&form).await.expect(200);
}
