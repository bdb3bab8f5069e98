//! Tokens that are bound to a key (RFC 9449).

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use http::Method;
use pid_tests::{Asking, RelyingParty, Reply, Signer, TestApp, Tokens};
use serde_json::{Value, json};

struct Bench {
    app: TestApp,
    rp: RelyingParty,
}

impl Bench {
    async fn start(client: Value) -> Self {
        let app = TestApp::start().await;
        let rp = RelyingParty::register(&app, client).await;
        Self { app, rp }
    }

    fn proof(&self, key: &Signer, method: &str, path: &str, more: &Value) -> String {
        key.proof(method, &format!("{}{path}", self.app.url()), self.app.app().clock().now().secs(), more)
    }

    async fn post(&self, path: &str, proof: &str, form: &[(&str, &str)]) -> Reply {
        let agent = self.rp.agent.clone().with_header("dpop", proof);
        RelyingParty { agent, ..self.rp.clone() }.post(path, form).await
    }

    async fn token(&self, key: &Signer, form: &[(&str, &str)]) -> Reply {
        self.post("/api/oidc/token", &self.proof(key, "POST", "/api/oidc/token", &json!({})), form).await
    }

    async fn redeem(&self, key: &Signer, asking: &Asking, code: &str) -> Reply {
        let form = [
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", &self.rp.callback),
            ("code_verifier", &asking.verifier),
        ];
        self.token(key, &form).await
    }

    async fn refresh(&self, key: &Signer, token: &str) -> Reply {
        self.token(key, &[("grant_type", "refresh_token"), ("refresh_token", token)]).await
    }

    async fn userinfo(&self, token: &str, proof: &str) -> Reply {
        let agent = &self.rp.agent;
        let request = agent.request(Method::GET, "/api/oidc/userinfo").header("authorization", format!("DPoP {token}"));
        agent.send(request.header("dpop", proof)).await
    }
}

