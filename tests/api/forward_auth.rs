//! Clients of the type `proxy`, and what a proxy is told about requests to them.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::Method;
use pid_tests::{Door, Jwt, Person, TestApp};
use serde_json::{Value, json};

const APP: &str = "https://app.example.com";

/// A server that trusts the proxy beside it.
async fn behind_a_proxy() -> TestApp {
    TestApp::start_with(&[("TRUST_PROXY", "127.0.0.1")]).await
}

async fn proxied(app: &TestApp, protection: Value) -> Value {
    let mut whole = json!({ "hosts": [APP] });
    whole.as_object_mut().unwrap().extend(protection.as_object().unwrap().clone());
    let body = json!({ "name": "Paperless", "clientType": "proxy", "forwardAuth": whole });
    app.script().post("/api/oidc/clients", &body).await.expect(201).json()
}

fn at(client: &Value) -> String {
    format!("/api/oidc/clients/{}", client["id"].as_str().unwrap())
}

async fn group(app: &TestApp, name: &str, members: &[&str]) -> String {
    let group = app.script().post("/api/user-groups", &json!({ "name": name, "friendlyName": name })).await.id();
    app.script().put(&format!("/api/user-groups/{group}/users"), &json!({ "userIds": members })).await.expect(200);
    group
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_proxied_client_is_made_shown_and_changed() {
    let app = TestApp::start().await;
    let script = app.script();
    let staff = group(&app, "staff", &[]).await;
    let made = proxied(
        &app,
        json!({
            "hosts": ["App.Example.com", "http://nas.local:8080/"],
            "rules": [{ "path": "/admin/", "groups": ["staff"] }, { "path": "/share", "public": true }],
            "userHeader": "X-WEBAUTH-USER",
        }),
    )
    .await;
    assert_eq!(made["clientType"], "proxy");
    assert_eq!(made["forwardAuth"]["hosts"], json!([APP, "http://nas.local:8080"]));
    assert_eq!(
        made["forwardAuth"]["rules"],
        json!([{ "path": "/admin", "groups": ["staff"] }, { "path": "/share", "public": true }])
    );
    assert_eq!(made["forwardAuth"]["userHeader"], "X-WEBAUTH-USER");
    assert_eq!(made["forwardAuth"]["groupsHeader"], "Remote-Groups");
    assert_eq!(made["forwardAuth"]["sessionMinutes"], 1440);
    assert_eq!(made["launchURL"], APP);
    assert_eq!(
        (&made["isPublic"], &made["pkceEnabled"], &made["skipConsent"]),
        (&json!(false), &json!(true), &json!(true))
    );
    let callbacks = json!(["https://app.example.com/.pocket-id/callback", "http://nas.local:8080/.pocket-id/callback"]);
    assert_eq!(made["callbackURLs"], callbacks);
    assert_eq!(script.get(&at(&made)).await.expect(200).json(), made);
    script.post(&format!("{}/secrets", at(&made)), &json!({})).await.refused(400, "validation_failed");
    let listed = script.get("/api/oidc/clients?filters[clientType]=proxy").await.expect(200).json();
    assert_eq!(listed["data"][0]["id"], made["id"]);

    // A part alone; what is not of it stays, and callbacks follow the hosts.
    let patch = json!({ "forwardAuth": { "hosts": ["https://docs.example.com"], "appPasswords": true } });
    let changed = script.patch(&at(&made), &patch, None).await.expect(200).json();
    assert_eq!(changed["callbackURLs"], json!(["https://docs.example.com/.pocket-id/callback"]));
    assert_eq!(changed["forwardAuth"]["rules"], made["forwardAuth"]["rules"]);
    assert_eq!(changed["forwardAuth"]["appPasswords"], true);
    assert_eq!(changed["launchURL"], "https://docs.example.com");
    // The contract's whole PUT knows nothing of it and loses nothing.
    let put = json!({ "name": "Docs", "callbackURLs": ["https://evil.example/cb"], "launchURL": "https://docs.example.com/start" });
    let changed = script.put(&at(&made), &put).await.expect(200).json();
    assert_eq!(changed["forwardAuth"]["appPasswords"], true);
    assert_eq!(changed["callbackURLs"], json!(["https://docs.example.com/.pocket-id/callback"]));
    assert_eq!(changed["launchURL"], "https://docs.example.com/start");

    // A rule about a group follows its name, and stays shut when the group is gone.
    script
        .put(&format!("/api/user-groups/{staff}"), &json!({ "name": "crew", "friendlyName": "Crew" }))
        .await
        .expect(200);
    assert_eq!(script.get(&at(&made)).await.json()["forwardAuth"]["rules"][0]["groups"], json!(["crew"]));
    script.delete(&format!("/api/user-groups/{staff}")).await.expect(204);
    let rules = script.get(&at(&made)).await.json()["forwardAuth"]["rules"].clone();
    assert_eq!(rules[0]["groups"], json!([staff]));
    let kept = script.patch(&at(&made), &json!({ "forwardAuth": { "rules": rules } }), None).await.expect(200).json();
    assert_eq!(kept["forwardAuth"]["rules"][0]["groups"], json!([staff]));

    let told = app.events("CLIENT_UPDATED").await;
    let hosts = told.iter().find_map(|entry| entry["data"]["hosts"].as_str()).expect("the change of hosts");
    assert!(hosts.contains("+https://docs.example.com") && hosts.contains("−https://app.example.com"), "{hosts}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_can_not_be_protected_is_told_by_its_field() {
    let app = TestApp::start().await;
    let script = app.script();
    proxied(&app, json!({})).await;
    let refused = async |protection: Value, fields: &[&str]| {
        let body = json!({ "name": "App", "clientType": "proxy", "forwardAuth": protection });
        script.post("/api/oidc/clients", &body).await.invalid(fields);
    };
    let other = "https://other.example.com";
    refused(json!({}), &["forwardAuth.hosts required"]).await;
    refused(json!({ "hosts": [] }), &["forwardAuth.hosts required"]).await;
    refused(json!({ "hosts": [other, "https://x/path"] }), &["forwardAuth.hosts[1] invalid_format"]).await;
    refused(json!({ "hosts": ["*.example.com"] }), &["forwardAuth.hosts[0] invalid_format"]).await;
    refused(json!({ "hosts": [other, "http://OTHER.example.com"] }), &["forwardAuth.hosts[1] duplicate"]).await;
    refused(json!({ "hosts": [APP] }), &["forwardAuth.hosts[0] invalid_value"]).await;
    for (rules, fields) in [
        (json!([{ "path": "admin" }]), &["forwardAuth.rules[0].path invalid_format"][..]),
        (json!([{ "path": "/a/../b" }]), &["forwardAuth.rules[0].path invalid_format"]),
        (json!([{ "path": "/a" }, { "path": "/A/" }]), &["forwardAuth.rules[1].path duplicate"]),
        (json!([{ "path": "/a", "groups": ["nobody"] }]), &["forwardAuth.rules[0].groups invalid_value"]),
        (json!([{ "path": "/.pocket-id" }]), &["forwardAuth.rules[0].path invalid_format"]),
    ] {
        refused(json!({ "hosts": [other], "rules": rules }), fields).await;
    }
    group(&app, "staff", &[]).await;
    let both = json!([{ "path": "/a", "public": true, "groups": ["staff"] }]);
    refused(json!({ "hosts": [other], "rules": both }), &["forwardAuth.rules[0].groups invalid_value"]).await;
    for (name, code) in [("Cookie", "invalid_format"), ("a b", "invalid_format"), ("remote-email", "duplicate")] {
        let field = if code == "duplicate" { "emailHeader" } else { "userHeader" };
        refused(json!({ "hosts": [other], "userHeader": name }), &[&format!("forwardAuth.{field} {code}")]).await;
    }
    refused(json!({ "hosts": [other], "sessionMinutes": -1 }), &["forwardAuth.sessionMinutes token_duration"]).await;
    let standard = json!({ "name": "App", "forwardAuth": { "hosts": [other] } });
    script.post("/api/oidc/clients", &standard).await.invalid(&["forwardAuth invalid_value"]);
    let odd = json!({ "name": "App", "clientType": "cimd" });
    script.post("/api/oidc/clients", &odd).await.invalid(&["clientType oneof"]);
    // Nothing was left behind by what was refused.
    let body = json!({ "name": "App", "clientType": "proxy", "forwardAuth": { "hosts": [other] } });
    let made = script.post("/api/oidc/clients", &body).await.expect(201).json();
    script.delete(&at(&made)).await.expect(204);
    script.post("/api/oidc/clients", &body).await.expect(201);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn somebody_signs_in_and_the_app_is_told_who_it_is() {
    let app = behind_a_proxy().await;
    let tim = app.person("tim").await;
    group(&app, "staff", &[tim.id()]).await;
    let client = proxied(&app, json!({})).await;
    let door = Door::new(&app, APP);
    let away = door.open("/documents?page=2").await.expect(302);
    assert!(away.location().starts_with(&format!(
        "{}/authorize?client_id={}",
        app.url(),
        client["id"].as_str().unwrap()
    )));
    let set = away.header("set-cookie").unwrap();
    assert!(
        set.starts_with("__Host-pocket-id-sign-in=") && set.contains("Secure") && set.contains("HttpOnly"),
        "{set}"
    );
    assert_eq!(away.header("strict-transport-security"), None);
    let arrived = door.enter(&tim.agent, "/documents?page=2").await.expect(302);
    assert_eq!(arrived.location(), format!("{APP}/documents?page=2"));
    let set = arrived.header("set-cookie").unwrap();
    for part in ["__Host-pocket-id-app=", "Path=/", "HttpOnly", "Secure", "SameSite=Lax", "Max-Age=86400"] {
        assert!(set.contains(part), "{part}: {set}");
    }
    let passed = door.ask("GET", "/documents?page=2").await.expect(200);
    assert_eq!(passed.header("remote-user"), Some("tim"));
    assert_eq!(passed.header("remote-email"), Some("tim@example.com"));
    assert_eq!(passed.header("remote-name"), Some("Tim Test"));
    assert_eq!(passed.header("remote-groups"), Some("staff"));
    assert!(passed.body.is_empty());
    // As they are now, not as they were then.
    app.script().patch(&format!("/api/users/{}", tim.id()), &json!({ "displayName": "José" }), None).await.expect(200);
    let passed = door.ask("POST", "/").await.expect(200);
    assert_eq!(passed.headers.get("remote-name").unwrap().as_bytes(), "José".as_bytes());
    // The app is among those that they use.
    let own = tim.agent.get("/api/oidc/users/me/authorized-clients").await.expect(200).json();
    assert_eq!(own["data"][0]["client"]["id"], client["id"]);
    // Scripts are told, not sent away; a form that is sent is not lost in a redirect.
    let stranger = Door::new(&app, APP);
    stranger.ask("GET", "/api").await.refused(401, "not_signed_in");
    let form = stranger.question("POST", "/").header("accept", "text/html").header("sec-fetch-mode", "navigate");
    stranger.send(form).await.refused(401, "not_signed_in");
    // On public pages they are themselves, and others are nobody.
    app.script()
        .patch(&at(&client), &json!({ "forwardAuth": { "rules": [{ "path": "/share", "public": true }] } }), None)
        .await
        .expect(200);
    assert_eq!(door.ask("GET", "/share/x").await.expect(200).header("remote-user"), Some("tim"));
    let nobody = stranger.ask("GET", "/share/x").await.expect(200);
    for name in ["remote-user", "remote-email", "remote-name", "remote-groups"] {
        assert_eq!(nobody.header(name), Some(""), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn groups_decide_who_enters_and_who_goes_where() {
    let app = behind_a_proxy().await;
    let (tim, ann) = (app.person("tim").await, app.person("ann").await);
    let staff = group(&app, "staff", &[tim.id(), ann.id()]).await;
    let admins = group(&app, "admins", &[ann.id()]).await;
    let rules = json!([{ "path": "/admin", "groups": ["admins"] }, { "path": "/share", "public": true }]);
    let client = proxied(&app, json!({ "rules": rules })).await;
    let (of_tim, of_ann) = (Door::new(&app, APP), Door::new(&app, APP));
    of_tim.enter(&tim.agent, "/").await.expect(302);
    of_ann.enter(&ann.agent, "/admin").await.expect(302);
    of_ann.ask("GET", "/admin/users").await.expect(200);
    of_tim.ask("GET", "/admin/users").await.refused(403, "proxy_access_denied");
    let page = of_tim.open("/admin").await.expect(403).text();
    assert!(page.contains("No access to Paperless") && page.contains("Tim Test"), "{page}");
    assert!(page.contains(&format!("{APP}/.pocket-id/sign-out")), "{page}");
    // At once, in both directions.
    app.script().put(&format!("/api/user-groups/{admins}/users"), &json!({ "userIds": [tim.id()] })).await.expect(200);
    of_tim.ask("GET", "/admin/users").await.expect(200);
    of_ann.ask("GET", "/admin/users").await.expect(403);
    // Only for staff: whoever loses that loses the session.
    let script = app.script();
    script.patch(&at(&client), &json!({ "isGroupRestricted": true }), None).await.expect(200);
    of_tim.ask("GET", "/").await.expect(401);
    script.put(&format!("{}/allowed-user-groups", at(&client)), &json!({ "userGroupIds": [staff] })).await.expect(200);
    of_tim.enter(&tim.agent, "/").await.expect(302);
    of_tim.ask("GET", "/").await.expect(200);
    script.put(&format!("/api/user-groups/{staff}/users"), &json!({ "userIds": [ann.id()] })).await.expect(200);
    of_tim.ask("GET", "/").await.expect(401);
    assert_eq!(of_tim.ask("GET", "/share").await.expect(200).header("remote-user"), Some(""));
    // And is told so where they try again.
    let away = of_tim.open("/").await.expect(302).location();
    let denied = tim.agent.get(&away).await.location();
    assert!(denied.starts_with("/interaction/error"), "{denied}");
}

/// Somebody who is in, with a browser of their own.
async fn inside(app: &TestApp, name: &str) -> (Person, Door) {
    let person = app.person(name).await;
    let door = Door::new(app, APP);
    door.enter(&person.agent, "/").await.expect(302);
    door.ask("GET", "/").await.expect(200);
    (person, door)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_ends_access_ends_it_there() {
    let app = behind_a_proxy().await;
    let client = proxied(&app, json!({ "sessionMinutes": 30 })).await;
    let script = app.script();

    let (ann, door) = inside(&app, "ann").await;
    ann.agent.post("/api/webauthn/logout", &json!({})).await.expect(204);
    door.ask("GET", "/").await.expect(401);

    let (ben, door) = inside(&app, "ben").await;
    script.delete(&format!("/api/users/{}/sessions", ben.id())).await.expect(204);
    door.ask("GET", "/").await.expect(401);

    let (cat, door) = inside(&app, "cat").await;
    script.patch(&format!("/api/users/{}", cat.id()), &json!({ "disabled": true }), None).await.expect(200);
    door.ask("GET", "/").await.expect(401);
    script.patch(&format!("/api/users/{}", cat.id()), &json!({ "disabled": false }), None).await.expect(200);
    door.ask("GET", "/").await.expect(401);

    let (dan, door) = inside(&app, "dan").await;
    let path = format!("/api/oidc/users/me/authorized-clients/{}", client["id"].as_str().unwrap());
    dan.agent.delete(&path).await.expect(204);
    door.ask("GET", "/").await.expect(401);

    let (eve, door) = inside(&app, "eve").await;
    script.delete(&format!("/api/users/{}", eve.id())).await.expect(204);
    door.ask("GET", "/").await.expect(401);

    let (_fay, door) = inside(&app, "fay").await;
    app.advance(29 * 60);
    door.ask("GET", "/").await.expect(200);
    app.advance(2 * 60);
    door.ask("GET", "/").await.expect(401);

    let (_gus, door) = inside(&app, "gus").await;
    script
        .patch(&at(&client), &json!({ "forwardAuth": { "hosts": ["https://new.example.com"] } }), None)
        .await
        .expect(200);
    door.ask("GET", "/").await.refused(403, "proxy_host_unknown");
    script.patch(&at(&client), &json!({ "forwardAuth": { "hosts": [APP] } }), None).await.expect(200);
    door.ask("GET", "/").await.expect(401);

    let (_hal, door) = inside(&app, "hal").await;
    script.delete(&at(&client)).await.expect(204);
    door.ask("GET", "/").await.refused(403, "proxy_host_unknown");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn signing_out_begins_at_the_app_and_is_asked_for_here() {
    let app = behind_a_proxy().await;
    proxied(&app, json!({})).await;
    let (tim, door) = inside(&app, "tim").await;
    let away = door.open("/.pocket-id/sign-out").await.expect(302).location();
    assert!(away.starts_with(&format!("{}/api/oidc/end-session?client_id=", app.url())), "{away}");
    // A foreign page that sends somebody there ends nothing.
    door.ask("GET", "/").await.expect(200);
    let confirm = tim.agent.get(&away).await.expect(302).location();
    assert!(confirm.starts_with("/logout?"), "{confirm}");
    let done = tim.agent.post_form(&confirm, &[("", "")]).await;
    let after = tim.agent.get(&done.location()).await.expect(200).text();
    assert!(after.contains(&format!("href=\"{APP}/\"")), "{after}");
    door.ask("GET", "/").await.expect(401);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hand_over_works_once_in_its_browser_at_its_host_and_soon() {
    let app = behind_a_proxy().await;
    let client = proxied(&app, json!({ "hosts": [APP, "https://two.example.com"] })).await;
    let tim = app.person("tim").await;
    let door = Door::new(&app, APP);

    // Too late.
    let callback = door.begin(&tim.agent, "/a").await;
    app.advance(31);
    let lost = door.open(&callback).await.expect(403).text();
    assert!(lost.contains("Sign-in not completed") && lost.contains(&format!("{APP}/a")), "{lost}");
    // In another browser: who stole a code has nothing.
    let callback = door.begin(&tim.agent, "/a").await;
    Door::new(&app, APP).open(&callback).await.expect(403);
    let thief = Door::new(&app, APP);
    thief.open("/").await.expect(302);
    thief.open(&callback).await.expect(403);
    // At another host of the same client.
    door.at("https://two.example.com").open(&callback).await.expect(403);
    // With another state, so to another address.
    let other = door.begin(&tim.agent, "/b").await;
    let state_of = |uri: &str| {
        uri.split('&')
            .chain(uri.split('?'))
            .find_map(|p| p.split('&').find_map(|p| p.strip_prefix("state=")))
            .unwrap()
            .to_owned()
    };
    let mixed = callback.replace(&state_of(&callback), &state_of(&other));
    door.open(&mixed).await.expect(403);
    // Twice a parameter, or of another issuer.
    door.open(&format!("{callback}&code=x")).await.expect(403);
    door.open(&callback.replace("iss=http", "iss=https")).await.expect(403);
    // None of that used it up.
    assert_eq!(door.open(&callback).await.expect(302).location(), format!("{APP}/a"));
    door.ask("GET", "/").await.expect(200);
    // The same browser again is sent on; the session stays.
    let again = door.open(&callback).await.expect(302);
    assert_eq!((again.location(), again.header("set-cookie")), (format!("{APP}/a"), None));
    door.ask("GET", "/").await.expect(200);
    // Both tabs end where they began.
    assert_eq!(door.open(&other).await.expect(302).location(), format!("{APP}/b"));
    // Somebody else with a used code: the session is gone, as with every code (RFC 6749 §4.1.2).
    door.ask("GET", "/").await.expect(200);
    thief.open(&other).await.expect(403);
    door.ask("GET", "/").await.expect(401);
    // Fifty at once: one session.
    let callback = door.begin(&tim.agent, "/c").await;
    let tries = (0..50).map(|_| {
        let (door, callback) = (door.clone(), callback.clone());
        tokio::spawn(async move { door.open(&callback).await })
    });
    let mut sessions = 0;
    for one in tries.collect::<Vec<_>>() {
        sessions += usize::from(one.await.unwrap().expect(302).header("set-cookie").is_some());
    }
    assert_eq!(sessions, 1);
    // The code is for nobody else: the token endpoint knows no secret of this client.
    let door = Door::new(&app, APP);
    let callback = door.begin(&tim.agent, "/d").await;
    let code = callback.split("code=").nth(1).unwrap().split('&').next().unwrap().to_owned();
    let form = [("grant_type", "authorization_code"), ("code", &code), ("client_id", client["id"].as_str().unwrap())];
    app.agent().post_form("/api/oidc/token", &form).await.oauth_error(401, "invalid_client");
    // A person who cancels is told so.
    let cancelled = door.open("/.pocket-id/callback?error=access_denied&state=x").await.expect(403).text();
    assert!(cancelled.contains("You cancelled"), "{cancelled}");
    door.ask("HEAD", "/.pocket-id/callback?code=x&state=y").await.refused(404, "not_found");
    door.open("/.pocket-id/unknown").await.refused(404, "not_found");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nginx_gets_a_verdict_and_envoy_asks_in_its_own_way() {
    let app = behind_a_proxy().await;
    proxied(&app, json!({ "rules": [{ "path": "/admin", "groups": [] }, { "path": "/open", "public": true }] })).await;
    let (_tim, door) = inside(&app, "tim").await;
    let stranger = Door::new(&app, APP);
    let nginx = async |door: &Door, uri: &str| {
        let question = door.question_at("/api/forward-auth/nginx", "GET", uri).header("accept", "text/html");
        door.send(question).await
    };
    assert_eq!(nginx(&door, "/").await.expect(200).header("remote-user"), Some("tim"));
    for uri in ["/", "/.pocket-id/callback?code=x&state=y", "/.pocket-id/sign-out"] {
        let reply = nginx(&stranger, uri).await.expect(401);
        assert_eq!((reply.header("location"), reply.header("set-cookie")), (None, None));
    }
    nginx(&stranger, "/open").await.expect(200);
    nginx(&stranger, "/admin/%2e%2e/open").await.refused(403, "proxy_request_unclear");

    let envoy = |method: Method, path: &str, door: &Door| {
        let request =
            app.agent().request(method, &format!("/api/forward-auth/envoy{path}")).header("host", door.host());
        door.cookie_header().map_or(request.try_clone().unwrap(), |cookies| request.header("cookie", cookies))
    };
    assert_eq!(app.agent().send(envoy(Method::GET, "/", &door)).await.expect(200).header("remote-user"), Some("tim"));
    for path in ["/", "/a/b/?c=d", "/trailing/"] {
        app.agent().send(envoy(Method::POST, path, &door)).await.expect(200);
        app.agent().send(envoy(Method::DELETE, path, &stranger)).await.expect(401);
    }
    // What a client says in headers of other proxies is nothing to Envoy.
    let lying = envoy(Method::GET, "/admin", &stranger)
        .header("x-forwarded-uri", "/open")
        .header("x-original-url", format!("{APP}/open"));
    app.agent().send(lying).await.expect(401);
    let page = envoy(Method::GET, "/a?b=c", &stranger).header("accept", "text/html");
    assert!(app.agent().send(page).await.expect(302).location().contains("/authorize?"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn apps_that_check_signatures_get_an_assertion() {
    let app = behind_a_proxy().await;
    let client = proxied(&app, json!({ "assertionHeader": "X-Pocket-Id-Assertion", "emailHeader": "" })).await;
    app.script().patch(&at(&client), &json!({ "idTokenSignedResponseAlg": "ES256" }), None).await.expect(200);
    let (tim, door) = inside(&app, "tim").await;
    group(&app, "staff", &[tim.id()]).await;
    let passed = door.ask("GET", "/").await.expect(200);
    assert_eq!(passed.header("remote-email"), None);
    let token = passed.header("x-pocket-id-assertion").unwrap().to_owned();
    let jwt = Jwt::unverified(&token);
    assert_eq!((jwt.header["alg"].as_str(), jwt.header["typ"].as_str()), (Some("ES256"), Some("forward-auth+jwt")));
    for (name, value) in [
        ("iss", json!(app.url())),
        ("aud", client["id"].clone()),
        ("sub", json!(tim.id())),
        ("preferred_username", json!("tim")),
        ("email", json!("tim@example.com")),
        ("groups", json!(["staff"])),
    ] {
        assert_eq!(jwt.claims[name], value, "{name}");
    }
    assert_eq!(jwt.claims["exp"].as_i64().unwrap() - jwt.claims["iat"].as_i64().unwrap(), 300);
    pid_tests::RelyingParty::register(&app, json!({})).await.verify(&token).await;
    // The same for a minute, as long as it is true.
    let next = async || door.ask("GET", "/").await.expect(200).header("x-pocket-id-assertion").unwrap().to_owned();
    assert_eq!(next().await, token);
    group(&app, "more", &[tim.id()]).await;
    let changed = next().await;
    assert_eq!(Jwt::unverified(&changed).claims["groups"], json!(["more", "staff"]));
    app.advance(61);
    assert_ne!(next().await, changed);
    // It is no token of any other kind.
    app.agent().with_header("authorization", &format!("Bearer {token}")).get("/api/oidc/userinfo").await.expect(401);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn app_passwords_let_programs_in_where_they_are_taken() {
    let app = behind_a_proxy().await;
    let client = proxied(&app, json!({})).await;
    let tim = app.person("tim").await;
    let id = client["id"].as_str().unwrap();
    let make = json!({ "name": " Sync client ", "clientId": id });
    tim.agent.post("/api/app-passwords", &make).await.invalid(&["clientId invalid_value"]);
    app.script().patch(&at(&client), &json!({ "forwardAuth": { "appPasswords": true } }), None).await.expect(200);
    tim.agent.post("/api/app-passwords", &json!({ "clientId": id })).await.invalid(&["name required"]);
    let made = tim.agent.post("/api/app-passwords", &make).await.expect(201).json();
    let secret = made["secret"].as_str().unwrap().to_owned();
    assert_eq!(made["appPassword"]["name"], "Sync client");
    assert!(!app.stored().contains(&secret));
    let door = Door::new(&app, APP);
    let with = async |name: &str, password: &str| {
        let value = format!("Basic {}", STANDARD.encode(format!("{name}:{password}")));
        door.send(door.question("PROPFIND", "/dav").header("authorization", value)).await
    };
    for name in ["tim", "TIM", "tim@example.com"] {
        assert_eq!(with(name, &secret).await.expect(200).header("remote-user"), Some("tim"));
    }
    for (name, password) in
        [("admin", &*secret), ("tim", "x"), ("tim", ""), ("tim", &secret[1..]), ("tim", &secret.replace("app_", "ac_"))]
    {
        let refused = with(name, password).await.refused(401, "not_signed_in");
        assert!(refused.header("www-authenticate").unwrap().starts_with("Basic "), "{name}");
    }
    // A browser's person is not asked for a password by the browser.
    let fetched = door.send(door.question("GET", "/").header("sec-fetch-mode", "cors")).await.expect(401);
    assert_eq!(fetched.header("www-authenticate"), None);
    // Not at another app, not for who may not enter, not once it is deleted or switched off.
    let other = json!({ "name": "Other", "clientType": "proxy", "forwardAuth": { "hosts": ["https://other.example.com"], "appPasswords": true } });
    app.script().post("/api/oidc/clients", &other).await.expect(201);
    let elsewhere = door.at("https://other.example.com");
    let value = format!("Basic {}", STANDARD.encode(format!("tim:{secret}")));
    elsewhere.send(elsewhere.question("GET", "/").header("authorization", &value)).await.expect(401);
    app.script().patch(&at(&client), &json!({ "isGroupRestricted": true }), None).await.expect(200);
    with("tim", &secret).await.refused(403, "proxy_access_denied");
    app.script().patch(&at(&client), &json!({ "isGroupRestricted": false }), None).await.expect(200);
    app.script().patch(&format!("/api/users/{}", tim.id()), &json!({ "disabled": true }), None).await.expect(200);
    with("tim", &secret).await.expect(401);
    app.script().patch(&format!("/api/users/{}", tim.id()), &json!({ "disabled": false }), None).await.expect(200);
    with("tim", &secret).await.expect(200);
    app.script().patch(&at(&client), &json!({ "forwardAuth": { "appPasswords": false } }), None).await.expect(200);
    with("tim", &secret).await.expect(401);
    app.script().patch(&at(&client), &json!({ "forwardAuth": { "appPasswords": true } }), None).await.expect(200);

    let tim = {
        let mut tim = tim;
        tim.sign_in().await.expect(200);
        tim
    };
    let ann = app.person("ann").await;
    let path = format!("/api/app-passwords/{}", made["appPassword"]["id"].as_str().unwrap());
    ann.agent.delete(&path).await.refused(404, "not_found");
    assert_eq!(tim.agent.get("/api/app-passwords").await.expect(200).json()[0]["clientName"], "Paperless");
    assert_eq!(ann.agent.get("/api/app-passwords").await.expect(200).json(), json!([]));
    tim.agent.delete(&path).await.expect(204);
    with("tim", &secret).await.expect(401);
    assert_eq!(app.events("APP_PASSWORD_CREATED").await.len(), 1);
    assert_eq!(app.events("APP_PASSWORD_DELETED").await[0]["data"]["name"], "Sync client");
}
