//! Addresses of protected hosts.

use url::Url;

/// Scheme, host and port of a protected host, as browsers know it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    text: String,
    key: String,
    https: bool,
    suffix: String,
}

impl Origin {
    /// Reads `https://app.example.com[:port]`; a bare host name stands for https. The error is a predicate that follows the
    /// field's name.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        const FORM: &str = "must be an address like https://app.example.com, without a path";
        let text = text.trim();
        let whole = if text.contains("://") { text.to_owned() } else { format!("https://{text}") };
        let url = Url::parse(&whole).map_err(|_| FORM)?;
        let https = match url.scheme() {
            "https" => true,
            "http" => false,
            _ => return Err(FORM),
        };
        let plain = url.path() == "/"
            && url.query().is_none()
            && url.fragment().is_none()
            && url.username().is_empty()
            && url.password().is_none();
        let host = url.host_str().filter(|_| plain).ok_or(FORM)?;
        if host.contains('*') {
            return Err("must name one host: give each host an entry of its own instead of a star");
        }
        // The parser takes a trailing dot, browsers hold it for another host, and proxies differ.
        let key = match url.port() {
            Some(port) => canonical_host(&format!("{host}:{port}")),
            None => canonical_host(host),
        };
        let key = key.ok_or(FORM)?;
        let suffix = url.port().map(|port| format!("-{port}")).unwrap_or_default();
        Ok(Self { text: url.origin().ascii_serialization(), key, https, suffix })
    }

    /// As browsers write it.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// What requests are found by: the host in lower case, and its port unless that is the usual one. The scheme is not in
    /// it, since a proxy often can't know what the browser used.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// Whether browsers reach it by TLS, so that cookies can be held to it.
    pub fn https(&self) -> bool {
        self.https
    }

    /// What tells the cookies of this port from those of the host's others, which browsers keep in one jar.
    pub fn cookie_suffix(&self) -> &str {
        &self.suffix
    }
}

/// The host of a request in lower case with its port, unless that is 80 or 443. `None` for what is no host, or could be taken
/// for another: a trailing dot, an empty label, characters that no name has.
pub fn canonical_host(text: &str) -> Option<String> {
    if text.len() > 300 || !text.is_ascii() {
        return None;
    }
    let text = text.to_ascii_lowercase();
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (inside, after) = rest.split_once(']')?;
            let address: std::net::Ipv6Addr = inside.parse().ok()?;
            let port = match after {
                "" => None,
                after => Some(after.strip_prefix(':')?),
            };
            (format!("[{address}]"), port)
        }
        None => match text.split_once(':') {
            Some((host, port)) => (host.to_owned(), Some(port)),
            None => (text.clone(), None),
        },
    };
    let named = host.starts_with('[')
        || host.split('.').all(|label| {
            (1..=63).contains(&label.len())
                && label.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-_".contains(&b))
        });
    if !named || host.len() > 253 {
        return None;
    }
    match port {
        None => Some(host),
        Some(port) => {
            // Written as it is, so that no two texts are one port.
            let number: u16 = port.parse().ok()?;
            match number {
                0 => None,
                _ if number.to_string() != port => None,
                80 | 443 => Some(host),
                _ => Some(format!("{host}:{number}")),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_apps() {
        for (text, origin, key, https, suffix) in [
            ("https://App.Example.com/", "https://app.example.com", "app.example.com", true, ""),
            ("app.example.com", "https://app.example.com", "app.example.com", true, ""),
            (" nas:8443 ", "https://nas:8443", "nas:8443", true, "-8443"),
            ("http://nas.local", "http://nas.local", "nas.local", false, ""),
            ("https://app.example.com:443", "https://app.example.com", "app.example.com", true, ""),
            ("http://127.0.0.1:8080", "http://127.0.0.1:8080", "127.0.0.1:8080", false, "-8080"),
            ("https://[::1]:9000", "https://[::1]:9000", "[::1]:9000", true, "-9000"),
            ("https://bücher.example", "https://xn--bcher-kva.example", "xn--bcher-kva.example", true, ""),
        ] {
            let read = Origin::parse(text).unwrap_or_else(|why| panic!("{text}: {why}"));
            assert_eq!((read.as_str(), read.key(), read.https()), (origin, key, https), "{text}");
            assert_eq!(read.cookie_suffix(), suffix);
            assert_eq!(Origin::parse(read.as_str()).unwrap(), read);
        }
        for bad in [
            "",
            "https://",
            "ftp://app",
            "https://app/path",
            "https://u@app",
            "https://app?x",
            "https://app#x",
            "https://*.app",
            "https://app.",
            "https://app..x",
            "a b",
            "javascript:alert(1)",
            "https://app:0",
        ] {
            assert!(Origin::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn case_092_hosts_have_one_form() {
        for (text, key) in [
            ("APP.example.COM", "app.example.com"),
            ("app.example.com:443", "app.example.com"),
            ("app.example.com:80", "app.example.com"),
            ("app.example.com:8443", "app.example.com:8443"),
            ("[0:0::1]:81", "[::1]:81"),
        ] {
            assert_eq!(canonical_host(text).as_deref(), Some(key), "{text}");
            assert_eq!(canonical_host(key).as_deref(), Some(key));
        }
        for bad in [
            "",
            ".",
            "app.example.com.",
            ".app",
            "a..b",
            "app:",
            "app:x",
            "app:0",
            "app:65536",
            "app:080",
            "app:+80",
            "a b",
            "a@b",
            "a/b",
            "a%2eb",
            "app,evil",
            "[::1",
            "[::1]x",
            "[app]",
            "app:443:443",
            "ａpp",
            "a\u{0}b",
        ] {
            assert_eq!(canonical_host(bad), None, "{bad:?}");
        }
    }
}
