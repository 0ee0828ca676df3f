//! Prints trees in prefix order with the fewest brackets.
//!
//! Both the tree of a text ([`Expr`](super::Expr)) and the filter that is made from it are printed
//! here, so that they agree in form. `and` binds tighter than `or`, so of all operands only an `or`
//! inside an `and` needs brackets.

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
    f.write_str(&serde_json::to_string(text).map_err(|_| fmt::Error)?)
}
