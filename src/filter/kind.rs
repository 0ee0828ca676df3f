//! The codes of what a profile does not allow in a filter, and of warnings about filters.

use crate::diagnostic::kinds;
use crate::syntax::ErrorKind;

/// Every code of a diagnostic about a filter, from syntax errors to warnings.
///
/// ```
/// assert!(hooksieve::filter::codes().any(|code| code == "filter-unknown-attribute"));
/// ```
pub fn codes() -> impl Iterator<Item = &'static str> {
    let syntax = ErrorKind::ALL.iter().map(|kind| kind.code());
    syntax.chain(Kind::ALL.iter().map(|kind| kind.code()))
}

kinds! {
    /// What a profile does not allow in a well-formed filter, and what is worth a warning.
    pub(crate) Kind {
        /// An attribute that the profile does not have.
        UnknownAttribute = "filter-unknown-attribute",
        /// An operator that the profile does not have, `pr` included.
        UnsupportedOperator = "filter-unsupported-operator",
        /// `not(…)`.
        UnsupportedNot = "filter-unsupported-not",
        /// `attribute[…]`.
        UnsupportedValuePath = "filter-unsupported-value-path",
        /// A value that is a number, a boolean or null.
        ValueNotAString = "filter-value-not-a-string",
        /// A value that the attribute never takes.
        ValueNotAllowed = "filter-value-not-allowed",
        /// An attribute that does not go with the webhook's event types.
        AttributeNotAllowed = "filter-attribute-not-allowed",
        /// A filter that matches no event.
        NeverMatches = "never-matches",
        /// A filter that matches every event.
        AlwaysMatches = "always-matches",
        /// A part that could be left out: a term, or a group with all its operands.
        RedundantTerm = "redundant-term",
        /// An attribute that no event of the subscribed types has.
        AttributeNeverPresent = "attribute-never-present",
        /// A term that compares with the empty string, which no absent attribute equals.
        EmptyValue = "value-empty",
        /// A value with `*` in it, or with `%` at an end: values are compared exactly.
        WildcardValue = "value-wildcard",
        /// A value that begins or ends with white space.
        BlankAroundValue = "value-outer-blank",
        /// A value with a placeholder, such as `{{ID}}`.
        PlaceholderValue = "value-placeholder",
        /// A value with a character that is not visible, such as U+200B, or a no-break space.
        InvisibleInValue = "value-invisible-character",
    }
}
