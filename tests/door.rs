//! The host of an app behind a reverse proxy, as a browser there sees it: the proxy's questions without a proxy, with cookies
//! of their own.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use http::Method;
use reqwest::RequestBuilder;

use crate::{Agent, Reply, TestApp};

/// A browser at the host of an app.
#[derive(Clone)]
pub struct Door {
    agent: Agent,
    origin: String,
    cookies: Arc<Mutex<BTreeMap<String, String>>>,
}

impl Door {
    /// A browser without cookies; `origin` is the app's address. The server must trust 127.0.0.1.
    #[must_use]
    pub fn new(app: &TestApp, origin: &str) -> Self {
        Self { agent: app.agent(), origin: origin.to_owned(), cookies: Arc::default() }
    }

    /// The host as browsers send it.
    #[must_use]
    pub fn host(&self) -> &str {
        self.origin.split_once("://").expect("an address").1
    }

    /// The same browser at another host, with the cookies that it has here.
    #[must_use]
    pub fn at(&self, origin: &str) -> Self {
        let cookies = Arc::new(Mutex::new(self.cookies.lock().unwrap().clone()));
        Self { agent: self.agent.clone(), origin: origin.to_owned(), cookies }
    }

    /// What the proxy asks about a request of a script, to be changed and sent by [`Door::send`].
    pub fn question(&self, method: &str, uri: &str) -> RequestBuilder {
        self.question_at("/api/forward-auth", method, uri)
    }

    /// The same at another address of ours.
    pub fn question_at(&self, path: &str, method: &str, uri: &str) -> RequestBuilder {
        let request = self
            .agent
            .request(Method::GET, path)
            .header("x-forwarded-method", method)
            .header("x-forwarded-host", self.host())
            .header("x-forwarded-uri", uri);
        match self.cookie_header() {
            Some(cookies) => request.header("cookie", cookies),
            None => request,
        }
    }

    /// All cookies as they are sent.
    #[must_use]
    pub fn cookie_header(&self) -> Option<String> {
        let cookies = self.cookies.lock().unwrap();
        let pairs: Vec<String> = cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        (!pairs.is_empty()).then(|| pairs.join("; "))
    }

    /// The value of a cookie whose name ends so.
    #[must_use]
    pub fn cookie(&self, name: &str) -> Option<String> {
        self.cookies.lock().unwrap().iter().find(|(known, _)| known.contains(name)).map(|(_, value)| value.clone())
    }

    /// Forgets all cookies.
    pub fn forget(&self) {
        self.cookies.lock().unwrap().clear();
    }

    /// Sends a question and keeps the cookies of the answer.
    pub async fn send(&self, request: RequestBuilder) -> Reply {
        let reply = self.agent.send(request).await;
        let mut cookies = self.cookies.lock().unwrap();
        for set in reply.headers.get_all("set-cookie") {
            let set = set.to_str().unwrap();
            let (name, value) = set.split(';').next().unwrap().split_once('=').unwrap();
            cookies.insert(name.to_owned(), value.to_owned());
        }
        drop(cookies);
        reply
    }

    /// A script's request.
    pub async fn ask(&self, method: &str, uri: &str) -> Reply {
        self.send(self.question(method, uri)).await
    }

    /// A person opens an address.
    pub async fn open(&self, uri: &str) -> Reply {
        let request = self.question("GET", uri).header("accept", "text/html").header("sec-fetch-mode", "navigate");
        self.send(request).await
    }

    /// Opens an address in the browser in which `person` is signed in, goes the whole way round, and gives what the
    /// hand-over answers.
    pub async fn enter(&self, person: &Agent, uri: &str) -> Reply {
        let callback = self.begin(person, uri).await;
        self.open(&callback).await
    }

    /// The same up to the code: gives path and query of the callback.
    pub async fn begin(&self, person: &Agent, uri: &str) -> String {
        let away = self.open(uri).await.expect(302).location();
        let back = person.get(&away).await.location();
        let callback = back.strip_prefix(&self.origin);
        callback.unwrap_or_else(|| panic!("{back} is not at {}", self.origin)).to_owned()
    }
}
