//! `ETag` and `If-Match` (RFC 9110 §13.1.1) on what is saved or deleted: who read before somebody else changed it
//! overwrites nothing, and a script that says nothing about versions goes on as ever.

use http::Method;
use pid_tests::{Agent, PNG, Reply, TestApp};
use serde_json::{Value, json};

async fn under(agent: &Agent, method: Method, path: &str, tag: &str, body: Option<&Value>) -> Reply {
    let request = agent.request(method, path).header("if-match", tag);
    agent.send(body.into_iter().fold(request, |request, body| request.json(body))).await
}

/// One of each: their paths.
struct Things {
    user: String,
    group: String,
    client: String,
    api: String,
}

impl Things {
    async fn make(app: &TestApp) -> Self {
        let script = app.script();
        let group = script.post("/api/user-groups", &json!({ "name": "crew", "friendlyName": "Crew" })).await;
        let api = script.post("/api/apis", &json!({ "name": "Orders", "resource": "https://orders.example" })).await;
        let api = format!("/api/apis/{}", api.expect(201).id());
        let permissions = json!({ "permissions": [{ "key": "read", "name": "Read" }] });
        script.put(&format!("{api}/permissions"), &permissions).await.expect(200);
        Self {
            user: format!("/api/users/{}", app.person("tim").await.id()),
            group: format!("/api/user-groups/{}", group.expect(201).id()),
            client: format!(
                "/api/oidc/clients/{}",
                app.client(json!({ "isGroupRestricted": true })).await["id"].as_str().unwrap()
            ),
            api,
        }
    }

    fn access(&self) -> String {
        format!("{}/clients/{}", self.api, id(&self.client))
    }
}

