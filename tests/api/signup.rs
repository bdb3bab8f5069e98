//! `/api/signup` (api.md §23.4).

use pid_tests::{Agent, Mailbox, Reply, TestApp};
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
async fn an_address_of_an_allowed_domain_is_proven_before_it_lets_in() {
    let app = TestApp::start_with(&[("DISABLE_RATE_LIMITING", "true")]).await;
    let mut admin = app.admin().await;
    let mut mailbox = Mailbox::start("none", false);
    let limited = json!({ "allowUserSignups": "open", "signupEmailDomains": "[\"example.com\"]" });
    mailbox.connect(&app, limited).await;
    let browser = app.agent();
    let made = browser.post(PATH, &tim()).await.expect(201).json();
    assert_eq!((&made["disabled"], made.get("awaitingApproval")), (&json!(true), None));
    let link = |letter: &Value| {
        let text = letter["text"].as_str().unwrap();
        text.split("/verify-email?token=").nth(1).unwrap().split_whitespace().next().unwrap().to_owned()
    };
    let first = link(&mailbox.letter().await);
    let refused = browser.get("/api/users/me").await.refused(403, "user_disabled").json();
    assert_eq!(refused["details"]["reason"], "awaiting_verification");
    add_passkey(&app, &browser).await.1.expect(200);
    // Another mail makes the one before worthless.
    browser.post("/api/users/me/send-email-verification", &json!({})).await.expect(204);
    let token = link(&mailbox.letter().await);
    let verify = async |by: &Agent, token: &str| by.post("/api/signup/verify-email", &json!({ "token": token })).await;
    verify(&browser, "").await.invalid(&["token required"]);
    for bad in [first.as_str(), "x"] {
        verify(&browser, bad).await.refused(400, "invalid_email_verification_token");
    }
    // Opening the link is not enough.
    let page = browser.get(&format!("/verify-email?token={token}")).await.expect(200).text();
    assert!(page.contains("tim@example.com") && page.contains("/api/signup/verify-email"), "{page}");
    let user_page = format!("/settings/admin/users/{}", made["id"].as_str().unwrap());
    assert!(admin.agent.get(&user_page).await.text().contains("Waiting for the address to be proven"));
    // The link is good for a day, and so is the browser that it works in; then it is one like any other.
    app.advance(23 * 3600);
    browser.get("/api/users/me").await.refused(403, "user_disabled");
    verify(&browser, &token).await.expect(204);
    browser.get("/api/users/me").await.refused(401, "not_signed_in");
    let me = app.script().get(&format!("/api/users/{}", made["id"].as_str().unwrap())).await.expect(200).json();
    assert_eq!((&me["disabled"], &me["emailVerified"]), (&json!(false), &json!(true)));
    let log = app.events("USER_UPDATED").await;
    let changed = |name: &str| log.iter().find_map(|entry| entry["data"][name].as_str()).map(str::to_owned);
    assert_eq!(changed("emailVerified").as_deref(), Some("false → true"));
    assert_eq!(changed("disabled").as_deref(), Some("true → false"));
    verify(&browser, &token).await.refused(400, "invalid_email_verification_token");

    // With approval as well: the address first, then administrators are told, then one of them decides.
    configure(&app, json!({ "signupNeedsApproval": "true", "emailSignupApprovalEnabled": "true" })).await;
    let ann = app.agent();
    let body = json!({ "username": "ann", "email": "ann@example.com" });
    let id = ann.post(PATH, &body).await.expect(201).json()["id"].as_str().unwrap().to_owned();
    let letter = mailbox.letter().await;
    assert!(letter["to"].as_str().unwrap().contains("ann@example.com"), "{letter}");
    verify(&ann, &link(&letter)).await.expect(204);
    let told = mailbox.letter().await;
    assert!(told["to"].as_str().unwrap().contains("admin@example.com"), "{told}");
    assert!(told["subject"] == "ann waits for approval" && told["text"].as_str().unwrap().contains(&id), "{told}");
    let refused = ann.get("/api/users/me").await.refused(403, "user_disabled").json();
    assert_eq!(refused["details"]["reason"], "awaiting_approval");
    admin.sign_in().await.expect(200);
    let users = admin.agent.get("/settings/admin/users").await.expect(200).text();
    assert!(users.contains("One person waits for approval"), "{users}");
    app.script().patch(&format!("/api/users/{id}"), &json!({ "disabled": false }), None).await.expect(200);
    ann.get("/api/users/me").await.expect(200);
    assert!(!admin.agent.get("/settings/admin/users").await.text().contains("waits for approval"));
    // Addresses that count as proven from the start are believed.
    configure(&app, json!({ "signupNeedsApproval": "false", "emailsVerified": "true" })).await;
    let bob = json!({ "username": "bob", "email": "bob@example.com" });
    assert_eq!(app.agent().post(PATH, &bob).await.expect(201).json()["disabled"], false);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_account_whose_address_is_never_proven_is_deleted_after_two_days() {
    let app = TestApp::start().await;
    let mailbox = Mailbox::start("none", false);
    let limited = json!({ "allowUserSignups": "open", "signupEmailDomains": "[\"example.com\"]",
        "sessionDuration": "4320" });
    mailbox.connect(&app, limited).await;
    let mut made = Vec::new();
    let browser = app.agent();
    for (name, agent) in [("tim", app.agent()), ("ann", browser.clone()), ("bob", app.agent())] {
        let body = json!({ "username": name, "email": format!("{name}@example.com") });
        made.push(agent.post(PATH, &body).await.expect(201).json()["id"].as_str().unwrap().to_owned());
    }
    let exist = async || {
        let mut found = Vec::new();
        for id in &made {
            found.push(app.script().get(&format!("/api/users/{id}")).await.status == 200);
        }
        found
    };
    // Ann's link is a newer one, and an administrator knows whose Bob's address is.
    app.advance(47 * 3600);
    browser.post("/api/users/me/send-email-verification", &json!({})).await.expect(204);
    app.script().patch(&format!("/api/users/{}", made[2]), &json!({ "emailVerified": true }), None).await.expect(200);
    pid_jobs::forget_unproven(app.app()).await.unwrap();
    assert_eq!(exist().await, [true, true, true]);
    for (hours, left) in [(2, [false, true, true]), (23, [false, false, true])] {
        app.advance(hours * 3600);
        pid_jobs::forget_unproven(app.app()).await.unwrap();
        assert_eq!(exist().await, left);
    }
    let log = app.events("USER_DELETED").await;
    assert_eq!(log[0]["data"]["reason"], "address not proven");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_account_whose_address_is_not_proven_makes_way_for_who_signs_up_with_it() {
    let app = TestApp::start().await;
    let mut mailbox = Mailbox::start("none", false);
    let limited = json!({ "allowUserSignups": "open", "signupEmailDomains": "[\"example.com\"]" });
    mailbox.connect(&app, limited).await;
    let stranger = app.agent();
    let first = stranger.post(PATH, &tim()).await.expect(201).json();
    mailbox.letter().await;
    // Under the same name, too; a name of somebody else is still taken, and then nothing is lost.
    app.person("ann").await;
    let mut other = tim();
    other["username"] = json!("ann");
    app.agent().post(PATH, &other).await.refused(409, "already_in_use");
    stranger.get("/api/users/me").await.refused(403, "user_disabled");
    let browser = app.agent();
    let second = browser.post(PATH, &tim()).await.expect(201).json();
    assert_ne!(first["id"], second["id"]);
    stranger.get("/api/users/me").await.refused(401, "not_signed_in");
    let log = app.events("USER_DELETED").await;
    assert_eq!(log[0]["data"]["reason"], "somebody else signed up with the address");
    // Once it is proven, it stays.
    let letter = mailbox.letter().await;
    let token = letter["text"].as_str().unwrap().split("/verify-email?token=").nth(1).unwrap();
    let token = json!({ "token": token.split_whitespace().next().unwrap() });
    browser.post("/api/signup/verify-email", &token).await.expect(204);
    app.agent().post(PATH, &tim()).await.refused(409, "already_in_use");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_signs_up_is_asked_to_prove_their_address_where_people_are() {
    let app = TestApp::start().await;
    let mut mailbox = Mailbox::start("none", false);
    mailbox.connect(&app, json!({ "allowUserSignups": "open", "emailVerificationEnabled": "true" })).await;
    let browser = app.agent();
    assert_eq!(browser.post(PATH, &tim()).await.expect(201).json()["disabled"], false);
    let letter = mailbox.letter().await;
    let token = letter["text"].as_str().unwrap().split("/verify-email?token=").nth(1).unwrap();
    let token = json!({ "token": token.split_whitespace().next().unwrap() });
    // It is theirs to use who are signed in: nobody waits for it.
    app.agent().post("/api/signup/verify-email", &token).await.refused(400, "invalid_email_verification_token");
    browser.post("/api/users/me/verify-email", &token).await.expect(204);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn administrators_are_told_of_who_waits_now_and_then_at_most() {
    let app = TestApp::start_with(&[("DISABLE_RATE_LIMITING", "true")]).await;
    app.admin().await;
    let mut mailbox = Mailbox::start("none", false);
    let approval =
        json!({ "allowUserSignups": "open", "signupNeedsApproval": "true", "emailSignupApprovalEnabled": "true" });
    mailbox.connect(&app, approval).await;
    let sign_up = async |n: usize| {
        let body = json!({ "username": format!("p{n}"), "email": format!("p{n}@example.com") });
        app.agent().post(PATH, &body).await.expect(201);
    };
    for n in 0..8 {
        sign_up(n).await;
    }
    let mut told = Vec::new();
    while told.len() < 5 {
        told.extend(mailbox.letters());
        tokio::time::sleep(std::time::Duration::from_millis(25)).await;
    }
    app.advance(3600);
    sign_up(8).await;
    while told.len() < 6 {
        told.extend(mailbox.letters());
        tokio::time::sleep(std::time::Duration::from_millis(25)).await;
    }
    assert_eq!(told[5]["subject"], "p8 waits for approval");
    assert_eq!(told.len(), 6);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_account_made_disabled_by_an_administrator_waits_for_nothing() {
    let app = TestApp::start().await;
    let body = json!({ "username": "ann", "email": "ann@example.com", "disabled": true });
    let made = app.script().post("/api/users", &body).await.expect(201).json();
    assert_eq!((&made["disabled"], made.get("awaitingApproval")), (&json!(true), None));
}
