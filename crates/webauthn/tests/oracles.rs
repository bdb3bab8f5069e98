//! Other people's code about the same ceremonies: 1Password's `passkey` as browser and authenticator, `passki` and
//! `webauthn-rs-core` as other relying parties.
#![allow(clippy::expect_used, reason = "a test may stop with a panic")]

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as B64;
use passkey::authenticator::{Authenticator, UiHint, UserCheck, UserValidationMethod};
use passkey::client::{Client, DefaultClientData};
use passkey::crypto::aws_lc_rs::AwsLcRsBackend;
use passkey::types::Passkey;
use passkey::types::ctap2::{Aaguid, Ctap2Error};
use pid_testkit::authenticator::{Attestation, SoftAuthenticator};
use pid_webauthn::assert::{AssertError, StoredCredential};
use pid_webauthn::register::{RegisterError, Registered};
use pid_webauthn::{
    AssertionResponse, AuthDataError, ClientDataError, RegistrationResponse, RelyingParty, assert, options, register,
};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::time::Duration;
use webauthn_rs_core::WebauthnCore;
use webauthn_rs_core::proto::{COSEAlgorithm, Credential, RegistrationState, UserVerificationPolicy};

const ID: &str = "id.example.org";
const ORIGIN: &str = "https://id.example.org";
const USER: &[u8] = b"7c0a3f9e-95a5-4a9e-8f0e-0a3f6f7a4b11";
const CREATE: &[u8] = &[1; 32];
const GET: &[u8] = &[2; 32];

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
        challenge: CREATE,
        timeout_secs: 60,
        exclude: &[],
        attachment: None,
        user_verification: "required",
        wants_model: false,
    })
}

fn request() -> Value {
    options::request(ID, GET, 60, "required")
}

fn our_registration(posted: &Value) -> Result<Registered, RegisterError> {
    registration_for(CREATE, posted)
}

fn registration_for(challenge: &[u8], posted: &Value) -> Result<Registered, RegisterError> {
    let response = RegistrationResponse::parse(posted.to_string().as_bytes()).expect("the form of a response");
    register::verify(&rp(), challenge, &response)
}

fn our_assertion(made: &Registered, posted: &Value) -> Result<assert::Verified, AssertError> {
    assertion_for(GET, made, posted)
}

fn assertion_for(challenge: &[u8], made: &Registered, posted: &Value) -> Result<assert::Verified, AssertError> {
    let response = AssertionResponse::parse(posted.to_string().as_bytes()).expect("the form of a response");
    let stored = StoredCredential {
        credential_id: made.credential_id(),
        public_key: made.public_key(),
        sign_count: made.sign_count(),
        backup_eligible: made.backup_eligible(),
        user_handle: USER,
    };
    assert::verify(&rp(), challenge, &stored, &response)
}

/// A person before 1Password's authenticator.
struct Person {
    verified: bool,
}

#[async_trait::async_trait]
impl UserValidationMethod for Person {
    type PasskeyItem = Passkey;

    async fn check_user<'a>(&self, _: UiHint<'a, Passkey>, _: bool, _: bool) -> Result<UserCheck, Ctap2Error> {
        Ok(UserCheck { presence: true, verification: self.verified })
    }

    fn is_presence_enabled(&self) -> bool {
        true
    }

    fn is_verification_enabled(&self) -> Option<bool> {
        Some(true)
    }
}

