//! Tree → filter: what an embedding server allows in a filter, the checks, and the meaning.
//!
//! A [`Profile`] is data: attributes, where an event keeps them, the values they may take, the
//! event types they may stand with, and the operators. [`Profile::webhook`] is the subset that
//! webhooks use. A [`Filter`] exists only if its profile found nothing wrong with it, and
//! [`Filter::matches`] is the meaning that everything else in this crate is held against.
//!
//! ```
//! use hooksieve::filter::Profile;
//!
//! let profile = Profile::webhook();
//! let filter = profile.filter(r#"ID eq "a1" or (spaceid NE "s1")"#)?;
//! assert_eq!(filter.to_string(), r#"id eq "a1" or spaceId ne "s1""#);
//!
//! let event = profile.read_event(br#"{"type": "x", "tenantid": "t", "spaceid": "s1"}"#).unwrap();
//! assert!(!filter.matches(&event));
//!
//! let error = profile.filter(r#"spaceIdd eq "a" and id co "b""#).unwrap_err();
//! let problems: Vec<_> = error.iter().map(|problem| (problem.code(), problem.help())).collect();
//! assert_eq!(problems, [
//!     ("filter-unknown-attribute", "did you mean `spaceId`? known are id, topLevelResourceId, spaceId, data.status"),
//!     ("filter-unsupported-operator", "use eq or ne"),
//! ]);
//!
//! let error = profile.filter("id eq a1 or spaceId eq s1").unwrap_err();
//! assert_eq!(error.suggestion(), Some(r#"id eq "a1" or spaceId eq "s1""#));
//! # Ok::<(), hooksieve::diagnostic::Diagnostics>(())
//! ```

pub mod analysis;
mod check;
mod explain;
mod hint;
mod invisible;
mod kind;
mod names;
mod placeholder;
mod profile;
mod suggest;
mod warning;

pub use explain::{Explanation, Step, StepKind};
pub use hint::{Hint, HintKind};
pub use kind::codes;
pub use profile::{Attribute, Operator, Profile};

pub(crate) use invisible::{code_point, invisible};
pub(crate) use placeholder::placeholder;

use crate::diagnostic::Span;
use crate::event::Event;
use crate::syntax::{Shape, Value, write_tree};
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

/// What a filter means: a condition on the attributes of an event, checked by a [`Profile`].
///
/// Cheap to clone. Two filters are equal where they say the same in the same order: spelling,
/// spacing and redundant brackets do not count. `Display` prints the canonical form, which parses
/// and checks to an equal filter; the filter that matches everything prints as nothing.
#[derive(Clone, PartialEq, Eq)]
pub struct Filter(Arc<Inner>);

#[derive(PartialEq, Eq)]
struct Inner {
    /// Prefix order, as in [`Expr`](crate::syntax::Expr); empty for "everything".
    nodes: Vec<Packed>,
    /// Those of all terms, one behind the other.
    values: String,
    profile: Profile,
}

/// A [`Node`] whose value stands elsewhere.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Packed {
    And { end: u32 },
    Or { end: u32 },
    Term { attribute: u16, operator: Operator, value: Span },
}

/// `end` is the index behind the last node of the subtree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Node<'f> {
    And { end: usize },
    Or { end: usize },
    Term(Predicate<'f>),
}

/// An attribute, by its index in the profile, compared with a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Predicate<'f> {
    pub(crate) attribute: usize,
    pub(crate) operator: Operator,
    pub(crate) value: &'f str,
}

impl Predicate<'_> {
    /// Whether it holds of an attribute's value, `None` where the event has none: `eq` of an
    /// absent attribute is false, and `ne` is always the negation of `eq`.
    fn holds(&self, found: Option<&str>) -> bool {
        let equal = found == Some(self.value);
        match self.operator {
            Operator::Eq => equal,
            Operator::Ne => !equal,
        }
    }
}

impl Filter {
    /// The filter that matches every event: what a webhook without a filter has.
    #[must_use]
    pub fn everything(profile: &Profile) -> Self {
        Self::from_nodes(profile, [])
    }

    /// Whether this is the filter that was left out.
    #[must_use]
    pub fn is_everything(&self) -> bool {
        self.0.nodes.is_empty()
    }

    /// The profile that checked it.
    #[must_use]
    pub fn profile(&self) -> &Profile {
        &self.0.profile
    }

