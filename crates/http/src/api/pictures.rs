//! What all routes of pictures share: how one is taken from a form, and how it is shown.

use axum::body::Bytes;
use axum::extract::multipart::{Multipart, MultipartError, MultipartRejection};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use pid_core::FieldCode;
use pid_flows::{Code, Error, Saying};
use pid_integrations::images::{self, Picture, PictureError, Purpose};
use pid_store::files::File;
use serde::Deserialize;

use crate::assets::names_etag;
use crate::error::ApiError;
use crate::extract::etag;
use crate::files;
use crate::state::App;

/// Which logo: anything but a form of true means the dark one.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Variant {
    light: Option<String>,
}

impl Variant {
    /// Whether the logo for dark backgrounds is meant.
    pub fn is_dark(&self) -> bool {
        self.light.as_deref().is_some_and(|v| !matches!(v, "1" | "t" | "T" | "true" | "TRUE" | "True"))
    }
}

/// A stored picture, or that it has not changed.
///
/// # Errors
/// It can't be had.
pub(crate) async fn shown(
    app: &App,
    file: File,
    caching: HeaderValue,
    request: &HeaderMap,
) -> Result<Response, ApiError> {
    let tag = etag(file.updated_at.millis());
    // A drawing that is opened by itself is saved, not shown; in a page both are shown (security case 84).
    let is_drawing = file.content_type == "image/svg+xml";
    let disposition = if is_drawing { "attachment; filename=\"picture.svg\"" } else { "inline" };
    let headers = [
        (header::CONTENT_DISPOSITION, HeaderValue::from_static(disposition)),
        (
            header::CONTENT_TYPE,
            HeaderValue::from_str(&file.content_type).unwrap_or(HeaderValue::from_static("image/png")),
        ),
        (header::CACHE_CONTROL, caching),
        // Opened as a page, it can do nothing.
        (
            header::CONTENT_SECURITY_POLICY,
            HeaderValue::from_static("sandbox; default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"),
        ),
        (header::ETAG, tag.clone()),
    ];
    if tag.to_str().is_ok_and(|tag| names_etag(request, tag)) {
        return Ok((StatusCode::NOT_MODIFIED, headers).into_response());
    }
    Ok((headers, files::load(app, file.content).await?).into_response())
}

/// The file of a multipart form's part `file`: its name and content. `limit` is that of the route, bytes.
async fn part(form: Result<Multipart, MultipartRejection>, limit: usize) -> Result<(String, Bytes), ApiError> {
    let mut form = form.map_err(|_| {
        ApiError::from(Error::with(Code::InvalidRequestBody, "Send a multipart form with the part \"file\""))
    })?;
    let broken = |e: MultipartError| {
        if e.status() == StatusCode::PAYLOAD_TOO_LARGE {
            let mib = limit / 1024 / 1024;
            ApiError::from(
                Error::say(Saying::FileLargerThan, &[("mib", &mib.to_string())])
                    .detail("max_size", format!("{mib}.00 MB")),
            )
        } else {
            ApiError::from(Error::with(Code::InvalidRequestBody, "The multipart form is malformed"))
        }
    };
    while let Some(part) = form.next_field().await.map_err(broken)? {
        if part.name() == Some("file") {
            let name = part.file_name().unwrap_or_default().to_owned();
            return Ok((name, part.bytes().await.map_err(broken)?));
        }
    }
    Err(Error::field("file", FieldCode::Required, "is missing").into())
}

/// The picture of a form, of a type that its purpose takes, written anew.
pub(crate) async fn uploaded(
    form: Result<Multipart, MultipartRejection>,
    purpose: Purpose,
    limit: usize,
) -> Result<Picture, ApiError> {
    let (name, content) = part(form, limit).await?;
    written(move || images::named(purpose, &name, &content)).await?.map_err(refused)
}

/// The portrait of a form, whatever its name, written anew.
pub(crate) async fn portrait(form: Result<Multipart, MultipartRejection>) -> Result<Picture, ApiError> {
    let (_, content) = part(form, images::MAX_PHOTO_UPLOAD).await?;
    written(move || images::portrait(&content)).await?.map_err(refused)
}

/// Decoding takes time, so it is done beside the requests.
pub(crate) async fn written<F>(make: F) -> Result<Result<Picture, PictureError>, Error>
where
    F: FnOnce() -> Result<Picture, PictureError> + Send + 'static,
{
    tokio::task::spawn_blocking(make).await.map_err(Error::internal)
}

fn refused(error: PictureError) -> ApiError {
    let error = match error {
        PictureError::Extension(types) => {
            Error::say(Saying::FileOfType, &[("reason", &error.to_string())]).detail("expected_file_type", types)
        }
        PictureError::Format | PictureError::Undecodable => {
            Error::say(Saying::BadPicture, &[("reason", &error.to_string())])
        }
    };
    error.into()
}
