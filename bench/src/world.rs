//! A small installation: ten people with several browsers each, ten clients, made through the API.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::Result;
use crate::actor::{Actor, App, CALLBACK, HOST};
use crate::load::CONNECTIONS;
use crate::operation::Alg;
use crate::server::{API_KEY, Server};
use crate::wire::{Reply, Wire};

const PEOPLE: usize = 10;
const CLIENTS: usize = 10;

/// A script with the static API key.
pub struct Script {
    wire: Wire,
    host: String,
    sent: u32,
}

impl Script {
    /// Connects.
    pub async fn new(server: &Server) -> Result<Self> {
        let host = format!("localhost:{}", server.address.port());
        Ok(Self { wire: Wire::open(server.address).await?, host, sent: 0 })
    }

    /// `GET`, which must find something. Gives the answer.
    pub async fn get(&mut self, path: &str) -> Result<Value> {
        let request = http::Request::get(path)
            .header("host", &self.host)
            .header("x-api-key", API_KEY)
            .header("x-forwarded-for", self.address())
            .body(bytes::Bytes::new().into())?;
        self.wire.send(request).await?.expect(200).map_err(|error| format!("{path}: {error}"))?.json()
    }

    /// Another address each time, as the limiter counts by address.
    fn address(&mut self) -> String {
        self.sent += 1;
        let [_, b, c, d] = self.sent.to_be_bytes();
        format!("198.{b}.{c}.{d}")
    }

    /// `POST` without a body, which must do something.
    pub async fn act(&mut self, path: &str) -> Result<()> {
        let request = http::Request::post(path)
            .header("host", &self.host)
            .header("x-api-key", API_KEY)
            .header("x-forwarded-for", self.address())
            .body(bytes::Bytes::new().into())?;
        self.wire.send(request).await?.expect(200).map(drop)
    }

    /// `POST`, which must make something.
    pub async fn post(&mut self, path: &str, body: &Value) -> Result<Value> {
        self.send(http::Method::POST, path, "application/json", body).await?.expect(201)?.json()
    }

    /// `PATCH`, which must be taken.
    pub async fn patch(&mut self, path: &str, body: &Value) -> Result<Value> {
        self.send(http::Method::PATCH, path, "application/merge-patch+json", body).await?.expect(200)?.json()
    }

    /// `POST` of something that is to be done.
    pub async fn ask(&mut self, path: &str) -> Result<()> {
        self.send(http::Method::POST, path, "application/json", &json!({})).await?.expect(204)?;
        Ok(())
    }

    async fn send(&mut self, method: http::Method, path: &str, kind: &str, body: &Value) -> Result<Reply> {
        let request = http::Request::builder()
            .method(method)
            .uri(path)
            .header("host", &self.host)
            .header("x-api-key", API_KEY)
            .header("x-forwarded-for", self.address())
            .header("content-type", kind)
            .body(body.to_string().into())?;
        self.wire.send(request).await
    }
}

/// Fills the server and gives browsers of these people, signed in, each with a passkey of its own and tokens of a client
/// of each algorithm.
pub async fn set_up(server: &Server) -> Result<Vec<Actor>> {
    let mut script = Script::new(server).await?;
    let mut apps = Vec::new();
    for i in 0..CLIENTS {
        // The first three are used, one of each algorithm.
        let alg = Alg::ALL[i % Alg::ALL.len()];
        let body =
            json!({ "name": format!("App {i}"), "callbackURLs": [CALLBACK], "idTokenSignedResponseAlg": alg.as_str() });
        let client = script.post("/api/oidc/clients", &body).await?;
        let id = client["id"].as_str().unwrap_or_default();
        let secret = script.post(&format!("/api/oidc/clients/{id}/secrets"), &json!({})).await?;
        apps.push(App::new(alg, id, secret["secret"].as_str().unwrap_or_default()));
    }
    let proxied = json!({ "name": "Paperless", "clientType": "proxy", "forwardAuth": {
        "hosts": [format!("http://{HOST}")], "rules": [{ "path": "/share", "public": true }] } });
    script.post("/api/oidc/clients", &proxied).await?;
    let apps: Arc<[App]> = apps.into();
    let mut people = Vec::new();
    for i in 0..PEOPLE {
        let (name, email) = (format!("person{i}"), format!("person{i}@example.com"));
        let body = json!({ "username": name, "email": email, "firstName": "Tim", "lastName": "Test", "displayName": "Tim Test",
            // The first of them sees the pages of the administration.
            "isAdmin": i == 0 });
        people.push(script.post("/api/users", &body).await?);
    }
    let mut actors = Vec::new();
    for i in 0..CONNECTIONS {
        let user = people[i % PEOPLE]["id"].as_str().unwrap_or_default();
        let path = format!("/api/users/{user}/one-time-access-token");
        let code = script.post(&path, &json!({})).await?;
        let mut actor = Actor::new(server.address, u32::try_from(i)?, Arc::clone(&apps)).await?;
        actor.enrol(code["token"].as_str().unwrap_or_default()).await?;
        for alg in Alg::ALL {
            actor.consent(alg).await?;
        }
        actor.enter_proxied().await?;
        actors.push(actor);
    }
    Ok(actors)
}
