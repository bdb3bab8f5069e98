//! Synchronising with a directory: a real OpenLDAP server (api.md §20.6, ops.md §7.1).

use std::sync::Arc;

use image::{ImageFormat, Rgb, RgbImage};
use pid_integrations::fetch::Fetcher;
use pid_testkit::slapd::{BASE, Slapd, dn, group, ldif, person};
use pid_tests::directory::{Line, start};
use pid_tests::{Documents, Receiver, RelyingParty, TestApp};
use serde_json::{Value, json};

const PATH: &str = "/api/application-configuration";

/// Ann administers, Bob and Cid are people.
fn house() -> Slapd {
    start(
        &[
            person("ann", &[("cn", b"Ann Admin"), ("givenName", b"Ann"), ("sn", b"Admin")]),
            person("bob", &[]),
            person("cid", &[]),
            group("admins", &[&dn("ann")]),
            group("staff", &[&dn("ann"), &dn("bob")]),
        ]
        .concat(),
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn people_and_groups_are_taken_over_and_follow_the_directory() {
    let (app, directory) = (TestApp::start().await, house());
    app.use_directory(&directory.url(), json!({})).await;
    app.sync().await.expect(204);
    assert_eq!(
        app.done().await,
        ["created admins +1", "created ann isAdmin", "created bob", "created cid", "created staff +2",]
    );
    let run = app.latest_run().await;
    assert_eq!((&run["state"], &run["counts"]["users"]["created"]), (&json!("done"), &json!(3)), "{run}");
    let ann = app.account("ann").await;
    assert_eq!(
        (&ann["displayName"], &ann["email"], &ann["emailVerified"], &ann["isAdmin"], &ann["firstName"]),
        (&json!("Ann Admin"), &json!("ann@example.org"), &json!(true), &json!(true), &json!("Ann"))
    );
    assert_eq!(ann["ldapId"].as_str().unwrap().len(), 36);
    assert_eq!(app.account("bob").await["isAdmin"], false);
    assert_eq!(app.members_of("staff").await.unwrap(), ["ann", "bob"]);

    // Nothing is done twice.
    app.sync().await.expect(204);
    assert_eq!(app.done().await, [""; 0]);
    assert_eq!(app.latest_run().await["counts"]["users"]["found"], 3);
    let version = app.account("ann").await;
    assert_eq!(version, ann, "nothing was touched");

    let change = format!(
        "dn: {}\nchangetype: modify\nreplace: mail\nmail: ann@new.example\n-\nreplace: sn\nsn: Other\n",
        dn("ann")
    );
    directory.modify(&change).unwrap();
    directory
        .modify(&format!(
            "dn: cn=staff,ou=groups,{BASE}\nchangetype: modify\nreplace: member\nmember: {}\nmember: {}\n",
            dn("bob"),
            dn("cid")
        ))
        .unwrap();
    directory.rename(&dn("bob"), "uid=robert").unwrap();
    directory.rename(&format!("cn=staff,ou=groups,{BASE}"), "cn=crew").unwrap();
    // The group's member is called as before there: it is who its entry says no more.
    directory
        .modify(&format!(
            "dn: cn=crew,ou=groups,{BASE}\nchangetype: modify\nreplace: member\nmember: {}\nmember: {}\n",
            dn("robert"),
            dn("cid")
        ))
        .unwrap();
    let before = app.account("bob").await;
    app.sync().await.expect(204);
    assert_eq!(app.done().await, ["changed ann email lastName", "changed crew name +1 −1", "changed robert username"]);
    assert_eq!(app.account("robert").await["id"], before["id"]);
    assert_eq!(app.members_of("crew").await.unwrap(), ["cid", "robert"]);
    assert_eq!(app.members_of("staff").await, None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whose_name_is_taken_ceases_to_administer_all_the_same() {
    let (app, directory) = (TestApp::start().await, house());
    app.admin().await;
    app.person("local").await;
    app.use_directory(&directory.url(), json!({})).await;
    app.sync().await.expect(204);
    directory
        .modify(&format!("dn: {}\nchangetype: modify\nreplace: mail\nmail: local@example.com\n", dn("ann")))
        .unwrap();
    directory
        .modify(&format!(
            "dn: cn=admins,ou=groups,{BASE}\nchangetype: modify\nreplace: member\nmember: {}\n",
            dn("bob")
        ))
        .unwrap();
    app.sync().await.expect(204);
    assert_eq!(
        app.done().await,
        ["changed admins +1 −1", "changed ann isAdmin", "changed bob isAdmin", "skipped ann email_taken"]
    );
    let ann = app.account("ann").await;
    assert_eq!((&ann["isAdmin"], &ann["email"]), (&json!(false), &json!("ann@example.org")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_gone_is_disabled_or_deleted_and_signed_out_at_once() {
    let (app, directory) = (TestApp::start().await, house());
    let first = app.admin().await;
    app.use_directory(&directory.url(), json!({ "ldapRemovalLimitPercent": "100" })).await;
    app.sync().await.expect(204);
    let receiver = Receiver::start().await;
    let rp = RelyingParty::register(&app, json!({ "backchannelLogoutURL": receiver.url("/logout") })).await;
    let mut bob = app.enter(app.account("bob").await).await;
    let tokens = rp.sign_in(&mut bob, "openid offline_access").await;
    bob.agent.get("/api/users/me").await.expect(200);

    directory.delete(&[&dn("bob"), &format!("cn=staff,ou=groups,{BASE}")]).unwrap();
    app.sync().await.expect(204);
    assert_eq!(app.done().await, ["deleted staff", "disabled bob"]);
    assert_eq!(app.account("bob").await["disabled"], true);
    bob.agent.get("/api/users/me").await.refused(403, "user_disabled");
    rp.refresh(tokens.refresh()).await.oauth_error(400, "invalid_grant");
    receiver.wait_for(1).await;
    assert_eq!(app.members_of("staff").await, None);

    // Back again, as themselves.
    directory.add(&person("bob", &[])).unwrap();
    app.sync().await.expect(204);
    // A new entry is another person: it can't have the name of the one who is disabled.
    assert_eq!(app.done().await, [format!("skipped {} email_taken", dn("bob"))]);

    app.script().patch(PATH, &json!({ "ldapSoftDeleteUsers": "false" }), None).await.expect(200);
    app.sync().await.expect(204);
    assert_eq!(app.done().await, ["created bob", "deleted bob"]);
    assert_eq!(app.account("bob").await["disabled"], false);
    first.agent.get("/api/users/me").await.expect(200);
    let gone = app.events("USER_DELETED").await;
    assert_eq!((&gone[0]["data"]["username"], &gone[0]["data"]["source"]), (&json!("bob"), &json!("LDAP")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn somebody_who_was_moved_out_of_the_search_and_back_is_enabled_again() {
    let (app, directory) = (TestApp::start().await, house());
    app.use_directory(&directory.url(), json!({ "ldapRemovalLimitPercent": "100" })).await;
    app.sync().await.expect(204);
    let filter = async |filter: &'static str| {
        app.script().patch(PATH, &json!({ "ldapUserSearchFilter": filter }), None).await.expect(200);
        app.sync().await.expect(204);
        app.done().await
    };
    assert_eq!(filter("(&(objectClass=inetOrgPerson)(!(uid=cid)))").await, ["disabled cid"]);
    app.script()
        .patch(
            &format!("/api/users/{}", app.account("cid").await["id"].as_str().unwrap()),
            &json!({ "locale": "fr" }),
            None,
        )
        .await
        .expect(200);
    assert_eq!(filter("(objectClass=inetOrgPerson)").await, ["enabled cid"]);
    assert_eq!(app.account("cid").await["locale"], "fr", "what people chose here stays");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_bad_entry_holds_up_none_of_the_others() {
    let app = TestApp::start().await;
    app.person("local").await;
    app.script().post("/api/user-groups", &json!({ "name": "local", "friendlyName": "Local" })).await.expect(201);
    let directory = start(
        &[
            person("good", &[]),
            person("no-mail", &[("mail", b"")]),
            person("bad-mail", &[("mail", b"nobody")]),
            person("long-name", &[("cn", &[b'x'; 120])]),
            person("LOCAL", &[("mail", b"other@example.org")]),
            person("taken-mail", &[("mail", b"local@example.com")]),
            person("a b", &[("mail", b"ab@example.org")]),
            person("quote", &[("cn", "\u{201c}<script>alert(1)</script>\u{201d}{{ 7*7 }}".as_bytes())]),
            person("dir", &[("cn", "ev\u{202e}il".as_bytes())]),
            group("local", &[&dn("good")]),
            group("x", &[&dn("good")]),
            group("fine", &[&dn("good"), &dn("no-mail"), "uid=ghost,ou=people,dc=elsewhere", &dn("bad-mail")]),
        ]
        .concat(),
    );
    app.use_directory(&directory.url(), json!({})).await;
    app.sync().await.expect(204);
    let line = |uid: &str, reason: &str| format!("skipped {} {reason}", dn(uid));
    let mut expected = vec![
        line("LOCAL", "username_taken"),
        line("a b", "bad_username"),
        line("bad-mail", "bad_email"),
        line("dir", "bad_name"),
        line("long-name", "bad_name"),
        line("no-mail", "no_email"),
        line("taken-mail", "email_taken"),
        "created fine +1".to_owned(),
        "created good".to_owned(),
        "created quote".to_owned(),
        format!("skipped cn=x,ou=groups,{BASE} bad_group_name"),
        "skipped local group_name_taken".to_owned(),
    ];
    expected.sort();
    assert_eq!(app.done().await, expected);
    assert_eq!(app.latest_run().await["counts"]["groups"]["membersUnknown"], 3);
    assert_eq!(app.members_of("fine").await.unwrap(), ["good"]);

    // Without a need for addresses one of them is good; one who loses the address stays as they are where there is one.
    app.script().patch(PATH, &json!({ "requireUserEmail": "false" }), None).await.expect(200);
    app.sync().await.expect(204);
    let done = app.done().await;
    assert!(done.contains(&"created no-mail".to_owned()) && !done.iter().any(|l| l.contains("good")), "{done:?}");
    app.script().patch(PATH, &json!({ "requireUserEmail": "true" }), None).await.expect(200);
    app.sync().await.expect(204);
    assert!(app.done().await.contains(&line("no-mail", "no_email")));
    assert_eq!(app.account("no-mail").await["disabled"], false, "whoever is passed over is not gone");
    assert_eq!(app.members_of("fine").await.unwrap(), ["good", "no-mail"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn names_that_people_exchange_are_exchanged() {
    let directory = start(&[person("one", &[]), person("two", &[]), person("three", &[])].concat());
    let app = TestApp::start().await;
    app.use_directory(
        &directory.url(),
        json!({ "ldapAttributeUserUsername": "employeeNumber", "ldapAttributeUserEmail": "mail" }),
    )
    .await;
    let number = |uid: &str, number: &str| {
        format!("dn: {}\nchangetype: modify\nreplace: employeeNumber\nemployeeNumber: {number}\n\n", dn(uid))
    };
    directory.modify(&[number("one", "a"), number("two", "b"), number("three", "c")].concat()).unwrap();
    app.sync().await.expect(204);
    let ids = [
        app.account("a").await["id"].clone(),
        app.account("b").await["id"].clone(),
        app.account("c").await["id"].clone(),
    ];
    // In a circle, and then in a chain whose end is free.
    directory.modify(&[number("one", "b"), number("two", "a")].concat()).unwrap();
    app.sync().await.expect(204);
    assert_eq!([&app.account("b").await["id"], &app.account("a").await["id"]], [&ids[0], &ids[1]]);
    directory.modify(&[number("one", "c"), number("two", "b"), number("three", "d")].concat()).unwrap();
    app.sync().await.expect(204);
    let now = [
        app.account("c").await["id"].clone(),
        app.account("b").await["id"].clone(),
        app.account("d").await["id"].clone(),
    ];
    assert_eq!(now, ids);
    assert_eq!(app.latest_run().await["counts"]["users"]["skipped"], 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tls_from_the_beginning_and_by_start_tls() {
    let directory = house();
    let authority = directory.authority().unwrap();
    let reach = move |guard| {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(authority.clone().into()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        Fetcher::new(guard).with_tls(Arc::new(config))
    };
    let app = TestApp::start_reaching(&[], Arc::new(reach)).await;
    app.use_directory(&directory.tls_url(), json!({})).await;
    app.sync().await.expect(204);
    assert_eq!(app.latest_run().await["counts"]["users"]["created"], 3);
    let by_name = format!("ldap://localhost:{}", directory.port());
    app.use_directory(&by_name, json!({ "ldapStartTls": "true" })).await;
    app.sync().await.expect(204);
    // The certificate is for the name, not for the address.
    app.use_directory(&directory.url(), json!({ "ldapStartTls": "true" })).await;
    let refused = app.sync().await.refused(502, "ldap_failed").json();
    assert!(refused["error"].as_str().unwrap().contains("no trusted TLS connection"), "{refused}");

    // Whoever doesn't know the authority trusts nobody, unless told so.
    let stranger = TestApp::start().await;
    for (url, start_tls) in [(directory.tls_url(), "false"), (by_name.clone(), "true")] {
        stranger.use_directory(&url, json!({ "ldapStartTls": start_tls })).await;
        stranger.sync().await.refused(502, "ldap_failed");
        stranger.use_directory(&url, json!({ "ldapStartTls": start_tls, "ldapSkipCertVerify": "true" })).await;
        stranger.sync().await.expect(204);
        stranger.use_directory(&url, json!({ "ldapSkipCertVerify": "false" })).await;
    }
    // No TLS behind that port, and no password in the clear instead.
    let plain = format!("ldaps://localhost:{}", directory.port());
    stranger.use_directory(&plain, json!({ "ldapSkipCertVerify": "true", "ldapStartTls": "false" })).await;
    stranger.sync().await.refused(502, "ldap_failed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_thousand_people_come_page_by_page() {
    let uid = |n: usize| format!("p{n:04}");
    let mut entries: String = (0..5000).map(|n| person(&uid(n), &[])).collect();
    let members: Vec<String> = (0..2000).map(|n| dn(&uid(n))).collect();
    entries += &group("half", &members.iter().map(String::as_str).collect::<Vec<_>>());
    let directory = start(&entries);
    let app = TestApp::start().await;
    app.use_directory(&directory.url(), json!({})).await;
    app.sync().await.expect(204);
    let counts = app.latest_run().await["counts"].clone();
    assert_eq!((&counts["users"]["found"], &counts["users"]["created"]), (&json!(5000), &json!(5000)), "{counts}");
    assert_eq!(counts["groups"]["membersAdded"], 2000);
    let page = app.script().get("/api/users?pagination[limit]=1").await.expect(200).json();
    assert_eq!(page["pagination"]["totalItems"], 5001, "and the static key's");
    // Of each action the first thousand are told.
    let run = app.latest_run().await;
    let path =
        format!("{PATH}/ldap/runs/{}/entries?filters[kind]=user&pagination[limit]=1", run["id"].as_str().unwrap());
    assert_eq!(app.script().get(&path).await.expect(200).json()["pagination"]["totalItems"], 1000);
    app.sync().await.expect(204);
    assert_eq!(app.done().await.len(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nested_groups_posix_groups_and_circles() {
    let posix = ldif(
        &format!("cn=unix,ou=groups,{BASE}"),
        &[
            ("objectClass", b"posixGroup"),
            ("cn", b"unix"),
            ("gidNumber", b"10"),
            ("memberUid", b"BOB"),
            ("memberUid", b"ghost"),
        ],
    );
    let name = |cn: &str| format!("cn={cn},ou=groups,{BASE}");
    let directory = start(
        &[
            person("ann", &[]),
            person("bob", &[]),
            group("outer", &[&name("inner"), &dn("ann")]),
            group("inner", &[&dn("bob"), &name("outer")]),
            group("admins", &[&name("inner")]),
            posix,
        ]
        .concat(),
    );
    let app = TestApp::start().await;
    app.use_directory(&directory.url(), json!({})).await;
    app.sync().await.expect(204);
    assert_eq!(app.members_of("outer").await.unwrap(), ["ann"]);
    assert_eq!(app.account("bob").await["isAdmin"], false);
    // `memberUid` is another attribute.
    app.use_directory(&directory.url(), json!({ "ldapNestedGroups": "true", "ldapAttributeGroupMember": "member" }))
        .await;
    app.sync().await.expect(204);
    assert_eq!(app.members_of("outer").await.unwrap(), ["ann", "bob"]);
    assert_eq!(app.members_of("inner").await.unwrap(), ["ann", "bob"]);
    assert_eq!(app.account("ann").await["isAdmin"], true, "through a group in the group");
    let posix = json!({ "ldapAttributeGroupMember": "memberUid", "ldapUserGroupSearchFilter": "(objectClass=posixGroup)", "ldapRemovalLimitPercent": "100" });
    app.use_directory(&directory.url(), posix).await;
    app.sync().await.expect(204);
    assert_eq!(app.members_of("unix").await.unwrap(), ["bob"]);
    assert_eq!(app.members_of("outer").await, None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_directory_like_active_directory() {
    let guid: Vec<u8> = (0xa0..0xb0).collect();
    let photo = {
        let mut out = std::io::Cursor::new(Vec::new());
        RgbImage::from_pixel(64, 64, Rgb([200, 30, 30])).write_to(&mut out, ImageFormat::Jpeg).unwrap();
        out.into_inner()
    };
    let user = |cn: &str, sam: &str, guid: &[u8], control: &[u8], more: &[(&str, &[u8])]| {
        let mail = format!("{sam}@corp.example");
        let mut all: Vec<(&str, &[u8])> = vec![
            ("objectClass", b"adUser"),
            ("cn", cn.as_bytes()),
            ("objectGUID", guid),
            ("sAMAccountName", sam.as_bytes()),
            ("userAccountControl", control),
            ("mail", mail.as_bytes()),
        ];
        all.extend(more);
        ldif(&format!("cn={cn},ou=people,{BASE}"), &all)
    };
    let tim = format!("cn=Test\\, Tim,ou=people,{BASE}");
    let admins = format!("cn=Admins,ou=groups,{BASE}");
    let directory = start(
        &[
            // A comma in the name, as Active Directory writes "Last, First".
            user(
                "Test\\, Tim",
                "Tim.Test",
                &guid,
                b"512",
                &[
                    ("givenName", b"Tim"),
                    ("sn", b"Test"),
                    ("displayName", "Tim T\u{e9}st".as_bytes()),
                    ("thumbnailPhoto", &photo),
                ],
            )
            .replace("cn: Test\\, Tim", "cn: Test, Tim"),
            user("Off", "off", &[7; 16], b"514", &[]),
            ldif(
                &admins,
                &[("objectClass", b"adGroup"), ("cn", b"Admins"), ("objectGUID", &[9; 16]), ("member", tim.as_bytes())],
            ),
        ]
        .concat(),
    );
    let app = TestApp::start().await;
    let settings = json!({
        // Enabled accounts only: the bit of `userAccountControl` that disables.
        "ldapUserSearchFilter": "(&(objectClass=adUser)(!(userAccountControl=514)))",
        "ldapUserGroupSearchFilter": "(objectClass=adGroup)",
        "ldapAttributeUserUniqueIdentifier": "objectGUID", "ldapAttributeUserUsername": "sAMAccountName",
        "ldapAttributeUserDisplayName": "displayName", "ldapAttributeUserProfilePicture": "thumbnailPhoto",
        "ldapAttributeGroupUniqueIdentifier": "objectGUID", "ldapAdminGroupName": "Admins",
    });
    app.use_directory(&directory.url(), settings).await;
    app.sync().await.expect(204);
    assert_eq!(app.done().await, ["changed Tim.Test picture", "created Admins +1", "created Tim.Test isAdmin"]);
    let tim = app.account("Tim.Test").await;
    assert_eq!(tim["ldapId"], "a0a1a2a3-a4a5-a6a7-a8a9-aaabacadaeaf");
    assert_eq!((&tim["isAdmin"], &tim["displayName"]), (&json!(true), &json!("Tim T\u{e9}st")));
    let picture =
        app.agent().get(&format!("/api/users/{}/profile-picture.png", tim["id"].as_str().unwrap())).await.expect(200);
    let picture = image::load_from_memory(&picture.body).unwrap().to_rgb8();
    assert!(picture.get_pixel(150, 150).0[0] > 180 && picture.get_pixel(150, 150).0[1] < 60);
    app.sync().await.expect(204);
    assert_eq!(app.done().await, [""; 0], "the same picture is the same");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pictures_come_as_bytes_base64_or_addresses() {
    use base64::Engine as _;
    let png = |color: [u8; 3]| {
        let mut out = std::io::Cursor::new(Vec::new());
        RgbImage::from_pixel(20, 20, Rgb(color)).write_to(&mut out, ImageFormat::Png).unwrap();
        out.into_inner()
    };
    let packed = base64::engine::general_purpose::STANDARD.encode(png([0, 200, 0]));
    let documents = Documents::start(&["pictures.test"]).await;
    documents.publish("https://pictures.test/c.png", 200, "content-type: image/png\r\n", &png([0, 0, 200]));
    // An attribute that takes any bytes: that of JPEG pictures takes nothing else.
    let directory = start(
        &[
            person("raw", &[("audio", &png([200, 0, 0]))]),
            person("packed", &[("audio", packed.as_bytes())]),
            person("linked", &[("audio", b"https://pictures.test/c.png")]),
            person("inside", &[("audio", b"http://127.0.0.1/x.png")]),
            person("junk", &[("audio", b"\xff\xd8\xff junk")]),
            person("plain", &[]),
        ]
        .concat(),
    );
    let app = TestApp::start_reaching(&[("ALLOWED_PRIVATE_TARGETS", "127.0.0.1")], documents.reach()).await;
    let more = json!({ "ldapAttributeUserProfilePicture": "audio" });
    app.use_directory(&directory.url(), more).await;
    app.sync().await.expect(204);
    let done = app.done().await;
    let about = |what: &str| done.iter().filter(|line| line.contains(what)).cloned().collect::<Vec<_>>();
    assert_eq!(
        about("picture"),
        [
            "changed linked picture",
            "changed packed picture",
            "changed raw picture",
            "skipped inside picture_not_fetched",
            "skipped junk bad_picture",
        ]
    );
    assert_eq!(app.latest_run().await["counts"]["users"]["pictures"], 3);
    let color = async |name: &str| {
        let id = app.account(name).await["id"].as_str().unwrap().to_owned();
        let picture = app.agent().get(&format!("/api/users/{id}/profile-picture.png")).await.expect(200);
        image::load_from_memory(&picture.body).unwrap().to_rgb8().get_pixel(150, 150).0
    };
    assert_eq!(
        [color("raw").await, color("packed").await, color("linked").await],
        [[200, 0, 0], [0, 200, 0], [0, 0, 200]]
    );
    app.sync().await.expect(204);
    assert_eq!(app.done().await, [""; 0], "neither good nor bad ones are made again");
    assert_eq!(documents.asked().len(), 1);
    directory.modify(&format!("dn: {}\nchangetype: modify\ndelete: audio\n", dn("raw"))).unwrap();
    app.sync().await.expect(204);
    assert_eq!(app.done().await, ["changed raw picture"]);
    // After a day the picture behind an address may be another.
    documents.publish("https://pictures.test/c.png", 200, "content-type: image/png\r\n", &png([200, 200, 0]));
    app.advance(25 * 3600);
    app.sync().await.expect(204);
    assert_eq!(color("linked").await, [200, 200, 0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dry_run_shows_the_difference_and_changes_nothing() {
    let (app, directory) = (TestApp::start().await, house());
    app.person("bob").await;
    // Before it is even switched on, with settings that are not saved.
    let mut settings = pid_tests::directory::settings(&directory.url());
    settings.as_object_mut().unwrap().remove("ldapEnabled");
    let script = app.script();
    let run = script.post(&format!("{PATH}/ldap/dry-run"), &settings).await.expect(200).json();
    assert_eq!((&run["dryRun"], &run["state"]), (&json!(true), &json!("done")), "{run}");
    assert_eq!(
        app.entries_of(&run).await,
        [
            "created admins +1".to_owned(),
            "created ann isAdmin".to_owned(),
            "created cid".to_owned(),
            "created staff +1".to_owned(),
            format!("skipped {} username_taken", dn("bob")),
        ]
    );
    assert_eq!(app.find_account("ann").await, None);
    assert_eq!(app.members_of("staff").await, None);
    let all = script.get(&format!("{PATH}/all")).await.expect(200).json();
    assert!(all.as_array().unwrap().iter().all(|e| e["key"] != "ldapUrl" || e["value"] == ""));

    app.use_directory(&directory.url(), json!({ "ldapRemovalLimitPercent": "100" })).await;
    app.sync().await.expect(204);
    directory.delete(&[&dn("cid"), &format!("cn=staff,ou=groups,{BASE}")]).unwrap();
    directory.add(&person("dan", &[])).unwrap();
    let run = script.post(&format!("{PATH}/ldap/dry-run"), &json!({})).await.expect(200).json();
    let skipped = format!("skipped {} username_taken", dn("bob"));
    let imagined = app.entries_of(&run).await;
    assert_eq!(imagined, ["created dan", "deleted staff", "disabled cid", &skipped]);
    assert_eq!(app.account("cid").await["disabled"], false);
    app.sync().await.expect(204);
    assert_eq!(app.done().await, imagined, "what was shown is what happens");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_connection_is_tried_and_the_server_says_why_not() {
    let (app, directory) = (TestApp::start().await, house());
    let script = app.script();
    let test = format!("{PATH}/ldap/test");
    let settings = pid_tests::directory::settings(&directory.url());
    let found = script.post(&test, &settings).await.expect(200).json();
    assert_eq!(found["firstUser"], dn("ann"));
    assert!(found["firstGroup"].as_str().unwrap().ends_with(&format!("ou=groups,{BASE}")), "{found}");
    let with = |key: &str, value: &str| {
        let mut settings = settings.clone();
        settings[key] = json!(value);
        settings
    };
    for (key, value, words) in [
        ("ldapBindPassword", "wrong", "invalidCredentials (49)"),
        ("ldapBase", "dc=nowhere", "noSuchObject (32)"),
        ("ldapBase", "not a name", "invalidDNSyntax (34)"),
        ("ldapUrl", "ldap://127.0.0.1:1", "no connection could be made"),
        ("ldapUrl", "ldap://169.254.169.254", "must not be called"),
    ] {
        let refused = script.post(&test, &with(key, value)).await.refused(502, "ldap_failed").json();
        let said = refused["error"].as_str().unwrap();
        assert!(said.contains(words) && !said.contains("s3cret"), "{key}={value}: {said}");
    }
    script.post(&test, &with("ldapUrl", "http://x")).await.invalid(&["ldapUrl invalid_format"]);
    script.post(&test, &with("ldapBase", "")).await.invalid(&["ldapBase required"]);
    script.post(&test, &with("ldapBindPassword", "")).await.invalid(&["ldapBindPassword required"]);
    // Nothing was saved by all that.
    app.sync().await.refused(409, "ldap_disabled");
    script.patch(PATH, &json!({ "ldapEnabled": "true" }), None).await.expect(200);
    app.sync().await.invalid(&[
        "ldapUrl required",
        "ldapBase required",
        "ldapAttributeUserUniqueIdentifier required",
        "ldapAttributeUserUsername required",
    ]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_line_that_is_cut_in_the_middle_changes_nothing() {
    let entries: String = (0..700).map(|n| person(&format!("p{n}"), &[])).collect();
    let (app, directory) = (TestApp::start().await, start(&entries));
    let line = Line::to(directory.port()).await;
    app.use_directory(&line.url(), json!({ "ldapRemovalLimitPercent": "100" })).await;
    app.sync().await.expect(204);
    let all = line.passed();
    for bytes in [5, 40, all / 3, all / 2, all - 10] {
        line.cut_after(bytes);
        let refused = app.sync().await.refused(502, "ldap_failed").json();
        assert!(refused["error"].as_str().unwrap().contains("broke"), "{bytes}: {refused}");
        let run = app.latest_run().await;
        assert_eq!((&run["state"], &run["counts"]["users"]["disabled"]), (&json!("failed"), &json!(0)), "{run}");
    }
    line.cut_after(usize::MAX);
    app.sync().await.expect(204);
    assert_eq!(app.done().await, [""; 0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_hour_one_server_does_it_by_itself() {
    let (app, directory) = (TestApp::start().await, house());
    app.use_directory(&directory.url(), json!({})).await;
    let runs =
        async || app.script().get(&format!("{PATH}/ldap/runs")).await.expect(200).json().as_array().unwrap().len();
    // Whoever has just switched it on looks first.
    pid_jobs::ldap::turn(app.app(), 3600, false).await.unwrap();
    assert_eq!(runs().await, 0);
    pid_jobs::ldap::turn(app.app(), 3600, true).await.unwrap();
    assert_eq!((runs().await, app.latest_run().await["byHand"].clone()), (1, json!(false)));
    pid_jobs::ldap::turn(app.app(), 3600, true).await.unwrap();
    app.advance(3599);
    pid_jobs::ldap::turn(app.app(), 3600, true).await.unwrap();
    assert_eq!(runs().await, 1);
    app.advance(2);
    pid_jobs::ldap::turn(app.app(), 3600, false).await.unwrap();
    assert_eq!(runs().await, 2);
    app.script().patch(PATH, &json!({ "ldapEnabled": "false" }), None).await.expect(200);
    app.advance(3601);
    pid_jobs::ldap::turn(app.app(), 3600, false).await.unwrap();
    assert_eq!(runs().await, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_run_at_a_time() {
    let entries: String = (0..3000).map(|n| person(&format!("p{n}"), &[])).collect();
    let (app, directory) = (TestApp::start().await, start(&entries));
    app.use_directory(&directory.url(), json!({})).await;
    let (script, path) = (app.script(), format!("{PATH}/sync-ldap"));
    let none = json!({});
    let (a, b) = tokio::join!(script.post(&path, &none), script.post(&path, &none));
    let (done, refused) = if a.status == 204 { (a, b) } else { (b, a) };
    done.expect(204);
    refused.refused(409, "ldap_sync_running");
    assert_eq!(app.latest_run().await["counts"]["users"]["created"], 3000);
    // Asked for by name.
    assert_eq!(app.events("LDAP_SYNC").await.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_directory_manages_is_locked() {
    let (app, directory) = (TestApp::start().await, house());
    app.use_directory(&directory.url(), json!({ "ldapRemovalLimitPercent": "100" })).await;
    app.sync().await.expect(204);
    let script = app.script();
    let bob = app.account("bob").await;
    let path = format!("/api/users/{}", bob["id"].as_str().unwrap());
    let change = json!({ "username": "other", "isAdmin": true, "disabled": true, "locale": "de" });
    let after = script.patch(&path, &change, None).await.expect(200).json();
    let seen = |user: &Value| {
        [user["username"].clone(), user["isAdmin"].clone(), user["disabled"].clone(), user["locale"].clone()]
    };
    assert_eq!(seen(&after), [json!("bob"), json!(false), json!(false), json!("de")]);
    script.delete(&path).await.refused(403, "ldap_user_update");
    let groups = script.get("/api/user-groups?search=staff").await.expect(200).json();
    let group = format!("/api/user-groups/{}", groups["data"][0]["id"].as_str().unwrap());
    script.patch(&group, &json!({ "name": "other" }), None).await.refused(403, "ldap_user_group_update");
    script.delete(&group).await.refused(403, "ldap_user_group_update");
    // Who is gone and disabled may be deleted, and all of them once the directory is off.
    directory.delete(&[&dn("bob")]).unwrap();
    app.sync().await.expect(204);
    script.delete(&path).await.expect(204);
    script.patch(PATH, &json!({ "ldapEnabled": "false" }), None).await.expect(200);
    script.delete(&group).await.expect(204);
}
