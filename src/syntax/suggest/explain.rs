//! Replaces the parser's message when the cause is larger than the place where the parser stopped.
//!
//! The parser reports the first byte that it cannot read. The author often sees another problem:
//! the whole text is URL-encoded, or a typographic quote some words earlier did not close its
//! string. [`Error::explained`] looks for such a cause, and takes the first of these:
//!
//! 1. An invisible character before the end of the error's span. It is reported at its own place,
//!    because nothing in the text shows it.
//! 2. A [`Cause`] of the whole text: the layer that the suggestion removed, or, without a
//!    suggestion, the layer that the text shows the clearest [`evidence`] of.
//! 3. A cause within one term: a typographic quote, a URN with a space or a dot, a JSON object.
//!
//! Only message, help and span change here; kind and code remain those of the parser.
//!
//! # Examples
//!
//! ```text
//! id<U+00A0>eq "a"        unexpected U+00A0 no-break space outside a value
//! id%20eq%20%22a%22       the filter is still URL-encoded
//! id eq "a”               expected `"` at the end of the value, found `”` (U+201D …)
//! urn:a:b :id eq "a"      unexpected space after `urn:a:b` in a URN
//! ```
//!
//! # Certain and uncertain
//!
//! With a suggestion, the cause is proven: the text without the layer is a filter that the caller
//! accepts. The message then says "is still". Without one, it is only evidence, and the message
//! says "seems to be". In both cases the span is that of the parser, so a caller can still
//! underline it.

use super::Cause;
use super::layers::{evidence, is_invisible, outside};
use super::operator::is_operator;
use super::path::dots;
use crate::diagnostic::{Parts, Span, quote};
use crate::syntax::diagnose::{QUOTES, after_last, is_urn};
use crate::syntax::error::{Error, ErrorKind};
use crate::syntax::token;

/// Ranges of invisible characters: first, last, and the name for a message.
const INVISIBLE: [(char, char, &str); 25] = [
    ('\0', '\u{1f}', "control character"),
    ('\u{7f}', '\u{84}', "control character"),
    ('\u{85}', '\u{85}', "next line"),
    ('\u{86}', '\u{9f}', "control character"),
    ('\u{a0}', '\u{a0}', "no-break space"),
    ('\u{ad}', '\u{ad}', "soft hyphen"),
    ('\u{1680}', '\u{1680}', "ogham space mark"),
    ('\u{2000}', '\u{200a}', "typographic space"),
    ('\u{200b}', '\u{200b}', "zero-width space"),
    ('\u{200c}', '\u{200c}', "zero-width non-joiner"),
    ('\u{200d}', '\u{200d}', "zero-width joiner"),
    ('\u{200e}', '\u{200e}', "left-to-right mark"),
    ('\u{200f}', '\u{200f}', "right-to-left mark"),
    ('\u{2028}', '\u{2028}', "line separator"),
    ('\u{2029}', '\u{2029}', "paragraph separator"),
    ('\u{202a}', '\u{202e}', "bidirectional control"),
    ('\u{202f}', '\u{202f}', "narrow no-break space"),
    ('\u{205f}', '\u{205f}', "medium mathematical space"),
    ('\u{2060}', '\u{2060}', "word joiner"),
    ('\u{2061}', '\u{2064}', "invisible operator"),
    ('\u{2066}', '\u{2069}', "bidirectional control"),
    ('\u{3000}', '\u{3000}', "ideographic space"),
    ('\u{feff}', '\u{feff}', "byte order mark"),
    ('\u{61c}', '\u{61c}', "arabic letter mark"),
    ('\u{180e}', '\u{180e}', "mongolian vowel separator"),
];

