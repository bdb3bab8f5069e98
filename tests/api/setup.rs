//! `/api/signup/setup`.

use pid_tests::TestApp;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_person_becomes_the_administrator() {
    let app = TestApp::start().await;
    let mut admin = app.admin().await;
    assert_eq!(admin.user["isAdmin"], true);
    admin.sign_in().await.expect(200);
    let tim = app.person("tim").await;
    assert_eq!(tim.user["isAdmin"], false);
    let client = app.client(serde_json::json!({})).await;
    assert_eq!(client["secret"].as_str().unwrap().len(), 32);
}
