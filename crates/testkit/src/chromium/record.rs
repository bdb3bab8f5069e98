//! What a page did: messages on its console, requests, navigations.

use std::sync::Mutex;

use serde_json::Value;

use super::cdp::lock;

/// One request of a page; every hop of a redirect is one.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Request {
    id: String,
    pub method: String,
    pub url: String,
    /// CDP's resource type: `Document`, `Stylesheet`, `Script`, `Image`, `Font`, `Fetch`, …
    pub kind: String,
    /// The HTTP status, as soon as there is one.
    pub status: Option<u16>,
    /// Bytes received, headers included, as encoded on the wire; 0 from the cache.
    pub bytes: u64,
    /// Why it failed, for example `net::ERR_BLOCKED_BY_CSP`.
    pub failed: Option<String>,
    pub from_cache: bool,
}

/// The sum of a page's requests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Requests that went over the wire: none from the cache, no `data:` or `blob:` URL.
    pub requests: usize,
    /// Bytes received as encoded on the wire, headers included.
    pub bytes: u64,
}

/// Filled by the reader thread, read by the test.
#[derive(Default)]
pub(super) struct Record(Mutex<Lists>);

#[derive(Default)]
struct Lists {
    errors: Vec<String>,
    requests: Vec<Request>,
    navigations: Vec<String>,
    dialogs: Vec<String>,
}

impl Record {
    pub(super) fn errors(&self) -> Vec<String> {
        lock(&self.0).errors.clone()
    }

    pub(super) fn clear_errors(&self) {
        lock(&self.0).errors.clear();
    }

    pub(super) fn requests(&self) -> Vec<Request> {
        lock(&self.0).requests.clone()
    }

    pub(super) fn clear_requests(&self) {
        lock(&self.0).requests.clear();
    }

    pub(super) fn navigations(&self) -> Vec<String> {
        lock(&self.0).navigations.clone()
    }

    pub(super) fn dialogs(&self) -> Vec<String> {
        lock(&self.0).dialogs.clone()
    }

    /// Takes one event.
    pub(super) fn take(&self, method: &str, params: &Value) {
        let mut lists = lock(&self.0);
        let string = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        match method {
            "Runtime.consoleAPICalled" if matches!(params["type"].as_str(), Some("error" | "assert")) => {
                lists.errors.push(format!("console.error: {}", arguments(&params["args"])));
            }
            "Runtime.exceptionThrown" => {
                let details = &params["exceptionDetails"];
                let what =
                    details["exception"]["description"].as_str().or(details["text"].as_str()).unwrap_or_default();
                lists.errors.push(format!("exception: {what}"));
            }
            "Log.entryAdded" if params["entry"]["level"] == "error" => {
                let entry = &params["entry"];
                lists.errors.push(format!(
                    "{}: {} {}",
                    string(&entry["source"]),
                    string(&entry["text"]),
                    string(&entry["url"])
                ));
            }
            "Inspector.targetCrashed" => lists.errors.push("the page crashed".to_owned()),
            "Page.javascriptDialogOpening" => lists.dialogs.push(string(&params["message"])),
            "Page.frameRequestedNavigation" => lists.navigations.push(string(&params["url"])),
            "Network.requestWillBeSent" => {
                // A redirect comes as the next request of the same id, carrying the response of the one before.
                if let Some(response) = params.get("redirectResponse")
                    && let Some(request) = lists.request(params)
                {
                    request.answer(response);
                    request.bytes = bytes(response);
                }
                let url = string(&params["request"]["url"]);
                if !url.starts_with("data:") && !url.starts_with("blob:") {
                    lists.requests.push(Request {
                        id: string(&params["requestId"]),
                        method: string(&params["request"]["method"]),
                        url,
                        kind: string(&params["type"]),
                        ..Request::default()
                    });
                }
            }
            "Network.responseReceived" => {
                if let Some(request) = lists.request(params) {
                    request.answer(&params["response"]);
                }
            }
            "Network.requestServedFromCache" => {
                if let Some(request) = lists.request(params) {
                    request.from_cache = true;
                }
            }
            "Network.loadingFinished" => {
                if let Some(request) = lists.request(params) {
                    request.bytes = bytes(params);
                }
            }
            "Network.loadingFailed" => {
                if let Some(request) = lists.request(params) {
                    let blocked = params["blockedReason"].as_str().unwrap_or_default();
                    request.failed = Some(format!("{} {blocked}", string(&params["errorText"])).trim().to_owned());
                }
            }
            _ => {}
        }
    }
}

impl Lists {
    fn request(&mut self, params: &Value) -> Option<&mut Request> {
        let id = params["requestId"].as_str()?;
        self.requests.iter_mut().rev().find(|r| r.id == id)
    }
}

impl Request {
    fn answer(&mut self, response: &Value) {
        self.status = response["status"].as_u64().and_then(|s| u16::try_from(s).ok());
        self.from_cache |= response["fromDiskCache"] == true;
    }
}

/// CDP counts bytes in floating point.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
fn bytes(value: &Value) -> u64 {
    value["encodedDataLength"].as_f64().unwrap_or_default().max(0.0) as u64
}

fn arguments(args: &Value) -> String {
    let words: Vec<_> = args
        .as_array()
        .into_iter()
        .flatten()
        .map(|arg| match (arg["value"].as_str(), arg["description"].as_str()) {
            (Some(text), _) | (None, Some(text)) => text.to_owned(),
            (None, None) => arg["value"].to_string(),
        })
        .collect();
    words.join(" ")
}
