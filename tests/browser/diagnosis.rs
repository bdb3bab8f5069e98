//! The tab `Diagnosis` of a client, the page of the system, and what the person who could not sign in sees.

use pid_testkit::chromium::role;
use pid_tests::{RelyingParty, TestApp};
use serde_json::{Value, json};

use crate::looks::Gallery;
use crate::stage::{Stage, quiet, until};

const REGISTERED: &str = "https://cloud.example.com/apps/user_oidc/code";
const SENT: &str = "https://cloud.example.com/index.php/apps/user_oidc/code";

async fn entries(app: &TestApp, id: &str, wanted: usize) {
    let path = format!("/api/oidc/clients/{id}/diagnoses");
    until(async || {
        let found = app.script().get(&path).await.expect(200).json();
        let faults = found.as_array().unwrap().iter().filter(|entry| entry["times"] != json!(0)).count();
        if faults == wanted { Ok(()) } else { Err(found.to_string()) }
    })
    .await;
}

async fn nextcloud(app: &TestApp) -> RelyingParty {
    RelyingParty::register(app, json!({ "name": "Nextcloud", "callbackURLs": [REGISTERED] })).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fault_is_found_by_its_id_and_mended_by_a_click() {
    let stage = Stage::empty().await;
    let admin = stage.app.admin().await;
    let rp = nextcloud(&stage.app).await;
    let tab = stage.tab().await;
    let wrong = rp.asks("openid").with("redirect_uri", SENT);
    stage.open(&tab, &wrong.path()).await;
    tab.wait_for_text("tell them this ID").await.unwrap();
    let id = tab.eval::<String>("document.querySelector('.error-id code').textContent").await.unwrap();
    entries(&stage.app, &rp.id, 1).await;

    stage.sign_in_as(&admin.agent).await;
    stage.open(&tab, "/settings/admin/system").await;
    tab.fill("#find-id", &id.to_lowercase()).await.unwrap();
    tab.click(role("button", "Find")).await.unwrap();
    tab.wait_for_text("which differs by “index.php”").await.unwrap();
    tab.click("[data-testid=diagnoses] a").await.unwrap();
    tab.wait_for("#panel-diagnosis:not([hidden])").await.unwrap();
    tab.click("[data-testid=diagnoses] button").await.unwrap();
    tab.wait_for(role("alertdialog", "Add this address?")).await.unwrap();
    tab.click("[role=alertdialog] .btn-primary").await.unwrap();
    tab.wait_for_text("OIDC client updated successfully").await.unwrap();
    let client = format!("/api/oidc/clients/{}", rp.id);
    let stored = stage.app.script().get(&client).await.expect(200).json();
    assert_eq!(stored["callbackURLs"], json!([REGISTERED, SENT]));
    tab.wait_for("#panel-diagnosis:not([hidden])").await.unwrap();
    until(async || {
        let buttons =
            tab.eval::<u32>("document.querySelectorAll('[data-testid=diagnoses] button').length").await.unwrap();
        if buttons == 0 { Ok(()) } else { Err("it is still offered".to_owned()) }
    })
    .await;
    // Now it goes on to the sign-in.
    let reply = admin.agent.get(&wrong.path()).await.expect(302);
    assert!(reply.interaction().is_some(), "{}", reply.location());

    tab.click(role("button", "Clear")).await.unwrap();
    tab.wait_for(role("alertdialog", "Clear the list?")).await.unwrap();
    tab.click("[role=alertdialog] .btn-danger").await.unwrap();
    tab.wait_for_text("No failed sign-ins.").await.unwrap();
    quiet(&tab, stage.app.url());
}

/// What changed meanwhile is not overwritten.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_click_on_an_old_page_changes_nothing() {
    let stage = Stage::empty().await;
    let admin = stage.app.admin().await;
    let rp = nextcloud(&stage.app).await;
    rp.agent.get(&rp.asks("openid").with("redirect_uri", SENT).path()).await.expect(302);
    entries(&stage.app, &rp.id, 1).await;
    stage.sign_in_as(&admin.agent).await;
    let tab = stage.tab().await;
    stage.open(&tab, &format!("/settings/admin/oidc-clients/{}#diagnosis", rp.id)).await;
    let other: Value = json!({ "callbackURLs": ["https://cloud.example.com/elsewhere"] });
    let client = format!("/api/oidc/clients/{}", rp.id);
    stage.app.script().patch(&client, &other, None).await.expect(200);
    tab.click("[data-testid=diagnoses] button").await.unwrap();
    tab.wait_for(role("alertdialog", "Add this address?")).await.unwrap();
    tab.click("[role=alertdialog] .btn-primary").await.unwrap();
    tab.wait_for_text("Somebody else changed this").await.unwrap();
    let stored = stage.app.script().get(&client).await.expect(200).json();
    assert_eq!(stored["callbackURLs"], other["callbackURLs"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn diagnoses_look_right() {
    let mut gallery = Gallery::default();
    let stage = Stage::empty().await;
    let admin = stage.app.admin().await;
    let mut tim = stage.app.person("tim").await;
    let rp = nextcloud(&stage.app).await;
    let page = format!("/settings/admin/oidc-clients/{}#diagnosis", rp.id);
    stage.sign_in_as(&admin.agent).await;
    let tab = stage.tab().await;
    let open = async || {
        stage.open(&tab, "/settings/admin/users").await;
        stage.open(&tab, &page).await;
        tab.wait_for("#panel-diagnosis:not([hidden])").await.unwrap();
    };
    open().await;
    gallery.look(&tab, "diagnosis-none").await;
    rp.sign_in(&mut tim, "openid profile groups").await;
    for _ in 0..2 {
        rp.agent.get(&rp.asks("openid").with("redirect_uri", SENT).path()).await.expect(302);
    }
    rp.agent.get(&rp.asks("openid").with("redirect_uri", "https://files.example.org/cb").path()).await.expect(302);
    let wrong = RelyingParty { secret: Some("wrong".to_owned()), ..rp.clone() };
    wrong.refresh("pocket_id_rt_x").await.expect(401);
    rp.refresh("pocket_id_rt_x").await.expect(400);
    let groups = format!("/api/oidc/clients/{}", rp.id);
    stage.app.script().patch(&groups, &json!({ "isGroupRestricted": true }), None).await.expect(200);
    tim.agent.get(&rp.asks("openid").path()).await.expect(302);
    entries(&stage.app, &rp.id, 5).await;
    open().await;
    gallery.look(&tab, "diagnosis").await;
    tab.click("[data-testid=diagnoses] button").await.unwrap();
    tab.wait_for(role("alertdialog", "Add this address?")).await.unwrap();
    gallery.look(&tab, "diagnosis-add").await;
    let unknown = rp.asks("openid").with("client_id", "nextcluod").path();
    let reply = stage.app.agent().get(&unknown).await.expect(302);
    stage.open(&tab, &reply.location()).await;
    gallery.look(&tab, "diagnosis-error").await;
    let id = reply.redirected("id").unwrap();
    until(async || {
        let found = stage.app.script().get(&format!("/api/oidc/diagnoses?id={id}")).await.expect(200).json();
        if found[0].is_object() { Ok(()) } else { Err("not yet".to_owned()) }
    })
    .await;
    stage.open(&tab, &format!("/settings/admin/system?diagnosis={id}")).await;
    gallery.look(&tab, "diagnosis-system").await;
    gallery.finish();
}
