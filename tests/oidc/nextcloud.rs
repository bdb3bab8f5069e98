//! Nextcloud's `user_oidc` to the letter of its guide: the guide's own list of URLs and nothing more.

use pid_testkit::nextcloud::{Account, Nextcloud, Settings};
use pid_tests::{Agent, Person, Reply, TestApp};
use serde_json::{Value, json};

/// A Nextcloud with the server's clock.
async fn start(app: &TestApp) -> Nextcloud {
    let clock = app.app().clock().clone();
    Nextcloud::start(app.url(), move || clock.now().secs()).await
}

/// An instance, a Nextcloud that the guide has set up, and a person.
async fn set_up(scope: &str, uid_claim: &str, send_hint: bool) -> (TestApp, Nextcloud, Person, Value) {
    let app = TestApp::start().await;
    let tim = app.person("tim").await;
    let cloud = start(&app).await;
    let client = app.client(cloud.guide()).await;
    cloud.set_up(Settings {
        client_id: client["id"].as_str().unwrap().to_owned(),
        client_secret: client["secret"].as_str().unwrap().to_owned(),
        scope: scope.to_owned(),
        uid_claim: uid_claim.to_owned(),
        send_hint,
    });
    (app, cloud, tim, client)
}

/// From Nextcloud's button to its files. Gives what Nextcloud answers in the end.
async fn log_in(cloud: &Nextcloud, person: &mut Person) -> Reply {
    let away = person.agent.get(&cloud.url("/apps/user_oidc/login/1")).await.expect(302).location();
    let reply = person.agent.get(&away).await;
    let back = person.follow(reply).await.expect(303).location();
    assert!(back.starts_with(&cloud.url("/apps/user_oidc/code?")), "{back}");
    person.agent.get(&back).await
}

async fn is_signed_in(cloud: &Nextcloud, agent: &Agent) -> bool {
    agent.get(&cloud.url("/whoami")).await.status == 200
}

