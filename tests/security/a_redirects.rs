//! Section A: where browsers are sent (security cases 1–4, 6, 8–12). What may be registered: `a_registration.rs`.

use pid_tests::{Person, RelyingParty, Reply, TestApp};
use serde_json::json;

/// An application with these callbacks that Tim may use at once.
async fn set_up(callbacks: serde_json::Value) -> (TestApp, Person, RelyingParty) {
    let app = TestApp::start_with(&[("DISABLE_RATE_LIMITING", "true")]).await;
    let tim = app.person("tim").await;
    let rp = RelyingParty::register(&app, json!({ "callbackURLs": callbacks, "skipConsent": true })).await;
    (app, tim, rp)
}

/// Demands that a request for an address ends on our own error page, signed in or not, silent or not.
async fn stays_here(app: &TestApp, tim: &Person, rp: &RelyingParty, address: &str) {
    let asking = rp.asks("openid").with("redirect_uri", address);
    for asking in [asking.clone(), asking.with("prompt", "none")] {
        for agent in [&tim.agent, &app.agent()] {
            let reply = agent.get(&asking.path()).await;
            assert_eq!(reply.status, 302, "{address:?}: {:?}", reply.header("location"));
            reply.error_page();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_001_user_info_and_backslashes_lead_nowhere() {
    let (app, tim, rp) =
        set_up(json!(["https://good.example/cb", "https://*.good.example/**", "https://good.example:*/**"])).await;
    for address in [
        "https://good.example@evil.example/cb",
        "https://good.example:443@evil.example/cb",
        "https://good.example\\@evil.example/cb",
        "https://evil.example\\@good.example/cb",
        "https://evil.example\\.good.example/cb",
        "https://good.example\\cb",
        "https:\\\\good.example\\cb",
        "https://good.example%40evil.example/cb",
        "https://user@good.example/cb",
        "https://:@good.example/cb",
        "https://@good.example/cb",
        "https:good.example/cb",
        "https:/good.example/cb",
        "https:///good.example/cb",
    ] {
        stays_here(&app, &tim, &rp, address).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_002_hosts_that_only_look_alike_are_others() {
    let callbacks = json!([
        "https://good.example/cb",
        "https://*.good.example/cb",
        "http://localhost/cb",
        "http://127.0.0.1/cb",
        "http://[::1]/cb"
    ]);
    let (app, tim, rp) = set_up(callbacks).await;
    for address in [
        "https://good.example.evil.com/cb",
        "https://evilgood.example/cb",
        "https://a.good.example.evil.com/cb",
        "https://a.evilgood.example/cb",
        "https://good.example./cb",
        "https://.good.example/cb",
        "https://xn--good-.example/cb",
        "http://localhost.evil.com/cb",
        "http://127.0.0.1.evil.com/cb",
        "http://localhost@evil.com/cb",
        "http://a.localhost/cb",
        "http://127.0.0.2/cb",
        "http://2130706433/cb",
        "http://0x7f.1/cb",
        "http://127.1/cb",
        "http://[::ffff:127.0.0.1]/cb",
        "http://[::2]/cb",
        "https://localhost:8443/cb",
    ] {
        stays_here(&app, &tim, &rp, address).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_003_path_tricks_don_t_pass_a_wildcard() {
    let (app, tim, rp) = set_up(json!(["https://good.example/cb/*", "https://good.example/deep/**"])).await;
    for path in ["cb/x", "deep/x/y"] {
        let asking = rp.asks("openid").with("redirect_uri", &format!("https://good.example/{path}"));
        tim.agent.get(&asking.path()).await.expect(303);
    }
    for path in [
        "/cb/../x",
        "/cb/./x",
        "/cb/..;/x",
        "/cb/%2e%2e/x",
        "/cb/%2E./x",
        "/cb/.%2e",
        "/cb%2f..",
        "/cb/a%2fb",
        "/cb/a%5cb",
        "/cb//x",
        "//cb/x",
        "/cb/%252e%252e/x",
        "/cb/a%252fb",
        "/cb/\\x",
        "/cb/x\ty",
        "/cb/\tx",
        "/cb/x\n",
        "/cb/x\u{0}",
        "/cb/%00",
        "/cb/x%0d%0a",
        "/deep/../x",
        "/deep/a/../../x",
        "/deep/%2e%2e/x",
        "/deep/..%2fx",
        "/deep//evil.example/",
        "/deep/..;/x",
        "/deep/a%2f..%2fb",
        "/cb/ x",
        "/cb/x ",
    ] {
        stays_here(&app, &tim, &rp, &format!("https://good.example{path}")).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_004_no_more_query_and_no_fragment() {
    let (app, tim, rp) = set_up(json!(["https://good.example/cb", "https://good.example/q?a=*", "*"])).await;
    let only = RelyingParty::register(
        &app,
        json!({ "name": "Only", "callbackURLs": ["https://good.example/cb", "https://good.example/q?a=*"] }),
    )
    .await;
    for query in ["?x=1", "?a=1", "#", "#code=x", "?x=1#y"] {
        stays_here(&app, &tim, &only, &format!("https://good.example/cb{query}")).await;
    }
    stays_here(&app, &tim, &only, "https://good.example/q?a=1&b=2").await;
    stays_here(&app, &tim, &only, "https://good.example/q?a=1&a=2").await;
    // Not even an entry that takes everything takes what we would add or what would hide it.
    for name in ["code", "state", "iss", "error", "c%6fde", "%73tate"] {
        stays_here(&app, &tim, &rp, &format!("https://good.example/cb?{name}=planted")).await;
        stays_here(&app, &tim, &rp, &format!("https://good.example/q?a=1&{name}=planted")).await;
    }
    stays_here(&app, &tim, &rp, "https://anywhere.example/cb#fragment").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_006_one_canonical_rule() {
    let callbacks = json!([
        "https://good.example/cb",
        "https://bücher.example/cb",
        "http://[0:0:0:0:0:0:0:1]/cb",
        "http://nas:80/cb",
        "https://localhost/cb"
    ]);
    let (app, tim, rp) = set_up(callbacks).await;
    for address in [
        "HTTPS://Good.EXAMPLE/cb",
        "https://good.example:443/cb",
        "https://xn--bcher-kva.example/cb",
        "https://BÜCHER.example/cb",
        "http://[::1]/cb",
        "http://[::1]:5000/cb",
        "http://nas/cb",
    ] {
        let asking = rp.asks("openid").with("redirect_uri", address);
        let location = tim.agent.get(&asking.path()).await.expect(303).location();
        assert!(location.is_ascii() && location.contains("/cb?code="), "{address}: {location}");
    }
    for address in [
        "https://good.example:80/cb",
        "https://good.example./cb",
        "http://good.example/cb",
        "https://bucher.example/cb",
        "https://xn--bcher-kvb.example/cb",
        "http://[::2]/cb",
        "http://nas:8080/cb",
        "https://localhost:444/cb",
    ] {
        stays_here(&app, &tim, &rp, address).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_008_without_a_certain_address_nothing_leaves() {
    let (app, tim, rp) = set_up(json!(["https://good.example/cb", "https://good.example/other"])).await;
    let all = || rp.asks("openid");
    for asking in [
        all().without("redirect_uri"),
        all().without("redirect_uri").with("scope", "email"),
        all().with("redirect_uri", ""),
        all().with("redirect_uri", "/cb"),
        all().with("redirect_uri", "https://unknown.example/cb"),
        all().and("redirect_uri", "https://good.example/other"),
        all().and("redirect_uri", "https://good.example/cb"),
        all().without("client_id"),
        all().with("client_id", "unknown"),
        all().with("client_id", "unknown").with("redirect_uri", "https://evil.example/"),
        all().and("client_id", "unknown"),
    ] {
        for asking in [asking.clone(), asking.with("prompt", "none").with("response_mode", "form_post")] {
            tim.agent.get(&asking.path()).await.expect(302).error_page();
            app.agent().post_form("/authorize", asking.form()).await.expect(302).error_page();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_009_no_parameter_twice() {
    let (_app, tim, rp) = set_up(json!(["https://good.example/cb"])).await;
    let names = [
        "client_id",
        "redirect_uri",
        "response_type",
        "scope",
        "state",
        "nonce",
        "code_challenge",
        "code_challenge_method",
        "prompt",
        "max_age",
        "response_mode",
        "id_token_hint",
        "acr_values",
    ];
    for name in names {
        let value = rp.asks("openid").form().iter().find(|(n, _)| n == name).map_or("1".to_owned(), |(_, v)| v.clone());
        let base = rp.asks("openid").without(name);
        let twice = base.clone().and(name, &value).and(name, "other");
        let same = base.clone().and(name, &value).and(name, &value);
        let once = base.and(name, &value);
        let replies = [
            tim.agent.get(&twice.path()).await,
            tim.agent.get(&same.path()).await,
            tim.agent.post_form("/authorize", twice.form()).await,
            // One in the query, one in the body.
            tim.agent.post_form(&format!("/authorize?{name}=other"), once.form()).await,
            // The same, with the name spelt differently.
            tim.agent.post_form(&format!("/authorize?{}=other", name.replacen('e', "%65", 1)), once.form()).await,
        ];
        for reply in replies {
            refused(&reply, name);
        }
    }
    // At the token endpoint too.
    for name in ["grant_type", "code", "redirect_uri", "code_verifier", "client_id", "client_secret"] {
        let form =
            [("grant_type", "authorization_code"), ("code", "x"), ("code_verifier", "y"), (name, "a"), (name, "b")];
        rp.token(&form).await.oauth_error(400, "invalid_request");
    }
}

fn refused(reply: &Reply, name: &str) {
    if matches!(name, "client_id" | "redirect_uri") {
        reply.clone().expect(302).error_page();
    } else {
        let location = reply.clone().expect(303).location();
        assert!(location.contains("error=invalid_request"), "{name}: {location}");
        assert!(reply.redirected("state").is_none_or(|_| name != "state"), "no state can be trusted: {location}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_010_a_hostile_state_is_escaped_on_the_form_post_page() {
    let (_app, tim, rp) = set_up(json!(["https://good.example/cb?a=1&b=2"])).await;
    let hostile = "\"><script>alert(1)</script><img src=x onerror='a'>&lt;\u{2028}";
    let asking = rp.asks("openid").with("response_mode", "form_post").with("state", hostile);
    let denied = asking.clone().with("prompt", "nonsense");
    for asking in [asking, denied] {
        let page = tim.agent.get(&asking.path()).await.expect(200);
        let text = page.text();
        assert!(!text.contains("<script>alert") && !text.contains("<img") && !text.contains("onerror='"), "{text}");
        assert_eq!(text.matches("<script").count(), 1, "{text}");
        let policy = page.header("content-security-policy").unwrap();
        for part in [
            "default-src 'none'",
            "script-src 'self'",
            "frame-ancestors 'none'",
            "base-uri 'none'",
            "form-action https://good.example",
        ] {
            assert!(policy.contains(part), "{part}: {policy}");
        }
        assert!(!policy.contains("unsafe"), "{policy}");
        assert_eq!(page.header("x-content-type-options"), Some("nosniff"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_011_error_redirects_have_what_they_need() {
    let (app, tim, rp) = set_up(json!(["https://good.example/cb"])).await;
    let hostile = "a b&error=none\r\nSet-Cookie: x=y";
    for asking in [rp.asks("openid").with("prompt", "none"), rp.asks("openid").with("response_type", "token")] {
        let asking = asking.with("state", hostile);
        for reply in [app.agent().get(&asking.path()).await, app.agent().post_form("/authorize", asking.form()).await] {
            let reply = reply.expect(303);
            assert_eq!(reply.redirected("state").as_deref(), Some(hostile));
            assert_eq!(reply.redirected("iss").as_deref(), Some(app.url()));
            assert_eq!(reply.header("referrer-policy"), Some("no-referrer"));
            assert_eq!(reply.header("cache-control"), Some("no-store"));
            assert_eq!(reply.header("set-cookie"), None);
            assert!(reply.location().starts_with("https://good.example/cb?error="), "{}", reply.location());
        }
    }
    let success = rp.asks("openid").with("state", hostile);
    let reply = tim.agent.get(&success.path()).await.expect(303);
    assert_eq!(reply.redirected("state").as_deref(), Some(hostile));
    assert_eq!(reply.header("set-cookie"), None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_012_after_sign_in_one_stays_here() {
    let (app, tim, _) = set_up(json!([])).await;
    let stranger = app.agent();
    for hostile in [
        "//evil.example",
        "/\\evil.example",
        "\\\\evil.example",
        "/%09/evil.example",
        "/\t/evil.example",
        "https:evil.example",
        "https://evil.example",
        "javascript:alert(1)",
        "/%2f/evil.example",
        "/%5cevil.example",
        "/..//evil.example",
        "/./evil.example/..//x",
        "evil.example",
        "",
        "/ok\r\nLocation: https://evil.example",
        "/\u{fffd}",
        "/x//evil.example",
    ] {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        let query = query.append_pair("redirect", hostile).finish();
        let signed_in = tim.agent.get(&format!("/login?{query}")).await;
        assert_eq!(signed_in.location(), "/settings", "{hostile:?}");
        for page in ["/login", "/login/alternative/code"] {
            let text = stranger.get(&format!("{page}?{query}")).await.expect(200).text();
            assert!(text.contains("\"/settings\""), "{page}: {hostile:?}");
        }
    }
    let good = tim.agent.get("/login?redirect=%2Finteraction%3Finteraction%3Dx").await;
    assert_eq!(good.location(), "/interaction?interaction=x");
    // Nor does the tidying of slashes lead away.
    for path in [
        "//evil.example/",
        "//evil.example/%2e%2e/",
        "/\\evil.example/",
        "///evil.example//",
        "/login//",
        "/.//evil.example/",
    ] {
        let answer = app.raw_get(path);
        let location =
            answer.lines().find_map(|l| l.to_ascii_lowercase().strip_prefix("location: ").map(str::to_owned));
        assert!(
            location.is_none_or(|l| l.starts_with('/') && !l.starts_with("//") && !l.starts_with("/\\")),
            "{path}: {answer}"
        );
    }
}
