//! People and groups of a directory (LDAP, RFC 4511): what the settings mean, and what an entry becomes here. Nothing of
//! this speaks to a server.

mod dn;
mod entry;

use url::{Host, Url};

use crate::secret::sha256;
use crate::settings::Settings;
use crate::validate::{FieldCode, FieldError, Fields};

pub use dn::{dn_key, sibling};
pub use entry::{Entry, FoundGroup, FoundPerson, Member, Reason, group, member, person, print, unique_id};

/// The deepest nesting of a search filter.
const FILTER_DEPTH: usize = 50;

/// How the connection is protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Security {
    /// Not at all (`ldap://`).
    None,
    /// TLS after StartTLS (RFC 4511 §4.14), without which nothing is sent.
    StartTls,
    /// TLS from the beginning (`ldaps://`).
    Tls,
}

/// A directory server and who we are to it.
#[derive(Clone, PartialEq, Eq)]
pub struct Server {
    /// Its name or address, IPv6 without brackets.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How the connection is protected.
    pub security: Security,
    /// Whether any certificate will do.
    pub any_certificate: bool,
    /// Name and password of the simple bind (RFC 4511 §4.2); `None`: nobody in particular.
    pub bind: Option<(String, String)>,
}

/// Attributes of people that are read, by their names in the directory. An empty name: none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PersonAttributes {
    /// What stays the same whatever else changes.
    pub id: String,
    /// The username.
    pub username: String,
    /// The address.
    pub email: String,
    /// The first name.
    pub first_name: String,
    /// The last name.
    pub last_name: String,
    /// The name that is shown.
    pub display_name: String,
    /// A picture, or the address of one.
    pub picture: String,
}

/// Attributes of groups that are read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GroupAttributes {
    /// What stays the same whatever else changes.
    pub id: String,
    /// The name.
    pub name: String,
    /// Who is in it: DNs, or usernames.
    pub member: String,
}

/// What of a directory is taken over, and how.
#[derive(Clone, PartialEq, Eq)]
pub struct Directory {
    /// Where it is.
    pub server: Server,
    /// Below which entry is searched.
    pub base: String,
    /// Which entries are people.
    pub people_filter: String,
    /// Which entries are groups.
    pub group_filter: String,
    /// What of people is read.
    pub person: PersonAttributes,
    /// What of groups is read; `None`: groups are left alone.
    pub group: Option<GroupAttributes>,
    /// Who is in the group of this name administers; empty: nobody.
    pub admin_group: String,
    /// Whether people who are gone are disabled rather than deleted.
    pub soft_delete: bool,
    /// Whether members of a group's groups are its members.
    pub nested: bool,
    /// The share of people, or of groups, that may go in one go, percent.
    pub limit_percent: u8,
    /// Whether an account needs an address.
    pub require_email: bool,
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Server({}:{} {:?})", self.host, self.port, self.security)
    }
}

impl std::fmt::Debug for Directory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Directory({:?} {})", self.server, self.base)
    }
}

impl Directory {
    /// Reads the settings.
    ///
    /// # Errors
    /// What is missing or can't be used, by the name of its setting.
    pub fn from_settings(settings: &Settings) -> Result<Self, Vec<FieldError>> {
        let mut fields = Fields::new();
        let mut needed = |key: &str| {
            let value = settings.get(key).trim().to_owned();
            if value.is_empty() {
                fields.refuse(key, FieldCode::Required, "must not be empty");
            }
            value
        };
        let url = needed("ldapUrl");
        let base = needed("ldapBase");
        let people_filter = needed("ldapUserSearchFilter");
        let id = needed("ldapAttributeUserUniqueIdentifier");
        let username = needed("ldapAttributeUserUsername");
        for key in ["ldapUserSearchFilter", "ldapUserGroupSearchFilter"] {
            if let Err(why) = check_filter(settings.get(key)) {
                fields.refuse(key, FieldCode::InvalidFormat, why);
            }
        }
        let address = Address::parse(&url).unwrap_or_else(|why| {
            fields.refuse("ldapUrl", FieldCode::InvalidFormat, why);
            Address::default()
        });
        let start_tls = settings.flag("ldapStartTls");
        let security = match (address.tls, start_tls) {
            (true, _) => Security::Tls,
            (false, true) => Security::StartTls,
            (false, false) => Security::None,
        };
        let of = |key: &str| settings.get(key).trim().to_owned();
        let group = GroupAttributes {
            id: of("ldapAttributeGroupUniqueIdentifier"),
            name: of("ldapAttributeGroupName"),
            member: of("ldapAttributeGroupMember"),
        };
        let group_filter = of("ldapUserGroupSearchFilter");
        let reads_groups = !group.id.is_empty() && !group.name.is_empty() && !group_filter.is_empty();
        let bind = Some((of("ldapBindDn"), settings.get("ldapBindPassword").to_owned()));
        // A name without a password would be taken for nobody by some servers, silently (RFC 4513 §5.1.2).
        if bind.as_ref().is_some_and(|(dn, password)| !dn.is_empty() && password.is_empty()) {
            fields.refuse("ldapBindPassword", FieldCode::Required, "must not be empty: there is a bind DN");
        }
        let directory = Self {
            server: Server {
                host: address.host,
                port: address.port,
                security,
                any_certificate: settings.flag("ldapSkipCertVerify"),
                bind: bind.filter(|(dn, _)| !dn.is_empty()),
            },
            base,
            people_filter,
            group_filter,
            person: PersonAttributes {
                id,
                username,
                email: of("ldapAttributeUserEmail"),
                first_name: of("ldapAttributeUserFirstName"),
                last_name: of("ldapAttributeUserLastName"),
                display_name: of("ldapAttributeUserDisplayName"),
                picture: of("ldapAttributeUserProfilePicture"),
            },
            group: reads_groups.then_some(group),
            admin_group: of("ldapAdminGroupName"),
            soft_delete: settings.flag("ldapSoftDeleteUsers"),
            nested: settings.flag("ldapNestedGroups"),
            limit_percent: settings.get("ldapRemovalLimitPercent").parse().unwrap_or(20).min(100),
            require_email: settings.require_user_email(),
        };
        fields.finish().map(|()| directory)
    }

