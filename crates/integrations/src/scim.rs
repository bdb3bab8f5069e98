//! A SCIM 2.0 client (RFC 7644) over the one outbound client. A target is a stranger: its pages, their number, their size
//! and the time that it takes are bounded, and of what it says in a refusal only known words are repeated (security
//! cases 79–83).

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use pid_core::Timestamp;
use pid_core::scim::plan::{Interest, Listing, NOT_RECOGNISED};
use pid_core::scim::{Kind, ListResponse, Remote, Shape, scim_type};
use pid_core::secret::Secret;
use serde_json::{Map, Value};
use tokio::time::Instant;
use url::Url;

use crate::fetch::{FetchError, Fetcher, Limits, NamedBy, Request, Response};

const SCIM: &str = "application/scim+json";
/// What one request may take.
const TIME: Duration = Duration::from_secs(20);
/// What all pages of a list may take.
const LIST_TIME: Duration = Duration::from_secs(600);
/// The largest page of a list, the largest person, and the largest group, bytes.
const PAGE: usize = 8 * 1024 * 1024;
const PERSON: usize = 1024 * 1024;
const GROUP: usize = 16 * 1024 * 1024;
/// How many resources a page is asked for; fewer after one that was too large.
const COUNT: usize = 1000;
/// The most pages and resources of a list.
const MAX_PAGES: usize = 5000;
const MAX_RESOURCES: usize = 250_000;
/// How often a request is sent whose sender was told to wait.
const ATTEMPTS: u32 = 3;
/// The longest wait within a run. Whoever asks for more is asked again by a later run.
const MAX_WAIT: Duration = Duration::from_secs(30);
/// The longest address of a target, bytes.
pub const MAX_ENDPOINT: usize = 2048;

/// Why something could not be done at a target. The texts are for administrators and never repeat what the target said.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// There was no answer.
    #[error("{0}")]
    Fetch(#[from] FetchError),
    /// An answer that says no.
    #[error("it answered {status}{}", scim_type.map(|t| format!(" ({t})")).unwrap_or_default())]
    Status {
        /// The HTTP status.
        status: u16,
        /// The kind that it names (RFC 7644 §3.12).
        scim_type: Option<&'static str>,
    },
    /// It wants to be left alone for longer than a run may wait.
    #[error("it asks to come again later")]
    Throttled {
        /// For how long.
        wait: Duration,
        /// The HTTP status.
        status: u16,
    },
    /// What came is not SCIM.
    #[error("the answer is not SCIM")]
    Junk,
    /// The list never ends, or is longer than any that we read.
    #[error("the list of resources is too long or does not end")]
    Endless,
    /// The list ended before it had as many resources as it says.
    #[error("the list of resources ended before it was complete")]
    Incomplete,
    /// What stands under the id of something that we wrote is called otherwise, and nothing says whether it still is that.
    #[error("what was written before can't be recognised")]
    NotRecognised,
    /// It is not the target that failed, but we.
    #[error("something went wrong here")]
    Ours,
}

impl Failure {
    /// A stable word for the kind of failure.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Fetch(error) => error.kind(),
            Self::Status { status: 401, .. } => "unauthorized",
            Self::Status { status: 409, .. } | Self::Status { scim_type: Some("uniqueness"), .. } => "name_taken",
            Self::Status { status: 412, .. } => "changed_meanwhile",
            Self::Status { .. } => "http_status",
            Self::Throttled { .. } => "throttled",
            Self::Junk => "not_scim",
            Self::Endless => "endless_list",
            Self::Incomplete => "incomplete_list",
            Self::NotRecognised => NOT_RECOGNISED,
            Self::Ours => "internal",
        }
    }

    /// The HTTP status, if there was one.
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Status { status, .. } | Self::Throttled { status, .. } => Some(*status),
            _ => None,
        }
    }

    /// Whether it says something of the target and not of the one resource: others will fail as well.
    pub fn is_of_target(&self) -> bool {
        match self {
            Self::Fetch(_) | Self::Throttled { .. } | Self::Endless | Self::Incomplete => true,
            // What it can't do at all is no sign of being down (RFC 9110 §15.6).
            Self::Status { status, .. } => *status == 401 || *status >= 500 && !matches!(*status, 501 | 505),
            Self::Junk | Self::NotRecognised | Self::Ours => false,
        }
    }

    /// Whether nothing else need be tried now.
    pub fn ends_run(&self) -> bool {
        matches!(self, Self::Throttled { .. } | Self::Status { status: 401, .. } | Self::Fetch(FetchError::Refused))
    }
}

/// What became of something that was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Written {
    /// It was, and the target says what it is now, if it says so.
    Done(Option<Remote>),
    /// It is not there.
    Gone,
    /// Somebody changed it since its version was read.
    Stale,
}

