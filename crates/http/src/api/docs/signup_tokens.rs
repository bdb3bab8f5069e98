use crate::api::signup_tokens::{CreateBody, SignupTokenDto};
use crate::openapi::{Access, Columns, Operation};

fn op(id: &'static str, summary: &'static str) -> Operation {
    Operation::new("Sign-up tokens", id, summary).path("id", "The token's id.")
}

pub fn list() -> Operation {
    op("listSignupTokens", "List sign-up tokens")
        .access(Access::ManagerOrAuditor)
        .about("Those that have not expired, used-up ones included.")
        .lists::<SignupTokenDto>(Columns {
            search: "",
            sort: &["createdAt", "expiresAt", "usageLimit", "usageCount"],
            filters: &[],
        })
}

pub fn create() -> Operation {
    op("createSignupToken", "Create a sign-up token")
        .access(Access::Manager)
        .about("Who has it may sign up, whatever the configuration says about signing up.")
        .takes::<CreateBody>()
        .answers::<SignupTokenDto>(201)
}

pub fn delete() -> Operation {
    op("deleteSignupToken", "Delete a sign-up token")
        .access(Access::Manager)
        .about("One that isn't there is gone already.")
        .nothing(204)
}
