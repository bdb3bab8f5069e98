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
        Self::enter(app, user).await
    }

    /// Enters an account by a login code.
    pub(crate) async fn enter(app: &TestApp, user: Value) -> Self {
        let script = app.script();
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
        self.assert_at(agent, "/api/webauthn/login/finish").await
    }

    /// Signs in with the passkey inside an interaction, as its page does.
    pub async fn sign_in_for(&mut self, interaction: &str) -> Reply {
        let agent = self.agent.clone();
        self.assert_at(&agent, &format!("/api/webauthn/login/finish?interaction={interaction}")).await
    }

    /// Proves with the passkey that it is them.
    pub async fn reauthenticate(&mut self) -> Reply {
        let agent = self.agent.clone();
        self.assert_at(&agent, "/api/webauthn/reauthenticate").await
    }

    async fn assert_at(&mut self, agent: &Agent, path: &str) -> Reply {
        let options = agent.get("/api/webauthn/login/start").await.expect(200).json();
        let response = self.passkey.authenticate(&options, &self.origin);
        agent.post(path, &response).await
    }

    /// Goes on from an answer of `/authorize`: through the interaction, if it led to one, doing what each step wants.
    pub async fn follow(&mut self, reply: Reply) -> Reply {
        let Some(id) = reply.interaction() else { return reply };
        let path = format!("/api/oidc/interactions/{id}");
        for _ in 0..8 {
            let interaction = self.agent.get(&path).await.expect(200).json();
            let Some(step) = interaction["currentStep"].as_str() else { break };
            match step {
                "authenticate" => _ = self.sign_in_for(&id).await.expect(200),
                "reauthenticate" => _ = self.reauthenticate().await.expect(204),
                _ => {}
            }
            let done = self.agent.post(&format!("{path}/complete"), &json!({ "step": step })).await.expect(200).json();
            if done["redirectUrl"].is_string() {
                break;
            }
        }
        self.agent.get(&format!("/authorize?interaction={id}")).await
    }
}
