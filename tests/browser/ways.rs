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
