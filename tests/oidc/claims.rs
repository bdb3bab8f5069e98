//! Claims as an administrator shapes them: scopes of their own, and per client renamed, left out, added, groups in another
//! form. And what a client is told of the sign-in itself.

use pid_tests::{RelyingParty, TestApp};
use serde_json::{Value, json};

async fn define(app: &TestApp, scopes: &Value) {
    let body = json!({ "namedScopes": scopes.to_string() });
    app.script().patch("/api/application-configuration", &body, None).await.expect(200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_scope_that_an_administrator_defined_releases_its_claims() {
    let app = TestApp::start().await;
    let script = app.script();
    let mut tim = app.person("tim").await;
    let claims = json!([{ "key": "team", "value": "web" }, { "key": "salary", "value": "1" }]);
    script.put(&format!("/api/custom-claims/user/{}", tim.id()), &claims).await.expect(200);
    let work = json!([{ "name": "work", "description": "Your team", "claims": ["team", "email", "absent"] }]);
    define(&app, &work).await;
    let document = script.get("/.well-known/openid-configuration").await.json();
    assert!(document["scopes_supported"].as_array().unwrap().contains(&json!("work")));
    let rp = RelyingParty::register(&app, json!({})).await;
    rp.sign_in(&mut tim, "openid").await;
    // It is a scope like the others: the person is asked, in its words.
    let asking = rp.asks("openid work");
    let interaction = tim.agent.get(&asking.path()).await.interaction().expect("consent");
    let status = tim.agent.get(&format!("/api/oidc/interactions/{interaction}")).await.expect(200).json();
    assert_eq!(status["scopeInfo"], json!([{ "key": "work", "name": "work", "description": "Your team" }]));
    assert_eq!((&status["scopes"], status.get("claims")), (&json!(["openid", "work"]), None));
    let tokens = rp.sign_in(&mut tim, "openid work").await;
    let id = rp.verify(tokens.id()).await.claims;
    assert_eq!((&id["team"], &id["email"], id.get("salary")), (&json!("web"), &json!("tim@example.com"), None));
    let told = rp.userinfo(tokens.access()).await.expect(200).json();
    assert_eq!((&told["team"], told.get("given_name")), (&json!("web"), None));
    assert!(tim.agent.get(&rp.asks("openid work").path()).await.redirected("code").is_some(), "asked once");
    // Without the scope the claim stays here; once it is no scope any more it means nothing, and the grant goes on.
    let plain = rp.sign_in(&mut tim, "openid").await;
    assert_eq!(rp.verify(plain.id()).await.claims.get("team"), None);
    define(&app, &json!([])).await;
    let told = rp.userinfo(tokens.access()).await.expect(200).json();
    assert_eq!(told.get("team"), None);
    let next = rp.refresh(tokens.refresh()).await.expect(200).json();
    assert_eq!(rp.verify(next["id_token"].as_str().unwrap()).await.claims.get("team"), None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn scopes_that_can_not_be_are_refused() {
    let app = TestApp::start().await;
    for scopes in [
        json!([{ "name": "openid", "description": "", "claims": [] }]),
        json!([{ "name": "two words", "description": "", "claims": [] }]),
        json!([{ "name": "x", "description": "", "claims": ["sub"] }]),
        json!([{ "name": "x", "description": "", "claims": [] }, { "name": "x", "description": "", "claims": [] }]),
        json!({ "name": "x" }),
    ] {
        let body = json!({ "namedScopes": scopes.to_string() });
        let reply = app.script().patch("/api/application-configuration", &body, None).await;
        reply.invalid(&["namedScopes invalid_format"]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_scope_is_no_permission_of_an_api() {
    let app = TestApp::start().await;
    let script = app.script();
    let api = script.post("/api/apis", &json!({ "name": "Shop", "resource": "https://shop.example.com" })).await.id();
    let permissions =
        json!({ "permissions": [{ "key": "orders", "name": "Orders" }, { "key": "work", "name": "Work" }] });
    let path = format!("/api/apis/{api}/permissions");
    script.put(&path, &json!({ "permissions": [{ "key": "orders", "name": "Orders" }] })).await.expect(200);
    let scope = |name: &str| json!([{ "name": name, "description": "", "claims": ["team"] }]);
    let body = json!({ "namedScopes": scope("orders").to_string() });
    let refused = script.patch("/api/application-configuration", &body, None).await;
    assert!(refused.invalid(&["namedScopes invalid_format"]).text().contains("Shop"));
    define(&app, &scope("work")).await;
    script.put(&path, &permissions).await.invalid(&["permissions[1].key reserved"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_is_told_claims_in_its_own_way() {
    let app = TestApp::start().await;
    let script = app.script();
    let mut tim = app.person("tim").await;
    let mut ids = Vec::new();
    for name in ["app-admins", "app-users", "family"] {
        let id = script.post("/api/user-groups", &json!({ "name": name, "friendlyName": name })).await.id();
        script.put(&format!("/api/user-groups/{id}/users"), &json!({ "userIds": [tim.id()] })).await.expect(200);
        ids.push(id);
    }
    let rp = RelyingParty::register(&app, json!({})).await;
    let path = format!("/api/oidc/clients/{}", rp.id);
    let mapping = json!({
        "rename": { "preferred_username": "login" }, "drop": ["picture"], "constants": { "tenant": { "id": 1 } },
        "groups": { "format": "names", "filter": ["app-*"] },
    });
    let stored = script.patch(&path, &json!({ "claimMapping": mapping }), None).await.expect(200).json();
    assert_eq!(stored["claimMapping"], mapping);
    let tokens = rp.sign_in(&mut tim, "openid profile groups").await;
    for told in [rp.verify(tokens.id()).await.claims, rp.userinfo(tokens.access()).await.expect(200).json()] {
        assert_eq!((&told["login"], told.get("preferred_username")), (&json!("tim"), None));
        assert_eq!((told.get("picture"), &told["tenant"]["id"]), (None, &json!(1)));
        assert_eq!(told["groups"], json!(["app-admins", "app-users"]));
        assert_eq!(told["sub"], json!(tim.id()));
    }
    // The preview says the same.
    let preview = format!("{path}/preview/{}?scopes=openid%20profile%20groups", tim.id());
    let preview = script.get(&preview).await.expect(200).json();
    assert_eq!((&preview["idToken"]["login"], &preview["userInfo"]["tenant"]["id"]), (&json!("tim"), &json!(1)));
    script.patch(&path, &json!({ "claimMapping": { "groups": { "format": "ids" } } }), None).await.expect(200);
    let told = rp.userinfo(tokens.access()).await.expect(200).json();
    assert_eq!(told["groups"], json!([ids[0], ids[1], ids[2]]));
    // A script that doesn't know the mapping leaves it; an empty one is none.
    let kept = script.put(&path, &json!({ "name": "App", "callbackURLs": [rp.callback] })).await.expect(200).json();
    assert_eq!(kept["claimMapping"], json!({ "groups": { "format": "ids" } }));
    let cleared = script.patch(&path, &json!({ "claimMapping": {} }), None).await;
    // A merge patch can't empty an object by an empty one; a list of what is left is what counts.
    assert_eq!(cleared.expect(200).json().get("claimMapping"), None);
    for bad in [
        json!({ "drop": ["sub"] }),
        json!({ "constants": { "email": "x@example.com" } }),
        json!({ "rename": { "name": "iss" } }),
        json!({ "unknown": 1 }),
        json!([]),
    ] {
        script.patch(&path, &json!({ "claimMapping": bad }), None).await.invalid(&["claimMapping invalid_format"]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_class_of_the_sign_in_is_told_and_met() {
    let app = TestApp::start().await;
    let script = app.script();
    let mut tim = app.person("tim").await;
    let rp = RelyingParty::register(&app, json!({})).await;
    tim.sign_in().await.expect(200);
    let tokens = rp.sign_in(&mut tim, "openid").await;
    assert_eq!(rp.verify(tokens.id()).await.claims.get("acr"), None, "nobody asked");
    let acr = async |asking: &pid_tests::Asking, code: String| {
        let tokens = rp.redeem(asking, &code).await.expect(200).json();
        rp.verify(tokens["id_token"].as_str().unwrap()).await.claims["acr"].clone()
    };
    let asking = rp.asks("openid").with("acr_values", "urn:gold");
    let code = rp.code(&mut tim, &asking).await;
    assert_eq!(acr(&asking, code).await, "phr", "a passkey, whatever was wished for");
    let essential =
        |values: Value| json!({ "id_token": { "acr": { "essential": true, "values": values } } }).to_string();
    let strong = rp.asks("openid").with("claims", &essential(json!(["phr"])));
    let code = rp.code(&mut tim, &strong).await;
    assert_eq!(acr(&strong, code).await, "phr");
    let never = rp.asks("openid").with("claims", &essential(json!(["urn:gold"])));
    let refused = tim.agent.get(&never.path()).await;
    assert_eq!(refused.redirected("error").as_deref(), Some("unmet_authentication_requirements"));

    // Who came by a code proves themselves by passkey first, or the request fails where no page may be shown.
    let path = format!("/api/users/{}/one-time-access-token", tim.id());
    let code = script.post(&path, &json!({})).await.expect(201).json()["token"].as_str().unwrap().to_owned();
    let mut other = app.person("ada").await;
    other.agent = app.agent();
    other.agent.post(&format!("/api/one-time-access-token/{code}"), &Value::Null).await.expect(200);
    let plain = rp.asks("openid").with("acr_values", "phr");
    let code = rp.code_in(&other.agent.get(&plain.path()).await, &plain);
    assert_eq!(acr(&plain, code).await, "0", "a wish is no demand");
    let silent = strong.clone().with("prompt", "none");
    let refused = other.agent.get(&silent.path()).await;
    assert_eq!(refused.redirected("error").as_deref(), Some("unmet_authentication_requirements"));
    let interaction = other.agent.get(&strong.path()).await.interaction().expect("a passkey is asked for");
    let status = other.agent.get(&format!("/api/oidc/interactions/{interaction}")).await.expect(200).json();
    assert_eq!(status["currentStep"], "reauthenticate");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn id_tokens_live_as_long_as_their_client_wants() {
    let app = TestApp::start().await;
    let mut tim = app.person("tim").await;
    let rp = RelyingParty::register(&app, json!({})).await;
    let life = async |tokens: &pid_tests::Tokens| {
        let claims = rp.verify(tokens.id()).await.claims;
        claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap()
    };
    assert_eq!(life(&rp.sign_in(&mut tim, "openid").await).await, 3600);
    let path = format!("/api/oidc/clients/{}", rp.id);
    let stored = app.script().patch(&path, &json!({ "idTokenDurationMinutes": 5 }), None).await.expect(200).json();
    assert_eq!(stored["idTokenDurationMinutes"], 5);
    assert_eq!(life(&rp.sign_in(&mut tim, "openid").await).await, 300);
    let bad = json!({ "idTokenDurationMinutes": 600_000 });
    app.script().patch(&path, &bad, None).await.invalid(&["idTokenDurationMinutes token_duration"]);
    let default = app.script().patch(&path, &json!({ "idTokenDurationMinutes": 0 }), None).await.expect(200).json();
    assert_eq!(default.get("idTokenDurationMinutes"), None);
}
