//! `/api/audit-logs` (api.md §19).

use pid_tests::TestApp;
use serde_json::json;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everybody_sees_their_own_entries_and_an_admin_sees_all() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let mut tim = app.person("tim").await;
    tim.sign_in().await.expect(200);
    let own = tim.agent.get("/api/audit-logs?sort[column]=createdAt&sort[direction]=desc").await.expect(200).json();
    let entry = &own["data"][0];
    assert_eq!(entry["event"], "SIGN_IN");
    assert_eq!(
        entry,
        &json!({
            "id": entry["id"], "createdAt": entry["createdAt"], "event": "SIGN_IN", "ipAddress": "127.0.0.1",
            "country": "Internal Network", "city": "LAN", "device": "", "userID": tim.id(), "username": "",
            "actorUsername": "", "data": {}
        })
    );
    let ids: Vec<_> = own["data"].as_array().unwrap().iter().map(|e| e["userID"].as_str().unwrap()).collect();
    assert!(ids.iter().all(|id| *id == tim.id()), "{ids:?}");

    tim.agent.get("/api/audit-logs/all").await.refused(403, "forbidden");
    let passkeys = "/api/audit-logs/all?filters[event]=PASSKEY_ADDED&filters[location]=internal";
    let all = admin.agent.get(passkeys).await.expect(200).json();
    let names: Vec<_> = all["data"].as_array().unwrap().iter().map(|e| e["username"].as_str().unwrap()).collect();
    assert_eq!(names, ["tim", "admin"]);
    let none = admin.agent.get("/api/audit-logs/all?filters[location]=external").await.expect(200).json();
    assert_eq!(none["data"], json!([]));
    let found = admin.agent.get(&format!("{passkeys}&filters[userID]={}", tim.id())).await.expect(200).json();
    assert_eq!(found["pagination"]["totalItems"], 1);
    let people = admin.agent.get("/api/audit-logs/filters/users").await.expect(200).json();
    assert_eq!(people[tim.id()], "tim");
    assert_eq!(admin.agent.get("/api/audit-logs/filters/client-names").await.expect(200).json(), json!([]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_search_finds_people_clients_addresses_and_events() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let tim = app.person("tim").await;
    app.client(json!({ "name": "Wiki 100%" })).await;
    app.agent().post("/api/one-time-access-token/WRONG1", &json!({})).await.expect(401);
    let events = async |query: &str| -> Vec<String> {
        let path = format!("/api/audit-logs/all?{query}");
        let list = admin.agent.get(&path).await.expect(200).json();
        let entries = list["data"].as_array().unwrap();
        assert_eq!(list["pagination"]["totalItems"], entries.len());
        let mut events: Vec<String> = entries.iter().map(|e| e["event"].as_str().unwrap().to_owned()).collect();
        events.sort_unstable();
        events
    };
    assert_eq!(events("search=TIM").await, ["LOGIN_CODE_CREATED", "PASSKEY_ADDED", "TOKEN_SIGN_IN", "USER_CREATED"]);
    assert_eq!(events("search=wiki").await, ["CLIENT_CREATED", "CLIENT_SECRET_CREATED"]);
    assert_eq!(events("search=0%25&filters[event]=CLIENT_CREATED").await, ["CLIENT_CREATED"], "no wildcard");
    assert_eq!(events("search=_in_f").await, ["SIGN_IN_FAILED"]);
    assert_eq!(events("search=127.0.0.1&filters[event]=SIGN_IN_FAILED").await, ["SIGN_IN_FAILED"]);
    assert_eq!(events(&format!("search=sign&filters[userID]={}", tim.id())).await, ["TOKEN_SIGN_IN"]);
    assert!(events("search=nobody").await.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn entries_outlive_the_person() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let tim = app.person("tim").await;
    app.script().delete(&format!("/api/users/{}", tim.id())).await.expect(204);
    let all = admin.agent.get("/api/audit-logs/all?filters[event]=PASSKEY_ADDED&search=tim").await.expect(200).json();
    assert_eq!(all["data"][0]["username"], "tim");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn exports_hold_every_entry_once() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    app.person("tim").await;
    let total = admin.agent.get("/api/audit-logs/all").await.expect(200).json()["pagination"]["totalItems"].clone();
    let csv = admin.agent.get("/api/audit-logs/export").await.expect(200);
    assert_eq!(csv.header("content-type"), Some("text/csv; charset=utf-8"));
    let lines: Vec<String> = csv.text().lines().map(str::to_owned).collect();
    assert_eq!(lines[0], "id,createdAt,event,userID,username,actorUsername,ipAddress,country,city,device,data");
    assert_eq!(json!(lines.len() - 1), total);
    let ndjson = admin.agent.get("/api/audit-logs/export?format=ndjson").await.expect(200).text();
    let first: serde_json::Value = serde_json::from_str(ndjson.lines().next().unwrap()).unwrap();
    assert!(first["event"].is_string());
    app.agent().get("/api/audit-logs/export").await.refused(401, "not_signed_in");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn filters_offer_each_name_once_and_the_latest_of_a_person() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let mut tim = app.person("tim").await;
    app.script().patch(&format!("/api/users/{}", tim.id()), &json!({ "username": "timothy" }), None).await.expect(200);
    app.advance(1);
    tim.sign_in().await.expect(200);
    for name in ["Wiki", "App", "Wiki"] {
        app.client(json!({ "name": name })).await;
    }
    let people = admin.agent.get("/api/audit-logs/filters/users").await.expect(200).json();
    assert_eq!((&people[admin.id()], &people[tim.id()]), (&json!("admin"), &json!("timothy")));
    assert_eq!(people.as_object().unwrap().len(), 3, "and the one of the static key: {people}");
    let names = admin.agent.get("/api/audit-logs/filters/client-names").await.expect(200).json();
    assert_eq!(names, json!(["App", "Wiki"]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_number_of_entries_is_right_before_and_after_they_are_counted() {
    let app = TestApp::start().await;
    let script = app.script();
    let tim = app.person("tim").await;
    let total = async |query: &str| {
        let page = script.get(&format!("/api/audit-logs/all?limit=1&{query}")).await.expect(200).json();
        page["pagination"]["totalItems"].as_i64().unwrap()
    };
    let made = |n: u8| pid_core::Ctx {
        now: app.app().clock().now(),
        seed: pid_core::Seed([n; 32]),
        ip_address: "203.0.113.7".to_owned(),
        user_agent: String::new(),
        places: pid_core::places::Places::default(),
    };
    let filters = ["", "filters[event]=USER_CREATED", "filters[location]=external", "filters[clientName]=Shop"];
    let mut before = Vec::new();
    for filter in filters {
        before.push(total(filter).await);
    }
    for round in 0..13 {
        let ctx = made(round);
        app.app()
            .db()
            .write(move |tx| {
                for n in 0..100 {
                    let (event, data) = (pid_core::audit::Event::ClientAuthorization, [("clientName", "Shop")]);
                    pid_flows::audit::record(tx, &ctx, &ctx.stream(&format!("entry {n}")), event, None, None, &data)?;
                }
                Ok::<_, pid_flows::Error>(())
            })
            .await
            .unwrap();
    }
    let added = [1300, 0, 1300, 1300];
    let check = async || {
        for ((filter, before), added) in filters.iter().zip(&before).zip(added) {
            assert_eq!(total(filter).await, before + added, "{filter}");
        }
    };
    check().await;
    // Too young to be counted; then old enough, twice.
    let counted =
        || app.app().db().read(|tx| pid_store::audit_counts::countable(tx, pid_core::Timestamp::from_millis(i64::MAX)));
    pid_jobs::count_audit(app.app()).await.unwrap();
    assert!(counted().await.unwrap().is_some());
    app.advance(601);
    pid_jobs::count_audit(app.app()).await.unwrap();
    assert!(counted().await.unwrap().is_none());
    pid_jobs::count_audit(app.app()).await.unwrap();
    check().await;
    script.patch(&format!("/api/users/{}", tim.id()), &json!({ "firstName": "Tom" }), None).await.expect(200);
    assert_eq!(total("").await, before[0] + 1301);
}