/// Checks the address of a target: absolute, http or https, without a user name or a fragment. The error is a predicate
/// that follows the field's name.
///
/// # Errors
/// A sentence.
pub fn check_endpoint(text: &str) -> Result<Url, &'static str> {
    const WRONG: &str = "must be a URL like https://app.example.com/scim/v2";
    if text.len() > MAX_ENDPOINT {
        return Err("must have at most 2048 bytes");
    }
    let url = Url::parse(text).map_err(|_| WRONG)?;
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        return Err(WRONG);
    }
    if !url.username().is_empty() || url.password().is_some() || url.fragment().is_some() {
        return Err("must have neither a user name nor a fragment");
    }
    Ok(url)
}

/// A target. Cheap to clone: all clones keep to what one of them was told about waiting.
#[derive(Clone)]
pub struct Target {
    fetcher: Fetcher,
    base: Url,
    headers: HeaderMap,
    /// Until when nothing is sent.
    quiet: Arc<Mutex<Option<Instant>>>,
}

impl Target {
    /// A target at an address, with a bearer token unless it is empty (RFC 6750 §2.1).
    ///
    /// # Errors
    /// The address or the token can't be used.
    pub fn new(fetcher: Fetcher, endpoint: &str, token: Option<&Secret>) -> Result<Self, Failure> {
        let base = check_endpoint(endpoint).map_err(|_| FetchError::Url)?;
        let mut headers = HeaderMap::from_iter([(header::ACCEPT, HeaderValue::from_static(SCIM))]);
        if let Some(token) = token {
            let value = HeaderValue::try_from(format!("Bearer {}", token.expose())).map_err(|_| FetchError::Url)?;
            headers.insert(header::AUTHORIZATION, value);
        }
        Ok(Self { fetcher, base, headers, quiet: Arc::default() })
    }

