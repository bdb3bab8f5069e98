//! Section K: hostile input.

use http::Method;
use pid_http::listen::{Listener, Manner};
use pid_tests::{Agent, Reply, TestApp};
use serde_json::{Value, json};

async fn send(agent: &Agent, method: &str, path: &str, body: Vec<u8>) -> Reply {
    let request = agent.request(Method::from_bytes(method.as_bytes()).unwrap(), path);
    agent.send(request.header("content-type", "application/json").body(body)).await
}

/// Routes that read JSON, each as somebody who may.
async fn doors(app: &TestApp) -> Vec<(Agent, &'static str, String)> {
    let tim = app.person("tim").await;
    app.client(json!({ "id": "app" })).await;
    let group = app.script().post("/api/user-groups", &json!({ "name": "staff", "friendlyName": "Staff" })).await.id();
    tim.agent.get("/api/webauthn/register/start").await.expect(200);
    let (script, id) = (app.script(), tim.id());
    vec![
        (script.clone(), "POST", "/api/users".into()),
        (script.clone(), "PUT", format!("/api/users/{id}")),
        (script.clone(), "PATCH", format!("/api/users/{id}")),
        (script.clone(), "PUT", format!("/api/users/{id}/user-groups")),
        (script.clone(), "POST", format!("/api/users/{id}/one-time-access-token")),
        (script.clone(), "POST", "/api/user-groups".into()),
        (script.clone(), "PUT", format!("/api/user-groups/{group}")),
        (script.clone(), "PUT", format!("/api/user-groups/{group}/users")),
        (script.clone(), "PUT", format!("/api/user-groups/{group}/allowed-oidc-clients")),
        (script.clone(), "PUT", format!("/api/custom-claims/user/{id}")),
        (script.clone(), "PUT", format!("/api/custom-claims/user-group/{group}")),
        (script.clone(), "POST", "/api/oidc/clients".into()),
        (script.clone(), "PUT", "/api/oidc/clients/app".into()),
        (script.clone(), "PATCH", "/api/oidc/clients/app".into()),
        (script.clone(), "PUT", "/api/oidc/clients/app/allowed-user-groups".into()),
        (script.clone(), "POST", "/api/oidc/clients/app/secrets".into()),
        (script.clone(), "PUT", "/api/application-configuration".into()),
        (script, "PATCH", "/api/application-configuration".into()),
        (tim.agent.clone(), "PUT", "/api/users/me".into()),
        (tim.agent.clone(), "POST", "/api/webauthn/register/finish".into()),
        (tim.agent.clone(), "POST", "/api/webauthn/login/finish".into()),
        (tim.agent.clone(), "POST", "/api/webauthn/reauthenticate".into()),
        (tim.agent, "POST", "/api/api-keys".into()),
        (app.agent(), "POST", "/api/signup/setup".into()),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_095_no_body_breaks_a_route() {
    let app = TestApp::start_with(&[("DISABLE_RATE_LIMITING", "true")]).await;
    let doors = doors(&app).await;
    let deep = |open: &str, close: &str| format!("{}{}", open.repeat(10_000), close.repeat(10_000)).into_bytes();
    let bodies: Vec<Vec<u8>> = vec![
        deep("[", "]"),
        deep("{\"a\":", "}"),
        deep("[", ""),
        b"{\"name\":NaN}".to_vec(),
        b"{\"name\":Infinity}".to_vec(),
        b"{\"name\":-0}".to_vec(),
        b"{\"name\":1e999}".to_vec(),
        b"{\"name\":\"\\ud800\"}".to_vec(),
        b"{\"username\":\"\\udc00\\ud800\"}".to_vec(),
        b"{\"name\":\"\xff\xfe\"}".to_vec(),
        b"{\"name\":\"a\",\"name\":[],\"name\":{}}".to_vec(),
        b"{'name':'a'}".to_vec(),
        b"{\"name\":\"a\"".to_vec(),
        b"\xef\xbb\xbf{}".to_vec(),
        b"\0".to_vec(),
        b"{\"__proto__\":{\"isAdmin\":true},\"constructor\":1}".to_vec(),
    ];
    for (agent, method, path) in &doors {
        for body in &bodies {
            let shown = String::from_utf8_lossy(&body[..body.len().min(40)]).into_owned();
            let reply = send(agent, method, path, body.clone()).await;
            let status = reply.status.as_u16();
            assert!(status < 500, "{method} {path} {shown}: {status} {}", reply.text());
            if status >= 400 {
                assert!(reply.json()["code"].is_string(), "{method} {path} {shown}: {}", reply.text());
            }
        }
        for body in [&bodies[0], &bodies[3], &bodies[6], &bodies[7], &bodies[9], &bodies[12]] {
            assert_eq!(send(agent, method, path, body.clone()).await.status, 400, "{method} {path}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_095_every_field_takes_its_own_type_alone() {
    let app = TestApp::start_with(&[("DISABLE_RATE_LIMITING", "true")]).await;
    app.admin().await;
    app.client(json!({ "id": "app" })).await;
    let script = app.script();
    let tim = format!("/api/users/{}", app.person("tim").await.id());
    let wrong = [
        json!(7),
        json!(-1.5),
        json!(1e300),
        json!(true),
        json!("x"),
        json!([]),
        json!([[]]),
        json!({}),
        json!({ "a": { "b": [] } }),
    ];
    for path in [tim.as_str(), "/api/oidc/clients/app"] {
        let whole = script.get(path).await.expect(200).json();
        for (name, right) in whole.as_object().unwrap() {
            for wrong in &wrong {
                let same_type = std::mem::discriminant(right) == std::mem::discriminant(wrong);
                let mut body = whole.clone();
                body[name] = wrong.clone();
                for reply in [script.patch(path, &json!({ name: wrong }), None).await, script.put(path, &body).await] {
                    let status = reply.status.as_u16();
                    assert!([200, 400, 409].contains(&status), "{name} = {wrong}: {status} {}", reply.text());
                    if status == 400 && !same_type {
                        let code = reply.json()["code"].as_str().unwrap().to_owned();
                        assert!(
                            ["invalid_request_body", "validation_failed"].contains(&code.as_str()),
                            "{name} = {wrong}: {code}"
                        );
                    }
                }
                script.put(path, &whole).await.expect(200);
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_095_bodies_are_bounded() {
    let app = TestApp::start().await;
    let script = app.script();
    let key = TestApp::API_KEY;
    let head = |extra: &str| {
        format!(
            "POST /api/users HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\nX-API-Key: {key}\r\n{extra}\r\n"
        )
    };
    // Said beforehand: not read at all.
    let announced = app.raw(head("Content-Length: 104857600\r\n").as_bytes());
    assert!(announced.starts_with("HTTP/1.1 413") && announced.contains("payload_too_large"), "{announced}");
    // Not said: read up to the limit.
    let chunk = format!("{:x}\r\n{}\r\n", 1 << 20, " ".repeat(1 << 20));
    let chunked =
        [head("Transfer-Encoding: chunked\r\n").into_bytes(), chunk.as_bytes().to_vec(), chunk.as_bytes().to_vec()]
            .concat();
    let unannounced = app.raw(&chunked);
    assert!(unannounced.starts_with("HTTP/1.1 413"), "{unannounced}");
    // The token endpoint says it in the words of RFC 6749 §5.2.
    for (method, path, status) in [
        ("POST", "/api/users", 413),
        ("PATCH", "/api/users/me", 413),
        ("POST", "/api/webauthn/login/finish", 413),
        ("POST", "/api/oidc/token", 413),
    ] {
        // An agent each: a server that has read enough closes the connection.
        let agent = app.script();
        agent.get("/api/webauthn/login/start").await.expect(200);
        let reply = send(&agent, method, path, vec![b' '; (1 << 20) + 1]).await;
        assert_eq!(reply.status, status, "{method} {path}: {}", reply.text());
    }
    // Neither are headers without end, and the next request is served.
    let long = app.raw(
        format!(
            "GET /api/users HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nX-Long: {}\r\n\r\n",
            "x".repeat(1 << 20)
        )
        .as_bytes(),
    );
    assert!(long.starts_with("HTTP/1.1 431"), "{long}");
    script.get("/api/users").await.expect(200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_097_lists_take_options_as_data() {
    let app = TestApp::start_with(&[("DISABLE_RATE_LIMITING", "true")]).await;
    let script = app.script();
    app.admin().await;
    app.client(json!({ "id": "app" })).await;
    let api = json!({ "name": "Orders", "resource": "https://orders.example" });
    let api = script.post("/api/apis", &api).await.expect(201).id();
    let person = app.person("tim").await;
    let before = app.stored();
    let hostile = [
        "'",
        "''",
        "\"",
        "';DROP TABLE users;--",
        "1 OR 1=1",
        "id; SELECT pg_sleep(9)",
        "username) UNION SELECT * FROM sessions--",
        "$1",
        "?1",
        "%",
        "_",
        "\\",
        "\u{0}",
        "{{7*7}}",
        "${7*7}",
        "users.id",
        "1e9",
        "null",
        "true",
        "\u{fffd}",
        "⁏",
        "(((((",
        "0x41",
    ];
    let numbers = [
        "0",
        "-1",
        "9223372036854775807",
        "9223372036854775808",
        "-9223372036854775808",
        "1e3",
        "0x10",
        " 5 ",
        "NaN",
        "",
        "1;2",
    ];
    // Every name that any list sorts and filters by.
    let columns = "createdAt username email emailVerified firstName lastName displayName isAdmin disabled friendlyName name userCount \
        pkceEnabled requiresReauthentication requiresPushedAuthorizationRequests skipConsent isGroupRestricted pkceSupported clientType \
        allowedUserGroupsCount lastUsedAt resource audience expiresAt event ipAddress country city userAgent";
    let fields = "emailVerified isAdmin disabled pkceEnabled requiresReauthentication requiresPushedAuthorizationRequests skipConsent \
        isGroupRestricted pkceSupported clientType hasLaunchURL event userID clientName location";
    for path in [
        "/api/users".to_owned(),
        "/api/user-groups".to_owned(),
        "/api/oidc/clients".to_owned(),
        "/api/oidc/users/me/clients".to_owned(),
        "/api/oidc/users/me/authorized-clients".to_owned(),
        format!("/api/oidc/users/{}/authorized-clients", person.id()),
        "/api/apis".to_owned(),
        format!("/api/apis/{api}/clients"),
        format!("/api/apis/{api}/assignable-clients"),
        "/api/api-access/app/assignable-apis".to_owned(),
        "/api/audit-logs".to_owned(),
        "/api/audit-logs/all".to_owned(),
        "/api/api-keys".to_owned(),
    ] {
        let total = script.get(&path).await.expect(200).json()["pagination"]["totalItems"].clone();
        for text in hostile {
            let value: String = url::form_urlencoded::byte_serialize(text.as_bytes()).collect();
            for query in [
                format!("sort[column]={value}&sort[direction]={value}"),
                format!("sort[column]=createdAt&sort[direction]={value}"),
                format!("search={value}"),
                format!("filters[{value}]=1"),
                fields
                    .split_whitespace()
                    .map(|field| format!("&filters[{field}]={value}&filters[{field}][]=x"))
                    .collect(),
                format!("pagination[page]={value}&pagination[limit]={value}&{value}={value}"),
            ] {
                script.get(&format!("{path}?{query}")).await.expect(200);
            }
        }
        for (column, direction) in columns.split_whitespace().flat_map(|column| [(column, "asc"), (column, "desc")]) {
            let reply = script.get(&format!("{path}?sort[column]={column}&sort[direction]={direction}")).await;
            assert_eq!(reply.expect(200).json()["pagination"]["totalItems"], total, "{path} by {column}");
        }
        for number in numbers {
            let reply = script
                .get(&format!("{path}?pagination[page]={number}&pagination[limit]={number}"))
                .await
                .expect(200)
                .json();
            let page = &reply["pagination"];
            assert!((1..=100).contains(&page["itemsPerPage"].as_i64().unwrap()), "{number}: {page}");
            assert!(
                page["currentPage"].as_i64().unwrap() >= 1
                    && page["currentPage"].as_i64() <= page["totalPages"].as_i64(),
                "{number}: {page}"
            );
            assert_eq!(page["totalItems"], total);
        }
    }
    for id in hostile {
        let id: String = url::form_urlencoded::byte_serialize(id.as_bytes()).collect();
        for path in ["/api/users", "/api/user-groups", "/api/oidc/clients"] {
            script.get(&format!("{path}/{}", id.replace('+', "%20"))).await.expect(404);
        }
    }
    assert_eq!(app.stored(), before, "reading changed nothing");
}

/// A handler that panics behind the real layers, at a real listener: no route of ours does.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_100_a_panic_is_one_answer() {
    let app = TestApp::start().await;
    let state = app.app().clone();
    let routes: axum::Router = axum::Router::new()
        .route("/api/panic", axum::routing::get(|| async { panic!("secret cause") as () }))
        .route("/api/fine", axum::routing::get(|| async { "fine" }))
        .layer(axum::middleware::from_fn_with_state(state, pid_http::middleware::headers::layer));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let agent = Agent::new(&format!("http://{}", listener.local_addr().unwrap()));
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let server = tokio::spawn(pid_http::listen::serve(Listener::Tcp(listener), Manner::default(), routes, async {
        let _ = stopped.await;
    }));
    for _ in 0..5 {
        let reply = agent.get("/api/panic").await.refused(500, "internal_error");
        assert!(!reply.text().contains("secret"), "{}", reply.text());
        assert_eq!(agent.get("/api/fine").await.expect(200).text(), "fine");
    }
    let _ = stop.send(());
    server.await.unwrap();
}

/// A rule that panics in the store's writer takes nobody with it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_100_a_panic_in_a_transaction_undoes_that_one_alone() {
    let mut app = TestApp::start().await;
    let script = app.script();
    let group = |n: usize| json!({ "name": format!("group{n}"), "friendlyName": "Group" });
    let writes: Vec<_> = (0..10)
        .map(|n| {
            let (db, script) = (app.app().db().clone(), script.clone());
            tokio::spawn(async move {
                let panicking = db.write(|tx| -> Result<(), pid_store::StoreError> {
                    pid_store::instance::put(tx, "panicked", "yes")?;
                    panic!("on purpose");
                });
                let body = group(n);
                let (panicked, made) = tokio::join!(panicking, script.post("/api/user-groups", &body));
                assert!(panicked.is_err());
                made.expect(201);
            })
        })
        .collect();
    for write in writes {
        write.await.unwrap();
    }
    app.restart().await;
    let page: Value = script.get("/api/user-groups?search=group").await.json();
    assert_eq!(page["pagination"]["totalItems"], 10);
    assert!(!app.stored().contains("panicked"));
}
