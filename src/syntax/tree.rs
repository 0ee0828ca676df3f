//! The flat tree, and the builder that the parser feeds.
//!
//! # Representation
//!
//! A tree is an array of nodes in prefix order: a node, then the subtrees of its operands. Each
//! node has the size of its subtree, so the next operand of a group is `size` nodes later, and a
//! walk over the whole tree is a loop over the array.
//!
//! ```text
//! text   a pr and (b pr or c pr)
//!
//! index  0      1       2      3       4
//! node   And 5  a pr 1  Or 3   b pr 1  c pr 1        (number: size of the subtree)
//! ```
//!
//! # How it grows
//!
//! Text is read left to right, but a group comes before its operands, and whether there is a group
//! is known only at its first `and` or `or`. So the operands are appended, and the node of a group
//! is inserted before its first operand when the second one is certain:
//!
//! ```text
//! a pr                            [a]            no group yet
//! a pr or                         [Or a]         `Or` is inserted before `a`
//! a pr or b pr                    [Or a b]
//! a pr or b pr and                [Or a And b]   `And` is inserted before `b`
//! a pr or b pr and c pr           [Or a And b c] at the end, sizes and spans are set
//! ```
//!
//! A [`Level`] is the content of one pair of brackets, or the whole text. It is always an `or` of
//! `and`s, so it keeps one [`Group`] for each. A group that ends with one operand never gets a
//! node, which is how redundant brackets disappear.
//!
//! If an operand in brackets is a group of the same kind as the group around it, as in
//! `a pr or (b pr or c pr)`, its node is removed again ([`Builder::flatten`]): `or` is associative.
//!
//! # Invariants
//!
//! - A group has two or more operands, and none of them is a group of its own kind.
//! - The subtree that is completed by [`Nodes::complete`] is always the last one in the array, so its
//!   size is the number of nodes after its index.
//! - An insertion or removal moves only nodes of the current level, at most twice for each level of
//!   brackets (see [`steps`]). So building is linear in the text for a bounded depth.
//!
//! # Rejected
//!
//! A tree of boxes: dropping a deep one recurses, and each node is an allocation.

use super::{CompareOp, ExprRef, steps};
use crate::diagnostic::Span;
use std::borrow::Cow;

/// A tree in prefix order, with the text that it was parsed from.
#[derive(Clone, Debug)]
pub(crate) struct Tree<'t> {
    pub(super) text: Cow<'t, str>,
    pub(super) nodes: Nodes,
    /// The strings that had escapes, with the escapes resolved, one after another.
    pub(super) unescaped: String,
}

/// The nodes of a tree in prefix order.
#[derive(Clone, Debug)]
pub(super) struct Nodes(Vec<Node>);

/// The place of a node in [`Nodes`].
///
/// Places come from the table itself, and from the sizes that are stored in it, so each is that of
/// a node. While a tree is built, the place of a group or operand that is still needed moves only
/// with its node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct NodeId(usize);

impl NodeId {
    /// The first node of every tree: the whole expression.
    pub(super) const ROOT: Self = Self(0);

    /// Returns the place after this many nodes, this one included.
    #[inline]
    pub(super) fn after(self, nodes: u32) -> Self {
        Self(self.0 + nodes as usize)
    }

    /// Returns the place as an index, as filters and printing count parts.
    #[inline]
    pub(super) fn index(self) -> usize {
        self.0
    }
}

impl Nodes {
    fn with_capacity(capacity: usize) -> Self {
        Self(Vec::with_capacity(capacity))
    }

    #[inline]
    #[expect(clippy::indexing_slicing, reason = "a `NodeId` is the place of a node, see there")]
    pub(super) fn get(&self, at: NodeId) -> &Node {
        &self.0[at.0]
    }

    #[expect(clippy::indexing_slicing, reason = "a `NodeId` is the place of a node, see there")]
    fn get_mut(&mut self, at: NodeId) -> &mut Node {
        &mut self.0[at.0]
    }

    /// Returns all places from `at` to the end.
    pub(super) fn from(&self, at: NodeId) -> impl ExactSizeIterator<Item = NodeId> + use<> {
        (at.0..self.0.len()).map(NodeId)
    }

    /// Returns the place of the node that is pushed next.
    fn next(&self) -> NodeId {
        NodeId(self.0.len())
    }

    fn push(&mut self, node: Node) {
        self.0.push(node);
    }