fn ath(token: &str) -> Value {
    json!({ "ath": URL_SAFE_NO_PAD.encode(pid_core::secret::sha256(token.as_bytes())) })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bound_token_is_good_only_with_its_key() {
    let bench = Bench::start(json!({ "isPublic": true })).await;
    let (key, thief) = (Signer::new("k"), Signer::new("t"));
    let mut tim = bench.app.person("tim").await;
    let asking = bench.rp.asks("openid email");
    let code = bench.rp.code(&mut tim, &asking).await;
    let reply = bench.redeem(&key, &asking, &code).await.expect(200);
    assert!(reply.header("dpop-nonce").is_some());
    assert_eq!(reply.json()["token_type"], "DPoP");
    let tokens = Tokens::from(reply);
    let access = bench.rp.verify(tokens.access()).await;
    assert_eq!(access.claims["cnf"], json!({ "jkt": key.jkt() }));

    let path = "/api/oidc/userinfo";
    let proof = bench.proof(&key, "GET", path, &ath(tokens.access()));
    assert_eq!(bench.userinfo(tokens.access(), &proof).await.expect(200).json()["sub"], json!(tim.id()));
    // As a bearer token, with the thief's key, with a proof for something else, or one that was used: no.
    let bearer = bench.rp.userinfo(tokens.access()).await.expect(401);
    assert!(bearer.header("www-authenticate").unwrap().contains("invalid_token"));
    for proof in [
        proof.clone(),
        bench.proof(&thief, "GET", path, &ath(tokens.access())),
        bench.proof(&key, "GET", path, &ath("another token")),
        bench.proof(&key, "GET", path, &json!({})),
        bench.proof(&key, "POST", path, &ath(tokens.access())),
        bench.proof(&key, "GET", "/api/oidc/token", &ath(tokens.access())),
    ] {
        let refused = bench.userinfo(tokens.access(), &proof).await.expect(401);
        assert!(refused.header("www-authenticate").unwrap().starts_with("DPoP error="), "{refused:?}");
    }
    assert_eq!(bench.rp.introspect(tokens.access()).await.status, 401, "a public client learns nothing");

    // A public client's refresh token is bound as well; a confidential one's is not.
    bench.rp.refresh(tokens.refresh()).await.oauth_error(400, "invalid_dpop_proof");
    bench.refresh(&thief, tokens.refresh()).await.oauth_error(400, "invalid_grant");
    let next = Tokens::from(bench.refresh(&key, tokens.refresh()).await);
    assert_eq!(bench.rp.verify(next.access()).await.claims["cnf"]["jkt"], json!(key.jkt()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_confidential_client_may_change_its_key() {
    let bench = Bench::start(json!({})).await;
    let (first, second) = (Signer::new("1"), Signer::new("2"));
    let mut tim = bench.app.person("tim").await;
    let asking = bench.rp.asks("openid");
    let code = bench.rp.code(&mut tim, &asking).await;
    let tokens = Tokens::from(bench.redeem(&first, &asking, &code).await);
    let told = bench.rp.introspect(tokens.access()).await.expect(200).json();
    assert_eq!((&told["active"], &told["cnf"]["jkt"]), (&json!(true), &json!(first.jkt())));
    assert_eq!(told["token_type"], "DPoP");
    let next = Tokens::from(bench.refresh(&second, tokens.refresh()).await);
    assert_eq!(bench.rp.verify(next.access()).await.claims["cnf"]["jkt"], json!(second.jkt()));
    // Without a proof it gets a bearer token, unless it must have bound ones.
    let plain = bench.rp.refresh(next.refresh()).await.expect(200).json();
    assert_eq!(plain["token_type"], "bearer");
    let path = format!("/api/oidc/clients/{}", bench.rp.id);
    bench.app.script().patch(&path, &json!({ "dpopBoundAccessTokens": true }), None).await.expect(200);
    let refresh = plain["refresh_token"].as_str().unwrap();
    bench.rp.refresh(refresh).await.oauth_error(400, "invalid_dpop_proof");
    bench.refresh(&first, refresh).await.expect(200);
    let itself = [("grant_type", "client_credentials")];
    bench.rp.token(&itself).await.oauth_error(400, "invalid_dpop_proof");
    let own = Tokens::from(bench.token(&first, &itself).await);
    assert_eq!(bench.rp.verify(own.access()).await.claims["cnf"]["jkt"], json!(first.jkt()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_code_may_be_bound_before_it_is_issued() {
    let bench = Bench::start(json!({})).await;
    let (key, thief) = (Signer::new("k"), Signer::new("t"));
    let mut tim = bench.app.person("tim").await;
    bench.rp.sign_in(&mut tim, "openid").await;
    let asking = bench.rp.asks("openid").with("dpop_jkt", &key.jkt());
    let code = bench.rp.code(&mut tim, &asking).await;
    bench.redeem(&thief, &asking, &code).await.oauth_error(400, "invalid_grant");
    bench.rp.redeem(&asking, &code).await.oauth_error(400, "invalid_dpop_proof");
    bench.redeem(&key, &asking, &code).await.expect(200);

    // A push with a proof binds as well; the two must not contradict each other.
    let asking = bench.rp.asks("openid");
    let form: Vec<(&str, &str)> = asking.form().iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
    let proof = |key: &Signer| bench.proof(key, "POST", "/api/oidc/par", &json!({}));
    let name = bench.post("/api/oidc/par", &proof(&key), &form).await.expect(201).json();
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    query.append_pair("client_id", &bench.rp.id).append_pair("request_uri", name["request_uri"].as_str().unwrap());
    let reply = tim.agent.get(&format!("/authorize?{}", query.finish())).await;
    let code = bench.rp.code_in(&reply, &asking);
    bench.redeem(&thief, &asking, &code).await.oauth_error(400, "invalid_grant");
    bench.redeem(&key, &asking, &code).await.expect(200);
    let jkt = key.jkt();
    let contradicting = [form.as_slice(), &[("dpop_jkt", jkt.as_str())]].concat();
    bench.post("/api/oidc/par", &proof(&thief), &contradicting).await.oauth_error(400, "invalid_dpop_proof");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_033_proofs_that_are_refused_consume_nothing() {
    let bench = Bench::start(json!({})).await;
    let key = Signer::new("k");
    let mut tim = bench.app.person("tim").await;
    let tokens = bench.rp.sign_in(&mut tim, "openid").await;
    let path = "/api/oidc/token";
    let url = format!("{}{path}", bench.app.url());
    let now = bench.app.app().clock().now().secs();
    let form = [("grant_type", "refresh_token"), ("refresh_token", tokens.refresh())];
    for proof in [
        "x".to_owned(),
        bench.proof(&key, "GET", path, &json!({})),
        bench.proof(&key, "POST", "/api/oidc/par", &json!({})),
        key.proof("POST", &url, now - 300, &json!({})),
        key.proof("POST", &url, now + 300, &json!({})),
        bench.proof(&key, "POST", path, &json!({ "jti": "" })),
    ] {
        bench.post(path, &proof, &form).await.oauth_error(400, "invalid_dpop_proof");
    }
    let twice = bench.proof(&key, "POST", path, &json!({}));
    let agent = bench.rp.agent.clone();
    let two = agent.request(Method::POST, path).header("dpop", &twice).header("dpop", &twice);
    agent.send(two.form(&[("client_id", &bench.rp.id)])).await.oauth_error(400, "invalid_dpop_proof");
    // A nonce that isn't ours is answered with one that is.
    let strange = bench.proof(&key, "POST", path, &json!({ "nonce": "strange" }));
    let reply = bench.post(path, &strange, &form).await.oauth_error(400, "use_dpop_nonce");
    let nonce = reply.header("dpop-nonce").unwrap().to_owned();
    // With it the client's clock doesn't matter; a proof is good once.
    let good = key.proof("POST", &url, now - 86_400, &json!({ "nonce": nonce }));
    let next = Tokens::from(bench.post(path, &good, &form).await);
    let form = [("grant_type", "refresh_token"), ("refresh_token", next.refresh())];
    bench.post(path, &good, &form).await.oauth_error(400, "invalid_dpop_proof");
    bench.refresh(&key, next.refresh()).await.expect(200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn scripts_of_other_origins_see_the_nonce() {
    let app = TestApp::start().await;
    let agent = app.agent();
    let preflight = agent.request(Method::OPTIONS, "/api/oidc/token").header("origin", "https://spa.example");
    let reply = agent.send(preflight).await.expect(204);
    assert!(reply.header("access-control-allow-headers").unwrap().contains("DPoP"));
    assert!(reply.header("access-control-expose-headers").unwrap().contains("DPoP-Nonce"));
}
