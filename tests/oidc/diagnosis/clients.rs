//! Faults of how apps prove who they are.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::Method;
use pid_core::diagnosis::{Code, Place};
use pid_tests::{JWT_BEARER, RelyingParty, Signer, random};
use serde_json::{Value, json};

use super::{Clinic, are_all_but};

const TOKEN: &str = "/api/oidc/token";
const GRANT: (&str, &str) = ("grant_type", "client_credentials");

async fn basic(rp: &RelyingParty, text: &str) {
    let header = format!("Basic {}", STANDARD.encode(text));
    let request = rp.agent.request(Method::POST, TOKEN).header("authorization", header);
    rp.agent.send(request.form(&[GRANT])).await;
}

async fn post(rp: &RelyingParty, form: &[(&str, &str)]) {
    rp.agent.post_form(TOKEN, &[&[GRANT], form].concat()).await;
}

async fn assertion(rp: &RelyingParty, token: &str) {
    post(rp, &[("client_assertion_type", JWT_BEARER), ("client_assertion", token)]).await;
}

fn with(mut claims: Value, name: &str, value: Value) -> Value {
    claims[name] = value;
    claims
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_fault_of_a_client_s_proof_is_named() {
    let clinic = Clinic::open().await;
    let script = clinic.app.script();
    let odd = "p%20us+c";

    let rp = clinic.client(json!({})).await;
    post(&rp, &[("client_id", &rp.id)]).await;
    clinic.of(&rp, Code::SecretMissing, &["no client secret"]);
    let rp = clinic.client(json!({})).await;
    post(&rp, &[("client_id", &rp.id), ("client_secret", "wrong")]).await;
    clinic.of(&rp, Code::SecretWrong, &[]);
    let made = script.post("/api/oidc/clients", &json!({ "name": "Bare", "callbackURLs": [] })).await.expect(201).id();
    let rp = RelyingParty { id: made, ..clinic.client(json!({})).await };
    post(&rp, &[("client_id", &rp.id), ("client_secret", "wrong")]).await;
    clinic.of(&rp, Code::SecretNone, &[]);
    let rp = clinic.client(json!({})).await;
    let foreign = clinic.client(json!({ "name": "Wiki" })).await;
    post(&rp, &[("client_id", &rp.id), ("client_secret", foreign.secret.as_deref().unwrap())]).await;
    clinic.of(&rp, Code::SecretForeign, &["Wiki"]);
    let rp = clinic.client(json!({})).await;
    let padded = format!("\"{}\"\n", rp.secret.as_deref().unwrap());
    post(&rp, &[("client_id", &rp.id), ("client_secret", &padded)]).await;
    clinic.of(&rp, Code::SecretBlank, &["quotes"]);

    // Encoded once too often, or not at all.
    for way in 0..3 {
        let rp = clinic.client(json!({})).await;
        let secrets = format!("/api/oidc/clients/{}/secrets", rp.id);
        script.post(&secrets, &json!({ "secret": format!("{odd}-{way}-0123456789abcdef") })).await.expect(201);
        let secret = format!("{odd}-{way}-0123456789abcdef");
        match way {
            0 => basic(&rp, &format!("{}:{secret}", rp.id)).await,
            1 => basic(&rp, &format!("{}:{}", rp.id, secret.replace("%20", "%"))).await,
            _ => {
                let encoded: String = url::form_urlencoded::byte_serialize(secret.as_bytes()).collect();
                post(&rp, &[("client_id", &rp.id), ("client_secret", &encoded)]).await;
            }
        }
        let code = if way == 1 { Code::CredentialsMalformed } else { Code::SecretEncoded };
        clinic.of(&rp, code, &[]);
    }
    let rp = clinic.client(json!({})).await;
    let secrets = format!("/api/oidc/clients/{}/secrets", rp.id);
    let raw = "100%-of-it-0123456789abcdef";
    script.post(&secrets, &json!({ "secret": raw })).await.expect(201);
    basic(&rp, &format!("{}:{raw}", rp.id)).await;
    clinic.of(&rp, Code::SecretEncoded, &[]);

    let rp = clinic.client(json!({})).await;
    let both = [("client_id", rp.id.as_str()), ("client_secret", "x")];
    let request = rp.agent.request(Method::POST, TOKEN).basic_auth(&rp.id, rp.secret.as_deref());
    rp.agent.send(request.form(&[&[GRANT], &both[..]].concat())).await;
    clinic.of(&rp, Code::MethodTwice, &[]);
    let rp = clinic.client(json!({ "tokenEndpointAuthMethod": "client_secret_post" })).await;
    basic(&rp, &format!("{}:{}", rp.id, rp.secret.as_deref().unwrap())).await;
    clinic.of(&rp, Code::MethodRefused, &["client_secret_basic", "client_secret_post"]);
    let agent = clinic.agent();
    let request = agent.request(Method::POST, TOKEN).header("content-type", "application/json").body("{}");
    agent.send(request).await.expect(400);
    clinic.expect(None, Code::FormMissing, &["form"]);

    // What it signs.
    let (key, other) = (Signer::new("k1"), Signer::new("k1"));
    let now = clinic.app.app().clock().now().secs();
    let url = clinic.app.url().to_owned();
    let claims = |id: &str| json!({ "iss": id, "sub": id, "aud": url, "iat": now, "exp": now + 60, "jti": random() });
    type Change = (&'static str, fn(&str, i64) -> Value);
    let same: Change = ("x", |_, _| json!(1));
    for (signer, changes, code, says) in [
        (
            &key,
            vec![("iat", (|_, now| json!(now + 500)) as fn(&str, i64) -> Value)],
            Code::AssertionAhead,
            "seconds ahead",
        ),
        (
            &key,
            vec![("iat", |_, now| json!(now - 700)), ("exp", |_, now| json!(now - 600))],
            Code::AssertionBehind,
            "seconds ago",
        ),
        (&key, vec![("aud", |_, _| json!("https://login.example.org"))], Code::AssertionAudience, "login.example.org"),
        (&key, vec![("aud", |url, _| json!(format!("{url}/")))], Code::IssuerSlash, "slash"),
        (
            &key,
            vec![("aud", |url, _| json!(url.replace("http:", "https:")))],
            Code::IssuerInternal,
            "https://localhost",
        ),
        (&key, vec![("iss", |_, _| json!("https://vouches.example")), same], Code::AssertionIssuer, "vouches.example"),
        (&key, vec![("jti", |_, _| json!(7))], Code::AssertionRefused, "type"),
        (&other, vec![same], Code::AssertionKey, "not registered"),
    ] {
        let rp = clinic.client(json!({ "jwks": key.jwks() })).await;
        let changed = changes.iter().fold(claims(&rp.id), |all, (name, value)| with(all, name, value(&url, now)));
        let token = signer.sign(&changed);
        post(&rp, &[("client_id", &rp.id), ("client_assertion_type", JWT_BEARER), ("client_assertion", &token)]).await;
        clinic.of(&rp, code, &[says]);
    }
    let rp = clinic.client(json!({ "jwks": key.jwks() })).await;
    let token = key.sign_with(json!({ "alg": "HS256", "kid": "k1" }), &claims(&rp.id));
    let [_, rest] = token.split_once('.').map(|(head, rest)| [head, rest]).unwrap();
    let header = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(br#"{"alg":"HS256","kid":"k1"}"#);
    assertion(&rp, &format!("{header}.{rest}")).await;
    clinic.of(&rp, Code::AssertionAlgorithm, &["HS256"]);
    let rp = clinic.client(json!({ "jwks": key.jwks() })).await;
    let token = key.sign(&claims(&rp.id));
    for _ in 0..2 {
        rp.agent
            .post_form(
                "/api/oidc/introspect",
                &[("client_assertion_type", JWT_BEARER), ("client_assertion", token.as_str()), ("token", "x")],
            )
            .await;
    }
    clinic.of(&rp, Code::AssertionUsed, &["twice"]);
    let rp = clinic.client(json!({ "jwksUri": "http://127.0.0.1:9/jwks" })).await;
    assertion(&rp, &key.sign(&claims(&rp.id))).await;
    clinic.of(&rp, Code::KeysUnreachable, &[]);
    let rp = clinic.client(json!({ "dpopBoundAccessTokens": true })).await;
    let mut tim = clinic.person("tim").await;
    let asking = rp.asks("openid");
    let code = rp.code(&mut tim, &asking).await;
    rp.redeem(&asking, &code).await.expect(400);
    clinic.of(&rp, Code::ProofRefused, &["DPoP"]);

    // A secret has an end.
    let rp = clinic.client(json!({})).await;
    let end = pid_core::Timestamp::from_secs(now + 3600).to_string();
    let (path, body) = (format!("/api/oidc/clients/{}/secrets", rp.id), json!({ "expiresAt": end }));
    let secret = script.post(&path, &body).await.expect(201).json()["secret"].as_str().unwrap().to_owned();
    clinic.app.advance(7200);
    post(&rp, &[("client_id", &rp.id), ("client_secret", &secret)]).await;
    clinic.of(&rp, Code::SecretExpired, &[&end[..10]]);

    are_all_but(&clinic.close().await, &[Place::Client], &[]);
}
