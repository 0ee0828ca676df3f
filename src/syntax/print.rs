//! Prints trees in prefix order with the fewest brackets.
//!
//! Both the tree of a text ([`Expr`](super::Expr)) and the filter that is made from it are printed
//! here, so that they agree in form. `and` binds tighter than `or`, so of all operands only an `or`
//! inside an `and` needs brackets.
//!
//! # Example
//!
//! The nodes arrive in prefix order, and each group names only the index after its last node. A
//! stack of open groups is enough to know what to write before a node, and after the last one:
//!
//! ```text
//! index  shape          writes          open groups afterwards (end)
//! 0      And, end 5                     And 5
//! 1      Leaf `a pr`    a pr            And 5
//! 2      Or, end 5      ` and ` `(`     And 5, Or 5
//! 3      Leaf `b pr`    b pr            And 5, Or 5
//! 4      Leaf `c pr`    ` or ` c pr     And 5, Or 5
//! -      the end        `)`
//! ```
//!
//! It prints `a pr and (b pr or c pr)`.
//!
//! # Why parsing the output gives the same tree
//!
//! A group never contains a group of its own kind, so an `and` inside an `or` and an `or` inside an
//! `and` are the only nestings. The first needs no brackets, because `and` binds tighter. A `not`
//! and a value path bring brackets of their own, so what is inside them is printed as at the top.

use std::fmt::{self, Display, Formatter};

/// What [`write_tree`] needs to know about a node.
///
/// `end` is the index after the last node of its subtree.
pub(crate) enum Shape<T> {
    And {
        end: usize,
    },
    Or {
        end: usize,
    },
    /// A node that has brackets of its own around one operand: `not(…)`, `emails[…]`.
    Wrap {
        before: T,
        after: &'static str,
        end: usize,
    },
    Leaf(T),
}

/// Prints a tree that is given as the shapes of its nodes in prefix order.
///
/// The open groups are on an explicit stack, so depth does not cost stack of the thread.
///
/// Several groups may end at once: in `not(a or b) and c`, the `or` and the `not` end before `c`.
/// Only the parent decides about brackets: without them, `a and (b or c)`
/// would be read as `(a and b) or c`.
pub(crate) fn write_tree<T: Display>(
    f: &mut Formatter<'_>,
    shapes: impl Iterator<Item = Shape<T>>,
) -> fmt::Result {
    /// A group that is printed in part.
    struct Open {
        end: usize,
        /// The text between two operands.
        between: &'static str,
        /// The text after the last operand.
        after: &'static str,
        /// Whether no operand was printed yet.
        fresh: bool,
    }
    let mut open: Vec<Open> = Vec::new();
    for (at, shape) in shapes.enumerate() {
        while let Some(closed) = open.pop_if(|group| group.end <= at) {
            f.write_str(closed.after)?;
        }
        let mut in_and = false;
        if let Some(group) = open.last_mut() {
            // Between operands only: none before the first one.
            if !std::mem::take(&mut group.fresh) {
                f.write_str(group.between)?;
            }
            in_and = group.between == " and ";
        }
        let group = match shape {
            Shape::Leaf(text) => {
                text.fmt(f)?;
                continue;
            }
            Shape::And { end } => Open { end, between: " and ", after: "", fresh: true },
            Shape::Or { end } if in_and => {
                f.write_str("(")?;
                Open { end, between: " or ", after: ")", fresh: true }
            }
            Shape::Or { end } => Open { end, between: " or ", after: "", fresh: true },
            Shape::Wrap { before, after, end } => {
                before.fmt(f)?;
                Open { end, between: "", after, fresh: true }
            }
        };
        open.push(group);
    }
    while let Some(closed) = open.pop() {
        f.write_str(closed.after)?;
    }
    Ok(())
}

/// Prints a JSON string with the fewest escapes, so that the output is never longer than the text
/// that was parsed.
pub(super) fn write_string(f: &mut Formatter<'_>, text: &str) -> fmt::Result {
    // `serde_json` escapes only what RFC 8259 requires, so `é` and `/` are printed as they are.
    f.write_str(&serde_json::to_string(text).map_err(|_| fmt::Error)?)
}
