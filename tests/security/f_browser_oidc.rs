//! Section F: what other sites and other browsers can do to a sign-in or a sign-out (security cases 64–66).

use http::Method;
use pid_tests::{RelyingParty, TestApp};
use serde_json::json;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_064_another_site_signs_nobody_out() {
    let mut app = TestApp::start().await;
    let mut tim = app.person("tim").await;
    let rp = RelyingParty::register(&app, json!({ "logoutCallbackURLs": ["https://app.example/bye"] })).await;
    let tokens = rp.sign_in(&mut tim, "openid").await;
    let end = "/api/oidc/end-session";
    let evil = "post_logout_redirect_uri=https://evil.example/&state=s";
    for path in [
        end.to_owned(),
        format!("{end}?{evil}"),
        format!("{end}?client_id={}&{evil}", rp.id),
        format!("{end}?id_token_hint=forged&{evil}"),
        format!("/logout?client_id={}&{evil}", rp.id),
        "/logout".to_owned(),
    ] {
        for marks in [&[][..], &[("sec-fetch-site", "cross-site"), ("origin", "https://evil.example")]] {
            let mut request = tim.agent.request(Method::GET, &path);
            for (name, value) in marks {
                request = request.header(*name, *value);
            }
            let reply = tim.agent.send(request).await;
            if reply.status == 302 {
                let location = reply.location();
                assert!(location.starts_with("/logout") && !location.contains("evil"), "{path}: {location}");
                let page = tim.agent.get(&location).await.expect(200).text();
                assert!(!page.contains("evil.example"), "{page}");
            } else {
                assert!(!reply.expect(200).text().contains("evil.example"));
            }
        }
    }
    // The answer to the question can't be given by another site.
    for (method, path) in [(Method::POST, "/api/webauthn/logout"), (Method::POST, "/logout")] {
        for (name, value) in
            [("origin", "https://evil.example"), ("sec-fetch-site", "cross-site"), ("sec-fetch-site", "same-site")]
        {
            let request = tim.agent.request(method.clone(), path).header(name, value);
            tim.agent.send(request.form(&[("a", "b")])).await.expect(403);
        }
    }
    assert_eq!(
        tim.agent
            .get("/logout")
            .await
            .expect(200)
            .header("content-security-policy")
            .unwrap()
            .matches("frame-ancestors 'none'")
            .count(),
        1
    );
    app.restart().await;
    tim.agent.get("/api/users/me").await.expect(200);
    assert!(rp.is_alive(tokens.access()).await);
    assert_eq!(app.events("SIGN_OUT").await.len(), 0);

    // The client's own token signs out, but nobody goes where the client never said.
    let asked = tim.agent.get(&format!("{end}?id_token_hint={}&{evil}", tokens.id())).await;
    assert!(asked.status == 302 && !asked.location().contains("evil"), "{} {}", asked.status, asked.location());
    let page = tim.agent.get(&asked.location()).await.expect(200).text();
    assert!(!page.contains("evil.example"), "{page}");
    tim.agent.get("/api/users/me").await.expect(401);
    assert_eq!(app.events("SIGN_OUT").await.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_065_consent_is_given_on_our_own_unframed_page() {
    let mut app = TestApp::start().await;
    let tim = app.person("tim").await;
    let rp = RelyingParty::register(&app, json!({})).await;
    let asking = rp.asks("openid");
    let reply = tim.agent.get(&asking.path()).await.expect(302);
    let id = reply.interaction().unwrap();
    let form_post = rp.asks("openid").with("response_mode", "form_post").with("prompt", "none");
    for path in [
        asking.path(),
        reply.location(),
        "/login".to_owned(),
        "/interaction/error?error=x".to_owned(),
        "/logout".to_owned(),
        form_post.path(),
        rp.asks("openid").with("prompt", "none").path(),
        format!("/api/oidc/interactions/{id}"),
    ] {
        let reply = tim.agent.get(&path).await;
        let policy = reply.header("content-security-policy").unwrap();
        assert!(policy.contains("frame-ancestors 'none'"), "{path}: {policy}");
    }

    // Nobody's page but ours completes the step, and only as JSON.
    let path = format!("/api/oidc/interactions/{id}/complete");
    let body = json!({ "step": "consent" }).to_string();
    for (name, value) in [
        ("origin", "https://evil.example"),
        ("origin", "null"),
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-site", "same-site"),
    ] {
        for content_type in ["application/json", "text/plain", "application/x-www-form-urlencoded"] {
            let request =
                tim.agent.request(Method::POST, &path).header(name, value).header("content-type", content_type);
            tim.agent.send(request.body(body.clone())).await.refused(403, "cross_site_request");
        }
    }
    for content_type in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"] {
        let request = tim.agent.request(Method::POST, &path).header("content-type", content_type);
        tim.agent.send(request.body(body.clone())).await.refused(400, "invalid_request_body");
    }
    tim.agent.get(&path).await.expect(404);
    // Bound to session and request: not without the person, not from elsewhere, not for another request.
    app.agent().post(&path, &json!({ "step": "consent" })).await.refused(401, "not_signed_in");
    app.restart().await;
    let shown = tim.agent.get(&format!("/api/oidc/interactions/{id}")).await.expect(200).json();
    assert_eq!(shown["requiredSteps"], json!(["consent"]), "nothing of that agreed to anything");
    let other = rp.asks("openid groups");
    let other_id = tim.agent.get(&other.path()).await.interaction().unwrap();
    tim.agent.post(&path, &json!({ "step": "consent" })).await.expect(200);
    let left = tim.agent.get(&format!("/authorize?interaction={other_id}")).await;
    assert_eq!(left.interaction(), Some(other_id), "consent to one request is none to a wider one");
    rp.code_in(&tim.agent.get(&format!("/authorize?interaction={id}")).await, &asking);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_066_an_interaction_belongs_to_its_browser() {
    let mut app = TestApp::start().await;
    let (mut tim, mut ann) = (app.person("tim").await, app.person("ann").await);
    let rp = RelyingParty::register(&app, json!({})).await;
    let asking = rp.asks("openid");
    let id = tim.agent.get(&asking.path()).await.interaction().unwrap();

    // Known to somebody else; to the same person in another browser; with that browser's own cookie, or a made-up one.
    let tims_other = app.agent();
    tim.sign_in_at(&tims_other).await.expect(200);
    let invented = app.agent();
    ann.sign_in_at(&invented).await.expect(200);
    invented.set_cookie("session", &"x".repeat(43));
    ann.agent.get(&rp.asks("openid").path()).await.expect(302);
    for agent in [&ann.agent, &tims_other, &invented] {
        agent.get(&format!("/api/oidc/interactions/{id}")).await.refused(404, "not_found");
        for step in ["authenticate", "select_account", "consent"] {
            let path = format!("/api/oidc/interactions/{id}/complete");
            agent.post(&path, &json!({ "step": step })).await.refused(404, "not_found");
        }
        agent.get(&format!("/authorize?interaction={id}")).await.expect(302).error_page();
        agent.get(&format!("/interaction/cancel?interaction={id}")).await.expect(302).error_page();
        let page = agent.get(&format!("/interaction?interaction={id}")).await;
        assert!(!page.text().contains(&rp.id), "{}", page.text());
    }
    // Guessing.
    for guess in [
        "",
        "x",
        "00000000-0000-4000-8000-000000000000",
        "%00",
        "' OR 1=1 --",
        "../../../users",
        &id[..35],
        &id.to_uppercase(),
    ] {
        let encoded: String = url::form_urlencoded::byte_serialize(guess.as_bytes()).collect();
        if !guess.is_empty() {
            tim.agent.get(&format!("/api/oidc/interactions/{encoded}")).await.expect(404);
        }
        tim.agent.get(&format!("/authorize?interaction={encoded}")).await.expect(302).error_page();
    }
    app.restart().await;
    ann.agent.get(&format!("/api/oidc/interactions/{id}")).await.refused(404, "not_found");

    // In its own browser it is untouched.
    let reply = tim.agent.get(&format!("/authorize?interaction={id}")).await;
    rp.code_in(&tim.follow(reply).await, &asking);
}
