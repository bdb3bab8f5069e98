//! An application that is provisioned by SCIM: a real server (`tests/node/scim_server.mjs`) behind a proxy that keeps what
//! was asked and puts in faults.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::response::{IntoResponse as _, Response};
use http::{HeaderMap, StatusCode, header};
use pid_testkit::program::Program;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// What goes wrong with a request.
#[derive(Clone, Debug)]
pub enum ScimFault {
    /// It is refused with a status, perhaps with `Retry-After`, without getting through.
    Refused(u16, Option<&'static str>),
    /// It gets through, but the line is cut in the middle of the answer.
    Cut,
    /// The answer takes this long.
    Late(Duration),
    /// It gets through, but something in front of the application answers with a status.
    Hidden(u16),
    /// It doesn't get through; this is answered with 200.
    Says(String),
}

/// A request that came.
#[derive(Clone, Debug)]
pub struct ScimCall {
    /// `POST /Users`, for example: without what is before it and after it.
    pub what: String,
    /// The query.
    pub query: String,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: String,
    /// The status that it was answered with.
    pub status: u16,
}

#[derive(Default)]
struct Inner {
    upstream: Mutex<String>,
    calls: Mutex<Vec<ScimCall>>,
    faults: Mutex<VecDeque<(String, ScimFault)>>,
    open: AtomicUsize,
    busiest: AtomicUsize,
}

/// The application.
pub struct ScimTarget {
    inner: Arc<Inner>,
    program: Mutex<Program>,
    port: u16,
    task: JoinHandle<()>,
}

const BASE: &str = "/scim/v2";

async fn pass(State(inner): State<Arc<Inner>>, request: Request) -> Response {
    let open = inner.open.fetch_add(1, Ordering::SeqCst) + 1;
    inner.busiest.fetch_max(open, Ordering::SeqCst);
    let response = forward(&inner, request).await;
    inner.open.fetch_sub(1, Ordering::SeqCst);
    response
}

async fn forward(inner: &Inner, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, usize::MAX).await.expect("a body");
    let path = parts.uri.path().strip_prefix(BASE).unwrap_or(parts.uri.path()).to_owned();
    let what = format!("{} {path}", parts.method);
    let mut call = ScimCall {
        query: parts.uri.query().unwrap_or_default().to_owned(),
        headers: parts.headers.clone(),
        body: String::from_utf8_lossy(&body).into_owned(),
        status: 0,
        what,
    };
    let fault = {
        let mut faults = inner.faults.lock().unwrap();
        let at = faults.iter().position(|(begins, _)| call.what.starts_with(begins.as_str()));
        at.and_then(|at| faults.remove(at)).map(|(_, fault)| fault)
    };
    let keep = |mut call: ScimCall, status: u16| {
        call.status = status;
        inner.calls.lock().unwrap().push(call);
    };
    match &fault {
        Some(ScimFault::Refused(status, after)) => {
            keep(call, *status);
            let mut response = StatusCode::from_u16(*status).unwrap().into_response();
            if let Some(after) = after {
                response.headers_mut().insert(header::RETRY_AFTER, after.parse().unwrap());
            }
            return response;
        }
        Some(ScimFault::Says(text)) => {
            keep(call, 200);
            return ([(header::CONTENT_TYPE, "application/scim+json")], text.clone()).into_response();
        }
        Some(ScimFault::Late(time)) => tokio::time::sleep(*time).await,
        Some(ScimFault::Cut | ScimFault::Hidden(_)) | None => {}
    }
    let upstream = inner.upstream.lock().unwrap().clone();
    let url = format!("{upstream}{}", parts.uri);
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let mut headers = parts.headers;
    for name in [header::HOST, header::CONNECTION, header::CONTENT_LENGTH] {
        headers.remove(name);
    }
    let answer = http.request(parts.method, url).headers(headers).body(body).send().await.expect("an answer");
    let status = answer.status();
    call.status = status.as_u16();
    let mut kept = answer.headers().clone();
    kept.remove(header::TRANSFER_ENCODING);
    kept.remove(header::CONTENT_LENGTH);
    kept.remove(header::CONNECTION);
    let body = answer.bytes().await.expect("a body");
    inner.calls.lock().unwrap().push(call);
    if let Some(ScimFault::Hidden(status)) = fault {
        return StatusCode::from_u16(status).unwrap().into_response();
    }
    let body = match fault {
        Some(ScimFault::Cut) => {
            let half = body.slice(..body.len() / 2);
            let parts: [Result<Bytes, std::io::Error>; 2] = [Ok(half), Err(std::io::ErrorKind::ConnectionReset.into())];
            Body::from_stream(futures_util::stream::iter(parts))
        }
        _ => Body::from(body),
    };
    let mut response = (status, body).into_response();
    response.headers_mut().extend(kept);
    response
}

