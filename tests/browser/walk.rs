//! The whole way, with real applications: set-up, passkey, client, sign-in, claims, sign-out; wide and narrow.

use pid_testkit::apache::{self, Apache, Site};
use pid_testkit::chromium::{Algorithm, Page, role};
use serde_json::{Value, json};

use crate::relying_party::Address;
use crate::stage::{Stage, quiet, set_up};

/// A server with Ada, who has set it up and added a passkey in the browser; her groups and claims are made by the API.
struct Walk {
    stage: Stage,
    tab: Page,
    ada: String,
}

impl Walk {
    async fn begin(width: u32, height: u32, algorithm: Algorithm) -> Self {
        let stage = Stage::empty().await;
        let tab = stage.tab().await;
        tab.set_viewport(width, height, width < 600).await.unwrap();
        let authenticator = tab.authenticator().await.unwrap();
        tab.offer_only(algorithm).await.unwrap();
        stage.open(&tab, "/").await;
        set_up(&tab).await;
        tab.click(role("button", "Add Passkey")).await.unwrap();
        tab.wait_for_url(|url| url.ends_with("/settings/account")).await.unwrap();
        tab.wait_for_text("Single Passkey Configured").await.unwrap();
        let made = authenticator.credentials().await.unwrap();
        assert_eq!(made.iter().map(|c| c.algorithm()).collect::<Vec<_>>(), [Some(algorithm)]);
        drop(authenticator);

        let script = stage.app.script();
        let users = script.get("/api/users?search=ada").await.expect(200).json();
        let ada = users["data"][0]["id"].as_str().unwrap().to_owned();
        for (name, shown) in [("admins", "Administrators"), ("staff", "Staff")] {
            let group = json!({ "name": name, "friendlyName": shown });
            let group = script.post("/api/user-groups", &group).await.expect(201).json();
            let members = format!("/api/user-groups/{}/users", group["id"].as_str().unwrap());
            script.put(&members, &json!({ "userIds": [ada] })).await.expect(200);
            let claims = format!("/api/custom-claims/user-group/{}", group["id"].as_str().unwrap());
            script.put(&claims, &json!([{ "key": format!("{name}_quota"), "value": "7" }])).await.expect(200);
        }
        let claims = json!([{ "key": "department", "value": "Engines" }]);
        script.put(&format!("/api/custom-claims/user/{ada}"), &claims).await.expect(200);
        Self { stage, tab, ada }
    }

    /// Creates a client on its page. What the page shows is all that an application is told: its id, its secret and the
    /// discovery document's address.
    async fn client(&self, name: &str, callback: &str, logout: &str) -> [String; 3] {
        let tab = &self.tab;
        self.stage.open(tab, "/settings/admin/oidc-clients").await;
        tab.click(role("button", "Add OIDC Client")).await.unwrap();
        tab.fill(role("textbox", "Name"), name).await.unwrap();
        for (list, url) in [("new-callbacks", callback), ("new-logouts", logout)] {
            tab.click(&*format!("[data-add-row={list}]")).await.unwrap();
            tab.fill(&*format!("#{list} input"), url).await.unwrap();
        }
        tab.click(role("button", "Save")).await.unwrap();
        tab.wait_for("#new-secret:not([hidden])").await.unwrap();
        tab.wait_for_text("Everybody with an account can sign in.").await.unwrap();
        let mut shown = ["client-id", "client-secret", "discovery-url"].map(str::to_owned);
        for place in &mut shown {
            let value = tab.attribute(&*format!("[data-testid={place}]"), "data-copy").await.unwrap();
            *place = value.expect("a copy button");
        }
        shown
    }

    /// Signs out by the menu.
    async fn sign_out(&self) {
        self.stage.open(&self.tab, "/settings/account").await;
        self.tab.click(role("button", "My Account")).await.unwrap();
        self.tab.click(role("menuitem", "Logout")).await.unwrap();
        self.tab.wait_for_url(|url| url.ends_with("/login")).await.unwrap();
    }

    /// On the page of an interaction: by passkey, then consents if asked to.
    async fn sign_in(&self, consents: bool) {
        let tab = &self.tab;
        tab.wait_for_url(|url| url.contains("/interaction?")).await.unwrap();
        tab.wait_for_text("Don't have access to your passkey?").await.unwrap();
        tab.click(role("button", "Sign in")).await.unwrap();
        if consents {
            tab.wait_for("[data-testid=scopes]").await.unwrap();
            tab.click(role("button", "Sign in")).await.unwrap();
        }
    }

    /// That nobody is signed in here any more.
    async fn nobody_here(&self) {
        self.stage.open(&self.tab, "/").await;
        assert_eq!(self.tab.url().await.unwrap(), self.stage.url("/login?redirect=%2F"));
    }

    /// What every ID token of this walk says.
    fn check(&self, claims: &Value) {
        assert_eq!(claims["iss"], self.stage.app.url());
        assert_eq!(claims["sub"], self.ada.as_str());
        assert_eq!(claims["email"], "ada@example.com");
        assert_eq!(claims["name"], "Ada Lovelace");
        assert_eq!(claims["preferred_username"], "ada");
        assert_eq!(claims["groups"], json!(["admins", "staff"]));
        assert_eq!(claims["department"], "Engines");
        assert_eq!(claims["staff_quota"].to_string().trim_matches('"'), "7");
        assert_eq!(claims["amr"], json!(["phr"]));
        assert!(claims["sid"].as_str().is_some_and(|sid| !sid.is_empty()), "{claims}");
        assert!(claims["auth_time"].as_i64().unwrap() <= claims["iat"].as_i64().unwrap(), "{claims}");
    }
}

