//! Synchronising with a directory that doesn't show everything: who is not seen is not gone, what goes is asked for, and a dry
//! run says what a real one does.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use image::{ImageFormat, Rgb, RgbImage};
use pid_testkit::slapd::{BASE, MANAGER, Slapd, dn, group, person};
use pid_tests::TestApp;
use pid_tests::directory::{Asked, Told, ber, paging, scripted, start};
use serde_json::{Value, json};

const PATH: &str = "/api/application-configuration";

fn group_dn(cn: &str) -> String {
    format!("cn={cn},ou=groups,{BASE}")
}

fn replace(dn: &str, attribute: &str, values: &[&str]) -> String {
    let values: String = values.iter().map(|value| format!("{attribute}: {value}\n")).collect();
    format!("dn: {dn}\nchangetype: modify\nreplace: {attribute}\n{values}\n")
}

/// What a dry run says.
async fn dry(app: &TestApp) -> Vec<String> {
    let run = app.script().post(&format!("{PATH}/ldap/dry-run"), &json!({})).await.expect(200).json();
    app.entries_of(&run).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_hidden_from_the_bind_account_is_not_gone() {
    let all = ["ann", "bob", "cid", "dan"].map(dn);
    let all: Vec<&str> = all.iter().map(String::as_str).collect();
    let names = ["ann", "bob", "cid", "dan", "eve"].map(|name| person(name, &[])).concat();
    let groups =
        [group("admins", &[&dn("eve")]), group("staff", &all), group("crew", &all), group("old", &all)].concat();
    let mut directory = start(&(names + &groups));
    let app = TestApp::start().await;
    app.use_directory(&directory.url(), json!({ "ldapRemovalLimitPercent": "100" })).await;
    app.sync().await.expect(204);
    assert_eq!(app.members_of("crew").await.unwrap(), ["ann", "bob", "cid", "dan"]);
    directory.delete(&[&dn("dan"), &group_dn("old")]).unwrap();
    // Of one the identifier can't be read, of another nothing, though it is said to be there; groups alike.
    let hide = |dn: &str| format!("access to dn.base=\"{dn}\" by dn.exact=\"{MANAGER}\" disclose by * none\n");
    let no_id = |dn: &str| format!("access to dn.base=\"{dn}\" attrs=entryUUID by * none\n");
    let rules = [hide(&dn("cid")), no_id(&dn("bob")), hide(&group_dn("staff")), no_id(&group_dn("crew"))].concat();
    tokio::task::block_in_place(|| directory.restrict(&rules)).unwrap();
    let imagined = dry(&app).await;
    app.sync().await.expect(204);
    assert_eq!(
        app.done().await,
        [
            "deleted old".to_owned(),
            "disabled dan".to_owned(),
            format!("skipped {} no_id", group_dn("crew")),
            format!("skipped {} hidden", group_dn("staff")),
            format!("skipped {} no_id", dn("bob")),
            format!("skipped {} hidden", dn("cid")),
        ]
    );
    assert_eq!(app.done().await, imagined);
    for name in ["ann", "bob", "cid", "eve"] {
        assert_eq!(app.account(name).await["disabled"], false, "{name}");
    }
    assert_eq!(app.members_of("crew").await.unwrap(), ["ann", "bob", "cid", "dan"]);
    assert_eq!(app.members_of("staff").await.unwrap(), ["ann", "bob", "cid", "dan"]);
    // When they are shown again, nothing has happened to them.
    tokio::task::block_in_place(|| directory.restrict("")).unwrap();
    app.sync().await.expect(204);
    assert_eq!(app.done().await, ["changed crew −1", "changed staff −1"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dry_run_says_what_a_real_one_does() {
    let png = |color: [u8; 3]| {
        let mut out = std::io::Cursor::new(Vec::new());
        RgbImage::from_pixel(20, 20, Rgb(color)).write_to(&mut out, ImageFormat::Png).unwrap();
        out.into_inner()
    };
    let directory = start(
        &[
            person("ann", &[("employeeNumber", b"ann")]),
            person("bob", &[("employeeNumber", b"bob"), ("audio", &png([200, 0, 0]))]),
            person("cid", &[("employeeNumber", b"cid")]),
            person("dan", &[("employeeNumber", b"dan"), ("audio", &png([0, 200, 0]))]),
            person("eve", &[("employeeNumber", b"eve")]),
            person("fay", &[("employeeNumber", b"fay")]),
            group("admins", &[&dn("ann"), &dn("bob")]),
            group("one", &[&dn("cid")]),
            group("two", &[&dn("dan")]),
            group("three", &[&dn("eve")]),
        ]
        .concat(),
    );
    let app = TestApp::start().await;
    let more = json!({ "ldapRemovalLimitPercent": "100", "ldapSoftDeleteUsers": "false",
        "ldapAttributeUserUsername": "employeeNumber", "ldapAttributeUserProfilePicture": "audio" });
    app.use_directory(&directory.url(), more).await;
    assert!(dry(&app).await.contains(&"changed bob picture".to_owned()));
    let first = dry(&app).await;
    app.sync().await.expect(204);
    assert_eq!(app.done().await, first);
    // Both administrators can sign in, and both cease to administer; the one who is looked at last stays.
    for name in ["ann", "bob"] {
        app.enter(app.account(name).await).await;
    }
    directory.modify(&replace(&group_dn("admins"), "member", &[&dn("eve")])).unwrap();
    // Entries that were made anew, names that are exchanged, and one that waits for a name which becomes free.
    directory.delete(&[&dn("cid"), &group_dn("one")]).unwrap();
    directory.add(&(person("cid", &[("employeeNumber", b"cid")]) + &group("one", &[&dn("cid")]))).unwrap();
    let number = |uid: &str, number: &str| replace(&dn(uid), "employeeNumber", &[number]);
    directory.modify(&(number("dan", "eve") + &number("eve", "dan"))).unwrap();
    directory.modify(&replace(&dn("ann"), "mail", &["fay@example.org"])).unwrap();
    directory.delete(&[&dn("fay")]).unwrap();
    // Names of groups go round as well.
    for (from, to) in [("two", "x"), ("three", "two"), ("x", "three")] {
        directory.rename(&group_dn(from), &format!("cn={to}")).unwrap();
    }
    directory.modify(&format!("dn: {}\nchangetype: modify\ndelete: audio\n", dn("bob"))).unwrap();
    let imagined = dry(&app).await;
    app.sync().await.expect(204);
    assert_eq!(app.done().await, imagined);
    let expected = [
        "changed admins +1 −2",
        "changed ann email",
        "changed bob isAdmin",
        "changed bob picture",
        "changed dan username isAdmin",
        "changed eve username",
        "created cid",
        "created one +1",
        "deleted cid",
        "deleted fay",
        "deleted one",
        "skipped ann last_admin",
        "skipped three group_name_taken",
        "skipped two group_name_taken",
    ];
    assert_eq!(imagined, expected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_confirmation_is_one_of_who_goes_and_of_the_settings() {
    let names: Vec<String> = (0..10).map(|n| format!("p{n}")).collect();
    let directory = start(&names.iter().map(|name| person(name, &[])).collect::<String>());
    let app = TestApp::start().await;
    app.use_directory(&directory.url(), json!({})).await;
    app.sync().await.expect(204);
    let stop = async || {
        app.sync().await.refused(409, "ldap_sync_stopped");
        app.latest_run().await["id"].as_str().unwrap().to_owned()
    };
    let confirm = async |run: &str| app.script().post(&format!("{PATH}/ldap/runs/{run}/confirm"), &json!({})).await;
    let gone = |from: usize, to: usize| names[from..to].iter().map(|name| dn(name)).collect::<Vec<_>>();
    let delete = |dns: Vec<String>| directory.delete(&dns.iter().map(String::as_str).collect::<Vec<_>>()).unwrap();
    delete(gone(0, 3));
    let run = stop().await;
    // Another three by then: as many, but not these.
    delete(gone(3, 4));
    directory.add(&person("p0", &[])).unwrap();
    confirm(&run).await.refused(409, "ldap_sync_stopped");
    let run = app.latest_run().await["id"].as_str().unwrap().to_owned();
    // The same people by other settings.
    app.script().patch(PATH, &json!({ "ldapSoftDeleteUsers": "false" }), None).await.expect(200);
    confirm(&run).await.refused(409, "ldap_sync_stopped");
    assert_eq!(app.account("p1").await["disabled"], false);
    // The next hour's stopped at the same: whoever looks at the one before means it as well.
    let (run, later) = (app.latest_run().await["id"].as_str().unwrap().to_owned(), stop().await);
    assert_ne!(run, later);
    confirm(&run).await.expect(200);
    assert_eq!(app.find_account("p1").await, None);
    confirm(&later).await.refused(404, "not_found");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn administrators_are_not_lost_unasked() {
    let directory = start(
        &[
            ["ann", "bob", "cid", "dan"].map(|name| person(name, &[])).concat(),
            group("admins", &[&dn("ann"), &dn("bob"), &dn("cid")]),
        ]
        .concat(),
    );
    let app = TestApp::start().await;
    app.admin().await;
    app.use_directory(&directory.url(), json!({})).await;
    app.sync().await.expect(204);
    let admins = |members: &[&str]| directory.modify(&replace(&group_dn("admins"), "member", members)).unwrap();
    let is_admin = async |name: &str| app.account(name).await["isAdmin"] == true;
    // One may go, and come; two of three are asked for.
    admins(&[&dn("ann"), &dn("bob")]);
    app.sync().await.expect(204);
    assert!(!is_admin("cid").await);
    admins(&[&dn("dan")]);
    let refused = app.sync().await.refused(409, "ldap_sync_stopped").json();
    assert_eq!(refused["details"]["admins"], "2", "{refused}");
    assert!(is_admin("ann").await && is_admin("bob").await && !is_admin("dan").await);
    // The last one is asked for, too.
    admins(&[&dn("ann")]);
    app.sync().await.expect(204);
    admins(&[&format!("ou=people,{BASE}")]);
    app.sync().await.refused(409, "ldap_sync_stopped");
    let run = app.latest_run().await;
    assert_eq!((&run["removal"]["admins"], &run["removal"]["users"]), (&json!(1), &json!(0)), "{run}");
    assert!(is_admin("ann").await);
    let path = format!("{PATH}/ldap/runs/{}/confirm", run["id"].as_str().unwrap());
    app.script().post(&path, &json!({})).await.expect(200);
    assert!(!is_admin("ann").await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_written_about_whoever_can_not_have_their_name() {
    let app = TestApp::start().await;
    for name in ["x", "y"] {
        app.person(name).await;
    }
    let directory = start(
        &[
            person("one", &[("employeeNumber", b"a")]),
            person("two", &[("employeeNumber", b"b")]),
            person("three", &[("employeeNumber", b"c")]),
            person("four", &[("employeeNumber", b"d")]),
        ]
        .concat(),
    );
    app.use_directory(&directory.url(), json!({ "ldapAttributeUserUsername": "employeeNumber" })).await;
    app.sync().await.expect(204);
    // Two want names of local accounts, the others want theirs: that comes to nothing each hour.
    let number = |uid: &str, number: &str| replace(&dn(uid), "employeeNumber", &[number]);
    directory
        .modify(&[number("one", "x"), number("two", "y"), number("three", "a"), number("four", "b")].concat())
        .unwrap();
    app.sync().await.expect(204);
    let all = async || {
        let page = app.script().get("/api/users?pagination[limit]=100&sort[column]=username").await.expect(200).json();
        page["data"].clone()
    };
    let before = all().await;
    app.advance(3600);
    app.sync().await.expect(204);
    assert_eq!(app.latest_run().await["counts"]["users"]["skipped"], 4);
    assert_eq!(all().await, before, "neither version nor time");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_group_that_is_gone_is_emptied_first_and_looking_pushes_out_no_report() {
    let names: Vec<String> = (0..60).map(|n| format!("p{n}")).collect();
    let dns: Vec<String> = names.iter().map(|name| dn(name)).collect();
    let members: Vec<&str> = dns.iter().map(String::as_str).collect();
    let people: String = names.iter().map(|name| person(name, &[])).collect();
    let directory = start(&(people + &group("large", &members)));
    let app = TestApp::start().await;
    app.use_directory(&directory.url(), json!({ "ldapRemovalLimitPercent": "100" })).await;
    app.sync().await.expect(204);
    assert_eq!(app.members_of("large").await.unwrap().len(), 60);
    directory.delete(&[&group_dn("large")]).unwrap();
    app.sync().await.expect(204);
    assert_eq!((app.done().await, app.members_of("large").await), (vec!["deleted large".to_owned()], None));
    // In steps, each of which others may come between.
    let left = app.events("GROUP_UPDATED").await.into_iter().filter(|e| e["data"]["membersRemoved"] == "25").count();
    assert_eq!(left, 2);
    let kept = app.latest_run().await["id"].clone();
    for _ in 0..15 {
        dry(&app).await;
    }
    let runs = app.script().get(&format!("{PATH}/ldap/runs")).await.expect(200).json();
    let runs = runs.as_array().unwrap();
    assert_eq!(runs.iter().filter(|run| run["dryRun"] == true).count(), 10);
    assert!(runs.iter().any(|run| run["id"] == kept));
}

type Values = Vec<(&'static str, Vec<Vec<u8>>)>;

fn values(uid: &str) -> Values {
    let one = |text: String| vec![text.into_bytes()];
    vec![
        ("entryUUID", one(format!("id-{uid}"))),
        ("uid", one(uid.to_owned())),
        ("mail", one(format!("{uid}@example.org"))),
    ]
}

fn entry(uid: &str) -> Told {
    Told::Entry(dn(uid), values(uid))
}

fn end() -> Told {
    Told::End(0, Some(paging(b"")))
}

fn asks_for_groups(asked: &Asked) -> bool {
    asked.attributes.iter().any(|name| name == "member")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_directory_that_does_not_tell_everything_takes_nobody() {
    let turn = Arc::new(AtomicUsize::new(0));
    let at = Arc::clone(&turn);
    let (url, _directory) = scripted(move |asked| {
        let turn = at.load(Ordering::SeqCst);
        if asked.is_one {
            // A server may say of everything that isn't there that it is fine, and give nothing.
            return vec![Told::End(
                if turn == 4 {
                    51
                } else if turn == 7 {
                    0
                } else {
                    32
                },
                None,
            )];
        }
        if asks_for_groups(asked) {
            return vec![end()];
        }
        match turn {
            0 | 6 => vec![entry("ann"), entry("bob"), end()],
            // The place to go on at can't be read, or is not told in the middle.
            1 => vec![entry("ann"), Told::End(0, Some(b"\x30\x03\x02\x01".to_vec()))],
            2 if asked.goes_on => vec![Told::End(0, None)],
            2 => vec![entry("ann"), Told::End(0, Some(paging(b"x")))],
            // An entry that is no entry, but whose name can be read, and a part of the directory that is elsewhere.
            3 => {
                let junk = ber(0x30, &[&ber(0x04, &[b"uid"]), &ber(0x04, &[b"bob"])]);
                let broken = ber(0x64, &[&ber(0x04, &[dn("bob").as_bytes()]), &ber(0x30, &[&junk])]);
                let referral = ber(0x73, &[&ber(0x04, &[b"ldap://other.example/ou=lab"])]);
                vec![entry("ann"), Told::Raw(broken), Told::Raw(referral), end()]
            }
            // Not found, and whoever is asked for them is busy.
            4 => vec![entry("ann"), end()],
            _ => vec![entry("ann"), end()],
        }
    })
    .await;
    let app = TestApp::start().await;
    app.use_directory(&url, json!({ "ldapRemovalLimitPercent": "100", "ldapAdminGroupName": "" })).await;
    app.sync().await.expect(204);
    assert_eq!(app.done().await, ["created ann", "created bob"]);
    for broken in [1, 2] {
        turn.store(broken, Ordering::SeqCst);
        let refused = app.sync().await.refused(502, "ldap_failed").json();
        assert!(refused["error"].as_str().unwrap().contains("paging"), "{broken}: {refused}");
    }
    turn.store(3, Ordering::SeqCst);
    app.sync().await.expect(204);
    let lines = ["skipped ldap://other.example/ou=lab referral".to_owned(), format!("skipped {} not_read", dn("bob"))];
    assert_eq!(app.done().await, lines);
    turn.store(4, Ordering::SeqCst);
    app.sync().await.expect(204);
    assert_eq!(app.done().await, [format!("skipped {} not_checked", dn("bob"))]);
    assert_eq!(app.account("bob").await["disabled"], false);
    for (at, done) in [(5, "disabled bob"), (6, "enabled bob"), (7, "disabled bob")] {
        turn.store(at, Ordering::SeqCst);
        app.sync().await.expect(204);
        assert_eq!(app.done().await, [done]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_stops_gives_its_run_back() {
    let hangs = Arc::new(AtomicUsize::new(1));
    let at = Arc::clone(&hangs);
    let (url, _directory) = scripted(move |asked| match at.load(Ordering::SeqCst) {
        // It begins to answer, and never ends.
        1 if !asked.is_one => vec![entry("ann")],
        _ if asked.is_one => vec![Told::End(32, None)],
        _ if asks_for_groups(asked) => vec![end()],
        _ => vec![entry("ann"), end()],
    })
    .await;
    let mut app = TestApp::start().await;
    app.use_directory(&url, json!({ "ldapAdminGroupName": "" })).await;
    let (script, path) = (app.script(), format!("{PATH}/sync-ldap"));
    let asked = tokio::spawn(async move { script.post(&path, &json!({})).await.status.as_u16() });
    let runs = async |app: &TestApp| app.script().get(&format!("{PATH}/ldap/runs")).await.expect(200).json();
    for _ in 0..600 {
        if runs(&app).await[0]["state"] == "running" {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(25)).await;
    }
    app.restart().await;
    assert_eq!(asked.await.unwrap(), 502);
    let ended = runs(&app).await[0].clone();
    assert_eq!((&ended["state"], &ended["failure"]), (&json!("failed"), &json!("the server stopped meanwhile")));
    // Nobody waits for the lease: it was given back.
    hangs.store(0, Ordering::SeqCst);
    app.script().post(&format!("{PATH}/sync-ldap"), &json!({})).await.expect(204);
    assert_eq!(app.done().await, ["created ann"]);
}

/// Entries that are larger than is taken at once, or at all, hold up none of the others.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_too_large_holds_up_none_of_the_others() {
    let mut picture = std::io::Cursor::new(Vec::new());
    RgbImage::from_pixel(20, 20, Rgb([200, 0, 0])).write_to(&mut picture, ImageFormat::Png).unwrap();
    let picture = picture.into_inner();
    let one_by_one = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&one_by_one);
    // Five groups of fourteen megabytes in one page, which is more than one answer may have.
    let large = |cn: &str, asked: &Asked| {
        let mut members: Vec<Vec<u8>> = vec![dn("ann").into_bytes()];
        members.extend((0..14).map(|n| format!("{n}{}", "x".repeat(1_000_000)).into_bytes()));
        let all: Values = vec![
            ("entryUUID", vec![format!("g-{cn}").into_bytes()]),
            ("cn", vec![cn.as_bytes().to_vec()]),
            ("member", members),
        ];
        let wanted = |name: &str| asked.attributes.iter().any(|asked| asked == name);
        Told::Entry(group_dn(cn), all.into_iter().filter(|(name, _)| wanted(name)).collect())
    };
    let (url, _directory) = scripted(move |asked| {
        let wanted = |name: &str| asked.attributes.iter().any(|asked| asked == name);
        if asked.is_one {
            seen.lock().unwrap().push(asked.base.clone());
            let cn = asked.base.strip_prefix("cn=").and_then(|dn| dn.split(',').next());
            return match cn {
                Some(cn) => vec![large(cn, asked), Told::End(0, None)],
                // What is too large stays so, and the rest can be had.
                None if asked.base == dn("bob") && wanted("audio") => {
                    vec![Told::Entry(dn("bob"), vec![("audio", vec![vec![0; 34 << 20]])]), Told::End(0, None)]
                }
                None if asked.base == dn("bob") => vec![entry("bob"), Told::End(0, None)],
                None => vec![Told::End(32, None)],
            };
        }
        if asks_for_groups(asked) {
            let mut all: Vec<Told> = (0..5).map(|n| large(&format!("group{n}"), asked)).collect();
            all.push(end());
            return all;
        }
        if wanted("audio") {
            let with = |uid: &str, picture: Vec<u8>| {
                let mut all = values(uid);
                all.push(("audio", vec![picture]));
                Told::Entry(dn(uid), all)
            };
            return vec![
                with("ann", picture.clone()),
                with("bob", vec![0; 34 << 20]),
                with("cid", picture.clone()),
                end(),
            ];
        }
        vec![entry("ann"), entry("bob"), entry("cid"), end()]
    })
    .await;
    let app = TestApp::start().await;
    let more = json!({ "ldapRemovalLimitPercent": "100", "ldapAdminGroupName": "", "ldapAttributeUserProfilePicture": "audio" });
    app.use_directory(&url, more).await;
    app.sync().await.expect(204);
    let done = app.done().await;
    let about = |what: &str| done.iter().filter(|line| line.contains(what)).cloned().collect::<Vec<_>>();
    assert_eq!(about("picture"), ["changed ann picture", "changed cid picture", "skipped bob picture_too_large"]);
    let created: Vec<String> = (0..5).map(|n| format!("created group{n} +1")).collect();
    assert_eq!(about("created group"), created);
    // Those that did not fit were asked for by themselves.
    assert!(one_by_one.lock().unwrap().iter().any(|base| base.starts_with("cn=group4")));
    app.sync().await.expect(204);
    assert!(!app.done().await.iter().any(|line| line.contains("picture")), "it is told once");
}

/// Of two entries with one identifier neither is believed: whoever may write their own must not become somebody else.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_takes_anothers_identifier_becomes_nobody() {
    let directory: Slapd = start(
        &[person("mallory", &[("employeeNumber", b"2")]), person("victim", &[("employeeNumber", b"1")])].concat(),
    );
    let app = TestApp::start().await;
    app.use_directory(
        &directory.url(),
        json!({ "ldapAttributeUserUniqueIdentifier": "employeeNumber", "ldapRemovalLimitPercent": "100" }),
    )
    .await;
    app.sync().await.expect(204);
    let victim: Value = app.account("victim").await;
    directory.modify(&replace(&dn("mallory"), "employeeNumber", &["1"])).unwrap();
    app.sync().await.expect(204);
    assert_eq!(app.done().await, ["disabled mallory".to_owned(), format!("skipped {} same_id", dn("victim"))]);
    assert_eq!(app.account("victim").await, victim);
}
