use pid_core::settings::Settings;
use proptest::prelude::*;

use super::*;

fn directory(more: &[(&str, &str)]) -> Directory {
    let base = [
        ("ldapUrl", "ldap://a"),
        ("ldapBase", "dc=x"),
        ("ldapAttributeUserUniqueIdentifier", "id"),
        ("ldapAttributeUserUsername", "uid"),
        ("ldapAttributeGroupUniqueIdentifier", "id"),
        ("ldapAttributeGroupName", "cn"),
        ("ldapAdminGroupName", "admins"),
        ("requireUserEmail", "false"),
    ];
    let all = base.iter().chain(more).map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
    Directory::from_settings(&Settings::new(all)).unwrap()
}

fn entry(dn: &str, attributes: &[(&str, &[&str])]) -> Entry {
    let bytes = |values: &[&str]| values.iter().map(|v| v.as_bytes().to_vec()).collect();
    let attributes = attributes.iter().map(|(n, v)| ((*n).to_owned(), bytes(v))).collect();
    Entry { dn: dn.into(), attributes, is_cut: false }
}

fn tim(name: &str) -> Entry {
    entry(&format!("uid={name},dc=x"), &[("id", &[&format!("id-{name}")]), ("uid", &[name])])
}

fn known(names: &[&str]) -> Known {
    let people = names.iter().map(|name| {
        let print = print(name, None, true, "", "", "");
        let (id, username) = (UserId::new(format!("u-{name}")), mark(name));
        (format!("id-{name}"), KnownPerson { id, username, print, is_admin: false, disabled: false, dn: None })
    });
    Known { people: people.collect(), groups: HashMap::new() }
}

fn read(d: &Directory, known: Known, people: &[Entry], groups: &[Entry]) -> Plan {
    let mut reading = Reading::new(d, known);
    for person in people {
        reading.person(person).unwrap();
    }
    for group in groups {
        reading.group(group, d.group.as_ref().unwrap()).unwrap();
    }
    for dn in reading.lookups() {
        reading.looked_up(&dn, &Whereabouts::Gone);
    }
    reading.finish().unwrap()
}

#[test]
fn only_the_difference_is_planned() {
    let d = directory(&[]);
    let here = known(&["ann", "bob", "cid"]);
    let renamed = entry("uid=bo,dc=x", &[("id", &["id-bob"]), ("uid", &["bo"])]);
    let plan = read(&d, here, &[tim("ann"), renamed, tim("dan")], &[]);
    let changed: Vec<&str> = plan.people.iter().map(|p| p.ldap_id.as_str()).collect();
    assert_eq!((changed, plan.gone, plan.of), (vec!["id-bob", "id-dan"], vec!["id-cid".to_owned()], (3, 0)));
    assert_eq!(plan.accounts, [Some(UserId::new("u-ann")), Some(UserId::new("u-bob")), None]);
}

#[test]
fn who_is_refused_is_not_gone_and_who_is_disabled_comes_back() {
    let d = directory(&[]);
    let mut here = known(&["ann", "bob", "cid"]);
    here.people.get_mut("id-bob").unwrap().disabled = true;
    here.people.get_mut("id-cid").unwrap().disabled = true;
    let bad = entry("uid=ann,dc=x", &[("id", &["id-ann"]), ("uid", &["not a name"])]);
    let plan = read(&d, here.clone(), &[bad.clone(), tim("bob")], &[]);
    assert_eq!((plan.gone.len(), plan.skipped.len(), plan.people.len()), (0, 1, 1));
    assert!(plan.people[0].found.is_none() && plan.people[0].ldap_id == "id-bob");
    let hard = directory(&[("ldapSoftDeleteUsers", "false")]);
    assert_eq!(read(&hard, here, &[bad, tim("bob")], &[]).gone, ["id-cid"]);
}

#[test]
fn the_same_identifier_twice_is_one_person() {
    let d = directory(&[]);
    let twin = entry("uid=ann2,dc=x", &[("id", &["id-ann"]), ("uid", &["ann2"])]);
    let plan = read(&d, known(&["ann"]), &[tim("ann"), twin], &[]);
    assert_eq!((plan.people.len(), plan.skipped[0].detail.as_str()), (0, "same_id"));
}

