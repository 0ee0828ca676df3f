//! What is said of texts that are no filter: where it went wrong, and the mend.

use super::cursor::Cursor;
use super::error::{Error, ErrorKind, Expected, operators};
use super::token;
use super::tree::Open;
use super::{CompareOp, Span, quote};

/// Words and symbols of other languages, and what SCIM has for them.
const LOOKALIKES: [(&str, CompareOp); 19] = [
    ("=", CompareOp::Eq),
    ("==", CompareOp::Eq),
    ("===", CompareOp::Eq),
    (":", CompareOp::Eq),
    ("!=", CompareOp::Ne),
    ("!==", CompareOp::Ne),
    ("<>", CompareOp::Ne),
    ("<", CompareOp::Lt),
    ("<=", CompareOp::Le),
    (">", CompareOp::Gt),
    (">=", CompareOp::Ge),
    ("is", CompareOp::Eq),
    ("equals", CompareOp::Eq),
    ("neq", CompareOp::Ne),
    ("contains", CompareOp::Co),
    ("startswith", CompareOp::Sw),
    ("endswith", CompareOp::Ew),
    ("gte", CompareOp::Ge),
    ("lte", CompareOp::Le),
];

const SYMBOLS: [char; 8] = ['=', '!', '<', '>', '~', ':', '&', '|'];
pub(super) const QUOTES: [char; 9] = ['\'', '‘', '’', '‚', '“', '”', '„', '`', '´'];

impl<'t> Cursor<'t> {
    fn mended(&self, path: Span, operator: CompareOp) -> String {
        format!("`{} {operator} {}`", quote(self.slice(path)), self.meant_value())
    }

