//! Use cases: one file each. A rule is a synchronous function of a transaction, the request's
//! [`Ctx`](pid_core::Ctx) and a typed input; it returns a typed outcome.
//!
//! Two kinds of "no": [`Error`] rolls the transaction back (faults and plain bad input); a refusal
//! that must leave a trace is part of the rule's `Ok` type and commits.

pub mod access;
pub mod api_keys;
pub mod apis;
pub mod application_images;
pub mod audit;
pub mod audit_stream;
pub mod authorize;
pub mod authorized_clients;
pub mod backchannel_logout;
pub mod budget;
pub mod change;
pub mod cimd;
pub mod claims;
pub mod client_auth;
pub mod client_input;
mod client_keys;
pub mod client_logos;
pub mod client_secrets;
pub mod clients;
pub mod declared;
pub mod device;
pub mod device_login;
pub mod diagnosis;
pub mod disown;
pub mod email_verification;
pub mod encryption_key;
pub mod end_session;
pub mod env;
pub mod error;
pub mod export;
pub mod forward_auth;
pub mod groups;
pub mod import;
pub mod interaction;
pub mod introspect;
pub mod keys;
pub mod ldap;
pub mod login_codes;
pub mod mail;
pub mod notices;
pub mod outbox;
pub mod par;
pub mod passkey_policy;
pub mod passkeys;
mod presented;
pub mod preview;
pub mod profile_pictures;
mod protocol;
mod resource;
pub mod restore;
pub mod revoke;
pub mod roles;
pub mod saying;
pub mod scim;
pub mod scope_words;
pub mod sessions;
pub mod settings;
pub mod setup;
pub mod sign_in_test;
pub mod sign_out;
pub mod signup;
pub mod signup_tokens;
pub mod token;
pub mod userinfo;
pub mod users;

pub use error::{Code, Error};
pub use saying::Saying;
