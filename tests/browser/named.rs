//! What guides, videos, scripts and screen readers look for is there under its name and role (ui.md §1.3–§1.21).

use pid_testkit::chromium::{Page, role};
use pid_tests::Mailbox;
use serde_json::json;

use crate::stage::Stage;

/// Which of these are not on the page as assistive technology sees it.
async fn missing(tab: &Page, wanted: &[(&str, &str)]) -> Vec<String> {
    let tree = tab.accessibility().await.unwrap();
    let fold = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let is_there = |(role, name): &&(&str, &str)| {
        // Fields of numbers and of choice have roles of their own; a required one ends in a star for the eye only.
        let roles: &[&str] = match *role {
            "field" => &["textbox", "spinbutton", "combobox", "searchbox", "Date"],
            other => &[other],
        };
        tree.iter().any(|(r, n)| roles.contains(&r.as_str()) && fold(n) == *name)
    };
    wanted.iter().filter(|one| !is_there(one)).map(|(role, name)| format!("{role} {name:?}")).collect()
}

struct Search {
    lost: Vec<String>,
}

impl Search {
    async fn on(&mut self, tab: &Page, place: &str, wanted: &[(&str, &str)]) {
        self.lost.extend(missing(tab, wanted).await.into_iter().map(|what| format!("{place}: {what}")));
    }