impl ScimTarget {
    /// The token that it accepts.
    pub const TOKEN: &str = "a-bearer-token";

    /// Starts one whose resources have versions.
    pub async fn start() -> Self {
        Self::with(json!({ "etags": true })).await
    }

    /// Starts one with other rules: see the program.
    pub async fn with(mut rules: Value) -> Self {
        let mut program = Program::node("scim_server.mjs").unwrap();
        rules["do"] = json!("start");
        rules["token"] = json!(Self::TOKEN);
        let started = tokio::task::block_in_place(|| program.call(&rules)).unwrap();
        let inner = Arc::new(Inner::default());
        *inner.upstream.lock().unwrap() = format!("http://127.0.0.1:{}", started["ok"].as_u64().expect("a port"));
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let router = Router::new().fallback(pass).with_state(inner.clone());
        let task = tokio::spawn(async move { axum::serve(listener, router).await.expect("it serves") });
        Self { inner, program: Mutex::new(program), port, task }
    }

    /// Its base address.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}{BASE}", self.port)
    }

    fn call(&self, request: &Value) -> Value {
        let mut program = self.program.lock().unwrap();
        let answer = tokio::task::block_in_place(|| program.call(request)).unwrap();
        assert!(answer.get("ok").is_some(), "{request}: {answer}");
        answer["ok"].clone()
    }

    fn list(&self, what: &str) -> Vec<Value> {
        self.call(&json!({ "do": what })).as_array().expect("a list").clone()
    }

    /// The people that it has.
    #[must_use]
    pub fn users(&self) -> Vec<Value> {
        self.list("users")
    }

    /// The groups that it has.
    #[must_use]
    pub fn groups(&self) -> Vec<Value> {
        self.list("groups")
    }

    /// The names of the people that it has, in their order.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        let mut names: Vec<String> =
            self.users().iter().map(|user| user["userName"].as_str().unwrap_or_default().to_owned()).collect();
        names.sort();
        names
    }

    /// Somebody by name.
    #[must_use]
    pub fn user(&self, name: &str) -> Value {
        self.users().into_iter().find(|user| user["userName"] == name).unwrap_or_default()
    }

    /// A group by name.
    #[must_use]
    pub fn group(&self, name: &str) -> Value {
        self.groups().into_iter().find(|group| group["displayName"] == name).unwrap_or_default()
    }

    /// Does something that the application's own people would; `kind` is `User` or `Group`.
    pub fn put(&self, kind: &str, resource: &Value) -> Value {
        self.call(&json!({ "do": "put", "kind": kind, "resource": resource }))
    }

    /// Removes something behind everybody's back.
    pub fn remove(&self, kind: &str, id: &Value) {
        self.call(&json!({ "do": "remove", "kind": kind, "id": id }));
    }

    /// Puts a fault into the next requests that begin so, one for each; an empty text: any.
    pub fn faults(&self, begins: &str, faults: &[ScimFault]) {
        self.inner.faults.lock().unwrap().extend(faults.iter().map(|fault| (begins.to_owned(), fault.clone())));
    }

    /// Forgets the faults that nobody met.
    pub fn mend(&self) {
        self.inner.faults.lock().unwrap().clear();
    }

    /// What was asked since the last time.
    #[must_use]
    pub fn calls(&self) -> Vec<ScimCall> {
        std::mem::take(&mut self.inner.calls.lock().unwrap())
    }

    /// As [`ScimTarget::calls`], but what was asked alone.
    #[must_use]
    pub fn asked(&self) -> Vec<String> {
        self.calls().into_iter().map(|call| call.what).collect()
    }

    /// How many requests were open at once, at most.
    #[must_use]
    pub fn busiest(&self) -> usize {
        self.inner.busiest.load(Ordering::SeqCst)
    }

    /// Gives a client's people and groups to it, by the API; gives the provider.
    pub async fn provision(&self, app: &crate::TestApp, client: &str) -> Value {
        let body = json!({ "endpoint": self.url(), "token": Self::TOKEN, "oidcClientId": client });
        app.script().post("/api/scim/service-provider", &body).await.expect(201).json()
    }
}

impl Drop for ScimTarget {
    fn drop(&mut self) {
        self.task.abort();
    }
}
