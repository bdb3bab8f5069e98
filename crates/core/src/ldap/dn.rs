//! Distinguished names (RFC 4514), as far as telling whether two are the same.

use crate::validate::key;

/// The longest name that is looked at, bytes.
const LONGEST: usize = 8192;

/// Short names of attributes for their long ones and numbers (RFC 4519), so that names by different servers compare.
const SAME: [(&str, &str); 19] = [
    ("commonname", "cn"),
    ("2.5.4.3", "cn"),
    ("surname", "sn"),
    ("2.5.4.4", "sn"),
    ("countryname", "c"),
    ("2.5.4.6", "c"),
    ("localityname", "l"),
    ("2.5.4.7", "l"),
    ("stateorprovincename", "st"),
    ("2.5.4.8", "st"),
    ("streetaddress", "street"),
    ("2.5.4.9", "street"),
    ("organizationname", "o"),
    ("2.5.4.10", "o"),
    ("organizationalunitname", "ou"),
    ("2.5.4.11", "ou"),
    ("domaincomponent", "dc"),
    ("0.9.2342.19200300.100.1.25", "dc"),
    ("0.9.2342.19200300.100.1.1", "uid"),
];

/// A form under which the same names are equal: without regard to case, to spaces that don't count, to how characters are
/// escaped and to the order within a multi-valued part. `None`: it is no name.
pub fn dn_key(text: &str) -> Option<String> {
    if text.len() > LONGEST {
        return None;
    }
    let bytes = text.trim().as_bytes();
    if bytes.is_empty() {
        return None;
    }
    let (mut parts, mut part, mut at) = (Vec::new(), Vec::new(), 0);
    loop {
        let (pair, next) = assertion(bytes, at)?;
        part.push(pair);
        let separator = bytes.get(next).copied();
        at = next + 1;
        if separator != Some(b'+') {
            part.sort();
            parts.push(part.join("\u{2}"));
            part = Vec::new();
        }
        if separator.is_none() {
            break;
        }
    }
    Some(parts.join("\u{1}"))
}

/// The name of an entry beside another, and that of the entry above both.
pub fn sibling(text: &str, value: &str) -> Option<(String, String)> {
    let bytes = text.as_bytes();
    let mut end = assertion(bytes, 0)?.1;
    while bytes.get(end) == Some(&b'+') {
        end = assertion(bytes, end + 1)?.1;
    }
    let (name, above) = (text.get(..text.find('=')?)?.trim(), text.get(end + 1..)?.trim());
    Some((format!("{name}={value},{above}"), above.to_owned()))
}

/// Reads `type=value` and gives its form and where it ends.
fn assertion(bytes: &[u8], start: usize) -> Option<(String, usize)> {
    let equals = start + bytes.get(start..)?.iter().position(|b| *b == b'=')?;
    let name = std::str::from_utf8(&bytes[start..equals]).ok()?.trim().to_ascii_lowercase();
    let name = name.strip_prefix("oid.").unwrap_or(&name);
    let good = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b));
    if !good {
        return None;
    }
    let name =
        if name == "userid" { "uid" } else { SAME.iter().find(|(long, _)| *long == name).map_or(name, |(_, s)| s) };
    let (value, end) = value(bytes, equals + 1)?;
    Some((format!("{name}={value}"), end))
}

