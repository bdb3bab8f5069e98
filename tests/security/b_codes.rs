//! Section B: codes, PKCE, prompts and hints (security cases 13–16, 20–22).

use pid_tests::{RelyingParty, TestApp, Tokens};
use serde_json::json;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_013_a_code_used_twice_ends_its_family() {
    let mut app = TestApp::start().await;
    let mut tim = app.person("tim").await;
    let rp = RelyingParty::register(&app, json!({})).await;
    let asking = rp.asks("openid");
    let code = rp.code(&mut tim, &asking).await;
    let first = Tokens::from(rp.redeem(&asking, &code).await);
    let second = Tokens::from(rp.refresh(first.refresh()).await);
    let other = rp.sign_in(&mut tim, "openid").await;
    assert!(rp.is_alive(second.access()).await);

    rp.redeem(&asking, &code).await.oauth_error(400, "invalid_grant");
    app.restart().await;
    assert!(!rp.is_alive(second.access()).await);
    rp.refresh(second.refresh()).await.oauth_error(400, "invalid_grant");
    rp.redeem(&asking, &code).await.oauth_error(400, "invalid_grant");
    assert!(rp.is_alive(other.access()).await, "another authorization is another family");
    let events = app.events("CODE_REUSE").await;
    assert_eq!(events.len(), 1, "{events:?}");
    assert_eq!((&events[0]["userID"], &events[0]["data"]["clientName"]), (&json!(tim.id()), &json!("App")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_014_parallel_code_redemption() {
    let mut app = TestApp::start().await;
    let mut tim = app.person("tim").await;
    let rp = RelyingParty::register(&app, json!({})).await;
    let asking = rp.asks("openid");
    let code = rp.code(&mut tim, &asking).await;
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..50 {
        let (rp, asking, code) = (rp.clone(), asking.clone(), code.clone());
        tasks.spawn(async move { rp.redeem(&asking, &code).await });
    }
    let mut won = Vec::new();
    for reply in tasks.join_all().await {
        if reply.status == 200 { won.push(Tokens::from(reply)) } else { _ = reply.oauth_error(400, "invalid_grant") }
    }
    assert_eq!(won.len(), 1);
    // The others were replays: nothing of it is left.
    app.restart().await;
    assert!(!rp.is_alive(won[0].access()).await);
    rp.refresh(won[0].refresh()).await.oauth_error(400, "invalid_grant");
    assert_eq!(app.events("CODE_REUSE").await.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_015_codes_are_for_one_client_one_address_and_a_quarter_of_an_hour() {
    let mut app = TestApp::start().await;
    let mut tim = app.person("tim").await;
    let body = json!({ "callbackURLs": ["https://app.example/cb", "https://app.example/*"] });
    let rp = RelyingParty::register(&app, body.clone()).await;
    let other =
        RelyingParty::register(&app, json!({ "name": "Other", "callbackURLs": ["https://app.example/cb"] })).await;
    let public = RelyingParty::register(&app, json!({ "name": "SPA", "isPublic": true })).await;
    let asking = rp.asks("openid");
    let code = rp.code(&mut tim, &asking).await;

    for thief in [&other, &public] {
        thief.redeem(&asking, &code).await.oauth_error(400, "invalid_grant");
    }
    for callback in [
        "https://app.example/cb2",
        "https://app.example/cb?x=1",
        "https://app.example:443/cb",
        "HTTPS://app.example/cb",
        "",
    ] {
        let elsewhere = RelyingParty { callback: callback.to_owned(), ..rp.clone() };
        elsewhere.redeem(&asking, &code).await.oauth_error(400, "invalid_grant");
    }
    app.restart().await;
    let events = app.events("FOREIGN_GRANT").await;
    let names: Vec<_> = events.iter().map(|e| e["data"]["clientName"].as_str().unwrap()).collect();
    assert_eq!(names, ["SPA", "Other"], "who presents another's code is written down");
    assert_eq!(events[0]["data"]["issuedTo"], rp.id.as_str());
    // None of that used it up.
    rp.redeem(&asking, &code).await.expect(200);

    let asking = rp.asks("openid");
    let code = rp.code(&mut tim, &asking).await;
    app.advance(15 * 60);
    rp.redeem(&asking, &code).await.oauth_error(400, "invalid_grant");
    app.advance(-60);
    rp.redeem(&asking, &code).await.expect(200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_016_pkce_can_neither_be_guessed_nor_taken_away() {
    let app = TestApp::start().await;
    let mut tim = app.person("tim").await;
    let rp = RelyingParty::register(&app, json!({})).await;
    let asking = rp.asks("openid");
    let code = rp.code(&mut tim, &asking).await;
    let challenge = asking.form().iter().find(|(name, _)| name == "code_challenge").unwrap().1.clone();
    let with = async |verifier: Option<&str>, code: &str| {
        let mut form =
            vec![("grant_type", "authorization_code"), ("code", code), ("redirect_uri", rp.callback.as_str())];
        form.extend(verifier.map(|v| ("code_verifier", v)));
        rp.token(&form).await
    };
    let long = "v".repeat(129);
    let wrong = [
        None,
        Some(""),
        Some("short"),
        Some(&asking.verifier[..42]),
        Some(&long),
        Some(&challenge),
        Some(rp.asks("x").verifier.leak()),
        Some("ünïcödé-ünïcödé-ünïcödé-ünïcödé-ünïcödé-ünï"),
        Some("spaces are not allowed in a code verifier at all"),
        Some("bell\u{7}bell\u{7}bell\u{7}bell\u{7}bell\u{7}bell\u{7}bell\u{7}bell\u{7}bell\u{7}"),
    ];
    for verifier in wrong {
        with(verifier, &code).await.oauth_error(400, "invalid_grant");
    }
    let nul = "nul\u{0}".repeat(11);
    with(Some(&nul), &code).await.oauth_error(400, "invalid_request");
    // A failed attempt leaves the challenge where it is: none of the above made a second try without verifier pass.
    with(None, &code).await.oauth_error(400, "invalid_grant");
    with(Some(&asking.verifier), &code).await.expect(200);

    // A verifier for a code that has no challenge: somebody took the challenge out of the request.
    let asking = rp.asks("openid").without_pkce();
    let code = rp.code(&mut tim, &asking).await;
    with(Some(&asking.verifier), &code).await.oauth_error(400, "invalid_grant");
    with(None, &code).await.expect(200);

    for (method, challenge) in
        [("plain", asking.verifier.as_str()), ("", &asking.verifier), ("s256", &challenge), ("S512", &challenge)]
    {
        let asking = rp.asks("openid").with("code_challenge", challenge).with("code_challenge_method", method);
        assert_eq!(
            tim.agent.get(&asking.path()).await.redirected("error").as_deref(),
            Some("invalid_request"),
            "{method}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_020_silent_errors_go_to_a_checked_address_only() {
    let app = TestApp::start().await;
    let mut tim = app.person("tim").await;
    let rp = RelyingParty::register(&app, json!({ "name": "App", "requiresReauthentication": true })).await;
    let easy = RelyingParty::register(&app, json!({ "name": "Easy" })).await;
    let silent = |rp: &RelyingParty| rp.asks("openid").with("prompt", "none");
    for (agent, asking, error) in
        [(app.agent(), silent(&easy), "login_required"), (tim.agent.clone(), silent(&easy), "consent_required")]
    {
        let reply = agent.get(&asking.path()).await.expect(303);
        assert!(reply.location().starts_with("https://app.example/cb?"), "{}", reply.location());
        assert_eq!(reply.redirected("error").as_deref(), Some(error));
        for address in ["https://evil.example/cb", "https://app.example.evil.com/cb", "//evil.example"] {
            let asking = asking.clone().with("redirect_uri", address);
            agent.get(&asking.path()).await.expect(302).error_page();
        }
        agent.get(&asking.without("redirect_uri").path()).await.expect(302).error_page();
    }
    rp.sign_in(&mut tim, "openid").await;
    let reply = tim.agent.get(&silent(&rp).path()).await.expect(303);
    assert_eq!(reply.redirected("error").as_deref(), Some("login_required"), "the client wants a proof each time");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_021_a_fresh_sign_in_is_a_new_assertion() {
    let app = TestApp::start().await;
    let mut tim = app.person("tim").await;
    let rp = RelyingParty::register(&app, json!({})).await;
    rp.sign_in(&mut tim, "openid").await;
    let step = json!({ "step": "reauthenticate" });
    for (name, value) in [("prompt", "login"), ("max_age", "0")] {
        // Signed in with a passkey a moment ago, and proven once more: both were for something else.
        tim.sign_in().await.expect(200);
        tim.reauthenticate().await.expect(204);
        let asking = rp.asks("openid").with(name, value);
        let reply = tim.agent.get(&asking.path()).await.expect(302);
        let id = reply.interaction().unwrap();
        let complete = format!("/api/oidc/interactions/{id}/complete");
        tim.agent.post(&complete, &step).await.refused(401, "reauthentication_required");
        // The shortcut without an assertion gives a proof as old as the sign-in.
        if tim.agent.post("/api/webauthn/reauthenticate", &json!("")).await.status == 204 {
            tim.agent.post(&complete, &step).await.refused(401, "reauthentication_required");
        }
        let empty = tim.agent.request(http::Method::POST, "/api/webauthn/reauthenticate").body("");
        tim.agent.send(empty).await.expect(204);
        tim.agent.post(&complete, &step).await.refused(401, "reauthentication_required");
        // Without the step done the request goes no further.
        assert_eq!(tim.agent.get(&format!("/authorize?interaction={id}")).await.interaction(), Some(id.clone()));

        // A proof made now is taken, once.
        tim.reauthenticate().await.expect(204);
        let proof = tim.agent.cookie("reauthentication_token").unwrap();
        tim.agent.post(&complete, &step).await.expect(200);
        let tokens = rp
            .redeem(&asking, &rp.code_in(&tim.agent.get(&format!("/authorize?interaction={id}")).await, &asking))
            .await;
        let claims = rp.verify(Tokens::from(tokens).id()).await.claims;
        assert!(claims["auth_time"].as_i64() >= claims["rat"].as_i64(), "{claims}");
        let again = rp.asks("openid").with(name, value);
        let id = tim.agent.get(&again.path()).await.interaction().unwrap();
        tim.agent.set_cookie("reauthentication_token", &proof);
        let complete = format!("/api/oidc/interactions/{id}/complete");
        tim.agent.post(&complete, &step).await.refused(401, "reauthentication_required");
        app.advance(5);
    }

    // max_age=1: as old as a second is too old.
    tim.sign_in().await.expect(200);
    app.advance(2);
    let asking = rp.asks("openid").with("max_age", "1");
    assert!(tim.agent.get(&asking.path()).await.interaction().is_some());

    // A passkey sign-in made inside this very interaction is the proof; one made for another is not.
    tim.agent = app.agent();
    let (one, two) = (rp.asks("openid").with("prompt", "login"), rp.asks("openid").with("prompt", "login"));
    let (first, second) = (tim.agent.get(&one.path()).await, tim.agent.get(&two.path()).await);
    let (first_id, second_id) = (first.interaction().unwrap(), second.interaction().unwrap());
    tim.sign_in_for(&first_id).await.expect(200);
    for id in [&first_id, &second_id] {
        tim.agent
            .post(&format!("/api/oidc/interactions/{id}/complete"), &json!({ "step": "authenticate" }))
            .await
            .expect(200);
    }
    tim.agent
        .post(&format!("/api/oidc/interactions/{second_id}/complete"), &step)
        .await
        .refused(400, "validation_failed");
    tim.agent.post(&format!("/api/oidc/interactions/{first_id}/complete"), &step).await.expect(200);
    // A login code is no passkey.
    tim.agent = app.agent();
    let asking = rp.asks("openid").with("prompt", "login");
    let id = tim.agent.get(&asking.path()).await.interaction().unwrap();
    let path = format!("/api/users/{}/one-time-access-token", tim.id());
    let code = app.script().post(&path, &json!({})).await.expect(201).json()["token"].as_str().unwrap().to_owned();
    tim.agent.post(&format!("/api/one-time-access-token/{code}?interaction={id}"), &json!({})).await.expect(200);
    let complete = format!("/api/oidc/interactions/{id}/complete");
    tim.agent.post(&complete, &json!({ "step": "authenticate" })).await.expect(200);
    tim.agent.post(&complete, &step).await.refused(400, "validation_failed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_022_only_a_hint_of_ours_about_the_same_person_counts() {
    let app = TestApp::start().await;
    let (mut tim, mut ann) = (app.person("tim").await, app.person("ann").await);
    let rp = RelyingParty::register(&app, json!({})).await;
    let (tims, anns) = (rp.sign_in(&mut tim, "openid").await, rp.sign_in(&mut ann, "openid").await);
    let elsewhere = TestApp::start().await;
    let mut admin = elsewhere.admin().await;
    let foreign = RelyingParty::register(&elsewhere, json!({ "id": rp.id })).await.sign_in(&mut admin, "openid").await;
    let forged = {
        let (message, _) = tims.id().rsplit_once('.').unwrap();
        let (_, signature) = anns.id().rsplit_once('.').unwrap();
        format!("{message}.{signature}")
    };
    for (hint, error) in [
        (anns.id(), Some("login_required")),
        (foreign.id(), Some("invalid_request")),
        (&forged, Some("invalid_request")),
        (tims.access(), Some("invalid_request")),
        (tims.refresh(), Some("invalid_request")),
        ("x", Some("invalid_request")),
        (tims.id(), None),
    ] {
        for prompt in ["none", ""] {
            let asking = rp.asks("openid").with("id_token_hint", hint).with("prompt", prompt);
            let reply = tim.agent.get(&asking.path()).await.expect(303);
            assert_eq!(reply.redirected("error").as_deref(), error);
        }
    }
    // Expired is no fault of a hint.
    app.advance(30 * 24 * 3600);
    tim.sign_in().await.expect(200);
    let asking = rp.asks("openid").with("id_token_hint", tims.id()).with("prompt", "none");
    rp.code_in(&tim.agent.get(&asking.path()).await, &asking);
}
