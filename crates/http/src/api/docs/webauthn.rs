use pid_flows::Code;

use crate::api::dto::{RedirectDto, UserDto};
use crate::api::webauthn::{PasskeyDto, Rename};
use crate::openapi::{Access, Operation};

fn op(id: &'static str, summary: &'static str) -> Operation {
    Operation::new("Passkeys", id, summary).path("id", "The passkey's id.").path("credential", "The passkey's id.")
}

const CEREMONY: &[Code] = &[
    Code::MissingSessionId,
    Code::InvalidWebauthnSession,
    Code::InvalidWebauthnResponse,
    Code::PasskeyUserVerificationRequired,
];

/// What a policy refuses that holds for passkeys that exist, too.
const POLICY: &[Code] = &[Code::SyncedPasskeyNotAllowed, Code::PasskeyNotAllowed];

pub fn register_start() -> Operation {
    op("startRegistration", "Begin to register a passkey")
        .about("Answers with creation options (WebAuthn L3 §5.4) and the ceremony's cookie.")
        .access(Access::Session)
        .answers::<serde_json::Map<String, serde_json::Value>>(200)
        .refuses(&[Code::ReauthenticationRequired, Code::Forbidden])
}

pub fn register_finish() -> Operation {
    op("finishRegistration", "Register a passkey")
        .access(Access::Session)
        .of_browser()
        .takes_credential()
        .answers::<PasskeyDto>(200)
        .refuses(CEREMONY)
        .refuses(&[
            Code::SyncedPasskeyNotAllowed,
            Code::PasskeyNotAllowed,
            Code::PasskeyAlreadyRegistered,
            Code::ReauthenticationRequired,
            Code::Forbidden,
        ])
}

pub fn login_start() -> Operation {
    op("startLogin", "Begin to sign in with a passkey")
        .about("Answers with request options (WebAuthn L3 §5.5) and the ceremony's cookie.")
        .access(Access::Public)
        .answers::<serde_json::Map<String, serde_json::Value>>(200)
}

pub fn login_finish() -> Operation {
    op("finishLogin", "Sign in with a passkey")
        .about("Answers with the session's cookie.")
        .access(Access::Public)
        .of_browser()
        .query("interaction", "The interaction that the sign-in is for.", &[])
        .takes_credential()
        .answers::<UserDto>(200)
        .refuses(CEREMONY)
        .about(
            "Of an unknown passkey `details.reason` says `unknown_credential`: the browser may be told to forget it.",
        )
        .refuses(&[Code::WebauthnAuthenticationFailed, Code::UserDisabled])
        .refuses(POLICY)
}

pub fn reauthenticate() -> Operation {
    op("reauthenticate", "Prove again who is there")
        .about("With a passkey; without a body the session itself counts for a minute after a sign-in by passkey. Answers with the proof's cookie.")
        .access(Access::Session)
        .of_browser()
        .takes_credential()
        .nothing(204)
        .refuses(CEREMONY)
        .refuses(&[Code::WebauthnAuthenticationFailed, Code::ReauthenticationRequired])
        .refuses(POLICY)
}

pub fn logout() -> Operation {
    op("logout", "Sign out")
        .about(
            "Ends the session here and at its clients. Answers 200 where a client's wish to be returned to is granted.",
        )
        .access(Access::User)
        .query("client_id", "The client that asks.", &[])
        .query("post_logout_redirect_uri", "Where it wants to be returned to.", &[])
        .query("state", "What it wants to get back.", &[])
        .nothing(204)
        .answers::<RedirectDto>(200)
}

pub fn list_own() -> Operation {
    op("listPasskeys", "List the caller's passkeys").access(Access::User).answers::<Vec<PasskeyDto>>(200)
}

pub fn get_own() -> Operation {
    op("getPasskey", "Get one of the caller's passkeys").access(Access::User).answers::<PasskeyDto>(200).versioned()
}

pub fn rename() -> Operation {
    op("renamePasskey", "Rename a passkey")
        .access(Access::Session)
        .takes::<Rename>()
        .answers::<PasskeyDto>(200)
        .guarded()
        .refuses(&[Code::ReauthenticationRequired, Code::Forbidden])
}

pub fn delete_own() -> Operation {
    op("deletePasskey", "Delete a passkey")
        .access(Access::Session)
        .nothing(204)
        .conditional()
        .refuses(&[Code::ReauthenticationRequired, Code::Forbidden])
}

pub fn list_of() -> Operation {
    op("listPasskeysOfUser", "List a user's passkeys")
        .access(Access::ManagerOrAuditor)
        .path("id", "The user's id.")
        .answers::<Vec<PasskeyDto>>(200)
        .refuses(&[Code::UserNotFound])
}

pub fn delete_of() -> Operation {
    op("deletePasskeyOfUser", "Delete a user's passkey")
        .access(Access::Manager)
        .nothing(204)
        .conditional()
        .refuses(&[Code::UserNotFound, Code::LastAdmin])
}
