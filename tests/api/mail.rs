//! Mail through a real server: what is sent, to whom, and what a refusal says.

use pid_tests::{Agent, Mailbox, TestApp};
use serde_json::{Value, json};

/// The part of a letter's text between two marks.
fn between<'a>(text: &'a str, before: &str, after: &str) -> &'a str {
    let start = text.find(before).unwrap_or_else(|| panic!("no {before:?} in {text}")) + before.len();
    &text[start..start + text[start..].find(after).expect("an end")]
}

fn text(letter: &Value) -> &str {
    letter["text"].as_str().expect("a text")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_test_mail_goes_out_by_every_kind_of_connection() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let path = "/api/application-configuration/test-email";
    admin.agent.post(path, &json!({})).await.refused(409, "mail_not_configured");
    for (mode, login) in [("none", false), ("starttls", true), ("tls", true)] {
        let mut mailbox = Mailbox::start(mode, login);
        mailbox.connect(&app, json!({ "appName": "Club \"Löwen\"" })).await;
        admin.agent.post(path, &json!({})).await.expect(204);
        let letter = mailbox.letter().await;
        assert_eq!(letter["tls"], mode != "none", "{mode}");
        assert_eq!(letter["user"], if login { json!("postman") } else { Value::Null }, "{mode}");
        assert_eq!(letter["subject"], "Test email from Club \"Löwen\"");
        assert!(letter["from"].as_str().unwrap().contains("id@example.com"), "{letter}");
        assert!(letter["to"].as_str().unwrap().contains("admin@example.com"), "{letter}");
        assert_eq!(letter["headers"]["auto-submitted"], "auto-generated");
        assert!(text(&letter).contains("Mail works"));
        assert!(letter["html"].as_str().unwrap().contains("/api/application-images/email"));
    }
    // Who has no address gets no mail.
    app.script().post(path, &json!({})).await.refused(409, "user_email_not_set");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refusal_says_what_the_server_said() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let path = "/api/application-configuration/test-email";
    let said = async |agent: &Agent| {
        let refused = agent.post(path, &json!({})).await.refused(502, "mail_not_sent");
        refused.json()["error"].as_str().unwrap().to_owned()
    };
    let mut mailbox = Mailbox::start("starttls", true);
    mailbox.connect(&app, json!({ "smtpPassword": "wrong" })).await;
    assert!(said(&admin.agent).await.contains("535"), "{}", said(&admin.agent).await);
    // A certificate that nobody knows is not trusted.
    mailbox.connect(&app, json!({ "smtpSkipCertVerify": "false" })).await;
    let why = said(&admin.agent).await;
    assert!(why.to_lowercase().contains("certificate"), "{why}");
    mailbox.connect(&app, json!({})).await;
    mailbox.refuse(&json!("550 no such mailbox here"));
    assert!(said(&admin.agent).await.contains("no such mailbox here"));
    // Where nobody listens, and where nobody may be called.
    for (host, port, word) in [("127.0.0.1", "9", "onnect"), ("169.254.169.254", "25", "must not be called")] {
        let settings = json!({ "smtpHost": host, "smtpPort": port, "smtpPassword": "knock twice" });
        app.script().patch("/api/application-configuration", &settings, None).await.expect(200);
        let why = said(&admin.agent).await;
        assert!(why.contains(word), "{why}");
    }
    assert!(mailbox.letters().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_admin_sends_a_login_code() {
    let app = TestApp::start().await;
    let tim = app.person("tim").await;
    let path = format!("/api/users/{}/one-time-access-email", tim.id());
    let script = app.script();
    script.post(&path, &json!({})).await.refused(403, "one_time_access_disabled");
    let allow = json!({ "emailOneTimeAccessAsAdminEnabled": "true" });
    script.patch("/api/application-configuration", &allow, None).await.expect(200);
    script.post(&path, &json!({})).await.refused(409, "mail_not_configured");
    let mut mailbox = Mailbox::start("none", false);
    mailbox.connect(&app, json!({})).await;
    script.post("/api/users/nobody/one-time-access-email", &json!({})).await.refused(404, "user_not_found");
    script.post(&path, &json!({ "ttl": "1d" })).await.refused(400, "invalid_request_body");
    script.post(&path, &json!({ "ttl": "24h" })).await.expect(204);
    let letter = mailbox.letter().await;
    let code = between(text(&letter), "/lc/", "\n").to_owned();
    assert_eq!(code.len(), 12);
    assert!(text(&letter).contains("within 24 hours"), "{letter}");
    // Whoever has the letter may use it, in any browser, once.
    let agent = app.agent();
    agent.post(&format!("/api/one-time-access-token/{code}"), &json!({})).await.expect(200);
    let again = app.agent().post(&format!("/api/one-time-access-token/{code}"), &json!({})).await;
    again.refused(401, "token_invalid_or_expired");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_code_on_request_works_in_the_browser_that_asked() {
    let app = TestApp::start().await;
    let tim = app.person("tim").await;
    let ask = async |agent: &Agent, body: Value| agent.post("/api/one-time-access-email", &body).await;
    let agent = app.agent();
    ask(&agent, json!({ "email": "tim@example.com" })).await.refused(403, "one_time_access_disabled");
    let mut mailbox = Mailbox::start("none", false);
    mailbox.connect(&app, json!({ "emailOneTimeAccessAsUnauthenticatedEnabled": "true" })).await;
    ask(&agent, json!({ "email": "" })).await.invalid(&["email required"]);
    ask(&agent, json!({ "email": "tim@localhost" })).await.invalid(&["email invalid_format"]);
    ask(&agent, json!({ "email": "TIM@example.com", "redirectPath": "/settings/apps" })).await.expect(204);
    let letter = mailbox.letter().await;
    let link = between(text(&letter), "/lc/", "\n").to_owned();
    let (code, query) = link.split_once('?').unwrap();
    assert_eq!((code.len(), query), (6, "redirect=%2Fsettings%2Fapps"));
    let path = format!("/api/one-time-access-token/{code}");
    app.agent().post(&path, &json!({})).await.refused(401, "device_code_invalid");
    agent.post(&path, &json!({})).await.expect(200);
    agent.get("/api/users/me").await.expect(200);
    assert_eq!(app.events("TOKEN_SIGN_IN").await[0]["userID"], tim.id());
    // A foreign address to return to is left out.
    ask(&app.agent(), json!({ "email": "tim@example.com", "redirectPath": "//evil.example" })).await.expect(204);
    assert!(!text(&mailbox.letter().await).contains("evil"));
    // Where addresses are proven, one that is not gets nothing (security case 73).
    mailbox.connect(&app, json!({ "emailVerificationEnabled": "true" })).await;
    app.script().patch(&format!("/api/users/{}", tim.id()), &json!({ "emailVerified": false }), None).await.expect(200);
    ask(&app.agent(), json!({ "email": "tim@example.com" })).await.expect(204);
    tokio::time::sleep(std::time::Duration::from_millis(1000)).await;
    assert!(mailbox.letters().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_047_nobody_learns_whether_an_address_is_known() {
    let app = TestApp::start().await;
    app.person("tim").await;
    let mut mailbox = Mailbox::start("none", false);
    mailbox.connect(&app, json!({ "emailOneTimeAccessAsUnauthenticatedEnabled": "true" })).await;
    let ask = async |email: &str| {
        let agent = app.agent();
        let reply = agent.post("/api/one-time-access-email", &json!({ "email": email })).await;
        let cookie = reply.header("set-cookie").and_then(|cookie| cookie.split(['=', ';']).nth(1));
        (reply.status, reply.text(), cookie.map(str::len))
    };
    let known = ask("tim@example.com").await;
    assert_eq!(known, ask("nobody@example.com").await);
    assert_eq!(known.2, Some(16));
    mailbox.letter().await;
    // A flood ends: each address may ask five times, and nobody is written to more than three times.
    ask("tim@example.com").await;
    ask("tim@example.com").await;
    assert_eq!(known, ask("tim@example.com").await);
    assert_eq!(ask("tim@example.com").await.0, 429);
    tokio::time::sleep(std::time::Duration::from_millis(1500)).await;
    assert_eq!(mailbox.letters().len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_042_a_mailed_code_dies_of_attempts_in_other_browsers() {
    let app = TestApp::start_with(&[("DISABLE_RATE_LIMITING", "true")]).await;
    app.person("tim").await;
    let mut mailbox = Mailbox::start("none", false);
    mailbox.connect(&app, json!({ "emailOneTimeAccessAsUnauthenticatedEnabled": "true" })).await;
    for (attempts, status) in [(4, 200), (5, 401)] {
        let agent = app.agent();
        agent.post("/api/one-time-access-email", &json!({ "email": "tim@example.com" })).await.expect(204);
        let letter = mailbox.letter().await;
        let path = format!("/api/one-time-access-token/{}", between(text(&letter), "/lc/", "\n"));
        for _ in 0..attempts {
            app.agent().post(&path, &json!({})).await.refused(401, "device_code_invalid");
        }
        agent.post(&path, &json!({})).await.expect(status);
    }
}

/// Whether the address is somebody's is found out after the answer, so the answer can't tell by its time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_047_a_request_does_nothing_about_the_person_whom_it_names() {
    let app = TestApp::start().await;
    let tim = app.person("tim").await;
    let mut mailbox = Mailbox::start("none", false);
    mailbox.connect(&app, json!({ "emailOneTimeAccessAsUnauthenticatedEnabled": "true" })).await;
    let (ctx, settings, id) = (app.app().ctx("test"), app.app().settings(), tim.id().to_owned());
    let untouched = app.app().db().write(move |tx| {
        let device = pid_core::secret::Secret::new("a browser");
        pid_flows::login_codes::mail_on_request(tx, &ctx, &settings, "tim@example.com", None, &device, true)?;
        Ok::<_, pid_flows::Error>(pid_store::budgets::full_at(tx, "mail-to-person-in-all", &id)?.is_none())
    });
    assert!(untouched.await.unwrap());
    assert!(text(&mailbox.letter().await).contains("/lc/"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_letter_is_not_sent_when_its_code_is_dead() {
    let app = TestApp::start().await;
    let tim = app.person("tim").await;
    let mut mailbox = Mailbox::start("none", false);
    mailbox.connect(&app, json!({ "emailOneTimeAccessAsAdminEnabled": "true", "smtpPort": "9" })).await;
    app.script().post(&format!("/api/users/{}/one-time-access-email", tim.id()), &json!({})).await.expect(204);
    app.advance(15 * 60);
    let failed = loop {
        if let Some(failed) = app.events("MAIL_FAILED").await.pop() {
            break failed;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    };
    assert!(["too_late", "not_taken"].contains(&failed["data"]["failure"].as_str().unwrap()), "{failed}");
    mailbox.connect(&app, json!({})).await;
    // What is sent after it comes alone.
    app.script().post(&format!("/api/users/{}/one-time-access-email", tim.id()), &json!({})).await.expect(204);
    mailbox.letter().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_address_is_proven_by_its_link() {
    let app = TestApp::start().await;
    let (tim, other) = (app.person("tim").await, app.person("other").await);
    let send = "/api/users/me/send-email-verification";
    tim.agent.post(send, &json!({})).await.refused(409, "mail_not_configured");
    let mut mailbox = Mailbox::start("none", false);
    mailbox.connect(&app, json!({})).await;
    let script = app.script();
    let user = format!("/api/users/{}", tim.id());
    script.patch(&user, &json!({ "emailVerified": false }), None).await.expect(200);
    tim.agent.post(send, &json!({})).await.expect(204);
    let token = between(text(&mailbox.letter().await), "/verify-email?token=", "\n").to_owned();
    let verify =
        async |agent: &Agent, token: &str| agent.post("/api/users/me/verify-email", &json!({ "token": token })).await;
    verify(&tim.agent, "").await.invalid(&["token required"]);
    verify(&tim.agent, "x").await.refused(400, "invalid_email_verification_token");
    verify(&other.agent, &token).await.refused(400, "invalid_email_verification_token");
    verify(&tim.agent, &token).await.expect(204);
    assert_eq!(script.get(&user).await.expect(200).json()["emailVerified"], true);
    verify(&tim.agent, &token).await.refused(400, "invalid_email_verification_token");
    // A new address is not proven by a link to the old one, to which somebody tells it (security case 73).
    script.patch(&user, &json!({ "emailVerified": false }), None).await.expect(200);
    tim.agent.post(send, &json!({})).await.expect(204);
    let token = between(text(&mailbox.letter().await), "/verify-email?token=", "\n").to_owned();
    tim.agent.patch("/api/users/me", &json!({ "email": "new@example.com" }), None).await.expect(200);
    let notice = mailbox.letter().await;
    assert!(notice["to"].as_str().unwrap().contains("tim@example.com"), "{notice}");
    assert!(!text(&notice).contains("new@example.com"));
    verify(&tim.agent, &token).await.refused(400, "invalid_email_verification_token");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sign_in_from_a_new_device_is_told() {
    let app = TestApp::start().await;
    let mut tim = app.person("tim").await;
    let mut mailbox = Mailbox::start("none", false);
    mailbox.connect(&app, json!({ "emailLoginNotificationEnabled": "true" })).await;
    let firefox = "Mozilla/5.0 (X11; Linux x86_64; rv:142.0) Gecko/20100101 Firefox/142.0";
    let phone = app.agent().with_header("user-agent", firefox);
    tim.sign_in_at(&phone).await.expect(200);
    let letter = mailbox.letter().await;
    for part in ["Firefox", "127.0.0.1", "Internal Network"] {
        assert!(text(&letter).contains(part), "{part}: {letter}");
    }
    // The second time it is known.
    tim.sign_in_at(&phone).await.expect(200);
    tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    assert!(mailbox.letters().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn owners_of_expiring_keys_are_told_once() {
    let app = TestApp::start().await;
    let tim = app.person("tim").await;
    let now = app.app().clock().now();
    for (name, days) in [("soon", 6), ("later", 8)] {
        let key = json!({ "name": format!("key {name}"), "expiresAt": now.plus_secs(days * 86_400).to_string() });
        tim.agent.post("/api/api-keys", &key).await.expect(201);
    }
    pid_jobs::tell_of_expiring_keys(app.app()).await.unwrap();
    let mut mailbox = Mailbox::start("none", false);
    mailbox.connect(&app, json!({ "emailApiKeyExpirationEnabled": "true" })).await;
    pid_jobs::tell_of_expiring_keys(app.app()).await.unwrap();
    let letter = mailbox.letter().await;
    assert_eq!(letter["subject"], "API key \"key soon\" expiring soon");
    pid_jobs::tell_of_expiring_keys(app.app()).await.unwrap();
    tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    assert!(mailbox.letters().is_empty());
    let keys = tim.agent.get("/api/api-keys?sort[column]=name&sort[direction]=desc").await.expect(200).json();
    let sent: Vec<&Value> = keys["data"].as_array().unwrap().iter().map(|key| &key["expirationEmailSent"]).collect();
    assert_eq!(sent, [&json!(true), &json!(false)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dead_server_keeps_nobody_waiting_and_gets_the_letter_later() {
    let app = TestApp::start().await;
    let tim = app.person("tim").await;
    let mut mailbox = Mailbox::start("none", false);
    mailbox.connect(&app, json!({ "emailOneTimeAccessAsAdminEnabled": "true", "smtpPort": "9" })).await;
    let path = format!("/api/users/{}/one-time-access-email", tim.id());
    app.script().post(&path, &json!({})).await.expect(204);
    tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    // The administrator mends the setting; the letter is not lost.
    mailbox.connect(&app, json!({})).await;
    app.advance(5);
    assert!(text(&mailbox.letter().await).contains("/lc/"));
    // One that is refused for good is given up at once, which is in the log; the code is nowhere to be read.
    mailbox.refuse(&json!("550 no such mailbox here"));
    app.script().post(&path, &json!({})).await.expect(204);
    for _ in 0..100 {
        if !app.events("MAIL_FAILED").await.is_empty() {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    let failed = app.events("MAIL_FAILED").await;
    assert_eq!(failed[0]["data"], json!({ "to": "tim@example.com", "failure": "rejected" }));
}
