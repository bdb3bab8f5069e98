//! The redirect matcher against the WHATWG URL parser: input is an entry, a line break, and a requested address.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pid_oidc::redirect_uri::{Pattern, Target, matches};
use url::Url;

fuzz_target!(|data: &str| {
    let (entry, requested) = data.split_once('\n').unwrap_or((data, data));
    if let Ok(target) = Target::parse(requested) {
        let again = Target::parse(target.canonical()).expect("a canonical address can be read");
        assert_eq!(again.canonical(), target.canonical());
    }
    let Ok(pattern) = Pattern::parse(entry) else { return };
    let Ok(found) = matches(std::slice::from_ref(&pattern), requested, false) else { return };
    let url = Url::parse(requested).expect("what matches is an address");
    assert!(!["javascript", "data", "file", "vbscript", "blob"].contains(&url.scheme()));
    assert_eq!(url.fragment(), None);
    assert_eq!(found.uri.as_str(), requested);
    assert!(found.uri.location().bytes().all(|b| b.is_ascii_graphic()), "a header is safe");
    // A browser that follows the header comes to the address that was judged.
    assert_eq!(Url::parse(found.uri.location()).expect("the same address").as_str(), url.as_str());
    // Without a star in host and scheme, host and scheme are those of the entry.
    let head = entry.split_once("://").and_then(|(scheme, rest)| Some((scheme, rest.split(['/', '?']).next()?)));
    if let (Some((scheme, authority)), Ok(fixed)) = (head, Url::parse(entry))
        && !scheme.contains('*')
        && !authority.contains('*')
    {
        assert_eq!((fixed.scheme(), fixed.host_str()), (url.scheme(), url.host_str()));
    }
});
