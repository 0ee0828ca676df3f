//! Laws of filter texts.

use hooksieve::diagnostic::Span;
use hooksieve::filter::Profile;
use hooksieve::syntax::{Expr, ExprKind, ExprRef, Limits};
use std::hash::{BuildHasher, RandomState};

/// Checks all laws of a text, valid or not.
pub fn filter_text(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    within_limits(text, Limits::default());
    let profile = Profile::webhook();
    match profile.filter(text) {
        Ok(filter) => {
            let printed = filter.to_string();
            let again = profile.filter(&printed).expect("a printed filter is valid");
            assert_eq!(filter, again, "printing, parsing and checking a filter gives an equal one");
            assert_eq!(printed, again.to_string(), "the canonical form is stable");
            let hashers = RandomState::new();
            assert_eq!(
                hashers.hash_one(&filter),
                hashers.hash_one(&again),
                "equal filters hash alike"
            );
        }
        Err(error) => {
            assert!(error.count() > 0, "there is at least one diagnostic");
            if let Some(suggestion) = error.suggestion() {
                let accepted = profile.filter(suggestion);
                accepted.expect("a suggestion of the profile is accepted");
            }
            for problem in &error {
                on_boundaries(text, problem.span().expect("a diagnostic of a filter has a span"));
                readable(problem.message());
                readable(problem.help());
            }
        }
    }
}

/// Checks the laws of the grammar under limits, which the first bytes set.
pub fn limited_text(bytes: &[u8]) {
    let [a, b, c, rest @ ..] = bytes else { return };
    let Ok(text) = std::str::from_utf8(rest) else {
        return;
    };
    let limits = Limits::default()
        .with_bytes(usize::from(*a) * 16)
        .with_depth(usize::from(*b))
        .with_terms(usize::from(*c));
    within_limits(text, limits);
}

fn within_limits(text: &str, limits: Limits) {
    match Expr::parse_within(text, limits) {
        Ok(expr) => {
            assert!(text.len() <= limits.bytes(), "a parsed text is within the limit of bytes");
            let terms = expr.iter().filter(|part| is_term(*part)).count();
            assert!(terms <= limits.terms(), "a parsed text is within the limit of terms");
            let printed = expr.to_string();
            assert!(printed.len() <= text.len(), "the printed form is not longer than the text");
            let again = Expr::parse_within(&printed, limits).expect("the printed form parses");
            assert_eq!(expr, again, "parsing the printed form gives an equal tree: {printed}");
            assert_eq!(printed, again.to_string(), "printing is stable");
            assert_eq!(expr, expr.clone(), "a tree equals its clone");
            nested(text, &expr);
        }
        Err(error) => {
            on_boundaries(text, error.span().expect("a syntax error has a place"));
            readable(&error.to_string());
            readable(error.help());
            assert!(error.expected().is_some(), "an error says what was expected");
            if let Some(suggestion) = error.suggestion() {
                Expr::parse_within(suggestion, limits).expect("a suggestion is accepted");
            }
        }
    }
}

fn is_term(part: ExprRef<'_>) -> bool {
    matches!(part.kind(), ExprKind::Compare { .. } | ExprKind::Present { .. })
}

fn on_boundaries(text: &str, span: Span) {
    assert!(text.get(span.range()).is_some(), "the ends of span {span:?} are character boundaries");
}

/// Checks that spans nest, do not overlap otherwise, and end at character boundaries.
fn nested(text: &str, expr: &Expr) {
    let mut open = vec![(expr.root(), Span { start: 0, end: text.len() as u32 })];
    let mut seen = 0;
    while let Some((part, around)) = open.pop() {
        seen += 1;
        let span = part.span();
        for inner in [part.path_span(), part.operator_span(), part.value_span()] {
            on_boundaries(text, inner);
            let empty = inner == Span::default();
            assert!(empty || (span.start <= inner.start && inner.end <= span.end), "spans nest");
        }
        on_boundaries(text, span);
        assert!(span.start < span.end, "a part is not empty");
        assert!(around.start <= span.start && span.end <= around.end, "spans nest");
        match part.kind() {
            ExprKind::And(operands) | ExprKind::Or(operands) => {
                assert!(operands.count() >= 2, "a group has two operands or more");
                let mut end = span.start;
                for operand in operands {
                    assert!(end <= operand.span().start, "operands do not overlap");
                    end = operand.span().end;
                    open.push((operand, span));
                }
            }
            ExprKind::Not(inner) | ExprKind::ValuePath { filter: inner, .. } => {
                open.push((inner, span))
            }
            _ => {}
        }
    }
    assert_eq!(seen, expr.iter().count(), "every part is reached from the root");
}

/// Checks that a message is one line of bounded length, without control characters.
fn readable(message: &str) {
    assert!(
        !message.is_empty() && !message.ends_with('.'),
        "a message is one line without a full stop: {message}"
    );
    assert!(
        !message.chars().any(char::is_control),
        "a message has no control characters: {message:?}"
    );
    assert!(message.chars().count() < 1200, "a message is bounded: {message}");
}
