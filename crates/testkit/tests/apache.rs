//! The Apache of the kit against a small provider that only knows one person.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may stop with a panic")]

mod support;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, OnceLock},
};

use aws_lc_rs::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD as B64};
use pid_testkit::apache::{Config, Site, claims};
use reqwest::{Client, Response, redirect::Policy};
use serde_json::json;
use support::{Answer, serve};
use url::Url;

/// A provider with discovery, a key and a token endpoint; the test sets the nonce and reads what Apache sent.
struct Provider {
    issuer: String,
    nonce: Arc<Mutex<String>>,
    token_request: Arc<Mutex<String>>,
}

fn provider() -> Provider {
    let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
    let (nonce, token_request) = (Arc::new(Mutex::new(String::new())), Arc::new(Mutex::new(String::new())));
    let issuer = Arc::new(OnceLock::new());
    let port = serve({
        let (nonce, token_request, issuer) = (nonce.clone(), token_request.clone(), issuer.clone());
        move |_, path, body| {
            let issuer: &String = issuer.wait();
            let json = match path {
                "/.well-known/openid-configuration" => json!({
                    "issuer": issuer,
                    "authorization_endpoint": format!("{issuer}/authorize"),
                    "token_endpoint": format!("{issuer}/token"),
                    "jwks_uri": format!("{issuer}/jwks"),
                    "end_session_endpoint": format!("{issuer}/end-session"),
                    "response_types_supported": ["code"],
                    "subject_types_supported": ["public"],
                    "id_token_signing_alg_values_supported": ["ES256"],
                }),
                "/jwks" => {
                    let point = &key.public_key().as_ref()[1..];
                    json!({ "keys": [{ "kty": "EC", "crv": "P-256", "kid": "1", "use": "sig", "alg": "ES256",
                        "x": B64.encode(&point[..32]), "y": B64.encode(&point[32..]) }] })
                }
                "/token" => {
                    *token_request.lock().unwrap() = body.to_owned();
                    // Whole seconds from the system: the module compares them with its own clock.
                    let now = now();
                    let head = B64.encode(r#"{"alg":"ES256","kid":"1"}"#);
                    let body = json!({
                        "iss": issuer, "sub": "person-1", "aud": "app", "iat": now, "exp": now + 60,
                        "nonce": *nonce.lock().unwrap(), "email": "zoë@example.com", "groups": ["admins", "all"],
                    });
                    let signed = format!("{head}.{}", B64.encode(body.to_string()));
                    let signature = key.sign(&SystemRandom::new(), signed.as_bytes()).unwrap();
                    json!({
                        "access_token": "access", "token_type": "Bearer", "expires_in": 60,
                        "id_token": format!("{signed}.{}", B64.encode(signature)),
                    })
                }
                _ => return Answer("404 Not Found", vec![], String::new()),
            };
            Answer::ok("application/json", json.to_string())
        }
    });
    let url = format!("http://localhost:{port}");
    issuer.set(url.clone()).unwrap();
    Provider { issuer: url, nonce, token_request }
}

#[allow(clippy::disallowed_methods, reason = "another program compares it with its own clock")]
fn now() -> u64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs()
}

fn browser() -> Client {
    Client::builder().cookie_store(true).redirect(Policy::none()).no_proxy().build().unwrap()
}

fn location(response: &Response) -> (String, HashMap<String, String>) {
    assert_eq!(response.status(), 302, "{response:?}");
    let url = Url::parse(response.headers()["location"].to_str().unwrap()).unwrap();
    let parameters = url.query_pairs().into_owned().collect();
    (url.as_str().split('?').next().unwrap().to_owned(), parameters)
}

#[tokio::test]
async fn a_person_signs_in_and_out() {
    let provider = provider();
    let metadata = format!("{}/.well-known/openid-configuration", provider.issuer);
    let site = Site::reserve().unwrap();
    let apache = site.start(&Config::new(&metadata, "app", "se\"cr\\et")).unwrap();
    let (site, client) = (apache.site(), browser());

    let response = client.get(site.protected_url()).send().await.unwrap();
    let (endpoint, asked) = location(&response);
    assert_eq!(endpoint, format!("{}/authorize", provider.issuer), "{}", apache.log());
    assert_eq!(asked["client_id"], "app");
    assert_eq!(asked["scope"], "openid profile email groups");
    assert_eq!(asked["redirect_uri"], site.redirect_uri());
    assert_eq!(asked["code_challenge_method"], "S256");

    (*provider.nonce.lock().unwrap()).clone_from(&asked["nonce"]);
    let callback = Url::parse_with_params(&site.redirect_uri(), [("code", "abc"), ("state", &asked["state"])]).unwrap();
    let response = client.get(callback).send().await.unwrap();
    assert_eq!(location(&response).0, site.protected_url(), "{}", apache.log());
    let sent = provider.token_request.lock().unwrap().clone();
    assert!(sent.contains("code=abc") && sent.contains("code_verifier="), "{sent}");

    let page = client.get(site.protected_url()).send().await.unwrap().text().await.unwrap();
    let claims = claims(&page);
    assert_eq!(claims["sub"], "person-1", "{page}");
    assert_eq!(claims["email"], "zoë@example.com");
    assert_eq!(claims["groups"], "admins,all");
    let info: serde_json::Value = client.get(site.info_url()).send().await.unwrap().json().await.unwrap();
    assert_eq!(info["access_token"], "access");

    let response = client.get(site.logout_url()).send().await.unwrap();
    let (endpoint, asked) = location(&response);
    assert_eq!(endpoint, format!("{}/end-session", provider.issuer));
    assert_eq!(asked["post_logout_redirect_uri"], site.bye_url());
    assert_eq!(asked["id_token_hint"].split('.').count(), 3);
    let bye = client.get(site.bye_url()).send().await.unwrap().text().await.unwrap();
    assert!(bye.contains("<h1>Bye</h1>"), "{bye}");
    let response = client.get(site.protected_url()).send().await.unwrap();
    assert_eq!(location(&response).0, format!("{}/authorize", provider.issuer));
}

#[tokio::test]
async fn a_public_client_without_pkce_is_possible() {
    let provider = provider();
    let metadata = format!("{}/.well-known/openid-configuration", provider.issuer);
    let mut config = Config::new(&metadata, "app", "");
    config.client_secret = None;
    config.pkce = false;
    config.extra.push("OIDCAuthRequestParams prompt=login".to_owned());
    let apache = Site::reserve().unwrap().start(&config).unwrap();
    let response = browser().get(apache.site().protected_url()).send().await.unwrap();
    let (_, asked) = location(&response);
    assert!(!asked.contains_key("code_challenge"));
    assert_eq!(asked["prompt"], "login");
}

#[test]
fn a_refused_configuration_is_told() {
    let mut config = Config::new("http://localhost:9/none", "app", "secret");
    config.extra.push("NoSuchDirective on".to_owned());
    let error = Site::reserve().unwrap().start(&config).err().unwrap().to_string();
    assert!(error.contains("NoSuchDirective"), "{error}");
}
