//! What sends the requests of the `openidconnect` crate.

use std::pin::Pin;

use openidconnect::{AsyncHttpClient, HttpRequest, HttpResponse};

/// The tests' HTTP client in the crate's words.
pub struct Sender(reqwest::Client);

/// Why a request was not sent.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Unsent(String);

impl Sender {
    /// One that follows no redirect.
    #[must_use]
    pub fn new() -> Self {
        let none = reqwest::redirect::Policy::none();
        Self(reqwest::Client::builder().no_proxy().redirect(none).build().expect("a client"))
    }
}

impl Default for Sender {
    fn default() -> Self {
        Self::new()
    }
}

impl<'c> AsyncHttpClient<'c> for Sender {
    type Error = Unsent;
    type Future = Pin<Box<dyn Future<Output = Result<HttpResponse, Unsent>> + Send + 'c>>;

    fn call(&'c self, request: HttpRequest) -> Self::Future {
        let unsent = |e: reqwest::Error| Unsent(e.to_string());
        Box::pin(async move {
            let response = self.0.execute(request.try_into().map_err(unsent)?).await.map_err(unsent)?;
            let mut answer = http::Response::builder().status(response.status());
            for (name, value) in response.headers() {
                answer = answer.header(name, value);
            }
            let body = response.bytes().await.map_err(unsent)?.to_vec();
            answer.body(body).map_err(|e| Unsent(e.to_string()))
        })
    }
}
