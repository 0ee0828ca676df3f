//! Checks parsed filters against a profile, and evaluates them.
//!
//! A [`Profile`] lists the attributes and operators that filters may use. An attribute has paths in
//! an event, and may be restricted to some values and to one event type. [`Profile::webhook`] has
//! the attributes of the webhooks API. A [`Filter`] exists only if its profile accepts it.
//! [`Filter::matches`] defines what a filter means; the matcher and the analysis are tested against
//! it.
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
//!     ("filter-unknown-attribute", "did you mean `spaceId`? known attributes: id, topLevelResourceId, spaceId, data.status"),
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
mod index_vec;
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

use crate::diagnostic::{Parts, Span};
use crate::event::Event;
use crate::syntax::{Shape, Value, write_tree};
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

/// A condition on the attributes of an event, accepted by a [`Profile`].
///
/// Cloning copies no data. Two filters are equal if their profiles are equal and they have the same
/// terms and groups in the same order. The letter case of names, white space and redundant
/// parentheses are ignored. `Display` prints the canonical form; parsing it with the same profile
/// gives an equal filter. The filter without terms prints as the empty string.
#[derive(Clone, PartialEq, Eq)]
pub struct Filter(Arc<Inner>);

/// The nodes of a filter in one array, and their values in one string.
///
/// ```text
/// id eq "a" or (spaceId ne "s" and id eq "b")
///
/// nodes     0 or, end 5
///           1 ├─ id eq 0..1
///           2 └─ and, end 5
///           3    ├─ spaceId ne 1..2
///           4    └─ id eq 2..3
/// values    asb
/// ```
///
/// The operands of a group follow it, and `end` skips a subtree. Dropping, cloning, comparing and
/// hashing need no recursion. Rejected: a tree of boxes, whose derived `Drop`, `Clone` and `Eq`
/// recurse, so that safety would depend on a limit of the depth.
#[derive(PartialEq, Eq)]
struct Inner {
    /// The nodes in prefix order, as in [`Expr`](crate::syntax::Expr); empty for the filter that
    /// matches everything.
    nodes: Vec<Packed>,
    /// The values of all terms, concatenated.
    values: String,
    profile: Profile,
}

/// A [`Node`] as it is stored: its value is a range of [`Inner::values`].
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Packed {
    And { end: u32 },
    Or { end: u32 },
    Term { attribute: u16, operator: Operator, value: Span },
}

/// A node of a filter. The `end` of a group is the index after the last node of its subtree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Node<'f> {
    And { end: usize },
    Or { end: usize },
    Term(Predicate<'f>),
}

/// A term as it is evaluated: an attribute, by its index in the profile, compared with a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Predicate<'f> {
    pub(crate) attribute: usize,
    pub(crate) operator: Operator,
    pub(crate) value: &'f str,
}

impl Predicate<'_> {
    /// Returns whether the predicate holds for a value, `None` if the attribute is absent.
    ///
    /// On an absent attribute `eq` is false. `ne` is always the negation of `eq`.
    fn holds(&self, found: Option<&str>) -> bool {
        let equal = found == Some(self.value);
        match self.operator {
            Operator::Eq => equal,
            Operator::Ne => !equal,
        }
    }
}

impl Filter {
    /// Returns the filter without terms, which matches every event.
    ///
    /// It is the filter of a webhook that has none.
    #[must_use]
    pub fn everything(profile: &Profile) -> Self {
        Self::from_nodes(profile, [])
    }

    /// Returns whether this is the filter without terms.
    ///
    /// A tautology with terms matches every event too; [`analyze`](Self::analyze) finds it.
    #[must_use]
    pub fn is_everything(&self) -> bool {
        self.0.nodes.is_empty()
    }

    /// Returns the profile that accepted the filter.
    #[must_use]
    pub fn profile(&self) -> &Profile {
        &self.0.profile
    }

    /// Returns whether the filter matches an event.
    ///
    /// Values are compared exactly and case-sensitively. On an absent attribute `eq` is false and
    /// `ne` is true. If the event was read for another profile, its attributes are found by name.
    /// Takes time linear in the number of terms.
    #[must_use]
    pub fn matches(&self, event: &Event<'_>) -> bool {
        self.is_everything() || self.holds(0, event)
    }

