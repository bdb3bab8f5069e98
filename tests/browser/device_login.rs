//! Signing in with another device: two browsers that share nothing.

use pid_testkit::chromium::{Authenticator, Page, role};
use serde_json::json;

use crate::stage::{Stage, focused, quiet, set_up, until};

/// A server that Ada set up, signed in with a passkey in this tab.
async fn set_up_by(stage: &Stage, tab: &Page) {
    stage.open(tab, "/").await;
    set_up(tab).await;
    tab.click(role("button", "Add Passkey")).await.unwrap();
    tab.wait_for_url(|url| url.ends_with("/settings/account")).await.unwrap();
}

/// What a browser shows that waits: its code and its number.
async fn shown(tab: &Page) -> (String, String) {
    tab.wait_for("[data-request]:not([hidden])").await.unwrap();
    let code = tab.attribute("[data-testid=device-login-code]", "data-copy").await.unwrap().unwrap();
    let drawn = "(async () => { const qr = document.querySelector('[data-qr]'); await qr.decode(); return qr.naturalWidth; })()";
    assert!(
        tab.eval::<u32>(drawn).await.unwrap() > 0 && tab.is_visible(role("img", "Device login QR code")).await.unwrap()
    );
    (code, tab.text("[data-testid=device-login-number]").await.unwrap())
}

async fn asked_for_number(tab: &Page) {
    tab.wait_for_text("Review the requesting device before approving this sign in.").await.unwrap();
    focused(tab, "textbox", "Number that the other device shows").await;
}

/// How often the passkey was asked for.
async fn count_prompts(tab: &Page) {
    tab.on_new_document(
        "{
            const get = CredentialsContainer.prototype.get;
            CredentialsContainer.prototype.get = function (options) {
                if (!options?.mediation) sessionStorage.setItem('prompts', Number(sessionStorage.getItem('prompts')) + 1);
                return get.call(this, options);
            };
        }",
    )
    .await
    .unwrap();
}

async fn prompts(tab: &Page) -> u32 {
    tab.eval("Number(sessionStorage.getItem('prompts'))").await.unwrap()
}

