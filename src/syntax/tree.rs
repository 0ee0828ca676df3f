//! Builds the flat tree: levels of brackets become groups, groups of one operand and groups
//! inside their own kind vanish.

use super::expr::{Node, Places};
use super::{Expr, Span};

/// A tree under construction: its terms, `not`s and value paths in prefix order, and beside them
/// the groups. Each level of brackets is an `or` of `and`s until its operands are counted.
#[derive(Default)]
pub(super) struct Builder {
    nodes: Vec<Node>,
    places: Vec<Places>,
    /// In prefix order too.
    groups: Vec<Group>,
    levels: Vec<Level>,
}

struct Group {
    or: bool,
    operands: u32,
    /// The nodes that stand in it.
    begin: u32,
    end: u32,
    span: Span,
}

/// The groups of a level that are open, and the node whose operand the level is.
struct Level {
    or: usize,
    and: usize,
    wrap: Option<usize>,
}

impl Builder {
    /// Begins a level of brackets, or the whole.
    pub(super) fn begin(&mut self) {
        self.begin_level(None);
    }

    /// Adds a node whose operand is a level, and begins that.
    pub(super) fn begin_wrap(&mut self, node: Node, places: Places) {
        self.leaf(node, places);
        self.begin_level(self.nodes.len().checked_sub(1));
    }

    /// Begins a level of round brackets, an operand that starts at `start`.
    pub(super) fn begin_round(&mut self, start: u32) {
        self.count(start);
        self.begin_level(None);
    }

    fn begin_level(&mut self, wrap: Option<usize>) {
        let or = self.group(true);
        let and = self.group(false);
        self.levels.push(Level { or, and, wrap });
    }

    pub(super) fn leaf(&mut self, node: Node, places: Places) {
        self.count(places.whole.start);
        self.nodes.push(node);
        self.places.push(places);
    }

    /// An `or` after an operand that ends at `at`: the `and` group before it is complete.
    pub(super) fn or(&mut self, at: u32) {
        let and = self.group(false);
        if let Some(level) = self.levels.last_mut() {
            let done = std::mem::replace(&mut level.and, and);
            self.close(done, at);
        }
    }

    /// Ends a level whose last operand ends at `at`; a closing bracket ends at `bracket_end`.
    pub(super) fn end(&mut self, at: u32, bracket_end: u32) {
        let Some(level) = self.levels.pop() else { return };
        self.close(level.and, at);
        self.close(level.or, at);
        let after = self.here();
        if let Some(wrap) = level.wrap {
            if let Some(end) = self.nodes.get_mut(wrap).and_then(Node::end_mut) {
                *end = after;
            }
            if let Some(places) = self.places.get_mut(wrap) {
                places.whole.end = bracket_end;
            }
        }
    }

    /// Whether the level that is open holds a value path and nothing beside it.
    pub(super) fn is_lone_value_path(&self) -> bool {
        let Some(level) = self.levels.last() else { return false };
        let mut groups = self.groups.iter().skip(level.or).peekable();
        let first = groups.peek().map_or(0, |group| group.begin);
        for (at, node) in (first..).zip(self.nodes.iter().skip(first as usize)) {
            // The level's own groups, or those of brackets round its only operand.
            while let Some(group) = groups.next_if(|group| group.begin == at) {
                if group.operands > 1 {
                    return false;
                }
            }
            match node {
                Node::Not { .. } => {}
                Node::ValuePath { .. } => return true,
                _ => return false,
            }
        }
        false
    }

    fn here(&self) -> u32 {
        u32::try_from(self.nodes.len()).unwrap_or(u32::MAX)
    }

    fn group(&mut self, or: bool) -> usize {
        let begin = self.here();
        self.groups.push(Group { or, operands: 0, begin, end: begin, span: Span::default() });
        self.groups.len() - 1
    }

    /// Counts one more operand of the open groups.
    fn count(&mut self, start: u32) {
        let Some(Level { or, and, .. }) = self.levels.last() else { return };
        let (or, and) = (*or, *and);
        if self.count_in(and, start) {
            self.count_in(or, start);
        }
    }

    /// Whether it is the group's first.
    fn count_in(&mut self, group: usize, start: u32) -> bool {
        let Some(group) = self.groups.get_mut(group) else { return false };
        group.operands += 1;
        let first = group.operands == 1;
        if first {
            group.span.start = start;
        }
        first
    }

    fn close(&mut self, group: usize, at: u32) {
        let end = self.here();
        if let Some(group) = self.groups.get_mut(group) {
            group.end = end;
            group.span.end = at;
        }
    }

    /// Puts the groups that are kept among the nodes.
    pub(super) fn finish(self) -> Expr {
        /// A group or node whose operands are being copied.
        struct Open {
            /// Where it ends, as the builder counts.
            end: u32,
            /// Where it stands in the tree.
            node: usize,
            /// Whether it is an `or`, an `and` or neither.
            or: Option<bool>,
        }
        fn close(nodes: &mut [Node], closed: &Open) {
            let len = u32::try_from(nodes.len()).unwrap_or(u32::MAX);
            if let Some(end) = nodes.get_mut(closed.node).and_then(Node::end_mut) {
                *end = len;
            }
        }

        let kept = self.groups.iter().filter(|group| group.operands > 1).count();
        let mut nodes: Vec<Node> = Vec::with_capacity(self.nodes.len() + kept);
        let mut places: Vec<Places> = Vec::with_capacity(self.nodes.len() + kept);
        let mut open: Vec<Open> = Vec::new();
        let mut groups = self.groups.into_iter().filter(|group| group.operands > 1).peekable();
        for (at, (mut node, place)) in (0u32..).zip(self.nodes.into_iter().zip(self.places)) {
            while let Some(closed) = open.pop_if(|open| open.end <= at) {
                close(&mut nodes, &closed);
            }
            while let Some(group) = groups.next_if(|group| group.begin == at) {
                if open.last().is_some_and(|around| around.or == Some(group.or)) {
                    continue;
                }
                open.push(Open { end: group.end, node: nodes.len(), or: Some(group.or) });
                nodes.push(if group.or { Node::Or { end: 0 } } else { Node::And { end: 0 } });
                places.push(Places { whole: group.span, ..Places::default() });
            }
            if let Some(end) = node.end_mut() {
                open.push(Open { end: *end, node: nodes.len(), or: None });
            }
            nodes.push(node);
            places.push(place);
        }
        while let Some(closed) = open.pop() {
            close(&mut nodes, &closed);
        }
        Expr { nodes: nodes.into(), places: places.into() }
    }
}
