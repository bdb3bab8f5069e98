//! What user managers and auditors see of the administration, and how roles are given.

use pid_testkit::chromium::{Page, role};
use serde_json::json;

use crate::stage::{Stage, quiet, until};

/// The links of the navigation below `Administration`.
async fn administration(tab: &Page) -> Vec<String> {
    tab.eval("[...document.querySelectorAll('#admin-nav a')].map((a) => a.textContent.trim())").await.unwrap()
}

/// What on a page sends something, or can be typed or ticked into a form that would be sent.
const SENDS: &str = r"[...document.querySelectorAll('main [data-api], main form[data-api] *, main [data-upload], main [data-dialog]')]
    .filter((e) => e.checkVisibility() && e.matches('button, input, select, textarea, a[data-api]'))
    .filter((e) => !e.matches(':disabled, :read-only:is(input, textarea), [data-copy], [data-looks], [role=tab]'))
    .map((e) => e.outerHTML.slice(0, 120))";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_administrator_gives_roles_to_people_and_groups() {
    let stage = Stage::empty().await;
    let admin = stage.app.admin().await;
    let tim = stage.app.person("tim").await;
    let script = stage.app.script();
    let group = script.post("/api/user-groups", &json!({ "name": "audit", "friendlyName": "The audit" })).await;
    let group = group.expect(201).id();
    stage.sign_in_as(&admin.agent).await;
    let tab = stage.tab().await;
    stage.open(&tab, &format!("/settings/admin/user-groups/{group}")).await;
    tab.click(role("checkbox", "Auditor")).await.unwrap();
    tab.click(role("button", "Save")).await.unwrap();
    tab.wait_for_text("User group updated successfully").await.unwrap();
    let given = script.get(&format!("/api/user-groups/{group}")).await.expect(200).json();
    assert_eq!(given["roles"], json!(["auditor"]));
    let members = json!({ "userIds": [tim.id()] });
    script.put(&format!("/api/user-groups/{group}/users"), &members).await.expect(200);

    stage.open(&tab, &format!("/settings/admin/users/{}", tim.id())).await;
    // What the group gives is told, and is not theirs.
    tab.wait_for_text("Also by group: The audit.").await.unwrap();
    assert!(!tab.is_checked(role("checkbox", "Auditor")).await.unwrap());
    tab.click(role("checkbox", "User Manager")).await.unwrap();
    tab.click(role("button", "Save")).await.unwrap();
    tab.wait_for_text("User updated successfully").await.unwrap();
    let given = script.get(&format!("/api/users/{}", tim.id())).await.expect(200).json();
    assert_eq!(given["roles"], json!(["user-manager"]));

    // Another administrator takes it away meanwhile: the form shows what is stored then, and saves what is added.
    stage.app.give(&tim, &[]).await;
    tab.click(role("checkbox", "Auditor")).await.unwrap();
    tab.click(role("button", "Save")).await.unwrap();
    tab.wait_for_text("changed").await.unwrap();
    assert!(!tab.is_checked(role("checkbox", "User Manager")).await.unwrap());
    tab.click(role("button", "Save")).await.unwrap();
    // The message of the first time may still be there.
    until(async || {
        let given = script.get(&format!("/api/users/{}", tim.id())).await.expect(200).json();
        if given["roles"] == json!(["auditor"]) { Ok(()) } else { Err(given["roles"].to_string()) }
    })
    .await;
    stage.open(&tab, "/settings/admin/users?search=tim").await;
    assert_eq!(tab.text("tbody .badge-accent").await.unwrap(), "Auditor");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_manager_sees_people_and_what_is_theirs_to_change() {
    let stage = Stage::empty().await;
    let admin = stage.app.admin().await;
    let (manager, tim) = (stage.app.person("manager").await, stage.app.person("tim").await);
    stage.app.give(&manager, &["user-manager"]).await;
    let script = stage.app.script();
    let client = stage.client(json!({ "name": "Wiki", "isGroupRestricted": true })).await;
    let mut groups = Vec::new();
    for (name, roles) in [("staff", json!([])), ("auditors", json!(["auditor"]))] {
        let made = json!({ "name": name, "friendlyName": name, "roles": roles });
        groups.push(script.post("/api/user-groups", &made).await.expect(201).id());
    }
    let staff = format!("/api/user-groups/{}", groups[0]);
    script.put(&format!("{staff}/users"), &json!({ "userIds": [admin.id()] })).await.expect(200);
    script.put(&format!("{staff}/allowed-oidc-clients"), &json!({ "oidcClientIds": [client["id"]] })).await.expect(200);
    stage.sign_in_as(&manager.agent).await;
    let tab = stage.tab().await;
    stage.open(&tab, "/settings/admin/users").await;
    assert_eq!(administration(&tab).await, ["Users", "User Groups", "API Keys"]);

    tab.click(role("button", "Add User")).await.unwrap();
    assert_eq!(tab.count("#add-user [name=isAdmin]").await.unwrap(), 0);
    tab.fill(role("textbox", "Username"), "ann").await.unwrap();
    tab.fill(role("textbox", "Email"), "ann@example.com").await.unwrap();
    tab.click(role("button", "Save")).await.unwrap();
    tab.wait_for_text("User created successfully").await.unwrap();
    tab.wait_for(role("link", "ann")).await.unwrap();
    // Beside the administrator's name there is nothing to press.
    let rows = "[...document.querySelectorAll('tbody tr')].map((r) => [r.cells[1].textContent.trim(), r.querySelector('td.actions button') !== null])";
    let rows: Vec<(String, bool)> = tab.eval(rows).await.unwrap();
    let may = |name: &str| rows.iter().find(|(shown, _)| shown == name).map(|(_, may)| *may);
    assert_eq!((may("admin"), may("tim"), may("ann")), (Some(false), Some(true), Some(true)), "{rows:?}");

    stage.open(&tab, &format!("/settings/admin/users/{}", admin.id())).await;
    tab.wait_for_text("Only an administrator can change the account.").await.unwrap();
    assert_eq!(tab.eval::<Vec<String>>(SENDS).await.unwrap(), Vec::<String>::new());

    stage.open(&tab, &format!("/settings/admin/users/{}#groups", tim.id())).await;
    assert_eq!(tab.count("main [data-list=roles], main [name=isAdmin]").await.unwrap(), 0);
    let fixed = format!("document.getElementById('group-{}').disabled", groups[1]);
    assert!(tab.eval::<bool>(&fixed).await.unwrap(), "a group that gives a role");
    tab.click(role("checkbox", "staff")).await.unwrap();
    tab.click("#panel-groups [type=submit]").await.unwrap();
    tab.wait_for_text("User groups updated successfully").await.unwrap();

    // The administrator stays in the group, whoever else comes or goes.
    stage.open(&tab, &format!("/settings/admin/user-groups/{}#users", groups[0])).await;
    let fixed = format!("document.getElementById('user-{}').disabled", admin.id());
    assert!(tab.eval::<bool>(&fixed).await.unwrap(), "an administrator");
    tab.click(role("checkbox", "Tim Test")).await.unwrap();
    tab.click("#panel-users [type=submit]").await.unwrap();
    tab.wait_for_text("Users updated successfully").await.unwrap();
    let members = script.get(&staff).await.expect(200).json()["users"].clone();
    assert_eq!((members.as_array().unwrap().len(), &members[0]["username"]), (1, &json!("admin")));
    // Apps are told its name and claims of the administrator.
    let name_is_fixed = "document.querySelector('#group-form [name=name]').disabled";
    assert!(tab.eval::<bool>(name_is_fixed).await.unwrap(), "the name of a group that an administrator is in");
    assert_eq!(tab.count("#panel-custom-claims [type=submit], #panel-custom-claims [data-add-row]").await.unwrap(), 0);
    tab.click(role("tab", "Allowed OIDC Clients")).await.unwrap();
    tab.wait_for_text("Only an administrator can change which.").await.unwrap();
    assert_eq!(tab.count("#panel-clients .check").await.unwrap(), 1);
    assert_eq!(tab.count("#panel-clients [type=submit]").await.unwrap(), 0);

    // Keys of their own may do what they may.
    stage.open(&tab, "/settings/admin/api-keys").await;
    tab.wait_for(role("button", "Add API Key")).await.unwrap();
    tab.wait_for_text("in your name").await.unwrap();

    stage.open(&tab, &format!("/settings/admin/user-groups/{}", groups[1])).await;
    tab.wait_for_text("This group gives rights. Only an administrator can change it.").await.unwrap();
    assert_eq!(tab.eval::<Vec<String>>(SENDS).await.unwrap(), Vec::<String>::new());
    quiet(&tab, stage.app.url());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_auditor_reads_every_page_and_finds_nothing_to_press() {
    let stage = Stage::empty().await;
    let admin = stage.app.admin().await;
    let (auditor, tim) = (stage.app.person("auditor").await, stage.app.person("tim").await);
    stage.app.give(&auditor, &["auditor"]).await;
    let script = stage.app.script();
    let client = stage.client(json!({ "name": "Wiki", "isGroupRestricted": true })).await;
    let group = script.post("/api/user-groups", &json!({ "name": "staff", "friendlyName": "Staff" })).await;
    let group = group.expect(201).id();
    let api = script.post("/api/apis", &json!({ "name": "Notes", "resource": "https://notes.example" })).await;
    let api = api.expect(201).id();
    script.post("/api/signup-tokens", &json!({ "usageLimit": 1 })).await.expect(201);
    stage.sign_in_as(&auditor.agent).await;
    let tab = stage.tab().await;
    stage.open(&tab, "/settings/admin/users").await;
    let all = ["Users", "User Groups", "OIDC Clients", "APIs", "API Keys", "Application Configuration", "System"];
    assert_eq!(administration(&tab).await, all);
    let pages = [
        "users".to_owned(),
        format!("users/{}", tim.id()),
        "user-groups".to_owned(),
        format!("user-groups/{group}"),
        "oidc-clients".to_owned(),
        format!("oidc-clients/{}", client["id"].as_str().unwrap()),
        "apis".to_owned(),
        format!("apis/{api}"),
        "application-configuration".to_owned(),
    ];
    let every_part = "document.querySelectorAll('main [role=tabpanel], main details').forEach((e) => { e.hidden = false; e.open = true; })";
    for page in &pages {
        stage.open(&tab, &format!("/settings/admin/{page}")).await;
        tab.wait_for_text("As an auditor you can see everything here, but change nothing.").await.unwrap();
        tab.eval::<serde_json::Value>(every_part).await.unwrap();
        assert_eq!(tab.eval::<Vec<String>>(SENDS).await.unwrap(), Vec::<String>::new(), "{page}");
    }
    // Looking goes on: search, the sign-up tokens, the preview of claims, values to copy.
    stage.open(&tab, "/settings/admin/users").await;
    tab.fill(role("searchbox", "Search..."), "tim").await.unwrap();
    tab.wait_gone(format!("#list a[href$='{}']", admin.id()).as_str()).await.unwrap();
    tab.click(role("button", "Create options")).await.unwrap();
    tab.click(role("menuitem", "View Active Signup Tokens")).await.unwrap();
    tab.wait_for("#manage-tokens[open] tbody tr").await.unwrap();
    assert_eq!(tab.count("#signup-tokens td.actions *").await.unwrap(), 0);
    stage.open(&tab, &format!("/settings/admin/{}#oidc-data-preview", pages[5])).await;
    tab.click(role("button", "Show")).await.unwrap();
    tab.wait_for("#preview[open] #preview-user").await.unwrap();
    stage.open(&tab, "/settings/audit-log").await;
    tab.click(role("link", "Global")).await.unwrap();
    tab.wait_for(role("heading", "Global Audit Log")).await.unwrap();
    quiet(&tab, stage.app.url());
}
