//! Documents that look like earlier ones, read without walking them.

use super::AttributePaths;
use super::json::{Span, Words};
use super::marks::Bits;
use super::paths::OTHER;
use super::read::{Found, Record};
use wide::i8x16;

/// The shapes of documents that were read, kept by the caller from one document to the next.
///
/// A shape is all of a document but what its strings, numbers and literals are. A document that
/// has the shape of an accepted one is read by comparing the text between those and checking
/// each of them, which takes about two thirds of the time. Events of one producer have few
/// shapes; where more than one document in five has a new one, shapes are seldom tried, so that
/// reading takes no longer than [without](super::Event::read).
///
/// One for each thread; it serves any attribute paths, the same one each time if it is to be of
/// use. It holds less than 50 KB whatever is read: what has 255 values or more, or 8 KB between
/// them, is not remembered, and where there is no more room all is forgotten.
///
/// ```
/// use hooksieve::{event::ShapeCache, filter::Profile};
///
/// let (profile, mut shapes) = (Profile::webhook(), ShapeCache::default());
/// for id in ["a1", "a2", "a3"] {
///     let bytes = format!(r#"{{"type": "x", "tenantid": "t", "data": {{"id": "{id}"}}}}"#);
///     let event = profile.read_event_with(bytes.as_bytes(), &mut shapes)?;
///     assert_eq!(event.attribute("id"), Some(id));
/// }
/// # Ok::<(), hooksieve::event::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct ShapeCache {
    /// The paths that keys are numbered by.
    paths: Option<AttributePaths>,
    /// A tree. The first node begins all shapes; behind a node comes its first child, unless it is
    /// an end.
    nodes: Vec<Node>,
    /// The values of the document at hand.
    slots: Slots,
    policy: Policy,
}

/// Bytes of text that are compared at once.
const PIECE: usize = 32;

/// Some text, and what stands behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Node {
    piece: [u8; PIECE],
    /// Bytes of the piece; the rest are zeros.
    len: u8,
    kind: Kind,
    /// The number of the key before a string.
    key: u16,
    /// What may stand in its place; 0 for nothing.
    other: u16,
}

/// What stands behind a piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A string; the piece has its opening quote.
    String,
    /// A number or literal.
    Scalar,
    /// More text.
    Text,
    /// Nothing.
    End,
}

/// Most nodes.
const MAX_NODES: usize = 1024;
/// Most nodes of one shape.
const MAX_LONG: usize = 255;
/// Most nodes that may stand in the place of one another.
const MAX_OTHERS: usize = 8;

/// A value of a document.
#[derive(Clone, Copy, Debug)]
struct Slot {
    /// Without quotes.
    value: Span,
    key: u16,
    kind: Kind,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Slots {
    values: Vec<Slot>,
}

impl Record for &mut Slots {
    #[inline(always)]
    fn value(&mut self, value: Span, key: u16, kind: Kind) {
        // One more than can be remembered.
        if self.values.len() <= MAX_LONG {
            self.values.push(Slot { value, key, kind });
        }
    }
}

/// When shapes are tried, and learned.
///
/// A document without a known shape loses what up to four with one gain: it is walked after all. So
/// shapes are tried while fewer than one document in five is without; then comes a pause, each twice
/// as long as the one before. To learn a shape costs three walks, so it is done once before each
/// pause, and for one in sixteen documents without.
#[derive(Clone, Copy, Debug, Default)]
struct Policy {
    /// Of late, documents with a known shape, less four for each other one.
    score: u8,
    /// Documents still to be read without shapes.
    pause: u8,
    /// How many they were at the last pause.
    last_pause: u8,
    /// Documents without a known shape since one was learned.
    missed: u8,
}

/// Of the score: the end of earlier pauses is forgotten.
const GOOD: u8 = 32;

impl Policy {
    #[inline(always)]
    fn hit(&mut self) {
        if self.score < GOOD {
            self.score += 1;
        } else {
            self.last_pause = 0;
        }
    }

