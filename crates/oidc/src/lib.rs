//! OAuth 2.0 and OpenID Connect without I/O: wire types and pure decisions.
//!
//! Nothing here reads a clock, draws a random number, opens a store or signs. A module takes what a request
//! says and what the layers above know (small `…View` structs of plain data) and gives back a typed answer;
//! tokens leave as claims that `pid-jose` signs. So every rule of the protocol is tested in microseconds,
//! and a later grant or endpoint is a new file, not a change to these.
//!
//! | Module | Implements |
//! |---|---|
//! | [`params`], [`error`] | form and query parameters, error bodies (RFC 6749 §3, §5.2) |
//! | [`redirect_uri`], [`return_path`] | which addresses we may send a browser to |
//! | [`scope`], [`pkce`], [`client_auth`] | RFC 6749 §3.3, RFC 7636, RFC 6749 §2.3 |
//! | [`authorize`], [`response`] | the authorization endpoint (RFC 6749 §4.1, OpenID Connect Core §3.1.2, RFC 9207) |
//! | [`par`], [`request_object`] | requests that come another way (RFC 9126, RFC 9101) |
//! | [`resource`], [`client_credentials`] | APIs and tokens for them (RFC 8707, RFC 6749 §4.4) |
//! | [`device`] | the device authorization grant (RFC 8628) |
//! | [`dpop`], [`replay`] | tokens bound to a key, and what may be used once (RFC 9449) |
//! | [`introspect`], [`revoke`] | asking about tokens and giving them back (RFC 7662, RFC 7009) |
//! | [`claims_request`], [`consent`], [`acr`] | single claims, what a person agrees to, how surely they signed in (OpenID Connect Core §5.5) |
//! | [`named_scope`], [`claim_mapping`] | scopes and claims as an admin shapes them |
//! | [`client_assertion`] | clients and workloads that sign (RFC 7523) |
//! | [`token`], [`claims`], [`bearer`] | token endpoint, ID and access tokens, userinfo (RFC 9068, RFC 6750) |
//! | [`discovery`], [`logout`], [`backchannel_logout`] | metadata (RFC 8414), RP-initiated and back-channel logout |

pub mod acr;
pub mod authorize;
pub mod backchannel_logout;
pub mod bearer;
pub mod cimd;
pub mod claim_mapping;
pub mod claims;
pub mod claims_request;
pub mod client_assertion;
pub mod client_auth;
pub mod client_credentials;
pub mod consent;
pub mod device;
pub mod discovery;
pub mod dpop;
pub mod error;
pub mod introspect;
pub mod lifetimes;
pub mod logout;
pub mod named_scope;
pub mod par;
pub mod params;
pub mod pkce;
pub mod redirect_uri;
pub mod replay;
pub mod request_object;
pub mod resource;
pub mod response;
pub mod return_path;
pub mod revoke;
pub mod scope;
pub mod token;

pub use error::{ErrorCode, OAuthError};
pub use params::Params;
pub use scope::ScopeSet;
