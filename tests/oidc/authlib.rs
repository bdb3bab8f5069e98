//! Authlib (Python) as relying party: it judges metadata, ID tokens, access tokens and client authentication by its own
//! reading of the specifications. A person with a software passkey stands in for the browser.

use pid_testkit::program::Program;
use pid_tests::{Jwt, Person, TestApp};
use serde_json::{Value, json};

const CALLBACK: &str = "https://app.example/cb";

/// One application of the library's.
struct Party {
    program: Program,
    client: Value,
    issuer: String,
}

impl Party {
    /// An application that proves by `method` who it is; `client` as for [`TestApp::client`].
    async fn start(app: &TestApp, client: Value, method: &str) -> Self {
        let program = Program::python("relying_party.py").unwrap();
        let mut party = Self { program, client: Value::Null, issuer: app.url().to_owned() };
        let mut client = client;
        if method == "private_key_jwt" {
            client["jwks"] = party.ok("make_key", json!({ "kid": "k1" }));
        }
        party.client = app.client(client).await;
        let discover = json!({ "issuer": party.issuer, "client_id": party.client["id"], "secret": party.client["secret"],
            "method": method });
        party.ok("discover", discover);
        party
    }

    fn call(&mut self, action: &str, arguments: Value) -> Value {
        let mut request = arguments;
        request["do"] = json!(action);
        tokio::task::block_in_place(|| self.program.call(&request)).unwrap()
    }

    fn ok(&mut self, action: &str, arguments: Value) -> Value {
        let answer = self.call(action, arguments);
        assert!(answer.get("ok").is_some(), "{action}: {answer}");
        answer["ok"].clone()
    }

    fn refused(&mut self, action: &str, arguments: Value) -> String {
        let answer = self.call(action, arguments);
        answer["error"]["error"].as_str().unwrap_or_else(|| panic!("{action}: {answer}")).to_owned()
    }

    /// Where the library sends the browser.
    fn request(&mut self, parameters: &Value) -> String {
        let url = self.ok("authorize", json!({ "redirect_uri": CALLBACK, "parameters": parameters }));
        url.as_str().unwrap().strip_prefix(&self.issuer).expect("our own address").to_owned()
    }

    /// Where a person comes back to, with a code.
    async fn answer(&mut self, person: &mut Person, parameters: Value) -> String {
        let path = self.request(&parameters);
        let reply = person.agent.get(&path).await;
        person.follow(reply).await.expect(303).location()
    }

