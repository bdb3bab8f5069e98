//! What proxies say was asked for: input is a host, a line break, and path and query.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pid_core::forward_auth::origin::canonical_host;
use pid_core::forward_auth::target::Path;
use pid_core::forward_auth::{Access, Dialect, Headers, Rule, Rules, Target};

struct Nothing;

impl Headers for Nothing {
    fn values<'a>(&'a self, _: &'static str) -> impl Iterator<Item = &'a [u8]> {
        std::iter::empty()
    }
}

fuzz_target!(|data: &str| {
    let (host, uri) = data.split_once('\n').unwrap_or(("app.example.com", data));
    let Ok(target) = Target::read(Dialect::Direct { method: "GET", host: host.as_bytes(), uri }, &Nothing) else { return };
    assert_eq!(canonical_host(&target.host).as_ref(), Some(&target.host));
    let again = Path::parse(&target.path.text).expect("a canonical path can be read");
    assert_eq!(again.text, target.path.text);
    let rules = [
        Rule { path: "/open".to_owned(), public: true, ..Rule::default() },
        Rule { path: "/open/not".to_owned(), ..Rule::default() },
    ];
    let Ok(Access::Public) = Rules(&rules).access(&target.path) else { return };
    // A browser that resolves what was sent stays below what is open.
    let url = url::Url::parse("https://app.example.com").expect("an address").join(&target.uri).expect("an address");
    assert!(url.path().split('/').nth(1).is_some(), "{url}");
    assert!(target.path.text == "/open" || target.path.text.starts_with("/open/"));
    assert!(!target.path.text.starts_with("/open/not/") && target.path.text != "/open/not");
});
