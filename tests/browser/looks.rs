//! Every page and state at every width: nothing runs over the edge, one heading, named controls. With `SCREENSHOTS=folder`
//! pictures of all of them are left there.

use std::path::Path;

use pid_testkit::chromium::{Page, role};
use pid_testkit::program::installed;
use pid_testkit::slapd::{dn, group, person};
use serde_json::json;

use pid_tests::{Mailbox, Manner, Receiver, RelyingParty, TestApp, directory};

use crate::images::{DARK, LIGHT, photograph};
use crate::stage::Stage;

/// What must hold on every page; answers complaints.
const CHECK: &str = r#"((width) => {
    const wrong = [];
    // A phone's window grows with what is too wide, so `innerWidth` proves nothing.
    if (document.documentElement.scrollWidth > width) {
        const over = [...document.querySelectorAll('body *')].filter(e => e.getBoundingClientRect().right > width + 1);
        wrong.push(`wider than the window: ${over.slice(-1).map(e => e.outerHTML.slice(0, 120))}`);
    }
    const shown = e => e.checkVisibility();
    const count = selector => [...document.querySelectorAll(selector)].filter(shown).length;
    if (count('h1') !== 1) wrong.push(`${count('h1')} first headings`);
    if (count('main') !== 1) wrong.push(`${count('main')} main landmarks`);
    if (!document.title) wrong.push('no title');
    const ids = [...document.querySelectorAll('[id]')].map(e => e.id);
    const twice = ids.filter((id, at) => ids.indexOf(id) !== at);
    if (twice.length) wrong.push(`ids twice: ${twice}`);
    for (const e of document.querySelectorAll('[aria-describedby], [aria-labelledby], [aria-controls], label[for], [popovertarget]')) {
        const names = ['aria-describedby', 'aria-labelledby', 'aria-controls', 'for', 'popovertarget'];
        const to = names.flatMap(n => (e.getAttribute(n) ?? '').split(' ')).filter(Boolean);
        for (const id of to) if (!document.getElementById(id)) wrong.push(`nothing is called #${id}`);
    }
    for (const e of document.querySelectorAll('a, button, input:not([type=hidden], .visually-hidden), select')) {
        if (!shown(e)) continue;
        const box = e.getBoundingClientRect();
        const inLine = e.tagName === 'A' && getComputedStyle(e).display === 'inline';
        if (!inLine && (box.height < 24 || box.width < 24)) wrong.push(`too small to hit: ${e.outerHTML.slice(0, 120)}`);
    }
    return wrong;
})"#;

/// Text must stand out from what is behind it (WCAG 2.2, 1.4.3); answers complaints.
const CONTRAST: &str = r#"(() => {
    const canvas = new OffscreenCanvas(1, 1).getContext('2d', { willReadFrequently: true });
    const over = (color, ground) => {
        canvas.fillStyle = ground; canvas.fillRect(0, 0, 1, 1);
        canvas.fillStyle = color; canvas.fillRect(0, 0, 1, 1);
        return [...canvas.getImageData(0, 0, 1, 1).data];
    };
    const css = ([r, g, b]) => `rgb(${r} ${g} ${b})`;
    const ground = (e) => e ? css(over(getComputedStyle(e).backgroundColor, ground(e.parentElement))) : 'white';
    const light = ([r, g, b]) => {
        const [x, y, z] = [r, g, b].map(v => (v /= 255) <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4);
        return .2126 * x + .7152 * y + .0722 * z;
    };
    const wrong = new Set();
    for (const e of document.querySelectorAll('body *')) {
        const text = [...e.childNodes].filter(n => n.nodeType === 3 && n.data.trim()).map(n => n.data.trim()).join(' ');
        if (!text || !e.checkVisibility() || e.closest(':disabled, [aria-disabled=true], .visually-hidden, noscript, .skip')) continue;
        if (document.querySelector('dialog[open]') && !e.closest('dialog')) continue;
        const style = getComputedStyle(e);
        const behind = ground(e);
        const [a, b] = [light(over(style.color, behind)), light(over(behind, behind))].sort((x, y) => y - x);
        const size = parseFloat(style.fontSize);
        const enough = size >= 24 || (size >= 18.6 && style.fontWeight >= 700) ? 3 : 4.5;
        const ratio = (a + .05) / (b + .05);
        if (ratio < enough) wrong.add(`${ratio.toFixed(2)}:1 ${style.color} on ${behind}: ${text.slice(0, 40)}`);
    }
    return [...wrong];
})()"#;

/// What shows a state by its colour must stand out from what is around it (WCAG 2.2, 1.4.11); answers complaints.
const MARKS: &str = r#"(() => {
    const canvas = new OffscreenCanvas(1, 1).getContext('2d', { willReadFrequently: true });
    const light = (color) => {
        canvas.fillStyle = color; canvas.fillRect(0, 0, 1, 1);
        const [x, y, z] = [...canvas.getImageData(0, 0, 1, 1).data].map(v => (v /= 255) <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4);
        return .2126 * x + .7152 * y + .0722 * z;
    };
    const ground = (e) => { const c = getComputedStyle(e).backgroundColor; return c !== 'rgba(0, 0, 0, 0)' && !c.endsWith('/ 0)') ? c : e.parentElement ? ground(e.parentElement) : 'white'; };
    const wrong = [];
    const mark = (e, color, name) => {
        const [a, b] = [light(color), light(ground(e.parentElement))].sort((x, y) => y - x);
        const ratio = (a + .05) / (b + .05);
        if (ratio < 3) wrong.push(`${ratio.toFixed(2)}:1 ${name} ${color} on ${ground(e.parentElement)}`);
    };
    for (const e of document.querySelectorAll('[role=switch]:checked:not(:disabled)')) if (e.checkVisibility()) mark(e, getComputedStyle(e).backgroundColor, 'a switch that is on');
    for (const e of document.querySelectorAll('[role=tab][aria-selected=true]')) if (e.checkVisibility()) mark(e, getComputedStyle(e).borderBottomColor, 'the line of a tab');
    for (const e of document.querySelectorAll('.mark-pocket')) if (e.checkVisibility()) mark(e.closest('svg'), getComputedStyle(e).fill, 'the mark');
    return wrong;
})()"#;

/// What axe-core says against a page (WCAG 2.2, levels A and AA, and its own good practice); answers complaints.
const BARRIERS: &str = r#"(async () => {
    const tags = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];
    const found = await axe.run({ exclude: [['[data-toasts]'], ['.toasts']] }, { runOnly: { type: 'tag', values: tags }, resultTypes: ['violations'] });
    return found.violations.flatMap((v) => v.nodes.map((n) => `${v.id} (${v.help}): ${n.html.slice(0, 160)}`));
})()"#;

/// What was looked at, and what is wrong with it.
#[derive(Debug, Default)]
pub struct Gallery {
    wrong: Vec<String>,
}

