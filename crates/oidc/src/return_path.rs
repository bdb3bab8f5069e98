//! Where to go after signing in: a path on our own origin, nothing else.

use crate::params::decode_bytes;
use url::Url;

/// Longest return path in bytes.
pub const MAX_LENGTH: usize = 2048;

/// Gives the path back if it leads to our own origin in every reading: it begins with one `/`, has no backslash,
/// control character, empty or dot segment (plain or encoded) in its path, and is ASCII as a header needs it.
/// Query and fragment are free.
#[must_use]
pub fn check(path: &str) -> Option<&str> {
    let plain =
        path.len() <= MAX_LENGTH && path.starts_with('/') && path.bytes().all(|b| b.is_ascii_graphic() && b != b'\\');
    if !plain {
        return None;
    }
    let end = path.find(['?', '#']).unwrap_or(path.len());
    let decoded = decode_bytes(path[..end].replace('+', "%2B").as_bytes()).ok()?;
    let clean = decoded.iter().all(|b| !b.is_ascii_control() && *b != b'\\')
        && !decoded.windows(2).any(|w| w == b"//")
        && !decoded.split(|b| *b == b'/').any(|segment| segment == b"." || segment == b"..")
        && !path[..end].to_ascii_lowercase().contains("%2f");
    if !clean {
        return None;
    }
    let base = Url::parse("https://origin.invalid/").ok()?;
    (base.join(path).ok()?.origin() == base.origin()).then_some(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn case_012_return_paths_stay_on_our_origin() {
        for path in [
            "//evil",
            "/\\evil",
            "/%09/evil",
            "https:evil",
            "https://evil",
            "",
            "evil",
            "/\t/evil",
            "/%2f/evil",
            "/%2Fevil",
            "/%5cevil",
            "/a//b",
            "/..//evil",
            "/%2e%2e/x",
            "///evil",
            "/ /evil",
            "/\n/evil",
            " /x",
            "/ü",
            "javascript:alert(1)",
            "/a/./b",
            "\\\\evil",
            "/%00",
            "/%",
        ] {
            assert_eq!(check(path), None, "{path}");
        }
        for path in [
            "/",
            "/settings/account",
            "/interaction?interaction=1&x=https://h/",
            "/device?user_code=ABCD",
            "/a#b",
            "/lc/a%20b",
            "/a+b",
        ] {
            assert_eq!(check(path), Some(path));
        }
        assert_eq!(check(&format!("/{}", "a".repeat(MAX_LENGTH))), None);
    }

    proptest! {
        #[test]
        fn an_accepted_path_never_changes_the_origin(path in "[/\\\\a.:@%095cCfF2eE?#\t -]{0,12}") {
            if let Some(path) = check(&path) {
                let base = Url::parse("https://id.example").unwrap();
                prop_assert_eq!(base.join(path).unwrap().origin(), base.origin());
            }
        }
    }
}
