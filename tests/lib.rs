//! Tests of the whole program from outside; see the folders `api`, `oidc`, `security` and `browser`. What they share is
//! here: a server on its own data, agents (a browser without a screen), and people with a software passkey.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::missing_panics_doc, reason = "a test may stop with a panic")]

mod agent;
mod app;
mod backend;
mod data;
pub mod directory;
mod documents;
mod door;
mod mailbox;
mod people;
mod raw;
mod receiver;
mod relying_party;
mod scim_target;
mod sender;
mod signer;
pub mod upstream;

pub use agent::{Agent, Reply};
pub use app::{TestApp, on_postgres};
pub use backend::Backend;
pub use data::Fault;
pub use documents::Documents;
pub use door::Door;
pub use mailbox::Mailbox;
pub use people::Person;
pub use pid_testkit::jwt::Jwt;
pub use receiver::{Manner, Receiver};
pub use relying_party::{Asking, RelyingParty, Tokens};
pub use scim_target::{ScimCall, ScimFault, ScimTarget};
pub use sender::{Sender, Unsent};
pub use signer::{JWT_BEARER, Publisher, Signer, random, unsigned};

/// A picture: one red pixel.
pub const PNG: &[u8] = include_bytes!("pixel.png");
