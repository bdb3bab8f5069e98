//! `/authorize`: requests and answers (oidc.md §8, §9).

use http::Method;
use pid_tests::{RelyingParty, Reply, TestApp};
use serde_json::{Value, json};

/// Demands an error that went back to the client, with all that belongs to it.
pub fn told(reply: &Reply, rp: &RelyingParty, state: Option<&str>, error: &str) {
    let location = reply.clone().expect(303).location();
    assert!(location.starts_with(&rp.callback), "{location}");
    assert_eq!(reply.redirected("error").as_deref(), Some(error), "{location}");
    assert!(reply.redirected("error_description").is_some_and(|d| !d.is_empty()), "{location}");
    assert_eq!(reply.redirected("state").as_deref(), state, "{location}");
    assert!(reply.redirected("iss").is_some_and(|iss| iss.starts_with("http://localhost:")), "{location}");
    assert_eq!(reply.redirected("code"), None, "{location}");
    assert_eq!(reply.header("cache-control"), Some("no-store"), "{location}");
    assert_eq!(reply.header("referrer-policy"), Some("no-referrer"), "{location}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_a_session_and_consent_it_is_one_redirect() {
    let app = TestApp::start().await;
    let mut tim = app.person("tim").await;
    let rp = RelyingParty::register(&app, json!({})).await;

    // The first time there is something to ask.
    let asking = rp.asks("openid email");
    let first = tim.agent.get(&asking.path()).await.expect(302);
    let interaction = first.interaction().unwrap();
    assert_eq!(first.location(), format!("/interaction?interaction={interaction}"));
    let cookie = first.header("set-cookie").unwrap();
    for part in ["session=", "HttpOnly", "SameSite=Lax", "Path=/", "Max-Age=3600"] {
        assert!(cookie.contains(part), "{cookie}");
    }
    assert_eq!(first.header("cache-control"), Some("no-store"));
    assert_eq!(first.header("referrer-policy"), Some("no-referrer"));
    let answer = tim.follow(first).await;
    rp.code_in(&answer, &asking);

    // From now on there is nothing.
    let asking = rp.asks("openid email");
    let by_query = tim.agent.get(&asking.path()).await;
    let by_form = tim.agent.post_form("/authorize", asking.form()).await;
    let parts: Vec<_> = asking.form().iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let by_parts = tim.agent.post_parts("/authorize", &parts).await;
    let (client, rest): (Vec<_>, Vec<_>) = asking.form().iter().cloned().partition(|(name, _)| name == "client_id");
    let path = format!("/authorize?client_id={}", client[0].1);
    let by_both = tim.agent.post_form(&path, &rest).await;
    for reply in [by_query, by_form, by_parts, by_both] {
        let code = rp.code_in(&reply, &asking);
        assert!(code.starts_with("pocket_id_ac_") && code.len() > 50, "{code}");
        assert_eq!(reply.redirected("scope").as_deref(), Some("openid email"));
        assert_eq!(reply.header("cache-control"), Some("no-store"));
        assert_eq!(reply.header("pragma"), Some("no-cache"));
        assert_eq!(reply.header("referrer-policy"), Some("no-referrer"));
        assert_eq!(reply.header("set-cookie"), None);
        assert_eq!(reply.header("access-control-allow-origin"), None);
        rp.redeem(&asking, &code).await.expect(200);
    }
    // More than was agreed to is asked for again; less is not.
    assert!(tim.agent.get(&rp.asks("openid email groups").path()).await.interaction().is_some());
    tim.agent.get(&rp.asks("email").path()).await.expect(303);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_post_of_somebody_signed_out_goes_through_sign_in() {
    let app = TestApp::start().await;
    let mut tim = app.person("tim").await;
    let rp = RelyingParty::register(&app, json!({})).await;
    tim.agent = app.agent();
    let asking = rp.asks("openid");
    let reply = tim.agent.post_form("/authorize", asking.form()).await.expect(302);
    let answer = tim.follow(reply).await;
    let tokens = rp.redeem(&asking, &rp.code_in(&answer, &asking)).await.expect(200).json();
    let claims = rp.verify(tokens["id_token"].as_str().unwrap()).await.claims;
    assert_eq!(claims["sub"], tim.id());
    assert_eq!(claims["nonce"], asking.nonce.as_str());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_come_in_the_wanted_mode() {
    let app = TestApp::start().await;
    let mut tim = app.person("tim").await;
    let rp = RelyingParty::register(&app, json!({ "callbackURLs": ["https://app.example/cb?tenant=a%20b"] })).await;
    rp.sign_in(&mut tim, "openid").await;

    for mode in ["", "query"] {
        let asking = rp.asks("openid").with("response_mode", mode);
        let location = tim.agent.get(&asking.path()).await.expect(303).location();
        assert!(location.starts_with("https://app.example/cb?tenant=a%20b&code=pocket_id_ac_"), "{location}");
    }
    let asking = rp.asks("openid").with("response_mode", "fragment");
    let location = tim.agent.get(&asking.path()).await.expect(303).location();
    assert!(location.starts_with("https://app.example/cb?tenant=a%20b#code=pocket_id_ac_"), "{location}");
    assert!(location.contains(&format!("state={}", asking.state)), "{location}");

    let asking = rp.asks("openid").with("response_mode", "form_post");
    let page = tim.agent.get(&asking.path()).await.expect(200);
    assert!(page.header("content-type").unwrap().starts_with("text/html"));
    assert_eq!(page.header("cache-control"), Some("no-store"));
    assert_eq!(page.header("referrer-policy"), Some("no-referrer"));
    let policy = page.header("content-security-policy").unwrap();
    assert!(policy.contains("form-action https://app.example") && !policy.contains("unsafe"), "{policy}");
    let text = page.text();
    assert!(text.contains(r#"action="https://app.example/cb?tenant=a%20b""#), "{text}");
    for name in ["code", "state", "scope", "iss"] {
        assert!(text.contains(&format!(r#"name="{name}""#)), "{name}: {text}");
    }
    assert!(text.contains("<script src=\"/form-post.js\"") && !text.contains("onload"), "{text}");
    let script = app.agent().get("/form-post.js").await.expect(200);
    assert!(script.header("content-type").unwrap().starts_with("text/javascript"));

    // Errors travel the same way.
    let fragment =
        tim.agent.get(&rp.asks("openid").with("response_mode", "fragment").with("prompt", "no").path()).await;
    assert!(fragment.expect(303).location().contains("#error=invalid_request&"));
    let form = tim.agent.get(&rp.asks("openid").with("response_mode", "form_post").with("prompt", "no").path()).await;
    assert!(form.expect(200).text().contains(r#"value="invalid_request""#));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn errors_go_to_a_good_address() {
    let app = TestApp::start().await;
    let mut tim = app.person("tim").await;
    let rp = RelyingParty::register(&app, json!({})).await;
    rp.sign_in(&mut tim, "openid").await;
    let pkce = RelyingParty::register(&app, json!({ "name": "PKCE", "pkceEnabled": true })).await;
    let public = RelyingParty::register(&app, json!({ "name": "SPA", "isPublic": true })).await;
    let all = || rp.asks("openid");
    let cases = [
        (all().without("response_type"), "unsupported_response_type"),
        (all().with("response_type", "token"), "unsupported_response_type"),
        (all().with("response_type", "code id_token"), "unsupported_response_type"),
        (all().with("response_mode", "web_message"), "unsupported_response_mode"),
        (all().with("registration", "{}"), "registration_not_supported"),
        (all().with("request", "e30.e30."), "invalid_request_object"),
        (all().with("request_uri", "https://app.example/r"), "request_uri_not_supported"),
        (all().with("request", "x").with("request_uri", "y"), "invalid_request"),
        (all().with("prompt", "none login"), "invalid_request"),
        (all().with("prompt", "sometimes"), "invalid_request"),
        (all().with("max_age", "-1"), "invalid_request"),
        (all().with("max_age", "soon"), "invalid_request"),
        (all().with("code_challenge_method", "plain"), "invalid_request"),
        (all().without("code_challenge_method"), "invalid_request"),
        (all().with("code_challenge_method", "S512"), "invalid_request"),
        (all().with("code_challenge", "short"), "invalid_request"),
        (all().without("code_challenge"), "invalid_request"),
        (all().with("resource", "https://api.example"), "invalid_request"),
        (all().with("resource", "relative"), "invalid_target"),
        (all().with("scope", &"x ".repeat(1001)), "invalid_scope"),
        (all().with("id_token_hint", "not.a.token"), "invalid_request"),
    ];
    for (asking, error) in cases {
        told(&tim.agent.get(&asking.path()).await, &rp, Some(&asking.state), error);
        told(&app.agent().post_form("/authorize", asking.form()).await, &rp, Some(&asking.state), error);
    }
    for (rp, asking) in [(&pkce, pkce.asks("openid").without_pkce()), (&public, public.asks("openid").without_pkce())] {
        told(&tim.agent.get(&asking.path()).await, rp, Some(&asking.state), "invalid_request");
    }
    // Without a state there is none in the answer; a short one is as good as any (oidc.md §30.2 no. 3).
    told(&tim.agent.get(&all().without("state").with("prompt", "no").path()).await, &rp, None, "invalid_request");
    let short = all().with("state", "x").with("nonce", "y");
    let reply = tim.agent.get(&short.path()).await.expect(303);
    assert_eq!(reply.redirected("state").as_deref(), Some("x"));
    let tokens = rp.redeem(&short, &reply.redirected("code").unwrap()).await.expect(200).json();
    assert_eq!(rp.verify(tokens["id_token"].as_str().unwrap()).await.claims["nonce"], "y");
    let long = all().with("nonce", &"n".repeat(4000));
    let code = rp.code(&mut tim, &long).await;
    let tokens = rp.redeem(&long, &code).await.expect(200).json();
    assert_eq!(rp.verify(tokens["id_token"].as_str().unwrap()).await.claims["nonce"].as_str().unwrap().len(), 4000);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn errors_without_a_good_address_stay_here() {
    let app = TestApp::start().await;
    let tim = app.person("tim").await;
    let rp = RelyingParty::register(&app, json!({})).await;
    let bare = RelyingParty::register(&app, json!({ "name": "Bare", "callbackURLs": [] })).await;
    let all = || rp.asks("openid");
    let cases = [
        (all().without("client_id"), "client_id"),
        (all().with("client_id", "nobody"), "not registered"),
        (all().with("client_id", &"x".repeat(5000)), "not registered"),
        (all().without("redirect_uri"), "redirect_uri"),
        (all().with("redirect_uri", "https://evil.example/cb"), "https://evil.example/cb"),
        (all().with("redirect_uri", "https://evil.example/cb").with("prompt", "none"), "not registered"),
        (all().and("redirect_uri", &rp.callback), "more than once"),
        (all().and("client_id", &rp.id), "more than once"),
        (bare.asks("openid").with("redirect_uri", "https://app.example/cb"), "no address is registered"),
    ];
    for (asking, text) in cases {
        for reply in [tim.agent.get(&asking.path()).await, app.agent().post_form("/authorize", asking.form()).await] {
            let shown = reply.expect(302).error_page();
            assert!(shown.contains(text), "{shown}");
        }
    }
    let path = all().path();
    for broken in [format!("{path}&x=%zz"), format!("{path}&x=%ff"), format!("{path}{}", "&x=1".repeat(300))] {
        tim.agent.get(&broken).await.expect(302).error_page();
    }
    // An agent of its own: the server closes a connection whose request it didn't read to its end.
    let agent = app.agent();
    let oversized = agent.request(Method::POST, &path).header("content-type", "application/x-www-form-urlencoded");
    agent.send(oversized.body("x".repeat((1 << 20) + 1))).await.oauth_error(413, "invalid_request");
    let json = tim.agent.post("/authorize", &json!({ "client_id": rp.id })).await;
    assert!(json.expect(302).error_page().contains("application/x-www-form-urlencoded"));
    // The page itself.
    let page = tim.agent.get("/interaction/error?error=%3Cb%3Eno%3C/b%3E").await;
    assert!(page.text().contains("&#60;b&#62;no") || page.text().contains("&lt;b&gt;no"), "{}", page.text());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn scopes_are_taken_as_they_come() {
    let app = TestApp::start().await;
    let mut tim = app.person("tim").await;
    let rp = RelyingParty::register(&app, json!({})).await;
    for (asked, granted) in [
        ("openid openid email", "openid email"),
        ("name sub email_verified openid  profile", "openid profile"),
        ("email profile groups offline_access", "email profile groups offline_access"),
        ("orders:read", ""),
        ("", ""),
    ] {
        let asking = rp.asks(asked);
        let reply = tim.agent.get(&asking.path()).await;
        let reply = tim.follow(reply).await;
        assert_eq!(reply.redirected("scope").as_deref(), Some(granted), "{asked}");
        let tokens = rp.redeem(&asking, &rp.code_in(&reply, &asking)).await.expect(200).json();
        assert_eq!(tokens["scope"].as_str().unwrap_or_default(), granted, "{asked}");
        assert_eq!(tokens["id_token"].is_string(), granted.contains("openid"), "{asked}");
        assert!(tokens["refresh_token"].is_string(), "with or without offline_access");
    }
    // Nothing asked for is still a first time at a new application.
    let other = RelyingParty::register(&app, json!({ "name": "Other" })).await;
    let asking = other.asks("");
    assert!(tim.agent.get(&asking.path()).await.interaction().is_some());
    other.code(&mut tim, &asking).await;
    tim.agent.get(&other.asks("").path()).await.expect(303);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sole_callback_need_not_be_named_without_openid() {
    let app = TestApp::start().await;
    let mut tim = app.person("tim").await;
    let sole = RelyingParty::register(&app, json!({})).await;
    let asking = sole.asks("email").without("redirect_uri");
    let code = sole.code(&mut tim, &asking).await;
    let form = [("grant_type", "authorization_code"), ("code", &code), ("code_verifier", &asking.verifier)];
    sole.token(&form).await.expect(200);
    tim.agent.get(&sole.asks("openid").without("redirect_uri").path()).await.expect(302).error_page();
    for callbacks in [json!(["https://a.example/cb", "https://b.example/cb"]), json!(["https://*.example/cb"])] {
        let rp = RelyingParty::register(&app, json!({ "callbackURLs": callbacks })).await;
        tim.agent.get(&rp.asks("email").without("redirect_uri").path()).await.expect(302).error_page();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn head_changes_nothing() {
    let app = TestApp::start().await;
    let mut tim = app.person("tim").await;
    let rp = RelyingParty::register(&app, json!({})).await;
    let hint = rp.sign_in(&mut tim, "openid").await.id().to_owned();
    let codes = app.events("CLIENT_AUTHORIZATION").await.len();
    for path in [rp.asks("openid").path(), format!("/api/oidc/end-session?id_token_hint={hint}")] {
        tim.agent.send(tim.agent.request(Method::HEAD, &path)).await.expect(404);
    }
    assert_eq!(app.events("CLIENT_AUTHORIZATION").await.len(), codes);
    tim.agent.get("/api/users/me").await.expect(200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restricted_client_admits_its_groups() {
    let app = TestApp::start().await;
    let mut tim = app.person("tim").await;
    let rp = RelyingParty::register(&app, json!({ "isGroupRestricted": true })).await;
    let script = app.script();
    let text = "You are not allowed to access this service.";
    assert_eq!(tim.agent.get(&rp.asks("openid").path()).await.expect(302).error_page(), text, "no group, nobody");
    // The page has a way back, on which the client is told, once, and only by this browser.
    for mode in ["query", "fragment"] {
        let asking = rp.asks("openid").with("response_mode", mode);
        let denied = tim.agent.get(&asking.path()).await;
        let page = tim.agent.get(&denied.location()).await.expect(200).text();
        let back = format!("/interaction/cancel?interaction={}", denied.redirected("interaction").unwrap());
        assert!(page.contains(&back), "{page}");
        assert!(app.agent().get(&back).await.error_page().contains("expired"));
        let answer = tim.agent.get(&back).await.expect(303).location().replace('#', "?");
        assert!(answer.starts_with(&format!("{}?error=access_denied&", rp.callback)), "{answer}");
        assert!(answer.contains(&asking.state));
        assert!(tim.agent.get(&back).await.error_page().contains("expired"));
    }

    let group =
        script.post("/api/user-groups", &json!({ "name": "staff", "friendlyName": "Staff" })).await.expect(201).json();
    let groups = json!({ "userGroupIds": [group["id"]] });
    script.put(&format!("/api/oidc/clients/{}/allowed-user-groups", rp.id), &groups).await.expect(200);
    assert_eq!(tim.agent.get(&rp.asks("openid").path()).await.expect(302).error_page(), text, "another group");
    // Where no page may be shown, the client is told.
    let silent = rp.asks("openid").with("prompt", "none");
    told(&tim.agent.get(&silent.path()).await, &rp, Some(&silent.state), "access_denied");
    // Somebody signed out is found out after sign-in.
    let signed_out = std::mem::replace(&mut tim.agent, app.agent());
    let reply = tim.agent.get(&rp.asks("openid").path()).await.expect(302);
    let reply = tim.follow(reply).await;
    assert_eq!(reply.expect(302).error_page(), text);
    tim.agent = signed_out;
    // Whoever is let in later still sees the page that the client asked for.
    let asking = rp.asks("openid").with("prompt", "consent");
    let denied = tim.agent.get(&asking.path()).await.redirected("interaction").unwrap();

    script.put(&format!("/api/users/{}/user-groups", tim.id()), &groups).await.expect(200);
    rp.sign_in(&mut tim, "openid").await;
    assert!(tim.agent.get(&rp.asks("openid").path()).await.redirected("code").is_some());
    let resumed = tim.agent.get(&format!("/authorize?interaction={denied}")).await;
    assert!(resumed.interaction().is_some(), "{}", resumed.location());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn client_settings_decide_what_is_asked() {
    let app = TestApp::start().await;
    let mut tim = app.person("tim").await;
    // No consent page, but consent on record.
    let quiet = RelyingParty::register(&app, json!({ "name": "Quiet", "skipConsent": true })).await;
    let asking = quiet.asks("openid email");
    quiet.code_in(&tim.agent.get(&asking.path()).await, &asking);
    let silent = quiet.asks("openid email").with("prompt", "none");
    quiet.code_in(&tim.agent.get(&silent.path()).await, &silent);
    let names = |events: Vec<Value>| events.iter().map(|e| e["data"]["clientName"].clone()).collect::<Vec<_>>();
    assert_eq!(names(app.events("NEW_CLIENT_AUTHORIZATION").await), ["Quiet"]);
    assert_eq!(names(app.events("CLIENT_AUTHORIZATION").await), ["Quiet"]);

    // A ceremony each time.
    let strict = RelyingParty::register(&app, json!({ "name": "Strict", "requiresReauthentication": true })).await;
    strict.sign_in(&mut tim, "openid").await;
    let again = tim.agent.get(&strict.asks("openid").path()).await.expect(302);
    let path = format!("/api/oidc/interactions/{}", again.interaction().unwrap());
    assert_eq!(tim.agent.get(&path).await.expect(200).json()["requiredSteps"], json!(["reauthenticate"]));
    let silent = strict.asks("openid").with("prompt", "none");
    told(&tim.agent.get(&silent.path()).await, &strict, Some(&silent.state), "login_required");

    // PKCE that was not demanded is remembered, for the hint to the administrator.
    let plain = RelyingParty::register(&app, json!({ "name": "Plain" })).await;
    let asking = plain.asks("openid").without_pkce();
    plain.code(&mut tim, &asking).await;
    let (script, path) = (app.script(), format!("/api/oidc/clients/{}", plain.id));
    assert_eq!(script.get(&path).await.expect(200).json()["pkceSupported"], Value::Null);
    plain.sign_in(&mut tim, "openid").await;
    assert_eq!(script.get(&path).await.expect(200).json()["pkceSupported"], true);
}
