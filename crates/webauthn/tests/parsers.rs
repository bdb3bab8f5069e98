//! What comes from outside is read without a panic and within bounds, whatever it is.
#![allow(clippy::expect_used, reason = "a test may stop with a panic")]

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as B64;
use pid_testkit::authenticator::{ALGORITHMS, Attestation, SoftAuthenticator};
use pid_webauthn::{AssertionResponse, RegistrationResponse, RelyingParty, assert, options, register};
use proptest::prelude::*;
use serde_json::{Value, json};

#[global_allocator]
static PEAK: peak_alloc::PeakAlloc = peak_alloc::PeakAlloc;

const ID: &str = "id.example.org";
const ORIGIN: &str = "https://id.example.org";
const USER: &[u8] = b"7c0a3f9e-95a5-4a9e-8f0e-0a3f6f7a4b11";

fn rp() -> RelyingParty<'static> {
    RelyingParty { id: ID, origins: &[ORIGIN], user_verification: true }
}

fn creation() -> Value {
    options::creation(&options::Creation {
        rp_name: "Example",
        rp_id: ID,
        user_handle: USER,
        user_name: "tim",
        user_display_name: "Tim Cook",
        challenge: &[1; 32],
        timeout_secs: 60,
        exclude: &[],
        attachment: None,
        user_verification: "required",
        wants_model: false,
    })
}

fn client_data(ty: &str, challenge: u8) -> String {
    B64.encode(json!({ "type": ty, "challenge": B64.encode([challenge; 32]), "origin": ORIGIN }).to_string())
}

/// A registration with these bytes for an attestation object; the client data is in order.
fn register_with(id: &[u8], object: &[u8]) -> Result<register::Registered, String> {
    let posted = json!({
        "id": B64.encode(id), "rawId": B64.encode(id), "type": "public-key",
        "response": { "clientDataJSON": client_data("webauthn.create", 1), "attestationObject": B64.encode(object) },
    });
    let response = RegistrationResponse::parse(posted.to_string().as_bytes()).map_err(|e| e.to_string())?;
    register::verify(&rp(), &[1; 32], &response).map_err(|e| e.to_string())
}

/// A sign-in with these bytes for key, authenticator data and signature.
fn assert_with(key: &[u8], data: &[u8], signature: &[u8]) -> Result<assert::Verified, String> {
    let posted = json!({
        "id": "AQ", "rawId": "AQ", "type": "public-key",
        "response": {
            "clientDataJSON": client_data("webauthn.get", 2), "authenticatorData": B64.encode(data),
            "signature": B64.encode(signature), "userHandle": B64.encode(USER),
        },
    });
    let response = AssertionResponse::parse(posted.to_string().as_bytes()).map_err(|e| e.to_string())?;
    let stored = assert::StoredCredential {
        credential_id: &[1],
        public_key: key,
        sign_count: 0,
        backup_eligible: true,
        user_handle: USER,
    };
    assert::verify(&rp(), &[2; 32], &stored, &response).map_err(|e| e.to_string())
}

/// A good registration: its credential id and attestation object, the latter with the client data of [`client_data`]
/// since `none` signs nothing.
fn good(alg: i64) -> (Vec<u8>, Vec<u8>) {
    let mut passkey = SoftAuthenticator::new(alg);
    passkey.attestation(Attestation::None);
    let posted = passkey.register(&creation(), ORIGIN);
    let decode = |v: &Value| B64.decode(v.as_str().expect("text")).expect("base64url");
    (decode(&posted["rawId"]), decode(&posted["response"]["attestationObject"]))
}

#[test]
fn a_good_object_reads_back_and_no_part_of_it_does() {
    for alg in ALGORITHMS {
        let (id, object) = good(alg);
        let made = register_with(&id, &object).unwrap_or_else(|e| panic!("{alg}: {e}"));
        assert_eq!((made.alg(), made.credential_id()), (alg, id.as_slice()));
        for end in 0..object.len() {
            assert!(register_with(&id, &object[..end]).is_err(), "{alg}: the first {end} bytes");
        }
        assert!(register_with(&id, &[&object[..], &[0]].concat()).is_err(), "{alg}: a byte more");
        for end in 0..made.public_key().len() {
            let refused = assert_with(&made.public_key()[..end], &[0; 37], &[]);
            assert!(refused.is_err(), "{alg}: the key's first {end} bytes");
        }
    }
}

#[test]
fn lengths_and_depths_that_lie_cost_nothing() {
    let (id, object) = good(-7);
    register_with(&id, &object).unwrap();
    PEAK.reset_peak_usage();
    let before = PEAK.peak_usage_as_kb();
    // Byte strings, texts, arrays and maps that announce up to 2^64 - 1 members.
    for major in [0x40_u8, 0x60, 0x80, 0xa0] {
        for announced in [
            vec![major | 26, 0xff, 0xff, 0xff, 0xff],
            vec![major | 27, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
            vec![major | 27, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
            vec![major | 31],
        ] {
            assert!(register_with(&id, &announced).is_err());
            assert!(assert_with(&announced, &[0; 37], &[]).is_err());
        }
    }
    // Arrays in arrays, maps in maps, tags on tags.
    for opener in [&[0x81_u8][..], &[0xa1, 0x00], &[0xc0]] {
        assert!(register_with(&id, &opener.repeat(20_000)).is_err());
        assert!(assert_with(&opener.repeat(20_000), &[0; 37], &[]).is_err());
    }
    let grown = PEAK.peak_usage_as_kb() - before;
    assert!(grown < 4096.0, "{grown} KiB for objects of at most 40");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_bytes_panic(object in prop::collection::vec(any::<u8>(), 0..300), data in prop::collection::vec(any::<u8>(), 0..120)) {
        prop_assert!(register_with(&[1], &object).is_err());
        prop_assert!(assert_with(&object, &data, &data).is_err());
        let _ = RegistrationResponse::parse(&object);
        let _ = AssertionResponse::parse(&object);
    }

    #[test]
    fn no_bytes_within_a_good_object_panic(alg in 0..ALGORITHMS.len(), at: usize, bytes in prop::collection::vec(any::<u8>(), 1..20)) {
        // RSA keys take their time to be made.
        let alg = if ALGORITHMS[alg] == -8 { -8 } else { -7 };
        let (id, mut object) = good(alg);
        let at = at % object.len();
        let end = object.len().min(at + bytes.len());
        object.splice(at..end, bytes);
        // It may well be good still, as when the AAGUID was hit; then it is of the same passkey.
        if let Ok(made) = register_with(&id, &object) {
            prop_assert_eq!(made.credential_id(), id.as_slice());
        }
    }

    #[test]
    fn client_data_of_any_form_does_not_panic(text in ".{0,200}", bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        for client_data in [text.as_bytes(), bytes.as_slice()] {
            let posted = json!({
                "id": "AQ", "rawId": "AQ", "type": "public-key",
                "response": { "clientDataJSON": B64.encode(client_data), "attestationObject": "AA" },
            });
            let response = RegistrationResponse::parse(posted.to_string().as_bytes()).unwrap();
            prop_assert!(register::verify(&rp(), &[1; 32], &response).is_err());
        }
    }
}
