//! Where an address is, in words (api.md §10.1).

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

/// The country of whoever is in a network of our own.
pub const INTERNAL: &str = "Internal Network";

/// A place; empty where nothing is known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// The country's English name, or [`INTERNAL`].
    pub country: String,
    /// The city's English name, or the kind of network.
    pub city: String,
}

impl Place {
    /// A network of our own.
    #[must_use]
    pub fn internal(kind: &str) -> Self {
        Self { country: INTERNAL.to_owned(), city: kind.to_owned() }
    }
}

/// The place of an address that is nobody's in public: loopback, private, link-local, or Tailscale's.
#[must_use]
pub fn internal(address: IpAddr) -> Option<Place> {
    let (tailscale, lan) = match address.to_canonical() {
        IpAddr::V4(v4) => {
            let [a, b, ..] = v4.octets();
            (a == 100 && (64..128).contains(&b), v4.is_private() || v4.is_loopback() || v4.is_link_local())
        }
        IpAddr::V6(v6) => (is_tailscale(v6), v6.is_loopback() || v6.is_unique_local() || v6.is_unicast_link_local()),
    };
    if tailscale {
        return Some(Place::internal("Tailscale"));
    }
    lan.then(|| Place::internal("LAN"))
}

/// Tailscale's part of the unique local addresses, fd7a:115c:a1e0::/48.
fn is_tailscale(address: Ipv6Addr) -> bool {
    address.segments()[..3] == [0xfd7a, 0x115c, 0xa1e0]
}

type Look = dyn Fn(IpAddr) -> Place + Send + Sync;

/// What is known of places: our own networks, and whatever a database of the edge tells. A look is quick and never waits.
/// Cheap to clone.
#[derive(Clone)]
pub struct Places(Arc<Look>);

impl Places {
    /// Knows our own networks, and others by `look`.
    pub fn new(look: impl Fn(IpAddr) -> Place + Send + Sync + 'static) -> Self {
        Self(Arc::new(look))
    }

    /// Where an address is. What is no address is nowhere.
    #[must_use]
    pub fn of(&self, address: &str) -> Place {
        let Ok(address) = address.parse::<IpAddr>() else { return Place::default() };
        internal(address).unwrap_or_else(|| (self.0)(address.to_canonical()))
    }
}

impl Default for Places {
    /// Knows our own networks alone.
    fn default() -> Self {
        Self::new(|_| Place::default())
    }
}

impl fmt::Debug for Places {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Places")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_own_networks_have_names_and_the_rest_is_asked() {
        let places = Places::new(|address| Place { country: "Elsewhere".to_owned(), city: address.to_string() });
        let lan = ["127.0.0.1", "10.1.2.3", "192.168.1.9", "172.31.0.1", "169.254.1.1", "::1", "fd00::1", "fe80::1"];
        for address in lan.into_iter().chain(["::ffff:10.0.0.1"]) {
            assert_eq!(places.of(address), Place::internal("LAN"), "{address}");
        }
        for address in ["100.64.0.1", "100.127.255.255", "fd7a:115c:a1e0::53"] {
            assert_eq!(places.of(address), Place::internal("Tailscale"), "{address}");
        }
        for (address, asked) in
            [("100.128.0.1", "100.128.0.1"), ("2001:db8::1", "2001:db8::1"), ("::ffff:192.0.2.1", "192.0.2.1")]
        {
            assert_eq!(places.of(address).city, asked);
        }
        assert_eq!(places.of(""), Place::default());
        assert_eq!(Places::default().of("192.0.2.1"), Place::default());
    }
}
