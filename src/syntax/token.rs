//! The tokens of the grammar, as nom parsers: attribute paths, literals, white space.
//!
//! All tokens except strings with escapes are read as bytes, which takes fewer instructions than
//! reading characters. That is correct because every delimiter of the grammar is ASCII, and no byte
//! of a longer UTF-8 character is. So every token begins and ends at a character boundary.
//!
//! # One pass over each word
//!
//! The table [`KINDS`] has one byte for each value of a byte, and in it one bit for each kind of
//! token that the byte may be part of. So a run of any kind is found by the same loop, with another
//! mask:
//!
//! ```text
//! text     i  d  ␠  e  q  ␠  "  a  1  "
//! NAME     1  1  0  1  1  0  0  1  1  0
//! WORD     1  1  0  1  1  0  0  1  1  0      what an operator or bare value may consist of
//! SPACE    0  0  1  0  0  1  0  0  0  0
//! PLAIN    1  1  1  1  1  1  0  1  1  0      what a string may consist of without an escape
//! ```
//!
//! # Two kinds of failure
//!
//! nom distinguishes `Err::Error`, after which another alternative is tried, from `Err::Failure`,
//! which ends the search. The tokens over bytes use only the first, without content: the parser
//! describes the error from the text. A string uses both. `Error` means that the text begins with
//! no string, so the parser tries a bare word. `Failure` means that a string begins there and is
//! damaged, and carries a [`Fault`] with the place, since that is inside the string and the parser
//! could not find it again.
//!
//! # Paths with a URI
//!
//! `urn:a:2.0:User:name.first` has colons and dots on both sides of the one colon that matters. The
//! name after it can have no colon, so the URI ends at the *last* colon of the longest run of URI
//! characters:
//!
//! ```text
//! urn:a:2.0:User : name . first
//! └──── uri ───┘   └name┘ └name┘
//! ```
//!
//! Only a path that is followed by a URI character takes this second look. A plain `id` or
//! `name.first`, the usual case, is read once.

use super::steps;
use super::tree::Literal;
use crate::diagnostic::Parts;
use nom::branch::alt;
use nom::bytes::complete::{tag, tag_no_case, take_while, take_while_m_n, take_while1};
use nom::character::complete::{anychar, char, digit0, digit1, one_of, satisfy};
use nom::combinator::{all_consuming, map, map_opt, opt, recognize, value};
use nom::error::ParseError;
use nom::multi::{fold_many_m_n, fold_many0};
use nom::sequence::{delimited, preceded, terminated};
use nom::{Err, IResult, Parser};

/// A token and the bytes after it, or `()` if there is no such token.
type Parsed<'t, T = &'t [u8]> = IResult<&'t [u8], T, ()>;

/// Why a string cannot be read, and the text from that place on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fault<'t> {
    pub(super) rest: &'t str,
    pub(super) kind: FaultKind,
}

/// The ways in which a string can be wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FaultKind {
    /// The text does not begin with a string.
    Other,
    /// The text ends inside a string.
    Unclosed,
    /// An escape that JSON does not define.
    Escape,
    /// Half of a surrogate pair.
    Surrogate,
    /// A control character that is not escaped.
    Control(char),
}

impl<'t> ParseError<&'t str> for Fault<'t> {
    fn from_error_kind(rest: &'t str, _: nom::error::ErrorKind) -> Self {
        Self { rest, kind: FaultKind::Other }
    }

    // nom calls this for each parser around the one that failed. The innermost place is the useful
    // one.
    fn append(_: &'t str, _: nom::error::ErrorKind, other: Self) -> Self {
        other
    }
}

/// A part of a string and the text after it, or what is wrong.
type Piecewise<'t, T> = IResult<&'t str, T, Fault<'t>>;

/// Fails with a fault; the alternatives of a parser are not tried.
fn fault<'t, T>(rest: &'t str, kind: FaultKind) -> Piecewise<'t, T> {
    Err(Err::Failure(Fault { rest, kind }))
}

/// Returns whether a character is white space of the grammar.
pub(crate) const fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\r' | '\n')
}

// What a byte may be part of: one bit per kind of token.

/// White space.
const SPACE: u8 = 1;
/// A bare word, valid or not: anything but white space, brackets and double quotes.
const WORD: u8 = 2;
/// A name: letters, digits, `-` and `_`.
const NAME: u8 = 4;
/// A URI, without its percent encoding.
const URI: u8 = 8;
/// A string, without escapes.
const PLAIN: u8 = 16;