async fn credentials(authenticator: &Authenticator<'_>) -> usize {
    authenticator.credentials().await.unwrap().len()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_browser_is_let_in_by_the_number_that_it_shows() {
    let stage = Stage::empty().await;
    let phone = stage.tab().await;
    let authenticator = phone.authenticator().await.unwrap();
    count_prompts(&phone).await;
    set_up_by(&stage, &phone).await;
    assert_eq!(credentials(&authenticator).await, 1);

    let window = stage.new_window().await;
    let laptop = window.page().await.unwrap();
    laptop.goto(&stage.url("/login?redirect=%2Fsettings%2Faudit-log")).await.unwrap();
    laptop.click(role("link", "Alternative Sign In Methods")).await.unwrap();
    laptop.click(".methods a[href^='/login/alternative/device']").await.unwrap();
    let (code, number) = shown(&laptop).await;
    assert!(laptop.eval::<bool>("document.querySelector('[data-main]').disabled").await.unwrap());

    // The code is typed by hand, in small letters; the number is needed, too.
    stage.open(&phone, "/device").await;
    phone.fill(role("textbox", "Code"), &format!("{} {}", &code[..4].to_lowercase(), &code[4..])).await.unwrap();
    phone.click(role("button", "Authorize")).await.unwrap();
    asked_for_number(&phone).await;
    assert_eq!(phone.text("[data-testid=user-code]").await.unwrap(), format!("{}-{}", &code[..4], &code[4..]));
    assert!(phone.visible_text().await.unwrap().contains("127.0.0.1"));
    assert!(
        !phone.eval::<String>("document.documentElement.outerHTML").await.unwrap().contains(&format!(">{number}<"))
    );
    assert!(phone.eval::<bool>("document.querySelector('[data-main]').disabled").await.unwrap());
    let wrong = if number == "11" { "12" } else { "11" };
    phone.fill("[name=number]", wrong).await.unwrap();
    phone.click(role("button", "Approve")).await.unwrap();
    phone.wait_for_text("This is not the number that the other device shows. Please try again.").await.unwrap();
    focused(&phone, "textbox", "Number that the other device shows").await;
    phone.fill("[name=number]", &number).await.unwrap();
    phone.press("Enter").await.unwrap();
    phone.wait_for_text("The requesting device has been signed in.").await.unwrap();
    assert_eq!(prompts(&phone).await, 2, "each try needs the passkey");

    laptop.wait_for_url(|url| url.ends_with("/settings/audit-log")).await.unwrap();
    laptop.wait_for_text("Remote sign in").await.unwrap();
    quiet(&laptop, stage.app.url());
    // It has no passkey of its own yet, and may add one.
    let _own = laptop.authenticator().await.unwrap();
    laptop.goto(&stage.url("/settings/account")).await.unwrap();
    laptop.click("[data-register]").await.unwrap();
    laptop.wait_for(role("dialog", "Name Passkey")).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_scanned_code_signs_the_phone_in_first_and_asks_for_the_passkey_once() {
    let stage = Stage::empty().await;
    let phone = stage.tab().await;
    let _authenticator = phone.authenticator().await.unwrap();
    count_prompts(&phone).await;
    set_up_by(&stage, &phone).await;
    stage.forget().await;
    // Inside an interaction the browser goes on to the app.
    let client = stage.client(json!({ "name": "Television" })).await;
    let window = stage.new_window().await;
    let laptop = window.page().await.unwrap();
    laptop.goto(&stage.authorize(&client, &[])).await.unwrap();
    laptop.click(role("link", "Alternative Sign In Methods")).await.unwrap();
    laptop.click(".methods a[href^='/login/alternative/device']").await.unwrap();
    let (code, number) = shown(&laptop).await;

    stage.open(&phone, &format!("/device?user_code={code}")).await;
    phone.click(role("button", "Authorize")).await.unwrap();
    asked_for_number(&phone).await;
    phone.fill("[name=number]", &number).await.unwrap();
    phone.click(role("button", "Approve")).await.unwrap();
    phone.wait_for_text("The requesting device has been signed in.").await.unwrap();
    assert_eq!(prompts(&phone).await, 1, "a sign-in of just now is proof enough");
    laptop.wait_for("[data-testid=scopes]").await.unwrap();
    quiet(&phone, stage.app.url());
    quiet(&laptop, stage.app.url());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_browser_is_kept_out_and_may_try_again() {
    let stage = Stage::empty().await;
    let phone = stage.tab().await;
    let _authenticator = phone.authenticator().await.unwrap();
    set_up_by(&stage, &phone).await;
    let window = stage.new_window().await;
    let laptop = window.page().await.unwrap();
    laptop.goto(&stage.url("/login/alternative/device")).await.unwrap();
    let (first, _) = shown(&laptop).await;
    stage.open(&phone, &format!("/device?user_code={first}")).await;
    asked_for_number(&phone).await;
    phone.click(role("button", "Deny")).await.unwrap();
    phone.wait_for_text("The sign-in request was denied.").await.unwrap();
    laptop.wait_for_text("Device login request was denied. Please try again.").await.unwrap();
    focused(&laptop, "button", "Try again").await;
    laptop.press("Enter").await.unwrap();
    let (second, _) = shown(&laptop).await;
    assert_ne!(first, second);
    // Five minutes later it says so by itself.
    stage.app.advance(301);
    laptop.wait_for_text("Your QR code has expired. Please start the sign-in process again.").await.unwrap();
    stage.open(&phone, &format!("/device?user_code={second}")).await;
    phone.wait_for_text("This sign-in request is invalid or has expired.").await.unwrap();
    phone.wait_for(role("textbox", "Code")).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_wrong_numbers_end_it() {
    let stage = Stage::empty().await;
    let phone = stage.tab().await;
    let _authenticator = phone.authenticator().await.unwrap();
    count_prompts(&phone).await;
    set_up_by(&stage, &phone).await;
    let window = stage.new_window().await;
    let laptop = window.page().await.unwrap();
    laptop.goto(&stage.url("/login/alternative/device")).await.unwrap();
    let (code, number) = shown(&laptop).await;
    stage.open(&phone, &format!("/device?user_code={code}")).await;
    asked_for_number(&phone).await;
    phone.fill("[name=number]", if number == "11" { "12" } else { "11" }).await.unwrap();
    phone.click(role("button", "Approve")).await.unwrap();
    phone.wait_for_text("This is not the number that the other device shows. Please try again.").await.unwrap();
    for tries in 2..=3 {
        phone.click(role("button", "Try again")).await.unwrap();
        // The words are the same; that the form is at rest again after another prompt tells the tries apart.
        until(async || {
            let busy: String = phone.eval("document.querySelector('form').getAttribute('aria-busy')").await.unwrap();
            let found = (prompts(&phone).await, busy);
            if found == (tries, "false".to_owned()) { Ok(()) } else { Err(format!("{found:?}")) }
        })
        .await;
    }
    phone.wait_for_text("so the sign-in was denied").await.unwrap();
    phone.wait_for(role("link", "Enter another code")).await.unwrap();
    laptop.wait_for_text("Device login request was denied. Please try again.").await.unwrap();
}
