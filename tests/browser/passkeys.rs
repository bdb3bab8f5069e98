//! Passkeys at their best, in a real browser: what password managers are told, what a browser can do, the second passkey,
//! policies, and authenticators of every kind.

use pid_testkit::chromium::{AuthenticatorOptions, Credential, Page, role};
use pid_tests::Person;
use serde_json::{Value, json};

use crate::stage::{Stage, focused, quiet, set_up, until};

/// Writes down what the documents of a tab signal from now on, and lets it through.
async fn overhear(tab: &Page) {
    tab.on_new_document(
        "for (const name of ['signalUnknownCredential', 'signalAllAcceptedCredentials', 'signalCurrentUserDetails']) {
            const real = PublicKeyCredential[name];
            PublicKeyCredential[name] = function (options) {
                (window.signals ??= []).push([name, options]);
                return real.call(this, options);
            };
        }",
    )
    .await
    .unwrap();
}

/// The last signal of a kind.
async fn signalled(tab: &Page, name: &str) -> Value {
    let find = format!("(window.signals ?? []).findLast(([name]) => name === '{name}')?.[1] ?? null");
    tab.eval(&find).await.unwrap()
}

async fn holds(authenticator: &pid_testkit::chromium::Authenticator<'_>, wanted: usize) {
    until(async || {
        let held = authenticator.credentials().await.unwrap().len();
        if held == wanted { Ok(()) } else { Err(format!("{held} passkeys are held, not {wanted}")) }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn managers_are_told_what_was_deleted_renamed_and_is_unknown() {
    let stage = Stage::empty().await;
    stage.app.admin().await;
    let tim = stage.app.person("tim").await;
    stage.sign_in_as(&tim.agent).await;
    let tab = stage.tab().await;
    overhear(&tab).await;
    let authenticator = tab.authenticator().await.unwrap();
    stage.open(&tab, "/settings/account").await;
    tab.click(role("button", "Add Passkey")).await.unwrap();
    tab.wait_for(role("dialog", "Name Passkey")).await.unwrap();
    tab.press("Escape").await.unwrap();
    holds(&authenticator, 1).await;
    let made = authenticator.credentials().await.unwrap().remove(0);
    let id = |credential: &Credential| {
        use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
        URL_SAFE_NO_PAD.encode(credential.id())
    };
    let accepted = signalled(&tab, "signalAllAcceptedCredentials").await;
    assert_eq!(accepted["rpId"], "localhost");
    let ids = accepted["allAcceptedCredentialIds"].as_array().unwrap().clone();
    assert!(ids.len() == 2 && ids.contains(&json!(id(&made))), "{accepted}");

    // A new name reaches the authenticator.
    assert_eq!((made.user_name(), made.user_display_name()), ("tim", "Tim Test"));
    tab.fill(role("textbox", "Username"), "timothy").await.unwrap();
    tab.fill(role("textbox", "Display Name"), "Timothy Test").await.unwrap();
    tab.click("form[data-api='/api/users/me'] button[type=submit]").await.unwrap();
    tab.wait_for_text("Account details updated successfully").await.unwrap();
    until(async || {
        let told = signalled(&tab, "signalCurrentUserDetails").await;
        let wanted = (&json!("timothy"), &json!("Timothy Test"));
        if (&told["name"], &told["displayName"]) == wanted { Ok(()) } else { Err(told.to_string()) }
    })
    .await;
    until(async || {
        let held = authenticator.credentials().await.unwrap().remove(0);
        if held.user_name() == "timothy" { Ok(()) } else { Err(format!("it is called {}", held.user_name())) }
    })
    .await;

    // Deleted here, it goes there.
    tab.click("#passkey-list li:first-child .btn-danger-ghost").await.unwrap();
    tab.click("dialog .btn-danger").await.unwrap();
    tab.wait_for_text("Passkey deleted successfully").await.unwrap();
    holds(&authenticator, 0).await;
    let accepted = signalled(&tab, "signalAllAcceptedCredentials").await;
    assert_eq!(accepted["allAcceptedCredentialIds"].as_array().unwrap().len(), 1, "{accepted}");

    // Offered once more, as by a manager that didn't listen: it is unknown, and forgotten.
    authenticator.add(&made).await.unwrap();
    stage.forget().await;
    stage.open(&tab, "/login").await;
    tab.click(role("button", "Authenticate")).await.unwrap();
    tab.wait_for_text("This passkey is not known here any more").await.unwrap();
    assert_eq!(
        signalled(&tab, "signalUnknownCredential").await,
        json!({ "rpId": "localhost", "credentialId": id(&made) })
    );
    holds(&authenticator, 0).await;
    // One that is known and fails is not.
    quiet_but_refusals(&tab);
}

/// The console holds the refusals that were provoked, and nothing else.
fn quiet_but_refusals(tab: &Page) {
    let errors: Vec<String> = tab.console_errors().into_iter().filter(|e| !e.contains("status of 4")).collect();
    assert_eq!(errors, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_known_passkey_that_fails_is_kept_and_browsers_without_signals_work() {
    let stage = Stage::empty().await;
    let tab = stage.tab().await;
    overhear(&tab).await;
    let authenticator = tab.authenticator().await.unwrap();
    stage.open(&tab, "/").await;
    set_up(&tab).await;
    tab.click(role("button", "Add Passkey")).await.unwrap();
    tab.wait_for_url(|url| url.ends_with("/settings/account")).await.unwrap();
    stage.forget().await;
    authenticator.misbehave(true, false, false).await.unwrap();
    stage.open(&tab, "/login").await;
    tab.click(role("button", "Authenticate")).await.unwrap();
    tab.wait_for_text("We couldn't verify your passkey").await.unwrap();
    assert_eq!(signalled(&tab, "signalUnknownCredential").await, Value::Null);
    authenticator.misbehave(false, false, false).await.unwrap();
    let passkey = authenticator.credentials().await.unwrap().remove(0);

    let other = stage.tab().await;
    other
        .on_new_document(
            "for (const name of ['signalUnknownCredential', 'signalAllAcceptedCredentials', 'signalCurrentUserDetails'])
                delete PublicKeyCredential[name];",
        )
        .await
        .unwrap();
    let authenticator = other.authenticator().await.unwrap();
    authenticator.add(&passkey).await.unwrap();
    stage.open(&other, "/login").await;
    other.click(role("button", "Authenticate")).await.unwrap();
    other.wait_for_url(|url| url.ends_with("/settings/account")).await.unwrap();
    other.wait_idle().await.unwrap();
    quiet(&other, stage.app.url());
}

/// What the check page says of a thing: its state, and the sentence that is shown.
async fn checked(tab: &Page, name: &str) -> (String, String) {
    let row = format!("[data-check={name}]");
    let state = tab.attribute(&*row, "data-state").await.unwrap().unwrap();
    let said = format!(
        "[...document.querySelectorAll('{row} p')].filter(p => p.checkVisibility({{ visibilityProperty: true }})).map(p => p.textContent).join('|')"
    );
    (state, tab.eval(&said).await.unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_check_tells_what_this_browser_can_do() {
    let stage = Stage::empty().await;
    stage.app.admin().await;
    let tab = stage.tab().await;
    let _authenticator = tab.authenticator().await.unwrap();
    stage.open(&tab, "/passkey-check").await;
    tab.wait_for("[data-verdict=yes]:not([hidden])").await.unwrap();
    for name in ["secure", "address", "view", "webauthn", "platform", "autofill", "signal"] {
        let (state, said) = checked(&tab, name).await;
        assert!(state == "yes" && !said.is_empty() && !said.contains('|'), "{name}: {state}, {said}");
    }
    assert_ne!(checked(&tab, "hybrid").await.0, "unknown", "Chromium tells whether it can");
    tab.click(role("link", "Enter a login code")).await.unwrap();
    tab.wait_for_url(|url| url.ends_with("/login/alternative/code")).await.unwrap();
    quiet(&tab, stage.app.url());

    // Without WebAuthn, from the notice of the sign-in page.
    let bare = stage.tab().await;
    bare.on_new_document("delete window.PublicKeyCredential").await.unwrap();
    stage.open(&bare, "/login").await;
    bare.click(role("link", "Why don't passkeys work here?")).await.unwrap();
    bare.wait_for("[data-verdict=no]:not([hidden])").await.unwrap();
    assert_eq!(checked(&bare, "webauthn").await.0, "no");
    assert_eq!(checked(&bare, "platform").await.0, "lacking");
    assert_eq!(checked(&bare, "hybrid").await.0, "unknown");
    bare.wait_for_text("This browser does not know passkeys.").await.unwrap();
    quiet(&bare, stage.app.url());

    // At another address, which only needs looking at the address.
    tab.goto(&format!("{}/passkey-check", stage.app.listens_at())).await.unwrap();
    tab.wait_for("[data-verdict=no]:not([hidden])").await.unwrap();
    assert_eq!(checked(&tab, "address").await.0, "no");
    tab.wait_for(role("link", "Continue at the right address")).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_check_can_be_read_without_scripts_and_knows_views_inside_apps() {
    let stage = Stage::empty().await;
    stage.app.admin().await;
    let state = |page: &str, name: &str| {
        let row = page.split(&format!("data-check=\"{name}\" data-state=\"")).nth(1).unwrap();
        row.split('"').next().unwrap().to_owned()
    };
    let page = stage.app.agent().get("/passkey-check").await.expect(200).text();
    for (name, wanted) in [("secure", "yes"), ("address", "yes"), ("view", "yes"), ("webauthn", "unknown")] {
        assert_eq!(state(&page, name), wanted, "{name}");
    }
    for text in ["bound to <strong>localhost</strong>", "<noscript>", "href=\"/login/alternative/device\""] {
        assert!(page.contains(text), "{text}: {page}");
    }
    let app = "Mozilla/5.0 (Linux; Android 14; Pixel 8; wv) AppleWebKit/537.36 (KHTML, like Gecko) Version/4.0 Chrome/140.0.0.0 Mobile Safari/537.36";
    let inside = stage.app.agent().with_header("user-agent", app).get("/passkey-check").await.expect(200).text();
    assert_eq!(state(&inside, "view"), "lacking");
    let away = stage.app.agent().with_header("host", "192.168.1.5:1411").get("/passkey-check").await.expect(200).text();
    assert_eq!((state(&away, "secure"), state(&away, "address")), ("no".to_owned(), "no".to_owned()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_passkey_asks_for_a_second_one_and_shows_how_by_phone() {
    let stage = Stage::empty().await;
    stage.app.admin().await;
    let mut tim = stage.app.person("tim").await;
    stage.sign_in_as(&tim.agent).await;
    let tab = stage.tab().await;
    tab.on_new_document(
        "{
            const create = CredentialsContainer.prototype.create;
            CredentialsContainer.prototype.create = function (options) {
                window.hints = options.publicKey.hints;
                return create.call(this, options);
            };
        }",
    )
    .await
    .unwrap();
    stage.open(&tab, "/settings/account").await;
    tab.wait_for_text("Single Passkey Configured").await.unwrap();
    tab.wait_for_text("It is copied between your devices").await.unwrap();
    tab.click("#passkey-banner summary").await.unwrap();
    tab.wait_for(role("image", "QR code of this page")).await.unwrap();
    let phone = AuthenticatorOptions { transport: "hybrid", ..Default::default() };
    let authenticator = tab.authenticator_with(&phone).await.unwrap();
    tab.click(role("button", "Use a phone")).await.unwrap();
    tab.wait_for(role("dialog", "Name Passkey")).await.unwrap();
    assert_eq!(tab.eval::<Value>("window.hints").await.unwrap(), json!(["hybrid"]));
    assert_eq!(authenticator.credentials().await.unwrap().len(), 1);
    tab.press("Escape").await.unwrap();
    tab.wait_gone("#passkey-banner .alert").await.unwrap();

    // Put away, it stays away, for as long as this passkey is the only one.
    tab.click("#passkey-list li:first-child .btn-danger-ghost").await.unwrap();
    tab.click("dialog .btn-danger").await.unwrap();
    tab.wait_for_text("Single Passkey Configured").await.unwrap();
    tab.click(role("button", "Dismiss")).await.unwrap();
    tab.wait_gone("#passkey-banner .alert").await.unwrap();
    tab.reload().await.unwrap();
    tab.wait_gone("#passkey-banner .alert").await.unwrap();
    let first = tim.agent.get("/api/webauthn/credentials").await.expect(200).json()[0]["id"].clone();
    tim.passkey = pid_testkit::authenticator::SoftAuthenticator::new(-7);
    tim.passkey.backup_eligible(false).backup_state(false);
    tim.add_passkey().await.expect(200);
    tim.agent.delete(&format!("/api/webauthn/credentials/{}", first.as_str().unwrap())).await.expect(204);
    tab.reload().await.unwrap();
    tab.wait_for_text("If you lose the device that holds it you are locked out.").await.unwrap();
    quiet(&tab, stage.app.url());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn passkeys_are_told_apart_by_model_and_by_where_copies_are() {
    let stage = Stage::empty().await;
    let admin = stage.app.admin().await;
    let mut tim = stage.app.person("tim").await;
    for (aaguid, eligible, synced) in [
        (*b"\xd5\x48\x82\x6e\x79\xb4\xdb\x40\xa3\xd8\x11\x11\x6f\x7e\x83\x49", true, false),
        (*b"\xee\x88\x28\x79\x72\x1c\x49\x13\x97\x75\x3d\xfc\xce\x97\x07\x2a", false, false),
    ] {
        tim.passkey = pid_testkit::authenticator::SoftAuthenticator::new(-7);
        tim.passkey.aaguid(aaguid).backup_eligible(eligible).backup_state(synced);
        tim.add_passkey().await.expect(200);
    }
    tim.sign_in().await.expect(200);
    let told = [
        ("YubiKey 5 Passkey", "YubiKey 5 · Bound to one device"),
        ("Bitwarden Passkey", "Bitwarden · Can be synced, but is on one device only"),
        ("New Passkey", "Synced"),
    ];
    let tab = stage.tab().await;
    let looks = async |person: &Person, path: &str| {
        stage.sign_in_as(&person.agent).await;
        stage.open(&tab, path).await;
        for (at, (name, what)) in told.iter().enumerate() {
            let row = tab.text(&*format!("#passkey-list li:nth-child({})", at + 1)).await.unwrap();
            assert!(row.contains(name) && row.contains(what), "{row}");
            assert_eq!(row.contains("Last used"), at == 0, "{row}");
        }
    };
    looks(&tim, "/settings/account").await;
    looks(&admin, &format!("/settings/admin/users/{}#passkeys", tim.id())).await;
    let row = tab.text("#passkey-list li:first-child").await.unwrap();
    assert!(row.contains("ee882879-721c-4913-9775-3dfcce97072a"), "{row}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_policy_says_by_name_whom_it_locks_out_before_it_is_saved() {
    let stage = Stage::empty().await;
    let mut admin = stage.app.admin().await;
    stage.app.person("tim").await;
    let tab = stage.tab().await;
    stage.sign_in_as(&admin.agent).await;
    let value = async |key: &str| {
        let all = stage.app.script().get("/api/application-configuration/all").await.expect(200).json();
        all.as_array().unwrap().iter().find(|e| e["key"] == key).unwrap()["value"].clone()
    };
    const SAVE: &str = "#passkey-form button[type=submit]";
    let strict = async || {
        stage.open(&tab, "/settings/admin/application-configuration#passkeys").await;
        tab.click(role("switch", "Allow synced passkeys")).await.unwrap();
        tab.click(role("switch", "Apply to existing passkeys")).await.unwrap();
        tab.click(SAVE).await.unwrap();
    };
    // Everybody, every administrator among them: refused.
    strict().await;
    tab.wait_for_text("No administrator could sign in any more").await.unwrap();
    assert_eq!(value("webauthnPolicyAtSignIn").await, "false");

    admin.passkey = pid_testkit::authenticator::SoftAuthenticator::new(-7);
    admin.passkey.backup_eligible(false).backup_state(false);
    admin.add_passkey().await.expect(200);
    strict().await;
    tab.wait_for(role("alertdialog", "This locks people out")).await.unwrap();
    tab.wait_for_text("People: 1").await.unwrap();
    assert_eq!(tab.text(".dialog-list").await.unwrap().trim(), "Tim Test (tim)");
    tab.click(role("button", "Cancel")).await.unwrap();
    tab.wait_gone("[role=alertdialog]").await.unwrap();
    assert_eq!(value("webauthnPolicyAtSignIn").await, "false");
    tab.click(SAVE).await.unwrap();
    tab.click(role("button", "Save all the same")).await.unwrap();
    tab.wait_for_text("Passkey configuration updated successfully").await.unwrap();
    assert_eq!(
        (value("webauthnPolicyAtSignIn").await, value("webauthnAllowSyncedPasskeys").await),
        (json!("true"), json!("false"))
    );

    // Nobody more is locked out by a list of addresses; a wrong one is marked.
    tab.click("[data-add-row=related-origins]").await.unwrap();
    tab.fill("[name='webauthnRelatedOrigins[]']", "http://nas.lan").await.unwrap();
    tab.click(SAVE).await.unwrap();
    tab.wait_for_text("where browsers offer no passkeys").await.unwrap();
    tab.fill("[name='webauthnRelatedOrigins[]']", "https://id.lan").await.unwrap();
    tab.click(SAVE).await.unwrap();
    until(async || {
        let now = value("webauthnRelatedOrigins").await;
        if now == "[\"https://id.lan\"]" { Ok(()) } else { Err(now.to_string()) }
    })
    .await;
    quiet_but_refusals(&tab);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_authenticator_that_cannot_verify_serves_where_that_is_only_preferred() {
    let stage = Stage::empty().await;
    let admin = stage.app.admin().await;
    stage.configure(json!({ "webauthnUserVerification": "preferred" })).await;
    stage.sign_in_as(&admin.agent).await;
    let able =
        AuthenticatorOptions { transport: "usb", backup_eligible: false, backed_up: false, ..Default::default() };
    let weak = AuthenticatorOptions { user_verification: false, user_verified: false, ..able.clone() };
    let tab = stage.tab().await;
    let authenticator = tab.authenticator_with(&able).await.unwrap();
    stage.open(&tab, "/signup/add-passkey").await;
    tab.click(role("button", "Add Passkey")).await.unwrap();
    tab.wait_for_url(|url| url.ends_with("/settings/account")).await.unwrap();
    let passkey = authenticator.credentials().await.unwrap().remove(0);
    let known = async || admin.agent.get("/api/webauthn/credentials").await.expect(200).json()[1].clone();
    let made = known().await;
    assert_eq!(
        (&made["userVerified"], &made["authenticatorAttachment"], &made["backupEligible"]),
        (&json!(true), &json!("cross-platform"), &json!(false))
    );

    // One that doesn't verify this time.
    stage.forget().await;
    authenticator.misbehave(false, true, false).await.unwrap();
    stage.open(&tab, "/login").await;
    tab.click(role("button", "Authenticate")).await.unwrap();
    tab.wait_for_url(|url| url.ends_with("/settings/account")).await.unwrap();
    assert_eq!(known().await["userVerified"], false);
    stage.forget().await;
    stage.configure(json!({ "webauthnUserVerification": "required" })).await;
    stage.open(&tab, "/login").await;
    tab.click(role("button", "Authenticate")).await.unwrap();
    tab.wait_for_text("The passkey has to check that it is you").await.unwrap();

    // Chromium itself takes no passkey from a key that can't verify at all, whatever is asked for; it is told in words.
    stage.configure(json!({ "webauthnUserVerification": "preferred" })).await;
    let other = stage.tab().await;
    let authenticator = other.authenticator_with(&weak).await.unwrap();
    authenticator.add(&passkey).await.unwrap();
    stage.open(&other, "/login").await;
    other.click(role("button", "Authenticate")).await.unwrap();
    other.wait_for_text("The passkey prompt was canceled or timed out. Please try to sign in again.").await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_authenticator_without_room_for_passkeys_is_told_so() {
    let stage = Stage::empty().await;
    let admin = stage.app.admin().await;
    stage.sign_in_as(&admin.agent).await;
    let tab = stage.tab().await;
    let old = AuthenticatorOptions {
        transport: "usb",
        resident_keys: false,
        backup_eligible: false,
        backed_up: false,
        ..Default::default()
    };
    let _old = tab.authenticator_with(&old).await.unwrap();
    stage.open(&tab, "/signup/add-passkey").await;
    tab.click(role("button", "Add Passkey")).await.unwrap();
    tab.wait_for_text("Please try again").await.unwrap();
    assert_eq!(admin.agent.get("/api/webauthn/credentials").await.expect(200).json().as_array().unwrap().len(), 1);
    focused(&tab, "button", "Try again").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn models_are_known_of_security_keys_once_a_policy_asks() {
    let stage = Stage::empty().await;
    let admin = stage.app.admin().await;
    // What Chromium's virtual authenticators are.
    const MODEL: &str = "01020304-0506-0708-0102-030405060708";
    stage.configure(json!({ "webauthnAllowedAaguids": json!([MODEL]).to_string() })).await;
    stage.sign_in_as(&admin.agent).await;
    let tab = stage.tab().await;
    let key = AuthenticatorOptions { transport: "usb", backup_eligible: false, backed_up: false, ..Default::default() };
    let _key = tab.authenticator_with(&key).await.unwrap();
    stage.open(&tab, "/signup/add-passkey").await;
    tab.click(role("button", "Add Passkey")).await.unwrap();
    tab.wait_for_url(|url| url.ends_with("/settings/account")).await.unwrap();
    assert_eq!(admin.agent.get("/api/webauthn/credentials").await.expect(200).json()[1]["aaguid"], MODEL);
    let denied = json!({ "webauthnAllowedAaguids": null, "webauthnDeniedAaguids": json!([MODEL]).to_string() });
    stage.configure(denied).await;
    let other = stage.tab().await;
    let _other = other.authenticator_with(&key).await.unwrap();
    stage.open(&other, "/signup/add-passkey").await;
    other.click(role("button", "Add Passkey")).await.unwrap();
    other.wait_for_text("Passkeys of this kind are not allowed by your administrator").await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_prompt_that_nobody_answers_times_out_in_words() {
    let stage = Stage::empty().await;
    let tab = stage.tab().await;
    // As the server's five minutes, but shorter.
    tab.on_new_document(
        "{
            const get = CredentialsContainer.prototype.get;
            CredentialsContainer.prototype.get = function (options) {
                if (!options.mediation) options.publicKey.timeout = 300;
                return get.call(this, options);
            };
        }",
    )
    .await
    .unwrap();
    let authenticator = tab.authenticator().await.unwrap();
    stage.open(&tab, "/").await;
    set_up(&tab).await;
    tab.click(role("button", "Add Passkey")).await.unwrap();
    tab.wait_for_url(|url| url.ends_with("/settings/account")).await.unwrap();
    stage.forget().await;
    authenticator.set_present(false).await.unwrap();
    stage.open(&tab, "/login").await;
    tab.click(role("button", "Authenticate")).await.unwrap();
    tab.wait_for_text("The passkey prompt was canceled or timed out. Please try to sign in again.").await.unwrap();
    authenticator.set_present(true).await.unwrap();
    tab.click(role("button", "Try again")).await.unwrap();
    tab.wait_for_url(|url| url.ends_with("/settings/account")).await.unwrap();
}