    /// A print of what decides who is found: where is searched, for what, as whom, and what becomes of whom is gone.
    pub fn print(&self) -> [u8; 32] {
        let Self { server, person, group, .. } = self;
        let name = server.bind.as_ref().map(|(name, _)| name);
        let parts =
            (&server.host, server.port, name, &self.base, &self.people_filter, &self.group_filter, person, group);
        let kinds = (&self.admin_group, self.soft_delete, self.nested, self.require_email);
        sha256(format!("{parts:?} {kinds:?}").as_bytes())
    }

    /// Whether so many of so many may go without anybody being asked.
    pub fn lets_go(&self, gone: usize, of: usize) -> bool {
        gone.saturating_mul(100) <= of.saturating_mul(usize::from(self.limit_percent))
    }
}

/// Checks the shape of a search filter (RFC 4515): brackets that close, nested no deeper than a person would. The server
/// judges the rest.
///
/// # Errors
/// A predicate.
pub fn check_filter(filter: &str) -> Result<(), String> {
    let filter = filter.trim();
    if filter.is_empty() {
        return Ok(());
    }
    let (mut depth, mut closed) = (0_usize, false);
    for c in filter.bytes() {
        match c {
            _ if closed => return Err("must be one filter in brackets, such as (objectClass=person)".to_owned()),
            b'(' => depth += 1,
            b')' => {
                depth = depth.checked_sub(1).ok_or("has a bracket that closes nothing")?;
                closed = depth == 0;
            }
            _ if depth == 0 => return Err("must begin with a bracket, such as (objectClass=person)".to_owned()),
            _ => {}
        }
        if depth > FILTER_DEPTH {
            return Err(format!("must not be nested deeper than {FILTER_DEPTH} times"));
        }
    }
    if depth > 0 { Err("has a bracket that is not closed".to_owned()) } else { Ok(()) }
}

/// Checks the address of a directory.
///
/// # Errors
/// A predicate.
pub fn check_url(text: &str) -> Result<(), String> {
    Address::parse(text.trim()).map(drop)
}

/// The parts of a directory's address that count (RFC 4516 §2).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Address {
    tls: bool,
    host: String,
    port: u16,
}

