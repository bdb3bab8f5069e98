//! Databases of places in MaxMind's format (MaxMind DB File Format Specification 2.0), small ones for tests.
#![allow(clippy::expect_used, reason = "a test may stop with a panic")]

use std::net::{IpAddr, Ipv6Addr};

/// A child of a node of the search tree.
#[derive(Clone, Copy)]
enum Child {
    Nothing,
    Node(usize),
    /// Where the data is, in the data section.
    Data(usize),
}

/// A database of cities that knows these networks: address, bits of it that count, country and city, which may be empty.
///
/// # Panics
/// For a name of more than 28 bytes, or too many networks for records of 24 bits.
#[must_use]
pub fn cities(networks: &[(&str, u8, &str, &str)]) -> Vec<u8> {
    let mut nodes = vec![[Child::Nothing; 2]];
    let mut data = Vec::new();
    for (address, bits, country, city) in networks {
        let (address, bits) = match address.parse().expect("an address") {
            // IPv4 lies at ::/96.
            IpAddr::V4(v4) => (u128::from(u32::from(v4)), bits + 96),
            IpAddr::V6(v6) => (Ipv6Addr::to_bits(v6), *bits),
        };
        let offset = data.len();
        place(&mut data, country, city);
        let mut node = 0;
        for depth in 0..bits {
            let side = usize::from((address >> (127 - depth)) & 1 == 1);
            if depth + 1 == bits {
                nodes[node][side] = Child::Data(offset);
            } else if let Child::Node(next) = nodes[node][side] {
                node = next;
            } else {
                nodes.push([Child::Nothing; 2]);
                let next = nodes.len() - 1;
                nodes[node][side] = Child::Node(next);
                node = next;
            }
        }
    }
    let count = nodes.len();
    let mut file = Vec::new();
    for child in nodes.into_iter().flatten() {
        let record = match child {
            Child::Nothing => count,
            Child::Node(node) => node,
            Child::Data(offset) => count + 16 + offset,
        };
        let bytes = u32::try_from(record).expect("a small tree").to_be_bytes();
        assert_eq!(bytes[0], 0, "a record has 24 bits");
        file.extend_from_slice(&bytes[1..]);
    }
    file.extend_from_slice(&[0; 16]);
    file.extend(data);
    file.extend_from_slice(b"\xab\xcd\xefMaxMind.com");
    metadata(&mut file, count);
    file
}

fn place(out: &mut Vec<u8>, country: &str, city: &str) {
    let named = [("country", country), ("city", city)];
    let named: Vec<_> = named.into_iter().filter(|(_, name)| !name.is_empty()).collect();
    map(out, named.len());
    for (what, name) in named {
        text(out, what);
        map(out, 1);
        text(out, "names");
        map(out, 1);
        text(out, "en");
        text(out, name);
    }
}

fn metadata(out: &mut Vec<u8>, node_count: usize) {
    map(out, 9);
    for (name, number) in [
        ("binary_format_major_version", 2_u16),
        ("binary_format_minor_version", 0),
        ("ip_version", 6),
        ("record_size", 24),
    ] {
        text(out, name);
        out.push(5 << 5 | 2);
        out.extend_from_slice(&number.to_be_bytes());
    }
    text(out, "node_count");
    out.push(6 << 5 | 4);
    out.extend_from_slice(&u32::try_from(node_count).expect("a small tree").to_be_bytes());
    text(out, "build_epoch");
    out.extend_from_slice(&[8, 2]);
    out.extend_from_slice(&1_750_000_000_u64.to_be_bytes());
    text(out, "database_type");
    text(out, "GeoLite2-City");
    text(out, "description");
    map(out, 1);
    text(out, "en");
    text(out, "for tests");
    text(out, "languages");
    out.extend_from_slice(&[1, 4]);
    text(out, "en");
}

fn map(out: &mut Vec<u8>, pairs: usize) {
    out.push(7 << 5 | u8::try_from(pairs).expect("a small map"));
}

fn text(out: &mut Vec<u8>, text: &str) {
    assert!(text.len() < 29, "a short text");
    out.push(2 << 5 | u8::try_from(text.len()).expect("a short text"));
    out.extend_from_slice(text.as_bytes());
}
