//! `/api/oidc/clients/{id}/logo` (api.md §16.8).

use pid_tests::{Documents, PNG, TestApp};
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
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_logo_is_fetched_from_its_address() {
    let documents = Documents::start(&["app.test", "cdn.test"]).await;
    let app = TestApp::start_reaching(&[("ALLOWED_PRIVATE_TARGETS", "127.0.0.1/32")], documents.reach()).await;
    let (script, anybody) = (app.script(), app.agent());
    documents.publish("https://app.test/Logo.PNG", 200, "", PNG);
    documents.publish("https://app.test/dark", 302, "location: https://cdn.test/9f2\r\n", "");
    documents.publish("https://cdn.test/9f2", 200, "content-type: image/svg+xml; charset=utf-8\r\n", SVG);
    let body =
        json!({ "name": "Fetched", "logoUrl": "https://app.test/Logo.PNG", "darkLogoUrl": "https://app.test/dark" });
    let made = script.post("/api/oidc/clients", &body).await.expect(201);
    let client = made.json();
    assert_eq!((&client["hasLogo"], &client["hasDarkLogo"]), (&json!(true), &json!(true)), "{client}");
    let logo = format!("{}/logo", path(&client));
    assert_eq!(anybody.get(&logo).await.expect(200).header("content-type"), Some("image/png"));
    let dark = format!("{logo}?light=false");
    assert_eq!(anybody.get(&dark).await.expect(200).header("content-type"), Some("image/svg+xml"));
    // It is fetched once; a change may name another, and the version that the answer tells is good for the next.
    documents.publish("https://app.test/Logo.PNG", 404, "", "");
    let changed = script.patch(&path(&client), &json!({ "darkLogoUrl": null }), None).await.expect(200);
    assert_eq!(changed.json()["hasDarkLogo"], true);
    let other = json!({ "darkLogoUrl": "https://cdn.test/9f2" });
    let changed = script.patch(&path(&client), &other, Some(&changed.etag())).await.expect(200);
    script.patch(&path(&client), &json!({ "description": "x" }), Some(&changed.etag())).await.expect(200);
    assert_eq!(documents.asked().len(), 4);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_can_not_be_fetched_leaves_the_client_as_it_was() {
    let documents = Documents::start(&["app.test"]).await;
    let app = TestApp::start_reaching(&[("ALLOWED_PRIVATE_TARGETS", "127.0.0.1/32")], documents.reach()).await;
    let script = app.script();
    documents.publish("https://app.test/huge.png", 200, "", &vec![0; 2 * 1024 * 1024 + 1]);
    documents.publish("https://app.test/page", 200, "content-type: text/html\r\n", "<html>");
    documents.publish("https://app.test/false.png", 200, "content-type: image/png\r\n", "<html>");
    documents.publish("https://app.test/loop", 302, "location: /loop\r\n", "");
    documents.publish("https://app.test/empty.png", 204, "", "");
    let make = async |url: &str| {
        let body = json!({ "name": "Fetched", "logoUrl": "https://app.test/false.png", "darkLogoUrl": url });
        let dark = script.post("/api/oidc/clients", &body).await;
        assert!(dark.status.is_client_error(), "either fails");
        script.post("/api/oidc/clients", &json!({ "name": "Fetched", "logoUrl": url })).await
    };
    let large = make("https://app.test/huge.png").await.refused(422, "logo_too_large");
    assert_eq!(large.json()["details"], json!({ "max_size": "2.00 MB" }));
    for url in ["https://app.test/page", "https://app.test/false.png"] {
        make(url).await.refused(422, "logo_type_not_supported");
    }
    for url in [
        "https://app.test/none.png",
        "https://app.test/loop",
        "https://app.test/empty.png",
        "https://gone.example/x.png",
    ] {
        make(url).await.refused(422, "logo_download_failed");
    }
    for url in ["", "logo.png", "ftp://app.test/logo.png", "https://"] {
        make(url).await.invalid(&["logoUrl invalid_value"]);
    }
    assert_eq!(script.get("/api/oidc/clients?search=Fetched").await.json()["pagination"]["totalItems"], 0);
    // Our own network is not for logos, whoever names it.
    let app = TestApp::start().await;
    for url in ["http://127.0.0.1:1/logo.png", "http://169.254.169.254/logo.png", "http://10.0.0.1/logo.png"] {
        let refused = app.script().post("/api/oidc/clients", &json!({ "name": "x", "logoUrl": url })).await;
        assert!(refused.refused(422, "logo_download_failed").text().contains("must not be called"));
    }
}
