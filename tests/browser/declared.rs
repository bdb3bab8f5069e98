//! What a file declares, on pages: shown, and not to be changed there.

use pid_flows::keys::KeySealer;
use pid_testkit::chromium::role;
use pocket_id::declared::{Wanted, apply};
use serde_json::json;

use crate::looks::Gallery;
use crate::stage::{Stage, quiet};

const CLUB: &str = r#"
[settings]
appName = "Club"
allowUserSignups = "withToken"
signupDefaultUserGroupIDs = ["members"]
smtpHost = "mail.example.com"

[[groups]]
name = "members"
friendlyName = "Members"
customClaims = { floor = "3" }

[[users]]
username = "bob"
email = "bob@example.com"
firstName = "Bob"
groups = ["members"]

[[clients]]
id = "wiki"
name = "Wiki"
callbackURLs = ["https://wiki.example.com/cb"]
groups = ["members"]
secret = { file = "wiki-secret" }
"#;

/// What a form shows that could still be typed or pressed.
const OPEN: &str = r"(selector) => [...document.querySelectorAll(selector)]
    .filter((e) => e.checkVisibility() && e.matches('button, input, select, textarea'))
    .filter((e) => !e.matches(':disabled, :read-only:is(input, textarea), [data-copy]'))
    .map((e) => e.outerHTML.slice(0, 120))";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_declared_is_shown_and_can_not_be_changed() {
    let mut gallery = Gallery::default();
    let stage = Stage::empty().await;
    let admin = stage.app.admin().await;
    let file = stage.app.dir().join("club.toml");
    std::fs::write(&file, CLUB).unwrap();
    let wanted = Wanted {
        file,
        prune: false,
        new_secrets: false,
        dry_run: false,
        leave_secrets: false,
        progress: pid_core::progress::Progress::default(),
    };
    let sealer = KeySealer::new(b"test-encryption-key").unwrap();
    let app = stage.app.app();
    apply(app.db(), &sealer, app.ctx("test"), &wanted).await.unwrap();
    app.reload_snapshot().await.unwrap();
    stage.sign_in_as(&admin.agent).await;
    let tab = stage.tab().await;
    let open = async |selector: &str| tab.eval::<Vec<String>>(&format!("({OPEN})({})", json!(selector))).await.unwrap();

    let bob = stage.app.account("bob").await;
    let bob = bob["id"].as_str().unwrap();
    stage.open(&tab, &format!("/settings/admin/users/{bob}")).await;
    tab.wait_for_text("This is declared in the configuration file.").await.unwrap();
    assert_eq!(open("#user-form *").await, Vec::<String>::new());
    // What is not declared is as free as ever: a login code, claims.
    assert!(!open("[data-dialog=login-code]").await.is_empty());
    gallery.look(&tab, "declared-user").await;
    tab.click(role("tab", "Custom Claims")).await.unwrap();
    assert!(!open("#panel-custom-claims *").await.is_empty());

    let groups = stage.app.script().get("/api/user-groups").await.expect(200).json();
    let members = groups["data"][0]["id"].as_str().unwrap();
    stage.open(&tab, &format!("/settings/admin/user-groups/{members}")).await;
    tab.wait_for_text("This is declared in the configuration file.").await.unwrap();
    assert_eq!(open("#group-form *").await, Vec::<String>::new());
    tab.click(role("tab", "Custom Claims")).await.unwrap();
    assert_eq!(open("#panel-custom-claims form *").await, Vec::<String>::new());
    gallery.look(&tab, "declared-group").await;

    stage.open(&tab, "/settings/admin/oidc-clients/wiki").await;
    tab.wait_for_text("This is declared in the configuration file.").await.unwrap();
    assert_eq!(open("#client-form > :not(details) *").await, Vec::<String>::new());
    gallery.look(&tab, "declared-client").await;
    tab.click(role("tab", "Allowed User Groups")).await.unwrap();
    assert_eq!(open("#panel-user-groups *").await, Vec::<String>::new());
    tab.click(role("tab", "Credentials")).await.unwrap();
    assert_eq!(open("#panel-credentials [data-api*=secrets]").await, Vec::<String>::new());

    stage.open(&tab, "/settings/admin/application-configuration").await;
    tab.wait_for_text("Settings with a lock").await.unwrap();
    assert_eq!(open("#app-name").await, Vec::<String>::new());
    assert!(!open("#session-duration").await.is_empty());
    gallery.look(&tab, "declared-settings").await;
    // The others are saved as ever.
    tab.fill("#session-duration", "90").await.unwrap();
    tab.click("#configuration [type=submit]").await.unwrap();
    tab.wait_for_text("Application configuration updated successfully").await.unwrap();
    tab.click(role("tab", "User Creation")).await.unwrap();
    gallery.look(&tab, "declared-settings-sign-up").await;
    quiet(&tab, stage.app.url());
    gallery.finish();
}
