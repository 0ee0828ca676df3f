//! What a match does: channel, look-ups, postings, hits.
//!
//! Each step is done for several events before the next one begins, so that they wait for memory at
//! the same time.

use super::keys::{Found, NONE, Number, Wanted};
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
            self.probe(matcher, together);
            if together.len() > 1 {
                self.confirm(matcher, together);
                // Nothing but a first look, so that the next step need not wait.
                let places = self.found.iter().map(|found| found.lists.first());
                let words = places.map(|place| matcher.postings.word(place));
                std::hint::black_box(words.fold(0, u32::wrapping_add));
            }
            self.collect(matcher, together);
        }
    }

    /// Finds what values the events may have; of one event alone, which it has.
    #[inline]
    fn probe(&mut self, matcher: &Matcher, queries: &[(&Event<'_>, Access<'_>)]) {
        let Self { queries: pending, probes, found, work, .. } = self;
        let Matcher { profile, shelves, keys, .. } = matcher;
        let alone = queries.len() == 1;
        pending.clear();
        probes.clear();
        found.clear();
        for (event, _) in queries {
            let at = shelves.find(event.tenant(), event.event_type());
            if let Some(Channel { number, used, .. }) = at.and_then(|at| shelves.channel(at)) {
                for (attribute, used) in (0u8..).zip(used) {
                    if *used == 0 {
                        continue;
                    }
                    if let Some(text) = event.value(profile.layout(), attribute.into()) {
                        work.probes += 1;
                        let wanted = Wanted { tenant: *number, attribute, text };
                        let hash = keys.hash(wanted);
                        let candidate = keys.candidate(hash);
                        if candidate == NONE {
                            continue;
                        }
                        match alone {
                            true => found.extend(keys.confirm(candidate, hash, wanted)),
                            false => probes.push(Probe { attribute, hash, candidate }),
                        }
                    }
                }
            }
            pending
                .push(Query { channel: at, end: if alone { found.len() } else { probes.len() } });
        }
    }

    /// Finds the values that the events have.
    #[inline]
    fn confirm(&mut self, matcher: &Matcher, queries: &[(&Event<'_>, Access<'_>)]) {
        let Self { queries: pending, probes, found, .. } = self;
        let Matcher { profile, shelves, keys, .. } = matcher;
        let mut begin = 0;
        for (query, (event, _)) in pending.iter_mut().zip(queries) {
            let probes = probes.get(begin..query.end).unwrap_or_default();
            begin = query.end;
            if let Some(channel) = query.channel.and_then(|at| shelves.channel(at)) {
                for Probe { attribute, hash, candidate } in probes {
                    let text = event.value(profile.layout(), usize::from(*attribute));
                    let text = text.unwrap_or_default();
                    let wanted = Wanted { tenant: channel.number, attribute: *attribute, text };
                    found.extend(keys.confirm(*candidate, *hash, wanted));
                }
            }
            query.end = found.len();
        }
    }

    /// Finds who is hit.
    #[inline]
    fn collect(&mut self, matcher: &Matcher, queries: &[(&Event<'_>, Access<'_>)]) {
        let Self { queries: pending, found, turned, hits, ends, work, .. } = self;
        let mut first = 0;
        for (query, (event, access)) in pending.iter().zip(queries) {
            let found = found.get(first..query.end).unwrap_or_default();
            first = query.end;
            let begin = hits.len();
            let mut shelves = 0;
            if let Some(channel) = query.channel.and_then(|at| matcher.shelves.channel(at)) {
                channel.shelves(event, *access, |shelf| {
                    shelves += 1;
                    matcher.collect(shelf, found, turned, hits, work);
                });
            }
            if shelves > 1 {
                sort_from(hits, begin);
            }
            ends.push(hits.len());
        }
    }
}

/// Sorts the words from `begin` on and drops doubles.
#[inline]
fn sort_from(words: &mut Vec<u32>, begin: usize) {
    let Some(part) = words.get_mut(begin..) else { return };
    part.sort_unstable();
    // Few slots are reached twice.
    if part.array_windows().any(|[a, b]| a == b) {
        let mut last = None;
        let mut place = begin;
        for at in begin..words.len() {
            let word = words.get(at).copied();
            if word != last {
                words.swap(place, at);
                place += 1;
            }
            last = word;
        }
        words.truncate(place);
    }
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
        turned: &mut Vec<u32>,
        hits: &mut Vec<u32>,
        work: &mut Work,
    ) {
        let Some(shelf) = self.shelves.shelf(at) else { return };
        if shelf.defaults.is_empty() {
            self.turned(at, found, hits, work);
        } else {
            turned.clear();
            self.turned(at, found, turned, work);
            shelf.defaults.merge(turned, hits);
        }
    }

    /// Appends the slots on a shelf whose verdict is not the default one, ascending.
    #[inline]
    fn turned(&self, at: u32, found: &[Found], turned: &mut Vec<u32>, work: &mut Work) {
        let begin = turned.len();
        let holds = |number: Number| found.iter().any(|found| found.number == number);
        let mut lists = 0;
        for value in found {
            let Some(place) = value.lists.find(&self.postings, at) else { continue };
            let Posting { turns, tests } = Posting::at(&self.postings, place);
            lists += usize::from(!turns.is_empty());
            work.postings += turns.len() + tests.len();
            turned.extend_from_slice(turns);
            for [slot, rest] in tests {
                lists += 1;
                work.tests += 1;
                if self.plans.turns(*rest, holds) {
                    turned.push(*slot);
                }
            }
        }
        if lists > 1 {
            sort_from(turned, begin);
        }
    }
}
