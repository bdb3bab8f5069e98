//! Section G: signing up; with what section L says of enumeration.

use http::Method;
use pid_tests::{Agent, Mailbox, Reply, TestApp};
use serde_json::{Value, json};

const PATH: &str = "/api/signup";

async fn configure(app: &TestApp, values: Value) {
    app.script().patch("/api/application-configuration", &values, None).await.expect(200);
}

async fn token(app: &TestApp, body: Value) -> String {
    let made = app.script().post("/api/signup-tokens", &body).await.expect(201).json();
    made["token"].as_str().unwrap().to_owned()
}

fn person(name: &str, token: &str) -> Value {
    json!({ "username": name, "email": format!("{name}@example.com"), "token": token })
}

async fn groups(app: &TestApp) -> Vec<String> {
    let mut ids = Vec::new();
    for name in ["guests", "staff"] {
        let group = json!({ "name": name, "friendlyName": name });
        ids.push(app.script().post("/api/user-groups", &group).await.expect(201).id());
    }
    ids
}

/// The names of the groups of who is signed in.
async fn own_groups(agent: &Agent) -> Vec<String> {
    let me = agent.get("/api/users/me").await.expect(200).json();
    me["userGroups"].as_array().unwrap().iter().map(|g| g["name"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_070_a_token_is_never_over_used() {
    let mut app = TestApp::start_with(&[("DISABLE_RATE_LIMITING", "true")]).await;
    let token = token(&app, json!({ "usageLimit": 3 })).await;
    let tasks: Vec<_> = (0..20)
        .map(|n| {
            let (agent, body) = (app.agent(), person(&format!("p{n}"), &token));
            tokio::spawn(async move { agent.post(PATH, &body).await })
        })
        .collect();
    let mut made = 0;
    for task in tasks {
        let reply = task.await.unwrap();
        if reply.status == 201 {
            made += 1;
        } else {
            reply.refused(401, "token_invalid_or_expired");
        }
    }
    assert_eq!(made, 3);
    app.restart().await;
    let list = app.script().get("/api/signup-tokens").await.json();
    assert_eq!((&list["data"][0]["usageCount"], &list["data"][0]["usageLimit"]), (&json!(3), &json!(3)));
    let people = app.script().get("/api/users?search=example.com").await.json();
    assert_eq!(people["pagination"]["totalItems"], 3);
    app.agent().post(PATH, &person("late", &token)).await.refused(401, "token_invalid_or_expired");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_070_a_name_taken_in_the_same_moment_costs_one_use() {
    let app = TestApp::start_with(&[("DISABLE_RATE_LIMITING", "true")]).await;
    let token = token(&app, json!({ "usageLimit": 20 })).await;
    let tasks: Vec<_> = (0..10)
        .map(|_| {
            let (agent, body) = (app.agent(), person("same", &token));
            tokio::spawn(async move { agent.post(PATH, &body).await })
        })
        .collect();
    let mut made = 0;
    for task in tasks {
        let reply = task.await.unwrap();
        if reply.status == 201 {
            made += 1;
        } else {
            reply.refused(409, "already_in_use");
        }
    }
    let list = app.script().get("/api/signup-tokens").await.json();
    assert_eq!((made, &list["data"][0]["usageCount"]), (1, &json!(1)), "who failed gave their use back");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_070_only_the_configuration_and_the_token_say_who_gets_in_and_where() {
    let app = TestApp::start_with(&[("DISABLE_RATE_LIMITING", "true")]).await;
    let ids = groups(&app).await;
    let forged = |name: &str, token: &str| {
        let mut body = person(name, token);
        body["userGroupIds"] = json!([ids[1]]);
        body["groups"] = json!(["staff"]);
        body["usageLimit"] = json!(100);
        body
    };
    let invitation = token(&app, json!({ "usageLimit": 1, "userGroupIds": [ids[0]] })).await;
    let (guest, open, expired) = (app.agent(), app.agent(), token(&app, json!({ "usageLimit": 1, "ttl": 60 })).await);
    guest.post(PATH, &forged("guest", &invitation)).await.expect(201);
    assert_eq!(own_groups(&guest).await, ["guests"]);
    open.post(PATH, &forged("open", "")).await.refused(403, "open_signup_disabled");
    // Once disabled, the next request is refused, whatever was open before.
    configure(&app, json!({ "allowUserSignups": "open" })).await;
    open.post(PATH, &forged("open", "")).await.expect(201);
    assert_eq!(own_groups(&open).await, Vec::<String>::new());
    configure(&app, json!({ "allowUserSignups": "disabled" })).await;
    app.agent().post(PATH, &forged("late", "")).await.refused(403, "open_signup_disabled");
    app.advance(60);
    app.agent().post(PATH, &forged("late", &expired)).await.refused(401, "token_invalid_or_expired");
    // Nobody makes their own invitation.
    for agent in [&guest, &app.agent()] {
        let status = agent.post("/api/signup-tokens", &json!({ "usageLimit": 1 })).await.status.as_u16();
        assert!([401, 403].contains(&status), "{status}");
        let status = agent.get("/api/signup-tokens").await.status.as_u16();
        assert!([401, 403].contains(&status), "{status}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_071_who_signs_up_makes_themselves_nothing_more() {
    let app = TestApp::start().await;
    configure(&app, json!({ "allowUserSignups": "open", "signupNeedsApproval": "true" })).await;
    let mut body = person("eve", "");
    let more = json!({
        "isAdmin": true, "ISADMIN": true, "id": "11111111-1111-4111-8111-111111111111", "ldapId": "eve", "disabled": false,
        "emailVerified": true, "displayName": "The Administrator", "awaitingApproval": false,
        "customClaims": [{ "key": "role", "value": "admin" }], "locale": "de",
    });
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let made = app.agent().post(PATH, &body).await.expect(201).json();
    let id = made["id"].as_str().unwrap();
    assert_ne!(id, "11111111-1111-4111-8111-111111111111");
    let stored = app.script().get(&format!("/api/users/{id}")).await.expect(200).json();
    for (member, value) in [
        ("isAdmin", json!(false)),
        ("ldapId", Value::Null),
        ("disabled", json!(true)),
        ("awaitingApproval", json!(true)),
        ("emailVerified", json!(false)),
        ("displayName", json!("")),
        ("customClaims", json!([])),
        ("locale", Value::Null),
    ] {
        assert_eq!(stored[member], value, "{member}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_072_names_and_addresses_are_checked_at_sign_up_too() {
    let app = TestApp::start_with(&[("DISABLE_RATE_LIMITING", "true")]).await;
    configure(&app, json!({ "allowUserSignups": "open" })).await;
    for (name, code) in [
        ("", "required"),
        (" ", "invalid_format"),
        ("tim.", "invalid_format"),
        (".tim", "invalid_format"),
        ("ti\u{200b}m", "invalid_format"),
        ("t\u{456}m", "invalid_format"),
        ("a b", "invalid_format"),
        (&"x".repeat(51), "too_long"),
        (&"x".repeat(300), "too_long"),
    ] {
        let body = json!({ "username": name, "email": "x@example.com" });
        app.agent().post(PATH, &body).await.invalid(&[&format!("username {code}")]);
    }
    app.agent().post(PATH, &person("Tim", "")).await.expect(201);
    let same_name = json!({ "username": "tIM", "email": "other@example.com" });
    app.agent().post(PATH, &same_name).await.refused(409, "already_in_use");
    let same_address = json!({ "username": "other", "email": "TIM@Example.com" });
    app.agent().post(PATH, &same_address).await.refused(409, "already_in_use");
    let text = app.agent().request(Method::POST, PATH).header("content-type", "text/plain");
    let reply = app.agent().send(text.body(person("form", "").to_string())).await;
    reply.refused(400, "invalid_request_body");
}

/// What a caller can tell one refusal from another by.
fn face(reply: &Reply) -> (u16, Value) {
    let mut body = reply.json();
    body.as_object_mut().unwrap().remove("request_id");
    (reply.status.as_u16(), body)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_103_who_may_not_sign_up_learns_of_nobody() {
    let app = TestApp::start_with(&[("DISABLE_RATE_LIMITING", "true")]).await;
    app.person("tim").await;
    let used = token(&app, json!({ "usageLimit": 1 })).await;
    app.agent().post(PATH, &person("first", &used)).await.expect(201);
    for invitation in ["", "0123456789abcdef", &used] {
        let known = face(&app.agent().post(PATH, &person("tim", invitation)).await);
        let unknown = face(&app.agent().post(PATH, &person("nobody", invitation)).await);
        assert_eq!(known, unknown, "{invitation}");
    }
    // A token that is used up, one that expired and one that never was are told alike.
    let never = face(&app.agent().post(PATH, &person("nobody", "0123456789abcdef")).await);
    assert_eq!(face(&app.agent().post(PATH, &person("nobody", &used)).await), never);
    app.advance(3600);
    assert_eq!(face(&app.agent().post(PATH, &person("nobody", &used)).await), never);
    assert_eq!(face(&app.agent().post(PATH, &person("nobody", &"x".repeat(100_000))).await), never);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_103_asking_for_names_by_signing_up_runs_out() {
    let mut app = TestApp::start().await;
    app.person("tim").await;
    configure(&app, json!({ "allowUserSignups": "open" })).await;
    for n in 0..10 {
        let body = json!({ "username": "tim", "email": format!("x{n}@example.com") });
        app.agent().post(PATH, &body).await.refused(409, "already_in_use");
    }
    let free = person("free", "");
    let limited = app.agent().post(PATH, &free).await.refused(429, "rate_limited");
    let wait: i64 = limited.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=30).contains(&wait), "{wait}");
    app.restart().await;
    app.agent().post(PATH, &free).await.refused(429, "rate_limited");
    app.advance(wait);
    app.agent().post(PATH, &free).await.expect(201);
}

/// What the link in a letter proves.
fn proof(letter: &Value) -> Value {
    let text = letter["text"].as_str().unwrap();
    let token = text.split("/verify-email?token=").nth(1).unwrap_or_else(|| panic!("no link: {text}"));
    json!({ "token": token.split_whitespace().next().unwrap() })
}

/// An attacker has signed up with the address of somebody else. Gives their browser and the letter.
async fn signed_up_as_the_boss(app: &TestApp) -> (Agent, Value) {
    let mut mailbox = Mailbox::start("none", false);
    mailbox.connect(app, json!({ "allowUserSignups": "open", "signupEmailDomains": "[\"corp.example\"]" })).await;
    let attacker =
        app.agent().with_header("user-agent", "Mozilla/5.0 (X11; Linux x86_64; rv:142.0) Gecko/20100101 Firefox/142.0");
    let body = json!({ "username": "the-boss", "email": "boss@corp.example", "firstName": "Win at evil.example" });
    attacker.post(PATH, &body).await.expect(201);
    (attacker, mailbox.letter().await)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_073_a_proof_vouches_for_nobody_who_signed_up_elsewhere() {
    let app = TestApp::start().await;
    let (attacker, letter) = signed_up_as_the_boss(&app).await;
    let token = proof(&letter);
    let page = format!("/verify-email?token={}", token["token"].as_str().unwrap());
    // Neither in a browser of nobody nor in one in which another person is signed in.
    for reader in [app.agent(), app.person("tim").await.agent] {
        let shown = reader.get(&page).await.expect(200).text();
        for part in ["the-boss", "boss@corp.example", "Firefox", "127.0.0.1", "/api/signup/disown"] {
            assert!(shown.contains(part), "{part}: {shown}");
        }
        assert!(!shown.contains("/api/signup/verify-email"), "{shown}");
        reader.post("/api/signup/verify-email", &token).await.refused(401, "not_signed_in");
        reader.post("/api/users/me/verify-email", &token).await;
        attacker.get("/api/users/me").await.refused(403, "user_disabled");
    }
    // The reader says that it was not them: the account is gone, with what it had, and the address is free.
    let reader = app.agent();
    reader.post("/api/signup/disown", &json!({ "token": "x" })).await.refused(400, "invalid_email_verification_token");
    reader.post("/api/signup/disown", &token).await.expect(204);
    attacker.get("/api/users/me").await.refused(401, "not_signed_in");
    attacker.post("/api/signup/verify-email", &token).await.refused(400, "invalid_email_verification_token");
    let log = app.events("USER_DELETED").await;
    assert_eq!(log[0]["data"]["reason"], "disowned by who reads mail at the address");
    reader.post(PATH, &json!({ "username": "boss", "email": "boss@corp.example" })).await.expect(201);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_103_a_stranger_s_words_don_t_reach_any_address() {
    let app = TestApp::start().await;
    let (_, letter) = signed_up_as_the_boss(&app).await;
    for part in ["to", "subject", "text", "html"] {
        let text = letter[part].to_string();
        assert!(!text.contains("evil.example") && !text.contains("the-boss"), "{part}: {text}");
    }
    // It says where that came from.
    let text = letter["text"].as_str().unwrap();
    assert!(text.contains("Firefox") && text.contains("127.0.0.1"), "{text}");
}
