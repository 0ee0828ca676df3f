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
    /// Where its probes end.
    end: usize,
}

/// A value of an event on its way.
#[derive(Clone, Copy, Debug)]
struct Probe {
    hash: u32,
    attribute: u8,
    found: Found,
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

    /// Finds the values of the events.
    fn look_up(&mut self, matcher: &Matcher, queries: &[(&Event<'_>, Access<'_>)]) {
        let Self { queries: pending, probes, work, .. } = self;
        let Matcher { profile, shelves, keys, postings, .. } = matcher;
        pending.clear();
        probes.clear();
        for (event, _) in queries {
            let at = shelves.find(event.tenant(), event.event_type());
            if let Some(channel) = at.and_then(|at| shelves.channel(at)) {
                for (attribute, used) in (0u8..).zip(&channel.used) {
                    if *used > 0
                        && let Some(text) = event.value(profile.layout(), attribute.into())
                    {
                        let hash = keys.hash(Wanted { tenant: channel.number, attribute, text });
                        let found = Found { number: keys.candidate(hash), lists: <_>::default() };
                        probes.push(Probe { hash, attribute, found });
                    }
                }
            }
            pending.push(Query { channel: at, end: probes.len() });
        }
        work.probes += probes.len();
        let mut begin = 0;
        for (query, (event, _)) in pending.iter().zip(queries) {
            let probes = probes.get_mut(begin..query.end).unwrap_or_default();
            let channel = query.channel.and_then(|at| shelves.channel(at));
            if let Some(Channel { number: tenant, .. }) = channel {
                for Probe { hash, attribute, found } in probes {
                    let text = event.value(profile.layout(), usize::from(*attribute));
                    if found.number != NONE
                        && let Some(text) = text
                    {
                        let wanted = Wanted { tenant: *tenant, attribute: *attribute, text };
                        *found = keys.confirm(found.number, *hash, wanted);
                    }
                }
            }
            begin = query.end;
        }
        if queries.len() > 1 {
            // Nothing but a first look.
            let first = probes.iter().map(|probe| postings.word(probe.found.lists.first()));
            std::hint::black_box(first.fold(0, u32::wrapping_add));
        }
    }

    fn collect(&mut self, matcher: &Matcher, queries: &[(&Event<'_>, Access<'_>)]) {
        let Self { queries: pending, probes, turned, hits, ends, work } = self;
        let mut first = 0;
        for (query, (event, access)) in pending.iter().zip(queries) {
            let probes = probes.get(first..query.end).unwrap_or_default();
            first = query.end;
            let begin = hits.len();
            let mut lists = 0;
            if let Some(channel) = query.channel.and_then(|at| matcher.shelves.channel(at)) {
                channel.shelves(event, *access, |shelf| {
                    lists += 1;
                    matcher.shelf_hits(shelf, probes, turned, hits, work);
                });
            }
            if lists > 1
                && let Some(own) = hits.get_mut(begin..)
            {
                own.sort_unstable();
                // A user may be named twice.
                let kept = unique(own);
                hits.truncate(begin + kept);
            }
            ends.push(hits.len());
        }
    }
}

/// Moves the first of equal neighbours to the front; how many there are.
fn unique(sorted: &mut [u32]) -> usize {
    let mut kept = 0;
    let mut last = None;
    for at in 0..sorted.len() {
        let word = sorted.get(at).copied();
        if word != last {
            if let (Some(place), Some(word)) = (sorted.get_mut(kept), word) {
                *place = word;
            }
            kept += 1;
            last = word;
        }
    }
    kept
}

impl Matcher {
    /// Appends the hits on a shelf, ascending.
    ///
    /// A posting tells whether its slot's verdict is turned from the default one, the same by
    /// whichever value the slot is reached. The hits are the defaults, but for the turned slots, of
    /// which those that were in are out and those that were out are in.
    fn shelf_hits(
        &self,
        at: u32,
        probes: &[Probe],
        turned: &mut Vec<u32>,
        hits: &mut Vec<u32>,
        work: &mut Work,
    ) {
        let Some(shelf) = self.shelves.shelf(at) else { return };
        turned.clear();
        let holds = |number: Number| probes.iter().any(|probe| probe.found.number == number);
        for probe in probes {
            let Some(place) = probe.found.lists.find(&self.postings, at) else { continue };
            let Posting { turns, tests } = Posting::at(&self.postings, place);
            work.postings += turns.len() + tests.len();
            work.tests += tests.len();
            turned.extend_from_slice(turns);
            let tests = tests.iter().filter(|[_, rest]| self.plans.turns(*rest, holds));
            turned.extend(tests.map(|[slot, _]| *slot));
        }
        turned.sort_unstable();
        let kept = unique(turned);
        turned.truncate(kept);
        if shelf.defaults.is_empty() {
            hits.extend_from_slice(turned);
        } else {
            shelf.defaults.merge(turned, hits);
        }
    }
}