    fn end(self) {
        assert!(self.lost.is_empty(), "{}", self.lost.join("\n"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sign_in_pages_bear_their_names() {
    let mut search = Search { lost: Vec::new() };
    let stage = Stage::empty().await;
    let tab = stage.tab().await;
    let _passkeys = tab.authenticator().await.unwrap();
    stage.open(&tab, "/setup").await;
    let fields = [("field", "Username"), ("field", "Email"), ("field", "First name"), ("field", "Last name")];
    search.on(&tab, "/setup", &fields).await;
    search.on(&tab, "/setup", &[("heading", "Sign Up to Pocket ID"), ("button", "Sign Up")]).await;
    let admin = stage.app.admin().await;
    let mailbox = Mailbox::start("none", false);
    let on = json!({ "emailOneTimeAccessAsUnauthenticatedEnabled": "true", "allowUserSignups": "open" });
    mailbox.connect(&stage.app, on).await;
    for (path, wanted) in [
        (
            "/login",
            &[
                ("heading", "Sign in to Pocket ID"),
                ("button", "Authenticate"),
                ("link", "Sign Up"),
                ("link", "Alternative Sign In Methods"),
                ("button", "Toggle theme"),
                ("button", "Select locale"),
            ][..],
        ),
        ("/login/alternative", &[("heading", "Alternative Sign In"), ("link", "Use your passkey instead?")][..]),
        ("/lc", &[("heading", "Login Code"), ("field", "Code"), ("link", "Go back"), ("button", "Submit")][..]),
        ("/login/alternative/email", &[("heading", "Email Login"), ("link", "Go back"), ("button", "Submit")][..]),
        ("/login/alternative/device", &[("heading", "Sign in with another device"), ("link", "Go back")][..]),
        ("/signup", &[("heading", "Sign Up to Pocket ID"), ("link", "Back"), ("button", "Sign Up")][..]),
        (
            "/device",
            &[("heading", "Authorize Device"), ("field", "Code"), ("link", "Cancel"), ("button", "Authorize")][..],
        ),
        ("/nowhere", &[("heading", "Not Found"), ("link", "Go back to home")][..]),
    ] {
        stage.open(&tab, path).await;
        search.on(&tab, path, wanted).await;
    }
    let client = stage.client(json!({})).await;
    tab.goto(&stage.authorize(&client, &[])).await.unwrap();
    let asked = [("heading", "Sign in to Nextcloud"), ("button", "Sign in"), ("link", "Cancel")];
    search.on(&tab, "signed out at /interaction", &asked).await;
    stage.sign_in_as(&admin.agent).await;
    tab.goto(&stage.authorize(&client, &[("prompt", "select_account")])).await.unwrap();
    search.on(&tab, "choice of an account", &asked).await;
    search.on(&tab, "choice of an account", &[("button", "Use a different account")]).await;
    for id in ["account-selection"] {
        assert_eq!(tab.count(&format!("[data-testid={id}]")).await.unwrap(), 1, "{id}");
    }
    tab.goto(&stage.authorize(&client, &[])).await.unwrap();
    search.on(&tab, "consent", &asked).await;
    assert_eq!(tab.count("[data-testid=scopes]").await.unwrap(), 1);
    stage.open(&tab, "/logout").await;
    let asked = [("heading", "Sign out"), ("link", "Cancel"), ("button", "Sign out")];
    search.on(&tab, "/logout", &asked).await;
    stage.open(&tab, "/signup/add-passkey").await;
    let asked = [("heading", "Set up your passkey"), ("button", "Skip for now"), ("button", "Add Passkey")];
    search.on(&tab, "/signup/add-passkey", &asked).await;
    search.end();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_settings_bear_their_names() {
    let mut search = Search { lost: Vec::new() };
    let stage = Stage::empty().await;
    let admin = stage.app.admin().await;
    stage.sign_in_as(&admin.agent).await;
    let tab = stage.tab().await;
    let script = stage.app.script();
    stage.open(&tab, "/settings/account").await;
    let shell = [
        ("link", "Logo Settings"),
        ("navigation", "Settings"),
        ("link", "My Account"),
        ("link", "My Apps"),
        ("link", "Audit Log"),
        ("button", "Administration"),
        ("link", "Users"),
        ("link", "User Groups"),
        ("link", "OIDC Clients"),
        ("link", "APIs"),
        ("link", "API Keys"),
        ("link", "Application Configuration"),
        ("button", "Toggle theme"),
        ("button", "My Account"),
    ];
    search.on(&tab, "the shell", &shell).await;
    let account = [
        ("heading", "Account Details"),
        ("heading", "Passkeys"),
        ("heading", "Profile Picture"),
        ("heading", "Language"),
        ("button", "Add Passkey"),
        ("button", "Rename"),
        ("button", "Delete"),
        ("button", "Reset to default"),
        ("button", "Select locale"),
        ("field", "Username"),
        ("field", "Email"),
        ("field", "First name"),
        ("field", "Last name"),
        ("field", "Display Name"),
        ("button", "Save"),
    ];
    search.on(&tab, "/settings/account", &account).await;
    stage.open(&tab, "/settings/apps").await;
    search.on(&tab, "/settings/apps", &[("heading", "My Apps")]).await;
    stage.open(&tab, "/settings/audit-log").await;
    let log = [
        ("heading", "Audit Log"),
        ("link", "Personal"),
        ("link", "Global"),
        ("columnheader", "Time"),
        ("columnheader", "Event"),
    ];
    search.on(&tab, "/settings/audit-log", &log).await;
    let columns = ["Approximate Location", "IP Address", "Device", "Client"].map(|name| ("columnheader", name));
    search.on(&tab, "/settings/audit-log", &columns).await;
    stage.open(&tab, "/settings/audit-log/global").await;
    let columns = ["Username", "Actor"].map(|name| ("columnheader", name));
    search.on(&tab, "/settings/audit-log/global", &columns).await;

    stage.open(&tab, "/settings/admin/users").await;
    let list = [
        ("button", "Add User"),
        ("button", "Create options"),
        ("searchbox", "Search..."),
        ("button", "Role"),
        ("button", "Status"),
        ("button", "View"),
        ("button", "Toggle menu"),
        ("columnheader", "Display Name"),
        ("columnheader", "Email"),
        ("columnheader", "Username"),
        ("columnheader", "Role"),
        ("columnheader", "Status"),
        ("columnheader", "Actions"),
        ("combobox", "Items per page"),
        ("navigation", "pagination"),
        ("link", "Page 1"),
    ];
    search.on(&tab, "/settings/admin/users", &list).await;
    tab.click(role("button", "Toggle menu")).await.unwrap();
    search.on(&tab, "a person's menu", &["Login Code", "Edit"].map(|name| ("menuitem", name))).await;
    tab.press("Escape").await.unwrap();
    tab.click(role("button", "Create options")).await.unwrap();
    let more = ["Create Signup Token", "View Active Signup Tokens"].map(|name| ("menuitem", name));
    search.on(&tab, "Create options", &more).await;
    tab.click(role("menuitem", "Create Signup Token")).await.unwrap();
    let dialog = [
        ("dialog", "Signup Token"),
        ("field", "Expiration"),
        ("field", "Usage Limit"),
        ("button", "Create"),
        ("button", "Close"),
    ];
    search.on(&tab, "Signup Token", &dialog).await;
    tab.press("Escape").await.unwrap();
    tab.click(role("button", "Add User")).await.unwrap();
    let dialog = [
        ("field", "Username"),
        ("field", "Email"),
        ("field", "First name"),
        ("field", "Last name"),
        ("field", "Display Name"),
        ("switch", "Admin Privileges"),
        ("switch", "Account Disabled"),
        ("button", "Save"),
        ("button", "Close"),
    ];
    search.on(&tab, "Add User", &dialog).await;

    let group = json!({ "name": "staff", "friendlyName": "Staff" });
    let group = script.post("/api/user-groups", &group).await.expect(201).id();
    let client = stage.client(json!({ "isGroupRestricted": true })).await;
    let client = client["id"].as_str().unwrap();
    let api = json!({ "name": "Orders", "resource": "https://orders.example" });
    let api = script.post("/api/apis", &api).await.expect(201).id();
    let tabs_of = |names: &'static [&'static str]| names.iter().map(|name| ("tab", *name)).collect::<Vec<_>>();
    let user = format!("/settings/admin/users/{}", admin.id());
    stage.open(&tab, &user).await;
    search.on(&tab, &user, &tabs_of(&["General", "User Groups", "Passkeys", "Custom Claims"])).await;
    search.on(&tab, &user, &[("link", "Back"), ("button", "Save")]).await;
    stage.open(&tab, &format!("{user}#custom-claims")).await;
    search.on(&tab, "claims", &[("button", "Add custom claim"), ("button", "Save")]).await;
    tab.click(role("button", "Add custom claim")).await.unwrap();
    search.on(&tab, "a claim", &[("button", "Remove custom claim"), ("field", "Key"), ("field", "Value")]).await;
    let group = format!("/settings/admin/user-groups/{group}");
    stage.open(&tab, &group).await;
    search.on(&tab, &group, &tabs_of(&["General", "Users", "Allowed OIDC Clients", "Custom Claims"])).await;
    search.on(&tab, &group, &[("field", "Friendly Name"), ("field", "Name")]).await;

    let page = format!("/settings/admin/oidc-clients/{client}");
    stage.open(&tab, &page).await;
    let tabs = tabs_of(&["General", "Allowed User Groups", "Credentials", "API access", "OIDC Data Preview"]);
    search.on(&tab, &page, &tabs).await;
    let general = [
        ("field", "Name"),
        ("field", "Description"),
        ("field", "Client Launch URL"),
        ("switch", "Public Client"),
        ("switch", "PKCE"),
        ("switch", "Requires Re-Authentication"),
        ("switch", "Skip Consent Screen"),
        ("field", "Access token lifetime"),
        ("field", "Access token lifetime unit"),
        ("field", "Refresh token inactivity timeout"),
        ("field", "Refresh token inactivity timeout unit"),
        ("button", "Save"),
    ];
    search.on(&tab, "a client", &general).await;
    for id in
        ["client-id", "token-lifetimes-card", "client-secrets-card", "federated-credentials-card", "callback-url-1"]
    {
        assert_eq!(tab.count(&format!("[data-testid={id}]")).await.unwrap(), 1, "{id}");
    }
    tab.click(".card > details.more > summary").await.unwrap();
    let text = tab.visible_text().await.unwrap();
    for label in [
        "Client ID",
        "Issuer URL",
        "Authorization URL",
        "OIDC Discovery URL",
        "Token URL",
        "Userinfo URL",
        "Logout URL",
        "Certificate URL",
        "Callback URLs",
        "Logout Callback URLs",
        "Show Advanced Options",
        "Upload Logo",
    ] {
        assert!(text.contains(label), "{label}");
    }
    tab.click(role("tab", "Allowed User Groups")).await.unwrap();
    search.on(&tab, "allowed groups", &[("button", "Unrestrict"), ("button", "Save")]).await;
    tab.click(role("tab", "Credentials")).await.unwrap();
    let credentials = [
        ("heading", "Client secrets"),
        ("field", "Expiration"),
        ("button", "Add client secret"),
        ("heading", "Federated Client Credentials"),
        ("button", "Create"),
    ];
    search.on(&tab, "credentials", &credentials).await;
    tab.click(role("button", "Create")).await.unwrap();
    let identity = [
        ("button", "Remove federated identity"),
        ("field", "Issuer"),
        ("field", "Subject"),
        ("field", "Audience"),
        ("field", "JWKS URL"),
        ("switch", "Replay Protection"),
    ];
    search.on(&tab, "a federated identity", &identity).await;
    tab.click(role("tab", "API access")).await.unwrap();
    search.on(&tab, "API access", &[("button", "Add API")]).await;
    tab.click(role("tab", "OIDC Data Preview")).await.unwrap();
    search.on(&tab, "preview", &[("button", "Show")]).await;

    let page = format!("/settings/admin/apis/{api}");
    stage.open(&tab, &page).await;
    let details =
        [("field", "Name"), ("tab", "OIDC Clients"), ("tab", "Metadata document clients"), ("button", "Add client")];
    search.on(&tab, &page, &details).await;
    stage.open(&tab, "/settings/admin/api-keys").await;
    tab.click(role("button", "Add API Key")).await.unwrap();
    let key = [("field", "Name"), ("field", "Expires At"), ("field", "Description"), ("button", "Save")];
    search.on(&tab, "Add API Key", &key).await;
    search.end();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_configuration_bears_its_names() {
    let mut search = Search { lost: Vec::new() };
    let stage = Stage::empty().await;
    let admin = stage.app.admin().await;
    stage.sign_in_as(&admin.agent).await;
    let tab = stage.tab().await;
    let page = "/settings/admin/application-configuration";
    for (hash, wanted) in [
        (
            "general",
            &[
                ("tab", "General"),
                ("tab", "User Creation"),
                ("tab", "Passkeys"),
                ("tab", "Email"),
                ("tab", "LDAP"),
                ("tab", "OIDC"),
                ("field", "Application Name"),
                ("field", "Session Duration"),
                ("field", "Home Page"),
                ("switch", "Enable Self-Account Editing"),
                ("switch", "Disable Animations"),
                ("radiogroup", "Accent Color"),
                ("radio", "Default"),
                ("radio", "Rose"),
                ("radio", "Custom"),
                ("heading", "Images"),
                ("button", "Save"),
            ][..],
        ),
        ("user-creation", &[("field", "Enable User Signups"), ("button", "Save")][..]),
        (
            "passkeys",
            &[
                ("field", "User verification"),
                ("switch", "Allow synced passkeys"),
                ("field", "Allowed authenticator type"),
            ][..],
        ),
        (
            "email",
            &[
                ("heading", "SMTP Configuration"),
                ("heading", "Enabled Emails"),
                ("switch", "Require Email Address"),
                ("switch", "Emails verified by default"),
                ("field", "SMTP Host"),
                ("field", "SMTP Port"),
                ("field", "SMTP User"),
                ("field", "SMTP Password"),
                ("field", "SMTP From"),
                ("field", "SMTP TLS Option"),
                ("switch", "Skip Certificate Verification"),
                ("switch", "Email Login Notification"),
                ("switch", "Email Verification"),
                ("switch", "Email Login Code from Admin"),
                ("switch", "API Key Expiration"),
                ("switch", "Email Login Code Requested by User"),
                ("button", "Send test email"),
                ("button", "Save"),
            ][..],
        ),
        (
            "ldap",
            &[
                ("heading", "Client Configuration"),
                ("heading", "Attribute Mapping"),
                ("field", "LDAP URL"),
                ("field", "LDAP Bind DN"),
                ("field", "LDAP Bind Password"),
                ("field", "LDAP Base DN"),
                ("field", "User Search Filter"),
                ("field", "Groups Search Filter"),
                ("field", "User Unique Identifier Attribute"),
                ("field", "Username Attribute"),
                ("field", "User Mail Attribute"),
                ("field", "User First Name Attribute"),
                ("field", "User Last Name Attribute"),
                ("field", "Display Name Attribute"),
                ("field", "User Profile Picture Attribute"),
                ("field", "Group Members Attribute"),
                ("field", "Group Unique Identifier Attribute"),
                ("field", "Group RDN Attribute (in DN)"),
                ("field", "Admin Group Name"),
                ("switch", "Skip Certificate Verification"),
                ("switch", "Keep disabled users from LDAP."),
            ][..],
        ),
        ("oidc", &[("heading", "Client ID Metadata Documents")][..]),
    ] {
        stage.open(&tab, &format!("{page}#{hash}")).await;
        search.on(&tab, hash, wanted).await;
    }
    search.end();
}
