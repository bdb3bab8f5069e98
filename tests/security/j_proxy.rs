//! Section J: what proxies and peers say.

use http::Method;
use pid_tests::{Agent, Reply, TestApp};
use serde_json::{Value, json};

/// The headers by which a proxy would speak of the client and of the address that it asked for.
fn lying(agent: &Agent, method: Method, path: &str) -> reqwest::RequestBuilder {
    let mut request = agent.request(method, path);
    for (name, value) in [
        ("x-forwarded-for", "203.0.113.9"),
        ("x-real-ip", "203.0.113.9"),
        ("forwarded", "for=203.0.113.9;host=evil.example;proto=https"),
        ("cf-connecting-ip", "203.0.113.9"),
        ("true-client-ip", "203.0.113.9"),
        ("x-client-ip", "203.0.113.9"),
        ("x-forwarded-host", "evil.example"),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-port", "444"),
        ("x-forwarded-uri", "/api/users"),
        ("x-forwarded-prefix", "/evil"),
        ("x-forwarded-method", "DELETE"),
        ("x-http-method-override", "DELETE"),
        ("x-original-url", "/api/users"),
        ("x-rewrite-url", "/api/users"),
        ("remote-user", "admin"),
    ] {
        request = request.header(name, value);
    }
    request
}

/// The address in the newest entry of the audit log.
async fn last_address(app: &TestApp) -> String {
    let log = app
        .script()
        .get("/api/audit-logs/all?sort[column]=createdAt&sort[direction]=desc&filters[event]=SIGN_IN_FAILED")
        .await;
    // The next entry is not of the same millisecond.
    app.advance(1);
    log.expect(200).json()["data"][0]["ipAddress"].as_str().unwrap().to_owned()
}

/// A failed sign-in, which is written to the audit log.
async fn fail(request: impl FnOnce(Method, &str) -> reqwest::RequestBuilder, agent: &Agent) {
    agent.send(request(Method::POST, "/api/one-time-access-token/WRONG1")).await.expect(401);
}

