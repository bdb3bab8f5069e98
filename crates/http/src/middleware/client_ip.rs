//! Whose address is it? Headers are believed only from peers that the operator trusts (security case 88).

use std::net::{IpAddr, SocketAddr};
use std::sync::Once;

use axum::extract::{ConnectInfo, Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::HeaderMap;
use ipnet::IpNet;

use crate::state::App;

/// The address of the person or script.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientIp(pub IpAddr);

/// The request came through a proxy that is not trusted to say for whom: the address is the proxy's, and nobody knows
/// whether the person sits in the same network or far away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownProxy;

/// Which peers may name the client's address.
#[derive(Clone, Debug, Default)]
pub struct Proxies {
    /// `TRUST_PROXY`: peers whose `X-Forwarded-For` and `X-Real-IP` count.
    pub trusted: Vec<IpNet>,
    /// `TRUSTED_PLATFORM`: a header that wins outright.
    pub platform_header: Option<http::HeaderName>,
}

impl Proxies {
    /// Whether a peer may speak for others.
    pub(crate) fn trusts(&self, ip: IpAddr) -> bool {
        self.trusted.iter().any(|net| net.contains(&ip))
    }

    /// Whether headers name another client than the peer, who is not trusted to do so.
    fn hides_client(&self, peer: IpAddr, headers: &HeaderMap) -> bool {
        let named = self.platform_header.as_ref().is_some_and(|name| headers.contains_key(name));
        !named && !self.trusts(peer.to_canonical()) && FORWARDING.iter().any(|name| headers.contains_key(*name))
    }

    /// The client's address: the platform header if configured; else the peer, unless it is trusted, then
    /// the right-most untrusted entry of `X-Forwarded-For`, else `X-Real-IP`.
    pub fn client_ip(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let single = |name: &http::HeaderName| headers.get(name).and_then(|v| v.to_str().ok()).and_then(parse_ip);
        if let Some(name) = &self.platform_header
            && let Some(ip) = single(name)
        {
            return ip;
        }
        let peer = peer.to_canonical();
        if !self.trusts(peer) {
            return peer;
        }
        let forwarded: Vec<&str> = headers
            .get_all("x-forwarded-for")
            .iter()
            .filter_map(|v| v.to_str().ok())
            .flat_map(|v| v.split(','))
            .collect();
        let mut client = None;
        for entry in forwarded.iter().rev() {
            // An entry that is no address was not written by a proxy we trust: stop at the last good one.
            let Some(ip) = parse_ip(entry) else { break };
            client = Some(ip);
            if !self.trusts(ip) {
                break;
            }
        }
        client.or_else(|| single(&http::HeaderName::from_static("x-real-ip"))).unwrap_or(peer)
    }
}

fn parse_ip(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let bare = text.strip_prefix('[').and_then(|t| t.split(']').next()).unwrap_or(text);
    bare.parse::<IpAddr>().ok().or_else(|| text.parse::<SocketAddr>().ok().map(|a| a.ip())).map(|ip| ip.to_canonical())
}

/// Headers by which proxies name their client.
const FORWARDING: [&str; 3] = ["x-forwarded-for", "x-real-ip", "forwarded"];

/// Puts [`ClientIp`] into the request, and [`UnknownProxy`] where it applies.
pub async fn layer(State(app): State<App>, mut request: Request, next: Next) -> Response {
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>().map_or(IpAddr::from([0, 0, 0, 0]), |c| c.0.ip());
    let ip = app.proxies().client_ip(peer, request.headers());
    request.extensions_mut().insert(ClientIp(ip));
    if app.proxies().hides_client(peer, request.headers()) {
        request.extensions_mut().insert(UnknownProxy);
        static SAID: Once = Once::new();
        SAID.call_once(|| {
            tracing::warn!(
                "{peer} names clients by X-Forwarded-For, but TRUST_PROXY does not list it: everybody behind it counts \
                 as one address for limits and in the audit log. If it is your proxy, set TRUST_PROXY={peer}"
            );
        });
    }
    next.run(request).await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (k, v) in pairs {
            map.append(*k, v.parse().unwrap());
        }
        map
    }

    #[test]
    fn case_088_forwarded_headers_from_untrusted_peers_are_ignored() {
        let none = Proxies::default();
        let h = headers(&[("x-forwarded-for", "1.2.3.4"), ("x-real-ip", "1.2.3.4"), ("cf-connecting-ip", "1.2.3.4")]);
        assert_eq!(none.client_ip(ip("9.9.9.9"), &h), ip("9.9.9.9"));
    }

    #[test]
    fn case_088_the_rightmost_untrusted_hop_counts() {
        let p = Proxies { trusted: vec!["10.0.0.0/8".parse().unwrap()], platform_header: None };
        let h = headers(&[("x-forwarded-for", "6.6.6.6, 1.2.3.4"), ("x-forwarded-for", "10.0.0.2")]);
        assert_eq!(p.client_ip(ip("10.0.0.1"), &h), ip("1.2.3.4"));
        assert_eq!(p.client_ip(ip("::ffff:10.0.0.1"), &h), ip("1.2.3.4"));
        let junk = headers(&[("x-forwarded-for", "1.2.3.4, bogus, 10.0.0.2")]);
        assert_eq!(p.client_ip(ip("10.0.0.1"), &junk), ip("10.0.0.2"));
        let real = headers(&[("x-real-ip", "5.5.5.5")]);
        assert_eq!(p.client_ip(ip("10.0.0.1"), &real), ip("5.5.5.5"));
        assert_eq!(p.client_ip(ip("8.8.8.8"), &real), ip("8.8.8.8"));
    }

    #[test]
    fn a_proxy_that_is_not_trusted_hides_its_clients() {
        let forwarded = headers(&[("x-forwarded-for", "203.0.113.9")]);
        let none = Proxies::default();
        assert!(none.hides_client(ip("127.0.0.1"), &forwarded));
        assert!(!none.hides_client(ip("127.0.0.1"), &HeaderMap::new()));
        let trusting = Proxies { trusted: vec!["127.0.0.0/8".parse().unwrap()], platform_header: None };
        assert!(!trusting.hides_client(ip("::ffff:127.0.0.1"), &forwarded));
        assert!(trusting.hides_client(ip("10.0.0.1"), &forwarded));
        let platform = Proxies { trusted: vec![], platform_header: Some("x-real-ip".parse().unwrap()) };
        assert!(!platform.hides_client(ip("127.0.0.1"), &headers(&[("x-real-ip", "203.0.113.9")])));
    }

    #[test]
    fn the_platform_header_wins() {
        let p = Proxies { trusted: vec![], platform_header: Some("cf-connecting-ip".parse().unwrap()) };
        assert_eq!(p.client_ip(ip("9.9.9.9"), &headers(&[("cf-connecting-ip", "2001:db8::1")])), ip("2001:db8::1"));
        assert_eq!(p.client_ip(ip("9.9.9.9"), &HeaderMap::new()), ip("9.9.9.9"));
    }
}
