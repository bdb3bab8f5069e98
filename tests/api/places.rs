//! Places of addresses: from a file that an operator supplies, and from one that is downloaded.

use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;
use pid_testkit::mmdb;
use pid_tests::{Agent, Documents, Mailbox, TestApp};
use serde_json::{Value, json};

const LONDON: (&str, u8, &str, &str) = ("81.2.69.0", 24, "United Kingdom", "London");
const ADDRESS: &str = "81.2.69.142";

/// Somebody at an address, as a trusted proxy tells.
fn at(app: &TestApp, address: &str) -> Agent {
    app.agent().with_header("x-forwarded-for", address)
}

/// What the audit log says of an address: country and city.
async fn place(app: &TestApp, address: &str) -> (String, String) {
    app.advance(1);
    at(app, address).post("/api/one-time-access-token/WRONG1", &json!({})).await.expect(401);
    let entry = app.events("SIGN_IN_FAILED").await.remove(0);
    assert_eq!(entry["ipAddress"], address);
    let text = |name: &str| entry[name].as_str().unwrap().to_owned();
    (text("country"), text("city"))
}

/// Waits until an address is known to be in a city, and looks whether the audit log says so.
async fn found_in(app: &TestApp, address: &str, city: &str) {
    for _ in 0..400 {
        if app.app().places().of(address).city == city {
            assert_eq!(place(app, address).await.1, city);
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("{address} is not in {city:?} but in {:?}", app.app().places().of(address));
}

fn archive(database: &[u8]) -> Vec<u8> {
    let mut archive = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    for (name, content) in
        [("GeoLite2-City_1/LICENSE.txt", &b"text"[..]), ("GeoLite2-City_1/GeoLite2-City.mmdb", database)]
    {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        archive.append_data(&mut header, name, content).unwrap();
    }
    archive.into_inner().unwrap().finish().unwrap()
}

fn names(dir: &Path) -> Vec<String> {
    std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_supplied_file_is_used_everywhere_and_read_again_when_it_changes() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("city.mmdb");
    std::fs::write(
        &file,
        mmdb::cities(&[LONDON, ("2001:218::", 32, "Japan", ""), ("2001:db8:7::", 48, "Nowhere", "Doc")]),
    )
    .unwrap();
    let app = TestApp::start_with(&[
        ("GEOLITE_DB_PATH", file.to_str().unwrap()),
        ("TRUST_PROXY", "true"),
        ("LOCAL_IPV6_RANGES", "2001:db8:7:1::/64"),
        ("DISABLE_RATE_LIMITING", "true"),
    ])
    .await;
    found_in(&app, ADDRESS, "London").await;
    let pair = |country: &str, city: &str| (country.to_owned(), city.to_owned());
    assert_eq!(place(&app, ADDRESS).await, pair("United Kingdom", "London"));
    assert_eq!(place(&app, "2001:218::1").await, pair("Japan", ""));
    assert_eq!(place(&app, "203.0.113.9").await, pair("", ""));
    for (address, city) in [
        ("10.1.2.3", "LAN"),
        ("100.100.1.1", "Tailscale"),
        ("fd7a:115c:a1e0::1", "Tailscale"),
        ("2001:db8:7:1::5", "LAN"),
    ] {
        assert_eq!(place(&app, address).await, pair("Internal Network", city), "{address}");
    }
    assert_eq!(place(&app, "2001:db8:7:2::5").await, pair("Nowhere", "Doc"));

    // Where people see it: the mail about a new device, their devices, their own log, and who asks to be let in.
    let mut tim = app.person("tim").await;
    let mut mailbox = Mailbox::start("none", false);
    mailbox.connect(&app, json!({ "emailLoginNotificationEnabled": "true" })).await;
    let phone = at(&app, ADDRESS);
    tim.sign_in_at(&phone).await.expect(200);
    let letter = mailbox.letter().await;
    assert!(letter["text"].as_str().unwrap().contains("London, United Kingdom"), "{letter}");
    let sessions = phone.get("/api/sessions").await.expect(200).json();
    let here = sessions.as_array().unwrap().iter().find(|session| session["isCurrent"] == true).unwrap();
    assert_eq!((&here["country"], &here["city"]), (&json!("United Kingdom"), &json!("London")));
    let own = phone.get("/api/audit-logs?filters[event]=SIGN_IN").await.expect(200).json();
    assert_eq!(own["data"][0]["city"], "London");
    let waiting = at(&app, ADDRESS).post("/api/device-login/requests", &json!({})).await.expect(201).json();
    let seen =
        tim.agent.post("/api/device-login/verification", &json!({ "code": waiting["userCode"] })).await.expect(200);
    assert_eq!(seen.json()["city"], "London");
    let external = |page: &Value| page["pagination"]["totalItems"].as_i64().unwrap();
    let found = app.script().get("/api/audit-logs/all?filters[location]=external&limit=1").await.expect(200).json();
    assert!(external(&found) > 0);

    // Another file is read without a restart; a damaged one changes nothing; without one nothing is known.
    std::fs::write(&file, mmdb::cities(&[(LONDON.0, LONDON.1, LONDON.2, "Greater London")])).unwrap();
    found_in(&app, ADDRESS, "Greater London").await;
    std::fs::write(&file, "damaged").unwrap();
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(place(&app, ADDRESS).await.1, "Greater London");
    std::fs::remove_file(&file).unwrap();
    found_in(&app, ADDRESS, "").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_database_is_downloaded_and_kept_while_a_new_one_is_no_good() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("made by the download");
    let file = folder.join("GeoLite2-City.mmdb");
    let documents = Documents::start(&["maxmind.test"]).await;
    let url = "https://maxmind.test/download?license_key=a%26b";
    documents.publish(url, 200, "", &archive(&mmdb::cities(&[LONDON])));
    let app = TestApp::start_reaching(
        &[
            ("GEOLITE_DB_PATH", file.to_str().unwrap()),
            ("GEOLITE_DB_URL", "https://maxmind.test/download?license_key=%s"),
            ("MAXMIND_LICENSE_KEY", "a&b"),
            ("TRUST_PROXY", "true"),
            ("DISABLE_RATE_LIMITING", "true"),
        ],
        documents.reach(),
    )
    .await;
    found_in(&app, ADDRESS, "London").await;
    assert_eq!(documents.asked(), [url]);

    // Two weeks later; each failure is followed by another attempt, an hour after it.
    app.advance(15 * 24 * 3600);
    let mut truncated = archive(&mmdb::cities(&[LONDON]));
    truncated.truncate(truncated.len() / 2);
    let mut broken = mmdb::cities(&[LONDON]);
    // The record of the network leads past the data.
    let end = broken.windows(16).position(|bytes| bytes == [0; 16]).unwrap();
    broken[end - 1] = 0xff;
    let mut not_found = Vec::new();
    write!(not_found, "no such key").unwrap();
    let attempts: [(u16, Vec<u8>); 4] =
        [(401, not_found), (200, b"<html>".to_vec()), (200, truncated), (200, archive(&broken))];
    for (number, (status, body)) in attempts.into_iter().enumerate() {
        documents.publish(url, status, "", &body);
        while documents.asked().len() < number + 2 {
            tokio::time::sleep(Duration::from_millis(50)).await;
            app.advance(600);
        }
    }
    // The next attempt brings a good one, and it is used.
    documents.publish(url, 200, "", &mmdb::cities(&[(LONDON.0, LONDON.1, LONDON.2, "Southwark")]));
    assert_eq!(place(&app, ADDRESS).await.1, "London", "the one before is still in use");
    app.advance(3700);
    found_in(&app, ADDRESS, "Southwark").await;
    assert_eq!(names(&folder), ["GeoLite2-City.mmdb"], "nothing unfinished is left");
}
