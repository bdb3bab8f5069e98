//! Who follows an older guide or video finds what it names (ui.md §6).

use pid_tests::TestApp;
use serde_json::json;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn older_addresses_lead_on() {
    let app = TestApp::start().await;
    let nobody = app.agent();
    for (old, new) in [("/login/setup", "/signup/setup"), ("/setup", "/signup/setup"), ("/", "/setup")] {
        assert_eq!(nobody.get(old).await.location(), new, "{old}");
    }
    let admin = app.admin().await;
    for (old, new) in [
        ("/lc", "/login/alternative/code"),
        ("/lc/ABCDEF", "/login/alternative/code?code=ABCDEF"),
        ("/login/Xa83kLmQ9pTz0bVn", "/login/alternative/code?code=Xa83kLmQ9pTz0bVn"),
        ("/login/email", "/login/alternative/email"),
        ("/st/Token1", "/signup?token=Token1"),
        ("/", "/login?redirect=%2F"),
        ("/settings", "/login?redirect=%2Fsettings"),
    ] {
        assert_eq!(nobody.get(old).await.location(), new, "{old}");
    }
    for (old, new) in [("/", "/settings"), ("/settings", "/settings/account"), ("/login", "/settings")] {
        assert_eq!(admin.agent.get(old).await.location(), new, "{old}");
    }
    nobody.get("/login/no-such-page").await.expect(404);
    assert_eq!(admin.agent.get("/settings/apps/").await.location(), "/settings/apps");
}

/// The words of guides, and the page on which they stand, in whatever case.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn older_labels_are_found_where_the_newer_control_is() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let client = app.client(json!({ "name": "App", "isGroupRestricted": true })).await;
    let client = format!("/settings/admin/oidc-clients/{}", client["id"].as_str().unwrap());
    let (users, groups) = ("/settings/admin/users", "/settings/admin/user-groups");
    let configuration = "/settings/admin/application-configuration";
    for (page, old, new) in [
        ("/login", "Don't have access to your passkey?", "Alternative Sign In Methods"),
        (users, "one-time link", "Login Code"),
        (users, "Expiration", "Show Code"),
        (configuration, "One-time access by email", "Email Login Code Requested by User"),
        (configuration, "search base", "LDAP Base DN"),
        (configuration, "group name attribute", "Group RDN Attribute (in DN)"),
        (&client, "SCIM endpoint URL", "SCIM Endpoint"),
        ("/settings/admin/api-keys", "Generate a key", "Add API Key"),
        (groups, "Create User Group", "Add Group"),
        ("/settings/admin/oidc-clients", "Create OIDC Client", "Add OIDC Client"),
        (&client, "Restricted to allowed groups", "Unrestrict"),
        (&client, "Generate a secret", "Add client secret"),
        (&client, "Change the logo", "Upload Logo"),
        (&client, "OIDC Discovery URL", "Certificate URL"),
        ("/settings/account", "My Apps", "Logout"),
    ] {
        let agent = if page == "/login" { app.agent() } else { admin.agent.clone() };
        let text = agent.get(page).await.expect(200).text().to_lowercase().replace("&#39;", "'");
        for word in [old, new] {
            assert!(text.contains(&word.to_lowercase()), "{page} does not say {word:?}");
        }
    }
}
