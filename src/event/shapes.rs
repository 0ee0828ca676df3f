//! Recognizes documents that look like earlier ones, without walking them.
//!
//! # The idea
//!
//! The events of one producer have few *shapes*. A shape is everything in a document except its
//! strings, numbers and literals: keys, punctuation, white space and nesting. If a document has the
//! shape of an accepted one, its keys need not be read and its structure need not be followed. It
//! is enough to compare the text between the values, 32 bytes at a time, and to check each value.
//! This takes 0.69 of the time of a walk if all events have one of eight shapes.
//!
//! # Data structure
//!
//! A shape is a sequence of *nodes*. A node is a *piece* of at most 32 bytes of text, and the kind
//! of what follows it. All shapes are in one tree, so two shapes that begin alike share nodes. The
//! tree is one `Vec`: the first child of a node is the next node, and `sibling` is the index of its
//! next sibling, which is tried if the node does not fit.
//!
//! # Example
//!
//! Two events, one with a number and one with an object in the place of `n`:
//!
//! ```text
//! {"type":"a","tenantid":"t","n":1}
//! {"type":"b","tenantid":"u","n":{}}
//!
//! index   piece               then      key   sibling
//! 0       {"type":"           String    1
//! 1       ","tenantid":"      String    3
//! 2       ","n":              Scalar          4      ──┐
//! 3       }                   End                      │
//! 4       ","n":{}}           End                    <─┘
//! ```
//!
//! To read `{"type":"c","tenantid":"v","n":{}}`, node 0 fits at byte 0. The string up to the next
//! quote is checked and put into `found[1]`; the same with node 1 and `found[3]`. The piece of node
//! 2 fits, but `{` begins no scalar, so its sibling 4 is tried at the same offset. It fits, it is
//! an end, and the text ends there: the event has the second shape.
//!
//! A piece includes the quotes around a string, so that the closing quote is compared and a string
//! cannot run into the next piece.
//!
//! # Invariants
//!
//! - Only accepted documents are learned. A document of the same shape is accepted by the same
//!   steps of the grammar, as each of its values is valid and of the same kind. It has the same
//!   keys at the same depths, so it has no duplicate key and needs no look-up of keys. Nothing is
//!   assumed that was not compared or checked.
//! - A document that no shape fits is walked, so the errors are those of the walk, and a false "no"
//!   costs time only. A shape is never tried again from its beginning: siblings differ after a
//!   common beginning, and at most [`MAX_SIBLINGS`] of them are tried for a piece.
//! - The numbers of keys are those of one [`AttributePaths`]. Other paths clear the tree.
//! - The tree has at most [`MAX_NODES`] nodes and a shape at most [`MAX_LONG`]: less than 50 KB,
//!   whatever is read. Where there is no room, everything is forgotten and learned again.
//! - A node that is an end has no child: the node after it in the `Vec` is a sibling of another.
//!
//! # Policy
//!
//! A document of an unknown shape is compared in vain and then walked; that loses what up to four
//! hits gain. [`Policy`] therefore tries shapes only while fewer than one document in five is
//! unknown. Time as part of that without shapes:
//!
//! | events | by shapes |
//! | --- | --- |
//! | all of one shape; eight shapes in random order | 0.69 |
//! | one in twenty of a new shape; one in eight | 0.74; 0.84 |
//! | one in six, five, four, three of a new shape | 1.00 to 1.02 |
//! | each of a new shape | 1.02 |
//!
//! # Rejected
//!
//! - A list of whole shapes: each of them is compared from the beginning.
//! - One shape, that of the last document: with eight shapes in random order a prototype took 570
//!   ns for an event instead of 167 without shapes.
//! - Learning every new shape: at one new document in five, 37 % more time than without shapes.

use super::AttributePaths;
use super::json::{Cursor, Span};
use super::marks::Bits;
use super::paths::OTHER;
use super::walk::Record;
use wide::i8x16;

