//! Uploads in a bucket: what is nobody's any more goes, and what is somebody's never does.

use pid_testkit::s3::{S3, objects};
use pid_tests::{PNG, TestApp};
use serde_json::json;

const LOGO: &str = "/api/application-images/logo";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_replaced_deleted_or_never_stored_is_removed_later() {
    let server = S3::start().unwrap();
    let variables = server.variables("p");
    let mut all: Vec<(&str, &str)> = variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
    all.extend([("FILE_BACKEND", "s3"), ("S3_DISABLE_DEFAULT_INTEGRITY_CHECKS", "true")]);
    let app = TestApp::start_with(&all).await;
    let (script, stored) = (app.script(), || objects(&server.folder()));
    let remove = || pid_http::files::remove_due(app.app());
    script.put_file(LOGO, "a.png", PNG).await.expect(204);
    let first = stored();
    script.put_file(LOGO, "b.png", PNG).await.expect(204);
    script.put_file("/api/application-images/email", "c.png", PNG).await.expect(204);
    let body = json!({ "username": "ada", "firstName": "Ada", "email": "ada@example.com" });
    let user = script.post("/api/users", &body).await.expect(201).id();
    script.put_file(&format!("/api/users/{user}/profile-picture"), "d.png", PNG).await.expect(204);
    // For nobody: the bytes are there before it is known.
    let nobody = "/api/users/00000000-0000-4000-8000-000000000000/profile-picture";
    script.put_file(nobody, "e.png", PNG).await.refused(404, "user_not_found");
    assert_eq!(stored().len(), 5);
    script.delete(&format!("/api/users/{user}")).await.expect(204);
    script.delete("/api/application-images/email").await.expect(204);
    // Whoever has just read where they are may still fetch them.
    assert_eq!(remove().await.unwrap(), 0);
    assert_eq!(stored().len(), 5);
    app.advance(3700);
    assert_eq!(remove().await.unwrap(), 4);
    let left = stored();
    assert!(left.len() == 1 && left != first, "{left:?}");
    app.advance(24 * 3600);
    assert_eq!(remove().await.unwrap(), 0);
    let shown = app.agent().get(LOGO).await.expect(200);
    assert_eq!(shown.header("content-type"), Some("image/png"));
    assert_eq!(stored(), left);
}
