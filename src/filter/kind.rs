//! The codes of diagnostics about filters: violations of a profile, and warnings.

use crate::diagnostic::kinds;
use crate::syntax::ErrorKind;

/// Iterates over the codes of all diagnostics about filters, from syntax errors to warnings.
///
/// ```
/// assert!(hooksieve::filter::codes().any(|code| code == "filter-unknown-attribute"));
/// ```
pub fn codes() -> impl Iterator<Item = &'static str> {
    let syntax = ErrorKind::ALL.iter().map(|kind| kind.code());
    syntax.chain(Kind::ALL.iter().map(|kind| kind.code()))
}

kinds! {
    /// The kinds of violations of a profile and of warnings about filters.
    pub(crate) Kind {
        /// An attribute that the profile does not have.
        UnknownAttribute = "filter-unknown-attribute",
        /// An operator that the profile does not have, `pr` included.
        UnsupportedOperator = "filter-unsupported-operator",
        /// `not(…)`.
        UnsupportedNot = "filter-unsupported-not",
        /// `attribute[…]`.
        UnsupportedValuePath = "filter-unsupported-value-path",
        /// A value that is a number, a boolean or null, where a string is required.
        ValueNotAString = "filter-value-not-a-string",
        /// A value that is not among those the attribute may be compared with.
        ValueNotAllowed = "filter-value-not-allowed",
        /// An attribute that cannot be used with the webhook's event types.
        AttributeNotAllowed = "filter-attribute-not-allowed",
        /// A filter that matches no event.
        NeverMatches = "never-matches",
        /// A filter that matches every event.
        AlwaysMatches = "always-matches",
        /// A part that can be removed: a term, or a group with all its operands.
        RedundantTerm = "redundant-term",
        /// An attribute that no event of the subscribed types has.
        AttributeNeverPresent = "attribute-never-present",
        /// A term that compares with the empty string, which an absent attribute does not equal.
        EmptyValue = "value-empty",
        /// A value with `*` in it, or with `%` at an end: values are compared exactly.
        WildcardValue = "value-wildcard",
        /// A value that begins or ends with white space.
        BlankAroundValue = "value-outer-blank",
        /// A value with a placeholder, such as `{{ID}}`.
        PlaceholderValue = "value-placeholder",
        /// A value with an invisible character, such as U+200B, or a no-break space.
        InvisibleInValue = "value-invisible-character",
    }
}
