//! Faults of codes, refresh tokens and access tokens.

use http::Method;
use pid_core::diagnosis::{Code, Place};
use pid_tests::{Signer, random};
use serde_json::json;

use super::{Clinic, are_all_but};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_fault_of_a_code_or_token_is_named() {
    let clinic = Clinic::open().await;
    let script = clinic.app.script();
    let mut tim = clinic.person("tim").await;

    let rp = clinic.client(json!({})).await;
    let asking = rp.asks("openid");
    let code = rp.code(&mut tim, &asking).await;
    rp.redeem(&asking, &code).await.expect(200);
    rp.redeem(&asking, &code).await.oauth_error(400, "invalid_grant");
    clinic.of(&rp, Code::CodeUsed, &["second time"]);
    let rp = clinic.client(json!({})).await;
    rp.redeem(&rp.asks("openid"), "pocket_id_ac_nonsense").await.oauth_error(400, "invalid_grant");
    clinic.of(&rp, Code::CodeUnknown, &[]);
    let (rp, wiki) = (clinic.client(json!({})).await, clinic.client(json!({ "name": "Wiki" })).await);
    let asking = wiki.asks("openid");
    let code = wiki.code(&mut tim, &asking).await;
    rp.redeem(&asking, &code).await.oauth_error(400, "invalid_grant");
    clinic.of(&rp, Code::CodeForeign, &["Wiki"]);

    let rp = clinic.client(json!({})).await;
    let asking = rp.asks("openid");
    let code = rp.code(&mut tim, &asking).await;
    let form = |redirect_uri: &'static str| {
        [
            ("grant_type", "authorization_code".to_owned()),
            ("code", code.clone()),
            ("redirect_uri", redirect_uri.to_owned()),
        ]
    };
    let sent = form("https://app.example/other").map(|(name, value)| (name, value));
    let borrowed: Vec<(&str, &str)> = sent.iter().map(|(name, value)| (*name, value.as_str())).collect();
    rp.token(&borrowed).await.oauth_error(400, "invalid_grant");
    clinic.of(&rp, Code::CodeCallback, &["https://app.example/other", "https://app.example/cb"]);

    for (with_pkce, verifier, code_of) in [
        (true, None, Code::VerifierMissing),
        (true, Some("v".repeat(43)), Code::VerifierWrong),
        (false, Some("v".repeat(43)), Code::VerifierUnasked),
    ] {
        let rp = clinic.client(json!({})).await;
        let asking = if with_pkce { rp.asks("openid") } else { rp.asks("openid").without_pkce() };
        let code = rp.code(&mut tim, &asking).await;
        let mut form = vec![("grant_type", "authorization_code"), ("code", &code), ("redirect_uri", &rp.callback)];
        form.extend(verifier.as_deref().map(|verifier| ("code_verifier", verifier)));
        rp.token(&form).await.oauth_error(400, "invalid_grant");
        clinic.of(&rp, code_of, &["PKCE"].map(|text| if code_of == Code::VerifierWrong { "challenge" } else { text }));
    }
    let rp = clinic.client(json!({})).await;
    rp.token(&[("grant_type", "password"), ("username", "tim"), ("password", "secret-of-tim")]).await.expect(400);
    clinic.of(&rp, Code::GrantType, &["password"]);
    let rp = clinic.client(json!({})).await;
    let form = [("grant_type", "urn:ietf:params:oauth:grant-type:device_code"), ("device_code", "nonsense")];
    rp.token(&form).await.expect(400);
    clinic.of(&rp, Code::DeviceRefused, &["code"]);

    // Refresh tokens.
    let rp = clinic.client(json!({})).await;
    let tokens = rp.sign_in(&mut tim, "openid").await;
    let next: pid_tests::Tokens = rp.refresh(tokens.refresh()).await.into();
    rp.refresh(next.refresh()).await.expect(200);
    rp.refresh(tokens.refresh()).await.oauth_error(400, "invalid_grant");
    clinic.of(&rp, Code::RefreshUsed, &["exchanged"]);
    let rp = clinic.client(json!({})).await;
    rp.refresh("pocket_id_rt_nonsense").await.oauth_error(400, "invalid_grant");
    clinic.of(&rp, Code::RefreshUnknown, &[]);
    let (rp, wiki) = (clinic.client(json!({})).await, clinic.client(json!({ "name": "Wiki" })).await);
    let foreign = wiki.sign_in(&mut tim, "openid").await;
    rp.refresh(foreign.refresh()).await.oauth_error(400, "invalid_grant");
    clinic.of(&rp, Code::RefreshForeign, &["Wiki"]);
    let rp = clinic.client(json!({})).await;
    let tokens = rp.sign_in(&mut tim, "openid").await;
    rp.revoke(tokens.refresh()).await.expect(200);
    rp.refresh(tokens.refresh()).await.oauth_error(400, "invalid_grant");
    clinic.of(&rp, Code::GrantEnded, &["over"]);

    // A person who may not any more.
    let mut eva = clinic.person("eva").await;
    let rp = clinic.client(json!({})).await;
    let tokens = rp.sign_in(&mut eva, "openid").await;
    let path = format!("/api/oidc/clients/{}", rp.id);
    script.patch(&path, &json!({ "isGroupRestricted": true }), None).await.expect(200);
    rp.refresh(tokens.refresh()).await.oauth_error(400, "invalid_grant");
    clinic.of(&rp, Code::AllowedNobody, &[]);

    let mut ben = clinic.person("ben").await;
    let rp = clinic.client(json!({})).await;
    let tokens = rp.sign_in(&mut ben, "openid").await;
    script.patch(&format!("/api/users/{}", ben.id()), &json!({ "disabled": true }), None).await.expect(200);
    rp.refresh(tokens.refresh()).await.oauth_error(400, "invalid_grant");
    clinic.of(&rp, Code::PersonDisabled, &["ben"]);

    // User info.
    let rp = clinic.client(json!({})).await;
    let tokens = rp.sign_in(&mut tim, "openid").await;
    rp.userinfo(tokens.id()).await.expect(401);
    clinic.expect(None, Code::TokenOfIdentity, &["ID token"]);
    rp.agent.send(rp.agent.request(Method::GET, "/api/oidc/userinfo")).await.expect(401);
    clinic.expect(None, Code::TokenMissing, &[]);
    rp.userinfo("some-opaque-thing").await.expect(401);
    clinic.expect(None, Code::TokenMalformed, &[]);
    let claims = json!({ "iss": "https://login.example.org", "sub": "x", "aud": rp.id, "exp": 9_999_999_999_i64 });
    rp.userinfo(&Signer::new("k1").sign(&claims)).await.expect(401);
    clinic.expect(None, Code::TokenForeign, &["login.example.org"]);
    let claims =
        json!({ "iss": clinic.app.url(), "sub": "x", "aud": rp.id, "exp": 9_999_999_999_i64, "jti": random() });
    rp.userinfo(&Signer::new("k1").sign(&claims)).await.expect(401);
    clinic.expect(None, Code::TokenKey, &["no key"]);
    let rp = clinic.client(json!({})).await;
    let tokens = rp.sign_in(&mut tim, "email").await;
    rp.userinfo(tokens.access()).await.expect(403);
    clinic.of(&rp, Code::OpenidMissing, &["openid"]);
    let rp = clinic.client(json!({})).await;
    let tokens = rp.sign_in(&mut tim, "openid").await;
    rp.revoke(tokens.access()).await.expect(200);
    rp.userinfo(tokens.access()).await.expect(401);
    clinic.of(&rp, Code::TokenEnded, &[]);

    // Time goes by.
    let late = clinic.client(json!({ "accessTokenDurationMinutes": 5, "refreshTokenDurationMinutes": 10 })).await;
    let tokens = late.sign_in(&mut tim, "openid").await;
    let rp = clinic.client(json!({})).await;
    let asking = rp.asks("openid");
    let code = rp.code(&mut tim, &asking).await;
    clinic.app.advance(1000);
    rp.redeem(&asking, &code).await.oauth_error(400, "invalid_grant");
    clinic.of(&rp, Code::CodeExpired, &["too late"]);
    late.userinfo(tokens.access()).await.expect(401);
    clinic.of(&late, Code::TokenExpired, &["expired"]);
    late.refresh(tokens.refresh()).await.oauth_error(400, "invalid_grant");
    clinic.of(&late, Code::RefreshExpired, &["expired"]);

    are_all_but(&clinic.close().await, &[Place::Token, Place::UserInfo], &[]);
}
