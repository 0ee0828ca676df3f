//! The flat tree, and how it grows: a group gets its node once it has a second operand.

use super::{CompareOp, ExprRef, steps};
use crate::diagnostic::Span;
use std::borrow::Cow;

/// A tree in prefix order, over the text that it was parsed from.
#[derive(Clone, Debug)]
pub(crate) struct Tree<'t> {
    pub(super) text: Cow<'t, str>,
    pub(super) nodes: Vec<Node>,
    /// The values whose text has escapes.
    pub(super) unescaped: String,
}

/// A group has two or more operands, and none of its own kind.
#[derive(Clone, Copy, Debug)]
pub(super) struct Node {
    pub(super) kind: Kind,
    /// How many nodes the subtree has.
    pub(super) size: u32,
    pub(super) whole: Span,
    pub(super) path: Span,
    pub(super) operator: Span,
    pub(super) value: Span,
    /// What the value is, quotes and escapes aside: a piece of the text or of the unescaped values.
    pub(super) content: Span,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    And,
    Or,
    Not,
    ValuePath,
    Compare(CompareOp, Literal),
    Present,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Literal {
    Plain,
    /// A string whose content is in [`Tree::unescaped`].
    Unescaped,
    Number,
    Bool(bool),
    Null,
}

impl Tree<'_> {
    /// The whole expression.
    pub(crate) fn root(&self) -> ExprRef<'_> {
        ExprRef { tree: self, at: 0 }
    }

    pub(super) fn into_owned(self) -> Tree<'static> {
        Tree { text: self.text.into_owned().into(), ..self }
    }
}

impl Node {
    /// A node without operands, as yet.
    pub(super) fn new(kind: Kind, whole: Span) -> Self {
        let none = Span::default();
        Self { kind, size: 1, whole, path: none, operator: none, value: none, content: none }
    }
}

/// An open bracket: where it stands and what closes it.
pub(super) type Open = (Span, char);

/// A tree under construction.
pub(super) struct Builder<'t> {
    tree: Tree<'t>,
    level: Level,
    /// The levels around it.
    outer: Vec<Level>,
}

/// What stands between two brackets, or the whole: an `or` of `and`s, either of which may turn out
/// to have one operand and so to be no group.
#[derive(Default)]
struct Level {
    open: Option<Open>,
    /// The node whose operand it is.
    wrap: Option<usize>,
    or: Group,
    and: Group,
    /// The last operand of `and`.
    operand: usize,
    joint: Joint,
}

#[derive(Clone, Copy, Default)]
struct Group {
    /// Its node, or the one of its only operand.
    at: usize,
    /// Where its text begins, brackets round its first operand included.
    start: u32,
    /// Whether it has a node.
    kept: bool,
}

/// What stands before an operand.
#[derive(Clone, Copy, Default)]
enum Joint {
    #[default]
    None,
    And,
    Or,
}

