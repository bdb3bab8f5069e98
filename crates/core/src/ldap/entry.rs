//! An entry of a directory, and the person or group that it becomes. Pure: an entry gives the same again and again.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use uuid::Uuid;

use crate::ldap::{Directory, GroupAttributes, dn_key};
use crate::secret::sha256;
use crate::validate::{Fields, is_email, key, nfc};

/// The longest unique identifier, bytes.
const LONGEST_ID: usize = 512;

/// An entry as a server sends it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entry {
    /// Its distinguished name.
    pub dn: String,
    /// Its attributes with their values.
    pub attributes: Vec<(String, Vec<Vec<u8>>)>,
    /// Parts of it could not be read: they are too large, or no LDAP.
    pub is_cut: bool,
}

impl Entry {
    /// All values of an attribute, whatever the case of its name, and its options (RFC 4512 §2.5).
    pub fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        let is_it = move |found: &str| {
            !name.is_empty() && (found.eq_ignore_ascii_case(name) || base(found).eq_ignore_ascii_case(name))
        };
        self.attributes.iter().filter(move |(found, _)| is_it(found)).flat_map(|(_, values)| values).map(Vec::as_slice)
    }

    /// The unique identifier, from the attribute of this name.
    fn id(&self, name: &str) -> Result<String, (Option<String>, Reason)> {
        let reason = if self.is_cut { Reason::NotRead } else { Reason::NoId };
        self.values(name).next().and_then(unique_id).ok_or((None, reason))
    }

    /// The first value as text, trimmed, NFC; `Err`: it is no text.
    fn text(&self, name: &str) -> Result<String, ()> {
        match self.values(name).next() {
            None => Ok(String::new()),
            Some(bytes) => std::str::from_utf8(bytes).map(|text| nfc(text.trim())).map_err(drop),
        }
    }
}

/// An attribute's name without its options.
fn base(name: &str) -> &str {
    name.split(';').next().unwrap_or(name)
}

/// Why an entry is not taken over, or not wholly.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// It has no unique identifier, or one that is too long.
    NoId,
    /// Another entry has the same unique identifier.
    SameId,
    /// It has no username.
    NoUsername,
    /// Its username has characters that usernames don't have, or is too long.
    BadUsername,
    /// It has no address, which accounts need here.
    NoEmail,
    /// Its address is none.
    BadEmail,
    /// A name is too long, or has invisible characters.
    BadName,
    /// Another account has the username.
    UsernameTaken,
    /// Another account has the address.
    EmailTaken,
    /// A group has no name, or one that is too short or too long.
    BadGroupName,
    /// Another group has the name.
    GroupNameTaken,
    /// Whose members administer can't be told: no group has the name, or several have.
    NoAdminGroup,
    /// Nobody who can sign in would administer any more.
    LastAdmin,
    /// The picture can't be used.
    BadPicture,
    /// The picture's address gave none.
    PictureNotFetched,
    /// It could not be stored.
    NotStored,
    /// It is there, but the bind account may not read what says whose it is.
    Hidden,
    /// It is too large, or parts of it can't be read.
    NotRead,
    /// Whether it is still there could not be found out.
    NotChecked,
    /// Some of a group's members could not be looked up: nobody is taken out of it.
    MembersUnknown,
    /// A part of the directory is on another server, which is not asked.
    Referral,
    /// The picture is too large.
    PictureTooLarge,
    /// Pictures could not be read.
    PicturesNotRead,
}

impl Reason {
    const ALL: [(Self, &str); 23] = [
        (Self::NoId, "no_id"),
        (Self::SameId, "same_id"),
        (Self::NoUsername, "no_username"),
        (Self::BadUsername, "bad_username"),
        (Self::NoEmail, "no_email"),
        (Self::BadEmail, "bad_email"),
        (Self::BadName, "bad_name"),
        (Self::UsernameTaken, "username_taken"),
        (Self::EmailTaken, "email_taken"),
        (Self::BadGroupName, "bad_group_name"),
        (Self::GroupNameTaken, "group_name_taken"),
        (Self::NoAdminGroup, "no_admin_group"),
        (Self::LastAdmin, "last_admin"),
        (Self::BadPicture, "bad_picture"),
        (Self::PictureNotFetched, "picture_not_fetched"),
        (Self::NotStored, "not_stored"),
        (Self::Hidden, "hidden"),
        (Self::NotRead, "not_read"),
        (Self::NotChecked, "not_checked"),
        (Self::MembersUnknown, "members_unknown"),
        (Self::Referral, "referral"),
        (Self::PictureTooLarge, "picture_too_large"),
        (Self::PicturesNotRead, "pictures_not_read"),
    ];

