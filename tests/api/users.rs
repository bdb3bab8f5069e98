//! `/api/users` (api.md §13).

use pid_tests::{Agent, Reply, TestApp};
use serde_json::{Value, json};

async fn user(script: &Agent, body: Value) -> String {
    script.post("/api/users", &body).await.expect(201).id()
}

/// The values of one member on a page of a list.
fn column(page: &Reply, name: &str) -> Vec<Value> {
    page.json()["data"].as_array().unwrap().iter().map(|row| row[name].clone()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_has_exactly_the_members_of_the_contract() {
    let app = TestApp::start().await;
    let script = app.script();
    let made = script.post("/api/users", &json!({ "username": "tim", "email": "tim@example.com" })).await.expect(201);
    let id = made.id();
    let expected = json!({
        "id": id, "username": "tim", "email": "tim@example.com", "emailVerified": false, "firstName": "",
        "lastName": "", "displayName": "", "isAdmin": false, "locale": null, "customClaims": [],
        "userGroups": [], "ldapId": null, "disabled": false,
    });
    assert_eq!(made.json(), expected);
    assert_eq!(made.header("content-type"), Some("application/json; charset=utf-8"));
    assert_eq!(made.header("cache-control"), Some("private, no-store"));
    let read = script.get(&format!("/api/users/{id}")).await.expect(200);
    assert_eq!((read.json(), read.etag()), (expected, made.etag()));

    let full = json!({
        "id": "0A0A0A0A-0000-4000-8000-00000000000a", "username": "Ann", "email": "ann@example.com",
        "emailVerified": true, "firstName": "Ann", "lastName": "Example", "displayName": "Annie", "isAdmin": true,
        "disabled": true, "locale": "de", "userGroupIds": ["unknown"], "unknown": 1,
    });
    let made = script.post("/api/users", &full).await.expect(201).json();
    for name in
        ["id", "username", "email", "emailVerified", "firstName", "displayName", "isAdmin", "disabled", "locale"]
    {
        assert_eq!(made[name], full[name], "{name}");
    }
    assert_eq!(made["userGroups"], json!([]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_bad_field_is_named_at_once() {
    let app = TestApp::start().await;
    let script = app.script();
    let long = "x".repeat(101);
    let bad = json!({ "id": "7", "username": "-tim", "email": "tim@localhost", "firstName": long, "lastName": long,
        "displayName": long });
    let refused = script.post("/api/users", &bad).await.invalid(&[
        "id uuid",
        "username invalid_format",
        "email invalid_format",
        "firstName too_long",
        "lastName too_long",
        "displayName too_long",
    ]);
    let text = refused.json()["error"].as_str().unwrap().to_owned();
    assert!(text.starts_with("Id must be a UUID, username must begin"), "{text}");
    script.post("/api/users", &json!({})).await.invalid(&["username required", "email required"]);
    script.post("/api/users", &json!({ "username": "a", "email": "" })).await.invalid(&["email invalid_format"]);
    // Lengths count characters, and a single character is a username.
    let umlauts = "ü".repeat(50);
    user(&script, json!({ "username": "a", "email": "a@example.com", "firstName": umlauts })).await;
    script.patch("/api/application-configuration", &json!({ "requireUserEmail": "false" }), None).await.expect(200);
    user(&script, json!({ "username": "b" })).await;
    user(&script, json!({ "username": "c", "email": null })).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn names_addresses_and_ids_are_unique() {
    let app = TestApp::start().await;
    let script = app.script();
    let id = user(&script, json!({ "username": "Tim", "email": "Tim@example.com" })).await;
    let other = user(&script, json!({ "username": "ann", "email": "ann@example.com" })).await;
    // The address is looked at first.
    for (body, property) in [
        (json!({ "username": "tIM", "email": "tIM@EXAMPLE.com" }), "email"),
        (json!({ "username": "tIM", "email": "new@example.com" }), "username"),
        (json!({ "username": "new", "email": "new@example.com", "id": id }), "id"),
    ] {
        let refused = script.post("/api/users", &body).await.refused(409, "already_in_use");
        assert_eq!(refused.json()["details"], json!({ "property": property }));
    }
    let path = format!("/api/users/{other}");
    script.patch(&path, &json!({ "username": "TIM" }), None).await.refused(409, "already_in_use");
    script.patch(&path, &json!({ "username": "ANN" }), None).await.expect(200);
    let zero = json!({ "username": "z", "email": "z@example.com", "id": "00000000-0000-0000-0000-000000000000" });
    script.post("/api/users", &zero).await.invalid(&["id reserved"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_person_gets_the_wanted_or_the_default_groups_and_the_default_claims() {
    let app = TestApp::start().await;
    let script = app.script();
    let mut groups = Vec::new();
    for name in ["staff", "guests"] {
        let body = json!({ "name": name, "friendlyName": name });
        groups.push(script.post("/api/user-groups", &body).await.expect(201).id());
    }
    let defaults = json!({
        "signupDefaultUserGroupIDs": json!([groups[1], "unknown"]).to_string(),
        "signupDefaultCustomClaims": json!([{ "key": "level", "value": "1" }]).to_string(),
    });
    script.patch("/api/application-configuration", &defaults, None).await.expect(200);
    let names =
        |user: &Value| user["userGroups"].as_array().unwrap().iter().map(|g| g["name"].clone()).collect::<Vec<_>>();
    let plain =
        script.post("/api/users", &json!({ "username": "a", "email": "a@example.com" })).await.expect(201).json();
    assert_eq!(names(&plain), ["guests"]);
    assert_eq!(plain["customClaims"], json!([{ "key": "level", "value": "1" }]));
    let body = json!({ "username": "b", "email": "b@example.com", "userGroupIds": [groups[0]] });
    let wanted = script.post("/api/users", &body).await.expect(201).json();
    assert_eq!(names(&wanted), ["staff"]);
    let group = &wanted["userGroups"][0];
    assert_eq!(
        group,
        &json!({ "id": groups[0], "name": "staff", "friendlyName": "staff", "customClaims": [], "userCount": 0,
            "ldapId": null, "createdAt": group["createdAt"] })
    );

    let reserved = json!({ "signupDefaultCustomClaims": json!([{ "key": "sub", "value": "1" }]).to_string() });
    script.patch("/api/application-configuration", &reserved, None).await.expect(200);
    let body = json!({ "username": "c", "email": "c@example.com" });
    script.post("/api/users", &body).await.refused(400, "reserved_claim");
    assert_eq!(script.get("/api/users?search=c@example.com").await.json()["data"], json!([]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn put_replaces_everything() {
    let app = TestApp::start().await;
    let script = app.script();
    app.admin().await;
    let body = json!({ "username": "tim", "email": "tim@example.com", "emailVerified": true, "firstName": "Tim",
        "isAdmin": true, "disabled": true, "locale": "en" });
    let id = user(&script, body).await;
    let path = format!("/api/users/{id}");
    let body = json!({ "id": "ffffffff-0000-4000-8000-000000000000", "username": "tom", "email": "tom@example.com" });
    let changed = script.put(&path, &body).await.expect(200);
    assert_eq!(
        changed.json(),
        json!({
            "id": id, "username": "tom", "email": "tom@example.com", "emailVerified": false, "firstName": "",
            "lastName": "", "displayName": "", "isAdmin": false, "locale": null, "customClaims": [],
            "userGroups": [], "ldapId": null, "disabled": false,
        })
    );
    let stale = script.request(http::Method::PUT, &path).header("if-match", "\"1\"").json(&body);
    script.send(stale).await.refused(412, "version_mismatch");
    script.put(&path, &json!({ "username": "" })).await.invalid(&["username required", "email required"]);
    script.put("/api/users/nobody", &body).await.refused(404, "user_not_found");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn patch_changes_what_it_names_under_its_version() {
    let app = TestApp::start().await;
    let script = app.script();
    let body = json!({ "username": "tim", "email": "tim@example.com", "firstName": "Tim", "lastName": "Test", "locale": "en" });
    let path = format!("/api/users/{}", user(&script, body).await);
    let first = script.get(&path).await.expect(200).etag();

    let changed = script.patch(&path, &json!({ "lastName": null, "locale": null }), Some(&first)).await.expect(200);
    let now = changed.json();
    assert_eq!((&now["firstName"], &now["lastName"], &now["locale"]), (&json!("Tim"), &json!(""), &Value::Null));
    assert_ne!(changed.etag(), first);

    let stale =
        script.patch(&path, &json!({ "firstName": "Old" }), Some(&first)).await.refused(412, "version_mismatch");
    assert_eq!(format!("\"{}\"", stale.json()["details"]["version"].as_str().unwrap()), changed.etag());
    assert_eq!(script.get(&path).await.json()["firstName"], "Tim");
    for nothing in ["\"x\"", "W/\"1\"", "1", "\"\""] {
        script.patch(&path, &json!({ "firstName": "No" }), Some(nothing)).await.refused(412, "version_mismatch");
    }

    script.patch(&path, &json!({ "firstName": "Any" }), None).await.expect(200);
    script.patch(&path, &json!({ "firstName": "Star" }), Some("*")).await.expect(200);
    script.patch(&path, &json!({ "username": null }), None).await.invalid(&["username required"]);
    script.patch(&path, &json!({ "username": 7 }), None).await.refused(400, "invalid_request_body");
    script.patch(&path, &json!(["a"]), None).await.refused(400, "invalid_request_body");
    let unread = script.request(http::Method::PATCH, &path).body("{}");
    script.send(unread).await.refused(400, "invalid_request_body");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn disabling_signs_out_and_deleting_leaves_nothing() {
    let app = TestApp::start().await;
    let script = app.script();
    app.admin().await;
    let mut tim = app.person("tim").await;
    let path = format!("/api/users/{}", tim.id());
    script.patch(&path, &json!({ "disabled": true }), None).await.expect(200);
    tim.agent.get("/api/users/me").await.refused(403, "user_disabled");
    tim.sign_in().await.refused(403, "user_disabled");
    // Being enabled again revives no session.
    script.patch(&path, &json!({ "disabled": false }), None).await.expect(200);
    tim.agent.get("/api/users/me").await.refused(401, "not_signed_in");
    tim.sign_in().await.expect(200);
    tim.agent.get("/api/users/me").await.expect(200);

    script.delete(&path).await.expect(204);
    tim.agent.get("/api/users/me").await.refused(401, "not_signed_in");
    tim.sign_in().await.refused(401, "webauthn_authentication_failed");
    script.get(&path).await.refused(404, "user_not_found");
    script.delete(&path).await.refused(404, "user_not_found");
    script.get(&format!("{path}/groups")).await.refused(404, "user_not_found");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_role_holds_from_the_next_request_on() {
    let app = TestApp::start().await;
    app.admin().await;
    let tim = app.person("tim").await;
    let path = format!("/api/users/{}", tim.id());
    tim.agent.get("/api/users").await.refused(403, "forbidden");
    app.script().patch(&path, &json!({ "isAdmin": true }), None).await.expect(200);
    tim.agent.get("/api/users").await.expect(200);
    app.script().patch(&path, &json!({ "isAdmin": false }), None).await.expect(200);
    tim.agent.get("/api/users").await.refused(403, "forbidden");
    tim.agent.get("/api/users/me").await.expect(200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn groups_are_replaced_as_a_set() {
    let app = TestApp::start().await;
    let script = app.script();
    let id = user(&script, json!({ "username": "tim", "email": "tim@example.com" })).await;
    let mut groups = Vec::new();
    for name in ["one", "two", "three"] {
        groups.push(script.post("/api/user-groups", &json!({ "name": name, "friendlyName": name })).await.id());
    }
    let path = format!("/api/users/{id}/user-groups");
    let before = script.get(&format!("/api/users/{id}")).await.etag();
    let names = |reply: &Reply| {
        let names = reply.json()["userGroups"]
            .as_array()
            .unwrap()
            .iter()
            .map(|g| g["name"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>();
        names.join(" ")
    };
    let set =
        script.put(&path, &json!({ "userGroupIds": [groups[0], groups[2], "unknown", groups[0]] })).await.expect(200);
    assert_eq!(names(&set), "one three");
    assert_ne!(set.etag(), before, "the version rises, since the representation changed");
    assert_eq!(names(&script.put(&path, &json!({ "userGroupIds": [groups[1]] })).await.expect(200)), "two");
    let listed = script.get(&format!("/api/users/{id}/groups")).await.expect(200).json();
    let group = &listed[0];
    assert_eq!(
        group,
        &json!({ "id": groups[1], "name": "two", "friendlyName": "two", "customClaims": [], "ldapId": null,
            "createdAt": group["createdAt"], "users": [], "allowedOidcClients": [] })
    );
    assert_eq!(names(&script.put(&path, &json!({ "userGroupIds": [] })).await.expect(200)), "");
    script.put(&path, &json!({})).await.invalid(&["userGroupIds required"]);
    script.put(&path, &json!({ "userGroupIds": null })).await.invalid(&["userGroupIds required"]);
    script.put("/api/users/me/user-groups", &json!({ "userGroupIds": [] })).await.refused(404, "user_not_found");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lists_page_sort_search_and_filter() {
    let app = TestApp::start().await;
    let script = app.script();
    for n in 1..=25 {
        let body = json!({ "username": format!("user{n:02}"), "email": format!("u{n:02}@example.com"), "firstName": "Ü_1%",
            "lastName": format!("L{}", n % 3), "emailVerified": n % 2 == 0, "isAdmin": n == 1, "disabled": n == 2 });
        user(&script, body).await;
    }
    let get = async |query: &str| script.get(&format!("/api/users?{query}")).await.expect(200);
    // With the person of the static key there are 26.
    for (query, rows, page) in [
        ("", 20, [2, 26, 1, 20]),
        ("pagination[page]=2", 6, [2, 26, 2, 20]),
        ("pagination%5Bpage%5D=9&pagination%5Blimit%5D=5", 1, [6, 26, 6, 5]),
        ("pagination[page]=-1&pagination[limit]=0", 20, [2, 26, 1, 20]),
        ("pagination[limit]=1000", 26, [1, 26, 1, 100]),
        ("page=3&limit=10", 6, [3, 26, 3, 10]),
        ("search=nobody", 0, [1, 0, 1, 20]),
        ("filters[isAdmin]=true", 2, [1, 2, 1, 20]),
        ("filters[isAdmin]=true&filters[isAdmin][]=false", 20, [2, 26, 1, 20]),
        ("filters[disabled][0]=true", 1, [1, 1, 1, 20]),
        ("filters[emailVerified]=true&filters[disabled]=false", 11, [1, 11, 1, 20]),
        ("filters[shoeSize]=44", 20, [2, 26, 1, 20]),
        // A number that is none drops the filters and is no error.
        ("filters[isAdmin]=true&pagination[page]=x", 20, [2, 26, 1, 20]),
        ("search=USER0", 9, [1, 9, 1, 20]),
        ("search=u07@EXAMPLE", 1, [1, 1, 1, 20]),
        ("search=l1&filters[disabled]=false", 9, [1, 9, 1, 20]),
        // Wildcards of SQL are letters here.
        ("search=%25", 20, [2, 25, 1, 20]),
        ("search=_2", 0, [1, 0, 1, 20]),
        ("search=%C3%9C_", 20, [2, 25, 1, 20]),
        ("search=%00", 20, [2, 26, 1, 20]),
    ] {
        let found = get(query).await;
        let body = found.json();
        assert_eq!(body["data"].as_array().unwrap().len(), rows, "{query}");
        let [pages, total, current, limit] = page;
        let expected =
            json!({ "totalPages": pages, "totalItems": total, "currentPage": current, "itemsPerPage": limit });
        assert_eq!(body["pagination"], expected, "{query}");
    }
    let found = get("sort[column]=username&sort[direction]=DESC&search=example.com&pagination[limit]=2").await;
    assert_eq!(column(&found, "username"), ["user25", "user24"]);
    let found = get("sort[column]=lastName&sort[direction]=asc&search=example.com&pagination[limit]=9").await;
    assert_eq!(column(&found, "lastName")[..8], [(); 8].map(|()| json!("L0")));
    for name in
        ["createdAt", "email", "emailVerified", "firstName", "displayName", "isAdmin", "disabled", "shoeSize", ""]
    {
        get(&format!("sort[column]={name}&sort[direction]=up")).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_static_key_outlives_its_user() {
    let app = TestApp::start().await;
    let script = app.script();
    let me = script.get("/api/users/me").await.expect(200).json();
    let path = format!("/api/users/{}", me["id"].as_str().unwrap());
    script.patch(&path, &json!({ "firstName": "Robot", "email": "robot@example.com" }), None).await.expect(200);
    script.delete(&path).await.expect(204);
    let again = script.get("/api/users/me").await.expect(200).json();
    assert_eq!((&again["id"], &again["isAdmin"], &again["firstName"]), (&me["id"], &json!(true), &me["firstName"]));
    assert_ne!(again["username"], me["username"], "it is another one");
    assert_eq!(app.events("USER_DELETED").await.len(), 1);
}
