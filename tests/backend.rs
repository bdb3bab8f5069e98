//! A plain web app that knows nothing of OpenID: it shows what it is told in headers. It speaks just enough HTTP, and
//! switches protocols when it is asked to, to echo what comes.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// A running app; stopped when dropped.
pub struct Backend {
    port: u16,
    seen: Arc<Mutex<Vec<String>>>,
    task: JoinHandle<()>,
}

impl Backend {
    /// Starts one on loopback.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let seen: Arc<Mutex<Vec<String>>> = Arc::default();
        let kept = Arc::clone(&seen);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&kept)));
            }
        });
        Self { port, seen, task }
    }

    /// `127.0.0.1:port`.
    #[must_use]
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// The heads of all requests that came so far.
    #[must_use]
    pub fn seen(&self) -> Vec<String> {
        self.seen.lock().unwrap().clone()
    }

    /// The heads of requests for a path.
    #[must_use]
    pub fn seen_at(&self, path: &str) -> Vec<String> {
        self.seen().into_iter().filter(|head| head.split(' ').nth(1).is_some_and(|at| at == path)).collect()
    }
}

impl Drop for Backend {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(mut stream: TcpStream, seen: Arc<Mutex<Vec<String>>>) {
    let (mut read, mut chunk) = (Vec::new(), [0; 4096]);
    let end = loop {
        match stream.read(&mut chunk).await {
            Ok(n @ 1..) => read.extend_from_slice(&chunk[..n]),
            _ => return,
        }
        if let Some(at) = read.windows(4).position(|four| four == b"\r\n\r\n") {
            break at;
        }
    };
    let head = String::from_utf8_lossy(&read[..end]).into_owned();
    seen.lock().unwrap().push(head.clone());
    let lower = head.to_lowercase();
    if lower.contains("upgrade: websocket") {
        // The answer to the key of RFC 6455 §1.3; there are proxies that check it.
        let switch = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                      Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
        let _ = stream.write_all(switch.as_bytes()).await;
        while let Ok(n @ 1..) = stream.read(&mut chunk).await {
            let _ = stream.write_all(&chunk[..n]).await;
        }
        return;
    }
    let told: Vec<&str> = head.lines().filter(|line| line.to_lowercase().starts_with("remote")).collect();
    let shown = told.join("\n").replace('&', "&amp;").replace('<', "&lt;");
    let line = head.lines().next().unwrap_or_default().replace('<', "&lt;");
    let body = format!(
        "<!doctype html><html lang=\"en\"><title>The app</title><link rel=\"icon\" href=\"data:,\"><h1>The app</h1>\
         <p>{line}</p><pre>{shown}</pre><p><a href=\"/.pocket-id/sign-out\">Leave</a></p>\n"
    );
    let answer = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    let _ = stream.write_all(answer.as_bytes()).await;
    let _ = stream.shutdown().await;
}
