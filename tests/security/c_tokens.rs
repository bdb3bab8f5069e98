//! Section C: tokens that are not what they say (security cases 25–31), wherever a token of ours comes back: at userinfo,
//! as a hint at `/authorize` and as a hint at end-session. Refresh tokens and claims: `c_grants.rs`.

use pid_tests::{Jwt, Person, RelyingParty, TestApp, Tokens};
use serde_json::{Value, json};

use crate::forge::{Forge, hs256, message, signed};

struct Scene {
    app: TestApp,
    tim: Person,
    rp: RelyingParty,
    tokens: Tokens,
}

impl Scene {
    async fn new(client: Value) -> Self {
        let app = TestApp::start_with(&[("DISABLE_RATE_LIMITING", "true")]).await;
        let mut tim = app.person("tim").await;
        let rp = RelyingParty::register(&app, client).await;
        let tokens = rp.sign_in(&mut tim, "openid profile").await;
        Self { app, tim, rp, tokens }
    }

    /// The claims of both tokens, each with its `typ`.
    fn both(&self) -> [(&'static str, Jwt); 2] {
        [("at+jwt", Jwt::unverified(self.tokens.access())), ("JWT", Jwt::unverified(self.tokens.id()))]
    }

    /// Demands that a token opens nothing anywhere.
    async fn refused(&self, token: &str) {
        let shown: String = token.chars().take(300).collect();
        self.refused_at_userinfo(token).await;
        let form = [("id_token_hint", token)];
        let logout = self.tim.agent.post_form("/api/oidc/end-session", &form).await.expect(302);
        assert_eq!(logout.location().split('?').next(), Some("/logout"), "{shown}");
        assert_eq!(logout.header("set-cookie"), None, "{shown}");
        let asking = self.rp.asks("openid").with("prompt", "none").with("id_token_hint", token);
        let answer = self.tim.agent.post_form("/authorize", asking.form()).await;
        if answer.status == 302 {
            answer.error_page();
        } else {
            assert_eq!(answer.expect(303).redirected("error").as_deref(), Some("invalid_request"), "{shown}");
        }
        self.tim.agent.get("/api/users/me").await.expect(200);
    }

    async fn refused_at_userinfo(&self, token: &str) {
        let reply = self.rp.agent.post_form("/api/oidc/userinfo", &[("access_token", token)]).await;
        let shown: String = token.chars().take(300).collect();
        assert!(matches!(reply.status.as_u16(), 401 | 403), "{}: {shown}: {}", reply.status, reply.text());
        assert!(reply.header("www-authenticate").is_some());
    }

    /// Demands that a token is good at userinfo: the attack before it was refused for its own sake.
    async fn accepted_at_userinfo(&self, token: &str) {
        self.rp.agent.post_form("/api/oidc/userinfo", &[("access_token", token)]).await.expect(200);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_025_a_token_has_a_signature() {
    let scene = Scene::new(json!({})).await;
    for (typ, jwt) in scene.both() {
        let kid = &jwt.header["kid"];
        for alg in ["none", "None", "NONE", "nOnE", ""] {
            for header in [
                json!({ "alg": alg, "typ": typ, "kid": kid }),
                json!({ "alg": alg, "typ": typ }),
                json!({ "alg": alg }),
            ] {
                let unsigned = message(&header, &jwt.claims);
                for token in
                    [unsigned.clone(), format!("{unsigned}."), signed(&unsigned, b"x"), signed(&unsigned, &[0; 256])]
                {
                    scene.refused(&token).await;
                }
            }
        }
        let good = message(&json!({ "alg": "RS256", "typ": typ, "kid": kid }), &jwt.claims);
        for signature in [&[][..], &[0; 256], &[0; 1], &[0xff; 256]] {
            scene.refused(&signed(&good, signature)).await;
        }
    }
    for token in [scene.tokens.access(), scene.tokens.id()] {
        let (message, signature) = token.rsplit_once('.').unwrap();
        for broken in [
            message.to_owned(),
            format!("{message}."),
            format!("{message}.{signature}."),
            format!("{message}.{signature}.{signature}"),
            format!("{message}.{}", &signature[1..]),
            format!("{message}.{signature}=="),
            format!("{token}{token}"),
            token.replacen('.', "..", 1),
        ] {
            scene.refused(&broken).await;
        }
    }
    scene.accepted_at_userinfo(scene.tokens.access()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_026_the_key_decides_the_algorithm() {
    let scene = Scene::new(json!({})).await;
    let es = RelyingParty::register(&scene.app, json!({ "name": "ES", "idTokenSignedResponseAlg": "ES256" })).await;
    let ed = RelyingParty::register(&scene.app, json!({ "name": "Ed", "idTokenSignedResponseAlg": "EdDSA" })).await;
    let jwks = scene.app.agent().get("/.well-known/jwks.json").await.expect(200).json();
    let keys = jwks["keys"].as_array().unwrap();
    assert_eq!(keys.len(), 3);
    let mut tim = scene.app.enter(scene.tim.user.clone()).await;
    for (typ, jwt) in scene.both() {
        // The public key as an HMAC secret, in whatever form it may be lying about.
        for key in keys {
            let mut secrets = vec![key.to_string().into_bytes(), jwks.to_string().into_bytes(), Vec::new()];
            for part in ["n", "x", "y"] {
                if let Some(text) = key[part].as_str() {
                    use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
                    secrets.push(text.as_bytes().to_vec());
                    secrets.push(URL_SAFE_NO_PAD.decode(text).unwrap());
                }
            }
            for secret in secrets {
                let header = json!({ "alg": "HS256", "typ": typ, "kid": key["kid"] });
                scene.refused(&hs256(&secret, &message(&header, &jwt.claims))).await;
            }
        }
    }
    // A good signature under the name of another algorithm or key.
    for rp in [&scene.rp, &es, &ed] {
        let tokens = rp.sign_in(&mut tim, "openid").await;
        for token in [tokens.access(), tokens.id()] {
            let jwt = Jwt::unverified(token);
            let signature = token.rsplit_once('.').unwrap().1;
            for alg in ["RS256", "RS384", "PS256", "ES256", "ES384", "ES256K", "EdDSA", "Ed25519", "HS256"] {
                for key in keys {
                    let mut header = jwt.header.clone();
                    header["alg"] = alg.into();
                    header["kid"] = key["kid"].clone();
                    if header == jwt.header {
                        continue;
                    }
                    scene.refused(&format!("{}.{signature}", message(&header, &jwt.claims))).await;
                }
            }
        }
        assert!(rp.is_alive(tokens.access()).await);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_027_a_key_id_is_looked_up_and_nothing_else() {
    let scene = Scene::new(json!({})).await;
    let forge = Forge::new("known-to-the-test");
    // As much as a form of a megabyte holds; more isn't read at all.
    let megabyte = "k".repeat(700_000);
    let kids = [
        json!("known-to-the-test"),
        json!("../../../../dev/null"),
        json!("/dev/null"),
        json!("file:///dev/null"),
        json!("http://127.0.0.1:9/key"),
        json!("' OR 1=1 --"),
        json!("x'; DROP TABLE signing_keys; --"),
        json!("a\u{0}b"),
        json!(""),
        json!(" "),
        json!("%s%n"),
        json!(null),
        json!(7),
        json!(["a"]),
        json!({ "a": 1 }),
        json!("k".repeat(5000)),
        json!(megabyte),
    ];
    for (typ, jwt) in scene.both() {
        for kid in &kids {
            let header = json!({ "alg": "EdDSA", "typ": typ, "kid": kid });
            scene.refused(&forge.token(&header, &jwt.claims)).await;
        }
        scene.refused(&forge.token(&json!({ "alg": "EdDSA", "typ": typ }), &jwt.claims)).await;
    }
    let planted = Forge::planted(&scene.app).await;
    let (typ, jwt) = &scene.both()[0];
    let header = json!({ "alg": "EdDSA", "typ": typ, "kid": planted.kid });
    scene.accepted_at_userinfo(&planted.token(&header, &jwt.claims)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_028_a_header_brings_no_key() {
    let scene = Scene::new(json!({})).await;
    let planted = Forge::planted(&scene.app).await;
    let evil = Forge::new("evil");
    // Nobody may call here.
    let trap = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    trap.set_nonblocking(true).unwrap();
    let url = format!("http://{}/jwks.json", trap.local_addr().unwrap());
    let extras = [
        json!({ "jwk": evil.jwk() }),
        json!({ "jku": url }),
        json!({ "x5u": url }),
        json!({ "x5c": ["MIIB"] }),
        json!({ "jku": url, "jwk": evil.jwk(), "x5u": url, "x5t": "x", "x5t#S256": "x" }),
    ];
    for (typ, jwt) in scene.both() {
        for extra in &extras {
            for kid in [json!("evil"), jwt.header["kid"].clone(), Value::Null] {
                let mut header = json!({ "alg": "EdDSA", "typ": typ, "kid": kid });
                header.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
                scene.refused(&evil.token(&header, &jwt.claims)).await;
            }
        }
        // What must be understood, and isn't, ends it: also with a good signature.
        for extra in [
            json!({ "crit": ["b64"], "b64": true }),
            json!({ "crit": ["exp"], "exp": 1 }),
            json!({ "crit": [] }),
            json!({ "crit": null }),
            json!({ "b64": false }),
        ] {
            let mut header = json!({ "alg": "EdDSA", "typ": typ, "kid": planted.kid });
            header.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
            scene.refused(&planted.token(&header, &jwt.claims)).await;
        }
    }
    assert_eq!(trap.accept().unwrap_err().kind(), std::io::ErrorKind::WouldBlock, "nothing was fetched");
    let (typ, jwt) = &scene.both()[0];
    let header = json!({ "alg": "EdDSA", "typ": typ, "kid": planted.kid, "jku": url });
    scene.accepted_at_userinfo(&planted.token(&header, &jwt.claims)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_029_each_kind_of_token_is_for_its_own_use() {
    let scene = Scene::new(json!({})).await;
    let planted = Forge::planted(&scene.app).await;
    let mut tim = scene.app.enter(scene.tim.user.clone()).await;
    let asking = scene.rp.asks("openid");
    let code = scene.rp.code(&mut tim, &asking).await;
    let session = scene.tim.agent.cookie("access_token").unwrap();
    let (access, id) = (scene.tokens.access(), scene.tokens.id());

    for token in [id, scene.tokens.refresh(), &code, &session] {
        scene.refused_at_userinfo(token).await;
    }
    for token in [access, id, &code, &session] {
        scene.rp.refresh(token).await.oauth_error(400, "invalid_grant");
    }
    for token in [access, scene.tokens.refresh(), &code, &session] {
        let hint = scene.tim.agent.post_form("/api/oidc/end-session", &[("id_token_hint", token)]).await;
        assert_eq!(hint.header("set-cookie"), None);
        let form = [
            ("grant_type", "authorization_code"),
            ("code", token),
            ("redirect_uri", &scene.rp.callback),
            ("code_verifier", &asking.verifier),
        ];
        if token != code {
            scene.rp.token(&form).await.oauth_error(400, "invalid_grant");
        }
    }
    // Neither opens the API, as a cookie or as a bearer.
    for token in [access, id, scene.tokens.refresh(), &code] {
        let stranger = scene.app.agent();
        stranger.set_cookie("access_token", token);
        stranger.get("/api/users/me").await.refused(401, "not_signed_in");
        let bearer = scene.app.agent().with_header("authorization", &format!("Bearer {token}"));
        bearer.get("/api/users/me").await.refused(401, "not_signed_in");
        let key = scene.app.agent().with_header("x-api-key", token);
        key.get("/api/users/me").await.refused(401, "not_signed_in");
    }
    // The claims of one under the type of another, well signed.
    let [(_, access), (_, id)] = scene.both();
    for typ in
        [json!("JWT"), json!("logout+jwt"), json!("at+JWS"), json!(""), json!(null), json!(1), json!("application/jwt")]
    {
        let header = json!({ "alg": "EdDSA", "kid": planted.kid, "typ": typ });
        scene.refused_at_userinfo(&planted.token(&header, &access.claims)).await;
    }
    for typ in [json!("at+jwt"), json!("logout+jwt"), json!(""), json!(null)] {
        let header = json!({ "alg": "EdDSA", "kid": planted.kid, "typ": typ });
        scene.refused(&planted.token(&header, &id.claims)).await;
    }
    let untyped = json!({ "alg": "EdDSA", "kid": planted.kid });
    scene.refused(&planted.token(&untyped, &access.claims)).await;
    for wrong in [json!("access-token"), json!("logout-token"), json!(null), json!(["id-token"])] {
        let mut claims = id.claims.clone();
        claims["type"] = wrong;
        let header = json!({ "alg": "EdDSA", "kid": planted.kid, "typ": "JWT" });
        scene.refused(&planted.token(&header, &claims)).await;
    }
    for typ in ["at+jwt", "AT+JWT", "application/at+jwt"] {
        let header = json!({ "alg": "EdDSA", "kid": planted.kid, "typ": typ });
        scene.accepted_at_userinfo(&planted.token(&header, &access.claims)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_030_registered_claims_are_there_and_right() {
    let scene = Scene::new(json!({})).await;
    let planted = Forge::planted(&scene.app).await;
    let now = scene.app.app().clock().now().secs();
    let absent = json!("absent");
    // Wrong in every token of ours.
    let always = [
        ("iss", json!("https://other.example")),
        ("iss", json!(format!("{}/", scene.app.url()))),
        ("iss", json!([scene.app.url()])),
        ("iss", absent.clone()),
        ("aud", absent.clone()),
        ("exp", absent.clone()),
        ("iat", absent.clone()),
        ("exp", json!("9999999999")),
        ("iat", json!("1")),
        ("exp", json!(-1)),
        ("exp", json!(9_223_372_036_854_775_808_u64)),
        ("exp", json!(1e300)),
        ("exp", json!(true)),
        ("exp", json!([now + 600])),
        ("iat", json!(now + 600)),
        ("nbf", json!(now + 600)),
        ("nbf", json!("0")),
        ("sub", absent.clone()),
        ("sub", json!(7)),
        ("aud", json!(7)),
        ("aud", json!([7])),
        ("aud", json!([])),
    ];
    for (typ, jwt) in scene.both() {
        let header = json!({ "alg": "EdDSA", "kid": planted.kid, "typ": typ });
        for (name, value) in &always {
            let mut claims = jwt.claims.clone();
            if *value == absent {
                _ = claims.as_object_mut().unwrap().remove(*name);
            } else {
                claims[*name] = value.clone();
            }
            scene.refused(&planted.token(&header, &claims)).await;
        }
        for junk in [json!(null), json!([]), json!("claims"), json!(7), json!({})] {
            scene.refused(&planted.token(&header, &junk)).await;
        }
    }
    // Wrong in an access token alone.
    let [(typ, access), _] = scene.both();
    let header = json!({ "alg": "EdDSA", "kid": planted.kid, "typ": typ });
    let others = [
        ("aud", json!([scene.rp.id])),
        ("aud", json!(["https://other.example"])),
        ("exp", json!(now - 1)),
        ("exp", json!(0)),
        ("jti", json!("unknown")),
        ("jti", absent.clone()),
        ("sub", json!("somebody-else")),
        ("scope", json!("email")),
        ("scope", absent.clone()),
        ("scope", json!(["openid"])),
    ];
    for (name, value) in others {
        let mut claims = access.claims.clone();
        if value == absent {
            _ = claims.as_object_mut().unwrap().remove(name);
        } else {
            claims[name] = value;
        }
        scene.refused_at_userinfo(&planted.token(&header, &claims)).await;
    }
    // Clocks may differ a little.
    let mut claims = access.claims.clone();
    claims["iat"] = json!(now + 20);
    claims["nbf"] = json!(now + 20);
    scene.accepted_at_userinfo(&planted.token(&header, &claims)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_031_an_ecdsa_signature_has_one_form() {
    use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
    let scene = Scene::new(json!({ "idTokenSignedResponseAlg": "ES256" })).await;
    for token in [scene.tokens.access(), scene.tokens.id()] {
        let (message, signature) = token.rsplit_once('.').unwrap();
        let good = URL_SAFE_NO_PAD.decode(signature).unwrap();
        let (r, s) = good.split_at(32);
        let mirrored = [r, &order_minus(s)].concat();
        let zero = [0; 32];
        let order = order_minus(&zero);
        for bad in [
            mirrored,
            [r, &zero[..]].concat(),
            [&zero[..], s].concat(),
            [0; 64].to_vec(),
            [&order[..], s].concat(),
            [r, &order[..]].concat(),
            [0xff; 64].to_vec(),
            good[..63].to_vec(),
            [&good[..], &[0]].concat(),
            [&[0], &good[..]].concat(),
        ] {
            scene.refused(&signed(message, &bad)).await;
        }
    }
    scene.accepted_at_userinfo(scene.tokens.access()).await;
}

/// The order of P-256 minus a number: the other `s` that makes a signature true.
fn order_minus(s: &[u8]) -> [u8; 32] {
    const ORDER: [u8; 32] = [
        0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xbc, 0xe6, 0xfa, 0xad,
        0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
    ];
    let mut out = [0; 32];
    let mut borrow = 0_i16;
    for i in (0..32).rev() {
        let digit = i16::from(ORDER[i]) - i16::from(s[i]) - borrow;
        borrow = i16::from(digit < 0);
        out[i] = u8::try_from(digit.rem_euclid(256)).unwrap();
    }
    out
}