/// Waits until Nextcloud has ended a browser's session.
async fn signed_out(cloud: &Nextcloud, agent: &Agent) {
    for _ in 0..1000 {
        if !is_signed_in(cloud, agent).await {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("still signed in");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn people_are_matched_by_preferred_username_with_their_groups() {
    let (app, cloud, mut tim, _) = set_up("openid email profile", "preferred_username", false).await;
    let body = json!({ "name": "family", "friendlyName": "Family" });
    let group = app.script().post("/api/user-groups", &body).await.expect(201).id();
    let members = json!({ "userIds": [tim.id()] });
    app.script().put(&format!("/api/user-groups/{group}/users"), &members).await.expect(200);
    let files = log_in(&cloud, &mut tim).await.expect(302);
    assert_eq!(files.location(), cloud.url("/apps/files/"));
    let expected = Account {
        uid: "tim".to_owned(),
        groups: vec!["family".to_owned()],
        name: tim.user["displayName"].as_str().filter(|n| !n.is_empty()).unwrap_or("tim").to_owned(),
        email: tim.user["email"].as_str().unwrap().to_owned(),
    };
    let seen = cloud.accounts().remove(0);
    assert_eq!((&seen.uid, &seen.groups, &seen.email), (&expected.uid, &expected.groups, &expected.email));
    assert!(!seen.name.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn people_are_matched_by_a_custom_claim_that_is_text() {
    let (app, cloud, mut tim, _) = set_up("openid email profile", "nextcloud_username", false).await;
    // Without the claim Nextcloud can't tell who it is, and says so.
    assert!(log_in(&cloud, &mut tim).await.expect(400).text().contains("Failed to provision the user"));
    for (value, uid) in [("tim.old", Some("tim.old")), ("\"12345\"", Some("12345")), ("12345", None)] {
        let claims = json!([{ "key": "nextcloud_username", "value": value }]);
        app.script().put(&format!("/api/custom-claims/user/{}", tim.id()), &claims).await.expect(200);
        let reply = log_in(&cloud, &mut tim).await;
        match uid {
            Some(uid) => {
                reply.expect(302);
                assert_eq!(cloud.accounts()[0].uid, uid);
            }
            // A number is no user id to Nextcloud: quote it.
            None => _ = reply.expect(400),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_sign_in_comes_back_with_a_reason() {
    let (app, cloud, tim, client) = set_up("openid email profile", "preferred_username", false).await;
    let restrict = json!({ "isGroupRestricted": true });
    let path = format!("/api/oidc/clients/{}", client["id"].as_str().unwrap());
    app.script().patch(&path, &restrict, None).await.expect(200);
    let away = tim.agent.get(&cloud.url("/apps/user_oidc/login/1")).await.expect(302).location();
    let refused = tim.agent.get(&away).await;
    assert!(refused.redirected("code").is_none(), "{}", refused.location());
    assert!(cloud.accounts().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tokens_are_refreshed_and_taken_as_bearer() {
    let (app, cloud, mut tim, _) = set_up("openid email profile", "preferred_username", false).await;
    log_in(&cloud, &mut tim).await.expect(302);
    for _ in 0..2 {
        let before = cloud.tokens();
        app.advance(40 * 60);
        let after = cloud.refresh(&before).await.unwrap();
        assert_ne!(before["refresh_token"], after["refresh_token"]);
        assert!(after["refresh_token"].is_string() && after["expires_in"].is_i64(), "the chain must go on: {after}");
        let access = after["access_token"].as_str().unwrap();
        assert_eq!(cloud.bearer_by_signature(access).await.as_deref(), Ok(tim.id()));
        assert_eq!(cloud.bearer_by_userinfo(access).await.as_deref(), Some("tim"));
    }
    let last = cloud.tokens();
    app.script().patch(&format!("/api/users/{}", tim.id()), &json!({ "disabled": true }), None).await.expect(200);
    // Nextcloud hears of it, and what it holds is worth nothing.
    signed_out(&cloud, &tim.agent).await;
    assert!(cloud.refresh(&last).await.is_err_and(|text| !text.is_empty()));
    assert_eq!(cloud.bearer_by_userinfo(last["access_token"].as_str().unwrap()).await, None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn single_logout_without_a_hint_asks_and_comes_back() {
    let (_app, cloud, mut tim, _) = set_up("openid email profile", "preferred_username", false).await;
    log_in(&cloud, &mut tim).await.expect(302);
    let end = tim.agent.get(&cloud.url("/apps/user_oidc/sls")).await.expect(302).location();
    let asked = tim.agent.get(&end).await.expect(302).location();
    assert!(asked.starts_with("/logout?"), "{asked}");
    tim.agent.get(&asked).await.expect(200);
    tim.agent.get("/api/users/me").await.expect(200);
    // The way back goes through the page, though the guide registered the back-channel URL alone.
    let done = tim.agent.send(tim.agent.request(http::Method::POST, &asked)).await.expect(303).location();
    tim.agent.get("/api/users/me").await.expect(401);
    let page = tim.agent.get(&done).await.expect(200).text();
    assert!(page.contains(&format!("href=\"{}\"", cloud.url("/"))), "{page}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn single_logout_with_a_hint_signs_out_at_once() {
    let (_app, cloud, mut tim, _) = set_up("openid email profile", "preferred_username", true).await;
    log_in(&cloud, &mut tim).await.expect(302);
    let end = tim.agent.get(&cloud.url("/apps/user_oidc/sls")).await.expect(302).location();
    assert!(
        end.contains("post_logout_redirect_uri=http://") && end.contains("&id_token_hint=ey"),
        "not encoded: {end}"
    );
    assert_eq!(tim.agent.get(&end).await.expect(302).location(), cloud.url("/"));
    tim.agent.get("/api/users/me").await.expect(401);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_device_that_is_revoked_in_nextcloud_is_signed_out_here_without_a_browser() {
    let (app, cloud, mut tim, _) = set_up("openid email profile", "preferred_username", false).await;
    let desk = app.agent();
    tim.sign_in_at(&desk).await.expect(200);
    log_in(&cloud, &mut tim).await.expect(302);
    // Its hint may have expired long ago.
    app.advance(50 * 60);
    // Nextcloud's server follows the way back to itself, which has no such page; what counts is that it is over.
    let status = cloud.revoke_device().await;
    assert!(status == 200 || status == 404, "{status}");
    tim.agent.get("/api/users/me").await.expect(401);
    // That session alone.
    desk.get("/api/users/me").await.expect(200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_of_two_browsers_is_signed_out_of_nextcloud_by_the_back_channel() {
    let (app, cloud, mut tim, client) = set_up("openid email profile", "preferred_username", false).await;
    // Taken over from where the guide has it typed.
    assert_eq!(client["backchannelLogoutURL"], client["logoutCallbackURLs"][0]);
    log_in(&cloud, &mut tim).await.expect(302);
    let laptop = std::mem::replace(&mut tim.agent, app.agent());
    log_in(&cloud, &mut tim).await.expect(302);
    assert_eq!(cloud.accounts().len(), 2);
    laptop.post("/api/webauthn/logout", &json!({})).await.expect(204);
    signed_out(&cloud, &laptop).await;
    assert!(is_signed_in(&cloud, &tim.agent).await);
    // Everywhere means here as well.
    app.script().delete(&format!("/api/users/{}/sessions", tim.id())).await.expect(204);
    signed_out(&cloud, &tim.agent).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_phone_app_signs_in_by_a_login_code() {
    let (app, cloud, mut tim, _) = set_up("openid email profile", "preferred_username", false).await;
    tim.sign_in().await.expect(200);
    let made = tim.agent.post("/api/users/me/one-time-access-token", &json!({})).await.expect(201).json();
    // The app's own browser: no passkey, no cookies from before.
    let phone = app.agent();
    let away = phone.get(&cloud.url("/apps/user_oidc/login/1")).await.expect(302).location();
    let interaction = phone.get(&away).await.interaction().expect("a page that asks to sign in");
    let path = format!("/api/oidc/interactions/{interaction}");
    let code = made["token"].as_str().unwrap();
    phone.post(&format!("/api/one-time-access-token/{code}?interaction={interaction}"), &json!({})).await.expect(200);
    for _ in 0..4 {
        let Some(step) = phone.get(&path).await.expect(200).json()["currentStep"].as_str().map(str::to_owned) else {
            break;
        };
        phone.post(&format!("{path}/complete"), &json!({ "step": step })).await.expect(200);
    }
    let back = phone.get(&format!("/authorize?interaction={interaction}")).await.expect(303).location();
    phone.get(&back).await.expect(302);
    assert!(is_signed_in(&cloud, &phone).await);
    // It opens nothing but apps.
    phone.get("/api/users").await.refused(403, "limited_session");
}

/// Nextcloud keeps keys for an hour and asks for none in between: a rotation is not noticed, a switch at once is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_are_rotated_while_nextcloud_keeps_the_old_ones() {
    let (app, cloud, mut tim, _) = set_up("openid email profile", "preferred_username", false).await;
    let rotate = |now: bool| {
        let script = app.script();
        async move { script.post("/api/signing-keys/rotate", &json!({ "now": now })).await.expect(200).json() }
    };
    log_in(&cloud, &mut tim).await.expect(302);
    let old = cloud.tokens();
    let next = rotate(false).await[0]["kid"].as_str().unwrap().to_owned();
    // Its keys are half an hour old when the new one begins to sign.
    app.advance(23 * 3600 + 1800);
    tim.sign_in().await.expect(200);
    log_in(&cloud, &mut tim).await.expect(302);
    app.advance(1800);
    pid_jobs::keys::turn(app.app()).await.unwrap();
    log_in(&cloud, &mut tim).await.expect(302);
    let tokens = cloud.tokens();
    let kid = |tokens: &Value| pid_tests::Jwt::unverified(tokens["id_token"].as_str().unwrap()).header["kid"].clone();
    assert_eq!((kid(&tokens), kid(&tokens) == kid(&old)), (json!(next), false));
    cloud.bearer_by_signature(tokens["access_token"].as_str().unwrap()).await.unwrap();
    // With a switch at once it refuses what it does not know until its hour is over.
    rotate(true).await;
    let refused = log_in(&cloud, &mut tim).await;
    assert!(refused.text().contains("No matching key found in JWKS"), "{}", refused.text());
    app.advance(3601);
    tim.sign_in().await.expect(200);
    log_in(&cloud, &mut tim).await.expect(302);
}