    /// Whether to learn the shape of the document at hand.
    fn miss(&mut self) -> bool {
        self.missed += 1;
        match self.score.checked_sub(4) {
            Some(score) => self.score = score,
            None => {
                self.last_pause = self.last_pause.saturating_mul(2).saturating_add(1);
                (self.pause, self.score) = (self.last_pause, 0);
            }
        }
        let learns = self.pause > 0 || self.missed == 16;
        if learns {
            self.missed = 0;
        }
        learns
    }
}

impl ShapeCache {
    /// Whether to try them for the next document.
    #[inline(always)]
    pub(super) fn are_due(&mut self, paths: &AttributePaths) -> bool {
        if self.policy.pause > 0 {
            self.policy.pause -= 1;
            return false;
        }
        if !self.paths.as_ref().is_some_and(|own| own.is(paths)) {
            self.change(paths);
        }
        true
    }

    #[cold]
    fn change(&mut self, paths: &AttributePaths) {
        self.paths = Some(paths.clone());
        self.nodes.clear();
    }

    /// Whether a text has one of the shapes, and if so whether any of its strings has escapes.
    /// Puts the strings that are looked for in their places.
    #[inline(never)]
    pub(super) fn agree<const N: usize>(
        &mut self,
        text: &str,
        found: &mut [Found; N],
    ) -> Option<bool> {
        let escapes = agree(&self.nodes, text, found)?;
        self.policy.hit();
        Some(escapes)
    }

    /// Whether to learn the shape of a text that has none of them.
    pub(super) fn miss(&mut self) -> bool {
        self.policy.miss()
    }

    pub(super) fn slots(&mut self) -> &mut Slots {
        self.slots.values.clear();
        &mut self.slots
    }

    /// Remembers the shape of an accepted document, whose values were recorded.
    pub(super) fn learn(&mut self, text: &str) {
        let slots = std::mem::take(&mut self.slots.values);
        // A long one would leave no room for others.
        let long = nodes(text, &slots).nth(MAX_LONG).is_some();
        if !long && !self.add(nodes(text, &slots)) {
            // What is half there must not be found.
            self.nodes.clear();
            self.add(nodes(text, &slots));
        }
        self.slots.values = slots;
    }

    /// Whether there was room for a shape.
    fn add(&mut self, nodes: impl Iterator<Item = Node>) -> bool {
        // Where the next node may stand, while the shape is like others.
        let mut place = Some(0).filter(|_| !self.nodes.is_empty());
        for node in nodes {
            let mut last = None;
            if let Some(first) = place {
                match self.find(first, &node) {
                    Ok(at) => {
                        place = Some(at + 1);
                        continue;
                    }
                    Err(None) => return false,
                    Err(at) => last = at,
                }
            }
            let end = self.nodes.len();
            if end == MAX_NODES {
                return false;
            }
            if let Some(last) = last.and_then(|last| self.nodes.get_mut(last)) {
                last.other = end as u16;
            }
            self.nodes.push(node);
            place = None;
        }
        true
    }

    /// Where a node stands that is the same, of those that may stand in the place of the first; or
    /// else the last of them, unless they are too many for one more.
    fn find(&self, first: usize, node: &Node) -> Result<usize, Option<usize>> {
        let mut at = first;
        for _ in 0..MAX_OTHERS {
            match self.nodes.get(at) {
                Some(known) if known.is(node) => return Ok(at),
                Some(known) if known.other != 0 => at = usize::from(known.other),
                _ => return Err(Some(at)),
            }
        }
        Err(None)
    }
}

/// The nodes of a document's shape, in order.
fn nodes<'a>(text: &'a str, slots: &'a [Slot]) -> impl Iterator<Item = Node> + 'a {
    let end =
        Slot { value: Span { from: text.len(), to: text.len() }, key: OTHER, kind: Kind::End };
    let mut at = 0;
    slots.iter().copied().chain([end]).flat_map(move |slot| {
        let text = text.as_bytes().get(at..slot.value.from).unwrap_or_default();
        at = slot.value.to;
        let last = text.len().div_ceil(PIECE);
        text.chunks(PIECE).zip(1..).map(move |(text, number)| match number == last {
            true => Node::new(text, slot.kind, slot.key),
            false => Node::new(text, Kind::Text, OTHER),
        })
    })
}

impl Node {
    fn new(text: &[u8], kind: Kind, key: u16) -> Self {
        let mut piece = [0; PIECE];
        piece.iter_mut().zip(text).for_each(|(byte, from)| *byte = *from);
        Self { piece, len: text.len() as u8, kind, key, other: 0 }
    }

