//! Random interleavings of signing in, asking, redeeming, refreshing, signing out, disabling and waiting, against a tiny
//! model of what must come of each. A failure names its seed and the steps that led to it.

use pid_tests::{Asking, Person, RelyingParty, TestApp, Tokens};
use serde_json::json;

const CODE_SECS: i64 = 15 * 60;
const SESSION_SECS: i64 = 60 * 60;
/// A wait; no lifetime is a multiple of it, so that a few real seconds more or less decide nothing.
const WAIT_SECS: i64 = 7 * 60;

/// A small generator: the same seed gives the same steps.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        // SplitMix64.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((z ^ (z >> 31)) >> 8).unwrap() % sides
    }

    /// Mostly the newest of some, now and then an older one.
    fn mostly_last(&mut self, count: usize) -> usize {
        if self.roll(8) == 0 { self.roll(count) } else { count - 1 }
    }
}

struct Code {
    asking: Asking,
    code: String,
    session: usize,
    made_at: i64,
    used: bool,
    /// The family that it opened.
    family: Option<usize>,
}

struct Family {
    client: usize,
    session: usize,
    dead: bool,
    /// Every token answer of the family, the last one live.
    tokens: Vec<Tokens>,
    /// When the last one was made.
    rotated_at: i64,
}

struct World {
    seed: u64,
    app: TestApp,
    clients: Vec<RelyingParty>,
    tim: Person,
    now: i64,
    enabled: bool,
    /// The session that the browser has: its number and when it began.
    session: Option<(usize, i64)>,
    sessions: usize,
    /// Sessions that were signed out, or ended with the account.
    ended: Vec<usize>,
    codes: Vec<(usize, Code)>,
    families: Vec<Family>,
    steps: Vec<String>,
}

impl World {
    async fn new(seed: u64) -> Self {
        let app = TestApp::start_with(&[("DISABLE_RATE_LIMITING", "true")]).await;
        let grace = json!({ "refreshTokenGraceSeconds": "60" });
        app.script().patch("/api/application-configuration", &grace, None).await.expect(200);
        let tim = app.person("tim").await;
        let mut clients = Vec::new();
        for body in [
            json!({ "name": "One", "skipConsent": true }),
            json!({ "name": "Two", "skipConsent": true, "isPublic": true }),
        ] {
            clients.push(RelyingParty::register(&app, body).await);
        }
        Self {
            seed,
            app,
            clients,
            tim,
            now: 0,
            enabled: true,
            session: Some((0, 0)),
            sessions: 1,
            ended: Vec::new(),
            codes: Vec::new(),
            families: Vec::new(),
            steps: Vec::new(),
        }
    }

    fn live_session(&self) -> Option<usize> {
        let (session, began) = self.session?;
        (self.now - began < SESSION_SECS && !self.ended.contains(&session)).then_some(session)
    }

    fn end_session(&mut self, session: usize) {
        self.ended.push(session);
        for family in self.families.iter_mut().filter(|f| f.session == session) {
            family.dead = true;
        }
    }

    async fn step(&mut self, dice: &mut Dice) {
        if !self.enabled && dice.roll(4) == 0 {
            return self.toggle().await;
        }
        match dice.roll(20) {
            0..=2 => self.sign_in().await,
            3..=6 => self.ask(dice.roll(2)).await,
            7..=10 if !self.codes.is_empty() => self.redeem(dice.mostly_last(self.codes.len())).await,
            11..=14 if !self.families.is_empty() => {
                let family = dice.mostly_last(self.families.len());
                let which = dice.mostly_last(self.families[family].tokens.len());
                self.refresh(family, which).await;
            }
            15 if dice.roll(2) == 0 => self.sign_out().await,
            16 if self.enabled && dice.roll(2) == 0 => self.toggle().await,
            17 => {
                self.steps.push("wait".to_owned());
                self.app.advance(WAIT_SECS);
                self.now += WAIT_SECS;
            }
            18 if !self.families.is_empty() && dice.roll(3) == 0 => {
                let family = dice.mostly_last(self.families.len());
                let which = dice.mostly_last(self.families[family].tokens.len());
                self.revoke(family, which).await;
            }
            19 if dice.roll(4) == 0 => {
                self.steps.push("rotate the signing key".to_owned());
                self.app.script().post("/api/signing-keys/rotate", &json!({ "now": true })).await.expect(200);
            }
            _ => {}
        }
    }

    /// Signs in, unless somebody is signed in already.
    async fn sign_in(&mut self) {
        if self.live_session().is_some() {
            return;
        }
        self.steps.push("sign in".to_owned());
        let reply = self.tim.sign_in().await;
        if !self.enabled {
            reply.refused(403, "user_disabled");
            return;
        }
        reply.expect(200);
        self.session = Some((self.sessions, self.now));
        self.sessions += 1;
    }

