//! The contract's sample payloads (api.md, appendix), replayed: what is served has the same members, of the same types,
//! null where they are null and absent where they are absent. Members of ours are named here, so that each is a decision.

use std::collections::BTreeSet;

use pid_tests::TestApp;
use serde_json::{Value, json};

/// Where `served` differs from `sample` in shape. `ours` are members that may be there besides.
fn differences(at: &str, sample: &Value, served: &Value, ours: &[&str], found: &mut Vec<String>) {
    match (sample, served) {
        (Value::Object(sample), Value::Object(served)) => {
            for (name, value) in sample {
                match served.get(name) {
                    Some(other) => differences(&format!("{at}.{name}"), value, other, ours, found),
                    None => found.push(format!("{at}.{name} is absent")),
                }
            }
            let known: BTreeSet<&str> = sample.keys().map(String::as_str).chain(ours.iter().copied()).collect();
            found
                .extend(served.keys().filter(|n| !known.contains(n.as_str())).map(|n| format!("{at}.{n} is too much")));
        }
        (Value::Array(sample), Value::Array(served)) => {
            if sample.len() != served.len() {
                found.push(format!("{at} has {} items", served.len()));
            }
            for (index, (sample, served)) in sample.iter().zip(served).enumerate() {
                differences(&format!("{at}[{index}]"), sample, served, ours, found);
            }
        }
        (Value::String(sample), Value::String(served)) => {
            let is_date = |text: &str| text.ends_with('Z') && text.contains('T') && text.contains(':');
            if is_date(sample) != is_date(served) {
                found.push(format!("{at} is {served:?}"));
            }
        }
        (Value::Null, Value::Null) | (Value::Bool(_), Value::Bool(_)) | (Value::Number(_), Value::Number(_)) => {}
        _ => found.push(format!("{at} is {served}, not like {sample}")),
    }
}

fn same(sample: &Value, served: &Value, ours: &[&str]) {
    let mut found = Vec::new();
    differences("", sample, served, ours, &mut found);
    assert!(found.is_empty(), "{found:?}\n{served:#}");
}

#[tokio::test]
async fn a_user_is_as_the_contract_shows_it() {
    let app = TestApp::start().await;
    let script = app.script();
    script.patch("/api/application-configuration", &json!({ "requireUserEmail": "false" }), None).await.expect(200);
    let group =
        script.post("/api/user-groups", &json!({ "name": "devs", "friendlyName": "Devs" })).await.expect(201).id();
    let input = json!({ "username": "alice", "firstName": "Alice", "displayName": "Alice", "userGroupIds": [group] });
    let id = script.post("/api/users", &input).await.expect(201).id();
    script
        .put(&format!("/api/custom-claims/user/{id}"), &json!([{ "key": "tier", "value": "gold" }]))
        .await
        .expect(200);
    let sample = json!({
        "id": "7d0f", "username": "alice", "email": null, "emailVerified": false, "firstName": "Alice", "lastName": "",
        "displayName": "Alice", "isAdmin": false, "locale": null, "customClaims": [{ "key": "tier", "value": "gold" }],
        "userGroups": [{
            "id": "a1", "friendlyName": "Devs", "name": "devs", "customClaims": [], "userCount": 0, "ldapId": null,
            "createdAt": "2026-01-02T03:04:05Z",
        }],
        "ldapId": null, "disabled": false,
    });
    let served = script.get(&format!("/api/users/{id}")).await.expect(200).json();
    same(&sample, &served, &[]);
    let listed = script.get("/api/users?search=alice").await.expect(200).json();
    let page = json!({
        "data": [sample],
        "pagination": { "totalPages": 1, "totalItems": 1, "currentPage": 1, "itemsPerPage": 20 },
    });
    same(&page, &listed, &[]);
}

#[tokio::test]
async fn a_client_is_as_the_contract_shows_it() {
    let app = TestApp::start().await;
    let script = app.script();
    script.post("/api/oidc/clients", &json!({ "id": "c1", "name": "Wiki" })).await.expect(201);
    script.post("/api/oidc/clients/c1/secrets", &json!({})).await.expect(201);
    let sample = json!({
        "id": "c1", "name": "Wiki", "description": "", "hasLogo": false, "hasDarkLogo": false, "launchURL": null,
        "requiresReauthentication": false, "clientType": "standard", "callbackURLs": [], "logoutCallbackURLs": [],
        "isPublic": false, "pkceEnabled": false, "requiresPushedAuthorizationRequests": false, "skipConsent": false,
        "credentials": { "secrets": [{
            "id": "s1", "prefix": "abcd", "createdAt": "2026-01-02T03:04:05Z", "expiresAt": null, "isActive": true,
        }] },
        "isGroupRestricted": false, "accessTokenDurationMinutes": 60, "refreshTokenDurationMinutes": 43200,
        "allowedUserGroups": [],
    });
    same(&sample, &script.get("/api/oidc/clients/c1").await.expect(200).json(), &[]);
    let with_identity = json!({ "name": "Wiki", "credentials": { "federatedIdentities": [
        { "issuer": "https://i.example", "subject": "s", "replayProtection": false },
    ] } });
    let served = script.put("/api/oidc/clients/c1", &with_identity).await.expect(200).json();
    let sample = json!({ "issuer": "https://i", "subject": "s", "replayProtection": false });
    same(&sample, &served["credentials"]["federatedIdentities"][0], &[]);
}

