//! The metadata documents (oidc.md §3, §26).

use http::Method;
use pid_tests::TestApp;
use serde_json::{Value, json};

const PATHS: [&str; 2] = ["/.well-known/openid-configuration", "/.well-known/oauth-authorization-server"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_documents_say_what_exists() {
    let app = TestApp::start().await;
    let (agent, url) = (app.agent(), app.url());
    let documents = [agent.get(PATHS[0]).await.expect(200), agent.get(PATHS[1]).await.expect(200)];
    assert_eq!(documents[0].body, documents[1].body);
    let document = documents[0].json();
    let expected = json!({
        "issuer": url,
        "authorization_endpoint": format!("{url}/authorize"),
        "token_endpoint": format!("{url}/api/oidc/token"),
        "userinfo_endpoint": format!("{url}/api/oidc/userinfo"),
        "end_session_endpoint": format!("{url}/api/oidc/end-session"),
        "jwks_uri": format!("{url}/.well-known/jwks.json"),
        "grant_types_supported": [
            "authorization_code", "refresh_token", "urn:ietf:params:oauth:grant-type:device_code", "client_credentials"
        ],
        "response_types_supported": ["code"],
        "response_modes_supported": ["query", "fragment", "form_post"],
        "scopes_supported": ["openid", "profile", "email", "groups", "offline_access"],
        "claims_supported": [
            "sub", "given_name", "family_name", "name", "display_name", "email", "email_verified", "preferred_username", "picture",
            "groups", "auth_time", "amr", "sid", "acr"
        ],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post", "private_key_jwt", "none"],
        "code_challenge_methods_supported": ["S256"],
        "authorization_response_iss_parameter_supported": true,
        "request_parameter_supported": true,
        "request_uri_parameter_supported": false,
        "prompt_values_supported": ["none", "login", "consent", "select_account"],
        "client_id_metadata_document_supported": false,
        "acr_values_supported": ["phr", "0"],
        "ui_locales_supported": ["de", "en", "es", "fr", "ja"],
        "dpop_signing_alg_values_supported": ["ES256", "ES384", "EdDSA", "PS256", "PS384", "PS512", "RS256", "RS384", "RS512"],
        "backchannel_logout_supported": true,
        "backchannel_logout_session_supported": true,
        "claims_parameter_supported": true,
        "require_pushed_authorization_requests": false,
    });
    // Later endpoints add their members; what is here stays, and what would lead nowhere isn't here.
    for (name, value) in expected.as_object().unwrap() {
        assert_eq!(&document[name], value, "{name}");
    }
    for (name, value) in document.as_object().unwrap() {
        let Some(address) = value.as_str().filter(|_| name.ends_with("_endpoint") || name == "jwks_uri") else {
            continue;
        };
        let get = agent.get(address).await.status;
        let post = agent.post_form(address, &[("a", "b")]).await.status;
        assert!(get != 404 || post != 404, "{name} leads nowhere");
    }
    let text = documents[0].text();
    let mut names: Vec<&String> = document.as_object().unwrap().keys().collect();
    names.sort_by_key(|name| text.find(&format!("\"{name}\":")));
    assert!(names.is_sorted(), "members in alphabetical order: {names:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn back_channel_addresses_follow_internal_app_url() {
    let app = TestApp::start_with(&[("INTERNAL_APP_URL", "http://pocket-id.internal:1411/")]).await;
    let document = app.agent().get(PATHS[0]).await.expect(200).json();
    for name in ["token_endpoint", "userinfo_endpoint", "jwks_uri"] {
        assert!(document[name].as_str().unwrap().starts_with("http://pocket-id.internal:1411/"), "{name}");
    }
    for name in ["issuer", "authorization_endpoint", "end_session_endpoint"] {
        assert!(document[name].as_str().unwrap().starts_with(app.url()), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn documents_may_be_cached_and_read_from_anywhere() {
    let app = TestApp::start().await;
    let agent = app.agent();
    for path in [PATHS[0], PATHS[1], "/.well-known/jwks.json"] {
        let reply = agent.get(path).await.expect(200);
        assert_eq!(reply.header("content-type"), Some("application/json; charset=utf-8"));
        assert_eq!(reply.header("cache-control"), Some("public, max-age=3600"));
        assert_eq!(reply.header("access-control-allow-origin"), Some("*"));
        let tag = reply.header("etag").unwrap().to_owned();
        let again = agent.send(agent.request(Method::GET, path).header("if-none-match", &tag)).await.expect(304);
        assert_eq!((again.header("etag"), again.body.len()), (Some(tag.as_str()), 0));
        agent.send(agent.request(Method::GET, path).header("if-none-match", "\"other\"")).await.expect(200);

        let head = agent.send(agent.request(Method::HEAD, path)).await.expect(200);
        assert_eq!((head.header("etag"), head.body.len()), (Some(tag.as_str()), 0));
        let preflight = agent.send(agent.request(Method::OPTIONS, path).header("origin", "https://spa.example")).await;
        assert_eq!(preflight.expect(204).header("access-control-allow-methods"), Some("GET, POST"));
        assert_eq!(agent.post(path, &Value::Null).await.expect(404).json()["error"], "API endpoint not found");
        assert_eq!(agent.get(&format!("{path}/")).await.expect(301).location(), path);
    }
    let unknown = agent.get("/.well-known/webfinger").await.expect(404);
    assert_eq!(unknown.json()["error"], "API endpoint not found");
}
