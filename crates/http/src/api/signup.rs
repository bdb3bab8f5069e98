//! The first run and signing up (api.md §23.3, §23.4).

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum_extra::extract::CookieJar;
use http::{HeaderMap, StatusCode};
use pid_flows::setup::{self, Setup, SetupInput};
use pid_flows::signup::{self, Signup, SignupInput};
use pid_flows::{Code, Error, Saying};

use crate::api::dto::UserDto;
use crate::api::users::dto;
use crate::cookies;
use crate::error::ApiError;
use crate::extract::{Creds, Json, NeedsSetupCode, RequestCtx};
use crate::i18n::Asked;
use crate::state::App;

/// `GET /api/signup/setup`: 204 while set-up is open, else 404.
pub async fn setup_state(State(app): State<App>) -> Result<StatusCode, ApiError> {
    if app.db().read(setup::is_open).await? { Ok(StatusCode::NO_CONTENT) } else { Err(Code::SetupNotAvailable.into()) }
}

/// `POST /api/signup/setup`: the first administrator, signed in.
pub async fn setup(
    State(app): State<App>,
    RequestCtx(ctx): RequestCtx,
    NeedsSetupCode(needs_code): NeedsSetupCode,
    jar: CookieJar,
    headers: HeaderMap,
    Json(input): Json<SetupInput>,
) -> Result<Response, ApiError> {
    let input = SetupInput { locale: Asked::of(&headers).of_newcomer(), ..input };
    let (env, settings) = (app.env().clone(), app.settings());
    let outcome = app.db().write(move |tx| setup::complete(tx, &ctx, &env, &settings, &input, needs_code)).await?;
    match outcome {
        Setup::Done(done) => {
            let (user, new) = *done;
            let jar = jar.add(cookies::session(app.env(), &new.cookie, new.max_age_secs));
            Ok((StatusCode::OK, jar, axum::Json(UserDto::plain(&user))).into_response())
        }
        Setup::WrongCode => Err(Error::say(Saying::WrongSetupCode, &[]).into()),
    }
}

/// `POST /api/signup`: somebody who signs up by themselves or with a token, signed in.
pub async fn sign_up(
    State(app): State<App>,
    RequestCtx(ctx): RequestCtx,
    Creds(creds): Creds,
    jar: CookieJar,
    headers: HeaderMap,
    Json(input): Json<SignupInput>,
) -> Result<Response, ApiError> {
    let input = SignupInput { locale: Asked::of(&headers).of_newcomer(), ..input };
    let limited = app.limiter().is_on();
    let env = app.env().clone();
    let rule =
        move |tx: &pid_store::WriteTx<'_>| signup::sign_up(tx, &ctx, &env, &input, creds.session.as_ref(), limited);
    match app.db().write(rule).await? {
        Signup::Done(done) => {
            let (details, new) = *done;
            let jar = jar.add(cookies::session(app.env(), &new.cookie, new.max_age_secs));
            Ok((StatusCode::CREATED, jar, axum::Json(dto(details))).into_response())
        }
        Signup::Refused(error) => Err(error.into()),
    }
}
