//! The images that make an installation one's own, through the page.

use std::io::Cursor;

use image::{ImageFormat, Rgb, RgbImage};
use pid_testkit::chromium::{Page, role};
use serde_json::json;

use crate::stage::{Stage, quiet};

/// A logo for light pages.
pub const LIGHT: &[u8] = b"<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 96 48\" width=\"96\" height=\"48\">\
    <rect width=\"96\" height=\"48\" rx=\"12\" fill=\"#1b3a6b\"/><circle cx=\"24\" cy=\"24\" r=\"12\" fill=\"#ffd166\"/></svg>";
/// One for dark pages.
pub const DARK: &[u8] = b"<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 48 48\" width=\"48\" height=\"48\">\
    <circle cx=\"24\" cy=\"24\" r=\"22\" fill=\"#ffd166\"/></svg>";

/// A photograph of an evening at sea, more or less.
pub fn photograph() -> Vec<u8> {
    let sea = RgbImage::from_fn(1600, 1000, |x, y| {
        let sun = (i64::from(x) - 900).pow(2) + (i64::from(y) - 520).pow(2) < 120_i64.pow(2);
        let fade = u8::try_from(y / 8).unwrap();
        if y > 600 {
            Rgb([20, 60, 120 - fade / 4])
        } else if sun {
            Rgb([255, 220, 120])
        } else {
            Rgb([220, 60 + fade, 40 + fade])
        }
    });
    let mut out = Cursor::new(Vec::new());
    sea.write_to(&mut out, ImageFormat::Jpeg).unwrap();
    out.into_inner()
}

/// Which pictures are shown, by the address without what makes it new, and that each of them really is one.
async fn shown(tab: &Page) -> Vec<String> {
    tab.eval(
        "(async () => {
            const all = [...document.images].filter((image) => image.checkVisibility());
            await Promise.all(all.map((image) => image.decode()));
            return all.map((image) => new URL(image.src)).map((url) => url.pathname + url.search.replace(/.?v=[0-9]+$/, ''));
        })()",
    )
    .await
    .unwrap()
}

