//! Each flow of the interface by the keyboard alone: what is wanted is reached by Tab, or by arrows within tabs and menus, the
//! focus can be seen wherever it comes to rest, and Enter or Space does it (WCAG 2.2, 2.1.1, 2.1.2 and 2.4.7).

use pid_testkit::chromium::{Page, role};
use pid_tests::RelyingParty;
use serde_json::{Value, json};

use crate::stage::{Stage, quiet, until};

/// A window of this size and theme.
#[derive(Clone, Copy)]
struct Look {
    width: u32,
    scheme: &'static str,
}

const WIDE: Look = Look { width: 1440, scheme: "light" };
const NARROW: Look = Look { width: 390, scheme: "dark" };

impl Look {
    async fn tab(self, stage: &Stage) -> Page {
        self.dress(stage.tab().await).await
    }

    async fn other_tab(self, stage: &Stage) -> Page {
        self.dress(stage.new_window().await.page().await.unwrap()).await
    }

    async fn dress(self, tab: Page) -> Page {
        tab.set_viewport(self.width, 844, self.width < 600).await.unwrap();
        tab.set_color_scheme(self.scheme).await.unwrap();
        tab
    }
}

/// Each flow, wide and light, and narrow and dark.
macro_rules! walks {
    ($($flow:ident)*) => {
        mod wide {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $flow() {
                super::$flow(super::WIDE).await;
            })*
        }
        mod narrow {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $flow() {
                super::$flow(super::NARROW).await;
            })*
        }
    };
}

walks! {
    the_first_run_signing_out_and_in_again
    login_codes_made_and_typed
    another_device_and_the_device_of_an_app_let_in
    an_invitation_made_and_followed
    one_s_own_account
    users_groups_and_claims
    a_client_from_its_making_to_its_end
    apis_keys_the_configuration_and_the_log
}

/// Hands that have a keyboard and nothing else.
struct Keys<'a>(&'a Page);

impl Keys<'_> {
    async fn press(&self, key: &str) {
        self.0.press(key).await.unwrap();
    }

    /// Walks by Tab to what has this role and name, and sees that it has the focus.
    async fn to(&self, wanted: &str, name: &str) {
        let mut way = Vec::new();
        while way.len() < 120 {
            let here = self.0.focused().await.unwrap();
            if (here.0.as_str(), here.1.as_str()) == (wanted, name) {
                return self.sees_focus(name).await;
            }
            way.push(here);
            self.press("Tab").await;
        }
        panic!("no {wanted} {name:?} on the way: {way:?}");
    }

    /// The focus is marked: by an outline, or by the ring of a field or of what stands around it.
    async fn sees_focus(&self, name: &str) {
        let marked = "(() => { for (let e = document.activeElement, n = 0; e && n < 3; e = e.parentElement, n++) { \
            const s = getComputedStyle(e); \
            if ((s.outlineStyle !== 'none' && s.outlineWidth !== '0px') || s.boxShadow !== 'none') return true; } return false; })()";
        assert!(self.0.eval::<bool>(marked).await.unwrap(), "the focus on {name:?} can't be seen");
    }

    /// Goes there and presses Enter: a button, a link.
    async fn go(&self, wanted: &str, name: &str) {
        self.0.wait_for(role(wanted, name)).await.unwrap();
        self.to(wanted, name).await;
        self.press("Enter").await;
    }

    /// To another page by the navigation; narrow windows have it behind a button.
    async fn navigate(&self, page: &str) {
        if self.0.is_visible(role("button", "Menu")).await.is_ok_and(|is| is) {
            self.go("button", "Menu").await;
        }
        self.go("link", page).await;
    }

    /// Goes there and presses Space: a switch, a check box.
    async fn toggle(&self, wanted: &str, name: &str) {
        self.0.wait_for(role(wanted, name)).await.unwrap();
        self.to(wanted, name).await;
        self.press("Space").await;
    }

    /// Types into a field, over what is there.
    async fn write(&self, name: &str, text: &str) {
        self.write_into("textbox", name, text).await;
    }

    async fn write_into(&self, wanted: &str, name: &str, text: &str) {
        self.0.wait_for(role(wanted, name)).await.unwrap();
        self.to(wanted, name).await;
        self.press("Control+a").await;
        self.0.type_text(text).await.unwrap();
    }

    /// Opens a menu and takes one of its items.
    async fn take(&self, menu: &str, item: &str) {
        self.go("button", menu).await;
        self.by_arrows("ArrowDown", "menuitem", item).await;
        self.press("Enter").await;
    }

    /// Turns to a panel of tabs.
    async fn panel(&self, name: &str) {
        self.0.wait_for(role("tab", name)).await.unwrap();
        let mut way = Vec::new();
        while self.0.focused().await.unwrap().0 != "tab" {
            way.push(self.0.focused().await.unwrap());
            assert!(way.len() < 120, "no tabs on the way: {way:?}");
            self.press("Tab").await;
        }
        self.by_arrows("ArrowRight", "tab", name).await;
        self.press("Enter").await;
    }

    async fn by_arrows(&self, arrow: &str, wanted: &str, name: &str) {
        let mut way = Vec::new();
        // A menu takes the focus a moment after it opens.
        until(async || match self.0.focused().await.unwrap() {
            (here, _) if here == wanted => Ok(()),
            other => Err(format!("{other:?} has the focus")),
        })
        .await;
        while way.len() < 20 {
            let here = self.0.focused().await.unwrap();
            if (here.0.as_str(), here.1.as_str()) == (wanted, name) {
                return self.sees_focus(name).await;
            }
            way.push(here);
            self.press(arrow).await;
        }
        panic!("no {wanted} {name:?} among {way:?}");
    }

    /// Agrees in the dialog that asks.
    async fn confirm(&self, dialog: &str, button: &str) {
        self.0.wait_for(role("alertdialog", dialog)).await.unwrap();
        self.go("button", button).await;
        self.0.wait_gone("[role=alertdialog]").await.unwrap();
    }

    async fn says(&self, text: &str) {
        self.0.wait_for_text(text).await.unwrap();
    }
}

