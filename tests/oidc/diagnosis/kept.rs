//! What is kept of failures: nothing secret, little, and not for ever.

use pid_core::diagnosis::Code;
use pid_tests::RelyingParty;
use serde_json::json;

use super::Clinic;

/// All that was stored, as text.
async fn stored(clinic: &Clinic) -> String {
    let app = clinic.app.app().clone();
    let since = pid_core::Timestamp::from_secs(0);
    let read = move |tx: &pid_store::ReadTx<'_>| pid_store::diagnoses::latest(tx, since, 10_000);
    let entries = app.db().read(read).await.unwrap();
    entries.iter().map(|entry| format!("{entry:?}\n")).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_secret_token_code_or_state_is_kept() {
    let clinic = Clinic::open().await;
    let mut tim = clinic.person("tim").await;
    let rp = clinic.client(json!({})).await;
    let asking = rp.asks("openid").with("login_hint", "tim@example.com");
    let code = rp.code(&mut tim, &asking).await;
    let tokens: pid_tests::Tokens = rp.redeem(&asking, &code).await.into();
    rp.redeem(&asking, &code).await.expect(400);
    rp.refresh(tokens.refresh()).await.expect(400);
    rp.userinfo(tokens.access()).await.expect(401);
    rp.userinfo(tokens.id()).await.expect(401);
    let wrong = RelyingParty { secret: Some("a-wrong-secret-of-somebody".to_owned()), ..rp.clone() };
    wrong.refresh(tokens.refresh()).await.expect(401);
    tim.agent.get(&asking.clone().with("prompt", "perhaps").path()).await.expect(303);
    let hinted = rp.asks("openid").with("id_token_hint", &format!("{}x", tokens.id()));
    tim.agent.get(&hinted.path()).await.expect(303);
    let query = format!("/api/oidc/end-session?id_token_hint={}&state=a-state-of-logout", tokens.id());
    clinic.agent().get(&format!("{query}&post_logout_redirect_uri=https://app.example/x")).await.expect(302);
    for code in [Code::CodeUsed, Code::GrantEnded, Code::SecretWrong, Code::RequestMalformed, Code::LogoutAddressNone] {
        clinic.find(&rp.id, code).await;
    }
    let text = stored(&clinic).await;
    assert!(text.contains("code-used") && text.contains("secret-wrong"), "{text}");
    let secrets = [
        &code,
        tokens.access(),
        tokens.refresh(),
        tokens.id(),
        rp.secret.as_deref().unwrap(),
        "a-wrong-secret-of-somebody",
        &asking.state,
        &asking.nonce,
        &asking.verifier,
        "a-state-of-logout",
    ];
    for secret in secrets {
        let part = &secret[secret.len() / 2..];
        assert!(!text.contains(part), "{part} is in {text}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_one_address_makes_is_kept_in_part_and_the_rest_is_bounded() {
    let clinic = Clinic::open().await;
    let rp = clinic.client(json!({})).await;
    // One address, many faults at once: a few are looked at.
    for n in 0..40 {
        let asking = rp.asks("openid").with("redirect_uri", &format!("https://app.example/{n}"));
        rp.agent.get(&asking.path()).await.expect(302);
    }
    clinic.find(&rp.id, Code::CallbackPath).await;
    // Many addresses: those that were seen last stay.
    let app = clinic.app.app().clone();
    let (id, now) = (pid_core::ClientId::new(rp.id.as_str()), app.clock().now());
    let found = |n: i64| {
        let finding = pid_core::diagnosis::Finding::new(Code::CallbackPath)
            .quote("sent", format!("https://app.example/of/{n}"))
            .quote("expected", "https://app.example/cb");
        let id = pid_core::diagnosis::id(&[&finding.identity()]);
        pid_flows::diagnosis::Diagnosis { id, client: None, finding, at: now.plus_secs(n) }
    };
    for owner in [Some(id), None] {
        let owned = owner.clone();
        let all: Vec<_> = (0..200)
            .map(|n| pid_flows::diagnosis::Diagnosis {
                client: owned.clone(),
                id: format!("{}-{}", if owned.is_some() { "A" } else { "B" }, found(n).id),
                ..found(n)
            })
            .collect();
        app.db().write(move |tx: &pid_store::WriteTx<'_>| pid_flows::diagnosis::keep(tx, &all)).await.unwrap();
    }
    let listed = clinic.list(&rp.id).await;
    assert_eq!(listed.len(), 50);
    assert!(listed[0]["says"].as_str().unwrap().contains("https://app.example/of/199"), "{}", listed[0]);
    let of_nobody = clinic.list("").await.into_iter().filter(|entry| entry["clientID"].is_null()).count();
    assert_eq!(of_nobody, 100);
    // They end a month after they were seen last.
    clinic.app.advance(29 * 24 * 3600);
    pid_jobs::clean_up(&app, 90).await.unwrap();
    assert_eq!(clinic.list(&rp.id).await.len(), 50);
    clinic.app.advance(2 * 24 * 3600);
    pid_jobs::clean_up(&app, 90).await.unwrap();
    assert_eq!(clinic.list(&rp.id).await.len(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn administrators_clear_auditors_read_and_others_see_nothing() {
    let clinic = Clinic::open().await;
    let app = &clinic.app;
    let (admin, auditor, tim) = (app.admin().await, app.person("audit").await, app.person("tim").await);
    app.give(&auditor, &["auditor"]).await;
    let rp = clinic.client(json!({})).await;
    rp.agent.get(&rp.asks("openid").with("redirect_uri", "https://app.example/other").path()).await.expect(302);
    clinic.find(&rp.id, Code::CallbackPath).await;
    let path = format!("/api/oidc/clients/{}/diagnoses", rp.id);
    auditor.agent.get(&path).await.expect(200);
    auditor.agent.get("/api/oidc/diagnoses").await.expect(200);
    auditor.agent.delete(&path).await.expect(403);
    for path in [path.as_str(), "/api/oidc/diagnoses"] {
        tim.agent.get(path).await.expect(403);
        app.agent().get(path).await.expect(401);
    }
    // In German, if that is asked for.
    let german = app.script().with_header("accept-language", "de").get(&path).await.expect(200).json();
    assert!(german[0]["says"].as_str().unwrap().contains("Die App wollte zurück zu"), "{german}");
    // The remedy is the usual change of a client, and is offered until it is done.
    let client = format!("/api/oidc/clients/{}", rp.id);
    let etag = admin.agent.get(&client).await.expect(200).etag();
    let body = json!({ "callbackURLs": ["https://app.example/cb", german[0]["address"]] });
    admin.agent.patch(&client, &body, Some(&etag)).await.expect(200);
    assert_eq!(clinic.list(&rp.id).await[0]["remedy"], json!(null));
    admin.agent.delete(&path).await.expect(204);
    assert_eq!(clinic.list(&rp.id).await.len(), 0);
    let change = app.events("CLIENT_UPDATED").await;
    assert_eq!(change[0]["data"]["diagnoses"], "1 → 0", "{change:?}");
    // With the client go its faults.
    rp.agent.get(&rp.asks("openid").with("redirect_uri", "https://app.example/third").path()).await.expect(302);
    clinic.find(&rp.id, Code::CallbackPath).await;
    admin.agent.delete(&client).await.expect(204);
    assert!(clinic.list("").await.iter().all(|entry| entry["clientID"] != json!(rp.id)));
}
