//! Real apps and a real proxy with faults of theirs: Apache's `mod_auth_openidc`, `openid-client`, the crate
//! `openidconnect`, nginx.

use openidconnect::core::{CoreAuthenticationFlow, CoreClient, CoreProviderMetadata};
use openidconnect::{
    AuthorizationCode, ClientId, ClientSecret, CsrfToken, IssuerUrl, Nonce, PkceCodeChallenge, RedirectUrl,
};
use pid_core::diagnosis::Code;
use pid_testkit::apache::{Config, Site};
use pid_testkit::process::free_port;
use pid_testkit::program::Program;
use pid_testkit::proxy::{Kind, Proxy};
use pid_tests::{Agent, RelyingParty, Sender, Signer};
use serde_json::{Value, json};

use super::Clinic;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn apache_with_another_address_and_another_secret() {
    let clinic = Clinic::open().await;
    let mut tim = clinic.person("tim").await;
    let metadata = format!("{}/.well-known/openid-configuration", clinic.app.url());

    let site = Site::reserve().unwrap();
    let registered = format!("{}/oidc/callback", site.origin());
    let rp = clinic.client(json!({ "name": "Apache", "callbackURLs": [registered] })).await;
    let config = Config::new(&metadata, &rp.id, rp.secret.as_deref().unwrap());
    let apache = site.start(&config).unwrap();
    let away = tim.agent.get(&apache.site().protected_url()).await.expect(302).location();
    let page = tim.agent.get(&away).await.error_page();
    assert!(page.contains("not registered"), "{page}");
    clinic.of(&rp, Code::CallbackPath, &[&apache.site().redirect_uri(), &registered]);

    for (is_right, pkce, code) in [(false, true, Code::SecretWrong), (true, false, Code::PkceMissing)] {
        let site = Site::reserve().unwrap();
        let rp = clinic.client(json!({ "callbackURLs": [site.redirect_uri()], "pkceEnabled": true })).await;
        let secret = if is_right { rp.secret.as_deref().unwrap() } else { "a-secret-from-before" };
        let apache = site.start(&Config { pkce, ..Config::new(&metadata, &rp.id, secret) }).unwrap();
        let away = tim.agent.get(&apache.site().protected_url()).await.expect(302).location();
        let reply = tim.agent.get(&away).await;
        let back = tim.follow(reply).await.expect(303).location();
        tim.agent.get(&back).await;
        clinic.find(&rp.id, code).await;
    }
    clinic.close().await;
}

fn call(program: &mut Program, action: &str, arguments: Value) -> Value {
    let mut request = arguments;
    request["do"] = json!(action);
    request["party"] = json!("app");
    tokio::task::block_in_place(|| program.call(&request)).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn openid_client_with_another_key_and_another_method() {
    let clinic = Clinic::open().await;
    let mut program = Program::node("relying_party.mjs").unwrap();
    let key = Signer::new("k1");
    let _ = call(&mut program, "keys", json!({ "kid": "k1" }));
    for (client, method, code) in [
        (json!({ "jwks": key.jwks() }), "private_key_jwt", Code::AssertionKey),
        (json!({ "tokenEndpointAuthMethod": "client_secret_basic" }), "client_secret_post", Code::MethodRefused),
        (json!({}), "none", Code::SecretMissing),
    ] {
        let rp = clinic.client(client).await;
        let discover = json!({ "issuer": clinic.app.url(), "clientId": rp.id, "secret": rp.secret, "method": method });
        call(&mut program, "discover", discover);
        let refused = call(&mut program, "refresh", json!({ "token": "pocket_id_rt_x" }));
        assert_eq!(refused["error"]["error"], "invalid_client", "{refused}");
        clinic.find(&rp.id, code).await;
    }
    // It takes the issuer with a slash at its end for another one, and says nothing to us but how it asks.
    let issuer = format!("{}/", clinic.app.url());
    call(&mut program, "discover", json!({ "issuer": format!("{issuer}/"), "clientId": "x", "method": "none" }));
    clinic.expect(None, Code::IssuerSlash, &[&issuer]);
    clinic.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_crate_openidconnect_that_lost_its_session() {
    let clinic = Clinic::open().await;
    let mut tim = clinic.person("tim").await;
    let rp = clinic.client(json!({})).await;
    let http = Sender::new();
    let issuer = IssuerUrl::new(clinic.app.url().to_owned()).unwrap();
    let metadata = CoreProviderMetadata::discover_async(issuer, &http).await.unwrap();
    let secret = rp.secret.clone().map(ClientSecret::new);
    let client = CoreClient::from_provider_metadata(metadata, ClientId::new(rp.id.clone()), secret)
        .set_redirect_uri(RedirectUrl::new(rp.callback.clone()).unwrap());
    let (challenge, _) = PkceCodeChallenge::new_random_sha256();
    let (url, ..) = client
        .authorize_url(CoreAuthenticationFlow::AuthorizationCode, CsrfToken::new_random, Nonce::new_random)
        .set_pkce_challenge(challenge)
        .url();
    let reply = tim.agent.get(url.as_str()).await;
    let code = tim.follow(reply).await.redirected("code").unwrap();
    // Another session, another verifier.
    let (_, verifier) = PkceCodeChallenge::new_random_sha256();
    let asked = client.exchange_code(AuthorizationCode::new(code)).unwrap().set_pkce_verifier(verifier);
    asked.request_async(&http).await.unwrap_err();
    clinic.of(&rp, Code::VerifierWrong, &["challenge"]);
    clinic.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nginx_that_names_another_host_takes_headers_away_and_has_little_room() {
    let clinic = Clinic::open().await;
    let port = free_port().unwrap();
    // As its documentation begins: Host is then the name in `proxy_pass`.
    let at = clinic.app.url().replace("localhost", "127.0.0.1");
    let text = format!(
        "server {{\nlisten 127.0.0.1:{port};\nproxy_buffer_size 4k;\nlocation / {{\nproxy_pass {at};\n}}\nlocation /api/oidc/ {{\n\
         proxy_pass {at};\nproxy_set_header Authorization \"\";\n}}\n}}"
    );
    let _nginx = Proxy::start(Kind::Nginx, port, &text, &[]).unwrap();
    let through = Agent::new(&format!("http://127.0.0.1:{port}"));
    through.get("/.well-known/openid-configuration").await.expect(200);
    let host = at.strip_prefix("http://").unwrap();
    clinic.expect(None, Code::IssuerHost, &[host, clinic.app.url()]);

    let rp = clinic.client(json!({})).await;
    let behind = RelyingParty { agent: through.clone(), ..rp.clone() };
    behind.refresh("pocket_id_rt_x").await.expect(400);
    clinic.expect(None, Code::ClientMissing, &[]);
    behind.userinfo("x").await.expect(401);
    clinic.expect(None, Code::TokenMissing, &[]);

    let mut tim = clinic.person("tim").await;
    rp.sign_in(&mut tim, "openid").await;
    through.set_cookie("access_token", &tim.agent.cookie("access_token").expect("a session"));
    through.get(&rp.asks("openid").with("state", &"s".repeat(6000)).path()).await.expect(502);
    clinic.of(&rp, Code::AnswerLarge, &[]);
    clinic.close().await;
}
