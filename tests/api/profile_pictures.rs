//! `/api/users/{id}/profile-picture` (api.md §13.9).

use http::Method;
use image::{ImageFormat, Rgb, RgbImage};
use pid_tests::{PNG, TestApp};
use serde_json::json;

fn side(png: &[u8]) -> (u32, u32) {
    let picture = image::load_from_memory_with_format(png, image::ImageFormat::Png).expect("a PNG");
    (picture.width(), picture.height())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_picture_is_the_persons_initials_until_one_is_uploaded() {
    let app = TestApp::start().await;
    let (admin, person) = (app.admin().await, app.person("ada").await);
    let anybody = app.agent();
    let public = format!("/api/users/{}/profile-picture.png", person.id());

    let drawn = anybody.get(&public).await.expect(200);
    assert_eq!(drawn.header("content-type"), Some("image/png"));
    assert_eq!(drawn.header("cache-control"), Some("public, max-age=900, stale-while-revalidate=3600"));
    assert_eq!(side(&drawn.body), (300, 300));
    assert_eq!(anybody.get(&format!("{public}?skipCache")).await.header("cache-control"), Some("private, no-store"));
    let again = anybody.request(Method::GET, &public).header("if-none-match", drawn.etag());
    assert_eq!(anybody.send(again).await.expect(304).body, b"");
    // Another name, another picture.
    app.script().patch(&format!("/api/users/{}", person.id()), &json!({ "firstName": "Zoë" }), None).await.expect(200);
    let renamed = anybody.get(&public).await.expect(200);
    assert_ne!((renamed.etag(), &renamed.body), (drawn.etag(), &drawn.body));

    person.agent.put_file("/api/users/me/profile-picture", "me.png", PNG).await.expect(204);
    let own = anybody.get(&public).await.expect(200);
    assert_eq!((own.header("content-type"), side(&own.body)), (Some("image/png"), (300, 300)));
    assert_ne!(own.body, renamed.body);
    person.agent.delete("/api/users/me/profile-picture").await.expect(204);
    person.agent.delete("/api/users/me/profile-picture").await.expect(204);
    assert_eq!(anybody.get(&public).await.expect(200).body, renamed.body);

    let by_admin = format!("/api/users/{}/profile-picture", person.id());
    admin.agent.put_file(&by_admin, "photo", PNG).await.expect(204);
    assert_eq!(anybody.get(&public).await.expect(200).body, own.body);
    person.agent.put_file(&by_admin, "photo", PNG).await.refused(403, "forbidden");
    let log = admin.agent.get("/api/audit-logs/all").await.expect(200).json();
    let changes = log["data"].as_array().unwrap().iter().filter(|e| e["data"]["profilePicture"].is_string());
    assert_eq!(changes.count(), 3, "{log}");
    admin.agent.delete(&by_admin).await.expect(204);
    assert_eq!(anybody.get(&public).await.expect(200).body, renamed.body);

    // It goes with the person, and isn't there for who comes later.
    admin.agent.put_file(&by_admin, "photo", PNG).await.expect(204);
    admin.agent.delete(&format!("/api/users/{}", person.id())).await.expect(204);
    anybody.get(&public).await.refused(404, "user_not_found");
    let body = json!({ "id": person.id(), "username": "later", "email": "later@example.com", "displayName": "Later", "firstName": "La", "lastName": "Ter" });
    app.script().post("/api/users", &body).await.expect(201);
    assert_ne!(anybody.get(&public).await.expect(200).body, own.body);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_085_what_is_no_picture_is_refused() {
    let app = TestApp::start().await;
    let (script, person) = (app.script(), app.person("ada").await);
    let path = format!("/api/users/{}/profile-picture", person.id());
    script.get("/api/users/ada/profile-picture.png").await.invalid(&["userId invalid_format"]);
    script.put_file("/api/users/ada/profile-picture", "a.png", PNG).await.invalid(&["userId invalid_format"]);
    let nobody = "/api/users/00000000-0000-4000-8000-000000000001/profile-picture";
    script.put_file(nobody, "a.png", PNG).await.refused(404, "user_not_found");
    script.delete(nobody).await.refused(404, "user_not_found");
    script.get(&format!("{nobody}.png")).await.refused(404, "user_not_found");
    for content in [&b"<svg xmlns='http://www.w3.org/2000/svg'/>"[..], b"<html>", b"", &PNG[..PNG.len() / 2]] {
        let refused = script.put_file(&path, "a.png", content).await.refused(400, "invalid_image");
        assert!(
            refused.json()["error"].as_str().unwrap().starts_with("This picture can't be used"),
            "{}",
            refused.text()
        );
    }
    let large = script.put_file(&path, "a.png", &vec![0; 12 * 1024 * 1024 + 1]).await.refused(413, "file_too_large");
    assert_eq!(large.json()["details"], json!({ "max_size": "12.00 MB" }));
    let request = script.request(Method::PUT, &path).json(&json!({}));
    script.send(request).await.refused(400, "invalid_request_body");
}

/// Whatever its shape, it becomes a square of its middle; of an animation the first picture; and nothing huge is decoded.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_085_a_picture_is_cropped_stands_still_and_is_bounded() {
    let app = TestApp::start().await;
    let person = app.person("ada").await;
    let public = format!("/api/users/{}/profile-picture.png", person.id());
    let upload = async |content: &[u8]| person.agent.put_file("/api/users/me/profile-picture", "me", content).await;
    let shown = async || {
        let reply = app.agent().get(&public).await.expect(200);
        image::load_from_memory_with_format(&reply.body, ImageFormat::Png).unwrap().to_rgb8()
    };
    let written = |picture: &RgbImage, format: ImageFormat| {
        let mut content = std::io::Cursor::new(Vec::new());
        picture.write_to(&mut content, format).unwrap();
        content.into_inner()
    };
    // Red, green and blue beside each other, then above each other: the green one stays.
    let part = |at: u32| [Rgb([255, 0, 0]), Rgb([0, 255, 0]), Rgb([0, 0, 255])][at as usize / 100];
    for picture in [RgbImage::from_fn(300, 100, |x, _| part(x)), RgbImage::from_fn(100, 300, |_, y| part(y))] {
        for format in [ImageFormat::Png, ImageFormat::Bmp, ImageFormat::Tiff, ImageFormat::WebP] {
            upload(&written(&picture, format)).await.expect(204);
            let square = shown().await;
            assert_eq!((square.width(), square.height()), (300, 300));
            for (x, y) in [(20, 20), (150, 150), (279, 20), (20, 279)] {
                assert_eq!(square.get_pixel(x, y), &Rgb([0, 255, 0]), "{format:?} at {x}, {y}");
            }
        }
    }
    // Ten thousand frames behind a first one.
    let blue = RgbImage::from_pixel(8, 8, Rgb([0, 0, 255]));
    let mut animated = written(&blue, ImageFormat::Gif);
    let trailer = animated.pop();
    for _ in 0..10_000 {
        animated.extend_from_slice(b"\x2c\0\0\0\0\x01\0\x01\0\0\x02\x02\x44\x01\0");
    }
    animated.extend(trailer);
    upload(&animated).await.expect(204);
    assert_eq!(shown().await.get_pixel(150, 150), &Rgb([0, 0, 255]));
    let etag = app.agent().get(&public).await.etag();
    // What says that it is huge is not decoded, and what was there stays.
    let mut huge = written(&blue, ImageFormat::Png);
    huge[16..24].copy_from_slice(&[0, 0, 0xff, 0xff, 0, 0, 0xff, 0xff]);
    upload(&huge).await.refused(400, "invalid_image");
    assert_eq!(app.agent().get(&public).await.etag(), etag);
}
