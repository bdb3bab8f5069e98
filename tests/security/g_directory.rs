//! A directory (LDAP) that is hostile, broken, or wrongly set up.

use pid_testkit::slapd::{BASE, PASSWORD, dn, group, person};
use pid_tests::TestApp;
use pid_tests::directory::{babbler, settings, start};
use serde_json::{Value, json};

const PATH: &str = "/api/application-configuration";

fn people(count: usize) -> String {
    (0..count).map(|n| person(&format!("p{n}"), &[])).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_071_people_of_the_directory_change_nothing_but_their_language() {
    let (app, directory) = (TestApp::start().await, start(&people(1)));
    app.use_directory(&directory.url(), json!({})).await;
    app.sync().await.expect(204);
    let who = app.enter(app.account("p0").await).await;
    let wish = json!({ "username": "root", "email": "x@evil.example", "isAdmin": true, "disabled": true, "ldapId": "x",
        "userGroupIds": ["x"], "firstName": "X", "locale": "fr" });
    who.agent.put("/api/users/me", &wish).await.expect(200);
    who.agent.patch("/api/users/me", &wish, None).await.expect(200);
    let mut after = app.account("p0").await;
    assert_eq!(after["locale"], "fr");
    after["locale"] = Value::Null;
    let mut before = who.user.clone();
    before["locale"] = Value::Null;
    assert_eq!(after, before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_074_the_directory_does_not_take_the_last_administrator() {
    let entries = [person("ann", &[]), person("bob", &[]), group("admins", &[&dn("ann")])].concat();
    let (app, directory) = (TestApp::start().await, start(&entries));
    let first = app.admin().await;
    let more = json!({ "ldapRemovalLimitPercent": "100" });
    app.use_directory(&directory.url(), more).await;
    app.sync().await.expect(204);
    let ann = app.enter(app.account("ann").await).await;
    // Ann is the only one left who can sign in and administers.
    ann.agent.patch(&format!("/api/users/{}", first.id()), &json!({ "isAdmin": false }), None).await.expect(200);
    // Out of the group.
    directory
        .modify(&format!(
            "dn: cn=admins,ou=groups,{BASE}\nchangetype: modify\nreplace: member\nmember: {}\n",
            dn("bob")
        ))
        .unwrap();
    app.sync().await.expect(204);
    assert!(app.done().await.contains(&"skipped ann last_admin".to_owned()), "{:?}", app.done().await);
    assert_eq!(app.account("ann").await["isAdmin"], true);
    // Bob administers by now, but has no passkey.
    assert_eq!(app.account("bob").await["isAdmin"], true);
    // Gone.
    directory.delete(&[&dn("ann")]).unwrap();
    for soft in ["true", "false"] {
        app.script().patch(PATH, &json!({ "ldapSoftDeleteUsers": soft }), None).await.expect(200);
        app.sync().await.expect(204);
        assert_eq!(app.done().await, ["skipped ann last_admin"]);
        ann.agent.get("/api/users").await.expect(200);
    }
    // With another one who can sign in, she goes.
    app.enter(app.account("bob").await).await;
    app.sync().await.expect(204);
    assert_eq!(app.done().await, ["deleted ann"]);
    ann.agent.get("/api/users").await.refused(401, "not_signed_in");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_077_the_bind_password_goes_to_no_other_server() {
    let (app, directory) = (TestApp::start().await, start(&people(1)));
    app.use_directory(&directory.url(), json!({})).await;
    let (elsewhere, _babbler) = babbler(b"thank you".to_vec()).await;
    let script = app.script();
    let wanted = ["ldapBindPassword required"];
    for change in [
        json!({ "ldapUrl": elsewhere }),
        json!({ "ldapUrl": elsewhere, "ldapBindPassword": "XXXXXXXXXX" }),
        json!({ "ldapSkipCertVerify": "true" }),
        json!({ "ldapStartTls": "true" }),
    ] {
        script.patch(PATH, &change, None).await.invalid(&wanted);
        script.post(&format!("{PATH}/ldap/test"), &change).await.invalid(&wanted);
        script.post(&format!("{PATH}/ldap/dry-run"), &change).await.invalid(&wanted);
    }
    app.sync().await.expect(204);
    script.patch(PATH, &json!({ "ldapUrl": elsewhere, "ldapBindPassword": "another" }), None).await.expect(200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_078_the_bind_password_is_shown_nowhere() {
    let (app, directory) = (TestApp::start().await, start(&people(1)));
    let admin = app.admin().await;
    let secret = "a-w0rd-to-look-for";
    let mut wrong = settings(&directory.url());
    wrong["ldapBindPassword"] = json!(secret);
    admin.agent.patch(PATH, &wrong, None).await.expect(200);
    let refused = app.sync().await.refused(502, "ldap_failed");
    assert!(refused.text().contains("invalidCredentials"), "{}", refused.text());
    let mut seen = refused.text();
    for path in [
        &format!("{PATH}/all"),
        PATH,
        &format!("{PATH}/ldap/runs"),
        "/api/audit-logs/all?pagination[limit]=100",
        "/settings/admin/application-configuration",
    ] {
        seen += &admin.agent.get(path).await.expect(200).text();
    }
    assert!(seen.contains("invalidCredentials") && seen.contains("XXXXXXXXXX"));
    assert!(!seen.contains(secret) && !seen.contains(PASSWORD));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_083_a_sync_that_would_lose_many_stops_and_asks() {
    let members: Vec<String> = (0..20).map(|n| dn(&format!("p{n}"))).collect();
    let members: Vec<&str> = members.iter().map(String::as_str).collect();
    let entries = people(20) + &group("crew", &members);
    let (app, directory) = (TestApp::start().await, start(&entries));
    app.use_directory(&directory.url(), json!({})).await;
    app.sync().await.expect(204);
    let script = app.script();
    let filter = async |filter: &str| {
        script.patch(PATH, &json!({ "ldapUserSearchFilter": filter }), None).await.expect(200);
    };
    // A fifth may go.
    filter("(&(objectClass=inetOrgPerson)(!(|(uid=p0)(uid=p1)(uid=p2)(uid=p3))))").await;
    app.sync().await.expect(204);
    assert_eq!(app.latest_run().await["counts"]["users"]["disabled"], 4);
    // A filter that finds nobody: nothing is changed, and the report says what would have been.
    filter("(objectClass=account)").await;
    let refused = app.sync().await.refused(409, "ldap_sync_stopped").json();
    assert_eq!(
        (&refused["details"]["users"], &refused["details"]["members"]),
        (&json!("16"), &json!("16")),
        "{refused}"
    );
    let stopped = app.latest_run().await;
    assert_eq!((&stopped["state"], &stopped["mayBeConfirmed"]), (&json!("stopped"), &json!(true)));
    assert_eq!(stopped["removal"], json!({ "users": 16, "groups": 0, "members": 16, "admins": 0 }));
    assert_eq!(app.entries_of(&stopped).await.iter().filter(|line| line.starts_with("disabled")).count(), 16);
    assert_eq!(app.account("p9").await["disabled"], false);
    assert_eq!(app.members_of("crew").await.unwrap().len(), 16);
    // By itself it stops as well, each time.
    app.advance(7200);
    pid_jobs::ldap::turn(app.app(), 3600, false).await.unwrap();
    let latest = app.latest_run().await;
    assert_eq!((&latest["state"], &latest["byHand"]), (&json!("stopped"), &json!(false)));
    // What stopped is confirmed by whoever administers.
    let confirm = |run: &Value| format!("{PATH}/ldap/runs/{}/confirm", run["id"].as_str().unwrap());
    let done = script.post(&confirm(&latest), &json!({})).await.expect(200).json();
    assert_eq!((&done["state"], &done["counts"]["users"]["disabled"]), (&json!("done"), &json!(16)), "{done}");
    assert_eq!(app.account("p9").await["disabled"], true);
    script.post(&confirm(&latest), &json!({})).await.refused(404, "not_found");
    // Groups count by themselves.
    filter("(objectClass=inetOrgPerson)").await;
    app.sync().await.expect(204);
    directory.delete(&[&format!("cn=crew,ou=groups,{BASE}")]).unwrap();
    let refused = app.sync().await.refused(409, "ldap_sync_stopped").json();
    assert_eq!((&refused["details"]["users"], &refused["details"]["groups"]), (&json!("0"), &json!("1")));
    assert!(app.members_of("crew").await.is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_083_junk_is_no_answer_and_costs_nothing() {
    let app = TestApp::start().await;
    let script = app.script();
    let ber = |tag: u8, content: &[u8]| {
        let length = u32::try_from(content.len()).unwrap().to_be_bytes();
        [&[tag, 0x84][..], &length, content].concat()
    };
    let mut deep = Vec::new();
    for _ in 0..30_000 {
        deep = ber(0x30, &deep);
    }
    let of_server = |operation: &[u8]| ber(0x30, &[&[0x02, 1, 1], operation].concat());
    for (answer, words) in [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec(), "no LDAP"),
        (vec![0x30, 0x84, 0x7f, 0xff, 0xff, 0xff], "too large"),
        (vec![0; 100_000], "no LDAP"),
        (of_server(&ber(0x61, &deep)), "no LDAP"),
        (of_server(&ber(0x61, b"\x0a\x01")), "no LDAP"),
        // A result that the library would choke on.
        (of_server(&ber(0x61, &[0x0a, 1, 0, 0x04, 1, 0xff, 0x04, 0])), "no LDAP"),
        (of_server(&ber(0x64, &[0x04, 0])), "not asked"),
        (of_server(&ber(0x78, &[0x0a, 1, 52, 0x04, 0, 0x04, 3, b'b', b'y', b'e'])), "ended the connection: bye"),
    ] {
        let (url, _babbler) = babbler(answer).await;
        let refused =
            script.post(&format!("{PATH}/ldap/test"), &settings(&url)).await.refused(502, "ldap_failed").json();
        assert!(refused["error"].as_str().unwrap().contains(words), "{words}: {refused}");
    }
    script.get("/api/users/me").await.expect(200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_096_filters_and_names_with_tricks_find_nobody_else() {
    let app = TestApp::start().await;
    let script = app.script();
    let nested = format!("{}(uid=a){}", "(&".repeat(5000), ")".repeat(5000));
    let deeper = format!("{}(uid=a){}", "(!".repeat(60), ")".repeat(60));
    script
        .patch(PATH, &json!({ "ldapUserSearchFilter": nested }), None)
        .await
        .invalid(&["ldapUserSearchFilter too_long"]);
    for filter in [deeper.as_str(), "(uid=a)(uid=b)", "uid=a", "(uid=a"] {
        let change = json!({ "ldapUserSearchFilter": filter });
        script.patch(PATH, &change, None).await.invalid(&["ldapUserSearchFilter invalid_format"]);
    }
    // What has the shape of a filter but is none is refused when it is used, with a sentence.
    let entries = [
        person("tim", &[]),
        person("wild", &[("cn", b"*)(uid=*))(|(uid=*")]),
        // Members whose names look like filters, or like others.
        group(
            "a",
            &[
                "uid=*,ou=people,dc=example,dc=org",
                "uid=tim\\2cou=people,ou=people,dc=example,dc=org",
                "uid=tim,dc=example,dc=org",
            ],
        ),
    ];
    let directory = start(&entries.concat());
    app.use_directory(&directory.url(), json!({ "ldapUserSearchFilter": "(=)" })).await;
    let refused = app.sync().await.refused(502, "ldap_failed").json();
    assert!(refused["error"].as_str().unwrap().contains("filter"), "{refused}");
    app.use_directory(&directory.url(), json!({})).await;
    app.sync().await.expect(204);
    assert_eq!(app.account("wild").await["displayName"], "*)(uid=*))(|(uid=*");
    assert_eq!(app.members_of("a").await, None, "a group of one letter is none");
    directory.rename(&format!("cn=a,ou=groups,{BASE}"), "cn=aa").unwrap();
    app.sync().await.expect(204);
    assert_eq!(app.members_of("aa").await.unwrap(), [""; 0]);
    assert_eq!(app.latest_run().await["counts"]["groups"]["membersUnknown"], 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_103_nobody_outside_learns_who_is_in_the_directory() {
    let (app, directory) = (TestApp::start().await, start(&people(10)));
    let more = json!({ "emailOneTimeAccessAsUnauthenticatedEnabled": "true", "smtpHost": "127.0.0.1", "smtpPort": "1", "smtpFrom": "id@example.com" });
    app.use_directory(&directory.url(), more).await;
    app.sync().await.expect(204);
    directory.delete(&[&dn("p1")]).unwrap();
    app.sync().await.expect(204);
    let mut answers = Vec::new();
    for name in ["p0", "p1", "nobody"] {
        let reply =
            app.agent().post("/api/one-time-access-email", &json!({ "email": format!("{name}@example.org") })).await;
        answers.push((reply.status, reply.text()));
    }
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
    // Signing in never asks the directory: it may as well be away.
    let mut p2 = app.enter(app.account("p2").await).await;
    drop(directory);
    p2.sign_in().await.expect(200);
    for path in ["ldap/runs", "ldap/runs/x", "ldap/runs/x/entries"] {
        p2.agent.get(&format!("{PATH}/{path}")).await.refused(403, "forbidden");
    }
}
