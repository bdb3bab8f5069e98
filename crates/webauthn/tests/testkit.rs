//! The software authenticator against the relying party: every algorithm, every kind of attestation, there and back.

use pid_testkit::authenticator::{ALGORITHMS, Attestation, Refusal, SoftAuthenticator};
use pid_webauthn::{AssertionResponse, RegistrationResponse, RelyingParty, assert, options, register};

const ORIGIN: &str = "https://id.example.org";
const USER: &[u8] = b"7c0a3f9e-95a5-4a9e-8f0e-0a3f6f7a4b11";

fn rp() -> RelyingParty<'static> {
    RelyingParty { id: "id.example.org", origins: &[ORIGIN], user_verification: true }
}

fn creation(challenge: &[u8]) -> serde_json::Value {
    options::creation(&options::Creation {
        rp_name: "Example",
        rp_id: "id.example.org",
        user_handle: USER,
        user_name: "tim",
        user_display_name: "Tim Cook",
        challenge,
        timeout_secs: 60,
        exclude: &[],
        attachment: None,
        user_verification: "required",
        wants_model: false,
    })
}

#[test]
fn every_algorithm_registers_and_signs_in() {
    for alg in ALGORITHMS {
        for attestation in [Attestation::None, Attestation::PackedSelf] {
            let mut passkey = SoftAuthenticator::new(alg);
            passkey.attestation(attestation.clone()).aaguid([7; 16]).counter(5);
            let posted = passkey.register(&creation(&[1; 32]), ORIGIN).to_string();
            let response = RegistrationResponse::parse(posted.as_bytes()).unwrap();
            let made = register::verify(&rp(), &[1; 32], &response).unwrap_or_else(|e| panic!("{alg}: {e}"));
            assert_eq!((made.alg(), made.sign_count()), (alg, 5));
            assert_eq!(made.aaguid(), "07070707-0707-0707-0707-070707070707");
            assert_eq!(made.attestation_format() == "none", attestation == Attestation::None);
            assert_eq!(made.transports(), ["internal", "hybrid"]);
            assert_eq!(passkey.credential_ids(), [made.credential_id()]);

            let posted =
                passkey.authenticate(&options::request("id.example.org", &[2; 32], 60, "required"), ORIGIN).to_string();
            let response = AssertionResponse::parse(posted.as_bytes()).unwrap();
            let stored = assert::StoredCredential {
                credential_id: made.credential_id(),
                public_key: made.public_key(),
                sign_count: made.sign_count(),
                backup_eligible: made.backup_eligible(),
                user_handle: USER,
            };
            let verified = assert::verify(&rp(), &[2; 32], &stored, &response).unwrap_or_else(|e| panic!("{alg}: {e}"));
            assert_eq!((verified.sign_count(), verified.counter_regressed()), (6, false));
        }
    }
}

#[test]
fn the_browser_refuses_what_browsers_refuse() {
    let mut passkey = SoftAuthenticator::new(-7);
    passkey.register(&creation(&[1; 32]), ORIGIN);
    let mut again = creation(&[1; 32]);
    let id = options::creation(&options::Creation {
        rp_name: "Example",
        rp_id: "id.example.org",
        user_handle: USER,
        user_name: "tim",
        user_display_name: "Tim Cook",
        challenge: &[1; 32],
        timeout_secs: 60,
        exclude: &[options::Descriptor { id: passkey.credential_ids()[0].clone(), transports: vec![] }],
        attachment: None,
        user_verification: "required",
        wants_model: false,
    });
    assert_eq!(passkey.try_register(&id, ORIGIN), Err(Refusal::Excluded));
    again["pubKeyCredParams"] = serde_json::json!([{ "type": "public-key", "alg": -8 }]);
    assert_eq!(passkey.try_register(&again, ORIGIN), Err(Refusal::NoAlgorithm));
    let elsewhere = options::request("example.net", &[2; 32], 60, "required");
    assert_eq!(passkey.try_authenticate(&elsewhere, ORIGIN), Err(Refusal::NoCredential));
    passkey.forget(&passkey.credential_ids()[0]);
    let here = options::request("id.example.org", &[2; 32], 60, "required");
    assert_eq!(passkey.try_authenticate(&here, ORIGIN), Err(Refusal::NoCredential));
}
