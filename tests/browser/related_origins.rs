//! One instance under two names, over TLS: Chromium fetches `/.well-known/webauthn` itself before it lets a passkey be used
//! at the other one (WebAuthn L3 §5.11).

use std::net::Ipv4Addr;
use std::sync::Arc;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use pid_testkit::chromium::{Browser, Context, role};
use pid_tests::{Agent, TestApp};
use rcgen::PublicKeyData as _;
use serde_json::json;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use crate::stage::{focused, quiet, set_up};

/// The name that passkeys are bound to.
const PUBLIC: &str = "id.example.com";
/// Another one, of another site.
const HOME: &str = "id.example.net";

/// A server behind TLS, and a Chromium that finds it under both names.
struct House {
    app: TestApp,
    browser: Browser,
    window: Context,
    proxy: JoinHandle<()>,
}

impl Drop for House {
    fn drop(&mut self) {
        self.proxy.abort();
    }
}

async fn serve(listener: TcpListener, tls: tokio_rustls::TlsAcceptor, server: String) {
    while let Ok((browser, _)) = listener.accept().await {
        let (tls, server) = (tls.clone(), server.clone());
        tokio::spawn(async move {
            let mut browser = tls.accept(browser).await?;
            let mut server = TcpStream::connect(server).await?;
            copy_bidirectional(&mut browser, &mut server).await
        });
    }
}

