//! Characters that a person does not see, such as U+200B, which come with text that was copied.

use crate::diagnostic::is_misleading;

/// The first character of a text that is invisible, or a space that is not U+0020.
///
/// Characters that join letters of many scripts and parts of emoji are passed where they do so: U+200C
/// and U+200D, and the wide space U+3000, between characters beyond ASCII. ASCII is left to others.
pub(crate) fn invisible(text: &str) -> Option<char> {
    let mut before = None;
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        let is_foreign = |c: Option<char>| c.is_some_and(|c| !c.is_ascii() && !is_misleading(c));
        let joins = matches!(c, '\u{200c}' | '\u{200d}' | '\u{3000}')
            && is_foreign(before)
            && is_foreign(rest.clone().next());
        if !c.is_ascii() && is_misleading(c) && !joins {
            return Some(c);
        }
        before = Some(c);
    }
    None
}

/// A character as messages name it, such as `U+200B`.
pub(crate) fn code_point(c: char) -> String {
    format!("U+{:04X}", u32::from(c))
}
