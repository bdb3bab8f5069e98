//! The life of an instance's keys: `next` → `active` → `retired` → gone, and `revoked` from anywhere.
//!
//! Only decisions: a job or command reads the records, asks [`plan`] (or [`rotate`], [`revoke`]), and does what it says
//! in one transaction. A key is published for a day before it signs, because relying parties keep our JWKS for an hour
//! and more; a retired one is published until the last token that it signed has expired, and verifies logout hints for
//! 400 days. Times are seconds since the epoch.

use pid_core::KeyState;

use crate::Alg;

/// How long a key is published before it signs, seconds.
pub const LEAD: i64 = 24 * 3600;
/// How long a retired key verifies logout hints, seconds.
pub const HINT_LIFE: i64 = 400 * 24 * 3600;

/// What is known of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyRecord {
    /// Key id.
    pub kid: String,
    /// Algorithm.
    pub alg: Alg,
    /// Where it is in its life.
    pub state: KeyState,
    /// When it was made, and published.
    pub created_at: i64,
    /// When it began to sign.
    pub activated_at: Option<i64>,
    /// When it stopped.
    pub retired_at: Option<i64>,
    /// When the last token that it signed has expired; set when it is retired.
    pub publish_until: Option<i64>,
}

/// True if the JWKS shows the key.
pub fn is_published(key: &KeyRecord, now: i64) -> bool {
    match key.state {
        KeyState::Next | KeyState::Active => true,
        KeyState::Retired => key.publish_until.is_some_and(|until| now < until),
        KeyState::Revoked => false,
    }
}

/// True if the key verifies what it signed, if only a logout hint.
pub fn is_trusted(key: &KeyRecord, now: i64) -> bool {
    match key.state {
        KeyState::Next | KeyState::Active => true,
        KeyState::Retired => {
            is_published(key, now) || key.retired_at.is_some_and(|at| now.saturating_sub(at) < HINT_LIFE)
        }
        KeyState::Revoked => false,
    }
}

/// What to do with the keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Make a key of this algorithm in this state ([`KeyState::Next`] or [`KeyState::Active`]).
    Create {
        /// The algorithm.
        alg: Alg,
        /// Whether it waits its day or signs at once.
        state: KeyState,
    },
    /// `next` → `active`.
    Activate {
        /// Key id.
        kid: String,
    },
    /// `active` → `retired`; `publish_until` is this moment and the longest life that a token can have now.
    Retire {
        /// Key id.
        kid: String,
    },
    /// → `revoked`: its tokens end with it.
    Revoke {
        /// Key id.
        kid: String,
    },
    /// Delete it: nothing that it signed is of use.
    Forget {
        /// Key id.
        kid: String,
    },
}

fn algs(keys: &[KeyRecord]) -> Vec<Alg> {
    let mut out: Vec<Alg> = Vec::new();
    for key in keys {
        if !out.contains(&key.alg) {
            out.push(key.alg);
        }
    }
    out
}

fn of(keys: &[KeyRecord], alg: Alg, state: KeyState) -> impl Iterator<Item = &KeyRecord> {
    keys.iter().filter(move |key| key.alg == alg && key.state == state)
}

/// The newest active key of an algorithm, the one that signs.
fn signer(keys: &[KeyRecord], alg: Alg) -> Option<&KeyRecord> {
    of(keys, alg, KeyState::Active).max_by_key(|key| (key.activated_at, &key.kid))
}

fn retire_others(keys: &[KeyRecord], alg: Alg, stays: Option<&str>, out: &mut Vec<Action>) {
    let others = of(keys, alg, KeyState::Active).filter(|key| Some(key.kid.as_str()) != stays);
    out.extend(others.map(|key| Action::Retire { kid: key.kid.clone() }));
}

