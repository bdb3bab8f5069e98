//! What the conformance plans want and no other test shows: see `docs/conformance.md`.

use std::collections::BTreeMap;

use http::Method;
use pid_jose::Alg;
use pid_tests::{Asking, JWT_BEARER, Person, Receiver, RelyingParty, Reply, Signer, TestApp, Tokens, random, unsigned};
use serde_json::{Value, json};

/// What came back to the client, in whichever way it came.
fn answer(reply: &Reply) -> BTreeMap<String, String> {
    if reply.status == 200 {
        return reply.posted().into_iter().collect();
    }
    let location = reply.clone().expect(303).location().replace('#', "?");
    let query = location.split_once('?').map_or("", |(_, query)| query);
    url::form_urlencoded::parse(query.as_bytes()).into_owned().collect()
}

/// A sign-in whose answer may come in any way.
async fn sign_in(rp: &RelyingParty, person: &mut Person, asking: &Asking) -> (Tokens, Value) {
    let reply = person.agent.get(&asking.path()).await;
    let reply = person.follow(reply).await;
    let came = answer(&reply);
    assert_eq!(came.get("iss"), Some(&rp.issuer), "{came:?}");
    let tokens = Tokens::from(rp.redeem(asking, &came["code"]).await);
    let claims = rp.verify(tokens.id()).await.claims;
    (tokens, claims)
}

