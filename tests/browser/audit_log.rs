//! The audit log: one's own, and everybody's with filters, pages and exports.

use pid_testkit::chromium::{Page, role};
use pid_tests::Receiver;
use serde_json::json;

use crate::stage::{Stage, quiet, until};

/// The texts of a column in the order of the rows.
async fn column(tab: &Page, name: &str) -> Vec<String> {
    let cells = format!("[...document.querySelectorAll('#list td[data-label=\"{name}\"]')].map(td => td.innerText)");
    tab.eval(&cells).await.unwrap()
}

/// Waits until a column holds this alone.
async fn only(tab: &Page, name: &str, value: &str) {
    until(async || {
        let found = column(tab, name).await;
        let is_so = !found.is_empty() && found.iter().all(|text| text == value);
        if is_so { Ok(()) } else { Err(format!("{name} is not only {value:?} but {found:?}")) }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn people_see_what_happened_with_their_account() {
    let stage = Stage::empty().await;
    stage.app.admin().await;
    let mut tim = stage.app.person("tim").await;
    tim.sign_in().await.expect(200);
    stage.sign_in_as(&tim.agent).await;
    let tab = stage.tab().await;
    stage.open(&tab, "/settings/account").await;
    tab.click(role("link", "Audit Log")).await.unwrap();
    tab.wait_for(role("columnheader", "Approximate Location")).await.unwrap();
    let heads: Vec<String> = tab.eval("[...document.querySelectorAll('th')].map(th => th.innerText)").await.unwrap();
    assert_eq!(heads, ["Time", "Event", "Approximate Location", "IP Address", "Device", "Client"]);
    assert_eq!(tab.attribute("th", "aria-sort").await.unwrap().as_deref(), Some("descending"));
    assert_eq!(column(&tab, "Event").await[0], "Sign in", "the newest first");
    assert_eq!(column(&tab, "Approximate Location").await[0], "LAN, Internal Network");
    assert_eq!(column(&tab, "Device").await[0], "Unknown");
    tab.click("summary").await.unwrap();
    tab.wait_for_text("New Passkey").await.unwrap();
    // What others did is not among it, and no address brings it there.
    stage.open(&tab, "/settings/audit-log?filters[event]=SETUP_COMPLETED").await;
    tab.wait_for_text("No items found").await.unwrap();
    assert_eq!(tab.count("nav.tabs").await.unwrap(), 0);
    quiet(&tab, stage.app.url());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn administrators_see_all_of_it_narrowed_and_page_by_page() {
    let stage = Stage::empty().await;
    let admin = stage.app.admin().await;
    let mut tim = stage.app.person("tim").await;
    tim.sign_in().await.expect(200);
    let phone = "Mozilla/5.0 (X11; Linux x86_64; rv:142.0) Gecko/20100101 Firefox/142.0";
    tim.sign_in_at(&stage.app.agent().with_header("user-agent", phone)).await.expect(200);
    for n in 0..25 {
        stage.app.client(json!({ "name": format!("Client {n:02}"), "isPublic": true })).await;
    }
    stage.sign_in_as(&admin.agent).await;
    let tab = stage.tab().await;
    let newest = stage.app.script().get("/api/audit-logs/all").await.expect(200).json()["data"][0].clone();
    let actor = newest["actorUsername"].as_str().filter(|name| !name.is_empty()).unwrap();
    stage.open(&tab, "/settings/audit-log").await;
    tab.click(role("link", "Global")).await.unwrap();
    tab.wait_for(role("heading", "Global Audit Log")).await.unwrap();
    assert_eq!(column(&tab, "Event").await.len(), 20);
    assert_eq!(column(&tab, "Client").await[0], "Client 24");
    assert_eq!(column(&tab, "Actor").await[0], actor);
    tab.click(role("link", "Go to next page")).await.unwrap();
    tab.wait_for_url(|url| url.contains("page=2")).await.unwrap();
    tab.wait_for("[aria-current=page][aria-label='Page 2']").await.unwrap();
    assert!(column(&tab, "Client").await.contains(&"Client 00".to_owned()));

    // Filters work together, at once, and leave the page that was shown.
    tab.fill(role("combobox", "User"), "tim").await.unwrap();
    only(&tab, "Username", "tim").await;
    tab.fill(role("combobox", "Event"), "Sign in").await.unwrap();
    only(&tab, "Event", "Sign in").await;
    only(&tab, "Username", "tim").await;
    assert_eq!(column(&tab, "Event").await.len(), 2);
    assert!(column(&tab, "Device").await.contains(&"Firefox on Linux".to_owned()));
    tab.fill(role("combobox", "Location"), "External Networks").await.unwrap();
    tab.wait_for_text("No items found").await.unwrap();
    tab.fill(role("combobox", "Location"), "Internal Networks").await.unwrap();
    tab.wait_for("#list table").await.unwrap();
    // They are kept in the address: a reload and another order show the same.
    tab.click(role("link", "IP Address")).await.unwrap();
    tab.wait_for_url(|url| url.contains("sort=ipAddress")).await.unwrap();
    tab.wait_for("th[aria-sort=ascending]").await.unwrap();
    only(&tab, "Username", "tim").await;
    assert_eq!(tab.value(role("combobox", "Event")).await.unwrap(), "SIGN_IN");

    stage.open(&tab, "/settings/audit-log/global?filters[userID]=nobody&filters[event]=NO_SUCH&limit=x").await;
    tab.wait_for("#list table").await.unwrap();
    stage.open(&tab, "/settings/audit-log/global?filters[event]=NO_SUCH").await;
    tab.wait_for_text("No items found").await.unwrap();
    assert_eq!(tab.value(role("combobox", "Event")).await.unwrap(), "NO_SUCH");
    tab.fill(role("combobox", "Event"), "All Events").await.unwrap();
    tab.fill(role("combobox", "Client"), "Client 07").await.unwrap();
    only(&tab, "Client", "Client 07").await;
    tab.fill(role("combobox", "Client"), "All Clients").await.unwrap();
    tab.fill(role("searchbox", "Search..."), "client 03").await.unwrap();
    only(&tab, "Client", "Client 03").await;

    for (link, first) in [("Export CSV", "id,createdAt,event"), ("Export NDJSON", "{\"id\":")] {
        tab.wait_for(role("link", link)).await.unwrap();
        let find = format!("[...document.links].find(a => a.innerText === '{link}').href");
        let href: String = tab.eval(&find).await.unwrap();
        let file = admin.agent.get(&href).await.expect(200);
        assert!(file.header("content-disposition").unwrap().contains("attachment"));
        assert!(file.text().starts_with(first), "{}", file.text());
    }
    quiet(&tab, stage.app.url());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_administrator_sends_the_log_to_a_webhook_and_sees_how_it_goes() {
    const CONFIGURATION: &str = "/settings/admin/application-configuration";
    let stage = Stage::empty().await;
    let admin = stage.app.admin().await;
    let receiver = Receiver::start().await;
    stage.sign_in_as(&admin.agent).await;
    let tab = stage.tab().await;
    stage.open(&tab, CONFIGURATION).await;
    let save = "#configuration [type=submit]";
    tab.fill("#stream-url", &receiver.url("/hook")).await.unwrap();
    tab.click(save).await.unwrap();
    tab.wait_for_text("Must have at least 16 characters").await.unwrap();
    tab.fill("#stream-secret", "a-secret-that-signs").await.unwrap();
    tab.click(save).await.unwrap();
    tab.wait_for("#stream-status dl").await.unwrap();
    until(async || {
        stage.open(&tab, CONFIGURATION).await;
        let status: String = tab.eval("document.querySelector('#stream-status').innerText").await.unwrap();
        let delivered = tab.count("#stream-status time").await.unwrap() == 1;
        if delivered && receiver.posts().len() == 1 { Ok(()) } else { Err(status) }
    })
    .await;
    let secret: String = tab.eval("document.querySelector('#stream-secret').value").await.unwrap();
    assert_eq!(secret, "XXXXXXXXXX");
    tab.fill("#stream-url", &receiver.url("/other")).await.unwrap();
    tab.click(save).await.unwrap();
    tab.wait_for_text("Must be entered again, because the address has changed").await.unwrap();
}
