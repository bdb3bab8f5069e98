//! Tools for tests: a software authenticator, real servers and a real browser.

pub mod apache;
pub mod authenticator;
pub mod chromium;
pub mod django;
pub mod jwt;
pub mod nextcloud;
pub mod oidc_agent;
pub mod postgres;
pub mod process;
pub mod program;
pub mod synapse;
