//! The tolerant reader: reads a damaged filter term by term and writes the filter that it means.
//!
//! It is a recursive-descent reader without the recursion: it reads left to right, and appends to
//! [`out`](Loose::out) what each piece means. Its parts are in modules of their own:
//!
//! ```text
//! operand ─▶ path        (path)      spaceid, $.data.id, urn:a:b:User.name, Space Ids
//!         ─▶ comparison
//!              operator  (operator)  ==, <>, is not equal to, like, in
//!              value     (value)     'a', “a”, N'a', "a"
//!                        (bare)      a1, my app, %22a%22
//!              values    (list)      ('a', 'b')  ["a", "b"]  "a", "b"
//! connective             (here)      and, or, &&, ||, &, |, -and
//! object                 (object)    {"id": "a", "spaceId": "b"}
//! ```
//!
//! # What is written
//!
//! `id in ('a', 'b') && spaceId==c` is written as `(id eq "a" or id eq "b") and spaceId eq "c"`.
//! The output need not be in the grammar: brackets are copied as they are, and the caller parses
//! the result. Brackets are not matched here, except where text is moved into them.
//!
//! # When it stops
//!
//! A piece that cannot be read is [`Stop::Nonsense`]: this reading fails, and others may succeed. A
//! piece with two meanings is [`Stop::Ambiguous`]: no suggestion is made at all. Some meanings
//! depend on what comes later, so the reader records what it saw in the flags of [`Loose`], and
//! [`read`] checks them at the end. For example, `id eq 5 and name eq bob` lost its quotes, so `5`
//! may be a number or a string.

use super::operator::{FUNCTIONS, Meaning, SYMBOL, is_operator};
use super::value::{is_quoted, pattern};
use super::{CompareOp, Limits, Rules, Stop, trim_start, until};
use crate::diagnostic::Parts;
use crate::syntax::steps;
use crate::syntax::token::is_space;
use std::fmt::Write as _;

/// Reads a text and returns the filter that it means, which the caller still has to parse.
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
    // Without brackets it is uncertain which terms share an attribute: `a eq "1" or "2" and b pr`.
    // `a eq "1" and "2"` was refused where it was read. What is checked here needs the whole text.
    let mixed = |connectives: &[&str]| connectives.windows(2).any(|two| two.first() != two.last());
    if loose.shared && (loose.negated || mixed(&loose.connectives)) {
        return Err(Stop::Ambiguous);
    }
    // If quotes are missing, a bare number may be a string too, and a word such as `is` may belong
    // to a value.
    if loose.bare && (loose.literal || loose.native && loose.foreign) {
        return Err(Stop::Ambiguous);
    }
    Ok(loose.out)
}

/// The state of the reader: its place, its output, and what it saw so far.
pub(super) struct Loose<'t, 'r> {
    text: &'t str,
    /// The offset of the next byte to read.
    pub(super) at: usize,
    /// The filter as far as it is written.
    pub(super) out: String,
    pub(super) rules: &'r Rules<'r>,
    /// How many more terms may be written.
    terms: usize,
    /// How many square brackets may be open.
    depth: usize,
    /// For each open square bracket, the offset in `out` of the text after it.
    brackets: Vec<usize>,
    /// The path and operator of the last term.
    pub(super) last: Option<(String, CompareOp)>,
    /// The connective before the next operand.
    joined: &'static str,
    /// All connectives in order.
    connectives: Vec<&'static str>,
    /// Whether there is a negation.
    negated: bool,
    /// Whether a value took the attribute and operator of the term before it.
    shared: bool,
    /// Whether the last operator is a symbol without a space after it: `id==a`.
    pub(super) glued: bool,
    /// Whether a bare value ended at a connective without a space before it: `a&&id==b`.
    pub(super) cut: bool,
    /// Whether the last operator is a symbol.
    pub(super) symbol: bool,
    /// Whether the last operator is in words of another language.
    pub(super) worded: bool,
    /// Whether any value had lost its quotes.
    pub(super) bare: bool,
    /// Whether any literal may be a string that lost its quotes.
    pub(super) literal: bool,
    /// Whether any operator of SCIM was read.
    pub(super) native: bool,
    /// Whether any operator of another language was read.
    pub(super) foreign: bool,
    /// Whether the text is a JSON object.
    pub(super) in_object: bool,
}

