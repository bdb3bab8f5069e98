//! E. WebAuthn, through the wire: the software authenticator lies, the server must not believe it.

use pid_testkit::authenticator::{ALGORITHMS, Draft, SoftAuthenticator, flags};
use pid_tests::{Agent, Person, Reply, TestApp};
use serde_json::{Value, json};

const LOGIN: &str = "/api/webauthn/login/finish";
const REGISTER: &str = "/api/webauthn/register/finish";

async fn login_options(agent: &Agent) -> Value {
    agent.get("/api/webauthn/login/start").await.expect(200).json()
}

async fn register_options(agent: &Agent) -> Value {
    agent.get("/api/webauthn/register/start").await.expect(200).json()
}

/// An assertion made now, for the agent of the person.
async fn assertion(app: &TestApp, person: &mut Person) -> Value {
    let options = login_options(&person.agent).await;
    person.passkey.authenticate(&options, app.url())
}

/// Signs in after the authenticator was told to lie; then it is honest again.
async fn lying(app: &TestApp, person: &mut Person, lie: impl FnMut(&mut Draft) + Send + 'static) -> Reply {
    person.passkey.before_signing(lie);
    let posted = assertion(app, person).await;
    person.passkey.honest();
    person.agent.post(LOGIN, &posted).await
}

