//! Requests that no client library would send.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use crate::TestApp;

impl TestApp {
    /// Sends bytes on a connection of their own and gives what comes back until the server closes it; the request should
    /// say `Connection: close`. The server may stop reading early.
    ///
    /// # Panics
    /// When nothing comes back.
    #[must_use]
    pub fn raw(&self, request: &[u8]) -> String {
        let address = self.listens_at().replace("http://", "");
        let mut stream = TcpStream::connect(address).expect("a connection");
        // What the server doesn't want to read is not an error of the test.
        let _ = stream.write_all(request);
        let mut answer = Vec::new();
        let mut chunk = [0; 4096];
        // Closed with bytes unread, a connection may end in a reset after the answer.
        while let Ok(n @ 1..) = stream.read(&mut chunk) {
            answer.extend_from_slice(&chunk[..n]);
        }
        assert!(!answer.is_empty(), "no answer to {}", String::from_utf8_lossy(&request[..request.len().min(200)]));
        String::from_utf8_lossy(&answer).into_owned()
    }

    /// `GET` of a path as it is, without any normalisation.
    #[must_use]
    pub fn raw_get(&self, path: &str) -> String {
        self.raw(format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").as_bytes())
    }
}