    /// Returns whether the part at `at` holds.
    ///
    /// Recursion is bounded: [`Limits::MAX_DEPTH`](crate::syntax::Limits::MAX_DEPTH) parentheses
    /// nest at most twice as many groups.
    fn holds(&self, at: usize, event: &Event<'_>) -> bool {
        match self.node(at) {
            Node::Term(term) => term.holds(self.value(&term, event)),
            Node::And { .. } => self.operands(at).all(|operand| self.holds(operand, event)),
            Node::Or { .. } => self.operands(at).any(|operand| self.holds(operand, event)),
        }
    }

    /// Returns the event's value of a term's attribute.
    fn value<'e>(&self, term: &Predicate<'_>, event: &'e Event<'_>) -> Option<&'e str> {
        event.value(self.0.profile.attribute_paths(), term.attribute)
    }

    /// Builds a filter from nodes in prefix order, which the profile must allow.
    pub(crate) fn from_nodes<'n>(
        profile: &Profile,
        nodes: impl IntoIterator<Item = Node<'n>>,
    ) -> Self {
        let mut inner = Inner::with_capacity(profile, 0, 0);
        nodes.into_iter().for_each(|node| inner.push(node));
        Self(Arc::new(inner))
    }

    /// Iterates over all nodes in prefix order.
    pub(crate) fn nodes(&self) -> impl ExactSizeIterator<Item = Node<'_>> + DoubleEndedIterator {
        self.0.nodes.iter().map(|node| self.0.unpacked(*node))
    }

    /// Returns a node by its index.
    ///
    /// Indices count [`nodes`](Self::nodes), or come from [`operands`](Self::operands).
    pub(crate) fn node(&self, at: usize) -> Node<'_> {
        self.0.unpacked(self.0.node(at))
    }

    /// Iterates over the indices of the operands of the group at `at`.
    pub(crate) fn operands(&self, at: usize) -> impl Iterator<Item = usize> {
        // In prefix order an operand follows the subtree of the operand before it.
        let end = self.end(at);
        let mut next = at + 1;
        std::iter::from_fn(move || {
            let operand = next;
            if operand == end {
                return None;
            }
            next = self.end(operand);
            Some(operand)
        })
    }

    /// Returns the index after the last node of the subtree at `at`.
    fn end(&self, at: usize) -> usize {
        match self.node(at) {
            Node::And { end } | Node::Or { end } => end,
            Node::Term(_) => at + 1,
        }
    }
}

impl Inner {
    /// Returns an empty filter with room for `nodes` nodes and `bytes` bytes of values.
    fn with_capacity(profile: &Profile, nodes: usize, bytes: usize) -> Self {
        let (nodes, values) = (Vec::with_capacity(nodes), String::with_capacity(bytes));
        Self { nodes, values, profile: profile.clone() }
    }

    #[expect(
        clippy::cast_possible_truncation,
        reason = "limits of attribute paths and texts are far below"
    )]
    fn push(&mut self, node: Node<'_>) {
        self.nodes.push(match node {
            Node::And { end } => Packed::And { end: end as u32 },
            Node::Or { end } => Packed::Or { end: end as u32 },
            Node::Term(Predicate { attribute, operator, value }) => {
                // Nodes have a fixed size, so their values are kept apart.
                let start = self.values.len();
                self.values.push_str(value);
                let value = Span::new(start, self.values.len());
                Packed::Term { attribute: attribute as u16, operator, value }
            }
        });
    }

    #[expect(clippy::indexing_slicing, reason = "indices count the nodes, see `Filter::node`")]
    fn node(&self, at: usize) -> Packed {
        self.nodes[at]
    }

    fn unpacked(&self, node: Packed) -> Node<'_> {
        match node {
            Packed::And { end } => Node::And { end: end as usize },
            Packed::Or { end } => Node::Or { end: end as usize },
            Packed::Term { attribute, operator, value } => Node::Term(Predicate {
                attribute: attribute.into(),
                operator,
                value: self.values.part(value.range()),
            }),
        }
    }
}

/// Hashes the terms and groups, but not the profile, which nearly all filters share.
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

/// Prints a term in canonical form.
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
