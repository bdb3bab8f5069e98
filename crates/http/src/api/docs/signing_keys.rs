use pid_flows::Code;

use crate::api::signing_keys::{RotateBody, SigningKeyDto};
use crate::openapi::{Access, Operation};

fn op(id: &'static str, summary: &'static str) -> Operation {
    Operation::new("Signing keys", id, summary).path("kid", "The key's id, `kid` in the JWKS.")
}

pub fn list() -> Operation {
    op("listSigningKeys", "List signing keys").access(Access::Auditor).answers::<Vec<SigningKeyDto>>(200)
}

pub fn rotate() -> Operation {
    op("rotateSigningKey", "Rotate a signing key")
        .about("Publishes the next key, which signs after 24 hours, or at once with `now`.")
        .takes::<RotateBody>()
        .answers::<Vec<SigningKeyDto>>(200)
}

pub fn revoke() -> Operation {
    op("revokeSigningKey", "Revoke a signing key")
        .about("Ends the tokens that it signed.")
        .nothing(204)
        .refuses(&[Code::ValidationFailed])
}
