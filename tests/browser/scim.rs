//! The tab `SCIM Provisioning` of a client, through the page.

use pid_testkit::chromium::role;
use pid_tests::{ScimFault, ScimTarget};
use serde_json::json;

use crate::looks::Gallery;
use crate::stage::{Stage, quiet, until};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_is_provisioned_from_its_page() {
    let (stage, target) = (Stage::empty().await, ScimTarget::start().await);
    let admin = stage.app.admin().await;
    let client = stage.app.client(json!({ "name": "Wiki" })).await;
    let id = client["id"].as_str().unwrap();
    stage.sign_in_as(&admin.agent).await;
    let tab = stage.tab().await;
    stage.open(&tab, &format!("/settings/admin/oidc-clients/{id}#scim")).await;
    tab.wait_for(role("tab", "SCIM Provisioning")).await.unwrap();
    tab.click(role("button", "Enable")).await.unwrap();
    tab.wait_for_text("This field is required").await.unwrap();
    tab.fill(role("textbox", "SCIM Endpoint"), "no address").await.unwrap();
    tab.click(role("button", "Enable")).await.unwrap();
    tab.wait_for_text("Invalid URL").await.unwrap();
    tab.fill(role("textbox", "SCIM Endpoint"), &target.url()).await.unwrap();
    tab.fill("#scim-token", "wrong-token").await.unwrap();
    tab.click(role("button", "Enable")).await.unwrap();
    tab.wait_for_text("SCIM enabled successfully.").await.unwrap();
    tab.wait_for(role("button", "Sync now")).await.unwrap();
    tab.click(role("button", "Sync now")).await.unwrap();
    tab.wait_for_text("the app doesn't accept the token").await.unwrap();
    // The browser reports the refusal, too.
    tab.clear_console_errors();

    // What is not saved yet is saved first, if the administrator agrees.
    tab.fill("#scim-token", ScimTarget::TOKEN).await.unwrap();
    tab.click(role("button", "Sync now")).await.unwrap();
    tab.wait_for(role("alertdialog", "Save changes?")).await.unwrap();
    tab.click(role("button", "Save and Sync")).await.unwrap();
    tab.wait_for_text("The SCIM sync has been completed successfully.").await.unwrap();
    tab.wait_for_text("Everything in the app is up to date.").await.unwrap();
    assert_eq!(target.names(), ["admin"]);
    let html = tab.eval::<String>("document.documentElement.outerHTML").await.unwrap();
    assert!(!html.contains(ScimTarget::TOKEN) && !html.contains("wrong-token"));

    // Another address needs the token again.
    tab.fill(role("textbox", "SCIM Endpoint"), "https://elsewhere.example/scim").await.unwrap();
    tab.click("#scim-form button[type=submit]").await.unwrap();
    tab.wait_for("#scim-token[aria-invalid=true]").await.unwrap();
    tab.clear_console_errors();
    tab.fill(role("textbox", "SCIM Endpoint"), &target.url()).await.unwrap();
    tab.click(role("switch", "Deactivate instead of delete")).await.unwrap();
    tab.click("#scim-form button[type=submit]").await.unwrap();
    tab.wait_for_text("SCIM configuration updated successfully.").await.unwrap();
    // The words may be those of an earlier change.
    tab.wait_for("#scim-form[data-version='3']").await.unwrap();
    let path = format!("/api/oidc/clients/{id}/scim-service-provider");
    let stored = stage.app.script().get(&path).await.expect(200).json();
    assert_eq!(stored["deactivateInsteadOfDelete"], true);

    tab.click(role("button", "Disable")).await.unwrap();
    tab.wait_for(role("alertdialog", "Disable SCIM Provisioning")).await.unwrap();
    tab.click("[role=alertdialog] .btn-danger").await.unwrap();
    tab.wait_for_text("SCIM disabled successfully.").await.unwrap();
    tab.wait_for(role("button", "Enable")).await.unwrap();
    assert_eq!(tab.eval::<String>("document.getElementById('scim-endpoint').value").await.unwrap(), "");
    stage.app.script().get(&path).await.expect(404);
    assert_eq!(target.names(), ["admin"]);
    quiet(&tab, stage.app.url());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn provisioning_looks_right() {
    let mut gallery = Gallery::default();
    let (stage, target) = (Stage::empty().await, ScimTarget::start().await);
    let admin = stage.app.admin().await;
    let script = stage.app.script();
    let mut people = Vec::new();
    for name in ["ada", "grace", "katherine", "linus", "margaret", "tim"] {
        let body = json!({ "username": name, "email": format!("{name}@example.com") });
        people.push(script.post("/api/users", &body).await.expect(201).id());
    }
    let group =
        script.post("/api/user-groups", &json!({ "name": "staff", "friendlyName": "Staff" })).await.expect(201).id();
    let members = format!("/api/user-groups/{group}/users");
    script.put(&members, &json!({ "userIds": people })).await.expect(200);
    let client = stage.app.client(json!({ "name": "Wiki", "isGroupRestricted": true })).await;
    let id = client["id"].as_str().unwrap();
    let allowed = json!({ "userGroupIds": [group] });
    script.put(&format!("/api/oidc/clients/{id}/allowed-user-groups"), &allowed).await.expect(200);
    stage.sign_in_as(&admin.agent).await;
    let tab = stage.tab().await;
    let page = format!("/settings/admin/oidc-clients/{id}#scim");
    let open = async || {
        stage.open(&tab, "/settings/admin/users").await;
        stage.open(&tab, &page).await;
        tab.wait_for("#panel-scim:not([hidden])").await.unwrap();
    };
    open().await;
    gallery.look(&tab, "scim-off").await;
    let provider = target.provision(&stage.app, id).await;
    let sync = format!("/api/scim/service-provider/{}/sync", provider["id"].as_str().unwrap());
    open().await;
    gallery.look(&tab, "scim-first").await;
    target.put("User", &json!({ "userName": "linus", "active": true }));
    script.post(&sync, &json!({})).await.expect(502);
    open().await;
    tab.click("#panel-scim details > summary").await.unwrap();
    gallery.look(&tab, "scim-partial").await;
    script.put(&members, &json!({ "userIds": people[..3] })).await.expect(200);
    script.post(&sync, &json!({})).await.expect(409);
    open().await;
    gallery.look(&tab, "scim-held").await;
    tab.click(role("button", "Sync anyway")).await.unwrap();
    tab.wait_for(role("alertdialog", "Sync anyway")).await.unwrap();
    gallery.look(&tab, "scim-anyway").await;
    tab.click("[role=alertdialog] .btn-danger").await.unwrap();
    tab.wait_for_text("Everything in the app is up to date.").await.unwrap();
    assert_eq!(target.names(), ["ada", "grace", "katherine", "linus"]);
    gallery.look(&tab, "scim-ok").await;
    target.faults("GET", &[ScimFault::Refused(500, None)]);
    script.post(&sync, &json!({})).await.expect(502);
    open().await;
    gallery.look(&tab, "scim-failed").await;
    // A run that takes its time.
    target.faults("GET /Users", &[ScimFault::Late(std::time::Duration::from_secs(60))]);
    let run = tokio::spawn(async move { script.post(&sync, &json!({})).await });
    let read = format!("/api/oidc/clients/{id}/scim-service-provider");
    let script = stage.app.script();
    until(async || {
        let now = script.get(&read).await.expect(200).json();
        if now["sync"]["runningSince"].is_string() { Ok(()) } else { Err(now.to_string()) }
    })
    .await;
    open().await;
    gallery.look(&tab, "scim-running").await;
    run.abort();
    gallery.finish();
}
