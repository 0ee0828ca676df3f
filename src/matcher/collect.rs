//! What a match does: channel, look-ups, postings, hits.
//!
//! Each step is done for several events before the next one begins, so that they wait for memory at
//! the same time.

use super::keys::{Found, NONE, Number, Wanted};
use super::order::sort_from;
use super::postings::Posting;
use super::shelves::Channel;
use super::{Access, Matcher};
use crate::event::Event;

/// Memory that matching needs, kept by the caller from one match to the next.
///
/// One for each thread; any matcher may use it. Once it has grown to its use, a match allocates
/// nothing.
#[derive(Clone, Debug, Default)]
pub struct Scratch {
    queries: Vec<Query>,
    probes: Vec<Probe>,
    found: Vec<Found>,
    tests: Vec<[u32; 2]>,
    turned: Vec<u32>,
    /// Of all events, one behind the other.
    hits: Vec<u32>,
    /// Where the hits of each event end.
    ends: Vec<usize>,
    work: Work,
}

/// What one match did, to tell what makes it dear.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Work {
    /// Attribute values looked up.
    pub probes: usize,
    /// Postings of those values visited.
    pub postings: usize,
    /// Filters tested, where the value alone did not decide.
    pub tests: usize,
}

/// An event on its way.
#[derive(Clone, Copy, Debug)]
struct Query {
    channel: Option<usize>,
    /// Where its probes end, and then what was found.
    end: usize,
}

/// A value of an event that filters may mention.
#[derive(Clone, Copy, Debug)]
struct Probe {
    attribute: u8,
    hash: u32,
    candidate: Number,
}

/// Events on their way at once: with four attributes each, more than a core waits for at once.
const TOGETHER: usize = 8;

impl Scratch {
    /// What the last match did, all its events taken together.
    #[must_use]
    pub fn work(&self) -> Work {
        self.work
    }

    /// The hits of the event at this place.
    pub(super) fn hits(&self, at: usize) -> &[u32] {
        let begin = at.checked_sub(1).and_then(|before| self.ends.get(before));
        let (begin, end) = (begin.copied().unwrap_or(0), self.ends.get(at).copied());
        self.hits.get(begin..end.unwrap_or(begin)).unwrap_or_default()
    }

    pub(super) fn run(&mut self, matcher: &Matcher, queries: &[(&Event<'_>, Access<'_>)]) {
        self.hits.clear();
        self.ends.clear();
        self.work = Work::default();
        for together in queries.chunks(TOGETHER) {
            self.look_up(matcher, together);
            self.collect(matcher, together);
        }
    }

    /// Finds the values that the events have.
    #[inline]
    fn look_up(&mut self, matcher: &Matcher, queries: &[(&Event<'_>, Access<'_>)]) {
        let Self { queries: pending, probes, found, work, .. } = self;
        let Matcher { profile, shelves, keys, postings, .. } = matcher;
        pending.clear();
        probes.clear();
        found.clear();
        for (event, _) in queries {
            let at = shelves.find(event.tenant(), event.event_type());
            if let Some(Channel { number: tenant, used, .. }) =
                at.and_then(|at| shelves.channel(at))
            {
                for (attribute, used) in (0u8..).zip(used) {
                    if *used > 0
                        && let Some(text) = event.value(profile.layout(), attribute.into())
                    {
                        let hash = keys.hash(Wanted { tenant: *tenant, attribute, text });
                        probes.push(Probe { attribute, hash, candidate: NONE });
                    }
                }
            }
            pending.push(Query { channel: at, end: probes.len() });
        }
        work.probes += probes.len();
        for probe in &mut *probes {
            probe.candidate = keys.candidate(probe.hash);
        }
        look(probes.iter().map(|probe| keys.touch(probe.candidate)));
        let mut begin = 0;
        for (query, (event, _)) in pending.iter_mut().zip(queries) {
            let probes = probes.get(begin..query.end).unwrap_or_default();
            begin = query.end;
            if let Some(channel) = query.channel.and_then(|at| shelves.channel(at)) {
                for Probe { attribute, hash, candidate } in probes {
                    if *candidate == NONE {
                        continue;
                    }
                    let text = event.value(profile.layout(), usize::from(*attribute));
                    let text = text.unwrap_or_default();
                    let wanted = Wanted { tenant: channel.number, attribute: *attribute, text };
                    found.extend(keys.confirm(*candidate, *hash, wanted));
                }
            }
            query.end = found.len();
        }
        look(found.iter().map(|found| postings.word(found.lists.first())));
    }

    /// Finds who is hit.
    #[inline]
    fn collect(&mut self, matcher: &Matcher, queries: &[(&Event<'_>, Access<'_>)]) {
        let Self { queries: pending, found, tests, turned, hits, ends, work, .. } = self;
        let mut first = 0;
        for (query, (event, access)) in pending.iter().zip(queries) {
            let found = found.get(first..query.end).unwrap_or_default();
            first = query.end;
            let begin = hits.len();
            let mut shelves = 0;
            if let Some(channel) = query.channel.and_then(|at| matcher.shelves.channel(at)) {
                channel.shelves(event, *access, |shelf| {
                    shelves += 1;
                    matcher.collect(shelf, found, tests, turned, hits, work);
                });
            }
            if shelves > 1 {
                sort_from(hits, begin);
            }
            ends.push(hits.len());
        }
    }
}

/// Reads words that are needed next, all of them before the first is waited for.
#[inline]
fn look(words: impl Iterator<Item = u32>) {
    std::hint::black_box(words.fold(0, u32::wrapping_add));
}

impl Matcher {
    /// Appends the hits on a shelf, ascending.
    ///
    /// A posting tells whether its slot's verdict is turned from the default one, the same by
    /// whichever value the slot is reached. The hits are the defaults, but for the turned slots, of
    /// which those that were in are out and those that were out are in.
    #[inline]
    fn collect(
        &self,
        at: u32,
        found: &[Found],
        tests: &mut Vec<[u32; 2]>,
        turned: &mut Vec<u32>,
        hits: &mut Vec<u32>,
        work: &mut Work,
    ) {
        let Some(shelf) = self.shelves.shelf(at) else { return };
        if shelf.defaults.is_empty() {
            self.turned(at, found, tests, hits, work);
        } else {
            turned.clear();
            self.turned(at, found, tests, turned, work);
            shelf.defaults.merge(turned, hits);
        }
    }

    /// Appends the slots on a shelf whose verdict is not the default one, ascending.
    #[inline]
    fn turned(
        &self,
        at: u32,
        found: &[Found],
        tests: &mut Vec<[u32; 2]>,
        turned: &mut Vec<u32>,
        work: &mut Work,
    ) {
        tests.clear();
        let begin = turned.len();
        let mut lists = 0;
        for value in found {
            let Some(place) = value.lists.find(&self.postings, at) else { continue };
            let posting = Posting::at(&self.postings, place);
            lists += usize::from(!posting.turns.is_empty());
            work.postings += posting.turns.len() + posting.tests.len();
            turned.extend_from_slice(posting.turns);
            tests.extend_from_slice(posting.tests);
        }
        if !tests.is_empty() {
            work.tests += tests.len();
            look(tests.iter().map(|[_, rest]| self.plans.touch(*rest)));
            let holds = |number: Number| found.iter().any(|found| found.number == number);
            for [slot, rest] in tests {
                if self.plans.turns(*rest, holds) {
                    turned.push(*slot);
                    lists += 1;
                }
            }
        }
        if lists > 1 {
            sort_from(turned, begin);
        }
    }
}