fn group(name: &str, members: &[&str]) -> Entry {
    entry(&format!("cn={name},dc=x"), &[("id", &[&format!("g-{name}")]), ("cn", &[name]), ("member", members)])
}

#[test]
fn members_are_found_by_name_of_entry_or_of_person_and_admins_by_their_group() {
    let d = directory(&[]);
    let groups =
        [group("admins", &["UID=Ann, DC=x", "cn=admins,dc=x", "uid=nobody,dc=x"]), group("posix", &["bob", "ghost"])];
    let plan = read(&d, known(&["ann", "bob"]), &[tim("ann"), tim("bob")], &groups);
    assert_eq!((&*plan.groups[0].members, &*plan.groups[1].members), (&[0][..], &[1][..]));
    assert_eq!(plan.unknown_members, 2);
    assert_eq!((plan.people.len(), plan.people[0].is_admin), (1, Some(true)));
}

#[test]
fn who_is_refused_stays_in_groups_that_name_them() {
    let d = directory(&[("requireUserEmail", "true")]);
    let here = known(&["ann", "bob"]);
    let plan = read(&d, here, &[tim("ann"), tim("bob")], &[group("posix", &["Bob", "ann", "ghost"])]);
    assert_eq!((plan.skipped.len(), plan.gone.len()), (2, 0));
    assert_eq!((&*plan.groups[0].members, plan.unknown_members), (&[0, 1][..], 1));
}

#[test]
fn a_second_group_of_that_name_appoints_nobody() {
    let d = directory(&[]);
    let mut here = known(&["ann", "bob"]);
    here.people.get_mut("id-ann").unwrap().is_admin = true;
    let other = entry("cn=admins,ou=lab", &[("id", &["g-other"]), ("cn", &["admins"]), ("member", &["bob"])]);
    let groups = [other, group("admins", &["ann"])];
    let people = [tim("ann"), tim("bob")];
    let reason = |plan: &Plan| plan.skipped.iter().map(|line| line.detail.clone()).collect::<Vec<_>>();
    // Neither is here yet: nobody's rights change. Then the one that is here counts, whatever comes first.
    let plan = read(&d, here.clone(), &people, &groups);
    assert_eq!((plan.people.len(), reason(&plan)), (0, vec!["no_admin_group".to_owned()]));
    here.groups.insert("g-admins".into(), stored("admins"));
    let plan = read(&d, here.clone(), &people, &groups);
    assert_eq!((plan.people.len(), plan.skipped.len()), (0, 0));
    // Without any group of that name nobody ceases to administer; without a name everybody does.
    let plan = read(&d, here.clone(), &people, &[]);
    assert_eq!((plan.people.len(), reason(&plan)), (0, vec!["no_admin_group".to_owned()]));
    let plan = read(&directory(&[("ldapAdminGroupName", "")]), here, &people, &groups);
    assert_eq!((plan.people.len(), plan.people[0].is_admin), (1, Some(false)));
}

#[test]
fn case_083_groups_in_circles_end() {
    let d = directory(&[("ldapNestedGroups", "true")]);
    let groups = [
        group("aa", &["cn=bb,dc=x", "uid=ann,dc=x"]),
        group("bb", &["cn=cc,dc=x"]),
        group("cc", &["cn=aa,dc=x", "cn=cc,dc=x", "uid=bob,dc=x"]),
    ];
    let plan = read(&d, known(&["ann", "bob"]), &[tim("ann"), tim("bob")], &groups);
    assert!(plan.groups.iter().all(|group| group.members == [0, 1]));
    let flat = read(&directory(&[]), known(&["ann", "bob"]), &[tim("ann"), tim("bob")], &groups);
    assert_eq!(flat.groups.iter().map(|g| g.members.len()).collect::<Vec<_>>(), [1, 0, 1]);
}

