//! What browser tests begin with: a server and tabs of the shared Chromium.

use http::Method;
use pid_testkit::chromium::{Browser, Context, Page, role};
use pid_tests::{Agent, TestApp};
use serde_json::{Value, json};

/// A server and a window with cookies of its own.
pub struct Stage {
    /// The server.
    pub app: TestApp,
    /// The window.
    pub window: Context,
}

impl Stage {
    /// A server with nobody in it.
    pub async fn empty() -> Self {
        Self::with(TestApp::start().await).await
    }

    /// A window for a server.
    pub async fn with(app: TestApp) -> Self {
        let browser = Browser::shared().await.unwrap();
        let window = browser.context().await.unwrap();
        Self { app, window }
    }

    /// Another window, with cookies and a cache of its own.
    pub async fn new_window(&self) -> Context {
        Browser::shared().await.unwrap().context().await.unwrap()
    }

    /// A tab.
    pub async fn tab(&self) -> Page {
        self.window.page().await.unwrap()
    }

    /// The address of a page.
    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.app.url())
    }

    /// Opens a page.
    pub async fn open(&self, tab: &Page, path: &str) {
        tab.goto(&self.url(path)).await.unwrap();
    }

    /// Signs the window in as an agent is.
    pub async fn sign_in_as(&self, agent: &Agent) {
        let cookie = agent.cookie("access_token").expect("somebody is signed in");
        self.window.set_cookie(self.app.url(), "access_token", &cookie).await.unwrap();
    }

    /// Signs the window out, behind the page's back.
    pub async fn forget(&self) {
        self.window.clear_cookies().await.unwrap();
    }

    /// The address at which a client sends people here: `more` over a good request of this client.
    pub fn authorize(&self, client: &Value, more: &[(&str, &str)]) -> String {
        let mut url = url::Url::parse(&self.url("/authorize")).unwrap();
        let usual = [
            ("client_id", client["id"].as_str().unwrap()),
            ("response_type", "code"),
            ("redirect_uri", client["callbackURLs"][0].as_str().unwrap()),
            ("scope", "openid profile email groups"),
            ("state", "state-1"),
            ("nonce", "nonce-1"),
        ];
        let kept = usual.iter().filter(|(name, _)| more.iter().all(|(other, _)| other != name));
        url.query_pairs_mut().extend_pairs(kept).extend_pairs(more);
        url.into()
    }

    /// A client whose callback is a page that answers: the server's own, so nothing else need run.
    pub async fn client(&self, body: Value) -> Value {
        let mut wanted = json!({ "callbackURLs": [self.url("/robots.txt")], "name": "Nextcloud" });
        wanted.as_object_mut().unwrap().extend(body.as_object().unwrap().clone());
        self.app.client(wanted).await
    }

    /// A login code for somebody, made by an administrator.
    pub async fn login_code(&self, user: &str) -> String {
        let path = format!("/api/users/{user}/one-time-access-token");
        let made = self.app.script().post(&path, &json!({})).await.expect(201).json();
        made["token"].as_str().unwrap().to_owned()
    }

    /// Changes the configuration.
    pub async fn configure(&self, values: Value) {
        let script = self.app.script();
        let request = script.request(Method::PATCH, "/api/application-configuration");
        let request = request.header("content-type", "application/merge-patch+json").body(values.to_string());
        script.send(request).await.expect(200);
    }
}

/// Fills in the first run's form and sends it.
pub async fn set_up(tab: &Page) {
    for (label, value) in
        [("Username", "ada"), ("Email", "ada@example.com"), ("First name", "Ada"), ("Last name", "Lovelace")]
    {
        tab.fill(role("textbox", label), value).await.unwrap();
    }
    tab.click(role("button", "Sign Up")).await.unwrap();
    tab.wait_for(role("heading", "Set up your passkey")).await.unwrap();
}

/// Looks until it is so, ten seconds long; what a look finds instead is what the test says.
pub async fn until(mut look: impl AsyncFnMut() -> Result<(), String>) {
    let mut found = Ok(());
    for _ in 0..400 {
        found = look().await;
        if found.is_ok() {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(25)).await;
    }
    found.unwrap();
}

/// Waits until what has this role and name has the focus.
pub async fn focused(tab: &Page, role: &str, name: &str) {
    let wanted = (role.to_owned(), name.to_owned());
    until(async || {
        let has = tab.focused().await.ok();
        if has.as_ref() == Some(&wanted) { Ok(()) } else { Err(format!("not {wanted:?} but {has:?} has the focus")) }
    })
    .await;
}

/// Lets the passkey prompts of the documents that a tab opens from now on wait, as people do, until [`answer_prompt`].
pub async fn hold_prompts(tab: &Page) {
    tab.on_new_document(
        "{
            const get = CredentialsContainer.prototype.get;
            const answered = new Promise((done) => { window.answerPrompt = done; });
            CredentialsContainer.prototype.get = async function (options) {
                if (!options?.mediation) {
                    window.prompted = true;
                    await answered;
                }
                return get.call(this, options);
            };
        }",
    )
    .await
    .unwrap();
}

/// Waits for the prompt.
pub async fn prompted(tab: &Page) {
    let wait = "new Promise((done) => { const t = setInterval(() => window.prompted && (clearInterval(t), done(true)), 10); })";
    assert!(tab.eval::<bool>(wait).await.unwrap());
}

/// Waits for the prompt and answers it.
pub async fn answer_prompt(tab: &Page) {
    prompted(tab).await;
    tab.eval::<()>("answerPrompt()").await.unwrap();
}

/// Demands a quiet console: no error, nothing refused by the policy. What the browser looks for at an application (which has
/// no icon) is not ours.
pub fn quiet(tab: &Page, ours: &str) {
    let mut errors = tab.console_errors();
    errors.retain(|error| !error.ends_with("/favicon.ico") || error.contains(ours));
    assert_eq!(errors, Vec::<String>::new());
}
