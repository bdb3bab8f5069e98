//! A SCIM server that is provisioned from here is a stranger (security cases 77–83).

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use axum::Router;
use axum::extract::{Query, Request, State};
use axum::response::{IntoResponse as _, Response};
use http::{HeaderMap, Method, StatusCode, header};
use pid_tests::{ScimTarget, TestApp};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

const PATH: &str = "/api/scim/service-provider";

async fn client(app: &TestApp) -> String {
    app.client(json!({})).await["id"].as_str().unwrap().to_owned()
}

async fn person(app: &TestApp, name: &str) -> String {
    app.script()
        .post("/api/users", &json!({ "username": name, "email": format!("{name}@example.com") }))
        .await
        .expect(201)
        .id()
}

async fn provider(app: &TestApp, client: &str, endpoint: &str) -> String {
    let body = json!({ "endpoint": endpoint, "token": "bearer-secret-1", "oidcClientId": client });
    app.script().post(PATH, &body).await.expect(201).id()
}

/// How a run fails.
async fn failure(app: &TestApp, provider: &str) -> Value {
    let refused = app.script().post(&format!("{PATH}/{provider}/sync"), &json!({})).await;
    refused.refused(502, "scim_sync_failed").json()["details"]["failure"].clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_077_a_scim_token_is_not_given_to_another_address() {
    let (app, target) = (TestApp::start().await, ScimTarget::start().await);
    let id = provider(&app, &client(&app).await, "https://app.example/scim").await;
    let path = format!("{PATH}/{id}");
    let script = app.script();
    for change in [
        json!({ "endpoint": target.url() }),
        json!({ "endpoint": target.url(), "token": "XXXXXXXXXX" }),
        json!({ "endpoint": "https://app.example/scim?tenant=2" }),
        json!({ "endpoint": "https://app.example:444/scim" }),
    ] {
        script.patch(&path, &change, None).await.invalid(&["token required"]);
        script.post(&format!("{path}/sync"), &json!({})).await.refused(502, "scim_sync_failed");
        assert!(target.calls().is_empty());
    }
    // The same address in other letters is the same; none, or a new one, may go elsewhere.
    script.patch(&path, &json!({ "endpoint": "HTTPS://APP.example:443/scim" }), None).await.expect(200);
    person(&app, "ann").await;
    script.patch(&path, &json!({ "endpoint": target.url(), "token": "" }), None).await.expect(200);
    script.post(&format!("{path}/sync"), &json!({})).await.refused(502, "scim_sync_failed");
    let calls = target.calls();
    assert!(!calls.is_empty() && calls.iter().all(|call| !call.headers.contains_key("authorization")), "{calls:?}");
    script.patch(&path, &json!({ "token": ScimTarget::TOKEN }), None).await.expect(200);
    script.post(&format!("{path}/sync"), &json!({})).await.expect(200);
    // What stands at another address under a remembered id is somebody else.
    let other = ScimTarget::start().await;
    other.put("User", &json!({ "userName": "stranger", "active": true }));
    let change = json!({ "endpoint": other.url(), "token": ScimTarget::TOKEN });
    script.patch(&path, &change, None).await.expect(200);
    script.delete(&format!("/api/users/{}", target.user("ann")["externalId"].as_str().unwrap())).await.expect(204);
    script.post(&format!("{path}/sync"), &json!({})).await.expect(200);
    assert_eq!(other.names(), ["stranger"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_078_a_scim_token_is_nowhere_to_be_read() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let client = client(&app).await;
    let secret = "bearer-secret-1";
    let id = provider(&app, &client, "https://u-secret-path.example/scim/path-secret-2?key=query-secret-3").await;
    let script = app.script();
    let mut seen = String::new();
    for path in [
        format!("/api/oidc/clients/{client}/scim-service-provider"),
        format!("/api/oidc/clients/{client}"),
        "/api/audit-logs/all".to_owned(),
    ] {
        seen += &script.get(&path).await.expect(200).text();
    }
    seen += &admin.agent.get(&format!("/settings/admin/oidc-clients/{client}")).await.expect(200).text();
    let body = json!({ "endpoint": "https://other.example/path-secret-2", "oidcClientId": client, "token": "bearer-secret-4" });
    seen += &script.put(&format!("{PATH}/{id}"), &body).await.expect(200).text();
    seen += &script.post(&format!("{PATH}/{id}/sync"), &json!({})).await.text();
    seen += &script.post(PATH, &body).await.text();
    for event in ["SCIM_PROVIDER_CREATED", "SCIM_PROVIDER_UPDATED", "SCIM_SYNC_FAILED"] {
        let entries = app.events(event).await;
        assert!(!entries.is_empty(), "{event}");
        let text = serde_json::to_string(&entries).unwrap();
        assert!(!text.contains("path-secret") && !text.contains("query-secret"), "{text}");
        seen += &text;
    }
    assert!(!seen.contains(secret) && !seen.contains("bearer-secret-4"), "{seen}");
    if !pid_tests::on_postgres() {
        let file = std::fs::read(app.sqlite_file()).unwrap();
        let log = std::fs::read(app.sqlite_file().with_extension("db-wal")).unwrap_or_default();
        for secret in [secret, "bearer-secret-4"] {
            let is_there = |bytes: &[u8]| bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
            assert!(!is_there(&file) && !is_there(&log), "{secret} lies in the file as it is");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_079_provisioning_never_reaches_the_metadata_of_a_cloud() {
    let app = TestApp::start().await;
    let client = client(&app).await;
    person(&app, "ann").await;
    let id = provider(&app, &client, "http://169.254.169.254/latest").await;
    for endpoint in
        ["http://169.254.169.254/latest", "http://[::ffff:169.254.169.254]/", "http://2852039166/", "http://[fe80::1]/"]
    {
        let change = json!({ "endpoint": endpoint, "token": "t" });
        app.script().patch(&format!("{PATH}/{id}"), &change, None).await.expect(200);
        assert_eq!(failure(&app, &id).await, "target_refused", "{endpoint}");
    }
}

type Handler = fn(&Method, &str, usize) -> Response;

/// A server that answers as a test says.
struct Hostile {
    url: String,
    seen: Arc<Mutex<Vec<HeaderMap>>>,
    task: JoinHandle<()>,
}

#[derive(Clone)]
struct Manner {
    handler: Handler,
    seen: Arc<Mutex<Vec<HeaderMap>>>,
    asked: Arc<AtomicUsize>,
}

async fn answer(State(manner): State<Manner>, Query(query): Query<Value>, request: Request) -> Response {
    manner.asked.fetch_add(1, Ordering::SeqCst);
    manner.seen.lock().unwrap().push(request.headers().clone());
    let start = query["startIndex"].as_str().and_then(|text| text.parse().ok()).unwrap_or(1);
    (manner.handler)(request.method(), request.uri().path(), start)
}

impl Hostile {
    async fn start(handler: Handler) -> Self {
        let manner = Manner { handler, seen: Arc::default(), asked: Arc::default() };
        let seen = Arc::clone(&manner.seen);
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().fallback(answer).with_state(manner);
        let task = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { url, seen, task }
    }
}

impl Drop for Hostile {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A page of resources from a place on.
fn page(start: usize, count: usize, total: usize, one: impl Fn(usize) -> Value) -> Response {
    let resources: Vec<Value> = (start..start + count).map(one).collect();
    axum::Json(json!({ "totalResults": total, "startIndex": start, "Resources": resources })).into_response()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_080_redirects_of_a_scim_server_are_not_followed() {
    static ELSEWHERE: OnceLock<String> = OnceLock::new();
    let (app, other) = (TestApp::start().await, ScimTarget::start().await);
    person(&app, "ann").await;
    ELSEWHERE.set(other.url()).unwrap();
    let hostile = Hostile::start(|_, _, _| {
        (StatusCode::TEMPORARY_REDIRECT, [(header::LOCATION, ELSEWHERE.get().unwrap().as_str())]).into_response()
    })
    .await;
    let id = provider(&app, &client(&app).await, &hostile.url).await;
    assert_eq!(failure(&app, &id).await, "http_status");
    assert!(hostile.seen.lock().unwrap().len() == 1 && other.calls().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_081_large_and_compressed_answers_of_a_scim_server_are_not_read() {
    let app = TestApp::start().await;
    person(&app, "ann").await;
    let client = client(&app).await;
    let huge: Handler = |_, _, _| {
        let body = format!("{{\"totalResults\":1,\"Resources\":[{}]}}", " ".repeat(17 * 1024 * 1024));
        ([(header::CONTENT_TYPE, "application/scim+json")], body).into_response()
    };
    let hostile = Hostile::start(huge).await;
    let id = provider(&app, &client, &hostile.url).await;
    assert_eq!(failure(&app, &id).await, "too_large");
    let packed: Handler = |_, _, _| ([(header::CONTENT_ENCODING, "gzip")], "x").into_response();
    let hostile = Hostile::start(packed).await;
    let change = json!({ "endpoint": hostile.url, "token": "t" });
    app.script().patch(&format!("{PATH}/{id}"), &change, None).await.expect(200);
    assert_eq!(failure(&app, &id).await, "unexpected_encoding");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_083_junk_endless_lists_and_strange_ids_do_no_harm() {
    let app = TestApp::start().await;
    person(&app, "ann").await;
    let client = client(&app).await;
    let id = provider(&app, &client, "http://127.0.0.1:1").await;
    let cases: [(&str, Handler, &str); 8] = [
        ("no JSON", |_, _, _| "<html>".into_response(), "not_scim"),
        ("something else", |_, _, _| axum::Json(json!({ "hello": [] })).into_response(), "not_scim"),
        (
            "nested without end",
            |_, _, _| format!("{{\"Resources\":{}", "[".repeat(1_000_000)).into_response(),
            "not_scim",
        ),
        ("the same page for ever", |_, _, _| page(1, 3, 1_000_000, |n| json!({ "id": n.to_string() })), "endless_list"),
        (
            "new pages for ever",
            |_, _, start| page(start, 2000, usize::MAX, |n| json!({ "id": n.to_string() })),
            "endless_list",
        ),
        (
            "a refusal full of words",
            |_, _, _| (StatusCode::FORBIDDEN, "<script>secret</script>").into_response(),
            "http_status",
        ),
        (
            "a count that is none",
            |_, _, _| axum::Json(json!({ "totalResults": "many", "Resources": "x" })).into_response(),
            "not_scim",
        ),
        ("nobody there", |_, _, _| StatusCode::UNAUTHORIZED.into_response(), "unauthorized"),
    ];
    for (what, handler, expected) in cases {
        let hostile = Hostile::start(handler).await;
        let change = json!({ "endpoint": hostile.url, "token": "t" });
        app.script().patch(&format!("{PATH}/{id}"), &change, None).await.expect(200);
        assert_eq!(failure(&app, &id).await, expected, "{what}");
        let report =
            app.script().get(&format!("/api/oidc/clients/{client}/scim-service-provider")).await.expect(200).text();
        assert!(!report.contains("secret"), "{what}: {report}");
    }

    // A hundred thousand groups of others, junk among the people, and ids that would lead elsewhere.
    let crowd: Handler = |method, path, start| match (method, path) {
        (&Method::GET, "/Groups") => page(
            start,
            1000.min(100_001 - start),
            100_000,
            |n| json!({ "id": n.to_string(), "displayName": format!("g{n}") }),
        ),
        (&Method::GET, "/Users") => {
            let junk = [
                json!(null),
                json!(7),
                json!({}),
                json!({ "id": "" }),
                json!({ "id": ".." }),
                json!({ "id": "a\r\nb" }),
                json!({ "id": "x".repeat(600) }),
            ];
            page(start, 7, 7, |n| junk[n - 1].clone())
        }
        (&Method::POST, "/Users") => {
            (StatusCode::CREATED, axum::Json(json!({ "id": "../../admin?x=1#y" }))).into_response()
        }
        (&Method::GET, "/Users/..%2F..%2Fadmin%3Fx=1%23y") => {
            axum::Json(json!({ "id": "../../admin?x=1#y", "userName": "ann" })).into_response()
        }
        (&Method::DELETE, "/Users/..%2F..%2Fadmin%3Fx=1%23y") => StatusCode::NO_CONTENT.into_response(),
        _ => StatusCode::IM_A_TEAPOT.into_response(),
    };
    let hostile = Hostile::start(crowd).await;
    let group =
        app.script().post("/api/user-groups", &json!({ "name": "gg", "friendlyName": "Gg" })).await.expect(201).id();
    let change = json!({ "endpoint": hostile.url, "token": "t" });
    app.script().patch(&format!("{PATH}/{id}"), &change, None).await.expect(200);
    // Our one group is refused by a teapot; that is all.
    app.script().post(&format!("{PATH}/{id}/sync"), &json!({})).await.refused(502, "scim_sync_incomplete");
    let read = format!("/api/oidc/clients/{client}/scim-service-provider");
    let report = app.script().get(&read).await.expect(200).json()["sync"]["last"].clone();
    assert_eq!((&report["users"]["created"], &report["problems"][0]["id"]), (&json!(1), &json!(group)), "{report}");
    // She is deleted under the very id that it gave her, which stays one part of the address.
    let ann = app.script().get("/api/users?search=ann").await.expect(200).json()["data"][0]["id"].clone();
    app.script().delete(&format!("/api/users/{}", ann.as_str().unwrap())).await.expect(204);
    for _ in 0..400 {
        let last = app.script().get(&read).await.expect(200).json()["sync"]["last"].clone();
        if last["users"]["deleted"] == 1 {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(25)).await;
    }
    panic!("she was not deleted");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_083_a_list_in_place_of_a_person_ends_nothing() {
    static ANN: OnceLock<String> = OnceLock::new();
    let app = TestApp::start().await;
    person(&app, "ann").await;
    let ann = app.script().get("/api/users?search=ann").await.expect(200).json()["data"][0]["id"].clone();
    ANN.set(ann.as_str().unwrap().to_owned()).unwrap();
    let ann = ANN.get().unwrap();
    // She was there before, so that she is to be deactivated: read, changed and written.
    let odd: Handler = |method, path, start| match (method, path) {
        (&Method::GET, "/Users") => {
            page(start, 1, 1, |_| json!({ "id": "7", "externalId": ANN.get(), "userName": "ann", "active": true }))
        }
        (&Method::GET, "/Users/7") => axum::Json(json!(["7", ANN.get(), "ann", null, null, true])).into_response(),
        (&Method::PUT, "/Users/7") => axum::Json(json!({ "id": "7", "externalId": ANN.get() })).into_response(),
        _ => StatusCode::NOT_FOUND.into_response(),
    };
    let hostile = Hostile::start(odd).await;
    let client = client(&app).await;
    let id = provider(&app, &client, &hostile.url).await;
    let sync = format!("{PATH}/{id}/sync");
    app.script().post(&sync, &json!({})).await.expect(200);
    app.script().delete(&format!("/api/users/{ann}")).await.expect(204);
    app.script().post(&sync, &json!({})).await.refused(502, "scim_sync_incomplete");
    let read = format!("/api/oidc/clients/{client}/scim-service-provider");
    let report = app.script().get(&read).await.expect(200).json()["sync"]["last"].clone();
    let problem = &report["problems"][0];
    assert_eq!((&problem["id"], &problem["failure"]), (&json!(ann), &json!("not_scim")), "{report}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_083_many_leave_only_if_somebody_says_so() {
    let (app, target) = (TestApp::start().await, ScimTarget::start().await);
    let mut people = Vec::new();
    for n in 0..10 {
        people.push(person(&app, &format!("p{n}")).await);
    }
    let script = app.script();
    let group =
        script.post("/api/user-groups", &json!({ "name": "staff", "friendlyName": "Staff" })).await.expect(201).id();
    let members = async |ids: &[String]| {
        script.put(&format!("/api/user-groups/{group}/users"), &json!({ "userIds": ids })).await.expect(200);
    };
    members(&people).await;
    let client = app.client(json!({ "isGroupRestricted": true })).await["id"].as_str().unwrap().to_owned();
    let allowed = format!("/api/oidc/clients/{client}/allowed-user-groups");
    script.put(&allowed, &json!({ "userGroupIds": [group] })).await.expect(200);
    let provider = target.provision(&app, &client).await;
    let sync = format!("{PATH}/{}/sync", provider["id"].as_str().unwrap());
    script.post(&sync, &json!({})).await.expect(200);
    // Two of ten are a fifth.
    members(&people[2..]).await;
    script.post(&sync, &json!({})).await.expect(200);
    assert_eq!(target.names().len(), 8);
    members(&people[4..]).await;
    let refused = script.post(&sync, &json!({})).await.refused(409, "scim_sync_held");
    assert_eq!(refused.json()["details"], json!({ "leaving": "2", "present": "8", "percent": "20" }));
    assert_eq!(target.names().len(), 8);
    // Who is disabled is inactive there nevertheless.
    script.patch(&format!("/api/users/{}", people[9]), &json!({ "disabled": true }), None).await.expect(200);
    script.post(&sync, &json!({})).await.refused(409, "scim_sync_held");
    assert_eq!((target.user("p9")["active"].clone(), target.names().len()), (json!(false), 8));
    // The clock brings nothing about either.
    app.advance(3601);
    let mut held = Value::Null;
    for _ in 0..400 {
        let path = format!("/api/oidc/clients/{client}/scim-service-provider");
        held = script.get(&path).await.expect(200).json()["sync"].clone();
        if held["changesWait"] == false && held["runningSince"].is_null() && held["last"]["outcome"] == "held" {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(25)).await;
    }
    assert_eq!(held["last"]["outcome"], "held", "{held}");
    assert_eq!(target.names().len(), 8);
    script.post(&format!("{sync}?anyway=true"), &json!({})).await.expect(200);
    assert_eq!(target.names().len(), 6);
}
