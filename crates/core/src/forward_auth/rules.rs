//! Who may go where on a protected host.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::target::{Ambiguity, Path};

/// What counts for a path and everything below it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(rename = "ForwardAuthRule")]
pub struct Rule {
    /// The path, in its canonical form.
    pub path: String,
    /// Open to everybody, signed in or not.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub public: bool,
    /// Only for members of one of these groups, by name. Empty: for whoever may enter the client.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<String>,
}

/// Whom a path is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access<'a> {
    /// Everybody.
    Public,
    /// Whoever may enter the client.
    SignedIn,
    /// Of them the members of one of these.
    Groups(&'a [String]),
}

/// The rules of a client.
#[derive(Clone, Copy, Debug)]
pub struct Rules<'a>(pub &'a [Rule]);

impl<'a> Rules<'a> {
    /// Whom a path is for: the longest rule that covers it decides.
    ///
    /// # Errors
    /// Where there are rules, an ambiguous path has no answer.
    pub fn access(&self, path: &Path) -> Result<Access<'a>, Ambiguity> {
        if self.0.is_empty() {
            return Ok(Access::SignedIn);
        }
        if let Some(ambiguity) = path.ambiguity {
            return Err(ambiguity);
        }
        let folded = fold(&path.text);
        let rule = self.0.iter().filter(|rule| rule.covers(&path.text, &folded)).max_by_key(|rule| rule.path.len());
        Ok(match rule {
            None => Access::SignedIn,
            Some(rule) if rule.public => Access::Public,
            Some(rule) if rule.groups.is_empty() => Access::SignedIn,
            Some(rule) => Access::Groups(&rule.groups),
        })
    }
}

impl Rule {
    /// What opens is held to the letter; what closes holds in every writing, since some servers know no case.
    fn covers(&self, path: &str, folded: &str) -> bool {
        if self.public { is_below(&self.path, path) } else { is_below(&fold(&self.path), folded) }
    }
}

fn is_below(base: &str, path: &str) -> bool {
    base == "/" || path.strip_prefix(base).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Without case: that of letters, and of encoded ones.
pub fn fold(path: &str) -> String {
    if !path.contains('%') {
        return path.to_ascii_lowercase();
    }
    let mut bytes = Vec::with_capacity(path.len());
    let mut rest = path;
    while let Some((before, after)) = rest.split_once('%') {
        bytes.extend_from_slice(before.as_bytes());
        match after.get(..2).and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &after[2..];
            }
            None => {
                bytes.push(b'%');
                rest = after;
            }
        }
    }
    bytes.extend_from_slice(rest.as_bytes());
    String::from_utf8_lossy(&bytes).to_lowercase()
}