/// Remembers the shapes of events, so that similar events are read faster.
///
/// A shape is everything in an event except its strings, numbers and literals. To read an event
/// that has the shape of an earlier one, the text between these values is compared and each value
/// is checked. This takes about two thirds of the time of [`Event::read`](super::Event::read). The
/// results are the same.
///
/// Keep one cache for each thread, and use it with the same [`AttributePaths`] each time: other
/// paths clear it. If more than one event in five has a new shape, shapes are rarely tried, and
/// reading takes about as long as [without](super::Event::read).
///
/// A cache holds less than 50 KB. An event with 255 or more values, or 8 KB of text between them,
/// is not remembered. If there is no room for a shape, all of them are forgotten.
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
    /// The paths that number the keys of the tree; `None` before the first event.
    paths: Option<AttributePaths>,
    /// The tree. The first node is the root's first child; a node is followed by its own first
    /// child, unless it is an end.
    nodes: Vec<Node>,
    /// The values of the document that is being learned; kept for its allocation.
    slots: Slots,
    policy: Policy,
}

/// The number of bytes that are compared at once.
const PIECE: usize = 32;

/// A piece of a shape's text, and what follows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Node {
    piece: [u8; PIECE],
    /// The length of the text in `piece`; the other bytes are zeros.
    len: u8,
    kind: Kind,
    /// The number of the key before a string; `OTHER` for anything else.
    key: u16,
    /// The index of the next sibling; 0 for none, as the first node is no other node's next
    /// sibling.
    sibling: u16,
}

/// What follows a piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A string; the piece has its opening quote.
    String,
    /// A number or literal.
    Scalar,
    /// The next piece: the text between two values is longer than one.
    Text,
    /// The end of the document.
    End,
}

/// The limit of nodes in the tree.
const MAX_NODES: usize = 1024;
/// The limit of nodes in one shape.
const MAX_LONG: usize = 255;
/// The limit of siblings.
const MAX_SIBLINGS: usize = 8;

/// A value of a document that is being learned.
#[derive(Clone, Copy, Debug)]
struct Slot {
    /// The span of the value; of a string, without its quotes.
    value: Span,
    key: u16,
    kind: Kind,
}

/// The values of a document in their order, as a walk records them.
#[derive(Clone, Debug, Default)]
pub(super) struct Slots {
    values: Vec<Slot>,
}

impl Record for &mut Slots {
    #[inline(always)]
    fn value(&mut self, value: Span, key: u16, kind: Kind) {
        // One more than a shape can have, so that `learn` sees that the document has too many.
        if self.values.len() <= MAX_LONG {
            self.values.push(Slot { value, key, kind });
        }
    }
}

/// Decides when shapes are tried, and when one is learned.
///
/// A *hit* is a document of a known shape, a *miss* one that was compared in vain. A miss loses
/// what up to four hits gain, so shapes are tried as long as fewer than one document in five is a
/// miss. Then they pause for some documents, each time twice as many. Learning a shape costs about
/// three walks, so it happens once before each pause and at every sixteenth miss.
#[derive(Clone, Copy, Debug, Default)]
struct Policy {
    /// The number of recent hits, less four for each miss; from 0 to [`GOOD`].
    score: u8,
    /// The number of documents that are still to be read without shapes.
    pause: u8,
    /// The length of the last pause.
    last_pause: u8,
    /// The number of misses since a shape was learned.
    missed: u8,
}

/// The score at which earlier pauses are forgotten.
const GOOD: u8 = 32;

impl Policy {
    /// Counts a hit.
    #[inline(always)]
    fn hit(&mut self) {
        if self.score < GOOD {
            self.score += 1;
        } else {
            self.last_pause = 0;
        }
    }

    /// Counts a miss and returns whether to learn the shape of this document.
    fn miss(&mut self) -> bool {
        self.missed += 1;
        match self.score.checked_sub(4) {
            Some(score) => self.score = score,
            None => {
                // The lengths are 1, 3, 7 and so on up to 255.
                self.last_pause = self.last_pause.saturating_mul(2).saturating_add(1);
                (self.pause, self.score) = (self.last_pause, 0);
            }
        }
        // Before a pause, so that the first document after it may have a known shape.
        let learns = self.pause > 0 || self.missed == 16;
        if learns {
            self.missed = 0;
        }
        learns
    }
}

