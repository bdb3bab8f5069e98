//! The REST API through a listening server, on the engine that `TEST_ENGINE` names; files mirror the URL tree.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, reason = "a test may stop with a panic")]

mod access;
mod api_keys;
mod apis;
mod application_configuration;
mod application_images;
mod audit_logs;
mod audit_stream;
mod audited_writes;
mod authorized_clients;
mod custom_claims;
mod device_login;
mod errors;
mod generated_client;
mod mail;
mod oidc_client_logos;
mod oidc_clients;
mod one_time_access;
mod openapi;
mod profile_pictures;
mod samples;
mod schemathesis;
mod sessions;
mod setup;
mod signing_alg;
mod signup;
mod signup_tokens;
mod user_groups;
mod users;
mod users_me;
mod version;
mod versions;
mod webauthn;
