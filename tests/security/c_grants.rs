//! Section C: refresh tokens, claims and headers of token answers (security cases 34–36, 40, 41).

use http::Method;
use pid_tests::{Agent, Jwt, Person, RelyingParty, TestApp, Tokens};
use serde_json::{Value, json};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_034_a_refresh_token_used_twice_ends_its_family() {
    let mut app = TestApp::start().await;
    let mut tim = app.person("tim").await;
    let rp = RelyingParty::register(&app, json!({})).await;
    let first = rp.sign_in(&mut tim, "openid").await;
    let other = rp.sign_in(&mut tim, "openid").await;
    let second = Tokens::from(rp.refresh(first.refresh()).await);
    let third = Tokens::from(rp.refresh(second.refresh()).await);
    assert!(rp.is_alive(third.access()).await);
    rp.refresh(first.refresh()).await.oauth_error(400, "invalid_grant");
    app.restart().await;
    for tokens in [&first, &second, &third] {
        assert!(!rp.is_alive(tokens.access()).await);
        rp.refresh(tokens.refresh()).await.oauth_error(400, "invalid_grant");
    }
    let events = app.events("REFRESH_REUSE").await;
    assert_eq!(events.len(), 1, "{events:?}");
    assert_eq!((&events[0]["userID"], &events[0]["data"]["clientName"]), (&json!(tim.id()), &json!("App")));
    rp.refresh(other.refresh()).await.expect(200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_034_of_fifty_refreshes_at_once_one_wins() {
    let mut app = TestApp::start().await;
    let no_grace = json!({ "refreshTokenGraceSeconds": "0" });
    app.script().patch("/api/application-configuration", &no_grace, None).await.expect(200);
    let mut tim = app.person("tim").await;
    let rp = RelyingParty::register(&app, json!({})).await;
    let tokens = rp.sign_in(&mut tim, "openid").await;
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..50 {
        let (rp, token) = (rp.clone(), tokens.refresh().to_owned());
        tasks.spawn(async move { rp.refresh(&token).await });
    }
    let mut won = Vec::new();
    for reply in tasks.join_all().await {
        if reply.status == 200 { won.push(Tokens::from(reply)) } else { _ = reply.oauth_error(400, "invalid_grant") }
    }
    assert_eq!(won.len(), 1);
    app.restart().await;
    rp.refresh(won[0].refresh()).await.oauth_error(400, "invalid_grant");
    assert!(!rp.is_alive(won[0].access()).await);
    assert_eq!(app.events("REFRESH_REUSE").await.len(), 1);
}

/// With the window of grace all fifty get the same successor, and there is one of it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_034_fifty_refreshes_within_the_window_get_one_successor() {
    let app = TestApp::start().await;
    let mut tim = app.person("tim").await;
    let rp = RelyingParty::register(&app, json!({})).await;
    let tokens = rp.sign_in(&mut tim, "openid").await;
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..50 {
        let (rp, token) = (rp.clone(), tokens.refresh().to_owned());
        tasks.spawn(async move { Tokens::from(rp.refresh(&token).await) });
    }
    let won = tasks.join_all().await;
    assert!(won.iter().all(|tokens| tokens.refresh() == won[0].refresh() && tokens.0["expires_in"] == 3600));
    let ids: std::collections::BTreeSet<String> =
        won.iter().map(|tokens| pid_tests::Jwt::unverified(tokens.access()).claims["jti"].to_string()).collect();
    assert_eq!(ids.len(), 1, "one access token, told fifty times");
    // Once the successor was used, the old one is stolen.
    let next = Tokens::from(rp.refresh(won[7].refresh()).await);
    rp.refresh(tokens.refresh()).await.oauth_error(400, "invalid_grant");
    assert!(!rp.is_alive(next.access()).await);
    assert_eq!(app.events("REFRESH_REUSE").await.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_034_the_window_is_short_and_for_the_same_proof() {
    let app = TestApp::start().await;
    let mut tim = app.person("tim").await;
    let rp = RelyingParty::register(&app, json!({})).await;
    let late = rp.sign_in(&mut tim, "openid").await;
    rp.refresh(late.refresh()).await.expect(200);
    app.advance(11);
    rp.refresh(late.refresh()).await.oauth_error(400, "invalid_grant");

    let other = rp.sign_in(&mut tim, "openid").await;
    rp.refresh(other.refresh()).await.expect(200);
    let path = format!("/api/oidc/clients/{}/secrets", rp.id);
    let secret = app.script().post(&path, &json!({})).await.expect(201).json();
    let second = RelyingParty { secret: Some(secret["secret"].as_str().unwrap().to_owned()), ..rp.clone() };
    second.refresh(other.refresh()).await.oauth_error(400, "invalid_grant");
    rp.refresh(other.refresh()).await.oauth_error(400, "invalid_grant");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_035_a_refresh_gives_no_more_and_to_nobody_else() {
    let mut app = TestApp::start().await;
    let mut tim = app.person("tim").await;
    let rp = RelyingParty::register(&app, json!({})).await;
    let other = RelyingParty::register(&app, json!({ "name": "Other" })).await;
    let public = RelyingParty::register(&app, json!({ "name": "SPA", "isPublic": true })).await;
    let tokens = rp.sign_in(&mut tim, "openid email").await;
    for scope in ["openid email groups", "profile", "offline_access openid"] {
        let form = [("grant_type", "refresh_token"), ("refresh_token", tokens.refresh()), ("scope", scope)];
        rp.token(&form).await.oauth_error(400, "invalid_scope");
    }
    let form = [("grant_type", "refresh_token"), ("refresh_token", tokens.refresh()), ("resource", "relative")];
    rp.token(&form).await.oauth_error(400, "invalid_target");
    for thief in [&other, &public] {
        thief.refresh(tokens.refresh()).await.oauth_error(400, "invalid_grant");
    }
    app.restart().await;
    let events = app.events("FOREIGN_GRANT").await;
    let names: Vec<_> = events.iter().map(|e| e["data"]["clientName"].as_str().unwrap()).collect();
    assert_eq!(names, ["SPA", "Other"]);
    assert!(events.iter().all(|e| e["data"]["issuedTo"] == rp.id.as_str() && e["userID"] == tim.id()), "{events:?}");
    // What was only tried leaves the token to its owner.
    let next = Tokens::from(rp.refresh(tokens.refresh()).await);
    assert_eq!(next.0["scope"], "openid email");
}

/// What takes a person's access away.
#[derive(Clone, Copy, Debug)]
enum Cause {
    UserDisabled,
    UserDeleted,
    GroupRemoved,
    GroupDeleted,
    ClientRestricted,
    ConsentWithdrawn,
    ClientDeleted,
    SignedOut,
    SignedOutByHint,
}

struct Scene {
    app: TestApp,
    script: Agent,
    tim: Person,
    rp: RelyingParty,
    tokens: Tokens,
    group: String,
}

impl Scene {
    async fn new() -> Self {
        let app = TestApp::start().await;
        let mut tim = app.person("tim").await;
        let script = app.script();
        let rp = RelyingParty::register(&app, json!({})).await;
        let group = script
            .post("/api/user-groups", &json!({ "name": "staff", "friendlyName": "Staff" }))
            .await
            .expect(201)
            .json();
        let group = group["id"].as_str().unwrap().to_owned();
        let groups = json!({ "userGroupIds": [group] });
        script.put(&format!("/api/users/{}/user-groups", tim.id()), &groups).await.expect(200);
        script.put(&format!("/api/oidc/clients/{}/allowed-user-groups", rp.id), &groups).await.expect(200);
        let tokens = rp.sign_in(&mut tim, "openid").await;
        Self { app, script, tim, rp, tokens, group }
    }

    async fn happen(&self, cause: Cause) {
        let (user, client) = (format!("/api/users/{}", self.tim.id()), format!("/api/oidc/clients/{}", self.rp.id));
        let restricted = json!({ "isGroupRestricted": true });
        match cause {
            Cause::UserDisabled => _ = self.script.patch(&user, &json!({ "disabled": true }), None).await.expect(200),
            Cause::UserDeleted => _ = self.script.delete(&user).await.expect(204),
            Cause::GroupRemoved => {
                self.script.patch(&client, &restricted, None).await.expect(200);
                self.rp.refresh(self.tokens.refresh()).await.expect(200);
                self.script.put(&format!("{user}/user-groups"), &json!({ "userGroupIds": [] })).await.expect(200);
            }
            Cause::GroupDeleted => {
                self.script.patch(&client, &restricted, None).await.expect(200);
                self.script.delete(&format!("/api/user-groups/{}", self.group)).await.expect(204);
            }
            Cause::ClientRestricted => {
                self.script.patch(&client, &restricted, None).await.expect(200);
                self.script
                    .put(&format!("{client}/allowed-user-groups"), &json!({ "userGroupIds": [] }))
                    .await
                    .expect(200);
            }
            Cause::ConsentWithdrawn => {
                let path = format!("/api/oidc/users/me/authorized-clients/{}", self.rp.id);
                self.tim.agent.delete(&path).await.expect(204);
            }
            Cause::ClientDeleted => _ = self.script.delete(&client).await.expect(204),
            Cause::SignedOut => _ = self.tim.agent.post("/api/webauthn/logout", &json!({})).await.expect(204),
            Cause::SignedOutByHint => {
                let path = format!("/api/oidc/end-session?id_token_hint={}", self.tokens.id());
                self.app.agent().get(&path).await.expect(302);
            }
        }
    }
}

async fn refused_after(cause: Cause) {
    // A code and a refresh token that were good a moment ago.
    let mut scene = Scene::new().await;
    let asking = scene.rp.asks("openid");
    let code = scene.rp.code(&mut scene.tim, &asking).await;
    let newest = Tokens::from(scene.rp.refresh(scene.tokens.refresh()).await);
    scene.tokens = newest;
    scene.happen(cause).await;
    let (status, error) = match cause {
        Cause::ClientDeleted => (401, "invalid_client"),
        _ => (400, "invalid_grant"),
    };
    // The group's way used the token up on its way.
    scene.rp.redeem(&asking, &code).await.oauth_error(status, error);
    scene.rp.refresh(scene.tokens.refresh()).await.oauth_error(status, error);
    let ends_access = !matches!(cause, Cause::GroupRemoved | Cause::GroupDeleted | Cause::ClientRestricted);
    if ends_access {
        assert!(!scene.rp.is_alive(scene.tokens.access()).await, "{cause:?}");
    }
    scene.app.restart().await;
    scene.rp.redeem(&asking, &code).await.oauth_error(status, error);
    scene.rp.refresh(scene.tokens.refresh()).await.oauth_error(status, error);
    if matches!(cause, Cause::UserDisabled) {
        let path = format!("/api/users/{}", scene.tim.id());
        scene.script.patch(&path, &json!({ "disabled": false }), None).await.expect(200);
        scene.rp.refresh(scene.tokens.refresh()).await.oauth_error(status, error);
    }
}

macro_rules! causes {
    ($($name:ident: $cause:ident;)*) => {
        $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $name() {
            refused_after(Cause::$cause).await;
        })*
    };
}

causes! {
    case_036_no_refresh_after_the_user_was_disabled: UserDisabled;
    case_036_no_refresh_after_the_user_was_deleted: UserDeleted;
    case_024_and_036_neither_code_nor_refresh_after_the_user_left_the_group: GroupRemoved;
    case_036_no_refresh_after_the_group_was_deleted: GroupDeleted;
    case_036_no_refresh_after_the_client_was_restricted: ClientRestricted;
    case_036_no_refresh_after_consent_was_withdrawn: ConsentWithdrawn;
    case_036_no_refresh_after_the_client_was_deleted: ClientDeleted;
    case_036_no_refresh_after_signing_out: SignedOut;
    case_036_no_refresh_after_signing_out_by_hint: SignedOutByHint;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_040_custom_claims_override_nothing() {
    let app = TestApp::start().await;
    let mut tim = app.person("tim").await;
    let script = app.script();
    let rp = RelyingParty::register(&app, json!({})).await;
    let group =
        script.post("/api/user-groups", &json!({ "name": "staff", "friendlyName": "Staff" })).await.expect(201).json();
    let group = group["id"].as_str().unwrap().to_owned();
    script.put(&format!("/api/users/{}/user-groups", tim.id()), &json!({ "userGroupIds": [group] })).await.expect(200);
    let scope = "openid profile email groups";
    let before = rp.sign_in(&mut tim, scope).await;
    let userinfo = rp.userinfo(before.access()).await.expect(200).json();

    let paths = [format!("/api/custom-claims/user/{}", tim.id()), format!("/api/custom-claims/user-group/{group}")];
    let reserved = [
        "sub",
        "iss",
        "aud",
        "exp",
        "iat",
        "auth_time",
        "nonce",
        "acr",
        "amr",
        "azp",
        "client_id",
        "nbf",
        "jti",
        "type",
        "email",
        "email_verified",
        "groups",
        "given_name",
        "family_name",
        "name",
        "preferred_username",
        "display_name",
    ];
    let mut saved = Vec::new();
    for name in reserved.into_iter().chain([
        "picture",
        "sid",
        "at_hash",
        "c_hash",
        "s_hash",
        "rat",
        "scope",
        "scp",
        "cnf",
        "events",
        "__proto__",
    ]) {
        let claim = json!([{ "key": name, "value": "\"evil\"" }]);
        for path in &paths {
            let reply = script.put(path, &claim).await;
            if reserved.contains(&name) || reply.status != 200 {
                reply.refused(400, "reserved_claim");
            } else {
                saved.push(name);
            }
        }
    }
    saved.dedup();
    let all: Vec<Value> = saved.iter().map(|name| json!({ "key": name, "value": "\"evil\"" })).collect();
    for path in &paths {
        script.put(path, &json!(all)).await.expect(200);
    }
    // Those that may be saved replace nothing that we say.
    let after = rp.sign_in(&mut tim, scope).await;
    let (old, new) = (Jwt::unverified(before.id()).claims, rp.verify(after.id()).await.claims);
    for (name, value) in old.as_object().unwrap() {
        assert_ne!(new[name], "evil", "{name}");
        assert_eq!(value.is_string(), new[name].is_string(), "{name}");
    }
    for name in
        ["sub", "iss", "aud", "email", "email_verified", "groups", "amr", "picture", "sid", "preferred_username"]
    {
        assert_eq!(old[name], new[name], "{name}");
    }
    let now = rp.userinfo(after.access()).await.expect(200).json();
    for (name, value) in userinfo.as_object().unwrap() {
        assert_eq!(&now[name], value, "{name}");
    }
    let access = rp.verify(after.access()).await.claims;
    assert!(!access.to_string().contains("evil"), "{access}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_041_nothing_secret_is_cached_or_shared_with_other_origins() {
    let app = TestApp::start().await;
    let mut tim = app.person("tim").await;
    let rp = RelyingParty::register(&app, json!({})).await;
    let spa = |agent: Agent| agent.with_header("origin", "https://spa.example");
    let asking = rp.asks("openid");
    let code = rp.code(&mut tim, &asking).await;
    let mut rp = rp.clone();
    rp.agent = spa(rp.agent);
    let token = rp.redeem(&asking, &code).await.expect(200);
    let tokens = Tokens::from(token.clone());
    let userinfo = rp.userinfo(tokens.access()).await.expect(200);
    let failed = rp.refresh("x").await.oauth_error(400, "invalid_grant");
    let unauthorized = rp.userinfo("x").await.expect(401);
    for reply in [token, userinfo, failed, unauthorized] {
        assert_eq!((reply.header("cache-control"), reply.header("pragma")), (Some("no-store"), Some("no-cache")));
        assert_eq!(reply.header("access-control-allow-origin"), Some("*"));
        assert_eq!(reply.header("access-control-allow-credentials"), None);
    }
    let browser = spa(tim.agent.clone());
    let answer = browser.get(&rp.asks("openid").path()).await.expect(303);
    let form_post = browser.get(&rp.asks("openid").with("response_mode", "form_post").path()).await.expect(200);
    let page = browser.get(&rp.asks("openid email").path()).await.expect(302);
    let id = page.interaction().unwrap();
    let interaction = browser.get(&format!("/api/oidc/interactions/{id}")).await.expect(200);
    let me = browser.get("/api/users/me").await.expect(200);
    for reply in [answer, form_post, page, interaction, me] {
        assert!(reply.header("cache-control").unwrap().contains("no-store"));
        assert_eq!(reply.header("access-control-allow-origin"), None);
        assert_eq!(reply.header("access-control-allow-credentials"), None);
    }
    // What is public anyway may be read with neither cookies nor tokens.
    for path in ["/.well-known/jwks.json", "/.well-known/openid-configuration", "/api/oidc/end-session"] {
        let reply = rp.agent.get(path).await;
        assert_eq!(reply.header("access-control-allow-origin"), Some("*"), "{path}");
        assert_eq!(reply.header("access-control-allow-credentials"), None, "{path}");
        let preflight = rp.agent.request(Method::OPTIONS, path).header("access-control-request-method", "GET");
        assert_eq!(rp.agent.send(preflight).await.header("access-control-allow-credentials"), None, "{path}");
    }
}

/// What an entry of the audit log shows must not be drawn from the same random bytes as what was made beside it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_078_the_audit_log_tells_nothing_of_a_new_secret() {
    const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    let app = TestApp::start().await;
    let script = app.script();
    let client = app.client(json!({})).await;
    let secret = client["secret"].as_str().unwrap();
    let log = script.get("/api/audit-logs/all?filters[event]=CLIENT_SECRET_CREATED").await.expect(200).json();
    let id = log["data"][0]["id"].as_str().unwrap().replace('-', "");
    // The first six bytes of a UUID are all random: as letters they would be how the secret begins.
    let bytes = (0..6).map(|i| u8::from_str_radix(&id[2 * i..2 * i + 2], 16).unwrap()).filter(|b| *b < 248);
    let begins: String = bytes.map(|b| char::from(LETTERS[usize::from(b) % LETTERS.len()])).collect();
    assert!(!secret.starts_with(&begins), "the entry's id gives away {begins}…");
    assert!(!log.to_string().contains(secret));
}
