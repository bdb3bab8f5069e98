//! A small syslog client (RFC 5424): over TCP with counted octets (RFC 6587 §3.4.1), or in datagrams (RFC 5426). Where
//! it may send to is decided as for every outbound request.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, UdpSocket};

use crate::fetch::{FetchError, Fetcher, NamedBy};

/// What a batch may take.
const TIME: Duration = Duration::from_secs(10);
/// How long a server may take to close a connection after the last message. One that resets it has not read them.
const CLOSE: Duration = Duration::from_secs(1);
/// `authpriv` (RFC 5424 §6.2.1).
const FACILITY: u8 = 10;

/// How bad it is (RFC 5424 §6.2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// Somebody should look.
    Warning,
    /// As it should be.
    Informational,
}

/// A message.
#[derive(Clone, Debug)]
pub struct Message<'a> {
    /// How bad it is.
    pub severity: Severity,
    /// When it happened (RFC 3339).
    pub at: &'a str,
    /// The name of this host.
    pub host: &'a str,
    /// The kind of message.
    pub kind: &'a str,
    /// What it says: JSON.
    pub json: &'a str,
}

impl Message<'_> {
    /// The message on the wire. All of it is printable ASCII: everything else in the JSON is escaped, so that no line
    /// ends inside it (security case 98).
    pub fn to_line(&self) -> String {
        let severity = match self.severity {
            Severity::Warning => 4,
            Severity::Informational => 6,
        };
        let (host, kind) = (name(self.host, 255), name(self.kind, 32));
        let mut line = format!("<{}>1 {} {host} pocket-id - {kind} - ", FACILITY * 8 + severity, self.at);
        for c in self.json.chars() {
            if c.is_ascii_graphic() || c == ' ' {
                line.push(c);
            } else {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    let _ = write!(line, "\\u{unit:04x}");
                }
            }
        }
        line
    }
}

/// A field of the header: printable, or a dash.
fn name(text: &str, most: usize) -> String {
    let text: String = text.chars().filter(char::is_ascii_graphic).take(most).collect();
    if text.is_empty() { "-".to_owned() } else { text }
}

/// Sends lines to a server.
///
/// # Errors
/// [`FetchError`]. Datagrams get lost without one.
pub async fn send(
    fetcher: &Fetcher,
    tcp: bool,
    host: &str,
    port: u16,
    named_by: NamedBy,
    lines: &[String],
) -> Result<(), FetchError> {
    let sending = async {
        let addresses = fetcher.reachable(host, port, named_by).await?;
        if tcp { stream(&addresses, lines).await } else { datagrams(&addresses, lines).await }
    };
    tokio::time::timeout(TIME, sending).await.unwrap_or(Err(FetchError::Timeout))
}

async fn stream(addresses: &[SocketAddr], lines: &[String]) -> Result<(), FetchError> {
    let mut connection = TcpStream::connect(addresses).await.map_err(|_| FetchError::Connect)?;
    let counted: String = lines.iter().map(|line| format!("{} {line}", line.len())).collect();
    let broken = |_| FetchError::Protocol;
    connection.write_all(counted.as_bytes()).await.map_err(broken)?;
    connection.shutdown().await.map_err(broken)?;
    match tokio::time::timeout(CLOSE, connection.read(&mut [0; 64])).await {
        Ok(Err(_)) => Err(FetchError::Protocol),
        Ok(Ok(_)) | Err(_) => Ok(()),
    }
}

async fn datagrams(addresses: &[SocketAddr], lines: &[String]) -> Result<(), FetchError> {
    let to = addresses.first().ok_or(FetchError::Name)?;
    let from = if to.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
    let socket = UdpSocket::bind(from).await.map_err(|_| FetchError::Connect)?;
    socket.connect(to).await.map_err(|_| FetchError::Connect)?;
    for line in lines {
        socket.send(line.as_bytes()).await.map_err(|_| FetchError::Connect)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_098_a_message_is_one_line_of_ascii() {
        let message = Message {
            severity: Severity::Informational,
            at: "2026-01-02T03:04:05.678Z",
            host: "id.example.com",
            kind: "SIGN_IN",
            json: "{\"username\":\"t\u{ef}m\\n\u{7f}\u{2028}\u{1f600}\",\"x\":\"a b\"}",
        };
        assert_eq!(
            message.to_line(),
            "<86>1 2026-01-02T03:04:05.678Z id.example.com pocket-id - SIGN_IN - \
             {\"username\":\"t\\u00efm\\n\\u007f\\u2028\\ud83d\\ude00\",\"x\":\"a b\"}"
        );
        let odd = Message { host: "a b\n", kind: "", severity: Severity::Warning, ..message };
        assert!(odd.to_line().starts_with("<84>1 2026-01-02T03:04:05.678Z ab pocket-id - - - {"));
    }
}
