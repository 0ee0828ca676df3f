//! Reads a damaged filter term by term and writes the filter that it means.
//!
//! What is written need not be in the grammar: brackets are copied as they are, and the caller parses
//! the result. Whatever has two meanings stops the reading.

use super::operator::{FUNCTIONS, Meaning, SYMBOL, is_operator};
use super::value::{is_quoted, pattern};
use super::{CompareOp, Limits, Rules, Stop};
use crate::syntax::token::{self, is_space};
use std::fmt::Write as _;

/// Reads a text and writes the filter that it means.
pub(super) fn read(text: &str, limits: Limits, rules: &Rules<'_>) -> Result<String, Stop> {
    let mut loose = Loose {
        text,
        at: 0,
        out: String::with_capacity(text.len()),
        rules,
        terms: limits.terms(),
        brackets: Vec::new(),
        last: None,
        joined: "",
        bare: false,
        literal: false,
        native: false,
        foreign: false,
        in_object: false,
    };
    loose.skip();
    if loose.rest().starts_with('{') {
        loose.object()?;
    } else {
        loop {
            loose.operand()?;
            if !loose.connective()? {
                break;
            }
        }
    }
    // Where quotes are lost, a bare number may be a string too, and a word such as `is` may be part
    // of a value.
    if loose.bare && (loose.literal || loose.native && loose.foreign) {
        return Err(Stop::Ambiguous);
    }
    Ok(loose.out)
}

pub(super) struct Loose<'t, 'r> {
    text: &'t str,
    pub(super) at: usize,
    out: String,
    pub(super) rules: &'r Rules<'r>,
    /// How many more terms may be read.
    terms: usize,
    /// Open square brackets: where in the output what they hold begins.
    brackets: Vec<usize>,
    /// The path and operator of the last term.
    last: Option<(String, CompareOp)>,
    /// The connective before the next operand.
    joined: &'static str,
    /// Whether a value was read that had lost its quotes.
    pub(super) bare: bool,
    /// Whether a literal was read that may be a string without its quotes.
    pub(super) literal: bool,
    /// Whether an operator of SCIM was read, and one of another language.
    pub(super) native: bool,
    pub(super) foreign: bool,
    pub(super) in_object: bool,
}

/// The connective that a text begins with: the word or symbol, and what SCIM has for it.
pub(super) fn connective(text: &str) -> Option<(&str, &'static str)> {
    let end = match text.get(..2) {
        Some("&&" | "||") => 2,
        _ => text.find(|c: char| is_space(c) || "()[]\"".contains(c)).unwrap_or(text.len()),
    };
    let word = text.get(..end)?;
    let plain = word.strip_prefix('-').unwrap_or(word);
    let meant = match plain {
        "&&" | "&" => "and",
        "||" | "|" => "or",
        _ if plain.eq_ignore_ascii_case("and") => "and",
        _ if plain.eq_ignore_ascii_case("or") => "or",
        _ => return None,
    };
    Some((word, meant))
}

/// The word that a text begins with, up to white space, a bracket, a quote or a symbol.
pub(super) fn word(text: &str) -> &str {
    let stops = |c: char| is_space(c) || "()[]{},;".contains(c) || SYMBOL.contains(&c);
    let end = text.find(|c| stops(c) || is_quoted(c.encode_utf8(&mut [0; 4])));
    text.get(..end.unwrap_or(text.len())).unwrap_or_default()
}

/// The same for a URN, of which colons are a part.
pub(super) fn urn_word(text: &str) -> &str {
    let end = text.find(|c: char| !c.is_ascii_alphanumeric() && !":.-_".contains(c));
    text.get(..end.unwrap_or(text.len())).unwrap_or_default()
}

