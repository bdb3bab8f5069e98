//! `/api/application-configuration` (api.md §20).

use pid_tests::{Agent, TestApp};
use serde_json::{Map, Value, json};

const PATH: &str = "/api/application-configuration";
/// Keys that are not of the contract; they come last.
const OURS: usize = 21;

/// Everything as key and value, the form in which it is sent back.
async fn all(script: &Agent) -> Map<String, Value> {
    let list = script.get(&format!("{PATH}/all")).await.expect(200).json();
    list.as_array().unwrap().iter().map(|e| (e["key"].as_str().unwrap().to_owned(), e["value"].clone())).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everybody_sees_the_public_keys_and_an_admin_all() {
    let app = TestApp::start().await;
    let list = app.agent().get(PATH).await.expect(200).json();
    let list = list.as_array().unwrap();
    let shown: Vec<(&str, &str)> =
        list.iter().map(|e| (e["key"].as_str().unwrap(), e["value"].as_str().unwrap())).collect();
    assert_eq!(
        shown,
        [
            ("appName", "Pocket ID"),
            ("homePageUrl", "/settings/account"),
            ("accentColor", "default"),
            ("disableAnimations", "false"),
            ("allowOwnAccountEdit", "true"),
            ("allowUserSignups", "disabled"),
            ("requireUserEmail", "true"),
            ("emailOneTimeAccessAsUnauthenticatedEnabled", "false"),
            ("emailOneTimeAccessAsAdminEnabled", "false"),
            ("emailVerificationEnabled", "false"),
            ("ldapEnabled", "false"),
            ("uiConfigDisabled", "false"),
            ("tracingEnabled", "false"),
        ]
    );
    assert_eq!(list[0], json!({ "key": "appName", "type": "string", "value": "Pocket ID" }));

    let list = app.script().get(&format!("{PATH}/all")).await.expect(200).json();
    let list = list.as_array().unwrap();
    assert_eq!(list.len(), 47 + OURS);
    assert_eq!(list[0], json!({ "key": "appName", "type": "string", "value": "Pocket ID", "isPublic": true }));
    let value = |key: &str| list.iter().find(|e| e["key"] == key).unwrap()["value"].clone();
    for (key, default) in [
        ("sessionDuration", "60"),
        ("signupDefaultUserGroupIDs", "[]"),
        ("smtpTls", "none"),
        ("smtpHost", ""),
        ("ldapUserSearchFilter", "(objectClass=person)"),
        ("ldapAttributeGroupMember", "member"),
        ("ldapSoftDeleteUsers", "true"),
        ("webauthnUserVerification", "required"),
        ("webauthnAuthenticatorAttachment", "any"),
        ("cimdUrlAllowlist", "[]"),
    ] {
        assert_eq!(value(key), default, "{key}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_read_can_be_written_back() {
    let mut app = TestApp::start().await;
    let script = app.script();
    let before = all(&script).await;
    let mut body = before.clone();
    body.insert("appName".into(), json!("Cafe\u{301} ID"));
    body.insert("smtpHost".into(), json!(" mail.example "));
    body.insert("unknownKey".into(), json!({ "any": 1 }));
    let written = script.put(PATH, &Value::Object(body)).await.expect(200).json();
    assert_eq!(written.as_array().unwrap().len(), 47 + OURS);
    let mut expected = before;
    expected.insert("appName".into(), json!("Caf\u{e9} ID"));
    expected.insert("smtpHost".into(), json!(" mail.example "));
    assert_eq!(all(&script).await, expected);
    app.restart().await;
    assert_eq!(all(&script).await, expected);
    assert_eq!(app.agent().get(PATH).await.json()[0]["value"], "Caf\u{e9} ID");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn put_returns_what_is_not_said_to_its_default_and_demands_what_is_required() {
    let app = TestApp::start().await;
    let script = app.script();
    script.patch(PATH, &json!({ "smtpHost": "mail.example", "accentColor": "red" }), None).await.expect(200);
    let mut body = all(&script).await;
    body.remove("smtpHost");
    body.insert("accentColor".into(), json!(""));
    script.put(PATH, &Value::Object(body.clone())).await.expect(200);
    let now = all(&script).await;
    assert_eq!((&now["smtpHost"], &now["accentColor"]), (&json!(""), &json!("default")));

    let required: Vec<String> = script.put(PATH, &json!({})).await.refused(400, "validation_failed").json()["details"]
        ["fields"]
        .as_array()
        .unwrap()
        .iter()
        .map(|f| f["field"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(required.len(), 21, "{required:?}");
    for key in
        ["appName", "sessionDuration", "smtpSkipCertVerify", "webauthnAllowSyncedPasskeys", "ldapSoftDeleteUsers"]
    {
        assert!(required.iter().any(|k| k == key), "{key}");
    }
    assert_eq!(all(&script).await, now);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_bad_value_is_named_at_once() {
    let app = TestApp::start().await;
    let script = app.script();
    let bad = json!({
        "appName": "x".repeat(31), "sessionDuration": "0", "homePageUrl": "//evil.example", "emailsVerified": "TRUE",
        "allowUserSignups": "everybody", "signupDefaultUserGroupIDs": "[1]", "signupDefaultCustomClaims": "[{\"key\":\"a\"}]",
        "smtpFrom": "nobody", "smtpTls": "ssl", "webauthnUserVerification": "discouraged", "cimdUrlAllowlist": "[\"javascript:x\"]",
    });
    let expected = [
        "appName too_long",
        "sessionDuration too_short",
        "homePageUrl invalid_format",
        "emailsVerified invalid_format",
        "allowUserSignups oneof",
        "signupDefaultUserGroupIDs invalid_format",
        "signupDefaultCustomClaims invalid_format",
        "smtpFrom invalid_format",
        "smtpTls oneof",
        "webauthnUserVerification oneof",
        "cimdUrlAllowlist invalid_format",
    ];
    script.patch(PATH, &bad, None).await.invalid(&expected);
    let mut whole = all(&script).await;
    whole.extend(bad.as_object().unwrap().clone());
    script.put(PATH, &Value::Object(whole)).await.invalid(&expected);
    script.patch(PATH, &json!({ "sessionDuration": "1.5" }), None).await.invalid(&["sessionDuration invalid_format"]);
    script.patch(PATH, &json!({ "sessionDuration": 60 }), None).await.refused(400, "invalid_request_body");
    script.patch(PATH, &json!({ "emailsVerified": true }), None).await.refused(400, "invalid_request_body");
    script.put(PATH, &json!([])).await.refused(400, "invalid_request_body");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn patch_changes_named_keys_under_the_version() {
    let app = TestApp::start().await;
    let script = app.script();
    let first = script.get(&format!("{PATH}/all")).await.etag();
    let changed =
        script.patch(PATH, &json!({ "appName": "Club", "smtpHost": "mail.example" }), Some(&first)).await.expect(200);
    assert_eq!(script.get(&format!("{PATH}/all")).await.etag(), changed.etag());
    let stale = script.patch(PATH, &json!({ "appName": "Old" }), Some(&first)).await.refused(412, "version_mismatch");
    assert_eq!(format!("\"{}\"", stale.json()["details"]["version"].as_str().unwrap()), changed.etag());
    let cleared = script.patch(PATH, &json!({ "smtpHost": null }), Some(&changed.etag())).await.expect(200);
    assert_ne!(cleared.etag(), changed.etag());
    let now = all(&script).await;
    assert_eq!((&now["appName"], &now["smtpHost"]), (&json!("Club"), &json!("")));
    script.patch(PATH, &json!({ "appName": "" }), None).await.invalid(&["appName required"]);
    let stale = script.request(http::Method::PUT, PATH).header("if-match", first).json(&now);
    script.send(stale).await.refused(412, "version_mismatch");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn secrets_are_masked_and_the_mask_keeps_them() {
    let app = TestApp::start().await;
    let script = app.script();
    script.patch(PATH, &json!({ "smtpPassword": "hunter2", "appName": "Club" }), None).await.expect(200);
    let read = all(&script).await;
    assert_eq!((&read["smtpPassword"], &read["ldapBindPassword"]), (&json!("XXXXXXXXXX"), &json!("")));
    script.put(PATH, &Value::Object(read.clone())).await.expect(200);
    assert!(app.stored().contains("hunter2"));
    script.patch(PATH, &json!({ "smtpPassword": null }), None).await.expect(200);
    assert_eq!(all(&script).await["smtpPassword"], "");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_takes_effect_at_once() {
    let app = TestApp::start().await;
    let script = app.script();
    script.patch(PATH, &json!({ "sessionDuration": "5" }), None).await.expect(200);
    let tim = app.person("tim").await;
    tim.agent.get("/api/users/me").await.expect(200);
    app.advance(301);
    tim.agent.get("/api/users/me").await.refused(401, "not_signed_in");
}

#[tokio::test]
async fn the_environment_can_set_the_configuration() {
    let mut app = TestApp::start().await;
    let script = app.script();
    script.patch("/api/application-configuration", &json!({ "appName": "Stored" }), None).await.expect(200);
    app.set(&[("UI_CONFIG_DISABLED", "true"), ("APP_NAME", "Fixed"), ("SMTP_PASSWORD", "hunter2")]).await;
    let script = app.script();
    let public = app.agent().get("/api/application-configuration").await.expect(200).json();
    let value = |list: &Value, key: &str| {
        list.as_array().unwrap().iter().find(|entry| entry["key"] == key).map(|entry| entry["value"].clone())
    };
    assert_eq!(value(&public, "appName"), Some(json!("Fixed")));
    assert_eq!(value(&public, "uiConfigDisabled"), Some(json!("true")));
    let all = script.get("/api/application-configuration/all").await.expect(200).json();
    assert_eq!(value(&all, "smtpPassword"), Some(json!("XXXXXXXXXX")));
    // Checked first, then refused.
    let patch = json!({ "smtpTls": "maybe" });
    script.patch("/api/application-configuration", &patch, None).await.invalid(&["smtpTls oneof"]);
    let patch = json!({ "appName": "Mine" });
    script.patch("/api/application-configuration", &patch, None).await.refused(403, "ui_config_disabled");
    let whole: Map<String, Value> =
        all.as_array().unwrap().iter().map(|s| (s["key"].as_str().unwrap().to_owned(), s["value"].clone())).collect();
    script.put("/api/application-configuration", &json!(whole)).await.refused(403, "ui_config_disabled");
    // What was stored has waited.
    app.set(&[("UI_CONFIG_DISABLED", "false")]).await;
    let public = app.agent().get("/api/application-configuration").await.expect(200).json();
    assert_eq!(value(&public, "appName"), Some(json!("Stored")));
    assert_eq!(value(&public, "uiConfigDisabled"), Some(json!("false")));
}