/// Returns the bits of the kinds of token that a byte may be part of.
const fn kinds(byte: u8) -> u8 {
    let space = if is_space(byte as char) { SPACE } else { WORD };
    let rest = match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' => NAME | URI | PLAIN,
        b'.' | b'~' | b':' | b'/' | b'?' | b'#' | b'@' | b'!' | b'$' | b'&' | b'\'' => URI | PLAIN,
        b'*' | b'+' | b',' | b';' | b'=' => URI | PLAIN,
        // RFC 3986 allows brackets in a URI, but they end a bare word, so that `(a pr)` has a word
        // `pr`.
        b'(' | b')' => return URI | PLAIN,
        // No URI bit: `emails[` must end the path. The brackets of an IP address are read by
        // `uri`.
        b'[' | b']' => return PLAIN,
        // Neither a word nor part of a string's run: a quote always begins or ends something.
        b'"' => return 0,
        // An escape, or a control character that JSON does not allow in a string. Both may be part
        // of a bare word, so that a message can quote the word as a whole.
        b'\\' | 0..=0x1f => 0,
        _ => PLAIN,
    };
    space | rest
}

/// The kinds of each byte. One look-up replaces a chain of comparisons.
const KINDS: [u8; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < table.len() {
        #[expect(clippy::indexing_slicing, reason = "out of bounds, it would not compile")]
        {
            table[byte] = kinds(byte as u8);
        }
        byte += 1;
    }
    table
};

/// Returns a predicate: whether a byte may be part of one of these kinds of token.
#[inline]
#[expect(clippy::indexing_slicing, reason = "the table has an entry for each byte")]
fn is(wanted: u8) -> impl Fn(u8) -> bool {
    move |byte| KINDS[usize::from(byte)] & wanted != 0
}

/// Returns the run of bytes of these kinds that a text begins with, which may be empty.
#[inline]
fn leading(wanted: u8, text: &[u8]) -> &[u8] {
    let length = text.iter().take_while(|byte| is(wanted)(**byte)).count();
    steps::count(length);
    text.head(length)
}

/// Reads a run of bytes of these kinds, which may be empty.
#[inline]
fn run<'t>(wanted: u8) -> impl Fn(&'t [u8]) -> Parsed<'t> {
    move |text| {
        let run = leading(wanted, text);
        Ok((text.tail(run.len()), run))
    }
}

/// Reads the first `length` bytes, which a search in `text` has counted.
#[inline]
fn split(text: &[u8], length: usize) -> Parsed<'_> {
    steps::count(length);
    let (token, rest) = text.split_at(length);
    Ok((rest, token))
}

/// Reads one byte.
#[inline]
fn byte<'t>(wanted: u8) -> impl Fn(&'t [u8]) -> Parsed<'t, ()> {
    move |text| match text.split_first() {
        Some((first, rest)) if *first == wanted => Ok((rest, ())),
        _ => Err(Err::Error(())),
    }
}

/// Returns the white space that a text begins with, which may be empty.
#[inline]
pub(super) fn spaces(text: &[u8]) -> &[u8] {
    leading(SPACE, text)
}

/// Returns the run of anything but white space, brackets and double quotes at the start of a text.
#[inline]
pub(super) fn bare_word(text: &[u8]) -> &[u8] {
    leading(WORD, text)
}

/// Reads `not` and an opening bracket after it.
pub(super) fn not_bracket(text: &[u8]) -> Parsed<'_> {
    terminated(tag_no_case("not"), (run(SPACE), byte(b'('))).parse(text)
}

/// `ATTRNAME = ALPHA *(nameChar)`
fn name(text: &[u8]) -> Parsed<'_> {
    match text.first() {
        Some(first) if first.is_ascii_alphabetic() => run(NAME).parse(text),
        _ => Err(Err::Error(())),
    }
}

/// `attrPath = [URI ":"] ATTRNAME *1subAttr`
pub(super) fn attr_path(text: &[u8]) -> Parsed<'_> {
    // The parts may not have spaces between them, so no white space is skipped here. A second dot,
    // as in `a.b.c`, is left over, and the parser reports what follows the path.
    let plain = || recognize((name, opt((byte(b'.'), name))));
    let (rest, path) = plain().parse(text)?;
    // The path goes on with a character that only a URI may have: `urn` before `:a:id`. It may also
    // be an operator of another language, as in `id==`. Then no URI is found, and the result is the
    // plain path again.
    if rest.first().is_some_and(|byte| is(URI)(*byte)) {
        return recognize((opt((uri, char(':'))), plain())).parse(text);
    }
    Ok((rest, path))
}

