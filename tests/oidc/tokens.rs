//! What tokens say (oidc.md §15, §16).

use pid_tests::{RelyingParty, TestApp};
use serde_json::{Value, json};

fn names(value: &Value) -> Vec<&str> {
    let mut names: Vec<&str> = value.as_object().unwrap().keys().map(String::as_str).collect();
    names.sort_unstable();
    names
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_id_token_has_the_claims_of_the_contract() {
    let app = TestApp::start().await;
    let mut tim = app.person("tim").await;
    tim.sign_in().await.expect(200);
    let rp = RelyingParty::register(&app, json!({})).await;
    let asking = rp.asks("openid").with("acr_values", "urn:x");
    let code = rp.code(&mut tim, &asking).await;
    let tokens = rp.redeem(&asking, &code).await.expect(200).json();
    let id = rp.verify(tokens["id_token"].as_str().unwrap()).await;
    assert_eq!((&id.header["typ"], &id.header["alg"]), (&json!("JWT"), &json!("RS256")));
    let claims = &id.claims;
    let expected =
        ["acr", "amr", "at_hash", "aud", "auth_time", "exp", "iat", "iss", "jti", "nonce", "rat", "sid", "sub", "type"];
    assert_eq!(names(claims), expected);
    assert_eq!(claims["iss"], app.url());
    assert_eq!(claims["sub"], tim.id());
    assert_eq!(claims["aud"], json!([rp.id]));
    assert_eq!(claims["nonce"], asking.nonce.as_str());
    assert_eq!(claims["acr"], "phr");
    assert_eq!(claims["amr"], json!(["phr"]));
    assert_eq!(claims["type"], "id-token");
    let number = |name: &str| claims[name].as_i64().unwrap();
    assert_eq!(number("exp"), number("iat") + 3600);
    assert!(number("auth_time") <= number("rat") && number("rat") <= number("iat"), "{claims}");

    let access = rp.verify(tokens["access_token"].as_str().unwrap()).await;
    assert_eq!((&access.header["typ"], &access.header["alg"]), (&json!("at+jwt"), &json!("RS256")));
    assert_eq!(access.header["kid"], id.header["kid"]);
    let access = access.claims;
    assert_eq!(names(&access), ["aud", "client_id", "exp", "iat", "iss", "jti", "scope", "scp", "sub"]);
    assert_eq!(
        (&access["iss"], &access["sub"], &access["client_id"]),
        (&json!(app.url()), &json!(tim.id()), &json!(rp.id))
    );
    assert_eq!(access["aud"], json!([rp.id, app.url()]));
    assert_eq!((&access["scope"], &access["scp"]), (&json!("openid"), &json!(["openid"])));
    assert_eq!(access["exp"].as_i64(), access["iat"].as_i64().map(|t| t + 3600));
    assert_ne!(access["jti"], claims["jti"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_audience_holds_the_issuer_if_userinfo_has_something_to_say() {
    let app = TestApp::start().await;
    let mut tim = app.person("tim").await;
    let rp = RelyingParty::register(&app, json!({})).await;
    for (scope, has_issuer) in
        [("", false), ("offline_access", false), ("openid", true), ("email", true), ("groups", true), ("profile", true)]
    {
        let tokens = rp.sign_in(&mut tim, scope).await;
        let claims = rp.verify(tokens.access()).await.claims;
        let expected = if has_issuer { json!([rp.id, app.url()]) } else { json!([rp.id]) };
        assert_eq!(claims["aud"], expected, "{scope}");
        assert_eq!(claims.get("scope").is_some(), !scope.is_empty());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn scopes_release_their_claims_in_token_and_userinfo() {
    let app = TestApp::start().await;
    let mut tim = app.person("tim").await;
    let script = app.script();
    let mut groups = Vec::new();
    for name in ["zoo", "art"] {
        let group = script
            .post("/api/user-groups", &json!({ "name": name, "friendlyName": name.to_uppercase() }))
            .await
            .expect(201)
            .json();
        let claims =
            json!([{ "key": "role", "value": name }, { "key": format!("of_{name}"), "value": "[1,{\"a\":null}]" }]);
        script
            .put(&format!("/api/custom-claims/user-group/{}", group["id"].as_str().unwrap()), &claims)
            .await
            .expect(200);
        groups.push(group["id"].clone());
    }
    script.put(&format!("/api/users/{}/user-groups", tim.id()), &json!({ "userGroupIds": groups })).await.expect(200);
    let own =
        json!([{ "key": "quota", "value": "7" }, { "key": "room", "value": "007" }, { "key": "vip", "value": "true" }]);
    script.put(&format!("/api/custom-claims/user/{}", tim.id()), &own).await.expect(200);

    let rp = RelyingParty::register(&app, json!({})).await;
    let picture = format!("{}/api/users/{}/profile-picture.png", app.url(), tim.id());
    let profile = json!({
        "given_name": "Tim", "family_name": "Test", "name": "Tim Test", "display_name": "Tim Test", "preferred_username": "tim",
        "picture": picture, "quota": 7, "room": "007", "vip": true, "role": "art", "of_zoo": [1, { "a": null }],
        "of_art": [1, { "a": null }],
    });
    let email = json!({ "email": "tim@example.com", "email_verified": false });
    let member = json!({ "groups": ["art", "zoo"] });
    for (scope, parts) in [
        ("openid", vec![]),
        ("openid profile", vec![&profile]),
        ("openid email", vec![&email]),
        ("openid groups", vec![&member]),
        ("openid profile email groups offline_access", vec![&profile, &email, &member]),
    ] {
        let mut expected = json!({ "sub": tim.id() });
        for part in parts {
            expected.as_object_mut().unwrap().extend(part.as_object().unwrap().clone());
        }
        let tokens = rp.sign_in(&mut tim, scope).await;
        assert_eq!(rp.userinfo(tokens.access()).await.expect(200).json(), expected, "{scope}");
        let id = rp.verify(tokens.id()).await.claims;
        for (name, value) in expected.as_object().unwrap() {
            assert_eq!(&id[name], value, "{scope}: {name}");
        }
        assert_eq!(names(&id).len(), names(&expected).len() + 12, "{scope}: {id}");
    }

    // Nobody without an address has an email, nobody without a name is nameless.
    let change = json!({ "requireUserEmail": "false" });
    script.patch("/api/application-configuration", &change, None).await.expect(200);
    let bare = json!({ "username": "bob", "firstName": "Bob" });
    let bob = script.post("/api/users", &bare).await.expect(201).json();
    let mut bob = app.enter(bob).await;
    let tokens = rp.sign_in(&mut bob, "openid profile email groups").await;
    let claims = rp.userinfo(tokens.access()).await.expect(200).json();
    assert_eq!((claims.get("email"), claims.get("email_verified")), (None, None));
    assert_eq!((&claims["groups"], &claims["family_name"], &claims["name"]), (&json!([]), &json!(""), &json!("Bob")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn claims_are_those_of_the_exchange() {
    let app = TestApp::start().await;
    let mut tim = app.person("tim").await;
    let rp = RelyingParty::register(&app, json!({})).await;
    let asking = rp.asks("openid profile groups");
    let code = rp.code(&mut tim, &asking).await;
    let change = json!({ "firstName": "Timothy" });
    app.script().patch(&format!("/api/users/{}", tim.id()), &change, None).await.expect(200);
    let tokens = rp.redeem(&asking, &code).await.expect(200).json();
    let claims = rp.verify(tokens["id_token"].as_str().unwrap()).await.claims;
    assert_eq!(claims["given_name"], "Timothy", "not frozen when the code was made (oidc.md §30.2 no. 17)");
}
