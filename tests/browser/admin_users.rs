//! The pages of users and groups, through the page.

use pid_testkit::chromium::role;
use serde_json::json;

use crate::stage::{Stage, quiet};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_admin_makes_edits_disables_and_deletes_a_user() {
    let stage = Stage::empty().await;
    let admin = stage.app.admin().await;
    stage.sign_in_as(&admin.agent).await;
    let tab = stage.tab().await;
    stage.open(&tab, "/settings/admin/users").await;
    tab.click(role("button", "Add User")).await.unwrap();
    tab.click(role("button", "Save")).await.unwrap();
    tab.wait_for_text("This field is required").await.unwrap();
    for (label, value) in
        [("Username", "tim"), ("Email", "tim@example.com"), ("First name", "Tim"), ("Last name", "Cook")]
    {
        tab.fill(role("textbox", label), value).await.unwrap();
    }
    assert_eq!(tab.value(role("textbox", "Display Name")).await.unwrap(), "Tim Cook");
    tab.click(role("button", "Save")).await.unwrap();
    tab.wait_for_text("User created successfully").await.unwrap();
    tab.click(role("link", "Tim Cook")).await.unwrap();

    tab.wait_for(role("tab", "Custom Claims")).await.unwrap();
    tab.fill(role("textbox", "Display Name"), "Timothy").await.unwrap();
    tab.click(role("switch", "Admin Privileges")).await.unwrap();
    tab.click(role("button", "Save")).await.unwrap();
    tab.wait_for_text("User updated successfully").await.unwrap();

    tab.click(role("tab", "Custom Claims")).await.unwrap();
    assert!(tab.url().await.unwrap().ends_with("#custom-claims"));
    tab.click(role("button", "Add custom claim")).await.unwrap();
    tab.fill("#claim-rows input[name='key[]']", "nextcloud_username").await.unwrap();
    tab.fill("#claim-rows input[name='value[]']", "tcook").await.unwrap();
    tab.click("#panel-custom-claims button[type=submit]").await.unwrap();
    tab.wait_for_text("Custom claims updated successfully").await.unwrap();

    // The claims raised the version; the first form goes on from there.
    tab.click(role("tab", "General")).await.unwrap();
    tab.fill(role("textbox", "Last name"), "Apple").await.unwrap();
    tab.click(role("button", "Save")).await.unwrap();
    // The toast of the first time may still be there.
    crate::stage::until(async || {
        let users = stage.app.script().get("/api/users?search=tim").await.expect(200).json();
        let tim = &users["data"][0];
        let found = (&tim["displayName"], &tim["isAdmin"], &tim["lastName"]);
        if found == (&json!("Timothy"), &json!(true), &json!("Apple")) { Ok(()) } else { Err(format!("{found:?}")) }
    })
    .await;
    let users = stage.app.script().get("/api/users?search=tim").await.expect(200).json();
    assert_eq!(users["data"][0]["customClaims"], json!([{ "key": "nextcloud_username", "value": "tcook" }]));

    stage.open(&tab, "/settings/admin/users?search=tim").await;
    tab.click("td.actions button[aria-label='Toggle menu']").await.unwrap();
    tab.click(role("menuitem", "Disable")).await.unwrap();
    tab.wait_for(role("alertdialog", "Disable Tim Apple")).await.unwrap();
    tab.click(role("button", "Disable")).await.unwrap();
    tab.wait_for_text("User has been disabled successfully.").await.unwrap();
    tab.click("td.actions button[aria-label='Toggle menu']").await.unwrap();
    tab.click(role("menuitem", "Delete")).await.unwrap();
    tab.wait_for(role("alertdialog", "Delete Tim Apple")).await.unwrap();
    tab.click(role("button", "Delete")).await.unwrap();
    tab.wait_for_text("User deleted successfully").await.unwrap();
    tab.wait_for_text("No items found").await.unwrap();
    quiet(&tab, stage.app.url());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_login_code_is_shown_once_and_signs_in() {
    let stage = Stage::empty().await;
    let admin = stage.app.admin().await;
    stage.app.person("tim").await;
    stage.sign_in_as(&admin.agent).await;
    let tab = stage.tab().await;
    stage.open(&tab, "/settings/admin/users?search=tim").await;
    tab.click("td.actions button[aria-label='Toggle menu']").await.unwrap();
    tab.click(role("menuitem", "Login Code")).await.unwrap();
    tab.wait_for(role("dialog", "Login Code")).await.unwrap();
    tab.click(role("button", "Show Code")).await.unwrap();
    tab.wait_for("#login-code-result:not([hidden])").await.unwrap();
    let link = tab.attribute("[data-testid=login-code-link]", "data-copy").await.unwrap().unwrap();
    let code = tab.attribute("[data-testid=login-code-value]", "data-copy").await.unwrap().unwrap();
    assert_eq!(link, stage.url(&format!("/lc/{code}")));
    assert_eq!(code.len(), 12, "an hour is long enough for twelve characters");
    tab.click(role("button", "Close")).await.unwrap();
    quiet(&tab, stage.app.url());

    let other = stage.new_window().await.page().await.unwrap();
    other.goto(&link).await.unwrap();
    other.wait_for_url(|url| url.ends_with("/settings/account")).await.unwrap();
    assert_eq!(other.value(role("textbox", "Username")).await.unwrap(), "tim");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_admins_who_edit_the_same_user_see_both_values() {
    let stage = Stage::empty().await;
    let admin = stage.app.admin().await;
    let tim = stage.app.person("tim").await;
    stage.sign_in_as(&admin.agent).await;
    let tab = stage.tab().await;
    stage.open(&tab, &format!("/settings/admin/users/{}", tim.id())).await;
    let path = format!("/api/users/{}", tim.id());
    stage.app.script().patch(&path, &json!({ "firstName": "Theirs", "lastName": "New" }), None).await.expect(200);
    tab.fill(role("textbox", "First name"), "Mine").await.unwrap();
    tab.click(role("button", "Save")).await.unwrap();
    tab.wait_for_text("Now stored: Theirs").await.unwrap();
    assert_eq!(stage.app.script().get(&path).await.json()["firstName"], "Theirs");
    tab.click(role("button", "Use the stored value")).await.unwrap();
    assert_eq!(tab.value(role("textbox", "First name")).await.unwrap(), "Theirs");
    tab.fill(role("textbox", "First name"), "Agreed").await.unwrap();
    tab.click(role("button", "Save")).await.unwrap();
    tab.wait_for_text("User updated successfully").await.unwrap();
    let stored = stage.app.script().get(&path).await.json();
    assert_eq!((&stored["firstName"], &stored["lastName"]), (&json!("Agreed"), &json!("New")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_group_gets_members_and_apps() {
    let stage = Stage::empty().await;
    let admin = stage.app.admin().await;
    let tim = stage.app.person("tim").await;
    let client = stage.app.client(json!({ "name": "Wiki", "isGroupRestricted": true })).await;
    stage.sign_in_as(&admin.agent).await;
    let tab = stage.tab().await;
    tab.set_viewport(390, 844, true).await.unwrap();
    stage.open(&tab, "/settings/admin/user-groups").await;
    tab.click(role("button", "Add Group")).await.unwrap();
    tab.fill(role("textbox", "Friendly Name"), "Book Club").await.unwrap();
    assert_eq!(tab.value(role("textbox", "Name")).await.unwrap(), "book_club");
    tab.click(role("button", "Save")).await.unwrap();
    tab.wait_for(role("tab", "Allowed OIDC Clients")).await.unwrap();

    tab.click(role("tab", "Users")).await.unwrap();
    tab.fill("#find-user", "tim").await.unwrap();
    tab.wait_gone(format!("#candidates [value='{}']", admin.id()).as_str()).await.unwrap();
    tab.click(format!("#user-{}", tim.id()).as_str()).await.unwrap();
    tab.wait_for(format!("#chosen #user-{}", tim.id()).as_str()).await.unwrap();
    tab.click("#panel-users button[type=submit]").await.unwrap();
    tab.wait_for_text("Users updated successfully").await.unwrap();
    tab.wait_for_text("One member").await.unwrap();

    tab.click(role("tab", "Allowed OIDC Clients")).await.unwrap();
    tab.click(role("checkbox", "Wiki")).await.unwrap();
    tab.click("#panel-clients button[type=submit]").await.unwrap();
    tab.wait_for_text("Allowed OIDC clients updated successfully").await.unwrap();
    let path = format!("/api/oidc/clients/{}", client["id"].as_str().unwrap());
    let stored = stage.app.script().get(&path).await.expect(200).json();
    assert_eq!(stored["allowedUserGroups"][0]["name"], "book_club");
    let groups = stage.app.script().get(&format!("/api/users/{}/groups", tim.id())).await.expect(200).json();
    assert_eq!(groups[0]["friendlyName"], "Book Club");
    quiet(&tab, stage.app.url());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_administration_is_for_admins() {
    let stage = Stage::empty().await;
    stage.app.admin().await;
    let tim = stage.app.person("tim").await;
    for path in [
        "/settings/admin/users",
        "/settings/admin/users/none",
        "/settings/admin/user-groups",
        "/settings/admin/user-groups/none",
        "/settings/admin/oidc-clients",
        "/settings/admin/oidc-clients/none",
        "/settings/admin/application-configuration",
        "/settings/admin/system",
    ] {
        let away = stage.app.agent().get(path).await;
        assert!(away.location().starts_with("/login?redirect=%2Fsettings%2Fadmin"), "{}", away.location());
        assert_eq!(tim.agent.get(path).await.location(), "/settings", "{path}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_administrators_lose_nothing_of_each_other() {
    let stage = Stage::empty().await;
    let admin = stage.app.admin().await;
    let script = stage.app.script();
    let tim = stage.app.person("tim").await;
    let mut groups = Vec::new();
    for name in ["chess", "choir", "rowing"] {
        let body = json!({ "name": name, "friendlyName": name });
        groups.push(script.post("/api/user-groups", &body).await.expect(201).id());
    }
    let user = format!("/api/users/{}", tim.id());
    script.put(&format!("{user}/user-groups"), &json!({ "userGroupIds": [groups[0]] })).await.expect(200);
    stage.sign_in_as(&admin.agent).await;
    let tab = stage.tab().await;
    stage.open(&tab, &format!("/settings/admin/users/{}#groups", tim.id())).await;
    // Meanwhile somebody else takes the first away and gives the second; from the group's side.
    script.put(&format!("/api/user-groups/{}/users", groups[0]), &json!({ "userIds": [] })).await.expect(200);
    script.put(&format!("/api/user-groups/{}/users", groups[1]), &json!({ "userIds": [tim.id()] })).await.expect(200);
    tab.click(&*format!("#group-{}", groups[2])).await.unwrap();
    tab.click("#panel-groups button[type=submit]").await.unwrap();
    tab.wait_for_text("Somebody else changed this").await.unwrap();
    tab.clear_console_errors();
    let ticked = "[...document.querySelectorAll('#panel-groups input')].map(i => i.checked)";
    assert_eq!(tab.eval::<Vec<bool>>(ticked).await.unwrap(), [false, true, true]);
    tab.click("#panel-groups button[type=submit]").await.unwrap();
    tab.wait_for_text("User groups updated successfully").await.unwrap();
    let stored = script.get(&user).await.expect(200).json();
    let names: Vec<&str> =
        stored["userGroups"].as_array().unwrap().iter().map(|g| g["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["choir", "rowing"]);

    // Claims: both changed them, so theirs are shown and can be taken.
    stage.open(&tab, "/settings/admin/user-groups").await;
    stage.open(&tab, &format!("/settings/admin/users/{}#custom-claims", tim.id())).await;
    let theirs = json!([{ "key": "quota", "value": "5 GB" }]);
    script.put(&format!("/api/custom-claims/user/{}", tim.id()), &theirs).await.expect(200);
    tab.click("[data-add-row=claim-rows]").await.unwrap();
    tab.type_text("shoe").await.unwrap();
    tab.fill("#claim-rows input[name='value[]']", "42").await.unwrap();
    tab.click("#panel-custom-claims button[type=submit]").await.unwrap();
    tab.wait_for_text("quota = 5 GB").await.unwrap();
    tab.clear_console_errors();
    tab.click("#panel-custom-claims .field-error button").await.unwrap();
    assert_eq!(
        tab.eval::<String>("document.querySelector(\"#claim-rows input[name='key[]']\").value").await.unwrap(),
        "quota"
    );
    tab.click("#panel-custom-claims button[type=submit]").await.unwrap();
    tab.wait_for_text("Custom claims updated successfully").await.unwrap();
    assert_eq!(script.get(&user).await.expect(200).json()["customClaims"], theirs);
    quiet(&tab, stage.app.url());
}