/// The quotes that word processors insert, each with its Unicode name.
const CURLY: [(char, &str); 10] = [
    ('‘', "left single quotation mark"),
    ('’', "right single quotation mark"),
    ('‚', "single low-9 quotation mark"),
    ('‛', "single high-reversed-9 quotation mark"),
    ('“', "left double quotation mark"),
    ('”', "right double quotation mark"),
    ('„', "double low-9 quotation mark"),
    ('‟', "double high-reversed-9 quotation mark"),
    ('«', "left-pointing double angle quotation mark"),
    ('»', "right-pointing double angle quotation mark"),
];

/// Names an invisible character, such as `U+00A0 no-break space`.
fn code_point(c: char) -> String {
    let name = INVISIBLE.iter().find(|(first, last, _)| (*first..=*last).contains(&c));
    let name = name.map_or("invisible character", |(_, _, name)| name);
    format!("U+{:04X} {name}", u32::from(c))
}

impl Error {
    /// Returns whether the text is empty or above a limit, so that no filter can be suggested.
    pub(super) fn is_about_size(&self) -> bool {
        matches!(
            self.kind,
            ErrorKind::TooLong | ErrorKind::TooDeep | ErrorKind::TooManyTerms | ErrorKind::Empty
        )
    }

    /// Replaces message and help with those for the cause in the whole text, if there is one.
    pub(super) fn explained(self, text: &str, cause: Option<Cause>) -> Self {
        if let Some(found) = self.invisible(text) {
            return found;
        }
        // With a suggestion, removing the layer led to a valid filter; without one, it is a guess.
        let is = if cause.is_some() { "is still" } else { "seems to be" };
        let cause = match cause {
            Some(Cause::Terms) | None => evidence(text).or(cause),
            cause => cause,
        };
        let (message, help) = match cause {
            Some(Cause::Escaped) => (
                "the quotes are escaped too many times".to_owned(),
                "write each quote without its backslash",
            ),
            Some(Cause::UrlEncoded) => (format!("the filter {is} URL-encoded"), "decode it once"),
            Some(Cause::HtmlEncoded) => {
                (format!("the filter {is} HTML-encoded"), "replace each entity with its character")
            }
            Some(Cause::DuplicateQuotes) => {
                ("every double quote is duplicated".to_owned(), "write each quote once")
            }
            Some(Cause::OuterQuotes) => {
                ("the quotes around the whole filter are not part of it".to_owned(), "remove them")
            }
            Some(Cause::Prefix(length)) => {
                let prefix = quote(text.head(length).trim_matches(token::is_space));
                (format!("`{prefix}` is not part of the filter"), "remove it")
            }
            Some(Cause::Json) => (
                "this is a JSON object that contains a filter".to_owned(),
                "write only the filter, without the object",
            ),
            Some(Cause::Invisible | Cause::Terms) | None => return self.in_terms(text),
        };
        Self { message: message.into(), help: help.into(), advice: None, ..self }
    }

    /// Returns the error about the first invisible character, if it is before the end of this one.
    fn invisible(&self, text: &str) -> Option<Self> {
        // An empty span is at a missing token, whose place an invisible character may take.
        let end = self.span.end.max(self.span.start + 1) as usize;
        let found = outside(text).take_while(|(at, _)| *at < end).find(|(_, c)| is_invisible(*c));
        let (at, c) = found?;
        let help = match c.is_whitespace() {
            true => "replace it with a space",
            false => "remove it",
        };
        // Inside a value such a character may be intended, so `outside` skips closed strings.
        let message = format!("unexpected {} outside a value", code_point(c));
        let span = Span::new(at, at + c.len_utf8());
        Some(Self {
            message: message.into(),
            help: help.into(),
            span,
            advice: None,
            ..self.clone()
        })
    }

