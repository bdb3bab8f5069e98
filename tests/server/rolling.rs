//! Replicas behind a real proxy that are restarted or updated one after another while people sign in: nobody notices (security
//! case 108).

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use pid_testkit::authenticator::SoftAuthenticator;
use pid_testkit::process::free_port;
use pid_testkit::program::installed;
use pid_testkit::proxy::{Kind, Proxy};
use pid_tests::{Agent, on_postgres};
use serde_json::{Value, json};
use tokio::task::JoinSet;
use url::Url;

use crate::program::{BINARY, Program};

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

/// Three replicas on one database behind a real proxy, and people who sign in through it until they are told to stop.
pub struct Fleet {
    replicas: Vec<Program>,
    proxy: Proxy,
    over: Arc<AtomicBool>,
    rounds: Arc<AtomicUsize>,
    visitors: JoinSet<()>,
}

impl Fleet {
    /// Starts three of a build.
    async fn start(binary: &Path) -> Self {
        Self::start_on(binary, None).await
    }

    /// The same on a database of which a connection string is given.
    pub async fn start_on(binary: &Path, connection: Option<&str>) -> Self {
        let port = free_port().unwrap();
        let origin = format!("http://localhost:{port}");
        let mut first = Program::configured();
        if let Some(connection) = connection {
            first.set("DB_CONNECTION_STRING", connection);
        }
        let connection = connection.map_or_else(|| first.connection(), str::to_owned);
        let mut replicas = vec![first];
        for _ in 0..2 {
            let other = Program::bare()
                .with("DB_CONNECTION_STRING", &connection)
                .with("ENCRYPTION_KEY", "test-encryption-key")
                .with("STATIC_API_KEY", Program::API_KEY)
                .with("DISABLE_RATE_LIMITING", "true");
            replicas.push(other);
        }
        for replica in &mut replicas {
            replica.set("APP_URL", &origin);
            replica.set("SHUTDOWN_DELAY_SECONDS", "2");
            replica.becomes(binary);
            replica.start().await;
            replica.ready().await;
        }
        let servers: String = replicas
            .iter()
            .enumerate()
            .map(|(n, one)| format!("\tserver r{n} 127.0.0.1:{} check inter 200ms fall 1 rise 1\n", one.port()))
            .collect();
        let configuration = format!(
            "global\n\tstats socket FOLDER/operator level admin\n\nfrontend in\n\tmode http\n\tbind 127.0.0.1:{port}\n\
             \tdefault_backend replicas\n\nbackend replicas\n\tmode http\n\tbalance roundrobin\n\
             \toption httpchk GET /readyz\n\thttp-check expect status 204\n\toption redispatch\n{servers}"
        );
        let proxy = Proxy::start(Kind::Haproxy, port, &configuration, &[]).unwrap();

        let script = Agent::new(&origin).with_header("x-api-key", Program::API_KEY);
        let body = json!({ "id": "app", "name": "App", "callbackURLs": [CALLBACK], "skipConsent": true });
        script.post("/api/oidc/clients", &body).await.expect(201);
        let secret = script.post("/api/oidc/clients/app/secrets", &json!({})).await.expect(201).json();
        let secret = secret["secret"].as_str().unwrap();
        let (over, rounds) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let mut visitors = JoinSet::new();
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
        Self { replicas, proxy, over, rounds, visitors }
    }

    /// What an operator tells the proxy about a server.
    fn tell(&self, server: usize, state: &str) {
        let mut socket = UnixStream::connect(self.proxy.folder().join("operator")).unwrap();
        writeln!(socket, "set server replicas/r{server} state {state}").unwrap();
        let mut answer = String::new();
        socket.read_to_string(&mut answer).unwrap();
        assert_eq!(answer.trim(), "");
    }

    /// How often somebody has signed in, refreshed and signed out.
    pub fn rounds(&self) -> usize {
        self.rounds.load(Ordering::Relaxed)
    }

    /// Nobody may have met anything but the right answer.
    pub async fn end(self) {
        self.over.store(true, Ordering::Relaxed);
        self.visitors.join_all().await;
        for mut replica in self.replicas.into_iter().rev() {
            replica.stop();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn case_108_a_rolling_restart_under_sign_ins_loses_none() {
    if !on_postgres() {
        return;
    }
    let mut fleet = Fleet::start(Path::new(BINARY)).await;
    for n in 0..3 {
        let before = fleet.rounds();
        let replica = &mut fleet.replicas[n];
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
        assert!(fleet.rounds() > before);
    }
    fleet.end().await;
}

/// The first of the new ones migrates under those of the version before, which go on serving, and so do both beside each other.
/// That version stops at once when it is asked to, so the operator tells the proxy first.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn case_108_a_rolling_update_from_the_version_before_loses_no_sign_in() {
    if !on_postgres() || std::env::var_os("WITHOUT_PREVIOUS").is_some() {
        return;
    }
    let mut fleet = Fleet::start(&installed("target/previous/pocket-id").unwrap()).await;
    let migrations = |fleet: &Fleet| {
        let all = fleet.replicas[0].database().unwrap().dump();
        all.lines().filter(|line| line.starts_with("refinery_schema_history: ")).count()
    };
    let old = migrations(&fleet);
    for n in 0..3 {
        let before = fleet.rounds();
        fleet.tell(n, "drain");
        tokio::time::sleep(Duration::from_millis(500)).await;
        let replica = &mut fleet.replicas[n];
        replica.stop();
        replica.becomes(BINARY);
        replica.start().await;
        replica.ready().await;
        fleet.tell(n, "ready");
        // Sign-ins that begin at one version end at the other.
        let until = fleet.rounds() + 12;
        for _ in 0..600 {
            if fleet.rounds() >= until {
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        assert!(fleet.rounds() >= until && until - 12 > before, "{n}");
    }
    assert!(migrations(&fleet) > old, "./test names a version that has this schema already");
    fleet.end().await;
}