#[tokio::test]
async fn one_passwords_browser_and_authenticator_register_and_sign_in() {
    let aaguid = Aaguid::from([0xbb; 16]);
    let mut authenticator = Authenticator::new(aaguid, None::<Passkey>, Person { verified: true }, AwsLcRsBackend);
    authenticator.set_make_credentials_with_signature_counter(true);
    let mut browser = Client::new(authenticator);
    let origin = url::Url::parse(ORIGIN).unwrap();
    let options = serde_json::from_value(json!({ "publicKey": creation() })).expect("options that a browser reads");
    let credential = browser.register(&origin, options, DefaultClientData).await.unwrap();
    let made = our_registration(&serde_json::to_value(&credential).unwrap()).unwrap();
    assert_eq!(made.aaguid(), "bbbbbbbb-bbbb-bbbb-bbbb-bbbbbbbbbbbb");
    assert_eq!((made.alg(), made.attestation_format()), (-7, "none"));

    let mut last = made.sign_count();
    for _ in 0..3 {
        let options = serde_json::from_value(json!({ "publicKey": request() })).expect("options that a browser reads");
        let credential = browser.authenticate(&origin, options, DefaultClientData).await.unwrap();
        let posted = serde_json::to_value(&credential).unwrap();
        let verified = our_assertion(&made, &posted).unwrap();
        assert!(verified.sign_count() > last && !verified.counter_regressed());
        last = verified.sign_count();
        // The same for another person, another passkey and another address.
        let mut other = posted.clone();
        other["response"]["userHandle"] = B64.encode("somebody else").into();
        assert_eq!(our_assertion(&made, &other), Err(AssertError::UserHandle));
        let elsewhere = RelyingParty { id: ID, origins: &["https://id.example.net"], user_verification: true };
        let response = AssertionResponse::parse(posted.to_string().as_bytes()).unwrap();
        let stored = StoredCredential {
            credential_id: made.credential_id(),
            public_key: made.public_key(),
            sign_count: 0,
            backup_eligible: made.backup_eligible(),
            user_handle: USER,
        };
        assert!(matches!(assert::verify(&elsewhere, GET, &stored, &response), Err(AssertError::ClientData(_))));
    }
}

/// What another relying party says, with its words for a refusal.
struct Passki {
    rp: passki::Passki,
}

impl Passki {
    fn new() -> Self {
        Self { rp: passki::Passki::new(ID, &[ORIGIN], "Example") }
    }

    fn registration(&self, posted: &Value) -> Result<passki::StoredPasskey, String> {
        let state = json!({
            "challenge": CREATE, "user_verification": "required",
            "user": { "id": B64.encode(USER), "name": "tim", "displayName": "Tim Cook" },
        });
        let state = serde_json::from_value(state).expect("a state");
        let credential = serde_json::from_value(posted.clone()).map_err(|e| e.to_string())?;
        self.rp.finish_passkey_registration(&credential, &state).map_err(|e| e.to_string())
    }

    fn assertion(&self, stored: &passki::StoredPasskey, posted: &Value) -> Result<(), String> {
        let state = json!({
            "challenge": GET, "user_verification": "required", "allowed_credentials": [stored.credential_id],
        });
        let state = serde_json::from_value(state).expect("a state");
        let credential = serde_json::from_value(posted.clone()).map_err(|e| e.to_string())?;
        self.rp.finish_passkey_authentication(&credential, &state, stored).map(|_| ()).map_err(|e| e.to_string())
    }
}

/// What both relying parties know.
const SHARED: [i64; 5] = [-7, -35, -257, -258, -8];

/// A bit of a member of a posted response, turned.
fn flipped(posted: &Value, member: &str, at: usize) -> Value {
    let mut posted = posted.clone();
    let field = if member == "rawId" { &mut posted["rawId"] } else { &mut posted["response"][member] };
    let mut bytes = B64.decode(field.as_str().expect("text")).expect("base64url");
    let bit = at % (bytes.len() * 8);
    bytes[bit / 8] ^= 1 << (bit % 8);
    *field = B64.encode(&bytes).into();
    if member == "rawId" {
        posted["id"] = posted["rawId"].clone();
    }
    posted
}

/// Where we refuse what passki takes: it reads keys when they are first used, any CBOR where CTAP2 asks for its canonical form,
/// and takes a `none` statement that says something.
fn stricter_at_registration(error: RegisterError) -> bool {
    matches!(
        error,
        RegisterError::Key(_)
            | RegisterError::AuthData(AuthDataError::Malformed)
            | RegisterError::AttestationObject
            | RegisterError::Attestation
    )
}

