use std::fmt::{self, Display, Formatter};

/// What [`write_tree`] needs to know of a node; `end` as in the tree it stands in.
pub(crate) enum Shape<T> {
    And {
        end: usize,
    },
    Or {
        end: usize,
    },
    /// A node that brings its own brackets round one operand.
    Wrap {
        before: T,
        after: &'static str,
        end: usize,
    },
    Leaf(T),
}

/// Prints a tree given in prefix order with the fewest brackets: only an `or` inside an `and`
/// needs them. Keeps its own stack.
pub(crate) fn write_tree<T: Display>(
    f: &mut Formatter<'_>,
    shapes: impl Iterator<Item = Shape<T>>,
) -> fmt::Result {
    struct Open {
        end: usize,
        between: &'static str,
        after: &'static str,
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

/// Prints a JSON string with the fewest escapes, so that what is printed is never longer than what
/// was parsed.
pub(super) fn write_string(f: &mut Formatter<'_>, text: &str) -> fmt::Result {
    f.write_str(&serde_json::to_string(text).map_err(|_| fmt::Error)?)
}
