//! People's pictures (api.md §13.9).

use axum::extract::State;
use axum::extract::multipart::{Multipart, MultipartRejection};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use pid_core::UserId;
use pid_core::secret::sha256;
use pid_flows::profile_pictures::{self, Portrait};
use pid_flows::{Code, Error};
use pid_integrations::{images, initials};

use crate::api::oidc_clients::uploaded;
use crate::error::ApiError;
use crate::extract::{AdminCreds, Creds, Path, RequestCtx, UserCreds, cache_control};
use crate::state::App;

/// `GET /api/users/{id}/profile-picture.png`.
pub async fn get(
    State(app): State<App>,
    Path(id): Path<String>,
    uri: Uri,
    request: HeaderMap,
) -> Result<Response, ApiError> {
    let id = UserId::new(id);
    let seed = id.to_string();
    let portrait = app.db().read(move |tx| profile_pictures::get(tx, &id)).await?;
    // Told from what is shown, so that no drawing is needed to see that nothing has changed.
    let version = match &portrait {
        Portrait::File(file) => file.updated_at.millis().to_string(),
        Portrait::Initials(letters) => {
            sha256(letters.as_bytes())[..8].iter().map(|byte| format!("{byte:02x}")).collect()
        }
    };
    let tag = HeaderValue::from_str(&format!("\"{version}\"")).map_err(Error::internal)?;
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("image/png")),
        (header::CACHE_CONTROL, cache_control(&uri, "public, max-age=900, stale-while-revalidate=3600")),
        (header::ETAG, tag.clone()),
    ];
    if request.get(header::IF_NONE_MATCH) == Some(&tag) {
        return Ok((StatusCode::NOT_MODIFIED, headers).into_response());
    }
    let content = match portrait {
        Portrait::File(file) => file.content,
        Portrait::Initials(letters) => {
            tokio::task::spawn_blocking(move || initials::picture(&letters, &seed)).await.map_err(Error::internal)?
        }
    };
    Ok((headers, content).into_response())
}

/// The uploaded picture, written anew.
async fn portrait(form: Result<Multipart, MultipartRejection>) -> Result<Vec<u8>, ApiError> {
    let (_, content) = uploaded(form, images::MAX_PORTRAIT_UPLOAD).await?;
    let decoded = tokio::task::spawn_blocking(move || images::portrait(&content)).await.map_err(Error::internal)?;
    let picture = decoded.map_err(|e| Error::with(Code::InvalidImage, format!("This picture can't be used: {e}")))?;
    Ok(picture.content)
}

/// `PUT /api/users/{id}/profile-picture`.
pub async fn set(
    State(app): State<App>,
    RequestCtx(ctx): RequestCtx,
    AdminCreds(creds): AdminCreds,
    Path(id): Path<String>,
    form: Result<Multipart, MultipartRejection>,
) -> Result<StatusCode, ApiError> {
    let (picture, id) = (portrait(form).await?, UserId::new(id));
    app.db()
        .write(move |tx| {
            let admin = creds.admin(tx, ctx.now)?;
            profile_pictures::set(tx, &ctx, &admin, &id, &picture)
        })
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// `DELETE /api/users/{id}/profile-picture`.
pub async fn delete(
    State(app): State<App>,
    RequestCtx(ctx): RequestCtx,
    Creds(creds): Creds,
    Path(id): Path<String>,
) -> Result<StatusCode, ApiError> {
    let id = UserId::new(id);
    app.db()
        .write(move |tx| {
            let admin = creds.admin(tx, ctx.now)?;
            profile_pictures::delete(tx, &ctx, &admin, &id)
        })
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// `PUT /api/users/me/profile-picture`.
pub async fn set_own(
    State(app): State<App>,
    RequestCtx(ctx): RequestCtx,
    UserCreds(creds): UserCreds,
    form: Result<Multipart, MultipartRejection>,
) -> Result<StatusCode, ApiError> {
    let (picture, settings) = (portrait(form).await?, app.settings());
    app.db()
        .write(move |tx| {
            let who = creds.signed_in(tx, ctx.now)?;
            profile_pictures::set_own(tx, &ctx, &settings, &who, &picture)
        })
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// `DELETE /api/users/me/profile-picture`.
pub async fn delete_own(
    State(app): State<App>,
    RequestCtx(ctx): RequestCtx,
    Creds(creds): Creds,
) -> Result<StatusCode, ApiError> {
    let settings = app.settings();
    app.db()
        .write(move |tx| {
            let who = creds.signed_in(tx, ctx.now)?;
            profile_pictures::delete_own(tx, &ctx, &settings, &who)
        })
        .await?;
    Ok(StatusCode::NO_CONTENT)
}