#[test]
fn passki_agrees_on_good_responses() {
    let theirs = Passki::new();
    for alg in SHARED {
        for attestation in [Attestation::None, Attestation::PackedSelf] {
            let mut passkey = SoftAuthenticator::new(alg);
            passkey.attestation(attestation).aaguid([9; 16]).counter(7);
            let posted = passkey.register(&creation(), ORIGIN);
            let ours = our_registration(&posted).unwrap_or_else(|e| panic!("{alg}: {e}"));
            let stored = theirs.registration(&posted).unwrap_or_else(|e| panic!("{alg}: {e}"));
            assert_eq!(ours.credential_id(), stored.credential_id);
            assert_eq!(ours.public_key(), stored.public_key);
            assert_eq!((ours.alg(), ours.sign_count()), (i64::from(stored.algorithm), stored.counter));
            assert_eq!((ours.backup_eligible(), ours.backup_state()), (stored.be, stored.bs));
            let posted = passkey.authenticate(&request(), ORIGIN);
            our_assertion(&ours, &posted).unwrap_or_else(|e| panic!("{alg}: {e}"));
            theirs.assertion(&stored, &posted).unwrap_or_else(|e| panic!("{alg}: {e}"));
        }
    }
}

#[test]
fn passki_agrees_on_flags_and_counters() {
    let theirs = Passki::new();
    for flags in 0..16_u8 {
        let (up, uv, be, bs) = (flags & 1 != 0, flags & 2 != 0, flags & 4 != 0, flags & 8 != 0);
        let mut passkey = SoftAuthenticator::new(-7);
        passkey.user_present(up).user_verified(uv).backup_eligible(be).backup_state(bs);
        let posted = passkey.register(&creation(), ORIGIN);
        let ours = our_registration(&posted);
        let expected = match (up, uv, bs && !be) {
            (false, ..) => Err(AuthDataError::UserPresent),
            (_, false, _) => Err(AuthDataError::UserVerified),
            (.., true) => Err(AuthDataError::BackupFlags),
            _ => Ok((be, bs)),
        };
        assert_eq!(
            ours.as_ref().map(|m| (m.backup_eligible(), m.backup_state())).map_err(|e| *e),
            expected.map_err(RegisterError::from)
        );
        assert_eq!(theirs.registration(&posted).is_ok(), expected.is_ok(), "{flags:04b}");

        // The same at sign-in, for a passkey that was made as it should be.
        let mut passkey = SoftAuthenticator::new(-7);
        passkey.backup_eligible(be).backup_state(be);
        let posted = passkey.register(&creation(), ORIGIN);
        let (made, stored) = (our_registration(&posted).unwrap(), theirs.registration(&posted).unwrap());
        passkey.user_present(up).user_verified(uv).backup_state(bs);
        let posted = passkey.authenticate(&request(), ORIGIN);
        let ours = our_assertion(&made, &posted);
        assert_eq!(ours.is_ok(), expected.is_ok(), "{flags:04b}: {ours:?}");
        assert_eq!(theirs.assertion(&stored, &posted).is_ok(), expected.is_ok(), "{flags:04b}");
        // Eligibility never changes.
        if expected.is_ok() {
            passkey.backup_eligible(!be).backup_state(false);
            let posted = passkey.authenticate(&request(), ORIGIN);
            assert_eq!(our_assertion(&made, &posted), Err(AssertError::BackupEligibility));
        }
    }
    for (before, after) in [(0, 0), (0, 1), (5, 6), (5, 5), (5, 4), (5, 0)] {
        let mut passkey = SoftAuthenticator::new(-7);
        passkey.counter(before);
        let posted = passkey.register(&creation(), ORIGIN);
        let (made, stored) = (our_registration(&posted).unwrap(), theirs.registration(&posted).unwrap());
        passkey.counter(after);
        let posted = passkey.authenticate(&request(), ORIGIN);
        // We report what passki refuses: whether it matters is the caller's to say.
        let regressed = our_assertion(&made, &posted).unwrap().counter_regressed();
        assert_eq!(regressed, theirs.assertion(&stored, &posted).is_err(), "{before} → {after}");
        assert_eq!(regressed, after <= before && (before, after) != (0, 0));
    }
}

