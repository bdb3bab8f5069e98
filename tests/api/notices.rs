//! What people are told about their own accounts: by mail as they choose, and on their account's page.

use pid_testkit::authenticator::SoftAuthenticator;
use pid_tests::{Agent, Mailbox, TestApp};
use serde_json::{Value, json};

const FIREFOX: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:142.0) Gecko/20100101 Firefox/142.0";
const ALL_ON: [(&str, &str); 3] = [
    ("emailLoginCodeNoticeEnabled", "true"),
    ("emailPasskeyNoticeEnabled", "true"),
    ("emailSignupApprovalEnabled", "true"),
];

async fn told(app: &TestApp) -> Mailbox {
    let mailbox = Mailbox::start("none", false);
    let on = ALL_ON.map(|(name, value)| (name.to_owned(), json!(value)));
    mailbox.connect(app, Value::Object(on.into_iter().collect())).await;
    mailbox
}

/// The next letters, by subject.
async fn letters(mailbox: &mut Mailbox, number: usize) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for _ in 0..400 {
        found.extend(mailbox.letters());
        if found.len() >= number {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(25)).await;
    }
    let word = |letter: &Value, name: &str| letter[name].as_str().unwrap().to_owned();
    let mut found: Vec<_> = found.iter().map(|letter| (word(letter, "subject"), word(letter, "text"))).collect();
    found.sort();
    assert_eq!(found.len(), number, "{found:#?}");
    found
}

async fn code(app: &TestApp, user: &str) -> String {
    let path = format!("/api/users/{user}/one-time-access-token");
    app.script().post(&path, &json!({})).await.expect(201).json()["token"].as_str().unwrap().to_owned()
}

