//! The stream of the audit log to a webhook or a syslog server (`/api/audit-logs/stream`).

use std::time::Duration;

use aws_lc_rs::hmac;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use pid_tests::{Manner, Receiver, TestApp, on_postgres};
use serde_json::{Value, json};
use tokio::io::AsyncReadExt as _;
use tokio::net::{TcpListener, UdpSocket};

const SETTINGS: &str = "/api/application-configuration";
const SECRET: &str = "a-secret-that-signs";

async fn stream_to(app: &TestApp, url: &str, secret: &str) {
    let change = json!({ "auditStreamUrl": url, "auditStreamSecret": secret });
    app.script().patch(SETTINGS, &change, None).await.expect(200);
}

/// How the stream goes, once it is as wanted.
async fn status(app: &TestApp, wanted: impl Fn(&Value) -> bool) -> Value {
    let mut last = Value::Null;
    for _ in 0..1000 {
        last = app.script().get("/api/audit-logs/stream").await.expect(200).json();
        if wanted(&last) {
            return last;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("the stream stays so: {last}");
}

/// The entries that the log holds of some events, the oldest first.
async fn ids(app: &TestApp, event: &str) -> Vec<Value> {
    app.events(event).await.into_iter().rev().map(|e| e["id"].clone()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_webhook_gets_every_entry_signed_and_again_until_it_takes_it() {
    let app = TestApp::start().await;
    let mut receiver = Receiver::start().await;
    receiver.answers(&[Manner::Status(500)]);
    stream_to(&app, &receiver.url("/hook"), SECRET).await;
    let failed = status(&app, |s| s["failure"].is_string()).await;
    assert_eq!((&failed["failure"], &failed["waiting"]), (&json!("http_status 500"), &json!(1)));
    app.script().post("/api/user-groups", &json!({ "name": "ops", "friendlyName": "Ops" })).await.expect(201);
    app.advance(2);
    status(&app, |s| s["waiting"] == 0 && s["deliveredAt"].is_string()).await;

    let posts = receiver.posts();
    assert!(posts.len() >= 2, "the refused one, and again");
    let mut taken = Vec::new();
    for (i, (headers, body)) in posts.iter().enumerate() {
        let header = |name: &str| headers.get(name).unwrap().to_str().unwrap();
        let signed = format!("{}.{}.{body}", header("webhook-id"), header("webhook-timestamp"));
        let (version, signature) = header("webhook-signature").split_once(',').unwrap();
        assert_eq!((version, header("content-type")), ("v1", "application/json"));
        let key = hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes());
        hmac::verify(&key, signed.as_bytes(), &STANDARD.decode(signature).unwrap()).expect("a good signature");
        let body: Value = serde_json::from_str(body).unwrap();
        assert_eq!(body["type"], "audit.entries");
        if i > 0 {
            taken.extend(body["data"].as_array().unwrap().clone());
        }
    }
    let events: Vec<&str> = taken.iter().map(|e| e["event"].as_str().unwrap()).collect();
    assert_eq!(events, ["CONFIGURATION_UPDATED", "GROUP_CREATED"]);
    let group = app.events("GROUP_CREATED").await.remove(0);
    assert_eq!(taken[1], group, "as the API shows it");
    assert!(!taken[0].to_string().contains(SECRET));

    // What is written while nobody listens comes later, in order and once.
    receiver.close().await;
    for n in 0..3 {
        let body = json!({ "name": format!("g{n}"), "friendlyName": "More" });
        app.script().post("/api/user-groups", &body).await.expect(201);
        app.advance(1);
    }
    status(&app, |s| s["failure"] == "connection_failed").await;
    let before = receiver.posts().len();
    receiver.open().await;
    app.advance(3600);
    status(&app, |s| s["waiting"] == 0).await;
    let later: Vec<Value> = receiver.posts()[before..]
        .iter()
        .flat_map(|(_, body)| serde_json::from_str::<Value>(body).unwrap()["data"].as_array().unwrap().clone())
        .map(|entry| entry["id"].clone())
        .collect();
    assert_eq!(later, ids(&app, "GROUP_CREATED").await[1..]);

    // Switched off, nothing waits.
    stream_to(&app, "", "").await;
    app.script().post("/api/user-groups", &json!({ "name": "last", "friendlyName": "Last" })).await.expect(201);
    status(&app, |s| s["waiting"] == 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn syslog_servers_get_one_line_an_entry() {
    let app = TestApp::start().await;
    let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
    stream_to(&app, &format!("tcp://{}", server.local_addr().unwrap()), "").await;
    let (mut connection, _) = server.accept().await.unwrap();
    let mut text = String::new();
    connection.read_to_string(&mut text).await.unwrap();
    drop(connection);
    let (length, message) = text.split_once(' ').unwrap();
    assert_eq!(length.parse::<usize>().unwrap(), message.len(), "octets are counted");
    assert!(
        message.starts_with("<86>1 ") && message.contains(" localhost pocket-id - CONFIGURATION_UPDATED - {"),
        "{message}"
    );
    status(&app, |s| s["waiting"] == 0).await;

    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    stream_to(&app, &format!("udp://{}", socket.local_addr().unwrap()), "").await;
    let mut bytes = [0; 65536];
    let receive = async |bytes: &mut [u8]| {
        let n = tokio::time::timeout(Duration::from_secs(10), socket.recv(bytes)).await.expect("a datagram").unwrap();
        String::from_utf8(bytes[..n].to_vec()).unwrap()
    };
    assert!(receive(&mut bytes).await.contains("auditStreamUrl"));
    // Log injection (security case 98).
    let group = json!({ "name": "ops", "friendlyName": "Ops \u{1f600}" });
    let group = app.script().post("/api/user-groups", &group).await.expect(201).id();
    assert!(receive(&mut bytes).await.contains("\\ud83d\\ude00"));
    let claims = json!([{ "key": "k", "value": "v\n\u{85}\u{2028}<86>1 - - pocket-id - SIGN_IN - {}" }]);
    app.script().put(&format!("/api/custom-claims/user-group/{group}"), &claims).await.expect(200);
    let line = receive(&mut bytes).await;
    assert!(line.bytes().all(|b| b.is_ascii_graphic() || b == b' '), "{line}");
    let json: Value = serde_json::from_str(line.split_once(" - GROUP_UPDATED - ").unwrap().1).unwrap();
    let told = json["data"]["customClaims"].as_str().unwrap();
    assert_eq!(told, format!("+k={}", claims[0]["value"].as_str().unwrap()));
    app.agent().post("/api/one-time-access-token/WRONG1", &json!({})).await.expect(401);
    assert!(receive(&mut bytes).await.starts_with("<84>1 "), "a warning");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_077_the_secret_is_not_used_for_another_address() {
    let app = TestApp::start().await;
    let script = app.script();
    let url = |url: &str| json!({ "auditStreamUrl": url });
    for bad in ["siem.example", "ftp://siem.example/", "udp://siem.example", "tcp://siem.example:601/x"] {
        script.patch(SETTINGS, &url(bad), None).await.invalid(&["auditStreamUrl invalid_format"]);
    }
    script.patch(SETTINGS, &url("https://siem.example/a"), None).await.invalid(&["auditStreamSecret too_short"]);
    stream_to(&app, "https://siem.invalid/a", SECRET).await;
    let list = script.get(&format!("{SETTINGS}/all")).await.expect(200);
    assert!(!list.text().contains(SECRET));
    script.patch(SETTINGS, &url("https://evil.invalid/a"), None).await.invalid(&["auditStreamSecret required"]);
    let masked = json!({ "auditStreamUrl": "https://evil.invalid/a", "auditStreamSecret": "XXXXXXXXXX" });
    script.patch(SETTINGS, &masked, None).await.invalid(&["auditStreamSecret required"]);
    script.patch(SETTINGS, &json!({ "appName": "Club", "auditStreamSecret": "XXXXXXXXXX" }), None).await.expect(200);
    // By way of an address that needs none it is not carried over either.
    script.patch(SETTINGS, &url("udp://127.0.0.1:9"), None).await.expect(200);
    script.patch(SETTINGS, &url("https://evil.invalid/a"), None).await.invalid(&["auditStreamSecret too_short"]);

    for (address, secret) in [("smtpHost", "smtpPassword"), ("ldapUrl", "ldapBindPassword")] {
        script.patch(SETTINGS, &json!({ address: "ldap://good.example", secret: "secret" }), None).await.expect(200);
        script
            .patch(SETTINGS, &json!({ address: "ldap://evil.example" }), None)
            .await
            .invalid(&[&format!("{secret} required")]);
        script.patch(SETTINGS, &json!({ address: "ldap://new.example", secret: "other" }), None).await.expect(200);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_079_metadata_services_get_nothing() {
    let app = TestApp::start().await;
    for target in ["http://169.254.169.254/hook", "udp://169.254.169.254:514", "tcp://[::ffff:169.254.169.254]:601"] {
        stream_to(&app, target, SECRET).await;
        status(&app, |s| s["failure"] == "target_refused").await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_replicas_one_delivers() {
    if !on_postgres() {
        println!("one SQLite file, one server");
        return;
    }
    let app = TestApp::start().await;
    let other = app.replica().await;
    let receiver = Receiver::start().await;
    stream_to(&app, &receiver.url("/hook"), SECRET).await;
    let line = other.agent().with_header("x-api-key", TestApp::API_KEY);
    let make = async |agent: &pid_tests::Agent, name: String| {
        agent.post("/api/user-groups", &json!({ "name": name, "friendlyName": "Group" })).await.expect(201);
    };
    for n in 0..20 {
        let (here, there) = (app.script(), line.clone());
        tokio::join!(make(&here, format!("here{n}")), make(&there, format!("there{n}")));
    }
    status(&app, |s| s["waiting"] == 0).await;
    let mut told: Vec<String> = receiver
        .posts()
        .iter()
        .flat_map(|(_, body)| serde_json::from_str::<Value>(body).unwrap()["data"].as_array().unwrap().clone())
        .filter(|entry| entry["event"] == "GROUP_CREATED")
        .map(|entry| entry["data"]["group"].as_str().unwrap().to_owned())
        .collect();
    told.sort_unstable();
    let mut made: Vec<String> = (0..20).flat_map(|n| [format!("here{n}"), format!("there{n}")]).collect();
    made.sort_unstable();
    assert_eq!(told, made, "each once");
}
