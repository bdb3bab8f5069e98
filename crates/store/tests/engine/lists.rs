//! Lists at a size at which pages are found in each of their ways, against what is plainly so.

use pid_core::audit::Event;
use pid_core::list::{ListRequest, Page};
use pid_core::users::User;
use pid_core::{Ctx, Timestamp, UserId};
use pid_store::audit::{self, NewEntry, Place};
use pid_store::{Db, StoreError, groups, users};

use crate::{Fixture, user};

/// More than are gathered and sorted.
const PEOPLE: usize = 2300;

fn person(n: usize) -> User {
    let name = format!("person{n}");
    User {
        id: UserId::new(format!("{:05}", n * 7919 % 99_991)),
        email: (!n.is_multiple_of(4)).then(|| format!("{name}@example.com")),
        email_verified: !n.is_multiple_of(10),
        first_name: format!("Given{}", n % 7),
        last_name: format!("Ünal{}", n % 3),
        display_name: format!("Given{} Ünal{}", n % 7, n % 3),
        is_admin: n % 1000 == 1,
        disabled: n % 100 == 2,
        created_at: Timestamp::from_secs(1000 + n as i64 / 3),
        ..user(&name)
    }
}

/// Whom a search or a filter keeps.
type Keeps = fn(&User) -> bool;

fn request(sort: Option<(&str, bool)>, search: Option<&str>, filters: &[(&str, &str)]) -> ListRequest {
    ListRequest {
        limit: 100,
        sort: sort.map(|(name, descending)| (name.to_owned(), descending)),
        search: search.map(str::to_owned),
        filters: filters.iter().map(|(name, value)| ((*name).to_owned(), vec![(*value).to_owned()])).collect(),
        ..ListRequest::default()
    }
}

