//! The parser: reads terms, brackets, `and` and `or`, and builds the tree.
//!
//! # The idea
//!
//! A filter alternates between two states, and each has a function:
//!
//! ```text
//!             ┌──────────────────────────────────────┐
//!             ▼                                      │ `and`, `or`
//!          operand ───────────── a term ──────▶ connective ──▶ end of text
//!          │     ▲                              │        ▲
//!          └─────┘ `(`, `not(`, `path[`         └────────┘ `)`, `]`
//! ```
//!
//! [`Parser::operand`] reads opening brackets until it has read one term; [`Parser::connective`]
//! reads closing brackets until it has read `and` or `or`, or the text ends.
//!
//! # Example
//!
//! ```text
//! text         function     reads        calls of the builder
//! (            operand      `(`          operand, begin
//!  a pr                     a term       operand, push
//!       or     connective   `or`         or              inserts the node of the `or`
//! b pr         operand      a term       operand, push
//!     )        connective   `)`          end             completes the `or`
//! and                       `and`        and             inserts the node of the `and`
//! c pr         operand      a term       operand, push
//!              connective   the end      end             completes the `and`
//! ```
//!
//! # No recursion
//!
//! Neither function calls itself for a bracket. The open brackets are on an explicit stack in the
//! [`Builder`], so a text of nothing but `(` costs heap memory within [`Limits::depth`], and no
//! stack of the thread. Precedence needs no recursion either: each level keeps one open `or` and
//! one open `and`. An `or` closes the `and`, so `and` binds tighter (see [`tree`](super::tree)).
//!
//! # Errors
//!
//! The parser stops at the first error and leaves its description to [`diagnose`](super::diagnose).
//! A text that is valid never enters that code.

use super::cursor::Cursor;
use super::error::Error;
use super::token;
use super::tree::{Builder, Kind, Literal, Node, Tree};
use super::{CompareOp, Limits};
use crate::diagnostic::Span;

/// Parses a text within limits, in time linear in its length.
///
/// The error has no suggestion yet; see [`Error::suggesting`].
pub(crate) fn parse(text: &str, limits: Limits) -> Result<Tree<'_>, Error> {
    if text.len() > limits.bytes() {
        return Err(Error::too_long(text, limits.bytes()));
    }
    // From here on, every offset fits in the 32 bits of a span.
    let at = Cursor { text, at: 0 };
    let mut parser = Parser { at, limits, terms: 0, tree: Builder::new(text) };
    loop {
        parser.operand()?;
        if !parser.connective()? {
            return Ok(parser.tree.finish());
        }
    }
}

/// The state of the parser.
struct Parser<'t> {
    at: Cursor<'t>,
    limits: Limits,
    /// How many terms were read.
    terms: usize,
    tree: Builder<'t>,
}

