//! Section G: what is delegated to user managers, and never to anybody's rights, their own included.

use http::Method;
use pid_tests::{Agent, Person, RelyingParty, TestApp};
use serde_json::{Value, json};

const CODE: &str = "person_out_of_reach";

fn path(id: &str) -> String {
    format!("/api/users/{id}")
}

async fn send(agent: &Agent, method: &str, path: &str, body: &Value) -> pid_tests::Reply {
    let request = agent.request(Method::from_bytes(method.as_bytes()).unwrap(), path);
    agent.send(if method == "DELETE" { request } else { request.json(body) }).await
}

/// All that there is of people and groups.
async fn state(app: &TestApp) -> Vec<Value> {
    let script = app.script();
    let mut all = Vec::new();
    for list in ["/api/users?pagination[limit]=100", "/api/user-groups?pagination[limit]=100", "/api/signup-tokens"] {
        all.push(script.get(list).await.expect(200).json());
    }
    let ids: Vec<String> = each(&all[0]);
    for id in ids {
        for what in ["webauthn-credentials", "sessions", "groups"] {
            let mut found = script.get(&format!("{}/{what}", path(&id))).await.expect(200).json();
            // A session is used all the time.
            for one in found.as_array_mut().unwrap() {
                one.as_object_mut().unwrap().remove("lastSeenAt");
            }
            all.push(found);
        }
    }
    for id in each(&all[1]) {
        all.push(script.get(&format!("/api/user-groups/{id}")).await.expect(200).json());
    }
    all
}

fn each(list: &Value) -> Vec<String> {
    list["data"].as_array().unwrap().iter().map(|one| one["id"].as_str().unwrap().to_owned()).collect()
}

/// Refuses each of these with a code, and nothing has changed.
async fn refused(app: &TestApp, agent: &Agent, code: &str, attempts: &[(&str, String, Value)]) {
    let before = state(app).await;
    for (method, path, body) in attempts {
        let reply = send(agent, method, path, body).await;
        assert_eq!((reply.status.as_u16(), &reply.json()["code"]), (403, &json!(code)), "{method} {path} {body}");
    }
    assert_eq!(state(app).await, before, "after {code}");
}

struct Scene {
    app: TestApp,
    admin: Person,
    manager: Person,
    auditor: Person,
    /// Has the auditor's role by a group.
    member: Person,
    /// Another user manager.
    peer: Person,
    tim: Person,
    /// Gives the auditor's role.
    auditors: String,
    /// Gives nothing; the administrator and `tim` are in it.
    staff: String,
}

