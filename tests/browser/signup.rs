//! Signing up, through the pages.

use pid_testkit::chromium::{Page, role};
use serde_json::json;

use crate::stage::{Stage, focused, quiet};

async fn fill_in(tab: &Page, name: &str) {
    for (label, value) in
        [("Username", name), ("Email", &format!("{name}@example.com")), ("First name", "Tim"), ("Last name", "Cook")]
    {
        tab.fill(role("textbox", label), value).await.unwrap();
    }
    tab.click(role("button", "Sign Up")).await.unwrap();
}

async fn add_passkey(tab: &Page) {
    tab.wait_for(role("heading", "Set up your passkey")).await.unwrap();
    tab.click(role("button", "Add Passkey")).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_wants_signs_up_and_sets_a_passkey_up() {
    let stage = Stage::empty().await;
    stage.app.admin().await;
    let tab = stage.tab().await;
    let authenticator = tab.authenticator().await.unwrap();
    stage.open(&tab, "/login").await;
    assert_eq!(tab.count("a[href='/signup']").await.unwrap(), 0, "nobody is offered what is disabled");
    stage.open(&tab, "/signup").await;
    tab.wait_for_text("User signups are currently disabled.").await.unwrap();
    assert_eq!(tab.count("form").await.unwrap(), 0);
    stage.configure(json!({ "allowUserSignups": "withToken" })).await;
    stage.open(&tab, "/signup").await;
    tab.wait_for_text("A valid signup token is required to create an account.").await.unwrap();
    tab.click(role("link", "Go to login")).await.unwrap();
    tab.wait_for_url(|url| url.ends_with("/login")).await.unwrap();

    stage.configure(json!({ "allowUserSignups": "open", "signupEmailDomains": "[\"example.com\"]" })).await;
    stage.open(&tab, "/login").await;
    tab.click(role("link", "Sign Up")).await.unwrap();
    tab.wait_for_text("Only addresses of these domains: example.com").await.unwrap();
    fill_in(&tab, "_tim").await;
    tab.wait_for_text("Username must start with an alphanumeric character").await.unwrap();
    // What is taken is said beside its field.
    fill_in(&tab, "admin").await;
    tab.wait_for_text("Email is already in use").await.unwrap();
    focused(&tab, "textbox", "Email").await;
    fill_in(&tab, "tim").await;
    add_passkey(&tab).await;
    tab.wait_for_url(|url| url.ends_with("/settings/account")).await.unwrap();
    tab.wait_for_text("Single Passkey Configured").await.unwrap();
    // Who is signed in has no business here.
    stage.open(&tab, "/signup").await;
    tab.wait_for_url(|url| url.ends_with("/settings/account")).await.unwrap();
    // And comes again by the passkey.
    stage.forget().await;
    stage.open(&tab, "/login").await;
    tab.click(role("button", "Authenticate")).await.unwrap();
    tab.wait_for_url(|url| url.ends_with("/settings/account")).await.unwrap();
    assert_eq!(authenticator.credentials().await.unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_invitation_is_made_handed_on_used_and_deleted() {
    let stage = Stage::empty().await;
    let admin = stage.app.admin().await;
    let script = stage.app.script();
    for (name, shown) in [("staff", "Staff"), ("guests", "Guests")] {
        script.post("/api/user-groups", &json!({ "name": name, "friendlyName": shown })).await.expect(201);
    }
    stage.sign_in_as(&admin.agent).await;
    let tab = stage.tab().await;
    stage.open(&tab, "/settings/admin/users").await;
    tab.click(role("button", "Create options")).await.unwrap();
    tab.click(role("menuitem", "Create Signup Token")).await.unwrap();
    tab.wait_for(role("dialog", "Signup Token")).await.unwrap();
    tab.fill(role("spinbutton", "Usage Limit"), "101").await.unwrap();
    tab.click(role("button", "Create")).await.unwrap();
    tab.wait_for_text("The largest value is 100").await.unwrap();
    tab.fill(role("spinbutton", "Usage Limit"), "2").await.unwrap();
    tab.click(role("checkbox", "Guests")).await.unwrap();
    tab.click(role("button", "Create")).await.unwrap();
    tab.wait_for("#signup-token-result:not([hidden])").await.unwrap();
    let link = tab.attribute("[data-testid=signup-token-link]", "data-copy").await.unwrap().unwrap();
    assert!(link.starts_with(&stage.url("/st/")), "{link}");
    assert_eq!(tab.text("[data-part=uses]").await.unwrap(), "2");
    let drawn = "(async () => { const qr = document.querySelector('#signup-token-result .qr'); await qr.decode(); return qr.naturalWidth; })()";
    assert!(tab.eval::<u32>(drawn).await.unwrap() > 0);
    quiet(&tab, stage.app.url());

    // Sign-up is disabled, but whoever has the link is invited.
    let guest = stage.new_window().await;
    let other = guest.page().await.unwrap();
    let _passkeys = other.authenticator().await.unwrap();
    other.goto(&link).await.unwrap();
    fill_in(&other, "guest").await;
    add_passkey(&other).await;
    other.wait_for_text("Single Passkey Configured").await.unwrap();
    quiet(&other, stage.app.url());
    let found = script.get("/api/users?search=guest").await.expect(200).json();
    assert_eq!(found["data"][0]["userGroups"][0]["name"], "guests");

    tab.press("Escape").await.unwrap();
    stage.open(&tab, "/settings/admin/users").await;
    tab.click(role("button", "Create options")).await.unwrap();
    tab.click(role("menuitem", "View Active Signup Tokens")).await.unwrap();
    tab.wait_for(role("dialog", "Manage Signup Tokens")).await.unwrap();
    tab.wait_for_text("1 of 2").await.unwrap();
    assert!(tab.text("#signup-tokens").await.unwrap().contains("Guests"));
    tab.click("#signup-tokens button[aria-label='Toggle menu']").await.unwrap();
    tab.click("#signup-tokens [role=menuitem].danger").await.unwrap();
    tab.wait_for(role("alertdialog", "Delete Signup Token")).await.unwrap();
    tab.click("[role=alertdialog] .btn-danger").await.unwrap();
    tab.wait_for_text("Signup token deleted successfully.").await.unwrap();
    tab.wait_for_text("No items found").await.unwrap();
    quiet(&tab, stage.app.url());
    // Then the link says so before anybody types.
    let late = stage.new_window().await.page().await.unwrap();
    late.goto(&link).await.unwrap();
    late.wait_for_text("This invitation has expired or has been used up.").await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_administrator_approves_who_signed_up() {
    let stage = Stage::empty().await;
    let admin = stage.app.admin().await;
    stage.sign_in_as(&admin.agent).await;
    let desk = stage.tab().await;
    stage.open(&desk, "/settings/admin/application-configuration#user-creation").await;
    desk.eval::<()>("(() => { const s = document.getElementById('signups'); s.value = 'open'; })()").await.unwrap();
    desk.click(role("switch", "Approval by an administrator")).await.unwrap();
    desk.click("#creation-form [type=submit]").await.unwrap();
    desk.wait_for_text("User creation settings updated successfully.").await.unwrap();

    let window = stage.new_window().await;
    let tab = window.page().await.unwrap();
    let _passkeys = tab.authenticator().await.unwrap();
    tab.goto(&stage.url("/signup")).await.unwrap();
    tab.wait_for_text("An administrator approves it before you can sign in.").await.unwrap();
    fill_in(&tab, "tim").await;
    add_passkey(&tab).await;
    tab.wait_for(role("heading", "Waiting for approval")).await.unwrap();
    tab.click(role("link", "Check again")).await.unwrap();
    tab.wait_for(role("heading", "Waiting for approval")).await.unwrap();
    // The passkey is known, but says the same.
    tab.click(role("link", "Go to login")).await.unwrap();
    tab.click(role("button", "Authenticate")).await.unwrap();
    tab.wait_for_text("Your account waits for an administrator's approval.").await.unwrap();

    stage.open(&desk, "/settings/admin/users?search=tim").await;
    desk.wait_for_text("Waiting for approval").await.unwrap();
    desk.click(role("link", "Tim Cook")).await.unwrap();
    desk.click(role("button", "Approve")).await.unwrap();
    desk.wait_for_text("User approved successfully").await.unwrap();
    assert!(!desk.visible_text().await.unwrap().contains("Waiting for approval"));

    tab.goto(&stage.url("/signup/waiting")).await.unwrap();
    tab.wait_for_url(|url| url.ends_with("/settings/account")).await.unwrap();
    tab.wait_for_text("Single Passkey Configured").await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_new_accounts_begin_with_is_set_on_the_page() {
    let stage = Stage::empty().await;
    let admin = stage.app.admin().await;
    let group = json!({ "name": "staff", "friendlyName": "Staff" });
    let group = stage.app.script().post("/api/user-groups", &group).await.expect(201).id();
    stage.sign_in_as(&admin.agent).await;
    let tab = stage.tab().await;
    stage.open(&tab, "/settings/admin/application-configuration#user-creation").await;
    tab.click(role("checkbox", "Staff")).await.unwrap();
    tab.click("[data-add-row=signup-domains]").await.unwrap();
    tab.fill("#signup-domains input", "example.com").await.unwrap();
    // Somebody else changes another setting in the meantime: nothing of either is lost.
    stage.configure(json!({ "allowUserSignups": "open" })).await;
    tab.click("#creation-form [type=submit]").await.unwrap();
    tab.wait_for_text("Somebody else changed this in the meantime").await.unwrap();
    tab.click("#creation-form [type=submit]").await.unwrap();
    tab.wait_for_text("User creation settings updated successfully.").await.unwrap();
    stage.open(&tab, "/settings/admin/application-configuration#user-creation").await;
    tab.click("[data-add-row=default-claims]").await.unwrap();
    tab.fill("#default-claims input[name='key[]']", "level").await.unwrap();
    tab.fill("#default-claims input[name='value[]']", "1").await.unwrap();
    tab.click("#default-claims-form [type=submit]").await.unwrap();
    crate::stage::until(async || {
        let all = stage.app.script().get("/api/application-configuration/all").await.expect(200).json();
        let value = |key: &str| all.as_array().unwrap().iter().find(|e| e["key"] == key).unwrap()["value"].clone();
        let found =
            ["allowUserSignups", "signupDefaultUserGroupIDs", "signupEmailDomains", "signupDefaultCustomClaims"]
                .map(value);
        let wanted = [
            json!("open"),
            json!(json!([group]).to_string()),
            json!("[\"example.com\"]"),
            json!("[{\"key\":\"level\",\"value\":\"1\"}]"),
        ];
        if found == wanted { Ok(()) } else { Err(format!("{found:?}")) }
    })
    .await;
    stage.open(&tab, "/settings/admin/application-configuration#user-creation").await;
    assert!(tab.is_checked(role("checkbox", "Staff")).await.unwrap());
    assert_eq!(tab.value("#default-claims input[name='key[]']").await.unwrap(), "level");
}
