//! `/api/application-images/…` (api.md §21).

use std::io::Cursor;

use http::Method;
use image::{DynamicImage, ImageFormat, RgbImage};
use pid_tests::{Agent, PNG, TestApp, on_postgres};
use serde_json::json;

const SVG: &[u8] = b"<svg xmlns=\"http://www.w3.org/2000/svg\" onload=\"alert(1)\" viewBox=\"0 0 1 1\">\
    <script>alert(1)</script><path d=\"M0 0h1v1z\"/></svg>";
const LOGO: &str = "/api/application-images/logo";
const EMAIL: &str = "/api/application-images/email";
const FAVICON: &str = "/api/application-images/favicon";
const BACKGROUND: &str = "/api/application-images/background";
const DEFAULT_PICTURE: &str = "/api/application-images/default-profile-picture";

fn picture(format: ImageFormat) -> Vec<u8> {
    let mut out = Cursor::new(Vec::new());
    let red = DynamicImage::from(RgbImage::from_pixel(16, 16, image::Rgb([200, 10, 10])));
    let red = if format == ImageFormat::Ico { DynamicImage::from(red.to_rgba8()) } else { red };
    red.write_to(&mut out, format).unwrap();
    out.into_inner()
}

/// A photograph with the place where it was taken, as cameras write it.
fn photograph() -> Vec<u8> {
    let mut jpeg = picture(ImageFormat::Jpeg);
    jpeg.splice(2..2, b"\xff\xe1\x00\x18Exif\0\0GPS 52.5N 13.4E".iter().copied());
    jpeg
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_set_is_built_in_or_not_there() {
    let app = TestApp::start().await;
    let (script, anybody) = (app.script(), app.agent());
    for path in [LOGO, "/api/application-images/logo?light=false", BACKGROUND] {
        anybody.get(path).await.refused(404, "image_not_found");
    }
    for path in [LOGO, EMAIL, FAVICON, BACKGROUND, DEFAULT_PICTURE] {
        script.delete(path).await.refused(404, "image_not_found");
    }
    script.get(DEFAULT_PICTURE).await.refused(404, "image_not_found");
    for (path, content_type) in [(EMAIL, "image/png"), (FAVICON, "image/svg+xml"), ("/favicon.ico", "image/svg+xml")] {
        let shown = anybody.get(path).await.expect(200);
        assert_eq!(shown.header("content-type"), Some(content_type), "{path}");
        assert_eq!(shown.header("cache-control"), Some("public, max-age=900, stale-while-revalidate=86400"));
        let again = anybody.request(Method::GET, path).header("if-none-match", shown.etag());
        anybody.send(again).await.expect(304);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_image_is_set_shown_and_reset() {
    let mut app = TestApp::start().await;
    app.admin().await;
    let anybody = app.agent();
    let dark = format!("{LOGO}?light=no");
    let built_in = anybody.get(FAVICON).await.expect(200).body;
    for (path, name, content, shown_as) in [
        (LOGO, "Logo.PNG", PNG.to_vec(), "image/png"),
        (&dark, "dark.svg", SVG.to_vec(), "image/svg+xml"),
        (EMAIL, "mail.JPEG", photograph(), "image/png"),
        (FAVICON, "favicon.ico", picture(ImageFormat::Ico), "image/png"),
        (BACKGROUND, "sea.jpg", photograph(), "image/jpeg"),
    ] {
        app.script().put_file(path, name, &content).await.expect(204);
        let shown = anybody.get(path).await.expect(200);
        assert_eq!(shown.header("content-type"), Some(shown_as), "{path}");
        assert_eq!(shown.header("cache-control"), Some("public, max-age=900, stale-while-revalidate=86400"));
        let fresh = if path.contains('?') { format!("{path}&skipCache") } else { format!("{path}?skipCache=") };
        assert_eq!(anybody.get(&fresh).await.expect(200).header("cache-control"), Some("private, no-store"));
        let again = anybody.request(Method::GET, path).header("if-none-match", shown.etag());
        assert_eq!(anybody.send(again).await.expect(304).body, b"");
        // Whatever it is, it can do nothing (security cases 84, 85).
        assert!(shown.header("content-security-policy").unwrap().starts_with("sandbox; default-src 'none'"));
        assert_eq!(shown.header("x-content-type-options"), Some("nosniff"));
        let text = shown.text();
        for bad in ["script", "onload", "Exif", "GPS"] {
            assert!(!text.contains(bad), "{path}: {bad}");
        }
    }
    assert_eq!(anybody.get("/favicon.ico").await.expect(200).header("content-type"), Some("image/png"));
    assert!(anybody.get(&dark).await.header("content-disposition").unwrap().starts_with("attachment"));

    // Another type takes the place of the first, and all of it outlives the process.
    let before = anybody.get(BACKGROUND).await.expect(200);
    app.advance(1);
    app.script().put_file(BACKGROUND, "sea.svg", SVG).await.expect(204);
    app.restart().await;
    let (script, anybody) = (app.script(), app.agent());
    let after = anybody.get(BACKGROUND).await.expect(200);
    assert_eq!(after.header("content-type"), Some("image/svg+xml"));
    assert_ne!(after.etag(), before.etag());
    let page = anybody.get("/login").await.expect(200).text();
    assert!(page.contains("<img class=\"scene\" src=\"/api/application-images/background?v="), "{page}");

    // Light and dark are apart.
    script.delete(LOGO).await.expect(204);
    anybody.get(LOGO).await.refused(404, "image_not_found");
    anybody.get(&dark).await.expect(200);
    script.delete(&dark).await.expect(204);
    anybody.get(&dark).await.refused(404, "image_not_found");
    script.delete(BACKGROUND).await.expect(204);
    script.delete(BACKGROUND).await.refused(404, "image_not_found");
    script.delete(FAVICON).await.expect(204);
    assert_eq!(anybody.get(FAVICON).await.expect(200).body, built_in);

    let log = script.get("/api/audit-logs/all?pagination[limit]=100").await.expect(200).json();
    let mut changes: Vec<_> = log["data"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|entry| entry["event"] == "CONFIGURATION_UPDATED")
        .map(|entry| entry["data"]["image"].as_str().unwrap())
        .collect();
    changes.sort_unstable();
    let expected = ["background", "background", "background", "favicon", "favicon", "logoDark", "logoDark"];
    assert_eq!(changes, [&expected[..], &["logoEmail", "logoLight", "logoLight"]].concat());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_085_what_is_no_image_is_refused() {
    let app = TestApp::start().await;
    let (script, png) = (app.script(), picture(ImageFormat::Png));
    let all = "PNG, JPEG, WebP, GIF, BMP, ICO or SVG";
    for (path, name, taken) in [
        (EMAIL, "mail.svg", "PNG or JPEG"),
        (EMAIL, "mail.webp", "PNG or JPEG"),
        (FAVICON, "favicon.jpg", "SVG, PNG or ICO"),
        (LOGO, "logo.exe", all),
        (LOGO, "logo", all),
        (BACKGROUND, "sea.png.html", all),
        (DEFAULT_PICTURE, "nobody.pdf", all),
    ] {
        let refused = script.put_file(path, name, &png).await.refused(415, "file_type_not_supported").json();
        assert_eq!(refused["details"], json!({ "expected_file_type": taken }), "{path}");
        assert!(refused["error"].as_str().unwrap().contains(taken), "{refused}");
    }
    let mut huge = png.clone();
    huge[16..24].copy_from_slice(&[0, 0, 0xff, 0xff, 0, 0, 0xff, 0xff]);
    for path in [LOGO, EMAIL, FAVICON, BACKGROUND, DEFAULT_PICTURE] {
        for content in [&picture(ImageFormat::Jpeg)[..], b"<html><script>", b"", &png[..png.len() / 2], &huge] {
            script.put_file(path, "a.png", content).await.refused(400, "invalid_image");
        }
        let request = script.request(Method::PUT, path).json(&json!({}));
        script.send(request).await.refused(400, "invalid_request_body");
        let other = "--b\r\ncontent-disposition: form-data; name=\"other\"\r\n\r\nx\r\n--b--\r\n";
        let request = script.request(Method::PUT, path).header("content-type", "multipart/form-data; boundary=b");
        script.send(request.body(other)).await.invalid(&["file required"]);
    }
    for path in [LOGO, FAVICON, BACKGROUND, DEFAULT_PICTURE] {
        let bomb =
            b"<!DOCTYPE s [<!ENTITY a \"a\">]><svg xmlns=\"http://www.w3.org/2000/svg\"><title>&a;</title></svg>";
        script.put_file(path, "a.svg", bomb).await.refused(400, "invalid_image");
    }
    let large = script.put_file(LOGO, "a.png", &vec![0; 12 * 1024 * 1024 + 1]).await.refused(413, "file_too_large");
    assert_eq!(large.json()["details"], json!({ "max_size": "12.00 MB" }));
    app.agent().get(LOGO).await.refused(404, "image_not_found");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_has_no_picture_gets_the_default_one() {
    let app = TestApp::start().await;
    let (script, anybody, person) = (app.script(), app.agent(), app.person("ada").await);
    let path = format!("/api/users/{}/profile-picture.png", person.id());
    let initials = anybody.get(&path).await.expect(200);

    script.put_file(DEFAULT_PICTURE, "nobody.jpg", &photograph()).await.expect(204);
    let shown = anybody.get(&path).await.expect(200);
    assert_eq!(shown.header("content-type"), Some("image/png"));
    let decoded = image::load_from_memory(&shown.body).unwrap();
    assert_eq!((decoded.width(), decoded.height()), (300, 300));
    assert_ne!(shown.etag(), initials.etag());
    let stored = script.get(DEFAULT_PICTURE).await.expect(200);
    assert_eq!((stored.header("cache-control"), &stored.body), (Some("private, max-age=900"), &shown.body));

    // One's own goes first.
    person.agent.put_file("/api/users/me/profile-picture", "me.png", PNG).await.expect(204);
    assert_ne!(anybody.get(&path).await.expect(200).body, shown.body);
    person.agent.delete("/api/users/me/profile-picture").await.expect(204);
    assert_eq!(anybody.get(&path).await.expect(200).body, shown.body);

    // A drawing is told as what it is.
    script.put_file(DEFAULT_PICTURE, "nobody.svg", SVG).await.expect(204);
    let drawing = anybody.get(&path).await.expect(200);
    assert_eq!(drawing.header("content-type"), Some("image/svg+xml"));
    assert!(drawing.header("content-security-policy").unwrap().starts_with("sandbox;"));
    script.delete(DEFAULT_PICTURE).await.expect(204);
    assert_eq!(anybody.get(&path).await.expect(200).body, initials.body);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_of_another_replica_follow() {
    if !on_postgres() {
        return;
    }
    let a = TestApp::start().await;
    a.admin().await;
    let b = a.replica().await;
    let there = Agent::new(&b.listens_at());
    let logo = format!("{LOGO}?light=true&amp;v=");
    let follows = async |wanted: bool| {
        for _ in 0..100 {
            if there.get("/login").await.expect(200).text().contains(&logo) == wanted {
                return true;
            }
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
        false
    };
    a.script().put_file(LOGO, "logo.png", PNG).await.expect(204);
    assert!(follows(true).await);
    a.script().delete(LOGO).await.expect(204);
    assert!(follows(false).await);
}
