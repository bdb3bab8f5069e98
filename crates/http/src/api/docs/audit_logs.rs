use std::collections::BTreeMap;

use crate::api::audit_logs::{AuditLogDto, StreamDto};
use crate::openapi::{Access, Columns, Operation};

fn op(id: &'static str, summary: &'static str) -> Operation {
    Operation::new("Audit log", id, summary)
}

const SORT: &[&str] = &["createdAt", "event", "ipAddress", "country", "city", "userAgent"];

pub fn list_own() -> Operation {
    op("listOwnAuditLog", "List the caller's own entries").access(Access::User).lists::<AuditLogDto>(Columns {
        search: "",
        sort: SORT,
        filters: &["event"],
    })
}

pub fn list_all() -> Operation {
    op("listAuditLog", "List everybody's entries").access(Access::Auditor).lists::<AuditLogDto>(Columns {
        search: "username, event, client name or address, among the latest 50,000 entries; the latest 2,000 that match are found",
        sort: SORT,
        filters: &["event", "userID", "clientName", "location"],
    })
}

pub fn export() -> Operation {
    op("exportAuditLog", "Export all entries")
        .access(Access::Auditor)
        .about("The oldest first. What a spreadsheet would run as a formula is made harmless in CSV.")
        .query("format", "The form.", &["csv", "ndjson"])
        .file(&["text/csv", "application/x-ndjson"])
}

pub fn client_names() -> Operation {
    op("listClientNamesOfAuditLog", "List the clients that entries speak of")
        .access(Access::Auditor)
        .answers::<Vec<String>>(200)
}

pub fn users() -> Operation {
    op("listUsersOfAuditLog", "List the users that entries speak of")
        .access(Access::Auditor)
        .about("Usernames by id.")
        .answers::<BTreeMap<String, String>>(200)
}

pub fn stream_status() -> Operation {
    op("getAuditStream", "Get how the stream of the audit log goes")
        .access(Access::Auditor)
        .about("The stream to a webhook or a syslog server that the setting `auditStreamUrl` names.")
        .answers::<StreamDto>(200)
}
