use super::{Error, Limits, Shape, Span, parse, write_tree};
use std::fmt;

/// A well-formed filter: what was written, with the place of each part.
///
/// Equality ignores the places and redundant brackets, and nothing else: names compare as they
/// were written, operands in their order.
///
/// ```
/// use hooksieve::syntax::Expr;
///
/// let a = Expr::parse(r#"a pr and (b pr and c pr)"#)?;
/// assert_eq!(a, Expr::parse("(a  PR) AND b pr and c pr")?);
/// assert_ne!(a, Expr::parse("b pr and a pr and c pr")?);
/// # Ok::<(), hooksieve::syntax::Error>(())
/// ```
#[derive(Clone)]
pub struct Expr {
    pub(super) nodes: Box<[Node]>,
    pub(super) places: Box<[Places]>,
}

/// Prefix order; `end` is the index behind the last node of the subtree. A group has two or more
/// operands, and none of its own kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Node {
    And { end: u32 },
    Or { end: u32 },
    Not { end: u32 },
    ValuePath { path: AttrPath, end: u32 },
    Compare { path: AttrPath, operator: CompareOp, value: Value },
    Present { path: AttrPath },
}

#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Places {
    pub(super) whole: Span,
    pub(super) path: Span,
    pub(super) operator: Span,
    pub(super) value: Span,
}

impl Expr {
    /// Parses a filter within the default [`Limits`].
    ///
    /// # Errors
    ///
    /// The first thing that is wrong with the text, where it is, and how to mend it.
    pub fn parse(text: &str) -> Result<Self, Error> {
        Self::parse_within(text, Limits::default())
    }

    /// Parses a filter within the given limits, in time linear in the text.
    ///
    /// # Errors
    ///
    /// As [`parse`](Self::parse).
    pub fn parse_within(text: &str, limits: Limits) -> Result<Self, Error> {
        parse::parse(text, limits)
    }

    /// The whole expression, to walk down from.
    #[must_use]
    pub fn root(&self) -> ExprRef<'_> {
        ExprRef { expr: self, at: 0 }
    }

    /// Every part of the tree in the order of the text, an operator before its operands.
    pub fn iter(&self) -> impl Iterator<Item = ExprRef<'_>> {
        (0..self.nodes.len()).map(|at| ExprRef { expr: self, at })
    }
}

impl PartialEq for Expr {
    fn eq(&self, other: &Self) -> bool {
        self.nodes == other.nodes
    }
}

impl Eq for Expr {}

impl std::str::FromStr for Expr {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        Self::parse(text)
    }
}

/// The filter in the RFC's form: lower-case keywords, single spaces, the fewest brackets.
/// Parsing what is printed gives an equal tree.
impl fmt::Display for Expr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_tree(f, self.nodes.iter().map(Node::shape))
    }
}

/// One line a node, indented by depth, with the bytes it spans.
impl fmt::Debug for Expr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut open: Vec<usize> = Vec::new();
        for (at, (node, places)) in self.nodes.iter().zip(&self.places).enumerate() {
            while open.last().is_some_and(|end| *end <= at) {
                open.pop();
            }
            let Span { start, end } = places.whole;
            write!(f, "{:indent$}{start}..{end} ", "", indent = 2 * open.len())?;
            match node {
                Node::And { .. } => writeln!(f, "and")?,
                Node::Or { .. } => writeln!(f, "or")?,
                Node::Not { .. } => writeln!(f, "not")?,
                Node::ValuePath { path, .. } => writeln!(f, "{path}[]")?,
                leaf => writeln!(f, "{leaf}")?,
            }
            if let Some(end) = node.end() {
                open.push(end);
            }
        }
        Ok(())
    }
}

impl Node {
    /// The index behind the subtree, for a node that has operands.
    fn end(&self) -> Option<usize> {
        match self {
            Self::And { end }
            | Self::Or { end }
            | Self::Not { end }
            | Self::ValuePath { end, .. } => Some(*end as usize),
            Self::Compare { .. } | Self::Present { .. } => None,
        }
    }

