//! Replicas behind a real proxy that are restarted one after another while people sign in: nobody notices (security case 108).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use pid_testkit::authenticator::SoftAuthenticator;
use pid_testkit::process::free_port;
use pid_testkit::proxy::{Kind, Proxy};
use pid_tests::{Agent, on_postgres};
use serde_json::{Value, json};
use url::Url;

use crate::program::Program;

const CALLBACK: &str = "https://app.example/cb";

/// Somebody who signs in to an app, refreshes and signs out, again and again, through the proxy.
struct Visitor {
    origin: String,
    secret: String,
    passkey: SoftAuthenticator,
}

impl Visitor {
    /// One round; each answer must be the right one.
    async fn round(&mut self) {
        let agent = Agent::new(&self.origin);
        let options = agent.get("/api/webauthn/login/start").await.expect(200).json();
        let response = self.passkey.authenticate(&options, &self.origin);
        agent.post("/api/webauthn/login/finish", &response).await.expect(200);
        let query = [
            ("client_id", "app"),
            ("response_type", "code"),
            ("scope", "openid profile offline_access"),
            ("redirect_uri", CALLBACK),
            ("state", "s"),
            ("nonce", "n"),
        ];
        let url = Url::parse_with_params(&format!("{}/authorize", self.origin), query).unwrap();
        let answer = agent.get(&format!("{}?{}", url.path(), url.query().unwrap())).await;
        assert!(answer.status.is_redirection(), "{} {}", answer.status, answer.text());
        let back = Url::parse(answer.header("location").unwrap()).unwrap();
        let code =
            back.query_pairs().find(|(name, _)| name == "code").unwrap_or_else(|| panic!("{back}")).1.into_owned();
        let form = [("grant_type", "authorization_code"), ("code", code.as_str()), ("redirect_uri", CALLBACK)];
        let secret = self.secret.clone();
        let tokens = token(&agent, &secret, &form).await;
        let refresh = tokens["refresh_token"].as_str().unwrap();
        let tokens = token(&agent, &secret, &[("grant_type", "refresh_token"), ("refresh_token", refresh)]).await;
        let bearer = format!("Bearer {}", tokens["access_token"].as_str().unwrap());
        let me = Agent::new(&self.origin).with_header("authorization", &bearer).get("/api/oidc/userinfo").await;
        assert!(me.expect(200).json()["sub"].is_string());
        agent.post("/api/webauthn/logout", &json!({})).await;
    }
}

async fn token(agent: &Agent, secret: &str, form: &[(&str, &str)]) -> Value {
    let own = [("client_id", "app"), ("client_secret", secret)];
    let form: Vec<(&str, &str)> = own.iter().chain(form).copied().collect();
    agent.post_form("/api/oidc/token", &form).await.expect(200).json()
}

async fn visitor(origin: &str, script: &Agent, name: &str, secret: &str) -> Visitor {
    let body = json!({ "username": name, "firstName": name, "email": format!("{name}@example.com") });
    let id = script.post("/api/users", &body).await.expect(201).id();
    let code = script.post(&format!("/api/users/{id}/one-time-access-token"), &json!({})).await.expect(201).json();
    let agent = Agent::new(origin);
    let code = code["token"].as_str().unwrap();
    agent.post(&format!("/api/one-time-access-token/{code}"), &json!({})).await.expect(200);
    let mut passkey = SoftAuthenticator::new(-7);
    let options = agent.get("/api/webauthn/register/start").await.expect(200).json();
    let response = passkey.register(&options, origin);
    agent.post("/api/webauthn/register/finish", &response).await.expect(200);
    Visitor { origin: origin.to_owned(), secret: secret.to_owned(), passkey }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn case_108_a_rolling_restart_under_sign_ins_loses_none() {
    if !on_postgres() {
        return;
    }
    let port = free_port().unwrap();
    let origin = format!("http://localhost:{port}");
    let mut first = Program::configured().with("APP_URL", &origin).with("SHUTDOWN_DELAY_SECONDS", "2");
    let mut replicas = vec![];
    for _ in 0..2 {
        let others = Program::bare()
            .with("APP_URL", &origin)
            .with("SHUTDOWN_DELAY_SECONDS", "2")
            .with("DB_CONNECTION_STRING", first.connection())
            .with("ENCRYPTION_KEY", "test-encryption-key")
            .with("STATIC_API_KEY", Program::API_KEY)
            .with("DISABLE_RATE_LIMITING", "true");
        replicas.push(others);
    }
    first.start().await;
    first.ready().await;
    for replica in &mut replicas {
        replica.start().await;
        replica.ready().await;
    }
    let servers: String = [first.port(), replicas[0].port(), replicas[1].port()]
        .iter()
        .map(|port| format!("\tserver r{port} 127.0.0.1:{port} check inter 200ms fall 1 rise 1\n"))
        .collect();
    let configuration = format!(
        "frontend in\n\tmode http\n\tbind 127.0.0.1:{port}\n\tdefault_backend replicas\n\nbackend replicas\n\tmode http\n\
         \tbalance roundrobin\n\toption httpchk GET /readyz\n\thttp-check expect status 204\n\toption redispatch\n{servers}"
    );
    let _proxy = Proxy::start(Kind::Haproxy, port, &configuration, &[]).unwrap();

    let script = Agent::new(&origin).with_header("x-api-key", Program::API_KEY);
    let body = json!({ "id": "app", "name": "App", "callbackURLs": [CALLBACK], "skipConsent": true });
    script.post("/api/oidc/clients", &body).await.expect(201);
    let secret = script.post("/api/oidc/clients/app/secrets", &json!({})).await.expect(201).json();
    let secret = secret["secret"].as_str().unwrap();
    let (over, rounds) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let mut visitors = tokio::task::JoinSet::new();
    for n in 0..4 {
        let mut one = visitor(&origin, &script, &format!("visitor-{n}"), secret).await;
        let (over, rounds) = (over.clone(), rounds.clone());
        visitors.spawn(async move {
            while !over.load(Ordering::Relaxed) {
                one.round().await;
                rounds.fetch_add(1, Ordering::Relaxed);
            }
        });
    }
    let mut during = Vec::new();
    replicas.insert(0, first);
    for replica in &mut replicas {
        let before = rounds.load(Ordering::Relaxed);
        replica.process().signal("TERM");
        replica.process().wait_for_line("stopping", Duration::from_secs(10)).unwrap();
        // Whoever asks is told first, and is still answered.
        let told = replica.agent().get("/readyz").await.expect(503);
        assert!(told.text().contains("stopping"), "{}", told.text());
        replica.agent().get("/healthz").await.expect(204);
        let status = replica.process().wait_for_exit(Duration::from_secs(20)).unwrap();
        assert!(status.success(), "{}", replica.log());
        replica.start().await;
        replica.ready().await;
        during.push(rounds.load(Ordering::Relaxed) - before);
    }
    over.store(true, Ordering::Relaxed);
    visitors.join_all().await;
    assert!(during.iter().all(|rounds| *rounds > 0), "{during:?}");
    for mut replica in replicas.into_iter().rev() {
        replica.stop();
    }
}
