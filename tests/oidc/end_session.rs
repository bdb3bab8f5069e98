//! RP-initiated logout (oidc.md §20; OpenID Connect RP-Initiated Logout 1.0).

use http::Method;
use pid_tests::{Person, RelyingParty, Reply, TestApp, Tokens};
use serde_json::{Value, json};

const PATH: &str = "/api/oidc/end-session";
const BYE: &str = "https://app.example/bye";

fn path(parameters: &[(&str, &str)]) -> String {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    format!("{PATH}?{}", query.extend_pairs(parameters).finish())
}

async fn is_signed_in(person: &Person) -> bool {
    person.agent.get("/api/users/me").await.status == 200
}

/// Demands that nothing happened but the question.
async fn asked(reply: &Reply, person: &Person) -> Vec<(String, String)> {
    let location = reply.clone().expect(302).location();
    assert!(location == "/logout" || location.starts_with("/logout?"), "{location}");
    assert_eq!(reply.header("set-cookie"), None);
    assert!(is_signed_in(person).await);
    let query = location.split_once('?').map_or("", |(_, query)| query);
    url::form_urlencoded::parse(query.as_bytes()).into_owned().collect()
}

async fn set_up(body: Value) -> (TestApp, Person, RelyingParty, Tokens) {
    let app = TestApp::start().await;
    let mut tim = app.person("tim").await;
    let rp = RelyingParty::register(&app, body).await;
    let tokens = rp.sign_in(&mut tim, "openid").await;
    (app, tim, rp, tokens)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hint_signs_out_and_returns() {
    for (urls, requested, expected) in [
        (json!([]), None, "/logout"),
        (json!([]), Some(BYE), "/logout"),
        (json!([BYE, "https://app.example/other"]), None, "https://app.example/bye?state=s%20%26"),
        (
            json!([BYE, "https://app.example/other"]),
            Some("https://app.example/other"),
            "https://app.example/other?state=s%20%26",
        ),
        (json!(["https://*.app.example/**"]), Some("https://a.app.example/x/y?z=1"), "/logout"),
        (
            json!(["https://*.app.example/**?z=*"]),
            Some("https://a.app.example/x/y?z=1"),
            "https://a.app.example/x/y?z=1&state=s%20%26",
        ),
        // Only the way back is withheld from an address that is not registered.
        (json!([BYE]), Some("https://evil.example/"), "/logout"),
        (json!([BYE]), Some("https://app.example/bye2"), "/logout"),
        // The root of a callback's origin counts as registered.
        (json!([BYE]), Some("https://app.example/"), "https://app.example/?state=s%20%26"),
        (json!([]), Some("https://app.example"), "https://app.example?state=s%20%26"),
        (json!(["https://app.example/bye?state=old&a=b"]), None, "https://app.example/bye?a=b&state=s%20%26"),
    ] {
        let (mut app, tim, rp, tokens) = set_up(json!({ "logoutCallbackURLs": urls })).await;
        let mut parameters = vec![("id_token_hint", tokens.id()), ("client_id", &rp.id), ("state", "s &")];
        parameters.extend(requested.map(|address| ("post_logout_redirect_uri", address)));
        let reply = if urls.as_array().unwrap().len() == 1 {
            tim.agent.post_form(PATH, &parameters).await
        } else {
            tim.agent.get(&path(&parameters)).await
        };
        let location = reply.clone().expect(302).location();
        assert_eq!(location, expected, "{urls} {requested:?}");
        assert_eq!(reply.header("cache-control"), Some("no-store"));
        assert_eq!(reply.header("referrer-policy"), Some("no-referrer"));
        assert!(reply.header("set-cookie").unwrap().contains("Max-Age=0"));
        assert!(!is_signed_in(&tim).await);
        assert_eq!(app.events("SIGN_OUT").await.len(), 1);
        app.restart().await;
        rp.refresh(tokens.refresh()).await.oauth_error(400, "invalid_grant");
        assert!(!rp.is_alive(tokens.access()).await);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_good_hint_the_person_is_asked() {
    let (app, mut tim, rp, tokens) = set_up(json!({ "logoutCallbackURLs": [BYE] })).await;
    let mut ann = app.person("ann").await;
    let other = RelyingParty::register(&app, json!({ "name": "Other", "logoutCallbackURLs": [BYE] })).await;
    let anns = rp.sign_in(&mut ann, "openid").await;
    let foreign = {
        let elsewhere = TestApp::start().await;
        let mut admin = elsewhere.admin().await;
        let rp = RelyingParty::register(&elsewhere, json!({ "id": rp.id })).await;
        rp.sign_in(&mut admin, "openid").await
    };
    let refused = [
        vec![],
        vec![("id_token_hint", "")],
        vec![("id_token_hint", "junk")],
        vec![("id_token_hint", tokens.access())],
        vec![("id_token_hint", tokens.refresh())],
        vec![("id_token_hint", anns.id())],
        vec![("id_token_hint", foreign.id())],
        vec![("id_token_hint", tokens.id()), ("client_id", &other.id)],
        vec![("id_token_hint", tokens.id()), ("client_id", "nobody")],
        vec![("id_token_hint", tokens.id()), ("id_token_hint", tokens.id())],
        vec![("client_id", &rp.id), ("post_logout_redirect_uri", "https://evil.example/"), ("state", "s")],
        vec![("logout_hint", "tim"), ("ui_locales", "de")],
    ];
    for parameters in refused {
        for reply in [tim.agent.get(&path(&parameters)).await, tim.agent.post_form(PATH, &parameters).await] {
            let wish = asked(&reply, &tim).await;
            assert!(wish.iter().all(|(name, _)| name == "client_id"), "{wish:?}");
        }
    }
    for broken in [format!("{PATH}?id_token_hint=%zz"), format!("{PATH}?{}", "a=b&".repeat(300))] {
        asked(&tim.agent.get(&broken).await, &tim).await;
    }
    let json = tim.agent.request(Method::POST, PATH).json(&json!({ "id_token_hint": tokens.id() }));
    asked(&tim.agent.send(json).await, &tim).await;
    assert!(rp.is_alive(tokens.access()).await);
    rp.sign_in(&mut tim, "openid").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wish_waits_for_the_answer() {
    let (_app, tim, rp, tokens) = set_up(json!({ "logoutCallbackURLs": [BYE] })).await;
    let parameters = [("client_id", rp.id.as_str()), ("post_logout_redirect_uri", BYE), ("state", "s &")];
    let wish = asked(&tim.agent.get(&path(&parameters)).await, &tim).await;
    let expected = parameters.map(|(name, value)| (name.to_owned(), value.to_owned()));
    assert_eq!(wish, expected);
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    let confirm = |wish: &[(String, String)]| format!("/api/webauthn/logout?{}", query.extend_pairs(wish).finish());
    let done = tim.agent.post(&{ confirm }(&wish), &json!({})).await.expect(200).json();
    assert_eq!(done["redirectUrl"], format!("{BYE}?state=s%20%26"));
    assert!(!is_signed_in(&tim).await);
    rp.refresh(tokens.refresh()).await.oauth_error(400, "invalid_grant");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wish_is_judged_again() {
    let (_app, tim, rp, _) = set_up(json!({ "logoutCallbackURLs": [BYE] })).await;
    let evil = format!("/api/webauthn/logout?client_id={}&post_logout_redirect_uri=https://evil.example/", rp.id);
    tim.agent.post(&evil, &json!({})).await.expect(204);
    assert!(!is_signed_in(&tim).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hint_needs_neither_cookies_nor_time_nor_consent() {
    let (app, mut tim, rp, old) = set_up(json!({ "logoutCallbackURLs": [BYE] })).await;
    // An expired hint.
    app.advance(90 * 24 * 3600);
    tim.sign_in().await.expect(200);
    let tokens = rp.sign_in(&mut tim, "openid").await;
    let reply = tim.agent.get(&path(&[("id_token_hint", old.id())])).await;
    assert_eq!(reply.expect(302).location(), BYE);
    assert!(!is_signed_in(&tim).await, "the browser's session ends too");
    rp.refresh(tokens.refresh()).await.oauth_error(400, "invalid_grant");

    // Another browser, no cookies: the hint's own session ends and no other.
    tim.agent = app.agent();
    tim.sign_in().await.expect(200);
    let here = rp.sign_in(&mut tim, "openid").await;
    let first = std::mem::replace(&mut tim.agent, app.agent());
    tim.sign_in().await.expect(200);
    let there = rp.sign_in(&mut tim, "openid").await;
    assert_ne!(rp.verify(here.id()).await.claims["sid"], rp.verify(there.id()).await.claims["sid"]);
    // A hint from a refresh is as good as the first.
    let there = Tokens::from(rp.refresh(there.refresh()).await);
    app.agent().get(&path(&[("id_token_hint", there.id())])).await.expect(302);
    assert!(!is_signed_in(&tim).await);
    assert!(!rp.is_alive(there.access()).await);
    assert!(rp.is_alive(here.access()).await);
    assert_eq!(first.get("/api/users/me").await.status, 200);
    rp.refresh(here.refresh()).await.expect(200);

    // Twice is once.
    let again = app.agent().get(&path(&[("id_token_hint", there.id())])).await;
    assert_eq!(again.expect(302).location(), BYE);
}
