//! Signing in with another device (api.md §23.2).

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum_extra::extract::CookieJar;
use http::StatusCode;
use pid_core::secret::Secret;
use pid_core::{Ctx, FieldCode, Timestamp};
use pid_flows::Error;
use pid_flows::access::Credentials;
use pid_flows::budget::address_subject;
use pid_flows::device::count_failure;
use pid_flows::device_login::{self, Decision, Exchange, INTERVAL_SECS, LoginCode, Waiting};
use pid_flows::login_codes::SignInAt;
use pid_integrations::{device, qr};
use pid_store::WriteTx;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::api::dto::UserDto;
use crate::api::one_time_access::ForInteraction;
use crate::cookies;
use crate::error::ApiError;
use crate::extract::{Creds, Json, Path, Query, RequestCtx, SessionCreds};
use crate::state::App;

/// A request of a browser to be let in. `number` and `qrCode` are ours.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "DeviceLoginRequest")]
pub struct RequestDto {
    id: String,
    /// What a person types or scans on the other device.
    user_code: String,
    verification_uri: String,
    verification_uri_complete: String,
    expires_at: Timestamp,
    /// Seconds between two questions, unless an answer lets the browser wait.
    interval: i64,
    /// Two digits that the browser shows.
    number: i64,
    /// An SVG.
    qr_code: Option<String>,
}

/// `POST /api/device-login/requests`: a browser begins to wait.
pub async fn create(State(app): State<App>, RequestCtx(ctx): RequestCtx, jar: CookieJar) -> Result<Response, ApiError> {
    let limited = app.limiter().is_on();
    let made = app.db().write(move |tx| device_login::create(tx, &ctx, limited)).await?;
    let code = made.code.as_str();
    let jar = jar.add(cookies::device_login(app.env(), code, &made.token));
    let page = format!("{}/device", app.env().app_url.origin);
    let complete = format!("{page}?user_code={code}");
    let dto = RequestDto {
        id: code.to_owned(),
        user_code: code.to_owned(),
        verification_uri: page,
        qr_code: qr::svg(&complete),
        verification_uri_complete: complete,
        expires_at: made.expires_at,
        interval: INTERVAL_SECS,
        number: made.number,
    };
    Ok((StatusCode::CREATED, jar, axum::Json(dto)).into_response())
}

/// `POST /api/device-login/requests/{id}/exchange`: the browser asks whether it is let in. 202 as long as nobody has
/// decided, after a while.
pub async fn exchange(
    State(app): State<App>,
    RequestCtx(ctx): RequestCtx,
    Creds(creds): Creds,
    jar: CookieJar,
    Query(at): Query<ForInteraction>,
    Path(id): Path<String>,
) -> Result<Response, ApiError> {
    let token = jar.get(cookies::device_login_name(app.env())).map(cookie::Cookie::value).unwrap_or_default();
    let token = Secret::new(token);
    let limited = app.limiter().is_on();
    let decided = || {
        let (app, id, token) = (app.clone(), id.clone(), token.clone());
        let ctx = Ctx { now: app.clock().now(), ..ctx.clone() };
        async move {
            let pending = app.db().read(move |tx| device_login::is_pending(tx, &ctx, &id, &token, limited)).await;
            pending.map(|pending| !pending)
        }
    };
    let key = LoginCode::parse(&id).map(|code| code.as_str().to_owned()).unwrap_or_default();
    if !app.waits().until(&key, &address_subject(&ctx.ip_address), decided).await? {
        return Ok(StatusCode::ACCEPTED.into_response());
    }
    let at = SignInAt {
        previous: creds.session,
        interaction_id: at.interaction,
        limited,
        session_minutes: app.settings().session_minutes(),
        device: None,
    };
    let ctx = Ctx { now: app.clock().now(), ..ctx };
    match app.db().write(move |tx| device_login::exchange(tx, &ctx, &at, &id, &token)).await? {
        Exchange::SignedIn(done) => {
            let (user, new) = *done;
            let jar = jar.add(cookies::session(app.env(), &new.cookie, new.max_age_secs));
            Ok((jar, axum::Json(UserDto::plain(&user))).into_response())
        }
        Exchange::Pending => Ok(StatusCode::ACCEPTED.into_response()),
        Exchange::Refused(error) => Err(error.into()),
    }
}

