//! Parts of a text or list at offsets that were found in the text itself.
//!
//! `str::get` returns an option, since an offset may be outside the text or inside a character. The
//! readers here only use offsets that a search, a length or a token of the same text gave, so there
//! is no such case, and a fallback would turn a wrong offset into an empty text. These functions
//! are total for such offsets. For any other offset they panic, in tests and anywhere else, rather
//! than return a text that is wrong.

use std::ops::Range;

/// The parts of a text or list at offsets that are valid by construction.
pub(crate) trait Parts {
    /// Returns what is before an offset.
    fn head(&self, at: usize) -> &Self;

    /// Returns what is after an offset.
    fn tail(&self, at: usize) -> &Self;

    /// Returns what is in a range, such as that of a [`Span`](super::Span).
    fn part(&self, range: Range<usize>) -> &Self;

    /// Returns what is before `rest`, which must be the end of this text.
    fn before_rest(&self, rest: &Self) -> &Self;
}

impl Parts for str {
    #[inline]
    fn head(&self, at: usize) -> &Self {
        self.split_at(at).0
    }

    #[inline]
    fn tail(&self, at: usize) -> &Self {
        self.split_at(at).1
    }

    #[inline]
    #[expect(clippy::string_slice, reason = "the range was found in this text")]
    fn part(&self, range: Range<usize>) -> &Self {
        &self[range]
    }

    #[inline]
    fn before_rest(&self, rest: &Self) -> &Self {
        // Equal lengths are not enough: a rest of another text would give a wrong offset without an
        // error.
        debug_assert!(self.as_bytes().as_ptr_range().end == rest.as_bytes().as_ptr_range().end);
        self.head(self.len() - rest.len())
    }
}

impl<T> Parts for [T] {
    #[inline]
    fn head(&self, at: usize) -> &Self {
        self.split_at(at).0
    }

    #[inline]
    fn tail(&self, at: usize) -> &Self {
        self.split_at(at).1
    }

    #[inline]
    #[expect(clippy::indexing_slicing, reason = "the range was found in this list")]
    fn part(&self, range: Range<usize>) -> &Self {
        &self[range]
    }

    #[inline]
    fn before_rest(&self, rest: &Self) -> &Self {
        debug_assert!(self.as_ptr_range().end == rest.as_ptr_range().end);
        self.head(self.len() - rest.len())
    }
}

#[cfg(test)]
mod tests {
    use super::Parts;

    #[test]
    fn cuts_a_text_at_offsets_that_were_found_in_it() {
        let text = "naïve text";
        let at = text.find(' ').unwrap();
        assert_eq!((text.head(at), text.tail(at)), ("naïve", " text"));
        assert_eq!(text.part(at + 1..text.len()), "text");
        assert_eq!(text.before_rest(text.trim_start_matches(char::is_alphanumeric)), "naïve");
    }

    #[test]
    #[should_panic(expected = "char boundary")]
    fn panics_for_an_offset_inside_a_character() {
        "é".head(1);
    }

    #[test]
    #[should_panic(expected = "assertion failed")]
    fn panics_for_a_rest_of_another_text() {
        let elsewhere = String::from("b");
        "a b".before_rest(&elsewhere);
    }
}