impl Address {
    fn parse(text: &str) -> Result<Self, String> {
        let wrong =
            || "must be an address like ldap://directory.example.com or ldaps://directory.example.com:636".to_owned();
        let url = Url::parse(text).map_err(|_| wrong())?;
        let tls = match url.scheme() {
            "ldap" => false,
            "ldaps" => true,
            _ => return Err(wrong()),
        };
        if !url.username().is_empty() || url.password().is_some() {
            return Err("must not have a name in it: there is a bind DN for that".to_owned());
        }
        if !matches!(url.path(), "" | "/") || url.query().is_some() || url.fragment().is_some() {
            return Err("must end with the host: the base DN says where to search".to_owned());
        }
        let host = match url.host().ok_or_else(wrong)? {
            Host::Domain(name) => name.to_owned(),
            Host::Ipv4(ip) => ip.to_string(),
            Host::Ipv6(ip) => ip.to_string(),
        };
        let is_host = |c: char| c.is_alphanumeric() || matches!(c, '.' | '-' | '_' | ':');
        let port = url.port().unwrap_or(if tls { 636 } else { 389 });
        if host.is_empty() || port == 0 || !host.chars().all(is_host) {
            Err(wrong())
        } else {
            Ok(Self { tls, host, port })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(more: &[(&str, &str)]) -> Settings {
        let base = [
            ("ldapUrl", "ldap://directory.example.com"),
            ("ldapBase", "dc=example,dc=com"),
            ("ldapAttributeUserUniqueIdentifier", "entryUUID"),
            ("ldapAttributeUserUsername", "uid"),
            ("ldapAttributeGroupUniqueIdentifier", "entryUUID"),
            ("ldapAttributeGroupName", "cn"),
        ];
        Settings::new(base.iter().chain(more).map(|(k, v)| ((*k).to_owned(), (*v).to_owned())))
    }

    #[test]
    fn addresses_have_a_scheme_and_a_host() {
        let at = |text: &str| Address::parse(text).map(|a| (a.tls, a.host, a.port));
        assert_eq!(at("ldap://a"), Ok((false, "a".into(), 389)));
        assert_eq!(at("LDAPS://a.example:1636/"), Ok((true, "a.example".into(), 1636)));
        assert_eq!(at("ldaps://[fd00::1]"), Ok((true, "fd00::1".into(), 636)));
        assert_eq!(at("ldap://[::1]:3890"), Ok((false, "::1".into(), 3890)));
        for bad in [
            "",
            "a",
            "http://a",
            "ldap://",
            "ldap://:389",
            "ldap://a:0",
            "ldap://a:99999",
            "ldap://a b",
            "ldap://u@a",
            "ldap://a/dc=example",
            "ldap://[::1",
            "ldap://[x]",
            "ldapi:///var/run/x",
        ] {
            assert!(at(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn case_096_filters_are_looked_at_without_recursion() {
        for good in ["", "(objectClass=person)", "(&(objectClass=person)(!(memberOf=cn=x,dc=y)))", " (a=b) "] {
            assert_eq!(check_filter(good), Ok(()), "{good}");
        }
        let deep = format!("{}(a=b){}", "(!".repeat(10_000), ")".repeat(10_000));
        for bad in ["objectClass=person", "(a=b", "(a=b))", "(a=b)(c=d)", "x(a=b)", &deep, ")("] {
            assert!(check_filter(bad).is_err(), "{}", &bad[..bad.len().min(40)]);
        }
    }

    #[test]
    fn settings_become_a_directory() {
        let d = Directory::from_settings(&settings(&[("ldapBindDn", "cn=x"), ("ldapBindPassword", "y")])).unwrap();
        assert_eq!((d.server.port, d.server.security, d.limit_percent), (389, Security::None, 20));
        assert!(d.soft_delete && !d.nested && d.group.is_some());
        assert!(!format!("{d:?}").contains("\"y\""));
        let d =
            Directory::from_settings(&settings(&[("ldapStartTls", "true"), ("ldapAttributeGroupName", "")])).unwrap();
        assert_eq!((d.server.security, d.server.bind, d.group), (Security::StartTls, None, None));
        let tls = settings(&[("ldapUrl", "ldaps://a"), ("ldapStartTls", "true")]);
        assert_eq!(Directory::from_settings(&tls).unwrap().server.security, Security::Tls);
        let missing = Directory::from_settings(&Settings::default()).unwrap_err();
        let names: Vec<&str> = missing.iter().map(|e| e.field.as_str()).collect();
        assert_eq!(names, ["ldapUrl", "ldapBase", "ldapAttributeUserUniqueIdentifier", "ldapAttributeUserUsername"]);
        let half = Directory::from_settings(&settings(&[("ldapBindDn", "cn=x")])).unwrap_err();
        assert_eq!(half[0].field, "ldapBindPassword");
    }

    #[test]
    fn the_share_that_may_go() {
        let d = Directory::from_settings(&settings(&[])).unwrap();
        assert!(d.lets_go(0, 0) && d.lets_go(1, 5) && d.lets_go(20, 100));
        assert!(!d.lets_go(21, 100) && !d.lets_go(1, 4) && !d.lets_go(1, 0));
        let all = Directory::from_settings(&settings(&[("ldapRemovalLimitPercent", "100")])).unwrap();
        assert!(all.lets_go(7, 7));
        let none = Directory::from_settings(&settings(&[("ldapRemovalLimitPercent", "0")])).unwrap();
        assert!(!none.lets_go(1, 1000));
    }
}
