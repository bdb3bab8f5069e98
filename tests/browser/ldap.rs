//! The directory in a real browser: filled in, tried, looked at, switched on, and a synchronisation that stops and is
//! confirmed.

use pid_testkit::chromium::{Page, role};
use pid_testkit::slapd::{dn, group, person};
use pid_tests::directory::{settings, start};
use serde_json::json;

use crate::stage::Stage;

const CONFIGURATION: &str = "/settings/admin/application-configuration#ldap";

/// Fills the form in as an administrator would.
async fn fill_in(tab: &Page, url: &str) {
    let settings = settings(url);
    for (field, key) in [
        ("LDAP URL", "ldapUrl"),
        ("LDAP Bind DN", "ldapBindDn"),
        ("LDAP Bind Password", "ldapBindPassword"),
        ("LDAP Base DN", "ldapBase"),
        ("User Search Filter", "ldapUserSearchFilter"),
        ("Groups Search Filter", "ldapUserGroupSearchFilter"),
        ("User Unique Identifier Attribute", "ldapAttributeUserUniqueIdentifier"),
        ("Username Attribute", "ldapAttributeUserUsername"),
        ("User Mail Attribute", "ldapAttributeUserEmail"),
        ("User First Name Attribute", "ldapAttributeUserFirstName"),
        ("User Last Name Attribute", "ldapAttributeUserLastName"),
        ("Group Unique Identifier Attribute", "ldapAttributeGroupUniqueIdentifier"),
        ("Group RDN Attribute (in DN)", "ldapAttributeGroupName"),
        ("Admin Group Name", "ldapAdminGroupName"),
    ] {
        tab.fill(role("textbox", field), settings[key].as_str().unwrap()).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_administrator_connects_a_directory() {
    let stage = Stage::empty().await;
    let admin = stage.app.admin().await;
    let people: String = ["ann", "bob", "cid", "dan", "eve"].map(|uid| person(uid, &[])).concat();
    let directory = start(&(people + &person("bad name", &[]) + &group("admins", &[&dn("ann")])));
    stage.sign_in_as(&admin.agent).await;
    let tab = stage.tab().await;
    stage.open(&tab, CONFIGURATION).await;

    // What is missing is said at its field, before anything is asked.
    tab.click(role("button", "Test connection")).await.unwrap();
    tab.wait_for_text("This field is required").await.unwrap();
    fill_in(&tab, &directory.url()).await;
    tab.fill(role("textbox", "LDAP Bind Password"), "wrong").await.unwrap();
    tab.click(role("button", "Test connection")).await.unwrap();
    tab.wait_for_text("invalidCredentials (49)").await.unwrap();
    fill_in(&tab, &directory.url()).await;
    tab.click(role("button", "Test connection")).await.unwrap();
    tab.wait_for_text("The directory answers").await.unwrap();

    tab.click(role("button", "Dry run")).await.unwrap();
    tab.wait_for_text("Nothing was changed: this is what a synchronisation would do.").await.unwrap();
    tab.wait_for_text("The username is too long, or has characters other than").await.unwrap();
    assert_eq!(stage.app.find_account("ann").await, None);

    // Nothing was saved by that.
    stage.open(&tab, CONFIGURATION).await;
    fill_in(&tab, &directory.url()).await;
    tab.click("#ldap-form [type=submit]").await.unwrap();
    tab.wait_for_text("LDAP configuration updated successfully").await.unwrap();
    tab.click(role("button", "Sync now")).await.unwrap();
    tab.wait_for_text("LDAP sync finished").await.unwrap();
    tab.wait_for_text("Created: 5").await.unwrap();
    assert_eq!(stage.app.account("ann").await["isAdmin"], true);
    // What the directory manages is locked, and says why.
    let bob = stage.app.account("bob").await;
    stage.open(&tab, &format!("/settings/admin/users/{}", bob["id"].as_str().unwrap())).await;
    tab.wait_for_text("A directory (LDAP) manages this record; change it there.").await.unwrap();
    assert!(tab.eval::<bool>("document.getElementById('username').disabled").await.unwrap());

    // Two of five are gone: that stops.
    directory.delete(&[&dn("dan"), &dn("eve")]).unwrap();
    stage.open(&tab, CONFIGURATION).await;
    tab.click(role("button", "Sync now")).await.unwrap();
    tab.wait_for_text("Nothing was changed").await.unwrap();
    tab.click(role("link", "See the report")).await.unwrap();
    tab.wait_for_text("Users who would be disabled or deleted: 2.").await.unwrap();
    assert_eq!(stage.app.account("dan").await["disabled"], false);
    tab.click(role("button", "Go on")).await.unwrap();
    tab.wait_for(role("alertdialog", "Let the synchronisation go on?")).await.unwrap();
    tab.click("dialog[open] .btn-danger").await.unwrap();
    tab.wait_for_text("LDAP sync finished").await.unwrap();
    assert_eq!(stage.app.account("dan").await["disabled"], true);

    stage.open(&tab, CONFIGURATION).await;
    tab.click("#ldap-form [data-body*=ldapEnabled]").await.unwrap();
    tab.wait_for_text("LDAP disabled successfully").await.unwrap();
    let list = stage.app.agent().get("/api/application-configuration").await.json();
    assert!(list.as_array().unwrap().contains(&json!({ "key": "ldapEnabled", "type": "boolean", "value": "false" })));
}
