//! Fetching the metadata documents of clients (oidc.md §22.2, §22.3).

use std::sync::PoisonError;
use std::time::Duration;

use http::{HeaderMap, HeaderValue, header};
use pid_core::Ctx;
use pid_flows::{Error, cimd};
use pid_integrations::fetch::{Limits, NamedBy, Request};
use pid_oidc::OAuthError;
use pid_oidc::cimd::{CacheHeaders, CimdError, ClientDocument, ClientIdUrl, MAX_DOCUMENT, check_answer};

use crate::state::App;

/// A document may cost this much.
const LIMITS: Limits = Limits { time: Duration::from_secs(15), body: Some(MAX_DOCUMENT), redirects: 0 };
/// Documents that are fetched at once.
const AT_ONCE: usize = 10;

/// Who is being fetched: whoever wants the same document waits for it, and others wait their turn.
#[derive(Debug)]
pub struct Fetches {
    turns: tokio::sync::Semaphore,
    running: std::sync::Mutex<std::collections::HashMap<String, std::sync::Weak<tokio::sync::Mutex<()>>>>,
}

impl Default for Fetches {
    fn default() -> Self {
        Self { turns: tokio::sync::Semaphore::new(AT_ONCE), running: std::sync::Mutex::default() }
    }
}

impl Fetches {
    fn of(&self, url: &ClientIdUrl) -> std::sync::Arc<tokio::sync::Mutex<()>> {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        running.retain(|_, fetch| fetch.strong_count() > 0);
        let found = running.get(url.as_str()).and_then(std::sync::Weak::upgrade);
        found.unwrap_or_else(|| {
            let new = std::sync::Arc::default();
            running.insert(url.as_str().to_owned(), std::sync::Arc::downgrade(&new));
            new
        })
    }
}

/// Makes sure that a client which is known by its document is known, and as it is now. The inner error is the client's.
pub(crate) async fn ensure(app: &App, ctx: &Ctx, client_id: &str) -> Result<Result<(), OAuthError>, Error> {
    // Nothing is read for the many whose id is no address.
    if !ClientIdUrl::is_meant(client_id) {
        return Ok(Ok(()));
    }
    let url = match wanted(app, ctx, client_id).await? {
        Ok(Some(url)) => url,
        Ok(None) => return Ok(Ok(())),
        Err(error) => return Ok(Err(cimd::refused(&error))),
    };
    let fetch = app.fetches().of(&url);
    let _first = fetch.lock().await;
    match wanted(app, ctx, client_id).await? {
        Ok(Some(url)) => Ok(refresh(app, ctx, &url).await?.map_err(|error| cimd::refused(&error))),
        // Somebody else has fetched it in the meantime.
        Ok(None) => Ok(Ok(())),
        Err(error) => Ok(Err(cimd::refused(&error))),
    }
}

async fn wanted(app: &App, ctx: &Ctx, client_id: &str) -> Result<Result<Option<ClientIdUrl>, CimdError>, Error> {
    let (site, now, client_id) = (app.snapshot(), ctx.now, client_id.to_owned());
    app.db().read(move |tx| cimd::wanted(tx, &site, &client_id, now)).await
}

/// Fetches a document and takes it over. Nothing is kept of one that makes no client.
pub(crate) async fn refresh(app: &App, ctx: &Ctx, url: &ClientIdUrl) -> Result<Result<(), CimdError>, Error> {
    let (document, cache_secs) = match fetch(app, ctx, url).await {
        Ok(fetched) => fetched,
        Err(error) => return Ok(Err(error)),
    };
    let (ctx, url) = (ctx.clone(), url.clone());
    app.db().write(move |tx| cimd::take_over(tx, &ctx, &url, &document, cache_secs)).await.map(Ok)
}

async fn fetch(app: &App, ctx: &Ctx, url: &ClientIdUrl) -> Result<(ClientDocument, i64), CimdError> {
    let _turn = app.fetches().turns.acquire().await;
    let mut request = Request::get(url.as_str(), NamedBy::Outsider, LIMITS);
    request.headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
    let answer = app.fetcher().send(request).await.map_err(|error| CimdError::Fetch(error.to_string()))?;
    let text = |name| joined(&answer.headers, name);
    let date = |name| {
        let moment = httpdate::parse_http_date(&joined(&answer.headers, name)).ok()?;
        i64::try_from(moment.duration_since(std::time::UNIX_EPOCH).ok()?.as_secs()).ok()
    };
    let cache_control = text(header::CACHE_CONTROL);
    let cache = CacheHeaders {
        cache_control: &cache_control,
        age: text(header::AGE).trim().parse().ok(),
        date: date(header::DATE),
        expires: date(header::EXPIRES),
    };
    let cache_secs = check_answer(answer.status.as_u16(), &text(header::CONTENT_TYPE), cache, ctx.now.secs())?;
    Ok((ClientDocument::parse(url, &answer.body)?, cache_secs))
}

/// All fields of a name as one (RFC 9110 §5.2).
fn joined(headers: &HeaderMap, name: header::HeaderName) -> String {
    let all: Vec<&str> = headers.get_all(name).iter().filter_map(|value| value.to_str().ok()).collect();
    all.join(", ")
}
