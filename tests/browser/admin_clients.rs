//! The pages of OIDC clients and of the configuration, through the page.

use pid_testkit::chromium::role;
use pid_tests::Signer;
use serde_json::json;

use crate::stage::{Stage, quiet, until};

/// The smallest PNG: one pixel.
const PIXEL: &[u8] = &[
    0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A, 0, 0, 0, 13, 0x49, 0x48, 0x44, 0x52, 0, 0, 0, 1, 0, 0, 0, 1, 8, 6,
    0, 0, 0, 0x1F, 0x15, 0xC4, 0x89, 0, 0, 0, 13, 0x49, 0x44, 0x41, 0x54, 0x78, 0x9C, 0x63, 0xF8, 0xCF, 0xC0, 0xF0,
    0x1F, 0, 5, 0, 1, 0xFF, 0x89, 0x99, 0x3D, 0x1D, 0, 0, 0, 0, 0x49, 0x45, 0x4E, 0x44, 0xAE, 0x42, 0x60, 0x82,
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_app_behind_a_proxy_is_set_up_on_its_page() {
    let stage = Stage::empty().await;
    let admin = stage.app.admin().await;
    stage.sign_in_as(&admin.agent).await;
    for name in ["admins", "family"] {
        stage.app.script().post("/api/user-groups", &json!({ "name": name, "friendlyName": name })).await.expect(201);
    }
    let tab = stage.tab().await;
    stage.open(&tab, "/settings/admin/oidc-clients").await;
    tab.click(role("button", "Add OIDC Client")).await.unwrap();
    assert!(!tab.eval::<bool>("document.getElementById('new-hosts').checkVisibility()").await.unwrap());
    let choose = "(() => { const s = document.getElementById('new-type'); s.value = 'proxy'; \
        s.dispatchEvent(new Event('change', { bubbles: true })); })()";
    tab.eval::<serde_json::Value>(choose).await.unwrap();
    assert!(!tab.eval::<bool>("document.getElementById('new-callbacks').checkVisibility()").await.unwrap());
    tab.fill(role("textbox", "Name"), "Paperless").await.unwrap();
    tab.fill("#new-hosts input", "https://docs.example.com/path").await.unwrap();
    tab.click("#add-client button[type=submit]").await.unwrap();
    tab.wait_for("#new-hosts .field-error").await.unwrap();
    tab.clear_console_errors();
    tab.fill("#new-hosts input", "https://docs.example.com").await.unwrap();
    tab.click("#add-client button[type=submit]").await.unwrap();
    tab.wait_for(role("heading", "Set up your proxy")).await.unwrap();
    let samples: String = tab.eval("document.getElementById('samples').textContent").await.unwrap();
    assert!(samples.contains("docs.example.com {") && !samples.contains("app.example.com"), "{samples}");
    let id = tab.url().await.unwrap().rsplit('/').next().unwrap().to_owned();
    let stored = async || {
        let client = stage.app.script().get(&format!("/api/oidc/clients/{id}")).await.expect(200).json();
        client["forwardAuth"].clone()
    };
    assert_eq!(stored().await["hosts"], json!(["https://docs.example.com"]));

    tab.click(role("tab", "Paths")).await.unwrap();
    tab.click(role("button", "Add rule")).await.unwrap();
    tab.fill("#rules .list-row:last-of-type [name='path[]']", "/admin").await.unwrap();
    tab.fill("#rules .list-row:last-of-type [name='groups[]']", "admins, nobody").await.unwrap();
    tab.click("#paths-form button[type=submit]").await.unwrap();
    tab.wait_for_text("which is the name of no group").await.unwrap();
    tab.clear_console_errors();
    tab.fill("#rules .list-row:last-of-type [name='groups[]']", "admins, family").await.unwrap();
    tab.click(role("button", "Add rule")).await.unwrap();
    tab.fill("#rules .list-row:last-of-type [name='path[]']", "/share").await.unwrap();
    tab.click("#rules .list-row:last-of-type [name='public[]']").await.unwrap();
    tab.click("#paths-form button[type=submit]").await.unwrap();
    let rules = json!([{ "path": "/admin", "groups": ["admins", "family"] }, { "path": "/share", "public": true }]);
    until(async || if stored().await["rules"] == rules { Ok(()) } else { Err(stored().await.to_string()) }).await;

    // A name of a header is what the configurations say from now on.
    tab.click(role("tab", "Headers")).await.unwrap();
    tab.fill(role("textbox", "Username"), "X-Remote-User").await.unwrap();
    tab.click("#headers-form button[type=submit]").await.unwrap();
    until(async || {
        let samples: String = tab.eval("document.getElementById('samples').textContent").await.unwrap();
        if samples.contains("copy_headers X-Remote-User Remote-Email") { Ok(()) } else { Err(samples) }
    })
    .await;
    tab.click(role("tab", "General")).await.unwrap();
    tab.click("#app-passwords").await.unwrap();
    tab.click("#client-form button[type=submit]").await.unwrap();
    until(async || if stored().await["appPasswords"] == true { Ok(()) } else { Err(stored().await.to_string()) }).await;
    assert_eq!(stored().await["rules"], rules);

    // Whoever may enter makes a password for a program.
    stage.open(&tab, "/settings/account").await;
    tab.fill("#app-password-name", "Scanner").await.unwrap();
    tab.click(role("button", "Create app password")).await.unwrap();
    tab.wait_for("#new-app-password:not([hidden])").await.unwrap();
    let secret = tab.attribute("[data-testid=app-password]", "data-copy").await.unwrap().unwrap();
    assert!(secret.starts_with("pocket_id_app_"), "{secret}");
    tab.wait_for_text("Scanner").await.unwrap();
    tab.click("#app-password-list .btn-danger-ghost").await.unwrap();
    tab.click(role("button", "Delete")).await.unwrap();
    tab.wait_for_text("No app passwords yet").await.unwrap();
    quiet(&tab, stage.app.url());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_client_ends_on_what_the_app_asks_for() {
    let stage = Stage::empty().await;
    let admin = stage.app.admin().await;
    stage.sign_in_as(&admin.agent).await;
    let tab = stage.tab().await;
    stage.open(&tab, "/settings/admin/oidc-clients").await;
    tab.wait_for_text("No items found").await.unwrap();
    tab.click(role("button", "Add OIDC Client")).await.unwrap();
    tab.fill(role("textbox", "Name"), "Nextcloud").await.unwrap();
    tab.click("[data-add-row=new-callbacks]").await.unwrap();
    tab.fill("#new-callbacks input", "javascript:alert(1)").await.unwrap();
    tab.click("[data-add-row=new-logouts]").await.unwrap();
    tab.fill("#new-logouts input", "https://cloud.example.com").await.unwrap();
    tab.click("#add-client button[type=submit]").await.unwrap();
    tab.wait_for("#new-callbacks .field-error").await.unwrap();
    // The browser reports the refusal, too.
    tab.clear_console_errors();
    tab.fill("#new-callbacks input", "https://cloud.example.com/apps/user_oidc/code").await.unwrap();
    tab.click("#add-client button[type=submit]").await.unwrap();

    tab.wait_for("#new-secret:not([hidden])").await.unwrap();
    let secret = tab.attribute("[data-testid=client-secret]", "data-copy").await.unwrap().unwrap();
    assert_eq!(secret.len(), 32);
    let id = tab.attribute("[data-testid=client-id]", "data-copy").await.unwrap().unwrap();
    for (place, path) in [
        ("discovery-url", "/.well-known/openid-configuration"),
        ("logout-url", "/api/oidc/end-session"),
        ("issuer-url", ""),
    ] {
        let shown = tab.attribute(format!("[data-testid={place}]").as_str(), "data-copy").await.unwrap();
        assert_eq!(shown, Some(stage.url(path)), "{place}");
    }
    tab.wait_for_text("Everybody with an account can sign in.").await.unwrap();
    let stored = stage.app.script().get(&format!("/api/oidc/clients/{id}")).await.expect(200).json();
    assert_eq!(stored["callbackURLs"], json!(["https://cloud.example.com/apps/user_oidc/code"]));
    assert_eq!(stored["logoutCallbackURLs"], json!(["https://cloud.example.com"]));
    assert_eq!((&stored["pkceEnabled"], &stored["isPublic"]), (&json!(true), &json!(false)));

    tab.reload().await.unwrap();
    tab.wait_for(role("tab", "Credentials")).await.unwrap();
    assert!(!tab.eval::<String>("document.documentElement.outerHTML").await.unwrap().contains(&secret));
    let form = [("grant_type", "authorization_code"), ("code", "none"), ("client_id", &id), ("client_secret", &secret)];
    stage.app.agent().post_form("/api/oidc/token", &form).await.oauth_error(400, "invalid_grant");
    quiet(&tab, stage.app.url());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_is_edited_restricted_and_given_another_secret() {
    let stage = Stage::empty().await;
    let admin = stage.app.admin().await;
    let group = json!({ "name": "staff", "friendlyName": "Staff" });
    stage.app.script().post("/api/user-groups", &group).await.expect(201);
    let client = stage.app.client(json!({ "name": "Wiki" })).await;
    let id = client["id"].as_str().unwrap();
    stage.sign_in_as(&admin.agent).await;
    let tab = stage.tab().await;
    stage.open(&tab, &format!("/settings/admin/oidc-clients/{id}")).await;
    tab.fill(role("textbox", "Client Launch URL"), "not an address").await.unwrap();
    tab.click("#client-form button[type=submit]").await.unwrap();
    tab.wait_for_text("Invalid URL").await.unwrap();
    tab.fill(role("textbox", "Client Launch URL"), "https://wiki.example").await.unwrap();
    tab.click(role("switch", "Public Client")).await.unwrap();
    assert!(tab.is_checked(role("switch", "PKCE")).await.unwrap());
    tab.click(role("switch", "Public Client")).await.unwrap();
    tab.click("[data-add-row=callbacks]").await.unwrap();
    tab.fill("#callbacks .list-row:last-child input", "https://second.example/cb").await.unwrap();
    tab.click("#client-form button[type=submit]").await.unwrap();
    tab.wait_for_text("OIDC client updated successfully").await.unwrap();

    tab.click(role("tab", "Allowed User Groups")).await.unwrap();
    tab.click(role("button", "Restrict")).await.unwrap();
    tab.wait_for_text("Nobody can sign in yet.").await.unwrap();
    tab.click(role("checkbox", "Staff")).await.unwrap();
    tab.click("#panel-user-groups button[type=submit]").await.unwrap();
    tab.wait_for_text("Members of these groups can sign in: Staff.").await.unwrap();

    tab.click(role("tab", "Credentials")).await.unwrap();
    tab.click(role("button", "Add client secret")).await.unwrap();
    tab.wait_for("#new-secret:not([hidden])").await.unwrap();
    let secret = tab.attribute("[data-testid=client-secret]", "data-copy").await.unwrap().unwrap();
    tab.wait_for_text(&secret[..4]).await.unwrap();
    until(async || match tab.count("[data-testid=client-secret-row]").await.unwrap() {
        2 => Ok(()),
        n => Err(format!("{n} secrets")),
    })
    .await;
    tab.click("[data-testid=client-secret-row] button[aria-label=Delete]").await.unwrap();
    tab.wait_for(role("alertdialog", "Delete client secret")).await.unwrap();
    tab.click("[role=alertdialog] .btn-danger").await.unwrap();
    tab.wait_for_text("Client secret deleted successfully").await.unwrap();

    // The restriction and the groups raised the version in between; this form goes on.
    tab.click(role("tab", "General")).await.unwrap();
    tab.fill(role("textbox", "Description"), "Our notes").await.unwrap();
    tab.click("#client-form button[type=submit]").await.unwrap();
    // The message of the first time may still be there.
    let read = async || stage.app.script().get(&format!("/api/oidc/clients/{id}")).await.expect(200).json();
    until(async || {
        let description = read().await["description"].to_string();
        if description == "\"Our notes\"" { Ok(()) } else { Err(description) }
    })
    .await;
    let stored = read().await;
    assert_eq!(stored["launchURL"], "https://wiki.example");
    assert_eq!(stored["callbackURLs"], json!(["https://app.example/cb", "https://second.example/cb"]));
    assert_eq!(stored["isGroupRestricted"], true);
    quiet(&tab, stage.app.url());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_logo_is_uploaded_shown_and_removed() {
    let stage = Stage::empty().await;
    let admin = stage.app.admin().await;
    let client = stage.app.client(json!({ "name": "Wiki" })).await;
    let id = client["id"].as_str().unwrap();
    let file = stage.app.dir().join("logo.png");
    std::fs::write(&file, PIXEL).unwrap();
    stage.sign_in_as(&admin.agent).await;
    let tab = stage.tab().await;
    stage.open(&tab, &format!("/settings/admin/oidc-clients/{id}")).await;
    tab.choose_files("#oidc-client-logo-light", &[&file]).await.unwrap();
    tab.wait_for_text("Logo updated successfully").await.unwrap();
    tab.wait_for(".logo-light img").await.unwrap();
    let logo = stage.app.agent().get(&format!("/api/oidc/clients/{id}/logo")).await.expect(200);
    assert_eq!(logo.header("content-type"), Some("image/png"));
    tab.click(role("button", "Remove Logo")).await.unwrap();
    tab.wait_for_text("Logo removed").await.unwrap();
    stage.app.agent().get(&format!("/api/oidc/clients/{id}/logo")).await.expect(404);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn leaving_with_unsaved_changes_asks_first() {
    let stage = Stage::empty().await;
    let admin = stage.app.admin().await;
    let client = stage.app.client(json!({ "name": "Wiki" })).await;
    stage.sign_in_as(&admin.agent).await;
    let tab = stage.tab().await;
    stage.open(&tab, &format!("/settings/admin/oidc-clients/{}", client["id"].as_str().unwrap())).await;
    tab.fill(role("textbox", "Description"), "lost?").await.unwrap();
    tab.click(role("link", "Users")).await.unwrap();
    until(async || if tab.dialogs().is_empty() { Err("nobody is asked".to_owned()) } else { Ok(()) }).await;
    assert_eq!(tab.dialogs().len(), 1, "{:?}", tab.dialogs());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_tabs_that_add_a_callback_lose_neither() {
    let stage = Stage::empty().await;
    let admin = stage.app.admin().await;
    let client = stage.app.client(json!({ "name": "Wiki" })).await;
    let id = client["id"].as_str().unwrap();
    stage.sign_in_as(&admin.agent).await;
    let (first, second) = (stage.tab().await, stage.tab().await);
    for (tab, url) in [(&first, "https://one.example/cb"), (&second, "https://two.example/cb")] {
        stage.open(tab, &format!("/settings/admin/oidc-clients/{id}")).await;
        tab.click("[data-add-row=callbacks]").await.unwrap();
        tab.fill("#callbacks .list-row:last-child input", url).await.unwrap();
    }
    first.fill(role("textbox", "Description"), "Our notes").await.unwrap();
    first.click("#client-form button[type=submit]").await.unwrap();
    first.wait_for_text("OIDC client updated successfully").await.unwrap();
    second.click("#client-form button[type=submit]").await.unwrap();
    second.wait_for_text("Now stored: https://app.example/cb, https://one.example/cb").await.unwrap();
    // What only the other tab changed is taken over.
    assert_eq!(second.value(role("textbox", "Description")).await.unwrap(), "Our notes");
    second.click(role("button", "Use the stored value")).await.unwrap();
    second.click("[data-add-row=callbacks]").await.unwrap();
    second.fill("#callbacks .list-row:last-child input", "https://two.example/cb").await.unwrap();
    second.click("#client-form button[type=submit]").await.unwrap();
    second.wait_for_text("OIDC client updated successfully").await.unwrap();
    let stored = stage.app.script().get(&format!("/api/oidc/clients/{id}")).await.expect(200).json();
    let urls = json!(["https://app.example/cb", "https://one.example/cb", "https://two.example/cb"]);
    assert_eq!((&stored["callbackURLs"], &stored["description"]), (&urls, &json!("Our notes")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stale_configuration_shows_and_takes_the_stored_switch() {
    let stage = Stage::empty().await;
    let admin = stage.app.admin().await;
    stage.configure(json!({ "allowOwnAccountEdit": "false", "appName": "Before" })).await;
    stage.sign_in_as(&admin.agent).await;
    let tab = stage.tab().await;
    stage.open(&tab, "/settings/admin/application-configuration").await;
    tab.fill(role("textbox", "Application Name"), "Mine").await.unwrap();
    stage.configure(json!({ "appName": "Theirs", "disableAnimations": "true" })).await;
    tab.click(role("button", "Save")).await.unwrap();
    tab.wait_for_text("Now stored: Theirs").await.unwrap();
    assert!(tab.is_checked(role("switch", "Disable Animations")).await.unwrap());
    assert!(!tab.is_checked(role("switch", "Enable Self-Account Editing")).await.unwrap());
    tab.click(role("switch", "Enable Self-Account Editing")).await.unwrap();
    tab.click(role("switch", "Disable Animations")).await.unwrap();
    // Changed once more behind the page's back: animations on again is what both want, the name is not.
    stage.configure(json!({ "appName": "Third", "disableAnimations": "false" })).await;
    tab.click(role("button", "Save")).await.unwrap();
    tab.wait_for_text("Now stored: Third").await.unwrap();
    tab.click(role("button", "Save")).await.unwrap();
    tab.wait_for_text("Application configuration updated successfully").await.unwrap();
    for (name, value) in [("appName", "Mine"), ("allowOwnAccountEdit", "true"), ("disableAnimations", "false")] {
        let all = stage.app.script().get("/api/application-configuration/all").await.expect(200).json();
        let entry = all.as_array().unwrap().iter().find(|entry| entry["key"] == name).unwrap();
        assert_eq!(entry["value"], value, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_configuration_takes_effect_at_once() {
    let stage = Stage::empty().await;
    let admin = stage.app.admin().await;
    stage.sign_in_as(&admin.agent).await;
    let tab = stage.tab().await;
    stage.open(&tab, "/settings/admin/application-configuration").await;
    tab.fill(role("textbox", "Application Name"), "Our Cloud").await.unwrap();
    tab.click(role("switch", "Enable Self-Account Editing")).await.unwrap();
    tab.fill("#session-duration", "0").await.unwrap();
    tab.click(role("button", "Save")).await.unwrap();
    tab.wait_for_text("The smallest value is 1").await.unwrap();
    tab.fill("#session-duration", "120").await.unwrap();
    tab.click(role("button", "Save")).await.unwrap();
    tab.wait_for_text("Application configuration updated successfully").await.unwrap();
    stage.open(&tab, "/settings/account").await;
    tab.wait_for("#username:disabled").await.unwrap();
    let page = stage.app.agent().get("/login").await.expect(200).text();
    assert!(page.contains("Sign in to Our Cloud"), "{page}");
    quiet(&tab, stage.app.url());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn signing_keys_are_rotated_and_revoked_by_the_page() {
    let stage = Stage::empty().await;
    let admin = stage.app.admin().await;
    stage.sign_in_as(&admin.agent).await;
    let tab = stage.tab().await;
    stage.open(&tab, "/settings/admin/application-configuration#oidc").await;
    tab.click(role("button", "Rotate")).await.unwrap();
    tab.wait_for_text("The next key is published and signs in 24 hours").await.unwrap();
    tab.wait_for("#signing-keys li:nth-child(2)").await.unwrap();
    tab.click("#signing-keys li:nth-child(2) button.btn-danger-ghost").await.unwrap();
    tab.click("dialog .btn-danger").await.unwrap();
    tab.wait_for_text("Key revoked").await.unwrap();
    let list = stage.app.script().get("/api/signing-keys").await.expect(200).json();
    assert_eq!((&list[0]["state"], &list[1]["state"]), (&json!("active"), &json!("revoked")));
    quiet(&tab, stage.app.url());
}

/// Everything that has a name can be reached and pressed by the keyboard alone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_group_is_made_by_the_keyboard_alone() {
    let stage = Stage::empty().await;
    let admin = stage.app.admin().await;
    stage.sign_in_as(&admin.agent).await;
    let tab = stage.tab().await;
    stage.open(&tab, "/settings/admin/user-groups").await;
    let mut reached = false;
    for _ in 0..40 {
        tab.press("Tab").await.unwrap();
        if tab.focused().await.unwrap() == ("button".to_owned(), "Add Group".to_owned()) {
            reached = true;
            break;
        }
    }
    assert!(reached, "the button is in the tab order");
    tab.press("Enter").await.unwrap();
    tab.wait_for(role("dialog", "Create User Group")).await.unwrap();
    tab.type_text("Choir").await.unwrap();
    tab.press("Enter").await.unwrap();
    tab.wait_for(role("tab", "Custom Claims")).await.unwrap();
    let groups = stage.app.script().get("/api/user-groups").await.expect(200).json();
    assert_eq!(groups["data"][0]["name"], "choir");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_template_fills_in_what_the_guide_says() {
    let stage = Stage::empty().await;
    let admin = stage.app.admin().await;
    stage.sign_in_as(&admin.agent).await;
    let tab = stage.tab().await;
    stage.open(&tab, "/settings/admin/oidc-clients").await;
    tab.click(role("button", "Add OIDC Client")).await.unwrap();
    assert!(!tab.eval::<bool>("document.getElementById('new-address').checkVisibility()").await.unwrap());
    let choose = "(() => { const s = document.getElementById('new-template'); s.value = 'nextcloud'; \
        s.dispatchEvent(new Event('change', { bubbles: true })); })()";
    tab.eval::<serde_json::Value>(choose).await.unwrap();
    // What is asked for next has the focus: the address alone, with or without its scheme.
    tab.type_text("cloud.example.com/").await.unwrap();
    tab.click("#add-client button[type=submit]").await.unwrap();
    tab.wait_for("#new-secret:not([hidden])").await.unwrap();
    let id = tab.attribute("[data-testid=client-id]", "data-copy").await.unwrap().unwrap();
    let stored = stage.app.script().get(&format!("/api/oidc/clients/{id}")).await.expect(200).json();
    let backchannel = "https://cloud.example.com/apps/user_oidc/backchannel-logout/Pocket-ID";
    assert_eq!(stored["name"], "Nextcloud");
    assert_eq!(stored["callbackURLs"], json!(["https://cloud.example.com/apps/user_oidc/code"]));
    assert_eq!(
        (&stored["logoutCallbackURLs"], &stored["launchURL"]),
        (&json!([backchannel]), &json!("https://cloud.example.com"))
    );
    assert_eq!((&stored["backchannelLogoutURL"], &stored["pkceEnabled"]), (&json!(backchannel), &json!(true)));
    tab.wait_for_text("was taken over from the logout callback URLs").await.unwrap();
    quiet(&tab, stage.app.url());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_registers_its_keys_and_is_held_to_them() {
    let stage = Stage::empty().await;
    let admin = stage.app.admin().await;
    let client = stage.app.client(json!({ "name": "Bank" })).await;
    let id = client["id"].as_str().unwrap();
    let path = format!("/api/oidc/clients/{id}");
    stage.sign_in_as(&admin.agent).await;
    let tab = stage.tab().await;
    stage.open(&tab, &format!("/settings/admin/oidc-clients/{id}")).await;
    tab.click("#client-form details.more > summary").await.unwrap();
    tab.click(role("switch", "Requires Pushed Authorization Requests")).await.unwrap();
    tab.click(role("switch", "Bind tokens to a key (DPoP)")).await.unwrap();
    tab.fill(role("combobox", "Signature of tokens"), "ES256").await.unwrap();
    tab.click("#client-form button[type=submit]").await.unwrap();
    tab.wait_for_text("OIDC client updated successfully").await.unwrap();

    tab.click(role("tab", "Credentials")).await.unwrap();
    tab.fill(role("textbox", "Public keys (JWKS)"), "no keys").await.unwrap();
    tab.click("#client-keys-form button[type=submit]").await.unwrap();
    tab.wait_for("#client-keys-form .field-error").await.unwrap();
    tab.clear_console_errors();
    let keys = Signer::new("k").jwks();
    tab.fill(role("textbox", "Public keys (JWKS)"), &keys.to_string()).await.unwrap();
    tab.fill(role("combobox", "Method"), "private_key_jwt").await.unwrap();
    tab.click("#client-keys-form button[type=submit]").await.unwrap();
    tab.wait_for_text("OIDC client updated successfully").await.unwrap();
    tab.reload().await.unwrap();
    tab.wait_for(role("tab", "Credentials")).await.unwrap();
    let stored = stage.app.script().get(&path).await.expect(200).json();
    assert_eq!((&stored["jwks"], &stored["tokenEndpointAuthMethod"]), (&keys, &json!("private_key_jwt")));
    assert_eq!(stored["requiresPushedAuthorizationRequests"], true);
    assert_eq!(
        (&stored["dpopBoundAccessTokens"], &stored["idTokenSignedResponseAlg"]),
        (&json!(true), &json!("ES256"))
    );
    quiet(&tab, stage.app.url());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lifetimes_are_told_in_the_unit_that_fits() {
    let stage = Stage::empty().await;
    let admin = stage.app.admin().await;
    let client = stage.client(json!({})).await;
    let path = format!("/api/oidc/clients/{}", client["id"].as_str().unwrap());
    stage.sign_in_as(&admin.agent).await;
    let tab = stage.tab().await;
    stage.open(&tab, &format!("/settings/admin/oidc-clients/{}", client["id"].as_str().unwrap())).await;
    let (number, unit) = (
        role("spinbutton", "Refresh token inactivity timeout"),
        role("combobox", "Refresh token inactivity timeout unit"),
    );
    assert_eq!((tab.value(&number).await.unwrap().as_str(), tab.value(&unit).await.unwrap().as_str()), ("30", "1440"));
    // Another unit, the same time: nothing has changed.
    tab.fill(&unit, "Hours").await.unwrap();
    assert_eq!(tab.value(&number).await.unwrap(), "720");
    assert_eq!(tab.states("#tab-general").await.unwrap()["description"].as_str().unwrap_or_default(), "");
    for (typed, said) in [
        ("0", "Token lifetime must be at least 1 minute."),
        ("9000", "Token lifetime cannot exceed 365 days."),
        ("0.01", "Token lifetime must be at least 1 minute."),
        ("1.01", "Token lifetime must use whole-minute increments."),
    ] {
        tab.fill(&number, typed).await.unwrap();
        tab.click("#client-form [type=submit]").await.unwrap();
        tab.wait_for_text(said).await.unwrap();
        assert_eq!(tab.focused().await.unwrap().1, "Refresh token inactivity timeout");
    }
    tab.fill(&number, "1.5").await.unwrap();
    tab.click("#client-form [type=submit]").await.unwrap();
    tab.wait_for_text("OIDC client updated successfully").await.unwrap();
    assert_eq!(stage.app.script().get(&path).await.expect(200).json()["refreshTokenDurationMinutes"], 90);
    // Somebody else changes it meanwhile: their value is shown in words that fit it.
    stage.app.script().patch(&path, &json!({ "refreshTokenDurationMinutes": 2880 }), None).await.expect(200);
    tab.fill("#description", "Files").await.unwrap();
    tab.click("#client-form [type=submit]").await.unwrap();
    tab.wait_for_text("Somebody else changed this in the meantime").await.unwrap();
    assert_eq!((tab.value(&number).await.unwrap().as_str(), tab.value(&unit).await.unwrap().as_str()), ("2", "1440"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_logo_comes_from_an_address_of_the_outside_world() {
    let stage = Stage::empty().await;
    let admin = stage.app.admin().await;
    let client = stage.client(json!({})).await;
    stage.sign_in_as(&admin.agent).await;
    let tab = stage.tab().await;
    stage.open(&tab, &format!("/settings/admin/oidc-clients/{}", client["id"].as_str().unwrap())).await;
    tab.click(".logo-address summary").await.unwrap();
    tab.fill(role("textbox", "Logo URL"), "logo.png").await.unwrap();
    tab.click(role("button", "Fetch")).await.unwrap();
    tab.wait_for_text("Invalid URL").await.unwrap();
    // Nobody's network is read through it.
    tab.fill(role("textbox", "Logo URL"), &stage.url("/img/static-logo-512.png")).await.unwrap();
    tab.click(role("button", "Fetch")).await.unwrap();
    tab.wait_for_text("The logo could not be fetched").await.unwrap();
    assert_eq!(tab.value(role("textbox", "Logo URL")).await.unwrap(), stage.url("/img/static-logo-512.png"));
}

/// An app that describes itself: what its document says is shown, and not for change.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_app_with_a_metadata_document_is_read_only_where_that_speaks() {
    const APP: &str = "https://app.test/oauth/client.json";
    let documents = pid_tests::Documents::start(&["app.test"]).await;
    let variables = [("ALLOWED_PRIVATE_TARGETS", "127.0.0.1/32")];
    let app = pid_tests::TestApp::start_reaching(&variables, documents.reach()).await;
    let stage = Stage::with(app).await;
    let admin = stage.app.admin().await;
    stage.configure(json!({ "cimdUrlAllowlist": "[\"https://app.test/**\"]" })).await;
    let document = json!({ "client_id": APP, "client_name": "Notes", "token_endpoint_auth_method": "none",
        "redirect_uris": ["https://app.test/cb"], "grant_types": ["authorization_code"] });
    documents.publish(APP, 200, "content-type: application/json\r\n", &document.to_string());
    let rp = json!({ "id": APP, "callbackURLs": ["https://app.test/cb"] });
    let asked = stage.authorize(&rp, &[("code_challenge", &"a".repeat(43)), ("code_challenge_method", "S256")]);
    admin.agent.get(asked.strip_prefix(stage.app.url()).unwrap()).await;
    stage.sign_in_as(&admin.agent).await;
    let tab = stage.tab().await;
    stage.open(&tab, "/settings/admin/oidc-clients?filters[clientType]=cimd").await;
    tab.click(role("button", "Toggle menu")).await.unwrap();
    tab.click(role("menuitem", "Refresh")).await.unwrap();
    tab.wait_for_text("Client metadata document refreshed successfully").await.unwrap();
    tab.click(role("link", "Notes")).await.unwrap();
    tab.wait_for_text("Some properties are read-only").await.unwrap();
    for field in ["#name", "#callbacks input", "#public", "#pkce"] {
        assert!(tab.count(&format!("{field}:disabled")).await.unwrap() > 0, "{field}");
    }
    tab.fill("#description", "Notes of the family").await.unwrap();
    tab.click("#client-form [type=submit]").await.unwrap();
    tab.wait_for_text("OIDC client updated successfully").await.unwrap();
}
