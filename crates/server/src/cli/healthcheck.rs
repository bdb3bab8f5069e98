//! `pocket-id healthcheck` (ops.md §2).

use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream, ToSocketAddrs as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::config::Config;

const LIMIT: Duration = Duration::from_secs(5);

/// Whom to ask.
enum Target {
    /// Host and port.
    Tcp(String),
    /// The same, over TLS; whose certificate it is doesn't matter, since nothing is told.
    Tls(String),
    /// A socket of the file system.
    Unix(PathBuf),
}

impl std::fmt::Display for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Tcp(authority) => write!(f, "http://{authority}/healthz"),
            Self::Tls(authority) => write!(f, "https://{authority}/healthz"),
            Self::Unix(path) => write!(f, "{}: /healthz", path.display()),
        }
    }
}

/// Asks for `/healthz`; any 2xx is healthy. Without an endpoint, the configured place is asked.
///
/// # Errors
/// A sentence that says what went wrong.
pub fn run(config: &Config, endpoint: Option<&str>, socket: Option<&Path>, verbose: bool) -> Result<(), String> {
    let began = Instant::now();
    let own = || SocketAddr::new(reachable(config.host), config.port).to_string();
    let target = match (endpoint, socket.or(config.unix_socket.as_deref())) {
        (Some(text), _) => authority(text)?,
        (None, Some(path)) => Target::Unix(path.to_owned()),
        (None, None) if config.tls.is_some() => Target::Tls(own()),
        (None, None) => Target::Tcp(own()),
    };
    let failed = |why: &str| Err(format!("Healthcheck failed: {target} {why}."));
    match ask(&target) {
        Ok(status) if status.starts_with('2') => {
            if verbose {
                tracing::info!(%status, url = %target, ms = began.elapsed().as_millis(), "healthy");
            }
            Ok(())
        }
        Ok(status) => failed(&format!("answered {status}")),
        Err(e) => failed(&format!("does not answer: {e}")),
    }
}

/// Where a server that listens everywhere can be asked from the same machine.
fn reachable(host: IpAddr) -> IpAddr {
    match host {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::from([127, 0, 0, 1]),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::from([0, 0, 0, 0, 0, 0, 0, 1]),
        ip => ip,
    }
}

fn authority(endpoint: &str) -> Result<Target, String> {
    let uri: Option<http::Uri> = endpoint.parse().ok();
    let uri = uri.filter(|u| u.path() == "/" && u.query().is_none());
    let target = uri.as_ref().and_then(|u| {
        let host = u.host()?;
        match u.scheme_str()? {
            "http" => Some(Target::Tcp(format!("{host}:{}", u.port_u16().unwrap_or(80)))),
            "https" => Some(Target::Tls(format!("{host}:{}", u.port_u16().unwrap_or(443)))),
            _ => None,
        }
    });
    target.ok_or_else(|| "The endpoint must be an address like http://localhost:1411.".to_owned())
}

fn tcp(authority: &str) -> std::io::Result<TcpStream> {
    let address = authority.to_socket_addrs()?.next().ok_or(std::io::ErrorKind::NotFound)?;
    let stream = TcpStream::connect_timeout(&address, LIMIT)?;
    stream.set_read_timeout(Some(LIMIT))?;
    stream.set_write_timeout(Some(LIMIT))?;
    Ok(stream)
}

/// The status that the server answers.
fn ask(target: &Target) -> std::io::Result<String> {
    match target {
        Target::Tcp(authority) => status(tcp(authority)?, authority),
        Target::Tls(authority) => {
            let host = authority.rsplit_once(':').map_or(authority.as_str(), |(host, _)| host);
            let name = host.trim_matches(['[', ']']).to_owned();
            let name = rustls::pki_types::ServerName::try_from(name).map_err(std::io::Error::other)?;
            let config = pid_store::tls_without_checks().map_err(std::io::Error::other)?;
            let connection = rustls::ClientConnection::new(Arc::new(config), name).map_err(std::io::Error::other)?;
            status(rustls::StreamOwned::new(connection, tcp(authority)?), authority)
        }
        Target::Unix(path) => {
            let stream = UnixStream::connect(path)?;
            stream.set_read_timeout(Some(LIMIT))?;
            stream.set_write_timeout(Some(LIMIT))?;
            status(stream, "localhost")
        }
    }
}

fn status(mut stream: impl Read + Write, host: &str) -> std::io::Result<String> {
    write!(stream, "GET /healthz HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n")?;
    stream.flush()?;
    let mut answer = Vec::new();
    let mut buffer = [0; 1024];
    // Enough is the first line: how a connection ends is no matter of health.
    while !answer.windows(2).any(|end| end == b"\r\n") {
        match stream.read(&mut buffer)? {
            0 => break,
            n => answer.extend_from_slice(&buffer[..n]),
        }
    }
    let answer = String::from_utf8_lossy(&answer);
    let status = answer.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.split_whitespace().next());
    Ok(status.ok_or(std::io::ErrorKind::InvalidData)?.to_owned())
}