    /// Inserts a node before the one at `at`, and counts the nodes that move.
    fn insert(&mut self, at: NodeId, node: Node) {
        steps::count(self.0.len() - at.0);
        self.0.insert(at.0, node);
    }

    /// Removes a node, and counts the nodes that move.
    fn remove(&mut self, at: NodeId) {
        steps::count(self.0.len() - at.0);
        self.0.remove(at.0);
    }

    /// Sets the size of the node at `at`, whose subtree is the last one, and returns the node.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "a tree has fewer nodes than its text bytes"
    )]
    fn complete(&mut self, at: NodeId) -> &mut Node {
        let size = (self.0.len() - at.0) as u32;
        let node = self.get_mut(at);
        node.size = size;
        node
    }
}

/// One node of a tree.
#[derive(Clone, Copy, Debug)]
pub(super) struct Node {
    pub(super) kind: Kind,
    /// The number of nodes in the subtree, including this one.
    pub(super) size: u32,
    /// The span of the whole subtree in the text.
    pub(super) whole: Span,
    pub(super) path: Span,
    pub(super) operator: Span,
    pub(super) value: Span,
    /// The content of the value, without quotes: a span of the text, or of [`Tree::unescaped`] if
    /// it had escapes.
    pub(super) content: Span,
}

/// What a node is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    And,
    Or,
    Not,
    ValuePath,
    Compare(CompareOp, Literal),
    Present,
}

/// The kind of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Literal {
    /// A string without escapes.
    Plain,
    /// A string that had escapes; its content is in [`Tree::unescaped`].
    Unescaped,
    Number,
    Bool(bool),
    Null,
}

impl Tree<'_> {
    /// The whole expression.
    pub(crate) fn root(&self) -> ExprRef<'_> {
        ExprRef { tree: self, at: NodeId::ROOT }
    }

    /// Copies the text, so that the tree no longer borrows it.
    pub(super) fn into_owned(self) -> Tree<'static> {
        Tree { text: self.text.into_owned().into(), ..self }
    }
}

impl Node {
    /// Returns a node that has no operands yet.
    pub(super) fn new(kind: Kind, whole: Span) -> Self {
        let none = Span::default();
        Self { kind, size: 1, whole, path: none, operator: none, value: none, content: none }
    }
}

/// An open bracket: its span and the character that closes it.
pub(super) type Open = (Span, char);

/// A tree under construction.
pub(super) struct Builder<'t> {
    tree: Tree<'t>,
    /// The innermost level.
    level: Level,
    /// The levels around it, outermost first.
    outer: Vec<Level>,
}

/// The content of a pair of brackets, or the whole text: an `or` of `and`s.
///
/// Either group may turn out to have one operand, and then has no node.
#[derive(Default)]
struct Level {
    /// The bracket that begins it; `None` for the whole text.
    open: Option<Open>,
    /// The `not` or value path whose operand it is.
    wrap: Option<NodeId>,
    or: Group,
    and: Group,
    /// The last operand of `and`.
    operand: NodeId,
    joint: Joint,
}

/// A group that is still growing.
#[derive(Clone, Copy, Default)]
struct Group {
    /// Its node, or its only operand.
    at: NodeId,
    /// The offset of its text, including brackets around its first operand.
    start: u32,
    /// Whether it has two operands or more, and so a node.
    kept: bool,
}

/// The connective before an operand.
#[derive(Clone, Copy, Default)]
enum Joint {
    #[default]
    None,
    And,
    Or,
}

