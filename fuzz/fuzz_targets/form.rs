//! Form bodies of the protocol's endpoints: the first line is an `Authorization` header, the rest the form.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pid_oidc::client_auth::Credentials;
use pid_oidc::client_credentials::ClientCredentialsRequest;
use pid_oidc::device::{DeviceRequest, DeviceTokenRequest, UserCode};
use pid_oidc::introspect::IntrospectionRequest;
use pid_oidc::resource::Resource;
use pid_oidc::revoke::RevocationRequest;
use pid_oidc::token::TokenRequest;
use pid_oidc::{Params, ScopeSet, bearer, par};

fuzz_target!(|data: &[u8]| {
    let cut = data.iter().position(|b| *b == b'\n').unwrap_or(0);
    let header = std::str::from_utf8(&data[..cut]).ok();
    let Ok(form) = Params::parse(&data[cut..]) else { return };
    for (name, _) in form.iter() {
        if form.is_repeated(name) {
            assert!(form.get(name).is_err(), "two values are never one");
        }
    }
    let _ = Credentials::read(header, &form);
    let _ = bearer::extract(header, Some(&form), None);
    let _ = TokenRequest::parse(&form);
    let _ = ClientCredentialsRequest::parse(&form);
    let _ = DeviceRequest::parse(&form, "app", false);
    let _ = DeviceTokenRequest::parse(&form);
    let _ = IntrospectionRequest::parse(&form);
    let _ = RevocationRequest::parse(&form);
    let _ = par::Reference::read(&form);
    if let Ok(pushed) = par::pushed(&form, "app") {
        assert_eq!(pushed.get("client_id"), Ok(Some("app")));
        assert!(pushed.iter().all(|(name, _)| name != "client_secret" && name != "client_assertion"));
    }
    for (_, value) in form.iter() {
        if let Ok(resource) = Resource::parse(value) {
            assert_eq!(Resource::parse(resource.as_str()).as_ref(), Ok(&resource));
        }
        if let Some(code) = UserCode::parse(value) {
            assert_eq!(UserCode::parse(code.as_str()).as_ref(), Some(&code));
        }
        if let Ok(scopes) = ScopeSet::parse(value) {
            assert_eq!(ScopeSet::parse(&scopes.to_string()).as_ref(), Ok(&scopes));
        }
    }
});