/// Reads the schema URI of an attribute path: everything up to the last colon before the name.
///
/// It must begin with a scheme. Square brackets belong to it only around an IP address; anywhere
/// else they begin a value path.
fn uri(text: &[u8]) -> Parsed<'_> {
    let plain = take_while_m_n(1, 1, is(URI));
    let percent = recognize((char('%'), take_while_m_n(2, 2, |byte: u8| byte.is_ascii_hexdigit())));
    let address = recognize((
        tag("//["),
        take_while1(|byte: u8| byte.is_ascii_hexdigit() || matches!(byte, b':' | b'.')),
        char(']'),
    ));
    let unit = alt((address, percent, plain));
    let (_, run) = recognize(fold_many0(unit, || (), |(), _| ())).parse(text)?;
    // Of `urn:a:b`, the URI is `urn:a` and the name `b`.
    let length = run.iter().rposition(|byte| *byte == b':').ok_or(Err::Error(()))?;
    let (rest, uri) = split(text, length)?;
    // A URI has a scheme with a colon of its own (RFC 3986 section 3.1): `urn:a:b` is a path, and
    // `a:b` is not.
    let scheme_char = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.');
    (satisfy(|c| c.is_ascii_alphabetic()), take_while(scheme_char), char(':')).parse(uri)?;
    Ok((rest, uri))
}

/// Returns the kind of a word that is `true`, `false`, `null` or a JSON number.
pub(super) fn bare_value(word: &[u8]) -> Option<Literal> {
    let literal = alt((
        value(Literal::Bool(true), tag("true")),
        value(Literal::Bool(false), tag("false")),
        value(Literal::Null, tag("null")),
        value(Literal::Number, number),
    ));
    // The whole word must be the literal: `truex` and `1a` are strings without quotes, not literals
    // with something after them.
    all_consuming(literal).parse(word).ok().map(|(_, value)| value)
}

/// `number = [ "-" ] int [ frac ] [ exp ]` (RFC 8259)
fn number(text: &[u8]) -> Parsed<'_> {
    // A leading zero is a number of its own, so `01` is left with a `1` and is refused.
    let int = alt((tag("0"), recognize((one_of("123456789"), digit0))));
    let frac = (char('.'), digit1);
    let exp = (one_of("eE"), opt(one_of("+-")), digit1);
    recognize((opt(char('-')), int, opt(frac), opt(exp))).parse(text)
}

/// Reads a JSON string without escapes.
pub(super) fn plain_string(text: &[u8]) -> Parsed<'_> {
    delimited(byte(b'"'), plain_run, byte(b'"')).parse(text)
}

/// Reads a run of unescaped characters of a string, eight bytes at a time.
///
/// The run ends before `"`, `\` or a control character. Each word of eight bytes is tested for all
/// three at once with the usual bit trick: subtracting `limit` from each byte borrows into the high
/// bit of those below it.
#[inline]
fn plain_run(text: &[u8]) -> Parsed<'_> {
    const ONES: u64 = u64::MAX / 0xff;
    // Sets the high bit of each byte below `limit`, for limits up to 0x80. A borrow may set bits
    // above the lowest such byte, so only the lowest bit that is set counts.
    let below = |word: u64, limit: u64| word.wrapping_sub(ONES * limit) & !word & (ONES * 0x80);
    let (chunks, last) = text.as_chunks::<8>();
    let mut length = 0;
    for chunk in chunks {
        // Little-endian on every machine: the first byte of the text becomes the lowest, so the
        // lowest bit that is set is that of the first byte which ends the run.
        let word = u64::from_le_bytes(*chunk);
        // A byte is equal to `byte` if their exclusive or is 0, which is the only value below 1.
        let is = |byte: u8| below(word ^ (ONES * u64::from(byte)), 1);
        let ends = below(word, 0x20) | is(b'"') | is(b'\\');
        if ends != 0 {
            return split(text, length + ends.trailing_zeros() as usize / 8);
        }
        length += 8;
    }
    // At most seven bytes are left, which the table reads one by one.
    split(text, length + leading(PLAIN, last).len())
}