impl<'t> Builder<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        // A term is rarely shorter than 24 bytes.
        let nodes = Nodes::with_capacity(2 + text.len() / 24);
        let tree = Tree { text: text.into(), nodes, unescaped: String::new() };
        Self { tree, level: Level::default(), outer: Vec::new() }
    }

    /// Returns how many brackets are open.
    pub(super) fn depth(&self) -> usize {
        self.outer.len()
    }

    /// Returns the innermost open bracket.
    pub(super) fn open(&self) -> Option<Open> {
        self.level.open
    }

    /// Begins an operand, whose text, including brackets around it, begins at `start`.
    pub(super) fn operand(&mut self, start: u32) {
        let at = self.tree.nodes.next();
        // The connective before the operand decides which groups begin with it. After `and` it
        // continues both groups. After `or` it continues the `or`, and is the first operand of a
        // new `and`. Without a connective it is the first of both.
        let level = &mut self.level;
        let group = Group { at, start, kept: false };
        level.operand = at;
        match level.joint {
            Joint::None => (level.or, level.and) = (group, group),
            Joint::Or => level.and = group,
            Joint::And => {}
        }
    }

    /// Appends a term.
    pub(super) fn push(&mut self, node: Node) {
        self.tree.nodes.push(node);
    }

    /// Begins the level after a bracket; `wrap` is the `not` or value path whose operand it is.
    pub(super) fn begin(&mut self, open: Open, wrap: Option<Node>) {
        let level = Level {
            open: Some(open),
            // The node of a `not` or value path is certain before its operand is read, so unlike a
            // group it is appended at once, and is never moved because of its own content.
            wrap: wrap.map(|node| {
                let at = self.tree.nodes.next();
                self.tree.nodes.push(node);
                at
            }),
            ..Level::default()
        };
        self.outer.push(std::mem::replace(&mut self.level, level));
    }

    /// Adds an `and` after an operand.
    pub(super) fn and(&mut self) {
        let Level { and, operand, .. } = self.level;
        self.join(and, operand, Kind::And);
        self.level.and.kept = true;
        self.level.joint = Joint::And;
    }

    /// Adds an `or` after an operand that ends at `at`.
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
        // The `and` is the last operand of the `or` and was completed first: flattening it may
        // remove a node, which the size of the `or` must not count.
        let Level { or, and, wrap, .. } = self.level;
        if or.kept {
            self.end_group(or, and.at, at);
        }
        if let Some(wrap) = wrap {
            self.tree.nodes.complete(wrap).whole.end = bracket_end;
        }
        // The whole text has no level around it, and nothing follows it.
        // The outer level still knows where its operand begins. Brackets that contain one term
        // leave no trace: that operand is then the term itself.
        if let Some(outer) = self.outer.pop() {
            self.level = outer;
        }
    }

    /// Completes the `and` of the current level, if it is a group.
    fn end_and(&mut self, at: u32) {
        let Level { and, operand, .. } = self.level;
        if and.kept {
            self.end_group(and, operand, at);
        }
    }

    /// Makes sure that a group has a node, since an operand follows the one at `operand`.
    ///
    /// If its only operand so far is a group of the same kind, that node becomes the group's.
    fn join(&mut self, group: Group, operand: NodeId, kind: Kind) {
        if group.kept {
            self.flatten(operand, kind);
        // `(a or b) or c`: the brackets were a group already, which simply goes on.
        } else if !self.is(operand, kind) {
            self.tree.nodes.insert(group.at, Node::new(kind, Span::default()));
        }
    }

    /// Completes a group whose last operand is at `operand` and ends at `at`.
    fn end_group(&mut self, group: Group, operand: NodeId, at: u32) {
        // The last operand has no connective after it, which would have flattened it.
        self.flatten(operand, self.tree.nodes.get(group.at).kind);
        self.tree.nodes.complete(group.at).whole = Span { start: group.start, end: at };
    }

    /// Removes the node of an operand that is a group of the same kind; its operands remain.
    fn flatten(&mut self, operand: NodeId, kind: Kind) {
        // The operand's node is not needed for its own operands: they follow it directly, and their
        // sizes count only their own subtrees.
        if self.is(operand, kind) {
            self.tree.nodes.remove(operand);
        }
    }

    /// Returns whether the node at a place is of a kind.
    fn is(&self, at: NodeId, kind: Kind) -> bool {
        self.tree.nodes.get(at).kind == kind
    }

    /// Returns whether the current level is a value path, perhaps negated, and nothing else.
    pub(super) fn is_lone_value_path(&self) -> bool {
        let nodes = &self.tree.nodes;
        // The level's first node is a group if the level has two operands. So the first node that
        // is not a `not` shows what the level is.
        let mut kinds = nodes.from(self.level.or.at).map(|at| nodes.get(at).kind);
        kinds.find(|kind| *kind != Kind::Not) == Some(Kind::ValuePath)
    }

    /// Stores a string whose escapes are resolved, and returns its span in [`Tree::unescaped`].
    pub(super) fn unescaped(&mut self, value: &str) -> Span {
        // One text for all strings with escapes: a node then needs only a span, and is `Copy`.
        let start = self.tree.unescaped.len();
        self.tree.unescaped.push_str(value);
        Span::new(start, self.tree.unescaped.len())
    }

    /// Returns the tree, once the outermost level has ended.
    pub(super) fn finish(self) -> Tree<'t> {
        self.tree
    }
}