    /// Replaces the message if the cause is before the error's place, or in one term.
    fn in_terms(self, text: &str) -> Self {
        match self.kind {
            // `"a”` is unclosed, or closed by the opening quote of the next value.
            ErrorKind::UnclosedString | ErrorKind::MissingConnective => {
                self.curly(text).unwrap_or(self)
            }
            ErrorKind::InvalidPath if text.trim_start_matches(token::is_space).starts_with('{') => {
                let message = "this is a JSON object, not a filter";
                let help = "compare each attribute with its value, as in \
                    `id eq \"…\" and spaceId eq \"…\"`";
                Self { message: message.into(), help: help.into(), ..self }
            }
            ErrorKind::InvalidPath => {
                let written = text.part(self.span.range());
                match dots(written) {
                    Some(fixed) => {
                        let message =
                            format!("`{}` has a dot where a colon belongs", quote(written));
                        let help = format!(
                            "write a colon between the URN and the name: `{}`",
                            quote(&fixed)
                        );
                        Self { message: message.into(), help: help.into(), ..self }
                    }
                    None if written.ends_with(':') && is_urn(written) => self.after_urn(written),
                    None => self,
                }
            }
            // `urn:a:b :id` parses as the path `urn:a:b` and the operator `:id`.
            ErrorKind::UnknownOperator | ErrorKind::SymbolicOperator => self.split_urn(text),
            // `“a1` has one quote, which is neither straight nor closed.
            ErrorKind::UnquotedValue | ErrorKind::WrongQuotes => self.stray_quote(text),
            _ => self,
        }
    }

    /// Handles an operator that is unknown because a space splits a URN before it.
    fn split_urn(self, text: &str) -> Self {
        let before = text.head(self.span.start as usize);
        let path = before.trim_end_matches(token::is_space);
        let split = path.len() < before.len();
        let path = after_last(path, |c| token::is_space(c) || c == '(');
        if !split || !is_urn(path) {
            return self;
        }
        let written = text.part(self.span.range());
        if is_operator(written) && written != ":" {
            return self;
        }
        self.after_urn(path)
    }

    /// The error for a space inside a URN.
    fn after_urn(self, path: &str) -> Self {
        let message = format!("unexpected space after `{}` in a URN", quote(path));
        let help = "write a colon and no space between the URN and the name, as in \
            `urn:example:schema:name`";
        Self { message: message.into(), help: help.into(), ..self }
    }

    /// Handles a value whose only quote is a typographic one at its start or end.
    fn stray_quote(self, text: &str) -> Self {
        let value = text.part(self.span.range());
        let mut quotes = value.char_indices().filter(|(_, c)| QUOTES.contains(c) || *c == '"');
        // With no quote, or several, it is uncertain which one is wrong.
        let (Some((at, c)), None) = (quotes.next(), quotes.next()) else { return self };
        // A straight quote is named by the parser's own message.
        let Some((_, name)) = CURLY.iter().find(|(known, _)| *known == c) else { return self };
        if !value.starts_with(c) && !value.ends_with(c) {
            return self;
        }
        let at = self.span.start as usize + at;
        let message = format!("expected `\"`, found `{c}` (U+{:04X} {name})", u32::from(c));
        let span = Span::new(at, at + c.len_utf8());
        Self { message: message.into(), span, ..self }
    }

    /// Handles a value that ends with a typographic quote, which does not close it.
    fn curly(&self, text: &str) -> Option<Self> {
        let (start, end) = match self.kind {
            ErrorKind::UnclosedString => (self.span.start as usize, text.len()),
            _ => {
                let end = self.span.start as usize;
                (text.head(end).trim_end_matches('"').rfind('"')?, end)
            }
        };
        let value = text.part(start..end);
        let (at, c) = value.char_indices().find(|(_, c)| QUOTES.contains(c) && !c.is_ascii())?;
        let (_, name) = CURLY.iter().find(|(known, _)| *known == c)?;
        let message = format!(
            "expected `\"` at the end of the value, found `{c}` (U+{:04X} {name})",
            u32::from(c)
        );
        let span = Span::new(start + at, start + at + c.len_utf8());
        let help = "close the value with a straight double quote";
        Some(Self { message: message.into(), help: help.into(), span, ..self.clone() })
    }
}
