//! `/authorize`: with a session and consent one request and one redirect; otherwise the pages.

use std::sync::Arc;

use axum::extract::{FromRequestParts as _, Query, State};
use axum::response::{IntoResponse, Response};
use axum_extra::extract::CookieJar;
use http::request::Parts;
use http::{HeaderValue, StatusCode, header};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use pid_core::diagnosis::{Code, Finding};
use pid_core::secret::Secret;
use pid_core::{Ctx, InteractionId};
use pid_flows::authorize::{self, Answer, Arrival, Asked};
use pid_flows::diagnosis::{Exchange, Whose, shown_id};
use pid_oidc::par::Reference;
use pid_oidc::response::Delivery;
use pid_oidc::{ErrorCode, OAuthError, Params};
use pid_store::Engine;
use serde::Deserialize;

use crate::cookies;
use crate::diagnosis;
use crate::extract::{Creds, RequestCtx};
use crate::oidc::{Form, cimd, never_stored, request_object};
use crate::state::App;

/// The browser-binding cookie's value: the one that came, or a new one.
pub(crate) fn browser(app: &App, jar: &CookieJar) -> Secret {
    match jar.get(cookies::browser_name(app.env())).map(cookie::Cookie::value).filter(|v| v.len() >= 43) {
        Some(value) => Secret::new(value),
        None => Secret::new(pid_core::Entropy::new(crate::state::seed()).token()),
    }
}

/// `GET` and `POST /authorize` (RFC 6749 §3.1).
pub async fn authorize(State(app): State<App>, mut parts: Parts, Form(form): Form) -> Response {
    let Ok(RequestCtx(ctx)) = RequestCtx::from_request_parts(&mut parts, &app).await;
    let Ok(Creds(credentials)) = Creds::from_request_parts(&mut parts, &app).await;
    let jar = CookieJar::from_headers(&parts.headers);
    let query = match Params::parse(parts.uri.query().unwrap_or_default()) {
        Ok(query) => query,
        Err(error) => return unread(&app, &ctx, &OAuthError::from(error)),
    };
    let resumed = query.first("interaction").map(InteractionId::new);
    let params = match form.and_then(|form| form.merge(query).map_err(OAuthError::from)) {
        Ok(params) => params,
        Err(error) => return unread(&app, &ctx, &error),
    };
    let asked = match resumed {
        Some(id) => Asked::Resumed(id),
        None => match asked(&app, &ctx, params).await {
            Ok(asked) => asked,
            Err(Unread::Page(error)) => return unread(&app, &ctx, &error),
            Err(Unread::Fault(error)) => return crate::oidc::fault_page(error),
        },
    };
    let browser = browser(&app, &jar);
    let arrival = Arc::new(Arrival { asked, browser: browser.clone(), credentials });
    let answer = answer(&app, ctx.clone(), Arc::clone(&arrival)).await;
    match answer {
        Ok(answer @ (Answer::Interact(_) | Answer::Denied(..))) => {
            if let Some(name) = diagnosis::web_view(&ctx.user_agent)
                && let Answer::Interact(id) = &answer
            {
                let finding = Finding::new(Code::WebView).quote("app", name);
                diagnosis::found(&app, &ctx, Whose::Of(id.clone()), finding);
            }
            // The cookie lives as long as the interaction that it binds.
            let jar = jar.add(cookies::browser(app.env(), &browser));
            (jar, respond(&app, &ctx, answer)).into_response()
        }
        Ok(Answer::Page(error)) => {
            let host = parts.headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
            refused(&app, &ctx, &arrival, &error, host)
        }
        Ok(answer) => {
            if let (Answer::Deliver(Delivery::Redirect { location }), Asked::Parameters(params)) =
                (&answer, &arrival.asked)
            {
                diagnosis::weigh(&app, &ctx, params.first("client_id"), location);
            }
            respond(&app, &ctx, answer)
        }
        Err(error) => crate::oidc::fault_page(error),
    }
}

/// Why a request can't be read.
enum Unread {
    /// It is wrong, and nobody else may know.
    Page(OAuthError),
    /// It can't be read now.
    Fault(pid_flows::Error),
}

/// The request: by name, or with its parameters, those of a request object among them.
async fn asked(app: &App, ctx: &Ctx, params: Params) -> Result<Asked, Unread> {
    let client_id = params.first("client_id").unwrap_or_default();
    cimd::ensure(app, ctx, client_id).await.map_err(Unread::Fault)?.map_err(Unread::Page)?;
    match Reference::read(&params) {
        Ok(Some(reference)) => return Ok(Asked::Pushed(reference)),
        Ok(None) => {}
        // A name that can't be ours comes with nothing else that counts.
        Err(error) if error.code() == ErrorCode::InvalidRequestUri => return Err(Unread::Page(error)),
        Err(error) => return Ok(Asked::Faulty(params, error)),
    }
    match request_object::resolve(app, ctx.now, &params, false).await.map_err(Unread::Fault)? {
        Ok(Some(merged)) => Ok(Asked::Parameters(merged)),
        Ok(None) => Ok(Asked::Parameters(params)),
        Err(error) => Ok(Asked::Faulty(params, error)),
    }
}

