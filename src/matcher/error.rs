use crate::diagnostic::{Diagnostic, kinds};
use http::StatusCode;
use std::fmt;

kinds! {
    /// Why a subscription cannot be inserted.
    pub InsertError {
        /// The filter was checked by another profile than the matcher's.
        OtherProfile = "matcher-other-profile",
        /// There is no room: 2³² slots are in use or worn out, or 2²⁸ values, or 2³² words of lists.
        Full = "matcher-full",
    }
}

impl InsertError {
    fn help(self) -> &'static str {
        match self {
            Self::OtherProfile => "check the filter by the profile that the matcher was made with",
            Self::Full => "divide the subscriptions among several matchers, such as one a tenant",
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
            Self::OtherProfile => "the filter was checked by another profile than the matcher's",
            Self::Full => "the matcher has no room left",
        })
    }
}
