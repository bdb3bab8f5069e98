//! Where page addresses lead, without a browser: redirects, statuses, and what is not there.

use pid_tests::TestApp;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn addresses_lead_where_they_should() {
    let app = TestApp::start().await;
    let nobody = app.agent();
    for path in ["/", "/login", "/settings", "/settings/account"] {
        let mut location = nobody.get(path).await.location();
        if location.starts_with("/login") {
            location = nobody.get(&location).await.location();
        }
        assert_eq!(location, "/setup", "{path} while nobody exists");
    }
    let admin = app.admin().await.agent;
    assert_eq!(nobody.get("/").await.location(), "/login?redirect=%2F");
    assert_eq!(nobody.get("/settings/account?a=b").await.location(), "/login?redirect=%2Fsettings%2Faccount%3Fa%3Db");
    assert_eq!(admin.get("/").await.location(), "/settings");
    assert_eq!(admin.get("/settings").await.location(), "/settings/account");
    assert_eq!(admin.get("/login").await.location(), "/settings");
    assert_eq!(
        admin.get("/login?redirect=%2Finteraction%3Fa").await.location(),
        "/interaction?a",
        "the other tab signed in"
    );
    assert_eq!(admin.get("/login?redirect=%2F%2Fevil.example").await.location(), "/settings");
    assert!(admin.get("/settings/account").await.expect(200).text().contains("New Passkey"));

    let page = nobody.get("/nowhere").await.expect(404);
    assert!(page.header("content-type").unwrap().starts_with("text/html"));
    assert!(page.text().contains("<h1>Not Found</h1>"), "{}", page.text());
    assert_eq!(nobody.get("/settings/nowhere").await.location(), "/login?redirect=%2Fsettings%2Fnowhere");
    admin.get("/settings/nowhere").await.expect(404);
    assert_eq!(nobody.get("/api/nowhere").await.expect(404).json()["error"], "API endpoint not found");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_run_is_there_until_it_is_over() {
    let app = TestApp::start().await;
    let nobody = app.agent();
    assert_eq!(nobody.get("/login/setup").await.location(), "/signup/setup");
    assert_eq!(nobody.get("/setup").await.location(), "/signup/setup");
    assert_eq!(nobody.get("/login/alternative").await.location(), "/setup");
    let form = nobody.get("/signup/setup").await.expect(200).text();
    assert!(form.contains("name=\"username\"") && !form.contains("name=\"setupCode\""), "{form}");
    let admin = app.admin().await.agent;
    for path in ["/setup", "/login/setup", "/signup/setup"] {
        assert!(nobody.get(path).await.expect(404).text().contains("<h1>Not Found</h1>"), "{path}");
        assert_eq!(admin.get(path).await.location(), "/settings", "{path}");
    }
    assert_eq!(nobody.get("/signup/add-passkey").await.location(), "/login?redirect=%2Fsignup%2Fadd%2Dpasskey");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn set_up_from_a_public_address_asks_for_the_printed_code() {
    let app = TestApp::start_with(&[("TRUST_PROXY", "127.0.0.0/8")]).await;
    let outside = app.agent().with_header("x-forwarded-for", "203.0.113.7");
    assert!(outside.get("/signup/setup").await.expect(200).text().contains("name=\"setupCode\""));
    let inside = app.agent().with_header("x-forwarded-for", "192.168.1.7");
    assert!(!inside.get("/signup/setup").await.expect(200).text().contains("name=\"setupCode\""));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn links_between_sign_in_pages_keep_the_way_back() {
    let app = TestApp::start().await;
    app.admin().await;
    let nobody = app.agent();
    assert_eq!(nobody.get("/lc").await.location(), "/login/alternative/code");
    assert_eq!(nobody.get("/lc?redirect=%2Fa").await.location(), "/login/alternative/code?redirect=%2Fa");
    let link = nobody.get("/lc/AB%20C%26?redirect=%2Fa&code=x").await.location();
    assert_eq!(link, "/login/alternative/code?code=AB%20C%26&redirect=%2Fa");
    let page = nobody.get(&link).await.expect(200).text();
    assert!(page.contains("value=\"AB C&#38;\"") && page.contains("data-next=\"/a\""), "{page}");
    assert!(page.contains("href=\"/login/alternative?redirect=%2Fa\""), "the code goes no further: {page}");
    for evil in ["//evil.example", "https:evil.example", "/%5Cevil.example", "/%09/evil.example"] {
        let page = nobody.get(&format!("/login?redirect={}", evil.replace('%', "%25"))).await.expect(200).text();
        assert!(page.contains("data-next=\"/settings\""), "{evil}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refusals_on_a_persons_way_are_pages() {
    let app = TestApp::start().await;
    let admin = app.admin().await.agent;
    // Another site's form does not sign anybody out.
    let cross = admin.request(http::Method::POST, "/logout").header("sec-fetch-site", "cross-site");
    let page = admin.send(cross).await.expect(403);
    assert!(page.header("content-type").unwrap().starts_with("text/html"), "{}", page.text());
    admin.get("/settings/account").await.expect(200);
    // Who asks too often reads when to try again.
    let mut last = admin.get("/authorize").await;
    for _ in 0..5000 {
        if last.status == 429 {
            break;
        }
        last = admin.get("/authorize").await;
    }
    let wait = last.header("retry-after").expect("it says when").to_owned();
    let page = last.expect(429).text();
    assert!(page.contains("<h1>Too many requests</h1>") && !wait.is_empty(), "{page}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_064_signing_out_offers_only_the_clients_own_addresses() {
    let app = TestApp::start().await;
    let admin = app.admin().await.agent;
    let client = app.client(serde_json::json!({ "logoutCallbackURLs": ["https://app.example/bye"] })).await;
    let id = client["id"].as_str().unwrap();
    let nobody = app.agent();
    for agent in [&admin, &nobody] {
        let good = format!("/logout?client_id={id}&post_logout_redirect_uri=https://app.example/bye&state=s");
        assert!(
            agent.get(&good).await.expect(200).text().contains("<strong>App</strong>")
                || agent.cookie("access_token").is_none()
        );
        for wish in ["https://evil.example/", "javascript:alert(1)", "//evil.example", "https://app.example/bye/.."] {
            let page = format!("/logout?client_id={id}&post_logout_redirect_uri={wish}");
            let page = agent.get(&page).await.expect(200).text();
            assert!(!page.contains("Continue to") && !page.contains("you return to"), "{page}");
        }
    }
    let back = format!("/logout?client_id={id}&post_logout_redirect_uri=https://app.example/bye&state=s");
    assert!(nobody.get(&back).await.text().contains("href=\"https://app.example/bye?state=s\""));
    admin.get("/settings/account").await.expect(200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn small_files_are_there() {
    let app = TestApp::start().await;
    for (path, kind) in [
        ("/robots.txt", "text/plain; charset=utf-8"),
        ("/favicon.ico", "image/svg+xml"),
        ("/img/static-logo-512.png", "image/png"),
        ("/apple-touch-icon.png", "image/png"),
        ("/app.webmanifest", "application/manifest+json"),
    ] {
        assert_eq!(app.agent().get(path).await.expect(200).header("content-type"), Some(kind), "{path}");
    }
}
