//! A page (tab): navigation, keyboard, looks, evaluation, screenshots, what it did.

use std::{
    fs,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::{
    Context, Error,
    record::{Record, Request, Traffic},
    text,
};

/// How long a wait lasts before it fails; generous, because a busy machine with two cores runs many tests at once.
const DEADLINE: u64 = 20_000;
/// How often a wait looks again.
const STEP: Duration = Duration::from_millis(25);

/// One page. It closes when dropped.
pub struct Page {
    context: Context,
    target: String,
    session: String,
    record: Arc<Record>,
    /// Milliseconds.
    deadline: AtomicU64,
}

impl Drop for Page {
    fn drop(&mut self) {
        let connection = self.context.connection();
        connection.forget(&self.session);
        connection.send(None, "Target.closeTarget", &json!({ "targetId": self.target }));
    }
}

impl Page {
    pub(super) async fn open(context: Context) -> Result<Self, Error> {
        let connection = context.connection();
        let new = json!({ "url": "about:blank", "browserContextId": context.0.id, "newWindow": true });
        let target = text(&connection.call(None, "Target.createTarget", new).await?, "targetId")?;
        let attach = json!({ "targetId": target, "flatten": true });
        let session = text(&connection.call(None, "Target.attachToTarget", attach).await?, "sessionId")?;
        let record = Arc::new(Record::default());
        connection.listen(&session, record.clone());
        let page = Self { context, target, session, record, deadline: AtomicU64::new(DEADLINE) };
        for domain in ["Page", "Runtime", "Log", "Network", "Inspector", "DOM"] {
            page.call(&format!("{domain}.enable"), json!({})).await?;
        }
        // Passkeys and `:focus` need a page that has the focus, also when another one was opened later.
        page.call("Emulation.setFocusEmulationEnabled", json!({ "enabled": true })).await?;
        Ok(page)
    }

    /// The context whose cookies this page uses.
    #[must_use]
    pub fn context(&self) -> &Context {
        &self.context
    }

    /// How long every wait of this page may last from now on; 20 s unless set.
    pub fn set_deadline(&self, deadline: Duration) {
        let milliseconds = deadline.as_millis().try_into().unwrap_or(u64::MAX);
        self.deadline.store(milliseconds, Ordering::Relaxed);
    }

    /// Sends any command of the DevTools protocol to this page: the way out for what has no method here.
    ///
    /// # Errors
    /// When Chromium refuses it or does not answer within 30 s.
    pub async fn call(&self, method: &str, params: Value) -> Result<Value, Error> {
        self.context.connection().call(Some(&self.session), method, params).await
    }

    /// Goes to `url` and waits until that page, or the one it redirects to, has loaded.
    ///
    /// # Errors
    /// When the server can't be reached, the answer is no page (204, a download), or the deadline passes.
    pub async fn goto(&self, url: &str) -> Result<(), Error> {
        let answer = self.call("Page.navigate", json!({ "url": url })).await?;
        if let Some(error) = answer["errorText"].as_str().filter(|e| !e.is_empty()) {
            return Err(Error::new(format!("goto {url}: {error}")));
        }
        // Another hash alone loads nothing.
        if answer["loaderId"].is_null() {
            return self.reload().await;
        }
        self.wait_loaded().await
    }

    /// Loads the page again, as F5.
    ///
    /// # Errors
    /// When the deadline passes.
    pub async fn reload(&self) -> Result<(), Error> {
        // The old document must not be taken for the new one.
        self.eval::<Value>("void (window.__pidOld = true)").await?;
        self.call("Page.reload", json!({})).await?;
        self.until("reload", async || Ok(self.eval::<bool>("!window.__pidOld").await?.then_some(()))).await?;
        self.wait_loaded().await
    }

    /// Goes back one step in the history, as the browser's button.
    ///
    /// # Errors
    /// When there is no step back.
    pub async fn back(&self) -> Result<(), Error> {
        let (entries, current) = self.history().await?;
        let before = current.checked_sub(1).and_then(|i| entries.get(i));
        let Some(before) = before else {
            return Err(self.explain("no page to go back to").await);
        };
        self.call("Page.navigateToHistoryEntry", json!({ "entryId": before["id"] })).await?;
        self.until("go back", async || Ok((self.history().await?.1 < current).then_some(()))).await
    }

    /// Waits until the document and what it needs have loaded.
    ///
    /// # Errors
    /// When the deadline passes.
    pub async fn wait_loaded(&self) -> Result<(), Error> {
        self.until("load", async || Ok(self.eval::<bool>("document.readyState === 'complete'").await?.then_some(())))
            .await
    }

    /// The address of the page.
    ///
    /// # Errors
    /// When Chromium does not answer.
    pub async fn url(&self) -> Result<String, Error> {
        let (entries, current) = self.history().await?;
        Ok(entries.get(current).and_then(|e| e["url"].as_str()).unwrap_or_default().to_owned())
    }

    async fn history(&self) -> Result<(Vec<Value>, usize), Error> {
        let history = self.call("Page.getNavigationHistory", json!({})).await?;
        let entries = history["entries"].as_array().cloned().unwrap_or_default();
        let current = history["currentIndex"].as_u64().and_then(|i| usize::try_from(i).ok());
        Ok((entries, current.unwrap_or_default()))
    }

    /// Waits until the address fulfils `wanted` and that page has loaded; returns the address.
    ///
    /// # Errors
    /// When the deadline passes; the error names the address.
    pub async fn wait_for_url(&self, wanted: impl Fn(&str) -> bool) -> Result<String, Error> {
        let look = async || Ok(Some(self.url().await?).filter(|url| wanted(url)));
        let url = self.until("reach the expected address", look).await?;
        self.wait_loaded().await?;
        Ok(url)
    }

    /// Waits until the visible text of the page contains `text`.
    ///
    /// # Errors
    /// When the deadline passes.
    pub async fn wait_for_text(&self, text: &str) -> Result<(), Error> {
        self.until(&format!("show {text:?}"), async || Ok(self.visible_text().await?.contains(text).then_some(())))
            .await
    }

    /// The visible text of the page.
    ///
    /// # Errors
    /// When Chromium does not answer.
    pub async fn visible_text(&self) -> Result<String, Error> {
        self.eval("document.body?.innerText ?? ''").await
    }

    /// Evaluates a JavaScript expression in the page, waits for it if it is a promise, and reads its JSON value
    /// (`undefined` reads as `null`).
    ///
    /// # Errors
    /// When it throws, or its value is not a `T`.
    pub async fn eval<T: DeserializeOwned>(&self, expression: &str) -> Result<T, Error> {
        let params = json!({
            "expression": expression, "awaitPromise": true, "returnByValue": true, "userGesture": true,
        });
        let answer = self.call("Runtime.evaluate", params).await?;
        value(answer, expression)
    }

    /// Runs a script in every document that this page opens from now on, before the document's own scripts.
    ///
    /// # Errors
    /// When Chromium does not answer.
    pub async fn on_new_document(&self, script: &str) -> Result<(), Error> {
        let params = json!({ "source": script });
        self.call("Page.addScriptToEvaluateOnNewDocument", params).await.map(drop)
    }

    /// Presses and releases a key, with real key events: a character, or `Enter`, `Tab`, `Escape`, `Space`,
    /// `Backspace`, `Delete`, `ArrowLeft`, `Home`, `PageDown`, …; with `Shift+`, `Control+`, `Alt+`, `Meta+` before it.
    ///
    /// # Errors
    /// When the name is no key.
    pub async fn press(&self, key: &str) -> Result<(), Error> {
        let mut down = key_event(key).ok_or_else(|| Error::new(format!("no key is called {key:?}")))?;
        let mut up = down.clone();
        down["type"] = if down.get("text").is_some() { "keyDown" } else { "rawKeyDown" }.into();
        self.call("Input.dispatchKeyEvent", down).await?;
        if let Some(up) = up.as_object_mut() {
            up.remove("text");
            up.remove("commands");
        }
        up["type"] = "keyUp".into();
        self.call("Input.dispatchKeyEvent", up).await.map(drop)
    }

    /// Types into whatever has the focus, key by key.
    ///
    /// # Errors
    /// As [`Page::press`].
    pub async fn type_text(&self, text: &str) -> Result<(), Error> {
        for character in text.chars() {
            self.press(character.encode_utf8(&mut [0; 4])).await?;
        }
        Ok(())
    }

    /// Sets the size of the window in CSS pixels; `mobile` also turns on touch and mobile scrollbars.
    ///
    /// # Errors
    /// When Chromium does not answer.
    pub async fn set_viewport(&self, width: u32, height: u32, mobile: bool) -> Result<(), Error> {
        let params = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": mobile });
        self.call("Emulation.setDeviceMetricsOverride", params).await?;
        self.call("Emulation.setTouchEmulationEnabled", json!({ "enabled": mobile })).await.map(drop)
    }

    /// Sets what the person prefers, by media feature; each call replaces the one before.
    /// `&[("prefers-color-scheme", "dark"), ("prefers-reduced-motion", "reduce")]`
    ///
    /// # Errors
    /// When Chromium does not know a feature.
    pub async fn set_media(&self, features: &[(&str, &str)]) -> Result<(), Error> {
        let features: Vec<_> = features.iter().map(|(name, value)| json!({ "name": name, "value": value })).collect();
        self.call("Emulation.setEmulatedMedia", json!({ "features": features })).await.map(drop)
    }

    /// Prefers `light` or `dark`.
    ///
    /// # Errors
    /// As [`Page::set_media`].
    pub async fn set_color_scheme(&self, scheme: &str) -> Result<(), Error> {
        self.set_media(&[("prefers-color-scheme", scheme)]).await
    }

    /// Sends these headers with every request of the page, for example `Accept-Language`.
    ///
    /// # Errors
    /// When Chromium does not answer.
    pub async fn set_headers(&self, headers: &[(&str, &str)]) -> Result<(), Error> {
        let headers: serde_json::Map<_, _> = headers.iter().map(|(k, v)| ((*k).to_owned(), (*v).into())).collect();
        self.call("Network.setExtraHTTPHeaders", json!({ "headers": headers })).await.map(drop)
    }

    /// Writes a PNG of the whole page, also of what lies below the window's edge; makes the folder.
    ///
    /// # Errors
    /// When the file can't be written.
    pub async fn screenshot(&self, path: impl AsRef<Path>) -> Result<(), Error> {
        let path = path.as_ref();
        let size = self.call("Page.getLayoutMetrics", json!({})).await?["cssContentSize"].take();
        let clip = json!({ "x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1 });
        let params = json!({ "format": "png", "captureBeyondViewport": true, "clip": clip });
        let picture = text(&self.call("Page.captureScreenshot", params).await?, "data")?;
        let bytes = STANDARD.decode(picture).map_err(|e| Error::new(format!("screenshot: {e}")))?;
        path.parent()
            .map_or(Ok(()), fs::create_dir_all)
            .and_then(|()| fs::write(path, bytes))
            .map_err(|e| Error::new(format!("{}: {e}", path.display())))
    }

    /// Errors on the console since the page was opened or [`Page::clear_console_errors`]: `console.error`, uncaught
    /// exceptions and rejections, and what the browser reports (refused by CSP, 4xx and 5xx of what the page loads).
    #[must_use]
    pub fn console_errors(&self) -> Vec<String> {
        self.record.errors()
    }

    /// Forgets the errors so far.
    pub fn clear_console_errors(&self) {
        self.record.clear_errors();
    }

    /// All requests since the page was opened or [`Page::clear_requests`], in the order they were sent.
    #[must_use]
    pub fn requests(&self) -> Vec<Request> {
        self.record.requests()
    }

    /// Forgets the requests so far: the mark from which [`Page::traffic`] counts.
    pub fn clear_requests(&self) {
        self.record.clear_requests();
    }

    /// Number and weight of the requests since the mark. Bytes of a request count when it has finished, see
    /// [`Page::wait_idle`].
    #[must_use]
    pub fn traffic(&self) -> Traffic {
        let wire = |r: &&Request| !r.from_cache;
        let requests = self.requests();
        Traffic {
            requests: requests.iter().filter(wire).count(),
            bytes: requests.iter().filter(wire).map(|r| r.bytes).sum(),
        }
    }

    /// Waits until no request has begun or ended for 300 ms.
    ///
    /// # Errors
    /// When the deadline passes.
    pub async fn wait_idle(&self) -> Result<(), Error> {
        let mut before = self.requests();
        let mut since = Instant::now();
        self.until("stop loading", async || {
            let now = self.requests();
            if now != before {
                before = now;
                since = Instant::now();
            }
            Ok((since.elapsed() > Duration::from_millis(300)).then_some(()))
        })
        .await
    }

    /// Addresses that the page asked the browser to go to (links, scripts, form posts), also those that no page came
    /// from: `app.example:/callback` of a native app, a refused `form-action`.
    #[must_use]
    pub fn navigations(&self) -> Vec<String> {
        self.record.navigations()
    }

    /// Waits until the page has asked for this address, see [`Page::navigations`].
    ///
    /// # Errors
    /// When the deadline passes.
    pub async fn wait_for_navigation(&self, url: &str) -> Result<(), Error> {
        self.until(&format!("go to {url}"), async || Ok(self.navigations().iter().any(|n| n == url).then_some(())))
            .await
    }

    /// Texts of the `alert`, `confirm`, `prompt` and leave-page dialogs so far; each was accepted at once.
    #[must_use]
    pub fn dialogs(&self) -> Vec<String> {
        self.record.dialogs()
    }

    /// Looks again and again until there is something; an error of one look counts as "not yet", because pages come and
    /// go while they are looked at.
    pub(super) async fn until<T>(
        &self,
        what: &str,
        mut look: impl AsyncFnMut() -> Result<Option<T>, Error>,
    ) -> Result<T, Error> {
        let limit = Duration::from_millis(self.deadline.load(Ordering::Relaxed));
        let end = Instant::now() + limit;
        loop {
            let last = match look().await {
                Ok(Some(found)) => return Ok(found),
                Ok(None) => None,
                Err(error) => Some(error),
            };
            if Instant::now() >= end {
                let why = last.map(|e| format!(": {e}")).unwrap_or_default();
                return Err(self.explain(&format!("did not {what} within {limit:?}{why}")).await);
            }
            tokio::time::sleep(STEP).await;
        }
    }

    /// An error that shows the page: address, title, focus, text, console.
    pub(super) async fn explain(&self, what: &str) -> Error {
        const LOOK: &str = "(() => { const f = document.activeElement; return [document.title, \
            f ? f.outerHTML.slice(0, 200) : '', (document.body?.innerText ?? '').slice(0, 3000)]; })()";
        let url = self.url().await.unwrap_or_else(|e| e.to_string());
        let (title, focus, text) = self.eval::<(String, String, String)>(LOOK).await.unwrap_or_default();
        let errors = self.console_errors().join("\n  ");
        Error::new(format!(
            "{what}\n- address: {url}\n- title: {title}\n- focus: {focus}\n- console errors: {errors}\n- text:\n{text}"
        ))
    }
}

/// The JSON value in the answer of `Runtime.evaluate` or `Runtime.callFunctionOn`.
pub(super) fn value<T: DeserializeOwned>(mut answer: Value, what: &str) -> Result<T, Error> {
    if let Some(details) = answer.get("exceptionDetails") {
        let thrown = details["exception"]["description"].as_str().map_or_else(|| details.to_string(), str::to_owned);
        return Err(Error::new(format!("{thrown}\nin: {what}")));
    }
    serde_json::from_value(answer["result"]["value"].take()).map_err(|e| Error::new(format!("{e}\nin: {what}")))
}

/// The parameters of `Input.dispatchKeyEvent` for a key such as `Shift+Tab`.
fn key_event(name: &str) -> Option<Value> {
    let (mut modifiers, mut key) = (0, name);
    while let Some((modifier, rest)) = key.split_once('+').filter(|(_, rest)| !rest.is_empty()) {
        modifiers |= match modifier {
            "Alt" => 1,
            "Control" => 2,
            "Meta" => 4,
            "Shift" => 8,
            _ => return None,
        };
        key = rest;
    }
    let (key, code, number, text) = match key {
        "Enter" => ("Enter", "Enter", 13, Some("\r")),
        "Space" | " " => (" ", "Space", 32, Some(" ")),
        "Tab" => ("Tab", "Tab", 9, None),
        "Escape" => ("Escape", "Escape", 27, None),
        "Backspace" => ("Backspace", "Backspace", 8, None),
        "Delete" => ("Delete", "Delete", 46, None),
        "ArrowLeft" => ("ArrowLeft", "ArrowLeft", 37, None),
        "ArrowUp" => ("ArrowUp", "ArrowUp", 38, None),
        "ArrowRight" => ("ArrowRight", "ArrowRight", 39, None),
        "ArrowDown" => ("ArrowDown", "ArrowDown", 40, None),
        "PageUp" => ("PageUp", "PageUp", 33, None),
        "PageDown" => ("PageDown", "PageDown", 34, None),
        "End" => ("End", "End", 35, None),
        "Home" => ("Home", "Home", 36, None),
        _ => {
            let mut characters = key.chars();
            let character = characters.next().filter(|_| characters.next().is_none())?;
            let number = u32::from(character.to_ascii_uppercase());
            let code = if character.is_ascii_alphabetic() {
                format!("Key{}", character.to_ascii_uppercase())
            } else if character.is_ascii_digit() {
                format!("Digit{character}")
            } else {
                String::new()
            };
            let mut event = json!({
                "key": key, "code": code, "modifiers": modifiers,
                "windowsVirtualKeyCode": if character.is_ascii_alphanumeric() { number } else { 0 },
            });
            // With Control or Meta a key is a command, not a character.
            if modifiers & 0b110 == 0 {
                event["text"] = key.into();
            } else if key == "a" {
                event["commands"] = json!(["selectAll"]);
            }
            return Some(event);
        }
    };
    let mut event = json!({ "key": key, "code": code, "windowsVirtualKeyCode": number, "modifiers": modifiers });
    if let Some(text) = text {
        event["text"] = text.into();
    }
    Some(event)
}
