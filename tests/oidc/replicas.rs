//! Two servers on one PostgreSQL database (security case 108): any of them serves any request, at once.

use pid_tests::{Agent, RelyingParty, TestApp, Tokens, on_postgres};
use serde_json::json;

/// The same path at another server under the same host name, so that cookies go there too.
fn at(server: &TestApp, path: &str) -> String {
    let port = server.listens_at().rsplit_once(':').unwrap().1.to_owned();
    format!("http://localhost:{port}{path}")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_108_codes_and_tokens_are_good_everywhere_once() {
    if !on_postgres() {
        return;
    }
    let a = TestApp::start().await;
    let b = a.replica().await;
    let mut tim = a.person("tim").await;
    let here = RelyingParty::register(&a, json!({})).await;
    let there = here.at(&b.listens_at());

    let asking = here.asks("openid");
    let code = here.code(&mut tim, &asking).await;
    let tokens = Tokens::from(there.redeem(&asking, &code).await);
    assert_eq!(there.verify(tokens.id()).await.claims["iss"], a.url());
    assert!(here.is_alive(tokens.access()).await);
    let rotated = Tokens::from(here.refresh(tokens.refresh()).await);
    assert!(!there.is_alive(tokens.access()).await, "the old one is refused by the other in its next request");
    assert!(there.is_alive(rotated.access()).await);
    let again = Tokens::from(there.refresh(tokens.refresh()).await);
    assert_eq!(again.refresh(), rotated.refresh(), "within the window of grace any of them gives the same successor");
    a.advance(11);
    there.refresh(tokens.refresh()).await.oauth_error(400, "invalid_grant");
    assert!(!here.is_alive(rotated.access()).await, "reuse seen by one ends the family for both");
    here.refresh(rotated.refresh()).await.oauth_error(400, "invalid_grant");

    // 50 redemptions of one code, half of them at each.
    let asking = here.asks("openid");
    let code = here.code(&mut tim, &asking).await;
    let mut tasks = tokio::task::JoinSet::new();
    for n in 0..50 {
        let (rp, asking, code) = (if n % 2 == 0 { here.clone() } else { there.clone() }, asking.clone(), code.clone());
        tasks.spawn(async move { rp.redeem(&asking, &code).await.status.as_u16() });
    }
    let statuses = tasks.join_all().await;
    assert_eq!(statuses.iter().filter(|s| **s == 200).count(), 1, "{statuses:?}");
    assert!(statuses.iter().all(|s| matches!(s, 200 | 400)), "{statuses:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_108_signing_out_at_one_is_seen_by_the_other_at_once() {
    if !on_postgres() {
        return;
    }
    let a = TestApp::start().await;
    let b = a.replica().await;
    let mut tim = a.person("tim").await;
    let here = RelyingParty::register(&a, json!({})).await;
    let there = here.at(&b.listens_at());
    let tokens = here.sign_in(&mut tim, "openid").await;
    tim.agent.get(&at(&b, "/api/users/me")).await.expect(200);
    assert!(there.is_alive(tokens.access()).await);
    tim.agent.get(&at(&b, &here.asks("openid").path())).await.expect(303);

    // The same cookies in a browser that doesn't hear of the end.
    let copy = Agent::new(&b.listens_at());
    copy.set_cookie("access_token", &tim.agent.cookie("access_token").unwrap());
    copy.get("/api/users/me").await.expect(200);
    tim.agent.post("/api/webauthn/logout", &json!({})).await.expect(204);
    copy.get("/api/users/me").await.refused(401, "not_signed_in");
    assert!(!there.is_alive(tokens.access()).await);
    there.refresh(tokens.refresh()).await.oauth_error(400, "invalid_grant");
    assert!(
        copy.get(&here.asks("openid").with("prompt", "none").path()).await.location().contains("error=login_required")
    );

    // Disabled at one, refused by the other.
    tim.sign_in().await.expect(200);
    let tokens = here.sign_in(&mut tim, "openid").await;
    a.script().patch(&format!("/api/users/{}", tim.id()), &json!({ "disabled": true }), None).await.expect(200);
    assert!(!there.is_alive(tokens.access()).await);
    there.refresh(tokens.refresh()).await.oauth_error(400, "invalid_grant");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_108_an_interaction_goes_on_at_the_other_and_keys_follow() {
    if !on_postgres() {
        return;
    }
    let a = TestApp::start().await;
    let b = a.replica().await;
    let mut tim = a.person("tim").await;
    let here = RelyingParty::register(&a, json!({})).await;
    let asking = here.asks("openid").with("prompt", "select_account");
    let id = tim.agent.get(&asking.path()).await.interaction().unwrap();
    for step in ["select_account", "consent"] {
        let path = at(&b, &format!("/api/oidc/interactions/{id}/complete"));
        tim.agent.post(&path, &json!({ "step": step })).await.expect(200);
    }
    let answer = tim.agent.get(&at(&b, &format!("/authorize?interaction={id}"))).await;
    let code = here.code_in(&answer, &asking);
    here.redeem(&asking, &code).await.expect(200);

    let here = RelyingParty::register(&a, json!({ "idTokenSignedResponseAlg": "ES256" })).await;
    let tokens = here.sign_in(&mut tim, "openid").await;
    let there = here.at(&b.listens_at());
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
    while !there.is_alive(tokens.access()).await {
        assert!(std::time::Instant::now() < deadline, "the other server never saw the new key");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    assert_eq!(there.verify(tokens.id()).await.header["alg"], "ES256");
}

/// People who have nothing to do with one another don't make one another's transactions run again, though what they write lies
/// side by side in every index.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn people_who_sign_in_at_once_are_not_in_each_others_way() {
    const PEOPLE: u64 = 8;
    const ROUNDS: u64 = 6;
    if !on_postgres() {
        return;
    }
    let a = TestApp::start().await;
    let b = a.replica().await;
    let here = RelyingParty::register(&a, json!({})).await;
    let mut people = Vec::new();
    for n in 0..PEOPLE {
        let mut person = a.person(&format!("person{n}")).await;
        here.sign_in(&mut person, "openid profile groups").await;
        people.push(person);
    }
    let before = a.app().db().repeats() + b.app().db().repeats();
    let there = here.at(&b.listens_at());
    let mut tasks = tokio::task::JoinSet::new();
    for (n, mut person) in people.into_iter().enumerate() {
        let rp = if n % 2 == 0 { here.clone() } else { there.clone() };
        tasks.spawn(async move {
            for _ in 0..ROUNDS {
                person.sign_in().await.expect(200);
                let tokens = rp.sign_in(&mut person, "openid profile groups").await;
                let tokens = Tokens::from(rp.refresh(tokens.refresh()).await);
                rp.userinfo(tokens.access()).await.expect(200);
            }
        });
    }
    tasks.join_all().await;
    let repeats = a.app().db().repeats() + b.app().db().repeats() - before;
    // Of five that write in each round. Two that authorize may still meet at the end of an index.
    let transactions = PEOPLE * ROUNDS * 5;
    println!("{repeats} of {transactions} transactions ran again");
    assert!(repeats * 50 <= transactions, "{repeats} of {transactions} transactions ran again");
}
