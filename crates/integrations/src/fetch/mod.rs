//! The one outbound HTTP client (design.md §6; security cases 79–81).
//!
//! A request names who named its target, and how much time, body and how many redirects it may cost. The host is
//! resolved once, each address is judged, and the connection goes to an address that was judged: a name server that
//! changes its mind in between changes nothing. A redirect is a new target: judged anew, never from https to http, and
//! to another host it counts as named by an outsider. Nothing is compressed, pooled or sent through a proxy.

pub(crate) mod connect;
mod guard;

use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use rustls::ClientConfig;
use tracing::field::Empty;
use tracing::{Instrument as _, Span};
use url::{Host, Url};

pub use guard::{Guard, NamedBy};

/// What a request may cost.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// From the first look-up to the last byte.
    pub time: Duration,
    /// Bytes of body that are read; `None`: only the status matters, the body is left unread.
    pub body: Option<usize>,
    /// Redirects that are followed, with GET only. A redirect beyond is an error; with 0 it is an answer like any other.
    pub redirects: u8,
}

/// A request.
#[derive(Clone, Debug)]
pub struct Request {
    /// The method.
    pub method: Method,
    /// An absolute http or https address.
    pub url: String,
    /// Headers besides `Host`, `User-Agent` and those of the connection.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
    /// Who named the address.
    pub named_by: NamedBy,
    /// What it may cost.
    pub limits: Limits,
}

impl Request {
    /// A `POST` of a form.
    pub fn form(url: impl Into<String>, fields: &[(&str, &str)], named_by: NamedBy, limits: Limits) -> Self {
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        let content_type = HeaderValue::from_static("application/x-www-form-urlencoded");
        let headers = HeaderMap::from_iter([(header::CONTENT_TYPE, content_type)]);
        Self { method: Method::POST, url: url.into(), headers, body: body.into(), named_by, limits }
    }

    /// A `GET`.
    pub fn get(url: impl Into<String>, named_by: NamedBy, limits: Limits) -> Self {
        let headers = HeaderMap::new();
        Self { method: Method::GET, url: url.into(), headers, body: Bytes::new(), named_by, limits }
    }
}

/// An answer.
#[derive(Clone, Debug)]
pub struct Response {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body, whole; empty if it was not asked for.
    pub body: Bytes,
    /// The address that answered, after redirects.
    pub url: Url,
}

/// Why there is no answer. The texts are for administrators and never repeat what the other side sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FetchError {
    /// Not an absolute http or https address, or with a user name in it.
    #[error("the address must be an absolute http or https URL without a user name")]
    Url,
    /// Every address of the host is one that must not be called.
    #[error("this address must not be called from here")]
    Refused,
    /// The host has no address.
    #[error("the host name was not found")]
    Name,
    /// Nobody answers there.
    #[error("no connection could be made")]
    Connect,
    /// The certificate is not trusted, or there is no TLS.
    #[error("no trusted TLS connection could be made: {0}")]
    Tls(String),
    /// The server does not agree to HTTP/2.
    #[error("the server does not speak HTTP/2")]
    Version,
    /// What came back is no HTTP, or the connection broke.
    #[error("the answer could not be read")]
    Protocol,
    /// It took too long.
    #[error("there was no complete answer in time")]
    Timeout,
    /// The body is larger than allowed.
    #[error("the answer is too large")]
    TooLarge,
    /// The body is compressed although we asked for it plain.
    #[error("the answer is compressed, which was not asked for")]
    Encoded,
    /// More redirects than allowed, or one without an address.
    #[error("there were too many redirects")]
    Redirects,
    /// A redirect from https to http.
    #[error("it redirects from https to http")]
    Downgrade,
}

