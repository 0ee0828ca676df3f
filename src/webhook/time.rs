//! Times as the API writes them.
//!
//! A range of years keeps every time printable in four digits (RFC 3339 has no others), so that a
//! time that was stored can always be read again. Equal moments are equal regardless of how many
//! digits of a second were written.

use crate::diagnostic::Diagnostic;
use std::fmt;
use std::str::FromStr;
use std::time::{Duration, SystemTime};

/// A moment in UTC, in the years 1970 to 9999.
///
/// A `SystemTime` outside these years becomes the nearest moment in them. `Display` writes the
/// moment as the API does (RFC 3339). The fraction of a second has 0, 3, 6 or 9 digits, the fewest
/// that are exact.
///
/// ```
/// use hooksieve::webhook::Timestamp;
/// use std::time::{Duration, UNIX_EPOCH};
///
/// let moment = Timestamp::from(UNIX_EPOCH + Duration::from_millis(1_500));
/// assert_eq!(moment.to_string(), "1970-01-01T00:00:01.500Z");
/// assert_eq!("1970-01-01T00:00:01.5Z".parse(), Ok(moment));
/// assert!("yesterday".parse::<Timestamp>().is_err());
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Timestamp(SystemTime);

/// The end of the year 9999.
const LAST: Duration = Duration::new(253_402_300_799, 999_999_999);

impl From<SystemTime> for Timestamp {
    fn from(time: SystemTime) -> Self {
        // A time before 1970 becomes 1970, the nearest moment that can be written.
        let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Self(SystemTime::UNIX_EPOCH + since.min(LAST))
    }
}

impl From<Timestamp> for SystemTime {
    fn from(timestamp: Timestamp) -> Self {
        timestamp.0
    }
}

impl serde::Serialize for Timestamp {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for Timestamp {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl FromStr for Timestamp {
    type Err = Diagnostic;

    fn from_str(text: &str) -> Result<Self, Diagnostic> {
        let time = humantime::parse_rfc3339(text).map_err(|_| {
            Diagnostic::error(
                "time-invalid",
                "not a time in UTC since 1970",
                "write it as in RFC 3339, such as `2026-01-31T09:00:00Z`",
            )
        })?;
        Ok(Self::from(time))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // `from` made it 1970 or later.
        let since = self.0.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        // Nothing is rounded: a time that is written and read again is equal.
        match since.subsec_nanos() {
            0 => humantime::format_rfc3339_seconds(self.0).fmt(f),
            nanos if nanos % 1_000_000 == 0 => humantime::format_rfc3339_millis(self.0).fmt(f),
            nanos if nanos % 1_000 == 0 => humantime::format_rfc3339_micros(self.0).fmt(f),
            _ => humantime::format_rfc3339_nanos(self.0).fmt(f),
        }
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
