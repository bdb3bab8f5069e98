//! Client ID Metadata Documents: the first line is the client id, the rest the document.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pid_oidc::cimd::{CacheHeaders, ClientDocument, ClientIdUrl, check_answer};
use url::Url;

fuzz_target!(|data: &str| {
    let (id, body) = data.split_once('\n').unwrap_or((data, ""));
    let _ = check_answer(200, id, CacheHeaders { cache_control: body, ..CacheHeaders::default() }, 0);
    let Ok(url) = ClientIdUrl::parse(id) else { return };
    assert_eq!(Url::parse(id).expect("an address").as_str(), id);
    let Ok(client) = ClientDocument::parse(&url, body.as_bytes()) else { return };
    for uri in client.redirect_uris.iter().chain(&client.post_logout_redirect_uris) {
        let uri = Url::parse(uri).expect("an address");
        let local = matches!(uri.host_str(), Some("localhost" | "[::1]"))
            || uri.host_str().is_some_and(|host| host.starts_with("127."));
        assert!(uri.scheme() != "https" || local || uri.host_str() == Some(url.host()));
    }
});
