use pid_flows::Code;
use pid_flows::api_keys::{ApiKeyInput, ApiKeyWords};

use crate::api::api_keys::{ApiKeyDto, NewApiKeyDto, RenewBody};
use crate::openapi::{Access, Columns, Operation};

fn op(id: &'static str, summary: &'static str) -> Operation {
    Operation::new("API keys", id, summary).access(Access::User).path("id", "The key's id.")
}

pub fn list() -> Operation {
    op("listApiKeys", "List the caller's API keys").lists::<ApiKeyDto>(Columns {
        search: "",
        sort: &["createdAt", "name", "expiresAt", "lastUsedAt"],
        filters: &[],
    })
}

pub fn create() -> Operation {
    op("createApiKey", "Create an API key")
        .about("The token is shown this once. Scopes limit the key; without any it may do what its owner may.")
        .access(Access::Session)
        .takes::<ApiKeyInput>()
        .answers::<NewApiKeyDto>(201)
        .refuses(&[Code::InvalidApiKeyExpiration])
}

pub fn get() -> Operation {
    op("getApiKey", "Get one of the caller's API keys")
        .about("Its `ETag` guards what is done with it.")
        .answers::<ApiKeyDto>(200)
        .versioned()
        .refuses(&[Code::ApiKeyNotFound])
}

pub fn patch() -> Operation {
    op("updateApiKey", "Change an API key's name or description")
        .about("What it may do and its end stay.")
        .patches::<ApiKeyWords>()
        .answers::<ApiKeyDto>(200)
        .guarded()
        .refuses(&[Code::ApiKeyNotFound])
}

pub fn renew() -> Operation {
    op("renewApiKey", "Renew an expired API key")
        .about("Gives it a new token and a new end.")
        .access(Access::Session)
        .takes::<RenewBody>()
        .answers::<NewApiKeyDto>(200)
        .refuses(&[Code::InvalidApiKeyExpiration, Code::ApiKeyNotFound, Code::ApiKeyNotExpired])
}

pub fn delete() -> Operation {
    op("deleteApiKey", "Delete an API key")
        .about("At once.")
        .nothing(204)
        .conditional()
        .refuses(&[Code::ApiKeyNotFound])
}
