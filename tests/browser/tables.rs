//! The tools of tables (ui.md §1.6), menus, and where the focus goes.

use pid_testkit::chromium::{Page, role};
use serde_json::json;

use crate::stage::{Stage, focused, quiet, until};

async fn admin_tab() -> (Stage, Page) {
    let stage = Stage::empty().await;
    let admin = stage.app.admin().await;
    stage.sign_in_as(&admin.agent).await;
    let tab = stage.tab().await;
    (stage, tab)
}

/// Waits until the first column of the list reads like this.
async fn rows(tab: &Page, wanted: &[&str]) {
    let find =
        "[...document.querySelectorAll('#list tbody tr')].map((row) => row.querySelector('a.primary').innerText)";
    until(async || {
        let found: Vec<String> = tab.eval(find).await.unwrap();
        if found == wanted { Ok(()) } else { Err(format!("{found:?}")) }
    })
    .await;
}

async fn heads(tab: &Page) -> Vec<String> {
    tab.eval("[...document.querySelectorAll('#list th')].map((head) => head.innerText)").await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_list_is_narrowed_by_values_of_its_columns() {
    let (stage, tab) = admin_tab().await;
    for (name, more) in [
        ("Immich", json!({ "isPublic": true })),
        ("Grafana", json!({ "isGroupRestricted": true, "requiresReauthentication": true })),
        ("Jellyfin", json!({ "isGroupRestricted": true })),
    ] {
        let mut body = json!({ "name": name });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        stage.client(body).await;
    }
    stage.open(&tab, "/settings/admin/oidc-clients?sort=name").await;
    rows(&tab, &["Grafana", "Immich", "Jellyfin"]).await;
    let trigger = "[data-testid=facet-restricted-trigger]";
    tab.click(trigger).await.unwrap();
    tab.wait_for("[data-testid=facet-restricted-content]:popover-open").await.unwrap();
    assert!(tab.is_visible(role("listbox", "Restricted")).await.unwrap());
    tab.click("[data-testid=facet-restricted-option-true]").await.unwrap();
    rows(&tab, &["Grafana", "Jellyfin"]).await;
    // It stays open, says what is chosen, and so does its button.
    assert_eq!(tab.states("[data-testid=facet-restricted-option-true]").await.unwrap()["selected"], true);
    assert_eq!(tab.text(&*format!("{trigger} [data-chips]")).await.unwrap().trim(), "Yes");
    assert!(tab.url().await.unwrap().contains("filters%5BisGroupRestricted%5D=true"));
    tab.press("Escape").await.unwrap();
    focused(&tab, "button", "Restricted Yes").await;
    // Two at once: each has to hold. By the keyboard.
    tab.focus("[data-testid='facet-re-authentication-trigger']").await.unwrap();
    tab.press("ArrowDown").await.unwrap();
    focused(&tab, "option", "Yes").await;
    tab.press("ArrowDown").await.unwrap();
    tab.press("Home").await.unwrap();
    tab.press("Space").await.unwrap();
    rows(&tab, &["Grafana"]).await;
    focused(&tab, "option", "Yes").await;
    // What is chosen is in the address, so it is there when the page is opened again.
    tab.reload().await.unwrap();
    rows(&tab, &["Grafana"]).await;
    assert_eq!(tab.text(&*format!("{trigger} [data-chips]")).await.unwrap().trim(), "Yes");
    for slug in ["restricted", "re-authentication"] {
        tab.click(&*format!("[data-testid='facet-{slug}-trigger']")).await.unwrap();
        tab.click(&*format!("[data-testid='facet-{slug}-content'] [data-facet-clear]")).await.unwrap();
        tab.press("Escape").await.unwrap();
    }
    rows(&tab, &["Grafana", "Immich", "Jellyfin"]).await;
    // A filter that finds nothing says how to get out of it.
    stage.open(&tab, "/settings/admin/oidc-clients?filters[clientType]=cimd").await;
    tab.wait_for_text("No items found").await.unwrap();
    tab.click(role("link", "Clear Filters")).await.unwrap();
    tab.wait_for("#list tbody tr").await.unwrap();
    quiet(&tab, stage.app.url());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn columns_come_and_go_and_a_browser_remembers_them() {
    let (stage, tab) = admin_tab().await;
    stage.open(&tab, "/settings/admin/users").await;
    let usual = ["Display Name", "Username", "Email", "Role", "Status", "Actions"];
    assert_eq!(heads(&tab).await, usual);
    tab.click(role("button", "View")).await.unwrap();
    tab.wait_for(role("menu", "Toggle columns")).await.unwrap();
    let item = |name: &str| role("menuitemcheckbox", name);
    assert_eq!(tab.states(&item("Email")).await.unwrap()["checked"], "true");
    assert_eq!(tab.states(&item("ID")).await.unwrap()["checked"], "false");
    tab.click(&item("Email")).await.unwrap();
    tab.click(&item("ID")).await.unwrap();
    let wanted = ["Display Name", "Username", "Role", "Status", "ID", "Actions"];
    until(async || match heads(&tab).await {
        found if found == wanted => Ok(()),
        found => Err(format!("{found:?}")),
    })
    .await;
    assert_eq!(tab.states(&item("ID")).await.unwrap()["checked"], "true");
    tab.reload().await.unwrap();
    assert_eq!(heads(&tab).await, wanted);
    // Other lists have columns of their own.
    stage.open(&tab, "/settings/audit-log").await;
    assert_eq!(heads(&tab).await.len(), 6);
    quiet(&tab, stage.app.url());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_have_a_size_and_rows_lead_on() {
    let (stage, tab) = admin_tab().await;
    let script = stage.app.script();
    for n in 10..35 {
        let group = json!({ "name": format!("g{n}"), "friendlyName": format!("Group {n}") });
        script.post("/api/user-groups", &group).await.expect(201);
    }
    stage.open(&tab, "/settings/admin/user-groups?sort=name").await;
    assert_eq!(tab.count("#list tbody tr").await.unwrap(), 20);
    tab.click(role("link", "Go to next page")).await.unwrap();
    tab.wait_for(role("link", "Go to previous page")).await.unwrap();
    assert_eq!(tab.count("#list tbody tr").await.unwrap(), 5);
    tab.fill(role("combobox", "Items per page"), "50").await.unwrap();
    tab.wait_for("#list tbody tr:nth-child(25)").await.unwrap();
    // A click anywhere in a row opens it; the keyboard has the link.
    tab.click("#list tbody tr:nth-child(3) td:nth-child(2)").await.unwrap();
    tab.wait_for(role("heading", "Group 12")).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_focus_stays_where_work_was_done() {
    let (stage, tab) = admin_tab().await;
    for name in ["ann", "ben", "cat"] {
        stage.app.person(name).await;
    }
    stage.open(&tab, "/settings/admin/users?sort=username").await;
    // A row's menu by the keyboard; after the list is read anew the focus is on the same row's button.
    tab.focus("tr:has(a[href]):nth-child(2) [aria-label='Toggle menu']").await.unwrap();
    tab.press("ArrowDown").await.unwrap();
    focused(&tab, "menuitem", "Login Code").await;
    tab.press("d").await.unwrap();
    focused(&tab, "menuitem", "Disable").await;
    tab.press("Enter").await.unwrap();
    tab.wait_for("[role=alertdialog]").await.unwrap();
    focused(&tab, "button", "Cancel").await;
    tab.press("Tab").await.unwrap();
    tab.press("Enter").await.unwrap();
    tab.wait_for("tr:nth-child(2) .badge-danger").await.unwrap();
    let row = "document.activeElement.closest('tr')?.innerText ?? ''";
    until(async || match tab.eval::<String>(row).await.unwrap() {
        text if text.contains("ann") => Ok(()),
        text => Err(format!("the focus is in {text:?}")),
    })
    .await;
    focused(&tab, "button", "Toggle menu").await;
    // Escape leaves a menu, and a question, with the focus on the button.
    tab.press("Enter").await.unwrap();
    focused(&tab, "menuitem", "Login Code").await;
    tab.press("Escape").await.unwrap();
    focused(&tab, "button", "Toggle menu").await;
    tab.press("Enter").await.unwrap();
    tab.press("ArrowUp").await.unwrap();
    focused(&tab, "menuitem", "Delete").await;
    tab.press("Enter").await.unwrap();
    focused(&tab, "button", "Cancel").await;
    tab.press("Escape").await.unwrap();
    focused(&tab, "button", "Toggle menu").await;
    // A row that is gone: the focus is on the one in its place.
    tab.press("Enter").await.unwrap();
    tab.press("ArrowUp").await.unwrap();
    tab.press("Enter").await.unwrap();
    focused(&tab, "button", "Cancel").await;
    tab.press("Tab").await.unwrap();
    tab.press("Enter").await.unwrap();
    tab.wait_for_text("User deleted successfully").await.unwrap();
    until(async || match tab.eval::<String>(row).await.unwrap() {
        text if text.contains("ben") => Ok(()),
        text => Err(format!("the focus is in {text:?}")),
    })
    .await;
    // Saving leaves it on the button that saved.
    stage.open(&tab, "/settings/account").await;
    tab.fill("#display-name", "Ada").await.unwrap();
    tab.focus("form[data-api='/api/users/me'] [type=submit]").await.unwrap();
    tab.press("Enter").await.unwrap();
    tab.wait_for_text("Account details updated successfully").await.unwrap();
    focused(&tab, "button", "Save").await;
    quiet(&tab, stage.app.url());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tabs_and_menus_follow_their_patterns() {
    let (stage, tab) = admin_tab().await;
    stage.open(&tab, "/settings/admin/application-configuration#passkeys").await;
    let states = async |name: &str| tab.states(role("tab", name)).await.unwrap()["selected"].clone();
    assert_eq!((states("Passkeys").await, states("General").await), (json!(true), json!(false)));
    assert!(tab.is_visible(role("tabpanel", "Passkeys")).await.unwrap());
    tab.focus("#tab-passkeys").await.unwrap();
    for (key, name, hash) in [
        ("ArrowRight", "Email", "#email"),
        ("ArrowLeft", "Passkeys", "#passkeys"),
        ("End", "OIDC", "#oidc"),
        ("ArrowRight", "General", "#general"),
        ("ArrowLeft", "OIDC", "#oidc"),
        ("Home", "General", "#general"),
    ] {
        tab.press(key).await.unwrap();
        focused(&tab, "tab", name).await;
        assert_eq!(states(name).await, true);
        assert!(tab.url().await.unwrap().ends_with(hash), "{key}");
    }
    // One stop for all tabs: the next is inside of the panel.
    tab.press("Tab").await.unwrap();
    focused(&tab, "tabpanel", "General").await;
    // A card's own name works as well, as in older links.
    stage.open(&tab, "/settings/admin/application-configuration#email-title").await;
    assert_eq!(states("Email").await, true);

    tab.focus("[popovertarget=theme-menu]").await.unwrap();
    assert_eq!(tab.states("[popovertarget=theme-menu]").await.unwrap()["hasPopup"], "menu");
    tab.press("ArrowDown").await.unwrap();
    focused(&tab, "menuitem", "Light").await;
    tab.press("d").await.unwrap();
    focused(&tab, "menuitem", "Dark").await;
    tab.press("Enter").await.unwrap();
    tab.wait_gone("#theme-menu:popover-open").await.unwrap();
    assert_eq!(tab.attribute("html", "data-theme").await.unwrap().as_deref(), Some("dark"));
    assert_eq!(
        tab.attribute("#theme-menu [data-theme-choice=dark]", "aria-current").await.unwrap().as_deref(),
        Some("true")
    );
    tab.press("ArrowUp").await.unwrap();
    focused(&tab, "menuitem", "System").await;
    tab.press("Tab").await.unwrap();
    tab.wait_gone("#theme-menu:popover-open").await.unwrap();
    quiet(&tab, stage.app.url());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_groups_the_chosen_are_shown_and_a_search_adds() {
    let (stage, tab) = admin_tab().await;
    let script = stage.app.script();
    let mut ids = Vec::new();
    for n in 0..60 {
        let group = json!({ "name": format!("g{n}"), "friendlyName": format!("Group {n}") });
        ids.push(script.post("/api/user-groups", &group).await.expect(201).id());
    }
    let tim = stage.app.person("tim").await;
    let path = format!("/api/users/{}", tim.id());
    script.put(&format!("{path}/user-groups"), &json!({ "userGroupIds": [ids[7]] })).await.expect(200);
    stage.open(&tab, &format!("/settings/admin/users/{}#groups", tim.id())).await;
    assert_eq!(tab.count("#chosen-groups .check").await.unwrap(), 1);
    let field = role("combobox", "Add a group");
    tab.fill(&field, "group 4").await.unwrap();
    tab.wait_for(role("listbox", "Add a group")).await.unwrap();
    assert_eq!(tab.states(&field).await.unwrap()["expanded"], true);
    tab.press("ArrowDown").await.unwrap();
    tab.press("ArrowDown").await.unwrap();
    tab.press("ArrowUp").await.unwrap();
    let active = "(() => { const f = document.getElementById('find-group'); \
        return document.getElementById(f.getAttribute('aria-activedescendant')).innerText; })()";
    assert_eq!(tab.eval::<String>(active).await.unwrap(), "Group 4 g4");
    tab.press("Enter").await.unwrap();
    tab.wait_for(role("checkbox", "Group 4")).await.unwrap();
    assert!(tab.is_checked(role("checkbox", "Group 4")).await.unwrap());
    focused(&tab, "combobox", "Add a group").await;
    assert_eq!(tab.text("[data-picked]").await.unwrap(), "Group 4 was added");
    // Escape closes the list alone; what is chosen is not offered again; the mouse does as well.
    tab.type_text("group 7").await.unwrap();
    tab.wait_for_text("No items found").await.unwrap();
    tab.press("Escape").await.unwrap();
    assert_eq!(tab.states(&field).await.unwrap()["expanded"], false);
    tab.fill(&field, "group 59").await.unwrap();
    tab.click(role("option", "Group 59 g59")).await.unwrap();
    tab.wait_for(role("checkbox", "Group 59")).await.unwrap();
    tab.click("#panel-groups [type=submit]").await.unwrap();
    tab.wait_for_text("User groups updated successfully").await.unwrap();
    let stored = script.get(&path).await.expect(200).json();
    let mut stored: Vec<&str> =
        stored["userGroups"].as_array().unwrap().iter().filter_map(|g| g["id"].as_str()).collect();
    let mut wanted: Vec<&str> = [7, 4, 59].iter().map(|n: &usize| ids[*n].as_str()).collect();
    stored.sort_unstable();
    wanted.sort_unstable();
    assert_eq!(stored, wanted);
    let client = stage.client(json!({ "isGroupRestricted": true })).await;
    stage.open(&tab, &format!("/settings/admin/oidc-clients/{}#user-groups", client["id"].as_str().unwrap())).await;
    tab.fill(&field, "group 33").await.unwrap();
    tab.click(role("option", "Group 33 g33")).await.unwrap();
    tab.click("#allowed-groups-form [type=submit]").await.unwrap();
    tab.wait_for_text("can sign in: Group 33").await.unwrap();
    quiet(&tab, stage.app.url());
}