/// What Kanidm's relying party knows of ours.
const KANIDM: [i64; 3] = [-7, -35, -257];

fn kanidm() -> WebauthnCore {
    let origin = url::Url::parse(ORIGIN).expect("an origin");
    WebauthnCore::new_unsafe_experts_only("Example", ID, vec![origin], Duration::from_secs(60), None, None)
}

/// A registration for a challenge of Kanidm's, whose state comes with it.
fn for_kanidm(alg: i64, packed: bool) -> (SoftAuthenticator, RegistrationState, Vec<u8>, Value) {
    let kanidm = kanidm();
    let builder = kanidm
        .new_challenge_register_builder(USER, "tim", "Tim Cook")
        .expect("a person")
        .user_verification_policy(UserVerificationPolicy::Required)
        .credential_algorithms(COSEAlgorithm::all_possible_algs());
    let (options, state) = kanidm.generate_challenge_register(builder).expect("a challenge");
    let challenge: &[u8] = options.public_key.challenge.as_ref();
    let challenge = challenge.to_vec();
    let mut ours = creation();
    ours["challenge"] = B64.encode(&challenge).into();
    let mut passkey = SoftAuthenticator::new(alg);
    passkey.attestation(if packed { Attestation::PackedSelf } else { Attestation::None }).aaguid([9; 16]);
    let posted = passkey.register(&ours, ORIGIN);
    (passkey, state, challenge, posted)
}

fn kanidm_registration(state: &RegistrationState, posted: &Value) -> Result<Credential, String> {
    let posted = serde_json::from_value(posted.clone()).map_err(|e| e.to_string())?;
    kanidm().register_credential(&posted, state, None).map_err(|e| e.to_string())
}

/// A sign-in for a challenge of Kanidm's, with a bit of a member turned or none: what they say, and what we say.
fn both_assertions(
    passkey: &mut SoftAuthenticator,
    credential: Credential,
    made: &Registered,
    flip: Option<(&str, usize)>,
) -> (Result<(), String>, Result<(), AssertError>) {
    let kanidm = kanidm();
    let builder = kanidm.new_challenge_authenticate_builder(vec![credential], None).expect("a passkey");
    let (asked, state) = kanidm.generate_challenge_authenticate(builder).expect("a challenge");
    let challenge: &[u8] = asked.public_key.challenge.as_ref();
    let challenge = challenge.to_vec();
    let posted = passkey.authenticate(&options::request(ID, &challenge, 60, "required"), ORIGIN);
    let posted = flip.map_or(posted.clone(), |(member, at)| flipped(&posted, member, at));
    let theirs = serde_json::from_value(posted.clone()).map_err(|e| e.to_string());
    let theirs = theirs.and_then(|p| kanidm.authenticate_credential(&p, &state).map_err(|e| e.to_string()));
    (theirs.map(|_| ()), assertion_for(&challenge, made, &posted).map(|_| ()))
}

