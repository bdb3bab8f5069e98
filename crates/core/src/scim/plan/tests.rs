use super::super::{Kind, Person, Shape};
use super::*;
use serde_json::json;

const CREATE: Step = Step::Create { at: 0, doubtful: false };

fn person(id: &str, name: &str) -> Wanted {
    Wanted::Person(Person { id: id.into(), user_name: name.into(), active: true, ..Person::default() })
}

fn there(remote: &str, external: Option<&str>, name: &str) -> Remote {
    let shape =
        json!({ "id": remote, "externalId": external, "userName": name, "active": true, "meta": { "version": name } });
    serde_json::from_value::<Shape>(shape).unwrap().read(Kind::User).unwrap()
}

fn row(wanted: &Wanted, remote: &str) -> Known {
    Known {
        remote_id: Some(remote.into()),
        state: State::There,
        digest: Some(wanted.digest()),
        stamp: Some(wanted.name().into()),
        ..Known::new(wanted)
    }
}

fn listing(wanted: &[Wanted], known: &HashMap<String, Known>, remotes: &[Remote]) -> Listing {
    let interest = Interest::new(wanted.iter().map(Wanted::id), known.values());
    let mut listing = Listing::default();
    remotes.iter().for_each(|remote| listing.add(remote.clone(), &interest));
    listing
}

fn known(rows: &[Known]) -> HashMap<String, Known> {
    rows.iter().map(|row| (row.id.clone(), row.clone())).collect()
}

fn full(wanted: &[Wanted], rows: &[Known], remotes: &[Remote]) -> Plan {
    let known = known(rows);
    let listing = listing(wanted, &known, remotes);
    plan(wanted, &known, Some(&listing))
}

#[test]
fn strangers_are_left_alone() {
    let ann = person("u1", "ann");
    let strangers = [there("1", None, "root"), there("2", Some("someone-elses"), "bob"), there("3", None, "ann")];
    let plan = full(&[ann], &[], &strangers);
    assert_eq!(plan.steps, [CREATE], "the same name is not the same person");
}

#[test]
fn what_has_our_id_is_adopted_and_never_ours_to_delete() {
    let ann = person("u1", "ann");
    let plan = full(std::slice::from_ref(&ann), &[], &[there("7", Some("u1"), "ann")]);
    let [Step::Remember(adopted)] = plan.steps.as_slice() else { panic!("{plan:?}") };
    assert_eq!((adopted.remote_id.as_deref(), adopted.created, plan.unchanged), (Some("7"), false, 1));
    // Unless we were about to create it when the line was cut.
    let pending = Known { digest: None, ..Known::new(&ann) };
    let plan = full(std::slice::from_ref(&ann), &[pending], &[there("7", Some("u1"), "ann")]);
    assert!(matches!(plan.steps.as_slice(), [Step::Remember(Known { created: true, .. })]), "{plan:?}");
}

#[test]
fn what_says_something_else_is_replaced_unless_the_target_keeps_it_its_own_way() {
    let ann = person("u1", "Ann");
    let (wanted, before) = (std::slice::from_ref(&ann), row(&ann, "7"));
    let lower = Remote { stamp: Some("v2".into()), ..there("7", Some("u1"), "ann") };
    let plan = full(wanted, std::slice::from_ref(&before), std::slice::from_ref(&lower));
    assert!(matches!(&plan.steps[..], [Step::Replace { at: 0, seen: Some(_), .. }]), "{plan:?}");
    let as_left = Known { stamp: Some("v2".into()), ..before };
    assert_eq!(full(wanted, &[as_left], &[lower]), Plan { unchanged: 1, present: 1, ..Plan::default() });
}

