//! Writes the message and the help for each place at which the parser stops.
//!
//! The parser only knows which token it needed next. To say something useful, the functions here
//! look at what is there instead, and at the text before it. Each returns one kind of error:
//!
//! ```text
//! id eq "a" or or b pr      no_operand       expected a term between `or` and `or`
//! id == "a"                 no_operator      `==` is not an operator of SCIM filters
//! id eq a1                  no_value         value `a1` is not in double quotes
//! id eq "a" x               no_connective    expected `and`, `or` or end of filter, found `x`
//! (id eq "a"                unclosed         `(` is never closed
//! ```
//!
//! A message describes the problem in terms of the text; the help says what to write. Neither
//! decides what the author meant: a corrected filter comes only from the suggestion engine (see
//! [`suggest`](super::suggest)), which replaces the help when it finds one.
//!
//! Other languages write the same ideas in other words (`==`, `&&`, `contains`). Their table is
//! here, so that the message names the operator of SCIM that takes their place.

use super::CompareOp;
use super::cursor::Cursor;
use super::error::{Error, ErrorKind, Expected, operators};
use super::is_space;
use super::suggest::{FUNCTIONS, is_operator};
use super::token;
use super::tree::Open;
use crate::diagnostic::{Parts, Span, quote};

/// Words and symbols of other languages, each with the SCIM operator that replaces it.
const LOOKALIKES: [(&str, CompareOp); 21] = [
    ("=", CompareOp::Eq),
    ("==", CompareOp::Eq),
    ("===", CompareOp::Eq),
    (":", CompareOp::Eq),
    ("!=", CompareOp::Ne),
    ("!==", CompareOp::Ne),
    ("<>", CompareOp::Ne),
    ("<", CompareOp::Lt),
    ("<=", CompareOp::Le),
    (">", CompareOp::Gt),
    (">=", CompareOp::Ge),
    ("is", CompareOp::Eq),
    ("equals", CompareOp::Eq),
    ("neq", CompareOp::Ne),
    ("contains", CompareOp::Co),
    ("startswith", CompareOp::Sw),
    ("starts", CompareOp::Sw),
    ("endswith", CompareOp::Ew),
    ("ends", CompareOp::Ew),
    ("gte", CompareOp::Ge),
    ("lte", CompareOp::Le),
];

/// Characters that begin an operator or a connective of another language.
const SYMBOLS: [char; 8] = ['=', '!', '<', '>', '~', ':', '&', '|'];
/// Quotes that authors write instead of `"`: [`SINGLE_QUOTES`], then the typographic double quotes.
pub(super) const QUOTES: [char; 13] =
    ['\'', '‘', '’', '‚', '‛', '`', '´', '“', '”', '„', '‟', '«', '»'];
/// Single quotes, and the marks that keyboards and word processors put in their place.
pub(super) const SINGLE_QUOTES: [char; 7] = ['\'', '‘', '’', '‚', '‛', '`', '´'];
/// The double quote, and the typographic ones that word processors put in its place.
pub(super) const DOUBLE_QUOTES: [char; 7] = ['"', '“', '”', '„', '‟', '«', '»'];

