//! The public view of a tree: an expression, handles to its parts, and their kinds.
//!
//! A handle is a tree and an index. Its kind and operands are computed when they are asked for, so
//! the tree stays a flat array.
//!
//! ```text
//! text    a pr and emails[b eq "x"]
//!
//! index   0      1       2              3
//! node    And 4  a pr 1  emails[] 2     b eq "x" 1       (number: size of the subtree)
//!
//! ExprRef { at: 0 }.kind()   And(Operands { next: 1, end: 4 })
//!                            yields 1, then 1 + size 1 = 2, then 2 + size 2 = 4, the end
//! ExprRef { at: 2 }.kind()   ValuePath { path: "emails", filter: ExprRef { at: 3 } }
//! ```
//!
//! The only operand of a `not` or value path is the node directly after it. A term has none.
//!
//! # Equality
//!
//! Two trees of equal nodes may still differ in shape, so a part also compares the index after its
//! subtree ([`Own`]). With it, comparing two arrays from left to right compares the trees.

use super::suggest::Rules;
use super::tree::{Kind, Literal, Node, NodeId, Tree};
use super::{Limits, Shape, parse, write_tree};
use crate::diagnostic::{Diagnostic, Parts, Span};
use std::fmt;

/// A well-formed filter: its text, and a tree with the span of each part.
///
/// Two expressions are equal if their trees are. Spans, white space, redundant brackets and the
/// letter case of keywords are ignored. Attribute names are compared as they are written, and
/// operands in order.
///
/// ```
/// use hooksieve::syntax::Expr;
///
/// let a = Expr::parse(r#"a pr and (b pr and c pr)"#)?;
/// assert_eq!(a, Expr::parse("(a  PR) AND b pr and c pr")?);
/// assert_ne!(a, Expr::parse("b pr and a pr and c pr")?);
/// # Ok::<(), hooksieve::diagnostic::Diagnostic>(())
/// ```
#[derive(Clone)]
pub struct Expr(Tree<'static>);

impl Expr {
    /// Parses a filter within the default [`Limits`].
    ///
    /// # Errors
    ///
    /// The first error in the text, with its span and how to fix it. An empty text is an error,
    /// too.
    pub fn parse(text: &str) -> Result<Self, Diagnostic> {
        Self::parse_within(text, Limits::default())
    }

    /// Parses a filter within the given limits, in time linear in the text.
    ///
    /// # Errors
    ///
    /// The same as for [`parse`](Self::parse).
    pub fn parse_within(text: &str, limits: Limits) -> Result<Self, Diagnostic> {
        match parse(text, limits) {
            Ok(tree) => Ok(Self(tree.into_owned())),
            Err(error) => Err(error.suggesting(text, limits, &Rules::GRAMMAR).into()),
        }
    }

    /// Returns the whole expression, the root of the tree.
    #[must_use]
    pub fn root(&self) -> ExprRef<'_> {
        self.0.root()
    }

    /// Iterates over all parts of the tree in prefix order: a group before its operands.
    pub fn iter(&self) -> impl Iterator<Item = ExprRef<'_>> {
        self.root().iter()
    }
}

impl PartialEq for Expr {
    fn eq(&self, other: &Self) -> bool {
        self.iter().map(Own).eq(other.iter().map(Own))
    }
}

impl Eq for Expr {}

impl std::str::FromStr for Expr {
    type Err = Diagnostic;

    fn from_str(text: &str) -> Result<Self, Diagnostic> {
        Self::parse(text)
    }
}

/// Writes the canonical form: lower-case keywords, single spaces and the fewest brackets.
///
/// Parsing the output gives an equal tree.
impl fmt::Display for Expr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Printed(self.root()).fmt(f)
    }
}

/// A tree that is displayed in the RFC's form.
struct Printed<'a>(ExprRef<'a>);

impl fmt::Display for Printed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_tree(f, self.0.iter().map(ExprRef::shape))
    }
}

/// Returns a tree in the RFC's form.
pub(super) fn print(root: ExprRef<'_>) -> String {
    Printed(root).to_string()
}

/// Writes one line per node, indented by depth, with its span in bytes.
impl fmt::Debug for Expr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut open: Vec<usize> = Vec::new();
        for part in self.iter() {
            // The depth of a part is the number of subtrees that it is inside of.
            while open.pop_if(|end| *end <= part.at.index()).is_some() {}
            let Span { start, end } = part.span();
            write!(f, "{:indent$}{start}..{end} ", "", indent = 2 * open.len())?;
            match part.kind() {
                ExprKind::Not(_) => writeln!(f, "not")?,
                ExprKind::ValuePath { path, .. } => writeln!(f, "{path}[]")?,
                _ => writeln!(f, "{}", Own(part))?,
            }
            open.push(part.end());
        }
        Ok(())
    }
}

