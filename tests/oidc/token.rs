//! The token endpoint: requests, client authentication, errors (oidc.md §13, §14, §25).

use http::Method;
use pid_tests::{RelyingParty, Reply, TestApp};
use reqwest::RequestBuilder;
use serde_json::{Value, json};

const TOKEN: &str = "/api/oidc/token";

async fn send(rp: &RelyingParty, dress: impl FnOnce(RequestBuilder) -> RequestBuilder) -> Reply {
    rp.agent.send(dress(rp.agent.request(Method::POST, TOKEN))).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_success_has_the_contracts_members() {
    let app = TestApp::start().await;
    let mut tim = app.person("tim").await;
    let rp = RelyingParty::register(&app, json!({ "accessTokenDurationMinutes": 5 })).await;
    let asking = rp.asks("openid email");
    let code = rp.code(&mut tim, &asking).await;
    let reply = rp.redeem(&asking, &code).await.expect(200);
    assert!(reply.header("content-type").unwrap().starts_with("application/json"));
    assert_eq!((reply.header("cache-control"), reply.header("pragma")), (Some("no-store"), Some("no-cache")));
    let body = reply.json();
    let mut names: Vec<&str> = body.as_object().unwrap().keys().map(String::as_str).collect();
    names.sort_unstable();
    assert_eq!(names, ["access_token", "expires_in", "id_token", "refresh_token", "scope", "token_type"]);
    assert_eq!(
        (&body["token_type"], &body["expires_in"], &body["scope"]),
        (&json!("bearer"), &json!(300), &json!("openid email"))
    );
    assert!(body["refresh_token"].as_str().unwrap().starts_with("pocket_id_rt_"));

    let asking = rp.asks("email");
    let code = rp.code(&mut tim, &asking).await;
    let body = rp.redeem(&asking, &code).await.expect(200).json();
    assert_eq!(body.get("id_token"), None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_authenticate_by_basic_post_or_not_at_all() {
    let app = TestApp::start().await;
    let mut tim = app.person("tim").await;
    let script = app.script();
    let rp = RelyingParty::register(&app, json!({ "id": "my.app" })).await;
    let own = "p+l%us:c*o=l&o?n/~ secret";
    let path = format!("/api/oidc/clients/{}/secrets", rp.id);
    script.post(&path, &json!({ "secret": own })).await.expect(201);
    let first = rp.secret.clone().unwrap();
    for secret in [first.as_str(), own] {
        let basic = RelyingParty { secret: Some(secret.to_owned()), ..rp.clone() };
        basic.sign_in(&mut tim, "openid").await;
        for as_parts in [false, true] {
            let asking = rp.asks("openid");
            let code = rp.code(&mut tim, &asking).await;
            let form = [
                ("grant_type", "authorization_code"),
                ("code", &code),
                ("redirect_uri", &rp.callback),
                ("code_verifier", &asking.verifier),
                ("client_id", &rp.id),
                ("client_secret", secret),
            ];
            let reply =
                if as_parts { rp.agent.post_parts(TOKEN, &form).await } else { rp.agent.post_form(TOKEN, &form).await };
            reply.expect(200);
        }
    }
    // A public client names itself; a secret that it sends means nothing.
    let public = RelyingParty::register(&app, json!({ "name": "SPA", "isPublic": true })).await;
    assert_eq!(public.secret, None);
    public.sign_in(&mut tim, "openid").await;
    let asking = public.asks("openid");
    let code = public.code(&mut tim, &asking).await;
    let odd = RelyingParty { secret: Some("nonsense".to_owned()), ..public.clone() };
    odd.redeem(&asking, &code).await.expect(200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn failed_authentication_says_nothing_more() {
    let app = TestApp::start().await;
    app.admin().await;
    let script = app.script();
    let rp = RelyingParty::register(&app, json!({})).await;
    let form = [("grant_type", "authorization_code"), ("code", "pocket_id_ac_x")];
    let challenge = r#"Basic realm="oauth2", charset="UTF-8""#;
    let mut texts = Vec::new();
    for (id, secret) in [(rp.id.as_str(), "wrong"), ("nobody", "wrong"), (&rp.id, "")] {
        let refused =
            send(&rp, |r| r.basic_auth(id, Some(secret)).form(&form)).await.oauth_error(401, "invalid_client");
        assert_eq!(refused.header("www-authenticate"), Some(challenge));
        assert_eq!(refused.header("cache-control"), Some("no-store"));
        texts.push(refused.text());
        let with = [form[0], form[1], ("client_id", id), ("client_secret", secret)];
        let refused = send(&rp, |r| r.form(&with)).await.oauth_error(401, "invalid_client");
        assert_eq!(refused.header("www-authenticate"), None, "Basic was not used");
        texts.push(refused.text());
    }
    texts.dedup();
    assert_eq!(texts.len(), 1, "an unknown client can't be told from a wrong secret: {texts:?}");
    for header in ["Basic", "Basic !!!", "Basic eA==", "Digest x", "Bearer x.y.z"] {
        let refused = send(&rp, |r| r.header("authorization", header).form(&form)).await;
        assert_eq!(refused.oauth_error(401, "invalid_client").header("www-authenticate"), Some(challenge), "{header}");
    }
    // One method at a time, one client at a time.
    let secret = rp.secret.clone().unwrap();
    for more in [
        ("client_secret", secret.as_str()),
        ("client_id", "other"),
        ("client_assertion", "x"),
        ("client_assertion_type", "y"),
    ] {
        let with = [form[0], form[1], more];
        send(&rp, |r| r.basic_auth(&rp.id, Some(&secret)).form(&with)).await.oauth_error(400, "invalid_request");
    }
    send(&rp, |r| r.basic_auth(&rp.id, Some(&secret)).form(&[form[0], form[1], ("client_id", &rp.id)]))
        .await
        .oauth_error(400, "invalid_grant");
    send(&rp, |r| r.form(&form)).await.oauth_error(400, "invalid_request");

    // Secrets come and go.
    let path = format!("/api/oidc/clients/{}/secrets", rp.id);
    let soon = pid_http::state::Clock::default().now().plus_secs(3600);
    let short = script.post(&path, &json!({ "expiresAt": soon })).await.expect(201).json();
    let short = RelyingParty { secret: short["secret"].as_str().map(str::to_owned), ..rp.clone() };
    short.token(&form).await.oauth_error(400, "invalid_grant");
    app.advance(3601);
    short.token(&form).await.oauth_error(401, "invalid_client");
    rp.token(&form).await.oauth_error(400, "invalid_grant");
    let listed = script.get(&path).await.expect(200).json();
    for secret in listed.as_array().unwrap() {
        script.delete(&format!("{path}/{}", secret["id"].as_str().unwrap())).await.expect(204);
    }
    rp.token(&form).await.oauth_error(401, "invalid_client");
    let none = RelyingParty { secret: None, ..rp.clone() };
    none.token(&form).await.oauth_error(401, "invalid_client");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bad_requests_are_told_what_is_wrong() {
    let app = TestApp::start().await;
    app.admin().await;
    let rp = RelyingParty::register(&app, json!({})).await;
    for (form, error) in [
        (vec![], "invalid_request"),
        (vec![("code", "x")], "invalid_request"),
        (vec![("grant_type", "")], "invalid_request"),
        (vec![("grant_type", "authorization_code")], "invalid_request"),
        (vec![("grant_type", "refresh_token")], "invalid_request"),
        (vec![("grant_type", "password"), ("username", "u"), ("password", "p")], "unsupported_grant_type"),
        (vec![("grant_type", "implicit")], "unsupported_grant_type"),
        (vec![("grant_type", "authorization_code"), ("grant_type", "refresh_token"), ("code", "x")], "invalid_request"),
        (vec![("grant_type", "authorization_code"), ("code", "x"), ("code", "y")], "invalid_request"),
        (vec![("grant_type", "authorization_code"), ("code", "x"), ("resource", "#")], "invalid_target"),
        (vec![("grant_type", "authorization_code"), ("code", "x")], "invalid_grant"),
        (vec![("grant_type", "authorization_code"), ("code", "\u{1}\u{ffff}")], "invalid_grant"),
        (vec![("grant_type", "authorization_code"), ("code", "\u{0}")], "invalid_request"),
        (vec![("grant_type", "authorization_code"), ("client_id", "\u{0}")], "invalid_request"),
        (vec![("grant_type", "refresh_token"), ("refresh_token", "x")], "invalid_grant"),
    ] {
        let refused = rp.token(&form).await.oauth_error(400, error);
        assert!(refused.json()["error_description"].as_str().unwrap().len() > 10, "{form:?}");
        assert_eq!(refused.header("cache-control"), Some("no-store"));
        assert_eq!(refused.header("access-control-allow-origin"), Some("*"));
    }
    let long = "x".repeat(5000);
    rp.token(&[("grant_type", "authorization_code"), ("code", &long)]).await.oauth_error(400, "invalid_grant");
    let huge = "x".repeat(100_000);
    rp.token(&[("grant_type", "authorization_code"), ("code", &huge)]).await.oauth_error(400, "invalid_request");
    let endless = "x".repeat(1 << 20);
    let refused = rp.token(&[("grant_type", "authorization_code"), ("code", &endless)]).await;
    // What follows goes out on another connection: this one ends, and says so.
    assert_eq!(refused.oauth_error(413, "invalid_request").header("connection"), Some("close"));
    for (content_type, body) in [
        ("application/json", r#"{"grant_type":"authorization_code"}"#),
        ("text/plain", "grant_type=authorization_code"),
        ("application/x-www-form-urlencoded", "grant_type=%zz"),
        ("application/x-www-form-urlencoded", "grant_type=%ff"),
        ("multipart/form-data", "grant_type=x"),
        ("multipart/form-data; boundary=x", "--x\r\nnot a part"),
    ] {
        send(&rp, |r| r.header("content-type", content_type).body(body)).await.oauth_error(400, "invalid_request");
    }
    // In the query it doesn't count, and GET isn't a way to ask.
    let query = format!("{TOKEN}?grant_type=authorization_code&code=x&client_id={}", rp.id);
    rp.agent.post_form(&query, &[("a", "b")]).await.oauth_error(400, "invalid_request");
    rp.agent.get(&query).await.expect(404);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn codes_are_bound_to_what_was_asked() {
    let app = TestApp::start().await;
    let mut tim = app.person("tim").await;
    let body = json!({ "callbackURLs": ["https://app.example/cb", "https://app.example/other"] });
    let rp = RelyingParty::register(&app, body).await;
    rp.sign_in(&mut tim, "openid").await;
    let asking = rp.asks("openid");
    let code = rp.code(&mut tim, &asking).await;
    let base = [("grant_type", "authorization_code"), ("code", code.as_str()), ("code_verifier", &asking.verifier)];
    rp.token(&base).await.oauth_error(400, "invalid_grant");
    let other = [base[0], base[1], base[2], ("redirect_uri", "https://app.example/other")];
    rp.token(&other).await.oauth_error(400, "invalid_grant");
    // A failed attempt takes nothing away.
    rp.redeem(&asking, &code).await.expect(200);

    let asking = rp.asks("openid");
    let code = rp.code(&mut tim, &asking).await;
    app.advance(15 * 60 + 1);
    let late = rp.redeem(&asking, &code).await.oauth_error(400, "invalid_grant").json();
    assert!(late["error_description"].as_str().unwrap().contains("expired"), "{late}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn scripts_of_other_origins_may_ask() {
    let app = TestApp::start().await;
    let agent = app.agent();
    for path in [TOKEN, "/api/oidc/revoke", "/api/oidc/userinfo", "/api/oidc/end-session"] {
        let preflight = agent.request(Method::OPTIONS, path).header("origin", "https://spa.example");
        let preflight = preflight.header("access-control-request-method", "POST");
        let reply = agent.send(preflight.header("access-control-request-headers", "authorization,content-type")).await;
        let reply = reply.expect(204);
        assert_eq!(reply.header("access-control-allow-origin"), Some("*"), "{path}");
        assert_eq!(reply.header("access-control-allow-methods"), Some("GET, POST"), "{path}");
        assert_eq!(reply.header("access-control-allow-headers"), Some("Authorization, Content-Type, DPoP"), "{path}");
        assert_eq!(reply.header("access-control-allow-credentials"), None, "{path}");
    }
    for path in [
        "/authorize",
        "/api/oidc/interactions/x",
        "/api/oidc/interactions/x/complete",
        "/api/oidc/clients",
        "/api/users/me",
    ] {
        let preflight = agent.request(Method::OPTIONS, path).header("origin", "https://spa.example");
        let reply = agent.send(preflight.header("access-control-request-method", "POST")).await;
        assert_eq!(reply.header("access-control-allow-origin"), None, "{path}");
        let reply = agent.send(agent.request(Method::GET, path).header("origin", "https://spa.example")).await;
        assert_eq!(reply.header("access-control-allow-origin"), None, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn guessing_a_secret_is_limited_and_the_right_one_still_works_elsewhere() {
    let app = TestApp::start().await;
    app.admin().await;
    let (rp, other) =
        (RelyingParty::register(&app, json!({})).await, RelyingParty::register(&app, json!({ "name": "Other" })).await);
    let form = [("grant_type", "refresh_token"), ("refresh_token", "x")];
    let guess = RelyingParty { secret: Some("wrong".to_owned()), ..rp.clone() };
    let mut limited = None;
    for _ in 0..40 {
        let reply = guess.token(&form).await;
        if reply.status == 429 {
            limited = Some(reply);
            break;
        }
        reply.oauth_error(401, "invalid_client");
    }
    let limited = limited.expect("a limit");
    assert!(limited.header("retry-after").is_some_and(|v| v.parse::<u64>().is_ok_and(|s| s > 0)));
    other.token(&form).await.oauth_error(400, "invalid_grant");
    app.advance(3);
    rp.token(&form).await.oauth_error(400, "invalid_grant");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_challenge_may_be_plain_only_where_the_instance_allows_it() {
    let app = TestApp::start().await;
    let mut tim = app.person("tim").await;
    let rp = RelyingParty::register(&app, json!({})).await;
    rp.sign_in(&mut tim, "openid").await;
    let discovery = "/.well-known/openid-configuration";
    let methods = |document: Value| document["code_challenge_methods_supported"].clone();
    assert_eq!(methods(app.agent().get(discovery).await.json()), json!(["S256"]));
    let asking = rp.asks("openid");
    let plain = asking.clone().with("code_challenge", &asking.verifier).with("code_challenge_method", "plain");
    assert_eq!(tim.agent.get(&plain.path()).await.redirected("error").as_deref(), Some("invalid_request"));
    let allowed = json!({ "allowPlainPkce": "true" });
    app.script().patch("/api/application-configuration", &allowed, None).await.expect(200);
    assert_eq!(methods(app.agent().get(discovery).await.json()), json!(["plain", "S256"]));
    let code = rp.code(&mut tim, &plain).await;
    let wrong = rp.asks("openid");
    rp.redeem(&wrong, &code).await.oauth_error(400, "invalid_grant");
    rp.redeem(&plain, &code).await.expect(200);
}