/// What is due now. `max_age` is the age in seconds at which a signing key is replaced; `None` switches scheduled
/// rotation off, while keys that already wait still get their turn. Doing all of it and asking again at the same moment
/// gives nothing.
pub fn plan(keys: &[KeyRecord], max_age: Option<i64>, now: i64) -> Vec<Action> {
    let mut out = Vec::new();
    for alg in algs(keys) {
        let signer = signer(keys, alg);
        let waiting = of(keys, alg, KeyState::Next).max_by_key(|key| (key.created_at, &key.kid));
        match waiting {
            Some(next) if now.saturating_sub(next.created_at) >= LEAD => {
                out.push(Action::Activate { kid: next.kid.clone() });
                retire_others(keys, alg, None, &mut out);
                // Of two that waited the older one never signed, so nothing needs it.
                let unused = of(keys, alg, KeyState::Next).filter(|key| key.kid != next.kid);
                out.extend(unused.map(|key| Action::Forget { kid: key.kid.clone() }));
                continue;
            }
            Some(_) => {}
            None => {
                let since = signer.and_then(|key| key.activated_at);
                let old = since.zip(max_age).is_some_and(|(since, max)| {
                    // Made early enough that it takes over on time, but never twice at once.
                    now.saturating_sub(since) >= max.saturating_sub(LEAD).max(LEAD)
                });
                if old {
                    out.push(Action::Create { alg, state: KeyState::Next });
                }
            }
        }
        retire_others(keys, alg, signer.map(|key| key.kid.as_str()), &mut out);
    }
    let ended = |key: &&KeyRecord| match key.state {
        KeyState::Retired => !is_trusted(key, now),
        KeyState::Revoked => now.saturating_sub(key.retired_at.unwrap_or(key.created_at)) >= HINT_LIFE,
        KeyState::Next | KeyState::Active => false,
    };
    out.extend(keys.iter().filter(ended).map(|key| Action::Forget { kid: key.kid.clone() }));
    out
}

/// A rotation that somebody asks for. Without `at_once` the next key is published and waits its day; if one waits
/// already there is nothing to do. With it, a new key signs from now on, which relying parties with a cached JWKS
/// notice.
pub fn rotate(keys: &[KeyRecord], alg: Alg, at_once: bool) -> Vec<Action> {
    let mut out = Vec::new();
    let next = of(keys, alg, KeyState::Next).max_by_key(|key| (key.created_at, &key.kid));
    match (next, at_once) {
        (Some(_), false) => {}
        (None, false) => out.push(Action::Create { alg, state: KeyState::Next }),
        (Some(next), true) => {
            out.push(Action::Activate { kid: next.kid.clone() });
            retire_others(keys, alg, None, &mut out);
        }
        (None, true) => {
            out.push(Action::Create { alg, state: KeyState::Active });
            retire_others(keys, alg, None, &mut out);
        }
    }
    out
}