    /// Whether both have the same text and the same kind of value behind it.
    fn is(&self, other: &Self) -> bool {
        (self.piece, self.len, self.kind) == (other.piece, other.len, other.kind)
    }

    /// Where its text ends, if it stands here.
    #[inline(always)]
    fn behind(&self, text: &[u8], at: usize) -> Option<usize> {
        let behind = at + usize::from(self.len);
        let stands = match text.get(at..).and_then(|rest| rest.first_chunk()) {
            Some(bytes) => same(bytes, &self.piece) | (u64::MAX << self.len) as u32 == u32::MAX,
            None => text.get(at..behind) == self.piece.get(..usize::from(self.len)),
        };
        stands.then_some(behind)
    }
}

/// A bit for each byte that is the same in both.
#[inline(always)]
fn same(a: &[u8; PIECE], b: &[u8; PIECE]) -> u32 {
    let half = |of: &[u8; 16]| i8x16::new(of.map(|byte| byte as i8));
    let ((a, _), (b, _)) = (a.as_chunks::<16>(), b.as_chunks::<16>());
    a.iter().zip(b).rev().fold(0, |bits, (a, b)| {
        bits << 16 | u32::from(half(a).simd_eq(half(b)).to_bitmask() as u16)
    })
}

/// Reads a text by the nodes of a tree: each piece must stand where the values before it end, and
/// behind it a valid value of its kind. The pieces are those of a document that was accepted, so
/// that this one is too, and has the same keys.
fn agree<const N: usize>(nodes: &[Node], text: &str, found: &mut [Found; N]) -> Option<bool> {
    let mut words = Words::new(text, Bits::default());
    let mut path = nodes.iter();
    let mut node = path.next()?;
    loop {
        match (node.behind(text.as_bytes(), words.at), node.kind) {
            (Some(behind), Kind::String) => {
                words.at = behind;
                let value = words.string().ok()?;
                if let Some(found) = found.get_mut(usize::from(node.key)) {
                    *found = value;
                }
                // The next piece begins with the closing quote.
                words.at = value.to;
            }
            (Some(behind), Kind::Scalar) if begins_scalar(text.as_bytes().get(behind)) => {
                words.at = behind;
                words.scalar().ok()?;
            }
            (Some(behind), Kind::Text) => words.at = behind,
            (Some(behind), Kind::End) if behind == text.len() => return Some(words.escapes),
            _ => {
                // The first node is the other one of none.
                let other = Some(usize::from(node.other)).filter(|other| *other != 0)?;
                path = nodes.get(other..)?.iter();
            }
        }
        node = path.next()?;
    }
}

#[inline(always)]
fn begins_scalar(byte: Option<&u8>) -> bool {
    matches!(byte, Some(b'-' | b'0'..=b'9' | b't' | b'f' | b'n'))
}

#[cfg(test)]
mod tests {
    use super::{GOOD, MAX_LONG, PIECE, Policy, ShapeCache};
    use crate::event::{AttributePaths, Event};

    fn document(more: &str) -> String {
        format!(r#"{{"type":"x","id":"1","data":{{"n":12}},{more}"tenantid":"t","end":[]}}"#)
    }

    /// Of so many documents, how many were read by a known shape, and for how many the shapes were
    /// tried in vain.
    fn count(documents: impl Iterator<Item = String>) -> (usize, usize) {
        let paths = AttributePaths::new([] as [(&str, Vec<_>); 0]).unwrap();
        let (mut shapes, mut hits, mut misses) = (ShapeCache::default(), 0, 0);
        for document in documents {
            let due = shapes.policy.pause == 0;
            let found = &mut [Default::default(); 32];
            let known = due && super::agree(&shapes.nodes, &document, found).is_some();
            hits += usize::from(known);
            misses += usize::from(due && !known);
            Event::read_with(&paths, document.as_bytes(), &mut shapes).unwrap();
        }
        (hits, misses)
    }

    #[test]
    fn few_shapes_are_soon_known() {
        let (hits, misses) = count((0..1_000).map(|_| document("")));
        assert_eq!((hits, misses), (998, 1));
        let mut state = 1u64;
        let eight = (0..10_000).map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let bits = state >> 33;
            let mut more = String::new();
            for (bit, member) in [r#""a":"","#, r#""b":0,"#, r#""c":[1],"#].iter().enumerate() {
                more.push_str(if bits >> bit & 1 == 1 { member } else { "" });
            }
            document(&more)
        });
        let (hits, misses) = count(eight);
        assert!(hits > 9_000 && misses < 50, "{hits} {misses}");
    }