/// Registers with another authenticator, from the person's session.
async fn register(app: &TestApp, person: &Person, authenticator: &mut SoftAuthenticator) -> Reply {
    let options = register_options(&person.agent).await;
    let posted = authenticator.register(&options, app.url());
    person.agent.post(REGISTER, &posted).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_048_a_challenge_serves_once_in_its_browser_for_its_ceremony() {
    let mut app = TestApp::start().await;
    let mut tim = app.admin().await;
    let posted = assertion(&app, &mut tim).await;
    // Another browser: one with a ceremony of its own, and one with none.
    let other = app.agent();
    other.post(LOGIN, &posted).await.refused(400, "missing_session_id");
    login_options(&other).await;
    other.post(LOGIN, &posted).await.refused(400, "invalid_webauthn_session");
    tim.agent.post(LOGIN, &posted).await.expect(200);
    tim.agent.post(LOGIN, &posted).await.refused(400, "invalid_webauthn_session");

    // A failed attempt uses it up, too, and that lasts.
    let options = login_options(&tim.agent).await;
    let mut bad = tim.passkey.authenticate(&options, "https://evil.example");
    tim.agent.post(LOGIN, &bad).await.refused(401, "webauthn_authentication_failed");
    app.restart().await;
    bad = tim.passkey.authenticate(&options, app.url());
    tim.agent.post(LOGIN, &bad).await.refused(400, "invalid_webauthn_session");

    // Another ceremony's.
    let register = register_options(&tim.agent).await;
    let mut asked = login_options(&tim.agent).await;
    asked["challenge"] = register["challenge"].clone();
    let posted = tim.passkey.authenticate(&asked, app.url());
    tim.agent.post(LOGIN, &posted).await.refused(400, "invalid_webauthn_session");

    // Expired: five minutes.
    let options = login_options(&tim.agent).await;
    app.advance(301);
    let late = tim.passkey.authenticate(&options, app.url());
    tim.agent.post(LOGIN, &late).await.refused(400, "invalid_webauthn_session");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_048_of_parallel_attempts_one_gets_in() {
    let app = TestApp::start().await;
    let mut tim = app.admin().await;
    let posted = assertion(&app, &mut tim).await;
    let tries: Vec<_> = (0..20)
        .map(|_| {
            let (agent, posted) = (tim.agent.clone(), posted.clone());
            tokio::spawn(async move { agent.post(LOGIN, &posted).await.status.as_u16() })
        })
        .collect();
    let mut good = 0;
    for attempt in tries {
        match attempt.await.unwrap() {
            200 => good += 1,
            status => assert!(matches!(status, 400 | 429), "{status}"),
        }
    }
    assert_eq!(good, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_048_two_tabs_of_a_browser_both_work() {
    let app = TestApp::start().await;
    let mut tim = app.admin().await;
    let (first, second) = (login_options(&tim.agent).await, login_options(&tim.agent).await);
    for options in [second, first] {
        let posted = tim.passkey.authenticate(&options, app.url());
        tim.agent.post(LOGIN, &posted).await.expect(200);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_049_only_the_own_origin_counts() {
    let app = TestApp::start_with(&[("DISABLE_RATE_LIMITING", "true")]).await;
    let mut tim = app.admin().await;
    let port = app.url().rsplit(':').next().unwrap().to_owned();
    let elsewhere = [
        "http://localhost".to_owned(),
        format!("https://localhost:{port}"),
        format!("http://localhost:{port}/"),
        format!("http://LOCALHOST:{port}"),
        format!("http://localhost.evil.example:{port}"),
        format!("http://evillocalhost:{port}"),
        format!("http://id.localhost:{port}"),
        format!("http://lоcalhost:{port}"),
        format!("http://127.0.0.1:{port}"),
        "null".to_owned(),
        String::new(),
        "android:apk-key-hash:pNiP5iKyQ8JwgGOaKA1zGPUPJIS-0H1xKCQcfIoGLck".to_owned(),
    ];
    for origin in elsewhere {
        let options = login_options(&tim.agent).await;
        let posted = tim.passkey.authenticate(&options, &origin);
        tim.agent.post(LOGIN, &posted).await.refused(401, "webauthn_authentication_failed");
        let options = register_options(&tim.agent).await;
        let posted = SoftAuthenticator::new(-7).register(&options, &origin);
        tim.agent.post(REGISTER, &posted).await.refused(400, "invalid_webauthn_response");
    }
    tim.sign_in().await.expect(200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_049_a_related_origin_counts_while_it_is_listed_and_exactly_as_it_is() {
    let app = TestApp::start_with(&[("DISABLE_RATE_LIMITING", "true")]).await;
    let mut tim = app.admin().await;
    let relate = async |list: Value| {
        let values = json!({ "webauthnRelatedOrigins": list.to_string() });
        app.script().patch("/api/application-configuration", &values, None).await.expect(200);
    };
    let enters = async |tim: &mut Person, origin: &str| {
        let options = login_options(&tim.agent).await;
        let posted = tim.passkey.authenticate(&options, origin);
        tim.agent.post(LOGIN, &posted).await
    };
    enters(&mut tim, "https://id.lan").await.refused(401, "webauthn_authentication_failed");
    relate(json!(["https://id.lan"])).await;
    enters(&mut tim, "https://id.lan").await.expect(200);
    let options = register_options(&tim.agent).await;
    let posted = SoftAuthenticator::new(-7).register(&options, "https://id.lan");
    tim.agent.post(REGISTER, &posted).await.expect(200);
    for other in [
        "http://id.lan",
        "https://id.lan:8443",
        "https://id.lan.evil.example",
        "https://evil.id.lan",
        "https://ID.lan",
        "id.lan",
    ] {
        enters(&mut tim, other).await.refused(401, "webauthn_authentication_failed");
    }
    // A page there is no frame of another, and inside one of ours it is refused as anywhere.
    tim.passkey.before_signing(|d| d.client_data_json(|c| c["topOrigin"] = json!("https://id.lan")));
    enters(&mut tim, app.url()).await.refused(401, "webauthn_authentication_failed");
    tim.passkey.honest();
    relate(json!([])).await;
    enters(&mut tim, "https://id.lan").await.refused(401, "webauthn_authentication_failed");
    tim.sign_in().await.expect(200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_050_another_party_type_or_frame_is_refused() {
    let app = TestApp::start_with(&[("DISABLE_RATE_LIMITING", "true")]).await;
    let mut tim = app.admin().await;
    let refused = |reply: Reply| reply.refused(401, "webauthn_authentication_failed");
    refused(lying(&app, &mut tim, |d| d.auth_data[0] ^= 1).await);
    refused(lying(&app, &mut tim, |d| d.client_data_json(|c| c["type"] = json!("webauthn.create"))).await);
    refused(lying(&app, &mut tim, |d| d.client_data_json(|c| c["crossOrigin"] = json!(true))).await);
    refused(lying(&app, &mut tim, |d| d.client_data_json(|c| c["topOrigin"] = json!("https://evil.example"))).await);
    let mut other = SoftAuthenticator::new(-7);
    other.before_signing(|d| d.client_data_json(|c| c["type"] = json!("webauthn.get")));
    register(&app, &tim, &mut other).await.refused(400, "invalid_webauthn_response");
    other.before_signing(|d| d.auth_data[3] ^= 0x80);
    register(&app, &tim, &mut other).await.refused(400, "invalid_webauthn_response");
    tim.sign_in().await.expect(200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_051_presence_and_verification_are_demanded_by_the_server() {
    let app = TestApp::start_with(&[("DISABLE_RATE_LIMITING", "true")]).await;
    let mut tim = app.admin().await;
    lying(&app, &mut tim, |d| d.auth_data[Draft::FLAGS] &= !flags::UP)
        .await
        .refused(401, "webauthn_authentication_failed");
    lying(&app, &mut tim, |d| d.auth_data[Draft::FLAGS] &= !flags::UV)
        .await
        .refused(400, "passkey_user_verification_required");
    let mut other = SoftAuthenticator::new(-7);
    other.user_verified(false);
    register(&app, &tim, &mut other).await.refused(400, "passkey_user_verification_required");
    other.user_verified(true).user_present(false);
    register(&app, &tim, &mut other).await.refused(400, "invalid_webauthn_response");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_051_what_a_client_was_told_of_the_policy_decides_nothing() {
    let app = TestApp::start_with(&[("DISABLE_RATE_LIMITING", "true")]).await;
    let mut tim = app.admin().await;
    let set = async |values: Value| {
        app.script().patch("/api/application-configuration", &values, None).await.expect(200);
    };
    // Options of a time when verification was preferred: the policy of now counts.
    set(json!({ "webauthnUserVerification": "preferred" })).await;
    let options = login_options(&tim.agent).await;
    tim.passkey.user_verified(false);
    let posted = tim.passkey.authenticate(&options, app.url());
    set(json!({ "webauthnUserVerification": "required" })).await;
    tim.agent.post(LOGIN, &posted).await.refused(400, "passkey_user_verification_required");
    // Presence is never up to a policy.
    set(json!({ "webauthnUserVerification": "preferred" })).await;
    lying(&app, &mut tim, |d| d.auth_data[Draft::FLAGS] &= !flags::UP)
        .await
        .refused(401, "webauthn_authentication_failed");
    set(json!({ "webauthnUserVerification": "required" })).await;
    // A page that was edited to ask for another kind of authenticator.
    set(json!({ "webauthnAuthenticatorAttachment": "cross-platform", "webauthnAllowSyncedPasskeys": "false" })).await;
    tim.passkey.user_verified(true);
    register(&app, &tim, &mut SoftAuthenticator::new(-7)).await.refused(400, "synced_passkey_not_allowed");
    let mut bound = SoftAuthenticator::new(-7);
    bound.backup_eligible(false).backup_state(false);
    register(&app, &tim, &mut bound).await.refused(400, "passkey_not_allowed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_052_a_credential_proves_its_own_person_only() {
    let app = TestApp::start_with(&[("DISABLE_RATE_LIMITING", "true")]).await;
    let mut ada = app.admin().await;
    let mut tim = app.person("tim").await;
    let mut posted = assertion(&app, &mut tim).await;
    let theirs = assertion(&app, &mut ada).await;

    posted["rawId"] = theirs["rawId"].clone();
    assert!(tim.agent.post(LOGIN, &posted).await.status.is_client_error());
    for (member, value) in [
        ("userHandle", theirs["response"]["userHandle"].clone()),
        ("userHandle", json!("")),
        ("userHandle", Value::Null),
        ("signature", theirs["response"]["signature"].clone()),
        ("signature", json!("")),
        ("authenticatorData", json!("AAAA")),
    ] {
        let mut posted = assertion(&app, &mut tim).await;
        posted["response"][member] = value;
        let reply = tim.agent.post(LOGIN, &posted).await;
        assert!(matches!(reply.status.as_u16(), 400 | 401), "{member}: {}", reply.text());
        assert!(reply.header("set-cookie").is_none_or(|c| !c.starts_with("access_token=")), "{member}");
    }
    // Ada's credential id with Tim's signature.
    let mut posted = assertion(&app, &mut tim).await;
    posted["id"] = theirs["id"].clone();
    posted["rawId"] = theirs["id"].clone();
    tim.agent.post(LOGIN, &posted).await.refused(401, "webauthn_authentication_failed");
    // Somebody else's passkey is no proof for this session.
    let options = login_options(&tim.agent).await;
    let foreign = ada.passkey.authenticate(&options, app.url());
    tim.agent.post("/api/webauthn/reauthenticate", &foreign).await.refused(401, "webauthn_authentication_failed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_053_a_credential_is_registered_once_and_its_id_is_bounded() {
    let app = TestApp::start().await;
    let ada = app.admin().await;
    let tim = app.person("tim").await;
    let mut key = SoftAuthenticator::new(-8);
    let options = register_options(&tim.agent).await;
    let posted = key.register(&options, app.url());
    tim.agent.post(REGISTER, &posted).await.expect(200);
    // The same credential, offered by another person with a challenge of theirs.
    let id = key.credential_ids()[0].clone();
    let mut copy = SoftAuthenticator::new(-8);
    copy.credential_id_len(id.len()).before_signing(move |d| {
        let at = 32 + 1 + 4 + 16 + 2;
        d.auth_data[at..at + id.len()].copy_from_slice(&id);
    });
    let options = register_options(&ada.agent).await;
    let mut posted = copy.register(&options, app.url());
    posted["id"] = key_id(&key);
    posted["rawId"] = key_id(&key);
    ada.agent.post(REGISTER, &posted).await.refused(400, "passkey_already_registered");

    for (len, fine) in [(0, false), (1023, true), (1024, false), (2000, false)] {
        let mut odd = SoftAuthenticator::new(-7);
        odd.credential_id_len(len);
        let reply = register(&app, &tim, &mut odd).await;
        assert_eq!(reply.status.as_u16(), if fine { 200 } else { 400 }, "{len}: {}", reply.text());
    }
}

fn key_id(key: &SoftAuthenticator) -> Value {
    use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
    json!(URL_SAFE_NO_PAD.encode(&key.credential_ids()[0]))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_054_flags_and_counters_that_change_are_never_a_fault() {
    let app = TestApp::start_with(&[("DISABLE_RATE_LIMITING", "true")]).await;
    let mut tim = app.admin().await;
    // Backed up now, not backed up now: both are told.
    lying(&app, &mut tim, |d| d.auth_data[Draft::FLAGS] &= !flags::BS).await.expect(200);
    let keys = tim.agent.get("/api/webauthn/credentials").await.expect(200).json();
    assert_eq!((&keys[0]["backupEligible"], &keys[0]["backupState"]), (&json!(true), &json!(false)));
    // Eligibility never changes (WebAuthn L3 §7.2 step 18), and state without it is impossible.
    lying(&app, &mut tim, |d| d.auth_data[Draft::FLAGS] &= !(flags::BE | flags::BS))
        .await
        .refused(401, "webauthn_authentication_failed");
    lying(&app, &mut tim, |d| d.auth_data[Draft::FLAGS] &= !flags::BE)
        .await
        .refused(401, "webauthn_authentication_failed");
    // A counter that goes back is a warning in the log: synced passkeys have none worth the name.
    for count in [7_u32, 3, 0, u32::MAX, 1] {
        let reply = lying(&app, &mut tim, move |d| d.auth_data[33..37].copy_from_slice(&count.to_be_bytes())).await;
        reply.expect(200);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_056_broken_cbor_is_refused_in_bounded_memory() {
    use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
    let app = TestApp::start_with(&[("DISABLE_RATE_LIMITING", "true")]).await;
    let tim = app.admin().await;
    let options = register_options(&tim.agent).await;
    let good = SoftAuthenticator::new(-7).register(&options, app.url());
    let object = URL_SAFE_NO_PAD.decode(good["response"]["attestationObject"].as_str().unwrap()).unwrap();
    let half = object[..object.len() / 2].to_vec();
    let trailing = [object.clone(), vec![0]].concat();
    let indefinite = [vec![0xbf], object[1..].to_vec(), vec![0xff]].concat();
    let twice = [vec![0xa4], object[1..].to_vec(), [b"\x63fmt".as_slice(), b"\x64none"].concat()].concat();
    let broken = [
        vec![],
        half,
        trailing,
        indefinite,
        twice,
        vec![0x81; 100_000],
        vec![0x9b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
        vec![0x5b, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
        vec![0xa1; 60_000],
        b"\xf6".to_vec(),
    ];
    for (n, bytes) in broken.into_iter().enumerate() {
        let options = register_options(&tim.agent).await;
        let mut posted = SoftAuthenticator::new(-7).register(&options, app.url());
        posted["response"]["attestationObject"] = json!(URL_SAFE_NO_PAD.encode(&bytes));
        let reply = tim.agent.post(REGISTER, &posted).await;
        assert_eq!(reply.status, 400, "{n}: {}", reply.text());
    }
    let options = register_options(&tim.agent).await;
    let mut posted = SoftAuthenticator::new(-7).register(&options, app.url());
    posted["response"]["attestationObject"] = json!("A".repeat(10 << 20));
    let agent = app.agent();
    agent.set_cookie("access_token", &tim.agent.cookie("access_token").unwrap());
    agent.set_cookie("session", &tim.agent.cookie("session").unwrap());
    // Refused while it is still being sent: the connection may end before the answer is read.
    let request = agent.request(http::Method::POST, REGISTER).json(&posted);
    let answer = agent.try_send(request).await;
    assert!(answer.is_none_or(|reply| matches!(reply.status.as_u16(), 400 | 413)));
    tim.agent.get("/api/users/me").await.expect(200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_057_keys_that_are_none_are_refused() {
    let app = TestApp::start_with(&[("DISABLE_RATE_LIMITING", "true")]).await;
    let tim = app.admin().await;
    let ec2 = |alg: &[u8], x: &[u8], y: &[u8]| {
        [b"\xa5\x01\x02\x03".as_slice(), alg, b"\x20\x01\x21\x58\x20", x, b"\x22\x58\x20", y].concat()
    };
    let rsa = |bytes: usize| {
        let n = vec![0xff; bytes];
        let len = u16::try_from(bytes).unwrap().to_be_bytes();
        [b"\xa4\x01\x03\x03\x39\x01\x00\x20\x59".as_slice(), &len, &n, b"\x21\x43\x01\x00\x01"].concat()
    };
    let okp = |x: &[u8]| [b"\xa4\x01\x01\x03\x27\x20\x06\x21\x58\x20".as_slice(), x].concat();
    for (name, key) in [
        ("off the curve", ec2(b"\x26", &[1; 32], &[2; 32])),
        ("the point at infinity", ec2(b"\x26", &[0; 32], &[0; 32])),
        ("an algorithm of another kind", ec2(b"\x27", &[1; 32], &[2; 32])),
        ("an algorithm that nobody offered", ec2(b"\x38\x2e", &[1; 32], &[2; 32])),
        ("RSA of 1024 bits", rsa(128)),
        ("RSA of 16384 bits", rsa(2048)),
        ("Ed25519 of small order", okp(&[0; 32])),
        ("no key at all", b"\xa0".to_vec()),
        ("not a map", b"\x80".to_vec()),
    ] {
        let mut liar = SoftAuthenticator::new(-7);
        liar.cose_key(Some(key));
        let reply = register(&app, &tim, &mut liar).await;
        assert_eq!(reply.status, 400, "{name}: {}", reply.text());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_algorithm_registers_and_signs_in() {
    let app = TestApp::start().await;
    let mut tim = app.admin().await;
    for alg in ALGORITHMS {
        tim.passkey = SoftAuthenticator::new(alg);
        tim.add_passkey().await.expect(200);
        tim.sign_in().await.expect(200);
    }
    let keys = tim.agent.get("/api/webauthn/credentials").await.expect(200).json();
    assert_eq!(keys.as_array().unwrap().len(), ALGORITHMS.len() + 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_058_passkeys_change_only_with_a_fresh_proof() {
    let app = TestApp::start().await;
    // From set-up: fifteen minutes.
    let mut ada = app.admin().await;
    register(&app, &ada, &mut SoftAuthenticator::new(-8)).await.expect(200);
    app.advance(15 * 60 + 1);
    ada.agent.get("/api/webauthn/register/start").await.refused(401, "reauthentication_required");
    // From a passkey: five minutes, and again after a proof.
    ada.sign_in().await.expect(200);
    register(&app, &ada, &mut SoftAuthenticator::new(-257)).await.expect(200);
    app.advance(5 * 60 + 1);
    let keys = ada.agent.get("/api/webauthn/credentials").await.expect(200).json();
    let path = format!("/api/webauthn/credentials/{}", keys[1]["id"].as_str().unwrap());
    ada.agent.get("/api/webauthn/register/start").await.refused(401, "reauthentication_required");
    ada.agent.patch(&path, &json!({ "name": "Mine" }), None).await.refused(401, "reauthentication_required");
    ada.agent.delete(&path).await.refused(401, "reauthentication_required");
    ada.reauthenticate().await.expect(204);
    ada.agent.patch(&path, &json!({ "name": "Mine" }), None).await.expect(200);
    ada.agent.delete(&path).await.expect(204);

    // A code that an admin made, while the session is young; one that the person made never.
    let code = format!("/api/users/{}/one-time-access-token", ada.id());
    ada.sign_in().await.expect(200);
    let own = ada.agent.post(&code, &json!({})).await.expect(201).json();
    let theirs = app.script().post(&code, &json!({})).await.expect(201).json();
    for (made, status) in [(own, 403), (theirs, 200)] {
        let agent = app.agent();
        agent
            .post(&format!("/api/one-time-access-token/{}", made["token"].as_str().unwrap()), &json!({}))
            .await
            .expect(200);
        agent.get("/api/webauthn/register/start").await.expect(status);
    }
    // A key of a script never.
    app.script().get("/api/webauthn/register/start").await.refused(403, "api_key_auth_not_allowed");
    app.script().patch(&path, &json!({ "name": "Mine" }), None).await.refused(403, "api_key_auth_not_allowed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_060_only_a_passkey_that_is_gone_is_called_unknown() {
    let app = TestApp::start_with(&[("DISABLE_RATE_LIMITING", "true")]).await;
    app.admin().await;
    let mut tim = app.person("tim").await;
    let reason = |reply: Reply| {
        let body = reply.refused(401, "webauthn_authentication_failed").json();
        (body["error"].clone(), body["details"]["reason"].clone())
    };
    // One that exists, by a signature that is not its own: not a word of whether it exists would tell a password manager to drop it.
    let wrong = lying(&app, &mut tim, |d| d.client_data_json(|c| c["origin"] = json!("https://evil.example"))).await;
    let (said, none) = reason(wrong);
    assert_eq!(none, Value::Null);
    // Made up, of a person who exists and of one who doesn't: the same answer.
    let mut answers = Vec::new();
    for person in [tim.id().to_owned(), "nobody".to_owned()] {
        let mut options = login_options(&tim.agent).await;
        let mut stranger = SoftAuthenticator::new(-7);
        let mut creation = register_options(&tim.agent).await;
        use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
        creation["user"]["id"] = json!(URL_SAFE_NO_PAD.encode(person));
        stranger.register(&creation, app.url());
        options["rpId"] = json!("localhost");
        let posted = stranger.authenticate(&options, app.url());
        answers.push(reason(tim.agent.post(LOGIN, &posted).await));
    }
    assert_eq!(answers[0], answers[1]);
    assert_eq!(answers[0], (said, json!("unknown_credential")));
    // Without a ceremony of one's own nothing is told.
    let options = login_options(&app.agent()).await;
    let posted = tim.passkey.authenticate(&options, app.url());
    tim.agent.post(LOGIN, &posted).await.refused(400, "invalid_webauthn_session");
    // Options name nobody's passkeys.
    assert_eq!(login_options(&tim.agent).await.get("allowCredentials"), None);
}
