use pid_flows::Code;

use crate::api::sign_in_test::SignInTestDto;
use crate::openapi::{Access, Operation};

pub fn test() -> Operation {
    Operation::new("OIDC clients", "testSignIn", "Test a sign-in to a client")
        .about("Walks the whole way of an app, as this person, and keeps nothing of it: nobody is signed in, nothing is agreed to.")
        .path("id", "The client's id.")
        .path("user", "The user's id.")
        .access(Access::Auditor)
        .query("scopes", "Scopes, separated by spaces; `openid profile email groups` if absent.", &[])
        .query("redirectUri", "Where the app returns to; the first callback URL without a star if absent.", &[])
        .query("addresses", "`true`: ask the app's own addresses for an answer, too.", &["true", "false"])
        .answers::<SignInTestDto>(200)
        .refuses(&[Code::UserNotFound])
}