#[tokio::test]
async fn an_api_is_as_the_contract_shows_it() {
    let app = TestApp::start().await;
    let script = app.script();
    let input = json!({ "name": "Orders", "resource": "https://api.example" });
    let id = script.post("/api/apis", &input).await.expect(201).id();
    let permissions = json!({ "permissions": [{ "key": "read:orders", "name": "Read" }] });
    let served = script.put(&format!("/api/apis/{id}/permissions"), &permissions).await.expect(200).json();
    let sample = json!({
        "id": "p1", "name": "Orders", "resource": "https://api.example", "createdAt": "2026-01-02T03:04:05Z",
        "permissions": [{ "id": "x", "key": "read:orders", "name": "Read", "allowedForCimdClients": false }],
        "allowCimdClients": false,
    });
    same(&sample, &served, &[]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_entries_and_settings_are_as_the_contract_shows_them() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let key = json!({ "name": "ci one", "expiresAt": "2099-01-01T00:00:00Z" });
    let made = admin.agent.post("/api/api-keys", &key).await.expect(201).json();
    let sample = json!({
        "apiKey": {
            "id": "k1", "name": "ci", "description": null, "expiresAt": "2027-01-01T00:00:00Z", "lastUsedAt": null,
            "createdAt": "2026-01-02T03:04:05Z", "expirationEmailSent": false,
        },
        "token": "32 characters",
    });
    same(&sample, &made, &["scopes"]);

    let mut again = app.person("alice").await;
    again.sign_in().await.expect(200);
    let entries = app.script().get("/api/audit-logs/all?filters[event]=SIGN_IN").await.expect(200).json();
    let sample = json!({
        "id": "l1", "createdAt": "2026-01-02T03:04:05Z", "event": "SIGN_IN", "ipAddress": "192.0.2.1", "country": "",
        "city": "", "device": "Firefox on Linux x86_64", "userID": "7d0f", "username": "alice", "actorUsername": "",
        "data": {},
    });
    same(&sample, &entries["data"][0], &[]);

    let public = app.agent().get("/api/application-configuration").await.expect(200).json();
    same(&json!({ "key": "appName", "type": "", "value": "Pocket ID" }), &public[0], &[]);
    let all = app.script().get("/api/application-configuration/all").await.expect(200).json();
    same(&json!({ "key": "appName", "type": "", "value": "Pocket ID", "isPublic": false }), &all[0], &[]);
}

#[tokio::test]
async fn errors_are_as_the_contract_shows_them() {
    let app = TestApp::start().await;
    let script = app.script();
    let user = json!({ "username": "alice", "email": "alice@example.com" });
    script.post("/api/users", &user).await.expect(201);
    let taken = json!({ "username": "bob", "email": "alice@example.com" });
    let replies = [
        (
            script.post("/api/users", &taken).await.expect(409),
            json!({ "error": "x", "code": "already_in_use", "details": { "property": "email" }, "request_id": "5c0e" }),
        ),
        (
            script.get("/api/oidc/clients/nothing").await.expect(404),
            json!({ "error": "x", "code": "not_found", "details": { "resource": "OIDC client" }, "request_id": "5c0e" }),
        ),
        (
            script.post("/api/oidc/clients", &json!({ "callbackURLs": ["https://a.example", ""] })).await.expect(400),
            json!({ "error": "x", "code": "validation_failed", "details": { "fields": [
                { "field": "name", "code": "required", "message": "x" },
                { "field": "callbackURLs[1]", "code": "callback_url_pattern", "message": "x" },
            ] }, "request_id": "5c0e" }),
        ),
        (
            app.agent().get("/api/users").await.expect(401),
            json!({ "error": "x", "code": "not_signed_in", "request_id": "5c0e" }),
        ),
        (app.agent().get("/api/nothing").await.expect(404), json!({ "error": "x" })),
    ];
    for (reply, sample) in replies {
        let served = reply.json();
        same(&sample, &served, &[]);
        // What programs read is the same to the letter.
        assert_eq!(served["code"], sample["code"]);
        for (name, value) in sample["details"].as_object().into_iter().flatten().filter(|(_, value)| value.is_string())
        {
            assert_eq!(&served["details"][name], value);
        }
        let fields = sample["details"]["fields"].as_array();
        for (index, field) in fields.into_iter().flatten().enumerate() {
            for member in ["field", "code"] {
                assert_eq!(served["details"]["fields"][index][member], field[member]);
            }
        }
    }
}
