//! OpenID Connect Back-Channel Logout 1.0: who is told of what, and how long we try.

use std::time::Duration;

use pid_tests::{Agent, Manner, Person, Receiver, RelyingParty, TestApp, Tokens};
use serde_json::{Value, json};

/// An application with its own server that wants to be told.
async fn told(app: &TestApp, more: Value) -> (Receiver, RelyingParty) {
    let receiver = Receiver::start().await;
    let mut body = json!({ "backchannelLogoutURL": receiver.url("/backchannel") });
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let rp = RelyingParty::register(app, body).await;
    (receiver, rp)
}

/// Another browser of a person, signed in; theirs from here on. Gives the one that they had.
async fn next_browser(app: &TestApp, person: &mut Person) -> Agent {
    let other = app.agent();
    person.sign_in_at(&other).await.expect(200);
    std::mem::replace(&mut person.agent, other)
}

fn sid(tokens: &Tokens) -> Value {
    pid_tests::Jwt::unverified(tokens.id()).claims["sid"].clone()
}

/// The deliveries of a client, newest first.
async fn deliveries(app: &TestApp, rp: &RelyingParty) -> Vec<Value> {
    let path = format!("/api/oidc/clients/{}/backchannel-logout/deliveries", rp.id);
    app.script().get(&path).await.expect(200).json().as_array().unwrap().clone()
}

