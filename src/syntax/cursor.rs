use super::token;
use crate::diagnostic::Span;

/// A place in a filter's text.
#[derive(Clone, Copy)]
pub(super) struct Cursor<'t> {
    pub(super) text: &'t str,
    pub(super) at: usize,
}

impl<'t> Cursor<'t> {
    pub(super) fn rest(&self) -> &'t str {
        self.text.get(self.at..).unwrap_or_default()
    }

    pub(super) fn bytes(&self) -> &'t [u8] {
        self.text.as_bytes().get(self.at..).unwrap_or_default()
    }

    pub(super) fn byte(&self) -> Option<u8> {
        self.bytes().first().copied()
    }

    pub(super) fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    pub(super) fn slice(&self, span: Span) -> &'t str {
        self.text.get(span.range()).unwrap_or_default()
    }

    /// Moves to where `rest` is what is left of the text.
    pub(super) fn advance(&mut self, rest: &[u8]) -> Span {
        let start = self.at;
        self.at = self.text.len() - rest.len();
        Span::new(start, self.at)
    }

    /// Skips white space; whether there was any.
    pub(super) fn skip_spaces(&mut self) -> bool {
        let skipped = token::spaces(self.bytes()).map_or(0, |(_, spaces)| spaces.len());
        self.at += skipped;
        skipped > 0
    }

    /// The bare word that begins here, without moving past it.
    pub(super) fn word(&self) -> &'t str {
        let length = token::bare_word(self.bytes()).map_or(0, |(_, word)| word.len());
        self.slice(self.here(length))
    }

    pub(super) fn here(&self, bytes: usize) -> Span {
        Span::new(self.at, self.at + bytes)
    }

    /// The character that begins here, or the end of the text.
    pub(super) fn next_char(&self) -> Span {
        self.here(self.peek().map_or(0, char::len_utf8))
    }

    /// The character that ends here.
    pub(super) fn before(&self) -> Span {
        let before = self.text.get(..self.at).and_then(|before| before.chars().next_back());
        Span::new(self.at - before.map_or(0, char::len_utf8), self.at)
    }
}
