//! Signing in to a client, in a real browser: the steps, the ways around them, and the way out.

use pid_testkit::chromium::{Page, role};
use serde_json::{Value, json};

use crate::stage::{Stage, focused, quiet, set_up};

struct Scene {
    stage: Stage,
    tab: Page,
    client: Value,
}

impl Scene {
    /// Ada with a passkey in this tab's authenticator, signed in, and a client.
    async fn begin() -> Self {
        let stage = Stage::empty().await;
        let tab = stage.tab().await;
        let _stays_with_the_tab = tab.authenticator().await.unwrap();
        stage.open(&tab, "/").await;
        set_up(&tab).await;
        tab.click(role("button", "Add Passkey")).await.unwrap();
        tab.wait_for_url(|url| url.ends_with("/settings/account")).await.unwrap();
        let client = stage.client(json!({})).await;
        Self { stage, tab, client }
    }

    async fn ask(&self, more: &[(&str, &str)]) {
        self.tab.goto(&self.stage.authorize(&self.client, more)).await.unwrap();
    }

    /// What came back to the client.
    async fn answer(&self) -> Value {
        let callback = self.client["callbackURLs"][0].as_str().unwrap();
        let url = self.tab.wait_for_url(|url| url.starts_with(callback)).await.unwrap();
        let url = url::Url::parse(&url).unwrap();
        url.query_pairs().map(|(name, value)| (name.into_owned(), Value::from(value.into_owned()))).collect()
    }

