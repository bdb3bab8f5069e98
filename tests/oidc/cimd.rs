//! Clients that are known by their metadata document (oidc.md §22).

use pid_tests::{Documents, RelyingParty, TestApp, Tokens};
use serde_json::{Value, json};

const APP: &str = "https://app.test/oauth/client.json";
const CALLBACK: &str = "https://app.test/cb";

fn document(url: &str, more: &Value) -> Value {
    let mut document = json!({
        "client_id": url, "client_name": "Notes", "token_endpoint_auth_method": "none", "redirect_uris": [CALLBACK],
        "grant_types": ["authorization_code", "refresh_token"],
    });
    for (name, value) in more.as_object().into_iter().flatten() {
        document[name] = value.clone();
    }
    document
}

async fn start(allowed: &Value) -> (Documents, TestApp) {
    let documents = Documents::start(&["app.test", "other.test"]).await;
    let variables = [("ALLOWED_PRIVATE_TARGETS", "127.0.0.1/32")];
    let app = TestApp::start_reaching(&variables, documents.reach()).await;
    allow(&app, allowed).await;
    (documents, app)
}

async fn allow(app: &TestApp, allowed: &Value) {
    let body = json!({ "cimdUrlAllowlist": allowed.to_string() });
    app.script().patch("/api/application-configuration", &body, None).await.expect(200);
}

