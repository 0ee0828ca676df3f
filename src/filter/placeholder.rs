//! Finds placeholders that were left in a text, such as `{{TOKEN}}` or `YOUR_SECRET`.
//!
//! Templates and documentation have them where a value belongs. A text with one is valid, but its
//! author probably forgot to insert the value. Each form must contain something that looks like a
//! name, so that random secrets, percent-encoded URLs, UUIDs in braces and JSON are not reported.
//!
//! # Why each form has a test of its own
//!
//! Braces, percent signs and angle brackets are common in values that are no placeholders:
//!
//! ```text
//! {{TOKEN}}     reported         {a3f504e0-…}     a UUID: fewer letters than other characters
//! %TOKEN%       reported         %C3%A9           percent-encoding, not a name
//! <token>       reported         a < b > c        too short for a name
//! $TOKEN        reported         US$100           an amount: no name after the sign
//! ```
//!
//! A template engine evaluates expressions, so its marks allow more than a name: `{{ secrets.token
//! }}`.

use crate::diagnostic::Parts;

/// Returns the first placeholder of a text, with its delimiters.
pub(crate) fn placeholder(text: &str) -> Option<&str> {
    // Each form is searched for by itself, since one may begin inside another: `${{ … }}`.
    let marked = MARKS.iter().filter_map(|(open, close, is_name)| {
        text.match_indices(open).find_map(|(at, _)| {
            let (before, from_mark) = text.split_at(at);
            let rest = from_mark.tail(open.len());
            // A limited window keeps the search linear; longer names are not placeholders.
            let window =
                rest.char_indices().nth(MAX_NAME + 2).map_or(rest, |(end, _)| rest.head(end));
            // The first closing mark ends the placeholder, even if it belongs to a longer one.
            let (name, _) = window.split_once(close)?;
            (is_name(name) && !(*open == "%" && ends_in_percent_code(before)))
                .then(|| (at, open.len() + name.len() + close.len()))
        })
    });
    let words = word(text).into_iter().chain(variable(text));
    // The leftmost one; of several that begin there, the longest.
    let found = marked.chain(words).min_by_key(|(at, length)| (*at, usize::MAX - length));
    found.map(|(at, length)| text.part(at..at + length))
}

/// An opening delimiter, a closing one, and a test of the name between them.
type Mark = (&'static str, &'static str, fn(&str) -> bool);

/// The forms of placeholders with delimiters.
const MARKS: [Mark; 11] = [
    ("${{", "}}", is_expression),
    ("{{", "}}", is_expression),
    ("{%", "%}", is_expression),
    ("<%", "%>", is_expression),
    ("${", "}", is_expression),
    ("#{", "}", is_expression),
    ("$(", ")", is_name),
    ("%{", "}", is_name),
    ("{", "}", is_name),
    ("<", ">", is_name),
    ("%", "%", is_constant),
];

/// The maximum length of a name, in bytes.
const MAX_NAME: usize = 64;

/// Returns whether a text looks like what a template engine evaluates.
fn is_expression(text: &str) -> bool {
    let name = text.trim_matches(|c: char| c == ' ' || c == '=' || c == '-');
    name.len() <= MAX_NAME
        && name.starts_with(|c: char| c.is_ascii_alphabetic() || matches!(c, '_' | '.' | '$'))
        && !name.contains(['{', '}', '"', '<', '>'])
}

/// Returns whether a text is a name or a few words, such as `tenant-id` or `your token`.
fn is_name(text: &str) -> bool {
    // More letters than other characters: a UUID is no name.
    let text = text.trim_matches(' ');
    let letters = text.bytes().filter(u8::is_ascii_alphabetic).count();
    (2..=32).contains(&text.len())
        && letters * 2 > text.len()
        && text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.' | b' '))
}

/// Returns whether a text is an upper-case name, and not hexadecimal digits after a percent sign.
fn is_constant(text: &str) -> bool {
    (3..=MAX_NAME).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_')
        && text.bytes().take(2).all(|b| !b.is_ascii_digit())
}

/// Returns whether a text ends in a percent-encoded byte, such as `%C3`.
fn ends_in_percent_code(text: &str) -> bool {
    let code = text.len().checked_sub(3).and_then(|at| text.get(at..));
    let code = code.and_then(|code| code.strip_prefix('%'));
    code.is_some_and(|code| code.bytes().all(|b| b.is_ascii_hexdigit()))
}

