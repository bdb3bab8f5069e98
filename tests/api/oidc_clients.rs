//! `/api/oidc/clients` (api.md §16).

use pid_tests::{Agent, TestApp};
use serde_json::{Value, json};

fn path(client: &Value) -> String {
    format!("/api/oidc/clients/{}", client["id"].as_str().unwrap())
}

async fn create(script: &Agent, body: Value) -> Value {
    script.post("/api/oidc/clients", &body).await.expect(201).json()
}

/// What a client is when only its name is given.
fn plain(id: &Value) -> Value {
    json!({
        "id": id, "name": "App", "description": "", "hasLogo": false, "hasDarkLogo": false, "launchURL": null,
        "requiresReauthentication": false, "clientType": "standard", "callbackURLs": [], "logoutCallbackURLs": [],
        "isPublic": false, "pkceEnabled": false, "requiresPushedAuthorizationRequests": false, "skipConsent": false,
        "isGroupRestricted": false, "credentials": { "secrets": [] }, "accessTokenDurationMinutes": 60,
        "refreshTokenDurationMinutes": 43200, "allowedUserGroups": [],
    })
}

/// A client with every member set to something else.
fn full() -> Value {
    json!({
        "name": "Full", "description": "All of it", "callbackURLs": ["https://b.example/cb", "https://a.example/*", "https://b.example/cb"],
        "logoutCallbackURLs": ["https://a.example/bye"], "isPublic": false, "pkceEnabled": true,
        "requiresReauthentication": true, "requiresPushedAuthorizationRequests": true, "skipConsent": true,
        "isGroupRestricted": true, "launchURL": "https://a.example/", "accessTokenDurationMinutes": 5,
        "refreshTokenDurationMinutes": 525600,
        "credentials": { "federatedIdentities": [{ "issuer": "https://ci.example", "subject": "repo", "replayProtection": true }] },
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_has_exactly_the_members_of_the_contract() {
    let app = TestApp::start().await;
    let script = app.script();
    let made =
        script.post("/api/oidc/clients", &json!({ "name": "App", "hasLogo": true, "unknown": 1 })).await.expect(201);
    let client = made.json();
    assert_eq!(client, plain(&client["id"]));
    let read = script.get(&path(&client)).await.expect(200);
    assert_eq!((read.json(), read.etag()), (client.clone(), made.etag()));
    // Everybody may know this much.
    let meta = app.agent().get(&format!("{}/meta", path(&client))).await.expect(200).json();
    assert_eq!(
        meta,
        json!({ "id": client["id"], "name": "App", "description": "", "hasLogo": false, "hasDarkLogo": false,
            "launchURL": null, "requiresReauthentication": false, "clientType": "standard" })
    );
    app.agent().get("/api/oidc/clients/none/meta").await.refused(404, "not_found");

    let made = create(&script, full()).await;
    for (name, value) in full().as_object().unwrap() {
        let shown = if name == "credentials" {
            json!({ "secrets": [], "federatedIdentities": value["federatedIdentities"] })
        } else {
            value.clone()
        };
        assert_eq!(made[name], shown, "{name}");
    }
    let listed = script.get("/api/oidc/clients?sort[column]=name&sort[direction]=asc").await.expect(200).json();
    let mut expected = plain(&client["id"]);
    expected.as_object_mut().unwrap().remove("allowedUserGroups");
    expected["allowedUserGroupsCount"] = json!(0);
    assert_eq!(listed["data"][0], expected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_bad_field_is_named_at_once() {
    let app = TestApp::start().await;
    let script = app.script();
    let bad = json!({
        "id": "a b", "name": "x".repeat(51), "description": "x".repeat(151),
        "callbackURLs": ["https://ok.example/cb", "/relative", "javascript:alert(1)"], "logoutCallbackURLs": [""],
        "launchURL": "", "accessTokenDurationMinutes": -1, "refreshTokenDurationMinutes": 525601,
        "logoUrl": "", "darkLogoUrl": "ftp://a.example/logo.png",
    });
    script.post("/api/oidc/clients", &bad).await.invalid(&[
        "id client_id",
        "name too_long",
        "description too_long",
        "callbackURLs[1] callback_url_pattern",
        "callbackURLs[2] callback_url_pattern",
        "logoutCallbackURLs[0] callback_url_pattern",
        "launchURL invalid_format",
        "accessTokenDurationMinutes token_duration",
        "refreshTokenDurationMinutes token_duration",
        "logoUrl invalid_value",
        "darkLogoUrl invalid_value",
    ]);
    script.post("/api/oidc/clients", &json!({})).await.invalid(&["name required"]);
    for body in [
        json!({ "name": "A", "isPublic": "yes" }),
        json!({ "name": "A", "callbackURLs": "https://a.example" }),
        json!({ "name": "A", "accessTokenDurationMinutes": 1.5 }),
        json!({ "name": 1 }),
    ] {
        script.post("/api/oidc/clients", &body).await.refused(400, "invalid_request_body");
    }
    let zero = json!({ "name": "A", "accessTokenDurationMinutes": 0, "refreshTokenDurationMinutes": null, "callbackURLs": null });
    let made = create(&script, zero).await;
    assert_eq!(
        (&made["accessTokenDurationMinutes"], &made["refreshTokenDurationMinutes"]),
        (&json!(60), &json!(43200))
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_id_may_be_chosen_once() {
    let app = TestApp::start().await;
    let script = app.script();
    for id in ["ab", "My.Client_1-x", &"x".repeat(128)] {
        assert_eq!(create(&script, json!({ "name": "App", "id": id })).await["id"], id);
        script
            .post("/api/oidc/clients", &json!({ "name": "B", "id": id }))
            .await
            .refused(409, "client_id_already_exists");
    }
    for id in ["a", "a/b", "~ab", &"x".repeat(129)] {
        script.post("/api/oidc/clients", &json!({ "name": "App", "id": id })).await.invalid(&["id client_id"]);
    }
    let made = create(&script, json!({ "name": "App", "id": "" })).await;
    assert_eq!(made["id"].as_str().unwrap().len(), 36);
    // In a path an id may be written as base64url (§4.4); what does not decode is taken as it is.
    assert_eq!(script.get("/api/oidc/clients/~YWI").await.expect(200).json()["id"], "ab");
    script.get("/api/oidc/clients/~%25").await.refused(404, "not_found");
    script.get("/api/oidc/clients/~AAAA").await.refused(404, "not_found");
    let refused = script.get("/api/oidc/clients/none").await.refused(404, "not_found");
    assert_eq!(refused.json()["details"], json!({ "resource": "OIDC client" }));
    // On change it is passed over.
    let changed = script.put("/api/oidc/clients/ab", &json!({ "name": "App", "id": "other" })).await.expect(200).json();
    assert_eq!(changed["id"], "ab");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn put_replaces_everything_but_secrets_and_logos() {
    let app = TestApp::start().await;
    let script = app.script();
    let client = create(&script, full()).await;
    let path = path(&client);
    let secret = script.post(&format!("{path}/secrets"), &json!({})).await.expect(201).json();
    let group = script.post("/api/user-groups", &json!({ "name": "staff", "friendlyName": "Staff" })).await.id();
    script.put(&format!("{path}/allowed-user-groups"), &json!({ "userGroupIds": [group] })).await.expect(200);
    // Still restricted: the groups stay.
    let kept = script.put(&path, &full()).await.expect(200).json();
    assert_eq!(kept["allowedUserGroups"][0]["name"], "staff");
    // No longer: they go, and with them all that is not said.
    let changed = script.put(&path, &json!({ "name": "App" })).await.expect(200).json();
    let mut expected = plain(&client["id"]);
    expected["credentials"]["secrets"] = changed["credentials"]["secrets"].clone();
    assert_eq!(changed, expected);
    assert_eq!(changed["credentials"]["secrets"][0]["id"], secret["id"]);
    // A public client always has PKCE.
    let public = script.put(&path, &json!({ "name": "App", "isPublic": true })).await.expect(200).json();
    assert_eq!((&public["isPublic"], &public["pkceEnabled"]), (&json!(true), &json!(true)));
    assert_eq!(public["credentials"]["secrets"][0]["id"], secret["id"]);
    script.put("/api/oidc/clients/none", &json!({ "name": "App" })).await.refused(404, "not_found");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn patch_clears_by_null_and_replaces_lists() {
    let app = TestApp::start().await;
    let script = app.script();
    let path = path(&create(&script, full()).await);
    let first = script.get(&path).await;
    let patch = json!({ "launchURL": null, "callbackURLs": ["https://c.example/cb"], "logoutCallbackURLs": null });
    let changed = script.patch(&path, &patch, Some(&first.etag())).await.expect(200);
    let mut expected = first.json();
    expected["launchURL"] = Value::Null;
    expected["callbackURLs"] = json!(["https://c.example/cb"]);
    expected["logoutCallbackURLs"] = json!([]);
    assert_eq!(changed.json(), expected);
    let stale =
        script.patch(&path, &json!({ "name": "Old" }), Some(&first.etag())).await.refused(412, "version_mismatch");
    assert_eq!(format!("\"{}\"", stale.json()["details"]["version"].as_str().unwrap()), changed.etag());
    assert_eq!(script.get(&path).await.json(), expected);
    let patch = json!({ "credentials": { "federatedIdentities": null }, "skipConsent": null, "accessTokenDurationMinutes": null });
    let changed = script.patch(&path, &patch, None).await.expect(200).json();
    assert_eq!((&changed["credentials"], &changed["skipConsent"]), (&json!({ "secrets": [] }), &json!(false)));
    assert_eq!(changed["accessTokenDurationMinutes"], 60);
    script.patch(&path, &json!({ "callbackURLs": [null] }), None).await.refused(400, "invalid_request_body");
    script.patch(&path, &json!({ "launchURL": "" }), None).await.invalid(&["launchURL invalid_format"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn secrets_are_shown_once() {
    let app = TestApp::start().await;
    let script = app.script();
    let path = path(&create(&script, json!({ "name": "App" })).await);
    let secrets = format!("{path}/secrets");
    assert_eq!(script.get(&secrets).await.expect(200).json(), json!([]));
    // A body is not needed, whatever its type.
    let bare = script.request(http::Method::POST, &secrets).header("content-type", "text/plain");
    let made = script.send(bare).await.expect(201).json();
    let value = made["secret"].as_str().unwrap().to_owned();
    assert!(value.len() == 32 && value.bytes().all(|b| b.is_ascii_alphanumeric()), "{value}");
    let shown = json!({ "id": made["id"], "prefix": &value[..4], "createdAt": made["createdAt"], "expiresAt": null, "isActive": true });
    let mut with_value = shown.clone();
    with_value["secret"] = json!(value);
    assert_eq!(made, with_value);
    assert_eq!(script.get(&secrets).await.json(), json!([shown]));

    app.advance(1);
    let soon = pid_core::Timestamp::from_millis(app.app().clock().now().millis()).plus_secs(60).to_string();
    let own = script.post(&secrets, &json!({ "secret": "my own secret: é?", "expiresAt": soon })).await;
    own.invalid(&["secret printascii"]);
    let own =
        script.post(&secrets, &json!({ "secret": "my own secret 16", "expiresAt": soon })).await.expect(201).json();
    assert_eq!((&own["secret"], &own["prefix"]), (&json!("my own secret 16"), &json!("my o")));
    app.advance(61);
    let listed = script.get(&secrets).await.json();
    let active: Vec<&Value> = listed.as_array().unwrap().iter().map(|s| &s["isActive"]).collect();
    assert_eq!(active, [&json!(true), &json!(false)], "in the order of creation: {listed}");
    assert_eq!(script.get(&path).await.json()["credentials"]["secrets"], listed);
    assert!(!listed.to_string().contains("my own secret"));

    script.post(&secrets, &json!({ "secret": "too short" })).await.invalid(&["secret too_short"]);
    let past = script.post(&secrets, &json!({ "secret": "x", "expiresAt": "2001-01-01T00:00:00Z" })).await;
    assert_eq!(past.refused(400, "validation_failed").json()["details"], Value::Null);
    script.post(&secrets, &json!({ "expiresAt": "2001-01-01" })).await.refused(400, "invalid_request_body");
    let unread = script.request(http::Method::POST, &secrets).header("content-type", "text/plain").body("{}");
    script.send(unread).await.refused(400, "invalid_request_body");

    for _ in 2..20 {
        script.post(&secrets, &json!({ "secret": null })).await.expect(201);
    }
    script.post(&secrets, &json!({})).await.refused(400, "validation_failed");
    let one = format!("{secrets}/{}", made["id"].as_str().unwrap());
    script.delete(&one).await.expect(204);
    let gone = script.delete(&one).await.refused(404, "not_found");
    assert_eq!(gone.json()["details"], json!({ "resource": "Client secret" }));
    script.post(&secrets, &json!({})).await.expect(201);

    let public = path_of_public(&script).await;
    script.post(&format!("{public}/secrets"), &json!({})).await.refused(400, "validation_failed");
    script.get("/api/oidc/clients/none/secrets").await.refused(404, "not_found");
    script.delete("/api/oidc/clients/none/secrets/x").await.refused(404, "not_found");
}

async fn path_of_public(script: &Agent) -> String {
    path(&create(script, json!({ "name": "Public", "isPublic": true })).await)
}

/// The route of releases before 2.14 (api.md §28), which deployed Terraform and Ansible clients call.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_old_route_replaces_the_secrets() {
    let app = TestApp::start().await;
    let script = app.script();
    let path = path(&create(&script, json!({ "name": "App" })).await);
    let first = script.send(script.request(http::Method::POST, &format!("{path}/secret"))).await.expect(200).json();
    let own = json!({ "secret": "0123456789abcdef" });
    assert_eq!(script.post(&format!("{path}/secret"), &own).await.expect(200).json(), own);
    let left = script.get(&format!("{path}/secrets")).await.json();
    assert_eq!(left.as_array().unwrap().len(), 1);
    assert_ne!(left[0]["prefix"], first["secret"].as_str().unwrap()[..4]);
    let public = path_of_public(&script).await;
    script.post(&format!("{public}/secret"), &json!({})).await.refused(400, "validation_failed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn allowed_groups_are_replaced_as_a_set() {
    let app = TestApp::start().await;
    let script = app.script();
    let path = path(&create(&script, json!({ "name": "App", "isGroupRestricted": true })).await);
    let mut ids = Vec::new();
    for name in ["one", "two"] {
        ids.push(script.post("/api/user-groups", &json!({ "name": name, "friendlyName": name })).await.id());
    }
    let groups = format!("{path}/allowed-user-groups");
    let before = script.get(&path).await.etag();
    let set = script.put(&groups, &json!({ "userGroupIds": [ids[1], ids[0], "unknown", ids[0]] })).await.expect(200);
    let names: Vec<String> = set.json()["allowedUserGroups"]
        .as_array()
        .unwrap()
        .iter()
        .map(|g| g["name"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(names, ["one", "two"]);
    assert_ne!(set.etag(), before);
    let listed = script.get("/api/oidc/clients?search=app").await.json();
    assert_eq!(listed["data"][0]["allowedUserGroupsCount"], 2);
    let set = script.put(&groups, &json!({ "userGroupIds": [] })).await.expect(200).json();
    assert_eq!((&set["allowedUserGroups"], &set["isGroupRestricted"]), (&json!([]), &json!(true)));
    script.put(&groups, &json!({})).await.invalid(&["userGroupIds required"]);
    script
        .put("/api/oidc/clients/none/allowed-user-groups", &json!({ "userGroupIds": [] }))
        .await
        .refused(404, "not_found");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lists_sort_search_and_filter() {
    let app = TestApp::start().await;
    let script = app.script();
    let group = script.post("/api/user-groups", &json!({ "name": "staff", "friendlyName": "Staff" })).await.id();
    create(&script, json!({ "name": "Beta", "skipConsent": true })).await;
    // None in the millisecond of another.
    app.advance(1);
    create(&script, json!({ "name": "alpha", "isPublic": true })).await;
    app.advance(1);
    let gamma = create(&script, json!({ "name": "Gamma", "isGroupRestricted": true, "skipConsent": true })).await;
    script.put(&format!("{}/allowed-user-groups", path(&gamma)), &json!({ "userGroupIds": [group] })).await.expect(200);
    for (query, names) in [
        ("", vec!["Beta", "alpha", "Gamma"]),
        ("sort[column]=createdAt&sort[direction]=desc", vec!["Gamma", "alpha", "Beta"]),
        ("search=AL", vec!["alpha"]),
        ("filters[skipConsent]=true", vec!["Beta", "Gamma"]),
        ("filters[pkceEnabled]=true", vec!["alpha"]),
        ("filters[isGroupRestricted]=true&filters[clientType]=standard", vec!["Gamma"]),
        ("filters[clientType]=cimd", vec![]),
        // Filters hold while sorting by a count, too.
        ("sort[column]=allowedUserGroupsCount&sort[direction]=desc&filters[skipConsent]=true", vec!["Gamma", "Beta"]),
    ] {
        let page = script.get(&format!("/api/oidc/clients?{query}")).await.expect(200).json();
        let found: Vec<&str> = page["data"].as_array().unwrap().iter().map(|c| c["name"].as_str().unwrap()).collect();
        assert_eq!(found, names, "{query}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deleting_a_client_leaves_nothing() {
    let app = TestApp::start().await;
    let script = app.script();
    let path = path(&create(&script, json!({ "name": "App", "id": "again" })).await);
    script.post(&format!("{path}/secrets"), &json!({})).await.expect(201);
    script.upload(&format!("{path}/logo"), "logo.png", pid_tests::PNG).await.expect(204);
    script.delete(&path).await.expect(204);
    script.delete(&path).await.refused(404, "not_found");
    let again = create(&script, json!({ "name": "App", "id": "again" })).await;
    assert_eq!(again, plain(&json!("again")));
    app.agent().get(&format!("{path}/logo")).await.refused(404, "image_not_found");
}