impl Gallery {
    /// Looks at what the tab shows now at every width, in light and dark.
    pub async fn look(&mut self, tab: &Page, name: &str) {
        let folder = std::env::var_os("SCREENSHOTS");
        let schemes = ["light", "dark"];
        let wear = async |scheme: &'static str| {
            let still = ("prefers-reduced-motion", "reduce");
            tab.set_media(&[("prefers-color-scheme", scheme), still]).await.unwrap();
        };
        for scheme in schemes {
            wear(scheme).await;
            let found: Vec<String> = tab.eval(CONTRAST).await.unwrap();
            self.wrong.extend(found.into_iter().map(|what| format!("{name}, {scheme}: {what}")));
        }
        wear("light").await;
        let axe = installed("target/node/node_modules/axe-core/axe.min.js").unwrap();
        let axe = std::fs::read_to_string(axe).unwrap();
        tab.call("Runtime.evaluate", json!({ "expression": axe })).await.unwrap();
        // What is half under the bar at the top counts as too small to hit.
        tab.eval::<serde_json::Value>("scrollTo(0, 0)").await.unwrap();
        let found: Vec<String> = tab.eval(BARRIERS).await.unwrap();
        self.wrong.extend(found.into_iter().map(|what| format!("{name}: {what}")));
        // 720 is what 200 % zoom leaves of a wide window.
        for (width, height) in [(1440, 900), (720, 450), (390, 844), (320, 640)] {
            tab.set_viewport(width, height, width < 600).await.unwrap();
            let found: Vec<String> = tab.eval(&format!("{CHECK}({width})")).await.unwrap();
            self.wrong.extend(found.into_iter().map(|what| format!("{name} at {width}: {what}")));
            let Some(folder) = folder.as_ref().filter(|_| [1440, 390].contains(&width)) else { continue };
            for scheme in schemes {
                wear(scheme).await;
                tab.screenshot(Path::new(folder).join(format!("{name}-{width}-{scheme}.png"))).await.unwrap();
            }
        }
        for (_, label) in tab.accessibility().await.unwrap().iter().filter(|(role, name)| {
            name.is_empty() && ["button", "link", "textbox", "checkbox", "switch", "dialog"].contains(&role.as_str())
        }) {
            self.wrong.push(format!("{name}: a control without a name {label}"));
        }
        tab.set_viewport(1440, 900, false).await.unwrap();
    }

    /// Fails if anything was wrong.
    pub fn finish(self) {
        assert!(self.wrong.is_empty(), "{}", self.wrong.join("\n"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sign_in_pages_look_right() {
    let mut gallery = Gallery::default();
    let stage = Stage::empty().await;
    let tab = stage.tab().await;
    let _passkeys = tab.authenticator().await.unwrap();
    stage.open(&tab, "/").await;
    gallery.look(&tab, "setup").await;
    tab.fill(role("textbox", "Username"), "_ada").await.unwrap();
    tab.click(role("button", "Sign Up")).await.unwrap();
    tab.wait_for_text("This field is required").await.unwrap();
    gallery.look(&tab, "setup-errors").await;
    tab.goto(&format!("{}/setup", stage.app.listens_at())).await.unwrap();
    gallery.look(&tab, "setup-elsewhere").await;

    let admin = stage.app.admin().await;
    stage.open(&tab, "/login").await;
    gallery.look(&tab, "login").await;
    tab.click(role("button", "Authenticate")).await.unwrap();
    tab.wait_for_text("Please try to sign in again").await.unwrap();
    gallery.look(&tab, "login-error").await;
    tab.click("[popovertarget=theme-menu]").await.unwrap();
    gallery.look(&tab, "theme-menu").await;
    stage.open(&tab, "/login/alternative").await;
    gallery.look(&tab, "alternative").await;
    stage.open(&tab, "/lc").await;
    gallery.look(&tab, "code").await;
    stage.open(&tab, "/lc/WRONG1").await;
    tab.wait_for_text("Please try again").await.unwrap();
    gallery.look(&tab, "code-error").await;
    stage.open(&tab, "/nowhere").await;
    gallery.look(&tab, "not-found").await;
    stage.open(&tab, "/interaction").await;
    gallery.look(&tab, "interaction-missing").await;
    stage.open(&tab, "/interaction/error?error=You%20are%20not%20allowed%20to%20access%20this%20service.").await;
    gallery.look(&tab, "interaction-error").await;
    stage
        .open(&tab, "/interaction/error?error=You%20are%20not%20allowed%20to%20access%20this%20service.&interaction=i")
        .await;
    gallery.look(&tab, "interaction-denied").await;

    let client = stage.client(json!({ "logoutCallbackURLs": [stage.url("/robots.txt")] })).await;
    tab.goto(&stage.authorize(&client, &[])).await.unwrap();
    gallery.look(&tab, "interaction-signed-out").await;
    tab.click(role("button", "Sign in")).await.unwrap();
    tab.wait_for_text("Please try again").await.unwrap();
    gallery.look(&tab, "interaction-failed").await;
    let logout = format!(
        "/logout?client_id={}&post_logout_redirect_uri={}",
        client["id"].as_str().unwrap(),
        stage.url("/robots.txt")
    );
    stage.open(&tab, "/device").await;
    gallery.look(&tab, "device-signed-out").await;
    stage.open(&tab, &logout).await;
    gallery.look(&tab, "signed-out").await;

    // A configured colour that is hard on the eyes is still readable, and motion goes when it is switched off.
    stage.configure(json!({ "accentColor": "#ffe14a", "disableAnimations": "true" })).await;
    stage.open(&tab, "/login").await;
    assert_eq!(tab.count("html[data-still]").await.unwrap(), 1);
    gallery.look(&tab, "login-yellow").await;
    stage.configure(json!({ "accentColor": "default", "disableAnimations": "false" })).await;

    stage.sign_in_as(&admin.agent).await;
    tab.goto(&stage.authorize(&client, &[])).await.unwrap();
    gallery.look(&tab, "consent").await;
    let (client_id, script) = (client["id"].as_str().unwrap(), stage.app.script());
    let body = json!({ "name": "Orders", "resource": "https://orders.example" });
    let api = script.post("/api/apis", &body).await.expect(201).id();
    let permissions = json!({ "permissions": [
        { "key": "orders:read", "name": "Read orders", "description": "See what you ordered, and when it comes" },
        { "key": "orders:write", "name": "Change orders" },
    ] });
    let stored = script.put(&format!("/api/apis/{api}/permissions"), &permissions).await.expect(200).json();
    let ids = [&stored["permissions"][0]["id"], &stored["permissions"][1]["id"]];
    let access = json!({ "userDelegatedAccess": true, "userDelegatedPermissionIds": ids });
    script.put(&format!("/api/apis/{api}/clients/{client_id}"), &access).await.expect(200);
    let claims = "{\"userinfo\":{\"groups\":{\"essential\":true},\"email\":{\"essential\":true}}}";
    let more = [
        ("scope", "openid profile orders:read orders:write"),
        ("resource", "https://orders.example"),
        ("claims", claims),
    ];
    tab.goto(&stage.authorize(&client, &more)).await.unwrap();
    gallery.look(&tab, "consent-api").await;
    tab.goto(&stage.authorize(&client, &[("prompt", "select_account")])).await.unwrap();
    gallery.look(&tab, "select-account").await;
    tab.goto(&stage.authorize(&client, &[("prompt", "login")])).await.unwrap();
    gallery.look(&tab, "reauthenticate").await;
    stage.open(&tab, "/device?user_code=EAAAAAAA").await;
    gallery.look(&tab, "device-error").await;
    let television = RelyingParty::register(&stage.app, json!({ "name": "Television", "isPublic": true })).await;
    let agent =
        television.agent.clone().with_header("user-agent", "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Firefox/140.0");
    let television = RelyingParty { agent, ..television };
    let wanted = [("scope", "openid profile email")];
    let waiting = television.post("/api/oidc/device/authorize", &wanted).await.expect(200).json();
    stage.open(&tab, &format!("/device?user_code={}", waiting["user_code"].as_str().unwrap())).await;
    gallery.look(&tab, "device").await;
    tab.click(role("button", "Authorize")).await.unwrap();
    tab.wait_for_text("The device has been authorized.").await.unwrap();
    gallery.look(&tab, "device-authorized").await;
    stage.open(&tab, &logout).await;
    gallery.look(&tab, "logout").await;
    stage.open(&tab, "/signup/add-passkey").await;
    gallery.look(&tab, "add-passkey").await;
    tab.click(role("button", "Skip for now")).await.unwrap();
    tab.wait_for(role("alertdialog", "Skip Passkey Setup")).await.unwrap();
    gallery.look(&tab, "add-passkey-skip").await;
    gallery.finish();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn signing_up_looks_right() {
    let mut gallery = Gallery::default();
    let stage = Stage::empty().await;
    let admin = stage.app.admin().await;
    let tab = stage.tab().await;
    let _passkeys = tab.authenticator().await.unwrap();
    stage.open(&tab, "/signup").await;
    gallery.look(&tab, "signup-disabled").await;
    let domains = json!(["example.com", "example.org"]).to_string();
    let open = json!({ "allowUserSignups": "open", "signupEmailDomains": domains, "signupNeedsApproval": "true" });
    stage.configure(open).await;
    stage.open(&tab, "/login").await;
    gallery.look(&tab, "login-signup").await;
    stage.open(&tab, "/signup").await;
    gallery.look(&tab, "signup").await;
    for (label, value) in [("Username", "tim"), ("Email", "tim@elsewhere.example")] {
        tab.fill(role("textbox", label), value).await.unwrap();
    }
    tab.click(role("button", "Sign Up")).await.unwrap();
    tab.wait_for_text("Must be an address of a domain that may sign up").await.unwrap();
    gallery.look(&tab, "signup-errors").await;
    tab.fill(role("textbox", "Email"), "tim@example.org").await.unwrap();
    tab.click(role("button", "Sign Up")).await.unwrap();
    tab.wait_for(role("heading", "Set up your passkey")).await.unwrap();
    tab.click(role("button", "Add Passkey")).await.unwrap();
    tab.wait_for(role("heading", "Waiting for approval")).await.unwrap();
    gallery.look(&tab, "signup-waiting").await;

    stage.forget().await;
    let script = stage.app.script();
    for name in ["Family", "Guests", "Staff"] {
        let group = json!({ "name": name.to_lowercase(), "friendlyName": name });
        let group = script.post("/api/user-groups", &group).await.expect(201).id();
        let token = json!({ "usageLimit": name.len(), "ttl": "168h", "userGroupIds": [group] });
        script.post("/api/signup-tokens", &token).await.expect(201);
    }
    stage.sign_in_as(&admin.agent).await;
    stage.open(&tab, "/settings/admin/users").await;
    gallery.look(&tab, "users-approval").await;
    tab.click(role("button", "Create options")).await.unwrap();
    gallery.look(&tab, "users-create-options").await;
    tab.click(role("menuitem", "Create Signup Token")).await.unwrap();
    gallery.look(&tab, "signup-token").await;
    tab.click(role("button", "Create")).await.unwrap();
    tab.wait_for("#signup-token-result:not([hidden])").await.unwrap();
    tab.eval::<serde_json::Value>("document.querySelector('[data-part=uses]').scrollIntoView()").await.unwrap();
    gallery.look(&tab, "signup-token-made").await;
    tab.press("Escape").await.unwrap();
    tab.click(role("button", "Create options")).await.unwrap();
    tab.click(role("menuitem", "View Active Signup Tokens")).await.unwrap();
    gallery.look(&tab, "signup-tokens").await;
    tab.press("Escape").await.unwrap();
    tab.click(role("link", "tim")).await.unwrap();
    tab.wait_for(role("button", "Approve")).await.unwrap();
    gallery.look(&tab, "user-approval").await;
    stage.open(&tab, "/settings/admin/application-configuration#user-creation").await;
    tab.eval::<serde_json::Value>("document.getElementById('creation-title').scrollIntoView()").await.unwrap();
    tab.click("[data-add-row=default-claims]").await.unwrap();
    gallery.look(&tab, "user-creation").await;
    gallery.finish();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_directory_looks_right() {
    let mut gallery = Gallery { wrong: Vec::new() };
    let stage = Stage::empty().await;
    let admin = stage.app.admin().await;
    stage.sign_in_as(&admin.agent).await;
    let tab = stage.tab().await;
    let configuration = "/settings/admin/application-configuration#ldap";
    let to_the_card = "document.getElementById('ldap-title').scrollIntoView()";
    stage.open(&tab, configuration).await;
    tab.click(role("button", "Test connection")).await.unwrap();
    tab.wait_for_text("This field is required").await.unwrap();
    gallery.look(&tab, "ldap-errors").await;
    let entries: String = ["anna", "bernd", "carla", "daniel", "emma"].map(|uid| person(uid, &[])).concat();
    let entries = entries + &person("bad name", &[]) + &group("admins", &[&dn("anna"), "uid=ghost,dc=x"]);
    let directory = directory::start(&entries);
    stage.app.use_directory(&directory.url(), json!({})).await;
    stage.app.sync().await.expect(204);
    let first = stage.app.latest_run().await;
    let change = json!({ "ldapUserSearchFilter": "(objectClass=account)" });
    stage.app.script().patch("/api/application-configuration", &change, None).await.expect(200);
    stage.app.sync().await.expect(409);
    let stopped = stage.app.latest_run().await;
    // The same address with a fragment would not be read anew.
    stage.open(&tab, "/settings/account").await;
    stage.open(&tab, configuration).await;
    tab.eval::<serde_json::Value>(to_the_card).await.unwrap();
    gallery.look(&tab, "ldap").await;
    for (name, run) in [("ldap-report", &first), ("ldap-report-stopped", &stopped)] {
        stage.open(&tab, &format!("/settings/admin/ldap-runs/{}", run["id"].as_str().unwrap())).await;
        gallery.look(&tab, name).await;
    }
    tab.click(role("button", "Go on")).await.unwrap();
    gallery.look(&tab, "ldap-confirm").await;
    stage.open(&tab, "/settings/admin/users").await;
    gallery.look(&tab, "users-from-directory").await;
    gallery.finish();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn signing_in_with_another_device_looks_right() {
    let mut gallery = Gallery::default();
    let stage = Stage::empty().await;
    let admin = stage.app.admin().await;
    let tab = stage.tab().await;
    let _passkeys = tab.authenticator().await.unwrap();
    stage.open(&tab, "/login/alternative/device").await;
    tab.wait_for("[data-request]:not([hidden])").await.unwrap();
    gallery.look(&tab, "device-login").await;
    let code = tab.attribute("[data-testid=device-login-code]", "data-copy").await.unwrap().unwrap();
    let desk = stage.new_window().await.page().await.unwrap();
    desk.on_new_document("delete window.PublicKeyCredential").await.unwrap();
    desk.goto(&stage.url("/login")).await.unwrap();
    desk.wait_for_text("This browser does not support passkeys").await.unwrap();
    gallery.look(&desk, "login-without-passkeys").await;
    let client = stage.client(json!({})).await;
    desk.goto(&stage.authorize(&client, &[])).await.unwrap();
    desk.wait_for_text("This browser does not support passkeys").await.unwrap();
    gallery.look(&desk, "interaction-without-passkeys").await;

    let window = stage.new_window().await;
    let cookie = admin.agent.cookie("access_token").unwrap();
    window.set_cookie(stage.app.url(), "access_token", &cookie).await.unwrap();
    let phone = window.page().await.unwrap();
    let _phone_passkeys = phone.authenticator().await.unwrap();
    phone.goto(&stage.url(&format!("/device?user_code={code}"))).await.unwrap();
    gallery.look(&phone, "device-login-review").await;
    phone.fill("[name=number]", "00").await.unwrap();
    phone.click(role("button", "Approve")).await.unwrap();
    phone.wait_for_text("Please try again").await.unwrap();
    gallery.look(&phone, "device-login-review-error").await;
    phone.click(role("button", "Deny")).await.unwrap();
    phone.wait_for_text("The sign-in request was denied.").await.unwrap();
    gallery.look(&phone, "device-login-denied").await;
    tab.wait_for(role("button", "Try again")).await.unwrap();
    gallery.look(&tab, "device-login-error").await;
    gallery.finish();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn images_of_one_s_own_look_right() {
    let mut gallery = Gallery::default();
    let stage = Stage::empty().await;
    let admin = stage.app.admin().await;
    let client = stage.client(json!({})).await;
    let script = stage.app.script();
    for (path, name, content) in [
        ("favicon", "favicon.svg", DARK),
        ("logo", "light.svg", LIGHT),
        ("logo?light=false", "dark.svg", DARK),
        ("default-profile-picture", "sea.jpg", &photograph()),
        ("background", "sea.jpg", &photograph()),
    ] {
        script.put_file(&format!("/api/application-images/{path}"), name, content).await.expect(204);
    }
    let tab = stage.tab().await;
    let _passkeys = tab.authenticator().await.unwrap();
    stage.open(&tab, "/login").await;
    gallery.look(&tab, "images-login").await;
    tab.goto(&stage.authorize(&client, &[])).await.unwrap();
    gallery.look(&tab, "images-interaction").await;
    stage.open(&tab, "/nowhere").await;
    gallery.look(&tab, "images-not-found").await;
    stage.sign_in_as(&admin.agent).await;
    stage.open(&tab, "/settings/account").await;
    gallery.look(&tab, "images-account").await;
    stage.open(&tab, "/settings/admin/application-configuration").await;
    // Pictures that are far down are fetched when they come near.
    tab.eval::<serde_json::Value>("document.querySelector('#images').scrollIntoView()").await.unwrap();
    tab.wait_idle().await.unwrap();
    let empty: Vec<String> =
        tab.eval("[...document.images].filter((i) => !i.naturalWidth).map((i) => i.src)").await.unwrap();
    assert_eq!(empty, Vec::<String>::new());
    tab.eval::<serde_json::Value>("scrollTo(0, 0)").await.unwrap();
    gallery.look(&tab, "images-configuration").await;
    gallery.finish();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_account_looks_right() {
    let mut gallery = Gallery::default();
    let stage = Stage::empty().await;
    let mut admin = stage.app.admin().await;
    let phone = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Mobile/15E148 Safari/604.1";
    admin.sign_in_at(&stage.app.agent().with_header("user-agent", phone)).await.expect(200);
    admin.sign_in().await.expect(200);
    stage.sign_in_as(&admin.agent).await;
    let tab = stage.tab().await;
    let _passkeys = tab.authenticator().await.unwrap();
    stage.open(&tab, "/settings").await;
    gallery.look(&tab, "account-one-passkey").await;
    tab.click("button[data-dialog=login-code]").await.unwrap();
    tab.click(role("button", "Show Code")).await.unwrap();
    tab.wait_for("#login-code-result:not([hidden])").await.unwrap();
    gallery.look(&tab, "account-own-code").await;
    tab.press("Escape").await.unwrap();
    tab.click(role("button", "My Account")).await.unwrap();
    gallery.look(&tab, "account-menu").await;
    tab.press("Escape").await.unwrap();
    tab.click(role("button", "Rename")).await.unwrap();
    gallery.look(&tab, "account-rename").await;
    tab.press("Escape").await.unwrap();
    tab.click(role("button", "Delete")).await.unwrap();
    gallery.look(&tab, "account-delete").await;
    tab.press("Escape").await.unwrap();
    tab.click(role("button", "Add Passkey")).await.unwrap();
    tab.wait_for(role("dialog", "Name Passkey")).await.unwrap();
    gallery.look(&tab, "account-named").await;
    tab.press("Escape").await.unwrap();
    tab.fill(role("textbox", "Username"), "_").await.unwrap();
    tab.click(role("button", "Save")).await.unwrap();
    tab.wait_for_text("must start").await.unwrap();
    gallery.look(&tab, "account-errors").await;
    let person = stage.app.person("tim").await;
    let keys = person.agent.get("/api/webauthn/credentials").await.expect(200).json();
    person.agent.delete(&format!("/api/webauthn/credentials/{}", keys[0]["id"].as_str().unwrap())).await.expect(204);
    stage.configure(json!({ "allowOwnAccountEdit": "false" })).await;
    stage.sign_in_as(&person.agent).await;
    stage.open(&tab, "/settings/account").await;
    gallery.look(&tab, "account-locked-no-passkey").await;
    gallery.finish();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_administration_looks_right() {
    let mut gallery = Gallery::default();
    let stage = Stage::empty().await;
    let admin = stage.app.admin().await;
    stage.sign_in_as(&admin.agent).await;
    let tab = stage.tab().await;
    stage.open(&tab, "/settings/admin/oidc-clients").await;
    gallery.look(&tab, "clients-none").await;
    let script = stage.app.script();
    let mut groups = Vec::new();
    for (name, shown) in [("staff", "Staff"), ("book_club", "Book Club"), ("family", "Family")] {
        let made = script.post("/api/user-groups", &json!({ "name": name, "friendlyName": shown })).await.expect(201);
        groups.push(made.json()["id"].as_str().unwrap().to_owned());
    }
    let mut people = Vec::new();
    for n in 0..24 {
        let name =
            ["Grace Hopper", "Tim Berners-Lee", "Annie Easley", "Radia Perlman", "Alan Kay", "Mary Jackson"][n % 6];
        let (first, last) = name.split_once(' ').unwrap();
        let body = json!({ "username": format!("user{n}"), "email": format!("user{n}@example.com"), "firstName": first,
            "lastName": last, "displayName": name, "disabled": n == 3, "isAdmin": n == 1 });
        people.push(script.post("/api/users", &body).await.expect(201).json()["id"].as_str().unwrap().to_owned());
    }
    script.put(&format!("/api/user-groups/{}/users", groups[0]), &json!({ "userIds": people[..5] })).await.expect(200);
    let claims = json!([{ "key": "nextcloud_username", "value": "grace" }, { "key": "quota", "value": "5 GB" }]);
    script.put(&format!("/api/custom-claims/user/{}", people[0]), &claims).await.expect(200);
    let cloud =
        stage.client(json!({ "description": "Files, calendars and contacts", "isGroupRestricted": true })).await;
    let cloud = cloud["id"].as_str().unwrap();
    stage.client(json!({ "name": "Immich", "isPublic": true, "launchURL": "https://photos.example" })).await;
    stage.client(json!({ "name": "Grafana", "isGroupRestricted": true, "requiresReauthentication": true })).await;
    let allowed = json!({ "userGroupIds": groups[..1] });
    script.put(&format!("/api/oidc/clients/{cloud}/allowed-user-groups"), &allowed).await.expect(200);

    let apps = [
        ("Jellyfin", "Films and series"),
        ("Paperless", "Every document of the house, scanned and found again by a word of it"),
    ];
    for (name, text) in apps {
        let url = format!("https://{}.example.com", name.to_lowercase());
        stage.client(json!({ "name": name, "description": text, "launchURL": url })).await;
    }
    for rotation in [json!({}), json!({ "now": true }), json!({}), json!({ "alg": "ES256", "now": true })] {
        script.post("/api/signing-keys/rotate", &rotation).await.expect(200);
    }
    let keys = script.get("/api/signing-keys").await.expect(200).json();
    let retired = keys.as_array().unwrap().iter().find(|key| key["state"] == "retired").unwrap();
    script.delete(&format!("/api/signing-keys/{}", retired["kid"].as_str().unwrap())).await.expect(204);
    stage.open(&tab, "/settings/apps").await;
    gallery.look(&tab, "apps").await;
    stage.open(&tab, "/settings/admin/users").await;
    gallery.look(&tab, "users").await;
    tab.click("tbody tr:nth-child(2) button[aria-label='Toggle menu']").await.unwrap();
    gallery.look(&tab, "users-menu").await;
    tab.click(role("menuitem", "Login Code")).await.unwrap();
    tab.click(role("button", "Show Code")).await.unwrap();
    tab.wait_for("#login-code-result:not([hidden])").await.unwrap();
    gallery.look(&tab, "users-code").await;
    tab.press("Escape").await.unwrap();
    tab.click(role("button", "Add User")).await.unwrap();
    gallery.look(&tab, "users-add").await;
    tab.press("Escape").await.unwrap();
    let user = format!("/settings/admin/users/{}", people[0]);
    for hash in ["general", "groups", "passkeys", "sessions", "custom-claims"] {
        stage.open(&tab, "/settings/admin/user-groups").await;
        stage.open(&tab, &format!("{user}#{hash}")).await;
        gallery.look(&tab, &format!("user-{hash}")).await;
    }
    stage.open(&tab, "/settings/admin/user-groups").await;
    gallery.look(&tab, "groups").await;
    let group = format!("/settings/admin/user-groups/{}", groups[0]);
    for hash in ["general", "users", "clients", "custom-claims"] {
        stage.open(&tab, "/settings/admin/users").await;
        stage.open(&tab, &format!("{group}#{hash}")).await;
        gallery.look(&tab, &format!("group-{hash}")).await;
    }
    stage.open(&tab, "/settings/admin/oidc-clients").await;
    gallery.look(&tab, "clients").await;
    tab.click(role("button", "Add OIDC Client")).await.unwrap();
    tab.click("[data-add-row=new-callbacks]").await.unwrap();
    gallery.look(&tab, "clients-add").await;
    let choose = "(() => { const s = document.getElementById('new-template'); s.value = 'nextcloud'; \
        s.dispatchEvent(new Event('change', { bubbles: true })); })()";
    tab.eval::<serde_json::Value>(choose).await.unwrap();
    gallery.look(&tab, "clients-add-template").await;
    tab.press("Escape").await.unwrap();
    let receiver = Receiver::start().await;
    let url = json!({ "backchannelLogoutURL": receiver.url("/apps/user_oidc/backchannel-logout/1") });
    script.patch(&format!("/api/oidc/clients/{cloud}"), &url, None).await.expect(200);
    receiver.answers(&[Manner::Status(200), Manner::Status(500)]);
    for _ in 0..2 {
        script.post(&format!("/api/oidc/clients/{cloud}/backchannel-logout/test"), &json!({})).await.expect(200);
    }
    let identities = json!([{ "issuer": "https://kubernetes.default.svc", "replayProtection": false }]);
    let mapping = json!({ "rename": { "preferred_username": "username" }, "drop": ["picture"],
        "constants": { "tenant": "home" }, "groups": { "format": "names", "filter": ["cloud-*"] } });
    let told = json!({ "credentials": { "federatedIdentities": identities }, "claimMapping": mapping });
    script.patch(&format!("/api/oidc/clients/{cloud}"), &told, None).await.expect(200);
    let scopes = json!([{ "name": "work", "description": "Your team at work", "claims": ["team", "department"] }]);
    stage.configure(json!({ "namedScopes": scopes.to_string() })).await;
    for hash in ["general", "user-groups", "credentials", "claims", "logout", "oidc-data-preview"] {
        stage.open(&tab, "/settings/admin/users").await;
        stage.open(&tab, &format!("/settings/admin/oidc-clients/{cloud}#{hash}")).await;
        if hash == "general" {
            tab.click("#client-form details.more > summary").await.unwrap();
        }
        gallery.look(&tab, &format!("client-{hash}")).await;
    }
    stage.open(&tab, &format!("/settings/admin/oidc-clients/{cloud}#credentials")).await;
    tab.click(role("button", "Add client secret")).await.unwrap();
    tab.wait_for("#new-secret:not([hidden])").await.unwrap();
    gallery.look(&tab, "client-secret").await;
    stage.open(&tab, &format!("/settings/admin/oidc-clients/{cloud}#claims")).await;
    tab.click("[data-add-row=rename]").await.unwrap();
    tab.fill("#rename .list-row:last-child [name='from[]']", "sub").await.unwrap();
    tab.fill("#rename .list-row:last-child [name='to[]']", "id").await.unwrap();
    tab.click("#mapping-form button[type=submit]").await.unwrap();
    tab.wait_for("#rename .field-error").await.unwrap();
    gallery.look(&tab, "client-claims-refused").await;
    stage.open(&tab, "/settings/admin/users").await;
    stage.open(&tab, &format!("/settings/admin/oidc-clients/{cloud}#oidc-data-preview")).await;
    tab.click(role("button", "Show")).await.unwrap();
    // The administrator is in none of the groups that may enter.
    tab.wait_for("#preview-problem .alert-danger").await.unwrap();
    gallery.look(&tab, "client-preview-refused").await;
    tab.fill(role("combobox", "Users"), &people[0]).await.unwrap();
    tab.wait_for("#id-token .copy-row").await.unwrap();
    gallery.look(&tab, "client-preview").await;
    tab.press("Escape").await.unwrap();
    tab.click(role("button", "Start test sign-in")).await.unwrap();
    tab.wait_for("#test-result li[data-state=no]").await.unwrap();
    gallery.look(&tab, "client-test-refused").await;
    tab.fill(role("combobox", "Person"), &people[0]).await.unwrap();
    tab.wait_for("#test-result .alert-ok").await.unwrap();
    gallery.look(&tab, "client-test").await;
    for hash in ["general", "user-creation", "passkeys", "email", "ldap", "oidc"] {
        stage.open(&tab, &format!("/settings/admin/application-configuration#{hash}")).await;
        gallery.look(&tab, &format!("configuration-{hash}")).await;
    }
    gallery.finish();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_logs_and_apis_look_right() {
    let mut gallery = Gallery::default();
    let stage = Stage::empty().await;
    let mut admin = stage.app.admin().await;
    let script = stage.app.script();
    let soon = stage.app.app().clock().now().plus_minutes(30).to_string();
    for (name, text, expires, scopes) in [
        ("nightly backup", "", soon.as_str(), json!([])),
        ("ci", "Registers a client for every preview of the shop", "2027-06-01T00:00:00Z", json!(["clients"])),
        ("grafana", "Reads the audit log", "2027-02-01T00:00:00Z", json!(["read-only", "audit"])),
    ] {
        let body =
            json!({ "name": format!("{name} key"), "description": text, "expiresAt": expires, "scopes": scopes });
        admin.agent.post("/api/api-keys", &body).await.expect(201);
    }
    stage.app.advance(31 * 60);
    let firefox = "Mozilla/5.0 (X11; Linux x86_64; rv:142.0) Gecko/20100101 Firefox/142.0";
    admin.sign_in_at(&stage.app.agent().with_header("user-agent", firefox)).await.expect(200);
    admin.sign_in().await.expect(200);
    let tim = stage.app.person("tim").await;
    script.patch(&format!("/api/users/{}", tim.id()), &json!({ "firstName": "Tim" }), None).await.expect(200);
    stage.sign_in_as(&admin.agent).await;
    let tab = stage.tab().await;
    stage.open(&tab, "/settings/admin/apis").await;
    gallery.look(&tab, "apis-none").await;
    let mut apis = Vec::new();
    for (name, resource) in [("Orders", "https://orders.example"), ("Calendar", "urn:example:calendar")] {
        let body = json!({ "name": name, "resource": resource });
        apis.push(script.post("/api/apis", &body).await.expect(201).id());
    }
    let permissions = json!({ "permissions": [
        { "key": "orders:read", "name": "Read orders", "description": "See what you ordered, and when it comes" },
        { "key": "orders:write", "name": "Change orders" },
        { "key": "https://orders.example/scopes/administration.everything", "name": "Administer all orders" },
    ] });
    let orders = script.put(&format!("/api/apis/{}/permissions", apis[0]), &permissions).await.expect(200).json();
    let cloud = stage.client(json!({})).await;
    let cloud = cloud["id"].as_str().unwrap();
    stage.client(json!({ "name": "Immich", "isPublic": true })).await;
    let ids = [&orders["permissions"][0]["id"], &orders["permissions"][1]["id"]];
    let access = json!({ "userDelegatedPermissionIds": ids, "clientAccess": true });
    script.put(&format!("/api/apis/{}/clients/{cloud}", apis[0]), &access).await.expect(200);

    stage.open(&tab, "/settings/admin/apis").await;
    gallery.look(&tab, "apis").await;
    tab.click(role("button", "Add API")).await.unwrap();
    gallery.look(&tab, "apis-add").await;
    stage.open(&tab, &format!("/settings/admin/apis/{}", apis[0])).await;
    gallery.look(&tab, "api").await;
    tab.click(role("button", "Add client")).await.unwrap();
    gallery.look(&tab, "api-add-client").await;
    tab.press("Escape").await.unwrap();
    tab.click(role("button", "Edit")).await.unwrap();
    tab.wait_for(role("dialog", "Nextcloud")).await.unwrap();
    gallery.look(&tab, "api-access").await;
    tab.press("Escape").await.unwrap();
    tab.click("[data-add-row=permission-rows]").await.unwrap();
    tab.type_text("openid").await.unwrap();
    tab.click("#permissions-form button[type=submit]").await.unwrap();
    tab.wait_for("#permissions-form .field-error").await.unwrap();
    gallery.look(&tab, "api-errors").await;
    tab.click(role("tab", "Metadata document clients")).await.unwrap();
    tab.click(role("switch", "Allow all metadata document clients")).await.unwrap();
    gallery.look(&tab, "api-metadata").await;
    stage.open(&tab, &format!("/settings/admin/oidc-clients/{cloud}#api-access")).await;
    gallery.look(&tab, "client-api-access").await;

    stage.open(&tab, "/settings/admin/api-keys").await;
    gallery.look(&tab, "api-keys").await;
    tab.click(role("button", "Add API Key")).await.unwrap();
    gallery.look(&tab, "api-keys-add").await;
    tab.fill(role("textbox", "Name"), "deploy key").await.unwrap();
    tab.click("#add-key button[type=submit]").await.unwrap();
    tab.wait_for(role("dialog", "API Key Created")).await.unwrap();
    gallery.look(&tab, "api-keys-created").await;
    tab.press("Escape").await.unwrap();
    tab.click("tr:has(.badge-warn) button").await.unwrap();
    gallery.look(&tab, "api-keys-menu").await;
    tab.click(role("menuitem", "Renew")).await.unwrap();
    gallery.look(&tab, "api-keys-renew").await;
    stage.open(&tab, "/settings/audit-log").await;
    gallery.look(&tab, "audit-log").await;
    stage.open(&tab, "/settings/audit-log/global").await;
    tab.click("summary").await.unwrap();
    gallery.look(&tab, "audit-log-global").await;
    stage.open(&tab, "/settings/audit-log/global?filters[location]=external").await;
    gallery.look(&tab, "audit-log-none").await;
    gallery.finish();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_api_reads_well() {
    let mut gallery = Gallery::default();
    let stage = Stage::empty().await;
    let tab = stage.tab().await;
    for (path, name) in [
        ("/docs/api", "api-docs"),
        ("/docs/api/oidc-clients", "api-docs-clients"),
        ("/docs/api/audit-log", "api-docs-audit"),
    ] {
        stage.open(&tab, path).await;
        gallery.look(&tab, name).await;
    }
    gallery.finish();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mail_looks_right() {
    let mut gallery = Gallery::default();
    let stage = Stage::empty().await;
    let admin = stage.app.admin().await;
    let mut mailbox = Mailbox::start("none", false);
    let on = json!({
        "emailOneTimeAccessAsUnauthenticatedEnabled": "true", "emailVerificationEnabled": "true",
        "emailOneTimeAccessAsAdminEnabled": "true",
    });
    mailbox.connect(&stage.app, on).await;
    let tab = stage.tab().await;
    for (path, name) in [
        ("/login/alternative", "alternative-mail"),
        ("/login/alternative/email", "email-login"),
        ("/login/alternative/email?sent=1", "email-login-sent"),
    ] {
        stage.open(&tab, path).await;
        gallery.look(&tab, name).await;
    }
    let user = format!("/api/users/{}", admin.id());
    stage.app.script().patch(&user, &json!({ "emailVerified": false }), None).await.expect(200);
    stage.sign_in_as(&admin.agent).await;
    for (path, name) in [
        ("/settings/account", "account-unverified"),
        ("/verify-email?token=x", "verify-email"),
        ("/settings/admin/system", "system"),
        ("/settings/admin/application-configuration#email", "configuration-mail"),
    ] {
        stage.open(&tab, path).await;
        gallery.look(&tab, name).await;
    }
    gallery.finish();
    // The letters themselves, as a mail program shows them.
    stage.app.script().post(&format!("{user}/one-time-access-email"), &json!({})).await.expect(204);
    let letter = mailbox.letter().await;
    if let Some(folder) = std::env::var_os("SCREENSHOTS") {
        std::fs::write(Path::new(&folder).join("letter.html"), letter["html"].as_str().unwrap()).unwrap();
    }
}

/// What tells people of their accounts: the link in a letter, the banner on their page, and who waits at sign-up.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn notices_look_right() {
    let mut gallery = Gallery::default();
    let stage = Stage::empty().await;
    let (mut admin, mut tim) = (stage.app.admin().await, stage.app.person("tim").await);
    let mut mailbox = Mailbox::start("none", false);
    let on = json!({ "emailLoginNotificationEnabled": "true", "emailLoginCodeNoticeEnabled": "true",
        "allowUserSignups": "open", "signupEmailDomains": "[\"example.com\"]" });
    mailbox.connect(&stage.app, on).await;
    let firefox = "Mozilla/5.0 (X11; Linux x86_64; rv:142.0) Gecko/20100101 Firefox/142.0";
    tim.sign_in_at(&stage.app.agent().with_header("user-agent", firefox)).await.expect(200);
    let letter = mailbox.letter().await;
    let text = letter["text"].as_str().unwrap();
    let link = text[text.find("/not-me").unwrap()..].split_whitespace().next().unwrap();
    if let Some(folder) = std::env::var_os("SCREENSHOTS") {
        std::fs::write(Path::new(&folder).join("letter-device.html"), letter["html"].as_str().unwrap()).unwrap();
    }
    // By whoever reads the mail, who is not signed in here; programs that look at the link change nothing.
    let tab = stage.tab().await;
    stage.open(&tab, link).await;
    gallery.look(&tab, "not-me").await;
    tab.click(role("button", "Sign it out")).await.unwrap();
    tab.wait_for(role("heading", "This device is signed out")).await.unwrap();
    gallery.look(&tab, "not-me-done").await;
    stage.open(&tab, "/not-me?token=x").await;
    gallery.look(&tab, "not-me-over").await;

    // Who has to prove their address, and then to wait.
    stage.open(&tab, "/signup").await;
    for (label, value) in
        [("Username", "ann"), ("Email", "ann@example.com"), ("First name", "Ann"), ("Last name", "Lee")]
    {
        tab.fill(role("textbox", label), value).await.unwrap();
    }
    let _passkeys = tab.authenticator().await.unwrap();
    tab.click(role("button", "Sign Up")).await.unwrap();
    tab.wait_for(role("heading", "Set up your passkey")).await.unwrap();
    tab.click(role("button", "Add Passkey")).await.unwrap();
    tab.wait_for(role("heading", "Confirm your address")).await.unwrap();
    mailbox.letter().await;
    gallery.look(&tab, "signup-proof").await;
    stage
        .app
        .script()
        .patch("/api/application-configuration", &json!({ "signupNeedsApproval": "true" }), None)
        .await
        .expect(200);
    tab.click(role("button", "Send again")).await.unwrap();
    let letter = mailbox.letter().await;
    let text = letter["text"].as_str().unwrap();
    let link = text[text.find("/verify-email").unwrap()..].split_whitespace().next().unwrap().to_owned();
    let window = stage.new_window().await;
    let other = window.page().await.unwrap();
    stage.open(&other, &link).await;
    other.wait_for(role("heading", "Did you sign up?")).await.unwrap();
    gallery.look(&other, "verify-elsewhere").await;
    stage.open(&tab, &link).await;
    gallery.look(&tab, "verify-newcomer").await;
    tab.click(role("button", "Verify")).await.unwrap();
    tab.wait_for_text("Email Verified Successfully").await.unwrap();
    stage.forget().await;
    stage.open(&tab, "/signup/verified").await;
    tab.wait_for(role("heading", "Your address is confirmed")).await.unwrap();
    gallery.look(&tab, "signup-verified").await;
    // By whoever reads the mail and has not signed up.
    stage.app.agent().post("/api/signup", &json!({ "username": "eve", "email": "eve@example.com" })).await.expect(201);
    let letter = mailbox.letter().await["text"].as_str().unwrap().to_owned();
    let link = letter[letter.find("/verify-email").unwrap()..].split_whitespace().next().unwrap();
    stage.open(&other, link).await;
    other.click(role("button", "I didn't sign up")).await.unwrap();
    other.wait_for_text("The account was deleted.").await.unwrap();

    // Administrators see who waits, everybody what happened to their account.
    let bob = stage.app.agent();
    bob.post("/api/signup", &json!({ "username": "bob", "email": "bob@example.com" })).await.expect(201);
    let link = mailbox.letter().await["text"].as_str().unwrap().to_owned();
    let token = link.split("/verify-email?token=").nth(1).unwrap().split_whitespace().next().unwrap();
    bob.post("/api/signup/verify-email", &json!({ "token": token })).await.expect(204);
    stage.app.advance(60);
    let path = format!("/api/users/{}/one-time-access-token", admin.id());
    stage.app.script().post(&path, &json!({})).await.expect(201);
    stage.app.advance(60);
    admin.sign_in().await.expect(200);
    stage.sign_in_as(&admin.agent).await;
    stage.open(&tab, "/settings/admin/users").await;
    tab.wait_for_text("One person waits for approval").await.unwrap();
    gallery.look(&tab, "users-waiting").await;
    stage.open(&tab, "/settings/account").await;
    tab.wait_for_text("This happened since you last looked").await.unwrap();
    gallery.look(&tab, "account-happened").await;
    tab.click(role("button", "I know about it")).await.unwrap();
    tab.wait_gone("#notices .alert").await.unwrap();
    tab.click(role("switch", "Login codes that were used or made")).await.unwrap();
    tab.click("form[data-api='/api/users/me/notices'] [type=submit]").await.unwrap();
    tab.wait_for_text("Mails updated successfully").await.unwrap();
    assert_eq!(admin.agent.get("/api/users/me/notices").await.expect(200).json()["loginCode"], false);
    gallery.finish();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_configuration_of_the_environment_looks_right() {
    let mut gallery = Gallery::default();
    let stage = Stage::with(TestApp::start_with(&[("UI_CONFIG_DISABLED", "true"), ("APP_NAME", "Club")]).await).await;
    let admin = stage.app.admin().await;
    stage.sign_in_as(&admin.agent).await;
    let tab = stage.tab().await;
    stage.open(&tab, "/settings/admin/application-configuration").await;
    tab.wait_for_text("UI Configuration Disabled").await.unwrap();
    // Nothing can be saved that would be refused.
    let open = "[...document.querySelectorAll('form[data-api=\"/api/application-configuration\"] [type=submit]')]\
        .filter(button => !button.matches(':disabled')).length";
    assert_eq!(tab.eval::<usize>(open).await.unwrap(), 0);
    gallery.look(&tab, "configuration-fixed").await;
    gallery.finish();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn passkey_pages_look_right() {
    let mut gallery = Gallery::default();
    let stage = Stage::empty().await;
    let mut admin = stage.app.admin().await;
    let mut tim = stage.app.person("tim").await;
    let tab = stage.tab().await;
    let _passkeys = tab.authenticator().await.unwrap();
    stage.open(&tab, "/passkey-check").await;
    tab.wait_for("[data-verdict=yes]:not([hidden])").await.unwrap();
    gallery.look(&tab, "passkey-check").await;
    let bare = stage.tab().await;
    bare.on_new_document("delete window.PublicKeyCredential").await.unwrap();
    stage.open(&bare, "/login").await;
    bare.wait_for(role("link", "Why don't passkeys work here?")).await.unwrap();
    gallery.look(&bare, "login-without-passkeys").await;
    bare.goto(&format!("{}/passkey-check", stage.app.listens_at())).await.unwrap();
    bare.wait_for("[data-verdict=no]:not([hidden])").await.unwrap();
    gallery.look(&bare, "passkey-check-bad").await;

    stage.sign_in_as(&tim.agent).await;
    stage.open(&tab, "/settings/account").await;
    tab.click("#passkey-banner summary").await.unwrap();
    gallery.look(&tab, "account-second-passkey").await;
    tim.passkey = pid_testkit::authenticator::SoftAuthenticator::new(-7);
    tim.passkey.aaguid(*b"\xee\x88\x28\x79\x72\x1c\x49\x13\x97\x75\x3d\xfc\xce\x97\x07\x2a");
    tim.passkey.backup_eligible(false).backup_state(false);
    tim.add_passkey().await.expect(200);
    admin.passkey = pid_testkit::authenticator::SoftAuthenticator::new(-7);
    admin.passkey.backup_eligible(false).backup_state(false);
    admin.add_passkey().await.expect(200);
    for n in 0..12 {
        stage.app.person(&format!("person-{n}")).await;
    }
    stage.sign_in_as(&admin.agent).await;
    stage.open(&tab, &format!("/settings/admin/users/{}#passkeys", tim.id())).await;
    gallery.look(&tab, "user-passkeys").await;
    stage.open(&tab, "/settings/admin/application-configuration#passkeys").await;
    tab.click("[data-add-row=allowed-aaguids]").await.unwrap();
    tab.fill("[name='webauthnAllowedAaguids[]']", "ee882879-721c-4913-9775-3dfcce97072a").await.unwrap();
    tab.click("[data-add-row=related-origins]").await.unwrap();
    tab.fill("[name='webauthnRelatedOrigins[]']", "http://nas.lan").await.unwrap();
    tab.click("#passkey-form button[type=submit]").await.unwrap();
    tab.wait_for_text("where browsers offer no passkeys").await.unwrap();
    gallery.look(&tab, "passkey-policy-error").await;
    stage.open(&tab, "/settings/admin/application-configuration#passkeys").await;
    tab.click(role("switch", "Allow synced passkeys")).await.unwrap();
    tab.click(role("switch", "Apply to existing passkeys")).await.unwrap();
    tab.click("#passkey-form button[type=submit]").await.unwrap();
    tab.wait_for(role("alertdialog", "This locks people out")).await.unwrap();
    gallery.look(&tab, "passkey-policy-locks-out").await;
    gallery.finish();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_roles_show_looks_right() {
    let mut gallery = Gallery { wrong: Vec::new() };
    let stage = Stage::empty().await;
    let admin = stage.app.admin().await;
    let (manager, auditor) = (stage.app.person("manager").await, stage.app.person("auditor").await);
    let tim = stage.app.person("tim").await;
    stage.app.give(&manager, &["user-manager"]).await;
    stage.app.give(&auditor, &["auditor"]).await;
    let script = stage.app.script();
    let mut groups = Vec::new();
    for (name, shown, roles) in [("staff", "Staff", json!([])), ("audit", "Revision", json!(["auditor"]))] {
        let made = json!({ "name": name, "friendlyName": shown, "roles": roles });
        groups.push(script.post("/api/user-groups", &made).await.expect(201).id());
    }
    let members = json!({ "userIds": [admin.id(), tim.id()] });
    script.put(&format!("/api/user-groups/{}/users", groups[0]), &members).await.expect(200);
    let claims = json!([{ "key": "desk", "value": "4" }]);
    script.put(&format!("/api/custom-claims/user/{}", tim.id()), &claims).await.expect(200);
    script.put(&format!("/api/custom-claims/user-group/{}", groups[0]), &claims).await.expect(200);
    let client = stage.client(json!({ "isGroupRestricted": true })).await;
    let client = format!("/settings/admin/oidc-clients/{}", client["id"].as_str().unwrap());
    let api = script.post("/api/apis", &json!({ "name": "Notes", "resource": "https://notes.example" })).await;
    let api = format!("/settings/admin/apis/{}", api.expect(201).id());
    script.post("/api/signup-tokens", &json!({ "usageLimit": 3, "userGroupIds": [groups[1]] })).await.expect(201);
    let user = |id: &str| format!("/settings/admin/users/{id}");
    let group = |n: usize| format!("/settings/admin/user-groups/{}", groups[n]);
    let tab = stage.tab().await;

    stage.sign_in_as(&admin.agent).await;
    stage.open(&tab, &user(auditor.id())).await;
    gallery.look(&tab, "roles-user").await;
    stage.open(&tab, &group(1)).await;
    gallery.look(&tab, "roles-group").await;

    stage.sign_in_as(&manager.agent).await;
    for (path, name) in [
        ("/settings/admin/users".to_owned(), "manager-users"),
        (user(admin.id()), "manager-user-out-of-reach"),
        (user(tim.id()), "manager-user"),
        (format!("{}#groups", user(tim.id())), "manager-user-groups"),
        ("/settings/admin/user-groups".to_owned(), "manager-groups"),
        (format!("{}#users", group(0)), "manager-group-users"),
        (group(0), "manager-group"),
        (format!("{}#clients", group(0)), "manager-group-clients"),
        (format!("{}#custom-claims", group(0)), "manager-group-claims"),
        (group(1), "manager-group-out-of-reach"),
    ] {
        stage.open(&tab, "/settings/apps").await;
        stage.open(&tab, &path).await;
        gallery.look(&tab, name).await;
    }
    stage.open(&tab, "/settings/admin/users").await;
    tab.click(role("button", "Create options")).await.unwrap();
    tab.click(role("menuitem", "View Active Signup Tokens")).await.unwrap();
    gallery.look(&tab, "manager-tokens").await;

    stage.sign_in_as(&auditor.agent).await;
    for (path, name) in [
        ("/settings/admin/users".to_owned(), "auditor-users"),
        (user(tim.id()), "auditor-user"),
        (format!("{}#passkeys", user(tim.id())), "auditor-user-passkeys"),
        (format!("{}#custom-claims", user(tim.id())), "auditor-user-claims"),
        (format!("{}#users", group(0)), "auditor-group-users"),
        ("/settings/admin/oidc-clients".to_owned(), "auditor-clients"),
        (client.clone(), "auditor-client"),
        (format!("{client}#credentials"), "auditor-client-credentials"),
        (api, "auditor-api"),
        ("/settings/admin/application-configuration".to_owned(), "auditor-configuration"),
        ("/settings/audit-log/global".to_owned(), "auditor-log"),
    ] {
        stage.open(&tab, "/settings/apps").await;
        stage.open(&tab, &path).await;
        gallery.look(&tab, name).await;
    }
    gallery.finish();
}

/// Whatever colour an administrator chooses, words and states are seen in it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn any_accent_looks_right() {
    let stage = Stage::empty().await;
    let admin = stage.app.admin().await;
    let client = stage.client(json!({ "launchURL": "https://cloud.example.com" })).await;
    let tab = stage.tab().await;
    let mut wrong = Vec::new();
    for accent in ["#ffffff", "#000000", "#fff36d", "#10007a", "oklch(0.7 0.3 330)"] {
        stage.configure(json!({ "accentColor": accent })).await;
        for (path, is_in) in [
            (stage.url("/login"), false),
            (stage.authorize(&client, &[]), true),
            (stage.url("/settings/apps"), true),
            (stage.url("/settings/admin/users"), true),
            (stage.url("/settings/admin/application-configuration"), true),
        ] {
            if is_in {
                stage.sign_in_as(&admin.agent).await;
            } else {
                stage.forget().await;
            }
            tab.goto(&path).await.unwrap();
            for scheme in ["light", "dark"] {
                tab.set_media(&[("prefers-color-scheme", scheme), ("prefers-reduced-motion", "reduce")]).await.unwrap();
                for check in [CONTRAST, MARKS] {
                    let found: Vec<String> = tab.eval(check).await.unwrap();
                    wrong.extend(found.into_iter().map(|what| format!("{accent} on {path}, {scheme}: {what}")));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Where there is nothing yet, what is asked before something is lost, and what happens while something happens.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn states_between_look_right() {
    let mut gallery = Gallery { wrong: Vec::new() };
    let stage = Stage::empty().await;
    let mut admin = stage.app.admin().await;
    stage.sign_in_as(&admin.agent).await;
    let tab = stage.tab().await;
    for (path, name) in [
        ("/settings/apps", "none-apps"),
        ("/settings/admin/user-groups", "none-groups"),
        ("/settings/admin/users?search=nobody", "none-found"),
        ("/settings/admin/api-keys", "none-keys"),
    ] {
        stage.open(&tab, path).await;
        gallery.look(&tab, name).await;
    }
    for n in 0..60 {
        let group = json!({ "name": format!("team_{n}"), "friendlyName": format!("Team {n}") });
        stage.app.script().post("/api/user-groups", &group).await.expect(201);
    }
    let client = stage.client(json!({ "isGroupRestricted": true })).await;
    let client = format!("/settings/admin/oidc-clients/{}", client["id"].as_str().unwrap());
    stage.open(&tab, &format!("{client}#user-groups")).await;
    tab.fill(role("combobox", "Add a group"), "team 1").await.unwrap();
    tab.wait_for(role("option", "Team 1 team_1")).await.unwrap();
    tab.press("ArrowDown").await.unwrap();
    gallery.look(&tab, "picker").await;
    tab.press("Enter").await.unwrap();
    stage.open(&tab, &client).await;
    tab.click(".logo-address summary").await.unwrap();
    gallery.look(&tab, "client-logo-address").await;
    stage.open(&tab, "/settings/admin/oidc-clients").await;
    tab.click("[data-testid='facet-restricted-trigger']").await.unwrap();
    tab.click("[data-testid='facet-restricted-option-true']").await.unwrap();
    gallery.look(&tab, "facet").await;
    tab.press("Escape").await.unwrap();
    tab.click(role("button", "View")).await.unwrap();
    gallery.look(&tab, "columns").await;
    tab.press("Escape").await.unwrap();
    tab.click(role("button", "Add OIDC Client")).await.unwrap();
    tab.fill("#new-name", "Wiki").await.unwrap();
    tab.press("Escape").await.unwrap();
    tab.wait_for(role("alertdialog", "Discard what you entered?")).await.unwrap();
    gallery.look(&tab, "discard").await;
    stage.open(&tab, "/settings/admin/application-configuration").await;
    tab.click(role("radio", "Custom")).await.unwrap();
    tab.fill(role("textbox", "Color Value"), "#7c3aed").await.unwrap();
    gallery.look(&tab, "accent").await;
    tab.click(role("button", "Apply")).await.unwrap();
    tab.wait_gone("dialog[open]").await.unwrap();
    gallery.look(&tab, "accent-chosen").await;
    for (name, text) in [
        ("Immich", "Photos and videos"),
        ("Jellyfin", "Films and series"),
        ("Paperless", "Every document of the house"),
        ("Grafana", ""),
        ("Gitea", "Code"),
        ("Vaultwarden", "Passwords"),
        ("Mealie", "Recipes, and what is for dinner"),
        ("Actual Budget", "Where the money goes"),
        ("Home Assistant", "Lights, heating, doors"),
    ] {
        let host = name.to_lowercase().replace(' ', "-");
        stage
            .client(json!({ "name": name, "description": text, "launchURL": format!("https://{host}.example.com") }))
            .await;
    }
    stage.open(&tab, "/settings/apps").await;
    gallery.look(&tab, "apps-many").await;
    stage.open(&tab, "/settings/admin/application-configuration").await;
    tab.fill(role("textbox", "Application Name"), "House").await.unwrap();
    // The server takes its time.
    tab.call("Fetch.enable", json!({ "patterns": [{ "urlPattern": "*/api/*" }] })).await.unwrap();
    tab.click("#configuration [type=submit]").await.unwrap();
    tab.wait_for("#configuration .is-busy").await.unwrap();
    gallery.look(&tab, "busy").await;
    tab.call("Fetch.disable", json!({})).await.unwrap();
    // It is away.
    stage.open(&tab, "/settings/account").await;
    let away = json!({ "offline": true, "latency": 0, "downloadThroughput": -1, "uploadThroughput": -1 });
    tab.call("Network.emulateNetworkConditions", away).await.unwrap();
    tab.wait_for_text("The server can’t be reached").await.unwrap();
    gallery.look(&tab, "offline").await;
    let back = json!({ "offline": false, "latency": 0, "downloadThroughput": -1, "uploadThroughput": -1 });
    tab.call("Network.emulateNetworkConditions", back).await.unwrap();
    // The session is over.
    tab.fill("#display-name", "Ada L.").await.unwrap();
    admin.agent.post("/api/webauthn/logout", &json!({})).await;
    tab.click("form[data-api='/api/users/me'] [type=submit]").await.unwrap();
    tab.wait_for(role("alertdialog", "You have been signed out")).await.unwrap();
    gallery.look(&tab, "session-ended").await;
    admin.sign_in().await.expect(200);
    stage.sign_in_as(&admin.agent).await;
    let other = json!({ "name": "Wiki" });
    let other = stage.client(other).await;
    let _fault = stage.app.break_store();
    tab.goto(&stage.authorize(&other, &[])).await.unwrap();
    tab.wait_for(role("heading", "Not ready")).await.unwrap();
    gallery.look(&tab, "unavailable").await;
    gallery.finish();
}
