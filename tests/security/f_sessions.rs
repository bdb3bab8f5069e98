//! Section F: sessions and requests of other sites.

use http::Method;
use pid_tests::{Agent, Reply, TestApp};
use serde_json::{Value, json};

const COOKIE: &str = "access_token";

/// An agent with nothing but this session cookie.
fn with_session(app: &TestApp, value: &str) -> Agent {
    let agent = app.agent();
    agent.set_cookie(COOKIE, value);
    agent
}

async fn is_signed_in(agent: &Agent) -> bool {
    let reply = agent.get("/api/users/me").await;
    if reply.status != 200 {
        reply.refused(401, "not_signed_in");
        return false;
    }
    true
}

/// The `Set-Cookie` line of a cookie.
fn set_cookie(reply: &Reply, name: &str) -> String {
    let mut lines = reply.headers.get_all("set-cookie").iter().map(|v| v.to_str().unwrap().to_owned());
    lines.find(|line| line.starts_with(&format!("{name}="))).unwrap_or_else(|| panic!("no {name}: {:?}", reply.headers))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_061_every_sign_in_begins_a_session_of_its_own() {
    let mut app = TestApp::start().await;
    let mut tim = app.person("tim").await;
    let first = tim.agent.cookie(COOKIE).unwrap();
    tim.sign_in().await.expect(200);
    let second = tim.agent.cookie(COOKIE).unwrap();
    assert_ne!(first, second, "sign-in");
    assert!(!is_signed_in(&with_session(&app, &first)).await);

    tim.reauthenticate().await.expect(204);
    let third = tim.agent.cookie(COOKIE).unwrap();
    assert_ne!(second, third, "step-up");
    assert!(!is_signed_in(&with_session(&app, &second)).await);
    assert!(is_signed_in(&tim.agent).await);

    let path = format!("/api/users/{}/one-time-access-token", tim.id());
    let code = app.script().post(&path, &json!({})).await.json()["token"].as_str().unwrap().to_owned();
    tim.agent.post(&format!("/api/one-time-access-token/{code}"), &json!({})).await.expect(200);
    let fourth = tim.agent.cookie(COOKIE).unwrap();
    assert_ne!(third, fourth, "recovery");
    app.restart().await;
    for old in [&first, &second, &third] {
        assert!(!is_signed_in(&with_session(&app, old)).await);
    }
    assert!(is_signed_in(&with_session(&app, &fourth)).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_061_a_planted_cookie_is_not_taken_over() {
    let app = TestApp::start().await;
    let mut tim = app.person("tim").await;
    let planted = "A".repeat(43);
    let victim = with_session(&app, &planted);
    tim.sign_in_at(&victim).await.expect(200);
    assert_ne!(victim.cookie(COOKIE).unwrap(), planted);
    assert!(!is_signed_in(&with_session(&app, &planted)).await);
    // Nor is the attacker's own live session handed to the victim.
    let eve = app.person("eve").await;
    let planted = eve.agent.cookie(COOKIE).unwrap();
    let victim = with_session(&app, &planted);
    tim.sign_in_at(&victim).await.expect(200);
    assert_eq!(victim.get("/api/users/me").await.json()["username"], "tim");
    assert_ne!(with_session(&app, &planted).get("/api/users/me").await.json()["username"], "tim");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_062_only_a_live_session_s_cookie_counts() {
    let mut app = TestApp::start().await;
    let tim = app.person("tim").await;
    let cookie = tim.agent.cookie(COOKIE).unwrap();
    assert!(is_signed_in(&with_session(&app, &cookie)).await);
    let elsewhere = TestApp::start().await.person("tim").await.agent.cookie(COOKIE).unwrap();
    let altered = format!("{}{}", if cookie.starts_with('A') { 'B' } else { 'A' }, &cookie[1..]);
    let unsigned = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJ4IiwiaXNBZG1pbiI6dHJ1ZX0.";
    let stored: String = pid_core::secret::sha256(cookie.as_bytes()).iter().map(|b| format!("{b:02x}")).collect();
    assert!(app.stored().contains(&stored), "the hash is what is stored");
    for forged in
        [altered.as_str(), &cookie[..42], &format!("{cookie}A"), unsigned, &stored, &elsewhere, "", "null", tim.id()]
    {
        assert!(!is_signed_in(&with_session(&app, forged)).await, "{forged}");
        // A bad cookie is not helped by a good header, and a bad header is worth no more than a bad cookie.
        let with_header = with_session(&app, forged).with_header("authorization", &format!("Bearer {cookie}"));
        assert!(!is_signed_in(&with_header).await, "{forged}");
        if !forged.is_empty() {
            assert!(!is_signed_in(&app.agent().with_header("authorization", &format!("Bearer {forged}"))).await);
        }
    }
    assert!(is_signed_in(&app.agent().with_header("authorization", &format!("Bearer {cookie}"))).await);
    tim.agent.post("/api/webauthn/logout", &json!({})).await.expect(204);
    app.restart().await;
    assert!(!is_signed_in(&with_session(&app, &cookie)).await, "signed out");

    let eve = app.person("eve").await;
    app.script().delete(&format!("/api/users/{}", eve.id())).await.expect(204);
    assert!(!is_signed_in(&eve.agent).await, "deleted");
    let ann = app.person("ann").await;
    app.advance(3600);
    assert!(!is_signed_in(&ann.agent).await, "expired");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_062_cookies_have_the_attributes_that_keep_them() {
    let app = TestApp::start().await;
    let setup = json!({ "username": "ada", "email": "ada@example.com" });
    let plain = app.agent().post("/api/signup/setup", &setup).await.expect(200);
    let line = set_cookie(&plain, COOKIE);
    for part in ["HttpOnly", "SameSite=Lax", "Path=/", "Max-Age=3600"] {
        assert!(line.contains(part), "{part}: {line}");
    }
    assert!(!line.contains("Secure") && !line.contains("Domain"), "{line}");
    assert_eq!(plain.header("strict-transport-security"), None);

    let app = TestApp::start_with(&[("APP_URL", "https://id.example.com")]).await;
    let behind_proxy = Agent::new(&app.listens_at());
    let started = behind_proxy.get("/api/webauthn/login/start").await.expect(200);
    let signed_in = behind_proxy.post("/api/signup/setup", &setup).await.expect(200);
    for (reply, name) in [(&signed_in, "__Host-access_token"), (&started, "__Host-session")] {
        let line = set_cookie(reply, name);
        for part in ["Secure", "HttpOnly", "SameSite=Lax", "Path=/", "Max-Age="] {
            assert!(line.contains(part), "{part}: {line}");
        }
        assert!(!line.contains("Domain"), "{line}");
    }
    assert_eq!(signed_in.header("strict-transport-security"), Some("max-age=31536000"));
    // A cookie without the prefix, which another host of the site could have set, is worth nothing.
    let value = set_cookie(&signed_in, "__Host-access_token");
    let value = value.split(['=', ';']).nth(1).unwrap();
    let send = async |name: &str| {
        let request = behind_proxy.request(Method::GET, "/api/users/me").header("cookie", format!("{name}={value}"));
        behind_proxy.send(request).await
    };
    send("__Host-access_token").await.expect(200);
    send("access_token").await.refused(401, "not_signed_in");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_063_requests_of_other_sites_are_refused() {
    let mut app = TestApp::start().await;
    let admin = app.admin().await;
    let before = app.stored();
    let body = json!({ "name": "evil", "friendlyName": "Evil" });
    let user = format!("/api/users/{}", admin.id());
    let own = Value::String("evil".to_owned());
    let requests = [
        (Method::POST, "/api/user-groups", body.clone()),
        (Method::POST, "/api/oidc/clients", body.clone()),
        (Method::PATCH, "/api/users/me", json!({ "firstName": own })),
        (Method::PATCH, "/api/application-configuration", json!({ "appName": own })),
        (Method::DELETE, user.as_str(), json!({})),
        (Method::POST, "/api/webauthn/logout", json!({})),
    ];
    let marks: [&[(&str, &str)]; 6] = [
        &[("origin", "https://evil.example")],
        &[("origin", "null")],
        &[("sec-fetch-site", "cross-site")],
        &[("sec-fetch-site", "same-site")],
        &[("origin", "https://evil.example"), ("sec-fetch-site", "cross-site")],
        &[("origin", "http://localhost:1")],
    ];
    for (method, path, body) in &requests {
        for marks in marks {
            for content_type in [
                "application/json",
                "text/plain",
                "application/x-www-form-urlencoded",
                "multipart/form-data; boundary=x",
            ] {
                let mut request = admin.agent.request(method.clone(), path).header("content-type", content_type);
                for (name, value) in marks {
                    request = request.header(*name, *value);
                }
                admin.agent.send(request.body(body.to_string())).await.refused(403, "cross_site_request");
            }
        }
    }
    // Without marks, as of an old browser, a form's content type gives it away.
    for content_type in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"] {
        let request = admin.agent.request(Method::POST, "/api/user-groups").header("content-type", content_type);
        admin.agent.send(request.body(body.to_string())).await.refused(400, "invalid_request_body");
    }
    assert_eq!(app.stored(), before, "nothing was changed");
    app.restart().await;
    // Our own pages and scripts pass.
    let origin = app.url().to_owned();
    for (n, marks) in
        [&[("origin", origin.as_str()), ("sec-fetch-site", "same-origin")][..], &[("sec-fetch-site", "none")], &[]]
            .iter()
            .enumerate()
    {
        let mut request = admin.agent.request(Method::POST, "/api/user-groups");
        for (name, value) in *marks {
            request = request.header(*name, *value);
        }
        let body = json!({ "name": format!("good{n}"), "friendlyName": "Good" });
        admin.agent.send(request.json(&body)).await.expect(201);
    }
}

/// A related address has pages, cookies and writes of its own, and none at another address.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_063_a_related_origin_writes_at_its_own_address_alone() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let related = json!({ "webauthnRelatedOrigins": "[\"http://id.localhost:8080\"]" });
    app.script().patch("/api/application-configuration", &related, None).await.expect(200);
    let send = async |host: Option<&str>, marks: &[(&str, &str)], name: &str| {
        let mut request = admin.agent.request(Method::POST, "/api/user-groups");
        for (header, value) in marks.iter().copied().chain(host.map(|host| ("host", host))) {
            request = request.header(header, value);
        }
        admin.agent.send(request.json(&json!({ "name": name, "friendlyName": "Group" }))).await
    };
    let here = "http://id.localhost:8080";
    let own = [("origin", here), ("sec-fetch-site", "same-origin")];
    send(Some("id.localhost:8080"), &own, "one").await.expect(201);
    // An old browser says less; its origin is compared with the address.
    send(Some("id.localhost:8080"), &[("origin", here)], "two").await.expect(201);
    // What is asked from there at APP_URL's address, and the other way round.
    for (host, origin) in [(None, here), (Some("id.localhost:8080"), "https://evil.example")] {
        for site in ["cross-site", "same-site"] {
            let marks = [("origin", origin), ("sec-fetch-site", site)];
            send(host, &marks, "evil").await.refused(403, "cross_site_request");
        }
        send(host, &[("origin", origin)], "evil").await.refused(403, "cross_site_request");
    }
    // Cookies name no domain: each address has its own.
    for cookie in admin.agent.get("/api/webauthn/login/start").await.headers.get_all("set-cookie") {
        assert!(!cookie.to_str().unwrap().to_lowercase().contains("domain="), "{cookie:?}");
    }
    // What is told to apps and in links goes on to name APP_URL.
    let discovery =
        admin.agent.request(Method::GET, "/.well-known/openid-configuration").header("host", "id.localhost:8080");
    assert_eq!(admin.agent.send(discovery).await.expect(200).json()["issuer"], app.url());
}