    /// The word in the store and on the wire.
    pub fn as_str(self) -> &'static str {
        Self::ALL.iter().find(|(reason, _)| *reason == self).map_or("not_stored", |(_, word)| word)
    }

    /// All words.
    pub fn words() -> impl Iterator<Item = &'static str> {
        Self::ALL.iter().map(|(_, word)| *word)
    }
}

/// What a unique identifier is here: text as it is; 16 bytes that are no text as a UUID, such as Active Directory's
/// `objectGUID`; other bytes in base64 (api.md §20.6).
pub fn unique_id(value: &[u8]) -> Option<String> {
    if value.is_empty() || value.len() > LONGEST_ID {
        return None;
    }
    // Bytes that happen to be UTF-8 are no text for that: they would have control characters.
    if let Ok(text) = std::str::from_utf8(value)
        && !text.chars().any(char::is_control)
    {
        return Some(nfc(text)).filter(|text| !text.trim().is_empty());
    }
    match <[u8; 16]>::try_from(value) {
        Ok(bytes) => Some(Uuid::from_bytes(bytes).to_string()),
        Err(_) => Some(STANDARD.encode(value)),
    }
}

/// A person as the directory has them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundPerson {
    /// The unique identifier.
    pub ldap_id: String,
    /// The username.
    pub username: String,
    /// The address; the directory vouches for it.
    pub email: Option<String>,
    /// The first name.
    pub first_name: String,
    /// The last name.
    pub last_name: String,
    /// The name that is shown.
    pub display_name: String,
}

impl FoundPerson {
    /// What is compared with what is stored, so that whoever has not changed needs no more memory than this.
    pub fn print(&self) -> [u8; 16] {
        print(&self.username, self.email.as_deref(), true, &self.first_name, &self.last_name, &self.display_name)
    }
}

/// The print of a person's fields.
pub fn print(
    username: &str,
    email: Option<&str>,
    email_verified: bool,
    first_name: &str,
    last_name: &str,
    display_name: &str,
) -> [u8; 16] {
    let parts = [
        username,
        email.unwrap_or_default(),
        // An account without an address has nothing to verify.
        if email.is_none() || email_verified { "1" } else { "0" },
        first_name,
        last_name,
        display_name,
    ];
    let mut out = [0; 16];
    out.copy_from_slice(&sha256(parts.join("\u{0}").as_bytes())[..16]);
    out
}

/// The person that an entry is. The identifier comes with a refusal too, as far as there is one: whoever is refused is
/// not gone.
///
/// # Errors
/// Why it is none.
pub fn person(entry: &Entry, directory: &Directory) -> Result<FoundPerson, (Option<String>, Reason)> {
    let names = &directory.person;
    let ldap_id = entry.id(&names.id)?;
    let refuse = |reason| (Some(ldap_id.clone()), reason);
    if entry.is_cut {
        return Err(refuse(Reason::NotRead));
    }
    let text = |name: &str, reason| entry.text(name).map_err(|()| refuse(reason));
    let username = text(&names.username, Reason::BadUsername)?;
    if username.is_empty() {
        return Err(refuse(Reason::NoUsername));
    }
    let mut fields = Fields::new();
    fields.username("username", &username);
    fields.finish().map_err(|_| refuse(Reason::BadUsername))?;
    let email = Some(text(&names.email, Reason::BadEmail)?).filter(|email| !email.is_empty());
    match &email {
        Some(email) if !is_email(email) => return Err(refuse(Reason::BadEmail)),
        None if directory.require_email => return Err(refuse(Reason::NoEmail)),
        _ => {}
    }
    let first_name = text(&names.first_name, Reason::BadName)?;
    let last_name = text(&names.last_name, Reason::BadName)?;
    let mut display_name = text(&names.display_name, Reason::BadName)?;
    if display_name.is_empty() {
        display_name = format!("{first_name} {last_name}").trim().to_owned();
    }
    let mut fields = Fields::new();
    fields.length("firstName", &first_name, 0, 50);
    fields.length("lastName", &last_name, 0, 50);
    fields.length("displayName", &display_name, 0, 100);
    fields.finish().map_err(|_| refuse(Reason::BadName))?;
    Ok(FoundPerson { ldap_id: ldap_id.clone(), username, email, first_name, last_name, display_name })
}

