//! Which passkeys are allowed: when they are added, when they are used, and whom a change would lock out.

use http::Method;
use pid_testkit::authenticator::SoftAuthenticator;
use pid_tests::{Person, Reply, TestApp};
use serde_json::{Value, json};

const DRY_RUN: &str = "/api/application-configuration/passkey-policy/dry-run";
const CONFIGURATION: &str = "/api/application-configuration";
const BITWARDEN: &str = "d548826e-79b4-db40-a3d8-11116f7e8349";
const BITWARDEN_BYTES: [u8; 16] = *b"\xd5\x48\x82\x6e\x79\xb4\xdb\x40\xa3\xd8\x11\x11\x6f\x7e\x83\x49";

async fn set(app: &TestApp, values: Value) -> Reply {
    app.script().patch(CONFIGURATION, &values, None).await
}

async fn dry_run(app: &TestApp, values: Value) -> Value {
    app.script().post(DRY_RUN, &values).await.expect(200).json()
}

/// Adds a passkey whose answer is changed on the way.
async fn add(app: &TestApp, person: &Person, passkey: &mut SoftAuthenticator, edit: impl Fn(&mut Value)) -> Reply {
    let options = person.agent.get("/api/webauthn/register/start").await.expect(200).json();
    let mut posted = passkey.register(&options, app.url());
    edit(&mut posted);
    person.agent.post("/api/webauthn/register/finish", &posted).await
}

