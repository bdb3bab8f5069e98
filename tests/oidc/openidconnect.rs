//! The `openidconnect` crate as relying party: it judges our documents, tokens, hashes and answers by its own reading of the
//! specifications. A person with a software passkey stands in for the browser.

use openidconnect::core::{
    CoreAuthenticationFlow, CoreClient, CoreGenderClaim, CoreIdTokenClaims, CoreJwsSigningAlgorithm,
    CoreProviderMetadata, CoreResponseMode, CoreTokenResponse, CoreUserInfoClaims,
};
use openidconnect::{
    AccessTokenHash, AuthorizationCode, ClientId, ClientSecret, CsrfToken, EndpointMaybeSet, EndpointNotSet,
    EndpointSet, IssuerUrl, Nonce, OAuth2TokenResponse as _, PkceCodeChallenge, RedirectUrl, Scope, SubjectIdentifier,
    TokenResponse as _, UserInfoClaims,
};
use pid_tests::{Person, RelyingParty, Sender, TestApp};
use serde_json::json;

type Client =
    CoreClient<EndpointSet, EndpointNotSet, EndpointNotSet, EndpointNotSet, EndpointMaybeSet, EndpointMaybeSet>;

async fn discover(app: &TestApp, rp: &RelyingParty, http: &Sender) -> Client {
    let issuer = IssuerUrl::new(app.url().to_owned()).unwrap();
    let metadata = CoreProviderMetadata::discover_async(issuer, http).await.unwrap();
    assert!(metadata.response_modes_supported().unwrap().contains(&CoreResponseMode::Fragment));
    let secret = rp.secret.clone().map(ClientSecret::new);
    CoreClient::from_provider_metadata(metadata, ClientId::new(rp.id.clone()), secret)
        .set_redirect_uri(RedirectUrl::new(rp.callback.clone()).unwrap())
}

/// Checks an ID token with everything that belongs to it.
fn verified(
    client: &Client,
    alg: &CoreJwsSigningAlgorithm,
    tokens: &CoreTokenResponse,
    nonce: Option<&Nonce>,
) -> CoreIdTokenClaims {
    let id_token = tokens.id_token().unwrap();
    let verifier = client.id_token_verifier().set_allowed_algs([alg.clone()]);
    let expected = |found: Option<&Nonce>| match (found, nonce) {
        (Some(found), Some(sent)) if found.secret() == sent.secret() => Ok(()),
        (None, None) => Ok(()),
        other => Err(format!("another nonce: {other:?}")),
    };
    let claims = id_token.claims(&verifier, expected).unwrap();
    let used = id_token.signing_alg().unwrap();
    assert_eq!(used, alg);
    let hash =
        AccessTokenHash::from_token(tokens.access_token(), used, id_token.signing_key(&verifier).unwrap()).unwrap();
    assert_eq!(claims.access_token_hash(), Some(&hash));
    claims.clone()
}

async fn walk(app: &TestApp, rp: &RelyingParty, person: &mut Person, alg: &CoreJwsSigningAlgorithm) {
    let http = Sender::new();
    let client = discover(app, rp, &http).await;
    let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
    let (url, state, nonce) = client
        .authorize_url(CoreAuthenticationFlow::AuthorizationCode, CsrfToken::new_random, Nonce::new_random)
        .add_scopes(["profile", "email", "groups"].map(|s| Scope::new(s.to_owned())))
        .set_pkce_challenge(challenge)
        .url();
    let reply = person.agent.get(url.as_str()).await;
    let answer = person.follow(reply).await;
    assert_eq!(answer.redirected("state").as_ref(), Some(state.secret()));
    assert_eq!(answer.redirected("iss").as_deref(), Some(app.url()));
    let code = AuthorizationCode::new(answer.redirected("code").unwrap());
    let tokens = client.exchange_code(code).unwrap().set_pkce_verifier(verifier).request_async(&http).await.unwrap();
    let claims = verified(&client, alg, &tokens, Some(&nonce));
    assert_eq!(claims.subject().as_str(), person.id());
    assert_eq!(claims.preferred_username().unwrap().as_str(), "tim");
    assert_eq!(claims.email().unwrap().as_str(), "tim@example.com");
    assert!(claims.auth_time().unwrap() <= claims.issue_time());
    assert_eq!(tokens.expires_in(), Some(std::time::Duration::from_secs(3600)));

    let known = Some(claims.subject().clone());
    let userinfo: CoreUserInfoClaims =
        client.user_info(tokens.access_token().clone(), known).unwrap().request_async(&http).await.unwrap();
    assert_eq!(userinfo.email(), claims.email());
    assert_eq!(userinfo.picture(), claims.picture());
    // Another subject is noticed by the crate; ours doesn't change for it.
    let other = Some(SubjectIdentifier::new("somebody-else".to_owned()));
    let mixed: Result<UserInfoClaims<_, CoreGenderClaim>, _> = client
        .user_info(tokens.access_token().clone(), other)
        .unwrap()
        .request_async::<openidconnect::EmptyAdditionalClaims, _, CoreGenderClaim>(&http)
        .await;
    assert!(mixed.is_err());

    let again =
        client.exchange_refresh_token(tokens.refresh_token().unwrap()).unwrap().request_async(&http).await.unwrap();
    let later = verified(&client, alg, &again, None);
    assert_eq!((later.subject(), later.auth_time()), (claims.subject(), claims.auth_time()));
    assert_ne!(again.refresh_token().unwrap().secret(), tokens.refresh_token().unwrap().secret());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_accepts_us_with_each_algorithm() {
    let app = TestApp::start().await;
    let mut tim = app.person("tim").await;
    let rp = RelyingParty::register(&app, json!({})).await;
    walk(&app, &rp, &mut tim, &CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha256).await;
    for (alg, theirs) in
        [("ES256", CoreJwsSigningAlgorithm::EcdsaP256Sha256), ("EdDSA", CoreJwsSigningAlgorithm::EdDsa)]
    {
        let rp = RelyingParty::register(&app, json!({ "name": alg, "idTokenSignedResponseAlg": alg })).await;
        walk(&app, &rp, &mut tim, &theirs).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_accepts_us_as_a_public_client() {
    let app = TestApp::start().await;
    let mut tim = app.person("tim").await;
    let rp = RelyingParty::register(&app, json!({ "isPublic": true, "callbackURLs": ["http://127.0.0.1/cb"] })).await;
    let rp = RelyingParty { callback: "http://127.0.0.1:49152/cb".to_owned(), ..rp };
    walk(&app, &rp, &mut tim, &CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha256).await;
}
