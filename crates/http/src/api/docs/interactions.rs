use pid_flows::Code;

use crate::oidc::interactions::{Complete, Completed, InteractionDto};
use crate::openapi::{Access, Operation};

fn op(id: &'static str, summary: &'static str) -> Operation {
    Operation::new("Interactions", id, summary)
        .about("Bound to the browser by the cookie that `/authorize` set.")
        .access(Access::Public)
        .of_browser()
        .path("id", "The interaction's id.")
}

pub fn get() -> Operation {
    op("getInteraction", "Get what an app asks for").answers::<InteractionDto>(200)
}

pub fn complete() -> Operation {
    op("completeInteraction", "Complete a step").takes::<Complete>().answers::<Completed>(200).refuses(&[
        Code::NotSignedIn,
        Code::UserDisabled,
        Code::ReauthenticationRequired,
        Code::OidcAccessDenied,
        Code::LimitedSession,
        Code::ApiKeyAuthNotAllowed,
    ])
}
