//! Faults beside the sign-in itself: metadata, passkeys, sign-outs and their notices.

use std::time::Duration;

use http::Method;
use pid_core::diagnosis::{Code, Place};
use pid_testkit::authenticator::SoftAuthenticator;
use pid_tests::{Manner, Receiver, RelyingParty};
use serde_json::json;

use super::{Clinic, are_all_but};

const DISCOVERY: &str = "/.well-known/openid-configuration";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn names_and_passkeys_that_are_not_ours() {
    let clinic = Clinic::open().await;
    let url = clinic.app.url().to_owned();
    clinic.agent().get(DISCOVERY).await.expect(200);
    clinic.agent().with_header("host", "pocket-id:1411").get(DISCOVERY).await.expect(200);
    clinic.expect(None, Code::IssuerHost, &["pocket-id:1411", &url]);
    clinic.agent().get(&format!("/{DISCOVERY}")).await.expect(404);
    clinic.expect(None, Code::IssuerSlash, &[&format!("{url}/"), &url]);

    let plain = Clinic::open_with(&[("TRUST_PROXY", "false")]).await;
    plain.agent().get(DISCOVERY).await.expect(200);
    plain.expect(None, Code::ProxyUnknown, &["127.0.0.1"]);
    let of_proxy = plain.close().await;

    let mut tim = clinic.person("tim").await;
    let rp = clinic.client(json!({})).await;
    let browser = clinic.agent();
    let id = browser.get(&rp.asks("openid").path()).await.expect(302).interaction().unwrap();
    let finish = format!("/api/webauthn/login/finish?interaction={id}");
    let options = browser.get("/api/webauthn/login/start").await.expect(200).json();
    let elsewhere = tim.passkey.authenticate(&options, "https://login.example.org");
    assert_eq!(browser.post(&finish, &elsewhere).await.status, 401);
    clinic.of(&rp, Code::PasskeyHost, &["https://login.example.org", &url]);
    let rp = clinic.client(json!({})).await;
    let browser = clinic.agent();
    let id = browser.get(&rp.asks("openid").path()).await.expect(302).interaction().unwrap();
    let finish = format!("/api/webauthn/login/finish?interaction={id}");
    let mut foreign = SoftAuthenticator::new(-7);
    let options = tim.agent.get("/api/webauthn/register/start").await.expect(200).json();
    let _ = foreign.register(&options, &url);
    let options = browser.get("/api/webauthn/login/start").await.expect(200).json();
    assert_eq!(browser.post(&finish, &foreign.authenticate(&options, &url)).await.status, 401);
    clinic.of(&rp, Code::PasskeyUnknown, &[]);
    let rp = clinic.client(json!({})).await;
    let view =
        "Mozilla/5.0 (iPhone; CPU iPhone OS 17_1 like Mac OS X) AppleWebKit/605.1.15 Mobile/15E148 Instagram 300";
    clinic.agent().with_header("user-agent", view).get(&rp.asks("openid").path()).await.expect(302);
    clinic.of(&rp, Code::WebView, &["Instagram"]);

    // That of a token is made in `clients.rs`.
    let made = clinic.close().await.union(&of_proxy).copied().collect();
    are_all_but(&made, &[Place::Discovery, Place::SignIn], &[Code::IssuerInternal]);
}

fn end_session(parameters: &[(&str, &str)]) -> String {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    format!("/api/oidc/end-session?{}", query.extend_pairs(parameters).finish())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sign_outs_that_lead_nowhere() {
    let clinic = Clinic::open().await;
    let mut tim = clinic.person("tim").await;
    let other = "https://app.example/goodbye";
    for (registered, code, says) in [
        (json!(["https://app.example/bye"]), Code::LogoutAddress, vec![other, "https://app.example/bye"]),
        (json!([]), Code::LogoutAddressNone, vec![other]),
    ] {
        let rp = clinic.client(json!({ "logoutCallbackURLs": registered })).await;
        tim.sign_in().await.expect(200);
        let tokens = rp.sign_in(&mut tim, "openid").await;
        tim.agent = clinic.elsewhere(&tim.agent);
        let path = end_session(&[("id_token_hint", tokens.id()), ("post_logout_redirect_uri", other)]);
        tim.agent.get(&path).await.expect(302);
        clinic.of(&rp, code, &says);
        let found = clinic.find(&rp.id, code).await;
        assert_eq!((&found["remedy"], &found["address"]), (&json!("add-logout-callback"), &json!(other)), "{found}");
    }
    let rp = clinic.client(json!({})).await;
    clinic.agent().get(&end_session(&[("client_id", &rp.id), ("id_token_hint", "nonsense")])).await.expect(302);
    clinic.of(&rp, Code::LogoutHint, &["id_token_hint"]);
    // Who only asks has done nothing wrong.
    let quiet = clinic.client(json!({})).await;
    clinic.agent().get(&end_session(&[("client_id", &quiet.id)])).await.expect(302);
    are_all_but(&clinic.close().await, &[Place::Logout], &[]);
}

async fn notify(clinic: &Clinic, rp: &RelyingParty) {
    let path = format!("/api/oidc/clients/{}/backchannel-logout/test", rp.id);
    clinic.app.script().post(&path, &json!({})).await.expect(200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn notices_that_nobody_takes() {
    let clinic = Clinic::open().await;
    let receiver = Receiver::start().await;
    let url = receiver.url("/backchannel");
    for (manner, code, says) in [
        (Manner::Redirect("https://app.example/".to_owned()), Code::NoticeRedirect, "307"),
        (Manner::Status(404), Code::NoticeRefused, "404"),
        (Manner::Status(502), Code::NoticeFailed, "502"),
        (Manner::Late(Duration::from_secs(12)), Code::NoticeTimeout, "in time"),
    ] {
        let rp = clinic.client(json!({ "backchannelLogoutURL": url })).await;
        receiver.answers(&[manner]);
        notify(&clinic, &rp).await;
        clinic.of(&rp, code, &["127.0.0.1", says]);
    }
    for (url, code) in [
        ("http://127.0.0.1:9/backchannel".to_owned(), Code::NoticeDown),
        (url.replace("http:", "https:"), Code::NoticeTls),
        ("http://nowhere.invalid/backchannel".to_owned(), Code::NoticeName),
        ("http://169.254.169.254/backchannel".to_owned(), Code::NoticeBlocked),
    ] {
        let rp = clinic.client(json!({ "backchannelLogoutURL": url })).await;
        notify(&clinic, &rp).await;
        clinic.of(&rp, code, &[]);
    }
    // A real sign-out is told of by the outbox.
    let rp = clinic.client(json!({ "backchannelLogoutURL": url })).await;
    let mut tim = clinic.person("tim").await;
    rp.sign_in(&mut tim, "openid").await;
    receiver.answers(&[Manner::Status(400)]);
    tim.agent.send(tim.agent.request(Method::POST, "/api/webauthn/logout").json(&json!({}))).await.expect(204);
    clinic.of(&rp, Code::NoticeRefused, &["400"]);
    are_all_but(&clinic.close().await, &[Place::Notice], &[]);
}