    async fn ask(&mut self, client: usize) {
        self.steps.push(format!("ask {client}"));
        let rp = &self.clients[client];
        let asking = rp.asks("openid").with("prompt", "none");
        let reply = self.tim.agent.get(&asking.path()).await.expect(303);
        let Some(session) = self.live_session().filter(|_| self.enabled) else {
            assert_eq!(reply.redirected("error").as_deref(), Some("login_required"));
            return;
        };
        let code = rp.code_in(&reply, &asking);
        self.codes.push((client, Code { asking, code, session, made_at: self.now, used: false, family: None }));
    }

    async fn redeem(&mut self, index: usize) {
        self.steps.push(format!("redeem {index}"));
        let (client, code) = &mut self.codes[index];
        let reply = self.clients[*client].redeem(&code.asking, &code.code).await;
        let good =
            !code.used && self.now - code.made_at < CODE_SECS && !self.ended.contains(&code.session) && self.enabled;
        if good {
            code.used = true;
            code.family = Some(self.families.len());
            let family = Family {
                client: *client,
                session: code.session,
                dead: false,
                tokens: vec![reply.into()],
                rotated_at: self.now,
            };
            self.families.push(family);
            return;
        }
        reply.oauth_error(400, "invalid_grant");
        if let Some(family) = code.family {
            self.families[family].dead = true;
        }
    }

    async fn refresh(&mut self, index: usize, which: usize) {
        self.steps.push(format!("refresh {index} with token {which}"));
        let family = &mut self.families[index];
        let reply = self.clients[family.client].refresh(family.tokens[which].refresh()).await;
        if !family.dead && which + 1 == family.tokens.len() {
            family.tokens.push(reply.into());
            family.rotated_at = self.now;
        } else if !family.dead && which + 2 == family.tokens.len() && self.now == family.rotated_at {
            // Within the window of grace: the same successor, while nobody has used it.
            let again = Tokens::from(reply);
            assert_eq!(again.refresh(), family.tokens[which + 1].refresh());
        } else {
            reply.oauth_error(400, "invalid_grant");
            family.dead = true;
        }
    }

    /// Whatever token of the family is given back, used or not: the family ends.
    async fn revoke(&mut self, index: usize, which: usize) {
        self.steps.push(format!("revoke {index} by token {which}"));
        let family = &mut self.families[index];
        self.clients[family.client].revoke(family.tokens[which].refresh()).await.expect(200);
        family.dead = true;
    }

    async fn sign_out(&mut self) {
        let Some(session) = self.live_session() else { return };
        self.steps.push("sign out".to_owned());
        self.tim.agent.post("/api/webauthn/logout", &json!({})).await.expect(204);
        self.end_session(session);
    }

    async fn toggle(&mut self) {
        self.enabled = !self.enabled;
        self.steps.push(if self.enabled { "enable" } else { "disable" }.to_owned());
        let change = json!({ "disabled": !self.enabled });
        self.app.script().patch(&format!("/api/users/{}", self.tim.id()), &change, None).await.expect(200);
        if !self.enabled {
            (0..self.sessions).for_each(|session| self.end_session(session));
        }
    }

    /// In each family at most the last access token lives, and that only while the family does.
    async fn check(&self) {
        for (index, family) in self.families.iter().enumerate() {
            let rp = &self.clients[family.client];
            let last = family.tokens.len() - 1;
            for (which, tokens) in family.tokens.iter().enumerate().skip(last.saturating_sub(1)) {
                if family.dead || which < last {
                    assert!(!rp.is_alive(tokens.access()).await, "family {index}: token {which} lives");
                }
            }
        }
        let me = self.tim.agent.get("/api/users/me").await.status.as_u16();
        assert_eq!(me == 200, self.live_session().is_some() && self.enabled);
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("seed {}: {}", self.seed, self.steps.join(", "));
        }
    }
}

async fn run(seed: u64, steps: usize) {
    let mut world = World::new(seed).await;
    let mut dice = Dice(seed);
    for step in 0..steps {
        world.step(&mut dice).await;
        if step % 10 == 9 {
            world.check().await;
        }
    }
    world.app.restart().await;
    world.check().await;
    let redeemed = world.families.len();
    let rotated: usize = world.families.iter().map(|f| f.tokens.len() - 1).sum();
    assert!(redeemed > 5 && rotated > 5, "the dice did next to nothing: {redeemed} {rotated}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_interleaving_leads_astray() {
    for seed in [1, 2, 3, 4] {
        run(seed, 300).await;
    }
}
