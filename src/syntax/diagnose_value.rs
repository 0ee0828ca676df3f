//! Writes the messages about values: no value, the wrong quotes, or a broken JSON literal.
//!
//! The most frequent mistake of all is a value without quotes, because a shell removes the double
//! quotes of an argument that is not in single quotes. Its error therefore carries
//! [advice](SHELL) besides the help, and keeps it when a suggestion replaces the help.
//!
//! # Examples
//!
//! ```text
//! id eq             no value          expected a value after `id eq`
//! id eq ('a', 'b')  no value          compare with one value at a time: `id eq "…" or id eq "…"`
//! id eq 'a'         wrong quotes      value `'a'` is not in double quotes
//! id eq a1          no quotes         value `a1` is not in double quotes
//! id eq True        bad literal       literal `True` must be in lower case
//! id eq 01          bad number        `01` is not a JSON number
//! id eq "\x"        bad escape        `\x` is not a JSON escape
//! id eq "a          unclosed          value has no closing double quote
//! ```
//!
//! A word that may be a number or a literal is not called a string: the help names both ways to
//! write it, and the author decides.

use super::CompareOp;
use super::cursor::Cursor;
use super::diagnose::{QUOTES, before_first, is_connective};
use super::error::{Error, ErrorKind, Expected};
use super::token::{self, Fault, FaultKind};
use crate::diagnostic::{Span, quote};

/// How to pass double quotes through a shell.
const SHELL: &str = "on a command line, put the whole filter in single quotes, so that the shell \
    keeps the double quotes";

impl<'t> Cursor<'t> {
    /// Returns the span of the value in single or typographic quotes that begins at the cursor.
    fn wrong_quotes(&self) -> Option<Span> {
        let rest = self.rest();
        let inner = rest.strip_prefix(QUOTES)?;
        let open = rest.len() - inner.len();
        // Any quote closes it here. The span is for a message, so it need not be the quote that the
        // author meant, and a pair such as `‘a’` has two different ones.
        let closed = inner.split_once(|c: char| QUOTES.contains(&c) || c == '"');
        let (content, close) = match closed {
            Some((content, after)) => (content, inner.len() - content.len() - after.len()),
            // An unclosed quote: one word is shown, not the rest of the filter.
            None => (before_first(inner, token::is_space), 0),
        };
        Some(self.here(open + content.len() + close))
    }

    /// The error for an operator that `word` follows, which is not a JSON literal. It may be empty.
    ///
    /// The order of the checks matters: `'a'` has the wrong quotes even if it contains digits, and
    /// `True` is a literal in the wrong case rather than a string without quotes.
    pub(super) fn no_value(&self, path: Span, operator: CompareOp, word: &str) -> Error {
        let term = format!("{} {operator}", quote(self.slice(path)));
        let (kind, span, message, help) = if let Some(span) = self.wrong_quotes() {
            (
                ErrorKind::WrongQuotes,
                span,
                format!("value `{}` is not in double quotes", quote(self.slice(span))),
                format!("use straight double quotes: `{term} \"…\"`"),
            )
        // `id eq and b pr` has no value, although `and` could be one without quotes.
        } else if word.is_empty() || is_connective(word) {
            let help = match self.peek() {
                Some('(' | '[') => {
                    // Not equal to any of several values is not equal to each of them.
                    let join = if operator == CompareOp::Ne { "and" } else { "or" };
                    format!("compare with one value at a time: `{term} \"…\" {join} {term} \"…\"`")
                }
                _ => format!("write a value: `{term} \"…\"`"),
            };
            let span = if word.is_empty() { self.next_char() } else { self.here(word.len()) };
            (ErrorKind::MissingValue, span, format!("expected a value after `{term}`"), help)
        } else {
            return self.bad_literal(&term, word);
        };
        Expected::Value.error(kind, span, message, help)
    }