/// To our error page with a request that goes no further, and to whoever looks for the cause.
fn refused(app: &App, ctx: &Ctx, arrival: &Arrival, error: &OAuthError, host: &str) -> Response {
    let client_id = match &arrival.asked {
        Asked::Parameters(params) | Asked::Faulty(params, _) => params.first("client_id").unwrap_or_default(),
        Asked::Pushed(reference) => &reference.client_id,
        Asked::Resumed(id) => {
            diagnosis::lost(app, ctx, id.clone(), host);
            return page(error, None);
        }
    };
    let shown = shown_id(client_id, None, error);
    let asked = Box::new(arrival.asked.clone());
    let exchange = Exchange::Authorization { asked, person: None, error: error.clone() };
    diagnosis::note(app, &ctx.ip_address, ctx.now, exchange, Some(shown.clone()));
    page(error, Some(&shown))
}

/// To our error page with a request that can't even be read.
fn unread(app: &App, ctx: &Ctx, error: &OAuthError) -> Response {
    let finding = match error.code() {
        ErrorCode::InvalidRequestUri => Finding::new(Code::ParExpired),
        _ => Finding::new(Code::RequestMalformed).quote("reason", error.page_text()),
    };
    let shown = shown_id("", None, error);
    let exchange = Exchange::Found(Whose::Nobodys, finding);
    diagnosis::note(app, &ctx.ip_address, ctx.now, exchange, Some(shown.clone()));
    page(error, Some(&shown))
}

async fn answer(app: &App, ctx: Ctx, arrival: Arc<Arrival>) -> Result<Answer, pid_flows::Error> {
    let (env, site, now) = (app.env().clone(), app.snapshot(), ctx.now);
    let seen = match app.db().engine() {
        // Refusals must not wait for the one who writes.
        Engine::Sqlite => {
            let (env, site, arrival) = (env.clone(), site.clone(), arrival.clone());
            app.db().read(move |tx| authorize::look(tx, now, &env, &site, &arrival)).await?
        }
        // A transaction that could write and doesn't is as cheap as one that can't.
        Engine::Postgres => None,
    };
    match seen {
        Some(answer) => Ok(answer),
        None => app.db().write(move |tx| authorize::act(tx, &ctx, &env, &site, &arrival)).await,
    }
}

/// The answer on its way out.
pub(crate) fn respond(app: &App, ctx: &Ctx, answer: Answer) -> Response {
    match answer {
        Answer::Deliver(delivery) => deliver(&delivery),
        Answer::Refuse(delivery, refused) => {
            diagnosis::refused(app, ctx, *refused);
            deliver(&delivery)
        }
        Answer::Interact(id) => found(format!("/interaction?interaction={id}")),
        Answer::Page(error) => page(&error, None),
        Answer::Denied(refused, id) => {
            let error = refused.error.clone();
            let shown = diagnosis::refused(app, ctx, *refused);
            found(format!("{}&interaction={id}", error_page(&error, shown.as_deref())))
        }
    }
}

/// A redirect, or the page whose form posts itself.
pub(crate) fn deliver(delivery: &Delivery) -> Response {
    match delivery {
        Delivery::Redirect { location } => match HeaderValue::from_str(location) {
            Ok(location) => never_stored((StatusCode::SEE_OTHER, [(header::LOCATION, location)]).into_response()),
            Err(_) => page(&OAuthError::invalid_request("The redirect address can't be used."), None),
        },
        Delivery::FormPost { action, fields } => never_stored(crate::oidc::form_post::page(action, fields)),
    }
}

/// To our own error page (oidc.md §9.8).
fn page(error: &OAuthError, shown: Option<&str>) -> Response {
    found(error_page(error, shown))
}

fn error_page(error: &OAuthError, shown: Option<&str>) -> String {
    let text: String = error.page_text().chars().take(500).collect();
    let id = shown.map_or_else(String::new, |id| format!("&id={id}"));
    format!("/interaction/error?error={}{id}", utf8_percent_encode(&text, NON_ALPHANUMERIC))
}

fn found(location: String) -> Response {
    never_stored((StatusCode::FOUND, [(header::LOCATION, location)]).into_response())
}

/// The interaction that is cancelled.
#[derive(Debug, Deserialize)]
pub struct Cancel {
    interaction: String,
}

/// `GET /interaction/cancel`: back to the client with `access_denied`. Works without scripts; bound to the browser by
/// its cookie, so nobody else can cancel.
pub async fn cancel(
    State(app): State<App>,
    RequestCtx(ctx): RequestCtx,
    Creds(credentials): Creds,
    jar: CookieJar,
    Query(cancel): Query<Cancel>,
) -> Response {
    let browser = browser(&app, &jar);
    let arrival = Arrival { asked: Asked::Resumed(InteractionId::new(cancel.interaction)), browser, credentials };
    let (env, site) = (app.env().clone(), app.snapshot());
    let asking = ctx.clone();
    match app.db().write(move |tx| authorize::deny(tx, &asking, &env, &site, &arrival)).await {
        Ok(answer) => respond(&app, &ctx, answer),
        Err(error) => crate::oidc::fault_page(error),
    }
}
