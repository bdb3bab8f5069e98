//! `/api/scim/service-provider`, and what a target of it sees: a real SCIM server with faults put in.

use std::time::Duration;

use pid_store::{WriteTx, scim};
use pid_tests::{ScimFault, ScimTarget, TestApp, on_postgres};
use serde_json::{Value, json};

const PATH: &str = "/api/scim/service-provider";
const MASK: &str = "XXXXXXXXXX";

/// Syncs at once and demands that all went well.
async fn sync(app: &TestApp, provider: &Value) {
    app.script().post(&sync_path(provider), &json!({})).await.expect(200);
}

fn sync_path(provider: &Value) -> String {
    format!("{PATH}/{}/sync", provider["id"].as_str().unwrap())
}

async fn shown(app: &TestApp, client: &Value) -> Value {
    let path = format!("/api/oidc/clients/{}/scim-service-provider", client["id"].as_str().unwrap());
    app.script().get(&path).await.expect(200).json()
}

/// The provider once it is as wanted.
async fn wait(app: &TestApp, client: &Value, wanted: impl Fn(&Value) -> bool) -> Value {
    let mut last = Value::Null;
    for _ in 0..600 {
        last = shown(app, client).await;
        if wanted(&last) {
            return last;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    panic!("it stays so: {last:#}");
}

/// Waits until a run that began after this moment has ended.
async fn next_run(app: &TestApp, client: &Value, before: &Value) -> Value {
    let before = before["sync"]["last"]["finishedAt"].clone();
    wait(app, client, |now| {
        now["sync"]["runningSince"].is_null()
            && now["sync"]["last"]["finishedAt"] != before
            && now["sync"]["changesWait"] == false
    })
    .await
}

async fn user(app: &TestApp, name: &str) -> String {
    let body = json!({ "username": name, "email": format!("{name}@example.com"), "firstName": "Ann", "lastName": "Lee",
        "displayName": format!("{name} Lee") });
    app.script().post("/api/users", &body).await.expect(201).id()
}

async fn group(app: &TestApp, name: &str, friendly: &str, members: &[&str]) -> String {
    let made =
        app.script().post("/api/user-groups", &json!({ "name": name, "friendlyName": friendly })).await.expect(201);
    let id = made.id();
    app.script().put(&format!("/api/user-groups/{id}/users"), &json!({ "userIds": members })).await.expect(200);
    id
}

async fn restricted(app: &TestApp, groups: &[&str]) -> Value {
    let client = app.client(json!({ "isGroupRestricted": true })).await;
    allow(app, &client, groups).await;
    client
}

async fn allow(app: &TestApp, client: &Value, groups: &[&str]) {
    let path = format!("/api/oidc/clients/{}/allowed-user-groups", client["id"].as_str().unwrap());
    app.script().put(&path, &json!({ "userGroupIds": groups })).await.expect(200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn people_and_groups_are_written_as_the_standard_says_and_kept_so() {
    let (app, target) = (TestApp::start().await, ScimTarget::start().await);
    let (ann, bob) = (user(&app, "ann").await, user(&app, "bob").await);
    let settings = json!({ "requireUserEmail": "false" });
    app.script().patch("/api/application-configuration", &settings, None).await.expect(200);
    app.script()
        .patch(
            &format!("/api/users/{bob}"),
            &json!({ "disabled": true, "email": null, "lastName": "", "displayName": "" }),
            None,
        )
        .await
        .expect(200);
    let staff = group(&app, "staff", "Staff", &[&ann, &bob]).await;
    let client = app.client(json!({})).await;
    let provider = target.provision(&app, client["id"].as_str().unwrap()).await;
    sync(&app, &provider).await;

    let schemas = json!(["urn:ietf:params:scim:schemas:core:2.0:User"]);
    let calls = target.calls();
    let created: Vec<(String, Value)> = calls
        .iter()
        .filter(|call| call.what.starts_with("POST"))
        .map(|call| (call.what.clone(), serde_json::from_str(&call.body).unwrap()))
        .collect();
    let body = |id: &str| created.iter().find(|(_, body)| body["externalId"] == id).expect("it was created").1.clone();
    assert_eq!(
        body(&ann),
        json!({ "schemas": schemas, "externalId": ann, "userName": "ann", "name": { "givenName": "Ann", "familyName": "Lee" },
            "displayName": "ann Lee", "active": true, "emails": [{ "value": "ann@example.com", "primary": true }] })
    );
    assert_eq!(
        body(&bob),
        json!({ "schemas": schemas, "externalId": bob, "userName": "bob", "name": { "givenName": "Ann" }, "active": false })
    );
    // In the order of the target's ids, which it gave as they came.
    let there = |name: &str| target.user(name)["id"].as_str().unwrap().to_owned();
    let mut ids = [there("ann"), there("bob")];
    ids.sort();
    let group_body = body(&staff);
    let members = json!([{ "value": ids[0] }, { "value": ids[1] }]);
    assert_eq!((&group_body["displayName"], &group_body["members"]), (&json!("Staff"), &members));
    // The static API key's user is nobody.
    assert_eq!(target.names(), ["ann", "bob"]);
    let order: Vec<&str> = created.iter().map(|(what, _)| what.as_str()).collect();
    assert_eq!(order, ["POST /Users", "POST /Users", "POST /Groups"], "people before groups");
    for call in &calls {
        let header = |name: &str| call.headers.get(name).map(|value| value.to_str().unwrap());
        assert_eq!(header("authorization"), Some("Bearer a-bearer-token"), "{}", call.what);
        assert_eq!(header("accept"), Some("application/scim+json"));
        let is_json = header("content-type") == Some("application/scim+json");
        assert_eq!(is_json, !call.body.is_empty());
    }
    assert!(calls.iter().any(|call| call.what == "GET /Users" && call.query == "startIndex=1&count=1000"));

    // Nothing to do is nothing written.
    sync(&app, &provider).await;
    assert_eq!(target.asked(), ["GET /Users", "GET /Groups"]);
    let seen = shown(&app, &client).await;
    let did = &seen["sync"]["last"];
    assert_eq!((&did["outcome"], &did["full"], &did["users"]["unchanged"]), (&json!("ok"), &json!(true), &json!(2)));
    assert!(seen["lastSyncedAt"].is_string() && seen["oidcClient"]["id"] == client["id"], "{seen}");

    // What somebody changed there is put right, with the version that was read.
    let mut changed = target.user("ann");
    changed["userName"] = json!("mallory");
    target.put("User", &changed);
    sync(&app, &provider).await;
    assert_eq!(target.names(), ["ann", "bob"]);
    let put = target.calls().into_iter().find(|call| call.what.starts_with("PUT")).unwrap();
    assert_eq!(put.headers["if-match"], "W/\"2\"");
    // What somebody removed there comes again, also as a member.
    target.remove("User", &target.user("bob")["id"]);
    sync(&app, &provider).await;
    assert_eq!(target.names(), ["ann", "bob"]);
    let members: Vec<Value> =
        target.group("Staff")["members"].as_array().unwrap().iter().map(|m| m["value"].clone()).collect();
    assert!(members.contains(&target.user("bob")["id"]) && members.len() == 2, "{members:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changes_go_out_by_themselves_one_by_one() {
    let (app, target) = (TestApp::start().await, ScimTarget::start().await);
    let ann = user(&app, "ann").await;
    let client = app.client(json!({})).await;
    let provider = target.provision(&app, client["id"].as_str().unwrap()).await;
    // The first run comes soon after the provider.
    app.advance(16);
    let first = wait(&app, &client, |now| now["sync"]["last"].is_object()).await;
    assert_eq!((target.names(), &first["sync"]["last"]["full"]), (vec!["ann".to_owned()], &json!(true)));
    let _ = target.asked();

    // Several changes wait for one another, and only what they concern is asked for.
    app.script().patch(&format!("/api/users/{ann}"), &json!({ "lastName": "Day" }), None).await.expect(200);
    let bob = user(&app, "bob").await;
    let team = group(&app, "team", "Team", &[&ann, &bob]).await;
    assert_eq!(shown(&app, &client).await["sync"]["changesWait"], true);
    app.advance(16);
    let second = next_run(&app, &client, &first).await;
    let last = &second["sync"]["last"];
    assert_eq!((&last["full"], &last["outcome"]), (&json!(false), &json!("ok")), "{second:#}");
    let id = |name: &str| target.user(name)["id"].as_str().unwrap().to_owned();
    let mut asked = target.asked();
    asked.sort();
    let ann_there = id("ann");
    assert_eq!(
        asked,
        [
            format!("GET /Users/{ann_there}"),
            "POST /Groups".into(),
            "POST /Users".into(),
            format!("PUT /Users/{ann_there}")
        ]
    );
    assert_eq!(target.user("ann")["name"]["familyName"], "Day");

    // Who is disabled is deactivated; who leaves a group is gone from it; who is deleted is deleted.
    app.script().patch(&format!("/api/users/{ann}"), &json!({ "disabled": true }), None).await.expect(200);
    app.script().put(&format!("/api/user-groups/{team}/users"), &json!({ "userIds": [bob] })).await.expect(200);
    app.advance(16);
    let third = next_run(&app, &client, &second).await;
    assert_eq!(target.user("ann")["active"], false);
    assert_eq!(target.group("Team")["members"], json!([{ "value": id("bob") }]));
    // Deletions don't wait.
    app.script().delete(&format!("/api/users/{ann}")).await.expect(204);
    app.advance(1);
    let fourth = next_run(&app, &client, &third).await;
    assert_eq!(target.names(), ["bob"]);
    assert_eq!(fourth["sync"]["last"]["users"]["deleted"], 1);
    // What concerns nobody there leads to no request.
    let _ = target.asked();
    app.script()
        .put(&format!("/api/custom-claims/user/{bob}"), &json!([{ "key": "desk", "value": "4" }]))
        .await
        .expect(200);
    app.advance(16);
    let fifth = next_run(&app, &client, &fourth).await;
    assert!(target.asked().is_empty());
    // Everything is compared every hour.
    app.advance(3600);
    next_run(&app, &client, &fifth).await;
    assert_eq!(target.asked(), ["GET /Users", "GET /Groups"]);
    let _ = provider;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_who_may_enter_is_sent_and_only_what_was_created_from_here_is_deleted() {
    let (app, target) = (TestApp::start().await, ScimTarget::start().await);
    let (ann, bob, eve) = (user(&app, "ann").await, user(&app, "bob").await, user(&app, "eve").await);
    let staff = group(&app, "staff", "Staff", &[&ann, &bob]).await;
    let other = group(&app, "other", "Other", &[&eve]).await;
    let client = restricted(&app, &[&staff]).await;
    // Strangers, one with a name of ours, and one that another program of ours had made.
    target.put("User", &json!({ "userName": "root", "active": true }));
    target.put("User", &json!({ "userName": "zoe", "externalId": "of-somebody-else", "active": true }));
    target.put("User", &json!({ "userName": "bob-before", "externalId": bob, "active": true }));
    target.put("Group", &json!({ "displayName": "Admins" }));
    let provider = target.provision(&app, client["id"].as_str().unwrap()).await;
    sync(&app, &provider).await;
    assert_eq!(target.names(), ["ann", "bob", "root", "zoe"], "bob was found by his id");
    assert_eq!(target.groups().len(), 2);

    // Ann and the group were created from here; bob was there before.
    allow(&app, &client, &[&other]).await;
    app.script().post(&sync_path(&provider), &json!({})).await.refused(409, "scim_sync_held");
    // Two of two would leave: they stay, and so does their group. Everything else is done.
    assert_eq!(target.names(), ["ann", "bob", "eve", "root", "zoe"]);
    assert!(target.group("Staff").is_object() && target.group("Other").is_object());
    assert_eq!(target.user("ann")["active"], true);
    let last = shown(&app, &client).await["sync"]["last"].clone();
    assert_eq!((&last["leaving"], &last["present"], &last["users"]["created"]), (&json!(2), &json!(2), &json!(1)));
    app.script().post(&format!("{}?anyway=true", sync_path(&provider)), &json!({})).await.expect(200);
    assert_eq!(target.names(), ["bob", "eve", "root", "zoe"]);
    assert_eq!(target.user("bob")["active"], false);
    let names: Vec<Value> = target.groups().iter().map(|group| group["displayName"].clone()).collect();
    assert_eq!(names, ["Admins", "Other"]);
    assert_eq!(target.user("root")["active"], true);
    assert_eq!(target.user("zoe")["active"], true);

    // They are let in again.
    allow(&app, &client, &[&other, &staff]).await;
    sync(&app, &provider).await;
    assert_eq!(target.names(), ["ann", "bob", "eve", "root", "zoe"]);
    assert_eq!(target.user("bob")["active"], true);

    // Nobody may enter, and nothing of it is deleted on a target that deactivates.
    let change = json!({ "deactivateInsteadOfDelete": true });
    app.script().patch(&format!("{PATH}/{}", provider["id"].as_str().unwrap()), &change, None).await.expect(200);
    allow(&app, &client, &[]).await;
    app.script().post(&format!("{}?anyway=true", sync_path(&provider)), &json!({})).await.expect(200);
    assert_eq!(target.names(), ["ann", "bob", "eve", "root", "zoe"]);
    let off: Vec<Value> =
        ["ann", "bob", "eve", "root"].iter().map(|name| target.user(name)["active"].clone()).collect();
    assert_eq!(off, [false, false, false, true]);
    let last = shown(&app, &client).await["sync"]["last"].clone();
    assert_eq!((&last["users"]["deactivated"], &last["groups"]["deleted"]), (&json!(3), &json!(2)), "{last}");

    // Without the provider everything is left as it is.
    app.script().delete(&format!("{PATH}/{}", provider["id"].as_str().unwrap())).await.expect(204);
    assert_eq!(target.users().len(), 5);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_refused_resource_stops_no_other() {
    let (app, target) = (TestApp::start().await, ScimTarget::start().await);
    let (ann, bob) = (user(&app, "ann").await, user(&app, "bob").await);
    // Two groups with one name: a target may want names to be unique.
    group(&app, "ops", "Ops", &[&ann, &bob]).await;
    group(&app, "ops-2", "ops", &[&ann]).await;
    target.put("User", &json!({ "userName": "Bob", "active": true }));
    let client = app.client(json!({})).await;
    let provider = target.provision(&app, client["id"].as_str().unwrap()).await;
    let refused = app.script().post(&sync_path(&provider), &json!({})).await.refused(502, "scim_sync_incomplete");
    assert_eq!(refused.json()["details"]["failed"], "1");
    assert_eq!(target.names(), ["Bob", "ann"]);
    let ann_there = json!([{ "value": target.user("ann")["id"] }]);
    assert_eq!(target.group("Ops")["members"], ann_there, "without bob, who is not there");
    assert_eq!(target.group("ops (ops-2)")["members"], ann_there);
    let seen = shown(&app, &client).await;
    assert_eq!((&seen["lastSyncedAt"], &seen["sync"]["last"]["outcome"]), (&Value::Null, &json!("partial")));
    let problem = json!([{ "kind": "user", "id": bob, "name": "bob", "failure": "name_taken", "status": 409 }]);
    assert_eq!(seen["sync"]["last"]["problems"], problem);
    let told = app.events("SCIM_SYNC_FAILED").await;
    assert_eq!(told.len(), 1, "{told:?}");

    // The name is free there again.
    target.remove("User", &target.user("Bob")["id"]);
    sync(&app, &provider).await;
    assert_eq!(target.names(), ["ann", "bob"]);
    assert_eq!(target.group("Ops")["members"].as_array().unwrap().len(), 2);

    // A name that somebody else still has there is tried again when they have given it up.
    let script = app.script();
    for (id, name) in [(&ann, "carl"), (&bob, "ann"), (&ann, "bob")] {
        script.patch(&format!("/api/users/{id}"), &json!({ "username": name }), None).await.expect(200);
    }
    target.put(
        "User",
        &json!({ "id": target.user("ann")["id"], "userName": "somebody", "externalId": ann, "active": true }),
    );
    sync(&app, &provider).await;
    assert_eq!(target.names(), ["ann", "bob"]);
    assert_eq!(target.user("ann")["externalId"], json!(bob));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_busy_target_is_waited_for() {
    let (app, target) = (TestApp::start().await, ScimTarget::start().await);
    for n in 0..12 {
        user(&app, &format!("p{n:02}")).await;
    }
    let client = app.client(json!({})).await;
    let provider = target.provision(&app, client["id"].as_str().unwrap()).await;
    target.faults("GET /Users", &[ScimFault::Refused(429, Some("1")), ScimFault::Refused(503, Some("0"))]);
    target.faults("POST /Users", &[ScimFault::Refused(429, Some("1")), ScimFault::Late(Duration::from_millis(300))]);
    let begun = std::time::Instant::now();
    sync(&app, &provider).await;
    assert!(begun.elapsed() >= Duration::from_secs(2), "it waited twice for a second");
    assert_eq!(target.names().len(), 12);
    assert!((2..=4).contains(&target.busiest()), "{} requests at once", target.busiest());

    // Who wants to be left alone for long is asked again when it said.
    user(&app, "late").await;
    target.faults("GET /Users", &[ScimFault::Refused(429, Some("600"))]);
    let refused = app.script().post(&sync_path(&provider), &json!({})).await.refused(502, "scim_sync_failed");
    assert_eq!(refused.json()["details"], json!({ "failure": "throttled", "status": "429" }));
    let failed = shown(&app, &client).await;
    let at = |value: &Value| pid_core::Timestamp::parse_rfc3339(value.as_str().unwrap()).unwrap();
    let pause = at(&failed["sync"]["nextAt"]).secs_since(at(&failed["sync"]["last"]["finishedAt"]));
    assert!((599..=601).contains(&pause), "{failed}");
    app.advance(602);
    next_run(&app, &client, &failed).await;
    assert_eq!(target.names().len(), 13);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_target_that_breaks_down_is_tried_again_and_nobody_comes_twice() {
    let (app, target) = (TestApp::start().await, ScimTarget::start().await);
    for n in 0..30 {
        user(&app, &format!("p{n:02}")).await;
    }
    let client = app.client(json!({})).await;
    let provider = target.provision(&app, client["id"].as_str().unwrap()).await;
    // Three were created though their answers were lost.
    target.faults("POST /Users", &[ScimFault::Cut, ScimFault::Cut, ScimFault::Cut, ScimFault::Refused(500, None)]);
    app.script().post(&sync_path(&provider), &json!({})).await.refused(502, "scim_sync_incomplete");
    assert_eq!(target.names().len(), 29);
    sync(&app, &provider).await;
    assert_eq!(target.names().len(), 30);
    let calls = target.calls();
    assert!(!calls.iter().any(|call| call.status == 409), "they were found by their ids");
    // They count as ours.
    for person in target.users().iter().take(6) {
        app.script().delete(&format!("/api/users/{}", person["externalId"].as_str().unwrap())).await.expect(204);
    }
    let left = wait(&app, &client, |now| now["sync"]["last"]["users"]["unchanged"] == 24).await;
    assert_eq!((left["sync"]["last"]["outcome"].clone(), target.names().len()), (json!("ok"), 24));

    // Down altogether: one failure after another ends the run, and the next comes later and later.
    let script = app.script();
    for person in target.users() {
        let id = person["externalId"].as_str().unwrap().to_owned();
        script.patch(&format!("/api/users/{id}"), &json!({ "lastName": "New" }), None).await.expect(200);
    }
    let _ = target.asked();
    target.faults("PUT", &vec![ScimFault::Refused(500, None); 100]);
    // Two pages are read; whether it is well is asked afterwards.
    target.faults("GET /Users", &vec![ScimFault::Late(Duration::ZERO); 2]);
    target.faults("GET /Users", &vec![ScimFault::Refused(500, None); 100]);
    let refused = script.post(&sync_path(&provider), &json!({})).await.refused(502, "scim_sync_failed");
    assert_eq!(refused.json()["details"], json!({ "failure": "http_status", "status": "500" }));
    let tried = target.asked().iter().filter(|what| what.starts_with("PUT")).count();
    assert!((8..24).contains(&tried), "{tried} were tried");
    target.mend();
    let failed = shown(&app, &client).await;
    app.advance(61);
    let mended = next_run(&app, &client, &failed).await;
    assert_eq!(mended["sync"]["last"]["outcome"], "ok", "{mended:#}");
    assert!(target.users().iter().all(|user| user["name"]["familyName"] == "New"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn versions_are_kept_to_and_read_again() {
    let (app, target) = (TestApp::start().await, ScimTarget::start().await);
    let ann = user(&app, "ann").await;
    let client = app.client(json!({})).await;
    let provider = target.provision(&app, client["id"].as_str().unwrap()).await;
    sync(&app, &provider).await;
    app.script().patch(&format!("/api/users/{ann}"), &json!({ "lastName": "Day" }), None).await.expect(200);
    let _ = target.calls();
    target.faults("PUT /Users", &[ScimFault::Refused(412, None)]);
    sync(&app, &provider).await;
    let asked: Vec<String> =
        target.asked().iter().map(|what| what.split('/').next().unwrap().trim().to_owned()).collect();
    assert_eq!(asked, ["GET", "PUT", "GET", "PUT"], "the list, in vain, read again, done");
    assert_eq!(target.user("ann")["name"]["familyName"], "Day");
    app.script().patch(&format!("/api/users/{ann}"), &json!({ "lastName": "Night" }), None).await.expect(200);
    target.faults("PUT /Users", &[ScimFault::Refused(412, None), ScimFault::Refused(412, None)]);
    app.script().post(&sync_path(&provider), &json!({})).await.refused(502, "scim_sync_incomplete");
    let problems = shown(&app, &client).await["sync"]["last"]["problems"].clone();
    assert_eq!(problems[0]["failure"], "changed_meanwhile");
    sync(&app, &provider).await;
    assert_eq!(target.user("ann")["name"]["familyName"], "Night");

    // A target without versions that keeps names its own way is not written to again and again.
    let plain = ScimTarget::with(json!({ "lowerCase": true })).await;
    user(&app, "MixedCase").await;
    let other = app.client(json!({})).await;
    let provider = plain.provision(&app, other["id"].as_str().unwrap()).await;
    sync(&app, &provider).await;
    let _ = plain.asked();
    sync(&app, &provider).await;
    assert_eq!(plain.asked(), ["GET /Users"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lists_are_read_to_their_end() {
    let (app, target) = (TestApp::start().await, ScimTarget::start().await);
    // A page of its own size, whatever is asked for: the real server's is twenty.
    for n in 0..45 {
        target.put("User", &json!({ "userName": format!("stranger-{n}"), "active": true }));
    }
    let ann = user(&app, "ann").await;
    target.put("User", &json!({ "userName": "ann", "externalId": ann, "active": true }));
    let client = app.client(json!({})).await;
    let provider = target.provision(&app, client["id"].as_str().unwrap()).await;
    sync(&app, &provider).await;
    assert_eq!(target.users().len(), 46, "she was found on the last page");
    assert_eq!(target.user("ann")["displayName"], "ann Lee");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_provider_is_made_changed_and_deleted() {
    let (app, target) = (TestApp::start().await, ScimTarget::start().await);
    let client = app.client(json!({ "name": "Wiki" })).await;
    let other = app.client(json!({})).await;
    let script = app.script();
    let of_client = format!("/api/oidc/clients/{}/scim-service-provider", client["id"].as_str().unwrap());
    script.get(&of_client).await.refused(404, "not_found");
    let body =
        |endpoint: &str, client: &Value| json!({ "endpoint": endpoint, "token": "t", "oidcClientId": client["id"] });
    for (endpoint, code) in [
        ("", "required"),
        ("app.example", "invalid_format"),
        ("ftp://a.example", "invalid_format"),
        ("https://u:p@a.example", "invalid_format"),
    ] {
        script.post(PATH, &body(endpoint, &client)).await.invalid(&[&format!("endpoint {code}")]);
    }
    let mut bad = body(&target.url(), &client);
    bad["token"] = json!("two words");
    script.post(PATH, &bad).await.invalid(&["token printascii"]);
    bad["token"] = json!(MASK);
    script.post(PATH, &bad).await.invalid(&["token required"]);
    script.post(PATH, &body(&target.url(), &json!({ "id": "nobody" }))).await.refused(404, "not_found");
    let made = script.post(PATH, &body(&target.url(), &client)).await.expect(201);
    let provider = made.json();
    let id = provider["id"].as_str().unwrap().to_owned();
    assert_eq!((&provider["token"], &provider["lastSyncedAt"]), (&json!(MASK), &Value::Null));
    assert_eq!(provider["oidcClient"]["name"], "Wiki");
    script.post(PATH, &body(&target.url(), &client)).await.refused(409, "already_in_use");
    assert_eq!(script.get(&of_client).await.expect(200).json(), provider);

    let path = format!("{PATH}/{id}");
    script.patch(&path, &json!({ "token": "u" }), Some("\"7\"")).await.refused(412, "version_mismatch");
    let mut next = provider.clone();
    next["oidcClientId"] = client["id"].clone();
    next["deactivateInsteadOfDelete"] = json!(true);
    let kept = script.put(&path, &next).await.expect(200).json();
    assert_eq!((&kept["token"], &kept["deactivateInsteadOfDelete"]), (&json!(MASK), &json!(true)));
    // An absent token is none, as in the contract.
    let bare = json!({ "endpoint": target.url(), "oidcClientId": client["id"] });
    let bare = script.put(&path, &bare).await.expect(200).json();
    assert_eq!((&bare["token"], &bare["deactivateInsteadOfDelete"]), (&json!(""), &json!(false)));
    app.script().post(&sync_path(&provider), &json!({})).await.refused(502, "scim_sync_failed");
    let failed = shown(&app, &client).await;
    assert_eq!(failed["sync"]["last"]["failure"], "unauthorized");
    // It moves to another client, unless that has one.
    script.patch(&path, &json!({ "oidcClientId": other["id"] }), None).await.expect(200);
    script.get(&of_client).await.refused(404, "not_found");
    script.delete(&path).await.expect(204);
    script.delete(&path).await.refused(404, "not_found");
    script.post(&sync_path(&provider), &json!({})).await.refused(404, "not_found");
    script.post(&format!("{PATH}/{id}/sync?anyway=maybe"), &json!({})).await.refused(400, "validation_failed");

    // It goes with its client.
    let provider = script.post(PATH, &body(&target.url(), &client)).await.expect(201).json();
    script.delete(&format!("/api/oidc/clients/{}", client["id"].as_str().unwrap())).await.expect(204);
    script.post(&sync_path(&provider), &json!({})).await.refused(404, "not_found");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_replica_is_at_it_and_a_run_that_was_lost_goes_on() {
    let (app, target) = (TestApp::start().await, ScimTarget::start().await);
    let other = if on_postgres() { Some(app.replica().await) } else { None };
    let client = app.client(json!({})).await;
    let provider = target.provision(&app, client["id"].as_str().unwrap()).await;
    for n in 0..20 {
        user(&app, &format!("p{n:02}")).await;
    }
    app.advance(121);
    let first = wait(&app, &client, |now| now["sync"]["last"]["users"]["created"] == 20).await;
    let created = target.asked().iter().filter(|what| *what == "POST /Users").count();
    assert_eq!(created, 20, "each once");
    drop(other);

    // A server that was killed had taken the change, and says no more.
    user(&app, "late").await;
    let (now, id) = (app.app().clock().now(), provider["id"].as_str().unwrap().to_owned());
    let claim = |holder: &'static str| {
        let id = id.clone();
        app.app().db().write(move |tx: &WriteTx<'_>| scim::claim(tx, &id, holder, now, now.plus_secs(90)))
    };
    assert!(claim("somebody").await.unwrap());
    assert!(!claim("somebody else").await.unwrap(), "one at a time");
    let running = shown(&app, &client).await;
    assert!(running["sync"]["runningSince"].is_string() && running["sync"]["changesWait"] == false, "{running}");
    app.advance(91);
    let second = next_run(&app, &client, &first).await;
    assert_eq!((second["sync"]["last"]["full"].clone(), target.names().len()), (json!(true), 21));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_stops_gives_its_runs_back() {
    let (mut app, target) = (TestApp::start().await, ScimTarget::start().await);
    user(&app, "ann").await;
    let client = app.client(json!({})).await;
    target.provision(&app, client["id"].as_str().unwrap()).await;
    target.faults("GET /Users", &[ScimFault::Late(Duration::from_secs(60))]);
    app.advance(16);
    wait(&app, &client, |now| now["sync"]["runningSince"].is_string()).await;
    for _ in 0..600 {
        if target.busiest() > 0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    // The time stands still: were it still held, nobody would begin for a minute and a half.
    app.restart().await;
    wait(&app, &client, |now| now["sync"]["last"]["outcome"] == "ok").await;
    assert_eq!(target.names(), ["ann"]);
}

/// An application that keeps no ids of ours, and calls people its own way.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_application_that_keeps_no_ids_of_ours_gets_nobody_twice_and_keeps_its_own() {
    let app = TestApp::start().await;
    let target = ScimTarget::with(json!({ "etags": true, "dropsIds": true, "suffix": "@app" })).await;
    // Its own people, one of them of a name that is here, too.
    target.put("User", &json!({ "userName": "root@app", "active": true }));
    let own = target.put("User", &json!({ "userName": "bob@app", "active": true, "title": "Boss" }));
    let (ann, bob) = (user(&app, "ann").await, user(&app, "bob").await);
    group(&app, "team", "Team", &[&ann]).await;
    let client = app.client(json!({})).await;
    let provider = target.provision(&app, client["id"].as_str().unwrap()).await;
    app.script().post(&sync_path(&provider), &json!({})).await.refused(502, "scim_sync_incomplete");
    assert_eq!(target.names(), ["ann@app", "bob@app", "root@app"]);
    let problems = shown(&app, &client).await["sync"]["last"]["problems"].clone();
    assert_eq!((&problems[0]["name"], &problems[0]["failure"]), (&json!("bob"), &json!("name_taken")));
    let _ = target.calls();
    // Pass by pass nothing is made again, and what is theirs is not touched.
    app.script().post(&sync_path(&provider), &json!({})).await.refused(502, "scim_sync_incomplete");
    assert_eq!(written(&target), ["POST /Users", "POST /Users"], "bob alone, who is refused, and once more at the end");
    assert_eq!((target.names().len(), target.user("bob@app")), (3, own.clone()));
    // Who is renamed here is renamed there, by the id from the creation.
    app.script().patch(&format!("/api/users/{ann}"), &json!({ "username": "anna" }), None).await.expect(200);
    app.script().post(&sync_path(&provider), &json!({})).await.refused(502, "scim_sync_incomplete");
    assert_eq!(target.names(), ["anna@app", "bob@app", "root@app"]);
    // What they renamed is neither written nor made anew: it is told.
    let there = target.user("anna@app");
    let mut renamed = there.clone();
    renamed["userName"] = json!("somebody@app");
    target.put("User", &renamed);
    app.script().post(&sync_path(&provider), &json!({})).await.refused(502, "scim_sync_incomplete");
    assert_eq!(target.names(), ["bob@app", "root@app", "somebody@app"]);
    let problems = shown(&app, &client).await["sync"]["last"]["problems"].clone();
    assert!(problems.as_array().unwrap().iter().any(|p| p["failure"] == "not_recognised"), "{problems}");
    target.put("User", &there);
    // Who leaves is removed if they were created from here, and only they.
    app.script().delete(&format!("/api/users/{bob}")).await.expect(204);
    app.script().delete(&format!("/api/users/{ann}")).await.expect(204);
    sync(&app, &provider).await;
    assert_eq!((target.names(), target.user("bob@app")), (vec!["bob@app".to_owned(), "root@app".to_owned()], own));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_was_lost_makes_nobody_twice_even_without_ids_of_ours() {
    let app = TestApp::start().await;
    let target = ScimTarget::with(json!({ "etags": true, "dropsIds": true, "twins": true })).await;
    let ann = user(&app, "ann").await;
    let client = app.client(json!({})).await;
    let provider = target.provision(&app, client["id"].as_str().unwrap()).await;
    target.faults("POST /Users", &[ScimFault::Hidden(503)]);
    app.script().post(&sync_path(&provider), &json!({})).await.refused(502, "scim_sync_incomplete");
    sync(&app, &provider).await;
    assert_eq!(target.names(), ["ann"]);
    // Nobody can prove that she was made from here: she is switched off and not deleted.
    app.script().delete(&format!("/api/users/{ann}")).await.expect(204);
    sync(&app, &provider).await;
    assert_eq!(target.user("ann")["active"], false);
}

/// A list as a target says it.
fn list_of(total: usize, resources: &[Value]) -> ScimFault {
    let schemas = ["urn:ietf:params:scim:api:messages:2.0:ListResponse"];
    ScimFault::Says(json!({ "schemas": schemas, "totalResults": total, "Resources": resources }).to_string())
}

fn written(target: &ScimTarget) -> Vec<String> {
    target.asked().into_iter().filter(|what| !what.starts_with("GET")).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_list_lacks_is_not_gone_because_of_that() {
    let (app, target) = (TestApp::start().await, ScimTarget::start().await);
    let mut ids = Vec::new();
    for n in 0..5 {
        ids.push(user(&app, &format!("p{n}")).await);
    }
    let group = group(&app, "all", "All", &ids.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let client = restricted(&app, &[&group]).await;
    let provider = target.provision(&app, client["id"].as_str().unwrap()).await;
    sync(&app, &provider).await;
    let _ = target.asked();
    // An empty list, and one without who is inactive: each is asked for.
    target.faults("GET /Users", &[list_of(0, &[])]);
    sync(&app, &provider).await;
    assert!(written(&target).is_empty());
    let script = app.script();
    let path = format!("/api/users/{}", ids[0]);
    script.patch(&path, &json!({ "disabled": true }), None).await.expect(200);
    sync(&app, &provider).await;
    assert_eq!(target.user("p0")["active"], false);
    script.patch(&path, &json!({ "disabled": false }), None).await.expect(200);
    let active: Vec<Value> = target.users().into_iter().filter(|user| user["active"] == true).collect();
    assert_eq!(active.len(), 4);
    target.faults("GET /Users", &[list_of(4, &active)]);
    sync(&app, &provider).await;
    assert_eq!((target.user("p0")["active"].clone(), target.names().len()), (json!(true), 5));
    // A list that ends before it should is none.
    target.faults("GET /Users", &[list_of(5, &[])]);
    let refused = script.post(&sync_path(&provider), &json!({})).await.refused(502, "scim_sync_failed");
    assert_eq!(refused.json()["details"]["failure"], "incomplete_list");
    // Who leaves meanwhile is removed though the list doesn't have them.
    script.put(&format!("/api/user-groups/{group}/users"), &json!({ "userIds": ids[1..] })).await.expect(200);
    target.faults("GET /Users", &[list_of(0, &[])]);
    sync(&app, &provider).await;
    assert_eq!(target.names(), ["p1", "p2", "p3", "p4"]);

    // Is much truly gone, it is rather another target.
    let _ = target.asked();
    for name in ["p1", "p2"] {
        target.remove("User", &target.user(name)["id"]);
    }
    let refused = script.post(&sync_path(&provider), &json!({})).await.refused(409, "scim_sync_held");
    assert_eq!(refused.json()["details"]["missing"], "2");
    assert!(!written(&target).contains(&"POST /Users".to_owned()));
    script.post(&format!("{}?anyway=true", sync_path(&provider)), &json!({})).await.expect(200);
    assert_eq!(target.names(), ["p1", "p2", "p3", "p4"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_created_unseen_stays_ours() {
    let (app, target) = (TestApp::start().await, ScimTarget::start().await);
    let ann = user(&app, "ann").await;
    let client = app.client(json!({})).await;
    let provider = target.provision(&app, client["id"].as_str().unwrap()).await;
    // It is stored, but a gateway says something else; and the next list doesn't have it yet.
    target.faults("POST /Users", &[ScimFault::Hidden(503)]);
    app.script().post(&sync_path(&provider), &json!({})).await.refused(502, "scim_sync_incomplete");
    assert_eq!(written(&target), ["POST /Users"], "what creates is not sent twice");
    target.faults("GET /Users", &[list_of(0, &[])]);
    app.script().post(&sync_path(&provider), &json!({})).await.refused(502, "scim_sync_incomplete");
    sync(&app, &provider).await;
    assert_eq!(target.names(), ["ann"]);
    let before = shown(&app, &client).await;
    app.script().delete(&format!("/api/users/{ann}")).await.expect(204);
    app.advance(1);
    next_run(&app, &client, &before).await;
    assert!(target.names().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_application_without_groups_gets_its_people() {
    let (app, target) = (TestApp::start().await, ScimTarget::start().await);
    let ann = user(&app, "ann").await;
    group(&app, "staff", "Staff", &[&ann]).await;
    let client = app.client(json!({})).await;
    let provider = target.provision(&app, client["id"].as_str().unwrap()).await;
    target.faults("GET /Groups", &[ScimFault::Refused(404, None), ScimFault::Refused(404, None)]);
    app.script().post(&sync_path(&provider), &json!({})).await.refused(502, "scim_sync_incomplete");
    assert_eq!(target.names(), ["ann"]);
    let last = shown(&app, &client).await["sync"]["last"].clone();
    let told = (&last["outcome"], &last["groupsUnread"], &last["status"], &last["failed"]);
    assert_eq!(told, (&json!("partial"), &json!(true), &json!(404), &json!(1)));
    // Changes go out as always; groups are not written before they were read.
    let before = shown(&app, &client).await;
    app.script().patch(&format!("/api/users/{ann}"), &json!({ "lastName": "Day" }), None).await.expect(200);
    app.advance(16);
    next_run(&app, &client, &before).await;
    assert_eq!((target.user("ann")["name"]["familyName"].clone(), target.groups().len()), (json!("Day"), 0));
    sync(&app, &provider).await;
    assert!(target.group("Staff").is_object());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_that_fail_stop_nothing_else_and_are_soon_tried_again() {
    let (app, target) = (TestApp::start().await, ScimTarget::start().await);
    let mut ids = Vec::new();
    for n in 0..12 {
        ids.push(user(&app, &format!("p{n:02}")).await);
    }
    let staff = group(&app, "staff", "Staff", &[]).await;
    let client = app.client(json!({})).await;
    let provider = target.provision(&app, client["id"].as_str().unwrap()).await;
    sync(&app, &provider).await;
    let script = app.script();
    for id in &ids[..11] {
        script.patch(&format!("/api/users/{id}"), &json!({ "lastName": "New" }), None).await.expect(200);
    }
    let crew = json!({ "friendlyName": "Crew" });
    script.patch(&format!("/api/user-groups/{staff}"), &crew, None).await.expect(200);
    target.faults("PUT /Users", &vec![ScimFault::Refused(500, None); 11]);
    let refused = script.post(&sync_path(&provider), &json!({})).await.refused(502, "scim_sync_incomplete");
    assert_eq!(refused.json()["details"]["failed"], "11");
    assert!(target.group("Crew").is_object(), "groups were reached");
    let before = shown(&app, &client).await;
    app.advance(61);
    let mended = next_run(&app, &client, &before).await;
    assert_eq!(mended["sync"]["last"]["outcome"], "ok", "{mended:#}");
    assert_eq!(target.users().iter().filter(|user| user["name"]["familyName"] == "New").count(), 11);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_signed_up_and_waits_is_nobody_yet() {
    let (app, target) = (TestApp::start().await, ScimTarget::start().await);
    let settings = json!({ "allowUserSignups": "open", "signupNeedsApproval": "true" });
    app.script().patch("/api/application-configuration", &settings, None).await.expect(200);
    let body = json!({ "username": "ceo", "email": "ceo@example.com", "firstName": "Chief", "lastName": "Officer" });
    let made = app.agent().post("/api/signup", &body).await.expect(201).json();
    assert_eq!(made["awaitingApproval"], true);
    let client = app.client(json!({})).await;
    let provider = target.provision(&app, client["id"].as_str().unwrap()).await;
    sync(&app, &provider).await;
    assert!(target.names().is_empty());
    let path = format!("/api/users/{}", made["id"].as_str().unwrap());
    let before = shown(&app, &client).await;
    app.script().patch(&path, &json!({ "disabled": false }), None).await.expect(200);
    app.advance(16);
    next_run(&app, &client, &before).await;
    assert_eq!(target.names(), ["ceo"]);
    // Later, being disabled is being inactive there.
    app.script().patch(&path, &json!({ "disabled": true }), None).await.expect(200);
    sync(&app, &provider).await;
    assert_eq!(target.user("ceo")["active"], false);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_changed_provider_ends_the_run_under_way() {
    let (app, target) = (TestApp::start().await, ScimTarget::start().await);
    for name in ["ann", "bob", "eve"] {
        user(&app, name).await;
    }
    let client = app.client(json!({})).await;
    let provider = target.provision(&app, client["id"].as_str().unwrap()).await;
    target.faults("POST /Users", &vec![ScimFault::Late(Duration::from_secs(60)); 3]);
    let (script, path) = (app.script(), sync_path(&provider));
    let asked = tokio::spawn(async move { script.post(&path, &json!({})).await.status.as_u16() });
    let change = json!({ "deactivateInsteadOfDelete": true });
    for _ in 0..600 {
        // All three are on their way.
        if target.busiest() >= 3 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    assert_eq!(target.busiest(), 3);
    app.script().patch(&format!("{PATH}/{}", provider["id"].as_str().unwrap()), &change, None).await.expect(200);
    // What asked for the run waits for the requests to end, and begins anew.
    assert_eq!(asked.await.unwrap(), 200);
    assert_eq!(target.names(), ["ann", "bob", "eve"]);
    assert!(!target.calls().iter().any(|call| call.status == 409), "nobody was created twice");
}
