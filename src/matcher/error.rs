//! The error of inserting a subscription.

use crate::diagnostic::{Diagnostic, kinds};
use http::StatusCode;
use std::fmt;

kinds! {
    /// An error from inserting a subscription.
    pub InsertError {
        /// The filter was checked with another profile than the matcher's.
        ///
        /// The index stores attributes by number, which only have a meaning within one profile.
        OtherProfile = "matcher-other-profile",
        /// There is no room left.
        ///
        /// The limits are 2³² slots, where one is used up after 2³² removals, 2²⁸ attribute values,
        /// and 2³² words of posting lists.
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

impl From<InsertError> for Diagnostic {
    fn from(error: InsertError) -> Self {
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
