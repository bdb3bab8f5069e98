//! Section I: uploads and paths of files.

use std::io::Cursor;

use image::{DynamicImage, ImageFormat, RgbaImage};
use pid_tests::{Reply, TestApp};
use serde_json::json;

const LOGO: &str = "/api/oidc/clients/app/logo";

async fn with_client() -> TestApp {
    let app = TestApp::start().await;
    app.client(json!({ "id": "app", "isPublic": true })).await;
    app
}

/// A picture in a format.
fn picture(format: ImageFormat) -> Vec<u8> {
    let mut out = Cursor::new(Vec::new());
    let red = DynamicImage::from(RgbaImage::from_pixel(8, 8, image::Rgba([200, 10, 10, 255])));
    let red = if format == ImageFormat::Jpeg { DynamicImage::from(red.to_rgb8()) } else { red };
    red.write_to(&mut out, format).unwrap();
    out.into_inner()
}

/// An uploaded logo is shown in a way in which it can do nothing.
fn is_tame(shown: &Reply) {
    assert_eq!(shown.header("x-content-type-options"), Some("nosniff"));
    let csp = shown.header("content-security-policy").unwrap();
    assert!(csp.starts_with("sandbox;") && csp.contains("default-src 'none'"), "{csp}");
    assert!(!csp.contains("allow-scripts"), "{csp}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_084_an_svg_only_draws() {
    let mut app = with_client().await;
    let hostile = r##"<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"
        onload="alert(1)" viewBox="0 0 9 9"><script>alert(1)</script><script href="https://evil.example/x.js"/>
        <foreignObject><iframe xmlns="http://www.w3.org/1999/xhtml" src="https://evil.example"/></foreignObject>
        <image href="https://evil.example/p.png"/><use xlink:href="https://evil.example/x.svg#y"/>
        <a href="javascript:alert(1)"><path d="M0 0h1"/></a><style>@import url(https://evil.example)</style>
        <set attributeName="onmouseover" to="alert(1)"/><rect fill="url(https://evil.example)" onclick="alert(1)"/>
        <path id="kept" d="M1 1h7v7z" fill="#123456"/></svg>"##;
    app.script().upload(LOGO, "logo.svg", hostile.as_bytes()).await.expect(204);
    app.restart().await;
    let shown = app.agent().get(LOGO).await.expect(200);
    is_tame(&shown);
    assert!(shown.header("content-disposition").unwrap().starts_with("attachment"));
    let text = shown.text();
    for bad in
        ["script", "evil", "onload", "onclick", "foreignObject", "iframe", "javascript", "image", "style", "<set"]
    {
        assert!(!text.contains(bad), "{bad}: {text}");
    }
    assert!(text.contains("M1 1h7v7z"), "{text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_084_entities_and_what_is_no_svg_are_refused() {
    let app = with_client().await;
    let bomb = "<!DOCTYPE s [<!ENTITY a \"aaaaaaaaaa\"><!ENTITY b \"&a;&a;&a;&a;&a;&a;&a;&a;\">]><svg xmlns=\"http://www.w3.org/2000/svg\"><title>&b;</title></svg>";
    let external = "<!DOCTYPE s [<!ENTITY x SYSTEM \"file:///etc/passwd\">]><svg xmlns=\"http://www.w3.org/2000/svg\"><text>&x;</text></svg>";
    let deep =
        format!("<svg xmlns=\"http://www.w3.org/2000/svg\">{}{}</svg>", "<g>".repeat(100_000), "</g>".repeat(100_000));
    let many = format!("<svg xmlns=\"http://www.w3.org/2000/svg\">{}</svg>", "<g/>".repeat(300_000));
    for bad in [bomb, external, &deep, &many, "<html><script>alert(1)</script></html>", "<svg", "", "\u{0}"] {
        app.script().upload(LOGO, "logo.svg", bad.as_bytes()).await.refused(400, "invalid_image");
    }
    app.script().upload(LOGO, "logo.svg", b"\xff\xfe<svg/>").await.refused(400, "invalid_image");
    app.agent().get(LOGO).await.refused(404, "image_not_found");
    app.agent().get("/healthz").await.expect(204);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_085_pictures_are_written_anew() {
    let app = with_client().await;
    let script = app.script();
    for (name, format) in [
        ("a.png", ImageFormat::Png),
        ("a.jpg", ImageFormat::Jpeg),
        ("a.JPEG", ImageFormat::Jpeg),
        ("a.webp", ImageFormat::WebP),
        ("a.gif", ImageFormat::Gif),
        ("a.bmp", ImageFormat::Bmp),
        ("a.ico", ImageFormat::Ico),
    ] {
        let mut content = picture(format);
        // Markup behind the picture, and for JPEG a place in an EXIF segment as cameras write it.
        content.extend_from_slice(b"<script>alert(1)</script>");
        if format == ImageFormat::Jpeg {
            let exif = b"\xff\xe1\x00\x18Exif\0\0GPS 52.5N 13.4E";
            content.splice(2..2, exif.iter().copied());
        }
        script.upload(LOGO, name, &content).await.expect(204);
        let shown = app.agent().get(LOGO).await.expect(200);
        is_tame(&shown);
        assert_eq!(shown.header("content-type"), Some("image/png"));
        let text = shown.text();
        assert!(!text.contains("<script>") && !text.contains("GPS"), "{name}");
        assert_eq!(image::load_from_memory(&shown.body).unwrap().width(), 8, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_085_hostile_pictures_are_refused() {
    let app = with_client().await;
    let script = app.script();
    let png = picture(ImageFormat::Png);
    let mut huge = png.clone();
    huge[16..24].copy_from_slice(&[0, 0, 0xff, 0xff, 0, 0, 0xff, 0xff]);
    let mut wide = png.clone();
    wide[16..20].copy_from_slice(&[0x7f, 0xff, 0xff, 0xff]);
    for (name, content) in [
        ("a.png", png[..png.len() / 2].to_vec()),
        ("a.png", png[..8].to_vec()),
        ("a.png", Vec::new()),
        ("a.png", huge),
        ("a.png", wide),
        ("a.png", picture(ImageFormat::Jpeg)),
        ("a.jpg", png.clone()),
        ("a.gif", b"<html><script>alert(1)</script>".to_vec()),
        ("a.gif", b"GIF89a\xff\xff\xff\xff\0\0\0,".to_vec()),
        ("a.ico", b"\0\0\x01\0\xff\xff".to_vec()),
        ("a.webp", b"RIFF\xff\xff\xff\xffWEBPVP8L".to_vec()),
        ("a.bmp", [b"BM".as_slice(), &[0xff; 60]].concat()),
    ] {
        script.upload(LOGO, name, &content).await.refused(400, "invalid_image");
    }
    for name in ["a.html", "a.svgz", "a.php", "a.png.exe", ".png/", "a.avif", "a.tiff", ""] {
        script.upload(LOGO, name, &png).await.refused(415, "file_type_not_supported");
    }
    // Ten thousand frames are one picture.
    let mut frames = picture(ImageFormat::Gif);
    let trailer = frames.pop();
    let frame = b"\x2c\0\0\0\0\x01\0\x01\0\0\x02\x02\x44\x01\0";
    for _ in 0..10_000 {
        frames.extend_from_slice(frame);
    }
    frames.extend(trailer);
    script.upload(LOGO, "a.gif", &frames).await.expect(204);
    assert_eq!(image::load_from_memory(&app.agent().get(LOGO).await.expect(200).body).unwrap().width(), 8);
    // A path in the name means nothing.
    script.upload(LOGO, "../../../etc/a.png", &png).await.expect(204);
    assert!(!app.dir().join("etc").exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_087_no_path_leads_out_of_the_assets() {
    let app = with_client().await;
    app.script().upload(LOGO, "a.png", &picture(ImageFormat::Png)).await.expect(204);
    let bases = ["/assets/", "/img/", "/", "/api/oidc/clients/", "/api/oidc/clients/app/", "/.well-known/"];
    let tails = [
        "../pocket-id.db",
        "..%2fpocket-id.db",
        "%2e%2e/pocket-id.db",
        "%2e%2e%2fpocket-id.db",
        "..%5cpocket-id.db",
        "..\\pocket-id.db",
        "%252e%252e%252fpocket-id.db",
        "....//pocket-id.db",
        "..;/pocket-id.db",
        "%00",
        "app.css%00.png",
        "%c0%ae%c0%ae/pocket-id.db",
        "/etc/passwd",
        "%2fetc%2fpasswd",
        "C:%5cwindows%5cwin.ini",
        "encryption.key",
        "..%2f..%2f..%2f..%2f..%2f..%2fetc%2fpasswd",
    ];
    for base in bases {
        for tail in tails {
            let path = format!("{base}{tail}");
            let answer = app.raw_get(&path);
            let status = answer.split(' ').nth(1).unwrap_or_default();
            // 400 is the HTTP library's word for bytes that no address has; 401 the API's, before it looks for a name.
            assert!(["404", "400", "401"].contains(&status), "{path}: {answer}");
            assert!(!answer.contains("SQLite format") && !answer.contains("root:"), "{path}: {answer}");
        }
    }
    for path in ["/api/oidc/clients/app%00/logo", "/api/oidc/clients/..%2fapp/logo", "/api/oidc/clients/app/logo%00"] {
        let answer = app.raw_get(path);
        assert!(answer.starts_with("HTTP/1.1 404"), "{path}: {answer}");
    }
    assert!(app.raw_get(LOGO).starts_with("HTTP/1.1 200"));
}
