//! A request of a client: its form, and what it brought to prove who it is and which key it has.

use std::time::Duration;

use axum::extract::{FromRequest, FromRequestParts as _, Request};
use axum::response::Response;
use http::{HeaderMap, header};
use pid_core::Ctx;
use pid_flows::client_auth::{self, Presented};
use pid_flows::{Code, Error};
use pid_oidc::client_assertion::{Accepted, Assertion, Demand, Us};
use pid_oidc::client_auth::Credentials;
use pid_oidc::dpop::{self, Proof};
use pid_oidc::{ErrorCode, OAuthError, Params};
use pid_store::WriteTx;
use pid_store::protocol::StoredSecret;
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::diagnosis::Sent;
use crate::extract::RequestCtx;
use crate::oidc::{Form, authorization, cimd, fault, oauth_error};
use crate::peer_keys::with_keys;
use crate::state::App;

/// What the token endpoint and its neighbours read before they do anything.
pub struct ClientRequest {
    /// The request's context.
    pub ctx: Ctx,
    /// The form, the client's credentials among it.
    pub form: Params,
    /// Who says that it asks.
    pub presented: Presented,
    /// Where it came from, for when it fails.
    pub sent: Sent,
}

impl FromRequest<App> for ClientRequest {
    type Rejection = Response;

    async fn from_request(request: Request, app: &App) -> Result<Self, Response> {
        let (mut parts, body) = request.into_parts();
        let Ok(RequestCtx(ctx)) = RequestCtx::from_request_parts(&mut parts, app).await;
        let (path, headers) = (parts.uri.path().to_owned(), parts.headers.clone());
        let sent = Sent::new(&ctx, &path, headers.get(header::AUTHORIZATION));
        let Form(form) = Form::from_request(Request::from_parts(parts, body), app).await?;
        let form = match form {
            Ok(form) => form,
            Err(error) => {
                sent.refused(app, Params::default(), &error);
                return Err(oauth_error(&error));
            }
        };
        match present(app, &ctx, &headers, &path, &form).await {
            Ok(presented) => Ok(Self { ctx, form, presented, sent }),
            Err(NotPresented::Protocol(error)) => {
                sent.refused(app, form, &error);
                Err(oauth_error(&error))
            }
            Err(NotPresented::Fault(error)) => Err(fault(&error)),
        }
    }
}

/// Why nobody can be told.
pub(crate) enum NotPresented {
    /// What came is wrong.
    Protocol(OAuthError),
    /// It can't be told now.
    Fault(Error),
}

/// Reads credentials and proof of a request to this path.
pub(crate) async fn present(
    app: &App,
    ctx: &Ctx,
    headers: &HeaderMap,
    path: &str,
    form: &Params,
) -> Result<Presented, NotPresented> {
    let read = || Ok((Credentials::read(authorization(headers), form)?, proof(app, ctx, headers, "POST", path, None)?));
    let (credentials, proof) = read().map_err(NotPresented::Protocol)?;
    let known = cimd::ensure(app, ctx, credentials.client_id()).await.map_err(NotPresented::Fault)?;
    known.map_err(NotPresented::Protocol)?;
    let checked = assertion(app, ctx, path, &credentials).await.map_err(NotPresented::Fault)?;
    match checked {
        Ok(assertion) => {
            let old = old_secret(app, ctx, &credentials).await.map_err(NotPresented::Fault)?;
            Ok(Presented::new(credentials, assertion, proof).with_old_secret(old))
        }
        Err(error) => {
            let (ctx, why, presented) = (ctx.clone(), error.clone(), Presented::new(credentials, None, proof));
            let write = move |tx: &WriteTx<'_>| client_auth::count_failure(tx, &ctx, &presented, &why, false);
            app.db().write(write).await.map_err(NotPresented::Fault)?;
            Err(NotPresented::Protocol(error))
        }
    }
}

/// Who may compare with bcrypt now. Anybody can make the server do it, and each time takes a processor for a while: no more
/// than this many at once.
static COMPARISONS: Semaphore = Semaphore::const_new(2);

/// How long a request waits for its turn.
const PATIENCE: Duration = Duration::from_secs(5);

