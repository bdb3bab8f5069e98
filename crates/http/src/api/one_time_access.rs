//! Login codes (api.md §23.1).

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum_extra::extract::CookieJar;
use http::StatusCode;
use pid_core::entropy::ALPHANUMERIC;
use pid_core::secret::Secret;
use pid_core::{Timestamp, UserId};
use pid_flows::Code;
use pid_flows::login_codes::{self, Exchange, SignInAt};
use pid_integrations::qr;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::api::dto::{Ttl, UserDto};
use crate::cookies;
use crate::error::ApiError;
use crate::extract::{Creds, Json, ManagerCreds, Path, Query, RequestCtx};
use crate::state::App;

/// The body of a request for a code.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(rename = "LoginCodeInput")]
pub struct CreateBody {
    ttl: Ttl,
}

/// A code with its link, also as a QR code for a device that has a camera.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "LoginCode")]
pub struct LoginCodeDto {
    /// The code.
    token: String,
    /// An SVG.
    qr_code: Option<String>,
    link: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<Timestamp>,
}

impl LoginCodeDto {
    fn new(app: &App, code: &str, query: &str, expires_at: Option<Timestamp>) -> Self {
        let link = format!("{}/lc/{code}{query}", app.env().app_url.origin);
        Self { token: code.to_owned(), qr_code: qr::svg(&link), link, expires_at }
    }
}

/// `POST /api/users/{id}/one-time-access-token`: a code for another person.
pub async fn create(
    State(app): State<App>,
    RequestCtx(ctx): RequestCtx,
    ManagerCreds(creds): ManagerCreds,
    Path(id): Path<String>,
    Json(body): Json<CreateBody>,
) -> Result<Response, ApiError> {
    let ttl = body.ttl.secs_or(login_codes::DEFAULT_TTL_SECS);
    let id = UserId::new(id);
    let code = app
        .db()
        .write(move |tx| {
            let who = creds.manages_people(tx, ctx.now)?;
            login_codes::create_by_admin(tx, &ctx, &who.person(tx, &id)?, ttl)
        })
        .await?;
    Ok((StatusCode::CREATED, axum::Json(LoginCodeDto::new(&app, code.expose(), "", None))).into_response())
}

/// `POST /api/users/me/one-time-access-token`: a code for oneself, at most for fifteen minutes.
pub async fn create_own(
    State(app): State<App>,
    RequestCtx(ctx): RequestCtx,
    Creds(creds): Creds,
    Json(body): Json<CreateBody>,
) -> Result<Response, ApiError> {
    let ttl = body.ttl.secs_or(login_codes::DEFAULT_TTL_SECS);
    let (code, expires_at) =
        app.db().write(move |tx| login_codes::create_own(tx, &ctx, &creds.session_user(tx, ctx.now)?, ttl)).await?;
    let made = LoginCodeDto::new(&app, code.expose(), "?ask", Some(expires_at));
    Ok((StatusCode::CREATED, axum::Json(made)).into_response())
}

/// `POST /api/users/{id}/one-time-access-email`: a code for another person, sent to their address.
pub async fn mail(
    State(app): State<App>,
    RequestCtx(ctx): RequestCtx,
    ManagerCreds(creds): ManagerCreds,
    Path(id): Path<String>,
    Json(body): Json<CreateBody>,
) -> Result<StatusCode, ApiError> {
    let ttl = body.ttl.secs_or(login_codes::DEFAULT_TTL_SECS);
    let (id, env, settings) = (UserId::new(id), app.env().clone(), app.settings());
    app.db()
        .write(move |tx| {
            let who = creds.manages_people(tx, ctx.now)?;
            login_codes::mail_by_admin(tx, &ctx, &env, &settings, &who, &id, ttl)
        })
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The body of a request for a code by mail.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(rename = "LoginCodeMailInput", extend("required" = ["email"]))]
pub struct MailBody {
    /// The address of the account.
    email: String,
    /// Where the sign-in leads: a path of this site.
    redirect_path: Option<String>,
}

/// `POST /api/one-time-access-email`: a code for whoever has this address, for this browser. The answer is the same whether
/// or not there is such a person.
pub async fn mail_on_request(
    State(app): State<App>,
    RequestCtx(ctx): RequestCtx,
    jar: CookieJar,
    Json(body): Json<MailBody>,
) -> Result<Response, ApiError> {
    let (settings, limited) = (app.settings(), app.limiter().is_on());
    let device = Secret::new(ctx.stream("device token").text(ALPHANUMERIC, 16));
    let jar = jar.add(cookies::device(app.env(), &device));
    let MailBody { email, redirect_path } = body;
    app.db()
        .write(move |tx| {
            let redirect = redirect_path.clone();
            login_codes::mail_on_request(tx, &ctx, &settings, &email, redirect, &device, limited)
        })
        .await?;
    Ok((StatusCode::NO_CONTENT, jar).into_response())
}

/// The interaction that a sign-in is for.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct ForInteraction {
    pub(crate) interaction: Option<String>,
}

/// `POST /api/one-time-access-token/{token}`: signs in.
pub async fn exchange(
    State(app): State<App>,
    RequestCtx(ctx): RequestCtx,
    Creds(creds): Creds,
    jar: CookieJar,
    Query(at): Query<ForInteraction>,
    Path(code): Path<String>,
) -> Result<Response, ApiError> {
    let at = SignInAt {
        previous: creds.session,
        interaction_id: at.interaction,
        limited: app.limiter().is_on(),
        session_minutes: app.settings().session_minutes(),
        device: jar.get(cookies::device_name(app.env())).map(|c| Secret::new(c.value())),
    };
    match app.db().write(move |tx| login_codes::exchange(tx, &ctx, &at, &code)).await? {
        Exchange::SignedIn(done) => {
            let (user, new) = *done;
            let jar = jar.add(cookies::session(app.env(), &new.cookie, new.max_age_secs));
            Ok((jar, axum::Json(UserDto::plain(&user))).into_response())
        }
        Exchange::OtherBrowser => Err(Code::DeviceCodeInvalid.into()),
        Exchange::Disabled(error) => Err(error.into()),
        Exchange::Invalid => Err(Code::TokenInvalidOrExpired.into()),
    }
}
