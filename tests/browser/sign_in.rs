//! Signing in, in a real browser: the button, the autofill, codes, and what can go wrong.

use pid_testkit::chromium::{AuthenticatorOptions, Credential, Page, role};
use pid_tests::{Agent, TestApp};
use serde_json::json;

use crate::stage::{Stage, answer_prompt, focused, hold_prompts, prompted, quiet, set_up};

/// A server that Ada set up in a tab of its own; her passkey, to be given to other tabs.
async fn with_ada() -> (Stage, Credential) {
    let stage = Stage::empty().await;
    let tab = stage.tab().await;
    let authenticator = tab.authenticator().await.unwrap();
    stage.open(&tab, "/").await;
    set_up(&tab).await;
    tab.click(role("button", "Add Passkey")).await.unwrap();
    tab.wait_for_url(|url| url.ends_with("/settings/account")).await.unwrap();
    let passkey = authenticator.credentials().await.unwrap().remove(0);
    drop(authenticator);
    stage.forget().await;
    (stage, passkey)
}

async fn arrives(stage: &Stage, tab: &Page, path: &str) {
    let wanted = stage.url(path);
    tab.wait_for_url(|url| url == wanted).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_prompt_is_told_and_the_next_one_signs_in() {
    let (stage, passkey) = with_ada().await;
    let tab = stage.tab().await;
    let authenticator = tab.authenticator().await.unwrap();
    stage.open(&tab, "/settings/account?from=mail").await;
    arrives(&stage, &tab, "/login?redirect=%2Fsettings%2Faccount%3Ffrom%3Dmail").await;
    focused(&tab, "button", "Authenticate").await;
    // Enter, as the button has the focus; nobody has a passkey here yet.
    tab.press("Enter").await.unwrap();
    tab.wait_for_text("The passkey prompt was canceled or timed out. Please try to sign in again.").await.unwrap();
    focused(&tab, "button", "Try again").await;
    authenticator.add(&passkey).await.unwrap();

    authenticator.misbehave(true, false, false).await.unwrap();
    tab.click(role("button", "Try again")).await.unwrap();
    tab.wait_for_text("We couldn't verify your passkey").await.unwrap();
    authenticator.misbehave(false, true, false).await.unwrap();
    tab.click(role("button", "Try again")).await.unwrap();
    tab.wait_for_text("The passkey has to check that it is you").await.unwrap();
    authenticator.misbehave(false, false, false).await.unwrap();
    tab.click(role("button", "Try again")).await.unwrap();
    arrives(&stage, &tab, "/settings/account?from=mail").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_authenticator_that_cannot_verify_is_not_used() {
    let stage = Stage::empty().await;
    let admin = stage.app.admin().await;
    stage.sign_in_as(&admin.agent).await;
    let tab = stage.tab().await;
    let weak = AuthenticatorOptions { user_verification: false, user_verified: false, ..Default::default() };
    let _weak = tab.authenticator_with(&weak).await.unwrap();
    stage.open(&tab, "/signup/add-passkey").await;
    tab.click(role("button", "Add Passkey")).await.unwrap();
    tab.wait_for_text("Please try again").await.unwrap();
    assert_eq!(tab.count("[data-state=error]").await.unwrap(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_autofill_signs_in_and_gives_way_to_the_button() {
    let (stage, passkey) = with_ada().await;
    let tab = stage.tab().await;
    let authenticator = tab.authenticator().await.unwrap();
    authenticator.add(&passkey).await.unwrap();
    stage.open(&tab, "/login").await;
    tab.wait_idle().await.unwrap();
    let asked = |tab: &Page| tab.requests().iter().filter(|r| r.url.ends_with("/login/start")).count();
    assert_eq!(asked(&tab), 0, "nothing is begun before the field has the focus");
    // Chromium shows no list to a test: the virtual authenticator picks at once.
    tab.click(role("textbox", "Username")).await.unwrap();
    arrives(&stage, &tab, "/settings/account").await;

    stage.forget().await;
    authenticator.set_present(false).await.unwrap();
    stage.open(&tab, "/login").await;
    tab.click(role("textbox", "Username")).await.unwrap();
    tab.wait_idle().await.unwrap();
    authenticator.set_present(true).await.unwrap();
    tab.click(role("button", "Authenticate")).await.unwrap();
    arrives(&stage, &tab, "/settings/account").await;
    quiet(&tab, stage.app.url());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_keyboard_walks_in_reading_order() {
    let (stage, _) = with_ada().await;
    let tab = stage.tab().await;
    stage.open(&tab, "/login").await;
    focused(&tab, "button", "Authenticate").await;
    for (role, name) in [("textbox", "Username"), ("link", "Alternative Sign In Methods")] {
        tab.press("Tab").await.unwrap();
        focused(&tab, role, name).await;
        // The focus can be seen: an outline, or the ring of a field.
        let ring =
            "(s => s.outlineStyle !== 'none' || s.boxShadow !== 'none')(getComputedStyle(document.activeElement))";
        assert!(tab.eval::<bool>(ring).await.unwrap(), "{name}");
    }
    let seen = tab.accessibility().await.unwrap();
    for wanted in [("main", ""), ("heading", "Sign in to Pocket ID")] {
        assert!(seen.iter().any(|(role, name)| (role.as_str(), name.as_str()) == wanted), "{wanted:?}: {seen:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_tabs_sign_in_side_by_side() {
    let (stage, passkey) = with_ada().await;
    let (first, second) = (stage.tab().await, stage.tab().await);
    let (a, b) = (first.authenticator().await.unwrap(), second.authenticator().await.unwrap());
    a.add(&passkey).await.unwrap();
    b.add(&passkey).await.unwrap();
    hold_prompts(&first).await;
    stage.open(&first, "/login?redirect=%2Fsettings%2Faccount%3Ftab%3D1").await;
    stage.open(&second, "/login?redirect=%2Fsettings%2Faccount%3Ftab%3D2").await;
    first.click(role("button", "Authenticate")).await.unwrap();
    prompted(&first).await;
    second.click(role("button", "Authenticate")).await.unwrap();
    arrives(&stage, &second, "/settings/account?tab=2").await;
    answer_prompt(&first).await;
    arrives(&stage, &first, "/settings/account?tab=1").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_browser_without_passkeys_is_offered_other_ways_at_once() {
    let stage = Stage::empty().await;
    let admin = stage.app.admin().await;
    let client = stage.client(json!({})).await;
    let tab = stage.tab().await;
    tab.on_new_document("delete window.PublicKeyCredential").await.unwrap();
    for url in [stage.url("/login"), stage.authorize(&client, &[])] {
        tab.goto(&url).await.unwrap();
        tab.wait_for_text("This browser does not support passkeys").await.unwrap();
        focused(&tab, "link", "Use a login code").await;
        assert!(!tab.is_visible("[data-main]").await.unwrap());
        assert!(!tab.is_visible("[data-autofill]").await.unwrap());
        assert!(tab.is_visible(role("link", "Use another device")).await.unwrap());
    }
    // From the page of the interaction, and back to it.
    tab.press("Enter").await.unwrap();
    tab.fill(role("textbox", "Code"), &stage.login_code(admin.id()).await).await.unwrap();
    tab.press("Enter").await.unwrap();
    tab.wait_for("[data-testid=scopes]").await.unwrap();
    // The other device needs passkeys, this one doesn't.
    stage.forget().await;
    stage.open(&tab, "/login?redirect=%2Fsettings%2Fapps").await;
    tab.click(role("link", "Use another device")).await.unwrap();
    tab.wait_for("[data-request]:not([hidden])").await.unwrap();
    arrives(&stage, &tab, "/login/alternative/device?redirect=%2Fsettings%2Fapps").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_address_is_told_before_a_button_is_pressed() {
    let (stage, _) = with_ada().await;
    let tab = stage.tab().await;
    tab.goto(&format!("{}/login?redirect=%2Fsettings%2Faccount", stage.app.listens_at())).await.unwrap();
    tab.wait_for_text("Passkeys belong to another address").await.unwrap();
    assert!(!tab.is_visible("[data-main]").await.unwrap());
    focused(&tab, "link", "Continue at the right address").await;
    tab.press("Enter").await.unwrap();
    arrives(&stage, &tab, "/login?redirect=%2Fsettings%2Faccount").await;
    tab.wait_for(role("button", "Authenticate")).await.unwrap();
    assert!(!tab.is_visible("[data-passkeys-at]").await.unwrap());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_address_without_passkeys_says_what_to_do() {
    let port = pid_testkit::process::free_port().unwrap();
    let url = format!("http://127.0.0.1:{port}");
    let app = TestApp::start_with(&[("APP_URL", url.as_str()), ("PORT", &port.to_string())]).await;
    let stage = Stage::with(app).await;
    let tab = stage.tab().await;
    stage.open(&tab, "/").await;
    tab.wait_for_text("Passkeys don't work at this address").await.unwrap();
    set_up(&tab).await;
    tab.wait_for_text("Put a reverse proxy with a certificate in front of the server").await.unwrap();
    assert!(tab.eval::<bool>("document.querySelector('[data-main]').disabled").await.unwrap());
    tab.click(role("button", "Skip for now")).await.unwrap();
    tab.wait_for(role("alertdialog", "Skip Passkey Setup")).await.unwrap();
    tab.click(role("button", "Skip for now")).await.unwrap();
    arrives(&stage, &tab, "/settings/account").await;
    tab.wait_for_text("Passkeys don't work at this address").await.unwrap();
    stage.forget().await;
    stage.open(&tab, "/login").await;
    focused(&tab, "link", "Use a login code").await;
}

/// A proxy that names another host to the server, as careless ones do.
async fn careless_proxy(listener: tokio::net::TcpListener, server: String) {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let own = format!("ost: localhost:{}\r\n", listener.local_addr().unwrap().port());
    while let Ok((mut browser, _)) = listener.accept().await {
        let (server, own) = (server.clone(), own.clone());
        tokio::spawn(async move {
            let mut upstream = tokio::net::TcpStream::connect(server).await?;
            let (mut from_browser, mut to_browser) = browser.split();
            let (mut from_server, mut to_server) = upstream.split();
            let requests = async {
                let mut buffer = vec![0; 65536];
                loop {
                    let n = from_browser.read(&mut buffer).await?;
                    if n == 0 {
                        return std::io::Result::Ok(());
                    }
                    let text = String::from_utf8_lossy(&buffer[..n]).replace(&own, "ost: backend.internal\r\n");
                    to_server.write_all(text.as_bytes()).await?;
                }
            };
            tokio::select! {
                done = requests => done,
                done = tokio::io::copy(&mut from_server, &mut to_browser) => done.map(drop),
            }
        });
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_proxy_that_rewrites_the_host_raises_no_false_alarm() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://localhost:{}", listener.local_addr().unwrap().port());
    let app = TestApp::start_with(&[("APP_URL", url.as_str())]).await;
    let proxy = tokio::spawn(careless_proxy(listener, app.listens_at().replace("http://", "")));
    let stage = Stage::with(app).await;
    let plain = stage.app.agent().get("/setup").await.location();
    assert_eq!(plain, "/signup/setup");
    assert!(stage.app.agent().get(&plain).await.text().contains("http://backend.internal"), "the server can't know");
    let tab = stage.tab().await;
    let authenticator = tab.authenticator().await.unwrap();
    stage.open(&tab, "/").await;
    assert!(!tab.is_visible("[data-passkeys-at]").await.unwrap());
    set_up(&tab).await;
    tab.click(role("button", "Add Passkey")).await.unwrap();
    arrives(&stage, &tab, "/settings/account").await;
    assert_eq!(authenticator.credentials().await.unwrap().len(), 1);
    assert!(!tab.is_visible("[data-passkeys-at]").await.unwrap());
    proxy.abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn login_codes_are_typed_or_come_by_link() {
    let stage = Stage::empty().await;
    let admin = stage.app.admin().await;
    let tab = stage.tab().await;
    stage.open(&tab, "/login?redirect=%2Fsettings%2Faccount%3Fa%3Db").await;
    tab.wait_for_text("Don't have access to your passkey?").await.unwrap();
    tab.click(role("link", "Alternative Sign In Methods")).await.unwrap();
    arrives(&stage, &tab, "/login/alternative?redirect=%2Fsettings%2Faccount%3Fa%3Db").await;
    assert_eq!(tab.count(".methods a").await.unwrap(), 2);
    tab.click(".methods a[href^='/login/alternative/code']").await.unwrap();
    focused(&tab, "textbox", "Code").await;
    tab.fill(role("textbox", "Code"), "abcde").await.unwrap();
    assert!(tab.eval::<bool>("document.querySelector('[data-main]').disabled").await.unwrap());
    tab.fill(role("textbox", "Code"), "ABCDEF").await.unwrap();
    tab.press("Enter").await.unwrap();
    tab.wait_for_text("This code is invalid or has expired. Please try again.").await.unwrap();
    let code = stage.login_code(admin.id()).await.to_lowercase();
    tab.fill(role("textbox", "Code"), &format!("{} {}", &code[..3], &code[3..])).await.unwrap();
    tab.click(role("button", "Try again")).await.unwrap();
    arrives(&stage, &tab, "/settings/account?a=b").await;

    stage.forget().await;
    let link = format!("/lc/{}?redirect=%2Fsettings%2Faccount%3Fc%3Dd", stage.login_code(admin.id()).await);
    stage.open(&tab, &link).await;
    arrives(&stage, &tab, "/settings/account?c=d").await;
    // Used up, and not left in the history.
    stage.forget().await;
    stage.open(&tab, &link).await;
    tab.wait_for_text("Please try again").await.unwrap();
    arrives(&stage, &tab, "/login/alternative/code?redirect=%2Fsettings%2Faccount%3Fc%3Dd").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_theme_is_chosen_on_any_page_and_kept() {
    let (stage, _) = with_ada().await;
    let tab = stage.tab().await;
    tab.set_color_scheme("light").await.unwrap();
    stage.open(&tab, "/login").await;
    let ground = async || tab.eval::<String>("getComputedStyle(document.body).backgroundColor").await.unwrap();
    let light = ground().await;
    // By keyboard: the menu opens on its first entry, arrows walk, Escape leaves.
    tab.focus(role("button", "Toggle theme")).await.unwrap();
    tab.press("Enter").await.unwrap();
    focused(&tab, "menuitem", "Light").await;
    tab.press("ArrowDown").await.unwrap();
    focused(&tab, "menuitem", "Dark").await;
    tab.press("Escape").await.unwrap();
    tab.wait_gone(role("menuitem", "Dark")).await.unwrap();
    focused(&tab, "button", "Toggle theme").await;
    tab.press("Enter").await.unwrap();
    focused(&tab, "menuitem", "Light").await;
    tab.press("ArrowDown").await.unwrap();
    tab.press("Enter").await.unwrap();
    let dark = ground().await;
    assert_ne!(light, dark);
    assert_eq!(stage.window.cookie("theme").await.unwrap().as_deref(), Some("dark"));
    tab.reload().await.unwrap();
    assert_eq!(ground().await, dark);
    let first = Agent::new(stage.app.url()).with_header("cookie", "theme=dark").get("/login").await.text();
    assert!(first.contains("<html lang=\"en\" data-theme=\"dark\">"), "known before the first paint");
    tab.click(role("button", "Toggle theme")).await.unwrap();
    tab.click(role("menuitem", "System")).await.unwrap();
    assert_eq!(ground().await, light);
    assert_eq!(stage.window.cookie("theme").await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_ceremony_that_waits_too_long_says_so() {
    let (stage, passkey) = with_ada().await;
    let tab = stage.tab().await;
    let authenticator = tab.authenticator().await.unwrap();
    authenticator.add(&passkey).await.unwrap();
    hold_prompts(&tab).await;
    stage.open(&tab, "/login").await;
    tab.click(role("button", "Authenticate")).await.unwrap();
    tab.wait_for_text("Follow the instructions of your browser").await.unwrap();
    tab.wait_idle().await.unwrap();
    stage.app.advance(6 * 60);
    answer_prompt(&tab).await;
    tab.wait_for_text("Your passkey request has expired. Please try to sign in again.").await.unwrap();
    tab.click(role("button", "Try again")).await.unwrap();
    arrives(&stage, &tab, "/settings/account").await;
}
