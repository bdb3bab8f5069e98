use pid_flows::Code;

use crate::api::sessions::SessionDto;
use crate::openapi::{Access, Operation};

fn op(id: &'static str, summary: &'static str) -> Operation {
    Operation::new("Sessions", id, summary).path("id", "The session's id.").path("session", "The session's id.")
}

fn of_user(id: &'static str, summary: &'static str) -> Operation {
    Operation::new("Sessions", id, summary)
        .path("id", "The user's id.")
        .path("session", "The session's id.")
        .refuses(&[Code::UserNotFound])
}

pub fn list_own() -> Operation {
    op("listSessions", "List where the caller is signed in").access(Access::User).answers::<Vec<SessionDto>>(200)
}

pub fn remove_others() -> Operation {
    op("endOtherSessions", "Sign out everywhere else").access(Access::User).nothing(204)
}

pub fn remove_own() -> Operation {
    op("endSession", "Sign out one of the caller's sessions").access(Access::User).nothing(204)
}

pub fn list_of() -> Operation {
    of_user("listSessionsOfUser", "List where a user is signed in")
        .access(Access::ManagerOrAuditor)
        .answers::<Vec<SessionDto>>(200)
}

pub fn remove_all_of() -> Operation {
    of_user("endSessionsOfUser", "Sign a user out everywhere").access(Access::Manager).nothing(204)
}

pub fn remove_of() -> Operation {
    of_user("endSessionOfUser", "Sign out one of a user's sessions").access(Access::Manager).nothing(204)
}