/// A part without its operands, but with the index after them.
///
/// Two trees are equal if their parts are, in prefix order: the indices make the shapes equal.
#[derive(Clone, Copy)]
struct Own<'a>(ExprRef<'a>);

impl PartialEq for Own<'_> {
    fn eq(&self, other: &Self) -> bool {
        let (Self(one), Self(other)) = (self, other);
        let same = match (one.kind(), other.kind()) {
            (
                ExprKind::Compare { value, operator, .. },
                ExprKind::Compare { value: v, operator: o, .. },
            ) => value == v && operator == o,
            (one, other) => std::mem::discriminant(&one) == std::mem::discriminant(&other),
        };
        // Spans differ with white space and brackets, so the texts that they lead to are compared.
        same && one.slice(one.path_span()) == other.slice(other.path_span())
            && one.end() == other.end()
    }
}

/// Writes the part without its operands.
impl fmt::Display for Own<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.kind() {
            ExprKind::And(_) => f.write_str("and"),
            ExprKind::Or(_) => f.write_str("or"),
            ExprKind::Not(_) => f.write_str("not("),
            ExprKind::ValuePath { path, .. } => write!(f, "{path}["),
            ExprKind::Compare { path, operator, value } => write!(f, "{path} {operator} {value}"),
            ExprKind::Present { path } => write!(f, "{path} pr"),
        }
    }
}

/// A part of an [`Expr`]: a group, a `not`, a value path or a term.
#[derive(Clone, Copy)]
pub struct ExprRef<'a> {
    pub(super) tree: &'a Tree<'a>,
    pub(super) at: NodeId,
}

/// The kind of a part of an expression, with its operands.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum ExprKind<'a> {
    /// All operands hold.
    And(Operands<'a>),
    /// At least one operand holds.
    Or(Operands<'a>),
    /// The operand does not hold: `not(…)`.
    Not(ExprRef<'a>),
    /// At least one value of a multi-valued attribute satisfies the filter: `emails[…]`.
    ValuePath {
        /// The multi-valued attribute.
        path: AttrPath<'a>,
        /// The filter over the sub-attributes of one value.
        filter: ExprRef<'a>,
    },
    /// An attribute compared with a value: `id eq "x"`.
    Compare {
        /// The attribute.
        path: AttrPath<'a>,
        /// The comparison operator.
        operator: CompareOp,
        /// The value that it is compared with.
        value: Value<'a>,
    },
    /// An attribute is present: `id pr`.
    Present {
        /// The attribute.
        path: AttrPath<'a>,
    },
}

impl<'a> ExprRef<'a> {
    /// Returns the node.
    #[inline]
    fn node(self) -> &'a Node {
        self.tree.nodes.get(self.at)
    }

    /// Returns the text of the whole tree.
    pub(crate) fn text(self) -> &'a str {
        &self.tree.text
    }

    /// Returns the text of a span.
    #[inline]
    fn slice(self, span: Span) -> &'a str {
        self.tree.text.part(span.range())
    }

    /// Returns the value of a literal; `content` is a span of the text or of the unescaped strings.
    #[inline]
    fn value(self, literal: Literal, content: Span) -> Value<'a> {
        match literal {
            Literal::Plain => Value::String(self.slice(content)),
            Literal::Unescaped => Value::String(self.tree.unescaped.part(content.range())),
            Literal::Number => Value::Number(self.slice(content)),
            Literal::Bool(value) => Value::Bool(value),
            Literal::Null => Value::Null,
        }
    }

    /// Returns the span of the whole part, without brackets around it.
    #[must_use]
    pub fn span(self) -> Span {
        self.node().whole
    }

    /// Returns the span of the attribute path; empty for a part without one.
    #[must_use]
    pub fn path_span(self) -> Span {
        self.node().path
    }

    /// Returns the span of the comparison operator, `pr` or `not`; empty for any other part.
    #[must_use]
    pub fn operator_span(self) -> Span {
        self.node().operator
    }

    /// Returns the span of the compared value; empty for a part without one.
    #[must_use]
    pub fn value_span(self) -> Span {
        self.node().value
    }

    /// Returns the kind of this part, with its operands.
    #[must_use]
    #[inline]
    pub fn kind(self) -> ExprKind<'a> {
        let node = self.node();
        let inner = ExprRef { at: self.at.after(1), ..self };
        let operands = || Operands { next: inner, end: self.at.after(node.size) };
        let path = || AttrPath(self.slice(node.path));
        match node.kind {
            Kind::And => ExprKind::And(operands()),
            Kind::Or => ExprKind::Or(operands()),
            Kind::Not => ExprKind::Not(inner),
            Kind::ValuePath => ExprKind::ValuePath { path: path(), filter: inner },
            Kind::Compare(operator, literal) => ExprKind::Compare {
                path: path(),
                operator,
                value: self.value(literal, node.content),
            },
            Kind::Present => ExprKind::Present { path: path() },
        }
    }

    /// Returns the index after this part in prefix order, the order of [`Expr::iter`].
    #[inline]
    pub(crate) fn end(self) -> usize {
        self.after().index()
    }

    /// Returns the place after this part.
    #[inline]
    fn after(self) -> NodeId {
        self.at.after(self.node().size)
    }

    /// Returns this part and all parts after it in prefix order.
    pub(crate) fn iter(self) -> impl ExactSizeIterator<Item = ExprRef<'a>> {
        self.tree.nodes.from(self.at).map(move |at| ExprRef { at, ..self })
    }

    /// Returns how the part is printed.
    fn shape(self) -> Shape<Own<'a>> {
        let end = self.end();
        match self.kind() {
            ExprKind::And(_) => Shape::And { end },
            ExprKind::Or(_) => Shape::Or { end },
            ExprKind::Not(_) => Shape::Wrap { before: Own(self), after: ")", end },
            ExprKind::ValuePath { .. } => Shape::Wrap { before: Own(self), after: "]", end },
            ExprKind::Compare { .. } | ExprKind::Present { .. } => Shape::Leaf(Own(self)),
        }
    }
}

