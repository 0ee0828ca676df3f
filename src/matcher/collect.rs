//! What a match does: channel, look-ups, postings, hits.
//!
//! Each step is done for several events before the next one begins, so that they wait for memory at
//! the same time.

use super::blocks::look;
use super::hash::Half;
use super::keys::{Found, NONE, Number, Wanted};
use super::order::sort_from;
use super::plan::Test;
use super::postings::Posting;
use super::shelves::{Channel, Used};
use super::{Access, Matcher};
use crate::event::{AttributePaths, Event};
use smallvec::SmallVec;

/// Memory that matching needs, kept by the caller from one match to the next.
///
/// One for each thread; any matcher may use it. Once it has grown to its use, a match allocates
/// nothing.
#[derive(Clone, Debug, Default)]
pub struct Scratch {
    queries: Vec<Query>,
    found: Vec<Found>,
    out: Out,
    /// Where the hits of each event end.
    ends: Vec<usize>,
    /// The channel of the last event.
    last: usize,
}

/// What comes out of postings.
#[derive(Clone, Debug, Default)]
struct Out {
    /// The values found of the event at hand: those watched, and from its first test on all.
    found: Vec<Found>,
    found_all: bool,
    /// The numbers of all of them, four by four, once they are found.
    held: Vec<Number>,
    tests: Vec<[u32; 2]>,
    turned: Vec<u32>,
    /// The owner buckets of a list of users, each once.
    named: Vec<u32>,
    /// Of all events, one behind the other.
    hits: Vec<u32>,
    work: Work,
}

/// Counts what one match did, to show what makes it expensive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Work {
    /// Attribute values looked up: those that filters are found by, and where one of those filters
    /// is tested, all that filters mention.
    pub probes: usize,
    /// Postings of those values visited.
    pub postings: usize,
    /// Filters tested, where the value alone did not decide.
    pub tests: usize,
    /// Owner buckets visited: the subscriptions of one owner to the event's type. Each is visited
    /// once per event, however often the caller lists its owner.
    pub buckets: usize,
}

/// An event on its way.
#[derive(Clone, Copy, Debug)]
struct Query {
    channel: Option<usize>,
    /// How many of its values filters mention.
    found: usize,
}

/// Values of events on their way at once: more than a core waits for at once.
const PROBES: usize = 64;

/// A value on its way.
struct Probe<'e> {
    wanted: Wanted<'e>,
    hash: Half,
    candidate: Number,
    /// Which event has it.
    query: usize,
}

/// Events on their way at once.
const TOGETHER: usize = 16;

impl Scratch {
    /// What the last match did, all its events taken together.
    #[must_use]
    pub fn work(&self) -> Work {
        self.out.work
    }

    /// The [indices](super::Slot::index) of the slots that the last match hit; those of all its
    /// events, one behind the other.
    #[must_use]
    pub fn indices(&self) -> &[u32] {
        &self.out.hits
    }

    /// The hits of the event at this place.
    pub(super) fn hits(&self, at: usize) -> &[u32] {
        let begin = at.checked_sub(1).and_then(|before| self.ends.get(before));
        let (begin, end) = (begin.copied().unwrap_or(0), self.ends.get(at).copied());
        self.out.hits.get(begin..end.unwrap_or(begin)).unwrap_or_default()
    }

    fn begin(&mut self) {
        self.out.hits.clear();
        self.out.work = Work::default();
        self.ends.clear();
    }

    pub(super) fn run(&mut self, matcher: &Matcher, queries: &[(&Event<'_>, Access<'_>)]) {
        self.begin();
        let mut rest = queries;
        while !rest.is_empty() {
            let (together, behind) = rest.split_at_checked(TOGETHER).unwrap_or((rest, &[]));
            self.look_up(matcher, together);
            self.collect(matcher, together);
            rest = behind;
        }
    }

    /// As [`run`](Self::run) for one event: its values are looked up one by one, which for so few
    /// costs less than taking the steps apart.
    pub(super) fn run_one(&mut self, matcher: &Matcher, event: &Event<'_>, access: Access<'_>) {
        self.begin();
        let Self { out, ends, last, .. } = self;
        let Matcher { profile, shelves, keys, postings, .. } = matcher;
        let at = shelves.find_from(*last, event.tenant(), event.event_type());
        if let Some(at) = at
            && let Some(channel) = shelves.channel(at)
        {
            *last = at;
            out.found.clear();
            each_value(channel, event, profile.attribute_paths(), Used::is_watched, |wanted| {
                out.work.probes += 1;
                if let Some(value) = keys.find(wanted) {
                    out.found.push(value);
                }
            });
            look(out.found.iter().map(|found| postings.word(found.lists.first())));
            matcher.collect_all(channel, event, access, out);
        }
        ends.push(out.hits.len());
    }

