//! Pages in the reader's language: the account's, the cookie's, the browser's, in this order.

use pid_testkit::chromium::{Page, role};
use serde_json::json;

use crate::stage::{Stage, focused, until};

async fn language(tab: &Page) -> String {
    tab.eval("document.documentElement.lang").await.unwrap()
}

async fn wait_for_language(tab: &Page, wanted: &str) {
    until(async || {
        let found: String = tab.eval("document.documentElement.lang").await.unwrap_or_default();
        if found == wanted { Ok(()) } else { Err(format!("{found}, not {wanted}")) }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_browser_s_language_holds_until_somebody_chooses() {
    let stage = Stage::empty().await;
    let admin = stage.app.admin().await;
    let tab = stage.tab().await;
    let _passkeys = tab.authenticator().await.unwrap();
    tab.set_headers(&[("accept-language", "pt, de-AT;q=0.9, en;q=0.5")]).await.unwrap();
    stage.open(&tab, "/login").await;
    assert_eq!(language(&tab).await, "de");
    tab.wait_for(role("button", "Mit Passkey anmelden")).await.unwrap();
    // The words of scripts, too.
    tab.click(role("button", "Mit Passkey anmelden")).await.unwrap();
    tab.wait_for_text("Bitte").await.unwrap();
    stage.open(&tab, "/nowhere").await;
    assert_eq!(language(&tab).await, "de");
    tab.set_headers(&[]).await.unwrap();

    // Chosen with the keyboard, before anybody is signed in.
    stage.open(&tab, "/login").await;
    assert_eq!(language(&tab).await, "en");
    tab.focus(role("button", "Select locale")).await.unwrap();
    tab.press("Enter").await.unwrap();
    focused(&tab, "option", "English").await;
    tab.press("ArrowDown").await.unwrap();
    tab.press("ArrowDown").await.unwrap();
    focused(&tab, "option", "Français").await;
    tab.press("Enter").await.unwrap();
    wait_for_language(&tab, "fr").await;
    assert_eq!(stage.window.cookie("locale").await.unwrap().as_deref(), Some("fr"));

    // Somebody who never chose keeps the browser's; who chooses takes it along.
    stage.sign_in_as(&admin.agent).await;
    stage.open(&tab, "/settings/account").await;
    assert_eq!(language(&tab).await, "fr");
    tab.click("button[popovertarget=languages]").await.unwrap();
    tab.click(role("option", "日本語")).await.unwrap();
    wait_for_language(&tab, "ja").await;
    let me = admin.agent.get("/api/users/me").await.expect(200).json();
    assert_eq!(me["locale"], "ja");
    let elsewhere = stage.new_window().await;
    let cookie = admin.agent.cookie("access_token").unwrap();
    elsewhere.set_cookie(stage.app.url(), "access_token", &cookie).await.unwrap();
    let other = elsewhere.page().await.unwrap();
    other.goto(&stage.url("/settings/account")).await.unwrap();
    assert_eq!(language(&other).await, "ja");
    let wrong: Vec<String> = tab.console_errors().into_iter().filter(|e| !e.contains("/nowhere")).collect();
    assert_eq!(wrong, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refusals_and_dates_are_in_the_language_of_the_page() {
    let stage = Stage::empty().await;
    let admin = stage.app.admin().await;
    stage.app.person("tim").await;
    stage.window.set_cookie(stage.app.url(), "locale", "de").await.unwrap();
    stage.sign_in_as(&admin.agent).await;
    let tab = stage.tab().await;
    stage.open(&tab, "/settings/account").await;
    assert_eq!(language(&tab).await, "de");
    let day: String = tab.eval("document.querySelector('#passkey-list time').textContent").await.unwrap();
    assert!(day.contains('.') && !day.contains("AM") && !day.contains("PM"), "{day}");
    tab.fill("#username", "tim").await.unwrap();
    tab.click("form[data-api='/api/users/me'] button[type=submit]").await.unwrap();
    until(async || {
        let said: String = tab
            .eval("document.querySelector('#username-error, [data-error]')?.textContent ?? document.body.innerText")
            .await
            .unwrap();
        if said.contains("bereits") { Ok(()) } else { Err(said.chars().take(300).collect()) }
    })
    .await;

    // Who sends no wish gets English, as scripts know it.
    let body = json!({ "username": "tim", "email": "tom@example.com", "firstName": "Tim" });
    let refused = stage.app.script().post("/api/users", &body).await.refused(409, "already_in_use").json();
    assert_eq!(refused["error"], "Username is already in use");
}

/// Texts that a page shows or tells, and that did not come from the catalogue: with the pseudo-locale, those have marks.
const PLAIN: &str = r#"((data) => {
    const found = new Set();
    const isData = (text) => data.some((known) => text.includes(known)) || !/[A-Za-z]{3}/.test(text) || /^[0-9a-f-]{36}$/.test(text);
    const look = (text) => {
        text = text.replace(/https?:\/\/\S+|\/[\w./{}-]+|[\w.]+@[\w.]+/g, '').trim();
        if (text && !/[áéíóúýÁÉÍÓÚ~]/.test(text) && !isData(text)) found.add(text.slice(0, 80));
    };
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
        const node = walker.currentNode;
        const parent = node.parentElement;
        if (!parent || parent.closest('code, time, script, noscript, [lang]:not(html), .avatar, .tile, .facts, [data-template], .models, option[value*="-"]')) continue;
        look(node.data);
    }
    for (const e of document.querySelectorAll('[aria-label], [title], [alt], [data-confirm], [data-confirm-text], [data-toast]')) {
        if (e.closest('[lang]:not(html)')) continue;
        for (const name of ['aria-label', 'title', 'alt', 'data-confirm', 'data-confirm-text', 'data-toast']) look(e.getAttribute(name) ?? '');
    }
    return [...found];
})"#;

/// What stands over the edge of the window, with words half as long again.
const WIDE: &str = r#"((width) => {
    if (document.documentElement.scrollWidth <= width) return [];
    const over = (e) => e.getBoundingClientRect().right > width + 1;
    const scrolls = (e) => e && (['auto', 'scroll', 'hidden', 'clip'].includes(getComputedStyle(e).overflowX) || scrolls(e.parentElement));
    const leaves = [...document.querySelectorAll('main *, header *')].filter((e) => over(e) && ![...e.children].some(over) && !scrolls(e.parentElement));
    return leaves.slice(0, 3).map((e) => `${e.parentElement.className}: ${e.outerHTML.slice(0, 160)}`);
})"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_text_is_hard_coded_and_long_words_break_nothing() {
    let stage = Stage::empty().await;
    let admin = stage.app.admin().await;
    let script = stage.app.script();
    let person = stage.app.person("tim").await;
    let client = stage.client(json!({ "description": "Nextcloud" })).await;
    let client = client["id"].as_str().unwrap().to_owned();
    let group = json!({ "name": "family", "friendlyName": "Family" });
    let group = script.post("/api/user-groups", &group).await.expect(201).id();
    let api = json!({ "name": "Orders", "resource": "https://orders.example" });
    let api = script.post("/api/apis", &api).await.expect(201).id();
    stage.configure(json!({ "allowUserSignups": "open" })).await;
    stage.window.set_cookie(stage.app.url(), "locale", "en-XA").await.unwrap();
    let tab = stage.tab().await;
    let mut wrong = Vec::new();
    let user = person.user["id"].as_str().unwrap().to_owned();
    let signed_out = [
        "/login",
        "/login/alternative",
        "/lc",
        "/login/alternative/device",
        "/signup",
        "/nowhere",
        "/device",
        "/passkey-check",
        "/not-me?token=x",
        "/verify-email?token=x",
    ];
    let signed_in = [
        "/settings/account".to_owned(),
        "/settings/apps".to_owned(),
        "/settings/audit-log".to_owned(),
        "/settings/audit-log/global".to_owned(),
        "/settings/admin/users".to_owned(),
        format!("/settings/admin/users/{user}"),
        "/settings/admin/user-groups".to_owned(),
        format!("/settings/admin/user-groups/{group}"),
        "/settings/admin/oidc-clients".to_owned(),
        format!("/settings/admin/oidc-clients/{client}"),
        "/settings/admin/apis".to_owned(),
        format!("/settings/admin/apis/{api}"),
        "/settings/admin/api-keys".to_owned(),
        "/settings/admin/system".to_owned(),
        "/settings/admin/application-configuration".to_owned(),
        "/logout".to_owned(),
    ];
    // Names of people and things, of products and standards, and what is spelled as it is sent.
    let data = json!([
        "Pocket ID",
        "Nextcloud",
        "tim",
        "Tim",
        "ada",
        "Ada",
        "Lovelace",
        "Family",
        "family",
        "Orders",
        "orders",
        "static-api",
        "Chrom",
        "HeadlessChrome",
        "openid",
        "profile",
        "email",
        "groups",
        "OIDC",
        "OAuth",
        "SCIM",
        "LDAP",
        "SMTP",
        "TLS",
        "StartTLS",
        "JWKS",
        "PKCE",
        "API",
        "URL",
        "RS256",
        "ES256",
        "EdDSA",
        "DPoP",
        "syslog",
        "webhook",
        "Europe/",
        "GeoLite",
        "New Passkey",
        "localhost",
        "XXXX",
        "selfh.st",
        "dashboardicons",
        "start",
        "invalid or has expired",
        "LAN",
        "admin"
    ]);
    for (path, is_in) in signed_out.iter().map(|p| ((*p).to_owned(), false)).chain(signed_in.map(|p| (p, true))) {
        if is_in {
            stage.sign_in_as(&admin.agent).await;
        }
        stage.open(&tab, &path).await;
        assert_eq!(language(&tab).await, "en-XA", "{path}");
        let plain: Vec<String> = tab.eval(&format!("{PLAIN}({data})")).await.unwrap();
        wrong.extend(plain.into_iter().map(|text| format!("{path}: not from the catalogue: {text}")));
        for width in [1440, 390, 320] {
            tab.set_viewport(width, 844, width < 600).await.unwrap();
            let wide: Vec<String> = tab.eval(&format!("{WIDE}({width})")).await.unwrap();
            wrong.extend(wide.into_iter().map(|what| format!("{path} at {width}: too wide: {what}")));
        }
        tab.set_viewport(1440, 900, false).await.unwrap();
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