impl<'t> Loose<'t, '_> {
    pub(super) fn rest(&self) -> &'t str {
        self.text.get(self.at..).unwrap_or_default()
    }

    pub(super) fn from(&self, start: usize) -> &'t str {
        self.text.get(start..).unwrap_or_default()
    }

    pub(super) fn word(&self) -> &'t str {
        word(self.rest())
    }

    /// Moves to where `rest` is what is left of the text.
    pub(super) fn move_to(&mut self, rest: &str) {
        self.at = self.text.len() - rest.len();
    }

    /// Skips white space and gives it.
    fn skip(&mut self) -> &'t str {
        let rest = self.rest();
        let after = rest.trim_start_matches(is_space);
        self.move_to(after);
        rest.get(..rest.len() - after.len()).unwrap_or_default()
    }

    fn take(&mut self, token: &str) -> bool {
        let found = self.rest().starts_with(token);
        if found {
            self.at += token.len();
        }
        found
    }

    /// Reads opening brackets and a term.
    fn operand(&mut self) -> Result<(), Stop> {
        let mut negated = false;
        loop {
            self.skip();
            if is_quoted(self.rest()) {
                return self.value_alone();
            }
            if self.take("(") {
                self.out.push('(');
                continue;
            }
            if self.take("!") {
                self.negate(&mut negated)?;
                continue;
            }
            let word = self.word();
            if word.eq_ignore_ascii_case("not") {
                let start = self.at;
                self.at += word.len();
                self.skip();
                if is_operator(self.word()) || self.rest().starts_with(SYMBOL) {
                    self.at = start;
                } else {
                    self.negate(&mut negated)?;
                    continue;
                }
            }
            if !self.function()? {
                let path = self.path()?.into_owned();
                self.skip();
                if self.rest().starts_with('[') && !negated {
                    self.at += 1;
                    let _ = write!(self.out, "{path}[");
                    self.brackets.push(self.out.len());
                    continue;
                }
                self.comparison(&path)?;
            }
            if negated {
                self.out.push(')');
            }
            return Ok(());
        }
    }

    /// Writes a `not`, whose bracket may be missing round one term.
    fn negate(&mut self, negated: &mut bool) -> Result<(), Stop> {
        self.skip();
        if *negated {
            return Err(Stop::Nonsense);
        }
        self.out.push_str("not (");
        *negated = !self.take("(");
        Ok(())
    }

    /// A value without attribute and operator takes those of the term before.
    fn value_alone(&mut self) -> Result<(), Stop> {
        let (path, operator) = self.last.clone().ok_or(Stop::Nonsense)?;
        let joins =
            matches!((operator, self.joined), (CompareOp::Eq, "or") | (CompareOp::Ne, "and"));
        if !joins || self.bare || !self.rest().starts_with('"') {
            return Err(Stop::Ambiguous);
        }
        let value = self.quoted()?;
        self.term(&path, operator, &value)
    }

    fn term(&mut self, path: &str, operator: CompareOp, value: &str) -> Result<(), Stop> {
        self.terms = self.terms.checked_sub(1).ok_or(Stop::Nonsense)?;
        let _ = write!(self.out, "{path} {operator} {value}");
        Ok(())
    }

    fn comparison(&mut self, path: &str) -> Result<(), Stop> {
        let meaning = self.operator().ok_or(Stop::Nonsense)?;
        let gap = self.skip();
        let gap = if gap.is_empty() && self.foreign { " " } else { gap };
        match meaning {
            Meaning::Present => {
                self.terms = self.terms.checked_sub(1).ok_or(Stop::Nonsense)?;
                let _ = write!(self.out, "{path} pr");
                Ok(())
            }
            Meaning::Like => {
                let value = self.quoted()?;
                let (operator, value) = pattern(&value)?;
                self.term(path, operator, &value)
            }
            Meaning::In => self.values(path, CompareOp::Eq, gap),
            Meaning::NotIn => self.values(path, CompareOp::Ne, gap),
            Meaning::Compare(operator) => self.values(path, operator, gap),
        }
    }

    /// Reads one value or a list of them. A list is joined so that it means "one of these", or "none
    /// of these".
    fn values(&mut self, path: &str, operator: CompareOp, gap: &str) -> Result<(), Stop> {
        let closing = match self.rest().chars().next() {
            Some('(') => Some(")"),
            Some('[') => Some("]"),
            _ => None,
        };
        let mut values = Vec::new();
        match closing {
            Some(_) => {
                self.at += 1;
                self.skip();
                values.push(self.item()?);
            }
            None => values.push(self.value(operator, gap)?),
        }
        let listed = |rest: &str| {
            let next = rest.strip_prefix(',').map(|rest| rest.trim_start_matches(is_space));
            next.is_some_and(|next| closing.is_some() || is_quoted(next))
        };
        loop {
            let start = self.at;
            self.skip();
            if self.in_object || !listed(self.rest()) {
                self.at = start;
                break;
            }
            self.at += 1;
            self.skip();
            values.push(self.item()?);
        }
        if let Some(closing) = closing {
            self.skip();
            if !self.take(closing) {
                return Err(Stop::Nonsense);
            }
        }
        self.last = Some((path.to_owned(), operator));
        if let [value] = values.as_slice() {
            return self.term(path, operator, value);
        }
        let joint = match operator {
            CompareOp::Eq => " or ",
            CompareOp::Ne => " and ",
            _ => return Err(Stop::Ambiguous),
        };
        for (at, value) in values.iter().enumerate() {
            self.out.push_str(if at == 0 { "(" } else { joint });
            self.term(path, operator, value)?;
        }
        self.out.push(')');
        Ok(())
    }

    /// Reads a function of another language, such as `startswith(id, 'A')`, if there is one.
    fn function(&mut self) -> Result<bool, Stop> {
        let word = self.word();
        let known = FUNCTIONS.iter().find(|(name, _)| word.eq_ignore_ascii_case(name));
        let Some((_, operator)) = known else { return Ok(false) };
        let rest = self.rest().get(word.len()..).unwrap_or_default();
        let Some(arguments) = rest.trim_start_matches(is_space).strip_prefix('(') else {
            return Ok(false);
        };
        self.move_to(arguments);
        self.skip();
        let path = self.path()?;
        self.skip();
        if !self.take(",") {
            return Err(Stop::Nonsense);
        }
        self.skip();
        let value = self.quoted()?;
        self.skip();
        if !self.take(")") {
            return Err(Stop::Nonsense);
        }
        self.foreign = true;
        self.is_true();
        self.term(&path, *operator, &value)?;
        Ok(true)
    }

    /// Skips the `eq true` that a function may be compared with.
    fn is_true(&mut self) {
        let start = self.at;
        self.skip();
        let operator = self.operator();
        self.skip();
        let word = self.word();
        if operator == Some(Meaning::Compare(CompareOp::Eq)) && word.eq_ignore_ascii_case("true") {
            self.at += word.len();
        } else {
            self.at = start;
        }
    }

    /// Reads closing brackets and a connective; whether another operand follows.
    fn connective(&mut self) -> Result<bool, Stop> {
        loop {
            self.skip();
            let rest = self.rest();
            if rest.is_empty() || matches!(rest, ";" | "," | ".") && !self.bare {
                return Ok(false);
            }
            if self.take(")") {
                self.out.push(')');
                continue;
            }
            if self.take("]") {
                let start = self.brackets.pop().ok_or(Stop::Nonsense)?;
                self.sub_attribute(start)?;
                self.out.push(']');
                continue;
            }
            let (word, meant) = connective(rest).ok_or(Stop::Nonsense)?;
            self.at += word.len();
            self.joined = meant;
            let _ = write!(self.out, " {meant} ");
            return Ok(true);
        }
    }

    /// Moves a comparison of what a value path selects into its brackets: `a[b eq 1].c eq 2` is
    /// `a[(b eq 1) and c eq 2]`.
    fn sub_attribute(&mut self, start: usize) -> Result<(), Stop> {
        let after = self.at;
        let name = if self.take(".") {
            let word = self.word();
            self.at += word.len();
            self.skip();
            word
        } else {
            self.skip();
            if connective(self.rest()).is_some()
                || !is_operator(self.word()) && !self.rest().starts_with(SYMBOL)
            {
                self.at = after;
                return Ok(());
            }
            "value"
        };
        self.out.insert(start, '(');
        self.out.push_str(") and ");
        self.comparison(name)
    }

    /// Reads a JSON object of attributes and values, all of which must be equal.
    fn object(&mut self) -> Result<(), Stop> {
        self.in_object = true;
        self.at += 1;
        loop {
            self.skip();
            let name: String =
                serde_json::from_str(&self.quoted_name()?).map_err(|_| Stop::Nonsense)?;
            let name = (self.rules.attribute)(&name).unwrap_or(name);
            if !matches!(token::attr_path(name.as_bytes()), Ok((rest, _)) if rest.is_empty()) {
                return Err(Stop::Nonsense);
            }
            self.skip();
            if !self.take(":") {
                return Err(Stop::Nonsense);
            }
            self.skip();
            let rest = self.rest();
            let end = rest.find([',', '}']).unwrap_or(rest.len());
            let value = match is_quoted(rest) {
                true => self.quoted()?,
                false => {
                    self.at += end;
                    let literal = rest.get(..end).unwrap_or_default().trim_end_matches(is_space);
                    if !literal.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b)) {
                        return Err(Stop::Ambiguous);
                    }
                    literal.to_owned()
                }
            };
            self.term(&name, CompareOp::Eq, &value)?;
            self.skip();
            if self.take(",") {
                self.out.push_str(" and ");
                continue;
            }
            let closed = self.take("}");
            self.skip();
            return if closed && self.rest().is_empty() { Ok(()) } else { Err(Stop::Nonsense) };
        }
    }

    fn quoted_name(&mut self) -> Result<String, Stop> {
        let rest = self.rest();
        let end = rest.strip_prefix('"').and_then(|rest| rest.find('"')).ok_or(Stop::Nonsense)?;
        let name = rest.get(..end + 2).ok_or(Stop::Nonsense)?;
        self.at += name.len();
        Ok(name.to_owned())
    }
}