fn party(app: &TestApp, url: &str) -> RelyingParty {
    RelyingParty {
        id: url.to_owned(),
        secret: None,
        callback: CALLBACK.to_owned(),
        agent: app.agent(),
        issuer: app.url().to_owned(),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_app_signs_people_in_by_its_document_alone() {
    let (documents, app) = start(&json!(["https://app.test/**"])).await;
    let discovery = "/.well-known/openid-configuration";
    assert_eq!(app.agent().get(discovery).await.json()["client_id_metadata_document_supported"], true);
    documents.publish(APP, 200, "content-type: application/json\r\n", &document(APP, &json!({})).to_string());
    let mut tim = app.person("tim").await;
    let rp = party(&app, APP);
    // What it calls itself proves nothing: people see its host.
    let interaction = tim.agent.get(&rp.asks("openid email").path()).await.interaction().expect("consent");
    let page = tim.agent.get(&format!("/interaction?interaction={interaction}")).await.expect(200).text();
    assert!(page.contains("app.test") && !page.contains("Notes"), "{page}");
    let tokens = rp.sign_in(&mut tim, "openid email").await;
    let apps = tim.agent.get("/settings/apps").await.expect(200).text();
    assert!(apps.contains("app.test") && !apps.contains("Notes"), "{apps}");
    assert_eq!(rp.verify(tokens.id()).await.claims["aud"], json!([APP]));
    let tokens = Tokens::from(rp.refresh(tokens.refresh()).await);
    assert!(rp.is_alive(tokens.access()).await);
    assert_eq!(documents.asked(), [APP], "fetched once");

    // An administrator sees it like the others, and changes what is theirs.
    let script = app.script();
    let listed = script.get("/api/oidc/clients?filters[clientType]=cimd").await.expect(200).json();
    let client = &listed["data"][0];
    assert_eq!((&client["id"], &client["name"], &client["isPublic"]), (&json!(APP), &json!("Notes"), &json!(true)));
    let path =
        format!("/api/oidc/clients/{}", url::form_urlencoded::byte_serialize(APP.as_bytes()).collect::<String>());
    let body = json!({ "name": "Mine", "description": "Notes of the family", "callbackURLs": ["https://evil.example/"],
        "isPublic": false });
    let changed = script.put(&path, &body).await.expect(200).json();
    assert_eq!((&changed["name"], &changed["callbackURLs"]), (&json!("Notes"), &json!([CALLBACK])));
    assert_eq!((&changed["description"], &changed["isPublic"]), (&json!("Notes of the family"), &json!(true)));
    // Fetched anew on request.
    let renamed = document(APP, &json!({ "client_name": "Better Notes" }));
    documents.publish(APP, 200, "", &renamed.to_string());
    let fresh = script.post(&format!("{path}/refresh"), &Value::Null).await.expect(200).json();
    assert_eq!(fresh["name"], "Better Notes");
    assert!(rp.is_alive(tokens.access()).await, "another name alone asks nobody anew");
    documents.publish(APP, 500, "", "");
    script.post(&format!("{path}/refresh"), &Value::Null).await.refused(400, "validation_failed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_document_counts_as_long_as_its_server_says() {
    let (documents, app) = start(&json!(["*"])).await;
    let mut tim = app.person("tim").await;
    let rp = party(&app, APP);
    let body = |more: Value| document(APP, &more).to_string();
    documents.publish(APP, 200, "cache-control: max-age=120\r\n", &body(json!({})));
    rp.sign_in(&mut tim, "openid").await;
    let silent = |rp: &RelyingParty| rp.asks("openid").with("prompt", "none").path();
    app.advance(60);
    assert!(tim.agent.get(&silent(&rp)).await.redirected("code").is_some());
    assert_eq!(documents.asked().len(), 1);
    app.advance(61);
    assert!(tim.agent.get(&silent(&rp)).await.redirected("code").is_some(), "fetched anew, it says the same");
    assert_eq!(documents.asked().len(), 2);
    // It says something else than when people agreed: they agree anew, and old refresh tokens are worth nothing.
    let tokens = rp.sign_in(&mut tim, "openid").await;
    app.advance(121);
    documents.publish(APP, 200, "", &body(json!({ "redirect_uris": [CALLBACK, "https://app.test/new"] })));
    assert_eq!(tim.agent.get(&silent(&rp)).await.redirected("error").as_deref(), Some("consent_required"));
    rp.refresh(tokens.refresh()).await.oauth_error(400, "invalid_grant");
    rp.userinfo(tokens.access()).await.expect(401);
    let again = rp.sign_in(&mut tim, "openid").await;
    rp.refresh(tokens.refresh()).await.oauth_error(400, "invalid_grant");
    rp.refresh(again.refresh()).await.expect(200);
    // A server that is gone: nobody signs in, and the client says why.
    app.advance(3601);
    documents.publish(APP, 503, "", "");
    assert!(tim.agent.get(&silent(&rp)).await.error_page().contains("status 503"));
    let asked = documents.asked().len();
    assert!(tim.agent.get(&silent(&rp)).await.error_page().contains("status 503"));
    assert_eq!(documents.asked().len(), asked, "it is left alone for a moment");
    app.advance(11);
    // Several at once share one fetch.
    documents.publish(APP, 200, "", &body(json!({})));
    let before = documents.asked().len();
    let path = silent(&rp);
    tokio::join!(tim.agent.get(&path), tim.agent.get(&path), tim.agent.get(&path));
    assert_eq!(documents.asked().len(), before + 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_082_what_no_document_makes_a_client_of() {
    let (documents, app) = start(&json!(["https://app.test/**"])).await;
    let tim = app.person("tim").await;
    let page = async |url: &str| {
        let rp = party(&app, url);
        let text = tim.agent.get(&rp.asks("openid").path()).await.error_page();
        // The endpoints of clients say the same in their way.
        let form = [("client_id", url), ("grant_type", "authorization_code"), ("code", "x")];
        app.agent().post_form("/api/oidc/token", &form).await.oauth_error(401, "invalid_client");
        text
    };
    let json = "content-type: application/json\r\n";
    for (name, status, headers, body, why) in [
        ("other", 200, json, document("https://app.test/else", &json!({})), "is not its address"),
        (
            "secret",
            200,
            json,
            document("https://app.test/secret", &json!({ "client_secret": "s" })),
            "must be \"none\"",
        ),
        (
            "jwt",
            200,
            json,
            document("https://app.test/jwt", &json!({ "token_endpoint_auth_method": "private_key_jwt" })),
            "must be \"none\"",
        ),
        (
            "away",
            200,
            json,
            document("https://app.test/away", &json!({ "redirect_uris": ["https://other.test/cb"] })),
            "another host",
        ),
        (
            "star",
            200,
            json,
            document("https://app.test/star", &json!({ "redirect_uris": ["https://app.test/*"] })),
            "star",
        ),
        (
            "script",
            200,
            json,
            document("https://app.test/script", &json!({ "redirect_uris": ["javascript:alert(1)"] })),
            "harmless",
        ),
        ("html", 200, "content-type: text/html\r\n", document("https://app.test/html", &json!({})), "content type"),
        ("no-store", 200, "cache-control: no-store\r\n", document("https://app.test/no-store", &json!({})), "no-store"),
        ("large", 200, json, document("https://app.test/large", &json!({ "x": "x".repeat(6000) })), "too large"),
        ("moved", 302, "location: https://other.test/c\r\n", json!({}), "status 302"),
        ("missing", 404, "", json!({}), "status 404"),
    ] {
        let url = format!("https://app.test/{name}");
        documents.publish(&url, status, headers, &body.to_string());
        let text = page(&url).await;
        assert!(text.contains(why), "{name}: {text}");
    }
    let asked = documents.asked().len();
    for url in [
        "https://other.test/c",
        "https://app.test/a/../c",
        "https://app.test:8443/c",
        "https://user@app.test/c",
        "https://app.test/c?x=1",
        "https://app.test",
    ] {
        page(url).await;
    }
    assert_eq!(documents.asked().len(), asked, "not even asked for");
    // Nothing of all that is kept.
    let listed = app.script().get("/api/oidc/clients").await.expect(200).json();
    assert_eq!(listed["data"], json!([]));
    // This machine's own services are nobody's documents.
    let closed = TestApp::start_reaching(&[], documents.reach()).await;
    allow(&closed, &json!(["*"])).await;
    let text = closed.agent().get(&party(&closed, APP).asks("openid").path()).await.error_page();
    assert!(text.contains("must not be called"), "{text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_allow_list_counts_at_once_and_declared_grants_are_all() {
    let (documents, app) = start(&json!(["https://app.test/**"])).await;
    let mut tim = app.person("tim").await;
    let rp = party(&app, APP);
    let plain = document(APP, &json!({ "grant_types": ["authorization_code"] }));
    documents.publish(APP, 200, "", &plain.to_string());
    let asking = rp.asks("openid");
    let code = rp.code(&mut tim, &asking).await;
    let tokens = rp.redeem(&asking, &code).await.expect(200).json();
    assert_eq!(tokens.get("refresh_token"), None, "not declared, not issued");
    assert!(rp.is_alive(tokens["access_token"].as_str().unwrap()).await);
    rp.post("/api/oidc/device/authorize", &[("scope", "openid")]).await.oauth_error(400, "unauthorized_client");
    rp.refresh("x").await.oauth_error(400, "unauthorized_client");
    allow(&app, &json!(["https://other.test/**"])).await;
    assert!(tim.agent.get(&rp.asks("openid").path()).await.error_page().contains("allow-list"));
    rp.redeem(&asking, "x").await.oauth_error(401, "invalid_client");
    allow(&app, &json!([])).await;
    assert!(tim.agent.get(&rp.asks("openid").path()).await.error_page().contains("allow-list"));
    let discovery = app.agent().get("/.well-known/openid-configuration").await.json();
    assert_eq!(discovery["client_id_metadata_document_supported"], false);
    // A client that was registered here wins: nothing is fetched for it. (An id like that can't be chosen, so it stays so.)
    let taken = json!({ "name": "App", "id": "https://app.test/mine" });
    app.script().post("/api/oidc/clients", &taken).await.invalid(&["id client_id"]);
}
