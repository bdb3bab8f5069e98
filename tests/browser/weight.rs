//! What pages cost on the wire, from an empty cache, headers included.

use pid_testkit::chromium::Traffic;
use serde_json::json;

use crate::stage::{Stage, quiet};

/// Loads a page in a window without a cache.
async fn load(stage: &Stage, url: &str, cookie: Option<&str>) -> Traffic {
    let window = stage.new_window().await;
    if let Some(cookie) = cookie {
        window.set_cookie(stage.app.url(), "access_token", cookie).await.unwrap();
    }
    let tab = window.page().await.unwrap();
    tab.goto(url).await.unwrap();
    tab.wait_idle().await.unwrap();
    quiet(&tab, stage.app.url());
    for request in tab.requests() {
        assert!(request.status.is_some_and(|s| s < 400), "{request:?}");
    }
    tab.traffic()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_keep_to_their_budgets() {
    let stage = Stage::empty().await;
    let admin = stage.app.admin().await;
    let cookie = admin.agent.cookie("access_token").unwrap();
    let client = stage.client(json!({})).await;
    for (url, cookie) in [
        (stage.url("/login"), None),
        (stage.url("/login/alternative/code"), None),
        (stage.url("/signup"), None),
        (stage.authorize(&client, &[]), None),
        (stage.authorize(&client, &[]), Some(cookie.as_str())),
    ] {
        let weight = load(&stage, &url, cookie).await;
        println!("{url}: {weight:?}");
        assert!(weight.bytes <= 40 * 1024, "{url}: {weight:?}");
        assert!(weight.requests <= 8, "{url}: {weight:?}");
    }
    let (client, user) = (client["id"].as_str().unwrap(), admin.id());
    for path in [
        "/settings/account",
        "/settings/admin/users",
        &format!("/settings/admin/users/{user}"),
        "/settings/admin/user-groups",
        "/settings/admin/oidc-clients",
        &format!("/settings/admin/oidc-clients/{client}"),
        "/settings/admin/apis",
        "/settings/admin/api-keys",
        "/settings/audit-log/global",
        "/settings/admin/application-configuration",
    ] {
        let weight = load(&stage, &stage.url(path), Some(&cookie)).await;
        println!("{path}: {weight:?}");
        assert!(weight.bytes <= 80 * 1024, "{path}: {weight:?}");
    }
}