async fn apache_for(walk: &Walk) -> Apache {
    let site = Site::reserve().unwrap();
    let [id, secret, discovery] = walk.client("Apache", &site.redirect_uri(), &site.bye_url()).await;
    site.start(&apache::Config::new(&discovery, &id, &secret)).unwrap()
}

async fn at_apache(width: u32, height: u32, algorithm: Algorithm) {
    let walk = Walk::begin(width, height, algorithm).await;
    let tab = &walk.tab;
    let apache = apache_for(&walk).await;
    let site = apache.site();
    walk.sign_out().await;

    tab.goto(&site.protected_url()).await.unwrap();
    walk.sign_in(true).await;
    tab.wait_for_url(|url| url == site.protected_url()).await.unwrap();
    let shown = apache::claims(&tab.text("#claims").await.unwrap());
    assert_eq!(shown["sub"], walk.ada, "{}", apache.log());
    assert_eq!(shown["groups"], "admins,staff");
    assert_eq!(shown["department"], "Engines");
    assert!(!shown["sid"].is_empty());
    tab.goto(&site.info_url()).await.unwrap();
    let info: Value = serde_json::from_str(&tab.visible_text().await.unwrap()).unwrap();
    walk.check(&info["id_token"]);
    assert_eq!(info["userinfo"]["email"], "ada@example.com");

    // Signed in here and consented before: the way in has no page.
    walk.stage.window.clear_cookies_of(&site.origin()).await.unwrap();
    tab.goto(&site.protected_url()).await.unwrap();
    assert_eq!(tab.url().await.unwrap(), site.protected_url());

    // With the hint that the module sends nobody is asked, and both sessions are over.
    tab.goto(&site.logout_url()).await.unwrap();
    assert_eq!(tab.url().await.unwrap(), site.bye_url(), "{}", apache.log());
    walk.nobody_here().await;
    tab.goto(&site.protected_url()).await.unwrap();
    walk.sign_in(false).await;
    tab.wait_for_url(|url| url == site.protected_url()).await.unwrap();
    quiet(tab, walk.stage.app.url());
}

async fn at_a_relying_party(width: u32, height: u32, algorithm: Algorithm) {
    let walk = Walk::begin(width, height, algorithm).await;
    let tab = &walk.tab;
    let address = Address::reserve();
    let [id, secret, discovery] = walk.client("Crate", &address.url("/cb"), &address.url("/bye")).await;
    let issuer = discovery.trim_end_matches("/.well-known/openid-configuration");
    let app = address.serve(issuer, &id, &secret).await;
    walk.sign_out().await;

    // Who changes their mind comes back to the application, which is told.
    tab.goto(&app.url("/start")).await.unwrap();
    tab.wait_for(role("heading", "Sign in to Crate")).await.unwrap();
    tab.click(role("link", "Cancel")).await.unwrap();
    tab.wait_for(role("heading", "Failed")).await.unwrap();
    assert_eq!(tab.text("pre").await.unwrap(), format!("access_denied from {}", walk.stage.app.url()));

    tab.goto(&app.url("/start")).await.unwrap();
    walk.sign_in(true).await;
    let known = async || {
        tab.wait_for_url(|url| url == app.url("/me")).await.unwrap();
        serde_json::from_str::<Value>(&tab.text("pre").await.unwrap()).unwrap()
    };
    let first = known().await;
    walk.check(&first["id_token"]);
    assert_eq!(first["userinfo"]["sub"], walk.ada.as_str());
    assert_eq!(first["userinfo"]["groups"], json!(["admins", "staff"]));

    tab.goto(&app.url("/refresh")).await.unwrap();
    let second = known().await;
    walk.check(&second["id_token"]);
    assert_eq!(second["id_token"]["sid"], first["id_token"]["sid"]);
    assert_eq!(second["id_token"]["auth_time"], first["id_token"]["auth_time"]);

    // Without a hint the person is asked; the wish survives the question.
    tab.goto(&app.url("/logout")).await.unwrap();
    tab.wait_for(role("heading", "Sign out")).await.unwrap();
    tab.wait_for_text("Afterwards you return to Crate.").await.unwrap();
    tab.click(role("button", "Sign out")).await.unwrap();
    tab.wait_for(role("heading", "Bye")).await.unwrap();
    assert_eq!(tab.text("pre").await.unwrap(), "good bye & more");
    tab.goto(&app.url("/me")).await.unwrap();
    tab.wait_for(role("heading", "Nobody")).await.unwrap();
    walk.nobody_here().await;

    // With a hint nobody is.
    tab.goto(&app.url("/start")).await.unwrap();
    walk.sign_in(false).await;
    let third = known().await;
    assert_ne!(third["id_token"]["sid"], first["id_token"]["sid"]);
    tab.goto(&app.url("/logout?hint")).await.unwrap();
    tab.wait_for(role("heading", "Bye")).await.unwrap();
    assert_eq!(tab.text("pre").await.unwrap(), "good bye & more");
    walk.nobody_here().await;
    quiet(tab, walk.stage.app.url());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wide_at_apache() {
    at_apache(1440, 900, Algorithm::Es256).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn narrow_at_apache() {
    at_apache(390, 844, Algorithm::Rs256).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wide_at_a_relying_party_of_the_openidconnect_crate() {
    at_a_relying_party(1440, 900, Algorithm::EdDsa).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn narrow_at_a_relying_party_of_the_openidconnect_crate() {
    at_a_relying_party(390, 844, Algorithm::Es256).await;
}
