//! Changes the white space of a JSON text, and nothing else.
//!
//! A parsed and printed document may have other digits in its numbers and another order of its
//! members. For a person who compares what arrived with what was sent, and for a signature, these
//! matter. So the tokens are copied as they are written, and only what separates them changes.

/// What separates the tokens of a JSON text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Layout {
    /// Nothing.
    Compact,
    /// A space after each comma and colon, as Python writes.
    Spaced,
    /// A line for each value, indented by this many spaces for each level.
    Lines(usize),
}

/// The maximum length of the result. Deep levels with many values make much of little.
const MAX: usize = 8 << 20;

/// Returns a JSON text in a layout; `None` if it is not JSON, or the result would be too long.
pub(crate) fn lay_out(text: &str, layout: Layout) -> Option<String> {
    // Its limit of nesting also limits the indentation.
    serde_json::from_str::<serde_json::Value>(text).ok()?;
    let mut writer = Writer { text: String::with_capacity(text.len()), layout, depth: 0 };
    // Whether the last token opened an object or an array. An empty one stays on its line.
    let mut opened = false;
    let (mut in_string, mut escaped) = (false, false);
    for c in text.chars() {
        if writer.text.len() > MAX {
            return None;
        }
        if in_string {
            writer.text.push(c);
            in_string = escaped || c != '"';
            escaped = !escaped && c == '\\';
            continue;
        }
        match c {
            ' ' | '\t' | '\r' | '\n' => continue,
            '}' | ']' => {
                writer.depth = writer.depth.saturating_sub(1);
                if !opened {
                    writer.line();
                }
            }
            _ if opened => writer.line(),
            _ => {}
        }
        writer.text.push(c);
        opened = matches!(c, '{' | '[');
        match c {
            '{' | '[' => writer.depth += 1,
            '"' => in_string = true,
            ',' if layout == Layout::Spaced => writer.text.push(' '),
            ',' => writer.line(),
            ':' if layout != Layout::Compact => writer.text.push(' '),
            _ => {}
        }
    }
    Some(writer.text)
}

struct Writer {
    text: String,
    layout: Layout,
    depth: usize,
}

impl Writer {
    /// Begins a line, in a layout that has lines.
    fn line(&mut self) {
        if let Layout::Lines(indent) = self.layout {
            self.text.push('\n');
            self.text.extend(std::iter::repeat_n(' ', indent * self.depth));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Layout, lay_out};

    #[test]
    fn changes_only_white_space() {
        let text = "{\"b\" :1.50, \"a\":[ ],\"c\":[{}, \"x, y: \\\" {\\\\\"] }\n";
        let compact = r#"{"b":1.50,"a":[],"c":[{},"x, y: \" {\\"]}"#;
        let lines = "{\n  \"b\": 1.50,\n  \"a\": [],\n  \"c\": [\n    {},\n    \"x, y: \\\" {\\\\\"\n  ]\n}";
        assert_eq!(lay_out(text, Layout::Compact).unwrap(), compact);
        assert_eq!(lay_out(text, Layout::Lines(2)).unwrap(), lines);
        assert_eq!(lay_out(lines, Layout::Compact).unwrap(), compact);
        let spaced = r#"{"b": 1.50, "a": [], "c": [{}, "x, y: \" {\\"]}"#;
        assert_eq!(lay_out(compact, Layout::Spaced).unwrap(), spaced);
        assert_eq!(lay_out("no JSON", Layout::Compact), None);
    }

    #[test]
    fn refuses_results_that_are_too_long() {
        let deep = format!("{}{}1{}", "[".repeat(120), "1,".repeat(100_000), "]".repeat(120));
        assert_eq!(lay_out(&deep, Layout::Lines(4)), None);
        assert!(lay_out(&deep, Layout::Compact).is_some());
    }
}
