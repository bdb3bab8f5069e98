//! What pages cost on the wire, from an empty cache, headers included; that nothing jumps while they load; and what is left of
//! them without scripts (design.md §5). Every page of the router is here: a test compares.

use std::collections::BTreeSet;

use pid_testkit::chromium::{Page, Traffic};
use pid_tests::Mailbox;
use serde_json::json;

use crate::stage::{Stage, quiet};

/// Adds up how far content jumps while a page loads (<https://wicg.github.io/layout-instability/>).
const SHIFTS: &str = "window.shifts = []; new PerformanceObserver((list) => { for (const entry of list.getEntries()) \
    for (const { node, previousRect, currentRect } of entry.sources) window.shifts.push(\
        `${entry.value.toFixed(4)}: ${(node?.outerHTML ?? node?.textContent ?? 'gone').slice(0, 100)} from ${previousRect.x},${previousRect.y} to ${currentRect.x},${currentRect.y}`); \
    }).observe({ type: 'layout-shift', buffered: true });";

/// The pages that are light: those on the way in, which people see from anywhere.
const LIGHT: Limit = Limit { bytes: 40 * 1024, requests: 8 };
/// One with a QR code in it.
const WITH_CODE: Limit = Limit { bytes: 50 * 1024, requests: 8 };
/// All others.
const OTHERS: Limit = Limit { bytes: 80 * 1024, requests: 12 };

#[derive(Clone, Copy)]
pub struct Limit {
    bytes: u64,
    requests: usize,
}

/// A page: its route, an address of it, who opens it, and what it may weigh.
pub struct Row {
    pub route: &'static str,
    pub path: String,
    pub signed_in: bool,
    limit: Limit,
}

fn row(route: &'static str, path: impl Into<String>, signed_in: bool, limit: Limit) -> Row {
    Row { route, path: path.into(), signed_in, limit }
}

/// A server with something in it, and its pages.
pub async fn every_page() -> (Stage, String, Vec<Row>, Mailbox) {
    let stage = Stage::empty().await;
    let admin = stage.app.admin().await;
    let cookie = admin.agent.cookie("access_token").unwrap();
    let mailbox = Mailbox::start("none", false);
    let on = json!({ "emailOneTimeAccessAsUnauthenticatedEnabled": "true", "allowUserSignups": "open" });
    mailbox.connect(&stage.app, on).await;
    let script = stage.app.script();
    let client = stage.client(json!({ "launchURL": "https://cloud.example.com" })).await;
    let (client, user) = (client["id"].as_str().unwrap().to_owned(), admin.id().to_owned());
    let group = json!({ "name": "staff", "friendlyName": "Staff" });
    let group = script.post("/api/user-groups", &group).await.expect(201).id();
    let api = json!({ "name": "Orders", "resource": "https://orders.example" });
    let api = script.post("/api/apis", &api).await.expect(201).id();
    let authorize = stage.authorize(&json!({ "id": client, "callbackURLs": [stage.url("/robots.txt")] }), &[]);
    let authorize = authorize.strip_prefix(stage.app.url()).unwrap().to_owned();
    let rows = vec![
        row("/login", "/login", false, LIGHT),
        row("/login/alternative", "/login/alternative", false, LIGHT),
        row("/login/alternative/code", "/login/alternative/code", false, LIGHT),
        row("/login/alternative/device", "/login/alternative/device", false, WITH_CODE),
        row("/login/alternative/email", "/login/alternative/email", false, LIGHT),
        row("/verify-email", "/verify-email?token=x", false, LIGHT),
        row("/passkey-check", "/passkey-check", false, LIGHT),
        row("/not-me", "/not-me?token=x", false, LIGHT),
        row("/signup", "/signup", false, LIGHT),
        row("/signup/waiting", "/signup/waiting", false, LIGHT),
        row("/signup/verified", "/signup/verified", false, LIGHT),
        row("/signup/add-passkey", "/signup/add-passkey", true, LIGHT),
        row("/interaction", authorize.clone(), false, LIGHT),
        row("/interaction", authorize, true, LIGHT),
        row("/interaction/error", "/interaction/error?error=No", false, LIGHT),
        row("/device", "/device", false, LIGHT),
        row("/device", "/device", true, LIGHT),
        row("/logout", "/logout", false, LIGHT),
        row("/logout", "/logout", true, LIGHT),
        row("/docs/api", "/docs/api", false, OTHERS),
        row("/docs/api/{resource}", "/docs/api/oidc-clients", false, OTHERS),
        row("/settings/account", "/settings/account", true, OTHERS),
        row("/settings/apps", "/settings/apps", true, OTHERS),
        row("/settings/audit-log", "/settings/audit-log", true, OTHERS),
        row("/settings/audit-log/global", "/settings/audit-log/global", true, OTHERS),
        row("/settings/admin/users", "/settings/admin/users", true, OTHERS),
        row("/settings/admin/users/{id}", format!("/settings/admin/users/{user}#passkeys"), true, OTHERS),
        row("/settings/admin/user-groups", "/settings/admin/user-groups", true, OTHERS),
        row("/settings/admin/user-groups/{id}", format!("/settings/admin/user-groups/{group}#users"), true, OTHERS),
        row("/settings/admin/oidc-clients", "/settings/admin/oidc-clients", true, OTHERS),
        row(
            "/settings/admin/oidc-clients/{id}",
            format!("/settings/admin/oidc-clients/{client}#credentials"),
            true,
            OTHERS,
        ),
        row("/settings/admin/apis", "/settings/admin/apis", true, OTHERS),
        row("/settings/admin/apis/{id}", format!("/settings/admin/apis/{api}"), true, OTHERS),
        row("/settings/admin/system", "/settings/admin/system", true, OTHERS),
        row("/settings/admin/api-keys", "/settings/admin/api-keys", true, OTHERS),
        row(
            "/settings/admin/application-configuration",
            "/settings/admin/application-configuration#email",
            true,
            OTHERS,
        ),
    ];
    (stage, cookie, rows, mailbox)
}