    /// Whether an event fulfils the filter.
    ///
    /// This is the specification: values compare exactly, letter case included; on an attribute
    /// that the event lacks, `eq` is false and `ne` is true. Takes time linear in the terms.
    #[must_use]
    pub fn matches(&self, event: &Event<'_>) -> bool {
        self.is_everything() || self.holds(0, event)
    }

    /// Recursion is bounded: [`Limits::MAX_DEPTH`](crate::syntax::Limits::MAX_DEPTH) brackets
    /// make at most twice as many groups inside each other.
    fn holds(&self, at: usize, event: &Event<'_>) -> bool {
        match self.node(at) {
            Some(Node::Term(term)) => term.holds(self.value(&term, event)),
            Some(Node::And { .. }) => self.operands(at).all(|operand| self.holds(operand, event)),
            Some(Node::Or { .. }) => self.operands(at).any(|operand| self.holds(operand, event)),
            None => true,
        }
    }

    fn value<'e>(&self, term: &Predicate<'_>, event: &'e Event<'_>) -> Option<&'e str> {
        event.value(self.0.profile.attribute_paths(), term.attribute)
    }

    /// The filter of these nodes, which the profile must allow.
    pub(crate) fn from_nodes<'n>(
        profile: &Profile,
        nodes: impl IntoIterator<Item = Node<'n>>,
    ) -> Self {
        let mut inner = Inner::with_capacity(profile, 0, 0);
        nodes.into_iter().for_each(|node| inner.push(node));
        Self(Arc::new(inner))
    }

    /// All nodes, in prefix order.
    pub(crate) fn nodes(&self) -> impl ExactSizeIterator<Item = Node<'_>> + DoubleEndedIterator {
        self.0.nodes.iter().map(|node| self.0.unpacked(*node))
    }

    pub(crate) fn node(&self, at: usize) -> Option<Node<'_>> {
        self.0.nodes.get(at).map(|node| self.0.unpacked(*node))
    }

    /// Where the operands of the group at `at` begin.
    pub(crate) fn operands(&self, at: usize) -> impl Iterator<Item = usize> {
        let end = self.end(at);
        let mut next = at + 1;
        std::iter::from_fn(move || {
            let operand = next;
            next = self.end(operand);
            (operand < end).then_some(operand)
        })
    }

    fn end(&self, at: usize) -> usize {
        match self.node(at) {
            Some(Node::And { end } | Node::Or { end }) => end,
            _ => at + 1,
        }
    }
}

impl Inner {
    /// No nodes as yet; how many are expected, and the bytes of their values.
    fn with_capacity(profile: &Profile, nodes: usize, bytes: usize) -> Self {
        let (nodes, values) = (Vec::with_capacity(nodes), String::with_capacity(bytes));
        Self { nodes, values, profile: profile.clone() }
    }

    #[expect(
        clippy::cast_possible_truncation,
        reason = "limits of layouts and texts are far below"
    )]
    fn push(&mut self, node: Node<'_>) {
        self.nodes.push(match node {
            Node::And { end } => Packed::And { end: end as u32 },
            Node::Or { end } => Packed::Or { end: end as u32 },
            Node::Term(Predicate { attribute, operator, value }) => {
                let start = self.values.len();
                self.values.push_str(value);
                let value = Span::new(start, self.values.len());
                Packed::Term { attribute: attribute as u16, operator, value }
            }
        });
    }

    fn unpacked(&self, node: Packed) -> Node<'_> {
        match node {
            Packed::And { end } => Node::And { end: end as usize },
            Packed::Or { end } => Node::Or { end: end as usize },
            Packed::Term { attribute, operator, value } => Node::Term(Predicate {
                attribute: attribute.into(),
                operator,
                value: self.values.get(value.range()).unwrap_or_default(),
            }),
        }
    }
}

/// Without the profile, which nearly all filters share.
impl Hash for Filter {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.nodes.hash(state);
        self.0.values.hash(state);
    }
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shape = |node| match node {
            Node::And { end } => Shape::And { end },
            Node::Or { end } => Shape::Or { end },
            Node::Term(term) => Shape::Leaf(Text(&self.0.profile, term)),
        };
        write_tree(f, self.nodes().map(shape))
    }
}

/// A term as it is written.
struct Text<'f>(&'f Profile, Predicate<'f>);

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Predicate { attribute, operator, value } = self.1;
        let name = self.0.attribute_name(attribute);
        write!(f, "{name} {operator} {}", Value::String(value))
    }
}

impl fmt::Debug for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Filter({self})")
    }
}
