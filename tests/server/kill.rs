//! Killed in the middle, again and again (security case 106): nothing that was acknowledged is lost, and nothing that
//! was consumed comes back.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use pid_tests::{Agent, Reply};
use serde_json::{Value, json};

use crate::program::Program;

const CALLBACK: &str = "https://app.example/cb";

/// How far something got, as its caller knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// Nothing was sent.
    Untouched,
    /// Sent, and the server died before it answered: either is right.
    Unknown,
    /// Answered.
    Done,
}

/// One authorization: its code and the refresh tokens that came out of it, oldest first.
#[derive(Clone, Debug)]
struct Family {
    code: String,
    redeemed: Step,
    tokens: Vec<String>,
    /// How far the rotation of the last token got.
    rotated: Step,
}

#[derive(Clone)]
struct Application {
    agent: Agent,
    id: String,
    secret: String,
}

impl Application {
    async fn authorize(&self) -> Option<String> {
        let path = format!(
            "/authorize?response_type=code&client_id={}&redirect_uri={CALLBACK}&scope=openid%20offline_access&state=s",
            self.id
        );
        let reply = self.agent.try_send(self.agent.request(http::Method::GET, &path)).await?;
        Some(reply.redirected("code").unwrap_or_else(|| panic!("no code: {}", reply.location())))
    }

    async fn token(&self, grant_type: &str, name: &str, value: &str) -> Option<Reply> {
        let form = [
            ("grant_type", grant_type),
            (name, value),
            ("redirect_uri", CALLBACK),
            ("client_id", &self.id),
            ("client_secret", &self.secret),
        ];
        self.agent.try_send(self.agent.request(http::Method::POST, "/api/oidc/token").form(&form)).await
    }

    async fn redeem(&self, code: &str) -> Option<Reply> {
        self.token("authorization_code", "code", code).await
    }

    async fn rotate(&self, token: &str) -> Option<Reply> {
        self.token("refresh_token", "refresh_token", token).await
    }

    /// Works until the server is gone.
    async fn work(self, done: Arc<AtomicUsize>, worker: usize) -> Vec<Family> {
        let mut families = Vec::new();
        while let Some(code) = self.authorize().await {
            families.push(Family { code, redeemed: Step::Untouched, tokens: Vec::new(), rotated: Step::Untouched });
            done.fetch_add(1, Ordering::Relaxed);
            // Some codes are kept for after the restart.
            if families.len() % 3 == worker % 3 {
                continue;
            }
            let Some(family) = families.last_mut() else { continue };
            family.redeemed = Step::Unknown;
            let Some(reply) = self.redeem(&family.code).await else { break };
            family.redeemed = Step::Done;
            family.tokens.push(refresh_token(&reply.expect(200)));
            for _ in 0..worker {
                family.rotated = Step::Unknown;
                let Some(reply) = self.rotate(&family.tokens[family.tokens.len() - 1]).await else { return families };
                family.tokens.push(refresh_token(&reply.expect(200)));
                family.rotated = Step::Untouched;
                done.fetch_add(1, Ordering::Relaxed);
            }
        }
        families
    }

    /// Looks at a family after the restart.
    async fn check(&self, family: &Family) {
        let redeemed = self.redeem(&family.code).await.unwrap();
        match family.redeemed {
            Step::Untouched => {
                redeemed.expect(200);
            }
            // Asked for nothing more, or the family would be revoked before its tokens are looked at.
            Step::Unknown => {
                assert!([200, 400].contains(&redeemed.status.as_u16()), "{family:?}: {}", redeemed.text());
            }
            Step::Done => {
                redeemed.oauth_error(400, "invalid_grant");
            }
        }
    }

    /// Looks at the newest token of a family, then at one that was rotated out.
    async fn check_tokens(&self, family: &Family) {
        let Some((last, rotated)) = family.tokens.split_last() else { return };
        let reply = self.rotate(last).await.unwrap();
        match family.rotated {
            Step::Untouched => drop(reply.expect(200)),
            _ => assert!([200, 400].contains(&reply.status.as_u16()), "{family:?}: {}", reply.text()),
        }
        if let Some(old) = rotated.last() {
            self.rotate(old).await.unwrap().oauth_error(400, "invalid_grant");
        }
    }
}

fn refresh_token(reply: &Reply) -> String {
    reply.json()["refresh_token"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_106_killed_in_the_middle_nothing_is_lost_and_nothing_comes_back() {
    let mut program = Program::configured();
    program.start().await;
    program.ready().await;
    let agent = program.set_up().await;
    let script = program.script();
    let body = json!({ "name": "App", "callbackURLs": [CALLBACK], "skipConsent": true });
    let client: Value = script.post("/api/oidc/clients", &body).await.expect(201).json();
    let id = client["id"].as_str().unwrap().to_owned();
    let secret = script.post(&format!("/api/oidc/clients/{id}/secrets"), &json!({})).await.expect(201).json();
    let secret = secret["secret"].as_str().unwrap().to_owned();
    let application = Application { agent: agent.clone(), id, secret };

    let mut seen = [0; 3];
    for operations in [1, 10, 25, 60, 100, 150] {
        let done = Arc::new(AtomicUsize::new(0));
        let mut workers = tokio::task::JoinSet::new();
        for worker in 0..6 {
            workers.spawn(application.clone().work(Arc::clone(&done), worker));
        }
        while done.load(Ordering::Relaxed) < operations {
            assert!(program.process().exited().is_none(), "{}", program.log());
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        program.kill();
        let families = workers.join_all().await.concat();
        program.start().await;
        agent.get("/api/users/me").await.expect(200);
        for family in &families {
            application.check_tokens(family).await;
            application.check(family).await;
            seen[0] += usize::from(family.redeemed == Step::Untouched);
            seen[1] += family.tokens.len();
            seen[2] += usize::from(Step::Unknown == family.redeemed || Step::Unknown == family.rotated);
        }
    }
    eprintln!("kept codes, tokens, requests cut off: {seen:?}");
    assert!(seen[0] > 20 && seen[1] > 50 && seen[2] > 0, "{seen:?}");
    program.stop();
    if !pid_tests::on_postgres() {
        let db = rusqlite::Connection::open(program.data().join("pocket-id.db")).unwrap();
        let verdict: String = db.query_row("PRAGMA integrity_check", [], |r| r.get(0)).unwrap();
        assert_eq!(verdict, "ok");
    }
}
