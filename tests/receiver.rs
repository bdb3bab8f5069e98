//! Somebody's own server that is told of things: an application of the ends of sessions (OpenID Connect Back-Channel
//! Logout 1.0 §2.5), a webhook of the audit log's entries.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use http::{HeaderMap, StatusCode, header};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// How the next request is answered.
#[derive(Clone, Debug)]
pub enum Manner {
    /// With a status.
    Status(u16),
    /// By a redirect to another address.
    Redirect(String),
    /// After a while, with 200.
    Late(Duration),
}

#[derive(Default)]
struct Inner {
    tokens: Mutex<Vec<String>>,
    posts: Mutex<Vec<(HeaderMap, String)>>,
    manners: Mutex<VecDeque<Manner>>,
}

/// A server on loopback that keeps the logout tokens it gets. Without other orders it answers 200.
pub struct Receiver {
    inner: Arc<Inner>,
    port: u16,
    task: Option<JoinHandle<()>>,
}

async fn take(State(inner): State<Arc<Inner>>, headers: HeaderMap, body: String) -> Response {
    let token = url::form_urlencoded::parse(body.as_bytes()).find(|(name, _)| name == "logout_token");
    inner.tokens.lock().unwrap().extend(token.map(|(_, token)| token.into_owned()));
    inner.posts.lock().unwrap().push((headers, body));
    let manner = inner.manners.lock().unwrap().pop_front();
    match manner {
        None => StatusCode::OK.into_response(),
        Some(Manner::Status(status)) => StatusCode::from_u16(status).unwrap().into_response(),
        Some(Manner::Redirect(to)) => (StatusCode::TEMPORARY_REDIRECT, [(header::LOCATION, to)]).into_response(),
        Some(Manner::Late(time)) => {
            tokio::time::sleep(time).await;
            StatusCode::OK.into_response()
        }
    }
}

impl Receiver {
    /// Starts one.
    pub async fn start() -> Self {
        let mut receiver = Self { inner: Arc::default(), port: 0, task: None };
        receiver.open().await;
        receiver
    }

    /// Listens (again) on its port.
    pub async fn open(&mut self) {
        let listener = TcpListener::bind(("127.0.0.1", self.port)).await.expect("a port");
        self.port = listener.local_addr().expect("an address").port();
        let router = Router::new().route("/{*path}", post(take)).with_state(self.inner.clone());
        self.task = Some(tokio::spawn(async move { axum::serve(listener, router).await.expect("it serves") }));
    }

    /// Stops listening: connections are refused.
    pub async fn close(&mut self) {
        if let Some(task) = self.task.take() {
            task.abort();
            let _ = task.await;
        }
    }

    /// An address of it.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// How the next requests are answered, one each.
    pub fn answers(&self, manners: &[Manner]) {
        self.inner.manners.lock().unwrap().extend(manners.iter().cloned());
    }

    /// The tokens so far.
    #[must_use]
    pub fn tokens(&self) -> Vec<String> {
        self.inner.tokens.lock().unwrap().clone()
    }

    /// Everything that was posted so far.
    #[must_use]
    pub fn posts(&self) -> Vec<(HeaderMap, String)> {
        self.inner.posts.lock().unwrap().clone()
    }

    /// Waits until so many tokens are there.
    ///
    /// # Panics
    /// After ten seconds.
    pub async fn wait_for(&self, count: usize) -> Vec<String> {
        self.wait(count, 10).await
    }

    /// Waits until so many tokens are there, as long as an attempt that a killed server had begun counts as under way.
    ///
    /// # Panics
    /// After ninety seconds.
    pub async fn wait_for_long(&self, count: usize) -> Vec<String> {
        self.wait(count, 90).await
    }

    async fn wait(&self, count: usize, secs: usize) -> Vec<String> {
        for _ in 0..secs * 100 {
            let tokens = self.tokens();
            if tokens.len() >= count {
                return tokens;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("{} of {count} logout tokens came", self.tokens().len());
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        if let Some(task) = self.task.take() {
            task.abort();
        }
    }
}