async fn arrives(tab: &Page, path: &str) {
    tab.wait_for_url(|url| url.ends_with(path)).await.unwrap();
    tab.wait_loaded().await.unwrap();
}

/// An administrator's window.
async fn administrator(stage: &Stage, look: Look) -> Page {
    let admin = stage.app.admin().await;
    stage.sign_in_as(&admin.agent).await;
    look.tab(stage).await
}

async fn the_first_run_signing_out_and_in_again(look: Look) {
    let stage = Stage::empty().await;
    let tab = look.tab(&stage).await;
    let _authenticator = tab.authenticator().await.unwrap();
    let keys = Keys(&tab);
    stage.open(&tab, "/setup").await;
    for (field, value) in
        [("Username", "ada"), ("Email", "ada@example.com"), ("First name", "Ada"), ("Last name", "Lovelace")]
    {
        keys.write(field, value).await;
    }
    keys.go("button", "Sign Up").await;
    keys.go("button", "Add Passkey").await;
    arrives(&tab, "/settings/account").await;
    keys.take("My Account", "Logout").await;
    arrives(&tab, "/login").await;
    keys.go("button", "Authenticate").await;
    arrives(&tab, "/settings/account").await;

    // A client's consent, and the way out of it.
    let client = stage.client(json!({})).await;
    tab.goto(&stage.authorize(&client, &[])).await.unwrap();
    tab.wait_for("[data-testid=scopes]").await.unwrap();
    keys.go("link", "Cancel").await;
    tab.wait_for_url(|url| url.contains("error=access_denied")).await.unwrap();
    tab.goto(&stage.authorize(&client, &[])).await.unwrap();
    tab.wait_for("[data-testid=scopes]").await.unwrap();
    keys.go("button", "Sign in").await;
    tab.wait_for_url(|url| url.contains("code=")).await.unwrap();

    // A client's sign-out asks.
    stage.open(&tab, "/logout").await;
    keys.go("button", "Sign out").await;
    tab.wait_for_url(|url| url.contains("/login")).await.unwrap();
    quiet(&tab, stage.app.url());
}

async fn login_codes_made_and_typed(look: Look) {
    let stage = Stage::empty().await;
    let tab = administrator(&stage, look).await;
    stage.app.person("tim").await;
    let keys = Keys(&tab);
    stage.open(&tab, "/settings/admin/users?search=tim").await;
    keys.take("Toggle menu", "Login Code").await;
    keys.go("button", "Show Code").await;
    tab.wait_for("#login-code-result:not([hidden])").await.unwrap();
    let code = tab.attribute("[data-testid=login-code-value]", "data-copy").await.unwrap().unwrap();
    keys.press("Escape").await;
    tab.wait_gone("dialog[open]").await.unwrap();
    // The focus is where it was, so the list goes on from there.
    assert_eq!(tab.focused().await.unwrap(), ("button".to_owned(), "Toggle menu".to_owned()));

    let other = look.other_tab(&stage).await;
    let theirs = Keys(&other);
    other.goto(&stage.url("/login")).await.unwrap();
    theirs.go("link", "Alternative Sign In Methods").await;
    arrives(&other, "/login/alternative").await;
    let code_link = other
        .eval::<String>("document.querySelector('.methods a[href^=\"/login/alternative/code\"]').innerText.trim()")
        .await
        .unwrap();
    assert!(code_link.starts_with("Login Code"), "{code_link}");
    let mut way = 0;
    while !other
        .eval::<bool>("document.activeElement.matches('.methods a[href^=\"/login/alternative/code\"]')")
        .await
        .unwrap()
    {
        theirs.press("Tab").await;
        way += 1;
        assert!(way < 20, "the link is not on the way");
    }
    theirs.press("Enter").await;
    arrives(&other, "/login/alternative/code").await;
    theirs.write("Code", &code).await;
    theirs.press("Enter").await;
    arrives(&other, "/settings/account").await;
    assert_eq!(other.value(role("textbox", "Username")).await.unwrap(), "tim");
    quiet(&other, stage.app.url());
}