/// Reads a JSON string and resolves its escapes.
pub(super) fn string(text: &str) -> Piecewise<'_, String> {
    let (body, _) = char('"').parse(text)?;
    // Whole runs are appended, so a string with one escape is not copied character by character.
    let run = take_while1(|c: char| !matches!(c, '"' | '\\') && u32::from(c) >= 0x20);
    let piece = alt((map(run, Piece::Run), map(escape, Piece::Char)));
    let (rest, content) = fold_many0(piece, String::new, |mut content, piece| {
        match piece {
            Piece::Run(run) => content.push_str(run),
            Piece::Char(c) => content.push(c),
        }
        content
    })
    .parse(body)?;
    steps::count(body.len() - rest.len());
    match rest.chars().next() {
        Some('"') => value(content, char('"')).parse(rest),
        // A backslash is left only if the text ends after it; every other bad escape has failed
        // already. An unclosed string is reported at its start, since its end is not known.
        Some('\\') | None => fault(text, FaultKind::Unclosed),
        Some(control) => fault(rest, FaultKind::Control(control)),
    }
}

/// A part of a string: characters without escapes, or one escaped character.
enum Piece<'t> {
    Run(&'t str),
    Char(char),
}

/// Reads one escape.
fn escape(text: &str) -> Piecewise<'_, char> {
    let (rest, _) = char('\\').parse(text)?;
    if rest.is_empty() {
        // The text ends after the backslash, so the string is unclosed.
        return Err(Err::Error(Fault { rest: text, kind: FaultKind::Other }));
    }
    let short = alt((
        one_of("\"\\/"),
        value('\u{8}', char('b')),
        value('\u{c}', char('f')),
        value('\n', char('n')),
        value('\r', char('r')),
        value('\t', char('t')),
    ));
    // No alternative knows the escape, such as `\x`. As an `Error`, it would only end the run of
    // pieces, and the string would be reported as unclosed.
    match short.or(unicode(text)).parse(rest) {
        Err(Err::Error(_)) => fault(text, FaultKind::Escape),
        done => done,
    }
}

/// Reads what follows the backslash of `\uXXXX`, or of a surrogate pair of them.
///
/// `from` is the text from the backslash on, where a fault is reported.
fn unicode<'t>(from: &'t str) -> impl Parser<&'t str, Output = char, Error = Fault<'t>> {
    move |text: &'t str| {
        let (rest, high) = preceded(char('u'), hex4).parse(text)?;
        // `char` has no surrogates, so every code that is not half of a pair succeeds here.
        if let Some(c) = char::from_u32(high) {
            return Ok((rest, c));
        }
        let pair = preceded(tag("\\u"), hex4).parse(rest);
        match pair {
            // RFC 8259 section 7: `\ud83d\ude00` is one character, U+1F600. The two halves have ten
            // bits each.
            Ok((rest, low)) if (0xdc00..0xe000).contains(&low) => {
                // If the first half is a low one, the code is above the last character.
                let code = 0x1_0000 + ((high - 0xd800) << 10) + (low - 0xdc00);
                match char::from_u32(code) {
                    Some(c) => Ok((rest, c)),
                    None => fault(from, FaultKind::Surrogate),
                }
            }
            _ => fault(from, FaultKind::Surrogate),
        }
    }
}

/// Reads four hexadecimal digits and returns their value.
fn hex4(text: &str) -> Piecewise<'_, u32> {
    // Exactly four: `u32::from_str_radix` would accept a sign, as in `\u+041`.
    let digit = map_opt(anychar, |c: char| c.to_digit(16));
    fold_many_m_n(4, 4, digit, || 0, |code, digit| code << 4 | digit).parse(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Tries each byte at each place of a run, before another byte that may end it.
    #[test]
    fn reads_the_same_plain_runs_as_a_byte_loop() {
        let step = if cfg!(miri) { 34 } else { 1 };
        for (at, byte) in
            (0..20).flat_map(|at| (0..=u8::MAX).step_by(step).map(move |byte| (at, byte)))
        {
            for other in [0, 0x1f, b' ', b'"', b'\\', b'x', 0x80, 0xff] {
                let mut text = [b'a'; 20];
                text.iter_mut().skip(at).take(1).for_each(|place| *place = byte);
                text.iter_mut().skip(at + 1).take(1).for_each(|place| *place = other);
                assert_eq!(plain_run(&text), run(PLAIN)(&text), "{text:?}");
            }
        }
    }
}