/// Every page of a list, one after the other.
async fn pages<T: Send + 'static>(
    db: &Db,
    wanted: &ListRequest,
    list: fn(&pid_store::ReadTx<'_>, &ListRequest) -> Result<Page<T>, StoreError>,
) -> (Vec<T>, i64) {
    let mut all = Vec::new();
    for number in 1.. {
        let asked = ListRequest { page: number, ..wanted.clone() };
        let page = db.read(move |tx| list(tx, &asked)).await.unwrap();
        let last = Page::<T>::pages(page.total, page.limit);
        assert_eq!(page.page, number, "{wanted:?}");
        all.extend(page.items);
        if number >= last {
            return (all, page.total);
        }
    }
    unreachable!()
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_of_people_hold_everybody_once_in_order() {
    let everybody: Vec<User> = (0..PEOPLE).map(person).collect();
    for fixture in Fixture::all().await {
        let stored = everybody.clone();
        fixture.db.write(move |tx| stored.iter().try_for_each(|u| users::insert(tx, u))).await.unwrap();
        // What a change writes is found as well.
        let changed = User { first_name: "Renamed".into(), ..person(77) };
        let write = changed.clone();
        fixture.db.write(move |tx| users::update(tx, &write, write.updated_at)).await.unwrap();
        let everybody: Vec<User> =
            everybody.iter().map(|u| if u.id == changed.id { changed.clone() } else { u.clone() }).collect();

        let key = |u: &User, column: &str| match column {
            "username" => u.username.clone(),
            "firstName" => u.first_name.clone(),
            "lastName" => u.last_name.clone(),
            "email" => u.email.clone().unwrap_or_default(),
            "isAdmin" => u.is_admin.to_string(),
            "disabled" => u.disabled.to_string(),
            _ => format!("{:012}", u.created_at.millis()),
        };
        let searches: [(Option<&str>, Keeps); 6] = [
            (None, |_| true),
            (Some("zzz"), |_| false),
            (Some("PERSON77@"), |u| u.username == "person77"),
            (Some("renamed"), |u| u.first_name == "Renamed"),
            (Some("üNAL1"), |u| u.last_name == "Ünal1"),
            (Some("person"), |_| true),
        ];
        let filters: [(&[(&str, &str)], Keeps); 5] = [
            (&[], |_| true),
            (&[("isAdmin", "true")], |u| u.is_admin),
            (&[("disabled", "false")], |u| !u.disabled),
            (&[("emailVerified", "true"), ("disabled", "true")], |u| u.email_verified && u.disabled),
            (&[("emailVerified", "true"), ("isAdmin", "false")], |u| u.email_verified && !u.is_admin),
        ];
        for (search, found) in searches {
            for (filter, kept) in filters {
                for column in ["", "createdAt", "username", "firstName", "lastName", "email", "isAdmin", "disabled"] {
                    for descending in [false, true] {
                        // Each with each would take a minute.
                        if search.is_some() && !filter.is_empty() && !["", "lastName"].contains(&column) {
                            continue;
                        }
                        let sort = (!column.is_empty()).then_some((column, descending));
                        let wanted = request(sort, search, filter);
                        let (rows, total) = pages(&fixture.db, &wanted, users::list).await;
                        let mut ids: Vec<&str> = rows.iter().map(|u| u.id.as_str()).collect();
                        let mut expected: Vec<&str> =
                            everybody.iter().filter(|u| found(u) && kept(u)).map(|u| u.id.as_str()).collect();
                        assert_eq!(total, i64::try_from(expected.len()).unwrap(), "{wanted:?}");
                        ids.sort_unstable();
                        expected.sort_unstable();
                        assert_eq!(ids, expected, "{wanted:?}");
                        // Where the engines put those without an address is theirs, and so is how they compare letters.
                        let plain: Vec<String> =
                            rows.iter().map(|u| key(u, column)).filter(|k| !k.is_empty()).collect();
                        let is_sorted = if sort.is_some_and(|(_, d)| d) {
                            plain.is_sorted_by(|a, b| a >= b)
                        } else {
                            plain.is_sorted()
                        };
                        assert!(is_sorted, "{wanted:?}: {plain:?}");
                    }
                }
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn groups_know_how_many_they_are() {
    for fixture in Fixture::all().await {
        let group = pid_core::groups::Group {
            id: pid_core::GroupId::new("group"),
            name: "group".into(),
            friendly_name: "Group".into(),
            ldap_id: None,
            created_at: Timestamp::from_secs(1),
            updated_at: Timestamp::from_secs(1),
            version: 1,
        };
        let made = group.clone();
        let id = |n| person(n).id;
        fixture
            .db
            .write(move |tx| {
                groups::insert(tx, &made)?;
                let now = Timestamp::from_secs(2);
                for n in 0..4 {
                    users::insert(tx, &person(n))?;
                    groups::set_member(tx, &id(n), &made.id, true, now)?;
                    // Twice is once.
                    groups::set_member(tx, &id(n), &made.id, true, now)?;
                }
                groups::set_member(tx, &id(0), &made.id, false, now)?;
                groups::set_member(tx, &id(0), &made.id, false, now)?;
                users::delete(tx, &id(1))
            })
            .await
            .unwrap();
        let listed = fixture.db.read(|tx| groups::list(tx, &ListRequest::default())).await.unwrap();
        assert_eq!(listed.items[0].1, 2);
        let members = fixture.db.read(move |tx| groups::members(tx, &group.id)).await.unwrap();
        assert_eq!(members.len(), 2);
    }
}

const ENTRIES: usize = 5000;

/// What an entry tells: its event, its client and its place.
fn kind(n: usize) -> (Event, Option<&'static str>, &'static str) {
    let event = [Event::SignIn, Event::SignIn, Event::ClientAuthorization, Event::SignOut][n % 4];
    let client = (event == Event::ClientAuthorization).then(|| ["Shop", "Wiki"][n / 4 % 2]);
    (event, client, ["internal", "external", ""][n % 3])
}

#[tokio::test(flavor = "multi_thread")]
async fn the_length_of_the_audit_log_is_known_and_right() {
    for fixture in Fixture::all().await {
        let db = &fixture.db;
        let seconds = |n: usize| Timestamp::from_secs(10_000 + n as i64 / 2);
        db.write(move |tx| {
            for n in 0..ENTRIES {
                let (event, client_name, place) = kind(n);
                let (ip_address, country) = [("10.0.0.1", "Internal Network"), ("203.0.113.1", "Z"), ("", "")]
                    [["internal", "external", ""].iter().position(|p| *p == place).unwrap_or(2)];
                let ctx = Ctx {
                    now: seconds(n),
                    seed: pid_core::Seed([0; 32]),
                    ip_address: ip_address.to_owned(),
                    user_agent: format!("agent {}", n % 11),
                };
                let place = Place { country: country.to_owned(), city: format!("city {}", n % 5) };
                let id = format!("{:05}", n * 7919 % 99_991);
                audit::insert(
                    tx,
                    &ctx,
                    NewEntry { id: &id, place: &place, event, user: None, actor: None, client_name, data: "{}" },
                )?;
            }
            Ok::<_, StoreError>(())
        })
        .await
        .unwrap();
        let check = async |from: usize| {
            let of =
                |keep: &dyn Fn(usize) -> bool| i64::try_from((from..ENTRIES).filter(|n| keep(*n)).count()).unwrap();
            let two = |field: &str, values: [&str; 2]| {
                let values = values.map(str::to_owned).to_vec();
                ListRequest { filters: vec![(field.to_owned(), values)], ..request(None, None, &[]) }
            };
            for (wanted, expected) in [
                (request(None, None, &[]), of(&|_| true)),
                (request(None, None, &[("event", "SIGN_IN")]), of(&|n| kind(n).0 == Event::SignIn)),
                (two("event", ["SIGN_IN", "SIGN_OUT"]), of(&|n| kind(n).0 != Event::ClientAuthorization)),
                (request(None, None, &[("clientName", "Wiki")]), of(&|n| kind(n).1 == Some("Wiki"))),
                (request(None, None, &[("clientName", "")]), 0),
                (request(None, None, &[("clientName", "Nobody")]), 0),
                (request(None, None, &[("location", "internal")]), of(&|n| kind(n).2 == "internal")),
                (request(None, None, &[("location", "external")]), of(&|n| kind(n).2 == "external")),
                (two("location", ["internal", "external"]), of(&|n| !kind(n).2.is_empty())),
                (
                    request(
                        None,
                        None,
                        &[("event", "CLIENT_AUTHORIZATION"), ("clientName", "Shop"), ("location", "external")],
                    ),
                    of(&|n| kind(n).1 == Some("Shop") && kind(n).2 == "external"),
                ),
            ] {
                for column in ["", "createdAt", "event", "ipAddress", "country", "city", "userAgent"] {
                    let sort = (!column.is_empty()).then(|| (column.to_owned(), true));
                    let wanted = ListRequest { sort, ..wanted.clone() };
                    let (rows, total) = pages(db, &wanted, audit::list).await;
                    assert_eq!(total, expected, "{wanted:?}");
                    let mut ids: Vec<&str> = rows.iter().map(|e| e.id.as_str()).collect();
                    ids.sort_unstable();
                    ids.dedup();
                    assert_eq!(ids.len(), rows.len(), "{wanted:?}");
                    assert_eq!(i64::try_from(rows.len()).unwrap(), expected, "{wanted:?}");
                }
            }
        };
        // Nothing, then some, then all that is old enough.
        check(0).await;
        let before = seconds(3000);
        let until = db.read(move |tx| audit::countable(tx, before)).await.unwrap().unwrap();
        assert_eq!(until, before);
        db.write(move |tx| audit::count_until(tx, until)).await.unwrap();
        // Somebody else was quicker.
        db.write(move |tx| audit::count_until(tx, until)).await.unwrap();
        assert_eq!(db.read(move |tx| audit::countable(tx, before)).await.unwrap(), None);
        check(0).await;
        assert_eq!(db.write(move |tx| audit::purge(tx, seconds(1000))).await.unwrap(), 1000);
        check(1000).await;
        // Also those that were never counted are removed.
        assert_eq!(db.write(move |tx| audit::purge(tx, seconds(3200))).await.unwrap(), 2200);
        check(3200).await;
        let last = seconds(ENTRIES);
        let until = db.read(move |tx| audit::countable(tx, last)).await.unwrap().unwrap();
        db.write(move |tx| audit::count_until(tx, until)).await.unwrap();
        check(3200).await;
    }
}
