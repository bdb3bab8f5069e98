//! APIs and their permissions in tokens (RFC 8707, RFC 9068), for people and for clients themselves (RFC 6749 §4.4).

use pid_tests::{Person, RelyingParty, Reply, TestApp, Tokens};
use serde_json::{Value, json};

const ORDERS: &str = "https://orders.example/v1";

/// An API with two permissions. Gives its id and theirs.
async fn orders(app: &TestApp) -> (String, Value) {
    let script = app.script();
    let api = script.post("/api/apis", &json!({ "name": "Orders", "resource": ORDERS })).await.expect(201).id();
    let permissions = json!({ "permissions": [
        { "key": "orders:read", "name": "Read orders", "description": "All of them" },
        { "key": "orders:write", "name": "Change orders" },
    ] });
    let stored = script.put(&format!("/api/apis/{api}/permissions"), &permissions).await.expect(200).json();
    let ids = json!([stored["permissions"][0]["id"], stored["permissions"][1]["id"]]);
    (api, ids)
}

async fn allow(app: &TestApp, api: &str, client: &str, users: &[Value], itself: &[Value]) {
    let body = json!({ "userDelegatedAccess": true, "clientAccess": true, "userDelegatedPermissionIds": users,
        "clientPermissionIds": itself });
    app.script().put(&format!("/api/apis/{api}/clients/{client}"), &body).await.expect(200);
}

/// A sign-in that asks for an API.
async fn sign_in(rp: &RelyingParty, person: &mut Person, scope: &str, resource: &str) -> Tokens {
    let asking = rp.asks(scope).with("resource", resource);
    let code = rp.code(person, &asking).await;
    rp.redeem(&asking, &code).await.into()
}

