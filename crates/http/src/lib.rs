//! The HTTP edge: routes, middleware, extractors, the management API, the OpenID Connect endpoints and
//! the pages. Data flows one way: request → typed command → rule in one transaction → outcome → response.

pub mod api;
pub mod assets;
pub mod audit_stream;
pub mod cookies;
pub mod error;
pub mod extract;
pub mod health;
pub mod i18n;
pub mod json;
pub mod keys;
pub mod listen;
pub mod mail;
pub mod middleware;
pub mod oidc;
pub mod openapi;
pub mod outbox;
pub mod pages;
mod peer_keys;
pub mod router;
pub mod seen;
pub mod state;
mod waits;