impl FetchError {
    /// A stable word for the kind of failure.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Url => "invalid_url",
            Self::Refused => "target_refused",
            Self::Name => "name_not_found",
            Self::Connect => "connection_failed",
            Self::Tls(_) => "tls_failed",
            Self::Version => "no_http2",
            Self::Protocol => "bad_response",
            Self::Timeout => "timeout",
            Self::TooLarge => "too_large",
            Self::Encoded => "unexpected_encoding",
            Self::Redirects => "too_many_redirects",
            Self::Downgrade => "insecure_redirect",
        }
    }
}

/// The answer of a [`Resolve`].
pub type Resolving<'a> = Pin<Box<dyn Future<Output = io::Result<Vec<SocketAddr>>> + Send + 'a>>;

/// Turns a host name into addresses.
pub trait Resolve: Send + Sync {
    /// All addresses of a name, with the port to connect to.
    fn resolve<'a>(&'a self, host: &'a str, port: u16) -> Resolving<'a>;
}

/// The system's resolver. It knows `/etc/hosts`, mDNS and the container's DNS, which names of home servers rely on, and
/// a static binary has it in its C library.
struct System;

impl Resolve for System {
    fn resolve<'a>(&'a self, host: &'a str, port: u16) -> Resolving<'a> {
        Box::pin(async move { Ok(tokio::net::lookup_host((host, port)).await?.collect()) })
    }
}

/// The client. Cheap to clone; TLS is set up when it is first needed.
#[derive(Clone)]
pub struct Fetcher {
    guard: Arc<Guard>,
    resolver: Arc<dyn Resolve>,
    tls: Arc<OnceLock<Arc<ClientConfig>>>,
}

impl Fetcher {
    /// A client with the system's resolver and roots.
    pub fn new(guard: Guard) -> Self {
        Self { guard: Arc::new(guard), resolver: Arc::new(System), tls: Arc::default() }
    }

    /// The same client with another resolver.
    #[must_use]
    pub fn with_resolver(mut self, resolver: impl Resolve + 'static) -> Self {
        self.resolver = Arc::new(resolver);
        self
    }

    /// The same client with another TLS configuration than the system's roots give.
    #[must_use]
    pub fn with_tls(mut self, config: Arc<ClientConfig>) -> Self {
        self.tls = Arc::new(OnceLock::from(config));
        self
    }

    /// Sends a request and reads the answer, within its limits.
    ///
    /// # Errors
    /// [`FetchError`]. An answer with an error status is an answer.
    pub async fn send(&self, request: Request) -> Result<Response, FetchError> {
        let (time, span) = (request.limits.time, span(&request));
        // Large, and waited for by whoever asks several at once.
        let sent = tokio::time::timeout(time, Box::pin(self.follow(request))).instrument(span.clone()).await;
        let answer = sent.unwrap_or(Err(FetchError::Timeout));
        match &answer {
            Ok(answer) => span.record("http.response.status_code", answer.status.as_u16()),
            Err(error) => span.record("otel.status_code", "ERROR").record("error.type", error.kind()),
        };
        answer
    }

    /// Sends a request over HTTP/2, known before or agreed by ALPN, as gRPC wants it. Gives what comes after the body as well;
    /// redirects are answers.
    ///
    /// # Errors
    /// [`FetchError`].
    pub async fn call(&self, request: Request) -> Result<(Response, HeaderMap), FetchError> {
        let call = async {
            let url = target(&request.url)?;
            let addresses = self.addresses(&url, request.named_by).await?;
            connect::call(self.tls(), &url, &addresses, &request).await
        };
        tokio::time::timeout(request.limits.time, Box::pin(call)).await.unwrap_or(Err(FetchError::Timeout))
    }