/// The code of a browser that waits.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(rename = "DeviceLoginCodeInput", extend("required" = ["code"]))]
pub struct VerificationBody {
    code: String,
}

/// A browser that waits, for who may let it in.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "WaitingDevice")]
pub struct WaitingDto {
    user_code: String,
    device: String,
    ip_address: String,
    country: String,
    city: String,
    expires_at: Timestamp,
}

impl From<Waiting> for WaitingDto {
    fn from(waiting: Waiting) -> Self {
        Self {
            user_code: waiting.code.as_str().to_owned(),
            device: device::in_words(&waiting.user_agent),
            ip_address: waiting.ip_address,
            country: waiting.place.country,
            city: waiting.place.city,
            expires_at: waiting.expires_at,
        }
    }
}

/// Who waits under a code. A wrong one is counted.
pub(crate) async fn look(app: &App, ctx: &Ctx, creds: &Credentials, code: String) -> Result<Waiting, Error> {
    let limited = app.limiter().is_on();
    let (now, who) = (ctx.clone(), creds.clone());
    let find =
        move |tx: &pid_store::ReadTx<'_>| device_login::look(tx, &now, &who.session_user(tx, now.now)?, &code, limited);
    let found = app.db().read(find).await;
    if let (Err(error), true) = (&found, limited)
        && device_login::is_guess(error)
    {
        let (ctx, creds) = (ctx.clone(), creds.clone());
        let count = move |tx: &WriteTx<'_>| count_failure(tx, &ctx, &creds.session_user(tx, ctx.now)?);
        app.db().write(count).await?;
    }
    found
}

fn required(code: String) -> Result<String, Error> {
    if code.trim().is_empty() {
        return Err(Error::field("code", FieldCode::Required, "must not be empty"));
    }
    Ok(code)
}

/// `POST /api/device-login/verification`: who waits under a code.
pub async fn verification(
    State(app): State<App>,
    RequestCtx(ctx): RequestCtx,
    SessionCreds(creds): SessionCreds,
    Json(body): Json<VerificationBody>,
) -> Result<Response, ApiError> {
    let waiting = look(&app, &ctx, &creds, required(body.code)?).await?;
    Ok(axum::Json(WaitingDto::from(waiting)).into_response())
}

/// What a person decided. `number` is ours.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(rename = "DeviceLoginDecisionInput", extend("required" = ["code", "decision"]))]
pub struct DecisionBody {
    code: String,
    #[schemars(extend("enum" = ["approve", "deny"]))]
    decision: String,
    /// The number that the browser shows. A session that was approved without it can't add passkeys.
    number: Option<i64>,
}

/// `POST /api/device-login/verification/decision`.
pub async fn decision(
    State(app): State<App>,
    RequestCtx(ctx): RequestCtx,
    SessionCreds(creds): SessionCreds,
    jar: CookieJar,
    Json(body): Json<DecisionBody>,
) -> Result<StatusCode, ApiError> {
    let code = required(body.code)?;
    let decision = match body.decision.as_str() {
        "approve" => Decision::Approve { number: body.number },
        "deny" => Decision::Deny,
        "" => return Err(Error::field("decision", FieldCode::Required, "must not be empty").into()),
        _ => return Err(Error::field("decision", FieldCode::Oneof, "must be one of: approve, deny").into()),
    };
    let waiting = LoginCode::parse(&code);
    let limited = app.limiter().is_on();
    let proof = jar.get(cookies::reauthentication_name(app.env())).map(|c| Secret::new(c.value()));
    let decided = app
        .db()
        .write(move |tx| {
            let who = creds.session_user(tx, ctx.now)?;
            device_login::decide(tx, &ctx, &who, &code, decision, proof.as_ref(), limited)
        })
        .await?;
    if let Some(waiting) = waiting {
        app.waits().wake(waiting.as_str());
    }
    decided?;
    Ok(StatusCode::NO_CONTENT)
}