/// Somebody or something that a group names.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Member {
    /// An entry, by the form of its name.
    Dn(String),
    /// A username, in the form under which they are unique.
    Name(String),
}

/// A group as the directory has it, without its members.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundGroup {
    /// The unique identifier.
    pub ldap_id: String,
    /// The name.
    pub name: String,
}

impl FoundGroup {
    /// The name for people, which is shorter.
    pub fn friendly_name(&self) -> String {
        let mut chars = self.name.chars();
        let short: String = chars.by_ref().take(50).collect();
        if chars.next().is_none() { short } else { format!("{}…", short.chars().take(49).collect::<String>()) }
    }
}

/// The group that an entry is, as [`person`].
///
/// # Errors
/// Why it is none.
pub fn group(entry: &Entry, names: &GroupAttributes) -> Result<FoundGroup, (Option<String>, Reason)> {
    let ldap_id = entry.id(&names.id)?;
    let refuse = || (Some(ldap_id.clone()), Reason::BadGroupName);
    if entry.is_cut {
        return Err((Some(ldap_id), Reason::NotRead));
    }
    let name = entry.text(&names.name).map_err(|()| refuse())?;
    let mut fields = Fields::new();
    fields.length("name", &name, 2, 255);
    fields.finish().map_err(|_| refuse())?;
    Ok(FoundGroup { ldap_id: ldap_id.clone(), name })
}

