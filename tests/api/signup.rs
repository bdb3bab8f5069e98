//! `/api/signup` (api.md §23.4).

use pid_tests::{Agent, Reply, TestApp};
use serde_json::{Value, json};

const PATH: &str = "/api/signup";

fn tim() -> Value {
    json!({ "username": "tim", "email": "tim@example.com", "firstName": " Tim ", "lastName": "Test" })
}

async fn configure(app: &TestApp, values: Value) {
    app.script().patch("/api/application-configuration", &values, None).await.expect(200);
}

async fn token(app: &TestApp, body: Value) -> String {
    let mut wanted = json!({ "usageLimit": 1 });
    wanted.as_object_mut().unwrap().extend(body.as_object().unwrap().clone());
    app.script().post("/api/signup-tokens", &wanted).await.expect(201).json()["token"].as_str().unwrap().to_owned()
}

async fn uses(app: &TestApp) -> Value {
    app.script().get("/api/signup-tokens").await.expect(200).json()["data"][0]["usageCount"].clone()
}

fn with(token: &str) -> Value {
    let mut body = tim();
    body["token"] = json!(token);
    body
}

/// Adds a passkey in the browser of somebody who has just signed up.
async fn add_passkey(app: &TestApp, browser: &Agent) -> (pid_testkit::authenticator::SoftAuthenticator, Reply) {
    let mut passkey = pid_testkit::authenticator::SoftAuthenticator::new(-7);
    let options = browser.get("/api/webauthn/register/start").await.expect(200).json();
    let response = passkey.register(&options, app.url());
    (passkey, browser.post("/api/webauthn/register/finish", &response).await)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_wants_signs_up_where_sign_up_is_open() {
    let mut app = TestApp::start().await;
    let script = app.script();
    let group = script.post("/api/user-groups", &json!({ "name": "staff", "friendlyName": "Staff" })).await.id();
    configure(
        &app,
        json!({
            "allowUserSignups": "open", "signupDefaultUserGroupIDs": json!([group]).to_string(),
            "signupDefaultCustomClaims": json!([{ "key": "level", "value": "1" }]).to_string(),
        }),
    )
    .await;
    let browser = app.agent();
    let made = browser.post(PATH, &tim()).await.expect(201).json();
    assert_eq!(
        (&made["username"], &made["email"], &made["emailVerified"], &made["displayName"], &made["isAdmin"]),
        (&json!("tim"), &json!("tim@example.com"), &json!(false), &json!("Tim Test"), &json!(false))
    );
    assert_eq!(made["userGroups"][0]["name"], "staff");
    assert_eq!(made["customClaims"], json!([{ "key": "level", "value": "1" }]));
    // Signed in, and the passkey comes next.
    app.restart().await;
    assert_eq!(browser.get("/api/users/me").await.expect(200).json()["id"], made["id"]);
    let (_, added) = add_passkey(&app, &browser).await;
    added.expect(200);
    let log = app.events("ACCOUNT_CREATED").await;
    assert_eq!((log.len(), &log[0]["userID"], &log[0]["data"]), (1, &made["id"], &json!({ "method": "open_signup" })));
    // A session that proves nothing says so.
    let sessions = browser.get("/api/sessions").await.expect(200).json();
    assert_eq!(sessions[0]["signInMethod"], "signup");
    let stored = app.stored().replace(' ', "");
    assert!(stored.lines().any(|l| l.starts_with("sessions:") && l.contains("signup,[],")), "{stored}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_token_only_open_sign_up_admits_and_with_one_every_mode() {
    let app = TestApp::start().await;
    app.agent().post(PATH, &tim()).await.refused(403, "open_signup_disabled");
    for (n, mode) in ["disabled", "withToken", "open"].into_iter().enumerate() {
        configure(&app, json!({ "allowUserSignups": mode })).await;
        if mode != "open" {
            app.agent().post(PATH, &tim()).await.refused(403, "open_signup_disabled");
        }
        let mut body = with(&token(&app, json!({})).await);
        body["username"] = json!(format!("tim{n}"));
        body["email"] = json!(format!("tim{n}@example.com"));
        app.agent().post(PATH, &body).await.expect(201);
        app.agent().post(PATH, &with("0123456789abcdef")).await.refused(401, "token_invalid_or_expired");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_s_groups_stand_in_for_the_default_ones() {
    let app = TestApp::start().await;
    let script = app.script();
    let mut groups = Vec::new();
    for name in ["staff", "guests"] {
        let group = json!({ "name": name, "friendlyName": name });
        groups.push(script.post("/api/user-groups", &group).await.expect(201).id());
    }
    configure(&app, json!({ "signupDefaultUserGroupIDs": json!([groups[0]]).to_string(), "emailsVerified": "true" }))
        .await;
    let body = with(&token(&app, json!({ "userGroupIds": [groups[1]] })).await);
    let made = app.agent().post(PATH, &body).await.expect(201).json();
    let names: Vec<&str> = made["userGroups"].as_array().unwrap().iter().map(|g| g["name"].as_str().unwrap()).collect();
    assert_eq!((names, &made["emailVerified"]), (vec!["guests"], &json!(true)));
    let log = app.events("ACCOUNT_CREATED").await;
    assert!(log[0]["data"]["signupToken"].as_str().unwrap().contains('…'), "{log:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sign_up_that_fails_costs_no_use() {
    let app = TestApp::start_with(&[("DISABLE_RATE_LIMITING", "true")]).await;
    app.person("tim").await;
    let token = token(&app, json!({})).await;
    let browser = app.agent();
    let mut bad = with(&token);
    for (member, value, field) in [
        ("username", json!(""), "username required"),
        ("email", json!(""), "email invalid_format"),
        ("email", Value::Null, "email required"),
        ("firstName", json!("x".repeat(51)), "firstName too_long"),
    ] {
        let mut bad = bad.clone();
        bad[member] = value;
        browser.post(PATH, &bad).await.invalid(&[field]);
    }
    bad["username"] = json!("TIM");
    let taken = browser.post(PATH, &bad).await.refused(409, "already_in_use");
    assert_eq!(taken.json()["details"]["property"], "email", "the address is looked at first");
    bad["email"] = json!("other@example.com");
    assert_eq!(browser.post(PATH, &bad).await.refused(409, "already_in_use").json()["details"]["property"], "username");
    // Default claims that can't be given make the whole fail.
    configure(&app, json!({ "signupDefaultCustomClaims": json!([{ "key": "sub", "value": "x" }]).to_string() })).await;
    bad["username"] = json!("ann");
    browser.post(PATH, &bad).await.refused(400, "reserved_claim");
    assert_eq!((uses(&app).await, browser.cookie("access_token")), (json!(0), None));
    assert_eq!(app.script().get("/api/users?search=ann").await.json()["pagination"]["totalItems"], 0);
    configure(&app, json!({ "signupDefaultCustomClaims": null })).await;
    browser.post(PATH, &bad).await.expect(201);
    assert_eq!(uses(&app).await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_addresses_of_the_chosen_domains_sign_up() {
    let app = TestApp::start_with(&[("DISABLE_RATE_LIMITING", "true")]).await;
    let domains = json!(["Example.com", "münchen.example"]).to_string();
    configure(&app, json!({ "allowUserSignups": "open", "requireUserEmail": "false", "signupEmailDomains": domains }))
        .await;
    let browser = app.agent();
    for (email, field) in [
        (json!("tim@elsewhere.example"), "email invalid_value"),
        (json!("tim@sub.example.com"), "email invalid_value"),
        (json!("tim@notexample.com"), "email invalid_value"),
        (json!("tim@example.com.evil.example"), "email invalid_value"),
        (json!("example.com"), "email invalid_format"),
        (Value::Null, "email required"),
    ] {
        let mut body = tim();
        body["email"] = email;
        browser.post(PATH, &body).await.invalid(&[field]);
        // The rule holds for who was invited, too.
        body["token"] = json!(token(&app, json!({})).await);
        browser.post(PATH, &body).await.invalid(&[field]);
    }
    for (name, email) in [("tim", "tim@EXAMPLE.com"), ("ann", "ann@Mu\u{308}nchen.example")] {
        app.agent().post(PATH, &json!({ "username": name, "email": email })).await.expect(201);
    }
    // Administrators may still make any account.
    let made = json!({ "username": "out", "email": "out@elsewhere.example" });
    app.script().post("/api/users", &made).await.expect(201);
    let script = app.script();
    for bad in ["[\"a b\"]", "[\"example\"]", "[\"@example.com\"]", "[\"x@example.com\"]", "[1]", "example.com"] {
        let refused = script.patch("/api/application-configuration", &json!({ "signupEmailDomains": bad }), None).await;
        refused.invalid(&["signupEmailDomains invalid_format"]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_needs_approval_adds_a_passkey_and_waits() {
    let mut app = TestApp::start().await;
    configure(&app, json!({ "allowUserSignups": "open", "signupNeedsApproval": "true" })).await;
    let browser = app.agent();
    let made = browser.post(PATH, &tim()).await.expect(201).json();
    assert_eq!((&made["disabled"], &made["awaitingApproval"]), (&json!(true), &json!(true)));
    let path = format!("/api/users/{}", made["id"].as_str().unwrap());
    let waits = browser.get("/api/users/me").await.refused(403, "user_disabled").json();
    assert_eq!(waits["details"]["reason"], "awaiting_approval");
    // A passkey is all that this session is good for.
    let (mut passkey, added) = add_passkey(&app, &browser).await;
    added.expect(200);
    for (method, path) in
        [("GET", "/api/sessions"), ("GET", "/api/oidc/users/me/clients"), ("GET", "/api/webauthn/credentials")]
    {
        let request = browser.request(http::Method::from_bytes(method.as_bytes()).unwrap(), path);
        browser.send(request).await.refused(403, "user_disabled");
    }
    let mut sign_in = async |app: &TestApp| {
        let other = app.agent();
        let options = other.get("/api/webauthn/login/start").await.expect(200).json();
        (other.post("/api/webauthn/login/finish", &passkey.authenticate(&options, app.url())).await, other)
    };
    let (refused, _) = sign_in(&app).await;
    assert_eq!(refused.refused(403, "user_disabled").json()["details"]["reason"], "awaiting_approval");
    assert_eq!(app.script().get(&path).await.json()["awaitingApproval"], true);

    app.restart().await;
    app.script().patch(&path, &json!({ "disabled": false }), None).await.expect(200);
    assert_eq!(app.script().get(&path).await.json().get("awaitingApproval"), None);
    browser.get("/api/users/me").await.expect(200);
    sign_in(&app).await.0.expect(200);
    // Disabled later, it is no newcomer's account any more.
    app.script().patch(&path, &json!({ "disabled": true }), None).await.expect(200);
    let refused = sign_in(&app).await.0.refused(403, "user_disabled").json();
    assert_eq!(refused["details"].get("reason"), None);
    browser.get("/api/webauthn/register/start").await.refused(403, "user_disabled");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_account_made_disabled_by_an_administrator_waits_for_nothing() {
    let app = TestApp::start().await;
    let body = json!({ "username": "ann", "email": "ann@example.com", "disabled": true });
    let made = app.script().post("/api/users", &body).await.expect(201).json();
    assert_eq!((&made["disabled"], made.get("awaitingApproval")), (&json!(true), None));
}
