use pid_flows::Code;

use crate::openapi::Operation;

fn op(id: &'static str, summary: &'static str) -> Operation {
    Operation::new("SCIM", id, summary)
        .path("id", "An id.")
        .about("This release provisions nobody: there is no provider.")
}

pub fn of_client() -> Operation {
    op("getScimProviderOfClient", "Get a client's SCIM provider").refuses(&[Code::NotFound])
}

pub fn create() -> Operation {
    op("createScimProvider", "Create a SCIM provider").refuses(&[Code::NotAvailable])
}

pub fn replace() -> Operation {
    op("replaceScimProvider", "Replace a SCIM provider").refuses(&[Code::NotFound])
}

pub fn delete() -> Operation {
    op("deleteScimProvider", "Delete a SCIM provider").refuses(&[Code::NotFound])
}

pub fn sync() -> Operation {
    op("syncScimProvider", "Provision at once").refuses(&[Code::NotFound])
}