impl House {
    async fn build() -> Self {
        let app = TestApp::start_with(&[("APP_URL", &format!("https://{PUBLIC}"))]).await;
        let pair = rcgen::generate_simple_self_signed([PUBLIC, HOME].map(str::to_owned).to_vec()).unwrap();
        let key = rustls::pki_types::PrivatePkcs8KeyDer::from(pair.signing_key.serialize_der());
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let server = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![pair.cert.der().clone()], key.into())
            .unwrap();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let to = app.listens_at().replace("http://", "");
        let proxy = tokio::spawn(serve(listener, tokio_rustls::TlsAcceptor::from(Arc::new(server)), to));
        // Trusted by its key, as an authority's certificate would be: on a page with a certificate error there are no passkeys.
        let spki = pair.signing_key.subject_public_key_info();
        let hash = STANDARD.encode(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &spki));
        let browser = Browser::launch_with(&[
            format!("--ignore-certificate-errors-spki-list={hash}"),
            format!(
                "--host-resolver-rules=MAP {PUBLIC} 127.0.0.1:{port}, MAP {HOME} 127.0.0.1:{port}, MAP * ~NOTFOUND"
            ),
        ])
        .await
        .unwrap();
        let window = browser.context().await.unwrap();
        Self { app, browser, window, proxy }
    }

    /// Relates addresses to the first one.
    async fn relate(&self, list: serde_json::Value) {
        let script = Agent::new(&self.app.listens_at()).with_header("x-api-key", TestApp::API_KEY);
        let values = json!({ "webauthnRelatedOrigins": list.to_string() });
        script.patch("/api/application-configuration", &values, None).await.expect(200);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_passkey_signs_in_under_both_names_of_one_instance() {
    let house = House::build().await;
    let (public, home) = (format!("https://{PUBLIC}"), format!("https://{HOME}"));
    let tab = house.window.page().await.unwrap();
    let authenticator = tab.authenticator().await.unwrap();
    tab.goto(&public).await.unwrap();
    set_up(&tab).await;
    tab.click(role("button", "Add Passkey")).await.unwrap();
    tab.wait_for_url(|url| url == format!("{public}/settings/account")).await.unwrap();
    assert_eq!(authenticator.credentials().await.unwrap()[0].rp_id(), PUBLIC);

    // Not related yet: that is said at once, and the browser would refuse, too.
    tab.goto(&format!("{home}/login")).await.unwrap();
    tab.wait_for_text("Passkeys belong to another address").await.unwrap();
    focused(&tab, "link", "Continue at the right address").await;
    let ask = format!(
        "navigator.credentials.get({{ publicKey: {{ challenge: new Uint8Array(32), rpId: '{PUBLIC}' }} }}).then(() => 'allowed', (e) => e.name)"
    );
    assert_eq!(tab.eval::<String>(&ask).await.unwrap(), "SecurityError");

    house.relate(json!([home])).await;
    tab.goto(&format!("{home}/login")).await.unwrap();
    tab.wait_for(role("button", "Authenticate")).await.unwrap();
    assert!(!tab.is_visible("[data-passkeys-at]").await.unwrap());
    tab.click(role("button", "Authenticate")).await.unwrap();
    tab.wait_for_url(|url| url == format!("{home}/settings/account")).await.unwrap();
    // A passkey that is added there is of the same site, and what is deleted there is signalled for it.
    tab.click(role("button", "Add Passkey")).await.unwrap();
    tab.wait_for_text("This passkey was previously registered").await.unwrap();
    // Each name has a session of its own, in cookies that no other host gets.
    let sessions: Vec<String> = house
        .window
        .cookies()
        .await
        .unwrap()
        .iter()
        .filter(|cookie| cookie["name"] == "__Host-access_token")
        .map(|cookie| cookie["domain"].as_str().unwrap().to_owned())
        .collect();
    assert!(
        sessions.len() == 2 && [PUBLIC, HOME].iter().all(|host| sessions.contains(&(*host).to_owned())),
        "{sessions:?}"
    );
    // What leaves the instance goes on to name the first one.
    tab.click(role("button", "Create code")).await.unwrap();
    tab.click(role("button", "Show Code")).await.unwrap();
    tab.wait_for_text(&format!("{public}/lc/")).await.unwrap();
    tab.goto(&format!("{home}/passkey-check")).await.unwrap();
    tab.wait_for("[data-verdict=yes]:not([hidden])").await.unwrap();

    // A page of one name writes nothing at the other one.
    tab.goto(&format!("{home}/settings/account")).await.unwrap();
    let write = format!(
        "fetch('{public}/api/webauthn/logout', {{ method: 'POST', credentials: 'include', mode: 'no-cors' }}).then(() => 'sent', () => 'kept back')"
    );
    assert_eq!(tab.eval::<String>(&write).await.unwrap(), "kept back", "by the policy of our pages");
    tab.goto(&format!("{public}/settings/account")).await.unwrap();
    tab.wait_for_text("Account Details").await.unwrap();

    // Taken out again it counts no more, at once.
    house.relate(json!([])).await;
    house.window.clear_cookies().await.unwrap();
    tab.goto(&format!("{home}/login")).await.unwrap();
    tab.wait_for_text("Passkeys belong to another address").await.unwrap();
    assert_eq!(tab.eval::<String>(&ask).await.unwrap(), "SecurityError");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_browser_that_knows_no_related_origins_is_led_to_the_first_name() {
    let house = House::build().await;
    house.relate(json!([format!("https://{HOME}")])).await;
    let tab = house.window.page().await.unwrap();
    let _authenticator = tab.authenticator().await.unwrap();
    tab.goto(&format!("https://{PUBLIC}")).await.unwrap();
    set_up(&tab).await;
    house.window.clear_cookies().await.unwrap();
    let old = house.browser.context().await.unwrap().page().await.unwrap();
    old.on_new_document("PublicKeyCredential.getClientCapabilities = async () => ({ relatedOrigins: false })")
        .await
        .unwrap();
    old.goto(&format!("https://{HOME}/login")).await.unwrap();
    old.wait_for_text("Passkeys belong to another address").await.unwrap();
    focused(&old, "link", "Continue at the right address").await;
    old.press("Enter").await.unwrap();
    old.wait_for_url(|url| url == format!("https://{PUBLIC}/login")).await.unwrap();
    old.wait_for(role("button", "Authenticate")).await.unwrap();
    quiet(&old, "https://");

    // One that doesn't even tell what it can do: the prompt is refused, and the way is shown then.
    let older = house.browser.context().await.unwrap().page().await.unwrap();
    older
        .on_new_document(
            "delete PublicKeyCredential.getClientCapabilities;
            CredentialsContainer.prototype.get = async () => { throw new DOMException('no', 'SecurityError'); };",
        )
        .await
        .unwrap();
    older.goto(&format!("https://{HOME}/login")).await.unwrap();
    older.click(role("button", "Authenticate")).await.unwrap();
    older.wait_for_text("Passkeys cannot be used on the configured domain").await.unwrap();
    older.wait_for(role("link", "Continue at the right address")).await.unwrap();
}