    pub(super) fn end_mut(&mut self) -> Option<&mut u32> {
        match self {
            Self::And { end }
            | Self::Or { end }
            | Self::Not { end }
            | Self::ValuePath { end, .. } => Some(end),
            Self::Compare { .. } | Self::Present { .. } => None,
        }
    }

    fn shape(&self) -> Shape<'_> {
        match self {
            Self::And { end } => Shape::And { end: *end as usize },
            Self::Or { end } => Shape::Or { end: *end as usize },
            Self::Not { end } => Shape::Wrap { before: &"not(", after: ")", end: *end as usize },
            Self::ValuePath { end, .. } => {
                Shape::Wrap { before: self, after: "]", end: *end as usize }
            }
            Self::Compare { .. } | Self::Present { .. } => Shape::Leaf(self),
        }
    }
}

/// The node's own text, without its operands.
impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::And { .. } => f.write_str("and"),
            Self::Or { .. } => f.write_str("or"),
            Self::Not { .. } => f.write_str("not("),
            Self::ValuePath { path, .. } => write!(f, "{path}["),
            Self::Compare { path, operator, value } => write!(f, "{path} {operator} {value}"),
            Self::Present { path } => write!(f, "{path} pr"),
        }
    }
}

/// A part of an [`Expr`].
#[derive(Clone, Copy)]
pub struct ExprRef<'a> {
    expr: &'a Expr,
    at: usize,
}

/// What a part of an expression is.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum ExprKind<'a> {
    /// All operands hold.
    And(Operands<'a>),
    /// At least one operand holds.
    Or(Operands<'a>),
    /// The operand does not hold: `not(…)`.
    Not(ExprRef<'a>),
    /// One and the same value of a multi-valued attribute fulfils the filter: `emails[…]`.
    ValuePath {
        /// The multi-valued attribute.
        path: &'a AttrPath,
        /// The filter over the sub-attributes of its values.
        filter: ExprRef<'a>,
    },
    /// An attribute compared with a value: `id eq "x"`.
    Compare {
        /// The attribute.
        path: &'a AttrPath,
        /// How it is compared.
        operator: CompareOp,
        /// What it is compared with.
        value: &'a Value,
    },
    /// An attribute is there: `id pr`.
    Present {
        /// The attribute.
        path: &'a AttrPath,
    },
}

impl<'a> ExprRef<'a> {
    fn places(self) -> Places {
        self.expr.places.get(self.at).copied().unwrap_or_default()
    }

    /// Where the whole part stands.
    #[must_use]
    pub fn span(self) -> Span {
        self.places().whole
    }

    /// Where the attribute path stands; empty for a part without one.
    #[must_use]
    pub fn path_span(self) -> Span {
        self.places().path
    }

    /// Where the comparison operator, `pr` or `not` stands; empty for `and` and `or`.
    #[must_use]
    pub fn operator_span(self) -> Span {
        self.places().operator
    }

    /// Where the compared value stands; empty for a part without one.
    #[must_use]
    pub fn value_span(self) -> Span {
        self.places().value
    }

    /// What this part is, with its operands.
    #[must_use]
    pub fn kind(self) -> ExprKind<'a> {
        let inner = ExprRef { expr: self.expr, at: self.at + 1 };
        let operands = |end: u32| Operands { next: inner, end: end as usize };
        match self.expr.nodes.get(self.at) {
            Some(Node::And { end }) => ExprKind::And(operands(*end)),
            Some(Node::Or { end }) => ExprKind::Or(operands(*end)),
            Some(Node::Not { .. }) => ExprKind::Not(inner),
            Some(Node::ValuePath { path, .. }) => ExprKind::ValuePath { path, filter: inner },
            Some(Node::Compare { path, operator, value }) => {
                ExprKind::Compare { path, operator: *operator, value }
            }
            Some(Node::Present { path }) => ExprKind::Present { path },
            // No handle outside the tree is ever made; an empty group says as much.
            None => ExprKind::And(operands(0)),
        }
    }

    /// The index behind this part in the prefix order of [`Expr::iter`].
    pub(crate) fn end(self) -> usize {
        self.expr.nodes.get(self.at).and_then(Node::end).unwrap_or(self.at + 1)
    }
}

/// The part's own line of the tree, without its operands.
impl fmt::Debug for ExprRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.expr.nodes.get(self.at) {
            Some(node) => write!(f, "ExprRef({node})"),
            None => f.write_str("ExprRef"),
        }
    }
}

