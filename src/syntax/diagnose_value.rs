//! What is said of values that are no JSON literals.

use super::cursor::Cursor;
use super::diagnose::{QUOTES, is_connective};
use super::error::{Error, ErrorKind, Expected, quote_string};
use super::token::{self, Fault, FaultKind};
use super::{CompareOp, Span, quote};

impl<'t> Cursor<'t> {
    /// The value that the author meant by what stands here, in double quotes.
    pub(super) fn meant_value(&self) -> String {
        let rest = self.rest();
        if let Ok((_, content)) = token::string(rest) {
            return quote_string(&content);
        }
        let inner = match self.wrong_quotes() {
            Some((_, inner)) => inner,
            None => self.word(),
        };
        if inner.is_empty() { "\"…\"".into() } else { quote_string(inner) }
    }

    /// The span of a value in single or typographic quotes that begins here, and what is in them.
    fn wrong_quotes(&self) -> Option<(Span, &'t str)> {
        let rest = self.rest();
        let inner = rest.strip_prefix(QUOTES)?;
        let open = rest.len() - inner.len();
        let closed = inner.split_once(|c: char| QUOTES.contains(&c) || c == '"');
        let (content, close) = match closed {
            Some((content, after)) => (content, inner.len() - content.len() - after.len()),
            None => (inner.split(token::is_space).next().unwrap_or_default(), 0),
        };
        Some((self.here(open + content.len() + close), content))
    }

    /// No JSON literal stands behind an operator, but `word`.
    pub(super) fn no_value(&self, path: Span, operator: CompareOp, word: &str) -> Error {
        let error = |kind, span, message: String, help: String| Error {
            kind,
            span,
            expected: Expected::Value,
            message: message.into(),
            help: help.into(),
        };
        let term = format!("{} {operator}", quote(self.slice(path)));
        let lower = word.to_ascii_lowercase();
        let number_like = |c: char| c.is_ascii_digit() || matches!(c, '+' | '-' | '.' | 'e' | 'E');
        if let Some((span, inner)) = self.wrong_quotes() {
            return error(
                ErrorKind::WrongQuotes,
                span,
                format!("value `{}` is not in double quotes", quote(self.slice(span))),
                format!("use straight double quotes: `{term} {}`", quote_string(inner)),
            );
        }
        if word.is_empty() || is_connective(word) {
            let help = match self.peek() {
                Some('(' | '[') => {
                    format!("compare with one value at a time: `{term} \"…\" or {term} \"…\"`")
                }
                _ => format!("write a value: `{term} \"…\"`"),
            };
            let span = if word.is_empty() { self.next_char() } else { self.here(word.len()) };
            return error(ErrorKind::MissingValue, span, format!("`{term}` has no value"), help);
        }
        let span = self.here(word.len());
        if matches!(lower.as_str(), "true" | "false" | "null") {
            return error(
                ErrorKind::InvalidLiteral,
                span,
                format!("`{word}` is not written as JSON writes it"),
                format!(
                    "use lower case, `{lower}`, or quotes for a string, `{term} {}`",
                    quote_string(word)
                ),
            );
        }
        if word.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '+' | '-' | '.'))
            && word.chars().all(number_like)
        {
            return error(
                ErrorKind::InvalidNumber,
                span,
                format!("`{}` is not a number of JSON", quote(word)),
                format!(
                    "write it as JSON does, or in quotes for a string: `{term} {}`",
                    quote_string(word)
                ),
            );
        }
        error(
            ErrorKind::UnquotedValue,
            span,
            format!("value `{}` is not in double quotes", quote(word)),
            format!(
                "write `{term} {}`; a shell takes the quotes away unless single ones stand round the whole filter",
                quote_string(word),
            ),
        )
    }

    pub(super) fn bad_string(&self, fault: Fault<'t>) -> Error {
        let at = self.text.len() - fault.rest.len();
        let first = |count: usize| {
            let length = fault.rest.chars().take(count).map(char::len_utf8).sum::<usize>();
            Span::new(at, at + length)
        };
        let (kind, span, expected, message, help) = match fault.kind {
            FaultKind::Escape => {
                let hex = fault.rest.starts_with("\\u");
                let digits = fault.rest.chars().skip(2).take_while(char::is_ascii_hexdigit).count();
                let span = first(if hex { 2 + digits.min(4) } else { 2 });
                let help = if hex {
                    "`\\u` is followed by four hexadecimal digits, as in `\\u00e9`; for a backslash write `\\\\`"
                } else {
                    "for a backslash write `\\\\`"
                };
                let message = format!("`{}` is not an escape of JSON", quote(self.slice(span)));
                (ErrorKind::InvalidEscape, span, Expected::Escape, message, help.to_owned())
            }
            FaultKind::Surrogate => {
                let span = first(6);
                let message = format!("`{}` is half of a surrogate pair", self.slice(span));
                let help = "write both halves, a high one then a low one, as in `\\ud83d\\ude00`, or the character itself";
                (ErrorKind::LoneSurrogate, span, Expected::Escape, message, help.to_owned())
            }
            FaultKind::Control => {
                let span = first(1);
                let code = fault.rest.chars().next().map_or(0, u32::from);
                let escape = match code {
                    9 => "\\t".to_owned(),
                    10 => "\\n".to_owned(),
                    13 => "\\r".to_owned(),
                    _ => format!("\\u{code:04x}"),
                };
                let message = format!("control character U+{code:04X} stands in a value");
                let help = format!("escape it as `{escape}`, or close the value before it");
                (ErrorKind::ControlCharacter, span, Expected::Escape, message, help)
            }
            FaultKind::Unclosed | FaultKind::Other => {
                let body = self.rest().get(1..).unwrap_or_default();
                let word = body.split([' ', '\t', ')', ']', '“', '”']).next().unwrap_or_default();
                let span = Span::new(self.at, self.text.len());
                let message = "value is not closed: its second double quote is missing".to_owned();
                let help = format!("close it: `\"{}\"`", quote(word.trim_end_matches('\\')));
                (ErrorKind::UnclosedString, span, Expected::StringEnd, message, help)
            }
        };
        Error { kind, span, expected, message: message.into(), help: help.into() }
    }
}