    /// The error for a `word` that is a JSON literal in the wrong form, or a string without quotes.
    ///
    /// `term` is the attribute and the operator before it.
    fn bad_literal(&self, term: &str, word: &str) -> Error {
        let lower = word.to_ascii_lowercase();
        let is_literal = matches!(lower.as_str(), "true" | "false" | "null");
        let number_like = |c: char| c.is_ascii_digit() || matches!(c, '+' | '-' | '.' | 'e' | 'E');
        // Only words that begin as a number are called one: `e1` and `E-5` are more likely ids.
        let is_number = word.starts_with(|c: char| c.is_ascii_digit() || "+-.".contains(c))
            && word.chars().all(number_like);
        let (kind, message, help, advice) = if is_literal {
            (
                ErrorKind::InvalidLiteral,
                format!("literal `{word}` must be in lower case"),
                format!("write `{lower}`, or use double quotes for a string"),
                None,
            )
        } else if is_number {
            (
                ErrorKind::InvalidNumber,
                format!("`{}` is not a JSON number", quote(word)),
                "write it as a JSON number, or in double quotes for a string".to_owned(),
                None,
            )
        } else {
            (
                ErrorKind::UnquotedValue,
                format!("value `{}` is not in double quotes", quote(word)),
                format!("write the value in double quotes, as in `{term} \"…\"`"),
                Some(SHELL),
            )
        };
        let span = self.here(word.len());
        Error { advice, ..Expected::Value.error(kind, span, message, help) }
    }

    /// The error for a string that begins with `"` and is not a JSON string.
    ///
    /// The fault has the text after its place, as every nom parser returns it. A surrogate such as
    /// `\ud83d` always has its six characters, since its four digits were read. An unclosed string
    /// is shown as a whole, since its closing quote may be missing anywhere.
    pub(super) fn bad_string(&self, fault: Fault<'t>) -> Error {
        let at = self.text.len() - fault.rest.len();
        let first = |count: usize| {
            let length = fault.rest.chars().take(count).map(char::len_utf8).sum::<usize>();
            Span::new(at, at + length)
        };
        let (kind, span, expected, message, help) = match fault.kind {
            FaultKind::Escape => {
                // The span ends where the escape stops being one: `\u12` of `\u12x4`.
                let hex = fault.rest.starts_with("\\u");
                let digits = fault.rest.chars().skip(2).take_while(char::is_ascii_hexdigit).count();
                let span = first(if hex { 2 + digits.min(4) } else { 2 });
                let help = if hex {
                    "write four hexadecimal digits after `\\u`, as in `\\u00e9`; \
                     for a backslash write `\\\\`"
                } else {
                    "for a backslash write `\\\\`"
                };
                let message = format!("`{}` is not a JSON escape", quote(self.slice(span)));
                (ErrorKind::InvalidEscape, span, Expected::Escape, message, help.to_owned())
            }
            FaultKind::Surrogate => {
                let span = first(6);
                let message = format!("`{}` is half of a surrogate pair", self.slice(span));
                let help = "write both halves, the high one first, as in \
                    `\\ud83d\\ude00`, or the character itself";
                (ErrorKind::LoneSurrogate, span, Expected::Escape, message, help.to_owned())
            }
            FaultKind::Control(control) => {
                let span = first(1);
                let code = u32::from(control);
                let escape = match control {
                    '\t' => "\\t".to_owned(),
                    '\n' => "\\n".to_owned(),
                    '\r' => "\\r".to_owned(),
                    _ => format!("\\u{code:04x}"),
                };
                let message = format!("value contains the control character U+{code:04X}");
                let help = format!("escape it as `{escape}`, or close the value before it");
                (ErrorKind::ControlCharacter, span, Expected::Escape, message, help)
            }
            FaultKind::Unclosed | FaultKind::Other => {
                let span = Span::new(self.at, self.text.len());
                let message = "value has no closing double quote".to_owned();
                let help = "add a double quote where the value ends".to_owned();
                (ErrorKind::UnclosedString, span, Expected::StringEnd, message, help)
            }
        };
        expected.error(kind, span, message, help)
    }
}
