//! A place in a text, and what is there: the parser reads with it, and messages describe with it.
//!
//! # Why it is `Copy`
//!
//! The parser moves one cursor from left to right and never back, except by the one byte of a
//! bracket that it then enters. A message needs to look ahead, or at the text before the error. It
//! does so on a copy, so no message can move the parser.
//!
//! Every move is by a token, by white space or by a bracket. Each of them begins and ends with an
//! ASCII byte or at the edge of a whole character, so `at` never falls inside a character. The
//! functions that slice the text rely on this.

use super::token;
use crate::diagnostic::{Parts, Span};

/// A place in a filter's text. `at` is a character boundary.
#[derive(Clone, Copy)]
pub(super) struct Cursor<'t> {
    pub(super) text: &'t str,
    pub(super) at: usize,
}

impl<'t> Cursor<'t> {
    /// Returns the text from here on.
    pub(super) fn rest(&self) -> &'t str {
        self.text.tail(self.at)
    }

    /// Returns the bytes from here on.
    pub(super) fn bytes(&self) -> &'t [u8] {
        self.text.as_bytes().tail(self.at)
    }

    /// Returns the text before this place.
    pub(super) fn read(&self) -> &'t str {
        self.text.head(self.at)
    }

    /// Returns the next byte.
    pub(super) fn byte(&self) -> Option<u8> {
        self.bytes().first().copied()
    }

    /// Returns the next character.
    pub(super) fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    /// Returns the text of a span.
    pub(super) fn slice(&self, span: Span) -> &'t str {
        self.text.part(span.range())
    }

    /// Moves to the place where only `rest` is left, and returns the span in between.
    pub(super) fn advance(&mut self, rest: &[u8]) -> Span {
        let start = self.at;
        // A nom parser returns only what is left, so the place is found from its length.
        self.at = self.text.len() - rest.len();
        Span::new(start, self.at)
    }

    /// Skips white space and returns whether there was any.
    pub(super) fn skip_spaces(&mut self) -> bool {
        let skipped = token::spaces(self.bytes()).len();
        self.at += skipped;
        skipped > 0
    }

    /// Returns the bare word that begins here, which may be empty, without moving past it.
    pub(super) fn word(&self) -> &'t str {
        self.rest().head(token::bare_word(self.bytes()).len())
    }

    /// Returns the span of this many bytes from here on.
    pub(super) fn here(&self, bytes: usize) -> Span {
        Span::new(self.at, self.at + bytes)
    }

    /// Returns the span of the next character; empty at the end of the text.
    pub(super) fn next_char(&self) -> Span {
        self.here(self.peek().map_or(0, char::len_utf8))
    }

    /// Returns the span of the character before this place.
    pub(super) fn before(&self) -> Span {
        // Characters, not bytes: the message quotes this span, and half a character cannot be
        // quoted.
        let before = self.read().chars().next_back();
        Span::new(self.at - before.map_or(0, char::len_utf8), self.at)
    }
}