    async fn follow(&self, mut request: Request) -> Result<Response, FetchError> {
        let mut url = target(&request.url)?;
        let mut hops = 0;
        loop {
            let addresses = self.addresses(&url, request.named_by).await?;
            let response = connect::exchange(self.tls(), &url, &addresses, &request).await?;
            let may_follow = request.limits.redirects > 0 && request.method == Method::GET;
            if !(may_follow && response.status.is_redirection() && response.status != StatusCode::NOT_MODIFIED) {
                return Ok(response);
            }
            hops += 1;
            if hops > request.limits.redirects {
                return Err(FetchError::Redirects);
            }
            let location = response.headers.get(header::LOCATION).and_then(|l| l.to_str().ok());
            let next = url.join(location.ok_or(FetchError::Redirects)?).map_err(|_| FetchError::Url)?;
            let next = target(next.as_str())?;
            if url.scheme() == "https" && next.scheme() == "http" {
                return Err(FetchError::Downgrade);
            }
            if next.origin() != url.origin() {
                request.headers.remove(header::AUTHORIZATION);
            }
            if next.host() != url.host() {
                request.named_by = NamedBy::Outsider;
            }
            url = next;
        }
    }

    /// The addresses of a host that may be called.
    async fn addresses(&self, url: &Url, named_by: NamedBy) -> Result<Vec<SocketAddr>, FetchError> {
        let port = url.port_or_known_default().ok_or(FetchError::Url)?;
        match url.host().ok_or(FetchError::Url)? {
            Host::Ipv4(ip) => self.permitted(vec![SocketAddr::from((ip, port))], named_by),
            Host::Ipv6(ip) => self.permitted(vec![SocketAddr::from((ip, port))], named_by),
            Host::Domain(name) => self.reachable(name, port, named_by).await,
        }
    }

    /// The addresses of a name, or of an address in letters, that may be called.
    pub(crate) async fn reachable(
        &self,
        host: &str,
        port: u16,
        named_by: NamedBy,
    ) -> Result<Vec<SocketAddr>, FetchError> {
        let found = match host.parse::<IpAddr>() {
            Ok(ip) => vec![SocketAddr::from((ip, port))],
            Err(_) => self.resolver.resolve(host, port).await.map_err(|_| FetchError::Name)?,
        };
        self.permitted(found, named_by)
    }

    fn permitted(&self, found: Vec<SocketAddr>, named_by: NamedBy) -> Result<Vec<SocketAddr>, FetchError> {
        if found.is_empty() {
            return Err(FetchError::Name);
        }
        let permitted: Vec<SocketAddr> =
            found.into_iter().filter(|address| self.guard.permits(address.ip(), named_by)).collect();
        if permitted.is_empty() { Err(FetchError::Refused) } else { Ok(permitted) }
    }

    pub(crate) fn tls(&self) -> impl Fn() -> Arc<ClientConfig> + use<> {
        let tls = Arc::clone(&self.tls);
        move || Arc::clone(tls.get_or_init(connect::system_tls))
    }
}

/// The span of a request, for a collector, within that of a request of ours. The path may be somebody's secret; the host tells
/// enough.
fn span(request: &Request) -> Span {
    if Span::current().metadata().is_none_or(|metadata| metadata.name() != "exchange") {
        return Span::none();
    }
    let url = Url::parse(&request.url).ok();
    let host = url.as_ref().and_then(Url::host_str).unwrap_or_default();
    tracing::debug_span!(
        "outbound",
        otel.name = request.method.as_str(),
        otel.kind = "client",
        otel.status_code = Empty,
        http.request.method = request.method.as_str(),
        server.address = host,
        http.response.status_code = Empty,
        "error.type" = Empty,
    )
}

/// Reads an address. Odd spellings of IPv4 become the address that they mean (WHATWG URL §3.5).
fn target(text: &str) -> Result<Url, FetchError> {
    let url = Url::parse(text).map_err(|_| FetchError::Url)?;
    let plain = matches!(url.scheme(), "http" | "https") && url.username().is_empty() && url.password().is_none();
    if plain && url.has_host() { Ok(url) } else { Err(FetchError::Url) }
}

/// What every request says about itself.
fn user_agent() -> (HeaderName, HeaderValue) {
    (header::USER_AGENT, HeaderValue::from_static(concat!("pocket-id/", env!("CARGO_PKG_VERSION"))))
}
