//! Where the server listens, who is in front of it, and whom it calls.

use std::net::IpAddr;

use ipnet::{IpNet, Ipv6Net};

use super::reader::{Reader, boolean};

pub(super) fn address(r: &mut Reader<'_>, name: &str) -> IpAddr {
    let text = r.text(name).unwrap_or_default();
    match text.as_str() {
        "localhost" => IpAddr::from([127, 0, 0, 1]),
        text => text.trim_start_matches('[').trim_end_matches(']').parse().unwrap_or_else(|_| {
            r.errors.push(format!("{name} must be an IP address, not \"{text}\"."));
            IpAddr::from([127, 0, 0, 1])
        }),
    }
}

/// Of the standard's exporters of metrics this one is here; what else is asked for is told, not an error.
pub(super) fn prometheus(r: &mut Reader<'_>) -> Option<std::net::SocketAddr> {
    let wanted = r.text("OTEL_METRICS_EXPORTER").unwrap_or_default();
    let host = address(r, "OTEL_EXPORTER_PROMETHEUS_HOST");
    let port = r.number("OTEL_EXPORTER_PROMETHEUS_PORT", "from 0 to 65535", |_: &u16| true);
    wanted.split(',').any(|one| one.trim() == "prometheus").then_some((host, port).into())
}

pub(super) fn socket_mode(r: &mut Reader<'_>) -> Option<u32> {
    let text = r.text("UNIX_SOCKET_MODE")?;
    let mode = u32::from_str_radix(&text, 8).ok().filter(|mode| *mode <= 0o777);
    if mode.is_none() {
        r.errors.push(format!("UNIX_SOCKET_MODE must be an octal number like 0660, not \"{text}\"."));
    }
    mode
}

/// Certificate and key, both as text or both as files.
pub(super) fn tls(r: &mut Reader<'_>) -> Option<pid_http::tls::Source> {
    use pid_http::tls::Source;
    let set = |name: &str| r.env.get(name).filter(|value| !value.is_empty()).cloned();
    // A variable is one line in many places.
    let inline = [set("TLS_CERT"), set("TLS_KEY")].map(|text| text.map(|text| text.replace("\\n", "\n")));
    let files = [set("TLS_CERT_FILE"), set("TLS_KEY_FILE")];
    let source = match (inline, files) {
        ([None, None], [None, None]) => return None,
        ([Some(certificate), Some(key)], [None, None]) => Source::Inline { certificate, key },
        ([None, None], [Some(certificate), Some(key)]) => {
            Source::Files { certificate: certificate.into(), key: key.into() }
        }
        _ => {
            r.errors.push(
                "Set TLS_CERT and TLS_KEY, or TLS_CERT_FILE and TLS_KEY_FILE: one pair, and both of it.".to_owned(),
            );
            return None;
        }
    };
    if let Err(error) = source.config() {
        r.errors.push(format!("TLS can't be set up: {error}."));
    }
    Some(source)
}

pub(super) fn peers(r: &mut Reader<'_>, name: &str) -> Vec<IpNet> {
    let text = r.text(name).unwrap_or_default();
    if let Some(all) = boolean(&text) {
        let everybody = [IpNet::default(), IpNet::V6(ipnet::Ipv6Net::default())];
        return if all { everybody.to_vec() } else { Vec::new() };
    }
    networks(r, name, &text, "true, false, or a list of IP addresses and CIDRs")
}

fn networks(r: &mut Reader<'_>, name: &str, text: &str, wanted: &str) -> Vec<IpNet> {
    let mut out = Vec::new();
    for entry in text.split(',').map(str::trim).filter(|e| !e.is_empty()) {
        match entry.parse::<IpNet>().or_else(|_| entry.parse::<IpAddr>().map(IpNet::from)) {
            Ok(net) => out.push(net),
            Err(_) => r.errors.push(format!("{name} must be {wanted}; \"{entry}\" is none.")),
        }
    }
    out
}

pub(super) fn local_ranges(r: &mut Reader<'_>) -> Vec<Ipv6Net> {
    let text = r.text("LOCAL_IPV6_RANGES").unwrap_or_default();
    let mut out = Vec::new();
    for entry in text.split(',').map(str::trim).filter(|e| !e.is_empty()) {
        match entry.parse() {
            Ok(net) => out.push(net),
            Err(_) => r.errors.push(format!("LOCAL_IPV6_RANGES must be a list of IPv6 CIDRs; \"{entry}\" is none.")),
        }
    }
    out
}

pub(super) fn targets(r: &mut Reader<'_>, name: &str) -> Vec<IpNet> {
    let text = r.text(name).unwrap_or_default();
    networks(r, name, &text, "a list of IP addresses and CIDRs")
}