async fn exchange(agent: &Agent, code: &str) {
    agent.post(&format!("/api/one-time-access-token/{code}"), &json!({})).await.expect(200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn people_choose_what_they_are_told_but_for_what_lets_in_for_good() {
    let mut app = TestApp::start().await;
    let (admin, tim) = (app.admin().await, app.person("tim").await);
    let path = "/api/users/me/notices";
    let all =
        json!({ "newDevice": true, "loginCode": true, "apiKeyExpiry": true, "passkey": true, "addressChange": true });
    assert_eq!(tim.agent.get(path).await.expect(200).json(), all);
    assert_eq!(admin.agent.get(path).await.expect(200).json()["signupApproval"], true);
    let changed = tim.agent.patch(path, &json!({ "newDevice": false, "passkey": true }), None).await.expect(200).json();
    assert_eq!((&changed["newDevice"], &changed["loginCode"]), (&json!(false), &json!(true)));
    for (body, field) in [
        (json!({ "passkey": false }), "passkey invalid_value"),
        (json!({ "addressChange": false }), "addressChange invalid_value"),
        (json!({ "nonsense": true }), "nonsense oneof"),
    ] {
        tim.agent.patch(path, &body, None).await.invalid(&[field]);
    }
    tim.agent.patch(path, &json!({ "newDevice": "no" }), None).await.refused(400, "invalid_request_body");
    app.restart().await;
    assert_eq!(tim.agent.get(path).await.expect(200).json()["newDevice"], false);
    let log = app.events("USER_UPDATED").await;
    assert_eq!(log[0]["data"]["notice newDevice"], "on → off", "{log:?}");
    // Null is the default.
    assert_eq!(tim.agent.patch(path, &json!({ "newDevice": null }), None).await.expect(200).json(), all);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_does_without_letters_of_sign_ins_proves_who_they_are_and_is_told() {
    let app = TestApp::start().await;
    let mut tim = app.person("tim").await;
    let mut mailbox = told(&app).await;
    let path = "/api/users/me/notices";
    app.advance(901);
    for off in [json!({ "newDevice": false }), json!({ "loginCode": false })] {
        tim.agent.patch(path, &off, None).await.refused(401, "reauthentication_required");
    }
    assert_eq!(tim.agent.get(path).await.expect(200).json()["newDevice"], true);
    // Neither to switch others off nor to switch any on takes a proof.
    tim.agent.patch(path, &json!({ "apiKeyExpiry": false, "newDevice": true }), None).await.expect(200);
    tim.reauthenticate().await.expect(204);
    tim.agent.patch(path, &json!({ "newDevice": false }), None).await.expect(200);
    let (subject, text) = letters(&mut mailbox, 1).await.remove(0);
    assert!(subject.starts_with("Mails about sign-ins") && text.contains("127.0.0.1"), "{subject} {text}");
    app.advance(901);
    tim.agent.patch(path, &json!({ "newDevice": false }), None).await.expect(200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn codes_and_passkeys_are_told_by_mail() {
    let app = TestApp::start().await;
    let mut tim = app.person("tim").await;
    let mut mailbox = told(&app).await;
    // A code that an administrator sees, and its use.
    let code_of_tim = code(&app, tim.id()).await;
    assert!(letters(&mut mailbox, 1).await[0].0.starts_with("A login code was made"));
    let phone = app.agent().with_header("user-agent", FIREFOX);
    exchange(&phone, &code_of_tim).await;
    let (subject, text) = letters(&mut mailbox, 1).await.remove(0);
    assert!(
        subject.starts_with("A login code was used") && text.contains("Firefox") && text.contains("/not-me?token="),
        "{text}"
    );
    // A passkey that was added after it, renamed, and removed, by its owner and by an administrator.
    tim.agent = phone;
    for by_admin in [false, true] {
        tim.passkey = SoftAuthenticator::new(-7);
        let added = tim.add_passkey().await.expect(200).json();
        let (subject, text) = letters(&mut mailbox, 1).await.remove(0);
        assert!(subject.starts_with("A passkey was added") && text.contains("New Passkey"), "{text}");
        let id = added["id"].as_str().unwrap();
        if by_admin {
            app.script().delete(&format!("/api/users/{}/webauthn-credentials/{id}", tim.id())).await.expect(204);
        } else {
            tim.agent.delete(&format!("/api/webauthn/credentials/{id}")).await.expect(204);
        }
        let (subject, text) = letters(&mut mailbox, 1).await.remove(0);
        assert!(subject.starts_with("A passkey was removed"), "{subject}");
        assert_eq!(text.contains("An administrator removed"), by_admin, "{text}");
    }
    // Neither who does without nor an instance that doesn't send them gets one of codes; of passkeys the latter.
    tim.agent.patch("/api/users/me/notices", &json!({ "loginCode": false }), None).await.expect(200);
    assert!(letters(&mut mailbox, 1).await[0].0.starts_with("Mails about sign-ins"));
    let another = code(&app, tim.id()).await;
    exchange(&tim.agent, &another).await;
    tim.add_passkey().await.expect(200);
    assert!(letters(&mut mailbox, 1).await[0].0.starts_with("A passkey was added"));
    let off = json!({ "emailPasskeyNoticeEnabled": "false" });
    app.script().patch("/api/application-configuration", &off, None).await.expect(200);
    tim.passkey = SoftAuthenticator::new(-7);
    tim.add_passkey().await.expect(200);
    // What is sent after it comes alone.
    app.script()
        .patch(&format!("/api/users/{}", tim.id()), &json!({ "email": "new@example.com" }), None)
        .await
        .expect(200);
    assert!(letters(&mut mailbox, 1).await[0].0.contains("email address was changed"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mailed_code_is_told_of_until_a_passkey_was_used_at_the_device() {
    let app = TestApp::start_with(&[("DISABLE_RATE_LIMITING", "true")]).await;
    let mut tim = app.person("tim").await;
    let mut mailbox = Mailbox::start("none", false);
    let on = json!({ "emailLoginCodeNoticeEnabled": "true", "emailOneTimeAccessAsUnauthenticatedEnabled": "true" });
    mailbox.connect(&app, on).await;
    let by_mail = async |mailbox: &mut Mailbox| {
        let browser = app.agent().with_header("user-agent", FIREFOX);
        browser.post("/api/one-time-access-email", &json!({ "email": "tim@example.com" })).await.expect(204);
        let text = letters(mailbox, 1).await.remove(0).1;
        let code = text.split("/lc/").nth(1).unwrap_or_else(|| panic!("no code: {text}"));
        exchange(&browser, code.split_whitespace().next().unwrap()).await;
        app.advance(1);
    };
    // A code makes no device usual: whoever reads the mails has them all.
    for _ in 0..2 {
        by_mail(&mut mailbox).await;
        assert!(letters(&mut mailbox, 1).await[0].0.starts_with("A login code was used"));
    }
    tim.sign_in_at(&app.agent().with_header("user-agent", FIREFOX)).await.expect(200);
    by_mail(&mut mailbox).await;
    code(&app, tim.id()).await;
    assert!(letters(&mut mailbox, 1).await[0].0.starts_with("A login code was made"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_happened_elsewhere_stands_on_the_account_s_page_until_it_is_dismissed() {
    let app = TestApp::start().await;
    let mut tim = app.person("tim").await;
    let page = async |agent: &Agent| agent.get("/settings/account").await.expect(200).text();
    let banner = "This happened since you last looked";
    // It all happened in this session: nothing new.
    assert!(!page(&tim.agent).await.contains(banner));
    app.advance(60);
    tim.sign_in().await.expect(200);
    // An administrator made the code by which the account was entered; the rest was this browser.
    let shown = page(&tim.agent).await;
    assert!(
        shown.contains(banner) && shown.contains("Login Code Created") && !shown.contains("Passkey Added"),
        "{shown}"
    );
    tim.agent.post("/api/users/me/notices/seen", &json!({})).await.expect(204);
    assert!(!page(&tim.agent).await.contains(banner));

    // Somebody else, elsewhere.
    let elsewhere = app.agent().with_header("user-agent", FIREFOX);
    exchange(&elsewhere, &code(&app, tim.id()).await).await;
    let here = std::mem::replace(&mut tim.agent, elsewhere);
    let passkey = std::mem::replace(&mut tim.passkey, SoftAuthenticator::new(-7));
    tim.add_passkey().await.expect(200);
    // Who came in by what was added doesn't dismiss it, neither with the code's session nor with the passkey's.
    for _ in 0..2 {
        let refused = tim.agent.post("/api/users/me/notices/seen", &json!({})).await;
        refused.refused(403, "older_passkey_required");
        tim.sign_in().await.expect(200);
    }
    (tim.agent, tim.passkey) = (here, passkey);
    app.script()
        .patch(&format!("/api/users/{}", tim.id()), &json!({ "email": "x@example.com" }), None)
        .await
        .expect(200);
    app.script().patch(&format!("/api/users/{}", tim.id()), &json!({ "firstName": "T" }), None).await.expect(200);
    // At once, in the session that was there before.
    let shown = page(&tim.agent).await;
    for part in [banner, "Passkey Added", "Firefox", "Token Sign In", "User Updated", "LAN"] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    assert_eq!(shown.matches("User Updated").count(), 1, "another name changes nothing about who may sign in");
    tim.agent.post("/api/users/me/notices/seen", &json!({})).await.expect(204);
    assert!(!page(&tim.agent).await.contains(banner));
    assert!(app.events("USER_UPDATED").await.iter().any(|entry| entry["data"]["dismissed"].is_string()));
}
