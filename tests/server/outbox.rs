//! The program is killed between a sign-out and its delivery: what was written with the sign-out is delivered afterwards, and
//! nothing that was taken is sent again.

use std::time::Duration;

use http::Method;
use pid_tests::{Jwt, Receiver};
use serde_json::json;

use crate::program::Program;

const CALLBACK: &str = "https://app.example/cb";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_106_a_notice_of_a_sign_out_survives_a_kill() {
    let mut program = Program::configured();
    program.start().await;
    // Tokens wait for the first key.
    program.ready().await;
    let admin = program.set_up().await;
    program.add_passkey(&admin).await;
    let mut receivers = Vec::new();
    for n in 0..3 {
        let receiver = Receiver::start().await;
        let body = json!({
            "name": format!("App {n}"), "callbackURLs": [CALLBACK], "isPublic": true, "skipConsent": true,
            "backchannelLogoutURL": receiver.url("/out"),
        });
        let id = program.script().post("/api/oidc/clients", &body).await.expect(201).id();
        let verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
        let path = format!(
            "/authorize?response_type=code&client_id={id}&redirect_uri={CALLBACK}&scope=openid&state=s\
             &code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM&code_challenge_method=S256"
        );
        let code = admin.get(&path).await.redirected("code").expect("a code");
        let form = [
            ("grant_type", "authorization_code"),
            ("code", &code),
            ("redirect_uri", CALLBACK),
            ("client_id", &id),
            ("code_verifier", verifier),
        ];
        program.agent().post_form("/api/oidc/token", &form).await.expect(200);
        receivers.push((receiver, id));
    }
    // One takes it at once, the others are away.
    receivers[1].0.close().await;
    receivers[2].0.close().await;
    admin.send(admin.request(Method::POST, "/api/webauthn/logout").json(&json!({}))).await.expect(204);
    receivers[0].0.wait_for(1).await;
    // Until what was taken is written down.
    let deliveries = format!("/api/oidc/clients/{}/backchannel-logout/deliveries", receivers[0].1);
    for _ in 0..500 {
        if program.script().get(&deliveries).await.expect(200).json()[0]["state"] == "delivered" {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    program.kill();
    for (receiver, _) in &mut receivers[1..] {
        receiver.open().await;
    }
    program.start().await;
    for (receiver, id) in &receivers[1..] {
        let token = receiver.wait_for_long(1).await.remove(0);
        assert_eq!(Jwt::unverified(&token).claims["aud"], *id);
    }
    // Whatever would be repeated had time to be.
    tokio::time::sleep(Duration::from_millis(2500)).await;
    assert!(receivers.iter().all(|(receiver, _)| receiver.tokens().len() == 1));
}
