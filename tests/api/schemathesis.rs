//! Schemathesis sends what the OpenAPI document allows and what it forbids, and judges each answer by the document: no
//! fault, no undeclared status, no body or type that breaks its schema.

use std::process::{Command, Stdio};

use pid_testkit::program::installed;
use pid_tests::{Documents, TestApp, on_postgres};
use serde_json::json;

/// Seconds for all operations.
const BUDGET: &str = "90";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_served_is_what_the_document_says() {
    if on_postgres() {
        return; // The wire is the same; what an engine does with odd text has tests of its own.
    }
    // It makes up addresses of logos and clients too: none is reached.
    let nowhere = Documents::start(&["nowhere.test"]).await;
    let variables = [("DISABLE_RATE_LIMITING", "true"), ("DENIED_TARGETS", "0.0.0.0/0,::/0")];
    let app = TestApp::start_reaching(&variables, nowhere.reach()).await;
    let script = app.script();
    // The id in the document's examples.
    let id = "7d0f4a52-6f3d-4f4e-9d0c-2a1c2e9b7f10";
    script
        .post("/api/users", &json!({ "id": id, "username": "example", "email": "example@example.com" }))
        .await
        .expect(201);
    script.post("/api/oidc/clients", &json!({ "id": id, "name": "Example" })).await.expect(201);
    let key = format!("X-API-Key: {}", TestApp::API_KEY);
    let address = app.listens_at() + "/api/openapi.json";
    let program = installed("target/schemathesis/bin/schemathesis").unwrap();
    let mut run = Command::new("timeout");
    run.arg("300")
        .arg(program)
        .args(["run", &address, "-H", &key, "--max-time", BUDGET, "--phases", "examples,coverage,fuzzing,stateful"])
        .args([
            "--checks",
            "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance",
        ])
        .args(["--max-examples", "15", "--seed", "1", "--no-shrink", "--continue-on-failure", "--no-color"])
        .args(["--warnings", "off", "--request-timeout", "20", "--suppress-health-check", "all"])
        .current_dir(app.dir())
        .stdin(Stdio::null());
    let output = tokio::task::block_in_place(|| run.output()).expect("it runs");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    // Who asked was somebody to the end, so answers were not refusals all along.
    script.get("/api/users/me").await.expect(200);
}
