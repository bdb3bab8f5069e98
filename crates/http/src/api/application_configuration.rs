//! The application configuration (api.md §20).

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{StatusCode, header};
use pid_core::settings::{SETTINGS, Setting, Settings};
use pid_flows::access::Credentials;
use pid_flows::mail::{Mail, Message};
use pid_flows::settings::{self, Scope};
use pid_flows::{Code, Error, Saying, passkey_policy};
use pid_store::instance::Cached;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::error::ApiError;
use crate::extract::{AdminCreds, Creds, IfMatch, Json, MergePatch, RequestCtx, etag};
use crate::state::App;

/// A setting as everybody may know it (api.md §20.1).
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "PublicSetting")]
pub struct PublicSettingDto {
    key: &'static str,
    /// `string`, `boolean` or `number`; the value is text all the same.
    #[schemars(extend("enum" = ["string", "boolean", "number"]))]
    r#type: &'static str,
    value: String,
}

/// A setting (api.md §20.2).
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "Setting")]
pub struct SettingDto {
    #[serde(flatten)]
    setting: PublicSettingDto,
    /// Whether everybody may know it.
    is_public: bool,
}

fn all(app: &App, shown: fn(&Setting, &Settings) -> String) -> Response {
    let snapshot = app.snapshot();
    let current = &snapshot.settings;
    let list: Vec<SettingDto> = SETTINGS
        .iter()
        .map(|s| SettingDto {
            setting: PublicSettingDto { key: s.key, r#type: s.type_name(), value: shown(s, current) },
            is_public: s.public,
        })
        .collect();
    let tag = etag(snapshot.version(Cached::Settings));
    ([(header::ETAG, tag)], axum::Json(list)).into_response()
}

/// `GET /api/application-configuration`: what everybody may know.
pub async fn public(State(app): State<App>) -> Response {
    let current = app.settings();
    let mut list: Vec<PublicSettingDto> = SETTINGS
        .iter()
        .filter(|s| s.public)
        .map(|s| PublicSettingDto { key: s.key, r#type: s.type_name(), value: current.get(s.key).to_owned() })
        .collect();
    // There is no tracing that a browser could take part in.
    for (key, value) in [("uiConfigDisabled", current.are_fixed()), ("tracingEnabled", false)] {
        list.push(PublicSettingDto { key, r#type: "boolean", value: value.to_string() });
    }
    axum::Json(list).into_response()
}

/// `GET /api/application-configuration/all`.
pub async fn get(
    State(app): State<App>,
    RequestCtx(ctx): RequestCtx,
    Creds(creds): Creds,
) -> Result<Response, ApiError> {
    let who = app.db().read(move |tx| creds.reads_all(tx, ctx.now)).await?;
    let is_admin = who.people().powers().is_admin;
    Ok(all(&app, if is_admin { settings::shown } else { settings::shown_to_readers }))
}

async fn change(
    app: App,
    ctx: pid_core::Ctx,
    creds: Credentials,
    body: Map<String, Value>,
    scope: Scope,
    if_match: Option<i64>,
) -> Result<Response, ApiError> {
    let values = settings::values(body)?;
    app.db()
        .write(move |tx| {
            let admin = creds.admin(tx, ctx.now)?;
            settings::update(tx, &ctx, &admin, &values, scope, if_match)
        })
        .await?;
    // At once here; other replicas see the version row within a second.
    app.reload_snapshot().await?;
    Ok(all(&app, settings::shown))
}

/// `PUT /api/application-configuration`: replaces everything.
pub async fn replace(
    State(app): State<App>,
    RequestCtx(ctx): RequestCtx,
    AdminCreds(creds): AdminCreds,
    IfMatch(version): IfMatch,
    Json(body): Json<Map<String, Value>>,
) -> Result<Response, ApiError> {
    change(app, ctx, creds, body, Scope::Whole, version).await
}

/// `PATCH /api/application-configuration`: changes the named keys.
pub async fn patch(
    State(app): State<App>,
    RequestCtx(ctx): RequestCtx,
    AdminCreds(creds): AdminCreds,
    IfMatch(version): IfMatch,
    MergePatch(body): MergePatch,
) -> Result<Response, ApiError> {
    change(app, ctx, creds, body, Scope::Named, version).await
}

/// Somebody whom a policy would lock out.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "LockedOutUser")]
pub struct LockedOutDto {
    id: String,
    username: String,
    /// May be empty.
    display_name: String,
    is_admin: bool,
}

/// Whom a policy for passkeys would lock out.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "PasskeyPolicyDryRun")]
pub struct DryRunDto {
    /// How many people.
    total: i64,
    /// The first 100 of them, administrators before others.
    users: Vec<LockedOutDto>,
    /// No administrator could sign in any more: such a policy is refused.
    locks_out_every_admin: bool,
}

/// `POST /api/application-configuration/passkey-policy/dry-run`: who could not sign in any more with changed settings,
/// which are not saved.
pub async fn dry_run(
    State(app): State<App>,
    RequestCtx(ctx): RequestCtx,
    AdminCreds(creds): AdminCreds,
    Json(body): Json<Map<String, Value>>,
) -> Result<axum::Json<DryRunDto>, ApiError> {
    let values = settings::values(body)?;
    let found = app.db().read(move |tx| passkey_policy::dry_run(tx, &creds.admin(tx, ctx.now)?, &values)).await?;
    let users = found.people.into_iter().map(|person| LockedOutDto {
        id: person.id.into_string(),
        username: person.username,
        display_name: person.display_name,
        is_admin: person.is_admin,
    });
    Ok(axum::Json(DryRunDto { total: found.total, users: users.collect(), locks_out_every_admin: found.every_admin }))
}

/// `POST /api/application-configuration/test-email`: a letter to the caller's own address, at once. A refusal says what
/// the server said.
pub async fn test_email(
    State(app): State<App>,
    RequestCtx(ctx): RequestCtx,
    Creds(creds): Creds,
) -> Result<StatusCode, ApiError> {
    let now = ctx.now;
    let user = app.db().read(move |tx| creds.admin(tx, now).map(|admin| admin.user().clone())).await?;
    let letter = Mail::to(&user, Message::Test).ok_or(Code::UserEmailNotSet)?;
    if !app.settings().sends_mail() {
        return Err(Code::MailNotConfigured.into());
    }
    let sent = crate::mail::send(&app, &ctx.entropy().uuid(), &letter).await;
    sent.map_err(|error| Error::say(Saying::MailRefused, &[("reason", &error.to_string())]))?;
    Ok(StatusCode::NO_CONTENT)
}
