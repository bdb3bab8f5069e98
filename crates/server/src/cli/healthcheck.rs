//! `pocket-id healthcheck` (ops.md §2).

use std::io::{Read as _, Write as _};
use std::net::{IpAddr, SocketAddr, TcpStream, ToSocketAddrs as _};
use std::time::{Duration, Instant};

use crate::config::Config;

const LIMIT: Duration = Duration::from_secs(5);

/// Asks for `/healthz` over plain http; any 2xx is healthy. Without an endpoint, the configured address is asked.
///
/// # Errors
/// A sentence that says what went wrong.
pub fn run(config: &Config, endpoint: Option<&str>, verbose: bool) -> Result<(), String> {
    let began = Instant::now();
    let target = match endpoint {
        None => SocketAddr::new(reachable(config.host), config.port).to_string(),
        Some(text) => authority(text)?,
    };
    let url = format!("http://{target}/healthz");
    let failed = |why: &str| Err(format!("Healthcheck failed: {url} {why}."));
    match ask(&target) {
        Ok(status) if status.starts_with('2') => {
            if verbose {
                tracing::info!(%status, %url, ms = began.elapsed().as_millis(), "healthy");
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

fn authority(endpoint: &str) -> Result<String, String> {
    let uri: Option<http::Uri> = endpoint.parse().ok();
    let uri = uri.filter(|u| u.scheme() == Some(&http::uri::Scheme::HTTP) && u.path() == "/" && u.query().is_none());
    let host = uri.as_ref().and_then(|u| u.host().map(|host| (host, u.port_u16().unwrap_or(80))));
    let (host, port) = host.ok_or("The endpoint must be an address like http://localhost:1411.")?;
    Ok(format!("{host}:{port}"))
}

/// The status that the server answers.
fn ask(target: &str) -> std::io::Result<String> {
    let address = target.to_socket_addrs()?.next().ok_or(std::io::ErrorKind::NotFound)?;
    let mut stream = TcpStream::connect_timeout(&address, LIMIT)?;
    stream.set_read_timeout(Some(LIMIT))?;
    stream.set_write_timeout(Some(LIMIT))?;
    write!(stream, "GET /healthz HTTP/1.1\r\nHost: {target}\r\nConnection: close\r\n\r\n")?;
    let mut answer = Vec::new();
    stream.take(1024).read_to_end(&mut answer)?;
    let answer = String::from_utf8_lossy(&answer);
    let status = answer.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.split_whitespace().next());
    Ok(status.ok_or(std::io::ErrorKind::InvalidData)?.to_owned())
}
