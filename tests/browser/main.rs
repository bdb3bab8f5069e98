//! A real Chromium with a virtual authenticator, and a real Apache as the application.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, reason = "a test may stop with a panic")]

mod account;
mod admin_clients;
mod admin_users;
mod api_keys;
mod apis;
mod audit_log;
mod client_claims;
mod device;
mod device_login;
mod images;
mod interaction;
mod looks;
mod mail;
mod relying_party;
mod sign_in;
mod signup;
mod stage;
mod walk;
mod ways;
mod weight;
