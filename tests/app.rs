//! A server of one's own, on the engine that `TEST_ENGINE` names (`sqlite` unless set to `postgres`).

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use pid_http::state::{App, Clock};
use pid_integrations::fetch::{Fetcher, Guard};
use pid_testkit::postgres::{Database, fresh_database};
use pid_testkit::process::free_port;
use pocket_id::app::{Running, start_with};
use pocket_id::config::Config;
use serde_json::json;

use crate::{Agent, Person};

/// Whether this run is on PostgreSQL.
#[must_use]
pub fn on_postgres() -> bool {
    std::env::var("TEST_ENGINE").is_ok_and(|engine| engine == "postgres")
}

/// What a server's outbound client is made by.
type Reach = Arc<dyn Fn(Guard) -> Fetcher + Send + Sync>;

/// A listening server with its own data folder or database, its clock in the test's hand.
pub struct TestApp {
    running: Option<Running>,
    environment: BTreeMap<String, String>,
    clock: Clock,
    reach: Reach,
    dir: tempfile::TempDir,
    // After the server, so that nobody is connected when it is dropped.
    database: Option<Database>,
}

impl TestApp {
    /// The static API key of every test server: an administrator.
    pub const API_KEY: &str = "test-api-key-0123456789";

    /// Starts a server with nobody in it.
    pub async fn start() -> Self {
        Self::start_with(&[]).await
    }

    /// Starts a server with environment variables of its own (they win over the tests' defaults).
    pub async fn start_with(variables: &[(&str, &str)]) -> Self {
        Self::start_reaching(variables, Arc::new(Fetcher::new)).await
    }

    /// As [`TestApp::start_with`], with an outbound client that knows other servers, such as [`crate::Documents`].
    pub async fn start_reaching(variables: &[(&str, &str)], reach: Reach) -> Self {
        let dir = tempfile::tempdir().expect("a folder for the data");
        let port = free_port().expect("a free port");
        let database = on_postgres().then(fresh_database);
        let store = match &database {
            Some(database) => database.url().to_owned(),
            None => dir.path().join("pocket-id.db").display().to_string(),
        };
        let mut environment: BTreeMap<String, String> = [
            ("APP_URL", format!("http://localhost:{port}")),
            ("HOST", Ipv4Addr::LOCALHOST.to_string()),
            ("PORT", port.to_string()),
            ("DB_CONNECTION_STRING", store),
            ("ENCRYPTION_KEY", "test-encryption-key".to_owned()),
            ("STATIC_API_KEY", Self::API_KEY.to_owned()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into();
        environment.extend(variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        let mut app = Self { running: None, environment, clock: Clock::default(), reach, dir, database };
        app.run().await;
        app
    }

    async fn run(&mut self) {
        let config = Config::read(&self.environment).expect("a good configuration");
        let running = start_with(config, self.clock.clone(), |guard| (self.reach)(guard))
            .await
            .unwrap_or_else(|e| panic!("the server does not start: {e}"));
        self.running = Some(running);
        for _ in 0..1000 {
            if self.app().keys().is_ready() {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        panic!("the first signing key was not made");
    }

    /// Starts the server again with these variables.
    pub async fn set(&mut self, variables: &[(&str, &str)]) {
        self.environment.extend(variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        self.restart().await;
    }

    /// Another server of the same instance: its own port, the same database and clock. PostgreSQL only.
    pub async fn replica(&self) -> Self {
        assert!(on_postgres(), "one SQLite file, one server");
        let mut environment = self.environment.clone();
        environment.insert("PORT".to_owned(), free_port().expect("a free port").to_string());
        let dir = tempfile::tempdir().expect("a folder for the data");
        let mut app = Self {
            running: None,
            environment,
            clock: self.clock.clone(),
            reach: self.reach.clone(),
            dir,
            database: None,
        };
        app.run().await;
        app
    }

    fn running(&self) -> &Running {
        self.running.as_ref().expect("the server runs")
    }

    /// The server's state.
    #[must_use]
    pub fn app(&self) -> &App {
        &self.running().app
    }

    /// Stops the server and starts it again on the same data, so that a test sees what was really stored.
    pub async fn restart(&mut self) {
        if let Some(running) = self.running.take() {
            running.stop().await;
        }
        self.run().await;
    }

    /// Stops the server.
    pub async fn stop(&mut self) {
        if let Some(running) = self.running.take() {
            running.stop().await;
        }
    }

    /// `APP_URL`, without a trailing slash: the issuer and the origin of passkeys.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.environment["APP_URL"]
    }

    /// Where the server really listens, for example `http://127.0.0.1:20123`.
    #[must_use]
    pub fn listens_at(&self) -> String {
        format!("http://{}", self.running().address)
    }

    /// The code for set-up from public addresses.
    #[must_use]
    pub fn setup_code(&self) -> &str {
        &self.running().setup_code
    }

    /// The PostgreSQL database, unless this run is on SQLite.
    pub(crate) fn database(&self) -> Option<&Database> {
        self.database.as_ref()
    }

    /// The data folder.
    #[must_use]
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// The SQLite file.
    #[must_use]
    pub fn sqlite_file(&self) -> PathBuf {
        self.dir.path().join("pocket-id.db")
    }

    /// Moves the server's clock, seconds.
    pub fn advance(&self, secs: i64) {
        self.clock.advance_secs(secs);
    }

    /// A browser without cookies.
    #[must_use]
    pub fn agent(&self) -> Agent {
        Agent::new(self.url())
    }

    /// A script with the static API key.
    #[must_use]
    pub fn script(&self) -> Agent {
        self.agent().with_header("x-api-key", Self::API_KEY)
    }

    /// The first administrator, `admin`, set up with a passkey.
    pub async fn admin(&self) -> Person {
        Person::set_up(self).await
    }

    /// Another person, made by the API, with a passkey that they added after a login code.
    pub async fn person(&self, username: &str) -> Person {
        Person::join(self, username).await
    }

    /// The person of an account that the API made, as [`TestApp::person`].
    pub async fn enter(&self, user: serde_json::Value) -> Person {
        Person::enter(self, user).await
    }

    /// Gives somebody roles, as an administrator does.
    pub async fn give(&self, person: &Person, roles: &[&str]) {
        let path = format!("/api/users/{}", person.id());
        self.script().patch(&path, &json!({ "roles": roles }), None).await.expect(200);
    }

    /// The audit log's entries of one event, the latest first.
    pub async fn events(&self, event: &str) -> Vec<serde_json::Value> {
        let path = format!(
            "/api/audit-logs/all?filters[event]={event}&sort[column]=createdAt&sort[direction]=desc&pagination[limit]=100"
        );
        let page = self.script().get(&path).await.expect(200).json();
        page["data"].as_array().expect("a list").clone()
    }

    /// A client made by the API: `body` over a confidential client named `App` that everybody may use, with the callback
    /// `https://app.example/cb`. Gives its JSON, with a secret as `secret` unless it is public.
    pub async fn client(&self, body: serde_json::Value) -> serde_json::Value {
        let mut wanted = json!({ "name": "App", "callbackURLs": ["https://app.example/cb"] });
        wanted.as_object_mut().unwrap().extend(body.as_object().unwrap().clone());
        let script = self.script();
        let mut client = script.post("/api/oidc/clients", &wanted).await.expect(201).json();
        if client["isPublic"] != true {
            let path = format!("/api/oidc/clients/{}/secrets", client["id"].as_str().unwrap());
            client["secret"] = script.post(&path, &json!({})).await.expect(201).json()["secret"].clone();
        }
        client
    }
}
