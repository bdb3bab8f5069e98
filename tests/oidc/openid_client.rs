//! `openid-client` (npm) as relying party: it judges metadata, pushed and signed requests, proofs of keys, the device grant
//! and client authentication by its own reading of the specifications. A person with a software passkey stands in for the
//! browser.

use pid_testkit::program::Program;
use pid_tests::{Person, TestApp};
use serde_json::{Value, json};

const CALLBACK: &str = "https://app.example/cb";

/// One application of the library's.
struct Party {
    program: Program,
    client: Value,
    issuer: String,
}

impl Party {
    /// An application that may have keys of its own: `client` as for [`TestApp::client`], `more` for the library.
    async fn start(app: &TestApp, client: Value, more: Value) -> Self {
        let program = Program::node("relying_party.mjs").unwrap();
        let mut party = Self { program, client: Value::Null, issuer: app.url().to_owned() };
        let mut client = client;
        if more["method"] == "private_key_jwt" {
            client["jwks"] = party.ok("keys", &json!({ "kid": "k1" }));
        }
        party.client = app.client(client).await;
        let mut discover = more;
        discover["issuer"] = json!(party.issuer);
        discover["clientId"] = party.client["id"].clone();
        discover["secret"] = party.client["secret"].clone();
        party.ok("discover", &discover);
        party
    }

    fn call(&mut self, action: &str, arguments: &Value) -> Value {
        let mut request = json!({ "do": action, "party": "app" });
        for (name, value) in arguments.as_object().into_iter().flatten() {
            request[name] = value.clone();
        }
        tokio::task::block_in_place(|| self.program.call(&request)).unwrap()
    }

    fn ok(&mut self, action: &str, arguments: &Value) -> Value {
        let answer = self.call(action, arguments);
        assert!(answer.get("ok").is_some(), "{action}: {answer}");
        answer["ok"].clone()
    }

    fn refused(&mut self, action: &str, arguments: &Value) -> String {
        let answer = self.call(action, arguments);
        answer["error"]["error"].as_str().unwrap_or_else(|| panic!("{action}: {answer}")).to_owned()
    }

    /// Where the library sends the browser.
    fn request(&mut self, way: &str, parameters: &Value) -> String {
        let mut all = json!({ "redirect_uri": CALLBACK, "scope": "openid email" });
        for (name, value) in parameters.as_object().into_iter().flatten() {
            all[name] = value.clone();
        }
        let url = self.ok("authorize", &json!({ "way": way, "parameters": all }));
        url.as_str().unwrap().strip_prefix(&self.issuer).expect("our own address").to_owned()
    }

    /// A whole sign-in; the library checks the answer, the tokens and their signatures.
    async fn sign_in(&mut self, person: &mut Person, way: &str, parameters: &Value) -> Value {
        let path = self.request(way, parameters);
        let reply = person.agent.get(&path).await;
        let reply = person.follow(reply).await;
        let answer = if reply.status == 303 {
            json!({ "url": reply.location() })
        } else {
            let mut form = url::form_urlencoded::Serializer::new(String::new());
            json!({ "url": CALLBACK, "form": form.extend_pairs(reply.posted()).finish() })
        };
        self.ok("callback", &answer)
    }

    fn userinfo(&mut self, tokens: &Value, person: &Person) -> Value {
        self.ok("userinfo", &json!({ "token": tokens["access_token"], "subject": person.id() }))
    }
}