async fn another_device_and_the_device_of_an_app_let_in(look: Look) {
    let stage = Stage::empty().await;
    let phone = look.tab(&stage).await;
    let _authenticator = phone.authenticator().await.unwrap();
    stage.open(&phone, "/").await;
    crate::stage::set_up(&phone).await;
    let keys = Keys(&phone);
    keys.go("button", "Add Passkey").await;
    arrives(&phone, "/settings/account").await;

    let laptop = look.other_tab(&stage).await;
    laptop.goto(&stage.url("/login/alternative/device")).await.unwrap();
    laptop.wait_for("[data-request]:not([hidden])").await.unwrap();
    let code = laptop.attribute("[data-testid=device-login-code]", "data-copy").await.unwrap().unwrap();
    let number = laptop.text("[data-testid=device-login-number]").await.unwrap();
    stage.open(&phone, "/device").await;
    keys.write("Code", &code).await;
    keys.go("button", "Authorize").await;
    keys.write("Number that the other device shows", &number).await;
    keys.go("button", "Approve").await;
    keys.says("The requesting device has been signed in.").await;
    arrives(&laptop, "/settings/account").await;

    // A device of an app.
    let client = stage.client(json!({ "name": "Television" })).await;
    let form = [
        ("client_id", client["id"].as_str().unwrap()),
        ("scope", "openid"),
        ("client_secret", client["secret"].as_str().unwrap()),
    ];
    let asked = stage.app.agent().post_form("/api/oidc/device/authorize", &form).await.expect(200).json();
    stage.open(&phone, "/device").await;
    keys.write("Code", asked["user_code"].as_str().unwrap()).await;
    keys.go("button", "Authorize").await;
    keys.says("Do you want to sign in to Television on another device").await;
    keys.go("button", "Authorize").await;
    keys.says("The device has been authorized.").await;
    quiet(&phone, stage.app.url());
}

async fn an_invitation_made_and_followed(look: Look) {
    let stage = Stage::empty().await;
    stage.configure(json!({ "allowUserSignups": "withToken" })).await;
    let tab = administrator(&stage, look).await;
    let keys = Keys(&tab);
    stage.open(&tab, "/settings/admin/users").await;
    keys.take("Create options", "Create Signup Token").await;
    keys.write_into("spinbutton", "Usage Limit", "2").await;
    keys.go("button", "Create").await;
    tab.wait_for("#signup-token-result:not([hidden])").await.unwrap();
    let link = tab.attribute("[data-testid=signup-token-link]", "data-copy").await.unwrap().unwrap();
    keys.press("Escape").await;
    tab.wait_gone("dialog[open]").await.unwrap();

    let other = look.other_tab(&stage).await;
    let _authenticator = other.authenticator().await.unwrap();
    let theirs = Keys(&other);
    other.goto(&link).await.unwrap();
    for (field, value) in [("Username", "bo"), ("Email", "bo@example.com"), ("First name", "Bo"), ("Last name", "Peep")]
    {
        theirs.write(field, value).await;
    }
    theirs.press("Enter").await;
    theirs.go("button", "Skip for now").await;
    other.wait_for(role("alertdialog", "Skip Passkey Setup")).await.unwrap();
    theirs.go("button", "Skip for now").await;
    theirs.says("Passkey missing").await;
    quiet(&other, stage.app.url());
}

