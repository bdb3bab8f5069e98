use std::collections::BTreeMap;

use pid_flows::Code;

use crate::api::ldap::{CheckDto, EntryDto, RunDto};
use crate::openapi::{Access, Columns, Operation};

fn op(id: &'static str, summary: &'static str) -> Operation {
    Operation::new("LDAP", id, summary)
}

pub fn sync() -> Operation {
    op("syncLdap", "Synchronise with the directory")
        .about("Takes people and groups over and answers when that is done. One entry that can't be taken over holds up none of the others: the run's report tells why. If more would go than `ldapRemovalLimitPercent` lets go, nothing is changed.")
        .nothing(204)
        .refuses(&[Code::LdapDisabled, Code::LdapFailed, Code::LdapSyncRunning, Code::LdapSyncStopped])
}

pub fn test() -> Operation {
    op("testLdap", "Try the directory out")
        .about("With these settings over those that are stored, and without saving them: connection, certificate, bind and both searches. A refusal says what the server said.")
        .takes::<BTreeMap<String, String>>()
        .answers::<CheckDto>(200)
        .refuses(&[Code::LdapFailed])
}

pub fn dry_run() -> Operation {
    op("tryLdapSync", "Look what a synchronisation would do")
        .about("With these settings over those that are stored, and without saving them. Nothing else is changed.")
        .takes::<BTreeMap<String, String>>()
        .answers::<RunDto>(200)
        .refuses(&[Code::LdapFailed, Code::LdapSyncRunning])
}

pub fn list() -> Operation {
    op("listLdapRuns", "List the latest synchronisations").access(Access::Auditor).answers::<Vec<RunDto>>(200)
}

pub fn get() -> Operation {
    op("getLdapRun", "Get a synchronisation")
        .access(Access::Auditor)
        .about("One that is under way tells how far it is.")
        .path("id", "The run's id.")
        .answers::<RunDto>(200)
        .refuses(&[Code::NotFound])
}

pub fn entries() -> Operation {
    op("listLdapRunEntries", "List what a synchronisation did")
        .access(Access::Auditor)
        .about("Of each action and kind the first thousand entries are kept; the counts are of all.")
        .path("id", "The run's id.")
        .lists::<EntryDto>(Columns { search: "", sort: &["number"], filters: &["action", "kind"] })
        .refuses(&[Code::NotFound])
}

pub fn confirm() -> Operation {
    op("confirmLdapRun", "Let a synchronisation go on that stopped")
        .about("The directory is read anew, and what that run stopped at may go: the same people, groups and memberships, by the same settings. If it is anything else by then, it stops again.")
        .path("id", "The run's id.")
        .answers::<RunDto>(200)
        .refuses(&[Code::NotFound, Code::LdapDisabled, Code::LdapFailed, Code::LdapSyncRunning, Code::LdapSyncStopped])
}
