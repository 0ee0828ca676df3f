//! Builds the flat tree: levels of brackets become groups, groups of one operand and groups
//! inside their own kind vanish.

use super::expr::{Node, Places};
use super::{Expr, Span};

/// A tree under construction, in prefix order. Each level of brackets is an `or` of `and`s until
/// its operands are counted.
#[derive(Default)]
pub(super) struct Builder {
    drafts: Vec<(Draft, Places)>,
    levels: Vec<Level>,
}

enum Draft {
    Group {
        or: bool,
        operands: u32,
        end: usize,
    },
    /// A node with one operand; its own `end` is set when the tree is finished.
    Wrap {
        node: Node,
        end: usize,
    },
    Leaf(Node),
}

/// Where the level's groups stand in the draft.
struct Level {
    or: usize,
    and: usize,
}

impl Builder {
    /// Begins a level of brackets, or the whole.
    pub(super) fn begin(&mut self) {
        let or = self.group(true);
        let and = self.group(false);
        self.levels.push(Level { or, and });
    }

    /// Adds a node whose operand is the level that begins next.
    pub(super) fn wrap(&mut self, node: Node, places: Places) {
        self.count(places.whole.start);
        self.drafts.push((Draft::Wrap { node, end: 0 }, places));
    }

    /// Counts a bracketed operand that begins at `start`, before its level begins.
    pub(super) fn round(&mut self, start: u32) {
        self.count(start);
    }

    pub(super) fn leaf(&mut self, node: Node, places: Places) {
        self.count(places.whole.start);
        self.drafts.push((Draft::Leaf(node), places));
    }

    /// An `or` after an operand that ends at `at`: the `and` group before it is complete.
    pub(super) fn or(&mut self, at: u32) {
        let and = self.group(false);
        if let Some(level) = self.levels.last_mut() {
            let done = std::mem::replace(&mut level.and, and);
            self.close(done, and, at);
        }
    }

    /// Ends a level whose last operand ends at `at`; a closing bracket ends at `bracket_end`.
    pub(super) fn end(&mut self, at: u32, bracket_end: u32) {
        let Some(level) = self.levels.pop() else {
            return;
        };
        let end = self.drafts.len();
        self.close(level.and, end, at);
        self.close(level.or, end, at);
        let before = level
            .or
            .checked_sub(1)
            .and_then(|before| self.drafts.get_mut(before));
        if let Some((
            Draft::Wrap {
                end: wrap_end @ 0, ..
            },
            places,
        )) = before
        {
            *wrap_end = end;
            places.whole.end = bracket_end;
        }
    }

    /// Whether the level just begun at draft `from` holds a value path and nothing beside it.
    pub(super) fn is_lone_value_path(&self) -> bool {
        let Some(level) = self.levels.last() else {
            return false;
        };
        for (draft, _) in self.drafts.iter().skip(level.or) {
            match draft {
                Draft::Group {
                    operands: 0 | 1, ..
                }
                | Draft::Wrap {
                    node: Node::Not { .. },
                    ..
                } => {}
                Draft::Wrap {
                    node: Node::ValuePath { .. },
                    ..
                } => return true,
                _ => return false,
            }
        }
        false
    }

    fn group(&mut self, or: bool) -> usize {
        self.drafts.push((
            Draft::Group {
                or,
                operands: 0,
                end: 0,
            },
            Places::default(),
        ));
        self.drafts.len() - 1
    }

    /// Counts one more operand of the open groups.
    fn count(&mut self, start: u32) {
        let Some(level) = self.levels.last() else {
            return;
        };
        let (or, and) = (level.or, level.and);
        let first_of_and = self.count_in(and, start);
        if first_of_and {
            self.count_in(or, start);
        }
    }

    fn count_in(&mut self, group: usize, start: u32) -> bool {
        match self.drafts.get_mut(group) {
            Some((Draft::Group { operands, .. }, places)) => {
                *operands += 1;
                if *operands == 1 {
                    places.whole.start = start;
                }
                *operands == 1
            }
            _ => false,
        }
    }

    fn close(&mut self, group: usize, group_end: usize, at: u32) {
        if let Some((Draft::Group { end, .. }, places)) = self.drafts.get_mut(group) {
            *end = group_end;
            places.whole.end = at;
        }
    }

    pub(super) fn finish(self) -> Expr {
        struct Open {
            draft_end: usize,
            /// The node whose `end` is still to be set, where one was kept.
            node: Option<usize>,
            /// Whether the nearest kept ancestor is an `or`, an `and` or neither.
            or: Option<bool>,
        }
        fn close(nodes: &mut [Node], closed: Open) {
            let len = u32::try_from(nodes.len()).unwrap_or(u32::MAX);
            let node = closed.node.and_then(|at| nodes.get_mut(at));
            if let Some(
                Node::And { end }
                | Node::Or { end }
                | Node::Not { end }
                | Node::ValuePath { end, .. },
            ) = node
            {
                *end = len;
            }
        }

        let mut nodes: Vec<Node> = Vec::new();
        let mut kept: Vec<Places> = Vec::new();
        let mut open: Vec<Open> = Vec::new();
        for (at, (draft, places)) in self.drafts.into_iter().enumerate() {
            while let Some(closed) = open.pop_if(|group| group.draft_end <= at) {
                close(&mut nodes, closed);
            }
            let around = open.last().and_then(|group| group.or);
            let (node, draft_end, or) = match draft {
                Draft::Leaf(node) => (node, at, None),
                Draft::Wrap { node, end } => (node, end, None),
                Draft::Group { or, operands, end } => {
                    if operands < 2 || around == Some(or) {
                        open.push(Open {
                            draft_end: end,
                            node: None,
                            or: around,
                        });
                        continue;
                    }
                    let node = if or {
                        Node::Or { end: 0 }
                    } else {
                        Node::And { end: 0 }
                    };
                    (node, end, Some(or))
                }
            };
            if draft_end > at {
                open.push(Open {
                    draft_end,
                    node: Some(nodes.len()),
                    or,
                });
            }
            nodes.push(node);
            kept.push(places);
        }
        while let Some(closed) = open.pop() {
            close(&mut nodes, closed);
        }
        Expr {
            nodes: nodes.into(),
            places: kept.into(),
        }
    }
}

impl Places {
    pub(super) fn of(whole: Span) -> Self {
        Self {
            whole,
            ..Self::default()
        }
    }
}
