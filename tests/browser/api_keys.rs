//! The page of API keys: shown once, used, renewed, revoked.

use pid_testkit::chromium::role;
use serde_json::json;

use crate::stage::{Stage, quiet};

const KEY: &str = "dialog[open] [data-testid=api-key]";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_is_shown_once_works_and_is_revoked() {
    let stage = Stage::empty().await;
    let admin = stage.app.admin().await;
    stage.sign_in_as(&admin.agent).await;
    let tab = stage.tab().await;
    stage.open(&tab, "/settings/account").await;
    tab.click(role("link", "API Keys")).await.unwrap();
    tab.wait_for_text("No items found").await.unwrap();
    tab.click(role("button", "Add API Key")).await.unwrap();
    tab.wait_for(role("dialog", "Create API Key")).await.unwrap();

    // What can't be is said beside the field, before anything is sent.
    tab.fill(role("textbox", "Name"), "ci").await.unwrap();
    tab.fill("#new-expires", "2001-01-01").await.unwrap();
    tab.click("#add-key button[type=submit]").await.unwrap();
    tab.wait_for_text("At least 3 characters").await.unwrap();
    tab.wait_for_text("Expiration date must be in the future").await.unwrap();
    tab.fill(role("textbox", "Name"), "build server").await.unwrap();
    tab.fill("#new-expires", "2099-01-01").await.unwrap();
    tab.fill("#new-description", "Reads <b>who</b> may deploy").await.unwrap();
    tab.click(role("checkbox", "Read only")).await.unwrap();
    tab.click("#add-key button[type=submit]").await.unwrap();

    tab.wait_for(role("dialog", "API Key Created")).await.unwrap();
    tab.wait_for_text("Reads <b>who</b> may deploy").await.unwrap();
    let value = tab.attribute(KEY, "data-copy").await.unwrap().unwrap();
    assert_eq!(value.len(), 32);
    let script = stage.app.agent().with_header("x-api-key", &value);
    assert_eq!(script.get("/api/users/me").await.expect(200).json()["id"], admin.id());
    script.post("/api/user-groups", &json!({})).await.refused(403, "api_key_scope_insufficient");
    tab.click(role("button", "Close")).await.unwrap();
    tab.wait_gone("dialog[open]").await.unwrap();
    tab.wait_for("#list tbody tr").await.unwrap();
    // The value is nowhere once that was closed: the dialog forgets it on an event that comes a moment later.
    let forgotten = format!(
        "new Promise((done) => {{ const t = setInterval(() => document.documentElement.outerHTML.includes('{value}') \
            || (clearInterval(t), done(true)), 10); }})"
    );
    assert!(tab.eval::<bool>(&forgotten).await.unwrap());
    let row = tab.text("#list tbody tr").await.unwrap();
    assert!(["build server", "Read only", "2099", "Never"].iter().all(|word| row.contains(word)), "{row}");
    // The next one begins empty.
    tab.click(role("button", "Add API Key")).await.unwrap();
    assert_eq!(tab.value(role("textbox", "Name")).await.unwrap(), "");
    tab.press("Escape").await.unwrap();

    tab.click(role("button", "Toggle menu")).await.unwrap();
    assert!(!tab.is_visible("[data-dialog=renew-key]").await.unwrap(), "only an expired key is renewed");
    tab.click(role("menuitem", "Revoke")).await.unwrap();
    tab.wait_for(role("alertdialog", "Revoke API Key")).await.unwrap();
    tab.click("dialog .btn-danger").await.unwrap();
    tab.wait_for_text("API key revoked successfully").await.unwrap();
    tab.wait_for_text("No items found").await.unwrap();
    script.get("/api/users/me").await.refused(401, "not_signed_in");
    quiet(&tab, stage.app.url());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_expired_key_is_renewed_with_another_value() {
    let stage = Stage::empty().await;
    let mut admin = stage.app.admin().await;
    let soon = stage.app.app().clock().now().plus_minutes(30).to_string();
    let made = admin.agent.post("/api/api-keys", &json!({ "name": "nightly", "expiresAt": soon })).await.expect(201);
    let old = made.json()["token"].as_str().unwrap().to_owned();
    stage.app.advance(31 * 60);
    admin.sign_in().await.expect(200);
    stage.sign_in_as(&admin.agent).await;
    let tab = stage.tab().await;
    stage.open(&tab, "/settings/admin/api-keys").await;
    tab.wait_for(".badge-warn").await.unwrap();
    tab.click(role("button", "Toggle menu")).await.unwrap();
    tab.click(role("menuitem", "Renew")).await.unwrap();
    tab.wait_for(role("dialog", "Renew API Key")).await.unwrap();
    assert!(!tab.value("#renew-expires").await.unwrap().is_empty(), "a day is proposed");
    tab.click(role("button", "Renew")).await.unwrap();
    tab.wait_for(role("dialog", "API key renewed")).await.unwrap();
    tab.wait_for_text("nightly").await.unwrap();
    let new = tab.attribute(KEY, "data-copy").await.unwrap().unwrap();
    stage.app.agent().with_header("x-api-key", &old).get("/api/users/me").await.refused(401, "not_signed_in");
    stage.app.agent().with_header("x-api-key", &new).get("/api/users/me").await.expect(200);
    tab.click(role("button", "Close")).await.unwrap();
    tab.wait_gone(".badge-warn").await.unwrap();
    quiet(&tab, stage.app.url());
}

/// On a phone these pages are reached by the menu, and who administers nothing is offered none and gets none.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_menu_leads_there_on_phones_and_administrators_only() {
    let stage = Stage::empty().await;
    let admin = stage.app.admin().await;
    let tim = stage.app.person("tim").await;
    stage.sign_in_as(&admin.agent).await;
    let tab = stage.tab().await;
    tab.set_viewport(390, 844, true).await.unwrap();
    stage.open(&tab, "/settings/account").await;
    for (link, path) in [
        ("Audit Log", "/settings/audit-log"),
        ("APIs", "/settings/admin/apis"),
        ("API Keys", "/settings/admin/api-keys"),
    ] {
        tab.click(role("button", "Menu")).await.unwrap();
        tab.click(role("link", link)).await.unwrap();
        tab.wait_for_url(|url| url.ends_with(path)).await.unwrap();
        tab.wait_for(role("heading", link)).await.unwrap();
    }
    stage.sign_in_as(&tim.agent).await;
    stage.open(&tab, "/settings/audit-log").await;
    let links =
        tab.eval::<Vec<String>>("[...document.querySelectorAll('a[href*=settings]')].map(a => a.pathname)").await;
    let links = links.unwrap();
    assert!(links.contains(&"/settings/audit-log".to_owned()), "{links:?}");
    assert!(links.iter().all(|path| !path.contains("/admin") && !path.contains("/global")), "{links:?}");
    stage.open(&tab, "/settings/admin/api-keys").await;
    tab.wait_for_url(|url| url.ends_with("/settings/account")).await.unwrap();
}