async fn turn(of: &'static Semaphore, patience: Duration) -> Result<SemaphorePermit<'static>, Error> {
    let taken = tokio::time::timeout(patience, of.acquire()).await.ok().and_then(Result::ok);
    taken.ok_or_else(|| Error { retry_after: Some(PATIENCE.as_secs()), ..Error::new(Code::RateLimited) })
}

/// A secret of the client's under a hash that an import brought, if what was sent fits one.
async fn old_secret(app: &App, ctx: &Ctx, credentials: &Credentials) -> Result<Option<StoredSecret>, Error> {
    if !app.snapshot().old_secrets || credentials.secret().is_none() {
        return Ok(None);
    }
    let (ctx, asked, limited) = (ctx.clone(), credentials.clone(), app.limiter().is_on());
    let old = app.db().read(move |tx| client_auth::old_secrets(tx, &ctx, &asked, limited)).await?;
    if old.is_empty() {
        return Ok(None);
    }
    let (sent, turn) = (credentials.clone(), turn(&COMPARISONS, PATIENCE).await?);
    let compare = move || {
        // Held until it is done, should the request be given up before.
        let _turn = turn;
        client_auth::fits(&sent, old)
    };
    tokio::task::spawn_blocking(compare).await.map_err(Error::internal)
}

/// The addresses of one of our endpoints: that of browsers and that of servers.
fn addresses(app: &App, path: &str) -> [String; 2] {
    [&app.env().app_url.origin, &app.env().internal_url].map(|base| format!("{base}{path}"))
}

/// The proof of a key (RFC 9449 §4.3), if one came.
pub(crate) fn proof(
    app: &App,
    ctx: &Ctx,
    headers: &HeaderMap,
    method: &str,
    path: &str,
    access_token: Option<&str>,
) -> Result<Option<Proof>, OAuthError> {
    let values = headers.get_all("dpop").iter().map(|value| value.to_str().unwrap_or_default());
    let Some(header) = dpop::single_header(values)? else { return Ok(None) };
    let context = dpop::Context {
        method,
        urls: &addresses(app, path),
        access_token,
        nonces: &app.env().dpop_nonces,
        // Whoever wants the protection of nonces finds one in every answer; most clients know none.
        nonce_required: false,
        now: ctx.now.secs(),
    };
    Proof::check(header, &context).map(Some)
}

/// Checks an assertion with the keys of the one who should have signed it. `Err` inside is the answer for the client.
async fn assertion(
    app: &App,
    ctx: &Ctx,
    path: &str,
    credentials: &Credentials,
) -> Result<Result<Option<(Demand, Accepted)>, OAuthError>, Error> {
    let Credentials::Assertion { assertion, .. } = credentials else { return Ok(Ok(None)) };
    let asked = credentials.clone();
    let (demand, place) = match app.db().read(move |tx| client_auth::demand(tx, &asked)).await? {
        Ok(demanded) => demanded,
        Err(error) => return Ok(Err(error)),
    };
    let endpoints: Vec<String> =
        [addresses(app, "/api/oidc/token"), addresses(app, path)].into_iter().flatten().collect();
    let us = Us { issuer: &app.env().app_url.origin, endpoints: &endpoints };
    let unavailable = |why: &str| {
        OAuthError::new(ErrorCode::InvalidClient, format!("The keys for the client assertion can't be had: {why}."))
    };
    let check = |keys: &_| Assertion::read(assertion.expose())?.check(&demand, keys, us, ctx.now.secs());
    Ok(with_keys(app, &place, unavailable, check).await.map(|accepted| Some((demand, accepted))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_waits_too_long_for_a_turn_is_told_when_to_come_back() {
        static ONE: Semaphore = Semaphore::const_new(1);
        let first = turn(&ONE, Duration::ZERO).await.unwrap();
        let refused = turn(&ONE, Duration::ZERO).await.unwrap_err();
        assert_eq!((refused.code, refused.retry_after), (Code::RateLimited, Some(5)));
        drop(first);
        assert!(turn(&ONE, Duration::ZERO).await.is_ok());
    }
}
