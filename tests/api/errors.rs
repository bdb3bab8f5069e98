//! Routes, methods, bodies and headers that are wrong, wherever they go (api.md §1–§5).

use http::Method;
use pid_tests::{Reply, TestApp};
use serde_json::json;

/// The answer to what is not there: no `code`, no `request_id` in the body (api.md §1).
fn unknown(reply: Reply) {
    let reply = reply.expect(404);
    let body = reply.json();
    assert_eq!(body.as_object().unwrap().keys().collect::<Vec<_>>(), ["error"]);
    assert_eq!(reply.header("content-type"), Some("application/json; charset=utf-8"));
    assert_eq!(reply.header("allow"), None);
    assert!(reply.header("x-request-id").is_some());
    assert_eq!(reply.header("access-control-allow-origin"), None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unknown_routes_and_methods_get_the_contract_s_404() {
    let app = TestApp::start().await;
    let script = app.script();
    for path in
        ["/api/nothing", "/api/Users", "/api/users/me/nothing/", "/api/users/a/b/c", "/.well-known/nothing", "/api"]
    {
        for method in [Method::GET, Method::POST, Method::OPTIONS, Method::DELETE] {
            let reply = script.send(script.request(method.clone(), path)).await;
            if path.ends_with('/') {
                let status = if method == Method::GET { 301 } else { 307 };
                assert_eq!(reply.expect(status).location(), path.trim_end_matches('/'));
            } else {
                unknown(reply);
            }
        }
    }
    for (method, path) in [
        (Method::DELETE, "/api/users"),
        (Method::PATCH, "/api/users"),
        (Method::OPTIONS, "/api/users"),
        (Method::POST, "/api/users/me"),
        (Method::GET, "/api/webauthn/logout"),
        (Method::HEAD, "/api/webauthn/logout"),
        (Method::PUT, "/api/oidc/clients"),
        (Method::OPTIONS, "/api/application-configuration"),
        (Method::from_bytes(b"BREW").unwrap(), "/api/users"),
        (Method::TRACE, "/api/users"),
    ] {
        let reply = script.send(script.request(method.clone(), path)).await;
        if method == Method::HEAD {
            assert_eq!(reply.expect(404).body, b"");
        } else {
            unknown(reply);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slash_too_many_is_redirected() {
    let app = TestApp::start().await;
    let script = app.script();
    for (method, path, status, target) in [
        (Method::GET, "/api/users/", 301, "/api/users"),
        (Method::HEAD, "/api/users/", 301, "/api/users"),
        (Method::GET, "/api/users/?search=a%2Fb&page=2", 301, "/api/users?search=a%2Fb&page=2"),
        (Method::POST, "/api/users/", 307, "/api/users"),
        (Method::DELETE, "/api/users/me/", 307, "/api/users/me"),
        (Method::GET, "/login/", 301, "/login"),
    ] {
        let reply = script.send(script.request(method, path)).await.expect(status);
        assert_eq!(reply.location(), target);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_content_type_is_part_of_the_form() {
    let app = TestApp::start().await;
    let script = app.script();
    let body = r#"{"name":"staff","friendlyName":"Staff"}"#;
    let post = async |content_type: Option<&str>, body: &str| {
        let mut request = script.request(Method::POST, "/api/user-groups").body(body.to_owned());
        if let Some(content_type) = content_type {
            request = request.header("content-type", content_type);
        }
        script.send(request).await
    };
    for wrong in [
        None,
        Some("text/plain"),
        Some("application/x-www-form-urlencoded"),
        Some("application/jsonx"),
        Some("json"),
        Some("text/json"),
        Some("multipart/form-data; boundary=x"),
        Some(""),
    ] {
        post(wrong, body).await.refused(400, "invalid_request_body");
    }
    for (i, right) in
        ["application/json", "Application/JSON; charset=UTF-8", "application/vnd.x+json", " application/json ;a=b"]
            .iter()
            .enumerate()
    {
        post(Some(right), &format!(r#"{{"name":"staff{i}","friendlyName":"Staff"}}"#)).await.expect(201);
    }
    for wrong in ["", " ", "{", "nonsense", "[]", "7", "\"x\"", "{\"name\":}", "\u{feff}{}"] {
        post(Some("application/json"), wrong).await.refused(400, "invalid_request_body");
    }
    // `null` is an empty object, what follows the first value is passed over, the last of duplicates counts.
    post(Some("application/json"), "null").await.invalid(&["friendlyName required", "name required"]);
    let odd = r#"{"name":"first","friendlyName":"Odd","name":"last","more":[null]} trailing"#;
    assert_eq!(post(Some("application/json"), odd).await.expect(201).json()["name"], "last");
    // A GET with a content type, as some scripts send it, is as good as one without.
    let get = script.request(Method::GET, "/api/users").header("content-type", "application/json");
    script.send(get).await.expect(200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_may_not_is_told_so_before_their_body_is_looked_at() {
    let app = TestApp::start().await;
    let tim = app.person("tim").await;
    for (method, path) in [
        (Method::POST, "/api/users"),
        (Method::PUT, "/api/users/x"),
        (Method::PATCH, "/api/users/x"),
        (Method::PUT, "/api/user-groups/x/users"),
        (Method::POST, "/api/oidc/clients"),
        (Method::POST, "/api/oidc/clients/x/secrets"),
        (Method::POST, "/api/oidc/clients/x/logo"),
        (Method::PUT, "/api/custom-claims/user/x"),
        (Method::PATCH, "/api/application-configuration"),
    ] {
        for body in ["", "{", "{}"] {
            let agent = app.agent();
            let request = agent.request(method.clone(), path).header("content-type", "application/json").body(body);
            agent.send(request).await.refused(401, "not_signed_in");
            let request = tim.agent.request(method.clone(), path).body(body);
            tim.agent.send(request).await.refused(403, "forbidden");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_answer_has_an_id_and_is_not_stored() {
    let app = TestApp::start().await;
    let script = app.script().with_header("x-request-id", "mine");
    let mut ids = Vec::new();
    for path in ["/api/users", "/api/users/nobody", "/api/nothing", "/api/version/current"] {
        let reply = script.get(path).await;
        assert_eq!(reply.header("cache-control"), Some("private, no-store"), "{path}");
        assert_eq!(reply.header("x-content-type-options"), Some("nosniff"), "{path}");
        assert!(reply.header("content-security-policy").unwrap().contains("frame-ancestors 'none'"), "{path}");
        ids.push(reply.header("x-request-id").unwrap().to_owned());
    }
    assert!(ids.iter().all(|id| id.len() == 36), "{ids:?}");
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 4);
    // HEAD says what GET would, without the body.
    let get = script.get("/api/users").await.expect(200);
    let head = script.send(script.request(Method::HEAD, "/api/users")).await.expect(200);
    assert_eq!((head.body.len(), head.header("content-length")), (0, Some(get.body.len().to_string().as_str())));
    let refused = script.send(script.request(Method::HEAD, "/api/users/nobody")).await.expect(404);
    assert_eq!(refused.body, b"");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn addresses_that_can_t_be_read_name_nothing() {
    let app = TestApp::start().await;
    let script = app.script();
    for id in ["%ff", "%00", "a%00b", "%E0%80%AF", "..%2f..", "%252e", "%7e%41"] {
        for path in [
            "/api/users/{}",
            "/api/user-groups/{}",
            "/api/oidc/clients/{}",
            "/api/oidc/clients/{}/secrets",
            "/api/users/{}/groups",
        ] {
            let reply = script.get(&path.replace("{}", id)).await.expect(404);
            let code = reply.json()["code"].as_str().unwrap().to_owned();
            assert!(code == "not_found" || code == "user_not_found", "{path} {id}: {code}");
        }
    }
    script.get("/api/oidc/clients/x/logo?light=1&light=2").await.refused(400, "validation_failed");
    let nul = json!({ "name": "a\u{0}b", "friendlyName": "Staff" });
    script.post("/api/user-groups", &nul).await.invalid(&["name invalid_format"]);
    let nul = json!([{ "key": "a", "value": "a\u{0}b" }]);
    let tim = app.person("tim").await;
    script.put(&format!("/api/custom-claims/user/{}", tim.id()), &nul).await.refused(400, "invalid_request_body");
    script
        .patch("/api/application-configuration", &json!({ "smtpHost": "\u{0}" }), None)
        .await
        .refused(400, "invalid_request_body");
    let path = format!("/api/users/{}/user-groups", tim.id());
    script.put(&path, &json!({ "userGroupIds": ["\u{0}"] })).await.refused(400, "invalid_request_body");
    app.agent().post("/api/one-time-access-token/%00%00%00%00%00%00", &json!({})).await.expect(404);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn too_many_requests_wait() {
    let app = TestApp::start().await;
    let agent = app.agent();
    for _ in 0..2000 {
        let reply = agent.get("/api/version/latest").await;
        if reply.status == 429 {
            let wait: u64 = reply.header("retry-after").unwrap().parse().unwrap();
            assert!(wait >= 1);
            reply.refused(429, "rate_limited");
            // Health is not limited.
            agent.get("/healthz").await.expect(204);
            let free = TestApp::start_with(&[("DISABLE_RATE_LIMITING", "true")]).await;
            let agent = free.agent();
            for _ in 0..400 {
                agent.get("/api/version/latest").await.expect(200);
            }
            return;
        }
    }
    panic!("2000 requests in a row were never too many");
}