fn client(more: &Value) -> Value {
    let mut client = json!({ "callbackURLs": [CALLBACK] });
    for (name, value) in more.as_object().into_iter().flatten() {
        client[name] = value.clone();
    }
    client
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_a_secret_in_the_header_or_the_form() {
    let app = TestApp::start().await;
    let mut tim = app.person("tim").await;
    for method in ["client_secret_basic", "client_secret_post"] {
        let mut party = Party::start(&app, client(&json!({})), json!({ "method": method })).await;
        let tokens = party.sign_in(&mut tim, "plain", &json!({})).await;
        assert_eq!((&tokens["claims"]["sub"], &tokens["token_type"]), (&json!(tim.id()), &json!("bearer")));
        assert_eq!(party.userinfo(&tokens, &tim)["email"], "tim@example.com");
        let next = party.ok("refresh", &json!({ "token": tokens["refresh_token"] }));
        assert_eq!(party.ok("introspect", &json!({ "token": next["access_token"] }))["active"], true);
        party.ok("revoke", &json!({ "token": next["refresh_token"] }));
        assert_eq!(party.ok("introspect", &json!({ "token": next["access_token"] }))["active"], false);
        assert_eq!(party.refused("refresh", &json!({ "token": next["refresh_token"] })), "invalid_grant");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn as_fapi_wants_it() {
    let app = TestApp::start().await;
    let mut tim = app.person("tim").await;
    let strict = json!({ "requiresPushedAuthorizationRequests": true, "dpopBoundAccessTokens": true,
        "tokenEndpointAuthMethod": "private_key_jwt", "idTokenSignedResponseAlg": "ES256", "pkceEnabled": true });
    let more = json!({ "method": "private_key_jwt", "dpop": true, "alg": "ES256" });
    let mut party = Party::start(&app, client(&strict), more).await;
    let tokens = party.sign_in(&mut tim, "par", &json!({})).await;
    assert_eq!((&tokens["claims"]["sub"], &tokens["token_type"]), (&json!(tim.id()), &json!("dpop")));
    assert_eq!(party.userinfo(&tokens, &tim)["email"], "tim@example.com");
    let next = party.ok("refresh", &json!({ "token": tokens["refresh_token"] }));
    let told = party.ok("introspect", &json!({ "token": next["access_token"] }));
    assert!(told["active"] == true && told["cnf"]["jkt"].is_string(), "{told}");
    party.ok("revoke", &json!({ "token": next["refresh_token"] }));
    // What isn't pushed is refused, and the library understands by whom.
    let path = party.request("plain", &json!({}));
    let refused = tim.agent.get(&path).await.expect(303).location();
    assert_eq!(party.refused("callback", &json!({ "url": refused })), "invalid_request");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_a_signed_request_and_an_answer_by_form() {
    let app = TestApp::start().await;
    let mut tim = app.person("tim").await;
    let mut party = Party::start(&app, client(&json!({})), json!({ "method": "private_key_jwt" })).await;
    let tokens = party.sign_in(&mut tim, "jar", &json!({ "response_mode": "form_post" })).await;
    assert_eq!(tokens["claims"]["sub"], json!(tim.id()));
    // Whoever doesn't agree is told to be so.
    let path = party.request("jar", &json!({ "scope": "openid groups" }));
    let interaction = tim.agent.get(&path).await.interaction().expect("consent");
    let left = tim.agent.get(&format!("/interaction/cancel?interaction={interaction}")).await.expect(303).location();
    assert_eq!(party.refused("callback", &json!({ "url": left })), "access_denied");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_a_device() {
    let app = TestApp::start().await;
    let tim = app.person("tim").await;
    let public = client(&json!({ "isPublic": true }));
    let mut party = Party::start(&app, public, json!({ "method": "none", "dpop": true })).await;
    let device = party.ok("device", &json!({ "parameters": { "scope": "openid email" } }));
    let code = device["user_code"].as_str().unwrap();
    tim.agent.post(&format!("/api/oidc/device/verify?code={code}"), &Value::Null).await.expect(204);
    let tokens = party.ok("poll", &json!({ "device": device }));
    assert_eq!((&tokens["claims"]["sub"], &tokens["token_type"]), (&json!(tim.id()), &json!("dpop")));
    assert_eq!(party.userinfo(&tokens, &tim)["email"], "tim@example.com");
    let next = party.ok("refresh", &json!({ "token": tokens["refresh_token"] }));
    assert_eq!(next["token_type"], "dpop");

    let device = party.ok("device", &json!({ "parameters": { "scope": "openid" } }));
    let code = device["user_code"].as_str().unwrap();
    tim.agent.post(&format!("/api/oidc/device/deny?code={code}"), &Value::Null).await.expect(204);
    assert_eq!(party.refused("poll", &json!({ "device": device })), "access_denied");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn for_itself_at_an_api() {
    let app = TestApp::start().await;
    let script = app.script();
    let body = json!({ "name": "Orders", "resource": "https://orders.example" });
    let api = script.post("/api/apis", &body).await.expect(201).id();
    let permissions = json!({ "permissions": [{ "key": "orders:read", "name": "Read orders" }] });
    let stored = script.put(&format!("/api/apis/{api}/permissions"), &permissions).await.expect(200).json();
    let mut party = Party::start(&app, client(&json!({})), json!({ "method": "private_key_jwt", "dpop": true })).await;
    let access = json!({ "clientAccess": true, "clientPermissionIds": [stored["permissions"][0]["id"]] });
    let id = party.client["id"].as_str().unwrap().to_owned();
    script.put(&format!("/api/apis/{api}/clients/{id}"), &access).await.expect(200);
    let wanted = json!({ "resource": "https://orders.example", "scope": "orders:read" });
    let tokens = party.ok("itself", &json!({ "parameters": wanted }));
    assert_eq!((&tokens["scope"], &tokens["token_type"]), (&json!("orders:read"), &json!("dpop")));
    let told = party.ok("introspect", &json!({ "token": tokens["access_token"] }));
    assert_eq!((&told["active"], &told["client_id"]), (&json!(true), &json!(id)));
    let unknown = json!({ "parameters": { "resource": "https://nothing.example" } });
    assert_eq!(party.refused("itself", &unknown), "invalid_target");
}
