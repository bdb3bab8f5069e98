//! What a target answers, read tolerantly: a stranger's data, of which only what we manage is looked at. What is not of
//! the expected form counts as absent.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::lenient::{Lenient, Maybe, attributes};
use super::{Digest, Kind, Person, Team};

/// The longest id that a target may give, bytes.
pub const MAX_REMOTE_ID: usize = 512;
/// The longest version or time of change that is remembered, bytes.
const MAX_STAMP: usize = 256;

/// A resource as a target has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remote {
    /// The target's id.
    pub id: String,
    /// The id that whoever made it has for it.
    pub external_id: Option<String>,
    /// `userName` or `displayName`.
    pub name: String,
    /// `meta.version`, for `If-Match` (RFC 7644 §3.14).
    pub etag: Option<String>,
    /// What changes with it: its version or, where there are none, the time of its last change.
    pub stamp: Option<String>,
    /// What it says of that which we manage.
    pub digest: Digest,
    /// Whether it still lets anybody do anything: an active person, a group with members.
    pub is_on: bool,
}

/// The most resources of one page that are kept, however many were asked for.
const MAX_OF_PAGE: usize = 50_000;

/// A page of a list (RFC 7644 §3.4.2).
#[derive(Debug, Default)]
pub struct ListResponse {
    /// How many there are on all pages.
    pub total: Option<u64>,
    /// How many this page has, whatever they are.
    pub count: usize,
    /// Those that can be read.
    pub resources: Vec<Shape>,
    /// Whether there are more than are kept.
    pub is_crowded: bool,
    /// Every answer has it (RFC 7644 §3.4.2); without it this is something else.
    schemas: Option<Vec<String>>,
}

impl ListResponse {
    /// Whether it says that it is a list, by its schema or by counting.
    pub fn is_one(&self) -> bool {
        let named = self.schemas.iter().flatten().any(|schema| schema.ends_with(":ListResponse"));
        named || self.total.is_some()
    }
}

impl<'de> Deserialize<'de> for ListResponse {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Page)
    }
}

struct Page;

impl<'de> Visitor<'de> for Page {
    type Value = ListResponse;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a page of a list")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut page = ListResponse::default();
        while let Some(key) = map.next_key::<String>()? {
            match key.as_str() {
                "totalResults" => page.total = map.next_value::<Maybe<_>>()?.0,
                "schemas" => page.schemas = map.next_value::<Maybe<_>>()?.0,
                "Resources" | "resources" => {
                    let listed = map.next_value::<Option<Listed>>()?.unwrap_or_default();
                    (page.count, page.is_crowded) = (listed.count, listed.is_crowded);
                    page.resources = listed.kept;
                }
                _ => _ = map.next_value::<IgnoredAny>()?,
            }
        }
        Ok(page)
    }
}

/// The resources of a page: `null` is none, everything else must be a list.
#[derive(Default)]
struct Listed {
    count: usize,
    kept: Vec<Shape>,
    is_crowded: bool,
}

impl<'de> Deserialize<'de> for Listed {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(Resources)
    }
}

struct Resources;

impl<'de> Visitor<'de> for Resources {
    type Value = Listed;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of resources")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let mut listed = Listed::default();
        while let Some(Maybe(one)) = list.next_element::<Maybe<Shape>>()? {
            listed.count += 1;
            let Some(shape) = one.filter(|shape| shape.id.is_some()) else { continue };
            listed.is_crowded |= listed.kept.len() >= MAX_OF_PAGE;
            if !listed.is_crowded {
                listed.kept.push(shape);
            }
        }
        Ok(listed)
    }
}

/// A person or group on the wire, as far as it is looked at.
#[derive(Clone, Debug, Default)]
pub struct Shape {
    id: Option<Id>,
    external_id: Option<String>,
    user_name: Option<String>,
    name: Option<Name>,
    display_name: Option<String>,
    active: Option<bool>,
    emails: Option<ValuedList>,
    members: Option<ValuedList>,
    meta: Option<Meta>,
}

attributes!(Shape {
    "id" => id,
    "externalId" => external_id,
    "userName" => user_name,
    "name" => name,
    "displayName" => display_name,
    "active" => active,
    "emails" => emails,
    "members" => members,
    "meta" => meta,
});

/// It must be an object: whoever reads it goes on to change it.
impl<'de> Deserialize<'de> for Shape {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Maybe::deserialize(deserializer)?.0.ok_or_else(|| D::Error::custom("not an object"))
    }
}

