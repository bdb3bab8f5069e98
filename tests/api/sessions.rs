//! `/api/sessions` and `/api/users/{id}/sessions`.

use pid_tests::{Person, TestApp};
use serde_json::{Value, json};

async fn list(person: &Person) -> Vec<Value> {
    person.agent.get("/api/sessions").await.expect(200).json().as_array().unwrap().clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn people_see_where_they_are_signed_in_and_end_it() {
    let app = TestApp::start().await;
    let (admin, mut tim) = (app.admin().await, app.person("tim").await);
    let firefox = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";
    let phone = app.agent().with_header("user-agent", firefox);
    app.advance(60);
    tim.sign_in_at(&phone).await.expect(200);
    let seen = list(&tim).await;
    assert_eq!(seen.len(), 2);
    let (current, other) =
        (&seen[usize::from(seen[0]["isCurrent"] != true)], &seen[usize::from(seen[0]["isCurrent"] == true)]);
    assert_eq!((&current["isCurrent"], &other["isCurrent"]), (&json!(true), &json!(false)));
    assert_eq!(
        (&other["signInMethod"], &other["isActive"], &other["isLimited"]),
        (&json!("passkey"), &json!(true), &json!(false))
    );
    assert!(other["device"].as_str().unwrap().contains("Firefox"), "{other}");
    assert_eq!(other["ipAddress"], "127.0.0.1");
    for member in ["firstSeenAt", "signedInAt", "lastSeenAt", "expiresAt", "country", "city"] {
        assert!(other[member].is_string(), "{member}: {other}");
    }
    // No secret of it is shown.
    assert!(!other.to_string().contains(&phone.cookie("access_token").unwrap()));

    // Others' sessions are not there.
    let theirs = format!("/api/sessions/{}", other["id"].as_str().unwrap());
    admin.agent.delete(&theirs).await.refused(404, "not_found");
    phone.get("/api/users/me").await.expect(200);
    tim.agent.delete(&theirs).await.expect(204);
    phone.get("/api/users/me").await.refused(401, "not_signed_in");
    tim.agent.delete(&theirs).await.refused(404, "not_found");
    assert_eq!(list(&tim).await.len(), 1);
    assert_eq!(app.events("SIGN_OUT").await.len(), 1);

    // All others; then this one.
    tim.sign_in_at(&phone).await.expect(200);
    tim.agent.delete("/api/sessions").await.expect(204);
    phone.get("/api/users/me").await.expect(401);
    assert_eq!(app.events("SIGN_OUT_EVERYWHERE").await.len(), 1);
    let own = list(&tim).await.remove(0);
    let gone = tim.agent.delete(&format!("/api/sessions/{}", own["id"].as_str().unwrap())).await.expect(204);
    assert!(gone.header("set-cookie").unwrap().contains("Max-Age=0"));
    tim.agent.get("/api/users/me").await.expect(401);

    // An administrator sees and ends those of anybody.
    tim.sign_in().await.expect(200);
    tim.sign_in_at(&phone).await.expect(200);
    let of_tim = format!("/api/users/{}/sessions", tim.id());
    let seen = admin.agent.get(&of_tim).await.expect(200).json();
    assert_eq!(seen.as_array().unwrap().len(), 2);
    assert!(seen.as_array().unwrap().iter().all(|s| s["isCurrent"] == false));
    admin.agent.delete(&format!("{of_tim}/{}", seen[0]["id"].as_str().unwrap())).await.expect(204);
    let alive = [tim.agent.get("/api/users/me").await.status, phone.get("/api/users/me").await.status];
    assert_eq!(alive.iter().filter(|s| **s == 200).count(), 1);
    admin.agent.delete(&of_tim).await.expect(204);
    for agent in [&tim.agent, &phone] {
        agent.get("/api/users/me").await.expect(401);
    }
    admin.agent.get("/api/users/me").await.expect(200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_browser_has_one_session_however_often_its_person_signs_in() {
    let app = TestApp::start().await;
    let mut tim = app.person("tim").await;
    let began = list(&tim).await.remove(0);
    app.advance(60);
    tim.sign_in().await.expect(200);
    tim.reauthenticate().await.expect(204);
    let sessions = list(&tim).await;
    assert_eq!(sessions.len(), 1);
    // The apps know it by this id.
    assert_eq!((&sessions[0]["id"], &sessions[0]["firstSeenAt"]), (&began["id"], &began["firstSeenAt"]));
    assert_ne!(sessions[0]["signedInAt"], began["signedInAt"]);
    // Somebody else at the same browser begins another one; that of before is over here, but not for the apps.
    let mut eve = app.person("eve").await;
    eve.sign_in_at(&tim.agent).await.expect(200);
    assert_eq!(tim.agent.get("/api/users/me").await.json()["username"], "eve");
    assert_ne!(list(&tim).await[0]["id"], began["id"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn idle_sessions_end_and_used_ones_slide_up_to_their_limit() {
    let app = TestApp::start().await;
    let settings = json!({ "sessionIdleTimeout": "30", "sessionDuration": "120" });
    app.script().patch("/api/application-configuration", &settings, None).await.expect(200);
    let mut tim = app.person("tim").await;
    tim.sign_in().await.expect(200);
    let began = list(&tim).await.remove(0);
    for _ in 0..5 {
        app.advance(20 * 60);
        tim.agent.get("/api/users/me").await.expect(200);
        // Written apart from the request, by a job once a minute.
        app.app().seen().write(app.app()).await.unwrap();
    }
    let now = list(&tim).await.remove(0);
    assert_ne!(now["lastSeenAt"], began["lastSeenAt"]);
    assert_eq!((&now["signedInAt"], &now["expiresAt"]), (&began["signedInAt"], &began["expiresAt"]));
    // The absolute limit stays what it was.
    app.advance(21 * 60);
    tim.agent.get("/api/users/me").await.expect(401);
    tim.sign_in().await.expect(200);
    app.advance(31 * 60);
    tim.agent.get("/api/users/me").await.expect(401);
    // Being seen too late revives nothing.
    app.app().seen().write(app.app()).await.unwrap();
    tim.agent.get("/api/users/me").await.expect(401);
    assert!(
        app.script()
            .get(&format!("/api/users/{}/sessions", tim.id()))
            .await
            .expect(200)
            .json()
            .as_array()
            .unwrap()
            .is_empty()
    );
}
