//! Describes a JSON syntax error in the program's own words.
//!
//! `serde_json` reports only a category and a position through its API. The rest follows from the
//! text before the position: which bracket is open, and what the last token was.
//!
//! # Example
//!
//! ```text
//! [{"id":"a","url":"u",}]
//!                      ^ serde_json: line 1, column 22
//! state before it     open: `[`, `{`     last token: `,`
//! message             expected another member after `,`, found `}`
//! help                remove the comma after the last one
//! ```
//!
//! The text before the position is well formed, except perhaps for its last token. So a scan of
//! brackets, strings and separators is enough to know what could have followed.
//!
//! # Why not serde_json's message
//!
//! It is English that may change with each release, and code must not decide by it. It also names
//! what the parser wanted in its own terms ("key must be a string"), and not what to do.
//!
//! # What no message contains
//!
//! At most one character of the text is quoted. The text may be a file that was given by mistake,
//! such as one with keys, and its unquoted words may be secrets.

use crate::cli::output::quote;
use serde_json::error::Category;

/// The message and the help for text that is not JSON.
pub(crate) struct JsonError {
    pub(crate) message: String,
    pub(crate) help: &'static str,
    /// Whether the text is well formed up to the error, and has something after its end.
    pub(crate) is_trailing: bool,
}

/// The last token before a position.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Token {
    /// There is none, or it is `[`, `{`, `:` or `,`: a value or a name comes next.
    Open(u8),
    /// A member's name; a colon comes next.
    Name,
    /// A complete value.
    Value,
    /// A number, or the letters of a literal, which begins at this byte and may continue.
    Word(usize),
    /// The inside of a string.
    String,
}

/// The brackets that are open at a position, and the last token before it.
struct State {
    open: Vec<u8>,
    last: Token,
}

/// The nesting at which `serde_json` stops.
const MAX_DEPTH: usize = 127;

impl JsonError {
    /// Describes an error that `serde_json` found in the text.
    pub(crate) fn new(text: &[u8], error: &serde_json::Error) -> Self {
        let offset = offset(text, error);
        // An error after the last byte has the length of the text as its offset.
        let read = text.get(..=offset).unwrap_or(text);
        // The last character may continue after the offset; such an error has no length.
        if std::str::from_utf8(read).is_err_and(|error| error.error_len().is_some()) {
            return Self::because("the text is not UTF-8", "save the file as UTF-8");
        }
        match error.classify() {
            // The position is the end of the text, so all of it is scanned for what is open there.
            Category::Eof => State::at(text, text.len()).at_end(),
            Category::Syntax => State::at(text, offset).at_byte(text, offset),
            // The callers read values of any form, so the JSON itself is well formed in this case.
            Category::Data | Category::Io => Self::other("the JSON value has another form"),
        }
    }

    fn because(message: impl Into<String>, help: &'static str) -> Self {
        Self { message: message.into(), help, is_trailing: false }
    }

    fn other(message: impl Into<String>) -> Self {
        Self::because(message, "write well-formed JSON")
    }
}

/// Returns the offset of the byte at which the error was found.
///
/// Lines count from 1, and so do the bytes of a line; the line break itself has column 0 of the
/// next line.
fn offset(text: &[u8], error: &serde_json::Error) -> usize {
    let lines = text.split_inclusive(|byte| *byte == b'\n').take(error.line().saturating_sub(1));
    let begin: usize = lines.map(<[u8]>::len).sum();
    (begin + error.column()).saturating_sub(1).min(text.len())
}

impl State {
    /// Scans the text before `offset`, which is well formed except perhaps for its last token.
    fn at(text: &[u8], offset: usize) -> Self {
        // A value comes next at the start of the text, as after a colon.
        let mut state = Self { open: Vec::new(), last: Token::Open(b':') };
        let mut escaped = false;
        let mut is_name = false;
        for (at, byte) in text.iter().copied().enumerate().take(offset) {
            if state.last == Token::String {
                match byte {
                    _ if escaped => escaped = false,
                    b'\\' => escaped = true,
                    b'"' => state.last = if is_name { Token::Name } else { Token::Value },
                    _ => {}
                }
                continue;
            }
            state.last = match byte {
                // White space ends a number or a literal, and separates other tokens without
                // changing the state.
                b' ' | b'\t' | b'\r' | b'\n' => match state.last {
                    Token::Word(_) => Token::Value,
                    last => last,
                },
                b'"' => {
                    // Known only here: once the string is open, the token before it is forgotten.
                    is_name = state.expects_name();
                    Token::String
                }
                b'{' | b'[' => {
                    state.open.push(byte);
                    Token::Open(byte)
                }
                b'}' | b']' => {
                    state.open.pop();
                    Token::Value
                }
                b',' | b':' => Token::Open(byte),
                _ => match state.last {
                    Token::Word(begin) => Token::Word(begin),
                    _ => Token::Word(at),
                },
            };
        }
        state
    }

