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
//! let filter = profile.filter(r#"ID eq "a1" or (spaceid NE "s1")"#, None)?;
//! assert_eq!(filter.to_string(), r#"id eq "a1" or spaceId ne "s1""#);
//!
//! let event = profile.read_event(br#"{"type": "x", "tenantid": "t", "spaceid": "s1"}"#).unwrap();
//! assert!(!filter.matches(&event));
//!
//! let error = profile.filter(r#"spaceIdd eq "a" and id co "b""#, None).unwrap_err();
//! let problems: Vec<_> = error.problems().map(|problem| (problem.code, problem.help)).collect();
//! assert_eq!(problems, [
//!     ("filter-unknown-attribute", "did you mean `spaceId`? known are id, topLevelResourceId, spaceId, data.status"),
//!     ("filter-unsupported-operator", "use eq or ne"),
//! ]);
//! # Ok::<(), hooksieve::filter::Error>(())
//! ```

mod check;
mod error;
mod explain;
mod profile;

pub use error::{Error, Problem, Violation, ViolationKind, Violations};
pub use explain::{Explanation, Step, StepKind};
pub use profile::{Attribute, Operator, Profile, ProfileError};

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
#[derive(Clone)]
pub struct Filter {
    profile: Profile,
    /// Prefix order, as in [`Expr`](crate::syntax::Expr); empty for "everything".
    nodes: Arc<[Node]>,
}

/// `end` is the index behind the last node of the subtree.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Node {
    And { end: usize },
    Or { end: usize },
    Term(Predicate),
}

/// An attribute, by its index in the profile, compared with a value.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Predicate {
    pub(crate) attribute: usize,
    pub(crate) operator: Operator,
    pub(crate) value: Box<str>,
}

impl Predicate {
    /// Whether it holds of an attribute's value, `None` where the event has none: `eq` of an
    /// absent attribute is false, and `ne` is always the negation of `eq`.
    fn holds(&self, found: Option<&str>) -> bool {
        let equal = found == Some(&*self.value);
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
        Self { profile: profile.clone(), nodes: [].into() }
    }

    /// Whether this is the filter that was left out.
    #[must_use]
    pub fn is_everything(&self) -> bool {
        self.nodes.is_empty()
    }

    /// The profile that checked it.
    #[must_use]
    pub fn profile(&self) -> &Profile {
        &self.profile
    }

    /// Whether an event fulfils the filter.
    ///
    /// This is the specification: values compare exactly, letter case included; on an attribute
    /// that the event lacks, `eq` is false and `ne` is true. Takes time linear in the terms.
    #[must_use]
    pub fn matches(&self, event: &Event<'_>) -> bool {
        self.nodes.is_empty() || self.holds(0, event)
    }

    /// Recursion is bounded: [`Limits::MAX_DEPTH`](crate::syntax::Limits::MAX_DEPTH) brackets
    /// make at most twice as many groups inside each other.
    fn holds(&self, at: usize, event: &Event<'_>) -> bool {
        match self.nodes.get(at) {
            Some(Node::Term(term)) => term.holds(self.value(term, event)),
            Some(Node::And { .. }) => self.operands(at).all(|operand| self.holds(operand, event)),
            Some(Node::Or { .. }) => self.operands(at).any(|operand| self.holds(operand, event)),
            None => true,
        }
    }

    fn value<'e>(&self, term: &Predicate, event: &'e Event<'_>) -> Option<&'e str> {
        event.value(self.profile.layout(), term.attribute)
    }

    /// All nodes, in prefix order.
    pub(crate) fn nodes(&self) -> &[Node] {
        &self.nodes
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
        match self.nodes.get(at) {
            Some(Node::And { end } | Node::Or { end }) => *end,
            _ => at + 1,
        }
    }
}

impl PartialEq for Filter {
    fn eq(&self, other: &Self) -> bool {
        self.nodes == other.nodes && self.profile == other.profile
    }
}

impl Eq for Filter {}

impl Hash for Filter {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.nodes.hash(state);
    }
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let terms: Vec<String> = self.nodes.iter().map(|node| self.term_text(node)).collect();
        let shapes = self.nodes.iter().zip(&terms).map(|(node, text)| match node {
            Node::And { end } => Shape::And { end: *end },
            Node::Or { end } => Shape::Or { end: *end },
            Node::Term(_) => Shape::Leaf(text),
        });
        write_tree(f, shapes)
    }
}

impl Filter {
    fn term_text(&self, node: &Node) -> String {
        match node {
            Node::Term(Predicate { attribute, operator, value }) => {
                let name = self.profile.attribute_name(*attribute);
                format!("{name} {operator} {}", Value::String(value.clone()))
            }
            Node::And { .. } | Node::Or { .. } => String::new(),
        }
    }
}

impl fmt::Debug for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Filter({self})")
    }
}