    /// Reads the list of a kind, as far as it is of interest. What it lacks need not be gone.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn list(&self, kind: Kind, of_interest: &Interest<'_>) -> Result<Listing, Failure> {
        let pages = self.pages(kind, of_interest);
        tokio::time::timeout(LIST_TIME, pages).await.unwrap_or(Err(Failure::Fetch(FetchError::Timeout)))
    }

    async fn pages(&self, kind: Kind, of_interest: &Interest<'_>) -> Result<Listing, Failure> {
        let (mut listing, mut seen) = (Listing::default(), std::collections::HashSet::new());
        let (mut start, mut count) = (1_usize, COUNT);
        for _ in 0..MAX_PAGES {
            let limit = if count == 1 { PAGE.max(largest(kind)) } else { PAGE };
            let answer = match self.page(kind, start, count, limit).await {
                // Large resources, a few at a time.
                Err(Failure::Fetch(FetchError::TooLarge)) if count > 1 => {
                    count /= 10;
                    continue;
                }
                answer => answer?,
            };
            if answer.status != StatusCode::OK {
                return Err(refusal(&answer));
            }
            let page: ListResponse = serde_json::from_slice(&answer.body).map_err(|_| Failure::Junk)?;
            if !page.is_one() {
                return Err(Failure::Junk);
            }
            if page.is_crowded {
                return Err(Failure::Endless);
            }
            let known = seen.len();
            for remote in page.resources.into_iter().filter_map(|shape| shape.read(kind)) {
                if seen.insert(pid_core::secret::sha256(remote.id.as_bytes())) {
                    listing.add(remote, of_interest);
                }
            }
            start += page.count;
            let has_all = |total: u64| u64::try_from(start).is_ok_and(|next| next > total);
            match page.total.map(has_all) {
                Some(true) => return Ok(listing),
                None if page.count == 0 => return Ok(listing),
                Some(false) if page.count == 0 => return Err(Failure::Incomplete),
                _ => {}
            }
            // A page that brings nothing new is the one before again.
            if seen.len() == known || seen.len() > MAX_RESOURCES {
                return Err(Failure::Endless);
            }
        }
        Err(Failure::Endless)
    }

    async fn page(&self, kind: Kind, start: usize, count: usize, limit: usize) -> Result<Response, Failure> {
        let mut url = self.address(kind, None);
        url.query_pairs_mut().append_pair("startIndex", &start.to_string()).append_pair("count", &count.to_string());
        self.send(Method::GET, &url, Bytes::new(), None, limit).await
    }

    /// Whether it answers at all: then failures were those of single resources.
    pub async fn is_well(&self) -> bool {
        self.page(Kind::User, 1, 1, PAGE).await.is_ok_and(|answer| answer.status == StatusCode::OK)
    }

    /// Creates a resource (RFC 7644 §3.3).
    ///
    /// # Errors
    /// [`Failure`]. Without an answer it may have been created nevertheless.
    pub async fn create(&self, kind: Kind, body: Vec<u8>) -> Result<Remote, Failure> {
        let answer = self.send(Method::POST, &self.address(kind, None), body.into(), None, largest(kind)).await?;
        match answer.status.as_u16() {
            200 | 201 => read(kind, &answer).ok_or(Failure::Junk),
            _ => Err(refusal(&answer)),
        }
    }

    /// Reads a resource (RFC 7644 §3.4.1); `None` if it is not there.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn get(&self, kind: Kind, id: &str) -> Result<Option<Remote>, Failure> {
        Ok(self.one(kind, id).await?.map(|(remote, _)| remote))
    }

    /// Reads a person also as they came, to change one attribute.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn get_whole(&self, id: &str) -> Result<Option<(Remote, Map<String, Value>)>, Failure> {
        let Some((remote, body)) = self.one(Kind::User, id).await? else { return Ok(None) };
        Ok(Some((remote, serde_json::from_slice(&body).map_err(|_| Failure::Junk)?)))
    }

    async fn one(&self, kind: Kind, id: &str) -> Result<Option<(Remote, Bytes)>, Failure> {
        let answer = self.send(Method::GET, &self.address(kind, Some(id)), Bytes::new(), None, largest(kind)).await?;
        match answer.status.as_u16() {
            200 => {
                let remote = read(kind, &answer).filter(|remote| remote.id == id).ok_or(Failure::Junk)?;
                Ok(Some((remote, answer.body)))
            }
            404 | 410 => Ok(None),
            _ => Err(refusal(&answer)),
        }
    }

    /// Replaces a resource (RFC 7644 §3.5.1), if it is still of this version.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn replace(&self, kind: Kind, id: &str, body: Vec<u8>, etag: Option<&str>) -> Result<Written, Failure> {
        let answer = self.send(Method::PUT, &self.address(kind, Some(id)), body.into(), etag, largest(kind)).await?;
        match answer.status.as_u16() {
            200 | 201 => Ok(Written::Done(read(kind, &answer).filter(|remote| remote.id == id))),
            204 => Ok(Written::Done(None)),
            404 | 410 => Ok(Written::Gone),
            412 => Ok(Written::Stale),
            _ => Err(refusal(&answer)),
        }
    }

    /// Deletes a resource (RFC 7644 §3.6), if it is still of this version.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn delete(&self, kind: Kind, id: &str, etag: Option<&str>) -> Result<Written, Failure> {
        let answer =
            self.send(Method::DELETE, &self.address(kind, Some(id)), Bytes::new(), etag, largest(kind)).await?;
        match answer.status.as_u16() {
            200 | 202 | 204 => Ok(Written::Done(None)),
            404 | 410 => Ok(Written::Gone),
            412 => Ok(Written::Stale),
            _ => Err(refusal(&answer)),
        }
    }

    /// The address of a list, or of one of its resources. What the target's own address asks for stays.
    fn address(&self, kind: Kind, id: Option<&str>) -> Url {
        let mut url = self.base.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().push(kind.path()).extend(id);
        }
        url
    }

    /// Sends a request; again if the target was busy and says so. What creates is not sent again after a 503, which may
    /// be said by something in front of the target after it has done it.
    async fn send(
        &self,
        method: Method,
        url: &Url,
        body: Bytes,
        etag: Option<&str>,
        limit: usize,
    ) -> Result<Response, Failure> {
        let mut headers = self.headers.clone();
        if !body.is_empty() {
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(SCIM));
        }
        if let Some(etag) = etag.and_then(|etag| HeaderValue::from_str(etag).ok()) {
            headers.insert(header::IF_MATCH, etag);
        }
        let limits = Limits { time: TIME, body: Some(limit), redirects: 0 };
        let request = Request { method, url: url.as_str().to_owned(), headers, body, named_by: NamedBy::Admin, limits };
        let mut attempt = 0;
        loop {
            self.wait().await;
            let answer = self.fetcher.send(request.clone()).await?;
            attempt += 1;
            if !matches!(answer.status.as_u16(), 429 | 503) {
                return Ok(answer);
            }
            let asked = retry_after(&answer.headers);
            let wait = asked.unwrap_or_else(|| Duration::from_millis(500) * 2_u32.pow(attempt)).min(MAX_LATER);
            if asked.is_some_and(|asked| asked > MAX_WAIT) {
                return Err(Failure::Throttled { wait, status: answer.status.as_u16() });
            }
            if answer.status == StatusCode::SERVICE_UNAVAILABLE && request.method == Method::POST {
                self.be_quiet(wait);
                return Err(refusal(&answer));
            }
            if attempt == ATTEMPTS {
                let status = answer.status.as_u16();
                return Err(if status == 429 {
                    Failure::Throttled { wait: MAX_WAIT, status }
                } else {
                    refusal(&answer)
                });
            }
            self.be_quiet(wait);
        }
    }

    fn be_quiet(&self, wait: Duration) {
        let until = Instant::now() + wait;
        let mut quiet = self.quiet.lock().unwrap_or_else(PoisonError::into_inner);
        *quiet = Some(quiet.map_or(until, |other| other.max(until)));
    }

    async fn wait(&self) {
        loop {
            let quiet = *self.quiet.lock().unwrap_or_else(PoisonError::into_inner);
            match quiet.filter(|until| *until > Instant::now()) {
                Some(until) => tokio::time::sleep_until(until).await,
                None => return,
            }
        }
    }
}

