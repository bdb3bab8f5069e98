//! Section J: what proxies and peers say.

use http::Method;
use pid_tests::{Agent, Door, Reply, TestApp};
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

const APP: &str = "https://app.example.com";

/// A server that trusts the proxy beside it, with an app whose administration is for nobody and whose `/open` for everybody.
async fn protecting(variables: &[(&str, &str)]) -> TestApp {
    let app = TestApp::start_with(variables).await;
    let script = app.script();
    script.post("/api/user-groups", &json!({ "name": "admins", "friendlyName": "Admins" })).await.expect(201);
    let rules = json!([{ "path": "/open", "public": true }, { "path": "/admin", "groups": ["admins"] }]);
    for (name, protection) in [
        ("App", json!({ "hosts": [APP], "rules": rules, "assertionHeader": "X-Assertion" })),
        ("Other", json!({ "hosts": ["https://other.example.com", "https://app.example.com:8443"] })),
    ] {
        let body = json!({ "name": name, "clientType": "proxy", "forwardAuth": protection });
        script.post("/api/oidc/clients", &body).await.expect(201);
    }
    app
}

const TRUSTING: &[(&str, &str)] = &[("TRUST_PROXY", "127.0.0.1")];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_088_strangers_get_no_verdict() {
    let app = protecting(&[("FORWARD_AUTH_SECRET", "a secret of the proxy's"), ("TRUST_PROXY", "10.0.0.0/8")]).await;
    let door = Door::new(&app, APP);
    for path in ["/api/forward-auth", "/api/forward-auth/nginx", "/api/forward-auth/envoy/open"] {
        let question = || door.question_at(path, "GET", "/open");
        door.send(question()).await.refused(403, "proxy_not_trusted");
        door.send(question().header("x-forwarded-for", "10.0.0.1")).await.refused(403, "proxy_not_trusted");
        for wrong in ["", "a secret of the proxy'", "A secret of the proxy's"] {
            door.send(question().header("x-forward-auth-secret", wrong)).await.refused(403, "proxy_not_trusted");
        }
        let twice = question()
            .header("x-forward-auth-secret", "a secret of the proxy's")
            .header("x-forward-auth-secret", "a secret of the proxy's");
        door.send(twice).await.refused(403, "proxy_not_trusted");
        let knows =
            question().header("x-forward-auth-secret", "a secret of the proxy's").header("host", "app.example.com");
        door.send(knows).await.expect(200);
    }
    let page = door.send(door.question("GET", "/open").header("accept", "text/html")).await.expect(403);
    assert!(page.text().contains("TRUST_PROXY") && !page.text().contains("secret of"), "{}", page.text());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_089_people_are_sent_to_registered_addresses_alone() {
    let app = protecting(TRUSTING).await;
    let tim = app.person("tim").await;
    let own = app.url().split_once("://").unwrap().1.to_owned();
    for host in
        ["evil.example", "app.example.com.evil.example", "evil.example:443", &own, "other.example.com@evil.example"]
    {
        let reply = Door::new(&app, &format!("https://{host}")).open("/").await.expect(403);
        assert_eq!(reply.header("location"), None, "{host}");
    }
    let door = Door::new(&app, APP);
    for uri in [
        "//evil.example/x",
        "/\\evil.example",
        "/@evil.example",
        "/%0d%0aLocation:%20https://evil.example",
        "/.evil.example",
    ] {
        let away = door.open(uri).await;
        if away.status == 302 {
            assert!(away.location().starts_with(&format!("{}/authorize?", app.url())), "{uri}: {}", away.location());
            let arrived = door.enter(&tim.agent, uri).await.expect(302).location();
            assert!(arrived.starts_with(&format!("{APP}/")), "{uri}: {arrived}");
            door.forget();
        }
    }
    // Whoever writes the state themselves comes back to the app or nowhere.
    let forged = door.open("/.pocket-id/callback?code=x&state=a.aHR0cHM6Ly9ldmlsLmV4YW1wbGU").await.expect(403).text();
    assert!(!forged.contains("evil.example") && forged.contains(&format!("{APP}/")), "{forged}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_090_what_an_app_is_told_stays_one_value() {
    let app = protecting(TRUSTING).await;
    let tim = app.person("tim").await;
    for name in ["staff,admins", "50% off", "日本"] {
        let group = app.script().post("/api/user-groups", &json!({ "name": name, "friendlyName": name })).await.id();
        app.script()
            .put(&format!("/api/user-groups/{group}/users"), &json!({ "userIds": [tim.id()] }))
            .await
            .expect(200);
    }
    app.script()
        .patch(&format!("/api/users/{}", tim.id()), &json!({ "displayName": "Tim, 日本; \"x\"" }), None)
        .await
        .expect(200);
    let door = Door::new(&app, APP);
    door.enter(&tim.agent, "/").await.expect(302);
    let passed = door.ask("GET", "/").await.expect(200);
    let value = |name: &str| String::from_utf8(passed.headers[name].as_bytes().to_vec()).unwrap();
    assert_eq!(value("remote-groups"), "50%25 off,staff%2Cadmins,日本");
    assert_eq!(value("remote-name"), "Tim, 日本; \"x\"");
    door.ask("GET", "/admin").await.expect(403);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_091_what_a_client_says_of_itself_is_overwritten_on_every_verdict() {
    let app = protecting(TRUSTING).await;
    let tim = app.person("tim").await;
    let group = app.script().post("/api/user-groups", &json!({ "name": "staff", "friendlyName": "Staff" })).await.id();
    app.script().put(&format!("/api/user-groups/{group}/users"), &json!({ "userIds": [tim.id()] })).await.expect(200);
    let door = Door::new(&app, APP);
    let spoof = |method: &str, uri: &str| {
        let mut question = door.question(method, uri);
        for name in ["remote-user", "remote-email", "remote-name", "remote-groups", "x-assertion"] {
            question = question.header(name, "admin");
        }
        question
    };
    let names = ["remote-user", "remote-email", "remote-name", "remote-groups", "x-assertion"];
    let nobody = door.send(spoof("GET", "/open")).await.expect(200);
    for name in names {
        assert_eq!(nobody.headers.get_all(name).iter().collect::<Vec<_>>(), [""], "{name}");
    }
    door.enter(&tim.agent, "/").await.expect(302);
    for (method, uri) in [("GET", "/"), ("POST", "/open"), ("OPTIONS", "/x"), ("HEAD", "/open/x")] {
        let passed = door.send(spoof(method, uri)).await.expect(200);
        for name in names {
            let said: Vec<_> = passed.headers.get_all(name).iter().collect();
            assert!(said.len() == 1 && said[0] != "admin" && !said[0].is_empty(), "{name}: {said:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_092_no_writing_of_an_address_opens_another() {
    let app = protecting(TRUSTING).await;
    let tim = app.person("tim").await;
    let door = Door::new(&app, APP);
    door.enter(&tim.agent, "/").await.expect(302);
    let nobody = Door::new(&app, APP);
    for uri in [
        "/open/../admin",
        "/open/..;/admin",
        "/open/%2e%2e/admin",
        "/open/.%2e/admin",
        "/open%2f..%2fadmin",
        "/open/..%2fadmin",
        "/open/%252e%252e/admin",
        "/open//../admin",
        "//admin",
        "/./admin",
        "/admin;x",
        "/%2561dmin",
        "/open%3f/../admin",
        "/open%23/../admin",
        "/open%5c..%5cadmin",
        "/open\\..\\admin",
        "/open/%c0%ae%c0%ae/admin",
        "/open/%",
        "/open/%00",
        "http://app.example.com/open",
        "*",
        "",
    ] {
        for one in [&door, &nobody] {
            one.ask("GET", uri).await.refused(403, "proxy_request_unclear");
        }
    }
    for uri in ["/admin", "/ADMIN", "/%61dmin", "/Admin/x", "/admin/?x=/open", "/admin?/../open", "/admin/open"] {
        door.ask("GET", uri).await.refused(403, "proxy_access_denied");
        nobody.ask("GET", uri).await.refused(401, "not_signed_in");
    }
    for uri in ["/OPEN", "/opener", "/op%65ned", "/?/open", "/x/open"] {
        nobody.ask("GET", uri).await.refused(401, "not_signed_in");
        door.ask("GET", uri).await.expect(200);
    }
    for uri in ["/open", "/open/", "/%6fpen/x", "/open?x=../admin"] {
        nobody.ask("GET", uri).await.expect(200);
    }
    // Another host, another way to write it, another method by a header.
    for host in [
        "app.example.com.",
        "app.example.com,other.example.com",
        "app.example.com:0443",
        "app..example.com",
        "app.example.com/x",
        "",
    ] {
        let question = app.agent().request(Method::GET, "/api/forward-auth");
        let question = question
            .header("x-forwarded-method", "GET")
            .header("x-forwarded-uri", "/open")
            .header("x-forwarded-host", host);
        app.agent().send(question).await.refused(403, "proxy_request_unclear");
    }
    nobody.at("https://APP.EXAMPLE.COM:443").ask("GET", "/open").await.expect(200);
    nobody.at("https://app.example.com:8443").ask("GET", "/open").await.expect(401);
    for (name, value) in [
        ("x-original-url", "https://app.example.com/admin"),
        ("x-original-url", "https://other.example.com/open"),
        ("x-original-uri", "/admin"),
        ("x-original-method", "POST"),
        ("x-forwarded-uri", "/admin"),
        ("x-forwarded-host", "other.example.com"),
        ("x-forwarded-method", "GET"),
    ] {
        nobody.send(nobody.question("GET", "/open").header(name, value)).await.refused(403, "proxy_request_unclear");
    }
    nobody.send(nobody.question("GET", "/x").header("x-http-method-override", "OPTIONS")).await.expect(401);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_093_no_kind_of_request_passes_without_a_session_of_its_host() {
    let app = protecting(TRUSTING).await;
    let tim = app.person("tim").await;
    let door = Door::new(&app, APP);
    let kinds = |door: &Door| {
        vec![
            door.question("OPTIONS", "/x")
                .header("origin", "https://evil.example")
                .header("access-control-request-method", "PUT"),
            door.question("HEAD", "/x"),
            door.question("GET", "/x").header("range", "bytes=0-1"),
            door.question("GET", "/ws").header("upgrade", "websocket").header("accept", "text/html"),
            door.question("CONNECT", "/x"),
            door.question("PRI", "/x"),
        ]
    };
    let all = async |door: &Door, status: u16| {
        for question in kinds(door) {
            let reply = door.send(question).await.expect(status);
            assert_eq!(reply.header("location"), None);
        }
    };
    all(&door, 401).await;
    door.enter(&tim.agent, "/").await.expect(302);
    all(&door, 200).await;
    // The cookie of one host is nothing at another, even of the same name, client or person.
    for other in ["https://other.example.com", "https://app.example.com:8443"] {
        let elsewhere = door.at(other);
        all(&elsewhere, 401).await;
        let moved = door.cookie("pocket-id-app").unwrap();
        for name in ["__Host-pocket-id-app", "__Host-pocket-id-app-8443"] {
            let question = elsewhere.question("GET", "/").header("cookie", format!("{name}={moved}"));
            elsewhere.send(question).await.expect(401);
        }
    }
    let cookie = door.cookie("pocket-id-app").unwrap();
    let stranger = Door::new(&app, APP);
    let changed = format!("{}{}", &cookie[..69], if cookie.ends_with('A') { 'B' } else { 'A' });
    for cookies in [
        format!("pocket-id-app={cookie}"),
        format!("__Host-pocket-id-app={changed}"),
        format!("__Host-pocket-id-app={cookie}x"),
        format!("__Host-pocket-id-app={cookie}; __Host-pocket-id-app={cookie}"),
        format!("__Host-access_token={cookie}; access_token={cookie}"),
        "__Host-pocket-id-app=".to_owned(),
    ] {
        stranger.send(stranger.question("GET", "/x").header("cookie", cookies)).await.expect(401);
    }
    let session = tim.agent.cookie("access_token").unwrap();
    stranger
        .send(stranger.question("GET", "/x").header("cookie", format!("__Host-pocket-id-app={session}")))
        .await
        .expect(401);
    // And the other way round: what an app could get to see opens nothing here.
    let thief = app.agent();
    thief.set_cookie("access_token", &cookie);
    thief.get("/api/users/me").await.expect(401);
    // The end of the session is the end of the next request.
    tim.agent.post("/api/webauthn/logout", &json!({})).await.expect(204);
    all(&door, 401).await;
}
