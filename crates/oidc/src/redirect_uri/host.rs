//! The host of a registered entry.

use std::net::{Ipv4Addr, Ipv6Addr};

use url::{Host, Url};

use super::glob::{Glob, Stars};
use super::pattern::PatternError;

/// A text with or without stars.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Text {
    Is(String),
    Like(Glob),
}

impl Text {
    pub(super) fn new(text: String, stars: Stars) -> Self {
        if text.contains('*') { Self::Like(Glob::new(&text, stars)) } else { Self::Is(text) }
    }

    pub(super) fn fits(&self, text: &str) -> bool {
        match self {
            Self::Is(own) => own == text,
            Self::Like(glob) => glob.matches(text.as_bytes()),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum HostPattern {
    /// No host, as in `app:/callback` and `app:///callback`.
    Absent,
    Is(String),
    /// Stars that reach over dots: an entry with the legacy mark. `written`: labels behind the last star.
    Loose {
        glob: Glob,
        written: usize,
    },
    /// Label by label; `only_ipv4` when all that is written are numbers, so that `10.0.0.*` is not `10.0.0.dev`.
    Labels {
        labels: Vec<Text>,
        only_ipv4: bool,
    },
}

impl HostPattern {
    pub(super) const fn is_literal(&self) -> bool {
        matches!(self, Self::Is(_))
    }

    pub(super) fn fits(&self, url: &Url, host: &str) -> bool {
        match self {
            Self::Absent => host.is_empty(),
            Self::Is(own) => own == host,
            Self::Loose { glob, .. } => {
                !host.is_empty() && !matches!(url.host(), Some(Host::Ipv6(_))) && glob.matches(host.as_bytes())
            }
            Self::Labels { labels, only_ipv4 } => {
                let is_ipv4 = host.parse::<Ipv4Addr>().is_ok();
                if matches!(url.host(), Some(Host::Ipv6(_))) || (*only_ipv4 && !is_ipv4) {
                    return false;
                }
                let mut given = host.split('.');
                labels.iter().all(|label| given.next().is_some_and(|text| !text.is_empty() && label.fits(text)))
                    && given.next().is_none()
            }
        }
    }

    /// Whether it has a star that could reach over dots.
    pub(super) const fn has_star(&self) -> bool {
        matches!(self, Self::Labels { only_ipv4: false, .. } | Self::Loose { .. })
    }

    /// How many labels are written out where it counts for whose host it is: behind the last star of a name, before the
    /// first one of an IPv4 address. `None` for what is no pattern of hosts.
    pub(super) fn written(&self) -> Option<usize> {
        let is = |label: &&Text| matches!(label, Text::Is(_));
        match self {
            Self::Loose { written, .. } => Some(*written),
            Self::Labels { labels, only_ipv4: true } => Some(labels.iter().take_while(is).count()),
            Self::Labels { labels, only_ipv4: false } => Some(labels.iter().rev().take_while(is).count()),
            Self::Absent | Self::Is(_) => None,
        }
    }
}

/// Takes the port off.
pub(super) fn split_port(host_port: &str) -> Result<(&str, Option<&str>), PatternError> {
    if host_port.starts_with('[') {
        let end = host_port.find(']').ok_or(PatternError::Host)? + 1;
        let (host, port) = host_port.split_at(end);
        return match port.strip_prefix(':') {
            Some(port) => Ok((host, Some(port))),
            None if port.is_empty() => Ok((host, None)),
            None => Err(PatternError::Host),
        };
    }
    Ok(host_port.split_once(':').map_or((host_port, None), |(host, port)| (host, Some(port))))
}

/// Reads the host of an entry. `legacy`: its stars reach over dots, but for those of an IPv4 address.
pub(super) fn parse_host(host: &str, domain_rules: bool, legacy: bool) -> Result<HostPattern, PatternError> {
    if host.is_empty() {
        return Ok(HostPattern::Absent);
    }
    if let Some(inner) = host.strip_prefix('[') {
        let ip: Ipv6Addr = inner.strip_suffix(']').and_then(|ip| ip.parse().ok()).ok_or(PatternError::Host)?;
        return Ok(HostPattern::Is(Host::<String>::Ipv6(ip).to_string()));
    }
    if host.contains("**") {
        return Err(PatternError::HostDeep);
    }
    if host.split('.').any(str::is_empty) && domain_rules {
        return Err(PatternError::Host);
    }
    if !host.contains('*') {
        if domain_rules {
            if host.contains('%') {
                return Err(PatternError::Host);
            }
            let parsed = Host::parse(host).map_err(|_| PatternError::Host)?;
            // 0x7f.1 and 127.1 are the same machine, but only one spelling is accepted.
            if matches!(&parsed, Host::Ipv4(ip) if ip.to_string() != host) {
                return Err(PatternError::Host);
            }
            return Ok(HostPattern::Is(parsed.to_string()));
        }
        return Host::parse_opaque(host).map(|h| HostPattern::Is(h.to_string())).map_err(|_| PatternError::Host);
    }
    let mut labels = Vec::new();
    let mut numbers = 0;
    for label in host.split('.') {
        let valid = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '*');
        let label = if label.is_ascii() && label.chars().all(valid) {
            if domain_rules { label.to_ascii_lowercase() } else { label.to_owned() }
        } else if !label.contains('*') && domain_rules {
            match Host::parse(label) {
                Ok(Host::Domain(label)) if !label.contains('.') => label,
                _ => return Err(PatternError::Host),
            }
        } else {
            return Err(PatternError::Host);
        };
        numbers += usize::from(label.bytes().all(|b| b.is_ascii_digit() || b == b'*'));
        labels.push(label);
    }
    let only_ipv4 = labels.len() == 4 && numbers == 4 && labels.iter().any(|label| label != "*");
    if legacy && !only_ipv4 {
        let written = labels.iter().rev().take_while(|label| !label.contains('*')).count();
        return Ok(HostPattern::Loose { glob: Glob::new(&labels.join("."), Stars::Plain), written });
    }
    let labels = labels.into_iter().map(|label| Text::new(label, Stars::Plain)).collect();
    Ok(HostPattern::Labels { labels, only_ipv4 })
}

#[cfg(test)]
mod tests {
    use crate::redirect_uri::{Pattern, Purpose, matches};

    #[test]
    fn a_legacy_mark_lets_stars_in_hosts_reach_over_dots() {
        let entries = ["https://*.example.com/cb", "https://app*.example.org/cb", "https://*.other.com/cb"];
        let legacy = [entries[0].to_owned(), entries[1].to_owned(), "https://gone.example".to_owned()];
        let (patterns, bad) = Pattern::parse_marked(Purpose::Redirect, &entries, &legacy);
        assert!(bad.is_empty() && patterns.iter().all(Pattern::has_host_star));
        for (requested, expected) in [
            ("https://a.example.com/cb", true),
            ("https://A.b.example.com/cb", true),
            ("https://app.x.example.org/cb", true),
            ("https://app.example.org/cb", true),
            ("https://a.other.com/cb", true),
            ("https://a.b.other.com/cb", false),
            ("https://example.com/cb", false),
            ("https://a.b.example.com:8443/cb", false),
            ("https://a.b.example.com/cb/x", false),
            ("https://user@a.example.com/cb", false),
            ("https://a.b.example.com.evil.com/cb", false),
            ("https://[::1]/cb", false),
        ] {
            assert_eq!(matches(&patterns, requested, true).is_ok(), expected, "{requested}");
        }
    }

    #[test]
    fn wide_and_path_less_entries_are_told() {
        for (entry, wide, path_less) in [
            ("*", true, false),
            ("https://*", true, true),
            ("https://*.com/cb", true, false),
            ("*://example.com/cb", true, false),
            ("https://*.example.com/cb", false, false),
            ("https://app.example.*/cb", true, false),
            ("https://my.ex*le.com/cb", true, false),
            ("https://10.0.0.*/cb", false, false),
            ("https://*.0.0.1/cb", true, false),
            ("https://example.com", false, true),
            ("https://example.com?x=*", false, true),
            ("https://example.com/", false, false),
            ("http://localhost", false, false),
            ("app://cb", false, true),
        ] {
            let pattern = Pattern::parse(entry).unwrap();
            assert_eq!((pattern.is_wide(), pattern.is_path_less()), (wide, path_less), "{entry}");
        }
    }
}