#[test]
fn a_member_that_is_spelled_otherwise_is_who_its_entry_says() {
    let d = directory(&[]);
    let mut reading = Reading::new(&d, known(&["ann", "bob"]));
    reading.person(&tim("ann")).unwrap();
    reading.person(&tim("bob")).unwrap();
    let names = d.group.clone().unwrap();
    reading.group(&group("aa", &["uid=ann,ou=old", "uid=bob,cn=compat", "uid=ann,ou=gone"]), &names).unwrap();
    assert_eq!(reading.lookups(), ["uid=ann,ou=old", "uid=bob,cn=compat", "uid=ann,ou=gone"]);
    // Another's entry with the same username is another.
    let there = |id: &[(&str, &[&str])]| Whereabouts::There(entry("x=y", id));
    reading.looked_up("uid=ann,ou=old", &there(&[("id", &["id-other"]), ("uid", &["ann"])]));
    reading.looked_up("uid=bob,cn=compat", &there(&[("uid", &["Bob"])]));
    reading.looked_up("uid=ann,ou=gone", &Whereabouts::Gone);
    let plan = reading.finish().unwrap();
    assert_eq!((&*plan.groups[0].members, plan.unknown_members), (&[1][..], 2));
    assert!(!plan.groups[0].is_partial);
}

fn stored(name: &str) -> KnownGroup {
    KnownGroup::new(GroupId::new(format!("g-{name}")), name.into(), name.into(), Some(&format!("cn={name},dc=x")))
}

fn reasons(plan: &Plan) -> Vec<&str> {
    plan.skipped.iter().map(|line| line.detail.as_str()).collect()
}

#[test]
fn an_entry_without_a_readable_identifier_is_whose_name_it_has() {
    let d = directory(&[]);
    let mut here = known(&["ann", "bob", "cid"]);
    here.people.get_mut("id-ann").unwrap().dn = Some(mark(&dn_key("uid=ann,dc=x").unwrap()));
    // Of one the name of the entry is known, of another what it is called; of the third nothing is seen.
    let hidden = [entry("UID=Ann, DC=x", &[]), entry("uid=moved,dc=x", &[("uid", &["Bob"])])];
    let plan = read(&d, here.clone(), &hidden, &[]);
    assert_eq!((plan.gone.clone(), reasons(&plan)), (vec!["id-cid".to_owned()], vec!["no_id", "no_id"]));
    // Somebody of whom nothing can be told may be any of those who were not found.
    let mut reading = Reading::new(&d, here);
    reading.person(&entry("uid=x,dc=x", &[])).unwrap();
    reading.person(&tim("ann")).unwrap();
    for id in reading.absent(false) {
        reading.looked_after(false, &id, None, &Whereabouts::Untold).unwrap();
    }
    let plan = reading.finish().unwrap();
    assert_eq!((plan.gone.len(), reasons(&plan)), (0, vec!["no_id", "not_checked", "not_checked"]));
}

#[test]
fn who_is_hidden_is_not_gone_and_stays_in_groups() {
    let d = directory(&[]);
    let mut reading = Reading::new(&d, known(&["ann", "bob", "cid", "dan", "eve"]));
    let names = d.group.clone().unwrap();
    assert_eq!(reading.absent(false).len(), 5);
    let dn = |name: &str| format!("uid={name},dc=x");
    let mut became = |name: &str, place| {
        reading.looked_after(false, &format!("id-{name}"), Some(&dn(name)), &place).unwrap();
    };
    became("ann", Whereabouts::Hidden);
    became("bob", Whereabouts::There(entry("uid=bob,dc=x", &[])));
    became("cid", Whereabouts::There(tim("cid")));
    became("dan", Whereabouts::Gone);
    became("eve", Whereabouts::Untold);
    reading.group(&group("staff", &[&dn("ann"), &dn("bob"), "eve"]), &names).unwrap();
    let plan = reading.finish().unwrap();
    assert_eq!(plan.gone, ["id-cid", "id-dan"], "one is there, but not among what is searched for");
    assert_eq!((&*plan.groups[0].members, reasons(&plan)), (&[0, 1, 2][..], vec!["hidden", "hidden", "not_checked"]));
}

