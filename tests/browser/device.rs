//! Letting a device in, through the page.

use pid_testkit::chromium::role;
use pid_tests::RelyingParty;
use serde_json::{Value, json};

use crate::stage::{Stage, quiet, set_up};

const GRANT: &str = "urn:ietf:params:oauth:grant-type:device_code";

async fn begin(rp: &RelyingParty) -> Value {
    rp.post("/api/oidc/device/authorize", &[("scope", "openid email")]).await.expect(200).json()
}

async fn poll(rp: &RelyingParty, answer: &Value) -> Value {
    rp.token(&[("grant_type", GRANT), ("device_code", answer["device_code"].as_str().unwrap())]).await.json()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_code_is_typed_seen_and_allowed_by_a_click() {
    let stage = Stage::empty().await;
    let tab = stage.tab().await;
    let _stays_with_the_tab = tab.authenticator().await.unwrap();
    stage.open(&tab, "/").await;
    set_up(&tab).await;
    tab.click(role("button", "Add Passkey")).await.unwrap();
    tab.wait_for_url(|url| url.ends_with("/settings/account")).await.unwrap();
    stage.forget().await;
    let client = json!({ "name": "Television", "requiresReauthentication": true });
    let rp = RelyingParty::register(&stage.app, client).await;
    let answer = begin(&rp).await;
    let code = answer["user_code"].as_str().unwrap().to_owned();
    stage.open(&tab, "/device").await;
    tab.fill(role("textbox", "Code"), "EAAA-AAAA").await.unwrap();
    // Signed out: the passkey comes first, then what the code leads to.
    tab.click(role("button", "Authorize")).await.unwrap();
    tab.wait_for_text("Device code is invalid. Please try again.").await.unwrap();
    tab.fill(role("textbox", "Code"), &code.to_lowercase()).await.unwrap();
    tab.click(role("button", "Authorize")).await.unwrap();
    tab.wait_for_text("Go on only if you started this yourself").await.unwrap();
    assert_eq!(tab.text("[data-testid=user-code]").await.unwrap(), format!("{}-{}", &code[..4], &code[4..]));
    assert!(tab.text("[data-testid=scopes]").await.unwrap().contains("Email"));
    assert_eq!(poll(&rp, &answer).await["error"], "authorization_pending");
    tab.click(role("button", "Authorize")).await.unwrap();
    tab.wait_for_text("The device has been authorized.").await.unwrap();
    stage.app.advance(6);
    assert!(poll(&rp, &answer).await["access_token"].is_string());

    let other = begin(&rp).await;
    stage.open(&tab, &format!("/device?user_code={}", other["user_code"].as_str().unwrap())).await;
    tab.click(role("button", "Deny")).await.unwrap();
    tab.wait_for_text("The sign-in request was denied.").await.unwrap();
    assert_eq!(poll(&rp, &other).await["error"], "access_denied");
    quiet(&tab, stage.app.url());
}
