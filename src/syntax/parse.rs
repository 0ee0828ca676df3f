//! Terms, brackets, `and` and `or`. Nesting is kept on a stack of our own, so depth costs no
//! stack of the thread; precedence is the shape of a level (see `tree`).

use super::cursor::Cursor;
use super::diagnose::Open;
use super::error::Error;
use super::expr::{Node, Places};
use super::token;
use super::tree::Builder;
use super::{AttrPath, CompareOp, Expr, Limits, Span, Value};

pub(super) fn parse(text: &str, limits: Limits) -> Result<Expr, Error> {
    if text.len() > limits.bytes() {
        return Err(Error::too_long(text, limits.bytes()));
    }
    let at = Cursor { text, at: 0 };
    let mut parser = Parser { at, limits, terms: 0, open: Vec::new(), tree: Builder::default() };
    parser.tree.begin();
    loop {
        parser.operand()?;
        if !parser.connective()? {
            return Ok(parser.tree.finish());
        }
    }
}

struct Parser<'t> {
    at: Cursor<'t>,
    limits: Limits,
    terms: usize,
    open: Vec<Open>,
    tree: Builder,
}

impl Parser<'_> {
    /// Reads opening brackets and one term.
    fn operand(&mut self) -> Result<(), Error> {
        loop {
            self.at.skip_spaces();
            if self.at.peek() == Some('(') {
                let bracket = self.at.here(1);
                self.enter(bracket, ')')?;
                self.tree.begin_round(bracket.start);
                self.at.at += 1;
                continue;
            }
            if let Ok((rest, _)) = token::not_bracket(self.at.rest()) {
                let whole = self.at.advance(rest);
                let operator = Span { end: whole.start + 3, ..whole };
                let places = Places { operator, whole, ..Places::default() };
                self.enter(Span { start: whole.end - 1, ..whole }, ')')?;
                self.tree.begin_wrap(Node::Not { end: 0 }, places);
                continue;
            }
            let Ok((rest, path)) = token::attr_path(self.at.rest()) else {
                return Err(self.at.no_operand(self.open.last().copied()));
            };
            let path_span = self.at.advance(rest);
            let spaced = self.at.skip_spaces();
            if self.at.peek() == Some('[') {
                let bracket = self.at.here(1);
                let whole = Span { end: bracket.end, ..path_span };
                let places = Places { path: path_span, whole, ..Places::default() };
                self.enter(bracket, ']')?;
                self.tree.begin_wrap(Node::ValuePath { path, end: 0 }, places);
                self.at.at += 1;
                continue;
            }
            if !spaced && self.at.peek().is_some() {
                return Err(self.at.bad_path(path_span));
            }
            return self.comparison(path, path_span);
        }
    }

    fn enter(&mut self, bracket: Span, closing: char) -> Result<(), Error> {
        if self.open.len() >= self.limits.depth() {
            return Err(Error::too_deep(bracket, self.limits.depth()));
        }
        self.open.push((bracket, closing));
        Ok(())
    }

    /// Reads the operator and the value behind an attribute path.
    fn comparison(&mut self, path: AttrPath, path_span: Span) -> Result<(), Error> {
        let word = self.at.word();
        let operator = self.at.here(word.len());
        let places = Places { path: path_span, operator, ..Places::default() };
        let (node, places) = if word.eq_ignore_ascii_case("pr") {
            self.at.at += word.len();
            (Node::Present { path }, places)
        } else {
            let Some(compare) = CompareOp::from_keyword(word) else {
                return Err(self.at.no_operator(path_span, word));
            };
            self.at.at += word.len();
            let spaced = self.at.skip_spaces();
            let start = self.at;
            let value = self.value(path_span, compare)?;
            let value_span = Span::new(start.at, self.at.at);
            if !spaced {
                return Err(self.at.no_space(start.here(0), operator, value_span));
            }
            let node = Node::Compare { path, operator: compare, value };
            (node, Places { value: value_span, ..places })
        };
        if self.terms >= self.limits.terms() {
            return Err(Error::too_many_terms(path_span, self.limits.terms()));
        }
        self.terms += 1;
        let whole = Span::new(path_span.start as usize, self.at.at);
        self.tree.leaf(node, Places { whole, ..places });
        Ok(())
    }

    fn value(&mut self, path: Span, operator: CompareOp) -> Result<Value, Error> {
        match token::string(self.at.rest()) {
            Ok((rest, text)) => {
                self.at.advance(rest);
                Ok(Value::String(text))
            }
            Err(nom::Err::Failure(fault)) => Err(self.at.bad_string(fault)),
            Err(_) => {
                let word = self.at.word();
                let value = token::bare_value(word);
                let value = value.ok_or_else(|| self.at.no_value(path, operator, word))?;
                self.at.at += word.len();
                Ok(value)
            }
        }
    }

    /// Reads closing brackets and `and` or `or`; whether another operand must follow.
    fn connective(&mut self) -> Result<bool, Error> {
        loop {
            let operand_end = self.at.here(0).end;
            let spaced = self.at.skip_spaces();
            let open = self.open.last().copied();
            match self.at.peek() {
                None => {
                    if let Some(open) = open {
                        return Err(self.at.unclosed(open));
                    }
                    self.tree.end(operand_end, operand_end);
                    return Ok(false);
                }
                Some(found @ (')' | ']')) => {
                    match open {
                        Some((bracket, closing)) if closing == found => {
                            if found == ']' && self.tree.is_lone_value_path() {
                                return Err(self.at.nested_value_path(bracket));
                            }
                        }
                        _ => return Err(self.at.unopened(open, found)),
                    }
                    self.open.pop();
                    self.at.at += 1;
                    self.tree.end(operand_end, self.at.here(0).end);
                }
                Some(_) => {
                    let word = self.at.word();
                    let is_or = word.eq_ignore_ascii_case("or");
                    if !is_or && !word.eq_ignore_ascii_case("and") {
                        return Err(self.at.no_connective(open, word));
                    }
                    let span = self.at.here(word.len());
                    if !spaced {
                        let before = self.at.before();
                        return Err(self.at.no_space(self.at.here(0), before, span));
                    }
                    self.at.at += word.len();
                    if self.at.peek().is_some_and(|c| !token::is_space(c)) {
                        let next = self.at.next_char();
                        return Err(self.at.no_space(self.at.here(0), span, next));
                    }
                    if is_or {
                        self.tree.or(operand_end);
                    }
                    return Ok(true);
                }
            }
        }
    }
}
