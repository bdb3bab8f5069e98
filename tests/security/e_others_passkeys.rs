//! Section E: passkeys of others.

use pid_tests::{Person, TestApp};
use serde_json::json;

async fn passkey_of(person: &Person) -> String {
    person.agent.get("/api/webauthn/credentials").await.expect(200).json()[0]["id"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_059_another_s_passkey_is_not_found() {
    let mut app = TestApp::start().await;
    let admin = app.admin().await;
    let (mut tim, eve) = (app.person("tim").await, app.person("eve").await);
    let (of_tim, of_eve) = (passkey_of(&tim).await, passkey_of(&eve).await);
    let path = format!("/api/webauthn/credentials/{of_tim}");
    for thief in [&eve, &admin] {
        thief.agent.delete(&path).await.refused(404, "not_found");
        thief.agent.patch(&path, &json!({ "name": "mine" }), None).await.refused(404, "not_found");
    }
    // Nor by an admin's route under another person's id, nor by that route at all.
    admin
        .agent
        .delete(&format!("/api/users/{}/webauthn-credentials/{of_tim}", eve.id()))
        .await
        .refused(404, "not_found");
    eve.agent.delete(&format!("/api/users/{}/webauthn-credentials/{of_tim}", tim.id())).await.refused(403, "forbidden");
    app.restart().await;
    assert_eq!(tim.agent.get("/api/webauthn/credentials").await.json()[0]["name"], "New Passkey");
    tim.sign_in().await.expect(200);
    // One's own last one may go.
    eve.agent.delete(&format!("/api/webauthn/credentials/{of_eve}")).await.expect(204);
    assert_eq!(eve.agent.get("/api/webauthn/credentials").await.json(), json!([]));
}
