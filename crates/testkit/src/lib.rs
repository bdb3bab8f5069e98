//! Tools for tests: a software authenticator, real servers and a real browser.

pub mod apache;
pub mod authenticator;
pub mod chromium;
pub mod django;
pub mod jwt;
pub mod mmdb;
pub mod nextcloud;
pub mod oidc_agent;
pub mod pgbouncer;
pub mod postgres;
pub mod postgres_tls;
pub mod process;
pub mod program;
pub mod proxy;
pub mod s3;
pub mod slapd;
pub mod synapse;