fn names_nobody_else(reply: &Reply) {
    let all = format!("{:?} {}", reply.headers, reply.text());
    assert!(!all.contains("evil") && !all.contains(":444"), "{all}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_088_headers_of_strangers_are_ignored() {
    let app = TestApp::start().await;
    let agent = app.agent();
    fail(|method, path| lying(&agent, method, path), &agent).await;
    assert_eq!(last_address(&app).await, "127.0.0.1");
    for path in ["/.well-known/openid-configuration", "/", "/login", "/api/version/latest", "/api/users/", "/login/"] {
        names_nobody_else(&agent.send(lying(&agent, Method::GET, path)).await);
    }
    let discovery =
        agent.send(lying(&agent, Method::GET, "/.well-known/openid-configuration")).await.expect(200).json();
    assert_eq!(discovery["issuer"], app.url());
    // Nobody becomes somebody, and no method or path becomes another.
    agent.send(lying(&agent, Method::GET, "/api/users/me")).await.refused(401, "not_signed_in");
    let group = app.script().post("/api/user-groups", &json!({ "name": "staff", "friendlyName": "Staff" })).await.id();
    app.script().send(lying(&app.script(), Method::GET, &format!("/api/user-groups/{group}"))).await.expect(200);
    app.script().get(&format!("/api/user-groups/{group}")).await.expect(200);
    // Behind a proxy that is not trusted anybody could be far away: set-up wants the printed code. Cookies are as `APP_URL`
    // says, not as the header does.
    let setup = json!({ "username": "ada", "email": "ada@example.com", "setupCode": app.setup_code() });
    let made = agent.send(lying(&agent, Method::POST, "/api/signup/setup").json(&setup)).await.expect(200);
    assert!(!made.header("set-cookie").unwrap().contains("Secure"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_088_guessing_is_not_hidden_behind_made_up_addresses() {
    let app = TestApp::start().await;
    for n in 0..6 {
        let agent = app.agent().with_header("x-forwarded-for", &format!("203.0.113.{n}"));
        let reply = agent.post("/api/one-time-access-token/WRONG1", &json!({})).await;
        reply.expect(if n < 5 { 401 } else { 429 });
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_088_of_several_hops_the_right_most_untrusted_counts() {
    let app = TestApp::start_with(&[("TRUST_PROXY", "127.0.0.1,10.0.0.0/8"), ("DISABLE_RATE_LIMITING", "true")]).await;
    for (forwarded, address) in [
        ("203.0.113.9", "203.0.113.9"),
        ("6.6.6.6, 203.0.113.9", "203.0.113.9"),
        ("6.6.6.6, 203.0.113.9, 10.1.2.3", "203.0.113.9"),
        ("6.6.6.6, nonsense, 10.1.2.3", "10.1.2.3"),
        ("nonsense", "127.0.0.1"),
        ("[2001:db8::1]:4711", "2001:db8::1"),
        ("::ffff:203.0.113.9", "203.0.113.9"),
    ] {
        let agent = app.agent().with_header("x-forwarded-for", forwarded);
        fail(|method, path| agent.request(method, path), &agent).await;
        assert_eq!(last_address(&app).await, address, "{forwarded}");
        app.advance(1);
    }
    let app = TestApp::start_with(&[("TRUSTED_PLATFORM", "CF-Connecting-IP")]).await;
    let agent = app.agent();
    fail(|method, path| lying(&agent, method, path), &agent).await;
    assert_eq!(last_address(&app).await, "203.0.113.9");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_089_the_host_header_names_nothing() {
    let app = TestApp::start().await;
    let client = app.client(json!({ "isPublic": true })).await;
    let authorize = format!(
        "/authorize?client_id={}&response_type=code&redirect_uri=https%3A%2F%2Fapp.example%2Fcb&scope=openid\
         &code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM&code_challenge_method=S256",
        client["id"].as_str().unwrap()
    );
    for path in [
        "/.well-known/openid-configuration",
        "/.well-known/oauth-authorization-server",
        "/",
        "/login",
        "/api/users/",
        &authorize,
    ] {
        for host in ["evil.example", "localhost.evil.example:80", "localhost@evil.example", "evil.example/x", ""] {
            let answer =
                app.raw(format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n").as_bytes());
            assert!(!answer.contains("evil.example"), "{path} {host}: {answer}");
        }
        let whole = app.raw(
            format!("GET http://evil.example{path} HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n")
                .as_bytes(),
        );
        assert!(!whole.contains("evil.example"), "{path}: {whole}");
    }
    let discovery =
        app.agent().request(Method::GET, "/.well-known/openid-configuration").header("host", "evil.example");
    assert_eq!(app.agent().send(discovery).await.expect(200).json()["issuer"], app.url());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_090_control_characters_get_into_no_name_and_no_header() {
    let app = TestApp::start().await;
    let script = app.script();
    let tim = app.person("tim").await;
    let user = format!("/api/users/{}", tim.id());
    let group = script.post("/api/user-groups", &json!({ "name": "staff", "friendlyName": "Staff" })).await.id();
    app.client(json!({ "id": "app", "isPublic": true })).await;
    for bad in [
        "a\r\nSet-Cookie: x=y",
        "a\nb",
        "a\rb",
        "a\u{0}b",
        "a\u{b}b",
        "a\u{1b}[31m",
        "a\u{7f}b",
        "a\u{85}b",
        "a\u{2028}b",
        "a\u{202e}b",
        "a\u{feff}b",
    ] {
        for (path, names) in [
            (user.as_str(), &["firstName", "lastName", "displayName", "username", "email", "locale"][..]),
            ("/api/users/me", &["firstName", "displayName", "email", "locale"]),
            (&format!("/api/user-groups/{group}"), &["name", "friendlyName"]),
            ("/api/oidc/clients/app", &["name", "description"]),
            ("/api/application-configuration", &["appName", "homePageUrl", "smtpFrom"]),
        ] {
            let agent = if path == "/api/users/me" { &tim.agent } else { &script };
            for name in names {
                agent.patch(path, &json!({ *name: bad }), None).await.invalid(&[&format!("{name} invalid_format")]);
            }
        }
        let passkey = tim.agent.get("/api/webauthn/credentials").await.json()[0]["id"].as_str().unwrap().to_owned();
        tim.agent
            .patch(&format!("/api/webauthn/credentials/{passkey}"), &json!({ "name": bad }), None)
            .await
            .invalid(&["name invalid_format"]);
        script
            .put(&format!("/api/custom-claims/user/{}", tim.id()), &json!([{ "key": bad, "value": "x" }]))
            .await
            .invalid(&["key invalid_format"]);
    }
    // Overlong UTF-8 is no UTF-8.
    let overlong = script
        .request(Method::PATCH, &user)
        .header("content-type", "application/json")
        .body(b"{\"firstName\":\"\xc0\x8a\"}".to_vec());
    script.send(overlong).await.refused(400, "invalid_request_body");
    // What comes in a path leaves in no header.
    for path in
        ["/api/users%0d%0aSet-Cookie:%20x=y/", "/login%0d%0aX-Evil:1/", "/%0d%0a/", "/api/oidc/clients/%0d%0ax/logo"]
    {
        let answer = app.raw_get(path);
        let head = answer.split("\r\n\r\n").next().unwrap();
        assert!(
            !head
                .lines()
                .any(|line| line.to_lowercase().starts_with("set-cookie: x=y")
                    || line.to_lowercase().starts_with("x-evil")),
            "{head}"
        );
    }
    // A browser's name is kept without what would break a line of the log.
    let agent = app.agent().with_header("user-agent", "Evil\tBrowser");
    agent.post("/api/one-time-access-token/WRONG1", &json!({})).await.expect(401);
    let rows = app.stored();
    let row = rows.lines().find(|l| l.starts_with("audit_logs") && l.contains("EvilBrowser"));
    assert!(row.is_some(), "{rows}");
    let stored: Value = script.get(&user).await.json();
    assert_eq!(stored["displayName"], "Tim Test");
}
