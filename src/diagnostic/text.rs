//! Quotes user text in messages, safely for terminals and logs.

use std::fmt::Write as _;

/// The maximum number of characters that a message quotes from a text.
const MAX_QUOTED: usize = 80;

/// Shortens user text to `max` characters and escapes [misleading](is_misleading) characters.
///
/// An escaped character is written as in JSON, such as `\u202e`, and counts as one. A text that was
/// shortened ends with `…`.
///
/// ```
/// use hooksieve::diagnostic::excerpt;
///
/// assert_eq!(excerpt("spaceId", 5), "space…");
/// assert_eq!(excerpt("a\u{1b}[31m", 80), r"a\u001b[31m");
/// ```
#[must_use]
pub fn excerpt(text: &str, max: usize) -> String {
    let mut quoted = String::new();
    for (count, c) in text.chars().enumerate() {
        // Counted in characters of the text, so an escape never ends in its middle.
        if count == max {
            quoted.push('…');
            break;
        }
        if is_misleading(c) {
            // JSON has no escape for characters above U+FFFF, only for the two halves of a
            // surrogate pair.
            for unit in c.encode_utf16(&mut [0; 2]) {
                // Writing to a string does not fail.
                let _ = write!(quoted, "\\u{unit:04x}");
            }
        } else {
            quoted.push(c);
        }
    }
    quoted
}

/// Quotes at most [`MAX_QUOTED`] characters of user text, for a message.
pub(crate) fn quote(text: &str) -> String {
    excerpt(text, MAX_QUOTED)
}

/// Returns whether a character could control a terminal, reorder text, or be invisible.
///
/// These are control characters, bidirectional controls and other invisible characters (most of
/// Unicode's `Default_Ignorable_Code_Point`), and white space other than a space.
#[must_use]
pub fn is_misleading(c: char) -> bool {
    c.is_control()
        || c.is_whitespace() && c != ' '
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}')
        || matches!(c, '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
        || matches!(c, '\u{fff0}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
        || matches!(
            c,
            '\u{34f}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'
                ..='\u{180f}' | '\u{3164}' | '\u{ffa0}' | '\u{2800}'
        )
}
