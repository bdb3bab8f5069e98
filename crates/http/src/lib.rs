//! The HTTP edge: routes, middleware, extractors, the management API, the OpenID Connect endpoints and
//! the pages. Data flows one way: request → typed command → rule in one transaction → outcome → response.

pub mod api;
pub mod assets;
pub mod audit_stream;
pub mod cookies;
mod diagnosis;
pub mod doctor;
pub mod error;
pub mod extract;
pub mod files;
pub mod health;
pub mod i18n;
pub mod json;
pub mod keys;
pub mod ldap;
pub mod listen;
pub mod mail;
pub mod metrics;
pub mod middleware;
pub mod oidc;
pub mod openapi;
pub mod outbox;
pub mod pages;
mod peer_keys;
mod proxy_protocol;
pub mod router;
pub mod scim;
pub mod seen;
pub mod state;
pub mod tls;
mod waits;
mod well_known;