#[derive(Clone, Debug, Default)]
struct Name {
    given_name: Option<String>,
    family_name: Option<String>,
}

attributes!(Name { "givenName" => given_name, "familyName" => family_name });

#[derive(Clone, Debug, Default)]
struct Valued {
    value: Option<Id>,
    primary: Option<bool>,
}

attributes!(Valued { "value" => value, "primary" => primary });

/// A list of those that have a value.
#[derive(Clone, Debug)]
struct ValuedList(Vec<Valued>);

impl Lenient for ValuedList {
    fn list<'de, A: SeqAccess<'de>>(mut list: A) -> Result<Option<Self>, A::Error> {
        let mut kept = Vec::new();
        while let Some(Maybe(one)) = list.next_element::<Maybe<Valued>>()? {
            kept.extend(one.filter(|one| one.value.is_some()));
        }
        Ok(Some(Self(kept)))
    }
}

#[derive(Clone, Debug, Default)]
struct Meta {
    version: Option<String>,
    last_modified: Option<String>,
}

attributes!(Meta { "version" => version, "lastModified" => last_modified });

/// Ids are text (RFC 7643 §3.1), but numbers are seen.
#[derive(Clone, Debug)]
struct Id(String);

impl Lenient for Id {
    fn text(text: &str) -> Option<Self> {
        Some(Self(text.to_owned()))
    }

    fn number(number: u64) -> Option<Self> {
        Some(Self(number.to_string()))
    }
}

/// Whether an id can be a part of an address and of a header.
fn is_usable(id: &str) -> bool {
    !matches!(id, "" | "." | "..") && id.len() <= MAX_REMOTE_ID && !id.chars().any(char::is_control)
}

impl Shape {
    /// The resource; `None` without an id that can be used.
    pub fn read(self, kind: Kind) -> Option<Remote> {
        let id = self.id.map(|Id(id)| id).filter(|id| is_usable(id))?;
        let meta = self.meta.unwrap_or_default();
        let short = |text: &String| text.len() <= MAX_STAMP && !text.chars().any(char::is_control);
        let etag = meta.version.filter(short);
        let stamp = etag.clone().or(meta.last_modified.filter(short));
        let display_name = self.display_name.unwrap_or_default();
        let (name, digest, is_on) = match kind {
            Kind::User => {
                let name = self.name.unwrap_or_default();
                let mut emails = self.emails.map(|ValuedList(list)| list).unwrap_or_default();
                let first = emails.iter().position(|email| email.primary == Some(true)).unwrap_or(0);
                let email =
                    if emails.is_empty() { None } else { emails.swap_remove(first).value.map(|Id(value)| value) };
                let person = Person {
                    id: String::new(),
                    user_name: self.user_name.unwrap_or_default(),
                    given_name: name.given_name.unwrap_or_default(),
                    family_name: name.family_name.unwrap_or_default(),
                    display_name,
                    email,
                    // Who is not said to be inactive is not.
                    active: self.active.unwrap_or(true),
                };
                let digest = person.digest();
                (person.user_name, digest, person.active)
            }
            Kind::Group => {
                let members = self.members.into_iter().flat_map(|ValuedList(list)| list);
                let mut members: Vec<String> = members.filter_map(|member| Some(member.value?.0)).collect();
                members.sort_unstable();
                members.dedup();
                let team = Team { id: String::new(), display_name, members };
                let digest = team.digest();
                (team.display_name, digest, !team.members.is_empty())
            }
        };
        Some(Remote { id, external_id: self.external_id.filter(|id| !id.is_empty()), name, etag, stamp, digest, is_on })
    }
}

