//! Passkeys and sessions (api.md §22).

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum_extra::extract::CookieJar;
use http::{StatusCode, header};
use pid_core::secret::Secret;
use pid_core::{PasskeyId, Timestamp, UserId};
use pid_flows::login_codes::SignInAt;
use pid_flows::{Code, Error, end_session, passkeys};
use pid_oidc::logout::Wish;
use pid_store::WriteTx;
use pid_store::passkeys::Passkey;
use pid_webauthn::models;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::api::dto::{RedirectDto, UserDto};
use crate::api::one_time_access::ForInteraction;
use crate::cookies;
use crate::diagnosis;
use crate::error::ApiError;
use crate::extract::{Creds, IfMatch, Json, NewcomerCreds, Path, Query, Raw, RequestCtx, SessionCreds, etag};
use crate::oidc::authorize::browser;
use crate::state::App;

/// A passkey (api.md §11.8).
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "Passkey")]
pub struct PasskeyDto {
    id: String,
    name: String,
    #[serde(rename = "credentialID")]
    credential_id: String,
    attestation_type: String,
    transport: Vec<String>,
    backup_eligible: bool,
    backup_state: bool,
    created_at: Timestamp,
    last_used_at: Option<Timestamp>,
    /// The authenticator's model, as it says.
    aaguid: String,
    /// The model's name, if it is well known.
    authenticator: Option<&'static str>,
    /// How the authenticator is attached, if the browser said so.
    #[schemars(extend("enum" = ["platform", "cross-platform", null]))]
    authenticator_attachment: Option<String>,
    /// Whether the authenticator verified its user the last time.
    user_verified: bool,
}

impl From<Passkey> for PasskeyDto {
    fn from(p: Passkey) -> Self {
        use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
        Self {
            id: p.id.into_string(),
            name: p.name,
            credential_id: URL_SAFE_NO_PAD.encode(p.credential_id),
            attestation_type: p.attestation_type,
            transport: p.transports,
            backup_eligible: p.backup_eligible,
            backup_state: p.backup_state,
            created_at: p.created_at,
            last_used_at: p.last_used_at,
            authenticator: models::model(&p.aaguid).map(|model| model.name),
            aaguid: p.aaguid,
            authenticator_attachment: p.attachment,
            user_verified: p.user_verified,
        }
    }
}

fn list(passkeys: Vec<Passkey>) -> Response {
    axum::Json(passkeys.into_iter().map(PasskeyDto::from).collect::<Vec<_>>()).into_response()
}

/// The ceremony cookie that must have come with a finishing request.
fn ceremony(app: &App, jar: &CookieJar) -> Result<Secret, Error> {
    let value = jar.get(cookies::browser_name(app.env())).map(cookie::Cookie::value).filter(|v| !v.is_empty());
    value.map(Secret::new).ok_or_else(|| Error::new(Code::MissingSessionId))
}

/// `GET /api/webauthn/register/start`.
pub async fn register_start(
    State(app): State<App>,
    RequestCtx(ctx): RequestCtx,
    Creds(creds): Creds,
    jar: CookieJar,
) -> Result<Response, ApiError> {
    let browser = browser(&app, &jar);
    let jar = jar.add(cookies::browser(app.env(), &browser));
    let (env, settings) = (app.env().clone(), app.settings());
    let options = app
        .db()
        .write(move |tx| {
            let who = creds.may_enrol(tx, ctx.now)?;
            passkeys::register_start(tx, &ctx, &env, &settings, &who, &browser)
        })
        .await?;
    Ok((jar, axum::Json(options)).into_response())
}

/// `POST /api/webauthn/register/finish`.
pub async fn register_finish(
    State(app): State<App>,
    RequestCtx(ctx): RequestCtx,
    NewcomerCreds(creds): NewcomerCreds,
    jar: CookieJar,
    Raw(body): Raw,
) -> Result<Response, ApiError> {
    let (env, settings) = (app.env().clone(), app.settings());
    let browser = ceremony(&app, &jar);
    let outcome = app
        .db()
        .write(move |tx| {
            let who = creds.may_enrol(tx, ctx.now)?;
            let browser = browser.clone()?;
            passkeys::register_finish(tx, &ctx, &env, &settings, &who, &browser, &body)
        })
        .await?;
    Ok(axum::Json(PasskeyDto::from(outcome?)).into_response())
}

