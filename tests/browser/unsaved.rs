//! What somebody typed is not lost without a question (ui.md §4.2).

use pid_testkit::chromium::{Page, role};
use serde_json::json;

use crate::stage::{Stage, focused, quiet, until};

async fn admin_tab() -> (Stage, Page) {
    let stage = Stage::empty().await;
    let admin = stage.app.admin().await;
    stage.sign_in_as(&admin.agent).await;
    let tab = stage.tab().await;
    (stage, tab)
}

/// Waits until the browser has asked as often, and says what.
async fn asked(tab: &Page, times: usize) {
    until(async || match tab.dialogs().len() {
        n if n == times => Ok(()),
        n => Err(format!("asked {n} times, not {times}")),
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn leaving_a_page_with_something_unsaved_asks_by_every_way_out() {
    let (stage, tab) = admin_tab().await;
    let client = stage.client(json!({})).await;
    let group = json!({ "name": "staff", "friendlyName": "Staff" });
    let group = stage.app.script().post("/api/user-groups", &group).await.expect(201).id();
    let user = stage.app.person("tim").await.id().to_owned();
    let client = client["id"].as_str().unwrap();
    let mut times = 0;
    for (path, field) in [
        ("/settings/account".to_owned(), "#display-name"),
        (format!("/settings/admin/users/{user}"), "#first-name"),
        (format!("/settings/admin/user-groups/{group}"), "#friendly-name"),
        (format!("/settings/admin/oidc-clients/{client}"), "#description"),
        ("/settings/admin/application-configuration".to_owned(), "#app-name"),
        ("/settings/admin/application-configuration#email".to_owned(), "#smtp-host"),
    ] {
        // By a link of the page,
        stage.open(&tab, &path).await;
        tab.fill(field, "Changed").await.unwrap();
        tab.click("nav a[href='/settings/audit-log']").await.unwrap();
        times += 1;
        asked(&tab, times).await;
        tab.wait_for(role("heading", "Audit Log")).await.unwrap();
        // and by the browser's buttons.
        stage.open(&tab, &path).await;
        tab.fill(field, "Changed").await.unwrap();
        tab.reload().await.unwrap();
        times += 1;
        asked(&tab, times).await;
        // Who typed nothing, or took it back, goes.
        let before = tab.value(field).await.unwrap();
        tab.fill(field, "Changed").await.unwrap();
        tab.fill(field, &before).await.unwrap();
        tab.reload().await.unwrap();
        asked(&tab, times).await;
    }
    quiet(&tab, stage.app.url());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tab_says_that_it_holds_something_unsaved_and_keeps_it() {
    let (stage, tab) = admin_tab().await;
    stage.open(&tab, "/settings/admin/application-configuration#email").await;
    tab.fill(role("textbox", "SMTP Host"), "mail.example").await.unwrap();
    tab.click(role("tab", "General")).await.unwrap();
    let states = tab.states("#tab-email").await.unwrap();
    assert_eq!(states["description"], "Unsaved changes");
    assert_ne!(tab.states("#tab-general").await.unwrap()["description"], "Unsaved changes");
    // Saving another card neither asks nor takes it away.
    tab.fill(role("textbox", "Application Name"), "Our Cloud").await.unwrap();
    assert_eq!(tab.states("#tab-general").await.unwrap()["description"], "Unsaved changes");
    tab.click("#configuration [type=submit]").await.unwrap();
    tab.wait_for_text("Application configuration updated successfully").await.unwrap();
    assert_ne!(tab.states("#tab-general").await.unwrap()["description"], "Unsaved changes");
    tab.click("#tab-email").await.unwrap();
    assert_eq!(tab.value(role("textbox", "SMTP Host")).await.unwrap(), "mail.example");
    assert_eq!(tab.dialogs(), Vec::<String>::new());
    quiet(&tab, stage.app.url());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dialog_asks_before_it_forgets_what_was_typed() {
    let (stage, tab) = admin_tab().await;
    stage.open(&tab, "/settings/admin/user-groups").await;
    // Nothing typed: it just closes, and the focus is where it was.
    tab.focus(role("button", "Add Group")).await.unwrap();
    tab.press("Enter").await.unwrap();
    tab.wait_for(role("dialog", "Create User Group")).await.unwrap();
    tab.press("Escape").await.unwrap();
    tab.wait_gone("dialog[open]").await.unwrap();
    focused(&tab, "button", "Add Group").await;

    tab.press("Enter").await.unwrap();
    focused(&tab, "textbox", "Friendly Name").await;
    tab.type_text("Staff").await.unwrap();
    // The key, twice and three times; the button; a click beside it.
    for way in ["Escape", "Escape", "Close", "beside"] {
        match way {
            "Escape" => tab.press("Escape").await.unwrap(),
            "Close" => tab.click("#add-group [data-close]").await.unwrap(),
            _ => tab.eval::<()>("document.getElementById('add-group').click()").await.unwrap(),
        }
        tab.wait_for(role("alertdialog", "Discard what you entered?")).await.unwrap();
        focused(&tab, "button", "Cancel").await;
        tab.press("Escape").await.unwrap();
        tab.wait_gone("[role=alertdialog]").await.unwrap();
        assert_eq!(tab.value("#new-friendly-name").await.unwrap(), "Staff", "{way}");
        tab.focus("#new-friendly-name").await.unwrap();
    }
    tab.press("Escape").await.unwrap();
    tab.click(role("button", "Discard")).await.unwrap();
    tab.wait_gone("dialog[open]").await.unwrap();
    focused(&tab, "button", "Add Group").await;
    // What was given up is gone, also for who leaves the page.
    tab.click("nav a[href='/settings/audit-log']").await.unwrap();
    tab.wait_for(role("heading", "Audit Log")).await.unwrap();
    assert_eq!(tab.dialogs(), Vec::<String>::new());
    quiet(&tab, stage.app.url());
}
