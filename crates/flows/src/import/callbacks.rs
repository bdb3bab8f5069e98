//! Callback entries: what matched there still matches here, although our matcher is stricter (oidc.md §7).
//!
//! * An entry without a path takes any path there: `/**` comes beside it.
//! * A star in a host reaches over dots there: the entry gets the legacy mark.
//! * A fragment is cut off there: the entry comes without it.
//!
//! What was open by a fault there stays closed, and is told: user names before the host, and what a star in a path
//! swallowed.

use pid_oidc::redirect_uri::{Pattern, Purpose};

use super::report::Report;

/// Entries as they come.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Carried {
    pub entries: Vec<String>,
    /// Those of them with the legacy mark.
    pub legacy: Vec<String>,
}

/// Carries a list over. `whose` is the client's name, for the report.
pub(super) fn carry(purpose: Purpose, list: Vec<String>, whose: &str, report: &mut Report) -> Carried {
    let mut out = Carried::default();
    for entry in list {
        let bare = entry.split('#').next().unwrap_or_default().to_owned();
        let entry = if bare.len() < entry.len() && Pattern::parse_for(purpose, &bare).is_ok() { bare } else { entry };
        let pattern = match Pattern::parse_for(purpose, &entry) {
            Ok(pattern) => pattern,
            Err(why) => {
                let text = "These callback entries are kept but match nothing here. Replace them by literal addresses.";
                report.look(text, format!("{whose}: {entry} ({why})"));
                add(&mut out.entries, entry);
                continue;
            }
        };
        if pattern.is_wide() {
            let text = "These callback entries let in addresses of hosts of anybody. Narrow them as soon as you can.";
            report.look(text, format!("{whose}: {entry}"));
        }
        if swallows(&entry) {
            let text =
                "A star in the path of these entries matched more there than is written, by a fault. It does not here.";
            report.look(text, format!("{whose}: {entry}"));
        }
        let beside = pattern.is_path_less().then(|| with_any_path(&entry));
        if let Some(beside) = &beside {
            report.look(
                "These callback entries have no path, which meant any path. That is written out now.",
                format!("{whose}: {beside}"),
            );
        }
        for entry in [Some(entry), beside].into_iter().flatten() {
            if pattern.has_host_star() {
                let text =
                    "The star in the host of these entries reaches over dots, as it did there (a legacy wildcard).";
                report.look(text, format!("{whose}: {entry}"));
                add(&mut out.legacy, entry.clone());
            }
            add(&mut out.entries, entry);
        }
    }
    out
}

fn add(list: &mut Vec<String>, entry: String) {
    if !list.contains(&entry) {
        list.push(entry);
    }
}

/// The same entry with any path.
fn with_any_path(entry: &str) -> String {
    match entry.split_once('?') {
        Some((before, query)) => format!("{before}/**?{query}"),
        None => format!("{entry}/**"),
    }
}

/// Whether a single star in the path is followed by a letter, digit or underscore, which it swallowed there.
fn swallows(entry: &str) -> bool {
    let before_query = entry.split('?').next().unwrap_or_default();
    let after_scheme = before_query.split_once("://").map_or(before_query, |(_, rest)| rest);
    let path = after_scheme.split_once('/').map_or("", |(_, path)| path).as_bytes();
    path.iter().enumerate().any(|(at, byte)| {
        let next = path.get(at + 1).copied().unwrap_or_default();
        let alone = at == 0 || path[at - 1] != b'*';
        *byte == b'*' && alone && (next.is_ascii_alphanumeric() || next == b'_')
    })
}

#[cfg(test)]
mod tests {
    use pid_oidc::redirect_uri::matches;

    use super::*;

    fn carried(entries: &[&str]) -> (Carried, String) {
        let mut report = Report::default();
        let list = entries.iter().map(|entry| (*entry).to_owned()).collect();
        let out = carry(Purpose::Redirect, list, "App", &mut report);
        (out, report.to_string())
    }