    /// The word before this place, where it is `and` or `or`.
    fn connective_before(&self) -> Option<&'t str> {
        let before = self.text.get(..self.at)?.trim_end_matches(token::is_space);
        let word = before.rsplit(|c: char| token::is_space(c) || "()[]\"".contains(c)).next()?;
        is_connective(word).then_some(word)
    }

    /// A value alone behind a term and `or`: both in full, with the attribute of the term before.
    fn repeated(&self) -> Option<String> {
        let connective = self.connective_before()?;
        let before = self.text.get(..self.at)?.trim_end_matches(token::is_space);
        let before = before.strip_suffix(connective)?.trim_end_matches(token::is_space);
        let (head, value) = before.strip_suffix('"')?.rsplit_once('"')?;
        let mut words = head.rsplit(token::is_space).filter(|word| !word.is_empty());
        let (operator, path) = (words.next()?, words.next()?.trim_start_matches(['(', '[']));
        let term = format!("{path} {operator} \"{value}\"");
        crate::syntax::Expr::parse(&term).ok()?;
        let meant = self.meant_value();
        let (term, again) = (quote(&term), quote(&format!("{path} {operator}")));
        Some(format!("write both terms in full: `{term} {connective} {again} {meant}`"))
    }

    fn missing_operand(&self, span: Span, found: Option<&str>) -> Error {
        let before = self.connective_before();
        let found = found.map(quote);
        let joins = |found: &str| is_connective(found) || found.starts_with(['&', '|']);
        let (message, help) = match (before, found) {
            (Some(before), Some(found)) if joins(&found) => (
                format!("nothing stands between `{before}` and `{found}`"),
                "remove one of them, or write a term between them".to_owned(),
            ),
            (Some(before), _) => (
                format!("nothing stands after `{before}`"),
                format!("remove the `{before}`, or write a term such as `id eq \"…\"` after it"),
            ),
            (None, Some(found)) if joins(&found) => (
                format!("nothing stands before `{found}`"),
                format!("remove the `{found}`, or write a term such as `id eq \"…\"` before it"),
            ),
            (None, _) => (
                "nothing stands in the brackets".to_owned(),
                "remove them, or write a term such as `id eq \"…\"` in them".to_owned(),
            ),
        };
        Error {
            kind: ErrorKind::MissingOperand,
            span,
            expected: Expected::Operand,
            message: message.into(),
            help: help.into(),
        }
    }

    /// Something that begins no term, or nothing, stands where a term must.
    pub(super) fn no_operand(&self, open: Option<Open>) -> Error {
        let span = self.next_char();
        let error = |kind, span, message: String, help: String| Error {
            kind,
            span,
            expected: Expected::Operand,
            message: message.into(),
            help: help.into(),
        };
        let Some(found) = self.peek() else {
            if self.text.chars().all(token::is_space) {
                let help = "write a term such as `id eq \"…\"`";
                return error(ErrorKind::Empty, span, "filter is empty".into(), help.into());
            }
            return match (self.connective_before(), open) {
                (None, Some(open)) => self.unclosed(open),
                _ => self.missing_operand(span, None),
            };
        };
        let word = self.word();
        match found {
            ')' | ']' if open.is_none() && self.connective_before().is_none() => {
                self.unopened(None, found)
            }
            ')' | ']' => self.missing_operand(span, Some(&found.to_string())),
            '"' => error(
                ErrorKind::InvalidPath,
                span,
                "a value stands where an attribute must".into(),
                self.repeated().unwrap_or_else(|| {
                    "write the attribute first, then the operator, then the value: `id eq \"…\"`"
                        .into()
                }),
            ),
            '&' | '|' => {
                let symbols = word.trim_start_matches(['&', '|']);
                let length = word.len() - symbols.len();
                self.missing_operand(self.here(length), word.get(..length))
            }
            '!' => error(
                ErrorKind::SymbolicOperator,
                span,
                "`!` is not an operator of SCIM filters".into(),
                "compare with `ne`, or negate with `not` and brackets: `not(id eq \"…\")`".into(),
            ),
            quote if QUOTES.contains(&quote) && self.at == 0 && self.text.contains('"') => error(
                ErrorKind::WrongQuotes,
                span,
                format!("filter begins with the quote `{quote}`"),
                format!("remove the `{quote}` at both ends of the filter: they belong to a shell"),
            ),
            '[' => error(
                ErrorKind::InvalidPath,
                span,
                "`[` stands without an attribute before it".into(),
                "write the attribute first, as in `emails[type eq \"work\"]`, or use `(`".into(),
            ),
            _ => error(
                ErrorKind::InvalidPath,
                self.here(word.len()),
                format!("`{}` is not an attribute", quote(word)),
                name_help(word),
            ),
        }
    }

    /// A path that is not followed by white space or `[`.
    pub(super) fn bad_path(&self, path: Span) -> Error {
        let word = self.word();
        let symbols = word.len() - word.trim_start_matches(SYMBOLS).len();
        let found = self.peek().unwrap_or_default();
        if symbols > 0 && found != ':' {
            return self.no_operator(path, word);
        }
        if matches!(found, ')' | ']' | '"' | '(') {
            return self.no_operator(path, "");
        }
        let written = self.text.get(path.start as usize..self.at + word.len()).unwrap_or_default();
        let name = self.slice(path).rsplit(':').next().unwrap_or_default();
        let help = match found {
            '.' if name.contains('.') => {
                "an attribute has at most one sub-attribute, as in `name.familyName`"
            }
            ':' => "before the name stands a whole URI, as in `urn:example:schema:name`",
            _ => &name_help(written),
        };
        Error {
            kind: ErrorKind::InvalidPath,
            span: Span { end: self.here(word.len()).end, ..path },
            expected: Expected::Operand,
            message: format!("`{}` is not an attribute", quote(written)).into(),
            help: help.into(),
        }
    }

    /// No operator stands behind an attribute path, but `word`.
    pub(super) fn no_operator(&self, path: Span, word: &str) -> Error {
        let written = self.slice(path);
        let name = quote(written);
        if is_connective(written) && !is_symbolic(word) {
            // What reads as an attribute called `or` was meant as the word.
            let before = Cursor { at: path.start as usize, ..*self };
            return before.missing_operand(path, Some(written));
        }
        let span = if word.is_empty() { self.next_char() } else { self.here(word.len()) };
        let error = |kind, span, message: String, help: String| Error {
            kind,
            span,
            expected: Expected::Operator,
            message: message.into(),
            help: help.into(),
        };
        let symbols = word.len() - word.trim_start_matches(SYMBOLS).len();
        let length = if symbols > 0 { symbols } else { word.len() };
        let found = word.get(..length).unwrap_or_default();
        let meant = LOOKALIKES.iter().find(|(other, _)| found.eq_ignore_ascii_case(other));
        if let Some((_, operator)) = meant {
            let mut after = Cursor { at: self.at + length, ..*self };
            after.skip_spaces();
            let kind =
                if symbols > 0 { ErrorKind::SymbolicOperator } else { ErrorKind::UnknownOperator };
            return error(
                kind,
                self.here(length),
                format!("`{}` is not an operator of SCIM filters", quote(found)),
                format!("use `{operator}`: {}", after.mended(path, *operator)),
            );
        }
        if written.eq_ignore_ascii_case("not") && !word.is_empty() {
            return Error {
                kind: ErrorKind::NotWithoutBrackets,
                span: path,
                expected: Expected::Bracket,
                message: "`not` stands without brackets".into(),
                help: format!("put brackets round what it negates: `not({} …)`", quote(word))
                    .into(),
            };
        }
        let connective = is_connective(word);
        if word.is_empty() || connective || QUOTES.iter().any(|quote| word.starts_with(*quote)) {
            let help = if connective
                || self.peek().is_none()
                || word.is_empty() && self.peek() != Some('"')
            {
                format!("compare it, as in `{name} eq \"…\"`")
            } else {
                format!("put an operator between them: {}", self.mended(path, CompareOp::Eq))
            };
            let message = format!("attribute `{name}` has no operator");
            return error(ErrorKind::MissingOperator, span, message, help);
        }
        error(
            ErrorKind::UnknownOperator,
            span,
            format!("`{}` is not an operator", quote(word)),
            format!("use one of {}", operators()),
        )
    }

    /// A term is complete, and `word` or another character follows that continues nothing.
    pub(super) fn no_connective(&self, open: Option<Open>, word: &str) -> Error {
        let symbols = word.len() - word.trim_start_matches(['&', '|', ',', ';']).len();
        let error = |kind, span, message: String, help: String| Error {
            kind,
            span,
            expected: match open {
                Some((_, closing)) => Expected::Closing(closing),
                None => Expected::Connective,
            },
            message: message.into(),
            help: help.into(),
        };
        let found = word.get(..symbols).unwrap_or_default();
        if symbols > 0 {
            let meant = if found.starts_with('&') { "and" } else { "or" };
            return error(
                ErrorKind::SymbolicOperator,
                self.here(symbols),
                format!("`{found}` does not join terms in SCIM filters"),
                match self.rest().get(symbols..).unwrap_or_default().trim_start() {
                    "" => format!("remove the `{found}`"),
                    _ => format!("write `{meant}` in its place, a space on both sides"),
                },
            );
        }
        let after_value = self.text.get(..self.at).is_some_and(|before| before.ends_with('"'));
        if after_value && !word.is_empty() {
            return error(
                ErrorKind::MissingConnective,
                self.here(word.len()),
                format!("`{}` stands right behind a value", quote(word)),
                "a double quote inside a value is written `\\\"`; between terms stands ` and ` or ` or `".into(),
            );
        }
        let (span, found) = if word.is_empty() {
            (self.next_char(), self.slice(self.next_char()))
        } else {
            (self.here(word.len()), word)
        };
        error(
            ErrorKind::MissingConnective,
            span,
            format!("`{}` stands where `and`, `or` or the end must", quote(found)),
            "join terms with `and` or `or`: `a eq \"…\" or b eq \"…\"`".into(),
        )
    }

    /// White space is missing at `gap`, between two parts.
    pub(super) fn no_space(&self, gap: Span, before: Span, after: Span) -> Error {
        let (before, after) = (quote(self.slice(before)), quote(self.slice(after)));
        Error {
            kind: ErrorKind::MissingSpace,
            span: gap,
            expected: Expected::Space,
            message: format!("no space stands between `{before}` and `{after}`").into(),
            help: format!("write `{before} {after}`").into(),
        }
    }

    pub(super) fn unclosed(&self, (bracket, closing): Open) -> Error {
        let opening = self.slice(bracket);
        let text = self.text.trim_end_matches(token::is_space);
        let help = match (closing, bracket.start) {
            (')', 0) if text.len() > 1 => {
                format!("add `)` where the group ends: `{})`", quote(text))
            }
            _ => format!("add `{closing}` where the group ends, or remove the `{opening}`"),
        };
        Error {
            kind: ErrorKind::UnclosedBracket,
            span: bracket,
            expected: Expected::Closing(closing),
            message: format!("`{opening}` is never closed").into(),
            help: help.into(),
        }
    }

    pub(super) fn unopened(&self, open: Option<Open>, found: char) -> Error {
        let (message, help, expected) = match open {
            Some((bracket, closing)) => (
                format!("`{found}` does not close `{}`", self.slice(bracket)),
                format!("write `{closing}` in its place, or before it"),
                Expected::Closing(closing),
            ),
            None => (
                format!("`{found}` closes nothing"),
                format!("remove the `{found}`, or open its group before"),
                Expected::Connective,
            ),
        };
        Error {
            kind: ErrorKind::UnopenedBracket,
            span: self.next_char(),
            expected,
            message: message.into(),
            help: help.into(),
        }
    }

    pub(super) fn nested_value_path(&self, bracket: Span) -> Error {
        Error {
            kind: ErrorKind::NestedValuePath,
            span: Span::new(bracket.start as usize, self.at + 1),
            expected: Expected::Connective,
            message: "a value path holds nothing but another value path".into(),
            help: "sub-attributes have no sub-attributes of their own: compare one, as in `emails[type eq \"work\"]`".into(),
        }
    }
}