async fn for_itself(rp: &RelyingParty, form: &[(&str, &str)]) -> Reply {
    rp.token(&[&[("grant_type", "client_credentials")], form].concat()).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_person_lets_a_client_use_an_api() {
    let app = TestApp::start().await;
    let (api, ids) = orders(&app).await;
    let rp = RelyingParty::register(&app, json!({})).await;
    allow(&app, &api, &rp.id, &[ids[0].clone()], &[]).await;
    let mut tim = app.person("tim").await;

    let asking = rp.asks("openid orders:read").with("resource", &format!("{ORDERS}/"));
    let interaction = tim.agent.get(&asking.path()).await.interaction().expect("consent");
    let status = tim.agent.get(&format!("/api/oidc/interactions/{interaction}")).await.expect(200).json();
    assert_eq!(status["scopes"], json!(["openid", "orders:read"]));
    let info = json!([{ "key": "orders:read", "name": "Read orders", "description": "All of them" }]);
    assert_eq!(status["scopeInfo"], info);
    let page = tim.agent.get(&format!("/interaction?interaction={interaction}")).await.expect(200).text();
    assert!(page.contains("Read orders") && page.contains("All of them"), "{page}");

    let tokens = sign_in(&rp, &mut tim, "openid orders:read", ORDERS).await;
    let access = rp.verify(tokens.access()).await;
    assert_eq!((&access.header["typ"], &access.claims["aud"]), (&json!("at+jwt"), &json!([ORDERS, app.url()])));
    assert_eq!((&access.claims["scope"], &access.claims["sub"]), (&json!("openid orders:read"), &json!(tim.id())));
    assert_eq!(rp.verify(tokens.id()).await.claims["aud"], json!([rp.id]));
    rp.userinfo(tokens.access()).await.expect(200);
    let plain = sign_in(&rp, &mut tim, "orders:read", ORDERS).await;
    assert_eq!(rp.verify(plain.access()).await.claims["aud"], json!([ORDERS]));

    let mine = tim.agent.get("/api/oidc/users/me/authorized-clients").await.expect(200).json();
    let mut agreed: Vec<&str> = mine["data"][0]["scope"].as_str().unwrap().split(' ').collect();
    agreed.sort_unstable();
    assert_eq!(agreed, [ORDERS, "openid", "orders:read"]);

    // The second time nobody is asked; another permission is another consent.
    let again = tim.agent.get(&rp.asks("openid orders:read").with("resource", ORDERS).path()).await;
    assert!(again.redirected("code").is_some());
    allow(&app, &api, &rp.id, &[ids[0].clone(), ids[1].clone()], &[]).await;
    let more = rp.asks("openid orders:read orders:write").with("resource", ORDERS);
    assert!(tim.agent.get(&more.path()).await.interaction().is_some());
    let silent = tim.agent.get(&more.with("prompt", "none").path()).await;
    assert_eq!(silent.redirected("error").as_deref(), Some("consent_required"));

    // A refresh keeps the audience and asks again what is allowed now.
    let tokens = Tokens::from(rp.refresh(tokens.refresh()).await);
    assert_eq!(rp.verify(tokens.access()).await.claims["aud"], json!([ORDERS, app.url()]));
    let other =
        [("grant_type", "refresh_token"), ("refresh_token", tokens.refresh()), ("resource", "https://b.example")];
    rp.token(&other).await.oauth_error(400, "invalid_target");
    allow(&app, &api, &rp.id, &[ids[1].clone()], &[]).await;
    rp.refresh(tokens.refresh()).await.oauth_error(400, "invalid_scope");
    app.script().delete(&format!("/api/apis/{api}/clients/{}", rp.id)).await.expect(204);
    rp.refresh(tokens.refresh()).await.oauth_error(400, "invalid_grant");
    app.script().delete(&format!("/api/apis/{api}")).await.expect(204);
    rp.refresh(tokens.refresh()).await.oauth_error(400, "invalid_target");
}

/// Nobody learns before signing in which APIs there are.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_client_may_not_ask_is_refused_alike() {
    let app = TestApp::start().await;
    let (api, ids) = orders(&app).await;
    let rp = RelyingParty::register(&app, json!({})).await;
    let refused = async |scope: &str, resource: Option<&str>| {
        let asking = rp.asks(scope);
        let asking = resource.map_or(asking.clone(), |resource| asking.with("resource", resource));
        let reply = app.agent().get(&asking.path()).await;
        let texts = [reply.redirected("error"), reply.redirected("error_description")];
        texts.map(Option::unwrap_or_default)
    };
    let unknown = refused("openid", Some("https://nowhere.example")).await;
    assert_eq!(unknown[0], "invalid_request");
    assert_eq!(refused("openid", Some(ORDERS)).await, unknown, "no access");
    allow(&app, &api, &rp.id, &[ids[0].clone()], &[]).await;
    let other = RelyingParty::register(&app, json!({})).await;
    allow(&app, &api, &other.id, &[ids[1].clone()], &[]).await;
    assert_eq!(refused("openid orders:read", None).await[0], "invalid_scope");
    for malformed in ["relative", "https://a.example/#x", "https://a.example/ x"] {
        assert_eq!(refused("openid", Some(malformed)).await[0], "invalid_target", "{malformed}");
    }
    let two = rp.asks("openid").and("resource", ORDERS).and("resource", "https://b.example");
    let reply = app.agent().get(&two.path()).await;
    assert_eq!(reply.redirected("error").as_deref(), Some("invalid_target"));
    // A permission that is another client's is unknown to this one, so dropped.
    let reply = app.agent().get(&rp.asks("openid orders:write").with("resource", ORDERS).path()).await;
    assert!(reply.interaction().is_some(), "{}", reply.location());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_speaks_for_itself() {
    let mut app = TestApp::start().await;
    let (api, ids) = orders(&app).await;
    let rp =
        RelyingParty::register(&app, json!({ "accessTokenDurationMinutes": 5, "idTokenSignedResponseAlg": "ES256" }))
            .await;
    let bare = for_itself(&rp, &[]).await.expect(200);
    assert_eq!(bare.header("cache-control"), Some("no-store"));
    let bare = Tokens(bare.json());
    assert_eq!((&bare.0["token_type"], &bare.0["expires_in"]), (&json!("bearer"), &json!(300)));
    assert!(["refresh_token", "id_token", "scope"].iter().all(|name| bare.0.get(name).is_none()), "{}", bare.0);
    let claims = rp.verify(bare.access()).await.claims;
    assert_eq!((&claims["sub"], &claims["aud"]), (&json!(format!("client-{}", rp.id)), &json!([rp.id])));
    rp.userinfo(bare.access()).await.oauth_error(403, "insufficient_scope");

    let at = ("resource", ORDERS);
    for_itself(&rp, &[("resource", "https://nowhere.example")]).await.oauth_error(400, "invalid_target");
    for_itself(&rp, &[at]).await.oauth_error(403, "access_denied");
    for_itself(&rp, &[("scope", "orders:read")]).await.oauth_error(400, "invalid_scope");
    allow(&app, &api, &rp.id, &[ids[1].clone()], &[ids[0].clone()]).await;
    for (form, scope) in [(vec![at], "orders:read"), (vec![at, ("scope", "openid profile orders:read")], "orders:read")]
    {
        let tokens = Tokens::from(for_itself(&rp, &form).await);
        let claims = rp.verify(tokens.access()).await.claims;
        assert_eq!((&claims["aud"], &claims["scope"]), (&json!([ORDERS]), &json!(scope)));
    }
    for_itself(&rp, &[at, ("scope", "orders:write")]).await.oauth_error(400, "invalid_scope");
    let none = Tokens::from(for_itself(&rp, &[at, ("scope", "openid")]).await);
    assert_eq!(none.0.get("scope"), None);

    // What it is worth, and giving it back.
    let token = Tokens::from(for_itself(&rp, &[at]).await);
    let told = rp.introspect(token.access()).await.expect(200).json();
    assert_eq!((&told["active"], &told["sub"], &told["aud"]), (&json!(true), &claims["sub"], &json!([ORDERS])));
    assert!(told.get("username").is_none());
    rp.revoke(token.access()).await.expect(200);
    rp.revoke(token.access()).await.expect(200);
    app.restart().await;
    let rp = RelyingParty { agent: app.agent(), ..rp };
    assert_eq!(rp.introspect(token.access()).await.expect(200).json()["active"], false);
    let public = RelyingParty::register(&app, json!({ "isPublic": true })).await;
    for_itself(&public, &[]).await.oauth_error(400, "unauthorized_client");
    let wrong = RelyingParty { secret: Some("wrong".to_owned()), ..rp.clone() };
    for_itself(&wrong, &[]).await.oauth_error(401, "invalid_client");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_api_reads_tokens_in_its_own_algorithm_and_asks_what_they_are_worth() {
    let app = TestApp::start().await;
    let script = app.script();
    let (api, ids) = orders(&app).await;
    let rp = RelyingParty::register(&app, json!({})).await;
    let server = RelyingParty::register(&app, json!({ "name": "Orders API" })).await;
    let stranger = RelyingParty::register(&app, json!({ "name": "Stranger" })).await;
    allow(&app, &api, &rp.id, &[ids[0].clone()], &[]).await;
    let path = format!("/api/apis/{api}");
    let reading = json!({ "accessTokenSigningAlg": "ES256", "resourceServerClientId": server.id });
    let stored = script.patch(&path, &reading, None).await.expect(200).json();
    assert_eq!(
        (&stored["accessTokenSigningAlg"], &stored["resourceServerClientId"]),
        (&json!("ES256"), &json!(server.id))
    );
    let kept = script.put(&path, &json!({ "name": "Orders" })).await.expect(200).json();
    assert_eq!(kept["resourceServerClientId"], json!(server.id));

    let mut tim = app.person("tim").await;
    let tokens = sign_in(&rp, &mut tim, "openid orders:read", ORDERS).await;
    assert_eq!(rp.verify(tokens.access()).await.header["alg"], "ES256");
    assert_eq!(rp.verify(tokens.id()).await.header["alg"], "RS256", "the client reads that one");
    rp.userinfo(tokens.access()).await.expect(200);
    let told = server.introspect(tokens.access()).await.expect(200).json();
    assert_eq!((&told["active"], &told["scope"]), (&json!(true), &json!("openid orders:read")));
    assert_eq!(stranger.introspect(tokens.access()).await.expect(200).json(), json!({ "active": false }));
    // What isn't for the API is none of its business.
    let plain = rp.sign_in(&mut tim, "openid").await;
    assert_eq!(server.introspect(plain.access()).await.expect(200).json(), json!({ "active": false }));
    // Whoever served it is gone: nobody does, and tokens are the client's again.
    script.delete(&format!("/api/oidc/clients/{}", server.id)).await.expect(204);
    assert_eq!(script.get(&path).await.json().get("resourceServerClientId"), None);
    script.patch(&path, &json!({ "accessTokenSigningAlg": "" }), None).await.expect(200);
    let tokens = sign_in(&rp, &mut tim, "openid orders:read", ORDERS).await;
    assert_eq!(rp.verify(tokens.access()).await.header["alg"], "RS256");
    let public = app.client(json!({ "name": "SPA", "isPublic": true })).await;
    for (body, refused) in [
        (json!({ "accessTokenSigningAlg": "none" }), "accessTokenSigningAlg oneof"),
        (json!({ "resourceServerClientId": "nobody" }), "resourceServerClientId invalid_value"),
        (json!({ "resourceServerClientId": public["id"] }), "resourceServerClientId invalid_value"),
    ] {
        script.patch(&path, &body, None).await.invalid(&[refused]);
    }
}
