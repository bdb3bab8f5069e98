//! A client that a stock generator makes of the OpenAPI document: it compiles, and walks the main flow.

use std::path::Path;
use std::process::{Command, Stdio};

use pid_testkit::program::installed;
use pid_tests::TestApp;

/// Runs a script of Node's packages, or a compiled one.
fn node(dir: &Path, arguments: &[&str]) -> String {
    let mut command = Command::new("timeout");
    command
        .arg("120")
        .arg(installed("target/node/node").unwrap())
        .args(arguments)
        .current_dir(dir)
        .stdin(Stdio::null());
    let output = tokio::task::block_in_place(|| command.output()).expect("Node starts");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{arguments:?}:\n{said}\n{}", String::from_utf8_lossy(&output.stderr));
    said
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_generated_client_compiles_and_walks_the_main_flow() {
    let app = TestApp::start().await;
    let dir = tempfile::tempdir().unwrap();
    let document = app.agent().get("/api/openapi.json").await.expect(200);
    std::fs::write(dir.path().join("openapi.json"), document.text()).unwrap();
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("node/generated_client.ts");
    std::fs::copy(source, dir.path().join("walk.ts")).unwrap();
    let packages = installed("target/node/node_modules").unwrap().canonicalize().unwrap();
    std::os::unix::fs::symlink(packages, dir.path().join("node_modules")).unwrap();

    let generator = "node_modules/@hey-api/openapi-ts/bin/run.js";
    node(dir.path(), &[generator, "-i", "openapi.json", "-o", "api", "-c", "@hey-api/client-fetch"]);
    let options =
        "--strict --target es2022 --module commonjs --moduleResolution node10 --types node --outDir built walk.ts";
    let compiler: Vec<&str> = ["node_modules/typescript/bin/tsc"].into_iter().chain(options.split(' ')).collect();
    node(dir.path(), &compiler);
    let said = node(dir.path(), &["built/walk.js", &app.listens_at(), TestApp::API_KEY]);
    assert_eq!(said.trim(), "walked");
}