/// Returns the connective that a text begins with, as written and as the word of SCIM.
pub(super) fn connective(text: &str) -> Option<(&str, &'static str)> {
    for (symbol, meant) in [("&&", "and"), ("||", "or"), ("&", "and"), ("|", "or")] {
        if let Some(after) = text.strip_prefix(symbol) {
            // `&&&`, `|=` and `&quot;` begin with a connective and are none.
            let other = after.starts_with(['&', '|', '=']) || symbol == "&" && is_entity(after);
            return (!other).then_some((symbol, meant));
        }
    }
    // The longest word is `-and`, so a longer one is not scanned to its end.
    const MAX_WORD: usize = 4;
    let stops = |b: u8| is_space(b.into()) || b"()[]\"".contains(&b);
    let stop = text.bytes().take(MAX_WORD + 1).position(stops);
    let end = stop.or((text.len() <= MAX_WORD).then_some(text.len()))?;
    steps::count(end);
    let word = text.head(end);
    // Only some languages write a dash: `-and`.
    let plain = word.strip_prefix('-').unwrap_or(word);
    let meant = match plain {
        _ if plain.eq_ignore_ascii_case("and") => "and",
        _ if plain.eq_ignore_ascii_case("or") => "or",
        _ => return None,
    };
    Some((word, meant))
}

/// Returns whether the text after an ampersand is the rest of an HTML entity.
fn is_entity(after: &str) -> bool {
    let name = after.bytes().take_while(|b| b.is_ascii_alphanumeric() || *b == b'#').take(10);
    after.as_bytes().get(name.count()) == Some(&b';')
}

/// Returns the word that a text begins with, up to white space, a bracket, a quote or a symbol.
pub(super) fn word(text: &str) -> &str {
    let stops = |c: char| is_space(c) || "()[]{},;".contains(c) || SYMBOL.contains(&c);
    text.head(until(text, |c| stops(c) || is_quoted(c.encode_utf8(&mut [0; 4]))))
}

/// Returns the part of a URN that a text begins with; colons belong to it.
pub(super) fn urn_word(text: &str) -> &str {
    text.head(until(text, |c| !c.is_ascii_alphanumeric() && !":.-_".contains(c)))
}

