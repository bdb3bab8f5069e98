//! The browser driver against a real Chromium and a small local site.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may stop with a panic")]

mod support;

use std::time::Duration;

use pid_testkit::chromium::{Algorithm, AuthenticatorOptions, Browser, Page, role};
use support::{Answer, serve};

const FORM: &str = r#"<!doctype html><html lang="en"><meta charset="utf-8"><title>Form</title><link rel="icon" href="data:,">
<meta name="viewport" content="width=device-width">
<style>:root { color-scheme: light dark } body { height: 3000px } .far { margin-top: 2000px }</style>
<h1>Welcome</h1>
<form action="/sent"><label>Name <input name="name" value="old"></label>
<label>Colour <select name="colour"><option value="r">Red</option><option value="g">Green</option></select></label>
<label><input type="checkbox" name="on"> Active</label>
<button>Save</button><button disabled type="button">Never</button></form>
<p class="far"><a href="/next">Go on</a></p>
<button id="late" hidden onclick="document.title = 'clicked'">Late</button>
<button id="app" onclick="location = 'app.example:/callback?code=1'">Open app</button>
<div style="position: relative"><button id="below">Below</button>
  <div id="cover" style="position: absolute; inset: 0; background: red"></div></div>
<script>setTimeout(() => { late.hidden = false }, 300)</script>"#;

async fn page() -> (Page, String) {
    let port = serve(|_, path, _| match path.split('?').next().unwrap() {
        "/form" => Answer::ok("text/html", FORM),
        "/sent" | "/next" => Answer::ok(
            "text/html",
            format!("<!doctype html><title>Sent</title><link rel=icon href='data:,'><p id=got>{path}"),
        ),
        "/away" => {
            Answer("302 Found", vec!["Location: /next".into(), "Set-Cookie: seen=yes; HttpOnly".into()], String::new())
        }
        "/broken" => Answer::ok(
            "text/html",
            "<!doctype html><link rel=icon href='data:,'><img src=/missing><script>console.error('bad', 7); console.log('fine'); throw new Error('worse')</script>",
        ),
        _ => Answer("404 Not Found", vec![], "nothing".into()),
    });
    let page = Browser::shared().await.unwrap().context().await.unwrap().page().await.unwrap();
    (page, format!("http://localhost:{port}"))
}

#[tokio::test]
async fn a_form_is_filled_by_label_and_sent_by_button() {
    let (page, site) = page().await;
    page.goto(&format!("{site}/form")).await.unwrap();
    assert_eq!(page.text("h1").await.unwrap(), "Welcome");
    page.fill(role("textbox", "Name"), "Zoë & co").await.unwrap();
    page.fill("select", "Green").await.unwrap();
    page.click(role("checkbox", "Active")).await.unwrap();
    assert!(page.is_checked("[name=on]").await.unwrap());
    page.click(role("button", "Save")).await.unwrap();
    let url = page.wait_for_url(|url| url.contains("/sent")).await.unwrap();
    assert!(url.ends_with("/sent?name=Zo%C3%AB+%26+co&colour=g&on=on"), "{url}");
    assert_eq!(page.console_errors(), Vec::<String>::new());
    page.back().await.unwrap();
    assert!(page.url().await.unwrap().ends_with("/form"));
}

#[tokio::test]
async fn the_keyboard_walks_and_presses() {
    let (page, site) = page().await;
    page.goto(&format!("{site}/form")).await.unwrap();
    page.press("Tab").await.unwrap();
    assert_eq!(page.focused().await.unwrap(), ("textbox".into(), "Name".into()));
    page.press("Control+a").await.unwrap();
    page.type_text("By hand").await.unwrap();
    assert_eq!(page.value("[name=name]").await.unwrap(), "By hand");
    page.press("Tab").await.unwrap();
    page.press("Shift+Tab").await.unwrap();
    page.press("Enter").await.unwrap();
    page.wait_for_url(|url| url.contains("name=By+hand")).await.unwrap();
    assert!(page.press("Nonsense").await.is_err());
}

#[tokio::test]
async fn clicks_wait_scroll_and_tell_what_is_in_the_way() {
    let (page, site) = page().await;
    page.goto(&format!("{site}/form")).await.unwrap();
    page.click("#late").await.unwrap();
    assert_eq!(page.eval::<String>("document.title").await.unwrap(), "clicked");
    page.set_deadline(Duration::from_secs(1));
    let error = page.click("#below").await.unwrap_err().to_string();
    assert!(error.contains("covered by <div id=\"cover\""), "{error}");
    assert!(error.contains("Welcome") && error.contains("/form"), "{error}");
    page.set_deadline(Duration::from_secs(20));
    page.click(role("link", "Go on")).await.unwrap();
    page.wait_for_text("/next").await.unwrap();
}

