//! Which addresses may be called, by who named them (design.md §6, security case 79).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

/// Who named a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NamedBy {
    /// An administrator, by page or API key. Private and loopback addresses are theirs to name.
    Admin,
    /// Anybody else: a document, a token, a redirect to another host. Only public addresses.
    Outsider,
}

/// Decides by address. Names never count: what is compared is what would be connected to.
#[derive(Clone, Debug, Default)]
pub struct Guard {
    /// `ALLOWED_PRIVATE_TARGETS`: may be called whatever they are and whoever named them.
    pub allowed: Vec<IpNet>,
    /// `DENIED_TARGETS`: never called; stronger than `allowed`.
    pub denied: Vec<IpNet>,
    /// `LOCAL_IPV6_RANGES`: somebody's own network although the addresses are public.
    pub local: Vec<IpNet>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Reach {
    Public,
    /// Private, loopback, shared, reserved for documentation: somebody's own network.
    Private,
    /// Link-local, instance metadata, multicast, unspecified: nobody means these.
    Never,
}

impl Guard {
    /// Whether an address may be connected to.
    pub fn permits(&self, address: IpAddr, named_by: NamedBy) -> bool {
        let address = address.to_canonical();
        let forms: Vec<IpAddr> = [Some(address), embedded(address).map(IpAddr::V4)].into_iter().flatten().collect();
        let within = |nets: &[IpNet]| forms.iter().any(|ip| nets.iter().any(|net| net.contains(ip)));
        if within(&self.denied) {
            return false;
        }
        if within(&self.allowed) {
            return true;
        }
        let own = within(&self.local).then_some(Reach::Private);
        match forms.iter().map(|ip| reach(*ip)).chain(own).max() {
            Some(Reach::Public) => true,
            Some(Reach::Private) => named_by == NamedBy::Admin,
            Some(Reach::Never) | None => false,
        }
    }
}

fn reach(address: IpAddr) -> Reach {
    match address {
        IpAddr::V4(v4) => reach_v4(v4),
        IpAddr::V6(v6) => reach_v6(v6),
    }
}

/// Metadata services that lie outside the link-local range: Azure's wire server, Alibaba, Oracle.
const METADATA_V4: [Ipv4Addr; 3] =
    [Ipv4Addr::new(168, 63, 129, 16), Ipv4Addr::new(100, 100, 100, 200), Ipv4Addr::new(192, 0, 0, 192)];
/// Metadata services in unique local ranges: Amazon, Google.
const METADATA_V6: [Ipv6Addr; 2] =
    [Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254), Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254)];

fn reach_v4(ip: Ipv4Addr) -> Reach {
    let [a, b, c, _] = ip.octets();
    if METADATA_V4.contains(&ip) || a == 0 || a >= 224 || ip.is_link_local() {
        return Reach::Never;
    }
    let shared = a == 100 && (64..128).contains(&b);
    let special = (a == 192 && b == 0 && c == 0) || ip.is_documentation() || (a == 198 && (18..20).contains(&b));
    if ip.is_private() || ip.is_loopback() || shared || special { Reach::Private } else { Reach::Public }
}

fn reach_v6(ip: Ipv6Addr) -> Reach {
    if METADATA_V6.contains(&ip) || ip.is_unspecified() || ip.is_multicast() || ip.is_unicast_link_local() {
        return Reach::Never;
    }
    let [a, b, ..] = ip.segments();
    let documentation = a == 0x2001 && b == 0xdb8;
    // Global unicast is 2000::/3; an address that carries another one is judged by that as well.
    let public = (a & 0xe000) == 0x2000 || embedded(IpAddr::V6(ip)).is_some();
    if public && !documentation { Reach::Public } else { Reach::Private }
}

/// The IPv4 address that a translating or tunnelling IPv6 address leads to: NAT64 (RFC 6052), 6to4 (RFC 3056), Teredo
/// (RFC 4380), and the old IPv4-compatible form.
fn embedded(address: IpAddr) -> Option<Ipv4Addr> {
    let IpAddr::V6(ip) = address else { return None };
    let s = ip.segments();
    let v4 = |high: u16, low: u16| Ipv4Addr::from((u32::from(high) << 16) | u32::from(low));
    match s {
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] | [0x64, 0xff9b, 1, _, _, _, high, low] => Some(v4(high, low)),
        [0x2002, high, low, ..] => Some(v4(high, low)),
        [0x2001, 0, .., high, low] => Some(v4(!high, !low)),
        [0, 0, 0, 0, 0, 0, high, low] if high != 0 => Some(v4(high, low)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn case_079_the_table_of_targets() {
        let guard = Guard::default();
        for public in ["93.184.216.34", "1.1.1.1", "2606:4700::1111", "64:ff9b::101:101", "2002:101:101::1"] {
            assert!(guard.permits(ip(public), NamedBy::Outsider), "{public}");
            assert!(guard.permits(ip(public), NamedBy::Admin), "{public}");
        }
        for private in [
            "127.0.0.1",
            "127.255.255.254",
            "10.0.0.1",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "100.64.0.1",
            "192.0.2.1",
            "198.18.0.1",
            "::1",
            "fd00::8",
            "fc00::1",
            "::ffff:127.0.0.1",
            "::ffff:10.1.2.3",
            "::127.0.0.1",
            "64:ff9b::7f00:1",
            "2002:7f00:1::1",
            "2001:db8::1",
            // Teredo writes the address inverted.
            "2001:0:4136:e378:8000:63bf:80ff:fffe",
        ] {
            assert!(!guard.permits(ip(private), NamedBy::Outsider), "{private}");
            assert!(guard.permits(ip(private), NamedBy::Admin), "{private}");
        }
        for never in [
            "0.0.0.0",
            "0.1.2.3",
            "169.254.0.1",
            "169.254.169.254",
            "168.63.129.16",
            "100.100.100.200",
            "192.0.0.192",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "fe80::1",
            "ff02::1",
            "fd00:ec2::254",
            "::ffff:169.254.169.254",
            "64:ff9b::a9fe:a9fe",
            "2002:a9fe:a9fe::1",
        ] {
            assert!(!guard.permits(ip(never), NamedBy::Outsider), "{never}");
            assert!(!guard.permits(ip(never), NamedBy::Admin), "{never}");
        }
    }

    #[test]
    fn case_079_lists_override_and_denied_is_stronger() {
        let net = |text: &str| text.parse::<IpNet>().unwrap();
        let guard = Guard {
            allowed: vec![net("10.1.0.0/16"), net("169.254.20.10/32")],
            denied: vec![net("10.1.2.0/24"), net("203.0.112.0/24")],
            local: vec![net("2606:4700::/32")],
        };
        assert!(guard.permits(ip("2606:4700::1"), NamedBy::Admin));
        assert!(!guard.permits(ip("2606:4700::1"), NamedBy::Outsider), "an own network with public addresses");
        for named_by in [NamedBy::Admin, NamedBy::Outsider] {
            assert!(guard.permits(ip("10.1.1.1"), named_by));
            assert!(guard.permits(ip("::ffff:10.1.1.1"), named_by));
            assert!(guard.permits(ip("169.254.20.10"), named_by));
            assert!(!guard.permits(ip("10.1.2.3"), named_by));
            assert!(!guard.permits(ip("64:ff9b::a01:203"), named_by), "the embedded address is denied");
            assert!(!guard.permits(ip("203.0.112.9"), named_by));
        }
        assert!(!guard.permits(ip("10.2.0.1"), NamedBy::Outsider));
    }
}