    #[test]
    fn new_shapes_are_seldom_tried() {
        let (hits, misses) = count((0..10_000).map(|n| document(&format!(r#""x{n}":0,"#))));
        assert!(hits == 0 && misses < 60, "{hits} {misses}");
        let long = r#""a":0,"#.repeat(MAX_LONG);
        let (hits, misses) = count((0..10_000).map(|_| document(&long)));
        assert!(hits == 0 && misses < 60, "{hits} {misses}");
    }

    #[test]
    fn full_shapes_make_room() {
        let new = |n: usize| {
            let members: String = (0..200).map(|at| format!(r#""x{n}-{at}":0,"#)).collect();
            document(&members)
        };
        let documents = (0..3_000).map(|n| if n < 1_000 { new(n) } else { document("") });
        let (hits, misses) = count(documents);
        assert!(hits > 1_500 && misses < 30, "{hits} {misses}");
    }

    /// Long names take several pieces, and a value may be a number here and a string or an array there.
    #[test]
    fn what_stands_between_values_may_be_long_and_what_they_are_may_change() {
        let long = format!(r#""{}":0,"#, "x".repeat(4 * PIECE));
        let blanks = " ".repeat((MAX_LONG + 1) * PIECE);
        let more = [r#""a":0,"#, r#""a":"0","#, r#""a":[],"#, &long];
        let (hits, misses) = count((0..1_000).map(|n| document(more[n % more.len()])));
        assert!(hits > 950 && misses < 10, "{hits} {misses}");
        let (hits, _) = count((0..1_000).map(|_| document(&blanks)));
        assert_eq!(hits, 0, "too long to be remembered");
    }

    #[test]
    fn pauses_are_twice_as_long_each_time_until_shapes_have_been_good() {
        let mut policy = Policy::default();
        let mut pause = |hits: u8| {
            (0..hits).for_each(|_| policy.hit());
            let learns = policy.miss();
            (learns, std::mem::take(&mut policy.pause))
        };
        assert_eq!([0, 3, 0].map(&mut pause), [(true, 1), (true, 3), (true, 7)]);
        assert_eq!([8, 0, 0].map(&mut pause), [(false, 0), (false, 0), (true, 15)]);
        let [less, good] = [GOOD, GOOD + 1].map(|hits| {
            let after = std::iter::once(pause(hits)).chain(std::iter::repeat_with(|| pause(0)));
            after.map(|(_, pause)| pause).find(|pause| *pause > 0)
        });
        assert_eq!((less, good), (Some(31), Some(1)));
    }

    #[test]
    fn one_in_sixteen_documents_without_a_shape_is_learned() {
        let mut policy = Policy::default();
        let learns = |_: &u32| {
            (0..4).for_each(|_| policy.hit());
            policy.miss()
        };
        assert_eq!((1..=48).filter(learns).collect::<Vec<_>>(), [16, 32, 48]);
    }

    /// However many are new, the shapes lose little that they did not gain.
    #[test]
    fn misses_are_few_beside_hits() {
        for new in 1..=20u64 {
            let mut state = new;
            let documents = (0..20_000).map(|n| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                let is_new = (state >> 33) % 20 < new;
                document(&if is_new { format!(r#""x{n}":0,"#) } else { String::new() })
            });
            let (hits, misses) = count(documents);
            assert!(misses < hits / 4 + 600, "{new} of 20: {hits} {misses}");
        }
    }
}