/// `GET /api/webauthn/login/start`.
pub async fn login_start(
    State(app): State<App>,
    RequestCtx(ctx): RequestCtx,
    jar: CookieJar,
) -> Result<Response, ApiError> {
    let browser = browser(&app, &jar);
    let jar = jar.add(cookies::browser(app.env(), &browser));
    let (env, settings) = (app.env().clone(), app.settings());
    let options = app.db().write_guarded(move |tx| passkeys::login_start(tx, &ctx, &env, &settings, &browser)).await?;
    Ok((jar, axum::Json(options)).into_response())
}

/// `POST /api/webauthn/login/finish`.
pub async fn login_finish(
    State(app): State<App>,
    RequestCtx(ctx): RequestCtx,
    Creds(creds): Creds,
    jar: CookieJar,
    Query(at): Query<ForInteraction>,
    Raw(body): Raw,
) -> Result<Response, ApiError> {
    let browser = ceremony(&app, &jar)?;
    let at = SignInAt {
        previous: creds.session,
        interaction_id: at.interaction,
        limited: app.limiter().is_on(),
        session_minutes: app.settings().session_minutes(),
        device: None,
    };
    let (env, settings) = (app.env().clone(), app.settings());
    let (now, interaction, sent) = (ctx.clone(), at.interaction_id.clone(), body.clone());
    let finish = move |tx: &WriteTx<'_>| passkeys::login_finish(tx, &now, &env, &settings, &at, &browser, &body);
    let outcome = app.db().write_guarded(finish).await?;
    if let Err(error) = &outcome
        && error.code == Code::WebauthnAuthenticationFailed
    {
        diagnosis::passkey_refused(&app, &ctx, interaction, &sent);
    }
    let (user, new) = outcome?;
    let jar = jar.add(cookies::session(app.env(), &new.cookie, new.max_age_secs));
    Ok((jar, axum::Json(UserDto::plain(&user))).into_response())
}

/// `POST /api/webauthn/reauthenticate`.
pub async fn reauthenticate(
    State(app): State<App>,
    RequestCtx(ctx): RequestCtx,
    SessionCreds(creds): SessionCreds,
    jar: CookieJar,
    Raw(body): Raw,
) -> Result<Response, ApiError> {
    let (env, settings, limited) = (app.env().clone(), app.settings(), app.limiter().is_on());
    let browser = ceremony(&app, &jar);
    let is_assertion = body.iter().any(|b| !b.is_ascii_whitespace());
    let outcome = app
        .db()
        .write(move |tx| {
            let who = creds.session_user(tx, ctx.now)?;
            let browser = browser.clone()?;
            if is_assertion {
                let proven = passkeys::reauthenticate(tx, &ctx, &env, &settings, &who, &browser, &body, limited)?;
                Ok(proven.map(|(proof, session)| (proof, Some(session))))
            } else {
                passkeys::reauthenticate_by_session(tx, &ctx, &who).map(|proof| Ok((proof, None)))
            }
        })
        .await?;
    let (proof, session) = outcome?;
    let mut jar = jar.add(cookies::reauthentication(app.env(), &proof));
    if let Some(new) = session {
        jar = jar.add(cookies::session(app.env(), &new.cookie, new.max_age_secs));
    }
    Ok((StatusCode::NO_CONTENT, jar).into_response())
}

/// What a logout page carries on behalf of a client.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct WishQuery {
    client_id: Option<String>,
    post_logout_redirect_uri: Option<String>,
    state: Option<String>,
}

