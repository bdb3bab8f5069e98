//! A browser without a screen: it keeps cookies and follows no redirect by itself.

use http::{HeaderMap, Method, StatusCode};
use reqwest::RequestBuilder;
use reqwest::cookie::{CookieStore as _, Jar};
use serde::Serialize;
use serde_json::Value;
use std::sync::Arc;

/// Something that sends requests to one server.
#[derive(Clone)]
pub struct Agent {
    http: reqwest::Client,
    jar: Arc<Jar>,
    base: String,
    headers: HeaderMap,
}

/// An answer, read whole.
#[derive(Clone, Debug)]
pub struct Reply {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Vec<u8>,
    asked: String,
}

impl Agent {
    /// An agent for the server at `base`.
    #[must_use]
    pub fn new(base: &str) -> Self {
        let jar = Arc::new(Jar::default());
        let http = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .cookie_provider(Arc::clone(&jar))
            .timeout(std::time::Duration::from_secs(60))
            .no_proxy()
            .build()
            .expect("a client");
        Self { http, jar, base: base.trim_end_matches('/').to_owned(), headers: HeaderMap::new() }
    }

    /// The same agent with a header on every request.
    #[must_use]
    pub fn with_header(mut self, name: &'static str, value: &str) -> Self {
        self.headers.insert(name, value.parse().expect("a header value"));
        self
    }

    /// The value of a cookie.
    #[must_use]
    pub fn cookie(&self, name: &str) -> Option<String> {
        let url = self.base.parse().expect("a URL");
        let all = self.jar.cookies(&url)?;
        let all = all.to_str().ok()?.to_owned();
        all.split("; ").find_map(|c| c.split_once('=').filter(|(n, _)| *n == name).map(|(_, v)| v.to_owned()))
    }

    /// Sets a cookie for the server.
    pub fn set_cookie(&self, name: &str, value: &str) {
        self.jar.add_cookie_str(&format!("{name}={value}; Path=/"), &self.base.parse().expect("a URL"));
    }

    /// A request that the test finishes and sends by [`Agent::send`]. `path` may be a whole URL.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let url = if path.starts_with('/') { format!("{}{path}", self.base) } else { path.to_owned() };
        self.http.request(method, url).headers(self.headers.clone())
    }

    /// Sends a request.
    pub async fn send(&self, request: RequestBuilder) -> Reply {
        self.exchange(request).await.unwrap_or_else(|e| panic!("{e:?}"))
    }

    /// Sends a request to a server that may be gone: then there is no answer.
    pub async fn try_send(&self, request: RequestBuilder) -> Option<Reply> {
        self.exchange(request).await.ok()
    }

    async fn exchange(&self, request: RequestBuilder) -> Result<Reply, reqwest::Error> {
        let request = request.build().expect("a request");
        let asked = format!("{} {}", request.method(), request.url());
        let response = self.http.execute(request).await?;
        let (status, headers) = (response.status(), response.headers().clone());
        let body = response.bytes().await?.to_vec();
        Ok(Reply { status, headers, body, asked })
    }

    /// `GET`.
    pub async fn get(&self, path: &str) -> Reply {
        self.send(self.request(Method::GET, path)).await
    }

    /// `DELETE`.
    pub async fn delete(&self, path: &str) -> Reply {
        self.send(self.request(Method::DELETE, path)).await
    }

    /// `POST` with JSON.
    pub async fn post(&self, path: &str, body: &Value) -> Reply {
        self.send(self.request(Method::POST, path).json(body)).await
    }

    /// `PUT` with JSON.
    pub async fn put(&self, path: &str, body: &Value) -> Reply {
        self.send(self.request(Method::PUT, path).json(body)).await
    }

    /// `PATCH` with a merge patch, under `If-Match` if a tag is given.
    pub async fn patch(&self, path: &str, body: &Value, if_match: Option<&str>) -> Reply {
        let mut request = self
            .request(Method::PATCH, path)
            .header("content-type", "application/merge-patch+json")
            .body(body.to_string());
        if let Some(tag) = if_match {
            request = request.header("if-match", tag);
        }
        self.send(request).await
    }

    /// `POST` of a file, as a form with the part `file`.
    pub async fn upload(&self, path: &str, file_name: &str, content: &[u8]) -> Reply {
        self.send_file(Method::POST, path, file_name, content).await
    }

    /// `PUT` of a file, as a form with the part `file`.
    pub async fn put_file(&self, path: &str, file_name: &str, content: &[u8]) -> Reply {
        self.send_file(Method::PUT, path, file_name, content).await
    }

    async fn send_file(&self, method: Method, path: &str, file_name: &str, content: &[u8]) -> Reply {
        let head = format!(
            "--parts\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{file_name}\"\r\n\
             Content-Type: application/octet-stream\r\n\r\n"
        );
        let body = [head.as_bytes(), content, b"\r\n--parts--\r\n"].concat();
        let request = self.request(method, path).header("content-type", "multipart/form-data; boundary=parts");
        self.send(request.body(body)).await
    }

    /// `POST` with a multipart form of plain fields.
    pub async fn post_parts(&self, path: &str, fields: &[(&str, &str)]) -> Reply {
        let mut body = String::new();
        for (name, value) in fields {
            body.push_str(&format!("--part\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n"));
        }
        body.push_str("--part--\r\n");
        let request = self.request(Method::POST, path).header("content-type", "multipart/form-data; boundary=part");
        self.send(request.body(body)).await
    }

    /// `POST` with a form.
    pub async fn post_form(&self, path: &str, form: &(impl Serialize + ?Sized)) -> Reply {
        self.send(self.request(Method::POST, path).form(form)).await
    }
}

