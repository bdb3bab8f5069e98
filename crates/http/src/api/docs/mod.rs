//! What the OpenAPI document says about each operation (api.md §12): its name in clients, who may call it, what it takes,
//! answers and refuses. One file per resource, as the handlers have them.

pub mod api_keys;
pub mod apis;
pub mod app_passwords;
pub mod application_configuration;
pub mod application_images;
pub mod audit_logs;
pub mod authorized_clients;
pub mod backchannel_logout;
pub mod custom_claims;
pub mod device;
pub mod device_login;
pub mod diagnoses;
pub mod disown;
pub mod email_verification;
pub mod interactions;
pub mod ldap;
pub mod notices;
pub mod oidc_clients;
pub mod one_time_access;
pub mod profile_pictures;
pub mod scim;
pub mod server;
pub mod sessions;
pub mod sign_in_test;
pub mod signing_keys;
pub mod signup;
pub mod signup_tokens;
pub mod user_groups;
pub mod users;
pub mod webauthn;

/// The types of pictures that are shown.
const PICTURES: &[&str] = &[
    "image/png",
    "image/jpeg",
    "image/webp",
    "image/gif",
    "image/svg+xml",
    "image/x-icon",
    "image/avif",
    "image/heic",
];