/// `POST /api/webauthn/logout`: ends the session. 204; with a client's wish that is good, 200 and where to go.
pub async fn logout(
    State(app): State<App>,
    RequestCtx(ctx): RequestCtx,
    Creds(creds): Creds,
    jar: CookieJar,
    Query(wish): Query<WishQuery>,
) -> Result<Response, ApiError> {
    let wish =
        Wish { client_id: wish.client_id, post_logout_redirect_uri: wish.post_logout_redirect_uri, state: wish.state };
    let target = app
        .db()
        .write(move |tx| match creds.signed_in_or_limited(tx, ctx.now)?.session() {
            Some(session) => end_session::sign_out(tx, &ctx, session, &wish),
            None => Ok(None),
        })
        .await?;
    let jar = jar.add(cookies::no_session(app.env()));
    Ok(match target {
        Some(target) => (jar, axum::Json(RedirectDto { redirect_url: target })).into_response(),
        None => (StatusCode::NO_CONTENT, jar).into_response(),
    })
}

/// `GET /api/webauthn/credentials`.
pub async fn list_own(
    State(app): State<App>,
    RequestCtx(ctx): RequestCtx,
    Creds(creds): Creds,
) -> Result<Response, ApiError> {
    let found = app.db().read(move |tx| passkeys::list_own(tx, &creds.signed_in(tx, ctx.now)?)).await?;
    Ok(list(found))
}

fn answer(passkey: Passkey) -> Response {
    ([(header::ETAG, etag(passkey.version))], axum::Json(PasskeyDto::from(passkey))).into_response()
}

/// `GET /api/webauthn/credentials/{id}`.
pub async fn get_own(
    State(app): State<App>,
    RequestCtx(ctx): RequestCtx,
    Creds(creds): Creds,
    Path(id): Path<String>,
) -> Result<Response, ApiError> {
    let id = PasskeyId::new(id);
    let found = app.db().read(move |tx| passkeys::get(tx, &creds.signed_in(tx, ctx.now)?, &id)).await?;
    Ok(answer(found))
}

/// A passkey's new name.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(rename = "RenameInput", extend("required" = ["name"]))]
pub struct Rename {
    name: String,
}

/// `PATCH /api/webauthn/credentials/{id}`.
pub async fn rename(
    State(app): State<App>,
    RequestCtx(ctx): RequestCtx,
    SessionCreds(creds): SessionCreds,
    Path(id): Path<String>,
    IfMatch(version): IfMatch,
    Json(body): Json<Rename>,
) -> Result<Response, ApiError> {
    let id = PasskeyId::new(id);
    let passkey = app
        .db()
        .write(move |tx| {
            let who = creds.may_enrol(tx, ctx.now)?;
            passkeys::rename(tx, &ctx, &who, &id, &body.name, version)
        })
        .await?;
    Ok(answer(passkey))
}

/// `DELETE /api/webauthn/credentials/{id}`.
pub async fn delete_own(
    State(app): State<App>,
    RequestCtx(ctx): RequestCtx,
    Creds(creds): Creds,
    Path(id): Path<String>,
    IfMatch(version): IfMatch,
) -> Result<StatusCode, ApiError> {
    let id = PasskeyId::new(id);
    app.db()
        .write(move |tx| {
            let who = creds.may_enrol(tx, ctx.now)?;
            passkeys::delete_own(tx, &ctx, &who, &id, version)
        })
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// `GET /api/users/{id}/webauthn-credentials`.
pub async fn list_of(
    State(app): State<App>,
    RequestCtx(ctx): RequestCtx,
    Creds(creds): Creds,
    Path(user): Path<String>,
) -> Result<Response, ApiError> {
    let user = UserId::new(user);
    let found = app.db().read(move |tx| passkeys::list_of(tx, &creds.reads_people(tx, ctx.now)?, &user)).await?;
    Ok(list(found))
}

/// `DELETE /api/users/{id}/webauthn-credentials/{credentialId}`.
pub async fn delete_of(
    State(app): State<App>,
    RequestCtx(ctx): RequestCtx,
    Creds(creds): Creds,
    Path((user, id)): Path<(String, String)>,
    IfMatch(version): IfMatch,
) -> Result<StatusCode, ApiError> {
    let (user, id) = (UserId::new(user), PasskeyId::new(id));
    app.db()
        .write(move |tx| {
            let who = creds.manages_people(tx, ctx.now)?;
            passkeys::delete_of(tx, &ctx, &who.person(tx, &user)?, &id, version)
        })
        .await?;
    Ok(StatusCode::NO_CONTENT)
}