fn largest(kind: Kind) -> usize {
    match kind {
        Kind::User => PERSON,
        Kind::Group => GROUP,
    }
}

/// The longest pause that a target can ask for.
const MAX_LATER: Duration = Duration::from_secs(3600);

/// What a target asks to wait (RFC 9110 §10.2.3): seconds, or a date, measured by its own clock if it shows it.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
    let value = text(header::RETRY_AFTER)?;
    if let Ok(secs) = value.parse() {
        return Some(Duration::from_secs(secs));
    }
    let until = httpdate::parse_http_date(value).ok()?;
    let now: SystemTime = text(header::DATE).and_then(|date| httpdate::parse_http_date(date).ok())?;
    Some(until.duration_since(now).unwrap_or_default())
}

fn refusal(answer: &Response) -> Failure {
    Failure::Status { status: answer.status.as_u16(), scim_type: scim_type(&answer.body) }
}

/// The resource of an answer; its version may stand in the header alone (RFC 7644 §3.14).
fn read(kind: Kind, answer: &Response) -> Option<Remote> {
    let mut remote = serde_json::from_slice::<Shape>(&answer.body).ok()?.read(kind)?;
    if remote.etag.is_none()
        && let Some(etag) = answer.headers.get(header::ETAG).and_then(|etag| etag.to_str().ok())
    {
        remote.etag = Some(etag.to_owned());
    }
    Some(remote)
}

/// When a target that asked to wait may be asked again.
pub fn again_at(now: Timestamp, wait: Duration) -> Timestamp {
    now.plus_secs(i64::try_from(wait.as_secs()).unwrap_or(3600).clamp(1, 3600))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_is_seconds_or_a_date() {
        let headers = |pairs: &[(HeaderName, &str)]| -> HeaderMap {
            pairs.iter().map(|(name, value)| (name.clone(), HeaderValue::from_str(value).unwrap())).collect()
        };
        let after = |value: &str| retry_after(&headers(&[(header::RETRY_AFTER, value)]));
        assert_eq!(after("7"), Some(Duration::from_secs(7)));
        for none in ["", "soon", "-1", "1.5", "Sun, 06 Nov 1994 08:49:37 GMT"] {
            assert_eq!(after(none), None, "{none}");
        }
        let dated = |until: &str| {
            let pairs = [(header::DATE, "Sun, 06 Nov 1994 08:49:37 GMT"), (header::RETRY_AFTER, until)];
            retry_after(&headers(&pairs))
        };
        assert_eq!(dated("Sun, 06 Nov 1994 08:50:07 GMT"), Some(Duration::from_secs(30)));
        assert_eq!(dated("Sun, 06 Nov 1994 08:49:07 GMT"), Some(Duration::ZERO));
    }

    #[test]
    fn addresses_keep_what_they_ask_for_and_ids_stay_in_their_place() {
        let fetcher = Fetcher::new(crate::fetch::Guard::default());
        let target = Target::new(fetcher, "https://app.example/scim/?tenant=1", None).unwrap();
        let at = |id| target.address(Kind::User, id).to_string();
        assert_eq!(at(None), "https://app.example/scim/Users?tenant=1");
        assert_eq!(at(Some("../../admin?x#y")), "https://app.example/scim/Users/..%2F..%2Fadmin%3Fx%23y?tenant=1");
        assert_eq!(at(Some("%2e%2e")), "https://app.example/scim/Users/%252e%252e?tenant=1");
    }

    #[test]
    fn endpoints_are_addresses_without_secrets() {
        for good in ["https://app.example/scim/v2", "http://10.0.0.5:8080", "https://app.example/scim?aad=1"] {
            assert!(check_endpoint(good).is_ok(), "{good}");
        }
        let long = format!("https://app.example/{}", "x".repeat(2048));
        for bad in ["", "app.example", "ftp://app.example", "https://a:b@app.example", "https://app.example/#x", &long]
        {
            assert!(check_endpoint(bad).is_err(), "{bad}");
        }
    }
}