/// Ends a key that leaked. If it was the one that signs, the waiting one takes its place, or a new one.
/// `None` if there is no such key, or it is revoked already.
pub fn revoke(keys: &[KeyRecord], kid: &str) -> Option<Vec<Action>> {
    let key = keys.iter().find(|key| key.kid == kid && key.state != KeyState::Revoked)?;
    let mut out = vec![Action::Revoke { kid: kid.to_owned() }];
    let left = of(keys, key.alg, KeyState::Active).any(|other| other.kid != kid);
    if key.state == KeyState::Active && !left {
        match of(keys, key.alg, KeyState::Next).max_by_key(|next| (next.created_at, &next.kid)) {
            Some(next) => out.push(Action::Activate { kid: next.kid.clone() }),
            None => out.push(Action::Create { alg: key.alg, state: KeyState::Active }),
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const DAY: i64 = 24 * 3600;
    /// The longest token of these tests.
    const LONGEST: i64 = 3 * DAY;

    fn key(kid: &str, state: KeyState, created_at: i64) -> KeyRecord {
        let signed = state != KeyState::Next;
        KeyRecord {
            kid: kid.into(),
            alg: Alg::RS256,
            state,
            created_at,
            activated_at: signed.then_some(created_at),
            retired_at: None,
            publish_until: None,
        }
    }

    /// Does what a plan says, as the store will.
    fn apply(keys: &mut Vec<KeyRecord>, actions: &[Action], now: i64) {
        for action in actions {
            match action {
                Action::Create { alg, state } => {
                    let mut made = key(&format!("k{}-{now}", keys.len()), *state, now);
                    made.alg = *alg;
                    keys.push(made);
                }
                Action::Forget { kid } => keys.retain(|key| key.kid != *kid),
                Action::Activate { kid } | Action::Retire { kid } | Action::Revoke { kid } => {
                    let found = keys.iter_mut().find(|key| key.kid == *kid).unwrap();
                    match action {
                        Action::Activate { .. } => {
                            assert_eq!(found.state, KeyState::Next);
                            (found.state, found.activated_at) = (KeyState::Active, Some(now));
                        }
                        Action::Retire { .. } => {
                            assert_eq!(found.state, KeyState::Active);
                            (found.state, found.retired_at) = (KeyState::Retired, Some(now));
                            found.publish_until = Some(now + LONGEST);
                        }
                        _ => (found.state, found.retired_at) = (KeyState::Revoked, Some(now)),
                    }
                }
            }
        }
    }

    #[test]
    fn case_038_a_key_is_published_before_it_signs_and_after() {
        let mut keys = vec![key("a", KeyState::Active, 0)];
        assert_eq!(plan(&keys, None, 10_000 * DAY), [], "off by default");
        assert_eq!(plan(&keys, Some(90 * DAY), 89 * DAY - 1), []);
        let actions = plan(&keys, Some(90 * DAY), 89 * DAY);
        assert_eq!(actions, [Action::Create { alg: Alg::RS256, state: KeyState::Next }]);
        apply(&mut keys, &actions, 89 * DAY);
        assert!(keys.iter().all(|key| is_published(key, 89 * DAY)));
        assert_eq!(plan(&keys, Some(90 * DAY), 90 * DAY - 1), [], "it waits its day");
        let actions = plan(&keys, Some(90 * DAY), 90 * DAY);
        apply(&mut keys, &actions, 90 * DAY);
        assert_eq!((keys[0].state, keys[1].state), (KeyState::Retired, KeyState::Active));
        let switch = 90 * DAY;
        assert!(is_published(&keys[0], switch + LONGEST - 1) && !is_published(&keys[0], switch + LONGEST));
        assert!(is_trusted(&keys[0], switch + HINT_LIFE - 1) && !is_trusted(&keys[0], switch + HINT_LIFE));
        let actions = plan(&keys, None, switch + HINT_LIFE);
        apply(&mut keys, &actions, switch + HINT_LIFE);
        assert_eq!(keys.len(), 1);
    }

    #[test]
    fn somebody_rotates_or_revokes() {
        let active = vec![key("a", KeyState::Active, 0)];
        let create = |state| Action::Create { alg: Alg::RS256, state };
        let retire = Action::Retire { kid: "a".into() };
        assert_eq!(rotate(&active, Alg::RS256, false), [create(KeyState::Next)]);
        assert_eq!(rotate(&active, Alg::RS256, true), [create(KeyState::Active), retire.clone()]);
        let es = Action::Create { alg: Alg::ES256, state: KeyState::Active };
        assert_eq!(rotate(&active, Alg::ES256, true), [es], "other algorithms stay as they are");
        let waiting = vec![key("a", KeyState::Active, 0), key("b", KeyState::Next, 5)];
        let activate = Action::Activate { kid: "b".into() };
        assert_eq!(rotate(&waiting, Alg::RS256, false), []);
        assert_eq!(rotate(&waiting, Alg::RS256, true), [activate.clone(), retire]);

        let revoked = |kid: &str| Action::Revoke { kid: kid.into() };
        assert_eq!(revoke(&active, "a").unwrap(), [revoked("a"), create(KeyState::Active)]);
        assert_eq!(revoke(&waiting, "a").unwrap(), [revoked("a"), activate]);
        assert_eq!(revoke(&waiting, "b").unwrap(), [revoked("b")]);
        assert_eq!(revoke(&active, "x"), None);
        let mut keys = active;
        apply(&mut keys, &[revoked("a")], 7);
        assert!(!is_published(&keys[0], 7) && !is_trusted(&keys[0], 7));
        assert_eq!(revoke(&keys, "a"), None);
        assert_eq!(KeyState::parse("something"), KeyState::Revoked);
    }

    proptest! {
        /// However rotations, revocations and time mix: one key of an algorithm signs, none before its day unless
        /// somebody insisted, and a plan that was followed asks for nothing more.
        #[test]
        fn one_key_signs(steps in prop::collection::vec((0_u8..5, 0_i64..40 * DAY), 1..40)) {
            let mut keys = vec![key("first", KeyState::Active, 0)];
            let mut now = 0;
            for (what, pause) in steps {
                now += pause;
                let actions = match what {
                    0 => rotate(&keys, Alg::RS256, false),
                    1 => rotate(&keys, Alg::RS256, true),
                    2 => {
                        let kid = keys[usize::try_from(pause).unwrap() % keys.len()].kid.clone();
                        revoke(&keys, &kid).unwrap_or_default()
                    }
                    _ => {
                        let actions = plan(&keys, Some(30 * DAY), now);
                        for action in &actions {
                            if let Action::Activate { kid } = action {
                                let made = keys.iter().find(|key| key.kid == *kid).unwrap().created_at;
                                prop_assert!(now - made >= LEAD);
                            }
                        }
                        let mut after = keys.clone();
                        apply(&mut after, &actions, now);
                        prop_assert_eq!(plan(&after, Some(30 * DAY), now), []);
                        actions
                    }
                };
                apply(&mut keys, &actions, now);
                let active = keys.iter().filter(|key| key.state == KeyState::Active).count();
                prop_assert_eq!(active, 1, "{:?}", keys);
                prop_assert!(keys.iter().filter(|key| key.state == KeyState::Next).count() <= 1);
            }
        }
    }
}
