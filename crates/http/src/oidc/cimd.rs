//! Fetching the metadata documents of clients (oidc.md §22.2, §22.3).

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use http::{HeaderMap, HeaderValue, header};
use pid_core::{Ctx, Timestamp};
use pid_flows::access::Credentials;
use pid_flows::{Error, cimd};
use pid_integrations::fetch::{Limits, NamedBy, Request};
use pid_oidc::OAuthError;
use pid_oidc::cimd::{CacheHeaders, CimdError, ClientDocument, ClientIdUrl, MAX_DOCUMENT, check_answer};

use pid_store::WriteTx;

use crate::state::App;

/// A document may cost this much.
const LIMITS: Limits = Limits { time: Duration::from_secs(15), body: Some(MAX_DOCUMENT), redirects: 0 };
/// Documents that are fetched at once: strangers choose the addresses.
const AT_ONCE: usize = 30;
/// Of these from one host, so that a slow one doesn't keep the others waiting.
const AT_ONCE_FROM_HOST: usize = 3;
/// What could not be had is not asked for again for so long, seconds.
const RETRY_SECS: i64 = 10;
/// Failures that are remembered.
const MAX_FAILURES: usize = 1024;

/// The documents that are being fetched: whoever wants the same one waits for it.
#[derive(Debug, Default)]
pub struct Fetches {
    running: Mutex<HashMap<ClientIdUrl, Weak<tokio::sync::Mutex<()>>>>,
    failed: Mutex<HashMap<ClientIdUrl, (CimdError, Timestamp)>>,
}

impl Fetches {
    fn of(&self, url: &ClientIdUrl) -> Result<Arc<tokio::sync::Mutex<()>>, CimdError> {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(fetch) = running.get(url).and_then(Weak::upgrade) {
            return Ok(fetch);
        }
        running.retain(|_, fetch| fetch.strong_count() > 0);
        let of_host = running.keys().filter(|other| other.host() == url.host()).count();
        if running.len() >= AT_ONCE || of_host >= AT_ONCE_FROM_HOST {
            return Err(CimdError::Fetch("others are being fetched, try again in a moment".to_owned()));
        }
        let new = Arc::default();
        running.insert(url.clone(), Arc::downgrade(&new));
        Ok(new)
    }

    fn failure(&self, url: &ClientIdUrl, now: Timestamp) -> Option<CimdError> {
        let failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        failed.get(url).filter(|(_, at)| at.plus_secs(RETRY_SECS) > now).map(|(error, _)| error.clone())
    }

    fn remember(&self, url: &ClientIdUrl, error: &CimdError, now: Timestamp) {
        let mut failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        if failed.len() >= MAX_FAILURES {
            failed.clear();
        }
        failed.insert(url.clone(), (error.clone(), now));
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
    let fetches = app.fetches();
    let fetch = match fetches.of(&url) {
        Ok(fetch) => fetch,
        Err(error) => return Ok(Err(cimd::refused(&error))),
    };
    let _first = fetch.lock().await;
    if let Some(error) = fetches.failure(&url, ctx.now) {
        return Ok(Err(cimd::refused(&error)));
    }
    match wanted(app, ctx, client_id).await? {
        Ok(Some(url)) => Ok(refresh(app, ctx, &url, None).await?.map_err(|error| {
            fetches.remember(&url, &error, ctx.now);
            cimd::refused(&error)
        })),
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
/// `by` is the administrator who asks for it, if one does.
pub(crate) async fn refresh(
    app: &App,
    ctx: &Ctx,
    url: &ClientIdUrl,
    by: Option<Credentials>,
) -> Result<Result<(), CimdError>, Error> {
    let (document, cache_secs) = match fetch(app, ctx, url).await {
        Ok(fetched) => fetched,
        Err(error) => return Ok(Err(error)),
    };
    let (ctx, url) = (ctx.clone(), url.clone());
    let take_over = move |tx: &WriteTx<'_>| {
        let admin = by.as_ref().map(|creds| creds.admin(tx, ctx.now)).transpose()?;
        cimd::take_over(tx, &ctx, admin.as_ref(), &url, &document, cache_secs)
    };
    app.db().write(take_over).await.map(Ok)
}

async fn fetch(app: &App, ctx: &Ctx, url: &ClientIdUrl) -> Result<(ClientDocument, i64), CimdError> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slow_host_keeps_no_other_waiting() {
        let fetches = Fetches::default();
        let url = |host: &str, n: usize| ClientIdUrl::parse(&format!("https://{host}/{n}")).unwrap();
        let slow: Vec<_> = (0..AT_ONCE_FROM_HOST).map(|n| fetches.of(&url("slow.test", n)).unwrap()).collect();
        assert!(fetches.of(&url("slow.test", 0)).is_ok(), "who wants the same waits for it");
        assert!(fetches.of(&url("slow.test", 9)).is_err());
        assert!(fetches.of(&url("quick.test", 9)).is_ok());
        drop(slow);
        assert!(fetches.of(&url("slow.test", 9)).is_ok());
        let many: Vec<_> = (0..AT_ONCE).map(|n| fetches.of(&url(&format!("h{n}.test"), 0)).unwrap()).collect();
        assert!(fetches.of(&url("quick.test", 9)).is_err());
        drop(many);
    }
}
