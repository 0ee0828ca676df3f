//! Placeholders that were left in a text, such as `{{TOKEN}}` or `YOUR_SECRET`.
//!
//! A template or a page of documentation has them where a value belongs. A text that holds one is
//! valid, and almost never what its author wanted to send. Each form needs a name inside that looks
//! like one, so that random secrets, percent-encoded URLs, UUIDs in braces and JSON are left alone.

/// The first placeholder of a text, with its marks.
pub(crate) fn placeholder(text: &str) -> Option<&str> {
    let marked = MARKS.iter().filter_map(|(open, close, is_name)| {
        text.match_indices(open).find_map(|(at, _)| {
            let rest = text.get(at + open.len()..)?;
            // No name is longer, and the search stays linear.
            let window = rest
                .char_indices()
                .nth(LONGEST + 2)
                .map_or(rest, |(end, _)| rest.get(..end).unwrap_or_default());
            let name = window.get(..window.find(close)?)?;
            let before = text.get(..at)?;
            (is_name(name) && !(*open == "%" && ends_in_a_code(before)))
                .then(|| (at, open.len() + name.len() + close.len()))
        })
    });
    let words = word(text).into_iter().chain(variable(text));
    // The first one; of several that begin there, the longest.
    let found = marked.chain(words).min_by_key(|(at, length)| (*at, usize::MAX - length));
    found.and_then(|(at, length)| text.get(at..at + length))
}

type Mark = (&'static str, &'static str, fn(&str) -> bool);

/// How a placeholder begins and ends, and what its name looks like.
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

const LONGEST: usize = 64;

/// What a template engine evaluates.
fn is_expression(text: &str) -> bool {
    let name = text.trim_matches(|c: char| c == ' ' || c == '=' || c == '-');
    name.len() <= LONGEST
        && name.starts_with(|c: char| c.is_ascii_alphabetic() || matches!(c, '_' | '.' | '$'))
        && !name.contains(['{', '}', '"', '<', '>'])
}

/// A name or a few words, such as `tenant-id` or `your token`; a UUID is none.
fn is_name(text: &str) -> bool {
    let text = text.trim_matches(' ');
    let letters = text.bytes().filter(u8::is_ascii_alphabetic).count();
    (2..=32).contains(&text.len())
        && letters * 2 > text.len()
        && text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.' | b' '))
}

/// An upper-case name that is not the rest of a percent code.
fn is_constant(text: &str) -> bool {
    (3..=LONGEST).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_')
        && text.bytes().take(2).all(|b| !b.is_ascii_digit())
}

/// Whether a text ends in a percent code, such as `%C3`.
fn ends_in_a_code(text: &str) -> bool {
    let code = text.len().checked_sub(3).and_then(|at| text.get(at..));
    let code = code.and_then(|code| code.strip_prefix('%'));
    code.is_some_and(|code| code.bytes().all(|b| b.is_ascii_hexdigit()))
}

/// `YOUR_SECRET`, `your-tenant`, `CHANGE_ME`, `replace-me`, with their place and length.
fn word(text: &str) -> Option<(usize, usize)> {
    let is_part = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-');
    let mut at = 0;
    for part in text.split(|c: char| !c.is_ascii() || !is_part(&(c as u8))) {
        let lower = part.to_ascii_lowercase().replace('-', "_");
        let is_yours = lower.starts_with("your_") || lower.contains("_your_");
        let is_ordered = ["changeme", "change_me", "replaceme", "replace_me", "replace_with_"]
            .iter()
            .any(|order| lower.starts_with(order));
        let is_inserted = lower.starts_with("insert_") && lower.ends_with("_here");
        if is_yours || is_ordered || is_inserted {
            return Some((at, part.len()));
        }
        at += part.len();
        at += text.get(at..).and_then(|rest| rest.chars().next()).map_or(0, char::len_utf8);
    }
    None
}

/// `$TOKEN`, which a shell did not expand, with its place and length.
fn variable(text: &str) -> Option<(usize, usize)> {
    let ends = |c: Option<char>| c.is_none_or(|c| !c.is_ascii_alphanumeric() && c != '$');
    text.match_indices('$').find_map(|(at, _)| {
        let rest = text.get(at + 1..)?;
        let end = rest.find(|c: char| !(c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_'));
        let (name, after) = rest.split_at_checked(end.unwrap_or(rest.len()))?;
        let before = text.get(..at)?.chars().next_back();
        let is_variable = (3..=LONGEST).contains(&name.len())
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
    fn leaves_values_alone_that_only_resemble_one() {
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