/// Writes the part without its operands.
impl fmt::Debug for ExprRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ExprRef({})", Own(*self))
    }
}

/// The operands of an `and` or `or`, in the order of the text.
#[derive(Clone, Copy, Debug)]
pub struct Operands<'a> {
    next: ExprRef<'a>,
    end: NodeId,
}

impl<'a> Iterator for Operands<'a> {
    type Item = ExprRef<'a>;

    fn next(&mut self) -> Option<ExprRef<'a>> {
        if self.next.at >= self.end {
            return None;
        }
        let operand = self.next;
        self.next.at = operand.after();
        Some(operand)
    }
}

/// An attribute path: an optional schema URI, a name, an optional sub-attribute.
///
/// It is `attrPath` in RFC 7644, figure 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct AttrPath<'a>(&'a str);

impl<'a> AttrPath<'a> {
    /// Returns the schema URI before the name, without the colon after it.
    #[must_use]
    pub fn uri(self) -> Option<&'a str> {
        // A URI has colons of its own, a name has none.
        self.0.rsplit_once(':').map(|(uri, _)| uri)
    }

    /// Returns name and sub-attribute. The grammar allows no colon or dot in either.
    fn names(self) -> (&'a str, Option<&'a str>) {
        let names = self.0.rsplit_once(':').map_or(self.0, |(_, names)| names);
        names.split_once('.').map_or((names, None), |(name, sub)| (name, Some(sub)))
    }

    /// Returns the attribute's name, as written.
    #[must_use]
    pub fn name(self) -> &'a str {
        self.names().0
    }

    /// Returns the sub-attribute's name, as written.
    #[must_use]
    pub fn sub_attribute(self) -> Option<&'a str> {
        self.names().1
    }

    /// Returns the whole path, as written.
    #[must_use]
    pub fn as_str(self) -> &'a str {
        self.0
    }
}

impl fmt::Display for AttrPath<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

/// A comparison operator: one of RFC 7644, table 3, except `pr`, which has no value.
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
    /// All operators, in the order of the grammar (RFC 7644, figure 1).
    pub const ALL: [Self; 9] =
        [Self::Eq, Self::Ne, Self::Co, Self::Sw, Self::Ew, Self::Gt, Self::Lt, Self::Ge, Self::Le];

    /// Returns the operator's keyword in lower case.
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

    /// Returns the operator of a keyword, compared case-insensitively.
    #[inline]
    pub(super) fn from_keyword(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|operator| word.eq_ignore_ascii_case(operator.keyword()))
    }
}

impl fmt::Display for CompareOp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.keyword())
    }
}

/// A value that an attribute is compared with: a JSON string, number, boolean or null.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Value<'a> {
    /// A JSON string, with its escapes resolved.
    String(&'a str),
    /// A JSON number, kept as its text.
    Number(&'a str),
    /// `true` or `false`.
    Bool(bool),
    /// `null`.
    Null,
}

impl fmt::Display for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::String(text) => super::print::write_string(f, text),
            Self::Number(text) => f.write_str(text),
            Self::Bool(value) => write!(f, "{value}"),
            Self::Null => f.write_str("null"),
        }
    }
}