    /// A whole sign-in; the library checks the answer, the tokens and their signatures.
    async fn sign_in(&mut self, person: &mut Person, parameters: Value) -> Value {
        let url = self.answer(person, parameters).await;
        self.ok("callback", json!({ "url": url }))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn authlib_finds_the_metadata_in_order() {
    // It demands https of every address, as the specifications do.
    let app = TestApp::start_with(&[("APP_URL", "https://id.example")]).await;
    let mut program = Program::python("relying_party.py").unwrap();
    for path in ["/.well-known/openid-configuration", "/.well-known/oauth-authorization-server"] {
        let address = app.listens_at() + path;
        let metadata = app.agent().get(&address).await.expect(200).json();
        let request = json!({ "do": "judge", "metadata": metadata });
        let answer = tokio::task::block_in_place(|| program.call(&request)).unwrap();
        assert_eq!(answer, json!({ "ok": true }), "{path}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn authlib_signs_people_in_however_it_proves_itself() {
    let app = TestApp::start().await;
    let mut tim = app.person("tim").await;
    for (method, alg) in [
        ("client_secret_basic", "RS256"),
        ("client_secret_post", "ES256"),
        ("private_key_jwt", "RS256"),
        ("none", "RS256"),
    ] {
        let mut client = json!({ "pkceEnabled": true, "isPublic": method == "none", "idTokenSignedResponseAlg": alg });
        if method == "private_key_jwt" {
            client["tokenEndpointAuthMethod"] = json!(method);
        }
        let mut party = Party::start(&app, client, method).await;
        let tokens = party.sign_in(&mut tim, json!({ "scope": "openid profile email" })).await;
        assert_eq!(tokens["claims"]["sub"], tim.id(), "{method}");
        assert_eq!(Jwt::unverified(tokens["id_token"].as_str().unwrap()).header["alg"], alg, "{method}");
        let told = party.ok("userinfo", json!({ "token": tokens["access_token"] }));
        assert_eq!((&told["sub"], &told["email"]), (&json!(tim.id()), &json!("tim@example.com")), "{method}");

        let next = party.ok("refresh", json!({ "token": tokens["refresh_token"] }));
        assert_eq!(next["claims"]["sub"], tim.id(), "{method}");
        // Whoever proves nothing is told nothing about tokens, but may end them.
        let told = |party: &mut Party| party.ok("introspect", json!({ "token": next["access_token"] }));
        if method != "none" {
            let told = told(&mut party);
            assert_eq!((&told["active"], &told["sub"]), (&json!(true), &json!(tim.id())), "{method}");
        }
        party.ok("revoke", json!({ "token": next["refresh_token"] }));
        if method != "none" {
            assert_eq!(told(&mut party), json!({ "active": false }), "{method}");
        }
        assert_eq!(party.refused("refresh", json!({ "token": next["refresh_token"] })), "invalid_grant", "{method}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn authlib_understands_what_is_refused() {
    let app = TestApp::start().await;
    let mut tim = app.person("tim").await;
    let mut party = Party::start(&app, json!({ "pkceEnabled": true }), "client_secret_basic").await;
    // The person doesn't agree, and the site may not ask them.
    let silent = party.request(&json!({ "scope": "openid", "prompt": "none" }));
    let answer = tim.agent.get(&silent).await.expect(303).location();
    assert_eq!(party.refused("callback", json!({ "url": answer })), "consent_required");
    let path = party.request(&json!({ "scope": "openid" }));
    let interaction = tim.agent.get(&path).await.interaction().expect("consent");
    let answer = tim.agent.get(&format!("/interaction/cancel?interaction={interaction}")).await.expect(303).location();
    assert_eq!(party.refused("callback", json!({ "url": answer })), "access_denied");
    // A code is worth nothing to whoever did not begin.
    let url = party.answer(&mut tim, json!({ "scope": "openid" })).await;
    let stolen = json!({ "url": url, "verifier": "a-verifier-that-somebody-else-has-made-up-themselves" });
    assert_eq!(party.refused("callback", stolen), "invalid_grant");
    // Nor the second time.
    let url = party.answer(&mut tim, json!({ "scope": "openid" })).await;
    let tokens = party.ok("callback", json!({ "url": url }));
    assert_eq!(party.refused("callback", json!({ "url": url })), "invalid_grant");
    assert_eq!(party.refused("refresh", json!({ "token": tokens["refresh_token"] })), "invalid_grant");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn authlib_signs_people_out() {
    const BYE: &str = "https://app.example/bye";
    let app = TestApp::start().await;
    let mut tim = app.person("tim").await;
    let mut party = Party::start(&app, json!({ "logoutCallbackURLs": [BYE] }), "client_secret_basic").await;
    let tokens = party.sign_in(&mut tim, json!({ "scope": "openid" })).await;
    let wanted = json!({ "parameters": { "post_logout_redirect_uri": BYE, "id_token_hint": tokens["id_token"] } });
    let away = party.ok("end_session", wanted);
    tim.agent.get("/api/users/me").await.expect(200);
    let back = tim.agent.get(away["url"].as_str().unwrap()).await.expect(302);
    assert!(back.location().starts_with(&format!("{BYE}?")), "{}", back.location());
    assert_eq!(back.redirected("state").as_deref(), away["state"].as_str());
    tim.agent.get("/api/users/me").await.expect(401);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn authlib_takes_our_access_tokens_at_an_api() {
    const ORDERS: &str = "https://orders.example/v1";
    let app = TestApp::start().await;
    let script = app.script();
    let api = script.post("/api/apis", &json!({ "name": "Orders", "resource": ORDERS })).await.expect(201).id();
    let permissions = json!({ "permissions": [
        { "key": "orders:read", "name": "Read orders" }, { "key": "orders:write", "name": "Change orders" },
    ] });
    let stored = script.put(&format!("/api/apis/{api}/permissions"), &permissions).await.expect(200).json();
    let reads = json!([stored["permissions"][0]["id"]]);
    let mut tim = app.person("tim").await;
    let mut party = Party::start(&app, json!({}), "client_secret_basic").await;
    let id = party.client["id"].as_str().unwrap().to_owned();
    let access = json!({ "userDelegatedAccess": true, "clientAccess": true, "userDelegatedPermissionIds": reads,
        "clientPermissionIds": reads });
    script.put(&format!("/api/apis/{api}/clients/{id}"), &access).await.expect(200);

    let wanted = json!({ "scope": "openid orders:read", "resource": ORDERS });
    let persons = party.sign_in(&mut tim, wanted).await["access_token"].clone();
    let wanted = json!({ "parameters": { "scope": "orders:read", "resource": ORDERS } });
    let its_own = party.ok("itself", wanted)["access_token"].clone();
    // A client's own subject can't be a person's (RFC 9068 §5).
    for (token, subject) in [(&persons, tim.id()), (&its_own, &format!("client-{id}"))] {
        let read = party.ok("at_api", json!({ "token": token, "resource": ORDERS, "scope": "orders:read" }));
        assert_eq!((&read["sub"], &read["client_id"]), (&json!(subject), &json!(id)));
        let more = json!({ "token": token, "resource": ORDERS, "scope": "orders:write" });
        assert_eq!(party.refused("at_api", more), "insufficient_scope");
        let elsewhere = json!({ "token": token, "resource": "https://elsewhere.example", "scope": "orders:read" });
        assert_eq!(party.refused("at_api", elsewhere), "invalid_token");
    }
}
