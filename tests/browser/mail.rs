//! Mail in a real browser: set up, tested, a code on request, an address proven. Links of letters are followed.

use pid_testkit::chromium::role;
use pid_tests::Mailbox;
use serde_json::{Value, json};

use crate::stage::Stage;

fn link(letter: &Value, path: &str) -> String {
    let text = letter["text"].as_str().unwrap();
    let start = text.find(path).unwrap_or_else(|| panic!("no {path} in {text}"));
    text[start..].split_whitespace().next().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_administrator_sets_mail_up_and_people_use_it() {
    let stage = Stage::empty().await;
    let admin = stage.app.admin().await;
    let tim = stage.app.person("tim").await;
    let user = format!("/api/users/{}", tim.id());
    stage.app.script().patch(&user, &json!({ "emailVerified": true }), None).await.expect(200);
    let mut mailbox = Mailbox::start("starttls", true);
    stage.sign_in_as(&admin.agent).await;
    let tab = stage.tab().await;
    stage.open(&tab, "/settings/admin/application-configuration#email").await;
    let settings = mailbox.settings();
    for (field, key) in [
        ("SMTP Host", "smtpHost"),
        ("SMTP Port", "smtpPort"),
        ("SMTP User", "smtpUser"),
        ("SMTP Password", "smtpPassword"),
        ("SMTP From", "smtpFrom"),
    ] {
        tab.fill(role("textbox", field), settings[key].as_str().unwrap()).await.unwrap();
    }
    let choose = "(() => { const s = document.getElementById('smtp-tls'); s.value = 'starttls'; \
        s.dispatchEvent(new Event('change', { bubbles: true })); })()";
    tab.eval::<Value>(choose).await.unwrap();
    for switch in [
        "Skip Certificate Verification",
        "Email Verification",
        "Email Login Code Requested by User",
        "Email Login Code from Admin",
    ] {
        tab.click(role("switch", switch)).await.unwrap();
    }
    tab.click("#email-form [type=submit]").await.unwrap();
    tab.wait_for_text("Email configuration updated successfully").await.unwrap();
    tab.click(role("button", "Send test email")).await.unwrap();
    assert_eq!(mailbox.letter().await["subject"], "Test email from Pocket ID");
    // What is not saved yet is saved first, or nothing is sent.
    tab.fill(role("textbox", "SMTP From"), "house@example.com").await.unwrap();
    tab.click(role("button", "Send test email")).await.unwrap();
    tab.wait_for(role("alertdialog", "Save changes?")).await.unwrap();
    tab.click(role("button", "Save and send")).await.unwrap();
    let letter = mailbox.letter().await;
    assert!(letter["from"].as_str().unwrap().contains("house@example.com"), "{letter}");

    // Somebody whose passkey is elsewhere asks for a code, and follows the link.
    let window = stage.new_window().await;
    let stranger = window.page().await.unwrap();
    stage.open(&stranger, "/login/alternative").await;
    stranger.click(".methods a[href^='/login/alternative/email']").await.unwrap();
    stranger.fill(role("textbox", "Your email"), "tim@example.com").await.unwrap();
    stranger.click(role("button", "Submit")).await.unwrap();
    stranger.wait_for(role("link", "Enter code")).await.unwrap();
    let letter = mailbox.letter().await;
    stage.open(&stranger, &link(&letter, "/lc/")).await;
    stranger.wait_for(role("heading", "My Account")).await.unwrap();
    assert_eq!(mailbox.letter().await["subject"], "A login code was used for Pocket ID");

    // Now their address is not proven any more.
    stage.app.script().patch(&user, &json!({ "emailVerified": false }), None).await.expect(200);
    stage.open(&stranger, "/settings/account").await;
    stranger.click(role("button", "Send Email")).await.unwrap();
    let letter = mailbox.letter().await;
    stage.open(&stranger, &link(&letter, "/verify-email?")).await;
    stranger.click(role("button", "Verify")).await.unwrap();
    stranger.wait_for_text("Email Verified Successfully").await.unwrap();
    assert_eq!(stage.app.script().get(&user).await.expect(200).json()["emailVerified"], true);
}