/// Returns the position and length of a word such as `YOUR_SECRET`, `your-tenant` or `CHANGE_ME`.
fn word(text: &str) -> Option<(usize, usize)> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    let mut rest = text;
    while let Some(start) = rest.find(is_part) {
        let from_part = rest.tail(start);
        let part = from_part.head(from_part.find(|c| !is_part(c)).unwrap_or(from_part.len()));
        let lower = part.to_ascii_lowercase().replace('-', "_");
        // `yourself` has no sign after `your`, and so is no instruction.
        let is_yours = lower.starts_with("your_") || lower.contains("_your_");
        let is_instruction = ["changeme", "change_me", "replaceme", "replace_me", "replace_with_"]
            .iter()
            .any(|words| lower.starts_with(words));
        // `insert_` begins the names of many columns and methods, so both ends count.
        let is_insertion = lower.starts_with("insert_") && lower.ends_with("_here");
        if is_yours || is_instruction || is_insertion {
            return Some((text.len() - from_part.len(), part.len()));
        }
        rest = from_part.tail(part.len());
    }
    None
}

/// Returns the position and length of a variable such as `$TOKEN`, which no shell expanded.
fn variable(text: &str) -> Option<(usize, usize)> {
    // A dollar sign inside a word, or an amount such as `$5`, is no variable.
    let ends = |c: Option<char>| c.is_none_or(|c| !c.is_ascii_alphanumeric() && c != '$');
    text.match_indices('$').find_map(|(at, _)| {
        let rest = text.tail(at + 1);
        let end = rest.find(|c: char| !(c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_'));
        let (name, after) = rest.split_at(end.unwrap_or(rest.len()));
        let before = text.head(at).chars().next_back();
        let is_variable = (3..=MAX_NAME).contains(&name.len())
            && name.starts_with(|c: char| !c.is_ascii_digit())
            && ends(before)
            && ends(after.chars().next());
        is_variable.then_some((at, 1 + name.len()))
    })
}

#[cfg(test)]
mod tests {
    use super::placeholder;

    #[test]
    fn finds_placeholders_of_each_form() {
        for (text, found) in [
            ("{{TOKEN}}", "{{TOKEN}}"),
            ("Bearer {{ secrets.token }}", "{{ secrets.token }}"),
            ("{{.Values.secret}}", "{{.Values.secret}}"),
            ("a-${SECRET}-b", "${SECRET}"),
            ("${{ secrets.HOOK }}", "${{ secrets.HOOK }}"),
            ("#{token}", "#{token}"),
            ("<%= token %>", "<%= token %>"),
            ("{% token %}", "{% token %}"),
            ("$(SECRET)", "$(SECRET)"),
            ("<token>", "<token>"),
            ("<your token>", "<your token>"),
            ("https://hooks.example.com/{tenantId}/x", "{tenantId}"),
            ("%TOKEN%", "%TOKEN%"),
            ("https://a.b/?key=%ACCESS_TOKEN%&x=1", "%ACCESS_TOKEN%"),
            ("YOUR_SECRET", "YOUR_SECRET"),
            ("Bearer YOUR-API-KEY", "YOUR-API-KEY"),
            ("é your_secret_here", "your_secret_here"),
            ("INSERT_TOKEN_HERE", "INSERT_TOKEN_HERE"),
            ("changeme-changeme-changeme-change", "changeme-changeme-changeme-change"),
            ("Bearer $TOKEN", "$TOKEN"),
            ("https://a.b/$HOOK_ID/x", "$HOOK_ID"),
        ] {
            assert_eq!(placeholder(text), Some(found), "{text}");
        }
    }

    #[test]
    fn ignores_values_that_resemble_placeholders() {
        for text in [
            "",
            "a1",
            "100%",
            "50% to 60% of it",
            "%C3%A9t%C3%A9",
            "%E3%81%ABNAME%20",
            "a%20TOKEN%20b",
            "{3f2504e0-4f89-11d3-9a0c-0305e82c3301}",
            "{a3f504e0-4f89-11d3-9a0c-0305e82c3301}",
            r#"{"key":"value"}"#,
            "{}",
            "{{}}",
            "${}",
            "a < b > c",
            "<>",
            "US$100",
            "$5",
            "a$ABCb",
            "yourself",
            "courier_service",
            "s3cr3t-0123456789-abcdefghijklmnop",
            "https://hooks.example.com/?a[]=1",
        ] {
            assert_eq!(placeholder(text), None, "{text}");
        }
    }
}