/// Whom a value of a group's member attribute names.
pub fn member(value: &[u8]) -> Option<Member> {
    let text = std::str::from_utf8(value).ok()?.trim();
    if text.is_empty() {
        return None;
    }
    // The optional bit string of `uniqueMember` (RFC 4517 §3.3.21).
    let name = text.rsplit_once('#').filter(|(_, bits)| bits.starts_with('\'')).map_or(text, |(name, _)| name);
    Some(dn_key(name).map_or_else(|| Member::Name(key(text)), Member::Dn))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Settings;
    use proptest::prelude::*;

    fn directory(more: &[(&str, &str)]) -> Directory {
        let base = [
            ("ldapUrl", "ldap://a"),
            ("ldapBase", "dc=x"),
            ("ldapAttributeUserUniqueIdentifier", "entryUUID"),
            ("ldapAttributeUserUsername", "uid"),
            ("ldapAttributeUserEmail", "mail"),
            ("ldapAttributeUserFirstName", "givenName"),
            ("ldapAttributeUserLastName", "sn"),
            ("requireUserEmail", "false"),
        ];
        let all = base.iter().chain(more).map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
        Directory::from_settings(&Settings::new(all)).unwrap()
    }

    fn entry(attributes: &[(&str, &[u8])]) -> Entry {
        let attributes = attributes.iter().map(|(name, value)| ((*name).to_owned(), vec![value.to_vec()])).collect();
        Entry { dn: "uid=tim,dc=x".into(), attributes, is_cut: false }
    }

    const TIM: [(&str, &[u8]); 4] =
        [("entryuuid", b"1-2-3"), ("UID", b" tim "), ("givenname;lang-en", b"Tim"), ("sn", b"Test")];

    #[test]
    fn an_entry_becomes_a_person() {
        let tim = person(&entry(&TIM), &directory(&[])).unwrap();
        assert_eq!((&*tim.ldap_id, &*tim.username, &*tim.display_name), ("1-2-3", "tim", "Tim Test"));
        assert_eq!(tim.print(), print("tim", None, false, "Tim", "Test", "Tim Test"));
        assert_ne!(tim.print(), print("tim", None, false, "TimTest", "", "Tim Test"));
        let named = [&TIM[..], &[("cn", "Tim\u{0308}".as_bytes()), ("mail", b"tim@x.example")]].concat();
        let tim = person(&entry(&named), &directory(&[])).unwrap();
        assert_eq!((&*tim.display_name, tim.email.as_deref()), ("Tim\u{0308}", Some("tim@x.example")));
    }

    #[test]
    fn case_096_hostile_entries_are_refused_with_a_reason() {
        let refused = |more: &[(&str, &[u8])], settings: &[(&str, &str)]| {
            let all: Vec<(&str, &[u8])> = more
                .iter()
                .chain(TIM.iter().filter(|(name, _)| !more.iter().any(|(n, _)| n.eq_ignore_ascii_case(name))))
                .copied()
                .collect();
            person(&entry(&all), &directory(settings)).unwrap_err()
        };
        let id = Some("1-2-3".to_owned());
        assert_eq!(refused(&[("entryuuid", b"")], &[]), (None, Reason::NoId));
        assert_eq!(refused(&[("entryuuid", &[b'a'; 600])], &[]), (None, Reason::NoId));
        assert_eq!(refused(&[("uid", b"")], &[]), (id.clone(), Reason::NoUsername));
        for name in [&b"*)(uid=*"[..], b"ti\0m", b"\xff\xfe", b"../tim", "t\u{200b}im".as_bytes(), &[b'a'; 51]] {
            assert_eq!(refused(&[("uid", name)], &[]), (id.clone(), Reason::BadUsername), "{name:?}");
        }
        assert_eq!(refused(&[("mail", b"tim")], &[]), (id.clone(), Reason::BadEmail));
        assert_eq!(refused(&[("mail", b"a@b.example\r\nBcc: x@y.example")], &[]), (id.clone(), Reason::BadEmail));
        assert_eq!(refused(&[], &[("requireUserEmail", "true")]), (id.clone(), Reason::NoEmail));
        for name in ["a\u{202e}b".as_bytes(), &[b'a'; 101], b"a\0b", b"\xc3\x28"] {
            assert_eq!(refused(&[("cn", name)], &[]), (id.clone(), Reason::BadName), "{name:?}");
        }
    }

    #[test]
    fn identifiers_are_text_uuids_or_base64() {
        assert_eq!(unique_id(b"11111111-2222"), Some("11111111-2222".into()));
        let guid: Vec<u8> = (0x80..0x90).collect();
        assert_eq!(unique_id(&guid), Some("80818283-8485-8687-8889-8a8b8c8d8e8f".into()));
        let ascii_guid: Vec<u8> = (0..16).collect();
        assert_eq!(unique_id(&ascii_guid), Some("00010203-0405-0607-0809-0a0b0c0d0e0f".into()));
        assert_eq!(unique_id(&[0xff, 0]), Some("/wA=".into()));
        assert_eq!(unique_id(&[0xff, 0, 1]), Some("/wAB".into()));
        assert_eq!(unique_id(&[0xff]), Some("/w==".into()));
        assert_eq!((unique_id(b""), unique_id(b" ")), (None, None));
    }

    #[test]
    fn members_are_names_of_entries_or_of_people() {
        assert_eq!(member(b"Tim"), Some(Member::Name("tim".into())));
        let tim = dn_key("uid=tim,dc=x").unwrap();
        assert_eq!(member(b"UID=Tim, DC=x"), Some(Member::Dn(tim.clone())));
        assert_eq!(member(b"uid=tim,dc=x#'0101'B"), Some(Member::Dn(tim)));
        assert_eq!((member(b""), member(b"\xff")), (None, None));
    }

    #[test]
    fn groups_need_a_name() {
        let names = GroupAttributes { id: "entryUUID".into(), name: "cn".into(), member: "member".into() };
        let of = |cn: &[u8]| group(&entry(&[("entryUUID", b"1"), ("cn", cn)]), &names);
        assert_eq!(of(b"staff").unwrap().friendly_name(), "staff");
        let long = of(&[b'a'; 60]).unwrap();
        assert_eq!((long.name.len(), long.friendly_name().chars().count()), (60, 50));
        for bad in [&b""[..], b"a", &[b'a'; 256], b"a\0b"] {
            assert_eq!(of(bad), Err((Some("1".into()), Reason::BadGroupName)));
        }
    }

    proptest! {
        #[test]
        fn case_096_any_bytes_are_read_or_refused(value in prop::collection::vec(any::<u8>(), 0..40), which in 0..6_usize) {
            let name = ["entryUUID", "uid", "mail", "givenName", "sn", "cn"][which];
            let mut all: Vec<(&str, &[u8])> = TIM.iter().filter(|(n, _)| !n.eq_ignore_ascii_case(name)).copied().collect();
            all.push((name, &value));
            if let Ok(person) = person(&entry(&all), &directory(&[])) {
                let texts = [&person.username, &person.first_name, &person.last_name, &person.display_name];
                prop_assert!(texts.iter().all(|text| !text.chars().any(char::is_control)));
            }
            let _ = member(&value);
        }
    }
}