impl ShapeCache {
    /// Returns whether to try shapes for the next document; clears those of other paths.
    #[inline(always)]
    pub(super) fn is_due(&mut self, paths: &AttributePaths) -> bool {
        if self.policy.pause > 0 {
            self.policy.pause -= 1;
            return false;
        }
        if !self.paths.as_ref().is_some_and(|own| own.is_same(paths)) {
            self.change(paths);
        }
        true
    }

    /// Forgets the shapes of other paths, whose keys have other numbers.
    #[cold]
    fn change(&mut self, paths: &AttributePaths) {
        self.paths = Some(paths.clone());
        self.nodes.clear();
    }

    /// Compares a text with the shapes and fills `found` with the strings that are looked for.
    ///
    /// Returns whether any string has an escape, or `None` if no shape fits. `found` may then be
    /// filled in part.
    #[inline(never)]
    pub(super) fn recognize<const N: usize>(
        &mut self,
        text: &str,
        found: &mut [Span; N],
    ) -> Option<bool> {
        let escapes = recognize(&self.nodes, text, found)?;
        self.policy.hit();
        Some(escapes)
    }

    /// Counts a text that no shape fits and returns whether to learn its shape.
    pub(super) fn miss(&mut self) -> bool {
        self.policy.miss()
    }

    /// Returns the empty list into which a walk records the values of a document.
    pub(super) fn slots(&mut self) -> &mut Slots {
        self.slots.values.clear();
        &mut self.slots
    }

    /// Remembers the shape of an accepted document, whose values are in [`slots`](Self::slots).
    pub(super) fn learn(&mut self, text: &str) {
        let slots = std::mem::take(&mut self.slots.values);
        // A long shape would leave no room for others.
        let long = nodes(text, &slots).nth(MAX_LONG).is_some();
        if !long && !self.add(nodes(text, &slots)) {
            // A part of the shape may have been added, without an end. The tree begins again with
            // this shape, for which there is always room.
            self.nodes.clear();
            self.add(nodes(text, &slots));
        }
        self.slots.values = slots;
    }

    /// Adds a shape to the tree and returns whether there was room for all of it.
    fn add(&mut self, nodes: impl Iterator<Item = Node>) -> bool {
        // The first of the siblings among which the next node belongs. `None` once the shape has
        // left the tree: its other nodes are new, and each follows its parent.
        let mut place = Some(0).filter(|_| !self.nodes.is_empty());
        for node in nodes {
            let mut last = None;
            if let Some(first) = place {
                match self.find(first, &node) {
                    // An equal node is shared; its child is the next one.
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
                last.sibling = end as u16;
            }
            self.nodes.push(node);
            place = None;
        }
        true
    }

    /// Finds the sibling of `first` that equals `node`.
    ///
    /// # Errors
    ///
    /// The last sibling, if none is equal; `None` if there are too many for another.
    fn find(&self, first: usize, node: &Node) -> Result<usize, Option<usize>> {
        let mut at = first;
        for _ in 0..MAX_SIBLINGS {
            match self.nodes.get(at) {
                Some(known) if known.is_same(node) => return Ok(at),
                Some(known) if known.sibling != 0 => at = usize::from(known.sibling),
                _ => return Err(Some(at)),
            }
        }
        Err(None)
    }
}

/// Returns the nodes of a document's shape, in order: the text before each value, in pieces.
fn nodes<'a>(text: &'a str, slots: &'a [Slot]) -> impl Iterator<Item = Node> + 'a {
    let end =
        Slot { value: Span { from: text.len(), to: text.len() }, key: OTHER, kind: Kind::End };
    let mut at = 0;
    slots.iter().copied().chain([end]).flat_map(move |slot| {
        // A walk records values in their order, so the text between two is never reversed.
        let text = text.as_bytes().get(at..slot.value.from).unwrap_or_default();
        at = slot.value.to;
        // Text between two values is never empty: it has at least a quote or a `,`.
        let last = text.len().div_ceil(PIECE);
        text.chunks(PIECE).zip(1..).map(move |(text, number)| match number == last {
            true => Node::new(text, slot.kind, slot.key),
            false => Node::new(text, Kind::Text, OTHER),
        })
    })
}

impl Node {
    /// Makes a node of at most [`PIECE`] bytes of text.
    fn new(text: &[u8], kind: Kind, key: u16) -> Self {
        let mut piece = [0; PIECE];
        piece.iter_mut().zip(text).for_each(|(byte, from)| *byte = *from);
        Self { piece, len: text.len() as u8, kind, key, sibling: 0 }
    }

