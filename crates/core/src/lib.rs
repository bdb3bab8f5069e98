//! Domain types: what the words of this house mean, with their invariants in the constructors.
//!
//! Nothing here reads a clock, a random source, a file or the network: times and randomness
//! come in as values ([`Timestamp`], [`Seed`]), so every rule can be tested in microseconds.

pub mod api_keys;
pub mod apis;
pub mod application_images;
pub mod audit;
pub mod claims;
pub mod clients;
pub mod codes;
pub mod ctx;
pub mod diagnosis;
pub mod entropy;
pub mod files;
pub mod forward_auth;
pub mod groups;
pub mod handle;
pub mod ids;
pub mod keys;
pub mod ldap;
pub mod list;
pub mod notices;
pub mod passkeys;
pub mod places;
pub mod progress;
pub mod roles;
pub mod scim;
pub mod secret;
pub mod sessions;
pub mod settings;
pub mod time;
pub mod users;
pub mod validate;

pub use ctx::Ctx;
pub use entropy::{Entropy, Seed};
pub use ids::{
    ApiId, ApiKeyId, ClientId, GrantId, GroupId, InteractionId, PasskeyId, PermissionId, SessionId, SignupTokenId,
    UserId,
};
pub use keys::KeyState;
pub use time::Timestamp;
pub use validate::{FieldCode, FieldError, Fields};