    async fn button(&self, name: &str) {
        self.tab.click(role("button", name)).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn consent_is_asked_once_and_can_be_refused() {
    let scene = Scene::begin().await;
    scene.ask(&[]).await;
    let asked = scene.tab.text("[data-testid=scopes]").await.unwrap();
    for scope in ["Email", "Profile", "Groups"] {
        assert!(asked.contains(scope), "{asked}");
    }
    assert!(!asked.contains("openid"), "{asked}");
    focused(&scene.tab, "button", "Sign in").await;
    scene.tab.click(role("link", "Cancel")).await.unwrap();
    let answer = scene.answer().await;
    assert_eq!((&answer["error"], &answer["state"]), (&json!("access_denied"), &json!("state-1")));
    assert_eq!(answer["iss"], scene.stage.app.url());

    scene.ask(&[]).await;
    scene.button("Sign in").await;
    assert!(scene.answer().await["code"].is_string());
    scene.ask(&[]).await;
    assert!(scene.answer().await["code"].is_string(), "remembered: no page is between");
    scene.ask(&[("prompt", "consent")]).await;
    scene.tab.wait_for("[data-testid=scopes]").await.unwrap();
    quiet(&scene.tab, scene.stage.app.url());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn prompt_login_wants_a_new_proof() {
    let scene = Scene::begin().await;
    scene.ask(&[("prompt", "login")]).await;
    assert_eq!(scene.tab.count("[data-testid=scopes]").await.unwrap(), 0);
    scene.tab.clear_requests();
    scene.button("Sign in").await;
    scene.tab.wait_for("[data-testid=scopes]").await.unwrap();
    let proofs = scene.tab.requests().iter().filter(|r| r.url.ends_with("/reauthenticate")).count();
    assert_eq!(proofs, 1, "the passkey was asked");
    scene.button("Sign in").await;
    assert!(scene.answer().await["code"].is_string());
    quiet(&scene.tab, scene.stage.app.url());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_that_ends_behind_the_page_begins_anew() {
    let scene = Scene::begin().await;
    scene.ask(&[]).await;
    scene.tab.wait_for("[data-testid=scopes]").await.unwrap();
    let admin = scene.stage.app.agent();
    admin.set_cookie("access_token", &scene.stage.window.cookie("access_token").await.unwrap().unwrap());
    admin.post("/api/webauthn/logout", &json!({})).await.expect(204);
    scene.button("Sign in").await;
    scene.tab.wait_for_text("Don't have access to your passkey?").await.unwrap();
    scene.button("Sign in").await;
    scene.tab.wait_for("[data-testid=scopes]").await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn prompt_select_account_shows_the_account_and_lets_another_in() {
    let scene = Scene::begin().await;
    let select = [("prompt", "select_account")];
    scene.ask(&select).await;
    let shown = scene.tab.text("[data-testid=account-selection]").await.unwrap();
    assert!(shown.contains("Ada Lovelace") && shown.contains("ada@example.com"), "{shown}");
    scene.button("Sign in").await;
    scene.tab.wait_for("[data-testid=scopes]").await.unwrap();
    scene.button("Sign in").await;
    assert!(scene.answer().await["code"].is_string());

    // Another account, by a code: back in the same interaction as Tim, who is asked for his own consent.
    let tim = scene.stage.app.person("tim").await;
    scene.ask(&select).await;
    let interaction = scene.tab.url().await.unwrap();
    scene.button("Use a different account").await;
    scene.tab.wait_for_text("Don't have access to your passkey?").await.unwrap();
    scene.tab.click(role("link", "Alternative Sign In Methods")).await.unwrap();
    scene.tab.click(".methods a[href^='/login/alternative/code']").await.unwrap();
    scene.tab.fill(role("textbox", "Code"), &scene.stage.login_code(tim.id()).await).await.unwrap();
    scene.tab.press("Enter").await.unwrap();
    scene.tab.wait_for_url(|url| url == interaction).await.unwrap();
    scene.tab.wait_for_text("Tim Test").await.unwrap();
    scene.button("Sign in").await;
    scene.tab.wait_for("[data-testid=scopes]").await.unwrap();
    scene.button("Sign in").await;
    assert!(scene.answer().await["code"].is_string());

    // The same one again, by passkey.
    scene.ask(&select).await;
    scene.button("Use a different account").await;
    scene.tab.wait_for_text("Don't have access to your passkey?").await.unwrap();
    scene.button("Sign in").await;
    assert!(scene.answer().await["code"].is_string(), "Ada chose herself by her passkey");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fresh_proof_follows_without_another_click() {
    let scene = Scene::begin().await;
    scene.ask(&[]).await;
    scene.button("Sign in").await;
    assert!(scene.answer().await["code"].is_string());
    scene.stage.forget().await;
    scene.ask(&[("prompt", "login")]).await;
    scene.button("Sign in").await;
    quiet(&scene.tab, scene.stage.app.url());
    assert!(scene.answer().await["code"].is_string(), "the sign-in inside the interaction is the proof");
    scene.ask(&[("prompt", "select_account login")]).await;
    scene.tab.wait_for("[data-testid=account-selection]").await.unwrap();
    scene.button("Sign in").await;
    assert!(scene.answer().await["code"].is_string(), "choosing leads on to the passkey");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_tabs_can_each_sign_in_to_an_app() {
    let scene = Scene::begin().await;
    let other = scene.stage.tab().await;
    scene.stage.forget().await;
    let second = scene.stage.client(json!({ "name": "Second" })).await;
    scene.ask(&[]).await;
    other.goto(&scene.stage.authorize(&second, &[])).await.unwrap();
    other.wait_for(role("heading", "Sign in to Second")).await.unwrap();
    scene.button("Sign in").await;
    scene.tab.wait_for("[data-testid=scopes]").await.unwrap();
    scene.button("Sign in").await;
    assert!(scene.answer().await["code"].is_string());
    // Signed in meanwhile: the other tab needs no second proof.
    other.reload().await.unwrap();
    other.wait_for("[data-testid=scopes]").await.unwrap();
    other.click(role("button", "Sign in")).await.unwrap();
    other.wait_for_url(|url| url.contains("code=")).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cancelling_and_signing_out_need_no_scripts() {
    let scene = Scene::begin().await;
    let logout = json!({ "name": "Third", "logoutCallbackURLs": [scene.stage.url("/robots.txt")] });
    let client = scene.stage.client(logout).await;
    scene.tab.call("Emulation.setScriptExecutionDisabled", json!({ "value": true })).await.unwrap();
    scene.ask(&[]).await;
    scene.tab.wait_for_text("This page needs JavaScript").await.unwrap();
    scene.tab.click(role("link", "Cancel")).await.unwrap();
    assert_eq!(scene.answer().await["error"], "access_denied");

    let wish = format!(
        "/api/oidc/end-session?client_id={}&post_logout_redirect_uri={}&state=x%26y",
        client["id"].as_str().unwrap(),
        scene.stage.url("/robots.txt")
    );
    scene.stage.open(&scene.tab, &wish).await;
    scene.button("Sign out").await;
    scene.tab.wait_for(role("heading", "You are signed out")).await.unwrap();
    assert_eq!(scene.stage.window.cookie("access_token").await.unwrap(), None);
    scene.tab.click(role("link", "Continue to Third")).await.unwrap();
    let back = scene.stage.url("/robots.txt?state=x%26y");
    scene.tab.wait_for_url(|url| url == back).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_interaction_that_is_over_says_what_to_do() {
    let scene = Scene::begin().await;
    scene.ask(&[]).await;
    let address = scene.tab.url().await.unwrap();
    scene.tab.click(role("link", "Cancel")).await.unwrap();
    scene.answer().await;
    scene.tab.goto(&address).await.unwrap();
    scene.tab.wait_for_text("has expired or was used already. Go back to the app and sign in again.").await.unwrap();
    // In another browser it is not there either.
    scene.ask(&[]).await;
    let address = scene.tab.url().await.unwrap();
    let elsewhere = scene.stage.new_window().await.page().await.unwrap();
    elsewhere.goto(&address).await.unwrap();
    elsewhere.wait_for_text("Go back to the app").await.unwrap();
}
