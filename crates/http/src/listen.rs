//! Accepting connections, with bounds on what a slow or hostile peer can hold (security case 94).

use std::convert::Infallible;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use axum::Router;
use axum::extract::{ConnectInfo, Request};
use http::{StatusCode, header};
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use hyper_util::service::TowerToHyperService;
use ipnet::IpNet;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt as _;

use crate::proxy_protocol;
use crate::tls::Tls;

/// How long a peer may take to send a request's head, and for the handshake of TLS.
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);
/// How long open requests may finish after the stop signal.
const DRAIN: Duration = Duration::from_secs(5);
/// The most connections at once.
const MAX_CONNECTIONS: usize = 10_000;
/// Whoever comes by a socket of the file system is on this machine.
const HERE: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// Where connections come in.
#[derive(Debug)]
pub enum Listener {
    /// By TCP.
    Tcp(TcpListener),
    /// By a socket of the file system.
    Unix(UnixListener),
}

/// A connection, of whatever kind.
trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}
type AnyStream = Box<dyn Stream>;

impl Listener {
    async fn accept(&self) -> io::Result<(AnyStream, SocketAddr)> {
        match self {
            Self::Tcp(listener) => {
                let (stream, peer) = listener.accept().await?;
                let _ = stream.set_nodelay(true);
                Ok((Box::new(stream), peer))
            }
            Self::Unix(listener) => {
                let (stream, _) = listener.accept().await?;
                Ok((Box::new(stream), HERE))
            }
        }
    }
}

/// What happens before HTTP.
#[derive(Clone, Default)]
pub struct Manner {
    /// TLS, if we speak it ourselves.
    pub tls: Option<Tls>,
    /// `PROXY_PROTOCOL`: peers that say by it who really connects; `None`: nobody does.
    pub proxies: Option<Vec<IpNet>>,
    /// A socket of the file system that goes with us.
    pub socket: Option<PathBuf>,
}

/// Serves HTTP/1.1 and HTTP/2 until `stop` resolves, then lets open requests finish for at most five seconds.
pub async fn serve(listener: Listener, manner: Manner, router: Router, stop: impl Future<Output = ()>) {
    let graceful = GracefulShutdown::new();
    let slots = std::sync::Arc::new(tokio::sync::Semaphore::new(MAX_CONNECTIONS));
    let mut stop = std::pin::pin!(stop);
    loop {
        let (stream, peer) = tokio::select! {
            () = &mut stop => break,
            accepted = listener.accept() => match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    // Out of file descriptors, usually: wait for some to close instead of spinning.
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    continue;
                }
            },
        };
        let Ok(slot) = std::sync::Arc::clone(&slots).acquire_owned().await else { break };
        let (router, manner, watcher) = (router.clone(), manner.clone(), graceful.watcher());
        tokio::spawn(async move {
            // What fails before HTTP is the peer's business.
            if let Ok((stream, peer)) = prepare(stream, peer, &manner).await {
                converse(stream, peer, router, watcher).await;
            }
            drop(slot);
        });
    }
    drop(listener);
    if let Some(socket) = &manner.socket {
        let _ = std::fs::remove_file(socket);
    }
    tokio::select! {
        () = graceful.shutdown() => {}
        () = tokio::time::sleep(DRAIN) => tracing::warn!("some requests were cut off at shutdown"),
    }
}

/// What comes before HTTP: who connects, and TLS.
async fn prepare(mut stream: AnyStream, mut peer: SocketAddr, manner: &Manner) -> io::Result<(AnyStream, SocketAddr)> {
    if let Some(listed) = &manner.proxies {
        match proxy_protocol::demands(listed, peer.ip()) {
            Some(true) => {
                let said = tokio::time::timeout(proxy_protocol::TIMEOUT, proxy_protocol::read(&mut stream)).await??;
                peer = said.unwrap_or(peer);
            }
            Some(false) => {}
            None => return Err(io::ErrorKind::PermissionDenied.into()),
        }
    }
    if let Some(tls) = &manner.tls {
        let shaken = TlsAcceptor::from(tls.config()).accept(stream);
        stream = Box::new(tokio::time::timeout(HEADER_TIMEOUT, shaken).await??);
    }
    Ok((stream, peer))
}

async fn converse(stream: AnyStream, peer: SocketAddr, router: Router, watcher: Watcher) {
    let service = tower::service_fn(move |request: hyper::Request<Incoming>| {
        let mut request: Request = request.map(axum::body::Body::new);
        request.extensions_mut().insert(ConnectInfo::<SocketAddr>(peer));
        let answer = router.clone().oneshot(request);
        async move {
            let mut response = answer.await?;
            // A wrong method is answered as an unknown route (api.md §1); the router still names the right ones,
            // outside of every layer.
            if response.status() == StatusCode::NOT_FOUND {
                response.headers_mut().remove(header::ALLOW);
            }
            Ok::<_, Infallible>(response)
        }
    });
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HEADER_TIMEOUT).max_buf_size(64 * 1024);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(100)
        .max_header_list_size(64 * 1024)
        .keep_alive_interval(Duration::from_secs(30))
        .keep_alive_timeout(Duration::from_secs(10));
    let connection = builder.serve_connection(TokioIo::new(stream), TowerToHyperService::new(service)).into_owned();
    // A broken connection is the peer's business.
    let _ = watcher.watch(connection).await;
}