async fn favicon(tab: &Page) -> String {
    tab.eval("document.querySelector('link[rel=icon]').getAttribute('href')").await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn uploaded_images_are_seen_at_once_and_reset() {
    let stage = Stage::empty().await;
    let admin = stage.app.admin().await;
    let write = |name: &str, content: &[u8]| {
        let file = stage.app.dir().join(name);
        std::fs::write(&file, content).unwrap();
        file
    };
    let (light, dark, sea) = (write("light.svg", LIGHT), write("dark.svg", DARK), write("sea.jpg", &photograph()));
    let visitor = stage.new_window().await.page().await.unwrap();
    visitor.set_color_scheme("light").await.unwrap();
    stage.open(&visitor, "/login").await;
    assert_eq!(shown(&visitor).await, Vec::<String>::new());
    assert_eq!(visitor.count(".tile svg.mark").await.unwrap(), 1);
    assert_eq!(visitor.count("svg.scene").await.unwrap(), 1);

    stage.sign_in_as(&admin.agent).await;
    let tab = stage.tab().await;
    tab.set_color_scheme("light").await.unwrap();
    stage.open(&tab, "/settings/admin/application-configuration").await;
    let built_in = favicon(&tab).await;
    assert!(built_in.starts_with("/assets/"), "{built_in}");
    for (input, label, file) in [
        ("#favicon", "Favicon", &dark),
        ("#logo-light", "Light Mode Logo", &light),
        ("#logo-dark", "Dark Mode Logo", &dark),
        ("#background", "Background Image", &sea),
    ] {
        let labels =
            format!("[...document.querySelector('{input}').labels].map((label) => label.textContent.trim()).sort()");
        let labels: Vec<String> = tab.eval(&labels).await.unwrap();
        assert!(labels.contains(&label.to_owned()), "{labels:?}");
        tab.choose_files(input, &[file]).await.unwrap();
        tab.wait_for(role("button", &format!("Reset to default {label}"))).await.unwrap();
    }
    tab.wait_for_text("Images updated successfully. It may take a few minutes to update.").await.unwrap();
    // The page itself has them without being opened anew.
    assert!(favicon(&tab).await.starts_with("/api/application-images/favicon?v="));
    let brand: String = tab.eval("document.querySelector('.brand img.when-light').getAttribute('src')").await.unwrap();
    assert!(brand.starts_with("/api/application-images/logo?light=true&v="), "{brand}");
    tab.wait_for(role("link", "Logo Settings")).await.unwrap();
    quiet(&tab, stage.app.url());

    stage.open(&visitor, "/login").await;
    let (logo, background) = ("/api/application-images/logo?light=true", "/api/application-images/background");
    assert_eq!(shown(&visitor).await, [logo, background]);
    assert!(visitor.is_visible(role("image", "Login background")).await.unwrap());
    assert!(favicon(&visitor).await.starts_with("/api/application-images/favicon?v="));
    visitor.set_color_scheme("dark").await.unwrap();
    assert_eq!(shown(&visitor).await, ["/api/application-images/logo?light=false", background]);
    quiet(&visitor, stage.app.url());

    // A telephone has no place for the picture, and doesn't fetch it.
    let telephone = stage.new_window().await.page().await.unwrap();
    telephone.set_viewport(390, 844, true).await.unwrap();
    stage.open(&telephone, "/login").await;
    telephone.wait_idle().await.unwrap();
    assert!(telephone.requests().iter().all(|request| !request.url.contains(background)));

    tab.click(role("button", "Reset to default Background Image")).await.unwrap();
    tab.wait_for(role("alertdialog", "Reset Background Image?")).await.unwrap();
    tab.click("dialog .btn-danger").await.unwrap();
    tab.wait_gone("[aria-label='Reset to default Background Image']").await.unwrap();
    stage.open(&visitor, "/login").await;
    assert_eq!(shown(&visitor).await, ["/api/application-images/logo?light=false"]);
    assert_eq!(visitor.count("svg.scene").await.unwrap(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_image_is_said_and_changes_nothing() {
    let stage = Stage::empty().await;
    let admin = stage.app.admin().await;
    let file = stage.app.dir().join("mail.svg");
    std::fs::write(&file, LIGHT).unwrap();
    stage.sign_in_as(&admin.agent).await;
    let tab = stage.tab().await;
    stage.open(&tab, "/settings/admin/application-configuration").await;
    tab.choose_files("#logo-email", &[&file]).await.unwrap();
    tab.wait_for_text("This type of file is not supported: use a PNG or JPEG file").await.unwrap();
    assert_eq!(tab.count("#images [data-method=DELETE]").await.unwrap(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dark_logo_alone_is_for_dark_pages_alone() {
    let stage = Stage::empty().await;
    stage.app.admin().await;
    let dark = "/api/application-images/logo?light=false";
    stage.app.script().put_file(dark, "dark.svg", DARK).await.expect(204);
    let tab = stage.tab().await;
    tab.set_color_scheme("light").await.unwrap();
    stage.open(&tab, "/login").await;
    assert_eq!(shown(&tab).await, Vec::<String>::new());
    assert!(tab.is_visible(".tile svg.mark").await.unwrap());
    tab.set_color_scheme("dark").await.unwrap();
    assert_eq!(shown(&tab).await, [dark]);
    assert!(!tab.is_visible(".tile svg.mark").await.unwrap());
    // A light one alone is for both.
    let light = "/api/application-images/logo?light=true";
    stage.app.script().put_file(light, "light.svg", LIGHT).await.expect(204);
    stage.app.script().delete(dark).await.expect(204);
    stage.open(&tab, "/lc").await;
    assert_eq!(shown(&tab).await, [light]);
    let client = stage.client(json!({})).await;
    tab.goto(&stage.authorize(&client, &[])).await.unwrap();
    assert_eq!(shown(&tab).await, [light]);
}
