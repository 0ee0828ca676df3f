//! Laws of the matcher: random programs, compared with the specification after every step.

use hooksieve::event::{Event, EventType, TenantId, UserId};
use hooksieve::filter::{Filter, Profile};
use hooksieve::matcher::{Access, Audience, Matcher, Scratch, Slot, Stats, Subscription};

/// The work of a program.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tally {
    pub steps: usize,
    pub matches: usize,
    /// The matches that found at least one subscription.
    pub hits: usize,
    /// The subscriptions that existed at each match, added up.
    pub candidates: usize,
    /// The subscriptions that each match found, added up.
    pub hit: usize,
}

impl std::ops::AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.steps += other.steps;
        self.matches += other.matches;
        self.hits += other.hits;
        self.candidates += other.candidates;
        self.hit += other.hit;
    }
}

/// Makes choices from bytes; all are 0 once the bytes have run out.
pub struct Choices<'b>(pub &'b [u8]);

impl Choices<'_> {
    pub fn done(&self) -> bool {
        self.0.is_empty()
    }

    pub fn below(&mut self, n: usize) -> usize {
        let Some((first, rest)) = self.0.split_first() else {
            return 0;
        };
        self.0 = rest;
        usize::from(*first) % n
    }

    pub fn pick<'p, T>(&mut self, pool: &'p [T]) -> &'p T {
        &pool[self.below(pool.len())]
    }
}

const TENANTS: [&str; 2] = ["t1", "t2"];
const TYPES: [&str; 3] = ["com.qlik.v1.app.reload.finished", "app.created", "app.deleted"];
const USERS: [&str; 3] = ["u1", "u2", "U1"];
const ATTRIBUTES: [&str; 4] = ["id", "spaceId", "topLevelResourceId", "data.status"];
const VALUES: [&str; 4] = ["a", "b", "A", ""];
const STATUSES: [&str; 2] = ["ok", "error"];

fn values(attribute: &str) -> &'static [&'static str] {
    if attribute == "data.status" { &STATUSES } else { &VALUES }
}

/// Returns the text of a filter of at most this depth, with `and`, `or`, `eq` and `ne`, in any
/// case.
pub fn filter_text(choices: &mut Choices<'_>, depth: usize) -> String {
    let kind = choices.below(if depth == 0 { 5 } else { 9 });
    if kind < 5 {
        let attribute = *choices.pick(&ATTRIBUTES);
        let value = *choices.pick(values(attribute));
        let operator = *choices.pick(&["eq", "eq", "EQ", "ne"]);
        return format!("{attribute} {operator} \"{value}\"");
    }
    let joint = if kind < 7 { " and " } else { " or " };
    let count = 2 + choices.below(3);
    let operands: Vec<String> = (0..count).map(|_| filter_text(choices, depth - 1)).collect();
    format!("({})", operands.join(joint))
}

pub fn filter(profile: &Profile, choices: &mut Choices<'_>) -> Filter {
    if choices.below(8) == 0 {
        return Filter::everything(profile);
    }
    let text = filter_text(choices, 3);
    profile.filter(&text).expect("generated filters are valid")
}

pub fn subscription(profile: &Profile, choices: &mut Choices<'_>) -> Subscription {
    let tenant = *choices.pick(&TENANTS);
    let mask = choices.below(8);
    let types = TYPES.iter().enumerate().filter(|(at, _)| mask & (1 << at) != 0);
    let types: Vec<&str> = types.map(|(_, event_type)| *event_type).collect();
    let subscription = Subscription::new(tenant, types, filter(profile, choices));
    let subscription = match choices.below(3) {
        0 => subscription.with_audience(Audience::Owner((*choices.pick(&USERS)).into())),
        _ => subscription,
    };
    let enabled = choices.below(8) > 0;
    subscription.with_enabled(enabled)
}

pub fn event<'p>(profile: &'p Profile, choices: &mut Choices<'_>) -> Event<'p> {
    let mut event = Event::new(
        profile.attribute_paths(),
        TenantId::from(*choices.pick(&TENANTS)),
        EventType::from(*choices.pick(&TYPES)),
    );
    if choices.below(3) > 0 {
        event = event.with_owner(*choices.pick(&USERS));
    }
    for attribute in ATTRIBUTES {
        // One in four is absent.
        if choices.below(4) > 0 {
            let value = *choices.pick(values(attribute));
            event = event.with_attribute(attribute, value).expect("the profile has it");
        }
    }
    event
}

