//! `pocket-id healthcheck`.

use std::io::{Read as _, Write as _};
use std::net::{TcpStream, ToSocketAddrs as _};
use std::time::Duration;

use crate::config::Config;

/// Asks for `/healthz` over plain http. Without an endpoint, the configured port of this machine is asked.
///
/// # Errors
/// A sentence that says what went wrong.
pub fn run(config: &Config, endpoint: Option<&str>) -> Result<(), String> {
    let target = match endpoint {
        None => format!("127.0.0.1:{}", config.port),
        Some(text) => {
            let rest = text.strip_prefix("http://").ok_or("The endpoint must begin with http://.")?;
            let host = rest.split('/').next().unwrap_or(rest).to_owned();
            if host.contains(':') { host } else { format!("{host}:80") }
        }
    };
    let timeout = Duration::from_secs(5);
    let ask = || -> std::io::Result<String> {
        let address = target.to_socket_addrs()?.next().ok_or(std::io::ErrorKind::NotFound)?;
        let mut stream = TcpStream::connect_timeout(&address, timeout)?;
        stream.set_read_timeout(Some(timeout))?;
        write!(stream, "GET /healthz HTTP/1.1\r\nHost: {target}\r\nConnection: close\r\n\r\n")?;
        let mut answer = String::new();
        stream.take(1024).read_to_string(&mut answer)?;
        Ok(answer)
    };
    match ask() {
        Ok(answer) if answer.starts_with("HTTP/1.1 204") => Ok(()),
        Ok(answer) => Err(format!("{target} answered: {}", answer.lines().next().unwrap_or("nothing"))),
        Err(e) => Err(format!("{target} does not answer: {e}.")),
    }
}
