//! `/api/oidc/clients/{id}/logo` (api.md §16.8).

use pid_tests::{PNG, TestApp};
use serde_json::{Value, json};

const SVG: &[u8] = b"<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 1 1\"><path d=\"M0 0h1v1z\"/></svg>";

fn path(client: &Value) -> String {
    format!("/api/oidc/clients/{}", client["id"].as_str().unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_logo_is_stored_shown_to_everybody_and_deleted() {
    let app = TestApp::start().await;
    let (script, anybody) = (app.script(), app.agent());
    let client = path(&app.client(json!({ "isPublic": true })).await);
    let logo = format!("{client}/logo");
    anybody.get(&logo).await.refused(404, "image_not_found");
    anybody.get("/api/oidc/clients/none/logo").await.refused(404, "not_found");
    script.upload(&logo, "Logo.PNG", PNG).await.expect(204);
    let shown = anybody.get(&logo).await.expect(200);
    assert_eq!(shown.header("content-type"), Some("image/png"));
    assert_eq!(shown.header("cache-control"), Some("public, max-age=900, stale-while-revalidate=43200"));
    assert!(shown.body.starts_with(b"\x89PNG"));
    assert_eq!(anybody.get(&format!("{logo}?skipCache")).await.header("cache-control"), Some("private, no-store"));
    let again = anybody.request(http::Method::GET, &logo).header("if-none-match", shown.etag());
    assert_eq!(anybody.send(again).await.expect(304).body, b"");
    let head = anybody.send(anybody.request(http::Method::HEAD, &logo)).await.expect(200);
    assert_eq!(head.header("content-length"), Some(shown.body.len().to_string().as_str()));
    let flags = async || {
        let client = script.get(&client).await.json();
        (client["hasLogo"].clone(), client["hasDarkLogo"].clone())
    };
    assert_eq!(flags().await, (json!(true), json!(false)));

    // Dark asked for and missing: the light one. Anything but a form of true is dark.
    assert_eq!(anybody.get(&format!("{logo}?light=false")).await.expect(200).body, shown.body);
    script.upload(&format!("{logo}?light=no"), "dark.svg", SVG).await.expect(204);
    let dark = anybody.get(&format!("{logo}?light=")).await.expect(200);
    assert_eq!(dark.header("content-type"), Some("image/svg+xml"));
    for light in ["1", "t", "T", "true", "TRUE", "True"] {
        assert_eq!(anybody.get(&format!("{logo}?light={light}")).await.body, shown.body, "{light}");
    }
    assert_eq!(flags().await, (json!(true), json!(true)));

    script.delete(&format!("{logo}?light=false")).await.expect(204);
    script.delete(&format!("{logo}?light=false")).await.refused(404, "image_not_found");
    assert_eq!(flags().await, (json!(true), json!(false)));
    script.delete(&logo).await.expect(204);
    assert_eq!(flags().await, (json!(false), json!(false)));
    anybody.get(&logo).await.refused(404, "image_not_found");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_upload_is_refused() {
    let app = TestApp::start().await;
    let script = app.script();
    let logo = format!("{}/logo", path(&app.client(json!({ "isPublic": true })).await));
    script.post(&logo, &json!({ "file": "x" })).await.refused(400, "invalid_request_body");
    let torn = script
        .request(http::Method::POST, &logo)
        .header("content-type", "multipart/form-data; boundary=b")
        .body("--b\r\n");
    script.send(torn).await.refused(400, "invalid_request_body");
    let other = "--b\r\ncontent-disposition: form-data; name=\"other\"\r\n\r\nx\r\n--b--\r\n";
    let other =
        script.request(http::Method::POST, &logo).header("content-type", "multipart/form-data; boundary=b").body(other);
    script.send(other).await.invalid(&["file required"]);
    let refused = script.upload(&logo, "logo.exe", PNG).await.refused(415, "file_type_not_supported");
    assert!(refused.json()["error"].as_str().unwrap().contains("PNG, JPEG"), "{}", refused.text());
    script.upload(&logo, "logo", PNG).await.refused(415, "file_type_not_supported");
    let refused = script.upload(&logo, "logo.png", &vec![0; 2 * 1024 * 1024 + 1]).await.refused(413, "file_too_large");
    assert_eq!(refused.json()["details"], json!({ "max_size": "2.00 MB" }));
    script.upload("/api/oidc/clients/none/logo", "logo.png", PNG).await.refused(404, "not_found");
    // Fetching by address is for a later release; nothing is made half.
    let body = json!({ "name": "Fetched", "logoUrl": "https://a.example/logo.png" });
    script.post("/api/oidc/clients", &body).await.refused(422, "logo_download_failed");
    assert_eq!(script.get("/api/oidc/clients?search=Fetched").await.json()["pagination"]["totalItems"], 0);
}
