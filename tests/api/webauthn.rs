//! `/api/webauthn` and `/api/users/{id}/webauthn-credentials` (api.md §22, §13.10). What an attacker may send is in the
//! security tests.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use pid_tests::{Person, TestApp};
use serde_json::{Value, json};

async fn own(person: &Person) -> Value {
    person.agent.get("/api/webauthn/credentials").await.expect(200).json()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn options_are_those_of_the_contract() {
    let app = TestApp::start().await;
    let tim = app.person("tim").await;
    let options = tim.agent.get("/api/webauthn/register/start").await.expect(200).json();
    let algs: Vec<i64> =
        options["pubKeyCredParams"].as_array().unwrap().iter().map(|p| p["alg"].as_i64().unwrap()).collect();
    assert_eq!(algs, [-7, -35, -36, -257, -258, -259, -37, -38, -39, -8]);
    let passkey = own(&tim).await[0].clone();
    let mut rest = options.clone();
    for taken in ["pubKeyCredParams", "challenge"] {
        rest.as_object_mut().unwrap().remove(taken);
    }
    let id = URL_SAFE_NO_PAD.encode(tim.id());
    assert_eq!(
        rest,
        json!({
            "rp": { "name": "Pocket ID", "id": "localhost" },
            "user": { "name": "tim", "displayName": "Tim Test", "id": id },
            "timeout": 300_000,
            "excludeCredentials": [{ "type": "public-key", "id": passkey["credentialID"], "transports": ["internal", "hybrid"] }],
            "authenticatorSelection": { "requireResidentKey": true, "residentKey": "required", "userVerification": "required" },
            "extensions": { "credProps": true },
        })
    );
    assert_eq!(options["challenge"].as_str().unwrap().len(), 43);

    app.script()
        .patch(
            "/api/application-configuration",
            &json!({ "appName": "Club", "webauthnAuthenticatorAttachment": "platform" }),
            None,
        )
        .await
        .expect(200);
    let options = tim.agent.get("/api/webauthn/register/start").await.expect(200).json();
    assert_eq!(options["rp"]["name"], "Club");
    assert_eq!(options["authenticatorSelection"]["authenticatorAttachment"], "platform");

    let mut options = app.agent().get("/api/webauthn/login/start").await.expect(200).json();
    options.as_object_mut().unwrap().remove("challenge");
    assert_eq!(options, json!({ "timeout": 300_000, "rpId": "localhost", "userVerification": "required" }));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_passkey_is_registered_named_renamed_and_deleted() {
    let app = TestApp::start().await;
    let mut tim = app.person("tim").await;
    let first = own(&tim).await[0].clone();
    assert_eq!(
        first,
        json!({
            "id": first["id"], "name": "New Passkey", "credentialID": first["credentialID"], "attestationType": "none",
            "transport": ["internal", "hybrid"], "backupEligible": true, "backupState": true,
            "createdAt": first["createdAt"], "lastUsedAt": null, "aaguid": first["aaguid"], "authenticator": null,
            "authenticatorAttachment": "platform", "userVerified": true,
        })
    );
    // A second one, of a well-known model, on another device.
    tim.passkey = pid_testkit::authenticator::SoftAuthenticator::new(-8);
    tim.passkey
        .aaguid(*b"\xd5\x48\x82\x6e\x79\xb4\xdb\x40\xa3\xd8\x11\x11\x6f\x7e\x83\x49")
        .backup_eligible(false)
        .backup_state(false);
    let second = tim.add_passkey().await.expect(200).json();
    assert_eq!((&second["name"], &second["backupEligible"]), (&json!("Bitwarden Passkey"), &json!(false)));
    assert_eq!(
        (&second["authenticator"], &second["aaguid"]),
        (&json!("Bitwarden"), &json!("d548826e-79b4-db40-a3d8-11116f7e8349"))
    );
    assert_eq!(own(&tim).await, json!([first, second]));
    let path = format!("/api/webauthn/credentials/{}", second["id"].as_str().unwrap());
    let renamed = tim.agent.patch(&path, &json!({ "name": "Cafe\u{301} key" }), None).await.expect(200).json();
    assert_eq!(renamed["name"], "Caf\u{e9} key");
    let plain = tim.agent.request(http::Method::PATCH, &path).json(&json!({ "name": "Key" }));
    tim.agent.send(plain).await.expect(200);
    tim.agent.patch(&path, &json!({}), None).await.invalid(&["name required"]);
    tim.agent.patch(&path, &json!({ "name": "x".repeat(51) }), None).await.invalid(&["name too_long"]);
    tim.sign_in().await.expect(200);
    assert!(own(&tim).await[1]["lastUsedAt"].is_string());
    tim.agent.delete(&path).await.expect(204);
    let gone = tim.agent.delete(&path).await.refused(404, "not_found");
    assert_eq!(gone.json()["details"], json!({ "resource": "Passkey" }));
    let unknown = tim.sign_in().await.refused(401, "webauthn_authentication_failed");
    assert_eq!(unknown.json()["details"], json!({ "reason": "unknown_credential" }));

    let log = tim.agent.get("/api/audit-logs?sort[column]=createdAt&sort[direction]=asc").await.json();
    let events: Vec<&str> = log["data"].as_array().unwrap().iter().map(|e| e["event"].as_str().unwrap()).collect();
    for event in ["PASSKEY_ADDED", "PASSKEY_RENAMED", "PASSKEY_REMOVED"] {
        assert!(events.contains(&event), "{event} in {events:?}");
    }
    let removed = log["data"].as_array().unwrap().iter().find(|e| e["event"] == "PASSKEY_REMOVED").unwrap();
    assert_eq!(removed["data"]["passkeyName"], "Key");
    assert!(removed["data"]["credentialID"].as_str().unwrap().bytes().all(|b| b.is_ascii_hexdigit()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ceremonies_that_were_not_begun_here_are_refused() {
    let app = TestApp::start().await;
    let mut tim = app.person("tim").await;
    app.agent().post("/api/webauthn/login/finish", &json!({})).await.refused(400, "missing_session_id");
    let browser = app.agent();
    browser.get("/api/webauthn/login/start").await.expect(200);
    for body in ["", "{", "{}", "[]", "null", "7"] {
        let request = browser.request(http::Method::POST, "/api/webauthn/login/finish").body(body);
        browser.send(request).await.refused(400, "invalid_webauthn_response");
    }
    tim.agent.get("/api/webauthn/register/start").await.expect(200);
    let request = tim.agent.request(http::Method::POST, "/api/webauthn/register/finish").body("{}");
    tim.agent.send(request).await.refused(400, "invalid_webauthn_response");
    // A challenge of one browser is worth nothing in another.
    let options = app.agent().get("/api/webauthn/login/start").await.json();
    let response = tim.passkey.authenticate(&options, app.url());
    browser.post("/api/webauthn/login/finish", &response).await.refused(400, "invalid_webauthn_session");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn synced_passkeys_can_be_refused() {
    let app = TestApp::start().await;
    let mut tim = app.person("tim").await;
    app.script()
        .patch("/api/application-configuration", &json!({ "webauthnAllowSyncedPasskeys": "false" }), None)
        .await
        .expect(200);
    tim.passkey = pid_testkit::authenticator::SoftAuthenticator::new(-257);
    tim.add_passkey().await.refused(400, "synced_passkey_not_allowed");
    tim.passkey.backup_eligible(false).backup_state(false);
    tim.add_passkey().await.expect(200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_admin_sees_and_deletes_passkeys_of_others() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let tim = app.person("tim").await;
    let path = format!("/api/users/{}/webauthn-credentials", tim.id());
    assert_eq!(admin.agent.get(&path).await.expect(200).json(), own(&tim).await);
    let id = own(&tim).await[0]["id"].as_str().unwrap().to_owned();
    let of_admin = own(&admin).await[0]["id"].as_str().unwrap().to_owned();
    admin.agent.delete(&format!("{path}/{of_admin}")).await.refused(404, "not_found");
    admin.agent.delete(&format!("{path}/{id}")).await.expect(204);
    assert_eq!(own(&tim).await, json!([]));
    admin.agent.get("/api/users/nobody/webauthn-credentials").await.refused(404, "user_not_found");
    admin.agent.delete("/api/users/nobody/webauthn-credentials/x").await.refused(404, "user_not_found");
    let log = app
        .script()
        .get(&format!("/api/audit-logs/all?filters[event]=PASSKEY_REMOVED&filters[userID]={}", tim.id()))
        .await
        .json();
    let data = &log["data"][0]["data"];
    assert_eq!((&data["actorUserID"], &data["actorUsername"]), (&json!(admin.id()), &json!("admin")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn signing_out_ends_the_session() {
    let app = TestApp::start().await;
    let mut tim = app.person("tim").await;
    let cookie = tim.agent.cookie("access_token").unwrap();
    let out = tim.agent.send(tim.agent.request(http::Method::POST, "/api/webauthn/logout")).await.expect(204);
    assert!(out.header("set-cookie").unwrap().starts_with("access_token=;"), "{:?}", out.headers);
    assert_eq!(tim.agent.cookie("access_token"), None);
    tim.agent.post("/api/webauthn/logout", &json!({})).await.refused(401, "not_signed_in");
    tim.agent.set_cookie("access_token", &cookie);
    tim.agent.get("/api/users/me").await.refused(401, "not_signed_in");
    tim.sign_in().await.expect(200);
    app.script().post("/api/webauthn/logout", &json!({})).await.expect(204);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn proofs_are_given_for_a_passkey_or_a_sign_in_of_a_minute_ago() {
    let app = TestApp::start().await;
    let mut tim = app.person("tim").await;
    let empty = async |tim: &Person| {
        tim.agent.send(tim.agent.request(http::Method::POST, "/api/webauthn/reauthenticate")).await
    };
    // This session began by a login code.
    empty(&tim).await.refused(401, "reauthentication_required");
    tim.sign_in().await.expect(200);
    assert!(empty(&tim).await.expect(204).header("set-cookie").unwrap().starts_with("reauthentication_token="));
    app.advance(61);
    empty(&tim).await.refused(401, "reauthentication_required");
    tim.reauthenticate().await.expect(204);
    assert!(tim.agent.cookie("reauthentication_token").is_some());
    // Another person's browser with this person's passkey.
    let ann = app.person("ann").await;
    tim.agent = ann.agent;
    tim.reauthenticate().await.refused(401, "webauthn_authentication_failed");
}
