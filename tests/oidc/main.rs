//! OpenID Connect as relying parties see it, on the engine that `TEST_ENGINE` names.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, reason = "a test may stop with a panic")]

mod apache;
mod authlib;
mod authorize;
mod backchannel_logout;
mod cimd;
mod claims;
mod claims_parameter;
mod client_keys;
mod conformance;
mod device;
mod diagnosis;
mod discovery;
mod django;
mod dpop;
mod end_session;
mod giving_back;
mod interaction;
mod keys;
mod nextcloud;
mod oidc_agent;
mod openid_client;
mod openidconnect;
mod par;
mod prompts;
mod redirect_uris;
mod refresh;
mod replicas;
mod request_objects;
mod resources;
mod sign_in_test;
mod state_machine;
mod synapse;
mod token;
mod tokens;
mod userinfo;
