//! The error of inserting a subscription.

use crate::diagnostic::{Diagnostic, into_diagnostics, kinds};
use http::StatusCode;
use std::fmt;

kinds! {
    /// An error from inserting a subscription.
    pub InsertError {
        /// The filter was checked with another profile than the matcher's.
        ///
        /// The index stores attributes by their number in the profile.
        OtherProfile = "matcher-other-profile",
        /// The matcher is full.
        ///
        /// The limits are about 2³² slots, 2²⁸ attribute values and 1.4 × 10⁹ words of posting
        /// lists (a third of 2³²). A slot is not reused after 2³² removals.
        Full = "matcher-full",
    }
}

impl InsertError {
    fn help(self) -> &'static str {
        match self {
            Self::OtherProfile => "check the filter with the profile of the matcher",
            Self::Full => "divide the subscriptions among several matchers, such as one per tenant",
        }
    }
}

into_diagnostics!(InsertError);

impl From<&InsertError> for Diagnostic {
    fn from(error: &InsertError) -> Self {
        Self::error(error.code(), error.to_string(), error.help())
            .with_status(StatusCode::INTERNAL_SERVER_ERROR)
    }
}

impl std::error::Error for InsertError {}

impl fmt::Display for InsertError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::OtherProfile => "the filter was checked with another profile than the matcher's",
            Self::Full => "the matcher is full",
        })
    }
}