    fn expects_name(&self) -> bool {
        self.is_in_object() && matches!(self.last, Token::Open(b'{' | b','))
    }

    /// Describes text that ends too early.
    fn at_end(&self) -> JsonError {
        let inside = match (self.last, self.open.last()) {
            (Token::String, _) => "inside a string",
            (_, Some(b'{')) => "inside an object",
            (_, Some(_)) => "inside an array",
            (_, None) => "before a complete value",
        };
        JsonError::because(
            format!("the text ends {inside}"),
            "close every string, array and object that is open",
        )
    }

    /// Describes an error at a byte of the text.
    fn at_byte(&self, text: &[u8], offset: usize) -> JsonError {
        let Some(byte) = text.get(offset).copied() else {
            // A literal such as `tru` is malformed only because the text ends.
            return self.at_end();
        };
        // `serde_json` reports a `\u` escape at its last digit, and any other bad escape in the
        // string.
        if is_bad_escape(text, offset) || self.last == Token::String && byte >= b' ' {
            let help = "write a backslash inside a string as `\\\\`, and surrogates in pairs";
            return JsonError::because("invalid escape in a string", help);
        }
        let found = found(text, offset);
        // The error may be in the middle of a word, as in `tru}`. The whole word shows what is
        // wrong.
        if let Token::Word(begin) = self.last
            && let Some(error) = word(text, begin, offset)
        {
            return error;
        }
        match self.last {
            // A bad escape was reported above, so only a control character is left.
            Token::String => JsonError::because(
                "control character in a string",
                "write a line break inside a string as `\\n`",
            ),
            Token::Open(_) => self.no_value(text, offset, byte),
            Token::Name => JsonError::because(
                format!("expected `:` after a member name, found {found}"),
                "write each member as `\"name\": value`",
            ),
            Token::Word(_) | Token::Value if self.open.is_empty() => JsonError {
                is_trailing: true,
                ..JsonError::because(
                    format!("expected the end of the text, found {found}"),
                    "put the documents into an array, or each on a line of its own",
                )
            },
            Token::Word(_) | Token::Value => JsonError::because(
                format!(
                    "expected `,` or `{}`, found {found}",
                    if self.is_in_object() { '}' } else { ']' }
                ),
                "separate items by commas, and write a quote inside a string as `\\\"`",
            ),
        }
    }

    /// Describes an error at a byte where a value or a member name must begin.
    fn no_value(&self, text: &[u8], offset: usize, byte: u8) -> JsonError {
        let found = found(text, offset);
        if self.last == Token::Open(b',') && matches!(byte, b'}' | b']') {
            let (item, end) = if self.is_in_object() { ("member", b'}') } else { ("item", b']') };
            JsonError::because(
                format!("expected another {item} after `,`, found {found}"),
                // `[1,}` has a superfluous comma and the wrong bracket.
                match byte == end {
                    true => "remove the comma after the last one",
                    false => "remove the comma, and close every open bracket",
                },
            )
        } else if self.expects_name() {
            JsonError::because(
                format!("expected a member name in double quotes, found {found}"),
                "put member names in double quotes",
            )
        } else if matches!(byte, b'{' | b'[') && self.open.len() >= MAX_DEPTH {
            let message = format!("more than {MAX_DEPTH} levels of nesting");
            JsonError::because(message, "nest less deeply")
        } else {
            word(text, offset, offset)
                .unwrap_or_else(|| JsonError::other(format!("expected a value, found {found}")))
        }
    }

    /// Returns whether the innermost open bracket is that of an object.
    fn is_in_object(&self) -> bool {
        self.open.last() == Some(&b'{')
    }
}

/// Returns the character at `offset`, for a message.
fn found(text: &[u8], offset: usize) -> String {
    let (_, rest) = text.split_at(offset);
    // No character is longer than four bytes.
    let rest = String::from_utf8_lossy(rest.split_at(rest.len().min(4)).0);
    let first: String = rest.chars().take(1).collect();
    format!("`{}`", quote(&first))
}