/// The path of a rule in its canonical form. The error is a predicate that follows the field's name.
pub fn rule_path(text: &str) -> Result<String, String> {
    const FORM: &str = "must be a path like /admin";
    let text = text.trim();
    // People may type what browsers encode.
    let mut encoded = String::new();
    for c in text.chars() {
        if c.is_ascii() && c != ' ' {
            encoded.push(c);
        } else {
            let mut buffer = [0; 4];
            c.encode_utf8(&mut buffer).bytes().for_each(|b| encoded.push_str(&format!("%{b:02X}")));
        }
    }
    if encoded.contains('*') {
        return Err("must be a path without a star: it covers everything below it anyway".to_owned());
    }
    let path = Path::parse(&encoded).filter(|_| encoded.len() <= 500).ok_or(FORM)?;
    if let Some(ambiguity) = path.ambiguity {
        return Err(format!("can't be used: {ambiguity}"));
    }
    if path.is_own() {
        return Err("must not be below /.pocket-id, which is answered here".to_owned());
    }
    let bare = path.text.trim_end_matches('/');
    Ok(if bare.is_empty() { "/".to_owned() } else { bare.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn rule(path: &str, public: bool, groups: &[&str]) -> Rule {
        Rule { path: path.to_owned(), public, groups: groups.iter().map(|g| (*g).to_owned()).collect() }
    }

    fn rules() -> Vec<Rule> {
        vec![
            rule("/share", true, &[]),
            rule("/admin", false, &["admins"]),
            rule("/admin/health", true, &[]),
            rule("/share/mine", false, &[]),
            rule("/%C3%84rger", false, &["admins"]),
        ]
    }

    fn access<'a>(rules: &'a [Rule], path: &str) -> Result<Access<'a>, Ambiguity> {
        Rules(rules).access(&Path::parse(path).unwrap())
    }

    #[test]
    fn the_longest_rule_decides() {
        let rules = rules();
        let admins = vec!["admins".to_owned()];
        for (path, wanted) in [
            ("/", Access::SignedIn),
            ("/share", Access::Public),
            ("/share/", Access::Public),
            ("/share/x/y", Access::Public),
            ("/shared", Access::SignedIn),
            ("/share/mine", Access::SignedIn),
            ("/share/mine/x", Access::SignedIn),
            ("/admin", Access::Groups(&admins)),
            ("/admin/x", Access::Groups(&admins)),
            ("/administration", Access::SignedIn),
            ("/admin/health", Access::Public),
        ] {
            assert_eq!(access(&rules, path), Ok(wanted), "{path}");
        }
        assert_eq!(Rules(&[rule("/", true, &[])]).access(&Path::parse("/x").unwrap()), Ok(Access::Public));
    }

    #[test]
    fn case_092_another_writing_opens_nothing() {
        let rules = rules();
        let admins = vec!["admins".to_owned()];
        for (path, wanted) in [
            ("/ADMIN/x", Access::Groups(&admins)),
            ("/%41dmin", Access::Groups(&admins)),
            ("/SHARE", Access::SignedIn),
            ("/admin/HEALTH", Access::Groups(&admins)),
            ("/SHARE/MINE", Access::SignedIn),
            ("/%c3%a4rger/x", Access::Groups(&admins)),
        ] {
            assert_eq!(access(&rules, path), Ok(wanted), "{path}");
        }
        for path in [
            "/share/../admin",
            "/share//../admin",
            "/share/..;/admin",
            "/share%2f..%2fadmin",
            "/share/%252e%252e/admin",
            "//admin",
        ] {
            assert!(access(&rules, path).is_err(), "{path}");
        }
        // Without rules nothing hangs on the path.
        assert_eq!(access(&[], "/a/%2f../b"), Ok(Access::SignedIn));
    }

    #[test]
    fn paths_of_rules() {
        for (text, path) in [("/admin/", "/admin"), (" / ", "/"), ("/%61", "/a"), ("/ä b", "/%C3%A4%20b"), ("/A", "/A")]
        {
            assert_eq!(rule_path(text).as_deref(), Ok(path), "{text}");
            assert_eq!(rule_path(path).as_deref(), Ok(path));
        }
        for bad in ["", "admin", "/a/../b", "/a*", "/a?b", "/a#b", "/.pocket-id/x", "//", "/a;b", "/%2f", "/\\"] {
            assert!(rule_path(bad).is_err(), "{bad}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        /// A change of letters' case never opens what was closed.
        #[test]
        fn case_never_opens(path in "/(share|admin|admin/health|x)(/[a-c]{1,2}){0,2}", flips in any::<u64>()) {
            let other: String = path.chars().enumerate().map(|(at, c)| if flips >> (at % 64) & 1 == 1 { c.to_ascii_uppercase() } else { c }).collect();
            let rules = rules();
            let (plain, changed) = (access(&rules, &path).unwrap(), access(&rules, &other).unwrap());
            let rank = |access: Access<'_>| match access { Access::Public => 0, Access::SignedIn => 1, Access::Groups(_) => 2 };
            prop_assert!(rank(changed) >= rank(plain).min(1), "{} {:?} {} {:?}", path, plain, other, changed);
            if let Access::Groups(_) = plain {
                prop_assert!(matches!(changed, Access::Groups(_)));
            }
        }
    }
}
