//! The server examines itself: what is found, for whom, in which language.

use pid_tests::{Mailbox, TestApp};
use serde_json::{Value, json};

fn found<'a>(all: &'a Value, code: &str) -> &'a Value {
    let all = all.as_array().unwrap();
    all.iter().find(|finding| finding["code"] == code).unwrap_or_else(|| panic!("no {code} in {all:#?}"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_well_says_so() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let all = admin.agent.get("/api/doctor").await.expect(200).json();
    for code in ["address-good", "reach-good", "proxy-good", "database-good", "clock-good", "passkeys-good"] {
        assert_eq!(found(&all, code)["level"], "good", "{all:#}");
    }
    assert_eq!(found(&all, "mail-off")["level"], "note");
    let worst = all.as_array().unwrap().iter().filter(|f| f["level"] == "problem" || f["level"] == "warning");
    assert_eq!(worst.count(), 0, "{all:#}");
    // In words: of the language that was asked for, each with its sentence.
    let german = app.script().with_header("accept-language", "de").get("/api/doctor").await.expect(200).json();
    assert_eq!(found(&german, "clock-good")["title"], "Uhr");
    for finding in all.as_array().unwrap().iter().chain(german.as_array().unwrap()) {
        let says = finding["says"].as_str().unwrap();
        assert!(says.ends_with('.') && !says.contains('{') && !says.starts_with("doctor-"), "{finding}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_wrong_is_found_with_its_remedy() {
    let app = TestApp::start_with(&[("DISABLE_RATE_LIMITING", "true"), ("TRUST_PROXY", "10.0.0.0/8")]).await;
    app.admin().await;
    let mailbox = Mailbox::start("none", true);
    mailbox.connect(&app, json!({ "smtpPassword": "wrong" })).await;
    // Written now, looked at as by a clock that was set back.
    app.advance(-7200);
    let through = app.script().with_header("x-forwarded-for", "203.0.113.9");
    let all = through.get("/api/doctor").await.expect(200).json();
    let proxy = found(&all, "proxy-unknown");
    assert!(proxy["mend"].as_str().unwrap().contains("127.0.0.1"), "{proxy}");
    let mail = found(&all, "mail-failed");
    assert_eq!(mail["level"], "warning");
    assert!(mail["says"].as_str().unwrap().contains("535"), "{mail}");
    assert!(!mail.to_string().contains("wrong"), "{mail}");
    assert_eq!(found(&all, "clock-behind")["level"], "problem");
    assert_eq!(found(&all, "limits-off")["level"], "warning");
    app.advance(7200);

    // Another host than the passkeys'.
    let all = app.script().with_header("host", "id.example.com").get("/api/doctor").await.expect(200).json();
    assert!(found(&all, "address-other")["says"].as_str().unwrap().contains("id.example.com"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_administrator_without_a_passkey_is_about_to_be_locked_out() {
    let app = TestApp::start().await;
    let body = json!({ "username": "admin", "email": "admin@example.com", "firstName": "Ada", "lastName": "Admin" });
    app.agent().post("/api/signup/setup", &body).await.expect(200);
    let all = app.script().get("/api/doctor").await.expect(200).json();
    assert_eq!(found(&all, "admin-none")["level"], "problem", "{all:#}");
}