#[tokio::test]
async fn a_missing_name_is_told_with_those_that_are_there() {
    let (page, site) = page().await;
    page.goto(&format!("{site}/form")).await.unwrap();
    page.set_deadline(Duration::from_secs(1));
    let error = page.click(role("button", "Delete")).await.unwrap_err().to_string();
    assert!(error.contains("\"Save\""), "{error}");
}

#[tokio::test]
async fn errors_requests_and_navigations_are_seen() {
    let (page, site) = page().await;
    page.goto(&format!("{site}/broken")).await.unwrap();
    page.wait_idle().await.unwrap();
    let errors = page.console_errors().join("\n");
    for part in ["bad 7", "worse", "/missing"] {
        assert!(errors.contains(part), "{part}: {errors}");
    }
    assert!(!errors.contains("fine"), "{errors}");

    page.clear_console_errors();
    page.clear_requests();
    page.goto(&format!("{site}/away")).await.unwrap();
    page.wait_idle().await.unwrap();
    let seen: Vec<_> = page.requests().into_iter().map(|r| (r.url, r.status)).collect();
    assert_eq!(seen, [(format!("{site}/away"), Some(302)), (format!("{site}/next"), Some(200))]);
    let traffic = page.traffic();
    assert_eq!(traffic.requests, 2);
    assert!((200..1000).contains(&traffic.bytes), "{traffic:?}");
    assert_eq!(page.context().cookie("seen").await.unwrap().as_deref(), Some("yes"));

    page.goto(&format!("{site}/form")).await.unwrap();
    page.click("#app").await.unwrap();
    page.wait_for_navigation("app.example:/callback?code=1").await.unwrap();
}

#[tokio::test]
async fn contexts_share_nothing() {
    let (page, site) = page().await;
    page.context().set_cookie(&site, "mine", "1").await.unwrap();
    let other = Browser::shared().await.unwrap().context().await.unwrap();
    assert_eq!(other.cookie("mine").await.unwrap(), None);
    assert_eq!(page.context().cookie("mine").await.unwrap().as_deref(), Some("1"));
    page.context().clear_cookies().await.unwrap();
    assert!(page.context().cookies().await.unwrap().is_empty());
}

#[tokio::test]
async fn looks_are_set_and_pictures_taken() {
    let (page, site) = page().await;
    page.set_viewport(390, 844, true).await.unwrap();
    page.set_color_scheme("dark").await.unwrap();
    page.goto(&format!("{site}/form")).await.unwrap();
    assert_eq!(page.eval::<u32>("innerWidth").await.unwrap(), 390);
    assert!(page.eval::<bool>("matchMedia('(prefers-color-scheme: dark)').matches").await.unwrap());
    assert!(page.eval::<bool>("matchMedia('(pointer: coarse)').matches").await.unwrap());
    let path = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("screenshots/form.png");
    page.screenshot(&path).await.unwrap();
    let png = std::fs::read(&path).unwrap();
    assert_eq!(&png[..8], b"\x89PNG\r\n\x1a\n");
    let number = |at: usize| u32::from_be_bytes(png[at..at + 4].try_into().unwrap());
    assert_eq!(number(16), 390);
    assert!(number(20) >= 3000, "the whole page is on the picture");
}

#[tokio::test]
async fn a_browser_that_nobody_holds_is_gone() {
    let browser = Browser::launch().await.unwrap();
    assert!(browser.version().await.unwrap().contains("Chrome/"));
    let proc = std::path::PathBuf::from(format!("/proc/{}", browser.id()));
    assert!(proc.exists());
    drop(browser);
    assert!(!proc.exists());
}

/// Registers a passkey with the given algorithms on offer; answers the transports and the public key's algorithm.
fn create(algorithms: &[i32]) -> String {
    let list: Vec<_> = algorithms.iter().map(|a| format!("{{ type: 'public-key', alg: {a} }}")).collect();
    format!(
        "navigator.credentials.create({{ publicKey: {{
            rp: {{ id: 'localhost', name: 'Test' }},
            user: {{ id: new Uint8Array(16), name: 'ada', displayName: 'Ada L' }},
            challenge: new Uint8Array(32), pubKeyCredParams: [{}], timeout: 10000,
            authenticatorSelection: {{ residentKey: 'required', userVerification: 'required' }},
        }} }}).then(c => c.response.getPublicKeyAlgorithm(), e => e.name)",
        list.join(",")
    )
}

const GET: &str = "navigator.credentials.get({ publicKey: { challenge: new Uint8Array(32), timeout: 10000, \
    userVerification: 'required' } }).then(c => new Uint8Array(c.response.authenticatorData)[32], e => e.name)";

