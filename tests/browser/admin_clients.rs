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
    assert_eq!(tab.count("[data-testid=client-secret-row]").await.unwrap(), 2);
    tab.click("[data-testid=client-secret-row] button[aria-label=Delete]").await.unwrap();
    tab.wait_for(role("alertdialog", "Delete client secret")).await.unwrap();
    tab.click("[role=alertdialog] .btn-danger").await.unwrap();
    tab.wait_for_text("Client secret deleted successfully").await.unwrap();

    // The restriction and the groups raised the version in between; this form goes on.
    tab.click(role("tab", "General")).await.unwrap();
    tab.fill(role("textbox", "Description"), "Our notes").await.unwrap();
    tab.click("#client-form button[type=submit]").await.unwrap();
    tab.wait_for_text("OIDC client updated successfully").await.unwrap();
    let stored = stage.app.script().get(&format!("/api/oidc/clients/{id}")).await.expect(200).json();
    assert_eq!(stored["launchURL"], "https://wiki.example");
    assert_eq!(stored["description"], "Our notes");
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
    stage.open(&tab, "/settings/admin/application-configuration").await;
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