/// Reads a value, escapes undone. Spaces around it don't count unless they are escaped; inside, several are one.
fn value(bytes: &[u8], start: usize) -> Option<(String, usize)> {
    let (mut out, mut at, mut kept) = (Vec::new(), start, 0);
    while bytes.get(at) == Some(&b' ') {
        at += 1;
    }
    let mut quoted = false;
    if bytes.get(at) == Some(&b'"') {
        quoted = true;
        at += 1;
    }
    loop {
        match bytes.get(at).copied() {
            None => break,
            Some(b'"') if quoted => {
                quoted = false;
                kept = out.len();
                at += 1;
            }
            Some(b',' | b';' | b'+') if !quoted => break,
            Some(b'\\') => {
                let next = *bytes.get(at + 1)?;
                // A sign is no digit, though numbers may have one.
                let pair = bytes.get(at + 1..at + 3).filter(|pair| pair.iter().all(u8::is_ascii_hexdigit));
                let pair = pair.and_then(|pair| std::str::from_utf8(pair).ok());
                if let Some(byte) = pair.and_then(|pair| u8::from_str_radix(pair, 16).ok()) {
                    out.push(byte);
                    at += 3;
                } else {
                    out.push(next);
                    at += 2;
                }
                kept = out.len();
            }
            Some(byte) => {
                out.push(byte);
                at += 1;
                if byte != b' ' {
                    kept = out.len();
                }
            }
        }
    }
    out.truncate(kept);
    // What is no text is compared byte by byte.
    let text = match String::from_utf8(out) {
        Ok(text) => key(&text).split(' ').filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" "),
        Err(error) => error.as_bytes().iter().map(|b| format!("\\{b:02x}")).collect(),
    };
    // The separators of the form must not come out of a value.
    Some((text.replace(['\u{1}', '\u{2}'], "\u{3}"), at))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn same(a: &str, b: &str) -> bool {
        dn_key(a).is_some() && dn_key(a) == dn_key(b)
    }

    #[test]
    fn names_that_mean_the_same() {
        for (a, b) in [
            ("uid=tim,ou=People,dc=example,dc=com", "UID = Tim , OU=people,DC=Example,dc=COM"),
            ("cn=Tim  Test,dc=x", "commonName=tim test;dc=x"),
            ("cn=Test\\, Tim,dc=x", "cn=\"Test, Tim\",dc=x"),
            ("cn=Test\\2C Tim,dc=x", "cn=Test\\, Tim,dc=x"),
            ("cn=R\\+D,dc=x", "cn=R\\2BD,dc=x"),
            ("cn=J\\C3\\B6rg,dc=x", "2.5.4.3=j\u{f6}rg,dc=x"),
            ("cn=a+uid=b,dc=x", "uid=b + cn=A,dc=x"),
            ("OID.2.5.4.3=a,dc=x", "cn=a,dc=x"),
            ("userid=a,dc=x", "0.9.2342.19200300.100.1.1=a,dc=x"),
        ] {
            assert!(same(a, b), "{a} and {b}: {:?} {:?}", dn_key(a), dn_key(b));
        }
    }

    #[test]
    fn names_that_do_not() {
        for (a, b) in [
            ("uid=tim,dc=x", "uid=tim,dc=y"),
            ("cn=a\\,dc=b,dc=x", "cn=a,dc=b,dc=x"),
            ("cn=a\\+uid=b,dc=x", "cn=a+uid=b,dc=x"),
            ("cn=a\\01dc=b,dc=x", "cn=a,dc=b,dc=x"),
            ("uid=tim,dc=x", "uid=tim"),
            ("uid=ti\\FFm,dc=x", "uid=tim,dc=x"),
        ] {
            assert_ne!(dn_key(a), dn_key(b), "{a} and {b}");
        }
        for bad in
            ["", " ", "tim", "=x", "uid=a,", "uid=a,,dc=x", "uid=a\\", "u d=a", &format!("cn={}", "a".repeat(9000))]
        {
            assert_eq!(dn_key(bad), None, "{bad}");
        }
    }

    #[test]
    fn names_beside_others() {
        let beside = |dn: &str| sibling(dn, "x").map(|(name, above)| format!("{name} {above}"));
        assert_eq!(beside("uid=tim, ou=a,dc=x").as_deref(), Some("uid=x,ou=a,dc=x ou=a,dc=x"));
        assert_eq!(beside("cn=a\\,b+uid=c,dc=x").as_deref(), Some("cn=x,dc=x dc=x"));
        assert_eq!((beside("dc=x"), beside("tim"), beside("")), (None, None, None));
    }

    proptest! {
        #[test]
        fn case_096_any_text_is_read_or_refused(text in any::<String>()) {
            let _ = dn_key(&text);
            let _ = sibling(&text, "x");
            let _ = dn_key(&format!("cn={text},dc=x"));
        }

        #[test]
        fn escaped_text_never_reaches_over_its_part(text in "[^\\\\\"]{1,20}") {
            let escaped: String = text.bytes().map(|b| format!("\\{b:02x}")).collect();
            let form = dn_key(&format!("cn={escaped},dc=x")).unwrap();
            prop_assert_eq!(form.matches('\u{1}').count(), 1);
            prop_assert_eq!(form.matches('\u{2}').count(), 0);
        }
    }
}
