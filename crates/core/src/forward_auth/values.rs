//! What an app is told of a person: header names and values (security cases 90, 91).

/// Checks the name of a header that we set. The error is a predicate that follows the field's name.
///
/// # Errors
/// For what is no name, and for names that mean something to browsers, proxies or us.
pub fn check_name(name: &str) -> Result<(), &'static str> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
    if !(1..=64).contains(&name.len()) || !name.bytes().all(plain) || !name.as_bytes()[0].is_ascii_alphabetic() {
        // To many apps an underscore is a hyphen, so a client could send the other writing beside ours.
        return Err("must be the name of a header: letters, digits and hyphens");
    }
    let lower = name.to_ascii_lowercase();
    let taken = TAKEN.contains(&lower.as_str()) || TAKEN_FAMILIES.iter().any(|family| lower.starts_with(family));
    if taken { Err("must not be a header with a meaning of its own") } else { Ok(()) }
}

const TAKEN: [&str; 34] = [
    "age",
    "allow",
    "authorization",
    "cache-control",
    "connection",
    "cookie",
    "date",
    "etag",
    "expect",
    "expires",
    "forwarded",
    "host",
    "keep-alive",
    "link",
    "location",
    "origin",
    "pragma",
    "range",
    "referer",
    "referrer-policy",
    "retry-after",
    "server",
    "set-cookie",
    "strict-transport-security",
    "te",
    "trailer",
    "upgrade",
    "user-agent",
    "vary",
    "via",
    "x-api-key",
    "x-real-ip",
    "x-request-id",
    "x-rewrite-url",
];

const TAKEN_FAMILIES: [&str; 12] = [
    "accept",
    "access-control-",
    "content-",
    "if-",
    "last-modified",
    "proxy-",
    "sec-",
    "transfer-",
    "www-",
    "x-forwarded-",
    "x-original-",
    "x-content-",
];

/// A text as the value of a header: as it is, in UTF-8, but for control characters and blanks at its ends, which are
/// percent-encoded.
pub fn value(text: &str) -> String {
    escaped(text, |c| c.is_control())
}

/// Groups as the value of a header, separated by commas. What could end a name early, or begin another, is
/// percent-encoded, so nobody is in a group by the name of another.
pub fn list<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let names = names.into_iter().map(|name| escaped(name, |c| c.is_control() || matches!(c, ',' | ';' | '|' | '%')));
    names.collect::<Vec<_>>().join(",")
}

fn escaped(text: &str, is_unsafe: impl Fn(char) -> bool) -> String {
    let inside = text.trim();
    if inside.len() == text.len() && !text.chars().any(&is_unsafe) {
        return text.to_owned();
    }
    let start = text.len() - text.trim_start().len();
    let end = start + inside.len();
    let mut out = String::with_capacity(text.len() + 8);
    for (at, c) in text.char_indices() {
        if is_unsafe(c) || !(start..end.max(start)).contains(&at) {
            let mut buffer = [0; 4];
            c.encode_utf8(&mut buffer).bytes().for_each(|b| out.push_str(&format!("%{b:02X}")));
        } else {
            out.push(c);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_of_headers() {
        for good in [
            "Remote-User",
            "X-WEBAUTH-USER",
            "X-Remote-User",
            "X-Auth-Request-Email",
            "Tailscale-User-Login",
            "X-Pocket-Id-Assertion",
        ] {
            assert_eq!(check_name(good), Ok(()), "{good}");
        }
        for bad in [
            "",
            "Remote_User",
            "Remote User",
            "1",
            "-x",
            "Cookie",
            "Set-Cookie",
            "Authorization",
            "host",
            "X-Forwarded-For",
            "x-original-url",
            "Content-Type",
            "Location",
            "X-Real-IP",
            "X-Request-ID",
            "a\r\nb",
            "é",
            "Connection",
            "Accept",
        ] {
            assert!(check_name(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn case_090_values_stay_one_line_and_groups_stay_themselves() {
        assert_eq!(value("José García"), "José García");
        assert_eq!(value("a\r\nRemote-Groups: admins"), "a%0D%0ARemote-Groups: admins");
        assert_eq!(value(" \u{0}x\u{7f}\u{85} "), "%20%00x%7F%C2%85%20");
        assert_eq!(value("   "), "%20%20%20");
        assert_eq!(list(["staff", "x,admins", " admins", "50%", "ä"]), "staff,x%2Cadmins,%20admins,50%25,ä");
        assert_eq!(list([]), "");
    }

    proptest! {
        /// Groups can be told apart again, each as it was.
        #[test]
        fn groups_are_read_as_they_were(names in proptest::collection::vec(".{1,12}", 0..5)) {
            let sent = list(names.iter().map(String::as_str));
            prop_assert!(!sent.chars().any(char::is_control));
            let read: Vec<String> = sent.split(',').filter(|_| !sent.is_empty()).map(|part| {
                assert_eq!(part.trim(), part);
                let query = format!("x={}", part.replace('+', "%2B").replace('&', "%26"));
                url::form_urlencoded::parse(query.as_bytes()).next().unwrap().1.into_owned()
            }).collect();
            prop_assert_eq!(read, names);
        }
    }
}