async fn one_s_own_account(look: Look) {
    let stage = Stage::empty().await;
    let tab = look.tab(&stage).await;
    let _authenticator = tab.authenticator().await.unwrap();
    stage.open(&tab, "/").await;
    crate::stage::set_up(&tab).await;
    let keys = Keys(&tab);
    keys.go("button", "Add Passkey").await;
    arrives(&tab, "/settings/account").await;
    keys.write("Last name", "Byron").await;
    keys.go("button", "Save").await;
    keys.says("Account details updated successfully").await;
    keys.go("button", "Rename").await;
    tab.wait_for(role("dialog", "Name Passkey")).await.unwrap();
    keys.write("Name", "Laptop").await;
    keys.press("Enter").await;
    keys.says("Passkey name updated successfully").await;
    tab.wait_gone("dialog[open]").await.unwrap();
    keys.go("button", "Delete").await;
    tab.wait_for(role("alertdialog", "Delete Laptop")).await.unwrap();
    keys.press("Escape").await;
    tab.wait_gone("[role=alertdialog]").await.unwrap();
    assert_eq!(tab.focused().await.unwrap(), ("button".to_owned(), "Delete".to_owned()));
    // The list of languages; the page comes back in the one that is chosen.
    keys.go("button", "Select locale").await;
    keys.by_arrows("ArrowDown", "option", "Deutsch").await;
    keys.press("Enter").await;
    keys.says("Mein Konto").await;
    // My Apps, by the link of the navigation, and an app's menu.
    let mut ada = stage.app.person("mary").await;
    let app =
        RelyingParty::register(&stage.app, json!({ "name": "Nextcloud", "launchURL": "https://cloud.example.com" }))
            .await;
    app.sign_in(&mut ada, "openid").await;
    stage.sign_in_as(&ada.agent).await;
    stage.open(&tab, "/settings/apps").await;
    tab.wait_for(role("article", "Nextcloud")).await.unwrap();
    let menu: Value =
        tab.eval("document.querySelector('#apps article button[aria-haspopup=menu]').ariaLabel").await.unwrap();
    let menu = menu.as_str().unwrap().to_owned();
    let item: String = tab
        .eval("[...document.querySelectorAll('#apps article [role=menuitem]')].at(-1).innerText.trim()")
        .await
        .unwrap();
    keys.take(&menu, &item).await;
    tab.wait_for("[role=alertdialog]").await.unwrap();
    let agree: String = tab.eval("document.querySelector('dialog .btn-danger').innerText.trim()").await.unwrap();
    keys.go("button", &agree).await;
    tab.wait_gone("[role=alertdialog]").await.unwrap();
    quiet(&tab, stage.app.url());
}

async fn users_groups_and_claims(look: Look) {
    let stage = Stage::empty().await;
    let tab = administrator(&stage, look).await;
    let keys = Keys(&tab);
    stage.open(&tab, "/settings/admin/user-groups").await;
    keys.go("button", "Add Group").await;
    keys.write("Friendly Name", "Staff").await;
    keys.go("button", "Save").await;
    tab.wait_for(role("tab", "Allowed OIDC Clients")).await.unwrap();
    keys.navigate("Users").await;
    arrives(&tab, "/settings/admin/users").await;
    keys.go("button", "Add User").await;
    for (field, value) in
        [("Username", "tim"), ("Email", "tim@example.com"), ("First name", "Tim"), ("Last name", "Cook")]
    {
        keys.write(field, value).await;
    }
    keys.go("button", "Save").await;
    keys.says("User created successfully").await;
    keys.go("link", "Tim Cook").await;
    keys.panel("User Groups").await;
    keys.toggle("checkbox", "Staff").await;
    keys.go("button", "Save").await;
    keys.says("User groups updated successfully").await;
    keys.panel("Custom Claims").await;
    keys.go("button", "Add custom claim").await;
    // The new row has the focus.
    tab.type_text("nextcloud_username").await.unwrap();
    keys.press("Tab").await;
    tab.type_text("tcook").await.unwrap();
    keys.go("button", "Save").await;
    keys.says("Custom claims updated successfully").await;
    let users = stage.app.script().get("/api/users?search=tim").await.expect(200).json();
    assert_eq!(users["data"][0]["userGroups"][0]["name"], "staff");
    assert_eq!(users["data"][0]["customClaims"], json!([{ "key": "nextcloud_username", "value": "tcook" }]));

    keys.navigate("Users").await;
    arrives(&tab, "/settings/admin/users").await;
    keys.write_into("searchbox", "Search...", "tim").await;
    tab.wait_for_url(|url| url.contains("search=tim")).await.unwrap();
    keys.take("Toggle menu", "Disable").await;
    keys.confirm("Disable Tim Cook", "Disable").await;
    keys.says("User has been disabled successfully.").await;
    keys.take("Toggle menu", "Delete").await;
    keys.confirm("Delete Tim Cook", "Delete").await;
    keys.says("User deleted successfully").await;
    quiet(&tab, stage.app.url());
}

