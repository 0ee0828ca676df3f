//! Finds characters that cannot be seen, such as U+200B, which copied text often carries.
//!
//! ```text
//! a<U+200B>b          reported: a zero-width space between two ASCII letters
//! <U+1F468><U+200D><U+1F469>    allowed: the joiner makes one emoji of two
//! ```

use crate::diagnostic::is_misleading;

/// Returns the first character that is invisible, or a space other than U+0020.
///
/// Three characters are permitted between two characters beyond ASCII: U+200C and U+200D, which
/// join letters of many scripts and the parts of emoji, and the wide space U+3000. ASCII control
/// characters are not reported here.
pub(crate) fn invisible(text: &str) -> Option<char> {
    let mut previous = None;
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        let is_foreign = |c: Option<char>| c.is_some_and(|c| !c.is_ascii() && !is_misleading(c));
        // Between two ASCII letters the same characters are leftovers of copied text.
        let joins = matches!(c, '\u{200c}' | '\u{200d}' | '\u{3000}')
            && is_foreign(previous)
            && is_foreign(rest.clone().next());
        if !c.is_ascii() && is_misleading(c) && !joins {
            return Some(c);
        }
        previous = Some(c);
    }
    None
}

/// Returns a character as messages name it, such as `U+200B`.
pub(crate) fn code_point(c: char) -> String {
    format!("U+{:04X}", u32::from(c))
}
