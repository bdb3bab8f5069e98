//! Callback addresses through the wire: the documented, safe semantics (oidc.md §7, §30.2 no. 13). The matcher has its own
//! tests; here it is seen at work behind `/authorize`, and its entries behind the API.

use pid_tests::{RelyingParty, TestApp};
use serde_json::json;

/// Entry, requested address, whether it is accepted.
const CASES: &[(&str, &str, bool)] = &[
    ("https://app.example/cb", "https://app.example/cb", true),
    ("https://app.example/cb", "HTTPS://APP.example:443/cb", true),
    ("https://app.example/cb", "https://app.example/CB", false),
    ("https://app.example/cb", "https://app.example/cb/", false),
    ("https://app.example/cb", "http://app.example/cb", false),
    ("https://app.example/cb", "https://app.example:8443/cb", false),
    ("https://app.example/cb", "https://user@app.example/cb", false),
    ("https://user:pw@app.example/cb", "https://user:pw@app.example/cb", true),
    // A host star stays within one label.
    ("https://*.example.com/cb", "https://a.example.com/cb", true),
    ("https://*.example.com/cb", "https://a.b.example.com/cb", false),
    ("https://*.example.com/cb", "https://example.com/cb", false),
    ("https://app*.example.com/cb", "https://app.evil.example.com/cb", false),
    ("https://app*.example.com/cb", "https://app2.example.com/cb", true),
    ("https://*/cb", "https://a.b.c/cb", false),
    // A path star stays within one segment, and nothing after it is swallowed.
    ("https://app.example/*", "https://app.example/a", true),
    ("https://app.example/*", "https://app.example/a/b", false),
    ("https://app.example/*", "https://app.example/", false),
    ("https://app.example/oauth*callback", "https://app.example/oauth-callback", true),
    ("https://app.example/oauth*callback", "https://app.example/oauthEVIL", false),
    ("https://app.example/*-callback", "https://app.example/x-callback", true),
    ("https://app.example/**", "https://app.example/a/b", true),
    ("https://app.example/**/cb", "https://app.example/a/b/cb", true),
    ("https://app.example/**/cb", "https://app.example/cb", true),
    // Without a path the root alone; on loopback any.
    ("https://app.example", "https://app.example/", true),
    ("https://app.example", "https://app.example", true),
    ("https://app.example", "https://app.example/any/path", false),
    ("http://localhost", "http://localhost:8000/any/path", true),
    ("http://127.0.0.1:*", "http://127.0.0.1:5555/cb", true),
    ("http://127.0.0.1/cb", "http://127.0.0.1:40000/cb", true),
    ("http://localhost/cb", "http://localhost:40000/cb", true),
    ("http://localhost:1234/cb", "http://localhost:99/cb", false),
    ("https://localhost/cb", "https://localhost:99/cb", false),
    ("http://[::1]/cb", "http://[::1]:40000/cb", true),
    ("https://app.example:*/cb", "https://app.example:8443/cb", true),
    ("http://192.168.1.5:8080/cb", "http://192.168.1.5:8080/cb", true),
    // Queries.
    ("https://app.example/cb?a=*", "https://app.example/cb?a=1", true),
    ("https://app.example/cb?a=*", "https://app.example/cb?a=1&b=2", false),
    ("https://app.example/cb", "https://app.example/cb?a=1", false),
    ("https://app.example/cb?a=1&b=2", "https://app.example/cb?b=2&a=1", true),
    // Custom schemes.
    ("app.immich:///oauth-callback", "app.immich:///oauth-callback", true),
    ("oc://ios.owncloud.com", "oc://ios.owncloud.com", true),
    ("com.example.app:/oauth/*", "com.example.app:/oauth/cb", true),
    ("com.example.app:/oauth/*", "com.evil.app:/oauth/cb", false),
    ("*", "https://anything.example/at/all", true),
    ("*", "javascript:alert(1)", false),
    ("*", "https://a@b.example/", false),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn addresses_match_as_documented() {
    let app = TestApp::start_with(&[("DISABLE_RATE_LIMITING", "true")]).await;
    let tim = app.person("tim").await;
    let (rp, script) = (RelyingParty::register(&app, json!({ "skipConsent": true })).await, app.script());
    let path = format!("/api/oidc/clients/{}", rp.id);
    for (entry, requested, accepted) in CASES {
        script.patch(&path, &json!({ "callbackURLs": [entry] }), None).await.expect(200);
        let asking = rp.asks("openid").with("redirect_uri", requested);
        let reply = tim.agent.get(&asking.path()).await;
        if *accepted {
            let location = reply.expect(303).location();
            let code = location.split_once("code=").and_then(|(_, rest)| rest.split('&').next()).unwrap();
            assert!(location.starts_with(requested), "{entry} {requested}: {location}");
            // The address that was used is the one that the code is bound to, letter by letter.
            let rp = RelyingParty { callback: (*requested).to_owned(), ..rp.clone() };
            rp.redeem(&asking, code).await.expect(200);
        } else {
            let text = reply.expect(302).error_page();
            assert!(text.contains("not registered"), "{entry} {requested}: {text}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn entries_are_checked_when_they_are_saved() {
    let app = TestApp::start().await;
    app.admin().await;
    let script = app.script();
    for entry in [
        "",
        "/cb",
        "foo",
        "**",
        "https//x",
        "https://",
        "https://a b.example",
        "http*://x.example/cb",
        "myapp:cb",
        "https://x.example/cb#f",
        "https://x.example/(a|b)",
        "https://x.example/{a}",
        "https://x.example/../cb",
        "https://x.example/cb?code=*",
        "javascript:alert(1)",
        "JavaScript:/x",
        "data:text/html,x",
        "https://x.example:99999/cb",
    ] {
        for field in ["callbackURLs", "logoutCallbackURLs"] {
            if field == "logoutCallbackURLs" && entry.contains("code=") {
                continue;
            }
            let body = json!({ "name": "App", field: ["https://good.example/", entry] });
            let refused = script.post("/api/oidc/clients", &body).await.refused(400, "validation_failed").json();
            let named = refused["details"]["fields"][0]["field"].as_str().unwrap();
            assert!(named.starts_with(field), "{entry}: {named}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn plain_http_to_other_machines_can_be_switched_off() {
    let app = TestApp::start_with(&[("ALLOW_INSECURE_CALLBACK_URLS", "false")]).await;
    let tim = app.person("tim").await;
    let callbacks = json!([
        "http://nas:8080/cb",
        "http://localhost:8000/cb",
        "http://app.localhost/cb",
        "http://127.0.0.1/cb",
        "https://a.example/cb"
    ]);
    let rp = RelyingParty::register(&app, json!({ "skipConsent": true, "callbackURLs": callbacks })).await;
    for (callback, accepted) in [
        ("http://nas:8080/cb", false),
        ("http://localhost:8000/cb", true),
        ("http://app.localhost/cb", true),
        ("http://127.0.0.1:9/cb", true),
        ("https://a.example/cb", true),
    ] {
        let reply = tim.agent.get(&rp.asks("openid").with("redirect_uri", callback).path()).await;
        if accepted {
            assert!(reply.expect(303).location().starts_with(callback));
        } else {
            reply.expect(302).error_page();
        }
    }
}
