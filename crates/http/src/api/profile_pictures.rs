//! People's pictures (api.md §13.9).

use axum::extract::State;
use axum::extract::multipart::{Multipart, MultipartRejection};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use pid_core::UserId;
use pid_core::files::Content;
use pid_core::secret::sha256;
use pid_flows::Error;
use pid_flows::profile_pictures::{self, Portrait};
use pid_integrations::initials;

use crate::api::pictures;
use crate::assets::names_etag;
use crate::error::ApiError;
use crate::extract::{Creds, IfMatch, ManagerCreds, Path, RequestCtx, UserCreds, cache_control};
use crate::files::{self, Folder};
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
    let caching = cache_control(&uri, "public, max-age=900, stale-while-revalidate=3600");
    let letters = match portrait {
        Portrait::File(file) => return pictures::shown(&app, file, caching, &request).await,
        Portrait::Initials(letters) => letters,
    };
    // Told from what is shown, so that no drawing is needed to see that nothing has changed.
    let version: String = sha256(letters.as_bytes())[..8].iter().map(|byte| format!("{byte:02x}")).collect();
    let tag = format!("\"{version}\"");
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("image/png")),
        (header::CACHE_CONTROL, caching),
        (header::ETAG, HeaderValue::from_str(&tag).map_err(Error::internal)?),
    ];
    if names_etag(&request, &tag) {
        return Ok((StatusCode::NOT_MODIFIED, headers).into_response());
    }
    let drawn =
        tokio::task::spawn_blocking(move || initials::picture(&letters, &seed)).await.map_err(Error::internal)?;
    Ok((headers, drawn).into_response())
}

async fn kept(app: &App, form: Result<Multipart, MultipartRejection>) -> Result<Content, ApiError> {
    let picture = pictures::portrait(form).await?;
    Ok(files::keep(app, Folder::ProfilePictures, picture.content_type, picture.content).await?)
}

/// `PUT /api/users/{id}/profile-picture`.
pub async fn set(
    State(app): State<App>,
    RequestCtx(ctx): RequestCtx,
    ManagerCreds(creds): ManagerCreds,
    Path(id): Path<String>,
    form: Result<Multipart, MultipartRejection>,
) -> Result<StatusCode, ApiError> {
    let (picture, id) = (kept(&app, form).await?, UserId::new(id));
    app.db()
        .write(move |tx| {
            let who = creds.manages_people(tx, ctx.now)?;
            profile_pictures::set(tx, &ctx, &who, &id, &picture)
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
    IfMatch(version): IfMatch,
) -> Result<StatusCode, ApiError> {
    let id = UserId::new(id);
    app.db()
        .write(move |tx| {
            let who = creds.manages_people(tx, ctx.now)?;
            profile_pictures::delete(tx, &ctx, &who, &id, version)
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
    let (picture, settings) = (kept(&app, form).await?, app.settings());
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
    IfMatch(version): IfMatch,
) -> Result<StatusCode, ApiError> {
    let settings = app.settings();
    app.db()
        .write(move |tx| {
            let who = creds.signed_in(tx, ctx.now)?;
            profile_pictures::delete_own(tx, &ctx, &settings, &who, version)
        })
        .await?;
    Ok(StatusCode::NO_CONTENT)
}
