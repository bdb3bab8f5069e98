//! The management API: one file per resource (api.md).

pub mod api_keys;
pub mod apis;
pub mod application_configuration;
pub mod application_images;
pub mod audit_logs;
pub mod authorized_clients;
pub mod backchannel_logout;
pub mod custom_claims;
pub mod device_login;
pub(crate) mod docs;
pub mod dto;
pub mod email_verification;
pub mod oidc_clients;
pub mod one_time_access;
pub mod pictures;
pub mod profile_pictures;
mod remote_logos;
pub mod scim;
pub mod sessions;
pub mod signing_keys;
pub mod signup;
pub mod signup_tokens;
pub mod user_groups;
pub mod users;
pub mod version;
pub mod webauthn;