impl Reply {
    /// Demands a status.
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status.as_u16(), status, "{}: {}", self.asked, self.text());
        self
    }

    /// Demands a refusal of the API: its status and its `code`, in the contract's envelope (api.md §5).
    pub fn refused(self, status: u16, code: &str) -> Self {
        let reply = self.expect(status);
        let body = reply.json();
        assert_eq!(body["code"], code, "{}: {body}", reply.asked);
        assert!(body["error"].as_str().is_some_and(|e| !e.is_empty()), "{}: {body}", reply.asked);
        assert_eq!(Some(body["request_id"].as_str().unwrap()), reply.header("x-request-id"), "{}", reply.asked);
        reply
    }

    /// Demands `validation_failed` for exactly these fields, each as `name code` (api.md §5.2).
    pub fn invalid(self, fields: &[&str]) -> Self {
        let reply = self.refused(400, "validation_failed");
        let body = reply.json();
        let found = body["details"]["fields"].as_array().unwrap_or_else(|| panic!("{}: {body}", reply.asked));
        let found: Vec<String> =
            found.iter().map(|f| format!("{} {}", f["field"].as_str().unwrap(), f["code"].as_str().unwrap())).collect();
        assert_eq!(found, fields, "{}: {body}", reply.asked);
        reply
    }

    /// Demands an error of RFC 6749 §5.2.
    pub fn oauth_error(self, status: u16, error: &str) -> Self {
        let reply = self.expect(status);
        let body = reply.json();
        assert_eq!(body["error"], error, "{}: {body}", reply.asked);
        reply
    }

    /// The body as text.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("{}: {e}: {}", self.asked, self.text()))
    }

    /// The `id` of the JSON body.
    #[must_use]
    pub fn id(&self) -> String {
        let body = self.json();
        body["id"].as_str().unwrap_or_else(|| panic!("{}: {body}", self.asked)).to_owned()
    }

    /// The strong ETag.
    #[must_use]
    pub fn etag(&self) -> String {
        let tag = self.header("etag").unwrap_or_else(|| panic!("{}: no ETag", self.asked));
        assert!(tag.starts_with('"') && tag.ends_with('"') && tag.len() > 2, "{}: {tag}", self.asked);
        tag.to_owned()
    }

    /// A header's value.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|v| v.to_str().ok())
    }

    /// Where a redirect leads.
    #[must_use]
    pub fn location(&self) -> String {
        assert!(self.status.is_redirection(), "{}: {} is no redirect: {}", self.asked, self.status, self.text());
        self.header("location").expect("a Location").to_owned()
    }

    /// The interaction that a redirect leads to.
    #[must_use]
    pub fn interaction(&self) -> Option<String> {
        let to_interaction = self.header("location").is_some_and(|l| l.starts_with("/interaction?"));
        if to_interaction { self.redirected("interaction") } else { None }
    }

    /// The text of our error page that a redirect leads to.
    pub fn error_page(&self) -> String {
        let location = self.location();
        assert!(location.starts_with("/interaction/error?"), "{}: {location}", self.asked);
        self.redirected("error").expect("a text")
    }

    /// What the form of a page posts by itself (OAuth 2.0 Form Post Response Mode).
    ///
    /// # Panics
    /// If it is no page.
    #[must_use]
    pub fn posted(&self) -> Vec<(String, String)> {
        let text = self.clone().expect(200).text();
        let attribute = |input: &str, name: &str| {
            let (_, rest) = input.split_once(&format!("{name}=\""))?;
            let (value, _) = rest.split_once('"')?;
            Some(value.replace("&#38;", "&"))
        };
        text.split("<input ").skip(1).filter_map(|i| Some((attribute(i, "name")?, attribute(i, "value")?))).collect()
    }

    /// A query parameter of where a redirect leads.
    #[must_use]
    pub fn redirected(&self, parameter: &str) -> Option<String> {
        let base = url::Url::parse("http://relative.invalid").expect("a URL");
        let url = base.join(&self.location()).expect("a URL");
        url.query_pairs().find(|(name, _)| name == parameter).map(|(_, value)| value.into_owned())
    }
}
