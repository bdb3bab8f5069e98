//! One's own account, in a real browser: details and passkeys.

use pid_testkit::chromium::{AuthenticatorOptions, role};
use serde_json::json;

use crate::stage::{Stage, focused, quiet, set_up};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn passkeys_are_added_named_and_removed() {
    let stage = Stage::empty().await;
    let tab = stage.tab().await;
    let first = tab.authenticator().await.unwrap();
    stage.open(&tab, "/").await;
    set_up(&tab).await;
    tab.click(role("button", "Skip for now")).await.unwrap();
    tab.wait_for(role("alertdialog", "Skip Passkey Setup")).await.unwrap();
    tab.press("Escape").await.unwrap();
    tab.wait_gone("dialog").await.unwrap();
    focused(&tab, "button", "Skip for now").await;
    tab.press("Enter").await.unwrap();
    tab.click("dialog .btn-danger").await.unwrap();
    tab.wait_for_text("Passkey missing").await.unwrap();

    tab.click("#passkey-banner button").await.unwrap();
    tab.wait_for(role("dialog", "Name Passkey")).await.unwrap();
    focused(&tab, "textbox", "Name").await;
    tab.type_text("Laptop").await.unwrap();
    tab.press("Enter").await.unwrap();
    tab.wait_for_text("Passkey name updated successfully").await.unwrap();
    tab.wait_gone("dialog[open]").await.unwrap();
    tab.wait_for_text("Single Passkey Configured").await.unwrap();
    tab.wait_for_text("Laptop").await.unwrap();

    // The same authenticator a second time is told so; another one is welcome.
    tab.click(role("button", "Add Passkey")).await.unwrap();
    tab.wait_for_text("This passkey was previously registered").await.unwrap();
    let key = AuthenticatorOptions { transport: "usb", backup_eligible: false, backed_up: false, ..Default::default() };
    let second = tab.authenticator_with(&key).await.unwrap();
    first.set_present(false).await.unwrap();
    tab.click(role("button", "Add Passkey")).await.unwrap();
    tab.wait_for(role("dialog", "Name Passkey")).await.unwrap();
    assert_eq!(second.credentials().await.unwrap().len(), 1);
    tab.click(role("button", "Close")).await.unwrap();
    tab.wait_gone("#passkey-banner .alert").await.unwrap();
    assert_eq!(tab.count("#passkey-list li").await.unwrap(), 2);

    let row = "#passkey-list li:first-child";
    assert!(tab.text(row).await.unwrap().contains("New Passkey"), "newest first");
    tab.click(&*format!("{row} .btn-danger-ghost")).await.unwrap();
    tab.wait_for(role("alertdialog", "Delete New Passkey")).await.unwrap();
    tab.click(role("button", "Cancel")).await.unwrap();
    tab.wait_gone("[role=alertdialog]").await.unwrap();
    assert_eq!(tab.count("#passkey-list li").await.unwrap(), 2);
    tab.click(&*format!("{row} .btn-danger-ghost")).await.unwrap();
    tab.click("dialog .btn-danger").await.unwrap();
    tab.wait_for_text("Passkey deleted successfully").await.unwrap();
    tab.wait_for_text("Single Passkey Configured").await.unwrap();

    // The last administrator is not locked out.
    tab.click(&*format!("{row} .btn-danger-ghost")).await.unwrap();
    tab.type_text("Laptop").await.unwrap();
    tab.click("dialog .btn-danger").await.unwrap();
    tab.wait_for_text("This is the last passkey of the last administrator").await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_059_the_last_passkey_goes_only_after_its_name_was_typed() {
    let stage = Stage::empty().await;
    stage.app.admin().await;
    let tim = stage.app.person("tim").await;
    stage.sign_in_as(&tim.agent).await;
    let tab = stage.tab().await;
    stage.open(&tab, "/settings/account").await;
    tab.click(role("button", "Delete")).await.unwrap();
    tab.wait_for(role("alertdialog", "Delete New Passkey")).await.unwrap();
    tab.wait_for_text("This is your last passkey.").await.unwrap();
    assert!(tab.eval::<bool>("document.querySelector('dialog .btn-danger').disabled").await.unwrap());
    tab.type_text("New Passkey").await.unwrap();
    tab.click("dialog .btn-danger").await.unwrap();
    tab.wait_for_text("Passkey missing").await.unwrap();
    tab.wait_for_text("You have no passkey yet.").await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_older_session_proves_itself_first() {
    let stage = Stage::empty().await;
    let tab = stage.tab().await;
    let authenticator = tab.authenticator().await.unwrap();
    stage.open(&tab, "/").await;
    set_up(&tab).await;
    tab.click(role("button", "Add Passkey")).await.unwrap();
    tab.wait_for_url(|url| url.ends_with("/settings/account")).await.unwrap();
    let proofs = || tab.requests().iter().filter(|r| r.url.ends_with("/webauthn/reauthenticate")).count();

    stage.app.advance(16 * 60);
    tab.click(role("button", "Rename")).await.unwrap();
    tab.fill(role("textbox", "Name"), "Phone").await.unwrap();
    tab.press("Enter").await.unwrap();
    tab.wait_for_text("Passkey name updated successfully").await.unwrap();
    assert_eq!(proofs(), 1);
    tab.wait_for("strong[id^=passkey-]").await.unwrap();

    stage.app.advance(6 * 60);
    tab.click(role("button", "Add Passkey")).await.unwrap();
    tab.wait_for_text("This passkey was previously registered").await.unwrap();
    assert_eq!(proofs(), 2);

    stage.app.advance(6 * 60);
    tab.click("#passkey-list .btn-danger-ghost").await.unwrap();
    tab.type_text("Phone").await.unwrap();
    tab.click("dialog .btn-danger").await.unwrap();
    tab.wait_for_text("This is the last").await.unwrap();
    assert_eq!(proofs(), 3);

    // Somebody who does not prove it changes nothing.
    stage.app.advance(6 * 60);
    authenticator.clear().await.unwrap();
    tab.click(role("button", "Rename")).await.unwrap();
    tab.fill(role("textbox", "Name"), "Stolen").await.unwrap();
    tab.press("Enter").await.unwrap();
    tab.wait_for_text("The passkey prompt was canceled or timed out").await.unwrap();
    tab.reload().await.unwrap();
    assert!(tab.text("#passkey-list").await.unwrap().contains("Phone"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn details_are_saved_checked_and_never_lost() {
    let stage = Stage::empty().await;
    let admin = stage.app.admin().await;
    stage.app.person("tim").await;
    stage.sign_in_as(&admin.agent).await;
    let tab = stage.tab().await;
    stage.open(&tab, "/settings/account").await;
    tab.fill(role("textbox", "First name"), "Augusta").await.unwrap();
    tab.click(role("button", "Save")).await.unwrap();
    tab.wait_for_text("Account details updated successfully").await.unwrap();
    let me = admin.agent.get("/api/users/me").await.expect(200).json();
    assert_eq!((me["firstName"].as_str(), me["lastName"].as_str()), (Some("Augusta"), Some("Admin")));

    // What the server refuses stands beside its field.
    tab.fill(role("textbox", "Username"), "TIM").await.unwrap();
    tab.click(role("button", "Save")).await.unwrap();
    tab.wait_for_text("Username is already in use").await.unwrap();
    assert_eq!(tab.attribute("#username", "aria-invalid").await.unwrap().as_deref(), Some("true"));
    tab.fill(role("textbox", "Username"), "admin").await.unwrap();

    // Somebody else was quicker: both values are there to choose from.
    tab.fill(role("textbox", "Last name"), "King").await.unwrap();
    admin.agent.patch("/api/users/me", &json!({ "lastName": "Byron" }), None).await.expect(200);
    tab.click(role("button", "Save")).await.unwrap();
    tab.wait_for_text("Now stored: Byron").await.unwrap();
    tab.click(role("button", "Use the stored value")).await.unwrap();
    tab.click(role("button", "Save")).await.unwrap();
    tab.wait_gone(".field-error").await.unwrap();
    tab.wait_idle().await.unwrap();
    let me = admin.agent.get("/api/users/me").await.expect(200).json();
    assert_eq!(me["lastName"], "Byron");

    // Leaving with unsaved changes asks.
    tab.fill(role("textbox", "Last name"), "Noel").await.unwrap();
    stage.open(&tab, "/login").await;
    assert_eq!(tab.dialogs().len(), 1);
    let mut errors = tab.console_errors();
    errors.retain(|e| !e.contains("/api/users/me"));
    assert_eq!(errors, Vec::<String>::new());

    tab.click(role("button", "My Account")).await.unwrap();
    tab.click(role("menuitem", "Logout")).await.unwrap();
    tab.wait_for_text("You have been signed out").await.unwrap();
    assert_eq!(tab.url().await.unwrap(), stage.url("/login"));
    quiet(&stage.tab().await, stage.app.url());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn devices_are_seen_and_signed_out() {
    let stage = Stage::empty().await;
    let mut tim = stage.app.person("tim").await;
    let phone = stage
        .app
        .agent()
        .with_header("user-agent", "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0");
    let tablet = stage.app.agent();
    tim.sign_in_at(&phone).await.expect(200);
    stage.sign_in_as(&tim.agent).await;
    let tab = stage.tab().await;
    stage.open(&tab, "/settings/account").await;
    assert_eq!(tab.count("#session-list li").await.unwrap(), 2);
    assert!(tab.text("#session-list li:has(.badge-ok)").await.unwrap().contains("This device"));
    let other = "#session-list li:not(:has(.badge-ok))";
    assert!(tab.text(other).await.unwrap().contains("Firefox"));
    tab.click(&*format!("{other} button")).await.unwrap();
    tab.wait_for("[role=alertdialog]").await.unwrap();
    tab.click("dialog .btn-danger").await.unwrap();
    tab.wait_gone(other).await.unwrap();
    phone.get("/api/users/me").await.expect(401);

    for agent in [&phone, &tablet] {
        tim.sign_in_at(agent).await.expect(200);
    }
    tab.reload().await.unwrap();
    tab.wait_idle().await.unwrap();
    assert_eq!(tab.count("#session-list li").await.unwrap(), 3);
    tab.click(role("button", "Sign out of all other devices")).await.unwrap();
    tab.click("dialog .btn-danger").await.unwrap();
    tab.wait_gone(other).await.unwrap();
    for agent in [&phone, &tablet] {
        agent.get("/api/users/me").await.expect(401);
    }
    tim.agent.get("/api/users/me").await.expect(200);
    quiet(&tab, &stage.url(""));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_code_of_one_s_own_signs_in_on_a_phone_for_apps_alone() {
    let stage = Stage::empty().await;
    stage.app.admin().await;
    let mut tim = stage.app.person("tim").await;
    tim.sign_in().await.expect(200);
    stage.sign_in_as(&tim.agent).await;
    let tab = stage.tab().await;
    stage.open(&tab, "/settings/account").await;
    tab.click("button[data-dialog=login-code]").await.unwrap();
    tab.wait_for(role("dialog", "Login Code")).await.unwrap();
    tab.click(role("button", "Show Code")).await.unwrap();
    tab.wait_for("#login-code-result:not([hidden])").await.unwrap();
    let link = tab.text("[data-testid=login-code-link]").await.unwrap().trim().to_owned();
    assert!(link.starts_with(&stage.url("/lc/")), "{link}");
    assert!(
        tab.eval::<bool>("document.querySelector('.qr').complete && document.querySelector('.qr').naturalWidth > 0")
            .await
            .unwrap()
    );

    // Another browser follows the link, and is told what it is for before and after.
    stage.forget().await;
    let phone = stage.tab().await;
    phone.goto(&link).await.unwrap();
    phone.wait_loaded().await.unwrap();
    phone.wait_for_text("This code signs you in to Pocket ID").await.unwrap();
    phone.click(role("button", "Submit")).await.unwrap();
    phone.wait_for_text("Only for signing in to apps").await.unwrap();
    phone.wait_for(role("link", "Sign in")).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_picture_is_uploaded_and_reset() {
    let stage = Stage::empty().await;
    let tim = stage.app.person("tim").await;
    stage.sign_in_as(&tim.agent).await;
    let tab = stage.tab().await;
    stage.open(&tab, "/settings/account").await;
    let shown = "document.querySelector('#picture img').naturalWidth";
    assert_eq!(tab.eval::<u32>(shown).await.unwrap(), 300);
    let choose = "(() => { const data = new DataTransfer(); \
        const bytes = Uint8Array.from(atob('iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=='), c => c.charCodeAt(0)); \
        data.items.add(new File([bytes], 'me.png')); const input = document.getElementById('profile-picture-input'); \
        input.files = data.files; input.dispatchEvent(new Event('change', { bubbles: true })); })()";
    tab.eval::<serde_json::Value>(choose).await.unwrap();
    tab.wait_for_text("Profile picture updated successfully.").await.unwrap();
    tab.click(role("button", "Reset to default")).await.unwrap();
    tab.wait_for(role("alertdialog", "Reset profile picture?")).await.unwrap();
    tab.click("dialog .btn-danger").await.unwrap();
    tab.wait_for_text("Profile picture has been reset.").await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn my_apps_are_launched_and_revoked() {
    let stage = Stage::empty().await;
    stage.app.admin().await;
    let mut tim = stage.app.person("tim").await;
    stage.sign_in_as(&tim.agent).await;
    let tab = stage.tab().await;
    stage.open(&tab, "/settings").await;
    tab.click(role("link", "My Apps")).await.unwrap();
    tab.wait_for_text("No apps available").await.unwrap();
    let body = json!({ "name": "Nextcloud", "launchURL": "https://cloud.example.com/apps", "description": "Files" });
    let cloud = pid_tests::RelyingParty::register(&stage.app, body).await;
    let quiet_app = pid_tests::RelyingParty::register(&stage.app, json!({ "name": "Backup" })).await;
    let tokens = cloud.sign_in(&mut tim, "openid").await;
    quiet_app.sign_in(&mut tim, "openid").await;
    stage.open(&tab, "/settings/apps").await;
    tab.wait_for(role("article", "Nextcloud")).await.unwrap();
    let link = tab.attribute("#apps article a[target=_blank]", "href").await.unwrap();
    assert_eq!(link.as_deref(), Some("https://cloud.example.com/apps"));
    assert!(tab.text("#apps article").await.unwrap().contains("cloud.example.com"));
    // What has no address is beside.
    tab.click("#apps summary").await.unwrap();
    tab.wait_for(role("article", "Backup")).await.unwrap();
    tab.click("#apps .apps:first-child button[aria-haspopup=menu]").await.unwrap();
    tab.click(role("menuitem", "Revoke")).await.unwrap();
    tab.wait_for(role("alertdialog", "Revoke Access")).await.unwrap();
    tab.click("dialog .btn-danger").await.unwrap();
    tab.wait_for_text("The access to Nextcloud has been successfully revoked.").await.unwrap();
    assert!(!cloud.is_alive(tokens.access()).await);
    // It can be signed in to again, so it stays.
    tab.wait_for(role("article", "Nextcloud")).await.unwrap();
    quiet(&tab, &stage.url(""));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_app_among_many_is_found_by_typing() {
    let stage = Stage::empty().await;
    stage.app.admin().await;
    for name in ["Immich", "Jellyfin", "Paperless", "Grafana", "Gitea", "Vaultwarden", "Mealie", "Actual", "Miniflux"] {
        let body = json!({ "name": name, "launchURL": format!("https://{}.example.com", name.to_lowercase()) });
        stage.client(body).await;
    }
    let tim = stage.app.person("tim").await;
    stage.sign_in_as(&tim.agent).await;
    let tab = stage.tab().await;
    stage.open(&tab, "/settings/apps").await;
    let shown = "[...document.querySelectorAll('#apps .app')].filter((app) => app.checkVisibility()).map((app) => app.ariaLabel)";
    assert_eq!(tab.eval::<Vec<String>>(shown).await.unwrap().len(), 9);
    tab.press("/").await.unwrap();
    crate::stage::focused(&tab, "searchbox", "Search...").await;
    tab.type_text("gra").await.unwrap();
    assert_eq!(tab.eval::<Vec<String>>(shown).await.unwrap(), ["Grafana"]);
    assert_eq!(tab.text("[data-found]").await.unwrap(), "Grafana");
    tab.type_text("x").await.unwrap();
    tab.wait_for_text("No items found").await.unwrap();
    quiet(&tab, &stage.url(""));
}