    fn fits(entry: &str, requested: &str) -> bool {
        let (out, _) = carried(&[entry]);
        let patterns = Pattern::parse_marked(Purpose::Redirect, &out.entries, &out.legacy).0;
        matches(&patterns, requested, true).is_ok()
    }

    /// The rows of oidc.md §7.2 that match there, but for those that are faults.
    #[test]
    fn what_matched_there_matches_here() {
        for (entry, requested) in [
            ("https://*.example.com/cb", "https://a.example.com/cb"),
            ("https://*.example.com/cb", "https://a.b.example.com/cb"),
            ("https://app*.example.com/cb", "https://app.evil.example.com/cb"),
            ("https://*/cb", "https://localhost/cb"),
            ("https://*/cb", "https://a.b.c/cb"),
            ("https://*", "https://evil.com/a/b"),
            ("https://example.com", "https://example.com/any/path"),
            ("https://example.com", "https://example.com/"),
            ("https://example.com", "https://example.com"),
            ("https://example.com?x=*", "https://example.com/any?x=1"),
            ("https://example.com:8080", "https://example.com:8080/any"),
            ("https://example.com/", "https://example.com"),
            ("https://example.com/*-callback", "https://example.com/oauth-callback"),
            ("https://ex*le.com/cb", "https://example.com/cb"),
            ("http://127.0.0.1:*", "http://127.0.0.1:5555/x"),
            ("https://example.com/**", "https://example.com/a/b"),
            ("https://example.com:*/cb", "https://example.com:8443/cb"),
            ("http://localhost:*/cb", "http://localhost:99/cb"),
            ("*://example.com/cb", "myapp://example.com/cb"),
            ("app://cb", "app://cb/x"),
            ("app.immich:///oauth-callback", "app.immich:///oauth-callback"),
            ("com.example.app:/oauth/*", "com.example.app:/oauth/cb"),
            ("https://example.com/cb?a=*", "https://example.com/cb?a="),
            ("https://user:*@example.com/cb", "https://user:pw@example.com/cb"),
            ("https://example.com/cb#part", "https://example.com/cb"),
            ("https://10.0.0.*/cb", "https://10.0.0.7/cb"),
            ("*", "https://anything.example/x"),
        ] {
            assert!(fits(entry, requested), "{entry} {requested}");
        }
        for (entry, requested) in [
            ("https://*.example.com/cb", "https://example.com/cb"),
            ("https://*.example.com/cb", "https://a.example.com:8443/cb"),
            ("https://example.com", "https://example.com/any?x=1"),
            ("https://example.com", "https://example.com:8080/any"),
            ("https://example.com", "https://user@example.com/any"),
            ("https://example.com", "https://example.com.evil.com/any"),
            ("https://ex*le.com/cb", "https://exevil.com/cb"),
            ("https://10.0.0.*/cb", "https://10.0.0.evil.com/cb"),
        ] {
            assert!(!fits(entry, requested), "{entry} {requested}");
        }
    }

    #[test]
    fn what_should_be_looked_at_is_told() {
        let list =
            ["https://*.example.com", "*", "https://a.example/o*callback", "https://a.example/([a-z]+)/cb", "/cb"];
        let (out, report) = carried(&list);
        assert_eq!(out.entries[..2], ["https://*.example.com", "https://*.example.com/**"]);
        assert_eq!(out.legacy, ["https://*.example.com", "https://*.example.com/**"]);
        assert!(list.iter().all(|entry| out.entries.iter().any(|kept| kept == entry)), "nothing is lost");
        for part in ["anybody", "App: *\n", "legacy wildcard", "by a fault", "o*callback", "match nothing", "([a-z]+)"]
        {
            assert!(report.contains(part), "{part}: {report}");
        }
        assert_eq!(carried(&["https://a.example/cb", "https://a.example/cb"]).0.entries.len(), 1);
        assert!(carried(&["https://app.example.*/cb"]).1.contains("anybody"));
        assert!(carried(&["https://10.0.0.*/cb"]).0.legacy.is_empty());
    }
}