impl<'t> Loose<'t, '_> {
    /// Returns the text that is left.
    pub(super) fn rest(&self) -> &'t str {
        self.text.tail(self.at)
    }

    /// Returns the text from an offset to its end.
    pub(super) fn from(&self, start: usize) -> &'t str {
        self.text.tail(start)
    }

    /// Returns the next word without moving past it.
    pub(super) fn word(&self) -> &'t str {
        word(self.rest())
    }

    /// Moves to the place after which `rest`, the end of the text, is left.
    pub(super) fn move_to(&mut self, rest: &str) {
        self.at = self.text.len() - rest.len();
    }

    /// Skips white space and returns it.
    pub(super) fn skip(&mut self) -> &'t str {
        let rest = self.rest();
        let after = trim_start(rest);
        self.move_to(after);
        rest.before_rest(after)
    }

    /// Moves past a token if it is next, and returns whether it was.
    pub(super) fn take(&mut self, token: &str) -> bool {
        let found = self.rest().starts_with(token);
        if found {
            self.at += token.len();
        }
        found
    }

    /// Reads opening brackets and negations, then one term.
    fn operand(&mut self) -> Result<(), Stop> {
        let mut negated = false;
        loop {
            self.skip();
            if is_quoted(self.rest()) {
                return self.bare_operand();
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
                    // `not` is an attribute here: `not eq "a"`.
                    self.at = start;
                } else {
                    self.negate(&mut negated)?;
                    continue;
                }
            }
            if !self.function()? {
                let path = self.path()?.into_owned();
                self.skip();
                // `not a[b pr]` without brackets: where the `not` ends would have to be found again
                // after the value path. The comparison below fails on the `[`, so this reading
                // fails too.
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

    /// Writes the start of a value path, up to its bracket.
    fn open(&mut self, path: &str) -> Result<(), Stop> {
        if self.brackets.len() >= self.depth {
            return Err(Stop::Nonsense);
        }
        let _ = write!(self.out, "{path}[");
        self.brackets.push(self.out.len());
        Ok(())
    }

    /// Writes `not (`. If the text has no bracket after the `not`, it negates one term, and
    /// `negated` is set so that the bracket is closed after it.
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

    /// Reads an operand that is only a value, and completes it from the term before it.
    ///
    /// `id eq "a" or "b"` and `id ne "a" and "b"` have one meaning each. Other pairs of operator
    /// and connective are contradictions or tautologies, so they are ambiguous.
    fn bare_operand(&mut self) -> Result<(), Stop> {
        let (path, operator) = self.last.clone().ok_or(Stop::Nonsense)?;
        // `id eq "a" and id eq "b"` is a contradiction, so it is not what the author means.
        let joins =
            matches!((operator, self.joined), (CompareOp::Eq, "or") | (CompareOp::Ne, "and"));
        if !joins || self.bare || !self.rest().starts_with('"') {
            return Err(Stop::Ambiguous);
        }
        self.shared = true;
        let value = self.quoted()?;
        self.term(&path, operator, &value)
    }

    /// Writes one comparison, within the limit of terms.
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

    /// Reads an operator and its value or values, and writes what they mean.
    fn comparison(&mut self, path: &str) -> Result<(), Stop> {
        let meaning = self.operator().ok_or(Stop::Nonsense)?;
        let gap = self.skip();
        self.glued = gap.is_empty() && self.symbol;
        // Other languages need no space after an operator: `id=a`.
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
            // A list without brackets may be a list in one string: `id in "a,b"`.
            Meaning::In | Meaning::NotIn if !self.rest().starts_with(['(', '[']) => {
                Err(Stop::Ambiguous)
            }
            Meaning::In => self.values(path, CompareOp::Eq, gap),
            Meaning::NotIn => self.values(path, CompareOp::Ne, gap),
            Meaning::Compare(operator) => self.values(path, operator, gap),
        }
    }

    /// Reads a function of another language, such as `startswith(id, 'A')`, and returns whether
    /// there was one.
    fn function(&mut self) -> Result<bool, Stop> {
        let word = self.word();
        let known = FUNCTIONS.iter().find(|(name, _)| word.eq_ignore_ascii_case(name));
        let Some((_, operator)) = known else { return Ok(false) };
        let rest = self.rest().tail(word.len());
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
        self.skip_eq_true();
        self.term(&path, *operator, &value)?;
        Ok(true)
    }

    /// Skips `eq true` after a function, as OData requires it.
    fn skip_eq_true(&mut self) {
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

    /// Reads closing brackets and a connective, and returns whether another operand follows.
    fn connective(&mut self) -> Result<bool, Stop> {
        loop {
            self.skip();
            let rest = self.rest();
            // Punctuation after the last term is dropped, unless it may belong to a bare value.
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
                // The attribute in the brackets is not one of the terms outside.
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

    /// Moves a comparison after a value path into its brackets.
    ///
    /// `a[b eq 1].c eq 2` becomes `a[(b eq 1) and c eq 2]`. Without a sub-attribute, `value` is
    /// compared, the default sub-attribute of a multi-valued attribute (RFC 7643 section 2.4).
    /// `start` is the offset in the output of the text in the brackets.
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
        // The brackets may already compare this sub-attribute, and two comparisons may contradict.
        let inner = self.out.tail(start);
        steps::count(inner.len());
        let words = inner.split(|c: char| is_space(c) || c == '(');
        if words.into_iter().any(|word| word.eq_ignore_ascii_case(name)) {
            return Err(Stop::Ambiguous);
        }
        // The brackets may contain an `or`, which binds less tightly than the `and` that follows.
        // Superfluous brackets vanish when the result is printed.
        self.out.insert(start, '(');
        self.out.push_str(") and ");
        self.comparison(name)?;
        // `emails[…] eq true` asks whether any value matches.
        match name == "value" && !self.out.ends_with(['"', ')']) {
            true => Err(Stop::Ambiguous),
            false => Ok(()),
        }
    }
}
