//! What apps may miss although everybody gets in.

use pid_core::diagnosis::{Code, Place};
use serde_json::json;

use super::{Clinic, are_all_but};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_sign_ins_that_go_well_lack() {
    let clinic = Clinic::open().await;
    let script = clinic.app.script();
    let mut tim = clinic.person("tim").await;

    let rp = clinic.client(json!({})).await;
    assert_eq!(clinic.list(&rp.id).await, Vec::<serde_json::Value>::new());
    rp.sign_in(&mut tim, "openid profile").await;
    clinic.of(&rp, Code::GroupsUnasked, &["groups"]);
    clinic.of(&rp, Code::EmailUnasked, &["email"]);
    let rp = clinic.client(json!({})).await;
    rp.sign_in(&mut tim, "openid email groups").await;
    clinic.of(&rp, Code::GroupsEmpty, &["tim"]);
    clinic.of(&rp, Code::EmailUnverified, &["tim"]);

    script.patch("/api/application-configuration", &json!({ "requireUserEmail": "false" }), None).await.expect(200);
    let user = json!({ "username": "eva", "firstName": "Eva", "lastName": "", "displayName": "Eva" });
    let eva = script.post("/api/users", &user).await.expect(201).json();
    script
        .put(
            &format!("/api/custom-claims/user/{}", eva["id"].as_str().unwrap()),
            &json!([{ "key": "desk", "value": "4" }]),
        )
        .await
        .expect(200);
    let mut eva = clinic.app.enter(eva).await;
    let rp = clinic.client(json!({})).await;
    rp.sign_in(&mut eva, "openid profile email").await;
    clinic.of(&rp, Code::EmailMissing, &["eva"]);
    clinic.of(&rp, Code::ClaimNumber, &["desk", "eva"]);

    let rp = clinic.client(json!({ "idTokenSignedResponseAlg": "EdDSA" })).await;
    for _ in 0..4 {
        rp.sign_in(&mut tim, "openid email groups").await;
    }
    clinic.of(&rp, Code::SignInLoop, &["tim", "4", "EdDSA"]);
    let rp = clinic.client(json!({})).await;
    for _ in 0..3 {
        rp.code(&mut tim, &rp.asks("openid")).await;
    }
    assert!(clinic.list(&rp.id).await.iter().all(|entry| entry["code"] != "code-unused"), "they are still good");
    clinic.app.advance(1000);
    clinic.of(&rp, Code::CodeUnused, &["3"]);
    let nobodys = clinic.client(json!({ "isGroupRestricted": true })).await;
    clinic.of(&nobodys, Code::AllowedNobody, &[]);
    are_all_but(&clinic.close().await, &[Place::Observation], &[]);
}