    /// Finds the values that the events have.
    #[inline]
    fn look_up(&mut self, matcher: &Matcher, queries: &[(&Event<'_>, Access<'_>)]) {
        self.queries.clear();
        self.found.clear();
        let mut probes: SmallVec<[Probe<'_>; PROBES]> = SmallVec::new();
        let Matcher { profile, shelves, keys, postings, .. } = matcher;
        for (query, (event, _)) in queries.iter().enumerate() {
            let at = shelves.find_from(self.last, event.tenant(), event.event_type());
            self.last = at.unwrap_or(self.last);
            self.queries.push(Query { channel: at, found: 0 });
            if let Some(channel) = at.and_then(|at| shelves.channel(at)) {
                each_value(channel, event, profile.attribute_paths(), Used::is_watched, |wanted| {
                    let hash = keys.hash(wanted);
                    probes.push(Probe { wanted, hash, candidate: NONE, query });
                    if probes.len() == PROBES {
                        self.confirm(matcher, &mut probes);
                    }
                });
            }
        }
        self.confirm(matcher, &mut probes);
        look(self.found.iter().map(|found| postings.word(found.lists.first())));
    }

    /// Finds those of the values that filters mention.
    #[inline]
    fn confirm(&mut self, matcher: &Matcher, probes: &mut SmallVec<[Probe<'_>; PROBES]>) {
        let keys = &matcher.keys;
        self.out.work.probes += probes.len();
        for probe in &mut *probes {
            probe.candidate = keys.candidate(probe.hash);
        }
        look(probes.iter().map(|probe| keys.touch(probe.candidate)));
        for Probe { wanted, hash, candidate, query } in &*probes {
            if *candidate != NONE
                && let Some(found) = keys.confirm(*candidate, *hash, *wanted)
            {
                self.found.push(found);
                if let Some(query) = self.queries.get_mut(*query) {
                    query.found += 1;
                }
            }
        }
        probes.clear();
    }

    /// Finds who is hit.
    #[inline]
    fn collect(&mut self, matcher: &Matcher, queries: &[(&Event<'_>, Access<'_>)]) {
        let Self { queries: pending, found, out, ends, .. } = self;
        let mut rest = found.as_slice();
        for (query, (event, access)) in pending.iter().zip(queries) {
            let (found, behind) = rest.split_at_checked(query.found).unwrap_or_default();
            rest = behind;
            if let Some(channel) = query.channel.and_then(|at| matcher.shelves.channel(at)) {
                out.found.clear();
                out.found.extend_from_slice(found);
                matcher.collect_all(channel, event, *access, out);
            }
            ends.push(out.hits.len());
        }
    }
}

/// Calls `each` with the values of an event whose attributes are wanted.
#[inline]
fn each_value<'e>(
    channel: &Channel,
    event: &'e Event<'_>,
    paths: &AttributePaths,
    is_wanted: impl Fn(Used) -> bool,
    mut each: impl FnMut(Wanted<'e>),
) {
    let number = channel.number;
    let values = event.values(paths);
    for (attribute, used) in channel.used.iter().enumerate() {
        if !is_wanted(*used) {
            continue;
        }
        let value = match values {
            Some(values) => values.get(attribute).and_then(Option::as_deref),
            None => event.value(paths, attribute),
        };
        if let Some(text) = value {
            each(Wanted::new(number, attribute, text));
        }
    }
}

impl Matcher {
    /// Appends the hits of an event, ascending.
    #[inline]
    fn collect_all(&self, channel: &Channel, event: &Event<'_>, access: Access<'_>, out: &mut Out) {
        let begin = out.hits.len();
        out.found_all = false;
        let all = channel.all();
        if let Some(shelf) = all {
            self.collect(shelf, channel, event, out);
        }
        if channel.has_owners() {
            let buckets = self.collect_owned(channel, event, access, out);
            if buckets + usize::from(all.is_some()) > 1 {
                // Each shelf's hits are ascending; those of several are not.
                sort_from(&mut out.hits, begin);
            }
        }
    }

    /// Appends the hits of owners; returns how many buckets they have. Those of several are unsorted.
    ///
    /// Apart from [`collect_all`](Self::collect_all), so that an event of a type without owners pays
    /// for one shelf only (the bench `matches selective_1_000`).
    #[inline(never)]
    fn collect_owned(
        &self,
        channel: &Channel,
        event: &Event<'_>,
        access: Access<'_>,
        out: &mut Out,
    ) -> usize {
        let mut buckets = 0;
        if let Access::Users([_, _, ..]) = access {
            let mut named = std::mem::take(&mut out.named);
            channel.of_users(event, access, &mut named);
            buckets = named.len();
            named.iter().for_each(|shelf| self.collect(*shelf, channel, event, out));
            out.named = named;
        } else {
            channel.owned(event, access, |shelf| {
                buckets += 1;
                self.collect(shelf, channel, event, out);
            });
        }
        out.work.buckets += buckets;
        buckets
    }

    /// Appends the hits on a shelf, ascending.
    ///
    /// A posting tells whether its slot's verdict is turned from the default one, the same by
    /// whichever value the slot is reached. The hits are the defaults, but for the turned slots, of
    /// which those that were in are out and those that were out are in.
    #[inline]
    fn collect(&self, at: u32, channel: &Channel, event: &Event<'_>, out: &mut Out) {
        let Some(shelf) = self.shelves.shelf(at) else { return };
        if out.found.is_empty() {
            // No filter mentions a value of the event: all verdicts are the default ones.
            if !shelf.defaults.is_empty() {
                shelf.defaults.merge(&[], &mut out.hits);
            }
        } else if shelf.defaults.is_empty() {
            let mut hits = std::mem::take(&mut out.hits);
            self.turned(at, channel, event, &mut hits, out);
            out.hits = hits;
        } else {
            let mut turned = std::mem::take(&mut out.turned);
            turned.clear();
            self.turned(at, channel, event, &mut turned, out);
            shelf.defaults.merge(&turned, &mut out.hits);
            out.turned = turned;
        }
    }

    /// Appends the slots on a shelf whose verdict is not the default one, ascending.
    fn turned(
        &self,
        at: u32,
        channel: &Channel,
        event: &Event<'_>,
        turned: &mut Vec<u32>,
        out: &mut Out,
    ) {
        let Out { tests, found, found_all, held, work, .. } = out;
        tests.clear();
        let begin = turned.len();
        let mut lists = 0;
        for value in &*found {
            let Some(place) = value.lists.find(&self.postings, at) else { continue };
            let posting = Posting::at(&self.postings, place);
            if posting.is_in_pieces() {
                lists += self.gather(place, turned, tests);
                continue;
            }
            lists += usize::from(posting.has_turns());
            posting.append_turns(turned);
            tests.extend_from_slice(posting.tests());
        }
        work.postings += turned.len() - begin + tests.len();
        if !tests.is_empty() {
            work.tests += tests.len();
            if !std::mem::replace(found_all, true) {
                let paths = self.profile.attribute_paths();
                each_value(channel, event, paths, Used::is_only_tested, |wanted| {
                    work.probes += 1;
                    found.extend(self.keys.find(wanted));
                });
                held.clear();
                held.extend(found.iter().map(|found| found.number));
                held.resize(found.len().next_multiple_of(4), NONE);
            }
            let before = turned.len();
            for [slot, test] in tests {
                let test = Test(*test);
                let holds = holds(held, test.number());
                let mut turns = test.turns(holds);
                if test.is_open(holds) {
                    turns = self.turns(*slot, held);
                }
                turned.push(*slot);
                keep_last_if(turned, turns);
            }
            lists += turned.len() - before;
        }
        if lists > 1 {
            sort_from(turned, begin);
        }
    }

    /// Appends the slots of a posting in pieces; returns how many ascending lists of `turned` they make.
    #[cold]
    #[inline(never)]
    fn gather(&self, place: u32, turned: &mut Vec<u32>, tests: &mut Vec<[u32; 2]>) -> usize {
        let before = turned.len();
        Posting::each_piece(&self.postings, place, |posting| {
            posting.append_turns(turned);
            tests.extend_from_slice(posting.tests());
        });
        usize::from(turned.len() > before)
    }

    /// Whether a filter's verdict is not the default one.
    #[cold]
    fn turns(&self, slot: u32, held: &[Number]) -> bool {
        let place = self.slots.get(slot as usize);
        place.is_some_and(|place| self.plans.turns(place.plan, |number| holds(held, number)))
    }
}

/// Whether a value is among those of an event; they come four by four.
#[inline]
fn holds(held: &[Number], number: Number) -> bool {
    let any = |four: &[Number; 4]| four.iter().fold(false, |any, held| any | (*held == number));
    held.as_chunks().0.iter().any(any)
}

/// Without a branch, since nobody could foresee it.
#[inline(always)]
fn keep_last_if(slots: &mut Vec<u32>, keep: bool) {
    slots.truncate(slots.len() - usize::from(!keep));
}