impl<'t> Cursor<'t> {
    /// Returns the word before the cursor if it is `and` or `or`.
    fn connective_before(&self) -> Option<&'t str> {
        let before = self.read().trim_end_matches(token::is_space);
        let word = after_last(before, |c| token::is_space(c) || "()[]\"".contains(c));
        is_connective(word).then_some(word)
    }

    /// The error for an empty place where a term is needed; `found` is the text after it.
    ///
    /// Between two connectives, either may be the superfluous one, so the message names both.
    fn missing_operand(&self, span: Span, found: Option<&str>) -> Error {
        let before = self.connective_before();
        let found = found.map(quote);
        let joins = |found: &str| is_connective(found) || found.starts_with(['&', '|']);
        let (message, help) = match (before, found) {
            (Some(before), Some(found)) if joins(&found) => (
                format!("expected a term between `{before}` and `{found}`"),
                "remove one of them, or write a term between them".to_owned(),
            ),
            (Some(before), _) => (
                format!("expected a term after `{before}`"),
                format!("remove the `{before}`, or write a term such as `id eq \"…\"` after it"),
            ),
            (None, Some(found)) if joins(&found) => (
                format!("expected a term before `{found}`"),
                format!("remove the `{found}`, or write a term such as `id eq \"…\"` before it"),
            ),
            (None, _) => (
                "expected a term between the brackets".to_owned(),
                "remove the brackets, or write a term such as `id eq \"…\"` between them"
                    .to_owned(),
            ),
        };
        Expected::Operand.error(ErrorKind::MissingOperand, span, message, help)
    }

    /// The error for a place where a term must begin, but none does.
    ///
    /// The text there decides what is missing: nothing at all, a closing bracket, a symbol, or
    /// [something that is not an attribute](Self::not_an_attribute).
    pub(super) fn no_operand(&self, open: Option<Open>) -> Error {
        let span = self.next_char();
        let Some(found) = self.peek() else {
            return self.nothing_more(open);
        };
        match found {
            // `)` at the start closes nothing. After `and`, the missing term is the better
            // explanation.
            ')' | ']' if open.is_none() && self.connective_before().is_none() => {
                self.unopened(None, found)
            }
            ')' | ']' => self.missing_operand(span, Some(&found.to_string())),
            '&' | '|' => {
                let symbols = leading(self.word(), &['&', '|']);
                self.missing_operand(self.here(symbols.len()), Some(symbols))
            }
            _ => self.not_an_attribute(found),
        }
    }

    /// The error for a text that ends where a term must begin.
    fn nothing_more(&self, open: Option<Open>) -> Error {
        let span = self.next_char();
        // White space counts as empty: there is no bracket or connective that lacks a term.
        if self.text.chars().all(token::is_space) {
            let help = "write a term such as `id eq \"…\"`";
            return Expected::Operand.error(ErrorKind::Empty, span, "filter is empty", help);
        }
        match (self.connective_before(), open) {
            (None, Some(open)) => self.unclosed(open),
            _ => self.missing_operand(span, None),
        }
    }

    /// The error for a term that begins with `found`, which no attribute does.
    ///
    /// It is a value without an attribute, an operator or a bracket, a shell's quote, or a word
    /// that is not a name.
    fn not_an_attribute(&self, found: char) -> Error {
        let (kind, message, help) = match found {
            '"' => (
                ErrorKind::InvalidPath,
                "expected an attribute, found a value".to_owned(),
                "write the attribute first, then the operator, then the value: `id eq \"…\"`"
                    .to_owned(),
            ),
            '!' => (
                ErrorKind::SymbolicOperator,
                "`!` is not an operator of SCIM filters".to_owned(),
                "compare with `ne`, or negate with `not` and brackets: `not(id eq \"…\")`"
                    .to_owned(),
            ),
            quote if QUOTES.contains(&quote) && self.at == 0 => (
                ErrorKind::WrongQuotes,
                format!("filter begins with the quote `{quote}`"),
                format!("remove the `{quote}` at both ends: they are not part of the filter"),
            ),
            '[' => (
                ErrorKind::InvalidPath,
                "expected an attribute before `[`".to_owned(),
                "write the attribute first, as in `emails[type eq \"work\"]`, or use `(`"
                    .to_owned(),
            ),
            _ => {
                let (word, kind) = (self.word(), ErrorKind::InvalidPath);
                let message = format!("`{}` is not an attribute", quote(word));
                let span = self.here(word.len());
                return Expected::Operand.error(kind, span, message, name_help(word));
            }
        };
        Expected::Operand.error(kind, self.next_char(), message, help)
    }

    /// The error for a path that is followed by something other than white space or `[`.
    ///
    /// Either the operator has no space before it (`id==`), or the path goes on with a character
    /// that a name cannot have (`a.b.c`, `größe`), or it is the name of a function (`contains(`).
    pub(super) fn bad_path(&self, path: Span) -> Error {
        let word = self.word();
        let found = self.peek();
        if is_symbolic(word) && found != Some(':') {
            return self.no_operator(path, word);
        }
        if found == Some('(')
            && let Some(error) = self.function(path)
        {
            return error;
        }
        // `id"a"` and `(id)`: the path is complete, and an operator is missing.
        if matches!(found, Some(')' | ']' | '"' | '(')) {
            return self.no_operator(path, "");
        }
        let span = Span { end: self.here(word.len()).end, ..path };
        let written = self.slice(span);
        let name = after_last(self.slice(path), |c| c == ':');
        let help = match found {
            Some('.') if is_urn(written) => {
                "write a colon between the URN and the name, as in `urn:example:schema:name`"
            }
            Some('.') if name.contains('.') => {
                "an attribute has at most one sub-attribute, as in `name.familyName`"
            }
            Some(':') => "write the whole URI before the name, as in `urn:example:schema:name`",
            _ => &name_help(written),
        };
        let message = format!("`{}` is not an attribute", quote(written));
        Expected::Operand.error(ErrorKind::InvalidPath, span, message, help)
    }

    /// The error for a function of another language, such as `startswith(id, "a")`.
    fn function(&self, path: Span) -> Option<Error> {
        let name = self.slice(path);
        let (_, operator) = FUNCTIONS.iter().find(|(known, _)| name.eq_ignore_ascii_case(known))?;
        let message = format!("`{}(…)` is a function, which SCIM filters do not have", quote(name));
        let help = format!("write the attribute first, then `{operator}`, then the value");
        let error = Expected::Operand.error(ErrorKind::UnknownOperator, path, message, help);
        Some(Error { meant: Some(*operator), ..error })
    }

    /// The error for a path that `word` follows, which is not an operator. `word` may be empty.
    pub(super) fn no_operator(&self, path: Span, word: &str) -> Error {
        let written = self.slice(path);
        let name = quote(written);
        if is_connective(written) && !is_symbolic(word) {
            // A lone `or` parses as the path of an attribute, but it is the connective.
            let before = Cursor { at: path.start as usize, ..*self };
            return before.missing_operand(path, Some(written));
        }
        let span = if word.is_empty() { self.next_char() } else { self.here(word.len()) };
        let error = |kind, span, message: String, help: String| {
            Expected::Operator.error(kind, span, message, help)
        };
        if let Some(error) = self.other_operator(path, word) {
            return error;
        }
        // `not id eq "a"` parses as an attribute `not` and an operator `id`.
        if written.eq_ignore_ascii_case("not") && !word.is_empty() {
            let message = "expected `(` after `not`".to_owned();
            let help = format!("put brackets around what it negates: `not({} …)`", quote(word));
            let kind = ErrorKind::NotWithoutBrackets;
            return Expected::Bracket.error(kind, path, message, help);
        }
        // `id 'a'`: the word is the value, and the operator before it is missing.
        let missing = QUOTES.iter().any(|quote| word.starts_with(*quote));
        if word.is_empty() || is_connective(word) || missing {
            let help = format!("compare it, as in `{name} eq \"…\"`");
            let message = format!("expected an operator after attribute `{name}`");
            return error(ErrorKind::MissingOperator, span, message, help);
        }
        error(
            ErrorKind::UnknownOperator,
            span,
            format!("`{}` is not an operator", quote(word)),
            format!("use one of {}", operators()),
        )
    }

    /// The error for a `word` that begins with an operator of another language.
    fn other_operator(&self, path: Span, word: &str) -> Option<Error> {
        let symbols = leading(word, &SYMBOLS);
        let (kind, found) = match symbols {
            "" => (ErrorKind::UnknownOperator, word),
            _ => (ErrorKind::SymbolicOperator, symbols),
        };
        let span = self.here(found.len());
        let message = format!("`{}` is not an operator of SCIM filters", quote(found));
        let term = quote(self.slice(path));
        let help = match found.to_ascii_lowercase().as_str() {
            "in" => {
                format!("compare with one value at a time: `{term} eq \"…\" or {term} eq \"…\"`")
            }
            "like" => {
                "compare a part of the value: `sw` (starts with), `ew` (ends with), `co` (contains)"
                    .to_owned()
            }
            "is" if self
                .rest()
                .tail(found.len())
                .trim_start_matches(is_space)
                .starts_with("not") =>
            {
                let help = "use `ne`";
                let error = Expected::Operator.error(kind, span, message, help);
                return Some(Error { meant: Some(CompareOp::Ne), ..error });
            }
            lower => {
                let (_, operator) = LOOKALIKES.iter().find(|(other, _)| lower == *other)?;
                let help = format!("use `{operator}`");
                let error = Expected::Operator.error(kind, span, message, help);
                return Some(Error { meant: Some(*operator), ..error });
            }
        };
        Some(Expected::Operator.error(kind, span, message, help))
    }

    /// The error for text after a complete term that is neither a connective nor a closing bracket.
    ///
    /// `word` is the bare word there; it is empty if the text begins with a bracket or a quote.
    pub(super) fn no_connective(&self, open: Option<Open>, word: &str) -> Error {
        let (expected, end) = match open {
            Some((_, closing)) => (Expected::Closing(closing), format!("`{closing}`")),
            None => (Expected::Connective, "end of filter".to_owned()),
        };
        if let Some(error) = self.other_connective(expected, word) {
            return error;
        }
        let before = self.read();
        if before.trim_end_matches(token::is_space).ends_with(']')
            && let Some(error) = self.after_value_path(expected)
        {
            return error;
        }
        let kind = ErrorKind::MissingConnective;
        // `"a "b" c"`: the quotes inside the value closed it too early.
        if before.ends_with('"') && !word.is_empty() {
            let found = quote(word);
            let message = format!("expected `and`, `or` or {end} after a value, found `{found}`");
            let help = "write a double quote inside a value as `\\\"`; \
                join terms with ` and ` or ` or `";
            return expected.error(kind, self.here(word.len()), message, help);
        }
        let span = if word.is_empty() { self.next_char() } else { self.here(word.len()) };
        let message = format!("expected `and`, `or` or {end}, found `{}`", quote(self.slice(span)));
        let help = "join terms with `and` or `or`: `a eq \"…\" or b eq \"…\"`";
        expected.error(kind, span, message, help)
    }

    /// The error for a `word` that begins with a symbol by which other languages join terms.
    fn other_connective(&self, expected: Expected, word: &str) -> Option<Error> {
        let found = leading(word, &['&', '|', ',', ';']);
        let help = match (found, self.rest().tail(found.len()).trim_start()) {
            ("", _) => return None,
            (_, "") => format!("remove the `{found}`"),
            _ if found.starts_with([',', ';']) => "join terms with `and` or `or`".to_owned(),
            _ => {
                let meant = if found.starts_with('&') { "and" } else { "or" };
                format!("write `{meant}` instead, with a space on each side")
            }
        };
        let message = format!("`{found}` does not join terms in SCIM filters");
        let kind = ErrorKind::SymbolicOperator;
        Some(expected.error(kind, self.here(found.len()), message, help))
    }

    /// The error for a sub-attribute or an operator after the bracket that closes a value path.
    ///
    /// `emails[type eq "work"].value` is a path of a PATCH request (RFC 7644 section 3.5.2), so
    /// authors expect it in filters too. Returns `None` if something else follows.
    fn after_value_path(&self, expected: Expected) -> Option<Error> {
        let rest = self.rest();
        let (name, after) = match rest.strip_prefix('.') {
            Some(path) => {
                let name = before_first(path, token::is_space);
                (Some(name), path.tail(name.len()))
            }
            None => (None, rest),
        };
        // Only words are read from this cursor. Its offsets are not those of the filter.
        let mut next = Cursor { text: after, at: 0 };
        next.skip_spaces();
        let compared = is_operator(next.word()) || is_symbolic(next.word());
        if name.is_none() && !compared {
            return None;
        }
        let name = quote(name.unwrap_or("value"));
        let span = self.here(self.word().len());
        let (message, help) = if compared {
            (
                "a sub-attribute is compared inside the brackets of a value path, not after them"
                    .to_owned(),
                format!(
                    "compare it inside the brackets, as in \
                     `emails[type eq \"work\" and {name} eq \"…\"]`"
                ),
            )
        } else {
            (
                format!(
                    "a value path followed by `.{name}` is a path of a PATCH request, not a filter"
                ),
                format!(
                    "compare the sub-attribute inside the brackets, as in \
                     `emails[type eq \"work\" and {name} eq \"…\"]`"
                ),
            )
        };
        Some(expected.error(ErrorKind::MissingConnective, span, message, help))
    }

    /// The error for missing white space at `gap`, between two parts.
    pub(super) fn no_space(&self, gap: Span, before: Span, after: Span) -> Error {
        let (before, after) = (quote(self.slice(before)), quote(self.slice(after)));
        if is_connective(&before) && after.starts_with([')', ']']) {
            let message = format!("expected a term after `{before}`");
            let help =
                format!("remove the `{before}`, or write a term such as `id eq \"…\"` after it");
            return Expected::Operand.error(ErrorKind::MissingOperand, gap, message, help);
        }
        let message = format!("expected a space between `{before}` and `{after}`");
        let help = format!("write `{before} {after}`");
        Expected::Space.error(ErrorKind::MissingSpace, gap, message, help)
    }

    /// The error for a bracket that is still open at the end of the text.
    pub(super) fn unclosed(&self, (bracket, closing): Open) -> Error {
        let opening = self.slice(bracket);
        let message = format!("`{opening}` is never closed");
        let help = format!("add `{closing}` where the group ends, or remove the `{opening}`");
        let kind = ErrorKind::UnclosedBracket;
        Expected::Closing(closing).error(kind, bracket, message, help)
    }

    /// The error for a closing bracket that does not match the one that is open, if any.
    pub(super) fn unopened(&self, open: Option<Open>, found: char) -> Error {
        let (message, help, expected) = match open {
            Some((bracket, closing)) => (
                format!("`{found}` does not close `{}`", self.slice(bracket)),
                format!("write `{closing}` instead, or add it before the `{found}`"),
                Expected::Closing(closing),
            ),
            None => (
                format!("`{found}` has no opening bracket"),
                format!("remove the `{found}`, or add the opening bracket where the group begins"),
                Expected::Connective,
            ),
        };
        expected.error(ErrorKind::UnopenedBracket, self.next_char(), message, help)
    }

    /// The error for a value path that contains only another one; the grammar has no such filter.
    pub(super) fn nested_value_path(&self, bracket: Span) -> Error {
        let span = Span::new(bracket.start as usize, self.at + 1);
        let message = "a value path contains only another value path";
        let help = "a sub-attribute has no sub-attributes: compare it with a value, as in \
            `emails[type eq \"work\"]`";
        Expected::Connective.error(ErrorKind::NestedValuePath, span, message, help)
    }
}