fn names(run: &Value) -> Vec<&str> {
    run["users"].as_array().unwrap().iter().map(|user| user["username"].as_str().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn user_verification_is_required_or_preferred_and_the_last_use_is_remembered() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    set(&app, json!({ "webauthnUserVerification": "preferred" })).await.expect(200);
    let options = app.agent().get("/api/webauthn/login/start").await.expect(200).json();
    assert_eq!(options["userVerification"], "preferred");
    let options = admin.agent.get("/api/webauthn/register/start").await.expect(200).json();
    assert_eq!(options["authenticatorSelection"]["userVerification"], "preferred");
    let mut tim = app.person("tim").await;
    tim.passkey.user_verified(false);
    tim.sign_in().await.expect(200);
    let own = tim.agent.get("/api/webauthn/credentials").await.expect(200).json();
    assert_eq!(own[0]["userVerified"], false);
    let mut weak = SoftAuthenticator::new(-8);
    weak.user_verified(false);
    add(&app, &tim, &mut weak, |_| {}).await.expect(200);
    // Who can't verify is named, and can't sign in.
    let run = dry_run(&app, json!({ "webauthnUserVerification": "required" })).await;
    assert_eq!((&run["total"], names(&run), &run["locksOutEveryAdmin"]), (&json!(1), vec!["tim"], &json!(false)));
    set(&app, json!({ "webauthnUserVerification": "required" })).await.expect(200);
    tim.sign_in().await.refused(400, "passkey_user_verification_required");
    tim.passkey.user_verified(true);
    tim.sign_in().await.expect(200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn models_and_attachments_are_checked_when_a_passkey_is_added() {
    let app = TestApp::start().await;
    let tim = app.person("tim").await;
    let mut bitwarden = SoftAuthenticator::new(-7);
    bitwarden.aaguid(BITWARDEN_BYTES);
    let refused = |reply: Reply| reply.refused(400, "passkey_not_allowed");
    set(&app, json!({ "webauthnDeniedAaguids": json!([BITWARDEN.to_uppercase()]).to_string() })).await.expect(200);
    let options = tim.agent.get("/api/webauthn/register/start").await.expect(200).json();
    assert_eq!(options["attestation"], "direct", "or browsers hide the model");
    refused(add(&app, &tim, &mut bitwarden, |_| {}).await);
    add(&app, &tim, &mut SoftAuthenticator::new(-7), |_| {}).await.expect(200);
    set(&app, json!({ "webauthnDeniedAaguids": null, "webauthnAllowedAaguids": json!([BITWARDEN]).to_string() }))
        .await
        .expect(200);
    refused(add(&app, &tim, &mut SoftAuthenticator::new(-7), |_| {}).await);
    add(&app, &tim, &mut bitwarden, |_| {}).await.expect(200);
    set(&app, json!({ "webauthnAllowedAaguids": null, "webauthnAuthenticatorAttachment": "cross-platform" }))
        .await
        .expect(200);
    refused(add(&app, &tim, &mut SoftAuthenticator::new(-7), |_| {}).await);
    let plugged = |answer: &mut Value| answer["authenticatorAttachment"] = json!("cross-platform");
    let added = add(&app, &tim, &mut SoftAuthenticator::new(-7), plugged).await.expect(200).json();
    assert_eq!(added["authenticatorAttachment"], "cross-platform");
    // A browser that doesn't say: the transports tell, and without any it is not known to fit.
    let silent = |answer: &mut Value| answer["authenticatorAttachment"] = Value::Null;
    let mut usb = SoftAuthenticator::new(-7);
    add(&app, &tim, usb.transports(&["usb"]), silent).await.expect(200);
    refused(add(&app, &tim, SoftAuthenticator::new(-7).transports(&[]), silent).await);
    // All of them still sign in.
    let run = dry_run(&app, json!({ "webauthnAuthenticatorAttachment": "platform" })).await;
    assert_eq!(run["total"], 0, "{run}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_policy_for_existing_passkeys_is_tried_first_and_then_holds_at_every_use() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let key = |answer: &mut Value| answer["authenticatorAttachment"] = json!("cross-platform");
    let mut bound = SoftAuthenticator::new(-7);
    bound.backup_eligible(false).backup_state(false);
    add(&app, &admin, &mut bound, key).await.expect(200);
    let (mut tim, ann) = (app.person("tim").await, app.person("ann").await);
    app.script().patch(&format!("/api/users/{}", ann.id()), &json!({ "disabled": true }), None).await.expect(200);
    let strict = json!({ "webauthnAllowSyncedPasskeys": "false", "webauthnPolicyAtSignIn": "true" });
    let run = dry_run(&app, strict.clone()).await;
    assert_eq!(
        run,
        json!({
            "total": 1, "locksOutEveryAdmin": false,
            "users": [{ "id": tim.id(), "username": "tim", "displayName": "Tim Test", "isAdmin": false }],
        }),
        "not who is disabled, nor who has another passkey"
    );
    // Only tried: nothing has changed.
    tim.sign_in().await.expect(200);
    assert_eq!(dry_run(&app, json!({ "webauthnAllowSyncedPasskeys": "false" })).await["total"], 0);
    assert_eq!(dry_run(&app, json!({ "appName": "Club" })).await["total"], 0);
    app.script()
        .post(DRY_RUN, &json!({ "webauthnDeniedAaguids": "[\"x\"]" }))
        .await
        .invalid(&["webauthnDeniedAaguids invalid_format"]);

    set(&app, strict).await.expect(200);
    tim.sign_in().await.refused(400, "synced_passkey_not_allowed");
    tim.reauthenticate().await.refused(400, "synced_passkey_not_allowed");
    let options = app.agent();
    let asked = options.get("/api/webauthn/login/start").await.expect(200).json();
    let posted = bound.authenticate(&asked, app.url());
    options.post("/api/webauthn/login/finish", &posted).await.expect(200);
    // It is written down why.
    let failed = app.events("SIGN_IN_FAILED").await;
    assert!(failed.iter().any(|e| e["data"]["reason"].as_str().is_some_and(|r| r.contains("Synced"))), "{failed:?}");
    set(&app, json!({ "webauthnPolicyAtSignIn": "false" })).await.expect(200);
    tim.sign_in().await.expect(200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn settings_of_ours_stay_when_an_old_script_replaces_everything() {
    let app = TestApp::start().await;
    let list = json!([BITWARDEN]).to_string();
    let related = json!(["https://id.lan"]).to_string();
    set(&app, json!({ "webauthnDeniedAaguids": list, "webauthnRelatedOrigins": related })).await.expect(200);
    let script = app.script();
    let all = script.get(&format!("{CONFIGURATION}/all")).await.expect(200).json();
    let old: serde_json::Map<String, Value> = all
        .as_array()
        .unwrap()
        .iter()
        .take(47)
        .map(|entry| (entry["key"].as_str().unwrap().to_owned(), entry["value"].clone()))
        .collect();
    let after = script.put(CONFIGURATION, &Value::Object(old)).await.expect(200).json();
    let value = |key: &str| after.as_array().unwrap().iter().find(|e| e["key"] == key).unwrap()["value"].clone();
    assert_eq!((value("webauthnDeniedAaguids"), value("webauthnRelatedOrigins")), (json!(list), json!(related)));
    for (key, bad) in [
        ("webauthnAllowedAaguids", "[\"ee882879\"]"),
        ("webauthnAllowedAaguids", "{}"),
        ("webauthnPolicyAtSignIn", "yes"),
        ("webauthnRelatedOrigins", "[\"https://id.lan/\"]"),
        ("webauthnRelatedOrigins", "[\"http://id.lan\"]"),
        ("webauthnRelatedOrigins", "[\"*\"]"),
    ] {
        set(&app, json!({ (key): bad })).await.invalid(&[&format!("{key} invalid_format")]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_administrators_try_a_policy() {
    let app = TestApp::start().await;
    let tim = app.person("tim").await;
    tim.agent.post(DRY_RUN, &json!({})).await.refused(403, "forbidden");
    app.agent().post(DRY_RUN, &json!({})).await.refused(401, "not_signed_in");
    let cross = app.script().request(Method::POST, DRY_RUN).header("sec-fetch-site", "cross-site").json(&json!({}));
    app.script().send(cross).await.expect(403);
}