/// Waits until the latest delivery of a client has this state after so many attempts, the last with this status.
async fn settled(app: &TestApp, rp: &RelyingParty, state: &str, attempts: u64, status: Option<u16>) -> Value {
    let mut last = Value::Null;
    for _ in 0..1000 {
        last = deliveries(app, rp).await.first().cloned().unwrap_or_default();
        let is_over = state != "waiting" || !last["failure"].is_null();
        if is_over && last["state"] == state && last["attempts"] == attempts && last["status"] == json!(status) {
            return last;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("not {state} after {attempts} attempts: {last}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_067_a_logout_token_says_what_it_must_and_no_more() {
    let app = TestApp::start().await;
    let mut tim = app.person("tim").await;
    for alg in [None, Some("ES256"), Some("EdDSA")] {
        let more = alg.map_or(json!({}), |alg| json!({ "idTokenSignedResponseAlg": alg }));
        let (receiver, rp) = told(&app, more).await;
        tim.sign_in().await.expect(200);
        let tokens = rp.sign_in(&mut tim, "openid").await;
        tim.agent.post("/api/webauthn/logout", &json!({})).await.expect(204);
        let token = receiver.wait_for(1).await.remove(0);
        let jwt = rp.verify(&token).await;
        assert_eq!(jwt.header["typ"], "logout+jwt");
        assert_eq!(jwt.header["alg"], alg.unwrap_or("RS256"));
        let claims = jwt.claims.as_object().unwrap();
        let mut names: Vec<&str> = claims.keys().map(String::as_str).collect();
        names.sort_unstable();
        assert_eq!(names, ["aud", "events", "exp", "iat", "iss", "jti", "sid", "sub"]);
        assert_eq!((&claims["iss"], &claims["aud"]), (&json!(app.url()), &json!(rp.id)));
        assert_eq!((&claims["sid"], &claims["sub"]), (&sid(&tokens), &json!(tim.id())));
        assert_eq!(claims["events"], json!({ "http://schemas.openid.net/event/backchannel-logout": {} }));
        let (iat, exp) = (claims["iat"].as_i64().unwrap(), claims["exp"].as_i64().unwrap());
        assert!((iat - app.app().clock().now().secs()).abs() < 60 && (1..=600).contains(&(exp - iat)), "{claims:?}");
        let last = settled(&app, &rp, "delivered", 1, Some(200)).await;
        assert_eq!((&last["status"], &last["failure"], &last["id"]), (&json!(200), &Value::Null, &claims["jti"]));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_of_two_sessions_ends_and_its_clients_hear_of_it() {
    let app = TestApp::start().await;
    let mut tim = app.person("tim").await;
    let (cloud, cloud_rp) = told(&app, json!({})).await;
    let (wiki, wiki_rp) = told(&app, json!({})).await;
    let silent = RelyingParty::register(&app, json!({})).await;
    let first = [cloud_rp.sign_in(&mut tim, "openid").await, wiki_rp.sign_in(&mut tim, "openid").await];
    let quiet = silent.sign_in(&mut tim, "openid").await;
    let again = cloud_rp.sign_in(&mut tim, "openid").await;
    assert_eq!(sid(&first[0]), sid(&again));
    let desk = next_browser(&app, &mut tim).await;
    let phone = cloud_rp.sign_in(&mut tim, "openid").await;
    assert_ne!(sid(&phone), sid(&first[0]));

    desk.post("/api/webauthn/logout", &json!({})).await.expect(204);
    for (receiver, rp, tokens) in [(&cloud, &cloud_rp, &first[0]), (&wiki, &wiki_rp, &first[1])] {
        let token = receiver.wait_for(1).await.remove(0);
        assert_eq!(rp.verify(&token).await.claims["sid"], sid(tokens));
    }
    // Codes and refresh families of that session are dead, those of the other live.
    for (rp, tokens) in [(&cloud_rp, &first[0]), (&wiki_rp, &first[1]), (&cloud_rp, &again), (&silent, &quiet)] {
        rp.refresh(tokens.refresh()).await.oauth_error(400, "invalid_grant");
        assert!(!rp.is_alive(tokens.access()).await);
    }
    assert!(cloud_rp.is_alive(phone.access()).await);
    cloud_rp.refresh(phone.refresh()).await.expect(200);
    tim.agent.get("/api/users/me").await.expect(200);
    // One notice for a client and session, however many grants; and none more.
    tim.agent.post("/api/webauthn/logout", &json!({})).await.expect(204);
    assert_eq!(cloud_rp.verify(&cloud.wait_for(2).await[1]).await.claims["sid"], sid(&phone));
    settled(&app, &cloud_rp, "delivered", 1, Some(200)).await;
    assert_eq!((cloud.tokens().len(), wiki.tokens().len()), (2, 1));
    assert!(deliveries(&app, &silent).await.is_empty());
}

/// What ends which access (design: "targets"), each with what stays.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_068_every_end_reaches_what_depends_on_it() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let script = app.script();
    let group =
        script.post("/api/user-groups", &json!({ "name": "crew", "friendlyName": "Crew" })).await.expect(201).id();
    for cause in ["everywhere", "by admin", "disable", "delete", "lose group", "withdraw", "restrict", "delete client"]
    {
        let mut tim = app.person(&format!("tim-{}", cause.replace(' ', "-"))).await;
        let (receiver, rp) = told(&app, json!({ "name": format!("App {cause}") })).await;
        let (other_receiver, other) = told(&app, json!({ "name": format!("Other {cause}") })).await;
        let user = format!("/api/users/{}", tim.id());
        script.put(&format!("{user}/user-groups"), &json!({ "userGroupIds": [group] })).await.expect(200);
        if cause == "lose group" {
            let body = json!({ "isGroupRestricted": true });
            script.patch(&format!("/api/oidc/clients/{}", rp.id), &body, None).await.expect(200);
            let groups = format!("/api/oidc/clients/{}/allowed-user-groups", rp.id);
            script.put(&groups, &json!({ "userGroupIds": [group] })).await.expect(200);
        }
        let tokens = rp.sign_in(&mut tim, "openid offline_access").await;
        let others = other.sign_in(&mut tim, "openid offline_access").await;
        let asking = rp.asks("openid");
        let open_code = rp.code(&mut tim, &asking).await;
        let (mut everything, mut cookie) = (true, 401);
        match cause {
            "everywhere" => {
                let here = next_browser(&app, &mut tim).await;
                tim.agent.delete("/api/sessions").await.expect(204);
                tim.agent.get("/api/users/me").await.expect(200);
                tim.agent = here;
            }
            "by admin" => {
                admin.agent.delete(&format!("{user}/sessions")).await.expect(204);
            }
            "disable" => {
                script.patch(&user, &json!({ "disabled": true }), None).await.expect(200);
                cookie = 403;
            }
            "delete" => {
                script.delete(&user).await.expect(204);
            }
            _ => {
                (everything, cookie) = (false, 200);
                match cause {
                    "lose group" => {
                        script.put(&format!("{user}/user-groups"), &json!({ "userGroupIds": [] })).await.expect(200);
                    }
                    "withdraw" => {
                        let path = format!("/api/oidc/users/me/authorized-clients/{}", rp.id);
                        tim.agent.delete(&path).await.expect(204);
                    }
                    "restrict" => {
                        let body = json!({ "isGroupRestricted": true });
                        script.patch(&format!("/api/oidc/clients/{}", rp.id), &body, None).await.expect(200);
                    }
                    _ => {
                        script.delete(&format!("/api/oidc/clients/{}", rp.id)).await.expect(204);
                    }
                }
            }
        }
        let told = receiver.wait_for(1).await;
        assert_eq!(pid_tests::Jwt::unverified(&told[0]).claims["sid"], sid(&tokens), "{cause}");
        assert!(!rp.is_alive(tokens.access()).await, "{cause}");
        assert!(rp.refresh(tokens.refresh()).await.status.is_client_error(), "{cause}");
        assert!(rp.redeem(&asking, &open_code).await.status.is_client_error(), "{cause}");
        assert_eq!(tim.agent.get("/api/users/me").await.status, cookie, "{cause}");
        if everything {
            other_receiver.wait_for(1).await;
            other.refresh(others.refresh()).await.oauth_error(400, "invalid_grant");
        } else {
            other.refresh(others.refresh()).await.expect(200);
            assert!(other_receiver.tokens().is_empty(), "{cause}");
        }
        assert_eq!(receiver.tokens().len(), 1, "{cause}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn offline_access_outlives_a_sign_out_unless_the_instance_says_otherwise() {
    let app = TestApp::start().await;
    let mut tim = app.person("tim").await;
    for ends in [false, true] {
        let settings = json!({ "signOutEndsOfflineAccess": ends.to_string() });
        app.script().patch("/api/application-configuration", &settings, None).await.expect(200);
        let (receiver, rp) = told(&app, json!({})).await;
        tim.sign_in().await.expect(200);
        let online = rp.sign_in(&mut tim, "openid").await;
        let offline = rp.sign_in(&mut tim, "openid offline_access").await;
        tim.agent.post("/api/webauthn/logout", &json!({})).await.expect(204);
        receiver.wait_for(1).await;
        rp.refresh(online.refresh()).await.oauth_error(400, "invalid_grant");
        let answer = rp.refresh(offline.refresh()).await;
        if ends {
            answer.oauth_error(400, "invalid_grant");
        } else {
            let next = Tokens::from(answer);
            assert!(rp.is_alive(next.access()).await);
            // Everywhere means everywhere.
            tim.sign_in().await.expect(200);
            tim.agent.delete("/api/sessions").await.expect(204);
            rp.refresh(next.refresh()).await.oauth_error(400, "invalid_grant");
        }
    }
}

/// An application that needs no refresh token gives it back and keeps its own session.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_067_who_gave_the_tokens_back_is_told_as_well() {
    let app = TestApp::start().await;
    let mut tim = app.person("tim").await;
    let (receiver, rp) = told(&app, json!({})).await;
    let tokens = rp.sign_in(&mut tim, "openid").await;
    rp.revoke(tokens.refresh()).await.expect(200);
    tim.agent.post("/api/webauthn/logout", &json!({})).await.expect(204);
    assert_eq!(pid_tests::Jwt::unverified(&receiver.wait_for(1).await[0]).claims["sid"], sid(&tokens));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_067_a_receiver_that_fails_hears_of_it_again_and_delays_nobody() {
    let mut app = TestApp::start_with(&[("DISABLE_RATE_LIMITING", "true")]).await;
    let mut tim = app.person("tim").await;
    let (mut receiver, rp) = told(&app, json!({})).await;
    let (healthy, healthy_rp) = told(&app, json!({})).await;
    let elsewhere = Receiver::start().await;
    rp.sign_in(&mut tim, "openid").await;
    healthy_rp.sign_in(&mut tim, "openid").await;
    receiver.answers(&[Manner::Status(500), Manner::Redirect(elsewhere.url("/stolen")), Manner::Status(400)]);
    tim.agent.post("/api/webauthn/logout", &json!({})).await.expect(204);
    healthy.wait_for(1).await;

    let last = settled(&app, &rp, "waiting", 1, Some(500)).await;
    assert_eq!(last["failure"], "http_status");
    // Not before its time.
    tokio::time::sleep(Duration::from_millis(1200)).await;
    app.advance(1);
    let last = settled(&app, &rp, "waiting", 2, Some(307)).await;
    assert_eq!(last["failure"], "http_status");
    // It survives a restart, and a receiver that is away.
    receiver.close().await;
    app.restart().await;
    app.advance(5);
    let last = settled(&app, &rp, "waiting", 3, None).await;
    assert_eq!(last["failure"], "connection_failed");
    receiver.open().await;
    app.advance(20);
    settled(&app, &rp, "waiting", 4, Some(400)).await;
    app.advance(60);
    let last = settled(&app, &rp, "delivered", 5, Some(200)).await;
    assert_eq!(last["failure"], Value::Null);
    // Every attempt was the same notice; after it was taken there is no other.
    let jtis: Vec<Value> =
        receiver.tokens().iter().map(|t| pid_tests::Jwt::unverified(t).claims["jti"].clone()).collect();
    assert_eq!(jtis.len(), 4);
    assert!(jtis.iter().all(|jti| *jti == last["id"]), "{jtis:?}");
    app.advance(24 * 3600);
    app.restart().await;
    tim.sign_in().await.expect(200);
    healthy_rp.sign_in(&mut tim, "openid").await;
    assert_eq!((receiver.tokens().len(), healthy.tokens().len(), elsewhere.tokens().len()), (4, 1, 0));
    assert!(app.events("LOGOUT_NOTICE_FAILED").await.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_receiver_that_never_answers_is_given_up_after_a_day_and_the_audit_log_says_so() {
    let app = TestApp::start_with(&[("DISABLE_RATE_LIMITING", "true")]).await;
    let mut tim = app.person("tim").await;
    let (mut receiver, rp) = told(&app, json!({ "name": "Dead app" })).await;
    let tokens = rp.sign_in(&mut tim, "openid").await;
    receiver.close().await;
    tim.agent.post("/api/webauthn/logout", &json!({})).await.expect(204);
    let began = app.app().clock().now();
    let mut last = deliveries(&app, &rp).await.remove(0);
    for _ in 0..800 {
        if last["state"] == "failed" {
            break;
        }
        app.advance(3600);
        tokio::time::sleep(Duration::from_millis(50)).await;
        last = deliveries(&app, &rp).await.remove(0);
    }
    assert_eq!((&last["state"], &last["nextAttemptAt"]), (&json!("failed"), &Value::Null), "{last}");
    assert!(app.app().clock().now().secs_since(began) >= 24 * 3600);
    let events = app.events("LOGOUT_NOTICE_FAILED").await;
    assert_eq!(events.len(), 1);
    let data = &events[0]["data"];
    assert_eq!((&data["clientName"], &data["clientID"]), (&json!("Dead app"), &json!(rp.id)));
    assert_eq!(data["sessionID"], sid(&tokens));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_address_among_the_logout_callbacks_is_taken_over_until_somebody_says_otherwise() {
    let app = TestApp::start().await;
    let script = app.script();
    let cloud = "https://cloud.example";
    let typed = format!("{cloud}/apps/user_oidc/backchannel-logout/Pocket-ID");
    let body = json!({ "name": "Cloud", "callbackURLs": [format!("{cloud}/apps/user_oidc/code")], "logoutCallbackURLs": [typed] });
    let made = script.post("/api/oidc/clients", &body).await.expect(201).json();
    let path = format!("/api/oidc/clients/{}", made["id"].as_str().unwrap());
    assert_eq!((&made["backchannelLogoutURL"], &made["backchannelLogoutURLTakenOver"]), (&json!(typed), &json!(true)));
    assert_eq!(made["logoutCallbackURLs"], json!([typed]));
    // It follows what is typed, as long as nobody decided.
    let mut changed = body.clone();
    changed["logoutCallbackURLs"] = json!([]);
    assert_eq!(script.put(&path, &changed).await.expect(200).json()["backchannelLogoutURL"], Value::Null);
    assert_eq!(script.put(&path, &body).await.expect(200).json()["backchannelLogoutURL"], json!(typed));
    // `null` or "" clears for good.
    for clear in [Value::Null, json!("")] {
        let own = json!({ "backchannelLogoutURL": "https://elsewhere.example/out" });
        let set = script.patch(&path, &own, None).await.expect(200).json();
        assert_eq!(
            (&set["backchannelLogoutURL"], &set["backchannelLogoutURLTakenOver"]),
            (&own["backchannelLogoutURL"], &Value::Null)
        );
        // An old script that doesn't know the field leaves it.
        assert_eq!(
            script.put(&path, &body).await.expect(200).json()["backchannelLogoutURL"],
            own["backchannelLogoutURL"]
        );
        let cleared = script.patch(&path, &json!({ "backchannelLogoutURL": clear }), None).await.expect(200).json();
        assert_eq!(cleared["backchannelLogoutURL"], Value::Null);
        assert_eq!(script.put(&path, &body).await.expect(200).json()["backchannelLogoutURL"], Value::Null);
    }
    // Another origin than a callback's, a wildcard, an unknown path: not taken over.
    for entry in [
        "https://other.example/apps/user_oidc/backchannel-logout/x".to_owned(),
        format!("{cloud}/apps/user_oidc/backchannel-logout/*"),
        format!("{cloud}/apps/other/backchannel-logout/x"),
        format!("{cloud}/apps/user_oidc/backchannel-logout"),
    ] {
        let mut body = body.clone();
        body["logoutCallbackURLs"] = json!([entry]);
        let made = script.post("/api/oidc/clients", &body).await.expect(201).json();
        assert_eq!(made["backchannelLogoutURL"], Value::Null, "{entry}");
    }
    for bad in ["ftp://a.example/", "https://a:b@c.example/", "https://a.example/#x", "https://a.example/*", "no"] {
        let body = json!({ "name": "Bad", "backchannelLogoutURL": bad });
        script.post("/api/oidc/clients", &body).await.invalid(&["backchannelLogoutURL invalid_format"]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_administrator_sends_a_test_and_sees_what_became_of_it() {
    let app = TestApp::start().await;
    let (receiver, rp) = told(&app, json!({})).await;
    let path = format!("/api/oidc/clients/{}/backchannel-logout/test", rp.id);
    let answer = app.script().post(&path, &json!({})).await.expect(200).json();
    assert_eq!(
        (&answer["kind"], &answer["state"], &answer["status"]),
        (&json!("test"), &json!("delivered"), &json!(200))
    );
    let claims = rp.verify(&receiver.wait_for(1).await[0]).await.claims;
    assert_eq!((&claims["sid"], &claims["sub"]), (&answer["sessionID"], &answer["userID"]));
    receiver.answers(&[Manner::Status(404)]);
    let answer = app.script().post(&path, &json!({})).await.expect(200).json();
    assert_eq!(
        (&answer["state"], &answer["status"], &answer["failure"]),
        (&json!("failed"), &json!(404), &json!("http_status"))
    );
    // A test is not tried again.
    app.advance(3600);
    assert_eq!(deliveries(&app, &rp).await.len(), 2);
    tokio::time::sleep(Duration::from_millis(1200)).await;
    assert_eq!(receiver.tokens().len(), 2);
    let quiet = RelyingParty::register(&app, json!({})).await;
    let path = format!("/api/oidc/clients/{}/backchannel-logout/test", quiet.id);
    app.script().post(&path, &json!({})).await.expect(400);
    app.script().post("/api/oidc/clients/none/backchannel-logout/test", &json!({})).await.refused(404, "not_found");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_079_a_logout_address_never_reaches_the_metadata_of_a_cloud() {
    let app = TestApp::start().await;
    for url in ["http://169.254.169.254/latest", "http://[fe80::1]/x", "http://[::ffff:169.254.169.254]/"] {
        let rp = RelyingParty::register(&app, json!({ "backchannelLogoutURL": url })).await;
        let path = format!("/api/oidc/clients/{}/backchannel-logout/test", rp.id);
        let answer = app.script().post(&path, &json!({})).await.expect(200).json();
        assert_eq!((&answer["state"], &answer["status"]), (&json!("failed"), &Value::Null), "{url}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_067_a_receiver_that_takes_too_long_is_asked_again() {
    let app = TestApp::start_with(&[("DISABLE_RATE_LIMITING", "true")]).await;
    let mut tim = app.person("tim").await;
    let (slow, slow_rp) = told(&app, json!({})).await;
    let (quick, quick_rp) = told(&app, json!({})).await;
    slow_rp.sign_in(&mut tim, "openid").await;
    quick_rp.sign_in(&mut tim, "openid").await;
    slow.answers(&[Manner::Late(Duration::from_secs(60))]);
    // Neither the person nor the other application waits for it.
    tim.agent.post("/api/webauthn/logout", &json!({})).await.expect(204);
    quick.wait_for(1).await;
    let under_way = deliveries(&app, &slow_rp).await.remove(0);
    assert_eq!((&under_way["state"], &under_way["failure"]), (&json!("waiting"), &Value::Null), "{under_way}");
    let mut last = settled(&app, &slow_rp, "waiting", 1, None).await;
    assert_eq!(last["failure"], "timeout");
    app.advance(1);
    last = settled(&app, &slow_rp, "delivered", 2, Some(200)).await;
    assert_eq!(last["failure"], Value::Null);
    assert_eq!((slow.tokens().len(), quick.tokens().len()), (2, 1));
}