fn id(path: &str) -> &str {
    path.rsplit('/').next().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_an_api_lets_in_is_saved_under_the_api_s_version() {
    let app = TestApp::start().await;
    let script = app.script();
    let things = Things::make(&app).await;
    let permission = script.get(&things.api).await.json()["permissions"][0]["id"].clone();
    let (access, opened) = (things.access(), format!("{}/cimd-access", things.api));
    let granted = json!({ "userDelegatedAccess": true, "clientAccess": false, "userDelegatedPermissionIds": [permission], "clientPermissionIds": [] });
    let open = json!({ "enabled": true, "permissionIds": [permission] });
    for (path, body) in [(&access, &granted), (&opened, &open)] {
        let read = script.get(path).await.expect(200);
        assert_ne!(read.json(), *body);
        assert_eq!(read.etag(), script.get(&things.api).await.etag(), "{path} is part of the API");
        let saved = under(&script, Method::PUT, path, &read.etag(), Some(body)).await.expect(200);
        let now = script.get(path).await.expect(200);
        assert_eq!((now.json(), now.etag()), (body.clone(), saved.etag()));
        assert_ne!(saved.etag(), read.etag());
        let stale =
            under(&script, Method::PUT, path, &read.etag(), Some(&json!({}))).await.refused(412, "version_mismatch");
        assert_eq!(format!("\"{}\"", stale.json()["details"]["version"].as_str().unwrap()), saved.etag());
        assert_eq!(script.get(path).await.json(), *body);
        script.put(path, body).await.expect(200);
    }
    // The permissions themselves belong to it, too.
    let tag = script.get(&access).await.etag();
    let put = json!({ "permissions": [{ "key": "read", "name": "Look" }] });
    under(&script, Method::PUT, &format!("{}/permissions", things.api), &tag, Some(&put)).await.expect(200);
    under(&script, Method::DELETE, &access, &tag, None).await.refused(412, "version_mismatch");
    assert_eq!(script.get(&access).await.json()["userDelegatedAccess"], true);
    let tag = script.get(&access).await.etag();
    under(&script, Method::DELETE, &access, &tag, None).await.expect(204);
    assert_eq!(script.get(&access).await.json()["userDelegatedAccess"], false);
    assert_ne!(script.get(&things.api).await.etag(), tag);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_changed_since_it_was_read_is_not_deleted() {
    let app = TestApp::start().await;
    let script = app.script();
    let things = Things::make(&app).await;
    for (path, change) in [
        (&things.user, json!({ "firstName": "Tom" })),
        (&things.group, json!({ "friendlyName": "Gang" })),
        (&things.client, json!({ "description": "New" })),
        (&things.api, json!({ "name": "Shop" })),
    ] {
        let old = script.get(path).await.expect(200).etag();
        let new = script.patch(path, &change, Some(&old)).await.expect(200).etag();
        for tag in [old.as_str(), "\"x\"", "W/\"2\"", "2"] {
            under(&script, Method::DELETE, path, tag, None).await.refused(412, "version_mismatch");
        }
        script.get(path).await.expect(200);
        under(&script, Method::DELETE, path, &new, None).await.expect(204);
        script.get(path).await.expect(404);
        under(&script, Method::DELETE, path, &new, None).await.expect(404);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn secrets_and_uploads_are_deleted_under_a_version() {
    let app = TestApp::start().await;
    let script = app.script();
    let Things { user, client, .. } = Things::make(&app).await;
    let before = script.get(&client).await.etag();
    let secret = script.post(&format!("{client}/secrets"), &json!({})).await.expect(201).id();
    let shown = script.get(&client).await.etag();
    assert_ne!(shown, before, "the client shows its secrets");
    let secret = format!("{client}/secrets/{secret}");
    under(&script, Method::DELETE, &secret, &before, None).await.refused(412, "version_mismatch");
    under(&script, Method::DELETE, &secret, &shown, None).await.expect(204);
    assert_ne!(script.get(&client).await.etag(), shown);

    // What was uploaded has the version that its picture is shown with.
    script.upload(&format!("{client}/logo"), "logo.png", PNG).await.expect(204);
    script.put_file(&format!("{user}/profile-picture"), "me.png", PNG).await.expect(204);
    script.put_file("/api/application-images/background", "hills.png", PNG).await.expect(204);
    for (path, picture) in [
        (format!("{client}/logo"), format!("{client}/logo")),
        (format!("{user}/profile-picture"), format!("{user}/profile-picture.png")),
        ("/api/application-images/background".to_owned(), "/api/application-images/background".to_owned()),
    ] {
        let tag = script.get(&picture).await.expect(200).etag();
        under(&script, Method::DELETE, &path, "\"1\"", None).await.refused(412, "version_mismatch");
        assert_eq!(script.get(&picture).await.expect(200).etag(), tag);
        under(&script, Method::DELETE, &path, &tag, None).await.expect(204);
        under(&script, Method::DELETE, &path, &tag, None).await.refused(412, "version_mismatch");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_and_passkeys_are_named_under_their_version() {
    let app = TestApp::start().await;
    let tim = app.person("tim").await.agent;
    let made = json!({ "name": "build", "description": "Nightly", "expiresAt": "2099-01-01T00:00:00Z", "scopes": ["read-only"] });
    let made = tim.post("/api/api-keys", &made).await.expect(201).json()["apiKey"].clone();
    let passkey = tim.get("/api/webauthn/credentials").await.json()[0].clone();
    let key = format!("/api/api-keys/{}", made["id"].as_str().unwrap());
    for (path, shown) in
        [(&key, &made), (&format!("/api/webauthn/credentials/{}", passkey["id"].as_str().unwrap()), &passkey)]
    {
        let read = tim.get(path).await.expect(200);
        assert_eq!(read.json(), *shown);
        let saved = tim.patch(path, &json!({ "name": "Renamed" }), Some(&read.etag())).await.expect(200);
        let mut expected = shown.clone();
        expected["name"] = json!("Renamed");
        assert_eq!(saved.json(), expected, "nothing else changes");
        assert_eq!(tim.get(path).await.etag(), saved.etag());
        tim.patch(path, &json!({ "name": "Late" }), Some(&read.etag())).await.refused(412, "version_mismatch");
        under(&tim, Method::DELETE, path, &read.etag(), None).await.refused(412, "version_mismatch");
        tim.patch(path, &json!({ "name": "" }), None).await.invalid(&["name required"]);
        tim.patch(path, &json!({ "name": 1 }), None).await.refused(400, "invalid_request_body");
        tim.patch(path, &json!({ "name": "Without" }), None).await.expect(200);
    }
    // Null clears; what a key may do and its end are what they were.
    let bold = json!({ "description": null, "scopes": [], "expiresAt": "2098-01-01T00:00:00Z", "token": "mine" });
    let changed = tim.patch(&key, &bold, None).await.expect(200).json();
    assert_eq!(changed["description"], Value::Null);
    assert_eq!((&changed["scopes"], &changed["expiresAt"]), (&made["scopes"], &made["expiresAt"]));
    tim.patch(&key, &json!({ "description": "x".repeat(256) }), None).await.invalid(&["description too_long"]);
    let log = tim.get("/api/audit-logs?filters[event]=API_KEY_UPDATED").await.expect(200).json();
    assert_eq!(log["data"][0]["data"]["apiKeyName"], "Without", "{log}");
    // Keys of others aren't there.
    let other = app.person("other").await.agent;
    other.get(&key).await.refused(404, "api_key_not_found");
    other.patch(&key, &json!({ "name": "Theirs" }), None).await.refused(404, "api_key_not_found");
    let tag = tim.get(&key).await.etag();
    under(&tim, Method::DELETE, &key, &tag, None).await.expect(204);
    tim.get(&key).await.refused(404, "api_key_not_found");
}

/// What a writer wants, by their number.
type Want<'a> = Box<dyn Fn(usize) -> Value + 'a>;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_who_read_the_same_version_one_writes() {
    const WRITERS: usize = 5;
    let app = TestApp::start_with(&[("DISABLE_RATE_LIMITING", "true")]).await;
    let script = app.script();
    let things = Things::make(&app).await;
    let read = script.get(&things.api).await.json()["permissions"][0]["id"].clone();
    let (user, group) = (id(&things.user), id(&things.group));
    let claims = |n: usize| json!([{ "key": "seat", "value": format!("{n}") }]);
    // Everybody wants something else. What is a set is emptied first, so that whoever wins changes it.
    let wants: Vec<(&str, String, Want<'_>)> = vec![
        (&things.user, format!("{}/user-groups", things.user), Box::new(|_| json!({ "userGroupIds": [group] }))),
        (&things.user, format!("/api/custom-claims/user/{user}"), Box::new(claims)),
        (&things.group, format!("/api/custom-claims/user-group/{group}"), Box::new(claims)),
        (&things.group, format!("{}/users", things.group), Box::new(|_| json!({ "userIds": [] }))),
        (
            &things.client,
            format!("{}/allowed-user-groups", things.client),
            Box::new(|_| json!({ "userGroupIds": [group] })),
        ),
        (&things.group, format!("{}/allowed-oidc-clients", things.group), Box::new(|_| json!({ "oidcClientIds": [] }))),
        (&things.api, format!("{}/cimd-access", things.api), Box::new(|n| json!({ "enabled": n % 2 == 0 }))),
        (&things.api, things.access(), Box::new(|_| json!({ "userDelegatedPermissionIds": [read] }))),
        (
            &things.api,
            format!("{}/permissions", things.api),
            Box::new(|n| json!({ "permissions": [{ "key": format!("p{n}"), "name": "New" }] })),
        ),
    ];
    for (owner, path, want) in wants {
        let tag = script.get(owner).await.expect(200).etag();
        let mut writers = tokio::task::JoinSet::new();
        for n in 0..WRITERS {
            let request = script.request(Method::PUT, &path).header("if-match", &tag).json(&want(n));
            let agent = script.clone();
            writers.spawn(async move { agent.send(request).await });
        }
        let answers = writers.join_all().await;
        let won: Vec<&Reply> = answers.iter().filter(|a| a.status == 200).collect();
        assert_eq!(won.len(), 1, "{path}: {:?}", answers.iter().map(|a| a.status).collect::<Vec<_>>());
        assert_eq!(won[0].etag(), script.get(owner).await.etag(), "{path}");
        for late in answers.iter().filter(|a| a.status != 200) {
            late.clone().refused(412, "version_mismatch");
        }
    }
}