    /// Returns whether both have the same text, followed by the same kind of value.
    ///
    /// The key is not compared: the same text after the same nodes has the same keys.
    fn is_same(&self, other: &Self) -> bool {
        (self.piece, self.len, self.kind) == (other.piece, other.len, other.kind)
    }

    /// Returns the offset after the piece, if it occurs at `at`.
    #[inline(always)]
    fn after(&self, text: &[u8], at: usize) -> Option<usize> {
        let after = at + usize::from(self.len);
        let fits = match text.get(at..).and_then(|rest| rest.first_chunk()) {
            // All 32 bytes are compared at once; those after the piece count as equal.
            Some(bytes) => same(bytes, &self.piece) | (u64::MAX << self.len) as u32 == u32::MAX,
            // Near the end of the text, where 32 bytes are not left.
            None => text.get(at..after) == self.piece.get(..usize::from(self.len)),
        };
        fits.then_some(after)
    }
}

/// Returns a bit for each byte, set where both are equal; the first byte is the lowest bit.
#[inline(always)]
fn same(a: &[u8; PIECE], b: &[u8; PIECE]) -> u32 {
    let half = |of: &[u8; 16]| i8x16::new(of.map(|byte| byte as i8));
    let ((a, _), (b, _)) = (a.as_chunks::<16>(), b.as_chunks::<16>());
    a.iter().zip(b).rev().fold(0, |bits, (a, b)| {
        bits << 16 | u32::from(half(a).simd_eq(half(b)).to_bitmask() as u16)
    })
}

/// Compares a text with the shapes of a tree, from its beginning to its end.
///
/// Each piece must occur where the value before it ends, followed by a valid value of its kind.
/// Returns whether any string has an escape, or `None` if no shape fits.
fn recognize<const N: usize>(nodes: &[Node], text: &str, found: &mut [Span; N]) -> Option<bool> {
    let mut cursor = Cursor::new(text, Bits::default());
    let mut path = nodes.iter();
    let mut node = path.next()?;
    loop {
        // A node that does not fit has changed nothing: `at` moves only after a comparison.
        match (node.after(text.as_bytes(), cursor.at), node.kind) {
            (Some(after), Kind::String) => {
                cursor.at = after;
                let value = cursor.string().ok()?;
                if let Some(found) = found.get_mut(usize::from(node.key)) {
                    *found = value;
                }
                // The next piece begins with the closing quote, which is compared again.
                cursor.at = value.to;
            }
            (Some(after), Kind::Scalar) if begins_scalar(text.as_bytes().get(after)) => {
                cursor.at = after;
                cursor.scalar().ok()?;
            }
            (Some(after), Kind::Text) => cursor.at = after,
            (Some(after), Kind::End) if after == text.len() => return Some(cursor.escapes),
            _ => {
                // No sibling is left, so no shape fits. A sibling is never the first node.
                let sibling = Some(usize::from(node.sibling)).filter(|sibling| *sibling != 0)?;
                path = nodes.get(sibling..)?.iter();
            }
        }
        node = path.next()?;
    }
}

/// Returns whether a number or literal begins with this byte.
///
/// Asked before `scalar`, whose error would cost an allocation.
#[inline(always)]
fn begins_scalar(byte: Option<&u8>) -> bool {
    matches!(byte, Some(b'-' | b'0'..=b'9' | b't' | b'f' | b'n'))
}

#[cfg(test)]
mod tests;
