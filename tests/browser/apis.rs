//! APIs: made, given permissions, and granted from either side.

use pid_testkit::chromium::role;
use serde_json::{Value, json};

use crate::stage::{Stage, quiet, until};

/// What a client gets for itself from the token endpoint: the scopes, or the error.
async fn own_scopes(stage: &Stage, client: &Value, resource: &str) -> String {
    let form = [
        ("grant_type", "client_credentials"),
        ("client_id", client["id"].as_str().unwrap()),
        ("client_secret", client["secret"].as_str().unwrap()),
        ("resource", resource),
    ];
    let answer = stage.app.agent().post_form("/api/oidc/token", &form).await.json();
    answer["scope"].as_str().or(answer["error"].as_str()).unwrap_or_default().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_api_is_made_with_permissions_and_granted_on_its_page() {
    let stage = Stage::empty().await;
    let admin = stage.app.admin().await;
    let shop = stage.app.client(json!({ "name": "Shop" })).await;
    stage.app.client(json!({ "name": "Phone", "isPublic": true })).await;
    stage.sign_in_as(&admin.agent).await;
    let tab = stage.tab().await;
    stage.open(&tab, "/settings/admin/apis").await;
    tab.wait_for_text("No items found").await.unwrap();
    tab.click(role("button", "Add API")).await.unwrap();
    tab.wait_for(role("dialog", "Create API")).await.unwrap();
    tab.fill(role("textbox", "Name"), "Orders").await.unwrap();
    for (resource, answer) in [
        ("orders", "Invalid URL"),
        ("https://orders.example/#a", "Resource must not include whitespace or a fragment"),
        (stage.app.url(), "Must not be the address of this server"),
    ] {
        tab.fill(role("textbox", "Resource"), resource).await.unwrap();
        tab.click("#add-api button[type=submit]").await.unwrap();
        tab.wait_for_text(answer).await.unwrap();
    }
    // The browser reports the refusal, too.
    tab.clear_console_errors();
    tab.fill(role("textbox", "Resource"), "https://orders.example").await.unwrap();
    tab.click("#add-api button[type=submit]").await.unwrap();
    tab.wait_for_text("API created successfully").await.unwrap();
    tab.wait_for(role("heading", "Orders")).await.unwrap();
    assert_eq!(
        tab.attribute("[data-testid=resource]", "data-copy").await.unwrap().as_deref(),
        Some("https://orders.example")
    );

    // One empty row waits; a bad row is marked where it is, an empty one is passed over.
    let cell = |row: usize, member: &str| format!("#permission-rows .list-row:nth-of-type({row}) [name='{member}[]']");
    tab.click(role("button", "Add permission")).await.unwrap();
    tab.click(role("button", "Add permission")).await.unwrap();
    tab.fill(&*cell(2, "key"), "orders:read").await.unwrap();
    tab.fill(&*cell(2, "name"), "Read orders").await.unwrap();
    tab.fill(&*cell(3, "key"), "openid").await.unwrap();
    tab.click("#permissions-form button[type=submit]").await.unwrap();
    tab.wait_for("#permission-rows .list-row:nth-of-type(3) .field-error").await.unwrap();
    let notes = tab.text("#permission-rows .list-row:nth-of-type(3)").await.unwrap();
    assert!(notes.contains("Belongs to OpenID Connect") && notes.contains("Must not be empty"), "{notes}");
    assert_eq!(tab.count("#permission-rows .list-row:nth-of-type(2) .field-error").await.unwrap(), 0);
    tab.clear_console_errors();
    tab.fill(&*cell(3, "key"), "orders:write").await.unwrap();
    tab.fill(&*cell(3, "name"), "Change orders").await.unwrap();
    tab.fill(&*cell(3, "description"), "All of them").await.unwrap();
    tab.click("#permissions-form button[type=submit]").await.unwrap();
    tab.wait_for_text("Permissions updated successfully").await.unwrap();
    // The other form goes on from there.
    tab.fill(role("textbox", "Name"), "All orders").await.unwrap();
    tab.click("#api-form button[type=submit]").await.unwrap();
    tab.wait_for_text("API updated successfully").await.unwrap();
    tab.wait_for(role("heading", "All orders")).await.unwrap();
    let stored = stage.app.script().get("/api/apis").await.expect(200).json()["data"][0].clone();
    assert_eq!(stored["name"], "All orders");
    let keys: Vec<&str> =
        stored["permissions"].as_array().unwrap().iter().map(|p| p["key"].as_str().unwrap()).collect();
    assert_eq!(keys, ["orders:read", "orders:write"]);
    assert_eq!(stored["permissions"][1]["description"], "All of them");
    assert_eq!(stored["permissions"][0].get("description"), None, "none is none");

    assert_eq!(own_scopes(&stage, &shop, "https://orders.example").await, "access_denied");
    tab.click(role("button", "Add client")).await.unwrap();
    tab.wait_for(role("dialog", "Add client")).await.unwrap();
    tab.fill("#add-access input[type=search]", "shop").await.unwrap();
    tab.wait_gone("#assignable li:nth-child(2)").await.unwrap();
    tab.click(role("button", "Shop")).await.unwrap();
    tab.wait_for(role("dialog", "Shop")).await.unwrap();
    assert!(tab.is_visible("#own-permissions:disabled").await.unwrap(), "permissions come with access");
    tab.click(role("switch", "Client access (M2M)")).await.unwrap();
    tab.click(role("checkbox", "Client access (M2M): Read orders")).await.unwrap();
    tab.click("#access button[type=submit]").await.unwrap();
    tab.wait_for_text("API access updated successfully").await.unwrap();
    tab.wait_for_text("1 / 2 permissions granted").await.unwrap();
    tab.wait_for_text("No access").await.unwrap();
    assert_eq!(own_scopes(&stage, &shop, "https://orders.example").await, "orders:read");

    // Without the switch what was ticked below it is gone, too.
    tab.click(role("button", "Edit")).await.unwrap();
    tab.wait_for(role("dialog", "Shop")).await.unwrap();
    tab.click(role("switch", "User-delegated access")).await.unwrap();
    tab.click(role("checkbox", "User-delegated access: Change orders")).await.unwrap();
    tab.click(role("switch", "User-delegated access")).await.unwrap();
    tab.click("#access button[type=submit]").await.unwrap();
    tab.wait_gone("dialog[open]").await.unwrap();
    let path = format!("/api/api-access/{}/apis", shop["id"].as_str().unwrap());
    let reached = stage.app.script().get(&path).await.expect(200).json();
    assert_eq!((&reached[0]["userDelegatedAccess"], &reached[0]["clientAccess"]), (&json!(false), &json!(true)));
    tab.click(role("button", "Revoke")).await.unwrap();
    tab.wait_for(role("alertdialog", "Revoke access for Shop")).await.unwrap();
    tab.click("dialog .btn-danger").await.unwrap();
    tab.wait_gone("#grants table").await.unwrap();
    assert_eq!(own_scopes(&stage, &shop, "https://orders.example").await, "access_denied");

    tab.click(role("tab", "Metadata document clients")).await.unwrap();
    assert!(!tab.is_visible(role("checkbox", "Read orders")).await.unwrap_or_default());
    tab.click(role("switch", "Allow all metadata document clients")).await.unwrap();
    tab.click(role("checkbox", "Read orders")).await.unwrap();
    tab.click("#metadata-clients button[type=submit]").await.unwrap();
    let id = stored["id"].as_str().unwrap();
    opened(&stage, id).await;
    tab.wait_idle().await.unwrap();

    stage.open(&tab, "/settings/admin/apis").await;
    tab.wait_for_text("Enabled").await.unwrap();
    tab.click(role("button", "Toggle menu")).await.unwrap();
    tab.click(role("menuitem", "Delete")).await.unwrap();
    tab.wait_for(role("alertdialog", "Delete All orders")).await.unwrap();
    tab.click("dialog .btn-danger").await.unwrap();
    tab.wait_for_text("API deleted successfully").await.unwrap();
    stage.app.script().get(&format!("/api/apis/{id}")).await.expect(404);
    quiet(&tab, stage.app.url());
}

/// Waits until an API and its first permission alone are open to metadata document clients. The page's message is no sign of
/// it: it is the same after each change of access.
async fn opened(stage: &Stage, id: &str) {
    until(async || {
        let stored = stage.app.script().get(&format!("/api/apis/{id}")).await.expect(200).json();
        let allowed = [0, 1].map(|n| stored["permissions"][n]["allowedForCimdClients"] == true);
        let is_so = stored["allowCimdClients"] == true && allowed == [true, false];
        if is_so { Ok(()) } else { Err(format!("not opened: {stored}")) }
    })
    .await;
}

/// An API with two permissions, made by the API.
async fn orders(stage: &Stage) -> Value {
    let body = json!({ "name": "Orders", "resource": "https://orders.example" });
    let api = stage.app.script().post("/api/apis", &body).await.expect(201).id();
    let permissions = json!({ "permissions": [{ "key": "orders:read", "name": "Read" }, { "key": "orders:write", "name": "Write" }] });
    stage.app.script().put(&format!("/api/apis/{api}/permissions"), &permissions).await.expect(200).json()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_administrators_of_an_api_lose_nothing_of_each_other() {
    let stage = Stage::empty().await;
    let admin = stage.app.admin().await;
    let api = orders(&stage).await;
    let script = stage.app.script();
    let shop = stage.app.client(json!({ "name": "Shop" })).await;
    let [read, write] = [0, 1].map(|n| api["permissions"][n]["id"].as_str().unwrap().to_owned());
    let address = format!("/api/apis/{}", api["id"].as_str().unwrap());
    let access = format!("{address}/clients/{}", shop["id"].as_str().unwrap());
    script.put(&access, &json!({ "userDelegatedPermissionIds": [write] })).await.expect(200);
    stage.sign_in_as(&admin.agent).await;
    let tab = stage.tab().await;
    stage.open(&tab, &format!("/settings/admin/apis/{}", api["id"].as_str().unwrap())).await;
    tab.click(role("button", "Edit")).await.unwrap();
    tab.wait_for(role("dialog", "Shop")).await.unwrap();
    // Meanwhile somebody else takes away what is shown, for another, and lets the client speak for itself.
    let theirs = json!({ "userDelegatedAccess": true, "clientPermissionIds": [read] });
    script.put(&access, &theirs).await.expect(200);
    tab.click(&*format!("#user-{read}")).await.unwrap();
    tab.click("#access button[type=submit]").await.unwrap();
    tab.wait_for_text("Somebody else changed this").await.unwrap();
    tab.clear_console_errors();
    let ticked = "[...document.querySelectorAll('#access input[type=checkbox]')].map(i => i.checked)";
    assert_eq!(tab.eval::<Vec<bool>>(ticked).await.unwrap(), [true, true, false, true, true, false]);
    tab.click("#access button[type=submit]").await.unwrap();
    tab.wait_gone("dialog[open]").await.unwrap();
    let both = json!({ "userDelegatedAccess": true, "clientAccess": true, "userDelegatedPermissionIds": [read], "clientPermissionIds": [read] });
    assert_eq!(script.get(&access).await.json(), both);

    // What one does oneself is no change of somebody else's: the other forms of the page go on from there.
    stage.open(&tab, &format!("/settings/admin/apis/{}", api["id"].as_str().unwrap())).await;
    tab.click(role("button", "Edit")).await.unwrap();
    tab.wait_for(role("dialog", "Shop")).await.unwrap();
    tab.click(&*format!("#own-{read}")).await.unwrap();
    tab.click("#access button[type=submit]").await.unwrap();
    tab.wait_gone("dialog[open]").await.unwrap();
    tab.fill(role("textbox", "Name"), "All orders").await.unwrap();
    tab.click("#api-form button[type=submit]").await.unwrap();
    tab.wait_for(role("heading", "All orders")).await.unwrap();
    tab.click(role("button", "Revoke")).await.unwrap();
    tab.click("dialog .btn-danger").await.unwrap();
    tab.wait_gone("#grants table").await.unwrap();
    tab.fill(role("textbox", "Name"), "Orders").await.unwrap();
    tab.click("#api-form button[type=submit]").await.unwrap();
    tab.wait_for(role("heading", "Orders")).await.unwrap();

    // Metadata document clients: what only one of them changed is kept.
    tab.click(role("tab", "Metadata document clients")).await.unwrap();
    let opening = json!({ "enabled": true, "permissionIds": [read] });
    script.put(&format!("{address}/cimd-access"), &opening).await.expect(200);
    tab.click(role("switch", "Allow all metadata document clients")).await.unwrap();
    tab.click(&*format!("#cimd-{write}")).await.unwrap();
    tab.click("#metadata-clients button[type=submit]").await.unwrap();
    tab.wait_for_text("Somebody else changed this").await.unwrap();
    tab.clear_console_errors();
    tab.click("#metadata-clients button[type=submit]").await.unwrap();
    until(async || {
        let stored = script.get(&format!("{address}/cimd-access")).await.expect(200).json();
        let wanted = json!({ "enabled": true, "permissionIds": [read, write] });
        if stored == wanted { Ok(()) } else { Err(format!("not opened: {stored}")) }
    })
    .await;
    tab.wait_idle().await.unwrap();
    quiet(&tab, stage.app.url());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_is_given_access_on_its_own_page() {
    let stage = Stage::empty().await;
    let admin = stage.app.admin().await;
    let api = orders(&stage).await;
    let shop = stage.app.client(json!({ "name": "Shop" })).await;
    let phone = stage.app.client(json!({ "name": "Phone", "isPublic": true })).await;
    stage.sign_in_as(&admin.agent).await;
    let tab = stage.tab().await;
    tab.set_viewport(390, 844, true).await.unwrap();
    stage.open(&tab, &format!("/settings/admin/oidc-clients/{}#api-access", shop["id"].as_str().unwrap())).await;
    tab.wait_for_text("This client has not been granted access to any API yet.").await.unwrap();
    tab.click(role("button", "Add API")).await.unwrap();
    tab.click(role("button", "Orders https://orders.example")).await.unwrap();
    tab.wait_for(role("dialog", "Orders")).await.unwrap();
    tab.click(role("switch", "User-delegated access")).await.unwrap();
    tab.click(role("checkbox", "User-delegated access: Write")).await.unwrap();
    tab.click("#access button[type=submit]").await.unwrap();
    tab.wait_for_text("1 / 2 permissions granted").await.unwrap();
    let path = format!("/api/api-access/{}/apis", shop["id"].as_str().unwrap());
    let reached = stage.app.script().get(&path).await.expect(200).json();
    assert_eq!(reached[0]["userDelegatedPermissionIds"], json!([api["permissions"][1]["id"]]));
    // The dialog shows what is stored now, not what the page was made with.
    let both = json!({ "userDelegatedPermissionIds": [api["permissions"][0]["id"], api["permissions"][1]["id"]] });
    let grant = format!("/api/apis/{}/clients/{}", api["id"].as_str().unwrap(), shop["id"].as_str().unwrap());
    stage.app.script().put(&grant, &both).await.expect(200);
    tab.click(role("button", "Edit")).await.unwrap();
    tab.wait_for(role("dialog", "Orders")).await.unwrap();
    assert!(tab.is_checked(role("checkbox", "User-delegated access: Read")).await.unwrap());
    tab.click(role("button", "Cancel")).await.unwrap();
    tab.click(role("button", "Revoke")).await.unwrap();
    tab.wait_for(role("alertdialog", "Revoke access to Orders")).await.unwrap();
    tab.click("dialog .btn-danger").await.unwrap();
    tab.wait_for_text("This client has not been granted access to any API yet.").await.unwrap();

    stage.open(&tab, &format!("/settings/admin/oidc-clients/{}#api-access", phone["id"].as_str().unwrap())).await;
    tab.click(role("button", "Add API")).await.unwrap();
    tab.click(role("button", "Orders https://orders.example")).await.unwrap();
    tab.wait_for(role("switch", "User-delegated access")).await.unwrap();
    assert_eq!(tab.count("#own-access").await.unwrap(), 0, "a public client can't speak for itself");
    quiet(&tab, stage.app.url());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_tabs_that_change_permissions_lose_neither() {
    let stage = Stage::empty().await;
    let admin = stage.app.admin().await;
    let api = orders(&stage).await;
    let id = api["id"].as_str().unwrap();
    stage.sign_in_as(&admin.agent).await;
    let tab = stage.tab().await;
    stage.open(&tab, &format!("/settings/admin/apis/{id}")).await;
    let theirs = json!({ "permissions": [{ "key": "orders:read", "name": "Look" }] });
    stage.app.script().put(&format!("/api/apis/{id}/permissions"), &theirs).await.expect(200);
    tab.click(role("button", "Add another")).await.unwrap();
    tab.type_text("orders:delete").await.unwrap();
    tab.click("#permissions-form button[type=submit]").await.unwrap();
    tab.wait_for_text("Now stored: orders:read = Look").await.unwrap();
    tab.clear_console_errors();
    tab.click(role("button", "Use the stored value")).await.unwrap();
    assert_eq!(tab.count("#permission-rows .list-row").await.unwrap(), 1);
    tab.click(role("button", "Add another")).await.unwrap();
    tab.type_text("orders:delete").await.unwrap();
    tab.fill("#permission-rows .list-row:last-child [name='name[]']", "Delete").await.unwrap();
    tab.click("#permissions-form button[type=submit]").await.unwrap();
    tab.wait_for_text("Permissions updated successfully").await.unwrap();
    let stored = stage.app.script().get(&format!("/api/apis/{id}")).await.expect(200).json();
    let names: Vec<&Value> = stored["permissions"].as_array().unwrap().iter().map(|p| &p["name"]).collect();
    assert_eq!(names, ["Look", "Delete"]);
    quiet(&tab, stage.app.url());
}