#[test]
fn kanidm_agrees_on_good_responses() {
    for (alg, packed) in KANIDM.into_iter().flat_map(|alg| [(alg, false), (alg, true)]) {
        let (mut passkey, state, challenge, posted) = for_kanidm(alg, packed);
        let made = registration_for(&challenge, &posted).unwrap_or_else(|e| panic!("{alg}: {e}"));
        let credential = kanidm_registration(&state, &posted).unwrap_or_else(|e| panic!("{alg}: {e}"));
        assert_eq!(made.credential_id(), credential.cred_id.as_ref() as &[u8]);
        assert_eq!(
            (made.backup_eligible(), made.backup_state()),
            (credential.backup_eligible, credential.backup_state)
        );
        let (theirs, ours) = both_assertions(&mut passkey, credential, &made, None);
        assert_eq!((theirs, ours), (Ok(()), Ok(())), "{alg}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn passki_agrees_on_changed_registrations(alg in 0..SHARED.len(), packed: bool, member in 0..3_usize, at: usize) {
        let mut passkey = SoftAuthenticator::new(if SHARED[alg] < -100 { -7 } else { SHARED[alg] });
        passkey.attestation(if packed { Attestation::PackedSelf } else { Attestation::None });
        let posted = passkey.register(&creation(), ORIGIN);
        let posted = flipped(&posted, ["clientDataJSON", "attestationObject", "rawId"][member], at);
        match (our_registration(&posted), Passki::new().registration(&posted)) {
            (Ok(_), Ok(_)) | (Err(_), Err(_)) => {}
            (Err(e), Ok(_)) => prop_assert!(stricter_at_registration(e), "only we refuse: {e}"),
            // A format that we don't know is named and proves nothing; passki refuses it.
            (Ok(made), Err(e)) => {
                let format = made.attestation_format();
                prop_assert!(!["none", "packed"].contains(&format), "only passki refuses: {e}");
            }
        }
    }

    #[test]
    fn passki_agrees_on_changed_assertions(alg in 0..SHARED.len(), member in 0..4_usize, at: usize) {
        let mut passkey = SoftAuthenticator::new(if SHARED[alg] < -100 { -7 } else { SHARED[alg] });
        let posted = passkey.register(&creation(), ORIGIN);
        let (made, stored) = (our_registration(&posted).unwrap(), Passki::new().registration(&posted).unwrap());
        let posted = passkey.authenticate(&request(), ORIGIN);
        let member = ["clientDataJSON", "authenticatorData", "signature", "rawId"][member];
        let posted = flipped(&posted, member, at);
        prop_assert!(our_assertion(&made, &posted).is_err(), "{member} was changed");
        prop_assert!(Passki::new().assertion(&stored, &posted).is_err(), "{member} was changed");
    }

    #[test]
    fn kanidm_agrees_on_changed_registrations(p384: bool, packed: bool, member in 0..3_usize, at: usize) {
        let (_, state, challenge, posted) = for_kanidm(if p384 { -35 } else { -7 }, packed);
        let posted = flipped(&posted, ["clientDataJSON", "attestationObject", "rawId"][member], at);
        match (registration_for(&challenge, &posted), kanidm_registration(&state, &posted)) {
            (Ok(_), Ok(_)) | (Err(_), Err(_)) => {}
            // Kanidm takes the credential id from the signed data alone, and an origin for what it is as a URL.
            (Err(e), Ok(_)) => {
                let stricter = stricter_at_registration(e)
                    || e == RegisterError::Credential
                    || e == RegisterError::ClientData(ClientDataError::Origin);
                prop_assert!(stricter, "only we refuse: {e}");
            }
            (Ok(made), Err(e)) => {
                let format = made.attestation_format();
                prop_assert!(!["none", "packed"].contains(&format), "only Kanidm refuses: {e}");
            }
        }
    }

    #[test]
    fn kanidm_agrees_on_changed_assertions(p384: bool, member in 0..4_usize, at: usize) {
        let (mut passkey, state, challenge, posted) = for_kanidm(if p384 { -35 } else { -7 }, false);
        let made = registration_for(&challenge, &posted).unwrap();
        let credential = kanidm_registration(&state, &posted).unwrap();
        let member = ["clientDataJSON", "authenticatorData", "signature", "rawId"][member];
        let (theirs, ours) = both_assertions(&mut passkey, credential, &made, Some((member, at)));
        prop_assert!(theirs.is_err() && ours.is_err(), "{member} was changed: {theirs:?}, {ours:?}");
    }
}
