//! `/api/apis` and `/api/api-access` (api.md §17).

use http::Method;
use pid_tests::{Agent, TestApp};
use serde_json::{Value, json};

async fn orders(script: &Agent) -> Value {
    let body = json!({ "name": "Orders", "resource": "https://api.example/orders/" });
    let api = script.post("/api/apis", &body).await.expect(201).json();
    let permissions = json!({ "permissions": [
        { "key": "orders:read", "name": "Read", "description": "See orders" },
        { "key": "orders:write", "name": "Write" },
    ] });
    let path = format!("/api/apis/{}/permissions", api["id"].as_str().unwrap());
    script.put(&path, &permissions).await.expect(200).json()
}

fn id(value: &Value) -> &str {
    value["id"].as_str().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn apis_have_a_name_a_resource_and_permissions() {
    let app = TestApp::start().await;
    let script = app.script();
    let api = orders(&script).await;
    let [read, write] = [0, 1].map(|i| api["permissions"][i].clone());
    assert_eq!(
        api,
        json!({
            "id": api["id"], "name": "Orders", "resource": "https://api.example/orders", "createdAt": api["createdAt"],
            "allowCimdClients": false, "permissions": [
                { "id": read["id"], "key": "orders:read", "name": "Read", "description": "See orders", "allowedForCimdClients": false },
                { "id": write["id"], "key": "orders:write", "name": "Write", "allowedForCimdClients": false },
            ]
        })
    );
    let path = format!("/api/apis/{}", id(&api));
    let got = script.get(&path).await.expect(200);
    let tag = got.header("etag").unwrap().to_owned();
    assert_eq!(script.patch(&path, &json!({ "name": "Shop" }), Some(&tag)).await.expect(200).json()["name"], "Shop");
    script.patch(&path, &json!({ "name": "Late" }), Some(&tag)).await.refused(412, "version_mismatch");
    let late = script.request(Method::PUT, &format!("{path}/permissions")).header("if-match", &tag).json(&json!({}));
    script.send(late).await.refused(412, "version_mismatch");
    script.put(&path, &json!({ "name": "Shop", "resource": "https://other.example" })).await.expect(200);
    assert_eq!(script.get(&path).await.json()["resource"], "https://api.example/orders");

    let again = json!({ "name": "Twice", "resource": "https://api.example/orders" });
    script.post("/api/apis", &again).await.refused(409, "already_in_use");
    let own = json!({ "name": "Own", "resource": app.url() });
    script.post("/api/apis", &own).await.refused(400, "validation_failed");
    assert_eq!(script.get("/api/apis?search=orders").await.json()["pagination"]["totalItems"], 1);
    script.delete(&path).await.expect(204);
    script.get(&path).await.refused(404, "not_found");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn access_is_granted_from_either_side() {
    let app = TestApp::start().await;
    let script = app.script();
    let api = orders(&script).await;
    let (client, public) =
        (app.client(json!({})).await, app.client(json!({ "name": "Phone", "isPublic": true })).await);
    let (read, write) = (id(&api["permissions"][0]), id(&api["permissions"][1]));
    let path = |c: &Value| format!("/api/apis/{}/clients/{}", id(&api), id(c));
    let wanted = json!({ "userDelegatedPermissionIds": [read, "unknown"], "clientPermissionIds": [write] });
    let stored = script.put(&path(&client), &wanted).await.expect(200).json();
    assert_eq!(
        stored,
        json!({ "userDelegatedAccess": true, "clientAccess": true, "userDelegatedPermissionIds": [read], "clientPermissionIds": [write] })
    );
    let stored = script.put(&path(&public), &wanted).await.expect(200).json();
    assert_eq!((&stored["clientAccess"], &stored["clientPermissionIds"]), (&json!(false), &json!([])));

    let reached = script.get(&format!("/api/api-access/{}/apis", id(&client))).await.expect(200).json();
    assert_eq!(reached[0]["api"]["id"], api["id"]);
    assert_eq!((&reached[0]["clientAccess"], &reached[0]["cimdGrantedAccess"]), (&json!(true), &json!(false)));
    let clients = script.get(&format!("/api/apis/{}/clients", id(&api))).await.expect(200).json();
    let names: Vec<_> = clients["data"].as_array().unwrap().iter().map(|c| c["client"]["name"].clone()).collect();
    assert_eq!(names, ["App", "Phone"]);
    let rest = script.get(&format!("/api/apis/{}/assignable-clients", id(&api))).await.expect(200).json();
    assert_eq!(rest["data"], json!([]));

    // Without its last permission of a kind a client loses access of that kind.
    let fewer = json!({ "permissions": [{ "key": "orders:read", "name": "Read" }] });
    script.put(&format!("/api/apis/{}/permissions", id(&api)), &fewer).await.expect(200);
    let reached = script.get(&format!("/api/api-access/{}/apis", id(&client))).await.expect(200).json();
    assert_eq!((&reached[0]["clientAccess"], &reached[0]["userDelegatedAccess"]), (&json!(false), &json!(true)));
    assert_eq!(reached[0]["userDelegatedPermissionIds"], json!([read]));

    script.delete(&path(&client)).await.expect(204);
    script.delete(&path(&client)).await.expect(204);
    let rest = script.get(&format!("/api/api-access/{}/assignable-apis", id(&client))).await.expect(200).json();
    assert_eq!(rest["data"][0]["id"], api["id"]);
    script.put(&format!("/api/apis/{}/clients/none", id(&api)), &json!({})).await.refused(404, "not_found");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn metadata_document_clients_are_let_in_by_the_api() {
    let app = TestApp::start().await;
    let script = app.script();
    let api = orders(&script).await;
    let path = format!("/api/apis/{}/cimd-access", id(&api));
    let read = id(&api["permissions"][0]);
    let changed =
        script.put(&path, &json!({ "enabled": true, "permissionIds": [read, "foreign"] })).await.expect(200).json();
    assert_eq!(changed["allowCimdClients"], true);
    let flags: Vec<_> =
        changed["permissions"].as_array().unwrap().iter().map(|p| p["allowedForCimdClients"].clone()).collect();
    assert_eq!(flags, [true, false]);
    script.put(&path, &json!({ "enabled": true, "permissionIds": [""] })).await.refused(400, "validation_failed");
    // Who read it before somebody else changed it changes nothing.
    let off = script.request(http::Method::PUT, &path).header("if-match", "\"1\"").json(&json!({ "enabled": false }));
    script.send(off).await.refused(412, "version_mismatch");
}
