//! One exchange over one connection, to an address that was judged.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, header};
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::body::{Body as _, Incoming};
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_rustls::client::TlsStream;
use url::{Host, Position, Url};

use super::{FetchError, Request, Response, user_agent};

/// How long one of several addresses may take to accept, so that a dead one leaves time for the next.
const CONNECT: Duration = Duration::from_secs(5);
/// The most that status line and headers may take.
const MAX_HEAD: usize = 64 * 1024;

/// The system's roots; where there are none (a bare container), Mozilla's.
pub(super) fn system_tls() -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() {
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_protocol_versions(rustls::DEFAULT_VERSIONS);
    #[allow(clippy::expect_used, reason = "the provider of this build supports the default versions; a test runs it")]
    let builder = builder.expect("TLS 1.2 and 1.3 are built in");
    Arc::new(builder.with_root_certificates(roots).with_no_client_auth())
}

/// Connects to the first address that accepts, sends the request, reads the answer.
pub(super) async fn exchange(
    tls: impl Fn() -> Arc<ClientConfig>,
    url: &Url,
    addresses: &[SocketAddr],
    request: &Request,
) -> Result<Response, FetchError> {
    let stream = connect(addresses).await?;
    if url.scheme() == "http" {
        return talk(stream, url, request).await;
    }
    talk(secure(tls(), url, stream).await?, url, request).await
}

/// The same over HTTP/2. What comes after the body is given as well.
pub(super) async fn call(
    tls: impl Fn() -> Arc<ClientConfig>,
    url: &Url,
    addresses: &[SocketAddr],
    request: &Request,
) -> Result<(Response, HeaderMap), FetchError> {
    let stream = connect(addresses).await?;
    if url.scheme() == "http" {
        return talk_h2(stream, url, request).await;
    }
    let mut config = ClientConfig::clone(&tls());
    config.alpn_protocols = vec![b"h2".to_vec()];
    let stream = secure(config.into(), url, stream).await?;
    if stream.get_ref().1.alpn_protocol() != Some(b"h2") {
        return Err(FetchError::Version);
    }
    talk_h2(stream, url, request).await
}

async fn secure(config: Arc<ClientConfig>, url: &Url, stream: TcpStream) -> Result<TlsStream<TcpStream>, FetchError> {
    let name = match url.host().ok_or(FetchError::Url)? {
        Host::Domain(name) => ServerName::try_from(name.to_owned()).map_err(|_| FetchError::Url)?,
        Host::Ipv4(ip) => ServerName::IpAddress(IpAddr::V4(ip).into()),
        Host::Ipv6(ip) => ServerName::IpAddress(IpAddr::V6(ip).into()),
    };
    let connector = tokio_rustls::TlsConnector::from(config);
    connector.connect(name, stream).await.map_err(|e| FetchError::Tls(why(&e)))
}

/// What the TLS library says; a broken connection says nothing of use.
pub(crate) fn why(error: &std::io::Error) -> String {
    let inner = error.get_ref().and_then(|e| e.downcast_ref::<rustls::Error>());
    inner.map_or_else(|| "the connection broke".to_owned(), ToString::to_string)
}

/// Connects to the first address that accepts.
pub(crate) async fn connect(addresses: &[SocketAddr]) -> Result<TcpStream, FetchError> {
    for address in addresses {
        if let Ok(Ok(stream)) = tokio::time::timeout(CONNECT, TcpStream::connect(address)).await {
            let _ = stream.set_nodelay(true);
            return Ok(stream);
        }
    }
    Err(FetchError::Connect)
}

async fn talk<S>(stream: S, url: &Url, request: &Request) -> Result<Response, FetchError>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let (mut sender, connection) = http1::Builder::new()
        .max_buf_size(MAX_HEAD)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(|_| FetchError::Protocol)?;
    // Ends with this function, whatever comes of it.
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        let _ = connection.await;
    });
    let response = sender.send_request(message(url, request)?).await.map_err(|_| FetchError::Protocol)?;
    let (head, body) = response.into_parts();
    let (body, _) = whole(&head.headers, body, request.limits.body).await?;
    Ok(Response { status: head.status, headers: head.headers, body, url: url.clone() })
}

async fn talk_h2<S>(stream: S, url: &Url, request: &Request) -> Result<(Response, HeaderMap), FetchError>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let (mut sender, connection) = http2::Builder::new(TokioExecutor::new())
        .max_header_list_size(MAX_HEAD as u32)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(|_| FetchError::Protocol)?;
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        let _ = connection.await;
    });
    let mut message = message(url, request)?;
    // The host is in the address, and a connection says nothing of itself (RFC 9113 §8.2.2, §8.3.1).
    *message.uri_mut() = url[..Position::AfterQuery].parse().map_err(|_| FetchError::Url)?;
    message.headers_mut().remove(header::HOST);
    message.headers_mut().remove(header::CONNECTION);
    let response = sender.send_request(message).await.map_err(|_| FetchError::Protocol)?;
    let (head, body) = response.into_parts();
    let (body, trailers) = whole(&head.headers, body, request.limits.body).await?;
    Ok((Response { status: head.status, headers: head.headers, body, url: url.clone() }, trailers))
}

/// A body as far as it is asked for, and what comes after it.
async fn whole(headers: &HeaderMap, body: Incoming, limit: Option<usize>) -> Result<(Bytes, HeaderMap), FetchError> {
    let Some(limit) = limit else { return Ok((Bytes::new(), HeaderMap::new())) };
    if headers.get(header::CONTENT_ENCODING).is_some_and(|e| !e.as_bytes().eq_ignore_ascii_case(b"identity")) {
        return Err(FetchError::Encoded);
    }
    read(body, limit).await
}

fn message(url: &Url, request: &Request) -> Result<http::Request<Full<Bytes>>, FetchError> {
    let mut message = http::Request::builder()
        .method(request.method.clone())
        .uri(&url[Position::BeforePath..Position::AfterQuery])
        .body(Full::new(request.body.clone()))
        .map_err(|_| FetchError::Url)?;
    let headers = message.headers_mut();
    headers.clone_from(&request.headers);
    let host = &url[Position::BeforeHost..Position::AfterPort];
    headers.insert(header::HOST, HeaderValue::from_str(host).map_err(|_| FetchError::Url)?);
    let (name, value) = user_agent();
    headers.insert(name, value);
    headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    Ok(message)
}

async fn read(body: Incoming, limit: usize) -> Result<(Bytes, HeaderMap), FetchError> {
    if body.size_hint().lower() > u64::try_from(limit).unwrap_or(u64::MAX) {
        return Err(FetchError::TooLarge);
    }
    match Limited::new(body, limit).collect().await {
        Ok(body) => {
            let trailers = body.trailers().cloned().unwrap_or_default();
            Ok((body.to_bytes(), trailers))
        }
        Err(error) if error.is::<LengthLimitError>() => Err(FetchError::TooLarge),
        Err(_) => Err(FetchError::Protocol),
    }
}