impl<'t> Builder<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        // A term is seldom shorter than that.
        let nodes = Vec::with_capacity(2 + text.len() / 24);
        let tree = Tree { text: text.into(), nodes, unescaped: String::new() };
        Self { tree, level: Level::default(), outer: Vec::new() }
    }

    pub(super) fn depth(&self) -> usize {
        self.outer.len()
    }

    /// The bracket that must be closed next.
    pub(super) fn open(&self) -> Option<Open> {
        self.level.open
    }

    /// Begins an operand, whose brackets, if any, begin at `start`.
    pub(super) fn operand(&mut self, start: u32) {
        let at = self.tree.nodes.len();
        let level = &mut self.level;
        let group = Group { at, start, kept: false };
        level.operand = at;
        match level.joint {
            Joint::None => (level.or, level.and) = (group, group),
            Joint::Or => level.and = group,
            Joint::And => {}
        }
    }

    pub(super) fn push(&mut self, node: Node) {
        self.tree.nodes.push(node);
    }

    /// Begins the level behind a bracket; `wrap` is the node whose operand the level is.
    pub(super) fn begin(&mut self, open: Open, wrap: Option<Node>) {
        let level = Level {
            open: Some(open),
            wrap: wrap.is_some().then_some(self.tree.nodes.len()),
            ..Level::default()
        };
        self.tree.nodes.extend(wrap);
        self.outer.push(std::mem::replace(&mut self.level, level));
    }

    /// An `and` after an operand.
    pub(super) fn and(&mut self) {
        let Level { and, operand, .. } = self.level;
        self.join(and, operand, Kind::And);
        self.level.and.kept = true;
        self.level.joint = Joint::And;
    }

    /// An `or` after an operand that ends at `at`.
    pub(super) fn or(&mut self, at: u32) {
        self.end_and(at);
        let Level { or, and, .. } = self.level;
        self.join(or, and.at, Kind::Or);
        self.level.or.kept = true;
        self.level.joint = Joint::Or;
    }

    /// Ends a level whose last operand ends at `at`; its closing bracket ends at `bracket_end`.
    pub(super) fn end(&mut self, at: u32, bracket_end: u32) {
        self.end_and(at);
        let Level { or, and, wrap, .. } = self.level;
        if or.kept {
            self.end_group(or, and.at, at);
        }
        if let Some(wrap) = wrap {
            self.set(wrap, |node| node.whole.end = bracket_end);
        }
        self.level = self.outer.pop().unwrap_or_default();
    }

    fn end_and(&mut self, at: u32) {
        let Level { and, operand, .. } = self.level;
        if and.kept {
            self.end_group(and, operand, at);
        }
    }

    /// Makes sure that a group has a node, now that another operand follows the one at `operand`.
    fn join(&mut self, group: Group, operand: usize, kind: Kind) {
        if group.kept {
            self.flatten(operand, kind);
        } else if !self.is(operand, kind) {
            steps::count(self.tree.nodes.len() - group.at);
            self.tree.nodes.insert(group.at, Node::new(kind, Span::default()));
        }
    }

    fn end_group(&mut self, group: Group, operand: usize, at: u32) {
        let kind = self.tree.nodes.get(group.at).map(|node| node.kind);
        if let Some(kind) = kind {
            self.flatten(operand, kind);
        }
        self.set(group.at, |node| node.whole = Span { start: group.start, end: at });
    }

    /// Takes the brackets away round an operand that is a group of the same kind.
    fn flatten(&mut self, operand: usize, kind: Kind) {
        if self.is(operand, kind) {
            steps::count(self.tree.nodes.len() - operand);
            self.tree.nodes.remove(operand);
        }
    }

    fn is(&self, at: usize, kind: Kind) -> bool {
        self.tree.nodes.get(at).is_some_and(|node| node.kind == kind)
    }

    /// Completes the node at `at`, whose subtree is the last one.
    fn set(&mut self, at: usize, change: impl FnOnce(&mut Node)) {
        let size = self.tree.nodes.len() - at;
        if let Some(node) = self.tree.nodes.get_mut(at) {
            node.size = u32::try_from(size).unwrap_or(u32::MAX);
            change(node);
        }
    }

    /// Whether the level that is open holds a value path and nothing beside it.
    pub(super) fn is_lone_value_path(&self) -> bool {
        let mut nodes = self.tree.nodes.iter().skip(self.level.or.at).map(|node| node.kind);
        nodes.find(|kind| *kind != Kind::Not) == Some(Kind::ValuePath)
    }

    /// Keeps a value whose escapes are resolved.
    pub(super) fn unescaped(&mut self, value: &str) -> Span {
        let start = self.tree.unescaped.len();
        self.tree.unescaped.push_str(value);
        Span::new(start, self.tree.unescaped.len())
    }

    pub(super) fn finish(self) -> Tree<'t> {
        self.tree
    }
}