/// The modules of the Basic plan that sign somebody in, by each way that an answer can take.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_basic_plan_by_query_fragment_and_form() {
    for mode in ["query", "fragment", "form_post"] {
        let app = TestApp::start().await;
        let mut tim = app.person("tim").await;
        tim.sign_in().await.expect(200);
        let rp = RelyingParty::register(&app, json!({})).await;
        let asks = |scope: &str| rp.asks(scope).with("response_mode", mode);
        let silent = asks("openid").with("prompt", "none");
        let error = async |person: &Person, asking: &Asking| {
            let came = answer(&person.agent.get(&asking.path()).await);
            assert_eq!(came.get("state"), Some(&asking.state), "{came:?}");
            came["error"].clone()
        };
        // oidcc-prompt-none-not-logged-in, oidcc-response-type-missing
        let nobody = app.agent();
        assert_eq!(answer(&nobody.get(&silent.path()).await)["error"], "login_required");
        let without = asks("openid").without("response_type");
        assert_eq!(error(&tim, &without).await, "unsupported_response_type");
        assert_eq!(error(&tim, &silent).await, "consent_required");

        // oidcc-server, oidcc-idtoken-signature, oidcc-scope-*, oidcc-alternate-happy-flow
        let asking = asks("groups email profile openid");
        let (tokens, id) = sign_in(&rp, &mut tim, &asking).await;
        assert_eq!(
            (&id["sub"], &id["nonce"], &id["email"]),
            (&json!(tim.id()), &json!(asking.nonce), &json!("tim@example.com"))
        );
        assert!(id["preferred_username"] == "tim" && id["groups"].is_array(), "{id}");
        // oidcc-userinfo-get, -post-header, -post-body
        let userinfo = "/api/oidc/userinfo";
        let header = rp.agent.request(Method::POST, userinfo).bearer_auth(tokens.access());
        let body = rp.agent.request(Method::POST, userinfo).form(&[("access_token", tokens.access())]);
        for told in [rp.userinfo(tokens.access()).await, rp.agent.send(header).await, rp.agent.send(body).await] {
            assert_eq!(told.expect(200).json()["sub"], json!(tim.id()));
        }
        // oidcc-prompt-none-logged-in, oidcc-id-token-hint
        let (_, again) = sign_in(&rp, &mut tim, &silent).await;
        assert_eq!(again["auth_time"], id["auth_time"]);
        let hinted = asks("openid").with("prompt", "none").with("id_token_hint", tokens.id());
        assert_eq!(sign_in(&rp, &mut tim, &hinted).await.1["sub"], json!(tim.id()));
        // oidcc-max-age-10000, oidcc-max-age-1, oidcc-prompt-login
        app.advance(5);
        let young = asks("openid").with("max_age", "10000");
        assert_eq!(sign_in(&rp, &mut tim, &young).await.1["auth_time"], id["auth_time"]);
        for fresh in [asks("openid").with("max_age", "1"), asks("openid").with("prompt", "login")] {
            app.advance(5);
            let before = app.app().clock().now().secs();
            let (_, id) = sign_in(&rp, &mut tim, &fresh).await;
            assert!(id["auth_time"].as_i64().unwrap() >= before, "{id}");
        }
        // oidcc-ensure-request-without-nonce-succeeds-for-code-flow, -with-acr-values-, -with-unknown-parameter-,
        // oidcc-display-*, oidcc-ui-locales, oidcc-claims-locales, oidcc-login-hint
        let bare = asks("openid").without("nonce");
        assert_eq!(sign_in(&rp, &mut tim, &bare).await.1.get("nonce"), None);
        for (name, value) in [
            ("acr_values", "1 2"),
            ("extra", "foobar"),
            ("display", "page"),
            ("display", "popup"),
            ("ui_locales", "se"),
            ("claims_locales", "se"),
            ("login_hint", "bob@example.com"),
        ] {
            sign_in(&rp, &mut tim, &asks("openid").with(name, value)).await;
        }
        // oidcc-ensure-post-request-succeeds
        let posted = asks("openid");
        let came = answer(&tim.agent.post_form("/authorize", posted.form()).await);
        rp.redeem(&posted, &came["code"]).await.expect(200);
        // oidcc-claims-essential: where it was asked for, and nowhere else.
        let claims = json!({ "userinfo": { "name": { "essential": true } } }).to_string();
        let (tokens, id) = sign_in(&rp, &mut tim, &asks("openid").with("claims", &claims)).await;
        assert_eq!(id.get("name"), None);
        assert!(rp.userinfo(tokens.access()).await.expect(200).json()["name"].is_string());
        // oidcc-unsigned-request-object-supported-correctly-…, oidcc-ensure-request-object-with-redirect-uri
        let asking = asks("openid");
        let object = unsigned(&json!({ "redirect_uri": rp.callback, "state": asking.state }));
        let moved = asking.clone().with("redirect_uri", "https://app.example/not-registered").with("request", &object);
        let came = answer(&tim.agent.get(&moved.path()).await);
        assert_eq!(came["state"], asking.state);
        rp.redeem(&asking, &came["code"]).await.expect(200);
        // oidcc-request-uri-unsigned-…
        let by_reference = asks("openid").with("request_uri", "https://app.example/object");
        assert_eq!(error(&tim, &by_reference).await, "request_uri_not_supported");
        // oidcc-ensure-registered-redirect-uri
        let away = asks("openid").with("redirect_uri", "https://app.example/cb?foo=bar");
        assert!(tim.agent.get(&away.path()).await.error_page().contains("not registered"));
        // oidcc-refresh-token, oidcc-server-client-secret-post
        let next = Tokens::from(rp.refresh(tokens.refresh()).await);
        assert_eq!(rp.verify(next.id()).await.claims["sub"], json!(tim.id()));
        let asking = asks("openid");
        let came = answer(&tim.agent.get(&asking.path()).await);
        let form = [
            ("grant_type", "authorization_code"),
            ("code", came["code"].as_str()),
            ("redirect_uri", rp.callback.as_str()),
            ("code_verifier", asking.verifier.as_str()),
            ("client_id", rp.id.as_str()),
            ("client_secret", rp.secret.as_deref().unwrap()),
        ];
        let first = Tokens::from(rp.agent.post_form("/api/oidc/token", &form).await);
        // oidcc-codereuse, oidcc-codereuse-30seconds
        app.advance(30);
        rp.agent.post_form("/api/oidc/token", &form).await.oauth_error(400, "invalid_grant");
        assert!(!rp.is_alive(first.access()).await);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn states_are_anything_or_nothing() {
    let app = TestApp::start().await;
    let mut tim = app.person("tim").await;
    let rp = RelyingParty::register(&app, json!({})).await;
    rp.sign_in(&mut tim, "openid").await;
    let without = answer(&tim.agent.get(&rp.asks("openid").without("state").path()).await);
    assert!(without.contains_key("code") && !without.contains_key("state"), "{without:?}");
    let long = "s".repeat(1000);
    assert_eq!(answer(&tim.agent.get(&rp.asks("openid").with("state", &long).path()).await)["state"], long);
}

/// Pushes a request and brings its name, with more beside it.
async fn pushed(rp: &RelyingParty, person: &Person, form: &[(&str, &str)], beside: &[(&str, &str)]) -> Reply {
    let answer = rp.post("/api/oidc/par", form).await.expect(201).json();
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    query.append_pair("client_id", &rp.id).append_pair("request_uri", answer["request_uri"].as_str().unwrap());
    person.agent.get(&format!("/authorize?{}", query.extend_pairs(beside).finish())).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_stands_beside_a_pushed_or_signed_request_means_nothing() {
    let app = TestApp::start().await;
    let mut tim = app.person("tim").await;
    let key = Signer::new("k");
    let rp = RelyingParty::register(&app, json!({ "jwks": key.jwks() })).await;
    rp.sign_in(&mut tim, "openid").await;
    let asking = rp.asks("openid").without("state");
    let form: Vec<(&str, &str)> = asking.form().iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let came = answer(&pushed(&rp, &tim, &form, &[("nonce", "another"), ("state", "only here")]).await);
    assert_eq!(came.get("state"), None);
    let tokens = Tokens::from(rp.redeem(&asking, &came["code"]).await);
    assert_eq!(rp.verify(tokens.id()).await.claims["nonce"], json!(asking.nonce));

    // A signed object may be meant for others as well.
    let mut claims = json!({ "iss": rp.id, "aud": [app.url(), "https://other.example"],
        "exp": app.app().clock().now().secs() + 60 });
    for (name, value) in asking.form() {
        claims[name] = json!(value);
    }
    let object = key.sign(&claims);
    let came = answer(&pushed(&rp, &tim, &[("request", &object)], &[("state", "only here")]).await);
    assert!(came.contains_key("code") && !came.contains_key("state"), "{came:?}");
}

/// A client that is held to the FAPI 2.0 Security Profile.
async fn strict(app: &TestApp, key: &Signer) -> RelyingParty {
    let client = json!({ "requiresPushedAuthorizationRequests": true, "dpopBoundAccessTokens": true, "pkceEnabled": true,
        "tokenEndpointAuthMethod": "private_key_jwt", "idTokenSignedResponseAlg": "ES256", "jwks": key.jwks() });
    RelyingParty::register(app, client).await
}

struct Strict<'a> {
    app: &'a TestApp,
    rp: &'a RelyingParty,
    key: &'a Signer,
    dpop: &'a Signer,
}

impl Strict<'_> {
    fn now(&self) -> i64 {
        self.app.app().clock().now().secs()
    }

    fn assertion(&self, aud: &Value) -> String {
        let (id, now) = (&self.rp.id, self.now());
        self.key.sign(&json!({ "iss": id, "sub": id, "aud": aud, "iat": now, "exp": now + 60, "jti": random() }))
    }

    async fn post(&self, path: &str, form: &[(&str, &str)], aud: &Value, more: &Value) -> Reply {
        let assertion = self.assertion(aud);
        let url = format!("{}{path}", self.app.url());
        let proof = self.dpop.proof("POST", &url, self.now(), more);
        let all = [form, &[("client_assertion_type", JWT_BEARER), ("client_assertion", &assertion)]].concat();
        let request = self.rp.agent.request(Method::POST, path).header("dpop", proof);
        self.rp.agent.send(request.form(&all)).await
    }

    /// A code, by a pushed request.
    async fn code(&self, person: &mut Person, asking: &Asking) -> String {
        let form: Vec<(&str, &str)> = asking.form().iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
        let issuer = json!(self.app.url());
        let answer = self.post("/api/oidc/par", &form, &issuer, &json!({})).await.expect(201).json();
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query.append_pair("client_id", &self.rp.id);
        query.append_pair("request_uri", answer["request_uri"].as_str().unwrap());
        let reply = person.agent.get(&format!("/authorize?{}", query.finish())).await;
        let reply = person.follow(reply).await;
        self.rp.code_in(&reply, asking)
    }

    async fn redeem(&self, asking: &Asking, code: &str, aud: &Value, more: &Value) -> Reply {
        let form = [
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", &self.rp.callback),
            ("code_verifier", &asking.verifier),
        ];
        self.post("/api/oidc/token", &form, aud, more).await
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_of_high_security_is_held_to_more() {
    let app = TestApp::start().await;
    let mut tim = app.person("tim").await;
    let (key, dpop) = (Signer::new("k"), Signer::new("d"));
    let rp = strict(&app, &key).await;
    let client = Strict { app: &app, rp: &rp, key: &key, dpop: &dpop };
    let issuer = json!(app.url());
    // The issuer alone, as text, is whom its assertions are for.
    let asking = rp.asks("openid");
    let code = client.code(&mut tim, &asking).await;
    for aud in [
        json!([app.url()]),
        json!(format!("{}/api/oidc/token", app.url())),
        json!(format!("{}/api/oidc/par", app.url())),
    ] {
        client.redeem(&asking, &code, &aud, &json!({})).await.oauth_error(401, "invalid_client");
    }
    // `nbf` and `exp` in a proof do no harm.
    let now = client.now();
    let tokens = client.redeem(&asking, &code, &issuer, &json!({ "nbf": now - 10, "exp": now + 60 })).await;
    assert_eq!(tokens.expect(200).json()["token_type"], "DPoP");
    // A code is good for a minute.
    let asking = rp.asks("openid");
    let code = client.code(&mut tim, &asking).await;
    app.advance(61);
    client.redeem(&asking, &code, &issuer, &json!({})).await.oauth_error(400, "invalid_grant");
    let code = client.code(&mut tim, &asking).await;
    app.advance(50);
    client.redeem(&asking, &code, &issuer, &json!({})).await.expect(200);
    // Weak signatures: of the proof, and of the assertion.
    let asking = rp.asks("openid");
    let code = client.code(&mut tim, &asking).await;
    let weak = Signer::of(Alg::RS256, "w");
    let weakly = Strict { dpop: &weak, ..client };
    weakly.redeem(&asking, &code, &issuer, &json!({})).await.oauth_error(400, "invalid_dpop_proof");
    let mut keys = key.jwks();
    let mut jwk = weak.jwks()["keys"][0].clone();
    jwk.as_object_mut().unwrap().remove("alg");
    keys["keys"].as_array_mut().unwrap().push(jwk);
    app.script().patch(&format!("/api/oidc/clients/{}", rp.id), &json!({ "jwks": keys }), None).await.expect(200);
    let weakly = Strict { key: &weak, dpop: &dpop, ..weakly };
    weakly.redeem(&asking, &code, &issuer, &json!({})).await.oauth_error(401, "invalid_client");
    Strict { key: &key, ..weakly }.redeem(&asking, &code, &issuer, &json!({})).await.expect(200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn signing_out_by_the_client_tells_it_and_comes_back() {
    let app = TestApp::start().await;
    let receiver = Receiver::start().await;
    let mut tim = app.person("tim").await;
    tim.sign_in().await.expect(200);
    let bye = "https://app.example/bye";
    let client = json!({ "logoutCallbackURLs": [bye], "backchannelLogoutURL": receiver.url("/logout") });
    let rp = RelyingParty::register(&app, client).await;
    let tokens = rp.sign_in(&mut tim, "openid").await;
    let sid = rp.verify(tokens.id()).await.claims["sid"].clone();
    let path = |parameters: &[(&str, &str)]| {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        format!("/api/oidc/end-session?{}", query.extend_pairs(parameters).finish())
    };
    // With nothing but `state`: the question, and nobody is signed out by it.
    let only_state = tim.agent.get(&path(&[("state", "s")])).await.expect(302).location();
    assert!(only_state.starts_with("/logout"), "{only_state}");
    tim.agent.get("/api/users/me").await.expect(200);
    // A registered address with a query added is another address: signed out, and not led there.
    let other = format!("{bye}?foo=bar");
    let hinted = [("id_token_hint", tokens.id()), ("post_logout_redirect_uri", other.as_str()), ("state", "s")];
    let away = tim.agent.get(&path(&hinted)).await.expect(302).location();
    assert!(!away.contains("app.example"), "{away}");

    tim.sign_in().await.expect(200);
    let tokens = rp.sign_in(&mut tim, "openid").await;
    let second = rp.verify(tokens.id()).await.claims["sid"].clone();
    let hinted = [("id_token_hint", tokens.id()), ("post_logout_redirect_uri", bye), ("state", "s")];
    let back = tim.agent.get(&path(&hinted)).await.expect(302).location();
    assert_eq!(back, format!("{bye}?state=s"));
    let told = receiver.wait_for(2).await;
    let mut ended = Vec::new();
    for token in told {
        ended.push(rp.verify(&token).await.claims["sid"].clone());
    }
    assert!(ended.contains(&sid) && ended.contains(&second), "{ended:?}");
    let silent = rp.asks("openid").with("prompt", "none");
    assert_eq!(answer(&tim.agent.get(&silent.path()).await)["error"], "login_required");
}