#[test]
fn a_group_that_is_refused_or_hidden_cuts_no_chain() {
    let d = directory(&[("ldapNestedGroups", "true")]);
    let mut here = known(&["ann", "bob"]);
    here.groups = ["outer", "inner", "far"].map(|name| (format!("g-{name}"), stored(name))).into();
    let people = [tim("ann"), tim("bob")];
    // What has no good name, or no readable identifier, has members all the same.
    let bad = entry("cn=inner,dc=x", &[("id", &["g-inner"]), ("cn", &["i"]), ("member", &["uid=ann,dc=x"])]);
    let nameless = entry("cn=far,dc=x", &[("cn", &["far"]), ("member", &["uid=bob,dc=x"])]);
    let outer = group("outer", &["cn=inner,dc=x", "cn=far,dc=x"]);
    let plan = read(&d, here.clone(), &people, &[outer.clone(), bad, nameless]);
    assert_eq!((&*plan.groups[0].members, plan.groups[0].is_partial), (&[0, 1][..], false));
    assert_eq!((plan.groups.len(), plan.gone_groups.len(), reasons(&plan)), (1, 0, vec!["bad_group_name", "no_id"]));
    // Of one that is hidden nobody knows them: nobody is taken out of those that it is in.
    let names = d.group.clone().unwrap();
    let mut reading = Reading::new(&d, here);
    people.iter().for_each(|person| reading.person(person).unwrap());
    reading.group(&outer, &names).unwrap();
    assert_eq!(reading.absent(true), ["g-far", "g-inner"]);
    reading.looked_after(true, "g-far", Some("cn=far,dc=x"), &Whereabouts::Hidden).unwrap();
    reading.looked_after(true, "g-inner", Some("cn=inner,dc=x"), &Whereabouts::Gone).unwrap();
    let plan = reading.finish().unwrap();
    assert!(plan.groups[0].is_partial);
    assert_eq!(
        (plan.gone_groups.clone(), reasons(&plan)),
        (vec!["g-inner".to_owned()], vec!["hidden", "members_unknown"])
    );
}

#[test]
fn names_of_groups_use_up_no_look_ups_and_what_is_not_looked_up_takes_nobody_out() {
    let d = directory(&[]);
    let names = d.group.clone().unwrap();
    let mut reading = Reading::new(&d, known(&[]));
    // First a group of groups, all of which come later.
    let inner: Vec<String> = (0..MOST_LOOKUPS).map(|n| format!("cn=in{n},dc=x")).collect();
    reading.group(&group("all", &inner.iter().map(String::as_str).collect::<Vec<_>>()), &names).unwrap();
    for n in 0..MOST_LOOKUPS {
        reading.group(&group(&format!("in{n}"), &[]), &names).unwrap();
    }
    let far: Vec<String> = (0..MOST_LOOKUPS + 1).map(|n| format!("uid=far{n},dc=y")).collect();
    reading.group(&group("far", &far.iter().map(String::as_str).collect::<Vec<_>>()), &names).unwrap();
    reading.group(&group("near", &["uid=far0,dc=y"]), &names).unwrap();
    let lookups = reading.lookups();
    assert_eq!(lookups, far[..MOST_LOOKUPS]);
    lookups.iter().for_each(|dn| reading.looked_up(dn, &Whereabouts::Gone));
    let plan = reading.finish().unwrap();
    let partial: Vec<&str> = plan.groups.iter().filter(|g| g.is_partial).map(|g| g.found.name.as_str()).collect();
    assert_eq!((partial, reasons(&plan)), (vec!["far"], vec!["members_unknown"]));
}

#[test]
fn a_group_of_administrators_that_is_not_wholly_known_takes_nobodys_rights() {
    let d = directory(&[]);
    let mut here = known(&["ann", "bob", "cid"]);
    here.people.get_mut("id-ann").unwrap().is_admin = true;
    let people = [tim("ann"), tim("bob"), tim("cid")];
    let admins = |members: &[&str]| {
        let mut reading = Reading::new(&d, here.clone());
        people.iter().for_each(|person| reading.person(person).unwrap());
        reading.group(&group("admins", members), d.group.as_ref().unwrap()).unwrap();
        reading.finish().unwrap()
    };
    let appointed = |plan: &Plan| plan.people.iter().map(|p| (p.ldap_id.clone(), p.is_admin)).collect::<Vec<_>>();
    let plan = admins(&["uid=bob,dc=x", "uid=nobody,dc=y"]);
    assert_eq!(appointed(&plan), [("id-bob".to_owned(), Some(true))]);
    assert_eq!(plan.admins, Admins { before: 1, after: 2, lost: vec![] });
    let plan = admins(&["uid=bob,dc=x"]);
    assert_eq!(plan.admins, Admins { before: 1, after: 1, lost: vec!["id-ann".into()] });
}

