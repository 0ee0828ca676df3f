//! Counts the work of parsing and suggesting, in unit tests only.
//!
//! A step is a byte that a token or a search passes, or a node of the tree that is moved. Code that
//! passes the same bytes or moves the same nodes once per term would be quadratic. The tests here
//! parse hostile texts of a size and of double that size, and fail if the steps grow faster than
//! the text. Unlike a measured time, a count is the same on every machine.
//!
//! Outside tests, [`count`] is empty and costs nothing.
//!
//! # Example
//!
//! In `id eq "x" or id eq "x" or …`, each byte is passed by the token that reads it, and perhaps by
//! an alternative that fails before. So the test of the parser allows four steps for each byte. A
//! parser that searched the rest of the text for a closing bracket at each term would take steps
//! that grow with the square of the length, and fail the test at any machine speed.
//!
//! # Where to call it
//!
//! Call [`count`] wherever a loop or a search runs over text whose length the caller does not
//! bound. A search that is not counted is invisible to the tests.

/// Counts steps of work in unit tests.
#[cfg(not(test))]
#[inline(always)]
pub(super) fn count(_: usize) {}

#[cfg(test)]
pub(super) use tests::count;

#[cfg(test)]
mod tests {
    use crate::syntax::{Limits, Rules, parse::parse, suggest::suggest};
    use std::cell::Cell;

    // Tests run on several threads, and each counts its own steps.
    thread_local! {
        static STEPS: Cell<usize> = const { Cell::new(0) };
    }

    pub(in crate::syntax) fn count(steps: usize) {
        STEPS.set(STEPS.get() + steps);
    }

    /// Returns the steps that parsing a text takes, accepted or not.
    fn steps(text: &str) -> usize {
        let limits =
            Limits::default().with_bytes(usize::MAX).with_depth(usize::MAX).with_terms(usize::MAX);
        STEPS.set(0);
        let accepted = parse(text, limits).is_ok();
        let steps = STEPS.get();
        assert!(steps > 0 || !accepted, "parsing counts its steps");
        steps
    }

    /// A byte may be passed several times, by alternatives that fail, but not once per term.
    #[test]
    fn parses_in_steps_linear_in_the_text() {
        let scale = if cfg!(miri) { 20 } else { 20_000 };
        let quoted = |inner: &str, close: &str| format!("id eq \"{}{close}", inner.repeat(scale));
        let texts = [
            "(".repeat(scale),
            "not(".repeat(scale),
            "a[b pr or ".repeat(scale),
            ")".repeat(scale),
            quoted("x", "\""),
            quoted("x", ""),
            quoted("\\u0041", "\""),
            quoted("\\n", ""),
            "id eq \"x\" or ".repeat(scale),
            vec!["id eq \"x\""; scale].join(" or "),
            vec!["a pr"; scale].join(" or "),
            vec!["a pr"; scale].join(" and "),
            vec!["a pr and b pr"; scale].join(" or "),
            vec!["not(a pr)"; scale].join(" or "),
            vec!["a[b pr]"; scale].join(" or "),
            vec!["(a pr)"; scale].join(" and "),
            vec!["(a pr or b pr)"; scale].join(" or "),
            vec!["(a pr and b pr)"; scale].join(" and "),
            "a:".repeat(scale),
            "a.".repeat(scale),
            " ".repeat(scale),
            format!("id eq {}", "é".repeat(scale)),
            format!("id eq {}", "9".repeat(scale)),
        ];
        for text in texts {
            let (steps, bytes) = (steps(&text), text.len());
            let shown: String = text.chars().take(30).collect();
            assert!(steps <= 4 * bytes + 100, "{steps} steps for {bytes} bytes of {shown}");
        }
    }

    /// Returns the steps of two searches for a suggestion: by the grammar, and with strings only.
    fn suggestion_steps(text: &str) -> usize {
        let limits = Limits::default();
        let grammar = Rules::GRAMMAR;
        let strings = Rules { strings: true, ..Rules::GRAMMAR };
        STEPS.set(0);
        suggest(text, limits, &grammar);
        suggest(text, limits, &strings);
        STEPS.get()
    }

    /// Repeats each piece after each start, so that every search meets a text that almost lets it
    /// succeed. Doubling the text may only double the steps, with some tolerance.
    #[test]
    fn suggests_in_steps_linear_in_the_text() {
        let half = if cfg!(miri) { 500 } else { 16_000 };
        let pieces = [
            "'",
            "”",
            "\"",
            "`",
            "' x",
            "' ' ",
            "'a'",
            "\\\"",
            "%22",
            "%20",
            "%",
            "+",
            "and ",
            "& ",
            "(",
            "[",
            "a[",
            "a[b eq ",
            " ",
            "id eq a or ",
            "id eq 'a' or ",
            "id eq 'a or ",
            "&&",
            "&",
            "&a=b",
            "a&b",
            "a1 ",
            "a:",
            "urn:a: ",
            "urn:a:b.",
            ",",
            "a,",
            "'a',",
            "{\"a\":1,",
            "&quot;",
            "&#x22;",
            "&amp;",
            "\"\"",
            "\u{a0}",
            "not ",
            "!",
            ":a",
            "is ",
            "['a']",
            "--",
        ];
        let starts = [
            "",
            "id eq ",
            "id eq '",
            "id eq ”",
            "id==",
            "id in (",
            "{\"a\":",
            "\"",
            "a[b eq \"c\"].",
        ];
        for (piece, start) in pieces.iter().flat_map(|piece| starts.map(|start| (piece, start))) {
            let text = |bytes: usize| format!("{start}{}", piece.repeat(bytes / piece.len()));
            let (one, two) = (suggestion_steps(&text(half)), suggestion_steps(&text(2 * half)));
            assert!(two > 0, "suggesting counts its steps");
            let shown =
                format!("{start}{piece}…: {one} steps for {half} bytes, {two} for twice as many");
            assert!(two <= 200 * 2 * half, "{shown}");
            assert!(two <= 2 * one + one / 5 + 2_000, "{shown}");
        }
    }

    /// The node of a group is inserted before its first operand, or removed if its parent is of the
    /// same kind. Either moves the nodes after it, at most twice for each level of brackets.
    #[test]
    fn moves_nodes_at_most_two_times_per_level() {
        let terms = if cfg!(miri) { 50 } else { 2_000 };
        let many = vec!["a pr"; terms].join(" or ");
        for (opening, closing) in [("(", ") or b pr and c pr"), ("b pr and c pr or (", ")")] {
            for other in [(opening, closing), ("(", ") and d pr"), ("d pr or (", ")")] {
                let mut text = many.clone();
                for depth in 0..Limits::MAX_DEPTH {
                    let (before, after) = if depth % 2 == 0 { (opening, closing) } else { other };
                    text = format!("{before}{text}{after}");
                }
                let nodes = terms + 4 * Limits::MAX_DEPTH;
                let max = 4 * text.len() + 2 * Limits::MAX_DEPTH * nodes;
                let steps = steps(&text);
                assert!(steps <= max, "{steps} steps, more than {max}");
            }
        }
    }
}
