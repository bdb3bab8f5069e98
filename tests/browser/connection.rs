//! A server that is away, and a session that is over: pages say so, and what was typed stays.

use pid_testkit::chromium::{Page, role};
use serde_json::json;

use crate::stage::Stage;

async fn offline(tab: &Page, on: bool) {
    tab.call("Network.enable", json!({})).await.unwrap();
    let conditions = json!({ "offline": on, "latency": 0, "downloadThroughput": -1, "uploadThroughput": -1 });
    tab.call("Network.emulateNetworkConditions", conditions).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_says_that_the_server_is_away_and_goes_on_when_it_is_back() {
    let stage = Stage::empty().await;
    let admin = stage.app.admin().await;
    stage.sign_in_as(&admin.agent).await;
    let tab = stage.tab().await;
    stage.open(&tab, "/settings/account").await;
    tab.fill("#display-name", "Ada L.").await.unwrap();
    offline(&tab, true).await;
    tab.click("form[data-api='/api/users/me'] [type=submit]").await.unwrap();
    tab.wait_for_text("The server can’t be reached. What you entered is kept").await.unwrap();
    assert_eq!(tab.states(".offline").await.unwrap()["role"], "alert");
    assert_eq!(tab.value("#display-name").await.unwrap(), "Ada L.");
    offline(&tab, false).await;
    tab.click("form[data-api='/api/users/me'] [type=submit]").await.unwrap();
    tab.wait_for_text("Account details updated successfully").await.unwrap();
    assert!(!tab.visible_text().await.unwrap().contains("can’t be reached"));
    // On the way in as well.
    stage.forget().await;
    stage.open(&tab, "/lc").await;
    offline(&tab, true).await;
    tab.fill("[name=code]", "ABCDEF").await.unwrap();
    tab.click(role("button", "Submit")).await.unwrap();
    tab.wait_for_text("The server can’t be reached").await.unwrap();
    assert_eq!(tab.value("[name=code]").await.unwrap(), "ABCDEF");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_that_is_over_is_said_and_nothing_typed_is_lost() {
    let stage = Stage::empty().await;
    let mut admin = stage.app.admin().await;
    stage.sign_in_as(&admin.agent).await;
    let tab = stage.tab().await;
    stage.open(&tab, "/settings/account").await;
    tab.fill("#display-name", "Ada L.").await.unwrap();
    admin.agent.post("/api/webauthn/logout", &json!({})).await;
    tab.click("form[data-api='/api/users/me'] [type=submit]").await.unwrap();
    tab.wait_for(role("alertdialog", "You have been signed out")).await.unwrap();
    tab.wait_for_text("what you entered stays here").await.unwrap();
    // Signed in beside it, the same page goes on.
    tab.click(role("button", "Cancel")).await.unwrap();
    admin.sign_in().await.expect(200);
    stage.sign_in_as(&admin.agent).await;
    tab.click("form[data-api='/api/users/me'] [type=submit]").await.unwrap();
    tab.wait_for_text("Account details updated successfully").await.unwrap();
    assert_eq!(admin.agent.get("/api/users/me").await.expect(200).json()["displayName"], "Ada L.");
    // Who has typed nothing is led to the sign-in and back: here by a list that is read anew.
    stage.open(&tab, "/settings/admin/users").await;
    admin.agent.post("/api/webauthn/logout", &json!({})).await;
    tab.fill("[data-search]", "ada").await.unwrap();
    tab.wait_for(role("alertdialog", "You have been signed out")).await.unwrap();
    tab.click(role("button", "Sign in")).await.unwrap();
    let url = tab.wait_for_url(|url| url.contains("/login?")).await.unwrap();
    assert!(url.ends_with("/login?redirect=%2Fsettings%2Fadmin%2Fusers%3Fsearch%3Dada"), "{url}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn error_pages_say_what_to_do() {
    let stage = Stage::empty().await;
    let admin = stage.app.admin().await;
    stage.sign_in_as(&admin.agent).await;
    let tab = stage.tab().await;
    stage.open(&tab, "/nowhere").await;
    tab.wait_for(role("heading", "Not Found")).await.unwrap();
    tab.click(role("link", "Go back to home")).await.unwrap();
    tab.wait_for(role("heading", "My Account")).await.unwrap();
    // The store can't be written: whoever comes from an app is told to wait, and may try again.
    let client = stage.client(json!({})).await;
    {
        let _fault = stage.app.break_store();
        tab.goto(&stage.authorize(&client, &[])).await.unwrap();
        tab.wait_for(role("heading", "Not ready")).await.unwrap();
        tab.wait_for_text("Please try again in a moment").await.unwrap();
        tab.wait_for(role("link", "Go back to home")).await.unwrap();
    }
    tab.click(role("link", "Try again")).await.unwrap();
    tab.wait_for(role("heading", "Sign in to Nextcloud")).await.unwrap();
    // Something is wrong that nobody foresaw: the page has the number by which an administrator finds it in the log.
    let file = rusqlite::Connection::open(stage.app.dir().join("pocket-id.db")).unwrap();
    file.execute_batch("ALTER TABLE passkeys RENAME TO elsewhere").unwrap();
    stage.open(&tab, "/settings/account").await;
    tab.wait_for(role("heading", "Something went wrong")).await.unwrap();
    tab.wait_for_text("Request ID:").await.unwrap();
    file.execute_batch("ALTER TABLE elsewhere RENAME TO passkeys").unwrap();
    tab.click(role("link", "Try again")).await.unwrap();
    tab.wait_for(role("heading", "My Account")).await.unwrap();
}