pub(super) fn is_connective(word: &str) -> bool {
    word.eq_ignore_ascii_case("and") || word.eq_ignore_ascii_case("or")
}

/// What a name may be, and the letter that only looks as if it may stand in one.
fn name_help(written: &str) -> String {
    match written.chars().find(|c| c.is_alphanumeric() && !c.is_ascii()) {
        Some(c) => format!(
            "`{}` is U+{:04X}: a name begins with an ASCII letter and holds ASCII letters, digits, `-` and `_`",
            quote(c.encode_utf8(&mut [0; 4])),
            u32::from(c)
        ),
        None => "a name begins with a letter and holds letters, digits, `-` and `_`".to_owned(),
    }
}

fn is_symbolic(word: &str) -> bool {
    word.starts_with(SYMBOLS)
}

impl Error {
    /// Helps with the whole term, which can be pasted.
    pub(super) fn with_term(self, before: &str, value: &str) -> Self {
        Self { help: format!("write `{} {}`", quote(before), quote(value)).into(), ..self }
    }

    pub(super) fn too_long(text: &str, most: usize) -> Self {
        let clamp = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        let span = Span { start: clamp(text.floor_char_boundary(most)), end: clamp(text.len()) };
        let message = format!("filter is longer than {most} bytes");
        Self::too_large(
            ErrorKind::TooLong,
            span,
            message,
            "make it shorter, or split it into several filters",
        )
    }

    pub(super) fn too_deep(bracket: Span, most: usize) -> Self {
        let message = format!("brackets are nested deeper than {most}");
        let help = "remove brackets that change nothing: `and` binds tighter than `or`";
        Self::too_large(ErrorKind::TooDeep, bracket, message, help)
    }

    pub(super) fn too_many_terms(term: Span, most: usize) -> Self {
        let message = format!("filter has more than {most} terms");
        let help = "use fewer terms, or split it into several filters";
        Self::too_large(ErrorKind::TooManyTerms, term, message, help)
    }

    fn too_large(kind: ErrorKind, span: Span, message: String, help: &str) -> Self {
        Self { kind, span, expected: Expected::Less, message: message.into(), help: help.into() }
    }
}