#[test]
fn an_id_that_was_given_out_anew_is_not_ours() {
    let ann = person("u1", "ann");
    let before = row(&ann, "7");
    let other = there("7", Some("u9"), "eve");
    let plan = full(&[ann], std::slice::from_ref(&before), std::slice::from_ref(&other));
    assert_eq!((plan.steps.as_slice(), plan.missing), (&[CREATE][..], 1));
    assert_eq!(full(&[], std::slice::from_ref(&before), &[other]).steps, [Step::Forget("u1".into())]);
    // Without any id of ours nothing can be told: whoever writes it asks again, and nothing is made twice.
    let unclear = there("7", None, "eve");
    let plan = full(&[person("u1", "ann")], std::slice::from_ref(&before), std::slice::from_ref(&unclear));
    assert!(matches!(&plan.steps[..], [Step::Replace { seen: None, .. }]), "{plan:?}");
    assert_eq!(before.meant(&unclear), Meant::Unclear);
    assert_eq!(full(&[], std::slice::from_ref(&before), &[unclear]).steps, [Step::Remove(before.clone())]);
    assert_eq!(full(&[], std::slice::from_ref(&before), &[there("7", None, "ANN")]).steps, [Step::Remove(before)]);
}

#[test]
fn a_target_that_keeps_no_ids_of_ours_gets_nobody_twice() {
    let ann = person("u1", "ann");
    let wanted = std::slice::from_ref(&ann);
    // It calls her otherwise, and said so when she was created.
    let kept = Remote { stamp: Some("ann".into()), ..there("7", None, "ann@app") };
    let before = Known { name: name_there(&ann, Some(&kept)), ..row(&ann, "7") };
    assert_eq!(before.name, "ann@app");
    assert_eq!(full(wanted, &[before], &[kept]), Plan { unchanged: 1, present: 1, ..Plan::default() });
    // The answer to her creation was lost. Who says exactly the same is her, though never ours to delete; who says something
    // else, or is one of two, is nobody that we know.
    let pending = || vec![Known { digest: None, failure: Some("timeout".into()), ..Known::new(&ann) }];
    let plan = full(wanted, &pending(), &[there("7", None, "ANN"), there("8", None, "eve")]);
    assert_eq!(plan.steps, [Step::Create { at: 0, doubtful: true }], "the name is another");
    let plan = full(wanted, &pending(), &[there("7", None, "ann")]);
    let [Step::Remember(found)] = plan.steps.as_slice() else { panic!("{plan:?}") };
    assert_eq!((found.remote_id.as_deref(), found.created), (Some("7"), false));
    let plan = full(wanted, &pending(), &[there("7", None, "ann"), there("8", None, "ann")]);
    assert_eq!(plan.steps, [Step::Create { at: 0, doubtful: true }]);
    // Who was not about to be created is not looked for by name.
    assert_eq!(full(wanted, &[], &[there("7", None, "ann")]).steps, [CREATE]);
}

#[test]
fn what_a_list_lacks_is_asked_for_before_it_counts_as_gone() {
    let people: Vec<Wanted> = (0..5).map(|n| person(&format!("u{n}"), &format!("p{n}"))).collect();
    let rows: Vec<Known> = people.iter().map(|p| row(p, p.id())).collect();
    let known = known(&rows);
    let mut empty = Listing::default();
    let plan_ = plan(&people, &known, Some(&empty));
    let asks = |step: &Step| matches!(step, Step::Replace { seen: None, known, .. } if known.created);
    assert!(plan_.steps.len() == 5 && plan_.steps.iter().all(asks) && plan_.missing == 0, "{plan_:?}");
    assert_eq!(plan(&[], &known, Some(&empty)).removals, 5, "who has left is looked at and removed");
    let off = Known { state: State::Off, ..rows[0].clone() };
    assert_eq!(
        plan(&[], &super::tests::known(&[off]), Some(&empty)),
        Plan::default(),
        "inactive people may be left out"
    );

    let missing = empty.missing(&people, &known);
    assert_eq!(missing.len(), 5);
    missing.into_iter().skip(3).for_each(|id| empty.gone(id));
    let mut plan_ = plan(&people, &known, Some(&empty));
    assert_eq!((plan_.missing, plan_.misses_too_many()), (2, true));
    plan_.keep_links(&people, &known);
    assert!(plan_.steps.len() == 3 && plan_.steps.iter().all(asks), "{plan_:?}");
}