async fn a_client_from_its_making_to_its_end(look: Look) {
    let stage = Stage::empty().await;
    stage.app.script().post("/api/user-groups", &json!({ "name": "staff", "friendlyName": "Staff" })).await.expect(201);
    let tab = administrator(&stage, look).await;
    let keys = Keys(&tab);
    stage.open(&tab, "/settings/admin/oidc-clients").await;
    keys.go("button", "Add OIDC Client").await;
    keys.write("Name", "Nextcloud").await;
    let add = "document.activeElement.matches('[data-add-row=new-callbacks]')";
    let mut way = 0;
    while !tab.eval::<bool>(add).await.unwrap() {
        keys.press("Tab").await;
        way += 1;
        assert!(way < 40, "the button for callback URLs is not on the way");
    }
    keys.press("Enter").await;
    tab.type_text("https://cloud.example.com/apps/user_oidc/code").await.unwrap();
    keys.go("button", "Save").await;
    tab.wait_for("#new-secret:not([hidden])").await.unwrap();
    let id = tab.attribute("[data-testid=client-id]", "data-copy").await.unwrap().unwrap();
    let path = format!("/api/oidc/clients/{id}");
    let stored = stage.app.script().get(&path).await.expect(200).json();
    assert_eq!(stored["callbackURLs"], json!(["https://cloud.example.com/apps/user_oidc/code"]));
    keys.panel("Allowed User Groups").await;
    keys.go("button", "Restrict").await;
    keys.says("Nobody can sign in yet.").await;
    keys.toggle("checkbox", "Staff").await;
    keys.go("button", "Save").await;
    keys.says("Members of these groups can sign in: Staff.").await;
    keys.panel("Credentials").await;
    keys.go("button", "Add client secret").await;
    until(async || match tab.count("[data-testid=client-secret-row]").await.unwrap() {
        2 => Ok(()),
        n => Err(format!("{n} secrets")),
    })
    .await;
    keys.panel("General").await;
    keys.toggle("switch", "Requires Re-Authentication").await;
    keys.go("button", "Save").await;
    keys.says("OIDC client updated successfully").await;
    let stored = stage.app.script().get(&path).await.expect(200).json();
    assert_eq!(stored["requiresReauthentication"], true);

    keys.navigate("OIDC Clients").await;
    arrives(&tab, "/settings/admin/oidc-clients").await;
    keys.take("Toggle menu", "Delete").await;
    keys.confirm("Delete Nextcloud", "Delete").await;
    keys.says("No items found").await;
    quiet(&tab, stage.app.url());
}

async fn apis_keys_the_configuration_and_the_log(look: Look) {
    let stage = Stage::empty().await;
    let tab = administrator(&stage, look).await;
    let keys = Keys(&tab);
    stage.open(&tab, "/settings/admin/apis").await;
    keys.go("button", "Add API").await;
    keys.write("Name", "Orders").await;
    keys.write("Resource", "https://orders.example").await;
    keys.press("Enter").await;
    keys.says("API created successfully").await;
    tab.wait_for(role("heading", "Orders")).await.unwrap();

    keys.navigate("API Keys").await;
    arrives(&tab, "/settings/admin/api-keys").await;
    keys.go("button", "Add API Key").await;
    keys.write("Name", "build server").await;
    keys.press("Enter").await;
    tab.wait_for(role("dialog", "API Key Created")).await.unwrap();
    keys.go("button", "Close").await;
    tab.wait_gone("dialog[open]").await.unwrap();
    keys.take("Toggle menu", "Revoke").await;
    keys.confirm("Revoke API Key", "Revoke").await;
    keys.says("No items found").await;

    keys.navigate("Application Configuration").await;
    arrives(&tab, "/settings/admin/application-configuration").await;
    keys.write("Application Name", "Club").await;
    keys.go("button", "Save").await;
    keys.says("Application configuration updated successfully").await;
    keys.panel("Email").await;
    tab.wait_for(role("textbox", "SMTP Host")).await.unwrap();
    keys.write("SMTP Host", "mail.example.com").await;

    // Leaving with what is unsaved asks; here it is left.
    keys.navigate("Audit Log").await;
    until(async || if tab.dialogs().is_empty() { Err("nobody is asked".to_owned()) } else { Ok(()) }).await;
    arrives(&tab, "/settings/audit-log").await;
    keys.go("link", "Global").await;
    arrives(&tab, "/settings/audit-log/global").await;
    keys.to("combobox", "Event").await;
    quiet(&tab, stage.app.url());
}
