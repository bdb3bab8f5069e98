//! `/api/version` (api.md §24.3) and `/healthz` (§24.4), also called `/health`.

use pid_tests::TestApp;
use serde_json::json;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_gate_on_the_level_of_the_contract() {
    let app = TestApp::start().await;
    let own = env!("CARGO_PKG_VERSION");
    let current = app.script().get("/api/version/current").await.expect(200).json();
    assert_eq!(current, json!({ "currentVersion": "2.14.0", "serverVersion": own }));
    app.person("tim").await.agent.get("/api/version/current").await.expect(200);
    app.agent().get("/api/version/current").await.refused(401, "not_signed_in");
    let latest = app.agent().get("/api/version/latest").await.expect(200);
    assert_eq!(latest.json(), json!({ "latestVersion": "2.14.0", "serverVersion": own }));
    assert_eq!(latest.header("cache-control"), Some("public, max-age=300, stale-while-revalidate=900"));
    let fresh = app.agent().get("/api/version/latest?skip-cache=1").await.expect(200);
    assert_eq!(fresh.header("cache-control"), Some("private, no-store"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn health_needs_nothing() {
    let app = TestApp::start().await;
    let agent = app.agent();
    for method in [http::Method::GET, http::Method::HEAD] {
        for path in ["/healthz", "/health"] {
            let reply = agent.send(agent.request(method.clone(), path)).await.expect(204);
            assert_eq!((reply.body.len(), reply.header("content-type")), (0, None));
        }
    }
}
