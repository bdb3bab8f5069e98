//! The OpenAPI document: the snapshot that shows a change of the wire in review, and what every operation must say.

use std::collections::BTreeSet;
use std::path::Path;

use pid_tests::TestApp;
use serde_json::Value;

/// Every operation with its method and path.
fn operations(document: &Value) -> impl Iterator<Item = (String, &String, &Value)> {
    let paths = document["paths"].as_object().expect("paths").iter();
    paths.flat_map(|(path, methods)| {
        methods.as_object().expect("methods").iter().map(move |(method, one)| (method.to_uppercase(), path, one))
    })
}

#[tokio::test]
async fn the_document_is_the_one_that_was_reviewed() {
    let app = TestApp::start().await;
    let served = app.agent().get("/api/openapi.json").await.expect(200);
    let pretty = serde_json::to_string_pretty(&served.json()).unwrap() + "\n";
    let snapshot = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/openapi.json");
    if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
        std::fs::write(&snapshot, &pretty).unwrap();
    }
    let kept = std::fs::read_to_string(&snapshot).unwrap_or_default();
    let differs = kept.lines().zip(pretty.lines()).enumerate().find(|(_, (kept, served))| kept != served);
    assert!(
        kept == pretty,
        "docs/openapi.json is not what is served (first difference: {differs:?}). If the change is meant, run this test with \
         UPDATE_SNAPSHOTS=1 and commit the file"
    );
    let tag = served.header("etag").expect("a tag").to_owned();
    let again = app.agent();
    let request = again.request(http::Method::GET, "/api/openapi.json").header("if-none-match", tag);
    again.send(request).await.expect(304);
}

#[tokio::test]
async fn every_operation_says_what_it_is() {
    let app = TestApp::start().await;
    let document = app.agent().get("/api/openapi.json").await.expect(200).json();
    assert_eq!(document["openapi"], "3.1.1");
    let mut ids = BTreeSet::new();
    for (method, path, one) in operations(&document) {
        let at = format!("{method} {path}");
        assert!(ids.insert(one["operationId"].as_str().expect("an id").to_owned()), "{at}: its id is taken");
        assert!(one["summary"].as_str().is_some_and(|s| !s.is_empty() && !s.ends_with('.')), "{at}: no summary");
        assert!(one["security"].is_array(), "{at}: nothing about who may call it");
        assert!(one["x-codeSamples"][0]["source"].as_str().is_some_and(|s| s.starts_with("curl")), "{at}: no example");
        for parameter in one["parameters"].as_array().expect("parameters") {
            assert!(parameter["description"].as_str().is_some_and(|s| !s.is_empty()), "{at}: {parameter}");
        }
        let responses = one["responses"].as_object().expect("responses");
        let is_off = at.ends_with("sync-ldap");
        assert!(is_off || responses.keys().any(|status| status.starts_with('2')), "{at}: no success");
        for (status, response) in responses {
            let named = response["$ref"].as_str().and_then(|target| target.strip_prefix("#/components/responses/"));
            let response = named.map_or(response, |name| &document["components"]["responses"][name]);
            assert!(response["description"].is_string(), "{at} {status}");
            let content = response.get("content").and_then(Value::as_object).into_iter().flatten();
            for (media, body) in content.filter(|(media, _)| *media == "application/json") {
                let shown = body.get("example").or_else(|| body.get("examples"));
                assert!(shown.is_some_and(|e| !e.is_null()), "{at} {status} {media}: no example");
            }
        }
    }
    assert!(ids.len() > 100, "only {} operations", ids.len());
}
