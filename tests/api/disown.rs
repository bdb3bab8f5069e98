//! "This wasn't me": the link in a letter about a sign-in.

use http::Method;
use pid_testkit::authenticator::SoftAuthenticator;
use pid_tests::{Agent, Mailbox, RelyingParty, TestApp};
use serde_json::{Value, json};

const PHONE: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:142.0) Gecko/20100101 Firefox/142.0";

fn token(letter: &Value) -> String {
    let text = letter["text"].as_str().unwrap();
    let from = text.find("/not-me?token=").unwrap_or_else(|| panic!("no link: {text}")) + "/not-me?token=".len();
    text[from..].split_whitespace().next().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sign_in_is_ended_by_the_link_with_all_that_apps_got_by_it() {
    let app = TestApp::start().await;
    let mut tim = app.person("tim").await;
    let mut mailbox = Mailbox::start("none", false);
    mailbox.connect(&app, json!({ "emailLoginNotificationEnabled": "true" })).await;
    let rp = RelyingParty::register(&app, json!({ "name": "Wiki" })).await;
    // Inside an authorization, on a device that was never seen.
    let home = std::mem::replace(&mut tim.agent, app.agent().with_header("user-agent", PHONE));
    let tokens = rp.sign_in(&mut tim, "openid offline_access").await;
    let letter = mailbox.letter().await;
    let text = letter["text"].as_str().unwrap();
    for part in ["Wiki", "Firefox", "127.0.0.1", "LAN, Internal Network", "This wasn't me"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    // Programs that look at links change nothing.
    let token = token(&letter);
    let path = format!("/not-me?token={token}");
    let stranger = app.agent();
    for method in [Method::GET, Method::HEAD] {
        stranger.send(stranger.request(method, &path)).await.expect(200);
    }
    let page = stranger.get(&path).await.expect(200);
    assert_eq!(page.header("referrer-policy"), Some("no-referrer"));
    assert!(page.text().contains("Was this you?") && page.text().contains("Firefox"), "{}", page.text());
    tim.agent.get("/api/users/me").await.expect(200);

    // No other link does it: of another session, or with another end.
    let parts: Vec<&str> = token.split('.').collect();
    let [id, end, mac] = parts[..] else { panic!("{token}") };
    let later = end.parse::<i64>().unwrap() + 1;
    let disown = async |token: &str| stranger.post("/api/sessions/disown", &json!({ "token": token })).await;
    disown("").await.invalid(&["token required"]);
    for bad in [
        "x".to_owned(),
        format!("{id}.{end}."),
        format!("{id}.{later}.{mac}"),
        format!("0198c0de-0000-7000-8000-000000000000.{end}.{mac}"),
        format!("{id}.{end}.{}{}", if mac.starts_with('A') { 'B' } else { 'A' }, &mac[1..]),
    ] {
        disown(&bad).await.refused(401, "token_invalid_or_expired");
        stranger.get(&format!("/not-me?token={bad}")).await.expect(404);
    }

    // The click, by who is not signed in.
    disown(&token).await.expect(204);
    tim.agent.get("/api/users/me").await.refused(401, "not_signed_in");
    rp.refresh(tokens.refresh()).await.oauth_error(400, "invalid_grant");
    assert!(!rp.is_alive(tokens.access()).await);
    home.get("/api/users/me").await.expect(200);
    let log = app.events("SIGN_IN_DISOWNED").await;
    assert_eq!((&log[0]["userID"], &log[0]["data"]["sessionID"]), (&json!(tim.id()), &json!(id)));
    // Once is enough; the page says what to do next.
    disown(&token).await.expect(204);
    assert_eq!(app.events("SIGN_IN_DISOWNED").await.len(), 1);
    assert!(stranger.get(&path).await.expect(200).text().contains("This device is signed out"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_link_works_for_a_week() {
    let app = TestApp::start().await;
    let mut tim = app.person("tim").await;
    let mut mailbox = Mailbox::start("none", false);
    mailbox.connect(&app, json!({ "emailLoginNotificationEnabled": "true", "sessionDuration": "43200" })).await;
    tim.sign_in_at(&app.agent().with_header("user-agent", PHONE)).await.expect(200);
    let token = token(&mailbox.letter().await);
    app.advance(7 * 24 * 3600 - 60);
    app.agent().get(&format!("/not-me?token={token}")).await.expect(200);
    app.advance(120);
    let late = app.agent().post("/api/sessions/disown", &json!({ "token": token })).await;
    late.refused(401, "token_invalid_or_expired");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sign_in_that_was_signed_out_is_ended_where_apps_live_on_it() {
    let app = TestApp::start().await;
    let mut tim = app.person("tim").await;
    let mut mailbox = Mailbox::start("none", false);
    mailbox.connect(&app, json!({ "emailLoginNotificationEnabled": "true" })).await;
    let rp = RelyingParty::register(&app, json!({ "name": "Wiki" })).await;
    tim.agent = app.agent().with_header("user-agent", PHONE);
    let tokens = rp.sign_in(&mut tim, "openid offline_access").await;
    let token = token(&mailbox.letter().await);
    tim.agent.post("/api/webauthn/logout", &json!({})).await;
    tim.agent.get("/api/users/me").await.refused(401, "not_signed_in");
    let tokens = rp.refresh(tokens.refresh()).await.expect(200);
    let refresh = tokens.json()["refresh_token"].as_str().unwrap().to_owned();
    let path = format!("/not-me?token={token}");
    let stranger = app.agent();
    assert!(stranger.get(&path).await.expect(200).text().contains("Was this you?"), "it is not over");
    stranger.post("/api/sessions/disown", &json!({ "token": token })).await.expect(204);
    rp.refresh(&refresh).await.oauth_error(400, "invalid_grant");
    assert_eq!(app.events("SIGN_IN_DISOWNED").await.len(), 1);
    assert!(stranger.get(&path).await.expect(200).text().contains("This device is signed out"));
}

/// A code by which somebody signs in to apps on another device.
async fn own_code(agent: &Agent) -> String {
    let made = agent.post("/api/users/me/one-time-access-token", &json!({})).await.expect(201).json();
    made["token"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_disowned_device_began_since_ends_with_it() {
    let app = TestApp::start().await;
    let mut tim = app.person("tim").await;
    let mut mailbox = Mailbox::start("none", false);
    mailbox.connect(&app, json!({ "emailLoginNotificationEnabled": "true" })).await;
    app.advance(60);
    let browser = || app.agent().with_header("user-agent", PHONE);
    let announced = browser();
    tim.sign_in_at(&announced).await.expect(200);
    let token = token(&mailbox.letter().await);
    app.advance(60);
    // Another of the same device, which is known by now, and what it gave away.
    let again = browser();
    tim.sign_in_at(&again).await.expect(200);
    let given = app.agent().with_header("user-agent", "curl/8");
    let code = own_code(&again).await;
    given.post(&format!("/api/one-time-access-token/{code}"), &json!({})).await.expect(200);
    let home = std::mem::replace(&mut tim.agent, again.clone());
    let passkey = std::mem::replace(&mut tim.passkey, SoftAuthenticator::new(-7));
    tim.add_passkey().await.expect(200);
    tim.passkey = passkey;

    let stranger = app.agent();
    stranger.post("/api/sessions/disown", &json!({ "token": token })).await.expect(204);
    for ended in [&announced, &again, &given] {
        assert_eq!(ended.get("/api/users/me").await.status, 401);
    }
    home.get("/api/users/me").await.expect(200);
    assert_eq!(app.events("SIGN_IN_DISOWNED").await[0]["data"]["sessions"], "3");
    // The page names what the device may have left behind.
    let shown = stranger.get(&format!("/not-me?token={token}")).await.expect(200).text();
    assert!(shown.contains("added since") && shown.contains("New Passkey"), "{shown}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disowned_device_is_not_known_any_more() {
    let app = TestApp::start().await;
    let mut tim = app.person("tim").await;
    let mut mailbox = Mailbox::start("none", false);
    mailbox.connect(&app, json!({ "emailLoginNotificationEnabled": "true" })).await;
    let sign_in = async |tim: &mut pid_tests::Person| {
        app.advance(1);
        tim.sign_in_at(&app.agent().with_header("user-agent", PHONE)).await.expect(200);
    };
    sign_in(&mut tim).await;
    let token = token(&mailbox.letter().await);
    // Twice, so that the second letter is of the sign-in after the click.
    sign_in(&mut tim).await;
    app.agent().post("/api/sessions/disown", &json!({ "token": token })).await.expect(204);
    sign_in(&mut tim).await;
    let letter = mailbox.letter().await;
    assert!(letter["text"].as_str().unwrap().contains("/not-me?token="), "{letter}");
    // From here on it is known again: the next letter is another's.
    sign_in(&mut tim).await;
    tim.sign_in_at(&app.agent().with_header("user-agent", "curl/8")).await.expect(200);
    assert!(!mailbox.letter().await["text"].as_str().unwrap().contains("Firefox"));
}