/// Returns whether a path begins with `urn:`, case-insensitively.
pub(super) fn is_urn(written: &str) -> bool {
    written.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("urn:"))
}

/// Returns whether a word is `and` or `or`, case-insensitively.
pub(super) fn is_connective(word: &str) -> bool {
    word.eq_ignore_ascii_case("and") || word.eq_ignore_ascii_case("or")
}

/// The help for an invalid name: the rule for names, and the first letter outside ASCII, if any.
fn name_help(written: &str) -> String {
    match written.chars().find(|c| c.is_alphanumeric() && !c.is_ascii()) {
        Some(c) => format!(
            "`{}` is U+{:04X}: a name begins with an ASCII letter and contains \
             ASCII letters, digits, `-` and `_`",
            quote(c.encode_utf8(&mut [0; 4])),
            u32::from(c)
        ),
        None => "a name begins with a letter and contains letters, digits, `-` and `_`".to_owned(),
    }
}

/// Returns the text after the last character that `stops` accepts, or the whole text.
pub(super) fn after_last(text: &str, stops: impl Fn(char) -> bool) -> &str {
    text.rsplit_once(stops).map_or(text, |(_, last)| last)
}

/// Returns the text before the first character that `stops` accepts, or the whole text.
pub(super) fn before_first(text: &str, stops: impl Fn(char) -> bool) -> &str {
    text.split_once(stops).map_or(text, |(first, _)| first)
}

/// Returns the characters of a set that a text begins with.
fn leading<'t>(text: &'t str, set: &[char]) -> &'t str {
    text.before_rest(text.trim_start_matches(set))
}

/// Returns whether a word begins with a symbol.
fn is_symbolic(word: &str) -> bool {
    word.starts_with(SYMBOLS)
}
