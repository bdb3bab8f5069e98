//! A real Chromium, headless, driven over the DevTools protocol.
//!
//! ```no_run
//! # async fn walk() -> Result<(), pid_testkit::chromium::Error> {
//! use pid_testkit::chromium::{Browser, role};
//! let browser = Browser::shared().await?; // one Chromium for all tests that run now
//! let page = browser.context().await?.page().await?; // cookies of its own
//! let authenticator = page.authenticator().await?; // a platform passkey, before it is used
//! page.goto("http://localhost:1411/login").await?;
//! page.click(role("button", "Authenticate")).await?; // by what a screen reader says
//! page.wait_for_url(|url| url.ends_with("/settings/account")).await?;
//! assert_eq!(page.console_errors(), Vec::<String>::new());
//! # drop(authenticator);
//! # Ok(()) }
//! ```
//!
//! The driver is our own and small: commands and events are JSON over a pair of pipes (`--remote-debugging-pipe`), so
//! it needs neither a WebSocket nor generated types, no port is open, and Chromium ends when the test process does,
//! however it ends. (`chromiumoxide`, looked at first, takes minutes to build for its generated types.)
//!
//! Every wait has a deadline, and its error says what was on the page.

mod cdp;
mod element;
mod page;
mod record;
mod webauthn;

use std::{
    fmt, fs,
    path::PathBuf,
    process::Command,
    sync::{Arc, Weak},
    thread,
    time::Duration,
};

use serde_json::{Value, json};

use crate::process::Process;
use cdp::Connection;

pub use element::{Locator, role};
pub use page::Page;
pub use record::{Request, Traffic};
pub use webauthn::{Algorithm, Authenticator, AuthenticatorOptions, Credential};

/// Where Debian and most others install it; `CHROMIUM` overrides.
const PROGRAM: &str = "chromium";

/// What went wrong in the browser, in words.
pub struct Error(String);

impl Error {
    fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The same as `Display`, so that `unwrap()` in a test prints a readable text.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Error {}

/// A running Chromium with a profile of its own; cheap to clone, ends with the last clone, context and page.
#[derive(Clone)]
pub struct Browser(Arc<Running>);

struct Running {
    connection: Arc<Connection>,
    process: Process,
    profile: PathBuf,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.process.stop();
        // Helpers of the browser may write for a moment longer.
        for _ in 0..20 {
            if fs::remove_dir_all(&self.profile).is_ok() {
                break;
            }
            thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Browser {
    /// Starts a Chromium.
    ///
    /// It resolves no host but `localhost` and its subdomains, so a test can't reach the network.
    ///
    /// # Errors
    /// When it is not installed or does not answer within a minute.
    pub async fn launch() -> Result<Self, Error> {
        Self::launch_with(&[]).await
    }

    /// As [`Browser::launch`], with more flags; the last of several of a name counts.
    ///
    /// # Errors
    /// As [`Browser::launch`].
    pub async fn launch_with(more: &[String]) -> Result<Self, Error> {
        let profile = tempfile::Builder::new()
            .prefix("pid-chromium-")
            .tempdir()
            .map_err(|e| Error::new(format!("no folder for the profile: {e}")))?
            .keep();
        // Chromium speaks on descriptors 3 and 4; the standard library can pass only 0 to 2, so the shell moves them.
        let mut command = Command::new("sh");
        command
            .args(["-c", "exec 3<&0 4>&1 </dev/null >&2; exec \"$@\"", "sh"])
            .arg(std::env::var_os("CHROMIUM").unwrap_or_else(|| PROGRAM.into()))
            .args(FLAGS)
            .args(more)
            .arg(format!("--user-data-dir={}", profile.display()))
            .arg("about:blank")
            // Nothing is read from or left in the home of the person who runs the tests.
            .env("HOME", &profile)
            .env("LANG", "en_US.UTF-8")
            .env_remove("XDG_CONFIG_HOME")
            .env_remove("XDG_CACHE_HOME")
            .env_remove("DBUS_SESSION_BUS_ADDRESS");
        let (process, input, output) =
            Process::spawn_piped(&mut command, profile.join("log.txt")).map_err(|e| Error::new(e.to_string()))?;
        let running = Running { connection: Connection::new(input, output), process, profile };
        running
            .connection
            .call_within(Duration::from_secs(60), None, "Browser.getVersion", json!({}))
            .await
            .map_err(|e| Error::new(format!("Chromium: {e}\n{}", running.process.log())))?;
        Ok(Self(Arc::new(running)))
    }

    /// The Chromium that other tests of this process use at the moment, or a new one if there is none.
    ///
    /// Contexts keep the tests apart, and starting a browser costs a second or two.
    ///
    /// # Errors
    /// As [`Browser::launch`].
    pub async fn shared() -> Result<Self, Error> {
        static SHARED: tokio::sync::Mutex<Weak<Running>> = tokio::sync::Mutex::const_new(Weak::new());
        let mut shared = SHARED.lock().await;
        if let Some(running) = shared.upgrade() {
            return Ok(Self(running));
        }
        let browser = Self::launch().await?;
        *shared = Arc::downgrade(&browser.0);
        Ok(browser)
    }

    /// The name and version, such as `Chrome/140.0.7339.80`.
    ///
    /// # Errors
    /// When Chromium does not answer.
    pub async fn version(&self) -> Result<String, Error> {
        let answer = self.0.connection.call(None, "Browser.getVersion", json!({})).await?;
        Ok(answer["product"].as_str().unwrap_or_default().to_owned())
    }

    /// The process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.0.process.id()
    }

    /// A new context: cookies, storage and cache of its own, as an incognito window.
    ///
    /// # Errors
    /// When Chromium does not answer.
    pub async fn context(&self) -> Result<Context, Error> {
        let answer = self.0.connection.call(None, "Target.createBrowserContext", json!({})).await?;
        Ok(Context(Arc::new(Isolated { browser: self.0.clone(), id: text(&answer, "browserContextId")? })))
    }
}

/// An isolated set of cookies, storage and cache; cheap to clone, cleared with the last clone and page.
#[derive(Clone)]
pub struct Context(Arc<Isolated>);

struct Isolated {
    browser: Arc<Running>,
    id: String,
}

impl Drop for Isolated {
    fn drop(&mut self) {
        self.browser.connection.send(None, "Target.disposeBrowserContext", &json!({ "browserContextId": self.id }));
    }
}

impl Context {
    /// Opens an empty page (a tab).
    ///
    /// # Errors
    /// When Chromium does not answer.
    pub async fn page(&self) -> Result<Page, Error> {
        Page::open(self.clone()).await
    }