/// Returns whether a `\u` escape without four hexadecimal digits ends at `offset`.
fn is_bad_escape(text: &[u8], offset: usize) -> bool {
    let escape = offset.checked_sub(5).and_then(|begin| text.get(begin..=offset));
    // The offset is that of the last of four places, so the escape begins five bytes before.
    let digits = escape.and_then(|escape| escape.strip_prefix(b"\\u"));
    digits.is_some_and(|digits| !digits.iter().all(u8::is_ascii_hexdigit))
}

/// Describes the number or literal that begins at `begin`, if the error at `offset` is in it.
///
/// The message does not repeat it: it may be a secret without its quotes.
fn word(text: &[u8], begin: usize, offset: usize) -> Option<JsonError> {
    let (_, rest) = text.split_at(begin);
    let is_end = |byte: &u8| b" \t\r\n,:[]{}\"".contains(byte);
    let word = rest.split(is_end).next()?;
    let first = word.first()?;
    // Whether the word is well formed by itself decides if the error is in it or after it.
    let is_valid = serde_json::from_slice::<&serde_json::value::RawValue>(word).is_ok();
    if !matches!(first, b'0'..=b'9' | b'-' | b'+' | b'.') {
        let help = "put strings in double quotes; only `true`, `false` and `null` have none";
        return (!is_valid)
            .then(|| JsonError::because("expected a value, found unquoted text", help));
    }
    if !is_valid {
        return Some(JsonError::because(
            "malformed number",
            "write it as in `10`, `0.5` or `-1e3`",
        ));
    }
    // After a complete number, the error is in what follows it.
    // `1e999` is well formed, and only its value is refused.
    let is_inside = offset < begin + word.len();
    is_inside.then(|| JsonError::because("number out of range", "write a smaller number"))
}

#[cfg(test)]
mod tests {
    use super::JsonError;

    fn message(text: &[u8]) -> String {
        let error = serde_json::from_slice::<serde_json::Value>(text).unwrap_err();
        JsonError::new(text, &error).message
    }

    #[test]
    fn describes_every_syntax_error() {
        let deep = "[".repeat(200);
        for (text, expected) in [
            ("", "the text ends before a complete value"),
            ("tru", "the text ends before a complete value"),
            ("{", "the text ends inside an object"),
            ("{\"a\"", "the text ends inside an object"),
            ("[{}, ", "the text ends inside an array"),
            ("[1", "the text ends inside an array"),
            ("{\"a\":[],", "the text ends inside an object"),
            ("{\"a", "the text ends inside a string"),
            ("[1,]", "expected another item after `,`, found `]`"),
            ("{\"a\":1,\n}", "expected another member after `,`, found `}`"),
            ("{a:1}", "expected a member name in double quotes, found `a`"),
            ("{\"a\":1,'b':2}", "expected a member name in double quotes, found `'`"),
            ("{\"a\" 1}", "expected `:` after a member name, found `1`"),
            ("{\"a\":1 \"b\":2}", "expected `,` or `}`, found `\"`"),
            ("{\"a\":\"x\"y\"}", "expected `,` or `}`, found `y`"),
            ("[1\"a\"]", "expected `,` or `]`, found `\"`"),
            ("[{} é]", "expected `,` or `]`, found `é`"),
            ("[,]", "expected a value, found `,`"),
            ("{\"a\":}", "expected a value, found `}`"),
            ("{\"a\":\n tru}", "expected a value, found unquoted text"),
            ("nope", "expected a value, found unquoted text"),
            ("['a']", "expected a value, found unquoted text"),
            ("[01]", "malformed number"),
            ("[1.]", "malformed number"),
            ("[+1]", "malformed number"),
            ("[1e999]", "number out of range"),
            ("[] []", "expected the end of the text, found `[`"),
            ("1 2", "expected the end of the text, found `2`"),
            ("{}\n,", "expected the end of the text, found `,`"),
            ("[\"a\nb\"]", "control character in a string"),
            (r#"["\x"]"#, "invalid escape in a string"),
            (r#"["\u12"] "#, "invalid escape in a string"),
            (r#"["\ud800"]"#, "invalid escape in a string"),
            (r#"["\udc00"]"#, "invalid escape in a string"),
            (&deep, "more than 127 levels of nesting"),
        ] {
            assert_eq!(message(text.as_bytes()), expected, "{text}");
        }
        assert_eq!(message(b"[\"a\xff\"]"), "the text is not UTF-8");
    }
}