/// The operands of an `and` or `or`, in the order of the text.
#[derive(Clone, Copy, Debug)]
pub struct Operands<'a> {
    next: ExprRef<'a>,
    end: usize,
}

impl<'a> Iterator for Operands<'a> {
    type Item = ExprRef<'a>;

    fn next(&mut self) -> Option<ExprRef<'a>> {
        if self.next.at >= self.end {
            return None;
        }
        let operand = self.next;
        self.next.at = operand.end();
        Some(operand)
    }
}

/// An attribute path: an optional schema URI, a name, an optional sub-attribute.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct AttrPath {
    text: Box<str>,
    /// Where the name begins, and where the sub-attribute does; behind the text where there is none.
    name: u32,
    sub: u32,
}

impl AttrPath {
    pub(super) fn new(uri: Option<&str>, name: &str, sub: Option<&str>) -> Self {
        let mut text = String::with_capacity(
            uri.map_or(0, |uri| uri.len() + 1) + name.len() + sub.map_or(0, |sub| sub.len() + 1),
        );
        if let Some(uri) = uri {
            text.push_str(uri);
            text.push(':');
        }
        let name_at = text.len();
        text.push_str(name);
        let sub_at = text.len() + 1;
        if let Some(sub) = sub {
            text.push('.');
            text.push_str(sub);
        }
        let Span { start, end } = Span::new(name_at, sub_at);
        Self { text: text.into(), name: start, sub: end }
    }

    /// The schema URI before the name, without the colon that ends it.
    #[must_use]
    pub fn uri(&self) -> Option<&str> {
        self.text.get(..(self.name as usize).checked_sub(1)?)
    }

    /// The attribute's name, as written.
    #[must_use]
    pub fn name(&self) -> &str {
        self.text.get(self.name as usize..self.sub as usize - 1).unwrap_or_default()
    }

    /// The sub-attribute's name, as written.
    #[must_use]
    pub fn sub_attribute(&self) -> Option<&str> {
        self.text.get(self.sub as usize..)
    }

    /// The whole path, as written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl fmt::Display for AttrPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// A comparison operator of RFC 7644, table 3.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum CompareOp {
    /// `eq`: equal.
    Eq,
    /// `ne`: not equal.
    Ne,
    /// `co`: contains.
    Co,
    /// `sw`: starts with.
    Sw,
    /// `ew`: ends with.
    Ew,
    /// `gt`: greater than.
    Gt,
    /// `lt`: less than.
    Lt,
    /// `ge`: greater than or equal to.
    Ge,
    /// `le`: less than or equal to.
    Le,
}

impl CompareOp {
    /// All operators.
    pub const ALL: [Self; 9] =
        [Self::Eq, Self::Ne, Self::Co, Self::Sw, Self::Ew, Self::Gt, Self::Lt, Self::Ge, Self::Le];

    /// The operator's word, in lower case.
    #[must_use]
    pub fn keyword(self) -> &'static str {
        match self {
            Self::Eq => "eq",
            Self::Ne => "ne",
            Self::Co => "co",
            Self::Sw => "sw",
            Self::Ew => "ew",
            Self::Gt => "gt",
            Self::Lt => "lt",
            Self::Ge => "ge",
            Self::Le => "le",
        }
    }

    pub(super) fn from_keyword(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|operator| word.eq_ignore_ascii_case(operator.keyword()))
    }
}

impl fmt::Display for CompareOp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.keyword())
    }
}

/// A value to compare with: any JSON literal.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Value {
    /// A JSON string, its escapes resolved.
    String(Box<str>),
    /// A JSON number, kept as its text.
    Number(Box<str>),
    /// `true` or `false`.
    Bool(bool),
    /// `null`.
    Null,
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::String(text) => super::print::write_string(f, text),
            Self::Number(text) => f.write_str(text),
            Self::Bool(value) => write!(f, "{value}"),
            Self::Null => f.write_str("null"),
        }
    }
}
