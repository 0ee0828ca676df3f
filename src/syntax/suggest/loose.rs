//! Reads a damaged filter term by term and writes the filter that it means.
//!
//! What is written need not be in the grammar: brackets are copied as they are, and the caller parses
//! the result. Whatever has two meanings stops the reading.

use super::operator::{FUNCTIONS, Meaning, SYMBOL, is_operator};
use super::value::{is_quoted, pattern};
use super::{CompareOp, Limits, Rules, Stop, trim_start, until};
use crate::syntax::steps;
use crate::syntax::token::is_space;
use std::fmt::Write as _;

/// Reads a text and writes the filter that it means.
pub(super) fn read(text: &str, limits: Limits, rules: &Rules<'_>) -> Result<String, Stop> {
    let mut loose = Loose {
        text,
        at: 0,
        out: String::with_capacity(text.len()),
        rules,
        terms: limits.terms(),
        depth: limits.depth(),
        brackets: Vec::new(),
        last: None,
        joined: "",
        connectives: Vec::new(),
        negated: false,
        shared: false,
        glued: false,
        cut: false,
        symbol: false,
        worded: false,
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
    // Which terms share an attribute is not certain where brackets are missing.
    let mixed = |connectives: &[&str]| connectives.windows(2).any(|two| two.first() != two.last());
    if loose.shared && (loose.negated || mixed(&loose.connectives)) {
        return Err(Stop::Ambiguous);
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
    pub(super) out: String,
    pub(super) rules: &'r Rules<'r>,
    /// How many more terms may be read.
    terms: usize,
    /// How many brackets may be open.
    depth: usize,
    /// Open square brackets: where in the output what they hold begins.
    brackets: Vec<usize>,
    /// The path and operator of the last term.
    last: Option<(String, CompareOp)>,
    /// The connective before the next operand.
    joined: &'static str,
    /// All connectives, and whether there is a negation.
    connectives: Vec<&'static str>,
    negated: bool,
    /// Whether a value had the attribute and operator of the term before.
    shared: bool,
    /// Whether no blank is after the operator, and whether a value ended at a connective without one.
    pub(super) glued: bool,
    pub(super) cut: bool,
    /// Whether the operator is a symbol, or in words of another language.
    pub(super) symbol: bool,
    pub(super) worded: bool,
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
    for (symbol, meant) in [("&&", "and"), ("||", "or"), ("&", "and"), ("|", "or")] {
        if let Some(after) = text.strip_prefix(symbol) {
            let other = after.starts_with(['&', '|', '=']) || symbol == "&" && is_entity(after);
            return text.get(..symbol.len()).filter(|_| !other).map(|symbol| (symbol, meant));
        }
    }
    // The longest word is `-and`.
    const LONGEST: usize = 4;
    let stops = |b: u8| is_space(b.into()) || b"()[]\"".contains(&b);
    let stop = text.bytes().take(LONGEST + 1).position(stops);
    let end = stop.or((text.len() <= LONGEST).then_some(text.len()))?;
    steps::count(end);
    let word = text.get(..end)?;
    let plain = word.strip_prefix('-').unwrap_or(word);
    let meant = match plain {
        _ if plain.eq_ignore_ascii_case("and") => "and",
        _ if plain.eq_ignore_ascii_case("or") => "or",
        _ => return None,
    };
    Some((word, meant))
}

/// Whether what is after an ampersand is the rest of an entity.
fn is_entity(after: &str) -> bool {
    let name = after.bytes().take_while(|b| b.is_ascii_alphanumeric() || *b == b'#').take(10);
    after.as_bytes().get(name.count()) == Some(&b';')
}

/// The word that a text begins with, up to white space, a bracket, a quote or a symbol.
pub(super) fn word(text: &str) -> &str {
    let stops = |c: char| is_space(c) || "()[]{},;".contains(c) || SYMBOL.contains(&c);
    let end = until(text, |c| stops(c) || is_quoted(c.encode_utf8(&mut [0; 4])));
    text.get(..end).unwrap_or_default()
}

/// The same for a URN, of which colons are a part.
pub(super) fn urn_word(text: &str) -> &str {
    let end = until(text, |c| !c.is_ascii_alphanumeric() && !":.-_".contains(c));
    text.get(..end).unwrap_or_default()
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
    pub(super) fn skip(&mut self) -> &'t str {
        let rest = self.rest();
        let after = trim_start(rest);
        self.move_to(after);
        rest.get(..rest.len() - after.len()).unwrap_or_default()
    }

    pub(super) fn take(&mut self, token: &str) -> bool {
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
                    self.open(&path)?;
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

    /// Writes the start of a value path.
    fn open(&mut self, path: &str) -> Result<(), Stop> {
        if self.brackets.len() >= self.depth {
            return Err(Stop::Nonsense);
        }
        let _ = write!(self.out, "{path}[");
        self.brackets.push(self.out.len());
        Ok(())
    }

    /// Writes a `not`, whose bracket may be missing round one term.
    fn negate(&mut self, negated: &mut bool) -> Result<(), Stop> {
        self.skip();
        if *negated {
            return Err(Stop::Nonsense);
        }
        self.negated = true;
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
        self.shared = true;
        let value = self.quoted()?;
        self.term(&path, operator, &value)
    }

    pub(super) fn term(
        &mut self,
        path: &str,
        operator: CompareOp,
        value: &str,
    ) -> Result<(), Stop> {
        self.terms = self.terms.checked_sub(1).ok_or(Stop::Nonsense)?;
        let _ = write!(self.out, "{path} {operator} {value}");
        Ok(())
    }

    fn comparison(&mut self, path: &str) -> Result<(), Stop> {
        let meaning = self.operator().ok_or(Stop::Nonsense)?;
        let gap = self.skip();
        self.glued = gap.is_empty() && self.symbol;
        let gap = if gap.is_empty() && self.foreign { " " } else { gap };
        match meaning {
            Meaning::Present | Meaning::Absent => {
                self.terms = self.terms.checked_sub(1).ok_or(Stop::Nonsense)?;
                let _ = match meaning {
                    Meaning::Present => write!(self.out, "{path} pr"),
                    _ => write!(self.out, "not ({path} pr)"),
                };
                Ok(())
            }
            Meaning::Like => {
                let value = self.quoted()?;
                let (operator, value) = pattern(&value)?;
                self.term(path, operator, &value)
            }
            // A list that is not in brackets may be one in a string.
            Meaning::In | Meaning::NotIn if !self.rest().starts_with(['(', '[']) => {
                Err(Stop::Ambiguous)
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
        let values = match closing {
            Some(closing) => self.list(closing)?,
            None => {
                let first = self.value(operator, gap)?;
                self.listed(first, false)?
            }
        };
        self.last = Some((path.to_owned(), operator));
        if let [value] = values.as_slice() {
            // A list in one string.
            if closing.is_some() && value.contains(',') {
                return Err(Stop::Ambiguous);
            }
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

    /// Reads values in brackets.
    fn list(&mut self, closing: &str) -> Result<Vec<String>, Stop> {
        self.at += 1;
        self.skip();
        let is_name = !is_quoted(self.rest());
        let first = self.item()?;
        let values = self.listed(first, true)?;
        self.skip();
        if !self.take(closing) {
            return Err(Stop::Nonsense);
        }
        // Brackets are quotes of names elsewhere.
        match closing == "]" && is_name && values.len() == 1 {
            true => Err(Stop::Ambiguous),
            false => Ok(values),
        }
    }

    /// Reads what follows the first value of a list.
    fn listed(&mut self, first: String, in_brackets: bool) -> Result<Vec<String>, Stop> {
        let mut values = vec![first];
        loop {
            let start = self.at;
            self.skip();
            let next = self.rest().strip_prefix(',').map(trim_start);
            let goes_on = next.is_some_and(|next| in_brackets || is_quoted(next));
            if self.in_object || !goes_on {
                self.at = start;
                return Ok(values);
            }
            self.at += 1;
            self.skip();
            values.push(self.item()?);
        }
    }

    /// Reads a function of another language, such as `startswith(id, 'A')`, if there is one.
    fn function(&mut self) -> Result<bool, Stop> {
        let word = self.word();
        let known = FUNCTIONS.iter().find(|(name, _)| word.eq_ignore_ascii_case(name));
        let Some((_, operator)) = known else { return Ok(false) };
        let rest = self.rest().get(word.len()..).unwrap_or_default();
        let Some(arguments) = trim_start(rest).strip_prefix('(') else {
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
                self.last = None;
                continue;
            }
            let (word, meant) = connective(rest).ok_or(Stop::Nonsense)?;
            self.at += word.len();
            self.joined = meant;
            self.connectives.push(meant);
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
        // What compares the sub-attribute already may contradict another comparison of it.
        let inner = self.out.get(start..).unwrap_or_default();
        steps::count(inner.len());
        let words = inner.split(|c: char| is_space(c) || c == '(');
        if words.into_iter().any(|word| word.eq_ignore_ascii_case(name)) {
            return Err(Stop::Ambiguous);
        }
        self.out.insert(start, '(');
        self.out.push_str(") and ");
        self.comparison(name)?;
        // `emails[…] eq true` asks whether there is one.
        match name == "value" && !self.out.ends_with(['"', ')']) {
            true => Err(Stop::Ambiguous),
            false => Ok(()),
        }
    }
}