#[test]
fn only_what_was_surely_refused_was_not_created() {
    let ann = person("u1", "ann");
    let pending = Known { failure: Some("x".into()), ..Known::new(&ann) };
    assert_eq!(
        full(std::slice::from_ref(&ann), std::slice::from_ref(&pending), &[]).steps,
        [Step::Create { at: 0, doubtful: true }]
    );
    let there = there("7", Some("u1"), "ann");
    for (state, created) in [(State::Pending, true), (State::Refused, false)] {
        let rows = [Known { state, ..pending.clone() }];
        let plan = full(&[], &rows, std::slice::from_ref(&there));
        let [Step::Remove(row)] = plan.steps.as_slice() else { panic!("{plan:?}") };
        assert_eq!((row.remote_id.as_deref(), row.created), (Some("7"), created));
    }
}

#[test]
fn what_failed_before_comes_last() {
    let people: Vec<Wanted> = (0..3).map(|n| person(&format!("u{n}"), &format!("p{n}"))).collect();
    let mut rows: Vec<Known> = people.iter().map(|p| Known { digest: None, ..row(p, p.id()) }).collect();
    rows[0].failure = Some("http_status".into());
    rows.push(row(&person("u9", "gone"), "9"));
    let plan = plan(&people, &known(&rows), None);
    let order: Vec<&str> = plan
        .steps
        .iter()
        .map(|step| match step {
            Step::Replace { known, .. } | Step::Remove(known) => known.id.as_str(),
            _ => "?",
        })
        .collect();
    assert_eq!(order, ["u1", "u2", "u9", "u0"]);
}

#[test]
fn between_full_runs_only_changes_are_looked_at() {
    let (ann, bob, eve) = (person("u1", "ann"), person("u2", "bob"), person("u3", "eve"));
    let renamed = person("u1", "anna");
    let refused = |status| Known {
        state: State::Refused,
        digest: Some(eve.digest()),
        failure: Some("x".into()),
        status,
        ..Known::new(&eve)
    };
    let rows = known(&[row(&ann, "1"), row(&bob, "2"), refused(Some(409))]);
    let plan_ = plan(&[renamed, bob.clone(), eve.clone()], &rows, None);
    assert!(matches!(&plan_.steps[..], [Step::Replace { at: 0, seen: None, .. }]), "{plan_:?}");
    assert_eq!(plan_.unchanged, 2);
    // What may pass is tried again.
    let rows = known(&[refused(None)]);
    assert_eq!(plan(std::slice::from_ref(&eve), &rows, None).steps, [CREATE]);
    let rows = known(&[row(&ann, "1"), row(&bob, "2")]);
    assert!(matches!(&plan(&[ann], &rows, None).steps[..], [Step::Remove(Known { id, .. })] if id == "u2"));
}

#[test]
fn too_many_may_not_leave_at_once() {
    let people: Vec<Wanted> = (0..10).map(|n| person(&format!("u{n}"), &format!("p{n}"))).collect();
    let rows = known(&people.iter().map(|p| row(p, p.id())).collect::<Vec<_>>());
    for (stay, stopped) in [(10, false), (9, false), (8, false), (7, true), (0, true)] {
        let plan = plan(&people[..stay], &rows, None);
        assert_eq!((plan.removals, plan.removes_too_many()), (10 - stay, stopped));
        assert_eq!(departures(&people[..stay], &rows), (10 - stay, 10));
    }
    let rows = known(&[row(&people[0], "1")]);
    assert!(!plan(&[], &rows, None).removes_too_many(), "a single one may");
    // Who was switched off is neither there nor leaves again.
    let off = Known { state: State::Off, ..row(&people[0], "1") };
    assert_eq!(plan(&[], &known(&[off]), None), Plan::default());
}
