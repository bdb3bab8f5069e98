//! `/api/signup-tokens` (api.md §23.5).

use pid_tests::{Reply, TestApp};
use serde_json::{Value, json};

const PATH: &str = "/api/signup-tokens";

async fn sign_up(app: &TestApp, name: &str, token: &str) -> Reply {
    let body = json!({ "username": name, "email": format!("{name}@example.com"), "token": token });
    app.agent().post("/api/signup", &body).await
}

fn listed(page: &Value, member: &str) -> Vec<Value> {
    page["data"].as_array().unwrap().iter().map(|token| token[member].clone()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_is_made_listed_used_and_deleted() {
    let mut app = TestApp::start().await;
    let script = app.script();
    let group = script.post("/api/user-groups", &json!({ "name": "staff", "friendlyName": "Staff" })).await.json();
    let body = json!({ "ttl": "24h", "usageLimit": 2, "userGroupIds": [group["id"], "nobody"] });
    let made = script.post(PATH, &body).await.expect(201).json();
    let token = made["token"].as_str().unwrap().to_owned();
    assert!(token.len() == 16 && token.bytes().all(|b| b.is_ascii_alphanumeric()), "{token}");
    assert_eq!(made["link"], format!("{}/st/{token}", app.url()));
    assert!(made["qrCode"].as_str().unwrap().starts_with("<svg"));
    assert_eq!((&made["usageLimit"], &made["usageCount"]), (&json!(2), &json!(0)));
    assert_eq!(made["userGroups"].as_array().unwrap().len(), 1, "unknown groups are passed over");
    assert_eq!((&made["userGroups"][0]["id"], &made["userGroups"][0]["userCount"]), (&group["id"], &json!(0)));
    // Lists tell it again; at rest it is sealed, and the audit log only hints at it.
    sign_up(&app, "tim", &token).await.expect(201);
    let page = script.get(PATH).await.expect(200).json();
    assert_eq!(page["pagination"]["totalItems"], 1);
    let stored = page["data"][0].as_object().unwrap();
    let mut members: Vec<&String> = stored.keys().collect();
    members.sort();
    assert_eq!(members, ["createdAt", "expiresAt", "id", "token", "usageCount", "usageLimit", "userGroups"]);
    assert_eq!((&stored["token"], &stored["usageCount"]), (&json!(token), &json!(1)));
    assert!(!app.stored().contains(&token));
    // What seals it comes from the encryption key.
    app.restart().await;
    let script = app.script();
    assert_eq!(listed(&script.get(PATH).await.json(), "token"), [json!(token)]);

    let one = format!("{PATH}/{}", made["id"].as_str().unwrap());
    assert_eq!(script.delete(&one).await.expect(204).body, b"");
    sign_up(&app, "ann", &token).await.refused(401, "token_invalid_or_expired");
    for gone in [one.as_str(), "/api/signup-tokens/nobody", "/api/signup-tokens/%C3%A4"] {
        script.delete(gone).await.expect(204);
    }
    assert_eq!(app.events("SIGNUP_TOKEN_CREATED").await[0]["data"]["signupToken"], {
        format!("{}…{}", &token[..3], &token[12..])
    });
    assert_eq!(app.events("SIGNUP_TOKEN_DELETED").await.len(), 1, "what is not there is not deleted");
    app.agent().post(PATH, &json!({ "usageLimit": 1 })).await.refused(401, "not_signed_in");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tokens_have_an_end_and_a_number_of_uses() {
    let app = TestApp::start_with(&[("DISABLE_RATE_LIMITING", "true")]).await;
    let script = app.script();
    for (limit, code) in
        [(json!(0), "required"), (Value::Null, "required"), (json!(-1), "too_short"), (json!(101), "too_long")]
    {
        script.post(PATH, &json!({ "usageLimit": limit })).await.invalid(&[&format!("usageLimit {code}")]);
    }
    let both = script.post(PATH, &json!({ "ttl": "745h" })).await;
    both.invalid(&["ttl ttl", "usageLimit required"]);
    for bad in
        [json!({ "usageLimit": "1" }), json!({ "usageLimit": 1.5 }), json!({ "usageLimit": 1, "userGroupIds": 7 })]
    {
        script.post(PATH, &bad).await.refused(400, "invalid_request_body");
    }
    let hour = script.post(PATH, &json!({ "usageLimit": 100, "userGroupIds": null })).await.expect(201).json();
    let day = script.post(PATH, &json!({ "usageLimit": 1, "ttl": "24h" })).await.expect(201).json();
    let [hour, day] = [&hour, &day].map(|made| made["token"].as_str().unwrap().to_owned());
    sign_up(&app, "one", &day).await.expect(201);
    sign_up(&app, "two", &day).await.refused(401, "token_invalid_or_expired");
    sign_up(&app, "two", &hour.to_lowercase()).await.refused(401, "token_invalid_or_expired");
    app.advance(3599);
    sign_up(&app, "two", &hour).await.expect(201);
    app.advance(1);
    sign_up(&app, "three", &hour).await.refused(401, "token_invalid_or_expired");
    // Used-up tokens are listed, expired ones are not.
    let page = script.get(PATH).await.json();
    assert_eq!((listed(&page, "token"), listed(&page, "usageCount")), (vec![json!(day)], vec![json!(1)]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tokens_are_listed_in_any_order_page_by_page() {
    let app = TestApp::start().await;
    let script = app.script();
    for (limit, ttl) in [(2, 7200), (3, 600), (1, 3600)] {
        script.post(PATH, &json!({ "usageLimit": limit, "ttl": ttl })).await.expect(201);
        app.advance(1);
    }
    let limits =
        async |query: &str| listed(&script.get(&format!("{PATH}{query}")).await.expect(200).json(), "usageLimit");
    let [one, two, three] = [json!(1), json!(2), json!(3)];
    assert_eq!(limits("").await, [two.clone(), three.clone(), one.clone()]);
    assert_eq!(
        limits("?sort[column]=usageLimit&sort[direction]=desc").await,
        [three.clone(), two.clone(), one.clone()]
    );
    assert_eq!(limits("?sort[column]=expiresAt").await, [three.clone(), one.clone(), two.clone()]);
    assert_eq!(limits("?sort[column]=createdAt&sort[direction]=desc").await, [one.clone(), three.clone(), two.clone()]);
    assert_eq!(limits("?sort[column]=token").await.len(), 3, "not sortable: passed over");
    assert_eq!(limits("?pagination[limit]=2&pagination[page]=2").await, [one]);
}
