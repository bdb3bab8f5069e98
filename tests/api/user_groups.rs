//! `/api/user-groups` (api.md §14).

use pid_tests::{Agent, TestApp};
use serde_json::{Value, json};

async fn group(script: &Agent, name: &str) -> String {
    let body = json!({ "name": name, "friendlyName": format!("The {name}") });
    script.post("/api/user-groups", &body).await.expect(201).id()
}

/// The values of one member in a list of objects.
fn each(list: &Value, name: &str) -> Vec<Value> {
    list.as_array().unwrap().iter().map(|row| row[name].clone()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_group_has_exactly_the_members_of_the_contract() {
    let app = TestApp::start().await;
    let script = app.script();
    let body = json!({ "name": "staff", "friendlyName": "Our staff", "ldapId": "x", "id": "x" });
    let made = script.post("/api/user-groups", &body).await.expect(201);
    let (id, group) = (made.id(), made.json());
    let expected = json!({
        "id": id, "name": "staff", "friendlyName": "Our staff", "customClaims": [], "ldapId": null,
        "createdAt": group["createdAt"], "users": [], "allowedOidcClients": [],
    });
    assert_eq!(group, expected);
    assert!(group["createdAt"].as_str().unwrap().ends_with('Z'));
    let read = script.get(&format!("/api/user-groups/{id}")).await.expect(200);
    assert_eq!((read.json(), read.etag()), (expected, made.etag()));

    script
        .put(&format!("/api/custom-claims/user-group/{id}"), &json!([{ "key": "k", "value": "v" }]))
        .await
        .expect(200);
    let tim = app.person("tim").await;
    script.put(&format!("/api/user-groups/{id}/users"), &json!({ "userIds": [tim.id()] })).await.expect(200);
    let listed = script.get("/api/user-groups").await.expect(200).json();
    assert_eq!(
        listed,
        json!({
            "data": [{
                "id": id, "name": "staff", "friendlyName": "Our staff", "customClaims": [{ "key": "k", "value": "v" }],
                "userCount": 1, "ldapId": null, "createdAt": group["createdAt"],
            }],
            "pagination": { "totalPages": 1, "totalItems": 1, "currentPage": 1, "itemsPerPage": 20 },
        })
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn names_are_checked_and_unique() {
    let app = TestApp::start().await;
    let script = app.script();
    let path = format!("/api/user-groups/{}", group(&script, "staff").await);
    script.post("/api/user-groups", &json!({})).await.invalid(&["friendlyName required", "name required"]);
    let bad = json!({ "friendlyName": "x".repeat(51), "name": "x" });
    script.post("/api/user-groups", &bad).await.invalid(&["friendlyName too_long", "name too_short"]);
    script.put(&path, &bad).await.invalid(&["friendlyName too_long", "name too_short"]);
    let taken = script.post("/api/user-groups", &json!({ "name": "staff", "friendlyName": "Other" })).await;
    assert_eq!(taken.refused(409, "already_in_use").json()["details"], json!({ "property": "name" }));
    // The name is a claim's value: case matters. The name for people may repeat.
    let other =
        script.post("/api/user-groups", &json!({ "name": "Staff", "friendlyName": "The staff" })).await.expect(201);
    let other = format!("/api/user-groups/{}", other.id());
    script.patch(&other, &json!({ "name": "staff" }), None).await.refused(409, "already_in_use");
    // NFC: what looks alike is alike.
    script.patch(&path, &json!({ "name": "cafe\u{301}" }), None).await.expect(200);
    script.patch(&other, &json!({ "name": "caf\u{e9}" }), None).await.refused(409, "already_in_use");
    for path in ["/api/user-groups/nobody", "/api/user-groups/%F0%9F%98%80"] {
        let refused = script.get(path).await.refused(404, "not_found");
        assert_eq!(refused.json()["details"], json!({ "resource": "User group" }));
        script.delete(path).await.refused(404, "not_found");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn put_and_patch_change_names_under_the_version() {
    let app = TestApp::start().await;
    let script = app.script();
    let path = format!("/api/user-groups/{}", group(&script, "staff").await);
    let first = script.get(&path).await.etag();
    let put = script.put(&path, &json!({ "name": "crew", "friendlyName": "The crew" })).await.expect(200);
    assert_eq!((&put.json()["name"], &put.json()["friendlyName"]), (&json!("crew"), &json!("The crew")));
    script.patch(&path, &json!({ "name": "old" }), Some(&first)).await.refused(412, "version_mismatch");
    let patched = script.patch(&path, &json!({ "friendlyName": "Crew" }), Some(&put.etag())).await.expect(200).json();
    assert_eq!((&patched["name"], &patched["friendlyName"]), (&json!("crew"), &json!("Crew")));
    script.patch(&path, &json!({ "name": null }), None).await.invalid(&["name required"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn members_are_replaced_as_a_set() {
    let app = TestApp::start().await;
    let script = app.script();
    let path = format!("/api/user-groups/{}", group(&script, "staff").await);
    let (ann, tim) = (app.person("ann").await, app.person("tim").await);
    let members = format!("{path}/users");
    let before = script.get(&path).await.etag();
    let body = json!({ "userIds": [tim.id(), "unknown", ann.id(), tim.id()] });
    let set = script.put(&members, &body).await.expect(200);
    assert_eq!(each(&set.json()["users"], "username"), ["ann", "tim"]);
    let member = &set.json()["users"][1];
    assert_eq!((&member["userGroups"], &member["customClaims"]), (&json!([]), &json!([])));
    assert_ne!(set.etag(), before);
    let set = script.put(&members, &json!({ "userIds": [ann.id()] })).await.expect(200).json();
    assert_eq!(each(&set["users"], "username"), ["ann"]);
    assert_eq!(tim.agent.get("/api/users/me").await.json()["userGroups"], json!([]));
    assert_eq!(each(&ann.agent.get("/api/users/me").await.json()["userGroups"], "name"), ["staff"]);
    script.put(&members, &json!({})).await.invalid(&["userIds required"]);
    script.put("/api/user-groups/x/users", &json!({ "userIds": [] })).await.refused(404, "not_found");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn allowed_clients_are_replaced_as_a_set_and_go_with_the_group() {
    let app = TestApp::start().await;
    let script = app.script();
    let path = format!("/api/user-groups/{}", group(&script, "staff").await);
    let open = app.client(json!({ "name": "Open", "isPublic": true })).await;
    let closed = app.client(json!({ "name": "Closed", "isPublic": true, "isGroupRestricted": true })).await;
    let clients = format!("{path}/allowed-oidc-clients");
    let body = json!({ "oidcClientIds": [open["id"], closed["id"], "unknown"] });
    let set = script.put(&clients, &body).await.expect(200).json();
    let listed = set["allowedOidcClients"].as_array().unwrap();
    assert_eq!(listed.len(), 2);
    let meta = listed.iter().find(|c| c["id"] == closed["id"]).unwrap();
    assert_eq!(
        meta,
        &json!({ "id": closed["id"], "name": "Closed", "description": "", "hasLogo": false, "hasDarkLogo": false,
            "launchURL": null, "requiresReauthentication": false, "clientType": "standard" })
    );
    let client = async |id: &Value| script.get(&format!("/api/oidc/clients/{}", id.as_str().unwrap())).await.json();
    assert_eq!(client(&open["id"]).await["isGroupRestricted"], false);
    assert_eq!(each(&client(&closed["id"]).await["allowedUserGroups"], "name"), ["staff"]);
    let set = script.put(&clients, &json!({ "oidcClientIds": [closed["id"]] })).await.expect(200).json();
    assert_eq!(each(&set["allowedOidcClients"], "id"), [closed["id"].clone()]);
    script.put(&clients, &json!({ "oidcClientIds": null })).await.invalid(&["oidcClientIds required"]);

    // A client that was restricted to the group alone stays restricted, and admits nobody.
    script.delete(&path).await.expect(204);
    let left = client(&closed["id"]).await;
    assert_eq!((&left["isGroupRestricted"], &left["allowedUserGroups"]), (&json!(true), &json!([])));
    script.get(&path).await.refused(404, "not_found");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lists_sort_and_search() {
    let app = TestApp::start().await;
    let script = app.script();
    let mut ids = Vec::new();
    for name in ["beta", "alpha", "gamma"] {
        ids.push(group(&script, name).await);
        // Not in the same millisecond.
        app.advance(1);
    }
    let tim = app.person("tim").await;
    script.put(&format!("/api/user-groups/{}/users", ids[2]), &json!({ "userIds": [tim.id()] })).await.expect(200);
    for (query, names) in [
        ("", vec!["beta", "alpha", "gamma"]),
        ("sort[column]=name&sort[direction]=asc", vec!["alpha", "beta", "gamma"]),
        ("sort[column]=friendlyName&sort[direction]=desc", vec!["gamma", "beta", "alpha"]),
        ("sort[column]=userCount&sort[direction]=desc", vec!["gamma", "alpha", "beta"]),
        ("sort[column]=createdAt&sort[direction]=desc&pagination[limit]=1", vec!["gamma"]),
        ("search=ALPH", vec!["alpha"]),
        ("search=a&pagination[limit]=2&pagination[page]=2", vec!["gamma"]),
    ] {
        let page = script.get(&format!("/api/user-groups?{query}")).await.expect(200).json();
        assert_eq!(each(&page["data"], "name"), names, "{query}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lists_of_others_are_saved_under_the_version_that_was_read() {
    let app = TestApp::start().await;
    let script = app.script();
    let user = app.person("tim").await.id().to_owned();
    let body = json!({ "name": "crew", "friendlyName": "Crew" });
    let group = script.post("/api/user-groups", &body).await.expect(201).id();
    let client = app.client(json!({ "isGroupRestricted": true })).await["id"].as_str().unwrap().to_owned();
    let (user, group, client) =
        (format!("/api/users/{user}"), format!("/api/user-groups/{group}"), format!("/api/oidc/clients/{client}"));
    let id = |path: &str| path.rsplit('/').next().unwrap().to_owned();
    let claims = json!([{ "key": "shoe", "value": "42" }]);
    // What is saved, as part of what, and which others show it as well.
    for (owner, path, body, shown) in [
        (&user, format!("{user}/user-groups"), json!({ "userGroupIds": [id(&group)] }), Some(&group)),
        (&group, format!("{group}/users"), json!({ "userIds": [] }), Some(&user)),
        (&client, format!("{client}/allowed-user-groups"), json!({ "userGroupIds": [id(&group)] }), Some(&group)),
        (&group, format!("{group}/allowed-oidc-clients"), json!({ "oidcClientIds": [] }), Some(&client)),
        (&user, format!("/api/custom-claims/user/{}", id(&user)), claims.clone(), None),
        (&group, format!("/api/custom-claims/user-group/{}", id(&group)), claims.clone(), None),
    ] {
        let tag = script.get(owner).await.expect(200).etag();
        let others = match shown {
            Some(other) => Some((other, script.get(other).await.expect(200).etag())),
            None => None,
        };
        let put = |tag: &str| script.request(http::Method::PUT, &path).header("if-match", tag).json(&body);
        let saved = script.send(put(&tag)).await.expect(200);
        assert_ne!(saved.etag(), tag, "{path}");
        assert_eq!(saved.etag(), script.get(owner).await.etag(), "{path}");
        if let Some((other, before)) = others {
            assert_ne!(script.get(other).await.etag(), before, "{other} shows it too");
        }
        // Read before: refused, and nothing is lost.
        let stale = script.send(put(&tag)).await.refused(412, "version_mismatch");
        assert_eq!(format!("\"{}\"", stale.json()["details"]["version"].as_str().unwrap()), saved.etag());
        // A script that says nothing about versions goes on as ever.
        script.put(&path, &body).await.expect(200);
    }
}
