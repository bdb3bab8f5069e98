//! Lists at a size at which pages are found in each of their ways, against what is plainly so.

use pid_core::audit::Event;
use pid_core::list::{ListRequest, Page};
use pid_core::places::{Place, Places};
use pid_core::users::User;
use pid_core::{Ctx, Timestamp, UserId};
use pid_store::audit::{self, NewEntry};
use pid_store::audit_counts;
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
            roles: pid_core::roles::Roles::NONE,
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
                    places: Places::default(),
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
                for column in ["", "event", "ipAddress"] {
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
        let until = db.read(move |tx| audit_counts::countable(tx, before)).await.unwrap().unwrap();
        assert_eq!(until, before);
        db.write(move |tx| audit_counts::count_until(tx, until)).await.unwrap();
        // Somebody else was quicker.
        db.write(move |tx| audit_counts::count_until(tx, until)).await.unwrap();
        assert_eq!(db.read(move |tx| audit_counts::countable(tx, before)).await.unwrap(), None);
        check(0).await;
        assert_eq!(db.write(move |tx| audit::purge(tx, seconds(1000))).await.unwrap(), 1000);
        check(1000).await;
        // Also those that were never counted are removed.
        assert_eq!(db.write(move |tx| audit::purge(tx, seconds(3200))).await.unwrap(), 2200);
        check(3200).await;
        let last = seconds(ENTRIES);
        let until = db.read(move |tx| audit_counts::countable(tx, last)).await.unwrap().unwrap();
        db.write(move |tx| audit_counts::count_until(tx, until)).await.unwrap();
        check(3200).await;
    }
}

/// Enough for several ranges in each order.
const MANY: usize = 21_000;

