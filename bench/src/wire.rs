//! One keep-alive HTTP/1.1 connection.

use std::net::SocketAddr;

use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use crate::Result;

/// An open connection.
pub struct Wire(SendRequest<Full<Bytes>>);

/// An answer, read whole.
#[derive(Debug)]
pub struct Reply {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
}

impl Wire {
    /// Connects.
    pub async fn open(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        Ok(Self(sender))
    }

    /// Sends a request and reads the answer.
    pub async fn send(&mut self, request: Request<Full<Bytes>>) -> Result<Reply> {
        self.0.ready().await?;
        let (head, body) = self.0.send_request(request).await?.into_parts();
        Ok(Reply { status: head.status, headers: head.headers, body: body.collect().await?.to_bytes() })
    }
}

impl Reply {
    /// Demands a status.
    pub fn expect(self, status: u16) -> Result<Self> {
        if self.status == status {
            return Ok(self);
        }
        Err(format!("{} instead of {status}: {}", self.status, String::from_utf8_lossy(&self.body)).into())
    }

    /// A header's value, empty if it is missing.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|v| v.to_str().ok()).unwrap_or_default()
    }

    /// The body as JSON.
    pub fn json(&self) -> Result<serde_json::Value> {
        Ok(serde_json::from_slice(&self.body)?)
    }

    /// `name=value` of a cookie that is set.
    pub fn cookie(&self, name: &str) -> Result<String> {
        let cookies = self.headers.get_all("set-cookie").iter().filter_map(|v| v.to_str().ok());
        let mut pairs = cookies.filter_map(|c| c.split(';').next());
        let found = pairs.find(|pair| pair.split_once('=').is_some_and(|(n, v)| n == name && !v.is_empty()));
        Ok(found.ok_or_else(|| format!("no cookie {name}"))?.to_owned())
    }

    /// A query parameter of where a redirect leads, as it is written there.
    pub fn redirected(&self, parameter: &str) -> Result<String> {
        let location = self.header("location");
        let query = location.split_once('?').map_or("", |(_, query)| query);
        let found = query.split('&').find_map(|p| p.split_once('=').filter(|(n, _)| *n == parameter));
        Ok(found.ok_or_else(|| format!("no {parameter} in the redirect to \"{location}\""))?.1.to_owned())
    }
}