/// The kind of error that a target names (RFC 7644 §3.12), if it is one that there is.
pub fn scim_type(body: &[u8]) -> Option<&'static str> {
    const KNOWN: [&str; 9] = [
        "invalidFilter",
        "tooMany",
        "uniqueness",
        "mutability",
        "invalidSyntax",
        "invalidPath",
        "noTarget",
        "invalidValue",
        "sensitive",
    ];
    #[derive(Default)]
    struct Answer {
        scim_type: Option<String>,
    }
    attributes!(Answer { "scimType" => scim_type });
    let Maybe(answer) = serde_json::from_slice::<Maybe<Answer>>(body).ok()?;
    let named = answer?.scim_type?;
    KNOWN.into_iter().find(|known| *known == named)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn read(kind: Kind, value: Value) -> Option<Remote> {
        serde_json::from_value::<Shape>(value).unwrap().read(kind)
    }

    #[test]
    fn what_was_sent_is_recognised() {
        let person = Person {
            id: "u1".into(),
            user_name: "ann".into(),
            given_name: "Ann".into(),
            email: Some("ann@example.com".into()),
            active: true,
            ..Person::default()
        };
        let wanted = super::super::Wanted::Person(person);
        let mut answer: Value = serde_json::from_slice(&wanted.body()).unwrap();
        answer["id"] = json!("7");
        answer["title"] = json!("Dr");
        answer["meta"] = json!({ "version": "W/\"3\"", "lastModified": "2026-01-01T00:00:00Z" });
        let remote = read(Kind::User, answer.clone()).unwrap();
        assert_eq!((remote.id.as_str(), remote.external_id.as_deref()), ("7", Some("u1")));
        assert_eq!((remote.stamp.as_deref(), remote.digest), (Some("W/\"3\""), wanted.digest()));
        answer["emails"] = json!([{ "value": "old@example.com" }, { "value": "ann@example.com", "primary": true }]);
        assert_eq!(read(Kind::User, answer.clone()).unwrap().digest, wanted.digest());
        answer["active"] = json!(false);
        assert_ne!(read(Kind::User, answer).unwrap().digest, wanted.digest());
    }

    #[test]
    fn members_are_compared_as_a_set() {
        let team = Team { id: "g".into(), display_name: "Staff".into(), members: vec!["1".into(), "2".into()] };
        let answer =
            json!({ "id": 5, "displayName": "Staff", "members": [{ "value": "2" }, { "value": 1 }, { "value": "2" }] });
        let remote = read(Kind::Group, answer).unwrap();
        assert_eq!((remote.id.as_str(), remote.digest, remote.is_on), ("5", team.digest(), true));
    }

    #[test]
    fn junk_is_nothing() {
        for id in [
            json!(null),
            json!(""),
            json!("."),
            json!(".."),
            json!("a\nb"),
            json!("x".repeat(513)),
            json!({}),
            json!([1]),
        ] {
            assert_eq!(read(Kind::User, json!({ "id": id })), None, "{id}");
        }
        let odd = json!({ "id": "7", "externalId": 5, "userName": ["x"], "name": "x", "emails": "x", "active": "yes",
            "members": {}, "meta": [] });
        let remote = read(Kind::User, odd).unwrap();
        assert_eq!((remote.external_id, remote.name.as_str(), remote.stamp), (None, "", None));
    }

    #[test]
    fn lists_are_told_from_other_answers() {
        let list = |text: &str| serde_json::from_str::<ListResponse>(text);
        let good = list(r#"{"totalResults":2,"Resources":[{"id":"1"},5]}"#).unwrap();
        assert!(good.is_one() && good.total == Some(2) && good.count == 2 && good.resources.len() == 1);
        assert!(
            list(r#"{"schemas":["urn:ietf:params:scim:api:messages:2.0:ListResponse"],"Resources":null}"#)
                .unwrap()
                .is_one()
        );
        assert!(!list(r#"{"error":"no"}"#).unwrap().is_one());
        for bad in ["", "[]", "<html>", r#"{"totalResults":1,"Resources":7}"#] {
            assert!(list(bad).is_err(), "{bad}");
        }
        // Depth and mass are passed over without being kept.
        let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        let junk = list(&format!(r#"{{"totalResults":1,"x":{deep},"Resources":[{deep},0,{{}}]}}"#)).unwrap();
        assert_eq!((junk.count, junk.resources.len()), (3, 0));
        let crowd = r#"{"id":1},"#.repeat(MAX_OF_PAGE);
        let crowd = list(&format!(r#"{{"totalResults":1,"Resources":[{crowd}{{"id":1}}]}}"#)).unwrap();
        assert!(crowd.is_crowded && crowd.resources.len() == MAX_OF_PAGE);
    }

    #[test]
    fn a_list_is_no_resource() {
        assert!(serde_json::from_str::<Shape>(r#"["7","u1","ann",null,null,true]"#).is_err());
        assert!(serde_json::from_str::<Shape>("7").is_err());
    }

    #[test]
    fn only_known_kinds_of_errors_are_repeated() {
        assert_eq!(scim_type(br#"{"scimType":"uniqueness","detail":"secret"}"#), Some("uniqueness"));
        for other in [&b"{\"scimType\":\"<script>\"}"[..], b"{\"scimType\":7}", b"{}", b"junk"] {
            assert_eq!(scim_type(other), None);
        }
    }
}
