//! People with a browser and a software passkey.

use pid_testkit::authenticator::SoftAuthenticator;
use serde_json::{Value, json};

use crate::{Agent, Reply, TestApp};

/// Somebody who is signed in.
pub struct Person {
    /// Their browser.
    pub agent: Agent,
    /// Their passkey.
    pub passkey: SoftAuthenticator,
    /// Their account as sign-in answered it.
    pub user: Value,
    origin: String,
}

impl Person {
    /// Sets the server up: the first administrator, with a passkey.
    pub(crate) async fn set_up(app: &TestApp) -> Self {
        let agent = app.agent();
        let body =
            json!({ "username": "admin", "email": "admin@example.com", "firstName": "Ada", "lastName": "Admin" });
        let user = agent.post("/api/signup/setup", &body).await.expect(200).json();
        Self::with_passkey(app, agent, user).await
    }

    /// An account made by an administrator, entered by a login code, then given a passkey.
    pub(crate) async fn join(app: &TestApp, username: &str) -> Self {
        let script = app.script();
        let email = format!("{username}@example.com");
        let body = json!({ "username": username, "email": email, "firstName": "Tim", "lastName": "Test", "displayName": "Tim Test" });
        let user = script.post("/api/users", &body).await.expect(201).json();
        let path = format!("/api/users/{}/one-time-access-token", user["id"].as_str().unwrap());
        let code = script.post(&path, &json!({})).await.expect(201).json()["token"].as_str().unwrap().to_owned();
        let agent = app.agent();
        agent.post(&format!("/api/one-time-access-token/{code}"), &json!({})).await.expect(200);
        Self::with_passkey(app, agent, user).await
    }

    async fn with_passkey(app: &TestApp, agent: Agent, user: Value) -> Self {
        let mut person = Self { agent, passkey: SoftAuthenticator::new(-7), user, origin: app.url().to_owned() };
        person.add_passkey().await.expect(200);
        person
    }

    /// The account's id.
    #[must_use]
    pub fn id(&self) -> &str {
        self.user["id"].as_str().unwrap()
    }

    /// Registers another passkey.
    pub async fn add_passkey(&mut self) -> Reply {
        let options = self.agent.get("/api/webauthn/register/start").await.expect(200).json();
        let response = self.passkey.register(&options, &self.origin);
        self.agent.post("/api/webauthn/register/finish", &response).await
    }

    /// Signs in with the passkey, in the browser that this person has.
    pub async fn sign_in(&mut self) -> Reply {
        let agent = self.agent.clone();
        self.sign_in_at(&agent).await
    }

    /// Signs in with the passkey in another browser.
    pub async fn sign_in_at(&mut self, agent: &Agent) -> Reply {
        let options = agent.get("/api/webauthn/login/start").await.expect(200).json();
        let response = self.passkey.authenticate(&options, &self.origin);
        agent.post("/api/webauthn/login/finish", &response).await
    }

    /// Proves with the passkey that it is them.
    pub async fn reauthenticate(&mut self) -> Reply {
        let options = self.agent.get("/api/webauthn/login/start").await.expect(200).json();
        let response = self.passkey.authenticate(&options, &self.origin);
        self.agent.post("/api/webauthn/reauthenticate", &response).await
    }
}
