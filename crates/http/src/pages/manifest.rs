//! The web app manifest (W3C Web Application Manifest): the launcher installs like an app.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, header};
use pid_core::application_images::Image;
use serde_json::{Value, json};

use super::asset;
use crate::state::App;

/// `GET /app.webmanifest`. Who has a logo of their own finds that one on their phone.
pub async fn manifest(State(app): State<App>) -> Response {
    let (settings, images) = (app.settings(), app.images());
    let icon = |name: &str, size: &str, purpose: &str| json!({ "src": asset(name), "sizes": size, "type": "image/png", "purpose": purpose });
    let icons: Vec<Value> = match images.url(Image::LightLogo) {
        Some(own) => vec![json!({ "src": own, "sizes": "any" })],
        None => vec![
            icon("icon-192.png", "192x192", "any"),
            icon("icon-512.png", "512x512", "any"),
            icon("icon-maskable-512.png", "512x512", "maskable"),
        ],
    };
    let document = json!({
        "id": "/",
        "name": settings.app_name(),
        "short_name": settings.app_name(),
        "start_url": "/settings/apps",
        "scope": "/",
        "display": "standalone",
        "background_color": "#f6f8f6",
        "theme_color": "#0b6b57",
        "icons": icons,
    });
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("application/manifest+json")),
        (header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=600")),
    ];
    (headers, document.to_string()).into_response()
}
