use super::json::{Span, Words};
use super::layout::OTHER;
use super::marks::Bits;
use super::read::{Found, Record};
use super::Layout;
use wide::i8x16;

/// Shapes of the documents that were read, kept by the caller from one to the next.
///
/// A shape is all of a document but its strings, numbers and literals: the text between them, and
/// which of both kinds each one is. A document that has a shape of an accepted one is read by
/// comparing that text and checking the values alone. Events of one producer have few shapes, so
/// this is how most of them are read; where shapes do not come again, it is seldom tried.
///
/// One for each thread. It holds at most 60 KB, whatever is read.
#[derive(Clone, Debug, Default)]
pub struct Shapes {
    /// The layout that keys are numbered by.
    layout: Option<Layout>,
    /// A tree: behind a node comes its first child, unless it is an end; the first node is a child
    /// of the root.
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

/// When shapes are tried and learned. What is lost by a document without a known shape is what
/// four with one gain, so they are tried where fewer than one in five is new. Learning costs more.
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

impl Shapes {
    /// Whether to try them for the next document.
    #[inline(always)]
    pub(super) fn are_due(&mut self, layout: &Layout) -> bool {
        if self.policy.pause > 0 {
            self.policy.pause -= 1;
            return false;
        }
        if !self.layout.as_ref().is_some_and(|own| own.is(layout)) {
            *self = Self { layout: Some(layout.clone()), ..Self::default() };
        }
        true
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
        // A long one would leave no room for others, and one with many values was not recorded.
        if slots.len() <= MAX_LONG && nodes(text, &slots).take(MAX_LONG + 1).count() <= MAX_LONG {
            // What is half there is not kept.
            if !self.add(nodes(text, &slots)) {
                self.nodes.clear();
                self.add(nodes(text, &slots));
            }
        }
        self.slots.values = slots;
    }

    /// Whether there was room for a shape.
    fn add(&mut self, nodes: impl Iterator<Item = Node>) -> bool {
        // Where the next node may stand, until the shape leaves those known.
        let mut next = if self.nodes.is_empty() { None } else { Some(0) };
        for node in nodes {
            let mut others = 0;
            let mut last = None;
            while let Some(at) = next
                && let Some(known) = self.nodes.get(at)
            {
                if known.is(&node) {
                    break;
                }
                others += 1;
                last = Some(at);
                next = Some(usize::from(known.other)).filter(|other| *other != 0);
            }
            if let Some(at) = next {
                next = Some(at + 1);
                continue;
            }
            let end = self.nodes.len();
            if end == MAX_NODES || others == MAX_OTHERS {
                return false;
            }
            if let Some(last) = last.and_then(|last| self.nodes.get_mut(last)) {
                last.other = end as u16;
            }
            self.nodes.push(node);
        }
        true
    }
}

/// The nodes of a document's shape, in order.
fn nodes<'a>(text: &'a str, slots: &'a [Slot]) -> impl Iterator<Item = Node> + 'a {
    let end = Slot { value: Span { from: text.len(), to: text.len() }, key: OTHER, kind: Kind::End };
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
    let mut node = nodes.first()?;
    let mut at = 0;
    loop {
        match (node.behind(text.as_bytes(), words.at), node.kind) {
            (Some(behind), Kind::Text) => words.at = behind,
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
            (Some(behind), Kind::End) if behind == text.len() => return Some(words.escapes),
            _ => {
                if node.other == 0 {
                    return None;
                }
                at = usize::from(node.other);
                node = nodes.get(at)?;
                continue;
            }
        }
        at += 1;
        node = nodes.get(at)?;
    }
}

#[inline(always)]
fn begins_scalar(byte: Option<&u8>) -> bool {
    matches!(byte, Some(b'-' | b'0'..=b'9' | b't' | b'f' | b'n'))
}