#[test]
fn who_takes_anothers_username_takes_nobody_out_of_a_group() {
    let d = directory(&[]);
    let mallory = entry("uid=mallory,dc=x", &[("id", &["id-mallory"]), ("uid", &["ann"])]);
    for people in [[tim("ann"), mallory.clone()], [mallory, tim("ann")]] {
        let plan = read(&d, known(&["ann", "mallory"]), &people, &[group("posix", &["ann"])]);
        let members: Vec<_> = plan.groups[0].members.iter().map(|seat| plan.accounts[*seat as usize].clone()).collect();
        assert_eq!((members, plan.groups[0].is_partial), (vec![Some(UserId::new("u-ann"))], false));
    }
    // Of two new ones it is nobody, and nobody goes.
    let twins = ["a", "b"].map(|id| entry(&format!("cn={id},dc=x"), &[("id", &[id]), ("uid", &["new"])]));
    let plan = read(&d, known(&[]), &twins, &[group("posix", &["new"])]);
    assert_eq!((plan.groups[0].members.len(), plan.groups[0].is_partial), (0, true));
}

#[test]
fn another_group_does_not_stand_in_for_that_of_the_administrators() {
    let d = directory(&[]);
    let mut here = known(&["ann", "mallory"]);
    here.people.get_mut("id-ann").unwrap().is_admin = true;
    here.groups.insert("g-admins".into(), stored("admins"));
    let people = [tim("ann"), tim("mallory")];
    let false_one = entry("cn=admins,ou=lab", &[("id", &["g-false"]), ("cn", &["admins"]), ("member", &["mallory"])]);
    // The real one can't be read today.
    let refused = Entry { is_cut: true, ..group("admins", &["ann"]) };
    let plan = read(&d, here.clone(), &people, &[false_one.clone(), refused]);
    assert_eq!((plan.people.len(), reasons(&plan)), (0, vec!["not_read", "no_admin_group"]));
    // It is gone: there is only the other, whoever made it.
    let plan = read(&d, here, &people, &[false_one]);
    assert_eq!(plan.admins.lost, ["id-ann"]);
}

#[test]
fn what_can_not_be_read_wholly_stays_as_it_is() {
    let d = directory(&[]);
    let mut here = known(&["ann"]);
    here.groups.insert("g-staff".into(), stored("staff"));
    let cut = |entry: Entry| Entry { is_cut: true, ..entry };
    let plan = read(&d, here, &[cut(tim("ann"))], &[cut(group("staff", &[]))]);
    assert_eq!((plan.gone.len(), plan.gone_groups.len(), plan.people.len(), plan.groups.len()), (0, 0, 0, 0));
    assert_eq!(reasons(&plan), ["not_read", "not_read"]);
}

proptest! {
    /// What is planned leads to what was found: nobody is left over, nobody is lost.
    #[test]
    fn a_plan_leads_to_what_was_found(here in prop::collection::btree_set(0..20_u8, 0..15), there in prop::collection::btree_set(0..20_u8, 0..15)) {
        let name = |n: &u8| format!("p{n}");
        let names: Vec<String> = here.iter().map(name).collect();
        let known = known(&names.iter().map(String::as_str).collect::<Vec<_>>());
        let people: Vec<Entry> = there.iter().map(|n| tim(&name(n))).collect();
        let plan = read(&directory(&[]), known, &people, &[]);
        let created: Vec<String> = plan.people.iter().map(|p| p.ldap_id.clone()).collect();
        let expected: Vec<String> = there.difference(&here).map(|n| format!("id-p{n}")).collect();
        let mut gone: Vec<String> = here.difference(&there).map(|n| format!("id-p{n}")).collect();
        gone.sort();
        prop_assert_eq!(created, expected);
        prop_assert_eq!(plan.gone, gone);
    }
}
