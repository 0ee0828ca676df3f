//! The tree that filters are translated from. It does not depend on hooksieve's own tree.

use std::fmt::Write as _;

/// The attributes of the webhook profile; a term and an event name them by index.
pub const ATTRIBUTES: [&str; 4] = ["id", "spaceId", "topLevelResourceId", "data.status"];

#[derive(Clone, Debug)]
pub enum Term {
    And(Vec<Term>),
    Or(Vec<Term>),
    Compare { attribute: usize, equal: bool, value: String },
}

impl Term {
    /// Translates the filter into a language with infix operators; `compare` writes a comparison.
    pub fn infix(
        &self,
        and: &str,
        or: &str,
        compare: &impl Fn(usize, bool, &str) -> String,
    ) -> String {
        let mut text = String::new();
        self.write_infix(and, or, compare, &mut text);
        text
    }

    fn write_infix(
        &self,
        and: &str,
        or: &str,
        compare: &impl Fn(usize, bool, &str) -> String,
        text: &mut String,
    ) {
        let (word, operands) = match self {
            Self::And(operands) => (and, operands),
            Self::Or(operands) => (or, operands),
            Self::Compare { attribute, equal, value } => {
                text.push_str(&compare(*attribute, *equal, value));
                return;
            }
        };
        for (at, operand) in operands.iter().enumerate() {
            if at > 0 {
                let _ = write!(text, " {word} ");
            }
            let brackets = !matches!(operand, Self::Compare { .. });
            text.push_str(if brackets { "(" } else { "" });
            operand.write_infix(and, or, compare, text);
            text.push_str(if brackets { ")" } else { "" });
        }
    }

    /// Returns whether no value needs an escape in any of the languages.
    pub fn is_plain(&self) -> bool {
        match self {
            Self::And(operands) | Self::Or(operands) => operands.iter().all(Self::is_plain),
            Self::Compare { value, .. } => {
                value.chars().all(|c| c.is_ascii_alphanumeric() || "-_. ".contains(c))
            }
        }
    }
}