impl Parser<'_> {
    /// Reads opening brackets, then one term.
    fn operand(&mut self) -> Result<(), Error> {
        loop {
            self.at.skip_spaces();
            let start = self.at.here(0).end;
            // Called once for each bracket, too: the outer operand begins at the bracket, the inner
            // one after it. So the span of a group includes the brackets around its first operand.
            self.tree.operand(start);
            if self.at.byte() == Some(b'(') {
                self.enter(self.at.here(1), ')', None)?;
                continue;
            }
            // `not` is also a valid name: `not pr` asks for an attribute called `not`. Only the
            // bracket after it makes it the operator, so this comes before the path. The first byte
            // is compared before the token is read, since few paths begin with it.
            if matches!(self.at.byte(), Some(b'n' | b'N'))
                && let Ok((rest, _)) = token::not_bracket(self.at.bytes())
            {
                let whole = self.at.advance(rest);
                let operator = Span { end: whole.start + 3, ..whole };
                // Back to the bracket, which `enter` moves past.
                self.at.at -= 1;
                let not = Node { operator, ..Node::new(Kind::Not, whole) };
                self.enter(self.at.here(1), ')', Some(not))?;
                continue;
            }
            // The word may be anything: `)`, a value, a symbol, or nothing. Which one decides the
            // message.
            let Ok((rest, _)) = token::attr_path(self.at.bytes()) else {
                return Err(self.at.no_operand(self.tree.open()));
            };
            let path = self.at.advance(rest);
            // White space before the bracket of a value path is accepted, though the grammar has
            // none there.
            let spaced = self.at.skip_spaces();
            if self.at.byte() == Some(b'[') {
                let bracket = self.at.here(1);
                let value_path = Node { path, ..Node::new(Kind::ValuePath, path) };
                self.enter(bracket, ']', Some(value_path))?;
                continue;
            }
            // `id==`, `a.b.c` and `größe`: the path ended at a character that cannot follow a path.
            if !spaced && self.at.byte().is_some() {
                return Err(self.at.bad_path(path));
            }
            return self.comparison(path);
        }
    }

    /// Moves past an opening bracket and begins a level, the operand of the node `wrap`.
    fn enter(&mut self, bracket: Span, closing: char, wrap: Option<Node>) -> Result<(), Error> {
        // Checked before the level is stored, so the stack never has more levels than the limit.
        if self.tree.depth() >= self.limits.depth() {
            return Err(Error::too_deep(bracket, self.limits.depth()));
        }
        self.tree.begin((bracket, closing), wrap);
        self.at.at += 1;
        Ok(())
    }

    /// Reads the operator and the value after an attribute path, and adds the term.
    fn comparison(&mut self, path: Span) -> Result<(), Error> {
        // A word ends at a quote as well, so the word of `eq"a"` is `eq`. The missing space is
        // reported only after the value is read, so that the message can show both sides of it.
        let word = self.at.word();
        let operator = self.at.here(word.len());
        let (kind, value, content) = if let Some(compare) = CompareOp::from_keyword(word) {
            self.at.at += word.len();
            let spaced = self.at.skip_spaces();
            let start = self.at;
            let (literal, content) = self.value(path, compare)?;
            let value = Span::new(start.at, self.at.at);
            if !spaced {
                return Err(self.at.no_space(start.here(0), operator, value));
            }
            (Kind::Compare(compare, literal), value, content)
        } else if word.eq_ignore_ascii_case("pr") {
            self.at.at += word.len();
            (Kind::Present, Span::default(), Span::default())
        } else {
            return Err(self.at.no_operator(path, word));
        };
        // Checked before the term is stored, so a text of many terms stops at the limit.
        if self.terms >= self.limits.terms() {
            return Err(Error::too_many_terms(path, self.limits.terms()));
        }
        self.terms += 1;
        // The term ends at the cursor, so brackets and white space after it are not part of it.
        let whole = Span { end: self.at.here(0).end, ..path };
        self.tree.push(Node { kind, size: 1, whole, path, operator, value, content });
        Ok(())
    }

    /// Reads a value and returns its kind and the span of its content, without quotes and escapes.
    ///
    /// A string without escapes is the frequent case and is read without building a new string.
    fn value(&mut self, path: Span, operator: CompareOp) -> Result<(Literal, Span), Error> {
        if let Ok((rest, _)) = token::plain_string(self.at.bytes()) {
            let Span { start, end } = self.at.advance(rest);
            return Ok((Literal::Plain, Span { start: start + 1, end: end - 1 }));
        }
        // The text begins with a quote and has an escape, or is damaged, or does not begin with a
        // quote.
        match token::string(self.at.rest()) {
            Ok((rest, text)) => {
                self.at.advance(rest.as_bytes());
                Ok((Literal::Unescaped, self.tree.unescaped(&text)))
            }
            Err(nom::Err::Failure(fault)) => Err(self.at.bad_string(fault)),
            // No quote at all: `true`, `12`, or a value that lost its quotes.
            Err(_) => {
                let word = self.at.word();
                let value = token::bare_value(word.as_bytes());
                let value = value.ok_or_else(|| self.at.no_value(path, operator, word))?;
                let content = self.at.here(word.len());
                self.at.at += word.len();
                Ok((value, content))
            }
        }
    }

    /// Reads closing brackets, then `and` or `or`, and returns whether another operand must follow.
    fn connective(&mut self) -> Result<bool, Error> {
        loop {
            let operand_end = self.at.here(0).end;
            let spaced = self.at.skip_spaces();
            match self.at.byte() {
                None => {
                    // Reported at the opening bracket: where the closing one belongs is not known.
                    if let Some(open) = self.tree.open() {
                        return Err(self.at.unclosed(open));
                    }
                    self.tree.end(operand_end, operand_end);
                    return Ok(false);
                }
                Some(found @ (b')' | b']')) => self.close(operand_end, found.into())?,
                // Anything else must be a connective; `join` reports what is not.
                Some(_) => {
                    self.join(operand_end, spaced)?;
                    return Ok(true);
                }
            }
        }
    }

    /// Moves past a closing bracket and ends its level, whose last operand ends at `operand_end`.
    fn close(&mut self, operand_end: u32, found: char) -> Result<(), Error> {
        match self.tree.open() {
            Some((bracket, closing)) if closing == found => {
                // RFC 7644 figure 1: a `valFilter` is an `attrExp`, a `logExp`, or one of them in
                // brackets. A value path is none of these, but may be an operand of a `logExp`. So
                // `a[b[c pr]]` is refused, and `a[b[c pr] and d pr]` is not.
                if found == ']' && self.tree.is_lone_value_path() {
                    return Err(self.at.nested_value_path(bracket));
                }
            }
            open => return Err(self.at.unopened(open, found)),
        }
        self.at.at += 1;
        self.tree.end(operand_end, self.at.here(0).end);
        Ok(())
    }

    /// Reads `and` or `or` after an operand that ends at `operand_end`.
    ///
    /// Both sides need white space; `spaced` is whether there was any before it.
    fn join(&mut self, operand_end: u32, spaced: bool) -> Result<(), Error> {
        let word = self.at.word();
        // RFC 7644 section 3.4.2.2: attribute names and operators are case-insensitive.
        let is_or = word.eq_ignore_ascii_case("or");
        if !is_or && !word.eq_ignore_ascii_case("and") {
            return Err(self.at.no_connective(self.tree.open(), word));
        }
        let span = self.at.here(word.len());
        if !spaced {
            return Err(self.at.no_space(self.at.here(0), self.at.before(), span));
        }
        self.at.at += word.len();
        // The word ended at a bracket or a quote: `and(b pr)`. At the end of the text there is no
        // byte, and the next operand reports that it is missing.
        if self.at.byte().is_some_and(|byte| !token::is_space(byte.into())) {
            return Err(self.at.no_space(self.at.here(0), span, self.at.next_char()));
        }
        if is_or {
            self.tree.or(operand_end);
        } else {
            self.tree.and();
        }
        Ok(())
    }
}