    /// Every cookie of this context, `HttpOnly` ones too, in the form of CDP's `Network.Cookie`
    /// (`name`, `value`, `domain`, `path`, `expires`, `httpOnly`, `secure`, `sameSite`, `session`).
    ///
    /// # Errors
    /// When Chromium does not answer.
    pub async fn cookies(&self) -> Result<Vec<Value>, Error> {
        let answer = self.storage("Storage.getCookies", json!({})).await?;
        Ok(answer["cookies"].as_array().cloned().unwrap_or_default())
    }

    /// The value of a cookie by its name.
    ///
    /// # Errors
    /// When Chromium does not answer.
    pub async fn cookie(&self, name: &str) -> Result<Option<String>, Error> {
        let cookies = self.cookies().await?;
        let found = cookies.iter().find(|c| c["name"] == name);
        Ok(found.and_then(|c| c["value"].as_str()).map(str::to_owned))
    }

    /// Sets a cookie as the server at `url` would.
    ///
    /// # Errors
    /// When Chromium refuses it.
    pub async fn set_cookie(&self, url: &str, name: &str, value: &str) -> Result<(), Error> {
        let cookies = json!([{ "url": url, "name": name, "value": value }]);
        self.storage("Storage.setCookies", json!({ "cookies": cookies })).await.map(drop)
    }

    /// Forgets all cookies.
    ///
    /// # Errors
    /// When Chromium does not answer.
    pub async fn clear_cookies(&self) -> Result<(), Error> {
        self.storage("Storage.clearCookies", json!({})).await.map(drop)
    }

    /// Forgets the cookies of one host.
    ///
    /// # Errors
    /// When Chromium does not answer.
    pub async fn clear_cookies_of(&self, url: &str) -> Result<(), Error> {
        let host = url::Url::parse(url).ok().and_then(|u| u.host_str().map(str::to_owned));
        let all = self.cookies().await?;
        self.clear_cookies().await?;
        let kept: Vec<_> = all.into_iter().filter(|c| c["domain"].as_str() != host.as_deref()).collect();
        self.storage("Storage.setCookies", json!({ "cookies": kept })).await.map(drop)
    }

    /// Grants permissions by CDP's names, for example `clipboardReadWrite` and `clipboardSanitizedWrite` to pages that
    /// have a copy button.
    ///
    /// # Errors
    /// When Chromium does not know one.
    pub async fn grant(&self, permissions: &[&str]) -> Result<(), Error> {
        let permissions = json!({ "permissions": permissions });
        self.storage("Browser.grantPermissions", permissions).await.map(drop)
    }

    async fn storage(&self, method: &str, mut params: Value) -> Result<Value, Error> {
        params["browserContextId"] = self.0.id.as_str().into();
        self.connection().call(None, method, params).await
    }

    fn connection(&self) -> &Arc<Connection> {
        &self.0.browser.connection
    }
}

fn text(answer: &Value, member: &str) -> Result<String, Error> {
    answer[member].as_str().map(str::to_owned).ok_or_else(|| Error::new(format!("no {member} in {answer}")))
}

const FLAGS: &[&str] = &[
    "--headless=new",
    "--remote-debugging-pipe",
    "--no-sandbox", // tests run as root in containers
    "--disable-dev-shm-usage",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--no-default-browser-check",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-breakpad",
    "--disable-extensions",
    "--password-store=basic",
    "--lang=en-US",
    "--force-color-profile=srgb",
    "--window-size=1280,800",
    // Several pages work at once; none is "in the background".
    "--disable-background-timer-throttling",
    "--disable-backgrounding-occluded-windows",
    "--disable-renderer-backgrounding",
    // Loopback only.
    "--no-proxy-server",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE *.localhost, EXCLUDE 127.0.0.1, EXCLUDE [::1]",
];
