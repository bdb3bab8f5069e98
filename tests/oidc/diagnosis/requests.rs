//! Faults at `/authorize`.

use pid_core::diagnosis::{Code, Place};
use pid_tests::{Signer, random};
use serde_json::json;

use super::{Clinic, are_all_but, authorize, group};

const CLOUD: &str = "https://cloud.example.com/apps/user_oidc/code";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_fault_of_a_request_is_named() {
    let clinic = Clinic::open().await;
    let script = clinic.app.script();

    // Where to return to.
    for (sent, code) in [
        ("https://cloud.example.com/index.php/apps/user_oidc/code", Code::CallbackIndexPhp),
        ("https://cloud.example.com/apps/user_oidc/code/", Code::CallbackSlash),
        ("https://cloud.example.com/apps/user_oidc/Code", Code::CallbackCase),
        ("https://cloud.example.com/apps/user%5Foidc/code", Code::CallbackEncoding),
        ("https://cloud.example.com/apps/sociallogin/code", Code::CallbackPath),
        ("https://cloud.example.com/apps/user_oidc/code?a=b", Code::CallbackQuery),
        ("https://cloud.example.com:8443/apps/user_oidc/code", Code::CallbackPort),
        ("http://cloud.example.com/apps/user_oidc/code", Code::CallbackScheme),
        ("https://nextcloud.example.com/apps/user_oidc/code", Code::CallbackHost),
    ] {
        let rp = clinic.client(json!({ "name": "Nextcloud", "callbackURLs": [CLOUD] })).await;
        rp.agent.get(&rp.asks("openid").with("redirect_uri", sent).path()).await.expect(302);
        clinic.of(&rp, code, &[sent, CLOUD]);
    }
    let rp = clinic.client(json!({ "callbackURLs": [] })).await;
    rp.agent.get(&rp.asks("openid").with("redirect_uri", CLOUD).path()).await.expect(302);
    clinic.of(&rp, Code::CallbackNone, &[CLOUD]);
    let rp = clinic.client(json!({})).await;
    rp.agent.get(&rp.asks("openid").with("redirect_uri", "https://app.example/cb#x").path()).await.expect(302);
    clinic.of(&rp, Code::CallbackUnusable, &["fragment"]);
    let rp = clinic.client(json!({})).await;
    rp.agent.get(&rp.asks("openid").without("redirect_uri").path()).await.expect(302);
    clinic.of(&rp, Code::CallbackMissing, &[]);

    // Who asks.
    let rp = clinic.client(json!({ "id": "nextcloud", "name": "Our cloud" })).await;
    for (sent, code, says) in [
        ("nextcluod", Code::ClientNear, &["nextcluod", "nextcloud", "Our cloud"][..]),
        ("Our cloud", Code::ClientName, &["Our cloud", "nextcloud"]),
        ("something-entirely-different", Code::ClientUnknown, &["something-entirely-different"]),
    ] {
        clinic.agent().get(&rp.asks("openid").with("client_id", sent).path()).await.expect(302);
        clinic.expect(None, code, says);
    }
    clinic.agent().get(&authorize(&[("response_type", "code")])).await.expect(302);
    clinic.expect(None, Code::ClientMissing, &[]);

    // What is asked.
    let rp = clinic.client(json!({ "pkceEnabled": true })).await;
    rp.agent.get(&rp.asks("openid").without_pkce().path()).await.expect(303);
    clinic.of(&rp, Code::PkceMissing, &["PKCE"]);
    let rp = clinic.client(json!({})).await;
    rp.agent.get(&rp.asks("openid").with("code_challenge_method", "plain").path()).await.expect(303);
    clinic.of(&rp, Code::PkcePlain, &["plain"]);
    let rp = clinic.client(json!({})).await;
    rp.agent.get(&rp.asks("openid").with("code_challenge", "short").path()).await.expect(303);
    clinic.of(&rp, Code::PkceMalformed, &[]);
    let rp = clinic.client(json!({})).await;
    rp.agent.get(&rp.asks("openid").with("response_type", "id_token token").path()).await.expect(303);
    clinic.of(&rp, Code::ResponseType, &["id_token token"]);
    let rp = clinic.client(json!({})).await;
    rp.agent.get(&rp.asks("openid").with("resource", "https://api.example.com").path()).await.expect(303);
    clinic.of(&rp, Code::ScopeRefused, &["https://api.example.com"]);
    let rp = clinic.client(json!({})).await;
    rp.agent.get(&rp.asks("openid").with("prompt", "perhaps").path()).await.expect(303);
    clinic.of(&rp, Code::RequestMalformed, &["prompt"]);
    let rp = clinic.client(json!({ "requiresPushedAuthorizationRequests": true })).await;
    rp.agent.get(&rp.asks("openid").path()).await.expect(303);
    clinic.of(&rp, Code::ParRequired, &[]);
    let rp = clinic.client(json!({})).await;
    let name = format!("urn:ietf:params:oauth:request_uri:{}", random());
    rp.agent.get(&authorize(&[("client_id", &rp.id), ("request_uri", &name)])).await.expect(302);
    clinic.expect(None, Code::ParExpired, &[]);

    // Signed requests.
    let key = Signer::new("k1");
    let other = Signer::new("k1");
    let now = clinic.app.app().clock().now().secs();
    let object = |rp: &pid_tests::RelyingParty, aud: &str, ahead: i64| {
        json!({
            "iss": rp.id, "client_id": rp.id, "aud": aud, "iat": now + ahead, "nbf": now + ahead, "exp": now + ahead + 60,
            "response_type": "code", "redirect_uri": rp.callback, "scope": "openid",
        })
    };
    let url = clinic.app.url().to_owned();
    for (signer, aud, ahead, code, says) in [
        (&other, url.clone(), 0, Code::RequestObject, vec!["signature"]),
        (&key, format!("{url}/"), 0, Code::IssuerSlash, vec![&url[..]]),
        (&key, url.replace("localhost", "127.0.0.1"), 0, Code::RequestObject, vec![]),
        (&key, url.clone(), 600, Code::AssertionAhead, vec!["seconds ahead"]),
        (&key, url.clone(), -900, Code::AssertionBehind, vec!["seconds ago"]),
    ] {
        let rp = clinic.client(json!({ "jwks": key.jwks() })).await;
        let token = signer.sign(&object(&rp, &aud, ahead));
        rp.agent.get(&rp.asks("openid").with("request", &token).path()).await;
        clinic.of(&rp, code, &says);
    }

    // Who is there.
    let rp = clinic.client(json!({})).await;
    rp.agent.get(&rp.asks("openid").with("prompt", "none").path()).await.expect(303);
    clinic.of(&rp, Code::NoSession, &[]);
    let mut tim = clinic.person("tim").await;
    let mut eva = clinic.person("eva").await;
    let rp = clinic.client(json!({})).await;
    tim.agent.get(&rp.asks("openid").with("prompt", "none").path()).await.expect(303);
    clinic.of(&rp, Code::ConsentMissing, &["tim"]);
    let rp = clinic.client(json!({})).await;
    let of_eva = rp.sign_in(&mut eva, "openid").await;
    tim.agent = clinic.elsewhere(&tim.agent);
    tim.agent
        .get(&rp.asks("openid").with("prompt", "none").with("id_token_hint", of_eva.id()).path())
        .await
        .expect(303);
    clinic.of(&rp, Code::OtherPerson, &["tim"]);
    let rp = clinic.client(json!({})).await;
    let id = tim.agent.get(&rp.asks("openid").path()).await.expect(302).interaction().unwrap();
    tim.agent.get(&format!("/interaction/cancel?interaction={id}")).await.expect(303);
    clinic.of(&rp, Code::ConsentRefused, &[]);
    let family = script.post("/api/user-groups", &group("family")).await.expect(201).id();
    let rp = clinic.client(json!({ "isGroupRestricted": true })).await;
    let groups = format!("/api/oidc/clients/{}/allowed-user-groups", rp.id);
    script.put(&groups, &json!({ "userGroupIds": [family] })).await.expect(200);
    tim.agent = clinic.elsewhere(&tim.agent);
    tim.agent.get(&rp.asks("openid").path()).await.expect(302);
    clinic.of(&rp, Code::NotAllowed, &["tim", "family"]);
    let rp = clinic.client(json!({ "isGroupRestricted": true })).await;
    tim.agent.get(&rp.asks("openid").path()).await.expect(302);
    clinic.of(&rp, Code::AllowedNobody, &[]);
    let rp = clinic.client(json!({})).await;
    let ours = rp.sign_in(&mut tim, "openid").await;
    let (message, _) = ours.id().rsplit_once('.').unwrap();
    let forged = format!("{message}.{}", "A".repeat(342));
    tim.agent.get(&rp.asks("openid").with("id_token_hint", &forged).path()).await.expect(303);
    clinic.of(&rp, Code::HintKey, &[]);
    let rp = clinic.client(json!({})).await;
    tim.agent = clinic.elsewhere(&tim.agent);
    tim.agent.get(&rp.asks("openid").with("id_token_hint", ours.access()).path()).await.expect(303);
    clinic.of(&rp, Code::HintKey, &[]);
    let rp = clinic.client(json!({})).await;
    tim.agent.get(&rp.asks("openid").with("id_token_hint", "nonsense").path()).await.expect(303);
    clinic.of(&rp, Code::HintUnusable, &[]);

    // Browsers on their way.
    let rp = clinic.client(json!({})).await;
    let waiting = rp.agent.get(&rp.asks("openid").path()).await.expect(302).location();
    clinic.agent().get(&waiting).await.expect(404);
    clinic.of(&rp, Code::CookieLost, &["localhost"]);
    clinic.agent().get("/interaction?interaction=0190a8d0-0000-7000-8000-000000000000").await.expect(404);
    clinic.expect(None, Code::RequestExpired, &[]);
    let rp = clinic.client(json!({})).await;
    let asking = rp.asks("openid").with("state", &"s".repeat(5000));
    rp.sign_in(&mut tim, "openid").await;
    tim.agent = clinic.elsewhere(&tim.agent);
    tim.agent.get(&asking.path()).await.expect(303);
    clinic.of(&rp, Code::AnswerLarge, &["5"]);

    // A stranger's host is not offered to be added, the app's own is.
    let (mut offered, mut not_offered) = (0, 0);
    let expected = clinic.expected.borrow().clone();
    for (client, code, _) in expected {
        let of_client = !client.is_empty() && code.as_str().starts_with("callback-");
        if of_client {
            let remedy = clinic.find(&client, code).await["remedy"].clone();
            let is_foreign = matches!(code, Code::CallbackHost | Code::CallbackScheme);
            offered += usize::from(remedy == "add-callback");
            not_offered += usize::from(is_foreign && remedy.is_null());
        }
    }
    assert_eq!((offered, not_offered), (8, 2));

    // Disabled people hold no session; their refresh tokens are told at the token endpoint.
    let missing = [Code::CallbackInsecure, Code::PersonDisabled];
    are_all_but(&clinic.close().await, &[Place::Authorization], &missing);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn insecure_addresses_where_they_are_refused() {
    let clinic = Clinic::open_with(&[("ALLOW_INSECURE_CALLBACK_URLS", "false")]).await;
    let rp = clinic.client(json!({})).await;
    rp.agent.get(&rp.asks("openid").with("redirect_uri", "http://app.example/cb").path()).await.expect(302);
    clinic.of(&rp, Code::CallbackInsecure, &["http://app.example/cb"]);
    clinic.close().await;
}

/// The person who hit it sees a sentence and an id, and the administrator finds it by that.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_id_that_a_person_sees_leads_to_the_fault() {
    let clinic = Clinic::open().await;
    let rp = clinic.client(json!({ "callbackURLs": [CLOUD] })).await;
    let asking = rp.asks("openid").with("redirect_uri", "https://cloud.example.com/index.php/apps/user_oidc/code");
    let page = rp.agent.get(&asking.path()).await.expect(302);
    let id = page.redirected("id").unwrap();
    let shown = rp.agent.get(&page.location()).await.expect(200).text();
    assert!(shown.contains(&id), "{shown}");
    clinic.find(&rp.id, Code::CallbackIndexPhp).await;
    let script = clinic.app.script();
    for typed in [id.clone(), id.to_lowercase(), id.replace('-', "")] {
        let found = script.get(&format!("/api/oidc/diagnoses?id={typed}")).await.expect(200).json();
        assert_eq!((&found[0]["clientID"], &found[0]["id"]), (&json!(rp.id), &json!(id)), "{found}");
        assert_eq!(found[0]["address"], "https://cloud.example.com/index.php/apps/user_oidc/code");
    }
    let doctor = script.get("/api/doctor").await.expect(200).json();
    let told = doctor.as_array().unwrap().iter().find(|finding| finding["code"] == "diagnosis-callback-index-php");
    assert_eq!(told.expect("a finding")["title"], "App", "{doctor}");
    // What the app is told has it, too.
    let rp = clinic.client(json!({})).await;
    let told = rp.agent.get(&rp.asks("openid").with("prompt", "perhaps").path()).await.expect(303);
    let text = told.redirected("error_description").unwrap();
    let id = clinic.find(&rp.id, Code::RequestMalformed).await["id"].as_str().unwrap().to_owned();
    assert!(text.contains(&format!("(ID {id})")), "{text}");
    // The same fault once more is the same entry.
    rp.agent.get(&rp.asks("openid").with("prompt", "perhaps").path()).await.expect(303);
    for _ in 0..500 {
        if clinic.find(&rp.id, Code::RequestMalformed).await["times"] == 2 {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    panic!("it was not counted");
}