impl Scene {
    async fn new() -> Self {
        let app = TestApp::start_with(&[("DISABLE_RATE_LIMITING", "true")]).await;
        let admin = app.admin().await;
        let (manager, auditor) = (app.person("manager").await, app.person("auditor").await);
        let (member, tim) = (app.person("member").await, app.person("tim").await);
        let peer = app.person("peer").await;
        for manager in [&manager, &peer] {
            app.give(manager, &["user-manager"]).await;
        }
        app.give(&auditor, &["auditor"]).await;
        let script = app.script();
        let group = json!({ "name": "auditors", "friendlyName": "Auditors", "roles": ["auditor"] });
        let auditors = script.post("/api/user-groups", &group).await.expect(201).id();
        let staff = script.post("/api/user-groups", &json!({ "name": "staff", "friendlyName": "Staff" })).await;
        let staff = staff.expect(201).id();
        for (group, ids) in [(&auditors, json!([member.id()])), (&staff, json!([admin.id(), tim.id()]))] {
            script.put(&format!("/api/user-groups/{group}/users"), &json!({ "userIds": ids })).await.expect(200);
        }
        Self { app, admin, manager, auditor, member, peer, tim, auditors, staff }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_075_a_user_manager_reaches_nobody_who_has_rights() {
    let scene = Scene::new().await;
    let app = &scene.app;
    let by = &scene.manager.agent;
    let key = json!({ "name": "script", "expiresAt": "2099-01-01T00:00:00Z" });
    let key = by.post("/api/api-keys", &key).await.expect(201).json();
    let key = app.agent().with_header("x-api-key", key["token"].as_str().unwrap());
    // One's own account is for the pages of one's own.
    for target in [&scene.admin, &scene.auditor, &scene.member, &scene.peer, &scene.manager] {
        let list = app.script().get(&format!("{}/webauthn-credentials", path(target.id()))).await.json();
        let passkey = list[0]["id"].as_str().unwrap();
        let list = app.script().get(&format!("{}/sessions", path(target.id()))).await.json();
        let session = list[0]["id"].as_str().unwrap();
        let user = path(target.id());
        let whole = json!({ "username": "taken-over", "email": "mallory@example.com" });
        let attempts = [
            ("PUT", user.clone(), whole),
            ("PATCH", user.clone(), json!({ "email": "mallory@example.com" })),
            ("PATCH", user.clone(), json!({ "isAdmin": target.id() != scene.admin.id() })),
            ("PATCH", user.clone(), json!({ "roles": [] })),
            ("PATCH", user.clone(), json!({ "roles": ["user-manager", "auditor"] })),
            ("PATCH", user.clone(), json!({ "disabled": true })),
            ("DELETE", user.clone(), Value::Null),
            ("POST", format!("{user}/one-time-access-token"), json!({})),
            ("DELETE", format!("{user}/webauthn-credentials/{passkey}"), Value::Null),
            ("DELETE", format!("{user}/sessions"), Value::Null),
            ("DELETE", format!("{user}/sessions/{session}"), Value::Null),
            ("DELETE", format!("{user}/profile-picture"), Value::Null),
            ("PUT", format!("{user}/user-groups"), json!({ "userGroupIds": [] })),
            ("PUT", format!("{user}/user-groups"), json!({ "userGroupIds": [scene.staff] })),
            ("PUT", format!("/api/custom-claims/user/{}", target.id()), json!([{ "key": "k", "value": "v" }])),
        ];
        refused(app, by, CODE, &attempts).await;
        refused(app, &key, CODE, &attempts).await;
        // Nor by way of a group that is within reach.
        let members = format!("/api/user-groups/{}/users", scene.staff);
        let with = json!({ "userIds": [scene.admin.id(), scene.tim.id(), target.id()] });
        if target.id() == scene.admin.id() {
            refused(app, by, CODE, &[("PUT", members, json!({ "userIds": [scene.tim.id()] }))]).await;
        } else {
            refused(app, by, CODE, &[("PUT", members, with)]).await;
        }
    }
    // The static key's account is an administrator's.
    let of_key = path("00000000-0000-0000-0000-000000000000");
    refused(app, by, CODE, &[("POST", format!("{of_key}/one-time-access-token"), json!({}))]).await;
    // A group goes with its members' access, and apps are told its name and claims of them: where an administrator is in it,
    // these are not a manager's.
    let staff = format!("/api/user-groups/{}", scene.staff);
    let of_members = [
        ("DELETE", staff.clone(), Value::Null),
        ("PATCH", staff.clone(), json!({ "name": "zzz" })),
        ("PUT", staff.clone(), json!({ "name": "zzz", "friendlyName": "Staff" })),
        ("PUT", format!("/api/custom-claims/user-group/{}", scene.staff), json!([{ "key": "role", "value": "guest" }])),
    ];
    refused(app, by, CODE, &of_members).await;
    by.patch(&staff, &json!({ "friendlyName": "The staff" }), None).await.expect(200);
    // Who leaves others in it may change who else is.
    by.put(&format!("{staff}/users"), &json!({ "userIds": [scene.admin.id()] })).await.expect(200);
    by.put(&format!("{staff}/users"), &json!({ "userIds": [scene.admin.id(), scene.tim.id()] })).await.expect(200);
    // Mail, where a code may be sent by it.
    let mail = json!({ "emailOneTimeAccessAsAdminEnabled": "true" });
    app.script().patch("/api/application-configuration", &mail, None).await.expect(200);
    let admin = path(scene.admin.id());
    refused(app, by, CODE, &[("POST", format!("{admin}/one-time-access-email"), json!({}))]).await;
    assert_eq!(app.events("LOGIN_CODE_CREATED").await.iter().filter(|e| e["actorUsername"] == "manager").count(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_075_a_user_manager_gives_nobody_rights() {
    let scene = Scene::new().await;
    let app = &scene.app;
    let by = &scene.manager.agent;
    let tim = path(scene.tim.id());
    let person = |more: Value| {
        let mut body = json!({ "username": "puppet", "email": "puppet@example.com" });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        body
    };
    let whole = json!({ "username": "tim", "email": "tim@example.com", "isAdmin": true });
    refused(
        app,
        by,
        "grants_reserved",
        &[
            ("POST", "/api/users".to_owned(), person(json!({ "isAdmin": true }))),
            // Their own role, too: only administrators give roles.
            ("POST", "/api/users".to_owned(), person(json!({ "roles": ["user-manager"] }))),
            ("PUT", tim.clone(), whole),
            ("PATCH", tim.clone(), json!({ "roles": ["auditor"] })),
            // With the id of somebody who is gone, every app would take the new person for them.
            ("POST", "/api/users".to_owned(), person(json!({ "id": "6f1f0f3e-8d5e-4c0e-9f53-0d7f0f8a1b2c" }))),
            (
                "POST",
                "/api/user-groups".to_owned(),
                json!({ "name": "g1", "friendlyName": "g1", "roles": ["auditor"] }),
            ),
            ("PATCH", format!("/api/user-groups/{}", scene.staff), json!({ "roles": ["auditor"] })),
        ],
    )
    .await;
    // Nor by a group, of their own role either.
    let managers = json!({ "name": "managers", "friendlyName": "Managers", "roles": ["user-manager"] });
    let managers = app.script().post("/api/user-groups", &managers).await.expect(201).id();
    for (id, member) in [(&scene.auditors, Some(scene.member.id())), (&managers, None)] {
        let group = format!("/api/user-groups/{id}");
        let with: Vec<&str> = member.into_iter().chain([scene.tim.id()]).collect();
        let into = json!({ "userGroupIds": [id] });
        let in_the_group = [
            ("PUT", format!("{tim}/user-groups"), into.clone()),
            ("PUT", format!("{group}/users"), json!({ "userIds": with })),
            ("PUT", format!("{group}/users"), json!({ "userIds": [] })),
            ("PATCH", group.clone(), json!({ "name": "mine" })),
            ("PATCH", group.clone(), json!({ "roles": [] })),
            ("PUT", group.clone(), json!({ "name": "mine", "friendlyName": "Mine" })),
            ("DELETE", group.clone(), Value::Null),
            ("PUT", format!("/api/custom-claims/user-group/{id}"), json!([{ "key": "k", "value": "v" }])),
            ("POST", "/api/users".to_owned(), person(into.clone())),
            ("POST", "/api/signup-tokens".to_owned(), json!({ "usageLimit": 1, "userGroupIds": [id] })),
        ];
        refused(app, by, "group_out_of_reach", &in_the_group).await;
    }

    // An administrator's invitation into such a group is not told, and not theirs to take back.
    let invitation = json!({ "usageLimit": 5, "userGroupIds": [scene.auditors] });
    let invitation = app.script().post("/api/signup-tokens", &invitation).await.expect(201).json();
    let listed = by.get("/api/signup-tokens").await.expect(200).text();
    assert!(!listed.contains(invitation["token"].as_str().unwrap()), "{listed}");
    let page = by.get("/settings/admin/users").await.expect(200).text();
    assert!(!page.contains(invitation["token"].as_str().unwrap()), "the page tells it");
    let token = format!("/api/signup-tokens/{}", invitation["id"].as_str().unwrap());
    refused(app, by, "group_out_of_reach", &[("DELETE", token, Value::Null)]).await;

    // With both roles neither is theirs to give.
    app.give(&scene.manager, &["user-manager", "auditor"]).await;
    let into = json!({ "userGroupIds": [scene.auditors] });
    refused(app, by, "group_out_of_reach", &[("PUT", format!("{tim}/user-groups"), into)]).await;
    for other in [&scene.admin, &scene.auditor, &scene.peer] {
        refused(app, by, CODE, &[("PATCH", path(other.id()), json!({ "firstName": "Mallory" }))]).await;
    }
}

/// Nobody gets rights without somebody's having meant it: by the default groups, by signing up, by an invitation whose group
/// is gone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_075_default_groups_give_nobody_rights() {
    let scene = Scene::new().await;
    let (app, by, script) = (&scene.app, &scene.manager.agent, scene.app.script());
    let defaults = |groups: Value| json!({ "signupDefaultUserGroupIDs": groups.to_string() });
    let configuration = "/api/application-configuration";
    let refused = script.patch(configuration, &defaults(json!([scene.staff, scene.auditors])), None).await;
    refused.invalid(&["signupDefaultUserGroupIDs invalid_value"]);
    let mut ids = Vec::new();
    for name in ["crew", "guests", "gone"] {
        let group = json!({ "name": name, "friendlyName": name });
        ids.push(by.post("/api/user-groups", &group).await.expect(201).id());
    }
    script.patch(configuration, &defaults(json!([ids[0], ids[1]])), None).await.expect(200);
    let invitation = async |groups: Value| {
        let body = json!({ "usageLimit": 9, "userGroupIds": groups });
        by.post("/api/signup-tokens", &body).await.expect(201).json()["token"].as_str().unwrap().to_owned()
    };
    let (of_gone, of_both, of_none) = (
        invitation(json!([ids[2]])).await,
        invitation(json!([ids[2], scene.staff])).await,
        invitation(json!([])).await,
    );
    // A default group gets a role: it is passed over from then on, and still may be saved as it is.
    script.patch(&format!("/api/user-groups/{}", ids[0]), &json!({ "roles": ["auditor"] }), None).await.expect(200);
    let same = defaults(json!([ids[0], ids[1]]));
    script.patch(configuration, &same, None).await.expect(200);
    // An invitation ends with the last of its groups, rather than lead elsewhere.
    by.delete(&format!("/api/user-groups/{}", ids[2])).await.expect(204);
    let deleted = app.events("SIGNUP_TOKEN_DELETED").await;
    assert_eq!((deleted.len(), &deleted[0]["actorUsername"]), (1, &json!("manager")));
    let mut number = 0;
    let mut sign_up = async |token: &str| {
        number += 1;
        let name = format!("guest{number}");
        let body = json!({ "username": name, "email": format!("{name}@example.com"), "token": token });
        app.agent().post("/api/signup", &body).await
    };
    let groups = |person: &Value| {
        let groups = person["userGroups"].as_array().unwrap().iter();
        groups.map(|group| group["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    sign_up(&of_gone).await.refused(401, "token_invalid_or_expired");
    assert_eq!(groups(&sign_up(&of_both).await.expect(201).json()), ["staff"]);
    assert_eq!(groups(&sign_up(&of_none).await.expect(201).json()), ["guests"]);
    script.patch(configuration, &json!({ "allowUserSignups": "open" }), None).await.expect(200);
    assert_eq!(groups(&sign_up("").await.expect(201).json()), ["guests"]);
    let made = json!({ "username": "made", "email": "made@example.com" });
    assert_eq!(groups(&by.post("/api/users", &made).await.expect(201).json()), ["guests"]);
    // Where an administrator names the group, it is meant.
    let body = json!({ "usageLimit": 1, "userGroupIds": [ids[0]] });
    let meant = script.post("/api/signup-tokens", &body).await.expect(201).json();
    assert_eq!(groups(&sign_up(meant["token"].as_str().unwrap()).await.expect(201).json()), ["crew"]);
}

/// What a user manager prepared for somebody who could do less is worth nothing when they can do more.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_075_what_was_prepared_ends_when_rights_come() {
    let scene = Scene::new().await;
    let (app, by, script) = (&scene.app, &scene.manager.agent, scene.app.script());
    let mut people = Vec::new();
    for name in ["ann", "bob", "cat", "dan", "eve"] {
        let person = json!({ "username": name, "email": format!("{name}@example.com") });
        people.push(by.post("/api/users", &person).await.expect(201).id());
    }
    let crew = by.post("/api/user-groups", &json!({ "name": "crew", "friendlyName": "Crew" })).await.expect(201).id();
    let crew = format!("/api/user-groups/{crew}");
    by.put(&format!("{crew}/users"), &json!({ "userIds": [people[3]] })).await.expect(200);
    let mut codes = Vec::new();
    for id in &people {
        let code = by.post(&format!("{}/one-time-access-token", path(id)), &json!({ "ttl": "720h" })).await;
        codes.push(code.expect(201).json()["token"].as_str().unwrap().to_owned());
    }
    let invitation = json!({ "usageLimit": 1, "userGroupIds": [crew.rsplit('/').next()] });
    let invitation = by.post("/api/signup-tokens", &invitation).await.expect(201).json();

    script.patch(&path(&people[0]), &json!({ "isAdmin": true }), None).await.expect(200);
    script.patch(&path(&people[1]), &json!({ "roles": ["auditor"] }), None).await.expect(200);
    let auditors = json!({ "userGroupIds": [scene.auditors] });
    script.put(&format!("{}/user-groups", path(&people[2])), &auditors).await.expect(200);
    script.patch(&crew, &json!({ "roles": ["user-manager"] }), None).await.expect(200);
    let staff = json!({ "userGroupIds": [scene.staff] });
    script.put(&format!("{}/user-groups", path(&people[4])), &staff).await.expect(200);
    script.patch(&path(&people[4]), &json!({ "firstName": "Eve" }), None).await.expect(200);
    for (n, code) in codes.iter().enumerate() {
        let reply = app.agent().post(&format!("/api/one-time-access-token/{code}"), &json!({})).await;
        if n == 4 {
            // Only other things changed.
            reply.expect(200);
        } else {
            reply.refused(401, "token_invalid_or_expired");
        }
    }
    let late = json!({ "username": "late", "email": "late@example.com", "token": invitation["token"] });
    app.agent().post("/api/signup", &late).await.refused(401, "token_invalid_or_expired");
    // A new code of an administrator's is one that was meant for them.
    let code = script.post(&format!("{}/one-time-access-token", path(&people[1])), &json!({})).await.expect(201).json();
    let code = format!("/api/one-time-access-token/{}", code["token"].as_str().unwrap());
    // Less, and other names, end nothing.
    script.patch(&path(&people[1]), &json!({ "roles": [], "lastName": "Builder" }), None).await.expect(200);
    app.agent().post(&code, &json!({})).await.expect(200);
}

/// A directory's group of administrators is not for user managers, whatever else it gives; and they make none of that name
/// before there is one, or while the directory is off.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_075_the_directorys_group_of_administrators_is_out_of_reach() {
    let scene = Scene::new().await;
    let (app, by) = (&scene.app, &scene.manager.agent);
    let mut directory = json!({
        "ldapEnabled": "true", "ldapAdminGroupName": "staff", "ldapUrl": "ldap://127.0.0.1:9", "ldapBindDn": "cn=x",
        "ldapBindPassword": "x", "ldapBase": "dc=x", "ldapAttributeUserUniqueIdentifier": "uuid",
        "ldapAttributeUserUsername": "uid", "ldapAttributeUserEmail": "mail", "ldapAttributeUserFirstName": "givenName",
        "ldapAttributeUserLastName": "sn", "ldapAttributeGroupUniqueIdentifier": "uuid", "ldapAttributeGroupName": "cn",
    });
    app.script().patch("/api/application-configuration", &directory, None).await.expect(200);
    let out = [("PUT", format!("{}/user-groups", path(scene.tim.id())), json!({ "userGroupIds": [] }))];
    refused(app, by, "group_out_of_reach", &out).await;
    directory["ldapEnabled"] = json!("false");
    directory["ldapAdminGroupName"] = json!("Lords");
    app.script().patch("/api/application-configuration", &directory, None).await.expect(200);
    let crew = by.post("/api/user-groups", &json!({ "name": "crew", "friendlyName": "Crew" })).await.expect(201).id();
    let named = [
        ("POST", "/api/user-groups".to_owned(), json!({ "name": "lords", "friendlyName": "Mine" })),
        ("PATCH", format!("/api/user-groups/{crew}"), json!({ "name": "Lords" })),
    ];
    refused(app, by, "group_out_of_reach", &named).await;
    app.script().patch(&format!("/api/user-groups/{crew}"), &json!({ "name": "lords" }), None).await.expect(200);
    let into = json!({ "userIds": [scene.tim.id()] });
    refused(app, by, "group_out_of_reach", &[("PUT", format!("/api/user-groups/{crew}/users"), into)]).await;
}

/// What a user manager takes from somebody is lost as at once as what an administrator takes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_036_what_a_user_manager_takes_ends_refreshing() {
    let scene = Scene::new().await;
    let app = &scene.app;
    let members = format!("/api/user-groups/{}/users", scene.staff);
    let rp = RelyingParty::register(app, json!({ "isGroupRestricted": true })).await;
    let groups = format!("/api/oidc/clients/{}/allowed-user-groups", rp.id);
    app.script().put(&groups, &json!({ "userGroupIds": [scene.staff] })).await.expect(200);
    let mut tim = scene.tim;
    let tokens = rp.sign_in(&mut tim, "openid").await;
    let next = rp.refresh(tokens.refresh()).await.expect(200).json();
    scene.manager.agent.put(&members, &json!({ "userIds": [scene.admin.id()] })).await.expect(200);
    rp.refresh(next["refresh_token"].as_str().unwrap()).await.oauth_error(400, "invalid_grant");
}

/// What a user manager made for others is worth nothing when they manage people no more, by whatever way that ends.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_075_what_a_user_manager_made_ends_with_their_role() {
    let scene = Scene::new().await;
    let (app, script) = (&scene.app, scene.app.script());
    let managers = json!({ "name": "managers", "friendlyName": "Managers", "roles": ["user-manager"] });
    let managers = script.post("/api/user-groups", &managers).await.expect(201).id();
    let tim = path(scene.tim.id());
    let mut number = 0;
    let make = async |by: &Agent| {
        let code = by.post(&format!("{tim}/one-time-access-token"), &json!({ "ttl": "720h" })).await.expect(201).json();
        let token = by.post("/api/signup-tokens", &json!({ "usageLimit": 9, "ttl": "720h" })).await.expect(201).json();
        [code, token].map(|made| made["token"].as_str().unwrap().to_owned())
    };
    let mut are_good = async |[code, token]: &[String; 2]| {
        number += 1;
        let name = format!("guest{number}");
        let body = json!({ "username": name, "email": format!("{name}@example.com"), "token": token });
        let signed_up = app.agent().post("/api/signup", &body).await;
        let entered = app.agent().post(&format!("/api/one-time-access-token/{code}"), &json!({})).await;
        (signed_up.status.as_u16(), entered.status.as_u16())
    };
    let listed = async || script.get("/api/signup-tokens").await.expect(200).json()["data"].as_array().unwrap().len();
    let ways = ["role", "group", "roles of the group", "group deleted", "disabled", "deleted"];
    for way in ways {
        let manager = app.person(&format!("m{}", way.len())).await;
        let by_group = way.contains("group");
        let group = json!({ "name": format!("g{}", way.len()), "friendlyName": "Group", "roles": ["user-manager"] });
        let group = format!("/api/user-groups/{}", script.post("/api/user-groups", &group).await.expect(201).id());
        if by_group {
            script.put(&format!("{group}/users"), &json!({ "userIds": [manager.id()] })).await.expect(200);
        } else {
            app.give(&manager, &["user-manager"]).await;
        }
        let before = listed().await;
        let made = make(&manager.agent).await;
        assert_eq!(listed().await, before + 1);
        let person = path(manager.id());
        match way {
            "role" => app.give(&manager, &["auditor"]).await,
            "group" => _ = script.put(&format!("{group}/users"), &json!({ "userIds": [] })).await.expect(200),
            "roles of the group" => _ = script.patch(&group, &json!({ "roles": [] }), None).await.expect(200),
            "group deleted" => _ = script.delete(&group).await.expect(204),
            "disabled" => _ = script.patch(&person, &json!({ "disabled": true }), None).await.expect(200),
            _ => _ = script.delete(&person).await.expect(204),
        }
        assert_eq!(are_good(&made).await, (401, 401), "{way}");
        assert_eq!(listed().await, before, "{way}");
    }
    // As long as they manage people, by whatever way, it is good; and what administrators made stays so.
    script
        .put(&format!("/api/user-groups/{managers}/users"), &json!({ "userIds": [scene.manager.id()] }))
        .await
        .expect(200);
    let made = make(&scene.manager.agent).await;
    app.give(&scene.manager, &[]).await;
    assert_eq!(are_good(&made).await, (201, 200));
    let helper = app.person("helper").await;
    script.patch(&path(helper.id()), &json!({ "isAdmin": true }), None).await.expect(200);
    let made = make(&helper.agent).await;
    script.patch(&path(helper.id()), &json!({ "isAdmin": false }), None).await.expect(200);
    assert_eq!(are_good(&made).await, (201, 200));
}

/// What is not about people is not for user managers, nor are settings by which anybody would get rights; and a key has no
/// more than its owner.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_075_a_user_manager_sets_up_nothing_that_gives_rights() {
    let scene = Scene::new().await;
    let (app, by) = (&scene.app, &scene.manager.agent);
    let client = app.client(json!({ "isGroupRestricted": true })).await["id"].as_str().unwrap().to_owned();
    let key =
        json!({ "name": "all of it", "expiresAt": "2099-01-01T00:00:00Z", "scopes": ["users", "clients", "audit"] });
    let key = by.post("/api/api-keys", &key).await.expect(201).json();
    let key = app.agent().with_header("x-api-key", key["token"].as_str().unwrap());
    let configuration = "/api/application-configuration".to_owned();
    let attempts = [
        ("PATCH", configuration.clone(), json!({ "ldapAdminGroupName": "staff" })),
        ("PATCH", configuration.clone(), json!({ "signupDefaultUserGroupIDs": "[]", "allowUserSignups": "open" })),
        ("POST", format!("{configuration}/sync-ldap"), json!({})),
        ("POST", format!("{configuration}/ldap/dry-run"), json!({})),
        ("POST", format!("{configuration}/ldap/test"), json!({})),
        (
            "POST",
            "/api/scim/service-provider".to_owned(),
            json!({ "endpoint": "https://evil.example", "oidcClientId": client }),
        ),
        ("PUT", format!("/api/oidc/clients/{client}/allowed-user-groups"), json!({ "userGroupIds": [scene.staff] })),
        ("POST", format!("/api/oidc/clients/{client}/secret"), json!({})),
        ("PUT", format!("/api/user-groups/{}/allowed-oidc-clients", scene.staff), json!({ "oidcClientIds": [client] })),
    ];
    for agent in [by, &key] {
        for (method, path, body) in &attempts {
            let reply = send(agent, method, path, body).await;
            assert_eq!(reply.status.as_u16(), 403, "{method} {path}: {}", reply.text());
        }
    }
    // Their own account takes no rights either, whatever is sent.
    let wish = json!({ "username": "manager", "email": "manager@example.com", "isAdmin": true, "roles": ["auditor"],
        "userGroupIds": [scene.auditors], "ldapId": "x" });
    by.put("/api/users/me", &wish).await.expect(200);
    let after = app.script().get(&path(scene.manager.id())).await.expect(200).json();
    assert_eq!(
        (&after["isAdmin"], &after["roles"], &after["ldapId"]),
        (&json!(false), &json!(["user-manager"]), &Value::Null)
    );
    assert_eq!(after["userGroups"], json!([]));
    // Keys end with the rights: the next request has none.
    key.get("/api/users").await.expect(200);
    app.give(&scene.manager, &[]).await;
    key.get("/api/users").await.refused(403, "forbidden");
}