/// Matching many events at once gives each the hits that matching it on its own gives.
pub fn together(matcher: &Matcher, events: &[Event<'_>]) {
    let mut scratch = Scratch::default();
    let one_by_one: Vec<Vec<Slot>> = events
        .iter()
        .map(|event| matcher.matches(event, Access::Everyone, &mut scratch).collect())
        .collect();
    let work = scratch.work();
    let queries: Vec<_> = events.iter().map(|event| (event, Access::Everyone)).collect();
    let at_once: Vec<Vec<Slot>> =
        matcher.matches_all(&queries, &mut scratch).map(Iterator::collect).collect();
    assert_eq!(at_once, one_by_one, "matching at once and one by one agree");
    assert!(
        events.is_empty() || scratch.work().probes >= work.probes,
        "the work of all events is counted"
    );
}

/// Runs the program that `bytes` encode: inserts, removals, replacements, and matches with every
/// access.
///
/// Every match must return what the specification returns. A removed slot stays dead. Once all
/// subscriptions are removed, the matcher is empty.
pub fn history(bytes: &[u8]) -> Tally {
    let profile = Profile::webhook();
    let mut matcher = Matcher::new(&profile);
    let mut live: Vec<(Slot, Subscription)> = Vec::new();
    let mut dead: Vec<Slot> = Vec::new();
    let mut scratch = Scratch::default();
    let mut tally = Tally::default();
    let mut choices = Choices(bytes);
    while !choices.done() {
        tally.steps += 1;
        match choices.below(10) {
            0..3 if live.len() < 40 => {
                let new = subscription(&profile, &mut choices);
                let slot = matcher.insert(&new).expect("the profile is the matcher's");
                assert!(
                    live.iter().all(|(other, _)| other.index() != slot.index()),
                    "no two live subscriptions share a slot"
                );
                live.push((slot, new));
            }
            3 if !live.is_empty() => {
                let (slot, old) = live.swap_remove(choices.below(live.len()));
                assert_eq!(matcher.get(slot), Some(old), "a slot leads to what was inserted");
                assert!(matcher.remove(slot), "a live slot can be removed");
                dead.push(slot);
            }
            4 if !live.is_empty() => {
                let at = choices.below(live.len());
                let new = subscription(&profile, &mut choices);
                assert!(matcher.remove(live[at].0), "a live slot can be removed");
                dead.push(live[at].0);
                live[at] = (matcher.insert(&new).expect("the profile is the matcher's"), new);
            }
            5 if !dead.is_empty() => {
                let slot = *choices.pick(&dead);
                assert!(!matcher.remove(slot), "a stale slot removes nothing");
                assert_eq!(matcher.get(slot), None, "a stale slot leads to nothing");
            }
            _ => {
                let event = event(&profile, &mut choices);
                let users: Vec<UserId> =
                    (0..choices.below(4)).map(|_| (*choices.pick(&USERS)).into()).collect();
                let has_access = |user: &UserId| users.contains(user);
                let access = match choices.below(4) {
                    0 => Access::EventOwner,
                    1 => Access::Everyone,
                    2 => Access::Users(&users),
                    _ => Access::Predicate(&has_access),
                };
                let mut expected: Vec<Slot> = live
                    .iter()
                    .filter(|(_, subscription)| subscription.matches(&event, access))
                    .map(|(slot, _)| *slot)
                    .collect();
                expected.sort_unstable();
                let found: Vec<Slot> = matcher.matches(&event, access, &mut scratch).collect();
                assert_eq!(
                    found, expected,
                    "index and specification agree on {event:?} with {access:?} among {live:#?}"
                );
                // The same in a batch, which may be longer than what is looked up together.
                let others = choices.below(12);
                let queries = vec![(&event, access); others];
                for hits in matcher.matches_all(&queries, &mut scratch) {
                    assert!(
                        hits.eq(expected.iter().copied()),
                        "a batch gives each event its own hits"
                    );
                }
                tally.matches += 1;
                tally.hits += usize::from(!found.is_empty());
                tally.candidates += live.len();
                tally.hit += found.len();
            }
        }
        assert_eq!(matcher.len(), live.len(), "every subscription is counted");
    }
    for (slot, subscription) in live {
        assert_eq!(matcher.get(slot), Some(subscription), "a slot leads to what was inserted");
        assert!(matcher.remove(slot), "a live slot can be removed");
    }
    assert_eq!(matcher.stats(), Stats::default(), "nothing is left once all is removed");
    tally
}
