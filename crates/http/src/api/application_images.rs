//! The images that make an installation one's own (api.md §21).

use axum::extract::multipart::{Multipart, MultipartRejection};
use axum::extract::{FromRequestParts, State};
use axum::response::Response;
use http::request::Parts;
use http::{HeaderMap, StatusCode, Uri};
use pid_core::application_images::Image;
use pid_flows::{Code, Error, application_images};
use pid_integrations::images::{MAX_PHOTO_UPLOAD, Purpose};

use crate::api::pictures::{self, Variant};
use crate::assets;
use crate::error::ApiError;
use crate::extract::{AdminCreds, Creds, IfMatch, Query, RequestCtx, cache_control};
use crate::files::{self, Folder};
use crate::state::App;

/// The image that a request is about, by the end of its path and `light`.
pub struct Which(Image);

impl FromRequestParts<App> for Which {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        let image = match parts.uri.path().rsplit('/').next() {
            Some("logo") => {
                let Query(variant) = Query::<Variant>::from_request_parts(parts, app).await?;
                if variant.is_dark() { Image::DarkLogo } else { Image::LightLogo }
            }
            Some("email") => Image::EmailLogo,
            Some("favicon" | "favicon.ico") => Image::Favicon,
            Some("background") => Image::Background,
            Some("default-profile-picture") => Image::DefaultPicture,
            _ => return Err(Error::new(Code::ImageNotFound).into()),
        };
        Ok(Self(image))
    }
}

/// What is shown while an image isn't set. Of the others there is no file: pages draw their own.
fn built_in(image: Image) -> Option<&'static str> {
    match image {
        Image::Favicon => Some("favicon.svg"),
        Image::EmailLogo => Some("logo-512.png"),
        Image::LightLogo | Image::DarkLogo | Image::Background | Image::DefaultPicture => None,
    }
}

fn purpose(image: Image) -> Purpose {
    match image {
        Image::LightLogo | Image::DarkLogo => Purpose::Logo,
        Image::EmailLogo => Purpose::EmailLogo,
        Image::Favicon => Purpose::Favicon,
        Image::Background => Purpose::Background,
        Image::DefaultPicture => Purpose::Portrait,
    }
}

/// `GET /api/application-images/…` and `GET /favicon.ico`.
pub async fn get(
    State(app): State<App>,
    RequestCtx(ctx): RequestCtx,
    Creds(creds): Creds,
    Which(image): Which,
    uri: Uri,
    request: HeaderMap,
) -> Result<Response, ApiError> {
    // The default picture is a setting of administrators, so no cache keeps it for others.
    let is_public = image != Image::DefaultPicture;
    let caching = if is_public { "public, max-age=900, stale-while-revalidate=86400" } else { "private, max-age=900" };
    let caching = cache_control(&uri, caching);
    let found = app
        .db()
        .read(move |tx| {
            if !is_public {
                creds.reads_all(tx, ctx.now)?;
            }
            application_images::get(tx, image)
        })
        .await?;
    match (found, built_in(image)) {
        (Some(file), _) => pictures::shown(&app, file, caching, &request).await,
        (None, Some(name)) => Ok(assets::named(name, &request, caching)),
        (None, None) => Err(Error::new(Code::ImageNotFound).into()),
    }
}

/// `PUT /api/application-images/…`.
pub async fn set(
    State(app): State<App>,
    RequestCtx(ctx): RequestCtx,
    AdminCreds(creds): AdminCreds,
    Which(image): Which,
    form: Result<Multipart, MultipartRejection>,
) -> Result<StatusCode, ApiError> {
    let picture = pictures::uploaded(form, purpose(image), MAX_PHOTO_UPLOAD).await?;
    let (content_type, content) = (picture.content_type, picture.content);
    let content = files::keep(&app, Folder::ApplicationImages, content_type, content).await?;
    app.db()
        .write(move |tx| {
            let admin = creds.admin(tx, ctx.now)?;
            application_images::set(tx, &ctx, &admin, image, content_type, &content)
        })
        .await?;
    // At once here; other replicas see the version row within a second.
    app.reload_snapshot().await?;
    Ok(StatusCode::NO_CONTENT)
}

/// `DELETE /api/application-images/…`.
pub async fn delete(
    State(app): State<App>,
    RequestCtx(ctx): RequestCtx,
    Creds(creds): Creds,
    Which(image): Which,
    IfMatch(version): IfMatch,
) -> Result<StatusCode, ApiError> {
    app.db()
        .write(move |tx| {
            let admin = creds.admin(tx, ctx.now)?;
            application_images::delete(tx, &ctx, &admin, image, version)
        })
        .await?;
    app.reload_snapshot().await?;
    Ok(StatusCode::NO_CONTENT)
}
