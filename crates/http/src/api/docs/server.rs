use crate::api::version::{CurrentVersion, LatestVersion};
use crate::doctor::FindingDto;
use crate::openapi::{Access, Operation};

fn op(id: &'static str, summary: &'static str) -> Operation {
    Operation::new("Server", id, summary)
}

pub fn current() -> Operation {
    op("getCurrentVersion", "Get the server's version")
        .about("`currentVersion` is the level of the API, which clients gate on.")
        .access(Access::User)
        .answers::<CurrentVersion>(200)
}

pub fn latest() -> Operation {
    op("getLatestVersion", "Get the latest version").access(Access::Public).answers::<LatestVersion>(200)
}

pub fn examine() -> Operation {
    op("examineServer", "Examine the server")
        .access(Access::Auditor)
        .about(
            "What `pocket-id doctor` and the page *System* say: address, proxy, database, clock, passkeys, keys, mail. \
             `code` is a stable word for what was found; the sentences are in the language of `Accept-Language`.",
        )
        .answers::<Vec<FindingDto>>(200)
}

pub fn document() -> Operation {
    op("getOpenApi", "Get this document")
        .access(Access::Public)
        .cached()
        .answers::<serde_json::Map<String, serde_json::Value>>(200)
}