#[tokio::test]
async fn the_virtual_authenticator_takes_the_first_algorithm_it_knows() {
    let (page, site) = page().await;
    let authenticator = page.authenticator().await.unwrap();
    page.goto(&format!("{site}/form")).await.unwrap();
    for (offer, expected, made) in [
        (&[-7, -257][..], -7, Algorithm::Es256),
        (&[-257, -7], -257, Algorithm::Rs256),
        (&[-36, -8, -7], -8, Algorithm::EdDsa),
    ] {
        authenticator.clear().await.unwrap();
        assert_eq!(page.eval::<i32>(&create(offer)).await.unwrap(), expected);
        let credentials = authenticator.credentials().await.unwrap();
        assert_eq!(credentials.len(), 1);
        assert_eq!(credentials[0].algorithm(), Some(made));
        assert_eq!(credentials[0].rp_id(), "localhost");
        assert_eq!(credentials[0].user_name(), "ada");
        assert_eq!(credentials[0].user_handle(), [0; 16]);
        // UP, UV, BE, BS.
        assert_eq!(page.eval::<u8>(GET).await.unwrap() & 0b1_1111, 0b1_1101);
    }
}

#[tokio::test]
async fn an_algorithm_can_be_forced() {
    let (page, site) = page().await;
    let authenticator = page.authenticator().await.unwrap();
    page.offer_only(Algorithm::Rs256).await.unwrap();
    page.goto(&format!("{site}/form")).await.unwrap();
    assert_eq!(page.eval::<i32>(&create(&[-7, -8, -257])).await.unwrap(), -257);
    assert_eq!(authenticator.credentials().await.unwrap()[0].algorithm(), Some(Algorithm::Rs256));
}

#[tokio::test]
async fn passkeys_move_between_pages_and_fail_without_their_user() {
    let (page, site) = page().await;
    let authenticator = page.authenticator().await.unwrap();
    page.goto(&format!("{site}/form")).await.unwrap();
    page.eval::<i32>(&create(&[-7])).await.unwrap();
    let passkey = authenticator.credentials().await.unwrap().remove(0);

    let other = page.context().page().await.unwrap();
    let second =
        other.authenticator_with(&AuthenticatorOptions { backed_up: false, ..Default::default() }).await.unwrap();
    other.goto(&format!("{site}/form")).await.unwrap();
    second.add(&passkey.clone().with_sign_count(41)).await.unwrap();
    assert!(other.eval::<u8>(GET).await.is_ok());
    assert_eq!(second.credentials().await.unwrap()[0].sign_count(), 42);
    // The first page has kept its own.
    assert!(page.eval::<u8>(GET).await.is_ok());

    second.set_user_verified(false).await.unwrap();
    assert_eq!(other.eval::<String>(GET).await.unwrap(), "NotAllowedError");
    second.remove(&passkey).await.unwrap();
    assert!(second.credentials().await.unwrap().is_empty());
}

/// Starts conditional UI; `got` holds what became of it.
const CONDITIONAL: &str = "window.got = 'pending'; window.abort = new AbortController();
    navigator.credentials.get({ mediation: 'conditional', signal: abort.signal, publicKey: { challenge: new Uint8Array(32) } })
        .then(c => { got = 'signed' }, e => { got = e.name }); undefined";

#[tokio::test]
async fn conditional_ui_answers_at_once_unless_nobody_is_present() {
    let (page, site) = page().await;
    let authenticator = page.authenticator().await.unwrap();
    page.goto(&format!("{site}/form")).await.unwrap();
    let becomes = async |state: &str| {
        let wait = format!(
            "new Promise(done => {{ const t = setInterval(() => got === '{state}' && (clearInterval(t), done(got)), 10);
                setTimeout(() => done(got), 5000); }})"
        );
        assert_eq!(page.eval::<String>(&wait).await.unwrap(), state);
    };
    let start = async || page.eval::<()>(CONDITIONAL).await.unwrap();

    start().await;
    becomes("NotAllowedError").await;

    page.eval::<i32>(&create(&[-7])).await.unwrap();
    start().await;
    becomes("signed").await;

    authenticator.set_present(false).await.unwrap();
    start().await;
    // A page that does not abort it first can't begin another ceremony.
    assert_eq!(page.eval::<String>(GET).await.unwrap(), "OperationError");
    becomes("pending").await;
    page.eval::<()>("void abort.abort()").await.unwrap();
    becomes("AbortError").await;
    authenticator.set_present(true).await.unwrap();
    assert!(page.eval::<u8>(GET).await.is_ok());
}