/// A tab of a window without a cache.
pub async fn fresh_tab(stage: &Stage, cookie: Option<&str>) -> Page {
    let window = stage.new_window().await;
    if let Some(cookie) = cookie {
        window.set_cookie(stage.app.url(), "access_token", cookie).await.unwrap();
    }
    window.page().await.unwrap()
}

/// Loads a page; says how much came, and what jumped.
async fn load(stage: &Stage, row: &Row, cookie: &str) -> (Traffic, Vec<String>) {
    let tab = fresh_tab(stage, row.signed_in.then_some(cookie)).await;
    tab.on_new_document(SHIFTS).await.unwrap();
    tab.goto(&stage.url(&row.path)).await.unwrap();
    tab.wait_idle().await.unwrap();
    // The link of a letter that nobody has: its page says so, with the status of that.
    if row.route != "/not-me" {
        quiet(&tab, stage.app.url());
    }
    for request in tab.requests().into_iter().filter(|request| request.status != Some(404) || row.route != "/not-me") {
        // What waits for somebody to decide has no answer yet.
        assert!(request.status.is_some_and(|s| s < 400) || request.url.ends_with("/exchange"), "{request:?}");
    }
    let shifts = tab.eval("window.shifts").await.unwrap();
    (tab.traffic(), shifts)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_keep_to_their_budgets_and_nothing_jumps() {
    let (stage, cookie, rows, _mailbox) = every_page().await;
    let mut wrong = Vec::new();
    for row in &rows {
        let (weight, shifts) = load(&stage, row, &cookie).await;
        println!("{}: {weight:?}", row.path);
        if weight.bytes > row.limit.bytes || weight.requests > row.limit.requests {
            wrong.push(format!("{}: {weight:?}", row.path));
        }
        wrong.extend(shifts.into_iter().map(|what| format!("{} jumps: {what}", row.path)));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Whoever blocks scripts reads every page and is told what it needs.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_read_well_without_scripts() {
    let (stage, cookie, rows, _mailbox) = every_page().await;
    let mut wrong = Vec::new();
    for row in &rows {
        let tab = fresh_tab(&stage, row.signed_in.then_some(&cookie)).await;
        tab.call("Emulation.setScriptExecutionDisabled", json!({ "value": true })).await.unwrap();
        tab.goto(&stage.url(&row.path)).await.unwrap();
        let tree = tab.accessibility().await.unwrap();
        let count = |wanted: &str| tree.iter().filter(|(role, _)| role == wanted).count();
        if count("heading") == 0 || count("main") != 1 {
            wrong.push(format!("{}: no heading, or no main part", row.path));
        }
        // What a script would have to do is said to need one.
        let text = tab.visible_text().await.unwrap();
        let needs = row.route.starts_with("/settings") || tab.count("main form[data-api]").await.unwrap() > 0;
        let works_without = row.route == "/logout";
        if needs && !works_without && !text.contains("This page needs JavaScript") {
            wrong.push(format!("{}: does not say what it needs", row.path));
        }
        // Nothing that can't be reached: the panels of tabs are all there.
        let panels = tab.count("main [role=tabpanel]").await.unwrap();
        let hidden: usize = tab
            .eval("[...document.querySelectorAll('main [role=tabpanel]')].filter((panel) => !panel.checkVisibility()).length")
            .await
            .unwrap();
        if hidden > 0 {
            wrong.push(format!("{}: {hidden} of {panels} panels are hidden", row.path));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The table above has every page of the router.
#[test]
fn every_page_of_the_router_is_weighed() {
    let source = include_str!("../../crates/http/src/router.rs");
    let (_, pages) = source.split_once("fn pages(").unwrap();
    let (pages, _) = pages.split_once("async fn unknown").unwrap();
    let routes: BTreeSet<&str> = pages.split(".route(").skip(1).filter_map(|rest| rest.split('"').nth(1)).collect();
    let here: BTreeSet<&str> = include_str!("weight.rs")
        .split("row(")
        .filter_map(|rest| rest.trim_start().strip_prefix('"')?.split('"').next())
        .collect();
    // Those that only lead on, and what is no page; the report of a run needs a directory that was read. The first run's page is gone once somebody is there.
    let others = [
        "/",
        "/login/setup",
        "/login/email",
        "/login/{token}",
        "/lc",
        "/lc/{code}",
        "/setup",
        "/st/{token}",
        "/signup/setup",
        "/settings",
        "/favicon.ico",
        "/form-post.js",
        "/app.webmanifest",
        "/settings/admin/ldap-runs/{id}",
    ];
    let missing: Vec<_> = routes.iter().filter(|route| !here.contains(*route) && !others.contains(*route)).collect();
    assert!(missing.is_empty(), "not weighed: {missing:?}");
}