#[tokio::test(flavor = "multi_thread")]
async fn pages_far_from_both_ends_are_where_they_belong() {
    for fixture in Fixture::all().await {
        let db = &fixture.db;
        let at = |n: usize| Timestamp::from_millis(1_000_000 + n as i64);
        db.write(move |tx| {
            for n in 0..MANY {
                let (event, client_name, place) = kind(n);
                let ctx = Ctx {
                    now: at(n),
                    seed: pid_core::Seed([0; 32]),
                    ip_address: if place.is_empty() { String::new() } else { format!("10.{}.0.1", n * 7919 % 1000) },
                    user_agent: format!("agent {}", n * 31 % 211),
                    places: Places::default(),
                };
                let country = if place == "internal" { "Internal Network" } else { ["Z", "A"][n % 2] };
                let place = Place { country: country.to_owned(), city: format!("city {}", n % 5) };
                let new = NewEntry {
                    id: &format!("{:05}", n * 7919 % 99_991),
                    place: &place,
                    event,
                    user: None,
                    actor: None,
                    client_name,
                    data: "{}",
                };
                audit::insert(tx, &ctx, new)?;
            }
            Ok::<_, StoreError>(())
        })
        .await
        .unwrap();
        let internal = "country = 'Internal Network'";
        let external = "country <> 'Internal Network' AND ip_address <> ''";
        let asked: [(&[(&str, &str)], String); 5] = [
            (&[], "1 = 1".into()),
            (&[("event", "SIGN_IN")], "event = 'SIGN_IN'".into()),
            (&[("location", "internal")], internal.into()),
            (&[("location", "external")], external.into()),
            (&[("event", "SIGN_OUT"), ("location", "external")], format!("event = 'SIGN_OUT' AND {external}")),
        ];
        let check = async || {
            for (filters, condition) in &asked {
                for (name, column) in [
                    ("createdAt", "''"),
                    ("event", "event"),
                    ("ipAddress", "ip_address"),
                    ("country", "country"),
                    ("city", "city"),
                    ("userAgent", "user_agent"),
                ] {
                    for (descending, turned) in [(false, "ASC"), (true, "DESC")] {
                        let order = match column {
                            "''" => format!("created_at {turned}"),
                            _ => format!("{column} {turned}, created_at {turned}"),
                        };
                        let sql = format!("SELECT id FROM audit_logs WHERE {condition} ORDER BY {order}");
                        let rows = db.read(move |tx| tx.query_dynamic(&sql, &[])).await.unwrap();
                        let expected: Vec<String> = rows.iter().map(|row| row.get(0).unwrap()).collect();
                        let total = i64::try_from(expected.len()).unwrap();
                        let last = Page::<()>::pages(total, 100);
                        for number in [1, 2, last / 4, last / 3, last / 2, last / 2 + 1, last * 4 / 5, last - 1, last] {
                            let number = number.max(1);
                            let asked =
                                ListRequest { page: number, ..request(Some((name, descending)), None, filters) };
                            let page = db.read(move |tx| audit::list(tx, &asked)).await.unwrap();
                            let ids: Vec<&str> = page.items.iter().map(|e| e.id.as_str()).collect();
                            let first = usize::try_from((number - 1) * 100).unwrap();
                            let here = &expected[first..expected.len().min(first + 100)];
                            assert_eq!(page.total, total, "{name} {turned} {filters:?}");
                            assert_eq!(ids, here, "{name} {turned} {filters:?} page {number}");
                        }
                    }
                }
            }
        };
        let count = async |until: usize| {
            let before = at(until);
            while let Some(until) = db.read(move |tx| audit_counts::countable(tx, before)).await.unwrap() {
                db.write(move |tx| audit_counts::count_until(tx, until)).await.unwrap();
            }
        };
        let ranges = async || {
            let sql = "SELECT count(*) FROM audit_ranges";
            db.read(move |tx| tx.query_dynamic(sql, &[])).await.unwrap()[0].get::<i64>(0).unwrap()
        };
        count(18_500).await;
        assert!(ranges().await >= 12, "all orders are cut");
        check().await;
        // Of the order of the time whole ranges go.
        let before = ranges().await;
        assert_eq!(db.write(move |tx| audit::purge(tx, at(9000))).await.unwrap(), 9000);
        assert!(ranges().await < before);
        check().await;
        db.write(audit_counts::forget).await.unwrap();
        assert_eq!(ranges().await, 6);
        check().await;
        count(MANY).await;
        check().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_search_of_the_audit_log_finds_the_latest() {
    for fixture in Fixture::all().await {
        let db = &fixture.db;
        db.write(move |tx| {
            let person = user("Änne");
            users::insert(tx, &person)?;
            for n in 0..2500_usize {
                let place = Place { country: ["Internal Network", ""][n % 2].to_owned(), city: String::new() };
                let ctx = Ctx {
                    now: Timestamp::from_secs(1000 + n as i64 / 2),
                    seed: pid_core::Seed([0; 32]),
                    ip_address: format!("192.0.2.{}", n % 250),
                    user_agent: String::new(),
                    places: Places::default(),
                };
                let new = NewEntry {
                    id: &format!("{n:05}"),
                    place: &place,
                    event: [Event::SignIn, Event::ClientAuthorization][n % 2],
                    user: n.is_multiple_of(100).then_some(&person.id),
                    actor: None,
                    client_name: (n % 2 == 1).then_some("Größe_%"),
                    data: "{}",
                };
                audit::insert(tx, &ctx, new)?;
            }
            Ok::<_, StoreError>(())
        })
        .await
        .unwrap();
        for (search, filters, sort, total, first) in [
            ("ÄNNE", &[][..], None, 25, Some("02400")),
            ("größe_%", &[], None, 1250, Some("02499")),
            ("GRÖSSE", &[], None, 0, None),
            ("größe", &[("location", "internal")], None, 0, None),
            ("größe", &[("location", "external"), ("event", "CLIENT_AUTHORIZATION")], None, 1250, Some("02499")),
            ("sign_in", &[], Some(("ipAddress", true)), 1250, None),
            // All that there is: the latest 2,000.
            ("192.0.2", &[], Some(("createdAt", false)), 2000, Some("00500")),
            ("192.0.2", &[], None, 2000, Some("02499")),
        ] {
            let wanted = request(sort, Some(search), filters);
            let (rows, length) = pages(db, &wanted, audit::list).await;
            assert_eq!(length, total, "{wanted:?}");
            let mut ids: Vec<&str> = rows.iter().map(|e| e.id.as_str()).collect();
            if let Some(first) = first {
                assert_eq!(ids[0], first, "{wanted:?}");
            }
            ids.sort_unstable();
            ids.dedup();
            assert_eq!(i64::try_from(ids.len()).unwrap(), total, "{wanted:?}");
        }
    }
}
