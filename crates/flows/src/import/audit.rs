//! The audit log.

use std::collections::{BTreeMap, BTreeSet};

use pid_core::audit::Entry;
use pid_core::progress::Progress;
use pid_store::{WriteTx, audit_counts, import as store};
use pid_upstream::Data;

use super::people::People;
use super::report::Report;
use super::user;
use crate::Error;

pub(super) fn read(data: &Data, people: &People, report: &mut Report) -> Vec<Entry> {
    let names: BTreeMap<&str, &str> = people.users.iter().map(|u| (u.id.as_str(), u.username.as_str())).collect();
    let (mut out, mut seen) = (Vec::new(), BTreeSet::new());
    for row in data.rows("audit_logs") {
        let (Some(id), Some(created_at), Some(event)) =
            (row.some_text("id"), row.time("created_at"), row.some_text("event"))
        else {
            report.left(
                "These entries of the audit log have no id, moment or event.",
                row.text("id").unwrap_or_default(),
            );
            continue;
        };
        if !seen.insert((created_at, id.clone())) {
            report.left("These entries of the audit log are there twice; the first of them came.", id);
            continue;
        }
        let details = row.json("data").ok().flatten().unwrap_or_default();
        let details: BTreeMap<String, String> = details
            .as_object()
            .into_iter()
            .flatten()
            .filter(|(_, value)| !value.is_null())
            .map(|(key, value)| (key.clone(), value.as_str().map_or_else(|| value.to_string(), str::to_owned)))
            .collect();
        let person = row.some_text("user_id");
        out.push(Entry {
            username: person.as_deref().and_then(|id| names.get(id)).map(|name| (*name).to_owned()).unwrap_or_default(),
            actor_username: details.get("actorUsername").cloned().unwrap_or_default(),
            user_id: person.map(user),
            id,
            created_at,
            event,
            ip_address: row.text("ip_address").unwrap_or_default(),
            user_agent: row.text("user_agent").unwrap_or_default().chars().take(512).collect(),
            country: row.text("country").unwrap_or_default(),
            city: row.text("city").unwrap_or_default(),
            data: details,
        });
    }
    report.comes("entries of the audit log", out.len());
    out
}

pub(super) fn write(tx: &WriteTx<'_>, entries: &[Entry], progress: &Progress) -> Result<(), Error> {
    for entry in progress.each(entries) {
        store::add_audit_entry(tx, entry)?;
    }
    Ok(audit_counts::forget(tx)?)
}
