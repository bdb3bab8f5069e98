//! Section G: set-up, self-service and administrators.

use pid_tests::{Agent, Person, Reply, TestApp};
use serde_json::{Value, json};

async fn admins(app: &TestApp) -> Vec<String> {
    let page =
        app.script().get("/api/users?filters[isAdmin]=true&filters[disabled]=false&pagination[limit]=100").await.json();
    let names = page["data"].as_array().unwrap().iter().map(|u| u["username"].as_str().unwrap().to_owned());
    names.filter(|name| !name.starts_with("static-api-user")).collect()
}

fn path(person: &Person) -> String {
    format!("/api/users/{}", person.id())
}

async fn passkeys(app: &TestApp, person: &Person) -> Vec<String> {
    let list = app.script().get(&format!("{}/webauthn-credentials", path(person))).await.expect(200).json();
    list.as_array().unwrap().iter().map(|p| p["id"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_069_of_parallel_set_ups_one_wins() {
    let mut app = TestApp::start().await;
    let tasks: Vec<_> = (0..20)
        .map(|n| {
            let agent = app.agent();
            let body = json!({ "username": format!("admin{n}"), "email": format!("admin{n}@example.com") });
            tokio::spawn(async move { (agent.post("/api/signup/setup", &body).await, agent) })
        })
        .collect();
    let (mut winners, mut losers) = (Vec::new(), 0);
    for task in tasks {
        let (reply, agent) = task.await.unwrap();
        if reply.status == 200 {
            winners.push((reply.json()["username"].as_str().unwrap().to_owned(), agent));
        } else {
            reply.refused(409, "setup_already_completed");
            assert_eq!(agent.cookie("access_token"), None);
            losers += 1;
        }
    }
    assert_eq!((winners.len(), losers), (1, 19));
    let (name, agent) = &winners[0];
    assert_eq!(&admins(&app).await, std::slice::from_ref(name));
    assert_eq!(
        app.script().get("/api/users").await.json()["pagination"]["totalItems"],
        2,
        "with the one of the static key"
    );
    app.restart().await;
    assert_eq!(agent.get("/api/users/me").await.expect(200).json()["username"], name.as_str());
    let late = json!({ "username": "late", "email": "late@example.com" });
    app.agent().post("/api/signup/setup", &late).await.refused(409, "setup_already_completed");
    app.agent().get("/api/signup/setup").await.refused(404, "setup_not_available");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_071_nobody_makes_themselves_more_than_they_are() {
    let mut app = TestApp::start().await;
    app.admin().await;
    let tim = app.person("tim").await;
    let group = app.script().post("/api/user-groups", &json!({ "name": "staff", "friendlyName": "Staff" })).await.id();
    let more = json!({
        "id": "ffffffff-0000-4000-8000-000000000000", "username": "tim", "email": "tim@example.com", "isAdmin": true,
        "disabled": true, "emailVerified": true, "ldapId": "cn=admin", "roles": ["user-manager", "auditor"], "userGroupIds": [group], "userGroups": [{ "id": group }],
        "customClaims": [{ "key": "role", "value": "admin" }], "version": 99, "createdAt": "2001-01-01T00:00:00Z",
        "firstName": "Tim", "lastName": "Test", "displayName": "Tim Test", "IsAdmin": true, "is_admin": true,
    });
    assert_eq!(tim.agent.put("/api/users/me", &more).await.expect(200).json(), tim.user);
    assert_eq!(tim.agent.patch("/api/users/me", &more, None).await.expect(200).json(), tim.user);
    app.restart().await;
    assert_eq!(app.script().get(&path(&tim)).await.json(), tim.user);
    // The admin's routes by one's own id are closed.
    for reply in [
        tim.agent.put(&path(&tim), &more).await,
        tim.agent.patch(&path(&tim), &json!({ "isAdmin": true }), None).await,
        tim.agent.put(&format!("{}/user-groups", path(&tim)), &json!({ "userGroupIds": [group] })).await,
        tim.agent.put(&format!("/api/custom-claims/user/{}", tim.id()), &json!([])).await,
        tim.agent.put(&format!("/api/user-groups/{group}/users"), &json!({ "userIds": [tim.id()] })).await,
    ] {
        reply.refused(403, "forbidden");
    }
    // What belongs to a directory isn't given by hand, not even by an admin.
    let made = json!({ "username": "ann", "email": "ann@example.com", "ldapId": "cn=ann", "version": 7 });
    let made = app.script().post("/api/users", &made).await.expect(201);
    assert_eq!((&made.json()["ldapId"], made.etag()), (&Value::Null, "\"1\"".to_owned()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_071_set_up_takes_no_more_than_it_asks_for() {
    let app = TestApp::start().await;
    let body = json!({ "id": "ffffffff-0000-4000-8000-000000000000", "username": "ada", "email": "ada@example.com",
        "disabled": true, "emailVerified": true, "ldapId": "x", "displayName": "Other", "isAdmin": false });
    let made = app.agent().post("/api/signup/setup", &body).await.expect(200).json();
    assert_ne!(made["id"], body["id"]);
    assert_eq!(
        (&made["disabled"], &made["emailVerified"], &made["isAdmin"]),
        (&json!(false), &json!(false), &json!(true))
    );
}

/// Every door by which a name or an address comes in.
async fn refused_everywhere(app: &TestApp, tim: &Person, name: &str, value: &str, code: &str) {
    let mut body = json!({ "username": "new", "email": "new@example.com" });
    body[name] = json!(value);
    let field = format!("{name} {code}");
    app.script().post("/api/users", &body).await.invalid(&[&field]);
    app.script().patch(&path(tim), &json!({ name: value }), None).await.invalid(&[&field]);
    tim.agent.patch("/api/users/me", &json!({ name: value }), None).await.invalid(&[&field]);
    tim.agent.put("/api/users/me", &body).await.invalid(&[&field]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_072_usernames_are_plain_and_addresses_unique() {
    let app = TestApp::start().await;
    let tim = app.person("tim").await;
    for name in [
        "tim.",
        ".tim",
        "-tim",
        "tim@",
        "ti m",
        " tim",
        "tim ",
        "t\u{200b}im",
        "\u{202e}mit",
        "tím",
        "тim",
        "tim\u{301}",
        "a/b",
        "a\\b",
        "a\nb",
        "a\0b",
        "<tim>",
        "tim;--",
        "tim%",
        "ｔim",
    ] {
        refused_everywhere(&app, &tim, "username", name, "invalid_format").await;
    }
    refused_everywhere(&app, &tim, "username", &"a".repeat(51), "too_long").await;
    refused_everywhere(&app, &tim, "username", &"a".repeat(300), "too_long").await;
    refused_everywhere(&app, &tim, "username", "", "required").await;
    for address in [
        "tim",
        "tim@",
        "@example.com",
        "tim@localhost",
        "tim@example.com.",
        "t im@example.com",
        "tim@exa mple.com",
        "tim@example.com\r\nBcc: a@b.example",
        "<tim@example.com>",
        "tim@example..com",
        "t\u{200b}im@example.com",
        ".tim@example.com",
        &format!("{}@example.com", "a".repeat(300)),
    ] {
        refused_everywhere(&app, &tim, "email", address, "invalid_format").await;
    }
    // No name is reserved; all that counts is that nobody has it.
    for (n, name) in ["admin", "root", "me", "null", "static", "administrator", "api"].iter().enumerate() {
        let body = json!({ "username": name, "email": format!("n{n}@example.com") });
        app.script().post("/api/users", &body).await.expect(201);
    }
    for (name, value) in
        [("username", "TIM"), ("username", "Tim"), ("email", "TIM@EXAMPLE.COM"), ("email", "Tim@Example.com")]
    {
        let mut body = json!({ "username": "new", "email": "new@example.com" });
        body[name] = json!(value);
        let refused = app.script().post("/api/users", &body).await.refused(409, "already_in_use").json();
        assert_eq!(refused["details"]["property"], name);
    }
    let composed = json!({ "username": "composed", "email": "j\u{f6}rg@example.com" });
    app.script().post("/api/users", &composed).await.expect(201);
    let decomposed = json!({ "username": "decomposed", "email": "Jo\u{308}rg@example.com" });
    app.script().post("/api/users", &decomposed).await.refused(409, "already_in_use");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_074_the_last_admin_stays_whatever_the_door() {
    let mut app = TestApp::start().await;
    let admin = app.admin().await;
    let tim = app.person("tim").await;
    // A second admin who has no passkey can't sign in, and so does not count.
    let idle = json!({ "username": "idle", "email": "idle@example.com", "isAdmin": true });
    let idle = app.script().post("/api/users", &idle).await.expect(201).id();
    let body = |changes: Value| {
        let mut body = json!({ "username": "admin", "email": "admin@example.com", "isAdmin": true });
        body.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        body
    };
    let own = &passkeys(&app, &admin).await[0];
    for by in [&admin.agent, &app.script()] {
        let doors: [Reply; 7] = [
            by.put(&path(&admin), &body(json!({ "isAdmin": false }))).await,
            by.put(&path(&admin), &body(json!({ "disabled": true }))).await,
            by.patch(&path(&admin), &json!({ "isAdmin": false }), None).await,
            by.patch(&path(&admin), &json!({ "isAdmin": null }), None).await,
            by.patch(&path(&admin), &json!({ "disabled": true }), None).await,
            by.delete(&path(&admin)).await,
            by.delete(&format!("{}/webauthn-credentials/{own}", path(&admin))).await,
        ];
        for door in doors {
            door.refused(409, "last_admin");
        }
    }
    admin.agent.delete(&format!("/api/webauthn/credentials/{own}")).await.refused(409, "last_admin");
    // One's own edit doesn't even look at it.
    admin.agent.patch("/api/users/me", &json!({ "isAdmin": false, "disabled": true }), None).await.expect(200);
    app.restart().await;
    assert_eq!(admins(&app).await, ["admin", "idle"]);
    assert_eq!(passkeys(&app, &admin).await.len(), 1);

    // With another one who can sign in, each may go. The idle one may go at any time.
    app.script().delete(&format!("/api/users/{idle}")).await.expect(204);
    app.script().patch(&path(&tim), &json!({ "isAdmin": true }), None).await.expect(200);
    app.script().delete(&format!("{}/webauthn-credentials/{own}", path(&admin))).await.expect(204);
    app.script().patch(&path(&tim), &json!({ "isAdmin": false }), None).await.refused(409, "last_admin");
    app.script().delete(&path(&admin)).await.expect(204);
    app.script().delete(&path(&tim)).await.refused(409, "last_admin");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_074_two_admins_can_t_remove_each_other_at_once() {
    let app = TestApp::start_with(&[("DISABLE_RATE_LIMITING", "true")]).await;
    let mut people = [app.admin().await, app.person("tim").await];
    async fn strike(agent: &Agent, victim: &str, passkey: &str, round: usize) -> u16 {
        let reply = match round % 3 {
            0 => agent.patch(victim, &json!({ "isAdmin": false }), None).await,
            1 => agent.patch(victim, &json!({ "disabled": true }), None).await,
            _ => agent.delete(&format!("{victim}/webauthn-credentials/{passkey}")).await,
        };
        reply.status.as_u16()
    }
    for round in 0..12 {
        for person in &mut people {
            app.script().patch(&path(person), &json!({ "isAdmin": true, "disabled": false }), None).await.expect(200);
            let made = app.script().post(&format!("{}/one-time-access-token", path(person)), &json!({})).await.json();
            person
                .agent
                .post(&format!("/api/one-time-access-token/{}", made["token"].as_str().unwrap()), &json!({}))
                .await
                .expect(200);
            if passkeys(&app, person).await.is_empty() {
                person.passkey = pid_testkit::authenticator::SoftAuthenticator::new(-7);
                person.add_passkey().await.expect(200);
            }
        }
        let [one, two] = &people;
        let (of_one, of_two) = (passkeys(&app, one).await, passkeys(&app, two).await);
        let (to_one, to_two) = (path(one), path(two));
        let (a, b) = tokio::join!(
            strike(&one.agent, &to_two, &of_two[0], round),
            strike(&two.agent, &to_one, &of_one[0], round + usize::from(round > 5)),
        );
        let struck = [a, b].iter().filter(|s| [200, 204].contains(s)).count();
        // The other is refused as the last one, or isn't an admin or signed in any more.
        assert!(struck == 1 && [a, b].iter().any(|s| [409, 403, 401].contains(s)), "round {round}: {a} {b}");
        let mut left = 0;
        for person in &people {
            let is_admin = admins(&app).await.contains(&person.user["username"].as_str().unwrap().to_owned());
            left += usize::from(is_admin && !passkeys(&app, person).await.is_empty());
        }
        assert_eq!(left, 1, "round {round}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_074_no_passkey_policy_locks_the_last_admin_out() {
    let app = TestApp::start_with(&[("DISABLE_RATE_LIMITING", "true")]).await;
    const CONFIGURATION: &str = "/api/application-configuration";
    // While nobody could sign in anyway there is nobody to lose.
    let strict = json!({ "webauthnAllowSyncedPasskeys": "false", "webauthnPolicyAtSignIn": "true" });
    let open = json!({ "webauthnAllowSyncedPasskeys": "true", "webauthnPolicyAtSignIn": "false" });
    app.script().patch(CONFIGURATION, &strict, None).await.expect(200);
    app.script().patch(CONFIGURATION, &open, None).await.expect(200);
    let mut admin = app.admin().await;
    let mut tim = app.person("tim").await;
    app.script().patch(&path(&tim), &json!({ "isAdmin": true }), None).await.expect(200);
    let before = app.stored();
    let model = json!([passkeys_of(&app, &admin).await[0]["aaguid"]]).to_string();
    for policy in [
        strict.clone(),
        json!({ "webauthnAuthenticatorAttachment": "cross-platform", "webauthnPolicyAtSignIn": "true" }),
        json!({ "webauthnDeniedAaguids": model, "webauthnPolicyAtSignIn": "true" }),
        json!({ "webauthnAllowedAaguids": "[\"d548826e-79b4-db40-a3d8-11116f7e8349\"]", "webauthnPolicyAtSignIn": "true" }),
    ] {
        let run =
            app.script().post(&format!("{CONFIGURATION}/passkey-policy/dry-run"), &policy).await.expect(200).json();
        assert_eq!((&run["total"], &run["locksOutEveryAdmin"]), (&json!(2), &json!(true)), "{policy}");
        app.script().patch(CONFIGURATION, &policy, None).await.refused(409, "last_admin");
    }
    assert_eq!(app.stored(), before, "nothing was changed");
    // User verification: neither of the two has proven to be able to.
    app.script().patch(CONFIGURATION, &json!({ "webauthnUserVerification": "preferred" }), None).await.expect(200);
    for person in [&mut admin, &mut tim] {
        person.passkey.user_verified(false);
        person.sign_in().await.expect(200);
    }
    let required = json!({ "webauthnUserVerification": "required" });
    app.script().patch(CONFIGURATION, &required, None).await.refused(409, "last_admin");
    tim.passkey.user_verified(true);
    tim.sign_in().await.expect(200);
    app.script().patch(CONFIGURATION, &required, None).await.expect(200);

    // Under a policy that only tim's new passkey fits, tim is the last one, and that passkey is the last of his.
    tim.passkey = pid_testkit::authenticator::SoftAuthenticator::new(-7);
    tim.passkey.backup_eligible(false).backup_state(false);
    tim.add_passkey().await.expect(200);
    app.script().patch(CONFIGURATION, &strict, None).await.expect(200);
    let of_tim = passkeys_of(&app, &tim).await;
    app.script().delete(&path(&tim)).await.refused(409, "last_admin");
    app.script().patch(&path(&tim), &json!({ "disabled": true }), None).await.refused(409, "last_admin");
    let passkey = |at: usize| format!("{}/webauthn-credentials/{}", path(&tim), of_tim[at]["id"].as_str().unwrap());
    app.script().delete(&passkey(1)).await.refused(409, "last_admin");
    app.script().delete(&passkey(0)).await.expect(204);
    app.script().delete(&path(&admin)).await.expect(204);
}

async fn passkeys_of(app: &TestApp, person: &Person) -> Vec<Value> {
    let list = app.script().get(&format!("{}/webauthn-credentials", path(person))).await.expect(200).json();
    list.as_array().unwrap().clone()
}
