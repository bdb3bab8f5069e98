//! Authorization requests with a request object: the payload of an unsigned one is the input after a line break, the
//! rest of the query stands before it. Whatever they say together, an answer goes to a registered address or nowhere.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pid_oidc::Params;
use pid_oidc::authorize::{AuthorizationRequest, ClientView, Policy, Rejection};
use pid_oidc::claims_request::ClaimsRequest;
use pid_oidc::redirect_uri::{Pattern, Purpose};
use pid_oidc::request_object::{ObjectPolicy, RequestObject};
use pid_oidc::resource::UserScopes;
use url::Url;

const HEADER: &str = "eyJhbGciOiJub25lIn0";
const CALLBACK: &str = "https://app.example/cb";

fn base64url(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut out = String::new();
    for chunk in bytes.chunks(3) {
        let word = chunk.iter().fold(0_u32, |word, b| (word << 8) | u32::from(*b)) << (8 * (3 - chunk.len()));
        for place in 0..=chunk.len() {
            out.push(char::from(ALPHABET[(word >> (18 - 6 * place)) as usize & 63]));
        }
    }
    out
}

fuzz_target!(|data: &str| {
    let (query, payload) = data.split_once('\n').unwrap_or(("scope=openid", data));
    let token = format!("{HEADER}.{}.", base64url(payload.as_bytes()));
    let Ok(outer) = Params::parse(format!("client_id=app&request={token}&{query}")) else { return };
    let policy =
        ObjectPolicy { client_id: "app", issuer: "https://id.example", keys: None, allow_unsigned: true, now: 0 };
    let merged = match RequestObject::find(&outer) {
        Ok(Some(object)) => object.verify(&policy).and_then(|object| object.merge(&outer)),
        _ => return,
    };
    let Ok(merged) = merged else { return };
    assert_eq!(merged.first("client_id"), Some("app"), "an object never changes the client");
    if let Some(claims) = merged.first("claims") {
        let _ = ClaimsRequest::parse(claims);
    }
    let client = ClientView {
        id: "app".into(),
        redirect_uris: Pattern::parse_list(Purpose::Redirect, &[CALLBACK]).0,
        is_public: false,
        pkce_required: false,
        requires_reauthentication: false,
        skip_consent: false,
        allowed_groups: None,
        apis: Vec::new(),
    };
    let policy = Policy { allow_insecure_callbacks: false, allow_plain_pkce: false, user_scopes: UserScopes::default() };
    let Ok(request) = AuthorizationRequest::new(merged) else { return };
    // The host may be written in another case; it is the same address.
    let same = |uri: &str| Url::parse(uri).is_ok_and(|url| url.as_str() == CALLBACK);
    match request.validate(Some(&client), policy) {
        Ok(valid) => assert!(same(valid.redirect_uri.as_str())),
        Err(Rejection::Client(error)) => assert!(same(error.redirect_uri.as_str())),
        Err(Rejection::Page(_)) => {}
    }
});
