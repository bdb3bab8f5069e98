//! The management API: one file per resource (api.md).

pub mod dto;
pub mod one_time_access;
pub mod signup;
pub mod webauthn;
